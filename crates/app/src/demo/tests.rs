//! A short demo from end to end, and a verdict that cannot be talked round.

use std::collections::BTreeMap;

use mainstay_connectors::prometheus::{AccountLimits, Metrics};
use mainstay_engine::{account_infos, group_columns};
use mainstay_testkit::company::settings;
use serde_json::{Value, json};

use super::judge::{Expected, Published, judge};
use super::*;
use crate::config::{Config, Given, Needs};
use crate::wiring;

fn watcher() -> Arc<Watcher> {
    let metrics = mainstay_connectors::prometheus::Settings {
        catalogue: account_infos(),
        groups: group_columns(&settings()),
        sources: vec!["product".to_owned()],
        accounts: AccountLimits::default(),
        currency: settings().revenue.rates.currency(),
        lateness_ms: settings().lateness_ms,
        version: String::new(),
    };
    Arc::new(Watcher::new(Arc::new(Metrics::new(metrics))))
}

/// Three days of the past, then an hour a second.
fn small_demo(watcher: &Arc<Watcher>) -> Demo {
    let company = company::Plan {
        accounts: 30,
        users: 300,
        billing: true,
        ..company::Plan::default()
    };
    let given = Given {
        set: vec![
            format!("sources.product.topic={INPUT}"),
            "key_actions=report_sent".to_owned(),
            format!("revenue.fx={}", company::RATES),
        ],
        ..Given::default()
    };
    let config = Config::load(&given, Needs::Nothing).unwrap();
    Demo {
        pace: Pace {
            live_from: company.begin.plus_ms(3 * 86_400_000),
            speed: 3600,
        },
        company,
        plan: Arc::new(wiring::plan(&config, shard::Target::Topics)),
        settings: wiring::runtime(&config),
        watcher: Arc::clone(watcher),
        stop: Arc::default(),
    }
}

#[test]
fn what_a_demo_publishes_is_the_truth_of_its_company() {
    let watcher = watcher();
    let demo = small_demo(&watcher);
    let stop = Arc::clone(&demo.stop);
    let begin = demo.company.begin;
    let running = std::thread::spawn(move || demo.run());
    let began = Instant::now();
    while watcher.seen().phase < Phase::Live || watcher.seen().events() < 1000 {
        assert!(!running.is_finished() && began.elapsed() < Duration::from_secs(60));
        std::thread::sleep(NAP);
    }
    stop.store(true, Ordering::Relaxed);
    let ended = running.join().unwrap().unwrap();
    assert_eq!(ended.verdict.differences, Vec::<String>::new());
    assert!(ended.verdict.is_verified());
    // All days are closed, so there is one for each account and day that it was there.
    assert!(ended.verdict.account_days >= 3 * 25, "{:?}", ended.verdict);
    assert!(ended.until >= begin.plus_ms(3 * 86_400_000));
    let seen = watcher.seen();
    assert_eq!(seen.events(), ended.fed);
    assert_eq!(seen.lag(), 0);
    assert!(seen.accounts.len() >= 25 && seen.counts.all_rejected() > 0);
}

/// The truth of three days of a small company.
fn truth_of_three_days(billing: bool) -> Expected {
    let plan = company::Plan {
        accounts: 10,
        users: 50,
        billing,
        faults: company::Faults::NONE,
        ..company::Plan::default()
    };
    let events: Vec<_> = Company::new(plan.clone())
        .take_while(|event| event.arrival < plan.begin.plus_ms(3 * 86_400_000))
        .collect();
    let (truth, kept) = sync_channel(1);
    truth.send(events).unwrap();
    drop(truth);
    judge::keep_the_truth(settings(), &kept)
}

/// The same, and its records as they would be published.
fn truth_and_records() -> (Expected, Vec<Value>) {
    let expected = truth_of_three_days(false);
    let mut records = Vec::new();
    for (account, days) in &expected.truth.accounts {
        for (day, metrics) in days {
            records.push(json!({
                "account_id": account, "date": day.to_string(), "revision": 0, "metrics": metrics,
            }));
        }
    }
    (expected, records)
}

fn verdict(expected: &Expected, records: &[Value]) -> Verdict {
    let mut published = Published::new();
    for record in records {
        published.take(record.to_string().as_bytes(), false);
    }
    let nothing_seen = watcher();
    let expected = Expected {
        truth: expected.truth.clone(),
        ..Expected::default()
    };
    judge(&expected, &published.found, &BTreeMap::new(), &nothing_seen)
}

#[test]
fn a_single_damaged_value_is_noticed() {
    let (expected, mut records) = truth_and_records();
    let good = verdict(&expected, &records);
    assert!(good.is_verified() && good.account_days == records.len());
    let wau = records[7]["metrics"]["wau"].as_i64().unwrap();
    records[7]["metrics"]["wau"] = json!(wau + 1);
    let bad = verdict(&expected, &records);
    assert!(!bad.is_verified());
    assert_eq!(bad.differences.len(), 1, "{bad:?}");
    assert!(bad.differences[0].contains(&format!("wau is {}, expected {wau}", wau + 1)));
}

#[test]
fn a_record_that_is_missing_invented_or_told_twice_is_noticed() {
    let (expected, records) = truth_and_records();
    let missing = verdict(&expected, &records[1..]);
    assert!(missing.differences[0].ends_with("no record"), "{missing:?}");
    let mut invented = records.clone();
    invented.push(records[0].clone());
    invented.last_mut().unwrap()["account_id"] = json!("nobody");
    let invented = verdict(&expected, &invented);
    assert!(
        invented.differences[0].ends_with("of no right"),
        "{invented:?}"
    );
    let mut twice = records.clone();
    twice.push(records[0].clone());
    assert!(!verdict(&expected, &twice).is_verified());
}

#[test]
fn events_that_the_pipeline_did_not_count_are_noticed() {
    let (expected, records) = truth_and_records();
    let mut published = Published::new();
    for record in &records {
        published.take(record.to_string().as_bytes(), false);
    }
    let verdict = judge(&expected, &published.found, &BTreeMap::new(), &watcher());
    assert!(verdict.differences[0].starts_with("0 events were applied, expected "));
}

#[test]
fn what_an_abort_shows_again_is_no_second_telling() {
    let (expected, records) = truth_and_records();
    let mut published = Published::new();
    for record in records.iter().chain(&records) {
        published.take(record.to_string().as_bytes(), true);
    }
    assert!(expected.truth.differences(&published.found).is_empty());
}

#[test]
fn movements_that_do_not_add_up_are_noticed() {
    let expected = truth_of_three_days(true);
    let published = Published::new();
    let verdict = judge(&expected, &published.found, &BTreeMap::new(), &watcher());
    let off = |line: &&String| line.contains("movements add up to 0, expected ");
    // All but those who come later, or are on trial.
    assert!(verdict.differences.iter().filter(off).count() >= 8);
}

#[test]
fn a_demo_without_a_closed_day_verifies_nothing() {
    assert!(!Verdict::default().is_verified());
}
