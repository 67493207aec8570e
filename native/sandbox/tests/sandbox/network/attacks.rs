//! What a hostile program tries, and what it must get.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use openwrap_contracts::network::Broker;
use openwrap_contracts::spawn::{ExitReason, Network, Spawner};
use openwrap_contracts::tools_user::as_tools;

use super::broker::{GRANTED, serve_nobody};
use super::programs::{World, said_by};
use crate::stage::{processes_with, say, text, wait_until};

const FLIPS: usize = 2000;

/// The core's part: the hostile programs, and that nobody met them.
pub async fn from_outside(world: &World) {
    let (victim, hits) = serve_nobody("127.0.0.1:0");
    let (other, other_hits) = serve_nobody(&format!("127.0.0.9:{}", world.files.address.port()));
    let mut request = world.stage.inside("attacks");
    request.env.push(("VICTIM".to_owned(), victim.to_string()));
    request.env.push(("OTHER".to_owned(), other.to_string()));
    request
        .env
        .push(("PORT".to_owned(), world.files.address.port().to_string()));
    request.limits.wall_ms = 60_000;
    let finished = world.run(request).await;
    let said = said_by(&finished);
    assert!(finished.status.success(), "{said:?}{}", text(&finished.stderr));
    let expected = [
        "victim 13",
        "mapped 13",
        "zero 13",
        "other 13",
        "unspecified 97",
        "null 88",
        "pointer 14",
        "closed 9",
        "short 22",
        "udp 97",
        "udp6 97",
        "unix 1",
        "sctp 97",
        "mptcp 97",
        "fast_open 1",
        "fast_open_connect 13",
        "again 106",
        "elsewhere 106",
        "listener 1",
        "listener_by_prctl done",
        "low_port 13",
        "foreign_address 99",
        "local done",
        "local_by_name done",
        "full 111",
        "taken_again done",
        "interfaces 1",
        "granted done",
        "non_blocking done",
        "non_blocking_refused 13",
    ];
    for line in expected {
        assert!(said.iter().any(|said| said == line), "{line}: {said:?}");
    }
    let flips = said.iter().find_map(|line| line.strip_prefix("flips ")).unwrap();
    assert_eq!(flips, FLIPS.to_string());
    lost_supervisor(world, victim).await;
    assert_eq!((hits.load(Ordering::SeqCst), other_hits.load(Ordering::SeqCst)), (0, 0));
    let refused = world.broker.refused.lock().unwrap().clone();
    assert!(refused.contains(&victim.to_string()), "{refused:?}");
}

/// A child that goes on connecting while the supervisor is killed.
async fn lost_supervisor(world: &World, victim: SocketAddr) {
    let mut request = world.stage.inside("waiting");
    request.env.push(("VICTIM".to_owned(), victim.to_string()));
    request.network = Network::Named(Arc::clone(&world.broker) as Arc<dyn Broker>);
    let mut child = world.stage.spawner.spawn(request).await.unwrap();
    while !text(&child.stdout.chunks.recv().await.unwrap()).contains("@tries") {}
    let spawner = std::env::var("SPAWNER").unwrap();
    let parent = format!("\nPPid:\t{}\n", std::process::id());
    let supervisor = processes_with(&spawner)
        .into_iter()
        .find(|pid| std::fs::read_to_string(format!("/proc/{pid}/status")).is_ok_and(|text| text.contains(&parent)))
        .unwrap();
    let supervisor = rustix::process::Pid::from_raw(supervisor).unwrap();
    // It runs as the tools do.
    let kill = || rustix::process::kill_process(supervisor, rustix::process::Signal::KILL);
    as_tools(openwrap_sandbox::tools_ids(), kill).unwrap();
    let status = child.control.wait().await.unwrap();
    assert_eq!((status.reason, status.left_behind), (ExitReason::SpawnerGone, 0));
    wait_until("the spawner is gone", Duration::from_secs(5), || {
        processes_with(&spawner).is_empty()
    });
    assert_eq!(world.stage.says("echo back").await, "back\n");
}

pub fn wait_for_the_end() {
    let victim: SocketAddr = std::env::var("VICTIM").unwrap().parse().unwrap();
    say("tries");
    loop {
        let _ = TcpStream::connect(victim);
        install_listener();
    }
}

fn tell<T>(name: &str, result: io::Result<T>) {
    let outcome = match result {
        Ok(_) => "done".to_owned(),
        Err(error) => error
            .raw_os_error()
            .map_or_else(|| error.to_string(), |errno| errno.to_string()),
    };
    say(&format!("{name} {outcome}"));
}

fn checked(result: libc::c_int) -> io::Result<i32> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

fn raw_socket(family: i32, kind: i32, protocol: i32) -> io::Result<i32> {
    // SAFETY: numbers only.
    checked(unsafe { libc::socket(family, kind, protocol) })
}

