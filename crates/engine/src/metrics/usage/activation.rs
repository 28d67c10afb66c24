//! Activation: who did everything that shows that the product works for them.
//!
//! A user is activated by the first time of each of `activation.events`, all within `activation.within` of the sign-up
//! where that is set; an account by its first activated user.

use mainstay_model::{Info, Levels, Parts, Unit};

use crate::metrics::{Metric, Moment, Read, Show, Why, tell};
use crate::view::View;

pub(in crate::metrics) static ACTIVATION_RATE: Metric = Metric {
    info: Info {
        id: "activation_rate",
        unit: Unit::Ratio,
        levels: Levels::AccountGroupAndCohort,
        help: "Activated users over known users.",
        formula: "known users who did all of `activation.events` / known_users",
        headline: true,
    },
    read: Read::Account(rate),
    tell: tell::ratio,
    why: Why::NUMBERS
        .of(&[Show::Quotient("users who did all", "known_users")])
        .by_user(&[Moment::SignedUp, Moment::Activated]),
};

pub(in crate::metrics) static ACTIVATED: Metric = Metric {
    info: Info {
        id: "activated",
        unit: Unit::Count,
        levels: Levels::Account,
        help: "1 once a user of the account is activated, else 0.",
        formula: "1 once a user did all of `activation.events`, else 0",
        headline: false,
    },
    read: Read::Account(activated),
    tell: tell::count,
    why: Why::NUMBERS.by_user(&[Moment::SignedUp, Moment::Activated]),
};

fn rate(view: &View<'_>) -> Parts {
    if view.terms.activation().is_empty() {
        return Parts::Nothing;
    }
    let scan = view.scan();
    Parts::ratio(scan.activated, scan.known)
}

fn activated(view: &View<'_>) -> Parts {
    if view.terms.activation().is_empty() {
        return Parts::Nothing;
    }
    Parts::count(u64::from(view.scan().first_activated.is_some()))
}

#[cfg(test)]
mod tests {
    use super::super::story::*;

    #[test]
    fn a_hundred_of_two_hundred_are_one_half() {
        let mut story = Story::default();
        story.activates(&["sent", "paid"]);
        for n in 0..200 {
            let user = format!("user {n}");
            story.did(&user, "sent", day(0, 9));
            if n % 2 == 0 {
                story.did(&user, "paid", day(1, 9));
            }
        }
        assert_eq!(
            [
                story.tells("activation_rate", 0),
                story.tells("activated", 0)
            ],
            ["0.0", "0"]
        );
        assert_eq!(
            [
                story.tells("activation_rate", 1),
                story.tells("activated", 1)
            ],
            ["0.5", "1"]
        );
    }

    #[test]
    fn what_comes_too_long_after_the_sign_up_activates_nobody() {
        let mut story = Story::default();
        story.activates(&["sent"]).settings.activation_within_ms = Some(60 * MINUTE);
        story
            .signed_up("ada", day(0, 9))
            .did("ada", "sent", day(0, 10));
        story
            .signed_up("bob", day(0, 9))
            .did("bob", "sent", day(0, 10).plus_ms(1));
        assert_eq!(story.tells("activation_rate", 0), "0.5");
    }

    #[test]
    fn without_events_of_activation_nothing_is_known() {
        let mut story = Story::default();
        story.used("ada", day(0, 9));
        assert_eq!(
            [
                story.tells("activation_rate", 0),
                story.tells("activated", 0)
            ],
            ["null"; 2]
        );
    }
}
