//! A broker that dies, freezes, holds somebody's open transaction, or is not there.

use std::time::Duration;

use libtest_mimic::Trial;
use mainstay_tests::broker::{self, Broker};
use mainstay_tests::{Deployment, Ended, Instance, OpenTransaction, patience, said};

use super::{chance, company, deployment};

pub(super) fn trials() -> Vec<Trial> {
    crate::trials!("broker": [
        a_broker_that_dies_and_comes_back_is_waited_for,
        an_open_transaction_of_a_dead_owner_is_waited_for,
        a_broker_that_is_not_there_is_named_at_once,
        a_sigterm_while_the_broker_does_not_answer_ends_in_order,
        an_output_that_takes_nothing_is_told_and_waited_for,
        an_output_that_is_gone_is_told_and_waited_for,
    ])
}

fn a_broker_that_dies_and_comes_back_is_waited_for() {
    let mut broker = broker::own();
    let it = Deployment::new(&broker.address(), "broker-restart");
    let feed = it.feed();
    std::thread::scope(|scope| {
        scope.spawn(|| feed.send_over(&company().lines, Duration::from_secs(40)));
        let mut pair = [it.start_ready("a"), it.start_ready("b")];
        for round in 0..3 {
            it.wait_for_progress();
            std::thread::sleep(Duration::from_millis(chance("broker dies", round, 3000)));
            kill_between_commits(&mut broker, &mut pair);
            std::thread::sleep(Duration::from_millis(chance("broker down", round, 4000)));
            broker.restart();
        }
        it.tells(company());
        pair.into_iter().for_each(Instance::stop);
    });
    it.tells(company());
    broker.stop();
}

/// Kills the broker while no transaction is being ended.
///
/// One that is killed while it writes the markers of a commit may forget those that were still to be written:
/// seen with Apache Kafka 4.3 alone on its cluster, whose log of transactions then says that the commit is
/// complete while partitions of it have no marker. Readers wait there for ever, whoever they are, and no client
/// can mend it.
fn kill_between_commits(broker: &mut Broker, instances: &mut [Instance]) {
    instances
        .iter_mut()
        .for_each(|instance| instance.process().freeze());
    // What was asked of the broker is done by then.
    std::thread::sleep(Duration::from_secs(1));
    broker.kill();
    instances
        .iter_mut()
        .for_each(|instance| instance.process().thaw());
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

/// How long a process may take that promises to end within ten seconds, on a machine that is busy.
const ENDING: Duration = Duration::from_secs(30);

fn a_sigterm_while_the_broker_does_not_answer_ends_in_order() {
    let mut broker = broker::own();
    let it = Deployment::new(&broker.address(), "sigterm-alone");
    let feed = it.feed();
    std::thread::scope(|scope| {
        scope.spawn(|| feed.send_over(&company().lines, Duration::from_secs(25)));
        let mut instance = it.start_ready("a");
        it.wait_for_progress();
        freeze_amid_a_commit(&mut broker, &instance);
        instance.process().terminate();
        let (ended, log) = instance.gives_up(ENDING);
        assert_eq!(ended, Ended::Exit(0), "{log}");
        assert!(log.contains("the next owner applies it again"), "{log}");
        broker.thaw();
        let mut instance = it.start_ready("a");
        it.wait_for_progress();
        kill_between_commits(&mut broker, std::slice::from_mut(&mut instance));
        instance.process().terminate();
        let (ended, log) = instance.gives_up(ENDING);
        assert_eq!(ended, Ended::Exit(0), "{log}");
        broker.restart();
    });
    let instance = it.start_ready("a");
    it.tells(company());
    instance.stop();
    it.tells(company());
}

/// Freezes the broker when the instance has something to commit: now and then it has nothing.
fn freeze_amid_a_commit(broker: &mut Broker, instance: &Instance) {
    patience::until("a commit is under way", patience::CATCHING_UP, || {
        broker.freeze();
        // What arrived before the broker froze is sliced by then.
        std::thread::sleep(Duration::from_millis(500));
        let metrics = instance.metrics()?;
        let waiting = metrics
            .lines()
            .find_map(|line| line.strip_prefix("mainstay_slices_waiting "));
        let some = waiting.is_some_and(|count| count != "0");
        if !some {
            broker.thaw();
        }
        some.then_some(())
    });
}

fn an_output_that_takes_nothing_is_told_and_waited_for() {
    let it = deployment("refused");
    let topic = it.topic("account-daily");
    let mut instance = it.start_ready("a");
    it.admin.set(&topic, &[("max.message.bytes", "100")]);
    it.feed().send(company().halves().0);
    is_told(&mut instance, &topic);
    it.admin.set(&topic, &[("max.message.bytes", "1048588")]);
    it.feed().send(company().halves().1);
    it.tells(company());
    instance.wait_until_ready();
    instance.stop();
    it.tells(company());
}

fn an_output_that_is_gone_is_told_and_waited_for() {
    let it = deployment("gone");
    let topic = it.topic("account-daily");
    let mut instance = it.start_ready("a");
    it.admin.delete(&topic);
    it.feed().send(company().halves().0);
    is_told(&mut instance, &topic);
    let made = it.command(&["topics", "--create"]);
    assert!(made.status.success(), "{}", said(&made));
    it.feed().send(company().halves().1);
    it.tells(company());
    instance.wait_until_ready();
    instance.stop();
    it.tells(company());
}

/// The log names the topic, and `/readyz` and the alarms say that something is wrong.
fn is_told(instance: &mut Instance, topic: &str) {
    let what = "the third abort in a row is told";
    patience::until(what, patience::CATCHING_UP, || {
        (instance.lines_with("three transactions in a row were aborted") > 0).then_some(())
    });
    assert!(instance.lines_with(topic) > 0, "names {topic}");
    patience::until("the instance is not ready", patience::STARTING, || {
        (!instance.is_ready()).then_some(())
    });
    let alarms = instance
        .metrics()
        .expect("metrics are answered while nothing commits");
    assert!(!alarms.contains("mainstay_alarms_total 0"), "{alarms}");
}
