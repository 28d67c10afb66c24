//! Holding output records against the truth.

use std::collections::BTreeMap;
use std::fmt;

use mainstay_model::Day;
use serde_json::{Map, Value};

use super::{CohortName, Group, Metrics, Truth, ids};

/// The `account-daily` or `segment-daily` records of a run: of each account or group and day the last
/// revision.
///
/// On the way it watches what must hold between revisions: the first is 0, each one adds 1, and `corrects`
/// has exactly the old values of what changed. A record without any metrics withdraws what was told.
#[derive(Debug, Default)]
pub struct Found {
    days: BTreeMap<(Whose, Day), Told>,
    /// Revisions that do not follow from the one before.
    broken: Vec<String>,
}

/// The last record of an account or group and day.
#[derive(Debug)]
struct Told {
    revision: Option<i64>,
    /// All values, those of features by their path; empty where what was told is withdrawn.
    values: Map<String, Value>,
}

/// Whose values a record has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Whose {
    Account(String),
    Group(Group),
}

impl fmt::Display for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Whose::Account(account) => f.write_str(account),
            Whose::Group((dimension, segment)) => write!(f, "{dimension}/{segment}"),
        }
    }
}

impl Whose {
    fn of(record: &Map<String, Value>) -> Option<Whose> {
        let text = |name| record.get(name)?.as_str().map(str::to_owned);
        let group = || Some(Whose::Group((text("dimension")?, text("segment")?)));
        text("account_id").map(Whose::Account).or_else(group)
    }
}

impl Found {
    /// All records of an `account-daily.jsonl` or a `segment-daily.jsonl`, or of the topic.
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
        let Ok(Value::Object(mut record)) = serde_json::from_slice(record) else {
            self.broken.push(format!("no JSON object: {}", lossy()));
            return;
        };
        let day = record.get("date").and_then(Value::as_str).map(str::parse);
        let (Some(Ok(day)), Some(whose)) = (day, Whose::of(&record)) else {
            let why = format!("no account or group, or no date: {}", lossy());
            self.broken.push(why);
            return;
        };
        let name = (whose, day);
        let told = Told {
            revision: record.get("revision").and_then(Value::as_i64),
            values: take_values(&mut record),
        };
        let before = self.days.get(&name);
        if let Some(why) = broken_revision(before, &told, record.remove("corrects")) {
            self.broken.push(format!("{} {day}: {why}", name.0));
        }
        self.days.insert(name, told);
    }

    /// What was told, unless it was withdrawn.
    fn told(&self, whose: &Whose, day: Day) -> Option<&Map<String, Value>> {
        let told = self.days.get(&(whose.clone(), day))?;
        Some(&told.values).filter(|values| !values.is_empty())
    }

    /// How many accounts, or groups, and days have a record.
    #[must_use]
    pub fn len(&self) -> usize {
        self.days.len()
    }

    /// Whether there was no record at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.days.is_empty()
    }

    /// Leaves out the records of accounts for which `keep` does not say so.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, Day) -> bool) {
        self.days.retain(|(whose, day), _| match whose {
            Whose::Account(account) => keep(account, *day),
            Whose::Group(_) => true,
        });
    }
}

/// Takes all values out of a record.
fn take_values(record: &mut Map<String, Value>) -> Map<String, Value> {
    let mut object = |name| match record.remove(name) {
        Some(Value::Object(values)) => values,
        Some(_) | None => Map::new(),
    };
    let (mut all, features) = (object("metrics"), object("features"));
    for (feature, values) in &features {
        let values = values.as_object().into_iter().flatten();
        all.extend(values.map(|(what, value)| (ids::of_feature(feature, what), value.clone())));
    }
    all
}

