//! What a server may be called, run as, and be granted.

use std::path::{Component, Path, PathBuf};

use openwrap_contracts::mcp::McpServer;
use openwrap_contracts::spawn::{Access, PathGrant};
use openwrap_contracts::{Fault, Outcome};

use crate::inert::{is_hidden, visible_line};

const ARGS_MAX: usize = 100;
const ENV_MAX: usize = 32;
const GRANTS_MAX: usize = 32;
const TEXT_BYTES_MAX: usize = 4096;
/// Stands for the project as the task sees it; a server that names it gets a process of its own for each view.
pub const VIEW: &str = "${view}";
/// Names that would read as something else in a list of tools.
const TAKEN: &[&str] = &["mcp"];

/// Variables that decide which program or library runs.
const REFUSED_VARIABLES: &[&str] = &["PATH", "HOME", "TMPDIR", "IFS", "ENV", "BASH_ENV", "SHELLOPTS"];
const REFUSED_BEGINNINGS: &[&str] = &["LD_", "DYLD_", "NODE_", "NPM_", "npm_", "PYTHON", "OPENWRAP"];

/// `[a-z0-9][a-z0-9-]{0,31}`.
///
/// # Errors
/// `INVALID_ARGUMENTS`.
pub fn check_server_id(id: &str) -> Outcome<()> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let fits = !id.is_empty() && id.len() <= 32 && id.chars().all(inner) && !id.starts_with('-');
    if fits && !TAKEN.contains(&id) {
        return Ok(());
    }
    Err(Fault::invalid(format!(
        "`{}` is no name for a server: 1 to 32 of a-z, 0-9 and `-`, not beginning with `-`, and not `mcp`",
        visible_line(id, 64)
    )))
}

/// A name of a tool that a capability can hold and a model can call: as MCP recommends, `[A-Za-z0-9_.-]{1,128}`.
pub fn fits_tool(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    !name.is_empty() && name.len() <= 128 && name.chars().all(inner) && name != "." && name != ".."
}

/// Checks everything that can be checked without starting it.
///
/// # Errors
/// `INVALID_ARGUMENTS` naming the field.
pub fn check_server(server: &McpServer) -> Outcome<()> {
    check_server_id(&server.server_id)?;
    if server.args.len() > ARGS_MAX || server.env.len() > ENV_MAX || server.grants.len() > GRANTS_MAX {
        return Err(Fault::invalid(format!(
            "a server has at most {ARGS_MAX} arguments, {ENV_MAX} variables and {GRANTS_MAX} grants"
        )));
    }
    check_program(&server.command)?;
    let values = server.env.iter().map(|variable| &variable.value);
    if server.args.iter().chain(values).any(|text| !is_plain(text)) {
        return Err(Fault::invalid(format!(
            "arguments and values have at most {TEXT_BYTES_MAX} bytes and no hidden characters"
        )));
    }
    for variable in &server.env {
        check_variable(&variable.name)?;
        if variable.value.starts_with("secret:provider:") {
            return Err(Fault::invalid(
                "keys of model providers are for models only; store a secret of its own for the server",
            ));
        }
        if variable
            .value
            .strip_prefix("secret:")
            .is_some_and(|name| !is_secret_name(name))
        {
            return Err(Fault::invalid("a secret's name has letters, digits or - _ . : / only"));
        }
    }
    path_grants(server).map(|_| ())
}

/// As a person may name one; what the core keeps for itself is named otherwise.
fn is_secret_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '/');
    !name.is_empty() && name.chars().all(plain)
}

fn is_plain(text: &str) -> bool {
    text.len() <= TEXT_BYTES_MAX && !text.chars().any(|c| is_hidden(c) || c == '\n')
}

fn check_program(command: &str) -> Outcome<()> {
    if command.is_empty() || !is_plain(command) || (command.contains('/') && !command.starts_with('/')) {
        return Err(Fault::invalid(
            "the command begins with a program: a name on the PATH, or an absolute path",
        ));
    }
    let name = command.rsplit('/').next().unwrap_or(command);
    if matches!(name, "npx" | "npm" | "pnpm" | "yarn" | "bunx" | "uvx" | "uv" | "pipx") {
        return Err(Fault::invalid(format!(
            "`{name}` installs while it runs; a server is installed first and then runs as its entry file"
        ))
        .with_hint("Use `openwrap mcp add NAME -- npx -y PACKAGE@VERSION`, which installs it; or install it yourself and name its entry file."));
    }
    Ok(())
}

