//! `shell.exec`: one confined process, started by its arguments, never by a line of shell.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use openwrap_contracts::limits::{
    PROCESS_MEMORY_BYTES_MAX, PROCESS_OUTPUT_BYTES_MAX, PROCESS_TASKS_MAX, PROCESS_WALL_MS_MAX,
};
use openwrap_contracts::ports::{Task, Tool, ToolInput};
use openwrap_contracts::session::ProgramTerminal;
use openwrap_contracts::spawn::{
    Child, ExitReason, ExitStatus, Finished, OutputStream, PathGrant, SpawnLabel, SpawnLimits, SpawnRequest, Spawner,
    Stdin,
};
use openwrap_contracts::tool::{Reach, Repeatability, ToolDefinition, ToolOutput, Writes};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::place::{Place, normal};
use crate::shell::{SIZE, Shells, ending, is_plain, is_refused, seen, settle};
use crate::summary::{text, word};

const ARGUMENTS_MAX: usize = 1_000;
const ENVIRONMENT_MAX: usize = 32;
const HOSTS_MAX: usize = 16;
/// Longest life of a program left running, and its processor time.
const BACKGROUND_MS_MAX: u64 = 4 * 3_600_000;

/// The tool over the sandbox's spawner.
pub struct ShellExec {
    definition: ToolDefinition,
    spawner: Arc<dyn Spawner>,
    /// None: nothing is left running, and nobody sees what a program prints.
    shells: Option<Arc<Shells>>,
}

/// How a program is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// With pipes; the answer is what it wrote to them.
    Piped,
    /// In a terminal; the answer is what it showed there in the end.
    Viewed,
    /// In a terminal, left running.
    Background,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Arguments {
    command: Vec<String>,
    #[serde(default)]
    stdin: Option<String>,
    #[serde(default)]
    cwd: Option<String>,
    #[serde(default)]
    env: std::collections::BTreeMap<String, String>,
    #[serde(default)]
    timeout_ms: Option<u64>,
    #[serde(default)]
    hosts: Vec<String>,
    #[serde(default)]
    background: bool,
    #[serde(default)]
    view: bool,
}

impl Arguments {
    fn way(&self) -> Way {
        match (self.background, self.view) {
            (true, _) => Way::Background,
            (false, true) => Way::Viewed,
            (false, false) => Way::Piped,
        }
    }
}

impl ShellExec {
    pub fn new(spawner: Arc<dyn Spawner>, shells: Option<Arc<Shells>>) -> Self {
        let description = format!(
            "Runs one program in the project's folder and waits for its end. `command` is the program and its \
             arguments, one item each, as `[\"node\", \"months.mjs\", \"data.csv\"]`; there is no shell, so no pipes, \
             `&&`, `*` or `$X` (for these run `[\"sh\", \"-c\", \"…\"]`). The program sees the project, reaches the hosts the \
             task was granted (`net:`) and no others, and everything it started ends with it. Answers with `exitCode`, `stdout` and `stderr`; `truncated` is true \
             when a stream passed {PROCESS_OUTPUT_BYTES_MAX} bytes. With `background` it is left running in a terminal until the \
             task ends, for `shell.view`, `shell.input` and `shell.stop`; the answer has its `sessionId` and what it printed in \
             the first moments. With `view` it runs in a terminal to its end; the answer has the `screen`."
        );
        let input_schema = json!({
            "type": "object",
            "properties": {
                "command": {
                    "type": "array", "minItems": 1, "maxItems": ARGUMENTS_MAX, "items": { "type": "string" },
                    "description": "Program (a name, or an absolute path) and arguments.",
                },
                "stdin": { "type": "string", "description": "Text for the program's standard input; nothing when left out." },
                "cwd": { "type": "string", "minLength": 1, "description": "Folder to run in, from the project's; the project itself when left out." },
                "env": {
                    "type": "object", "maxProperties": ENVIRONMENT_MAX, "additionalProperties": { "type": "string" },
                    "description": "Further environment variables.",
                },
                "timeoutMs": {
                    "type": "integer", "minimum": 1, "maximum": PROCESS_WALL_MS_MAX,
                    "description": "Milliseconds after which it is ended.",
                },
                "background": { "type": "boolean", "description": "Leave it running in a terminal." },
                "view": { "type": "boolean", "description": "Run it in a terminal, and answer with the screen." },
                "hosts": {
                    "type": "array", "maxItems": HOSTS_MAX, "items": { "type": "string", "minLength": 3 },
                    "description": "Further hosts it has to reach, as `example.org:443`: a person is asked about each that was not granted.",
                },
            },
            "required": ["command"],
            "additionalProperties": false,
        });
        Self {
            definition: ToolDefinition {
                name: "shell.exec".to_owned(),
                description,
                input_schema,
                repeat: Repeatability::Observed,
                reach: Reach::Confined,
            },
            spawner,
            shells,
        }
    }

