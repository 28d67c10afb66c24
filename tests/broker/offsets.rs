//! The group's offsets and the changelog in hands that should not have touched them: never a wrong number.

use std::collections::BTreeMap;

use libtest_mimic::Trial;
use mainstay_tests::{Admin, Broker, Deployment, Ended, SHARDS, judge, patience, said};

use super::{company, deployment};

pub(super) fn trials() -> Vec<Trial> {
    crate::trials!("broker": [
        offsets_that_were_moved_are_refused_until_mended,
        offsets_that_were_deleted_are_those_of_the_state,
        offsets_that_have_expired_are_those_of_the_state,
        a_changelog_that_was_cut_is_refused_until_dropped,
    ])
}

fn offsets_that_were_moved_are_refused_until_mended() {
    let it = deployment("moved");
    half_then_stop(&it);
    let before = it.admin.offsets(it.group(), &it.input(), SHARDS);
    it.admin.move_group(it.group(), &it.input(), 0, 1);
    let log = refuses(&it);
    for part in [
        "mainstay reset --offsets-from-state",
        "mainstay reset --drop-state",
        &it.input(),
    ] {
        assert!(log.contains(part), "the refusal names `{part}`: {log}");
    }
    // The instance that gave up is a member until its session is over.
    patience::until("`mainstay status` tells of it", patience::STARTING, || {
        let status = said(&it.command(&["status"]));
        let tells = status.contains("START REFUSED") && status.contains("--offsets-from-state");
        tells.then_some(())
    });
    mend(&it, &["reset", "--offsets-from-state"]);
    let status = said(&it.command(&["status"]));
    assert!(!status.contains("REFUSED"), "after the mend: {status}");
    assert_eq!(it.admin.offsets(it.group(), &it.input(), SHARDS), before);
    other_half(&it);
}

fn offsets_that_were_deleted_are_those_of_the_state() {
    let it = deployment("deleted");
    half_then_stop(&it);
    it.admin.delete_group(it.group());
    other_half(&it);
}

fn offsets_that_have_expired_are_those_of_the_state() {
    let broker = Broker::start_with(&[
        ("offsets.retention.minutes", "1"),
        ("offsets.retention.check.interval.ms", "1000"),
    ]);
    let it = Deployment::new(&broker.address(), "expired");
    half_then_stop(&it);
    let admin = Admin::new(&broker.address());
    patience::until(
        "the broker forgets the offsets",
        patience::CATCHING_UP,
        || {
            let offsets = admin.offsets(it.group(), &it.input(), SHARDS);
            offsets.iter().all(Option::is_none).then_some(())
        },
    );
    other_half(&it);
}

fn a_changelog_that_was_cut_is_refused_until_dropped() {
    let it = deployment("cut");
    half_then_stop(&it);
    let changelog = it.topic("changelog");
    it.admin
        .set(&changelog, &[("cleanup.policy", "compact,delete")]);
    for shard in 0..SHARDS {
        let (first, end) = it.admin.ends(&changelog, shard);
        it.admin.cut(&changelog, shard, first.midpoint(end));
    }
    let log = refuses(&it);
    for part in ["mainstay reset --drop-state", &changelog] {
        assert!(log.contains(part), "the refusal names `{part}`: {log}");
    }
    let told = it.topic("account-daily");
    let ends: BTreeMap<i32, i64> = (0..SHARDS)
        .map(|shard| (shard, it.admin.ends(&told, shard).1))
        .collect();
    mend(&it, &["reset", "--drop-state", "--to", "earliest"]);
    it.feed().send(company().halves().1);
    let instance = it.start_ready("a");
    // What was dropped is made again from all of the input, and told again from revision 0.
    patience::until("all is told again", patience::CATCHING_UP, || {
        let mut again = judge::AccountDaily::default();
        for record in it.committed("account-daily") {
            if record.offset >= ends[&record.partition] {
                again.take(&record);
            }
        }
        again.wrong(&company().truth).is_empty().then_some(())
    });
    instance.stop();
}

fn half_then_stop(it: &Deployment) {
    let instance = it.start_ready("a");
    it.feed().send(company().halves().0);
    it.wait_for_no_lag();
    instance.stop();
}

fn other_half(it: &Deployment) {
    let instance = it.start_ready("a");
    it.feed().send(company().halves().1);
    it.tells(company());
    instance.stop();
}

/// Starts and expects to be told why not.
fn refuses(it: &Deployment) -> String {
    let (ended, log) = it.start("a").gives_up(patience::STARTING);
    assert_eq!(ended, Ended::Exit(1), "{log}");
    log
}

/// An instance that has ended stays a member, by its name, until its session is over: that is waited for.
fn mend(it: &Deployment, command: &[&str]) {
    let command_line = command.join(" ");
    let what = format!("`mainstay {command_line}` finds the group empty");
    let output = patience::until(&what, patience::STARTING, || {
        let output = it.command(command);
        let in_use = said(&output).contains("members; stop them first");
        (!in_use).then_some(output)
    });
    assert!(
        output.status.success(),
        "`mainstay {command_line}`: {}",
        said(&output)
    );
}
