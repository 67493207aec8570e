//! Sockets the supervisor makes for a child: both ends on this machine, none of them leads out.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4};
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, acceptfrom_with, bind, connect, getsockname, listen};

use crate::kernel::random_u64;

/// Longest address that is read.
const ADDRESS_BYTES_MAX: usize = 128;
/// Foreign connections that may come between the two ends of a pair.
const STRANGERS_MAX: usize = 8;
/// A connection on this machine needs no waiting, but for a listener that somebody floods.
const HERE_PATIENCE_NS: i64 = 20_000_000;
/// Connections waiting at a child's listener.
const BACKLOG: i32 = 128;

/// An address from a child's memory.
///
/// # Errors
/// The error number the kernel has for it.
pub fn address(bytes: &[u8]) -> Result<SocketAddr, i32> {
    let number = |at: usize| Some(u16::from_ne_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
    let family = number(0).ok_or(libc::EINVAL)?;
    let port = || number(2).map(u16::from_be).ok_or(libc::EINVAL);
    match i32::from(family) {
        libc::AF_INET => {
            let octets: [u8; 4] = bytes
                .get(4..8)
                .and_then(|octets| octets.try_into().ok())
                .ok_or(libc::EINVAL)?;
            if bytes.len() < size_of::<libc::sockaddr_in>() {
                return Err(libc::EINVAL);
            }
            Ok(SocketAddr::new(Ipv4Addr::from(octets).into(), port()?))
        }
        libc::AF_INET6 => {
            let octets: [u8; 16] = bytes
                .get(8..24)
                .and_then(|octets| octets.try_into().ok())
                .ok_or(libc::EINVAL)?;
            // One spelling: a mapped address is the IPv4 address in it.
            let address = IpAddr::V6(Ipv6Addr::from(octets)).to_canonical();
            Ok(SocketAddr::new(address, port()?))
        }
        _ => Err(libc::EAFNOSUPPORT),
    }
}

/// How much of an address of this stated length is read.
///
/// # Errors
/// The error number the kernel has for it.
pub fn address_length(stated: u64) -> Result<usize, i32> {
    // The kernel looks at 32 bits of it, signed.
    match stated as u32 as i32 {
        length if length < 2 || length as usize > ADDRESS_BYTES_MAX => Err(libc::EINVAL),
        length => Ok(length as usize),
    }
}

fn stream_socket() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(rustix::net::socket_with(
        AddressFamily::INET,
        SocketType::STREAM,
        flags,
        None,
    )?)
}

/// Connects on this machine: stands at once, or whoever listens there takes nobody now. `patience_ns`: how long that is found out.
fn connect_here(socket: &OwnedFd, to: SocketAddr, patience_ns: i64) -> io::Result<()> {
    match connect(socket, &to) {
        Ok(()) => return Ok(()),
        Err(Errno::INPROGRESS) => {}
        Err(error) => return Err(error.into()),
    }
    let patience = Timespec {
        tv_sec: 0,
        tv_nsec: patience_ns,
    };
    if poll(&mut [PollFd::new(socket, PollFlags::OUT)], Some(&patience))? == 0 {
        return Err(io::ErrorKind::TimedOut.into());
    }
    Ok(rustix::net::sockopt::socket_error(socket)??)
}

fn place_of(socket: &OwnedFd) -> io::Result<SocketAddr> {
    SocketAddr::try_from(getsockname(socket)?).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// Two connected TCP sockets: what programs set and ask of a connection works on them. The first is the child's.
///
/// # Errors
/// As the kernel's.
pub fn tcp_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let meeting = stream_socket()?;
    bind(&meeting, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))?;
    listen(&meeting, STRANGERS_MAX as i32)?;
    let near = stream_socket()?;
    connect_here(&near, place_of(&meeting)?, HERE_PATIENCE_NS)?;
    let own = place_of(&near)?;
    for _ in 0..=STRANGERS_MAX {
        // Whoever else found the way here in this moment is sent away.
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (far, from) = acceptfrom_with(&meeting, flags)?;
        if from.and_then(|from| SocketAddr::try_from(from).ok()) == Some(own) {
            return Ok((near, far));
        }
    }
    Err(io::ErrorKind::ConnectionRefused.into())
}

/// Two connected local sockets. The first is the child's.
///
/// # Errors
/// As the kernel's.
pub fn local_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::STREAM,
        flags,
        None,
    )?)
}

/// An address of this machine that listeners of one child lie at: nobody comes there by `localhost`, and children do not meet.
///
/// # Errors
/// Without random numbers.
pub fn own_address() -> io::Result<Ipv4Addr> {
    let [a, b, c, ..] = random_u64()?.to_ne_bytes();
    Ok(Ipv4Addr::new(127, 64 + a % 128, b, 1 + c % 254))
}

/// A listener of a child, and its port.
///
/// # Errors
/// As the kernel's.
pub fn listener(address: Ipv4Addr, port: u16) -> io::Result<(OwnedFd, u16)> {
    let socket = stream_socket()?;
    rustix::net::sockopt::set_socket_reuseaddr(&socket, true)?;
    bind(&socket, &SocketAddrV4::new(address, port))?;
    listen(&socket, BACKLOG)?;
    let port = place_of(&socket)?.port();
    Ok((socket, port))
}

/// A connection to a listener of the same child. `patient`: it is given a moment.
///
/// # Errors
/// As the kernel's; `TimedOut` when nobody is taken there.
pub fn connected_to(address: Ipv4Addr, port: u16, patient: bool) -> io::Result<OwnedFd> {
    let socket = stream_socket()?;
    let patience_ns = if patient { HERE_PATIENCE_NS } else { 0 };
    connect_here(&socket, SocketAddrV4::new(address, port).into(), patience_ns)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn addresses_have_one_spelling() {
        let mut v4 = vec![0; 16];
        v4[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
        v4[2..8].copy_from_slice(&[0x1f, 0x90, 198, 18, 0, 1]);
        assert_eq!(address(&v4).unwrap().to_string(), "198.18.0.1:8080");
        let mut mapped = vec![0; 28];
        mapped[..2].copy_from_slice(&(libc::AF_INET6 as u16).to_ne_bytes());
        mapped[2..4].copy_from_slice(&[0x1f, 0x90]);
        mapped[18..24].copy_from_slice(&[0xff, 0xff, 198, 18, 0, 1]);
        assert_eq!(address(&mapped).unwrap().to_string(), "198.18.0.1:8080");
        assert_eq!(address(&v4[..12]), Err(libc::EINVAL));
        assert_eq!(address(&[0, 0]), Err(libc::EAFNOSUPPORT));
        assert_eq!(address(&[1]), Err(libc::EINVAL));
        for (stated, read) in [
            (16, Ok(16)),
            (1, Err(libc::EINVAL)),
            (u64::MAX, Err(libc::EINVAL)),
            (129, Err(libc::EINVAL)),
        ] {
            assert_eq!(address_length(stated), read);
        }
    }

    #[test]
    fn pairs_are_connected() {
        for pair in [tcp_pair(), local_pair()] {
            let (near, far) = pair.unwrap();
            rustix::io::write(&near, b"through").unwrap();
            let mut buffer = [0; 16];
            assert_eq!(rustix::io::read(&far, &mut buffer).unwrap(), 7);
        }
        let address = own_address().unwrap();
        assert!(address.is_loopback() && address != Ipv4Addr::LOCALHOST);
        let (_listener, port) = listener(address, 0).unwrap();
        connected_to(address, port, true).unwrap();
        assert!(connected_to(Ipv4Addr::LOCALHOST, port, false).is_err());
    }
}
