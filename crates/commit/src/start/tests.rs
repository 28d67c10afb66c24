//! The start-up table, row by row.

use super::*;
use crate::{Epoch, SourceAt, StateId};

const STATE: Mark = Mark {
    state: StateId(7),
    epoch: Epoch { term: 2, n: 9 },
};

fn state() -> Position {
    let at = SourceAt {
        next: 50,
        stream_time: 0,
    };
    Position {
        mark: STATE,
        began: Epoch { term: 2, n: 3 },
        writer: "w".into(),
        shards: 4,
        sources: BTreeMap::from([("in".into(), at)]),
        settings_hash: 1,
        live_keys: 0,
    }
}

/// A source that begins at 20 and has offsets 10 up to 100.
fn source(topic: &str, group: Option<(i64, &str)>) -> SourceFacts {
    SourceFacts {
        topic: topic.into(),
        group: group.map(|(offset, metadata)| GroupOffset {
            offset,
            metadata: metadata.into(),
        }),
        start_at: 20,
        first: 10,
        end: 100,
    }
}

fn decided(position: Option<&Position>, sources: &[SourceFacts]) -> Result<Start, Refused> {
    decide(&Facts {
        shard: ShardNo(3),
        shards: 4,
        position,
        sources,
        settings_hash: 1,
        on_data_loss: OnDataLoss::Refuse,
    })
}

fn next(position: Option<&Position>, sources: &[SourceFacts], topic: &str) -> Option<i64> {
    decided(position, sources)
        .ok()?
        .positions
        .get(topic)
        .copied()
}

fn committed(offset: i64, epoch: Epoch) -> (i64, String) {
    let mark = Mark { epoch, ..STATE };
    (offset, mark.to_string())
}

fn with_state(offset: i64, metadata: &str) -> Result<Start, Refused> {
    decided(Some(&state()), &[source("in", Some((offset, metadata)))])
}

#[test]
fn metadata_of_the_last_position_goes_on_there() {
    let start = with_state(50, &STATE.to_string()).unwrap();
    assert_eq!(start.positions, BTreeMap::from([("in".into(), 50)]));
    assert!(!start.first);
    assert_eq!(start.notices, []);
}

#[test]
fn a_source_new_to_the_config_begins_at_its_start() {
    let text = STATE.to_string();
    let sources = [source("in", Some((50, &text))), source("new", None)];
    assert_eq!(next(Some(&state()), &sources, "new"), Some(20));
}

#[test]
fn a_source_new_to_the_config_begins_where_a_person_set_it() {
    let text = STATE.to_string();
    let sources = [
        source("in", Some((50, &text))),
        source("new", Some((33, ""))),
    ];
    assert_eq!(next(Some(&state()), &sources, "new"), Some(33));
}

#[test]
fn a_source_that_left_and_came_back_goes_on_where_it_was() {
    let text = STATE.to_string();
    let (offset, old) = committed(44, Epoch { term: 1, n: 2 });
    let sources = [
        source("in", Some((50, &text))),
        source("back", Some((offset, &old))),
    ];
    assert_eq!(next(Some(&state()), &sources, "back"), Some(44));
}

#[test]
fn expired_offsets_leave_the_states_and_are_told() {
    let start = decided(Some(&state()), &[source("in", None)]).unwrap();
    assert_eq!(start.positions["in"], 50);
    let gone = Notice::OffsetGone {
        topic: "in".into(),
        offset: 50,
    };
    assert_eq!(start.notices, [gone]);
}

#[test]
fn a_first_start_begins_at_start_at() {
    let start = decided(None, &[source("in", None)]).unwrap();
    assert!(start.first);
    assert_eq!(start.positions["in"], 20);
}

#[test]
fn a_first_start_begins_where_a_person_set_it() {
    assert_eq!(next(None, &[source("in", Some((60, "")))], "in"), Some(60));
}

