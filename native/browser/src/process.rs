//! The browser's process: its folders, its flags, its pipes.
#![allow(clippy::disallowed_methods)]

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use openwrap_contracts::network::Broker;
use openwrap_contracts::spawn::{
    Access, Child, Network, PathGrant, Profile, SpawnLabel, SpawnLimits, SpawnRequest, Spawner, Stdin,
};
use openwrap_contracts::tools_user::{ToolsUser, keep, make_private, remove};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use rustix::pipe::{PipeFlags, pipe_with};

/// A browser may live as long as the longest task.
const WALL_MS: u64 = 24 * 3_600_000;
const CPU_MS: u64 = 8 * 3_600_000;
const MEMORY_BYTES: u64 = 2 * 1024 * 1024 * 1024;
const PROCESSES: u32 = 64;
/// Standard error of a browser is noise; some of it is read and dropped.
const OUTPUT_BYTES: u64 = 64 * 1024;

/// Flags of every start. The proxy's address is never listened on: the sandbox answers each `connect` with a stream to the broker.
const FLAGS: &[&str] = &[
    "--remote-debugging-pipe",
    "--proxy-server=http://127.0.0.1:1",
    // Without it a page on this machine is asked for without the proxy.
    "--proxy-bypass-list=<-loopback>",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--disable-quic",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-extensions",
    "--disable-sync",
    "--disable-translate",
    "--disable-crash-reporter",
    "--disable-breakpad",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-features=Translate,OptimizationHints,MediaRouter,AutofillServerCommunication,DialMediaRouteProvider",
    "--metrics-recording-only",
    "--mute-audio",
    "--no-default-browser-check",
    "--no-first-run",
    "--no-pings",
    // Its own needs new namespaces, which no confined program may make: all its processes share ours.
    "--no-sandbox",
    "--password-store=basic",
    "--use-mock-keychain",
    // What pages store stays in memory, which is watched: on a disk each site may fill gigabytes.
    "--incognito",
    "--hide-scrollbars",
    "--lang=en-US",
    "--force-color-profile=srgb",
    "--window-size=1280,800",
];

/// Where one browser keeps what it writes.
#[derive(Debug, Clone)]
pub struct Place {
    /// Of the attempt: holds the last address.
    folder: PathBuf,
    /// Of this browser alone, so that the end of one never touches the next.
    live: PathBuf,
    owner: ToolsUser,
    /// Whether its place is gone.
    removed: Arc<Mutex<bool>>,
}

/// What a browser is started with.
pub struct Start<'a> {
    pub spawner: &'a dyn Spawner,
    pub program: &'a Path,
    pub place: &'a Place,
    pub label: SpawnLabel,
    /// None: it reaches nothing.
    pub broker: Option<Arc<dyn Broker>>,
}

/// A started browser and our ends of its pipe.
pub struct Started {
    pub child: Child,
    pub from: OwnedFd,
    pub to: OwnedFd,
}

fn failed(path: &Path, error: &std::io::Error) -> Fault {
    Fault::new(ErrorCode::StorageFailed, format!("{}: {error}", path.display()))
}

impl Place {
    /// Folders that only this browser has, theirs alone.
    ///
    /// # Errors
    /// `STORAGE_FAILED`.
    pub fn make(folder: PathBuf, owner: ToolsUser) -> Outcome<Self> {
        let passable = |path: &Path| std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o711));
        std::fs::create_dir_all(&folder)
            .and_then(|()| passable(&folder))
            .map_err(|error| failed(&folder, &error))?;
        let live =
            (0..LIVE_MAX)
                .map(|number| folder.join(number.to_string()))
                .find_map(|live| match std::fs::create_dir(&live) {
                    Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => None,
                    made => Some(made.map(|()| live)),
                });
        let live = match live {
            Some(live) => live.map_err(|error| failed(&folder, &error))?,
            None => {
                return Err(Fault::new(
                    ErrorCode::StorageFailed,
                    "old profiles of the browser cannot be removed",
                ));
            }
        };
        let place = Self {
            folder,
            live,
            owner,
            removed: Arc::default(),
        };
        place.furnish().map_err(|error| failed(&place.live, &error))?;
        Ok(place)
    }

    fn furnish(&self) -> std::io::Result<()> {
        let live = std::fs::File::open(&self.live)?;
        keep(live.as_fd(), self.owner)?;
        for name in [PROFILE, HOME, TEMP] {
            make_private(live.as_fd(), name, self.owner)?;
        }
        Ok(())
    }

    fn profile(&self) -> PathBuf {
        self.live.join(PROFILE)
    }

    fn home(&self) -> PathBuf {
        self.live.join(HOME)
    }

    fn temp(&self) -> PathBuf {
        self.live.join(TEMP)
    }

    /// Drops all but the last address. By one at a time, and not again once it is done: the number is the next browser's then.
    pub fn clear(&self) {
        let mut removed = self.removed.lock().unwrap_or_else(PoisonError::into_inner);
        // What cannot be removed now is removed at the next start of the core.
        *removed = *removed || clear_away(&self.live, self.owner);
    }

    /// Drops the last address too.
    pub fn remove(&self) {
        self.clear();
        let _ = std::fs::remove_file(last(&self.folder));
        let _ = std::fs::remove_dir(&self.folder);
    }

    pub fn keep_address(&self, url: &str) {
        // Only a browser cut off with the core is reopened by it: without the note the worker is told that nothing is open.
        let _ = std::fs::write(last(&self.folder), url);
    }
}

