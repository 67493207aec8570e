//! A finished run as a playbook: the same plan, the same calls, its files as typed inputs. What a model decided on the way is fixed as
//! it was; the notes say so, and the draft is a person's to change.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use openwrap_agent::state::RunState;
use openwrap_contracts::canonical::sha256_hex;
use openwrap_contracts::change::{Manifest, Node};
use openwrap_contracts::event::{Event, Fact};
use openwrap_contracts::limits::{PLAYBOOK_INPUTS_MAX, SCRIPT_SOURCE_BYTES_MAX};
use openwrap_contracts::method::{PlaybookDraft, PlaybookDraftParams};
use openwrap_contracts::plan::PlanTask;
use openwrap_contracts::playbook::PlaybookOrigin;
use openwrap_contracts::run::{RunStatus, RunSummary};
use openwrap_contracts::script::Source;
use openwrap_contracts::tool::Repeatability;
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use serde_json::Value;

use super::{FOLDER, Found, is_name};
use crate::core::Core;
use crate::folders;
use crate::methods::{Call, caller, written};
use crate::run_events::each_event;

/// Words of a goal that become a name.
const NAME_WORDS: usize = 5;
/// `<` of a program that the engine reads without a second thought.
const ANGLES_MAX: usize = 900;
/// Tries for a name that is free.
const NAMES_TRIED: usize = 100;

/// A call that is repeated.
struct Repeated {
    tool: String,
    arguments: Value,
}

/// What the run did, as far as it can be repeated.
struct Done {
    /// By task, in the order made.
    calls: BTreeMap<String, Vec<Repeated>>,
    /// By task.
    results: BTreeMap<String, String>,
    /// Path of a file that was there before the run → name of its input.
    files: BTreeMap<String, String>,
    notes: Vec<String>,
}

pub(crate) async fn write(call: &Call<'_>) -> Outcome<Value> {
    let params: PlaybookDraftParams = call.read()?;
    let request_id = params.request_id.clone();
    let work = write_once(call, params);
    call.core
        .requests
        .once(caller(&call.actor), "playbook.draft", &request_id, work)
        .await
}

async fn write_once(call: &Call<'_>, params: PlaybookDraftParams) -> Outcome<Value> {
    let core = call.core;
    let run = core.following.look(|fold| fold.run(&params.run_id).cloned()).await?;
    let run = run.ok_or_else(|| Fault::not_found(format!("there is no run `{}`", params.run_id.escape_debug())))?;
    let state = core.runs.state(&run.run_id).await?;
    if run.status != RunStatus::Completed || state.playbook.is_some() {
        let message = format!("run {} was not completed, or is a playbook's", run.number);
        return Err(Fault::new(ErrorCode::InvalidState, message)
            .with_hint("A draft is made of a run that a model planned and that came to its end."));
    }
    let done = core.done(&run, &state).await?;
    let mut text = program(&run, &state, &done)?;
    if text.matches('<').count() > ANGLES_MAX {
        // The engine counts them, and all of these stand in texts.
        text = text.replace('<', "\\u003c");
    }
    let name = match params.name {
        Some(name) if is_name(&name) => name,
        Some(name) => {
            let message = format!("`{}` is no name: [a-z0-9][a-z0-9-]{{0,63}}", name.escape_debug());
            return Err(Fault::invalid(message));
        }
        None => core.free_name(&run.goal).await?,
    };
    core.check_draft(&name, &text).await?;
    let path = format!("{FOLDER}/{name}.ts");
    let home = core.config.home.clone();
    let full = home.join(&path).display().to_string();
    // Known for what it holds before anybody can run it.
    let requested = Fact::PlaybookDraftRequested {
        of_run: run.run_id.clone(),
        name: name.clone(),
        checksum: sha256_hex(text.as_bytes()),
        labels: state.all_labels(),
    };
    core.note_as(call.actor.clone(), Some(run.project_id.clone()), requested)
        .await?;
    let bytes = text.into_bytes();
    let placed = tokio::task::spawn_blocking(move || folders::write_beneath(Path::new(&home), &path, &bytes)).await;
    placed.map_err(|error| Fault::internal(format!("writing broke off: {error}")))??;
    written(&PlaybookDraft {
        name,
        path: full,
        notes: done.notes,
    })
}

