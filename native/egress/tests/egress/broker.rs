//! Connections of confined programs: what a broker lets through, refuses and writes down.

use std::net::SocketAddr;
use std::os::unix::net::UnixStream as StdStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::parts::{Kit, RUN, Server, moved, ok};
use openwrap_contracts::ErrorCode;
use openwrap_contracts::limits::CONNECTIONS_MAX;
use openwrap_contracts::network::{Broker, BrokerPurpose, Reached, Target};
use openwrap_contracts::ports::CancellationToken;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// Lies on the loopback in these tests.
const PUBLIC: &str = "93.184.216.34";
const NAME: &str = "allowed.example";

fn broker(kit: &Kit, allows: impl Fn(&Target) -> Reached + Send + Sync + 'static) -> Arc<dyn Broker> {
    let purpose = BrokerPurpose {
        run_id: RUN.to_owned(),
        task_id: "3.1".to_owned(),
        what: "shell.exec".to_owned(),
    };
    kit.egress.brokers().broker(purpose, Arc::new(allows))
}

/// The name at a public address whose server is this one.
fn place(kit: &Kit, server: &Server) {
    kit.names.set(NAME, &[PUBLIC]);
    let public = SocketAddr::new(PUBLIC.parse().unwrap(), server.port);
    let here = SocketAddr::from(([127, 0, 0, 1], server.port));
    kit.names.places.lock().unwrap().insert(public, here);
}

fn target(host: &str, port: u16) -> Target {
    Target {
        host: host.to_owned(),
        port,
    }
}

fn pair() -> (UnixStream, std::os::fd::OwnedFd) {
    let (near, far) = StdStream::pair().unwrap();
    near.set_nonblocking(true).unwrap();
    (UnixStream::from_std(near).unwrap(), far.into())
}

async fn refused(broker: &dyn Broker, host: &str, port: u16) -> ErrorCode {
    let (_near, far) = pair();
    let outcome = broker.connect(target(host, port), far, CancellationToken::new()).await;
    outcome.map_err(|fault| fault.code).unwrap_err()
}

/// What a browser gets for a request.
async fn proxied(broker: &Arc<dyn Broker>, request: &str) -> String {
    let (mut near, far) = pair();
    let serving = Arc::clone(broker);
    let served = tokio::spawn(async move { serving.proxy(far, CancellationToken::new()).await });
    near.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    near.read_to_end(&mut answer).await.unwrap();
    served.await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_granted_name_is_resolved_checked_and_written_down() {
    let (kit, server) = (Kit::new(), Server::new(|_| ok("in")).await);
    place(&kit, &server);
    let port = server.port;
    let broker = broker(&kit, move |target| {
        if target.host == NAME && [0, port].contains(&target.port) {
            Reached::Public
        } else {
            Reached::Refused
        }
    });
    assert!(broker.resolves(NAME) && broker.resolves("Allowed.Example.") && broker.permits(&target(NAME, port)));
    let (mut near, far) = pair();
    let address = broker
        .connect(target(NAME, port), far, CancellationToken::new())
        .await
        .unwrap();
    assert_eq!(address.to_string(), PUBLIC);
    near.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = [0; 12];
    near.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    assert_eq!(refused(&*broker, NAME, port + 1).await, ErrorCode::EgressDenied);
    assert_eq!(refused(&*broker, "other.example", port).await, ErrorCode::EgressDenied);
    let shown = kit.ledger.shown();
    assert_eq!(shown[0], format!("+{NAME}:{port} {PUBLIC} shell.exec {RUN}"));
    assert_eq!(shown.len(), 3, "{shown:?}");
    // Only the granted name was looked up.
    assert_eq!(kit.names.asked.load(Ordering::Relaxed), 1);
    assert!(!broker.resolves("other.example"));
    let events = kit.ledger.events.lock().unwrap();
    assert!(events.iter().all(|event| event.task_id.as_deref() == Some("3.1")));
}

#[tokio::test]
async fn no_spelling_of_this_machine_or_its_networks_is_public() {
    let (kit, server) = (Kit::new(), Server::new(|_| ok("in")).await);
    for (host, addresses) in [
        ("localhost", &["127.0.0.1", "::1"][..]),
        ("local.example", &["127.0.0.1"]),
        ("two.example", &["8.8.8.8", "127.0.0.1"]),
        ("lan.example", &["192.168.1.1"]),
        ("meta.example", &["169.254.169.254"]),
        ("mapped.example", &["::ffff:127.0.0.1"]),
    ] {
        kit.names.set(host, addresses);
    }
    let everything = broker(&kit, |_| Reached::Public);
    let spellings = [
        "127.0.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "017700000001",
        "127.1",
        "127.255.255.254",
        "0.0.0.0",
        "0",
        "::1",
        "::",
        "::ffff:127.0.0.1",
        "::ffff:7f00:1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "fe80::1",
        "fd00::1",
        "224.0.0.1",
        "255.255.255.255",
        "198.18.0.1",
        "localhost",
        "LOCALHOST.",
        "local.example",
        "two.example",
        "lan.example",
        "meta.example",
        "mapped.example",
    ];
    for host in spellings {
        assert_eq!(
            refused(&*everything, host, server.port).await,
            ErrorCode::EgressDenied,
            "{host}"
        );
        let host = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.to_owned()
        };
        let request = format!("GET http://{host}:{}/ HTTP/1.1\r\nHost: x\r\n\r\n", server.port);
        let answer = proxied(&everything, &request).await;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{host}: {answer}");
        let answer = proxied(&everything, &format!("CONNECT {host}:{} HTTP/1.1\r\n\r\n", server.port)).await;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{host}: {answer}");
    }
    assert_eq!(server.connections.load(Ordering::Relaxed), 0);
    let refusals = kit.ledger.shown();
    assert_eq!(refusals.len(), spellings.len() * 3);
}

