//! What an operator, or a stranger, does to topics and groups behind Mainstay's back.

use std::future::Future;
use std::time::Duration;

use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaResult;
use rdkafka::metadata::MetadataTopic;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::patience;

const TIMEOUT: Duration = Duration::from_secs(30);

/// Hands on a broker.
pub struct Admin {
    brokers: String,
    client: AdminClient<DefaultClientContext>,
}

impl Admin {
    /// For the brokers at this address.
    ///
    /// # Panics
    /// When the client library cannot start a thread.
    #[must_use]
    pub fn new(brokers: &str) -> Admin {
        let client = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .create()
            .expect("a client needs nothing but an address");
        Admin {
            brokers: brokers.to_owned(),
            client,
        }
    }

    /// Creates a topic with settings of its own, and waits until the broker tells others of it.
    ///
    /// # Panics
    /// When the broker refuses, or does not.
    pub fn create(&self, topic: &str, partitions: i32, settings: &[(&str, &str)]) {
        let mut new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
        for (key, value) in settings {
            new = new.set(key, value);
        }
        let results = wait(self.client.create_topics([&new], &options()));
        for result in results {
            result.unwrap_or_else(|(topic, code)| panic!("could not create {topic}: {code}"));
        }
        patience::until("the new topic is known", patience::STARTING, || {
            let client = self.client.inner();
            let found = client.fetch_metadata(Some(topic), Duration::from_secs(5));
            let found = found.ok()?;
            let there = |found: &MetadataTopic| {
                let count = found.partitions().len();
                found.name() == topic && found.error().is_none() && count == partitions as usize
            };
            found.topics().iter().any(there).then_some(())
        });
    }

    /// Deletes a topic with all that is in it.
    ///
    /// # Panics
    /// When the broker refuses.
    pub fn delete(&self, topic: &str) {
        for result in wait(self.client.delete_topics(&[topic], &options())) {
            result.unwrap_or_else(|(topic, code)| panic!("could not delete {topic}: {code}"));
        }
    }

    /// Changes settings of a topic; those that are not named become the broker's.
    ///
    /// # Panics
    /// When the broker refuses.
    pub fn set(&self, topic: &str, settings: &[(&str, &str)]) {
        let mut change = AlterConfig::new(ResourceSpecifier::Topic(topic));
        for (key, value) in settings {
            change = change.set(key, value);
        }
        for result in wait(self.client.alter_configs([&change], &options())) {
            result.unwrap_or_else(|(_, code)| panic!("could not change {topic}: {code}"));
        }
    }

    /// Cuts off what lies before `offset`, as retention would. Of a topic that is compacted and nothing else
    /// the broker lets nobody cut.
    ///
    /// # Panics
    /// When the broker refuses.
    pub fn cut(&self, topic: &str, partition: i32, offset: i64) {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(offset))
            .expect("an offset from the broker is one");
        let cut = wait(self.client.delete_records(&list, &options()));
        for element in cut.elements() {
            element
                .error()
                .unwrap_or_else(|err| panic!("could not cut {topic}: {err}"));
        }
    }

    /// Deletes a group, as soon as its last member is gone: one with a name of its own (a static member) is
    /// waited for by the broker until its session ends.
    ///
    /// # Panics
    /// When the broker goes on refusing.
    pub fn delete_group(&self, group: &str) {
        let what = format!("the group {group} can be deleted");
        patience::until(&what, patience::CATCHING_UP, || {
            let results = wait(self.client.delete_groups(&[group], &options()));
            results.iter().all(Result::is_ok).then_some(())
        });
    }

    /// Sets a group's offset, without metadata, as the tools of Kafka do; as soon as its last member is gone.
    ///
    /// # Panics
    /// When the broker goes on refusing.
    pub fn move_group(&self, group: &str, topic: &str, partition: i32, offset: i64) {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(offset))
            .expect("an offset that a test asks for is one");
        let stranger = self.member_of(group);
        let what = format!("the offset of {group} on {topic}/{partition} can be moved");
        patience::until(&what, patience::CATCHING_UP, || {
            stranger.commit(&list, CommitMode::Sync).ok()
        });
    }

    /// The offsets that a group has committed, by partition; `None` where there is none. A broker that has
    /// just come up is waited for.
    ///
    /// # Panics
    /// When the broker does not answer.
    #[must_use]
    pub fn offsets(&self, group: &str, topic: &str, partitions: i32) -> Vec<Option<i64>> {
        let mut list = TopicPartitionList::new();
        list.add_partition_range(topic, 0, partitions - 1);
        let stranger = self.member_of(group);
        let what = format!("the offsets of {group} can be read");
        let committed = patience::until(&what, patience::STARTING, || {
            stranger.committed_offsets(list.clone(), TIMEOUT).ok()
        });
        let offsets = committed.elements().into_iter().map(|e| match e.offset() {
            Offset::Offset(offset) => Some(offset),
            Offset::Beginning
            | Offset::End
            | Offset::Stored
            | Offset::Invalid
            | Offset::OffsetTail(_) => None,
        });
        offsets.collect()
    }

    /// The first offset of a partition and the one behind its last record, open transactions included. A
    /// broker that has just come up is waited for.
    ///
    /// # Panics
    /// When the broker does not answer.
    #[must_use]
    pub fn ends(&self, topic: &str, partition: i32) -> (i64, i64) {
        let client: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &self.brokers)
            .set("isolation.level", "read_uncommitted")
            .create()
            .expect("a client needs nothing but an address");
        let what = format!("the ends of {topic}/{partition} can be read");
        patience::until(&what, patience::STARTING, || {
            client.fetch_watermarks(topic, partition, TIMEOUT).ok()
        })
    }

    /// Knows the group's name and never joins it.
    fn member_of(&self, group: &str) -> BaseConsumer {
        ClientConfig::new()
            .set("bootstrap.servers", &self.brokers)
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .create()
            .expect("a client needs nothing but an address and a group")
    }
}

fn options() -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(TIMEOUT))
        .operation_timeout(Some(TIMEOUT))
}

/// The client library answers on a thread of its own; this one only waits.
fn wait<T>(answer: impl Future<Output = KafkaResult<T>>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime without drivers needs nothing")
        .block_on(answer)
        .unwrap_or_else(|err| panic!("the broker did not answer: {err}"))
}
