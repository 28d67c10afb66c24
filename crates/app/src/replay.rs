//! `mainstay replay`: the same core over files, without a broker.
//!
//! Files take the place of partitions: the next record comes from the source whose next record happened
//! first, so product and billing history stay together. At the end of input the watermark runs on until the day of
//! the last event is closed for every account. With several shards records go where Kafka would send them,
//! and what is final does not change.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mainstay_codec::Format;
use mainstay_connectors::file::{FileError, FileSink, Lines};
use mainstay_connectors::kafka::partition_of;
use mainstay_connectors::{Closing, Counts, InputRecord, NoHeaders, Shard, Slice, SourceNo, Topic};
use mainstay_model::{Event, Timestamp};

use crate::shard::{Logic, Plan};

/// What a replay is asked to do.
#[derive(Clone, Debug)]
pub struct Replay {
    /// How shards are made; its sources are those of `files`.
    pub plan: Arc<Plan>,
    /// The files of each source, in the order of the plan's sources, each read to its end before the next.
    pub files: Vec<Vec<PathBuf>>,
    /// How many shards records are spread over.
    pub shards: u32,
    /// Leaves days open that the watermark has not passed.
    pub open_end: bool,
    /// What stands for the arrival of records that do not say when they were received.
    pub replayed_at: Timestamp,
}

/// What a replay did.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// What became of the records.
    pub counts: Counts,
    /// Accounts known at the end.
    pub accounts: u64,
    /// Users known at the end.
    pub users: u64,
}

impl Summary {
    /// `summary.json`: what became of the records, and how fast.
    #[must_use]
    pub fn to_json(&self, wall: Duration) -> serde_json::Value {
        let counts = &self.counts;
        let rejected: serde_json::Map<_, _> = counts
            .rejected_by_code()
            .map(|(code, count)| (code.name().to_owned(), count.into()))
            .collect();
        let seconds = wall.as_secs_f64();
        serde_json::json!({
            "read": counts.read,
            "applied": counts.all_applied(),
            "duplicate": counts.duplicates,
            "late": counts.late,
            "rejected": rejected,
            "first_event_time": counts.times.map(|(first, _)| first.to_string()),
            "last_event_time": counts.times.map(|(_, last)| last.to_string()),
            "accounts": self.accounts,
            "users": self.users,
            "wall_seconds": seconds,
            "events_per_second": counts.read as f64 / seconds.max(1e-9),
        })
    }
}

/// Records between two slices: so many that closing costs little, so few that a slice stays small.
const SLICE_RECORDS: u32 = 4096;

impl Replay {
    /// Reads all files and hands every slice to `write`. `progress` hears now and then how much was read.
    ///
    /// # Errors
    /// When a file cannot be read, or `write` fails.
    pub fn run(
        &self,
        write: &mut dyn FnMut(&Slice) -> Result<(), FileError>,
        progress: &mut dyn FnMut(&Progress),
    ) -> Result<Summary, FileError> {
        let mut running = self.begun()?;
        running.go_on(write, progress)?;
        running.end(write)?;
        Ok(running.summary)
    }

    /// With the first record of each source read, and none applied.
    pub(crate) fn begun(&self) -> Result<Running<'_>, FileError> {
        let shards = self.shards.max(1);
        let shard = |number| self.plan.shard(number, shards, self.replayed_at);
        let mut running = Running {
            replay: self,
            shards: (0..shards).map(shard).collect(),
            open: self.open()?,
            slice: Slice::default(),
            summary: Summary::default(),
            progress: Progress::default(),
            parts: Parts::default(),
        };
        for source in 0..running.open.len() {
            running.look_ahead(source)?;
        }
        Ok(running)
    }

    fn open(&self) -> Result<Vec<Open>, FileError> {
        let open = |paths: &Vec<PathBuf>| {
            let mut waiting: VecDeque<PathBuf> = paths.iter().cloned().collect();
            let lines = waiting
                .pop_front()
                .map(|path| Lines::open(&path))
                .transpose()?;
            Ok(Open {
                lines,
                waiting,
                next: None,
                line: Vec::new(),
                time: Timestamp::MIN,
            })
        };
        self.files.iter().map(open).collect()
    }
}

/// How far a replay is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// Records read.
    pub records: u64,
    /// Bytes of them, decompressed.
    pub bytes: u64,
    /// The newest event time.
    pub now: Option<Timestamp>,
}

