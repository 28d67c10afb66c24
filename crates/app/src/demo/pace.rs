//! When the demo's next event may be sent: history as fast as it is read, then so many times faster than
//! life, and never far ahead of what was committed.

use std::time::Duration;

use mainstay_model::Timestamp;

/// How many bytes of a partition may wait for their commit: the embedded broker forgets what it cannot keep.
pub(super) const MOST_AHEAD: u64 = 2 << 20;

/// The pace of a demo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Where history ends and time begins to pass.
    pub live_from: Timestamp,
    /// How many times faster than life it passes then.
    pub speed: u32,
}

impl Pace {
    /// How far the company's time has come, so long after history ended.
    #[must_use]
    pub fn now(&self, live_for: Duration) -> Timestamp {
        let ms = live_for.as_micros() * u128::from(self.speed) / 1000;
        self.live_from
            .plus_ms(i64::try_from(ms).unwrap_or(i64::MAX))
    }

    /// Whether an event belongs to history, which nobody waits for.
    #[must_use]
    pub fn is_history(&self, arrival: Timestamp) -> bool {
        arrival < self.live_from
    }
}

/// Whether a partition may be sent more.
pub(super) fn has_room(ahead: u64) -> bool {
    ahead < MOST_AHEAD
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace {
        live_from: Timestamp(1_000_000),
        speed: 2000,
    };

    #[test]
    fn time_passes_so_many_times_faster_than_life() {
        assert_eq!(PACE.now(Duration::ZERO), PACE.live_from);
        assert_eq!(
            PACE.now(Duration::from_micros(1500)),
            Timestamp(1_000_000 + 3000)
        );
    }

    #[test]
    fn no_time_and_no_speed_are_too_large() {
        let fast = Pace {
            speed: 1_000_000,
            ..PACE
        };
        let long = Duration::from_secs(u64::MAX / 2);
        assert!(fast.now(long) > PACE.now(Duration::from_secs(1_000_000)));
    }

    #[test]
    fn nobody_waits_for_history() {
        assert!(PACE.is_history(Timestamp(999_999)));
        assert!(!PACE.is_history(Timestamp(1_000_000)));
    }

    #[test]
    fn a_partition_is_never_sent_more_than_the_broker_keeps() {
        assert!(has_room(0));
        assert!(has_room(MOST_AHEAD - 1));
        assert!(!has_room(MOST_AHEAD));
        let (kept, record) = (5 << 20, 64 << 10);
        assert!(2 * MOST_AHEAD + record < kept);
    }
}
