//! Children as their users see them: streams, environment, programs, limits, ends.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use openwrap_contracts::ErrorCode;
use openwrap_contracts::spawn::{
    Access, ExitReason, PathGrant, Profile, SpawnLimits, SpawnRequest, Spawner, Stdin, TerminalSize,
};

use crate::stage::{Stage, lines, say, set_mode, text};

/// What this program does when it is started inside the sandbox.
pub fn play(scene: &str) -> bool {
    match scene {
        "eat" => {
            let mut eaten = Vec::new();
            loop {
                eaten.push(vec![1_u8; 1 << 20]);
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        "descriptors" => {
            let open = (0..200).filter(|fd| rustix::io::fcntl_getfd(unsafe_free(*fd)).is_ok());
            say(&format!("{:?}", open.collect::<Vec<_>>()));
        }
        _ => return false,
    }
    true
}

/// A descriptor number, looked at and never closed.
fn unsafe_free(fd: i32) -> std::os::fd::BorrowedFd<'static> {
    // SAFETY: only asked whether it is open.
    unsafe { std::os::fd::BorrowedFd::borrow_raw(fd) }
}

fn limited(mut request: SpawnRequest, change: impl FnOnce(&mut SpawnLimits)) -> SpawnRequest {
    change(&mut request.limits);
    request
}

#[tokio::test]
async fn streams_environment_and_folder_are_as_asked_for() {
    let stage = Stage::open();
    let mut request = stage.shell("pwd; env; cat; echo bad >&2; exit 3");
    request.env = vec![
        ("PATH".to_owned(), "/usr/bin:/bin".to_owned()),
        ("ONLY".to_owned(), "a b".to_owned()),
    ];
    let finished = stage.run(request).await.unwrap();
    let out = text(&finished.stdout);
    let mut seen: Vec<&str> = out.lines().collect();
    assert_eq!(seen.remove(0), stage.view.to_str().unwrap());
    // The shell sets PWD and its kin by itself.
    seen.retain(|line| {
        !["PWD=", "SHLVL=", "_=", "OLDPWD="]
            .iter()
            .any(|own| line.starts_with(own))
    });
    seen.sort_unstable();
    assert_eq!(seen, ["ONLY=a b", "PATH=/usr/bin:/bin"]);
    assert_eq!(text(&finished.stderr), "bad\n");
    assert_eq!(
        (finished.status.code, finished.status.reason),
        (Some(3), ExitReason::Exited)
    );
    assert!(!finished.truncated);

    let finished = stage.run(stage.inside("descriptors")).await.unwrap();
    assert_eq!(lines(&text(&finished.stdout)), ["[0, 1, 2]"]);
    let finished = stage.run(stage.shell("kill -TERM $$")).await.unwrap();
    assert_eq!(
        (finished.status.code, finished.status.signal),
        (None, Some(libc::SIGTERM))
    );
}

#[tokio::test]
async fn input_comes_as_bytes_or_through_a_sender() {
    let stage = Stage::open();
    let mut request = stage.shell("wc -c");
    request.stdin = Stdin::Bytes(Bytes::from(vec![b'x'; 1_000_000]));
    let finished = stage.run(request.clone()).await.unwrap();
    assert_eq!(text(&finished.stdout).trim(), "1000000");
    request.stdin = Stdin::Piped;
    let mut child = stage.spawner.spawn(request).await.unwrap();
    let sender = child.stdin.take().unwrap();
    for _ in 0..40 {
        sender.send(Bytes::from(vec![b'y'; 10_000])).await.unwrap();
    }
    drop(sender);
    assert_eq!(text(&child.finish().await.unwrap().stdout).trim(), "400000");
}

#[tokio::test]
async fn programs_are_found_in_the_given_path_where_they_may_run() {
    let stage = Stage::open();
    let outside = stage.root.join("outside");
    std::fs::create_dir(&outside).unwrap();
    set_mode(&outside, 0o755);
    for (folder, says) in [(&outside, "outside"), (&stage.view, "inside"), (&stage.home, "home")] {
        let tool = folder.join("tool");
        std::fs::write(&tool, format!("#!/bin/sh\necho {says} $0 $1\n")).unwrap();
        set_mode(&tool, 0o755);
    }
    let path = |folders: &[&std::path::Path]| {
        let joined = folders
            .iter()
            .map(|folder| folder.to_str().unwrap())
            .collect::<Vec<_>>()
            .join(":");
        vec![("PATH".to_owned(), joined)]
    };
    // Folders without execute grant are passed over.
    let mut request = stage.request("tool", &["a"]);
    request.env = path(&[&outside, &stage.home, &stage.view]);
    let said = text(&stage.run(request).await.unwrap().stdout);
    assert_eq!(said, format!("inside {} a\n", stage.view.join("tool").display()));
    for (program, env) in [
        ("tool", path(&[&outside, &stage.home])),
        ("no-such-program", path(&[std::path::Path::new("/usr/bin")])),
        (outside.join("tool").to_str().unwrap(), Vec::new()),
        (stage.home.join("tool").to_str().unwrap(), Vec::new()),
        ("/etc/passwd", Vec::new()),
        ("/usr", Vec::new()),
    ] {
        let mut request = stage.request(program, &[]);
        request.env = env;
        let fault = stage.spawner.spawn(request).await.err().unwrap();
        assert_eq!(fault.code, ErrorCode::SpawnFailed, "{program}: {}", fault.message);
    }
}

#[tokio::test]
async fn bad_requests_are_refused_with_their_codes() {
    let stage = Stage::open();
    std::os::unix::fs::symlink("/etc", stage.root.join("link")).unwrap();
    let code = async |change: &dyn Fn(&mut SpawnRequest)| {
        let mut request = stage.shell("true");
        change(&mut request);
        stage.spawner.spawn(request).await.err().map(|fault| fault.code)
    };
    let grant = |path: std::path::PathBuf| {
        move |request: &mut SpawnRequest| {
            request.grants.push(PathGrant::new(path.clone(), Access::Read));
        }
    };
    assert_eq!(code(&|_| {}).await, None);
    let invalid = Some(ErrorCode::InvalidArguments);
    assert_eq!(code(&grant(stage.root.join("link"))).await, invalid);
    assert_eq!(code(&grant(stage.root.join("link/ssl"))).await, invalid);
    assert_eq!(code(&grant(stage.root.join("absent"))).await, invalid);
    assert_eq!(code(&grant("view".into())).await, invalid);
    assert_eq!(code(&|request| request.args.push("a\0b".to_owned())).await, invalid);
    assert_eq!(
        code(&|request| request.env.push(("A=B".to_owned(), "c".to_owned()))).await,
        invalid
    );
    assert_eq!(code(&|request| request.program.clear()).await, invalid);
    let failed = Some(ErrorCode::SpawnFailed);
    assert_eq!(code(&|request| request.cwd = stage.root.clone()).await, failed);
    assert_eq!(code(&|request| request.cwd = stage.view.join("absent")).await, failed);
    assert_eq!(code(&|request| request.args.push("x".repeat(200_000))).await, failed);
    assert_eq!(
        code(&|request| request.args.push("x".repeat(3 << 20))).await,
        Some(ErrorCode::LimitExceeded)
    );
}

#[tokio::test]
async fn every_limit_holds() {
    let stage = Stage::open();
    let reason = async |request| stage.run(request).await.unwrap().status.reason;
    let slow = limited(stage.shell("sleep 30 & setsid sleep 30 & wait"), |limits| {
        limits.wall_ms = 200
    });
    assert_eq!(reason(slow).await, ExitReason::Timeout);
    let busy = limited(stage.shell("(while :; do :; done) & wait"), |limits| {
        limits.cpu_ms = 200
    });
    assert_eq!(reason(busy).await, ExitReason::Cpu);
    let hungry = limited(stage.inside("eat"), |limits| limits.memory_bytes = 64 << 20);
    assert_eq!(reason(hungry).await, ExitReason::Memory);
    let many = limited(
        stage.shell("for i in 1 2 3 4 5 6 7 8 9 10; do sleep 30 & done; wait"),
        |limits| limits.processes = 8,
    );
    assert_eq!(reason(many).await, ExitReason::Processes);

    let large = limited(stage.shell("head -c 100000 /dev/zero > large"), |limits| {
        limits.file_bytes = 5_000
    });
    assert!(!stage.run(large).await.unwrap().status.success());
    assert_eq!(std::fs::metadata(stage.view.join("large")).unwrap().len(), 5_000);
    let open = limited(stage.shell("ulimit -n; ulimit -c"), |limits| limits.open_files = 77);
    assert_eq!(text(&stage.run(open).await.unwrap().stdout), "77\n0\n");
}

#[tokio::test]
async fn a_tree_that_leaves_its_sessions_as_it_grows_is_ended() {
    let stage = Stage::open();
    // Bounded in itself, so that a spawner that fails to end it harms nothing: 63 shells that end after 3 seconds.
    let grow = "d=$1; [ $d -gt 0 ] && { setsid sh grow.sh $((d-1)) & setsid sh grow.sh $((d-1)) & }; sleep 3";
    std::fs::write(stage.view.join("grow.sh"), grow).unwrap();
    let request = limited(stage.shell("sh grow.sh 5"), |limits| limits.processes = 12);
    let finished = stage.run(request).await.unwrap();
    assert_eq!(finished.status.reason, ExitReason::Processes);
    let most = stage.run(stage.request("bash", &["-c", "ulimit -u"])).await.unwrap();
    let most = text(&most.stdout);
    assert!(
        most.trim().parse::<u64>().is_ok(),
        "the kernel bounds it as well: {most}"
    );
}

#[tokio::test]
async fn output_is_capped_and_waits_for_its_reader() {
    let stage = Stage::open();
    let flood = limited(
        stage.shell("head -c 20000000 /dev/zero; head -c 3000 /dev/zero >&2"),
        |limits| {
            limits.output_bytes = 2_000;
        },
    );
    let finished = stage.run(flood).await.unwrap();
    assert_eq!(
        (finished.stdout.len(), finished.stderr.len(), finished.truncated),
        (2_000, 2_000, true)
    );
    assert!(finished.status.success());

    let unread = limited(stage.shell("head -c 8000000 /dev/zero; : > done"), |limits| {
        limits.output_bytes = 9_000_000
    });
    let child = stage.spawner.spawn(unread).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!stage.view.join("done").exists());
    let finished = child.finish().await.unwrap();
    assert_eq!((finished.stdout.len(), finished.truncated), (8_000_000, false));

    // A stream nobody reads neither stops nor breaks the child.
    let dropped = stage
        .spawner
        .spawn(stage.shell("head -c 8000000 /dev/zero && echo whole >&2"))
        .await
        .unwrap();
    drop(dropped.stdout);
    assert_eq!(text(&dropped.stderr.collect().await.0), "whole\n");
}

