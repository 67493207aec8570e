//! What is refused, in every spelling, and what is written down about it.

use std::sync::atomic::Ordering;

use crate::parts::{Kit, PURPOSE, RUN, Server, get, moved, ok, text};
use openwrap_contracts::ErrorCode;
use openwrap_contracts::ports::{CancellationToken, Dialer};

/// Spellings of 127.0.0.1 and of names that lead there; `P` is the port.
const SPELLINGS: &[&str] = &[
    "http://127.0.0.1:P/",
    "http://127.0.0.1.:P/",
    "http://2130706433:P/",
    "http://0x7f000001:P/",
    "http://0x7f.0.0.1:P/",
    "http://0x7f.1:P/",
    "http://0177.0.0.1:P/",
    "http://017700000001:P/",
    "http://127.1:P/",
    "http://127.0.1:P/",
    "http://127.000.000.001:P/",
    "http://127.0.0.2:P/",
    "http://127.255.255.254:P/",
    "http://%31%32%37.0.0.1:P/",
    "http://\u{ff11}\u{ff12}\u{ff17}.0.0.1:P/",
    "http://127\u{3002}0\u{3002}0\u{3002}1:P/",
    "http:127.0.0.1:P/",
    "http:\\\\127.0.0.1:P\\",
    "\t http://127.0.0.1:P/",
    "http://[::1]:P/",
    "http://[0:0:0:0:0:0:0:1]:P/",
    "http://[::ffff:127.0.0.1]:P/",
    "http://[::ffff:7f00:1]:P/",
    "http://[::127.0.0.1]:P/",
    "http://[64:ff9b::7f00:1]:P/",
    "http://[2002:7f00:1::]:P/",
    "http://0.0.0.0:P/",
    "http://0:P/",
    "http://[::]:P/",
    "http://localhost:P/",
    "http://LOCALHOST:P/",
    "http://localhost.:P/",
    "http://x.localhost:P/",
    "http://localtest.example:P/",
    "http://allowed.example@127.0.0.1:P/",
    "http://allowed.example:x@127.0.0.1:P/",
    "http://127.0.0.1:P@allowed.example/",
    "http://allowed.example#@127.0.0.1:P/",
];

fn name_the_loopback(kit: &Kit) {
    for host in [
        "localhost",
        "localhost.",
        "x.localhost",
        "localtest.example",
        "allowed.example",
    ] {
        kit.names.set(host, &["127.0.0.1"]);
    }
}

#[tokio::test]
async fn closed_without_a_rule() {
    let (kit, server) = (Kit::new(), Server::new(|_| ok("in")).await);
    name_the_loopback(&kit);
    kit.allow("allowed.example", 443, false, false);
    for spelling in SPELLINGS {
        let url = spelling.replace('P', &server.port.to_string());
        let fault = kit.get(&url).await.err().unwrap();
        assert_eq!(fault.code, ErrorCode::EgressDenied, "{spelling}: {fault}");
    }
    assert_eq!(server.connections.load(Ordering::Relaxed), 0);
    assert_eq!(
        kit.names.asked.load(Ordering::Relaxed),
        0,
        "names nobody allowed are not looked up"
    );
    let shown = kit.ledger.shown();
    assert_eq!(shown.len(), SPELLINGS.len());
    assert!(
        shown
            .iter()
            .all(|line| line.starts_with('-') && line.ends_with(&format!("{PURPOSE} {RUN}")))
    );
}

