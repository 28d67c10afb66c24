//! What the demo shows, as lines of text: a pure function of what was seen.
//!
//! No line is wider and nothing is longer than the window. Rows are the accounts whose use changes most,
//! then the largest ones: the interesting first, in a place that they keep for a while.

use std::collections::BTreeMap;
use std::time::Duration;

use mainstay_model::{Currency, Timestamp, Value};
use mainstay_testkit::company::Story;

use super::movements::{Movements, major};
use super::values;
use super::watcher::{Phase, Seen};

/// What is to be shown.
#[derive(Clone, Debug)]
pub struct Picture {
    /// Where the demo stands.
    pub phase: Phase,
    /// The company's time.
    pub now: Option<Timestamp>,
    /// How much faster than life it passes.
    pub speed: u32,
    /// How long the demo has run.
    pub elapsed: Duration,
    /// How long it is to run.
    pub duration: Option<Duration>,
    /// Committed events.
    pub events: u64,
    /// Events committed in the last second.
    pub rate: f64,
    /// Events that came after their day was closed.
    pub late: u64,
    /// Events that had been applied before.
    pub duplicates: u64,
    /// Refused records by code.
    pub dead_letters: Vec<(&'static str, u64)>,
    /// Events sent and not committed.
    pub lag: u64,
    /// Median and 99th percentile of the time to the commit.
    pub latency: Option<(Duration, Duration)>,
    /// All accounts that are there.
    pub rows: Vec<Row>,
    /// The movements of revenue so far.
    pub movements: Movements,
    /// What money is told in.
    pub currency: Currency,
    /// Where the metrics are.
    pub url: String,
}

/// An account.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// What people call it.
    pub name: String,
    /// Users today, in the last 7 days, in the last 30.
    pub active: [i64; 3],
    /// Users of the day over users of 30 days.
    pub stickiness: Option<f64>,
    /// Sessions in 7 days.
    pub sessions: i64,
    /// What it pays a month, in minor units.
    pub mrr: Option<i64>,
    /// Events of the last 7 days, against those of the four weeks before.
    pub trend: Option<f64>,
    /// Days since anybody was seen.
    pub quiet_days: i64,
}

/// So many days without anybody, and an account counts as silent: longer than a long weekend.
const SILENT_DAYS: i64 = 4;
/// A change of use that is worth a word.
const NOTABLE: f64 = 0.2;
/// Changes of smaller accounts are mostly chance.
const FEW_USERS: i64 = 5;

impl Picture {
    /// A row for every account that was seen; names are those of the stories.
    #[must_use]
    pub fn rows_of(seen: &Seen, stories: &BTreeMap<String, Story>) -> Vec<Row> {
        let row = |(account, values): (&String, &Vec<Value>)| {
            let name = stories.get(account).map_or(account, |story| &story.name);
            Row::new(name, values)
        };
        seen.accounts.iter().map(row).collect()
    }

    /// Draws it into a window.
    #[must_use]
    pub fn lines(&self, width: usize, height: usize, colour: bool) -> Vec<String> {
        let mut lines = self.head();
        let foot = self.foot();
        let room = height.saturating_sub(lines.len() + foot.len() + 2);
        if !self.rows.is_empty() && room > 0 {
            lines.push(Line::plain(""));
            lines.push(heads());
            let rows = self.chosen(room).into_iter();
            lines.extend(rows.map(|row| row.line(self.currency)));
        }
        lines.extend(foot);
        lines.truncate(height);
        let drawn = lines.iter().map(|line| line.drawn(width, colour));
        drawn.collect()
    }

    fn head(&self) -> Vec<Line> {
        let time = match self.now {
            Some(now) => now
                .to_string()
                .chars()
                .take(16)
                .collect::<String>()
                .replace('T', " "),
            None => "-".to_owned(),
        };
        let left = match (self.phase, self.duration) {
            (Phase::Finishing | Phase::Comparing, _) => String::new(),
            (_, None) => "Ctrl-C ends it".to_owned(),
            (_, Some(duration)) => {
                let left = duration.saturating_sub(self.elapsed);
                format!("{} s left", left.as_secs())
            }
        };
        let speed = match self.phase {
            Phase::Live => format!("live at {}x", self.speed),
            Phase::Starting
            | Phase::Joining
            | Phase::History
            | Phase::Finishing
            | Phase::Comparing => self.phase.name().to_owned(),
        };
        let mut head = vec![
            Line::bold(&format!("Mainstay demo   {time} UTC   {speed}   {left}")),
            Line::plain(&format!(
                "{} events   {}/s   {} accounts   waiting {}   to the commit {}",
                number(self.events),
                number(self.rate as u64),
                number(self.rows.len() as u64),
                number(self.lag),
                match self.latency {
                    Some((median, slow)) =>
                        format!("p50 {} p99 {} ms", median.as_millis(), slow.as_millis()),
                    None => "-".to_owned(),
                },
            )),
        ];
        head.extend(self.revenue());
        head
    }

    /// What all accounts pay, and how that came about; nothing before any does.
    fn revenue(&self) -> Option<Line> {
        let paid: Vec<i64> = self.rows.iter().filter_map(|row| row.mrr).collect();
        let told = self.movements.told(&paid, self.currency);
        told.map(|told| Line::plain(&told))
    }

