//! Providers and the secrets they name.

use openwrap_contracts::event::Fact;
use openwrap_contracts::limits::MODEL_PRICE_MICRO_USD_MAX;
use openwrap_contracts::method::{LocalModelServers, ProviderParams, ProviderTestParams, PublicKey, SecretStoreParams};
use openwrap_contracts::model::{ProviderConfig, ProviderKind};
use openwrap_contracts::ports::{CancellationToken, Dialer, Secret};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use openwrap_egress::AllowRule;
use openwrap_models::{LOCAL_PORTS, LOCAL_PURPOSE, TRIAL_PURPOSE, find_local};
use serde_json::Value;
use tokio::sync::Mutex;

use crate::core::Core;
use crate::methods::{Call, done, written};

const MODELS_MAX: usize = 200;
const NAME_CHARS_MAX: usize = 200;
/// What is tried or looked for is opened in egress for that long only: one at a time, so that none closes another's.
static LOOKING: Mutex<()> = Mutex::const_new(());

/// Host and port of a base URL, and whether the person named this machine itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub host: String,
    pub port: u16,
    pub loopback: bool,
}

/// Reads `http(s)://host[:port][/path]`; user names, queries and fragments are refused.
pub(crate) fn endpoint(base_url: &str) -> Outcome<Endpoint> {
    let wrong = |what: &str| Fault::invalid(format!("baseUrl: {what}; it looks like https://host[:port]/v1"));
    let (plain, rest) = match (base_url.strip_prefix("https://"), base_url.strip_prefix("http://")) {
        (Some(rest), _) => (false, rest),
        (None, Some(rest)) => (true, rest),
        (None, None) => return Err(wrong("it must begin with https:// or http://")),
    };
    if base_url.len() > 2_000 || rest.contains(['@', '?', '#', '\\', ' ']) || base_url.chars().any(char::is_control) {
        return Err(wrong("it holds what does not belong there"));
    }
    let authority = rest.split('/').next().unwrap_or_default();
    let (host, port) = match authority.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        Some((inner, "")) => (inner, None),
        Some((inner, after)) => (inner, after.strip_prefix(':')),
        None => authority
            .split_once(':')
            .map_or((authority, None), |(host, port)| (host, Some(port))),
    };
    if host.is_empty() {
        return Err(wrong("it has no host"));
    }
    let port = match port {
        Some(port) => port.parse().map_err(|_| wrong("its port is none"))?,
        None if plain => 80,
        None => 443,
    };
    let host = host.to_ascii_lowercase();
    let loopback = host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    if plain && !loopback && host.parse::<std::net::IpAddr>().is_err() && !host.ends_with(".local") {
        return Err(wrong("plain http is for this machine and the local network only"));
    }
    Ok(Endpoint { host, port, loopback })
}

fn is_id(id: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !id.is_empty() && id.len() <= 32 && id.chars().all(inner) && !id.starts_with('-')
}

pub(crate) fn check(provider: &ProviderConfig) -> Outcome<Endpoint> {
    if !is_id(&provider.provider_id) || provider.provider_id == crate::rehearsal::REHEARSAL {
        return Err(Fault::invalid(format!(
            "providerId `{}` must match [a-z0-9][a-z0-9-]{{0,31}} and not be `rehearsal`",
            provider.provider_id
        )));
    }
    if provider.kind == ProviderKind::Rehearsal {
        return Err(Fault::invalid(
            "kind `rehearsal` is built in; add `openai`, `anthropic` or `local`",
        ));
    }
    let fits = |name: &String| !name.is_empty() && name.chars().count() <= NAME_CHARS_MAX;
    if provider.model_ids.is_empty() || provider.model_ids.len() > MODELS_MAX || !provider.model_ids.iter().all(fits) {
        return Err(Fault::invalid(format!("modelIds must name 1 to {MODELS_MAX} models")));
    }
    if let Some(default) = &provider.default_model_id
        && !provider.model_ids.contains(default)
    {
        return Err(Fault::invalid(format!(
            "defaultModelId `{default}` is not among modelIds"
        )));
    }
    if let Some(name) = &provider.auth_ref {
        check_secret_name(name)?;
    }
    let mut priced = std::collections::BTreeSet::new();
    for price in &provider.prices {
        let known = provider.model_ids.contains(&price.model_id) && priced.insert(&price.model_id);
        if !known || !price.fits() {
            return Err(Fault::invalid(format!(
                "prices: `{}` is not among modelIds, is there twice, or costs more than {MODEL_PRICE_MICRO_USD_MAX} µUSD",
                price.model_id
            )));
        }
    }
    endpoint(&provider.base_url)
}

