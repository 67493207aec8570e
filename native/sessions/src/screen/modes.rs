//! Modes: of the picture, and of whoever types.

use super::Screen;

/// Which movements of a mouse are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mouse(pub u16);

/// How the cursor looks: a shape (1 block, 2 underline, 3 bar), and whether it blinks.
pub type Cursor = (Option<u8>, Option<bool>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Modes {
    pub insert: bool,
    pub origin: bool,
    pub wrap: bool,
    pub reverse_wrap: bool,
    pub cursor_keys: bool,
    pub keypad: bool,
    pub paste: bool,
    pub focus: bool,
    pub synchronized: bool,
    pub cursor: Cursor,
    /// Not reset with the others.
    pub line_feed: bool,
    pub hidden: bool,
    pub blink: bool,
    pub mouse: Option<Mouse>,
    pub encoding: Option<u16>,
}

impl Default for Modes {
    fn default() -> Self {
        Self {
            insert: false,
            origin: false,
            wrap: true,
            reverse_wrap: false,
            cursor_keys: false,
            keypad: false,
            paste: false,
            focus: false,
            synchronized: false,
            cursor: (None, None),
            line_feed: false,
            hidden: false,
            blink: false,
            mouse: None,
            encoding: None,
        }
    }
}

impl Modes {
    /// DECSTR: what a program may leave behind, but for the mouse and how lines end.
    pub fn reset(&mut self) {
        *self = Self {
            line_feed: self.line_feed,
            hidden: self.hidden,
            blink: self.blink,
            mouse: self.mouse,
            encoding: self.encoding,
            ..Self::default()
        };
    }

    /// A sequence that sets them on a terminal that has none, but for those that bind the painting itself.
    pub fn paint(&self) -> String {
        let private = [
            (self.reverse_wrap, 45),
            (self.cursor_keys, 1),
            (self.keypad, 66),
            (self.paste, 2004),
            (self.focus, 1004),
            (self.blink, 12),
        ];
        let mut on: Vec<u16> = private.iter().filter(|(on, _)| *on).map(|(_, mode)| *mode).collect();
        on.extend(self.mouse.map(|mouse| mouse.0));
        on.extend(self.encoding);
        let mut text: String = on.iter().map(|mode| format!("\x1b[?{mode}h")).collect();
        if self.hidden {
            text.push_str("\x1b[?25l");
        }
        if self.line_feed {
            text.push_str("\x1b[20h");
        }
        match self.cursor {
            (None, None) => {}
            // Beyond the known shapes: it blinks or does not, and keeps its shape.
            (shape, blinks) => {
                let shape = shape.unwrap_or(4);
                let steady = u8::from(blinks != Some(true));
                text.push_str(&format!("\x1b[{} q", shape * 2 - 1 + steady));
            }
        }
        text
    }
}

impl Screen {
    pub(super) fn set_modes(&mut self, on: bool) {
        for mode in self.parser.parameters.numbers() {
            match mode {
                4 => self.modes.insert = on,
                20 => self.modes.line_feed = on,
                _ => {}
            }
        }
    }

    pub(super) fn set_private_modes(&mut self, on: bool) {
        let numbers = self.parser.parameters.numbers().to_vec();
        for mode in numbers {
            self.set_private_mode(u16::try_from(mode).unwrap_or(0), on);
        }
    }

    fn set_private_mode(&mut self, mode: u16, on: bool) {
        match mode {
            1 => self.modes.cursor_keys = on,
            2 if on => {
                self.sets = [None; super::SETS];
                self.charset = None;
            }
            6 => {
                self.modes.origin = on;
                self.move_to(0, 0);
            }
            7 => self.modes.wrap = on,
            9 | 1000 | 1002 | 1003 => self.modes.mouse = on.then_some(Mouse(mode)),
            12 => self.modes.blink = on,
            25 => self.modes.hidden = !on,
            45 => self.modes.reverse_wrap = on,
            66 => self.modes.keypad = on,
            1004 => self.modes.focus = on,
            1006 | 1016 => self.modes.encoding = on.then_some(mode),
            2004 => self.modes.paste = on,
            2026 => self.modes.synchronized = on,
            1048 if on => self.save(),
            1048 => self.restore(),
            47 | 1047 | 1049 => self.switch(mode == 1049, on),
            _ => {}
        }
    }

    /// To the alternate screen, which is empty then, or back.
    fn switch(&mut self, with_cursor: bool, to_alternate: bool) {
        if with_cursor && to_alternate {
            self.save();
        }
        if to_alternate != self.is_alternate {
            let (x, y) = (self.shown_buffer().x, self.shown_buffer().y);
            let ground = self.pen.erased();
            self.alternate.clear(ground);
            self.is_alternate = to_alternate;
            (self.buffer().x, self.buffer().y) = (x, y);
        }
        if with_cursor && !to_alternate {
            self.restore();
        }
    }
}
