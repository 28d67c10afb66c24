//! `check`: every mistake in a config, at once; then, if asked, whether the cluster fits it.

use std::io::Write;

use clap::Args;
use mainstay_connectors::kafka::topics::{Found, TopicPlan, inspect};
use serde_json::json;

use crate::cli::ConfigFile;
use crate::config::{Config, Given, Needs, Told};
use crate::wiring;

/// The arguments of `check`.
#[derive(Debug, Args)]
#[command(after_help = "\
Each mistake is told with its file and line, what was found, what was expected, and the nearest
name. The exit code is 2 if there is one.

  mainstay check --config mainstay.toml
  mainstay check --config mainstay.toml --connect
  mainstay check --config mainstay.toml --set time.lateness=3h")]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) file: ConfigFile,
    /// Look at the brokers, the inputs and our topics too
    #[arg(long)]
    connect: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments, given: &Given, out: &mut dyn Write) -> anyhow::Result<()> {
    let checked = Config::load(given, Needs::Pipeline);
    if let (Err(mistakes), true) = (&checked, arguments.json) {
        let mistakes: Vec<Told> = mistakes.iter().collect();
        writeln!(out, "{}", json!({ "ok": false, "mistakes": mistakes }))?;
    }
    let config = checked?;
    let found = match arguments.connect {
        true => Some(inspect(&wiring::kafka(&config), &wiring::sources(&config))?),
        false => None,
    };
    if arguments.json {
        let mut answer = json!({ "ok": true, "mistakes": [] });
        if let Some(found) = &found {
            answer["partitions"] = json!(found.shards);
            answer["missing_topics"] = json!(names(&found.missing));
        }
        writeln!(out, "{answer}")?;
        return Ok(());
    }
    write_summary(&config, found.as_ref(), out)?;
    Ok(())
}

fn names(topics: &[TopicPlan]) -> Vec<&str> {
    topics.iter().map(|topic| topic.name.as_str()).collect()
}

fn write_summary(
    config: &Config,
    found: Option<&Found>,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    writeln!(out, "the config is right")?;
    let kafka = &config.kafka;
    writeln!(out, "  brokers     {}", kafka.brokers.joined())?;
    writeln!(out, "  group       {}", kafka.application)?;
    for (place, (name, source)) in config.sources.iter().enumerate() {
        let is_missing = found.is_some_and(|found| !found.present[place]);
        let note = if is_missing {
            ": does not exist, is optional"
        } else {
            ""
        };
        writeln!(out, "  reads       {} (sources.{name}){note}", source.topic)?;
    }
    writeln!(out, "  writes      {}*", config.output.prefix)?;
    let Some(found) = found else {
        return Ok(());
    };
    writeln!(out, "  partitions  {}", found.shards)?;
    match names(&found.missing).join(", ") {
        none if none.is_empty() => writeln!(out, "  topics      all there"),
        names => writeln!(out, "  topics      to be created: {names}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(set: &[&str], json: bool) -> (Result<(), String>, String) {
        let given = Given {
            set: set.iter().map(|argument| argument.to_string()).collect(),
            ..Given::default()
        };
        let file = ConfigFile::default();
        let mut out = Vec::new();
        let done = run(
            &Arguments {
                file,
                connect: false,
                json,
            },
            &given,
            &mut out,
        );
        (
            done.map_err(|error| format!("{error:#}")),
            String::from_utf8(out).unwrap(),
        )
    }

    #[test]
    fn a_right_config_is_told_in_a_few_lines() {
        let (done, out) = checked(
            &["kafka.brokers=a:1", "sources.product.topic=events"],
            false,
        );
        done.unwrap();
        assert!(
            out.contains("reads       events (sources.product)"),
            "{out}"
        );
    }

    #[test]
    fn json_has_each_mistake_with_its_parts() {
        let (done, out) = checked(&["kafka.brokers=a:1", "sources.p.topc=events"], true);
        assert!(done.unwrap_err().contains("did you mean `topic`?"));
        let answer: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(answer["ok"], false);
        assert_eq!(answer["mistakes"][0]["key"], "sources.p.topc");
        assert_eq!(answer["mistakes"][0]["nearest"], "topic");
    }
}
