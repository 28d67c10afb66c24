//! Recurring revenue: what accounts pay a month, how it moved, and what is known to come.
//!
//! Levels are those of the last instant of the day; an account that was never billed pays 0.

pub(super) mod account_status;
pub(super) mod arpa;
pub(super) mod cmrr;
pub(super) mod customer_churn;
pub(super) mod customers;
pub(super) mod days_to;
pub(super) mod expansion;
pub(super) mod invoices;
pub(super) mod movements;
pub(super) mod mrr;
pub(super) mod residual;
pub(super) mod retained;
pub(super) mod revenue_churn;

use mainstay_model::{Info, Levels, Unit};

use crate::ledger::Balance;
use crate::metrics::{Metric, Read, Why, tell};
use crate::view::View;

/// A rate of a group: the first of its parts over the second.
const fn rate(id: &'static str, help: &'static str, formula: &'static str, read: Read) -> Metric {
    Metric {
        info: Info {
            id,
            unit: Unit::Ratio,
            levels: Levels::Group,
            help,
            formula,
            headline: false,
        },
        read,
        tell: tell::ratio,
        why: Why::NUMBERS,
    }
}

/// Whether the account is a customer.
fn is_customer(view: &View<'_>) -> bool {
    balance(view).is_some_and(Balance::is_customer)
}

/// How the account's revenue stands; none before its first bill.
fn balance<'v>(view: &View<'v>) -> Option<&'v Balance> {
    let revenue = view.account.revenue.as_deref()?;
    revenue.balance_at(view.last_instant(revenue))
}

/// The revenue of the account at the end of the day so many days before.
pub(super) fn mrr_before(view: &View<'_>, days: i32) -> i128 {
    let revenue = view.account.revenue.as_deref();
    let balance = revenue.and_then(|revenue| {
        let end = revenue.end_of(view.day.minus(days));
        revenue.balance_at(end.minus_ms(1))
    });
    balance.map_or(0, |balance| balance.mrr)
}

/// The revenue of the account.
pub(super) fn mrr(view: &View<'_>) -> i128 {
    balance(view).map_or(0, |balance| balance.mrr)
}
