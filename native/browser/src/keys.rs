//! Keys by name, as DOM events and Chromium's input have them.

use openwrap_contracts::{Fault, Outcome};
use serde_json::{Value, json};

/// `Input.dispatchKeyEvent`'s bits.
pub mod modifier {
    pub const ALT: u8 = 1;
    pub const CONTROL: u8 = 2;
    pub const META: u8 = 4;
    pub const SHIFT: u8 = 8;
}

/// `key`, `code`, Windows key code, text.
type Row = (&'static str, &'static str, u32, &'static str);

const NAMED: &[Row] = &[
    ("Enter", "Enter", 13, "\r"),
    ("Tab", "Tab", 9, ""),
    ("Escape", "Escape", 27, ""),
    ("Backspace", "Backspace", 8, ""),
    ("Delete", "Delete", 46, ""),
    ("Insert", "Insert", 45, ""),
    ("ArrowUp", "ArrowUp", 38, ""),
    ("ArrowDown", "ArrowDown", 40, ""),
    ("ArrowLeft", "ArrowLeft", 37, ""),
    ("ArrowRight", "ArrowRight", 39, ""),
    ("Home", "Home", 36, ""),
    ("End", "End", 35, ""),
    ("PageUp", "PageUp", 33, ""),
    ("PageDown", "PageDown", 34, ""),
    (" ", "Space", 32, " "),
    ("Shift", "ShiftLeft", 16, ""),
    ("Control", "ControlLeft", 17, ""),
    ("Alt", "AltLeft", 18, ""),
    ("Meta", "MetaLeft", 91, ""),
    ("F1", "F1", 112, ""),
    ("F2", "F2", 113, ""),
    ("F3", "F3", 114, ""),
    ("F4", "F4", 115, ""),
    ("F5", "F5", 116, ""),
    ("F6", "F6", 117, ""),
    ("F7", "F7", 118, ""),
    ("F8", "F8", 119, ""),
    ("F9", "F9", 120, ""),
    ("F10", "F10", 121, ""),
    ("F11", "F11", 122, ""),
    ("F12", "F12", 123, ""),
];

/// One key with its modifiers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    pub key: String,
    pub code: String,
    pub modifiers: u8,
    windows: u32,
    text: String,
}

impl Key {
    /// Reads `Enter`, `a`, `Control+Shift+ArrowLeft`.
    ///
    /// # Errors
    /// `INVALID_ARGUMENTS` naming the keys there are.
    pub fn parse(text: &str) -> Outcome<Self> {
        let mut modifiers = 0;
        let mut rest = text;
        while let Some((word, after)) = rest
            .split_once('+')
            .filter(|(word, after)| !word.is_empty() && !after.is_empty())
        {
            modifiers |= match word {
                "Alt" => modifier::ALT,
                "Control" | "Ctrl" => modifier::CONTROL,
                "Meta" => modifier::META,
                "Shift" => modifier::SHIFT,
                _ => return Err(unknown(text)),
            };
            rest = after;
        }
        let rest = if rest == "Space" { " " } else { rest };
        let known = NAMED.iter().find(|(key, ..)| *key == rest);
        if let Some((key, code, ..)) = known {
            return Ok(Self::of(key, code, modifiers));
        }
        let mut chars = rest.chars();
        match (chars.next(), chars.next()) {
            (Some(c), None) if !c.is_control() => {
                let shown = if modifiers & modifier::SHIFT == 0 {
                    c.to_string()
                } else {
                    c.to_uppercase().collect()
                };
                Ok(Self::of(&shown, &code_of(c), modifiers))
            }
            _ => Err(unknown(text)),
        }
    }

