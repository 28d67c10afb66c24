//! Watches the pipeline for the terminal: what is shown is what was committed.
//!
//! Everything is passed on to the metrics. Only the time from an event's sending to its commit is put in
//! place of the one from its arrival, which is a time of the made-up company.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mainstay_connectors::kafka::{Committed, Lag, Observer, ShardNo, Told};
use mainstay_connectors::prometheus::Metrics;
use mainstay_connectors::{Counts, Topic};
use mainstay_model::{Timestamp, Value};

use super::movements::Movements;

/// Where a demo stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The broker and the company come into being.
    #[default]
    Starting,
    /// The group has no shards for us yet.
    Joining,
    /// History is read as fast as it goes.
    History,
    /// Time passes at the speed that was asked for.
    Live,
    /// Nothing is fed any more; what was fed is committed.
    Finishing,
    /// What was published is held against the truth.
    Comparing,
}

impl Phase {
    /// In the words of a reader.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Phase::Starting => "starting a broker in this process",
            Phase::Joining => "joining the consumer group, which takes 3 s",
            Phase::History => "reading history",
            Phase::Live => "live",
            Phase::Finishing => "committing what was fed",
            Phase::Comparing => "comparing with the truth",
        }
    }
}

/// What was seen of the pipeline.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Where the demo stands.
    pub phase: Phase,
    /// What became of the records that were committed.
    pub counts: Counts,
    /// The newest values of every account that is there, in the order of the catalogue.
    pub accounts: BTreeMap<String, Vec<Value>>,
    /// Every account that values were told of.
    pub ever: BTreeSet<String>,
    /// The movements of revenue that were told.
    pub movements: Movements,
    /// The company's time as far as values count it.
    pub now: Option<Timestamp>,
    /// The last days are only closed now: values stay as they were before, because nobody wants to see
    /// those of a day on which nothing could happen.
    pub is_over: bool,
    /// Transactions that were aborted.
    pub aborted: u64,
    /// When the first and the last slice with records were committed.
    pub committed_at: Option<(Instant, Instant)>,
    sent: BTreeMap<ShardNo, Ahead>,
    latencies: VecDeque<(Instant, Duration, u64)>,
}

/// What a shard was sent and has not committed.
#[derive(Clone, Debug, Default)]
struct Ahead {
    bytes: u64,
    batches: VecDeque<Sent>,
}

#[derive(Clone, Debug)]
struct Sent {
    at: Instant,
    records: u64,
    bytes: u64,
}

/// Over how long latencies are told.
const WINDOW: Duration = Duration::from_secs(10);
/// What is sent so soon after one another counts as sent at once.
const AT_ONCE: Duration = Duration::from_millis(1);

/// Watches the pipeline.
pub struct Watcher {
    metrics: Arc<Metrics>,
    seen: Mutex<Seen>,
}

impl Watcher {
    /// One that passes everything on to the metrics.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>) -> Watcher {
        Watcher {
            metrics,
            seen: Mutex::default(),
        }
    }

    /// What was seen so far.
    pub fn seen(&self) -> MutexGuard<'_, Seen> {
        // What a panic left is still worth showing.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A record is about to be sent, if its shard has room. Says whether it has.
    pub(super) fn send_if(&self, to: ShardNo, bytes: u64, has_room: fn(u64) -> bool) -> bool {
        let mut seen = self.seen();
        let ahead = seen.sent.entry(to).or_default();
        let room = has_room(ahead.bytes);
        if room {
            ahead.sent(bytes, Instant::now());
        }
        room
    }

    pub(super) fn enter(&self, phase: Phase) {
        let mut seen = self.seen();
        seen.phase = seen.phase.max(phase);
    }

    /// From now on values are no longer shown.
    pub(super) fn keep_what_is_shown(&self) {
        self.seen().is_over = true;
    }

    pub(super) fn history_is_over(&self) {
        self.enter(Phase::Live);
    }
}

impl Observer for Watcher {
    fn told(&self, what: &Told<'_>) {
        if let Told::Committed(committed) = what {
            let latencies = self.seen().committed(committed, Instant::now());
            self.metrics.told(&Told::Committed(Committed {
                latencies: &latencies,
                slice: committed.slice,
                ..*committed
            }));
            return;
        }
        if let Told::Lag(lag) = what {
            let behind = self.seen().waiting_for(lag.shard);
            return self.metrics.told(&Told::Lag(Lag { behind, ..*lag }));
        }
        if let Told::Running(_) = what {
            self.enter(Phase::History);
        }
        if let Told::Aborted = what {
            self.seen().aborted += 1;
        }
        self.metrics.told(what);
    }
}

impl Seen {
    /// Records that were sent and are not committed.
    #[must_use]
    pub fn lag(&self) -> u64 {
        let batches = self.sent.values().flat_map(|ahead| &ahead.batches);
        batches.map(|sent| sent.records).sum()
    }

