//! What a terminal shows, kept so that one who comes late sees what one who was there from the start sees. The page's terminal is
//! xterm.js, so what it does with a sequence is what is right here.

mod acts;
mod buffer;
mod cell;
mod charset;
mod erase;
mod line;
mod modes;
mod paint;
mod painter;
mod parser;
mod print;
mod resize;
mod sgr;
mod store;
mod utf8;
mod width;

use openwrap_contracts::limits::TERMINAL_SCROLLBACK_LINES;
use openwrap_contracts::spawn::TerminalSize;

use self::buffer::Buffer;
use self::cell::{Pen, Shown};
use self::charset::Charset;
use self::line::Line;
use self::modes::Modes;
use self::parser::{Act, Parser, State};
use self::store::{Extra, Store};
use self::utf8::Decoder;

/// The page's terminal has so many columns at least.
const COLUMNS_MIN: usize = 2;
/// Sets that can be designated, G0 to G3.
const SETS: usize = 4;

/// A terminal fed with all output so far.
pub struct Screen {
    size: TerminalSize,
    columns: usize,
    rows: usize,
    /// Bytes so far.
    offset: u64,
    decoder: Decoder,
    parser: Parser,
    primary: Buffer,
    alternate: Buffer,
    is_alternate: bool,
    pen: Pen,
    /// What the pen has besides; it counts while the pen says so.
    extra: Extra,
    store: Store,
    sets: [Option<Charset>; SETS],
    level: usize,
    charset: Option<Charset>,
    modes: Modes,
    /// Width of the character just printed, which marks join and which can be repeated.
    preceding: u8,
    /// Text is being printed, without anything between.
    in_text: bool,
}

impl Screen {
    /// `None` for a size without cells.
    #[must_use]
    pub fn new(size: TerminalSize) -> Option<Self> {
        if size.columns == 0 || size.rows == 0 {
            return None;
        }
        let (columns, rows) = cells(size);
        Some(Self {
            size,
            columns,
            rows,
            offset: 0,
            decoder: Decoder::default(),
            parser: Parser::default(),
            primary: Buffer::new(columns, rows, TERMINAL_SCROLLBACK_LINES),
            alternate: Buffer::new(columns, rows, 0),
            is_alternate: false,
            pen: Pen::default(),
            extra: Extra::default(),
            store: Store::default(),
            sets: [None; SETS],
            level: 0,
            charset: None,
            modes: Modes::default(),
            preceding: 0,
            in_text: false,
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
        let mut rest = bytes;
        while let Some(byte) = rest.first() {
            let plain = self.plain(rest);
            if plain > 0 {
                self.print_plain(&rest[..plain]);
                rest = &rest[plain..];
                continue;
            }
            if let Some(code) = self.decoder.take(*byte) {
                self.take(code);
            }
            rest = &rest[1..];
        }
        self.end_text();
    }

    /// How many bytes from here are ASCII that is printed as it is.
    fn plain(&self, bytes: &[u8]) -> usize {
        let as_it_is = self.parser.state == State::Ground && self.charset.is_none() && !self.modes.insert;
        if !as_it_is || !self.decoder.begun().is_empty() {
            return 0;
        }
        let end = bytes.iter().position(|byte| !(0x20..0x7f).contains(byte));
        end.unwrap_or(bytes.len())
    }

    fn take(&mut self, code: u32) {
        let act = self.parser.take(code);
        if act == Act::Print {
            self.begin_text();
            self.print(code);
            return;
        }
        self.end_text();
        match act {
            Act::Nothing | Act::Print => return,
            Act::Execute => self.execute(code),
            Act::Escape => self.escape(code),
            Act::Csi => self.csi(code),
            Act::OscEnd(done) => self.end_command(done),
            Act::DcsEnd => {}
        }
        self.preceding = 0;
    }

    /// A command ended: only links change what is shown.
    fn end_command(&mut self, done: bool) {
        let string = std::mem::take(&mut self.parser.string);
        if done {
            self.link(&string);
        }
    }

    fn buffer(&mut self) -> &mut Buffer {
        if self.is_alternate {
            &mut self.alternate
        } else {
            &mut self.primary
        }
    }

    fn shown_buffer(&self) -> &Buffer {
        if self.is_alternate {
            &self.alternate
        } else {
            &self.primary
        }
    }

    /// The visible lines as plain text, without blanks at their ends and empty lines below; what the edge broke is one line.
    #[must_use]
    pub fn text(&self) -> String {
        let buffer = self.shown_buffer();
        let lines = self.unbroken(buffer.lines.iter().skip(buffer.base));
        lines.join("\n").trim_end_matches('\n').to_owned()
    }

    /// The last lines of the primary screen, those that scrolled away included.
    #[must_use]
    pub fn last_lines(&self, most: usize) -> String {
        let lines = self.unbroken(self.primary.lines.iter());
        let end = lines
            .iter()
            .rposition(|line| !line.is_empty())
            .map_or(0, |last| last + 1);
        lines[end.saturating_sub(most)..end].join("\n")
    }

    /// Whether a program has taken the whole picture (an editor, a pager).
    #[must_use]
    pub fn is_alternate(&self) -> bool {
        self.is_alternate
    }

    /// Lines as they were printed: one that goes on from another is put to it.
    fn unbroken<'a>(&self, lines: impl Iterator<Item = &'a Line>) -> Vec<String> {
        let mut whole: Vec<String> = Vec::new();
        for line in lines {
            let begun = if line.wrapped { whole.pop() } else { None };
            let mut text = begun.unwrap_or_default();
            self.push_text(&mut text, line);
            whole.push(text);
        }
        for line in &mut whole {
            line.truncate(line.trim_end().len());
        }
        whole
    }

    fn push_text(&self, text: &mut String, line: &Line) {
        // Behind the last character nothing was printed, least of all where a wide one had no room.
        let end = line.cells().iter().rposition(|cell| cell.has_content());
        let cells = &line.cells()[..end.map_or(0, |last| last + 1)];
        let mut before = 0;
        for cell in cells {
            let is_second = before == 2 && cell.width() == 0;
            before = cell.width();
            if is_second && !cell.has_content() {
                continue;
            }
            match cell.shown() {
                Shown::Nothing => text.push(' '),
                Shown::One(code) => text.extend(char::from_u32(code)),
                Shown::Joined(place) => text.push_str(self.store.joined(place)),
            }
        }
    }
}

fn cells(size: TerminalSize) -> (usize, usize) {
    (
        usize::from(size.columns).max(COLUMNS_MIN),
        usize::from(size.rows).max(1),
    )
}
