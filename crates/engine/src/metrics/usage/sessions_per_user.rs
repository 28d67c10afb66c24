//! Sessions of a usual user in a week: median and mean over the users who had one.

use mainstay_model::{Info, Levels, Parts, Unit};

use crate::metrics::{Deed, Metric, Read, Show, Why, tell};

pub(in crate::metrics) static SESSIONS_PER_USER_MEDIAN: Metric = Metric {
    info: Info {
        id: "sessions_per_user_median",
        unit: Unit::Mean,
        levels: Levels::AccountAndGroup,
        help: "Median number of sessions in 7 days, over users with one.",
        formula: "median over users with a session in D-6…D of their sessions in it",
        headline: false,
    },
    read: Read::Account(|view| Parts::Table(view.scan().sessions.clone())),
    tell: tell::median,
    why: Why::users(Deed::Sessions, 7),
};

pub(in crate::metrics) static SESSIONS_PER_USER_MEAN: Metric = Metric {
    info: Info {
        id: "sessions_per_user_mean",
        unit: Unit::Mean,
        levels: Levels::AccountAndGroup,
        help: "Mean number of sessions in 7 days, over users with one.",
        formula: "sessions_7d / users with a session in D-6…D",
        headline: false,
    },
    read: Read::Account(|view| {
        Parts::ratio(
            view.sum(7, |row| row.sessions()),
            view.scan().sessions.total(),
        )
    }),
    tell: tell::ratio,
    why: Why::users(Deed::Sessions, 7).of(&[Show::Quotient("sessions_7d", "users with a session")]),
};

#[cfg(test)]
mod tests {
    use super::super::story::*;

    #[test]
    fn the_median_of_an_even_number_is_the_mean_of_the_middle_two() {
        let mut story = Story::default();
        for (user, sessions) in [("ada", 1), ("bob", 2), ("cyd", 5), ("dan", 9)] {
            (0..sessions).for_each(|n| _ = story.used(user, day(0, 2 * n)));
        }
        assert_eq!(story.tells("sessions_per_user_median", 0), "3.5");
        assert_eq!(story.tells("sessions_per_user_mean", 0), "4.25");
        assert_eq!(story.tells("sessions_per_user_median", 7), "null");
    }
}
