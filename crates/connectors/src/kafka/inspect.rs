//! What `check` asks the cluster beyond topics and partitions: our rights, whose clock stamps the inputs, and
//! the newest records of each.
//!
//! Nothing here changes anything but that the transaction coordinator remembers, for a week, an id that was
//! tried. What the answers mean for the operator is not known here.

use std::collections::BTreeMap;
use std::time::Instant;

use mainstay_intake::{Allowed, Operation, allowed_on_group, allowed_on_topics};
use mainstay_model::Timestamp;
use rdkafka::admin::{AdminOptions, ConfigResource, ResourceSpecifier};
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::Producer;
use rdkafka::{Offset, TopicPartitionList};

use super::client::{self, ClientError, PATIENCE};
use super::offsets::{Offsets, Partition, Which};
use super::scan::CommandError;
use super::settings::{KafkaSettings, SourceSettings};
use super::topics::{Acl, Kind, TopicError, acls};
use super::wait::wait;

/// What is known of a right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// We have it.
    Granted,
    /// These operations are not allowed to us.
    Lacking(Vec<Operation>),
    /// It could not be found out, and why.
    Unknown(String),
}

/// Every right that `run` needs, and whether we have it. For topics and the group the broker says what its
/// authorizer would decide; that a transactional id may be used is tried with one that no process has.
///
/// # Errors
/// When a client cannot be made.
pub fn rights(
    kafka: &KafkaSettings,
    sources: &[SourceSettings],
) -> Result<Vec<(Acl, Known)>, TopicError> {
    let offsets = Offsets::new(kafka).map_err(ClientError::from)?;
    let needed = acls(kafka, sources);
    let of_kind = |kind| needed.iter().filter(move |acl| acl.kind == kind);
    let mut names: Vec<&str> = of_kind(Kind::Topic).map(|acl| acl.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let client = offsets.client().client();
    let topics = allowed_on_topics(client, &names, PATIENCE);
    let topics = topics.map(BTreeMap::from_iter);
    let known = |acl: &Acl| match acl.kind {
        Kind::Topic => match &topics {
            Ok(topics) => topics
                .get(&acl.name)
                .map_or_else(unsaid, |allowed| of_answer(acl, allowed)),
            Err(error) => Known::Unknown(error.to_string()),
        },
        Kind::Group => match allowed_on_group(client, &acl.name, PATIENCE) {
            Ok(allowed) => of_answer(acl, &allowed),
            Err(error) => Known::Unknown(error.to_string()),
        },
        Kind::TransactionalId => try_transactional_id(kafka, acl),
    };
    let known = needed.iter().map(known).collect::<Vec<_>>();
    Ok(needed.into_iter().zip(known).collect())
}

fn of_answer(needed: &Acl, allowed: &Allowed) -> Known {
    match allowed {
        Ok(Some(allowed)) => {
            let lacking = needed.operations.iter().copied();
            let lacking: Vec<_> = lacking.filter(|one| !allowed.contains(one)).collect();
            match lacking.is_empty() {
                true => Known::Granted,
                false => Known::Lacking(lacking),
            }
        }
        Ok(None) => unsaid(),
        Err(code) if is_refusal(*code) => Known::Lacking(needed.operations.clone()),
        Err(code) if *code == RDKafkaErrorCode::UnknownTopicOrPartition => {
            Known::Unknown("it does not exist yet".to_owned())
        }
        Err(code) => Known::Unknown(code.to_string()),
    }
}

fn unsaid() -> Known {
    Known::Unknown("the broker does not say".to_owned())
}

/// Whether the broker has refused because of who we are.
pub(super) fn is_refusal(code: RDKafkaErrorCode) -> bool {
    [
        RDKafkaErrorCode::TopicAuthorizationFailed,
        RDKafkaErrorCode::GroupAuthorizationFailed,
        RDKafkaErrorCode::ClusterAuthorizationFailed,
        RDKafkaErrorCode::TransactionalIdAuthorizationFailed,
    ]
    .contains(&code)
}

/// The slot of the id that is tried. No instance is called so: their names have no blanks.
const TRIED: &str = "tried by check";

/// No question tells what may be done with a transactional id, so one is used, without a transaction.
fn try_transactional_id(kafka: &KafkaSettings, needed: &Acl) -> Known {
    let tried = client::producer(kafka, TRIED).and_then(|producer| {
        let initialised = producer.init_transactions(PATIENCE);
        // Why it failed otherwise is in what the client logs.
        producer.poll(std::time::Duration::ZERO);
        initialised
    });
    let Err(error) = tried else {
        return Known::Granted;
    };
    match error.rdkafka_error_code() {
        Some(code) if is_refusal(code) => Known::Lacking(needed.operations.clone()),
        Some(_) | None => Known::Unknown(error.to_string()),
    }
}

/// Who says when a record of an input arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The broker.
    Broker,
    /// Whoever sent it, but no more than so many milliseconds ahead of the broker's clock.
    Sender {
        /// How many; none: any number.
        ahead_ms: Option<i64>,
    },
    /// It could not be found out, and why.
    Unknown(String),
}

