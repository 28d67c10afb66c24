//! Every topic that we write, with its settings, in one list; and whether the cluster has them that way.
//!
//! Partition p of every input, of `shards` and of `changelog` are one shard, so their numbers of partitions
//! must be equal; an output needs at least as many.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

pub use mainstay_intake::Operation;
use rdkafka::admin::{AdminOptions, NewTopic, TopicReplication};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::client::{self, ClientError};
use super::inspect::is_refusal;
use super::offsets::Offsets;
use super::settings::{KafkaSettings, SourceSettings};
use super::wait::wait;
use crate::slice::Topic;

const DAY_MS: u64 = 86_400_000;

/// A topic of ours, as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicPlan {
    /// Its name.
    pub name: String,
    /// How many partitions.
    pub partitions: u32,
    /// Its settings, as Kafka names them.
    pub settings: Vec<(&'static str, String)>,
    /// What it is for.
    pub what: &'static str,
}

/// Every topic that we write, for so many shards.
#[must_use]
pub fn plan(kafka: &KafkaSettings, shards: u32) -> Vec<TopicPlan> {
    let membership = TopicPlan {
        name: kafka.shards_topic(),
        partitions: shards,
        settings: vec![("cleanup.policy", "delete".to_owned())],
        what: "who has which shard; stays empty",
    };
    let slices = Topic::ALL.iter().map(|topic| TopicPlan {
        name: kafka.topic(*topic),
        partitions: shards,
        settings: settings(*topic),
        what: what(*topic),
    });
    std::iter::once(membership).chain(slices).collect()
}

fn settings(topic: Topic) -> Vec<(&'static str, String)> {
    let days = |days: u64| (days * DAY_MS).to_string();
    match topic {
        Topic::AccountMetrics | Topic::SegmentMetrics | Topic::SegmentDaily | Topic::Cohorts => {
            vec![("cleanup.policy", "compact".to_owned())]
        }
        Topic::AccountDaily => vec![
            ("cleanup.policy", "compact,delete".to_owned()),
            ("retention.ms", days(400)),
        ],
        Topic::MrrMovements => vec![
            ("cleanup.policy", "delete".to_owned()),
            // A movement is told once; books that have lost their beginning add up no more.
            ("retention.ms", "-1".to_owned()),
        ],
        Topic::DeadLetter => vec![
            ("cleanup.policy", "delete".to_owned()),
            ("retention.ms", days(30)),
        ],
        Topic::Partials | Topic::Changelog => vec![
            ("cleanup.policy", "compact".to_owned()),
            ("segment.bytes", (64 << 20).to_string()),
            ("min.cleanable.dirty.ratio", "0.1".to_owned()),
            ("delete.retention.ms", days(7)),
            ("max.compaction.lag.ms", days(7)),
        ],
    }
}

fn what(topic: Topic) -> &'static str {
    match topic {
        Topic::AccountMetrics => "newest rolling values by account",
        Topic::AccountDaily => "final values by account and closed day",
        Topic::SegmentMetrics => "newest rolling values by dimension and segment",
        Topic::SegmentDaily => "final values by dimension, segment and closed day",
        Topic::Cohorts => "values of cohorts of the fleet by cohort, metric and age",
        Topic::MrrMovements => "movements of recurring revenue by account",
        Topic::DeadLetter => "records that could not be applied",
        Topic::Partials => {
            "what shards hand to each other for segments and cohorts; binary, ours alone"
        }
        Topic::Changelog => "state; binary, ours alone",
    }
}

/// What is on the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// How many shards there are: the partitions of every input.
    pub shards: u32,
    /// The sources that are there; optional ones may be missing.
    pub present: Vec<bool>,
    /// Topics of ours that are missing.
    pub missing: Vec<TopicPlan>,
}

