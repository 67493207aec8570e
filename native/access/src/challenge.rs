//! One-time nonces that a browser's device key signs.

use std::collections::VecDeque;

use ed25519_dalek::{Signature, VerifyingKey};

use crate::secret_text;

/// Nonces waiting at once; the oldest makes room.
pub const CHALLENGES_MAX: usize = 256;
/// Of one device, so that it does not push out the others'.
pub const DEVICE_CHALLENGES_MAX: usize = 8;
/// Milliseconds a nonce lives.
pub const CHALLENGE_MS: i64 = 60_000;
/// Goes before the nonce in what is signed, so that a signature fits nothing else.
pub const CONTEXT: &str = "openwrap/device/1";

#[derive(Debug)]
struct Waiting {
    hash: [u8; 32],
    device_id: String,
    expires_at: i64,
}

/// Nonces that were given out and not answered.
#[derive(Debug, Default)]
pub struct Challenges {
    waiting: VecDeque<Waiting>,
}

impl Challenges {
    /// Keeps a nonce for a device; whether the device exists is not told.
    pub fn issue(&mut self, nonce: &str, device_id: &str, now: i64) {
        let own = self.waiting.iter().enumerate();
        let mut own = own.filter(|(_, waiting)| waiting.device_id == device_id);
        let oldest = own.next().map(|(place, _)| place);
        if let Some(place) = oldest.filter(|_| own.count() + 1 >= DEVICE_CHALLENGES_MAX) {
            self.waiting.remove(place);
        } else if self.waiting.len() >= CHALLENGES_MAX {
            self.waiting.pop_front();
        }
        self.waiting.push_back(Waiting {
            hash: secret_text::hash(nonce),
            device_id: device_id.to_owned(),
            expires_at: now.saturating_add(CHALLENGE_MS),
        });
    }

    /// Takes the nonce out: true once, for the device it was made for.
    pub fn take(&mut self, nonce: &str, device_id: &str, now: i64) -> bool {
        self.waiting.retain(|waiting| waiting.expires_at > now);
        let found = self
            .waiting
            .iter()
            .position(|waiting| secret_text::fits(nonce, &waiting.hash) && waiting.device_id == device_id);
        found.is_some_and(|place| self.waiting.remove(place).is_some())
    }
}

/// Reads a raw Ed25519 public key (RFC 8032); keys of small order, for which one signature fits many messages, are refused.
pub fn read_key(bytes: &[u8; 32]) -> Option<VerifyingKey> {
    VerifyingKey::from_bytes(bytes).ok().filter(|key| !key.is_weak())
}

/// Whether `signature` is the key's over the context and the nonce's text.
pub fn signed(key: &VerifyingKey, nonce: &str, signature: &[u8; 64]) -> bool {
    signs(key, CONTEXT, nonce, signature)
}

/// Whether `signature` is the key's over a context and a text.
pub fn signs(key: &VerifyingKey, context: &str, text: &str, signature: &[u8; 64]) -> bool {
    let message = [context.as_bytes(), text.as_bytes()].concat();
    key.verify_strict(&message, &Signature::from_bytes(signature)).is_ok()
}
