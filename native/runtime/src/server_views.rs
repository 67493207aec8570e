//! Views, with the servers that work in one ended before it is looked at for the last time or removed.

use std::path::PathBuf;
use std::sync::Arc;

use openwrap_contracts::Outcome;
use openwrap_contracts::change::{ChangeSet, Manifest};
use openwrap_contracts::ports::{CommitOutcome, Reverted, Task, View, ViewSpec, Views};
use openwrap_mcp::McpServers;

pub struct ServerViews {
    pub views: Arc<dyn Views>,
    pub servers: Arc<McpServers>,
}

impl Views for ServerViews {
    fn manifest(&self, project: PathBuf) -> Task<'_, Outcome<Manifest>> {
        self.views.manifest(project)
    }

    fn accept_base(&self, run_id: String, project: PathBuf) -> Task<'_, Outcome<String>> {
        self.views.accept_base(run_id, project)
    }

    fn base_manifest(&self, base_hash: String) -> Task<'_, Outcome<Manifest>> {
        self.views.base_manifest(base_hash)
    }

    fn open(&self, spec: ViewSpec) -> Task<'_, Outcome<View>> {
        self.views.open(spec)
    }

    fn private_folders(&self, view_id: String) -> Task<'_, Outcome<()>> {
        self.views.private_folders(view_id)
    }

    fn apply(&self, view_id: String, change_set_hash: String) -> Task<'_, Outcome<()>> {
        self.views.apply(view_id, change_set_hash)
    }

    fn changed(&self, view_id: String, paths: Option<Vec<String>>) -> Task<'_, Outcome<ChangeSet>> {
        self.views.changed(view_id, paths)
    }

    fn finish(&self, view_id: String) -> Task<'_, Outcome<ChangeSet>> {
        Box::pin(async move {
            self.servers.end_view(&view_id).await;
            self.views.finish(view_id).await
        })
    }

    fn drop_view(&self, view_id: String) -> Task<'_, Outcome<()>> {
        Box::pin(async move {
            self.servers.end_view(&view_id).await;
            self.views.drop_view(view_id).await
        })
    }

    fn drop_run(&self, run_id: String) -> Task<'_, Outcome<()>> {
        Box::pin(async move {
            self.servers.end_run(&run_id).await;
            self.views.drop_run(run_id).await
        })
    }

    fn commit(&self, project: PathBuf, changes: ChangeSet) -> Task<'_, Outcome<CommitOutcome>> {
        self.views.commit(project, changes)
    }

    fn revert(&self, project: PathBuf, changes: ChangeSet) -> Task<'_, Outcome<Reverted>> {
        self.views.revert(project, changes)
    }
}
