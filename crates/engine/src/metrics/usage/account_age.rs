//! How old an account is.

use mainstay_model::{Info, Levels, Parts, Unit};

use crate::metrics::{Metric, Read, Show, Why, tell};
use crate::view::View;

pub(in crate::metrics) static ACCOUNT_AGE_DAYS: Metric = Metric {
    info: Info {
        id: "account_age_days",
        unit: Unit::Days,
        levels: Levels::Account,
        help: "Days since the account was created, else since its first event.",
        formula: "D - the day of the creation of the account, else of its first event",
        headline: false,
    },
    read: Read::Account(read),
    tell: tell::count,
    why: Why::NUMBERS.of(&[Show::Created]),
};

fn read(view: &View<'_>) -> Parts {
    let begun = view.account.lifecycle.begun(view.day);
    Parts::Sums([i128::from(view.day.since(begun)), 0, 0, 0])
}

#[cfg(test)]
mod tests {
    use super::super::story::*;

    #[test]
    fn age_counts_from_the_creation_else_from_the_first_event() {
        let mut story = Story::default();
        story.used("ada", day(0, 9));
        assert_eq!(story.tells("account_age_days", 5), "5");
        story.created(day(3, 9));
        assert_eq!(story.tells("account_age_days", 5), "2");
    }
}
