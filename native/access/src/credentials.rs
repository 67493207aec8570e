//! What a request carries.

use std::fmt;

use serde::Deserialize;

/// Secrets of one request; never printed.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Credentials {
    /// Value of the device cookie.
    #[serde(default)]
    pub cookie: Option<String>,
    /// The tab's secret, from its header.
    #[serde(default)]
    pub tab_secret: Option<String>,
    /// The command line's token.
    #[serde(default)]
    pub cli_token: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("cookie", &self.cookie.is_some())
            .field("tab_secret", &self.tab_secret.is_some())
            .field("cli_token", &self.cli_token.is_some())
            .finish()
    }
}