/// Why the topics cannot be worked with.
#[derive(Debug, thiserror::Error)]
pub enum TopicError {
    /// A client could not be made.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The cluster did not answer.
    #[error(
        "kafka.brokers: no broker of `{brokers}` answered; is the address right, and is it up?"
    )]
    Unreachable {
        /// Whom we asked.
        brokers: String,
        /// Why.
        #[source]
        source: KafkaError,
    },
    /// The broker does not let us see a topic.
    #[error(
        "no right to see topic `{topic}`, or it does not exist; as an administrator:\n{command}"
    )]
    NotAllowed {
        /// Which.
        topic: String,
        /// What grants the right.
        command: String,
    },
    /// An input is not there.
    #[error("sources.{name}: topic `{topic}` does not exist; create it, or set `optional`")]
    NoInput {
        /// The source.
        name: String,
        /// Its topic.
        topic: String,
    },
    /// There is nothing to read.
    #[error("none of the inputs exists")]
    NoInputs,
    /// Partition p of one is not partition p of another.
    #[error("numbers of partitions differ, but equal keys must meet on equal partitions: {0}")]
    Partitions(Counts),
    /// A topic of ours could not be made.
    #[error("could not create `{name}`: {why}; as an administrator:\n{command}")]
    Create {
        /// Which.
        name: String,
        /// What the broker said.
        why: String,
        /// What makes it.
        command: String,
    },
}

/// Partitions by topic.
#[derive(Debug, PartialEq, Eq)]
pub struct Counts(pub BTreeMap<String, u32>);

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (topic, partitions)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}`{topic}` has {partitions}")?;
        }
        Ok(())
    }
}

/// Looks at the inputs and at the topics of ours.
///
/// # Errors
/// When an input is missing, or the numbers of partitions do not fit.
pub fn inspect(kafka: &KafkaSettings, sources: &[SourceSettings]) -> Result<Found, TopicError> {
    let unreachable = |source| TopicError::Unreachable {
        brokers: kafka.brokers.clone(),
        source,
    };
    let offsets = Offsets::new(kafka).map_err(ClientError::from)?;
    let count = |topic: &str| {
        offsets.partitions(topic).map_err(|source| {
            if source.rdkafka_error_code().is_some_and(is_refusal) {
                return not_allowed(kafka, sources, topic);
            }
            // Why nobody answers (a password, a certificate) is in what the client logs.
            (0..50).for_each(|_| offsets.poll());
            unreachable(source)
        })
    };

    let mut counts = BTreeMap::new();
    let mut present = Vec::new();
    for source in sources {
        if source.internal {
            // It is made with the others of ours, if it is not there yet.
            present.push(true);
            continue;
        }
        let partitions = count(&source.topic)?;
        if partitions.is_none() && !source.optional {
            let (name, topic) = (source.name.clone(), source.topic.clone());
            return Err(TopicError::NoInput { name, topic });
        }
        present.push(partitions.is_some());
        counts.extend(partitions.map(|partitions| (source.topic.clone(), partitions)));
    }
    let shards = counts
        .values()
        .next()
        .copied()
        .ok_or(TopicError::NoInputs)?;
    let equal = counts.values().all(|partitions| *partitions == shards);

    let mut missing = Vec::new();
    let mut fits = equal;
    for topic in plan(kafka, shards) {
        match count(&topic.name)? {
            None => missing.push(topic),
            Some(partitions) => {
                let own = topic.name == kafka.shards_topic()
                    || topic.name == kafka.topic(Topic::Partials)
                    || topic.name == kafka.topic(Topic::Changelog);
                fits &= partitions == shards || (!own && partitions > shards);
                counts.insert(topic.name, partitions);
            }
        }
    }
    if !fits {
        return Err(TopicError::Partitions(Counts(counts)));
    }
    warn_of_few_replicas(kafka, &offsets);
    Ok(Found {
        shards,
        present,
        missing,
    })
}

fn not_allowed(kafka: &KafkaSettings, sources: &[SourceSettings], topic: &str) -> TopicError {
    let of_topic = |acl: &Acl| acl.kind == Kind::Topic && acl.name == topic;
    let needed = acls(kafka, sources).into_iter().find(of_topic);
    let command = needed.map(|acl| acl_command(kafka, &acl, SOMEBODY));
    TopicError::NotAllowed {
        topic: topic.to_owned(),
        command: command.unwrap_or_default(),
    }
}

