//! The instrument itself: what the other suites rest on when they say that nothing is lost and nothing
//! comes twice on a real broker.

use std::time::Duration;

use libtest_mimic::Trial;
use mainstay_tests::{
    Admin, Broker, Feed, Line, OpenTransaction, Record, broker, patience, read_committed, shard_of,
};

pub(crate) fn trials() -> Vec<Trial> {
    crate::trials!("instrument": [
        keys_go_where_a_java_producer_sends_them,
        a_reader_stops_at_an_open_transaction_and_never_sees_what_was_aborted,
        what_was_cut_off_is_gone_for_readers,
        a_group_that_is_moved_or_deleted_is_so_at_once,
        a_broker_that_was_killed_comes_back_with_its_data,
        a_broker_that_is_frozen_goes_on_where_it_was,
    ])
}

fn keys_go_where_a_java_producer_sends_them() {
    let (brokers, topic) = topic("keys");
    let accounts: Vec<String> = (0..50).map(|n| format!("account-{n}")).collect();
    let lines: Vec<Line> = accounts.iter().map(|account| line(account)).collect();
    Feed::new(&brokers, &topic).send(&lines);
    let records = read_committed(&brokers, &topic);
    assert_eq!(records.len(), accounts.len());
    for record in records {
        let account = String::from_utf8(record.key.expect("lines have keys")).expect("text");
        let expected = i32::try_from(shard_of(&account, 4)).expect("one of four");
        assert_eq!(record.partition, expected, "{account}");
    }
}

fn a_reader_stops_at_an_open_transaction_and_never_sees_what_was_aborted() {
    let (brokers, topic) = topic("open");
    let feed = Feed::new(&brokers, &topic);
    feed.send_to(0, &line("before"), &[]);
    let open = OpenTransaction::leave(&brokers, &topic, 0, Duration::from_secs(5));
    feed.send_to(0, &line("after"), &[]);
    assert_eq!(keys(&read_committed(&brokers, &topic)), ["before"]);
    patience::until(
        "the broker gives the transaction up",
        patience::STARTING,
        || (keys(&read_committed(&brokers, &topic)) == ["before", "after"]).then_some(()),
    );
    drop(open);
}

fn what_was_cut_off_is_gone_for_readers() {
    let (brokers, topic) = topic("cut");
    let feed = Feed::new(&brokers, &topic);
    for account in ["first", "second", "third"] {
        feed.send_to(2, &line(account), &[("trace", b"abc")]);
    }
    let admin = Admin::new(&brokers);
    admin.cut(&topic, 2, 1);
    assert_eq!(admin.ends(&topic, 2), (1, 3));
    let records = read_committed(&brokers, &topic);
    assert_eq!(keys(&records), ["second", "third"]);
    assert_eq!(records[0].header("trace"), Some("abc"));
}

fn a_group_that_is_moved_or_deleted_is_so_at_once() {
    let (brokers, topic) = topic("group");
    Feed::new(&brokers, &topic).send_to(1, &line("acme"), &[]);
    let admin = Admin::new(&brokers);
    let group = format!("{topic}-group");
    admin.move_group(&group, &topic, 1, 1);
    assert_eq!(
        admin.offsets(&group, &topic, 4),
        [None, Some(1), None, None]
    );
    admin.delete_group(&group);
    assert_eq!(admin.offsets(&group, &topic, 4), [None; 4]);
}

fn a_broker_that_was_killed_comes_back_with_its_data() {
    let mut broker = broker::own();
    let feed = topic_with_one_line(&broker);
    broker.kill();
    broker.restart();
    feed.send(&[line("after")]);
    assert_eq!(
        keys(&read_committed(&broker.address(), "events")),
        ["before", "after"]
    );
    broker.stop();
}

fn a_broker_that_is_frozen_goes_on_where_it_was() {
    let broker = broker::own();
    let feed = topic_with_one_line(&broker);
    broker.freeze();
    std::thread::scope(|scope| {
        let sending = scope.spawn(|| feed.send(&[line("after")]));
        std::thread::sleep(Duration::from_secs(2));
        assert!(!sending.is_finished(), "a frozen broker takes nothing");
        broker.thaw();
    });
    assert_eq!(
        keys(&read_committed(&broker.address(), "events")),
        ["before", "after"]
    );
}

fn topic_with_one_line(broker: &Broker) -> Feed {
    Admin::new(&broker.address()).create("events", 1, &[]);
    let feed = Feed::new(&broker.address(), "events");
    feed.send(&[line("before")]);
    feed
}

/// A topic of four partitions on the shared broker.
fn topic(name: &str) -> (String, String) {
    let brokers = broker::shared();
    let topic = format!("instrument-{name}-{}", std::process::id());
    Admin::new(&brokers).create(&topic, 4, &[]);
    (brokers, topic)
}

fn line(account: &str) -> Line {
    Line {
        account: account.to_owned(),
        arrival_ms: 1_772_355_600_000,
        value: b"{}".to_vec(),
        billing: false,
    }
}

fn keys(records: &[Record]) -> Vec<String> {
    let key = |record: &Record| {
        String::from_utf8_lossy(record.key.as_deref().unwrap_or_default()).into_owned()
    };
    records.iter().map(key).collect()
}
