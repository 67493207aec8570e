//! Nothing outlives its end: kills, dropped handles, stopped runs, a lost core, a lost spawner.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use openwrap_contracts::spawn::{ExitReason, Spawner};
use openwrap_contracts::tools_user::as_tools;

use crate::stage::{
    SCENE, Stage, Turn, as_core, copy_program, label, lines, processes_with, say, set_mode, text, wait_until,
};
use crate::ways::{Starter, core_command};

const AFTER_STOP: Duration = Duration::from_millis(250);
const AFTER_CORE: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(10);

/// A number of seconds that marks this test's processes.
fn mark(test: u32) -> String {
    format!("86{test:03}.{}", std::process::id())
}

/// Leaves processes in every way there is: in the group, in another session, forked twice, started by a thing that is gone.
fn family(mark: &str) -> String {
    format!(
        "sleep {mark} & setsid sleep {mark} & (setsid sh -c 'sleep {mark} & (sleep {mark} &) ; sleep {mark}' &) ; \
         trap '' TERM HUP INT; sleep {mark}; true"
    )
}
const FAMILY: usize = 6;

fn all_there(mark: &str) {
    wait_until("the family is there", PATIENCE, || {
        processes_with(&format!("sleep\0{mark}")).len() == FAMILY
    });
}

fn all_gone(mark: &str, within: Duration) {
    wait_until("the family is gone", within, || {
        processes_with(&format!("sleep\0{mark}")).is_empty()
    });
}

pub fn play(scene: &str) -> bool {
    match scene {
        "host" => play_host(),
        "stopping_core" => play_stopping(),
        _ => return false,
    }
    true
}

/// Ends families in the ways a core does, by what rights it has.
fn play_stopping() {
    as_core(async {
        let spawner_program = PathBuf::from(std::env::var("SPAWNER").unwrap());
        let stage = Stage::with(&spawner_program);
        let mark = mark(11);
        let begin = async || {
            let child = stage.spawner.spawn(stage.shell(&family(&mark))).await.unwrap();
            all_there(&mark);
            child
        };
        let _child = begin().await;
        let stopped = stage.spawner.kill_run("run").await.unwrap();
        assert_eq!((stopped.stopped, stopped.left), (1, 0));
        assert!(stopped.ms <= 250, "{stopped:?}");
        assert!(processes_with(&format!("sleep\0{mark}")).is_empty());
        drop(begin().await);
        all_gone(&mark, AFTER_STOP);
        // What a lost spawner leaves is ended by its supervisor or by the core itself.
        for lost in [true, false] {
            let child = begin().await;
            let (spawner, supervisor) = spawner_and_supervisor(&spawner_program);
            let pid = rustix::process::Pid::from_raw(if lost { spawner } else { supervisor }).unwrap();
            if lost {
                rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
            } else {
                let tools = openwrap_sandbox::tools_ids();
                as_tools(tools, || {
                    rustix::process::kill_process(pid, rustix::process::Signal::KILL)
                })
                .unwrap();
            }
            let status = tokio::time::timeout(PATIENCE, child.control.wait())
                .await
                .unwrap()
                .unwrap();
            assert_eq!((status.reason, status.left_behind), (ExitReason::SpawnerGone, 0));
            assert!(processes_with(&format!("sleep\0{mark}")).is_empty());
        }
        assert_eq!(stage.says("echo back").await, "back\n");
        say("done");
    });
}

#[test]
fn who_may_only_change_users_ends_everything_too() {
    if !Starter::ChangingUsers.is_played() {
        return;
    }
    let ((_folder, beside), mut command) = core_command("stopping_core", Starter::ChangingUsers, true);
    drop(beside);
    let _turn = Turn::alone();
    let output = command.output().unwrap();
    let said = text(&output.stdout);
    assert!(output.status.success(), "{said}{}", text(&output.stderr));
    assert_eq!(lines(&said), ["done"], "{said}");
}

