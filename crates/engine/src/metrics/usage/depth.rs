//! Depth: how many of the tracked features an account uses.

use mainstay_model::{Day, Info, Levels, Parts, Unit};

use crate::metrics::{Metric, Read, Show, Why, tell};
use crate::view::View;

pub(in crate::metrics) static DEPTH: Metric = Metric {
    info: Info {
        id: "depth",
        unit: Unit::Count,
        levels: Levels::Account,
        help: "Tracked features used in the last 30 days.",
        formula: "tracked features used in D-29…D",
        headline: true,
    },
    read: Read::Account(read),
    tell: tell::count,
    why: Why::NUMBERS.of(&[Show::Features]),
};

fn read(view: &View<'_>) -> Parts {
    as_of(view, view.day).map_or(Parts::Nothing, Parts::count)
}

/// The depth on a day; nothing is known of it where no feature is tracked.
pub(super) fn as_of(view: &View<'_>, day: Day) -> Option<u64> {
    let tracked = view.terms.features();
    if tracked.is_empty() {
        return None;
    }
    let used = view.features_of(day.minus(29), day);
    let depth = tracked.iter().filter(|feature| used >> **feature & 1 == 1);
    Some(depth.count() as u64)
}

#[cfg(test)]
mod tests {
    use super::super::story::*;

    #[test]
    fn features_used_in_thirty_days_count_once() {
        let mut story = Story::default();
        assert_eq!(story.used("ada", day(0, 8)).tells("depth", 0), "null");
        story
            .tracks("report", &["viewed"])
            .tracks("chat", &["sent"])
            .tracks("call", &["called"]);
        story
            .did("ada", "viewed", day(0, 9))
            .did("bob", "viewed", day(1, 9))
            .did("bob", "sent", day(1, 9));
        assert_eq!(
            [story.tells("depth", 29), story.tells("depth", 31)],
            ["2", "0"]
        );
    }
}