/// A replay under way.
pub(crate) struct Running<'r> {
    replay: &'r Replay,
    pub(crate) shards: Vec<Logic>,
    open: Vec<Open>,
    slice: Slice,
    pub(crate) summary: Summary,
    progress: Progress,
    parts: Parts,
}

/// A source while it is read.
struct Open {
    /// The file that is being read; `None` at the end of the last one.
    lines: Option<Lines>,
    waiting: VecDeque<PathBuf>,
    /// The number of the line that is read and not applied yet, and when it happened.
    next: Option<(i64, Timestamp)>,
    line: Vec<u8>,
    /// The stream time of the source.
    time: Timestamp,
}

/// How slices are closed when nothing more comes.
const AT_THE_END: Closing = Closing {
    behind: false,
    pace_ms: 0,
};

/// What shards say to each other of groups, which Kafka would carry.
#[derive(Default)]
struct Parts(Vec<Part>);

struct Part {
    to: u32,
    key: Vec<u8>,
    value: Option<Vec<u8>>,
}

impl Parts {
    fn gather(&mut self, slice: &Slice) {
        let parts = slice
            .records()
            .filter(|record| record.topic == Topic::Partials);
        self.0.extend(parts.map(|record| Part {
            to: record.partition.unwrap_or_default(),
            key: record.key.unwrap_or_default().to_vec(),
            value: record.value.map(<[u8]>::to_vec),
        }));
    }

    fn hand_over(&mut self, shards: &mut [Logic]) {
        for Part { to, key, value } in self.0.drain(..) {
            let taken = shards[to as usize].take_part(&key, value.as_deref());
            taken.expect("what a shard says of a group another one of the same release can read");
        }
    }
}

/// So many bytes that a shard has said make a slice of their own.
const SLICE_BYTES: usize = 8 << 20;

impl Running<'_> {
    /// Reads to the end of all files, or until what was asked is answered.
    pub(crate) fn go_on(
        &mut self,
        write: &mut dyn FnMut(&Slice) -> Result<(), FileError>,
        progress: &mut dyn FnMut(&Progress),
    ) -> Result<(), FileError> {
        let mut since_slice = 0;
        while let Some(source) = self.next_source() {
            self.apply(source);
            self.look_ahead(source)?;
            since_slice += 1;
            // Closing the days of a long silence says much at once: it goes out in pieces.
            let mut more = true;
            while more || since_slice >= SLICE_RECORDS {
                more = self.work();
                if more || since_slice >= SLICE_RECORDS {
                    since_slice = 0;
                    self.close_slices(write)?;
                    progress(&self.progress);
                }
            }
            if self.shards.iter().any(Logic::is_answered) {
                break;
            }
        }
        self.close_slices(write)
    }

    /// The source whose next record happened first, the first of them by name. What cannot be read is
    /// taken to have happened when the record before it did.
    fn next_source(&self) -> Option<usize> {
        let next = self.open.iter().enumerate();
        let next = next.filter_map(|(place, open)| Some((open.next?.1, place)));
        next.min().map(|(_, place)| place)
    }

    /// Reads the next record of a source without applying it.
    fn look_ahead(&mut self, source: usize) -> Result<(), FileError> {
        let several = self.open.len() > 1;
        let open = &mut self.open[source];
        open.next = None;
        while let Some(lines) = &mut open.lines {
            let before = lines.bytes_read();
            if let Some(read) = lines.next(&mut open.line)? {
                let number = read.number;
                self.progress.bytes += lines.bytes_read() - before;
                self.progress.records += 1;
                let happened = several
                    .then(|| self.replay.time_of(source, &open.line))
                    .flatten();
                open.next = Some((number, happened.unwrap_or(open.time)));
                return Ok(());
            }
            let next = open.waiting.pop_front();
            open.lines = next.map(|path| Lines::open(&path)).transpose()?;
        }
        let number = SourceNo(source as u16);
        self.shards
            .iter_mut()
            .for_each(|shard| shard.set_idle(number, true));
        Ok(())
    }

    /// Applies the record of a source that was read.
    fn apply(&mut self, source: usize) {
        let open = &mut self.open[source];
        let (Some((number, _)), Some(lines)) = (open.next, &open.lines) else {
            return;
        };
        let shard = match self.shards.len() {
            1 => 0,
            shards => self.replay.route(source, &open.line, shards as u32),
        };
        let shard = &mut self.shards[shard as usize];
        let source = SourceNo(source as u16);
        shard.apply(&InputRecord {
            source,
            topic: lines.name(),
            partition: 0,
            offset: number,
            arrival: None,
            key: None,
            value: Some(&open.line),
            headers: &NoHeaders,
        });
        open.time = open.time.max(shard.stream_time(source));
    }

    /// Does what time made due. True when so much was said that it should go out before there is more.
    fn work(&mut self) -> bool {
        self.shards.iter_mut().any(|shard| {
            while shard.work() {
                if shard.pending_bytes() > SLICE_BYTES {
                    return true;
                }
            }
            false
        })
    }

    fn close_slices(
        &mut self,
        write: &mut dyn FnMut(&Slice) -> Result<(), FileError>,
    ) -> Result<(), FileError> {
        for shard in &mut self.shards {
            shard.close(
                Closing {
                    behind: true,
                    pace_ms: 0,
                },
                &mut self.slice,
            );
            write(&self.slice)?;
            self.summary.counts.add(&self.slice.counts);
            self.parts.gather(&self.slice);
        }
        self.parts.hand_over(&mut self.shards);
        let now = self.open.iter().map(|open| open.time).max();
        self.progress.now = now.filter(|now| *now > Timestamp::MIN);
        Ok(())
    }

    /// Lets time go on after the end of all files.
    pub(crate) fn end(
        &mut self,
        write: &mut dyn FnMut(&Slice) -> Result<(), FileError>,
    ) -> Result<(), FileError> {
        let last = self.last();
        for shard in &mut self.shards {
            if last > Timestamp::MIN {
                shard.end(last, self.replay.open_end);
            }
            shard.close(AT_THE_END, &mut self.slice);
            write(&self.slice)?;
            self.summary.counts.add(&self.slice.counts);
            self.parts.gather(&self.slice);
            let size = shard.size();
            self.summary.accounts += size.accounts as u64;
            self.summary.users += size.users as u64;
        }
        self.parts.hand_over(&mut self.shards);
        for shard in &mut self.shards {
            shard.tell_groups();
            shard.close(AT_THE_END, &mut self.slice);
            write(&self.slice)?;
        }
        Ok(())
    }
}

