//! Printing.

use super::Screen;
use super::cell::{Cell, Shown};
use super::width::width;

/// How often a character is repeated at the most: more than any line has columns.
const REPEATED_MAX: usize = 4_096;

impl Screen {
    /// Of what is being printed over, half a wide character is none.
    pub(super) fn begin_text(&mut self) {
        if std::mem::replace(&mut self.in_text, true) {
            return;
        }
        let pen = self.pen;
        let buffer = self.buffer();
        let x = buffer.x;
        if let Some(line) = buffer.line()
            && x > 0
            && line.width(x - 1) == 2
        {
            line.set(x - 1, Cell::empty(pen));
        }
    }

    pub(super) fn end_text(&mut self) {
        if !std::mem::take(&mut self.in_text) {
            return;
        }
        let pen = self.pen;
        let columns = self.columns;
        let buffer = self.buffer();
        let x = buffer.x;
        if let Some(line) = buffer.line()
            && x < columns
            && line.width(x) == 0
            && !line.cell(x).has_content()
        {
            line.set(x, Cell::empty(pen));
        }
    }

    /// ASCII, while nothing changes what it means.
    pub(super) fn print_plain(&mut self, bytes: &[u8]) {
        self.begin_text();
        let (columns, pen) = (self.columns, self.pen);
        let mut rest = bytes;
        while !rest.is_empty() {
            let buffer = self.buffer();
            let x = buffer.x;
            let fitting = columns.saturating_sub(x).min(rest.len());
            if fitting == 0 {
                self.print(u32::from(rest[0]));
                rest = &rest[1..];
                continue;
            }
            if let Some(line) = buffer.line() {
                for (place, byte) in rest[..fitting].iter().enumerate() {
                    line.set(x + place, Cell::new(u32::from(*byte), 1, pen));
                }
            }
            buffer.x = x + fitting;
            rest = &rest[fitting..];
        }
        self.preceding = 1;
    }

    pub(super) fn print(&mut self, code: u32) {
        let code = match self.charset {
            Some(charset) if code < 0x7f => charset.character(code),
            _ => code,
        };
        let before = self.preceding;
        let joins = width(code) == 0 && before != 0;
        let wide = if joins { before } else { width(code) };
        self.preceding = wide;
        let columns = self.columns;
        if !joins && self.buffer().x + usize::from(wide) > columns {
            if self.modes.wrap {
                self.wrap();
            } else {
                self.buffer().x = columns - 1;
                if wide == 2 {
                    return;
                }
            }
        }
        if joins && self.buffer().x > 0 {
            self.join(code, wide);
            return;
        }
        let (pen, insert) = (self.pen, self.modes.insert);
        let buffer = self.buffer();
        let x = buffer.x;
        buffer.x += usize::from(wide).max(1);
        if let Some(line) = buffer.line() {
            if insert && x < columns {
                let count = if joins { 0 } else { usize::from(wide) };
                line.insert(x, count, columns, pen);
                if line.width(columns - 1) == 2 {
                    line.set(columns - 1, Cell::empty(pen));
                }
            }
            if x < columns {
                line.set(x, Cell::new(code, wide, pen));
            }
            if wide == 2 && x + 1 < columns {
                line.set(x + 1, Cell::new(0, 0, pen));
            }
        }
    }

    /// To the next line, which goes on from this one.
    fn wrap(&mut self) {
        let (columns, rows, pen) = (self.columns, self.rows, self.pen);
        let buffer = self.buffer();
        let from = buffer.x;
        if let Some(line) = buffer.line() {
            for at in from..columns {
                line.set(at, Cell::empty(pen));
            }
        }
        buffer.x = 0;
        if buffer.y == buffer.bottom {
            buffer.scroll(pen.erased(), true);
            return;
        }
        buffer.y = (buffer.y + 1).min(rows - 1);
        if let Some(line) = buffer.line() {
            line.wrapped = true;
        }
    }

    /// A mark goes to the character before it.
    fn join(&mut self, code: u32, wide: u8) {
        let buffer = self.buffer();
        let x = buffer.x;
        let Some(line) = buffer.line() else { return };
        let back = if line.width(x - 1) > 0 { 1 } else { 2 };
        let Some(at) = x.checked_sub(back) else { return };
        let cell = line.cell(at);
        let mut text = match cell.shown() {
            Shown::Nothing => {
                line.set(at, Cell::new(code, wide, cell.pen));
                return;
            }
            Shown::One(code) => char::from_u32(code).map(String::from).unwrap_or_default(),
            Shown::Joined(place) => self.store.joined(place).to_owned(),
        };
        text.extend(char::from_u32(code));
        if let Some(place) = self.store.place_of_joined(&text)
            && let Some(line) = self.buffer().line()
        {
            line.set(at, cell.joined(place, wide));
        }
    }

    /// REP: what was just printed, so many times more.
    pub(super) fn repeat(&mut self) {
        let most = REPEATED_MAX;
        let count = self.parser.parameters.count().min(most);
        let wide = usize::from(self.preceding);
        let buffer = self.buffer();
        let Some(x) = buffer.x.checked_sub(wide).filter(|_| wide > 0) else {
            return;
        };
        let shown = buffer.line().map_or(Shown::Nothing, |line| line.cell(x).shown());
        let text = match shown {
            Shown::Nothing => return,
            Shown::One(code) => char::from_u32(code).map(String::from).unwrap_or_default(),
            Shown::Joined(place) => self.store.joined(place).to_owned(),
        };
        self.begin_text();
        for character in text.repeat(count).chars() {
            self.print(u32::from(character));
        }
        self.end_text();
    }
}
