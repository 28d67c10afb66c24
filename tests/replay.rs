//! `replay` says the same of the same history, however it is handed over: in any number of shards and files,
//! in any order within the lateness, compressed or not.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{DateTime, Utc};
use libtest_mimic::Trial;
use mainstay::shard::{Plan, Target};
use mainstay_codec::Format;
use mainstay_model::Timestamp;
use mainstay_testkit::history::{self, shuffle_inside, shuffle_within};
use mainstay_testkit::oracle::{Oracle, same_value};
use proptest::prelude::*;
use serde_json::Value;

use crate::laws::{self, FAR, NEAR};
use crate::pipeline;

pub(crate) fn trials() -> Vec<Trial> {
    crate::trials!("replay": [
        any_number_of_shards_says_the_same,
        any_order_within_the_lateness_says_the_same,
        any_order_within_the_horizon_says_the_same,
        slices_of_any_size_say_the_same,
        two_inputs_say_the_same_as_one,
        compressed_files_say_the_same,
        files_of_one_input_are_read_one_after_the_other,
        days_that_the_watermark_has_not_passed_stay_open_when_told_to,
        a_dead_letter_keeps_the_original_bytes,
        the_summary_adds_up,
        the_last_live_values_are_those_of_the_last_day,
    ])
}

const HOUR_MS: i64 = 3_600_000;

fn plan() -> Plan {
    pipeline::plan(history::settings(), Target::Files)
}

fn any_number_of_shards_says_the_same() {
    laws::hold("replay_shards", 24, laws::steps(120), |steps| {
        let lines = laws::lines(&steps, NEAR);
        let (one, _) = pipeline::replay(plan(), &lines, 1);
        for shards in [4, 16] {
            let (said, _) = pipeline::replay(plan(), &lines, shards);
            laws::none(&pipeline::differences(&one.finals(), &said.finals()))?;
        }
        Ok(())
    });
}

fn any_order_within_the_lateness_says_the_same() {
    let drawn = (laws::steps(120), any::<u64>());
    laws::hold("replay_order", 48, drawn, |(steps, seed)| {
        let lines = laws::lines(&steps, NEAR);
        let (said, _) = pipeline::replay(plan(), &lines, 1);
        let shuffled = shuffle_within(&lines, 2 * HOUR_MS, seed);
        let (other, _) = pipeline::replay(plan(), &shuffled, 1);
        laws::none(&pipeline::differences(&said.finals(), &other.finals()))
    });
}

