//! One of a terminal's two screens: its lines, those that scrolled away first, and where things stand on it.

use std::collections::VecDeque;

use super::cell::Pen;
use super::charset::Charset;
use super::line::Line;

pub const TAB: usize = 8;

/// What DECSC keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Saved {
    pub x: usize,
    /// Counted from the first line, those that scrolled away included.
    pub line: usize,
    /// Without [`Pen::extra`], which is not kept.
    pub pen: Pen,
    pub charset: Option<Charset>,
}

#[derive(Debug)]
pub struct Buffer {
    pub lines: VecDeque<Line>,
    pub columns: usize,
    pub rows: usize,
    /// Lines that scrolled away.
    pub base: usize,
    /// Lines that may scroll away.
    pub scrollback: usize,
    /// The cursor; beyond the last column: the next character goes to the next line.
    pub x: usize,
    pub y: usize,
    /// First and last line of the region that scrolls.
    pub top: usize,
    pub bottom: usize,
    pub tabs: Vec<bool>,
    pub saved: Saved,
}

impl Buffer {
    pub fn new(columns: usize, rows: usize, scrollback: usize) -> Self {
        let mut buffer = Self {
            lines: VecDeque::new(),
            columns,
            rows,
            base: 0,
            scrollback,
            x: 0,
            y: 0,
            top: 0,
            bottom: 0,
            tabs: Vec::new(),
            saved: Saved::default(),
        };
        buffer.clear(Pen::default());
        buffer
    }

    /// Empty, as at the start; what is saved stays.
    pub fn clear(&mut self, pen: Pen) {
        let (columns, rows) = (self.columns, self.rows);
        self.lines = std::iter::repeat_with(|| Line::blank(columns, pen))
            .take(rows)
            .collect();
        (self.base, self.x, self.y, self.top, self.bottom) = (0, 0, 0, 0, rows - 1);
        self.tabs = (0..columns).map(|column| column % TAB == 0).collect();
    }

    /// A line of the picture.
    pub fn row(&self, y: usize) -> Option<&Line> {
        self.lines.get(self.base + y)
    }

    pub fn row_mut(&mut self, y: usize) -> Option<&mut Line> {
        self.lines.get_mut(self.base + y)
    }

    /// The cursor's line.
    pub fn line(&mut self) -> Option<&mut Line> {
        self.row_mut(self.y)
    }

    fn is_full(&self) -> bool {
        self.lines.len() >= self.rows + self.scrollback
    }

    /// Lines of the region move up; at the top of the picture the first one scrolls away.
    pub fn scroll(&mut self, pen: Pen, wrapped: bool) {
        let mut line = if self.top > 0 {
            self.lines.remove(self.base + self.top).unwrap_or_default()
        } else if self.is_full() {
            self.lines.pop_front().unwrap_or_default()
        } else {
            self.base += 1;
            Line::default()
        };
        line.clear(self.columns, pen);
        line.wrapped = wrapped;
        let at = self.base + self.bottom;
        self.lines.insert(at.min(self.lines.len()), line);
    }

    /// Blank lines go in at a line of the picture; what leaves the region below is gone.
    pub fn insert_lines(&mut self, at: usize, count: usize, pen: Pen) {
        let (columns, bottom) = (self.columns, self.base + self.bottom);
        for _ in 0..count.min(self.bottom + 1 - at) {
            self.lines.remove(bottom);
            self.lines.insert(self.base + at, Line::blank(columns, pen));
        }
    }

    /// Lines go away; blank ones come in at the region's end.
    pub fn delete_lines(&mut self, at: usize, count: usize, pen: Pen) {
        let (columns, bottom) = (self.columns, self.base + self.bottom);
        for _ in 0..count.min(self.bottom + 1 - at) {
            self.lines.remove(self.base + at);
            self.lines.insert(bottom, Line::blank(columns, pen));
        }
    }

    /// Forgets what scrolled away.
    pub fn forget_scrolled(&mut self) {
        self.lines.drain(..self.base);
        self.base = 0;
    }

    /// The next stop after a column.
    pub fn tab_after(&self, x: usize) -> usize {
        let next = (x + 1..self.columns).find(|column| self.tabs.get(*column) == Some(&true));
        next.unwrap_or(self.columns - 1)
    }

    pub fn tab_before(&self, x: usize) -> usize {
        let before = (0..x.min(self.columns))
            .rev()
            .find(|column| self.tabs.get(*column) == Some(&true));
        before.unwrap_or(0)
    }

    /// Moves the cursor into the picture, and with origin mode into the region; up to this column.
    pub fn restrict(&mut self, last_column: usize, origin: bool) {
        self.x = self.x.min(last_column);
        self.y = if origin {
            self.y.clamp(self.top, self.bottom)
        } else {
            self.y.min(self.rows - 1)
        };
    }
}
