//! One HTTP exchange with one checked address.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use openwrap_contracts::ports::{CancellationToken, HttpResponse, Secret};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Response};
use tokio::sync::mpsc;

use crate::address::plain;
use crate::target::{Target, check_header};

const CONNECT_MAX: Duration = Duration::from_secs(10);
const IDLE_MAX: Duration = Duration::from_secs(60);
const IDLE_CONNECTIONS_MAX: usize = 64;
/// Chunks of a body waiting for the reader.
const CHUNKS_WAITING: usize = 8;
const HEADERS_MAX: usize = 100;
const HEADER_BYTES_MAX: usize = 64 * 1024;

/// A client that can only reach one address of one host.
pub fn client(target: &Target, address: IpAddr) -> Outcome<Client> {
    let pinned = Pinned {
        host: target.host.clone(),
        address: SocketAddr::new(address, target.port),
    };
    let builder = Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .user_agent(concat!("openwrap/", env!("CARGO_PKG_VERSION")))
        .dns_resolver(pinned)
        .connect_timeout(CONNECT_MAX)
        .pool_idle_timeout(IDLE_MAX)
        .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
        .tcp_nodelay(true);
    let builder = if target.tls {
        builder
            .https_only(true)
            .http2_max_header_list_size(HEADER_BYTES_MAX as u32)
    } else {
        // Without roots nothing is read from the system.
        builder.http1_only().tls_certs_only([])
    };
    builder.build().map_err(|error| {
        let message = format!("no connection to `{}` can be made: {}", target.host, causes(&error));
        Fault::new(ErrorCode::EgressFailed, message)
            .with_hint("Install the system's certificates (package `ca-certificates`).")
    })
}

struct Pinned {
    host: String,
    address: SocketAddr,
}

impl Resolve for Pinned {
    fn resolve(&self, name: Name) -> Resolving {
        let answer = if name.as_str() == self.host {
            let addresses: Addrs = Box::new(std::iter::once(self.address));
            Ok(addresses)
        } else {
            Err("another host than the checked one".into())
        };
        Box::pin(std::future::ready(answer))
    }
}

/// A request in the form it is sent in, as often as its redirects need.
pub struct Outgoing {
    pub method: Method,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Outgoing {
    /// # Errors
    /// `INVALID_ARGUMENTS` naming the method or header; never a header's value.
    pub fn new(method: &str, headers: &[(String, Secret)], body: Bytes) -> Outcome<Self> {
        let method = match method {
            "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" => {
                Method::from_bytes(method.as_bytes()).map_err(|_| Fault::invalid("method cannot be sent"))?
            }
            other => return Err(Fault::invalid(format!("method `{}` is not sent", other.escape_debug()))),
        };
        let mut map = HeaderMap::with_capacity(headers.len());
        for (name, value) in headers {
            let shown = name.escape_debug();
            check_header(name)?;
            let key = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| Fault::invalid(format!("`{shown}` is no header name")))?;
            let mut value = HeaderValue::from_bytes(value.expose())
                .map_err(|_| Fault::invalid(format!("the value of the header `{shown}` cannot be sent")))?;
            value.set_sensitive(true);
            map.append(key, value);
        }
        Ok(Self {
            method,
            headers: map,
            body,
        })
    }
}

/// How a try with one address failed.
pub enum Failed {
    /// Nothing was sent: another address may do.
    Unreached(Fault),
    Broken(Fault),
}

/// Sends the request and waits for the answer's headers.
pub async fn send(client: &Client, target: &Target, address: IpAddr, outgoing: &Outgoing) -> Result<Response, Failed> {
    let request = client
        .request(outgoing.method.clone(), target.url.clone())
        .headers(outgoing.headers.clone())
        .body(outgoing.body.clone());
    let response = request.send().await.map_err(|error| {
        let place = format!("`{}` port {} ({address})", target.host, target.port);
        if error.is_connect() {
            let code = if error.is_timeout() {
                ErrorCode::Timeout
            } else if is_tls(&error) {
                ErrorCode::EgressTls
            } else {
                ErrorCode::EgressFailed
            };
            Failed::Unreached(Fault::new(
                code,
                format!("{place} cannot be reached: {}", causes(&error)),
            ))
        } else {
            let message = format!("{place} gave no answer: {}", causes(&error));
            Failed::Broken(Fault::new(ErrorCode::EgressFailed, message))
        }
    })?;
    let reached = response.remote_addr().map(|reached| plain(reached.ip()));
    if reached != Some(plain(address)) {
        return Err(Failed::Broken(Fault::internal(
            "a connection led to another address than was checked",
        )));
    }
    Ok(response)
}

/// The answer with its body as a stream.
pub fn stream(response: Response, cancel: CancellationToken) -> Outcome<HttpResponse> {
    let status = response.status().as_u16();
    let headers = headers_of(&response)?;
    let (chunks, body) = mpsc::channel(CHUNKS_WAITING);
    tokio::spawn(pump(response, chunks, cancel));
    Ok(HttpResponse { status, headers, body })
}

fn headers_of(response: &Response) -> Outcome<Vec<(String, String)>> {
    let headers = response.headers();
    let bytes: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    if headers.len() > HEADERS_MAX || bytes > HEADER_BYTES_MAX {
        return Err(Fault::new(
            ErrorCode::EgressFailed,
            format!("the answer has more than {HEADERS_MAX} headers or {HEADER_BYTES_MAX} bytes of them"),
        ));
    }
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Ok(headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), text(value)))
        .collect())
}

/// Hands chunks over as fast as they are taken. Dropping the receiver closes the connection.
async fn pump(mut response: Response, chunks: mpsc::Sender<Outcome<Bytes>>, cancel: CancellationToken) {
    loop {
        let next = tokio::select! {
            biased;
            () = cancel.cancelled() => Some(Err(Fault::canceled())),
            () = chunks.closed() => None,
            chunk = response.chunk() => chunk.map_err(|error| broken(&error)).transpose(),
        };
        let last = match next {
            None => return,
            Some(Err(fault)) => fault,
            Some(Ok(chunk)) => tokio::select! {
                biased;
                taken = chunks.send(Ok(chunk)) => {
                    if taken.is_err() {
                        return;
                    }
                    continue;
                }
                () = cancel.cancelled() => Fault::canceled(),
            },
        };
        // The connection goes at once; the reader is told when it comes back, since a body that just ends looks whole.
        drop(response);
        let _ = chunks.send(Err(last)).await;
        return;
    }
}

fn broken(error: &reqwest::Error) -> Fault {
    Fault::new(
        ErrorCode::EgressFailed,
        format!("the answer ended early: {}", causes(error)),
    )
}

/// The connection was made, but not the agreement on TLS: certificate, version, or no TLS at all.
fn is_tls(error: &reqwest::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(error);
    while let Some(inner) = cause {
        if inner.is::<rustls::Error>() {
            return true;
        }
        // An I/O error does not tell what it carries as its cause.
        let carried = inner.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        cause = match carried {
            Some(carried) => Some(carried),
            None => inner.source(),
        };
    }
    false
}

/// The innermost cause: outer ones repeat the address, which may carry what is not to be shown.
fn causes(error: &reqwest::Error) -> String {
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(error);
    let mut text = None;
    while let Some(inner) = cause {
        text = Some(inner.to_string());
        cause = inner.source();
    }
    text.unwrap_or_else(|| "no cause is known".to_owned())
}
