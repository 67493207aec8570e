//! What control characters and sequences do.

use super::buffer::{Buffer, Saved};
use super::cell::Pen;
use super::charset::designated;
use super::line::Line;
use super::modes::Modes;
use super::store::{Extra, Store};
use super::{SETS, Screen, sgr};

impl Screen {
    pub(super) fn execute(&mut self, code: u32) {
        let wrap_back = self.modes.reverse_wrap;
        match code {
            0x08 if wrap_back => self.back_over_edge(),
            0x08 => {
                self.restrict();
                let buffer = self.buffer();
                buffer.x = buffer.x.saturating_sub(1);
            }
            0x09 => {
                let buffer = self.buffer();
                if buffer.x < buffer.columns {
                    buffer.x = buffer.tab_after(buffer.x);
                }
            }
            0x0a..=0x0c => self.line_feed(),
            0x0d => self.buffer().x = 0,
            0x0e => self.set_level(1),
            0x0f => self.set_level(0),
            0x84 => self.index(),
            0x85 => self.next_line(),
            0x88 => self.set_tab(),
            _ => {}
        }
    }

    pub(super) fn escape(&mut self, code: u32) {
        let Ok(last) = u8::try_from(code) else { return };
        match (self.parser.collected.as_slice(), last) {
            ([], b'7') => self.save(),
            ([], b'8') => self.restore(),
            ([], b'D') => self.index(),
            ([], b'E') => self.next_line(),
            ([], b'H') => self.set_tab(),
            ([], b'M') => self.reverse_index(),
            ([], b'=') => self.modes.keypad = true,
            ([], b'>') => self.modes.keypad = false,
            ([], b'c') => self.reset(),
            ([], b'n' | b'}') => self.set_level(2),
            ([], b'o' | b'|') => self.set_level(3),
            ([], b'~') => self.set_level(1),
            ([b'%'], b'@' | b'G') => {
                self.set_level(0);
                self.designate(0, b'B');
            }
            ([b'('], letter) => self.designate(0, letter),
            ([b')' | b'-'], letter) => self.designate(1, letter),
            ([b'*' | b'.'], letter) => self.designate(2, letter),
            ([b'+'], letter) => self.designate(3, letter),
            ([b'#'], b'8') => self.fill_with_e(),
            _ => {}
        }
    }

    pub(super) fn csi(&mut self, code: u32) {
        let Ok(last) = u8::try_from(code) else { return };
        match (self.parser.collected.as_slice(), last) {
            ([], b'A'..=b'H' | b'`' | b'a' | b'd' | b'e' | b'f' | b'I' | b'Z') => self.move_by(last),
            ([], b'@' | b'P' | b'X' | b'L' | b'M' | b'S' | b'T') => self.shift(last),
            ([], b'J') => self.erase_picture(false),
            ([b'?'], b'J') => self.erase_picture(true),
            ([], b'K') => self.erase_line(false),
            ([b'?'], b'K') => self.erase_line(true),
            ([], b'b') => self.repeat(),
            ([], b'g') => self.clear_tabs(),
            ([], b'h') => self.set_modes(true),
            ([], b'l') => self.set_modes(false),
            ([b'?'], b'h') => self.set_private_modes(true),
            ([b'?'], b'l') => self.set_private_modes(false),
            ([], b'm') => self.set_pen(),
            ([], b'r') => self.set_region(),
            ([], b's') => self.save(),
            ([], b'u') => self.restore(),
            ([b'!'], b'p') => self.soft_reset(),
            ([b' '], b'q') => self.set_cursor(),
            ([b'"'], b'q') => self.pen.flags = sgr::protected(self.parser.parameters.first(), self.pen.flags),
            ([b' '], b'@') => self.shift_region(false, Some(0)),
            ([b' '], b'A') => self.shift_region(true, Some(0)),
            ([b'\''], b'}') => self.shift_region(true, None),
            ([b'\''], b'~') => self.shift_region(false, None),
            _ => {}
        }
    }

    pub(super) fn restrict(&mut self) {
        let origin = self.modes.origin;
        let buffer = self.buffer();
        buffer.restrict(buffer.columns - 1, origin);
    }

    /// As [`Screen::restrict`]; a cursor behind the last column stays there.
    pub(super) fn restrict_loosely(&mut self) {
        let origin = self.modes.origin;
        let buffer = self.buffer();
        buffer.restrict(buffer.columns, origin);
    }

