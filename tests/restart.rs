//! Killed at any point: a shard that is cut off after any slice and restored from what is left of its
//! changelog says what one says that was never cut off, byte for byte.
//!
//! A life is what a runtime could do to a shard: records, steps of work, slices that are committed, slices
//! that never are, compaction of any part of the log, restores again and again. What is held against an
//! uninterrupted run is what readers of committed records get.

use std::collections::BTreeMap;
use std::sync::Arc;

use libtest_mimic::Trial;
use mainstay::shard::{Logic, Plan, Target};
use mainstay_codec::Format;
use mainstay_connectors::{Closing, Shard, Slice, Topic};
use mainstay_engine::Settings;
use mainstay_model::Timestamp;
use mainstay_testkit::history::{self, Step};
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestCaseResult};

use crate::laws::{self, FAR};
use crate::pipeline::{self, REPLAYED_AT};

pub(crate) fn trials() -> Vec<Trial> {
    crate::trials!("restart": [
        cut_anywhere_a_shard_says_the_same,
        cut_anywhere_with_short_memories_a_shard_says_the_same,
        cut_after_every_record_a_shard_says_the_same,
        months_of_silence_and_deleted_accounts_are_restored,
        a_life_of_many_slices_remembers_ids_as_if_it_were_one,
        a_changelog_without_one_of_its_records_is_never_taken_for_whole,
    ])
}

fn cut_anywhere_a_shard_says_the_same() {
    let drawn = (laws::steps(120), life());
    laws::hold("restart", 96, drawn, |(steps, life)| {
        says_the_same(history::settings(), &history::lines(&steps, FAR), &life)
    });
}

/// With ids that are forgotten after minutes and corrections of a few days, everything expires soon.
fn cut_anywhere_with_short_memories_a_shard_says_the_same() {
    const MINUTE_MS: i64 = 60_000;
    let drawn = (laws::steps(120), life(), 0..4i32);
    laws::hold(
        "restart_short",
        96,
        drawn,
        |(steps, life, correction_days)| {
            let settings = Settings {
                correction_days,
                dedupe_product_ms: 20 * MINUTE_MS,
                dedupe_business_ms: 26 * 60 * MINUTE_MS,
                active_min_events: 2,
                ..history::settings()
            };
            says_the_same(settings, &history::lines(&steps, FAR), &life)
        },
    );
}

fn cut_after_every_record_a_shard_says_the_same() {
    laws::hold("restart_every", 24, laws::steps(60), |steps| {
        let each = [Turn {
            records: 1,
            then: Then::Crash,
            seed: 0,
        }];
        says_the_same(Settings::default(), &history::lines(&steps, FAR), &each)
    });
}

/// Days pass by the dozen, so that everything is forgotten that ever is, and some of it comes back.
fn months_of_silence_and_deleted_accounts_are_restored() {
    let drawn = (laws::steps(80), life());
    laws::hold("restart_months", 48, drawn, |(steps, life)| {
        says_the_same(
            Settings::default(),
            &history::lines(&stretched(steps), FAR),
            &life,
        )
    });
}

/// Every fourth step comes a week later, and more accounts are deleted.
fn stretched(mut steps: Vec<Step>) -> Vec<Step> {
    for (place, step) in steps.iter_mut().enumerate() {
        if place.is_multiple_of(4) {
            step.leap = step.leap.max(250);
        }
        if step.what.is_multiple_of(32) {
            (step.what, step.user) = (24, 0);
        }
    }
    steps
}

/// Numbers of slices take more than one byte, and ids come again when they were forgotten.
fn a_life_of_many_slices_remembers_ids_as_if_it_were_one() {
    let settings = Settings {
        dedupe_product_ms: 3_600_000,
        dedupe_business_ms: 20 * 24 * 3_600_000,
        ..Settings::default()
    };
    let begin = 1_772_323_200_000_i64;
    let line = |n: i64| {
        let (at, id) = (Timestamp(begin + n * 600_000), n * n % 41);
        let kind = match n % 3 {
            0 => r#""user.invited","data":{}"#,
            _ => r#""product.event","data":{"name":"opened"}"#,
        };
        format!(
            r#"{{"id":"{id}","account_id":"acme","user_id":"ada","time":"{at}","received_at":"{at}","type":{kind}}}"#
        )
    };
    let lines: Vec<String> = (0..600).map(line).collect();
    let each = [
        Turn {
            records: 1,
            then: Then::Commit,
            seed: 1,
        },
        Turn {
            records: 1,
            then: Then::Crash,
            seed: 2,
        },
    ];
    says_the_same(settings, &lines, &each).unwrap_or_else(|broken| panic!("{broken}"));
}