fn place(address: SocketAddrV4) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: address.port().to_be(),
        sin_addr: libc::in_addr {
            s_addr: u32::from_ne_bytes(address.ip().octets()),
        },
        sin_zero: [0; 8],
    }
}

fn connect_raw(fd: i32, address: *const libc::sockaddr_in, length: u32) -> io::Result<i32> {
    // SAFETY: the kernel checks the address; a wrong one is what is tried.
    checked(unsafe { libc::connect(fd, address.cast(), length) })
}

fn v4(address: SocketAddr) -> SocketAddrV4 {
    match address {
        SocketAddr::V4(address) => address,
        SocketAddr::V6(_) => unreachable!(),
    }
}

fn environment(name: &str) -> String {
    std::env::var(name).unwrap()
}

pub fn play() {
    let victim: SocketAddr = environment("VICTIM").parse().unwrap();
    let other: SocketAddr = environment("OTHER").parse().unwrap();
    let port: u16 = environment("PORT").parse().unwrap();
    tell("victim", TcpStream::connect(victim));
    tell("other", TcpStream::connect(other));
    let mapped = SocketAddr::new(Ipv4Addr::LOCALHOST.to_ipv6_mapped().into(), victim.port());
    tell("mapped", TcpStream::connect(mapped));
    tell("zero", TcpStream::connect((Ipv4Addr::UNSPECIFIED, victim.port())));
    malformed(v4(victim));
    for (name, family, kind, protocol) in [
        ("udp", libc::AF_INET, libc::SOCK_DGRAM, 0),
        ("udp6", libc::AF_INET6, libc::SOCK_DGRAM, 0),
        ("unix", libc::AF_UNIX, libc::SOCK_STREAM, 0),
        ("sctp", libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_SCTP),
        ("mptcp", libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_MPTCP),
    ] {
        tell(name, raw_socket(family, kind, protocol));
    }
    fast_open(v4(victim));
    granted(port, v4(victim));
    install_listener();
    tell("listener", listener_filter(libc::SECCOMP_FILTER_FLAG_NEW_LISTENER));
    tell("listener_by_prctl", listener_filter(0));
    listening();
    flip(port, v4(victim));
}

fn malformed(victim: SocketAddrV4) {
    let address = place(victim);
    let whole = size_of::<libc::sockaddr_in>() as u32;
    let fd = raw_socket(libc::AF_INET, libc::SOCK_STREAM, 0).unwrap();
    let unspecified = libc::sockaddr_in {
        sin_family: libc::AF_UNSPEC as u16,
        ..address
    };
    tell("unspecified", connect_raw(fd, &raw const unspecified, whole));
    tell("pointer", connect_raw(fd, std::ptr::without_provenance(8), whole));
    tell("short", connect_raw(fd, &raw const address, 7));
    tell("closed", connect_raw(999, &raw const address, whole));
    let null = std::fs::File::open("/dev/null").unwrap();
    tell("null", connect_raw(null.as_raw_fd(), &raw const address, whole));
}

fn fast_open(victim: SocketAddrV4) {
    let address = place(victim);
    let whole = size_of::<libc::sockaddr_in>() as u32;
    let fd = raw_socket(libc::AF_INET, libc::SOCK_STREAM, 0).unwrap();
    // SAFETY: one byte and an address of their stated sizes.
    let sent = unsafe {
        libc::sendto(
            fd,
            b"x".as_ptr().cast(),
            1,
            libc::MSG_FASTOPEN,
            (&raw const address).cast(),
            whole,
        )
    };
    tell("fast_open", checked(sent as i32));
    let on = 1;
    // SAFETY: one number.
    unsafe {
        libc::setsockopt(
            fd,
            libc::IPPROTO_TCP,
            libc::TCP_FASTOPEN_CONNECT,
            (&raw const on).cast(),
            4,
        )
    };
    tell("fast_open_connect", connect_raw(fd, &raw const address, whole));
}

fn ask(mut stream: TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(b"GET /hello.txt HTTP/1.0\r\n\r\n")?;
    let mut page = String::new();
    stream.read_to_string(&mut page)?;
    if page.contains("hello") {
        Ok(())
    } else {
        Err(io::Error::other(page))
    }
}

