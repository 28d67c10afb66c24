//! Whether people come or stay away: this week's users against those of the four weeks before.
//!
//! Only weeks that began on or after the account's first product event make the base.

use mainstay_model::{Info, Levels, Parts, Unit};

use crate::metrics::{Metric, Read, Show, Why, tell};
use crate::view::View;

pub(in crate::metrics) static WAU_BASE: Metric = Metric {
    info: Info {
        id: "wau_base",
        unit: Unit::Mean,
        levels: Levels::AccountAndGroup,
        help: "Mean of the weekly active users 7, 14, 21 and 28 days ago.",
        formula: "mean of wau on D-7, D-14, D-21 and D-28, of weeks begun on or after the first product event",
        headline: false,
    },
    read: Read::Account(base),
    tell: |parts, _| tell::over(parts, 12),
    why: Why::NUMBERS.of(&[Show::Weeks]),
};

pub(in crate::metrics) static WAU_TREND: Metric = Metric {
    info: Info {
        id: "wau_trend",
        unit: Unit::Ratio,
        levels: Levels::AccountAndGroup,
        help: "Weekly active users over wau_base, less 1; -0.4 is 40 % fewer.",
        formula: "wau / wau_base - 1",
        headline: true,
    },
    read: Read::Account(trend),
    tell: tell::trend,
    why: Why::NUMBERS.of(&[Show::Means("wau", "wau_base"), Show::Weeks]),
};

fn base(view: &View<'_>) -> Parts {
    twelfths(view).map_or(Parts::Nothing, Parts::count)
}

fn trend(view: &View<'_>) -> Parts {
    let wau = i128::from(view.scan().wau[0]);
    twelfths(view).map_or(Parts::Nothing, |base| {
        Parts::Sums([wau, 1, base.into(), 12])
    })
}

/// Twelve times the base, a whole number for 1 to 4 weeks, so that accounts add up exactly.
fn twelfths(view: &View<'_>) -> Option<u64> {
    let weeks = weeks_of_base(view);
    let users: u64 = view.scan().wau[1..=weeks].iter().sum();
    (weeks > 0).then(|| users * 12 / weeks as u64)
}

/// How many of the four weeks before began on or after the account's first product event.
pub(in crate::metrics) fn weeks_of_base(view: &View<'_>) -> usize {
    let Some(first) = view.account.lifecycle.first_product else {
        return 0;
    };
    let began = |weeks: i32| view.day.minus(7 * weeks + 6) >= first;
    (1..=4).filter(|weeks| began(*weeks)).count()
}

#[cfg(test)]
mod tests {
    use super::super::story::*;

    #[test]
    fn the_base_is_the_mean_of_the_weeks_that_the_account_has_seen() {
        let mut story = Story::default();
        for (week, users) in [(0, 4), (1, 2), (2, 3)] {
            (0..users).for_each(|n| _ = story.used(&format!("user {n}"), day(7 * week, 9)));
        }
        assert_eq!(
            [story.tells("wau_base", 12), story.tells("wau_base", 13)],
            ["null", "4.0"]
        );
        assert_eq!(
            [story.tells("wau_base", 20), story.tells("wau_trend", 20)],
            ["3.0", "0.0"]
        );
    }
}
