//! Transactions, aborts, errors and doubt.

use super::*;

#[test]
fn a_shard_runs_in_a_new_term_from_the_next_n() {
    let mut told = Told::running(&[]);
    told.tell(Happened::Assigned(vec![A]));
    let lease = told.lease(A);
    let term = crate::Term {
        state: StateId(7),
        began: Epoch { term: 6, n: 11 },
    };
    let run = Do::Run {
        shard: A,
        lease,
        term,
    };
    assert_eq!(told.restore(A), [run]);
}

#[test]
fn a_transaction_is_begin_produce_drain_send_commit() {
    let mut told = Told::running(&[A]);
    told.slice(A);
    for call in COMMIT {
        assert_eq!(told.words(), [call]);
        told.done();
    }
    assert_eq!(told.words(), ["committed a11"]);
}

#[test]
fn a_transaction_takes_whatever_slices_were_handed_in() {
    let mut told = Told::running(&[A, B]);
    let first = told.slice(A);
    told.up_to("produce");
    let (second, third) = (told.slice(B), told.token(A));
    told.tell(Happened::Sliced(third));
    assert_eq!(told.words(), [""; 0], "one call at a time");
    for _ in 0..4 {
        told.done();
    }
    assert_eq!(told.words(), ["committed a11", "begin"]);
    assert_eq!(told.said[0], Do::Committed(vec![first]));
    assert_eq!(
        told.tell(Happened::Done),
        [Do::Call(Call::Produce(vec![third, second]))]
    );
}

#[test]
fn an_aborted_slice_is_produced_again_unchanged() {
    let mut told = Told::running(&[A]);
    let slice = told.slice(A);
    told.up_to("drain");
    assert_eq!(told.fail(Failure::Abort), ["abort"]);
    assert_eq!(told.done(), ["begin"]);
    assert_eq!(
        told.tell(Happened::Done),
        [Do::Call(Call::Produce(vec![slice]))]
    );
}

#[test]
fn three_aborts_in_a_row_restore_the_shard() {
    let mut told = Told::running(&[A]);
    told.slice(A);
    for _ in 0..2 {
        told.up_to("produce");
        told.fail(Failure::Abort);
        assert_eq!(told.done(), ["begin"]);
    }
    told.up_to("produce");
    told.fail(Failure::Abort);
    assert_eq!(told.done(), ["alarm", "drop a ThreeAborts", "restore a"]);
}

#[test]
fn from_the_third_abort_in_a_row_on_each_rest_is_twice_the_one_before_and_30_s_at_most() {
    let mut told = Told::running(&[A]);
    told.slice(A);
    let mut rests = Vec::new();
    for _ in 1..=10 {
        if let Some(due) = told.machine.due() {
            assert!(!told.words().contains(&"begin".to_owned()));
            rests.push(due.since(told.now));
            told.now = due;
            told.tell(Happened::Tick);
        }
        told.up_to("produce");
        told.fail(Failure::Abort);
        if told.done().contains(&"restore a".to_owned()) {
            told.restore(A);
            told.slice(A);
        }
    }
    assert_eq!(rests, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000]);
}

#[test]
fn a_commit_ends_the_row_of_aborts() {
    let mut told = Told::running(&[A]);
    for _ in 0..4 {
        told.slice(A);
        told.up_to("produce");
        told.fail(Failure::Abort);
        assert_eq!(told.done(), ["begin"]);
        told.up_to("commit");
        told.done();
    }
}

#[test]
fn a_retriable_call_is_made_again() {
    let mut told = Told::running(&[A]);
    told.slice(A);
    for call in COMMIT {
        assert_eq!(told.words(), [call]);
        assert_eq!(told.fail(Failure::Retriable), [call]);
        told.done();
    }
    assert_eq!(told.words(), ["committed a11"]);
}

