//! How long it takes until the product is of use: for a user, and for an account.
//!
//! Medians of groups come from the merged histogram of all their users or accounts.

use mainstay_model::{Info, Levels, Parts, Sorted, Timestamp, Unit};

use crate::metrics::{Metric, Moment, Read, Show, Why, tell};
use crate::spread;
use crate::view::View;

pub(in crate::metrics) static TIME_TO_VALUE: Metric = Metric {
    info: Info {
        id: "time_to_value",
        unit: Unit::Seconds,
        levels: Levels::AccountGroupAndCohort,
        help: "Median time from a user's sign-up to activation, of all so far, to 3 significant digits.",
        formula: "median over users of activation - sign-up",
        headline: false,
    },
    read: Read::Account(users),
    tell: |parts, _| tell::percentile(parts, 50),
    why: Why::NUMBERS.by_user(&[Moment::SignedUp, Moment::Activated]),
};

pub(in crate::metrics) static TIME_TO_FIRST_VALUE: Metric = Metric {
    info: Info {
        id: "time_to_first_value",
        unit: Unit::Seconds,
        levels: Levels::AccountGroupAndCohort,
        help: "Time from the creation of the account to its first activated user, to 3 significant digits; of groups the median.",
        formula: "first activation of a user - creation of the account",
        headline: false,
    },
    read: Read::Account(first_user),
    tell: |parts, _| tell::percentile(parts, 50),
    why: Why::NUMBERS
        .of(&[Show::Created])
        .by_user(&[Moment::Activated]),
};

pub(in crate::metrics) static TIME_TO_ONBOARDED: Metric = Metric {
    info: Info {
        id: "time_to_onboarded",
        unit: Unit::Seconds,
        levels: Levels::AccountGroupAndCohort,
        help: "Time from the creation of the account to the last step of onboarding, to 3 significant digits; of groups the median.",
        formula: "last step of onboarding - creation of the account",
        headline: false,
    },
    read: Read::Account(onboarded),
    tell: |parts, _| tell::percentile(parts, 50),
    why: Why::NUMBERS.of(&[Show::Created, Show::Steps]),
};

fn users(view: &View<'_>) -> Parts {
    Parts::Spread(view.scan().time_to_value.clone())
}

fn first_user(view: &View<'_>) -> Parts {
    since_creation(view, view.scan().first_activated)
}

fn onboarded(view: &View<'_>) -> Parts {
    since_creation(view, view.onboarded().map(|(at, _)| at))
}

fn since_creation(view: &View<'_>, at: Option<Timestamp>) -> Parts {
    let mut spread = Sorted::default();
    if let Some(at) = at {
        let (created, _) = view.account.lifecycle.begun_at(view.day);
        spread.count(spread::bucket_between(created, at), 1);
    }
    Parts::Spread(spread)
}

#[cfg(test)]
mod tests {
    use super::super::story::*;

    #[test]
    fn the_clock_runs_from_the_sign_up_and_from_the_creation() {
        let mut story = Story::default();
        story.activates(&["sent"]).steps(&["invited", "sent"]);
        story.created(day(0, 8)).signed_up("ada", day(0, 9));
        story.did("ada", "sent", day(0, 9).plus_ms(1_000)).did(
            "bob",
            "invited",
            day(0, 8).plus_ms(90_000 * 41),
        );
        story
            .used("cyd", day(0, 9))
            .did("cyd", "sent", day(0, 9).plus_ms(1_500));
        assert_eq!(story.tells("time_to_value", 0), "1s");
        assert_eq!(story.tells("time_to_first_value", 0), "3602.431s");
        assert_eq!(story.tells("time_to_onboarded", 0), "3690.495s");
    }

    #[test]
    fn until_then_nothing_is_known() {
        let mut story = Story::default();
        story
            .activates(&["sent"])
            .steps(&["sent"])
            .used("ada", day(0, 9))
            .did("ada", "sent", day(1, 9));
        for metric in ["time_to_value", "time_to_first_value", "time_to_onboarded"] {
            assert_eq!(story.tells(metric, 0), "null", "{metric}");
        }
        assert_eq!(story.tells("time_to_value", 1), "86441.983s");
    }
}
