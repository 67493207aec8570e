//! Names to addresses.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use openwrap_contracts::ports::Task;
use openwrap_contracts::{ErrorCode, Fault, Outcome};

use crate::address::plain;

const LOOKUP_MAX: Duration = Duration::from_secs(10);
/// Milliseconds an answer is used again.
const KEPT_MS: i64 = 30_000;
const KEPT_MAX: usize = 256;
const ADDRESSES_MAX: usize = 16;

/// A resolver of host names.
pub trait Names: Send + Sync {
    /// Every address of a host, in the order to try them.
    ///
    /// # Errors
    /// `EGRESS_FAILED` when the name cannot be resolved.
    fn addresses<'a>(&'a self, host: &'a str) -> Task<'a, Outcome<Vec<IpAddr>>>;

    /// Where a checked address of a program's connection is dialed: there. A resolver of names that exist on this machine only says
    /// where they really lie.
    fn dialed(&self, checked: SocketAddr) -> SocketAddr {
        checked
    }
}

/// The system's resolver, which also reads the hosts file.
pub struct SystemNames;

impl Names for SystemNames {
    fn addresses<'a>(&'a self, host: &'a str) -> Task<'a, Outcome<Vec<IpAddr>>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((host, 0)).await;
            let found = found.map_err(|error| unknown(host, &error.to_string()))?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// Answers of a resolver, kept for a while. They are checked at each use, so keeping them allows nothing.
pub struct KnownNames {
    names: std::sync::Arc<dyn Names>,
    known: Mutex<HashMap<String, (i64, Vec<IpAddr>)>>,
}

impl KnownNames {
    pub fn new(names: std::sync::Arc<dyn Names>) -> Self {
        Self {
            names,
            known: Mutex::default(),
        }
    }

    /// Addresses of a host, each once, mapped ones as the IPv4 address in them.
    pub async fn addresses(&self, host: &str, now_ms: i64) -> Outcome<Vec<IpAddr>> {
        if let Some((at, addresses)) = self.lock().get(host)
            && (0..KEPT_MS).contains(&now_ms.saturating_sub(*at))
        {
            return Ok(addresses.clone());
        }
        let answer = tokio::time::timeout(LOOKUP_MAX, self.names.addresses(host)).await;
        let answer = answer.map_err(|_| {
            let message = format!("`{}` was not resolved in time", host.escape_debug());
            Fault::new(ErrorCode::Timeout, message)
        })??;
        let mut addresses: Vec<IpAddr> = Vec::new();
        for address in answer.into_iter().map(plain) {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        if addresses.is_empty() {
            return Err(unknown(host, "it has no address"));
        }
        if addresses.len() > ADDRESSES_MAX {
            return Err(unknown(host, "it has too many addresses"));
        }
        let mut known = self.lock();
        if known.len() >= KEPT_MAX {
            known.clear();
        }
        known.insert(host.to_owned(), (now_ms, addresses.clone()));
        Ok(addresses)
    }

    /// As [`Names::dialed`].
    pub fn dialed(&self, checked: SocketAddr) -> SocketAddr {
        self.names.dialed(checked)
    }

    /// Asks anew the next time: what was known led nowhere.
    pub fn forget(&self, host: &str) {
        self.lock().remove(host);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, (i64, Vec<IpAddr>)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unknown(host: &str, why: &str) -> Fault {
    let message = format!("`{}` could not be resolved: {why}", host.escape_debug());
    Fault::new(ErrorCode::EgressFailed, message)
}
