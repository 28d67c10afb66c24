//! Segments and the fleet: what is told of groups when accounts move, come late, or are corrected.
//!
//! That every value is right the oracle sees elsewhere; here is what has a story.

use std::collections::BTreeMap;

use libtest_mimic::Trial;
use mainstay::shard::{Plan, Target};
use mainstay_engine::Settings;
use mainstay_testkit::history;
use mainstay_testkit::oracle::Oracle;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::laws::{self, NEAR};
use crate::pipeline;

pub(crate) fn trials() -> Vec<Trial> {
    crate::trials!("segments": [
        an_account_that_changes_its_plan_leaves_its_history_where_it_was,
        an_account_far_to_the_west_revises_a_day_that_was_told,
        a_late_event_revises_each_day_of_its_groups_once,
        a_group_that_nobody_was_in_after_all_is_withdrawn,
        more_segments_than_allowed_are_not_told_and_the_others_are_whole,
        segments_add_up_to_the_fleet,
        the_last_live_values_of_groups_are_the_sums_of_their_accounts_own,
        a_day_begins_with_nobody_where_it_has_begun,
    ])
}

fn plan(segments: &[&str], most: usize) -> Plan {
    let settings = Settings {
        segments: segments.iter().map(|name| (*name).to_owned()).collect(),
        segments_max: most,
        ..Settings::default()
    };
    pipeline::plan(settings, Target::Files)
}

fn event(id: &str, kind: &str, account: &str, at: &str, data: Value) -> String {
    let mut event = json!({
        "id": id, "type": kind, "account_id": account, "time": at, "received_at": at, "data": data,
    });
    if kind == "product.event" {
        event["user_id"] = "ada".into();
    }
    event.to_string()
}

fn used(id: &str, account: &str, at: &str) -> String {
    event(id, "product.event", account, at, json!({"name": "opened"}))
}

/// An event that arrives when another one of a later time already has.
fn late(line: &str, received_at: &str) -> String {
    let mut event: Value = serde_json::from_str(line).expect("it was made here");
    event["received_at"] = received_at.into();
    event.to_string()
}

/// The records of groups in their order, after a slice for each line.
fn told(plan: Plan, lines: &[String]) -> Vec<Value> {
    let said = pipeline::in_slices_of(1, plan, lines);
    said.groups
        .iter()
        .map(|line| pipeline::json(line))
        .collect()
}

/// The values of a metric by group and date, each time that it was told.
fn of(records: &[Value], metric: &str) -> BTreeMap<String, Vec<Value>> {
    let mut all: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for record in records {
        let text = |name: &str| record[name].as_str().unwrap_or_default();
        let name = [text("dimension"), text("segment"), text("date")].join(" ");
        all.entry(name)
            .or_default()
            .push(record["metrics"][metric].clone());
    }
    all
}

fn an_account_that_changes_its_plan_leaves_its_history_where_it_was() {
    let lines = [
        event(
            "1",
            "account.created",
            "acme",
            "2026-03-01T08:00:00Z",
            json!({"plan": "free"}),
        ),
        used("2", "acme", "2026-03-01T09:00:00Z"),
        used("3", "acme", "2026-03-02T09:00:00Z"),
        event(
            "4",
            "account.updated",
            "acme",
            "2026-03-02T10:00:00Z",
            json!({"plan": "pro"}),
        ),
        used("5", "acme", "2026-03-03T09:00:00Z"),
    ];
    let dau = of(&told(plan(&["plan"], 200), &lines), "dau");
    let days = [
        "all all 2026-03-01",
        "all all 2026-03-02",
        "all all 2026-03-03",
        "plan free 2026-03-01",
        "plan pro 2026-03-02",
        "plan pro 2026-03-03",
    ];
    let expected = days.map(|day| (day.to_owned(), vec![json!(1)]));
    assert_eq!(dau, expected.into());
}

