//! Untrusted text on one line, within bytes.

/// One line of at most `bytes_max` bytes: every run of white space and controls is one space; `…` where it was cut.
pub fn line(text: &str, bytes_max: usize) -> String {
    let mut line = String::new();
    let mut gap = false;
    for c in text.chars() {
        if is_blank(c) {
            gap = !line.is_empty();
            continue;
        }
        if bytes_max - line.len() < usize::from(gap) + c.len_utf8() {
            line.push('\u{2026}');
            return line;
        }
        if std::mem::take(&mut gap) {
            line.push(' ');
        }
        line.push(c);
    }
    line
}

/// White space, controls, and characters that hide or reorder text.
fn is_blank(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{ad}')
}

/// Bytes of a text inside a JSON string.
pub fn json_bytes(text: &str) -> usize {
    text.bytes()
        .map(|byte| match byte {
            b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 8 | 12 => 2,
            0..=31 => 6,
            _ => 1,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_single_visible_and_cut_at_characters() {
        assert_eq!(line(" a\n\tb\u{202e}c ", 100), "a b c");
        assert_eq!(line("\u{e4}\u{e4}\u{e4}", 5), "\u{e4}\u{e4}\u{2026}");
        assert_eq!(line("", 5), "");
    }

    #[test]
    fn json_bytes_are_those_of_the_encoder() {
        for text in ["plain", "a\"b\\c\nd\te\u{1}", "\u{e4}\u{4e2d}"] {
            assert_eq!(
                json_bytes(text) + 2,
                serde_json::to_string(text).map_or(0, |json| json.len())
            );
        }
    }
}
