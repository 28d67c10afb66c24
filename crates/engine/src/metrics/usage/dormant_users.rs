//! Dormant users: known for a while, and not active in all of it.

use mainstay_model::{Info, Levels, Parts, Unit};

use crate::metrics::{Metric, Moment, Read, Why, tell};

pub(in crate::metrics) static DORMANT_USERS: Metric = Metric {
    info: Info {
        id: "dormant_users",
        unit: Unit::Count,
        levels: Levels::AccountAndGroup,
        help: "Users known for the last `dormant.days` days or longer, since their return if they were removed, without an active day in them.",
        formula: "known_users since D-(`dormant.days` - 1) or before, not active on any day from then to D",
        headline: false,
    },
    read: Read::Account(|view| Parts::count(view.scan().dormant)),
    tell: tell::count,
    why: Why::NUMBERS.by_user(&[Moment::KnownSince, Moment::LastActive]),
};

#[cfg(test)]
mod tests {
    use super::super::story::*;

    #[test]
    fn who_comes_back_after_a_removal_is_known_anew() {
        let mut story = Story::default();
        story
            .signed_up("ada", day(0, 9))
            .removed("ada", day(9, 9))
            .signed_up("ada", day(19, 9));
        assert_eq!(
            [8, 13, 19, 31, 32].map(|on| story.tells("dormant_users", on)),
            ["0", "0", "0", "0", "1"]
        );
    }

    #[test]
    fn a_user_is_dormant_after_fourteen_days_away() {
        let mut story = Story::default();
        story
            .used("ada", day(0, 9))
            .signed_up("bob", day(0, 9))
            .signed_up("cyd", day(3, 9));
        story.signed_up("dan", day(0, 9)).removed("dan", day(4, 9));
        assert_eq!(story.tells("dormant_users", 12), "0");
        assert_eq!(story.tells("dormant_users", 13), "1");
        assert_eq!(story.tells("dormant_users", 14), "2");
        assert_eq!(story.tells("dormant_users", 16), "3");
    }
}
