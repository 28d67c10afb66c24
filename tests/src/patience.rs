//! Waiting for something to become true.
//!
//! The limits are far beyond what a slow machine needs: running into one means that it will never happen.

use std::time::{Duration, Instant};

/// Long enough for a broker or a Mainstay to come up on a machine that has other things to do.
pub const STARTING: Duration = Duration::from_secs(90);

/// Long enough for a takeover with a session that has to time out, a restore, and all that was fed.
pub const CATCHING_UP: Duration = Duration::from_secs(150);

/// Asks `probe` until it answers.
///
/// # Panics
/// When `limit` is over: `what` says what did not happen.
pub fn until<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(
            start.elapsed() < limit,
            "waited {} s in vain: {what}",
            limit.as_secs()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}
