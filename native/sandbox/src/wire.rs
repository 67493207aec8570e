//! What the core and the spawner process say to each other: frames of JSON with a length before them, over a socket pair.
//! Descriptors travel beside the frame that names them, in its order.

use std::collections::VecDeque;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use openwrap_contracts::spawn::{
    ExitStatus, INHERITED_MAX, PathGrant, Profile, SPAWN_REQUEST_BYTES_MAX, SpawnLimits, Stopped,
};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};

/// One frame at most: a request and its JSON escapes.
pub const FRAME_BYTES_MAX: usize = 2 * SPAWN_REQUEST_BYTES_MAX;
/// Descriptors of one frame at most: standard output, error, input, and those the child inherits.
pub const FRAME_DESCRIPTORS: usize = 3 + INHERITED_MAX;

/// How the spawner is to work; the first frame.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hello {
    /// Uid and gid of the children, when they have their own.
    pub tools: Option<(u32, u32)>,
    /// Files and folders that every child may read and run from, beyond the profiles' own.
    pub programs: Vec<PathBuf>,
    /// Start children also where the kernel has no Landlock or seccomp.
    pub accept_weak: bool,
}

/// A child to start. With the frame travel its standard output and error, then its input and what it inherits, as far as it has them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    pub id: u64,
    /// Unguessable mark of the child and all it starts.
    pub tag: u64,
    pub program: String,
    pub args: Vec<String>,
    pub cwd: PathBuf,
    pub env: Vec<(String, String)>,
    pub profile: Profile,
    pub grants: Vec<PathGrant>,
    pub limits: SpawnLimits,
    pub run_id: String,
    pub stdin: bool,
    pub inherited: usize,
    /// Its standard streams are a terminal, to become its controlling one.
    pub terminal: bool,
    pub network: crate::talk::NetworkKind,
}

impl Order {
    /// Descriptors that come with it.
    #[must_use]
    pub fn descriptors(&self) -> usize {
        2 + usize::from(self.stdin) + self.inherited
    }
}

/// Core to spawner.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub enum ToSpawner {
    Hello(Hello),
    Spawn(Box<Order>),
    Kill { id: u64 },
    KillRun { request: u64, run_id: String },
    StopAll { request: u64 },
}

/// Spawner to core.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub enum ToCore {
    Ready(Ready),
    Started { id: u64, pid: u32 },
    Failed { id: u64, refusal: Refusal },
    Exited { id: u64, status: ExitStatus },
    Stopped { request: u64, stopped: Stopped },
}

/// What the spawner has to work with.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ready {
    pub landlock_abi: u32,
    pub seccomp: bool,
    pub uid: u32,
    pub gid: u32,
    /// Whether what a child leaves running can be told from what another does.
    pub tags: bool,
    /// Whether a supervisor answers held calls: else there is no network, and metadata is not confined.
    pub supervised: bool,
    /// Whether children live in an empty network namespace.
    pub namespaces: bool,
}

/// Why a child was not started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    pub code: openwrap_contracts::ErrorCode,
    pub message: String,
}

/// A frame's bytes: length, then JSON.
///
/// # Errors
/// When it is larger than [`FRAME_BYTES_MAX`] or no JSON can be made.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, String> {
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, message).map_err(|error| error.to_string())?;
    let length = bytes.len() - 4;
    if length > FRAME_BYTES_MAX {
        return Err(format!(
            "a frame of {length} bytes is over the limit of {FRAME_BYTES_MAX}"
        ));
    }
    let length = u32::try_from(length).map_err(|error| error.to_string())?;
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    Ok(bytes)
}

/// Sends what fits; descriptors go with the first byte. Returns how many bytes went.
///
/// # Errors
/// As `sendmsg`; `AGAIN` when nothing fits.
pub fn send_some(socket: impl AsFd, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> Result<usize, Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FRAME_DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(Errno::INVAL);
    }
    sendmsg(
        socket,
        &[IoSlice::new(bytes)],
        &mut control,
        SendFlags::NOSIGNAL | SendFlags::DONTWAIT,
    )
}