/// What happens after some records.
#[derive(Clone, Copy, Debug)]
enum Then {
    /// The slice is committed.
    Commit,
    /// As much work is done as can be, then the slice is committed.
    WorkAndCommit,
    /// One step of work is done, and the slice stays open.
    Step,
    /// What was committed is compacted.
    Compact,
    /// A slice is committed, and the process ends.
    Crash,
    /// The process ends before its slice is committed.
    Lose,
}

/// A turn of a life.
#[derive(Clone, Copy, Debug)]
struct Turn {
    records: usize,
    then: Then,
    /// What compaction takes.
    seed: u64,
}

fn life() -> impl Strategy<Value = Vec<Turn>> {
    let then = prop::sample::select(vec![
        Then::Commit,
        Then::WorkAndCommit,
        Then::Step,
        Then::Compact,
        Then::Crash,
        Then::Lose,
    ]);
    let turn = (0..9usize, then, any::<u64>()).prop_map(|(records, then, seed)| Turn {
        records,
        then,
        seed,
    });
    prop::collection::vec(turn, 1..20)
}

/// A life, over and over until the lines are read, against one without any turn.
fn says_the_same(settings: Settings, lines: &[String], life: &[Turn]) -> TestCaseResult {
    let plan = Arc::new(plan(settings));
    let mut quiet = Shell::new(&plan);
    let last = Turn {
        records: lines.len(),
        then: Then::Commit,
        seed: 0,
    };
    quiet.take(last, lines)?;
    let quiet = quiet.end(lines)?;
    let mut shell = Shell::new(&plan);
    // A life that reads nothing would never end.
    let reads = life.iter().map(|turn| turn.records).sum::<usize>();
    let commits = life.iter().any(|turn| !matches!(turn.then, Then::Lose));
    for turn in life.iter().cycle().take(20 * lines.len()) {
        if shell.next >= lines.len() || reads == 0 || !commits {
            break;
        }
        shell.take(*turn, lines)?;
    }
    let found = shell.end(lines)?;
    prop_assert_eq!(quiet.dead, found.dead);
    for (account, told) in &quiet.daily {
        let found = found.daily.get(account);
        for (place, line) in told.iter().enumerate() {
            let found = found.and_then(|lines| lines.get(place));
            let found = found.map_or("nothing".into(), |line| String::from_utf8_lossy(line));
            prop_assert_eq!(String::from_utf8_lossy(line), found);
        }
    }
    prop_assert_eq!(quiet.daily, found.daily);
    prop_assert_eq!(quiet.groups, found.groups);
    prop_assert_eq!(quiet.cohorts, found.cohorts);
    prop_assert_eq!(quiet.movements, found.movements);
    prop_assert_eq!(quiet.live, found.live);
    prop_assert_eq!(quiet.counts, found.counts);
    Ok(())
}

/// Two inputs, so that time is that of the slower one.
fn plan(settings: Settings) -> Plan {
    Plan {
        sources: ["accounts", "product"]
            .map(|name| (name.to_owned(), Format::Native))
            .into(),
        ..pipeline::plan(settings, Target::Topics)
    }
}

/// What readers of committed records got.
#[derive(Debug, Default)]
struct Told {
    /// Each account's records in their order: between accounts the order is free.
    daily: BTreeMap<String, Vec<Vec<u8>>>,
    /// The last record of each day of a group: how many there are before it depends on slices.
    groups: BTreeMap<[String; 3], String>,
    /// The same of cohorts.
    cohorts: BTreeMap<[String; 3], String>,
    /// Each account's movements of revenue in their order.
    movements: BTreeMap<Vec<u8>, Vec<Vec<u8>>>,
    /// The last values of each group as it is now.
    live: BTreeMap<String, String>,
    dead: Vec<String>,
    /// Applied events, duplicates and late ones.
    counts: (u64, u64, u64),
}

/// The values of a record, without as of when they are.
fn values(record: &[u8]) -> String {
    let record = pipeline::json(record);
    ["metrics", "features"]
        .map(|name| record[name].to_string())
        .concat()
}

