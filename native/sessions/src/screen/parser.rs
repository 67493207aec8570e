//! Control sequences, told apart from text (ECMA-48 and DEC's VT500 as <https://vt100.net/emu/dec_ansi_parser> has it, with parameters
//! of parameters behind colons).

/// Parameters of a sequence, and parameters of those.
const PARAMETERS_MAX: usize = 32;
/// Characters of a string that is kept, for a link.
const STRING_CHARS_MAX: usize = 2 * super::store::LINK_BYTES_MAX;
/// Intermediate characters that are told apart.
const COLLECTED_MAX: usize = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum State {
    #[default]
    Ground,
    Escape,
    EscapeIntermediate,
    CsiEntry,
    CsiParameter,
    CsiIntermediate,
    CsiIgnore,
    /// An operating system command.
    Osc,
    /// SOS, PM, APC.
    Ignored,
    DcsEntry,
    DcsParameter,
    DcsIntermediate,
    DcsIgnore,
    DcsThrough,
}

/// What a character does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    Nothing,
    Print,
    Execute,
    Escape,
    Csi,
    /// A command ended, and is carried out or not.
    OscEnd(bool),
    /// A device control string ended: it changes nothing here.
    DcsEnd,
}

/// Numbers of a control sequence; what is left out is 0, and -1 behind a colon.
#[derive(Debug, Default, Clone)]
pub struct Parameters {
    numbers: Vec<i32>,
    /// Of each number those behind colons.
    under: Vec<Vec<i32>>,
    under_count: usize,
    full: bool,
    under_full: bool,
    in_under: bool,
}

impl Parameters {
    fn restart(&mut self) {
        self.numbers.clear();
        self.numbers.push(0);
        self.under.clear();
        self.under_count = 0;
        (self.full, self.under_full, self.in_under) = (false, false, false);
    }

    fn take(&mut self, byte: u8) {
        match byte {
            b';' => {
                self.in_under = false;
                if self.numbers.len() >= PARAMETERS_MAX {
                    self.full = true;
                } else {
                    self.numbers.push(0);
                }
            }
            b':' => {
                self.in_under = true;
                if self.full || self.under_count >= PARAMETERS_MAX {
                    self.under_full = true;
                } else {
                    self.under_count += 1;
                    self.under.resize(self.numbers.len(), Vec::new());
                    if let Some(last) = self.under.last_mut() {
                        last.push(-1);
                    }
                }
            }
            _ => self.digit(i32::from(byte - b'0')),
        }
    }

    fn digit(&mut self, digit: i32) {
        if self.full || (self.in_under && self.under_full) {
            return;
        }
        let number = if self.in_under {
            self.under.last_mut().and_then(|under| under.last_mut())
        } else {
            self.numbers.last_mut()
        };
        if let Some(number) = number {
            *number = if *number < 0 {
                digit
            } else {
                number.saturating_mul(10).saturating_add(digit)
            };
        }
    }

    /// Nothing was said yet.
    fn is_new(&self) -> bool {
        self.numbers == [0] && self.under_count == 0 && !self.in_under
    }

    pub fn numbers(&self) -> &[i32] {
        &self.numbers
    }

    pub fn under(&self, at: usize) -> &[i32] {
        self.under.get(at).map_or(&[], Vec::as_slice)
    }

    /// The first as a count: 1 when it is left out or 0.
    pub fn count(&self) -> usize {
        self.place(0)
    }

    /// A number as a place or count, 1 when it is left out or 0.
    pub fn place(&self, at: usize) -> usize {
        let number = self.numbers.get(at).copied().unwrap_or(0);
        usize::try_from(number).unwrap_or(0).max(1)
    }

    pub fn first(&self) -> i32 {
        self.numbers.first().copied().unwrap_or(0)
    }

