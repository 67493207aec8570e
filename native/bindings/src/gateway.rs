//! Entry `tool-gateway`: the tool gateway of track AQ over the core's own. Values cross as JSON text.

use std::sync::Arc;

use napi::bindgen_prelude::Promise;
use napi::threadsafe_function::ThreadsafeFunction;
use napi_derive::napi;
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use openwrap_gateway::aq::{CheckedCall, ToolGateway as Gateway};
use openwrap_runtime::SystemClock;
use serde_json::{Value, json};

use crate::crossing::{limited, read, sequence, told, write};

/// Calls under way before the next one is refused.
const CALLS_WAITING: usize = 1_024;

/// What carries a checked call to its server. Weak: a gateway does not keep Node alive.
type Carrier = ThreadsafeFunction<String, Promise<String>, String, napi::Status, false, true, CALLS_WAITING>;

/// Thin face over the Rust gateway: same rules, no second implementation. Errors are thrown with the JSON text of a fault as their
/// message.
#[napi]
pub struct ToolGateway {
    inner: Gateway,
    carrier: Arc<Carrier>,
}

#[napi]
impl ToolGateway {
    /// `execute` is asked once for each call that has passed every check, with the JSON of
    /// `{ toolId, serverId, toolName, requestId, arguments, timeoutMs, server? }`, and resolves to the JSON of the result.
    #[napi(constructor, ts_args_type = "execute: (callJson: string) => Promise<string>")]
    pub fn new(execute: Carrier) -> Self {
        Self {
            inner: Gateway::new(Arc::new(SystemClock)),
            carrier: Arc::new(execute),
        }
    }

    /// Takes the JSON of `McpManifest`.
    #[napi]
    pub fn register_manifest(&self, manifest_json: String) -> napi::Result<()> {
        told(self.inner.register_manifest(read(&manifest_json)?))
    }

    /// Takes the JSON of `McpServerConfig`.
    #[napi]
    pub fn register_server(&self, config_json: String) -> napi::Result<()> {
        told(self.inner.register_server(read(&config_json)?))
    }

    /// Answers the JSON of `ToolRegistryEntry[]`.
    #[napi]
    pub fn list_tools(&self) -> napi::Result<String> {
        write(Ok(self.inner.list_tools()))
    }

    /// Takes the JSON of `ToolInvocation`, resolves to the JSON of the tool's result.
    #[napi]
    pub async fn call_tool(&self, invocation_json: String) -> napi::Result<String> {
        let invocation = read(&invocation_json)?;
        let carrier = Arc::clone(&self.carrier);
        write(self.inner.call_tool(invocation, |call| carried(carrier, call)).await)
    }

    /// Takes the JSON of `CapabilityGrant`.
    #[napi]
    pub fn grant_capability(&self, grant_json: String) -> napi::Result<()> {
        told(self.inner.grant_capability(read(&grant_json)?))
    }

    #[napi]
    pub fn revoke_capability(&self, grant_id: String) -> napi::Result<()> {
        told(self.inner.revoke_capability(&grant_id))
    }

    /// Answers the JSON of `ToolAuditEvent[]`.
    #[napi]
    pub fn drain_audit_events(&self, after: Option<f64>, limit: Option<f64>) -> napi::Result<String> {
        write(Ok(self.inner.drain_audit_events(sequence(after)?, limited(limit)?)))
    }

    /// Answers the JSON of `ToolGatewaySnapshot`.
    #[napi]
    pub fn get_snapshot(&self) -> napi::Result<String> {
        write(Ok(self.inner.get_snapshot()))
    }

    #[napi]
    pub fn reset(&self) {
        self.inner.reset();
    }
}

async fn carried(carrier: Arc<Carrier>, call: CheckedCall) -> Outcome<Value> {
    let asked = json!({
        "toolId": call.entry.tool_id,
        "serverId": call.entry.server_id,
        "toolName": call.entry.tool.name,
        "requestId": call.request_id,
        "arguments": call.arguments,
        "timeoutMs": call.timeout_ms,
        "server": call.server,
    });
    let failed = |error: &napi::Error| Fault::new(ErrorCode::ExecutionFailed, error.reason.to_string());
    let promise = carrier.call_async_catch(asked.to_string()).await;
    let text = match promise {
        Ok(promise) => promise.await.map_err(|error| failed(&error))?,
        Err(error) => return Err(failed(&error)),
    };
    serde_json::from_str(&text)
        .map_err(|error| Fault::new(ErrorCode::ExecutionFailed, format!("the result is no JSON: {error}")))
}
