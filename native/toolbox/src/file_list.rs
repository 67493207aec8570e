//! `file.list`: what is in a folder, in path order.

use globset::{GlobBuilder, GlobMatcher};
use openwrap_contracts::ports::{Task, Tool, ToolInput};
use openwrap_contracts::tool::{Reach, Repeatability, ToolDefinition, ToolOutput};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::place::{Place, TEMP_PREFIX, normal};
use crate::summary::word;

/// Entries of one answer.
const ENTRIES_MAX: usize = 500;
/// Entries looked at.
const SEEN_MAX: usize = 50_000;
const DEPTH_MAX: usize = 64;

pub struct FileList(ToolDefinition);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Arguments {
    path: String,
    #[serde(default)]
    pattern: Option<String>,
    #[serde(default)]
    recursive: bool,
}

impl FileList {
    pub fn new() -> Self {
        Self(ToolDefinition {
            name: "file.list".to_owned(),
            description: format!(
                "Lists a folder of the project: path, kind and size in bytes, sorted by path. With `recursive` also \
                 what is in its folders. `pattern` is a glob: with a `/` it is compared with the path from the listed \
                 folder, else with the name. At most {ENTRIES_MAX} entries; `total` says how many there are, `unreadable` \
                 how many more have names that are not UTF-8, or are folders that may not be opened."
            ),
            input_schema: json!({
                "type": "object",
                "properties": {
                    "path": { "type": "string", "minLength": 1, "description": "Folder, from the project's; `.` is the project itself." },
                    "pattern": { "type": "string", "minLength": 1, "maxLength": 256, "description": "Glob, as `*.csv` or `data/**/*.json`." },
                    "recursive": { "type": "boolean", "description": "Also list what is in the folders below." },
                },
                "required": ["path"],
                "additionalProperties": false,
            }),
            repeat: Repeatability::Deterministic,
            reach: Reach::Reads,
        })
    }
}

impl Tool for FileList {
    fn definition(&self) -> &ToolDefinition {
        &self.0
    }

    fn needs(&self, arguments: &Value) -> Outcome<Vec<String>> {
        let arguments: Arguments = crate::arguments("file.list", arguments)?;
        Ok(vec![format!("read:{}", normal(&arguments.path)?)])
    }

    fn summary(&self, arguments: &Value) -> String {
        format!("list {}", word(arguments["path"].as_str().unwrap_or_default()))
    }

    fn run(&self, input: ToolInput) -> Task<'_, Outcome<ToolOutput>> {
        Box::pin(async move {
            let arguments: Arguments = crate::arguments("file.list", &input.arguments)?;
            crate::blocking(move || list(&Place::open(&input.view.root, None)?, &arguments)).await
        })
    }
}

struct Listing {
    pattern: Option<(GlobMatcher, bool)>,
    recursive: bool,
    seen: usize,
    /// Entries whose names are no text, and folders that may not be opened.
    unreadable: usize,
    /// Path from the project, kind, size.
    found: Vec<(String, &'static str, Option<u64>)>,
}

fn list(place: &Place, arguments: &Arguments) -> Outcome<ToolOutput> {
    let path = normal(&arguments.path)?;
    let pattern = arguments.pattern.as_deref().map(|pattern| {
        let glob = GlobBuilder::new(pattern).literal_separator(true).build();
        let glob = glob.map_err(|error| Fault::invalid(format!("file.list: `pattern`: {error}")))?;
        Ok::<_, Fault>((glob.compile_matcher(), pattern.contains('/')))
    });
    let mut listing = Listing {
        pattern: pattern.transpose()?,
        recursive: arguments.recursive,
        seen: 0,
        unreadable: 0,
        found: Vec::new(),
    };
    let shown = if path == "." { "" } else { path.as_str() };
    place.act(|| listing.folder(place.folder(&path)?, shown, shown.len(), 0))?;
    listing.found.sort_by(|a, b| a.0.cmp(&b.0));
    let total = listing.found.len();
    listing.found.truncate(ENTRIES_MAX);
    let entry = |(path, kind, size): (String, &str, Option<u64>)| {
        let mut entry = json!({ "path": path, "kind": kind });
        if let Some(size) = size {
            entry["size"] = json!(size);
        }
        entry
    };
    let entries: Vec<Value> = listing.found.into_iter().map(entry).collect();
    let mut content = json!({ "entries": entries, "total": total });
    if listing.unreadable > 0 {
        content["unreadable"] = json!(listing.unreadable);
    }
    Ok(ToolOutput::read_only(content))
}

impl Listing {
    fn folder(&mut self, folder: OwnedFd, prefix: &str, from: usize, depth: usize) -> Outcome<()> {
        let fault = |error: Errno| {
            Fault::new(
                ErrorCode::StorageFailed,
                format!("`{}`: {error}", prefix.escape_debug()),
            )
        };
        let mut folders = Vec::new();
        for entry in Dir::read_from(&folder).map_err(fault)? {
            let entry = entry.map_err(fault)?;
            self.count()?;
            let Ok(name) = entry.file_name().to_str() else {
                self.unreadable += 1;
                continue;
            };
            if matches!(name, "." | ".." | ".git") || name.starts_with(TEMP_PREFIX) {
                continue;
            }
            let path = if prefix.is_empty() {
                name.to_owned()
            } else {
                format!("{prefix}/{name}")
            };
            if let Some((kind, size)) = kind_of(folder.as_fd(), name).map_err(fault)? {
                if kind == "folder" && self.recursive {
                    folders.push((name.to_owned(), path.clone()));
                }
                self.take(path, name, from, kind, size);
            }
        }
        if depth < DEPTH_MAX {
            for (name, path) in folders {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                match fs::openat(&folder, name, flags, Mode::empty()) {
                    Ok(inner) => self.folder(inner, &path, from, depth + 1)?,
                    Err(Errno::ACCESS) => self.unreadable += 1,
                    // Gone meanwhile, or no folder any more.
                    Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                    Err(error) => return Err(fault(error)),
                }
            }
        }
        Ok(())
    }

    fn count(&mut self) -> Outcome<()> {
        self.seen += 1;
        if self.seen <= SEEN_MAX {
            return Ok(());
        }
        Err(Fault::new(
            ErrorCode::LimitExceeded,
            format!("more than {SEEN_MAX} entries to look at; list a folder further down"),
        ))
    }

    fn take(&mut self, path: String, name: &str, from: usize, kind: &'static str, size: Option<u64>) {
        let below = path[from..].trim_start_matches('/');
        let fits = match &self.pattern {
            None => true,
            Some((glob, true)) => glob.is_match(below),
            Some((glob, false)) => glob.is_match(name),
        };
        if fits {
            self.found.push((path, kind, size));
        }
    }
}

/// Kind, and size of a file; none when it is gone or of no kind a project holds.
fn kind_of(folder: BorrowedFd<'_>, name: &str) -> Result<Option<(&'static str, Option<u64>)>, Errno> {
    let stat = match fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => return Ok(None),
        other => other?,
    };
    Ok(match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Some(("file", u64::try_from(stat.st_size).ok())),
        FileType::Directory => Some(("folder", None)),
        FileType::Symlink => Some(("link", None)),
        _ => None,
    })
}
