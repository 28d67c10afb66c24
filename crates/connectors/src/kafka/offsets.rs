//! Asking the broker where things are: first and last offsets, offsets of a time, offsets of the group.

use std::collections::BTreeMap;

use mainstay_commit::ShardNo;
use mainstay_commit::start::GroupOffset;
use mainstay_model::Timestamp;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use super::client::{self, Logging, PATIENCE};
use super::settings::KafkaSettings;

/// A partition of a topic.
pub(super) type Partition = (String, i32);

/// Asks the broker.
pub(super) struct Offsets {
    committed: BaseConsumer<Logging>,
    uncommitted: BaseConsumer<Logging>,
}

/// Which offset of a partition is meant.
#[derive(Clone, Copy)]
pub(super) enum Which {
    /// The first that is still there.
    First,
    /// One past the last, open transactions included.
    End,
    /// One past the last that can be read: open transactions are not.
    Stable,
    /// The first of this time or later; the end, if there is none.
    From(Timestamp),
}

impl Offsets {
    pub(super) fn new(kafka: &KafkaSettings) -> KafkaResult<Offsets> {
        Ok(Offsets {
            committed: client::asker(kafka)?,
            uncommitted: client::uncommitted_asker(kafka)?,
        })
    }

    /// The same offset of many partitions, by one request to each broker.
    pub(super) fn of(
        &self,
        partitions: &[Partition],
        which: Which,
    ) -> KafkaResult<BTreeMap<Partition, i64>> {
        // The protocol asks for the two ends by times that no record has.
        let time = match which {
            Which::First => Offset::Beginning,
            Which::End | Which::Stable => Offset::End,
            Which::From(at) => Offset::Offset(at.0.max(0)),
        };
        let mut asked = TopicPartitionList::with_capacity(partitions.len());
        for (topic, partition) in partitions {
            asked.add_partition_offset(topic, *partition, time)?;
        }
        let client = match which {
            Which::Stable => &self.committed,
            Which::First | Which::End | Which::From(_) => &self.uncommitted,
        };
        let answer = client.offsets_for_times(asked, PATIENCE)?;
        let mut found = BTreeMap::new();
        for element in answer.elements() {
            element.error()?;
            let partition = (element.topic().to_owned(), element.partition());
            let offset = match element.offset() {
                Offset::Offset(offset) => offset,
                // No record is that young.
                Offset::End | Offset::Invalid => self.end(&partition)?,
                Offset::Beginning | Offset::Stored | Offset::OffsetTail(_) => 0,
            };
            found.insert(partition, offset);
        }
        Ok(found)
    }

    fn end(&self, (topic, partition): &Partition) -> KafkaResult<i64> {
        let (_, end) = self
            .uncommitted
            .fetch_watermarks(topic, *partition, PATIENCE)?;
        Ok(end)
    }

    /// The group's offsets of these partitions. Those of a transaction that is still open are waited for,
    /// so no answer can be overtaken by one.
    pub(super) fn of_group(
        &self,
        partitions: &[Partition],
    ) -> KafkaResult<BTreeMap<Partition, GroupOffset>> {
        let mut asked = TopicPartitionList::with_capacity(partitions.len());
        for (topic, partition) in partitions {
            asked.add_partition(topic, *partition);
        }
        let answer = self.committed.committed_offsets(asked, PATIENCE)?;
        let mut found = BTreeMap::new();
        for element in answer.elements() {
            element.error()?;
            if let Offset::Offset(offset) = element.offset() {
                let partition = (element.topic().to_owned(), element.partition());
                let metadata = metadata(&element);
                found.insert(partition, GroupOffset { offset, metadata });
            }
        }
        Ok(found)
    }

    /// How many partitions a topic has; none if it is not there.
    pub(super) fn partitions(&self, topic: &str) -> KafkaResult<Option<u32>> {
        let metadata = self.committed.fetch_metadata(Some(topic), PATIENCE)?;
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        let Some(found) = found else {
            return Ok(None);
        };
        if let Some(error) = found.error() {
            let code = RDKafkaErrorCode::from(error);
            if code == RDKafkaErrorCode::UnknownTopicOrPartition {
                return Ok(None);
            }
            return Err(KafkaError::MetadataFetch(code));
        }
        Ok(u32::try_from(found.partitions().len()).ok())
    }

    /// Serves what the clients have to say apart from answers.
    pub(super) fn poll(&self) {
        for client in [&self.committed, &self.uncommitted] {
            // Nothing is assigned, so nothing but errors can come; those were logged.
            if let Some(Err(error)) = client.poll(std::time::Duration::ZERO) {
                tracing::debug!(%error, "asking for offsets");
            }
        }
    }

    /// The fewest replicas that a partition of a topic has.
    pub(super) fn replicas(&self, topic: &str) -> KafkaResult<Option<usize>> {
        let metadata = self.committed.fetch_metadata(Some(topic), PATIENCE)?;
        let partitions = metadata
            .topics()
            .iter()
            .flat_map(|topic| topic.partitions());
        Ok(partitions.map(|partition| partition.replicas().len()).min())
    }

    /// A client for whoever has another question.
    pub(super) fn client(&self) -> &BaseConsumer<Logging> {
        &self.committed
    }
}

/// Of an offset that a stranger set, the metadata may be any bytes, at which the client crate panics.
fn metadata(element: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>) -> String {
    let read = std::panic::AssertUnwindSafe(|| element.metadata().to_owned());
    std::panic::catch_unwind(read).unwrap_or_else(|_| "(not text)".to_owned())
}

/// The partitions of a shard, one for each topic.
pub(super) fn partitions_of<'a>(
    topics: impl IntoIterator<Item = &'a str>,
    shard: ShardNo,
) -> Vec<Partition> {
    let partition = partition_no(shard);
    topics
        .into_iter()
        .map(|topic| (topic.to_owned(), partition))
        .collect()
}

/// A shard's number as Kafka counts partitions.
pub(super) fn partition_no(shard: ShardNo) -> i32 {
    i32::try_from(shard.0).expect("a shard is a partition, and those are counted in 31 bits")
}

/// A partition's number as a shard.
pub(super) fn shard_no(partition: i32) -> ShardNo {
    ShardNo(u32::try_from(partition).expect("the group assigns no negative partition"))
}
