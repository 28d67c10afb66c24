//! A partition's queue on librdkafka's in-process mock cluster.

#![allow(clippy::unwrap_used, reason = "a test stops at its first surprise")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use mainstay_intake::{Delivered, PartitionQueue};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer, DefaultConsumerContext};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};
use rdkafka::{Offset, TopicPartitionList};

type Mock = MockCluster<'static, DefaultProducerContext>;

const TOPIC: &str = "events";

#[test]
fn every_record_comes_once_and_in_order_and_only_into_its_own_queue() {
    let mock = cluster();
    produce(&mock, 2, 1000);
    let consumer = consumer(&mock);
    let mut queues = [0, 1].map(|partition| open(&consumer, partition));
    assign(&consumer, &[(0, 0), (1, 400)]);
    assert_eq!(offsets(&mut queues[0], 1000), (0..1000).collect::<Vec<_>>());
    assert_eq!(
        offsets(&mut queues[1], 600),
        (400..1000).collect::<Vec<_>>()
    );
    assert!(consumer.poll(Duration::from_millis(100)).is_none());
}

#[test]
fn a_record_is_what_was_sent() {
    let mock = cluster();
    let producer: BaseProducer = config(&mock).create().unwrap();
    let headers = OwnedHeaders::new()
        .insert(Header {
            key: "one",
            value: Some("1"),
        })
        .insert(Header {
            key: "none",
            value: None::<&str>,
        });
    send(
        &producer,
        BaseRecord::to(TOPIC)
            .partition(0)
            .key("k")
            .payload("v")
            .headers(headers)
            .timestamp(77),
    );
    send(&producer, BaseRecord::<str, str>::to(TOPIC).partition(0));
    send(
        &producer,
        BaseRecord::<str, str>::to(TOPIC)
            .partition(0)
            .key("")
            .payload(""),
    );
    producer.flush(Duration::from_secs(5)).unwrap();

    let consumer = consumer(&mock);
    let mut queue = open(&consumer, 0);
    assign(&consumer, &[(0, 0)]);
    let mut seen = Vec::new();
    each(&mut queue, 3, |record| {
        let mut headers = Vec::new();
        record.for_each_header(|name, value| {
            headers.push((name.to_vec(), value.map(<[u8]>::to_vec)));
        });
        seen.push((
            record.key().map(<[u8]>::to_vec),
            record.value().map(<[u8]>::to_vec),
            headers,
        ));
        if record.offset() == 0 {
            assert_eq!((record.timestamp_ms(), record.partition()), (Some(77), 0));
        }
    });
    let text = |text: &str| Some(text.as_bytes().to_vec());
    assert_eq!(seen[0].0, text("k"));
    assert_eq!(seen[0].1, text("v"));
    assert_eq!(
        seen[0].2,
        [(b"one".to_vec(), text("1")), (b"none".to_vec(), None)]
    );
    assert_eq!(seen[1], (None, None, vec![]));
    assert_eq!(seen[2], (text(""), text(""), vec![]));
}

#[test]
fn the_end_of_a_partition_is_told_with_its_offset() {
    let mock = cluster();
    produce(&mock, 1, 3);
    let consumer = consumer(&mock);
    let mut queue = open(&consumer, 0);
    assign(&consumer, &[(0, 0)]);
    assert!(matches!(nth(&mut queue, 3), Delivered::End { offset: 3 }));
}

