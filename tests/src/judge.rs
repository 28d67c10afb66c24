//! Compares what readers got with the truth: nothing lost, nothing twice, no value wrong.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use mainstay_model::Zone;
use mainstay_testkit::oracle::{Found, FoundCohorts, Truth};
use serde::Deserialize;
use serde_json::Value;

use crate::Record;

/// What readers of `account-daily` were told so far.
#[derive(Default)]
pub struct AccountDaily {
    found: Found,
    /// Who told of an account first.
    shards: BTreeMap<String, i32>,
    by_two: Vec<String>,
}

impl AccountDaily {
    /// Takes one record more.
    pub fn take(&mut self, record: &Record) {
        self.found.take(value(record));
        let Ok(Whose {
            account_id: account,
        }) = serde_json::from_slice(value(record))
        else {
            return;
        };
        match self.shards.get(&account).copied() {
            Some(shard) if shard != record.partition => {
                let other = record.partition;
                let line = format!("{account} was told by shard {shard} and by {other}");
                self.by_two.push(line);
            }
            Some(_) => {}
            None => _ = self.shards.insert(account, record.partition),
        }
    }

    /// What is wrong, one line each; empty when the truth is told exactly once: of each account and closed day the last
    /// revision has the oracle's values, the revisions are 0, 1, 2 … without a gap, there is no day that the oracle
    /// does not know, and an account has one shard, whoever runs it.
    #[must_use]
    pub fn wrong(&self, truth: &Truth) -> Vec<String> {
        let mut wrong = truth.differences(&self.found);
        wrong.extend_from_slice(&self.by_two);
        wrong
    }
}

#[derive(Deserialize)]
struct Whose {
    account_id: String,
}

/// What readers of `mrr-movements` were told so far.
#[derive(Default)]
pub struct Movements {
    told: BTreeMap<String, Movement>,
    broken: Vec<String>,
}

/// What is compared of a movement.
#[derive(Deserialize)]
struct Movement {
    movement_id: String,
    account_id: String,
    at: String,
    kind: String,
    amount_minor: i128,
    mrr_before: i128,
    mrr_after: i128,
    event_id: Option<String>,
    gap_days: Option<i32>,
    #[serde(default)]
    revision: u32,
    #[serde(default)]
    withdrawn: bool,
}

impl Movements {
    /// Takes one record more.
    pub fn take(&mut self, record: &Record) {
        let movement: Movement = match serde_json::from_slice(value(record)) {
            Ok(movement) => movement,
            Err(why) => return self.broken.push(format!("no movement: {why}")),
        };
        let before = self.told.get(&movement.movement_id);
        let expected = before.map_or(0, |before| before.revision + 1);
        let found = movement.revision;
        let name = || format!("{} {}", movement.account_id, movement.movement_id);
        if found != expected {
            let line = format!("{}: revision {found}, expected {expected}", name());
            self.broken.push(line);
        }
        if movement.mrr_before + movement.amount_minor != movement.mrr_after {
            self.broken.push(format!("{}: does not add up", name()));
        }
        if movement.event_id.is_none() != (movement.kind == "fx") {
            self.broken.push(format!("{}: of which event?", name()));
        }
        self.told.insert(movement.movement_id.clone(), movement);
    }

    /// What is wrong, one line each: of each account the last tellings that were not withdrawn are how its revenue
    /// moved up to the end of its last closed day, in this order; what moved later is told besides.
    #[must_use]
    pub fn wrong(&self, truth: &Truth) -> Vec<String> {
        let mut found: BTreeMap<&str, Vec<&Movement>> = BTreeMap::new();
        for movement in self.told.values().filter(|told| !told.withdrawn) {
            let of_account = found.entry(&movement.account_id).or_default();
            of_account.push(movement);
        }
        // At one instant a rate comes before what else changes.
        let place = |one: &&Movement| (one.at_ms(), one.kind != "fx");
        found.values_mut().for_each(|all| all.sort_by_key(place));
        // Nowhere does a day end sooner than 14 hours before it does in London.
        let closed = Zone::UTC.end_of(truth.closed.unwrap_or_default());
        let closed = closed.minus_ms(14 * 3_600_000).0;
        let mut wrong = self.broken.clone();
        for (account, expected) in &truth.movements {
            let found = found.remove(account.as_str()).unwrap_or_default();
            let told = found.iter().map(|one| one.as_moved()).collect::<Vec<_>>();
            let expected: Vec<Moved<'_>> = expected.iter().map(as_moved).collect();
            let later = told.get(expected.len()..).unwrap_or_default();
            let later = later.iter().all(|(at, ..)| *at >= closed);
            if !later || told.get(..expected.len()) != Some(&expected[..]) {
                wrong.push(format!("{account} moved {told:?}, expected {expected:?}"));
            }
        }
        wrong.extend(
            found
                .keys()
                .map(|account| format!("{account} is not known")),
        );
        wrong
    }
}

/// When, which kind, before and after, and for how long a customer was away.
type Moved<'m> = (i64, &'m str, (i128, i128), Option<i32>);

