//! What the same client takes for the same topic when it does less than Mainstay: the floors.
//!
//! Each runs in a process of its own, which is this program started again, so that its processor time and
//! memory are its own.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mainstay_codec::{Format, Limits};
use mainstay_intake::{Delivered, PartitionQueue};
use mainstay_testkit::load::read_unchecked;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde_json::{Value, json};

use crate::machine;
use crate::report::Measured;
use crate::topic::{PARTITIONS, Topic};

/// What is done with each record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Floor {
    /// Nothing.
    Consume,
    /// Read with serde_json into a struct of borrowed fields, which are not looked at.
    Parse,
    /// Decoded and checked by Mainstay's own reader.
    Decode,
}

impl Floor {
    pub(crate) const ALL: &'static [Floor] = &[Floor::Consume, Floor::Parse, Floor::Decode];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Floor::Consume => "consume",
            Floor::Parse => "consume + serde_json",
            Floor::Decode => "consume + own decoder",
        }
    }

    fn argument(self) -> &'static str {
        match self {
            Floor::Consume => "consume",
            Floor::Parse => "parse",
            Floor::Decode => "decode",
        }
    }

    fn do_with(self, value: &[u8], limits: &Limits) {
        match self {
            Floor::Consume => _ = std::hint::black_box(value.len()),
            Floor::Parse => {
                assert!(read_unchecked(value), "every event of a load is one");
            }
            Floor::Decode => {
                let decoded = Format::Native.decode(value, limits, |event| {
                    std::hint::black_box(event);
                });
                assert!(decoded.is_ok(), "every event of a load is one");
            }
        }
    }
}

/// Measures a floor in a process of its own.
pub(crate) fn measure(floor: Floor, topic: &Topic) -> Measured {
    let this = std::env::current_exe().expect("the system knows where this program lies");
    let output = Command::new(this)
        .args(["--floor", floor.argument(), &topic.brokers, &topic.name])
        .arg(topic.events.to_string())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .unwrap_or_else(|err| panic!("could not start this program again: {err}"));
    assert!(
        output.status.success(),
        "{}: {}",
        floor.name(),
        output.status
    );
    let said: Value = serde_json::from_slice(&output.stdout).expect("a floor answers in JSON");
    let number = |name: &str| said[name].as_f64().expect("a floor tells its figures");
    Measured {
        rate: topic.events as f64 / number("seconds"),
        cpu: number("cpu") / topic.events as f64 * 1e6,
        resident_mb: number("resident_mb"),
        changelog: None,
        first_commit_s: None,
    }
}

/// What this process was started for, if it was started as a floor.
pub(crate) struct Asked {
    floor: Floor,
    brokers: String,
    topic: String,
    events: u64,
}

/// Reads the arguments of a floor's process.
pub(crate) fn asked(args: &[String]) -> Option<Asked> {
    let [flag, floor, brokers, topic, events] = args else {
        return None;
    };
    let floor = Floor::ALL.iter().find(|it| it.argument() == floor);
    (flag == "--floor").then(|| Asked {
        floor: *floor.expect("only this program asks"),
        brokers: brokers.clone(),
        topic: topic.clone(),
        events: events.parse().expect("only this program asks"),
    })
}

/// Does a floor's work and prints its figures as JSON.
pub(crate) fn measure_in_this_process(asked: &Asked) {
    let consumer = Arc::new(consumer(asked));
    let queues = (0..PARTITIONS.cast_signed()).map(|partition| {
        PartitionQueue::open(&consumer, &asked.topic, partition, BATCH)
            .expect("the topic has this partition")
    });
    let mut shares: Vec<Vec<PartitionQueue>> = Vec::new();
    shares.resize_with(machine::cores(), Vec::new);
    for (number, queue) in queues.enumerate() {
        let share = number % shares.len();
        shares[share].push(queue);
    }
    assign(&consumer, &asked.topic);
    let done = AtomicU64::new(0);
    let seconds = std::thread::scope(|scope| {
        for share in shares {
            let done = &done;
            scope.spawn(move || work(share, asked, done));
        }
        time(&consumer, asked, &done)
    });
    let used = machine::used("self");
    let figures = json!({
        "seconds": seconds,
        "cpu": used.cpu_seconds,
        "resident_mb": used.peak_resident_mb,
    });
    println!("{figures}");
}

/// How many records are taken at once, as Mainstay's runtime does.
const BATCH: usize = 1024;

/// As Mainstay's own consumer of data, in every option that has to do with speed.
fn consumer(asked: &Asked) -> BaseConsumer {
    ClientConfig::new()
        .set("bootstrap.servers", &asked.brokers)
        .set("group.id", "bench-floor")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "error")
        .set("isolation.level", "read_committed")
        .set("check.crcs", "true")
        .set("fetch.queue.backoff.ms", "10")
        .set("fetch.wait.max.ms", "100")
        .set("fetch.max.bytes", "16777216")
        .set("queued.min.messages", (120_000 / PARTITIONS).to_string())
        .set(
            "queued.max.messages.kbytes",
            (49_152 / PARTITIONS).to_string(),
        )
        .create()
        .expect("a consumer needs nothing but an address and a group")
}

fn assign(consumer: &BaseConsumer, topic: &str) {
    let mut all = TopicPartitionList::new();
    for partition in 0..PARTITIONS.cast_signed() {
        all.add_partition_offset(topic, partition, Offset::Offset(0))
            .expect("0 is an offset");
    }
    let assigned = consumer.assign(&all);
    assigned.expect("partitions that are there can be assigned");
}

/// A worker's share of the partitions, until all records are done.
fn work(mut share: Vec<PartitionQueue>, asked: &Asked, done: &AtomicU64) {
    let limits = Limits::default();
    for queue in &mut share {
        queue.wake(std::thread::current());
    }
    while done.load(Ordering::Relaxed) < asked.events {
        let mut took = 0;
        for queue in &mut share {
            took += queue.read(Duration::ZERO);
            for index in 0..queue.len() {
                take(queue.get(index), asked.floor, &limits);
            }
        }
        done.fetch_add(took as u64, Ordering::Relaxed);
        if took == 0 {
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }
}

fn take(delivered: Delivered<'_>, floor: Floor, limits: &Limits) {
    match delivered {
        Delivered::Record(record) => {
            floor.do_with(record.value().expect("events have values"), limits);
        }
        Delivered::End { .. } => unreachable!("ends were not asked for"),
        Delivered::Failed { text, .. } => panic!("could not read: {text}"),
    }
}

/// Serves the client, and says how many seconds lie between the first record and the last.
fn time(consumer: &BaseConsumer, asked: &Asked, done: &AtomicU64) -> f64 {
    let asked_at = Instant::now();
    let mut first = None;
    loop {
        let so_far = done.load(Ordering::Relaxed);
        if so_far > 0 && first.is_none() {
            first = Some(Instant::now());
        }
        if let (Some(first), true) = (first, so_far >= asked.events) {
            return first.elapsed().as_secs_f64();
        }
        // A floor that hangs ends, and the benchmark with it.
        let limit = Duration::from_secs(600);
        if asked_at.elapsed() > limit {
            eprintln!("{so_far} of {} events came in {limit:?}", asked.events);
            std::process::exit(1);
        }
        drop(consumer.poll(Duration::from_millis(2)));
    }
}
