//! Which part of the revenue of the start was lost, with the customers who were lost and with those who pay less.
//!
//! 500 lost of 10 000 is 0.05. Every flow of the window counts, also of customers who were won within it.

use mainstay_model::Parts;

use super::rate;
use crate::flows::{Flows, Window};
use crate::ledger::Kind;
use crate::metrics::{Metric, Read};

pub(in crate::metrics) static REVENUE_CHURN_RATE_30D: Metric = rate(
    "revenue_churn_rate_30d",
    "Revenue lost by churn and contraction, of that of the start, in the last 30 days.",
    "(mrr_churn + mrr_contraction) / mrr on D-30",
    Read::Flow(Window::Days30, lost),
);

pub(in crate::metrics) static REVENUE_CHURN_RATE_MTD: Metric = rate(
    "revenue_churn_rate_mtd",
    "Revenue lost by churn and contraction, of that of the start, in the month so far.",
    "(mrr_churn + mrr_contraction) / mrr at the end of the month before",
    Read::Flow(Window::MonthToDate, lost),
);

pub(in crate::metrics) static REVENUE_CHURN_RATE_CHURN_ONLY_30D: Metric = rate(
    "revenue_churn_rate_churn_only_30d",
    "Revenue of lost customers, of that of the start, in the last 30 days.",
    "mrr_churn / mrr on D-30",
    Read::Flow(Window::Days30, churned),
);

pub(in crate::metrics) static REVENUE_CHURN_RATE_CHURN_ONLY_MTD: Metric = rate(
    "revenue_churn_rate_churn_only_mtd",
    "Revenue of lost customers, of that of the start, in the month so far.",
    "mrr_churn / mrr at the end of the month before",
    Read::Flow(Window::MonthToDate, churned),
);

pub(in crate::metrics) static NET_MRR_CHURN_RATE_30D: Metric = rate(
    "net_mrr_churn_rate_30d",
    "Revenue lost less what was won from customers old and lost, of that of the start, in the last 30 days; below 0 for more.",
    "(mrr_churn + mrr_contraction - mrr_expansion - mrr_reactivation) / mrr on D-30",
    Read::Flow(Window::Days30, net),
);

pub(in crate::metrics) static NET_MRR_CHURN_RATE_MTD: Metric = rate(
    "net_mrr_churn_rate_mtd",
    "Revenue lost less what was won from customers old and lost, of that of the start, in the month so far; below 0 for more.",
    "(mrr_churn + mrr_contraction - mrr_expansion - mrr_reactivation) / mrr at the end of the month before",
    Read::Flow(Window::MonthToDate, net),
);

fn lost(flows: &Flows) -> Parts {
    let lost = flows.sum(Kind::Churn) + flows.sum(Kind::Contraction);
    Parts::quotient(-lost, flows.start())
}

fn churned(flows: &Flows) -> Parts {
    Parts::quotient(-flows.sum(Kind::Churn), flows.start())
}

fn net(flows: &Flows) -> Parts {
    let lost = flows.sum(Kind::Churn) + flows.sum(Kind::Contraction);
    let won = flows.sum(Kind::Expansion) + flows.sum(Kind::Reactivation);
    Parts::quotient(-(lost + won), flows.start())
}

#[cfg(test)]
mod tests {
    use crate::ledger::story::{item, subscription};
    use crate::metrics::usage::story::*;
    use mainstay_model::{Span, Status};

    #[test]
    fn what_was_lost_is_of_what_was_there() {
        let mut fleet = Fleet::default();
        let costs = |amount| subscription(vec![item(amount, 1, Span::Month, 1)], vec![]);
        let mut over = costs(500);
        over.status = Status::Canceled;
        fleet
            .account("lost")
            .billed(costs(500), day(0, 9))
            .billed(over, day(35, 9));
        fleet
            .account("less")
            .billed(costs(4500), day(0, 9))
            .billed(costs(4000), day(35, 9));
        fleet
            .account("more")
            .billed(costs(5000), day(0, 9))
            .billed(costs(7000), day(35, 9));
        fleet.account("new").billed(costs(900), day(35, 9));
        let ids = [
            "revenue_churn_rate",
            "revenue_churn_rate_churn_only",
            "net_mrr_churn_rate",
        ];
        let told = ids.map(|id| fleet.tells(&format!("{id}_30d"), 36));
        assert_eq!(told, ["0.1", "0.05", "-0.1"]);
    }
}
