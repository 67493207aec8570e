//! What a browser reaches, what it leaves behind, and how it ends.

use std::time::{Duration, Instant};

use openwrap_contracts::ErrorCode;
use serde_json::json;

use crate::world::{Site, World, page, reference};

#[tokio::test(flavor = "multi_thread")]
async fn only_opened_hosts_are_reached_and_the_refused_ones_are_named() {
    let other = Site::open().await;
    other.put("/x", page("other"));
    let own = Site::open().await;
    let world = World::with_own_port(own.port()).await;
    let (there, ours) = (&other.origin, &own.origin);
    let url = world.site.put(
        "/",
        page(&format!(
            "<img src={there}/pixel><img src={ours}/pixel><img src=http://name.invalid/x><a href={there}/x>Away</a>
             <p id=out></p><script>
             fetch('{there}/f').catch(e => out.append('fetch '));
             new WebSocket('{}/w').onerror = () => out.append('socket ');
             fetch('file:///etc/hostname').catch(e => out.append('file '));
             </script>",
            there.replace("http", "ws")
        )),
    );
    let opened = world.says("browser.open", json!({ "url": url })).await;
    world.says("browser.wait", json!({ "text": "fetch" })).await;
    world.says("browser.wait", json!({ "text": "socket" })).await;
    let refused = opened["refused"].to_string();
    assert!(
        refused.contains(there.trim_start_matches("http://")) && refused.contains("name.invalid:80"),
        "{opened}"
    );
    let moved = world
        .says(
            "browser.click",
            json!({ "ref": reference(&world.snapshot().await, "Away") }),
        )
        .await;
    assert!(
        moved["refused"]
            .to_string()
            .contains(there.trim_start_matches("http://")),
        "{moved}"
    );
    assert_eq!((other.asked(), own.asked()), (vec![], vec![]));
    let redirect =
        format!("HTTP/1.1 302 Found\r\nlocation: {there}/x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    let fault = world
        .fails("browser.navigate", json!({ "url": world.site.put("/away", redirect) }))
        .await;
    assert_eq!(fault.code, ErrorCode::EgressDenied, "{fault}");
    assert!(fault.message.contains(there.trim_start_matches("http://")), "{fault}");
    assert!(other.asked().is_empty());
    let (refused, reached) = world.connections();
    assert!(
        refused.iter().any(|host| there.ends_with(host)),
        "the socket's refusal is the broker's: {refused:?}"
    );
    assert_eq!(reached.iter().find(|host| !world.site.origin.ends_with(*host)), None);
    // The same address, opened by name, is allowed.
    world
        .says("browser.navigate", json!({ "url": format!("{there}/x") }))
        .await;
    assert_eq!(other.asked(), ["/x"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_server_and_other_schemes_are_never_opened() {
    let own = Site::open().await;
    let world = World::with_own_port(own.port()).await;
    for spelling in ["127.0.0.1", "localhost", "[::1]", "0x7f.1", "2130706433", "0.0.0.0"] {
        let fault = world
            .fails(
                "browser.navigate",
                json!({ "url": format!("http://{spelling}:{}/", own.port()) }),
            )
            .await;
        assert_eq!(fault.code, ErrorCode::EgressDenied, "{spelling}: {fault}");
    }
    for bad in ["file:///etc/passwd", "chrome://version", "javascript:1"] {
        assert_eq!(
            world.fails("browser.open", json!({ "url": bad })).await.code,
            ErrorCode::InvalidArguments
        );
    }
    assert!(own.asked().is_empty());
    let tool = world.tool("browser.open");
    assert_eq!(
        tool.needs(&json!({ "url": "https://Example.org:443/a" })).unwrap(),
        ["browser:https://example.org"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn downloads_go_nowhere() {
    let world = World::open().await;
    let file = "HTTP/1.1 200 OK\r\ncontent-type: application/zip\r\ncontent-disposition: attachment; filename=evil.zip\r\n\
                content-length: 4\r\nconnection: close\r\n\r\nPK12";
    let url = world.site.put("/evil.zip", file.to_owned());
    let text = world.read("/", "<a href=/evil.zip>Get</a>").await;
    let clicked = world
        .says("browser.click", json!({ "ref": reference(&text, "Get") }))
        .await;
    assert!(clicked["notices"].to_string().contains("evil.zip"), "{clicked}");
    assert_eq!(
        world.fails("browser.navigate", json!({ "url": url })).await.code,
        ErrorCode::EgressFailed
    );
    let mut open = vec![world.work.clone()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            assert!(
                !entry.file_name().to_string_lossy().contains("evil"),
                "{:?}",
                entry.path()
            );
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_a_run_ends_its_browser_at_once_and_the_next_call_begins_anew() {
    let mut world = World::open().await;
    world.read("/page", "<h1>Here</h1><button>Press</button>").await;
    let begun = Instant::now();
    let stopped = world.stop().await;
    assert!(stopped.stopped >= 1 && stopped.left == 0);
    assert!(begun.elapsed() < Duration::from_millis(250), "{:?}", begun.elapsed());
    // A browser that went while the task goes on is opened again at its last address, and the worker is told.
    world.start_anew();
    world.granted = true;
    let read = world.says("browser.snapshot", json!({})).await;
    assert!(read["notices"].to_string().contains("started again"), "{read}");
    assert!(read["text"].as_str().unwrap().contains("Here"), "{read}");
    let folders = || std::fs::read_dir(world.work.join("browsers")).unwrap().count();
    assert_eq!(folders(), 1);
    world.surface().close().await;
    assert_eq!(folders(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_is_a_clear_error_and_closes_the_session() {
    let world = World::open().await;
    world.read("/", "<button>One</button>").await;
    world.stop().await;
    let deadline = Instant::now() + Duration::from_secs(5);
    while world.shown.closed.lock().unwrap().is_empty() {
        assert!(Instant::now() < deadline, "the session was not closed");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let view = world.surface().view().await;
    assert_eq!(view.unwrap_err().code, ErrorCode::InvalidState);
    let again = world.read("/", "<button>One</button>").await;
    assert!(reference(&again, "One") != "e1", "a ref was used again: {again}");
}
