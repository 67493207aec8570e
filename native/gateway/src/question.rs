//! The question a person gets: one plain sentence, the exact act, what a yes adds.

use openwrap_contracts::grant::{Question, QuestionKind, Risk, Scope};
use openwrap_contracts::identity::Label;
use openwrap_contracts::ports::ToolCall;
use openwrap_grants::Capability;
use openwrap_grants::visible;

/// Facts named in the sentence; the rest is counted, all of them stand in `adds`.
const FACTS_SHOWN_MAX: usize = 3;

/// Bytes of the exact act in a question; the event that holds it has a limit too.
const EXACT_BYTES_MAX: usize = 64 * 1024;

/// `missing` is sorted; empty for an act that needs nothing and cannot be undone. `sources`: where the labels of the call came from.
pub fn question(
    call: &ToolCall,
    (summary, arguments_hash): (&str, &str),
    (missing, risk): (&[Capability], Risk),
    sources: &[String],
) -> Question {
    let mut acts: Vec<String> = missing.iter().take(FACTS_SHOWN_MAX).map(act).collect();
    if missing.is_empty() {
        acts.push(format!("use {}", visible::fact(&call.tool)));
    }
    if missing.len() > FACTS_SHOWN_MAX {
        acts.push(format!("{} more", missing.len() - FACTS_SHOWN_MAX));
    }
    Question {
        approval_id: String::new(),
        kind: QuestionKind::Tool,
        risk,
        sentence: format!("Let {} {}?", visible::line(&call.role), joined(&acts)),
        exact: exact(summary),
        why: why(call, missing, risk, sources),
        if_no: "It is not done. The worker reads your reason and goes on without it.".to_owned(),
        adds: missing.iter().map(ToString::to_string).collect(),
        labels: call.labels.clone(),
        tool: Some(call.tool.clone()),
        arguments_hash: Some(arguments_hash.to_owned()),
        scopes: vec![Scope::Once, Scope::Task, Scope::Run],
    }
}

/// The act on one line; what does not fit is counted, never dropped in silence.
fn exact(summary: &str) -> String {
    let shown = visible::line(summary);
    if shown.len() <= EXACT_BYTES_MAX {
        return shown;
    }
    let mut end = EXACT_BYTES_MAX;
    while !shown.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}\u{2026} [cut: {} bytes more]", &shown[..end], shown.len() - end)
}

fn act(need: &Capability) -> String {
    let fact = |text: &dyn std::fmt::Display| visible::fact(&text.to_string());
    match need {
        Capability::Read(path) => format!("read {}", fact(path)),
        Capability::Write(path) => format!("write {}", fact(path)),
        Capability::Net(host) => format!("reach {}", fact(host)),
        Capability::Run(program) => format!("run {}", fact(program)),
        Capability::Env(name) => format!("see the environment variable {}", fact(name)),
        Capability::Mcp { server, tool } => format!("use {} of the server {}", fact(tool), fact(server)),
        Capability::Model(provider) => format!("send to the model provider {}", fact(provider)),
        Capability::Secret(name) => format!("use the secret {}", fact(name)),
        Capability::Browser(origin) => format!("open {} in a browser", fact(origin)),
    }
}

fn joined(acts: &[String]) -> String {
    match acts {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

fn why(call: &ToolCall, missing: &[Capability], risk: Risk, sources: &[String]) -> String {
    let mut why = format!(
        "Task {} wants to use {}",
        visible::fact(&call.step.task_id),
        visible::fact(&call.tool)
    );
    let labelled = !call.labels.is_empty();
    why.push_str(match (risk, labelled) {
        (Risk::CannotBeUndone, true) => ", which cannot be undone.",
        (_, true) => ", and the approved plan does not name this word for word.",
        (_, false) => ", and the approved plan does not cover this.",
    });
    if labelled {
        let read: Vec<&str> = call.labels.iter().map(|label| source_of(*label)).collect();
        why.push_str(" The worker has read text from ");
        why.push_str(&read.join(" and "));
        let sources: Vec<String> = sources.iter().map(|source| visible::fact(source)).collect();
        if !sources.is_empty() {
            why.push_str(&format!(" ({})", sources.join(", ")));
        }
        why.push_str(", so only what you saw word for word goes on without asking.");
    }
    if missing.iter().any(|need| matches!(need, Capability::Run(_))) {
        why.push_str(" Once started, a program is bounded by its files, network and limits only.");
    }
    if missing.iter().any(|need| matches!(need, Capability::Browser(_))) {
        why.push_str(" A yes for once is this page and what it loads; to go on from it needs a yes for the task.");
    }
    why
}

fn source_of(label: Label) -> &'static str {
    match label {
        Label::Web => "the web",
        Label::Mcp => "a connected server",
        Label::UntrustedFile => "a file from outside",
    }
}
