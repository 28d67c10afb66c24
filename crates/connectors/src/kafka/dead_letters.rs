//! The dead letters: reading them, and sending those round again whose cause was mended.

use std::time::Duration;

use mainstay_codec::records::original_headers;
use mainstay_intake::Record;
use mainstay_model::Timestamp;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer};

use super::client;
use super::offsets::Offsets;
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
    /// The last header of a name, as text.
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
/// hops. The letters stay where they are; to send the same one twice is to send a duplicate, which the
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
    let mut redriven = Redriven::default();
    for letter in letters {
        let Some((topic, partition, headers)) = outgoing(&letter) else {
            redriven.kept += 1;
            continue;
        };
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
