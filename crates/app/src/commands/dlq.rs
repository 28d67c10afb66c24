//! `dlq`: the dead letters, and sending those round again whose cause was mended.

use std::collections::{BTreeMap, VecDeque};
use std::io::Write;
use std::str::FromStr;

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use clap::{Args, Subcommand};
use mainstay_connectors::kafka::{
    KafkaSettings, StoredLetter, dead_letter_at, each_dead_letter, redrive,
};
use mainstay_model::Code;
use serde_json::{Value, json};

use crate::cli::ConfigFile;
use crate::config::{Config, Given, Needs};
use crate::exit::WrongUsage;
use crate::table::{self, printable};
use crate::wiring;

/// The arguments of `dlq`.
#[derive(Debug, Args)]
#[command(after_help = "\
A letter is named by its partition and offset on the dead-letter topic, as `list` prints them.

  mainstay dlq list --config mainstay.toml --code bad_field
  mainstay dlq show --config mainstay.toml 0/17
  mainstay dlq redrive --config mainstay.toml --code bad_field --dry-run")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Count them by code, and print the newest
    List(List),
    /// Print one with its headers and its bytes
    Show(Show),
    /// Send them again to where they came from; what was applied before is known by its id
    Redrive(Redrive),
}

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    file: ConfigFile,
    /// Only those with this code
    #[arg(long, value_parser = code)]
    code: Option<Code>,
    /// How many to print
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Show {
    #[command(flatten)]
    file: ConfigFile,
    /// Which: PARTITION/OFFSET
    letter: At,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Redrive {
    #[command(flatten)]
    file: ConfigFile,
    /// Which: PARTITION/OFFSET
    #[arg(conflicts_with_all = ["code", "all"])]
    letters: Vec<At>,
    /// All with this code
    #[arg(long, value_parser = code)]
    code: Option<Code>,
    /// All there are
    #[arg(long, conflicts_with = "code")]
    all: bool,
    /// How many at most, the oldest first
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    limit: usize,
    /// Only count them
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Arguments {
    /// Which config is meant.
    pub(crate) fn file(&self) -> &ConfigFile {
        match &self.action {
            Action::List(list) => &list.file,
            Action::Show(show) => &show.file,
            Action::Redrive(redrive) => &redrive.file,
        }
    }
}

pub(crate) fn run(arguments: &Arguments, given: &Given, out: &mut dyn Write) -> anyhow::Result<()> {
    let kafka = wiring::kafka(&Config::load(given, Needs::Brokers)?);
    match &arguments.action {
        Action::List(arguments) => list(arguments, &kafka, out),
        Action::Show(arguments) => show(arguments, &kafka, out),
        Action::Redrive(arguments) => send_again(arguments, &kafka, out),
    }
}

fn list(arguments: &List, kafka: &KafkaSettings, out: &mut dyn Write) -> anyhow::Result<()> {
    let mut newest = VecDeque::new();
    let mut codes: BTreeMap<String, u64> = BTreeMap::new();
    each_dead_letter(kafka, &mut |letter| {
        if is_wanted(&letter, arguments.code) {
            *codes.entry(letter.code().to_owned()).or_default() += 1;
            newest.push_back(letter);
            if newest.len() > arguments.limit {
                newest.pop_front();
            }
        }
    })?;
    if arguments.json {
        let letters: Vec<Value> = newest.iter().map(to_json).collect();
        writeln!(out, "{:#}", json!({ "codes": codes, "letters": letters }))?;
        return Ok(());
    }
    let counts = codes
        .iter()
        .map(|(code, count)| [code.clone(), count.to_string()]);
    table::write(out, ["code", "letters"], &counts.collect::<Vec<_>>())?;
    writeln!(out)?;
    let rows: Vec<_> = newest.iter().map(row).collect();
    table::write(out, ["letter", "when", "code", "from", "why"], &rows)?;
    Ok(())
}

fn show(arguments: &Show, kafka: &KafkaSettings, out: &mut dyn Write) -> anyhow::Result<()> {
    let letter = find(kafka, arguments.letter)?;
    if arguments.json {
        writeln!(out, "{:#}", to_json(&letter))?;
        return Ok(());
    }
    for (name, value) in &letter.headers {
        writeln!(out, "{name}: {}", shown(value.as_deref()))?;
    }
    writeln!(out, "key: {}", shown(letter.key.as_deref()))?;
    writeln!(out, "\n{}", shown(letter.value.as_deref()))?;
    Ok(())
}

fn send_again(
    arguments: &Redrive,
    kafka: &KafkaSettings,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    if arguments.letters.is_empty() && arguments.code.is_none() && !arguments.all {
        let usage = "say which letters: PARTITION/OFFSET, --code CODE or --all";
        return Err(WrongUsage(usage.to_owned()).into());
    }
    let mut letters = Vec::new();
    for at in &arguments.letters {
        letters.push(find(kafka, *at)?);
    }
    if arguments.letters.is_empty() {
        each_dead_letter(kafka, &mut |letter| {
            if letters.len() < arguments.limit && is_wanted(&letter, arguments.code) {
                letters.push(letter);
            }
        })?;
    }
    let found = letters.len();
    if arguments.dry_run {
        return match arguments.json {
            true => Ok(writeln!(out, "{}", json!({ "found": found }))?),
            false => Ok(writeln!(out, "{found} would be sent")?),
        };
    }
    let done = redrive(kafka, letters.into_iter())?;
    if arguments.json {
        let answer = json!({ "found": found, "sent": done.sent, "kept": done.kept });
        writeln!(out, "{answer}")?;
        return Ok(());
    }
    writeln!(out, "sent {}", done.sent)?;
    if done.kept > 0 {
        writeln!(
            out,
            "not sent {}: cut, or sent too often already",
            done.kept
        )?;
    }
    Ok(())
}

fn find(kafka: &KafkaSettings, at: At) -> anyhow::Result<StoredLetter> {
    let letter = dead_letter_at(kafka, at.partition, at.offset)?;
    letter.with_context(|| format!("there is no dead letter {}/{}", at.partition, at.offset))
}

fn is_wanted(letter: &StoredLetter, code: Option<Code>) -> bool {
    code.is_none_or(|code| letter.code() == code.name())
}

fn row(letter: &StoredLetter) -> [String; 5] {
    let origin = letter.origin();
    [
        format!("{}/{}", letter.partition, letter.offset),
        letter.at.map(|at| at.to_string()).unwrap_or_default(),
        letter.code().to_owned(),
        origin
            .map(|(topic, p, offset)| format!("{topic}/{p}/{offset}"))
            .unwrap_or_default(),
        printable(letter.header("error.message").unwrap_or_default()),
    ]
}

fn to_json(letter: &StoredLetter) -> Value {
    let base64 = |bytes: &Vec<u8>| BASE64.encode(bytes);
    let headers = letter
        .headers
        .iter()
        .map(|(name, value)| json!({ "name": name, "value_base64": value.as_ref().map(base64) }));
    let origin = letter.origin();
    json!({
        "letter": format!("{}/{}", letter.partition, letter.offset),
        "at": letter.at.map(|at| at.to_string()),
        "code": letter.code(),
        "message": letter.header("error.message"),
        "topic": origin.map(|(topic, _, _)| topic),
        "partition": origin.map(|(_, partition, _)| partition),
        "offset": origin.map(|(_, _, offset)| offset),
        "key_base64": letter.key.as_ref().map(base64),
        "value_base64": letter.value.as_ref().map(base64),
        "headers": headers.collect::<Vec<_>>(),
    })
}

/// Bytes of a stranger, for a terminal.
fn shown(bytes: Option<&[u8]>) -> String {
    match bytes {
        None => "(none)".to_owned(),
        Some(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => printable(text),
            Err(_) => format!("base64:{}", BASE64.encode(bytes)),
        },
    }
}

fn code(text: &str) -> Result<Code, String> {
    let codes = || Code::ALL.iter().copied();
    codes().find(|code| code.name() == text).ok_or_else(|| {
        let names: Vec<_> = codes().map(Code::name).collect();
        format!("expected one of {}", names.join(", "))
    })
}

/// Where a letter lies on its topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct At {
    partition: i32,
    offset: i64,
}

impl FromStr for At {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<At, &'static str> {
        let expected = "expected PARTITION/OFFSET, like 0/17";
        let (partition, offset) = text.split_once('/').ok_or(expected)?;
        Ok(At {
            partition: partition.parse().map_err(|_| expected)?,
            offset: offset.parse().map_err(|_| expected)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::parsed;

    fn parse(words: &[&str]) -> Result<Arguments, String> {
        parsed("dlq", words)
    }

    fn letter() -> StoredLetter {
        let header = |name: &str, value: &str| (name.to_owned(), Some(value.as_bytes().to_vec()));
        StoredLetter {
            partition: 0,
            offset: 17,
            at: None,
            key: None,
            value: Some(b"\x1b[2Jnot json".to_vec()),
            headers: vec![
                header("error.code", "not_json"),
                header("error.message", "byte 0"),
                header("error.topic", "events"),
                header("error.partition", "3"),
                header("error.offset", "12"),
            ],
        }
    }

    #[test]
    fn a_letter_is_told_in_a_row_and_in_json() {
        assert_eq!(
            row(&letter()),
            ["0/17", "", "not_json", "events/3/12", "byte 0"]
        );
        let json = to_json(&letter());
        assert_eq!(json["offset"], 12);
        assert_eq!(json["value_base64"], BASE64.encode("\x1b[2Jnot json"));
    }

    #[test]
    fn bytes_of_a_stranger_cannot_speak_to_the_terminal() {
        assert!(!shown(letter().value.as_deref()).contains('\x1b'));
        assert_eq!(shown(Some(b"\xff")), "base64:/w==");
    }

    #[test]
    fn codes_and_places_are_checked_at_the_door() {
        assert!(
            parse(&["list", "--code", "bad_feld"])
                .unwrap_err()
                .contains("bad_field")
        );
        assert!(
            parse(&["show", "17"])
                .unwrap_err()
                .contains("PARTITION/OFFSET")
        );
        assert!(parse(&["redrive", "--code", "bad_field", "0/1"]).is_err());
    }

    #[test]
    fn nothing_is_sent_again_unless_it_is_named() {
        let arguments = parse(&["redrive"]).unwrap();
        let given = Given {
            set: vec!["kafka.brokers=127.0.0.1:1".to_owned()],
            ..Given::default()
        };
        let error = run(&arguments, &given, &mut Vec::new()).unwrap_err();
        assert!(error.is::<WrongUsage>(), "{error}");
    }
}
