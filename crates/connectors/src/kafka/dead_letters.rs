//! The dead letters: reading them, and sending those round again whose cause was mended.

use std::collections::BTreeMap;
use std::time::Duration;

use mainstay_codec::records::original_headers;
use mainstay_intake::Record;
use mainstay_model::{Code, Timestamp};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer};

use super::client;
use super::offsets::Offsets;
use super::partitioner::partition_of;
use super::scan::{CommandError, ends, scan};
use super::settings::KafkaSettings;
use crate::Topic;

/// A dead letter, as it lies on its topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredLetter {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// When it was written.
    pub at: Option<Timestamp>,
    /// The original key.
    pub key: Option<Vec<u8>>,
    /// The original bytes, or their start.
    pub value: Option<Vec<u8>>,
    /// Our headers, then the original ones.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl StoredLetter {
    /// The first header of a name, as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        // Ours come first, so a stranger's of the same name never hides them.
        let found = self.headers.iter().find(|(found, _)| found == name)?;
        std::str::from_utf8(found.1.as_deref()?).ok()
    }

    /// The code of the reason.
    #[must_use]
    pub fn code(&self) -> &str {
        self.header("error.code").unwrap_or("unknown")
    }

    /// Where the record came from: topic, partition, offset.
    #[must_use]
    pub fn origin(&self) -> Option<(&str, i32, i64)> {
        let partition = self.header("error.partition")?.parse().ok()?;
        let offset = self.header("error.offset")?.parse().ok()?;
        Some((self.header("error.topic")?, partition, offset))
    }

    fn of(record: &Record<'_>) -> StoredLetter {
        let mut headers = Vec::new();
        record.for_each_header(|name, value| {
            let name = String::from_utf8_lossy(name).into_owned();
            headers.push((name, value.map(<[u8]>::to_vec)));
        });
        StoredLetter {
            partition: record.partition(),
            offset: record.offset(),
            at: record.timestamp_ms().map(Timestamp),
            key: record.key().map(<[u8]>::to_vec),
            value: record.value().map(<[u8]>::to_vec),
            headers,
        }
    }
}

/// Calls `each` with every dead letter that is committed now, partition by partition.
///
/// # Errors
/// When the topic is not there or cannot be read.
pub fn each_dead_letter(
    kafka: &KafkaSettings,
    each: &mut dyn FnMut(StoredLetter),
) -> Result<(), CommandError> {
    let offsets = Offsets::new(kafka).map_err(CommandError::during("make a client"))?;
    let topic = kafka.topic(Topic::DeadLetter);
    let failed = || CommandError::during(format!("read `{topic}`"));
    let partitions = offsets.partitions(&topic).map_err(failed())?;
    let partitions = partitions.ok_or_else(|| CommandError::NoTopic(topic.clone()))?;
    for partition in 0..i32::try_from(partitions).unwrap_or(i32::MAX) {
        let partition = (topic.clone(), partition);
        let found = ends(&offsets, &partition).map_err(failed())?;
        scan(
            kafka,
            &partition,
            (found.first, found.stable),
            &mut |record| {
                each(StoredLetter::of(record));
                true
            },
        )?;
    }
    Ok(())
}

/// The dead letter at one offset, if it is there.
///
/// # Errors
/// When the topic is not there or cannot be read.
pub fn dead_letter_at(
    kafka: &KafkaSettings,
    partition: i32,
    offset: i64,
) -> Result<Option<StoredLetter>, CommandError> {
    let offsets = Offsets::new(kafka).map_err(CommandError::during("make a client"))?;
    let partition = (kafka.topic(Topic::DeadLetter), partition);
    let failed = CommandError::during(format!("read {}/{}", partition.0, partition.1));
    let found = ends(&offsets, &partition).map_err(failed)?;
    let mut letter = None;
    if (found.first..found.stable).contains(&offset) {
        scan(kafka, &partition, (offset, offset + 1), &mut |record| {
            letter = Some(StoredLetter::of(record));
            false
        })?;
    }
    Ok(letter)
}

/// What became of letters that were to be sent round again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Redriven {
    /// Sent to where they came from.
    pub sent: u64,
    /// Not sent: sent round too often already, or no longer whole, or not ours.
    pub kept: u64,
}

