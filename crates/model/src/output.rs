//! What goes out, before it is bytes.
//!
//! Values stand in the order of the list of [`Info`](crate::Info)s that the writer was made with.

use crate::{Currency, Day, Rejection, Timestamp, Value};

/// The final values of an account for a closed day.
#[derive(Clone, Debug, PartialEq)]
pub struct AccountDaily<'a> {
    /// Whose values.
    pub account: &'a str,
    /// The closed day, in the account's zone.
    pub date: Day,
    /// 0 at first; each correction is one more.
    pub revision: u32,
    /// The day's end, plus lateness.
    pub as_of: Timestamp,
    /// In the order of the catalogue.
    pub values: &'a [Value],
    /// On a correction: the old values of what changed.
    pub corrects: &'a [Corrected],
}

/// The final values of a group of accounts for a day that every account has closed.
#[derive(Clone, Debug, PartialEq)]
pub struct SegmentDaily<'a> {
    /// By what accounts are put together: `all`, or a trait.
    pub dimension: &'a str,
    /// The value of the trait; the fleet is `all`, accounts without a value are `unknown`.
    pub segment: &'a str,
    /// The closed day, in each account's own zone.
    pub date: Day,
    /// 0 at first; each correction is one more.
    pub revision: u32,
    /// The day's end in the zone of the company, plus lateness.
    pub as_of: Timestamp,
    /// In the order of the columns of groups; none when nobody turned out to be in the group on that day.
    pub values: &'a [Value],
    /// On a correction: the old values of what changed.
    pub corrects: &'a [Corrected],
}

/// A value of a cohort of the fleet.
#[derive(Clone, Debug, PartialEq)]
pub struct CohortValue<'a> {
    /// By what users are put together: `signup_day`, `signup_week`, `signup_month`, `signup_plan`.
    pub by: &'a str,
    /// The day, the ISO 8601 week, the month, or the plan at the end of the day of sign-up.
    pub cohort: &'a str,
    /// The id of the metric, `retention_d7`.
    pub metric: &'a str,
    /// How old the users are at the day that it tells of, `d7` or `w3`; none where it is of all so far.
    pub age: Option<&'a str>,
    /// How many signed up: users, or accounts where they are what the metric is of. 0 once nobody is in the cohort
    /// any more.
    pub size: i64,
    /// The value; of those alone who have reached the age.
    pub value: Value,
    /// No more can join, and all have reached the age: only a correction changes the value.
    pub complete: bool,
    /// 0 at first; each time it is told anew is one more.
    pub revision: u32,
    /// What was told before.
    pub was: Option<CohortWas>,
}

/// What was told of a cohort before.
#[derive(Clone, Debug, PartialEq)]
pub struct CohortWas {
    /// How many were in it.
    pub size: i64,
    /// The old value.
    pub value: Value,
    /// Whether it was complete.
    pub complete: bool,
}

/// A movement of an account's monthly recurring revenue, in minor units of the currency of the reports.
///
/// `before` + `amount` = `after`. Told again under the same id when what is known of it changes: the last one holds.
#[derive(Clone, Debug, PartialEq)]
pub struct MrrMovement<'a> {
    /// The same each time that it is told.
    pub id: &'a str,
    /// Whose revenue.
    pub account: &'a str,
    /// When it moved.
    pub at: Timestamp,
    /// What it is for the account: `new`, `expansion`, `contraction`, `churn`, `reactivation`, `fx`.
    pub kind: &'a str,
    /// What brought it about, such as `plan` or `cancel`.
    pub cause: &'a str,
    /// By how much: below 0 for less; 0 where it is withdrawn, and where what was
    /// won or lost is less than half a minor unit.
    pub amount: i128,
    /// The currency of the reports.
    pub currency: Currency,
    /// What was there before it.
    pub before: i128,
    /// What was there after it.
    pub after: i128,
    /// The id of the event that told of it; none for a rate of exchange, or for what came about by time.
    pub event: Option<&'a str>,
    /// How many days a customer who came back was away.
    pub gap_days: Option<i32>,
    /// What moved in the currency that is paid, where it is one other than that of the reports.
    pub original: Option<(i128, Currency)>,
    /// 0 at first; each time it is told anew is one more.
    pub revision: u32,
    /// It turned out that nothing moved.
    pub withdrawn: bool,
}

/// The newest rolling values of an account.
#[derive(Clone, Debug, PartialEq)]
pub struct AccountMetrics<'a> {
    /// Whose values.
    pub account: &'a str,
    /// The newest event time that they count.
    pub as_of: Timestamp,
    /// Made while records were still waiting to be read: the values will move without anything happening.
    pub partial: bool,
    /// Every input of the account's shard has been silent: the values may be old.
    pub data_stale: bool,
    /// In the order of the catalogue.
    pub values: &'a [Value],
}

/// The newest rolling values of a group of accounts.
#[derive(Clone, Debug, PartialEq)]
pub struct SegmentMetrics<'a> {
    /// By what accounts are put together: `all`, or a trait.
    pub dimension: &'a str,
    /// The value of the trait; the fleet is `all`, accounts without a value are `unknown`.
    pub segment: &'a str,
    /// The newest event time that they count.
    pub as_of: Timestamp,
    /// Made while records were still waiting to be read somewhere, or before every shard has said what it knows: the
    /// values will move without anything happening.
    pub partial: bool,
    /// Every input of every shard that has accounts in the group has been silent: the values may be old.
    pub data_stale: bool,
    /// In the order of the columns of groups.
    pub values: &'a [Value],
}

/// A value that a correction replaced.
#[derive(Clone, Debug, PartialEq)]
pub struct Corrected {
    /// Its place in the catalogue.
    pub metric: usize,
    /// What was told before.
    pub was: Value,
}

/// A record that could not be applied, as it came.
#[derive(Clone, Debug, PartialEq)]
pub struct DeadLetter<'a> {
    /// Why.
    pub why: &'a Rejection,
    /// Where it came from.
    pub topic: &'a str,
    /// Where it came from.
    pub partition: i32,
    /// Where it came from.
    pub offset: i64,
    /// The original key, or none.
    pub key: Option<&'a [u8]>,
    /// The original bytes, or none.
    pub value: Option<&'a [u8]>,
    /// The original headers.
    pub headers: &'a [(&'a str, Option<&'a [u8]>)],
}
