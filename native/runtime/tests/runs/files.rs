//! Files as the page shows them: trees, previews, changes, diffs, uploads, one file taken back, pages served from a view.

use std::os::unix::fs::symlink;
use std::sync::Arc;

use openwrap_contracts::canonical::sha256_hex;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::world::model::{Asked, Reply, Script};
use crate::world::{TOKEN, World, task, yes};

fn script() -> Script {
    Arc::new(
        |asked: &Asked| match (asked.role.as_str(), asked.task.as_str(), asked.turn) {
            ("planner", _, _) => Reply::call(
                "plan.submit",
                json!({ "summary": "Two tasks.", "tasks": [
                task("one", "developer", &[], &["read:."], &["kept.txt", "new/a.csv"]),
                task("two", "developer", &["one"], &["read:."], &["kept.txt", "gone.txt", "two.txt"]),
            ] }),
            ),
            ("answer", _, _) => Reply::text("Done."),
            (_, "one", 0) => Reply {
                text: String::new(),
                calls: vec![
                    ("file.append".into(), json!({ "path": "kept.txt", "content": " one" })),
                    (
                        "file.write".into(),
                        json!({ "path": "new/a.csv", "content": "x;y\n1;\"a\nb\"\n" }),
                    ),
                ],
            },
            (_, "two", 0) => Reply {
                text: String::new(),
                calls: vec![
                    ("file.append".into(), json!({ "path": "kept.txt", "content": " two" })),
                    ("file.write".into(), json!({ "path": "two.txt", "content": "2" })),
                ],
            },
            _ => Reply::text("done"),
        },
    )
}

async fn finished() -> (World, String, Value) {
    let world = World::new(script(), &[("kept.txt", "start"), (".env", "KEY=1"), ("raw.bin", "\0")]).await;
    let run_id = world.start("run", "bundle", 4).await;
    let run = world.finish(&run_id, yes).await;
    assert_eq!(run["status"], "completed");
    let project = run["projectId"].clone();
    (world, run_id, project)
}

