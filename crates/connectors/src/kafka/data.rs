//! The consumer that reads the inputs, assigned by hand, one queue for each source and shard.
//!
//! It belongs to no membership, so no rebalance can get among the data. When a partition stands still
//! though there is something to read, the whole consumer is made anew, and the workers go on with queues
//! of the new one at their own positions.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mainstay_intake::{OpenError, PartitionQueue};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::{Offset, TopicPartitionList};

use super::client::{self, Logging};
use super::settings::KafkaSettings;

/// How many records a queue hands over at once.
pub(super) const BATCH: usize = 1024;

/// Why a partition cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum DataError {
    #[error("the input's queue could not be opened")]
    Open(#[from] OpenError),
    #[error("the input could not be assigned")]
    Assign(#[from] KafkaError),
}

/// The consumer of the inputs, whichever it is now.
pub(super) struct Data {
    kafka: KafkaSettings,
    /// How many partitions there are to read at most.
    partitions: usize,
    consumer: Mutex<Arc<BaseConsumer<Logging>>>,
    generation: AtomicU64,
}

impl Data {
    pub(super) fn new(kafka: KafkaSettings, partitions: usize) -> KafkaResult<Data> {
        let consumer = client::data(&kafka, partitions)?;
        Ok(Data {
            kafka,
            partitions,
            consumer: Mutex::new(Arc::new(consumer)),
            generation: AtomicU64::new(0),
        })
    }

    /// Changes whenever the consumer was made anew.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Begins to read a partition of several topics, each from its offset.
    pub(super) fn open(&self, partition: i32, from: &[(&str, i64)]) -> Result<Reading, DataError> {
        let generation = self.generation();
        let consumer = self.current();
        let mut list = TopicPartitionList::with_capacity(from.len());
        let mut queues = Vec::with_capacity(from.len());
        for (topic, offset) in from {
            // The queue is taken before the assignment, or its first records would go elsewhere.
            queues.push(PartitionQueue::open(&consumer, topic, partition, BATCH)?);
            list.add_partition_offset(topic, partition, Offset::Offset(*offset))?;
            let thread = std::thread::current();
            queues
                .last_mut()
                .into_iter()
                .for_each(|queue| queue.wake(thread.clone()));
        }
        consumer.incremental_assign(&list)?;
        Ok(Reading {
            generation,
            queues,
            list,
            consumer,
        })
    }

    /// Serves what the client has to say apart from records.
    pub(super) fn poll(&self) {
        match self.current().poll(Duration::ZERO) {
            None | Some(Ok(_)) => {}
            Some(Err(error)) => tracing::debug!(%error, "data consumer"),
        }
    }

    /// Makes a new consumer; the workers change over to it at their next turn.
    pub(super) fn renew(&self) -> KafkaResult<()> {
        let fresh = Arc::new(client::data(&self.kafka, self.partitions)?);
        let mut current = self.consumer.lock().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *current, fresh);
        drop(current);
        self.generation.fetch_add(1, Ordering::AcqRel);
        close_apart(old);
        Ok(())
    }

    fn current(&self) -> Arc<BaseConsumer<Logging>> {
        Arc::clone(&self.consumer.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A consumer that stands still may never close: that happens apart from everything else, and when nobody
/// holds it any more.
fn close_apart(consumer: Arc<BaseConsumer<Logging>>) {
    std::thread::spawn(move || {
        let began = Instant::now();
        while Arc::strong_count(&consumer) > 1 && began.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(50));
        }
    });
}

/// A partition of several topics is being read; unassigned when dropped.
pub(super) struct Reading {
    pub(super) generation: u64,
    pub(super) queues: Vec<PartitionQueue>,
    list: TopicPartitionList,
    consumer: Arc<BaseConsumer<Logging>>,
}

impl Drop for Reading {
    fn drop(&mut self) {
        // Queues are dropped after this, as they have to be.
        if let Err(error) = self.consumer.incremental_unassign(&self.list) {
            tracing::warn!(%error, "an input could not be unassigned");
        }
    }
}