    fn request(&self, input: &ToolInput, arguments: Arguments) -> Outcome<SpawnRequest> {
        let way = arguments.way();
        let Arguments {
            command,
            stdin,
            cwd,
            env,
            timeout_ms,
            ..
        } = arguments;
        let view = &input.view;
        let mut command = command.into_iter();
        let program = command.next().unwrap_or_default();
        let most_ms = if way == Way::Background {
            BACKGROUND_MS_MAX
        } else {
            PROCESS_WALL_MS_MAX
        };
        let wall_ms = timeout_ms.unwrap_or(most_ms).min(most_ms);
        let mut environment = self.spawner.base_environment(&view.home, &view.temp);
        if way != Way::Piped {
            environment.push(("TERM".to_owned(), "xterm-256color".to_owned()));
        }
        for (name, value) in env {
            environment.retain(|(known, _)| *known != name);
            environment.push((name, value));
        }
        Ok(SpawnRequest {
            profile: self.spawner.profile_of(&program),
            args: command
                .map(|text| in_view(text, &input.project_path, &view.root))
                .collect(),
            program,
            cwd: working_folder(input, cwd.as_deref())?,
            env: environment,
            grants: PathGrant::of_view(view),
            stdin: match stdin {
                _ if way != Way::Piped => Stdin::Piped,
                Some(text) => Stdin::Bytes(Bytes::from(text)),
                None => Stdin::Null,
            },
            limits: SpawnLimits {
                wall_ms,
                cpu_ms: wall_ms.saturating_mul(2),
                memory_bytes: PROCESS_MEMORY_BYTES_MAX,
                processes: u32::try_from(PROCESS_TASKS_MAX).unwrap_or(u32::MAX),
                output_bytes: PROCESS_OUTPUT_BYTES_MAX as u64,
                ..SpawnLimits::default()
            },
            label: SpawnLabel {
                run_id: input.run_id.clone(),
                task_id: input.step.task_id.clone(),
            },
            inherited: Vec::new(),
            terminal: (way != Way::Piped).then_some(SIZE),
            network: input.network.clone(),
        })
    }

    async fn execute(&self, input: ToolInput) -> Outcome<ToolOutput> {
        let arguments = checked(&input.arguments)?;
        let way = arguments.way();
        let request = self.request(&input, arguments)?;
        match (&self.shells, way) {
            (shells, Way::Piped) => self.piped(&input, request, shells.as_deref()).await,
            (Some(shells), _) => self.in_terminal(&input, request, shells, way).await,
            (None, _) => Err(Fault::new(
                ErrorCode::InvalidState,
                "shell.exec: there are no terminals here",
            )),
        }
    }

    async fn piped(&self, input: &ToolInput, request: SpawnRequest, shells: Option<&Shells>) -> Outcome<ToolOutput> {
        let wall_ms = request.limits.wall_ms;
        let child = self.spawner.spawn(request).await?;
        let shown = match shells {
            Some(shells) => shells.watched(input).await,
            None => None,
        };
        let shown = shown.as_deref();
        if let Some(terminal) = shown {
            let line = format!("\x1b[1m$ {}\x1b[m\n", command_line(&input.arguments));
            terminal.show(line.as_bytes());
        }
        let Child {
            stdout,
            stderr,
            control,
            ..
        } = child;
        let work = async { tokio::join!(collect(stdout, shown), collect(stderr, shown), control.wait()) };
        let ((stdout, out_cut), (stderr, err_cut), status) = tokio::select! {
            biased;
            () = input.cancel.cancelled() => {
                // The view goes next, so nothing may be left that still writes into it.
                control.kill();
                control.wait().await?;
                return Err(Fault::canceled());
            }
            done = work => done,
        };
        let finished = Finished {
            status: status?,
            stdout,
            stderr,
            truncated: out_cut || err_cut,
        };
        answer(&finished, wall_ms)
    }

    async fn in_terminal(
        &self,
        input: &ToolInput,
        request: SpawnRequest,
        shells: &Shells,
        way: Way,
    ) -> Outcome<ToolOutput> {
        let wall_ms = request.limits.wall_ms;
        let child = self.spawner.spawn(request).await?;
        let shell = shells.open(input, child, command_line(&input.arguments)).await?;
        let terminal = &*shell.terminal;
        let done = if way == Way::Background {
            settle(terminal, &input.cancel).await.map(|()| None)
        } else {
            tokio::select! {
                biased;
                () = input.cancel.cancelled() => Err(Fault::canceled()),
                status = terminal.end() => Ok(status),
            }
        };
        if way != Way::Background || done.is_err() {
            shells.stop(&shell).await?;
        }
        match done? {
            None => Ok(seen(&shell, None)),
            Some(status) => {
                let mut content = Value::Object(ending(Some(status)));
                content["screen"] = terminal.text().into();
                with_end(content, &status, wall_ms)
            }
        }
    }
}

