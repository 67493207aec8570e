//! The library: files that runs delivered. Its list is a part of the start page's fold; contents are blobs.

use std::collections::{BTreeMap, HashMap, VecDeque};

use openwrap_contracts::change::Node;
use openwrap_contracts::event::{Event, Fact};
use openwrap_contracts::limits::{LIBRARY_ENTRIES_MAX, LIBRARY_PAGE_MAX};
use openwrap_contracts::method::{LibraryEntry, LibraryKind, LibraryPage, LibraryParams};
use openwrap_contracts::tool::Artifact;
use openwrap_contracts::{Fault, Outcome};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::core::Core;
use crate::files::Whose;
use crate::methods::{Call, written};
use crate::overview::OverviewFold;
use crate::search_text::search_text;

/// A file of a run that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Delivered {
    number: u32,
    project_id: String,
    run_id: String,
    task_id: Option<String>,
    task_title: Option<String>,
    artifact: Artifact,
    at: i64,
    undone: bool,
}

/// What is known of a run that goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Making {
    titles: BTreeMap<String, String>,
    /// By path: the task whose settling wrote it last.
    makers: BTreeMap<String, String>,
}

/// Files that runs delivered, oldest first, and whose they will be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LibraryFold {
    entries: VecDeque<Delivered>,
    /// Number of the newest entry there ever was.
    last: u32,
    making: BTreeMap<String, Making>,
}

impl LibraryFold {
    /// Folds one event.
    pub fn apply(&mut self, event: &Event) {
        let Some(run_id) = &event.run_id else { return };
        match &event.fact {
            Fact::PlanProposed { plan, .. } => {
                let making = self.making.entry(run_id.clone()).or_default();
                let titles = plan.tasks.iter().map(|task| (task.task_id.clone(), task.title.clone()));
                making.titles.extend(titles);
            }
            Fact::TaskRetired { files, .. } => {
                let Some(task_id) = &event.task_id else { return };
                let making = self.making.entry(run_id.clone()).or_default();
                let makers = files.iter().map(|file| (file.path.clone(), task_id.clone()));
                making.makers.extend(makers);
            }
            Fact::RunFinished { artifacts, .. } => self.deliver(event, run_id, artifacts),
            Fact::UndoFinished { reverted, .. } => {
                let of_run = self.entries.iter_mut().filter(|entry| entry.run_id == *run_id);
                for entry in of_run.filter(|entry| reverted.contains(&entry.artifact.path)) {
                    entry.undone = true;
                }
            }
            _ => {}
        }
    }

    fn deliver(&mut self, event: &Event, run_id: &str, artifacts: &[Artifact]) {
        let making = self.making.remove(run_id).unwrap_or_default();
        for artifact in artifacts {
            let task_id = making.makers.get(&artifact.path).cloned();
            self.last = self.last.saturating_add(1);
            self.entries.push_back(Delivered {
                number: self.last,
                project_id: event.project_id.clone().unwrap_or_default(),
                run_id: run_id.to_owned(),
                task_title: task_id.as_ref().and_then(|task| making.titles.get(task).cloned()),
                task_id,
                artifact: artifact.clone(),
                at: event.at,
                undone: false,
            });
        }
        while self.entries.len() > LIBRARY_ENTRIES_MAX {
            self.entries.pop_front();
        }
    }
}

/// By ending, for people; nothing is decided by it.
fn kind_of(path: &str) -> LibraryKind {
    let name = path.rsplit('/').next().unwrap_or(path);
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    match ending.as_deref().unwrap_or_default() {
        "xlsx" | "xlsm" | "ods" | "csv" | "tsv" => LibraryKind::Table,
        "docx" | "odt" | "rtf" | "pdf" | "md" | "markdown" | "txt" => LibraryKind::Document,
        "pptx" | "odp" => LibraryKind::Slides,
        "png" | "jpg" | "jpeg" | "gif" | "webp" | "svg" => LibraryKind::Picture,
        "mp3" | "wav" | "ogg" | "m4a" | "flac" => LibraryKind::Sound,
        "html" | "htm" => LibraryKind::Page,
        _ => LibraryKind::Other,
    }
}

/// What is looked for, its words in lower case.
struct Wanted<'a> {
    params: &'a LibraryParams,
    text: Option<String>,
}

