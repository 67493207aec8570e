//! One way to run a script, with a few tools that answer by rule.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use openwrap_contracts::fault::{ErrorCode, Fault, Outcome};
use openwrap_contracts::ports::{CancellationToken, Task};
use openwrap_script::{Answer, Bounds, Call, Caller, Engine, Finished, Script, Source, World};
use serde_json::{Value, json};

/// `echo` answers its arguments, `wait` after `ms`, `deny` refuses, `end` ends the script, `big` answers `bytes` bytes.
#[derive(Default)]
pub struct Tools {
    pub calls: Mutex<Vec<String>>,
    pub finished: Mutex<Vec<usize>>,
}

impl Tools {
    pub fn seen(&self) -> Vec<String> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Caller for Tools {
    fn call(&self, call: Call) -> Task<'_, Outcome<Answer>> {
        let line = format!("{} {} {}", call.number, call.tool, call.arguments);
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        Box::pin(async move {
            let answer = match call.tool.as_str() {
                "test.wait" => {
                    tokio::time::sleep(Duration::from_millis(call.arguments["ms"].as_u64().unwrap_or(0))).await;
                    Ok(Ok(call.arguments))
                }
                "test.deny" => Ok(Err(Fault::new(ErrorCode::PermissionDenied, "not you").with_hint("ask"))),
                "test.end" => Err(Fault::new(ErrorCode::NeedsHead, "later")),
                "test.big" => {
                    let bytes = usize::try_from(call.arguments["bytes"].as_u64().unwrap_or(0)).unwrap_or(0);
                    Ok(Ok(json!("x".repeat(bytes))))
                }
                _ => Ok(Ok(call.arguments)),
            };
            self.finished
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(call.number);
            answer
        })
    }
}

pub const NAMES: [&str; 6] = [
    "test.echo",
    "test.wait",
    "test.deny",
    "test.end",
    "test.big",
    "notes:page.add",
];

pub fn script(text: &str) -> Script {
    Script {
        source: Source {
            name: "job.ts".to_owned(),
            text: text.to_owned(),
        },
        modules: Vec::new(),
        inputs: json!({}),
        world: World {
            tools: NAMES.map(str::to_owned).to_vec(),
            seed: "run/1/1/1".to_owned(),
            date_ms: 1_764_063_000_000,
        },
        bounds: Bounds::default(),
    }
}

/// Runs a text to its end with fresh tools.
pub async fn run(text: &str) -> Finished {
    run_with(script(text), &Arc::new(Tools::default())).await
}

pub async fn run_with(script: Script, tools: &Arc<Tools>) -> Finished {
    let caller: Arc<dyn Caller> = Arc::<Tools>::clone(tools);
    Engine::default().run(script, caller, CancellationToken::new()).await
}

/// The result of a text that must succeed.
pub async fn value(text: &str) -> Value {
    let done = run(text).await;
    done.result.unwrap_or_else(|fault| panic!("{text}\n{fault}"))
}

/// The fault of a text that must fail.
pub async fn fault(text: &str) -> Fault {
    match run(text).await.result {
        Err(fault) => fault,
        Ok(value) => panic!("{text}\nanswered {value}"),
    }
}
