//! Monthly recurring revenue: net, before discounts, and of a year.

use mainstay_model::{Info, Levels, Parts, Unit};

use super::balance;
use crate::metrics::{Metric, Read, Show, Why, tell};
use crate::view::View;

pub(in crate::metrics) static MRR: Metric = Metric {
    info: Info {
        id: "mrr",
        unit: Unit::Money,
        levels: Levels::AccountAndGroup,
        help: "What paid subscriptions come to in a month, after discounts.",
        formula: "the monthly amounts of active and past-due subscriptions at the end of D, less discounts",
        headline: true,
    },
    read: Read::Account(net),
    tell: tell::count,
    why: Why::NUMBERS.of(&[Show::Books]),
};

pub(in crate::metrics) static MRR_GROSS: Metric = Metric {
    info: Info {
        id: "mrr_gross",
        unit: Unit::Money,
        levels: Levels::AccountAndGroup,
        help: "What paid subscriptions come to in a month, before discounts.",
        formula: "the monthly amounts of active and past-due subscriptions at the end of D",
        headline: false,
    },
    read: Read::Account(gross),
    tell: tell::count,
    why: Why::NUMBERS,
};

pub(in crate::metrics) static ARR: Metric = Metric {
    info: Info {
        id: "arr",
        unit: Unit::Money,
        levels: Levels::AccountAndGroup,
        help: "Recurring revenue of a year.",
        formula: "12 × mrr",
        headline: false,
    },
    read: Read::Account(of_a_year),
    tell: tell::count,
    why: Why::NUMBERS,
};

fn net(view: &View<'_>) -> Parts {
    Parts::sum(super::mrr(view))
}

fn gross(view: &View<'_>) -> Parts {
    let gross = balance(view).map_or(0, |balance| balance.gross);
    Parts::sum(gross)
}

fn of_a_year(view: &View<'_>) -> Parts {
    Parts::sum(12 * super::mrr(view))
}

#[cfg(test)]
mod tests {
    use crate::ledger::story::{item, percent, subscription};
    use crate::metrics::usage::story::*;
    use mainstay_model::Span;

    #[test]
    fn revenue_is_that_of_the_end_of_the_day_after_discounts_and_before() {
        let mut story = Story::default();
        let items = vec![item(10_000, 1, Span::Month, 1)];
        story.used("ada", day(0, 9));
        story.billed(subscription(items, vec![percent("25")]), day(1, 23));
        let told = |metric: &str, on| story.tells(metric, on);
        assert_eq!([told("mrr", 0), told("mrr", 1)], ["0", "7500"]);
        assert_eq!([told("mrr_gross", 1), told("arr", 1)], ["10000", "90000"]);
    }

    #[test]
    fn what_explains_revenue_adds_up_to_it() {
        let mut story = Story::default();
        let costs = |amount| subscription(vec![item(amount, 1, Span::Month, 1)], vec![]);
        story
            .billed(costs(500), day(0, 9))
            .billed(costs(800), day(35, 9))
            .billed(costs(700), day(36, 9));
        let parts = story.numbers("mrr", 36);
        let names: Vec<&str> = parts.iter().map(|(name, _)| name.as_str()).collect();
        assert!(names[0].starts_with("mrr at the end of "), "{names:?}");
        assert!(names[1].starts_with("expansion on "), "{names:?}");
        assert!(names[2].starts_with("contraction on "), "{names:?}");
        let amounts: Vec<i64> = parts.iter().map(|(_, amount)| *amount).collect();
        assert_eq!(amounts, [500, 300, -100]);
    }

    #[test]
    fn a_group_has_the_sum_of_what_its_accounts_are_told() {
        let mut fleet = Fleet::default();
        // A third of a cent each is nothing, of all three too.
        for name in ["acme", "byte", "core"] {
            let items = vec![item(4, 1, Span::Year, 1)];
            let account = fleet.account(name);
            account.billed(subscription(items, vec![]), day(0, 9));
        }
        assert_eq!(fleet.tells("mrr", 0), "0");
    }
}