impl Running<'_> {
    /// Until when time goes on: to the last event, which may lie ahead of its arrival; days that are to stay
    /// open know only stream time.
    fn last(&self) -> Timestamp {
        let stream_time = self.open.iter().map(|open| open.time).max();
        let stream_time = stream_time.unwrap_or(Timestamp::MIN);
        match (self.replay.open_end, self.summary.counts.times) {
            (false, Some((_, newest))) => newest.max(stream_time),
            (false, None) | (true, _) => stream_time,
        }
    }
}

impl Replay {
    /// When the first event of a record happened, if it can be read.
    fn time_of(&self, source: usize, line: &[u8]) -> Option<Timestamp> {
        let (_, format) = &self.plan.sources[source];
        let mut time = None;
        let mut each = |event: Event<'_>| time = time.or(Some(event.time));
        _ = Format::decode(*format, line, &self.plan.limits, &mut each);
        time
    }

    /// The shard that Kafka would send a record to; what cannot be read goes to the first.
    fn route(&self, source: usize, line: &[u8], shards: u32) -> u32 {
        let (_, format) = &self.plan.sources[source];
        let mut shard = 0;
        let mut each = |event: Event<'_>| shard = partition_of(event.account.as_bytes(), shards);
        _ = Format::decode(*format, line, &self.plan.limits, &mut each);
        shard
    }

    /// Writes every output topic as a file of a folder, and `summary.json` beside them.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub fn run_to_folder(
        &self,
        folder: &std::path::Path,
        progress: &mut dyn FnMut(&Progress),
    ) -> Result<(Summary, Duration), FileError> {
        let begun = std::time::Instant::now();
        let mut sink = FileSink::create(folder)?;
        let summary = self.run(&mut |slice| sink.write(slice), progress)?;
        sink.finish()?;
        let wall = begun.elapsed();
        let path = folder.join("summary.json");
        let text = format!("{:#}\n", summary.to_json(wall));
        std::fs::write(&path, text).map_err(|source| FileError { path, source })?;
        Ok((summary, wall))
    }
}
