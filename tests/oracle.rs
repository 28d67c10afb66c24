//! The pipeline tells what the oracle computes from the raw events, exactly, whatever arrives and however the
//! operator has decided.

use libtest_mimic::Trial;
use mainstay::shard::Target;
use mainstay_codec::Format;
use mainstay_engine::{Settings, infos};
use mainstay_model::Timestamp;
use mainstay_testkit::company;
use mainstay_testkit::history::{self, Limits};
use mainstay_testkit::oracle::ids::of_accounts;
use mainstay_testkit::oracle::{Fate, Oracle, Truth};
use mainstay_tests::{Company, shard_of};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use crate::laws::{self, FAR, NEAR};
use crate::pipeline::{self, Said};

pub(crate) fn trials() -> Vec<Trial> {
    crate::trials!("oracle": [
        every_final_value_is_true,
        every_final_value_is_true_on_four_shards,
        every_final_value_is_true_under_other_settings,
        histories_without_what_is_too_late_are_told_whole,
        a_company_of_three_weeks_is_told_as_it_was,
        what_is_told_while_time_goes_on_is_true,
        no_metric_of_accounts_is_left_out,
    ])
}

/// What the oracle computes and the catalogue does not have would be compared with nothing.
fn no_metric_of_accounts_is_left_out() {
    let catalogue: Vec<&str> = infos().iter().map(|info| info.id).collect();
    for id in of_accounts() {
        assert!(catalogue.contains(&id), "{id} is not in the catalogue");
    }
}

fn every_final_value_is_true() {
    laws::hold("oracle", 96, laws::steps(150), |steps| {
        tells_the_truth(&history::settings(), &laws::lines(&steps, FAR))
    });
}

fn every_final_value_is_true_under_other_settings() {
    let drawn = (settings(), laws::steps(120));
    laws::hold("oracle_settings", 96, drawn, |(settings, steps)| {
        tells_the_truth(&settings, &laws::lines(&steps, FAR))
    });
}

fn histories_without_what_is_too_late_are_told_whole() {
    let no_late = Limits { ..NEAR };
    laws::hold("oracle_near", 32, laws::steps(150), |steps| {
        let lines = laws::lines(&steps, no_late);
        let mut oracle = Oracle::new(history::settings());
        let too_late = Fate::Refused(mainstay_model::Code::TooLate);
        prop_assert!(
            lines
                .iter()
                .all(|line| oracle.take(line.as_bytes(), None) != too_late)
        );
        tells_the_truth(&history::settings(), &lines)
    });
}

/// The truth, the reasons of dead letters in their order, and what was counted.
fn tells_the_truth(settings: &Settings, lines: &[String]) -> TestCaseResult {
    let mut oracle = Oracle::new(settings.clone());
    let fates: Vec<Fate> = lines
        .iter()
        .map(|line| oracle.take(line.as_bytes(), None))
        .collect();
    let plan = pipeline::plan(settings.clone(), Target::Files);
    let (said, summary) = pipeline::replay(plan, lines, 1);
    let refused = fates.iter().filter_map(|fate| match fate {
        Fate::Refused(code) => Some(code.name().to_owned()),
        Fate::Applied | Fate::Duplicate => None,
    });
    prop_assert_eq!(said.codes(), refused.collect::<Vec<_>>());
    let count = |wanted: Fate| fates.iter().filter(|fate| **fate == wanted).count() as u64;
    prop_assert_eq!(summary.counts.read, lines.len() as u64);
    prop_assert_eq!(summary.counts.all_applied(), count(Fate::Applied));
    prop_assert_eq!(summary.counts.duplicates, count(Fate::Duplicate));
    laws::none(&untrue(&oracle.truth(), &said))
}

/// In what all that was said differs from the truth.
fn untrue(truth: &Truth, said: &Said) -> Vec<String> {
    let mut differences = truth.differences(&said.found());
    differences.extend(truth.group_differences(&said.found_of_groups()));
    differences.extend(truth.cohort_differences(&said.found_of_cohorts()));
    differences
}

/// Says what is not true, if anything is.
fn is_true(truth: &Truth, said: &Said) {
    let differences = untrue(truth, said);
    assert!(
        differences.is_empty(),
        "{} differences:\n  {}",
        differences.len(),
        differences[..differences.len().min(40)].join("\n  ")
    );
}

