//! The store: the `Views` port over the file system. File work runs on blocking threads.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openwrap_contracts::change::{ChangeSet, Manifest};
use openwrap_contracts::ports::{Blobs, CommitOutcome, Reverted, Task, View, ViewSpec, Views};
use openwrap_contracts::tools_user::ToolsUser;
use openwrap_contracts::{Fault, Outcome};
use rustix::fd::AsFd;

use crate::apply::Applying;
use crate::base::Bases;
use crate::beneath;
use crate::content::BlobDesk;
use crate::name;
use crate::project::{Hashes, Project};
use crate::removal;
use crate::tree::manifest_of;
use crate::view::{OpenView, prepare_work};

/// Projects whose hashes are remembered.
const PROJECTS_MAX: usize = 16;

/// Where views live.
pub struct ViewConfig {
    /// Folder of the views: made 0711; nothing else of Open Wrap lies in it.
    pub work: PathBuf,
    /// Folder of the bases.
    pub bases: PathBuf,
    pub blobs: Arc<dyn Blobs>,
    /// Uid and gid the tools' processes run as, when started as root: views belong to them.
    pub tools_owner: ToolsUser,
}

/// The `Views` port.
#[derive(Clone)]
pub struct ViewStore {
    inner: Arc<Inner>,
}

struct Inner {
    work: PathBuf,
    bases: Bases,
    blobs: Arc<dyn Blobs>,
    owner: ToolsUser,
    open: Mutex<HashMap<String, Arc<Mutex<OpenView>>>>,
    /// Hashes of each project's files; the lock also lets one commit at a time into a project.
    projects: Mutex<HashMap<PathBuf, Arc<Mutex<Hashes>>>>,
}

impl ViewStore {
    /// Makes the folders and removes what a crash left half made.
    ///
    /// # Errors
    /// `STORAGE_FAILED`.
    pub fn new(config: ViewConfig) -> Outcome<Self> {
        prepare_work(&config.work, config.tools_owner)?;
        let bases = Bases::open(config.bases)?;
        let inner = Inner {
            work: config.work,
            bases,
            blobs: config.blobs,
            owner: config.tools_owner,
            open: Mutex::default(),
            projects: Mutex::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    fn blocking<'a, T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner, &BlobDesk) -> Outcome<T> + Send + 'static,
    ) -> Task<'a, Outcome<T>> {
        let inner = self.inner.clone();
        Box::pin(async move {
            let desk = BlobDesk::new(inner.blobs.clone());
            let done = tokio::task::spawn_blocking(move || work(&inner, &desk)).await;
            done.map_err(|error| Fault::internal(format!("work on views broke off: {error}")))?
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind these locks is only a memory of the disk; a panic leaves it at worst too small.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Inner {
    fn opened(&self, view_id: &str) -> Outcome<Arc<Mutex<OpenView>>> {
        let open = lock(&self.open);
        let view = open.get(view_id).cloned();
        view.ok_or_else(|| Fault::not_found(format!("no view `{view_id}` is open")))
    }

    fn hashes(&self, project: &PathBuf) -> Arc<Mutex<Hashes>> {
        let mut projects = lock(&self.projects);
        if projects.len() >= PROJECTS_MAX && !projects.contains_key(project) {
            // One that is in use has a second holder and stays.
            projects.retain(|_, hashes| Arc::strong_count(hashes) > 1);
        }
        projects.entry(project.clone()).or_default().clone()
    }

    fn open_view(&self, spec: &ViewSpec, desk: &BlobDesk) -> Outcome<View> {
        let made = OpenView::make(&self.work, &self.bases, desk, self.owner, spec)?;
        let view = made.view.clone();
        lock(&self.open).insert(view.view_id.clone(), Arc::new(Mutex::new(made)));
        Ok(view)
    }

    fn remove_view(&self, view_id: &str) -> Outcome<()> {
        lock(&self.open).remove(view_id);
        let parts = view_id.split_once('/');
        let (run, leaf) = parts.ok_or_else(|| Fault::not_found(format!("`{view_id}` is no view")))?;
        name::check_id(run, "run")?;
        name::check_id(leaf, "view")?;
        match beneath::open_root(&self.work.join(run)) {
            Ok(folder) => removal::remove(folder.as_fd(), leaf, self.owner),
            Err(_) => Ok(()),
        }
    }

    fn remove_run(&self, run_id: &str) -> Outcome<()> {
        name::check_id(run_id, "run")?;
        let prefix = format!("{run_id}/");
        lock(&self.open).retain(|view_id, _| !view_id.starts_with(&prefix));
        let work = beneath::open_root(&self.work)?;
        removal::remove(work.as_fd(), run_id, self.owner)?;
        self.bases.drop_run(run_id)
    }
}

impl Views for ViewStore {
    fn manifest(&self, project: PathBuf) -> Task<'_, Outcome<Manifest>> {
        self.blocking(move |inner, _| {
            let hashes = inner.hashes(&project);
            let project = Project::open(&project)?;
            let nodes = project.nodes(&mut lock(&hashes), &mut |_, _| Ok(()))?;
            Ok(manifest_of(&nodes))
        })
    }

    fn accept_base(&self, run_id: String, project: PathBuf) -> Task<'_, Outcome<String>> {
        self.blocking(move |inner, desk| {
            let hashes = inner.hashes(&project);
            let project = Project::open(&project)?;
            inner.bases.accept(&run_id, &project, &mut lock(&hashes), desk)
        })
    }

    fn base_manifest(&self, base_hash: String) -> Task<'_, Outcome<Manifest>> {
        self.blocking(move |inner, desk| inner.bases.manifest(&base_hash, desk))
    }

    fn open(&self, spec: ViewSpec) -> Task<'_, Outcome<View>> {
        self.blocking(move |inner, desk| inner.open_view(&spec, desk))
    }

