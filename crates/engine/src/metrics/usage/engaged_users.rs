//! Engaged users: those who did what the product is for often enough in a week.
//!
//! "At least 2 meetings last week" is `key_actions = ["meeting held"]` and `engaged.k = 2`.

use mainstay_model::{Info, Levels, Parts, Unit};

use crate::metrics::{Deed, Metric, Read, Why, tell};
use crate::view::View;

pub(in crate::metrics) static ENGAGED_USERS_7D: Metric = Metric {
    info: Info {
        id: "engaged_users_7d",
        unit: Unit::Count,
        levels: Levels::AccountAndGroup,
        help: "Users with at least engaged.k key actions in the last 7 days.",
        formula: "users with `engaged.k` or more key actions in D-6…D",
        headline: true,
    },
    read: Read::Account(read),
    tell: tell::count,
    why: Why::users(Deed::KeyActions, 7),
};

fn read(view: &View<'_>) -> Parts {
    match view.has_key_actions() {
        true => Parts::count(view.scan().engaged),
        false => Parts::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::super::story::*;

    #[test]
    fn two_meetings_in_a_week_engage() {
        let mut story = Story::default();
        story.settings.key_actions.insert("meeting".into());
        story
            .did("ada", "meeting", day(0, 9))
            .did("ada", "meeting", day(6, 9));
        story
            .did("bob", "meeting", day(0, 9))
            .did("bob", "meeting", day(7, 9));
        assert_eq!(
            [
                story.tells("engaged_users_7d", 6),
                story.tells("engaged_users_7d", 7)
            ],
            ["1", "0"]
        );
    }

    #[test]
    fn without_key_actions_nobody_can_say() {
        let mut story = Story::default();
        story.used("ada", day(0, 9));
        assert_eq!(story.tells("engaged_users_7d", 0), "null");
    }
}
