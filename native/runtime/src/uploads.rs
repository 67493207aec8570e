//! Files a person gives to a project. Never over a file that is there, never under a protected name, never out of the folder.

use std::path::{Path, PathBuf};

use openwrap_access::Credentials;
use openwrap_contracts::canonical::sha256_hex;
use openwrap_contracts::event::Fact;
use openwrap_contracts::limits::UPLOAD_BYTES_MAX;
use openwrap_contracts::method::{Done, MethodAccess};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use serde::Deserialize;
use serde_json::Value;

use crate::core::Core;
use crate::files::checked_path;
use crate::folders;
use crate::methods::written;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Target {
    project_id: String,
    path: String,
}

impl Core {
    /// Whether the bytes of an upload are worth reading: who may give files, to a project there is, under a name that may be.
    ///
    /// # Errors
    /// As [`Core::upload`].
    pub async fn may_upload(&self, params: &str, credentials: &str) -> Outcome<()> {
        let credentials = crate::core::read_credentials(credentials)?;
        self.upload_target(params, &credentials).await.map(|_| ())
    }

    async fn upload_target(&self, params: &str, credentials: &Credentials) -> Outcome<(PathBuf, String, String)> {
        self.access.authorize(credentials, MethodAccess::Drive)?;
        let target: Target = serde_json::from_str(params)?;
        let project = self.project(&target.project_id).await?;
        let path = checked_path(&target.path)?;
        if path.is_empty() || path.chars().any(char::is_control) {
            return Err(Fault::invalid("an upload needs the name of a file"));
        }
        Ok((PathBuf::from(project.path), path, target.project_id))
    }

    /// Puts a new file into a project.
    ///
    /// # Errors
    /// `UNAUTHORIZED`, `FORBIDDEN`, `NOT_FOUND` (project), `INVALID_ARGUMENTS`, `PATH_OUTSIDE`, `PROTECTED_PATH`, `ALREADY_EXISTS`,
    /// `LIMIT_EXCEEDED` over `UPLOAD_BYTES_MAX`.
    pub async fn upload(&self, params: &str, bytes: Vec<u8>, credentials: &str) -> Outcome<Value> {
        let credentials = crate::core::read_credentials(credentials)?;
        let (project, path, project_id) = self.upload_target(params, &credentials).await?;
        let actor = self.access.authorize(&credentials, MethodAccess::Drive)?;
        if bytes.len() > UPLOAD_BYTES_MAX {
            return Err(Fault::new(
                ErrorCode::LimitExceeded,
                format!("the file is larger than {UPLOAD_BYTES_MAX} bytes"),
            ));
        }
        let size = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let checksum = sha256_hex(&bytes);
        // Known as text from outside before any run can find it in the project.
        let requested = Fact::FileUploadRequested {
            path: path.clone(),
            size,
            checksum: checksum.clone(),
        };
        self.note_as(actor.clone(), Some(project_id.clone()), requested).await?;
        place(project, path.clone(), bytes).await?;
        let fact = Fact::FileUploaded { path, size, checksum };
        let sequence = self.note_as(actor, Some(project_id), fact).await?;
        written(&Done { sequence })
    }
}

async fn place(project: PathBuf, path: String, bytes: Vec<u8>) -> Outcome<()> {
    let placed = tokio::task::spawn_blocking(move || folders::write_beneath(Path::new(&project), &path, &bytes)).await;
    placed.map_err(|error| Fault::internal(format!("writing broke off: {error}")))?
}
