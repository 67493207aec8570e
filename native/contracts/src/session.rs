//! Sessions: live surfaces that people watch and drive, who drives them, and the frames they give.

use std::sync::Arc;

use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use crate::fault::Outcome;
use crate::identity::Actor;
use crate::ports::{CancellationToken, Task};
use crate::spawn::{Child, ExitStatus, TerminalSize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SessionKind {
    Terminal,
    Browser,
    File,
}

/// `created → active → paused ⇄ active → closed`, nothing else. Paused: a person drives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SessionStatus {
    Created,
    Active,
    Paused,
    Closed,
}

/// A session as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    pub session_id: String,
    pub kind: SessionKind,
    pub status: SessionStatus,
    pub run_id: String,
    pub task_id: String,
    /// One line: the command, the page's title.
    pub title: String,
    /// Device of the person who drives; none: the worker does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controller_id: Option<String>,
    pub created_at: i64,
    pub updated_at: i64,
}

/// The right to drive a session, until it is handed back, the session closes, or the holder says nothing for `LEASE_IDLE_MS`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Lease {
    pub session_id: String,
    /// Not guessable; every input carries it, and one of an older lease is refused.
    pub token: String,
    /// Grows with every lease of the session.
    pub fence: u32,
}

/// What the driver does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(
    tag = "kind",
    rename_all = "snake_case",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum SessionInput {
    /// Typed or pasted text; a terminal takes it as it is, escape sequences of keys included.
    Text {
        text: String,
    },
    /// A key of a browser page. `key` and `code` as in DOM events.
    Key {
        down: bool,
        key: String,
        code: String,
        modifiers: u8,
    },
    /// A pointer of a browser page, in its CSS pixels. `button` 0 none, 1 left, 2 middle, 3 right.
    Pointer {
        act: PointerAct,
        x: f64,
        y: f64,
        button: u8,
        clicks: u8,
        modifiers: u8,
    },
    Wheel {
        x: f64,
        y: f64,
        delta_x: f64,
        delta_y: f64,
    },
    /// The address bar of a browser.
    Navigate {
        url: String,
    },
    /// -1 back, 0 reload, 1 forward.
    History {
        step: i8,
    },
    /// Brings a tab to the front.
    Tab {
        tab: u32,
    },
    /// A terminal's size, or a page's in CSS pixels.
    Resize {
        columns: u16,
        rows: u16,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PointerAct {
    Move,
    Down,
    Up,
}

/// All of a surface as it is now: what a late joiner starts from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum SurfaceView {
    /// `screen`: bytes that paint it on a fresh terminal of this size, scrollback first, base64. `offset`: bytes of output it covers.
    Terminal {
        size: TerminalSize,
        screen: String,
        offset: u64,
    },
    Browser {
        url: String,
        title: String,
        width: u32,
        height: u32,
        tabs: Vec<TabView>,
        /// The page's accessibility tree as text, for people who do not see pixels.
        text: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TabView {
    pub tab: u32,
    pub url: String,
    pub title: String,
    pub front: bool,
}

/// A piece of a surface's life, shown but not a fact.
#[derive(Debug, Clone)]
pub enum SurfaceFrame {
    /// Output of a terminal; `offset` counts the session's bytes before these.
    Terminal { offset: u64, bytes: Bytes },
    /// A whole picture of a page; only the newest matters.
    Picture(Arc<Picture>),
    /// The view changed in a way frames do not carry (size, address, tabs): ask for it again.
    Changed,
}

/// One picture.
#[derive(Debug, Clone)]
pub struct Picture {
    /// `image/jpeg`, `image/png`.
    pub media_type: &'static str,
    pub bytes: Bytes,
    /// CSS pixels of the page that it shows.
    pub width: u32,
    pub height: u32,
    /// When it was taken, milliseconds since the epoch.
    pub taken_at: i64,
}

/// Frames of a surface from now on; one that falls behind asks for the view again.
pub type FrameReceiver = broadcast::Receiver<SurfaceFrame>;

/// A live thing a session shows: a terminal, a browser.
pub trait Surface: Send + Sync {
    /// What the driver did, in order.
    ///
    /// # Errors
    /// `INVALID_ARGUMENTS` (input this kind does not take), `INVALID_STATE` (it has ended), `EGRESS_DENIED`.
    fn input(&self, inputs: Vec<SessionInput>) -> Task<'_, Outcome<()>>;

    /// The whole of it now.
    ///
    /// # Errors
    /// `INVALID_STATE`.
    fn view(&self) -> Task<'_, Outcome<SurfaceView>>;

    /// Frames from now on.
    fn frames(&self) -> FrameReceiver;

    /// How many people look: a browser takes pictures only while somebody does, faster while a person drives.
    fn watched(&self, _watchers: usize, _driven: bool) {}

    /// What the worker should know of what happened since the last call (address, last lines); called as a person hands back. Nothing
    /// typed into a password field.
    fn since_taken(&self) -> Task<'_, String>;

    /// Ends it with all it started.
    fn close(&self) -> Task<'_, ()>;
}

/// A program in a terminal, for the tools that work with it.
pub trait ProgramTerminal: Surface {
    /// The visible lines as plain text, without blanks at their ends and empty lines below.
    fn text(&self) -> String;

    /// The last lines, those that scrolled away included.
    fn last_lines(&self, most: usize) -> String;

    /// How the program ended, once it has and all it printed is shown.
    fn ended(&self) -> Option<ExitStatus>;

    /// Waits for that.
    fn end(&self) -> Task<'_, Option<ExitStatus>>;

    /// What a program with pipes printed; line ends become those of a terminal.
    fn show(&self, output: &[u8]);
}

/// Makes terminals.
pub trait Terminals: Send + Sync {
    /// Takes over a child that was started with a terminal of this size.
    ///
    /// # Errors
    /// `INVALID_ARGUMENTS`.
    fn of_child(&self, child: Child, size: TerminalSize) -> Outcome<Arc<dyn ProgramTerminal>>;

    /// For programs with pipes: their output is shown, nothing is typed.
    ///
    /// # Errors
    /// `INVALID_ARGUMENTS`.
    fn of_pipes(&self, size: TerminalSize) -> Outcome<Arc<dyn ProgramTerminal>>;
}

/// A session to open.
#[derive(Debug, Clone)]
pub struct SessionSpec {
    pub run_id: String,
    pub project_id: String,
    pub task_id: String,
    pub attempt: u32,
    pub kind: SessionKind,
    pub title: String,
}

/// A person gave a session back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HandBack {
    pub session_id: String,
    pub kind: SessionKind,
    /// What the person wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// What the surface says changed.
    pub changed: String,
}

/// Every live session of the installation. Each change is an event in the ledger.
pub trait Sessions: Send + Sync {
    /// Opens a session over a surface; returns its id.
    ///
    /// # Errors
    /// `LIMIT_EXCEEDED`, `STORAGE_FAILED`.
    fn open(&self, spec: SessionSpec, surface: Arc<dyn Surface>) -> Task<'_, Outcome<String>>;

    /// The surface of a session of a task, for its tools.
    ///
    /// # Errors
    /// `NOT_FOUND` for one that is closed, or of another run.
    fn surface(&self, run_id: &str, session_id: &str) -> Outcome<Arc<dyn Surface>>;

    /// Another title (a page's).
    fn retitle(&self, session_id: &str, title: &str);

    /// Ends a session and its surface.
    ///
    /// # Errors
    /// `STORAGE_FAILED`.
    fn close(&self, session_id: &str) -> Task<'_, Outcome<()>>;

    /// Ends every session of a run, or of one task of it.
    ///
    /// # Errors
    /// `STORAGE_FAILED`.
    fn close_all(&self, run_id: &str, task_id: Option<&str>) -> Task<'_, Outcome<()>>;

    /// Open ones by creation, then the closed ones of runs that are not over.
    fn list(&self, run_id: Option<&str>) -> Vec<Session>;

    /// Gives a person the lease; the worker pauses at its next step.
    ///
    /// # Errors
    /// `LEASE_HELD` naming the holder, `NOT_FOUND`, `INVALID_STATE`.
    fn take(&self, session_id: &str, by: Actor) -> Task<'_, Outcome<Lease>>;

    /// Ends a lease; the worker goes on and is told.
    ///
    /// # Errors
    /// `LEASE_LOST`, `NOT_FOUND`.
    fn hand_back(&self, session_id: &str, token: &str, note: Option<String>) -> Task<'_, Outcome<()>>;

    /// Input of the holder.
    ///
    /// # Errors
    /// `LEASE_LOST` for a token that is not the newest lease's; as [`Surface::input`].
    fn input(&self, session_id: &str, token: &str, inputs: Vec<SessionInput>) -> Task<'_, Outcome<()>>;

    /// Waits while a person drives a session of the task; then what they handed back since the last call. Called before each step.
    ///
    /// # Errors
    /// `CANCELED`.
    fn gate(&self, run_id: &str, task_id: &str, cancel: CancellationToken) -> Task<'_, Outcome<Vec<HandBack>>>;
}
