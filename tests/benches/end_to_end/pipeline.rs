//! Mainstay itself: `mainstay run`, behind by a whole topic, and then live.
//!
//! Progress is read off the group's committed offsets, never off Mainstay: asking costs it nothing.

use std::time::{Duration, Instant};

use mainstay_tests::{Broker, Deployment, Instance};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::machine::{self, Used};
use crate::plan::Plan;
use crate::report::{Live, Measured};
use crate::topic::Topic;

/// How long nothing may move before it is called a failure.
const STUCK: Duration = Duration::from_secs(120);
/// How long a quiet instance is left alone before events come live.
const SETTLE: Duration = Duration::from_secs(3);
const SLOT: &str = "bench";

/// A Mainstay that has caught up with the topic.
pub(crate) struct CaughtUp {
    pub(crate) measured: Measured,
    deployment: Deployment,
    instance: Instance,
    /// How many records of the topic are committed.
    committed: u64,
}

/// Starts a Mainstay that has never seen the topic, and waits until all of it is committed.
pub(crate) fn catch_up(topic: &Topic, broker: Option<&Broker>) -> CaughtUp {
    let deployment = Deployment::to_measure(&topic.brokers, "bench", &topic.name);
    let progress = Progress::of(&deployment, &topic.brokers);
    let start = Instant::now();
    let mut instance = deployment.start(SLOT);
    let (first_at, first) = progress.wait_for(1, &mut instance);
    let (last_at, committed) = progress.wait_for(topic.events, &mut instance);
    let used = used(&mut instance);
    let written = changelog_bytes(&deployment, &instance, broker);
    let (records, seconds) = match committed - first {
        // All of it came with the first commit: there is only the whole to be divided by.
        0 => (committed, last_at - start),
        rest => (rest, last_at - first_at),
    };
    CaughtUp {
        measured: Measured {
            rate: records as f64 / seconds.as_secs_f64(),
            cpu: used.cpu_seconds / committed as f64 * 1e6,
            resident_mb: used.peak_resident_mb,
            changelog: Some(written as f64 / committed as f64),
            first_commit_s: Some((first_at - start).as_secs_f64()),
        },
        deployment,
        instance,
        committed,
    }
}

/// Starts it again on the state that it has, and lets events come as they happen.
///
/// The new process has told nobody of the records that waited for hours on the topic, so the times from
/// arrival to commit that it tells are those of the live records alone.
pub(crate) fn live(
    behind: &mut CaughtUp,
    topic: &Topic,
    plan: &Plan,
    broker: Option<&Broker>,
) -> Live {
    let progress = Progress::of(&behind.deployment, &topic.brokers);
    behind.committed += topic.touch_every_account();
    progress.wait_for(behind.committed, &mut behind.instance);
    let ready = start_again(behind);
    std::thread::sleep(SETTLE);
    let (deployment, instance) = (&behind.deployment, &mut behind.instance);
    let before = (
        used(instance),
        changelog_bytes(deployment, instance, broker),
    );
    let sent = topic.send_live(plan);
    behind.committed += sent;
    progress.wait_for(behind.committed, instance);
    let after = (
        used(instance),
        changelog_bytes(deployment, instance, broker),
    );
    let metrics = instance.metrics().unwrap_or_default();
    let quantile = |at: &str| {
        let series = format!("mainstay_event_to_commit_seconds{{quantile=\"{at}\"}}");
        value(&metrics, &series).map(|seconds| seconds * 1000.0)
    };
    Live {
        ready_s: ready.as_secs_f64(),
        events: sent,
        p50_ms: quantile("0.5"),
        p99_ms: quantile("0.99"),
        longest_ms: quantile("1"),
        cpu: (after.0.cpu_seconds - before.0.cpu_seconds) / sent as f64 * 1e6,
        resident_mb: after.0.peak_resident_mb,
        changelog: (after.1 - before.1) as f64 / sent as f64,
    }
}

/// Stops it in order and says how long the next process takes from its start until it is ready.
fn start_again(behind: &mut CaughtUp) -> Duration {
    behind.instance.process().terminate();
    behind.instance.process().wait(Duration::from_secs(10));
    let start = Instant::now();
    behind.instance = behind.deployment.start_ready(SLOT);
    start.elapsed()
}

impl CaughtUp {
    /// Stops it in order; what it committed has to be the whole topic.
    pub(crate) fn stop(self) {
        self.instance.stop();
        let lag = self.deployment.lag();
        assert_eq!(lag, 0, "a benchmark of something that is not finished");
    }
}

/// How far a group is.
struct Progress {
    client: BaseConsumer,
    partitions: TopicPartitionList,
}

impl Progress {
    /// Knows the group's name and never joins it. It does not wait for offsets of open transactions.
    fn of(deployment: &Deployment, brokers: &str) -> Progress {
        let client = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("group.id", deployment.group())
            .set("enable.auto.commit", "false")
            .set("isolation.level", "read_uncommitted")
            .create()
            .expect("a client needs nothing but an address and a group");
        let mut partitions = TopicPartitionList::new();
        let last = mainstay_tests::SHARDS - 1;
        partitions.add_partition_range(&deployment.input(), 0, last);
        Progress { client, partitions }
    }

    /// Waits until so many records are committed, and says when and how many they were.
    fn wait_for(&self, records: u64, instance: &mut Instance) -> (Instant, u64) {
        let (mut moved, mut before) = (Instant::now(), 0);
        loop {
            let committed = self.committed();
            if committed >= records {
                return (Instant::now(), committed);
            }
            if committed > before {
                (moved, before) = (Instant::now(), committed);
            }
            let process = instance.process();
            let ended = process.ended();
            assert!(
                ended.is_none() && moved.elapsed() < STUCK,
                "{committed} of {records} records are committed and nothing moves ({ended:?}); {}",
                process.last_words()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn committed(&self) -> u64 {
        let timeout = Duration::from_secs(30);
        let offsets = self
            .client
            .committed_offsets(self.partitions.clone(), timeout);
        let offsets = offsets.unwrap_or_else(|err| panic!("could not read offsets: {err}"));
        let counts = offsets.elements().into_iter().map(|it| match it.offset() {
            Offset::Offset(offset) => u64::try_from(offset).unwrap_or(0),
            Offset::Beginning
            | Offset::End
            | Offset::Stored
            | Offset::Invalid
            | Offset::OffsetTail(_) => 0,
        });
        counts.sum()
    }
}

fn used(instance: &mut Instance) -> Used {
    machine::used(&instance.process().id().to_string())
}

/// What the changelog takes at the broker; of a broker whose disk we do not see, what was sent to it.
fn changelog_bytes(deployment: &Deployment, instance: &Instance, broker: Option<&Broker>) -> u64 {
    match broker {
        Some(broker) => broker.stored_bytes(&deployment.topic("changelog")),
        None => {
            let metrics = instance.metrics().unwrap_or_default();
            value(&metrics, "mainstay_changelog_bytes_total").unwrap_or(0.0) as u64
        }
    }
}

/// The value of a series in what `/metrics` answers.
fn value(metrics: &str, series: &str) -> Option<f64> {
    let rest = metrics.lines().find_map(|line| line.strip_prefix(series))?;
    rest.trim().parse().ok()
}
