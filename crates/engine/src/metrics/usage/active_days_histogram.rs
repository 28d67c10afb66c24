//! How many users were active on exactly k of the last 30 days, for k from 1 to 30 (L30).
//!
//! Its shape tells a tool of every day (a hump on the right) from one of every month.

use mainstay_model::{Info, Levels, Parts, Sorted, Unit, Value};

use crate::metrics::{Asked, Deed, Metric, Read, Why};
use crate::view::View;

pub(in crate::metrics) static ACTIVE_DAYS_HISTOGRAM: Metric = Metric {
    info: Info {
        id: "active_days_histogram",
        unit: Unit::Histogram,
        levels: Levels::AccountAndGroup,
        help: "How many users were active on exactly k of the last 30 days, the first number for k = 1.",
        formula: "for each k: users with exactly k active days in D-29…D",
        headline: false,
    },
    read: Read::Account(read),
    tell: tell_list,
    why: Why::users(Deed::Active, 30),
};

fn read(view: &View<'_>) -> Parts {
    let mut table = Sorted::default();
    for (days, users) in (0u32..).zip(&view.scan().active_days).skip(1) {
        table.count(days, *users);
    }
    Parts::Table(table)
}

fn tell_list(parts: &Parts, _: Asked) -> Value {
    let Parts::Table(table) = parts else {
        return Value::Undefined;
    };
    let mut list = vec![0; 30];
    table
        .iter()
        .for_each(|(days, users)| list[days as usize - 1] = users);
    Value::List(list)
}

#[cfg(test)]
mod tests {
    use super::super::story::*;

    #[test]
    fn users_are_counted_by_their_number_of_days() {
        let mut story = Story::default();
        for days in 0..30 {
            story.used("ada", day(days, 9));
            if days % 10 == 0 {
                story.used("bob", day(days, 9));
                story.used("cyd", day(days, 9));
            }
        }
        let mut expected = vec![0; 30];
        (expected[29], expected[2]) = (1, 2);
        assert_eq!(
            story.tells("active_days_histogram", 29),
            format!("{expected:?}")
        );
    }
}
