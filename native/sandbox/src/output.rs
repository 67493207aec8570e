//! A child's streams on the core's side: pipes, or a terminal.

use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{BufMut, Bytes, BytesMut};
use openwrap_contracts::spawn::{
    Child, ChildControl, OUTPUT_CHUNK_BYTES, OUTPUT_QUEUE_CHUNKS, OutputStream, Stdin, TerminalSize,
};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;
use tokio::sync::mpsc;

use crate::terminal::Master;

fn no_pipe(error: impl std::fmt::Display) -> Fault {
    Fault::new(
        ErrorCode::SpawnFailed,
        format!("no pipe for the program's streams: {error}"),
    )
}

/// The core's ends.
pub enum Streams {
    Pipes {
        stdout: pipe::Receiver,
        stderr: pipe::Receiver,
        input: Input,
        /// Bytes of each output that are handed on.
        cap: u64,
    },
    Terminal(Master),
}

impl Streams {
    /// New streams, and the child's ends: standard output and error, then its input where it has one.
    pub fn open(stdin: Stdin, terminal: Option<TerminalSize>, cap: u64) -> Outcome<(Self, Vec<OwnedFd>)> {
        if let Some(size) = terminal {
            if !matches!(stdin, Stdin::Piped) {
                return Err(Fault::invalid("what is typed into a terminal is piped"));
            }
            let (master, theirs) = crate::terminal::open(size)?;
            return Ok((Self::Terminal(master), theirs.into()));
        }
        let (stdout, their_stdout) = from_child()?;
        let (stderr, their_stderr) = from_child()?;
        let mut input = input(stdin)?;
        let mut theirs = vec![their_stdout, their_stderr];
        theirs.extend(input.theirs.take());
        let pipes = Self::Pipes {
            stdout,
            stderr,
            input,
            cap,
        };
        Ok((pipes, theirs))
    }

    pub fn terminal(&self) -> Option<Master> {
        match self {
            Self::Terminal(master) => Some(master.clone()),
            Self::Pipes { .. } => None,
        }
    }

    /// Reads and feeds the child from here on.
    pub fn into_child(self, pid: u32, control: Box<dyn ChildControl>) -> Child {
        match self {
            Self::Pipes {
                stdout,
                stderr,
                input,
                cap,
            } => Child {
                pid,
                stdout: read(stdout, cap),
                stderr: read(stderr, cap),
                stdin: input.feed(),
                control,
            },
            Self::Terminal(master) => Child {
                pid,
                stdout: master.read(),
                stderr: crate::terminal::nothing(),
                stdin: Some(master.feed()),
                control,
            },
        }
    }
}

/// A pipe from a child, and the child's end of it.
fn from_child() -> Outcome<(pipe::Receiver, OwnedFd)> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC).map_err(no_pipe)?;
    Ok((pipe::Receiver::from_owned_fd(read).map_err(no_pipe)?, write))
}

/// Reads on until the end, handing on up to `cap` bytes.
fn read(receiver: pipe::Receiver, cap: u64) -> OutputStream {
    let (send, chunks) = mpsc::channel(OUTPUT_QUEUE_CHUNKS);
    let truncated = Arc::new(AtomicBool::new(false));
    tokio::spawn(read_all(receiver, cap, send, Arc::clone(&truncated)));
    OutputStream { chunks, truncated }
}

async fn read_all(receiver: pipe::Receiver, cap: u64, send: mpsc::Sender<Bytes>, truncated: Arc<AtomicBool>) {
    let mut left = cap;
    let mut buffer = BytesMut::new();
    while receiver.readable().await.is_ok() {
        buffer.reserve(OUTPUT_CHUNK_BYTES);
        match receiver.try_read_buf(&mut (&mut buffer).limit(OUTPUT_CHUNK_BYTES)) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => continue,
            Err(_) => return,
        }
        let kept = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        left -= kept as u64;
        if kept < buffer.len() {
            truncated.store(true, Ordering::Release);
        }
        // Nobody listens any more: as past the cap, so that the child is neither stopped nor broken by it.
        if kept > 0 && send.send(Bytes::copy_from_slice(&buffer[..kept])).await.is_err() {
            left = 0;
        }
        buffer.clear();
    }
}

/// A child's standard input: its end, and what feeds ours.
pub struct Input {
    /// None: `/dev/null`.
    theirs: Option<OwnedFd>,
    /// What is still to be written.
    rest: Option<(pipe::Sender, Feed)>,
    /// For [`Stdin::Piped`].
    sender: Option<mpsc::Sender<Bytes>>,
}

enum Feed {
    Bytes(Bytes),
    Sent(mpsc::Receiver<Bytes>),
}

/// Prepares a child's standard input. Bytes that fit the pipe are written at once.
fn input(stdin: Stdin) -> Outcome<Input> {
    let (feed, sender) = match stdin {
        Stdin::Null => {
            return Ok(Input {
                theirs: None,
                rest: None,
                sender: None,
            });
        }
        Stdin::Bytes(bytes) => (Feed::Bytes(bytes), None),
        Stdin::Piped => {
            let (send, receive) = mpsc::channel(OUTPUT_QUEUE_CHUNKS);
            (Feed::Sent(receive), Some(send))
        }
    };
    let (read, write) = pipe_with(PipeFlags::CLOEXEC).map_err(no_pipe)?;
    let write = pipe::Sender::from_owned_fd(write).map_err(no_pipe)?;
    let rest = match feed {
        Feed::Bytes(mut bytes) => {
            let written = write.try_write(&bytes).unwrap_or(0);
            drop(bytes.split_to(written));
            (!bytes.is_empty()).then_some((write, Feed::Bytes(bytes)))
        }
        sent @ Feed::Sent(_) => Some((write, sent)),
    };
    Ok(Input {
        theirs: Some(read),
        rest,
        sender,
    })
}

impl Input {
    /// Feeds the child from here on; gives the sender of a piped one.
    fn feed(self) -> Option<mpsc::Sender<Bytes>> {
        if let Some((mut pipe, feed)) = self.rest {
            // A child that closes its input has read what it wanted.
            tokio::spawn(async move {
                match feed {
                    Feed::Bytes(bytes) => drop(pipe.write_all(&bytes).await),
                    Feed::Sent(mut sent) => {
                        while let Some(bytes) = sent.recv().await {
                            if pipe.write_all(&bytes).await.is_err() {
                                break;
                            }
                        }
                    }
                }
            });
        }
        self.sender
    }
}
