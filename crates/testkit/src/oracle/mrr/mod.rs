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
use subscription::{Counts, Subscription, time};

/// A state of a subscription, as the sender wrote it.
#[derive(Clone, Debug)]
pub struct Told {
    /// The event's id.
    pub id: String,
    /// The event's time.
    pub time: Timestamp,
    /// Its `data`.
    pub data: Value,
    /// The first instant that could be corrected when it came: what it says of times before is booked then.
    pub open: Timestamp,
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
    /// For a churn: without the customer's will. Of several subscriptions that ended at once the one that was
    /// paid most for tells, of equals that of the least id.
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
    /// Exact net revenue by the currency in which it is paid.
    net: BTreeMap<Currency, Big>,
}

impl Level {
    /// Net revenue at the rates of the day of another instant.
    pub(super) fn worth(&self, terms: &Terms, at: Timestamp) -> i128 {
        let net = self.net.iter();
        net.map(|(of, exact)| exact.times(&terms.rate(*of, at)).rounded())
            .sum()
    }
}

/// Everything about an account's revenue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// By rising time.
    pub movements: Vec<Moved>,
    /// One for each instant that was looked at.
    pub levels: Vec<Level>,
}

/// An instant in a field, if there is one.
pub(super) fn instant(value: &Value) -> Option<Timestamp> {
    time(value)
}

/// What an account's revenue was up to `until`, that instant included.
///
/// # Panics
/// When a state is none that the native format takes.
#[must_use]
pub fn books(told: &[Told], terms: &Terms, until: Timestamp) -> Books {
    Reckoning::of(told, terms).books(until)
}

/// Everything that was told of an account's subscriptions, and what they counted at every instant.
pub struct Reckoning {
    terms: Terms,
    instants: BTreeSet<Timestamp>,
    /// What was known for the books of instants from one on.
    known: BTreeMap<Timestamp, Known>,
}

/// The subscriptions by what was known, and what each counts at every instant by that alone.
struct Known {
    subscriptions: Vec<Subscription>,
    counts: BTreeMap<Timestamp, Vec<Counts>>,
}

/// What is known of an account at an instant, besides its books.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// A subscription is tried for nothing.
    pub in_trial: bool,
    /// What will be paid within 12 months by all that is known.
    pub committed: i128,
    /// When the terms of those subscriptions end that are there and not tried for nothing.
    pub term_ends: Vec<Timestamp>,
    /// When the trials end that run.
    pub trial_ends: Vec<Timestamp>,
}

impl Reckoning {
    /// Of all states, in any order.
    #[must_use]
    pub fn of(told: &[Told], terms: &Terms) -> Reckoning {
        let opens: BTreeSet<Timestamp> = told.iter().map(Told::books_open).collect();
        let days = terms.rates.iter();
        let days = days.map(|(_, day, _)| terms.zone.end_of(day.minus(1)));
        let mut instants: BTreeSet<Timestamp> = days.chain(opens.iter().copied()).collect();
        // What a later state puts out of force was in force until that is booked.
        let known_from = |open: &Timestamp| -> Vec<Told> {
            let known = told.iter().filter(|told| told.books_open() <= *open);
            known.cloned().collect()
        };
        for subscription in opens
            .iter()
            .flat_map(|open| Subscription::all(&known_from(open)))
        {
            instants.extend(subscription.instants(&terms.rules));
        }
        let known = opens.iter().map(|open| {
            let known = Known::of(&known_from(open), &instants, terms);
            (*open, known)
        });
        Reckoning {
            known: known.collect(),
            terms: terms.clone(),
            instants,
        }
    }

    /// The books up to `until`, that instant included.
    #[must_use]
    pub fn books(&self, until: Timestamp) -> Books {
        let mut account = Account::default();
        for at in self.instants.range(..=until) {
            if let Some(known) = self.known_at(*at) {
                account.look(*at, known, &self.terms);
            }
        }
        account.books
    }

    fn known_at(&self, at: Timestamp) -> Option<&Known> {
        self.known.range(..=at).next_back().map(|(_, known)| known)
    }

    /// What is known at an instant.
    #[must_use]
    pub fn now(&self, at: Timestamp) -> Now {
        let mut now = Now::default();
        let Some(known) = self.known_at(at) else {
            return now;
        };
        let mut sums: BTreeMap<Currency, Big> = BTreeMap::new();
        for (place, subscription) in known.subscriptions.iter().enumerate() {
            let paid = known.has_paid(place, at);
            let counts = subscription.counts(at, paid, &self.terms.rules);
            let Some(state) = subscription.state_at(at) else {
                continue;
            };
            now.in_trial |= counts.in_trial;
            if counts.there && !counts.in_trial {
                let end = time(&state["term_end"]).or(time(&state["current_period_end"]));
                now.term_ends.extend(end);
            }
            if counts.there && state["status"] == "trialing" {
                now.trial_ends.extend(time(&state["trial_end"]));
            }
            let sum = sums.entry(subscription.currency).or_insert_with(Big::zero);
            *sum = sum.plus(&self.committed(subscription, state, &counts, at));
        }
        let sums = sums.into_iter();
        let converted = sums.map(|(of, sum)| sum.times(&self.terms.rate(of, at)).rounded());
        now.committed = converted.sum();
        now
    }

