//! The engine's books of recurring revenue against the slow oracle, and against laws of their own, on histories
//! in which billing arrives late, twice, out of order and too late.

#![allow(clippy::unwrap_used, reason = "the helpers of a test fail it")]

use std::collections::{BTreeMap, VecDeque};

use mainstay_codec::{Format, Limits as Size, records};
use mainstay_engine::{
    Beat, Engine, Outputs, Pace, Place, Settings, account_columns, group_columns,
};
use mainstay_model::{AccountDaily, Column, Day, MrrMovement, SegmentDaily, SegmentMetrics};
use mainstay_model::{Timestamp, Zone};
use mainstay_testkit::history::{self, Limits};
use mainstay_testkit::oracle::{Found, Oracle, Truth};
use serde_json::Value;

const NEAR: Limits = Limits {
    beyond_horizon: false,
};
const FAR: Limits = Limits {
    beyond_horizon: true,
};

/// What a movement was last told to be.
#[derive(Clone, Debug, PartialEq)]
struct Told {
    account: String,
    at: Timestamp,
    kind: String,
    cause: String,
    before: i128,
    after: i128,
    event: Option<String>,
    revision: u32,
    withdrawn: bool,
}

/// All that was said.
struct Said {
    columns: Vec<Column>,
    daily: Vec<Vec<u8>>,
    of_groups: Vec<Column>,
    groups: Vec<Vec<u8>>,
    now: Vec<Vec<u8>>,
    parts: VecDeque<(Vec<u8>, Option<Vec<u8>>)>,
    movements: BTreeMap<String, Told>,
}

impl Outputs for Said {
    fn account_daily(&mut self, record: &AccountDaily<'_>) {
        let mut line = Vec::new();
        records::account_daily(&self.columns, record, "USD", &mut line);
        self.daily.push(line);
    }

    fn segment_daily(&mut self, record: &SegmentDaily<'_>) {
        let mut line = Vec::new();
        records::segment_daily(&self.of_groups, record, "USD", &mut line);
        self.groups.push(line);
    }

    fn segment_metrics(&mut self, record: &SegmentMetrics<'_>) {
        let mut line = Vec::new();
        records::segment_metrics(&self.of_groups, record, "USD", &mut line);
        self.now.push(line);
    }

    fn part(&mut self, _: Option<(&str, &str)>, key: &[u8], value: Option<&[u8]>) {
        self.parts
            .push_back((key.to_vec(), value.map(<[u8]>::to_vec)));
    }

    fn mrr_movement(&mut self, record: &MrrMovement<'_>) {
        let told = Told {
            account: record.account.to_owned(),
            at: record.at,
            kind: record.kind.to_owned(),
            cause: record.cause.to_owned(),
            before: record.before,
            after: record.after,
            event: record.event.map(str::to_owned),
            revision: record.revision,
            withdrawn: record.withdrawn,
        };
        let before = self.movements.insert(record.id.to_owned(), told);
        let expected = before.map_or(0, |before| before.revision + 1);
        assert_eq!(record.revision, expected, "{record:?}");
    }
}

/// A run over all lines, restarted after every so many of them.
fn run(settings: &Settings, lines: &[String], restart: Option<usize>) -> Said {
    let mut said = Said {
        columns: account_columns(settings),
        daily: Vec::new(),
        of_groups: group_columns(settings),
        groups: Vec::new(),
        now: Vec::new(),
        parts: VecDeque::new(),
        movements: BTreeMap::new(),
    };
    let mut engine = empty(settings);
    let mut log: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    let mut last = Timestamp::MIN;
    for (number, line) in lines.iter().enumerate() {
        let read: Value = serde_json::from_str(line).unwrap_or_default();
        let arrival = read["received_at"].as_str().map(instant);
        let decoded = Format::Native.decode(line.as_bytes(), &Size::default(), |event| {
            let arrival = arrival.unwrap_or(Timestamp(i64::MAX));
            let verdict = engine.apply(0, arrival, &event, &mut said);
            if let mainstay_engine::Verdict::Applied { .. } = verdict {
                last = last.max(event.time);
            }
        });
        drop(decoded);
        works(&mut engine, &mut said);
        if restart.is_some_and(|every| number % every == every - 1) {
            engine.save(&mut |key, value| match value {
                Some(value) => _ = log.insert(key.to_vec(), value.to_vec()),
                None => _ = log.remove(key),
            });
            assert_eq!(engine.live_keys(), log.len() as u64);
            engine = empty(settings);
            for (key, value) in &log {
                engine.restore(key, Some(value));
            }
            engine.restored().unwrap();
        }
    }
    engine.set_idle(0, true);
    engine.tick(last);
    works(&mut engine, &mut said);
    engine.tell_changed(&mut |_, _| Pace::Now, (false, false), &mut said);
    engine.tell_live_groups(&Beat::LAST, &mut said);
    works(&mut engine, &mut said);
    engine.tell_live_groups(&Beat::LAST, &mut said);
    engine.run_on(last, &mut said);
    works(&mut engine, &mut said);
    engine.tell_groups(&mut said);
    said
}

/// Does what is due, and hands every part to the only shard there is.
fn works(engine: &mut Engine, said: &mut Said) {
    loop {
        while engine.work(said) {}
        let Some((key, value)) = said.parts.pop_front() else {
            return;
        };
        engine.take_part(&key, value.as_deref()).unwrap();
    }
}

fn empty(settings: &Settings) -> Engine {
    let place = Place { number: 0, of: 1 };
    Engine::new(settings.clone(), &["all".to_owned()], place)
}

