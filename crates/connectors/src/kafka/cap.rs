//! How many bytes may wait for a commit: what the brokers take in good time, at most what the operator allows.
//!
//! A record that is not acknowledged after 8 s is given up, and its transaction with it. Slices at the
//! operator's limit that no broker takes in that time would be aborted, restored and filled again for ever.
//! So the limit is halved by each transaction that fails or is slow, and doubled by each that is quick.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A transaction that takes longer has too much in it.
const SLOW: Duration = Duration::from_secs(3);
/// One that takes less could have more in it.
const QUICK: Duration = Duration::from_secs(1);
/// No less, however slow the brokers are.
const LEAST: usize = 1 << 20;

/// The limit as it is now, for all threads.
#[derive(Debug)]
pub(super) struct Cap {
    most: usize,
    now: AtomicUsize,
}

impl Cap {
    /// At first, what the operator allows.
    pub(super) fn new(most: usize) -> Cap {
        Cap {
            most,
            now: AtomicUsize::new(most),
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.now.load(Ordering::Relaxed)
    }

    /// A transaction was committed.
    pub(super) fn committed(&self, took: Duration) {
        if took > SLOW {
            self.failed();
        } else if took < QUICK {
            let more = self.bytes().saturating_mul(2).min(self.most);
            self.now.store(more, Ordering::Relaxed);
        }
    }

    /// A transaction was aborted, or its producer given up.
    pub(super) fn failed(&self) {
        let less = (self.bytes() / 2).max(LEAST.min(self.most));
        self.now.store(less, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    #[test]
    fn transactions_that_fail_or_are_slow_lower_it_to_1_mib_and_quick_ones_raise_it_again() {
        let cap = Cap::new(64 * MIB);
        cap.failed();
        assert_eq!(cap.bytes(), 32 * MIB);
        cap.committed(Duration::from_secs(4));
        assert_eq!(cap.bytes(), 16 * MIB);
        cap.committed(Duration::from_secs(2));
        assert_eq!(cap.bytes(), 16 * MIB, "neither slow nor quick");
        for _ in 0..10 {
            cap.failed();
        }
        assert_eq!(cap.bytes(), MIB);
        for _ in 0..10 {
            cap.committed(Duration::from_millis(50));
        }
        assert_eq!(cap.bytes(), 64 * MIB);
    }

    #[test]
    fn a_limit_of_the_operator_below_1_mib_holds() {
        let cap = Cap::new(MIB / 4);
        cap.failed();
        assert_eq!(cap.bytes(), MIB / 4);
    }
}
