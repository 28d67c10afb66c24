//! What the customers of the company pay, and how that changes with their fortunes.
//!
//! All states of an account's subscriptions are thought out at once, from a seed of their own: a company that
//! sends no bills is the same stream without them.

use std::fmt::Write;

use mainstay_model::{Timestamp, Zone};

use super::people::{Account, Fortune};
use super::{HOUR_MS, Plan};
use crate::rng::Rng;

/// A state of a subscription, as the billing system tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bill {
    /// The day of the stream on which it is told.
    pub(super) day: u32,
    /// When it begins to hold.
    pub(super) at: Timestamp,
    /// The data of its event.
    pub(super) data: String,
}

/// Dollars for a euro, from each day on: lines of date, currency and rate.
pub const RATES: &str = "\
2026-01-01,EUR,1.0412
2026-03-08,EUR,1.0487
2026-03-15,EUR,1.0395
2026-03-22,EUR,1.0521
2026-04-01,EUR,1.0448";

const DAY_MS: i64 = 24 * HOUR_MS;

/// The plans and what a seat costs a month, in cents of either currency.
const TIERS: [(&str, i64); 3] = [("starter", 900), ("team", 1900), ("business", 3900)];

/// What an account has agreed to pay, as it is now.
#[derive(Clone)]
struct Deal {
    subscription: String,
    version: u32,
    status: &'static str,
    currency: &'static str,
    tier: usize,
    seats: u32,
    /// Paid by the year, at the price of ten months.
    yearly: bool,
    /// Per cent off, and until when.
    discount: Option<(u32, Option<Timestamp>)>,
    started_at: Timestamp,
    trial_end: Option<Timestamp>,
    cancel_requested_at: Option<Timestamp>,
    cancel_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    cancel_reason: Option<&'static str>,
}

/// The states of one account's subscriptions, in the making.
struct Story<'a> {
    plan: &'a Plan,
    zone: Zone,
    deal: Deal,
    bills: Vec<Bill>,
}

/// All that the `n`-th account is ever told to pay, by rising time.
pub(super) fn bills(account: &Account, n: usize, plan: &Plan) -> Vec<Bill> {
    let mut rng = Rng::fork(plan.seed ^ 0xB111, n as u64);
    let created_on = account.fortune.created_on();
    let mut story = Story {
        plan,
        zone: account.zone,
        deal: Deal {
            subscription: format!("sub_{}", account.id),
            version: 0,
            status: "active",
            currency: match account.zone.name().starts_with("Europe/") {
                true => "EUR",
                false => "USD",
            },
            tier: TIERS
                .iter()
                .position(|(name, _)| *name == account.plan)
                .unwrap_or(0),
            seats: account.users + account.users / 4 + 1,
            yearly: rng.happens(300_000),
            discount: None,
            started_at: plan.begin,
            trial_end: None,
            cancel_requested_at: None,
            cancel_at: None,
            ended_at: None,
            cancel_reason: None,
        },
        bills: Vec::new(),
    };
    let had = match created_on {
        0 => rng.between(20, 700) * DAY_MS,
        _ => 0,
    };
    let offer_ends = rng.between(3, i64::from(plan.days)) as u32;
    let offer = rng.happens(250_000).then(|| story.noon(offer_ends));
    story.tell(created_on, |deal, at| {
        deal.started_at = at.minus_ms(had);
        deal.discount = offer.map(|ends| (20, Some(ends)));
        if let Fortune::Grows { .. } = account.fortune {
            deal.seats = account.users / 3 + 1;
        }
        if let Fortune::Arrives { .. } = account.fortune {
            deal.status = "trialing";
            deal.trial_end = Some(at.plus_ms(7 * DAY_MS));
        }
    });
    story.come_to_pass(account, n);
    story.bills
}

