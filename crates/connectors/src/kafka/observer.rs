//! What the runtime tells whoever watches it: metrics, the terminal, a test.

use std::time::Duration;

use mainstay_commit::{Alarm, ShardNo};
use mainstay_model::Timestamp;

use crate::{Slice, SourceNo};

/// Watches the runtime. Called from its threads, so it must be quick and never block.
pub trait Observer: Send + Sync {
    /// Something happened.
    fn told(&self, what: &Told<'_>);
}

/// Watches nothing.
pub struct NoObserver;

impl Observer for NoObserver {
    fn told(&self, _: &Told<'_>) {}
}

/// What happened.
#[derive(Debug)]
pub enum Told<'a> {
    /// The topics are there and fit.
    Topics {
        /// How many shards there are, over all instances.
        shards: u32,
        /// Topics that were created.
        created: usize,
    },
    /// The group gave us shards, in addition to what we have; it may give none.
    Assigned(&'a [ShardNo]),
    /// The group takes shards away.
    Revoked(&'a [ShardNo]),
    /// A shard's changelog is being read.
    Restoring {
        /// The shard.
        shard: ShardNo,
        /// Records read so far.
        records: u64,
        /// How far the log was read.
        at: i64,
        /// How far it has to be read.
        to: i64,
    },
    /// A shard's state is whole.
    Restored {
        /// The shard.
        shard: ShardNo,
        /// Records read.
        records: u64,
        /// How long it took.
        took: Duration,
    },
    /// A shard reads its inputs.
    Running(ShardNo),
    /// A shard is no longer ours; so are its series.
    Gone(ShardNo),
    /// A transaction began.
    Begun,
    /// A slice was committed.
    Committed(Committed<'a>),
    /// A transaction was committed.
    Transaction {
        /// From begin to commit.
        took: Duration,
        /// Slices in it.
        slices: usize,
    },
    /// A transaction was aborted; its slices go out again.
    Aborted,
    /// The outcome of a transaction is unknown, and is being asked for.
    InDoubt,
    /// Where a source stands.
    Lag(Lag),
    /// A source has become silent, or speaks again.
    Idle {
        /// The shard.
        shard: ShardNo,
        /// The source.
        source: SourceNo,
        /// Whether it is silent.
        idle: bool,
    },
    /// Slices that wait for their commit.
    SlicesWaiting(usize),
    /// The operator should know.
    Alarm(&'a str),
    /// The same, by the machine that decides.
    MachineAlarm(&'a Alarm),
}

/// A slice was committed.
#[derive(Debug)]
pub struct Committed<'a> {
    /// Whose.
    pub shard: ShardNo,
    /// Its records.
    pub slice: &'a Slice,
    /// Input records that it has the effects of.
    pub records: u64,
    /// Bytes that it added to the changelog, before compression.
    pub changelog_bytes: u64,
    /// Keys of the changelog that are alive.
    pub live_keys: u64,
    /// Records by the time from their arrival to this commit.
    pub latencies: &'a [(Duration, u64)],
    /// The shard's stream time, the newest of its sources, in milliseconds of the epoch of Unix.
    pub stream_time_ms: i64,
}

/// Where a source of a shard stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lag {
    /// The shard.
    pub shard: ShardNo,
    /// The source.
    pub source: SourceNo,
    /// Records that are there and were not applied.
    pub records: u64,
    /// How long ago the last applied record arrived; 0 where nothing is left to apply.
    pub behind: Duration,
    /// Up to where silence has moved the shard's time, if it has: no commit tells of that.
    pub ticked: Option<Timestamp>,
}
