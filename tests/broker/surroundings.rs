//! A broker that dies, freezes, holds somebody's open transaction, or is not there.

use std::time::Duration;

use libtest_mimic::Trial;
use mainstay_tests::{Deployment, Ended, OpenTransaction, broker};

use super::{chance, company, deployment};

pub(super) fn trials() -> Vec<Trial> {
    crate::trials!("broker": [
        a_broker_that_dies_and_comes_back_is_waited_for,
        an_open_transaction_of_a_dead_owner_is_waited_for,
        a_broker_that_is_not_there_is_named_at_once,
    ])
}

fn a_broker_that_dies_and_comes_back_is_waited_for() {
    let mut broker = broker::own();
    let it = Deployment::new(&broker.address(), "broker-restart");
    let feed = it.feed();
    std::thread::scope(|scope| {
        scope.spawn(|| feed.send_over(&company().lines, Duration::from_secs(40)));
        let a = it.start_ready("a");
        let b = it.start_ready("b");
        for round in 0..3 {
            it.wait_for_progress();
            std::thread::sleep(Duration::from_millis(chance("broker dies", round, 3000)));
            broker.kill();
            std::thread::sleep(Duration::from_millis(chance("broker down", round, 4000)));
            broker.restart();
        }
        it.tells(company());
        a.stop();
        b.stop();
    });
    it.tells(company());
    broker.stop();
}

fn an_open_transaction_of_a_dead_owner_is_waited_for() {
    let brokers = broker::shared();
    let it = deployment("open-transaction");
    let (before, after) = company().halves();
    let instance = it.start_ready("a");
    it.feed().send(before);
    it.wait_for_no_lag();
    instance.stop();
    let changelog = it.topic("changelog");
    let open = OpenTransaction::leave(&brokers, &changelog, 0, Duration::from_secs(10));
    it.feed().send(after);
    let instance = it.start_ready("a");
    it.tells(company());
    instance.stop();
    drop(open);
}

fn a_broker_that_is_not_there_is_named_at_once() {
    let nobody = "127.0.0.1:9";
    let it = Deployment::without_topics(nobody, "nowhere");
    let (ended, log) = it.start("a").gives_up(Duration::from_secs(10));
    assert_eq!(ended, Ended::Exit(3), "{log}");
    assert!(
        log.contains(nobody) && log.contains("kafka.brokers"),
        "names both: {log}"
    );
}
