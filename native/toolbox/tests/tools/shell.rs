//! `shell.exec`: what it asks of the spawner, and what it makes of the answer.

use std::sync::atomic::Ordering;

use openwrap_contracts::ErrorCode;
use openwrap_contracts::limits::{PROCESS_OUTPUT_BYTES_MAX, PROCESS_WALL_MS_MAX};
use openwrap_contracts::spawn::{Access, ExitReason, ExitStatus, PathGrant, Profile, SpawnRequest, Stdin};
use openwrap_contracts::tool::Writes;
use serde_json::{Value, json};

use crate::view::{PROJECT, Script, World, ended};

async fn request(arguments: Value) -> (World, SpawnRequest) {
    let world = World::scripted(Script::default());
    world.put("sub/f", "");
    world.ok("shell.exec", arguments).await;
    let request = world.spawner.requests.lock().unwrap().pop().unwrap();
    (world, request)
}

#[tokio::test]
async fn a_request_is_confined_to_the_view() {
    let (world, request) = request(json!({ "command": ["node", "a.mjs", "--x=$HOME", "*"] })).await;
    assert_eq!((request.program.as_str(), request.profile), ("node", Profile::Runtime));
    assert_eq!(request.args, ["a.mjs", "--x=$HOME", "*"]);
    assert_eq!(request.cwd, world.view.root);
    assert_eq!(
        request.grants,
        [
            PathGrant::new(&world.view.root, Access::ReadWriteExec),
            PathGrant::new(&world.view.home, Access::ReadWrite),
            PathGrant::new(&world.view.temp, Access::ReadWrite),
        ]
    );
    let names: Vec<&str> = request.env.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["PATH", "HOME", "TMPDIR", "LANG"]);
    assert!(matches!(request.stdin, Stdin::Null));
    assert!(request.inherited.is_empty());
    assert_eq!(
        (request.label.run_id.as_str(), request.label.task_id.as_str()),
        ("run", "t")
    );
    assert_eq!(request.limits.wall_ms, PROCESS_WALL_MS_MAX);
    assert_eq!(request.limits.output_bytes, PROCESS_OUTPUT_BYTES_MAX as u64);
    assert!(request.limits.memory_bytes > 0 && request.limits.processes > 0 && request.limits.cpu_ms > 0);
}

