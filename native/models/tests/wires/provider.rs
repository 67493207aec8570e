//! A provider played byte by byte over real TCP, and the plain dialer, vault and text sink that reach it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use openwrap_contracts::identity::{Origin, Source, StepRef};
use openwrap_contracts::model::{
    Message, MessageRole, ModelCall, ModelRequest, Part, ProviderConfig, ProviderKind, ToolOffer,
};
use openwrap_contracts::ports::{CancellationToken, Dialer, HttpRequest, HttpResponse, Secret, Task, TextSink, Vault};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use openwrap_models::{ModelFabric, Times};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

pub const KEY: &str = "sk-canary/Zx+9\"8_77\\aQ";

/// What the provider does with one request.
#[derive(Clone)]
pub enum Act {
    /// These chunks, then the end.
    Stream(Vec<Vec<u8>>),
    /// These chunks, then the connection is gone.
    Cut(Vec<Vec<u8>>),
    /// These chunks, then nothing more.
    Hang(Vec<Vec<u8>>),
    /// Status, further header lines, body.
    Answer(u16, &'static str, String),
    /// As `Stream`, under these header lines.
    Under(&'static str, Vec<Vec<u8>>),
    /// The connection is closed without a byte.
    Close,
}

/// Requests as they arrived.
#[derive(Default)]
pub struct Heard {
    pub requests: Mutex<Vec<(String, Value)>>,
}

pub struct Provider {
    pub kind: ProviderKind,
    pub port: u16,
    pub heard: Arc<Heard>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Provider {
    /// Plays the acts one a request; the last one goes on for ever.
    pub async fn start(acts: Vec<Act>) -> Self {
        Self::of(ProviderKind::Openai, acts).await
    }

    /// As `start`, of another kind.
    pub async fn of(kind: ProviderKind, acts: Vec<Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Heard::default());
        let ear = Arc::clone(&heard);
        let mut acts: VecDeque<Act> = acts.into();
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let act = if acts.len() > 1 {
                    acts.pop_front()
                } else {
                    acts.front().cloned()
                };
                tokio::spawn(play(socket, act.unwrap(), Arc::clone(&ear)));
            }
        });
        Self {
            kind,
            port,
            heard,
            task,
        }
    }

    pub fn config(&self) -> ProviderConfig {
        ProviderConfig {
            provider_id: "p".to_owned(),
            kind: self.kind,
            base_url: format!("http://127.0.0.1:{}/v1/", self.port),
            auth_ref: Some("p".to_owned()),
            model_ids: vec!["m".to_owned()],
            default_model_id: None,
            prices: Vec::new(),
        }
    }

    pub fn fabric(&self, times: Times) -> Arc<ModelFabric> {
        let fabric = ModelFabric::with_times(Arc::new(PlainDialer), Arc::new(OneKey), times);
        fabric.set_providers(vec![self.config()]);
        fabric
    }
}

async fn play(mut socket: TcpStream, act: Act, heard: Arc<Heard>) {
    let mut reader = BufReader::new(&mut socket);
    let (head, body) = read_message(&mut reader).await;
    heard
        .requests
        .lock()
        .unwrap()
        .push((head, serde_json::from_slice(&body).unwrap_or_default()));
    let mut lines = "content-type: text/event-stream\r\n";
    let (chunks, whole, stays) = match act {
        Act::Close => return,
        Act::Answer(status, more, body) => {
            let length = body.len();
            let text = format!("HTTP/1.1 {status} X\r\n{more}content-length: {length}\r\n\r\n{body}");
            let _ = socket.write_all(text.as_bytes()).await;
            return;
        }
        Act::Under(others, chunks) => {
            lines = others;
            (chunks, true, false)
        }
        Act::Stream(chunks) => (chunks, true, false),
        Act::Cut(chunks) => (chunks, false, false),
        Act::Hang(chunks) => (chunks, false, true),
    };
    let mut text = format!("HTTP/1.1 200 OK\r\n{lines}transfer-encoding: chunked\r\n\r\n").into_bytes();
    for chunk in chunks.iter().filter(|chunk| !chunk.is_empty()) {
        text.extend(format!("{:x}\r\n", chunk.len()).bytes());
        text.extend(chunk);
        text.extend(b"\r\n");
    }
    if whole {
        text.extend(b"0\r\n\r\n");
    }
    let _ = socket.write_all(&text).await;
    if stays {
        let _ = socket.read(&mut [0]).await;
    }
}