    fn private_folders(&self, view_id: String) -> Task<'_, Outcome<()>> {
        self.blocking(move |inner, _| lock(&*inner.opened(&view_id)?).private_folders())
    }

    fn apply(&self, view_id: String, change_set_hash: String) -> Task<'_, Outcome<()>> {
        self.blocking(move |inner, desk| lock(&*inner.opened(&view_id)?).apply(&change_set_hash, desk))
    }

    fn changed(&self, view_id: String, paths: Option<Vec<String>>) -> Task<'_, Outcome<ChangeSet>> {
        self.blocking(move |inner, desk| lock(&*inner.opened(&view_id)?).changed(paths, desk))
    }

    fn finish(&self, view_id: String) -> Task<'_, Outcome<ChangeSet>> {
        self.blocking(move |inner, desk| lock(&*inner.opened(&view_id)?).finish(desk))
    }

    fn drop_view(&self, view_id: String) -> Task<'_, Outcome<()>> {
        self.blocking(move |inner, _| inner.remove_view(&view_id))
    }

    fn drop_run(&self, run_id: String) -> Task<'_, Outcome<()>> {
        self.blocking(move |inner, _| inner.remove_run(&run_id))
    }

    fn commit(&self, project: PathBuf, changes: ChangeSet) -> Task<'_, Outcome<CommitOutcome>> {
        self.blocking(move |inner, desk| {
            let hashes = inner.hashes(&project);
            let project = Project::open(&project)?;
            Applying::new(&project, &mut lock(&hashes), desk, &|| Ok(()))?.commit(&changes)
        })
    }

    fn revert(&self, project: PathBuf, changes: ChangeSet) -> Task<'_, Outcome<Reverted>> {
        self.blocking(move |inner, desk| {
            let hashes = inner.hashes(&project);
            let project = Project::open(&project)?;
            Applying::new(&project, &mut lock(&hashes), desk, &|| Ok(()))?.revert(&changes)
        })
    }
}
