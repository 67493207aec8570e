//! Toolkits of our own written in TypeScript: servers that came with the build. Their tools have their own names, their needs come from
//! the table below, and what they may offer is what the build wrote beside the bundle.

use std::path::PathBuf;
use std::sync::Arc;

use openwrap_contracts::canonical::sha256_hex;
use openwrap_contracts::mcp::McpServer;
use openwrap_contracts::ports::Tool;
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use serde_json::Value;

use crate::definition::Offered;
use crate::folders;
use crate::names::VIEW;
use crate::server::{Parts, Server};
use crate::tool::{McpTool, Needs};

/// A toolkit as the build made it.
#[derive(Debug, Clone)]
pub struct Toolkit {
    /// `documents`.
    pub name: String,
    /// One file for Node, a server on standard input and output that works in the folder it is started in.
    pub bundle: PathBuf,
    /// What it offers, as `tools/list` answers: `{"tools":[…]}`.
    pub definitions: PathBuf,
}

/// Built-in tools and what a call of each needs.
const TABLE: &[(&str, Needs)] = &[
    ("convert.toMarkdown", convert_to_markdown),
    ("docx.create", docx_create),
    ("pptx.create", pptx_create),
];

/// An opened toolkit.
pub struct BuiltIn {
    pub server: Arc<Server>,
    tools: Vec<Arc<dyn Tool>>,
}

impl BuiltIn {
    /// Places the bundle where tools can read it, and takes the definitions beside it as approved.
    pub async fn open(toolkit: Toolkit, parts: &Arc<Parts>) -> Outcome<Self> {
        let bundle = folders::read(&toolkit.bundle).await?;
        let name = format!("{}-{}.mjs", toolkit.name, &sha256_hex(&bundle)[..16]);
        let program = parts.config.work.join("programs").join(name);
        folders::place_read_only(&program, &bundle).await?;
        let program = program.to_string_lossy().into_owned();
        let listed: Value = serde_json::from_slice(&folders::read(&toolkit.definitions).await?)
            .map_err(|error| wrong(&toolkit.name, &format!("its definitions cannot be read: {error}")))?;
        let listed = listed["tools"].as_array().cloned().unwrap_or_default();
        let offered = Arc::new(Offered::of(&toolkit.name, listed.clone())?);
        if let Some(refused) = offered.refused.first() {
            return Err(wrong(
                &toolkit.name,
                &format!("its tool `{}` is not taken: {}", refused.name, refused.reason),
            ));
        }
        let kept = McpServer {
            server_id: toolkit.name.clone(),
            command: "node".to_owned(),
            args: vec![program.clone(), VIEW.to_owned()],
            env: Vec::new(),
            package: None,
            grants: vec![format!("read:{program}")],
        };
        let server = Arc::new(Server::new(kept, Some(Arc::clone(&offered)), None, Arc::clone(parts)));
        let tools = offered.tools.iter().map(|tool| {
            let row = TABLE.iter().find(|(name, _)| *name == tool.name);
            let (_, needs) = row.ok_or_else(|| {
                wrong(
                    &toolkit.name,
                    &format!("`{}` has no row in the table of needs", tool.name),
                )
            })?;
            let said = listed.iter().find(|known| known["name"] == tool.name.as_str());
            let description = said.and_then(|known| known["description"].as_str()).unwrap_or_default();
            let tool = McpTool::built_in(&server, tool, description.to_owned(), *needs);
            Ok(Arc::new(tool) as Arc<dyn Tool>)
        });
        let tools = tools.collect::<Outcome<Vec<_>>>()?;
        Ok(Self { server, tools })
    }

    pub fn tools(&self) -> Vec<Arc<dyn Tool>> {
        self.tools.clone()
    }
}

fn wrong(toolkit: &str, what: &str) -> Fault {
    Fault::new(ErrorCode::Internal, format!("toolkit `{toolkit}`: {what}"))
        .with_hint("Build it again with `npm run build`.")
}

/// Writes the document, reads the pictures it shows.
fn docx_create(arguments: &Value) -> Outcome<Vec<String>> {
    let blocks = arguments["blocks"].as_array().into_iter().flatten();
    let pictures = blocks
        .filter(|block| block["type"] == "image")
        .map(|block| &block["path"]);
    writes("docx.create", arguments, pictures)
}

/// Writes the deck, reads the pictures it shows.
fn pptx_create(arguments: &Value) -> Outcome<Vec<String>> {
    let slides = arguments["slides"].as_array().into_iter().flatten();
    let pictures = slides
        .filter_map(|slide| slide.get("image"))
        .map(|image| &image["path"]);
    writes("pptx.create", arguments, pictures)
}

/// Writes nothing.
fn convert_to_markdown(arguments: &Value) -> Outcome<Vec<String>> {
    let path = arguments["sourcePath"]
        .as_str()
        .ok_or_else(|| Fault::invalid("convert.toMarkdown: `sourcePath` is needed"))?;
    Ok(vec![format!("read:{path}")])
}

/// The file at `path` is written, each picture read; one that is no text is refused by the tool itself.
fn writes<'a>(tool: &str, arguments: &Value, pictures: impl Iterator<Item = &'a Value>) -> Outcome<Vec<String>> {
    let path = arguments["path"]
        .as_str()
        .ok_or_else(|| Fault::invalid(format!("{tool}: `path` is needed")))?;
    let mut needs = vec![format!("write:{path}")];
    for picture in pictures {
        let need = format!("read:{}", picture.as_str().unwrap_or_default());
        if !needs.contains(&need) {
            needs.push(need);
        }
    }
    Ok(needs)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn a_document_needs_its_file_and_its_pictures() {
        let image = |path: &str| json!({ "type": "image", "path": path, "altText": "x" });
        let given = json!({
            "path": "out/report.docx",
            "blocks": [{ "type": "paragraph", "text": "hi" }, image("a.png"), image("a.png"), image("b.png")],
        });
        assert_eq!(
            docx_create(&given).unwrap(),
            ["write:out/report.docx", "read:a.png", "read:b.png"]
        );
        assert!(docx_create(&json!({})).is_err());
    }

    #[test]
    fn a_deck_needs_its_file_and_its_pictures_and_a_conversion_what_it_reads() {
        let given = json!({
            "path": "deck.pptx",
            "slides": [{ "layout": "title", "title": "x" }, { "layout": "picture", "image": { "path": "a.png" } }],
        });
        assert_eq!(pptx_create(&given).unwrap(), ["write:deck.pptx", "read:a.png"]);
        assert!(pptx_create(&json!({ "slides": [] })).is_err());
        let given = json!({ "sourcePath": "in/table.xlsx" });
        assert_eq!(convert_to_markdown(&given).unwrap(), ["read:in/table.xlsx"]);
        assert!(convert_to_markdown(&json!({})).is_err());
    }
}
