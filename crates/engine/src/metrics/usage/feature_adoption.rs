//! Whether a feature is taken up for good: use in different weeks, not one-off tries; and whether it is given up.

use mainstay_model::{Info, Levels, Parts, Unit};

use crate::metrics::{Deed, Metric, Moment, Read, Why, tell};
use crate::view::View;

pub(in crate::metrics) static FEATURE_ADOPTED_USERS: Metric = Metric {
    info: Info {
        id: "feature_adopted_users",
        unit: Unit::Count,
        levels: Levels::AccountAndGroup,
        help: "Users of the feature in at least 2 of the last 4 weeks.",
        formula: "users with use in 2 or more of D-6…D, D-13…D-7, D-20…D-14, D-27…D-21",
        headline: false,
    },
    read: Read::Feature(adopted),
    tell: tell::count,
    why: Why::users(Deed::Uses, 28),
};

pub(in crate::metrics) static FEATURE_TIME_TO_ADOPT: Metric = Metric {
    info: Info {
        id: "feature_time_to_adopt",
        unit: Unit::Seconds,
        levels: Levels::AccountAndGroup,
        help: "Median time from sign-up to the first use of the feature, to 3 significant digits.",
        formula: "median over users of first use - sign-up",
        headline: false,
    },
    read: Read::Feature(time_to_adopt),
    tell: |parts, _| tell::percentile(parts, 50),
    why: Why::NUMBERS.by_user(&[Moment::SignedUp, Moment::FirstUse]),
};

pub(in crate::metrics) static FEATURE_ABANDONED: Metric = Metric {
    info: Info {
        id: "feature_abandoned",
        unit: Unit::Count,
        levels: Levels::AccountAndGroup,
        help: "Accounts that used the feature in at least 2 of the 4 weeks that ended 14 days ago, and not since; of an account 1 or 0.",
        formula: "1 if used in 2 or more of the 4 blocks of 7 days in D-41…D-14 and not in D-13…D, else 0",
        headline: false,
    },
    read: Read::Feature(abandoned),
    tell: tell::count,
    why: Why::days(Deed::Uses, 42),
};

fn adopted(view: &View<'_>, feature: usize) -> Parts {
    Parts::count(view.scan().features[feature].adopted)
}

fn time_to_adopt(view: &View<'_>, feature: usize) -> Parts {
    Parts::Spread(view.scan().features[feature].time_to_adopt.clone())
}

fn abandoned(view: &View<'_>, feature: usize) -> Parts {
    let feature = view.terms.features()[feature];
    let used = |first: i32, last: i32| {
        let (first, last) = (view.day.minus(first), view.day.minus(last));
        view.sum_of(first, last, |row| row.feature(feature).events) > 0
    };
    let weeks = [14, 21, 28, 35].map(|last| used(last + 6, last));
    let weeks = weeks.into_iter().filter(|used| *used).count();
    Parts::count(u64::from(weeks >= 2 && !used(13, 0)))
}

#[cfg(test)]
mod tests {
    use super::super::story::*;

    #[test]
    fn one_off_tries_do_not_count() {
        let mut story = Story::default();
        story.tracks("report", &["viewed"]);
        story
            .did("ada", "viewed", day(0, 9))
            .did("ada", "viewed", day(7, 9));
        story
            .did("bob", "viewed", day(1, 9))
            .did("bob", "viewed", day(6, 9));
        assert_eq!(story.tells("features.report.adopted_users", 6), "0");
        assert_eq!(story.tells("features.report.adopted_users", 13), "1");
        assert_eq!(story.tells("features.report.adopted_users", 27), "1");
        assert_eq!(story.tells("features.report.adopted_users", 28), "0");
    }

    #[test]
    fn time_to_adopt_is_a_median_from_sign_up() {
        let mut story = Story::default();
        story.tracks("report", &["viewed"]);
        for (user, minutes) in [("ada", 1), ("bob", 30), ("cyd", 40)] {
            story.signed_up(user, day(0, 9));
            story.did(user, "viewed", day(0, 9).plus_ms(minutes * MINUTE));
        }
        story
            .used("dan", day(0, 9))
            .did("early", "viewed", day(0, 8))
            .signed_up("early", day(1, 9));
        assert_eq!(story.tells("features.report.time_to_adopt", 0), "60.031s");
        assert_eq!(story.tells("features.chat.time_to_adopt", 0), "absent");
    }

    #[test]
    fn two_weeks_of_use_and_two_of_none_are_abandonment() {
        let mut story = Story::default();
        story.tracks("report", &["viewed"]);
        story
            .did("ada", "viewed", day(0, 9))
            .did("bob", "viewed", day(7, 9))
            .used("ada", day(30, 9));
        assert_eq!(story.tells("features.report.abandoned", 20), "0");
        assert_eq!(story.tells("features.report.abandoned", 21), "1");
        assert_eq!(story.tells("features.report.abandoned", 41), "1");
        assert_eq!(story.tells("features.report.abandoned", 42), "0");
    }
}
