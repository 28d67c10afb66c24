//! How long it takes from the sale to the last step of onboarding, in days.

use mainstay_model::{Info, Levels, Parts, Sorted, Unit, Value};

use crate::metrics::{Asked, Metric, Read, Show, Why, tell};
use crate::view::View;

pub(in crate::metrics) static DAYS_TO_LAUNCH: Metric = Metric {
    info: Info {
        id: "days_to_launch",
        unit: Unit::Days,
        levels: Levels::AccountAndGroup,
        help: "Days from the creation of the account to the last step of onboarding; of groups the median.",
        formula: "day of the last step of onboarding - day of the creation of the account",
        headline: false,
    },
    read: Read::Account(read),
    tell: tell_days,
    why: Why::NUMBERS.of(&[Show::Created, Show::Steps]),
};

fn read(view: &View<'_>) -> Parts {
    let mut table = Sorted::default();
    if let Some((_, done)) = view.onboarded() {
        let (_, created) = view.account.lifecycle.begun_at(view.day);
        table.count(done.since(created).max(0).unsigned_abs(), 1);
    }
    Parts::Table(table)
}

/// Of an account a whole number of days; the median of several may lie between two.
fn tell_days(parts: &Parts, asked: Asked) -> Value {
    match (parts, asked.group) {
        (Parts::Table(table), false) => {
            let days = table.at_rank(1);
            days.map_or(Value::Undefined, |days| Value::Count(days.into()))
        }
        (_, _) => tell::median(parts, asked),
    }
}

#[cfg(test)]
mod tests {
    use super::super::story::*;

    #[test]
    fn days_count_from_the_creation_to_the_last_step() {
        let mut story = Story::default();
        story
            .steps(&["a", "b"])
            .created(day(0, 9))
            .did("ada", "b", day(2, 9))
            .did("ada", "a", day(5, 9));
        assert_eq!(
            [
                story.tells("days_to_launch", 4),
                story.tells("days_to_launch", 9)
            ],
            ["null", "5"]
        );
    }

    #[test]
    fn a_group_tells_the_median() {
        let mut fleet = Fleet::default();
        fleet.settings.onboarding_steps = ["a".into()].into();
        for (account, days) in [("acme", 0), ("byte", 3)] {
            fleet
                .account(account)
                .created(day(0, 9))
                .did("ada", "a", day(days, 10));
        }
        fleet.account("corp").created(day(0, 9));
        assert_eq!(fleet.tells("days_to_launch", 5), "1.5");
    }
}
