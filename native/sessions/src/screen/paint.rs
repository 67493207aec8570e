//! Paints a screen on a fresh terminal.

use std::fmt::Write as _;

use super::Screen;
use super::buffer::{Buffer, Saved};
use super::cell::{Cell, EXTENDED, Shown, UNDERLINE};
use super::painter::{Look, Painter};

/// Joins nothing at the begin of a line, so that it takes a cell.
const LONE_MARK: char = '\u{301}';

impl Screen {
    /// Paints it on a fresh terminal of its size: what scrolled away, both screens, colours, cursor, modes, and a sequence that has begun.
    #[must_use]
    pub fn paint(&self) -> Vec<u8> {
        let mut painter = Painter {
            // What a reset of the page's terminal leaves.
            out: "\x1b[20l\x1b[?25h\x1b[?12l".to_owned(),
            store: &self.store,
            columns: self.columns,
            rows: self.rows,
            look: Look::default(),
        };
        if !self.is_alternate && self.alternate.saved != Saved::default() {
            painter.out.push_str("\x1b[?47h");
            painter.put(0, self.alternate.saved.line.min(self.rows - 1));
            painter.save(self.alternate.saved);
            painter.out.push_str("\x1b[?47l\x1b[H");
        }
        painter.lines(&self.primary);
        if self.is_alternate {
            painter.settle(&self.primary);
            painter.out.push_str("\x1b[?47h\x1b[H");
            painter.lines(&self.alternate);
        }
        let buffer = self.shown_buffer();
        painter.settle(buffer);
        let restored = self.is_as_restored(buffer);
        if restored {
            self.restore_on(&mut painter, buffer);
        }
        if self.modes.origin {
            painter.out.push_str("\x1b[?6h");
        }
        self.paint_cursor(&mut painter, buffer, restored);
        let mut painted = painter.out.into_bytes();
        painted.extend_from_slice(self.parser.begun().as_bytes());
        painted.extend_from_slice(self.decoder.begun());
        painted
    }

    /// The cursor, and what holds for what is printed next. Behind the last column there is no way but to print there; and what was just
    /// printed is printed last, so that it can be repeated and marks join it.
    fn paint_cursor(&self, painter: &mut Painter<'_>, buffer: &Buffer, restored: bool) {
        let (x, y) = (buffer.x, self.row_of(buffer));
        let cell = |at: usize| buffer.row(buffer.y).map_or(Cell::EMPTY, |line| line.cell(at));
        let last = self.last_printed(buffer);
        if let Some(at) = last {
            painter.put(at, y);
        } else if x >= self.columns {
            let end = self.columns - 1;
            let (before, at_end) = (cell(end - 1), cell(end));
            if before.width() < 2 {
                painter.put(end, y);
                painter.cell(at_end);
            } else if at_end.width() == 0 {
                painter.put(end - 1, y);
                painter.cell(before);
            } else {
                painter.put(end - 1, y);
                painter.overprinted(before, at_end);
            }
            for _ in self.columns..x {
                painter.out.push_str("\x1b[m");
                painter.look = Look::default();
                painter.out.push(LONE_MARK);
            }
        } else {
            painter.put(x, y);
        }
        if !restored || self.charset != buffer.saved.charset {
            self.paint_charsets(&mut painter.out);
        }
        painter.out.push_str(&self.modes.paint());
        if !restored {
            painter.look(Look::of(self.pen, self.extra));
        }
        if !self.modes.wrap {
            painter.out.push_str("\x1b[?7l");
        }
        if self.modes.synchronized {
            painter.out.push_str("\x1b[?2026h");
        }
        if self.modes.insert {
            painter.out.push_str("\x1b[4h");
        }
        if let Some(at) = last {
            if self.modes.insert {
                let _ = write!(painter.out, "\x1b[{}P", self.preceding);
            }
            painter.text(cell(at));
        }
    }

    /// Whether flags, underline and link of the pen are as SGR and OSC 8 leave them; DECRC restores the flags alone.
    fn has_usual_pen(&self) -> bool {
        let (flags, underlined, linked) = (self.pen.flags, self.extra.underline > 0, self.extra.link > 0);
        (flags & UNDERLINE > 0) == underlined && (flags & EXTENDED > 0) == (underlined || linked)
    }

    /// Whether pen or set is what only DECRC leaves: it restores the set as well, but not its place.
    fn is_as_restored(&self, buffer: &Buffer) -> bool {
        let usual = self.has_usual_pen() && self.charset == self.sets.get(self.level).copied().flatten();
        !usual && (buffer.x < self.columns || self.last_printed(buffer).is_some())
    }

    /// Saves and restores as the program did, so that pen and set are as it left them.
    fn restore_on(&self, painter: &mut Painter<'_>, buffer: &Buffer) {
        let saved = buffer.saved;
        painter.put(saved.x, saved.line.saturating_sub(buffer.base));
        painter.save(saved);
        painter.look(Look {
            underline: self.extra.underline,
            underline_colour: self.extra.colour,
            link: self.extra.link,
            ..Look::default()
        });
        if self.charset == saved.charset {
            self.paint_charsets(&mut painter.out);
        }
        painter.out.push_str("\x1b8");
        let as_saved = (self.pen.flags ^ saved.pen.flags) & (UNDERLINE | EXTENDED) == 0;
        if self.has_usual_pen() || !as_saved {
            painter.out.push_str("\x1b[m");
            painter.look = Look {
                link: self.extra.link,
                ..Look::default()
            };
            painter.look(Look::of(self.pen, self.extra));
        } else {
            painter.change(saved.pen, self.pen);
        }
    }

    /// The cursor's line as it is addressed.
    fn row_of(&self, buffer: &Buffer) -> usize {
        if self.modes.origin {
            buffer.y.saturating_sub(buffer.top)
        } else {
            buffer.y
        }
    }

    /// Where the character is that was just printed, if it can be printed again.
    fn last_printed(&self, buffer: &Buffer) -> Option<usize> {
        let wide = usize::from(self.preceding);
        let at = buffer
            .x
            .checked_sub(wide)
            .filter(|at| wide > 0 && at + wide <= self.columns)?;
        let line = buffer.row(buffer.y)?;
        if at > 0 && line.width(at - 1) == 2 {
            return None;
        }
        let cell = line.cell(at);
        let same = match (self.charset, cell.shown()) {
            (_, Shown::Nothing) => false,
            (Some(charset), Shown::One(code)) => code >= 0x7f || charset.character(code) == code,
            _ => true,
        };
        (same && usize::from(cell.width()) == wide).then_some(at)
    }

    fn paint_charsets(&self, out: &mut String) {
        for (set, designator) in self.sets.iter().zip(['(', ')', '*', '+']) {
            if let Some(set) = set {
                let _ = write!(out, "\x1b{designator}{}", set.letter());
            }
        }
        match self.level {
            1 => out.push('\x0e'),
            2 => out.push_str("\x1bn"),
            3 => out.push_str("\x1bo"),
            _ => {}
        }
    }
}