/// Fewer replicas of the changelog than this may lose state with a broker.
const REPLICAS: usize = 3;

fn warn_of_few_replicas(kafka: &KafkaSettings, offsets: &Offsets) {
    let changelog = kafka.topic(Topic::Changelog);
    let found = offsets.replicas(&changelog).ok().flatten();
    if let Some(replicas) = found.filter(|replicas| *replicas < REPLICAS && !kafka.embedded) {
        tracing::warn!(
            "`{changelog}` has {replicas} replicas: state may be lost with a broker; {REPLICAS} with \
             `min.insync.replicas` 2 are safe"
        );
    }
}

/// Creates topics; the cluster decides how many replicas they have.
///
/// # Errors
/// When the cluster refuses one.
pub fn create(kafka: &KafkaSettings, topics: &[TopicPlan]) -> Result<(), TopicError> {
    let options = AdminOptions::new().operation_timeout(Some(CREATION));
    match refused(kafka, topics, &options)?.into_iter().next() {
        Some(refused) => Err(refused),
        None => Ok(()),
    }
}

/// Why the cluster would not create these topics; nothing is created.
///
/// # Errors
/// When the cluster does not answer.
pub fn try_to_create(
    kafka: &KafkaSettings,
    topics: &[TopicPlan],
) -> Result<Vec<TopicError>, TopicError> {
    let options = AdminOptions::new().operation_timeout(Some(CREATION));
    refused(kafka, topics, &options.validate_only(true))
}

/// How long the cluster may take to create topics.
const CREATION: Duration = Duration::from_secs(10);

fn refused(
    kafka: &KafkaSettings,
    topics: &[TopicPlan],
    options: &AdminOptions,
) -> Result<Vec<TopicError>, TopicError> {
    if topics.is_empty() {
        return Ok(Vec::new());
    }
    let unreachable = |source| TopicError::Unreachable {
        brokers: kafka.brokers.clone(),
        source,
    };
    let admin = client::admin(kafka).map_err(ClientError::from)?;
    let new: Vec<NewTopic<'_>> = topics.iter().map(new_topic).collect();
    let results = wait(admin.create_topics(&new, options)).map_err(unreachable)?;
    let refused = topics
        .iter()
        .zip(results)
        .filter_map(|(topic, result)| match result {
            // Another instance was faster.
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => None,
            Err((_, code)) => Some(TopicError::Create {
                name: topic.name.clone(),
                why: code.to_string(),
                command: create_command(kafka, topic),
            }),
        });
    Ok(refused.collect())
}

fn new_topic(plan: &TopicPlan) -> NewTopic<'_> {
    let partitions = i32::try_from(plan.partitions).expect("Kafka counts partitions in 31 bits");
    let topic = NewTopic::new(&plan.name, partitions, TopicReplication::Fixed(-1));
    let settings = plan.settings.iter();
    settings.fold(topic, |topic, (name, value)| topic.set(name, value))
}

/// The command that creates a topic.
#[must_use]
pub fn create_command(kafka: &KafkaSettings, topic: &TopicPlan) -> String {
    let mut command = format!(
        "kafka-topics.sh --bootstrap-server {} --create --topic {} --partitions {}",
        kafka.brokers, topic.name, topic.partitions
    );
    for (name, value) in &topic.settings {
        command.push_str(&format!(" --config {name}={value}"));
    }
    command
}

/// What a right is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A topic.
    Topic,
    /// A consumer group.
    Group,
    /// A producer's transactional id.
    TransactionalId,
}

impl Kind {
    /// Its name, as Kafka's tools take it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::Topic => "topic",
            Kind::Group => "group",
            Kind::TransactionalId => "transactional-id",
        }
    }
}

/// A right that our principal needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acl {
    /// What it is about.
    pub kind: Kind,
    /// Its name, or what it begins with.
    pub name: String,
    /// Whether the name is only a beginning.
    pub prefixed: bool,
    /// What must be allowed.
    pub operations: Vec<Operation>,
}