    /// A key as a DOM event names it.
    pub fn of(key: &str, code: &str, modifiers: u8) -> Self {
        let named = NAMED.iter().find(|(name, ..)| *name == key);
        let single = key.chars().count() == 1;
        // With Control, Alt or Meta a letter is a command and types nothing.
        let types = modifiers & !modifier::SHIFT == 0;
        let text = named.map_or(if single { key } else { "" }, |(.., text)| text);
        Self {
            key: key.to_owned(),
            code: code.to_owned(),
            modifiers,
            windows: named.map_or_else(|| windows_of(code, key), |(_, _, windows, _)| *windows),
            text: if types { text.to_owned() } else { String::new() },
        }
    }

    /// Parameters of `Input.dispatchKeyEvent`.
    pub fn event(&self, down: bool) -> Value {
        let kind = match (down, self.text.is_empty()) {
            (false, _) => "keyUp",
            (true, true) => "rawKeyDown",
            (true, false) => "keyDown",
        };
        let mut event = json!({
            "type": kind, "key": self.key, "code": self.code, "modifiers": self.modifiers,
            "windowsVirtualKeyCode": self.windows, "nativeVirtualKeyCode": self.windows,
        });
        if down && !self.text.is_empty() {
            event["text"] = json!(self.text);
            event["unmodifiedText"] = json!(self.text);
        }
        if down && let Some(command) = self.command() {
            event["commands"] = json!([command]);
        }
        event
    }

    /// Editing commands, which a desktop's toolkit would map and a headless browser does not.
    fn command(&self) -> Option<&'static str> {
        match (self.modifiers, self.code.as_str()) {
            (modifier::CONTROL, "KeyA") => Some("selectAll"),
            (modifier::CONTROL, "KeyZ") => Some("undo"),
            (modifier::CONTROL, "KeyY") => Some("redo"),
            (modifier::CONTROL, "KeyC") => Some("copy"),
            (modifier::CONTROL, "KeyX") => Some("cut"),
            (modifier::CONTROL, "KeyV") => Some("paste"),
            _ => None,
        }
    }
}

fn unknown(text: &str) -> Fault {
    let names: Vec<&str> = NAMED
        .iter()
        .map(|(key, ..)| if *key == " " { "Space" } else { key })
        .collect();
    Fault::invalid(format!(
        "`{}` is no key: write one character or one of {}, with Control+, Shift+, Alt+ or Meta+ before it",
        crate::text::line(text, 60),
        names.join(", ")
    ))
}

fn code_of(c: char) -> String {
    match c {
        'a'..='z' | 'A'..='Z' => format!("Key{}", c.to_ascii_uppercase()),
        '0'..='9' => format!("Digit{c}"),
        _ => String::new(),
    }
}

fn windows_of(code: &str, key: &str) -> u32 {
    let letter = code.strip_prefix("Key").or_else(|| code.strip_prefix("Digit"));
    let c = letter
        .and_then(|rest| rest.chars().next())
        .or_else(|| key.chars().next());
    c.filter(char::is_ascii_alphanumeric)
        .map_or(0, |c| u32::from(c.to_ascii_uppercase()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn keys_are_events_as_a_keyboard_makes_them() {
        let enter = Key::parse("Enter").unwrap().event(true);
        assert_eq!(
            (enter["type"].as_str(), enter["text"].as_str()),
            (Some("keyDown"), Some("\r"))
        );
        let all = Key::parse("Control+a").unwrap().event(true);
        assert_eq!(
            (all["type"].as_str(), all["commands"][0].as_str()),
            (Some("rawKeyDown"), Some("selectAll"))
        );
        assert_eq!(all["windowsVirtualKeyCode"], 65);
        assert_eq!(Key::parse("Shift+b").unwrap().key, "B");
        assert_eq!(Key::parse("+").unwrap().event(true)["text"], "+");
        assert_eq!(Key::parse("Control++").unwrap().modifiers, modifier::CONTROL);
        assert_eq!(Key::parse("Space").unwrap().event(true)["text"], " ");
        for bad in ["", "Return", "Hyper+a", "ab"] {
            assert!(Key::parse(bad).is_err(), "{bad}");
        }
    }
}
