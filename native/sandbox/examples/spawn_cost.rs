//! Processor time of a sandboxed start and end of `true`, beside a plain `posix_spawn` and wait. Prints one line of JSON.
//! Arguments: the spawner program; starts per round (default 300).
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout, unsafe_code)]

use std::path::PathBuf;
use std::process::{Command, Stdio};

use openwrap_contracts::spawn::{
    Access, Network, PathGrant, Profile, SpawnLabel, SpawnLimits, SpawnRequest, Spawner, Stdin,
};
use openwrap_sandbox::{SandboxConfig, SandboxSpawner, tools_ids};

const ROUNDS: usize = 5;

fn own_us() -> f64 {
    let of = |who| {
        // SAFETY: the kernel fills a plain structure.
        let usage = unsafe {
            let mut usage = std::mem::zeroed::<libc::rusage>();
            libc::getrusage(who, &raw mut usage);
            usage
        };
        let us = |time: libc::timeval| time.tv_sec as f64 * 1e6 + time.tv_usec as f64;
        us(usage.ru_utime) + us(usage.ru_stime)
    };
    of(libc::RUSAGE_SELF) + of(libc::RUSAGE_CHILDREN)
}

/// Time of the supervisor, this process's own child, of the spawner, which is the supervisor's, and of what both have collected.
fn spawner_us() -> f64 {
    let supervisor = child_of(std::process::id());
    let ticks = |pid: u32| -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let fields: Vec<&str> = stat[stat.rfind(')').unwrap() + 2..].split(' ').collect();
        fields[11..15]
            .iter()
            .map(|ticks| ticks.parse::<f64>().unwrap() * 1e4)
            .sum()
    };
    ticks(supervisor) + ticks(child_of(supervisor))
}

fn child_of(parent: u32) -> u32 {
    let parent = format!("\nPPid:\t{parent}\n");
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let mut pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let own =
        |pid: &u32| std::fs::read_to_string(format!("/proc/{pid}/status")).is_ok_and(|text| text.contains(&parent));
    pids.find(own).unwrap()
}

fn plain(piped: bool) {
    let mut command = Command::new("/usr/bin/true");
    command.env_clear().stdin(Stdio::null());
    if piped {
        assert!(command.output().unwrap().status.success());
    } else {
        assert!(
            command
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .unwrap()
                .success()
        );
    }
}

fn places() -> (tempfile::TempDir, PathBuf, Option<(u32, u32)>) {
    let work = tempfile::tempdir().unwrap();
    let view = work.path().join("view");
    std::fs::create_dir(&view).unwrap();
    let owner = tools_ids();
    let open = |path, mode| {
        let permissions = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(mode);
        std::fs::set_permissions(path, permissions).unwrap();
    };
    open(work.path(), 0o711);
    open(&view, 0o700);
    if let Some((uid, gid)) = owner {
        std::os::unix::fs::chown(&view, Some(uid), Some(gid)).unwrap();
    }
    (work, view, owner)
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let program = PathBuf::from(arguments.next().unwrap()).canonicalize().unwrap();
    let starts: usize = arguments.next().map_or(300, |text| text.parse().unwrap());
    let (work, view, owner) = places();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let config = SandboxConfig {
            spawner_program: program.clone(),
            work: work.path().to_owned(),
            tools_ids: owner,
            accept_weak: false,
        };
        let spawner = SandboxSpawner::start(config).unwrap();
        let request = SpawnRequest {
            program: "/usr/bin/true".to_owned(),
            args: Vec::new(),
            cwd: view.canonicalize().unwrap(),
            env: spawner.base_environment(&view, &view),
            profile: Profile::Tool,
            grants: vec![PathGrant::new(view.canonicalize().unwrap(), Access::ReadWriteExec)],
            stdin: Stdin::Null,
            limits: SpawnLimits::default(),
            label: SpawnLabel {
                run_id: "cost".to_owned(),
                task_id: "cost".to_owned(),
            },
            inherited: Vec::new(),
            terminal: None,
            network: Network::None,
        };
        let (mut ratios, mut figures) = (Vec::new(), [0.0; 4]);
        for round in 0..=ROUNDS {
            let mut marks = vec![own_us()];
            for piped in [false, true] {
                (0..starts).for_each(|_| plain(piped));
                marks.push(own_us());
            }
            spawner.report().await.unwrap();
            let (own, theirs) = (own_us(), spawner_us());
            let clock = std::time::Instant::now();
            for _ in 0..starts {
                let finished = spawner.spawn(request.clone()).await.unwrap().finish().await.unwrap();
                assert!(finished.status.success(), "{finished:?}");
            }
            let wall = clock.elapsed().as_secs_f64() * 1e6;
            let sandboxed = own_us() - own + spawner_us() - theirs;
            let (bare, piped) = (marks[1] - marks[0], marks[2] - marks[1]);
            if round > 0 {
                ratios.push(sandboxed / bare);
                for (sum, figure) in figures.iter_mut().zip([bare, piped, sandboxed, wall]) {
                    *sum += figure / (starts * ROUNDS) as f64;
                }
            }
        }
        ratios.sort_by(f64::total_cmp);
        let [bare, piped, sandboxed, wall] = figures;
        println!(
            "{{\"sandboxed_spawn_over_plain\":{:.2},\"plain_us\":{bare:.0},\"plain_piped_us\":{piped:.0},\"sandboxed_us\":{sandboxed:.0},\"sandboxed_wall_us\":{wall:.0}}}",
            ratios[ROUNDS / 2]
        );
    });
}
