//! The dialer: rules, checks, connections.

use std::collections::HashMap;
use std::net::{IpAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, Once, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use openwrap_contracts::network::Brokers;
use openwrap_contracts::ports::{CancellationToken, Clock, Dialer, HttpRequest, HttpResponse, Ledger, Task};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use reqwest::header::LOCATION;
use reqwest::{Client, Method, Response, StatusCode};

use crate::exchange::{self, Failed, Outgoing};
use crate::names::{KnownNames, Names, SystemNames};
use crate::record::{Connection, Record};
use crate::rule::{AllowRule, Rules};
use crate::target::{Target, Unfit, refusal};

const REDIRECTS_MAX: usize = 3;
/// Addresses with connections kept open.
const CLIENTS_MAX: usize = 64;

/// Every outgoing connection of the core.
///
/// Closed until [`Egress::allow`] opens a host and port for a purpose. `Connected` is in the ledger before the first
/// request of a run to an address is sent: once per run, purpose, host, port and address, however many connections the
/// pool then opens there. `ConnectionRefused` is there for every refused request.
pub struct Egress {
    rules: RwLock<Rules>,
    pub(crate) names: KnownNames,
    pub(crate) record: Record,
    /// One client an address: its pool cannot hold a connection to another one.
    clients: Mutex<HashMap<ClientKey, Client>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct ClientKey {
    purpose: String,
    tls: bool,
    host: String,
    port: u16,
    address: IpAddr,
}

/// Who asks, and until when.
struct Asker<'a> {
    purpose: &'a str,
    run_id: Option<&'a str>,
}

impl Egress {
    /// Uses the system's resolver.
    ///
    /// # Errors
    /// None today; the port of a later resolver may fail.
    pub fn new(ledger: Arc<dyn Ledger>, clock: Arc<dyn Clock>) -> Outcome<Arc<Self>> {
        Self::with_names(ledger, clock, Arc::new(SystemNames))
    }

    /// As [`Egress::new`] with a resolver of the caller's.
    ///
    /// # Errors
    /// As [`Egress::new`].
    pub fn with_names(ledger: Arc<dyn Ledger>, clock: Arc<dyn Clock>, names: Arc<dyn Names>) -> Outcome<Arc<Self>> {
        static PROVIDER: Once = Once::new();
        PROVIDER.call_once(|| {
            // Fails only where the process has one already, which then serves as well.
            let _ = rustls::crypto::ring::default_provider().install_default();
        });
        Ok(Arc::new(Self {
            rules: RwLock::default(),
            names: KnownNames::new(names),
            record: Record::new(ledger, clock),
            clients: Mutex::default(),
        }))
    }

    /// Adds a rule; one of the same purpose, host and port is replaced.
    pub fn allow(&self, rule: AllowRule) {
        self.rules_mut().allow(&rule);
        self.close(&rule.purpose);
    }

    /// Replaces every rule of a purpose by those of `rules` that are for it.
    pub fn replace(&self, purpose: &str, rules: &[AllowRule]) {
        {
            let mut held = self.rules_mut();
            held.disallow(purpose);
            for rule in rules.iter().filter(|rule| rule.purpose == purpose) {
                held.allow(rule);
            }
        }
        self.close(purpose);
    }

    /// Takes every rule of a purpose back. Answers that are under way go on; nothing new is sent.
    pub fn disallow(&self, purpose: &str) {
        self.rules_mut().disallow(purpose);
        self.close(purpose);
    }

    /// A port of Open Wrap's own: refused at every address of this machine, whatever the rules say.
    pub fn forbid_own(&self, port: u16) {
        self.rules_mut().forbid_own(port);
    }

    /// A listener on 127.0.0.1 and its port, for a confined child to inherit: children open no sockets.
    ///
    /// # Errors
    /// `EGRESS_FAILED` when the system gives none.
    pub fn listen_loopback(&self) -> Outcome<(OwnedFd, u16)> {
        self.listen_loopback_on(0)
    }

    /// As [`Egress::listen_loopback`], on this port; 0 is any free one.
    ///
    /// # Errors
    /// `EGRESS_FAILED` when it is taken.
    // This crate is made for sockets.
    #[allow(clippy::disallowed_methods)]
    pub fn listen_loopback_on(&self, port: u16) -> Outcome<(OwnedFd, u16)> {
        let fault = |error| Fault::new(ErrorCode::EgressFailed, format!("no listener on the loopback: {error}"));
        let listener = TcpListener::bind(("127.0.0.1", port)).map_err(fault)?;
        let port = listener.local_addr().map_err(fault)?.port();
        Ok((OwnedFd::from(listener), port))
    }

    /// Makes the brokers of confined programs.
    pub fn brokers(self: &Arc<Self>) -> Arc<dyn Brokers> {
        Arc::new(crate::broker::Maker::new(Arc::clone(self)))
    }

    pub(crate) fn rules(&self) -> RwLockReadGuard<'_, Rules> {
        self.rules.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn rules_mut(&self) -> RwLockWriteGuard<'_, Rules> {
        self.rules.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops idle connections of a purpose.
    fn close(&self, purpose: &str) {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.retain(|key, _| key.purpose != purpose);
    }

    async fn exchange(&self, request: HttpRequest) -> Outcome<Response> {
        let asker = Asker {
            purpose: &request.purpose,
            run_id: request.run_id.as_deref(),
        };
        let outgoing = Outgoing::new(request.method, &request.headers, request.body)?;
        let mut target = match Target::parse(&request.url) {
            Ok(target) => target,
            Err(unfit) => return Err(self.refuse(&asker, &unfit.host, unfit.port, unfit.reason).await),
        };
        for _ in 0..=REDIRECTS_MAX {
            let response = self.send(&asker, &target, &outgoing).await?;
            match self.redirect(&asker, &target, &outgoing, &response).await? {
                Some(next) => target = next,
                None => return Ok(response),
            }
        }
        let message = format!("`{}` redirects more than {REDIRECTS_MAX} times", target.host);
        Err(Fault::new(ErrorCode::EgressFailed, message))
    }

    /// One request to the first address that can be reached, all of them checked before.
    async fn send(&self, asker: &Asker<'_>, target: &Target, outgoing: &Outgoing) -> Outcome<Response> {
        let addresses = self.checked(asker, target).await?;
        let mut unreached = None;
        for address in addresses {
            let connection = Connection {
                run_id: asker.run_id.map(str::to_owned),
                task_id: None,
                purpose: asker.purpose.to_owned(),
                host: target.host.clone(),
                port: target.port,
                address,
            };
            let client = self.client(asker, target, address).await?;
            self.record.connected(&connection).await?;
            match exchange::send(&client, target, address, outgoing).await {
                Ok(response) => return Ok(response),
                Err(Failed::Broken(fault)) => return Err(fault),
                Err(Failed::Unreached(fault)) => unreached = Some(fault),
            }
        }
        self.names.forget(&target.host);
        Err(unreached.unwrap_or_else(|| Fault::internal("a host without addresses")))
    }

    /// The addresses of a target that a rule allows; one that is refused refuses them all.
    async fn checked(&self, asker: &Asker<'_>, target: &Target) -> Outcome<Vec<IpAddr>> {
        // Asked before the name is resolved: a name alone can carry something out.
        let found = self.rules().find(asker.purpose, target);
        let allowance = match found {
            Ok(allowance) => allowance,
            Err(reason) => return Err(self.refuse(asker, &target.host, target.port, reason).await),
        };
        let addresses = match target.literal {
            Some(address) => vec![address],
            None => self.names.addresses(&target.host, self.record.now_ms()).await?,
        };
        let own_port = self.rules().is_own_port(target.port);
        for address in &addresses {
            if let Err(reason) = allowance.check(target, *address, own_port) {
                return Err(self.refuse(asker, &target.host, target.port, reason).await);
            }
        }
        Ok(addresses)
    }

    async fn client(&self, asker: &Asker<'_>, target: &Target, address: IpAddr) -> Outcome<Client> {
        let key = ClientKey {
            purpose: asker.purpose.to_owned(),
            tls: target.tls,
            host: target.host.clone(),
            port: target.port,
            address,
        };
        let lock = || self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = lock().get(&key) {
            return Ok(client.clone());
        }
        let made = if target.tls {
            // Reads the system's certificates.
            let target = target.clone();
            let made = tokio::task::spawn_blocking(move || exchange::client(&target, address)).await;
            made.map_err(|error| Fault::internal(format!("a client was not made: {error}")))??
        } else {
            exchange::client(target, address)?
        };
        let mut clients = lock();
        if clients.len() >= CLIENTS_MAX {
            clients.clear();
        }
        Ok(clients.entry(key).or_insert(made).clone())
    }

    /// Where an answer sends the request on, when that is the same origin: headers never go to another one.
    async fn redirect(
        &self,
        asker: &Asker<'_>,
        from: &Target,
        outgoing: &Outgoing,
        response: &Response,
    ) -> Outcome<Option<Target>> {
        let status = response.status();
        let repeats = match status {
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => true,
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND | StatusCode::SEE_OTHER => {
                matches!(outgoing.method, Method::GET | Method::HEAD)
            }
            _ => return Ok(None),
        };
        let Some(location) = response
            .headers()
            .get(LOCATION)
            .and_then(|location| location.to_str().ok())
        else {
            return Ok(None);
        };
        let next = from.url.join(location).map_err(|_| Unfit {
            host: String::new(),
            port: 0,
            reason: "redirect to an address that cannot be read",
        });
        let next = match next.and_then(Target::of) {
            Ok(next) if next.same_origin(from) => next,
            Ok(next) => {
                return Err(self
                    .refuse(asker, &next.host, next.port, "redirect to another origin")
                    .await);
            }
            Err(unfit) => return Err(self.refuse(asker, &unfit.host, unfit.port, unfit.reason).await),
        };
        if !repeats {
            let message = format!("`{}` moved the address of a {} by {status}", from.host, outgoing.method);
            return Err(Fault::new(ErrorCode::EgressFailed, message).with_hint("Set the address it moved to."));
        }
        Ok(Some(next))
    }

    async fn refuse(&self, asker: &Asker<'_>, host: &str, port: u16, reason: &str) -> Fault {
        let run_id = asker.run_id.map(str::to_owned);
        match self
            .record
            .refused(run_id, None, asker.purpose, host, port, reason)
            .await
        {
            Ok(()) => refusal(host, port, reason),
            Err(fault) => fault,
        }
    }
}

impl Dialer for Egress {
    fn http(&self, request: HttpRequest, cancel: CancellationToken) -> Task<'_, Outcome<HttpResponse>> {
        Box::pin(async move {
            let response = tokio::select! {
                biased;
                () = cancel.cancelled() => return Err(Fault::canceled()),
                response = self.exchange(request) => response?,
            };
            exchange::stream(response, cancel)
        })
    }
}