#[tokio::test]
async fn folder_input_environment_and_time_are_as_asked() {
    let arguments = json!({
        "command": ["/usr/bin/sort", format!("{PROJECT}/sub/f"), "/home/me/weathers/f"],
        "cwd": "./sub", "stdin": "b\na\n", "env": { "LANG": "C", "MODE": "x=y" }, "timeoutMs": 1234,
    });
    let (world, asked) = request(arguments).await;
    assert_eq!(
        (asked.program.as_str(), asked.profile),
        ("/usr/bin/sort", Profile::Tool)
    );
    assert_eq!(
        asked.args,
        [world.view.root.join("sub/f").to_str().unwrap(), "/home/me/weathers/f"]
    );
    assert_eq!(asked.cwd, world.view.root.join("sub"));
    assert!(matches!(&asked.stdin, Stdin::Bytes(bytes) if bytes.as_ref() == b"b\na\n"));
    let value = |name: &str| {
        let found: Vec<&str> = asked
            .env
            .iter()
            .filter(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
            .collect();
        assert_eq!(found.len(), 1, "{name}");
        found[0].to_owned()
    };
    assert_eq!((value("LANG"), value("MODE")), ("C".to_owned(), "x=y".to_owned()));
    assert_eq!(asked.limits.wall_ms, 1234);
    let (world, asked) = request(json!({ "command": ["ls"], "cwd": format!("{PROJECT}/sub") })).await;
    assert_eq!(asked.cwd, world.view.root.join("sub"));
    let (world, asked) =
        request(json!({ "command": ["ls"], "cwd": PROJECT, "timeoutMs": PROCESS_WALL_MS_MAX * 9 })).await;
    assert_eq!(
        (asked.cwd, asked.limits.wall_ms),
        (world.view.root.clone(), PROCESS_WALL_MS_MAX)
    );
}

/// Variables that decide which program or library runs, or where one looks.
const NEVER_TAKEN: &[&str] = &[
    "PATH",
    "LD_PRELOAD",
    "LD_AUDIT",
    "NODE_OPTIONS",
    "PYTHONSTARTUP",
    "BASH_ENV",
    "ENV",
    "PERL5OPT",
    "RUBYOPT",
    "GIT_EXTERNAL_DIFF",
    "GIT_CONFIG_COUNT",
    "HOME",
    "TMPDIR",
    "IFS",
    "PS4",
    "LESSOPEN",
    "PHP_INI_SCAN_DIR",
    "JAVA_TOOL_OPTIONS",
    "DOTNET_STARTUP_HOOKS",
    "MAKEFILES",
    "GCONV_PATH",
    "RES_OPTIONS",
    "OPENWRAP_HOME",
    "XDG_CONFIG_HOME",
    "npm_config_script_shell",
    "DENO_DIR",
    "SSL_CERT_FILE",
    "GOFLAGS",
    "RUSTC_WRAPPER",
];

#[tokio::test]
async fn nothing_starts_that_is_not_well_formed() {
    let world = World::new();
    world.put("sub/f", "");
    std::os::unix::fs::symlink("/", world.view.root.join("out")).unwrap();
    std::os::unix::fs::symlink("sub", world.view.root.join("in")).unwrap();
    for (arguments, code) in [
        (json!({ "command": "ls" }), ErrorCode::InvalidArguments),
        (json!({ "command": ["ls", 1] }), ErrorCode::InvalidArguments),
        (json!({ "command": ["ls"], "shell": true }), ErrorCode::InvalidArguments),
        (
            json!({ "command": ["ls"], "timeoutMs": -1 }),
            ErrorCode::InvalidArguments,
        ),
        (
            json!({ "command": ["ls"], "timeoutMs": "1" }),
            ErrorCode::InvalidArguments,
        ),
        (
            json!({ "command": ["ls"], "env": { "A=B": "" } }),
            ErrorCode::InvalidArguments,
        ),
        (
            json!({ "command": ["ls"], "env": { "1A": "" } }),
            ErrorCode::InvalidArguments,
        ),
        (
            json!({ "command": ["ls"], "env": { "A": "x\0" } }),
            ErrorCode::InvalidArguments,
        ),
        (json!({ "command": ["ls", "a\0"] }), ErrorCode::InvalidArguments),
        (json!({ "command": vec!["x"; 1001] }), ErrorCode::InvalidArguments),
        (json!({ "command": ["ls"], "cwd": ".." }), ErrorCode::PathOutside),
        (json!({ "command": ["ls"], "cwd": "/" }), ErrorCode::PathOutside),
        (json!({ "command": ["ls"], "cwd": "/home/me" }), ErrorCode::PathOutside),
        (
            json!({ "command": ["ls"], "cwd": format!("{PROJECT}/../x") }),
            ErrorCode::PathOutside,
        ),
        (json!({ "command": ["ls"], "cwd": "out" }), ErrorCode::PathOutside),
        (json!({ "command": ["ls"], "cwd": "in" }), ErrorCode::InvalidArguments),
        (
            json!({ "command": ["ls"], "cwd": "sub/f" }),
            ErrorCode::InvalidArguments,
        ),
        (json!({ "command": ["ls"], "cwd": "none" }), ErrorCode::NotFound),
    ] {
        assert_eq!(
            world.fault("shell.exec", arguments.clone()).await.code,
            code,
            "{arguments}"
        );
    }
    for name in NEVER_TAKEN {
        let arguments = json!({ "command": ["ls"], "env": { (*name): "x" } });
        assert_eq!(
            world.tool("shell.exec").needs(&arguments).unwrap_err().code,
            ErrorCode::PermissionDenied,
            "{name}"
        );
        assert_eq!(
            world.fault("shell.exec", arguments).await.code,
            ErrorCode::PermissionDenied,
            "{name}"
        );
    }
    assert!(world.spawner.requests.lock().unwrap().is_empty());
    let unavailable = world.fault("shell.exec", json!({ "command": ["ls"] })).await;
    assert_eq!(unavailable.code, ErrorCode::SandboxUnavailable);
}

async fn answered(script: Script) -> (Value, bool) {
    let output = World::scripted(script)
        .ok("shell.exec", json!({ "command": ["x"] }))
        .await;
    assert_eq!((output.writes, output.artifacts.len()), (Writes::Scan, 0));
    (output.content, output.is_error)
}

#[tokio::test]
async fn an_answer_tells_how_it_ended() {
    let (content, is_error) = answered(Script {
        stdout: vec![b"a\xff".to_vec(), b"b".to_vec()],
        stderr: vec![b"e".to_vec()],
        ..Script::default()
    })
    .await;
    assert_eq!(
        content,
        json!({ "exitCode": 0, "stdout": "a\u{fffd}b", "stderr": "e", "truncated": false })
    );
    assert!(!is_error);
    let (content, is_error) = answered(Script {
        cut: true,
        status: ended(ExitReason::Exited, Some(3)),
        ..Script::default()
    })
    .await;
    assert_eq!(
        (&content["exitCode"], &content["truncated"], is_error),
        (&json!(3), &json!(true), true)
    );
    let killed = ExitStatus {
        signal: Some(11),
        ..ended(ExitReason::Exited, None)
    };
    let (content, is_error) = answered(Script {
        status: killed,
        ..Script::default()
    })
    .await;
    assert_eq!(
        (&content["signal"], &content["exitCode"], is_error),
        (&json!(11), &json!(null), true)
    );
    for (reason, word) in [
        (ExitReason::Timeout, "timeout"),
        (ExitReason::Cpu, "cpu"),
        (ExitReason::Memory, "memory"),
        (ExitReason::Processes, "processes"),
        (ExitReason::Disk, "disk"),
    ] {
        let (content, is_error) = answered(Script {
            status: ended(reason, None),
            ..Script::default()
        })
        .await;
        assert_eq!((&content["endedBy"], is_error), (&json!(word), true));
        assert_eq!(content["timedOut"] == json!(true), reason == ExitReason::Timeout);
    }
    for (reason, code) in [
        (ExitReason::Killed, ErrorCode::Canceled),
        (ExitReason::SpawnerGone, ErrorCode::ExecutionFailed),
    ] {
        let world = World::scripted(Script {
            status: ended(reason, None),
            ..Script::default()
        });
        assert_eq!(world.fault("shell.exec", json!({ "command": ["x"] })).await.code, code);
    }
}

/// Streams longer than any queue: read to the end while the child runs, kept as the spawner hands them on.
#[tokio::test]
async fn long_output_is_taken_whole() {
    let chunk = vec![b'x'; 64 * 1024];
    let (content, _) = answered(Script {
        stdout: vec![chunk.clone(); 40],
        cut: true,
        ..Script::default()
    })
    .await;
    assert_eq!(content["stdout"].as_str().unwrap().len(), chunk.len() * 40);
    assert_eq!(content["truncated"], true);
}

#[tokio::test]
async fn cancel_kills_the_child_and_waits_for_its_end() {
    let world = World::scripted(Script {
        hangs: true,
        ..Script::default()
    });
    let (killed, started) = (world.spawner.killed.clone(), world.spawner.started.clone());
    let stop = async {
        started.notified().await;
        assert!(!killed.load(Ordering::Acquire));
        world.cancel.cancel();
    };
    let (fault, ()) = tokio::join!(world.fault("shell.exec", json!({ "command": ["x"] })), stop);
    assert_eq!(fault.code, ErrorCode::Canceled);
    assert!(killed.load(Ordering::Acquire));
}