/// As [`check`]; but no model need be known yet: the first one that the server lists is asked then.
fn check_trial(provider: &ProviderConfig) -> Outcome<Endpoint> {
    if !provider.model_ids.is_empty() {
        return check(provider);
    }
    check(&ProviderConfig {
        model_ids: vec![String::from("listed")],
        ..provider.clone()
    })
}

fn check_secret_name(name: &str) -> Outcome<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '/');
    if name.is_empty() || name.len() > 100 || !name.chars().all(plain) {
        return Err(Fault::invalid(
            "a secret's name has 1 to 100 letters, digits or - _ . : /",
        ));
    }
    Ok(())
}

impl Core {
    /// Tells models and egress which providers there are.
    pub(crate) async fn load_providers(&self) -> Outcome<()> {
        let providers: Vec<ProviderConfig> = self
            .following
            .look(|fold| fold.providers.values().cloned().collect())
            .await?;
        for provider in &providers {
            self.allow_provider(provider)?;
        }
        self.rehearsal.set_providers(providers).await;
        Ok(())
    }

    fn allow_provider(&self, provider: &ProviderConfig) -> Outcome<()> {
        let purpose = format!("model:{}", provider.provider_id);
        let rule = rule_for(provider, &purpose)?;
        self.egress.replace(&purpose, &[rule]);
        Ok(())
    }
}

pub(crate) fn rule_for(provider: &ProviderConfig, purpose: &str) -> Outcome<AllowRule> {
    let endpoint = endpoint(&provider.base_url)?;
    Ok(AllowRule {
        purpose: purpose.to_owned(),
        host: endpoint.host,
        port: endpoint.port,
        loopback: endpoint.loopback,
        private: provider.kind == ProviderKind::Local,
    })
}

pub(crate) async fn add(call: &Call<'_>) -> Outcome<Value> {
    let provider: ProviderConfig = call.read()?;
    check(&provider)?;
    call.core
        .note_as(call.actor.clone(), None, Fact::ProviderAdded { provider })
        .await?;
    call.core.load_providers().await?;
    done(call)
}

pub(crate) async fn remove(call: &Call<'_>) -> Outcome<Value> {
    let params: ProviderParams = call.read()?;
    let core = call.core;
    let known = core
        .following
        .look(|fold| fold.providers.get(&params.provider_id).cloned())
        .await?;
    let provider = known.ok_or_else(|| Fault::not_found(format!("there is no provider `{}`", params.provider_id)))?;
    if let Some(name) = &provider.auth_ref {
        let others = core
            .following
            .look(|fold| {
                let mut others = fold
                    .providers
                    .values()
                    .filter(|other| other.provider_id != provider.provider_id);
                others.any(|other| other.auth_ref.as_ref() == Some(name))
            })
            .await?;
        if !others && core.store.vault().remove(name).await? {
            core.note_as(call.actor.clone(), None, Fact::SecretRemoved { name: name.clone() })
                .await?;
        }
    }
    let fact = Fact::ProviderRemoved {
        provider_id: provider.provider_id.clone(),
    };
    core.note_as(call.actor.clone(), None, fact).await?;
    core.egress.disallow(&format!("model:{}", provider.provider_id));
    core.load_providers().await?;
    done(call)
}

/// Tries a provider out with the key that came along, else with the one kept for it.
pub(crate) async fn test(call: &Call<'_>) -> Outcome<Value> {
    let ProviderTestParams { provider, sealed } = call.read()?;
    check_trial(&provider)?;
    let core = call.core;
    let key = key_for(core, &provider, sealed.as_deref()).await?;
    let rule = rule_for(&provider, TRIAL_PURPOSE)?;
    let _alone = LOOKING.lock().await;
    core.egress.replace(TRIAL_PURPOSE, &[rule]);
    let outcome = core
        .fabric
        .try_provider(&provider, key, &CancellationToken::new())
        .await;
    core.egress.disallow(TRIAL_PURPOSE);
    written(&outcome?)
}

