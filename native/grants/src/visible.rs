//! Text for a person's eyes: what could hide or reorder other text is spelled out.

use std::fmt::Write;

/// One line: control, bidirectional and invisible characters become `[U+202E]`.
#[must_use]
pub fn line(text: &str) -> String {
    escaped(text, |_| false)
}

/// As [`line`], but line breaks and tabs stay.
#[must_use]
pub fn block(text: &str) -> String {
    escaped(text, |c| c == '\n' || c == '\t')
}

/// A machine fact in backticks, on one line; it cannot end its own quotation.
#[must_use]
pub fn fact(text: &str) -> String {
    format!("`{}`", line(text).replace('`', "[U+0060]"))
}

fn escaped(text: &str, keep: impl Fn(char) -> bool) -> String {
    if !text.chars().any(is_hidden) {
        return text.to_owned();
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_hidden(c) && !keep(c) {
            // Writing into a String cannot fail.
            let _ = write!(shown, "[U+{:04X}]", c as u32);
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Controls; directional marks, embeddings, overrides, isolates; zero-width and other characters without a picture.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0e}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_are_spelled_out() {
        assert_eq!(line("report\u{202e}cod.md"), "report[U+202E]cod.md");
        assert_eq!(line("a\u{200b}b\u{feff}\u{7}\n"), "a[U+200B]b[U+FEFF][U+0007][U+000A]");
        assert_eq!(line("\u{e0041}\u{2066}"), "[U+E0041][U+2066]");
        assert_eq!(block("a\nb\t\u{1b}"), "a\nb\t[U+001B]");
        assert_eq!(line("Größe 数据 é"), "Größe 数据 é");
    }

    #[test]
    fn a_fact_cannot_leave_its_quotation() {
        assert_eq!(fact("a` and `b"), "`a[U+0060] and [U+0060]b`");
    }
}
