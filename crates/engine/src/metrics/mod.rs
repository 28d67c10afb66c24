//! The catalogue: every metric, once.
//!
//! A metric is one file and one line here. It reads the parts that it is told from, and tells a value from
//! parts; it holds no state. Record fields, JSON Schema, Prometheus families, `mainstay metrics` and the
//! reference page are made from this list.

mod usage;

use mainstay_model::{Day, Info, Parts, Value};

use crate::view::View;

/// One metric: what it is, how it is read from an account, how it is told from parts.
pub struct Metric {
    /// What everybody may know of it.
    pub info: Info,
    /// The parts that an account gives.
    pub read: fn(&View<'_>) -> Parts,
    /// The value that parts tell: of one account, or of many added up.
    pub tell: fn(&Parts, Asked) -> Value,
}

/// For when a value is told.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// The day, today for live values.
    pub day: Day,
}

/// Every metric, in the order in which people are shown them.
pub static CATALOGUE: &[&Metric] = &[
    &usage::active_users::DAU,
    &usage::active_users::WAU,
    &usage::active_users::MAU,
    &usage::stickiness::STICKINESS,
    &usage::stickiness::STICKINESS_WAU,
    &usage::stickiness::STICKINESS_MEAN,
    &usage::active_days_histogram::ACTIVE_DAYS_HISTOGRAM,
    &usage::engaged_users::ENGAGED_USERS_7D,
    &usage::known_users::KNOWN_USERS,
    &usage::sessions::SESSIONS_1D,
    &usage::sessions::SESSIONS_7D,
    &usage::sessions::SESSIONS_30D,
    &usage::sessions_per_user::SESSIONS_PER_USER_MEDIAN,
    &usage::sessions_per_user::SESSIONS_PER_USER_MEAN,
    &usage::sessions_per_user_day::SESSIONS_PER_USER_DAY,
    &usage::session_duration::SESSION_DURATION_P50,
    &usage::session_duration::SESSION_DURATION_P90,
    &usage::session_duration::SESSION_DURATION_MEAN,
    &usage::time_in_product::TIME_IN_PRODUCT_1D,
    &usage::time_in_product::TIME_IN_PRODUCT_7D,
    &usage::time_in_product::TIME_IN_PRODUCT_30D,
    &usage::key_actions_per_session::KEY_ACTIONS_PER_SESSION,
    &usage::events::EVENTS_1D,
    &usage::events::EVENTS_7D,
    &usage::events::EVENTS_30D,
    &usage::usage_trend::USAGE_TREND,
    &usage::wau_trend::WAU_BASE,
    &usage::wau_trend::WAU_TREND,
    &usage::last_seen::LAST_SEEN,
    &usage::last_seen::DAYS_SINCE_LAST_SEEN,
    &usage::active_days::ACTIVE_DAYS_30D,
    &usage::account_age::ACCOUNT_AGE_DAYS,
];

/// What everybody may know of every metric, in the order of the catalogue.
#[must_use]
pub fn infos() -> Vec<&'static Info> {
    CATALOGUE.iter().map(|metric| &metric.info).collect()
}

/// The value of every metric, in the order of the catalogue.
pub(crate) fn tell_all(view: &View<'_>) -> Vec<Value> {
    let asked = Asked { day: view.day };
    CATALOGUE
        .iter()
        .map(|metric| (metric.tell)(&(metric.read)(view), asked))
        .collect()
}

/// Ways of telling that many metrics share.
mod tell {
    use super::{Asked, Parts, Value};
    use crate::spread;

    /// A count; an account without a say counts as 0.
    pub(super) fn count(parts: &Parts, _: Asked) -> Value {
        match parts {
            Parts::Sums([n, ..]) => Value::Count(i64::try_from(*n).unwrap_or(i64::MAX)),
            Parts::Nothing | Parts::Table(_) | Parts::Spread(_) | Parts::Newest(_) => {
                Value::Undefined
            }
        }
    }

    /// The first sum over the second, rounded once.
    pub(super) fn ratio(parts: &Parts, _: Asked) -> Value {
        match parts {
            Parts::Sums([part, whole, ..]) => quotient(*part, *whole),
            Parts::Nothing | Parts::Table(_) | Parts::Spread(_) | Parts::Newest(_) => {
                Value::Undefined
            }
        }
    }

    /// The change of a mean: recent, its days, base, its days.
    pub(super) fn trend(parts: &Parts, _: Asked) -> Value {
        match parts {
            Parts::Sums([recent, days, base, base_days]) => {
                quotient(recent * base_days - base * days, base * days)
            }
            Parts::Nothing | Parts::Table(_) | Parts::Spread(_) | Parts::Newest(_) => {
                Value::Undefined
            }
        }
    }

    /// Milliseconds.
    pub(super) fn seconds(parts: &Parts, _: Asked) -> Value {
        match parts {
            Parts::Sums([ms, ..]) => Value::Seconds(i64::try_from(*ms).unwrap_or(i64::MAX)),
            Parts::Nothing | Parts::Table(_) | Parts::Spread(_) | Parts::Newest(_) => {
                Value::Undefined
            }
        }
    }

    /// The mean of milliseconds: their sum, their number; rounded half to even.
    pub(super) fn mean_seconds(parts: &Parts, _: Asked) -> Value {
        match parts {
            Parts::Sums([_, 0, ..]) | Parts::Nothing | Parts::Table(_) => Value::Undefined,
            Parts::Spread(_) | Parts::Newest(_) => Value::Undefined,
            Parts::Sums([sum, n, ..]) => {
                let (mean, rest) = (sum.div_euclid(*n), sum.rem_euclid(*n));
                let up = rest * 2 > *n || (rest * 2 == *n && mean % 2 != 0);
                Value::Seconds(i64::try_from(mean + i128::from(up)).unwrap_or(i64::MAX))
            }
        }
    }

    /// The middle of counted things, or the mean of the two middle ones.
    pub(super) fn median(parts: &Parts, _: Asked) -> Value {
        let Parts::Table(table) = parts else {
            return Value::Undefined;
        };
        let total = table.total();
        let middle = table
            .at_rank(total.div_ceil(2))
            .zip(table.at_rank(total / 2 + 1));
        middle.map_or(Value::Undefined, |(low, high)| {
            quotient(i128::from(low) + i128::from(high), 2)
        })
    }

    /// A percentile of durations, by nearest rank.
    pub(super) fn percentile(parts: &Parts, per_cent: u64) -> Value {
        let Parts::Spread(durations) = parts else {
            return Value::Undefined;
        };
        spread::percentile(durations, per_cent).map_or(Value::Undefined, Value::Seconds)
    }

    fn quotient(part: i128, whole: i128) -> Value {
        match whole {
            0 => Value::Undefined,
            // Both are far below 2^53, so that one correctly rounded division is all the rounding there is.
            _ => Value::Ratio(part as f64 / whole as f64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_id_is_given_twice() {
        let ids: BTreeSet<&str> = CATALOGUE.iter().map(|metric| metric.info.id).collect();
        assert_eq!(ids.len(), CATALOGUE.len());
    }

    #[test]
    fn an_id_says_its_window_and_nothing_else_twice() {
        for metric in CATALOGUE {
            let id = metric.info.id;
            assert!(
                id.chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'),
                "{id}"
            );
            assert!(metric.info.help.ends_with('.'), "{id}");
        }
    }
}