/// Head and the body its `content-length` announces.
async fn read_message(reader: &mut (impl AsyncBufReadExt + Unpin)) -> (String, Vec<u8>) {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).await.unwrap_or(0) == 0 {
            return (head, Vec::new());
        }
    }
    let length = head
        .to_ascii_lowercase()
        .lines()
        .find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).await.unwrap();
    (head, body)
}

/// HTTP/1.1 over plain TCP: every chunk of a chunked body is handed on as it is.
pub struct PlainDialer;

impl Dialer for PlainDialer {
    fn http(&self, request: HttpRequest, _cancel: CancellationToken) -> Task<'_, Outcome<HttpResponse>> {
        Box::pin(async move {
            let failed = |what: String| Fault::new(ErrorCode::EgressFailed, what);
            let rest = request.url.strip_prefix("http://").unwrap();
            let (host, path) = rest.split_once('/').unwrap();
            let mut socket = TcpStream::connect(host)
                .await
                .map_err(|error| failed(error.to_string()))?;
            let mut text = format!("{} /{path} HTTP/1.1\r\nhost: {host}\r\n", request.method).into_bytes();
            for (name, value) in &request.headers {
                text.extend(format!("{name}: ").bytes());
                text.extend(value.expose());
                text.extend(b"\r\n");
            }
            text.extend(format!("content-length: {}\r\n\r\n", request.body.len()).bytes());
            text.extend(&request.body);
            socket
                .write_all(&text)
                .await
                .map_err(|error| failed(error.to_string()))?;
            let mut reader = BufReader::new(socket);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if reader.read_line(&mut head).await.unwrap_or(0) == 0 {
                    return Err(failed("the connection was closed".to_owned()));
                }
            }
            let mut lines = head.lines();
            let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
            let headers: Vec<(String, String)> = lines
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
            let (sender, body) = mpsc::channel(4);
            tokio::spawn(forward(reader, headers.clone(), sender));
            Ok(HttpResponse { status, headers, body })
        })
    }
}

async fn forward(
    mut reader: BufReader<TcpStream>,
    headers: Vec<(String, String)>,
    sender: mpsc::Sender<Outcome<Bytes>>,
) {
    let length = headers.iter().find(|(name, _)| name == "content-length");
    if let Some((_, length)) = length {
        let mut body = vec![0; length.parse().unwrap()];
        reader.read_exact(&mut body).await.unwrap();
        let _ = sender.send(Ok(body.into())).await;
        return;
    }
    loop {
        let mut line = String::new();
        let size = match reader.read_line(&mut line).await {
            Ok(read) if read > 0 => usize::from_str_radix(line.trim(), 16).unwrap(),
            _ => {
                let fault = Fault::new(ErrorCode::EgressFailed, "the connection broke");
                let _ = sender.send(Err(fault)).await;
                return;
            }
        };
        let mut chunk = vec![0; size + 2];
        if reader.read_exact(&mut chunk).await.is_err() || size == 0 {
            return;
        }
        chunk.truncate(size);
        if sender.send(Ok(chunk.into())).await.is_err() {
            return;
        }
    }
}

struct OneKey;

impl Vault for OneKey {
    fn open(&self, _name: &str) -> Task<'_, Outcome<Secret>> {
        Box::pin(async { Ok(Secret::new(format!("{KEY}\n").into_bytes())) })
    }
}

/// Keeps the text as a page would: each delta cuts at its offset and goes on there.
#[derive(Default)]
pub struct Shown {
    pub text: Mutex<String>,
    pub all: Mutex<String>,
}

impl TextSink for Shown {
    fn delta(&self, _run_id: &str, _step: &StepRef, offset: usize, text: &str) {
        let mut shown = self.text.lock().unwrap();
        assert!(offset == 0 || offset == shown.len(), "gap or repeat at {offset}");
        shown.truncate(offset);
        shown.push_str(text);
        self.all.lock().unwrap().push_str(text);
    }
}