/// Program and arguments, every odd character spelled out.
fn command_line(arguments: &Value) -> String {
    let words = arguments["command"].as_array().map(Vec::as_slice).unwrap_or_default();
    let words: Vec<String> = words.iter().filter_map(Value::as_str).map(word).collect();
    words.join(" ")
}

/// A stream to its end, shown as it comes.
async fn collect(mut stream: OutputStream, shown: Option<&dyn ProgramTerminal>) -> (Vec<u8>, bool) {
    let Some(terminal) = shown else {
        return stream.collect().await;
    };
    let mut all = Vec::new();
    while let Some(chunk) = stream.chunks.recv().await {
        terminal.show(&chunk);
        all.extend_from_slice(&chunk);
    }
    (all, stream.truncated.load(std::sync::atomic::Ordering::Acquire))
}

impl Tool for ShellExec {
    fn definition(&self) -> &ToolDefinition {
        &self.definition
    }

    fn needs(&self, arguments: &Value) -> Outcome<Vec<String>> {
        let arguments = checked(arguments)?;
        let program = arguments.command.first().map_or("", String::as_str);
        let mut needs = vec![format!("run:{program}")];
        let extra = arguments.env.keys().filter(|name| !is_plain(name));
        needs.extend(extra.map(|name| format!("env:{name}")));
        needs.extend(arguments.hosts.iter().map(|host| format!("net:{host}")));
        Ok(needs)
    }

    fn summary(&self, arguments: &Value) -> String {
        let folder = arguments["cwd"]
            .as_str()
            .map(|cwd| format!("in {}: ", word(cwd)))
            .unwrap_or_default();
        let input = arguments["stdin"]
            .as_str()
            .map(|input| format!(" < {}", text(input)))
            .unwrap_or_default();
        let env = arguments["env"].as_object().into_iter().flatten();
        let env: String = env
            .map(|(name, value)| format!("{name}={} ", word(value.as_str().unwrap_or_default())))
            .collect();
        let hosts: Vec<String> = arguments["hosts"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|host| host.as_str().map(word))
            .collect();
        let reach = if hosts.is_empty() {
            String::new()
        } else {
            format!(", reaching {}", hosts.join(" "))
        };
        let way = match (&arguments["background"], &arguments["view"]) {
            (Value::Bool(true), _) => ", left running in a terminal",
            (_, Value::Bool(true)) => ", in a terminal",
            _ => "",
        };
        format!("{folder}{env}{}{input}{reach}{way}", command_line(arguments))
    }

    fn run(&self, input: ToolInput) -> Task<'_, Outcome<ToolOutput>> {
        Box::pin(self.execute(input))
    }
}

fn checked(value: &Value) -> Outcome<Arguments> {
    let arguments: Arguments = crate::arguments("shell.exec", value)?;
    let bad = |why: String| Err(Fault::invalid(format!("shell.exec: {why}")));
    let program = arguments.command.first().map_or("", String::as_str);
    if program.is_empty() {
        return bad("`command` names no program".to_owned());
    }
    let ported = |host: &&String| {
        host.rsplit_once(':')
            .is_some_and(|(_, port)| port.parse::<u16>().is_ok())
    };
    if let Some(host) = arguments.hosts.iter().find(|host| !ported(host)) {
        return bad(format!("host `{}` needs a port, as `example.org:443`", word(host)));
    }
    if program.contains('/') && !program.starts_with('/') {
        return bad(format!(
            "`{}`: name the interpreter, as `[\"sh\", \"{0}\"]`",
            program.escape_debug()
        ));
    }
    if arguments.way() != Way::Piped && arguments.stdin.is_some() {
        return bad("what a terminal's program reads is typed with `shell.input`, not given as `stdin`".to_owned());
    }
    if arguments.command.len() > ARGUMENTS_MAX || arguments.env.len() > ENVIRONMENT_MAX {
        return bad(format!(
            "at most {ARGUMENTS_MAX} arguments and {ENVIRONMENT_MAX} variables"
        ));
    }
    let texts = arguments.command.iter().chain(arguments.env.values());
    if texts.chain(&arguments.cwd).any(|text| text.contains('\0')) {
        return bad("arguments, variables and folders hold no NUL".to_owned());
    }
    if let Some(cwd) = &arguments.cwd
        && !cwd.starts_with('/')
    {
        normal(cwd)?;
    }
    for name in arguments.env.keys() {
        let fits = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && !name.is_empty()
            && !name.starts_with(|first: char| first.is_ascii_digit());
        if !fits {
            return bad(format!("`{}` is no name of a variable", name.escape_debug()));
        }
        if is_refused(name) {
            return Err(Fault::new(
                ErrorCode::PermissionDenied,
                format!("shell.exec: the variable `{name}` decides what else runs and is not taken"),
            ));
        }
    }
    Ok(arguments)
}

