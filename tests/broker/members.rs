//! Instances that come, go, die, freeze and quarrel.

use std::time::Duration;

use libtest_mimic::Trial;
use mainstay_tests::{
    Broker, Company, Deployment, Ended, Gate, Impostor, Instance, Request, broker, patience,
};

use super::{chance, company, deployment, from_environment};

pub(super) fn trials() -> Vec<Trial> {
    crate::trials!("broker": [
        instances_that_join_and_leave_share_the_work,
        instances_that_are_killed_at_random_lose_nothing,
        what_is_billed_on_a_topic_of_its_own_is_as_exact_when_they_are_killed,
        a_zombie_past_its_session_writes_nothing_and_comes_back,
        a_revoke_that_cannot_commit_gives_the_work_to_the_next_owner,
        a_member_that_is_fenced_once_joins_anew_and_repeats_nothing,
        a_member_that_is_fenced_twice_in_a_minute_ends_and_says_why,
        of_two_processes_with_one_id_one_gives_up_and_says_so,
    ])
}

fn instances_that_join_and_leave_share_the_work() {
    let it = deployment("members");
    let feed = it.feed();
    std::thread::scope(|scope| {
        scope.spawn(|| feed.send_over(&company().lines, Duration::from_secs(45)));
        let a = it.start_ready("a");
        it.wait_for_progress();
        let b = it.start_ready("b");
        let c = it.start_ready("c");
        it.wait_for_progress();
        b.stop();
        it.wait_for_progress();
        let b = it.start_ready("b");
        a.stop();
        c.stop();
        it.wait_for_progress();
        let c = it.start_ready("c");
        it.tells(company());
        b.stop();
        c.stop();
    });
    it.tells(company());
}

fn instances_that_are_killed_at_random_lose_nothing() {
    let it = deployment("kills");
    let rounds = from_environment("MAINSTAY_TEST_KILLS").unwrap_or(10);
    let feed = it.feed();
    std::thread::scope(|scope| {
        let time = Duration::from_secs(6) * rounds;
        scope.spawn(move || feed.send_over(&company().lines, time));
        let mut trio: Vec<Instance> = SLOTS.iter().map(|slot| it.start(slot)).collect();
        trio.iter_mut().for_each(Instance::wait_until_ready);
        for round in 0..rounds {
            kill_one(&it, &mut trio, round);
        }
        it.tells(company());
        it.adds_up(&trio);
        trio.into_iter().for_each(Instance::stop);
    });
    it.tells(company());
}

/// Two inputs of one company, each read at its own pace: first both from far behind, then while they go on.
fn what_is_billed_on_a_topic_of_its_own_is_as_exact_when_they_are_killed() {
    let company = Company::with_billing(1);
    let moved: usize = company.truth.movements.values().map(Vec::len).sum();
    assert!(moved > 40, "{moved} movements are few for 40 accounts");
    let it = Deployment::with_billing(&broker::shared(), "billing");
    let feed = it.feed();
    let (before, after) = company.halves();
    feed.send(before);
    std::thread::scope(|scope| {
        scope.spawn(|| feed.send_over(after, Duration::from_secs(20)));
        let mut trio: Vec<Instance> = SLOTS.iter().map(|slot| it.start(slot)).collect();
        for round in 0..4 {
            kill_one(&it, &mut trio, round);
        }
        it.tells(&company);
        it.adds_up(&trio);
        trio.into_iter().for_each(Instance::stop);
    });
    it.tells(&company);
}

const SLOTS: [&str; 3] = ["a", "b", "c"];

/// Some come back inside their session, as after a crash; some only when others have taken over.
fn kill_one(it: &Deployment, trio: &mut [Instance], round: u32) {
    let victim = usize::try_from(chance("victim", round, 3)).expect("one of three");
    std::thread::sleep(Duration::from_millis(chance("when", round, 2500)));
    trio[victim].process().kill();
    std::thread::sleep(Duration::from_millis(chance("back", round, 8000)));
    trio[victim] = it.start(SLOTS[victim]);
}

fn a_zombie_past_its_session_writes_nothing_and_comes_back() {
    let it = deployment("zombie");
    let (before, after) = company().halves();
    let feed = it.feed();
    let mut zombie = it.start_ready("a");
    let other = it.start_ready("b");
    std::thread::scope(|scope| {
        scope.spawn(|| feed.send_over(before, Duration::from_secs(20)));
        it.wait_for_progress();
        zombie.process().freeze();
        // With the feed at its end, no lag means that the other one has every shard.
        std::thread::sleep(Duration::from_secs(10));
    });
    it.wait_for_no_lag();
    zombie.process().thaw();
    feed.send(after);
    it.tells(company());
    assert_eq!(
        zombie.process().ended(),
        None,
        "a zombie joins again by itself"
    );
    zombie.wait_until_ready();
    zombie.stop();
    other.stop();
    it.tells(company());
}

