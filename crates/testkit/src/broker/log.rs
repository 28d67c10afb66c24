//! Topics, producers and transactions, as far as their guarantees go.
//!
//! Fencing by producer epoch, control records that take up offsets, the last stable offset, transactions
//! that time out, offsets that take effect with their transaction.

use std::collections::{BTreeMap, BTreeSet};

use mainstay_commit::{Millis, ShardNo};

use super::group::{Group, Membership};

/// After this, the broker aborts an open transaction and raises its producer's epoch.
pub(super) const TRANSACTION_TIMEOUT_MS: u64 = 10_000;

/// The topics that shards write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Topic {
    Output,
    Changelog,
}

/// One record to be produced.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    pub(super) topic: Topic,
    pub(super) shard: ShardNo,
    pub(super) key: Vec<u8>,
    pub(super) value: Option<Vec<u8>>,
}

/// A producer as the broker knows it: a transactional id at an epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Session {
    id: usize,
    epoch: u32,
}

/// Why a request was turned down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    Fenced,
    IllegalGeneration,
    /// There is no transaction to end in that way.
    InvalidState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Open,
    Committed,
    Aborted,
}

#[derive(Clone, Debug)]
struct Transaction {
    status: Status,
    begun_at: Millis,
    partitions: BTreeSet<(Topic, ShardNo)>,
    offsets: BTreeMap<ShardNo, (i64, String)>,
}

#[derive(Clone, Debug, Default)]
struct Producer {
    epoch: u32,
    open: Option<usize>,
    last: Option<usize>,
}

#[derive(Clone, Debug)]
struct Entry {
    transaction: usize,
    /// None: a control record.
    record: Option<(Vec<u8>, Option<Vec<u8>>)>,
}

/// A committed record: offset, key, value.
pub(super) type Read = (i64, Vec<u8>, Option<Vec<u8>>);

/// A broker without disks, threads or a clock.
#[derive(Clone, Debug, Default)]
pub(super) struct Broker {
    pub(super) now: Millis,
    pub(super) group: Group,
    logs: BTreeMap<(Topic, ShardNo), Vec<Entry>>,
    transactions: Vec<Transaction>,
    producers: BTreeMap<usize, Producer>,
}

impl Broker {
    /// `InitProducerId`: aborts what is open under the id, and fences whoever had it.
    pub(super) fn init(&mut self, id: usize) -> Session {
        self.end_open(id, Status::Aborted);
        let producer = self.producers.entry(id).or_default();
        producer.epoch += 1;
        producer.last = None;
        Session {
            id,
            epoch: producer.epoch,
        }
    }

    pub(super) fn produce(&mut self, session: &Session, out: &Outgoing) -> Result<(), Denied> {
        let transaction = self.open(session)?;
        let partition = (out.topic, out.shard);
        self.transactions[transaction].partitions.insert(partition);
        self.logs.entry(partition).or_default().push(Entry {
            transaction,
            record: Some((out.key.clone(), out.value.clone())),
        });
        Ok(())
    }

    pub(super) fn send_offsets(
        &mut self,
        session: &Session,
        by: &Membership,
        offsets: BTreeMap<ShardNo, (i64, String)>,
    ) -> Result<(), Denied> {
        let transaction = self.open(session)?;
        if !self.group.accepts(by) {
            return Err(Denied::IllegalGeneration);
        }
        self.transactions[transaction].offsets.extend(offsets);
        Ok(())
    }

    pub(super) fn end(&mut self, session: &Session, commit: bool) -> Result<(), Denied> {
        self.check(session)?;
        let wanted = match commit {
            true => Status::Committed,
            false => Status::Aborted,
        };
        let producer = &self.producers[&session.id];
        match (producer.open, producer.last) {
            (Some(_), _) => self.end_open(session.id, wanted),
            // Asked again after it was done: the same answer. Nothing was ever open: an abort is none.
            (None, Some(last)) if self.transactions[last].status == wanted => {}
            (None, None) if !commit => {}
            (None, _) => return Err(Denied::InvalidState),
        }
        Ok(())
    }

