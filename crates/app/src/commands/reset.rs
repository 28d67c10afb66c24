//! `reset`: mends what a start refuses, where only a person can say which side is right.

use std::io::Write;
use std::str::FromStr;

use clap::Args;
use mainstay_connectors::kafka::{Moved, StartAt, drop_state, offsets_from_state};
use mainstay_model::{Day, Zone};
use serde_json::json;

use crate::cli::ConfigFile;
use crate::config::{Config, Given, Needs};
use crate::{table, wiring};

/// The arguments of `reset`.
#[derive(Debug, Args)]
#[command(
    group(clap::ArgGroup::new("side").required(true).args(["offsets_from_state", "drop_state"])),
    after_help = "\
No instance may be running.

  mainstay reset --config mainstay.toml --offsets-from-state
      The state is right: the group's offsets are set to where the state stands.
  mainstay reset --config mainstay.toml --drop-state --to earliest
      The state goes: all is computed again from the inputs, as far as they reach."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) file: ConfigFile,
    /// Set the group's offsets to where the state stands
    #[arg(long)]
    offsets_from_state: bool,
    /// Delete the state and begin anew
    #[arg(long, requires = "to")]
    drop_state: bool,
    /// Where to begin anew: earliest, latest, or a day (2026-03-01, from 00:00 UTC)
    #[arg(long, value_name = "WHERE", conflicts_with = "offsets_from_state")]
    to: Option<Beginning>,
    /// Print a JSON list
    #[arg(long)]
    json: bool,
}

/// Where the inputs begin anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Beginning(StartAt);

impl FromStr for Beginning {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Beginning, &'static str> {
        Ok(Beginning(match text {
            "earliest" => StartAt::Earliest,
            "latest" => StartAt::Latest,
            day => {
                let day: Day = day
                    .parse()
                    .map_err(|_| "expected earliest, latest or a day")?;
                StartAt::At(Zone::UTC.end_of(day.minus(1)))
            }
        }))
    }
}

pub(crate) fn run(arguments: &Arguments, given: &Given, out: &mut dyn Write) -> anyhow::Result<()> {
    let config = Config::load(given, Needs::Pipeline)?;
    let kafka = wiring::kafka(&config);
    let moved = match (arguments.drop_state, arguments.to) {
        (true, Some(Beginning(to))) => drop_state(&kafka, &wiring::sources(&config), to)?,
        (true, None) | (false, _) => offsets_from_state(&kafka)?,
    };
    write_moved(&moved, arguments.json, out)
}

fn write_moved(moved: &[Moved], json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    if json {
        let list = moved.iter().map(
            |moved| json!({ "topic": moved.topic, "partition": moved.shard.0, "offset": moved.to }),
        );
        writeln!(out, "{:#}", json!(list.collect::<Vec<_>>()))?;
        return Ok(());
    }
    let rows = moved.iter().map(|moved| {
        [
            moved.topic.clone(),
            moved.shard.to_string(),
            moved.to.to_string(),
        ]
    });
    table::write(
        out,
        ["topic", "partition", "offset"],
        &rows.collect::<Vec<_>>(),
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use mainstay_model::Timestamp;

    use super::*;
    use crate::commands::parsed;

    fn parse(words: &[&str]) -> Result<Arguments, String> {
        parsed("reset", words)
    }

    #[test]
    fn a_side_has_to_be_chosen_and_only_one() {
        assert!(parse(&[]).is_err());
        assert!(parse(&["--offsets-from-state", "--drop-state", "--to", "latest"]).is_err());
        assert!(parse(&["--drop-state"]).is_err());
        assert!(parse(&["--offsets-from-state", "--to", "latest"]).is_err());
        assert!(parse(&["--offsets-from-state"]).unwrap().offsets_from_state);
    }

    #[test]
    fn a_day_begins_at_midnight_utc() {
        let arguments = parse(&["--drop-state", "--to", "1970-01-02"]).unwrap();
        assert!(arguments.drop_state);
        assert_eq!(
            arguments.to,
            Some(Beginning(StartAt::At(Timestamp(86_400_000))))
        );
        assert!(parse(&["--drop-state", "--to", "yesterday"]).is_err());
    }
}
