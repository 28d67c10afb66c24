//! The form of stories, and that the oracle agrees with every story of the house.

use serde_json::json;

use super::*;
use crate::oracle::{Fate, Oracle};

const STORY: &str = "\
# Ada comes once.
event 2026-03-01T09:00Z acme ada opened duration=1.5s
  expect acme 2026-03-01 dau=1 last_seen=2026-03-01   # a remark
dead too_late acme
";

fn said(dau: i64) -> Said {
    Said {
        daily: vec![
            json!({"account_id": "acme", "date": "2026-03-01", "revision": 0,
            "metrics": {"dau": dau, "last_seen": "2026-03-01"}}),
        ],
        dead: vec![("too_late".to_owned(), 0)],
    }
}

#[test]
fn a_story_that_was_told_right_has_no_differences() {
    let story = Scenario::parse(STORY).unwrap();
    assert_eq!(story.differences(&said(1)), [""; 0]);
    assert_eq!(story.refreshed(&said(1)), STORY);
    assert_eq!(
        story.records,
        [concat!(
            r#"{"account_id":"acme","data":{"duration_ms":1500,"name":"opened"},"id":"e1","#,
            r#""time":"2026-03-01T09:00:00Z","type":"product.event","user_id":"ada"}"#
        )]
    );
}

#[test]
fn a_difference_names_the_line_and_what_was_said() {
    let story = Scenario::parse(STORY).unwrap();
    let mut said = said(2);
    said.dead.push(("empty".to_owned(), 9));
    assert_eq!(
        story.differences(&said),
        [
            "line 3: expect acme 2026-03-01 dau=1 last_seen=2026-03-01   # a remark\
             \n      said: expect acme 2026-03-01 dau=2 last_seen=2026-03-01",
            "not expected: dead empty -",
        ]
    );
}

#[test]
fn a_refreshed_story_expects_what_was_said() {
    let story = Scenario::parse(STORY).unwrap();
    let mut said = said(2);
    said.dead.clear();
    let refreshed = story.refreshed(&said);
    assert_eq!(
        refreshed,
        "# Ada comes once.\n\
         event 2026-03-01T09:00Z acme ada opened duration=1.5s\n  \
         expect acme 2026-03-01 dau=2 last_seen=2026-03-01\n"
    );
    let story = Scenario::parse(&refreshed).unwrap();
    assert_eq!(story.differences(&said), [""; 0]);
}

#[test]
fn a_missing_record_is_told_as_absent() {
    let story = Scenario::parse("expect acme 2026-03-01 dau=1").unwrap();
    assert_eq!(
        story.refreshed(&Said::default()),
        "absent acme 2026-03-01\n"
    );
}

#[test]
fn a_line_that_means_nothing_is_named() {
    let error = |text: &str| Scenario::parse(text).unwrap_err().to_string();
    assert_eq!(error("\nevnt x"), "line 2: `evnt` is no word of a story");
    assert_eq!(
        error("event 2026-03-01T09:00Z acme ada opened took=3s"),
        "line 1: `took=` has no meaning here"
    );
    assert_eq!(
        error("event 2026-03-01T09:00Z acme ada opened duration=3"),
        "line 1: `3` is no span: 90s, 30m, 2h, 1d"
    );
    assert_eq!(
        error("dead lost acme"),
        "line 1: `lost` is no code of a dead letter"
    );
}

/// The oracle says only last values, so each story's revisions are taken as they are expected.
#[test]
fn the_oracle_agrees_with_every_story() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/scenarios");
    let mut stories = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        run_file(&path, refresh_is_asked_for(), by_oracle).unwrap();
        stories += 1;
    }
    assert!(stories >= 12, "only {stories} stories");
}

fn by_oracle(story: &Scenario) -> Said {
    let mut oracle = Oracle::new(story.settings.clone());
    let mut said = Said::default();
    for (offset, record) in story.records.iter().enumerate() {
        if let Fate::Refused(code) = oracle.take(record.as_bytes(), None) {
            said.dead.push((code.name().to_owned(), offset));
        }
    }
    let revised = |account: &str, date: Day| {
        let of = |expected: &Expected| {
            let Expected::Values {
                account: a,
                date: d,
                revision: Some(revision),
                values,
            } = expected
            else {
                return None;
            };
            (a == account && *d == date).then(|| (*revision, values.clone()))
        };
        let expected = story
            .text
            .iter()
            .filter_map(|(_, expected)| expected.as_ref());
        let mut revisions: Vec<_> = expected.filter_map(of).collect();
        revisions.sort_by_key(|(revision, _)| *revision);
        revisions
    };
    for (account, days) in oracle.truth().accounts {
        for (date, metrics) in days {
            let mut record = json!({"account_id": account, "date": date.to_string(), "revision": 0,
                "metrics": metrics});
            let revisions = revised(&account, date);
            for (n, (revision, values)) in revisions.iter().enumerate() {
                let mut revised = record.clone();
                revised["revision"] = json!(revision);
                let is_last = n + 1 == revisions.len();
                for (place, id, value) in values {
                    match place {
                        Place::Corrects => revised["corrects"][id] = value.clone(),
                        Place::Metrics if !is_last => revised["metrics"][id] = value.clone(),
                        Place::Metrics => {}
                    }
                }
                if is_last {
                    record = revised;
                } else {
                    said.daily.push(revised);
                }
            }
            said.daily.push(record);
        }
    }
    said
}
