//! Mending what the start refuses: offsets from the state, or a new beginning without it.
//!
//! Both need a group without members: nothing here may happen under a running pipeline.

use std::time::{Duration, Instant};

use mainstay_commit::ShardNo;
use mainstay_model::Timestamp;
use rdkafka::admin::AdminOptions;
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use super::client;
use super::offsets::{Offsets, Partition, Which, partition_no};
use super::scan::CommandError;
use super::settings::{KafkaSettings, SourceSettings, StartAt};
use super::status::{count, last_position, members};
use super::topics::{self, plan};
use super::wait::wait;
use crate::Topic;

/// How long a cluster may take to forget a deleted topic.
const FORGET: Duration = Duration::from_secs(30);

/// An offset of the group that was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The topic.
    pub topic: String,
    /// The shard.
    pub shard: ShardNo,
    /// The next offset to apply.
    pub to: i64,
}

/// Sets the group's offsets to those of the state, with its metadata: the state holds, whatever the group
/// said.
///
/// # Errors
/// When the group is in use, a shard has no state, or the cluster does not answer.
pub fn offsets_from_state(kafka: &KafkaSettings) -> Result<Vec<Moved>, CommandError> {
    let offsets = unused(kafka)?;
    let mut list = TopicPartitionList::new();
    let mut moved = Vec::new();
    for shard in (0..count(kafka, &offsets)?).map(ShardNo) {
        let Some(position) = last_position(kafka, &offsets, shard)? else {
            return Err(CommandError::NoState(shard.0));
        };
        for (topic, at) in &position.sources {
            let mark = position.mark.to_string();
            add(&mut list, (topic, shard), at.next, Some(&mark))?;
            let (topic, to) = (topic.clone(), at.next);
            moved.push(Moved { topic, shard, to });
        }
    }
    commit(&offsets, &list)?;
    Ok(moved)
}

/// Drops the state of every shard and sets where its inputs begin again.
///
/// What was published stays published: whoever wants it gone deletes the outputs as well.
///
/// # Errors
/// When the group is in use, or the cluster does not answer.
pub fn drop_state(
    kafka: &KafkaSettings,
    sources: &[SourceSettings],
    to: StartAt,
) -> Result<Vec<Moved>, CommandError> {
    let offsets = unused(kafka)?;
    let shards = count(kafka, &offsets)?;
    let mut list = TopicPartitionList::new();
    let mut moved = Vec::new();
    for source in sources {
        let failed = || CommandError::during(format!("ask where `{}` begins", source.topic));
        if offsets
            .partitions(&source.topic)
            .map_err(failed())?
            .is_none()
        {
            continue;
        }
        let shards = (0..shards).map(ShardNo);
        let partitions: Vec<Partition> = shards
            .map(|shard| (source.topic.clone(), partition_no(shard)))
            .collect();
        // What shards said to each other belongs to the state that is dropped.
        let which = match source.internal {
            true => Which::End,
            false => which(to),
        };
        let found = offsets.of(&partitions, which).map_err(failed())?;
        for ((topic, partition), to) in found {
            let shard = super::offsets::shard_no(partition);
            add(&mut list, (&topic, shard), to, None)?;
            moved.push(Moved { topic, shard, to });
        }
    }
    // The state goes first: offsets without metadata beside a state are refused, and so are found.
    renew_changelog(kafka, shards)?;
    commit(&offsets, &list)?;
    Ok(moved)
}

fn which(to: StartAt) -> Which {
    match to {
        StartAt::Earliest => Which::First,
        StartAt::Latest => Which::End,
        StartAt::At(Timestamp(ms)) => Which::From(Timestamp(ms)),
    }
}

/// A process that has ended, but was a static member, stays in the group until its session is over: 6 s.
const SESSION: Duration = Duration::from_secs(8);

/// Clients for a group that nobody is in.
fn unused(kafka: &KafkaSettings) -> Result<Offsets, CommandError> {
    let offsets = Offsets::new(kafka).map_err(CommandError::during("make a client"))?;
    let began = Instant::now();
    loop {
        let (_, members) = members(kafka, &offsets)?;
        if members.is_empty() {
            return Ok(offsets);
        }
        if began.elapsed() > SESSION {
            return Err(CommandError::InUse {
                group: kafka.application.clone(),
                members: members.len(),
            });
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

fn add(
    list: &mut TopicPartitionList,
    (topic, shard): (&str, ShardNo),
    to: i64,
    mark: Option<&str>,
) -> Result<(), CommandError> {
    let mut element = list.add_partition(topic, partition_no(shard));
    if let Some(mark) = mark {
        element.set_metadata(mark);
    }
    let failed = CommandError::during(format!("set {topic}/{shard} to {to}"));
    element.set_offset(Offset::Offset(to)).map_err(failed)
}

fn commit(offsets: &Offsets, list: &TopicPartitionList) -> Result<(), CommandError> {
    let committed = offsets.client().commit(list, CommitMode::Sync);
    committed.map_err(CommandError::during("set the group's offsets"))
}

/// Deletes the changelog and makes it anew, empty.
fn renew_changelog(kafka: &KafkaSettings, shards: u32) -> Result<(), CommandError> {
    let name = kafka.topic(Topic::Changelog);
    let failed = || CommandError::during(format!("delete `{name}`"));
    let admin = client::admin(kafka).map_err(failed())?;
    let deleted = wait(admin.delete_topics(&[&name], &AdminOptions::new())).map_err(failed())?;
    for result in deleted {
        match result {
            Ok(_) | Err((_, RDKafkaErrorCode::UnknownTopicOrPartition)) => {}
            Err((_, code)) => return Err(failed()(KafkaError::AdminOp(code))),
        }
    }
    let topics: Vec<_> = plan(kafka, shards)
        .into_iter()
        .filter(|topic| topic.name == name)
        .collect();
    let began = Instant::now();
    loop {
        // A topic that is still being deleted "exists already", and is not there.
        topics::create(kafka, &topics).map_err(|error| CommandError::Kafka {
            what: format!("create `{name}` ({error})"),
            source: KafkaError::AdminOp(RDKafkaErrorCode::InvalidTopic),
        })?;
        std::thread::sleep(Duration::from_millis(500));
        let fresh = Offsets::new(kafka).map_err(failed())?;
        let empty = super::scan::ends(&fresh, &(name.clone(), 0)).is_ok_and(|ends| ends.end == 0);
        if empty && fresh.partitions(&name).map_err(failed())? == Some(shards) {
            return Ok(());
        }
        if began.elapsed() > FORGET {
            return Err(failed()(KafkaError::AdminOp(
                RDKafkaErrorCode::OperationTimedOut,
            )));
        }
    }
}
