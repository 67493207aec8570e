//! Pens: SGR (ECMA-48, with colours as ISO 8613-6 and as programs write them) and links.

use super::Screen;
use super::cell::{
    BLINK, BOLD, Colour, DIM, EXTENDED, INVERSE, INVISIBLE, ITALIC, OVERLINE, PROTECTED, Pen, STRIKE, UNDERLINE,
};
use super::parser::Parameters;
use super::store::LINK_BYTES_MAX;

/// Of an underline that no number names.
const SINGLE: u8 = 1;
const UNDERLINES: u8 = 5;

impl Screen {
    pub(super) fn set_pen(&mut self) {
        let parameters = std::mem::take(&mut self.parser.parameters);
        let numbers = parameters.numbers();
        let mut at = 0;
        while let Some(number) = numbers.get(at) {
            match number {
                38 | 48 | 58 => at += self.set_colour(&parameters, at),
                _ => self.set_look(*number, parameters.under(at)),
            }
            at += 1;
        }
        self.parser.parameters = parameters;
    }

    fn set_look(&mut self, number: i32, under: &[i32]) {
        let base = u32::try_from(number).unwrap_or(u32::MAX);
        let pen = &mut self.pen;
        match number {
            0 => {
                *pen = Pen {
                    extra: pen.extra,
                    ..Pen::default()
                };
                self.extra.colour = Colour::NONE;
                self.underline(0);
            }
            4 => {
                let kind = under.first().copied().unwrap_or(1);
                self.underline(
                    u8::try_from(kind)
                        .ok()
                        .filter(|kind| *kind <= UNDERLINES)
                        .unwrap_or(SINGLE),
                );
            }
            21 => self.underline(2),
            24 => self.underline(0),
            30..=37 => pen.text = Colour::of_16(base - 30),
            40..=47 => pen.ground = Colour::of_16(base - 40),
            90..=97 => pen.text = Colour::of_16(base - 90 + 8),
            100..=107 => pen.ground = Colour::of_16(base - 100 + 8),
            39 => pen.text = Colour::NONE,
            49 => pen.ground = Colour::NONE,
            59 => {
                self.extra.colour = Colour::WHITE;
                self.extend();
            }
            _ => {
                let (on, off) = flags(number);
                pen.flags = (pen.flags | on) & !off;
            }
        }
    }

    fn underline(&mut self, kind: u8) {
        self.extra.underline = kind;
        if kind == 0 {
            self.pen.flags &= !UNDERLINE;
        } else {
            self.pen.flags |= UNDERLINE;
        }
        self.extend();
    }

    /// Whether the pen has more than colours and flags is decided when that changes.
    fn extend(&mut self) {
        if self.extra.underline == 0 && self.extra.link == 0 {
            self.pen.flags &= !EXTENDED;
        } else {
            self.pen.flags |= EXTENDED;
        }
        self.place_extra();
    }

    fn place_extra(&mut self) {
        self.pen.extra = self.store.place_of(self.extra);
    }

    /// Gives how many more numbers it took.
    fn set_colour(&mut self, parameters: &Parameters, at: usize) -> usize {
        let (chosen, taken) = colour(parameters, at);
        let pen = &mut self.pen;
        let target = match parameters.numbers().get(at) {
            Some(38) => &mut pen.text,
            Some(48) => &mut pen.ground,
            _ => &mut self.extra.colour,
        };
        if let Some(chosen) = chosen {
            *target = chosen;
        }
        self.place_extra();
        taken
    }

    /// OSC 8: what is printed from here on leads to an address.
    pub(super) fn link(&mut self, command: &str) {
        let Some((number, rest)) = command.split_once(';') else {
            return;
        };
        if number.parse() != Ok(8) || command.len() > LINK_BYTES_MAX {
            return;
        }
        let Some((parameters, address)) = rest.split_once(';') else {
            return;
        };
        let parameters = parameters.trim();
        if address.is_empty() {
            if parameters.is_empty() {
                self.extra.link = 0;
                self.extend();
            }
            return;
        }
        let named = parameters
            .split(':')
            .find_map(|parameter| parameter.strip_prefix("id="));
        let named = named.filter(|name| !name.is_empty());
        self.extra.link = self.store.place_of_link(named, address);
        self.extend();
    }
}

/// Flags that a number sets and those it takes away.
fn flags(number: i32) -> (u16, u16) {
    match number {
        1 => (BOLD, 0),
        2 => (DIM, 0),
        3 => (ITALIC, 0),
        5 => (BLINK, 0),
        7 => (INVERSE, 0),
        8 => (INVISIBLE, 0),
        9 => (STRIKE, 0),
        22 => (0, BOLD | DIM),
        23 => (0, ITALIC),
        25 => (0, BLINK),
        27 => (0, INVERSE),
        28 => (0, INVISIBLE),
        29 => (0, STRIKE),
        53 => (OVERLINE, 0),
        55 => (0, OVERLINE),
        _ => (0, 0),
    }
}

/// What the numbers from 38, 48 or 58 on choose, and how many of them there are beyond the first. Places of the list: which of the
/// three, kind of colour, colour space, and three numbers. With semicolons the space is left out; with colons it has its place, but
/// for one of 256.
fn colour(parameters: &Parameters, at: usize) -> (Option<Colour>, usize) {
    let numbers = parameters.numbers();
    let mut list = [0, 0, -1, 0, 0, 0];
    let mut space = 0;
    let mut taken = 0;
    loop {
        list[taken + space] = numbers[at + taken];
        let under = parameters.under(at + taken);
        if !under.is_empty() {
            for (place, number) in under.iter().enumerate() {
                if list[1] == 5 {
                    space = 1;
                }
                let to = taken + place + 1 + space;
                if to >= list.len() {
                    break;
                }
                list[to] = *number;
            }
            break;
        }
        if (list[1] == 5 && taken + space >= 2) || (list[1] == 2 && taken + space >= 5) {
            break;
        }
        if list[1] != 0 {
            space = 1;
        }
        taken += 1;
        if at + taken >= numbers.len() || taken + space >= list.len() {
            break;
        }
    }
    let number = |place: usize| u32::try_from(list[place].max(0)).unwrap_or(0);
    let chosen = match list[1] {
        2 => Some(Colour::rgb(number(3), number(4), number(5))),
        5 => Some(Colour::of_256(number(3))),
        _ => None,
    };
    (chosen, taken)
}

/// DECSCA.
pub fn protected(parameter: i32, flags: u16) -> u16 {
    match parameter {
        1 => flags | PROTECTED,
        0 | 2 => flags & !PROTECTED,
        _ => flags,
    }
}
