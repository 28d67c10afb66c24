//! Known users: those who signed up or were seen, and were not removed since.

use mainstay_model::{Info, Levels, Parts, Unit};

use crate::metrics::{Metric, Moment, Read, Why, tell};

pub(in crate::metrics) static KNOWN_USERS: Metric = Metric {
    info: Info {
        id: "known_users",
        unit: Unit::Count,
        levels: Levels::AccountAndGroup,
        help: "Users who signed up or were seen in a product event, and were not removed.",
        formula: "users signed up or seen by D, and not removed",
        headline: false,
    },
    read: Read::Account(|view| Parts::count(view.scan().known)),
    tell: tell::count,
    why: Why::NUMBERS.by_user(&[Moment::KnownSince]),
};

#[cfg(test)]
mod tests {
    use super::super::story::*;

    #[test]
    fn a_user_is_known_from_the_first_sign_to_the_removal() {
        let mut story = Story::default();
        story
            .signed_up("ada", day(0, 9))
            .used("bob", day(1, 9))
            .removed("ada", day(2, 9));
        let known: Vec<String> = (0..4)
            .map(|days| story.tells("known_users", days))
            .collect();
        assert_eq!(known, ["1", "2", "1", "1"]);
    }

    #[test]
    fn an_invited_user_is_not_known_yet() {
        let mut story = Story::default();
        story.invited("ada", day(0, 9));
        assert_eq!(story.tells("known_users", 0), "0");
    }
}