impl Core {
    async fn free_name(&self, goal: &str) -> Outcome<String> {
        let plain = slug(goal, '-');
        let plain = if is_name(&plain) { plain } else { "draft".to_owned() };
        let taken = self.found().await?;
        let numbered = (1..NAMES_TRIED).map(|number| match number {
            1 => plain.clone(),
            number => format!("{plain}-{number}"),
        });
        let mut free = numbered.filter(|name| !taken.contains_key(name));
        free.next()
            .ok_or_else(|| Fault::new(ErrorCode::AlreadyExists, format!("`{plain}` and its numbers are taken")))
    }

    /// A draft that could not be read again is none.
    async fn check_draft(&self, name: &str, text: &str) -> Outcome<()> {
        if text.len() > SCRIPT_SOURCE_BYTES_MAX {
            let message = format!(
                "the calls of this run are {} bytes as a program; {SCRIPT_SOURCE_BYTES_MAX} are allowed",
                text.len()
            );
            return Err(Fault::new(ErrorCode::LimitExceeded, message).with_hint(
                "A run whose workers pass large tables by hand cannot be saved; write the playbook yourself.",
            ));
        }
        let source = Source {
            name: format!("{name}.ts"),
            text: text.to_owned(),
        };
        let found = Found {
            name: name.to_owned(),
            origin: PlaybookOrigin::Person,
            root: self.config.home.clone(),
            folder: FOLDER.to_owned(),
            main: source.name.clone(),
        };
        self.ports.scripts.imports(&source)?;
        self.declared(&found, &[source]).await.map(|_| ())
    }

    async fn done(&self, run: &RunSummary, state: &RunState) -> Outcome<Done> {
        let mut done = Done {
            calls: BTreeMap::new(),
            results: BTreeMap::new(),
            files: BTreeMap::new(),
            notes: Vec::new(),
        };
        for (task_id, completed) in &state.completed {
            let bytes = self.ports.blobs.get(&completed.result_hash).await?;
            done.results
                .insert(task_id.clone(), String::from_utf8_lossy(&bytes).into_owned());
        }
        let manifest: Manifest = self.ports.views.base_manifest(state.project_hash.clone()).await?;
        let files = manifest.entries.into_iter();
        let files = files.filter(|entry| matches!(entry.node, Node::File { .. }));
        let before: BTreeSet<String> = files.map(|entry| entry.path).collect();
        let mut asked: BTreeMap<(String, u32), (String, String)> = BTreeMap::new();
        let mut events = Vec::new();
        each_event(&*self.ports.ledger, &run.run_id, |event| events.push(event)).await?;
        for event in &events {
            self.take(event, state, &mut asked, &mut done).await?;
        }
        let used: BTreeSet<String> = done
            .calls
            .values()
            .flatten()
            .flat_map(|call| texts(&call.arguments))
            .filter(|text| before.contains(*text))
            .map(str::to_owned)
            .collect();
        name_files(&mut done, used);
        note_texts(&mut done);
        Ok(done)
    }

    /// Takes in one event: the calls of the attempt that counted, in the order of their steps.
    async fn take(
        &self,
        event: &Event,
        state: &RunState,
        asked: &mut BTreeMap<(String, u32), (String, String)>,
        done: &mut Done,
    ) -> Outcome<()> {
        let (Some(task_id), Some(step)) = (&event.task_id, event.step) else {
            return Ok(());
        };
        let counted = state.completed.get(task_id).map(|completed| completed.attempt);
        if counted.is_none() || counted != event.attempt {
            return Ok(());
        }
        match &event.fact {
            Fact::ToolRequested {
                tool, arguments_hash, ..
            } => {
                asked.insert((task_id.clone(), step), (tool.clone(), arguments_hash.clone()));
            }
            Fact::ToolRefused { tool, code, .. } => {
                done.notes.push(format!(
                    "{task_id}, step {step}: `{tool}` was refused ({}) and is left out",
                    code.as_str()
                ));
            }
            Fact::ToolFinished {
                tool,
                is_error,
                interrupted,
                ..
            } => {
                let Some((_, arguments_hash)) = asked.remove(&(task_id.clone(), step)) else {
                    return Ok(());
                };
                if *is_error || *interrupted {
                    done.notes
                        .push(format!("{task_id}, step {step}: `{tool}` failed and is left out"));
                    return Ok(());
                }
                if tool == "code.run" {
                    // What it did are steps of their own.
                    return Ok(());
                }
                let definition = self.ports.gateway.definition(tool);
                if definition.is_none_or(|definition| definition.repeat == Repeatability::Observed) {
                    done.notes.push(format!(
                        "{task_id}, step {step}: `{tool}` is done again and may find something else"
                    ));
                }
                let arguments = serde_json::from_slice(&self.ports.blobs.get(&arguments_hash).await?)?;
                let call = Repeated {
                    tool: tool.clone(),
                    arguments,
                };
                done.calls.entry(task_id.clone()).or_default().push(call);
            }
            _ => {}
        }
        Ok(())
    }
}

