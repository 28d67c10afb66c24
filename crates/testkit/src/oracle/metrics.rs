//! The metrics of an account on a day, each written down as its definition says it.
//!
//! Everything up to the last step is exact: integers, and quotients of integers that are divided once.

use std::collections::{BTreeMap, BTreeSet};

use hdrhistogram::Histogram;
use mainstay_engine::Settings;
use mainstay_model::Day;
use serde_json::{Value, json};

use super::Metrics;
use super::account::{Account, User};
use super::sessions::{self, Session};

/// Every metric that the oracle computes.
pub const IDS: &[&str] = &[
    "dau",
    "wau",
    "mau",
    "stickiness",
    "stickiness_wau",
    "stickiness_mean",
    "active_days_histogram",
    "engaged_users_7d",
    "known_users",
    "sessions_1d",
    "sessions_7d",
    "sessions_30d",
    "sessions_per_user_median",
    "sessions_per_user_mean",
    "sessions_per_user_day",
    "session_duration_p50",
    "session_duration_p90",
    "session_duration_mean",
    "time_in_product_1d",
    "time_in_product_7d",
    "time_in_product_30d",
    "key_actions_per_session",
    "events_1d",
    "events_7d",
    "events_30d",
    "usage_trend",
    "wau_base",
    "wau_trend",
    "last_seen",
    "days_since_last_seen",
    "active_days_30d",
    "account_age_days",
];

/// The values of every day of an account that has a record, up to `last`.
pub(super) fn of_days(account: &Account, last: Day, settings: &Settings) -> BTreeMap<Day, Metrics> {
    let facts = Facts::new(account, settings);
    let days = account.days_told(last).into_iter();
    days.map(|day| (day, facts.metrics(day))).collect()
}

/// What each user did, by user and day.
struct Facts<'a> {
    account: &'a Account,
    settings: &'a Settings,
    users: Vec<UserFacts<'a>>,
    /// By day, how many users were active.
    dau: BTreeMap<Day, i128>,
}

struct UserFacts<'a> {
    user: &'a User,
    active_days: BTreeSet<Day>,
    sessions: Vec<Session>,
}

/// The days of the rolling window that ends with a day.
fn window(day: Day, days: i32) -> impl Iterator<Item = Day> {
    (0..days).map(move |back| day.minus(back))
}