#[tokio::test]
async fn runtimes_run() {
    let stage = Stage::open();
    let script = "require('fs').writeFileSync('out.json', JSON.stringify({ sum: 1 + 2, random: require('crypto').randomBytes(4).length }));\
        const { status, stdout } = require('child_process').spawnSync('sh', ['-c', 'sort < out.json']); console.log(status, String(stdout))";
    let request = stage.request("node", &["-e", script]);
    assert_eq!(request.profile, Profile::Runtime);
    let finished = stage.run(request).await.unwrap();
    assert_eq!(
        text(&finished.stdout).trim(),
        "0 {\"sum\":3,\"random\":4}",
        "{}",
        text(&finished.stderr)
    );
    let request = stage.request(
        "bash",
        &[
            "-c",
            "set -e; echo b a | tr ' ' '\\n' | sort | tee x; mkdir d; mv x d/; cat d/x > /dev/null; date +%Y > y; ls",
        ],
    );
    let finished = stage.run(request).await.unwrap();
    assert_eq!(
        text(&finished.stdout),
        "a\nb\nd\nout.json\ny\n",
        "{}",
        text(&finished.stderr)
    );
    let report = stage.spawner.report().await.unwrap();
    let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(stage.view.join("out.json")).unwrap());
    assert_eq!(owner, report.tools_uid);
}

