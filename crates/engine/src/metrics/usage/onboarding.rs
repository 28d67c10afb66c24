//! Onboarding: how far an account is through its checklist. A step is done by the first event of its name, by any user.
//!
//! A group looks at the accounts created in the last 30 days.

use mainstay_model::{Info, Levels, Parts, Unit, Value};

use crate::metrics::{Asked, Metric, Read, Show, Why, tell};
use crate::view::View;

pub(in crate::metrics) static ONBOARDING_PROGRESS: Metric = Metric {
    info: Info {
        id: "onboarding_progress",
        unit: Unit::Ratio,
        levels: Levels::AccountAndGroup,
        help: "Steps of onboarding done over all steps; of groups: over those of the accounts created in the last 30 days.",
        formula: "steps done / steps",
        headline: true,
    },
    read: Read::Account(progress),
    tell: own_or_recent,
    why: Why::NUMBERS.of(&[Show::Quotient("steps done", "steps"), Show::Steps]),
};

pub(in crate::metrics) static ONBOARDING_DONE_24H: Metric = Metric {
    info: Info {
        id: "onboarding_done_24h",
        unit: Unit::Ratio,
        levels: Levels::AccountAndGroup,
        help: "1 if onboarding was done within 24 hours of the creation, else 0; of groups: the share, of accounts created in the last 30 days and more than 24 hours ago.",
        formula: "1 if the last step of onboarding came within 24 h of the creation of the account, else 0",
        headline: false,
    },
    read: Read::Account(done_in_a_day),
    tell: done_or_share,
    why: Why::NUMBERS.of(&[Show::Created, Show::Steps]),
};

pub(in crate::metrics) static ONBOARDING_DAYS_SINCE_STEP: Metric = Metric {
    info: Info {
        id: "onboarding_days_since_step",
        unit: Unit::Days,
        levels: Levels::Account,
        help: "Days since a step of onboarding was done for the first time.",
        formula: "D - the newest day on which a step was done for the first time",
        headline: false,
    },
    read: Read::Account(days_since_step),
    tell: tell::count,
    why: Why::NUMBERS.of(&[Show::Steps]),
};

const DAY_MS: i64 = 24 * 3_600_000;

/// What holds for the account, and the same once more if it counts in its groups.
fn own_and_recent(part: u64, whole: u64, counts: bool) -> Parts {
    let (part, whole) = (i128::from(part), i128::from(whole));
    match counts {
        true => Parts::Sums([part, whole, part, whole]),
        false => Parts::Sums([part, whole, 0, 0]),
    }
}

fn is_recent(view: &View<'_>) -> bool {
    let (_, created) = view.account.lifecycle.begun_at(view.day);
    created > view.day.minus(30)
}

fn progress(view: &View<'_>) -> Parts {
    let steps = view.terms.onboarding();
    if steps.is_empty() {
        return Parts::Nothing;
    }
    let (done, _) = view.account.onboarding.some(steps, view.day);
    own_and_recent(done, steps.len() as u64, is_recent(view))
}

fn done_in_a_day(view: &View<'_>) -> Parts {
    if view.terms.onboarding().is_empty() {
        return Parts::Nothing;
    }
    let (created, _) = view.account.lifecycle.begun_at(view.day);
    let in_time = created.plus_ms(DAY_MS);
    let done = view.onboarded().is_some_and(|(at, _)| at <= in_time);
    own_and_recent(u64::from(done), 1, is_recent(view) && in_time < view.end())
}

fn days_since_step(view: &View<'_>) -> Parts {
    let steps = view.terms.onboarding();
    let (_, newest) = view.account.onboarding.some(steps, view.day);
    newest.map_or(Parts::Nothing, |step| {
        Parts::count(view.day.since(step.day).unsigned_abs().into())
    })
}

fn own_or_recent(parts: &Parts, asked: Asked) -> Value {
    match (parts, asked.group) {
        (Parts::Sums([_, _, part, whole]), true) => {
            tell::ratio(&Parts::Sums([*part, *whole, 0, 0]), asked)
        }
        (_, _) => tell::ratio(parts, asked),
    }
}

fn done_or_share(parts: &Parts, asked: Asked) -> Value {
    match asked.group {
        true => own_or_recent(parts, asked),
        false => tell::count(parts, asked),
    }
}

#[cfg(test)]
mod tests {
    use super::super::story::*;

    #[test]
    fn two_of_four_steps_are_one_half() {
        let mut story = Story::default();
        story.steps(&["a", "b", "c", "d"]).created(day(0, 9));
        story
            .did("ada", "a", day(0, 10))
            .did("bob", "a", day(3, 10))
            .did("bob", "c", day(4, 10));
        assert_eq!(
            [
                story.tells("onboarding_progress", 0),
                story.tells("onboarding_progress", 4)
            ],
            ["0.25", "0.5"]
        );
        assert_eq!(story.tells("onboarding_days_since_step", 3), "3");
        assert_eq!(story.tells("onboarding_days_since_step", 6), "2");
        assert_eq!(story.tells("onboarding_done_24h", 6), "0");
    }

    #[test]
    fn done_within_a_day_of_the_creation_to_the_millisecond() {
        for (late_ms, told) in [(0, "1"), (1, "0")] {
            let mut story = Story::default();
            story
                .steps(&["a"])
                .created(day(0, 9))
                .did("ada", "a", day(1, 9).plus_ms(late_ms));
            assert_eq!(story.tells("onboarding_done_24h", 1), told);
        }
    }

    #[test]
    fn a_group_looks_at_new_accounts_and_at_those_who_had_their_day() {
        let mut fleet = Fleet::default();
        fleet.settings.onboarding_steps = ["a".into(), "b".into()].into();
        fleet
            .account("old")
            .created(day(0, 9))
            .did("ada", "a", day(0, 9))
            .did("ada", "b", day(0, 9));
        fleet
            .account("half")
            .created(day(20, 9))
            .did("ada", "a", day(20, 9));
        fleet
            .account("new")
            .created(day(30, 9))
            .did("ada", "a", day(30, 9))
            .did("ada", "b", day(30, 9));
        assert_eq!(fleet.tells("onboarding_progress", 29), "0.75");
        assert_eq!(fleet.tells("onboarding_progress", 30), "0.75");
        assert_eq!(fleet.tells("onboarding_done_24h", 30), "0.0");
        assert_eq!(fleet.tells("onboarding_done_24h", 31), "0.5");
    }
}