/// Each joins while a transaction of those who have its shards cannot go on, at another point each time: the
/// revoke passes its deadline, and the transaction is aborted, given up or committed late.
const JOINS: [(&str, Request); 3] = [
    ("b", Request::AddPartitions),
    ("c", Request::CommitOffsets),
    ("d", Request::End),
];

fn a_revoke_that_cannot_commit_gives_the_work_to_the_next_owner() {
    let gate = Gate::open();
    let broker = Broker::start_behind(&gate);
    let it = Deployment::new(&broker.address(), "revoke");
    let feed = it.feed();
    std::thread::scope(|scope| {
        scope.spawn(|| feed.send_over(&company().lines, Duration::from_secs(24)));
        let mut members = vec![it.start_ready("a")];
        for (slot, request) in JOINS {
            it.wait_for_progress();
            let kept = gate.keep(request);
            kept.wait_for_one();
            let before = revokes_past_their_deadline(&members);
            let mut joining = it.start(slot);
            let what = format!("a revoke passes its deadline while {request:?} waits");
            patience::until(&what, patience::CATCHING_UP, || {
                (revokes_past_their_deadline(&members) > before).then_some(())
            });
            drop(kept);
            joining.wait_until_ready();
            members.push(joining);
        }
        it.tells(company());
        members.into_iter().for_each(Instance::stop);
    });
    it.tells(company());
}

fn revokes_past_their_deadline(members: &[Instance]) -> usize {
    let line = "not committed within the deadline of a revoke";
    members.iter().map(|member| member.lines_with(line)).sum()
}

fn a_member_that_is_fenced_once_joins_anew_and_repeats_nothing() {
    let it = deployment("fenced-once");
    let feed = it.feed();
    let mut instance = it.start_ready("a");
    std::thread::scope(|scope| {
        scope.spawn(|| feed.send_over(&company().lines, Duration::from_secs(15)));
        it.wait_for_progress();
        let impostor = Impostor::join(&it, "a");
        impostor.wait_until_assigned();
        instance.wait_for_line("joining anew");
        drop(impostor);
    });
    it.tells(company());
    assert_eq!(instance.process().ended(), None, "it goes on");
    instance.wait_until_ready();
    instance.stop();
    it.tells(company());
}

fn a_member_that_is_fenced_twice_in_a_minute_ends_and_says_why() {
    let it = deployment("fenced-twice");
    let instance = it.start_ready("a");
    it.feed().send(company().halves().0);
    let assigned = || instance.lines_with("assigned");
    let before = assigned();
    Impostor::join(&it, "a").wait_until_assigned();
    patience::until("it joins anew", patience::CATCHING_UP, || {
        (assigned() > before).then_some(())
    });
    let impostor = Impostor::join(&it, "a");
    impostor.wait_until_assigned();
    let (ended, log) = instance.gives_up(patience::STARTING);
    assert_eq!(ended, Ended::Exit(1), "{log}");
    for part in ["fenced twice in a minute", "`a`", "`kafka.instance`"] {
        assert!(log.contains(part), "says `{part}`: {log}");
    }
    drop(impostor);
    it.feed().send(company().halves().1);
    let alone = it.start_ready("a");
    it.tells(company());
    alone.stop();
}

fn of_two_processes_with_one_id_one_gives_up_and_says_so() {
    let it = deployment("one-id");
    let (before, after) = company().halves();
    it.feed().send(before);
    let mut pair = vec![it.start_ready("a"), it.start_with_state("a", "elsewhere")];
    let loser = patience::until("one of the two gives up", patience::CATCHING_UP, || {
        pair.iter_mut()
            .position(|instance| instance.process().ended().is_some())
    });
    let (ended, log) = pair.remove(loser).gives_up(patience::STARTING);
    assert_eq!(ended, Ended::Exit(1), "{log}");
    for part in ["fenced twice in a minute", "`kafka.instance`"] {
        assert!(log.contains(part), "says `{part}`: {log}");
    }
    // The other one may have been fenced twice as well. Whoever is started alone goes on.
    pair.remove(0).process().kill();
    it.feed().send(after);
    let alone = it.start_ready("a");
    it.tells(company());
    alone.stop();
}
