//! A broker inside this process: the client library's mock cluster, for the demo.
//!
//! It has groups, transactions and topics, but no admin calls; it keeps a few megabytes a partition and
//! drops the oldest without a word; it ignores offsets sent to a transaction and shows aborted records. So
//! it is fed slowly, and nothing about exactly-once is ever proved with it.

use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::mocking::MockCluster;

use super::settings::KafkaSettings;
use super::topics::plan;

/// A broker inside this process; it ends when this is dropped.
pub struct Embedded {
    brokers: String,
    // The cluster may not leave its thread; its end is this sender's.
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Embedded {
    /// Starts a broker with these inputs, and with our topics under the usual names.
    ///
    /// # Errors
    /// When the library cannot.
    pub fn start(inputs: &[&str], shards: u32) -> KafkaResult<Embedded> {
        let (end, ended) = channel::<()>();
        let (started, wait) = channel();
        let inputs: Vec<String> = inputs.iter().map(ToString::to_string).collect();
        let thread = std::thread::spawn(move || match cluster(&inputs, shards) {
            Ok(cluster) => {
                drop(started.send(Ok(cluster.bootstrap_servers())));
                // Nothing is ever sent: it ends when the sender does.
                while ended.recv().is_ok() {}
            }
            Err(error) => drop(started.send(Err(error))),
        });
        let brokers = wait.recv().unwrap_or(Err(KafkaError::Canceled))?;
        Ok(Embedded {
            brokers,
            end: Some(end),
            thread: Some(thread),
        })
    }

    /// Settings of the pipeline for this broker.
    #[must_use]
    pub fn settings(&self) -> KafkaSettings {
        KafkaSettings {
            embedded: true,
            ..KafkaSettings::new(self.brokers.clone())
        }
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            // It does nothing that could panic.
            drop(thread.join());
        }
    }
}

const BETWEEN_CALLS: Duration = Duration::from_millis(8);

type Cluster = MockCluster<'static, rdkafka::producer::DefaultProducerContext>;

fn cluster(inputs: &[String], shards: u32) -> KafkaResult<Cluster> {
    let cluster = MockCluster::new(1)?;
    let ours = plan(&KafkaSettings::new(""), shards);
    let ours = ours.iter().map(|topic| topic.name.as_str());
    let partitions = i32::try_from(shards).expect("Kafka counts partitions in 31 bits");
    for topic in inputs.iter().map(String::as_str).chain(ours) {
        // The library loses the wake-up of a call that comes right after another, and then sleeps a second.
        std::thread::sleep(BETWEEN_CALLS);
        cluster.create_topic(topic, partitions, 1)?;
    }
    Ok(cluster)
}
