//! The server beyond this machine: where devices reach it and by which certificate they know it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use openwrap_access::Authority;
use openwrap_contracts::limits::SERVER_NAMES_MAX;
use openwrap_contracts::method::RemoteDoor;
use openwrap_contracts::ports::Vault;
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::core::Core;

/// What the vault keeps the authority under: no name that a person, a provider or a tool server may ask for.
const AUTHORITY: &str = "the local authority";
const ORIGIN_CHARS_MAX: usize = 300;

/// What the server says of itself.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Beyond {
    /// Names and addresses a certificate is wanted for; none: a proxy in front has one.
    names: Vec<String>,
    /// `https://HOST:PORT`, each a way to the server.
    origins: Vec<String>,
}

/// What a server shows and signs with. The key is for its memory only.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Identity<'a> {
    chain: &'a str,
    key: &'a str,
    authority: &'a str,
    fingerprint: &'a str,
    not_after: i64,
    renew_at: i64,
}

/// Whether there is a way in, and which.
#[derive(Default)]
pub(crate) struct Remote {
    door: Mutex<Option<RemoteDoor>>,
    /// One certificate at a time: two must not both make an authority.
    making: tokio::sync::Mutex<()>,
}

impl Remote {
    fn held(&self) -> MutexGuard<'_, Option<RemoteDoor>> {
        self.door.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// None: the server listens on this machine only.
    pub fn door(&self) -> Option<RemoteDoor> {
        self.held().clone()
    }
}

fn read(beyond: &str) -> Outcome<Beyond> {
    let beyond: Beyond = serde_json::from_str(beyond).map_err(|error| Fault::invalid(error.to_string()))?;
    let sound = |origin: &String| origin.starts_with("https://") && origin.len() <= ORIGIN_CHARS_MAX;
    if beyond.origins.is_empty() || beyond.origins.len() > SERVER_NAMES_MAX || !beyond.origins.iter().all(sound) {
        return Err(Fault::invalid(format!(
            "a server beyond this machine has 1 to {SERVER_NAMES_MAX} https origins"
        )));
    }
    Ok(beyond)
}

impl Core {
    /// Opens the way for devices beyond this machine, or says anew where it leads. Answers with JSON of a fresh certificate, its key and
    /// the authority, or `{}` where a proxy has the certificate.
    ///
    /// # Errors
    /// `INVALID_ARGUMENTS`, `VAULT_LOCKED`, `STORAGE_FAILED`.
    pub async fn listen_beyond(&self, beyond: &str) -> Outcome<Zeroizing<String>> {
        let Beyond { names, origins } = read(beyond)?;
        let _alone = self.remote.making.lock().await;
        if names.is_empty() {
            *self.remote.held() = Some(RemoteDoor {
                origins,
                fingerprint: None,
            });
            return Ok(Zeroizing::new("{}".to_owned()));
        }
        let authority = self.authority_for(&names).await?;
        let issued = authority.issue(&names, self.ports.clock.now_ms())?;
        let fingerprint = authority.fingerprint()?;
        let identity = Identity {
            chain: &issued.chain,
            key: &issued.key,
            authority: authority.certificate(),
            fingerprint: &fingerprint,
            not_after: issued.not_after,
            renew_at: issued.renew_at,
        };
        let text = serde_json::to_string(&identity).map_err(|_| Fault::internal("a certificate has no JSON"))?;
        *self.remote.held() = Some(RemoteDoor {
            origins,
            fingerprint: Some(fingerprint),
        });
        Ok(Zeroizing::new(text))
    }

    /// The one in the vault, when it vouches for these names; else a new one takes its place.
    async fn authority_for(&self, names: &[String]) -> Outcome<Authority> {
        let vault = self.store.vault();
        let now = self.ports.clock.now_ms();
        let kept = match vault.open(AUTHORITY).await {
            Ok(secret) => Some(Authority::from_secret(secret.expose())?),
            Err(fault) if fault.code == ErrorCode::NotFound => None,
            Err(fault) => return Err(fault),
        };
        match kept {
            Some(kept) if kept.covers(names, now) => Ok(kept),
            former => {
                let fresh = Authority::fresh(names, former.as_ref(), now)?;
                vault.store_plain(AUTHORITY, fresh.to_secret()?).await?;
                Ok(fresh)
            }
        }
    }

    /// Where devices reach the server.
    ///
    /// # Errors
    /// `INVALID_STATE` while it listens on this machine only.
    pub(crate) fn remote_door(&self) -> Outcome<RemoteDoor> {
        self.remote.door().ok_or_else(|| {
            Fault::new(ErrorCode::InvalidState, "Open Wrap listens on this machine only")
                .with_hint("Start it with an address that other devices reach: openwrap serve --listen ADDRESS:PORT")
        })
    }
}
