//! Whether usage grows or fades: this week's events a day against those of the four weeks before.
//!
//! An account younger than a week before the week has no base, and no trend.

use mainstay_model::{Info, Levels, Parts, Unit};

use crate::metrics::{Metric, tell};
use crate::view::View;

pub(in crate::metrics) static USAGE_TREND: Metric = Metric {
    info: Info {
        id: "usage_trend",
        unit: Unit::Ratio,
        levels: Levels::AccountAndGroup,
        help: "Mean daily events of 7 days over the mean of the 28 days before, less 1; -0.3 is 30 % less.",
        headline: true,
    },
    read,
    tell: tell::trend,
};

fn read(view: &View<'_>) -> Parts {
    let Some(first) = view.account.lifecycle.first_product else {
        return Parts::Nothing;
    };
    let (from, to) = (view.day.minus(34).max(first), view.day.minus(7));
    let base_days = to.since(from) + 1;
    if base_days < 7 {
        return Parts::Nothing;
    }
    let base = view.sum_of(from, to, |row| row.events);
    let recent = view.sum(7, |row| row.events);
    Parts::Sums([recent.into(), 7, base.into(), base_days.into()])
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
