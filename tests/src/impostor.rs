//! A stranger in the group under a member's name: the group takes it for the member's next self and fences
//! whoever had the name.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::{Deployment, patience};

/// A member of a deployment's group that does nothing with what it is given.
pub struct Impostor {
    consumer: BaseConsumer,
}

impl Impostor {
    /// Joins under the name of an instance.
    ///
    /// # Panics
    /// When the client library refuses.
    #[must_use]
    pub fn join(it: &Deployment, slot: &str) -> Impostor {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", it.brokers())
            .set("group.id", it.group())
            .set("group.instance.id", slot)
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", "6000")
            .set("enable.auto.commit", "false")
            .create()
            .expect("a member needs an address, a group and a name");
        consumer
            .subscribe(&[&it.topic("shards")])
            .expect("a member may subscribe");
        Impostor { consumer }
    }

    /// Stays until the group has given it something, as it had to the one whose name it has.
    ///
    /// # Panics
    /// When that does not happen.
    pub fn wait_until_assigned(&self) {
        patience::until("the impostor is taken in", patience::CATCHING_UP, || {
            // Whatever it is told, it only listens.
            drop(self.consumer.poll(Duration::from_millis(50)));
            let assigned = self.consumer.assignment().ok()?;
            (assigned.count() > 0).then_some(())
        });
    }
}
