//! A broker of one name, and servers on the loopback.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use openwrap_contracts::network::{Broker, Target};
use openwrap_contracts::ports::{CancellationToken, Task};
use openwrap_contracts::tools_user::as_tools;
use openwrap_contracts::{ErrorCode, Fault, Outcome};

pub const GRANTED: &str = "granted.test";

/// Takes connections at `address` to itself; the rest is refused.
pub struct OneName {
    pub address: SocketAddr,
    pub asked: Mutex<BTreeSet<String>>,
    pub refused: Mutex<BTreeSet<String>>,
}

impl OneName {
    pub fn new(address: SocketAddr) -> Arc<Self> {
        Arc::new(Self {
            address,
            asked: Mutex::default(),
            refused: Mutex::default(),
        })
    }

    async fn join(&self, end: OwnedFd) -> Outcome<IpAddr> {
        let failed = |error: std::io::Error| Fault::new(ErrorCode::EgressFailed, error.to_string());
        let mut server = tokio::net::TcpStream::connect(self.address).await.map_err(failed)?;
        let end = std::os::unix::net::UnixStream::from(end);
        end.set_nonblocking(true).map_err(failed)?;
        let mut end = tokio::net::UnixStream::from_std(end).map_err(failed)?;
        tokio::spawn(async move { tokio::io::copy_bidirectional(&mut end, &mut server).await });
        Ok(self.address.ip())
    }
}

impl Broker for OneName {
    fn resolves(&self, host: &str) -> bool {
        self.asked.lock().unwrap().insert(host.to_owned());
        host == GRANTED
    }

    fn permits(&self, target: &Target) -> bool {
        target.host == GRANTED && target.port == self.address.port()
    }

    fn connect(&self, target: Target, end: OwnedFd, _: CancellationToken) -> Task<'_, Outcome<IpAddr>> {
        Box::pin(async move {
            if self.permits(&target) {
                return self.join(end).await;
            }
            let place = format!("{}:{}", target.host, target.port);
            self.refused.lock().unwrap().insert(place);
            Err(Fault::new(ErrorCode::EgressDenied, "not granted"))
        })
    }

    fn proxy(&self, end: OwnedFd, _: CancellationToken) -> Task<'_, ()> {
        Box::pin(async move { drop(self.join(end).await) })
    }
}

/// Serves files below a folder, and counts who came.
pub struct Files {
    pub address: SocketAddr,
    pub requests: Arc<Mutex<Vec<String>>>,
}

pub fn serve_files(folder: PathBuf) -> Files {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&requests);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (folder, seen) = (folder.clone(), Arc::clone(&seen));
            std::thread::spawn(move || answer(stream, &folder, &seen));
        }
    });
    Files { address, requests }
}

fn answer(mut stream: TcpStream, folder: &std::path::Path, seen: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap())
        .lines()
        .map_while(Result::ok);
    let first = lines.next().unwrap_or_default();
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    lines.take_while(|line| !line.is_empty()).for_each(drop);
    seen.lock().unwrap().push(path.clone());
    let path = path.split('?').next().unwrap_or_default().trim_matches('/');
    let page = if path.starts_with("simple/") {
        Ok(b"<a href=\"/tiny-1.0-py3-none-any.whl\">tiny-1.0-py3-none-any.whl</a>".to_vec())
    } else {
        as_tools(openwrap_sandbox::tools_ids(), || std::fs::read(folder.join(path)))
    };
    let (status, body) = match page {
        Ok(body) => ("200 OK", body),
        Err(_) => ("404 Not Found", b"none".to_vec()),
    };
    let kind = if path.starts_with("simple/") {
        "text/html"
    } else {
        "application/octet-stream"
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
}

/// A server nobody was granted: counts connections.
pub fn serve_nobody(address: &str) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(address).unwrap();
    let address = listener.local_addr().unwrap();
    let hits = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&hits);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            count.fetch_add(1, Ordering::SeqCst);
            let _ = stream.read(&mut [0; 64]);
        }
    });
    (address, hits)
}
