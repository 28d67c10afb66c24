//! What is fed in a test, and the oracle's truth about it.

use mainstay_engine::Settings;
use mainstay_model::Timestamp;
use mainstay_testkit::company::{self, Faults, Plan};
use mainstay_testkit::history::{self, Limits};
use mainstay_testkit::oracle::{Fate, Oracle, Truth};
use serde_json::Value;

use crate::deployment::SHARDS;
use crate::murmur2;

/// A record of the input, as a company's service sends it.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its key.
    pub account: String,
    /// When it arrived: the record's timestamp, in milliseconds.
    pub arrival_ms: i64,
    /// Its value.
    pub value: Vec<u8>,
    /// Whether it is sent by the billing system, on a topic of its own where there is one.
    pub billing: bool,
}

/// A company's history, in the order of arrival, and what must be said about it.
pub struct Company {
    /// All records, the last ones such that time passes on every shard and every day before is closed.
    pub lines: Vec<Line>,
    /// The final values of every account and closed day.
    pub truth: Truth,
    /// The values of the records that are refused.
    pub refused: Vec<Vec<u8>>,
}

const DAY_MS: i64 = 24 * 3_600_000;

impl Company {
    /// The settings that a company's truth and its Mainstays have in common. One dimension beside the fleet is enough
    /// where what is tried is the broker: each more is as many records again.
    #[must_use]
    pub fn settings() -> Settings {
        Settings {
            segments: vec!["plan".to_owned()],
            ..history::settings()
        }
    }

    /// A company with many small accounts around which everything happens that is hard: borders of days in
    /// several zones, late and early events, duplicates, conflicts, bad records.
    ///
    /// # Panics
    /// Never: such histories have events that count.
    #[must_use]
    pub fn eventful(seed: u64) -> Company {
        let mut lines: Vec<Line> = (0..HISTORIES).flat_map(|n| one_history(seed, n)).collect();
        lines.sort_by_key(|line| line.arrival_ms);
        Company::of(lines)
    }

    /// A company as they are, with customers who pay; what is late can be corrected, and no order among its topics
    /// makes a difference.
    ///
    /// # Panics
    /// Never: such a company does something.
    #[must_use]
    pub fn with_billing(seed: u64) -> Company {
        let faults = Faults {
            too_late: 0,
            future: 0,
            conflict: 0,
            ..Faults::default()
        };
        let stream = company::Company::new(Plan {
            seed,
            accounts: 40,
            users: 400,
            days: 30,
            billing: true,
            faults,
            ..Plan::default()
        });
        let end = Plan::default().begin.plus_ms(60 * DAY_MS);
        let records = stream.take_while(|record| record.arrival < end);
        let lines = records.map(|record| Line {
            account: record.key,
            arrival_ms: record.arrival.0,
            value: record.value,
            billing: record.topic == "billing",
        });
        Company::of(lines.collect())
    }

    /// The truth about lines that are fed in this order.
    ///
    /// # Panics
    /// When not one of them counts.
    #[must_use]
    pub fn of(mut lines: Vec<Line>) -> Company {
        let settings = Company::settings();
        let lateness_ms = settings.lateness_ms;
        let mut oracle = Oracle::sharded(settings, shard_of);
        let mut refused = take(&mut oracle, &lines);
        let newest = oracle.newest().expect("a company has at least one event");
        let closing = newest.plus_ms(2 * DAY_MS);
        let last = [("closer", false), ("payer", true)]
            .map(|(who, billing)| closers(who, billing, closing));
        let last = last.concat();
        refused.extend(take(&mut oracle, &last));
        lines.extend(last);
        Company {
            lines,
            truth: oracle.truth_until(closing.minus_ms(lateness_ms)),
            refused,
        }
    }

    /// All lines, cut in two.
    #[must_use]
    pub fn halves(&self) -> (&[Line], &[Line]) {
        self.lines.split_at(self.lines.len() / 2)
    }
}

const HISTORIES: u64 = 25;
const STEPS: usize = 150;

/// The lines of one history, with accounts of its own, as its services would key and send them.
fn one_history(seed: u64, n: u64) -> Vec<Line> {
    let limits = Limits {
        beyond_horizon: false,
    };
    let steps = history::steps(seed * HISTORIES + n, STEPS);
    let mut arrival_ms = 0;
    let lines = history::until_forgotten(history::lines(&steps, limits));
    let lines = lines.into_iter().map(|text| {
        let text = move_to_own_account(text, n);
        let event: Value = serde_json::from_str(&text).unwrap_or_default();
        arrival_ms = received_ms(&event).unwrap_or(arrival_ms);
        Line {
            account: event["account_id"].as_str().unwrap_or("nobody").to_owned(),
            arrival_ms,
            value: text.into_bytes(),
            billing: false,
        }
    });
    lines.collect()
}

/// Done on the text, so that what is bad about a line stays bad; a blank account stays blank.
fn move_to_own_account(text: String, n: u64) -> String {
    const FIELD: &str = r#""account_id":""#;
    match text.contains(r#""account_id":"  ""#) {
        true => text,
        false => text.replace(FIELD, &format!("{FIELD}{n} ")),
    }
}

fn received_ms(event: &Value) -> Option<i64> {
    let text = event["received_at"].as_str()?;
    chrono::DateTime::parse_from_rfc3339(text)
        .ok()
        .map(|at| at.timestamp_millis())
}

fn shard_of(account: &str) -> u32 {
    murmur2::shard_of(account, SHARDS.unsigned_abs())
}

fn take(oracle: &mut Oracle, lines: &[Line]) -> Vec<Vec<u8>> {
    let mut refused = Vec::new();
    for line in lines {
        match oracle.take(&line.value, Some(Timestamp(line.arrival_ms))) {
            Fate::Applied | Fate::Duplicate => {}
            Fate::Refused(_) => refused.push(line.value.clone()),
        }
    }
    refused
}

/// One event on each shard, so late that it closes every day before it; a payer's is the billing system's.
fn closers(who: &str, billing: bool, at: Timestamp) -> Vec<Line> {
    let closer = |shard: u32| {
        let mut names = (0..).map(|n| format!("{who}-{n}"));
        let account = names
            .find(|name| shard_of(name) == shard)
            .expect("names have no end");
        let value = format!(
            r#"{{"id":"{account}","type":"product.event","account_id":"{account}","time":"{at}","data":{{"name":"opened"}}}}"#
        );
        Line {
            account,
            arrival_ms: at.0,
            value: value.into_bytes(),
            billing,
        }
    };
    (0..SHARDS.unsigned_abs()).map(closer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shard_has_much_to_tell_and_something_to_refuse() {
        let company = Company::eventful(1);
        let mut accounts = [0; SHARDS as usize];
        for account in company.truth.accounts.keys() {
            accounts[shard_of(account) as usize] += 1;
        }
        assert!(accounts.iter().all(|count| *count > 20), "{accounts:?}");
        assert!(company.refused.len() > 100, "{}", company.refused.len());
    }

    #[test]
    fn records_arrive_in_the_order_in_which_they_are_fed() {
        let company = Company::eventful(2);
        assert!(company.lines.is_sorted_by_key(|line| line.arrival_ms));
    }
}
