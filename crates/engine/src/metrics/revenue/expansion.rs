//! How much more customers pay, and how much comes for what goes.

use mainstay_model::Parts;

use super::rate;
use crate::flows::{Flows, Window};
use crate::ledger::Kind;
use crate::metrics::{Metric, Read};

pub(in crate::metrics) static EXPANSION_RATE_30D: Metric = rate(
    "expansion_rate_30d",
    "By how much customers pay more, of the revenue of the start, in the last 30 days.",
    "mrr_expansion / mrr on D-30",
    Read::Flow(Window::Days30, expansion),
);

pub(in crate::metrics) static EXPANSION_RATE_MTD: Metric = rate(
    "expansion_rate_mtd",
    "By how much customers pay more, of the revenue of the start, in the month so far.",
    "mrr_expansion / mrr at the end of the month before",
    Read::Flow(Window::MonthToDate, expansion),
);

pub(in crate::metrics) static QUICK_RATIO_30D: Metric = rate(
    "quick_ratio_30d",
    "Revenue won over revenue lost, in the last 30 days; 4 is a usual aim.",
    "(mrr_new + mrr_expansion + mrr_reactivation) / (mrr_churn + mrr_contraction)",
    Read::Flow(Window::Days30, quick),
);

pub(in crate::metrics) static QUICK_RATIO_MTD: Metric = rate(
    "quick_ratio_mtd",
    "Revenue won over revenue lost, in the month so far; 4 is a usual aim.",
    "(mrr_new + mrr_expansion + mrr_reactivation) / (mrr_churn + mrr_contraction)",
    Read::Flow(Window::MonthToDate, quick),
);

fn expansion(flows: &Flows) -> Parts {
    Parts::quotient(flows.sum(Kind::Expansion), flows.start())
}

fn quick(flows: &Flows) -> Parts {
    let won = [Kind::New, Kind::Expansion, Kind::Reactivation];
    let lost = [Kind::Churn, Kind::Contraction];
    let sum = |kinds: &[Kind]| kinds.iter().map(|kind| flows.sum(*kind)).sum::<i128>();
    Parts::quotient(sum(&won), -sum(&lost))
}

#[cfg(test)]
mod tests {
    use crate::ledger::story::{item, subscription};
    use crate::metrics::usage::story::*;
    use mainstay_model::Span;

    #[test]
    fn ten_thousand_more_on_a_hundred_thousand_is_a_tenth() {
        let mut fleet = Fleet::default();
        let costs = |amount| subscription(vec![item(amount, 1, Span::Month, 1)], vec![]);
        fleet
            .account("more")
            .billed(costs(90_000), day(0, 9))
            .billed(costs(100_000), day(35, 9));
        fleet
            .account("less")
            .billed(costs(10_000), day(0, 9))
            .billed(costs(5000), day(35, 9));
        fleet.account("new").billed(costs(5000), day(35, 9));
        let told =
            ["expansion_rate", "quick_ratio"].map(|id| fleet.tells(&format!("{id}_30d"), 36));
        assert_eq!(told, ["0.1", "3.0"]);
        assert_eq!(fleet.tells("quick_ratio_30d", 34), "null");
    }
}
