//! The engines of runs under way, for tools whose work is a model call.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openwrap_agent::engine::Engine;
use openwrap_contracts::{ErrorCode, Fault, Outcome};

/// By run id.
#[derive(Default)]
pub struct LiveEngines(Mutex<HashMap<String, Arc<Engine>>>);

impl LiveEngines {
    fn all(&self) -> MutexGuard<'_, HashMap<String, Arc<Engine>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn insert(&self, engine: &Arc<Engine>) {
        self.all().insert(engine.spec.run_id.clone(), Arc::clone(engine));
    }

    pub fn remove(&self, run_id: &str) {
        self.all().remove(run_id);
    }

    /// # Errors
    /// `INVALID_STATE`.
    pub fn get(&self, run_id: &str) -> Outcome<Arc<Engine>> {
        let missing = || Fault::new(ErrorCode::InvalidState, format!("run {run_id} is not under way"));
        self.all().get(run_id).cloned().ok_or_else(missing)
    }
}
