//! Several shards that run and end each at its own pace: what they hand to each other makes groups and cohorts that are
//! whole and true, whoever is ahead, however late it arrives, and whatever is lost with a process and done again.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use libtest_mimic::Trial;
use mainstay::shard::{Logic, Plan, Target};
use mainstay_connectors::{Closing, InputRecord, NoHeaders, Shard, Slice, SourceNo, Topic};
use mainstay_model::Timestamp;
use mainstay_tests::{Company, Line, shard_of};
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestCaseResult};

use crate::laws;
use crate::pipeline::{self, REPLAYED_AT, Said};

pub(crate) fn trials() -> Vec<Trial> {
    crate::trials!("fleet": [
        at_any_pace_and_over_any_end_shards_tell_one_truth,
    ])
}

const SHARDS: u32 = 4;

/// What is not read by then is read at the end.
const MOST_TURNS: usize = 200;

/// What happens to one of the shards, or to all of them.
#[derive(Clone, Copy, Debug)]
enum What {
    /// It reads so many records of its input.
    Read(usize),
    /// It reads so many of the parts that others have handed to it.
    Take(usize),
    /// It does so many steps of what time made due.
    Work(usize),
    /// What it did is committed.
    Commit,
    /// It ends, and what was not committed is lost.
    Lose,
    /// It commits, and ends.
    End,
    /// All end, in order.
    EndAll,
    /// Of the parts that were handed to it the broker keeps the newest of each key.
    Compact,
}

#[derive(Clone, Copy, Debug)]
struct Turn {
    shard: usize,
    what: What,
}

fn turn() -> impl Strategy<Value = Turn> {
    let what = prop_oneof![
        4 => (1..100usize).prop_map(What::Read),
        3 => (1..2000usize).prop_map(What::Take),
        3 => (1..40usize).prop_map(What::Work),
        4 => Just(What::Commit),
        1 => Just(What::Lose),
        1 => Just(What::End),
        1 => Just(What::EndAll),
        1 => Just(What::Compact),
    ];
    (0..SHARDS as usize, what).prop_map(|(shard, what)| Turn { shard, what })
}

fn at_any_pace_and_over_any_end_shards_tell_one_truth() {
    // So long that days are forgotten, with corrections up to the end.
    const LINES: usize = 2400;
    static COMPANY: LazyLock<Company> = LazyLock::new(|| {
        let whole = Company::eventful(1);
        Company::of(whole.lines[..LINES].to_vec())
    });
    laws::hold("fleet", 6, prop::collection::vec(turn(), 1..200), |turns| {
        tells_the_truth(&COMPANY, &turns)
    });
}

fn tells_the_truth(company: &Company, turns: &[Turn]) -> TestCaseResult {
    let mut fleet = Fleet::new(&company.lines);
    let reads = turns.iter().any(|turn| matches!(turn.what, What::Read(_)));
    for turn in turns.iter().cycle().take(MOST_TURNS) {
        if !reads || fleet.has_read_all() {
            break;
        }
        fleet.take(*turn)?;
    }
    fleet.finish()?;
    let said = fleet.said;
    let mut wrong = company.truth.differences(&said.found());
    wrong.extend(company.truth.group_differences(&said.found_of_groups()));
    wrong.extend(company.truth.cohort_differences(&said.found_of_cohorts()));
    laws::none(&wrong)
}

/// The shards, and the broker between them.
struct Fleet<'c> {
    plan: Arc<Plan>,
    shards: Vec<Place<'c>>,
    /// What is committed of `partials`, by partition and offset; compaction leaves holes.
    parts: Vec<Vec<Option<Record>>>,
    said: Said,
}

type Record = (Vec<u8>, Option<Vec<u8>>);

/// A shard, its input, and what of it is committed.
struct Place<'c> {
    logic: Logic,
    lines: Vec<&'c Line>,
    /// The changelog, as compaction leaves it.
    log: BTreeMap<Vec<u8>, Vec<u8>>,
    /// How much it has read of its input, and of parts.
    at: (usize, usize),
    committed: (usize, usize),
}

