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
    /// How its value comes about, in ids of metrics and in words; `D` is the day that it is of.
    pub formula: &'static str,
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
    /// Minor units of the currency of the reports.
    Money,
    /// One of a few names.
    Name,
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
    /// Each segment and the fleet.
    Group,
    /// Each account, each segment and the fleet.
    AccountAndGroup,
    /// Those, and each cohort of the fleet.
    AccountGroupAndCohort,
}

impl Levels {
    /// Whether accounts have it.
    #[must_use]
    pub fn of_accounts(self) -> bool {
        match self {
            Levels::Account | Levels::AccountAndGroup | Levels::AccountGroupAndCohort => true,
            Levels::Group => false,
        }
    }

    /// Whether segments and the fleet have it.
    #[must_use]
    pub fn of_groups(self) -> bool {
        match self {
            Levels::Group | Levels::AccountAndGroup | Levels::AccountGroupAndCohort => true,
            Levels::Account => false,
        }
    }
}

/// A value of a record: a metric, and of which feature it is where there is one for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// What is measured.
    pub info: &'static Info,
    /// The name of the tracked feature.
    pub feature: Option<Box<str>>,
}

impl Column {
    /// The name by which rules and corrections speak of it: `mau`, or `features.report.users_7d`.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.feature {
            None => self.info.id.to_owned(),
            Some(feature) => format!("features.{feature}.{}", self.field()),
        }
    }

    /// Its name within the object that holds it: a feature's own values leave out that they are a feature's.
    #[must_use]
    pub fn field(&self) -> &'static str {
        match self.feature {
            None => self.info.id,
            Some(_) => self
                .info
                .id
                .strip_prefix("feature_")
                .unwrap_or(self.info.id),
        }
    }
}

/// A metric's value at a time.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A denominator is 0, or something that it needs is unknown or not configured: `null`, never 0.
    Undefined,
    /// A number of things or days, or minor units of money.
    Count(i64),
    /// A quotient, rounded once, where it leaves.
    Ratio(f64),
    /// A duration in milliseconds, told in seconds.
    Seconds(i64),
    /// Counts, the first for 1.
    List(Vec<u64>),
    /// A date.
    Day(Day),
    /// One of a few names.
    Name(&'static str),
}
