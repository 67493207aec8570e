//! `file.read file.write file.append file.list`: nothing outside the view, whole files, limits with stable codes.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use openwrap_contracts::ErrorCode;
use openwrap_contracts::canonical::sha256_hex;
use openwrap_contracts::limits::{FILE_READ_BYTES_MAX, FILE_WRITE_BYTES_MAX};
use openwrap_contracts::tool::Writes;
use serde_json::json;

use crate::view::World;

const WRITERS: [(&str, &str); 2] = [("file.write", "x"), ("file.append", "x")];

#[tokio::test]
async fn what_is_written_is_read_back_with_its_artifact() {
    let world = World::new();
    let text = "Größe, 数据\n";
    let output = world
        .ok("file.write", json!({ "path": "./a//b/t.csv", "content": text }))
        .await;
    let artifact = &output.artifacts[0];
    assert_eq!(
        (
            artifact.media_type.as_str(),
            artifact.path.as_str(),
            artifact.size as usize
        ),
        ("text/csv", "a/b/t.csv", text.len())
    );
    assert_eq!(artifact.checksum, sha256_hex(text.as_bytes()));
    assert_eq!(output.writes, Writes::Paths(vec!["a/b/t.csv".to_owned()]));
    assert_eq!(world.get("a/b/t.csv"), text.as_bytes());
    let read = world.ok("file.read", json!({ "path": "a/b/t.csv" })).await;
    assert_eq!(read.content["text"], text);
    assert_eq!((read.writes, read.artifacts.len()), (Writes::Paths(Vec::new()), 0));
    world
        .ok("file.append", json!({ "path": "a/b/t.csv", "content": "ende" }))
        .await;
    assert_eq!(world.get("a/b/t.csv"), format!("{text}ende").as_bytes());
    let bytes = world
        .ok(
            "file.write",
            json!({ "path": "b.bin", "content": "/wA=", "encoding": "base64" }),
        )
        .await;
    assert_eq!((world.get("b.bin"), bytes.artifacts[0].size), (vec![255, 0], 2));
    let read = world.ok("file.read", json!({ "path": "b.bin" })).await;
    assert_eq!(read.content["base64"], "/wA=");
    for content in ["/w", "!!", "a b="] {
        let broken = json!({ "path": "c", "content": content, "encoding": "base64" });
        assert_eq!(
            world.fault("file.write", broken).await.code,
            ErrorCode::InvalidArguments
        );
    }
}

#[tokio::test]
async fn paths_out_of_the_view_are_refused_by_every_tool() {
    let world = World::new();
    std::fs::write(world.folder.path().join("outside.txt"), "secret").unwrap();
    let absolute = world.folder.path().join("outside.txt").display().to_string();
    for path in [
        "../outside.txt",
        "a/../../outside.txt",
        "..",
        "a/..",
        "/etc/passwd",
        "~/x",
        "~",
        "//etc/passwd",
        &absolute,
    ] {
        for tool in ["file.read", "file.list", "file.write", "file.append"] {
            let mut arguments = json!({ "path": path });
            if tool == "file.write" || tool == "file.append" {
                arguments["content"] = json!("x");
            }
            let fault = match world.run(tool, arguments).await {
                Err(fault) => fault,
                Ok(output) => panic!("{tool} {path}: {:?}", output.content),
            };
            assert_eq!(fault.code, ErrorCode::PathOutside, "{tool} {path}");
            assert!(!fault.hint.is_empty());
        }
    }
    for path in ["", "a\0b", &"x/".repeat(3000)] {
        let fault = world.fault("file.read", json!({ "path": path })).await;
        assert_eq!(fault.code, ErrorCode::InvalidArguments, "{path:?}");
    }
    assert_eq!(
        std::fs::read(world.folder.path().join("outside.txt")).unwrap(),
        b"secret"
    );
    assert!(world.tree().is_empty());
}

