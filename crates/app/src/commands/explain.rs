//! `explain`: why a number of an account is what it is.

use std::io::Write;
use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use mainstay_codec::records;
use mainstay_engine::{ByUser, Explanation, Fact, OnDay, Part, account_columns};
use mainstay_model::{Column, Day, Value};
use serde_json::{Map, json};

use super::replay;
use crate::arguments::{Inputs, NamedPath};
use crate::cli::ConfigFile;
use crate::config::{Config, Given, Needs, nearest};
use crate::exit::WrongUsage;
use crate::explain::{Answer, Question};
use crate::replay::{Progress, Summary};
use crate::table::{self, printable};

/// The arguments of `explain`.
#[derive(Clone, Debug, Args)]
#[command(
    override_usage = "mainstay explain [OPTIONS] <ACCOUNT> [METRIC] [PATH]...",
    after_help = "\
Reads files as `mainstay replay` does, until the day can no longer be corrected or the files end. Without
METRIC the headline metrics are told. A file that is named as a metric is written ./mau.

  mainstay explain acme events.jsonl
  mainstay explain acme stickiness --at 2026-03-31 events.jsonl.gz
  mainstay explain acme features.report.users_7d --config mainstay.toml --source product=events.jsonl
  mainstay explain acme dormant_users --json events.jsonl | jq -r '.users[].user'"
)]
pub(crate) struct Arguments {
    /// The account whose numbers are to be explained
    #[arg(value_name = "ACCOUNT")]
    account: String,
    /// METRIC: `mau`, or `features.report.users_7d` of a tracked feature; then lines of the only source:
    /// JSONL, also .gz or .zst; - is stdin
    #[arg(value_name = "METRIC, PATH", required_unless_present = "sources")]
    rest: Vec<PathBuf>,
    /// Where everything is said.
    #[command(flatten)]
    pub(crate) file: ConfigFile,
    /// Lines of one source of the config: NAME=PATH; may be given many times
    #[arg(long = "source", value_name = "NAME=PATH")]
    sources: Vec<NamedPath>,
    /// The day, in the account's time zone; without it the newest closed one
    #[arg(long, value_name = "DATE")]
    at: Option<Day>,
    /// Print one JSON object, with every user
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments, given: &Given, out: &mut dyn Write) -> anyhow::Result<()> {
    let mut config = Config::load(given, Needs::Nothing)?;
    let columns = account_columns(&config.engine_settings());
    let (metric, paths) = arguments.metric_and_paths(&columns)?;
    let inputs = Inputs {
        file: arguments.file.clone(),
        sources: arguments.sources.clone(),
        paths,
    };
    let replay = replay::of(&inputs, &mut config)?;
    let headlines = columns.iter().enumerate();
    let headlines = headlines.filter(|(_, column)| column.info.headline);
    let question = Question {
        account: arguments.account.clone(),
        places: match metric {
            Some(place) => vec![place],
            None => headlines.map(|(place, _)| place).collect(),
        },
        day: arguments.at,
    };
    let bar = replay::bar(arguments.json);
    let mut show = |progress: &Progress| bar.set_position(progress.records);
    let (answer, summary) = replay.explain(question, &mut show)?;
    bar.finish_and_clear();
    warn_of_rejected(&summary);
    match (answer, metric) {
        (Answer::Explained(told), Some(_)) => arguments.print_one(&told[0], out),
        (Answer::Explained(told), None) => arguments.print_all(&told, out),
        (Answer::NoValue(day, why), _) => bail!("`{}` on {day}: {why}", arguments.account),
        (Answer::NoAccount(known), _) => {
            let near = nearest(&arguments.account, known.iter().map(String::as_str));
            let what = format!("no event is of an account `{}`", arguments.account);
            Err(WrongUsage(what + &did_you_mean(near)).into())
        }
    }
}

/// What was refused is in no number.
fn warn_of_rejected(summary: &Summary) {
    let rejected = summary.counts.all_rejected();
    if rejected > 0 {
        tracing::warn!(
            "{rejected} of {} records were refused; `mainstay replay` writes why",
            summary.counts.read
        );
    }
}

