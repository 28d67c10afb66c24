//! Real activity: a public log in the native format, told as the oracle tells it and as it was counted.
//!
//! `fixtures/activity` has the log, the numbers that a script counted from it by itself, and what made both.
//! The log is as life is: people go away and come back, accounts in several zones change their plan, and a
//! good part of the events arrives out of order, some of them too late.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use libtest_mimic::Trial;
use mainstay::shard::Target;
use mainstay_engine::Settings;
use mainstay_model::{Code, Day};
use mainstay_testkit::oracle::{Fate, Oracle, Truth, same_value};
use mainstay_tests::shard_of;
use serde_json::{Map, Value};

use crate::pipeline::{self, Said};

pub(crate) fn trials() -> Vec<Trial> {
    crate::trials!("fixtures": [
        real_activity_is_told_as_it_was,
        real_activity_is_told_as_it_was_on_four_shards,
        the_numbers_counted_from_real_activity_hold,
    ])
}

fn real_activity_is_told_as_it_was() {
    let (expected, lines) = (expected(), lines());
    let (oracle, fates) = taken(Oracle::new(settings(&expected)), &lines);
    let (said, summary) = replayed(&expected, 1);
    let count = |wanted: Fate| fates.iter().filter(|fate| **fate == wanted).count() as u64;
    let too_late = count(Fate::Refused(Code::TooLate));
    assert_eq!(summary.counts.read, lines.len() as u64);
    assert_eq!(summary.counts.all_applied(), count(Fate::Applied));
    assert_eq!(summary.counts.all_applied() + too_late, lines.len() as u64);
    assert_eq!(said.codes(), vec![Code::TooLate.name(); said.dead.len()]);
    assert_eq!(said.dead.len() as u64, too_late);
    let truth = oracle.truth();
    none(&truth.differences(&said.found()));
    none(&truth.group_differences(&said.found_of_groups()));
    none(&truth.cohort_differences(&said.found_of_cohorts()));
}

fn real_activity_is_told_as_it_was_on_four_shards() {
    let expected = expected();
    let oracle = Oracle::sharded(settings(&expected), |account| shard_of(account, 4));
    let (oracle, _) = taken(oracle, &lines());
    let (said, _) = replayed(&expected, 4);
    let truth = oracle.truth();
    none(&truth.differences(&said.found()));
    none(&truth.group_differences(&said.found_of_groups()));
    none(&truth.cohort_differences(&said.found_of_cohorts()));
}

/// What stands in `expected.json` is what the oracle says of accounts, groups and cohorts, and what the
/// pipeline says of accounts and groups.
fn the_numbers_counted_from_real_activity_hold() {
    let (expected, lines) = (expected(), lines());
    let (oracle, fates) = taken(Oracle::new(settings(&expected)), &lines);
    let (said, _) = replayed(&expected, 1);
    let truth = oracle.truth();
    let refused = fates.iter().filter(|fate| matches!(fate, Fate::Refused(_)));
    assert_eq!(expected["records"]["read"], lines.len());
    assert_eq!(expected["records"]["too_late"], refused.count());
    let mut differences = of_accounts(&expected, &truth, &told(&said));
    differences.extend(of_groups(&expected, &truth, &told_of_groups(&said)));
    differences.extend(of_cohorts(&expected, &truth));
    none(&differences);
}

fn of_accounts(expected: &Value, truth: &Truth, told: &Told) -> Vec<String> {
    let mut differences = Vec::new();
    for (account, day, values) in days(&expected["accounts"]) {
        let record = told.get(&(account.to_owned(), day));
        let record = record.unwrap_or_else(|| panic!("no record of {account} on {day}"));
        for (id, counted) in values {
            let whose = format!("{account} {day} {id}");
            let of_oracle = truth.value(account, day, id);
            differences.extend(differs(&whose, counted, "the oracle", of_oracle));
            let of_pipeline = value_of(record, id);
            differences.extend(differs(&whose, counted, "the pipeline", of_pipeline));
        }
    }
    differences
}

fn of_groups(expected: &Value, truth: &Truth, told: &Told) -> Vec<String> {
    let mut differences = Vec::new();
    for (group, day, values) in days(&expected["groups"]) {
        let record = told.get(&(group.to_owned(), day));
        let record = record.unwrap_or_else(|| panic!("no record of {group} on {day}"));
        for (id, counted) in values {
            let of_oracle = truth.value_of_group(pair(group), day, id);
            let whose = format!("{group} {day} {id}");
            differences.extend(differs(&whose, counted, "the oracle", of_oracle));
            let of_pipeline = value_of(record, id);
            differences.extend(differs(&whose, counted, "the pipeline", of_pipeline));
        }
    }
    differences
}

