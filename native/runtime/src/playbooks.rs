//! Playbooks: found, read, asked what they need, and run in place of a model.

mod draft;
mod given;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
pub(crate) use draft::write as draft;
use openwrap_agent::program::{NoCalls, part_of};
use openwrap_contracts::canonical::{canonical_bytes, canonical_hash, sha256_hex};
use openwrap_contracts::identity::{Label, join_labels};
use openwrap_contracts::limits::{PLAYBOOK_FILES_MAX, PLAYBOOK_INPUTS_MAX, PLAYBOOKS_MAX};
use openwrap_contracts::method::{Empty, PlaybookList, PlaybookParams, PlaybookProgram, PlaybookRunParams};
use openwrap_contracts::playbook::{Playbook, PlaybookInput, PlaybookNote, PlaybookOrigin};
use openwrap_contracts::script::{Source, World};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::commands::Asked;
use crate::core::Core;
use crate::folders;
use crate::methods::{Call, caller, written};
use crate::overview::OverviewFold;

/// A person's own playbooks, in the data folder.
pub(crate) const FOLDER: &str = "playbooks";
/// The file of a playbook that is a folder.
const MAIN: &str = "playbook.ts";
/// Characters of a title, and of what is said of an input.
const TITLE_CHARS_MAX: usize = 200;
const ABOUT_CHARS_MAX: usize = 2_000;
/// Files and folders looked at in one place.
const LISTED_MAX: usize = 2_000;

/// Where a playbook lies.
#[derive(Debug, Clone)]
struct Found {
    name: String,
    origin: PlaybookOrigin,
    root: PathBuf,
    /// Folder of its files below the root; empty for the root itself.
    folder: String,
    /// Its own file in that folder.
    main: String,
}

/// What a program says of itself.
#[derive(Deserialize)]
struct Declared {
    title: String,
    #[serde(default)]
    about: String,
    #[serde(default)]
    inputs: Vec<PlaybookInput>,
}

/// `[a-z0-9][a-z0-9-]{0,63}`.
pub(crate) fn is_name(name: &str) -> bool {
    let plain = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    name.len() <= 64
        && name.bytes().next().is_some_and(plain)
        && name.bytes().all(|letter| plain(letter) || letter == b'-')
}

impl Core {
    /// Every playbook by name; a person's own stands for one of the product that has its name.
    async fn found(&self) -> Outcome<BTreeMap<String, Found>> {
        let mut found = BTreeMap::new();
        if let Some(root) = &self.config.playbooks_dir {
            self.find(root.clone(), "", PlaybookOrigin::Product, &mut found).await?;
        }
        self.find(self.config.home.clone(), FOLDER, PlaybookOrigin::Person, &mut found)
            .await?;
        Ok(found)
    }

    async fn find(
        &self,
        root: PathBuf,
        folder: &str,
        origin: PlaybookOrigin,
        found: &mut BTreeMap<String, Found>,
    ) -> Outcome<()> {
        let listed = folders::list_beneath(root.clone(), folder.to_owned(), LISTED_MAX).await;
        let entries = match listed {
            Ok((entries, _)) => entries,
            Err(fault) if fault.code == ErrorCode::NotFound => return Ok(()),
            Err(fault) => return Err(fault),
        };
        for entry in entries {
            let name = match entry.folder {
                true => Some(entry.name.as_str()),
                false if origin == PlaybookOrigin::Person => entry.name.strip_suffix(".ts"),
                false => None,
            };
            let Some(name) = name.filter(|name| is_name(name)) else {
                continue;
            };
            if entry.folder && !self.has_main(&root, &entry.path).await? {
                continue;
            }
            let one = Found {
                name: name.to_owned(),
                origin,
                root: root.clone(),
                folder: if entry.folder { entry.path } else { folder.to_owned() },
                main: if entry.folder {
                    MAIN.to_owned()
                } else {
                    entry.name.clone()
                },
            };
            if found.len() < PLAYBOOKS_MAX || found.contains_key(name) {
                found.insert(name.to_owned(), one);
            }
        }
        Ok(())
    }