#[tokio::test]
async fn a_server_accepts_on_the_inherited_listener() {
    let stage = Stage::open();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let script = "require('http').createServer((_, answer) => answer.end('from inside')).listen({ fd: 3 }, () => console.log('ready'))";
    let mut request = stage.request("node", &["-e", script]);
    request.inherited = vec![Arc::new(OwnedFd::from(listener))];
    let mut child = stage.spawner.spawn(request).await.unwrap();
    let ready = child.stdout.chunks.recv().await;
    assert_eq!(ready.map(|bytes| text(&bytes)).as_deref(), Some("ready\n"));
    let answer = tokio::task::spawn_blocking(move || {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    });
    assert!(answer.await.unwrap().ends_with("from inside"));
    child.control.kill();
    assert_eq!(child.control.wait().await.unwrap().reason, ExitReason::Killed);
}

#[tokio::test]
async fn many_children_at_once_and_never_too_many() {
    let stage = Arc::new(Stage::open());
    let each = (0..40).map(|number| {
        let stage = Arc::clone(&stage);
        tokio::spawn(async move { (number, stage.says(&format!("echo {number}")).await) })
    });
    for one in each.collect::<Vec<_>>() {
        let (number, said) = one.await.unwrap();
        assert_eq!(said.trim(), number.to_string());
    }
    let mut children = Vec::new();
    let refused = loop {
        match stage.spawner.spawn(stage.request("sleep", &["60"])).await {
            Ok(child) => children.push(child),
            Err(fault) => break fault,
        }
    };
    assert_eq!(refused.code, ErrorCode::TooManyRequests);
    assert_eq!(children.len(), openwrap_contracts::spawn::CHILDREN_MAX);
    let stopped = stage.spawner.stop_all().await.unwrap();
    assert_eq!((stopped.stopped, stopped.left), (256, 0));
    assert_eq!(stage.says("echo again").await, "again\n");
}

