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
async fn what_was_opened_without_a_grant_leads_nowhere_once_the_worker_acts() {
    let mut world = World::open().await;
    world.granted = false;
    world.site.put("/next", page("<h1>Next</h1>"));
    world.site.put("/part", page("part"));
    let body = "<a href=/next>Next</a><button onclick=\"fetch('/sent').then(() => out.append('went'), () => out.append('kept'))\">Send</button>
                <p id=out></p><script>fetch('/part').then(() => out.append('loaded '))</script>";
    // What the page needs it loads: its address was opened by name.
    world
        .says("browser.open", json!({ "url": world.site.put("/", page(body)) }))
        .await;
    world.says("browser.wait", json!({ "text": "loaded" })).await;
    let text = world.snapshot().await;
    world
        .says("browser.click", json!({ "ref": reference(&text, "Send") }))
        .await;
    world.says("browser.wait", json!({ "text": "kept" })).await;
    let clicked = world
        .says("browser.click", json!({ "ref": reference(&text, "Next") }))
        .await;
    let host = world.site.origin.trim_start_matches("http://").to_owned();
    assert!(clicked["refused"].to_string().contains(&host), "{clicked}");
    assert_eq!(world.site.asked(), ["/", "/part"]);
    // With a grant of the step for the same host both go.
    world.granted = true;
    let text = world.read("/", body).await;
    world
        .says("browser.click", json!({ "ref": reference(&text, "Send") }))
        .await;
    world.says("browser.wait", json!({ "text": "went" })).await;
    world
        .says("browser.click", json!({ "ref": reference(&text, "Next") }))
        .await;
    assert_eq!(world.site.asked()[2..], ["/", "/part", "/sent", "/next"]);
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

fn folder_bytes(folder: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let bytes = entries.map(|entry| match entry.metadata() {
        Ok(about) if about.is_dir() => folder_bytes(&entry.path()),
        Ok(about) => about.len(),
        Err(_) => 0,
    });
    bytes.sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_pages_store_fills_no_disk() {
    const STORED: u64 = 24_000_000;
    let world = World::open().await;
    let script = format!(
        "(async () => {{ const bytes = new Uint8Array({STORED});
         for (let i = 0; i < bytes.length; i += 65536) crypto.getRandomValues(bytes.subarray(i, i + 65536));
         await (await caches.open('a')).put('/stored', new Response(bytes));
         await new Promise((done, failed) => {{ const open = indexedDB.open('b');
           open.onupgradeneeded = () => open.result.createObjectStore('c'); open.onerror = failed;
           open.onsuccess = () => {{ const put = open.result.transaction('c', 'readwrite');
             put.objectStore('c').put(bytes, 1); put.oncomplete = done; put.onerror = failed; }}; }});
         document.body.append('stored ' + (await (await caches.match('/stored')).arrayBuffer()).byteLength); }})()"
    );
    let body = format!("<p>Here</p><script>{script}</script>");
    world.read("/", &body).await;
    world
        .says("browser.wait", json!({ "text": format!("stored {STORED}") }))
        .await;
    assert!(folder_bytes(&world.work.join("browsers")) < STORED / 2);
}

/// Ways to a host, past what a page is asked about, and to what is not the web's.
const WAYS: &str = r#"
const ways = [], tried = (name, work) => ways.push((async () => { try { await work(); } catch (e) { return; } })());
const link = (rel, href) => { const one = document.createElement('link'); one.rel = rel; one.href = href; document.head.append(one); };
for (const rel of ['preconnect', 'dns-prefetch', 'prefetch', 'preload', 'prerender', 'modulepreload', 'manifest', 'icon'])
  link(rel, THERE + '/' + rel);
const rules = document.createElement('script'); rules.type = 'speculationrules';
rules.textContent = JSON.stringify({ prefetch: [{ source: 'list', urls: [THERE + '/speculated'] }] }); document.head.append(rules);
tried('beacon', () => navigator.sendBeacon(THERE + '/beacon', 'x'));
tried('keepalive', () => fetch(THERE + '/keepalive', { keepalive: true, mode: 'no-cors' }));
tried('events', () => new EventSource(THERE + '/events'));
tried('transport', () => new WebTransport(THERE.replace('http:', 'https:') + '/transport').ready);
tried('worker', () => new Worker(URL.createObjectURL(new Blob([`fetch('${THERE}/worker', { mode: 'no-cors' });
  try { importScripts('${THERE}/imported') } catch (e) {}; new WebSocket('${THERE.replace('http', 'ws')}/worker_socket')`]))));
tried('service', () => navigator.serviceWorker.register('/service.js'));
tried('calls', async () => {
  const place = THERE.replace('http://', '');
  const call = new RTCPeerConnection({ iceServers: [{ urls: 'stun:' + place },
    { urls: ['turn:' + place + '?transport=tcp', 'turn:' + place + '?transport=udp'], username: 'a', credential: 'b' }] });
  call.createDataChannel('a'); await call.setLocalDescription(await call.createOffer());
});
for (const place of ['file:///etc/passwd', 'view-source:file:///etc/passwd', 'chrome://version', 'devtools://devtools/bundled/inspector.html',
  'filesystem:' + location.origin + '/temporary/a'])
  tried(place, () => { window.open(place); const frame = document.createElement('iframe'); frame.src = place; document.body.append(frame); });
for (const place of ['/etc/passwd', '/proc/self/environ'])
  tried(place, async () => document.body.append(await (await fetch('file://' + place)).text()));
tried('devices', () => navigator.usb.requestDevice({ filters: [] }));
tried('place', () => new Promise((done, failed) => navigator.geolocation.getCurrentPosition(p => {
  document.body.append('located'); done() }, failed)));
tried('camera', async () => { await navigator.mediaDevices.getUserMedia({ video: true, audio: true }); document.body.append('filmed'); });
tried('folder', async () => { await showDirectoryPicker(); document.body.append('picked'); });
Promise.race([Promise.all(ways), new Promise(done => setTimeout(done, 3000))]).then(() => document.body.append('all tried'));
"#;

#[tokio::test(flavor = "multi_thread")]
async fn no_way_leads_around_the_broker_or_to_what_is_not_the_webs() {
    let other = Site::open().await;
    let datagrams = std::net::UdpSocket::bind(("127.0.0.1", other.port())).unwrap();
    datagrams.set_nonblocking(true).unwrap();
    let world = World::open().await;
    let there = &other.origin;
    let service = format!("fetch('{there}/service', {{ mode: 'no-cors' }}); self.skipWaiting();");
    world.site.put(
        "/service.js",
        format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/javascript\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{service}",
            service.len()
        ),
    );
    let script = format!("const THERE = '{there}';{WAYS}");
    world.read("/", &format!("<p>Here</p><script>{script}</script>")).await;
    // What it opened may lie in front.
    world.says("browser.tabs", json!({ "act": "front", "tab": 1 })).await;
    world.says("browser.wait", json!({ "text": "all tried" })).await;
    // What is fetched ahead or by workers comes late.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let text = world.snapshot().await;
    for gained in ["root:", "located", "filmed", "picked", "PATH="] {
        assert!(!text.contains(gained), "{text}");
    }
    let tabs = world.says("browser.tabs", json!({ "act": "list" })).await;
    let tabs = tabs.to_string();
    for foreign in ["file:", "chrome:", "devtools:"] {
        assert!(!tabs.contains(foreign), "{tabs}");
    }
    assert!(other.asked().is_empty(), "{:?}", other.asked());
    assert!(datagrams.recv(&mut [0; 8]).is_err());
}
