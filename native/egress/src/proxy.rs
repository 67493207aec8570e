//! HTTP proxying for a confined browser: one request a connection, each decided by itself. A browser that is told `Connection: close`
//! comes again with a new one, so nothing of a second request can reach the server of the first.

use std::time::Duration;

use openwrap_contracts::network::Target;
use openwrap_contracts::ports::CancellationToken;
use openwrap_contracts::{ErrorCode, Fault};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, Interest};
use tokio::net::{TcpStream, UnixStream};

use crate::broker::{Dialed, Shared};
use crate::carry::carry;
use crate::target;

/// Request or status line and headers.
const HEAD_BYTES_MAX: usize = 64 * 1024;
const HEADERS_MAX: usize = 128;
/// A browser keeps connections ready; this long without a request.
const REQUEST_WAIT: Duration = Duration::from_secs(120);
/// From the request to the head of the answer.
const ANSWER_WAIT: Duration = Duration::from_secs(120);
/// Headers of one connection (RFC 9110, 7.6.1), and what names the proxy.
const OF_CONNECTION: [&str; 9] = [
    "connection",
    "proxy-connection",
    "keep-alive",
    "proxy-authorization",
    "proxy-authenticate",
    "te",
    "trailer",
    "upgrade",
    "http2-settings",
];

/// What a browser asks of a proxy.
#[derive(Debug, PartialEq, Eq)]
enum Request {
    /// `CONNECT`.
    Tunnel(Target),
    /// The head as the server gets it, and how many bytes follow.
    Plain {
        target: Target,
        head: Vec<u8>,
        body_bytes: u64,
        /// The answer has no body whatever its headers say.
        head_only: bool,
    },
}

/// A request that is answered here.
#[derive(Debug, PartialEq, Eq)]
struct Answered {
    status: &'static str,
    text: String,
    target: Option<Target>,
}

fn answered(status: &'static str, text: impl Into<String>) -> Answered {
    Answered {
        status,
        text: text.into(),
        target: None,
    }
}

fn bad(text: &str) -> Answered {
    answered("400 Bad Request", text)
}

/// Serves one request.
pub async fn serve(shared: &Shared, mut end: UnixStream, cancel: CancellationToken) {
    let read = tokio::time::timeout(REQUEST_WAIT, read_head(&mut end)).await;
    let Ok(Some((buffer, head_bytes))) = read else { return };
    let outcome = match request(&buffer[..head_bytes]) {
        Ok(request) => forward(shared, request, &buffer[head_bytes..], &mut end, &cancel).await,
        Err(answer) => Err(answer),
    };
    let (dialed, rest, request) = match outcome {
        Ok(standing) => standing,
        Err(answer) => {
            if let Some(target) = &answer.target {
                shared.refuse(target, "an address that cannot be read").await;
            }
            refuse(&mut end, &answer).await;
            return;
        }
    };
    let Dialed { stream, place, .. } = dialed;
    let (Request::Tunnel(target) | Request::Plain { target, .. }) = &request;
    let target = target.clone();
    let carried = async {
        match request {
            Request::Tunnel(_) => tunnel(end, stream, &rest, cancel).await,
            Request::Plain {
                body_bytes, head_only, ..
            } => relay(end, stream, &rest, body_bytes, head_only).await,
        }
    };
    tokio::select! {
        () = shared.taken_back(&target) => {}
        () = carried => {}
    }
    drop(place);
}

type Standing = (Dialed, Vec<u8>, Request);

/// Dials for the request and sends its head.
async fn forward(
    shared: &Shared,
    request: Request,
    rest: &[u8],
    end: &mut UnixStream,
    cancel: &CancellationToken,
) -> Result<Standing, Answered> {
    let (Request::Tunnel(target) | Request::Plain { target, .. }) = &request;
    let dialed = tokio::select! {
        biased;
        () = cancel.cancelled() => Err(Fault::canceled()),
        // A browser that goes away is not waited for.
        () = gone(end) => Err(Fault::canceled()),
        dialed = shared.dial(target) => dialed,
    };
    let mut dialed = dialed.map_err(|fault| {
        let status = match fault.code {
            ErrorCode::EgressDenied => "403 Forbidden",
            ErrorCode::Timeout => "504 Gateway Timeout",
            ErrorCode::LimitExceeded => "503 Service Unavailable",
            _ => "502 Bad Gateway",
        };
        answered(status, fault.message)
    })?;
    if let Request::Plain { head, .. } = &request {
        let sent = dialed.stream.write_all(head).await;
        sent.map_err(|error| answered("502 Bad Gateway", error.to_string()))?;
    }
    Ok((dialed, rest.to_vec(), request))
}