impl Story<'_> {
    /// What a fortune does to the deal.
    fn come_to_pass(&mut self, account: &Account, n: usize) {
        let all = account.users + account.users / 4 + 1;
        match account.fortune {
            Fortune::Grows { until } => {
                self.tell((until / 3).max(1), |deal, _| {
                    deal.seats = account.users * 2 / 3 + 2
                });
                self.tell((until * 2 / 3).max(2), |deal, _| deal.seats = all + 2);
                self.tell(until.max(3), |deal, _| match deal.tier {
                    2 => deal.seats += all / 5 + 1,
                    _ => deal.tier += 1,
                });
            }
            Fortune::Fades { until } => {
                self.tell((until / 2).max(1), |deal, _| {
                    deal.discount = Some((30, None))
                });
                self.tell(until.max(2), |deal, _| deal.seats = deal.seats.div_ceil(2));
            }
            Fortune::GoesSilent { on } => {
                let end = self.noon(on + 9);
                self.tell(on + 4, |deal, at| {
                    deal.cancel_requested_at = Some(at);
                    deal.cancel_at = Some(end);
                });
                self.tell(on + 9, |deal, _| {
                    deal.status = "canceled";
                    deal.ended_at = Some(end);
                    deal.cancel_reason = Some("unused");
                });
            }
            Fortune::Leaves { on } => {
                self.tell((on - on.min(4)).max(1), |deal, _| deal.status = "past_due");
                self.tell(on.max(3) - 1, |deal, at| {
                    deal.status = "canceled";
                    deal.ended_at = Some(at);
                    deal.cancel_reason = Some("payment_failed");
                });
            }
            Fortune::Arrives { on } => self.tell(on + 7, |deal, _| deal.status = "active"),
            Fortune::WorksAtNight => {
                self.tell(self.plan.days / 3, |deal, _| deal.status = "paused");
                self.tell(self.plan.days / 2, |deal, _| deal.status = "active");
            }
            Fortune::Steady => self.change_without_a_reason(n),
        }
    }

    /// Customers who use the product as ever pay otherwise all the same.
    fn change_without_a_reason(&mut self, n: usize) {
        let days = self.plan.days;
        match n % 20 {
            2 => self.tell(days / 2, |deal, _| deal.seats += deal.seats / 10 + 1),
            4 => self.tell(days / 2, |deal, _| deal.tier = deal.tier.saturating_sub(1)),
            6 => self.tell(days / 3, |deal, _| deal.yearly = !deal.yearly),
            8 => {
                self.tell(days / 3, |deal, at| {
                    deal.status = "canceled";
                    deal.ended_at = Some(at);
                    deal.cancel_reason = Some("too_expensive");
                });
                self.tell_another(days * 2 / 3, |deal| deal.seats = deal.seats / 2 + 1);
            }
            10 => self.tell_another(days / 4, |deal| (deal.tier, deal.seats) = (0, 3)),
            _ => {}
        }
    }

    /// The account's subscription is told as `change` makes it.
    fn tell(&mut self, day: u32, change: impl FnOnce(&mut Deal, Timestamp)) {
        let at = match day {
            // After the account was created, which happens then.
            0 => self.plan.begin.plus_ms(60_000),
            _ => self.noon(day).minus_ms(3 * HOUR_MS),
        };
        change(&mut self.deal, at);
        self.deal.version += 1;
        let data = self.deal.data(at);
        self.bills.push(Bill { day, at, data });
    }

    /// Another subscription of the account begins.
    fn tell_another(&mut self, day: u32, change: impl FnOnce(&mut Deal)) {
        self.tell(day, |deal, at| {
            *deal = Deal {
                subscription: format!("{}_2", deal.subscription),
                version: 0,
                status: "active",
                discount: None,
                started_at: at,
                cancel_requested_at: None,
                cancel_at: None,
                ended_at: None,
                cancel_reason: None,
                ..deal.clone()
            };
            change(deal);
        });
    }

    /// Noon on a day of the stream, where the account is.
    fn noon(&self, day: u32) -> Timestamp {
        let day = Zone::UTC.day_of(self.plan.begin).plus(day as i32);
        self.zone.end_of(day.minus(1)).plus_ms(12 * HOUR_MS)
    }
}

impl Deal {
    fn data(&self, at: Timestamp) -> String {
        let (name, monthly) = TIERS[self.tier];
        let (interval, price, days) = match self.yearly {
            true => ("year", monthly * 10, 365),
            false => ("month", monthly, 30),
        };
        let mut out = String::new();
        let _ = write!(
            out,
            r#"{{"subscription_id":"{}","version":{},"status":"{}","currency":"{}","items":[{{"price_id":"{name}-{interval}","product":"{name}","unit_amount_minor":{price},"quantity":{},"interval":"{interval}"}}],"discounts":["#,
            self.subscription, self.version, self.status, self.currency, self.seats,
        );
        if let Some((percent, ends)) = self.discount {
            let _ = write!(out, r#"{{"percent_off":{percent}"#);
            let _ = match ends {
                Some(ends) => write!(out, r#","duration":"repeating","ends_at":"{ends}"}}"#),
                None => write!(out, r#","duration":"forever"}}"#),
            };
        }
        let _ = write!(
            out,
            r#"],"started_at":"{}","current_period_end":"{}""#,
            self.started_at,
            at.plus_ms(days * DAY_MS)
        );
        for (key, time) in [
            ("trial_end", self.trial_end),
            ("cancel_requested_at", self.cancel_requested_at),
            ("cancel_at", self.cancel_at),
            ("ended_at", self.ended_at),
        ] {
            if let Some(time) = time {
                let _ = write!(out, r#","{key}":"{time}""#);
            }
        }
        if let Some(reason) = self.cancel_reason {
            let _ = write!(out, r#","cancel_reason":"{reason}""#);
        }
        out.push('}');
        out
    }
}