    pub(super) fn move_to(&mut self, x: usize, y: usize) {
        let origin = self.modes.origin;
        let buffer = self.buffer();
        buffer.x = x;
        buffer.y = if origin { buffer.top.saturating_add(y) } else { y };
        self.restrict();
    }

    /// As xterm.js has it: with origin mode a relative movement counts from the region's first line as well.
    fn shift_to(&mut self, x: usize, y: isize) {
        let origin = self.modes.origin;
        let buffer = self.buffer();
        let from = if origin { buffer.top } else { 0 };
        buffer.x = x;
        buffer.y = from.saturating_add_signed(y);
        self.restrict();
    }

    fn move_by(&mut self, last: u8) {
        let count = self.parser.parameters.count();
        let (row, column) = (count - 1, self.parser.parameters.place(1) - 1);
        let signed = isize::try_from(count).unwrap_or(isize::MAX);
        let (x, y) = (self.buffer().x, self.buffer().y);
        match last {
            b'A' | b'F' => self.move_up(signed),
            b'B' | b'E' => self.move_down(signed),
            b'C' | b'a' => {
                self.restrict();
                let (x, y) = (self.buffer().x, self.buffer().y);
                self.shift_to(x.saturating_add(count), y.cast_signed());
            }
            b'D' => {
                self.restrict();
                let (x, y) = (self.buffer().x, self.buffer().y);
                self.shift_to(x.saturating_sub(count), y.cast_signed());
            }
            b'G' | b'`' => self.move_to(row, y),
            b'd' => self.move_to(x, row),
            b'e' => {
                self.restrict();
                let (x, y) = (self.buffer().x, self.buffer().y);
                self.shift_to(x, y.cast_signed().saturating_add(signed));
            }
            b'H' | b'f' => self.move_to(column, row),
            _ => self.move_by_tabs(last == b'I', count),
        }
        if matches!(last, b'E' | b'F') {
            self.buffer().x = 0;
        }
    }

    fn move_up(&mut self, count: isize) {
        let buffer = self.buffer();
        let above = buffer.y.checked_sub(buffer.top);
        let count = above.map_or(count, |above| count.min(above.cast_signed()));
        self.restrict();
        let (x, y) = (self.buffer().x, self.buffer().y);
        self.shift_to(x, y.cast_signed() - count);
    }

    fn move_down(&mut self, count: isize) {
        let buffer = self.buffer();
        let below = buffer.bottom.checked_sub(buffer.y);
        let count = below.map_or(count, |below| count.min(below.cast_signed()));
        self.restrict();
        let (x, y) = (self.buffer().x, self.buffer().y);
        self.shift_to(x, y.cast_signed().saturating_add(count));
    }

    fn move_by_tabs(&mut self, forward: bool, count: usize) {
        let buffer = self.buffer();
        if buffer.x >= buffer.columns {
            return;
        }
        for _ in 0..count.min(buffer.columns) {
            buffer.x = if forward {
                buffer.tab_after(buffer.x)
            } else {
                buffer.tab_before(buffer.x)
            };
        }
    }

    /// Backspace with reverse wraparound: from the first column to the line that goes on here.
    fn back_over_edge(&mut self) {
        self.restrict_loosely();
        let buffer = self.buffer();
        if buffer.x > 0 {
            buffer.x -= 1;
        } else if buffer.y > buffer.top && buffer.y <= buffer.bottom && buffer.line().is_some_and(|line| line.wrapped) {
            if let Some(line) = buffer.line() {
                line.wrapped = false;
            }
            buffer.y -= 1;
            buffer.x = buffer.columns - 1;
            let x = buffer.x;
            let is_empty = |line: &mut Line| line.width(x) > 0 && !line.cell(x).has_content();
            if buffer.line().is_some_and(is_empty) {
                buffer.x -= 1;
            }
        }
        self.restrict();
    }

    fn line_feed(&mut self) {
        let (to_begin, pen) = (self.modes.line_feed, self.pen.erased());
        let buffer = self.buffer();
        if to_begin {
            buffer.x = 0;
        }
        if buffer.y == buffer.bottom {
            buffer.scroll(pen, false);
        } else if buffer.y + 1 < buffer.rows {
            buffer.y += 1;
            if let Some(line) = buffer.line() {
                line.wrapped = false;
            }
        }
        if buffer.x >= buffer.columns {
            buffer.x -= 1;
        }
    }