fn broken_revision(before: Option<&Told>, now: &Told, corrects: Option<Value>) -> Option<String> {
    let expected = before.and_then(|before| before.revision);
    let expected = expected.map_or(0, |before| before + 1);
    if now.revision != Some(expected) {
        let found = now.revision;
        return Some(format!("revision {found:?}, expected {expected}"));
    }
    let corrects = match corrects {
        Some(Value::Object(corrects)) => corrects,
        Some(_) | None => Map::new(),
    };
    let Some(before) = before else {
        return (!corrects.is_empty()).then(|| "corrects nothing".to_owned());
    };
    let withdrawn = now.values.is_empty();
    let was = before.values.iter().filter(|_| !withdrawn);
    let changed = was.filter(|(id, was)| now.values.get(*id) != Some(was));
    let changed = changed.map(|(id, was)| (id.clone(), was.clone()));
    let changed: Map<String, Value> = changed.collect();
    (corrects != changed).then(|| {
        let (corrects, changed) = (Value::from(corrects), Value::from(changed));
        format!("corrects {corrects}, but what changed had been {changed}")
    })
}

pub(super) fn of_accounts(truth: &Truth, found: &Found) -> Vec<String> {
    let accounts = truth.accounts.iter();
    let expected = accounts.map(|(account, days)| (Whose::Account(account.clone()), days));
    differences(expected.collect(), None, found)
}

pub(super) fn of_groups(truth: &Truth, found: &Found) -> Vec<String> {
    let groups = truth.groups.iter();
    let expected = groups.map(|(group, days)| (Whose::Group(group.clone()), days));
    differences(expected.collect(), truth.closed, found)
}

/// Live records have no date: all are taken to be of one.
pub(super) fn of_groups_now<L: AsRef<[u8]>>(
    truth: &Truth,
    records: impl IntoIterator<Item = L>,
) -> Vec<String> {
    let day = Day::default();
    let mut newest: BTreeMap<String, Value> = BTreeMap::new();
    for record in records {
        let mut record: Value = serde_json::from_slice(record.as_ref()).unwrap_or_default();
        record["date"] = day.to_string().into();
        record["revision"] = 0.into();
        let name = ["dimension", "segment"].map(|name| record[name].to_string());
        newest.insert(name.join("/"), record);
    }
    let found = Found::of_lines(newest.values().map(Value::to_string));
    let groups = truth.now.iter();
    let groups = groups.map(|(group, now)| (group.clone(), BTreeMap::from([(day, now.clone())])));
    let groups: BTreeMap<_, _> = groups.collect();
    let expected = groups
        .iter()
        .map(|(group, days)| (Whose::Group(group.clone()), days));
    differences(expected.collect(), None, &found)
}

fn differences(
    truth: BTreeMap<Whose, &BTreeMap<Day, Metrics>>,
    until: Option<Day>,
    found: &Found,
) -> Vec<String> {
    let waiting = ids::waiting();
    let is_compared = |name: &str| !waiting.contains(ids::in_catalogue(name).as_str());
    let mut lines = found.broken.clone();
    for (whose, days) in &truth {
        for (day, expected) in *days {
            let Some(told) = found.told(whose, *day) else {
                lines.push(format!("{whose} {day}: no record"));
                continue;
            };
            for (id, expected) in expected.iter().filter(|(id, _)| is_compared(id)) {
                let told = told.get(id);
                if !told.is_some_and(|told| same_value(expected, told)) {
                    let told = told.map_or("nothing".to_owned(), Value::to_string);
                    lines.push(format!(
                        "{whose} {day}: {id} is {told}, expected {expected}"
                    ));
                }
            }
            let invented = told.keys().filter(|id| !expected.contains_key(*id));
            lines.extend(invented.map(|id| format!("{whose} {day}: {id} is of no right")));
        }
    }
    let is_true = |(whose, day): &(Whose, Day)| {
        let days = truth.get(whose);
        days.is_some_and(|days| days.contains_key(day))
    };
    let told = found.days.iter();
    let told = told.filter(|((_, day), _)| until.is_none_or(|until| *day <= until));
    let invented = told.filter(|(name, told)| !told.values.is_empty() && !is_true(name));
    lines.extend(invented.map(|((whose, day), _)| format!("{whose} {day}: a record of no right")));
    lines
}

/// The `cohorts` records of a run: of each cohort and metric the last one.
#[derive(Debug, Default)]
pub struct FoundCohorts {
    values: BTreeMap<CohortName, Map<String, Value>>,
    broken: Vec<String>,
}

