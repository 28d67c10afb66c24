//! Stickiness: of the people who used the product this month, how many came today, this week, on a usual day.
//!
//! 100 users today of 200 in the last 30 days is 0.5: the usual user comes every second day. An account
//! nobody used in 30 days has no stickiness, which is not the same as a stickiness of zero.

use mainstay_model::{Info, Levels, Parts, Unit};

use crate::metrics::{Deed, Metric, Read, Show, Why, tell};

pub(in crate::metrics) static STICKINESS: Metric = Metric {
    info: Info {
        id: "stickiness",
        unit: Unit::Ratio,
        levels: Levels::AccountAndGroup,
        help: "Of those active in 30 days, the share active on this day.",
        formula: "dau / mau",
        headline: true,
    },
    read: Read::Account(|view| {
        Parts::ratio(
            view.sum(1, |row| u64::from(row.active_users)),
            view.scan().mau,
        )
    }),
    tell: tell::ratio,
    why: Why::users(Deed::Active, 30).of(&[Show::Quotient("dau", "mau")]),
};

pub(in crate::metrics) static STICKINESS_WAU: Metric = Metric {
    info: Info {
        id: "stickiness_wau",
        unit: Unit::Ratio,
        levels: Levels::AccountAndGroup,
        help: "Of those active in 30 days, the share active in the last 7.",
        formula: "wau / mau",
        headline: false,
    },
    read: Read::Account(|view| Parts::ratio(view.scan().wau[0], view.scan().mau)),
    tell: tell::ratio,
    why: Why::users(Deed::Active, 30).of(&[Show::Quotient("wau", "mau")]),
};

pub(in crate::metrics) static STICKINESS_MEAN: Metric = Metric {
    info: Info {
        id: "stickiness_mean",
        unit: Unit::Ratio,
        levels: Levels::AccountAndGroup,
        help: "Mean of the daily active users of 30 days over those active in 30 days.",
        formula: "active days of all users in D-29…D / (30 × mau)",
        headline: false,
    },
    read: Read::Account(|view| {
        Parts::ratio(
            view.sum(30, |row| u64::from(row.active_users)),
            30 * view.scan().mau,
        )
    }),
    tell: tell::ratio,
    why: Why::users(Deed::Active, 30).of(&[Show::Quotient("active days of all users", "30 × mau")]),
};

#[cfg(test)]
mod tests {
    use super::super::story::*;

    #[test]
    fn a_hundred_of_two_hundred_is_a_half() {
        let mut story = Story::default();
        for user in 0..200 {
            story.used(
                &format!("user {user}"),
                day(if user < 100 { 10 } else { 3 }, 9),
            );
        }
        assert_eq!(story.tells("stickiness", 10), "0.5");
        assert_eq!(story.tells("stickiness_wau", 10), "0.5");
    }

    #[test]
    fn fifteen_days_of_thirty_is_a_half_on_average() {
        let mut story = Story::default();
        for days in 0..15 {
            story.used("ada", day(2 * days, 9));
        }
        assert_eq!(story.tells("stickiness_mean", 29), "0.5");
    }

    #[test]
    fn without_a_user_in_30_days_there_is_none() {
        let mut story = Story::default();
        story.used("ada", day(0, 9));
        assert_eq!(story.tells("stickiness", 29), "0.0");
        assert_eq!(story.tells("stickiness", 30), "null");
    }
}
