//! Which customers were lost, of those who were there: by their will, without it, and less those who came back.
//!
//! 5 of 100 customers lost is 0.05. Customers are followed from the group where they were at the start, wherever they
//! are at the end.

use mainstay_model::Parts;

use super::rate;
use crate::flows::{Flows, Window};
use crate::ledger::Kind;
use crate::metrics::{Metric, Read};

pub(in crate::metrics) static CUSTOMER_CHURN_RATE_30D: Metric = rate(
    "customer_churn_rate_30d",
    "Of the customers at the start, the share that is none any more, in the last 30 days.",
    "customers on D-30, but those deleted as such, who are none at the end of D / customers on D-30",
    Read::Flow(Window::Days30, lost),
);

pub(in crate::metrics) static CUSTOMER_CHURN_RATE_MTD: Metric = rate(
    "customer_churn_rate_mtd",
    "Of the customers at the start, the share that is none any more, in the month so far.",
    "customers at the end of the month before, but those deleted as such, who are none at the end of D / customers at the end of the month before",
    Read::Flow(Window::MonthToDate, lost),
);

pub(in crate::metrics) static CUSTOMER_CHURN_RATE_ACTIVE_30D: Metric = rate(
    "customer_churn_rate_active_30d",
    "Of the customers at the start, the share that left by its own will, in the last 30 days.",
    "customers on D-30, but those deleted as such, who are none at the end of D, lost last by their own will / customers on D-30",
    Read::Flow(Window::Days30, left),
);

pub(in crate::metrics) static CUSTOMER_CHURN_RATE_ACTIVE_MTD: Metric = rate(
    "customer_churn_rate_active_mtd",
    "Of the customers at the start, the share that left by its own will, in the month so far.",
    "customers at the end of the month before, but those deleted as such, who are none at the end of D, lost last by their own will / customers at the end of the month before",
    Read::Flow(Window::MonthToDate, left),
);

pub(in crate::metrics) static CUSTOMER_CHURN_RATE_PASSIVE_30D: Metric = rate(
    "customer_churn_rate_passive_30d",
    "Of the customers at the start, the share whose payments failed, in the last 30 days.",
    "customers on D-30, but those deleted as such, who are none at the end of D, lost last by a payment that failed / customers on D-30",
    Read::Flow(Window::Days30, fell_out),
);

pub(in crate::metrics) static CUSTOMER_CHURN_RATE_PASSIVE_MTD: Metric = rate(
    "customer_churn_rate_passive_mtd",
    "Of the customers at the start, the share whose payments failed, in the month so far.",
    "customers at the end of the month before, but those deleted as such, who are none at the end of D, lost last by a payment that failed / customers at the end of the month before",
    Read::Flow(Window::MonthToDate, fell_out),
);

pub(in crate::metrics) static NET_CUSTOMER_CHURN_RATE_30D: Metric = rate(
    "net_customer_churn_rate_30d",
    "Customers lost less customers won back, of those at the start, in the last 30 days; below 0 for more.",
    "(customers_churned - customers_reactivated) / customers on D-30",
    Read::Flow(Window::Days30, net),
);

pub(in crate::metrics) static NET_CUSTOMER_CHURN_RATE_MTD: Metric = rate(
    "net_customer_churn_rate_mtd",
    "Customers lost less customers won back, of those at the start, in the month so far; below 0 for more.",
    "(customers_churned - customers_reactivated) / customers at the end of the month before",
    Read::Flow(Window::MonthToDate, net),
);

pub(in crate::metrics) static RETENTION_RATE_30D: Metric = rate(
    "retention_rate_30d",
    "Of the customers at the start, the share that is still one, in the last 30 days.",
    "customers on D-30, but those deleted as such, who are customers at the end of D / customers on D-30 = 1 - customer_churn_rate",
    Read::Flow(Window::Days30, stayed),
);

pub(in crate::metrics) static RETENTION_RATE_MTD: Metric = rate(
    "retention_rate_mtd",
    "Of the customers at the start, the share that is still one, in the month so far.",
    "customers at the end of the month before, but those deleted as such, who are customers at the end of D / customers at the end of the month before = 1 - customer_churn_rate",
    Read::Flow(Window::MonthToDate, stayed),
);

