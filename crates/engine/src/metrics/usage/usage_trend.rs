//! Whether usage grows or fades: this week's events a day against those of the four weeks before.
//!
//! An account younger than a week before the week has no base, and no trend.

use mainstay_model::{Info, Levels, Parts, Unit};

use crate::facts::totals::Total;
use crate::metrics::{Deed, Metric, Read, Show, Why, tell};
use crate::view::View;

pub(in crate::metrics) static USAGE_TREND: Metric = Metric {
    info: Info {
        id: "usage_trend",
        unit: Unit::Ratio,
        levels: Levels::AccountAndGroup,
        help: "Mean daily events of 7 days over the mean of the 28 days before, less 1; -0.3 is 30 % less.",
        formula: "events a day in D-6…D / events a day in D-34…D-7, not before the first product event - 1",
        headline: true,
    },
    read: Read::Account(read),
    tell: tell::trend,
    why: Why::days(Deed::Events, 35).of(&[Show::Means(
        "events a day in D-6…D",
        "events a day in D-34…D-7",
    )]),
};

fn read(view: &View<'_>) -> Parts {
    of(view, |row| row.events)
}

/// The least number that all numbers of base days divide, so that the means of accounts add up exactly.
const BASE_DAYS: u64 = 80_313_433_200;

/// The trend of something that days count.
pub(super) fn of(view: &View<'_>, count: impl Fn(&Total) -> u64) -> Parts {
    let Some(first) = view.account.lifecycle.first_product else {
        return Parts::Nothing;
    };
    let (from, to) = (view.day.minus(34).max(first), view.day.minus(7));
    let base_days = to.since(from) + 1;
    if base_days < 7 {
        return Parts::Nothing;
    }
    let base = i128::from(view.sum_of(from, to, &count));
    let recent = view.sum(7, count);
    let mean = base * i128::from(BASE_DAYS / u64::from(base_days.unsigned_abs()));
    Parts::Sums([recent.into(), 7, mean, BASE_DAYS.into()])
}

#[cfg(test)]
mod tests {
    use super::super::story::*;

    #[test]
    fn seventy_a_week_after_a_hundred_a_week_is_minus_three_tenths() {
        let mut story = Story::default();
        for week in 0..5 {
            (0..if week < 4 { 100 } else { 70 })
                .for_each(|n| _ = story.used("ada", day(7 * week, n % 24)));
        }
        assert_eq!(story.tells("usage_trend", 34), "-0.3");
    }

    #[test]
    fn accounts_with_bases_of_any_length_add_up_as_means() {
        let lengths = 7..=28u64;
        assert!(
            lengths
                .into_iter()
                .all(|days| super::BASE_DAYS.is_multiple_of(days))
        );
        let mut fleet = Fleet::default();
        // 1 a day for 28 days, then 1; and 3 a day for 7 days, then 2: (1 + 2) / (1 + 3) - 1.
        let long = fleet.account("acme");
        (0..35).for_each(|n| _ = long.used("ada", day(n, 9)));
        let short = fleet.account("byte");
        for n in 21..35 {
            (0..if n < 28 { 3 } else { 2 }).for_each(|hour| _ = short.used("ada", day(n, hour)));
        }
        assert_eq!(fleet.tells("usage_trend", 34), "-0.25");
    }

    #[test]
    fn a_base_of_six_days_is_too_short() {
        let mut story = Story::default();
        story.used("ada", day(0, 9));
        assert_eq!(
            [
                story.tells("usage_trend", 12),
                story.tells("usage_trend", 13)
            ],
            ["null", "-1.0"]
        );
    }
}
