//! The sandbox as a port: one spawner process, started on first use and again when it was lost.
#![allow(clippy::disallowed_methods)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use openwrap_contracts::ports::Task;
use openwrap_contracts::spawn::{
    CHILDREN_MAX, Child, Network, Profile, SPAWN_REQUEST_BYTES_MAX, SandboxReport, SpawnRequest, Spawner, Stopped,
    unavailable,
};
use openwrap_contracts::tools_user::prove;
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use tokio::sync::{Mutex, OnceCell, Semaphore};

use crate::kernel::{limit, process_control};
use crate::link::Link;
use crate::probe::Found;
use crate::profile;
use crate::report::{Places, judge};
use crate::rights::capabilities;
use crate::serve::CAPABILITIES;
use crate::wire::{Hello, Ready};

/// Uid and gid of tools under a root-started core: of no person, no distribution and no service manager.
const TOOLS_ID: u32 = 60_900;
/// Where programs are looked for.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How the sandbox works here.
#[derive(Debug, Clone)]
pub struct SandboxConfig {
    /// `openwrap-spawner`.
    pub spawner_program: PathBuf,
    /// Folder the probe makes its folder in: where tools will work.
    pub work: PathBuf,
    /// Uid and gid of the children: [`tools_ids`]. None: the core's own.
    pub tools_ids: Option<(u32, u32)>,
    /// Start children also at level C and D. Never as root.
    pub accept_weak: bool,
}

/// Uid and gid that children should get: Some when this process is root and may change users (`CAP_SETUID`, `CAP_SETGID`), which is
/// tried out.
#[must_use]
pub fn tools_ids() -> Option<(u32, u32)> {
    let ids = (TOOLS_ID, TOOLS_ID);
    let able = capabilities().is_ok_and(|held| held & CAPABILITIES == CAPABILITIES);
    (able && prove(ids).is_ok()).then_some(ids)
}

/// Closes this process's memory and environment to others of the same uid, and forbids core dumps. For the core, before it holds any
/// secret.
pub fn harden_core() {
    // Neither call fails with these arguments.
    let _ = process_control(libc::PR_SET_DUMPABLE, 0);
    // Not 0, which a handler that takes dumps through a pipe does not count as none; children inherit it.
    let _ = limit(libc::RLIMIT_CORE, 1);
}

/// The core's side of the spawner process. Dropping it ends every child.
pub struct SandboxSpawner {
    config: SandboxConfig,
    /// The runtime this core itself runs on, and its packages.
    own_programs: Vec<PathBuf>,
    link: Mutex<Option<Arc<Link>>>,
    ready: std::sync::Mutex<Option<Ready>>,
    report: OnceCell<SandboxReport>,
    places: Arc<Semaphore>,
}

impl SandboxSpawner {
    /// Checks the configuration. The spawner process is started on first use.
    ///
    /// # Errors
    /// `SANDBOX_UNAVAILABLE` when the spawner program or the work folder is missing.
    pub fn start(config: SandboxConfig) -> Outcome<Arc<Self>> {
        let find = |path: &Path, what: &str| {
            let missing = |error| unavailable(format!("the {what} {} cannot be used: {error}", path.display()));
            path.canonicalize().map_err(missing)
        };
        let config = SandboxConfig {
            spawner_program: find(&config.spawner_program, "sandbox's spawner")?,
            work: find(&config.work, "work folder")?,
            ..config
        };
        let own_programs = std::env::current_exe()
            .map(|own| own_programs(&own))
            .unwrap_or_default();
        Ok(Arc::new(Self {
            config,
            own_programs,
            link: Mutex::new(None),
            ready: std::sync::Mutex::new(None),
            report: OnceCell::new(),
            places: Arc::new(Semaphore::new(CHILDREN_MAX)),
        }))
    }

    async fn link(&self) -> Outcome<(Arc<Link>, Ready)> {
        let mut link = self.link.lock().await;
        let known = self
            .ready
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone();
        if let (Some(link), Some(ready)) = (link.as_ref().filter(|link| !link.is_lost()), known) {
            return Ok((Arc::clone(link), ready));
        }
        let hello = Hello {
            tools: self.config.tools_ids,
            programs: self.own_programs.clone(),
            accept_weak: self.config.accept_weak,
        };
        let (fresh, ready) = Link::open(&self.config.spawner_program, hello).await?;
        *link = Some(Arc::clone(&fresh));
        *self.ready.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(ready.clone());
        Ok((fresh, ready))
    }

    async fn probed(&self) -> Outcome<&SandboxReport> {
        self.report.get_or_try_init(|| self.probe()).await
    }

    async fn probe(&self) -> Outcome<SandboxReport> {
        let (link, ready) = self.link().await?;
        let two_uids = self.config.tools_ids.is_some();
        let found = match self.try_out(&link).await {
            // It is not known then what holds here: to be asked again.
            Err(fault) if link.is_lost() => return Err(fault),
            found => found.map_err(|fault| fault.message),
        };
        Ok(judge(&ready, two_uids, self.config.accept_weak, found))
    }

    async fn try_out(&self, link: &Arc<Link>) -> Outcome<Found> {
        let places = Places::make(&self.config.work, self.config.tools_ids)?;
        let place = Arc::clone(&self.places)
            .acquire_owned()
            .await
            .map_err(|error| unavailable(error.to_string()))?;
        let finished = link
            .start(places.request(&self.config.spawner_program), place)
            .await?
            .finish()
            .await?;
        serde_json::from_slice(&finished.stdout)
            .map_err(|_| unavailable(format!("the probe ended without an answer: {:?}", finished.status)))
    }