/// Sends letters to the topic and partition that they came from, with their original headers and a count of
/// hops; those that were in the wrong partition go to the one that their key belongs to. The letters stay where they are; to send the same one twice is to send a duplicate, which the
/// pipeline knows by its id.
///
/// # Errors
/// When the cluster does not take one. Those before it are sent.
pub fn redrive(
    kafka: &KafkaSettings,
    letters: impl Iterator<Item = StoredLetter>,
) -> Result<Redriven, CommandError> {
    let failed = || CommandError::during("send dead letters round again");
    let producer = client::plain_producer(kafka).map_err(failed())?;
    let mut homes = Homes::new(kafka)?;
    let mut redriven = Redriven::default();
    for letter in letters {
        let Some((topic, origin, headers)) = outgoing(&letter) else {
            redriven.kept += 1;
            continue;
        };
        let partition = homes.of(&letter, topic)?.unwrap_or(origin);
        let mut record = BaseRecord::<[u8], [u8]>::to(topic)
            .partition(partition)
            .headers(headers);
        record.key = letter.key.as_deref();
        record.payload = letter.value.as_deref();
        loop {
            match producer.send(record) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                    producer.poll(Duration::from_millis(10));
                    record = again;
                }
                Err((error, _)) => return Err(failed()(error)),
            }
        }
        redriven.sent += 1;
    }
    producer.flush(Duration::from_secs(30)).map_err(failed())?;
    if producer.context().take_failed() {
        let code = RDKafkaErrorCode::MessageTimedOut;
        return Err(failed()(KafkaError::MessageProduction(code)));
    }
    Ok(redriven)
}

/// Where letters belong that came from the wrong partition.
struct Homes {
    offsets: Offsets,
    /// By topic; none where it is gone.
    partitions: BTreeMap<String, Option<u32>>,
}

impl Homes {
    fn new(kafka: &KafkaSettings) -> Result<Homes, CommandError> {
        Ok(Homes {
            offsets: Offsets::new(kafka).map_err(CommandError::during("make a client"))?,
            partitions: BTreeMap::new(),
        })
    }

    /// The partition of a letter, if it is not the one that it came from.
    fn of(&mut self, letter: &StoredLetter, topic: &str) -> Result<Option<i32>, CommandError> {
        let Some(key) = astray(letter) else {
            return Ok(None);
        };
        if !self.partitions.contains_key(topic) {
            let failed = CommandError::during(format!("describe `{topic}`"));
            let count = self.offsets.partitions(topic).map_err(failed)?;
            self.partitions.insert(topic.to_owned(), count);
        }
        let count = self.partitions.get(topic).copied().flatten();
        Ok(count.and_then(|count| i32::try_from(partition_of(key, count)).ok()))
    }
}

/// The key of a letter that was in the wrong partition. Without a key nobody here knows a better one.
fn astray(letter: &StoredLetter) -> Option<&[u8]> {
    let is_astray = letter.code() == Code::Misrouted.name();
    letter.key.as_deref().filter(|_| is_astray)
}

fn outgoing(letter: &StoredLetter) -> Option<(&str, i32, OwnedHeaders)> {
    let (topic, partition, _) = letter.origin()?;
    let headers = letter.headers.iter();
    let headers: Vec<(&str, Option<&[u8]>)> = headers
        .map(|(name, value)| (name.as_str(), value.as_deref()))
        .collect();
    let original = original_headers(&headers)?;
    let empty = OwnedHeaders::new_with_capacity(original.len());
    let headers = original.iter().fold(empty, |all, (key, value)| {
        all.insert(Header {
            key,
            value: value.as_ref(),
        })
    });
    Some((topic, partition, headers))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(code: Code, key: Option<&str>) -> StoredLetter {
        let header = |name: &str, value: &str| (name.to_owned(), Some(value.as_bytes().to_vec()));
        StoredLetter {
            partition: 0,
            offset: 1,
            at: None,
            key: key.map(|key| key.as_bytes().to_vec()),
            value: None,
            headers: vec![
                header("error.code", code.name()),
                header("error.topic", "events"),
                header("error.partition", "3"),
                header("error.offset", "12"),
                header("trace", "t"),
            ],
        }
    }

    #[test]
    fn only_a_letter_from_the_wrong_partition_looks_for_another() {
        let astray_key = |code, key| astray(&letter(code, key)).map(<[u8]>::to_vec);
        let key = Some(b"acme".to_vec());
        assert_eq!(astray_key(Code::Misrouted, Some("acme")), key);
        assert_eq!(astray_key(Code::Misrouted, None), None);
        assert_eq!(astray_key(Code::NotJson, Some("acme")), None);
    }

    #[test]
    fn a_letter_goes_to_where_it_came_from_with_its_own_headers_and_a_count() {
        let letter = letter(Code::NotJson, None);
        let (topic, partition, headers) = outgoing(&letter).unwrap();
        assert_eq!((topic, partition), ("events", 3));
        use rdkafka::message::Headers;
        let names: Vec<_> = headers.iter().map(|header| header.key).collect();
        assert_eq!(names, ["trace", "error.hops"]);
    }
}
