//! A provider may echo the key it was given: nothing it says leaves this crate before the key is taken out, in every
//! spelling it may come back in, also when it comes in pieces.

use openwrap_contracts::ports::Secret;
use serde_json::Value;

/// Shorter values keep nothing secret (`none`, `ollama`): taking them out would only garble answers.
const KEY_BYTES_MIN: usize = 8;
/// A begun spelling of this length at the end of a text is a key that was cut off.
const CUT_BYTES_MIN: usize = 16;
const REPLACEMENT: &str = "[redacted]";
/// Characters that stay as they are beside letters and digits: RFC 3986, `encodeURIComponent`, `encodeURI`, Python's
/// `quote`, and forms (WHATWG URL).
const UNESCAPED: [&[u8]; 5] = [b"-._~", b"-._~!*'()", b"-._~!*'();/?:@&=+$,#", b"-._~/", b"-._*"];
const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Takes a key out of text.
pub struct Redactor {
    /// Longest first; wiped when dropped.
    spellings: Vec<Secret>,
    /// First bytes of the spellings.
    begins: [bool; 256],
    longest: usize,
}

impl Redactor {
    /// A redactor for one key.
    pub fn new(key: Option<&Secret>) -> Self {
        let key = key.map(Secret::expose).filter(|key| key.len() >= KEY_BYTES_MIN);
        let mut spellings: Vec<String> = key.map(spellings).unwrap_or_default();
        spellings.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        spellings.dedup();
        let mut begins = [false; 256];
        for first in spellings.iter().filter_map(|spelling| spelling.bytes().next()) {
            begins[usize::from(first)] = true;
        }
        Self {
            longest: spellings.first().map_or(0, String::len),
            spellings: spellings
                .into_iter()
                .map(|text| Secret::new(text.into_bytes()))
                .collect(),
            begins,
        }
    }

    fn texts(&self) -> impl Iterator<Item = &str> {
        self.spellings
            .iter()
            .filter_map(|spelling| std::str::from_utf8(spelling.expose()).ok())
    }

    /// The text without the key.
    pub fn clean(&self, text: String) -> String {
        let mut clean = text;
        for spelling in self.texts() {
            if clean.contains(spelling) {
                clean = clean.replace(spelling, REPLACEMENT);
            }
        }
        clean
    }

    /// For text of unknown make, such as an error page: also found behind escapes nobody asked for; then all of it goes.
    /// What was cut off in the middle of a key loses its end.
    pub fn clean_strictly(&self, text: String) -> String {
        let mut clean = self.clean(text);
        let end = self.open_end(&clean);
        if clean.len() - end >= CUT_BYTES_MIN {
            clean.truncate(end);
            clean.push_str(REPLACEMENT);
        }
        let plain = unescaped(&clean);
        if self.texts().any(|spelling| plain.contains(spelling)) {
            return REPLACEMENT.to_owned();
        }
        clean
    }

    /// Every string and key of a value without the key.
    pub fn clean_value(&self, value: Value) -> Value {
        if self.spellings.is_empty() {
            return value;
        }
        match value {
            Value::String(text) => Value::String(self.clean(text)),
            Value::Array(items) => Value::Array(items.into_iter().map(|item| self.clean_value(item)).collect()),
            Value::Object(fields) => Value::Object(
                fields
                    .into_iter()
                    .map(|(name, item)| (self.clean(name), self.clean_value(item)))
                    .collect(),
            ),
            other => other,
        }
    }

    /// Where a spelling may have begun that the text does not end yet.
    fn open_end(&self, text: &str) -> usize {
        let bytes = text.as_bytes();
        let from = bytes.len().saturating_sub(self.longest.saturating_sub(1));
        (from..bytes.len())
            .filter(|at| self.begins[usize::from(bytes[*at])])
            .find(|at| {
                self.spellings
                    .iter()
                    .any(|spelling| spelling.expose().starts_with(&bytes[*at..]))
            })
            .filter(|at| text.is_char_boundary(*at))
            .unwrap_or(bytes.len())
    }
}

/// Cleans a text that comes in pieces: what may be the begin of a key waits for the next piece.
pub struct Cleaner<'a> {
    redactor: &'a Redactor,
    held: String,
}

impl<'a> Cleaner<'a> {
    pub fn new(redactor: &'a Redactor) -> Self {
        Self {
            redactor,
            held: String::new(),
        }
    }

