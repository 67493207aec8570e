//! `shell.view`, `shell.input` and `shell.stop`: what a worker does with a program it left running.

use std::sync::Arc;
use std::time::Duration;

use openwrap_contracts::ports::{Task, Tool, ToolInput};
use openwrap_contracts::tool::{Reach, Repeatability, ToolDefinition, ToolOutput, Writes};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::shell::shells::{Shell, Shells, ending, settle};
use crate::summary::{text, word};

/// Lines of one answer, those that scrolled away included.
const LINES_MAX: usize = 500;
/// Typed at once.
const TEXT_BYTES_MAX: usize = 8 * 1024;

/// A program that reads nothing for so long is not waited for.
const TYPED_MAX: Duration = Duration::from_secs(5);

fn unread() -> Fault {
    Fault::new(ErrorCode::Timeout, "the program does not read what is typed")
}

/// What is done with the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    View,
    Input,
    Stop,
}

/// One of the three.
pub struct ShellTool {
    act: Act,
    definition: ToolDefinition,
    shells: Arc<Shells>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Arguments {
    #[serde(default)]
    session_id: Option<String>,
    #[serde(default)]
    lines: Option<usize>,
    #[serde(default)]
    text: Option<String>,
}

impl ShellTool {
    pub fn view(shells: Arc<Shells>) -> Self {
        let description = "Shows the terminal of a program that `shell.exec` left running: its `screen` as text, or its last `lines`, \
            those that scrolled away included, and whether it is `running`."
            .to_owned();
        let lines = json!({
            "type": "integer", "minimum": 1, "maximum": LINES_MAX,
            "description": "That many last lines instead of the screen.",
        });
        Self::new(Act::View, "shell.view", description, &[("lines", lines)], &[], shells)
    }

    pub fn input(shells: Arc<Shells>) -> Self {
        let description = "Types text into the terminal of a program that `shell.exec` left running, waits a moment for what it prints, \
            and answers with its `screen`. A line break is the Enter key; other keys are their characters: `\\u0003` is Ctrl+C, \
            `\\u0004` Ctrl+D, `\\u001b[A` the up arrow."
            .to_owned();
        let text = json!({
            "type": "string", "minLength": 1, "maxLength": TEXT_BYTES_MAX,
            "description": "What is typed.",
        });
        Self::new(
            Act::Input,
            "shell.input",
            description,
            &[("text", text)],
            &["text"],
            shells,
        )
    }

    pub fn stop(shells: Arc<Shells>) -> Self {
        let description =
            "Ends a program that `shell.exec` left running, with all it started; answers with its last lines. Without \
            `sessionId` it ends all of them."
                .to_owned();
        Self::new(Act::Stop, "shell.stop", description, &[], &[], shells)
    }

    fn new(
        act: Act,
        name: &str,
        description: String,
        more: &[(&str, Value)],
        needed: &[&str],
        shells: Arc<Shells>,
    ) -> Self {
        let mut properties = json!({
            "sessionId": {
                "type": "string", "minLength": 1, "maxLength": 200,
                "description": "As `shell.exec` answered.",
            },
        });
        for (name, schema) in more {
            properties[*name] = schema.clone();
        }
        let named = (act != Act::Stop).then_some(&"sessionId");
        let required: Vec<&str> = named.into_iter().chain(needed).copied().collect();
        Self {
            act,
            definition: ToolDefinition {
                name: name.to_owned(),
                description,
                input_schema: json!({
                    "type": "object",
                    "properties": properties,
                    "required": required,
                    "additionalProperties": false,
                }),
                repeat: Repeatability::Observed,
                reach: Reach::Confined,
            },
            shells,
        }
    }

    fn checked(&self, value: &Value) -> Outcome<Arguments> {
        let name = &self.definition.name;
        let arguments: Arguments = crate::arguments(name, value)?;
        if arguments.session_id.is_none() && self.act != Act::Stop {
            return Err(Fault::invalid(format!("{name}: `sessionId` is missing")));
        }
        if arguments.lines.is_some_and(|lines| lines == 0 || lines > LINES_MAX) {
            return Err(Fault::invalid(format!("{name}: `lines` is 1 to {LINES_MAX}")));
        }
        if arguments.text.as_ref().is_some_and(|text| text.len() > TEXT_BYTES_MAX) {
            return Err(Fault::invalid(format!(
                "{name}: `text` has {TEXT_BYTES_MAX} bytes at most"
            )));
        }
        Ok(arguments)
    }

    async fn act(&self, input: ToolInput) -> Outcome<ToolOutput> {
        let arguments = self.checked(&input.arguments)?;
        let Some(session_id) = &arguments.session_id else {
            return self.stop_all(&input).await;
        };
        let shell = self.shells.find(&input, session_id)?;
        let terminal = &*shell.terminal;
        match self.act {
            Act::View => {}
            Act::Input => {
                let typed = arguments.text.unwrap_or_default().replace('\n', "\r");
                let text = openwrap_contracts::session::SessionInput::Text { text: typed };
                tokio::select! {
                    biased;
                    () = input.cancel.cancelled() => return Err(Fault::canceled()),
                    done = tokio::time::timeout(TYPED_MAX, terminal.input(vec![text])) => done.map_err(|_| unread())??,
                }
                settle(terminal, &input.cancel).await?;
            }
            Act::Stop => self.shells.stop(&shell).await?,
        }
        let lines = arguments
            .lines
            .or((self.act == Act::Stop).then_some(usize::from(super::SIZE.rows)));
        Ok(seen(&shell, lines))
    }
}

impl ShellTool {
    async fn stop_all(&self, input: &ToolInput) -> Outcome<ToolOutput> {
        let mut stopped = Vec::new();
        for shell in self.shells.all_of(input) {
            self.shells.stop(&shell).await?;
            stopped.push(shell.name);
        }
        Ok(ToolOutput {
            writes: Writes::Scan,
            ..ToolOutput::read_only(json!({ "stopped": stopped }))
        })
    }
}

/// What a worker reads of a program's terminal. The program may have written files meanwhile, so the view is looked through.
pub fn seen(shell: &Shell, lines: Option<usize>) -> ToolOutput {
    let terminal = &*shell.terminal;
    let mut content = ending(terminal.ended());
    content.insert("sessionId".to_owned(), shell.name.clone().into());
    match lines {
        Some(lines) => content.insert("lines".to_owned(), terminal.last_lines(lines).into()),
        None => content.insert("screen".to_owned(), terminal.text().into()),
    };
    ToolOutput {
        content: Value::Object(content),
        is_error: false,
        artifacts: Vec::new(),
        labels: Vec::new(),
        writes: Writes::Scan,
    }
}

impl Tool for ShellTool {
    fn definition(&self) -> &ToolDefinition {
        &self.definition
    }

    /// What runs there was permitted when it was started.
    fn needs(&self, arguments: &Value) -> Outcome<Vec<String>> {
        self.checked(arguments).map(|_| Vec::new())
    }

    fn summary(&self, arguments: &Value) -> String {
        let session = arguments["sessionId"]
            .as_str()
            .map_or_else(|| "all programs".to_owned(), word);
        match self.act {
            Act::View => format!("look at {session}"),
            Act::Input => format!(
                "type {} into {session}",
                text(arguments["text"].as_str().unwrap_or_default())
            ),
            Act::Stop => format!("end {session}"),
        }
    }

    fn run(&self, input: ToolInput) -> Task<'_, Outcome<ToolOutput>> {
        Box::pin(self.act(input))
    }
}