fn granted(port: u16, victim: SocketAddrV4) {
    let stream = TcpStream::connect((GRANTED, port)).unwrap();
    stream.set_nodelay(true).unwrap();
    let fd = stream.as_raw_fd();
    let whole = size_of::<libc::sockaddr_in>() as u32;
    let address = place(victim);
    tell("again", connect_raw(fd, &raw const address, whole));
    let unspecified = libc::sockaddr_in {
        sin_family: libc::AF_UNSPEC as u16,
        ..address
    };
    // Taken apart, it could be connected elsewhere.
    tell("elsewhere", connect_raw(fd, &raw const unspecified, whole));
    // The socket lies where this machine's networks are.
    let mut names = libc::ifconf {
        ifc_len: 0,
        ifc_ifcu: libc::__c_anonymous_ifc_ifcu {
            ifcu_buf: std::ptr::null_mut(),
        },
    };
    // SAFETY: asks for the length only.
    tell(
        "interfaces",
        checked(unsafe { libc::ioctl(fd, libc::SIOCGIFCONF, &raw mut names) }),
    );
    tell("granted", ask(stream));
    let stand_in = SocketAddrV4::new(Ipv4Addr::new(198, 18, 0, 1), port);
    let fd = raw_socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_NONBLOCK, 0).unwrap();
    let there = place(stand_in);
    tell("non_blocking", connect_raw(fd, &raw const there, whole));
    let fd = raw_socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_NONBLOCK, 0).unwrap();
    tell("non_blocking_refused", connect_raw(fd, &raw const address, whole));
}

/// A filter that would answer held calls itself, or (without the flag) an ordinary one.
fn listener_filter(flags: libc::c_ulong) -> io::Result<()> {
    let allow = libc::sock_filter {
        code: (libc::BPF_RET | libc::BPF_K) as u16,
        jt: 0,
        jf: 0,
        k: libc::SECCOMP_RET_ALLOW,
    };
    let program = libc::sock_fprog {
        len: 1,
        filter: (&raw const allow).cast_mut(),
    };
    // SAFETY: a program that lives through the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            flags,
            &raw const program,
        )
    };
    checked(result as i32).map(drop)
}

fn install_listener() {
    let _ = listener_filter(libc::SECCOMP_FILTER_FLAG_NEW_LISTENER);
}

fn listening() {
    tell("low_port", TcpListener::bind("127.0.0.1:80"));
    tell("foreign_address", TcpListener::bind("192.0.2.1:0"));
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = std::thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(b"hello").unwrap();
        }
    });
    for (name, host) in [("local", "127.0.0.1"), ("local_by_name", "localhost")] {
        let read = || {
            let mut text = String::new();
            TcpStream::connect((host, port))?.read_to_string(&mut text)?;
            if text == "hello" {
                Ok(())
            } else {
                Err(io::Error::other(text))
            }
        };
        tell(name, read());
    }
    served.join().unwrap();
    full_listener();
}

/// One that takes nobody holds nobody else's calls up, and works again when it takes somebody.
fn full_listener() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    let refused = loop {
        match TcpStream::connect(place) {
            Ok(stream) => waiting.push(stream),
            Err(error) => break error,
        }
        assert!(waiting.len() < 10_000);
    };
    // Answered without a wait by now: else this were many seconds.
    let again = (0..1_000).find_map(|_| TcpStream::connect(place).ok());
    tell("full", if again.is_some() { Ok(()) } else { Err(refused) });
    for _ in 0..waiting.len() {
        drop(listener.accept().unwrap());
    }
    let taken = (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        TcpStream::connect(place).is_ok()
    });
    tell(
        "taken_again",
        if taken {
            Ok(())
        } else {
            Err(io::ErrorKind::TimedOut.into())
        },
    );
}

/// A second thread changes the address all the time.
fn flip(port: u16, victim: SocketAddrV4) {
    let stand_in = SocketAddrV4::new(Ipv4Addr::new(198, 18, 0, 1), port);
    let (good, bad) = (place(stand_in), place(victim));
    let number = |address: &libc::sockaddr_in| {
        [
            u32::from(address.sin_family) | u32::from(address.sin_port) << 16,
            address.sin_addr.s_addr,
        ]
    };
    let shared: Arc<[AtomicU32; 4]> = Arc::new(Default::default());
    let over = Arc::new(AtomicBool::new(false));
    let (flipped, until) = (Arc::clone(&shared), Arc::clone(&over));
    let flipper = std::thread::spawn(move || {
        while !until.load(Ordering::Relaxed) {
            for [first, second] in [number(&good), number(&bad)] {
                flipped[0].store(first, Ordering::Relaxed);
                flipped[1].store(second, Ordering::Relaxed);
            }
        }
    });
    let mut tried = 0;
    for _ in 0..FLIPS {
        let fd = raw_socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_NONBLOCK, 0).unwrap();
        let _ = connect_raw(fd, shared.as_ptr().cast(), 16);
        // SAFETY: a descriptor of ours.
        unsafe { libc::close(fd) };
        tried += 1;
    }
    over.store(true, Ordering::Relaxed);
    flipper.join().unwrap();
    say(&format!("flips {tried}"));
}
