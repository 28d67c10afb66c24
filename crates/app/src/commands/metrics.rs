//! `metrics`: the catalogue, for people and for machines; and its reference page.

use std::io::Write;

use clap::Args;
use mainstay_model::{Info, Levels, Unit};
use serde_json::json;

use crate::table;

/// The arguments of `metrics`.
#[derive(Debug, Args)]
#[command(after_help = "\
The id is the name used everywhere: in records, schemas, gauges and configs.

  mainstay metrics
  mainstay metrics --all --json")]
pub(crate) struct Arguments {
    /// All metrics, not only those that people ask for first
    #[arg(long)]
    all: bool,
    /// Print a JSON list
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<()> {
    let metrics = headlines_first(mainstay_engine::infos());
    let shown = metrics
        .iter()
        .filter(|metric| arguments.all || metric.headline);
    let shown: Vec<&Info> = shown.copied().collect();
    if arguments.json {
        let list: Vec<_> = shown.iter().map(|metric| to_json(metric)).collect();
        writeln!(out, "{:#}", json!(list))?;
        return Ok(());
    }
    let rows: Vec<_> = shown.iter().map(|metric| row(metric)).collect();
    table::write(out, ["id", "unit", "for", "what"], &rows)?;
    let more = metrics.len() - shown.len();
    if more > 0 {
        writeln!(out, "\n{more} more with --all")?;
    }
    Ok(())
}

/// The order in which people are shown metrics, everywhere.
fn headlines_first(mut metrics: Vec<&'static Info>) -> Vec<&'static Info> {
    metrics.sort_by_key(|metric| !metric.headline);
    metrics
}

fn row(metric: &Info) -> [String; 4] {
    let (unit, levels) = (unit(metric.unit), levels(metric.levels));
    [metric.id, unit, levels, metric.help].map(str::to_owned)
}

fn to_json(metric: &Info) -> serde_json::Value {
    json!({
        "id": metric.id,
        "unit": unit(metric.unit),
        "for": levels(metric.levels),
        "help": metric.help,
        "formula": metric.formula,
        "headline": metric.headline,
    })
}

fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Count => "count",
        Unit::Mean => "mean",
        Unit::Ratio => "ratio",
        Unit::Seconds => "seconds",
        Unit::Days => "days",
        Unit::Money => "money",
        Unit::Name => "name",
        Unit::Date => "date",
        Unit::Histogram => "histogram",
    }
}

fn levels(levels: Levels) -> &'static str {
    match levels {
        Levels::Account => "accounts",
        Levels::Group => "groups",
        Levels::AccountAndGroup => "accounts, groups",
        Levels::AccountGroupAndCohort => "accounts, groups, cohorts",
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn headline_metrics_are_shown_and_the_rest_is_counted() {
        let text = printed(false, false);
        assert!(text.contains("\ndau "), "{text}");
        assert!(!text.contains("stickiness_mean"), "{text}");
        assert!(text.contains("more with --all"), "{text}");
    }

    #[test]
    fn json_has_every_metric_of_the_catalogue() {
        let list: serde_json::Value = serde_json::from_str(&printed(true, true)).unwrap();
        let list = list.as_array().unwrap();
        assert_eq!(list.len(), mainstay_engine::CATALOGUE.len());
        assert_eq!(list[0]["id"], "dau");
    }

    /// Refreshed by `MAINSTAY_REFRESH=1 cargo test -p mainstay`.
    #[test]
    fn the_reference_page_is_that_of_the_catalogue() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
        if std::env::var_os("MAINSTAY_REFRESH").is_some() {
            std::fs::write(&file, page()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&file).unwrap(), page());
    }

    fn page() -> String {
        let mut page = String::from(PAGE_HEAD);
        for metric in headlines_first(mainstay_engine::infos()) {
            let [id, unit, levels, help] = row(metric);
            let help = help.replace('|', "\\|");
            let formula = metric.formula;
            page.push_str(&format!(
                "| `{id}` | {unit} | {levels} | {help} | {formula} |\n"
            ));
        }
        page
    }

    const PAGE_HEAD: &str = "\
# Metrics

Every metric that Mainstay tells, those that people ask for first on top. The id is the name used
everywhere: in records, JSON Schema, Prometheus families, configs and commands. This page is made
from the catalogue in `crates/engine/src/metrics`; `mainstay metrics --all` prints the same.

A day is a calendar day in the account's time zone; windows end on the day that a value is of, that
day included. Where a denominator is 0, or what a value needs is unknown, it is `null`, never 0.
Ratios are fractions; durations are seconds. The formula is that of one account, where accounts have
the metric: D is the day, D-6…D the 7 days that end on it; `mainstay explain` fills it in.

| id | unit | for | what | formula |
|---|---|---|---|---|
";

    fn printed(all: bool, json: bool) -> String {
        let mut out = Vec::new();
        run(&Arguments { all, json }, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }
}
