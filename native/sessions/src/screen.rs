//! What a terminal shows, kept so that one who comes late sees what one who was there from the start sees.

use std::fmt::Write as _;

use avt::{Cell, Color, Pen, ScreenKind, Terminal};
use openwrap_contracts::limits::TERMINAL_SCROLLBACK_LINES;
use openwrap_contracts::spawn::TerminalSize;

/// Private modes of DEC and xterm that concern whoever types: mouse reports and bracketed paste.
const INPUT_MODES: &[u16] = &[9, 1000, 1002, 1003, 1004, 1005, 1006, 1015, 1016, 2004];
/// Longest list of private modes that is followed.
const MODES_TEXT_MAX: usize = 64;

/// A terminal fed with all output so far.
pub struct Screen {
    terminal: Terminal,
    size: TerminalSize,
    /// Bytes so far.
    offset: u64,
    /// Begin of a character whose other bytes are still to come.
    begun: Vec<u8>,
    modes: InputModes,
}

impl Screen {
    /// `None` for a size without cells.
    #[must_use]
    pub fn new(size: TerminalSize) -> Option<Self> {
        let (columns, rows) = (usize::from(size.columns), usize::from(size.rows));
        let terminal = Terminal::with_scrollback(columns, rows, Some(TERMINAL_SCROLLBACK_LINES)).ok()?;
        Some(Self {
            terminal,
            size,
            offset: 0,
            begun: Vec::new(),
            modes: InputModes::default(),
        })
    }

    #[must_use]
    pub fn size(&self) -> TerminalSize {
        self.size
    }

    /// Bytes of output it has seen.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Takes output, cut anywhere.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.offset += bytes.len() as u64;
        self.modes.feed(bytes);
        let joined;
        let mut rest = if self.begun.is_empty() {
            bytes
        } else {
            self.begun.extend_from_slice(bytes);
            joined = std::mem::take(&mut self.begun);
            joined.as_slice()
        };
        while !rest.is_empty() {
            match std::str::from_utf8(rest) {
                Ok(text) => return self.terminal.feed(text),
                Err(error) => {
                    let (good, bad) = rest.split_at(error.valid_up_to());
                    self.terminal.feed(std::str::from_utf8(good).unwrap_or_default());
                    let Some(length) = error.error_len() else {
                        self.begun = bad.to_vec();
                        return;
                    };
                    self.terminal.feed("\u{fffd}");
                    rest = &bad[length..];
                }
            }
        }
    }

    pub fn resize(&mut self, size: TerminalSize) {
        self.size = size;
        self.terminal.resize(usize::from(size.columns), usize::from(size.rows));
    }

    /// Paints it on a fresh terminal of its size: what scrolled away, both screens, colours, cursor, modes, and a sequence that has begun.
    #[must_use]
    pub fn paint(&self) -> Vec<u8> {
        let mut painted = String::new();
        let primary = self.terminal.primary_screen();
        let gone = primary.all_lines().count() - primary.visible_lines().len();
        let mut wrapped = false;
        for line in primary.all_lines().take(gone) {
            let goes_on = std::mem::replace(&mut wrapped, line.is_wrapped());
            paint_line(&mut painted, line.cells(), goes_on, wrapped);
            if !wrapped {
                painted.push_str("\r\n");
            }
        }
        if gone > 0 {
            // Everything painted so far moves out of the picture.
            let below = usize::from(self.size.rows) - usize::from(!wrapped);
            painted.push_str("\x1b[m");
            painted.push_str(&"\r\n".repeat(below));
            painted.push_str("\x1b[H");
        }
        painted.push_str(&self.modes.paint());
        painted.push_str(&self.terminal.dump());
        let mut painted = painted.into_bytes();
        painted.extend_from_slice(&self.begun);
        painted
    }

    /// The visible lines as plain text, without blanks at their ends and empty lines below; what the edge broke is one line.
    #[must_use]
    pub fn text(&self) -> String {
        let lines = unbroken(
            self.terminal
                .screen()
                .visible_lines()
                .map(|line| (line.text(), line.is_wrapped())),
        );
        lines.join("\n").trim_end_matches('\n').to_owned()
    }

    /// The last lines of the primary screen, those that scrolled away included.
    #[must_use]
    pub fn last_lines(&self, most: usize) -> String {
        let all = self.terminal.primary_screen().all_lines();
        let lines = unbroken(all.map(|line| (line.text(), line.is_wrapped())));
        let end = lines
            .iter()
            .rposition(|line| !line.is_empty())
            .map_or(0, |last| last + 1);
        lines[end.saturating_sub(most)..end].join("\n")
    }

    /// Whether a program has taken the whole picture (an editor, a pager).
    #[must_use]
    pub fn is_alternate(&self) -> bool {
        self.terminal.active_screen_kind() == ScreenKind::Alternate
    }
}