impl Movement {
    fn as_moved(&self) -> Moved<'_> {
        let mrr = (self.mrr_before, self.mrr_after);
        (self.at_ms(), &self.kind, mrr, self.gap_days)
    }

    /// What is no instant is before all.
    fn at_ms(&self) -> i64 {
        let at = self.at.parse::<DateTime<Utc>>();
        at.map_or(i64::MIN, |at| at.timestamp_millis())
    }
}

fn as_moved(true_one: &mainstay_testkit::oracle::mrr::Moved) -> Moved<'_> {
    let at = true_one.at.0;
    (at, true_one.kind, true_one.mrr, true_one.gap_days)
}

/// What readers of `segment-daily` were told so far: each group and day that every account has closed.
#[derive(Default)]
pub struct SegmentDaily(Found);

impl SegmentDaily {
    /// Takes one record more.
    pub fn take(&mut self, record: &Record) {
        self.0.take(value(record));
    }

    /// What is wrong, one line each.
    #[must_use]
    pub fn wrong(&self, truth: &Truth) -> Vec<String> {
        truth.group_differences(&self.0)
    }
}

/// What readers of `cohorts` were told so far.
#[derive(Default)]
pub struct Cohorts(FoundCohorts);

impl Cohorts {
    /// Takes one record more.
    pub fn take(&mut self, record: &Record) {
        self.0.take(value(record));
    }

    /// What is wrong once the last day is closed, one line each.
    #[must_use]
    pub fn wrong(&self, truth: &Truth) -> Vec<String> {
        truth.cohort_differences(&self.0)
    }
}

fn value(record: &Record) -> &[u8] {
    record.value.as_deref().unwrap_or_default()
}

/// What is wrong with the records of `dead-letter`: those that were refused are there, with their original
/// bytes, once each, and nothing else is.
#[must_use]
pub fn dead_letters(records: &[Record], refused: &[Vec<u8>]) -> Vec<String> {
    let mut counts: BTreeMap<&[u8], i32> = BTreeMap::new();
    for value in refused {
        *counts.entry(value).or_default() += 1;
    }
    for record in records {
        *counts
            .entry(record.value.as_deref().unwrap_or_default())
            .or_default() -= 1;
    }
    let off = counts.into_iter().filter(|(_, missing)| *missing != 0);
    off.map(|(value, missing)| {
        let value = String::from_utf8_lossy(value);
        match missing > 0 {
            true => format!("{missing} dead letters are missing: {value}"),
            false => format!("{} dead letters of no right: {value}", -missing),
        }
    })
    .collect()
}

/// Counts of things that no two accounts share.
const ADDITIVE: [&str; 4] = ["dau", "mau", "known_users", "events_30d"];

/// What is wrong with the newest values of groups: that the fleet is not what its accounts are together, by the topic
/// or by the gauges of those who were asked; that a dimension is not the fleet; that it is told by two.
#[must_use]
pub fn fleet_now(accounts: &[Record], groups: &[Record], scraped: &[String]) -> Vec<String> {
    let mut wrong = Vec::new();
    let (accounts, groups) = (newest(accounts), newest(groups));
    for metric in ADDITIVE {
        let of = |record: &Value| record["metrics"][metric].as_i64().unwrap_or_default();
        let sum: i64 = accounts.values().map(of).sum();
        let mut told: BTreeMap<&str, i64> = BTreeMap::new();
        for record in groups.values() {
            let dimension = record["dimension"].as_str().unwrap_or_default();
            *told.entry(dimension).or_default() += of(record);
        }
        let fleet = format!("mainstay_{metric}{{dimension=\"all\",segment=\"all\"}} ");
        let gauges = scraped.iter().flat_map(|text| text.lines());
        let gauges: Vec<&str> = gauges
            .filter_map(|line| line.strip_prefix(fleet.as_str()))
            .collect();
        if gauges != [sum.to_string()] {
            wrong.push(format!("{metric}: gauges {gauges:?}, of accounts {sum}"));
        }
        if told.len() < 2 || told.values().any(|told| *told != sum) {
            wrong.push(format!("{metric}: {told:?}, of accounts {sum}"));
        }
    }
    let partial = groups.values().filter(|record| record["partial"] != false);
    wrong.extend(partial.map(|record| format!("{} is partial", record["segment"])));
    wrong
}

