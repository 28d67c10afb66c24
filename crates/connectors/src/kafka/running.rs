//! One shard at work: which record comes next, when a source is idle, when a slice closes.
//!
//! It lives on its worker's thread and never waits for anything: neither for records nor for a commit.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use mainstay_commit::{Epoch, Lease, Mark, Millis, Position, ShardNo, SliceToken, SourceAt, Term};
use mainstay_intake::{Delivered, Record};
use mainstay_model::Timestamp;

use super::closed::{Arrivals, Closed};
use super::data::{BATCH, Data, DataError, Reading};
use super::offsets::partition_no;
use super::place::wall_ms;
use super::source::{Filled, Source, apply, fill};
use super::suspects::Suspects;
use super::worker::Shared;
use crate::{Closing, Shard, Slice, SourceNo};

/// How long the source whose turn it is may take to deliver before another goes first.
const HUNGER: Duration = Duration::from_millis(500);
/// How long due work goes on between two batches.
const WORK: Duration = Duration::from_millis(5);
/// How often time is moved while all sources are silent.
const TICK: Duration = Duration::from_secs(1);
/// A shard that is further behind than this is moved by records alone.
const TICK_AT_MOST_MS: i64 = 2 * 86_400_000;

/// What came of a turn.
pub(super) enum Turn {
    /// Something was done; there may be more.
    Busy,
    /// There is nothing to do until something is delivered or a slice is due.
    Quiet,
    /// The next record of a source is gone from the broker.
    Gone(SourceNo),
}

/// A shard at work.
pub(super) struct Running {
    shard: ShardNo,
    lease: Lease,
    term: Term,
    /// The epoch of the slice that is open.
    epoch: Epoch,
    logic: Box<dyn Shard>,
    sources: Vec<Source>,
    reading: Reading,
    open: Open,
    /// A slice of ours waits for its commit.
    waiting: bool,
    /// What the last commit that we were part of took.
    commit_took: Duration,
    ticked: Instant,
}

/// What the open slice has taken in.
struct Open {
    since: Instant,
    bytes: usize,
    records: u64,
    moved: bool,
    starved: bool,
    arrivals: Arrivals,
}

impl Open {
    fn new() -> Open {
        Open {
            since: Instant::now(),
            bytes: 0,
            records: 0,
            moved: false,
            starved: false,
            arrivals: Arrivals::default(),
        }
    }
}

impl Running {
    /// Begins to read a restored shard at its positions, in the order of the sources.
    pub(super) fn start(
        shared: &Shared,
        (shard, lease, term): (ShardNo, Lease, Term),
        logic: Box<dyn Shard>,
        positions: &[(SourceNo, i64)],
    ) -> Result<Running, DataError> {
        let mut sources = Vec::with_capacity(positions.len());
        for (no, next) in positions {
            let settings = &shared.sources[usize::from(no.0)];
            let place = shared.places.enter(shard, *no, *next);
            sources.push(Source {
                no: *no,
                topic: Arc::from(settings.topic.as_str()),
                rank: rank(shared, *no),
                internal: settings.internal,
                cursor: 0,
                next: *next,
                ended: false,
                idle: false,
                heard: Instant::now(),
                place,
            });
        }
        // An input that is not there will never say how late it is.
        let mut logic = logic;
        for no in (0..).map(SourceNo).take(shared.sources.len()) {
            if !positions.iter().any(|(there, _)| *there == no) {
                logic.set_idle(no, true);
            }
        }
        let reading = read(&shared.data, shard, &sources)?;
        Ok(Running {
            shard,
            lease,
            term,
            epoch: term.began,
            logic,
            sources,
            reading,
            open: Open::new(),
            waiting: false,
            commit_took: Duration::ZERO,
            ticked: Instant::now(),
        })
    }

    pub(super) fn lease(&self) -> Lease {
        self.lease
    }

