//! Ports on 127.0.0.1 that stay ours while nobody listens on them.
//!
//! A broker that is killed and started again needs its old port. So ports are taken from below the range
//! of which the system gives out ports for outgoing connections: from inside it, a client that tries to
//! reconnect may be given the very port it is knocking at, and then holds it.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::Mutex;

const FIRST: u16 = 19_000;
const LAST: u16 = 31_000;

static NEXT: Mutex<Option<u16>> = Mutex::new(None);

/// A port on which nobody listens, and which no other call of this process gets.
///
/// # Panics
/// When there is none.
pub(crate) fn free() -> u16 {
    let mut next = NEXT.lock().expect("no test panics while it takes a port");
    for _ in FIRST..LAST {
        let port = next.unwrap_or_else(somewhere);
        *next = Some(if port + 1 < LAST { port + 1 } else { FIRST });
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no free port between {FIRST} and {LAST} on 127.0.0.1");
}

/// Two test runs at the same time begin at different places.
fn somewhere() -> u16 {
    let places = u32::from(LAST - FIRST) / 40;
    FIRST + u16::try_from(std::process::id() % places * 40).expect("below LAST")
}