/// Asks who stamps the records of an input.
///
/// # Errors
/// When a client cannot be made.
pub fn arrival(kafka: &KafkaSettings, topic: &str) -> Result<Arrival, ClientError> {
    let admin = client::admin(kafka)?;
    let options = AdminOptions::new().request_timeout(Some(PATIENCE));
    let asked = [ResourceSpecifier::Topic(topic)];
    let answer = wait(admin.describe_configs(&asked, &options));
    let answer = answer.map(|mut found| found.pop());
    Ok(match answer {
        Ok(Some(Ok(found))) => of_settings(&found),
        Ok(Some(Err(code))) => Arrival::Unknown(code.to_string()),
        Ok(None) => Arrival::Unknown("the broker does not say".to_owned()),
        Err(error) => Arrival::Unknown(error.to_string()),
    })
}

fn of_settings(topic: &ConfigResource) -> Arrival {
    let value = |name| topic.get(name).and_then(|entry| entry.value.as_deref());
    stamped_by(
        value("message.timestamp.type"),
        // Brokers before 3.6 have one setting for both directions.
        value("message.timestamp.after.max.ms")
            .or_else(|| value("message.timestamp.difference.max.ms")),
    )
}

fn stamped_by(kind: Option<&str>, ahead: Option<&str>) -> Arrival {
    match kind {
        Some("LogAppendTime") => return Arrival::Broker,
        Some(_) => {}
        // The client crate hands over a topic whose settings were refused as one without any.
        None => {
            return Arrival::Unknown("the broker does not tell the topic's settings".to_owned());
        }
    }
    let ahead_ms = ahead.and_then(|text| text.parse().ok());
    Arrival::Sender {
        ahead_ms: ahead_ms.filter(|ms| *ms < i64::MAX),
    }
}

/// The command that lets the broker stamp the records of a topic.
#[must_use]
pub fn arrival_command(kafka: &KafkaSettings, topic: &str) -> String {
    format!(
        "kafka-configs.sh --bootstrap-server {} --alter --entity-type topics --entity-name {topic} \
         --add-config message.timestamp.type=LogAppendTime",
        kafka.brokers
    )
}

/// A record of a sample.
#[derive(Clone, Copy, Debug)]
pub struct Sampled<'a> {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// When it arrived, where it says so.
    pub arrival: Option<Timestamp>,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value.
    pub value: Option<&'a [u8]>,
}

