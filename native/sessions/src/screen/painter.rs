//! What a program could print to bring lines, looks and settings to a fresh terminal.

use std::fmt::Write as _;

use super::buffer::{Buffer, Saved, TAB};
use super::cell::{
    BLINK, BOLD, Cell, Colour, DIM, EXTENDED, INVERSE, INVISIBLE, ITALIC, OVERLINE, PROTECTED, Pen, SELECTED, STRIKE,
    Shown, UNDERLINE,
};
use super::line::Line;
use super::store::{Extra, Store};

/// Takes two cells.
const WIDE: char = '\u{5317}';

/// Nothing was printed since it was erased.
fn is_erased(cell: &Cell) -> bool {
    !cell.has_content() && cell.pen == cell.pen.erased()
}

/// A pen as it is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Look {
    pub text: Colour,
    pub ground: Colour,
    pub flags: u16,
    pub underline: u8,
    pub underline_colour: Colour,
    pub link: u32,
}

impl Look {
    pub fn of(pen: Pen, extra: Extra) -> Self {
        let extended = pen.flags & EXTENDED != 0;
        let underline = match (pen.flags & UNDERLINE != 0, extended) {
            (false, _) => 0,
            // A link is underlined in its own way.
            (true, true) => extra.underline.max(u8::from(extra.link > 0)),
            (true, false) => 1,
        };
        Self {
            text: pen.text,
            ground: pen.ground,
            flags: pen.flags & !(EXTENDED | UNDERLINE),
            underline,
            underline_colour: extra.colour,
            link: if extended { extra.link } else { 0 },
        }
    }
}

/// Writes it.
pub struct Painter<'a> {
    pub out: String,
    pub store: &'a Store,
    pub columns: usize,
    pub rows: usize,
    pub look: Look,
}

