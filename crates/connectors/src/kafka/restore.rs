//! Restoring a shard: its changelog, up to a bound behind which nothing can still be committed, then the
//! group's offsets, then the decision where its inputs begin.
//!
//! The bound is the end of the log as a client sees it that takes open transactions in; what is read is only
//! what was committed. So an open transaction of an owner who died makes this wait until it has an end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mainstay_commit::start::{Facts, OnDataLoss, Refused, SourceFacts, Start, decide};
use mainstay_commit::{Epoch, Lease, Mark, Position, Restoring, ShardNo};
use mainstay_intake::{Delivered, PartitionQueue};
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use super::client;
use super::event::{Event, Fault, Ready};
use super::observer::{Observer, Told};
use super::offsets::{Offsets, Partition, Which, partition_no, partitions_of};
use super::random::random_id;
use super::settings::{KafkaSettings, SourceSettings, StartAt};
use crate::{RestoreError, Shard, SourceNo, Topic};

const BATCH: usize = 4096;
const READ: Duration = Duration::from_millis(100);
/// How long to wait after the broker failed to answer.
const RETRY: Duration = Duration::from_millis(500);
/// So often a state that cannot be used is read again because its changelog grew meanwhile: for longer than a
/// process that hung needs to hear that its shard has another owner. After that somebody else writes there.
const OUTDATED: u32 = 20;
/// A restore that reads nothing for so long is told to the operator.
const STALL: Duration = Duration::from_secs(30);
/// How often progress is told.
const PROGRESS: Duration = Duration::from_millis(250);

/// Makes the logic of a shard: its number, and how many there are.
pub type MakeShard = dyn Fn(ShardNo, u32) -> Box<dyn Shard> + Send + Sync;

/// Why a shard's state is not used.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The changelog cannot be used.
    #[error("`{topic}`/{shard}: {why}; begin again with `mainstay reset --drop-state --to …`")]
    Changelog {
        /// Its topic.
        topic: String,
        /// Its partition.
        shard: ShardNo,
        /// What is wrong with it.
        why: Unusable,
    },
    /// State, group and inputs do not agree.
    #[error(transparent)]
    Start(Refused),
}

/// What is wrong with a changelog.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// It is not what a sound shard leaves behind.
    #[error(transparent)]
    Unsound(#[from] mainstay_commit::Refusal),
    /// The logic cannot read a record.
    #[error(transparent)]
    Logic(#[from] RestoreError),
    /// A record without a key.
    #[error("changelog record at offset {0} has no key: a stranger wrote it")]
    NoKey(i64),
    /// The client cannot read it.
    #[error("the changelog cannot be read at offset {at}: {why}")]
    Unreadable {
        /// Where.
        at: i64,
        /// What the client says.
        why: String,
    },
}

/// Why a restore ended without a state.
enum Failed {
    /// The changelog is not to be used.
    Unusable(Box<Unusable>),
    /// Reading must not begin.
    Refused(Box<Refused>),
    /// It would be refused, but the changelog has grown behind the bound: another owner has committed, and
    /// what was read is old. So it goes to one who hung while it restored.
    Outdated,
    /// The broker did not answer; it will.
    Broker(KafkaError),
    /// Nobody wants it any more.
    Cancelled,
}

impl From<KafkaError> for Failed {
    fn from(error: KafkaError) -> Failed {
        Failed::Broker(error)
    }
}

impl From<Refused> for Failed {
    fn from(why: Refused) -> Failed {
        Failed::Refused(Box::new(why))
    }
}

impl<E: Into<Unusable>> From<E> for Failed {
    fn from(error: E) -> Failed {
        Failed::Unusable(Box::new(error.into()))
    }
}

/// Restores shards, a few at a time.
pub(super) struct Restorer {
    pub(super) kafka: KafkaSettings,
    pub(super) sources: Vec<SourceSettings>,
    /// Sources whose topics are there.
    pub(super) present: Vec<bool>,
    pub(super) shards: u32,
    pub(super) on_data_loss: OnDataLoss,
    pub(super) offsets: Arc<Offsets>,
    pub(super) make: Arc<MakeShard>,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) free: Free,
}

/// How many more restores may begin.
pub(super) struct Free {
    places: Mutex<usize>,
    changed: Condvar,
}

