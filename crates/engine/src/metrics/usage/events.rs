//! Qualifying events, also those that no user is named in.

use mainstay_model::{Info, Levels, Parts, Unit};

use crate::metrics::{Deed, Metric, Read, Why, tell};

pub(in crate::metrics) static EVENTS_1D: Metric = Metric {
    info: Info {
        id: "events_1d",
        unit: Unit::Count,
        levels: Levels::AccountAndGroup,
        help: "Qualifying events of this day.",
        formula: "qualifying events on D",
        headline: false,
    },
    read: Read::Account(|view| Parts::count(view.sum(1, |row| row.events))),
    tell: tell::count,
    why: Why::days_and_users(Deed::Events, 1),
};

pub(in crate::metrics) static EVENTS_7D: Metric = Metric {
    info: Info {
        id: "events_7d",
        unit: Unit::Count,
        levels: Levels::AccountAndGroup,
        help: "Qualifying events of the last 7 days.",
        formula: "qualifying events in D-6…D",
        headline: false,
    },
    read: Read::Account(|view| Parts::count(view.sum(7, |row| row.events))),
    tell: tell::count,
    why: Why::days_and_users(Deed::Events, 7),
};

pub(in crate::metrics) static EVENTS_30D: Metric = Metric {
    info: Info {
        id: "events_30d",
        unit: Unit::Count,
        levels: Levels::AccountAndGroup,
        help: "Qualifying events of the last 30 days.",
        formula: "qualifying events in D-29…D",
        headline: false,
    },
    read: Read::Account(|view| Parts::count(view.sum(30, |row| row.events))),
    tell: tell::count,
    why: Why::days_and_users(Deed::Events, 30),
};

#[cfg(test)]
mod tests {
    use super::super::story::*;

    #[test]
    fn an_event_without_a_user_counts_here_and_nowhere_else() {
        let mut story = Story::default();
        story.nobody_did("import", day(0, 9)).used("ada", day(0, 9));
        assert_eq!(
            [story.tells("events_1d", 0), story.tells("dau", 0)],
            ["2", "1"]
        );
        assert_eq!(story.tells("sessions_1d", 0), "1");
    }
}