fn check_variable(name: &str) -> Outcome<()> {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let named = !name.is_empty() && name.len() <= 128 && name.chars().all(inner);
    if !named || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(Fault::invalid(format!(
            "`{}` is no name of a variable",
            visible_line(name, 64)
        )));
    }
    let decides = REFUSED_VARIABLES.contains(&name) || REFUSED_BEGINNINGS.iter().any(|begin| name.starts_with(begin));
    if decides {
        return Err(Fault::invalid(format!(
            "the variable `{name}` decides what else runs and is not taken"
        )));
    }
    Ok(())
}

/// The capabilities of a server's process as rules of the sandbox: `read:/ABSOLUTE` and `write:/ABSOLUTE`.
///
/// # Errors
/// `INVALID_ARGUMENTS` for every other capability.
pub fn path_grants(server: &McpServer) -> Outcome<Vec<PathGrant>> {
    server.grants.iter().map(|grant| path_grant(grant)).collect()
}

fn path_grant(text: &str) -> Outcome<PathGrant> {
    let shown = visible_line(text, 200);
    let (kind, path) = text.split_once(':').unwrap_or_default();
    let access = match kind {
        "read" => Access::Read,
        "write" => Access::ReadWrite,
        _ => {
            return Err(Fault::invalid(format!(
                "`{shown}`: a server's process can be granted read:/ABSOLUTE/PATH and write:/ABSOLUTE/PATH, nothing else"
            )));
        }
    };
    let path = PathBuf::from(path);
    let steps = path
        .components()
        .all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    if !path.is_absolute() || !steps || path == Path::new("/") || !is_plain(text) {
        return Err(Fault::invalid(format!(
            "`{shown}`: the path must be absolute, without `..`, and not the whole system"
        )));
    }
    Ok(PathGrant::new(path, access))
}

/// Whether each view needs a process of its own.
pub fn works_in_view(server: &McpServer) -> bool {
    server.args.iter().any(|argument| argument.contains(VIEW))
        || server.env.iter().any(|variable| variable.value.contains(VIEW))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn server(command: &str, args: &[&str], grants: &[&str]) -> McpServer {
        McpServer {
            server_id: "files".to_owned(),
            command: command.to_owned(),
            args: args.iter().map(ToString::to_string).collect(),
            env: Vec::new(),
            package: None,
            grants: grants.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn ids_and_tool_names() {
        for id in ["a", "files-2", "0x"] {
            assert!(check_server_id(id).is_ok(), "{id}");
        }
        for id in ["", "-a", "A", "a_b", "mcp", "a:b", "a/b", &"a".repeat(33)] {
            assert!(check_server_id(id).is_err(), "{id}");
        }
        assert!(fits_tool("read_text.file-2"));
        for name in ["", "a b", "a:b", "a/b", "a*", "..", "ä"] {
            assert!(!fits_tool(name), "{name}");
        }
    }

    #[test]
    fn commands_grants_and_variables_are_read_strictly() {
        assert!(check_server(&server("node", &["/s.js", "${view}"], &["read:/opt/s"])).is_ok());
        for (command, grants) in [
            ("npx", vec![]),
            ("/usr/bin/uvx", vec![]),
            ("./x", vec![]),
            ("", vec![]),
            ("node", vec!["net:a.example"]),
            ("node", vec!["read:relative"]),
            ("node", vec!["read:/"]),
            ("node", vec!["write:/a/../b"]),
            ("node", vec!["run:git"]),
        ] {
            assert!(
                check_server(&server(command, &[], &grants)).is_err(),
                "{command} {grants:?}"
            );
        }
        assert!(check_server(&server("node", &["a\u{202e}"], &[])).is_err());
        for name in ["LD_PRELOAD", "NODE_OPTIONS", "PATH", "", "A=B", "1A"] {
            assert!(check_variable(name).is_err(), "{name}");
        }
        assert!(check_variable("API_KEY").is_ok());
    }

    #[test]
    fn what_the_core_keeps_for_itself_is_no_secret_of_a_server() {
        let with = |value: &str| {
            let variable = openwrap_contracts::mcp::McpVariable {
                name: "API_KEY".to_owned(),
                value: value.to_owned(),
            };
            check_server(&McpServer {
                env: vec![variable],
                ..server("node", &[], &[])
            })
        };
        assert!(with("secret:files/token").is_ok() && with("plain").is_ok());
        for value in ["secret:", "secret:the local authority", "secret:provider:openai"] {
            assert!(with(value).is_err(), "{value}");
        }
    }
}