impl<'c> Fleet<'c> {
    fn new(lines: &'c [Line]) -> Fleet<'c> {
        let plan = Arc::new(pipeline::plan(Company::settings(), Target::Topics));
        let place = |no: u32| Place {
            logic: plan.shard(no, SHARDS, REPLAYED_AT),
            lines: lines
                .iter()
                .filter(|line| shard_of(&line.account, SHARDS) == no)
                .collect(),
            log: BTreeMap::new(),
            at: (0, 0),
            committed: (0, 0),
        };
        Fleet {
            shards: (0..SHARDS).map(place).collect(),
            parts: vec![Vec::new(); SHARDS as usize],
            said: Said::default(),
            plan,
        }
    }

    fn has_read_all(&self) -> bool {
        self.shards
            .iter()
            .all(|place| place.committed.0 == place.lines.len())
    }

    fn take(&mut self, turn: Turn) -> TestCaseResult {
        let place = &mut self.shards[turn.shard];
        match turn.what {
            What::Read(records) => place.read(records),
            What::Take(records) => place.hand_over(&self.parts[turn.shard], records)?,
            What::Work(steps) => _ = (0..steps).all(|_| place.logic.work()),
            What::Commit => self.commit(turn.shard),
            What::Lose => self.restore(turn.shard)?,
            What::End => {
                self.commit(turn.shard);
                self.restore(turn.shard)?;
            }
            What::Compact => compact(&mut self.parts[turn.shard]),
            What::EndAll => {
                (0..self.shards.len()).for_each(|shard| self.commit(shard));
                (0..self.shards.len()).try_for_each(|shard| self.restore(shard))?;
            }
        }
        Ok(())
    }

    fn commit(&mut self, shard: usize) {
        let mut slice = Slice::default();
        let closing = Closing {
            behind: false,
            pace_ms: 0,
        };
        let place = &mut self.shards[shard];
        place.logic.close(closing, &mut slice);
        place.committed = place.at;
        for record in slice.records() {
            let owned = || {
                (
                    record.key.unwrap_or_default().to_vec(),
                    record.value.map(<[u8]>::to_vec),
                )
            };
            match (record.topic, record.partition) {
                (Topic::Changelog, _) => match owned() {
                    (key, Some(value)) => _ = place.log.insert(key, value),
                    (key, None) => _ = place.log.remove(&key),
                },
                (Topic::Partials, Some(to)) => self.parts[to as usize].push(Some(owned())),
                _ => {}
            }
        }
        self.said.take(&slice);
    }

    fn restore(&mut self, shard: usize) -> TestCaseResult {
        let failed = |error: &dyn std::fmt::Display| TestCaseError::fail(error.to_string());
        let place = &mut self.shards[shard];
        place.logic = self.plan.shard(shard as u32, SHARDS, REPLAYED_AT);
        for (key, value) in &place.log {
            let restored = place.logic.restore(key, Some(value));
            restored.map_err(|error| failed(&error))?;
        }
        place.logic.restored().map_err(|error| failed(&error))?;
        place.at = place.committed;
        Ok(())
    }

    /// Everything is read, and nothing is left to be done.
    fn finish(&mut self) -> TestCaseResult {
        loop {
            let mut quiet = true;
            for shard in 0..self.shards.len() {
                let place = &mut self.shards[shard];
                let before = place.at;
                place.read(usize::MAX);
                place.hand_over(&self.parts[shard], usize::MAX)?;
                while place.logic.work() {}
                quiet &= before == place.at;
                self.commit(shard);
            }
            if quiet {
                return Ok(());
            }
        }
    }
}

impl Place<'_> {
    fn read(&mut self, records: usize) {
        let end = self.lines.len().min(self.at.0.saturating_add(records));
        for (offset, line) in (self.at.0..end).zip(&self.lines[self.at.0..]) {
            self.logic.apply(&InputRecord {
                source: SourceNo(0),
                topic: "product-events",
                partition: 0,
                offset: i64::try_from(offset).expect("histories are short"),
                arrival: Some(Timestamp(line.arrival_ms)),
                key: Some(line.account.as_bytes()),
                value: Some(&line.value),
                headers: &NoHeaders,
            });
        }
        self.at.0 = end;
    }

    fn hand_over(&mut self, parts: &[Option<Record>], records: usize) -> TestCaseResult {
        let end = parts.len().min(self.at.1.saturating_add(records));
        for (key, value) in parts[self.at.1..end].iter().flatten() {
            let taken = self.logic.take_part(key, value.as_deref());
            taken.map_err(|error| TestCaseError::fail(error.to_string()))?;
        }
        self.at.1 = end;
        Ok(())
    }
}

/// The broker leaves a part alone for a day, so none is taken back before its reader has seen it; how it stood in between
/// may be lost.
fn compact(parts: &mut [Option<Record>]) {
    let mut newest = BTreeMap::new();
    for (offset, part) in parts.iter().enumerate() {
        match part {
            Some((key, Some(_))) => _ = newest.insert(key.clone(), offset),
            Some((key, None)) => _ = newest.remove(key),
            None => {}
        }
    }
    for (offset, part) in parts.iter_mut().enumerate() {
        let is_old = |key| newest.get(key).is_some_and(|newest| *newest != offset);
        if part.as_ref().is_some_and(|(key, _)| is_old(key)) {
            *part = None;
        }
    }
}
