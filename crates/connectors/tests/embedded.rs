//! The whole runtime on the client library's mock cluster: what does not need a real broker.
//!
//! The mock shows aborted records and keeps no offsets of transactions, so nothing here proves
//! exactly-once; the tests on a real broker do.

#![allow(clippy::unwrap_used, reason = "a test stops at its first surprise")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mainstay_connectors::kafka::{
    Embedded, KafkaSettings, NoObserver, Observer, Runtime, RuntimeSettings, SourceSettings,
    StartAt, Told,
};
use mainstay_connectors::{Closing, InputRecord, RestoreError, Shard, Slice, SourceNo, Topic};
use mainstay_model::Timestamp;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Message, Offset, TopicPartitionList};

const WAIT: Duration = Duration::from_secs(40);

#[test]
fn every_record_is_told_once_in_order_and_a_stop_ends_in_good_order() {
    let broker = Embedded::start(&["a", "b"], 2).unwrap();
    feed(&broker, "a", 500, "v");
    feed(&broker, "b", 300, "v");
    let runtime = start(&broker, &["a", "b"], Arc::new(NoObserver));
    let told = wait_for(&broker, 1600);
    let expected = |source: u16, records: i64| (0..records).map(move |offset| (source, offset));
    for partition in told.values() {
        for (source, records) in [(0, 500), (1, 300)] {
            let of_source = partition
                .iter()
                .filter(|(from, _)| *from == source)
                .copied();
            assert!(of_source.eq(expected(source, records)), "{partition:?}");
        }
    }
    let began = Instant::now();
    runtime.stopper().stop();
    runtime.wait().unwrap();
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_record_that_panics_twice_is_given_up_and_the_shard_goes_on() {
    let broker = Embedded::start(&["a"], 1).unwrap();
    feed(&broker, "a", 20, "v");
    feed(&broker, "a", 1, "panic");
    feed(&broker, "a", 20, "v");
    let seen = Arc::new(Seen::default());
    let runtime = start(&broker, &["a"], Arc::clone(&seen) as Arc<dyn Observer>);
    let told = wait_for(&broker, 41);
    let offsets: BTreeSet<i64> = told[&0].iter().map(|(_, offset)| *offset).collect();
    // The mock shows what was aborted, so some may be told again.
    assert_eq!(offsets, (0..41).collect());
    assert_eq!(
        *seen.restores.lock().unwrap(),
        3,
        "the first start, and one for each panic"
    );
    assert_eq!(read(&broker, "given-up"), 1);
    runtime.stopper().stop();
    runtime.wait().unwrap();
}

#[test]
fn silent_inputs_are_idle_only_after_their_time_and_speak_again_with_a_record() {
    let broker = Embedded::start(&["a", "b"], 1).unwrap();
    feed(&broker, "a", 1, "v");
    let seen = Arc::new(Seen::default());
    let runtime = start(&broker, &["a", "b"], Arc::clone(&seen) as Arc<dyn Observer>);
    wait_for(&broker, 1);
    until(|| seen.idle.lock().unwrap().len() == 2);
    feed(&broker, "a", 1, "v");
    until(|| !seen.idle.lock().unwrap().contains(&SourceNo(0)));
    assert!(seen.idle.lock().unwrap().contains(&SourceNo(1)));
    runtime.stopper().stop();
    runtime.wait().unwrap();
}

#[test]
fn inputs_that_do_not_fit_are_refused_before_anything_begins() {
    let broker = Embedded::start(&["a"], 1).unwrap();
    let failed = |kafka: KafkaSettings, topics: &[&str]| {
        let settings = settings(kafka, topics);
        let made = Runtime::start(
            settings,
            Arc::new(|_, _| Box::<Toy>::default()),
            Arc::new(NoObserver),
        );
        made.map(|_| ()).unwrap_err().to_string()
    };
    assert_eq!(
        failed(broker.settings(), &["a", "nowhere"]),
        "sources.nowhere: topic `nowhere` does not exist; create it, or set `optional`"
    );
    let mut kafka = broker.settings();
    kafka
        .client
        .insert("isolation.level".into(), "read_uncommitted".into());
    assert_eq!(
        failed(kafka, &["a"]),
        "kafka.client.isolation.level: may not be set: exactly-once rests on it"
    );
}

/// Says every record once, with its source and offset.
#[derive(Default)]
struct Toy {
    said: Vec<(&'static str, String)>,
    count: u64,
    times: BTreeMap<SourceNo, Timestamp>,
}

impl Shard for Toy {
    fn restore(&mut self, _: &[u8], value: Option<&[u8]>) -> Result<(), RestoreError> {
        let value = value.map_or([0; 8], |value| value.try_into().unwrap());
        self.count = u64::from_le_bytes(value);
        Ok(())
    }

    fn restored(&mut self) -> Result<(), RestoreError> {
        Ok(())
    }

    fn live_keys(&self) -> u64 {
        u64::from(self.count > 0)
    }

    fn settings_hash(&self) -> u64 {
        1
    }

    fn apply(&mut self, record: &InputRecord<'_>) {
        assert_ne!(record.value, Some(&b"panic"[..]), "asked to");
        self.say("told", record);
    }

    fn give_up(&mut self, record: &InputRecord<'_>, _: &str) {
        self.say("given-up", record);
    }

    fn set_idle(&mut self, _: SourceNo, _: bool) {}

    fn tick(&mut self, _: Timestamp) {}

    fn stream_time(&self, source: SourceNo) -> Timestamp {
        self.times.get(&source).copied().unwrap_or(Timestamp::MIN)
    }

    fn now(&self) -> Timestamp {
        self.times.values().copied().max().unwrap_or(Timestamp::MIN)
    }

    fn work(&mut self) -> bool {
        false
    }

    fn close(&mut self, _: Closing, slice: &mut Slice) {
        let changed = !self.said.is_empty();
        for (key, value) in self.said.drain(..) {
            let (key, value) = (Some(key.as_bytes()), Some(value.as_bytes()));
            slice.push(Topic::AccountDaily, key, value, Vec::new());
        }
        if changed {
            let count = self.count.to_le_bytes();
            slice.push(Topic::Changelog, Some(b"count"), Some(&count), Vec::new());
        }
    }
}

impl Toy {
    fn say(&mut self, what: &'static str, record: &InputRecord<'_>) {
        self.count += 1;
        self.said
            .push((what, format!("{} {}", record.source.0, record.offset)));
        self.times.insert(record.source, record.arrival.unwrap());
    }
}

#[derive(Default)]
struct Seen {
    restores: Mutex<u32>,
    idle: Mutex<BTreeSet<SourceNo>>,
}

impl Observer for Seen {
    fn told(&self, what: &Told<'_>) {
        if let Told::Restored { .. } = what {
            *self.restores.lock().unwrap() += 1;
        }
        if let Told::Idle { source, idle, .. } = what {
            let mut all = self.idle.lock().unwrap();
            if *idle {
                all.insert(*source)
            } else {
                all.remove(source)
            };
        }
    }
}

fn settings(kafka: KafkaSettings, topics: &[&str]) -> RuntimeSettings {
    let source = |topic: &&str| SourceSettings {
        name: (*topic).to_owned(),
        topic: (*topic).to_owned(),
        optional: false,
        start_at: StartAt::Earliest,
        internal: false,
    };
    let mut settings = RuntimeSettings::new(kafka, topics.iter().map(source).collect());
    settings.idle = Some(Duration::from_secs(1));
    settings.workers = 1;
    settings
}

fn start(broker: &Embedded, topics: &[&str], observer: Arc<dyn Observer>) -> Runtime {
    let settings = settings(broker.settings(), topics);
    Runtime::start(settings, Arc::new(|_, _| Box::<Toy>::default()), observer).unwrap()
}

fn config(broker: &Embedded) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker.settings().brokers);
    config
}

