//! What a metric is, and the values that it is told as.
//!
//! How a metric is read from an account is the engine's; this is what everybody else is handed: codec,
//! gauges, schemas, the reference page, names in config.

use crate::Day;

/// What everybody may know of a metric. One declaration, in the metric's own file, feeds record fields,
/// JSON Schema, Prometheus families, `mainstay metrics` and the reference page.
#[derive(Debug, PartialEq, Eq)]
pub struct Info {
    /// The name used everywhere.
    pub id: &'static str,
    /// What its values are measured in.
    pub unit: Unit,
    /// For whom it is told.
    pub levels: Levels,
    /// One sentence for a reader who has never heard of it.
    pub help: &'static str,
    /// One of those shown first.
    pub headline: bool,
}

/// What a metric's values are measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A number of things: users, sessions, events.
    Count,
    /// A pure number with a fraction: a mean or a median of counts.
    Mean,
    /// A fraction, 0 to 1 unless its help says otherwise; changes are fractions too.
    Ratio,
    /// A duration in seconds, to the millisecond.
    Seconds,
    /// A number of calendar days.
    Days,
    /// A calendar date.
    Date,
    /// Counts by a small number, the first for 1.
    Histogram,
}

/// For whom a metric is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Levels {
    /// Each account.
    Account,
    /// Each account, each segment and the fleet.
    AccountAndGroup,
}

/// A metric's value at a time.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A denominator is 0, or something that it needs is unknown or not configured: `null`, never 0.
    Undefined,
    /// A number of things or days.
    Count(i64),
    /// A quotient, rounded once, where it leaves.
    Ratio(f64),
    /// A duration in milliseconds, told in seconds.
    Seconds(i64),
    /// Counts, the first for 1.
    List(Vec<u64>),
    /// A date.
    Day(Day),
}