/// Profiles of one attempt that lie there at once.
const LIVE_MAX: u32 = 1_000;

const PROFILE: &str = "profile";
const HOME: &str = "home";
const TEMP: &str = "tmp";

fn clear_away(path: &Path, owner: ToolsUser) -> bool {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return false;
    };
    std::fs::File::open(parent).is_ok_and(|parent| remove(parent.as_fd(), name, owner).is_ok())
}

fn last(folder: &Path) -> PathBuf {
    folder.join("address")
}

/// The address an attempt's browser showed last, when it was not closed.
pub fn last_address(folder: &Path) -> Option<String> {
    std::fs::read_to_string(last(folder)).ok()
}

/// Drops the profiles that a core before left, but not the addresses; one older than `ADDRESS_AGE_MAX` belongs to no run any more.
pub fn sweep(folder: &Path, owner: ToolsUser) {
    let entries = |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().flatten();
    for attempt in entries(folder) {
        for left in entries(&attempt.path()) {
            if left.file_type().is_ok_and(|kind| kind.is_dir()) {
                clear_away(&left.path(), owner);
            }
        }
        let modified = std::fs::metadata(last(&attempt.path())).and_then(|about| about.modified());
        let old = modified.map_or(true, |at| at.elapsed().is_ok_and(|age| age > ADDRESS_AGE_MAX));
        if old {
            clear_away(&attempt.path(), owner);
        }
    }
}

/// A run that was cut off is taken up at the next start, or never.
const ADDRESS_AGE_MAX: std::time::Duration = std::time::Duration::from_secs(7 * 24 * 3_600);

/// Starts a browser; its pages come over the pipe.
///
/// # Errors
/// As [`Spawner::spawn`]; `STORAGE_FAILED`.
pub async fn start(start: Start<'_>) -> Outcome<Started> {
    let pipe =
        || pipe_with(PipeFlags::CLOEXEC).map_err(|error| Fault::internal(format!("no pipe for the browser: {error}")));
    let (commands, to) = pipe()?;
    let (from, messages) = pipe()?;
    let (home, temp, profile) = (start.place.home(), start.place.temp(), start.place.profile());
    let mut args: Vec<String> = FLAGS.iter().map(|flag| (*flag).to_owned()).collect();
    args.push(format!("--user-data-dir={}", profile.display()));
    let mut grants = vec![
        PathGrant::new(&profile, Access::ReadWrite),
        PathGrant::new(&home, Access::ReadWrite),
        PathGrant::new(&temp, Access::ReadWrite),
    ];
    // The profile's own rows hold what packages install.
    if let Some(folder) = start.program.parent().filter(|folder| !folder.starts_with("/usr")) {
        grants.push(PathGrant::new(folder, Access::ReadExec));
    }
    let request = SpawnRequest {
        program: start.program.to_string_lossy().into_owned(),
        args,
        cwd: profile.clone(),
        env: start.spawner.base_environment(&home, &temp),
        profile: Profile::Browser,
        grants,
        stdin: Stdin::Null,
        limits: SpawnLimits {
            wall_ms: WALL_MS,
            cpu_ms: CPU_MS,
            memory_bytes: MEMORY_BYTES,
            processes: PROCESSES,
            output_bytes: OUTPUT_BYTES,
            ..SpawnLimits::default()
        },
        label: start.label,
        inherited: vec![Arc::new(commands), Arc::new(messages)],
        terminal: None,
        network: start.broker.map_or(Network::None, Network::Proxied),
    };
    let child = start.spawner.spawn(request).await?;
    for end in [&from, &to] {
        rustix::io::ioctl_fionbio(end, true)
            .map_err(|error| Fault::internal(format!("the browser's pipe: {error}")))?;
    }
    Ok(Started { child, from, to })
}
