//! Requests and answers over real connections.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::parts::{Kit, RUN, Server, get, moved, ok, read_head, text};
use bytes::Bytes;
use openwrap_contracts::ErrorCode;
use openwrap_contracts::ports::{CancellationToken, Dialer, Secret};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_event_a_run_is_on_disk_before_the_first_request() {
    let (kit, server) = (Kit::new(), Server::new(|_| ok("in")).await);
    kit.allow("127.0.0.1", server.port, true, false);
    let url = server.url("/");
    let calls = (0..32).map(|_| async {
        let answer = kit.get(&url).await.unwrap();
        assert_eq!(kit.ledger.shown().len(), 1);
        text(answer).await.unwrap()
    });
    futures_util::future::join_all(calls).await;
    let line = format!("+127.0.0.1:{} 127.0.0.1 model:test {RUN}", server.port);
    assert_eq!(kit.ledger.shown(), [line]);
    let opened = server.connections.load(Ordering::Relaxed);
    kit.get(&url).await.unwrap();
    assert_eq!(
        server.connections.load(Ordering::Relaxed),
        opened,
        "connections are used again"
    );
    let mut other_run = get(&url);
    other_run.run_id = None;
    kit.egress.http(other_run, CancellationToken::new()).await.unwrap();
    assert_eq!(kit.ledger.shown().len(), 2);
    let head = server.heads.lock().unwrap()[0].to_lowercase();
    assert!(
        head.contains("authorization: bearer sesame-open") && head.contains("user-agent: openwrap/"),
        "{head}"
    );
}

#[tokio::test]
async fn a_body_streams_as_it_comes_and_waits_for_its_reader() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let kit = Kit::new();
    kit.allow("127.0.0.1", port, true, false);
    let (go, mut wait) = tokio::sync::mpsc::channel::<()>(1);
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_head(&mut stream).await.unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n")
            .await
            .unwrap();
        wait.recv().await.unwrap();
        stream.write_all(b"3\r\ntwo\r\n").await.unwrap();
        wait.recv().await.unwrap();
        // More than any buffer on the way: it only fits when somebody reads.
        let chunk = [b"10000\r\n".as_slice(), &[b'x'; 0x10000], b"\r\n"].concat();
        for _ in 0..512 {
            stream.write_all(&chunk).await.unwrap();
        }
        stream.write_all(b"0\r\n\r\n").await.unwrap();
    });
    let mut answer = kit.get(&format!("http://127.0.0.1:{port}/")).await.unwrap();
    assert_eq!(answer.body.recv().await.unwrap().unwrap(), "one");
    go.send(()).await.unwrap();
    assert_eq!(answer.body.recv().await.unwrap().unwrap(), "two");
    go.send(()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!server.is_finished(), "an unread body is not taken in");
    let mut rest = 0;
    while let Some(chunk) = answer.body.recv().await {
        rest += chunk.unwrap().len();
    }
    assert_eq!(rest, 512 * 0x10000);
    server.await.unwrap();
}

#[tokio::test]
async fn an_answer_cut_off_is_a_fault_not_an_end() {
    for answer in [
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf".as_slice(),
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab",
    ] {
        let (kit, port) = (Kit::new(), once(answer).await);
        kit.allow("127.0.0.1", port, true, false);
        let answer = kit.get(&format!("http://127.0.0.1:{port}/")).await.unwrap();
        assert_eq!(text(answer).await.err().unwrap().code, ErrorCode::EgressFailed);
    }
    for answer in [
        b"".as_slice(),
        b"no http at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-le",
    ] {
        let (kit, port) = (Kit::new(), once(answer).await);
        kit.allow("127.0.0.1", port, true, false);
        let fault = kit.get(&format!("http://127.0.0.1:{port}/")).await.err().unwrap();
        assert_eq!(fault.code, ErrorCode::EgressFailed);
        assert!(!fault.message.contains("sesame"));
    }
}

/// A server that answers one request with these bytes and closes.
async fn once(answer: &'static [u8]) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_head(&mut stream).await;
        let _ = stream.write_all(answer).await;
    });
    port
}

