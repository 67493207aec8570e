//! CSV, whatever separates it and however it is encoded.

use openwrap_contracts::{Fault, Outcome};
use serde_json::{Value, json};

use super::Page;

/// In the order they are preferred when nothing tells them apart.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// Rows looked at to find the separator.
const SAMPLE_ROWS: usize = 50;
/// What the bytes 0x80 to 0x9f are in Windows-1252; those it leaves open are kept as they are.
const WINDOWS: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘', '’',
    '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

pub(super) fn read(path: &str, bytes: &[u8], page: &mut Page) -> Outcome<Value> {
    let (text, encoding) = decoded(path, bytes)?;
    let (separator, text) = match told(&text) {
        Some(told) => told,
        None => (found(&text), text.as_str()),
    };
    for record in reader(text, separator).records() {
        let record = record.map_err(|error| Fault::invalid(format!("table.read: `{path}`: {error}")))?;
        page.row(record.iter().map(Value::from).collect())?;
    }
    Ok(json!({
        "format": "csv", "separator": char::from(separator).to_string(), "encoding": encoding,
    }))
}

fn reader(text: &str, separator: u8) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new()
        .delimiter(separator)
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes())
}

/// UTF-8 and UTF-16 by their marks, else UTF-8 when it is that, else Windows-1252.
fn decoded(path: &str, bytes: &[u8]) -> Outcome<(String, &'static str)> {
    let wide = |rest: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = rest.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
        String::from_utf16_lossy(&units)
    };
    let (text, encoding) = match bytes {
        [0xff, 0xfe, rest @ ..] => (wide(rest, u16::from_le_bytes), "utf-16le"),
        [0xfe, 0xff, rest @ ..] => (wide(rest, u16::from_be_bytes), "utf-16be"),
        [0xef, 0xbb, 0xbf, rest @ ..] => (String::from_utf8_lossy(rest).into_owned(), "utf-8"),
        _ => match std::str::from_utf8(bytes) {
            Ok(text) => (text.to_owned(), "utf-8"),
            Err(_) => (bytes.iter().map(|byte| windows(*byte)).collect(), "windows-1252"),
        },
    };
    if text.contains('\0') {
        return Err(Fault::invalid(format!(
            "table.read: `{path}` is no text, so no CSV file"
        )));
    }
    Ok((text, encoding))
}

fn windows(byte: u8) -> char {
    match byte {
        0x80..=0x9f => WINDOWS.get(usize::from(byte - 0x80)).copied().unwrap_or('\u{fffd}'),
        byte => char::from(byte),
    }
}

/// `sep=;` on a line of its own, as spreadsheets write it.
fn told(text: &str) -> Option<(u8, &str)> {
    let (first, rest) = text.split_once('\n')?;
    let separator = first.trim_end_matches('\r').strip_prefix("sep=")?.bytes().next()?;
    SEPARATORS.contains(&separator).then_some((separator, rest))
}

/// The one by which most rows have as many cells as the first, of those the one with the most cells.
fn found(text: &str) -> u8 {
    let mut best = (0, 1, SEPARATORS[0]);
    for separator in SEPARATORS {
        let mut reader = reader(text, separator);
        let mut widths = reader
            .records()
            .take(SAMPLE_ROWS)
            .map_while(Result::ok)
            .map(|row| row.len());
        let Some(first) = widths.next().filter(|width| *width > 1) else {
            continue;
        };
        let alike = 1 + widths.filter(|width| *width == first).count();
        if (alike, first) > (best.0, best.1) {
            best = (alike, first, separator);
        }
    }
    best.2
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn separators_are_found_and_encodings_read() {
        assert_eq!(found("a,b\n1,2\n"), b',');
        assert_eq!(found("a;b;c\n1,5;2,5;3\n1,5;2,5;3\n"), b';');
        assert_eq!(found("a\tb\n1,2\t3\n"), b'\t');
        assert_eq!(found("a|b\n\"x,\ny\"|2\n"), b'|');
        assert_eq!(found("alone\n1\n2\n"), b',');
        assert_eq!(found(""), b',');
        assert_eq!(told("sep=;\r\na;b"), Some((b';', "a;b")));
        assert_eq!(told("separate\n1"), None);
        assert_eq!(decoded("x", b"\xff\xfea\0b\0").unwrap(), ("ab".to_owned(), "utf-16le"));
        assert_eq!(decoded("x", b"\xfe\xff\0a").unwrap(), ("a".to_owned(), "utf-16be"));
        assert_eq!(decoded("x", b"\xef\xbb\xbfa").unwrap(), ("a".to_owned(), "utf-8"));
        assert_eq!(
            decoded("x", b"M\xfcller \x80").unwrap(),
            ("Müller €".to_owned(), "windows-1252")
        );
        assert!(decoded("x", b"PK\0\x01").is_err());
    }
}