impl<'a> Facts<'a> {
    fn new(account: &'a Account, settings: &'a Settings) -> Facts<'a> {
        let users = account.users.values().map(|user| UserFacts {
            user,
            active_days: user
                .events
                .keys()
                .copied()
                .filter(|day| user.is_active(*day, settings.active_min_events))
                .collect(),
            sessions: sessions::of(&user.moments, settings.session_gap_ms),
        });
        let users: Vec<_> = users.collect();
        let mut dau = BTreeMap::new();
        for day in users.iter().flat_map(|user| &user.active_days) {
            *dau.entry(*day).or_default() += 1;
        }
        Facts {
            account,
            settings,
            users,
            dau,
        }
    }

    fn metrics(&self, day: Day) -> Metrics {
        let mut metrics = Metrics::new();
        self.activity(day, &mut metrics);
        self.sessions(day, &mut metrics);
        self.events(day, &mut metrics);
        self.trend_of_users(day, &mut metrics);
        self.last_seen(day, &mut metrics);
        metrics
    }

    fn activity(&self, day: Day, metrics: &mut Metrics) {
        let (dau, wau, mau) = (
            self.active_users(day, 1),
            self.active_users(day, 7),
            self.active_users(day, 30),
        );
        metrics.insert("dau", count(dau));
        metrics.insert("wau", count(wau));
        metrics.insert("mau", count(mau));
        metrics.insert("stickiness", ratio(dau, mau));
        metrics.insert("stickiness_wau", ratio(wau, mau));
        let user_days = self.user_days(day, 30);
        metrics.insert("stickiness_mean", ratio(user_days, 30 * mau));

        let mut histogram = [0_u64; 30];
        for user in &self.users {
            let days = user.active_days_of(day, 30);
            if days > 0 {
                histogram[days - 1] += 1;
            }
        }
        metrics.insert("active_days_histogram", json!(histogram.to_vec()));

        let key_actions = self.users.iter().map(|user| user.key_actions_7d(day));
        let engaged = key_actions.filter(|done| *done >= i128::from(self.settings.engaged_k));
        let engaged = count(engaged.count() as i128);
        metrics.insert("engaged_users_7d", self.if_key_actions(engaged));

        let known = self.users.iter().filter(|user| user.user.is_known(day));
        metrics.insert("known_users", count(known.count() as i128));
    }

    fn sessions(&self, day: Day, metrics: &mut Metrics) {
        for (days, number, time) in [
            (1, "sessions_1d", "time_in_product_1d"),
            (7, "sessions_7d", "time_in_product_7d"),
            (30, "sessions_30d", "time_in_product_30d"),
        ] {
            let durations = self.session_durations(day, days);
            metrics.insert(number, count(durations.len() as i128));
            metrics.insert(time, seconds(durations.iter().sum()));
        }
        let durations = self.session_durations(day, 7);
        let sessions = durations.len() as i128;
        metrics.insert("session_duration_p50", percentile(&durations, 0.5));
        metrics.insert("session_duration_p90", percentile(&durations, 0.9));
        metrics.insert("session_duration_mean", mean_seconds(&durations));

        let numbers = self.users.iter().map(|user| user.sessions_of(day, 7).len());
        let mut numbers: Vec<usize> = numbers.filter(|number| *number > 0).collect();
        numbers.sort_unstable();
        metrics.insert("sessions_per_user_median", median(&numbers));
        let mean = ratio(sessions, numbers.len() as i128);
        metrics.insert("sessions_per_user_mean", mean);
        let user_days = self.user_days(day, 7);
        metrics.insert("sessions_per_user_day", ratio(sessions, user_days));

        let key_actions = self.users.iter().map(|user| user.key_actions_7d(day)).sum();
        let per_session = self.if_key_actions(ratio(key_actions, sessions));
        metrics.insert("key_actions_per_session", per_session);
    }

    fn events(&self, day: Day, metrics: &mut Metrics) {
        metrics.insert("events_1d", count(self.events_of(window(day, 1))));
        metrics.insert("events_7d", count(self.events_of(window(day, 7))));
        metrics.insert("events_30d", count(self.events_of(window(day, 30))));

        let first = self.account.first_product_day;
        let base_days = window(day.minus(7), 28).filter(|day| first.is_some_and(|f| f <= *day));
        let base_days: Vec<Day> = base_days.collect();
        let n = base_days.len() as i128;
        let recent = self.events_of(window(day, 7));
        let base = self.events_of(base_days.into_iter());
        // recent / 7 over base / n, less 1.
        let trend = ratio(recent * n - 7 * base, 7 * base);
        metrics.insert("usage_trend", if n < 7 { Value::Null } else { trend });
    }

    fn trend_of_users(&self, day: Day, metrics: &mut Metrics) {
        let first = self.account.first_product_day;
        let ends = [7, 14, 21, 28].map(|back| day.minus(back)).into_iter();
        let ends = ends.filter(|end| first.is_some_and(|first| first <= end.minus(6)));
        let weeks: Vec<i128> = ends.map(|end| self.active_users(end, 7)).collect();
        let (sum, n) = (weeks.iter().sum::<i128>(), weeks.len() as i128);
        metrics.insert("wau_base", ratio(sum, n));
        // wau over sum / n, less 1.
        let trend = ratio(self.active_users(day, 7) * n - sum, sum);
        metrics.insert("wau_trend", trend);
    }

    fn last_seen(&self, day: Day, metrics: &mut Metrics) {
        let days = self.users.iter().flat_map(|user| user.active_days.iter());
        let last_seen = days.filter(|active| **active <= day).max();
        let told = last_seen.map_or(Value::Null, |last| json!(last.to_string()));
        metrics.insert("last_seen", told);
        let since = last_seen.map_or(Value::Null, |last| json!(day.since(*last)));
        metrics.insert("days_since_last_seen", since);
        let with_a_user = window(day, 30).filter(|day| self.dau.contains_key(day));
        metrics.insert("active_days_30d", count(with_a_user.count() as i128));

        let created = self.account.created.iter().filter(|(_, on)| *on <= day);
        let created = created.min().map_or(self.account.first_day, |(_, on)| *on);
        metrics.insert("account_age_days", json!(day.since(created)));
    }

    /// How many users were active on some day of a window.
    fn active_users(&self, day: Day, days: i32) -> i128 {
        let active = self.users.iter();
        active
            .filter(|user| user.active_days_of(day, days) > 0)
            .count() as i128
    }

    /// The sum of the active users of each day of a window.
    fn user_days(&self, day: Day, days: i32) -> i128 {
        window(day, days).filter_map(|day| self.dau.get(&day)).sum()
    }

    fn events_of(&self, days: impl Iterator<Item = Day>) -> i128 {
        days.filter_map(|day| self.account.events.get(&day)).sum()
    }

    fn session_durations(&self, day: Day, days: i32) -> Vec<i64> {
        let sessions = self
            .users
            .iter()
            .flat_map(|user| user.sessions_of(day, days));
        sessions.map(|session| session.duration_ms).collect()
    }

    fn if_key_actions(&self, value: Value) -> Value {
        if self.settings.key_actions.is_empty() {
            Value::Null
        } else {
            value
        }
    }
}