#[tokio::test]
async fn a_rule_for_the_host_does_not_open_the_loopback() {
    let (kit, server) = (Kit::new(), Server::new(|_| ok("in")).await);
    name_the_loopback(&kit);
    for host in [
        "127.0.0.1",
        "::1",
        "::ffff:127.0.0.1",
        "localhost",
        "x.localhost",
        "localtest.example",
        "0.0.0.0",
    ] {
        kit.allow(host, server.port, false, true);
    }
    for spelling in SPELLINGS {
        let url = spelling.replace('P', &server.port.to_string());
        let fault = kit.get(&url).await.err().unwrap();
        assert_eq!(fault.code, ErrorCode::EgressDenied, "{spelling}: {fault}");
    }
    assert_eq!(server.connections.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn our_own_port_is_refused_in_every_spelling() {
    let (kit, server) = (Kit::new(), Server::new(|_| ok("in")).await);
    name_the_loopback(&kit);
    kit.egress.forbid_own(server.port);
    let hosts = [
        "127.0.0.1",
        "127.0.0.2",
        "127.255.255.254",
        "::1",
        "::ffff:127.0.0.1",
        "localhost",
        "localhost.",
    ];
    for host in hosts
        .into_iter()
        .chain(["x.localhost", "localtest.example", "allowed.example", "0.0.0.0", "::"])
    {
        kit.allow(host, server.port, true, true);
    }
    for spelling in SPELLINGS {
        let url = spelling.replace('P', &server.port.to_string());
        let fault = kit.get(&url).await.err().unwrap();
        assert_eq!(fault.code, ErrorCode::EgressDenied, "{spelling}: {fault}");
    }
    assert_eq!(server.connections.load(Ordering::Relaxed), 0);
    let own = kit
        .ledger
        .shown()
        .iter()
        .filter(|line| line.contains("Open Wrap's own port"))
        .count();
    assert!(own >= 20, "{own} refusals name the own port");
}

#[tokio::test]
async fn every_address_behind_a_name_is_checked() {
    let (kit, server) = (Kit::new(), Server::new(|_| ok("in")).await);
    let refused: &[(&[&str], &str)] = &[
        (&["127.0.0.1", "169.254.169.254"], "cloud metadata service"),
        (&["127.0.0.1", "::ffff:169.254.169.254"], "cloud metadata service"),
        (&["127.0.0.1", "10.0.0.1"], "the host lies in a private network"),
        (&["127.0.0.1", "100.64.0.9"], "the host lies in a private network"),
        (&["127.0.0.1", "93.184.216.34"], "plain http to a public host"),
        (&["127.0.0.1", "fe80::1"], "link-local address"),
        (&["127.0.0.1", "224.0.0.1"], "multicast address"),
        (
            &["127.0.0.1", "64:ff9b::7f00:1"],
            "IPv6 address that embeds an address which is not public",
        ),
    ];
    for (place, (addresses, reason)) in refused.iter().enumerate() {
        let host = format!("mixed{place}.example");
        kit.names.set(&host, addresses);
        kit.allow(&host, server.port, true, false);
        let fault = kit.get(&format!("http://{host}:{}/", server.port)).await.err().unwrap();
        assert_eq!(fault.code, ErrorCode::EgressDenied);
        assert!(fault.message.ends_with(reason), "{addresses:?}: {fault}");
    }
    kit.names.set("none.example", &[]);
    kit.allow("none.example", server.port, true, true);
    let fault = kit
        .get(&format!("http://none.example:{}/", server.port))
        .await
        .err()
        .unwrap();
    assert_eq!(fault.code, ErrorCode::EgressFailed);
    assert_eq!(server.connections.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_name_that_moves_is_checked_again() {
    let (kit, server) = (Kit::new(), Server::new(|_| ok("in")).await);
    kit.names.set("here.example", &["127.0.0.1"]);
    kit.allow("here.example", server.port, true, false);
    let url = format!("http://here.example:{}/", server.port);
    assert_eq!(text(kit.get(&url).await.unwrap()).await.unwrap(), "in");
    kit.names.set("here.example", &["10.9.9.9"]);
    assert!(kit.get(&url).await.is_ok(), "an answer is used for a while");
    kit.clock.0.fetch_add(60_000, Ordering::Relaxed);
    assert_eq!(kit.get(&url).await.err().unwrap().code, ErrorCode::EgressDenied);
}

#[tokio::test]
async fn rules_hold_for_their_purpose_and_port_and_can_be_taken_back() {
    let (kit, server, other) = (
        Kit::new(),
        Server::new(|_| ok("in")).await,
        Server::new(|_| ok("other")).await,
    );
    kit.allow("127.0.0.1", server.port, true, false);
    assert_eq!(text(kit.get(&server.url("/")).await.unwrap()).await.unwrap(), "in");
    assert_eq!(
        kit.get(&other.url("/")).await.err().unwrap().code,
        ErrorCode::EgressDenied
    );
    for purpose in ["model:tes", "model:test2", "model:TEST", "", "model"] {
        let mut request = get(&server.url("/"));
        request.purpose = purpose.to_owned();
        let answer = kit.egress.http(request, CancellationToken::new()).await;
        assert_eq!(answer.err().unwrap().code, ErrorCode::EgressDenied, "{purpose}");
    }
    let rule = openwrap_egress::AllowRule {
        purpose: PURPOSE.to_owned(),
        host: "127.0.0.1".to_owned(),
        port: other.port,
        loopback: true,
        private: false,
    };
    kit.egress.replace(PURPOSE, &[rule]);
    assert!(kit.get(&server.url("/")).await.is_err());
    assert!(kit.get(&other.url("/")).await.is_ok());
    kit.egress.disallow(PURPOSE);
    assert!(kit.get(&other.url("/")).await.is_err());
    assert_eq!((server.asked(), other.asked()), (1, 1));
}

#[tokio::test]
async fn redirects_stay_on_their_origin() {
    let own = Server::new(|_| ok("own")).await;
    let other = Server::new(|_| ok("other")).await;
    let (own_port, other_port) = (own.port, other.port);
    let server = Server::new(move |head| match head.split(' ').nth(1).unwrap() {
        "/own" => moved(307, &format!("http://127.0.0.1:{own_port}/")),
        "/decimal" => moved(302, &format!("http://2130706433:{own_port}/")),
        "/other" => moved(308, &format!("http://127.0.0.1:{other_port}/")),
        "/schemeless" => moved(302, &format!("//localhost:{other_port}/")),
        "/file" => moved(302, "file:///etc/passwd"),
        "/user" => moved(302, "http://a:b@127.0.0.1/"),
        "/bad" => moved(302, "http://[::1"),
        "/near" => moved(307, "/here"),
        "/loop" => moved(307, "/loop"),
        "/list" => moved(300, "/here"),
        path => ok(path),
    })
    .await;
    let kit = Kit::new();
    kit.egress.forbid_own(own_port);
    // Both are allowed by themselves; headers meant for one still never go to the other.
    for port in [server.port, other_port, own_port] {
        kit.allow("127.0.0.1", port, true, false);
    }
    for path in ["/own", "/decimal", "/other", "/schemeless", "/file", "/user", "/bad"] {
        let fault = kit.get(&server.url(path)).await.err().unwrap();
        assert_eq!(fault.code, ErrorCode::EgressDenied, "{path}: {fault}");
    }
    assert_eq!((own.asked(), other.asked()), (0, 0));
    let refused = kit.ledger.shown().iter().filter(|line| line.starts_with('-')).count();
    assert_eq!(refused, 7);
    assert_eq!(
        text(kit.get(&server.url("/near")).await.unwrap()).await.unwrap(),
        "/here"
    );
    assert_eq!(kit.get(&server.url("/list")).await.unwrap().status, 300);
    let before = server.asked();
    assert_eq!(
        kit.get(&server.url("/loop")).await.err().unwrap().code,
        ErrorCode::EgressFailed
    );
    assert_eq!(server.asked() - before, 4);
    let mut post = get(&server.url("/file"));
    post.method = "POST";
    let fault = kit.egress.http(post, CancellationToken::new()).await.err().unwrap();
    assert_eq!(fault.code, ErrorCode::EgressDenied);
}

#[tokio::test]
async fn a_full_disk_stops_connections() {
    let (kit, server) = (Kit::new(), Server::new(|_| ok("in")).await);
    kit.allow("127.0.0.1", server.port, true, false);
    kit.ledger.full.store(true, Ordering::Relaxed);
    assert_eq!(
        kit.get(&server.url("/")).await.err().unwrap().code,
        ErrorCode::StorageFailed
    );
    assert_eq!(
        kit.get("http://10.0.0.1/").await.err().unwrap().code,
        ErrorCode::StorageFailed
    );
    assert_eq!(server.connections.load(Ordering::Relaxed), 0);
    kit.ledger.full.store(false, Ordering::Relaxed);
    assert!(kit.get(&server.url("/")).await.is_ok());
}
