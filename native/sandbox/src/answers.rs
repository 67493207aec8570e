//! The answers to held calls, one by one: what a child may connect, bind, change, and whose priority it may set.

use std::net::Ipv4Addr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::io::Errno;

use crate::caller::{Caller, Opened, errno_of};
use crate::filter::SCHEDULING;
use crate::metadata;
use crate::notify::{Held, Reply, tag_of};
use crate::sockets;
use crate::supervise::{Connecting, Supervisor};
use crate::talk::{AsksCore, NetworkKind, Wanted};

/// Sockets remembered as connected: a second `connect` of one says so.
const CONNECTED_MAX: usize = 4096;
/// Listeners of one child.
const LISTENERS_MAX: usize = 64;
/// A child whose listener took nobody in time is not waited for again so soon: all others' calls wait with it.
const FULL_FOR: Duration = Duration::from_secs(1);
const DNS_PORT: u16 = 53;
/// Ports below are the system's.
const PORT_MIN: u16 = 1024;

impl Supervisor {
    /// Answers a call of a known child, or leaves that to the core's answer.
    pub(crate) fn serve_call(&mut self, held: Held, key: u64) -> Result<(), String> {
        let Some(child) = self.children.get(&key) else {
            self.listener.answer(held.id, Reply::Errno(libc::EPERM));
            return Ok(());
        };
        let network = child.known.network;
        let reply = match (held.call, network) {
            (libc::SYS_socket, NetworkKind::None) => Some(Reply::Errno(libc::EAFNOSUPPORT)),
            // Everything that decides is in registers.
            (libc::SYS_socket, _) => Some(Reply::Proceed),
            (libc::SYS_connect | libc::SYS_bind, NetworkKind::None) => Some(Reply::Errno(libc::EPERM)),
            (libc::SYS_bind, NetworkKind::Proxied) => Some(Reply::Errno(libc::EACCES)),
            (libc::SYS_connect, NetworkKind::Proxied) => self.connect_proxied(held, key)?,
            (libc::SYS_connect, NetworkKind::Named) => self.connect_named(held, key)?,
            (libc::SYS_bind, NetworkKind::Named) => Some(self.bind(held, key)),
            (call, _) if SCHEDULING.contains(&call) => Some(self.schedule(&held, key)),
            _ => Some(self.change(held, key)),
        };
        if let Some(reply) = reply {
            self.listener.answer(held.id, reply);
        }
        Ok(())
    }

    /// The call's socket, as it is not connected yet.
    fn socket_of(&self, held: &Held) -> Result<Opened, i32> {
        let opened = Caller(held.thread)
            .descriptor(descriptor_of(held))
            .map_err(|error| errno_of(&error))?;
        let socket = opened.socket.ok_or(libc::ENOTSOCK)?;
        if self.connected.contains(&socket) {
            return Err(libc::EISCONN);
        }
        Ok(opened)
    }

    fn connect_proxied(&mut self, held: Held, key: u64) -> Result<Option<Reply>, String> {
        let opened = match self.socket_of(&held) {
            Ok(opened) => opened,
            // A browser's own sandbox may close its processes to their user; these sockets never wait.
            Err(libc::EACCES) => Opened {
                socket: None,
                non_blocking: true,
                close_on_exec: true,
            },
            Err(errno) => return Ok(Some(Reply::Errno(errno))),
        };
        match sockets::local_pair() {
            Ok((near, far)) => self.connect_at_once(held, key, opened, (near, far), Wanted::Proxy),
            Err(_) => Ok(Some(Reply::Errno(libc::ENOBUFS))),
        }
    }

    fn connect_named(&mut self, held: Held, key: u64) -> Result<Option<Reply>, String> {
        let found = self
            .socket_of(&held)
            .and_then(|opened| Ok((opened, self.address_of(&held)?)));
        let (opened, address) = match found {
            Ok(found) => found,
            Err(errno) => return Ok(Some(Reply::Errno(errno))),
        };
        let own = self.children.get(&key).and_then(|child| {
            let here = address.ip().is_loopback() || address.ip().is_unspecified() || child.address == v4(&address);
            child.address.filter(|_| here && child.ports.contains(&address.port()))
        });
        if let Some(own) = own {
            return Ok(Some(self.connect_own(&held, key, opened, (own, address.port()))));
        }
        let Ok((near, far)) = sockets::tcp_pair() else {
            return Ok(Some(Reply::Errno(libc::ENOBUFS)));
        };
        if address.port() == DNS_PORT && !crate::stand_ins::is_stand_in(address.ip()) {
            return self.connect_at_once(held, key, opened, (near, far), Wanted::Names);
        }
        let Some(child) = self.children.get(&key).map(|child| child.known.id) else {
            return Ok(Some(Reply::Errno(libc::EPERM)));
        };
        self.next += 1;
        let connecting = Connecting {
            child,
            held: held.id,
            number: descriptor_of(&held),
            opened,
            near,
        };
        self.connecting.insert(self.next, connecting);
        let wanted = Wanted::Connection {
            address,
            waits: !opened.non_blocking,
        };
        self.ask_core(child, Some(self.next), wanted, far)?;
        Ok(None)
    }