    /// The next offset of each source.
    pub(super) fn positions(&self) -> impl Iterator<Item = (SourceNo, i64)> + '_ {
        self.sources.iter().map(|source| (source.no, source.next))
    }

    /// Goes on with a new consumer, if there is one.
    pub(super) fn follow(&mut self, data: &Data) -> Result<(), DataError> {
        if self.reading.generation != data.generation() {
            self.reading = read(data, self.shard, &self.sources)?;
            for source in &mut self.sources {
                source.cursor = 0;
            }
        }
        Ok(())
    }

    /// The slice that waited was committed.
    pub(super) fn committed(&mut self, took: Duration) {
        self.waiting = false;
        self.commit_took = took;
    }

    /// Applies what is there, at most about a batch, and does what time made due.
    pub(super) fn turn(&mut self, shared: &Shared, suspects: &mut Suspects) -> Turn {
        if self.held(shared) {
            return Turn::Quiet;
        }
        let mut applied = 0;
        while applied < BATCH {
            match self.choose() {
                Choice::Source(index) => {
                    applied += self.apply_from(index, BATCH - applied, shared, suspects);
                }
                Choice::Gone(source) => return Turn::Gone(source),
                Choice::Wait => break,
                Choice::Nothing => {
                    self.open.starved = true;
                    break;
                }
            }
        }
        self.note_silence(shared);
        let more = self.work(suspects);
        if applied > 0 || more {
            Turn::Busy
        } else {
            Turn::Quiet
        }
    }

    /// Whether the open slice may take nothing more in, because the one before it still waits.
    fn held(&mut self, shared: &Shared) -> bool {
        let share = shared.share();
        let full =
            self.waiting && (self.open.bytes > 4 * share || self.logic.pending_bytes() > share);
        for source in &self.sources {
            source.place.held.store(full, Ordering::Relaxed);
        }
        full
    }

    /// The source with the lowest stream time, then name, as far as there is data. One that may yet
    /// deliver is waited for a moment, or a fast source would run ahead of a slow one.
    fn choose(&mut self) -> Choice {
        let mut best: Option<((Timestamp, usize), usize)> = None;
        let mut hungry: Option<(Timestamp, usize)> = None;
        for index in 0..self.sources.len() {
            let there = match fill(&mut self.sources[index], &mut self.reading.queues[index]) {
                Filled::Record => true,
                Filled::Empty => false,
                Filled::Gone => return Choice::Gone(self.sources[index].no),
            };
            let source = &self.sources[index];
            let at = (self.logic.stream_time(source.no), source.rank);
            if there && best.is_none_or(|(lowest, _)| at < lowest) {
                best = Some((at, index));
            }
            let may_deliver = !source.ended && !source.internal;
            if !there && may_deliver && source.heard.elapsed() < HUNGER {
                hungry = Some(hungry.map_or(at, |lowest| lowest.min(at)));
            }
        }
        match (best, hungry) {
            (Some((at, _)), Some(first)) if first < at => Choice::Wait,
            (Some((_, index)), _) => Choice::Source(index),
            (None, Some(_)) => Choice::Wait,
            (None, None) => Choice::Nothing,
        }
    }

    /// Applies records of one source for as long as it is the lowest.
    fn apply_from(
        &mut self,
        index: usize,
        at_most: usize,
        shared: &Shared,
        suspects: &mut Suspects,
    ) -> usize {
        let bound = self.bound(index);
        let queue = &self.reading.queues[index];
        let source = &mut self.sources[index];
        let mut applied = 0;
        while applied < at_most && source.cursor < queue.len() {
            let Delivered::Record(record) = queue.get(source.cursor) else {
                break;
            };
            source.cursor += 1;
            // Never twice, whatever the client delivers.
            if record.offset() < source.next {
                continue;
            }
            let logic = &mut self.logic;
            if source.idle {
                source.idle = false;
                logic.set_idle(source.no, false);
                shared.told_idle(self.shard, source.no, false);
            }
            apply(logic.as_mut(), source, &record, suspects, self.shard);
            source.next = record.offset() + 1;
            self.open.take(&record, source.internal);
            applied += 1;
            let at = (logic.stream_time(source.no), source.rank);
            if bound.is_some_and(|bound| at > bound) {
                break;
            }
        }
        source.ended &= applied == 0;
        source.heard = Instant::now();
        source.place.at.fetch_max(source.next, Ordering::AcqRel);
        applied
    }

    /// Up to which stream time a source stays the lowest.
    fn bound(&self, index: usize) -> Option<(Timestamp, usize)> {
        let others = self.sources.iter().enumerate();
        others
            .filter(|(other, source)| *other != index && self.has_record(*other, source))
            .map(|(_, source)| (self.logic.stream_time(source.no), source.rank))
            .min()
    }

    fn has_record(&self, index: usize, source: &Source) -> bool {
        source.cursor < self.reading.queues[index].len()
    }

    /// Tells the logic of sources that fell silent, and moves time when all are.
    fn note_silence(&mut self, shared: &Shared) {
        let Some(idle) = shared.idle else { return };
        let now = shared.clock.now();
        for source in &mut self.sources {
            let silent = source.heard.elapsed();
            if source.internal || source.idle || !source.ended || silent < idle {
                continue;
            }
            // The end must have been seen by a question that was asked when it was silent long enough.
            let since = Millis(now.0.saturating_sub(ms(silent - idle)));
            if source.place.ended(since) {
                source.idle = true;
                self.logic.set_idle(source.no, true);
                shared.told_idle(self.shard, source.no, true);
            }
        }
        let silent = |source: &Source| source.idle || source.internal;
        if self.ticked.elapsed() >= TICK && self.sources.iter().all(silent) {
            self.ticked = Instant::now();
            self.tick(Timestamp(wall_ms()).minus_ms(i64::try_from(ms(idle)).unwrap_or(i64::MAX)));
        }
    }

    fn tick(&mut self, to: Timestamp) {
        tick(
            self.logic.as_mut(),
            self.sources.iter().map(|source| source.no),
            to,
        );
        for source in &self.sources {
            source
                .place
                .ticked
                .store(self.logic.now().0, Ordering::Relaxed);
        }
    }

    fn work(&mut self, suspects: &mut Suspects) -> bool {
        suspects.at_work();
        let began = Instant::now();
        while self.logic.work() {
            if began.elapsed() >= WORK {
                return true;
            }
        }
        false
    }

    /// When the open slice should close.
    pub(super) fn due(&self, shared: &Shared) -> Instant {
        self.open.since + self.interval(shared)
    }

    /// While behind, so long that commits cost under a twentieth of the time.
    fn interval(&self, shared: &Shared) -> Duration {
        if self.open.starved {
            return shared.interval;
        }
        let longest = Duration::from_secs(2).max(shared.interval);
        (self.commit_took * 20).clamp(shared.interval, longest)
    }

    /// Closes the open slice if it is time and there is something in it.
    pub(super) fn close_if_due(&mut self, shared: &Shared) -> Option<Closed> {
        let full =
            self.open.bytes > 4 * shared.share() || self.logic.pending_bytes() > shared.share();
        if self.waiting || (!full && Instant::now() < self.due(shared)) {
            return None;
        }
        self.close(shared)
    }

    /// Closes the open slice, if there is something in it.
    pub(super) fn close(&mut self, shared: &Shared) -> Option<Closed> {
        let open = std::mem::replace(&mut self.open, Open::new());
        let mut slice = Slice::default();
        let closing = Closing {
            behind: !open.starved,
            pace_ms: i64::try_from(shared.clock.now().0).unwrap_or(i64::MAX),
        };
        self.logic.close(closing, &mut slice);
        if slice.is_empty() && !open.moved {
            return None;
        }
        let token = SliceToken {
            shard: self.shard,
            lease: self.lease,
            epoch: self.epoch,
        };
        let position = self.position(shared);
        self.epoch = self.epoch.next();
        self.waiting = true;
        Some(Closed {
            token,
            slice,
            position,
            arrivals: open.arrivals,
            records: open.records,
        })
    }

    fn position(&self, shared: &Shared) -> Position {
        let at = |source: &Source| SourceAt {
            next: source.next,
            stream_time: self.logic.stream_time(source.no).0,
        };
        let sources = self.sources.iter();
        Position {
            mark: Mark {
                state: self.term.state,
                epoch: self.epoch,
            },
            began: self.term.began,
            writer: shared.slot.clone(),
            shards: shared.shards,
            sources: sources
                .map(|source| (source.topic.to_string(), at(source)))
                .collect(),
            settings_hash: self.logic.settings_hash(),
            live_keys: self.logic.live_keys(),
        }
    }
}