#[tokio::test]
async fn links_are_answered_never_followed() {
    let world = World::new();
    let outside = world.folder.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("f"), "secret").unwrap();
    world.put("data/f", "inside");
    let root = &world.view.root;
    symlink(&outside, root.join("out")).unwrap();
    symlink(outside.join("f"), root.join("out-file")).unwrap();
    symlink("../outside", root.join("out-relative")).unwrap();
    symlink("data", root.join("in")).unwrap();
    symlink("data/f", root.join("in-file")).unwrap();
    symlink("nowhere", root.join("dangling")).unwrap();
    symlink("loop", root.join("loop")).unwrap();
    for (path, code) in [
        ("out/f", ErrorCode::PathOutside),
        ("out-file", ErrorCode::PathOutside),
        ("out-relative/f", ErrorCode::PathOutside),
        ("in/f", ErrorCode::InvalidArguments),
        ("in-file", ErrorCode::InvalidArguments),
        ("dangling", ErrorCode::NotFound),
        ("loop", ErrorCode::NotFound),
        ("loop/f", ErrorCode::NotFound),
    ] {
        assert_eq!(
            world.fault("file.read", json!({ "path": path })).await.code,
            code,
            "read {path}"
        );
        for (tool, content) in WRITERS {
            let fault = world.fault(tool, json!({ "path": path, "content": content })).await;
            assert_eq!(fault.code, code, "{tool} {path}");
        }
    }
    let named = world.fault("file.read", json!({ "path": "in/f" })).await;
    assert!(named.hint.contains("`data/f`"), "{}", named.hint);
    for path in ["out", "out-relative"] {
        assert_eq!(
            world.fault("file.list", json!({ "path": path })).await.code,
            ErrorCode::PathOutside
        );
    }
    let all = world.ok("file.list", json!({ "path": ".", "recursive": true })).await;
    let kinds: Vec<&str> = all.content["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "link").count(), 7);
    assert!(!all.content.to_string().contains("out/f"));
    assert_eq!(std::fs::read(outside.join("f")).unwrap(), b"secret");
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);
    assert_eq!(world.get("data/f"), b"inside");
}

/// A folder that turns into a link and back while calls go on: what is outside is neither read nor written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_swapped_in_meanwhile_leads_nowhere() {
    let world = World::new();
    let outside = world.folder.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("f"), "secret").unwrap();
    world.put("d/f", "inside");
    let root = world.view.root.clone();
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let target = outside.clone();
    let swapper = std::thread::spawn(move || {
        while !stopped.load(Ordering::Relaxed) {
            std::fs::rename(root.join("d"), root.join("kept")).unwrap();
            symlink(&target, root.join("d")).unwrap();
            std::fs::remove_file(root.join("d")).unwrap();
            std::fs::rename(root.join("kept"), root.join("d")).unwrap();
        }
    });
    for _ in 0..300 {
        if let Ok(read) = world.run("file.read", json!({ "path": "d/f" })).await {
            assert_ne!(read.content["text"], "secret");
        }
        if let Ok(list) = world.run("file.list", json!({ "path": "d" })).await {
            assert!(list.content["total"].as_u64().unwrap() <= 2);
        }
        // Not `file.write` of a new folder: made while `d` is away, it would stop the swapping.
        let _ = world.run("file.read", json!({ "path": "d/g" })).await;
    }
    stop.store(true, Ordering::Relaxed);
    swapper.join().unwrap();
    assert_eq!(std::fs::read(outside.join("f")).unwrap(), b"secret");
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);
}

#[tokio::test]
async fn what_is_no_file_is_said_to_be_none() {
    let world = World::new();
    world.put("folder/f", "x");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        world.view.root.join("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(world.view.root.join("socket")).unwrap();
    for path in ["folder", "pipe", ".", "./"] {
        let read = world.fault("file.read", json!({ "path": path })).await;
        assert_eq!(read.code, ErrorCode::InvalidArguments, "read {path}: {read}");
        for (tool, content) in WRITERS {
            let fault = world.fault(tool, json!({ "path": path, "content": content })).await;
            assert_eq!(fault.code, ErrorCode::InvalidArguments, "{tool} {path}: {fault}");
        }
    }
    for (tool, content) in WRITERS {
        let fault = world.fault(tool, json!({ "path": "socket", "content": content })).await;
        assert_eq!(fault.code, ErrorCode::InvalidArguments);
    }
    // Not `STORAGE_FAILED`: that would end the attempt.
    let fault = world.fault("file.read", json!({ "path": "socket" })).await;
    assert_eq!(fault.code, ErrorCode::InvalidArguments);
    let fault = world.fault("file.list", json!({ "path": "folder/f" })).await;
    assert_eq!(fault.code, ErrorCode::InvalidArguments);
    assert_eq!(
        world.fault("file.list", json!({ "path": "none" })).await.code,
        ErrorCode::NotFound
    );
    assert_eq!(
        world.fault("file.read", json!({ "path": "none/x" })).await.code,
        ErrorCode::NotFound
    );
    for (tool, content) in WRITERS {
        let fault = world
            .fault(tool, json!({ "path": "folder/f/g", "content": content }))
            .await;
        assert_eq!(fault.code, ErrorCode::NotFound, "{tool}");
    }
    assert_eq!(world.get("folder/f"), b"x");
    let long = "n".repeat(300);
    for (tool, content) in WRITERS {
        let fault = world.fault(tool, json!({ "path": long, "content": content })).await;
        assert_eq!(fault.code, ErrorCode::InvalidArguments, "{tool}");
    }
}

#[tokio::test]
async fn a_write_is_whole_or_not_there() {
    let world = World::new();
    world.put("run.sh", "old");
    let path = world.view.root.join("run.sh");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o750)).unwrap();
    let before = std::fs::metadata(&path).unwrap();
    let kept = std::fs::File::open(&path).unwrap();
    world
        .ok("file.write", json!({ "path": "run.sh", "content": "new" }))
        .await;
    let after = std::fs::metadata(&path).unwrap();
    assert_eq!(after.mode() & 0o7777, 0o750);
    // Another file took its place: who had the old one open still reads all of it.
    assert_ne!(before.ino(), after.ino());
    assert_eq!(std::io::read_to_string(&kept).unwrap(), "old");
    // A mode that hands rights on is not kept.
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o4755)).unwrap();
    world
        .ok("file.append", json!({ "path": "run.sh", "content": "er" }))
        .await;
    assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o7777, 0o755);
    assert_eq!(world.get("run.sh"), b"newer");
    // What an earlier try left behind is in nobody's way, and is no part of a listing.
    let temp = format!(".openwrap-tmp-{}", &sha256_hex(b"run.sh")[..24]);
    world.put(&temp, "half");
    let list = world.ok("file.list", json!({ "path": "." })).await;
    assert_eq!(list.content["total"], 1);
    world
        .ok("file.write", json!({ "path": "run.sh", "content": "last" }))
        .await;
    assert_eq!(world.tree(), ["run.sh"]);
    for (tool, content) in WRITERS {
        let fault = world.fault(tool, json!({ "path": temp, "content": content })).await;
        assert_eq!(fault.code, ErrorCode::InvalidArguments);
    }
}

