//! The smallest shard that can be wrong: it counts its input per key and says every count.

use std::collections::{BTreeMap, BTreeSet};

use mainstay_commit::{
    Epoch, Lease, Mark, Position, Refusal, Restoring, ShardNo, SliceToken, SourceAt, Term, envelope,
};

use super::log::{Outgoing, Read, Topic};

/// The name of the input.
pub(super) const INPUT: &str = "in";

/// A closed slice: its records, and the offset it brings the shard to.
#[derive(Clone, Debug)]
pub(super) struct Slice {
    pub(super) records: Vec<Outgoing>,
    pub(super) next: i64,
    pub(super) mark: Mark,
}

/// A running shard.
#[derive(Clone, Debug)]
pub(super) struct Toy {
    shard: ShardNo,
    lease: Lease,
    term: Term,
    epoch: Epoch,
    counts: BTreeMap<u8, u32>,
    dirty: BTreeSet<u8>,
    said: Vec<(u8, u32)>,
    pub(super) next: i64,
    /// A closed slice of it is not known to be committed.
    pub(super) waiting: bool,
    pub(super) stopping: bool,
    pub(super) shards: u32,
}

impl Toy {
    pub(super) fn new(shard: ShardNo, lease: Lease, term: Term, restored: Restored) -> Toy {
        Toy {
            shard,
            lease,
            term,
            epoch: term.began,
            counts: restored.counts,
            dirty: BTreeSet::new(),
            said: Vec::new(),
            next: restored
                .position
                .map_or(0, |position| position.sources[INPUT].next),
            waiting: false,
            stopping: false,
            shards: restored.shards,
        }
    }

    pub(super) fn lease(&self) -> Lease {
        self.lease
    }

    /// How much was applied and is not closed.
    pub(super) fn open(&self) -> usize {
        self.said.len()
    }

    pub(super) fn apply(&mut self, key: u8) {
        let count = self.counts.entry(key).or_default();
        *count += 1;
        self.said.push((key, *count));
        self.dirty.insert(key);
        self.next += 1;
    }

    /// Closes what is open, if anything is.
    pub(super) fn close(&mut self) -> Option<(SliceToken, Slice)> {
        if self.said.is_empty() {
            return None;
        }
        let epoch = self.epoch;
        self.epoch = epoch.next();
        let mut records: Vec<_> = std::mem::take(&mut self.said)
            .into_iter()
            .map(|(key, count)| self.record(Topic::Output, vec![key], said(key, count)))
            .collect();
        for key in std::mem::take(&mut self.dirty) {
            let mut value = Vec::new();
            let payload = self.counts[&key].to_le_bytes();
            envelope::wrap(&[key], epoch, &payload, &mut value);
            records.push(self.record(Topic::Changelog, vec![key], value));
        }
        let position = self.position(epoch);
        let mut value = Vec::new();
        position.encode(&mut value);
        records.push(self.record(Topic::Changelog, Position::KEY.to_vec(), value));
        let token = SliceToken {
            shard: self.shard,
            lease: self.lease,
            epoch,
        };
        let slice = Slice {
            records,
            next: self.next,
            mark: position.mark,
        };
        Some((token, slice))
    }

    fn record(&self, topic: Topic, key: Vec<u8>, value: Vec<u8>) -> Outgoing {
        Outgoing {
            topic,
            shard: self.shard,
            key,
            value: Some(value),
        }
    }

    fn position(&self, epoch: Epoch) -> Position {
        let at = SourceAt {
            next: self.next,
            stream_time: 0,
        };
        Position {
            mark: Mark {
                state: self.term.state,
                epoch,
            },
            began: self.term.began,
            writer: String::new(),
            shards: self.shards,
            sources: BTreeMap::from([(INPUT.to_owned(), at)]),
            settings_hash: 0,
            live_keys: self.counts.len() as u64,
        }
    }
}

/// What a shard says of one record.
pub(super) fn said(key: u8, count: u32) -> Vec<u8> {
    format!("{key}:{count}").into_bytes()
}

/// What a changelog holds.
#[derive(Clone, Debug)]
pub(super) struct Restored {
    pub(super) counts: BTreeMap<u8, u32>,
    pub(super) position: Option<Position>,
    pub(super) shards: u32,
}

/// Restores a toy from what a reader got, with the checks of the real thing.
pub(super) fn restore(records: &[Read], shards: u32) -> Result<Restored, Refusal> {
    let mut restoring = Restoring::new();
    let mut counts = BTreeMap::new();
    for (offset, key, value) in records {
        let handed = restoring.feed(*offset, key, value.as_deref())?;
        if let Some(payload) = handed.and_then(|handed| handed.payload) {
            let count = payload.try_into().expect("a toy's payload is a count");
            counts.insert(key[0], u32::from_le_bytes(count));
        }
    }
    let position = restoring.finish(counts.len() as u64)?;
    Ok(Restored {
        counts,
        position,
        shards,
    })
}