pub fn call() -> ModelCall {
    let offer = |name: &str| ToolOffer {
        name: name.to_owned(),
        wire_name: openwrap_contracts::model::wire_name(name),
        description: "d".to_owned(),
        input_schema: json!({ "type": "object" }),
    };
    ModelCall {
        run_id: "run".to_owned(),
        step: StepRef {
            task_id: "t".to_owned(),
            attempt: 1,
            step: 3,
        },
        meter: None,
        request: Arc::new(ModelRequest {
            route: "p/m".to_owned(),
            system: "Role: developer".to_owned(),
            messages: vec![Message {
                role: MessageRole::User,
                parts: vec![Part::Text {
                    text: "# Goal".to_owned(),
                    origin: Origin {
                        source: Source::Core,
                        name: "prompt".to_owned(),
                    },
                    labels: Vec::new(),
                }],
            }],
            tools: vec![offer("file.read"), offer("file.write")],
            max_output_tokens: 99,
        }),
    }
}

/// The wire text of an answer with words and two interleaved calls.
pub fn answer_bytes() -> Vec<u8> {
    let chunk = |delta: Value| json!({ "choices": [{ "index": 0, "delta": delta, "finish_reason": null }] });
    let piece = |index: u32, id: Option<&str>, name: Option<&str>, arguments: &str| {
        let mut call = json!({ "index": index, "function": { "arguments": arguments } });
        if let (Some(id), Some(name)) = (id, name) {
            call["id"] = json!(id);
            call["function"]["name"] = json!(name);
        }
        chunk(json!({ "tool_calls": [call] }))
    };
    let events = [
        chunk(json!({ "role": "assistant", "content": "" })),
        chunk(json!({ "content": "Größe" })),
        chunk(json!({ "content": " 1\n" })),
        piece(0, Some("x"), Some("file_read"), ""),
        piece(0, None, None, "{\"path\":"),
        piece(1, Some("y"), Some("file_write"), "{\"path\":\"b\",\"content\":\"ü\"}"),
        piece(0, None, None, "\"a\"}"),
        json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": "tool_calls" }] }),
        json!({ "choices": [], "usage": { "prompt_tokens": 7, "completion_tokens": 5 } }),
    ];
    let mut text: String = events.iter().map(|event| format!("data: {event}\r\n\r\n")).collect();
    text.push_str("data: [DONE]\n\n");
    text.into_bytes()
}

/// The same answer on the wire of messages.
pub fn message_bytes() -> Vec<u8> {
    let delta = |index: u32, delta: Value| json!({ "type": "content_block_delta", "index": index, "delta": delta });
    let words = |text: &str| delta(0, json!({ "type": "text_delta", "text": text }));
    let input = |index: u32, text: &str| delta(index, json!({ "type": "input_json_delta", "partial_json": text }));
    let start =
        |index: u32, block: Value| json!({ "type": "content_block_start", "index": index, "content_block": block });
    let stop = |index: u32| json!({ "type": "content_block_stop", "index": index });
    let call = |id: &str, name: &str| json!({ "type": "tool_use", "id": id, "name": name, "input": {} });
    let usage = json!({ "input_tokens": 7, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 20, "output_tokens": 1 });
    [
        json!({ "type": "message_start", "message": { "id": "msg_1", "role": "assistant", "content": [], "usage": usage } }),
        start(0, json!({ "type": "text", "text": "" })),
        json!({ "type": "ping" }),
        words("Größe"),
        words(" 1\n"),
        stop(0),
        start(1, call("toolu_1", "file_read")),
        input(1, ""),
        input(1, "{\"path\":"),
        input(1, "\"a\"}"),
        stop(1),
        start(2, call("toolu_2", "file_write")),
        input(2, "{\"path\":\"b\",\"content\":\"ü\"}"),
        stop(2),
        json!({ "type": "message_delta", "delta": { "stop_reason": "tool_use", "stop_sequence": null }, "usage": { "output_tokens": 5 } }),
        json!({ "type": "message_stop" }),
    ]
    .iter()
    .map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap()))
    .collect::<String>()
    .into_bytes()
}
