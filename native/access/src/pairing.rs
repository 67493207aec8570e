//! Pairings: a link and a six-digit code told beside it, which together let one browser in.
//!
//! The link alone has 50 random bits, so who was not given it cannot use up the tries of a code, nor find one worth trying.

use std::collections::VecDeque;

use openwrap_contracts::limits::{PAIRING_MS, PAIRING_TRIES_MAX, PAIRINGS_MAX};
use openwrap_contracts::ports::Random;
use openwrap_contracts::run::DeviceRole;
use openwrap_contracts::{Fault, Outcome};

use crate::secret_text;

/// Goes before the link in what a browser's key signs.
pub const CONTEXT: &str = "openwrap/pair/1";
/// Small letters and digits that are not taken for each other.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const LINK_CHARS: usize = 10;
const CODES: u32 = 1_000_000;
/// Draws until one falls where every code is as likely as any other.
const DRAWS_MAX: usize = 32;

/// A pairing as it is told to who asked for it.
#[derive(Clone, PartialEq, Eq)]
pub struct Offer {
    pub pairing_id: String,
    /// Last part of the link's path.
    pub link: String,
    /// Six digits.
    pub code: String,
    pub role: DeviceRole,
    /// Milliseconds since the epoch.
    pub expires_at: i64,
}

/// A pairing that waits, or is locked.
#[derive(Debug, Clone)]
pub struct Waiting {
    pub pairing_id: String,
    pub role: DeviceRole,
    pub offered_by: String,
    link_hash: [u8; 32],
    code_hash: [u8; 32],
    expires_at: i64,
    wrong: usize,
}

/// What a try came to.
pub enum Tried {
    /// Right. It waits on until [`Pairings::withdraw`].
    Fits(Waiting),
    /// So many tries are left.
    Wrong(usize),
    Locked,
    /// No pairing of this link, or not any more.
    Unknown,
}

/// Pairings of an installation. Memory only: a restart ends them.
#[derive(Debug, Default)]
pub struct Pairings {
    waiting: VecDeque<Waiting>,
}

/// A new link and code, not yet kept.
pub fn draw(random: &dyn Random, pairing_id: String, role: DeviceRole, now: i64) -> Outcome<Offer> {
    let mut bytes = [0u8; LINK_CHARS];
    random.fill(&mut bytes)?;
    let link = bytes
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(byte % 32)]))
        .collect();
    Ok(Offer {
        pairing_id,
        link,
        code: draw_code(random)?,
        role,
        expires_at: now.saturating_add(i64::try_from(PAIRING_MS).unwrap_or(i64::MAX)),
    })
}

fn draw_code(random: &dyn Random) -> Outcome<String> {
    for _ in 0..DRAWS_MAX {
        let mut bytes = [0u8; 4];
        random.fill(&mut bytes)?;
        let drawn = u32::from_be_bytes(bytes);
        if drawn < u32::MAX - u32::MAX % CODES {
            return Ok(format!("{:06}", drawn % CODES));
        }
    }
    Err(Fault::internal("the system's randomness gives no code"))
}

/// As it was drawn, whatever case it was typed in; None: no link ever looks like that.
pub fn read_link(text: &str) -> Option<String> {
    let link = text.to_ascii_lowercase();
    let sound = link.len() == LINK_CHARS && link.bytes().all(|byte| ALPHABET.contains(&byte));
    sound.then_some(link)
}

impl Pairings {
    /// Keeps an offer; the oldest makes room.
    pub fn keep(&mut self, offer: &Offer, offered_by: &str, now: i64) {
        self.waiting.retain(|waiting| waiting.expires_at > now);
        if self.waiting.len() >= PAIRINGS_MAX {
            self.waiting.pop_front();
        }
        self.waiting.push_back(Waiting {
            pairing_id: offer.pairing_id.clone(),
            role: offer.role,
            offered_by: offered_by.to_owned(),
            link_hash: secret_text::hash(&offer.link),
            code_hash: secret_text::hash(&offer.code),
            expires_at: offer.expires_at,
            wrong: 0,
        });
    }

    /// Tries link and code. All pairings are compared, so the time says nothing about which; a wrong code counts against its own pairing.
    pub fn try_code(&mut self, link: &str, code: &str, now: i64) -> Tried {
        self.waiting.retain(|waiting| waiting.expires_at > now);
        let found = self.waiting.iter_mut().fold(None, |found, waiting| {
            if secret_text::fits(link, &waiting.link_hash) {
                Some(waiting)
            } else {
                found
            }
        });
        let Some(waiting) = found else { return Tried::Unknown };
        let fits = secret_text::fits(code, &waiting.code_hash);
        if waiting.wrong >= PAIRING_TRIES_MAX {
            return Tried::Locked;
        }
        if fits {
            return Tried::Fits(waiting.clone());
        }
        waiting.wrong += 1;
        match PAIRING_TRIES_MAX - waiting.wrong {
            0 => Tried::Locked,
            left => Tried::Wrong(left),
        }
    }

    /// Ends a pairing; false when there was none.
    pub fn withdraw(&mut self, pairing_id: &str) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|waiting| waiting.pairing_id != pairing_id);
        self.waiting.len() != before
    }

    /// Ends what a device offered: who may no longer drive lets nobody in.
    pub fn withdraw_of(&mut self, device_id: &str) {
        self.waiting.retain(|waiting| waiting.offered_by != device_id);
    }
}
