//! A terminal as a surface: a confined program's output and screen, and what is typed into it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use openwrap_contracts::ports::Task;
use openwrap_contracts::session::{FrameReceiver, SessionInput, Surface, SurfaceFrame, SurfaceView};
use openwrap_contracts::spawn::{Child, ChildControl, ExitStatus, OutputStream, TerminalSize};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use tokio::sync::{broadcast, mpsc, watch};

use crate::screen::Screen;

/// Frames a reader may be behind; then it asks for the view.
const FRAMES_BEHIND_MAX: usize = 256;
/// How long a program waits for readers that are behind, and how often it looks.
const READERS_PATIENCE: Duration = Duration::from_secs(2);
const READERS_LOOK: Duration = Duration::from_millis(1);
/// Lines a worker is told of after a person drove.
const TOLD_LINES: usize = 40;

/// A program's terminal.
pub struct Terminal {
    shown: Mutex<Screen>,
    frames: broadcast::Sender<SurfaceFrame>,
    typed: Option<mpsc::Sender<Bytes>>,
    control: Option<Box<dyn ChildControl>>,
    end: watch::Receiver<Option<ExitStatus>>,
    /// A program with pipes only: its output is shown, nothing can be typed.
    watch_only: bool,
    changed: AtomicBool,
}

fn lock(screen: &Mutex<Screen>) -> MutexGuard<'_, Screen> {
    screen.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Terminal {
    /// Takes over a child that was started with a terminal of this size.
    ///
    /// # Errors
    /// `INVALID_ARGUMENTS` for a size without cells.
    pub fn of_child(child: Child, size: TerminalSize) -> Outcome<Arc<Self>> {
        let (end_in, end) = watch::channel(None);
        let terminal = Arc::new(Self {
            typed: child.stdin,
            control: Some(child.control),
            ..Self::blank(size, end)?
        });
        tokio::spawn(follow(Arc::clone(&terminal), child.stdout, end_in));
        Ok(terminal)
    }

    /// Shows what a program with pipes prints, as it is told by [`Terminal::show`].
    ///
    /// # Errors
    /// `INVALID_ARGUMENTS` for a size without cells.
    pub fn of_pipes(size: TerminalSize) -> Outcome<Arc<Self>> {
        // Nobody ever says that it has ended: whoever shows it closes the session.
        let (_, end) = watch::channel(None);
        Ok(Arc::new(Self {
            watch_only: true,
            ..Self::blank(size, end)?
        }))
    }

    fn blank(size: TerminalSize, end: watch::Receiver<Option<ExitStatus>>) -> Outcome<Self> {
        let screen = Screen::new(size).ok_or_else(|| Fault::invalid("a terminal has one cell at least"))?;
        Ok(Self {
            shown: Mutex::new(screen),
            frames: broadcast::channel(FRAMES_BEHIND_MAX).0,
            typed: None,
            control: None,
            end,
            watch_only: false,
            changed: AtomicBool::new(false),
        })
    }

    /// Output of a program with pipes: line ends become those of a terminal.
    pub fn show(&self, output: &[u8]) {
        let mut bytes = Vec::with_capacity(output.len() + output.len() / 32);
        for byte in output {
            if *byte == b'\n' {
                bytes.push(b'\r');
            }
            bytes.push(*byte);
        }
        self.take(Bytes::from(bytes));
    }

    fn take(&self, bytes: Bytes) {
        let mut screen = lock(&self.shown);
        let offset = screen.offset();
        screen.feed(&bytes);
        self.changed.store(true, Ordering::Relaxed);
        // Sent under the lock: a view and the frames after it fit together. Nobody looking is no error.
        let _ = self.frames.send(SurfaceFrame::Terminal { offset, bytes });
    }

    /// The program waits for who hands its output on, but not for long.
    async fn wait_for_readers(&self) {
        let until = tokio::time::Instant::now() + READERS_PATIENCE;
        while self.frames.len() > FRAMES_BEHIND_MAX / 2 && tokio::time::Instant::now() < until {
            tokio::time::sleep(READERS_LOOK).await;
        }
    }

    /// The screen as text.
    #[must_use]
    pub fn text(&self) -> String {
        lock(&self.shown).text()
    }

    /// The last lines, those that scrolled away included.
    #[must_use]
    pub fn last_lines(&self, most: usize) -> String {
        lock(&self.shown).last_lines(most)
    }

    /// How the program ended, once it has.
    #[must_use]
    pub fn ended(&self) -> Option<ExitStatus> {
        *self.end.borrow()
    }

    /// Waits for the end of the program.
    pub async fn wait(&self) -> Option<ExitStatus> {
        let mut end = self.end.clone();
        end.wait_for(Option::is_some).await.ok().and_then(|status| *status)
    }

    /// Types text.
    ///
    /// # Errors
    /// `INVALID_STATE` when the program has ended or takes no input.
    pub async fn type_text(&self, text: &str) -> Outcome<()> {
        let refused = |why: &str| Err(Fault::new(ErrorCode::InvalidState, why));
        if self.watch_only {
            return refused("this program takes no input: it can only be watched");
        }
        let typed = match &self.typed {
            Some(typed) if self.ended().is_none() => typed,
            _ => return refused("the terminal's program has ended"),
        };
        // Most of the time the program's terminal takes it here and now, and no other thread is woken.
        let bytes = text.as_bytes();
        let taken = self.control.as_ref().map_or(0, |control| control.type_now(bytes));
        if taken == bytes.len() {
            return Ok(());
        }
        match typed.send(Bytes::copy_from_slice(&bytes[taken..])).await {
            Ok(()) => Ok(()),
            Err(_) => refused("the terminal's program has ended"),
        }
    }

    /// # Errors
    /// `INVALID_ARGUMENTS`, `INVALID_STATE`.
    pub fn resize(&self, size: TerminalSize) -> Outcome<()> {
        let mut screen = lock(&self.shown);
        if let Some(control) = &self.control {
            control.resize(size)?;
        } else if size.columns == 0 || size.rows == 0 {
            return Err(Fault::invalid("a terminal has one cell at least"));
        }
        screen.resize(size);
        let _ = self.frames.send(SurfaceFrame::Changed);
        Ok(())
    }
}