/// Lines as they were printed: one that goes on in the next (true) is put together again.
fn unbroken(lines: impl Iterator<Item = (String, bool)>) -> Vec<String> {
    let mut whole = Vec::new();
    let mut begun = String::new();
    for (text, goes_on) in lines {
        begun.push_str(&text);
        if !goes_on {
            whole.push(begun.trim_end().to_owned());
            begun.clear();
        }
    }
    if !begun.is_empty() {
        whole.push(begun.trim_end().to_owned());
    }
    whole
}

/// A wrapped line is painted to its end, and of one that goes on from another a cell at least: only then is one the other's sequel.
fn paint_line(painted: &mut String, cells: &[Cell], goes_on: bool, wrapped: bool) {
    let shown = |cell: &Cell| wrapped || cell.char() != ' ' || *cell.pen() != Pen::default();
    let end = cells
        .iter()
        .rposition(shown)
        .map_or(usize::from(goes_on), |last| last + 1);
    let mut pen = Pen::default();
    painted.push_str("\x1b[m");
    for cell in cells[..end].iter().filter(|cell| cell.width() > 0) {
        if *cell.pen() != pen {
            pen = *cell.pen();
            paint_pen(painted, &pen);
        }
        painted.push(cell.char());
    }
}

/// ECMA-48 SGR.
fn paint_pen(painted: &mut String, pen: &Pen) {
    painted.push_str("\x1b[0");
    let attributes = [
        (pen.is_bold(), 1),
        (pen.is_faint(), 2),
        (pen.is_italic(), 3),
        (pen.is_underline(), 4),
        (pen.is_blink(), 5),
        (pen.is_inverse(), 7),
        (pen.is_strikethrough(), 9),
    ];
    for (_, number) in attributes.iter().filter(|(on, _)| *on) {
        let _ = write!(painted, ";{number}");
    }
    for (color, number) in [(pen.foreground(), 38), (pen.background(), 48)] {
        let _ = match color {
            Some(Color::Indexed(index)) => write!(painted, ";{number};5;{index}"),
            Some(Color::RGB(rgb)) => write!(painted, ";{number};2;{};{};{}", rgb.r, rgb.g, rgb.b),
            None => Ok(()),
        };
    }
    painted.push('m');
}

/// Private modes that the screen itself does not show, followed in the output as it passes.
#[derive(Default)]
struct InputModes {
    on: std::collections::BTreeSet<u16>,
    state: Following,
}

#[derive(Default)]
enum Following {
    #[default]
    Text,
    Escape,
    Bracket,
    /// After `ESC [ ?`.
    Numbers(Vec<u8>),
}

impl InputModes {
    fn feed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.state = match (std::mem::take(&mut self.state), byte) {
                (_, 0x1b) => Following::Escape,
                (Following::Escape, b'[') => Following::Bracket,
                // RIS: as at the start.
                (Following::Escape, b'c') => {
                    self.on.clear();
                    Following::Text
                }
                (Following::Bracket, b'?') => Following::Numbers(Vec::new()),
                (Following::Numbers(mut numbers), b'0'..=b'9' | b';') if numbers.len() < MODES_TEXT_MAX => {
                    numbers.push(*byte);
                    Following::Numbers(numbers)
                }
                (Following::Numbers(numbers), b'h' | b'l') => {
                    self.switch(&numbers, *byte == b'h');
                    Following::Text
                }
                _ => Following::Text,
            };
        }
    }

    fn switch(&mut self, numbers: &[u8], on: bool) {
        let numbers = std::str::from_utf8(numbers).unwrap_or_default();
        for mode in numbers.split(';').filter_map(|number| number.parse().ok()) {
            if on && INPUT_MODES.contains(&mode) {
                self.on.insert(mode);
            } else {
                self.on.remove(&mode);
            }
        }
    }

    fn paint(&self) -> String {
        self.on.iter().fold(String::new(), |mut painted, mode| {
            let _ = write!(painted, "\x1b[?{mode}h");
            painted
        })
    }
}
