//! What a runtime asks of a shard's logic, and what it hands it.
//!
//! This is the seam between the outside and the core. Whoever drives a shard (Kafka, files, the demo, a
//! test) holds a [`Shard`] and nothing else; what is behind it (decode, engine, encode) is the app's, so
//! the connectors know no engine.

use mainstay_model::Timestamp;

use crate::Slice;

/// A source's place in the config, by which everything refers to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceNo(pub u16);

/// A record of an input, as it came.
#[derive(Clone, Copy)]
pub struct InputRecord<'a> {
    /// Which input.
    pub source: SourceNo,
    /// The topic, or the file's path.
    pub topic: &'a str,
    /// The partition; 0 for a file.
    pub partition: i32,
    /// The offset; the line's number, from 0, for a file.
    pub offset: i64,
    /// When it arrived: the record's Kafka timestamp. `None` for a file: the logic takes the event's
    /// `received_at`, or the time of the replay.
    pub arrival: Option<Timestamp>,
    /// The key, or none.
    pub key: Option<&'a [u8]>,
    /// The payload, or none.
    pub value: Option<&'a [u8]>,
    /// The headers, made only when a dead letter needs them.
    pub headers: &'a dyn Headers,
}

/// The headers of a record, in their order.
pub trait Headers {
    /// Calls `each` with every name and value.
    fn for_each(&self, each: &mut dyn FnMut(&str, Option<&[u8]>));
}

/// A record without headers.
pub struct NoHeaders;

impl Headers for NoHeaders {
    fn for_each(&self, _: &mut dyn FnMut(&str, Option<&[u8]>)) {}
}

/// A record of the changelog that the state cannot be made from.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("changelog record {key}: {why}")]
pub struct RestoreError {
    /// The key, in hexadecimal.
    pub key: String,
    /// What is wrong with it.
    pub why: String,
}

/// How a slice is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closing {
    /// Records are waiting to be read: live values are thinned out and marked `partial`.
    pub behind: bool,
    /// A number that only grows, in milliseconds, by which live values are paced. Nothing that is final
    /// or told depends on it.
    pub pace_ms: i64,
}

/// A shard's logic: partition p of every input in, slices out.
///
/// The same calls with the same arguments make the same slices, but for live values, whose pace may differ.
pub trait Shard: Send {
    /// Takes one record of the changelog, without its envelope, in log order. Only before the first
    /// `apply`. A later record of a key replaces the earlier one; no value removes it.
    ///
    /// # Errors
    /// When the record is not one that this release can read.
    fn restore(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), RestoreError>;

    /// All of the changelog was handed over: puts what was restored in order.
    ///
    /// # Errors
    /// When the records do not make a whole state.
    fn restored(&mut self) -> Result<(), RestoreError>;

    /// How many keys of the changelog are alive, as far as slices were closed.
    fn live_keys(&self) -> u64;

    /// A hash of the settings that shape facts, to be kept with the state.
    fn settings_hash(&self) -> u64;

    /// Decodes and applies a record. What it makes the shard say gathers until the slice is closed.
    fn apply(&mut self, record: &InputRecord<'_>);

    /// Sends a record to the dead letters as `internal`, without applying it.
    fn give_up(&mut self, record: &InputRecord<'_>, why: &str);

    /// An input has been silent long enough not to hold time back, or speaks again.
    fn set_idle(&mut self, source: SourceNo, idle: bool);

    /// Every input is idle: moves stream time, never back.
    fn tick(&mut self, to: Timestamp);

    /// The highest time seen of an input; the next record comes from the input with the lowest.
    fn stream_time(&self, source: SourceNo) -> Timestamp;

    /// The shard's own stream time, which ticks move too; the beginning of time before the first record.
    fn now(&self) -> Timestamp;

    /// Does one bounded step of what time alone made due, and says whether there is more.
    fn work(&mut self) -> bool;

    /// How many bytes, about, the slice would have if it were closed now; 0 where the logic does not know.
    fn pending_bytes(&self) -> usize {
        0
    }

    /// Moves all that was said since the last call into `slice`: outputs, dead letters, and one changelog
    /// record for each key that changed.
    fn close(&mut self, closing: Closing, slice: &mut Slice);
}
