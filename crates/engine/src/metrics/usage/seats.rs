//! Seats: what the account has bought, and how much of it is used.
//!
//! The seats of a day are those told by the newest event up to its end.

use mainstay_model::{Info, Levels, Parts, Unit};

use crate::metrics::{Deed, Metric, Read, Show, Why, tell};
use crate::view::View;

pub(in crate::metrics) static SEATS: Metric = Metric {
    info: Info {
        id: "seats",
        unit: Unit::Count,
        levels: Levels::AccountAndGroup,
        help: "Users that the account has bought.",
        formula: "the newest seats told up to the end of D",
        headline: false,
    },
    read: Read::Account(seats),
    tell: tell::count,
    why: Why::NUMBERS,
};

pub(in crate::metrics) static ADOPTION_RATE: Metric = Metric {
    info: Info {
        id: "adoption_rate",
        unit: Unit::Ratio,
        levels: Levels::AccountAndGroup,
        help: "mau over seats; more users than seats make it more than 1.",
        formula: "mau / seats",
        headline: true,
    },
    read: Read::Account(rate),
    tell: tell::ratio,
    why: Why::users(Deed::Active, 30).of(&[Show::Quotient("mau", "seats")]),
};

pub(in crate::metrics) static INACTIVE_SEATS: Metric = Metric {
    info: Info {
        id: "inactive_seats",
        unit: Unit::Count,
        levels: Levels::AccountAndGroup,
        help: "Seats without a user of the last 30 days, not below 0.",
        formula: "seats - mau, not below 0",
        headline: false,
    },
    read: Read::Account(inactive),
    tell: tell::count,
    why: Why::NUMBERS,
};

fn known(view: &View<'_>) -> Option<u64> {
    view.account
        .seats
        .as_of(view.day)
        .map(|seats| u64::from(*seats))
}

fn seats(view: &View<'_>) -> Parts {
    known(view).map_or(Parts::Nothing, Parts::count)
}

fn rate(view: &View<'_>) -> Parts {
    known(view).map_or(Parts::Nothing, |seats| Parts::ratio(view.scan().mau, seats))
}

fn inactive(view: &View<'_>) -> Parts {
    known(view).map_or(Parts::Nothing, |seats| {
        Parts::count(seats.saturating_sub(view.scan().mau))
    })
}

#[cfg(test)]
mod tests {
    use super::super::story::*;

    #[test]
    fn forty_of_fifty_seats_are_four_fifths() {
        let mut story = Story::default();
        story.has_seats(50, day(0, 8));
        (0..40).for_each(|n| _ = story.used(&format!("user {n}"), day(0, 9)));
        assert_eq!(story.tells("adoption_rate", 0), "0.8");
        assert_eq!(story.tells("inactive_seats", 0), "10");
    }

    #[test]
    fn seats_are_those_of_the_day_and_more_users_than_seats_leave_none() {
        let mut story = Story::default();
        story.used("ada", day(0, 9)).used("bob", day(0, 9));
        story.has_seats(1, day(1, 9)).has_seats(4, day(3, 9));
        assert_eq!(
            [story.tells("seats", 0), story.tells("adoption_rate", 0)],
            ["null"; 2]
        );
        assert_eq!(
            [
                story.tells("adoption_rate", 2),
                story.tells("inactive_seats", 2)
            ],
            ["2.0", "0"]
        );
        assert_eq!(
            [story.tells("seats", 3), story.tells("inactive_seats", 3)],
            ["4", "2"]
        );
    }

    #[test]
    fn a_group_leaves_out_accounts_without_seats_on_both_sides() {
        let mut fleet = Fleet::default();
        fleet
            .account("acme")
            .has_seats(4, day(0, 8))
            .used("ada", day(0, 9));
        fleet
            .account("byte")
            .used("ada", day(0, 9))
            .used("bob", day(0, 9));
        assert_eq!(
            [fleet.tells("seats", 0), fleet.tells("adoption_rate", 0)],
            ["4", "0.25"]
        );
    }
}