#[tokio::test]
async fn headers_of_an_answer_are_limited() {
    let many: String = (0..150).map(|place| format!("x-{place}: 1\r\n")).collect();
    let large = format!("x-large: {}\r\n", "y".repeat(80 * 1024));
    let server = Server::new(move |head| {
        let headers = if head.contains("/many") { &many } else { &large };
        format!("HTTP/1.1 200 OK\r\n{headers}content-length: 0\r\n\r\n").into_bytes()
    })
    .await;
    let kit = Kit::new();
    kit.allow("127.0.0.1", server.port, true, false);
    for path in ["/many", "/large"] {
        assert_eq!(
            kit.get(&server.url(path)).await.err().unwrap().code,
            ErrorCode::EgressFailed,
            "{path}"
        );
    }
}

#[tokio::test]
async fn cancelling_ends_every_stage() {
    let kit = Kit::new();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    kit.allow("127.0.0.1", port, true, false);
    let url = format!("http://127.0.0.1:{port}/");
    let before = CancellationToken::new();
    before.cancel();
    assert_eq!(
        kit.egress.http(get(&url), before).await.err().unwrap().code,
        ErrorCode::Canceled
    );
    assert!(kit.ledger.shown().is_empty());

    // While the answer is awaited: the connection closes.
    let cancel = CancellationToken::new();
    let call = kit.egress.http(get(&url), cancel.clone());
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_head(&mut stream).await.unwrap();
        cancel.cancel();
        stream
    };
    let (answer, mut stream) = tokio::join!(call, serve);
    assert_eq!(answer.err().unwrap().code, ErrorCode::Canceled);
    assert_eq!(stream.read(&mut [0; 8]).await.unwrap_or(0), 0);

    // While the body comes, read or not.
    for chunks in [1, 2_000] {
        let cancel = CancellationToken::new();
        let call = kit.egress.http(get(&url), cancel.clone());
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_head(&mut stream).await.unwrap();
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
                .await
                .unwrap();
            stream
        };
        let (answer, mut stream) = tokio::join!(call, serve);
        let mut answer = answer.unwrap();
        let writer = tokio::spawn(async move {
            let chunk = [b"4000\r\n".as_slice(), &[b'x'; 0x4000], b"\r\n"].concat();
            for _ in 0..chunks {
                if stream.write_all(&chunk).await.is_err() {
                    return;
                }
            }
            let _ = stream.read(&mut [0; 8]).await;
        });
        tokio::time::sleep(Duration::from_millis(50)).await;
        cancel.cancel();
        writer.await.unwrap();
        let mut last = None;
        while let Some(chunk) = answer.body.recv().await {
            last = Some(chunk);
        }
        assert_eq!(
            last.unwrap().err().unwrap().code,
            ErrorCode::Canceled,
            "{chunks} chunks"
        );
    }
}

