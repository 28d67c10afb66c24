//! The slow truth of recurring revenue: from the raw states of subscriptions to every movement of an account.
//!
//! It asks one question over and over, from scratch: what does each subscription count at this instant? The
//! instants are all times that any state names, those at which a subscription has been past due for too
//! long, and the beginnings of days with a rate. It carries nothing from one to the next but what the
//! definitions do: whether the account is a customer, and what it paid before. It reads JSON by itself and
//! reckons in fractions of its own, so that it shares no code with the ledger that is held against it.

mod amount;
mod big;
mod subscription;

use std::collections::{BTreeMap, BTreeSet};

use mainstay_engine::ledger::{FreeAfterPaid, Rules};
use mainstay_model::{Currency, Day, Timestamp, Zone};
use serde_json::Value;

use big::Big;
use subscription::{Counts, Subscription};

/// A state of a subscription, as the sender wrote it.
#[derive(Clone, Debug)]
pub struct Told {
    /// The event's id.
    pub id: String,
    /// The event's time.
    pub time: Timestamp,
    /// Its `data`.
    pub data: Value,
}

/// By what revenue is reckoned.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The choices of the operator.
    pub rules: Rules,
    /// The currency of the reports.
    pub currency: Currency,
    /// From which day on one unit of a currency is how many of the reports', as decimal texts.
    pub rates: Vec<(Currency, Day, String)>,
    /// Where the account's days begin.
    pub zone: Zone,
}

/// A movement, as far as the definitions fix it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// When.
    pub at: Timestamp,
    /// `new`, `expansion`, …
    pub kind: &'static str,
    /// Before and after, in minor units of the currency of the reports.
    pub mrr: (i128, i128),
    /// For a reactivation.
    pub gap_days: Option<i32>,
    /// For a churn: without the customer's will. `None` where several subscriptions ended at once.
    pub passive: Option<bool>,
}

/// Revenue from an instant on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Level {
    /// From when on.
    pub from: Timestamp,
    /// Net and gross, in minor units of the currency of the reports.
    pub mrr: (i128, i128),
    /// The account is a customer.
    pub customer: bool,
}

/// Everything about an account's revenue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// By rising time.
    pub movements: Vec<Moved>,
    /// One for each instant that was looked at.
    pub levels: Vec<Level>,
}

/// What an account's revenue was up to `until`, that instant included.
///
/// # Panics
/// When a state is none that the native format takes.
#[must_use]
pub fn books(told: &[Told], terms: &Terms, until: Timestamp) -> Books {
    let subscriptions = Subscription::all(told);
    let mut account = Account::default();
    for at in instants(&subscriptions, terms, until) {
        account.look(at, &subscriptions, terms);
    }
    account.books
}

fn instants(
    subscriptions: &[Subscription],
    terms: &Terms,
    until: Timestamp,
) -> BTreeSet<Timestamp> {
    let named = subscriptions
        .iter()
        .flat_map(|subscription| subscription.instants(&terms.rules));
    let days = terms
        .rates
        .iter()
        .map(|(_, day, _)| terms.zone.end_of(day.minus(1)));
    named.chain(days).filter(|at| *at <= until).collect()
}

/// What is carried from one instant to the next.
#[derive(Default)]
struct Account {
    books: Books,
    /// What each subscription counted at the instants before.
    before: Vec<Vec<Counts>>,
    customer: bool,
    churned: Option<Timestamp>,
    /// Exact and converted net revenue, by currency.
    carried: BTreeMap<Currency, (Big, i128)>,
}

