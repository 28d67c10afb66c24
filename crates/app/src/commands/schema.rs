//! `schema`: what comes in and what goes out, for machines.

use std::io::Write;

use clap::Args;
use mainstay_codec::schema::{Columns, asyncapi, schemas};
use mainstay_engine::{account_columns, cohort_measures, group_columns};
use serde_json::{Map, Value};

use crate::cli::ConfigFile;
use crate::config::{Config, Given, Needs};
use crate::exit::WrongUsage;

/// The arguments of `schema`.
#[derive(Debug, Args)]
#[command(after_help = "\
Without a name all schemas are printed, as one JSON object by name.

  mainstay schema native                     what an event looks like
  mainstay schema account-daily > daily.schema.json
  mainstay schema --asyncapi --config mainstay.toml")]
pub(crate) struct Arguments {
    /// An input format, or a topic without its prefix
    #[arg(conflicts_with = "asyncapi")]
    name: Option<String>,
    /// One AsyncAPI document of all topics
    #[arg(long)]
    asyncapi: bool,
    #[command(flatten)]
    pub(crate) file: ConfigFile,
}

pub(crate) fn run(arguments: &Arguments, given: &Given, out: &mut dyn Write) -> anyhow::Result<()> {
    let config = Config::load(given, Needs::Nothing)?;
    let settings = config.engine_settings();
    let of_cohorts = cohort_measures().into_iter();
    let mut columns = Columns {
        accounts: account_columns(&settings),
        groups: group_columns(&settings),
        of_cohorts: of_cohorts.map(|measure| measure.metric).collect(),
    };
    for columns in [&mut columns.accounts, &mut columns.groups] {
        columns.retain(|column| config.output.metrics.has(column.info));
    }
    let document = if arguments.asyncapi {
        let version = env!("CARGO_PKG_VERSION");
        asyncapi(&columns, config.output.prefix.as_str(), version)
    } else {
        let all = schemas(&columns).into_iter();
        let mut all: Map<String, Value> = all
            .map(|schema| (schema.name.to_owned(), schema.json))
            .collect();
        match &arguments.name {
            Some(name) => all.remove(name).ok_or_else(|| unknown(name, &all))?,
            None => Value::Object(all),
        }
    };
    writeln!(out, "{document:#}")?;
    Ok(())
}

fn unknown(name: &str, all: &Map<String, Value>) -> WrongUsage {
    let names: Vec<&str> = all.keys().map(String::as_str).collect();
    WrongUsage(format!(
        "there is no schema `{name}`, only {}",
        names.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(name: Option<&str>, asyncapi: bool, set: &[&str]) -> anyhow::Result<Value> {
        let given = Given {
            set: set.iter().map(|argument| argument.to_string()).collect(),
            ..Given::default()
        };
        let arguments = Arguments {
            name: name.map(str::to_owned),
            asyncapi,
            file: ConfigFile::default(),
        };
        let mut out = Vec::new();
        run(&arguments, &given, &mut out)?;
        Ok(serde_json::from_slice(&out)?)
    }

    #[test]
    fn all_schemas_are_printed_by_name_and_one_by_its_own() {
        let all = printed(None, false, &[]).unwrap();
        let daily = printed(Some("account-daily"), false, &[]).unwrap();
        assert_eq!(all["account-daily"], daily);
        assert!(daily["properties"]["metrics"]["properties"]["dau"].is_object());
    }

    #[test]
    fn an_unknown_schema_is_answered_with_the_known_ones() {
        let error = printed(Some("daily"), false, &[]).unwrap_err();
        assert!(
            error.is::<WrongUsage>() && error.to_string().contains("account-daily"),
            "{error}"
        );
    }

    #[test]
    fn the_document_of_all_topics_follows_the_config() {
        let set = ["kafka.application=acme", "output.metrics=dau"];
        let text = printed(None, true, &set).unwrap().to_string();
        assert!(text.contains("acme.account-daily"), "{text}");
        assert!(
            text.contains("\"dau\"") && !text.contains("\"wau\""),
            "{text}"
        );
    }
}
