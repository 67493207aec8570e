//! A child's terminal on the core's side: the master of a pseudo terminal (pty(7)).

use std::future::poll_fn;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use bytes::Bytes;
use openwrap_contracts::spawn::{OUTPUT_CHUNK_BYTES, OUTPUT_QUEUE_CHUNKS, OutputStream, TerminalSize};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{InputModes, OptionalActions, Winsize, tcgetattr, tcsetattr, tcsetwinsize};
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;

/// Columns and rows at most.
const CELLS_MAX: u16 = 1_000;

fn no_terminal(error: impl std::fmt::Display) -> Fault {
    Fault::new(ErrorCode::SpawnFailed, format!("no terminal for the program: {error}"))
}

/// The side people look at.
#[derive(Clone)]
pub struct Master {
    side: Arc<AsyncFd<OwnedFd>>,
    typing: Arc<Mutex<Typing>>,
}

/// What was typed and is not written yet.
#[derive(Default)]
struct Typing {
    queue: Option<mpsc::WeakSender<Bytes>>,
    /// Taken out of the queue.
    writing: bool,
}

impl Typing {
    fn nothing_waits(&self) -> bool {
        let queue = self.queue.as_ref().and_then(mpsc::WeakSender::upgrade);
        !self.writing && queue.is_some_and(|queue| queue.capacity() == queue.max_capacity())
    }
}

/// A new terminal; the child's side three times, as its standard input, output and error.
pub fn open(size: TerminalSize) -> Outcome<(Master, [OwnedFd; 3])> {
    check(size)?;
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = openpt(flags).map_err(no_terminal)?;
    grantpt(&master).map_err(no_terminal)?;
    unlockpt(&master).map_err(no_terminal)?;
    let theirs = ioctl_tiocgptpeer(&master, flags).map_err(no_terminal)?;
    let mut modes = tcgetattr(&theirs).map_err(no_terminal)?;
    // Erasing takes a whole character.
    modes.input_modes |= InputModes::IUTF8;
    tcsetattr(&theirs, OptionalActions::Now, &modes).map_err(no_terminal)?;
    rustix::io::ioctl_fionbio(&master, true).map_err(no_terminal)?;
    let master = Master {
        side: Arc::new(crate::kernel::watched(master).map_err(no_terminal)?),
        typing: Arc::default(),
    };
    master.resize(size)?;
    let copy = || theirs.try_clone().map_err(no_terminal);
    Ok((master, [copy()?, copy()?, theirs]))
}

fn check(size: TerminalSize) -> Outcome<()> {
    let fits = |cells: u16| (1..=CELLS_MAX).contains(&cells);
    if fits(size.columns) && fits(size.rows) {
        return Ok(());
    }
    let message = format!(
        "a terminal has 1 to {CELLS_MAX} columns and rows, not {} and {}",
        size.columns, size.rows
    );
    Err(Fault::invalid(message))
}

impl Master {
    /// Tells the terminal's programs (SIGWINCH) as well.
    pub fn resize(&self, size: TerminalSize) -> Outcome<()> {
        check(size)?;
        let cells = Winsize {
            ws_row: size.rows,
            ws_col: size.columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(self.side.get_ref(), cells)
            .map_err(|error| Fault::new(ErrorCode::InvalidState, format!("the terminal has no size: {error}")))
    }

    /// All it shows, to the last byte; a reader that is slow slows the program.
    pub fn read(&self) -> OutputStream {
        let (send, chunks) = mpsc::channel(OUTPUT_QUEUE_CHUNKS);
        let master = Arc::clone(&self.side);
        tokio::spawn(async move {
            let mut buffer = vec![0_u8; OUTPUT_CHUNK_BYTES];
            let mut listened_to = true;
            loop {
                let read = master
                    .async_io(tokio::io::Interest::READABLE, |fd| {
                        Ok(rustix::io::read(fd, &mut buffer[..])?)
                    })
                    .await;
                match read {
                    // Without any open end on the other side Linux answers EIO, once all was read.
                    Ok(0) | Err(_) => return,
                    Ok(read) if listened_to => {
                        listened_to = send.send(Bytes::copy_from_slice(&buffer[..read])).await.is_ok();
                    }
                    // Nobody listens any more: the program is neither stopped nor broken by it.
                    Ok(_) => {}
                }
            }
        });
        OutputStream {
            chunks,
            truncated: Arc::default(),
        }
    }

    /// Types what is sent.
    pub fn feed(&self) -> mpsc::Sender<Bytes> {
        let (send, mut sent) = mpsc::channel::<Bytes>(OUTPUT_QUEUE_CHUNKS);
        self.typing().queue = Some(send.downgrade());
        let master = self.clone();
        tokio::spawn(async move {
            while let Some(bytes) = master.next(&mut sent).await {
                if !master.write(bytes).await {
                    return;
                }
                master.typing().writing = false;
            }
        });
        send
    }

    /// Types what fits, unless something typed before still waits.
    pub fn type_now(&self, bytes: &[u8]) -> usize {
        let typing = self.typing();
        if !typing.nothing_waits() {
            return 0;
        }
        rustix::io::write(self.side.get_ref(), bytes).unwrap_or(0)
    }

    fn typing(&self) -> MutexGuard<'_, Typing> {
        self.typing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next of the queue. Nobody sees the queue without it before it counts as being written.
    async fn next(&self, sent: &mut mpsc::Receiver<Bytes>) -> Option<Bytes> {
        poll_fn(|context| {
            let mut typing = self.typing();
            let next = sent.poll_recv(context);
            typing.writing |= matches!(next, Poll::Ready(Some(_)));
            next
        })
        .await
    }

    /// False when nobody is on the other side any more.
    async fn write(&self, mut bytes: Bytes) -> bool {
        while !bytes.is_empty() {
            let written = self
                .side
                .async_io(tokio::io::Interest::WRITABLE, |fd| Ok(rustix::io::write(fd, &bytes)?))
                .await;
            match written {
                Ok(written) => drop(bytes.split_to(written)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        true
    }
}

/// Nothing is shown: the standard error of a child with a terminal.
pub fn nothing() -> OutputStream {
    let (_, chunks) = mpsc::channel(1);
    OutputStream {
        chunks,
        truncated: Arc::default(),
    }
}
