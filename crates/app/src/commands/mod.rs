//! The commands, a file for each: its arguments, and what it does with them.

pub(crate) mod check;
mod compare_rules;
pub(crate) mod completions;
pub(crate) mod demo;
pub(crate) mod dlq;
pub(crate) mod explain;
pub(crate) mod metrics;
pub(crate) mod replay;
pub(crate) mod reset;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod status;
pub(crate) mod topics;

/// The arguments of a command, read as the command line reads them.
#[cfg(test)]
pub(crate) fn parsed<A: clap::Args>(command: &str, words: &[&str]) -> Result<A, String> {
    #[derive(clap::Parser)]
    struct Line<A: clap::Args> {
        #[command(flatten)]
        arguments: A,
    }
    let words = std::iter::once(command).chain(words.iter().copied());
    let line: Result<Line<A>, _> = clap::Parser::try_parse_from(words);
    line.map(|line| line.arguments)
        .map_err(|error| error.to_string())
}
