//! Entry `model-fabric`: the model fabric of track AS over the core's own. Values cross as JSON text.

use std::sync::Arc;

use napi::bindgen_prelude::Promise;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;
use openwrap_contracts::fabric::{FabricContext, FabricRequest};
use openwrap_contracts::identity::StepRef;
use openwrap_contracts::ports::{Secret, Task, TextSink, Vault};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use openwrap_runtime::SystemClock;
use openwrap_runtime::fabric::Fabric;
use serde_json::json;

use crate::crossing::{limited, read, sequence, thrown, told, write};

/// Questions for a secret under way before the next one is refused.
const SECRETS_WAITING: usize = 1_024;
/// Pieces of text waiting for JavaScript; the answer has all of them in any case.
const PIECES_WAITING: usize = 1_024;

type SecretReader = ThreadsafeFunction<String, Promise<String>, String, napi::Status, false, true, SECRETS_WAITING>;
type Listener = ThreadsafeFunction<String, (), String, napi::Status, false, true, PIECES_WAITING>;

/// Thin face over the Rust fabric: same rules, no second implementation. Errors are thrown with the JSON text of a fault as their
/// message.
#[napi]
pub struct ModelFabric {
    inner: Arc<Fabric>,
}

struct Secrets(SecretReader);

impl Vault for Secrets {
    fn open(&self, name: &str) -> Task<'_, Outcome<Secret>> {
        let name = name.to_owned();
        Box::pin(async move {
            // What JavaScript says of it may hold the secret, so it is not repeated.
            let locked = |_| Fault::new(ErrorCode::VaultLocked, "the secret of the provider could not be read");
            let promise = self.0.call_async_catch(name).await.map_err(locked)?;
            let secret = promise.await.map_err(locked)?;
            Ok(Secret::new(secret.into_bytes()))
        })
    }
}

struct Heard(Option<Listener>);

impl TextSink for Heard {
    fn delta(&self, _run_id: &str, _step: &StepRef, offset: usize, text: &str) {
        if let Some(listener) = &self.0 {
            let piece = json!({ "offset": offset, "text": text }).to_string();
            listener.call(piece, ThreadsafeFunctionCallMode::NonBlocking);
        }
    }
}

#[napi]
impl ModelFabric {
    /// `readSecret` is asked with a provider's `authRef` for each request to it, and resolves to the key.
    #[napi(constructor, ts_args_type = "readSecret: (authRef: string) => Promise<string>")]
    pub fn new(read_secret: SecretReader) -> napi::Result<Self> {
        let inner = Fabric::new(Arc::new(Secrets(read_secret)), Arc::new(SystemClock));
        Ok(Self {
            inner: Arc::new(inner.map_err(|fault| thrown(&fault))?),
        })
    }

    /// Takes the JSON of `ProviderConfigRecord[]`.
    #[napi]
    pub fn load_providers(&self, records_json: String) -> napi::Result<()> {
        told(self.inner.load_providers(read(&records_json)?))
    }

    /// Takes the JSON of `RouteRule[]`.
    #[napi]
    pub fn load_routes(&self, rules_json: String) -> napi::Result<()> {
        told(self.inner.load_routes(read(&rules_json)?))
    }

    /// Takes the JSON of `FabricRequest` and of `FabricContext`, resolves to the JSON of `FabricAnswer`.
    #[napi]
    pub async fn complete(&self, request_json: String, context_json: Option<String>) -> napi::Result<String> {
        let (request, context) = question(&request_json, context_json)?;
        write(self.inner.complete(request, context, Arc::new(Heard(None))).await)
    }

    /// As `complete`; `onText` gets the JSON of `{ offset, text }` as words come. An offset of 0 again means that they start over.
    #[napi(
        ts_args_type = "requestJson: string, contextJson: string | undefined | null, onText: (pieceJson: string) => void"
    )]
    pub async fn stream(
        &self,
        request_json: String,
        context_json: Option<String>,
        on_text: Listener,
    ) -> napi::Result<String> {
        let (request, context) = question(&request_json, context_json)?;
        write(
            self.inner
                .complete(request, context, Arc::new(Heard(Some(on_text))))
                .await,
        )
    }

    /// Answers the JSON of `ModelFabricSnapshot`.
    #[napi]
    pub fn get_snapshot(&self) -> napi::Result<String> {
        write(Ok(self.inner.snapshot()))
    }

    /// Answers the JSON of `ModelUsageEvent[]`.
    #[napi]
    pub fn drain_usage_events(&self, after: Option<f64>, limit: Option<f64>) -> napi::Result<String> {
        let limit = limited(limit)?.map_or(usize::MAX, |limit| limit as usize);
        write(Ok(self.inner.usage_events(sequence(after)?.unwrap_or(0), limit)))
    }

    #[napi]
    pub fn reset(&self) {
        self.inner.reset();
    }
}

fn question(request: &str, context: Option<String>) -> napi::Result<(FabricRequest, FabricContext)> {
    let context = context.map_or_else(|| Ok(FabricContext::default()), |context| read(&context))?;
    Ok((read(request)?, context))
}
