//! Holds what was published against the truth.
//!
//! The oracle shares no code with the engine: it takes the events as they were sent and computes every
//! day in its own, slow way. What was published is read back from the topic, as a customer would. Both have
//! threads of their own; the judge compares all account-days that are closed, never a sample.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use anyhow::Context;
use mainstay_connectors::kafka::{Reader, partition_of};
use mainstay_engine::Settings;
use mainstay_model::Zone;
use mainstay_testkit::company::Record;
use mainstay_testkit::oracle::{Fate, Found, Oracle, Truth};

use super::SHARDS;
use super::movements::Movements;
use super::watcher::Watcher;

/// What the comparison found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// How many account-days were compared, each with all its values.
    pub account_days: usize,
    /// Everything that is not as it should be.
    pub differences: Vec<String>,
}

impl Verdict {
    /// Whether all that was published is true, and it was something.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        self.differences.is_empty() && self.account_days > 0
    }
}

/// What became of all events by the oracle's lights, and the days that are closed.
#[derive(Debug, Default)]
pub(super) struct Expected {
    pub(super) truth: Truth,
    pub(super) applied: u64,
    pub(super) duplicates: u64,
    pub(super) refused: u64,
}

impl Expected {
    pub(super) fn account_days(&self) -> usize {
        self.truth.accounts.values().map(|days| days.len()).sum()
    }
}

/// Takes all events in the order in which they were sent, until there are no more.
pub(super) fn keep_the_truth(settings: Settings, events: &Receiver<Vec<Record>>) -> Expected {
    let mut oracle = Oracle::sharded(settings, |account| partition_of(account.as_bytes(), SHARDS));
    let mut expected = Expected::default();
    for event in events.iter().flatten() {
        match oracle.take(&event.value, Some(event.arrival)) {
            Fate::Applied => expected.applied += 1,
            Fate::Duplicate => expected.duplicates += 1,
            Fate::Refused(_) => expected.refused += 1,
        }
    }
    expected.truth = oracle.truth_so_far();
    expected
}

/// What was read back.
#[derive(Debug)]
pub(super) struct Published {
    pub(super) found: Found,
    told: HashSet<u64>,
    last: Instant,
}

impl Published {
    pub(super) fn new() -> Published {
        Published {
            found: Found::default(),
            told: HashSet::new(),
            last: Instant::now(),
        }
    }

    /// Takes a record. The embedded broker shows what was aborted, and then shows it again: where there
    /// were aborts, what was read before, to the byte, is no second telling.
    pub(super) fn take(&mut self, value: &[u8], aborts: bool) {
        self.last = Instant::now();
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        if self.told.insert(hasher.finish()) || !aborts {
            self.found.take(value);
        }
    }
}

/// For how long nothing more has to come after the last commit.
const QUIET: Duration = Duration::from_millis(500);
/// For how long what is missing is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Reads all that is published: until `ended`, then until as much has come as `wanted` says, and silence.
pub(super) fn read_back(
    reader: &Reader,
    watcher: &Arc<Watcher>,
    ended: &AtomicBool,
    wanted: impl FnOnce() -> usize,
) -> anyhow::Result<Published> {
    let mut published = Published::new();
    let read = |published: &mut Published| {
        let read = reader.read(
            Duration::from_millis(50),
            &mut |_: &[u8], value: Option<&[u8]>| {
                let aborts = watcher.seen().aborted > 0;
                published.take(value.unwrap_or_default(), aborts);
            },
        );
        read.context("the published records cannot be read back")
    };
    while !ended.load(Ordering::Relaxed) {
        read(&mut published)?;
    }
    let wanted = wanted();
    published.last = Instant::now();
    loop {
        read(&mut published)?;
        let silent = published.last.elapsed();
        if silent > PATIENCE || (silent > QUIET && published.found.len() >= wanted) {
            return Ok(published);
        }
    }
}

/// Where the movements of an account do not add up to what it pays at the end of its last closed day.
fn books(truth: &Truth, told: &Movements, zones: &BTreeMap<String, Zone>) -> Vec<String> {
    let mut off = Vec::new();
    for (account, days) in &truth.accounts {
        let Some((day, metrics)) = days.last_key_value() else {
            continue;
        };
        let zone = zones.get(account).unwrap_or(&Zone::UTC);
        let sum = told.sum(account, zone.end_of(*day));
        let mrr = metrics.get("mrr").and_then(|mrr| mrr.as_i64());
        let mrr = mrr.unwrap_or_default();
        if sum != mrr {
            off.push(format!(
                "{account} {day}: movements add up to {sum}, expected {mrr}"
            ));
        }
    }
    off
}

/// Compares. Days of accounts are those of `zones`.
pub(super) fn judge(
    expected: &Expected,
    published: &Found,
    zones: &BTreeMap<String, Zone>,
    watcher: &Watcher,
) -> Verdict {
    let mut differences = expected.truth.differences(published);
    let seen = watcher.seen();
    differences.extend(books(&expected.truth, &seen.movements, zones));
    let counts = [
        ("applied", seen.counts.all_applied(), expected.applied),
        ("duplicate", seen.counts.duplicates, expected.duplicates),
        ("refused", seen.counts.all_rejected(), expected.refused),
    ];
    let wrong = counts
        .iter()
        .filter(|(_, found, expected)| found != expected);
    differences.extend(
        wrong.map(|(what, found, expected)| {
            format!("{found} events were {what}, expected {expected}")
        }),
    );
    Verdict {
        account_days: expected.account_days(),
        differences,
    }
}
