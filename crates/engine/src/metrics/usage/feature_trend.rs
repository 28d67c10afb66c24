//! Whether the use of a feature grows or fades, as `usage_trend` says it of all use.

use mainstay_model::{Info, Levels, Parts, Unit};

use super::usage_trend;
use crate::metrics::{Deed, Metric, Read, Show, Why, tell};
use crate::view::View;

pub(in crate::metrics) static FEATURE_TREND: Metric = Metric {
    info: Info {
        id: "feature_trend",
        unit: Unit::Ratio,
        levels: Levels::AccountAndGroup,
        help: "Mean daily uses of 7 days over the mean of the 28 days before, less 1.",
        formula: "uses a day in D-6…D / uses a day in D-34…D-7, not before the first product event - 1",
        headline: false,
    },
    read: Read::Feature(read),
    tell: tell::trend,
    why: Why::days(Deed::Uses, 35)
        .of(&[Show::Means("uses a day in D-6…D", "uses a day in D-34…D-7")]),
};

fn read(view: &View<'_>, feature: usize) -> Parts {
    let feature = view.terms.features()[feature];
    usage_trend::of(view, |row| row.feature(feature).events)
}

#[cfg(test)]
mod tests {
    use super::super::story::*;

    #[test]
    fn half_as_many_uses_are_minus_one_half() {
        let mut story = Story::default();
        story.tracks("report", &["viewed"]);
        for week in 0..5 {
            (0..if week < 4 { 4 } else { 2 })
                .for_each(|n| _ = story.did("ada", "viewed", day(7 * week, n)));
        }
        assert_eq!(story.tells("features.report.trend", 34), "-0.5");
        assert_eq!(story.tells("features.report.trend", 12), "null");
    }
}
