//! The whole pipeline without a broker: lines of histories in, records of every topic out.
//!
//! Two ways through it: [`replay`] as the command does it, over files, and a shard's logic by itself, which
//! [`read`](fn@read) hands one record after the other so that a test can cut where it likes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mainstay::replay::{Replay, Summary};
use mainstay::shard::{Logic, Plan, Target};
use mainstay_codec::{Format, Limits};
use mainstay_connectors::{Closing, InputRecord, NoHeaders, Shard, Slice, SourceNo, Topic};
use mainstay_engine::{Settings, account_columns, group_columns};
use mainstay_model::{Day, Timestamp};
use mainstay_testkit::oracle::{Found, FoundCohorts};
use serde_json::Value;

/// 2100-01-01: records that do not say when they were received arrived long after they happened.
pub(crate) const REPLAYED_AT: Timestamp = Timestamp(4_102_444_800_000);

/// One input, all metrics.
pub(crate) fn plan(settings: Settings, target: Target) -> Plan {
    let metrics = (0..account_columns(&settings).len()).collect();
    let group_metrics = (0..group_columns(&settings).len()).collect();
    Plan {
        settings,
        sources: vec![("product".to_owned(), Format::Native)],
        limits: Limits::default(),
        metrics,
        group_metrics,
        emit_interval_ms: 1000,
        emit_rate: 500,
        check_partition: false,
        target,
    }
}

/// What a run said, by topic, in the order in which it was said.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Said {
    pub(crate) daily: Vec<Vec<u8>>,
    pub(crate) groups: Vec<Vec<u8>>,
    pub(crate) cohorts: Vec<Vec<u8>>,
    pub(crate) movements: Vec<Vec<u8>>,
    pub(crate) live: Vec<Vec<u8>>,
    pub(crate) live_groups: Vec<Vec<u8>>,
    pub(crate) dead: Vec<Vec<u8>>,
}

impl Said {
    /// Takes the outputs of a slice in; the changelog and tombstones are not said to anybody.
    pub(crate) fn take(&mut self, slice: &Slice) {
        for record in slice.records() {
            let said = match record.topic {
                Topic::AccountDaily => &mut self.daily,
                Topic::SegmentDaily => &mut self.groups,
                Topic::Cohorts => &mut self.cohorts,
                Topic::MrrMovements => &mut self.movements,
                Topic::AccountMetrics => &mut self.live,
                Topic::SegmentMetrics => &mut self.live_groups,
                Topic::DeadLetter => &mut self.dead,
                Topic::Partials | Topic::Changelog => continue,
            };
            said.extend(record.value.map(<[u8]>::to_vec));
        }
    }

    /// The days' records, for the oracle to look at.
    pub(crate) fn found(&self) -> Found {
        Found::of_lines(&self.daily)
    }

    /// The same for groups.
    pub(crate) fn found_of_groups(&self) -> Found {
        Found::of_lines(&self.groups)
    }

    /// The same for cohorts.
    pub(crate) fn found_of_cohorts(&self) -> FoundCohorts {
        FoundCohorts::of_lines(&self.cohorts)
    }

    /// The codes of the dead letters.
    pub(crate) fn codes(&self) -> Vec<String> {
        let code = |letter: &Vec<u8>| json(letter)["code"].as_str().unwrap_or_default().to_owned();
        self.dead.iter().map(code).collect()
    }

    /// What is final: of each account, or group, and day the last record, without what depends on the order of
    /// arrival. A day that was withdrawn is as if it had never been told.
    pub(crate) fn finals(&self) -> Finals {
        let mut finals = BTreeMap::new();
        for line in self.daily.iter().chain(&self.groups) {
            let record = json(line);
            let text = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
            let whose = ["account_id", "dimension", "segment"].map(text).join("/");
            let name = (whose, text("date"));
            match without_revision(record) {
                None => finals.remove(&name),
                Some(record) => finals.insert(name, record),
            };
        }
        finals.extend(self.final_cohorts());
        let date = |line: &Vec<u8>| json(line)["date"].as_str().map(str::to_owned);
        let newest = self.daily.iter().filter_map(date).max();
        let newest: Option<Day> = newest.and_then(|day| day.parse().ok());
        // Whether a day of a group at the end of input is told hangs on when its last zone was seen first.
        finals.retain(|(whose, date): &(String, String), _| {
            let date: Day = date.parse().expect("a record has a date");
            let of_account = whose.ends_with("//");
            of_account || newest.is_some_and(|newest| date <= newest.minus(2))
        });
        finals
    }

