//! The queue of one partition, and the batch that was read from it last.

use std::ffi::CString;
use std::sync::Arc;
use std::thread::Thread;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};

use crate::ffi::{Message, Queue, Waking};
use crate::record::{Delivered, delivered};

/// Why a partition's queue could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The topic's name has a NUL in it.
    #[error("`{0}` is no name of a topic")]
    Name(String),
    /// The client has no queue for it.
    #[error("the client has no queue for {topic}/{partition}")]
    NoQueue {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
    },
}

/// A partition's own queue, read in batches.
///
/// Opened before the consumer is assigned to the partition: what was delivered before would be in the
/// consumer's common queue. Dropped after the partition was unassigned. What an earlier assignment left
/// behind is not delivered to a later one.
///
/// The partition's queue is read itself, and not forwarded into one of ours: unassigning takes a forward
/// back some time later, so that a new assignment soon after would lose it and deliver nothing.
pub struct PartitionQueue {
    // Fields are dropped in this order: messages, the waking, the queue, and the client last.
    batch: Vec<Message>,
    waking: Option<Waking>,
    queue: Queue,
    _client: Arc<dyn Client>,
}

/// Anything that keeps the client of librdkafka alive.
trait Client: Send + Sync {}

impl<C: ConsumerContext> Client for BaseConsumer<C> {}

impl PartitionQueue {
    /// Takes the partition's queue out of the consumer's, to be read in batches of up to `batch`.
    ///
    /// # Errors
    /// When the client knows no such partition.
    pub fn open<C: ConsumerContext + 'static>(
        consumer: &Arc<BaseConsumer<C>>,
        topic: &str,
        partition: i32,
        batch: usize,
    ) -> Result<PartitionQueue, OpenError> {
        let name = CString::new(topic).map_err(|_| OpenError::Name(topic.to_owned()))?;
        let client = consumer.client().native_ptr();
        // SAFETY: the client lives at least as long as `_client`, which is dropped after the queue.
        let queue = unsafe { Queue::of_partition(client, &name, partition) };
        let queue = queue.ok_or_else(|| OpenError::NoQueue {
            topic: topic.to_owned(),
            partition,
        })?;
        queue.separate();
        Ok(PartitionQueue {
            batch: Vec::with_capacity(batch.max(1)),
            waking: None,
            queue,
            _client: Arc::clone(consumer) as Arc<dyn Client>,
        })
    }

    /// Gives back the batch read before, waits for something to be delivered, and takes up to a batch
    /// of it. Says how much.
    pub fn read(&mut self, wait: Duration) -> usize {
        self.batch.clear();
        let wait_ms = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
        self.queue.consume(wait_ms, &mut self.batch);
        self.batch.len()
    }

    /// How much the last read took.
    #[must_use]
    pub fn len(&self) -> usize {
        self.batch.len()
    }

    /// Whether the last read took nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    /// What the last read took at `index`.
    ///
    /// # Panics
    /// When `index` is not below [`len`](PartitionQueue::len).
    #[must_use]
    pub fn get(&self, index: usize) -> Delivered<'_> {
        delivered(&self.batch[index])
    }

    /// Unparks `thread` whenever something is delivered while the queue is empty.
    pub fn wake(&mut self, thread: Thread) {
        self.waking = None;
        self.waking = Some(self.queue.wake(thread));
    }
}
