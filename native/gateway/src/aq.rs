//! The tool gateway of track AQ: servers with their tools, grants, calls and their audit. How a call reaches its server is the
//! executor's affair; everything that decides about it is here.

mod book;
mod redaction;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use openwrap_contracts::aq::{
    CapabilityGrant, McpManifest, McpServerConfig, ToolAuditEvent, ToolGatewaySnapshot, ToolInvocation,
    ToolRegistryEntry,
};
use openwrap_contracts::canonical::canonical_hash;
use openwrap_contracts::limits::{MCP_CALL_MS_MAX, MCP_MESSAGE_BYTES_MAX, TOOL_ARGUMENTS_BYTES_MAX};
use openwrap_contracts::ports::Clock;
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use serde_json::{Value, json};

use self::book::Book;
use self::redaction::Redaction;

/// Registry, grants and audit, with a clock for expiry and durations.
pub struct ToolGateway {
    book: Mutex<Book>,
    clock: Arc<dyn Clock>,
}

/// A call an executor is asked to make: everything about it is checked.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckedCall {
    pub entry: ToolRegistryEntry,
    /// How the server is reached; none for one that only has a manifest.
    pub server: Option<McpServerConfig>,
    pub request_id: String,
    pub arguments: Value,
    pub timeout_ms: u64,
}

impl ToolGateway {
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            book: Mutex::new(Book::default()),
            clock,
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a server's tools callable; all of them, or on an error none.
    ///
    /// # Errors
    /// `ALREADY_EXISTS` (server id, tool name), `INVALID_ARGUMENTS` (id, name, description, schema), `LIMIT_EXCEEDED`.
    pub fn register_manifest(&self, manifest: McpManifest) -> Outcome<()> {
        self.book().register_manifest(manifest)
    }

    /// Registers how a server is reached, and its manifest when it comes with one.
    ///
    /// # Errors
    /// As [`Self::register_manifest`]; `INVALID_ARGUMENTS` for a transport without its `command` or `url`.
    pub fn register_server(&self, config: McpServerConfig) -> Outcome<()> {
        self.book().register_server(config)
    }

    /// By server id, then tool name.
    #[must_use]
    pub fn list_tools(&self) -> Vec<ToolRegistryEntry> {
        self.book().list_tools()
    }

    /// # Errors
    /// `ALREADY_EXISTS`, `INVALID_ARGUMENTS` (no id or capability, an end before its beginning), `LIMIT_EXCEEDED`.
    pub fn grant_capability(&self, grant: CapabilityGrant) -> Outcome<()> {
        self.book().grant(grant)
    }

    /// # Errors
    /// `NOT_FOUND`.
    pub fn revoke_capability(&self, grant_id: &str) -> Outcome<()> {
        self.book().revoke(grant_id)
    }

    /// Audit events after a sequence, oldest first, at most `limit`.
    #[must_use]
    pub fn drain_audit_events(&self, after: Option<u64>, limit: Option<u32>) -> Vec<ToolAuditEvent> {
        self.book().audit_after(after, limit)
    }

    #[must_use]
    pub fn get_snapshot(&self) -> ToolGatewaySnapshot {
        self.book().snapshot()
    }

    /// Forgets everything; sequences begin again at 1.
    pub fn reset(&self) {
        *self.book() = Book::default();
    }

    /// One call, from the checks to its audit event. The executor is only asked when every check has passed; one that takes longer
    /// than its time is dropped.
    ///
    /// # Errors
    /// `NOT_FOUND` (tool), `INVALID_ARGUMENTS` naming the path, `PERMISSION_DENIED`, `TIMEOUT`, `EXECUTION_FAILED`,
    /// `LIMIT_EXCEEDED` (arguments or result).
    pub async fn call_tool<E, W>(&self, invocation: ToolInvocation, execute: E) -> Outcome<Value>
    where
        E: FnOnce(CheckedCall) -> W,
        W: Future<Output = Outcome<Value>>,
    {
        let mut entry = Entry::open(self, &invocation)?;
        let outcome = self.made(invocation, execute).await;
        entry.settle(&outcome)?;
        outcome
    }