fn in_terminal(stage: &Stage, script: &str) -> SpawnRequest {
    let mut request = stage.shell(script);
    request.env.push(("TERM".to_owned(), "xterm".to_owned()));
    request.stdin = Stdin::Piped;
    request.terminal = Some(TerminalSize { columns: 91, rows: 17 });
    request
}

#[tokio::test]
async fn a_terminal_is_one_of_its_own_and_tells_its_size() {
    let stage = Stage::open();
    let script = "test -t 0 && test -t 1 && test -t 2 && stty size && trap 'stty size; exit 0' WINCH && echo go > /dev/tty; while :; do sleep 0.01; done";
    let mut child = stage.spawner.spawn(in_terminal(&stage, script)).await.unwrap();
    let mut shown = String::new();
    while !shown.contains("go") {
        shown += &text(&child.stdout.chunks.recv().await.expect(&shown));
    }
    let size = TerminalSize { columns: 40, rows: 9 };
    child.control.resize(size).unwrap();
    let (rest, _) = child.stdout.collect().await;
    shown += &text(&rest);
    assert_eq!(shown.lines().collect::<Vec<_>>(), ["17 91", "go", "9 40"]);
    assert!(child.control.wait().await.unwrap().success());
    let wrong = TerminalSize { columns: 0, rows: 9 };
    assert_eq!(
        child.control.resize(wrong).unwrap_err().code,
        ErrorCode::InvalidArguments
    );
}

/// A shell that gives the terminal to its jobs complains when it may not.
#[tokio::test]
async fn an_interactive_shell_has_job_control() {
    let stage = Stage::open();
    let mut child = stage.spawner.spawn(in_terminal(&stage, "sh -i")).await.unwrap();
    let typed = child.stdin.take().unwrap();
    let mut shown = String::new();
    // Each is typed once the one before has had its effect.
    let steps = [
        (
            &b"stty -echo; PS1=; sh -c 'echo job $((40+2)); exec sleep 60'\r"[..],
            "job 42",
        ),
        (b"\x1a", "Stopped"),
        (b"kill %1; fg; echo over $((6*7)); exit\r", "over 42"),
    ];
    for (keys, effect) in steps {
        typed.send(Bytes::copy_from_slice(keys)).await.unwrap();
        while !shown.contains(effect) {
            shown += &text(&child.stdout.chunks.recv().await.expect(&shown)).replace("Suspended", "Stopped");
        }
    }
    assert!(child.control.wait().await.unwrap().success());
    assert!(!shown.contains("job control turned off"), "{shown}");
}

#[tokio::test]
async fn what_is_typed_arrives_and_interrupts() {
    let stage = Stage::open();
    let mut child = stage
        .spawner
        .spawn(in_terminal(&stage, "read line; echo \"got $line\"; read more"))
        .await
        .unwrap();
    let typed = child.stdin.clone().unwrap();
    typed.send(Bytes::from_static(b"hello\r")).await.unwrap();
    let mut shown = String::new();
    while !shown.contains("got hello\r\n") {
        shown += &text(&child.stdout.chunks.recv().await.expect(&shown));
    }
    typed.send(Bytes::from_static(&[3])).await.unwrap();
    let status = child.control.wait().await.unwrap();
    assert_eq!((status.reason, status.signal), (ExitReason::Exited, Some(libc::SIGINT)));
}

/// 50 MB through a terminal, read slowly at first: every byte is there, the last ones before the end as well.
#[tokio::test]
async fn a_flood_loses_no_byte() {
    const LINES: usize = 50_000_000 / 50;
    let stage = Stage::open();
    let line = "x".repeat(48);
    let mut child = stage
        .spawner
        .spawn(in_terminal(
            &stage,
            &format!("yes {line} | head -n {LINES}; printf end"),
        ))
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let (mut bytes, mut end) = (0, Vec::new());
    while let Some(chunk) = child.stdout.chunks.recv().await {
        bytes += chunk.len();
        end.extend_from_slice(&chunk);
        end.drain(..end.len().saturating_sub(53));
    }
    assert_eq!(bytes, LINES * 50 + 3);
    assert_eq!(text(&end), format!("{line}\r\nend"));
}
