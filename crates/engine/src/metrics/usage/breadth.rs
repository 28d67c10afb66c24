//! Breadth: how many of an account's people use the product.

use mainstay_model::{Info, Levels, Parts, Unit};

use crate::metrics::{Deed, Metric, Moment, Read, Show, Why, tell};
use crate::view::View;

pub(in crate::metrics) static BREADTH: Metric = Metric {
    info: Info {
        id: "breadth",
        unit: Unit::Count,
        levels: Levels::Account,
        help: "Users of the account active in the last 30 days.",
        formula: "users active on any of D-29…D",
        headline: false,
    },
    read: Read::Account(|view| Parts::count(view.scan().mau)),
    tell: tell::count,
    why: Why::users(Deed::Active, 30),
};

pub(in crate::metrics) static BREADTH_RATIO: Metric = Metric {
    info: Info {
        id: "breadth_ratio",
        unit: Unit::Ratio,
        levels: Levels::Account,
        help: "mau over known_users.",
        formula: "mau / known_users",
        headline: false,
    },
    read: Read::Account(ratio),
    tell: tell::ratio,
    why: Why::users(Deed::Active, 30)
        .of(&[Show::Quotient("mau", "known_users")])
        .by_user(&[Moment::KnownSince]),
};

fn ratio(view: &View<'_>) -> Parts {
    let scan = view.scan();
    Parts::ratio(scan.mau, scan.known)
}

#[cfg(test)]
mod tests {
    use super::super::story::*;

    #[test]
    fn one_of_four_known_users_is_a_quarter() {
        let mut story = Story::default();
        story.used("ada", day(0, 9));
        ["bob", "cyd", "dan"]
            .iter()
            .for_each(|user| _ = story.signed_up(user, day(0, 9)));
        assert_eq!(
            [story.tells("breadth", 0), story.tells("breadth_ratio", 0)],
            ["1", "0.25"]
        );
    }
}
