//! Reading partitions of our own topics from one end to the other, for an operator's commands.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mainstay_intake::{Delivered, PartitionQueue, Record};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use super::client::{self, Logging, PATIENCE};
use super::offsets::{Offsets, Partition, Which};
use super::settings::KafkaSettings;

/// Why a command of an operator could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The cluster did not answer, or refused.
    #[error("could not {what}")]
    Kafka {
        /// What was tried.
        what: String,
        /// Why it failed.
        #[source]
        source: KafkaError,
    },
    /// A topic is missing.
    #[error("`{0}` does not exist")]
    NoTopic(String),
    /// The group is in use.
    #[error("group `{group}` has {members} members; stop them first")]
    InUse {
        /// The group.
        group: String,
        /// How many.
        members: usize,
    },
    /// There is no state to go by.
    #[error("shard {0}: the changelog holds no position; there is no state to go by")]
    NoState(u32),
}

impl CommandError {
    pub(super) fn during(what: impl Into<String>) -> impl FnOnce(KafkaError) -> CommandError {
        let what = what.into();
        |source| CommandError::Kafka { what, source }
    }
}

/// What is known of a partition before it is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    pub(super) first: i64,
    /// One past the last committed record.
    pub(super) stable: i64,
    /// One past the last record.
    pub(super) end: i64,
}

pub(super) fn ends(offsets: &Offsets, partition: &Partition) -> Result<Ends, KafkaError> {
    let asked = std::slice::from_ref(partition);
    let one = |which| {
        let found = offsets.of(asked, which)?;
        Ok::<i64, KafkaError>(found.values().next().copied().unwrap_or(0))
    };
    Ok(Ends {
        first: one(Which::First)?,
        stable: one(Which::Stable)?,
        end: one(Which::End)?,
    })
}

/// Calls `each` with every committed record from `from` up to, but not with, `to`, until it says `false`.
pub(super) fn scan(
    kafka: &KafkaSettings,
    (topic, partition): &Partition,
    (from, to): (i64, i64),
    each: &mut dyn FnMut(&Record<'_>) -> bool,
) -> Result<(), CommandError> {
    let failed = || CommandError::during(format!("read {topic}/{partition}"));
    let consumer: Arc<BaseConsumer<Logging>> = Arc::new(client::restorer(kafka).map_err(failed())?);
    let queue = PartitionQueue::open(&consumer, topic, *partition, 1024);
    let mut queue = queue.map_err(|_| CommandError::NoTopic(topic.clone()))?;
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, *partition, Offset::Offset(from))
        .map_err(failed())?;
    consumer.assign(&list).map_err(failed())?;
    let (mut at, mut heard) = (from, Instant::now());
    while at < to {
        let taken = queue.read(Duration::from_millis(100));
        if taken > 0 {
            heard = Instant::now();
        } else if heard.elapsed() > PATIENCE {
            let code = RDKafkaErrorCode::OperationTimedOut;
            return Err(failed()(KafkaError::MessageConsumption(code)));
        }
        for index in 0..taken {
            match queue.get(index) {
                Delivered::Record(record) if record.offset() >= to => return Ok(()),
                Delivered::Record(record) => {
                    at = record.offset() + 1;
                    if !each(&record) {
                        return Ok(());
                    }
                }
                Delivered::End { offset } => at = at.max(offset),
                Delivered::Failed { code, .. } => {
                    return Err(failed()(KafkaError::MessageConsumption(code)));
                }
            }
        }
    }
    Ok(())
}
