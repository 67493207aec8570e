//! One capability: `read:PATH write:PATH net:HOST[:PORT] run:PROGRAM env:NAME mcp:SERVER/TOOL model:PROVIDER secret:NAME
//! browser:ORIGIN`.

use std::fmt;
use std::str::FromStr;

use openwrap_contracts::{ErrorCode, Fault, Outcome};

use crate::host::HostPattern;
use crate::path::PathPattern;

/// Longest name of a program, variable, server, tool or secret, in bytes.
const NAME_BYTES_MAX: usize = 128;

/// A parsed capability; its printed form is the normal form and reads back as the same value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Capability {
    Read(PathPattern),
    Write(PathPattern),
    Net(HostPattern),
    Run(Program),
    Env(String),
    Mcp { server: String, tool: Named },
    Model(String),
    Secret(String),
    Browser(Origin),
}

/// A program to start.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Program {
    /// `*`: for rules that deny; no plan may ask for it.
    Any,
    /// Found by name.
    Name(String),
    /// Absolute path in normal form. Neither covers the other: a name may be found elsewhere.
    Path(String),
}

/// A name or all names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Named {
    Any,
    Name(String),
}

/// A web origin; the port is there only when it is not the scheme's own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    pub secure: bool,
    pub host: HostPattern,
}

impl Capability {
    /// Reads one capability.
    ///
    /// # Errors
    /// `INVALID_ARGUMENTS` or `PATH_OUTSIDE`, with the text and what is wrong with it.
    pub fn parse(text: &str) -> Outcome<Self> {
        let unknown = || {
            Fault::invalid(format!(
                "`{}` is no capability: read:PATH, write:PATH, net:HOST[:PORT], run:PROGRAM, env:NAME, mcp:SERVER/TOOL, \
                 model:PROVIDER, secret:NAME and browser:ORIGIN are",
                crate::visible::line(&short(text))
            ))
        };
        let (kind, value) = text.split_once(':').ok_or_else(unknown)?;
        let at = |fault: Fault| Fault {
            message: format!("{kind}: {}", fault.message),
            ..fault
        };
        match kind {
            "read" => PathPattern::parse(value).map(Self::Read).map_err(at),
            "write" => PathPattern::parse(value).map(Self::Write).map_err(at),
            "net" => HostPattern::parse(value).map(Self::Net).map_err(at),
            "run" => program(value).map(Self::Run).map_err(at),
            "env" => name(value, is_variable).map(Self::Env).map_err(at),
            "mcp" => mcp(value).map_err(at),
            "model" => name(value, is_provider).map(Self::Model).map_err(at),
            "secret" => name(value, is_dotted).map(Self::Secret).map_err(at),
            "browser" => origin(value).map(Self::Browser).map_err(at),
            _ => Err(unknown()),
        }
    }

    /// Whether everything `need` stands for is allowed by this. Kinds never cover each other.
    #[must_use]
    pub fn covers(&self, need: &Self) -> bool {
        match (self, need) {
            (Self::Read(grant), Self::Read(need)) | (Self::Write(grant), Self::Write(need)) => grant.covers(need),
            (Self::Net(grant), Self::Net(need)) => grant.covers(need),
            (Self::Run(grant), Self::Run(need)) => *grant == Program::Any || grant == need,
            (
                Self::Mcp { server, tool },
                Self::Mcp {
                    server: other,
                    tool: need,
                },
            ) => server == other && (*tool == Named::Any || tool == need),
            (Self::Browser(grant), Self::Browser(need)) => grant.secure == need.secure && grant.covers(need),
            (grant, need) => grant == need,
        }
    }

    /// Whether both may stand for one act; a rule that denies refuses whatever overlaps it.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Read(one), Self::Read(two)) | (Self::Write(one), Self::Write(two)) => one.overlaps(two),
            (Self::Net(one), Self::Net(two)) => one.overlaps(two),
            (Self::Run(one), Self::Run(two)) => one.overlaps(two),
            (Self::Browser(one), Self::Browser(two)) => {
                one.secure == two.secure && one.with_port().overlaps(&two.with_port())
            }
            (one, two) => one.covers(two) || two.covers(one),
        }
    }

    /// Whether it stands for more than the one value it names.
    #[must_use]
    pub fn is_pattern(&self) -> bool {
        match self {
            Self::Read(path) | Self::Write(path) => path.is_pattern(),
            Self::Net(host) => host.is_pattern(),
            Self::Run(program) => *program == Program::Any,
            Self::Mcp { tool, .. } => *tool == Named::Any,
            Self::Browser(origin) => origin.with_port().is_pattern(),
            Self::Env(_) | Self::Model(_) | Self::Secret(_) => false,
        }
    }

    /// Whether it names one thing, as the need of an act must: a star would be a question about one act whose answer
    /// allows many.
    #[must_use]
    pub fn is_single(&self) -> bool {
        match self {
            Self::Read(path) | Self::Write(path) => !path.is_pattern(),
            Self::Net(host) => host.is_one_host(),
            Self::Run(program) => *program != Program::Any,
            Self::Mcp { tool, .. } => *tool != Named::Any,
            Self::Browser(origin) => origin.host.is_one_host(),
            Self::Env(_) | Self::Model(_) | Self::Secret(_) => true,
        }
    }

    /// Whether an act under it stays inside the view.
    #[must_use]
    pub fn is_confined(&self) -> bool {
        matches!(self, Self::Read(_) | Self::Write(_))
    }
}

