//! Active users: how many different people used the product in 1, 7 and 30 days.
//!
//! A user is active on a day with at least `active.min_events` qualifying events. Windows end on the day
//! asked for and include it. A user belongs to one account, so groups add accounts up.

use mainstay_model::{Info, Levels, Parts, Unit};

use crate::metrics::{Deed, Metric, Read, Why, tell};

pub(in crate::metrics) static DAU: Metric = Metric {
    info: Info {
        id: "dau",
        unit: Unit::Count,
        levels: Levels::AccountAndGroup,
        help: "Users active on this day.",
        formula: "users active on D",
        headline: true,
    },
    read: Read::Account(|view| Parts::count(view.sum(1, |row| u64::from(row.active_users)))),
    tell: tell::count,
    why: Why::users(Deed::Active, 1),
};

pub(in crate::metrics) static WAU: Metric = Metric {
    info: Info {
        id: "wau",
        unit: Unit::Count,
        levels: Levels::AccountAndGroup,
        help: "Users active in the last 7 days.",
        formula: "users active on any of D-6…D",
        headline: true,
    },
    read: Read::Account(|view| Parts::count(view.scan().wau[0])),
    tell: tell::count,
    why: Why::users(Deed::Active, 7),
};

pub(in crate::metrics) static MAU: Metric = Metric {
    info: Info {
        id: "mau",
        unit: Unit::Count,
        levels: Levels::AccountAndGroup,
        help: "Users active in the last 30 days.",
        formula: "users active on any of D-29…D",
        headline: true,
    },
    read: Read::Account(|view| Parts::count(view.scan().mau)),
    tell: tell::count,
    why: Why::users(Deed::Active, 30),
};

#[cfg(test)]
mod tests {
    use super::super::story::*;

    #[test]
    fn three_users_one_of_them_twice_a_day_are_three() {
        let mut story = Story::default();
        story.used("ada", day(0, 9)).used("ada", day(0, 15));
        story.used("bob", day(0, 10)).used("cyd", day(0, 11));
        assert_eq!(story.tells("dau", 0), "3");
    }

    #[test]
    fn a_window_ends_on_the_day_and_includes_it() {
        let mut story = Story::default();
        story.used("ada", day(0, 9));
        assert_eq!([story.tells("dau", 0), story.tells("dau", 1)], ["1", "0"]);
        assert_eq!([story.tells("wau", 6), story.tells("wau", 7)], ["1", "0"]);
        assert_eq!([story.tells("mau", 29), story.tells("mau", 30)], ["1", "0"]);
    }

    #[test]
    fn a_zone_that_is_told_after_the_first_use_holds_from_the_beginning() {
        let mut story = Story::default();
        story
            .used("ada", day(0, 20))
            .lives_in("Asia/Tokyo", day(0, 19));
        story.used("ada", day(1, 20));
        assert_eq!(
            [story.tells("dau", 1), story.tells("events_1d", 1)],
            ["1", "1"]
        );
        assert_eq!(
            [story.tells("dau", 2), story.tells("events_7d", 2)],
            ["1", "2"]
        );
    }

    #[test]
    fn with_a_minimum_fewer_events_make_nobody_active() {
        let mut story = Story::default();
        story.settings.active_min_events = 2;
        story
            .used("ada", day(0, 9))
            .used("ada", day(0, 10))
            .used("bob", day(0, 9));
        assert_eq!(story.tells("dau", 0), "1");
    }

    #[test]
    fn ignored_events_make_nobody_active() {
        let mut story = Story::default();
        story.settings.active_ignore.insert("ping".into());
        story
            .did("ada", "ping", day(0, 9))
            .did("bob", "report", day(0, 9));
        assert_eq!(story.tells("dau", 0), "1");
    }
}