impl FoundCohorts {
    /// All records of a `cohorts.jsonl`, or of the topic.
    pub fn of_lines<L: AsRef<[u8]>>(lines: impl IntoIterator<Item = L>) -> FoundCohorts {
        let mut found = FoundCohorts::default();
        for line in lines {
            found.take(line.as_ref());
        }
        found
    }

    /// Takes one record, in the order in which they were said.
    pub fn take(&mut self, record: &[u8]) {
        let name = |record: &Map<String, Value>| {
            let text = |name| record.get(name)?.as_str().map(str::to_owned);
            Some((text("cohort_by")?, text("cohort")?, text("metric")?))
        };
        let read = serde_json::from_slice::<Map<String, Value>>(record).ok();
        match read.and_then(|record| Some((name(&record)?, record))) {
            Some((name, record)) => {
                let before = self.values.get(&name);
                if let Some(why) = broken_telling(before, &record) {
                    let (by, cohort, metric) = &name;
                    self.broken.push(format!("{by} {cohort}: {metric}: {why}"));
                }
                self.values.insert(name, record);
            }
            None => {
                let lossy = String::from_utf8_lossy(record);
                self.broken.push(format!("no value of a cohort: {lossy}"));
            }
        }
    }
}

/// Why a value of a cohort cannot follow the one that was told before.
fn broken_telling(before: Option<&Map<String, Value>>, now: &Map<String, Value>) -> Option<String> {
    let revision = |record: &Map<String, Value>| record.get("revision").and_then(Value::as_i64);
    let expected = before.and_then(revision).map_or(0, |before| before + 1);
    if revision(now) != Some(expected) {
        let found = now.get("revision");
        return Some(format!("revision {found:?}, expected {expected}"));
    }
    let told = ["size", "value", "complete"].into_iter();
    let changed = told.filter_map(|field| {
        let was = before?.get(field)?;
        (now.get(field) != Some(was)).then(|| (field.to_owned(), was.clone()))
    });
    let changed: Map<String, Value> = changed.collect();
    let corrects = now.get("corrects").and_then(Value::as_object);
    let corrects = corrects.cloned().unwrap_or_default();
    (corrects != changed || (before.is_some() && changed.is_empty())).then(|| {
        let (corrects, changed) = (Value::from(corrects), Value::from(changed));
        format!("corrects {corrects}, but what changed had been {changed}")
    })
}

/// That nothing is known and that nothing is said is the same here: a cohort has no fixed list of values.
pub(super) fn of_cohorts(truth: &Truth, found: &FoundCohorts) -> Vec<String> {
    let mut lines = found.broken.clone();
    let whose = |(by, cohort, metric): &CohortName| format!("{by} {cohort}: {metric}");
    let is_null = |record: &Map<String, Value>| record.get("value").is_none_or(Value::is_null);
    for (name, expected) in &truth.cohorts {
        let told = found.values.get(name).filter(|record| !is_null(record));
        let Some(told) = told else {
            if !expected.value.is_null() {
                let (whose, expected) = (whose(name), &expected.value);
                lines.push(format!("{whose} is not told, expected {expected}"));
            }
            continue;
        };
        let fields = [
            ("value", expected.value.clone()),
            ("size", Value::from(expected.size)),
            ("complete", Value::from(expected.complete)),
            ("age", expected.age.clone().map_or(Value::Null, Value::from)),
        ];
        // What is of all so far has no age, by whatever name.
        let fields = fields
            .into_iter()
            .filter(|(field, value)| *field != "age" || !value.is_null());
        for (field, expected) in fields {
            let told = told.get(field).cloned().unwrap_or_default();
            if !same_value(&expected, &told) {
                let whose = whose(name);
                lines.push(format!("{whose}: {field} is {told}, expected {expected}"));
            }
        }
    }
    let told = found.values.iter().filter(|(_, record)| !is_null(record));
    let invented = told.filter(|(name, _)| !truth.cohorts.contains_key(*name));
    lines.extend(invented.map(|(name, _)| format!("{} is of no right", whose(name))));
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