impl Arguments {
    /// The place of the metric's column, if one is named, and the files.
    fn metric_and_paths(
        &self,
        columns: &[Column],
    ) -> Result<(Option<usize>, Vec<PathBuf>), WrongUsage> {
        let Some((first, others)) = self.rest.split_first() else {
            return Ok((None, Vec::new()));
        };
        let name = first.to_string_lossy();
        let place = columns.iter().position(|column| column.name() == name);
        if place.is_none() && (name == "-" || first.exists()) {
            return Ok((None, self.rest.clone()));
        }
        if place.is_none() {
            let names: Vec<String> = columns.iter().map(Column::name).collect();
            let near = nearest(&name, names.iter().map(String::as_str));
            let what = format!("`{name}` is no metric of accounts and no file");
            return Err(WrongUsage(what + &did_you_mean(near)));
        }
        if others.is_empty() && self.sources.is_empty() {
            let what = format!("in which files is `{name}` to be looked for? Expected PATH");
            return Err(WrongUsage(what));
        }
        Ok((place, others.to_vec()))
    }

    fn print_all(&self, told: &[Explanation], out: &mut dyn Write) -> anyhow::Result<()> {
        let Some(first) = told.first() else {
            return Ok(());
        };
        if self.json {
            let metrics = told.iter().map(|one| {
                json!({
                    "metric": one.column.name(),
                    "value": to_json(&one.value),
                    "formula": one.column.info.formula,
                    "parts": parts_to_json(&one.parts),
                })
            });
            let metrics: Vec<_> = metrics.collect();
            let (account, date) = (&self.account, first.day.to_string());
            let all = json!({"account_id": account, "date": date, "metrics": metrics});
            writeln!(out, "{all:#}")?;
            return Ok(());
        }
        writeln!(out, "{} on {}\n", printable(&self.account), first.day)?;
        let rows = told.iter().map(|one| {
            let formula = one.column.info.formula.to_owned();
            [
                one.column.name(),
                text(&one.value),
                formula,
                parts(&one.parts),
            ]
        });
        let rows: Vec<_> = rows.collect();
        table::write(out, ["metric", "value", "formula", "of"], &rows)?;
        let (account, metric) = (printable(&self.account), told[0].column.name());
        writeln!(
            out,
            "\nThe users and days behind a number: mainstay explain {account} {metric} …"
        )?;
        Ok(())
    }

    fn print_one(&self, told: &Explanation, out: &mut dyn Write) -> anyhow::Result<()> {
        if self.json {
            writeln!(out, "{:#}", self.to_json(told))?;
            return Ok(());
        }
        let (account, name) = (printable(&self.account), told.column.name());
        let (value, day) = (text(&told.value), told.day);
        writeln!(out, "{name} of {account} on {day}: {value}\n")?;
        writeln!(out, "  {}", told.column.info.formula)?;
        writeln!(out, "  D is {day}")?;
        if told.value == Value::Undefined {
            writeln!(
                out,
                "  null: what is divided by is 0, or something that it needs is unknown or not configured"
            )?;
        }
        for part in &told.parts {
            writeln!(out, "  {} = {}", printable(&part.name), fact(&part.fact))?;
        }
        let nobody = [Value::Count(0), Value::Seconds(0)];
        if let Some(rest) = told.without_user.iter().find(|rest| !nobody.contains(rest)) {
            writeln!(out, "  {} of them by no user", text(rest))?;
        }
        write_table(told, out)?;
        write_days(told, out)?;
        write_users(told, out)
    }

    fn to_json(&self, told: &Explanation) -> serde_json::Value {
        let deed = told.deed.map_or("", mainstay_engine::Deed::name);
        let table = told.table.iter();
        let table = table.map(|(value, times)| json!({"value": to_json(value), "times": times}));
        let users = told.users.iter().map(|user| {
            json!({
                "user": user.id,
                "parts": parts_to_json(&user.parts),
                "moments": parts_to_json(&user.moments),
                "days": days_to_json(&user.days, deed),
            })
        });
        json!({
            "account_id": self.account,
            "date": told.day.to_string(),
            "metric": told.column.name(),
            "value": to_json(&told.value),
            "formula": told.column.info.formula,
            "parts": parts_to_json(&told.parts),
            "table": table.collect::<Vec<_>>(),
            "days": days_to_json(&told.days, deed),
            "users": users.collect::<Vec<_>>(),
            "without_user": told.without_user.as_ref().map(to_json),
        })
    }
}

fn did_you_mean(near: Option<String>) -> String {
    near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
}

/// So many users, days and rows are shown to people.
const SHOWN: usize = 20;