/// Hands over the newest committed records of a topic, up to `most` of each partition, in the order of their
/// offsets. The group is not joined and its offsets are not touched. Markers of transactions and what was
/// compacted away count among the `most`, so there may be fewer.
///
/// # Errors
/// When the topic cannot be read to its end.
pub fn sample(
    kafka: &KafkaSettings,
    (topic, partitions): (&str, u32),
    most: u32,
    each: &mut dyn FnMut(&Sampled<'_>),
) -> Result<(), CommandError> {
    let failed = || CommandError::during(format!("read the newest records of `{topic}`"));
    let offsets = Offsets::new(kafka).map_err(failed())?;
    let mut left = spans(&offsets, (topic, partitions), most).map_err(failed())?;
    let consumer = client::data(kafka, left.len()).map_err(failed())?;
    let mut list = TopicPartitionList::new();
    for (partition, (from, _)) in &left {
        list.add_partition_offset(topic, *partition, Offset::Offset(*from))
            .map_err(failed())?;
    }
    consumer.assign(&list).map_err(failed())?;
    let mut heard = Instant::now();
    while !left.is_empty() {
        let Some(polled) = consumer.poll(std::time::Duration::from_millis(100)) else {
            if heard.elapsed() > PATIENCE {
                let code = RDKafkaErrorCode::OperationTimedOut;
                return Err(failed()(KafkaError::MessageConsumption(code)));
            }
            continue;
        };
        match polled {
            Ok(record) => {
                heard = Instant::now();
                take(&record, &mut left, each);
            }
            Err(KafkaError::PartitionEOF(partition)) => drop(left.remove(&partition)),
            // Groups are none of a sample's business.
            Err(error) if error.rdkafka_error_code() == Some(GROUP_REFUSED) => {}
            Err(error) => return Err(failed()(error)),
        }
    }
    Ok(())
}

const GROUP_REFUSED: RDKafkaErrorCode = RDKafkaErrorCode::GroupAuthorizationFailed;

/// From where to where each partition is read: its first offset, and one past its last.
type Spans = BTreeMap<i32, (i64, i64)>;

fn spans(
    offsets: &Offsets,
    (topic, partitions): (&str, u32),
    most: u32,
) -> Result<Spans, KafkaError> {
    let partitions = 0..i32::try_from(partitions).unwrap_or(i32::MAX);
    let partitions: Vec<Partition> = partitions.map(|p| (topic.to_owned(), p)).collect();
    let first = offsets.of(&partitions, Which::First)?;
    let end = offsets.of(&partitions, Which::Stable)?;
    let spans = partitions.iter().filter_map(|partition| {
        let (first, end) = (*first.get(partition)?, *end.get(partition)?);
        let from = first.max(end - i64::from(most));
        (from < end).then_some((partition.1, (from, end)))
    });
    Ok(spans.collect())
}

fn take(record: &impl Message, left: &mut Spans, each: &mut dyn FnMut(&Sampled<'_>)) {
    let (partition, offset) = (record.partition(), record.offset());
    let Some((_, end)) = left.get(&partition).copied() else {
        return;
    };
    if offset < end {
        each(&Sampled {
            partition,
            offset,
            arrival: record.timestamp().to_millis().map(Timestamp),
            key: record.key(),
            value: record.payload(),
        });
    }
    if offset + 1 >= end {
        left.remove(&partition);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needed() -> Acl {
        Acl {
            kind: Kind::Topic,
            name: "events".to_owned(),
            prefixed: false,
            operations: vec![Operation::Read, Operation::Describe],
        }
    }

    #[test]
    fn a_right_is_what_the_broker_allows_and_a_topic_that_is_hidden_allows_nothing() {
        let all = vec![Operation::Describe, Operation::Read, Operation::Alter];
        assert_eq!(of_answer(&needed(), &Ok(Some(all))), Known::Granted);
        let some = Ok(Some(vec![Operation::Describe]));
        let lacking = Known::Lacking(vec![Operation::Read]);
        assert_eq!(of_answer(&needed(), &some), lacking);
        let hidden = Err(RDKafkaErrorCode::TopicAuthorizationFailed);
        let lacking = Known::Lacking(vec![Operation::Read, Operation::Describe]);
        assert_eq!(of_answer(&needed(), &hidden), lacking);
    }

    #[test]
    fn what_the_broker_does_not_say_is_not_taken_for_granted() {
        for allowed in [Ok(None), Err(RDKafkaErrorCode::UnknownTopicOrPartition)] {
            assert!(matches!(of_answer(&needed(), &allowed), Known::Unknown(_)));
        }
    }

    #[test]
    fn settings_that_were_refused_are_not_taken_for_defaults() {
        assert!(matches!(stamped_by(None, None), Arrival::Unknown(_)));
    }

    #[test]
    fn the_clock_is_the_sender_s_unless_the_broker_stamps() {
        let no_limit = i64::MAX.to_string();
        assert_eq!(
            stamped_by(Some("LogAppendTime"), Some(&no_limit)),
            Arrival::Broker
        );
        assert_eq!(
            stamped_by(Some("CreateTime"), Some("3600000")),
            Arrival::Sender {
                ahead_ms: Some(3_600_000)
            }
        );
        for ahead in [Some(no_limit.as_str()), None] {
            assert_eq!(
                stamped_by(Some("CreateTime"), ahead),
                Arrival::Sender { ahead_ms: None }
            );
        }
    }
}
