//! What a changelog may look like, and what it must not.

use std::collections::BTreeMap;

use super::*;
use crate::StateId;

const E: fn(u32, u64) -> Epoch = |term, n| Epoch { term, n };

/// One record: an epoch and a key, a tombstone, or a position.
enum Rec {
    Value(Epoch, &'static str),
    Gone(&'static str),
    At(Epoch, Epoch),
}
use Rec::{At, Gone, Value};

fn position(epoch: Epoch, began: Epoch, state: u128) -> Position {
    Position {
        mark: Mark {
            state: StateId(state),
            epoch,
        },
        began,
        writer: "w".into(),
        shards: 1,
        sources: BTreeMap::new(),
        settings_hash: 0,
        live_keys: 1,
    }
}

fn feed(log: &[Rec], into: &mut Restoring) -> Result<(), Refusal> {
    for (offset, rec) in log.iter().enumerate() {
        let mut value = Vec::new();
        let (key, value) = match rec {
            Value(epoch, key) => {
                envelope::wrap(key.as_bytes(), *epoch, b"x", &mut value);
                (key.as_bytes(), Some(value.as_slice()))
            }
            Gone(key) => (key.as_bytes(), None),
            At(epoch, began) => {
                position(*epoch, *began, 1).encode(&mut value);
                (Position::KEY, Some(value.as_slice()))
            }
        };
        into.feed(offset as i64, key, value)?;
    }
    Ok(())
}

fn restored(log: &[Rec], live_keys: u64) -> Result<Option<Epoch>, Refusal> {
    let mut restoring = Restoring::new();
    feed(log, &mut restoring)?;
    let position = restoring.finish(live_keys)?;
    Ok(position.map(|position| position.mark.epoch))
}

#[test]
fn an_empty_changelog_is_no_state() {
    assert_eq!(restored(&[], 0), Ok(None));
}

#[test]
fn whole_slices_give_the_last_position() {
    let log = [
        Value(E(1, 1), "a"),
        At(E(1, 1), E(1, 1)),
        Gone("b"),
        Value(E(2, 2), "a"),
        At(E(2, 2), E(2, 2)),
    ];
    assert_eq!(restored(&log, 1), Ok(Some(E(2, 2))));
}

#[test]
fn compaction_may_take_any_but_the_newest_of_a_key() {
    let log = [Value(E(1, 4), "a"), At(E(3, 90), E(3, 70))];
    assert_eq!(restored(&log, 1), Ok(Some(E(3, 90))));
}

#[test]
fn payloads_are_handed_on_without_envelope_and_the_position_is_not() {
    let mut restoring = Restoring::new();
    let mut value = Vec::new();
    envelope::wrap(b"k", E(1, 1), b"x", &mut value);
    let handed = Handed {
        key: b"k",
        payload: Some(b"x"),
    };
    assert_eq!(restoring.feed(0, b"k", Some(&value)), Ok(Some(handed)));
    let mut value = Vec::new();
    position(E(1, 1), E(1, 1), 1).encode(&mut value);
    assert_eq!(restoring.feed(1, Position::KEY, Some(&value)), Ok(None));
}

#[test]
fn an_epoch_that_falls_is_refused() {
    let log = [At(E(1, 2), E(1, 1)), Value(E(1, 1), "a")];
    assert!(matches!(restored(&log, 1), Err(Refusal::Falls { .. })));
}

#[test]
fn an_older_term_above_where_the_newer_began_is_refused_before_it_and_after() {
    let after = [
        At(E(2, 5), E(2, 5)),
        Value(E(1, 6), "a"),
        At(E(2, 7), E(2, 5)),
    ];
    assert!(matches!(restored(&after, 1), Err(Refusal::Falls { .. })));
    let before = [Value(E(1, 6), "a"), At(E(2, 7), E(2, 5))];
    let zombie = Refusal::Zombie {
        found: E(1, 6),
        began: E(2, 5),
    };
    assert_eq!(restored(&before, 1), Err(zombie));
    let at = [Value(E(1, 5), "a"), At(E(2, 5), E(2, 5))];
    assert!(matches!(restored(&at, 1), Err(Refusal::Zombie { .. })));
    let sound = [Value(E(1, 4), "a"), At(E(2, 7), E(2, 5))];
    assert_eq!(restored(&sound, 1), Ok(Some(E(2, 7))));
}

#[test]
fn a_slice_ends_with_its_position() {
    let log = [At(E(1, 1), E(1, 1)), Value(E(1, 1), "a")];
    let refused = Refusal::AfterItsPosition {
        offset: 1,
        epoch: E(1, 1),
    };
    assert_eq!(restored(&log, 1), Err(refused));
    let twice = [At(E(1, 1), E(1, 1)), At(E(1, 1), E(1, 1))];
    assert!(matches!(
        restored(&twice, 1),
        Err(Refusal::AfterItsPosition { .. })
    ));
}

#[test]
fn records_after_the_last_position_are_refused() {
    let value = [At(E(1, 1), E(1, 1)), Value(E(1, 2), "a")];
    assert_eq!(restored(&value, 1), Err(Refusal::NoEnd { last: 1 }));
    let tombstone = [At(E(1, 1), E(1, 1)), Gone("a")];
    assert_eq!(restored(&tombstone, 1), Err(Refusal::NoEnd { last: 1 }));
    assert_eq!(
        restored(&[Value(E(1, 1), "a")], 1),
        Err(Refusal::NoEnd { last: 0 })
    );
}

#[test]
fn live_keys_are_counted() {
    let log = [At(E(1, 1), E(1, 1))];
    let cut = Refusal::LiveKeys {
        found: 0,
        expected: 1,
    };
    assert_eq!(restored(&log, 0), Err(cut));
}

#[test]
fn another_states_position_is_refused() {
    let mut restoring = Restoring::new();
    feed(&[At(E(1, 1), E(1, 1))], &mut restoring).unwrap();
    let mut value = Vec::new();
    position(E(2, 2), E(2, 2), 9).encode(&mut value);
    let refused = restoring.feed(1, Position::KEY, Some(&value));
    assert!(matches!(refused, Err(Refusal::OtherState { .. })));
}

#[test]
fn a_position_outside_its_own_term_is_refused() {
    for began in [E(1, 2), E(2, 4)] {
        let refused = restored(&[At(E(2, 3), began)], 1);
        assert!(matches!(refused, Err(Refusal::Contradiction { .. })));
    }
}

#[test]
fn after_a_dropped_state_another_begins_anew() {
    let log = [
        Value(E(5, 50), "a"),
        At(E(5, 50), E(5, 50)),
        Gone("a"),
        Gone("position"),
        Value(E(1, 1), "b"),
        At(E(1, 1), E(1, 1)),
    ];
    assert_eq!(restored(&log[..4], 0), Ok(None));
    assert_eq!(restored(&log, 1), Ok(Some(E(1, 1))));
}

#[test]
fn keys_that_outlive_a_dropped_state_are_refused() {
    let log = [Value(E(5, 50), "a"), Gone("position")];
    assert!(matches!(restored(&log, 1), Err(Refusal::LiveKeys { .. })));
}

#[test]
fn a_damaged_value_is_refused_with_its_offset() {
    let refused = Restoring::new().feed(8, b"k", Some(b"not ours"));
    assert!(matches!(refused, Err(Refusal::Damaged { offset: 8, .. })));
}

#[test]
fn records_out_of_log_order_are_refused() {
    let mut restoring = Restoring::new();
    restoring.feed(4, b"k", None).unwrap();
    let refused = Refusal::Disorder { offset: 4, last: 4 };
    assert_eq!(restoring.feed(4, b"k", None), Err(refused));
}
