//! Devices and pairings: who is let in, what each may do, and that what changes holds at once.

use openwrap_access::Claim;
use openwrap_contracts::event::Fact;
use openwrap_contracts::identity::Actor;
use openwrap_contracts::method::{
    DeviceEntry, DeviceList, DeviceParams, DeviceRoleParams, Empty, PairingClaimParams, PairingKnown, PairingOffer,
    PairingOfferParams, PairingParams, SignIn,
};
use openwrap_contracts::run::DeviceRole;
use openwrap_contracts::{Fault, Outcome};
use serde_json::Value;

use crate::methods::{Call, caller, done, written};

pub(crate) fn list(call: &Call<'_>) -> Outcome<Value> {
    let _: Empty = call.read()?;
    let mut devices: Vec<DeviceEntry> = call
        .core
        .access
        .devices()
        .into_iter()
        .map(|device| DeviceEntry {
            own: device.device_id == call.actor.id,
            last_seen_at: device.last_seen_at.max(device.signed_in_at),
            device_id: device.device_id,
            name: device.name,
            role: device.role,
            created_at: device.created_at,
        })
        .collect();
    devices.reverse();
    written(&DeviceList {
        devices,
        remote: call.core.remote.door(),
    })
}

pub(crate) async fn set_role(call: &Call<'_>) -> Outcome<Value> {
    let params: DeviceRoleParams = call.read()?;
    let work = async {
        let core = call.core;
        let (device_id, role) = (params.device_id, params.role);
        let before = core.access.device(&device_id).map(|device| device.role);
        if before == Some(role) {
            return done(call);
        }
        core.access.set_role(&device_id, role)?;
        if role < DeviceRole::Drive {
            core.sessions.end_leases_of(&device_id).await?;
        }
        let fact = Fact::DeviceRoleChanged { device_id, role };
        core.note_as(call.actor.clone(), None, fact).await?;
        done(call)
    };
    call.core
        .requests
        .once(caller(&call.actor), "device.set_role", &params.request_id, work)
        .await
}

pub(crate) async fn revoke(call: &Call<'_>) -> Outcome<Value> {
    let params: DeviceParams = call.read()?;
    let work = async {
        let core = call.core;
        let device_id = params.device_id;
        core.access.revoke(&device_id)?;
        core.sessions.end_leases_of(&device_id).await?;
        core.note_as(call.actor.clone(), None, Fact::DeviceRevoked { device_id })
            .await?;
        done(call)
    };
    call.core
        .requests
        .once(caller(&call.actor), "device.revoke", &params.request_id, work)
        .await
}

pub(crate) fn offer(call: &Call<'_>) -> Outcome<Value> {
    let params: PairingOfferParams = call.read()?;
    let door = call.core.remote_door()?;
    let offer = call.core.access.offer(params.role, caller(&call.actor))?;
    written(&PairingOffer {
        links: door
            .origins
            .iter()
            .map(|origin| format!("{origin}/pair/{}", offer.link))
            .collect(),
        pairing_id: offer.pairing_id,
        code: offer.code,
        role: offer.role,
        expires_at: offer.expires_at,
    })
}

pub(crate) fn withdraw(call: &Call<'_>) -> Outcome<Value> {
    let params: PairingParams = call.read()?;
    call.core.access.withdraw(&params.pairing_id)?;
    done(call)
}

pub(crate) async fn claim(call: &Call<'_>) -> Outcome<Value> {
    // What is wrong with it is not repeated: it may hold the code.
    let params: PairingClaimParams =
        serde_json::from_str(call.params).map_err(|_| Fault::invalid("the parameters of a claim"))?;
    let core = call.core;
    core.remote_door()?;
    let (signed, offered_by) = core.access.claim(&Claim {
        link: &params.link,
        code: &params.code,
        name: &params.name,
        public_key: &params.public_key,
        signature: &params.signature,
    })?;
    let fact = Fact::DevicePaired {
        device_id: signed.device_id.clone(),
        name: params.name.trim().to_owned(),
        role: signed.role,
        offered_by,
    };
    core.note_as(Actor::person(signed.device_id.clone()), None, fact)
        .await?;
    written(&SignIn {
        device_id: signed.device_id,
        cookie: signed.cookie,
        tab_secret: signed.tab_secret,
        role: signed.role,
    })
}

pub(crate) fn known(call: &Call<'_>) -> Outcome<Value> {
    written(&PairingKnown {
        known: call.core.access.knows(call.credentials),
    })
}
