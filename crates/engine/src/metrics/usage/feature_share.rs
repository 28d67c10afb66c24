//! Which part of the people, and of the time in the product, a feature has.

use mainstay_model::{Info, Levels, Parts, Unit};

use crate::metrics::{Deed, Metric, Read, Show, Why, tell};
use crate::view::View;

pub(in crate::metrics) static FEATURE_SHARE: Metric = Metric {
    info: Info {
        id: "feature_share",
        unit: Unit::Ratio,
        levels: Levels::AccountAndGroup,
        help: "Users of the feature in 7 days over wau.",
        formula: "feature_users_7d / wau",
        headline: false,
    },
    read: Read::Feature(users),
    tell: tell::ratio,
    why: Why::users(Deed::Uses, 7).of(&[Show::Quotient("feature_users_7d", "wau")]),
};

pub(in crate::metrics) static FEATURE_TIME_SHARE: Metric = Metric {
    info: Info {
        id: "feature_time_share",
        unit: Unit::Ratio,
        levels: Levels::AccountAndGroup,
        help: "Time spent in the feature over the time in the product, of 7 days; null where its events have no durations.",
        formula: "`duration_ms` of the uses in D-6…D / time_in_product_7d",
        headline: false,
    },
    read: Read::Feature(time),
    tell: tell::ratio,
    why: Why::days(Deed::UseTime, 7)
        .of(&[Show::Times("time in the feature", "time_in_product_7d")]),
};

fn users(view: &View<'_>, feature: usize) -> Parts {
    let scan = view.scan();
    Parts::ratio(scan.features[feature].users[1], scan.wau[0])
}

fn time(view: &View<'_>, feature: usize) -> Parts {
    let feature = view.terms.features()[feature];
    match view.sum(7, |row| row.feature(feature).duration_ms) {
        0 => Parts::Nothing,
        spent_ms => Parts::ratio(spent_ms, view.session_ms(7)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::story::*;

    #[test]
    fn shares_are_of_the_week() {
        let mut story = Story::default();
        story
            .tracks("report", &["viewed"])
            .tracks("chat", &["sent"]);
        story
            .did_for("ada", "viewed", day(0, 9), 30 * MINUTE)
            .did_for("bob", "wrote", day(0, 9), 90 * MINUTE);
        story.did("cyd", "sent", day(0, 9));
        assert_eq!(story.tells("features.report.time_share", 0), "0.25");
        assert_eq!(story.tells("features.chat.time_share", 0), "null");
        assert_eq!(story.tells("features.chat.share", 6), "0.3333333333333333");
        assert_eq!(story.tells("features.chat.share", 7), "null");
    }
}