    fn foot(&self) -> Vec<Line> {
        let letters: u64 = self.dead_letters.iter().map(|(_, count)| count).sum();
        let mut by_count = self.dead_letters.clone();
        by_count.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let codes = by_count
            .iter()
            .map(|(code, count)| format!("{code} {count}"));
        let codes = codes.collect::<Vec<_>>().join(", ");
        vec![
            Line::plain(""),
            Line::plain(&format!(
                "late {}   duplicates {}   dead letters {}: {codes}",
                number(self.late),
                number(self.duplicates),
                number(letters),
            )),
            Line::plain(&self.url),
        ]
    }

    /// The accounts that change most in the upper half, the largest others below.
    fn chosen(&self, room: usize) -> Vec<&Row> {
        let mut moving: Vec<&Row> = self.rows.iter().filter(|row| row.is_moving()).collect();
        moving.sort_by(|one, two| {
            two.interest()
                .total_cmp(&one.interest())
                .then(one.name.cmp(&two.name))
        });
        moving.truncate(room.div_ceil(2));
        let mut large: Vec<&Row> = self
            .rows
            .iter()
            .filter(|row| !moving.contains(row))
            .collect();
        large.sort_by(|one, two| {
            two.active[2]
                .cmp(&one.active[2])
                .then(one.name.cmp(&two.name))
        });
        large.truncate(room - moving.len());
        moving.sort_by(|one, two| {
            one.trend
                .unwrap_or(-1.0)
                .total_cmp(&two.trend.unwrap_or(-1.0))
        });
        moving.into_iter().chain(large).collect()
    }
}

impl Row {
    /// An account with its newest values.
    #[must_use]
    pub fn new(name: &str, values: &[Value]) -> Row {
        let count = |id| values::count(values, id).unwrap_or(0);
        Row {
            name: name.to_owned(),
            active: ["dau", "wau", "mau"].map(count),
            stickiness: values::ratio(values, "stickiness"),
            sessions: count("sessions_7d"),
            mrr: values::count(values, "mrr"),
            trend: values::ratio(values, "usage_trend"),
            quiet_days: count("days_since_last_seen"),
        }
    }

    fn is_silent(&self) -> bool {
        self.quiet_days >= SILENT_DAYS
    }

    fn is_moving(&self) -> bool {
        let changes = self.trend.is_some_and(|trend| trend.abs() >= NOTABLE);
        self.active[2] >= FEW_USERS && (changes || self.is_silent())
    }

    /// How much use has changed, so that twice and half are as much, and larger accounts come first.
    fn interest(&self) -> f64 {
        let change = self
            .trend
            .map_or(0.0, |trend| (1.0 + trend).max(0.05).ln().abs());
        change * (self.active[2] as f64).sqrt()
    }

    /// What is to be said of it, and in which colour.
    fn word(&self) -> (&'static str, Colour) {
        match self.trend {
            _ if self.is_silent() => ("silent", Colour::Red),
            Some(trend) if trend <= -NOTABLE => ("fading", Colour::Yellow),
            Some(trend) if trend >= NOTABLE => ("growing", Colour::Green),
            Some(_) | None => ("", Colour::Plain),
        }
    }

    fn line(&self, currency: Currency) -> Line {
        let (word, colour) = self.word();
        let ratio =
            |ratio: Option<f64>| ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
        let trend = self
            .trend
            .map_or("-".to_owned(), |trend| format!("{:+.0} %", trend * 100.0));
        let [dau, wau, mau] = self.active;
        let mrr = self.mrr.map(|mrr| major(mrr, currency));
        let mrr = mrr.unwrap_or_else(|| "-".to_owned());
        let name: String = self.name.chars().take(20).collect();
        Line {
            text: format!(
                "{name:20} {dau:>5} {wau:>5} {mau:>5} {:>10} {:>11} {mrr:>9} {trend:>8}  {word}",
                ratio(self.stickiness),
                number(self.sessions.unsigned_abs()),
            ),
            colour,
        }
    }
}

fn heads() -> Line {
    Line::bold(&format!(
        "{:20} {:>5} {:>5} {:>5} {:>10} {:>11} {:>9} {:>8}",
        "ACCOUNT", "DAU", "WAU", "MAU", "STICKINESS", "SESSIONS 7D", "MRR", "TREND"
    ))
}

/// A number with its thousands apart: `12 345`.
#[must_use]
pub fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Colour {
    Plain,
    Bold,
    Red,
    Yellow,
    Green,
}

/// A line, and how all of it looks.
struct Line {
    text: String,
    colour: Colour,
}

impl Line {
    fn plain(text: &str) -> Line {
        Line {
            text: text.to_owned(),
            colour: Colour::Plain,
        }
    }

    fn bold(text: &str) -> Line {
        Line {
            colour: Colour::Bold,
            ..Line::plain(text)
        }
    }

    fn drawn(&self, width: usize, colour: bool) -> String {
        let cut: String = self.text.trim_end().chars().take(width).collect();
        let code = match self.colour {
            Colour::Plain => return cut,
            Colour::Bold => "1",
            Colour::Red => "31",
            Colour::Yellow => "33",
            Colour::Green => "32",
        };
        match colour {
            true => format!("\x1b[{code}m{cut}\x1b[0m"),
            false => cut,
        }
    }
}

#[cfg(test)]
#[path = "picture_tests.rs"]
mod tests;
