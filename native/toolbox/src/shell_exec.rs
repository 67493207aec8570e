//! `shell.exec`: one confined process, started by its arguments, never by a line of shell.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use openwrap_contracts::limits::{
    PROCESS_MEMORY_BYTES_MAX, PROCESS_OUTPUT_BYTES_MAX, PROCESS_TASKS_MAX, PROCESS_WALL_MS_MAX,
};
use openwrap_contracts::ports::{Task, Tool, ToolInput};
use openwrap_contracts::spawn::{
    Child, ExitReason, Finished, PathGrant, SpawnLabel, SpawnLimits, SpawnRequest, Spawner, Stdin,
};
use openwrap_contracts::tool::{Reach, Repeatability, ToolDefinition, ToolOutput, Writes};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::place::{Place, normal};
use crate::summary::{text, word};

const ARGUMENTS_MAX: usize = 1_000;
const ENVIRONMENT_MAX: usize = 32;

/// Variables that only shape output: they may be set without asking. Every other name needs `env:NAME`.
const PLAIN_VARIABLES: &[&str] = &[
    "CI",
    "COLUMNS",
    "FORCE_COLOR",
    "LANG",
    "LANGUAGE",
    "LC_ALL",
    "LC_COLLATE",
    "LC_CTYPE",
    "LC_NUMERIC",
    "LC_TIME",
    "LINES",
    "NO_COLOR",
    "SOURCE_DATE_EPOCH",
    "TERM",
    "TZ",
];

/// Variables that decide which program or library runs: with them the permission to run one program would be one to run
/// any. They are never taken.
const REFUSED_VARIABLES: &[&str] = &[
    "CC",
    "CXX",
    "CDPATH",
    "CLASSPATH",
    "CURL_HOME",
    "EDITOR",
    "ENV",
    "EXINIT",
    "FPATH",
    "HOME",
    "HOSTALIASES",
    "IFS",
    "INPUTRC",
    "IRBRC",
    "LOCALDOMAIN",
    "LOCPATH",
    "MANPAGER",
    "NLSPATH",
    "PAGER",
    "PATH",
    "PROMPT_COMMAND",
    "PS4",
    "PSQLRC",
    "SHELL",
    "SHELLOPTS",
    "TAR_OPTIONS",
    "TCLLIBPATH",
    "TEMP",
    "TERMCAP",
    "TERMINFO",
    "TMP",
    "TMPDIR",
    "VISUAL",
    "WGETRC",
    "ZDOTDIR",
];

/// Beginnings of the names of such variables.
const REFUSED_BEGINNINGS: &[&str] = &[
    "ANT_",
    "AWK",
    "BASH",
    "BROWSER",
    "BUNDLE_",
    "BUN_",
    "CARGO",
    "COMPlus_",
    "CONDA",
    "CORECLR_",
    "DENO_",
    "DOTNET_",
    "DYLD_",
    "EMACS",
    "ERL_",
    "GCONV_",
    "GDK_",
    "GEM_",
    "GIO_",
    "GIT_",
    "GLIBC_",
    "GOENV",
    "GOFLAGS",
    "GOPATH",
    "GOROOT",
    "GOTOOL",
    "GRADLE_",
    "GREP_",
    "GS_",
    "GTK_",
    "GUILE_",
    "JAVA_",
    "JDK_",
    "JULIA_",
    "KU0_",
    "LD_",
    "LESS",
    "LUA",
    "MAGICK_",
    "MAKE",
    "MALLOC_",
    "MAVEN_",
    "NODE_",
    "NPM_",
    "NVIM",
    "OCAML",
    "OPENSSL_",
    "OPENWRAP",
    "PERL",
    "PG",
    "PHP",
    "PIP_",
    "PNPM_",
    "PYTHON",
    "QT_",
    "RES_",
    "RUBY",
    "RUSTC",
    "RUSTUP",
    "R_",
    "SQLITE",
    "SSH_",
    "SSL_",
    "TEX",
    "UV_",
    "VIM",
    "VIRTUAL_ENV",
    "XDG_",
    "YARN_",
    "_JAVA",
    "npm_",
];

