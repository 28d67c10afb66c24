//! The figures: medians in a table for people, every run as JSON for what compares them.

use std::fs;
use std::path::PathBuf;

use mainstay_tests::target_dir;
use serde_json::{Value, json};

use crate::floor::Floor;
use crate::machine::Machine;
use crate::plan::Plan;
use crate::topic::{PARTITIONS, Topic};

/// What one run of something took.
#[derive(Clone, Copy)]
pub(crate) struct Measured {
    /// Events a second.
    pub(crate) rate: f64,
    /// Processor seconds per million events, of the whole process from its start.
    pub(crate) cpu: f64,
    /// The most that was resident.
    pub(crate) resident_mb: f64,
    /// Bytes of the changelog for each event; floors write none.
    pub(crate) changelog: Option<f64>,
    /// From the start of the process to the first commit.
    pub(crate) first_commit_s: Option<f64>,
}

/// What live events took.
pub(crate) struct Live {
    /// From the start of a process with all this state to its being ready.
    pub(crate) ready_s: f64,
    pub(crate) events: u64,
    pub(crate) p50_ms: Option<f64>,
    pub(crate) p99_ms: Option<f64>,
    pub(crate) longest_ms: Option<f64>,
    pub(crate) cpu: f64,
    pub(crate) resident_mb: f64,
    pub(crate) changelog: f64,
}

/// All that was measured.
pub(crate) struct Report {
    machine: Machine,
    events: u64,
    bytes_an_event: f64,
    live_rate: u64,
    /// The runs of each floor, in the order of [`Floor::ALL`].
    pub(crate) floors: [Vec<Measured>; Floor::ALL.len()],
    pub(crate) mainstay: Vec<Measured>,
    pub(crate) live: Option<Live>,
}

impl Report {
    pub(crate) fn new(machine: Machine, plan: &Plan, topic: &Topic) -> Report {
        Report {
            machine,
            events: topic.events,
            bytes_an_event: topic.bytes as f64 / topic.events as f64,
            live_rate: plan.live_rate,
            floors: [const { Vec::new() }; Floor::ALL.len()],
            mainstay: Vec::new(),
            live: None,
        }
    }

    /// The medians, beside the floors.
    pub(crate) fn as_table(&self) -> String {
        let mut text = format!(
            "\n{}\n{} events of {:.0} bytes in {PARTITIONS} partitions; medians of {}\n\n",
            self.machine.describe(),
            self.events,
            self.bytes_an_event,
            count(self.mainstay.len()),
        );
        text.push_str(&format!(
            "{:<22} {:>10} {:>8} {:>8} {:>10} {:>8} {:>8} {:>8} {:>10}\n",
            "catching up",
            "events/s",
            "/consume",
            "/parse",
            "CPU s/M",
            "/consume",
            "/parse",
            "RSS MB",
            "log B/ev"
        ));
        for floor in Floor::ALL {
            text.push_str(&self.row(floor.name(), &self.floors[*floor as usize]));
        }
        text.push_str(&self.row("mainstay run", &self.mainstay));
        let first = self.mainstay.iter().filter_map(|run| run.first_commit_s);
        text.push_str(&format!(
            "\nfrom start to first commit: {:.1} s\n",
            median(first)
        ));
        if let Some(live) = &self.live {
            text.push_str(&live.as_text(self.live_rate));
        }
        text
    }

    fn row(&self, name: &str, runs: &[Measured]) -> String {
        let ours = Median::of(runs);
        let consume = Median::of(&self.floors[Floor::Consume as usize]);
        let parse = Median::of(&self.floors[Floor::Parse as usize]);
        let changelog = runs.iter().filter_map(|run| run.changelog);
        let changelog = match runs.iter().any(|run| run.changelog.is_some()) {
            true => format!("{:.1}", median(changelog)),
            false => "-".to_owned(),
        };
        format!(
            "{name:<22} {:>10.0} {:>8.2} {:>8.2} {:>10.2} {:>8.2} {:>8.2} {:>8.0} {changelog:>10}\n",
            ours.rate,
            ours.rate / consume.rate,
            ours.rate / parse.rate,
            ours.cpu,
            ours.cpu / consume.cpu,
            ours.cpu / parse.cpu,
            ours.resident_mb,
        )
    }

