//! The core's side of the supervisor: which broker each child has, and what becomes of the ends it sends over.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use openwrap_contracts::fault::ErrorCode;
use openwrap_contracts::limits::CONNECTIONS_MAX;
use openwrap_contracts::network::{Broker, Target};
use openwrap_contracts::ports::CancellationToken;
use openwrap_contracts::{Fault, Outcome};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::mpsc;

use crate::outbox::Outbox;
use crate::stand_ins::{QUESTION_BYTES_MAX, StandIns, is_stand_in};
use crate::talk::{AsksCore, CoreAnswers, Wanted};
use crate::wire::Inbox;

/// What an ended child had sent may still be on its way this long.
const LINGER: Duration = Duration::from_secs(2);
/// A resolver's connection on which nothing is asked.
const NAMES_IDLE: Duration = Duration::from_secs(30);

/// One child's network.
struct Member {
    broker: Arc<dyn Broker>,
    names: Mutex<StandIns>,
    /// Connections, resolvers and proxies open at once.
    places: Arc<tokio::sync::Semaphore>,
    end: CancellationToken,
}

/// The children that have a network.
pub struct Switchboard {
    members: Mutex<BTreeMap<u64, Arc<Member>>>,
    answers: mpsc::UnboundedSender<CoreAnswers>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Switchboard {
    /// Serves a supervisor's socket until it closes.
    ///
    /// # Errors
    /// A socket the runtime does not take.
    pub fn open(socket: OwnedFd) -> std::io::Result<Arc<Self>> {
        let socket = UnixStream::from_std(socket.into())?;
        let (answers, waiting) = mpsc::unbounded_channel();
        let board = Arc::new(Self {
            members: Mutex::default(),
            answers,
        });
        tokio::spawn(pump(Arc::downgrade(&board), socket, waiting));
        Ok(board)
    }

    /// Gives a child a network, before it is started.
    pub fn join(&self, child: u64, broker: Arc<dyn Broker>) {
        let member = Member {
            broker,
            names: Mutex::default(),
            places: Arc::new(tokio::sync::Semaphore::new(CONNECTIONS_MAX)),
            end: CancellationToken::new(),
        };
        lock(&self.members).insert(child, Arc::new(member));
    }

    /// Takes it back. What it had sent is still carried on for a moment, unless it was ended by force.
    pub fn leave(&self, child: u64, by_force: bool) {
        let Some(member) = lock(&self.members).remove(&child) else {
            return;
        };
        let end = member.end.clone();
        if by_force {
            end.cancel();
        } else {
            tokio::spawn(async move {
                tokio::time::sleep(LINGER).await;
                end.cancel();
            });
        }
    }

    fn hear(self: &Arc<Self>, ask: AsksCore, end: OwnedFd) {
        let AsksCore { child, request, wanted } = ask;
        let member = lock(&self.members).get(&child).map(Arc::clone);
        let place = member
            .as_ref()
            .and_then(|member| Arc::clone(&member.places).try_acquire_owned().ok());
        let (Some(member), Some(place)) = (member, place) else {
            // Dropping the end closes the child's.
            self.answer(request, libc::EMFILE);
            return;
        };
        let board = Arc::clone(self);
        tokio::spawn(async move {
            match wanted {
                Wanted::Connection { address, waits } => board.connect(&member, request, address, waits, end).await,
                Wanted::Names => {
                    let stopped = member.end.cancelled();
                    tokio::select! {
                        () = stopped => {}
                        _ = serve_names(&member, end) => {}
                    }
                }
                Wanted::Proxy => member.broker.proxy(end, member.end.clone()).await,
            }
            drop(place);
        });
    }

    async fn connect(&self, member: &Member, request: Option<u64>, address: SocketAddr, waits: bool, end: OwnedFd) {
        let Some(target) = target_of(&lock(&member.names), address) else {
            self.answer(request, libc::EHOSTUNREACH);
            return;
        };
        let permitted = member.broker.permits(&target);
        if !waits {
            self.answer(request, if permitted { 0 } else { libc::EACCES });
        }
        // A refusal shows on the end as well: a connection that ends in good order would look like an empty answer.
        let breaker = end.try_clone();
        let outcome = member.broker.connect(target, end, member.end.clone()).await;
        if outcome.is_err()
            && !waits
            && let Ok(breaker) = breaker
        {
            let _ = rustix::net::sockopt::set_socket_linger(&breaker, Some(Duration::ZERO));
        }
        if waits {
            self.answer(request, outcome.map_or_else(|fault| errno_of(&fault), |_| 0));
        }
    }

    fn answer(&self, request: Option<u64>, errno: i32) {
        if let Some(request) = request {
            // Without a reader the supervisor is gone, and the held call with it.
            let _ = self.answers.send(CoreAnswers { request, errno });
        }
    }

    /// The supervisor is gone: so is everything of its children.
    pub fn close(&self) {
        for member in std::mem::take(&mut *lock(&self.members)).into_values() {
            member.end.cancel();
        }
    }
}

impl std::fmt::Debug for Switchboard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Switchboard").finish_non_exhaustive()
    }
}