fn instant(text: &str) -> Timestamp {
    let at = chrono::DateTime::parse_from_rfc3339(text).unwrap();
    Timestamp(at.timestamp_millis())
}

fn lines(seed: u64, limits: Limits) -> Vec<String> {
    history::until_forgotten(history::lines(&history::steps(seed, 120), limits))
}

fn truth(settings: &Settings, lines: &[String]) -> Truth {
    Oracle::of_lines(settings.clone(), lines).truth()
}

#[test]
fn every_value_and_movement_is_what_the_oracle_says() {
    let (mut moved, mut corrected) = (0, 0);
    for seed in 0..24 {
        let settings = history::settings_of(seed);
        let lines = lines(seed, FAR);
        let truth = truth(&settings, &lines);
        let said = run(&settings, &lines, None);
        let found = Found::of_lines(&said.daily);
        let differences = truth.differences(&found);
        assert!(differences.is_empty(), "seed {seed}: {differences:#?}");
        let groups = truth.group_differences(&Found::of_lines(&said.groups));
        assert!(groups.is_empty(), "seed {seed}: {groups:#?}");
        let now = truth.live_group_differences(&said.now);
        assert!(now.is_empty(), "seed {seed}: {now:#?}");
        let of_account = |account: &String| {
            let all = said.movements.values();
            let told = all.filter(|told| told.account == *account && !told.withdrawn);
            let mut told: Vec<&Told> = told.collect();
            told.sort_by_key(|told| (told.at, told.kind != "fx"));
            told
        };
        for (account, expected) in &truth.movements {
            let told = of_account(account);
            let told = told.iter();
            let told: Vec<_> = told
                .map(|told| (told.at, &*told.kind, told.before, told.after))
                .collect();
            let expected = expected.iter();
            let expected = expected.filter(|moved| moved.mrr.0 != moved.mrr.1);
            let expected: Vec<_> = expected
                .map(|moved| (moved.at, moved.kind, moved.mrr.0, moved.mrr.1))
                .collect();
            assert_eq!(told, expected, "seed {seed}: {account}");
            moved += told.len();
        }
        corrected += said
            .movements
            .values()
            .filter(|told| told.revision > 0)
            .count();
    }
    assert!(moved > 120 && corrected > 10, "{moved} {corrected}");
}

#[test]
fn on_every_day_revenue_is_the_sum_of_all_movements_told_until_then() {
    let zones = zones();
    for seed in 100..130 {
        let settings = history::settings_of(seed);
        let said = run(&settings, &lines(seed, FAR), None);
        let mut days: BTreeMap<(String, Day), Value> = BTreeMap::new();
        for line in &said.daily {
            let record: Value = serde_json::from_slice(line).unwrap();
            let day = record["date"].as_str().unwrap().parse().unwrap();
            let account = record["account_id"].as_str().unwrap().to_owned();
            days.insert((account, day), record["metrics"]["mrr"].clone());
        }
        for ((account, day), mrr) in days.into_iter().filter(|(_, mrr)| !mrr.is_null()) {
            let end = zones.get(&*account).unwrap_or(&Zone::UTC).end_of(day);
            let until = said.movements.values();
            let until = until.filter(|told| told.account == account && told.at < end);
            let sum: i128 = until.map(|told| told.after - told.before).sum();
            assert_eq!(
                mrr.as_i64().map(i128::from),
                Some(sum),
                "seed {seed}: {account} {day}"
            );
        }
    }
}

/// The zones of the accounts of histories, which are told before all else.
fn zones() -> BTreeMap<String, Zone> {
    let zones = history::lines(&[], NEAR);
    let zones = zones.iter().map(|line| {
        let event: Value = serde_json::from_str(line).unwrap();
        let zone = event["data"]["tz"].as_str().unwrap().parse().unwrap();
        (event["account_id"].as_str().unwrap().to_owned(), zone)
    });
    zones.collect()
}

#[test]
fn what_is_told_last_of_every_movement_does_not_depend_on_the_order_of_arrival() {
    let last = |settings: &Settings, lines: &[String]| {
        let said = run(settings, lines, None);
        let told = said.movements.into_iter();
        let told = told.filter(|(_, told)| !told.withdrawn);
        told.map(|(id, told)| {
            (
                id,
                Told {
                    revision: 0,
                    ..told
                },
            )
        })
        .collect::<BTreeMap<_, _>>()
    };
    for seed in 200..240 {
        let settings = history::settings_of(seed);
        let lines = lines(seed, NEAR);
        let shuffled = history::shuffle_within(&lines, 2 * 3_600_000, seed);
        assert_eq!(
            last(&settings, &shuffled),
            last(&settings, &lines),
            "seed {seed}"
        );
    }
}

#[test]
fn restarts_repeat_nothing_and_lose_nothing() {
    for seed in 300..306 {
        let settings = history::settings_of(seed);
        let lines = lines(seed, FAR);
        let whole = run(&settings, &lines, None);
        for every in [1, 7] {
            let restarted = run(&settings, &lines, Some(every));
            assert_eq!(restarted.movements, whole.movements, "seed {seed}");
            assert_eq!(restarted.daily, whole.daily, "seed {seed}");
            let last = |said: &Said| Found::of_lines(&said.groups).len();
            assert_eq!(last(&restarted), last(&whole), "seed {seed}");
            let truth = truth(&settings, &lines);
            let groups = truth.group_differences(&Found::of_lines(&restarted.groups));
            assert!(groups.is_empty(), "seed {seed}: {groups:#?}");
        }
    }
}
