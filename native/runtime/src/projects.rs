//! Projects: folders a person lets the workforce work in.

use std::path::{Path, PathBuf};

use openwrap_contracts::canonical::sha256_hex;
use openwrap_contracts::change::Node;
use openwrap_contracts::event::Fact;
use openwrap_contracts::method::{FileList, ProjectFilesParams, ProjectOpenParams};
use openwrap_contracts::run::Project;
use openwrap_contracts::tool::FileEntry;
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use serde_json::Value;

use crate::core::Core;
use crate::folders;
use crate::methods::{Call, written};

/// Characters of a project's name.
const NAME_CHARS_MAX: usize = 100;
/// Folder of the sample below `samplesDir`, and the name its copy gets beside the data folder.
const SAMPLE: (&str, &str) = ("seattle-weather", "open-wrap-sample");

impl Core {
    /// A known project.
    pub(crate) async fn project(&self, project_id: &str) -> Outcome<Project> {
        let found = self
            .following
            .look(|fold| fold.projects.get(project_id).cloned())
            .await?;
        found.ok_or_else(|| Fault::not_found(format!("there is no project `{project_id}`")))
    }

    /// A project is never the whole system, nor a folder that holds or lies in Open Wrap's own. `path` is a real one; where ours are
    /// reached over links, their real ones count too.
    pub(crate) async fn refuse_own_folders(&self, path: &Path) -> Outcome<()> {
        let mut own = vec![self.config.home.clone(), self.config.work.clone()];
        for folder in [&self.config.home, &self.config.work] {
            own.push(folders::real(folder).await?);
        }
        if path.parent().is_none() || own.iter().any(|own| path.starts_with(own) || own.starts_with(path)) {
            return Err(Fault::new(
                ErrorCode::ProtectedPath,
                format!("{} holds the system's or Open Wrap's own files", path.display()),
            )
            .with_hint("Choose a folder that holds only your project."));
        }
        Ok(())
    }

    async fn open_project(&self, call: &Call<'_>, path: PathBuf, name: Option<String>) -> Outcome<Project> {
        let path = folders::real_folder(&path).await?;
        self.refuse_own_folders(&path).await?;
        let text = path
            .to_str()
            .ok_or_else(|| Fault::invalid("the folder's path is not UTF-8"))?
            .to_owned();
        let given = name.filter(|name| !name.trim().is_empty()).or_else(|| {
            let last = path.file_name()?.to_str()?;
            Some(last.to_owned())
        });
        let name: String = given
            .unwrap_or_else(|| text.clone())
            .chars()
            .take(NAME_CHARS_MAX)
            .collect();
        let project = Project {
            project_id: format!("project_{}", &sha256_hex(text.as_bytes())[..16]),
            name,
            path: text,
        };
        let known = self
            .following
            .look(|fold| fold.projects.get(&project.project_id).cloned())
            .await?;
        if known.as_ref() != Some(&project) {
            let fact = Fact::ProjectOpened {
                name: project.name.clone(),
                path: project.path.clone(),
            };
            self.note_as(call.actor.clone(), Some(project.project_id.clone()), fact)
                .await?;
        }
        Ok(project)
    }
}

pub(crate) async fn open(call: &Call<'_>) -> Outcome<Value> {
    let params: ProjectOpenParams = call.read()?;
    let path = PathBuf::from(&params.path);
    if !path.is_absolute() {
        return Err(Fault::invalid(format!("path `{}` must be absolute", params.path)));
    }
    written(&call.core.open_project(call, path, params.name).await?)
}

/// The sample lies beside the data folder, where its owner finds it.
pub(crate) async fn sample(call: &Call<'_>) -> Outcome<Value> {
    let config = &call.core.config;
    let beside = config
        .home
        .parent()
        .ok_or_else(|| Fault::invalid("the data folder has no folder above it"))?;
    let target = beside.join(SAMPLE.1);
    folders::copy_new(&config.samples_dir.join(SAMPLE.0), &target).await?;
    written(
        &call
            .core
            .open_project(call, target, Some("Sample: Seattle weather".to_owned()))
            .await?,
    )
}

pub(crate) async fn files(call: &Call<'_>) -> Outcome<Value> {
    let params: ProjectFilesParams = call.read()?;
    let project = call.core.project(&params.project_id).await?;
    let manifest = call.core.ports.views.manifest(PathBuf::from(project.path)).await?;
    let files = manifest
        .entries
        .into_iter()
        .filter_map(|entry| match entry.node {
            Node::File { size, .. } => Some(FileEntry { path: entry.path, size }),
            Node::Directory | Node::Symlink { .. } => None,
        })
        .collect();
    written(&FileList { files })
}
