//! Customers: accounts from their first payment until they are lost.

use mainstay_model::{Info, Levels, Parts, Unit};

use super::is_customer;
use crate::flows::Window;
use crate::ledger::Kind;
use crate::metrics::{Metric, Read, Why, tell};
use crate::view::View;

pub(in crate::metrics) static CUSTOMERS: Metric = Metric {
    info: Info {
        id: "customers",
        unit: Unit::Count,
        levels: Levels::Group,
        help: "Accounts that have paid and were not lost since.",
        formula: "accounts from their first mrr > 0 until their last subscription is over",
        headline: true,
    },
    read: Read::Account(customers),
    tell: tell::count,
    why: Why::NUMBERS,
};

pub(in crate::metrics) static CUSTOMERS_NEW_30D: Metric = moved(
    "customers_new_30d",
    "Accounts that paid for the first time, in the last 30 days.",
    "number of `new` movements, in D-29…D",
    Read::Flow(Window::Days30, |flows| Parts::sum(flows.number(Kind::New))),
);

pub(in crate::metrics) static CUSTOMERS_NEW_MTD: Metric = moved(
    "customers_new_mtd",
    "Accounts that paid for the first time, in the month so far.",
    "number of `new` movements, from the first of the month of D to D",
    Read::Flow(Window::MonthToDate, |flows| {
        Parts::sum(flows.number(Kind::New))
    }),
);

pub(in crate::metrics) static CUSTOMERS_CHURNED_30D: Metric = moved(
    "customers_churned_30d",
    "Customers who were lost, in the last 30 days.",
    "number of `churn` movements, in D-29…D",
    Read::Flow(Window::Days30, |flows| {
        Parts::sum(flows.number(Kind::Churn))
    }),
);

pub(in crate::metrics) static CUSTOMERS_CHURNED_MTD: Metric = moved(
    "customers_churned_mtd",
    "Customers who were lost, in the month so far.",
    "number of `churn` movements, from the first of the month of D to D",
    Read::Flow(Window::MonthToDate, |flows| {
        Parts::sum(flows.number(Kind::Churn))
    }),
);

pub(in crate::metrics) static CUSTOMERS_REACTIVATED_30D: Metric = moved(
    "customers_reactivated_30d",
    "Customers who came back, in the last 30 days.",
    "number of `reactivation` movements, in D-29…D",
    Read::Flow(Window::Days30, |flows| {
        Parts::sum(flows.number(Kind::Reactivation))
    }),
);

pub(in crate::metrics) static CUSTOMERS_REACTIVATED_MTD: Metric = moved(
    "customers_reactivated_mtd",
    "Customers who came back, in the month so far.",
    "number of `reactivation` movements, from the first of the month of D to D",
    Read::Flow(Window::MonthToDate, |flows| {
        Parts::sum(flows.number(Kind::Reactivation))
    }),
);

const fn moved(id: &'static str, help: &'static str, formula: &'static str, read: Read) -> Metric {
    Metric {
        info: Info {
            id,
            unit: Unit::Count,
            levels: Levels::Group,
            help,
            formula,
            headline: false,
        },
        read,
        tell: tell::count,
        why: Why::NUMBERS,
    }
}

fn customers(view: &View<'_>) -> Parts {
    Parts::count(is_customer(view).into())
}

#[cfg(test)]
mod tests {
    use crate::ledger::story::{item, subscription};
    use crate::metrics::usage::story::*;
    use mainstay_model::{Span, Status};

    #[test]
    fn who_pays_nothing_any_more_is_a_customer_until_all_is_over() {
        let mut fleet = Fleet::default();
        let costs = |amount| subscription(vec![item(amount, 1, Span::Month, 1)], vec![]);
        fleet.account("acme").billed(costs(500), day(0, 9));
        let byte = fleet.account("byte");
        byte.billed(costs(500), day(0, 9))
            .billed(costs(0), day(2, 9));
        let mut over = costs(0);
        over.status = Status::Canceled;
        byte.billed(over, day(4, 9));
        fleet.account("core").billed(costs(0), day(0, 9));
        let told = [1, 3, 4].map(|on| fleet.tells("customers", on));
        assert_eq!(told, ["2", "2", "1"]);
        let told = ["new", "churned", "reactivated"]
            .map(|what| fleet.tells(&format!("customers_{what}_30d"), 4));
        assert_eq!(told, ["2", "1", "0"]);
    }
}