/// The rights that the pipeline needs, and no more.
#[must_use]
pub fn acls(kafka: &KafkaSettings, sources: &[SourceSettings]) -> Vec<Acl> {
    use Operation::{Describe, Read, Write};
    let topic = |name: String, operations: &[Operation]| Acl {
        kind: Kind::Topic,
        name,
        prefixed: false,
        operations: operations.to_vec(),
    };
    let mut acls: Vec<Acl> = sources
        .iter()
        .filter(|source| !source.internal)
        .map(|source| topic(source.topic.clone(), &[Read, Describe]))
        .collect();
    acls.push(topic(kafka.shards_topic(), &[Read, Describe]));
    for written in Topic::ALL {
        let operations: &[Operation] = match written {
            Topic::Partials | Topic::Changelog => &[Read, Write, Describe],
            Topic::AccountMetrics
            | Topic::AccountDaily
            | Topic::SegmentMetrics
            | Topic::SegmentDaily
            | Topic::Cohorts
            | Topic::MrrMovements
            | Topic::DeadLetter => &[Write, Describe],
        };
        acls.push(topic(kafka.topic(*written), operations));
    }
    acls.push(Acl {
        kind: Kind::Group,
        name: kafka.application.clone(),
        prefixed: false,
        operations: vec![Read, Describe],
    });
    acls.push(Acl {
        kind: Kind::TransactionalId,
        name: format!("{}-", kafka.application),
        prefixed: true,
        operations: vec![Write, Describe],
    });
    acls
}

/// In a command that grants a right: whom it is granted to, as no client knows what the broker calls it.
pub const SOMEBODY: &str = "User:NAME";

/// The command that grants a right.
#[must_use]
pub fn acl_command(kafka: &KafkaSettings, acl: &Acl, principal: &str) -> String {
    let pattern = if acl.prefixed { "prefixed" } else { "literal" };
    let mut command = format!(
        "kafka-acls.sh --bootstrap-server {} --add --allow-principal {principal} --{} {} \
         --resource-pattern-type {pattern}",
        kafka.brokers,
        acl.kind.name(),
        acl.name
    );
    for operation in &acl.operations {
        command.push_str(&format!(" --operation {}", operation.name()));
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_of_a_slice_is_planned_with_a_clean_up_policy() {
        let kafka = KafkaSettings::new("b:9092");
        let topics = plan(&kafka, 4);
        assert_eq!(topics.len(), Topic::ALL.len() + 1);
        for topic in &topics {
            assert_eq!(topic.partitions, 4);
            assert_eq!(topic.settings[0].0, "cleanup.policy", "{}", topic.name);
        }
    }

    #[test]
    fn an_option_that_the_client_refuses_is_named_and_its_value_is_not() {
        for (option, why) in [
            ("nonsense.opt", "the Kafka client knows no such option"),
            (
                "security.protocol",
                "the Kafka client does not take this value",
            ),
        ] {
            let mut kafka = KafkaSettings::new("b:9092");
            kafka.client.insert(option.to_owned(), "hush".to_owned());
            let refused = inspect(&kafka, &[]).unwrap_err();
            assert_eq!(refused.to_string(), format!("kafka.client.{option}: {why}"));
        }
    }

    #[test]
    fn the_command_that_grants_a_right_names_all_of_it() {
        let kafka = KafkaSettings::new("b:9092");
        let rights = acls(&kafka, &[]);
        let last = rights.last().unwrap();
        assert_eq!(
            acl_command(&kafka, last, SOMEBODY),
            "kafka-acls.sh --bootstrap-server b:9092 --add --allow-principal User:NAME --transactional-id \
             mainstay- --resource-pattern-type prefixed --operation Write --operation Describe"
        );
    }

    #[test]
    fn the_command_to_create_a_topic_has_all_its_settings() {
        let kafka = KafkaSettings::new("b:9092");
        let topic = plan(&kafka, 4).swap_remove(1);
        assert_eq!(
            create_command(&kafka, &topic),
            "kafka-topics.sh --bootstrap-server b:9092 --create --topic mainstay.account-metrics \
             --partitions 4 --config cleanup.policy=compact"
        );
    }
}