    /// What of the text so far is surely clean and was not handed out yet.
    pub fn push(&mut self, piece: String) -> String {
        if self.redactor.spellings.is_empty() {
            return piece;
        }
        let text = if self.held.is_empty() {
            piece
        } else {
            std::mem::take(&mut self.held) + &piece
        };
        let mut text = self.redactor.clean(text);
        let end = self.redactor.open_end(&text);
        self.held = text.split_off(end);
        text
    }

    /// The rest, once nothing follows; a key that was cut off goes too.
    pub fn end(&mut self) -> String {
        let held = std::mem::take(&mut self.held);
        if held.len() < CUT_BYTES_MIN {
            return held;
        }
        REPLACEMENT.to_owned()
    }
}

fn spellings(key: &[u8]) -> Vec<String> {
    let plain = String::from_utf8_lossy(key).into_owned();
    let json = serde_json::to_string(&plain).unwrap_or_default();
    let json = json
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .unwrap_or(&plain)
        .to_owned();
    let mut all = vec![
        key.iter().map(|byte| format!("{byte:02x}")).collect(),
        key.iter().map(|byte| format!("{byte:02X}")).collect(),
        json.replace('/', "\\/"),
        json,
        plain,
    ];
    for kept in UNESCAPED {
        all.push(percent(key, kept, |byte| format!("%{byte:02X}")));
        all.push(percent(key, kept, |byte| format!("%{byte:02x}")));
    }
    for alphabet in [STANDARD, URL_SAFE] {
        // `Basic` and other wrappings put text before the key, which shifts its base64.
        for shift in 0..3 {
            let text = base64_inner(key, shift, alphabet);
            all.push(percent(text.as_bytes(), UNESCAPED[0], |byte| format!("%{byte:02X}")));
            all.push(text.replace('/', "\\/"));
            all.push(text);
        }
    }
    all
}

/// The characters of the base64 (RFC 4648) of `shift` unknown bytes and the key that the key alone decides.
fn base64_inner(key: &[u8], shift: usize, alphabet: &[u8; 64]) -> String {
    let bits = key.len() * 8;
    // Bits of the key that complete the character the unknown bytes began.
    let skip = (6 - shift * 8 % 6) % 6;
    (0..(bits - skip) / 6)
        .map(|place| {
            let index = (0..6).fold(0, |index, bit| {
                let at = skip + place * 6 + bit;
                index << 1 | usize::from(key[at / 8] >> (7 - at % 8) & 1)
            });
            char::from(alphabet[index])
        })
        .collect()
}

/// Percent-encoding of everything but letters, digits and what is kept.
fn percent(bytes: &[u8], kept: &[u8], encoded: impl Fn(u8) -> String) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || kept.contains(&byte);
    bytes
        .iter()
        .map(|byte| match *byte {
            byte if plain(byte) => char::from(byte).to_string(),
            byte => encoded(byte),
        })
        .collect()
}

