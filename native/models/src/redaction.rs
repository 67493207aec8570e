//! A provider may echo the key it was given: nothing it says leaves this crate before the key is taken out, in every
//! spelling it may come back in.

use openwrap_contracts::ports::Secret;

/// Takes a key out of text.
pub struct Redactor {
    spellings: Vec<String>,
}

/// Shorter values are no keys: taking them out would only garble messages.
const KEY_BYTES_MIN: usize = 6;

impl Redactor {
    /// A redactor for one key.
    pub fn new(key: Option<&Secret>) -> Self {
        let Some(key) = key.map(Secret::expose).filter(|key| key.len() >= KEY_BYTES_MIN) else {
            return Self { spellings: Vec::new() };
        };
        let plain = String::from_utf8_lossy(key).into_owned();
        let mut spellings = vec![
            base64(key, b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"),
            base64(key, b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
            key.iter().map(|byte| format!("{byte:02x}")).collect(),
            key.iter().map(|byte| format!("{byte:02X}")).collect(),
            percent(key),
            serde_json::to_string(&plain)
                .unwrap_or_default()
                .trim_matches('"')
                .to_owned(),
            plain,
        ];
        spellings.sort_by_key(|spelling| std::cmp::Reverse(spelling.len()));
        spellings.dedup();
        Self { spellings }
    }

    /// The text without the key.
    pub fn clean(&self, text: &str) -> String {
        let mut clean = text.to_owned();
        for spelling in &self.spellings {
            if clean.contains(spelling.as_str()) {
                clean = clean.replace(spelling.as_str(), "[redacted]");
            }
        }
        clean
    }
}

/// Base64 without padding, so that a padded spelling is found as well (RFC 4648).
fn base64(bytes: &[u8], alphabet: &[u8; 64]) -> String {
    let mut text = String::with_capacity(bytes.len() * 4 / 3 + 2);
    for group in bytes.chunks(3) {
        let word = group.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..=group.len() {
            let index = (word >> (18 - 6 * place)) & 63;
            text.push(char::from(alphabet[index as usize]));
        }
    }
    text
}

/// Percent-encoding of everything but unreserved characters (RFC 3986).
fn percent(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(*byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_key_goes() {
        let key = Secret::new(b"sk-\"can/ary+\\12345".to_vec());
        let redactor = Redactor::new(Some(&key));
        for spelling in [
            "sk-\"can/ary+\\12345",
            "c2stImNhbi9hcnkrXDEyMzQ1",
            "736b2d2263616e2f6172792b5c3132333435",
            "sk-%22can%2Fary%2B%5C12345",
            "sk-\\\"can/ary+\\\\12345",
        ] {
            let clean = redactor.clean(&format!("before {spelling} after"));
            assert_eq!(clean, "before [redacted] after", "{spelling}");
        }
        assert_eq!(Redactor::new(None).clean("text"), "text");
    }
}
