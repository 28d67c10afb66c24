//! What the runtime has to be told, already parsed: brokers, names, sources, limits.
//!
//! The config file and its errors are the app's.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use mainstay_commit::start::OnDataLoss;
use mainstay_model::Timestamp;

use crate::slice::Topic;

/// Where Kafka is, and under which names we appear there.
#[derive(Clone)]
pub struct KafkaSettings {
    /// `host:port`, comma separated.
    pub brokers: String,
    /// The consumer group, and the first part of transactional ids.
    pub application: String,
    /// What the names of our topics begin with.
    pub prefix: String,
    /// This process's name among its like, where the operator gives one: then the membership is static.
    pub instance: Option<String>,
    /// Options handed to the client library; see [`wrong_options`](super::wrong_options).
    pub client: BTreeMap<String, String>,
    /// The broker is the client library's in-process mock cluster: it has no admin calls and keeps no
    /// offsets of transactions.
    pub embedded: bool,
}

/// Never prints the client's options: passwords are among them.
impl std::fmt::Debug for KafkaSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaSettings")
            .field("brokers", &self.brokers)
            .field("application", &self.application)
            .field("prefix", &self.prefix)
            .field("instance", &self.instance)
            .field("client", &self.client.keys().collect::<Vec<_>>())
            .field("embedded", &self.embedded)
            .finish()
    }
}

impl KafkaSettings {
    /// Settings with nothing but the brokers decided.
    #[must_use]
    pub fn new(brokers: impl Into<String>) -> KafkaSettings {
        KafkaSettings {
            brokers: brokers.into(),
            application: "mainstay".to_owned(),
            prefix: "mainstay.".to_owned(),
            instance: None,
            client: BTreeMap::new(),
            embedded: false,
        }
    }

    /// The name of a topic that slices have records for.
    #[must_use]
    pub fn topic(&self, topic: Topic) -> String {
        format!("{}{}", self.prefix, topic.name())
    }

    /// The name of the empty topic that keeps the membership.
    #[must_use]
    pub fn shards_topic(&self) -> String {
        format!("{}shards", self.prefix)
    }
}

/// An input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceSettings {
    /// The operator's name for it.
    pub name: String,
    /// The topic.
    pub topic: String,
    /// It may be missing: then the pipeline runs without it.
    pub optional: bool,
    /// Where a state begins that has never seen it.
    pub start_at: StartAt,
    /// It is a topic of our own, by which shards speak to each other: nobody's time depends on it.
    pub internal: bool,
}

impl SourceSettings {
    /// What shards hand to each other, which every shard reads like an input.
    #[must_use]
    pub fn partials(kafka: &KafkaSettings) -> SourceSettings {
        SourceSettings {
            name: Topic::Partials.name().to_owned(),
            topic: kafka.topic(Topic::Partials),
            optional: false,
            start_at: StartAt::Earliest,
            internal: true,
        }
    }
}

/// Where reading begins for the first time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StartAt {
    /// With the first record there is.
    #[default]
    Earliest,
    /// With what arrives from now on.
    Latest,
    /// With the first record of this time or later.
    At(Timestamp),
}

/// How the pipeline runs.
#[derive(Clone, Debug)]
pub struct RuntimeSettings {
    /// Where Kafka is.
    pub kafka: KafkaSettings,
    /// The inputs; their places here are their [`SourceNo`](crate::SourceNo)s.
    pub sources: Vec<SourceSettings>,
    /// How long a slice stays open while nothing is behind.
    pub commit_interval: Duration,
    /// How many bytes may wait for a commit, in the whole process.
    pub commit_max_bytes: usize,
    /// How long an input must be silent not to hold time back; none: time moves by records alone.
    pub idle: Option<Duration>,
    /// How many threads apply records; 0: one for each core.
    pub workers: usize,
    /// What to do when records are gone that were not applied.
    pub on_data_loss: OnDataLoss,
    /// Where the lock file of this process's slot lies.
    pub state_dir: PathBuf,
    /// How long a partition may lag without progress before its consumer is made anew.
    pub stall: Duration,
}

impl RuntimeSettings {
    /// The defaults, for these brokers and inputs.
    #[must_use]
    pub fn new(kafka: KafkaSettings, sources: Vec<SourceSettings>) -> RuntimeSettings {
        RuntimeSettings {
            kafka,
            sources,
            commit_interval: Duration::from_millis(100),
            commit_max_bytes: 64 << 20,
            idle: Some(Duration::from_secs(30)),
            workers: 0,
            on_data_loss: OnDataLoss::Refuse,
            state_dir: PathBuf::from("./mainstay-state"),
            stall: Duration::from_secs(30),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_never_print_a_secret() {
        let mut settings = KafkaSettings::new("b:9092");
        let client = [("sasl.password".to_owned(), "hush".to_owned())];
        settings.client = BTreeMap::from(client);
        let printed = format!("{settings:?}");
        assert!(printed.contains("sasl.password") && !printed.contains("hush"));
    }
}
