//! Entry `agent-workforce`: the orchestrator of track AP over the core the runtime uses. Values cross as JSON text.

use napi_derive::napi;
use openwrap_contracts::Fault;
use openwrap_contracts::ap::WorkforceConfig;
use openwrap_workforce::WorkforceOrchestrator as Orchestrator;
use serde_json::json;

use crate::crossing::{limited, read, sequence, thrown, told, whole, write};

/// Thin face over the Rust orchestrator: same rules, no second implementation. Errors are thrown with the JSON text of a fault as
/// their message.
#[napi]
pub struct WorkforceOrchestrator {
    inner: Orchestrator,
}

#[napi]
impl WorkforceOrchestrator {
    /// Takes the JSON of `WorkforceConfig`.
    #[napi(constructor)]
    pub fn new(config_json: Option<String>) -> napi::Result<Self> {
        let config = match config_json {
            Some(json) => read(&json)?,
            None => WorkforceConfig::default(),
        };
        Ok(Self {
            inner: Orchestrator::new(config),
        })
    }

    /// Takes the JSON of `WorkforcePlanInput`.
    #[napi]
    pub fn load_plan(&mut self, plan_json: String) -> napi::Result<()> {
        told(self.inner.load_plan(read(&plan_json)?))
    }

    /// Takes the JSON of `WorkforceWorkerRegistration`.
    #[napi]
    pub fn register_worker(&mut self, worker_json: String) -> napi::Result<()> {
        told(self.inner.register_worker(read(&worker_json)?))
    }

    /// Takes the JSON of `WorkforceWorkerRegistration[]`: all are registered, or on an error none.
    #[napi]
    pub fn register_workers(&mut self, workers_json: String) -> napi::Result<()> {
        told(self.inner.register_workers(read(&workers_json)?))
    }

    /// Answers the JSON of `WorkforceAssignment[]`.
    #[napi]
    pub fn schedule(&mut self, now_ms: Option<f64>) -> napi::Result<String> {
        let now_ms = whole(now_ms, "nowMs")?;
        write(self.inner.schedule(now_ms))
    }

    /// Takes the JSON of `WorkforceResultEnvelope`.
    #[napi]
    pub fn submit_result(&mut self, result_json: String, now_ms: Option<f64>) -> napi::Result<()> {
        let now_ms = whole(now_ms, "nowMs")?;
        told(self.inner.submit_result(read(&result_json)?, now_ms))
    }

    #[napi]
    pub fn cancel_task(&mut self, task_id: String, reason: Option<String>) -> napi::Result<()> {
        told(self.inner.cancel_task(&task_id, reason))
    }

    /// `decision`: `retry`, `fail` or `cancel`.
    #[napi]
    pub fn resolve_escalation(&mut self, task_id: String, decision: String, now_ms: Option<f64>) -> napi::Result<()> {
        let now_ms = whole(now_ms, "nowMs")?;
        let decision = serde_json::from_value(json!(decision)).map_err(|error| thrown(&Fault::from(error)))?;
        told(self.inner.resolve_escalation(&task_id, decision, now_ms))
    }

    #[napi]
    pub fn reopen_tasks(&mut self, task_ids: Vec<String>, now_ms: Option<f64>) -> napi::Result<()> {
        let now_ms = whole(now_ms, "nowMs")?;
        told(self.inner.reopen_tasks(&task_ids, now_ms))
    }

    /// Answers the JSON of `WorkforceTask[]`.
    #[napi]
    pub fn list_tasks(&self) -> napi::Result<String> {
        write(Ok(self.inner.list_tasks()))
    }

    /// Answers the JSON of `WorkforceWorker[]`.
    #[napi]
    pub fn list_workers(&self) -> napi::Result<String> {
        write(Ok(self.inner.list_workers()))
    }

    /// Answers the JSON of `WorkforceEvent[]`.
    #[napi]
    pub fn drain_events(&self, after: Option<f64>, limit: Option<f64>) -> napi::Result<String> {
        write(self.inner.drain_events(sequence(after)?, limited(limit)?))
    }

    /// Answers the JSON of `WorkforceChannelMessage[]`.
    #[napi]
    pub fn list_channel_messages(&self, after: Option<f64>, limit: Option<f64>) -> napi::Result<String> {
        write(self.inner.list_channel_messages(sequence(after)?, limited(limit)?))
    }

    /// Answers the JSON of `WorkforceSnapshot`.
    #[napi]
    pub fn get_snapshot(&self) -> napi::Result<String> {
        write(Ok(self.inner.get_snapshot()))
    }

    #[napi]
    pub fn reset(&mut self) {
        self.inner.reset();
    }
}
