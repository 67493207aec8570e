//! The rules of track AQ, each by the calls of the native class.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use openwrap_contracts::aq::{CapabilityGrant, McpManifest, McpServerConfig, ToolInvocation};
use openwrap_contracts::canonical::canonical_hash;
use openwrap_contracts::ports::Clock;
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use serde_json::{Value, json};

use super::{CheckedCall, ToolGateway};

struct Time(AtomicI64);

impl Clock for Time {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

fn tool(name: &str, annotations: &Value) -> Value {
    json!({
        "name": name, "description": "Does it.", "annotations": annotations,
        "inputSchema": { "type": "object", "properties": { "path": { "type": "string" } }, "required": ["path"] },
    })
}

fn manifest(server: &str, tools: &[Value]) -> McpManifest {
    serde_json::from_value(json!({ "serverId": server, "name": server, "version": "1", "tools": tools })).unwrap()
}

fn gateway(tools: &[Value]) -> (ToolGateway, Arc<Time>) {
    let time = Arc::new(Time(AtomicI64::new(1_000)));
    let gateway = ToolGateway::new(Arc::clone(&time) as Arc<dyn Clock>);
    gateway.register_manifest(manifest("files", tools)).unwrap();
    (gateway, time)
}

fn grant(id: &str, capability: &str, more: &Value) -> CapabilityGrant {
    let mut grant = json!({ "grantId": id, "capability": capability, "issuedAt": 500 });
    grant
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().cloned().unwrap_or_default());
    serde_json::from_value(grant).unwrap()
}

fn invocation(tool: &str, arguments: &Value, grants: &[&str]) -> ToolInvocation {
    serde_json::from_value(
        json!({ "toolId": tool, "requestId": "q", "arguments": arguments, "grantIds": grants, "redactKeys": ["Pin"], "timeoutMs": 40 }),
    )
    .unwrap()
}

async fn called(gateway: &ToolGateway, tool: &str, grants: &[&str]) -> Result<Value, ErrorCode> {
    let echo = |call: CheckedCall| async move { Ok(call.arguments) };
    let call = invocation(tool, &json!({ "path": "a" }), grants);
    gateway.call_tool(call, echo).await.map_err(|fault| fault.code)
}

fn code<T: std::fmt::Debug>(outcome: Outcome<T>) -> ErrorCode {
    outcome.unwrap_err().code
}

#[test]
fn servers_and_tools_have_one_owner_and_one_order() {
    let (gateway, _) = gateway(&[tool("read", &Value::Null), tool("list", &Value::Null)]);
    gateway
        .register_manifest(manifest("alpha", &[tool("read", &Value::Null)]))
        .unwrap();
    let ids: Vec<String> = gateway.list_tools().into_iter().map(|entry| entry.tool_id).collect();
    assert_eq!(ids, ["alpha:read", "files:list", "files:read"]);
    assert_eq!(
        code(gateway.register_manifest(manifest("files", &[]))),
        ErrorCode::AlreadyExists
    );
    let twice = manifest("beta", &[tool("x", &Value::Null), tool("x", &Value::Null)]);
    assert_eq!(code(gateway.register_manifest(twice)), ErrorCode::AlreadyExists);
    for wrong in [
        json!({ "name": "", "description": "d", "inputSchema": {} }),
        json!({ "name": "x", "description": " ", "inputSchema": {} }),
        json!({ "name": "x", "description": "d", "inputSchema": [] }),
        json!({ "name": "x", "description": "d", "inputSchema": { "type": "strng" } }),
    ] {
        assert_eq!(
            code(gateway.register_manifest(manifest("beta", &[wrong]))),
            ErrorCode::InvalidArguments
        );
    }
    for id in ["", "../x", "a:b", "-a", "a b"] {
        assert_eq!(
            code(gateway.register_manifest(manifest(id, &[]))),
            ErrorCode::InvalidArguments
        );
    }
    assert_eq!(gateway.list_tools().len(), 3, "a refused manifest leaves nothing");
}

