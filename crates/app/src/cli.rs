//! The command line: what is asked of whom. What a command does stands in its own file.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::arguments;
use crate::commands::{
    check, completions, demo, dlq, explain, metrics, replay, reset, run, schema, status, topics,
};
use crate::config::Given;
use crate::exit::Exit;
use crate::logging::{self, LogFormat};

/// Live, exact customer health from your Kafka topics.
#[derive(Debug, Parser)]
#[command(name = "mainstay", version, max_term_width = 100, after_help = AFTER_HELP)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    command: Command,
    /// Replaces a key of the config: section.key=value; may be given many times
    #[arg(
        long,
        global = true,
        value_name = "KEY=VALUE",
        help_heading = "Global options"
    )]
    set: Vec<String>,
    /// How logs are written to stderr; RUST_LOG says which
    #[arg(
        long,
        global = true,
        value_name = "FORMAT",
        default_value = "pretty",
        help_heading = "Global options"
    )]
    log_format: LogFormat,
}

const AFTER_HELP: &str = "\
Examples:
  mainstay check --config mainstay.toml      is the config right?
  mainstay status --config mainstay.toml     how far is everything?
  mainstay metrics                           what is told of an account
  mainstay explain acme mau events.jsonl     why a number is what it is
  mainstay schema native                     what an event looks like
  mainstay completions bash > /etc/bash_completion.d/mainstay

Exit codes: 0 done, 1 failed, 2 wrong usage or config, 3 Kafka cannot be reached, 130 interrupted.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Show all of it at work in one process, with nothing to install
    Demo(arguments::Demo),
    /// Run the pipeline as a member of the consumer group
    Run(arguments::Run),
    /// Run the same core over files of JSON lines, without a broker
    Replay(arguments::Replay),
    /// Say why a number of an account is what it is: formula, parts, users and days
    Explain(explain::Arguments),
    /// Look for mistakes in a config; all of them are told at once
    Check(check::Arguments),
    /// Print or create the topics, or print the rights that are needed
    Topics(topics::Arguments),
    /// Print who has which shard, how far each is, what is in the way
    Status(status::Arguments),
    /// List and show the dead letters, and send them round again
    Dlq(dlq::Arguments),
    /// Set the offsets from the state, or drop the state and begin anew
    Reset(reset::Arguments),
    /// Print the metrics: id, unit, for whom, what
    Metrics(metrics::Arguments),
    /// Print the JSON Schemas of events and records, or AsyncAPI
    Schema(schema::Arguments),
    /// Print the completions of a shell
    Completions(completions::Arguments),
}

/// Which config a command reads.
#[derive(Clone, Debug, Default, Args)]
pub struct ConfigFile {
    /// The config: TOML, or YAML (.yaml, .yml)
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    logging::start(cli.log_format);
    let mut out = io::stdout().lock();
    let done = cli.run(&mut out).and_then(|()| Ok(out.flush()?));
    let Err(error) = done else {
        return ExitCode::SUCCESS;
    };
    let Some(exit) = Exit::of(&error) else {
        return ExitCode::SUCCESS;
    };
    eprintln!("error: {error:#}");
    ExitCode::from(exit as u8)
}

impl Cli {
    /// Runs the command; results go to `out`.
    ///
    /// # Errors
    /// Whatever stopped the command; [`Exit::of`] tells the exit code.
    pub fn run(self, out: &mut dyn Write) -> anyhow::Result<()> {
        let given = |file: &ConfigFile| Given::here(file.config.clone(), self.set.clone());
        match &self.command {
            Command::Demo(arguments) => demo::run(arguments, &self.set, out),
            Command::Run(arguments) => run::run(&given(&arguments.file)),
            Command::Replay(arguments) => {
                replay::run(arguments, &given(&arguments.inputs.file), out)
            }
            Command::Explain(arguments) => explain::run(arguments, &given(&arguments.file), out),
            Command::Check(arguments) => check::run(arguments, &given(&arguments.file), out),
            Command::Topics(arguments) => topics::run(arguments, &given(&arguments.file), out),
            Command::Status(arguments) => status::run(arguments, &given(&arguments.file), out),
            Command::Dlq(arguments) => dlq::run(arguments, &given(arguments.file()), out),
            Command::Reset(arguments) => reset::run(arguments, &given(&arguments.file), out),
            Command::Metrics(arguments) => metrics::run(arguments, out),
            Command::Schema(arguments) => schema::run(arguments, &given(&arguments.file), out),
            Command::Completions(arguments) => completions::run(arguments, out),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_and_every_option_explains_itself() {
        for command in Cli::command().get_subcommands_mut() {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            let help = command.render_help().to_string();
            assert!(help.contains("Usage:"), "{help}");
            for argument in command.get_arguments() {
                let (command, argument, help) =
                    (command.get_name(), argument.get_id(), argument.get_help());
                assert!(help.is_some(), "{command} {argument}");
            }
        }
    }
}
