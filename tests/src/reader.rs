//! Reads a topic as Mainstay's consumers are told to: what is committed, and nothing else.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::patience;

/// A committed record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it lies.
    pub partition: i32,
    /// Where it lies.
    pub offset: i64,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
    /// Its headers, in their order.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Record {
    /// The first header of a name, as text.
    ///
    /// # Panics
    /// When it is no text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(key, _)| key == name)?;
        Some(std::str::from_utf8(value).expect("Mainstay's own headers are text"))
    }
}

/// All committed records of a topic, in the order of each partition.
///
/// Each call reads from the beginning with a client of its own: a fresh consumer's first "end of partition"
/// is never from before the call.
///
/// # Panics
/// When there is no such topic or the broker does not answer.
#[must_use]
pub fn read_committed(brokers: &str, topic: &str) -> Vec<Record> {
    read(brokers, topic, "read_committed")
}

/// The same with what was never committed.
pub(crate) fn read_all(brokers: &str, topic: &str) -> Vec<Record> {
    read(brokers, topic, "read_uncommitted")
}

fn read(brokers: &str, topic: &str, isolation: &str) -> Vec<Record> {
    let mut records = Vec::new();
    let mut follower = Follower::new(brokers, topic, isolation);
    follower.read_on(|record| records.push(record));
    records
}

/// A reader that goes on where it was, for whoever asks again and again.
pub(crate) struct Follower {
    consumer: BaseConsumer,
    topic: String,
    /// The partitions whose end is reached, as far as is known.
    at_end: Vec<bool>,
}

impl Follower {
    /// A reader at the beginning of a topic, of what is committed.
    pub(crate) fn committed(brokers: &str, topic: &str) -> Follower {
        Follower::new(brokers, topic, "read_committed")
    }

    fn new(brokers: &str, topic: &str, isolation: &str) -> Follower {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("group.id", format!("{topic}-reader"))
            .set("isolation.level", isolation)
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("fetch.wait.max.ms", "50")
            .create()
            .expect("a consumer needs nothing but an address and a group");
        Follower {
            at_end: vec![false; assign_all(&consumer, topic)],
            consumer,
            topic: topic.to_owned(),
        }
    }

    /// Hands on what was not handed on yet, to the end of each partition.
    pub(crate) fn read_on(&mut self, mut take: impl FnMut(Record)) {
        let Follower {
            consumer, at_end, ..
        } = self;
        let what = format!("all of {} is read", self.topic);
        patience::until(&what, patience::CATCHING_UP, || {
            // Each batch that came meanwhile has an end behind it: all that is here already is taken.
            let wait = |at_end: &[bool]| match at_end.iter().all(|end| *end) {
                true => Duration::ZERO,
                false => Duration::from_millis(100),
            };
            while let Some(polled) = consumer.poll(wait(at_end)) {
                match polled {
                    Ok(message) => {
                        at_end[place(message.partition())] = false;
                        take(owned(&message));
                    }
                    Err(KafkaError::PartitionEOF(partition)) => at_end[place(partition)] = true,
                    Err(err) => complain(&err),
                }
            }
            // An end that was reached before is not told again unless there was more.
            at_end.iter().all(|end| *end).then_some(())
        });
    }
}

fn assign_all(consumer: &BaseConsumer, topic: &str) -> usize {
    let partitions = count_partitions(consumer, topic);
    let mut all = TopicPartitionList::new();
    for partition in 0..partitions {
        all.add_partition_offset(topic, partition, Offset::Beginning)
            .expect("a beginning is an offset");
    }
    consumer
        .assign(&all)
        .expect("partitions that are there can be assigned");
    place(partitions)
}

/// A broker that is down for a while is not an error here: the client library comes back by itself.
fn complain(err: &KafkaError) {
    let passing = [
        RDKafkaErrorCode::AllBrokersDown,
        RDKafkaErrorCode::BrokerTransportFailure,
        RDKafkaErrorCode::OperationTimedOut,
    ];
    let code = err.rdkafka_error_code();
    assert!(
        code.is_some_and(|code| passing.contains(&code)),
        "could not read: {err}"
    );
}

fn count_partitions(consumer: &BaseConsumer, topic: &str) -> i32 {
    let what = format!("there is a topic {topic}");
    patience::until(&what, patience::STARTING, || {
        let metadata = consumer
            .fetch_metadata(Some(topic), Duration::from_secs(5))
            .ok()?;
        let count = metadata.topics().first()?.partitions().len();
        (count > 0).then(|| i32::try_from(count).expect("a count of partitions is an i32"))
    })
}

fn place(partition: i32) -> usize {
    usize::try_from(partition).expect("a partition is not negative")
}

fn owned(message: &BorrowedMessage<'_>) -> Record {
    let headers = message.headers().map(|headers| {
        let each = headers.iter();
        each.map(|header| {
            (
                header.key.to_owned(),
                header.value.unwrap_or_default().to_vec(),
            )
        })
        .collect()
    });
    Record {
        partition: message.partition(),
        offset: message.offset(),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: headers.unwrap_or_default(),
    }
}
