//! One source of a running shard: its batch, its place, and how a record of it becomes the logic's.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use mainstay_commit::ShardNo;
use mainstay_intake::{Delivered, PartitionQueue, Record};
use mainstay_model::Timestamp;
use rdkafka::error::RDKafkaErrorCode;

use super::place::Place;
use super::suspects::{Suspects, Verdict};
use crate::{Headers, InputRecord, Shard, SourceNo};

/// One source of the shard.
pub(super) struct Source {
    pub(super) no: SourceNo,
    pub(super) topic: Arc<str>,
    /// Its place by name, which decides between equal times.
    pub(super) rank: usize,
    /// The next record of the batch that was read last.
    pub(super) cursor: usize,
    /// The next offset to apply.
    pub(super) next: i64,
    /// Nobody's time depends on it.
    pub(super) internal: bool,
    /// The end was reached, and no record came since.
    pub(super) ended: bool,
    pub(super) idle: bool,
    pub(super) heard: Instant,
    pub(super) place: Arc<Place>,
}

/// What a source has to offer.
pub(super) enum Filled {
    Record,
    Empty,
    Gone,
}

/// Brings a source to its next record, reading on where the batch is used up.
pub(super) fn fill(source: &mut Source, queue: &mut PartitionQueue) -> Filled {
    loop {
        if source.cursor >= queue.len() {
            source.cursor = 0;
            if queue.read(Duration::ZERO) == 0 {
                return Filled::Empty;
            }
        }
        match queue.get(source.cursor) {
            Delivered::Record(record) => {
                if let Some(arrived) = record.timestamp_ms() {
                    source.place.arrived.store(arrived, Ordering::Relaxed);
                }
                return Filled::Record;
            }
            Delivered::End { offset } => {
                source.ended = true;
                source.place.at.fetch_max(offset, Ordering::AcqRel);
            }
            Delivered::Failed { code, text } => {
                let (topic, next) = (&*source.topic, source.next);
                tracing::warn!(topic, next, ?code, "{text}");
                if matches!(
                    code,
                    RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange
                ) {
                    return Filled::Gone;
                }
            }
        }
        source.cursor += 1;
    }
}

/// Hands a record to the logic, or to the dead letters if it failed twice.
pub(super) fn apply(
    logic: &mut dyn Shard,
    source: &Source,
    record: &Record<'_>,
    suspects: &mut Suspects,
    shard: ShardNo,
) {
    let input = InputRecord {
        source: source.no,
        topic: &source.topic,
        partition: record.partition(),
        offset: record.offset(),
        arrival: record.timestamp_ms().map(Timestamp),
        key: record.key(),
        value: record.value(),
        headers: &RecordHeaders(record),
    };
    match suspects.at(shard, source.no, record.offset()) {
        Verdict::Apply => logic.apply(&input),
        Verdict::GiveUp => logic.give_up(
            &input,
            "applying it failed twice; this is a bug of Mainstay",
        ),
    }
}

/// A record's headers, read only when somebody asks.
struct RecordHeaders<'a>(&'a Record<'a>);

impl Headers for RecordHeaders<'_> {
    fn for_each(&self, each: &mut dyn FnMut(&str, Option<&[u8]>)) {
        self.0
            .for_each_header(|name, value| each(&String::from_utf8_lossy(name), value));
    }
}
