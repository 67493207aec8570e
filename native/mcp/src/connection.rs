//! The client's side of one server process. The library's types stay in here; callers see boxed futures.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use openwrap_contracts::limits::{MCP_DEFINITIONS_BYTES_MAX, MCP_LOG_BYTES_MAX, MCP_TOOLS_MAX};
use openwrap_contracts::ports::{CancellationToken, Task};
use openwrap_contracts::spawn::{Child, ChildControl, OutputStream};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use rmcp::RoleClient;
use rmcp::model::{
    CallToolRequest, CallToolRequestParams, CallToolResult, ClientCapabilities, ClientConfig, ClientRequest,
    Implementation, JsonObject, ListToolsRequest, PaginatedRequestParams, ServerResult, Tool,
};
use rmcp::service::{ClientInitializeError, PeerRequestOptions, RequestHandle, RunningService, ServiceError};
use serde_json::Value;

use crate::inert::{visible, visible_line};
use crate::servers::Waits;
use crate::transport::{Pipes, Watch};

/// Characters of a server's own words in a fault.
const WORDS_CHARS_MAX: usize = 500;
/// How long a server may take to hear that a call is not wanted any more.
const CANCEL_NOTICE: Duration = Duration::from_millis(500);

/// What of a child is needed to end it, and the end of its standard error.
pub struct Connection {
    service: RunningService<RoleClient, ClientConfig>,
    control: Arc<dyn ChildControl>,
    watch: Arc<Watch>,
    log: Arc<Log>,
    waits: Waits,
}

/// The end of a standard error.
#[derive(Default)]
pub struct Log(std::sync::Mutex<Vec<u8>>);

impl Log {
    fn add(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        kept.extend_from_slice(bytes);
        let over = kept.len().saturating_sub(MCP_LOG_BYTES_MAX);
        kept.drain(..over);
    }

    /// What was said last, inert.
    pub fn text(&self) -> String {
        let kept = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        visible(String::from_utf8_lossy(&kept).trim(), MCP_LOG_BYTES_MAX)
    }
}

fn client() -> ClientConfig {
    // No roots, no sampling, no elicitation: nothing of the person's is offered to a server.
    ClientConfig::new(
        ClientCapabilities::default(),
        Implementation::new("openwrap", env!("CARGO_PKG_VERSION")),
    )
}

/// Shakes hands with a started child, which is ended when that fails.
pub fn connect(child: Child, waits: Waits) -> Task<'static, Outcome<Connection>> {
    Box::pin(async move {
        let Child {
            stdout,
            stderr,
            stdin,
            control,
            ..
        } = child;
        let control: Arc<dyn ChildControl> = Arc::from(control);
        let Some(stdin) = stdin else {
            control.kill();
            return Err(Fault::internal("an MCP server was started without standard input"));
        };
        let (watch, log) = (Arc::new(Watch::default()), Arc::new(Log::default()));
        tokio::spawn(keep_log(stderr, Arc::clone(&log), Arc::clone(&watch)));
        // Whoever cuts the connection ends the process with it.
        let (over, bound) = (watch.over.clone(), Arc::clone(&control));
        tokio::spawn(async move {
            over.cancelled().await;
            bound.kill();
        });
        let pipes = Pipes::new(stdin, stdout.chunks, Arc::clone(&watch));
        let shaken = tokio::time::timeout(waits.start, rmcp::service::serve_client(client(), pipes)).await;
        let fault = match shaken {
            Ok(Ok(service)) => {
                return Ok(Connection {
                    service,
                    control,
                    watch,
                    log,
                    waits,
                });
            }
            Ok(Err(error)) => handshake_failed(&error, &watch),
            Err(_) => Fault::new(
                ErrorCode::Timeout,
                format!(
                    "the server did not answer within {} ms of its start",
                    waits.start.as_millis()
                ),
            ),
        };
        watch.cut("it did not come up");
        control.kill();
        let _ = control.wait().await;
        Err(with_log(fault, &log))
    })
}

async fn keep_log(stderr: OutputStream, log: Arc<Log>, watch: Arc<Watch>) {
    let mut chunks = stderr.chunks;
    while let Some(chunk) = chunks.recv().await {
        log.add(&chunk);
        if !watch.noise(chunk.len()) {
            return;
        }
    }
}

fn handshake_failed(error: &ClientInitializeError, watch: &Watch) -> Fault {
    let why = match error {
        ClientInitializeError::JsonRpcError(said) => {
            format!(
                "it refused the connection: {}",
                visible_line(&said.message, WORDS_CHARS_MAX)
            )
        }
        ClientInitializeError::ConnectionClosed(_) => watch.why().unwrap_or("it ended").to_owned(),
        _ => watch
            .why()
            .unwrap_or("it did not speak the Model Context Protocol")
            .to_owned(),
    };
    Fault::new(ErrorCode::ExecutionFailed, format!("the server did not come up: {why}"))
}

/// The last line of what it said on standard error, which mostly is the reason.
fn with_log(mut fault: Fault, log: &Log) -> Fault {
    let text = log.text();
    if let Some(last) = text.lines().rev().find(|line| !line.trim().is_empty()) {
        fault.message = format!("{} (it said: {})", fault.message, visible_line(last, WORDS_CHARS_MAX));
    }
    fault
}