    async fn start_child(&self, request: SpawnRequest) -> Outcome<Child> {
        check(&request)?;
        let report = self.probed().await?;
        if !report.usable {
            let why = report.notes.first().map_or("", String::as_str);
            return Err(unavailable(format!(
                "the sandbox is too weak here (level {:?}): {why}",
                report.level
            )));
        }
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            Fault::new(
                ErrorCode::TooManyRequests,
                format!("{CHILDREN_MAX} programs run already"),
            )
        })?;
        let (link, ready) = self.link().await?;
        if !ready.supervised && !matches!(request.network, Network::None) {
            return Err(unavailable(
                "programs get no network on this system: its kernel is older than 5.9, or another manager of containers holds their calls",
            ));
        }
        link.start(request, place).await
    }

    async fn stop(&self, run_id: Option<&str>) -> Outcome<Stopped> {
        let link = self.link.lock().await.as_ref().map(Arc::clone);
        match link {
            Some(link) if !link.is_lost() => link.stop(run_id).await,
            _ => Ok(Stopped {
                stopped: 0,
                left: 0,
                ms: 0,
            }),
        }
    }
}

impl Spawner for SandboxSpawner {
    fn spawn(&self, request: SpawnRequest) -> Task<'_, Outcome<Child>> {
        Box::pin(self.start_child(request))
    }

    fn kill_run(&self, run_id: &str) -> Task<'_, Outcome<Stopped>> {
        let run_id = run_id.to_owned();
        Box::pin(async move { self.stop(Some(&run_id)).await })
    }

    fn stop_all(&self) -> Task<'_, Outcome<Stopped>> {
        Box::pin(self.stop(None))
    }

    fn report(&self) -> Task<'_, Outcome<SandboxReport>> {
        Box::pin(async { self.probed().await.cloned() })
    }

    fn profile_of(&self, program: &str) -> Profile {
        profile::profile_of(program)
    }

    fn base_environment(&self, home: &Path, temp: &Path) -> Vec<(String, String)> {
        let own = self
            .own_programs
            .first()
            .and_then(|program| program.parent())
            .map(|bin| bin.to_string_lossy());
        let path = own.map_or_else(|| PATH.to_owned(), |own| format!("{own}:{PATH}"));
        let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        vec![
            variable("PATH", &path),
            variable("HOME", &home.to_string_lossy()),
            variable("TMPDIR", &temp.to_string_lossy()),
            variable("LANG", "C.UTF-8"),
            // Configuration outside the grants: git ends when it exists and cannot be read.
            variable("GIT_CONFIG_NOSYSTEM", "1"),
            // No network, so no news.
            variable("DENO_NO_UPDATE_CHECK", "1"),
            variable("NO_UPDATE_NOTIFIER", "1"),
            // Compiled files would be changes of the project.
            variable("PYTHONDONTWRITEBYTECODE", "1"),
        ]
    }
}

impl Drop for SandboxSpawner {
    fn drop(&mut self) {
        if let Some(link) = self.link.get_mut().take() {
            link.close();
        }
    }
}

fn check(request: &SpawnRequest) -> Outcome<()> {
    let texts = request.args.iter().map(String::len).chain([request.program.len()]);
    let variables = request.env.iter().map(|(name, value)| name.len() + value.len());
    let paths = request.grants.iter().map(|grant| grant.path.as_os_str().len());
    let bytes: usize = texts.chain(variables).chain(paths).sum();
    if bytes > SPAWN_REQUEST_BYTES_MAX {
        let message =
            format!("arguments, environment and grants have {bytes} bytes, {SPAWN_REQUEST_BYTES_MAX} are the most");
        return Err(Fault::new(ErrorCode::LimitExceeded, message));
    }
    if request.program.is_empty() {
        return Err(Fault::invalid("no program was named"));
    }
    Ok(())
}

/// The runtime a core of ours runs on may lie outside the system's folders, even below a home. Then exactly its file and the packages
/// installed with it (`npm`) may be read and run, not the folder it lies in.
fn own_programs(executable: &Path) -> Vec<PathBuf> {
    let system = ["/usr/", "/bin/", "/sbin/", "/lib/"]
        .iter()
        .any(|folder| executable.starts_with(folder));
    if system || profile::profile_of(&executable.to_string_lossy()) != Profile::Runtime {
        return Vec::new();
    }
    let packages = executable
        .parent()
        .filter(|bin| bin.ends_with("bin"))
        .and_then(Path::parent)
        .map(|prefix| prefix.join("lib/node_modules"));
    std::iter::once(executable.to_owned()).chain(packages).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_runtime_outside_the_system_is_added() {
        let found = |path: &str| own_programs(Path::new(path));
        assert!(found("/usr/bin/node").is_empty());
        assert!(found("/home/a/openwrap-spawner").is_empty());
        assert_eq!(
            found("/home/a/.nvm/v20/bin/node"),
            vec![
                PathBuf::from("/home/a/.nvm/v20/bin/node"),
                PathBuf::from("/home/a/.nvm/v20/lib/node_modules")
            ]
        );
        assert_eq!(found("/opt/node"), vec![PathBuf::from("/opt/node")]);
    }
}
