//! `check`: every mistake in a config, at once; then, if asked, whether the cluster fits it.

mod cluster;
mod finding;
mod routing;
mod sample;

use std::io::Write;

use anyhow::anyhow;
use clap::Args;
use serde_json::json;

use crate::cli::ConfigFile;
use crate::config::{Config, Given, Needs, Told};
use cluster::{Cluster, look};
use finding::{Finding, Weight};

/// The arguments of `check`.
#[derive(Debug, Args)]
#[command(after_help = "\
Each mistake is told with its file and line, what was found, what was expected, and the nearest
name. The exit code is 2 if there is one.

With --connect the cluster is looked at too: the topics and their partitions, the rights that `run`
needs, who stamps the records of the inputs, and the newest 100 records of each of their partitions:
whether they decode, and whether they lie where their account belongs. A problem makes the exit code 1,
a warning does not. Nothing is written, no group is joined.

  mainstay check --config mainstay.toml
  mainstay check --config mainstay.toml --connect
  mainstay check --config mainstay.toml --set time.lateness=3h")]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) file: ConfigFile,
    /// Look at the brokers, the topics, our rights and a sample of each input too
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
    let cluster = match arguments.connect {
        true => Some(look(&config)?),
        false => None,
    };
    match arguments.json {
        true => write_json(cluster.as_ref(), out)?,
        false => write_summary(&config, cluster.as_ref(), out)?,
    }
    let findings = cluster.map(|cluster| cluster.findings).unwrap_or_default();
    match count(&findings, Weight::Problem) {
        0 => Ok(()),
        1 => Err(anyhow!("1 problem")),
        problems => Err(anyhow!("{problems} problems")),
    }
}

fn count(findings: &[Finding], weight: Weight) -> usize {
    let of_weight = |finding: &&Finding| finding.weight == weight;
    findings.iter().filter(of_weight).count()
}

/// Above this share of records, 5 %, `run` itself raises an alarm.
fn is_too_much(bad: u64, all: u64) -> bool {
    bad * 20 > all
}

fn write_json(cluster: Option<&Cluster>, out: &mut dyn Write) -> std::io::Result<()> {
    let findings = cluster.map_or(&[][..], |cluster| &cluster.findings);
    let of_weight = |weight| {
        let some = findings.iter().filter(move |found| found.weight == weight);
        json!(some.map(Finding::to_json).collect::<Vec<_>>())
    };
    let ok = count(findings, Weight::Problem) == 0;
    let mut answer = json!({ "ok": ok, "mistakes": [] });
    if let Some(cluster) = cluster {
        cluster.put(&mut answer);
        answer["problems"] = of_weight(Weight::Problem);
        answer["warnings"] = of_weight(Weight::Warning);
    }
    writeln!(out, "{answer}")
}

fn write_summary(
    config: &Config,
    cluster: Option<&Cluster>,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    writeln!(out, "the config is right")?;
    let found = cluster.and_then(|cluster| cluster.found.as_ref());
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
    if let Some(found) = found {
        writeln!(out, "  partitions  {}", found.shards)?;
        let missing = found.missing.iter().map(|topic| topic.name.as_str());
        match missing.collect::<Vec<_>>().join(", ") {
            none if none.is_empty() => writeln!(out, "  topics      all there")?,
            names => writeln!(out, "  topics      to be created: {names}")?,
        }
    }
    let Some(cluster) = cluster else {
        return Ok(());
    };
    for (head, line) in cluster.lines() {
        writeln!(out, "  {head:10}  {line}")?;
    }
    for finding in &cluster.findings {
        writeln!(out, "\n{}", finding.lines())?;
    }
    Ok(())
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