fn target_of(names: &StandIns, address: SocketAddr) -> Option<Target> {
    let ip = address.ip();
    let host = match names.name_of(ip) {
        Some(name) => name.to_owned(),
        None if is_stand_in(ip) => return None,
        None => ip.to_string(),
    };
    Some(Target {
        host,
        port: address.port(),
    })
}

fn errno_of(fault: &Fault) -> i32 {
    match fault.code {
        ErrorCode::EgressDenied => libc::EACCES,
        ErrorCode::Timeout => libc::ETIMEDOUT,
        ErrorCode::Canceled => libc::ECONNABORTED,
        ErrorCode::LimitExceeded | ErrorCode::TooManyRequests => libc::EMFILE,
        _ => libc::ECONNREFUSED,
    }
}

async fn serve_names(member: &Member, end: OwnedFd) -> Outcome<()> {
    let broken = |error: std::io::Error| Fault::internal(error.to_string());
    let mut stream = TcpStream::from_std(end.into()).map_err(broken)?;
    loop {
        let length = tokio::time::timeout(NAMES_IDLE, stream.read_u16()).await;
        let Ok(Ok(length)) = length else { return Ok(()) };
        let mut question = vec![0; usize::from(length)];
        if question.len() > QUESTION_BYTES_MAX {
            return Ok(());
        }
        let read = tokio::time::timeout(NAMES_IDLE, stream.read_exact(&mut question)).await;
        if !matches!(read, Ok(Ok(_))) {
            return Ok(());
        }
        let answer = lock(&member.names).answer(&question, |name| member.broker.resolves(name));
        let Some(answer) = answer else { return Ok(()) };
        let mut framed = u16::try_from(answer.len()).unwrap_or(0).to_be_bytes().to_vec();
        framed.extend(answer);
        stream.write_all(&framed).await.map_err(broken)?;
    }
}

async fn pump(
    board: std::sync::Weak<Switchboard>,
    socket: UnixStream,
    mut answers: mpsc::UnboundedReceiver<CoreAnswers>,
) {
    let (mut inbox, mut outbox) = (Inbox::default(), Outbox::default());
    loop {
        let interest = if outbox.is_empty() {
            Interest::READABLE
        } else {
            Interest::READABLE | Interest::WRITABLE
        };
        tokio::select! {
            ready = socket.ready(interest) => {
                let Ok(ready) = ready else { break };
                if ready.is_writable() && !send(&socket, &mut outbox) {
                    break;
                }
            }
            answer = answers.recv() => match answer {
                Some(answer) => {
                    if outbox.push(&answer, None).is_err() || !send(&socket, &mut outbox) {
                        break;
                    }
                    continue;
                }
                None => break,
            }
        }
        let Some(board) = board.upgrade() else { break };
        if !take(&board, &socket, &mut inbox) {
            break;
        }
    }
    if let Some(board) = board.upgrade() {
        board.close();
    }
}

/// False: the other side is gone.
fn send(socket: &UnixStream, outbox: &mut Outbox) -> bool {
    let sent = socket.try_io(Interest::WRITABLE, || match outbox.flush(socket) {
        Ok(true) if outbox.is_empty() => Ok(true),
        Ok(true) => Err(std::io::ErrorKind::WouldBlock.into()),
        Ok(false) => Ok(false),
        Err(error) => Err(error.into()),
    });
    match sent {
        Ok(there) => there,
        Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
    }
}

/// Takes all that has come. False: the other side is gone, or says what cannot be understood.
fn take(board: &Arc<Switchboard>, socket: &UnixStream, inbox: &mut Inbox) -> bool {
    loop {
        match socket.try_io(Interest::READABLE, || Ok(inbox.receive(socket)?)) {
            Ok(true) => {}
            Ok(false) => return false,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return true,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => return false,
        }
        loop {
            let ask = match inbox.next::<AsksCore>() {
                Ok(Some(ask)) => ask,
                Ok(None) => break,
                Err(_) => return false,
            };
            match inbox.take_descriptors(1).and_then(|mut ends| ends.pop()) {
                Some(end) => board.hear(ask, end),
                None => return false,
            }
        }
    }
}
