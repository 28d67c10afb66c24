//! `check`: every mistake in a config, at once.

use std::io::Write;

use clap::Args;
use serde_json::json;

use crate::cli::ConfigFile;
use crate::config::{Config, Given, Needs, Told};

/// The arguments of `check`.
#[derive(Debug, Args)]
#[command(after_help = "\
Each mistake is told with its file and line, what was found, what was expected, and the nearest
name. The exit code is 2 if there is one.

  mainstay check --config mainstay.toml
  mainstay check --config mainstay.toml --set time.lateness=3h")]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) file: ConfigFile,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments, given: &Given, out: &mut dyn Write) -> anyhow::Result<()> {
    let checked = Config::load(given, Needs::Pipeline);
    if arguments.json {
        let mistakes = checked
            .as_ref()
            .err()
            .map(|mistakes| mistakes.iter().collect());
        let mistakes: Vec<Told> = mistakes.unwrap_or_default();
        let answer = json!({ "ok": mistakes.is_empty(), "mistakes": mistakes });
        writeln!(out, "{answer}")?;
    }
    let config = checked?;
    if !arguments.json {
        write_summary(&config, out)?;
    }
    Ok(())
}

fn write_summary(config: &Config, out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(out, "the config is right")?;
    let kafka = &config.kafka;
    writeln!(out, "  brokers  {}", kafka.brokers.joined())?;
    writeln!(out, "  group    {}", kafka.application)?;
    for (name, source) in config.sources.iter() {
        writeln!(out, "  reads    {} (sources.{name})", source.topic)?;
    }
    writeln!(out, "  writes   {}*", config.output.prefix)
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
        let done = run(&Arguments { file, json }, &given, &mut out);
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
        assert!(out.contains("reads    events (sources.product)"), "{out}");
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
