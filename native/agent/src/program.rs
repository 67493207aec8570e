//! A run that a playbook carries out: its program makes the plan, does the tasks and says the answer, where else a model would. The
//! rest of a run (views, grants, retirement, record, replay) is the same.

use std::sync::Arc;

use openwrap_contracts::identity::{Actor, Label, StepRef, join_labels};
use openwrap_contracts::playbook::PlaybookNote;
use openwrap_contracts::ports::{Task, View};
use openwrap_contracts::script::{Answer, Bounds, Call, Caller, Finished, Script, Source, World};
use openwrap_contracts::tool::FileEntry;
use openwrap_contracts::workflow::Role;
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use serde_json::{Map, Value, json};

use crate::attempt::Attempt;
use crate::engine::Engine;
use crate::nested::{Nest, date_ms, seed};
use crate::state::{ANSWER, PLANNER};
use crate::step::{Hand, stop_programs};

/// Runs one part of a playbook: what `job` names of the module before it.
const ENTRY: &str = include_str!("program.js");
/// What the entry imports; replaced by the name of the playbook's own file.
const ENTRY_IMPORT: &str = "\"playbook.ts\"";

/// The program of a run, with what it was started with.
pub struct Program {
    note: PlaybookNote,
    /// Its files, the one with the playbook last.
    files: Vec<Source>,
    inputs: Value,
}

/// What a task came to.
pub(crate) struct Played {
    pub text: String,
    /// The place after its last step.
    pub place: StepRef,
    pub labels: Vec<Label>,
}

/// The script that runs a part of a playbook whose own file is the last of `files`.
#[must_use]
pub fn part_of(files: &[Source], job: Value, world: World) -> Script {
    let name = files.last().map_or("playbook.ts", |file| file.name.as_str());
    let import = Value::from(format!("./{name}")).to_string();
    Script {
        source: Source {
            name: "openwrap:playbook".to_owned(),
            text: ENTRY.replace(ENTRY_IMPORT, &import),
        },
        modules: files.to_vec(),
        inputs: job,
        world,
        bounds: Bounds::default(),
    }
}

/// For parts of a playbook that act on nothing.
pub struct NoCalls;

impl Caller for NoCalls {
    fn call(&self, call: Call) -> Task<'_, Outcome<Answer>> {
        let message = format!("`{}`: only the tasks of a playbook can call tools", call.tool);
        Box::pin(async move { Ok(Err(Fault::new(ErrorCode::PermissionDenied, message))) })
    }
}

impl Program {
    /// The playbook of the run, if it has one.
    ///
    /// # Errors
    /// As `Blobs::get`; `LEDGER_BROKEN`.
    pub async fn of(engine: &Engine) -> Outcome<Option<Self>> {
        let note = engine.journal.state().playbook.clone();
        let Some(note) = note else { return Ok(None) };
        let files = engine.kept(&note.source_hash).await?;
        let inputs = engine.kept(&note.inputs_hash).await?;
        Ok(Some(Self { note, files, inputs }))
    }

    /// Of the program itself.
    #[must_use]
    pub fn labels(&self) -> &[Label] {
        &self.note.labels
    }

    /// The plan, as its program makes it.
    ///
    /// # Errors
    /// What the script says.
    pub async fn plan(&self, engine: &Engine, files: &[FileEntry]) -> Outcome<Value> {
        let job = json!({ "part": "plan", "inputs": self.inputs, "files": files, "runDate": engine.spec.run_date });
        self.alone(engine, PLANNER, job).await
    }

    /// What the run says in the end. `results`: by task, in the order they settled.
    ///
    /// # Errors
    /// What the script says.
    pub async fn answer(
        &self,
        engine: &Engine,
        results: &[(String, String, String)],
        files: &[FileEntry],
    ) -> Outcome<String> {
        let results: Vec<Value> = results
            .iter()
            .map(|(task_id, title, text)| json!({ "taskId": task_id, "title": title, "result": value_of(text) }))
            .collect();
        let job = json!({
            "part": "answer", "inputs": self.inputs, "results": results, "files": files, "runDate": engine.spec.run_date,
            "title": self.note.title,
        });
        self.alone(engine, ANSWER, job).await.map(|value| text_of(&value))
    }

    async fn alone(&self, engine: &Engine, task_id: &str, job: Value) -> Outcome<Value> {
        let place = StepRef {
            task_id: task_id.to_owned(),
            attempt: 1,
            step: 1,
        };
        let world = World {
            tools: Vec::new(),
            seed: seed(engine, &place),
            date_ms: date_ms(&engine.spec.run_date),
        };
        let script = part_of(&self.files, job, world);
        let done = engine
            .ports
            .scripts
            .run(script, Arc::new(NoCalls), engine.cancel.clone());
        done.await.result
    }
}

impl Attempt {
    /// Carries a task out by its program.
    pub(crate) async fn play(
        self: &Arc<Self>,
        program: &Program,
        role: &Role,
        view: &View,
        files: Vec<FileEntry>,
        file_labels: Vec<(String, Vec<Label>)>,
    ) -> Outcome<Played> {
        let engine = &self.engine;
        let mut results = Map::new();
        let mut labels = {
            let state = engine.journal.state();
            state.shown_labels(&self.task.task_id, self.attempt, &files)
        };
        for result in self.dependency_results().await? {
            labels = join_labels(&labels, &result.labels);
            results.insert(result.task_id, value_of(&result.text));
        }
        let job = json!({
            "part": "task", "task": self.task.task_id, "inputs": program.inputs, "results": results, "files": files,
            "runDate": engine.spec.run_date,
        });
        let place = self.first_place();
        let actor = Actor::worker(self.worker_id.clone());
        let hand = Hand {
            place: &place,
            actor: &actor,
            role,
            view,
            labels: &labels,
            file_labels: &file_labels,
            beside: false,
            cancel: &self.cancel,
        };
        let nest = Nest::whole(self, hand);
        let script = part_of(
            &program.files,
            job,
            openwrap_contracts::script::NestedCalls::world(&*nest),
        );
        let caller: Arc<dyn Caller> = Arc::<Nest>::clone(&nest);
        let done: Finished = engine.ports.scripts.run(script, caller, self.cancel.clone()).await;
        nest.close();
        let text = text_of(&done.result?);
        let mut next = nest.next_place();
        if nest.beside() {
            let labels = nest.labels_read();
            let hand = Hand {
                place: &next,
                labels: &labels,
                beside: true,
                ..hand
            };
            self.step(hand, &stop_programs()).await?;
            next.step += 1;
        }
        Ok(Played {
            text,
            place: next,
            labels: nest.labels_read(),
        })
    }

    fn first_place(&self) -> StepRef {
        StepRef {
            task_id: self.task.task_id.clone(),
            attempt: self.attempt,
            step: 1,
        }
    }
}

/// A result as it is handed on: a text as it is, the rest as JSON.
fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        value => value.to_string(),
    }
}

/// The other way.
fn value_of(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(value @ (Value::Object(_) | Value::Array(_))) => value,
        _ => Value::String(text.to_owned()),
    }
}