fn write_table(told: &Explanation, out: &mut dyn Write) -> anyhow::Result<()> {
    let rows: Vec<_> = told.table.iter().take(SHOWN).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = rows
        .into_iter()
        .map(|(value, times)| [text(value), times.to_string()])
        .collect();
    writeln!(out)?;
    table::write(out, ["value", "times"], &rows)?;
    more(told.table.len(), "values", out)
}

fn write_days(told: &Explanation, out: &mut dyn Write) -> anyhow::Result<()> {
    if told.days.is_empty() {
        return Ok(());
    }
    let deed = told.deed.map_or("", mainstay_engine::Deed::name);
    let days = told.days.iter();
    let rows: Vec<_> = days
        .map(|on| [on.day.to_string(), text(&on.amount)])
        .collect();
    writeln!(out)?;
    table::write(out, ["day", deed], &rows)?;
    Ok(())
}

fn write_users(told: &Explanation, out: &mut dyn Write) -> anyhow::Result<()> {
    if told.users.is_empty() {
        return Ok(());
    }
    let deed = told.deed.map_or("", mainstay_engine::Deed::name);
    let row = |user: &ByUser| {
        // That a user counts is said by being here.
        let shown = user.parts.iter().filter(|part| {
            let one = part.fact == Fact::Value(Value::Count(1));
            !(one && part.name == told.column.name())
        });
        let known: Vec<Part> = shown.chain(&user.moments).cloned().collect();
        [printable(&user.id), parts(&known), days(&user.days)]
    };
    let rows: Vec<_> = told.users.iter().take(SHOWN).map(row).collect();
    writeln!(out)?;
    let head = match deed {
        "" | "active" => "days".to_owned(),
        deed => format!("days: {deed}"),
    };
    table::write(out, ["user", "of whom", &head], &rows)?;
    more(told.users.len(), "users", out)
}

fn more(all: usize, of: &str, out: &mut dyn Write) -> anyhow::Result<()> {
    if all > SHOWN {
        writeln!(out, "and {} more {of} with --json", all - SHOWN)?;
    }
    Ok(())
}

/// `dau = 3, mau = 9`.
fn parts(parts: &[Part]) -> String {
    let told = parts
        .iter()
        .map(|part| format!("{} = {}", printable(&part.name), fact(&part.fact)));
    told.collect::<Vec<_>>().join(", ")
}

fn fact(fact: &Fact) -> String {
    match fact {
        Fact::Value(value) => text(value),
        Fact::At(at) => at.to_string(),
        Fact::User(user) => printable(user),
    }
}

/// `2026-03-01 to 2026-03-03, 2026-03-05: 4`: a run of days with the same amount is one word, and an amount of 1
/// goes without saying.
fn days(days: &[OnDay]) -> String {
    let same =
        |one: &OnDay, next: &OnDay| next.day.since(one.day) == 1 && one.amount == next.amount;
    let runs = days.chunk_by(same).map(|run| {
        let (first, last) = (&run[0], &run[run.len() - 1]);
        let days = match run.len() {
            1 => first.day.to_string(),
            _ => format!("{} to {}", first.day, last.day),
        };
        match first.amount == Value::Count(1) {
            true => days,
            false => format!("{days}: {}", text(&first.amount)),
        }
    });
    runs.collect::<Vec<_>>().join(", ")
}

/// A value as the records have it.
fn text(value: &Value) -> String {
    let mut out = Vec::new();
    records::value(&mut out, value);
    let text = String::from_utf8_lossy(&out);
    text.trim_matches('"').to_owned()
}

fn to_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Undefined => serde_json::Value::Null,
        Value::Count(count) => (*count).into(),
        Value::Ratio(ratio) => (*ratio).into(),
        Value::Seconds(ms) if ms % 1000 == 0 => (ms / 1000).into(),
        Value::Seconds(ms) => (*ms as f64 / 1000.0).into(),
        Value::List(counts) => counts.as_slice().into(),
        Value::Day(day) => day.to_string().into(),
        Value::Name(name) => (*name).into(),
    }
}

fn parts_to_json(parts: &[Part]) -> serde_json::Value {
    let told = parts.iter().map(|part| {
        let fact = match &part.fact {
            Fact::Value(value) => to_json(value),
            Fact::At(at) => at.to_string().into(),
            Fact::User(user) => user.as_str().into(),
        };
        (part.name.clone(), fact)
    });
    told.collect::<Map<_, _>>().into()
}

