//! How long sessions of the last 7 days lasted: from the first event to the latest end of one.
//!
//! Percentiles come from an HDR histogram (milliseconds, 3 significant digits, nearest rank), so those of
//! a group are those of all its sessions; the mean comes from exact sums. A session of one event without a
//! duration counts, with 0.

use mainstay_model::{Info, Levels, Parts, Unit};

use crate::metrics::{Deed, Metric, Read, Show, Why, tell};
use crate::view::View;

pub(in crate::metrics) static SESSION_DURATION_P50: Metric = Metric {
    info: Info {
        id: "session_duration_p50",
        unit: Unit::Seconds,
        levels: Levels::AccountAndGroup,
        help: "Median duration of the sessions of 7 days, to 3 significant digits.",
        formula: "percentile 50 of the durations of the sessions begun in D-6…D, by nearest rank",
        headline: true,
    },
    read: Read::Account(durations),
    tell: |parts, _| tell::percentile(parts, 50),
    why: Why::users(Deed::SessionTime, 7),
};

pub(in crate::metrics) static SESSION_DURATION_P90: Metric = Metric {
    info: Info {
        id: "session_duration_p90",
        unit: Unit::Seconds,
        levels: Levels::AccountAndGroup,
        help: "90th percentile of the durations of the sessions of 7 days, to 3 significant digits.",
        formula: "percentile 90 of the durations of the sessions begun in D-6…D, by nearest rank",
        headline: false,
    },
    read: Read::Account(durations),
    tell: |parts, _| tell::percentile(parts, 90),
    why: Why::users(Deed::SessionTime, 7),
};

pub(in crate::metrics) static SESSION_DURATION_MEAN: Metric = Metric {
    info: Info {
        id: "session_duration_mean",
        unit: Unit::Seconds,
        levels: Levels::AccountAndGroup,
        help: "Mean duration of the sessions of 7 days.",
        formula: "time_in_product_7d / sessions_7d",
        headline: false,
    },
    read: Read::Account(sum_and_number),
    tell: tell::mean_seconds,
    why: Why::users(Deed::SessionTime, 7)
        .of(&[Show::MeanTime("time_in_product_7d", "sessions_7d")]),
};

fn durations(view: &View<'_>) -> Parts {
    Parts::Spread(view.scan().durations.clone())
}

fn sum_and_number(view: &View<'_>) -> Parts {
    Parts::ratio(view.session_ms(7), view.sum(7, |row| row.sessions()))
}

#[cfg(test)]
mod tests {
    use super::super::story::*;

    #[test]
    fn percentiles_go_by_rank_and_the_mean_by_sums() {
        let mut story = Story::default();
        for (user, seconds) in [("ada", 1), ("bob", 2), ("cyd", 9)] {
            story.spent(user, day(0, 9), seconds * 1000);
        }
        assert_eq!(story.tells("session_duration_p50", 0), "2s");
        assert_eq!(story.tells("session_duration_p90", 6), "9.007s");
        assert_eq!(story.tells("session_duration_mean", 0), "4s");
        assert_eq!(story.tells("session_duration_mean", 7), "null");
    }
}