impl Connection {
    /// Everything the server offers, page by page.
    pub fn tools(&self) -> Task<'_, Outcome<Vec<Tool>>> {
        Box::pin(async move {
            self.watch.calm();
            // Before the question: what changes while it is answered is asked for again.
            self.watch.stale.store(false, Ordering::Release);
            let read = tokio::time::timeout(self.waits.start, self.pages()).await;
            read.unwrap_or_else(|_| {
                Err(Fault::new(
                    ErrorCode::Timeout,
                    format!(
                        "the server did not list its tools within {} ms",
                        self.waits.start.as_millis()
                    ),
                ))
            })
        })
    }

    async fn pages(&self) -> Outcome<Vec<Tool>> {
        let mut tools = Vec::new();
        let mut cursor = None;
        loop {
            let from = PaginatedRequestParams::default().with_cursor(cursor.take());
            let request = ListToolsRequest::with_param(from);
            let answer = self.ask(ClientRequest::ListToolsRequest(request)).await?;
            let page = match self.answer(answer.await_response().await)? {
                ServerResult::ListToolsResult(page) => page,
                _ => return Err(misspoke("its list of tools cannot be read")),
            };
            // A page without tools and with a cursor would go on for ever.
            let empty = page.tools.is_empty();
            tools.extend(page.tools);
            if tools.len() > MCP_TOOLS_MAX {
                return Err(Fault::new(
                    ErrorCode::LimitExceeded,
                    format!("the server offers more than {MCP_TOOLS_MAX} tools"),
                ));
            }
            cursor = page.next_cursor.filter(|_| !empty);
            let long = cursor
                .as_ref()
                .is_some_and(|next| next.len() > MCP_DEFINITIONS_BYTES_MAX);
            if cursor.is_none() || long {
                return Ok(tools);
            }
        }
    }

    /// One call of a tool.
    ///
    /// # Errors
    /// `CANCELED`, `TIMEOUT`, `EXECUTION_FAILED` (the server is gone, or what it answered is no result).
    pub fn call(
        &self,
        tool: &str,
        arguments: JsonObject,
        cancel: CancellationToken,
    ) -> Task<'_, Outcome<CallToolResult>> {
        let params = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        Box::pin(async move {
            self.watch.calm();
            let deadline = tokio::time::Instant::now() + self.waits.call;
            let request = ClientRequest::CallToolRequest(CallToolRequest::new(params));
            let mut handle = tokio::select! {
                biased;
                () = cancel.cancelled() => return Err(Fault::canceled()),
                asked = self.ask(request) => asked?,
                () = tokio::time::sleep_until(deadline) => return Err(self.too_slow()),
            };
            let answered = tokio::select! {
                biased;
                () = cancel.cancelled() => None,
                answer = &mut handle.rx => Some(answer.unwrap_or(Err(ServiceError::TransportClosed))),
                () = tokio::time::sleep_until(deadline) => {
                    unwanted(handle).await;
                    return Err(self.too_slow());
                }
            };
            let Some(answer) = answered else {
                unwanted(handle).await;
                return Err(Fault::canceled());
            };
            match self.answer(answer)? {
                ServerResult::CallToolResult(result) => Ok(result),
                ServerResult::EmptyResult(_) => Ok(CallToolResult::default()),
                ServerResult::InputRequiredResult(_) => {
                    Err(misspoke("the tool asks a person for input, which a worker cannot give"))
                }
                ServerResult::CreateTaskResult(_) => {
                    Err(misspoke("the tool works in the background, which is not supported"))
                }
                _ => Err(misspoke("what it answered is no result of a tool")),
            }
        })
    }

    async fn ask(&self, request: ClientRequest) -> Outcome<RequestHandle<RoleClient>> {
        let asked = self
            .service
            .peer()
            .send_cancellable_request(request, PeerRequestOptions::no_options())
            .await;
        asked.map_err(|error| self.failed(&error))
    }

    fn answer(&self, answer: Result<ServerResult, ServiceError>) -> Outcome<ServerResult> {
        answer.map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &ServiceError) -> Fault {
        match error {
            ServiceError::McpError(said) => Fault::new(
                ErrorCode::ExecutionFailed,
                format!("the server refused: {}", visible_line(&said.message, WORDS_CHARS_MAX)),
            ),
            ServiceError::Cancelled { .. } => misspoke("it dropped the call"),
            _ => {
                let why = self.watch.why().unwrap_or("it ended");
                let fault = Fault::new(ErrorCode::ExecutionFailed, format!("the server is gone: {why}"));
                with_log(fault, &self.log)
            }
        }
    }

    fn too_slow(&self) -> Fault {
        Fault::new(
            ErrorCode::Timeout,
            format!("the tool did not answer within {} ms", self.waits.call.as_millis()),
        )
    }

    /// Whether it said that its tools changed since they were last read.
    pub fn is_stale(&self) -> bool {
        self.watch.stale.load(Ordering::Acquire)
    }

    pub fn is_over(&self) -> bool {
        self.watch.over.is_cancelled() || self.service.is_closed()
    }

    /// Done when the connection is over, whoever ended it.
    pub fn over(&self) -> CancellationToken {
        self.watch.over.clone()
    }

    pub fn log(&self) -> String {
        self.log.text()
    }

    /// Ends the process and all it started; answers when nothing of it is left.
    pub fn end(&self) -> Task<'_, ()> {
        Box::pin(async move {
            self.watch.cut("it was ended");
            self.control.kill();
            // The spawner answers once the tree is reaped; a lost spawner has none left.
            let _ = self.control.wait().await;
        })
    }
}

fn misspoke(what: &str) -> Fault {
    Fault::new(ErrorCode::ExecutionFailed, format!("the server: {what}"))
}

/// Tells the server that nobody waits any more; one that does not read is left alone.
async fn unwanted(handle: RequestHandle<RoleClient>) {
    let _ = tokio::time::timeout(CANCEL_NOTICE, handle.cancel(None)).await;
}

/// The text of a schema, annotation or content as plain JSON.
pub fn plain<T: serde::Serialize>(value: &T) -> Outcome<Value> {
    serde_json::to_value(value)
        .map_err(|error| Fault::internal(format!("a server's answer could not be kept: {error}")))
}