    fn text(&self) -> String {
        let number = |number: &i32| if *number < 0 { String::new() } else { number.to_string() };
        let mut text = String::new();
        for (at, known) in self.numbers.iter().enumerate() {
            if at > 0 {
                text.push(';');
            }
            text.push_str(&number(known));
            for under in self.under(at) {
                text.push(':');
                text.push_str(&number(under));
            }
        }
        // Numbers beyond the last are passed over, and so is what follows.
        if self.full {
            text.push(';');
        } else if self.in_under && self.under_full {
            text.push(':');
        }
        text
    }
}

#[derive(Debug, Default)]
pub struct Parser {
    pub state: State,
    pub parameters: Parameters,
    /// Prefix and intermediate characters.
    pub collected: Vec<u8>,
    /// Text of a command.
    pub string: String,
}

impl Parser {
    /// What the next character does.
    pub fn take(&mut self, code: u32) -> Act {
        let Ok(byte) = u8::try_from(code).map(|byte| if byte < 0xa0 { byte } else { 0xa0 }) else {
            return self.step(0xa0, code);
        };
        if let Some(act) = self.anywhere(byte) {
            return act;
        }
        self.step(byte, code)
    }

    /// What breaks off whatever has begun.
    fn anywhere(&mut self, byte: u8) -> Option<Act> {
        let before = self.state;
        let ended = |done| match before {
            State::Osc => Act::OscEnd(done),
            State::DcsThrough => Act::DcsEnd,
            _ => Act::Nothing,
        };
        let (state, act) = match byte {
            0x18 | 0x1a => match ended(false) {
                Act::Nothing => (State::Ground, Act::Execute),
                act => (State::Ground, act),
            },
            0x1b => (State::Escape, ended(true)),
            0x9c => (State::Ground, ended(true)),
            0x90 => (State::DcsEntry, Act::Nothing),
            0x9b => (State::CsiEntry, Act::Nothing),
            0x9d => (State::Osc, Act::Nothing),
            0x98 | 0x9e | 0x9f => (State::Ignored, Act::Nothing),
            0x80..=0x9a => (State::Ground, Act::Execute),
            _ => return None,
        };
        self.state = state;
        // The text of a command that ended is still to be read.
        if matches!(act, Act::Nothing | Act::DcsEnd | Act::Execute) || state == State::Escape {
            self.begin(state);
        }
        Some(act)
    }

    fn begin(&mut self, state: State) {
        match state {
            State::Escape | State::CsiEntry | State::DcsEntry => {
                self.collected.clear();
                self.parameters.restart();
            }
            State::Osc => self.string.clear(),
            _ => {}
        }
    }

    fn enter(&mut self, state: State) -> Act {
        self.state = state;
        self.begin(state);
        Act::Nothing
    }

    fn collect(&mut self, byte: u8, state: State) -> Act {
        self.collected.push(byte);
        if self.collected.len() > COLLECTED_MAX {
            self.collected.remove(0);
        }
        self.state = state;
        Act::Nothing
    }

    fn parameter(&mut self, byte: u8, state: State) -> Act {
        self.parameters.take(byte);
        self.state = state;
        Act::Nothing
    }

    fn end(&mut self, act: Act) -> Act {
        self.state = State::Ground;
        act
    }

    fn go(&mut self, state: State) -> Act {
        self.state = state;
        Act::Nothing
    }

    fn step(&mut self, byte: u8, code: u32) -> Act {
        let is_control = byte < 0x20;
        match self.state {
            State::Ground => match byte {
                0x7f => Act::Nothing,
                _ if is_control => Act::Execute,
                _ => Act::Print,
            },
            State::Escape | State::EscapeIntermediate => self.in_escape(byte),
            State::CsiEntry | State::CsiParameter | State::CsiIntermediate | State::CsiIgnore => self.in_csi(byte),
            State::Osc => {
                if byte == 0x07 {
                    return self.end(Act::OscEnd(true));
                }
                if !is_control && self.string.len() <= STRING_CHARS_MAX {
                    self.string.extend(char::from_u32(code));
                }
                Act::Nothing
            }
            State::Ignored if byte == 0xa0 => self.go(State::Ground),
            State::Ignored => Act::Nothing,
            _ => self.in_dcs(byte),
        }
    }