impl Free {
    pub(super) fn new(places: usize) -> Free {
        Free {
            places: Mutex::new(places),
            changed: Condvar::new(),
        }
    }

    fn take(&self) {
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let mut places = self
            .changed
            .wait_while(places, |places| *places == 0)
            .unwrap_or_else(PoisonError::into_inner);
        *places -= 1;
    }

    fn give(&self) {
        *self.places.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.changed.notify_one();
    }
}

impl Restorer {
    /// Restores a shard on a thread of its own and tells how it went, unless it is cancelled.
    pub(super) fn begin(
        self: &Arc<Self>,
        (shard, lease): (ShardNo, Lease),
        cancelled: Arc<AtomicBool>,
        events: Sender<Event>,
    ) {
        let (restorer, told) = (Arc::clone(self), events.clone());
        let begun = std::thread::Builder::new()
            .name(format!("restore-{shard}"))
            .spawn(move || {
                restorer.free.take();
                let event = restorer.until_done(shard, lease, &cancelled);
                restorer.free.give();
                if let Some(event) = event {
                    drop(told.send(event));
                }
            });
        if let Err(error) = begun {
            drop(events.send(Event::Fault(Fault::Thread(error.to_string()))));
        }
    }

    fn until_done(&self, shard: ShardNo, lease: Lease, cancelled: &AtomicBool) -> Option<Event> {
        let mut stall = Stall::new(Instant::now());
        let mut outdated = 0;
        while !cancelled.load(Ordering::Acquire) {
            let tried = std::panic::AssertUnwindSafe(|| {
                self.restore(shard, cancelled, &mut stall, outdated < OUTDATED)
            });
            match std::panic::catch_unwind(tried) {
                Ok(Ok((at, ready))) => {
                    let ready = Box::new(ready);
                    return Some(Event::Restored {
                        shard,
                        lease,
                        at,
                        ready,
                    });
                }
                Ok(Err(Failed::Unusable(why))) => {
                    let topic = self.kafka.topic(Topic::Changelog);
                    let why = *why;
                    let why = Box::new(Refusal::Changelog { topic, shard, why });
                    return Some(Event::Refused { shard, lease, why });
                }
                Ok(Err(Failed::Refused(why))) => {
                    let why = Box::new(Refusal::Start(*why));
                    return Some(Event::Refused { shard, lease, why });
                }
                Ok(Err(Failed::Cancelled)) => return None,
                Ok(Err(Failed::Outdated)) => {
                    outdated += 1;
                    tracing::warn!(%shard, "another owner has committed meanwhile; the restore begins again");
                    std::thread::sleep(RETRY);
                }
                Ok(Err(Failed::Broker(error))) => {
                    tracing::warn!(%shard, %error, "the restore begins again");
                    self.tell_stall(shard, &mut stall);
                    std::thread::sleep(RETRY);
                }
                Err(_) => {
                    let why = "it panicked while its state was restored".to_owned();
                    return Some(Event::Fault(Fault::Hopeless(shard, why)));
                }
            }
        }
        None
    }

    /// Tells the operator of a restore that stands still, once for every time that it did so long enough.
    fn tell_stall(&self, shard: ShardNo, stall: &mut Stall) {
        if !stall.is_due(Instant::now()) {
            return;
        }
        let text = format!(
            "shard {shard}: its restore has made no progress for {} s at offset {} of `{}`; it waits for \
             the brokers to answer, or for an open transaction there to end (`kafka-transactions.sh \
             find-hanging` names one that nobody will end)",
            STALL.as_secs(),
            stall.furthest,
            self.kafka.topic(Topic::Changelog)
        );
        tracing::error!("{text}");
        self.observer.told(&Told::Alarm(&text));
    }