#[test]
fn an_offset_that_is_gone_is_an_error_and_not_a_jump() {
    let mock = cluster();
    produce(&mock, 1, 3);
    let consumer = consumer(&mock);
    let mut queue = open(&consumer, 0);
    assign(&consumer, &[(0, 500)]);
    match nth(&mut queue, 0) {
        Delivered::Failed { code, .. } => assert_eq!(code, RDKafkaErrorCode::AutoOffsetReset),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_queue_opened_for_each_assignment_sees_no_stray_and_no_gap() {
    let mock = cluster();
    produce(&mock, 1, 5000);
    let consumer = consumer(&mock);
    let mut next = 0;
    while next < 5000 {
        let mut queue = open(&consumer, 0);
        assign(&consumer, &[(0, next)]);
        for offset in offsets(&mut queue, 1) {
            assert_eq!(offset, next);
            next += 1;
        }
        let mut gone = TopicPartitionList::new();
        gone.add_partition(TOPIC, 0);
        consumer.incremental_unassign(&gone).unwrap();
        queue.read(Duration::ZERO);
        drop(queue);
        next = next.max(5000.min(next + 700));
    }
}

#[test]
fn a_reader_that_sleeps_is_woken_by_a_delivery() {
    let mock = cluster();
    produce(&mock, 1, 1);
    let consumer = consumer(&mock);
    let mut queue = open(&consumer, 0);
    assign(&consumer, &[(0, 0)]);
    offsets(&mut queue, 1);
    while queue.read(Duration::from_millis(300)) > 0 {}
    queue.wake(std::thread::current());
    let began = Instant::now();
    let producer: BaseProducer = config(&mock).create().unwrap();
    send(
        &producer,
        BaseRecord::<str, str>::to(TOPIC).partition(0).payload("x"),
    );
    producer.flush(Duration::from_secs(5)).unwrap();
    while queue.read(Duration::ZERO) == 0 {
        std::thread::park_timeout(Duration::from_secs(20));
    }
    assert!(
        began.elapsed() < Duration::from_secs(15),
        "{:?}",
        began.elapsed()
    );
}

fn cluster() -> Mock {
    let mock = MockCluster::new(1).unwrap();
    mock.create_topic(TOPIC, 2, 1).unwrap();
    mock
}

fn config(mock: &Mock) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", mock.bootstrap_servers());
    config
}

fn consumer(mock: &Mock) -> Arc<BaseConsumer<DefaultConsumerContext>> {
    let consumer = config(mock)
        .set("group.id", "tests")
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "error")
        .set("enable.partition.eof", "true")
        .set("fetch.wait.max.ms", "10")
        .create()
        .unwrap();
    Arc::new(consumer)
}

fn open(consumer: &Arc<BaseConsumer<DefaultConsumerContext>>, partition: i32) -> PartitionQueue {
    PartitionQueue::open(consumer, TOPIC, partition, 256).unwrap()
}

fn assign(consumer: &BaseConsumer<DefaultConsumerContext>, at: &[(i32, i64)]) {
    let mut list = TopicPartitionList::new();
    for (partition, offset) in at {
        list.add_partition_offset(TOPIC, *partition, Offset::Offset(*offset))
            .unwrap();
    }
    consumer.incremental_assign(&list).unwrap();
}

fn produce(mock: &Mock, partitions: i32, records: i64) {
    let producer: BaseProducer = config(mock).create().unwrap();
    for _ in 0..records {
        for partition in 0..partitions {
            send(
                &producer,
                BaseRecord::<str, str>::to(TOPIC)
                    .partition(partition)
                    .payload("v"),
            );
        }
    }
    producer.flush(Duration::from_secs(10)).unwrap();
}

fn send(producer: &BaseProducer, record: BaseRecord<'_, str, str>) {
    producer.send(record).map_err(|(error, _)| error).unwrap();
}

/// Reads until `records` were seen, and then nothing for a moment.
fn each(
    queue: &mut PartitionQueue,
    records: usize,
    mut see: impl FnMut(mainstay_intake::Record<'_>),
) {
    let (began, mut seen) = (Instant::now(), 0);
    while seen < records {
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "{seen} of {records}"
        );
        for index in 0..queue.read(Duration::from_millis(100)) {
            if let Delivered::Record(record) = queue.get(index) {
                seen += 1;
                see(record);
            }
        }
    }
}

fn offsets(queue: &mut PartitionQueue, records: usize) -> Vec<i64> {
    let mut offsets = Vec::new();
    each(queue, records, |record| offsets.push(record.offset()));
    offsets
}

/// What is delivered after `skip` others.
fn nth(queue: &mut PartitionQueue, skip: usize) -> Delivered<'_> {
    let (began, mut before) = (Instant::now(), 0);
    loop {
        assert!(began.elapsed() < Duration::from_secs(20), "nothing came");
        let taken = queue.read(Duration::from_millis(100));
        if before + taken > skip {
            return queue.get(skip - before);
        }
        before += taken;
    }
}