/// Its first event comes when the day is closed where all others are, and is told again with it.
fn an_account_far_to_the_west_revises_a_day_that_was_told() {
    let berlin = json!({"tz": "Europe/Berlin"});
    let honolulu = json!({"tz": "Pacific/Honolulu"});
    let lines = [
        event(
            "1",
            "account.created",
            "spree",
            "2026-03-01T08:00:00Z",
            berlin,
        ),
        used("2", "spree", "2026-03-01T09:00:00Z"),
        // In Berlin it is the second, and the first is closed; in Honolulu it is still the first.
        used("3", "spree", "2026-03-02T05:00:00Z"),
        event(
            "4",
            "account.created",
            "aloha",
            "2026-03-02T05:30:00Z",
            honolulu,
        ),
        used("5", "aloha", "2026-03-02T06:00:00Z"),
        used("6", "spree", "2026-03-03T15:00:00Z"),
    ];
    let records = told(plan(&[], 200), &lines);
    let first: Vec<_> = records
        .iter()
        .filter(|record| record["date"] == "2026-03-01")
        .collect();
    let revisions = first.iter().map(|record| {
        (
            record["revision"].clone(),
            record["metrics"]["dau"].clone(),
            record["corrects"]["dau"].clone(),
        )
    });
    let revisions: Vec<_> = revisions.collect();
    assert_eq!(
        revisions,
        [
            (json!(0), json!(1), json!(null)),
            (json!(1), json!(2), json!(1))
        ]
    );
}

fn a_late_event_revises_each_day_of_its_groups_once() {
    let day = |day: u32, hour: u32| format!("2026-03-{day:02}T{hour:02}:00:00Z");
    let mut lines: Vec<String> = (1..=20)
        .map(|number| used(&format!("a{number}"), "acme", &day(number, 9)))
        .collect();
    let now = day(20, 10);
    lines.push(late(
        &used("late", "acme", &day(3, 12)).replace("ada", "bob"),
        &now,
    ));
    lines.push(late(
        &used("later", "acme", &day(3, 13)).replace("ada", "bob"),
        &now,
    ));
    lines.push(used("end", "acme", &day(22, 9)));
    let records = told(plan(&["plan"], 200), &lines);
    let mau = of(&records, "mau");
    for (group, values) in &mau {
        let date = &group[group.len() - 2..];
        let expected = match date {
            "01" | "02" => vec![json!(1)],
            "20" | "21" | "22" => vec![json!(2)],
            _ => vec![json!(1), json!(2)],
        };
        assert_eq!(*values, expected, "{group}");
    }
    assert_eq!(mau.len(), 2 * 22, "{:?}", mau.keys());
}

fn a_group_that_nobody_was_in_after_all_is_withdrawn() {
    let at = |day: u32| format!("2026-03-{day:02}T09:00:00Z");
    let lines = [
        event(
            "1",
            "account.created",
            "acme",
            &at(1),
            json!({"plan": "free"}),
        ),
        used("2", "acme", &at(2)),
        used("3", "acme", &at(4)),
        late(
            &event(
                "4",
                "account.updated",
                "acme",
                &at(2),
                json!({"plan": "pro"}),
            ),
            &at(4),
        ),
        used("5", "acme", &at(6)),
    ];
    let dau = of(&told(plan(&["plan"], 200), &lines), "dau");
    assert_eq!(dau["plan free 2026-03-01"], [json!(0)]);
    // Withdrawn: there are no metrics at all.
    assert_eq!(dau["plan free 2026-03-02"], [json!(1), json!(null)]);
    assert_eq!(dau["plan pro 2026-03-02"], [json!(1)]);
    assert!(!dau.contains_key("plan free 2026-03-05"));
}

fn more_segments_than_allowed_are_not_told_and_the_others_are_whole() {
    let at = |hour: u32| format!("2026-03-01T{hour:02}:00:00Z");
    let regions = ["north", "east", "south", "west", "east"];
    let mut lines = Vec::new();
    for (number, region) in regions.iter().enumerate() {
        let account = format!("account {number}");
        let hour = number as u32;
        lines.push(event(
            &account,
            "account.created",
            &account,
            &at(hour),
            json!({"region": region}),
        ));
        lines.push(used(&format!("{account} used"), &account, &at(hour)));
    }
    for shards in [1, 3] {
        let (said, _) = pipeline::replay(plan(&["region"], 2), &lines, shards);
        let records: Vec<Value> = said
            .groups
            .iter()
            .map(|line| pipeline::json(line))
            .collect();
        let dau = of(&records, "dau");
        assert_eq!(dau["all all 2026-03-01"], [json!(5)]);
        for (group, values) in &dau {
            let expected = match group.as_str() {
                "all all 2026-03-01" => 5,
                "region east 2026-03-01" => 2,
                _ => 1,
            };
            assert_eq!(*values, [json!(expected)], "{group}");
        }
        let segments = dau
            .keys()
            .filter(|group| group.starts_with("region"))
            .count();
        assert!(
            (1..=2 * shards as usize).contains(&segments),
            "{:?}",
            dau.keys()
        );
    }
}

