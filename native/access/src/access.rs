//! The one place that says who is asking and whether they may.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openwrap_contracts::identity::Actor;
use openwrap_contracts::method::MethodAccess;
use openwrap_contracts::ports::{CancellationToken, Clock, Random};
use openwrap_contracts::run::DeviceRole;
use openwrap_contracts::{ErrorCode, Fault, Outcome};

use crate::challenge::{self, Challenges};
use crate::credentials::Credentials;
use crate::device::{Device, Devices};
use crate::launch::LaunchCodes;
use crate::pairing::Pairings;
use crate::rate::RateLimit;
use crate::secret_text;
use crate::tab::Tabs;

/// Actor id of the command line.
pub const COMMAND_LINE: &str = "command_line";
/// Actor id of somebody who is not signed in.
pub const VISITOR: &str = "visitor";

/// Keeps the devices over a restart. Called with hashes and public keys, never with a secret.
pub trait DeviceStore: Send + Sync {
    /// Replaces what is kept, atomically.
    ///
    /// # Errors
    /// `STORAGE_FAILED`; the sign-in that caused it is then refused.
    fn save(&self, bytes: &[u8]) -> Outcome<()>;
}

/// A new launch code.
#[derive(Clone, PartialEq, Eq)]
pub struct LaunchCode {
    pub code: String,
    /// Milliseconds since the epoch.
    pub expires_at: i64,
}

/// Result of a sign-in by launch code.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedIn {
    pub device_id: String,
    pub cookie: String,
    pub tab_secret: String,
    pub role: DeviceRole,
}

#[derive(Default)]
pub(crate) struct State {
    launch: LaunchCodes,
    pub(crate) pairings: Pairings,
    pub(crate) devices: Devices,
    pub(crate) tabs: Tabs,
    challenges: Challenges,
    redeem_rate: RateLimit,
    prove_rate: RateLimit,
    pub(crate) claim_rate: RateLimit,
    /// Cancelled when the device is signed out or may do less: what it has open ends then. Devices that have something open.
    open: HashMap<String, CancellationToken>,
}

impl State {
    /// Ends everything a device has open.
    fn cut(&mut self, device_id: &str) {
        if let Some(open) = self.open.remove(device_id) {
            open.cancel();
        }
    }

    /// Ends everything of a device that is gone.
    fn forget(&mut self, device_id: &str) {
        self.tabs.drop_device(device_id);
        self.pairings.withdraw_of(device_id);
        self.cut(device_id);
    }
}

/// Sign-in and authorisation of one installation.
pub struct Access {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    store: Arc<dyn DeviceStore>,
    cli_token_hash: Option<[u8; 32]>,
    state: Mutex<State>,
}

pub(crate) fn unauthorized(message: &str) -> Fault {
    Fault::new(ErrorCode::Unauthorized, message)
}