/// A kept key goes to the address it was kept for and to no other: a changed address needs it again.
async fn key_for(core: &Core, provider: &ProviderConfig, sealed: Option<&str>) -> Outcome<Option<Secret>> {
    let Some(name) = &provider.auth_ref else {
        return match sealed {
            Some(_) => Err(Fault::invalid(
                "a sealed key needs the name it is sealed under: authRef",
            )),
            None => Ok(None),
        };
    };
    if let Some(sealed) = sealed {
        return core.store.vault().open_sealed(name, sealed).map(Some);
    }
    let kept = core
        .following
        .look(|fold| fold.providers.get(&provider.provider_id).cloned())
        .await?;
    let same = kept.is_some_and(|kept| {
        let places = (endpoint(&kept.base_url), endpoint(&provider.base_url));
        let same_place = matches!(places, (Ok(kept), Ok(new)) if kept == new);
        let tls = |url: &str| url.starts_with("https://");
        kept.auth_ref.as_ref() == Some(name) && same_place && tls(&kept.base_url) == tls(&provider.base_url)
    });
    if same {
        return Ok(None);
    }
    Err(Fault::invalid("no key is kept for this provider at this address").with_hint("Give its key again."))
}

/// Looks for model servers on this machine, because a person asked for it.
pub(crate) async fn find(call: &Call<'_>) -> Outcome<Value> {
    let core = call.core;
    let _alone = LOOKING.lock().await;
    let rules = LOCAL_PORTS.map(|local| AllowRule {
        purpose: LOCAL_PURPOSE.to_owned(),
        host: "127.0.0.1".to_owned(),
        port: local.port,
        loopback: true,
        private: false,
    });
    core.egress.replace(LOCAL_PURPOSE, &rules);
    let dialer: std::sync::Arc<dyn Dialer> = core.egress.clone();
    let servers = find_local(&dialer, &LOCAL_PORTS, &CancellationToken::new()).await;
    core.egress.disallow(LOCAL_PURPOSE);
    written(&LocalModelServers { servers })
}

pub(crate) fn public_key(call: &Call<'_>) -> Outcome<Value> {
    written(&PublicKey {
        public_key: call.core.store.vault().public_key(),
    })
}

pub(crate) async fn store(call: &Call<'_>) -> Outcome<Value> {
    let params: SecretStoreParams = call.read()?;
    check_secret_name(&params.name)?;
    call.core
        .store
        .vault()
        .store_sealed(&params.name, &params.sealed)
        .await?;
    call.core
        .note_as(call.actor.clone(), None, Fact::SecretStored { name: params.name })
        .await?;
    done(call)
}

/// The fault for a route that names nobody.
pub(crate) fn no_route(route: &str) -> Fault {
    Fault::new(ErrorCode::NoRoute, format!("there is no model `{route}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls_are_read_strictly() {
        let read = |text: &str| {
            endpoint(text)
                .map(|found| (found.host, found.port, found.loopback))
                .ok()
        };
        assert_eq!(
            read("https://api.openai.com/v1"),
            Some(("api.openai.com".into(), 443, false))
        );
        assert_eq!(read("http://127.0.0.1:8080/v1"), Some(("127.0.0.1".into(), 8080, true)));
        assert_eq!(read("http://[::1]:8080/v1"), Some(("::1".into(), 8080, true)));
        assert_eq!(read("http://localhost/v1"), Some(("localhost".into(), 80, true)));
        for wrong in [
            "ftp://x",
            "https://",
            "https://user:pw@host/v1",
            "https://host:99999/v1",
            "http://example.com/v1",
            "https://host/v1?key=1",
            "https://ho st/v1",
            "https://host\\@evil/v1",
        ] {
            assert!(endpoint(wrong).is_err(), "{wrong}");
        }
    }
}
