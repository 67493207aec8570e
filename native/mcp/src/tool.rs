//! A server's tool as the gateway calls it.

use std::sync::Arc;

use openwrap_contracts::identity::Label;
use openwrap_contracts::ports::{Task, Tool, ToolInput};
use openwrap_contracts::tool::{Reach, ToolDefinition, ToolOutput, Writes};
use openwrap_contracts::{ErrorCode, Outcome};
use serde_json::Value;

use crate::definition::OfferedTool;
use crate::inert::visible_line;
use crate::names::works_in_view;
use crate::process::{Scope, named};
use crate::result::{arguments, artifacts, output};
use crate::server::Server;

/// Characters of the arguments in the line a person reads; the whole is in the question's hash.
const SUMMARY_CHARS_MAX: usize = 4_000;

/// Needs of a built-in tool, from its arguments.
pub type Needs = fn(&Value) -> Outcome<Vec<String>>;

pub struct McpTool {
    server: Arc<Server>,
    /// As the server calls it.
    name: String,
    definition: ToolDefinition,
    /// For a tool of our own; none: `mcp:SERVER/TOOL`.
    needs: Option<Needs>,
}

impl McpTool {
    pub fn of_server(server: &Arc<Server>, offered: &OfferedTool) -> Self {
        Self {
            server: Arc::clone(server),
            name: offered.name.clone(),
            definition: offered.of(&server.kept),
            needs: None,
        }
    }

    /// A tool of our own: its own name, its own needs, and nothing outside the view in reach.
    pub fn built_in(server: &Arc<Server>, offered: &OfferedTool, description: String, needs: Needs) -> Self {
        let definition = ToolDefinition {
            name: offered.name.clone(),
            description,
            reach: Reach::Confined,
            ..offered.definition.clone()
        };
        Self {
            server: Arc::clone(server),
            name: offered.name.clone(),
            definition,
            needs: Some(needs),
        }
    }

    async fn execute(&self, input: ToolInput) -> Outcome<ToolOutput> {
        let server = &self.server;
        let in_view = works_in_view(&server.kept);
        let scope = Scope {
            run_id: input.run_id.clone(),
            view_id: in_view.then(|| input.view.view_id.clone()),
        };
        let given = arguments(
            &input.arguments,
            in_view.then_some((input.project_path.as_path(), &input.view)),
        )?;
        let running = tokio::select! {
            biased;
            () = input.cancel.cancelled() => return Err(openwrap_contracts::Fault::canceled()),
            running = server.process(&scope, &input.view) => running?,
        };
        let process = &running.process;
        let _busy = process.busy();
        server.still_approved(&running).await?;
        let answered = process.connection.call(&self.name, given, input.cancel.clone()).await;
        let answered = match answered {
            Ok(answered) => answered,
            Err(fault) => {
                // The view goes next, and whoever does not answer may still be at work: nothing of it is left.
                let left = matches!(fault.code, ErrorCode::Timeout) || (in_view && fault.code == ErrorCode::Canceled);
                if left {
                    running.end().await;
                }
                let mut fault = if fault.code == ErrorCode::Canceled {
                    fault
                } else {
                    named(&server.kept.server_id, fault)
                };
                process.shown().text(&mut fault.message);
                return Err(fault);
            }
        };
        server.still_approved(&running).await?;
        let labels = if self.needs.is_some() {
            Vec::new()
        } else {
            vec![Label::Mcp]
        };
        let writes = if in_view {
            Writes::Scan
        } else {
            Writes::Paths(Vec::new())
        };
        let artifacts = if self.needs.is_some() {
            artifacts(&answered)
        } else {
            Vec::new()
        };
        let answer = output(answered, &process.shown(), labels, writes);
        Ok(ToolOutput { artifacts, ..answer })
    }
}

impl Tool for McpTool {
    fn definition(&self) -> &ToolDefinition {
        &self.definition
    }

    fn needs(&self, arguments: &Value) -> Outcome<Vec<String>> {
        match self.needs {
            Some(needs) => needs(arguments),
            None => Ok(vec![format!("mcp:{}/{}", self.server.kept.server_id, self.name)]),
        }
    }

    fn summary(&self, arguments: &Value) -> String {
        let shown = visible_line(&arguments.to_string(), SUMMARY_CHARS_MAX);
        format!("{} {shown}", self.definition.name)
    }

    fn run(&self, input: ToolInput) -> Task<'_, Outcome<ToolOutput>> {
        Box::pin(self.execute(input))
    }
}