/// Counts of things that an account has or does, none of which two segments could share.
const ADDITIVE: [&str; 8] = [
    "dau",
    "wau",
    "mau",
    "known_users",
    "events_7d",
    "sessions_1d",
    "active_accounts_30d",
    "lapsed_users_7d",
];

fn segments_add_up_to_the_fleet() {
    let drawn = (laws::steps(120), prop::sample::select(vec![1, 2, 5]));
    laws::hold("segments_add_up", 24, drawn, |(steps, shards)| {
        let plan = pipeline::plan(history::settings(), Target::Files);
        let (said, _) = pipeline::replay(plan, &laws::lines(&steps, NEAR), shards);
        let mut last = BTreeMap::new();
        for line in &said.groups {
            let record = pipeline::json(line);
            let name = ["date", "dimension", "segment"].map(|name| record[name].to_string());
            last.insert(name, record);
        }
        let mut sums: BTreeMap<(String, String, &str), i64> = BTreeMap::new();
        for ([date, dimension, _], record) in &last {
            for metric in ADDITIVE {
                let value = record["metrics"][metric].as_i64().unwrap_or_default();
                *sums
                    .entry((date.clone(), dimension.clone(), metric))
                    .or_default() += value;
            }
        }
        for ((date, dimension, metric), sum) in &sums {
            let fleet = sums.get(&(date.clone(), "\"all\"".to_owned(), *metric));
            prop_assert_eq!(fleet, Some(sum), "{} {} by {}", date, metric, dimension);
        }
        Ok(())
    });
}

fn the_last_live_values_of_groups_are_the_sums_of_their_accounts_own() {
    let drawn = (laws::steps(120), prop::sample::select(vec![1, 2, 5]));
    laws::hold("segments_live", 48, drawn, |(steps, shards)| {
        let lines = laws::lines(&steps, NEAR);
        let plan = pipeline::plan(history::settings(), Target::Files);
        let (said, _) = pipeline::replay(plan, &lines, shards);
        let truth = Oracle::of_lines(history::settings(), &lines).truth();
        laws::none(&truth.live_group_differences(&said.live_groups))?;
        let sum = |metric: &str| -> i64 {
            let values = said.live.iter();
            let values = values.map(|line| pipeline::json(line)["metrics"][metric].as_i64());
            values.map(Option::unwrap_or_default).sum()
        };
        let fleet = said.live_groups.iter().map(|line| pipeline::json(line));
        for record in fleet.filter(|record| record["dimension"] == "all") {
            for metric in ["dau", "mau", "events_30d", "known_users"] {
                prop_assert_eq!(record["metrics"][metric].as_i64(), Some(sum(metric)));
            }
            prop_assert_eq!(&record["partial"], false);
        }
        Ok(())
    });
}

/// Two hours before the day before is closed.
fn a_day_begins_with_nobody_where_it_has_begun() {
    let berlin = json!({"tz": "Europe/Berlin"});
    let lines = [
        event(
            "1",
            "account.created",
            "spree",
            "2026-03-01T08:00:00Z",
            berlin,
        ),
        used("2", "spree", "2026-03-01T22:30:00Z"),
        used("3", "thames", "2026-03-01T22:40:00Z"),
        used("4", "thames", "2026-03-01T23:10:00Z"),
    ];
    let (said, _) = pipeline::replay(plan(&[], 200), &lines, 2);
    assert_eq!(said.live_groups.len(), 1);
    let fleet = pipeline::json(&said.live_groups[0]);
    assert_eq!(fleet["metrics"]["dau"], 1, "in Berlin it is the second");
    assert_eq!(fleet["metrics"]["wau"], 2);
    assert_eq!(fleet["as_of"], "2026-03-01T23:10:00Z");
}
