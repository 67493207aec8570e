//! How one more browser is let in from beyond this machine: an offer, and its claim.

use openwrap_contracts::limits::DEVICE_NAME_CHARS_MAX;
use openwrap_contracts::run::DeviceRole;
use openwrap_contracts::{ErrorCode, Fault, Outcome};

use crate::access::{Access, COMMAND_LINE, SignedIn, unauthorized};
use crate::challenge;
use crate::credentials::Credentials;
use crate::device::Device;
use crate::pairing::{self, Offer, Tried};
use crate::secret_text;

/// What a browser sends to be paired.
pub struct Claim<'a> {
    pub link: &'a str,
    pub code: &'a str,
    /// What the person calls it.
    pub name: &'a str,
    /// Raw Ed25519 key, base64url: fresh, and of this browser alone.
    pub public_key: &'a str,
    /// Of that key, over the context and the link.
    pub signature: &'a str,
}

/// A claim whose form is right.
struct Sound {
    link: String,
    name: String,
    public_key: [u8; 32],
}

fn checked(claim: &Claim<'_>) -> Outcome<Sound> {
    let name: String = claim.name.trim().to_owned();
    let length = name.chars().count();
    if length == 0 || length > DEVICE_NAME_CHARS_MAX || name.chars().any(char::is_control) {
        return Err(Fault::invalid(format!(
            "name must have 1 to {DEVICE_NAME_CHARS_MAX} characters on one line"
        )));
    }
    if claim.code.len() != 6 || !claim.code.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Fault::invalid("code must have six digits"));
    }
    let public_key: [u8; 32] = secret_text::decode("publicKey", claim.public_key)?;
    let signature: [u8; 64] = secret_text::decode("signature", claim.signature)?;
    let link = pairing::read_link(claim.link).ok_or_else(no_such_link)?;
    let key = challenge::read_key(&public_key);
    if !key.is_some_and(|key| challenge::signs(&key, pairing::CONTEXT, &link, &signature)) {
        return Err(Fault::invalid("signature is not of this key over this link"));
    }
    Ok(Sound { link, name, public_key })
}

fn no_such_link() -> Fault {
    unauthorized("this pairing link was used before, has expired, or never was one")
        .with_hint("Ask for a new link and code on a device that may drive.")
}

impl Access {
    /// A link and a code for one more browser, for ten minutes. The oldest of too many offers ends.
    ///
    /// # Errors
    /// `UNAUTHORIZED`, `FORBIDDEN` when who offers is neither the command line nor a device that may drive; `INTERNAL` when there is no
    /// randomness.
    pub fn offer(&self, role: DeviceRole, offered_by: &str) -> Outcome<Offer> {
        let mut bytes = [0u8; 10];
        self.random.fill(&mut bytes)?;
        let now = self.clock.now_ms();
        let offer = pairing::draw(
            self.random.as_ref(),
            format!("pairing_{}", hex::encode(bytes)),
            role,
            now,
        )?;
        let mut state = self.state();
        // Under the lock that keeps it: who was signed out, or may do less, since the call was let through leaves no offer behind.
        if offered_by != COMMAND_LINE {
            let device = state.devices.by_id(offered_by);
            let device = device.ok_or_else(|| unauthorized("this browser is not signed in"))?;
            if device.role < DeviceRole::Drive {
                return Err(Fault::new(ErrorCode::Forbidden, "only who may drive can let others in"));
            }
        }
        state.pairings.keep(&offer, offered_by, now);
        Ok(offer)
    }

    /// Takes an offer back.
    ///
    /// # Errors
    /// `NOT_FOUND` when it is over already.
    pub fn withdraw(&self, pairing_id: &str) -> Outcome<()> {
        if self.state().pairings.withdraw(pairing_id) {
            return Ok(());
        }
        Err(Fault::not_found("this offer is over"))
    }

    /// Trades link and code for a new device with the offer's role, which keeps the key that signed. Returns who had offered it as well.
    ///
    /// # Errors
    /// `INVALID_ARGUMENTS` (costs no try), `UNAUTHORIZED` (wrong code, or no such link), `PAIRING_LOCKED`, `TOO_MANY_REQUESTS`,
    /// `STORAGE_FAILED` (the offer stays).
    pub fn claim(&self, claim: &Claim<'_>) -> Outcome<(SignedIn, String)> {
        let now = self.clock.now_ms();
        let Sound { link, name, public_key } = checked(claim)?;
        let tab_secret = secret_text::fresh(self.random.as_ref())?;
        let cookie = secret_text::fresh(self.random.as_ref())?;
        let device_id = self.device_id()?;
        let mut state = self.state();
        let offer = match state.pairings.try_code(&link, claim.code, now) {
            Tried::Fits(offer) => offer,
            Tried::Wrong(left) => return Err(unauthorized(&format!("this is not the code; {left} tries are left"))),
            Tried::Locked => return Err(Fault::new(ErrorCode::PairingLocked, "this pairing is locked")),
            Tried::Unknown => {
                // Who has a link that is right is heard whatever others try meanwhile.
                state.claim_rate.failed(now)?;
                return Err(no_such_link());
            }
        };
        let device = Device {
            device_id: device_id.clone(),
            role: offer.role,
            created_at: now,
            signed_in_at: now,
            last_seen_at: now,
            name,
            cookie_hash: secret_text::hash(&cookie),
            public_key: Some(public_key),
        };
        self.keep(&mut state, device)?;
        state.pairings.withdraw(&offer.pairing_id);
        state.tabs.add(&tab_secret, &device_id);
        let signed = SignedIn {
            device_id,
            cookie,
            tab_secret,
            role: offer.role,
        };
        Ok((signed, offer.offered_by))
    }

    /// Whether the cookie is of a device that is signed in: enough to be shown the page, and for nothing else.
    #[must_use]
    pub fn knows(&self, credentials: &Credentials) -> bool {
        let cookie = credentials.cookie.as_deref().unwrap_or_default();
        self.state().devices.by_cookie(cookie).is_some()
    }

    /// The device that asks; none for the command line.
    #[must_use]
    pub fn device(&self, device_id: &str) -> Option<Device> {
        self.state().devices.by_id(device_id).cloned()
    }
}