impl UserFacts<'_> {
    fn active_days_of(&self, day: Day, days: i32) -> usize {
        self.active_days.range(day.minus(days - 1)..=day).count()
    }

    /// The sessions that begin in a window, at their full length.
    fn sessions_of(&self, day: Day, days: i32) -> Vec<Session> {
        let begun = self.sessions.iter().copied();
        begun
            .filter(|session| (day.minus(days - 1)..=day).contains(&session.day))
            .collect()
    }

    fn key_actions_7d(&self, day: Day) -> i128 {
        let days = self.user.key_actions.range(day.minus(6)..=day);
        days.map(|(_, done)| done).sum()
    }
}

fn count(n: i128) -> Value {
    json!(i64::try_from(n).expect("counts of events fit into 63 bits"))
}

/// One division, of two integers that a float holds exactly.
fn ratio(part: i128, whole: i128) -> Value {
    if whole == 0 {
        return Value::Null;
    }
    float(part as f64 / whole as f64)
}

/// A float as a reader of the written record gets it.
fn float(value: f64) -> Value {
    let written = json!(value).to_string();
    serde_json::from_str(&written).expect("a finite float is JSON")
}

fn seconds(ms: i64) -> Value {
    float(ms as f64 / 1000.0)
}

/// The mean of the two in the middle when their number is even.
fn median(sorted: &[usize]) -> Value {
    let n = sorted.len();
    match n {
        0 => Value::Null,
        _ => ratio((sorted[(n - 1) / 2] + sorted[n / 2]) as i128, 2),
    }
}

/// Nearest rank in a histogram of milliseconds with 3 significant digits; a bucket is told by its highest
/// value, as `value_at_quantile` does.
fn percentile(durations_ms: &[i64], quantile: f64) -> Value {
    if durations_ms.is_empty() {
        return Value::Null;
    }
    let mut histogram = Histogram::<u64>::new(3).expect("3 digits are allowed");
    for ms in durations_ms {
        let ms = u64::try_from(*ms).expect("a session does not end before it begins");
        histogram.record(ms).expect("the histogram grows");
    }
    let ms = histogram.value_at_quantile(quantile);
    seconds(i64::try_from(ms).expect("a duration fits into 63 bits"))
}

/// The exact mean, rounded half to even to the millisecond.
fn mean_seconds(durations_ms: &[i64]) -> Value {
    let n = durations_ms.len() as i64;
    if n == 0 {
        return Value::Null;
    }
    let sum: i64 = durations_ms.iter().sum();
    let (whole, rest) = (sum / n, sum % n);
    let up = match (2 * rest).cmp(&n) {
        std::cmp::Ordering::Less => 0,
        std::cmp::Ordering::Equal => whole % 2,
        std::cmp::Ordering::Greater => 1,
    };
    seconds(whole + up)
}