/// Sends so many records to every partition.
fn feed(broker: &Embedded, topic: &str, records: i64, value: &str) {
    let producer: BaseProducer = config(broker).create().unwrap();
    let metadata = producer.client().fetch_metadata(Some(topic), WAIT).unwrap();
    for partition in metadata.topics()[0].partitions() {
        for _ in 0..records {
            let record = BaseRecord::<str, str>::to(topic)
                .partition(partition.id())
                .payload(value);
            producer.send(record).map_err(|(error, _)| error).unwrap();
        }
    }
    producer.flush(WAIT).unwrap();
}

/// Waits until so many different records were told, and gives them by partition, in their order.
fn wait_for(broker: &Embedded, records: usize) -> BTreeMap<i32, Vec<(u16, i64)>> {
    let mut told = BTreeMap::new();
    until(|| {
        told.clear();
        outputs(broker, &mut |partition, _, value| {
            let (source, offset) = value.split_once(' ').unwrap();
            let record = (source.parse().unwrap(), offset.parse().unwrap());
            told.entry(partition).or_insert_with(Vec::new).push(record);
        });
        let different = told
            .values()
            .map(|of| of.iter().collect::<BTreeSet<_>>().len());
        different.sum::<usize>() >= records
    });
    told
}

fn read(broker: &Embedded, wanted: &str) -> usize {
    let mut found = BTreeSet::new();
    outputs(broker, &mut |partition, key, value| {
        if key == wanted {
            found.insert((partition, value.to_owned()));
        }
    });
    found.len()
}

/// Reads the outputs to their end.
fn outputs(broker: &Embedded, each: &mut dyn FnMut(i32, &str, &str)) {
    let consumer: BaseConsumer = config(broker)
        .set("group.id", "judge")
        .set("enable.partition.eof", "true")
        .set("fetch.wait.max.ms", "10")
        .create()
        .unwrap();
    let metadata = consumer
        .fetch_metadata(Some("mainstay.account-daily"), WAIT)
        .unwrap();
    let mut open = metadata.topics()[0].partitions().len();
    let mut list = TopicPartitionList::new();
    for partition in metadata.topics()[0].partitions() {
        list.add_partition_offset("mainstay.account-daily", partition.id(), Offset::Beginning)
            .unwrap();
    }
    consumer.assign(&list).unwrap();
    while open > 0 {
        match consumer.poll(WAIT).expect("an end within the time") {
            Ok(message) => {
                let text =
                    |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap().to_vec()).unwrap();
                each(
                    message.partition(),
                    &text(message.key()),
                    &text(message.payload()),
                );
            }
            Err(rdkafka::error::KafkaError::PartitionEOF(_)) => open -= 1,
            Err(error) => panic!("{error}"),
        }
    }
}

fn until(mut is: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is() {
        assert!(began.elapsed() < WAIT, "not within {WAIT:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}