/// Collects frames from a stream.
#[derive(Default)]
pub struct Inbox {
    bytes: Vec<u8>,
    start: usize,
    descriptors: VecDeque<OwnedFd>,
}

impl Inbox {
    /// Receives once, without waiting. `false`: the other side is gone.
    ///
    /// # Errors
    /// As `recvmsg`; `AGAIN` when there is nothing.
    pub fn receive(&mut self, socket: impl AsFd) -> Result<bool, Errno> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FRAME_DESCRIPTORS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut buffer = [0_u8; 16 * 1024];
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
        let received = recvmsg(socket, &mut [IoSliceMut::new(&mut buffer)], &mut control, flags)?.bytes;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                self.descriptors.extend(descriptors);
            }
        }
        self.bytes.extend_from_slice(&buffer[..received]);
        Ok(received > 0)
    }

    /// The next whole frame.
    ///
    /// # Errors
    /// When the frame is too large or not of this protocol: the stream is useless then.
    pub fn next<T: for<'a> Deserialize<'a>>(&mut self) -> Result<Option<T>, String> {
        let rest = &self.bytes[self.start..];
        let Some((head, body)) = rest.split_first_chunk::<4>() else {
            self.compact();
            return Ok(None);
        };
        let length = u32::from_le_bytes(*head) as usize;
        if length > FRAME_BYTES_MAX {
            return Err(format!(
                "a frame of {length} bytes is over the limit of {FRAME_BYTES_MAX}"
            ));
        }
        let Some(frame) = body.get(..length) else {
            self.compact();
            return Ok(None);
        };
        let message = serde_json::from_slice(frame).map_err(|error| error.to_string())?;
        self.start += 4 + length;
        Ok(Some(message))
    }

    /// The descriptors of the frame just taken.
    #[must_use]
    pub fn take_descriptors(&mut self, count: usize) -> Option<Vec<OwnedFd>> {
        (self.descriptors.len() >= count).then(|| self.descriptors.drain(..count).collect())
    }

    fn compact(&mut self) {
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    use std::io::{Read, Write};

    #[test]
    fn frames_and_descriptors_survive_arbitrary_cuts() {
        let (a, b) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
        let mut inbox = Inbox::default();
        for round in 0..20_u64 {
            let text = "x".repeat(round as usize * 3000);
            let frame = encode(&ToSpawner::KillRun {
                request: round,
                run_id: text.clone(),
            })
            .unwrap();
            let (read, write) = rustix::pipe::pipe().unwrap();
            let mut sent = 0;
            let mut first = true;
            let mut got = None;
            while got.is_none() {
                if sent < frame.len() {
                    let end = frame.len().min(sent + 1 + (round as usize * 977) % 5000);
                    let with = [write.as_fd(), write.as_fd(), write.as_fd()];
                    sent += send_some(&a, &frame[sent..end], if first { &with } else { &[] }).unwrap();
                    first = false;
                }
                assert!(inbox.receive(&b).unwrap());
                got = inbox.next::<ToSpawner>().unwrap();
            }
            let ToSpawner::KillRun { request, run_id } = got.unwrap() else {
                unreachable!()
            };
            assert_eq!((request, run_id), (round, text));
            let descriptors = inbox.take_descriptors(3).unwrap();
            drop(write);
            std::fs::File::from(descriptors.into_iter().next().unwrap())
                .write_all(b"through")
                .unwrap();
            let mut all = String::new();
            std::fs::File::from(read).read_to_string(&mut all).unwrap();
            assert_eq!(all, "through");
        }
        drop(a);
        assert!(!inbox.receive(&b).unwrap());
    }

    #[test]
    fn nonsense_ends_the_stream() {
        let (a, b) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
        let mut inbox = Inbox::default();
        send_some(&a, &u32::MAX.to_le_bytes(), &[]).unwrap();
        inbox.receive(&b).unwrap();
        assert!(inbox.next::<ToSpawner>().is_err());
        let mut inbox = Inbox::default();
        send_some(&a, b"\x02\0\0\0{}", &[]).unwrap();
        inbox.receive(&b).unwrap();
        assert!(inbox.next::<ToSpawner>().is_err());
    }
}
