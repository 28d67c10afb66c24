//! The arguments of the commands that drive the pipeline, checked: `run`, `replay`, `demo`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use mainstay_engine::ledger::Mode;

use crate::cli::ConfigFile;
use crate::config::{Config, Sources, Span, WhoseRules};
use crate::exit::WrongUsage;

/// The arguments of `run`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Start it as often as there are partitions: instances share them out. SIGTERM and SIGINT commit what
was done, leave the group and end with 0.

  mainstay check --config mainstay.toml && mainstay run --config mainstay.toml")]
pub struct Run {
    /// Where everything is said.
    #[command(flatten)]
    pub file: ConfigFile,
}

/// The arguments of `replay`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Lines are JSON objects as `mainstay schema native` says. Each topic becomes DIR/<topic>.jsonl; counts
and times go to DIR/summary.json.

  mainstay replay --out out events.jsonl
  zcat old/*.gz | mainstay replay --out out - new.jsonl.zst
  mainstay replay --compare-rules stripe,chartmogul billing.jsonl
  mainstay replay --config mainstay.toml --source product=p.jsonl --source billing=b.jsonl --out out")]
pub struct Replay {
    /// What is read.
    #[command(flatten)]
    pub inputs: Inputs,
    /// The directory for what comes out; made if it is not there
    #[arg(long, value_name = "DIR", required_unless_present = "compare_rules")]
    pub out: Option<PathBuf>,
    /// List why the mrr of accounts differs by the rules of two tools: of mainstay, stripe, chartmogul,
    /// profitwell, maxio, chargebee
    #[arg(long, value_name = "A,B")]
    pub compare_rules: Option<TwoRules>,
    /// Split as Kafka would split it over so many partitions; the final values are the same
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub shards: u32,
    /// Leave the last days open, as if more lines could come
    #[arg(long)]
    pub open_end: bool,
    /// Print the summary as one JSON object
    #[arg(long)]
    pub json: bool,
}

impl Replay {
    /// Whether the files are written out and compared: each takes a reading of its own.
    #[must_use]
    pub fn reads_twice(&self) -> bool {
        self.out.is_some() && self.compare_rules.is_some()
    }
}

/// Which files are read, and as what: of `replay` and `explain`.
#[derive(Clone, Debug, Args)]
pub struct Inputs {
    /// Where everything is said.
    #[command(flatten)]
    pub file: ConfigFile,
    /// Lines of one source of the config: NAME=PATH; may be given many times
    #[arg(long = "source", value_name = "NAME=PATH")]
    pub sources: Vec<NamedPath>,
    /// Lines of the only source: JSONL, also .gz or .zst; - is stdin
    #[arg(value_name = "PATH", required_unless_present = "sources")]
    pub paths: Vec<PathBuf>,
}

/// The arguments of `demo`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Nothing has to be installed: the broker is part of the program, the company is made up. In the end
the results are compared with what is known of the company.

  mainstay demo
  mainstay demo --speed 5000x --for 30s --seed 7 --json")]
pub struct Demo {
    /// How much faster than life: so many times
    #[arg(long, default_value = "2000x")]
    pub speed: Speed,
    /// When to end; without it the demo goes on until Ctrl-C, or 5 million events
    #[arg(long = "for", value_name = "DURATION")]
    pub duration: Option<Span>,
    /// Another number is another company
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// How many days of its past are read first, as fast as it goes: trends need three weeks, and after
    /// 22 days a Monday begins
    #[arg(long, value_name = "DAYS", default_value_t = 22, value_parser = clap::value_parser!(u32).range(0..=3650))]
    pub history: u32,
    /// How many accounts the company has
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub accounts: u32,
    /// How many users they have together
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub users: u32,
    /// Print JSON lines instead of a live table
    #[arg(long)]
    pub json: bool,
}

/// `stripe,chartmogul`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TwoRules([WhoseRules; 2]);

impl FromStr for TwoRules {
    type Err = String;

    fn from_str(text: &str) -> Result<TwoRules, String> {
        match text.split_once(',') {
            Some((one, other)) => Ok(TwoRules([one.trim().parse()?, other.trim().parse()?])),
            None => Err("expected two names, like stripe,chartmogul".to_owned()),
        }
    }
}

impl TwoRules {
    /// Whose rules.
    #[must_use]
    pub fn modes(&self) -> [Mode; 2] {
        self.0.map(|rules| rules.0)
    }

    /// Their names.
    #[must_use]
    pub fn names(&self) -> [&'static str; 2] {
        self.0.map(WhoseRules::name)
    }
}

/// `product=events.jsonl`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedPath {
    /// The source.
    pub name: String,
    /// Where its lines are.
    pub path: PathBuf,
}

impl FromStr for NamedPath {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<NamedPath, &'static str> {
        match text.split_once('=') {
            Some((name, path)) if !name.is_empty() && !path.is_empty() => Ok(NamedPath {
                name: name.to_owned(),
                path: PathBuf::from(path),
            }),
            Some(_) | None => Err("expected NAME=PATH"),
        }
    }
}

/// `2000x`: how much faster than life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speed(pub u32);

impl FromStr for Speed {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Speed, &'static str> {
        let number = text.strip_suffix('x').unwrap_or(text).parse();
        let number = number.ok().filter(|times| (1..=1_000_000).contains(times));
        number.map(Speed).ok_or("expected 1x to 1000000x")
    }
}

/// The source of a config that has none, and of lines that nobody named.
const NAMELESS: &str = "events";

impl Inputs {
    /// Which lines belong to which source. A config without sources gets those of the arguments.
    ///
    /// # Errors
    /// When a name is no source of the config, or it has several and a path has no name.
    pub fn by_source(&self, config: &mut Config) -> Result<Vec<NamedPath>, WrongUsage> {
        let mut inputs = self.sources.clone();
        let nameless = self.paths.iter().map(|path| {
            Ok(NamedPath {
                name: only_source(&config.sources)?,
                path: path.clone(),
            })
        });
        inputs.extend(nameless.collect::<Result<Vec<_>, WrongUsage>>()?);
        if config.sources.is_empty() {
            for input in &inputs {
                config.sources.add(&input.name).ok_or_else(|| {
                    WrongUsage(format!("`{}` cannot be the name of a source", input.name))
                })?;
            }
        }
        match inputs
            .iter()
            .find(|input| config.sources.get(&input.name).is_none())
        {
            Some(unknown) => Err(WrongUsage(format!(
                "`{}` is no source of the config, only {}",
                unknown.name,
                names(&config.sources)
            ))),
            None => Ok(inputs),
        }
    }
}

fn only_source(sources: &Sources) -> Result<String, WrongUsage> {
    let mut all = sources.iter();
    match (all.next(), all.next()) {
        (None, _) => Ok(NAMELESS.to_owned()),
        (Some((name, _)), None) => Ok(name.to_owned()),
        (Some(_), Some(_)) => Err(WrongUsage(format!(
            "the config has several sources: say --source NAME=PATH with {}",
            names(sources)
        ))),
    }
}

fn names(sources: &Sources) -> String {
    let names: Vec<_> = sources
        .iter()
        .map(|(name, _)| format!("`{name}`"))
        .collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::config::{Given, Needs};

    #[derive(Debug, Parser)]
    enum Command {
        Run(Run),
        Replay(Replay),
        Demo(Demo),
    }

    fn parse(line: &str) -> Result<Command, String> {
        let words = std::iter::once("mainstay").chain(line.split(' '));
        Command::try_parse_from(words).map_err(|error| error.to_string())
    }

    fn config(set: &[&str]) -> Config {
        let given = Given {
            set: set.iter().map(|argument| argument.to_string()).collect(),
            ..Given::default()
        };
        Config::load(&given, Needs::Nothing).unwrap()
    }

    fn inputs(line: &str, config: &mut Config) -> Result<Vec<String>, String> {
        let Command::Replay(replay) = parse(line)? else {
            return Err("no replay".to_owned());
        };
        let inputs = replay
            .inputs
            .by_source(config)
            .map_err(|error| error.to_string())?;
        let told = |input: NamedPath| format!("{}={}", input.name, input.path.display());
        Ok(inputs.into_iter().map(told).collect())
    }

    #[test]
    fn run_takes_a_config() {
        let Ok(Command::Run(run)) = parse("run --config m.toml") else {
            panic!("no run");
        };
        assert_eq!(run.file.config, Some(PathBuf::from("m.toml")));
    }

    #[test]
    fn replay_without_a_config_takes_any_names() {
        let mut config = config(&[]);
        let told = inputs("replay --out o --source a=1.jsonl 2.jsonl -", &mut config).unwrap();
        assert_eq!(told, ["a=1.jsonl", "events=2.jsonl", "events=-"]);
        assert_eq!(config.sources.iter().count(), 2);
    }

    #[test]
    fn a_path_without_a_name_is_of_the_only_source_of_the_config() {
        let told = inputs(
            "replay --out o x.jsonl",
            &mut config(&["sources.product.topic=p"]),
        );
        assert_eq!(told.unwrap(), ["product=x.jsonl"]);
        let several = ["sources.product.topic=p", "sources.billing.topic=b"];
        let told = inputs("replay --out o x.jsonl", &mut config(&several));
        assert!(told.unwrap_err().contains("`billing`, `product`"));
    }

    #[test]
    fn a_name_that_is_no_source_of_the_config_is_refused() {
        let set = ["sources.product.topic=p"];
        let told = inputs("replay --out o --source prodct=x.jsonl", &mut config(&set));
        assert!(
            told.unwrap_err()
                .contains("`prodct` is no source of the config, only `product`")
        );
    }

    #[test]
    fn replay_needs_lines_and_a_directory_and_at_least_one_shard() {
        assert!(parse("replay --out o").is_err());
        assert!(parse("replay x.jsonl").is_err());
        assert!(parse("replay --out o --shards 0 x.jsonl").is_err());
        assert!(
            parse("replay --out o --source product x.jsonl")
                .unwrap_err()
                .contains("NAME=PATH")
        );
    }

    #[test]
    fn rules_are_compared_by_their_names_and_need_no_directory() {
        let Ok(Command::Replay(replay)) = parse("replay --compare-rules stripe,maxio x.jsonl")
        else {
            panic!("no replay");
        };
        let rules = replay.compare_rules.unwrap();
        assert_eq!(rules.modes(), [Mode::Stripe, Mode::Maxio]);
        assert_eq!(rules.names(), ["stripe", "maxio"]);
        for (two, said) in [
            ("stripe", "expected two names"),
            ("stripe,chartmogle", "did you mean chartmogul?"),
            ("stripe,maxio,ours", "expected one of mainstay, stripe"),
        ] {
            let told = parse(&format!("replay --compare-rules {two} x.jsonl")).unwrap_err();
            assert!(told.contains(said), "{told}");
        }
    }

    #[test]
    fn demo_is_two_thousand_times_as_fast_as_life_unless_told_otherwise() {
        let Ok(Command::Demo(demo)) = parse("demo") else {
            panic!("no demo");
        };
        assert_eq!((demo.speed, demo.duration), (Speed(2000), None));
        let Ok(Command::Demo(demo)) = parse("demo --speed 5000x --for 20s --json") else {
            panic!("no demo");
        };
        assert_eq!(demo.speed, Speed(5000));
        assert_eq!(demo.duration.map(Span::ms), Some(20_000));
        assert!(
            parse("demo --for 20")
                .unwrap_err()
                .contains("a duration with its unit")
        );
    }
}