/// Comes back when the browser has closed its side.
async fn gone(end: &UnixStream) {
    match end.ready(Interest::READABLE).await {
        Ok(ready) if ready.is_read_closed() => {}
        // It sends early what belongs to the body, so it is there.
        Ok(_) => std::future::pending().await,
        Err(_) => {}
    }
}

/// Reads up to the end of a head; with it what has come behind it, and where it ends.
async fn read_head(from: &mut (impl AsyncRead + Unpin)) -> Option<(Vec<u8>, usize)> {
    let mut buffer = Vec::with_capacity(4096);
    loop {
        let searched = buffer.len().saturating_sub(3);
        if from.read_buf(&mut buffer).await.ok()? == 0 {
            return None;
        }
        if let Some(at) = buffer[searched..].windows(4).position(|four| four == b"\r\n\r\n") {
            return Some((buffer, searched + at + 4));
        }
        if buffer.len() > HEAD_BYTES_MAX {
            return None;
        }
    }
}

/// Reads a request as a proxy gets it (RFC 9112, 3.2).
fn request(head: &[u8]) -> Result<Request, Answered> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut parsed = httparse::Request::new(&mut headers);
    if !matches!(parsed.parse(head), Ok(httparse::Status::Complete(_))) {
        return Err(bad("a request that cannot be read"));
    }
    let (method, address) = (parsed.method.unwrap_or_default(), parsed.path.unwrap_or_default());
    if method == "CONNECT" {
        return tunnel_to(address).map(Request::Tunnel);
    }
    let target = target::Target::parse(address).map_err(|unfit| Answered {
        target: (unfit.port != 0).then(|| Target {
            host: unfit.host.clone(),
            port: unfit.port,
        }),
        ..bad(unfit.reason)
    })?;
    if target.tls {
        return Err(bad("https goes through a tunnel"));
    }
    let body_bytes = body_bytes(parsed.headers)?;
    let url = &target.url;
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut out = format!(
        "{method} {}{query} HTTP/1.1\r\nHost: {}",
        url.path(),
        authority(&target)
    )
    .into_bytes();
    out.extend_from_slice(b"\r\n");
    copy_headers(parsed.headers, &["host"], &mut out);
    out.extend_from_slice(b"Connection: close\r\n\r\n");
    Ok(Request::Plain {
        head_only: method == "HEAD",
        target: Target {
            host: target.host,
            port: target.port,
        },
        head: out,
        body_bytes,
    })
}

