//! How much of what the product is for gets done in a session.

use mainstay_model::{Info, Levels, Parts, Unit};

use crate::metrics::{Deed, Metric, Read, Show, Why, tell};
use crate::view::View;

pub(in crate::metrics) static KEY_ACTIONS_PER_SESSION: Metric = Metric {
    info: Info {
        id: "key_actions_per_session",
        unit: Unit::Mean,
        levels: Levels::AccountAndGroup,
        help: "Key actions of 7 days over sessions of 7 days.",
        formula: "key actions in D-6…D / sessions_7d",
        headline: false,
    },
    read: Read::Account(read),
    tell: tell::ratio,
    why: Why::days_and_users(Deed::KeyActions, 7)
        .of(&[Show::Quotient("key actions", "sessions_7d")]),
};

fn read(view: &View<'_>) -> Parts {
    match view.has_key_actions() {
        true => Parts::ratio(
            view.sum(7, |row| row.key_actions()),
            view.sum(7, |row| row.sessions()),
        ),
        false => Parts::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::super::story::*;

    #[test]
    fn three_key_actions_in_two_sessions_are_one_and_a_half() {
        let mut story = Story::default();
        story.settings.key_actions.insert("report".into());
        story
            .did("ada", "report", day(0, 9))
            .did("ada", "report", day(0, 9).plus_ms(MINUTE));
        story
            .did("bob", "report", day(0, 9))
            .did("bob", "look", day(0, 9).plus_ms(MINUTE));
        assert_eq!(story.tells("key_actions_per_session", 0), "1.5");
    }
}
