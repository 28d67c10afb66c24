//! What became of invoices: what was collected, and which payments failed.

use mainstay_model::{Info, Levels, Parts, Unit};

use super::rate;
use crate::facts::invoices::Invoices;
use crate::flows::Window;
use crate::ledger::Kind;
use crate::metrics::{Metric, Read, Why, tell};
use crate::view::View;

pub(in crate::metrics) static LIFETIME_REVENUE: Metric = Metric {
    info: Info {
        id: "lifetime_revenue",
        unit: Unit::Money,
        levels: Levels::AccountAndGroup,
        help: "What was collected so far, less what was given back.",
        formula: "invoices paid - refunded, up to the end of D, each at the rate of its day",
        headline: false,
    },
    read: Read::Account(lifetime),
    tell: tell::count,
    why: Why::NUMBERS,
};

pub(in crate::metrics) static FAILED_PAYMENTS: Metric = Metric {
    info: Info {
        id: "failed_payments",
        unit: Unit::Count,
        levels: Levels::AccountAndGroup,
        help: "Invoices of which a payment failed and that are still open.",
        formula: "invoices that failed and were not paid or voided since, and whose account was not lost since",
        headline: false,
    },
    read: Read::Account(|view| Parts::count(failing(view).count() as u64)),
    tell: tell::count,
    why: Why::NUMBERS,
};

pub(in crate::metrics) static PAST_DUE_DAYS: Metric = Metric {
    info: Info {
        id: "past_due_days",
        unit: Unit::Days,
        levels: Levels::Account,
        help: "Days since the oldest payment failed that is still open.",
        formula: "D - the first failure of the oldest invoice in failed_payments",
        headline: false,
    },
    read: Read::Account(past_due),
    tell: tell::count,
    why: Why::NUMBERS,
};

pub(in crate::metrics) static DUNNING_RECOVERED_RATE_30D: Metric = rate(
    "dunning_recovered_rate_30d",
    "Of the invoices that failed first in the last 30 days, the share that was paid.",
    "of invoices that failed first in D-29…D: paid by the end of D / all",
    Read::Account(|view| recovered(view, Window::Days30)),
);

pub(in crate::metrics) static DUNNING_RECOVERED_RATE_MTD: Metric = rate(
    "dunning_recovered_rate_mtd",
    "Of the invoices that failed first in the month so far, the share that was paid.",
    "of invoices that failed first from the first of the month of D to D: paid by the end of D / all",
    Read::Account(|view| recovered(view, Window::MonthToDate)),
);

pub(in crate::metrics) static RECURRING_SHARE_30D: Metric = rate(
    "recurring_share_30d",
    "Of what was collected in the last 30 days, the share that is recurring.",
    "recurring amounts of invoices paid in D-29…D / amounts of all",
    Read::Account(|view| recurring(view, Window::Days30)),
);

pub(in crate::metrics) static RECURRING_SHARE_MTD: Metric = rate(
    "recurring_share_mtd",
    "Of what was collected in the month so far, the share that is recurring.",
    "recurring amounts of invoices paid from the first of the month of D to D / amounts of all",
    Read::Account(|view| recurring(view, Window::MonthToDate)),
);

fn invoices<'v>(view: &View<'v>) -> Option<&'v Invoices> {
    view.account.invoices.as_deref()
}

fn lifetime(view: &View<'_>) -> Parts {
    let lifetime = invoices(view).map_or(0, |invoices| invoices.lifetime(view.day));
    Parts::sum(lifetime)
}

/// The days on which those invoices failed first that are failing, whose account was not lost since.
fn failing<'v>(view: &View<'v>) -> impl Iterator<Item = mainstay_model::Day> + use<'v> {
    let day = view.day;
    let failing = invoices(view).into_iter();
    let failing: Vec<_> = failing.flat_map(|one| one.failing(day)).collect();
    // Nearly nobody has one; the history is not walked for the others.
    let revenue = view.account.revenue.as_deref();
    let lost = revenue.filter(|_| !failing.is_empty()).and_then(|revenue| {
        let until = view.last_instant(revenue);
        let mut movements = revenue.ledger().movements().iter().rev();
        let lost = movements.find(|one| one.kind == Kind::Churn && one.at <= until);
        lost.map(|churn| churn.at)
    });
    let failing = failing.into_iter();
    let failing = failing.filter(move |(at, _)| lost.is_none_or(|lost| lost < *at));
    failing.map(|(_, day)| day)
}

fn past_due(view: &View<'_>) -> Parts {
    failing(view).min().map_or(Parts::Nothing, |since| {
        Parts::sum(view.day.since(since).into())
    })
}

fn recovered(view: &View<'_>, window: Window) -> Parts {
    let first = window.first(view.day);
    let (failed, paid) =
        invoices(view).map_or((0, 0), |invoices| invoices.recovered(first, view.day));
    Parts::ratio(paid, failed)
}

fn recurring(view: &View<'_>, window: Window) -> Parts {
    let first = window.first(view.day);
    let (recurring, all) = invoices(view).map_or((0, 0), |invoices| invoices.paid(first, view.day));
    Parts::Sums([recurring, all, 0, 0])
}

#[cfg(test)]
mod tests {
    use crate::ledger::story::{item, subscription};
    use crate::metrics::usage::story::*;
    use mainstay_model::{Outcome, Span, Status};

    #[test]
    fn payments_that_failed_are_open_until_they_are_paid_or_the_customer_is_lost() {
        let mut story = Story::default();
        let costs = subscription(vec![item(500, 1, Span::Month, 1)], vec![]);
        let mut over = costs.clone();
        over.status = Status::Canceled;
        story
            .billed(costs, day(0, 8))
            .invoice(Outcome::Failed, "a", 500, day(1, 9))
            .invoice(Outcome::Failed, "b", 500, day(3, 9))
            .invoice(Outcome::Paid, "a", 500, day(5, 9))
            .billed(over, day(7, 9));
        let told = |metric: &str| [0, 4, 6, 7].map(|on| story.tells(metric, on));
        assert_eq!(told("failed_payments"), ["0", "2", "1", "0"]);
        assert_eq!(told("past_due_days"), ["null", "3", "3", "null"]);
        assert_eq!(told("lifetime_revenue"), ["0", "0", "500", "500"]);
    }

    #[test]
    fn half_of_what_failed_was_paid_and_five_eighths_are_recurring() {
        let mut fleet = Fleet::default();
        let account = fleet.account("acme");
        account
            .invoice(Outcome::Failed, "a", 500, day(1, 9))
            .invoice(Outcome::Failed, "b", 500, day(1, 9))
            .invoice(Outcome::Paid, "b", 500, day(2, 9))
            .once(Outcome::Paid, "c", 300, day(2, 9))
            .once(Outcome::Refunded, "c", 300, day(3, 9));
        let told = |metric: &str| fleet.tells(metric, 4);
        assert_eq!(told("dunning_recovered_rate_30d"), "0.5");
        assert_eq!(told("recurring_share_30d"), "0.625");
        assert_eq!(told("lifetime_revenue"), "500");
    }
}
