//! Entry `agent-toolkit`: the registry of track AT over the toolbox of the core. Values cross as JSON text.

use napi_derive::napi;
use openwrap_toolbox::{AgentToolkitRegistry as Registry, ToolboxConfig, folder_tools};

use crate::crossing::{read, thrown, write};

/// Thin face over the Rust registry, with the tools that need a folder and nothing else: the registry asks for no grants, so what
/// starts programs, asks models or serves pages is only there behind the gateway of a core. Errors are thrown with the JSON text
/// of a fault as their message.
#[napi]
pub struct AgentToolkitRegistry {
    inner: Registry,
}

#[napi]
impl AgentToolkitRegistry {
    /// Takes the JSON of `AgentToolkitConfig`.
    #[napi(constructor)]
    pub fn new(config_json: String) -> napi::Result<Self> {
        let inner = Registry::new(read(&config_json)?, folder_tools(ToolboxConfig::default()));
        Ok(Self {
            inner: inner.map_err(|fault| thrown(&fault))?,
        })
    }

    #[napi]
    pub fn register_all_tools(&self) {
        self.inner.register_all_tools();
    }

    /// Takes the JSON of the payload, resolves to the JSON of `AgentToolkitResult`.
    #[napi]
    pub async fn invoke(&self, tool_name: String, payload_json: String) -> napi::Result<String> {
        let payload = read(&payload_json)?;
        write(self.inner.invoke(&tool_name, payload).await)
    }

    /// Answers the JSON of `AgentToolkitTool[]`.
    #[napi]
    pub fn get_tool_list(&self) -> napi::Result<String> {
        write(Ok(self.inner.get_tool_list()))
    }

    #[napi]
    pub fn reset(&self) {
        self.inner.reset();
    }
}
