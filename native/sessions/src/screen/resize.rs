//! Another size. Everybody who looks asks for the view again then, so only sense counts: no text is lost, and the cursor stays where
//! its program believes it.

use std::collections::VecDeque;

use openwrap_contracts::spawn::TerminalSize;

use super::buffer::{Buffer, TAB};
use super::cell::Cell;
use super::line::Line;
use super::{Screen, cells};

impl Screen {
    /// A size without cells changes nothing.
    pub fn resize(&mut self, size: TerminalSize) {
        if size.columns == 0 || size.rows == 0 {
            return;
        }
        self.size = size;
        (self.columns, self.rows) = cells(size);
        self.primary.resize(self.columns, self.rows, true);
        self.alternate.resize(self.columns, self.rows, false);
        // What was just printed may stand elsewhere now.
        self.preceding = 0;
    }
}

impl Buffer {
    fn resize(&mut self, columns: usize, rows: usize, breaks_anew: bool) {
        let below = self.lines.len() - (self.base + self.y + 1);
        let mut cursor = self.base + self.y;
        if columns != self.columns {
            if breaks_anew {
                self.break_anew(columns, &mut cursor);
            }
            for line in &mut self.lines {
                line.cut(columns);
            }
            let tabs = (self.columns..columns).map(|column| column % TAB == 0);
            self.tabs.extend(tabs);
            self.tabs.truncate(columns);
        }
        // Empty lines below the cursor make room first.
        let spare = self.lines.len().saturating_sub(cursor + 1).min(below);
        let surplus = self.lines.len().saturating_sub(self.base.max(cursor + 1).max(rows));
        for _ in 0..spare.min(surplus) {
            if self.lines.len() > rows && self.lines.back().is_some_and(|line| line.cells().is_empty()) {
                self.lines.pop_back();
            }
        }
        (self.columns, self.rows) = (columns, rows);
        while self.lines.len() < rows {
            self.lines.push_back(Line::default());
        }
        self.base = (self.lines.len() - rows).min(cursor);
        self.lines.truncate(self.base + rows);
        let gone = self.base.saturating_sub(self.scrollback);
        self.lines.drain(..gone);
        self.base -= gone;
        cursor -= gone;
        self.y = cursor - self.base;
        self.x = self.x.min(columns - 1);
        (self.top, self.bottom) = (0, rows - 1);
        self.saved.x = self.saved.x.min(columns - 1);
        self.saved.line = self.saved.line.saturating_sub(gone).min(self.lines.len() - 1);
    }

    /// Lines that the edge broke are broken at the new one. The one with the cursor stays: its program prints it again.
    fn break_anew(&mut self, columns: usize, cursor: &mut usize) {
        let mut broken = VecDeque::new();
        let mut at = 0;
        let (old, was) = (std::mem::take(&mut self.lines), *cursor);
        let mut rest = old.into_iter().peekable();
        while let Some(first) = rest.next() {
            let from = at;
            let mut whole = vec![first];
            while let Some(line) = rest.next_if(|line| line.wrapped) {
                whole.push(line);
            }
            at += whole.len();
            if (from..at).contains(&was) {
                *cursor = broken.len() + was - from;
                broken.extend(whole);
            } else {
                broken.extend(broken_at(&whole, self.columns, columns));
            }
        }
        self.lines = broken;
    }
}

/// One line as it was printed, in lines of this width.
fn broken_at(whole: &[Line], before: usize, columns: usize) -> Vec<Line> {
    let mut cells: Vec<Cell> = Vec::new();
    for (place, line) in whole.iter().enumerate() {
        let mut end = if place + 1 < whole.len() {
            before
        } else {
            line.cells().len()
        };
        // The cell that a wide character had no room in.
        if whole.get(place + 1).is_some_and(|next| next.width(0) == 2) && !line.cell(before - 1).has_content() {
            end -= usize::from(line.width(before - 1) == 1);
        }
        cells.extend((0..end).map(|at| line.cell(at)));
    }
    let mut lines = vec![Line::default()];
    let mut x = 0;
    for cell in cells {
        if x + usize::from(cell.width()).max(1) > columns {
            let mut next = Line::default();
            next.wrapped = true;
            lines.push(next);
            x = 0;
        }
        if let Some(line) = lines.last_mut() {
            line.set(x, cell);
        }
        x += 1;
    }
    if let (Some(first), Some(known)) = (lines.first_mut(), whole.first()) {
        first.wrapped = known.wrapped;
    }
    lines
}
