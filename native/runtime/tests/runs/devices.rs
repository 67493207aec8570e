//! What a device may still do once it was signed out, or may do less: nothing that it began before.

use std::task::{Context, Poll, Waker};

use openwrap_contracts::{ErrorCode, Fault};
use serde_json::{Value, json};

use crate::world::model::{Asked, Reply, Script};
use crate::world::{World, task, yes};

/// A signed-in browser: its id and its credentials.
pub(super) struct Browser {
    pub device_id: String,
    credentials: String,
}

impl Browser {
    pub async fn sign_in(world: &World) -> Self {
        let link = world.call("launch.create", json!({})).await.unwrap();
        let code = link["url"].as_str().unwrap().split("code=").nth(1).unwrap().to_owned();
        let redeem = json!({ "code": code }).to_string();
        let signed = world.core.call_json("session.redeem", &redeem, "{}").await.unwrap();
        let credentials = json!({ "cookie": signed["cookie"], "tabSecret": signed["tabSecret"] });
        Self {
            device_id: signed["deviceId"].as_str().unwrap().to_owned(),
            credentials: credentials.to_string(),
        }
    }

    pub async fn call(&self, world: &World, method: &str, params: &Value) -> Result<Value, Fault> {
        world
            .core
            .call_json(method, &params.to_string(), &self.credentials)
            .await
    }
}

/// Takes a session twice with one request, so that the second waits for the first; the device is signed out meanwhile, and the first
/// breaks off. What the second does then, it does as nobody.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_not_taken_by_who_was_signed_out_meanwhile() {
    let play: Script = std::sync::Arc::new(|asked: &Asked| match (asked.role.as_str(), asked.turn) {
        ("planner", _) => Reply::call(
            "plan.submit",
            json!({ "summary": "One.", "tasks": [
                    task("first", "developer", &[], &["read:.", "run:cat"], &[]),
                ] }),
        ),
        ("answer", _) => Reply::text("Done."),
        (_, 0) => Reply::call("shell.exec", json!({ "command": ["cat"], "background": true })),
        _ => Reply::text("done"),
    });
    let world = World::new(play, &[]).await;
    *world.model.hold.lock().unwrap() = "first.1".to_owned();
    let run_id = world.start("run", "all", 1).await;
    let session = loop {
        let sessions = world.call("session.list", json!({ "runId": run_id })).await.unwrap();
        if let Some(session) = sessions["sessions"][0]["sessionId"].as_str() {
            break session.to_owned();
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    };
    let browser = Browser::sign_in(&world).await;
    let take = json!({ "requestId": "t", "sessionId": session });
    let mut first = Box::pin(browser.call(&world, "session.take", &take));
    let mut second = Box::pin(browser.call(&world, "session.take", &take));
    let mut unwoken = Context::from_waker(Waker::noop());
    assert!(matches!(first.as_mut().poll(&mut unwoken), Poll::Pending));
    assert!(matches!(second.as_mut().poll(&mut unwoken), Poll::Pending));
    let revoke = json!({ "requestId": "r", "deviceId": browser.device_id });
    world.call("device.revoke", revoke).await.unwrap();
    drop(first);
    assert_eq!(second.await.unwrap_err().code, ErrorCode::Unauthorized);
    let sessions = world.call("session.list", json!({ "runId": run_id })).await.unwrap();
    assert_eq!(sessions["sessions"][0]["controllerId"], Value::Null, "{sessions}");
    world.model.hold.lock().unwrap().clear();
    world.finish(&run_id, yes).await;
}
