//! The workers' browser, joined with spawner, brokers and sessions.

use std::path::Path;
use std::sync::Arc;

use openwrap_browser::{BrowserConfig, BrowserPorts, Browsers, find_browser};
use openwrap_contracts::network::Brokers;
use openwrap_contracts::ports::Tool;
use openwrap_contracts::session::Sessions;
use openwrap_contracts::spawn::Spawner;

use crate::core::CoreConfig;

/// The tools of the live browser.
pub fn browser_tools(
    config: &CoreConfig,
    owner: Option<(u32, u32)>,
    spawner: Arc<dyn Spawner>,
    brokers: Arc<dyn Brokers>,
    sessions: Arc<dyn Sessions>,
) -> Vec<Arc<dyn Tool>> {
    let ports = BrowserPorts {
        spawner,
        brokers: Some(brokers),
        sessions: Some(sessions),
    };
    let config = BrowserConfig {
        found: find_browser(config.browser_path.as_deref()),
        folder: config.work.join("browsers"),
        tools_owner: owner,
        own_port: config.port,
    };
    openwrap_browser::tools(&Browsers::new(ports, config))
}

/// What the doctor says of it, worst first.
pub fn notes(named: Option<&Path>) -> Vec<String> {
    let weaker = "The workers' browser runs without Chromium's own sandbox: all its processes share ours, so a page that takes over \
                  the browser reaches what the same task's other pages stored in it, and nothing else.";
    vec![find_browser(named).note().unwrap_or_else(|| weaker.to_owned())]
}