    fn connect_own(&mut self, held: &Held, key: u64, opened: Opened, (own, port): (Ipv4Addr, u16)) -> Reply {
        let refused = Reply::Errno(libc::ECONNREFUSED);
        let Some(child) = self.children.get_mut(&key) else {
            return Reply::Errno(libc::EPERM);
        };
        let patient = child.full.is_none_or(|at| at.elapsed() >= FULL_FOR);
        match sockets::connected_to(own, port, patient) {
            Ok(near) => self.put(held.id, descriptor_of(held), opened, &near),
            Err(error) => {
                if patient && error.kind() == std::io::ErrorKind::TimedOut {
                    child.full = Some(Instant::now());
                }
                refused
            }
        }
    }

    /// Gives the child its end now: what the core does with the other end shows on it.
    fn connect_at_once(
        &mut self,
        held: Held,
        key: u64,
        opened: Opened,
        (near, far): (OwnedFd, OwnedFd),
        wanted: Wanted,
    ) -> Result<Option<Reply>, String> {
        let Some(child) = self.children.get(&key).map(|child| child.known.id) else {
            return Ok(Some(Reply::Errno(libc::EPERM)));
        };
        let reply = self.put(held.id, descriptor_of(&held), opened, &near);
        if reply == Reply::Value(0) {
            self.ask_core(child, None, wanted, far)?;
        }
        Ok(Some(reply))
    }

    fn ask_core(&mut self, child: u64, request: Option<u64>, wanted: Wanted, far: OwnedFd) -> Result<(), String> {
        let ask = AsksCore { child, request, wanted };
        self.to_core.push(&ask, Some(far))
    }

    pub(crate) fn hand_over(&mut self, held: u64, number: i32, opened: Opened, near: OwnedFd) {
        let reply = self.put(held, number, opened, &near);
        drop(near);
        self.listener.answer(held, reply);
    }

    /// Puts a connected socket in the place of the child's.
    fn put(&mut self, held: u64, number: i32, opened: Opened, near: &OwnedFd) -> Reply {
        let put = rustix::io::ioctl_fionbio(near, opened.non_blocking)
            .map_err(std::io::Error::from)
            .and_then(|()| self.listener.put(held, near.as_fd(), number, opened.close_on_exec));
        match put {
            Ok(()) => {
                if let Ok(stat) = rustix::fs::fstat(near) {
                    self.connected.push_back(stat.st_ino);
                    if self.connected.len() > CONNECTED_MAX {
                        self.connected.pop_front();
                    }
                }
                Reply::Value(0)
            }
            Err(error) => Reply::Errno(error.raw_os_error().unwrap_or(libc::ECONNABORTED)),
        }
    }

    /// The address in the call, read once; what is in the child's memory afterwards does not count.
    fn address_of(&self, held: &Held) -> Result<std::net::SocketAddr, i32> {
        let length = sockets::address_length(held.arguments[2])?;
        let bytes = Caller(held.thread)
            .bytes(held.arguments[1], length)
            .map_err(|error| errno_of(&error))?;
        if !self.listener.stands(held.id) {
            return Err(libc::ESRCH);
        }
        sockets::address(&bytes)
    }

    /// A listener that only this child's connections come to.
    fn bind(&mut self, held: Held, key: u64) -> Reply {
        match self.try_bind(&held, key) {
            Ok(reply) => reply,
            Err(errno) => Reply::Errno(errno),
        }
    }

    fn try_bind(&mut self, held: &Held, key: u64) -> Result<Reply, i32> {
        let opened = self.socket_of(held)?;
        let address = self.address_of(held)?;
        let child = self.children.get_mut(&key).ok_or(libc::EPERM)?;
        let own = match child.address {
            Some(own) => own,
            None => *child
                .address
                .insert(sockets::own_address().map_err(|_| libc::EADDRNOTAVAIL)?),
        };
        if !(address.ip().is_unspecified() || address.ip().is_loopback()) {
            return Err(libc::EADDRNOTAVAIL);
        }
        if (1..PORT_MIN).contains(&address.port()) || child.ports.len() >= LISTENERS_MAX {
            return Err(libc::EACCES);
        }
        let errno = |error: std::io::Error| error.raw_os_error().unwrap_or(libc::EADDRINUSE);
        let (listener, port) = sockets::listener(own, address.port()).map_err(errno)?;
        if !child.ports.contains(&port) {
            child.ports.push(port);
        }
        rustix::io::ioctl_fionbio(&listener, opened.non_blocking).map_err(Errno::raw_os_error)?;
        let number = descriptor_of(held);
        self.listener
            .put(held.id, listener.as_fd(), number, opened.close_on_exec)
            .map_err(errno)?;
        Ok(Reply::Value(0))
    }

    /// Its own processes' priority is a child's to set. The number alone decides, and it is in a register.
    fn schedule(&self, held: &Held, key: u64) -> Reply {
        let own = self.tags && tag_of(descriptor_of(held)) == Some(key);
        if own { Reply::Proceed } else { Reply::Errno(libc::EPERM) }
    }

    fn change(&self, held: Held, key: u64) -> Reply {
        let Some(child) = self.children.get(&key) else {
            return Reply::Errno(libc::EPERM);
        };
        let stands = || self.listener.stands(held.id);
        match metadata::change(&held, &child.known.writable, stands) {
            Ok(()) => Reply::Value(0),
            Err(errno) => Reply::Errno(errno),
        }
    }
}

fn descriptor_of(held: &Held) -> i32 {
    held.arguments[0] as u32 as i32
}

fn v4(address: &std::net::SocketAddr) -> Option<Ipv4Addr> {
    match address.ip() {
        std::net::IpAddr::V4(address) => Some(address),
        std::net::IpAddr::V6(_) => None,
    }
}
