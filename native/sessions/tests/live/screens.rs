//! One who comes late sees what one who was there from the start sees.

use avt::Terminal;
use openwrap_contracts::spawn::TerminalSize;
use openwrap_sessions::Screen;
use proptest::prelude::*;

const SIZE: TerminalSize = TerminalSize { columns: 20, rows: 6 };

/// Everything a person can see of a terminal: what scrolled away, the picture, colours, cursor, which screen.
fn seen(terminal: &Terminal) -> (Vec<String>, String) {
    let scrolled = terminal
        .primary_screen()
        .all_lines()
        .map(|line| line.text().trim_end().to_owned());
    let mut scrolled: Vec<String> = scrolled.collect();
    while scrolled.last().is_some_and(String::is_empty) {
        scrolled.pop();
    }
    (scrolled, terminal.dump())
}

fn fresh() -> Terminal {
    Terminal::with_scrollback(usize::from(SIZE.columns), usize::from(SIZE.rows), Some(5_000)).unwrap()
}

fn fed(terminal: &mut Terminal, bytes: &[u8]) {
    terminal.feed(&*String::from_utf8_lossy(bytes));
}

fn output() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        6 => "[a-z ]{1,30}".prop_map(String::into_bytes),
        4 => Just(b"\r\n".to_vec()),
        2 => "[\u{e4}\u{4e2d}\u{1f600}]{1,4}".prop_map(String::into_bytes),
        2 => (0..8_u8).prop_map(|color| format!("\x1b[3{color};1m").into_bytes()),
        1 => Just(b"\x1b[0m".to_vec()),
        1 => (1..7_u8, 1..21_u8).prop_map(|(row, column)| format!("\x1b[{row};{column}H").into_bytes()),
        1 => Just(b"\x1b[?25l".to_vec()),
        1 => Just(b"\x1b[?1049h\x1b[Hfull".to_vec()),
        1 => Just(b"\x1b[?1049l".to_vec()),
        1 => Just(b"\x1b[?2004h".to_vec()),
        1 => Just(b"\x1b[K".to_vec()),
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn joined_late_is_there_from_the_start(bytes in output(), at in any::<prop::sample::Index>(), chunk in 1..40_usize) {
        let at = at.index(bytes.len() + 1);
        let mut screen = Screen::new(SIZE).unwrap();
        // However the output is cut, also inside characters and sequences.
        for part in bytes[..at].chunks(chunk) {
            screen.feed(part);
        }
        prop_assert_eq!(screen.offset(), at as u64);
        let (mut early, mut late) = (fresh(), fresh());
        fed(&mut early, &bytes);
        let mut rest = screen.paint();
        rest.extend_from_slice(&bytes[at..]);
        fed(&mut late, &rest);
        let (early, late) = (seen(&early), seen(&late));
        prop_assert_eq!(early.1, late.1);
        prop_assert_eq!(early.0, late.0);
    }
}

#[test]
fn modes_of_whoever_types_are_painted() {
    let mut screen = Screen::new(SIZE).unwrap();
    screen.feed(b"\x1b[?2004h\x1b[?1002;10");
    screen.feed(b"06h\x1b[?1000h\x1b[?1000l");
    let painted = String::from_utf8(screen.paint()).unwrap();
    for (mode, on) in [(2004, true), (1002, true), (1006, true), (1000, false)] {
        assert_eq!(painted.contains(&format!("\x1b[?{mode}h")), on, "{mode}");
    }
    screen.feed(b"\x1bc");
    assert!(!String::from_utf8(screen.paint()).unwrap().contains("2004"));
}

#[test]
fn text_is_what_is_seen() {
    let mut screen = Screen::new(SIZE).unwrap();
    screen.feed(b"\xff\x1b[31mred\x1b[0m\r\n\r\nlast  \r\n");
    assert_eq!(screen.text(), "\u{fffd}red\n\nlast");
    for line in 0..20 {
        screen.feed(format!("{line}\r\n").as_bytes());
    }
    assert_eq!(screen.last_lines(3), "17\n18\n19");
}