    /// What a subscription will count within 12 months.
    fn committed(
        &self,
        subscription: &Subscription,
        state: &Value,
        counts: &Counts,
        at: Timestamp,
    ) -> Big {
        let day = |at| self.terms.zone.day_of(at);
        let within = |planned: Timestamp| day(planned) <= day(at).plus_months(12);
        let start = time(&state["started_at"]).filter(|start| *start > at && within(*start));
        let is_over = subscription.end(at, &self.terms.rules).is_some();
        let signed = start.filter(|_| state["status"] == "active" && !is_over);
        let from = match (counts.in_full, signed) {
            (true, _) => at,
            (false, Some(start)) => start,
            (false, None) => return Big::zero(),
        };
        let end = time(&state["ended_at"]).or(time(&state["cancel_at"]));
        let leaves = match end {
            Some(end) => within(end),
            None => time(&state["cancel_requested_at"]).is_some(),
        };
        if leaves {
            return Big::zero();
        }
        let mut state = state.clone();
        let next = time(&state["next"]["at"]);
        if next.is_some_and(|next| next > at && within(next)) {
            state["items"] = state["next"]["items"].clone();
        }
        amount::month(&state, from, &self.terms.rules).0
    }
}

impl Told {
    /// From when on the books take it in: at once, unless it tells of an end, which may lie before.
    fn books_open(&self) -> Timestamp {
        let goes_on = ["active", "trialing", "paused", "incomplete"];
        let status = self.data["status"].as_str().unwrap_or_default();
        let ends = ["ended_at", "cancel_at", "cancel_requested_at"];
        let tells_of_end = ends.iter().any(|end| !self.data[*end].is_null());
        let is_plain = goes_on.contains(&status) && !tells_of_end && self.time >= self.open;
        if is_plain { Timestamp::MIN } else { self.open }
    }
}

impl Known {
    fn of(told: &[Told], instants: &BTreeSet<Timestamp>, terms: &Terms) -> Known {
        let mut known = Known {
            subscriptions: Subscription::all(told),
            counts: BTreeMap::new(),
        };
        for at in instants {
            let subscriptions = known.subscriptions.iter().enumerate();
            let counts = subscriptions.map(|(place, subscription)| {
                subscription.counts(*at, known.has_paid(place, *at), &terms.rules)
            });
            let counts = counts.collect();
            known.counts.insert(*at, counts);
        }
        known
    }

    /// Whether a subscription counted more than 0 before an instant.
    fn has_paid(&self, place: usize, at: Timestamp) -> bool {
        let mut before = self.counts.range(..at);
        before.any(|(_, counts)| counts[place].net.is_positive())
    }
}

/// A subscription that is over, and was not at the instant before.
struct Ended {
    /// What it counted then, in minor units of the currency of the reports.
    paid: i128,
    passive: bool,
}

/// What is carried from one instant to the next.
#[derive(Default)]
struct Account {
    books: Books,
    /// Which subscriptions were there at the instant before, and what they counted.
    was_there: BTreeMap<String, Big>,
    customer: bool,
    churned: Option<Timestamp>,
    /// Exact and converted net revenue, by currency.
    carried: BTreeMap<Currency, (Big, i128)>,
}

impl Account {
    fn look(&mut self, at: Timestamp, known: &Known, terms: &Terms) {
        self.exchange(at, terms);
        let counts = &known.counts[&at];
        let (mut net, mut gross) = (BTreeMap::new(), BTreeMap::new());
        for (subscription, counts) in known.subscriptions.iter().zip(counts) {
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
        let both = || known.subscriptions.iter().zip(counts);
        let ended = both().filter(|(_, counts)| !counts.there);
        let ended = ended.filter_map(|(of, counts)| {
            let paid = self.was_there.get(&of.id)?;
            Some(Ended {
                paid: paid.times(&terms.rate(of.currency, at)).rounded(),
                passive: counts.passive,
            })
        });
        let ended: Vec<Ended> = ended.collect();
        let now_there = both().filter(|(_, counts)| counts.there);
        self.was_there = now_there
            .map(|(of, counts)| (of.id.clone(), counts.net.clone()))
            .collect();
        self.movement(at, before, there, &ended, terms);
        let exact = |(of, (exact, _)): (&Currency, &(Big, i128))| (*of, exact.clone());
        let gross = convert(gross)
            .values()
            .map(|(_, converted)| converted)
            .sum();
        self.books.levels.push(Level {
            from: at,
            mrr: (self.mrr(), gross),
            customer: self.customer,
            net: self.carried.iter().map(exact).collect(),
        });
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
        ended: &[Ended],
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
            passive = Some(was_passive(ended));
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

/// Whether a customer was lost without its will, by the end of these.
fn was_passive(ended: &[Ended]) -> bool {
    // They are in the order of their ids, and of equals the last one is taken.
    let most = ended.iter().rev().max_by_key(|ended| ended.paid);
    most.is_some_and(|most| most.passive)
}

impl Terms {
    /// An amount in minor units of a currency, in those of the reports on the day of an instant.
    pub(super) fn converted(&self, amount: i64, currency: Currency, at: Timestamp) -> i128 {
        Big::whole(amount).times(&self.rate(currency, at)).rounded()
    }

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
