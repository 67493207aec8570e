//! The registry of track AT: tools by name, called over one workspace folder. The same tools the gateway serves; whoever holds
//! a registry has decided what may be done in its folder, so no grants are asked here, but protected names stay closed.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use openwrap_contracts::at::{AgentToolkitConfig, AgentToolkitResult, AgentToolkitTool};
use openwrap_contracts::canonical::canonical_bytes;
use openwrap_contracts::identity::StepRef;
use openwrap_contracts::limits::TOOL_ARGUMENTS_BYTES_MAX;
use openwrap_contracts::ports::{CancellationToken, Tool, ToolInput, View};
use openwrap_contracts::protected::protected_name;
use openwrap_contracts::spawn::Network;
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use serde_json::Value;

use crate::place::Place;

/// Tools by name over one folder. Calls run one after the other: each sees what the one before wrote.
pub struct AgentToolkitRegistry {
    config: AgentToolkitConfig,
    available: Vec<Arc<dyn Tool>>,
    registered: Mutex<BTreeMap<String, Arc<dyn Tool>>>,
    turn: tokio::sync::Mutex<()>,
}

impl AgentToolkitRegistry {
    /// A registry over a folder that exists; no tool is registered yet.
    ///
    /// # Errors
    /// `INVALID_ARGUMENTS` for a root that is not absolute or two tools of one name, `STORAGE_FAILED` when it cannot be opened.
    pub fn new(config: AgentToolkitConfig, tools: Vec<Arc<dyn Tool>>) -> Outcome<Self> {
        if !config.workspace_root.is_absolute() {
            return Err(Fault::invalid("`workspaceRoot` must be an absolute path"));
        }
        Place::open(&config.workspace_root, None)?;
        let mut names = std::collections::BTreeSet::new();
        for tool in &tools {
            if !names.insert(tool.definition().name.as_str()) {
                return Err(Fault::invalid(format!(
                    "two tools are called `{}`",
                    tool.definition().name
                )));
            }
        }
        Ok(Self {
            config,
            available: tools,
            registered: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        })
    }

    fn registered(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Arc<dyn Tool>>> {
        self.registered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes every tool callable; again is the same.
    pub fn register_all_tools(&self) {
        let named = |tool: &Arc<dyn Tool>| (tool.definition().name.clone(), Arc::clone(tool));
        self.registered().extend(self.available.iter().map(named));
    }

    /// The registered tools, by name.
    #[must_use]
    pub fn get_tool_list(&self) -> Vec<AgentToolkitTool> {
        let offer = |tool: &Arc<dyn Tool>| {
            let definition = tool.definition();
            AgentToolkitTool {
                name: definition.name.clone(),
                description: definition.description.clone(),
                input_schema: definition.input_schema.clone(),
            }
        };
        self.registered().values().map(offer).collect()
    }

    /// No tool is registered any more; files stay.
    pub fn reset(&self) {
        self.registered().clear();
    }

    /// Runs a tool in the workspace.
    ///
    /// # Errors
    /// `NOT_FOUND` for a tool that is not registered, `INVALID_ARGUMENTS`, `PATH_OUTSIDE`, `PROTECTED_PATH`, `LIMIT_EXCEEDED`, and
    /// any fault of the tool.
    pub async fn invoke(&self, tool_name: &str, payload: Value) -> Outcome<AgentToolkitResult> {
        let tool = self.registered().get(tool_name).cloned();
        let tool = tool.ok_or_else(|| {
            Fault::not_found(format!("no tool `{}` is registered", tool_name.escape_debug()))
                .with_hint("Call `registerAllTools` first, then use a name of `getToolList`.")
        })?;
        let size = canonical_bytes(&payload)?.len();
        if size > TOOL_ARGUMENTS_BYTES_MAX {
            return Err(Fault::new(
                ErrorCode::LimitExceeded,
                format!("the payload is {size} bytes, {TOOL_ARGUMENTS_BYTES_MAX} are the most"),
            ));
        }
        check_names(&tool.needs(&payload)?)?;
        let _turn = self.turn.lock().await;
        let output = tool.run(self.input(payload)).await?;
        let mut artifacts = output.artifacts;
        artifacts.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(AgentToolkitResult {
            tool_name: tool_name.to_owned(),
            success: !output.is_error,
            output: output.content,
            artifacts,
        })
    }

    fn input(&self, arguments: Value) -> ToolInput {
        let root = &self.config.workspace_root;
        ToolInput {
            arguments,
            view: View {
                view_id: String::new(),
                root: root.clone(),
                home: root.clone(),
                temp: root.clone(),
            },
            project_path: root.clone(),
            run_id: String::new(),
            project_id: String::new(),
            step: StepRef {
                task_id: String::new(),
                attempt: 0,
                step: 0,
            },
            cancel: CancellationToken::new(),
            network: Network::None,
            nested: None,
        }
    }

    /// The folder the tools work in.
    #[must_use]
    pub fn workspace_root(&self) -> &Path {
        &self.config.workspace_root
    }
}

fn check_names(needs: &[String]) -> Outcome<()> {
    let writes = needs.iter().filter_map(|need| need.strip_prefix("write:"));
    for path in writes {
        if let Some(name) = protected_name(path) {
            return Err(Fault::new(ErrorCode::ProtectedPath, format!("`{name}` is protected")));
        }
    }
    Ok(())
}
