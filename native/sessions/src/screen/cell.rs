//! Cells and pens.

/// A colour: none of its own, one of 16, one of 256, or red, green and blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Colour(u32);

const KIND: u32 = 24;

impl Colour {
    pub const NONE: Self = Self(0);
    pub const WHITE: Self = Self(3 << KIND | 0xff_ffff);

    pub fn of_16(number: u32) -> Self {
        Self(1 << KIND | number & 15)
    }

    pub fn of_256(number: u32) -> Self {
        Self(2 << KIND | number & 255)
    }

    pub fn rgb(red: u32, green: u32, blue: u32) -> Self {
        Self(3 << KIND | (red & 255) << 16 | (green & 255) << 8 | blue & 255)
    }

    /// Parameters of SGR that set it, for text (30), ground (40) or underline (50).
    pub fn select(self, of: u32) -> Option<String> {
        let number = self.0 & 0xff_ffff;
        match self.0 >> KIND {
            1 if of == 50 => Some(format!("58:5:{number}")),
            1 if number < 8 => Some(format!("{}", of + number)),
            1 => Some(format!("{}", of + 60 + number - 8)),
            2 => Some(format!("{}:5:{number}", of + 8)),
            3 => Some(format!(
                "{}:2::{}:{}:{}",
                of + 8,
                number >> 16,
                number >> 8 & 255,
                number & 255
            )),
            _ => None,
        }
    }
}

pub const BOLD: u16 = 1;
pub const DIM: u16 = 1 << 1;
pub const ITALIC: u16 = 1 << 2;
pub const UNDERLINE: u16 = 1 << 3;
pub const BLINK: u16 = 1 << 4;
pub const INVERSE: u16 = 1 << 5;
pub const INVISIBLE: u16 = 1 << 6;
pub const STRIKE: u16 = 1 << 7;
pub const OVERLINE: u16 = 1 << 8;
pub const PROTECTED: u16 = 1 << 9;
/// What [`Pen::extra`] names counts.
pub const EXTENDED: u16 = 1 << 10;

/// Flags and the parameter of SGR that sets each.
pub const SELECTED: &[(u16, u32)] = &[
    (BOLD, 1),
    (DIM, 2),
    (ITALIC, 3),
    (BLINK, 5),
    (INVERSE, 7),
    (INVISIBLE, 8),
    (STRIKE, 9),
    (OVERLINE, 53),
];

/// How what is printed looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pen {
    pub text: Colour,
    pub ground: Colour,
    pub flags: u16,
    /// Place in [`super::store::Store`] of what few cells have.
    pub extra: u16,
}

impl Pen {
    /// Of cells that are erased with it.
    pub fn erased(self) -> Self {
        Self {
            ground: self.ground,
            ..Self::default()
        }
    }
}

/// One cell. A wide character has the next one too, which is empty and has no width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    /// Bits 0 to 20: a character, or the place of several that were joined; 21: joined; 22 and 23: width.
    content: u32,
    pub pen: Pen,
}

const JOINED: u32 = 1 << 21;
const WIDTH: u32 = 22;
const CODE: u32 = JOINED - 1;

/// What a cell shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    Nothing,
    One(u32),
    Joined(u32),
}

impl Cell {
    /// Nothing was ever printed here.
    pub const EMPTY: Self = Self {
        content: 1 << WIDTH,
        pen: Pen {
            text: Colour::NONE,
            ground: Colour::NONE,
            flags: 0,
            extra: 0,
        },
    };

    /// With a character (0: nothing).
    pub fn new(code: u32, width: u8, pen: Pen) -> Self {
        let mut cell = Self {
            content: code & CODE | u32::from(width) << WIDTH,
            pen,
        };
        if pen.flags & EXTENDED == 0 {
            cell.pen.extra = 0;
        }
        cell
    }

    pub fn empty(pen: Pen) -> Self {
        Self::new(0, 1, pen)
    }

    pub fn width(self) -> u8 {
        u8::try_from(self.content >> WIDTH).unwrap_or(1)
    }

    pub fn has_content(self) -> bool {
        self.content & (JOINED | CODE) != 0
    }

    pub fn shown(self) -> Shown {
        match (self.content & JOINED != 0, self.content & CODE) {
            (true, place) => Shown::Joined(place),
            (false, 0) => Shown::Nothing,
            (false, code) => Shown::One(code),
        }
    }

    /// With characters joined, which the store knows at this place.
    pub fn joined(self, place: u32, width: u8) -> Self {
        Self {
            content: JOINED | place & CODE | u32::from(width) << WIDTH,
            ..self
        }
    }
}