    /// Of the cohorts by day how many were back on each day, under that day; other values grow with every day.
    fn final_cohorts(&self) -> Finals {
        let mut finals = BTreeMap::new();
        for line in &self.cohorts {
            let record = json(line);
            let text = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
            let (cohort, metric, age) = (text("cohort"), text("metric"), text("age"));
            let days = age.strip_prefix('d').and_then(|days| days.parse().ok());
            let exact = metric == format!("retention_{age}");
            let Some(days) = days.filter(|_| text("cohort_by") == "signup_day" && exact) else {
                continue;
            };
            let from: Day = cohort.parse().expect("a cohort by day has a day");
            let name = (format!("{cohort}/{metric}"), from.plus(days).to_string());
            match without_revision(record).filter(|record| !record.contains(r#""value":null"#)) {
                None => finals.remove(&name),
                Some(record) => finals.insert(name, record),
            };
        }
        finals
    }
}

/// A record without what depends on the order of arrival; none where it withdraws what was told.
pub(crate) fn without_revision(mut record: Value) -> Option<String> {
    let withdrawn = record["metrics"] == serde_json::json!({});
    if let Some(fields) = record.as_object_mut() {
        fields.remove("revision");
        fields.remove("corrects");
    }
    (!withdrawn).then(|| record.to_string())
}

/// What is final.
pub(crate) type Finals = BTreeMap<(String, String), String>;

/// In what two runs differ, a line each.
pub(crate) fn differences(one: &Finals, other: &Finals) -> Vec<String> {
    let mut names: Vec<_> = one.keys().chain(other.keys()).collect();
    names.sort();
    names.dedup();
    let is = |finals: &Finals, name| finals.get(name).map_or("nothing".to_owned(), String::clone);
    let differ = names
        .into_iter()
        .filter(|name| one.get(name) != other.get(name));
    differ
        .map(|name| format!("{name:?}:\n    {}\n    {}", is(one, name), is(other, name)))
        .collect()
}

/// A record that Mainstay wrote.
pub(crate) fn json(line: &[u8]) -> Value {
    serde_json::from_slice(line)
        .unwrap_or_else(|err| panic!("{err}: {}", String::from_utf8_lossy(line)))
}

/// Replays lines from one file.
pub(crate) fn replay<L: AsRef<[u8]>>(plan: Plan, lines: &[L], shards: u32) -> (Said, Summary) {
    let folder = tempfile::tempdir().expect("the system has room for a small file");
    let path = folder.path().join("history.jsonl");
    write_lines(&path, lines);
    run(&replay_of(plan, vec![vec![path]], shards))
}

/// A replay of files, those of each source, to the end of the last day.
pub(crate) fn replay_of(plan: Plan, files: Vec<Vec<PathBuf>>, shards: u32) -> Replay {
    Replay {
        plan: Arc::new(plan),
        files,
        shards,
        open_end: false,
        replayed_at: REPLAYED_AT,
    }
}

/// Runs a replay and keeps what it says.
pub(crate) fn run(replay: &Replay) -> (Said, Summary) {
    let mut said = Said::default();
    let mut write = |slice: &Slice| {
        said.take(slice);
        Ok(())
    };
    let summary = replay.run(&mut write, &mut |_| {});
    let summary = summary.unwrap_or_else(|err| panic!("{err}: {:?}", err.source));
    (said, summary)
}

/// Writes a file of lines.
pub(crate) fn write_lines<L: AsRef<[u8]>>(path: &Path, lines: &[L]) {
    let mut bytes = Vec::new();
    for line in lines {
        bytes.extend_from_slice(line.as_ref());
        bytes.push(b'\n');
    }
    std::fs::write(path, bytes).unwrap_or_else(|err| panic!("{}: {err}", path.display()));
}

/// Hands a shard the record at an offset of a source, as a runtime does.
pub(crate) fn read(logic: &mut Logic, source: u16, offset: usize, line: &[u8]) {
    logic.apply(&InputRecord {
        source: SourceNo(source),
        topic: "product-events",
        partition: 0,
        offset: i64::try_from(offset).expect("histories are short"),
        arrival: None,
        key: None,
        value: Some(line),
        headers: &NoHeaders,
    });
}

/// Hands a single shard what it said of groups, as the broker would.
pub(crate) fn hand_back(logic: &mut Logic, slice: &Slice) {
    let parts = slice
        .records()
        .filter(|record| record.topic == Topic::Partials);
    for part in parts {
        let key = part.key.unwrap_or_default();
        let taken = logic.take_part(key, part.value);
        taken.unwrap_or_else(|err| panic!("a part of a group: {err}"));
    }
}

/// What a single shard says whose slices are closed after so many records.
pub(crate) fn in_slices_of(size: usize, plan: Plan, lines: &[String]) -> Said {
    let mut logic = Arc::new(plan).shard(0, 1, REPLAYED_AT);
    let (mut said, mut slice) = (Said::default(), Slice::default());
    let closing = Closing {
        behind: true,
        pace_ms: 0,
    };
    for (offset, line) in lines.iter().enumerate() {
        read(&mut logic, 0, offset, line.as_bytes());
        while logic.work() {}
        if (offset + 1).is_multiple_of(size) {
            logic.close(closing, &mut slice);
            said.take(&slice);
            hand_back(&mut logic, &slice);
        }
    }
    let now = logic.now();
    logic.end(now, false);
    logic.close(closing, &mut slice);
    said.take(&slice);
    hand_back(&mut logic, &slice);
    logic.tell_groups();
    logic.close(closing, &mut slice);
    said.take(&slice);
    said
}
