//! Sessions: runs of events of one user without a long pause.
//!
//! A session belongs to the day in which it begins and is never cut at midnight. What one is, is told in
//! `facts/sessions.rs`.

use mainstay_model::{Info, Levels, Parts, Unit};

use crate::metrics::{Deed, Metric, Read, Why, tell};

pub(in crate::metrics) static SESSIONS_1D: Metric = Metric {
    info: Info {
        id: "sessions_1d",
        unit: Unit::Count,
        levels: Levels::AccountAndGroup,
        help: "Sessions that began on this day.",
        formula: "sessions begun on D",
        headline: false,
    },
    read: Read::Account(|view| Parts::count(view.sum(1, |row| row.sessions()))),
    tell: tell::count,
    why: Why::days_and_users(Deed::Sessions, 1),
};

pub(in crate::metrics) static SESSIONS_7D: Metric = Metric {
    info: Info {
        id: "sessions_7d",
        unit: Unit::Count,
        levels: Levels::AccountAndGroup,
        help: "Sessions that began in the last 7 days.",
        formula: "sessions begun in D-6…D",
        headline: true,
    },
    read: Read::Account(|view| Parts::count(view.sum(7, |row| row.sessions()))),
    tell: tell::count,
    why: Why::days_and_users(Deed::Sessions, 7),
};

pub(in crate::metrics) static SESSIONS_30D: Metric = Metric {
    info: Info {
        id: "sessions_30d",
        unit: Unit::Count,
        levels: Levels::AccountAndGroup,
        help: "Sessions that began in the last 30 days.",
        formula: "sessions begun in D-29…D",
        headline: false,
    },
    read: Read::Account(|view| Parts::count(view.sum(30, |row| row.sessions()))),
    tell: tell::count,
    why: Why::days_and_users(Deed::Sessions, 30),
};

#[cfg(test)]
mod tests {
    use super::super::story::*;

    #[test]
    fn a_session_over_midnight_belongs_to_the_day_in_which_it_begins() {
        let mut story = Story::default();
        story
            .used("ada", day(0, 23).plus_ms(50 * MINUTE))
            .used("ada", day(1, 0).plus_ms(10 * MINUTE));
        assert_eq!(
            [story.tells("sessions_1d", 0), story.tells("sessions_1d", 1)],
            ["1", "0"]
        );
    }

    #[test]
    fn a_gap_of_1800_000_s_joins_and_1800_001_s_cuts() {
        let mut story = Story::default();
        story
            .used("ada", day(0, 9))
            .used("ada", day(0, 9).plus_ms(30 * MINUTE));
        story
            .used("bob", day(0, 9))
            .used("bob", day(0, 9).plus_ms(30 * MINUTE + 1));
        assert_eq!(story.tells("sessions_1d", 0), "3");
    }

    #[test]
    fn a_chain_of_30_hours_is_two_sessions() {
        let mut story = Story::default();
        for half_hours in 0..=60 {
            story.used("ada", day(0, 9).plus_ms(half_hours * 30 * MINUTE));
        }
        assert_eq!(
            [story.tells("sessions_1d", 0), story.tells("sessions_1d", 1)],
            ["1", "1"]
        );
    }
}
