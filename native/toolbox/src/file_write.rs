//! `file.write` and `file.append`: a file whole or not at all.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use openwrap_contracts::ports::{Task, Tool, ToolInput};
use openwrap_contracts::tool::{Artifact, Reach, Repeatability, ToolDefinition, ToolOutput, Writes};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::ToolboxConfig;
use crate::place::{Place, normal_file};
use crate::summary::{text, word};

/// Writes a file anew, or at its end.
pub struct FileWrite {
    definition: ToolDefinition,
    config: ToolboxConfig,
    appends: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Arguments {
    path: String,
    content: String,
    #[serde(default)]
    encoding: Option<Encoding>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Encoding {
    Utf8,
    Base64,
}

impl FileWrite {
    pub fn write(config: ToolboxConfig) -> Self {
        Self {
            definition: ToolDefinition {
                name: "file.write".to_owned(),
                description: "Writes a file of the project, replacing what was there; missing folders are made. The \
                              content is text, or bytes in base64 with `encoding` `base64`."
                    .to_owned(),
                input_schema: json!({
                    "type": "object",
                    "properties": {
                        "path": { "type": "string", "minLength": 1, "description": "Path from the project's folder." },
                        "content": { "type": "string", "description": "The whole file." },
                        "encoding": { "type": "string", "enum": ["utf8", "base64"], "description": "How `content` is written; `utf8` when left out." },
                    },
                    "required": ["path", "content"],
                    "additionalProperties": false,
                }),
                repeat: Repeatability::Deterministic,
                reach: Reach::Confined,
            },
            config,
            appends: false,
        }
    }

    pub fn append(config: ToolboxConfig) -> Self {
        Self {
            definition: ToolDefinition {
                name: "file.append".to_owned(),
                description: "Adds text to the end of a file of the project, making the file when it is not there."
                    .to_owned(),
                input_schema: json!({
                    "type": "object",
                    "properties": {
                        "path": { "type": "string", "minLength": 1, "description": "Path from the project's folder." },
                        "content": { "type": "string", "description": "What to add; no line break is put before it." },
                    },
                    "required": ["path", "content"],
                    "additionalProperties": false,
                }),
                repeat: Repeatability::Deterministic,
                reach: Reach::Confined,
            },
            config,
            appends: true,
        }
    }

    fn read_arguments(&self, value: &Value) -> Outcome<Arguments> {
        let arguments: Arguments = crate::arguments(&self.definition.name, value)?;
        if self.appends && arguments.encoding.is_some() {
            return Err(Fault::invalid("file.append takes text only, no `encoding`"));
        }
        Ok(arguments)
    }
}

impl Tool for FileWrite {
    fn definition(&self) -> &ToolDefinition {
        &self.definition
    }

    fn needs(&self, arguments: &Value) -> Outcome<Vec<String>> {
        let arguments = self.read_arguments(arguments)?;
        Ok(vec![format!("write:{}", normal_file(&arguments.path)?)])
    }

    fn summary(&self, arguments: &Value) -> String {
        let verb = if self.appends { "append to" } else { "write" };
        let content = arguments["content"].as_str().unwrap_or_default();
        let encoding = match arguments["encoding"].as_str() {
            Some("base64") => " of base64",
            _ => "",
        };
        format!(
            "{verb} {} ({} bytes{encoding}): {}",
            word(arguments["path"].as_str().unwrap_or_default()),
            content.len(),
            text(content)
        )
    }

    fn run(&self, input: ToolInput) -> Task<'_, Outcome<ToolOutput>> {
        let (owner, appends) = (self.config.tools_owner, self.appends);
        Box::pin(async move {
            let arguments = self.read_arguments(&input.arguments)?;
            crate::blocking(move || {
                let path = normal_file(&arguments.path)?;
                let place = Place::open(&input.view.root, owner)?;
                let bytes = content(&place, &path, arguments, appends)?;
                Ok(written(place.write(&path, &bytes)?))
            })
            .await
        })
    }
}

fn content(place: &Place, path: &str, arguments: Arguments, appends: bool) -> Outcome<Vec<u8>> {
    if arguments.encoding == Some(Encoding::Base64) {
        return STANDARD
            .decode(arguments.content.as_bytes())
            .map_err(|error| Fault::invalid(format!("file.write: `content` is no base64: {error}")));
    }
    if !appends {
        return Ok(arguments.content.into_bytes());
    }
    let mut bytes = match place.read(path) {
        Err(fault) if fault.code == ErrorCode::NotFound => Vec::new(),
        other => other?,
    };
    bytes.extend_from_slice(arguments.content.as_bytes());
    Ok(bytes)
}

/// The answer of a tool that wrote one file.
pub fn written(artifact: Artifact) -> ToolOutput {
    ToolOutput {
        content: json!({ "path": artifact.path, "size": artifact.size, "checksum": artifact.checksum }),
        is_error: false,
        writes: Writes::Paths(vec![artifact.path.clone()]),
        artifacts: vec![artifact],
        labels: Vec::new(),
    }
}
