//! `replay`: history from files through the same core.

use std::io::{IsTerminal, Write, stderr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use indicatif::{ProgressBar, ProgressStyle};
use mainstay_model::Timestamp;

use super::compare_rules;
use crate::arguments::{self, Inputs};
use crate::config::{Config, Given, Needs};
use crate::exit::WrongUsage;
use crate::replay::{Progress, Replay, Summary};
use crate::shard::Target;
use crate::{table, wiring};

pub(crate) fn run(
    arguments: &arguments::Replay,
    given: &Given,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let mut config = Config::load(given, Needs::Nothing)?;
    let replay = Replay {
        shards: arguments.shards,
        open_end: arguments.open_end,
        ..of(&arguments.inputs, &mut config)?
    };
    if arguments.reads_twice() && replay.files.iter().flatten().any(|path| path == "-") {
        let what = "standard input cannot be read twice: say --out or --compare-rules";
        return Err(WrongUsage(what.to_owned()).into());
    }
    if let Some(folder) = &arguments.out {
        to_folder(&replay, folder, arguments.json, out)?;
    }
    if let Some(rules) = &arguments.compare_rules {
        compare_rules::run(&replay, rules, &config, arguments.json, out)?;
    }
    Ok(())
}

fn to_folder(
    replay: &Replay,
    folder: &Path,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let bar = bar(json);
    let mut show = |progress: &Progress| {
        bar.set_position(progress.records);
        if let Some(now) = progress.now {
            bar.set_message(now.to_string());
        }
    };
    let (summary, wall) = replay.run_to_folder(folder, &mut show)?;
    bar.finish_and_clear();
    match json {
        true => writeln!(out, "{}", summary.to_json(wall))?,
        false => write_table(&summary, wall, folder, out)?,
    }
    Ok(())
}

/// A replay of files in one shard, to its end.
pub(super) fn of(inputs: &Inputs, config: &mut Config) -> anyhow::Result<Replay> {
    let inputs = inputs.by_source(config)?;
    let plan = wiring::plan(config, Target::Files);
    let files = plan.sources.iter().map(|(name, _)| {
        let mine = inputs.iter().filter(|input| input.name == *name);
        mine.map(|input| input.path.clone()).collect()
    });
    Ok(Replay {
        files: files.collect(),
        plan: Arc::new(plan),
        shards: 1,
        open_end: false,
        replayed_at: now(),
    })
}

fn write_table(
    summary: &Summary,
    wall: Duration,
    folder: &Path,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let counts = &summary.counts;
    let mut rows: Vec<[String; 2]> = [
        ("records read", counts.read),
        ("events applied", counts.all_applied()),
        ("  late", counts.late),
        ("duplicates", counts.duplicates),
        ("rejected", counts.all_rejected()),
    ]
    .map(|(what, count)| [what.to_owned(), count.to_string()])
    .into();
    let rejected = counts.rejected_by_code();
    rows.extend(rejected.map(|(code, count)| [format!("  {code}"), count.to_string()]));
    rows.push(["accounts".to_owned(), summary.accounts.to_string()]);
    rows.push(["users".to_owned(), summary.users.to_string()]);
    if let Some((first, last)) = counts.times {
        rows.push(["first event".to_owned(), first.to_string()]);
        rows.push(["last event".to_owned(), last.to_string()]);
    }
    let rate = counts.read as f64 / wall.as_secs_f64().max(1e-9);
    rows.push([
        "took".to_owned(),
        format!("{:.2} s, {rate:.0} records/s", wall.as_secs_f64()),
    ]);
    table::write(out, ["what", "how many"], &rows)?;
    writeln!(
        out,
        "\nWritten to {}: account-daily.jsonl and others.",
        folder.display()
    )?;
    Ok(())
}

/// A spinner: how long standard input is, nobody knows. Only for people at a terminal.
pub(super) fn bar(json: bool) -> ProgressBar {
    if json || !stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{spinner} {human_pos} records, {per_sec}, at {msg}");
    let bar = ProgressBar::new_spinner();
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar
}

fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
