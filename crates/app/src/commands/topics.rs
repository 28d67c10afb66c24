//! `topics`: every topic that we write, and the rights that we need.

use std::io::Write;

use clap::Args;
use mainstay_connectors::kafka::KafkaSettings;
use mainstay_connectors::kafka::topics::{
    Acl, TopicPlan, acl_command, acls, create, create_command, inspect, plan,
};
use serde_json::json;

use crate::cli::ConfigFile;
use crate::config::{Config, Given, Needs};
use crate::{table, wiring};

/// The arguments of `topics`.
#[derive(Debug, Args)]
#[command(after_help = "\
Without --create no broker is asked. The topics must have as many partitions as the inputs: with
--create they are counted, else say how many.

  mainstay topics --config mainstay.toml --partitions 4
  mainstay topics --config mainstay.toml --partitions 4 --commands > create-topics.sh
  mainstay topics --config mainstay.toml --create
  mainstay topics --config mainstay.toml --acls --principal User:mainstay")]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) file: ConfigFile,
    /// Create those that are missing
    #[arg(long)]
    create: bool,
    /// How many partitions the inputs have
    #[arg(long, value_name = "N", conflicts_with = "create", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    partitions: u32,
    /// Print the commands that create them
    #[arg(long, conflicts_with_all = ["create", "json"])]
    commands: bool,
    /// Print the rights that are needed, as commands that grant them
    #[arg(long, conflicts_with_all = ["create", "commands"])]
    acls: bool,
    /// Whom the rights are granted to
    #[arg(
        long,
        value_name = "PRINCIPAL",
        requires = "acls",
        default_value = "User:mainstay"
    )]
    principal: String,
    /// Print a JSON list
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments, given: &Given, out: &mut dyn Write) -> anyhow::Result<()> {
    let needs = match (arguments.create, arguments.commands, arguments.acls) {
        (true, _, _) | (_, _, true) => Needs::Pipeline,
        (false, true, false) => Needs::Brokers,
        (false, false, false) => Needs::Nothing,
    };
    let config = Config::load(given, needs)?;
    let kafka = wiring::kafka(&config);
    if arguments.acls {
        let rights = acls(&kafka, &wiring::sources(&config));
        return write_acls(arguments, &kafka, &rights, out);
    }
    if arguments.create {
        let found = inspect(&kafka, &wiring::sources(&config))?;
        create(&kafka, &found.missing)?;
        let all = plan(&kafka, found.shards);
        return write_topics(arguments, &all, &found.missing, out);
    }
    let all = plan(&kafka, arguments.partitions);
    if arguments.commands {
        for topic in &all {
            writeln!(out, "{}", create_command(&kafka, topic))?;
        }
        return Ok(());
    }
    write_topics(arguments, &all, &[], out)
}

fn write_topics(
    arguments: &Arguments,
    topics: &[TopicPlan],
    created: &[TopicPlan],
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    if arguments.json {
        let list: Vec<_> = topics
            .iter()
            .map(|topic| {
                let settings = topic
                    .settings
                    .iter()
                    .map(|(name, value)| (*name, value.as_str()));
                json!({
                    "name": topic.name,
                    "partitions": topic.partitions,
                    "settings": settings.collect::<std::collections::BTreeMap<_, _>>(),
                    "what": topic.what,
                    "created": created.contains(topic),
                })
            })
            .collect();
        writeln!(out, "{:#}", json!(list))?;
        return Ok(());
    }
    let rows: Vec<_> = topics.iter().map(row).collect();
    table::write(out, ["topic", "partitions", "what", "settings"], &rows)?;
    if arguments.create {
        writeln!(out, "\ncreated: {}", created.len())?;
    }
    Ok(())
}

fn row(topic: &TopicPlan) -> [String; 4] {
    let settings = topic
        .settings
        .iter()
        .map(|(name, value)| format!("{name}={value}"));
    let settings: Vec<_> = settings.collect();
    [
        topic.name.clone(),
        topic.partitions.to_string(),
        topic.what.to_owned(),
        settings.join(" "),
    ]
}

fn write_acls(
    arguments: &Arguments,
    kafka: &KafkaSettings,
    rights: &[Acl],
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    if arguments.json {
        let list: Vec<_> = rights
            .iter()
            .map(|right| {
                let operations = right.operations.iter().map(|operation| operation.name());
                json!({
                    "kind": right.kind.name(),
                    "name": right.name,
                    "prefixed": right.prefixed,
                    "operations": operations.collect::<Vec<_>>(),
                })
            })
            .collect();
        writeln!(out, "{:#}", json!(list))?;
        return Ok(());
    }
    for right in rights {
        writeln!(out, "{}", acl_command(kafka, right, &arguments.principal))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::parsed;

    fn printed(words: &[&str]) -> anyhow::Result<String> {
        let arguments = parsed("topics", words).map_err(anyhow::Error::msg)?;
        let set = [
            "kafka.brokers=a:1",
            "kafka.application=acme",
            "sources.product.topic=events",
        ];
        let given = Given {
            set: set.map(str::to_owned).to_vec(),
            ..Given::default()
        };
        let mut out = Vec::new();
        run(&arguments, &given, &mut out)?;
        Ok(String::from_utf8(out)?)
    }

    #[test]
    fn each_topic_has_a_row_with_its_partitions() {
        let text = printed(&["--partitions", "4"]).unwrap();
        let daily = text
            .lines()
            .find(|line| line.starts_with("acme.account-daily "))
            .unwrap();
        assert!(
            daily.contains(" 4 ") && daily.contains("cleanup.policy=compact,delete"),
            "{text}"
        );
        let list: serde_json::Value = serde_json::from_str(&printed(&["--json"]).unwrap()).unwrap();
        assert_eq!(list.as_array().unwrap().len(), text.lines().count() - 1);
    }

    #[test]
    fn commands_can_be_run_as_they_are_printed() {
        let text = printed(&["--partitions", "4", "--commands"]).unwrap();
        assert!(
            text.lines()
                .all(|line| line.starts_with("kafka-topics.sh --bootstrap-server a:1 "))
        );
    }

    #[test]
    fn rights_name_inputs_outputs_group_and_transactions() {
        let text = printed(&["--acls", "--principal", "User:ada"]).unwrap();
        for part in [
            "--topic events ",
            "--group acme ",
            "--transactional-id acme-",
            "User:ada",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }

    #[test]
    fn options_that_exclude_each_other_are_refused() {
        assert!(printed(&["--create", "--partitions", "4"]).is_err());
        assert!(printed(&["--acls", "--commands"]).is_err());
    }
}