#[test]
fn a_server_needs_what_its_transport_needs() {
    let (gateway, _) = gateway(&[]);
    let config = |value: Value| -> McpServerConfig { serde_json::from_value(value).unwrap() };
    for wrong in [
        json!({ "serverId": "s", "transport": "stdio" }),
        json!({ "serverId": "s", "transport": "http", "command": "x" }),
        json!({ "serverId": "s", "transport": "websocket", "url": "" }),
        json!({ "serverId": "s", "transport": "stdio", "command": "x", "manifest": manifest("other", &[]) }),
    ] {
        assert_eq!(
            code(gateway.register_server(config(wrong))),
            ErrorCode::InvalidArguments
        );
    }
    let own = manifest("s", &[tool("read", &Value::Null)]);
    let right = json!({ "serverId": "s", "transport": "stdio", "command": "x", "manifest": own });
    gateway.register_server(config(right.clone())).unwrap();
    assert_eq!(gateway.list_tools().len(), 1);
    assert_eq!(code(gateway.register_server(config(right))), ErrorCode::AlreadyExists);
}

#[tokio::test]
async fn every_scope_needs_a_live_grant_that_the_call_names() {
    let scopes = json!({ "requiredScopes": ["files.read", "net:api.example.org:443"], "policyAction": "audit" });
    let (gateway, time) = gateway(&[tool("read", &scopes), tool("free", &Value::Null)]);
    assert_eq!(
        called(&gateway, "files:free", &[]).await,
        Ok(json!({ "path": "a" })),
        "a tool without scopes needs none"
    );
    for grant in [
        grant("g1", "files.read", &json!({ "expiresAt": 2_000 })),
        grant("g2", "net:*.example.org", &json!({ "scope": "files" })),
        grant("g3", "audit", &json!({ "scope": "files:read" })),
        grant("g4", "audit", &json!({ "scope": "files:free" })),
        grant("g5", "audit", &json!({ "issuedAt": 5_000 })),
        grant("g6", "net:example.com", &json!({})),
    ] {
        gateway.grant_capability(grant).unwrap();
    }
    assert!(called(&gateway, "files:read", &["g1", "g2", "g3"]).await.is_ok());
    for short in [
        &["g1", "g2"][..],
        &["g1", "g2", "g4"],
        &["g1", "g2", "g5"],
        &["g1", "g6", "g3"],
        &["g1", "g2", "none"],
        &[],
    ] {
        assert_eq!(
            called(&gateway, "files:read", short).await,
            Err(ErrorCode::PermissionDenied),
            "{short:?}"
        );
    }
    time.0.store(2_000, Ordering::Relaxed);
    assert_eq!(
        called(&gateway, "files:read", &["g1", "g2", "g3"]).await,
        Err(ErrorCode::PermissionDenied)
    );
    time.0.store(1_000, Ordering::Relaxed);
    gateway.revoke_capability("g3").unwrap();
    assert_eq!(
        called(&gateway, "files:read", &["g1", "g2", "g3"]).await,
        Err(ErrorCode::PermissionDenied)
    );
    assert_eq!(code(gateway.revoke_capability("g3")), ErrorCode::NotFound);
    assert_eq!(
        code(gateway.grant_capability(grant("g1", "x", &json!({})))),
        ErrorCode::AlreadyExists
    );
    assert_eq!(
        code(gateway.grant_capability(grant("g9", "x", &json!({ "expiresAt": 500 })))),
        ErrorCode::InvalidArguments
    );
}

#[tokio::test]
async fn what_needs_confirmation_needs_a_grant_from_an_approval() {
    let confirmed = json!({ "requiredScopes": ["files.write"], "requiresConfirmation": true });
    let bare = json!({ "requiresConfirmation": true });
    let (gateway, _) = gateway(&[tool("write", &confirmed), tool("send", &bare)]);
    let approval = json!({ "approvalId": "ask_1" });
    for grant in [
        grant("plain", "files.write", &json!({})),
        grant("said", "files.write", &approval),
        grant("other", "files.read", &approval),
        grant("own", "files:send", &approval),
        grant("mcp", "mcp:files/*", &approval),
    ] {
        gateway.grant_capability(grant).unwrap();
    }
    for (tool, grants, allowed) in [
        ("files:write", &["plain"][..], false),
        ("files:write", &["plain", "other"], false),
        ("files:write", &["said"], true),
        ("files:send", &["said"], false),
        ("files:send", &["own"], true),
        ("files:send", &["mcp"], true),
    ] {
        assert_eq!(
            called(&gateway, tool, grants).await.is_ok(),
            allowed,
            "{tool} {grants:?}"
        );
    }
}

