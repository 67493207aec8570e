//! The method table's other end: who may call, typed parameters, and the part that does it.

use std::sync::Arc;

use openwrap_access::{Credentials, VISITOR};
use openwrap_contracts::event::Fact;
use openwrap_contracts::identity::Actor;
use openwrap_contracts::method::{
    self, Challenge, ChallengeParams, Done, Health, LaunchLink, METHODS, ProveParams, RedeemParams, RegisterKeyParams,
    SignIn, TabSecret,
};
use openwrap_contracts::run::SignInMethod;
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::core::Core;

/// A call that may be made.
pub(crate) struct Call<'a> {
    pub core: &'a Arc<Core>,
    pub actor: Actor,
    pub credentials: &'a Credentials,
    pub params: &'a str,
}

impl Call<'_> {
    pub fn read<T: DeserializeOwned>(&self) -> Outcome<T> {
        serde_json::from_str(self.params).map_err(|error| Fault::invalid(format!("the parameters: {error}")))
    }
}

pub(crate) fn written<T: Serialize>(value: &T) -> Outcome<Value> {
    serde_json::to_value(value).map_err(|error| Fault::internal(format!("an answer could not be written: {error}")))
}

/// Authorises and carries out.
pub(crate) async fn dispatch(core: &Arc<Core>, name: &str, params: &str, credentials: &Credentials) -> Outcome<Value> {
    let row = METHODS.iter().find(|row| row.name == name);
    let row = row.ok_or_else(|| Fault::not_found(format!("there is no method `{name}`")))?;
    let actor = core.access.authorize(credentials, row.access)?;
    let call = Call {
        core,
        actor,
        credentials,
        params: if params.is_empty() { "{}" } else { params },
    };
    if let Some(fault) = core.switched_off(name) {
        return Err(fault);
    }
    let _turn = core.turns.take(name).await;
    match name {
        "health.get" => health(&call),
        "session.redeem" => redeem(&call).await,
        "session.challenge" => challenge(&call),
        "session.prove" => prove(&call).await,
        "session.register_key" => register_key(&call),
        "launch.create" => launch(&call).await,
        "device.list" => crate::admission::list(&call),
        "device.set_role" => crate::admission::set_role(&call).await,
        "device.revoke" => crate::admission::revoke(&call).await,
        "pairing.offer" => crate::admission::offer(&call),
        "pairing.withdraw" => crate::admission::withdraw(&call),
        "pairing.claim" => crate::admission::claim(&call).await,
        "pairing.known" => crate::admission::known(&call),
        "overview.get" => crate::inspect::overview(&call).await,
        "project.open" => crate::projects::open(&call).await,
        "project.sample" => crate::projects::sample(&call).await,
        "project.files" => crate::projects::files(&call).await,
        "file.list" => crate::files::list(&call).await,
        "file.preview" => crate::files::preview(&call).await,
        "approval.resolve" => crate::commands::resolve(&call).await,
        "playbook.list" => crate::playbooks::list(&call).await,
        "playbook.get" => crate::playbooks::get(&call).await,
        "playbook.run" => crate::playbooks::run(&call).await,
        "playbook.draft" => crate::playbooks::draft(&call).await,
        "session.list" => crate::sessions::list(&call),
        "session.view" => crate::sessions::view(&call).await,
        "session.take" => crate::sessions::take(&call).await,
        "session.hand_back" => crate::sessions::hand_back(&call).await,
        "session.input" => crate::sessions::input(&call).await,
        "session.close" => crate::sessions::close(&call).await,
        "mcp.list" => crate::mcp::list(&call).await,
        "mcp.add" => crate::mcp::add(&call).await,
        "mcp.approve" => crate::mcp::approve(&call).await,
        "mcp.remove" => crate::mcp::remove(&call).await,
        "audit.verify" => crate::inspect::verify(&call).await,
        "audit.search" => crate::audit::search(&call).await,
        "audit.rows" => crate::audit::rows(&call).await,
        "library.list" => crate::library::list(&call).await,
        "audit.export" => crate::inspect::export(&call).await,
        "blob.get" => crate::inspect::blob(&call).await,
        "doctor.get" => crate::inspect::doctor(&call).await,
        _ if name.starts_with("run.") => run_method(&call, name).await,
        _ => model_method(&call, name).await,
    }
}

async fn run_method(call: &Call<'_>, name: &str) -> Outcome<Value> {
    match name {
        "run.create" => crate::commands::create(call).await,
        "run.get" => crate::commands::get(call).await,
        "run.events" => crate::inspect::run_events(call).await,
        "run.pause" => crate::commands::pause(call).await,
        "run.resume" => crate::commands::resume(call).await,
        "run.stop" => crate::commands::stop(call).await,
        "run.stop_all" => crate::steering::stop_all(call).await,
        "run.steer" => crate::steering::steer(call).await,
        "run.undo" => crate::commands::undo(call).await,
        "run.replay" => crate::commands::replay(call).await,
        "run.budget" => crate::budgets::set_for_run(call).await,
        "run.cost" => crate::budgets::cost(call).await,
        "run.record" => crate::inspect::record(call).await,
        "run.changes" => crate::changes::list(call).await,
        "run.diff" => crate::changes::diff(call).await,
        _ => Err(unserved(name)),
    }
}