    fn in_escape(&mut self, byte: u8) -> Act {
        let is_first = self.state == State::Escape;
        match byte {
            0x00..=0x1f => Act::Execute,
            0x20..=0x2f => self.collect(byte, State::EscapeIntermediate),
            b'[' if is_first => self.enter(State::CsiEntry),
            b']' if is_first => self.enter(State::Osc),
            b'P' if is_first => self.enter(State::DcsEntry),
            b'X' | b'^' | b'_' if is_first => self.go(State::Ignored),
            0x30..=0x7e => self.end(Act::Escape),
            0x7f => Act::Nothing,
            _ => self.go(State::Ground),
        }
    }

    fn in_csi(&mut self, byte: u8) -> Act {
        let state = self.state;
        match byte {
            0x00..=0x1f => Act::Execute,
            0x7f => Act::Nothing,
            0xa0 if state == State::CsiIgnore => Act::Nothing,
            0xa0 => self.go(State::Ground),
            _ if state == State::CsiIgnore && byte < 0x40 => Act::Nothing,
            _ if state == State::CsiIgnore => self.go(State::Ground),
            0x20..=0x2f => self.collect(byte, State::CsiIntermediate),
            _ if byte >= 0x40 => self.end(Act::Csi),
            _ if state == State::CsiIntermediate => self.go(State::CsiIgnore),
            0x30..=0x3b => self.parameter(byte, State::CsiParameter),
            _ if state == State::CsiEntry => self.collect(byte, State::CsiParameter),
            _ => self.go(State::CsiIgnore),
        }
    }

    /// Nothing of it changes the picture; where it ends matters.
    fn in_dcs(&mut self, byte: u8) -> Act {
        let state = self.state;
        match (state, byte) {
            (State::DcsThrough | State::DcsIgnore, _) | (_, 0x00..=0x1f | 0x7f) => Act::Nothing,
            (_, 0xa0) => self.go(State::Ground),
            (_, 0x40..=0x7e) => self.go(State::DcsThrough),
            (_, 0x20..=0x2f) => self.go(State::DcsIntermediate),
            (State::DcsIntermediate, _) => self.go(State::DcsIgnore),
            (_, 0x30..=0x3b) => self.go(State::DcsParameter),
            (State::DcsEntry, _) => self.go(State::DcsParameter),
            _ => self.go(State::DcsIgnore),
        }
    }

    /// A sequence that brings another parser to where this one is.
    pub fn begun(&self) -> String {
        let collected = || self.collected.iter().map(|byte| char::from(*byte));
        let (prefix, between): (String, String) = collected().partition(|known| ('<'..='?').contains(known));
        match self.state {
            State::Ground => String::new(),
            State::Escape => "\x1b".to_owned(),
            State::EscapeIntermediate => format!("\x1b{between}"),
            State::CsiEntry => "\x1b[".to_owned(),
            State::CsiParameter if self.parameters.is_new() && !prefix.is_empty() => format!("\x1b[{prefix}"),
            State::CsiParameter => format!("\x1b[{prefix}{}", self.parameters.text()),
            State::CsiIntermediate if self.parameters.is_new() => format!("\x1b[{prefix}{between}"),
            State::CsiIntermediate => format!("\x1b[{prefix}{}{between}", self.parameters.text()),
            State::CsiIgnore => "\x1b[0?".to_owned(),
            State::Osc => format!("\x1b]{}", self.string),
            State::Ignored => "\x1b_".to_owned(),
            State::DcsEntry => "\x1bP".to_owned(),
            State::DcsParameter => "\x1bP0".to_owned(),
            State::DcsIntermediate => "\x1bP$".to_owned(),
            State::DcsIgnore => "\x1bP0?".to_owned(),
            State::DcsThrough => "\x1bPq".to_owned(),
        }
    }
}