fn days_to_json(days: &[OnDay], deed: &str) -> Vec<serde_json::Value> {
    let day = |on: &OnDay| {
        let mut day = Map::new();
        day.insert("date".to_owned(), on.day.to_string().into());
        day.insert(deed.to_owned(), to_json(&on.amount));
        day.into()
    };
    days.iter().map(day).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::commands::parsed;
    use crate::exit::Exit;

    fn event(id: usize, user: &str, time: &str) -> String {
        format!(
            r#"{{"id":"{id}","type":"product.event","account_id":"acme","user_id":"{user}","time":"{time}","data":{{"name":"looked"}}}}"#
        )
    }

    fn file(folder: &Path, lines: &[String]) -> String {
        let path = folder.join("events.jsonl");
        std::fs::write(&path, lines.join("\n")).unwrap();
        path.to_string_lossy().into_owned()
    }

    fn told(words: &[&str]) -> Result<String, (String, Option<Exit>)> {
        let arguments: Arguments =
            parsed("explain", words).map_err(|error| (error, Some(Exit::Usage)))?;
        let given = Given {
            set: vec!["sources.product.topic=p".to_owned()],
            ..Given::default()
        };
        let mut out = Vec::new();
        run(&arguments, &given, &mut out).map_err(|error| (error.to_string(), Exit::of(&error)))?;
        Ok(String::from_utf8(out).unwrap())
    }

    fn two_users() -> [String; 4] {
        [
            event(0, "ada", "2026-03-01T09:00:00Z"),
            event(1, "ada", "2026-03-02T09:00:00Z"),
            event(2, "bob", "2026-03-02T10:00:00Z"),
            event(3, "bob", "2026-03-05T10:00:00Z"),
        ]
    }

    #[test]
    fn a_quotient_is_told_with_its_parts_and_who_is_in_which() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(folder.path(), &two_users());
        let text = told(&["acme", "stickiness", &path]).unwrap();
        let expected = "\
stickiness of acme on 2026-03-05: 0.5

  dau / mau
  D is 2026-03-05
  dau = 1
  mau = 2

USER  OF WHOM           DAYS
ada   dau = 0, mau = 1  2026-03-01 to 2026-03-02
bob   dau = 1, mau = 1  2026-03-02, 2026-03-05
";
        assert_eq!(text, expected);
    }

    #[test]
    fn without_a_metric_the_headlines_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(folder.path(), &two_users());
        let text = told(&["acme", "--at", "2026-03-02", &path]).unwrap();
        assert!(text.starts_with("acme on 2026-03-02\n"), "{text}");
        assert!(text.contains("dau / mau"), "{text}");
        assert!(text.contains("\nmau "), "{text}");
    }

    #[test]
    fn people_are_shown_some_users_and_json_has_them_all() {
        let folder = tempfile::tempdir().unwrap();
        let lines: Vec<String> = (0..55)
            .map(|no| event(no, &format!("u{no:02}"), "2026-03-01T09:00:00Z"))
            .collect();
        let path = file(folder.path(), &lines);
        let text = told(&["acme", "dau", &path]).unwrap();
        assert!(text.ends_with("and 35 more users with --json\n"), "{text}");
        let json = told(&["acme", "dau", "--json", &path]).unwrap();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["value"], 55);
        assert_eq!(json["users"].as_array().unwrap().len(), 55);
        let day = json!({"date": "2026-03-01", "active": 1});
        assert_eq!(json["users"][0]["days"], json!([day]));
    }

    #[test]
    fn a_mistyped_name_is_told_with_the_nearest() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(folder.path(), &two_users());
        for (words, near) in [
            (["acme", "mua", &path], "did you mean `mau`?"),
            (["acne", "mau", &path], "did you mean `acme`?"),
        ] {
            let (error, exit) = told(&words).unwrap_err();
            assert!(error.ends_with(near), "{error}");
            assert_eq!(exit, Some(Exit::Usage));
        }
    }

    #[test]
    fn a_day_that_is_not_closed_is_a_failure_that_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(folder.path(), &two_users());
        let (error, exit) = told(&["acme", "mau", "--at", "2026-03-09", &path]).unwrap_err();
        assert!(
            error.contains("not closed: the newest closed one is 2026-03-05"),
            "{error}"
        );
        assert_eq!(exit, Some(Exit::Failed));
    }

    #[test]
    fn a_metric_without_files_is_refused() {
        let (error, exit) = told(&["acme", "mau"]).unwrap_err();
        assert!(error.contains("PATH"), "{error}");
        assert_eq!(exit, Some(Exit::Usage));
    }
}
