//! The topic that everybody reads: loaded once, lz4, keyed and spread as a Java producer does it.

use std::time::{Duration, Instant};

use mainstay_model::Timestamp;
use mainstay_testkit::load::{Load, LoadEvent};
use mainstay_tests::{Admin, shard_of};
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};

use crate::plan::{Plan, now_ms};

/// How many partitions the topic has.
pub(crate) const PARTITIONS: u32 = mainstay_tests::SHARDS.unsigned_abs();

const TIMEOUT: Duration = Duration::from_secs(120);

/// A topic with events on it.
pub(crate) struct Topic {
    pub(crate) brokers: String,
    pub(crate) name: String,
    /// How many events were loaded.
    pub(crate) events: u64,
    /// Bytes of their values.
    pub(crate) bytes: u64,
    load: Load,
    /// The partition of each account, by its number.
    partitions: Vec<i32>,
}

impl Topic {
    /// Makes the topic and loads it; each record arrives when its event happens.
    pub(crate) fn load(brokers: &str, plan: &Plan) -> Topic {
        let load = plan.load();
        let mut topic = Topic {
            brokers: brokers.to_owned(),
            name: format!("bench-{}.product-events", std::process::id()),
            events: 0,
            bytes: 0,
            partitions: partitions(&load),
            load,
        };
        let kept = [("retention.ms", "-1"), ("retention.bytes", "-1")];
        let partitions = mainstay_tests::SHARDS;
        Admin::new(brokers).create(&topic.name, partitions, &kept);
        let writer = Writer::new(&topic, 50);
        let (mut events, mut bytes) = (0, 0);
        let mut value = Vec::with_capacity(512);
        let wanted = usize::try_from(plan.events).expect("it fits into memory addresses");
        for event in topic.load.events().take(wanted) {
            bytes += writer.send(&event, &mut value);
            events += 1;
        }
        writer.flush();
        (topic.events, topic.bytes) = (events, bytes);
        topic
    }

    /// One event of each account, now: what ends before today is closed by it, before anything is timed.
    pub(crate) fn touch_every_account(&self) -> u64 {
        let writer = Writer::new(self, 5);
        let mut value = Vec::with_capacity(512);
        for user in 0..self.load.accounts {
            writer.send(&self.now(user, u64::from(user)), &mut value);
        }
        writer.flush();
        u64::from(self.load.accounts)
    }

    /// Sends events as they happen, of users at random, and says how many.
    pub(crate) fn send_live(&self, plan: &Plan) -> u64 {
        const STEP: Duration = Duration::from_millis(5);
        let writer = Writer::new(self, 5);
        let mut value = Vec::with_capacity(512);
        let start = Instant::now();
        let all = plan.live_rate * plan.live_seconds;
        let mut sent = 0;
        while sent < all {
            let due = (start.elapsed().as_secs_f64() * plan.live_rate as f64) as u64;
            while sent < due.min(all) {
                let id = mixed(sent + u64::from(u32::MAX));
                let user = mixed(id) % u64::from(self.load.users);
                let user = u32::try_from(user).expect("below the number of users");
                writer.send(&self.now(user, id), &mut value);
                sent += 1;
            }
            std::thread::sleep(STEP);
        }
        writer.flush();
        sent
    }

    /// On a broker that lives on, nothing is left behind.
    pub(crate) fn delete(&self) {
        Admin::new(&self.brokers).delete(&self.name);
    }

    fn now(&self, user: u32, id: u64) -> LoadEvent {
        let time = Timestamp(now_ms());
        LoadEvent { time, user, id }
    }
}

fn partitions(load: &Load) -> Vec<i32> {
    let of_account = |number| {
        let event = LoadEvent {
            time: load.begin,
            user: number,
            id: 0,
        };
        shard_of(&load.account(&event), PARTITIONS).cast_signed()
    };
    (0..load.accounts).map(of_account).collect()
}

/// SplitMix64's last step: numbers that look random.
fn mixed(n: u64) -> u64 {
    let mut mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Puts events on a topic.
struct Writer<'a> {
    topic: &'a Topic,
    producer: ThreadedProducer<DefaultProducerContext>,
}

impl Writer<'_> {
    fn new(topic: &Topic, linger_ms: u32) -> Writer<'_> {
        let producer = ClientConfig::new()
            .set("bootstrap.servers", &topic.brokers)
            .set("enable.idempotence", "true")
            .set("compression.type", "lz4")
            .set("linger.ms", linger_ms.to_string())
            .set("queue.buffering.max.kbytes", "131072")
            .create()
            .expect("a producer needs nothing but an address");
        Writer { topic, producer }
    }

    /// Hands over one event and says how long its value is.
    fn send(&self, event: &LoadEvent, value: &mut Vec<u8>) -> u64 {
        let load = &self.topic.load;
        value.clear();
        load.render(event, value);
        let account = load.account(event);
        let number = event.user % load.accounts;
        let mut record = BaseRecord::to(&self.topic.name)
            .partition(self.topic.partitions[number as usize])
            .key(account.as_str())
            .payload(value.as_slice())
            .timestamp(event.time.0);
        loop {
            match self.producer.send(record) {
                Ok(()) => return value.len() as u64,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                    record = again;
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err((err, _)) => panic!("could not load {}: {err}", self.topic.name),
            }
        }
    }

    fn flush(&self) {
        let flushed = self.producer.flush(TIMEOUT);
        flushed.unwrap_or_else(|err| panic!("the broker did not take all events: {err}"));
    }
}