impl Open {
    /// What shards say to each other waits for a commit like all else, but nobody sent it to us.
    fn take(&mut self, record: &Record<'_>, internal: bool) {
        self.moved = true;
        self.bytes += record.value().map_or(0, <[u8]>::len);
        if internal {
            return;
        }
        self.records += 1;
        if let Some(arrived) = record.timestamp_ms() {
            self.arrivals.note(arrived);
        }
    }
}

/// Where the next record comes from.
enum Choice {
    Source(usize),
    /// From one that has delivered nothing yet, but may.
    Wait,
    Nothing,
    Gone(SourceNo),
}

fn read(data: &Data, shard: ShardNo, sources: &[Source]) -> Result<Reading, DataError> {
    let from: Vec<(&str, i64)> = sources
        .iter()
        .map(|source| (&*source.topic, source.next))
        .collect();
    data.open(partition_no(shard), &from)
}

fn rank(shared: &Shared, no: SourceNo) -> usize {
    let name = &shared.sources[usize::from(no.0)].name;
    shared
        .sources
        .iter()
        .filter(|source| source.name < *name)
        .count()
}

/// Moves time, unless the shard is so far behind that records alone may. How far it is counts from where the
/// tick before has moved it, or days without records would stop time for good.
fn tick(logic: &mut dyn Shard, sources: impl Iterator<Item = SourceNo>, to: Timestamp) {
    let newest = sources
        .map(|source| logic.stream_time(source))
        .fold(logic.now(), Timestamp::max);
    if newest < to && to.0.saturating_sub(newest.0) < TICK_AT_MOST_MS {
        logic.tick(to);
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{InputRecord, RestoreError};

    const HOUR_MS: i64 = 3_600_000;

    /// A shard whose only record came at 0, and that follows ticks as the engine does.
    struct Silent {
        now: Timestamp,
    }

    impl Shard for Silent {
        fn restore(&mut self, _: &[u8], _: Option<&[u8]>) -> Result<(), RestoreError> {
            Ok(())
        }

        fn restored(&mut self) -> Result<(), RestoreError> {
            Ok(())
        }

        fn live_keys(&self) -> u64 {
            0
        }

        fn settings_hash(&self) -> u64 {
            0
        }

        fn apply(&mut self, _: &InputRecord<'_>) {}

        fn give_up(&mut self, _: &InputRecord<'_>, _: &str) {}

        fn set_idle(&mut self, _: SourceNo, _: bool) {}

        fn tick(&mut self, to: Timestamp) {
            self.now = self.now.max(to);
        }

        fn stream_time(&self, _: SourceNo) -> Timestamp {
            Timestamp(0)
        }

        fn now(&self) -> Timestamp {
            self.now
        }

        fn work(&mut self) -> bool {
            false
        }

        fn close(&mut self, _: Closing, _: &mut Slice) {}
    }

    fn ticked(shard: &mut Silent, hour: i64) -> i64 {
        tick(shard, [SourceNo(0)].into_iter(), Timestamp(hour * HOUR_MS));
        shard.now.0 / HOUR_MS
    }

    #[test]
    fn ticks_go_on_however_many_days_no_record_has_come() {
        let mut shard = Silent { now: Timestamp(0) };
        for hour in 1..=24 * 10 {
            assert_eq!(ticked(&mut shard, hour), hour);
        }
    }

    #[test]
    fn a_shard_that_is_two_days_behind_is_moved_by_records_alone() {
        let mut shard = Silent { now: Timestamp(0) };
        assert_eq!(ticked(&mut shard, 48), 0);
        assert_eq!(ticked(&mut shard, 47), 47);
        shard.now = Timestamp::MIN;
        assert_eq!(ticked(&mut shard, 1), 1, "from what its sources say");
    }
}