/// The tool over the sandbox's spawner.
pub struct ShellExec {
    definition: ToolDefinition,
    spawner: Arc<dyn Spawner>,
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
}

impl ShellExec {
    pub fn new(spawner: Arc<dyn Spawner>) -> Self {
        let description = format!(
            "Runs one program in the project's folder and waits for its end. `command` is the program and its \
             arguments, one item each, as `[\"node\", \"months.mjs\", \"data.csv\"]`; there is no shell, so no pipes, \
             `&&`, `*` or `$X` (for these run `[\"sh\", \"-c\", \"…\"]`). The program sees the project, reaches the hosts the \
             task was granted (`net:`) and no others, and everything it started ends with it. Answers with `exitCode`, `stdout` and `stderr`; `truncated` is true \
             when a stream passed {PROCESS_OUTPUT_BYTES_MAX} bytes."
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
        }
    }

    fn request(&self, input: &ToolInput, arguments: Arguments) -> Outcome<SpawnRequest> {
        let Arguments {
            command,
            stdin,
            cwd,
            env,
            timeout_ms,
        } = arguments;
        let view = &input.view;
        let mut command = command.into_iter();
        let program = command.next().unwrap_or_default();
        let wall_ms = timeout_ms.unwrap_or(PROCESS_WALL_MS_MAX).min(PROCESS_WALL_MS_MAX);
        let mut environment = self.spawner.base_environment(&view.home, &view.temp);
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
            stdin: stdin.map_or(Stdin::Null, |text| Stdin::Bytes(Bytes::from(text))),
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
            terminal: None,
            network: input.network.clone(),
        })
    }

    async fn execute(&self, input: ToolInput) -> Outcome<ToolOutput> {
        let arguments = checked(&input.arguments)?;
        let request = self.request(&input, arguments)?;
        let wall_ms = request.limits.wall_ms;
        let Child {
            stdout,
            stderr,
            control,
            ..
        } = self.spawner.spawn(request).await?;
        let work = async { tokio::join!(stdout.collect(), stderr.collect(), control.wait()) };
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
}

impl Tool for ShellExec {
    fn definition(&self) -> &ToolDefinition {
        &self.definition
    }

    fn needs(&self, arguments: &Value) -> Outcome<Vec<String>> {
        let arguments = checked(arguments)?;
        let program = arguments.command.first().map_or("", String::as_str);
        let mut needs = vec![format!("run:{program}")];
        let extra = arguments
            .env
            .keys()
            .filter(|name| !PLAIN_VARIABLES.contains(&name.as_str()));
        needs.extend(extra.map(|name| format!("env:{name}")));
        Ok(needs)
    }

    fn summary(&self, arguments: &Value) -> String {
        let words = arguments["command"].as_array().map(Vec::as_slice).unwrap_or_default();
        let command: Vec<String> = words.iter().filter_map(Value::as_str).map(word).collect();
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
        format!("{folder}{env}{}{input}", command.join(" "))
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
    if program.contains('/') && !program.starts_with('/') {
        return bad(format!(
            "`{}`: name the interpreter, as `[\"sh\", \"{0}\"]`",
            program.escape_debug()
        ));
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

fn is_refused(name: &str) -> bool {
    REFUSED_VARIABLES.contains(&name) || REFUSED_BEGINNINGS.iter().any(|begin| name.starts_with(begin))
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
    let ended = match status.reason {
        ExitReason::Exited => None,
        ExitReason::Timeout => Some(format!("it was ended after {wall_ms} ms")),
        ExitReason::Cpu => Some("it used up its processor time".to_owned()),
        ExitReason::Memory => Some(format!("it passed {PROCESS_MEMORY_BYTES_MAX} bytes of memory")),
        ExitReason::Processes => Some(format!("it passed {PROCESS_TASKS_MAX} processes")),
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