impl Told {
    fn take(&mut self, slice: &Slice) {
        let counts = &slice.counts;
        self.counts.0 += counts.all_applied();
        self.counts.1 += counts.duplicates;
        self.counts.2 += counts.late;
        for record in slice.records() {
            let value = record.value.unwrap_or_default();
            match record.topic {
                Topic::AccountDaily => {
                    let line = pipeline::json(value);
                    let account = line["account_id"].as_str().unwrap_or_default().to_owned();
                    self.daily.entry(account).or_default().push(value.to_vec());
                }
                Topic::DeadLetter => {
                    let value = String::from_utf8_lossy(value);
                    self.dead.push(format!("{value} {:?}", record.headers));
                }
                Topic::SegmentDaily => {
                    let line = pipeline::json(value);
                    let name = ["dimension", "segment", "date"].map(|name| line[name].to_string());
                    match pipeline::without_revision(line) {
                        Some(record) => _ = self.groups.insert(name, record),
                        None => _ = self.groups.remove(&name),
                    }
                }
                Topic::Cohorts => {
                    let line = pipeline::json(value);
                    let name = ["cohort_by", "cohort", "metric"].map(|name| line[name].to_string());
                    // What was told and is known no more is as if it had never been.
                    let known = !line["value"].is_null();
                    match pipeline::without_revision(line).filter(|_| known) {
                        Some(record) => _ = self.cohorts.insert(name, record),
                        None => _ = self.cohorts.remove(&name),
                    }
                }
                Topic::MrrMovements => {
                    let account = record.key.unwrap_or_default().to_vec();
                    self.movements
                        .entry(account)
                        .or_default()
                        .push(value.to_vec());
                }
                Topic::SegmentMetrics => {
                    let name = String::from_utf8_lossy(record.key.unwrap_or_default());
                    match record.value {
                        Some(value) => _ = self.live.insert(name.into(), values(value)),
                        None => _ = self.live.remove(&*name),
                    }
                }
                Topic::AccountMetrics | Topic::Partials | Topic::Changelog => {}
            }
        }
    }
}

/// What surrounds a shard: the broker with the changelog and the position, and the process that may end.
struct Shell {
    plan: Arc<Plan>,
    logic: Logic,
    /// The changelog as the broker keeps it, compacted now and then.
    log: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// The position of the last commit.
    committed: usize,
    next: usize,
    /// What shards said to each other of groups, and how much of it was handed over, now and at the last commit.
    parts: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    parts_next: usize,
    parts_committed: usize,
    told: Told,
}

impl Shell {
    fn new(plan: &Arc<Plan>) -> Shell {
        Shell {
            plan: Arc::clone(plan),
            logic: plan.shard(0, 1, REPLAYED_AT),
            log: Vec::new(),
            committed: 0,
            next: 0,
            parts: Vec::new(),
            parts_next: 0,
            parts_committed: 0,
            told: Told::default(),
        }
    }

    fn take(&mut self, turn: Turn, lines: &[String]) -> TestCaseResult {
        self.read_to(lines.len().min(self.next + turn.records), lines);
        match turn.then {
            Then::Commit => self.commit(),
            Then::WorkAndCommit => {
                self.hand_over()?;
                while self.logic.work() {}
                self.commit()
            }
            Then::Step => {
                self.logic.work();
                Ok(())
            }
            Then::Compact => {
                self.compact(turn.seed);
                Ok(())
            }
            Then::Crash => {
                self.commit()?;
                self.compact(turn.seed);
                self.restore()
            }
            // A life of nothing but lost slices would never end.
            Then::Lose if self.committed == 0 => Ok(()),
            Then::Lose => self.restore(),
        }
    }

    fn read_to(&mut self, end: usize, lines: &[String]) {
        for (offset, line) in (self.next..end).zip(&lines[self.next..]) {
            self.read(offset, line);
        }
        self.next = end;
    }

    /// What is told of accounts comes by another input than what users do, bad records included.
    fn read(&mut self, offset: usize, line: &str) {
        let source = match line.contains(r#""account."#) {
            true => 0,
            false => 1,
        };
        pipeline::read(&mut self.logic, source, offset, line.as_bytes());
    }