impl Wanted<'_> {
    fn fits(&self, entry: &LibraryEntry) -> bool {
        let params = self.params;
        let same = |asked: &Option<String>, is: &str| asked.as_ref().is_none_or(|asked| asked == is);
        let title = entry.task_title.as_deref().unwrap_or_default();
        let has = |text: &String| {
            let mut texts = [entry.path.as_str(), entry.goal.as_str(), title].into_iter();
            texts.any(|own| own.to_lowercase().contains(text))
        };
        (params.versions || entry.version == entry.versions)
            && same(&params.project_id, &entry.project_id)
            && same(&params.run_id, &entry.run_id)
            && same(&params.path, &entry.path)
            && params.kind.is_none_or(|asked| asked == entry.kind)
            && self.text.as_ref().is_none_or(has)
    }
}

/// All entries, newest first, with their place among the versions of their file.
fn entries(fold: &OverviewFold) -> impl Iterator<Item = LibraryEntry> {
    let mut seen: HashMap<(&str, &str), u32> = HashMap::new();
    let mut numbered = Vec::with_capacity(fold.library.entries.len());
    for entry in &fold.library.entries {
        let version = seen.entry((&entry.project_id, &entry.artifact.path)).or_default();
        *version += 1;
        numbered.push((entry, *version));
    }
    numbered.into_iter().rev().map(move |(entry, version)| {
        let path = &entry.artifact.path;
        let run = fold.run(&entry.run_id);
        LibraryEntry {
            number: entry.number,
            project_id: entry.project_id.clone(),
            run_id: entry.run_id.clone(),
            run_number: run.map_or(0, |run| run.number),
            goal: run.map(|run| run.goal.clone()).unwrap_or_default(),
            task_id: entry.task_id.clone(),
            task_title: entry.task_title.clone(),
            path: path.clone(),
            kind: kind_of(path),
            media_type: entry.artifact.media_type.clone(),
            size: entry.artifact.size,
            checksum: entry.artifact.checksum.clone(),
            delivered_at: entry.at,
            version,
            versions: seen
                .get(&(entry.project_id.as_str(), path.as_str()))
                .copied()
                .unwrap_or(version),
            undone: entry.undone,
        }
    })
}

/// One page of what fits.
///
/// # Errors
/// `INVALID_ARGUMENTS` for too long a text.
fn page(fold: &OverviewFold, params: &LibraryParams) -> Outcome<LibraryPage> {
    let wanted = Wanted {
        params,
        text: search_text(params.text.as_deref())?,
    };
    let limit = params
        .limit
        .map_or(LIBRARY_PAGE_MAX, |limit| limit as usize)
        .clamp(1, LIBRARY_PAGE_MAX);
    let mut found = LibraryPage {
        entries: Vec::new(),
        total: 0,
        next_before: None,
    };
    for entry in entries(fold).filter(|entry| wanted.fits(entry)) {
        found.total += 1;
        if params.before.is_some_and(|before| entry.number >= before) {
            continue;
        }
        if found.entries.len() < limit {
            found.entries.push(entry);
        } else {
            found.next_before = found.entries.last().map(|last| last.number);
        }
    }
    Ok(found)
}

pub(crate) async fn list(call: &Call<'_>) -> Outcome<Value> {
    let params: LibraryParams = call.read()?;
    let found = call.core.following.look(|fold| page(fold, &params)).await??;
    written(&found)
}