    /// Writes everything to `target/bench/end_to_end.json`.
    pub(crate) fn write(&self) -> PathBuf {
        let folder = target_dir().join("bench");
        let path = folder.join("end_to_end.json");
        let text = format!("{:#}\n", self.as_json());
        fs::create_dir_all(&folder)
            .and_then(|()| fs::write(&path, text))
            .unwrap_or_else(|err| panic!("could not write {}: {err}", path.display()));
        path
    }

    fn as_json(&self) -> Value {
        let runs = |runs: &[Measured]| runs.iter().map(Measured::as_json).collect::<Value>();
        let floor = |floor: Floor| runs(&self.floors[floor as usize]);
        json!({
            "machine": self.machine.as_json(),
            "events": self.events,
            "bytes_per_event": self.bytes_an_event,
            "partitions": PARTITIONS,
            "runs": {
                "consume": floor(Floor::Consume),
                "consume_parse": floor(Floor::Parse),
                "consume_decode": floor(Floor::Decode),
                "mainstay": runs(&self.mainstay),
            },
            "medians": {
                "consume": Median::of(&self.floors[Floor::Consume as usize]).as_json(),
                "consume_parse": Median::of(&self.floors[Floor::Parse as usize]).as_json(),
                "consume_decode": Median::of(&self.floors[Floor::Decode as usize]).as_json(),
                "mainstay": Median::of(&self.mainstay).as_json(),
            },
            "live": self.live.as_ref().map(|live| live.as_json(self.live_rate)),
        })
    }
}

impl Measured {
    fn as_json(&self) -> Value {
        json!({
            "events_per_second": self.rate,
            "cpu_seconds_per_million": self.cpu,
            "peak_resident_mb": self.resident_mb,
            "changelog_bytes_per_event": self.changelog,
            "start_to_first_commit_seconds": self.first_commit_s,
        })
    }
}

impl Live {
    fn as_text(&self, rate: u64) -> String {
        let ms = |value: Option<f64>| value.map_or("?".to_owned(), |ms| format!("{ms:.0} ms"));
        format!(
            "a new process on this state: ready after {:.1} s\n\
             live, {} events at {rate}/s: event to commit p50 {}, p99 {}, longest {}; CPU {:.2} s/M; RSS \
             {:.0} MB; changelog {:.1} B/event\n",
            self.ready_s,
            self.events,
            ms(self.p50_ms),
            ms(self.p99_ms),
            ms(self.longest_ms),
            self.cpu,
            self.resident_mb,
            self.changelog,
        )
    }

    fn as_json(&self, rate: u64) -> Value {
        json!({
            "start_to_ready_seconds": self.ready_s,
            "events": self.events,
            "events_per_second": rate,
            "event_to_commit_p50_ms": self.p50_ms,
            "event_to_commit_p99_ms": self.p99_ms,
            "event_to_commit_longest_ms": self.longest_ms,
            "cpu_seconds_per_million": self.cpu,
            "peak_resident_mb": self.resident_mb,
            "changelog_bytes_per_event": self.changelog,
        })
    }
}

/// Of each figure, the one in the middle of all runs.
struct Median {
    rate: f64,
    cpu: f64,
    resident_mb: f64,
}

impl Median {
    fn of(runs: &[Measured]) -> Median {
        Median {
            rate: median(runs.iter().map(|run| run.rate)),
            cpu: median(runs.iter().map(|run| run.cpu)),
            resident_mb: median(runs.iter().map(|run| run.resident_mb)),
        }
    }

    fn as_json(&self) -> Value {
        json!({
            "events_per_second": self.rate,
            "cpu_seconds_per_million": self.cpu,
            "peak_resident_mb": self.resident_mb,
        })
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match (values.len(), values.len() / 2) {
        (0, _) => f64::NAN,
        (len, middle) if len % 2 == 1 => values[middle],
        (_, middle) => (values[middle - 1] + values[middle]) / 2.0,
    }
}

fn count(runs: usize) -> String {
    match runs {
        1 => "1 run".to_owned(),
        runs => format!("{runs} runs"),
    }
}