#[test]
fn another_epoch_is_refused_whether_older_or_newer() {
    for n in [8, 10] {
        let (offset, text) = committed(50, Epoch { term: 2, n });
        assert!(matches!(
            with_state(offset, &text),
            Err(Refused::Disagree { .. })
        ));
    }
}

#[test]
fn another_state_id_is_refused() {
    let other = Mark {
        state: StateId(8),
        ..STATE
    };
    assert!(matches!(
        with_state(50, &other.to_string()),
        Err(Refused::Disagree { .. })
    ));
}

#[test]
fn an_offset_moved_by_a_person_is_refused() {
    for metadata in ["", "moved by ops"] {
        assert!(matches!(
            with_state(40, metadata),
            Err(Refused::Disagree { .. })
        ));
    }
}

#[test]
fn an_offset_moved_under_our_metadata_is_refused() {
    let refused = with_state(40, &STATE.to_string());
    assert!(matches!(refused, Err(Refused::Disagree { .. })));
}

#[test]
fn a_changelog_that_is_gone_is_refused_and_both_sides_and_the_one_mend_are_named() {
    let text = STATE.to_string();
    let refused = decided(None, &[source("in", Some((50, &text)))]).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "shard 3, in: the group's offset is 50 of commit 00000000000000000000000000000007:2.9, but \
         the changelog is empty; begin again with `mainstay reset --drop-state --to …`"
    );
}

#[test]
fn a_state_that_is_there_may_be_gone_on_from_or_dropped() {
    let refused = with_state(40, "moved by ops").unwrap_err().to_string();
    for mend in [
        "`mainstay reset --offsets-from-state`",
        "`mainstay reset --drop-state --to …`",
    ] {
        assert!(refused.contains(mend), "{refused}");
    }
}

#[test]
fn an_offset_of_another_program_is_refused_at_a_first_start() {
    let refused = decided(None, &[source("in", Some((50, "flink:77")))]);
    assert!(matches!(refused, Err(Refused::Disagree { .. })));
}

fn with_loss(on_data_loss: OnDataLoss) -> Result<Start, Refused> {
    let mut source = source("in", Some((50, &STATE.to_string())));
    source.first = 57;
    decide(&Facts {
        shard: ShardNo(3),
        shards: 4,
        position: Some(&state()),
        sources: &[source],
        settings_hash: 1,
        on_data_loss,
    })
}

#[test]
fn records_gone_from_the_input_are_refused() {
    let refused = with_loss(OnDataLoss::Refuse).unwrap_err().to_string();
    assert!(refused.contains("7 records are gone"), "{refused}");
}

#[test]
fn records_gone_from_the_input_are_counted_where_the_operator_said_so() {
    let start = with_loss(OnDataLoss::Continue).unwrap();
    assert_eq!(start.positions["in"], 57);
    let lost = Notice::DataLost {
        topic: "in".into(),
        lost: 7,
    };
    assert_eq!(start.notices, [lost]);
}

#[test]
fn an_input_shorter_than_what_was_applied_is_refused() {
    let mut source = source("in", Some((50, &STATE.to_string())));
    source.end = 49;
    let refused = decided(Some(&state()), &[source]);
    assert!(matches!(refused, Err(Refused::Truncated { .. })));
}

#[test]
fn another_number_of_partitions_is_refused() {
    let mut state = state();
    state.shards = 8;
    let refused = decided(Some(&state), &[source("in", None)]);
    assert!(matches!(
        refused,
        Err(Refused::Resharded {
            before: 8,
            now: 4,
            ..
        })
    ));
    let told = refused.unwrap_err().to_string();
    assert!(!told.contains("reshard"), "{told}");
}

#[test]
fn changed_settings_and_sources_that_left_are_told() {
    let mut state = state();
    state.settings_hash = 2;
    let left = Notice::SourceLeft {
        topic: "in".into(),
        offset: 50,
    };
    let start = decided(Some(&state), &[]).unwrap();
    assert_eq!(start.notices, [Notice::SettingsChanged, left]);
}