impl Access {
    /// Starts with the devices that were stored (`None`: a new installation) and the command line's token of this start.
    ///
    /// # Errors
    /// `STORAGE_FAILED` when `stored` cannot be read; `INVALID_ARGUMENTS` when the token is too short to be a secret.
    pub fn open(
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        store: Arc<dyn DeviceStore>,
        stored: Option<&[u8]>,
        cli_token: Option<&str>,
    ) -> Outcome<Self> {
        if cli_token.is_some_and(|token| token.len() < 32 || token.len() > secret_text::SECRET_CHARS_MAX) {
            return Err(Fault::invalid(
                "the command line's token must have 32 to 256 characters",
            ));
        }
        let devices = stored.map_or_else(|| Ok(Devices::default()), Devices::from_bytes)?;
        Ok(Self {
            clock,
            random,
            store,
            cli_token_hash: cli_token.map(secret_text::hash),
            state: Mutex::new(State {
                devices,
                ..State::default()
            }),
        })
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // No method leaves the state half changed, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new one-time launch code, for ten minutes.
    ///
    /// # Errors
    /// `INTERNAL` when there is no randomness.
    pub fn issue_launch_code(&self) -> Outcome<LaunchCode> {
        let code = secret_text::fresh(self.random.as_ref())?;
        let expires_at = self.state().launch.issue(&code, self.clock.now_ms());
        Ok(LaunchCode { code, expires_at })
    }

    /// Trades a launch code for a cookie and a tab secret. A browser that is signed in already stays the same device, and may drive again:
    /// the link comes from the machine itself, so nobody can lock its owner out.
    ///
    /// # Errors
    /// `UNAUTHORIZED` (unknown, used or expired), `TOO_MANY_REQUESTS`, `STORAGE_FAILED`.
    pub fn redeem(&self, code: &str, credentials: &Credentials) -> Outcome<SignedIn> {
        let now = self.clock.now_ms();
        let tab_secret = secret_text::fresh(self.random.as_ref())?;
        let fresh_cookie = secret_text::fresh(self.random.as_ref())?;
        let fresh_id = self.device_id()?;
        let mut state = self.state();
        if !state.launch.take(code, now) {
            // A code that is right is taken whatever others try meanwhile: any page can have a browser try wrong ones.
            state.redeem_rate.failed(now)?;
            return Err(unauthorized(
                "this launch link was used before, has expired, or never was one",
            ));
        }
        let known = credentials
            .cookie
            .as_deref()
            .and_then(|cookie| Some((cookie, state.devices.by_cookie(cookie)?)));
        let (cookie, device) = match known {
            Some((cookie, device)) => (
                cookie.to_owned(),
                Device {
                    signed_in_at: now,
                    role: DeviceRole::Drive,
                    ..device.clone()
                },
            ),
            None => {
                let device = Device {
                    device_id: fresh_id,
                    role: DeviceRole::Drive,
                    created_at: now,
                    signed_in_at: now,
                    last_seen_at: now,
                    name: String::new(),
                    cookie_hash: secret_text::hash(&fresh_cookie),
                    public_key: None,
                };
                (fresh_cookie, device)
            }
        };
        let (device_id, role) = (device.device_id.clone(), device.role);
        self.keep(&mut state, device)?;
        state.tabs.add(&tab_secret, &device_id);
        Ok(SignedIn {
            device_id,
            cookie,
            tab_secret,
            role,
        })
    }

    /// A nonce for a device's key to sign, for one minute and one try. Who does not bring the device's cookie gets one that nothing
    /// fits, so that strangers cannot push out the nonces of others.
    ///
    /// # Errors
    /// `INTERNAL` when there is no randomness.
    pub fn challenge(&self, credentials: &Credentials, device_id: &str) -> Outcome<String> {
        let nonce = secret_text::fresh(self.random.as_ref())?;
        let mut state = self.state();
        let cookie = credentials.cookie.as_deref().unwrap_or_default();
        let known = state.devices.by_cookie(cookie);
        if known.is_some_and(|device| device.device_id == device_id) {
            state.challenges.issue(&nonce, device_id, self.clock.now_ms());
        }
        Ok(nonce)
    }

    /// Trades a signed nonce, together with the device's cookie, for a tab secret.
    ///
    /// # Errors
    /// `UNAUTHORIZED`, `INVALID_ARGUMENTS`, `TOO_MANY_REQUESTS`, `STORAGE_FAILED`.
    pub fn prove(&self, credentials: &Credentials, device_id: &str, nonce: &str, signature: &str) -> Outcome<String> {
        let now = self.clock.now_ms();
        let signature: [u8; 64] = secret_text::decode("signature", signature)?;
        let tab_secret = secret_text::fresh(self.random.as_ref())?;
        let mut state = self.state();
        let asked = state.challenges.take(nonce, device_id, now);
        let device = credentials
            .cookie
            .as_deref()
            .and_then(|cookie| state.devices.by_cookie(cookie))
            .filter(|device| device.device_id == device_id)
            .cloned();
        let proven = device.as_ref().is_some_and(|device| {
            let key = device.public_key.as_ref().and_then(challenge::read_key);
            key.is_some_and(|key| challenge::signed(&key, nonce, &signature))
        });
        let (true, true, Some(device)) = (asked, proven, device) else {
            state.prove_rate.failed(now)?;
            return Err(unauthorized("this browser could not prove its key"));
        };
        self.keep(
            &mut state,
            Device {
                signed_in_at: now,
                ..device
            },
        )?;
        state.tabs.add(&tab_secret, device_id);
        Ok(tab_secret)
    }

    /// Keeps the public half of the calling device's key. The first key stays: whoever comes later with another one is not that browser.
    ///
    /// # Errors
    /// `UNAUTHORIZED`, `INVALID_ARGUMENTS`, `ALREADY_EXISTS`, `STORAGE_FAILED`.
    pub fn register_key(&self, credentials: &Credentials, public_key: &str) -> Outcome<()> {
        let bytes: [u8; 32] = secret_text::decode("publicKey", public_key)?;
        if challenge::read_key(&bytes).is_none() {
            return Err(Fault::invalid("publicKey is not a usable Ed25519 key"));
        }
        let mut state = self.state();
        let device = signed_in(&mut state, credentials)?;
        match device.public_key {
            Some(known) if known == bytes => Ok(()),
            Some(_) => Err(Fault::new(ErrorCode::AlreadyExists, "this device has another key")
                .with_hint("Sign in with a new launch link in a fresh browser profile.")),
            None => self.keep(
                &mut state,
                Device {
                    public_key: Some(bytes),
                    ..device
                },
            ),
        }
    }

    /// Who is asking, when they may call methods of this access.
    ///
    /// # Errors
    /// `UNAUTHORIZED` (not signed in), `FORBIDDEN` (signed in, and not enough).
    pub fn authorize(&self, credentials: &Credentials, needed: MethodAccess) -> Outcome<Actor> {
        if self.is_command_line(credentials) {
            return Ok(Actor::person(COMMAND_LINE));
        }
        let device = self.seen(credentials);
        let least = match needed {
            MethodAccess::Open => {
                return Ok(Actor::person(
                    device.map_or(VISITOR.to_owned(), |device| device.device_id),
                ));
            }
            MethodAccess::CommandLine => {
                device?;
                return Err(Fault::new(ErrorCode::Forbidden, "only the command line may do that"));
            }
            MethodAccess::Watch => DeviceRole::Watch,
            MethodAccess::Approve => DeviceRole::Approve,
            MethodAccess::Drive => DeviceRole::Drive,
        };
        let device = device?;
        if device.role < least {
            return Err(Fault::new(
                ErrorCode::Forbidden,
                format!("this device may {}", role_words(device.role)),
            ));
        }
        Ok(Actor::person(device.device_id))
    }

    /// As [`Access::authorize`], for what stays open: cancelled as soon as the caller is signed out, or may do less than before. The
    /// command line is never signed out.
    ///
    /// # Errors
    /// As [`Access::authorize`].
    pub fn admit(&self, credentials: &Credentials, needed: MethodAccess) -> Outcome<CancellationToken> {
        let actor = self.authorize(credentials, needed)?;
        if self.is_command_line(credentials) {
            return Ok(CancellationToken::new());
        }
        let mut state = self.state();
        // Signed out since the look above.
        signed_in(&mut state, credentials)?;
        Ok(state.open.entry(actor.id).or_default().child_token())
    }

    /// What the caller may do; the command line may do everything.
    ///
    /// # Errors
    /// `UNAUTHORIZED`.
    pub fn role(&self, credentials: &Credentials) -> Outcome<DeviceRole> {
        if self.is_command_line(credentials) {
            return Ok(DeviceRole::Drive);
        }
        signed_in(&mut self.state(), credentials).map(|device| device.role)
    }

    /// Signed-in devices, by last sign-in, oldest first.
    #[must_use]
    pub fn devices(&self) -> Vec<Device> {
        self.state().devices.list().to_vec()
    }

    /// Changes what a device may do.
    ///
    /// # Errors
    /// `NOT_FOUND`, `STORAGE_FAILED`.
    pub fn set_role(&self, device_id: &str, role: DeviceRole) -> Outcome<()> {
        let mut state = self.state();
        let mut devices = state.devices.clone();
        let known = devices.by_id(device_id).cloned();
        let device = known.ok_or_else(|| Fault::not_found(format!("no device {device_id}")))?;
        let less = role < device.role;
        devices.set_role(device_id, role);
        self.store.save(&devices.to_bytes()?)?;
        state.devices = devices;
        if less {
            // What it offered while it could do more is not for others to take up.
            state.pairings.withdraw_of(device_id);
            state.cut(device_id);
        }
        Ok(())
    }

    /// Signs a device out for good: cookie, key and tabs.
    ///
    /// # Errors
    /// `NOT_FOUND`, `STORAGE_FAILED`.
    pub fn revoke(&self, device_id: &str) -> Outcome<()> {
        let mut state = self.state();
        let mut devices = state.devices.clone();
        if !devices.remove(device_id) {
            return Err(Fault::not_found(format!("no device {device_id}")));
        }
        self.store.save(&devices.to_bytes()?)?;
        state.devices = devices;
        state.forget(device_id);
        Ok(())
    }

    /// The device that asks, noted as seen now.
    fn seen(&self, credentials: &Credentials) -> Outcome<Device> {
        let mut state = self.state();
        let device = signed_in(&mut state, credentials)?;
        state.devices.seen(&device.device_id, self.clock.now_ms());
        Ok(device)
    }

    fn is_command_line(&self, credentials: &Credentials) -> bool {
        match (&self.cli_token_hash, &credentials.cli_token) {
            (Some(kept), Some(token)) => secret_text::fits(token, kept),
            _ => false,
        }
    }

    /// Stores first, so that a device that was let in is still known after a restart.
    pub(crate) fn keep(&self, state: &mut State, device: Device) -> Outcome<()> {
        let mut devices = state.devices.clone();
        let dropped = devices.put(device);
        self.store.save(&devices.to_bytes()?)?;
        state.devices = devices;
        if let Some(device_id) = dropped {
            state.forget(&device_id);
        }
        Ok(())
    }

    pub(crate) fn device_id(&self) -> Outcome<String> {
        let mut bytes = [0u8; 10];
        self.random.fill(&mut bytes)?;
        Ok(format!("device_{}", hex::encode(bytes)))
    }
}

/// The device whose cookie and tab secret both fit.
fn signed_in(state: &mut State, credentials: &Credentials) -> Outcome<Device> {
    let cookie = credentials.cookie.as_deref().unwrap_or_default();
    let secret = credentials.tab_secret.as_deref().unwrap_or_default();
    let device = state
        .devices
        .by_cookie(cookie)
        .cloned()
        .ok_or_else(|| unauthorized("this browser is not signed in"))?;
    if !state.tabs.belongs(secret, &device.device_id) {
        return Err(unauthorized("this tab is not signed in"));
    }
    Ok(device)
}

fn role_words(role: DeviceRole) -> &'static str {
    match role {
        DeviceRole::Watch => "only watch",
        DeviceRole::Approve => "only watch and answer questions",
        DeviceRole::Drive => "do everything",
    }
}