impl Account {
    fn look(&mut self, at: Timestamp, subscriptions: &[Subscription], terms: &Terms) {
        self.exchange(at, terms);
        let counts: Vec<Counts> = subscriptions
            .iter()
            .enumerate()
            .map(|(place, subscription)| {
                let paid = self
                    .before
                    .iter()
                    .any(|earlier| earlier[place].net.is_positive());
                subscription.counts(at, paid, &terms.rules)
            })
            .collect();
        let (mut net, mut gross) = (BTreeMap::new(), BTreeMap::new());
        for (subscription, counts) in subscriptions.iter().zip(&counts) {
            let sum = |sums: &mut BTreeMap<Currency, Big>, more: &Big| {
                let sum = sums.entry(subscription.currency).or_insert_with(Big::zero);
                *sum = sum.plus(more);
            };
            sum(&mut net, &counts.net);
            sum(&mut gross, &counts.gross);
        }
        let convert = |sums: BTreeMap<Currency, Big>| -> BTreeMap<Currency, (Big, i128)> {
            let convert = |(currency, sum): (Currency, Big)| {
                let converted = sum.times(&terms.rate(currency, at)).rounded();
                (currency, (sum, converted))
            };
            sums.into_iter().map(convert).collect()
        };
        let before = self.mrr();
        self.carried = convert(net);
        let there = counts.iter().any(|counts| counts.there);
        let was_there = self.before.last();
        let ended: Vec<bool> = counts
            .iter()
            .enumerate()
            .filter(|(place, counts)| {
                !counts.there && was_there.is_some_and(|was| was[*place].there)
            })
            .map(|(_, counts)| counts.passive)
            .collect();
        self.movement(at, before, there, &ended, terms);
        let gross = convert(gross)
            .values()
            .map(|(_, converted)| converted)
            .sum();
        self.books.levels.push(Level {
            from: at,
            mrr: (self.mrr(), gross),
            customer: self.customer,
        });
        self.before.push(counts);
    }

    /// What is carried into a day with other rates is worth something else from its beginning on.
    fn exchange(&mut self, at: Timestamp, terms: &Terms) {
        let before = self.mrr();
        let mut moved = false;
        for (currency, (exact, converted)) in &mut self.carried {
            let now = exact.times(&terms.rate(*currency, at)).rounded();
            moved |= now != *converted;
            *converted = now;
        }
        if moved {
            self.books.movements.push(Moved {
                at,
                kind: "fx",
                mrr: (before, self.mrr()),
                gap_days: None,
                passive: None,
            });
        }
    }

    fn movement(
        &mut self,
        at: Timestamp,
        before: i128,
        there: bool,
        ended: &[bool],
        terms: &Terms,
    ) {
        let after = self.mrr();
        let day = |at| terms.zone.day_of(at);
        let gap = self.churned.map(|churned| day(at).since(day(churned)));
        let most = terms.rules.reactivation_max_gap_days.map(i32::from);
        let lost_when_free = terms.rules.free_after_paid == FreeAfterPaid::Churned;
        let (mut gap_days, mut passive) = (None, None);
        // Who pays a trifle that is rounded away pays.
        let pays = self.carried.values().any(|(exact, _)| exact.is_positive());
        let kind = if !self.customer {
            if !pays {
                return;
            }
            self.customer = true;
            match gap {
                Some(gap) if most.is_none_or(|most| gap <= most) => {
                    gap_days = Some(gap);
                    "reactivation"
                }
                _ => "new",
            }
        } else if !there || (!pays && lost_when_free) {
            self.customer = false;
            self.churned = Some(at);
            if let ([alone], false) = (ended, there) {
                passive = Some(*alone);
            }
            "churn"
        } else if after > before {
            "expansion"
        } else if after < before {
            "contraction"
        } else {
            return;
        };
        self.books.movements.push(Moved {
            at,
            kind,
            mrr: (before, after),
            gap_days,
            passive,
        });
    }

    fn mrr(&self) -> i128 {
        self.carried.values().map(|(_, converted)| converted).sum()
    }
}

impl Terms {
    /// Minor units of the reports for a minor unit of a currency on the day of an instant.
    fn rate(&self, currency: Currency, at: Timestamp) -> Big {
        let today = self.zone.day_of(at);
        let of_it = || self.rates.iter().filter(|(of, ..)| *of == currency);
        let newest = of_it()
            .filter(|(_, day, _)| *day <= today)
            .max_by_key(|(_, day, _)| *day);
        let oldest = of_it().min_by_key(|(_, day, _)| *day);
        let rate = match newest.or(oldest) {
            _ if currency == self.currency => Big::whole(1),
            Some((_, _, rate)) => Big::decimal(rate),
            None => Big::zero(),
        };
        let ten = |digits: u32| Big::whole(10_i64.pow(digits));
        rate.times(&ten(self.currency.minor_digits()))
            .over(&ten(currency.minor_digits()))
    }
}
