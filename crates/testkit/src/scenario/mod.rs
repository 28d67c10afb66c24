//! Stories: what happened to an account, and what must be said of it, in a text that anybody can read.
//!
//! A file is one story. The whole story is run before anything is compared, so what is expected may stand
//! where it reads best. One thing a line, words parted by blanks, `#` begins a remark:
//!
//! ```text
//! set       key_actions=report_sent ignore=ping zone=UTC min_events=1 engaged_k=2 gap=30m lateness=2h
//! event     2026-03-01T09:00Z acme ada report_sent duration=90s at=2026-03-01T10:00Z
//! event     2026-03-01T09:00Z acme -   imported times=15 every=2d
//! created   2026-03-01T08:00Z acme tz=Asia/Tokyo
//! updated   2026-03-01T08:00Z acme tz=Europe/Berlin
//! deleted   2026-03-09T08:00Z acme
//! signup    2026-03-01T08:30Z acme ada
//! removed   2026-03-05T08:30Z acme ada
//! invited   2026-03-05T08:30Z acme bob
//! line      {"any": "bytes"}
//! close     2026-03-02T02:00Z
//! expect    acme 2026-03-01 dau=1 sessions_1d=1
//! expect    acme 2026-03-01 revision=1 corrects.dau=1 dau=2
//! absent    acme 2026-03-10
//! dead      too_late acme
//! ```
//!
//! Events may also have `id=`, `source=` and `actor=`, and all have `at=`, the time of their arrival. `close`
//! lets time pass: somebody else's event takes stream time there. `expect` without a revision means the last
//! one; what it does not name is not compared. `dead` lines are all dead letters, in their order.
//!
//! With `UPDATE_SCENARIOS=1` the expected lines are rewritten with what was said, and the diff is reviewed.

mod check;
mod parse;

use std::path::Path;

use mainstay_engine::Settings;
use mainstay_model::Day;
use serde_json::Value;

/// A story, ready to run.
#[derive(Debug)]
pub struct Scenario {
    /// What the operator has decided.
    pub settings: Settings,
    /// The records of the one input, in the order of their arrival.
    pub records: Vec<String>,
    /// The text, line by line, with what each expects.
    text: Vec<(String, Option<Expected>)>,
}

/// What must be said.
#[derive(Clone, Debug, PartialEq)]
enum Expected {
    Values {
        account: String,
        date: Day,
        /// `None` is the last one.
        revision: Option<i64>,
        values: Vec<(Place, String, Value)>,
    },
    Absent {
        account: String,
        date: Day,
    },
    Dead {
        code: String,
        account: String,
    },
}

/// Where in a record a value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Metrics,
    Corrects,
}

/// What a run said.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// The `account-daily` records, in their order.
    pub daily: Vec<Value>,
    /// Of each dead letter its code and the offset of the record: its place in [`Scenario::records`].
    pub dead: Vec<(String, usize)>,
}

/// A line of a story that cannot be understood.
#[derive(Debug, PartialEq, Eq)]
pub struct ParseError {
    /// The line's number, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: String,
}

impl std::fmt::Display for ParseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.why)
    }
}

impl std::error::Error for ParseError {}

impl Scenario {
    /// Reads a story.
    ///
    /// # Errors
    /// When a line is not one of the forms above.
    pub fn parse(text: &str) -> Result<Scenario, ParseError> {
        parse::scenario(text)
    }

    /// Everything in which a run did not say what it must, one line each, with the line of the story.
    #[must_use]
    pub fn differences(&self, said: &Said) -> Vec<String> {
        check::differences(self, said)
    }

    /// The story's text with what was said in place of what was expected.
    #[must_use]
    pub fn refreshed(&self, said: &Said) -> String {
        check::refreshed(self, said)
    }
}

/// Runs the story of a file: the whole body of a named test.
///
/// `run` is handed the story and gives back what the real thing said. With `refresh` the file is rewritten
/// instead of compared.
///
/// # Errors
/// When the story cannot be read, or the run did not say what it must.
pub fn run_file(
    path: &Path,
    refresh: bool,
    run: impl FnOnce(&Scenario) -> Said,
) -> Result<(), String> {
    let name = path.display();
    let text = std::fs::read_to_string(path).map_err(|e| format!("{name}: {e}"))?;
    let scenario = Scenario::parse(&text).map_err(|e| format!("{name}: {e}"))?;
    let said = run(&scenario);
    if refresh {
        let refreshed = scenario.refreshed(&said);
        return std::fs::write(path, refreshed).map_err(|e| format!("{name}: {e}"));
    }
    let differences = scenario.differences(&said);
    if differences.is_empty() {
        return Ok(());
    }
    let differences = differences.join("\n  ");
    Err(format!(
        "{name}\n  {differences}\n(UPDATE_SCENARIOS=1 rewrites what is expected)"
    ))
}

/// Whether the environment asks for expected parts to be rewritten.
#[must_use]
pub fn refresh_is_asked_for() -> bool {
    std::env::var_os("UPDATE_SCENARIOS").is_some_and(|asked| asked == "1")
}

#[cfg(test)]
mod tests;
