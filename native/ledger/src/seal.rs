//! Sealing: XChaCha20-Poly1305 under keys derived from the vault's key, and the X25519 seal clients use.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use openwrap_contracts::{Fault, Outcome};
use sha2::{Digest, Sha256};
use x25519_dalek::{X25519_BASEPOINT_BYTES, x25519};
use zeroize::Zeroizing;

pub(crate) const KEY_BYTES: usize = 32;
pub(crate) const NONCE_BYTES: usize = 24;
pub(crate) const TAG_BYTES: usize = 16;

/// Bytes wiped when dropped.
pub(crate) type KeyBytes = Zeroizing<[u8; KEY_BYTES]>;

/// Fresh random bytes from the system.
///
/// # Errors
/// `INTERNAL` when the system gives none.
pub(crate) fn random<const N: usize>() -> Outcome<Zeroizing<[u8; N]>> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(bytes.as_mut())
        .map_err(|error| Fault::internal(format!("the system gives no randomness: {error}")))?;
    Ok(bytes)
}

/// A key for one purpose: SHA-256 of the purpose and the vault's key.
pub(crate) fn derive(purpose: &str, key: &KeyBytes) -> KeyBytes {
    let mut hasher = Sha256::new();
    hasher.update(purpose.as_bytes());
    hasher.update(key.as_slice());
    Zeroizing::new(hasher.finalize().into())
}

/// Nonce, ciphertext and tag.
pub(crate) fn seal(key: &KeyBytes, associated: &[u8], plain: &[u8]) -> Outcome<Vec<u8>> {
    let nonce = random::<NONCE_BYTES>()?;
    let payload = Payload {
        msg: plain,
        aad: associated,
    };
    let sealed = XChaCha20Poly1305::new(&(**key).into())
        .encrypt(&XNonce::from(*nonce), payload)
        .map_err(|_| Fault::internal("a secret could not be sealed"))?;
    let mut bytes = nonce.to_vec();
    bytes.extend_from_slice(&sealed);
    Ok(bytes)
}

/// The plain bytes; `None` when key, associated data or any byte differ.
pub(crate) fn unseal(key: &KeyBytes, associated: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>()?;
    let payload = Payload {
        msg: sealed,
        aad: associated,
    };
    XChaCha20Poly1305::new(&(**key).into())
        .decrypt(&XNonce::from(*nonce), payload)
        .ok()
        .map(Zeroizing::new)
}

/// The public half of an X25519 key.
pub(crate) fn public_half(secret: &KeyBytes) -> [u8; KEY_BYTES] {
    x25519(**secret, X25519_BASEPOINT_BYTES)
}

/// Opens what a client sealed to the public key, in the form `SecretStoreParams` fixes.
pub(crate) fn open_client_seal(secret: &KeyBytes, name: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (ephemeral, rest) = sealed.split_first_chunk::<KEY_BYTES>()?;
    let shared = Zeroizing::new(x25519(**secret, *ephemeral));
    // A point of small order gives the same shared secret to everybody (RFC 7748, section 6.1).
    if shared.iter().fold(0, |all, byte| all | byte) == 0 {
        return None;
    }
    let mut hasher = Sha256::new();
    hasher.update(b"openwrap/seal/1");
    hasher.update(shared.as_slice());
    hasher.update(ephemeral);
    hasher.update(public_half(secret));
    let key = Zeroizing::new(hasher.finalize().into());
    unseal(&key, name.as_bytes(), rest)
}

/// base64url without padding.
pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads base64url; padding may be left on.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()
}
