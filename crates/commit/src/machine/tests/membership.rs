//! Revokes, losses, panics, fencing and the end.

use super::*;

#[test]
fn a_revoke_commits_what_is_open_then_drops_then_returns() {
    let mut told = Told::running(&[A, B]);
    told.slice(A);
    told.up_to("produce");
    told.tell(Happened::Revoked(vec![A]));
    assert_eq!(told.words(), ["stop a"]);
    let last = told.token(A);
    told.stopped(A, Some(last));
    assert_eq!(told.words(), [""; 0]);
    for _ in 0..4 {
        told.done();
    }
    assert_eq!(told.words(), ["committed a11", "begin"]);
    for _ in 0..5 {
        told.done();
    }
    assert_eq!(told.words(), ["committed a12", "drop a Revoked", "ack"]);
}

#[test]
fn a_revoke_with_nothing_open_returns_when_the_shard_has_stopped() {
    let mut told = Told::running(&[A]);
    told.tell(Happened::Revoked(vec![A]));
    assert_eq!(told.stopped(A, None).len(), 2);
    assert_eq!(told.words(), ["drop a Revoked", "ack"]);
}

#[test]
fn a_revoke_ends_a_restore_at_once() {
    let mut told = Told::running(&[]);
    told.tell(Happened::Assigned(vec![A]));
    told.tell(Happened::Revoked(vec![A]));
    assert_eq!(told.words(), ["drop a Revoked", "ack"]);
    told.restore(A);
    assert_eq!(told.words(), ["drop a Stale"]);
}

#[test]
fn a_revoke_past_its_deadline_drops_what_is_not_committed() {
    let mut told = Told::running(&[A]);
    told.slice(A);
    told.up_to("produce");
    told.tell(Happened::Revoked(vec![A]));
    assert_eq!(told.machine.due(), Some(Millis(5_000)));
    told.now = Millis(5_000);
    told.tell(Happened::Tick);
    assert_eq!(told.words(), ["drop a Revoked", "alarm", "ack"]);
    assert_eq!(told.machine.due(), None);
    assert_eq!(told.done(), ["abort"], "it must not be committed any more");
    assert_eq!(told.done(), [""; 0]);
    let last = told.token(A);
    told.stopped(A, Some(last));
    assert!(told.words().iter().all(|word| word == "drop a Stale"));
}

#[test]
fn a_transaction_with_a_shard_that_is_gone_is_aborted_before_every_further_call() {
    for call in &COMMIT[..4] {
        for answer in [Happened::Done, Happened::Failed(Failure::Retriable)] {
            let mut told = Told::running(&[A, B]);
            told.slice(A);
            told.slice(B);
            told.slice(A);
            // The first transaction took A alone, the second has both.
            for _ in 0..5 {
                told.done();
            }
            told.up_to(call);
            told.tell(Happened::Lost(vec![B]));
            told.tell(answer);
            assert_eq!(told.words(), ["abort"], "{call}");
        }
    }
}

#[test]
fn a_commit_asked_for_before_the_shard_went_may_end() {
    let mut told = Told::running(&[A, B]);
    told.slice(B);
    told.up_to("commit");
    told.tell(Happened::Lost(vec![B]));
    assert_eq!(told.words(), ["drop b Lost", "ack"]);
    assert_eq!(told.done(), [""; 0]);
}

#[test]
fn a_loss_drops_all_and_returns_at_once() {
    let mut told = Told::running(&[A, B]);
    told.slice(A);
    told.tell(Happened::Lost(vec![A, B]));
    assert_eq!(told.words(), ["drop a Lost", "drop b Lost", "ack"]);
    assert_eq!(told.done(), ["abort"]);
}

#[test]
fn no_restore_begins_while_a_transaction_holds_a_slice_of_the_shard() {
    let mut told = Told::running(&[A]);
    told.slice(A);
    told.up_to("drain");
    told.tell(Happened::Lost(vec![A]));
    told.tell(Happened::Assigned(vec![A]));
    assert_eq!(told.words(), [""; 0]);
    assert_eq!(told.done(), ["abort"]);
    assert_eq!(told.done(), ["restore a"]);
}

