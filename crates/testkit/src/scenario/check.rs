//! Holding what was said against what a story expects, and rewriting the story.

use std::fmt::Write;

use mainstay_model::Day;
use serde_json::Value;

use super::{Expected, Place, Said, Scenario};
use crate::oracle::same_value;

pub(super) fn differences(scenario: &Scenario, said: &Said) -> Vec<String> {
    let mut lines = Vec::new();
    let mut dead = dead_letters(scenario, said).into_iter();
    for (n, (line, expected)) in scenario.text.iter().enumerate() {
        let Some(expected) = expected else { continue };
        let is = match expected {
            Expected::Dead { .. } => dead.next(),
            Expected::Values { .. } | Expected::Absent { .. } => Some(found(expected, said)),
        };
        let holds = is.as_ref().is_some_and(|is| agree(expected, is));
        if !holds {
            let is = is.map_or("no more dead letters".to_owned(), |is| told(&is));
            let line = line.trim();
            lines.push(format!("line {}: {line}\n      said: {is}", n + 1));
        }
    }
    lines.extend(dead.map(|more| format!("not expected: {}", told(&more))));
    lines
}

pub(super) fn refreshed(scenario: &Scenario, said: &Said) -> String {
    let mut text = String::new();
    let mut dead = dead_letters(scenario, said).into_iter();
    for (line, expected) in &scenario.text {
        let is = match expected {
            None => None,
            Some(Expected::Dead { .. }) => match dead.next() {
                Some(is) => Some(is),
                None => continue,
            },
            Some(expected) => Some(found(expected, said)),
        };
        match (expected, is) {
            (Some(expected), Some(is)) if !agree(expected, &is) => {
                let indent = &line[..line.len() - line.trim_start().len()];
                let _ = writeln!(text, "{indent}{}", told(&is));
            }
            _ => {
                let _ = writeln!(text, "{line}");
            }
        }
    }
    for more in dead {
        let _ = writeln!(text, "{}", told(&more));
    }
    text
}

/// What was said in the place of what is expected.
fn found(expected: &Expected, said: &Said) -> Expected {
    match expected {
        Expected::Dead { .. } => expected.clone(),
        Expected::Absent { account, date } => match record(said, account, *date, None) {
            None => expected.clone(),
            Some(record) => Expected::Values {
                account: account.clone(),
                date: *date,
                revision: None,
                values: vec![value_of(record, Place::Metrics, "dau")],
            },
        },
        Expected::Values {
            account,
            date,
            revision,
            values,
        } => match record(said, account, *date, *revision) {
            None => Expected::Absent {
                account: account.clone(),
                date: *date,
            },
            Some(record) => Expected::Values {
                account: account.clone(),
                date: *date,
                revision: *revision,
                values: values
                    .iter()
                    .map(|(place, id, _)| value_of(record, *place, id))
                    .collect(),
            },
        },
    }
}

fn value_of(record: &Value, place: Place, id: &str) -> (Place, String, Value) {
    let within = match place {
        Place::Metrics => "metrics",
        Place::Corrects => "corrects",
    };
    let value = record.get(within).and_then(|values| values.get(id));
    let value = value.cloned().unwrap_or_else(|| Value::from("nothing"));
    (place, id.to_owned(), value)
}

fn record<'a>(
    said: &'a Said,
    account: &str,
    date: Day,
    revision: Option<i64>,
) -> Option<&'a Value> {
    let date = date.to_string();
    said.daily.iter().rev().find(|record| {
        let wanted = revision.is_none_or(|revision| record["revision"] == revision);
        wanted && record["account_id"] == account && record["date"] == date.as_str()
    })
}

/// What became of the records that were refused; `-` stands for an account that cannot be read.
fn dead_letters(scenario: &Scenario, said: &Said) -> Vec<Expected> {
    let of = |(code, offset): &(String, usize)| {
        let record = scenario.records.get(*offset);
        let record: Option<Value> = record.and_then(|text| serde_json::from_str(text).ok());
        let account = record.as_ref().and_then(|r| r["account_id"].as_str());
        Expected::Dead {
            code: code.clone(),
            account: account
                .filter(|id| !id.trim().is_empty())
                .unwrap_or("-")
                .to_owned(),
        }
    };
    said.dead.iter().map(of).collect()
}

fn agree(expected: &Expected, is: &Expected) -> bool {
    match (expected, is) {
        (
            Expected::Values {
                values: expected, ..
            },
            Expected::Values { values: is, .. },
        ) => {
            let same =
                |(one, other): (&(_, _, Value), &(_, _, Value))| same_value(&one.2, &other.2);
            expected.len() == is.len() && expected.iter().zip(is).all(same)
        }
        _ => expected == is,
    }
}

/// An expectation as a line of a story.
fn told(expected: &Expected) -> String {
    match expected {
        Expected::Absent { account, date } => format!("absent {account} {date}"),
        Expected::Dead { code, account } => format!("dead {code} {account}"),
        Expected::Values {
            account,
            date,
            revision,
            values,
        } => {
            let mut line = format!("expect {account} {date}");
            if let Some(revision) = revision {
                let _ = write!(line, " revision={revision}");
            }
            for (place, id, value) in values {
                let place = match place {
                    Place::Metrics => "",
                    Place::Corrects => "corrects.",
                };
                let value = value.as_str().map_or(value.to_string(), str::to_owned);
                let _ = write!(line, " {place}{id}={value}");
            }
            line
        }
    }
}