/// Providers, routes, budgets and secrets.
async fn model_method(call: &Call<'_>, name: &str) -> Outcome<Value> {
    match name {
        "provider.add" => crate::providers::add(call).await,
        "provider.remove" => crate::providers::remove(call).await,
        "provider.test" => crate::providers::test(call).await,
        "provider.find" => crate::providers::find(call).await,
        "route.list" => crate::routes::list(call).await,
        "route.put" => crate::routes::put(call).await,
        "route.remove" => crate::routes::remove(call).await,
        "route.order" => crate::routes::order(call).await,
        "budget.set" => crate::budgets::set_default(call).await,
        "price.list" => crate::routes::prices(call),
        "secret.public_key" => crate::providers::public_key(call),
        "secret.store" => crate::providers::store(call).await,
        _ => Err(unserved(name)),
    }
}

fn unserved(name: &str) -> Fault {
    Fault::internal(format!("method `{name}` is listed but does nothing"))
}

/// Features each method needs, by prefix of its name.
const NEEDS: &[(&str, &[&str])] = &[
    (
        "run.create",
        &["agent-workforce", "tool-gateway", "model-fabric", "agent-toolkit"],
    ),
    ("playbook.run", &["agent-workforce", "tool-gateway", "agent-toolkit"]),
    ("run.replay", &["agent-workforce", "tool-gateway", "agent-toolkit"]),
    ("provider.", &["model-fabric"]),
    ("route.", &["model-fabric"]),
    ("mcp.", &["tool-gateway"]),
];

impl Core {
    fn switched_off(&self, method: &str) -> Option<Fault> {
        let (_, features) = NEEDS.iter().find(|(prefix, _)| method.starts_with(prefix))?;
        let off = self
            .config
            .disabled
            .iter()
            .find(|off| features.contains(&off.feature.as_str()))?;
        let message = format!("{} is switched off by {}", off.feature, off.switch);
        Some(Fault::new(ErrorCode::FeatureDisabled, message))
    }

    /// Why no run can go on in this start, if so.
    pub(crate) fn missing_for_runs(&self) -> Option<Fault> {
        self.switched_off("run.create")
    }
}

pub(crate) fn done(call: &Call<'_>) -> Outcome<Value> {
    written(&Done {
        sequence: call.core.head_sequence(),
    })
}

fn health(call: &Call<'_>) -> Outcome<Value> {
    written(&Health {
        ok: true,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        contracts_hash: openwrap_contracts::schema::contracts_hash()?,
        disabled: call.core.config.disabled.clone(),
    })
}

async fn redeem(call: &Call<'_>) -> Outcome<Value> {
    let params: RedeemParams = call.read()?;
    let signed = call.core.access.redeem(&params.code, call.credentials)?;
    let fact = Fact::SignedIn {
        device_id: signed.device_id.clone(),
        method: SignInMethod::LaunchLink,
        role: signed.role,
    };
    call.core
        .note_as(Actor::person(signed.device_id.clone()), None, fact)
        .await?;
    written(&SignIn {
        device_id: signed.device_id,
        cookie: signed.cookie,
        tab_secret: signed.tab_secret,
        role: signed.role,
    })
}

fn challenge(call: &Call<'_>) -> Outcome<Value> {
    let params: ChallengeParams = call.read()?;
    written(&Challenge {
        nonce: call.core.access.challenge(call.credentials, &params.device_id)?,
    })
}

async fn prove(call: &Call<'_>) -> Outcome<Value> {
    let params: ProveParams = call.read()?;
    let access = &call.core.access;
    let tab_secret = access.prove(call.credentials, &params.device_id, &params.nonce, &params.signature)?;
    let role = access
        .devices()
        .iter()
        .find(|device| device.device_id == params.device_id)
        .map(|device| device.role);
    if let Some(role) = role {
        let fact = Fact::SignedIn {
            device_id: params.device_id.clone(),
            method: SignInMethod::DeviceKey,
            role,
        };
        call.core.note_as(Actor::person(params.device_id), None, fact).await?;
    }
    written(&TabSecret { tab_secret })
}

fn register_key(call: &Call<'_>) -> Outcome<Value> {
    let params: RegisterKeyParams = call.read()?;
    call.core.access.register_key(call.credentials, &params.public_key)?;
    done(call)
}

async fn launch(call: &Call<'_>) -> Outcome<Value> {
    let _: method::Empty = call.read()?;
    let issued = call.core.access.issue_launch_code()?;
    call.core
        .note_as(call.actor.clone(), None, Fact::LaunchLinkIssued {})
        .await?;
    written(&LaunchLink {
        url: format!("{}/launch?code={}", call.core.config.origin, issued.code),
        expires_at: issued.expires_at,
    })
}

/// The name a request's answers are remembered under.
pub(crate) fn caller(actor: &Actor) -> &str {
    if actor.id.is_empty() { VISITOR } else { &actor.id }
}