    /// Median and 99th percentile of the time from sending to commit, of the last ten seconds.
    #[must_use]
    pub fn latency(&self) -> Option<(Duration, Duration)> {
        let mut sorted: Vec<(Duration, u64)> = self
            .latencies
            .iter()
            .map(|(_, took, records)| (*took, *records))
            .collect();
        sorted.sort_unstable();
        let all: u64 = sorted.iter().map(|(_, records)| records).sum();
        let at = |percent: u64| {
            let rank = (all * percent).div_ceil(100).max(1);
            let mut passed = 0;
            let found = sorted.iter().find(|(_, records)| {
                passed += records;
                passed >= rank
            });
            found.map(|(took, _)| *took)
        };
        Some((at(50)?, at(99)?))
    }

    /// Records that were committed.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.counts.read
    }

    /// The movements up to the time that is shown.
    #[must_use]
    pub fn movements_so_far(&self) -> Movements {
        let now = self.now.unwrap_or(Timestamp::MIN);
        self.movements.until(now)
    }

    /// Committed records a second, from the first commit to the last.
    #[must_use]
    pub fn rate(&self) -> f64 {
        let Some((first, last)) = self.committed_at else {
            return 0.0;
        };
        let seconds = last.saturating_duration_since(first).as_secs_f64();
        // The first slice was not made in no time.
        self.events() as f64 / seconds.max(0.1)
    }

    fn committed(&mut self, what: &Committed<'_>, now: Instant) -> Vec<(Duration, u64)> {
        self.counts.add(&what.slice.counts);
        // Those of the last days too: whoever shows them leaves out what lies ahead of what is shown.
        for record in what.slice.records() {
            if let (Topic::MrrMovements, Some(value)) = (record.topic, record.value) {
                self.movements.take(value);
            }
        }
        if !self.is_over {
            if what.records > 0 {
                let (first, _) = self.committed_at.unwrap_or((now, now));
                self.committed_at = Some((first, now));
            }
            self.show(what);
        }
        let ahead = self.sent.entry(what.shard).or_default();
        let latencies = ahead.committed(what.records, now);
        let timed = latencies
            .iter()
            .map(|(took, records)| (now, *took, *records));
        self.latencies.extend(timed);
        while self
            .latencies
            .front()
            .is_some_and(|(at, ..)| now.duration_since(*at) > WINDOW)
        {
            self.latencies.pop_front();
        }
        latencies
    }

    /// Takes the values of a committed slice.
    fn show(&mut self, what: &Committed<'_>) {
        for shown in what.slice.shown() {
            self.ever.insert(shown.account.clone());
            self.accounts
                .insert(shown.account.clone(), shown.values.clone());
        }
        for record in what.slice.records() {
            if record.topic == Topic::AccountMetrics && record.value.is_none() {
                let key = record.key.and_then(|key| std::str::from_utf8(key).ok());
                key.map(|account| self.accounts.remove(account));
            }
        }
        self.now = self.now.max(what.slice.standing.stream_time);
    }

    fn waiting_for(&self, shard: ShardNo) -> Duration {
        let first = self
            .sent
            .get(&shard)
            .and_then(|ahead| ahead.batches.front());
        first.map_or(Duration::ZERO, |sent| sent.at.elapsed())
    }
}

impl Ahead {
    fn sent(&mut self, bytes: u64, at: Instant) {
        self.bytes += bytes;
        match self.batches.back_mut() {
            Some(last) if at.duration_since(last.at) < AT_ONCE => {
                last.records += 1;
                last.bytes += bytes;
            }
            Some(_) | None => self.batches.push_back(Sent {
                at,
                records: 1,
                bytes,
            }),
        }
    }

    /// Takes out the oldest records and tells how long each had waited.
    fn committed(&mut self, mut records: u64, now: Instant) -> Vec<(Duration, u64)> {
        let mut latencies = Vec::new();
        while records > 0
            && let Some(first) = self.batches.front_mut()
        {
            let part = first.records.min(records);
            let bytes = first.bytes * part / first.records;
            latencies.push((now.duration_since(first.at), part));
            (first.records, first.bytes) = (first.records - part, first.bytes - bytes);
            records -= part;
            self.bytes -= bytes;
            if first.records == 0 {
                self.batches.pop_front();
            }
        }
        latencies
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_committed_is_no_longer_ahead() {
        let mut ahead = Ahead::default();
        let begin = Instant::now();
        let after = |ms| begin + Duration::from_millis(ms);
        for ms in [0, 0, 0, 50, 50] {
            ahead.sent(100, after(ms));
        }
        assert_eq!((ahead.bytes, ahead.batches.len()), (500, 2));
        let took = ahead.committed(4, after(80));
        let ms = Duration::from_millis;
        assert_eq!(took, [(ms(80), 3), (ms(30), 1)]);
        assert_eq!(ahead.bytes, 100);
        assert_eq!(ahead.committed(9, after(90)), [(ms(40), 1)]);
        assert_eq!((ahead.bytes, ahead.batches.len()), (0, 0));
    }

    #[test]
    fn latencies_are_those_of_records_not_of_slices() {
        let mut seen = Seen::default();
        assert_eq!(seen.latency(), None);
        let ms = Duration::from_millis;
        let now = Instant::now();
        seen.latencies
            .extend([(now, ms(900), 1), (now, ms(20), 98), (now, ms(80), 1)]);
        assert_eq!(seen.latency(), Some((ms(20), ms(80))));
    }
}
