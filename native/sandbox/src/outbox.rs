//! Frames waiting for a socket that is never waited for.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use serde::Serialize;

use crate::wire::{encode, send_some};

/// Frames in order, each with the descriptor that travels with it.
#[derive(Default)]
pub struct Outbox {
    frames: VecDeque<(Vec<u8>, Option<OwnedFd>)>,
    /// Bytes of the first one that went.
    sent: usize,
}

impl Outbox {
    /// # Errors
    /// A message that is no JSON or too large.
    pub fn push<T: Serialize>(&mut self, message: &T, descriptor: Option<OwnedFd>) -> Result<(), String> {
        self.frames.push_back((encode(message)?, descriptor));
        Ok(())
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Sends what fits. False: the other side is gone.
    ///
    /// # Errors
    /// As `sendmsg`.
    pub fn flush(&mut self, socket: impl AsFd + Copy) -> Result<bool, Errno> {
        while let Some((bytes, descriptor)) = self.frames.front() {
            // A descriptor goes with the first byte.
            let with: Vec<BorrowedFd<'_>> = descriptor.iter().map(AsFd::as_fd).filter(|_| self.sent == 0).collect();
            match send_some(socket, &bytes[self.sent..], &with) {
                Ok(sent) => self.sent += sent,
                Err(Errno::AGAIN) => return Ok(true),
                Err(Errno::INTR) => continue,
                Err(Errno::PIPE | Errno::CONNRESET) => return Ok(false),
                Err(error) => return Err(error),
            }
            if self.sent == bytes.len() {
                self.frames.pop_front();
                self.sent = 0;
            }
        }
        Ok(true)
    }
}
