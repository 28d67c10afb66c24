//! How many people use a feature, and how often. A use is an event whose name the feature lists.

use mainstay_model::{Info, Levels, Parts, Unit};

use crate::metrics::{Deed, Metric, Read, Why, tell};
use crate::view::View;

pub(in crate::metrics) static FEATURE_USERS_1D: Metric = Metric {
    info: Info {
        id: "feature_users_1d",
        unit: Unit::Count,
        levels: Levels::AccountAndGroup,
        help: "Users of the feature on this day.",
        formula: "users of the feature on D",
        headline: false,
    },
    read: Read::Feature(|view, feature| users(view, feature, 0)),
    tell: tell::count,
    why: Why::users(Deed::Uses, 1),
};

pub(in crate::metrics) static FEATURE_USERS_7D: Metric = Metric {
    info: Info {
        id: "feature_users_7d",
        unit: Unit::Count,
        levels: Levels::AccountAndGroup,
        help: "Users of the feature in the last 7 days.",
        formula: "users of the feature in D-6…D",
        headline: false,
    },
    read: Read::Feature(|view, feature| users(view, feature, 1)),
    tell: tell::count,
    why: Why::users(Deed::Uses, 7),
};

pub(in crate::metrics) static FEATURE_USERS_30D: Metric = Metric {
    info: Info {
        id: "feature_users_30d",
        unit: Unit::Count,
        levels: Levels::AccountAndGroup,
        help: "Users of the feature in the last 30 days.",
        formula: "users of the feature in D-29…D",
        headline: false,
    },
    read: Read::Feature(|view, feature| users(view, feature, 2)),
    tell: tell::count,
    why: Why::users(Deed::Uses, 30),
};

pub(in crate::metrics) static FEATURE_EVENTS_1D: Metric = Metric {
    info: Info {
        id: "feature_events_1d",
        unit: Unit::Count,
        levels: Levels::AccountAndGroup,
        help: "Uses of the feature on this day.",
        formula: "uses of the feature on D",
        headline: false,
    },
    read: Read::Feature(|view, feature| events(view, feature, 1)),
    tell: tell::count,
    why: Why::days(Deed::Uses, 1),
};

pub(in crate::metrics) static FEATURE_EVENTS_7D: Metric = Metric {
    info: Info {
        id: "feature_events_7d",
        unit: Unit::Count,
        levels: Levels::AccountAndGroup,
        help: "Uses of the feature in the last 7 days.",
        formula: "uses of the feature in D-6…D",
        headline: false,
    },
    read: Read::Feature(|view, feature| events(view, feature, 7)),
    tell: tell::count,
    why: Why::days(Deed::Uses, 7),
};

pub(in crate::metrics) static FEATURE_EVENTS_30D: Metric = Metric {
    info: Info {
        id: "feature_events_30d",
        unit: Unit::Count,
        levels: Levels::AccountAndGroup,
        help: "Uses of the feature in the last 30 days.",
        formula: "uses of the feature in D-29…D",
        headline: false,
    },
    read: Read::Feature(|view, feature| events(view, feature, 30)),
    tell: tell::count,
    why: Why::days(Deed::Uses, 30),
};

fn users(view: &View<'_>, feature: usize, window: usize) -> Parts {
    Parts::count(view.scan().features[feature].users[window])
}

fn events(view: &View<'_>, feature: usize, days: i32) -> Parts {
    let feature = view.terms.features()[feature];
    Parts::count(view.sum(days, |row| row.feature(feature).events))
}

#[cfg(test)]
mod tests {
    use super::super::story::*;

    #[test]
    fn users_and_uses_of_a_feature_by_its_names() {
        let mut story = Story::default();
        story
            .tracks("report", &["viewed", "exported"])
            .tracks("chat", &["sent"]);
        story
            .did("ada", "viewed", day(0, 9))
            .did("ada", "exported", day(3, 9));
        story
            .did("bob", "viewed", day(3, 9))
            .did("bob", "sent", day(3, 9))
            .used("cyd", day(3, 9));
        let told = [
            "users_1d",
            "users_7d",
            "events_1d",
            "events_7d",
            "events_30d",
        ]
        .map(|field| story.tells(&format!("features.report.{field}"), 3));
        assert_eq!(told, ["2", "2", "2", "3", "3"]);
        assert_eq!(story.tells("features.report.users_30d", 32), "2");
        assert_eq!(story.tells("features.report.users_30d", 33), "0");
        assert_eq!(story.tells("features.chat.events_30d", 3), "1");
    }
}