/// The last record of each key, of those that were not taken back.
fn newest(records: &[Record]) -> BTreeMap<&[u8], Value> {
    let mut newest = BTreeMap::new();
    for record in records {
        let key = record.key.as_deref().unwrap_or_default();
        match &record.value {
            Some(value) => {
                newest.insert(key, serde_json::from_slice(value).unwrap_or_default());
            }
            None => _ = newest.remove(key),
        }
    }
    newest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_letter_that_came_twice_is_found() {
        let twice = [letter("x"), letter("x")];
        assert_eq!(
            dead_letters(&twice, &[b"x".to_vec()]),
            ["1 dead letters of no right: x"]
        );
    }

    #[test]
    fn a_dead_letter_that_is_missing_is_found() {
        assert_eq!(
            dead_letters(&[], &[b"x".to_vec()]),
            ["1 dead letters are missing: x"]
        );
    }

    #[test]
    fn two_refused_records_with_the_same_bytes_are_two_dead_letters() {
        let refused = [b"x".to_vec(), b"x".to_vec()];
        assert!(dead_letters(&[letter("x"), letter("x")], &refused).is_empty());
    }

    #[test]
    fn an_account_that_two_shards_tell_of_is_found() {
        let mut other = letter(r#"{"account_id":"acme"}"#);
        other.partition = 1;
        let mut told = AccountDaily::default();
        told.take(&letter(r#"{"account_id":"acme"}"#));
        told.take(&other);
        assert_eq!(told.by_two, ["acme was told by shard 0 and by 1"]);
    }

    #[test]
    fn movements_that_are_missing_doubled_or_wrong_are_found() {
        let told = |id: &str, revision: u32, after: i64, more: &str| {
            letter(&format!(
                r#"{{"movement_id":"{id}","account_id":"acme","at":"2026-03-01T09:00:00Z","kind":"new","amount_minor":{after},"mrr_before":0,"mrr_after":{after},"event_id":"e","revision":{revision}{more}}}"#
            ))
        };
        let mut truth = Truth::default();
        let moved = mainstay_testkit::oracle::mrr::Moved {
            at: mainstay_model::Timestamp(1_772_355_600_000),
            kind: "new",
            mrr: (0, 500),
            gap_days: None,
            passive: None,
        };
        truth.movements.insert("acme".to_owned(), vec![moved]);
        truth.closed = "2026-03-02".parse().ok();
        let wrong = |records: &[Record]| {
            let mut movements = Movements::default();
            records.iter().for_each(|record| movements.take(record));
            movements.wrong(&truth).len()
        };
        let gone = r#","withdrawn":true"#;
        assert_eq!(wrong(&[told("a", 0, 500, "")]), 0);
        assert_eq!(wrong(&[told("a", 0, 400, ""), told("a", 1, 500, "")]), 0);
        let withdrawn = [
            told("a", 0, 500, ""),
            told("b", 0, 7, ""),
            told("b", 1, 0, gone),
        ];
        assert_eq!(wrong(&withdrawn), 0);
        assert_eq!(wrong(&[]), 1);
        assert_eq!(wrong(&[told("a", 0, 400, "")]), 1);
        assert_eq!(wrong(&[told("a", 0, 500, ""), told("a", 0, 500, "")]), 1);
        assert_eq!(wrong(&[told("a", 0, 500, ""), told("b", 0, 500, "")]), 1);
        let away = r#","gap_days":3"#;
        assert_eq!(wrong(&[told("a", 0, 500, away)]), 1);
        let nobody = told("a", 0, 500, "").value.unwrap_or_default();
        let nobody = String::from_utf8_lossy(&nobody).into_owned();
        assert_eq!(wrong(&[letter(&nobody.replace("acme", "byte"))]), 2);
        assert_eq!(wrong(&[letter(&nobody.replace(r#""e""#, "null"))]), 1);
        let more = nobody.replace(r#""amount_minor":500"#, r#""amount_minor":501"#);
        assert_eq!(wrong(&[letter(&more)]), 1);
    }

    #[test]
    fn a_fleet_that_is_not_the_sum_of_its_accounts_is_found() {
        let told = |key: &str, whose: &str, dau: i64| Record {
            key: Some(key.as_bytes().to_vec()),
            ..letter(&format!(
                r#"{{{whose},"partial":false,"metrics":{{"dau":{dau}}}}}"#
            ))
        };
        let account = |id: &str, dau| told(id, &format!(r#""account_id":"{id}""#), dau);
        let group = |name: &str, dau| told(name, &format!(r#""dimension":"{name}""#), dau);
        let gone = Record {
            value: None,
            ..account("b", 7)
        };
        let accounts = [account("a", 1), account("a", 2), account("b", 7), gone];
        let scraped = |dau: i64| {
            let line = |metric: &str| {
                let value = if metric == "dau" { dau } else { 0 };
                format!("mainstay_{metric}{{dimension=\"all\",segment=\"all\"}} {value}\n")
            };
            vec![ADDITIVE.map(line).concat()]
        };
        let groups = |plan| [group("all", 2), group("plan", plan)];
        assert_eq!(
            fleet_now(&accounts, &groups(2), &scraped(2)),
            Vec::<String>::new()
        );
        assert_eq!(fleet_now(&accounts, &groups(1), &scraped(2)).len(), 1);
        assert_eq!(fleet_now(&accounts, &groups(2), &scraped(3)).len(), 1);
        let twice = [scraped(2), scraped(2)].concat();
        assert_eq!(fleet_now(&accounts, &groups(2), &twice).len(), 4);
    }

    fn letter(value: &str) -> Record {
        Record {
            partition: 0,
            offset: 0,
            key: None,
            value: Some(value.as_bytes().to_vec()),
            headers: Vec::new(),
        }
    }
}
