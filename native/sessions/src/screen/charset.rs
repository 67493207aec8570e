//! National and graphic characters in place of ASCII (ISO 2022 designations, as VT320 and xterm know them).

/// A set other than ASCII, by the letter that designates it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charset(u8);

/// Letters of a set, the characters it replaces, and those it has there.
const SETS: &[(&str, &str, &str)] = &[
    (
        "0",
        "`abcdefghijklmnopqrstuvwxyz{|}~",
        "◆▒␉␌␍␊°±␤␋┘┐┌└┼⎺⎻─⎼⎽├┤┴┬│≤≥π≠£·",
    ),
    ("A", "#", "£"),
    ("4", "#@[\\]{|}~", "£¾i½|¨f¼´"),
    ("C5", "[\\]^`{|}~", "ÄÖÅÜéäöåü"),
    ("R", "#@[\\]{|}~", "£à°ç§éùè¨"),
    ("Q", "@[\\]^`{|}~", "àâçêîôéùèû"),
    ("K", "@[\\]{|}~", "§ÄÖÜäöüß"),
    ("Y", "#@[\\]`{|}~", "£§°çéùàòèì"),
    ("E6", "@[\\]^`{|}~", "ÄÆØÅÜäæøåü"),
    ("Z", "#@[\\]{|}", "£§¡Ñ¿°ñç"),
    ("H7", "@[\\]^`{|}~", "ÉÄÖÅÜéäöåü"),
    ("=", "#@[\\]^_`{|}~", "ùàéçêîèôäöüû"),
];

/// What a designation names: ASCII (none), a set, or nothing that is known.
pub fn designated(letter: u8) -> Option<Option<Charset>> {
    if letter == b'B' {
        return Some(None);
    }
    let known = SETS.iter().any(|(letters, _, _)| letters.as_bytes().contains(&letter));
    known.then_some(Some(Charset(letter)))
}

impl Charset {
    pub fn letter(self) -> char {
        char::from(self.0)
    }

    /// What it has in place of an ASCII character.
    pub fn character(self, code: u32) -> u32 {
        let set = SETS.iter().find(|(letters, _, _)| letters.as_bytes().contains(&self.0));
        set.and_then(|(_, from, to)| {
            let place = from.bytes().position(|byte| u32::from(byte) == code)?;
            to.chars().nth(place).map(u32::from)
        })
        .unwrap_or(code)
    }
}
