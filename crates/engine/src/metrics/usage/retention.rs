//! Retention: of those who signed up, who was back after n days.
//!
//! The sign-up days are the 28 newest whose day n is over; a user without a sign-up signed up on the first active day.

use mainstay_model::{Info, Levels, Parts, Unit};

use crate::metrics::{Deed, Metric, Moment, Read, Show, Why, tell};
use crate::view::View;

pub(in crate::metrics) static RETENTION_D1: Metric = Metric {
    info: Info {
        id: "retention_d1",
        unit: Unit::Ratio,
        levels: Levels::AccountGroupAndCohort,
        help: "Of the users of 28 sign-up days, the share active on exactly day 1 after.",
        formula: "users active on the day of sign-up + 1 / users signed up on D-28…D-1",
        headline: false,
    },
    read: Read::Account(|view| days(view, 0, 1)),
    tell: tell::ratio,
    why: Why::users(Deed::Active, 60)
        .of(&[Show::Quotient("users back", "users signed up")])
        .by_user(&[Moment::SignedUp]),
};

pub(in crate::metrics) static RETENTION_D7: Metric = Metric {
    info: Info {
        id: "retention_d7",
        unit: Unit::Ratio,
        levels: Levels::AccountGroupAndCohort,
        help: "Of the users of 28 sign-up days, the share active on exactly day 7 after.",
        formula: "users active on the day of sign-up + 7 / users signed up on D-34…D-7",
        headline: false,
    },
    read: Read::Account(|view| days(view, 1, 1)),
    tell: tell::ratio,
    why: Why::users(Deed::Active, 60)
        .of(&[Show::Quotient("users back", "users signed up")])
        .by_user(&[Moment::SignedUp]),
};

pub(in crate::metrics) static RETENTION_D30: Metric = Metric {
    info: Info {
        id: "retention_d30",
        unit: Unit::Ratio,
        levels: Levels::AccountGroupAndCohort,
        help: "Of the users of 28 sign-up days, the share active on exactly day 30 after.",
        formula: "users active on the day of sign-up + 30 / users signed up on D-57…D-30",
        headline: true,
    },
    read: Read::Account(|view| days(view, 2, 1)),
    tell: tell::ratio,
    why: Why::users(Deed::Active, 60)
        .of(&[Show::Quotient("users back", "users signed up")])
        .by_user(&[Moment::SignedUp]),
};

pub(in crate::metrics) static RETENTION_W1: Metric = Metric {
    info: Info {
        id: "retention_w1",
        unit: Unit::Ratio,
        levels: Levels::AccountGroupAndCohort,
        help: "Of the users of 28 sign-up days, the share active on any of the 7 days after.",
        formula: "users active on any of the 7 days after that of sign-up / users signed up on D-34…D-7",
        headline: false,
    },
    read: Read::Account(first_week),
    tell: tell::ratio,
    why: Why::users(Deed::Active, 60)
        .of(&[Show::Quotient("users back", "users signed up")])
        .by_user(&[Moment::SignedUp]),
};

pub(in crate::metrics) static RETENTION_D1_UNBOUNDED: Metric = Metric {
    info: Info {
        id: "retention_d1_unbounded",
        unit: Unit::Ratio,
        levels: Levels::AccountGroupAndCohort,
        help: "Of the users of 28 sign-up days, the share active on day 1 after or later.",
        formula: "users active on any day from that of sign-up + 1 to D / users signed up on D-28…D-1",
        headline: false,
    },
    read: Read::Account(|view| days(view, 0, 2)),
    tell: tell::ratio,
    why: Why::users(Deed::Active, 60)
        .of(&[Show::Quotient("users back", "users signed up")])
        .by_user(&[Moment::SignedUp]),
};

pub(in crate::metrics) static RETENTION_D7_UNBOUNDED: Metric = Metric {
    info: Info {
        id: "retention_d7_unbounded",
        unit: Unit::Ratio,
        levels: Levels::AccountGroupAndCohort,
        help: "Of the users of 28 sign-up days, the share active on day 7 after or later.",
        formula: "users active on any day from that of sign-up + 7 to D / users signed up on D-34…D-7",
        headline: false,
    },
    read: Read::Account(|view| days(view, 1, 2)),
    tell: tell::ratio,
    why: Why::users(Deed::Active, 60)
        .of(&[Show::Quotient("users back", "users signed up")])
        .by_user(&[Moment::SignedUp]),
};

pub(in crate::metrics) static RETENTION_D30_UNBOUNDED: Metric = Metric {
    info: Info {
        id: "retention_d30_unbounded",
        unit: Unit::Ratio,
        levels: Levels::AccountGroupAndCohort,
        help: "Of the users of 28 sign-up days, the share active on day 30 after or later.",
        formula: "users active on any day from that of sign-up + 30 to D / users signed up on D-57…D-30",
        headline: false,
    },
    read: Read::Account(|view| days(view, 2, 2)),
    tell: tell::ratio,
    why: Why::users(Deed::Active, 60)
        .of(&[Show::Quotient("users back", "users signed up")])
        .by_user(&[Moment::SignedUp]),
};

fn days(view: &View<'_>, age: usize, back: usize) -> Parts {
    let counts = view.scan().retention.days[age];
    Parts::ratio(counts[back], counts[0])
}

fn first_week(view: &View<'_>) -> Parts {
    let [users, back] = view.scan().retention.first_week;
    Parts::ratio(back, users)
}

#[cfg(test)]
mod tests {
    use super::super::story::*;

    #[test]
    fn retention_looks_at_the_exact_day_and_at_any_day_since() {
        let mut story = Story::default();
        for user in ["ada", "bob", "cyd", "dan"] {
            story.signed_up(user, day(0, 9));
        }
        story
            .used("ada", day(1, 9))
            .used("ada", day(7, 9))
            .used("bob", day(8, 9))
            .used("cyd", day(3, 9));
        let told = |metric: &str, on| story.tells(metric, on);
        assert_eq!(
            [told("retention_d1", 0), told("retention_d1", 1)],
            ["null", "0.25"]
        );
        assert_eq!(
            [told("retention_d7", 7), told("retention_d7_unbounded", 7)],
            ["0.25", "0.25"]
        );
        assert_eq!(told("retention_d7_unbounded", 8), "0.5");
        assert_eq!(
            [told("retention_w1", 6), told("retention_w1", 7)],
            ["null", "0.5"]
        );
        assert_eq!(
            [told("retention_d1", 28), told("retention_d1", 29)],
            ["0.25", "null"]
        );
    }

    #[test]
    fn who_never_signed_up_did_so_on_the_first_active_day() {
        let mut story = Story::default();
        story
            .used("ada", day(0, 9))
            .used("ada", day(1, 9))
            .used("bob", day(0, 9));
        assert_eq!(story.tells("retention_d1", 1), "0.5");
    }
}