fn of_cohorts(expected: &Value, truth: &Truth) -> Vec<String> {
    let mut differences = Vec::new();
    for (cohort, counted) in object(&expected["cohorts"]) {
        let (by, name) = pair(cohort);
        for (id, value) in object(&counted["values"]) {
            let whose = format!("{cohort} {id}");
            let found = truth
                .cohorts
                .get(&(by.to_owned(), name.to_owned(), id.clone()));
            let size = found.map(|found| Value::from(found.size));
            differences.extend(differs(&whose, &counted["size"], "size", size.as_ref()));
            let found = found.map(|found| &found.value);
            differences.extend(differs(&whose, value, "the oracle", found));
        }
    }
    differences
}

/// Of each account and day the last record.
type Told = BTreeMap<(String, Day), Value>;

fn told(said: &Said) -> Told {
    last_of(&said.daily, |record| text(record, "account_id"))
}

fn told_of_groups(said: &Said) -> Told {
    last_of(&said.groups, |record| {
        [text(record, "dimension"), text(record, "segment")].join("/")
    })
}

fn last_of(lines: &[Vec<u8>], whose: impl Fn(&Value) -> String) -> Told {
    let records = lines.iter().map(|line| {
        let record = pipeline::json(line);
        let name = (whose(&record), day(&text(&record, "date")));
        (name, record)
    });
    records.collect()
}

fn text(record: &Value, name: &str) -> String {
    let text = record[name].as_str();
    text.expect("a record says whose it is").to_owned()
}

/// A value of a record; that of a feature by its path, `features.input.users_30d`.
fn value_of<'a>(record: &'a Value, id: &str) -> Option<&'a Value> {
    match id.split('.').collect::<Vec<_>>()[..] {
        ["features", feature, what] => record["features"][feature].get(what),
        _ => record["metrics"].get(id),
    }
}

fn differs(whose: &str, counted: &Value, who: &str, found: Option<&Value>) -> Option<String> {
    let is_equal = found.is_some_and(|found| same_value(counted, found));
    let found = found.map_or("nothing".to_owned(), Value::to_string);
    (!is_equal).then(|| format!("{whose}: counted {counted}, {who} says {found}"))
}

fn none(differences: &[String]) {
    assert!(
        differences.is_empty(),
        "{} differences:\n  {}",
        differences.len(),
        differences[..differences.len().min(12)].join("\n  ")
    );
}

/// The records of a section: whose, of which day, and the values by id.
fn days(section: &Value) -> impl Iterator<Item = (&str, Day, &Map<String, Value>)> {
    object(section).iter().map(|(name, values)| {
        let (whose, date) = name.rsplit_once(' ').expect("a name and a date");
        (whose, day(date), object(values))
    })
}

fn day(date: &str) -> Day {
    date.parse().expect("a date")
}

/// The two halves of `plan/team`.
fn pair(name: &str) -> (&str, &str) {
    name.split_once('/')
        .expect("a group has a dimension and a name")
}

fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().expect("an object")
}

fn settings(expected: &Value) -> Settings {
    let settings = &expected["settings"];
    let names = |value: &Value| -> BTreeSet<String> {
        serde_json::from_value(value.clone()).expect("a list of names")
    };
    let features = object(&settings["features"]).iter();
    Settings {
        features: features
            .map(|(name, of)| (name.clone(), names(of)))
            .collect(),
        key_actions: names(&settings["key_actions"]),
        activation_events: names(&settings["activation_events"]),
        onboarding_steps: names(&settings["onboarding_steps"]),
        segments: names(&settings["segments"]).into_iter().collect(),
        ..Settings::default()
    }
}

fn taken(mut oracle: Oracle, lines: &[String]) -> (Oracle, Vec<Fate>) {
    let fates = lines.iter().map(|line| oracle.take(line.as_bytes(), None));
    let fates = fates.collect();
    (oracle, fates)
}

/// The file itself, packed as it is, through the pipeline.
fn replayed(expected: &Value, shards: u32) -> (Said, mainstay::replay::Summary) {
    let plan = pipeline::plan(settings(expected), Target::Files);
    let replay = pipeline::replay_of(plan, vec![vec![file("activity.jsonl.gz")]], shards);
    pipeline::run(&replay)
}

fn expected() -> Value {
    pipeline::json(&bytes("expected.json"))
}

fn lines() -> Vec<String> {
    let mut text = String::new();
    GzDecoder::new(&bytes("activity.jsonl.gz")[..])
        .read_to_string(&mut text)
        .expect("the log is packed text");
    text.lines().map(str::to_owned).collect()
}

fn bytes(name: &str) -> Vec<u8> {
    let path = file(name);
    std::fs::read(&path).unwrap_or_else(|err| panic!("{}: {err}", path.display()))
}

fn file(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/activity");
    folder.join(name)
}
