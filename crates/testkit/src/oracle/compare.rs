//! Holding output records against the truth.

use std::collections::BTreeMap;

use mainstay_model::Day;
use serde_json::{Map, Value};

use super::Truth;

/// The `account-daily` records of a run: of each account and day the last revision.
///
/// On the way it watches what must hold between revisions: the first is 0, each one adds 1, and `corrects`
/// has exactly the old values of what changed. A record without any metrics withdraws what was told.
#[derive(Debug, Default)]
pub struct Found {
    days: BTreeMap<(String, Day), Map<String, Value>>,
    /// Revisions that do not follow from the one before.
    broken: Vec<String>,
}

impl Found {
    /// All records of an `account-daily.jsonl`, or of the topic.
    pub fn of_lines<L: AsRef<[u8]>>(lines: impl IntoIterator<Item = L>) -> Found {
        let mut found = Found::default();
        for line in lines {
            found.take(line.as_ref());
        }
        found
    }

    /// Takes one record, in the order in which they were said.
    pub fn take(&mut self, record: &[u8]) {
        let lossy = || String::from_utf8_lossy(record).into_owned();
        let Ok(Value::Object(record)) = serde_json::from_slice(record) else {
            self.broken.push(format!("no JSON object: {}", lossy()));
            return;
        };
        let day = record.get("date").and_then(Value::as_str).map(str::parse);
        let account = record.get("account_id").and_then(Value::as_str);
        let (Some(Ok(day)), Some(account)) = (day, account) else {
            self.broken
                .push(format!("no account and date: {}", lossy()));
            return;
        };
        let name = (account.to_owned(), day);
        let before = self.days.get(&name);
        if let Some(why) = broken_revision(before, &record) {
            self.broken.push(format!("{account} {day}: {why}"));
        }
        self.days.insert(name, record);
    }

    fn told(&self, account: &str, day: Day) -> Option<&Map<String, Value>> {
        let record = self.days.get(&(account.to_owned(), day))?;
        let metrics = record.get("metrics").and_then(Value::as_object)?;
        (!metrics.is_empty()).then_some(metrics)
    }

    /// How many accounts and days have a record.
    #[must_use]
    pub fn len(&self) -> usize {
        self.days.len()
    }

    /// Whether there was no record at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.days.is_empty()
    }

    /// Leaves out the days for which `keep` says so.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, Day) -> bool) {
        self.days.retain(|(account, day), _| keep(account, *day));
    }
}

fn broken_revision(
    before: Option<&Map<String, Value>>,
    now: &Map<String, Value>,
) -> Option<String> {
    let revision = |record: &Map<String, Value>| record.get("revision").and_then(Value::as_i64);
    let expected = before.and_then(revision).map_or(0, |before| before + 1);
    if revision(now) != Some(expected) {
        return Some(format!(
            "revision {:?}, expected {expected}",
            now.get("revision")
        ));
    }
    let nothing = Map::new();
    let object = |record: &'_ Map<String, Value>, name| {
        record
            .get(name)
            .and_then(Value::as_object)
            .unwrap_or(&nothing)
            .clone()
    };
    let Some(before) = before else {
        return (!object(now, "corrects").is_empty()).then(|| "corrects nothing".to_owned());
    };
    let (was, is) = (object(before, "metrics"), object(now, "metrics"));
    let withdrawn = is.is_empty();
    let changed = was
        .into_iter()
        .filter(|_| !withdrawn)
        .filter(|(id, was)| is.get(id) != Some(was));
    let changed: Map<String, Value> = changed.collect();
    let corrects = object(now, "corrects");
    (corrects != changed).then(|| {
        let (corrects, changed) = (Value::from(corrects), Value::from(changed));
        format!("corrects {corrects}, but what changed had been {changed}")
    })
}

pub(super) fn differences(truth: &Truth, found: &Found) -> Vec<String> {
    let mut lines = found.broken.clone();
    for (account, days) in &truth.accounts {
        for (day, expected) in days {
            let Some(metrics) = found.told(account, *day) else {
                lines.push(format!("{account} {day}: no record"));
                continue;
            };
            for (id, expected) in expected {
                let told = metrics.get(*id);
                if !told.is_some_and(|told| same_value(expected, told)) {
                    let told = told.map_or("nothing".to_owned(), Value::to_string);
                    lines.push(format!(
                        "{account} {day}: {id} is {told}, expected {expected}"
                    ));
                }
            }
        }
    }
    let is_true = |(account, day): &(String, Day)| {
        let days = truth.accounts.get(account);
        days.is_some_and(|days| days.contains_key(day))
    };
    let told = found
        .days
        .keys()
        .filter(|(account, day)| found.told(account, *day).is_some());
    let invented = told.filter(|name| !is_true(name));
    lines.extend(invented.map(|(account, day)| format!("{account} {day}: a record of no right")));
    lines
}

/// Equal exactly; that a whole number may be written with or without a point is all that is forgiven.
#[must_use]
pub fn same_value(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            one == other || one.as_f64() == other.as_f64()
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(a, b)| same_value(a, b))
        }
        _ => one == other,
    }
}