#[test]
fn a_slice_of_an_earlier_stay_is_not_taken_for_one_of_this() {
    let mut told = Told::running(&[A]);
    let late = told.token(A);
    told.tell(Happened::Lost(vec![A]));
    told.tell(Happened::Assigned(vec![A]));
    told.restore(A);
    told.tell(Happened::Sliced(late));
    assert_eq!(told.words(), ["drop a Stale"]);
}

#[test]
fn a_panic_restores_its_shard_and_the_others_are_produced_again() {
    let mut told = Told::running(&[A, B]);
    told.slice(A);
    told.up_to("drain");
    let (shard, lease) = (A, told.lease(A));
    told.slice(B);
    told.tell(Happened::Panicked { shard, lease });
    assert_eq!(told.words(), ["drop a Panicked"]);
    assert_eq!(told.done(), ["abort"]);
    assert_eq!(told.done(), ["restore a", "begin"]);
}

#[test]
fn fenced_once_makes_the_producer_anew() {
    let mut told = Told::running(&[A]);
    told.slice(A);
    told.up_to("produce");
    assert_eq!(told.fail(Failure::Fenced), ["alarm", "new"]);
    assert_eq!(told.done(), ["begin"]);
    told.up_to("produce");
    told.now = Millis(60_000);
    assert_eq!(told.fail(Failure::Fenced), ["alarm", "new"]);
}

#[test]
fn fenced_twice_in_a_minute_ends_the_process() {
    let mut told = Told::running(&[A]);
    told.slice(A);
    told.up_to("produce");
    told.fail(Failure::Fenced);
    told.now = Millis(59_999);
    assert_eq!(told.fail(Failure::Fenced), ["exit SharedId"]);
    assert_eq!(told.tell(Happened::Shutdown), []);
}

#[test]
fn no_producer_after_three_fatal_errors_ends_the_process() {
    let mut told = Told::running(&[A]);
    told.slice(A);
    assert_eq!(told.fail(Failure::Unknown), ["new"]);
    assert_eq!(told.fail(Failure::Unknown), ["new"]);
    assert_eq!(told.fail(Failure::Fatal), ["new"]);
    assert_eq!(told.fail(Failure::Fatal), ["new"]);
    assert_eq!(told.fail(Failure::Fatal), ["exit NoProducer"]);
}

#[test]
fn a_shutdown_commits_leaves_and_exits() {
    let mut told = Told::running(&[A, B]);
    told.tell(Happened::Shutdown);
    assert_eq!(told.words(), ["stop a", "stop b"]);
    let last = told.token(A);
    told.stopped(A, Some(last));
    assert_eq!(told.words(), ["begin"]);
    told.stopped(B, None);
    assert_eq!(told.words(), ["drop b Shutdown"]);
    for _ in 0..5 {
        told.done();
    }
    assert_eq!(told.words(), ["committed a11", "drop a Shutdown", "leave"]);
    told.tell(Happened::Revoked(vec![A, B]));
    assert_eq!(told.words(), ["ack"], "closing the consumer revokes");
    told.tell(Happened::Left);
    assert_eq!(told.words(), ["exit Done"]);
}

#[test]
fn a_shutdown_past_its_deadline_leaves_all_the_same() {
    let mut told = Told::running(&[A]);
    told.tell(Happened::Shutdown);
    told.now = told.machine.due().unwrap();
    told.tell(Happened::Tick);
    assert_eq!(told.words(), ["drop a Shutdown", "alarm", "leave"]);
}

#[test]
fn a_refused_state_stops_the_process_in_good_order() {
    let mut told = Told::running(&[A]);
    told.tell(Happened::Assigned(vec![B]));
    let (shard, lease) = (B, told.lease(B));
    told.tell(Happened::Refused { shard, lease });
    assert_eq!(told.words(), ["drop b Shutdown", "stop a"]);
    told.stopped(A, None);
    assert_eq!(told.words(), ["drop a Shutdown", "leave"]);
    told.tell(Happened::Left);
    assert_eq!(told.words(), ["exit Refused(ShardNo(1))"]);
}
