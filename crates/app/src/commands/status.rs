//! `status`: who has which shard, how far each is, what is in the way.

use std::io::Write;

use clap::Args;
use mainstay_connectors::kafka::{MemberStatus, ShardNo, ShardStatus, StartStatus, Status, status};
use serde_json::{Value, json};

use crate::cli::ConfigFile;
use crate::config::{Config, Given, Needs};
use crate::{table, wiring};

/// The arguments of `status`.
#[derive(Debug, Args)]
#[command(after_help = "\
The cluster is asked, not the instances: it works when none of them runs. Of a shard that nobody has
it is told if a start would be refused, and how that is mended.

  mainstay status --config mainstay.toml")]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) file: ConfigFile,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments, given: &Given, out: &mut dyn Write) -> anyhow::Result<()> {
    let config = Config::load(given, Needs::Pipeline)?;
    let hash = config.engine_settings().hash();
    let status = status(&wiring::runtime(&config), hash)?;
    if arguments.json {
        writeln!(out, "{:#}", to_json(&status))?;
        return Ok(());
    }
    let group = &config.kafka.application;
    let members = status.members.len();
    writeln!(out, "group {group}: {}, members: {members}\n", status.group)?;
    let rows: Vec<_> = status
        .shards
        .iter()
        .flat_map(|shard| rows(&status, shard))
        .collect();
    let heads = [
        "shard", "host", "epoch", "source", "at", "end", "lag", "note",
    ];
    table::write(out, heads, &rows)?;
    let told = start_lines(&status);
    if !told.is_empty() {
        writeln!(out, "\n{}", told.join("\n"))?;
    }
    Ok(())
}

/// What a start of shards that nobody has would come to, where that is worth a word.
fn start_lines(status: &Status) -> Vec<String> {
    let lines = status.shards.iter().flat_map(|shard| match &shard.start {
        StartStatus::Unasked => Vec::new(),
        StartStatus::Begins(notices) => notices
            .iter()
            .map(|notice| format!("note: shard {}: {notice}", shard.shard))
            .collect(),
        StartStatus::Refused(refused) => vec![format!("a start would be refused: {refused}")],
    });
    lines.collect()
}

/// A row for each source of a shard.
fn rows(status: &Status, shard: &ShardStatus) -> Vec<[String; 8]> {
    let owner = owner(status, shard.shard).map_or("-", |member| member.host.as_str());
    let position = shard.position.as_ref();
    let epoch = position.map_or("-".to_owned(), |position| position.mark.epoch.to_string());
    let is_refused = matches!(shard.start, StartStatus::Refused(_));
    let note = match (is_refused, position.is_none(), shard.open_transaction) {
        (true, _, _) => "START REFUSED, see below",
        (false, true, _) => "no state yet",
        (false, false, true) => "open transaction",
        (false, false, false) => "",
    };
    let rows = shard.sources.iter().map(|source| {
        let at = source
            .group
            .as_ref()
            .map_or("-".to_owned(), |group| group.offset.to_string());
        [
            shard.shard.to_string(),
            owner.to_owned(),
            epoch.clone(),
            source.name.clone(),
            at,
            source.end.to_string(),
            source.lag().to_string(),
            note.to_owned(),
        ]
    });
    rows.collect()
}

fn owner(status: &Status, shard: ShardNo) -> Option<&MemberStatus> {
    status
        .members
        .iter()
        .find(|member| member.shards.contains(&shard))
}

fn to_json(status: &Status) -> Value {
    let members = status.members.iter().map(
        |member| json!({ "id": member.id, "host": member.host, "shards": numbers(&member.shards) }),
    );
    let shards = status.shards.iter().map(|shard| {
        let position = shard.position.as_ref();
        let sources = shard.sources.iter().map(|source| {
            json!({
                "name": source.name,
                "topic": source.topic,
                "offset": source.group.as_ref().map(|group| group.offset),
                "metadata": source.group.as_ref().map(|group| &group.metadata),
                "first": source.first,
                "end": source.end,
                "lag": source.lag(),
            })
        });
        json!({
            "shard": shard.shard.0,
            "owner": owner(status, shard.shard).map(|member| &member.id),
            "state": position.map(|position| position.mark.to_string()),
            "writer": position.map(|position| &position.writer),
            "live_keys": position.map(|position| position.live_keys),
            "changelog": { "first": shard.changelog.0, "end": shard.changelog.1 },
            "open_transaction": shard.open_transaction,
            "sources": sources.collect::<Vec<_>>(),
            "start": start_json(&shard.start),
        })
    });
    json!({
        "group": status.group,
        "members": members.collect::<Vec<_>>(),
        "shards": shards.collect::<Vec<_>>(),
    })
}

fn start_json(start: &StartStatus) -> Value {
    match start {
        StartStatus::Unasked => Value::Null,
        StartStatus::Begins(notices) => {
            let notices = notices.iter().map(ToString::to_string);
            json!({ "refused": null, "notices": notices.collect::<Vec<_>>() })
        }
        StartStatus::Refused(refused) => {
            json!({ "refused": refused.to_string(), "notices": [] })
        }
    }
}

fn numbers(shards: &[ShardNo]) -> Vec<u32> {
    shards.iter().map(|shard| shard.0).collect()
}

#[cfg(test)]
mod tests {
    use mainstay_commit::start::Refused;
    use mainstay_connectors::kafka::SourceStatus;

    use super::*;

    fn a_status() -> Status {
        let source = SourceStatus {
            name: "product".to_owned(),
            topic: "events".to_owned(),
            group: None,
            first: 5,
            end: 25,
        };
        Status {
            group: "Stable".to_owned(),
            members: vec![MemberStatus {
                id: "m-1".to_owned(),
                host: "/10.0.0.1".to_owned(),
                shards: vec![ShardNo(0)],
            }],
            shards: vec![ShardStatus {
                shard: ShardNo(0),
                position: None,
                changelog: (0, 0),
                open_transaction: false,
                sources: vec![source],
                start: StartStatus::Unasked,
            }],
        }
    }

    #[test]
    fn a_shard_that_never_committed_lags_by_all_there_is() {
        let status = a_status();
        let rows = rows(&status, &status.shards[0]);
        let row = [
            "0",
            "/10.0.0.1",
            "-",
            "product",
            "-",
            "25",
            "20",
            "no state yet",
        ];
        assert_eq!(rows, [row.map(str::to_owned)]);
    }

    #[test]
    fn a_shard_whose_start_would_be_refused_is_marked_and_the_mend_is_told() {
        let mut status = a_status();
        status.shards[0].start = StartStatus::Refused(Refused::Truncated {
            shard: ShardNo(0),
            topic: "events".to_owned(),
            next: 30,
            end: 25,
        });
        let rows = rows(&status, &status.shards[0]);
        assert_eq!(rows[0][7], "START REFUSED, see below");
        let lines = start_lines(&status).join("");
        assert!(lines.contains("mainstay reset --drop-state"), "{lines}");
        let json = to_json(&status);
        assert!(json["shards"][0]["start"]["refused"].is_string(), "{json}");
    }

    #[test]
    fn json_names_the_owner_of_a_shard() {
        let json = to_json(&a_status());
        assert_eq!(json["shards"][0]["owner"], "m-1");
        assert_eq!(json["shards"][0]["sources"][0]["lag"], 20);
    }
}
