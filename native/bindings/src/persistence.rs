//! Entry `persistence`: the store of track AU over the ledger of the core. Values cross as JSON text.

use napi_derive::napi;
use openwrap_contracts::Fault;
use openwrap_contracts::au::PersistenceFilter;
use openwrap_ledger::PersistenceStore as Store;
use zeroize::Zeroizing;

use crate::crossing::{read, thrown, told, whole, write};

/// Thin face over the Rust store. Errors are thrown with the JSON text of a fault as their message.
#[napi]
pub struct PersistenceStore {
    inner: Store,
}

#[napi]
impl PersistenceStore {
    /// Takes the JSON of `PersistenceConfig`.
    #[napi(constructor)]
    pub fn new(config_json: String) -> napi::Result<Self> {
        let inner = Store::new(&read(&config_json)?);
        Ok(Self {
            inner: inner.map_err(|fault| thrown(&fault))?,
        })
    }

    /// Opens the folder, or makes it; a second call does nothing.
    #[napi]
    pub async fn open(&self) -> napi::Result<()> {
        told(self.inner.open().await)
    }

    /// Gives the folder free; what was kept stays.
    #[napi]
    pub async fn close(&self) {
        self.inner.close().await;
    }

    /// Takes the JSON of `TaskRun`.
    #[napi]
    pub async fn save_task_run(&self, run_json: String) -> napi::Result<()> {
        told(self.inner.save_task_run(read(&run_json)?).await)
    }

    /// `status`: as in `TaskRun`.
    #[napi]
    pub async fn update_task_run_status(
        &self,
        run_id: String,
        status: String,
        ended_at: Option<f64>,
    ) -> napi::Result<()> {
        let status = serde_json::from_value(status.into()).map_err(|error| thrown(&Fault::from(error)))?;
        let ended_at = whole(ended_at, "endedAt")?;
        told(self.inner.update_task_run_status(run_id, status, ended_at).await)
    }

    /// Takes the JSON of `PersistenceFilter`, resolves to the JSON of `TaskRun[]`.
    #[napi]
    pub async fn list_task_runs(&self, filter_json: Option<String>) -> napi::Result<String> {
        write(self.inner.list_task_runs(&filter(filter_json)?).await)
    }

    /// Takes the JSON of `ToolEvent`.
    #[napi]
    pub async fn save_tool_event(&self, event_json: String) -> napi::Result<()> {
        told(self.inner.save_tool_event(read(&event_json)?).await)
    }

    /// Takes the JSON of `ModelEvent`.
    #[napi]
    pub async fn save_model_event(&self, event_json: String) -> napi::Result<()> {
        told(self.inner.save_model_event(read(&event_json)?).await)
    }

    /// Takes the JSON of `AuWorkspaceEvent`.
    #[napi]
    pub async fn save_workspace_event(&self, event_json: String) -> napi::Result<()> {
        told(self.inner.save_workspace_event(read(&event_json)?).await)
    }

    /// Resolves to the JSON of `SecretRecord`.
    #[napi]
    pub async fn store_secret(&self, key: String, secret: String) -> napi::Result<String> {
        let secret = Zeroizing::new(secret.into_bytes());
        write(self.inner.store_secret(key, secret).await)
    }

    /// Resolves to the plain text.
    #[napi]
    pub async fn load_secret(&self, key: String) -> napi::Result<String> {
        let secret = self.inner.load_secret(&key).await.map_err(|fault| thrown(&fault))?;
        let text = std::str::from_utf8(&secret).map(str::to_owned);
        text.map_err(|_| thrown(&Fault::invalid("the secret is no text")))
    }

    /// Takes the JSON of `PersistenceFilter`, resolves to the JSON of `ExportBundle`.
    #[napi]
    pub async fn export_bundle(&self, filter_json: Option<String>) -> napi::Result<String> {
        write(self.inner.export_bundle(&filter(filter_json)?).await)
    }

    /// Removes the secrets and lists nothing of what was kept so far any more; the chain goes on.
    #[napi]
    pub async fn reset(&self) -> napi::Result<()> {
        told(self.inner.reset().await)
    }
}

fn filter(json: Option<String>) -> napi::Result<PersistenceFilter> {
    json.map_or_else(|| Ok(PersistenceFilter::default()), |json| read(&json))
}