fn lost(flows: &Flows) -> Parts {
    let followed = flows.followed();
    let lost = followed.lost_actively + followed.lost_passively;
    Parts::quotient(lost, followed.customers)
}

fn left(flows: &Flows) -> Parts {
    let followed = flows.followed();
    Parts::quotient(followed.lost_actively, followed.customers)
}

fn fell_out(flows: &Flows) -> Parts {
    let followed = flows.followed();
    Parts::quotient(followed.lost_passively, followed.customers)
}

fn net(flows: &Flows) -> Parts {
    let net = flows.number(Kind::Churn) - flows.number(Kind::Reactivation);
    Parts::quotient(net, flows.customers_at_start())
}

fn stayed(flows: &Flows) -> Parts {
    let followed = flows.followed();
    let stayed = followed.customers - followed.lost_actively - followed.lost_passively;
    Parts::quotient(stayed, followed.customers)
}

#[cfg(test)]
mod tests {
    use crate::ledger::story::{item, subscription};
    use crate::metrics::usage::story::*;
    use mainstay_model::{Span, Status, Subscription};

    /// Stories begin on the first of March.
    const LAST_OF_APRIL: i32 = 60;

    fn paid() -> Subscription<'static> {
        subscription(vec![item(500, 1, Span::Month, 1)], vec![])
    }

    fn over(how: Status) -> Subscription<'static> {
        let mut over = paid();
        over.status = how;
        over
    }

    fn rates(fleet: &Fleet, on: i32) -> [String; 5] {
        let ids = [
            "customer_churn_rate",
            "customer_churn_rate_active",
            "customer_churn_rate_passive",
            "net_customer_churn_rate",
            "retention_rate",
        ];
        ids.map(|id| fleet.tells(&format!("{id}_30d"), on))
    }

    #[test]
    fn five_of_a_hundred_customers_lost_is_a_twentieth() {
        let mut fleet = Fleet::default();
        for n in 0..100 {
            let account = fleet.account(&format!("a{n}"));
            account.billed(paid(), day(0, 9));
            match n {
                0..3 => _ = account.billed(over(Status::Canceled), day(20, 9)),
                // Not paid for so long that the billing system has given up.
                3..5 => {
                    _ = account
                        .billed(over(Status::PastDue), day(18, 9))
                        .billed(over(Status::Unpaid), day(20, 9))
                }
                _ => {}
            }
        }
        // Nobody was a customer 30 days before the first day.
        let null = "null".to_owned();
        assert_eq!(
            rates(&fleet, 0),
            [null.clone(), null.clone(), null.clone(), null.clone(), null]
        );
        assert_eq!(rates(&fleet, 31), ["0.05", "0.03", "0.02", "0.05", "0.95"]);
    }

    #[test]
    fn who_is_back_by_the_end_was_not_lost_and_who_is_won_meanwhile_does_not_count() {
        let mut fleet = Fleet::default();
        let back = fleet.account("back");
        back.billed(paid(), day(0, 9))
            .billed(over(Status::Canceled), day(33, 9))
            .billed(paid(), day(35, 9));
        let gone = fleet.account("gone");
        gone.billed(paid(), day(0, 9))
            .billed(over(Status::Canceled), day(34, 9));
        let short = fleet.account("short");
        short
            .billed(paid(), day(33, 9))
            .billed(over(Status::Canceled), day(36, 9));
        assert_eq!(rates(&fleet, 34), ["1.0", "1.0", "0.0", "1.0", "0.0"]);
        assert_eq!(rates(&fleet, 38), ["0.5", "0.5", "0.0", "1.0", "0.5"]);
    }

    #[test]
    fn who_was_lost_last_month_is_not_lost_in_this_one() {
        let mut fleet = Fleet::default();
        fleet.account("stays").billed(paid(), day(0, 9));
        let gone = fleet.account("gone");
        gone.billed(paid(), day(0, 9))
            .billed(over(Status::Canceled), day(LAST_OF_APRIL, 9));
        let told = |window: &str, on| fleet.tells(&format!("customer_churn_rate_{window}"), on);
        assert_eq!(
            [told("mtd", LAST_OF_APRIL), told("30d", LAST_OF_APRIL + 3)],
            ["0.5", "0.5"]
        );
        assert_eq!(told("mtd", LAST_OF_APRIL + 3), "0.0");
    }
}
