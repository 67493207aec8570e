//! Tools written in Rust: `file.read file.write file.append file.list note.create note.append note.list shell.exec shell.input shell.stop shell.view excel.create
//! table.read media.analyzeAudio media.analyzeImage web.deploy`.
//!
//! Each works inside the view it is given and nowhere else. A path is taken as it is written: a symbolic link on the way
//! is not followed silently but answered with the path it stands for, so that what was permitted is what is touched.

mod audio;
mod deploy;
mod excel;
mod file_list;
mod file_read;
mod file_write;
mod image;
mod media;
mod note;
mod package;
mod place;
mod registry;
mod shell;
mod shell_exec;
mod summary;
mod table_read;

use std::sync::Arc;

use openwrap_contracts::fault::Fault;
use openwrap_contracts::media::{Hearing, Previews, Vision};
use openwrap_contracts::ports::Tool;
use openwrap_contracts::spawn::Spawner;
use openwrap_contracts::{ErrorCode, Outcome};

pub use package::{Unread, unpacked_bytes};
pub use registry::AgentToolkitRegistry;
pub use shell::ShellPorts;

/// What the tools need to know of the installation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ToolboxConfig {
    /// Uid and gid the tools' processes run as, when started as root: files made here belong to them too.
    pub tools_owner: Option<(u32, u32)>,
}

/// All tools, by name.
#[must_use]
pub fn tools(spawner: Arc<dyn Spawner>, config: ToolboxConfig) -> Vec<Arc<dyn Tool>> {
    let mut tools = folder_tools(config);
    tools.push(Arc::new(shell_exec::ShellExec::new(spawner, None)));
    by_name(tools)
}

fn by_name(mut tools: Vec<Arc<dyn Tool>>) -> Vec<Arc<dyn Tool>> {
    tools.sort_by(|one, other| one.definition().name.cmp(&other.definition().name));
    tools
}

/// As [`tools`], with programs that people see in terminals, and that are left running there.
#[must_use]
pub fn tools_with_terminals(spawner: Arc<dyn Spawner>, config: ToolboxConfig, ports: ShellPorts) -> Vec<Arc<dyn Tool>> {
    let shells = Arc::new(shell::Shells::new(ports));
    let mut tools = folder_tools(config);
    tools.push(Arc::new(shell_exec::ShellExec::new(spawner, Some(Arc::clone(&shells)))));
    tools.push(Arc::new(shell::ShellTool::input(Arc::clone(&shells))));
    tools.push(Arc::new(shell::ShellTool::stop(Arc::clone(&shells))));
    tools.push(Arc::new(shell::ShellTool::view(shells)));
    by_name(tools)
}

/// The tools that need a folder and nothing else, by name.
#[must_use]
pub fn folder_tools(config: ToolboxConfig) -> Vec<Arc<dyn Tool>> {
    vec![
        Arc::new(excel::ExcelCreate::new(config)),
        Arc::new(file_write::FileWrite::append(config)),
        Arc::new(file_list::FileList::new()),
        Arc::new(file_read::FileRead::new()),
        Arc::new(file_write::FileWrite::write(config)),
        Arc::new(note::Note::append(config)),
        Arc::new(note::Note::create(config)),
        Arc::new(note::Note::list(config)),
        Arc::new(table_read::TableRead::new()),
    ]
}

/// The tools that reach beyond their view: to a model, and to a page served on this machine.
#[must_use]
pub fn reaching_tools(
    vision: Arc<dyn Vision>,
    hearing: Arc<dyn Hearing>,
    previews: Arc<dyn Previews>,
) -> Vec<Arc<dyn Tool>> {
    vec![
        Arc::new(image::AnalyzeImage::new(vision)),
        Arc::new(deploy::WebDeploy::new(previews)),
        Arc::new(audio::AnalyzeAudio::new(hearing)),
    ]
}

/// Arguments in a tool's own type; unknown fields are refused.
fn arguments<T: serde::de::DeserializeOwned>(tool: &str, value: &serde_json::Value) -> Outcome<T> {
    T::deserialize(value).map_err(|error| Fault::invalid(format!("{tool}: {error}")))
}

/// Runs file work away from the asynchronous threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Outcome<T> + Send + 'static) -> Outcome<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Fault::new(ErrorCode::ExecutionFailed, format!("the tool broke off: {error}")))?
}