async fn follow(terminal: Arc<Terminal>, mut output: OutputStream, ended: watch::Sender<Option<ExitStatus>>) {
    while let Some(bytes) = output.chunks.recv().await {
        terminal.take(bytes);
        terminal.wait_for_readers().await;
    }
    if let Some(control) = &terminal.control {
        let status = control.wait().await.ok();
        ended.send_replace(status);
        let _ = terminal.frames.send(SurfaceFrame::Changed);
    }
}

impl Surface for Terminal {
    fn input(&self, inputs: Vec<SessionInput>) -> Task<'_, Outcome<()>> {
        Box::pin(async move {
            for input in inputs {
                match input {
                    SessionInput::Text { text } => self.type_text(&text).await?,
                    SessionInput::Resize { columns, rows } => self.resize(TerminalSize { columns, rows })?,
                    _ => return Err(Fault::invalid("a terminal takes text and sizes only")),
                }
            }
            Ok(())
        })
    }

    fn view(&self) -> Task<'_, Outcome<SurfaceView>> {
        let screen = lock(&self.shown);
        let view = SurfaceView::Terminal {
            size: screen.size(),
            screen: STANDARD.encode(screen.paint()),
            offset: screen.offset(),
        };
        Box::pin(async { Ok(view) })
    }

    fn frames(&self) -> FrameReceiver {
        self.frames.subscribe()
    }

    fn since_taken(&self) -> Task<'_, String> {
        let told = if self.changed.swap(false, Ordering::Relaxed) {
            format!("The terminal's last lines:\n{}", self.last_lines(TOLD_LINES))
        } else {
            String::new()
        };
        Box::pin(async { told })
    }

    fn close(&self) -> Task<'_, ()> {
        Box::pin(async {
            if let Some(control) = &self.control {
                control.kill();
                let _ = control.wait().await;
            }
        })
    }
}
