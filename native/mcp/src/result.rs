//! What a tool answered, as the gateway takes it.

use std::path::Path;

use openwrap_contracts::identity::Label;
use openwrap_contracts::ports::View;
use openwrap_contracts::tool::{Artifact, ToolOutput, Writes};
use openwrap_contracts::{Fault, Outcome};
use rmcp::model::{CallToolResult, ContentBlock, ResourceContents};
use serde_json::{Map, Value, json};

/// Turns a result into what a model reads: the text where there is nothing else, so that it costs no quoting.
pub fn output(result: CallToolResult, shown: &Shown<'_>, labels: Vec<Label>, writes: Writes) -> ToolOutput {
    let is_error = result.is_error == Some(true);
    let parts: Vec<Value> = result.content.into_iter().map(part).collect();
    let mut content = match (parts.as_slice(), result.structured_content) {
        // Servers repeat structured content as text for clients that do not know it.
        ([], Some(structured)) => structured,
        ([], None) => Value::String(String::new()),
        (texts, _) if texts.iter().all(Value::is_string) => {
            let texts: Vec<&str> = texts.iter().filter_map(Value::as_str).collect();
            Value::String(texts.join("\n"))
        }
        _ => json!({ "content": parts }),
    };
    shown.apply(&mut content);
    ToolOutput {
        content,
        is_error,
        artifacts: Vec::new(),
        labels,
        writes,
    }
}

/// The file a tool of our own says it wrote, as `structuredContent.artifact`.
pub fn artifacts(result: &CallToolResult) -> Vec<Artifact> {
    let structured = result.structured_content.as_ref();
    let artifact = structured.and_then(|content| serde_json::from_value(content["artifact"].clone()).ok());
    artifact.into_iter().collect()
}

/// Pictures and sound are named, not carried: no model reads them as text.
fn part(block: ContentBlock) -> Value {
    match block {
        ContentBlock::Text(text) => Value::String(text.text),
        ContentBlock::Image(image) => {
            json!({ "type": "image", "mimeType": image.mime_type, "base64Bytes": image.data.len() })
        }
        ContentBlock::Audio(audio) => {
            json!({ "type": "audio", "mimeType": audio.mime_type, "base64Bytes": audio.data.len() })
        }
        ContentBlock::Resource(embedded) => match embedded.resource {
            ResourceContents::TextResourceContents { uri, text, .. } => {
                json!({ "type": "resource", "uri": uri, "text": text })
            }
            ResourceContents::BlobResourceContents { uri, blob, .. } => {
                json!({ "type": "resource", "uri": uri, "base64Bytes": blob.len() })
            }
            _ => json!({ "type": "resource" }),
        },
        ContentBlock::ResourceLink(link) => json!({ "type": "resource_link", "uri": link.uri, "name": link.name }),
        _ => json!({ "type": "unknown" }),
    }
}

/// Places of this process that a model must not see: they differ from run to run.
pub struct Shown<'a> {
    pub home: &'a Path,
    pub temp: &'a Path,
    /// Read-only folders with the server's program, and the name each is shown under.
    pub programs: Vec<(&'a Path, String)>,
}

impl Shown<'_> {
    /// All texts of a value.
    pub fn apply(&self, value: &mut Value) {
        match value {
            Value::String(text) => self.text(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.apply(item)),
            Value::Object(fields) => fields.iter_mut().for_each(|(_, item)| self.apply(item)),
            _ => {}
        }
    }

    /// A text of the server with those places under their usual names.
    pub fn text(&self, text: &mut String) {
        let usual = [(self.home, "~".to_owned()), (self.temp, "/tmp".to_owned())];
        for (place, name) in usual.iter().chain(&self.programs) {
            let place = place.to_string_lossy();
            if text.contains(place.as_ref()) {
                *text = text.replace(place.as_ref(), name);
            }
        }
    }
}

/// Arguments for the server: an object, with paths of the project as outputs show them turned into the view's.
///
/// # Errors
/// `INVALID_ARGUMENTS` when they are no object.
pub fn arguments(value: &Value, project: Option<(&Path, &View)>) -> Outcome<Map<String, Value>> {
    let mut value = value.clone();
    if let Some((project, view)) = project {
        in_view(&mut value, &project.to_string_lossy(), &view.root.to_string_lossy());
    }
    match value {
        Value::Object(fields) => Ok(fields),
        _ => Err(Fault::invalid("the arguments are not an object")),
    }
}

fn in_view(value: &mut Value, project: &str, root: &str) {
    match value {
        Value::String(text) => {
            for scheme in ["", "file://"] {
                let begins = text.strip_prefix(scheme).and_then(|path| path.strip_prefix(project));
                if let Some(inner) = begins
                    && (inner.is_empty() || inner.starts_with('/'))
                {
                    *text = format!("{scheme}{root}{inner}");
                    return;
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| in_view(item, project, root)),
        Value::Object(fields) => fields.iter_mut().for_each(|(_, item)| in_view(item, project, root)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn shown() -> Shown<'static> {
        Shown {
            home: Path::new("/w/mcp/h/home"),
            temp: Path::new("/w/mcp/h/tmp"),
            programs: vec![(Path::new("/w/p/files"), "/files".to_owned())],
        }
    }

    #[test]
    fn texts_are_plain_and_the_rest_is_named() {
        let texts = CallToolResult::success(vec![
            ContentBlock::text("a"),
            ContentBlock::text("/w/p/files/x /w/mcp/h/home"),
        ]);
        let made = output(texts, &shown(), vec![Label::Mcp], Writes::Scan);
        assert_eq!(made.content, json!("a\n/files/x ~"));
        assert!(!made.is_error);
        let picture = CallToolResult::error(vec![ContentBlock::text("a"), ContentBlock::image("AAAA", "image/png")]);
        let made = output(picture, &shown(), Vec::new(), Writes::Scan);
        assert!(made.is_error);
        assert_eq!(
            made.content,
            json!({ "content": ["a", { "type": "image", "mimeType": "image/png", "base64Bytes": 4 }] })
        );
    }

    #[test]
    fn paths_of_the_project_mean_the_view() {
        let view = View {
            view_id: "v".to_owned(),
            root: "/w/v".into(),
            home: "/w/h".into(),
            temp: "/w/t".into(),
        };
        let given = json!({ "path": "/home/p/a", "all": ["file:///home/p", "/home/pq", "x /home/p"] });
        let made = arguments(&given, Some((Path::new("/home/p"), &view))).unwrap();
        assert_eq!(
            Value::Object(made),
            json!({ "path": "/w/v/a", "all": ["file:///w/v", "/home/pq", "x /home/p"] })
        );
        assert!(arguments(&json!([1]), None).is_err());
    }
}