#[tokio::test]
async fn dropping_the_body_closes_the_connection() {
    let kit = Kit::new();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    kit.allow("127.0.0.1", port, true, false);
    let url = format!("http://127.0.0.1:{port}/");
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_head(&mut stream).await.unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n")
            .await
            .unwrap();
        stream
    };
    let (answer, mut stream) = tokio::join!(kit.get(&url), serve);
    drop(answer);
    assert_eq!(stream.read(&mut [0; 8]).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn what_cannot_be_sent_is_named_without_its_value() {
    let (kit, server) = (Kit::new(), Server::new(|_| ok("in")).await);
    kit.allow("127.0.0.1", server.port, true, false);
    for (name, value) in [
        ("authorization", "Bearer sesame\r\nx: y"),
        ("bad name", "sesame"),
        ("host", "sesame.example"),
        ("Transfer-Encoding", "sesame"),
    ] {
        let mut request = get(&server.url("/"));
        request.headers = vec![(name.to_owned(), Secret::new(value.as_bytes().to_vec()))];
        let fault = kit.egress.http(request, CancellationToken::new()).await.err().unwrap();
        assert_eq!(fault.code, ErrorCode::InvalidArguments);
        assert!(
            fault.message.contains(name) && !fault.message.contains("sesame"),
            "{fault}"
        );
    }
    let mut request = get(&server.url("/"));
    request.method = "CONNECT";
    assert_eq!(
        kit.egress
            .http(request, CancellationToken::new())
            .await
            .err()
            .unwrap()
            .code,
        ErrorCode::InvalidArguments
    );
    let fault = kit.get("http://sesame:open@127.0.0.1/?key=sesame").await.err().unwrap();
    assert!(!fault.message.contains("sesame"), "{fault}");
    assert!(kit.ledger.shown().iter().all(|line| !line.contains("sesame")));
    assert_eq!(server.asked(), 0);
}

#[tokio::test]
async fn a_post_goes_whole_and_is_not_turned_into_a_get() {
    let server = Server::new(|head| match head.split(' ').nth(1).unwrap() {
        "/moved" => moved(302, "/elsewhere"),
        path => ok(path),
    })
    .await;
    let kit = Kit::new();
    kit.allow("127.0.0.1", server.port, true, false);
    let mut post = get(&server.url("/moved"));
    post.method = "POST";
    post.body = Bytes::new();
    let fault = kit.egress.http(post, CancellationToken::new()).await.err().unwrap();
    assert_eq!(fault.code, ErrorCode::EgressFailed);
    assert_eq!(server.asked(), 1);

    let echo = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = echo.local_addr().unwrap().port();
    kit.allow("127.0.0.1", port, true, false);
    let mut post = get(&format!("http://127.0.0.1:{port}/"));
    post.method = "POST";
    post.body = Bytes::from_static(b"{\"a\":1}");
    let serve = async {
        let (mut stream, _) = echo.accept().await.unwrap();
        let head = read_head(&mut stream).await.unwrap();
        assert!(
            head.starts_with("POST / HTTP/1.1") && head.contains("content-length: 7"),
            "{head}"
        );
        let mut body = [0; 7];
        stream.read_exact(&mut body).await.unwrap();
        stream
            .write_all(&ok(std::str::from_utf8(&body).unwrap()))
            .await
            .unwrap();
    };
    let (answer, ()) = tokio::join!(kit.egress.http(post, CancellationToken::new()), serve);
    assert_eq!(text(answer.unwrap()).await.unwrap(), "{\"a\":1}");
}

#[tokio::test]
async fn the_next_address_is_tried_when_one_cannot_be_reached() {
    let (kit, server) = (Kit::new(), Server::new(|_| ok("in")).await);
    // The server listens on 127.0.0.1 only.
    kit.names.set("two.example", &["127.0.0.77", "127.0.0.1"]);
    kit.allow("two.example", server.port, true, false);
    let answer = kit.get(&format!("http://two.example:{}/", server.port)).await.unwrap();
    assert_eq!(text(answer).await.unwrap(), "in");
    assert_eq!(kit.ledger.shown().len(), 2);
    assert!(server.heads.lock().unwrap()[0].contains(&format!("host: two.example:{}", server.port)));
    kit.names.set("gone.example", &["127.0.0.77"]);
    kit.allow("gone.example", server.port, true, false);
    let fault = kit
        .get(&format!("http://gone.example:{}/", server.port))
        .await
        .err()
        .unwrap();
    assert_eq!(fault.code, ErrorCode::EgressFailed);
}

#[tokio::test]
async fn https_is_not_spoken_with_a_server_without_a_certificate() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let kit = Kit::new();
    kit.allow("127.0.0.1", port, true, false);
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(&ok("plain")).await.unwrap();
        let mut said = Vec::new();
        let _ = stream.read_to_end(&mut said).await;
        assert!(!said.windows(6).any(|part| part == b"sesame"));
    };
    let url = format!("https://127.0.0.1:{port}/");
    tokio::select! {
        answer = kit.get(&url) => {
            let fault = answer.err().unwrap();
            assert_eq!(fault.code, ErrorCode::EgressTls, "{fault:?}");
        }
        () = serve => panic!("the connection ended without an answer"),
    }
}

#[tokio::test]
async fn a_listener_for_a_child_takes_connections() {
    let kit = Kit::new();
    let (listener, port) = kit.egress.listen_loopback().unwrap();
    let listener = std::net::TcpListener::from(listener);
    assert!(listener.local_addr().unwrap().ip().is_loopback());
    listener.set_nonblocking(true).unwrap();
    let listener = TcpListener::from_std(listener).unwrap();
    kit.allow("127.0.0.1", port, true, false);
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_head(&mut stream).await.unwrap();
        stream.write_all(&ok("child")).await.unwrap();
        stream
    };
    let url = format!("http://127.0.0.1:{port}/");
    let (answer, _stream) = tokio::join!(kit.get(&url), serve);
    assert_eq!(text(answer.unwrap()).await.unwrap(), "child");
}