    fn commit(&mut self) -> TestCaseResult {
        let mut slice = Slice::default();
        let closing = Closing {
            behind: false,
            pace_ms: 0,
        };
        self.logic.close(closing, &mut slice);
        for record in slice.records() {
            if record.topic == Topic::Changelog {
                let key = record.key.unwrap_or_default().to_vec();
                self.log.push((key, record.value.map(<[u8]>::to_vec)));
            } else if record.topic == Topic::Partials {
                let key = record.key.unwrap_or_default().to_vec();
                self.parts.push((key, record.value.map(<[u8]>::to_vec)));
            }
        }
        self.told.take(&slice);
        (self.committed, self.parts_committed) = (self.next, self.parts_next);
        prop_assert_eq!(self.logic.live_keys(), alive(&self.log).len() as u64);
        Ok(())
    }

    /// Hands over what is committed of parts of groups.
    fn hand_over(&mut self) -> TestCaseResult {
        for (key, value) in &self.parts[self.parts_next..] {
            let taken = self.logic.take_part(key, value.as_deref());
            taken.map_err(|error| TestCaseError::fail(error.to_string()))?;
        }
        self.parts_next = self.parts.len();
        Ok(())
    }

    /// Takes away some of what compaction may: records that a newer one of their key follows, and removals
    /// of keys of which nothing else is left.
    fn compact(&mut self, seed: u64) {
        let mut chance = seed;
        let mut newest = BTreeMap::new();
        let mut left: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
        for (place, (key, _)) in self.log.iter().enumerate() {
            newest.insert(key.clone(), place);
            *left.entry(key.clone()).or_default() += 1;
        }
        let mut place = 0;
        self.log.retain(|(key, value)| {
            // A step of splitmix64: what is taken is the same whenever the seed is.
            chance = chance.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mixed = (chance ^ (chance >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let wanted = (mixed >> 33).is_multiple_of(3);
            let is_newest = newest[key] == place;
            place += 1;
            let others = left.get_mut(key).expect("every key was counted");
            let may_go = !is_newest || (value.is_none() && *others == 1);
            let goes = wanted && may_go;
            *others -= usize::from(goes);
            !goes
        });
    }

    /// The process ends, and another one takes over.
    fn restore(&mut self) -> TestCaseResult {
        self.logic = self.plan.shard(0, 1, REPLAYED_AT);
        let failed = |error: &dyn std::fmt::Display| TestCaseError::fail(error.to_string());
        for (key, value) in &self.log {
            let restored = self.logic.restore(key, value.as_deref());
            restored.map_err(|error| failed(&error))?;
        }
        self.logic.restored().map_err(|error| failed(&error))?;
        prop_assert_eq!(self.logic.live_keys(), alive(&self.log).len() as u64);
        (self.next, self.parts_next) = (self.committed, self.parts_committed);
        Ok(())
    }

    /// All input is read and all days are closed.
    fn end(mut self, lines: &[String]) -> Result<Told, TestCaseError> {
        self.read_to(lines.len(), lines);
        self.commit()?;
        let now = self.logic.now();
        if now > Timestamp::MIN {
            self.logic.end(now, false);
        }
        self.commit()?;
        self.hand_over()?;
        self.logic.tell_groups();
        self.commit()?;
        Ok(self.told)
    }
}

fn alive(log: &[(Vec<u8>, Option<Vec<u8>>)]) -> BTreeMap<&[u8], &[u8]> {
    let mut alive = BTreeMap::new();
    for (key, value) in log {
        match value {
            Some(value) => _ = alive.insert(key.as_slice(), value.as_slice()),
            None => _ = alive.remove(key.as_slice()),
        }
    }
    alive
}

/// Whichever record a stranger takes away, it is found: by the state itself or by the count of keys.
fn a_changelog_without_one_of_its_records_is_never_taken_for_whole() {
    let lines = history::lines(&history::steps(5, 150), FAR);
    let mut shell = Shell::new(&Arc::new(plan(Settings::default())));
    let all = Turn {
        records: lines.len(),
        then: Then::Commit,
        seed: 0,
    };
    let taken = shell.take(all, &lines);
    taken.unwrap_or_else(|broken| panic!("{broken}"));
    let counted = shell.logic.live_keys();
    let kept = alive(&shell.log);
    assert!(kept.len() > 50, "{}", kept.len());
    for missing in kept.keys() {
        let mut logic = shell.plan.shard(0, 1, REPLAYED_AT);
        let rest = kept.iter().filter(|(key, _)| *key != missing);
        for (key, value) in rest {
            logic
                .restore(key, Some(value))
                .expect("whole records can be read");
        }
        let whole = logic.restored().is_ok() && logic.live_keys() == counted;
        assert!(!whole, "without {missing:?}");
    }
}
