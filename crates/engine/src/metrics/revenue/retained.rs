//! What became of the revenue of the customers who were there at the start: gross, and with what they pay more.
//!
//! 10 000 at the start, 5 000 more from some and 2 000 less from others: 0.8 is kept, and it is 1.3 of what it was.
//! Revenue at the end is taken at the rates of exchange of the start, so that a rate retains nobody.

use mainstay_model::Parts;

use super::rate;
use crate::flows::{Flows, Window};
use crate::metrics::{Metric, Read};

pub(in crate::metrics) static GRR_30D: Metric = rate(
    "grr_30d",
    "Of the revenue of the customers at the start, the share that is still paid, in the last 30 days.",
    "over customers on D-30, but those deleted as such: sum of the smaller of their mrr on D-30 and at the end of D / sum of their mrr on D-30, both at the rates on D-30",
    Read::Flow(Window::Days30, gross),
);

pub(in crate::metrics) static GRR_MTD: Metric = rate(
    "grr_mtd",
    "Of the revenue of the customers at the start, the share that is still paid, in the month so far.",
    "over customers at the end of the month before, but those deleted as such: sum of the smaller of their mrr at the end of the month before and at the end of D / sum of their mrr at the end of the month before, both at the rates at the end of the month before",
    Read::Flow(Window::MonthToDate, gross),
);

pub(in crate::metrics) static NRR_30D: Metric = rate(
    "nrr_30d",
    "Revenue of the customers at the start, now over then, in the last 30 days; above 1 when they pay more.",
    "over customers on D-30, but those deleted as such: sum of their mrr at the end of D / sum of their mrr on D-30, both at the rates on D-30",
    Read::Flow(Window::Days30, net),
);

pub(in crate::metrics) static NRR_MTD: Metric = rate(
    "nrr_mtd",
    "Revenue of the customers at the start, now over then, in the month so far; above 1 when they pay more.",
    "over customers at the end of the month before, but those deleted as such: sum of their mrr at the end of D / sum of their mrr at the end of the month before, both at the rates at the end of the month before",
    Read::Flow(Window::MonthToDate, net),
);

fn gross(flows: &Flows) -> Parts {
    let followed = flows.followed();
    Parts::quotient(followed.mrr_kept, followed.mrr_at_start)
}

fn net(flows: &Flows) -> Parts {
    let followed = flows.followed();
    Parts::quotient(followed.mrr_at_end, followed.mrr_at_start)
}

#[cfg(test)]
mod tests {
    use crate::ledger::Rates;
    use crate::ledger::story::{item, subscription};
    use crate::metrics::usage::story::*;
    use mainstay_model::{Currency, Decimal, Span, Status};

    #[test]
    fn more_from_some_and_less_from_others_is_more_net_and_less_gross() {
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
            .billed(costs(3000), day(35, 9));
        fleet
            .account("more")
            .billed(costs(5000), day(0, 9))
            .billed(costs(10_000), day(35, 9));
        fleet.account("new").billed(costs(900), day(35, 9));
        let told = ["grr", "nrr"].map(|id| fleet.tells(&format!("{id}_30d"), 36));
        assert_eq!(told, ["0.8", "1.3"]);
    }

    #[test]
    fn a_rate_of_exchange_retains_nobody_and_a_month_begins_with_its_first_day() {
        let mut fleet = Fleet::default();
        let [usd, eur] = ["USD", "EUR"].map(|code| Currency::of(code).unwrap());
        let mut rates = Rates::into(usd);
        for (on, rate) in [(-90, "1"), (20, "1.5"), (33, "3")] {
            let on = mainstay_model::Zone::UTC.day_of(day(on, 0));
            let rate = Decimal::parse(rate).unwrap();
            rates.set(eur, on, rate).unwrap();
        }
        fleet.settings.revenue.rates = rates;
        let mut costs = subscription(vec![item(1000, 1, Span::Month, 1)], vec![]);
        costs.currency = eur;
        fleet.account("acme").billed(costs.clone(), day(0, 9));
        costs.items = vec![item(500, 1, Span::Month, 1)];
        fleet.account("byte").billed(costs, day(0, 9));
        let told = |id: &str, on| fleet.tells(id, on);
        assert_eq!(
            [told("mrr", 10), told("mrr", 32), told("mrr", 36)],
            ["1500", "2250", "4500"]
        );
        let on = 36;
        assert_eq!(
            ["grr_30d", "nrr_30d"].map(|id| told(id, on)),
            ["1.0", "1.0"]
        );
        assert_eq!(
            ["grr_mtd", "nrr_mtd"].map(|id| told(id, on)),
            ["1.0", "1.0"]
        );
    }
}
