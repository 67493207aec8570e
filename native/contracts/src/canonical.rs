//! Canonical JSON (RFC 8785) and SHA-256: the equality every record, hash and digest rests on.

use bytes::Bytes;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::fault::{Fault, Outcome};

/// SHA-256 of `bytes`, 64 lower-case hex digits (FIPS 180-4).
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// SHA-256 of `bytes`, 32 raw bytes.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Content that was hashed once; whoever keeps it need not hash it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hashed {
    hash: [u8; 32],
    bytes: Bytes,
}

impl Hashed {
    #[must_use]
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self {
            hash: sha256(&bytes),
            bytes,
        }
    }

    /// SHA-256 of the bytes, raw.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// SHA-256 of the bytes, 64 lower-case hex digits.
    #[must_use]
    pub fn hex(&self) -> String {
        hex::encode(self.hash)
    }

    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

/// Canonical JSON bytes of a value (RFC 8785: sorted keys, ECMAScript numbers, no white space). A non-finite number is `null`.
///
/// # Errors
/// `INTERNAL` when the value has no JSON form (a map with keys that are not strings, a key that is there twice).
pub fn canonical_bytes<T: Serialize>(value: &T) -> Outcome<Vec<u8>> {
    let failed = |why: &dyn std::fmt::Display| Fault::internal(format!("value has no canonical JSON: {why}"));
    let plain = serde_json::to_vec(value).map_err(|error| failed(&error))?;
    let mut reorder = Reorder {
        plain: &plain,
        at: 0,
        out: Vec::with_capacity(plain.len()),
    };
    reorder.value().map_err(|why| failed(&why))?;
    Ok(reorder.out)
}

/// Puts what `serde_json` wrote into canonical form. It escapes strings as the RFC wants, so only the order of members and the spelling
/// of numbers are left to do; that is several times less work than keeping every member apart from the beginning.
struct Reorder<'a> {
    plain: &'a [u8],
    at: usize,
    out: Vec<u8>,
}

/// Digits below which an integer is the same as a double.
const EXACT_DIGITS: usize = 15;

impl Reorder<'_> {
    fn peek(&self) -> u8 {
        self.plain.get(self.at).copied().unwrap_or(0)
    }

    fn copy_to(&mut self, end: usize) {
        self.out.extend_from_slice(&self.plain[self.at..end]);
        self.at = end;
    }

    fn value(&mut self) -> Result<(), &'static str> {
        match self.peek() {
            b'{' => self.object(),
            b'[' => self.array(),
            b'"' => {
                self.string();
                Ok(())
            }
            b'-' | b'0'..=b'9' => self.number(),
            b't' | b'n' => {
                self.copy_to(self.at + 4);
                Ok(())
            }
            b'f' => {
                self.copy_to(self.at + 5);
                Ok(())
            }
            _ => Err("not what serde_json writes"),
        }
    }

    fn string(&mut self) {
        let mut end = self.at + 1;
        while self.plain[end] != b'"' {
            end += if self.plain[end] == b'\\' { 2 } else { 1 };
        }
        self.copy_to(end + 1);
    }

    fn number(&mut self) -> Result<(), &'static str> {
        let rest = &self.plain[self.at..];
        let length = rest.iter().take_while(|byte| !b",]}".contains(byte)).count();
        let token = &rest[..length];
        if length <= EXACT_DIGITS && token.iter().all(|byte| byte.is_ascii_digit() || *byte == b'-') {
            self.copy_to(self.at + length);
            return Ok(());
        }
        let number: f64 = std::str::from_utf8(token)
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or("a number that is none")?;
        self.out
            .extend_from_slice(ryu_js::Buffer::new().format(number).as_bytes());
        self.at += length;
        Ok(())
    }

    fn array(&mut self) -> Result<(), &'static str> {
        loop {
            // `[` or `,`.
            self.copy_to(self.at + 1);
            if self.peek() != b']' {
                self.value()?;
            }
            if self.peek() == b']' {
                self.copy_to(self.at + 1);
                return Ok(());
            }
        }
    }

    fn object(&mut self) -> Result<(), &'static str> {
        self.copy_to(self.at + 1);
        let start = self.out.len();
        let mut members: Vec<Member> = Vec::new();
        let mut sorted = true;
        while self.peek() != b'}' {
            if self.peek() == b',' {
                self.copy_to(self.at + 1);
            }
            let begin = self.out.len();
            self.string();
            let key = self.out.len();
            self.copy_to(self.at + 1);
            self.value()?;
            let member = Member {
                begin,
                key,
                end: self.out.len(),
            };
            sorted &= members
                .last()
                .is_none_or(|before| compare(before.key(&self.out), member.key(&self.out)).is_lt());
            members.push(member);
        }
        if !sorted {
            self.sort(start, members)?;
        }
        self.copy_to(self.at + 1);
        Ok(())
    }

    fn sort(&mut self, start: usize, mut members: Vec<Member>) -> Result<(), &'static str> {
        members.sort_unstable_by(|a, b| compare(a.key(&self.out), b.key(&self.out)));
        let twice = |pair: &[Member]| pair[0].key(&self.out) == pair[1].key(&self.out);
        if members.windows(2).any(twice) {
            return Err("a key is there twice");
        }
        let mut ordered = Vec::with_capacity(self.out.len() - start);
        for member in &members {
            if !ordered.is_empty() {
                ordered.push(b',');
            }
            ordered.extend_from_slice(&self.out[member.begin..member.end]);
        }
        self.out.truncate(start);
        self.out.append(&mut ordered);
        Ok(())
    }
}

