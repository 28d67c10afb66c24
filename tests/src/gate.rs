//! A gate before a broker: everything passes, but requests of one kind can be kept waiting there.
//!
//! The broker tells its clients the gate's address for its own. A request that waits keeps what comes after
//! it on the same connection waiting too, as on a slow network; one whose sender has given up meanwhile still
//! arrives, late.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::{patience, ports};

/// Kinds of request that only transactional producers send, by their numbers in Kafka's protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Before the first record of a transaction to a partition.
    AddPartitions = 24,
    /// The end of a transaction, either way.
    End = 26,
    /// The offsets of a transaction.
    CommitOffsets = 28,
}

/// A gate. It goes with its owner, and lets everything pass then.
#[derive(Debug)]
pub struct Gate {
    port: u16,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    now: Mutex<Now>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Now {
    /// Where the broker is.
    behind: Option<u16>,
    kept: Option<Request>,
    /// How many requests of the kept kind have come.
    came: u64,
    closed: bool,
}

impl Gate {
    /// Opens one on a free port; where it leads is told later.
    ///
    /// # Panics
    /// When there is no port for it.
    #[must_use]
    pub fn open() -> Gate {
        let port = ports::free();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("a free port is free");
        let state = Arc::new(State::default());
        let at_gate = Arc::clone(&state);
        std::thread::spawn(move || at_gate.listen(&listener));
        Gate { port, state }
    }

    /// What goes into `advertised.listeners`.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn lead_to(&self, port: u16) {
        self.state.change(|now| now.behind = Some(port));
    }

    /// Keeps every request of this kind waiting until the answer is dropped.
    #[must_use]
    pub fn keep(&self, request: Request) -> Kept<'_> {
        self.state.change(|now| {
            now.kept = Some(request);
            now.came = 0;
        });
        Kept { gate: self }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.state.change(|now| {
            now.kept = None;
            now.closed = true;
        });
        // The listener sees that it is closed with the next who comes.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
    }
}

/// Requests of one kind are kept waiting for as long as this is.
#[derive(Debug)]
pub struct Kept<'a> {
    gate: &'a Gate,
}

impl Kept<'_> {
    /// Waits until a request of this kind has come.
    ///
    /// # Panics
    /// When none comes.
    pub fn wait_for_one(&self) {
        patience::until("a request waits at the gate", patience::CATCHING_UP, || {
            (self.gate.state.lock().came > 0).then_some(())
        });
    }
}

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        self.gate.state.change(|now| now.kept = None);
    }
}

impl State {
    fn lock(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Now)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    fn listen(self: &Arc<Self>, listener: &TcpListener) {
        for client in listener.incoming() {
            let now = self.lock();
            if now.closed {
                return;
            }
            let (Ok(client), Some(port)) = (client, now.behind) else {
                continue;
            };
            drop(now);
            // A broker that is away is away behind its gate too.
            if let Ok(broker) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
                self.lead(client, broker);
            }
        }
    }

    fn lead(self: &Arc<Self>, client: TcpStream, broker: TcpStream) {
        let both = (client.try_clone(), broker.try_clone());
        let (Ok(mut answered), Ok(mut answers)) = both else {
            return;
        };
        let state = Arc::clone(self);
        std::thread::spawn(move || {
            // Either side may hang up at any time.
            drop(state.pass_requests(&client, &broker));
            drop(broker.shutdown(Shutdown::Both));
        });
        std::thread::spawn(move || {
            drop(io::copy(&mut answers, &mut answered));
            drop(answered.shutdown(Shutdown::Both));
        });
    }

    /// A request is its length, the number of its kind, and the rest.
    fn pass_requests(&self, mut client: &TcpStream, mut broker: &TcpStream) -> io::Result<()> {
        loop {
            let mut length = [0; 4];
            client.read_exact(&mut length)?;
            let mut request = length.to_vec();
            let rest = u64::from(u32::from_be_bytes(length));
            if client.take(rest).read_to_end(&mut request)? as u64 != rest {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let kind = request
                .get(4..6)
                .map(|kind| i16::from_be_bytes([kind[0], kind[1]]));
            self.wait_while_kept(kind);
            broker.write_all(&request)?;
        }
    }

    fn wait_while_kept(&self, kind: Option<i16>) {
        let is_kept = |now: &Now| now.kept.is_some_and(|kept| Some(kept as i16) == kind);
        let mut now = self.lock();
        if is_kept(&now) {
            now.came += 1;
        }
        let waited = self.changed.wait_while(now, |now| is_kept(now));
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}
