//! Text of strangers made harmless to read: every character that is not seen, or that moves others, is shown as its number.

/// The text with hidden characters as `\u{…}`, at most `chars_max` characters of the original. Line breaks and tabs stay.
pub fn visible(text: &str, chars_max: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(chars_max * 2));
    for (count, c) in text.chars().enumerate() {
        if count == chars_max {
            shown.push_str(" [cut]");
            break;
        }
        if is_hidden(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// On one line.
pub fn visible_line(text: &str, chars_max: usize) -> String {
    visible(text, chars_max).replace(['\n', '\t'], " ")
}

/// Controls but line break and tab, directional marks, zero-width and filler characters, tags, variation selectors.
pub fn is_hidden(c: char) -> bool {
    if matches!(c, '\n' | '\t') {
        return false;
    }
    c.is_control()
        || matches!(
            u32::from(c),
            0xad | 0x34f
                | 0x61c
                | 0x115f
                | 0x1160
                | 0x17b4
                | 0x17b5
                | 0x180b..=0x180f
                | 0x200b..=0x200f
                | 0x2028..=0x202e
                | 0x2060..=0x206f
                | 0x3164
                | 0xfe00..=0xfe0f
                | 0xfeff
                | 0xffa0
                | 0xfff0..=0xfffb
                | 0x1_d173..=0x1_d17a
                | 0xe_0000..=0xe_0fff
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_is_shown() {
        assert_eq!(
            visible("a\u{202e}b\u{1b}[0m\u{e0041}", 100),
            "a\\u{202e}b\\u{1b}[0m\\u{e0041}"
        );
        assert_eq!(visible("two\nlines\tä", 100), "two\nlines\tä");
        assert_eq!(visible("abcdef", 3), "abc [cut]");
        assert_eq!(visible_line("a\nb", 9), "a b");
    }
}
