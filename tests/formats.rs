//! Golden files: bytes that were written once and have to be read, and written, for ever.
//!
//! `golden/changelog-N` has what one release wrote: `before.jsonl` is what it had read, `changelog.jsonl`
//! its changelog, key and value in hexadecimal, and `account-daily.jsonl` what it went on to say of
//! `after.jsonl`. Every folder is read by today's code; the newest is also written anew. `golden/records`
//! has the records of every output for one history.
//!
//! `UPDATE_GOLDEN=1` writes today's bytes into the newest folder and the records. A changelog that was
//! released is not rewritten: a new form gets a new folder.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use libtest_mimic::Trial;
use mainstay::shard::{Logic, Target};
use mainstay_connectors::{Closing, Shard, Slice, Topic};
use mainstay_engine::Settings;
use serde_json::json;

use crate::pipeline::{self, REPLAYED_AT, Said};

pub(crate) fn trials() -> Vec<Trial> {
    crate::trials!("formats": [
        every_changelog_ever_released_is_read,
        the_newest_changelog_is_written_as_it_was,
        every_output_is_written_as_it_was,
    ])
}

/// What the golden histories were made with. It is never changed: a new form gets a new folder.
fn settings() -> Settings {
    Settings {
        key_actions: ["report_sent".to_owned()].into(),
        active_ignore: ["ping".to_owned()].into(),
        ..Settings::default()
    }
}

fn every_changelog_ever_released_is_read() {
    let refresh = refresh_is_asked_for();
    let folders = changelogs();
    for folder in &folders {
        let mut logic = restored(folder);
        let said = go_on(&mut logic, &lines(&folder.join("after.jsonl")));
        let refresh = refresh && Some(folder) == folders.last();
        compare(
            &folder.join("account-daily.jsonl"),
            &text(&said.daily),
            refresh,
        );
    }
}

fn restored(folder: &Path) -> Logic {
    let mut logic = logic();
    for line in lines(&folder.join("changelog.jsonl")) {
        let record = pipeline::json(line.as_bytes());
        let bytes = |name: &str| record[name].as_str().map(from_hex);
        let key = bytes("key").expect("a record has a key");
        let restored = logic.restore(&key, bytes("value").as_deref());
        restored.unwrap_or_else(|err| panic!("{}: {err}", folder.display()));
    }
    let restored = logic.restored();
    restored.unwrap_or_else(|err| panic!("{}: {err}", folder.display()));
    logic
}

fn go_on(logic: &mut Logic, lines: &[String]) -> Said {
    let (mut said, mut slice) = (Said::default(), Slice::default());
    for (offset, line) in lines.iter().enumerate() {
        pipeline::read(logic, 0, offset, line.as_bytes());
    }
    let now = logic.now();
    logic.end(now, false);
    logic.close(CLOSING, &mut slice);
    said.take(&slice);
    pipeline::hand_back(logic, &slice);
    logic.tell_groups();
    logic.close(CLOSING, &mut slice);
    said.take(&slice);
    said
}

/// A slice every ten records, so that records are overwritten and removed.
fn the_newest_changelog_is_written_as_it_was() {
    let folder = changelogs().pop().expect("there is a golden changelog");
    let (mut logic, mut slice, mut changelog) = (logic(), Slice::default(), String::new());
    let lines = lines(&folder.join("before.jsonl"));
    for (offset, line) in lines.iter().enumerate() {
        pipeline::read(&mut logic, 0, offset, line.as_bytes());
        while logic.work() {}
        if offset % 10 == 9 || offset + 1 == lines.len() {
            logic.close(CLOSING, &mut slice);
            write_changelog(&slice, &mut changelog);
            pipeline::hand_back(&mut logic, &slice);
        }
    }
    let refresh = refresh_is_asked_for();
    compare(&folder.join("changelog.jsonl"), &changelog, refresh);
}

fn write_changelog(slice: &Slice, to: &mut String) {
    for record in slice
        .records()
        .filter(|record| record.topic == Topic::Changelog)
    {
        let line = json!({"key": record.key.map(hex), "value": record.value.map(hex)});
        writeln!(to, "{line}").expect("a text takes all lines");
    }
}

fn every_output_is_written_as_it_was() {
    let folder = golden().join("records");
    let lines = lines(&folder.join("history.jsonl"));
    let plan = pipeline::plan(settings(), Target::Files);
    let mut logic = Arc::new(plan).shard(0, 1, REPLAYED_AT);
    let said = go_on(&mut logic, &lines);
    let refresh = refresh_is_asked_for();
    compare(
        &folder.join("account-daily.jsonl"),
        &text(&said.daily),
        refresh,
    );
    compare(
        &folder.join("account-metrics.jsonl"),
        &text(&said.live),
        refresh,
    );
    compare(
        &folder.join("segment-metrics.jsonl"),
        &text(&said.live_groups),
        refresh,
    );
    compare(
        &folder.join("segment-daily.jsonl"),
        &text(&said.groups),
        refresh,
    );
    compare(&folder.join("cohorts.jsonl"), &text(&said.cohorts), refresh);
    compare(
        &folder.join("mrr-movements.jsonl"),
        &text(&said.movements),
        refresh,
    );
    compare(
        &folder.join("dead-letter.jsonl"),
        &text(&said.dead),
        refresh,
    );
}

const CLOSING: Closing = Closing {
    behind: false,
    pace_ms: 0,
};

fn logic() -> Logic {
    let plan = pipeline::plan(settings(), Target::Topics);
    Arc::new(plan).shard(0, 1, REPLAYED_AT)
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

/// The folders of changelogs, the newest form last.
fn changelogs() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(golden()).expect("the golden files are there");
    let paths = entries.map(|entry| entry.expect("a folder can be listed").path());
    let number = |path: &PathBuf| -> Option<u32> {
        let name = path.file_name()?.to_str()?;
        name.strip_prefix("changelog-")?.parse().ok()
    };
    let mut folders: Vec<PathBuf> = paths.filter(|path| number(path).is_some()).collect();
    folders.sort_by_key(number);
    folders
}

fn lines(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path);
    let text = text.unwrap_or_else(|err| panic!("{}: {err}", path.display()));
    text.lines().map(str::to_owned).collect()
}

fn text(lines: &[Vec<u8>]) -> String {
    let line = |line: &Vec<u8>| String::from_utf8_lossy(line).into_owned() + "\n";
    lines.iter().map(line).collect()
}

fn compare(path: &Path, written: &str, refresh: bool) {
    if refresh {
        std::fs::write(path, written).unwrap_or_else(|err| panic!("{}: {err}", path.display()));
        return;
    }
    let golden = std::fs::read_to_string(path);
    let golden = golden.unwrap_or_else(|err| panic!("{}: {err}", path.display()));
    let mut both = golden.lines().zip(written.lines()).enumerate();
    if let Some((place, (golden, written))) = both.find(|(_, (one, other))| one != other) {
        let (path, line) = (path.display(), place + 1);
        panic!("{path}:{line}\n  was: {golden}\n  is:  {written}\n(UPDATE_GOLDEN=1 rewrites it)");
    }
    assert_eq!(
        golden.lines().count(),
        written.lines().count(),
        "lines of {}",
        path.display()
    );
}

fn refresh_is_asked_for() -> bool {
    std::env::var_os("UPDATE_GOLDEN").is_some_and(|asked| asked == "1")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks(2);
    let byte = |pair| {
        let pair = std::str::from_utf8(pair).expect("hexadecimal is text");
        u8::from_str_radix(pair, 16).expect("hexadecimal")
    };
    pairs.map(byte).collect()
}