#[test]
fn a_fatal_error_before_the_commit_needs_no_read_back() {
    for call in ["begin", "produce", "drain", "send"] {
        for failure in [Failure::Fatal, Failure::Unknown] {
            let mut told = Told::running(&[A]);
            told.slice(A);
            told.up_to(call);
            assert_eq!(told.fail(failure), ["new"], "{call}");
            assert_eq!(told.done(), ["begin"], "{call}");
        }
    }
}

#[test]
fn a_failed_abort_makes_the_producer_anew() {
    for failure in [Failure::Abort, Failure::Fatal, Failure::Unknown] {
        let mut told = Told::running(&[A]);
        told.slice(A);
        told.up_to("drain");
        told.fail(Failure::Abort);
        assert_eq!(told.fail(Failure::Retriable), ["abort"]);
        assert_eq!(told.fail(failure), ["new"]);
        assert_eq!(told.done(), ["begin"]);
    }
}

fn in_doubt(failure: Failure) -> Told {
    let mut told = Told::running(&[A, B]);
    told.slice(A);
    told.up_to("commit");
    told.fail(failure);
    told.up_to("read back");
    told
}

#[test]
fn a_commit_without_a_known_outcome_is_read_back() {
    for failure in [Failure::Unknown, Failure::Fatal, Failure::Fenced] {
        let mut told = in_doubt(failure);
        assert_eq!(told.fail(Failure::Retriable), ["read back"]);
        assert_eq!(told.read_back(&[(A, Some(mark(6, 11)))]), ["committed a11"]);
    }
}

#[test]
fn the_epoch_before_means_produce_again() {
    let mut told = in_doubt(Failure::Unknown);
    assert_eq!(told.read_back(&[(A, Some(mark(5, 10)))]), ["begin"]);
    told.up_to("commit");
    assert_eq!(told.done(), ["committed a11"]);
}

#[test]
fn any_other_epoch_drops_the_shard_and_alarms() {
    let mut told = in_doubt(Failure::Unknown);
    let said = told.read_back(&[(A, Some(mark(6, 12)))]);
    assert_eq!(said, ["alarm", "drop a Doubt", "restore a"]);
}

#[test]
fn a_commit_that_was_asked_for_twice_is_in_doubt_whatever_the_error() {
    let mut told = Told::running(&[A]);
    told.slice(A);
    told.up_to("commit");
    told.fail(Failure::Retriable);
    assert_eq!(told.fail(Failure::Abort), ["new"]);
    assert_eq!(told.done(), ["read back"]);
}

#[test]
fn a_doubt_about_shards_that_are_gone_is_forgotten() {
    let mut told = Told::running(&[A]);
    told.slice(A);
    told.up_to("commit");
    told.fail(Failure::Unknown);
    told.tell(Happened::Lost(vec![A]));
    assert_eq!(told.words(), ["drop a Lost", "ack"]);
    assert_eq!(told.done(), [""; 0]);
}

#[test]
fn refused_offsets_wait_for_renewed_group_metadata() {
    let mut told = Told::running(&[A]);
    told.slice(A);
    told.up_to("send");
    assert_eq!(told.fail(Failure::IllegalGeneration), ["abort"]);
    assert_eq!(told.done(), [""; 0]);
    told.tell(Happened::Assigned(vec![]));
    assert_eq!(told.words(), ["begin"]);
}

#[test]
fn offsets_refused_after_the_metadata_was_renewed_are_sent_again_at_once() {
    let mut told = Told::running(&[A]);
    told.slice(A);
    told.up_to("send");
    told.tell(Happened::Assigned(vec![]));
    told.fail(Failure::IllegalGeneration);
    assert_eq!(told.done(), ["begin"]);
}

#[test]
fn refused_offsets_are_no_abort_in_a_row() {
    let mut told = Told::running(&[A]);
    told.slice(A);
    for _ in 0..5 {
        told.up_to("send");
        told.tell(Happened::Assigned(vec![]));
        told.fail(Failure::IllegalGeneration);
        assert_eq!(told.done(), ["begin"]);
    }
}
