//! `file.read`: a page of a file, text where it is text, base64 where it is not.

use std::io::{Read, Seek, SeekFrom};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use openwrap_contracts::Outcome;
use openwrap_contracts::ports::{Task, Tool, ToolInput};
use openwrap_contracts::tool::{Reach, Repeatability, ToolDefinition, ToolOutput};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::place::{Place, failed, normal_file};
use crate::summary::word;

/// Bytes of one page unless the call says otherwise: with its escapes it still fits what a model is shown.
const PAGE_BYTES: u64 = 24 * 1024;
/// Bytes of one page at most.
const PAGE_BYTES_MAX: u64 = 256 * 1024;

pub struct FileRead(ToolDefinition);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Arguments {
    path: String,
    #[serde(default)]
    offset: Option<u64>,
    #[serde(default)]
    limit: Option<u64>,
}

impl FileRead {
    pub fn new() -> Self {
        Self(ToolDefinition {
            name: "file.read".to_owned(),
            description: format!(
                "Reads a file of the project, {PAGE_BYTES} bytes from its start unless you say otherwise. Answers with \
                 `text`, or with `base64` when the bytes are not UTF-8 text; `size` is the whole file's. When there is \
                 more, `nextOffset` is the `offset` to go on with."
            ),
            input_schema: json!({
                "type": "object",
                "properties": {
                    "path": { "type": "string", "minLength": 1, "description": "Path from the project's folder, as `data/table.csv`." },
                    "offset": { "type": "integer", "minimum": 0, "description": "First byte to read." },
                    "limit": { "type": "integer", "minimum": 1, "maximum": PAGE_BYTES_MAX, "description": "Bytes to read at most." },
                },
                "required": ["path"],
                "additionalProperties": false,
            }),
            repeat: Repeatability::Deterministic,
            reach: Reach::Reads,
        })
    }
}

impl Tool for FileRead {
    fn definition(&self) -> &ToolDefinition {
        &self.0
    }

    fn needs(&self, arguments: &Value) -> Outcome<Vec<String>> {
        let arguments: Arguments = crate::arguments("file.read", arguments)?;
        Ok(vec![format!("read:{}", normal_file(&arguments.path)?)])
    }

    fn summary(&self, arguments: &Value) -> String {
        format!("read {}", word(arguments["path"].as_str().unwrap_or_default()))
    }

    fn run(&self, input: ToolInput) -> Task<'_, Outcome<ToolOutput>> {
        Box::pin(async move {
            let arguments: Arguments = crate::arguments("file.read", &input.arguments)?;
            crate::blocking(move || page(&Place::open(&input.view.root, None)?, &arguments)).await
        })
    }
}

fn page(place: &Place, arguments: &Arguments) -> Outcome<ToolOutput> {
    let path = normal_file(&arguments.path)?;
    let (mut file, size) = place.file(&path)?;
    let offset = arguments.offset.unwrap_or(0).min(size);
    let limit = arguments.limit.unwrap_or(PAGE_BYTES).clamp(1, PAGE_BYTES_MAX);
    file.seek(SeekFrom::Start(offset))
        .map_err(|error| failed(&path, &error))?;
    // Three bytes more, so that a character that begins on the page can end.
    let mut bytes = Vec::new();
    let read = file.take(limit + 3).read_to_end(&mut bytes);
    read.map_err(|error| failed(&path, &error))?;
    let mut content = json!({ "path": path, "size": size, "offset": offset });
    let taken = match text_page(&bytes, usize::try_from(limit).unwrap_or(usize::MAX)) {
        Some(text) => {
            content["text"] = json!(text);
            text.len()
        }
        None => {
            let page = &bytes[..bytes.len().min(usize::try_from(limit).unwrap_or(usize::MAX))];
            content["base64"] = json!(STANDARD.encode(page));
            page.len()
        }
    };
    let next = offset + taken as u64;
    if next < size {
        content["nextOffset"] = json!(next);
    }
    Ok(ToolOutput::read_only(content))
}

/// The characters that begin in the first `limit` bytes, when these are text.
fn text_page(bytes: &[u8], limit: usize) -> Option<&str> {
    let valid = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        // Cut inside the last character that was read on for: the page itself may still be whole.
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&bytes[..error.valid_up_to()]).ok()?,
        Err(error) if error.valid_up_to() >= limit => std::str::from_utf8(&bytes[..error.valid_up_to()]).ok()?,
        Err(_) => return None,
    };
    let mut end = limit.min(valid.len());
    while !valid.is_char_boundary(end) {
        end += 1;
    }
    if end < limit.min(bytes.len()) || valid[..end].contains('\0') {
        return None;
    }
    Some(&valid[..end])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Pages put together are the file, whatever their size, and each is text.
        #[test]
        fn pages_join_to_the_whole(text in "[a-zä€😀\n]{0,60}", limit in 1_usize..9) {
            let bytes = text.as_bytes();
            let mut joined = String::new();
            while joined.len() < bytes.len() {
                let rest = &bytes[joined.len()..];
                let page = text_page(&rest[..rest.len().min(limit + 3)], limit).unwrap();
                prop_assert!(!page.is_empty());
                joined.push_str(page);
            }
            prop_assert_eq!(joined, text);
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_told_apart() {
        assert_eq!(text_page(b"ab\xff", 2), Some("ab"));
        assert_eq!(text_page(b"a\xffb", 3), None);
        assert_eq!(text_page(b"a\0b", 3), None);
        assert_eq!(text_page(b"a\xe2\x82", 3), None);
    }
}