/// Percent, `\u` and backslash escapes read once, wherever they stand.
fn unescaped(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let hex = |from: usize, to: usize| {
            let digits = text.get(from..to)?;
            let all = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            u32::from_str_radix(digits, 16).ok().filter(|_| all)
        };
        let (decoded, length) = match byte {
            b'%' => (hex(at + 1, at + 3), 3),
            b'\\' if bytes.get(at + 1) == Some(&b'u') => (hex(at + 2, at + 6), 6),
            b'\\' => (bytes.get(at + 1).map(|next| u32::from(*next)), 2),
            other => (Some(u32::from(*other)), 1),
        };
        match decoded.and_then(|code| u8::try_from(code).ok()) {
            Some(byte) => {
                plain.push(byte);
                at += length;
            }
            None => {
                plain.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: &[u8] = b"sk-\"can/ary+\\12345";

    fn redactor() -> Redactor {
        Redactor::new(Some(&Secret::new(KEY.to_vec())))
    }

    #[test]
    fn every_spelling_of_a_key_goes() {
        for spelling in [
            "sk-\"can/ary+\\12345",
            "c2stImNhbi9hcnkrXDEyMzQ1",
            "736b2d2263616e2f6172792b5c3132333435",
            "sk-%22can%2Fary%2B%5C12345",
            "sk-%22can%2fary%2b%5c12345",
            "sk-\\\"can/ary+\\\\12345",
            "sk-\\\"can\\/ary+\\\\12345",
        ] {
            let clean = redactor().clean(format!("before {spelling} after"));
            assert_eq!(clean, "before [redacted] after", "{spelling}");
        }
        assert_eq!(Redactor::new(None).clean("text".to_owned()), "text");
        let short = Redactor::new(Some(&Secret::new(b"ollama".to_vec())));
        assert_eq!(short.clean("ollama".to_owned()), "ollama");
    }

    #[test]
    fn a_key_inside_longer_base64_goes() {
        // base64 of "x:KEY", "xy:KEY" and "xyz:KEY".
        for (wrapped, inner) in [
            ("eDpzay0iY2FuL2FyeStcMTIzNDU=", "NhbiA"),
            ("eHk6c2stImNhbi9hcnkrXDEyMzQ1", "c2stImNhb"),
            ("eHl6OnNrLSJjYW4vYXJ5K1wxMjM0NQ==", "YW4vYXJ5"),
        ] {
            let clean = redactor().clean(wrapped.to_owned());
            assert!(clean.contains(REPLACEMENT), "{clean}");
            assert!(!clean.contains(inner), "{clean}");
        }
    }

    #[test]
    fn escapes_nobody_needs_do_not_hide_it() {
        let text = "{\"e\": \"\\u0073\\u006b-\\\"can/ary+\\\\12345\"}";
        assert_eq!(redactor().clean_strictly(text.to_owned()), REPLACEMENT);
        assert_eq!(
            redactor().clean_strictly("%73k-%22can/ary+%5c12345".to_owned()),
            REPLACEMENT
        );
        assert_eq!(redactor().clean_strictly("100% \\ plain".to_owned()), "100% \\ plain");
    }

    #[test]
    fn every_way_of_writing_a_url_is_known() {
        let redactor = Redactor::new(Some(&Secret::new(b"k(e)y!/a+b=c~*'d".to_vec())));
        for spelling in [
            "k%28e%29y%21%2Fa%2Bb%3Dc~%2A%27d",
            "k(e)y!%2Fa%2Bb%3Dc~*'d",
            "k(e)y!%2fa%2bb%3dc~*'d",
            "k(e)y!/a+b=c~*'d",
            "k%28e%29y%21/a%2Bb%3Dc~%2A%27d",
            "k%28e%29y%21%2Fa%2Bb%3Dc%7E*%27d",
        ] {
            assert_eq!(
                redactor.clean(format!("?k={spelling}&x")),
                "?k=[redacted]&x",
                "{spelling}"
            );
        }
    }

    #[test]
    fn a_key_cut_off_at_the_end_goes() {
        let key = String::from_utf8_lossy(KEY).into_owned();
        let cut = format!("bad key {}", &key[..key.len() - 1]);
        assert_eq!(redactor().clean_strictly(cut.clone()), "bad key [redacted]");
        let redactor = redactor();
        let mut cleaner = Cleaner::new(&redactor);
        let clean = cleaner.push(cut) + &cleaner.end();
        assert_eq!(clean, "bad key [redacted]");
        let mut cleaner = Cleaner::new(&redactor);
        let clean = cleaner.push("it is sk-".to_owned()) + &cleaner.end();
        assert_eq!(clean, "it is sk-");
    }

    #[test]
    fn values_are_cleaned_throughout() {
        let key = String::from_utf8_lossy(KEY).into_owned();
        let value = serde_json::json!({ key.clone(): [key, 1, null] });
        assert_eq!(
            redactor().clean_value(value),
            serde_json::json!({ "[redacted]": ["[redacted]", 1, null] })
        );
    }

    proptest! {
        #[test]
        fn pieces_hide_nothing(
            before in "[a-zäsk-]{0,12}", after in "[a-zsk-]{0,12}",
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let key = String::from_utf8_lossy(KEY).into_owned();
            let text = format!("{before}{key}{after}");
            let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).filter(|at| text.is_char_boundary(*at)).collect();
            places.extend([0, text.len()]);
            places.sort_unstable();
            let redactor = redactor();
            let mut cleaner = Cleaner::new(&redactor);
            let mut clean = String::new();
            for pair in places.windows(2) {
                clean.push_str(&cleaner.push(text[pair[0]..pair[1]].to_owned()));
            }
            clean.push_str(&cleaner.end());
            prop_assert_eq!(clean, format!("{before}{REPLACEMENT}{after}"));
        }

        #[test]
        fn other_text_comes_through_whole(pieces in prop::collection::vec("[a-z -]{0,20}", 0..10)) {
            let redactor = redactor();
            let mut cleaner = Cleaner::new(&redactor);
            let mut clean: String = pieces.iter().map(|piece| cleaner.push(piece.clone())).collect();
            clean.push_str(&cleaner.end());
            prop_assert_eq!(clean, pieces.concat());
        }
    }
}
