//! `note.create note.append note.list`: what a worker wants to remember and hand on, as Markdown files below `notes/`. They are
//! files of the view like all others, so a worker sees those of its base and of the tasks it depends on and no others, and they
//! are shown, kept and undone like any file.

use std::io::Read;

use openwrap_contracts::limits::{FILE_WRITE_BYTES_MAX, GOAL_BYTES_MAX, NOTES_MAX};
use openwrap_contracts::ports::{Task, Tool, ToolInput};
use openwrap_contracts::tool::{Reach, Repeatability, ToolDefinition, ToolOutput};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use rustix::fs::{Dir, FileType};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::ToolboxConfig;
use crate::file_write::written;
use crate::place::{Place, failed};
use crate::summary::{text, word};

/// Folder of the notes.
const FOLDER: &str = "notes";
/// Bytes of one note in a list; more is read with `file.read`.
const LISTED_BYTES_MAX: usize = 4 * 1024;
/// Bytes of all notes of one list.
const LIST_BYTES_MAX: usize = 32 * 1024;
/// Bytes of a note that are searched.
const SEARCHED_BYTES_MAX: u64 = 1024 * 1024;
const TITLE_CHARS_MAX: usize = 200;
/// Characters a title gives to its note's name.
const NAME_CHARS_MAX: usize = 48;
/// Characters of a note's id.
const ID_CHARS_MAX: usize = 128;

/// Which of the three.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Act {
    Create,
    Append,
    List,
}