#[tokio::test]
async fn our_own_port_is_nobodys_whatever_was_granted() {
    let (kit, server) = (Kit::new(), Server::new(|_| ok("in")).await);
    kit.names.set("localhost", &["127.0.0.1", "::1"]);
    let everything = broker(&kit, |_| Reached::Loopback);
    let other = Server::new(|_| ok("in")).await;
    let (_near, far) = pair();
    everything
        .connect(target("localhost", other.port), far, CancellationToken::new())
        .await
        .unwrap();
    kit.egress.forbid_own(server.port);
    for host in [
        "127.0.0.1",
        "localhost",
        "::1",
        "127.0.0.2",
        "::ffff:127.0.0.1",
        "2130706433",
        "0x7f.1",
        "0.0.0.0",
    ] {
        assert_eq!(
            refused(&*everything, host, server.port).await,
            ErrorCode::EgressDenied,
            "{host}"
        );
    }
    assert_eq!(server.connections.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn each_request_of_a_browser_is_decided_by_itself() {
    let kit = Kit::new();
    let inner = Server::new(|_| ok("inner")).await;
    let to_inner = inner.url("/");
    let server = Server::new(move |head| {
        if head.starts_with("GET /away ") {
            moved(302, &to_inner)
        } else {
            ok(&head.lines().next().unwrap_or_default().to_lowercase())
        }
    })
    .await;
    place(&kit, &server);
    let port = server.port;
    let broker = broker(&kit, move |target| {
        if target.host == NAME {
            Reached::Public
        } else {
            Reached::Refused
        }
    });
    let get = |path: &str| format!("GET http://{NAME}:{port}{path} HTTP/1.1\r\nHost: elsewhere\r\n\r\n");
    // What follows on the same connection reaches nobody.
    let answer = proxied(&broker, &format!("{}{}", get("/one"), get("/two"))).await;
    assert!(
        answer.contains("get /one http/1.1") && answer.contains("Connection: close"),
        "{answer}"
    );
    assert!(!answer.contains("/two"));
    assert_eq!(server.asked(), 1);
    assert!(server.heads.lock().unwrap()[0].contains(&format!("{NAME}:{port}")));
    let body =
        format!("POST http://{NAME}:{port}/post HTTP/1.1\r\nContent-Length: 4\r\n\r\nbodyGET / HTTP/1.1\r\n\r\n");
    assert!(proxied(&broker, &body).await.contains("post /post"));
    // A redirect is handed on, and refused when it is followed.
    let answer = proxied(&broker, &get("/away")).await;
    assert!(answer.starts_with("HTTP/1.1 302"), "{answer}");
    let answer = proxied(&broker, &format!("GET {} HTTP/1.1\r\n\r\n", inner.url("/"))).await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    for header in [
        "Content-Type: text/plain",
        "Content-Security-Policy: sandbox",
        "X-Content-Type-Options: nosniff",
    ] {
        assert!(answer.contains(header), "{answer}");
    }
    let tunnel = format!("CONNECT {NAME}:{port} HTTP/1.1\r\n\r\nGET /through HTTP/1.1\r\nConnection: close\r\n\r\n");
    let (mut near, far) = pair();
    let (serving, cancel) = (Arc::clone(&broker), CancellationToken::new());
    let stop = cancel.clone();
    let served = tokio::spawn(async move { serving.proxy(far, stop).await });
    near.write_all(tunnel.as_bytes()).await.unwrap();
    let mut all = String::new();
    while !all.contains("get /through") {
        let mut piece = [0; 1024];
        let read = near.read(&mut piece).await.unwrap();
        assert!(read > 0, "{all}");
        all.push_str(&String::from_utf8_lossy(&piece[..read]));
    }
    assert!(all.starts_with("HTTP/1.1 200 Connection established"));
    cancel.cancel();
    served.await.unwrap();
    assert_eq!(near.read(&mut [0; 8]).await.unwrap(), 0);
    assert_eq!(inner.connections.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_program_has_so_many_connections_and_fills_no_disk() {
    let (kit, server) = (Kit::new(), Server::new(|_| ok("in")).await);
    place(&kit, &server);
    let port = server.port;
    let broker = broker(&kit, move |target| {
        if target.host == NAME {
            Reached::Public
        } else {
            Reached::Refused
        }
    });
    let mut ends = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        let (near, far) = pair();
        broker
            .connect(target(NAME, port), far, CancellationToken::new())
            .await
            .unwrap();
        ends.push(near);
    }
    assert_eq!(refused(&*broker, NAME, port).await, ErrorCode::LimitExceeded);
    ends.pop();
    let mut again = ErrorCode::LimitExceeded;
    while again == ErrorCode::LimitExceeded {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        let (_near, far) = pair();
        again = match broker.connect(target(NAME, port), far, CancellationToken::new()).await {
            Ok(_) => break,
            Err(fault) => fault.code,
        };
    }
    for _ in 0..1000 {
        assert_eq!(refused(&*broker, "other.example", 80).await, ErrorCode::EgressDenied);
    }
    let refusals = kit.ledger.shown().iter().filter(|line| line.starts_with('-')).count();
    assert_eq!(refusals, 256);
}

/// What was granted for a while ends with it: also what stands already, by tunnel or of its own.
#[tokio::test]
async fn a_connection_ends_when_its_grant_does() {
    let kit = Kit::new();
    let server = Server::new(|_| ok("here")).await;
    place(&kit, &server);
    let granted = Arc::new(AtomicBool::new(true));
    let asked = Arc::clone(&granted);
    let broker = broker(&kit, move |target| {
        match target.host == NAME && asked.load(Ordering::SeqCst) {
            true => Reached::Public,
            false => Reached::Refused,
        }
    });
    let (mut own, far) = pair();
    let connected = broker.connect(target(NAME, server.port), far, CancellationToken::new());
    connected.await.unwrap();
    let (mut tunnelled, far) = pair();
    let serving = Arc::clone(&broker);
    let served = tokio::spawn(async move { serving.proxy(far, CancellationToken::new()).await });
    let request = format!("CONNECT {NAME}:{} HTTP/1.1\r\n\r\n", server.port);
    tunnelled.write_all(request.as_bytes()).await.unwrap();
    let mut head = [0; 12];
    tunnelled.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    broker.look_again();
    assert!(
        tokio::time::timeout(std::time::Duration::from_millis(50), own.read(&mut [0; 1]))
            .await
            .is_err(),
        "granted still"
    );
    granted.store(false, Ordering::SeqCst);
    broker.look_again();
    served.await.unwrap();
    let mut rest = Vec::new();
    own.read_to_end(&mut rest).await.unwrap();
    tunnelled.read_to_end(&mut rest).await.unwrap();
    assert_eq!(server.asked(), 0);
}
