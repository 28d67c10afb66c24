//! How long records take from their arrival to the commit of their effects: exact quantiles of the last
//! minute or two.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// How long a half of the window is filled.
const HALF: Duration = Duration::from_secs(60);
/// An hour, in milliseconds: what takes longer counts as an hour.
const LONGEST_MS: u64 = 3_600_000;

/// The quantiles that are told, with their labels.
pub(super) const QUANTILES: [(&str, f64); 5] = [
    ("0.5", 0.5),
    ("0.9", 0.9),
    ("0.99", 0.99),
    ("0.999", 0.999),
    ("1", 1.0),
];

/// Two halves: one is filled, the other is the one before.
pub(super) struct Latencies {
    now: Histogram<u64>,
    before: Histogram<u64>,
    since: Instant,
}

impl Latencies {
    pub(super) fn new() -> Latencies {
        let histogram = || {
            Histogram::new_with_max(LONGEST_MS, 2).expect("an hour and two digits are in its range")
        };
        Latencies {
            now: histogram(),
            before: histogram(),
            since: Instant::now(),
        }
    }

    pub(super) fn record(&mut self, took: Duration, records: u64) {
        self.turn();
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.now.saturating_record_n(ms.min(LONGEST_MS), records);
    }

    /// Seconds at each of [`QUANTILES`]; none where nothing was recorded.
    pub(super) fn quantiles(&mut self) -> Option<[f64; QUANTILES.len()]> {
        self.turn();
        let mut both = self.now.clone();
        both.add(&self.before)
            .expect("both halves have the same range");
        let seconds = |at| both.value_at_quantile(at) as f64 / 1000.0;
        (!both.is_empty()).then(|| QUANTILES.map(|(_, at)| seconds(at)))
    }

    fn turn(&mut self) {
        if self.since.elapsed() < HALF {
            return;
        }
        let both_old = self.since.elapsed() >= HALF * 2;
        std::mem::swap(&mut self.now, &mut self.before);
        self.now.reset();
        if both_old {
            self.before.reset();
        }
        self.since = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_count_every_record_of_a_slice() {
        let mut latencies = Latencies::new();
        assert_eq!(latencies.quantiles(), None);
        latencies.record(Duration::from_millis(50), 90);
        latencies.record(Duration::from_millis(100), 10);
        assert_eq!(
            latencies.quantiles().map(|all| (all[0], all[4])),
            Some((0.05, 0.1))
        );
    }
}
