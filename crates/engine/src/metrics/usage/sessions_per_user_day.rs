//! Sessions on a day on which a user comes at all.

use mainstay_model::{Info, Levels, Parts, Unit};

use crate::metrics::{Deed, Metric, Read, Show, Why, tell};

pub(in crate::metrics) static SESSIONS_PER_USER_DAY: Metric = Metric {
    info: Info {
        id: "sessions_per_user_day",
        unit: Unit::Mean,
        levels: Levels::AccountAndGroup,
        help: "Sessions of 7 days over the sum of the daily active users of those days.",
        formula: "sessions_7d / the dau of D-6…D added up",
        headline: false,
    },
    read: Read::Account(|view| {
        Parts::ratio(
            view.sum(7, |row| row.sessions()),
            view.sum(7, |row| u64::from(row.active_users)),
        )
    }),
    tell: tell::ratio,
    why: Why::users(Deed::Sessions, 7)
        .of(&[Show::Quotient("sessions_7d", "active days of all users")]),
};

#[cfg(test)]
mod tests {
    use super::super::story::*;

    #[test]
    fn three_sessions_on_two_user_days_are_one_and_a_half() {
        let mut story = Story::default();
        story
            .used("ada", day(0, 9))
            .used("ada", day(0, 12))
            .used("ada", day(3, 9));
        assert_eq!(story.tells("sessions_per_user_day", 3), "1.5");
    }
}
