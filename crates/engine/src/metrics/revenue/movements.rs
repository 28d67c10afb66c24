//! How recurring revenue moved, by what the movement was for the account.
//!
//! Positive numbers, also of what was lost; only rates of exchange and changes of segment move it both ways.

use mainstay_model::{Info, Levels, Parts, Unit};

use crate::flows::Window;
use crate::ledger::Kind;
use crate::metrics::{Metric, Read, Why, tell};

pub(in crate::metrics) static MRR_NEW_1D: Metric = moved(
    "mrr_new_1d",
    Levels::Account,
    "Recurring revenue of accounts that paid for the first time on the day.",
    "amounts of `new` movements, on D",
    Read::Flow(Window::Day, |flows| Parts::sum(flows.sum(Kind::New))),
);

pub(in crate::metrics) static MRR_NEW_30D: Metric = moved(
    "mrr_new_30d",
    Levels::AccountAndGroup,
    "Recurring revenue of accounts that paid for the first time, in the last 30 days.",
    "amounts of `new` movements, in D-29…D",
    Read::Flow(Window::Days30, |flows| Parts::sum(flows.sum(Kind::New))),
);

pub(in crate::metrics) static MRR_NEW_MTD: Metric = moved(
    "mrr_new_mtd",
    Levels::Group,
    "Recurring revenue of accounts that paid for the first time, in the month so far.",
    "amounts of `new` movements, from the first of the month of D to D",
    Read::Flow(Window::MonthToDate, |flows| {
        Parts::sum(flows.sum(Kind::New))
    }),
);

pub(in crate::metrics) static MRR_EXPANSION_1D: Metric = moved(
    "mrr_expansion_1d",
    Levels::Account,
    "By how much customers paid more on the day.",
    "amounts of `expansion` movements, on D",
    Read::Flow(Window::Day, |flows| Parts::sum(flows.sum(Kind::Expansion))),
);

pub(in crate::metrics) static MRR_EXPANSION_30D: Metric = moved(
    "mrr_expansion_30d",
    Levels::AccountAndGroup,
    "By how much customers paid more, in the last 30 days.",
    "amounts of `expansion` movements, in D-29…D",
    Read::Flow(Window::Days30, |flows| {
        Parts::sum(flows.sum(Kind::Expansion))
    }),
);

pub(in crate::metrics) static MRR_EXPANSION_MTD: Metric = moved(
    "mrr_expansion_mtd",
    Levels::Group,
    "By how much customers paid more, in the month so far.",
    "amounts of `expansion` movements, from the first of the month of D to D",
    Read::Flow(Window::MonthToDate, |flows| {
        Parts::sum(flows.sum(Kind::Expansion))
    }),
);

pub(in crate::metrics) static MRR_CONTRACTION_1D: Metric = moved(
    "mrr_contraction_1d",
    Levels::Account,
    "By how much customers paid less, and stayed on the day.",
    "amounts of `contraction` movements, on D",
    Read::Flow(Window::Day, |flows| {
        Parts::sum(-flows.sum(Kind::Contraction))
    }),
);

pub(in crate::metrics) static MRR_CONTRACTION_30D: Metric = moved(
    "mrr_contraction_30d",
    Levels::AccountAndGroup,
    "By how much customers paid less, and stayed, in the last 30 days.",
    "amounts of `contraction` movements, in D-29…D",
    Read::Flow(Window::Days30, |flows| {
        Parts::sum(-flows.sum(Kind::Contraction))
    }),
);

pub(in crate::metrics) static MRR_CONTRACTION_MTD: Metric = moved(
    "mrr_contraction_mtd",
    Levels::Group,
    "By how much customers paid less, and stayed, in the month so far.",
    "amounts of `contraction` movements, from the first of the month of D to D",
    Read::Flow(Window::MonthToDate, |flows| {
        Parts::sum(-flows.sum(Kind::Contraction))
    }),
);

pub(in crate::metrics) static MRR_CHURN_1D: Metric = moved(
    "mrr_churn_1d",
    Levels::Account,
    "Recurring revenue of customers who were lost on the day.",
    "amounts of `churn` movements, on D",
    Read::Flow(Window::Day, |flows| Parts::sum(-flows.sum(Kind::Churn))),
);

pub(in crate::metrics) static MRR_CHURN_30D: Metric = moved(
    "mrr_churn_30d",
    Levels::AccountAndGroup,
    "Recurring revenue of customers who were lost, in the last 30 days.",
    "amounts of `churn` movements, in D-29…D",
    Read::Flow(Window::Days30, |flows| Parts::sum(-flows.sum(Kind::Churn))),
);

pub(in crate::metrics) static MRR_CHURN_MTD: Metric = moved(
    "mrr_churn_mtd",
    Levels::Group,
    "Recurring revenue of customers who were lost, in the month so far.",
    "amounts of `churn` movements, from the first of the month of D to D",
    Read::Flow(Window::MonthToDate, |flows| {
        Parts::sum(-flows.sum(Kind::Churn))
    }),
);

pub(in crate::metrics) static MRR_REACTIVATION_1D: Metric = moved(
    "mrr_reactivation_1d",
    Levels::Account,
    "Recurring revenue of customers who came back on the day.",
    "amounts of `reactivation` movements, on D",
    Read::Flow(Window::Day, |flows| {
        Parts::sum(flows.sum(Kind::Reactivation))
    }),
);

pub(in crate::metrics) static MRR_REACTIVATION_30D: Metric = moved(
    "mrr_reactivation_30d",
    Levels::AccountAndGroup,
    "Recurring revenue of customers who came back, in the last 30 days.",
    "amounts of `reactivation` movements, in D-29…D",
    Read::Flow(Window::Days30, |flows| {
        Parts::sum(flows.sum(Kind::Reactivation))
    }),
);