fn names(tree: &Value) -> Vec<(String, bool)> {
    let entries = tree["entries"].as_array().unwrap();
    let entry = |entry: &Value| {
        (
            entry["path"].as_str().unwrap().to_owned(),
            entry["changed"].as_bool().unwrap(),
        )
    };
    entries.iter().map(entry).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn trees_and_previews_of_a_project_and_of_what_a_task_saw() {
    let (world, run_id, project) = finished().await;
    symlink("/etc", world.project.join("out")).unwrap();
    let tree = world
        .call("file.list", json!({ "projectId": project, "runId": run_id }))
        .await
        .unwrap();
    let found = names(&tree);
    assert_eq!(found[0], ("new".to_owned(), true));
    assert!(found.contains(&("kept.txt".to_owned(), true)) && found.contains(&("raw.bin".to_owned(), false)));
    assert!(!found.iter().any(|(name, _)| name == ".env" || name == "out"));

    let of_one = json!({ "projectId": project, "runId": run_id, "taskId": "one" });
    let seen = names(&world.call("file.list", of_one.clone()).await.unwrap());
    assert!(!seen.iter().any(|(name, _)| name == "two.txt"));
    let with = |path: &str| {
        let mut params = of_one.clone();
        params["path"] = json!(path);
        params
    };
    let text = world.call("file.preview", with("kept.txt")).await.unwrap();
    assert_eq!((&text["kind"], &text["text"]), (&json!("text"), &json!("start one")));
    let table = world.call("file.preview", with("new/a.csv")).await.unwrap();
    assert_eq!(
        (&table["columns"], &table["rows"]),
        (&json!(["x", "y"]), &json!([["1", "a\nb"]]))
    );
    for path in [".env", "../kept.txt", "none", "new"] {
        assert!(world.call("file.preview", with(path)).await.is_err(), "{path}");
    }
    for path in ["out/passwd", "out", ".env"] {
        let params = json!({ "projectId": project, "path": path });
        assert!(world.call("file.preview", params.clone()).await.is_err(), "{path}");
        assert!(world.call("file.list", params).await.is_err(), "{path}");
    }
    let wanted = with("kept.txt").to_string();
    let credentials = json!({ "cliToken": TOKEN }).to_string();
    let bytes = world.core.read_file(&wanted, &credentials).await.unwrap();
    assert_eq!(&bytes[..], b"start one");
    assert!(world.core.read_file(&wanted, "{}").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_a_task_and_of_the_run_and_one_file_taken_back() {
    let (world, run_id, _) = finished().await;
    let list = |task: Option<&'static str>| {
        let mut params = json!({ "runId": run_id });
        if let Some(task) = task {
            params["taskId"] = json!(task);
        }
        params
    };
    let all = world.call("run.changes", list(None)).await.unwrap();
    let entries = all["changes"].as_array().unwrap();
    let paths: Vec<&str> = entries.iter().map(|entry| entry["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["kept.txt", "new/a.csv", "two.txt"]);
    assert_eq!(
        (&entries[0]["taskIds"], &entries[0]["kind"]),
        (&json!(["one", "two"]), &json!("changed"))
    );
    assert_eq!(
        (&entries[0]["beforeSize"], &entries[0]["afterSize"]),
        (&json!(5), &json!(13))
    );
    assert!(
        entries
            .iter()
            .all(|entry| entry["committed"] == true && entry["undone"] == false)
    );
    let of_two = world.call("run.changes", list(Some("two"))).await.unwrap();
    assert_eq!(of_two["changes"].as_array().unwrap().len(), 2);

    let diff = |task: Option<&'static str>| {
        let mut params = list(task);
        params["path"] = json!("kept.txt");
        params
    };
    let whole = world.call("run.diff", diff(None)).await.unwrap();
    assert_eq!(
        (&whole["before"], &whole["after"]),
        (&json!("start"), &json!("start one two"))
    );
    let second = world.call("run.diff", diff(Some("two"))).await.unwrap();
    assert_eq!(
        (&second["before"], &second["after"]),
        (&json!("start one"), &json!("start one two"))
    );
    assert_eq!(second["afterHash"], sha256_hex(b"start one two"));

    let undo = json!({ "requestId": "u", "runId": run_id, "path": "kept.txt" });
    let undone = world.call("run.undo", undo).await.unwrap();
    assert_eq!(
        (&undone["reverted"], &undone["conflicts"]),
        (&json!(["kept.txt"]), &json!([]))
    );
    assert_eq!(
        (world.read("kept.txt").as_str(), world.read("two.txt").as_str()),
        ("start", "2")
    );
    let all = world.call("run.changes", list(None)).await.unwrap();
    assert_eq!(
        (&all["changes"][0]["undone"], &all["changes"][2]["undone"]),
        (&json!(true), &json!(false))
    );
    let none = json!({ "requestId": "v", "runId": run_id, "path": "raw.bin" });
    assert!(world.call("run.undo", none).await.unwrap_err().starts_with("NOT_FOUND"));
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_are_new_files_below_the_project() {
    let (world, _, project) = finished().await;
    let upload = |path: &str| json!({ "projectId": project, "path": path }).to_string();
    let credentials = json!({ "cliToken": TOKEN }).to_string();
    world
        .core
        .may_upload(&upload("given/b.txt"), &credentials)
        .await
        .unwrap();
    world
        .core
        .upload(&upload("given/b.txt"), b"mine".to_vec(), &credentials)
        .await
        .unwrap();
    assert_eq!(world.read("given/b.txt"), "mine");
    symlink("/tmp", world.project.join("link")).unwrap();
    for (path, code) in [
        ("given/b.txt", "ALREADY_EXISTS"),
        ("kept.txt", "ALREADY_EXISTS"),
        (".git/hooks/x", "PROTECTED_PATH"),
        ("../x", "PATH_OUTSIDE"),
        ("link/x", "PATH_OUTSIDE"),
        ("link", "ALREADY_EXISTS"),
        ("", "INVALID_ARGUMENTS"),
    ] {
        let fault = world
            .core
            .upload(&upload(path), b"x".to_vec(), &credentials)
            .await
            .unwrap_err();
        assert_eq!(fault.code.as_str(), code, "{path}");
    }
    assert!(world.core.upload(&upload("c"), Vec::new(), "{}").await.is_err());
    assert_eq!(world.read("given/b.txt"), "mine");
}

/// Status line, headers and body of a raw request.
async fn ask(port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A server that closes with bytes unread resets: what came before counts.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// Approves the plan and waits for the page; the port it is served on.
async fn served(world: &World, run_id: &str) -> u16 {
    loop {
        let overview = world.call("overview.get", json!({})).await.unwrap();
        for pending in overview["approvals"].as_array().unwrap() {
            let approval = &pending["question"]["approvalId"];
            if pending["question"]["kind"] == "plan" {
                let params = json!({ "requestId": "plan", "approvalId": approval, "decision": yes(&json!({})) });
                world.call("approval.resolve", params).await.unwrap();
            }
        }
        let events = world.events(run_id).await;
        if let Some(opened) = events.iter().find(|event| event["type"] == "preview_opened") {
            let granted = events.iter().filter(|event| event["type"] == "grant_issued");
            let origin = opened["url"].as_str().unwrap().trim_end_matches('/');
            assert!(
                granted
                    .clone()
                    .any(|event| event["grant"]["capability"] == format!("browser:{origin}"))
            );
            break origin.rsplit(':').next().unwrap().parse::<u16>().unwrap();
        }
        let refused = events
            .iter()
            .find(|event| event["type"] == "tool_finished" && event["isError"] == true);
        assert!(refused.is_none(), "{refused:?}");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

/// What the page's server gives, and what it refuses.
async fn check_page(port: u16) {
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\r\n");
    let page = ask(port, &get("/")).await;
    assert!(
        page.starts_with("HTTP/1.1 200") && page.ends_with("<h1>Hi</h1>"),
        "{page}"
    );
    for (header, value) in [
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-store"),
        ("referrer-policy", "no-referrer"),
    ] {
        assert!(page.contains(&format!("{header}: {value}")), "{page}");
    }
    assert!(page.contains("frame-ancestors 'none'") && !page.to_lowercase().contains("set-cookie"));
    assert!(ask(port, &get("/a%20b/x.js")).await.contains("text/javascript"));
    for path in [
        "/.env",
        "/link.txt",
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/a%20b/..%5c..%5c",
        "//etc/hostname",
        "/%00",
        "/%",
        "/a%20b",
        "/none",
    ] {
        let answer = ask(port, &get(path)).await;
        assert!(
            !answer.starts_with("HTTP/1.1 200") && !answer.contains("KEY"),
            "{path}: {answer}"
        );
    }
    let foreign = format!("GET / HTTP/1.1\r\nhost: localhost:{port}\r\nconnection: close\r\n\r\n");
    assert!(ask(port, &foreign).await.starts_with("HTTP/1.1 421"));
    let post = format!("POST / HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    assert!(ask(port, &post).await.starts_with("HTTP/1.1 405"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_served_until_its_run_ends_and_gives_nothing_else_away() {
    let script: Script = Arc::new(|asked: &Asked| match (asked.role.as_str(), asked.turn) {
        ("planner", _) => Reply::call(
            "plan.submit",
            json!({ "summary": "One.", "tasks": [task("one", "developer", &[], &["read:site"], &[])] }),
        ),
        ("answer", _) => Reply::text("Done."),
        (_, 0) => Reply::call("web.deploy", json!({ "path": "site" })),
        // Waits for a person, with the page open.
        (_, 1) => Reply::call("file.write", json!({ "path": "unplanned.txt", "content": "x" })),
        _ => Reply::text("done"),
    });
    let files = [
        ("site/index.html", "<h1>Hi</h1>"),
        ("site/.env", "KEY=1"),
        ("site/a b/x.js", "1"),
        ("secret.txt", "s"),
    ];
    let world = World::new(script, &files).await;
    symlink("/etc/hostname", world.project.join("site/link.txt")).unwrap();
    let run_id = world.start("run", "ask", 2).await;
    let port = served(&world, &run_id).await;
    check_page(port).await;

    let run = world.finish(&run_id, yes).await;
    assert_eq!(run["status"], "completed");
    for _ in 0..500 {
        if TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the page outlives its run");
}

/// What serving a page gives the run, and what a person gave beforehand, is there in a replay as well.
#[tokio::test(flavor = "multi_thread")]
async fn a_replay_serves_nothing_and_decides_the_same() {
    let script: Script = Arc::new(|asked: &Asked| match (asked.role.as_str(), asked.turn) {
        ("planner", _) => Reply::call(
            "plan.submit",
            json!({ "summary": "One.", "tasks": [task("one", "developer", &[], &["read:site"], &["a.txt"])] }),
        ),
        ("answer", _) => Reply::text("Done."),
        (_, 0) => Reply::call("web.deploy", json!({ "path": "site" })),
        (_, 1) => Reply::call("file.write", json!({ "path": "given.txt", "content": "x" })),
        _ => Reply::text("done"),
    });
    let world = World::new(script, &[("site/index.html", "<h1>Hi</h1>")]).await;
    let project = world
        .call("project.open", json!({ "path": world.project }))
        .await
        .unwrap();
    let params = json!({
        "requestId": "r", "projectId": project["projectId"], "goal": "Do it.", "model": "p/m", "approve": "bundle",
        "slots": 1, "allow": ["write:given.txt"],
    });
    let run = world.call("run.create", params).await.unwrap();
    let run_id = run["runId"].as_str().unwrap();
    let run = world.finish(run_id, yes).await;
    assert_eq!(
        (&run["status"], world.read("given.txt").as_str()),
        (&json!("completed"), "x")
    );
    let replayed = world.call("run.replay", json!({ "runId": run_id })).await.unwrap();
    assert_eq!((&replayed["equal"], &replayed["diverged"]), (&json!(true), &json!([])));
}