    fn restore(
        &self,
        shard: ShardNo,
        cancelled: &AtomicBool,
        stall: &mut Stall,
        again: bool,
    ) -> Result<(Mark, Ready), Failed> {
        let began = Instant::now();
        let changelog = (self.kafka.topic(Topic::Changelog), partition_no(shard));
        let first = self.one(&changelog, Which::First)?;
        let bound = self.one(&changelog, Which::End)?;
        let mut logic = (self.make)(shard, self.shards);
        let log = Log::open(&self.kafka, &changelog, first)?;
        let read = self.read((shard, bound), log, logic.as_mut(), cancelled, stall);
        let decided = read.and_then(|(position, records)| {
            let start = self.start(shard, position.as_ref(), logic.settings_hash())?;
            Ok((position, records, start))
        });
        let (position, records, start) = match decided {
            Err(Failed::Unusable(_) | Failed::Refused(_))
                if again && self.one(&changelog, Which::End)? > bound =>
            {
                return Err(Failed::Outdated);
            }
            decided => decided?,
        };
        for notice in &start.notices {
            tracing::warn!(%shard, "{notice}");
        }
        let at = position.map_or_else(
            || Mark {
                state: random_id(),
                epoch: Epoch::NONE,
            },
            |position| position.mark,
        );
        self.observer.told(&Told::Restored {
            shard,
            records,
            took: began.elapsed(),
        });
        let positions = self.positions(&start);
        Ok((at, Ready { logic, positions }))
    }

    /// Reads the changelog into the logic, up to the bound.
    fn read(
        &self,
        (shard, bound): (ShardNo, i64),
        mut reading: Log,
        logic: &mut dyn Shard,
        cancelled: &AtomicBool,
        stall: &mut Stall,
    ) -> Result<(Option<Position>, u64), Failed> {
        let mut restoring = Restoring::new();
        let mut records = 0;
        let mut told = Instant::now();
        while reading.at < bound {
            if cancelled.load(Ordering::Acquire) {
                return Err(Failed::Cancelled);
            }
            records += reading.batch(bound, &mut restoring, logic)?;
            stall.is_at(reading.at, Instant::now());
            self.tell_stall(shard, stall);
            if told.elapsed() >= PROGRESS {
                told = Instant::now();
                self.observer.told(&Told::Restoring {
                    shard,
                    records,
                    at: reading.at,
                    to: bound,
                });
            }
        }
        logic.restored()?;
        let position = restoring.finish(logic.live_keys())?;
        Ok((position, records))
    }

    fn one(&self, partition: &Partition, which: Which) -> Result<i64, KafkaError> {
        let found = self.offsets.of(std::slice::from_ref(partition), which)?;
        Ok(found.values().next().copied().unwrap_or(0))
    }

    /// Decides where the inputs begin.
    fn start(
        &self,
        shard: ShardNo,
        position: Option<&Position>,
        settings_hash: u64,
    ) -> Result<Start, Failed> {
        let topics = self.inputs().map(|(_, source)| source.topic.as_str());
        let partitions = partitions_of(topics, shard);
        // The changelog was read to its bound before: what the group says now is not older.
        let group = self.offsets.of_group(&partitions)?;
        let first = self.offsets.of(&partitions, Which::First)?;
        let end = self.offsets.of(&partitions, Which::End)?;
        let mut sources = Vec::new();
        for ((_, source), partition) in self.inputs().zip(&partitions) {
            let at = |ends: &std::collections::BTreeMap<Partition, i64>| {
                ends.get(partition).copied().unwrap_or(0)
            };
            let start_at = match source.start_at {
                StartAt::Earliest => at(&first),
                StartAt::Latest => at(&end),
                StartAt::At(time) => self.one(partition, Which::From(time))?,
            };
            sources.push(SourceFacts {
                topic: source.topic.clone(),
                group: group.get(partition).cloned(),
                start_at,
                first: at(&first),
                end: at(&end),
            });
        }
        Ok(decide(&Facts {
            shard,
            shards: self.shards,
            position,
            sources: &sources,
            settings_hash,
            on_data_loss: self.on_data_loss,
        })?)
    }

    fn positions(&self, start: &Start) -> Vec<(SourceNo, i64)> {
        let at = |source: &SourceSettings| start.positions.get(&source.topic).copied();
        self.inputs()
            .filter_map(|(no, source)| Some((no, at(source)?)))
            .collect()
    }

    /// The sources whose topics are there, with their numbers.
    fn inputs(&self) -> impl Iterator<Item = (SourceNo, &SourceSettings)> {
        let numbered = (0..).map(SourceNo).zip(&self.sources);
        numbered
            .zip(&self.present)
            .filter(|(_, present)| **present)
            .map(|(source, _)| source)
    }
}

