//! On how many days somebody of the account used the product.

use mainstay_model::{Info, Levels, Parts, Unit};

use crate::metrics::{Deed, Metric, Read, Why, tell};

pub(in crate::metrics) static ACTIVE_DAYS_30D: Metric = Metric {
    info: Info {
        id: "active_days_30d",
        unit: Unit::Days,
        levels: Levels::Account,
        help: "Days of the last 30 with an active user.",
        formula: "days in D-29…D with dau > 0",
        headline: false,
    },
    read: Read::Account(|view| Parts::count(view.sum(30, |row| u64::from(row.active_users > 0)))),
    tell: tell::count,
    why: Why::days(Deed::Active, 30),
};

#[cfg(test)]
mod tests {
    use super::super::story::*;

    #[test]
    fn a_day_counts_once_however_many_come() {
        let mut story = Story::default();
        story
            .used("ada", day(0, 9))
            .used("bob", day(0, 9))
            .used("ada", day(2, 9));
        assert_eq!(story.tells("active_days_30d", 2), "2");
        assert_eq!(story.tells("active_days_30d", 30), "1");
    }
}
