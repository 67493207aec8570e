//! Messages over a child's pipes, one a line. Everything a child sends is bounded: whoever floods, or sends what is no message, is cut off.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use openwrap_contracts::limits::{MCP_GARBAGE_LINES_MAX, MCP_MESSAGE_BYTES_MAX, MCP_NOISE_BYTES_MAX};
use openwrap_contracts::ports::CancellationToken;
use rmcp::RoleClient;
use rmcp::model::{CallToolResult, JsonRpcResponse, ServerJsonRpcMessage, ServerNotification, ServerResult};
use rmcp::service::TxJsonRpcMessage;
use rmcp::transport::Transport;
use tokio::sync::mpsc;

/// What the two ends of a connection know of each other.
#[derive(Default)]
pub struct Watch {
    /// The server said that its tools changed; set before any later message is seen.
    pub stale: AtomicBool,
    /// Bytes said unasked since the last call.
    noise: AtomicUsize,
    garbage: AtomicUsize,
    why: OnceLock<String>,
    /// Cancelled when the connection is over, whoever ended it.
    pub over: CancellationToken,
}

impl Watch {
    /// Ends the connection; the first reason stays.
    pub fn cut(&self, why: impl Into<String>) {
        let _ = self.why.set(why.into());
        self.over.cancel();
    }

    pub fn why(&self) -> Option<&str> {
        self.why.get().map(String::as_str)
    }

    /// A call begins: what was said before it is forgiven.
    pub fn calm(&self) {
        self.noise.store(0, Ordering::Relaxed);
    }

    /// Counts what nobody asked for. False when it was too much.
    pub fn noise(&self, bytes: usize) -> bool {
        let all = self.noise.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if all > MCP_NOISE_BYTES_MAX {
            self.cut(format!(
                "it said more than {MCP_NOISE_BYTES_MAX} bytes that nobody asked for"
            ));
            return false;
        }
        true
    }
}

/// The child does not read any more.
#[derive(Debug)]
pub struct Gone;

impl std::fmt::Display for Gone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the server has ended")
    }
}

impl std::error::Error for Gone {}

/// A child's standard input and output.
pub struct Pipes {
    stdin: mpsc::Sender<Bytes>,
    stdout: mpsc::Receiver<Bytes>,
    /// What was read and is no whole line yet, and how much of it was looked through.
    line: Vec<u8>,
    chunk: Bytes,
    watch: Arc<Watch>,
}

impl Pipes {
    pub fn new(stdin: mpsc::Sender<Bytes>, stdout: mpsc::Receiver<Bytes>, watch: Arc<Watch>) -> Self {
        Self {
            stdin,
            stdout,
            line: Vec::new(),
            chunk: Bytes::new(),
            watch,
        }
    }

    /// The next line without its end; none when the connection is over. May be dropped and called again.
    async fn next_line(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(end) = self.chunk.iter().position(|byte| *byte == b'\n') {
                let rest = self.chunk.split_to(end + 1);
                let rest = &rest[..end];
                if self.line.len() + rest.len() > MCP_MESSAGE_BYTES_MAX {
                    return self.too_long();
                }
                let mut line = std::mem::take(&mut self.line);
                line.extend_from_slice(rest);
                return Some(line);
            }
            if self.line.len() + self.chunk.len() > MCP_MESSAGE_BYTES_MAX {
                return self.too_long();
            }
            self.line.extend_from_slice(&self.chunk);
            self.chunk = Bytes::new();
            let watch = Arc::clone(&self.watch);
            tokio::select! {
                biased;
                () = watch.over.cancelled() => return None,
                chunk = self.stdout.recv() => match chunk {
                    Some(chunk) => self.chunk = chunk,
                    None => {
                        self.watch.cut("it ended");
                        return None;
                    }
                },
            }
        }
    }

    fn too_long(&mut self) -> Option<Vec<u8>> {
        self.line = Vec::new();
        self.chunk = Bytes::new();
        self.watch
            .cut(format!("it sent a message of more than {MCP_MESSAGE_BYTES_MAX} bytes"));
        None
    }

    /// Reads a line as a message; counts what is none, and what nobody asked for.
    fn message(&self, line: &[u8]) -> Option<ServerJsonRpcMessage> {
        let Ok(message) = read(line) else {
            let lines = self.watch.garbage.fetch_add(1, Ordering::Relaxed) + 1;
            if lines > MCP_GARBAGE_LINES_MAX {
                self.watch.cut(format!(
                    "it sent more than {MCP_GARBAGE_LINES_MAX} lines that are no messages"
                ));
            }
            self.watch.noise(line.len());
            return None;
        };
        match &message {
            ServerJsonRpcMessage::Notification(notice) => {
                if matches!(notice.notification, ServerNotification::ToolListChangedNotification(_)) {
                    self.watch.stale.store(true, Ordering::Release);
                }
                self.watch.noise(line.len());
            }
            ServerJsonRpcMessage::Request(_) => {
                self.watch.noise(line.len());
            }
            ServerJsonRpcMessage::Response(_) | ServerJsonRpcMessage::Error(_) => {}
        }
        Some(message)
    }
}

/// Nearly every line is the result of a call, so that is tried first: the general form tries twenty others one after the other.
fn read(line: &[u8]) -> serde_json::Result<ServerJsonRpcMessage> {
    if let Ok(JsonRpcResponse { jsonrpc, id, result }) = serde_json::from_slice::<JsonRpcResponse<CallToolResult>>(line)
    {
        let result = ServerResult::CallToolResult(result);
        return Ok(ServerJsonRpcMessage::Response(JsonRpcResponse { jsonrpc, id, result }));
    }
    serde_json::from_slice(line)
}

impl Transport<RoleClient> for Pipes {
    type Error = Gone;

    fn send(&mut self, item: TxJsonRpcMessage<RoleClient>) -> impl Future<Output = Result<(), Gone>> + Send + 'static {
        let stdin = self.stdin.clone();
        let line = serde_json::to_vec(&item).map(|mut line| {
            line.push(b'\n');
            Bytes::from(line)
        });
        async move {
            let line = line.map_err(|_| Gone)?;
            stdin.send(line).await.map_err(|_| Gone)
        }
    }

    async fn receive(&mut self) -> Option<ServerJsonRpcMessage> {
        loop {
            let line = self.next_line().await?;
            if line.iter().all(u8::is_ascii_whitespace) {
                if !self.watch.noise(line.len() + 1) {
                    return None;
                }
                continue;
            }
            if let Some(message) = self.message(&line) {
                return Some(message);
            }
            if self.watch.over.is_cancelled() {
                return None;
            }
        }
    }

    async fn close(&mut self) -> Result<(), Gone> {
        self.watch.cut("it was ended");
        Ok(())
    }
}