/// How far a restore has come over all its tries, and since when it has come no further.
struct Stall {
    furthest: i64,
    since: Instant,
}

impl Stall {
    fn new(now: Instant) -> Stall {
        Stall {
            furthest: 0,
            since: now,
        }
    }

    /// The log was read up to here. A try that begins again is no progress until it gets further.
    fn is_at(&mut self, at: i64, now: Instant) {
        if at > self.furthest {
            *self = Stall {
                furthest: at,
                since: now,
            };
        }
    }

    /// Whether it is time to tell; then not again for as long.
    fn is_due(&mut self, now: Instant) -> bool {
        let due = now.saturating_duration_since(self.since) >= STALL;
        if due {
            self.since = now;
        }
        due
    }
}

/// A changelog partition that is being read.
struct Log {
    queue: PartitionQueue,
    /// The next offset, control records passed over.
    at: i64,
    /// Keeps the assignment; dropped after the queue.
    _consumer: Arc<rdkafka::consumer::BaseConsumer<client::Logging>>,
}

impl Log {
    fn open(kafka: &KafkaSettings, (topic, partition): &Partition, at: i64) -> Result<Log, Failed> {
        let consumer = Arc::new(client::restorer(kafka)?);
        let queue = PartitionQueue::open(&consumer, topic, *partition, BATCH).map_err(|error| {
            let why = error.to_string();
            Failed::from(Unusable::Unreadable { at, why })
        })?;
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, *partition, Offset::Offset(at))?;
        consumer.assign(&list)?;
        Ok(Log {
            queue,
            at,
            _consumer: consumer,
        })
    }

    /// Hands over what comes next, but nothing from the bound on.
    fn batch(
        &mut self,
        bound: i64,
        restoring: &mut Restoring,
        logic: &mut dyn Shard,
    ) -> Result<u64, Failed> {
        let mut records = 0;
        for index in 0..self.queue.read(READ) {
            match self.queue.get(index) {
                Delivered::Record(record) if record.offset() >= bound => self.at = bound,
                Delivered::Record(record) => {
                    let offset = record.offset();
                    let key = record.key().ok_or(Unusable::NoKey(offset))?;
                    if let Some(handed) = restoring.feed(offset, key, record.value())? {
                        logic.restore(handed.key, handed.payload)?;
                    }
                    self.at = offset + 1;
                    records += 1;
                }
                Delivered::End { offset } => self.at = self.at.max(offset),
                Delivered::Failed { code, text } => return Err(unread(code, text, self.at)),
            }
        }
        Ok(records)
    }
}

/// A damaged batch stays damaged; all else may be better the next time.
fn unread(code: RDKafkaErrorCode, why: String, at: i64) -> Failed {
    let damaged = matches!(
        code,
        RDKafkaErrorCode::BadMessage
            | RDKafkaErrorCode::InvalidMessage
            | RDKafkaErrorCode::BadCompression
    );
    if damaged {
        Unusable::Unreadable { at, why }.into()
    } else {
        Failed::Broker(KafkaError::MessageConsumption(code))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restore_that_reads_nothing_new_for_30_s_is_told_once_in_30_s() {
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        let mut stall = Stall::new(began);
        stall.is_at(10, at(20));
        assert!(!stall.is_due(at(49)));
        stall.is_at(5, at(49));
        assert!(stall.is_due(at(50)), "a new try that is not further");
        assert!(!stall.is_due(at(79)));
        assert!(stall.is_due(at(80)));
        stall.is_at(11, at(81));
        assert!(!stall.is_due(at(110)));
    }

    #[test]
    fn a_changelog_that_cannot_be_used_is_refused_with_its_partition_and_its_mend() {
        let unusable = [
            mainstay_commit::Refusal::NoEnd { last: 7 }.into(),
            Unusable::NoKey(7),
            RestoreError {
                key: "01".to_owned(),
                why: "cut short".to_owned(),
            }
            .into(),
        ];
        for why in unusable {
            let topic = "mainstay.changelog".to_owned();
            let shard = ShardNo(3);
            let told = Refusal::Changelog { topic, shard, why }.to_string();
            assert!(told.starts_with("`mainstay.changelog`/3: "), "{told}");
            assert!(
                told.ends_with("`mainstay reset --drop-state --to …`"),
                "{told}"
            );
        }
    }
}