/// Every text of some JSON.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(fields) => fields.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

fn name_files(done: &mut Done, used: BTreeSet<String>) {
    let mut names: BTreeSet<String> = BTreeSet::new();
    for path in used.into_iter().take(PLAYBOOK_INPUTS_MAX) {
        let file = path.rsplit('/').next().unwrap_or(&path);
        let plain = slug(file, '_');
        let plain = match plain.chars().next() {
            Some(first) if first.is_ascii_alphabetic() => plain,
            _ => format!("file_{plain}"),
        };
        let numbered = (1..).map(|number| match number {
            1 => plain.clone(),
            number => format!("{plain}_{number}"),
        });
        let Some(name) = numbered.into_iter().find(|name| !names.contains(name)) else {
            continue;
        };
        names.insert(name.clone());
        done.files.insert(path, name);
    }
}

/// Where a file is named in the middle of a text, the text stays as it was.
fn note_texts(done: &mut Done) {
    let mut notes = Vec::new();
    for (task_id, calls) in &done.calls {
        for call in calls {
            let inside = |path: &&String| {
                texts(&call.arguments)
                    .iter()
                    .any(|text| *text != path.as_str() && text.contains(path.as_str()))
            };
            for path in done.files.keys().filter(inside) {
                notes.push(format!(
                    "{task_id}: a text given to `{}` speaks of `{path}`; it stays as it was, whatever file is given",
                    call.tool
                ));
            }
        }
    }
    notes.push("Texts, figures and decisions of the models are fixed as they were in this run.".to_owned());
    done.notes.extend(notes);
    done.notes.dedup();
}

/// Lower-case letters and digits of the first words.
fn slug(text: &str, joint: char) -> String {
    let words = text
        .split(|letter: char| !letter.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .take(NAME_WORDS);
    let mut slug = String::new();
    for word in words {
        if !slug.is_empty() {
            slug.push(joint);
        }
        slug.push_str(&word.to_ascii_lowercase());
    }
    slug.truncate(48);
    slug.trim_end_matches(joint).to_owned()
}

fn program(run: &RunSummary, state: &RunState, done: &Done) -> Outcome<String> {
    let plan = state
        .current_plan()
        .ok_or_else(|| Fault::new(ErrorCode::InvalidState, "the run has no plan"))?;
    let mut text = format!(
        "// Drafted from run {}. It repeats the run's calls; what it cannot:\n",
        run.number
    );
    for note in &done.notes {
        let _ = writeln!(text, "// - {}", one_line(note));
    }
    text.push_str("\nconst inputs = {\n");
    for (path, name) in &done.files {
        let ending = path.rsplit_once('.').map(|(_, ending)| ending.to_lowercase());
        let extensions: Vec<String> = ending.into_iter().collect();
        let title = path.rsplit('/').next().unwrap_or(path);
        let _ = writeln!(
            text,
            "  {name}: {{ kind: \"file\", title: {}, extensions: {}, default: {} }},",
            quoted(title),
            serde_json::to_string(&extensions)?,
            quoted(path)
        );
    }
    text.push_str(
        "} as const;\n\ntype Job = { inputs: { [name in keyof typeof inputs]: string } };\n\nexport default {\n",
    );
    let title: String = one_line(&run.goal).chars().take(80).collect();
    let _ = writeln!(text, "  title: {},", quoted(&title));
    let _ = writeln!(
        text,
        "  about: {},",
        quoted(&format!("Drafted from run {}.", run.number))
    );
    text.push_str("  inputs,\n  plan: ({ inputs }: Job) => ({\n");
    let _ = writeln!(text, "    summary: {},\n    tasks: [", quoted(&plan.plan.summary));
    for task in &plan.plan.tasks {
        let value = planned(task)?;
        let _ = writeln!(
            text,
            "      {},",
            Literal {
                files: &done.files,
                plan: true
            }
            .of(&value)
        );
    }
    text.push_str("    ],\n  }),\n  tasks: {\n");
    for task in &plan.plan.tasks {
        let _ = writeln!(text, "    {}: async ({{ inputs }}: Job) => {{", quoted(&task.task_id));
        for call in done.calls.get(&task.task_id).into_iter().flatten() {
            let arguments = Literal {
                files: &done.files,
                plan: false,
            }
            .of(&call.arguments);
            let _ = writeln!(text, "      await tools{}({arguments});", path_of(&call.tool));
        }
        let result = done.results.get(&task.task_id).map_or("", String::as_str);
        let _ = writeln!(text, "      return {};\n    }},", quoted(result));
    }
    text.push_str("  },\n");
    let _ = writeln!(
        text,
        "  answer: () => {},\n}};",
        quoted(run.answer.as_deref().unwrap_or(""))
    );
    Ok(text)
}

/// What of a task a program needs to say again.
fn planned(task: &PlanTask) -> Outcome<Value> {
    let mut value = written(task)?;
    if let Some(fields) = value.as_object_mut() {
        fields.remove("description");
        let says = |value: &Value| match value {
            Value::Array(items) => !items.is_empty(),
            Value::Bool(said) => *said,
            value => !value.is_null() && *value != 0,
        };
        fields.retain(|_, value| says(value));
    }
    Ok(value)
}

fn one_line(text: &str) -> String {
    text.replace(
        |letter: char| letter.is_control() || letter == '\u{2028}' || letter == '\u{2029}',
        " ",
    )
}

/// `.file.read`, or `["strange name"]` where it must be.
fn path_of(tool: &str) -> String {
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with(|letter: char| letter.is_ascii_digit())
            && part
                .chars()
                .all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
    };
    let parts = tool.split(['.', ':', '/']);
    parts
        .map(|part| match plain(part) {
            true => format!(".{part}"),
            false => format!("[{}]", quoted(part)),
        })
        .collect()
}