    fn index(&mut self) {
        self.restrict();
        let pen = self.pen.erased();
        let buffer = self.buffer();
        if buffer.y == buffer.bottom {
            buffer.scroll(pen, false);
        } else if buffer.y + 1 < buffer.rows {
            buffer.y += 1;
        }
        self.restrict();
    }

    fn next_line(&mut self) {
        self.buffer().x = 0;
        self.index();
    }

    fn reverse_index(&mut self) {
        self.restrict();
        let pen = self.pen.erased();
        let buffer = self.buffer();
        if buffer.y == buffer.top {
            buffer.insert_lines(buffer.top, 1, pen);
        } else {
            buffer.y = buffer.y.saturating_sub(1);
        }
        self.restrict();
    }

    fn set_tab(&mut self) {
        let buffer = self.buffer();
        let x = buffer.x;
        if let Some(tab) = buffer.tabs.get_mut(x) {
            *tab = true;
        }
    }

    fn clear_tabs(&mut self) {
        let which = self.parser.parameters.first();
        let buffer = self.buffer();
        let x = buffer.x;
        match which {
            0 => {
                if let Some(tab) = buffer.tabs.get_mut(x) {
                    *tab = false;
                }
            }
            3 => buffer.tabs.fill(false),
            _ => {}
        }
    }

    fn set_region(&mut self) {
        let top = self.parser.parameters.place(0);
        let bottom = self.parser.parameters.numbers().get(1).copied().unwrap_or(0);
        let rows = self.rows;
        let bottom = usize::try_from(bottom)
            .ok()
            .filter(|bottom| (1..=rows).contains(bottom))
            .unwrap_or(rows);
        if bottom > top {
            let buffer = self.buffer();
            (buffer.top, buffer.bottom) = (top - 1, bottom - 1);
            self.move_to(0, 0);
        }
    }

    pub(super) fn save(&mut self) {
        let (pen, charset) = (Pen { extra: 0, ..self.pen }, self.charset);
        let buffer = self.buffer();
        buffer.saved = Saved {
            x: buffer.x,
            line: buffer.base + buffer.y,
            pen,
            charset,
        };
    }

    pub(super) fn restore(&mut self) {
        let buffer = self.buffer();
        let saved = buffer.saved;
        buffer.x = saved.x;
        buffer.y = saved.line.saturating_sub(buffer.base);
        self.pen = Pen {
            extra: self.pen.extra,
            ..saved.pen
        };
        self.charset = saved.charset;
        self.restrict();
    }

    fn set_level(&mut self, level: usize) {
        self.level = level;
        self.charset = self.sets.get(level).copied().flatten();
    }

    fn designate(&mut self, set: usize, letter: u8) {
        let Some(charset) = designated(letter) else { return };
        self.sets[set % SETS] = charset;
        if self.level == set {
            self.charset = charset;
        }
    }

    fn set_cursor(&mut self) {
        let number = self.parser.parameters.first();
        if number == 0 {
            self.modes.cursor = (None, None);
            return;
        }
        let shape = match number {
            1 | 2 => Some(1),
            3 | 4 => Some(2),
            5 | 6 => Some(3),
            _ => self.modes.cursor.0,
        };
        self.modes.cursor = (shape, Some(number % 2 == 1));
    }

    fn soft_reset(&mut self) {
        self.modes.reset();
        self.modes.hidden = false;
        (self.pen, self.extra) = (Pen::default(), Extra::default());
        self.reset_charsets();
        let buffer = self.buffer();
        (buffer.top, buffer.bottom) = (0, buffer.rows - 1);
        buffer.saved = Saved {
            line: buffer.base,
            ..Saved::default()
        };
    }

    fn reset_charsets(&mut self) {
        (self.sets, self.level, self.charset) = ([None; SETS], 0, None);
    }

    /// RIS.
    fn reset(&mut self) {
        let (columns, rows, scrollback) = (self.columns, self.rows, self.primary.scrollback);
        let Modes {
            line_feed,
            hidden,
            blink,
            ..
        } = self.modes;
        self.modes = Modes {
            line_feed,
            hidden,
            blink,
            ..Modes::default()
        };
        self.primary = Buffer::new(columns, rows, scrollback);
        self.alternate = Buffer::new(columns, rows, 0);
        self.is_alternate = false;
        (self.pen, self.extra, self.store) = (Pen::default(), Extra::default(), Store::default());
        self.reset_charsets();
    }
}