    async fn has_main(&self, root: &std::path::Path, folder: &str) -> Outcome<bool> {
        let (entries, _) = folders::list_beneath(root.to_path_buf(), folder.to_owned(), LISTED_MAX).await?;
        Ok(entries.iter().any(|entry| !entry.folder && entry.name == MAIN))
    }

    /// Its files, each after those it imports.
    async fn files_of_playbook(&self, found: &Found) -> Outcome<Vec<Source>> {
        let mut read: BTreeMap<String, (Source, Vec<String>)> = BTreeMap::new();
        let mut open = vec![found.main.clone()];
        while let Some(name) = open.pop() {
            if read.contains_key(&name) {
                continue;
            }
            if read.len() == PLAYBOOK_FILES_MAX {
                let message = format!("the playbook has more than {PLAYBOOK_FILES_MAX} files");
                return Err(Fault::new(ErrorCode::LimitExceeded, message));
            }
            let source = self.source_of(found, &name).await?;
            let imports = self.ports.scripts.imports(&source)?;
            open.extend(imports.iter().cloned());
            read.insert(name, (source, imports));
        }
        in_order(&found.main, &read)
    }

    async fn source_of(&self, found: &Found, name: &str) -> Outcome<Source> {
        if name.contains('/') || !name.ends_with(".ts") {
            let message = format!(
                "`{}` cannot be imported: a playbook imports the `.ts` files beside it",
                name.escape_debug()
            );
            return Err(Fault::invalid(message));
        }
        let path = match found.folder.as_str() {
            "" => name.to_owned(),
            folder => format!("{folder}/{name}"),
        };
        let bytes = folders::read_beneath(found.root.clone(), path).await?;
        let text = String::from_utf8(bytes.to_vec()).map_err(|_| Fault::invalid(format!("{name} is not UTF-8")))?;
        Ok(Source {
            name: name.to_owned(),
            text,
        })
    }

    /// What the program says of itself.
    async fn declared(&self, found: &Found, files: &[Source]) -> Outcome<Playbook> {
        let job = json!({ "part": "declare" });
        let script = part_of(files, job, World::default());
        let done = self.ports.scripts.run(script, Arc::new(NoCalls), self.closing.clone());
        let declared: Declared = serde_json::from_value(done.await.result?)
            .map_err(|error| Fault::invalid(format!("what the playbook says of itself: {error}")))?;
        check(&declared)?;
        Ok(Playbook {
            name: found.name.clone(),
            title: declared.title,
            about: declared.about,
            inputs: declared.inputs,
            origin: found.origin,
            source_hash: canonical_hash(&files)?,
            problem: None,
        })
    }

    async fn playbook(&self, name: &str) -> Outcome<(Playbook, Vec<Source>)> {
        let found = self.found().await?;
        let found = found
            .get(name)
            .ok_or_else(|| Fault::not_found(format!("there is no playbook `{}`", name.escape_debug())))?;
        let files = self.files_of_playbook(found).await?;
        Ok((self.declared(found, &files).await?, files))
    }
}

/// Each file after those it imports.
fn in_order(main: &str, read: &BTreeMap<String, (Source, Vec<String>)>) -> Outcome<Vec<Source>> {
    let mut order: Vec<Source> = Vec::new();
    let (mut done, mut under_way) = (BTreeSet::new(), Vec::<&str>::new());
    // A name is met twice: when what it imports is put before it, and when all of that is there.
    let mut open = vec![(main, false)];
    while let Some((name, ready)) = open.pop() {
        if ready {
            under_way.pop();
            done.insert(name);
            order.extend(read.get(name).map(|(source, _)| source.clone()));
            continue;
        }
        if done.contains(name) {
            continue;
        }
        if under_way.contains(&name) {
            let message = format!("files import each other in a circle: {}, {name}", under_way.join(", "));
            return Err(Fault::invalid(message));
        }
        under_way.push(name);
        open.push((name, true));
        if let Some((_, imports)) = read.get(name) {
            open.extend(imports.iter().rev().map(|import| (import.as_str(), false)));
        }
    }
    Ok(order)
}