/// Places of a member in what is written so far.
struct Member {
    begin: usize,
    /// After the key's closing quote.
    key: usize,
    end: usize,
}

impl Member {
    /// As written, without its quotes.
    fn key<'a>(&self, out: &'a [u8]) -> &'a [u8] {
        &out[self.begin + 1..self.key - 1]
    }
}

/// Order by UTF-16 units. For keys without escapes and below U+E000 the order of their bytes is the same.
fn compare(a: &[u8], b: &[u8]) -> std::cmp::Ordering {
    let simple = |key: &[u8]| key.iter().all(|byte| *byte != b'\\' && *byte < 0xee);
    if simple(a) && simple(b) {
        return a.cmp(b);
    }
    let units = |key: &[u8]| -> Vec<u16> {
        let quoted = [b"\"", key, b"\""].concat();
        let text: String = serde_json::from_slice(&quoted).unwrap_or_default();
        text.encode_utf16().collect()
    };
    units(a).cmp(&units(b))
}

/// SHA-256 (hex) of the canonical JSON of a value.
///
/// # Errors
/// As [`canonical_bytes`].
pub fn canonical_hash<T: Serialize>(value: &T) -> Outcome<String> {
    Ok(sha256_hex(&canonical_bytes(value)?))
}

/// Hash of one ledger row: SHA-256("openwrap/event/1" ‖ sequence as 8 bytes big-endian ‖ previous hash ‖ bytes).
#[must_use]
pub fn event_hash(sequence: u64, previous: &[u8; 32], bytes: &[u8]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(b"openwrap/event/1");
    hasher.update(sequence.to_be_bytes());
    hasher.update(previous);
    hasher.update(bytes);
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn sha256_matches_published_vectors() {
        assert_eq!(
            sha256_hex(b""),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(
            sha256_hex(b"abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(
            sha256_hex(b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        );
    }

    /// RFC 8785, section 3.2.3 (sorting by UTF-16 units) and 3.2.2 (numbers).
    #[test]
    // The numbers are written as the RFC writes them.
    #[allow(clippy::excessive_precision)]
    fn canonical_json_sorts_by_utf16_and_prints_ecmascript_numbers() {
        let value = serde_json::json!({ "\u{20ac}": 1, "\r": 2, "\u{fb33}": 3, "1": 4, "\u{1f600}": 5, "\u{80}": 6, "\u{f6}": 7 });
        let text = String::from_utf8(canonical_bytes(&value).unwrap()).unwrap();
        assert_eq!(
            text,
            "{\"\\r\":2,\"1\":4,\"\u{80}\":6,\"\u{f6}\":7,\"\u{20ac}\":1,\"\u{1f600}\":5,\"\u{fb33}\":3}"
        );
        let numbers = serde_json::json!([333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001]);
        assert_eq!(
            canonical_bytes(&numbers).unwrap(),
            b"[333333333.3333333,1e+30,4.5,0.002,1e-27]"
        );
    }

    fn any_json() -> impl proptest::strategy::Strategy<Value = serde_json::Value> {
        use proptest::prelude::*;
        let text = prop_oneof![
            "[a-c\"\\\\\u{0}-\u{1f}]{0,4}",
            "[\u{d7f0}-\u{d7ff}\u{e000}-\u{e00f}\u{fff0}-\u{1000f}a-b]{0,3}",
            any::<String>()
        ];
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<u64>().prop_map(Into::into),
            (-1000_i64..1000).prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            text.clone().prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 40, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
                prop::collection::vec((text.clone(), inner), 0..6)
                    .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest::proptest! {
        #[test]
        fn every_value_is_written_as_the_reference_writes_it(value in any_json()) {
            let reference = serde_json_canonicalizer::to_vec(&value).unwrap();
            proptest::prop_assert_eq!(String::from_utf8(canonical_bytes(&value).unwrap()).unwrap(), String::from_utf8(reference).unwrap());
        }
    }

    #[test]
    fn a_key_that_is_there_twice_has_no_form() {
        #[derive(serde::Serialize)]
        struct Outer {
            b: u32,
            #[serde(flatten)]
            inner: std::collections::BTreeMap<&'static str, u32>,
        }
        let twice = |inner| canonical_bytes(&Outer { b: 1, inner });
        assert_eq!(twice([("a", 2)].into()).unwrap(), br#"{"a":2,"b":1}"#);
        assert!(twice([("b", 2)].into()).is_err());
    }
}