    /// Ends transactions and memberships whose time is up.
    pub(super) fn pass_time(&mut self, now: Millis) {
        self.now = now;
        let ids: Vec<_> = self.producers.keys().copied().collect();
        for id in ids {
            let open = self.producers[&id].open;
            if open.is_some_and(|open| self.expires(open) <= now) {
                self.end_open(id, Status::Aborted);
                self.producers.entry(id).or_default().epoch += 1;
            }
        }
        self.group.pass_time(now);
    }

    /// The next time at which something ends by itself.
    pub(super) fn due(&self) -> Option<Millis> {
        let open = self.producers.values().filter_map(|producer| producer.open);
        open.map(|open| self.expires(open))
            .chain(self.group.due())
            .min()
    }

    fn expires(&self, transaction: usize) -> Millis {
        self.transactions[transaction]
            .begun_at
            .plus(TRANSACTION_TIMEOUT_MS)
    }

    /// One past the last record, whoever wrote it.
    pub(super) fn high_watermark(&self, topic: Topic, shard: ShardNo) -> usize {
        self.logs.get(&(topic, shard)).map_or(0, Vec::len)
    }

    /// Up to where a read_committed reader gets.
    pub(super) fn last_stable(&self, topic: Topic, shard: ShardNo) -> usize {
        let Some(log) = self.logs.get(&(topic, shard)) else {
            return 0;
        };
        let open = |entry: &Entry| self.transactions[entry.transaction].status == Status::Open;
        log.iter().position(open).unwrap_or(log.len())
    }

    /// What a read_committed reader gets below `bound`. Compacted, that is only the newest record of each
    /// key; and a newer one may lie above the bound.
    pub(super) fn read(
        &self,
        topic: Topic,
        shard: ShardNo,
        bound: usize,
        compacted: bool,
    ) -> Vec<Read> {
        let log = self
            .logs
            .get(&(topic, shard))
            .map_or(&[][..], Vec::as_slice);
        let stable = self.last_stable(topic, shard);
        let committed = log[..stable]
            .iter()
            .enumerate()
            .filter_map(|(offset, entry)| {
                let (key, value) = entry.record.clone()?;
                let status = self.transactions[entry.transaction].status;
                (status == Status::Committed).then_some((offset as i64, key, value))
            });
        let mut records: Vec<_> = committed.collect();
        if compacted {
            let newest: BTreeMap<_, _> = records
                .iter()
                .map(|(offset, key, _)| (key.clone(), *offset))
                .collect();
            records.retain(|(offset, key, _)| newest[key] == *offset);
        }
        records.retain(|(offset, _, _)| (*offset as usize) < bound);
        records
    }

    /// The group's offset of a shard, or an error while a transaction that moves it is open.
    pub(super) fn stable_offset(&self, shard: ShardNo) -> Result<Option<(i64, String)>, ()> {
        let pending = |transaction: &Transaction| {
            transaction.status == Status::Open && transaction.offsets.contains_key(&shard)
        };
        if self.transactions.iter().any(pending) {
            return Err(());
        }
        Ok(self.group.offsets.get(&shard).cloned())
    }

    fn check(&self, session: &Session) -> Result<(), Denied> {
        if self.producers[&session.id].epoch == session.epoch {
            return Ok(());
        }
        Err(Denied::Fenced)
    }

    /// The session's transaction; the first request of one begins it.
    fn open(&mut self, session: &Session) -> Result<usize, Denied> {
        self.check(session)?;
        let begun_at = self.now;
        let producer = self.producers.entry(session.id).or_default();
        let transactions = &mut self.transactions;
        Ok(*producer.open.get_or_insert_with(|| {
            transactions.push(Transaction {
                status: Status::Open,
                begun_at,
                partitions: BTreeSet::new(),
                offsets: BTreeMap::new(),
            });
            transactions.len() - 1
        }))
    }

    fn end_open(&mut self, id: usize, status: Status) {
        let producer = self.producers.entry(id).or_default();
        let Some(open) = producer.open.take() else {
            return;
        };
        producer.last = Some(open);
        let transaction = &mut self.transactions[open];
        transaction.status = status;
        for partition in &transaction.partitions {
            self.logs.entry(*partition).or_default().push(Entry {
                transaction: open,
                record: None,
            });
        }
        if status == Status::Committed {
            self.group.offsets.extend(transaction.offsets.clone());
        }
    }
}