/// Weeks late, everything ends where it would have: but for zones, which hold from their arrival on.
fn any_order_within_the_horizon_says_the_same() {
    const LATEST_MS: i64 = 33 * 24 * HOUR_MS;
    let drawn = (laws::steps(120), any::<u64>());
    laws::hold("replay_horizon", 48, drawn, |(steps, seed)| {
        let mut lines = laws::lines(&steps, NEAR);
        lines.retain(|line| !line.contains(r#""tz""#));
        let (said, _) = pipeline::replay(plan(), &lines, 1);
        let shuffled = shuffle_inside(&lines, LATEST_MS, seed);
        let (other, _) = pipeline::replay(plan(), &shuffled, 1);
        laws::none(&pipeline::differences(&said.finals(), &other.finals()))
    });
}

fn slices_of_any_size_say_the_same() {
    laws::hold("replay_slices", 24, laws::steps(100), |steps| {
        let lines = laws::lines(&steps, FAR);
        let whole = pipeline::in_slices_of(usize::MAX, plan(), &lines);
        for size in [1, 7] {
            prop_assert_eq!(
                &pipeline::in_slices_of(size, plan(), &lines).daily,
                &whole.daily,
                "{}",
                size
            );
        }
        Ok(())
    });
}

/// The lines but those of an id that came by another input before: the first to arrive under an id counts, and
/// which one that is differs with the inputs.
fn one_input_for_each_id(lines: Vec<String>, input: impl Fn(&String) -> bool) -> Vec<String> {
    let mut inputs = BTreeMap::new();
    let of_id = |line: &String| {
        let event: Value = serde_json::from_str(line).ok()?;
        let field = |name: &str| event[name].as_str().map(str::to_owned);
        Some((field("account_id")?, field("id")?))
    };
    let mut kept = lines;
    kept.retain(|line| {
        of_id(line).is_none_or(|id| *inputs.entry(id).or_insert(input(line)) == input(line))
    });
    kept
}

/// What becomes of accounts comes by another input than what users do; time brings them together again.
///
/// Without what happened before the zones were told: a zone holds from its arrival on, and by two inputs it
/// arrives later than what happened earlier.
fn two_inputs_say_the_same_as_one() {
    laws::hold("replay_inputs", 32, laws::steps(100), |steps| {
        let mut lines = laws::lines(&steps, NEAR);
        let time = |line: &String| -> Option<String> {
            let event: Value = serde_json::from_str(line).ok()?;
            Some(event["time"].as_str()?.to_owned())
        };
        let told_at = time(&lines[0]);
        lines.retain(|line| time(line) >= told_at);
        let is_account = |line: &&String| line.contains(r#""type":"account."#);
        lines = one_input_for_each_id(lines, |line| is_account(&line));
        let (one, _) = pipeline::replay(plan(), &lines, 1);
        let (accounts, product): (Vec<&String>, Vec<&String>) = lines.iter().partition(is_account);
        let folder = tempfile::tempdir().expect("the system has room for a small file");
        let files = [("a.jsonl", accounts), ("b.jsonl", product)].map(|(name, lines)| {
            let path = folder.path().join(name);
            pipeline::write_lines(&path, &lines);
            vec![path]
        });
        let both = Plan {
            sources: ["accounts", "product"]
                .map(|name| (name.to_owned(), Format::Native))
                .into(),
            ..plan()
        };
        let (two, _) = pipeline::run(&pipeline::replay_of(both, files.into(), 1));
        laws::none(&pipeline::differences(&one.finals(), &two.finals()))
    });
}

fn a_history() -> Vec<String> {
    history::lines(&history::steps(11, 300), FAR)
}

fn compressed_files_say_the_same() {
    let lines = a_history();
    let (said, _) = pipeline::replay(plan(), &lines, 1);
    let folder = tempfile::tempdir().expect("the system has room for a small file");
    let plain = folder.path().join("plain");
    pipeline::write_lines(&plain, &lines);
    let bytes = std::fs::read(&plain).expect("it was just written");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&bytes).expect("memory takes all bytes");
    let gzip = gzip.finish().expect("memory takes all bytes");
    let zstd = zstd::encode_all(bytes.as_slice(), 3).expect("memory takes all bytes");
    for (name, bytes) in [("history.jsonl.gz", gzip), ("history.jsonl.zst", zstd)] {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("the system has room for a small file");
        let (other, _) = pipeline::run(&pipeline::replay_of(plan(), vec![vec![path]], 1));
        assert_eq!(other.daily, said.daily, "{name}");
    }
}

fn files_of_one_input_are_read_one_after_the_other() {
    let lines = a_history();
    let (said, _) = pipeline::replay(plan(), &lines, 1);
    let folder = tempfile::tempdir().expect("the system has room for a small file");
    let (before, after) = lines.split_at(100);
    let paths = [("2.jsonl", before), ("1.jsonl", after)].map(|(name, lines)| {
        let path = folder.path().join(name);
        pipeline::write_lines(&path, lines);
        path
    });
    let (other, _) = pipeline::run(&pipeline::replay_of(plan(), vec![paths.into()], 1));
    assert_eq!(other.daily, said.daily);
}

fn days_that_the_watermark_has_not_passed_stay_open_when_told_to() {
    let line = |id: &str, at: &str| {
        format!(
            r#"{{"id":"{id}","type":"product.event","account_id":"acme","user_id":"ada","time":"{at}","data":{{"name":"opened"}}}}"#
        )
    };
    let folder = tempfile::tempdir().expect("the system has room for a small file");
    let path = folder.path().join("history.jsonl");
    let dates = |open_end: bool, last: &str| {
        pipeline::write_lines(&path, &[line("1", "2026-03-01T12:00:00Z"), line("2", last)]);
        let mut replay = pipeline::replay_of(plan(), vec![vec![path.clone()]], 1);
        replay.open_end = open_end;
        let (said, _) = pipeline::run(&replay);
        let names = said.finals().into_keys();
        let names = names.filter(|(whose, _)| whose.starts_with("acme"));
        names.map(|(_, date)| date).collect::<Vec<_>>()
    };
    let early = "2026-03-02T01:59:59.999Z";
    assert_eq!(dates(false, early), ["2026-03-01", "2026-03-02"]);
    assert!(dates(true, early).is_empty());
    assert_eq!(dates(true, "2026-03-02T02:00:00Z"), ["2026-03-01"]);
}

fn a_dead_letter_keeps_the_original_bytes() {
    let lines = a_history();
    let (said, _) = pipeline::replay(plan(), &lines, 1);
    assert!(said.dead.len() > 10, "{}", said.dead.len());
    for letter in &said.dead {
        let letter = pipeline::json(letter);
        let offset = letter["offset"].as_u64().expect("a letter has an offset");
        let line = &lines[usize::try_from(offset).expect("histories are short")];
        let value = letter["value_base64"].as_str().unwrap_or_default();
        let value = BASE64.decode(value).expect("Mainstay writes base64");
        assert_eq!(String::from_utf8_lossy(&value), *line);
        assert!(
            letter["message"]
                .as_str()
                .is_some_and(|why| !why.is_empty())
        );
        assert!(
            letter["topic"]
                .as_str()
                .is_some_and(|path| path.ends_with("history.jsonl"))
        );
    }
}

fn the_summary_adds_up() {
    let lines = a_history();
    let folder = tempfile::tempdir().expect("the system has room for a small file");
    let (input, out) = (
        folder.path().join("history.jsonl"),
        folder.path().join("out"),
    );
    pipeline::write_lines(&input, &lines);
    let replay = pipeline::replay_of(plan(), vec![vec![input]], 4);
    replay
        .run_to_folder(&out, &mut |_| {})
        .unwrap_or_else(|err| panic!("{err}"));
    let summary = pipeline::json(&std::fs::read(out.join("summary.json")).expect("it is there"));
    let number = |name: &str| {
        summary[name]
            .as_u64()
            .unwrap_or_else(|| panic!("no {name}"))
    };
    let rejected = summary["rejected"].as_object().expect("codes and counts");
    let rejected: u64 = rejected.values().filter_map(Value::as_u64).sum();
    assert_eq!(number("read"), lines.len() as u64);
    assert_eq!(
        number("read"),
        number("applied") + number("duplicate") + rejected
    );
    assert!(number("late") > 0 && number("late") < number("applied"));
    assert_eq!(count_lines(&out, "dead-letter"), rejected);
    assert!(count_lines(&out, "account-daily") > 0);
    assert!(count_lines(&out, "account-metrics") > 0);
    assert!(summary["first_event_time"].as_str() < summary["last_event_time"].as_str());
}

fn count_lines(out: &Path, topic: &str) -> u64 {
    let text = std::fs::read_to_string(out.join(format!("{topic}.jsonl")));
    text.expect("every topic has its file").lines().count() as u64
}

/// Whether some instant that a record names lies ahead of the newest event, within a day.
fn tells_of_later(line: &str, newest: Timestamp) -> bool {
    let times = line.split('"');
    let mut times = times.filter_map(|text| text.parse::<DateTime<Utc>>().ok());
    let ahead = newest.plus_ms(1).0..=newest.plus_ms(26 * 3_600_000).0;
    times.any(|at| ahead.contains(&at.timestamp_millis()))
}

fn the_last_live_values_are_those_of_the_last_day() {
    laws::hold("replay_live", 32, laws::steps(100), |steps| {
        let lines = laws::lines(&steps, NEAR);
        let (said, _) = pipeline::replay(plan(), &lines, 1);
        let mut live = BTreeMap::new();
        for line in &said.live {
            let record = pipeline::json(line);
            live.insert(record["account_id"].to_string(), record);
        }
        let oracle = Oracle::of_lines(history::settings(), &lines);
        let Some(newest) = oracle.newest() else {
            return Ok(());
        };
        let truth = oracle.truth();
        for (account, days) in &truth.accounts {
            // A deleted account has no values today.
            let is_deletion = |line: &String| {
                line.contains(r#""account.deleted""#) && line.contains(&json_text(account))
            };
            // What begins or ends by itself later today is not so yet.
            let is_to_come =
                |line: &String| line.contains(&json_text(account)) && tells_of_later(line, newest);
            let Some((day, values)) = days.iter().next_back() else {
                continue;
            };
            if lines
                .iter()
                .any(|line| is_deletion(line) || is_to_come(line))
            {
                continue;
            }
            let told = live.get(&json_text(account));
            for (id, expected) in values {
                let told = told.map_or(&Value::Null, |record| match id.strip_prefix("features.") {
                    None => &record["metrics"][id.as_str()],
                    Some(path) => {
                        let (feature, field) = path.split_once('.').expect("a name and a field");
                        &record["features"][feature][field]
                    }
                });
                prop_assert!(
                    same_value(expected, told),
                    "{} {}: {} is {}, expected {}",
                    account,
                    day,
                    id,
                    told,
                    expected
                );
            }
        }
        Ok(())
    });
}

fn json_text(text: &str) -> String {
    Value::from(text).to_string()
}
