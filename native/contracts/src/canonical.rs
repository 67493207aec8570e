//! Canonical JSON (RFC 8785) and SHA-256: the equality every record, hash and digest rests on.

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

/// Canonical JSON bytes of a value (RFC 8785: sorted keys, ECMAScript numbers, no white space).
///
/// # Errors
/// `INTERNAL` when the value has no JSON form (a non-finite number, a map with keys that are not strings).
pub fn canonical_bytes<T: Serialize>(value: &T) -> Outcome<Vec<u8>> {
    serde_json_canonicalizer::to_vec(value)
        .map_err(|error| Fault::internal(format!("value has no canonical JSON: {error}")))
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
}
