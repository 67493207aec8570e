//! Screens by commands from standard input, for tests that compare them with the page's terminal. Each command is a letter and a length
//! (32 bits, big-endian) of what follows: `n` columns and rows (16 bits each): a new screen; `r` columns and rows: another size; `f`
//! output; `p` nothing: answered with a length and what paints the screen; `t` nothing: with a length and its text.

use std::io::{Error, Read, Result, Write};

use openwrap_contracts::spawn::TerminalSize;
use openwrap_sessions::Screen;

fn main() -> Result<()> {
    let mut input = std::io::stdin().lock();
    let mut output = std::io::stdout().lock();
    let mut screen = None;
    let mut head = [0_u8; 5];
    while input.read_exact(&mut head).is_ok() {
        let [command, length @ ..] = head;
        let mut body = vec![0_u8; usize::try_from(u32::from_be_bytes(length)).map_err(Error::other)?];
        input.read_exact(&mut body)?;
        match (command, &mut screen) {
            (b'n', screen) => *screen = Screen::new(size(&body)),
            (b'r', Some(screen)) => screen.resize(size(&body)),
            (b'f', Some(screen)) => screen.feed(&body),
            (b'p', Some(screen)) => answer(&mut output, &screen.paint())?,
            (b't', Some(screen)) => answer(&mut output, screen.text().as_bytes())?,
            _ => return Err(Error::other("no such command")),
        }
    }
    Ok(())
}

fn size(body: &[u8]) -> TerminalSize {
    let number = |at: usize| u16::from_be_bytes([body[at], body[at + 1]]);
    TerminalSize {
        columns: number(0),
        rows: number(2),
    }
}

fn answer(output: &mut impl Write, bytes: &[u8]) -> Result<()> {
    let length = u32::try_from(bytes.len()).map_err(Error::other)?;
    output.write_all(&length.to_be_bytes())?;
    output.write_all(bytes)?;
    output.flush()
}