fn check(declared: &Declared) -> Outcome<()> {
    let wrong = |what: String| Err(Fault::invalid(format!("what the playbook says of itself: {what}")));
    if declared.title.trim().is_empty() || declared.title.chars().count() > TITLE_CHARS_MAX {
        return wrong(format!("`title` must have 1 to {TITLE_CHARS_MAX} characters"));
    }
    if declared.about.chars().count() > ABOUT_CHARS_MAX {
        return wrong(format!("`about` has more than {ABOUT_CHARS_MAX} characters"));
    }
    if declared.inputs.len() > PLAYBOOK_INPUTS_MAX {
        return wrong(format!("more than {PLAYBOOK_INPUTS_MAX} inputs"));
    }
    declared.inputs.iter().try_for_each(given::check_declared)
}

pub(crate) async fn list(call: &Call<'_>) -> Outcome<Value> {
    let _: Empty = call.read()?;
    let core = call.core;
    let mut playbooks = Vec::new();
    for found in core.found().await?.into_values() {
        let declared = match core.files_of_playbook(&found).await {
            Ok(files) => core.declared(&found, &files).await,
            Err(fault) => Err(fault),
        };
        playbooks.push(declared.unwrap_or_else(|fault| Playbook {
            title: found.name.clone(),
            name: found.name,
            about: String::new(),
            inputs: Vec::new(),
            origin: found.origin,
            source_hash: String::new(),
            problem: Some(fault.message),
        }));
    }
    written(&PlaybookList {
        playbooks,
        folder: core.config.home.join(FOLDER).display().to_string(),
    })
}

pub(crate) async fn get(call: &Call<'_>) -> Outcome<Value> {
    let params: PlaybookParams = call.read()?;
    let (playbook, files) = call.core.playbook(&params.name).await?;
    written(&PlaybookProgram { playbook, files })
}

pub(crate) async fn run(call: &Call<'_>) -> Outcome<Value> {
    let params: PlaybookRunParams = call.read()?;
    let request_id = params.request_id.clone();
    let work = begin(call, params);
    call.core
        .requests
        .once(caller(&call.actor), "playbook.run", &request_id, work)
        .await
}

/// What is known of the text of its files.
fn labels_of(fold: &OverviewFold, files: &[Source]) -> Vec<Label> {
    let known = files
        .iter()
        .map(|file| fold.labelled.of_content(&sha256_hex(file.text.as_bytes())));
    known.fold(Vec::new(), |all, labels| join_labels(&all, &labels))
}

async fn begin(call: &Call<'_>, params: PlaybookRunParams) -> Outcome<Value> {
    let core = call.core;
    let project = core.project(&params.project_id).await?;
    let (playbook, files) = core.playbook(&params.name).await?;
    let inputs = given::checked(&playbook, params.inputs, &PathBuf::from(&project.path)).await?;
    let goal = given::goal(&playbook, &inputs);
    let keep = async |value: &Value| core.ports.blobs.put(Bytes::from(canonical_bytes(value)?)).await;
    let note = PlaybookNote {
        name: playbook.name.clone(),
        title: playbook.title,
        source_hash: keep(&written(&files)?).await?,
        inputs_hash: keep(&Value::Object(inputs)).await?,
        labels: core.following.look(|fold| labels_of(fold, &files)).await?,
    };
    let asked = Asked {
        request_id: params.request_id,
        project,
        goal,
        model: format!("playbook/{}", playbook.name),
        approve: params.approve,
        slots: params.slots,
        allow: params.allow,
        deny: params.deny,
        follows: None,
        budget: None,
        playbook: Some(note),
    };
    asked.begin(call).await
}