fn play_host() {
    let spawner_program = PathBuf::from(std::env::var("SPAWNER").unwrap());
    let mark = std::env::var("MARK").unwrap();
    as_core(async {
        let stage = Stage::with(&spawner_program);
        let _child = stage.spawner.spawn(stage.shell(&family(&mark))).await.unwrap();
        say(stage.root.to_str().unwrap());
        std::future::pending::<()>().await;
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn kill_ends_the_whole_family() {
    let _turn = Turn::alone();
    let stage = Stage::alone();
    let mark = mark(1);
    let child = stage.spawner.spawn(stage.shell(&family(&mark))).await.unwrap();
    all_there(&mark);
    child.control.kill();
    let status = tokio::time::timeout(AFTER_STOP, child.control.wait())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(status.reason, ExitReason::Killed);
    assert!(processes_with(&mark).is_empty());
    assert_eq!(child.control.wait().await.unwrap(), status);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn dropping_the_handle_ends_the_whole_family() {
    let _turn = Turn::alone();
    let stage = Stage::alone();
    let mark = mark(2);
    let child = stage.spawner.spawn(stage.shell(&family(&mark))).await.unwrap();
    all_there(&mark);
    drop(child);
    all_gone(&mark, AFTER_STOP);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_stopped_run_ends_and_others_go_on() {
    let _turn = Turn::alone();
    let stage = Stage::alone();
    let (mine, other) = (mark(3), mark(4));
    let (mut first, mut second, mut third) = (
        stage.shell(&family(&mine)),
        stage.shell("exec sleep 1"),
        stage.shell(&family(&other)),
    );
    (first.label, second.label, third.label) = (label("a"), label("a"), label("b"));
    let first = stage.spawner.spawn(first).await.unwrap();
    let second = stage.spawner.spawn(second).await.unwrap();
    let third = stage.spawner.spawn(third).await.unwrap();
    all_there(&mine);
    all_there(&other);
    let stopped = stage.spawner.kill_run("a").await.unwrap();
    assert_eq!((stopped.stopped, stopped.left), (2, 0));
    assert!(stopped.ms <= 250, "{stopped:?}");
    assert!(processes_with(&mine).is_empty());
    for child in [&first, &second] {
        assert_eq!(child.control.wait().await.unwrap().reason, ExitReason::Killed);
    }
    all_there(&other);
    let stopped = stage.spawner.stop_all().await.unwrap();
    assert_eq!((stopped.stopped, stopped.left), (1, 0));
    assert!(processes_with(&other).is_empty());
    assert_eq!(third.control.wait().await.unwrap().reason, ExitReason::Killed);
    assert_eq!(stage.spawner.stop_all().await.unwrap().stopped, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_a_program_leaves_behind_is_counted_and_ended() {
    let _turn = Turn::alone();
    let stage = Stage::alone();
    let mark = mark(5);
    let script = format!("sleep {mark} & setsid sleep {mark} & (setsid sleep {mark} &) ; sleep 0.2; exit 4");
    let finished = stage.run(stage.shell(&script)).await.unwrap();
    assert_eq!(
        (finished.status.code, finished.status.reason),
        (Some(4), ExitReason::Exited)
    );
    assert_eq!(finished.status.left_behind, 3);
    assert!(processes_with(&mark).is_empty());
    // One that is started in the background and waited for is not.
    let finished = stage
        .run(stage.shell("(setsid sleep 0.1 &) ; sleep 0.3"))
        .await
        .unwrap();
    assert_eq!(finished.status.left_behind, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_tag_is_not_lowered_to_hide_from_the_end() {
    let _turn = Turn::alone();
    let stage = Stage::alone();
    let mark = mark(6);
    // The limit the spawner tells trees by.
    let script = format!("ulimit -x 5 && exit 9; (setsid sleep {mark} &) ; sleep 0.2; exit 0");
    let finished = stage.run(stage.request("bash", &["-c", &script])).await.unwrap();
    assert!(finished.status.success(), "{}", text(&finished.stderr));
    all_gone(&mark, AFTER_STOP);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn dropping_the_sandbox_ends_everything() {
    let _turn = Turn::alone();
    let mut stage = Stage::alone();
    let mark = mark(7);
    let child = stage.spawner.spawn(stage.shell(&family(&mark))).await.unwrap();
    all_there(&mark);
    let other = Stage::alone();
    stage.spawner = std::sync::Arc::clone(&other.spawner);
    all_gone(&mark, AFTER_STOP);
    assert_eq!(child.control.wait().await.unwrap().reason, ExitReason::Killed);
}

/// A copy of the spawner program whose path is in nobody else's command line.
fn own_spawner() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    set_mode(folder.path(), 0o755);
    let program = folder.path().canonicalize().unwrap().join("openwrap-spawner");
    copy_program(Path::new(env!("CARGO_BIN_EXE_openwrap-spawner")), &program);
    (folder, program)
}

/// The spawner is the supervisor's child.
fn spawner_and_supervisor(program: &Path) -> (i32, i32) {
    let found = processes_with(program.to_str().unwrap());
    assert_eq!(found.len(), 2, "{found:?}");
    let (one, other) = (&found[0], &found[1]);
    let parent = |pid: i32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        status.contains(&format!("\nPPid:\t{}\n", std::process::id()))
    };
    if parent(*one) { (*other, *one) } else { (*one, *other) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_lost_supervisor_ends_everything_and_is_replaced() {
    let _turn = Turn::alone();
    let (_folder, program) = own_spawner();
    let stage = Stage::with(&program);
    let mark = mark(10);
    let child = stage.spawner.spawn(stage.shell(&family(&mark))).await.unwrap();
    all_there(&mark);
    let pid = rustix::process::Pid::from_raw(spawner_and_supervisor(&program).1).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let status = tokio::time::timeout(PATIENCE, child.control.wait())
        .await
        .unwrap()
        .unwrap();
    assert_eq!((status.reason, status.left_behind), (ExitReason::SpawnerGone, 0));
    assert!(processes_with(&mark).is_empty());
    assert_eq!(stage.says("echo back").await, "back\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_lost_spawner_is_told_swept_up_after_and_replaced() {
    let _turn = Turn::alone();
    let (_folder, program) = own_spawner();
    let stage = Stage::with(&program);
    let mark = mark(8);
    let child = stage.spawner.spawn(stage.shell(&family(&mark))).await.unwrap();
    all_there(&mark);
    let pid = rustix::process::Pid::from_raw(spawner_and_supervisor(&program).0).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let status = tokio::time::timeout(PATIENCE, child.control.wait())
        .await
        .unwrap()
        .unwrap();
    assert_eq!((status.reason, status.left_behind), (ExitReason::SpawnerGone, 0));
    assert!(processes_with(&mark).is_empty());
    assert_eq!(stage.says("echo back").await, "back\n");
}

#[test]
fn sigkill_of_the_core_ends_everything() {
    let _turn = Turn::alone();
    let (_folder, program) = own_spawner();
    let mark = mark(9);
    let mut core = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "scenes", "--nocapture"])
        .env(SCENE, "host")
        .env("SPAWNER", &program)
        .env("MARK", &mark)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(core.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok);
    let stage = PathBuf::from(
        output
            .find_map(|line| line.strip_prefix('@').map(str::to_owned))
            .unwrap(),
    );
    all_there(&mark);
    core.kill().unwrap();
    all_gone(&mark, AFTER_CORE);
    wait_until("the spawner is gone", AFTER_CORE, || {
        processes_with(program.to_str().unwrap()).is_empty()
    });
    core.wait().unwrap();
    std::fs::remove_dir_all(stage).unwrap();
}