fn authority(target: &target::Target) -> String {
    // With its brackets, and without the usual port.
    let host = target.url.host_str().unwrap_or_default();
    target
        .url
        .port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn tunnel_to(authority: &str) -> Result<Target, Answered> {
    let unfit = || bad("a tunnel to an address that cannot be read");
    // The port is always there (RFC 9110, 9.3.6), and nothing else may be.
    if authority.contains(['/', '?', '#', '@', '\\']) {
        return Err(unfit());
    }
    let (_, port) = authority.rsplit_once(':').ok_or_else(unfit)?;
    let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(unfit)?;
    let target = target::Target::parse(&format!("http://{authority}/")).map_err(|_| unfit())?;
    Ok(Target {
        host: target.host,
        port,
    })
}

fn body_bytes(headers: &[httparse::Header<'_>]) -> Result<u64, Answered> {
    let named = |name: &'static str| {
        headers
            .iter()
            .filter(move |header| header.name.eq_ignore_ascii_case(name))
    };
    if named("transfer-encoding").next().is_some() {
        return Err(answered("411 Length Required", "a body of unknown length"));
    }
    let mut lengths = named("content-length");
    match (lengths.next(), lengths.next()) {
        (None, _) => Ok(0),
        (Some(length), None) => number(length.value).ok_or_else(|| bad("a length that cannot be read")),
        _ => Err(bad("two lengths")),
    }
}

fn number(value: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(value).ok()?.trim();
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

/// Copies what is not of one connection, and not in `without`.
fn copy_headers(headers: &[httparse::Header<'_>], without: &[&str], out: &mut Vec<u8>) {
    let named: Vec<String> = headers
        .iter()
        .filter(|header| header.name.eq_ignore_ascii_case("connection"))
        .flat_map(|header| {
            let text = String::from_utf8_lossy(header.value).into_owned();
            text.split(',')
                .map(|name| name.trim().to_ascii_lowercase())
                .collect::<Vec<_>>()
        })
        // A body's length is not for a client to take away.
        .filter(|name| name != "content-length" && name != "transfer-encoding")
        .collect();
    for header in headers {
        let name = header.name.to_ascii_lowercase();
        let left_out =
            OF_CONNECTION.contains(&name.as_str()) || named.contains(&name) || without.contains(&name.as_str());
        if !left_out {
            out.extend_from_slice(header.name.as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(header.value);
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// A page of our own in the place of the refused one's: text, without a script, a cookie or an origin.
async fn refuse(end: &mut UnixStream, answer: &Answered) {
    let text = format!("{}\n", answer.text);
    let head = format!(
        "HTTP/1.1 {}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nContent-Security-Policy: sandbox\r\n\
         X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n",
        answer.status,
        text.len()
    );
    // Nobody may be there any more.
    let _ = end.write_all(head.as_bytes()).await;
    let _ = end.write_all(text.as_bytes()).await;
    let _ = end.shutdown().await;
}

async fn tunnel(mut end: UnixStream, mut upstream: TcpStream, early: &[u8], cancel: CancellationToken) {
    let opened = end.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await;
    if opened.is_err() || upstream.write_all(early).await.is_err() {
        return;
    }
    carry(end, upstream, cancel).await;
}

/// Sends the body up and the answer down until the answer is over or one side is gone.
async fn relay(end: UnixStream, upstream: TcpStream, early: &[u8], body_bytes: u64, head_only: bool) {
    let (mut from_end, mut to_end) = end.into_split();
    let (mut from_server, mut to_server) = upstream.into_split();
    let early = &early[..early.len().min(usize::try_from(body_bytes).unwrap_or(usize::MAX))];
    let up = async {
        let sent = async {
            to_server.write_all(early).await?;
            let left = body_bytes - early.len() as u64;
            tokio::io::copy(&mut (&mut from_end).take(left), &mut to_server).await
        };
        if sent.await.is_err() {
            // A server may answer without having read it all.
            std::future::pending::<()>().await;
        }
        // Nothing more goes up. What the browser does is only looked at for its end.
        let mut ignored = [0; 512];
        while from_end.read(&mut ignored).await.is_ok_and(|read| read > 0) {}
    };
    tokio::select! {
        biased;
        _ = answer(&mut from_server, &mut to_end, head_only) => {}
        () = up => {}
    }
}

/// Hands the answer on: its head with `Connection: close`, then its body as it is. Heads that only announce it are left out.
async fn answer(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    head_only: bool,
) -> Option<()> {
    let mut early = Vec::new();
    let (status, head, length, rest) = loop {
        let read = tokio::time::timeout(ANSWER_WAIT, read_head(&mut early.as_slice().chain(&mut *from))).await;
        let parsed = read.ok().flatten().and_then(|(buffer, head_bytes)| {
            let (status, head, length) = answer_head(&buffer[..head_bytes])?;
            Some((status, head, length, buffer[head_bytes..].to_vec()))
        });
        let Some((status, head, length, rest)) = parsed else {
            let none = "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            to.write_all(none.as_bytes()).await.ok()?;
            return to.shutdown().await.ok();
        };
        if !(100..200).contains(&status) {
            break (status, head, length, rest);
        }
        early = rest;
    };
    to.write_all(&head).await.ok()?;
    let bodiless = head_only || matches!(status, 204 | 304);
    match if bodiless { Some(0) } else { length } {
        Some(length) => {
            let mut whole = rest.as_slice().chain(from).take(length);
            tokio::io::copy(&mut whole, to).await.ok()?;
        }
        None => {
            tokio::io::copy(&mut rest.as_slice().chain(from), to).await.ok()?;
        }
    }
    to.shutdown().await.ok()
}

/// Status, the head as the browser gets it, and the body's length where it is said.
fn answer_head(head: &[u8]) -> Option<(u16, Vec<u8>, Option<u64>)> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut parsed = httparse::Response::new(&mut headers);
    if !matches!(parsed.parse(head), Ok(httparse::Status::Complete(_))) {
        return None;
    }
    let status = parsed.code?;
    let mut out = format!("HTTP/1.1 {status} {}\r\n", parsed.reason.unwrap_or_default()).into_bytes();
    copy_headers(parsed.headers, &[], &mut out);
    out.extend_from_slice(b"Connection: close\r\n\r\n");
    let chunked = parsed
        .headers
        .iter()
        .any(|header| header.name.eq_ignore_ascii_case("transfer-encoding"));
    let length = parsed
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"))
        .and_then(|header| number(header.value));
    Some((status, out, length.filter(|_| !chunked)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn plain(text: &str) -> (Target, String, u64) {
        match request(text.as_bytes()).unwrap() {
            Request::Plain {
                target,
                head,
                body_bytes,
                ..
            } => (target, String::from_utf8(head).unwrap(), body_bytes),
            Request::Tunnel(target) => (target, "tunnel".to_owned(), 0),
        }
    }

    #[test]
    fn requests_lose_what_is_of_the_connection() {
        let (target, head, body) = plain(
            "POST http://User.Test:8080/a?b=1#c HTTP/1.1\r\nHost: other.test\r\nProxy-Connection: keep-alive\r\n\
             Connection: x-mine, content-length\r\nX-Mine: 1\r\nX-Kept: 2\r\nUpgrade: h2c\r\nContent-Length: 12\r\n\r\n",
        );
        assert_eq!((target.host.as_str(), target.port, body), ("user.test", 8080, 12));
        assert_eq!(
            head,
            "POST /a?b=1 HTTP/1.1\r\nHost: user.test:8080\r\nX-Kept: 2\r\nContent-Length: 12\r\nConnection: close\r\n\r\n"
        );
    }

    #[test]
    fn tunnels_go_to_a_host_and_port_and_nothing_else() {
        let (target, ..) = plain("CONNECT Secure.Test:443 HTTP/1.1\r\n\r\n");
        assert_eq!((target.host.as_str(), target.port), ("secure.test", 443));
        let (target, ..) = plain("CONNECT [::1]:80 HTTP/1.1\r\n\r\n");
        assert_eq!((target.host.as_str(), target.port), ("::1", 80));
        for bad in [
            "secure.test",
            "a.test:0",
            "a.test:80/x",
            "u@a.test:80",
            "a.test:80:81",
            ":80",
        ] {
            let text = format!("CONNECT {bad} HTTP/1.1\r\n\r\n");
            assert!(request(text.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_answered() {
        for text in [
            "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
            "GET https://a.test/ HTTP/1.1\r\n\r\n",
            "GET ftp://a.test/ HTTP/1.1\r\n\r\n",
            "GET http://u:p@a.test/ HTTP/1.1\r\n\r\n",
            "POST http://a.test/ HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            "POST http://a.test/ HTTP/1.1\r\nContent-Length: +1\r\n\r\n",
            "POST http://a.test/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "nonsense\r\n\r\n",
        ] {
            assert!(request(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn an_answer_is_handed_on_without_its_announcements() {
        let from = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 4\r\n\r\nbodyHTTP/1.1 200";
        let mut to = Vec::new();
        answer(&mut &from[..], &mut to, false).await.unwrap();
        assert_eq!(
            String::from_utf8(to).unwrap(),
            "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody"
        );
    }
}
