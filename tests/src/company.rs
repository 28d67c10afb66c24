//! What is fed in a test, and the oracle's truth about it.

use mainstay_engine::Settings;
use mainstay_model::Timestamp;
use mainstay_testkit::oracle::{Fate, Oracle, Truth};

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
    /// The truth about lines that are fed in this order, when the config says nothing about facts.
    ///
    /// # Panics
    /// When not one of them counts.
    #[must_use]
    pub fn of(mut lines: Vec<Line>) -> Company {
        let settings = Settings::default();
        let lateness_ms = settings.lateness_ms;
        let mut oracle = Oracle::sharded(settings, shard_of);
        let mut refused = take(&mut oracle, &lines);
        let newest = oracle.newest().expect("a company has at least one event");
        let closing = newest.plus_ms(2 * DAY_MS);
        let last = closers(closing);
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

/// One event on each shard, so late that it closes every day before it.
fn closers(at: Timestamp) -> Vec<Line> {
    let closer = |shard: u32| {
        let mut names = (0..).map(|n| format!("closer-{n}"));
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
        }
    };
    (0..SHARDS.unsigned_abs()).map(closer).collect()
}
