//! The values of cohorts of the fleet: users who signed up on one day, in one week or month, or on one plan, and
//! accounts that were created then.
//!
//! A user stays in the cohort, whatever becomes of the user or of the account. What cannot be known yet
//! leaves the user out of a value, and the value incomplete.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate};
use mainstay_model::Day;
use serde_json::Value;

use super::fraction::Fraction;
use super::groups::UNKNOWN;
use super::metrics::{Facts, UserFacts};
use super::part::{fraction, percentile};

/// By what users are put together, which cohort, and the id of the metric.
pub type CohortName = (String, String, String);

/// A value of a cohort.
#[derive(Clone, Debug, PartialEq)]
pub struct CohortValue {
    /// How old the users are at the day that it tells of, `d7` or `w3`; `None` where it is of all so far.
    pub age: Option<String>,
    /// How many users signed up, or accounts were created.
    pub size: u64,
    /// The value itself.
    pub value: Value,
    /// Whether no more users can come, and all have reached the age.
    pub complete: bool,
}

/// The cohorts as they are once a day has closed everywhere.
pub(super) fn of_fleet<'a>(
    accounts: impl Iterator<Item = &'a Facts<'a>>,
    last: Day,
) -> BTreeMap<CohortName, CohortValue> {
    let mut cohorts: BTreeMap<(&str, String), Cohort<'_>> = BTreeMap::new();
    for facts in accounts {
        if let Some((_, created)) = facts.account.created_as_of(last) {
            let plan = facts.account.trait_as_of("plan", created);
            for (by, name, end) in names(created, plan) {
                let cohort = cohorts.entry((by, name)).or_default();
                cohort.end = end;
                cohort.accounts.push(facts);
            }
        }
        for user in &facts.users {
            let Some((_, signed_up)) = user.sign_up(last) else {
                continue;
            };
            let plan = facts.account.trait_as_of("plan", signed_up);
            for (by, name, end) in names(signed_up, plan) {
                let cohort = cohorts.entry((by, name)).or_default();
                cohort.end = end;
                cohort.users.push((user, signed_up));
            }
        }
    }
    let told = cohorts.into_iter().flat_map(|((by, name), cohort)| {
        let values = cohort.values(last).into_iter();
        values.map(move |(metric, value)| ((by.to_owned(), name.clone(), metric), value))
    });
    told.collect()
}

/// The cohorts of a user who signed up on a day, each with its last day, if it has one.
fn names(day: Day, plan: Option<String>) -> [(&'static str, String, Option<Day>); 4] {
    let date = NaiveDate::from_epoch_days(day.0).unwrap_or_default();
    let week = date.iso_week();
    let week_end = day.plus(6 - date.weekday().num_days_from_monday() as i32);
    let days_of_month = i32::from(date.num_days_in_month());
    let month_end = day.plus(days_of_month - date.day() as i32);
    let (year, month) = (date.year(), date.month());
    [
        ("signup_day", day.to_string(), Some(day)),
        (
            "signup_week",
            format!("{:04}-W{:02}", week.year(), week.week()),
            Some(week_end),
        ),
        (
            "signup_month",
            format!("{year:04}-{month:02}"),
            Some(month_end),
        ),
        (
            "signup_plan",
            plan.unwrap_or_else(|| UNKNOWN.to_owned()),
            None,
        ),
    ]
}

#[derive(Default)]
struct Cohort<'a> {
    /// The last day on which a user can join.
    end: Option<Day>,
    users: Vec<(&'a UserFacts<'a>, Day)>,
    accounts: Vec<&'a Facts<'a>>,
}

impl Cohort<'_> {
    fn values(&self, last: Day) -> BTreeMap<String, CohortValue> {
        let mut values = BTreeMap::new();
        for n in 0..=30 {
            let on_the_day = |user: &UserFacts<'_>, on: Day| user.active_days.contains(&on.plus(n));
            self.retention(&mut values, "", format!("d{n}"), last, n, on_the_day);
        }
        for k in 1..=12 {
            let week = 7 * k;
            let in_week =
                |user: &UserFacts<'_>, on: Day| user.is_active_in(on.plus(week - 6), on.plus(week));
            self.retention(&mut values, "", format!("w{k}"), last, week, in_week);
        }
        for n in [1, 7, 30] {
            let since = |user: &UserFacts<'_>, on: Day| user.is_active_in(on.plus(n), last);
            self.retention(&mut values, "_unbounded", format!("d{n}"), last, n, since);
        }
        let users = self.users.iter().map(|(user, _)| *user);
        let activated = users
            .clone()
            .filter(|user| user.activated_at(last).is_some());
        let activated = activated.count() as i128;
        let rate = Fraction::new(activated, self.users.len() as i128);
        let is_configured = users.clone().any(UserFacts::can_be_activated);
        let rate = fraction(rate.filter(|_| is_configured));
        values.insert("activation_rate".to_owned(), self.so_far(rate, last));
        let times = users.filter_map(|user| user.time_to_value(last));
        let time = percentile(&times.collect::<Vec<_>>(), 5);
        values.insert("time_to_value".to_owned(), self.so_far(time, last));
        let accounts = self.accounts.iter();
        let times = accounts.filter_map(|account| account.time_to_first_value(last));
        let first_value = percentile(&times.collect::<Vec<_>>(), 5);
        let accounts = self.accounts.iter();
        let times = accounts.filter_map(|account| account.time_to_onboarded(last));
        let onboarded = percentile(&times.collect::<Vec<_>>(), 5);
        for (metric, time) in [
            ("time_to_first_value", first_value),
            ("time_to_onboarded", onboarded),
        ] {
            let value = CohortValue {
                size: self.accounts.len() as u64,
                ..self.so_far(time, last)
            };
            values.insert(metric.to_owned(), value);
        }
        values
    }

    /// Of the users who have reached an age of `n` days, those who came.
    fn retention(
        &self,
        values: &mut BTreeMap<String, CohortValue>,
        kind: &str,
        age: String,
        last: Day,
        n: i32,
        came: impl Fn(&UserFacts<'_>, Day) -> bool,
    ) {
        let reached = self.users.iter().filter(|(_, on)| on.plus(n) <= last);
        let reached: Vec<_> = reached.collect();
        if reached.is_empty() {
            return;
        }
        let stayed = reached.iter().filter(|(user, on)| came(user, *on));
        let share = Fraction::new(stayed.count() as i128, reached.len() as i128);
        let value = CohortValue {
            size: self.users.len() as u64,
            value: fraction(share),
            complete: self.is_over(last) && reached.len() == self.users.len(),
            age: Some(age.clone()),
        };
        values.insert(format!("retention_{age}{kind}"), value);
    }

    fn so_far(&self, value: Value, last: Day) -> CohortValue {
        CohortValue {
            age: None,
            size: self.users.len() as u64,
            value,
            complete: self.is_over(last),
        }
    }

    fn is_over(&self, last: Day) -> bool {
        self.end.is_some_and(|end| end <= last)
    }
}
