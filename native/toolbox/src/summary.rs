//! What a person reads of a call: one line, every odd character spelled out.

/// Characters of a text shown in a summary.
const SHOWN_CHARS: usize = 8_000;

/// A word: bare where that is plain, else in quotes with every odd character shown.
pub fn word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("{word:?}")
}

/// A longer text in quotes, cut with a note.
pub fn text(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?} and {} bytes more", &text[..end], text.len() - end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_hides_and_nothing_is_dropped_in_silence() {
        assert_eq!(word("a/b-c.csv"), "a/b-c.csv");
        assert_eq!(word(""), "\"\"");
        assert_eq!(word("a b\u{202e}\n\"'"), "\"a b\\u{202e}\\n\\\"'\"");
        assert_eq!(text("x"), "\"x\"");
        let long = "\u{e4}".repeat(SHOWN_CHARS + 2);
        assert!(text(&long).ends_with("\u{e4}\" and 4 bytes more"));
    }
}