/// The folder to run in; an absolute path has to lie in the project, as outputs show it.
fn working_folder(input: &ToolInput, cwd: Option<&str>) -> Outcome<PathBuf> {
    let root = &input.view.root;
    let Some(cwd) = cwd else { return Ok(root.clone()) };
    let inner = match Path::new(cwd).strip_prefix(&input.project_path) {
        Ok(inner) if cwd.starts_with('/') => inner.to_str().unwrap_or_default(),
        _ => cwd,
    };
    let path = normal(if inner.is_empty() { "." } else { inner })?;
    // Opened once without following links: it is there, is a folder, and lies inside.
    Place::open(root, None)?.folder(&path)?;
    Ok(if path == "." { root.clone() } else { root.join(path) })
}

/// Outputs show the project's path; an argument that repeats it means the view.
fn in_view(text: String, project: &Path, root: &Path) -> String {
    match Path::new(&text).strip_prefix(project) {
        Ok(inner) if text.starts_with('/') => root.join(inner).to_string_lossy().into_owned(),
        _ => text,
    }
}

fn answer(finished: &Finished, wall_ms: u64) -> Outcome<ToolOutput> {
    let status = &finished.status;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut content = json!({
        "exitCode": status.code,
        "stdout": text(&finished.stdout),
        "stderr": text(&finished.stderr),
        "truncated": finished.truncated,
    });
    if let Some(signal) = status.signal {
        content["signal"] = json!(signal);
    }
    with_end(content, status, wall_ms)
}

/// The answer, with what ended the program where that was not itself.
fn with_end(mut content: Value, status: &ExitStatus, wall_ms: u64) -> Outcome<ToolOutput> {
    let ended = match status.reason {
        ExitReason::Exited => None,
        ExitReason::Timeout => Some(format!("it was ended after {wall_ms} ms")),
        ExitReason::Cpu => Some("it used up its processor time".to_owned()),
        ExitReason::Memory => Some(format!("it passed {PROCESS_MEMORY_BYTES_MAX} bytes of memory")),
        ExitReason::Processes => Some(format!("it passed {PROCESS_TASKS_MAX} processes")),
        ExitReason::Disk => Some("the disk is almost full, and it went on filling it".to_owned()),
        ExitReason::Killed => return Err(Fault::canceled()),
        ExitReason::SpawnerGone => {
            return Err(Fault::new(
                ErrorCode::ExecutionFailed,
                "the sandbox ended while the program ran; nothing of it is left",
            ));
        }
    };
    if let Some(ended) = ended {
        content["endedBy"] = json!(status.reason);
        content["note"] = json!(ended);
    }
    if status.reason == ExitReason::Timeout {
        content["timedOut"] = json!(true);
    }
    Ok(ToolOutput {
        content,
        is_error: !status.success(),
        artifacts: Vec::new(),
        labels: Vec::new(),
        writes: Writes::Scan,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn variables_that_choose_programs_are_refused() {
        for name in [
            "PATH",
            "LD_PRELOAD",
            "NODE_OPTIONS",
            "PYTHONPATH",
            "BASH_ENV",
            "ENV",
            "PERL5LIB",
            "GIT_SSH",
            "LESSOPEN",
            "PHPRC",
            "MAKEFILES",
            "DOTNET_STARTUP_HOOKS",
        ] {
            let value = json!({ "command": ["x"], "env": { name: "1" } });
            assert_eq!(
                checked(&value).err().unwrap().code,
                ErrorCode::PermissionDenied,
                "{name}"
            );
        }
        for name in ["TZ", "ENVIRONMENT", "CCC", "MODE"] {
            assert!(
                checked(&json!({ "command": ["x"], "env": { name: "1" } })).is_ok(),
                "{name}"
            );
        }
    }

    #[test]
    fn programs_are_names_or_absolute() {
        assert!(checked(&json!({ "command": [] })).is_err());
        assert!(checked(&json!({ "command": ["./a"] })).is_err());
        assert!(checked(&json!({ "command": ["a/b"] })).is_err());
        assert!(checked(&json!({ "command": ["/bin/ls"] })).is_ok());
        assert!(checked(&json!({ "command": ["ls"], "cwd": "../x" })).is_err());
    }

    #[test]
    fn project_paths_in_arguments_mean_the_view() {
        let (project, root) = (Path::new("/home/p"), Path::new("/views/v"));
        assert_eq!(in_view("/home/p/a.csv".to_owned(), project, root), "/views/v/a.csv");
        assert_eq!(in_view("/home/px".to_owned(), project, root), "/home/px");
        assert_eq!(in_view("a".to_owned(), project, root), "a");
    }
}