impl Program {
    /// A name may be found at any path that ends in it; `/bin` is `/usr/bin` on most systems.
    fn overlaps(&self, other: &Self) -> bool {
        let last = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
        match (self, other) {
            (Self::Any, _) | (_, Self::Any) => true,
            (Self::Name(name), Self::Path(path)) | (Self::Path(path), Self::Name(name)) => *name == last(path),
            (Self::Path(one), Self::Path(two)) => {
                let merged = |path: &str| path.strip_prefix("/usr").unwrap_or(path).to_owned();
                merged(one) == merged(two)
            }
            (Self::Name(one), Self::Name(two)) => one == two,
        }
    }
}

impl FromStr for Capability {
    type Err = Fault;

    fn from_str(text: &str) -> Outcome<Self> {
        Self::parse(text)
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(path) => write!(f, "read:{path}"),
            Self::Write(path) => write!(f, "write:{path}"),
            Self::Net(host) => write!(f, "net:{host}"),
            Self::Run(program) => write!(f, "run:{program}"),
            Self::Env(name) => write!(f, "env:{name}"),
            Self::Mcp { server, tool } => write!(f, "mcp:{server}/{tool}"),
            Self::Model(name) => write!(f, "model:{name}"),
            Self::Secret(name) => write!(f, "secret:{name}"),
            Self::Browser(origin) => write!(f, "browser:{origin}"),
        }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "*",
            Self::Name(text) | Self::Path(text) => text,
        })
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "*",
            Self::Name(text) => text,
        })
    }
}

impl Origin {
    fn own_port(&self) -> u16 {
        if self.secure { 443 } else { 80 }
    }

    fn with_port(&self) -> HostPattern {
        HostPattern {
            host: self.host.host.clone(),
            port: Some(self.host.port.unwrap_or_else(|| self.own_port())),
        }
    }

    fn covers(&self, need: &Self) -> bool {
        self.with_port().covers(&need.with_port())
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.secure { "https" } else { "http" }, self.host)
    }
}

fn short(text: &str) -> String {
    text.chars().take(120).collect()
}

fn is_variable(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.bytes().all(inner) && !text.starts_with(|c: char| c.is_ascii_digit())
}

fn is_provider(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    text.len() <= 32 && text.bytes().all(inner) && !text.starts_with('-')
}

fn is_word(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'+'))
}

fn is_dotted(text: &str) -> bool {
    text.split('/').all(|part| !part.is_empty() && is_word(part))
}

fn name(text: &str, fits: fn(&str) -> bool) -> Outcome<String> {
    if text.is_empty() || text.len() > NAME_BYTES_MAX || !fits(text) {
        return Err(Fault::invalid(format!(
            "`{}` is no name that is allowed here",
            crate::visible::line(&short(text))
        )));
    }
    Ok(text.to_owned())
}

fn program(text: &str) -> Outcome<Program> {
    if text == "*" {
        return Ok(Program::Any);
    }
    if !text.contains('/') {
        let wrong = |text: &str| is_word(text) && !text.starts_with('-') && text.bytes().any(|byte| byte != b'.');
        return name(text, wrong).map(Program::Name);
    }
    let Some(below) = text.strip_prefix('/') else {
        return Err(Fault::new(
            ErrorCode::InvalidArguments,
            format!(
                "`{}`: a program is a name or an absolute path",
                crate::visible::line(&short(text))
            ),
        ));
    };
    let path = PathPattern::parse(below)?;
    if path.is_pattern() || path.as_str() == "." {
        return Err(Fault::invalid("a program is one file"));
    }
    Ok(Program::Path(format!("/{path}")))
}

fn mcp(text: &str) -> Outcome<Capability> {
    let (server, tool) = text
        .split_once('/')
        .ok_or_else(|| Fault::invalid("write SERVER/TOOL, or SERVER/* for all its tools"))?;
    let tool = match tool {
        "*" => Named::Any,
        _ => Named::Name(name(tool, is_dotted)?),
    };
    Ok(Capability::Mcp {
        server: name(server, is_word)?,
        tool,
    })
}

fn origin(text: &str) -> Outcome<Origin> {
    let (secure, rest) = match text.split_once("://") {
        Some(("https", rest)) => (true, rest),
        Some(("http", rest)) => (false, rest),
        _ => return Err(Fault::invalid("an origin begins with https:// or http://")),
    };
    let mut origin = Origin {
        secure,
        host: HostPattern::parse(rest.strip_suffix('/').unwrap_or(rest))?,
    };
    if origin.host.port == Some(origin.own_port()) {
        origin.host.port = None;
    }
    Ok(origin)
}