impl Painter<'_> {
    pub fn put(&mut self, x: usize, y: usize) {
        let _ = write!(self.out, "\x1b[{};{}H", y + 1, x + 1);
    }

    fn column(&mut self, x: usize) {
        let _ = write!(self.out, "\x1b[{}G", x + 1);
    }

    /// All lines from the first cell of the picture on, as if they had just been printed.
    pub fn lines(&mut self, buffer: &Buffer) {
        let last = buffer.lines.len() - 1;
        let saved = buffer.saved;
        if saved.line > last && saved.line <= last + buffer.scrollback {
            // It was saved before lines above it were forgotten.
            self.out.push_str(&"\n".repeat(saved.line));
            self.save(saved);
            self.out.push_str("\x1b[3J\x1b[H");
        }
        if buffer.lines.front().is_some_and(|line| line.wrapped) {
            // It went on from one that is gone.
            self.column(self.columns - 1);
            let forget = if self.rows > 1 { "\x1b[H\x1b[M" } else { "\x1b[3J\r" };
            let _ = write!(self.out, "  {forget}\x1b[X");
        }
        for (at, line) in buffer.lines.iter().enumerate() {
            if saved != Saved::default() && saved.line == at {
                self.save(saved);
            }
            let next = buffer.lines.get(at + 1);
            let goes_on = next.is_some_and(|next| next.wrapped);
            self.line(line, self.columns - usize::from(goes_on && self.ends_empty(line)));
            match next {
                Some(_) if goes_on => self.wrap(line),
                Some(_) => {
                    self.look(Look::default());
                    self.out.push_str("\r\n");
                }
                None => self.look(Look::default()),
            }
        }
    }

    /// What DECSC keeps, on this line.
    pub fn save(&mut self, saved: Saved) {
        self.column(saved.x.min(self.columns - 1));
        self.look(Look::of(
            saved.pen,
            Extra {
                underline: 1,
                ..Extra::default()
            },
        ));
        let linked = saved.pen.flags & (EXTENDED | UNDERLINE) == EXTENDED;
        if linked {
            self.out.push_str("\x1b]8;;x\x1b\\");
        }
        if let Some(set) = saved.charset {
            let _ = write!(self.out, "\x1b({}", set.letter());
        }
        self.out.push_str("\x1b7\x1b(B\r");
        if linked {
            self.out.push_str("\x1b]8;;\x1b\\");
        }
        self.look(Look::default());
    }

    /// As many cells of a line that is empty so far.
    fn line(&mut self, line: &Line, count: usize) {
        let mut gap = 0;
        let mut cells = line.cells().iter().take(count).peekable();
        while let Some(cell) = cells.next() {
            if is_erased(cell) {
                let mut count = 1;
                while cells.next_if_eq(&cell).is_some() {
                    count += 1;
                }
                if cell.pen.ground != Colour::NONE {
                    self.skip(&mut gap);
                    self.look(Look {
                        ground: cell.pen.ground,
                        ..Look::default()
                    });
                    let _ = write!(self.out, "\x1b[{count}X");
                }
                gap += count;
                continue;
            }
            self.skip(&mut gap);
            if cell.width() < 2 {
                self.cell(*cell);
                continue;
            }
            if cells.next_if(|next| next.width() == 0 && !next.has_content()).is_some() {
                self.cell(*cell);
            } else if let Some(next) = cells.next_if(|next| next.width() == 1 && next.pen == cell.pen) {
                self.overprinted(*cell, *next);
            } else {
                self.cell(Cell::empty(cell.pen));
            }
        }
    }

    /// Without wrapping, what is printed at the edge goes over half of a wide character.
    pub fn overprinted(&mut self, wide: Cell, next: Cell) {
        self.out.push_str("\x1b[?7l");
        self.cell(wide);
        self.text(next);
        self.out.push_str("\x1b[?7h");
    }

    fn skip(&mut self, gap: &mut usize) {
        if *gap > 0 {
            let _ = write!(self.out, "\x1b[{gap}C");
        }
        *gap = 0;
    }

    /// Whether a line's last cell is empty, as a wide character leaves it that has no room there.
    fn ends_empty(&self, line: &Line) -> bool {
        let end = self.columns - 1;
        let is_second = line.width(end) == 0 && line.width(end - 1) == 2;
        !is_second && !line.cell(end).has_content()
    }

    /// From the end of a line to the next one, so that it goes on from it.
    fn wrap(&mut self, line: &Line) {
        if self.ends_empty(line) {
            let pen = line.cell(self.columns - 1).pen;
            self.column(self.columns - 1);
            self.look(Look::of(pen, self.store.extra(pen.extra)));
            self.out.push(WIDE);
        } else {
            self.look(Look::default());
            self.out.push(' ');
        }
        self.look(Look::default());
        let _ = write!(self.out, "\r\x1b[{}X", self.columns);
    }

    pub fn cell(&mut self, cell: Cell) {
        let extra = self.store.extra(cell.pen.extra);
        let mut look = Look::of(cell.pen, extra);
        if look.underline == 0 {
            look.underline_colour = Colour::NONE;
        }
        if cell.width() == 0 {
            // A mark that joins nothing: a sequence stands before it.
            self.out.push_str("\x1b[m");
            self.look = Look {
                link: self.look.link,
                ..Look::default()
            };
        }
        self.look(look);
        self.text(cell);
    }

    pub fn text(&mut self, cell: Cell) {
        match cell.shown() {
            Shown::Nothing => self.out.push(' '),
            Shown::One(code) => self.out.extend(char::from_u32(code)),
            Shown::Joined(place) => self.out.push_str(self.store.joined(place)),
        }
    }

    pub fn look(&mut self, look: Look) {
        let before = std::mem::replace(&mut self.look, look);
        if before == look {
            return;
        }
        if (Look { link: 0, ..before }) != (Look { link: 0, ..look }) {
            self.out.push_str("\x1b[");
            if look != Look::default() {
                self.out.push('0');
            }
            for (flag, number) in SELECTED {
                if look.flags & flag != 0 {
                    let _ = write!(self.out, ";{number}");
                }
            }
            match look.underline {
                0 => {}
                1 => self.out.push_str(";4"),
                kind => {
                    let _ = write!(self.out, ";4:{kind}");
                }
            }
            for (colour, of) in [(look.text, 30), (look.ground, 40), (look.underline_colour, 50)] {
                if let Some(numbers) = colour.select(of) {
                    let _ = write!(self.out, ";{numbers}");
                }
            }
            self.out.push('m');
            if look.flags & PROTECTED != 0 {
                self.out.push_str("\x1b[1\"q");
            }
        }
        if before.link != look.link {
            match self.store.link(look.link) {
                Some(link) => {
                    let _ = write!(self.out, "\x1b]8;id={};{}\x1b\\", link.name, link.address);
                }
                None => self.out.push_str("\x1b]8;;\x1b\\"),
            }
        }
    }

    /// From one pen to another by what changes neither underline nor link.
    pub fn change(&mut self, from: Pen, to: Pen) {
        let off = [
            (BOLD | DIM, 22),
            (ITALIC, 23),
            (BLINK, 25),
            (INVERSE, 27),
            (INVISIBLE, 28),
            (STRIKE, 29),
            (OVERLINE, 55),
        ];
        let mut kept = from.flags;
        for (flags, number) in off {
            if kept & flags & !to.flags != 0 {
                kept &= !flags;
                let _ = write!(self.out, "\x1b[{number}m");
            }
        }
        for (flag, number) in SELECTED.iter().filter(|(flag, _)| to.flags & !kept & flag != 0) {
            let _ = (flag, write!(self.out, "\x1b[{number}m"));
        }
        if (from.flags ^ to.flags) & PROTECTED != 0 {
            let _ = write!(self.out, "\x1b[{}\"q", u8::from(to.flags & PROTECTED != 0));
        }
        for (before, after, of) in [(from.text, to.text, 30), (from.ground, to.ground, 40)] {
            if before != after {
                let _ = write!(
                    self.out,
                    "\x1b[{}m",
                    after.select(of).unwrap_or_else(|| (of + 9).to_string())
                );
            }
        }
    }

    /// Region and tabs.
    pub fn settle(&mut self, buffer: &Buffer) {
        if buffer
            .tabs
            .iter()
            .enumerate()
            .any(|(column, tab)| *tab != (column % TAB == 0))
        {
            self.out.push_str("\x1b[3g");
            for (column, _) in buffer.tabs.iter().enumerate().filter(|(_, tab)| **tab) {
                self.column(column);
                self.out.push_str("\x1bH");
            }
        }
        if (buffer.top, buffer.bottom) != (0, self.rows - 1) {
            let _ = write!(self.out, "\x1b[{};{}r", buffer.top + 1, buffer.bottom + 1);
        }
    }
}