/// A text as TypeScript.
fn quoted(text: &str) -> String {
    Value::from(text)
        .to_string()
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

/// JSON as TypeScript, with the inputs in place of the files they stand for.
struct Literal<'a> {
    files: &'a BTreeMap<String, String>,
    /// In a plan, what is needed names files after a colon.
    plan: bool,
}

impl Literal<'_> {
    fn of(&self, value: &Value) -> String {
        match value {
            Value::String(text) => self.text(text),
            Value::Array(items) => {
                let items: Vec<String> = items.iter().map(|item| self.of(item)).collect();
                format!("[{}]", items.join(", "))
            }
            Value::Object(fields) if fields.is_empty() => "{}".to_owned(),
            Value::Object(fields) => {
                let fields = fields.iter().map(|(name, value)| match name.as_str() {
                    // As a plain key it would be no field.
                    "__proto__" => format!("[{}]: {}", quoted(name), self.of(value)),
                    _ => format!("{}: {}", quoted(name), self.of(value)),
                });
                format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
            }
            plain => plain.to_string(),
        }
    }

    fn text(&self, text: &str) -> String {
        if let Some(name) = self.files.get(text) {
            return format!("inputs.{name}");
        }
        let need = text.split_once(':').filter(|_| self.plan);
        match need.and_then(|(kind, path)| Some((kind, self.files.get(path)?))) {
            Some((kind, name)) => format!("`{kind}:${{inputs.{name}}}`"),
            None => quoted(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_becomes_typescript_that_reads_the_same() {
        let files = BTreeMap::from([("data/a.csv".to_owned(), "a_csv".to_owned())]);
        let literal = Literal {
            files: &files,
            plan: true,
        };
        assert_eq!(
            literal.of(&json!({ "path": "data/a.csv" })),
            "{ \"path\": inputs.a_csv }"
        );
        assert_eq!(
            literal.of(&json!(["read:data/a.csv", "read:b"])),
            "[`read:${inputs.a_csv}`, \"read:b\"]"
        );
        assert_eq!(literal.of(&json!({ "__proto__": 1 })), "{ [\"__proto__\"]: 1 }");
        assert_eq!(literal.of(&json!("a<b\u{2028}`${x}")), "\"a<b\\u2028`${x}\"");
        assert_eq!(path_of("file.read"), ".file.read");
        assert_eq!(path_of("notes:add-page"), ".notes[\"add-page\"]");
        assert_eq!(
            slug("Analyse this data, and give me a workbook!", '-'),
            "analyse-this-data-and-give"
        );
        assert_eq!(slug("Ärger", '-'), "rger");
    }
}
