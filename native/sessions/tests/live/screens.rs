//! One who comes late sees what one who was there from the start sees: told by screens alone here, and beside the page's terminal in
//! `tests/e2e/late-joiners.test.ts`.

use openwrap_contracts::spawn::TerminalSize;
use openwrap_sessions::Screen;
use proptest::prelude::*;

const SIZE: TerminalSize = TerminalSize { columns: 20, rows: 6 };

fn output() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        6 => "[a-z ]{1,30}".prop_map(String::into_bytes),
        4 => Just(b"\r\n".to_vec()),
        2 => "[\u{e4}\u{4e2d}\u{301}]{1,4}".prop_map(String::into_bytes),
        2 => (0..8_u8).prop_map(|color| format!("\x1b[3{color};1m").into_bytes()),
        1 => Just(b"\x1b[0m".to_vec()),
        1 => (1..7_u8, 1..21_u8).prop_map(|(row, column)| format!("\x1b[{row};{column}H").into_bytes()),
        1 => Just(b"\x1b[?25l".to_vec()),
        1 => Just(b"\x1b[?1049h\x1b[Hfull".to_vec()),
        1 => Just(b"\x1b[?1049l".to_vec()),
        1 => Just(b"\x1b[?2004h".to_vec()),
        1 => Just(b"\x1b[K".to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..8),
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

fn size() -> impl Strategy<Value = TerminalSize> {
    (1..60_u16, 1..20_u16).prop_map(|(columns, rows)| TerminalSize { columns, rows })
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
        let mut late = Screen::new(SIZE).unwrap();
        late.feed(&screen.paint());
        screen.feed(&bytes[at..]);
        late.feed(&bytes[at..]);
        prop_assert_eq!(screen.text(), late.text());
        prop_assert_eq!(screen.last_lines(1_000), late.last_lines(1_000));
        prop_assert_eq!(screen.paint(), late.paint());
    }

    #[test]
    fn any_output_and_size_is_taken(bytes in output(), sizes in prop::collection::vec(size(), 1..5)) {
        let mut screen = Screen::new(SIZE).unwrap();
        for size in sizes {
            screen.feed(&bytes);
            screen.resize(size);
            screen.feed(&bytes);
            let mut late = Screen::new(size).unwrap();
            late.feed(&screen.paint());
            // But for blanks: none was printed where a wide character had no room in another width.
            prop_assert_eq!(screen.text().replace(' ', ""), late.text().replace(' ', ""));
        }
    }
}

#[test]
fn another_width_breaks_lines_anew_and_loses_none() {
    let mut screen = Screen::new(SIZE).unwrap();
    let long = "0123456789".repeat(7);
    screen.feed(format!("first\r\n{long}\r\nlast\r\n$ ").as_bytes());
    for columns in [9, 33, 2, 200, 20] {
        screen.resize(TerminalSize { columns, rows: 4 });
        assert_eq!(screen.last_lines(9), format!("first\n{long}\nlast\n$"), "{columns}");
    }
}

#[test]
fn modes_of_whoever_types_are_painted() {
    let mut screen = Screen::new(SIZE).unwrap();
    screen.feed(b"\x1b[?2004h\x1b[?1002;10");
    screen.feed(b"06h\x1b[?1000h\x1b[?1000l");
    let painted = String::from_utf8(screen.paint()).unwrap();
    // One mouse mode holds at a time, the last one.
    for (mode, on) in [(2004, true), (1002, false), (1006, true), (1000, false)] {
        assert_eq!(painted.contains(&format!("\x1b[?{mode}h")), on, "{mode}");
    }
    screen.feed(b"\x1bc");
    assert!(!String::from_utf8(screen.paint()).unwrap().contains("2004"));
}

#[test]
fn text_is_what_is_seen() {
    let mut screen = Screen::new(SIZE).unwrap();
    screen.feed(b"\xff\x1b[31mred\x1b[0m\r\n\r\nlast  \r\n");
    assert_eq!(screen.text(), "red\n\nlast");
    for line in 0..20 {
        screen.feed(format!("{line}\r\n").as_bytes());
    }
    assert_eq!(screen.last_lines(3), "17\n18\n19");
}
