//! Where planted orders lie and where they lead: the reference site, a host nobody granted, a mail server. All on loopback, all counting.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What has reached a listener.
#[derive(Clone, Default)]
pub struct Reached {
    connections: Arc<AtomicUsize>,
    said: Arc<Mutex<Vec<String>>>,
}

impl Reached {
    /// Connections of any kind, also those that said nothing.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Requests or mails that hold the text.
    pub fn count(&self, text: &str) -> usize {
        self.said
            .lock()
            .unwrap()
            .iter()
            .filter(|said| {
                said.split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
                    .any(|word| word == text)
            })
            .count()
    }

    fn note(&self, said: String) {
        self.said.lock().unwrap().push(said);
    }
}

async fn bound() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// An HTTP server that answers the paths it knows, each with a whole raw answer, and everything else with `ok`.
pub async fn site(make: impl FnOnce(u16) -> HashMap<String, Vec<u8>>) -> (u16, Reached) {
    let (listener, port) = bound().await;
    let pages = Arc::new(make(port));
    let reached = Reached::default();
    let noted = reached.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            noted.connections.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(request(stream, Arc::clone(&pages), noted.clone()));
        }
    });
    (port, reached)
}

/// One request a connection.
async fn request(stream: TcpStream, pages: Arc<HashMap<String, Vec<u8>>>, noted: Reached) {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let length = head
        .to_ascii_lowercase()
        .lines()
        .find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok())
        .unwrap_or(0);
    let mut body = vec![0; length.min(100_000)];
    if stream.read_exact(&mut body).await.is_err() {
        return;
    }
    noted.note(format!(
        "{} {}",
        head.lines().next().unwrap(),
        String::from_utf8_lossy(&body)
    ));
    let path = head.split(' ').nth(1).unwrap_or_default();
    let unknown = answer("text/plain", "", b"ok");
    let answer = pages.get(path).unwrap_or(&unknown);
    let _ = stream.write_all(answer).await;
}

/// A whole answer; `head` has further header lines.
pub fn answer(kind: &str, head: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\n{head}content-length: {length}\r\nconnection: close\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

pub fn redirect(to: &str) -> Vec<u8> {
    format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").into_bytes()
}

/// A mail server; a mail counts once it was taken.
pub async fn post_office() -> (u16, Reached) {
    let (listener, port) = bound().await;
    let reached = Reached::default();
    let noted = reached.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            noted.connections.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(mail(stream, noted.clone()));
        }
    });
    (port, reached)
}

async fn mail(stream: TcpStream, noted: Reached) {
    let mut stream = BufReader::new(stream);
    let _ = stream.write_all(b"220 post.test ready\r\n").await;
    let (mut line, mut text, mut in_mail) = (String::new(), String::new(), false);
    while stream.read_line(&mut line).await.unwrap_or(0) > 0 {
        let said = std::mem::take(&mut line);
        if in_mail && said != ".\r\n" {
            text.push_str(&said);
            continue;
        }
        let answer = match said.get(..4).map(str::to_ascii_uppercase).as_deref() {
            Some("DATA") => {
                in_mail = true;
                "354 go on\r\n"
            }
            Some("QUIT") => "221 bye\r\n",
            _ if in_mail => {
                in_mail = false;
                noted.note(std::mem::take(&mut text));
                "250 taken\r\n"
            }
            _ => "250 ok\r\n",
        };
        let _ = stream.write_all(answer.as_bytes()).await;
    }
}
