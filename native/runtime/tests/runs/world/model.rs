//! A model provider on loopback TCP: each request is read, handed to a script, and answered as a stream.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What a request asks for, read from its messages.
#[derive(Debug, Clone)]
pub struct Asked {
    pub role: String,
    /// Task id for a worker, empty for planner and answer.
    pub task: String,
    /// Answers the model gave in this conversation so far.
    pub turn: usize,
    /// Texts of the results after the last answer.
    pub results: Vec<String>,
    /// First message.
    pub opening: String,
    /// What the person said in the middle, so far.
    pub told: Vec<String>,
    /// Arguments of the calls to write a file, so far.
    pub written: Vec<String>,
}

/// An answer: words and calls `(tool, arguments)`.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    pub text: String,
    pub calls: Vec<(String, Value)>,
}

impl Reply {
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            calls: Vec::new(),
        }
    }

    pub fn call(tool: &str, arguments: Value) -> Self {
        Self {
            text: String::new(),
            calls: vec![(tool.to_owned(), arguments)],
        }
    }
}

/// What a provider counts, and whether it breaks off in the middle.
#[derive(Debug, Clone, Copy)]
pub struct Bill {
    /// Tokens read and written; none: it does not tell.
    pub usage: Option<(u32, u32)>,
    pub cut: bool,
}

/// Counts a request by its body.
pub type Counter = Arc<dyn Fn(&str) -> Bill + Send + Sync>;

pub type Script = Arc<dyn Fn(&Asked) -> Reply + Send + Sync>;

pub struct Model {
    pub port: u16,
    pub calls: Arc<AtomicUsize>,
    /// Longest wait before an answer, in microseconds; each wait is drawn from the seed.
    pub latency_us: Arc<AtomicU64>,
    pub seed: Arc<AtomicU64>,
    pub script: Arc<Mutex<Script>>,
    /// Role, task or `task.turn` whose answers are kept back; empty: nobody's.
    pub hold: Arc<Mutex<String>>,
    /// Without one, every request is ten tokens read and five written.
    pub counter: Arc<Mutex<Option<Counter>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Model {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone)]
struct Stage {
    calls: Arc<AtomicUsize>,
    latency_us: Arc<AtomicU64>,
    seed: Arc<AtomicU64>,
    script: Arc<Mutex<Script>>,
    hold: Arc<Mutex<String>>,
    counter: Arc<Mutex<Option<Counter>>>,
}

impl Model {
    pub async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let stage = Stage {
            calls: Arc::default(),
            latency_us: Arc::default(),
            seed: Arc::new(AtomicU64::new(1)),
            script: Arc::new(Mutex::new(script)),
            hold: Arc::default(),
            counter: Arc::default(),
        };
        let playing = stage.clone();
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, playing.clone()));
            }
        });
        Self {
            port,
            calls: stage.calls,
            latency_us: stage.latency_us,
            seed: stage.seed,
            script: stage.script,
            hold: stage.hold,
            counter: stage.counter,
            task,
        }
    }
}

async fn serve(socket: TcpStream, stage: Stage) {
    let _ = socket.set_nodelay(true);
    let mut socket = BufReader::new(socket);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if socket.read_line(&mut head).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let length = head
            .to_ascii_lowercase()
            .lines()
            .find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok())
            .unwrap_or(0);
        let mut body = vec![0; length];
        if socket.read_exact(&mut body).await.is_err() {
            return;
        }
        stage.calls.fetch_add(1, Ordering::Relaxed);
        let request: Value = serde_json::from_slice(&body).unwrap();
        let latency = stage.latency_us.load(Ordering::Relaxed);
        if latency > 0 {
            tokio::time::sleep(Duration::from_micros(draw(&stage.seed) % latency)).await;
        }
        let asked = read_request(&request);
        let turn = format!("{}.{}", asked.task, asked.turn);
        let held = |hold: &str| !hold.is_empty() && (asked.role == hold || asked.task == hold || turn == hold);
        while held(&stage.hold.lock().unwrap().clone()) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let script = Arc::clone(&stage.script.lock().unwrap());
        let counter = stage.counter.lock().unwrap().clone();
        let bill = counter.map(|counter| counter(&String::from_utf8_lossy(&body)));
        let mut answer = stream_of(&script(&asked), bill);
        let length = answer.len();
        if bill.is_some_and(|bill| bill.cut) {
            answer.truncate(answer.find("\n\n").unwrap_or(0));
        }
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {}\r\n\r\n",
            length
        );
        let cut = answer.len() < length;
        if socket.write_all(format!("{head}{answer}").as_bytes()).await.is_err() || cut {
            return;
        }
    }
}

/// xorshift64: enough to shuffle timings, and the same for the same seed.
fn draw(seed: &AtomicU64) -> u64 {
    let mut next = seed.load(Ordering::Relaxed).max(1);
    next ^= next << 13;
    next ^= next >> 7;
    next ^= next << 17;
    seed.store(next, Ordering::Relaxed);
    next
}

fn read_request(request: &Value) -> Asked {
    let messages = request["messages"].as_array().unwrap();
    let text = |message: &Value| message["content"].as_str().unwrap_or_default().to_owned();
    let system = text(&messages[0]);
    let opening = text(&messages[1]);
    let role = system.lines().next().unwrap().trim_start_matches("Role: ").to_owned();
    let task = opening
        .lines()
        .find_map(|line| line.strip_prefix("id: "))
        .unwrap_or_default()
        .to_owned();
    let said = |message: &&Value| message["role"] == "assistant";
    let told = |message: &Value| {
        let text = text(message);
        let parts = text.split("# Message from the person\n").skip(1);
        parts.map(|part| part.trim().to_owned()).collect::<Vec<String>>()
    };
    let written = |message: &Value| {
        let calls = message["tool_calls"].as_array().cloned().unwrap_or_default();
        let calls = calls
            .into_iter()
            .filter(|call| call["function"]["name"] == "file_write");
        calls
            .map(|call| call["function"]["arguments"].as_str().unwrap_or_default().to_owned())
            .collect::<Vec<String>>()
    };
    let last = messages.iter().rposition(|message| message["role"] == "assistant");
    Asked {
        role,
        task,
        turn: messages.iter().filter(said).count(),
        results: last.map_or(Vec::new(), |last| messages[last + 1..].iter().map(text).collect()),
        opening,
        told: messages[2.min(messages.len())..].iter().flat_map(told).collect(),
        written: messages.iter().flat_map(written).collect(),
    }
}

fn stream_of(reply: &Reply, bill: Option<Bill>) -> String {
    let mut events = Vec::new();
    let chunk = |delta: Value| json!({ "choices": [{ "index": 0, "delta": delta, "finish_reason": null }] });
    if !reply.text.is_empty() {
        events.push(chunk(json!({ "content": reply.text })));
    }
    for (index, (tool, arguments)) in reply.calls.iter().enumerate() {
        let name = tool.replace(['.', ':'], "_");
        events.push(chunk(json!({ "tool_calls": [{
            "index": index, "id": format!("c{index}"), "type": "function",
            "function": { "name": name, "arguments": arguments.to_string() },
        }] })));
    }
    let why = if reply.calls.is_empty() { "stop" } else { "tool_calls" };
    events.push(json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": why }] }));
    let usage = bill.map_or(Some((10, 5)), |bill| bill.usage);
    if let Some((read, written)) = usage {
        events.push(json!({ "choices": [], "usage": { "prompt_tokens": read, "completion_tokens": written } }));
    }
    let mut text: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    text.push_str("data: [DONE]\n\n");
    text
}