impl Core {
    /// The files of a run as it delivered them.
    ///
    /// # Errors
    /// `NOT_FOUND` (run of this project), `INVALID_ARGUMENTS` (no run, or a task besides).
    pub(crate) async fn delivered(&self, whose: &Whose) -> Outcome<BTreeMap<String, Node>> {
        let (Some(run_id), None) = (&whose.run_id, &whose.task_id) else {
            return Err(Fault::invalid("`delivered` goes with a run, and with no task of it"));
        };
        let run = self.following.look(|fold| fold.run(run_id).cloned()).await?;
        let run = run.filter(|run| run.project_id == whose.project_id);
        let run = run.ok_or_else(|| Fault::not_found(format!("there is no run `{run_id}` in this project")))?;
        let node = |artifact: Artifact| Node::File {
            hash: artifact.checksum,
            size: artifact.size,
            executable: false,
        };
        Ok(run
            .artifacts
            .into_iter()
            .map(|artifact| (artifact.path.clone(), node(artifact)))
            .collect())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use openwrap_contracts::identity::Actor;
    use openwrap_contracts::limits::SEARCH_TEXT_CHARS_MAX;
    use openwrap_contracts::run::RunStatus;
    use openwrap_contracts::tool::FileEntry;

    use super::*;

    fn event(run_id: &str, task_id: Option<&str>, fact: Fact) -> Event {
        Event {
            at: 7,
            actor: Actor::core("test"),
            project_id: Some("p".to_owned()),
            run_id: Some(run_id.to_owned()),
            task_id: task_id.map(str::to_owned),
            attempt: None,
            step: None,
            fact,
        }
    }

    fn delivers(fold: &mut OverviewFold, run_id: &str, paths: &[&str]) {
        let file = |path: &&str| FileEntry {
            path: (*path).to_owned(),
            size: 1,
        };
        let retired = Fact::TaskRetired {
            ordinal: 0,
            tree_hash: String::new(),
            files: paths.iter().map(file).collect(),
        };
        let artifact = |path: &&str| Artifact {
            media_type: String::new(),
            path: (*path).to_owned(),
            size: 1,
            checksum: format!("{run_id} {path}"),
        };
        let finished = Fact::RunFinished {
            status: RunStatus::Completed,
            run_digest: None,
            record_hash: None,
            answer_hash: None,
            answer: None,
            artifacts: paths.iter().map(artifact).collect(),
            error: None,
        };
        fold.library.apply(&event(run_id, Some("write"), retired));
        fold.library.apply(&event(run_id, None, finished));
    }

    fn found(fold: &OverviewFold, params: &str) -> Vec<(u32, String, u32)> {
        let page = page(fold, &serde_json::from_str(params).unwrap()).unwrap();
        let line = |entry: LibraryEntry| (entry.number, entry.path, entry.version);
        page.entries.into_iter().map(line).collect()
    }

    #[test]
    fn files_are_listed_newest_first_with_their_versions() {
        let mut fold = OverviewFold::default();
        delivers(&mut fold, "one", &["a.md", "b/Deck.PPTX"]);
        delivers(&mut fold, "two", &["a.md"]);
        let undone = Fact::UndoFinished {
            tasks: Vec::new(),
            reverted: vec!["a.md".to_owned()],
            conflicts: Vec::new(),
            tree_hash: String::new(),
        };
        fold.library.apply(&event("two", None, undone));
        let entry = |number, path: &str, version| (number, path.to_owned(), version);
        assert_eq!(found(&fold, "{}"), [entry(3, "a.md", 2), entry(2, "b/Deck.PPTX", 1)]);
        let all = [entry(3, "a.md", 2), entry(2, "b/Deck.PPTX", 1), entry(1, "a.md", 1)];
        assert_eq!(found(&fold, r#"{"versions":true}"#), all);
        assert_eq!(found(&fold, r#"{"versions":true,"before":3,"limit":1}"#), all[1..2]);
        assert_eq!(found(&fold, r#"{"kind":"slides"}"#), all[1..2]);
        assert_eq!(found(&fold, r#"{"text":"deck"}"#), all[1..2]);
        assert_eq!(found(&fold, r#"{"runId":"one","versions":true}"#), all[1..]);
        assert_eq!(found(&fold, r#"{"projectId":"other"}"#), []);
        let undone: Vec<bool> = fold.library.entries.iter().map(|entry| entry.undone).collect();
        assert_eq!(undone, [false, false, true]);
        assert_eq!(fold.library.entries[0].task_id.as_deref(), Some("write"));
        assert!(fold.library.making.is_empty());
        let long = serde_json::json!({ "text": "x".repeat(SEARCH_TEXT_CHARS_MAX + 1) });
        assert!(page(&fold, &serde_json::from_value(long).unwrap()).is_err());
    }

    #[test]
    fn the_list_is_bounded() {
        let mut fold = OverviewFold::default();
        let paths: Vec<String> = (0..LIBRARY_ENTRIES_MAX + 5).map(|at| format!("{at}")).collect();
        delivers(&mut fold, "one", &paths.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(fold.library.entries.len(), LIBRARY_ENTRIES_MAX);
        let page = page(&fold, &serde_json::from_str("{}").unwrap()).unwrap();
        assert_eq!(page.entries.len(), LIBRARY_PAGE_MAX);
        assert_eq!(page.total as usize, LIBRARY_ENTRIES_MAX);
        assert_eq!(page.next_before, page.entries.last().map(|entry| entry.number));
    }
}
