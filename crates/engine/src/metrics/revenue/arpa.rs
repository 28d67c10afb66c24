//! What a customer pays, and what a user brings.

use mainstay_model::{Info, Levels, Parts, Unit};

use super::{is_customer, mrr};
use crate::metrics::{Metric, Read, Why, tell};

pub(in crate::metrics) static ARPA: Metric = Metric {
    info: Info {
        id: "arpa",
        unit: Unit::Money,
        levels: Levels::Group,
        help: "Recurring revenue of a customer.",
        formula: "mrr / customers",
        headline: true,
    },
    read: Read::Account(|view| Parts::quotient(mrr(view), is_customer(view).into())),
    tell: tell::mean_money,
    why: Why::NUMBERS,
};

pub(in crate::metrics) static ARPU: Metric = Metric {
    info: Info {
        id: "arpu",
        unit: Unit::Money,
        levels: Levels::Group,
        help: "Recurring revenue for each user who was active in 30 days.",
        formula: "mrr / mau",
        headline: false,
    },
    read: Read::Account(|view| Parts::quotient(mrr(view), view.scan().mau.into())),
    tell: tell::mean_money,
    why: Why::NUMBERS,
};

#[cfg(test)]
mod tests {
    use crate::ledger::story::{item, subscription};
    use crate::metrics::usage::story::*;
    use mainstay_model::Span;

    #[test]
    fn three_thousand_of_a_hundred_customers_is_thirty_of_each() {
        let mut fleet = Fleet::default();
        let costs = |amount| subscription(vec![item(amount, 1, Span::Month, 1)], vec![]);
        for n in 0..100 {
            let account = fleet.account(&format!("a{n}"));
            account.billed(costs(if n < 50 { 25 } else { 35 }), day(0, 9));
        }
        fleet
            .account("free")
            .used("ada", day(0, 9))
            .used("bob", day(0, 9));
        assert_eq!(fleet.tells("arpa", 0), "30");
        assert_eq!(fleet.tells("arpu", 0), "1500");
    }

    #[test]
    fn without_customers_and_users_there_is_no_mean() {
        let mut fleet = Fleet::default();
        fleet.account("acme").created(day(0, 9));
        assert_eq!(
            ["arpa", "arpu"].map(|id| fleet.tells(id, 0)),
            ["null", "null"]
        );
    }
}
