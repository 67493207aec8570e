//! A ledger in memory, names by table, and servers on the loopback.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use openwrap_contracts::event::StoredEvent;
use openwrap_contracts::event::{Event, Fact};
use openwrap_contracts::ports::{
    CancellationToken, Clock, Dialer, HttpRequest, HttpResponse, Ledger, Secret, Tail, Task,
};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use openwrap_egress::{AllowRule, Egress, Names};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub const PURPOSE: &str = "model:test";
pub const RUN: &str = "run_1";

#[derive(Default)]
pub struct MemoryLedger {
    pub events: Mutex<Vec<Event>>,
    pub full: std::sync::atomic::AtomicBool,
}

impl Ledger for MemoryLedger {
    fn append(&self, events: Vec<Event>) -> Task<'_, Outcome<Vec<StoredEvent>>> {
        Box::pin(async move {
            // Others get to run: what must wait for the disk has to wait.
            tokio::task::yield_now().await;
            if self.full.load(Ordering::Relaxed) {
                return Err(Fault::new(ErrorCode::StorageFailed, "the disk is full"));
            }
            self.events.lock().unwrap().extend(events);
            Ok(Vec::new())
        })
    }

    fn read(&self, _: u64, _: Option<String>, _: usize) -> Task<'_, Outcome<Vec<StoredEvent>>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn head(&self) -> (u64, [u8; 32]) {
        (0, [0; 32])
    }

    fn tail(&self) -> Tail {
        tokio::sync::broadcast::channel(1).1
    }
}

impl MemoryLedger {
    /// `+host:port address` and `-host:port reason`, with the run.
    pub fn shown(&self) -> Vec<String> {
        let events = self.events.lock().unwrap();
        let show = |event: &Event| {
            let run = event.run_id.clone().unwrap_or_default();
            match &event.fact {
                Fact::Connected {
                    host,
                    port,
                    address,
                    purpose,
                } => format!("+{host}:{port} {address} {purpose} {run}"),
                Fact::ConnectionRefused {
                    host,
                    port,
                    reason,
                    purpose,
                } => {
                    format!("-{host}:{port} {reason} {purpose} {run}")
                }
                other => format!("{other:?}"),
            }
        };
        events.iter().map(show).collect()
    }
}

#[derive(Default)]
pub struct HandClock(pub AtomicI64);

impl Clock for HandClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Names by table; every question is counted.
#[derive(Default)]
pub struct TableNames {
    pub table: Mutex<HashMap<String, Vec<IpAddr>>>,
    /// Where a public address really lies in a test.
    pub places: Mutex<HashMap<SocketAddr, SocketAddr>>,
    pub asked: AtomicUsize,
}

impl TableNames {
    pub fn set(&self, host: &str, addresses: &[&str]) {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        self.table.lock().unwrap().insert(host.to_owned(), addresses);
    }
}

impl Names for TableNames {
    fn addresses<'a>(&'a self, host: &'a str) -> Task<'a, Outcome<Vec<IpAddr>>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let found = self.table.lock().unwrap().get(host).cloned();
        Box::pin(async move { found.ok_or_else(|| Fault::new(ErrorCode::EgressFailed, "no such name")) })
    }

    fn dialed(&self, checked: SocketAddr) -> SocketAddr {
        self.places.lock().unwrap().get(&checked).copied().unwrap_or(checked)
    }
}

pub struct Kit {
    pub egress: Arc<Egress>,
    pub ledger: Arc<MemoryLedger>,
    pub names: Arc<TableNames>,
    pub clock: Arc<HandClock>,
}

impl Kit {
    pub fn new() -> Self {
        let (ledger, names, clock) = (
            Arc::<MemoryLedger>::default(),
            Arc::<TableNames>::default(),
            Arc::<HandClock>::default(),
        );
        let egress = Egress::with_names(ledger.clone(), clock.clone(), names.clone()).unwrap();
        Self {
            egress,
            ledger,
            names,
            clock,
        }
    }

    pub fn allow(&self, host: &str, port: u16, loopback: bool, private: bool) {
        self.egress.allow(AllowRule {
            purpose: PURPOSE.to_owned(),
            host: host.to_owned(),
            port,
            loopback,
            private,
        });
    }

    pub async fn get(&self, url: &str) -> Outcome<HttpResponse> {
        self.egress.http(get(url), CancellationToken::new()).await
    }
}

pub fn get(url: &str) -> HttpRequest {
    HttpRequest {
        method: "GET",
        url: url.to_owned(),
        headers: vec![("authorization".to_owned(), Secret::new(b"Bearer sesame-open".to_vec()))],
        body: Bytes::new(),
        purpose: PURPOSE.to_owned(),
        run_id: Some(RUN.to_owned()),
    }
}

pub async fn text(mut response: HttpResponse) -> Outcome<String> {
    let mut all = Vec::new();
    while let Some(chunk) = response.body.recv().await {
        all.extend_from_slice(&chunk?);
    }
    Ok(String::from_utf8(all).unwrap())
}

/// A server that answers each request by `answer(head)`, keeping connections open.
pub struct Server {
    pub port: u16,
    pub heads: Arc<Mutex<Vec<String>>>,
    pub connections: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub async fn new(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (heads, connections) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<AtomicUsize>::default());
        let (seen, count, answer) = (heads.clone(), connections.clone(), Arc::new(answer));
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                let (seen, answer) = (seen.clone(), answer.clone());
                tokio::spawn(async move {
                    while let Some(head) = read_head(&mut stream).await {
                        seen.lock().unwrap().push(head.clone());
                        if stream.write_all(&answer(&head)).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self {
            port,
            heads,
            connections,
            task,
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub fn asked(&self) -> usize {
        self.heads.lock().unwrap().len()
    }
}

pub async fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8(head).unwrap())
}

pub fn ok(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

pub fn moved(status: u16, location: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} Moved\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n").into_bytes()
}
