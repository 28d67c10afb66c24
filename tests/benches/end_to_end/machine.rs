//! The machine, and what a process has used of it, as the system tells under `/proc`.

use std::fs;
use std::path::Path;
use std::process::Command;

use mainstay_tests::target_dir;
use serde_json::{Value, json};

/// What figures have to be read with.
pub(crate) struct Machine {
    cores: usize,
    model: String,
    memory_mb: u64,
    /// Programs that ran or waited to run in the minute before.
    load: f64,
    kafka: String,
    commit: String,
    profile: String,
}

/// Looks at this machine before anything is started on it.
pub(crate) fn look() -> Machine {
    let memory = field(&read("/proc/meminfo"), "MemTotal:");
    let load = read("/proc/loadavg");
    Machine {
        cores: cores(),
        model: model(),
        memory_mb: memory.unwrap_or(0) / 1024,
        load: load
            .split(' ')
            .next()
            .and_then(|first| first.parse().ok())
            .unwrap_or(0.0),
        kafka: kafka(),
        commit: commit(),
        profile: profile(),
    }
}

impl Machine {
    /// One or two lines for people.
    pub(crate) fn describe(&self) -> String {
        let Machine {
            cores,
            model,
            memory_mb,
            load,
            kafka,
            commit,
            profile,
        } = self;
        let mut text = format!(
            "{cores} cores ({model}), {memory_mb} MB, load before {load}; Apache Kafka {kafka} on the same \
             cores; commit {commit}, profile {profile}"
        );
        if *load > 0.5 {
            text.push_str(
                "\nthe machine was busy before: these figures say little, ratios a bit more",
            );
        }
        if profile != "release" {
            text.push_str("\nthis is no release build: these figures say nothing");
        }
        text
    }

    pub(crate) fn as_json(&self) -> Value {
        json!({
            "cores": self.cores,
            "model": self.model,
            "memory_mb": self.memory_mb,
            "load_before": self.load,
            "kafka": self.kafka,
            "commit": self.commit,
            "profile": self.profile,
        })
    }
}

/// How many cores a process may use.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// What a process has used since it started.
pub(crate) struct Used {
    pub(crate) cpu_seconds: f64,
    pub(crate) peak_resident_mb: f64,
}

/// Asks about a process by its id, or about `self`.
pub(crate) fn used(process: &str) -> Used {
    let stat = read(&format!("/proc/{process}/stat"));
    // The name may hold anything, but ends with the last parenthesis; the state follows as the third field.
    let (_, fields) = stat.rsplit_once(')').expect("a stat has a name");
    let ticks = |field: usize| -> f64 {
        let text = fields.split_whitespace().nth(field - 3);
        text.and_then(|text| text.parse().ok())
            .expect("a stat has these fields")
    };
    const TICKS_A_SECOND: f64 = 100.0;
    let peak = field(&read(&format!("/proc/{process}/status")), "VmHWM:");
    Used {
        cpu_seconds: (ticks(14) + ticks(15)) / TICKS_A_SECOND,
        peak_resident_mb: peak.expect("a process has a peak") as f64 / 1024.0,
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_else(|err| panic!("could not read {path}: {err}"))
}

/// The number behind a name, in a file of such lines.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn model() -> String {
    let text = read("/proc/cpuinfo");
    let line = text.lines().find(|line| line.starts_with("model name"));
    let model = line.and_then(|line| line.split_once(": "));
    model.map_or("unknown", |(_, model)| model).to_owned()
}

/// The version of the jars that our own broker is started from.
fn kafka() -> String {
    if std::env::var_os(mainstay_tests::broker::GIVEN).is_some() {
        return "as given".to_owned();
    }
    let pom = Path::new(env!("CARGO_MANIFEST_DIR")).join("broker/pom.xml");
    let text = fs::read_to_string(pom).unwrap_or_default();
    let after = text.split_once("<artifactId>kafka_");
    let version = after.and_then(|(_, rest)| between(rest, "<version>", "</version>"));
    version.unwrap_or("unknown").to_owned()
}

fn between<'a>(text: &'a str, begin: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(begin)?;
    let (found, _) = rest.split_once(end)?;
    Some(found)
}

/// The commit that was measured, with a mark where the tree differs from it.
fn commit() -> String {
    let output = Command::new("git")
        .args(["describe", "--always", "--dirty"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output();
    match output {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        }
        Ok(_) | Err(_) => "unknown".to_owned(),
    }
}

/// `target/<profile>/deps/` is where this program lies.
fn profile() -> String {
    let exe = std::env::current_exe().unwrap_or_default();
    let inside = exe.strip_prefix(target_dir()).ok();
    let first = inside.and_then(|path| path.iter().next());
    first.map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}
