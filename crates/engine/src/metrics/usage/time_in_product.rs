//! Time in the product: the durations of all sessions, added up.

use mainstay_model::{Info, Levels, Parts, Unit};

use crate::metrics::{Deed, Metric, Read, Why, tell};

pub(in crate::metrics) static TIME_IN_PRODUCT_1D: Metric = Metric {
    info: Info {
        id: "time_in_product_1d",
        unit: Unit::Seconds,
        levels: Levels::AccountAndGroup,
        help: "Duration of all sessions that began on this day.",
        formula: "durations of the sessions begun on D, added up",
        headline: false,
    },
    read: Read::Account(|view| Parts::count(view.session_ms(1))),
    tell: tell::seconds,
    why: Why::days_and_users(Deed::SessionTime, 1),
};

pub(in crate::metrics) static TIME_IN_PRODUCT_7D: Metric = Metric {
    info: Info {
        id: "time_in_product_7d",
        unit: Unit::Seconds,
        levels: Levels::AccountAndGroup,
        help: "Duration of all sessions that began in the last 7 days.",
        formula: "durations of the sessions begun in D-6…D, added up",
        headline: false,
    },
    read: Read::Account(|view| Parts::count(view.session_ms(7))),
    tell: tell::seconds,
    why: Why::days_and_users(Deed::SessionTime, 7),
};

pub(in crate::metrics) static TIME_IN_PRODUCT_30D: Metric = Metric {
    info: Info {
        id: "time_in_product_30d",
        unit: Unit::Seconds,
        levels: Levels::AccountAndGroup,
        help: "Duration of all sessions that began in the last 30 days.",
        formula: "durations of the sessions begun in D-29…D, added up",
        headline: false,
    },
    read: Read::Account(|view| Parts::count(view.session_ms(30))),
    tell: tell::seconds,
    why: Why::days_and_users(Deed::SessionTime, 30),
};

#[cfg(test)]
mod tests {
    use super::super::story::*;

    #[test]
    fn durations_add_up() {
        let mut story = Story::default();
        story
            .spent("ada", day(0, 9), 60_000)
            .spent("bob", day(1, 9), 1_500);
        assert_eq!(story.tells("time_in_product_1d", 1), "1.5s");
        assert_eq!(story.tells("time_in_product_7d", 1), "61.5s");
        assert_eq!(story.tells("time_in_product_30d", 30), "1.5s");
    }
}
