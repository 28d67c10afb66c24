//! What is told of a cohort: the list of its values, and how each is told from counts.

use mainstay_model::{Day, Sorted, Unit};

use super::fleet::Cohort;
use super::{Back, Counted, DAYS, SINCE, WEEKS, counted};
use crate::metrics::tell::greatest_common_divisor;
use crate::spread;

/// A value that is told of cohorts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CohortMeasure {
    /// The id of the metric, `retention_d7`.
    pub metric: String,
    /// How old the users are at the day that it tells of, `d7` or `w3`; none where it is of all so far.
    pub age: Option<String>,
    /// What its value is.
    pub unit: Unit,
    of: Of,
}

/// What a value is told from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    /// Users who were back, of those who have reached an age of so many days.
    Back { bit: u32, age: i32 },
    /// Users who did something, of all.
    Share(Counted),
    /// The median of durations, of users or of accounts.
    Median { from: Counted, of: Whom },
}

/// Whose durations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whom {
    Users,
    Accounts,
}

/// A value as it is told: exact, so that two can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// How many users, or accounts, the cohort has.
    pub(crate) size: i64,
    /// In lowest terms over `whole`; milliseconds where that is what it is.
    pub(crate) part: i64,
    /// 0 where nothing is known.
    pub(crate) whole: i64,
    /// No more can join, and all have reached the age.
    pub(crate) complete: bool,
}

/// Everything that is told of a cohort, in the order in which it is kept.
#[must_use]
pub fn cohort_measures() -> Vec<CohortMeasure> {
    let retention = |age: String, suffix: &str, of: Of| CohortMeasure {
        metric: format!("retention_{age}{suffix}"),
        age: Some(age),
        unit: Unit::Ratio,
        of,
    };
    let day = |age: i32| {
        let bit = Back::day(age);
        retention(format!("d{age}"), "", Of::Back { bit, age })
    };
    let week = |week: i32| {
        let (bit, age) = (Back::week(week), 7 * week);
        retention(format!("w{week}"), "", Of::Back { bit, age })
    };
    let since = |(place, age): (usize, i32)| {
        let bit = Back::since(place);
        retention(format!("d{age}"), "_unbounded", Of::Back { bit, age })
    };
    let so_far = |metric: &str, unit: Unit, of: Of| CohortMeasure {
        metric: metric.to_owned(),
        age: None,
        unit,
        of,
    };
    let median = |metric: &str, from: Counted, of: Whom| {
        so_far(metric, Unit::Seconds, Of::Median { from, of })
    };
    let days = (0..=DAYS).map(day);
    let back = days
        .chain((1..=WEEKS).map(week))
        .chain(SINCE.into_iter().enumerate().map(since));
    let value = [
        so_far(
            "activation_rate",
            Unit::Ratio,
            Of::Share(counted::ACTIVATED),
        ),
        median("time_to_value", counted::TO_VALUE, Whom::Users),
        median(
            "time_to_first_value",
            counted::TO_FIRST_VALUE,
            Whom::Accounts,
        ),
        median("time_to_onboarded", counted::TO_ONBOARDED, Whom::Accounts),
    ];
    back.chain(value).collect()
}

impl CohortMeasure {
    /// The value of a cohort as of a day. `activation` says whether anything is known of activation at all.
    pub(crate) fn tell(&self, cohort: &Cohort, as_of: Day, activation: bool) -> Told {
        let over = cohort.end.is_some_and(|end| end <= as_of);
        let ratio = |size: i64, part: i64, whole: i64, complete: bool| {
            let by =
                greatest_common_divisor(part.unsigned_abs().into(), whole.unsigned_abs().into());
            // Of nobody there is no quotient, and nothing to divide by.
            let by = i64::try_from(by).unwrap_or(1).max(1);
            Told {
                size,
                part: part / by,
                whole: whole / by,
                complete,
            }
        };
        match self.of {
            Of::Back { bit, age } => {
                let (size, reached) = (cohort.users(), cohort.users_by(as_of.minus(age)));
                let back = cohort.counts.of(counted::BACK + bit);
                let complete = over && reached == size;
                ratio(size, back, reached, complete)
            }
            Of::Share(what) => {
                let size = cohort.users();
                // Who did it under other settings may do it again under today's.
                let did = cohort.counts.of(what).min(size);
                ratio(size, did, if activation { size } else { 0 }, over)
            }
            Of::Median { from, of } => {
                let size = match of {
                    Whom::Users => cohort.users(),
                    Whom::Accounts => cohort.counts.of(counted::ACCOUNTS),
                };
                let ms = median(cohort, from);
                Told {
                    size,
                    part: ms.unwrap_or(0),
                    whole: ms.map_or(0, |_| 1),
                    complete: over,
                }
            }
        }
    }
}

/// The middle of durations by nearest rank, in milliseconds.
fn median(cohort: &Cohort, from: Counted) -> Option<i64> {
    let mut durations = Sorted::default();
    for (bucket, count) in cohort.counts.durations(from) {
        durations.count(bucket, u64::try_from(count).unwrap_or(0));
    }
    spread::percentile(&durations, 50)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_age_of_the_curve_is_told_once() {
        let all = cohort_measures();
        let names: std::collections::BTreeSet<&str> =
            all.iter().map(|measure| &measure.metric[..]).collect();
        assert_eq!((all.len(), names.len()), (31 + 12 + 3 + 4, 50));
        for name in [
            "retention_d0",
            "retention_d30",
            "retention_w12",
            "retention_d7_unbounded",
        ] {
            assert!(names.contains(name), "{name}");
        }
    }
}