#[tokio::test]
async fn arguments_time_and_failures_have_their_codes() {
    let (gateway, _) = gateway(&[tool("read", &Value::Null)]);
    let asked = AtomicUsize::new(0);
    let run = async |tool: &str, arguments: Value| {
        let execute = |_: CheckedCall| async {
            asked.fetch_add(1, Ordering::Relaxed);
            Err(Fault::new(ErrorCode::EgressFailed, "gone"))
        };
        let call = invocation(tool, &arguments, &[]);
        gateway.call_tool(call, execute).await.unwrap_err()
    };
    assert_eq!(run("files:none", json!({})).await.code, ErrorCode::NotFound);
    let wrong = run("files:read", json!({ "path": 3 })).await;
    assert_eq!(wrong.code, ErrorCode::InvalidArguments);
    assert!(wrong.message.contains("/path"), "{}", wrong.message);
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    let failed = run("files:read", json!({ "path": "a" })).await;
    assert_eq!(failed.code, ErrorCode::ExecutionFailed);
    assert!(failed.message.contains("gone"));
    let never = |_: CheckedCall| std::future::pending::<Outcome<Value>>();
    let call = invocation("files:read", &json!({ "path": "a" }), &[]);
    assert_eq!(code(gateway.call_tool(call, never).await), ErrorCode::Timeout);
    let cut = invocation("files:read", &json!({ "path": "a" }), &[]);
    drop(Box::pin(gateway.call_tool(cut, never)));
    let codes: Vec<(u64, bool)> = gateway
        .drain_audit_events(None, None)
        .iter()
        .map(|event| (event.sequence, event.success))
        .collect();
    assert_eq!(
        codes,
        [(1, false), (2, false), (3, false), (4, false)],
        "one event a call that began"
    );
}

#[tokio::test]
async fn the_audit_holds_hashes_of_what_is_left_without_secrets() {
    let (gateway, time) = gateway(&[tool("read", &Value::Null)]);
    let secret =
        json!({ "path": "a", "API_KEY": "1", "in": [{ "Token": { "x": 2 }, "secret": 3 }], "passWord": 4, "pin": 5 });
    let call = invocation("files:read", &secret, &["g"]);
    gateway
        .call_tool(call, |call| async move {
            time.0.store(1_250, Ordering::Relaxed);
            Ok(call.arguments)
        })
        .await
        .unwrap();
    let hidden = "[redacted]";
    let left = json!({ "path": "a", "API_KEY": hidden, "in": [{ "Token": hidden, "secret": hidden }], "passWord": hidden, "pin": hidden });
    let events = gateway.drain_audit_events(None, None);
    let event = &events[0];
    let hash = canonical_hash(&left).unwrap();
    assert_eq!(
        (event.input_hash.as_str(), event.output_hash.as_str()),
        (hash.as_str(), hash.as_str())
    );
    assert_eq!(
        (
            event.success,
            event.duration_ms,
            event.created_at,
            event.request_id.as_str()
        ),
        (true, 250, 1_250, "q")
    );
    called(&gateway, "files:read", &[]).await.unwrap();
    assert_eq!(gateway.drain_audit_events(Some(1), None).len(), 1);
    assert_eq!(gateway.drain_audit_events(None, Some(1))[0].sequence, 1);
    assert_eq!(gateway.get_snapshot().audit_cursor, 2);
    gateway.reset();
    let snapshot = gateway.get_snapshot();
    assert!(snapshot.tools.is_empty() && snapshot.grants.is_empty() && snapshot.audit_cursor == 0);
}