/// Time passes for each shard by itself, so what is too late differs; all that is told is as true.
fn every_final_value_is_true_on_four_shards() {
    laws::hold("oracle_shards", 32, laws::steps(150), |steps| {
        let lines = laws::lines(&steps, FAR);
        let mut oracle = Oracle::sharded(history::settings(), |account| shard_of(account, 4));
        for line in &lines {
            oracle.take(line.as_bytes(), None);
        }
        let plan = pipeline::plan(history::settings(), Target::Files);
        let (said, _) = pipeline::replay(plan, &lines, 4);
        laws::none(&untrue(&oracle.truth(), &said))
    });
}

/// Also while days are open, and accounts in the east are a day ahead.
fn what_is_told_while_time_goes_on_is_true() {
    let company = Company::eventful(1);
    let folder = tempfile::tempdir().expect("a folder for a history");
    let path = folder.path().join("history.jsonl");
    let lines: Vec<&[u8]> = company.lines.iter().map(|line| &line.value[..]).collect();
    pipeline::write_lines(&path, &lines);
    let settings = Company::settings();
    let mut oracle = Oracle::sharded(settings.clone(), |account| shard_of(account, 4));
    lines.iter().for_each(|line| _ = oracle.take(line, None));
    let plan = pipeline::plan(settings, Target::Files);
    let mut replay = pipeline::replay_of(plan, vec![vec![path]], 4);
    replay.open_end = true;
    replay.replayed_at = oracle.newest().expect("a company does something");
    let (said, _) = pipeline::run(&replay);
    is_true(&oracle.truth_so_far(), &said);
}

/// What an operator may decide, near the edges.
pub(crate) fn settings() -> impl Strategy<Value = Settings> {
    const HOUR_MS: i64 = 3_600_000;
    let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect();
    let times = (
        prop::sample::select(vec![30 * 60_000, 1000, 2 * HOUR_MS, 25 * HOUR_MS]),
        prop::sample::select(vec![2 * HOUR_MS, 0, 26 * HOUR_MS]),
        prop::sample::select(vec![HOUR_MS, 0]),
        prop::sample::select(vec![35, 0, 1, 7]),
    );
    let active: Vec<Vec<&str>> = vec![vec![], vec!["opened"], vec!["imported", "ping"]];
    let ignore: Vec<Vec<&str>> = vec![vec!["ping"], vec![], vec!["opened", "ping"]];
    let zones = ["UTC", "Asia/Tokyo", "America/New_York", "Pacific/Apia"];
    let rest = (
        prop::sample::select(active),
        prop::sample::select(ignore),
        1..4u32,
        1..3u32,
        prop::sample::select(zones.to_vec()),
        any::<u64>(),
    );
    (times, rest).prop_map(
        move |((gap, lateness, skew, days), (active, ignore, min, k, zone, seed))| Settings {
            session_gap_ms: gap,
            lateness_ms: lateness,
            max_skew_ms: skew,
            correction_days: days,
            active_events: names(&active),
            active_ignore: names(&ignore),
            active_min_events: min,
            engaged_k: k,
            zone: zone.parse().expect("the database has these zones"),
            ..history::settings_of(seed)
        },
    )
}

fn a_company_of_three_weeks_is_told_as_it_was() {
    let plan = company::Plan {
        accounts: 40,
        users: 600,
        days: 21,
        ..company::Plan::default()
    };
    let end = plan.begin.plus_ms(21 * 24 * 3_600_000);
    let settings = Settings {
        dedupe_product_ms: history::settings().dedupe_product_ms,
        ..company::settings()
    };
    let mut oracle = Oracle::new(settings.clone());
    let company = company::Company::new(plan).take_while(|record| record.arrival < end);
    let (lines, fates): (Vec<Vec<u8>>, Vec<Fate>) = company
        .map(|record| {
            let fate = oracle.take(&record.value, None);
            (record.value, fate)
        })
        .unzip();
    let mut plan = pipeline::plan(settings, Target::Files);
    plan.sources = vec![("all".to_owned(), Format::Native)];
    let (said, summary) = pipeline::replay(plan, &lines, 1);
    let refused = fates.iter().filter(|fate| matches!(fate, Fate::Refused(_)));
    assert_eq!(said.dead.len(), refused.count());
    assert!(summary.counts.all_applied() > 20_000, "{summary:?}");
    assert!(summary.counts.late > 100, "{summary:?}");
    assert!(oracle.newest() > Some(Timestamp(0)));
    is_true(&oracle.truth(), &said);
}