pub struct Note {
    definition: ToolDefinition,
    config: ToolboxConfig,
    act: Act,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Create {
    title: String,
    #[serde(default)]
    content: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Append {
    note_id: String,
    content: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct List {
    #[serde(default)]
    query: Option<String>,
}

impl Note {
    pub fn create(config: ToolboxConfig) -> Self {
        let properties = json!({
            "title": { "type": "string", "minLength": 1, "maxLength": TITLE_CHARS_MAX },
            "content": { "type": "string", "maxLength": GOAL_BYTES_MAX, "description": "Markdown." },
        });
        Self::new(
            config,
            Act::Create,
            "note.create",
            format!(
                "Begins a note that later tasks which depend on this one can read. It is kept as a Markdown file below \
                 `{FOLDER}/`; the answer has its `noteId` and `path`."
            ),
            schema(properties, &["title"]),
        )
    }

    pub fn append(config: ToolboxConfig) -> Self {
        let properties = json!({
            "noteId": { "type": "string", "minLength": 1, "maxLength": ID_CHARS_MAX, "description": "As `note.create` or `note.list` gave it." },
            "content": { "type": "string", "minLength": 1, "maxLength": GOAL_BYTES_MAX, "description": "Markdown; a paragraph of its own." },
        });
        let about = "Adds a paragraph to the end of a note.".to_owned();
        Self::new(
            config,
            Act::Append,
            "note.append",
            about,
            schema(properties, &["noteId", "content"]),
        )
    }

    pub fn list(config: ToolboxConfig) -> Self {
        let properties = json!({
            "query": { "type": "string", "minLength": 1, "maxLength": TITLE_CHARS_MAX, "description": "Only notes that hold this text, whatever its case." },
        });
        let about = format!(
            "The notes of this task and of the tasks before it that it depends on, by `noteId`, each with its first \
             {LISTED_BYTES_MAX} bytes; `size` is the whole. `total` says how many there are."
        );
        Self::new(config, Act::List, "note.list", about, schema(properties, &[]))
    }

    fn new(config: ToolboxConfig, act: Act, name: &str, description: String, input_schema: Value) -> Self {
        Self {
            definition: ToolDefinition {
                name: name.to_owned(),
                description,
                input_schema,
                repeat: Repeatability::Deterministic,
                reach: Reach::Confined,
            },
            config,
            act,
        }
    }

    fn read<T: serde::de::DeserializeOwned>(&self, arguments: &Value) -> Outcome<T> {
        crate::arguments(&self.definition.name, arguments)
    }
}

fn schema(properties: Value, required: &[&str]) -> Value {
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

impl Tool for Note {
    fn definition(&self) -> &ToolDefinition {
        &self.definition
    }

    fn needs(&self, arguments: &Value) -> Outcome<Vec<String>> {
        let needs = match self.act {
            // The name begins with the task's, which no argument holds, so the folder is asked for.
            Act::Create => {
                title_of(&self.read(arguments)?)?;
                format!("write:{FOLDER}")
            }
            Act::Append => format!("write:{}", path_of(&self.read::<Append>(arguments)?.note_id)?),
            Act::List => {
                self.read::<List>(arguments)?;
                format!("read:{FOLDER}")
            }
        };
        Ok(vec![needs])
    }

    fn summary(&self, arguments: &Value) -> String {
        let said = |field: &str| arguments[field].as_str().unwrap_or_default();
        match self.act {
            Act::Create => format!("begin the note {}: {}", word(said("title")), text(said("content"))),
            Act::Append => format!("add to the note {}: {}", word(said("noteId")), text(said("content"))),
            Act::List => match arguments["query"].as_str() {
                Some(query) => format!("look for notes with {}", word(query)),
                None => "list the notes".to_owned(),
            },
        }
    }

    fn run(&self, input: ToolInput) -> Task<'_, Outcome<ToolOutput>> {
        let (owner, act) = (self.config.tools_owner, self.act);
        Box::pin(async move {
            match act {
                Act::Create => {
                    let note: Create = self.read(&input.arguments)?;
                    crate::blocking(move || create(&Place::open(&input.view.root, owner)?, &input.step.task_id, &note))
                        .await
                }
                Act::Append => {
                    let note: Append = self.read(&input.arguments)?;
                    crate::blocking(move || append(&Place::open(&input.view.root, owner)?, &note)).await
                }
                Act::List => {
                    let wanted: List = self.read(&input.arguments)?;
                    crate::blocking(move || list(&Place::open(&input.view.root, None)?, wanted.query.as_deref())).await
                }
            }
        })
    }
}

/// One line, as a heading holds it.
fn title_of(note: &Create) -> Outcome<String> {
    let title = note.title.split_whitespace().collect::<Vec<_>>().join(" ");
    if title.is_empty() || title.chars().count() > TITLE_CHARS_MAX {
        return Err(Fault::invalid(format!(
            "note.create: `title` has 1 to {TITLE_CHARS_MAX} characters"
        )));
    }
    Ok(title)
}

/// Lower-case words of letters and digits, joined by hyphens.
fn name_of(title: &str) -> String {
    let plain = title.to_lowercase();
    let words = plain
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty());
    let name: String = words
        .collect::<Vec<_>>()
        .join("-")
        .chars()
        .take(NAME_CHARS_MAX)
        .collect();
    let name = name.trim_end_matches('-');
    if name.is_empty() {
        "note".to_owned()
    } else {
        name.to_owned()
    }
}

fn path_of(note_id: &str) -> Outcome<String> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if note_id.is_empty() || note_id.len() > ID_CHARS_MAX || !note_id.chars().all(fits) {
        return Err(Fault::invalid(format!(
            "note.append: `{}` is no id of a note",
            note_id.escape_debug()
        )));
    }
    Ok(format!("{FOLDER}/{note_id}.md"))
}

fn create(place: &Place, task_id: &str, note: &Create) -> Outcome<ToolOutput> {
    let title = title_of(note)?;
    let content = note.content.trim();
    let body = if content.is_empty() {
        format!("# {title}\n")
    } else {
        format!("# {title}\n\n{content}\n")
    };
    // Tasks that run at once never write one note.
    let name = name_of(&title);
    let stem = if task_id.is_empty() {
        name
    } else {
        format!("{task_id}-{name}")
    };
    for count in 1..=NOTES_MAX {
        let note_id = if count == 1 {
            stem.clone()
        } else {
            format!("{stem}-{count}")
        };
        let path = path_of(&note_id)?;
        let there = match place.stat(&path) {
            Err(fault) if fault.code == ErrorCode::NotFound => None,
            other => other?,
        };
        if there.is_none() {
            return noted(place, &path, &note_id, body.as_bytes());
        }
    }
    Err(Fault::new(
        ErrorCode::LimitExceeded,
        format!("there are {NOTES_MAX} notes with this title"),
    ))
}

fn append(place: &Place, note: &Append) -> Outcome<ToolOutput> {
    let path = path_of(&note.note_id)?;
    let mut bytes = place.read(&path)?;
    if bytes.len() + note.content.len() > FILE_WRITE_BYTES_MAX {
        return Err(Fault::new(
            ErrorCode::LimitExceeded,
            format!("the note `{}` is full", note.note_id),
        ));
    }
    bytes.extend_from_slice(b"\n");
    bytes.extend_from_slice(note.content.trim().as_bytes());
    bytes.extend_from_slice(b"\n");
    noted(place, &path, &note.note_id, &bytes)
}

fn noted(place: &Place, path: &str, note_id: &str, bytes: &[u8]) -> Outcome<ToolOutput> {
    let mut output = written(place.write(path, bytes)?);
    output.content["noteId"] = json!(note_id);
    Ok(output)
}

fn list(place: &Place, query: Option<&str>) -> Outcome<ToolOutput> {
    let mut ids = ids(place)?;
    ids.sort_unstable();
    let wanted = query.map(str::to_lowercase);
    let (mut notes, mut total, mut left) = (Vec::new(), 0_usize, LIST_BYTES_MAX);
    for note_id in ids {
        let (said, size) = beginning(place, &note_id)?;
        if wanted
            .as_ref()
            .is_some_and(|wanted| !said.to_lowercase().contains(wanted))
        {
            continue;
        }
        total += 1;
        if left == 0 {
            continue;
        }
        let shown = cut(&said, LISTED_BYTES_MAX.min(left));
        left -= shown.len();
        let title = said.lines().next().unwrap_or_default().trim_start_matches('#').trim();
        notes.push(json!({ "noteId": note_id, "title": title, "size": size, "text": shown }));
    }
    Ok(ToolOutput::read_only(json!({ "notes": notes, "total": total })))
}

fn ids(place: &Place) -> Outcome<Vec<String>> {
    let folder = match place.folder(FOLDER) {
        Err(fault) if fault.code == ErrorCode::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let fault = |error: rustix::io::Errno| failed(FOLDER, &error.into());
    let mut ids = Vec::new();
    for entry in Dir::read_from(&folder).map_err(fault)? {
        let entry = entry.map_err(fault)?;
        let id = entry
            .file_name()
            .to_str()
            .ok()
            .and_then(|name| name.strip_suffix(".md"));
        let Some(id) = id.filter(|id| path_of(id).is_ok()) else {
            continue;
        };
        if matches!(entry.file_type(), FileType::RegularFile | FileType::Unknown) {
            ids.push(id.to_owned());
        }
        if ids.len() > NOTES_MAX {
            return Err(Fault::new(
                ErrorCode::LimitExceeded,
                format!("there are more than {NOTES_MAX} notes"),
            ));
        }
    }
    Ok(ids)
}

fn beginning(place: &Place, note_id: &str) -> Outcome<(String, u64)> {
    let path = path_of(note_id)?;
    let (file, size) = place.file(&path)?;
    let mut bytes = Vec::new();
    let read = file.take(SEARCHED_BYTES_MAX).read_to_end(&mut bytes);
    read.map_err(|error| failed(&path, &error))?;
    Ok((String::from_utf8_lossy(&bytes).into_owned(), size))
}

fn cut(text: &str, limit: usize) -> &str {
    let mut end = text.len().min(limit);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn titles_give_plain_names() {
        assert_eq!(name_of("Gaps in the Data: 2013!"), "gaps-in-the-data-2013");
        assert_eq!(name_of("…"), "note");
        assert_eq!(name_of(&"ab ".repeat(40)).len(), NAME_CHARS_MAX - 1);
        for id in ["", "a/b", "..", "A", "a.md", "\u{e4}"] {
            assert!(path_of(id).is_err(), "{id}");
        }
    }
}