    async fn made<E, W>(&self, invocation: ToolInvocation, execute: E) -> Outcome<Value>
    where
        E: FnOnce(CheckedCall) -> W,
        W: Future<Output = Outcome<Value>>,
    {
        let call = self.book().checked(invocation, self.clock.now_ms())?;
        let wall = Duration::from_millis(call.timeout_ms);
        let tool_id = call.entry.tool_id.clone();
        let answer = tokio::time::timeout(wall, execute(call)).await.map_err(|_| {
            Fault::new(
                ErrorCode::Timeout,
                format!("`{tool_id}` did not answer within {} ms", wall.as_millis()),
            )
        })?;
        let value = answer.map_err(|fault| match fault.code {
            ErrorCode::Timeout | ErrorCode::ExecutionFailed => fault,
            code => Fault::new(
                ErrorCode::ExecutionFailed,
                format!("{tool_id}: {}: {}", code.as_str(), fault.message),
            ),
        })?;
        within(&value, MCP_MESSAGE_BYTES_MAX, "the result")?;
        Ok(value)
    }
}

/// The audit of one call under way. A call that is dropped before its end counts as failed.
struct Entry<'a> {
    gateway: &'a ToolGateway,
    redaction: Redaction,
    started: i64,
    event: Option<ToolAuditEvent>,
}

impl<'a> Entry<'a> {
    fn open(gateway: &'a ToolGateway, invocation: &ToolInvocation) -> Outcome<Self> {
        let redaction = Redaction::new(invocation.redact_keys.as_deref().unwrap_or_default());
        let input_hash = canonical_hash(&redaction.of(&invocation.arguments))?;
        let started = gateway.clock.now_ms();
        let event = ToolAuditEvent {
            sequence: 0,
            tool_id: invocation.tool_id.clone(),
            request_id: invocation.request_id.clone(),
            grant_ids: invocation.grant_ids.clone(),
            input_hash,
            output_hash: error_hash(ErrorCode::Canceled)?,
            success: false,
            duration_ms: 0,
            created_at: started,
        };
        Ok(Self {
            gateway,
            redaction,
            started,
            event: Some(event),
        })
    }

    fn settle(&mut self, outcome: &Outcome<Value>) -> Outcome<()> {
        let output_hash = match outcome {
            Ok(value) => canonical_hash(&self.redaction.of(value))?,
            Err(fault) => error_hash(fault.code)?,
        };
        if let Some(event) = &mut self.event {
            event.output_hash = output_hash;
            event.success = outcome.is_ok();
        }
        self.note();
        Ok(())
    }

    fn note(&mut self) {
        let Some(mut event) = self.event.take() else { return };
        let now = self.gateway.clock.now_ms();
        event.created_at = now;
        event.duration_ms = u32::try_from(now.saturating_sub(self.started).max(0)).unwrap_or(u32::MAX);
        self.gateway.book().note(event);
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.note();
    }
}

fn error_hash(code: ErrorCode) -> Outcome<String> {
    canonical_hash(&json!({ "error": code }))
}

fn within(value: &Value, bytes_max: usize, what: &str) -> Outcome<()> {
    let size = value.to_string().len();
    if size <= bytes_max {
        return Ok(());
    }
    Err(Fault::new(
        ErrorCode::LimitExceeded,
        format!("{what} has {size} bytes, {bytes_max} are the most"),
    ))
}

/// Checked arguments stay below the limit of the product's own calls.
fn arguments_within(arguments: &Value) -> Outcome<()> {
    within(arguments, TOOL_ARGUMENTS_BYTES_MAX, "the arguments object")
}

/// Time a call may take.
fn wall_ms(asked: Option<u32>) -> u64 {
    asked.map_or(MCP_CALL_MS_MAX, u64::from).clamp(1, MCP_CALL_MS_MAX)
}
