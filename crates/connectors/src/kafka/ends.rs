//! Those at the other ends of the topics: who sends to an input, and who reads an output.
//!
//! The demo plays the operator's customers with them. They are plain clients that belong to no group and
//! no transaction; nothing of the pipeline uses them.

use std::time::{Duration, Instant};

use mainstay_commit::ShardNo;
use mainstay_model::Timestamp;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Message, Offset, TopicPartitionList};

use super::client::{self, Deliveries, Logging};
use super::offsets::partition_no;
use super::settings::KafkaSettings;

/// Sends records to an input.
pub struct Sender {
    producer: BaseProducer<Deliveries>,
    topic: String,
}

impl Sender {
    /// One that sends to a topic.
    ///
    /// # Errors
    /// When the library cannot make a client.
    pub fn new(kafka: &KafkaSettings, topic: &str) -> KafkaResult<Sender> {
        Ok(Sender {
            producer: client::plain_producer(kafka)?,
            topic: topic.to_owned(),
        })
    }

    /// Sends a record as of a time, and waits while the client's own queue is full.
    ///
    /// # Errors
    /// When the client does not take it.
    pub fn send(&self, to: ShardNo, key: &[u8], value: &[u8], at: Timestamp) -> KafkaResult<()> {
        let mut record = BaseRecord::to(&self.topic)
            .partition(partition_no(to))
            .key(key)
            .payload(value)
            .timestamp(at.0);
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((error, back)) if is_full(&error) => record = back,
                Err((error, _)) => return Err(error),
            }
            self.producer.poll(Duration::from_millis(2));
        }
    }

    /// Lets the client tell what became of what was sent.
    ///
    /// # Errors
    /// When a record was not delivered.
    pub fn settle(&self) -> KafkaResult<()> {
        self.producer.poll(Duration::ZERO);
        match self.producer.context().take_failed() {
            true => Err(KafkaError::MessageProduction(
                RDKafkaErrorCode::MessageTimedOut,
            )),
            false => Ok(()),
        }
    }

    /// Waits until everything was delivered.
    ///
    /// # Errors
    /// When something was not, or not in time.
    pub fn finish(&self, patience: Duration) -> KafkaResult<()> {
        self.producer.flush(patience)?;
        self.settle()
    }
}

fn is_full(error: &KafkaError) -> bool {
    error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull)
}

/// Reads all partitions of an output from their begin, as any other program would.
pub struct Reader {
    consumer: BaseConsumer<Logging>,
}

/// Takes a record's key and value.
pub type Each<'a> = dyn FnMut(&[u8], Option<&[u8]>) + 'a;

impl Reader {
    /// One that reads a topic of so many partitions.
    ///
    /// # Errors
    /// When the library cannot make a client.
    pub fn new(kafka: &KafkaSettings, topic: &str, partitions: u32) -> KafkaResult<Reader> {
        let consumer = client::reader(kafka)?;
        let mut list = TopicPartitionList::new();
        for partition in 0..partitions {
            let partition = partition_no(ShardNo(partition));
            list.add_partition_offset(topic, partition, Offset::Beginning)?;
        }
        consumer.assign(&list)?;
        Ok(Reader { consumer })
    }

    /// Hands every record that comes in the next while to `each`, with its key and value.
    ///
    /// # Errors
    /// When records are gone before they were read, or the client cannot go on.
    pub fn read(&self, patience: Duration, each: &mut Each<'_>) -> KafkaResult<()> {
        let until = Instant::now() + patience;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.consumer.poll(left) {
                None => return Ok(()),
                Some(Ok(record)) => each(record.key().unwrap_or_default(), record.payload()),
                Some(Err(error)) => return Err(error),
            }
            if left.is_zero() {
                return Ok(());
            }
        }
    }
}