#[tokio::test]
async fn sizes_end_at_their_limits() {
    let world = World::new();
    let sparse = |path: &str, bytes: usize| {
        let file = std::fs::File::create(world.view.root.join(path)).unwrap();
        file.set_len(bytes as u64).unwrap();
    };
    sparse("huge", 1 << 40);
    let page = world.ok("file.read", json!({ "path": "huge", "limit": 10 })).await;
    assert_eq!(
        (&page.content["size"], &page.content["nextOffset"]),
        (&json!(1_u64 << 40), &json!(10))
    );
    let past = world
        .ok("file.read", json!({ "path": "huge", "offset": u64::MAX }))
        .await;
    assert_eq!(past.content["text"], "");
    let fault = world
        .fault("file.append", json!({ "path": "huge", "content": "x" }))
        .await;
    assert_eq!(fault.code, ErrorCode::LimitExceeded);
    sparse("full", FILE_READ_BYTES_MAX);
    let fault = world
        .fault("file.append", json!({ "path": "full", "content": "x" }))
        .await;
    assert_eq!(fault.code, ErrorCode::LimitExceeded);
    let fault = world
        .fault(
            "file.write",
            json!({ "path": "new", "content": "x".repeat(FILE_WRITE_BYTES_MAX + 1) }),
        )
        .await;
    assert_eq!(fault.code, ErrorCode::LimitExceeded);
    assert_eq!(world.tree(), ["full", "huge"]);
}

#[tokio::test]
async fn a_listing_is_in_path_order_and_says_what_it_leaves_out() {
    let world = World::new();
    for path in ["b.csv", "a/z.csv", "a/B.txt", "A", ".git/config", "ä.csv"] {
        world.put(path, "12");
    }
    let odd = <std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(b"n\xff".to_vec());
    std::fs::write(world.view.root.join(odd), "x").unwrap();
    let paths = |content: &serde_json::Value| -> Vec<String> {
        let entries = content["entries"].as_array().unwrap();
        entries
            .iter()
            .map(|entry| entry["path"].as_str().unwrap().to_owned())
            .collect()
    };
    let all = world
        .ok("file.list", json!({ "path": ".", "recursive": true }))
        .await
        .content;
    assert_eq!(paths(&all), ["A", "a", "a/B.txt", "a/z.csv", "b.csv", "ä.csv"]);
    assert_eq!((&all["total"], &all["unreadable"]), (&json!(6), &json!(1)));
    let csv = world
        .ok(
            "file.list",
            json!({ "path": ".", "recursive": true, "pattern": "*.csv" }),
        )
        .await
        .content;
    assert_eq!(paths(&csv), ["a/z.csv", "b.csv", "ä.csv"]);
    let below = world
        .ok("file.list", json!({ "path": "a", "pattern": "**/*.csv" }))
        .await
        .content;
    assert_eq!(paths(&below), ["a/z.csv"]);
    let fault = world.fault("file.list", json!({ "path": ".", "pattern": "[" })).await;
    assert_eq!(fault.code, ErrorCode::InvalidArguments);
    for number in 0..600 {
        world.put(&format!("many/{number:04}"), "");
    }
    let many = world.ok("file.list", json!({ "path": "many" })).await.content;
    assert_eq!((paths(&many).len(), &many["total"]), (500, &json!(600)));
}
