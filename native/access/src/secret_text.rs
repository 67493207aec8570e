//! Secrets as text: made from 192 random bits, kept as a hash, compared in constant time.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openwrap_contracts::canonical::sha256;
use openwrap_contracts::ports::Random;
use openwrap_contracts::{Fault, Outcome};
use subtle::ConstantTimeEq;

/// Longer texts are refused before they are hashed.
pub const SECRET_CHARS_MAX: usize = 256;

/// 24 random bytes as 32 characters of base64url.
pub fn fresh(random: &dyn Random) -> Outcome<String> {
    let mut bytes = [0u8; 24];
    random.fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// What is kept of a secret. Its 192 random bits make a plain hash enough.
pub fn hash(text: &str) -> [u8; 32] {
    sha256(text.as_bytes())
}

/// Whether the text hashes to `kept`, in a time that does not tell how much fitted.
pub fn fits(text: &str, kept: &[u8; 32]) -> bool {
    text.len() <= SECRET_CHARS_MAX && bool::from(hash(text).ct_eq(kept))
}

/// Decodes base64url without padding into exactly `N` bytes.
pub fn decode<const N: usize>(what: &str, text: &str) -> Outcome<[u8; N]> {
    let wrong = || Fault::invalid(format!("{what} is not {N} bytes of base64url"));
    if text.len() > SECRET_CHARS_MAX {
        return Err(wrong());
    }
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| wrong())?;
    bytes.try_into().map_err(|_| wrong())
}
