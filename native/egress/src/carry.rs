//! Bytes between a program's end and a connection, as fast as the slower side takes them.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdStream;

use openwrap_contracts::ports::CancellationToken;
use tokio::io::copy_bidirectional_with_sizes;
use tokio::net::{TcpStream, UnixStream};

/// Bytes on their way in one direction.
const BUFFER_BYTES: usize = 32 * 1024;

/// A program's end as a stream. It may be a TCP socket as well: reading, writing and closing are the same calls.
pub fn stream_of(end: OwnedFd) -> io::Result<UnixStream> {
    let stream = StdStream::from(end);
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}

/// Carries both ways until both sides have ended, one breaks, or it is cancelled. The end of one direction is passed on.
pub async fn carry(mut end: UnixStream, mut upstream: TcpStream, cancel: CancellationToken) {
    tokio::select! {
        biased;
        () = cancel.cancelled() => {}
        // What broke shows on the other side: both are closed.
        _ = copy_bidirectional_with_sizes(&mut end, &mut upstream, BUFFER_BYTES, BUFFER_BYTES) => {}
    }
}