pub(in crate::metrics) static MRR_REACTIVATION_MTD: Metric = moved(
    "mrr_reactivation_mtd",
    Levels::Group,
    "Recurring revenue of customers who came back, in the month so far.",
    "amounts of `reactivation` movements, from the first of the month of D to D",
    Read::Flow(Window::MonthToDate, |flows| {
        Parts::sum(flows.sum(Kind::Reactivation))
    }),
);

pub(in crate::metrics) static MRR_FX_1D: Metric = moved(
    "mrr_fx_1d",
    Levels::Account,
    "By how much recurring revenue changed with rates of exchange on the day.",
    "amounts of `fx` movements, below 0 for less, on D",
    Read::Flow(Window::Day, |flows| Parts::sum(flows.sum(Kind::Fx))),
);

pub(in crate::metrics) static MRR_FX_30D: Metric = moved(
    "mrr_fx_30d",
    Levels::AccountAndGroup,
    "By how much recurring revenue changed with rates of exchange, in the last 30 days.",
    "amounts of `fx` movements, below 0 for less, in D-29…D",
    Read::Flow(Window::Days30, |flows| Parts::sum(flows.sum(Kind::Fx))),
);

pub(in crate::metrics) static MRR_FX_MTD: Metric = moved(
    "mrr_fx_mtd",
    Levels::Group,
    "By how much recurring revenue changed with rates of exchange, in the month so far.",
    "amounts of `fx` movements, below 0 for less, from the first of the month of D to D",
    Read::Flow(Window::MonthToDate, |flows| Parts::sum(flows.sum(Kind::Fx))),
);

pub(in crate::metrics) static MRR_TRANSFER_1D: Metric = moved(
    "mrr_transfer_1d",
    Levels::Account,
    "Recurring revenue of accounts that came into the segment, less that of accounts that left it or were deleted, on the day.",
    "mrr of accounts that came, less that of accounts that left, at the end of the day before, on D",
    Read::Flow(Window::Day, |flows| Parts::sum(flows.transfer())),
);

pub(in crate::metrics) static MRR_TRANSFER_30D: Metric = moved(
    "mrr_transfer_30d",
    Levels::AccountAndGroup,
    "Recurring revenue of accounts that came into the segment, less that of accounts that left it or were deleted, in the last 30 days.",
    "mrr of accounts that came, less that of accounts that left, at the end of the day before, in D-29…D",
    Read::Flow(Window::Days30, |flows| Parts::sum(flows.transfer())),
);

pub(in crate::metrics) static MRR_TRANSFER_MTD: Metric = moved(
    "mrr_transfer_mtd",
    Levels::Group,
    "Recurring revenue of accounts that came into the segment, less that of accounts that left it or were deleted, in the month so far.",
    "mrr of accounts that came, less that of accounts that left, at the end of the day before, from the first of the month of D to D",
    Read::Flow(Window::MonthToDate, |flows| Parts::sum(flows.transfer())),
);

const fn moved(
    id: &'static str,
    levels: Levels,
    help: &'static str,
    formula: &'static str,
    read: Read,
) -> Metric {
    Metric {
        info: Info {
            id,
            unit: Unit::Money,
            levels,
            help,
            formula,
            headline: false,
        },
        read,
        tell: tell::count,
        why: Why::NUMBERS,
    }
}

#[cfg(test)]
mod tests {
    use crate::ledger::story::{item, subscription};
    use crate::metrics::usage::story::*;
    use mainstay_model::{Span, Status, Subscription};

    fn costs(amount: i64, span: Span) -> Subscription<'static> {
        subscription(vec![item(amount, 1, span, 1)], vec![])
    }

    #[test]
    fn from_50_to_80_is_an_expansion_of_30_on_the_day_and_for_30_days() {
        let mut story = Story::default();
        story
            .billed(costs(50, Span::Month), day(0, 9))
            .billed(costs(80, Span::Month), day(3, 9));
        let told = |metric: &str, on| story.tells(metric, on);
        assert_eq!([told("mrr_new_1d", 0), told("mrr_new_1d", 1)], ["50", "0"]);
        assert_eq!(
            [2, 3, 4].map(|on| told("mrr_expansion_1d", on)),
            ["0", "30", "0"]
        );
        assert_eq!(
            [2, 3, 32, 33].map(|on| told("mrr_expansion_30d", on)),
            ["0", "30", "30", "0"]
        );
    }

    #[test]
    fn a_yearly_price_of_100000_that_becomes_120000_expands_by_1667() {
        let mut story = Story::default();
        story
            .billed(costs(100_000, Span::Year), day(0, 9))
            .billed(costs(120_000, Span::Year), day(3, 9));
        assert_eq!(story.tells("mrr_expansion_1d", 3), "1667");
    }

    #[test]
    fn who_is_lost_churns_by_a_positive_number_and_may_come_back() {
        let mut story = Story::default();
        let mut over = costs(70, Span::Month);
        over.status = Status::Canceled;
        story
            .billed(costs(90, Span::Month), day(0, 9))
            .billed(costs(70, Span::Month), day(1, 9))
            .billed(over, day(2, 9))
            .billed(costs(70, Span::Month), day(3, 9));
        let told = ["contraction", "churn", "reactivation"].map(|kind| {
            let metric = format!("mrr_{kind}_30d");
            story.tells(&metric, 3)
        });
        assert_eq!(told, ["20", "70", "70"]);
        let mut fleet = Fleet::default();
        let account = fleet.account("acme");
        account.billed(costs(90, Span::Month), day(0, 9));
        account.billed(costs(70, Span::Month), day(31, 9));
        assert_eq!(fleet.tells("mrr_reconciliation_residual_30d", 40), "0");
    }
}
