//! Walking through an account's time: from the steps of its subscriptions to its balances and movements.
//!
//! At every instant at which something may change, what the subscriptions count is added up exactly, by
//! currency; each sum is converted at the rate of the day and rounded once. From there on it is integers.
//! A walk can be gone on with, so that time and new states cost only what they change.

use std::collections::{BTreeMap, BTreeSet};

use mainstay_model::{Currency, Day, Timestamp};

use super::Policy;
use super::cause::{Cause, cause};
use super::discount::Monthly;
use super::exact::Exact;
use super::movement::{Churn, Kind, Life, Movement, Now, Share, kind};
use super::timeline::{Counted, Standing, Step};

/// An account's recurring revenue from an instant on, in minor units of the currency of the reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balance {
    /// From when on.
    pub from: Timestamp,
    /// Monthly recurring revenue.
    pub mrr: i128,
    /// The same before discounts.
    pub gross: i128,
    /// Where the account stands as a customer.
    pub life: Life,
    /// Some subscription is tried for nothing.
    pub in_trial: bool,
}

impl Balance {
    /// Whether the account is a customer, also one who pays nothing.
    #[must_use]
    pub fn is_customer(&self) -> bool {
        matches!(self.life, Life::Customer { .. })
    }
}

/// How far an account's time was walked, and what was carried there.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    /// All that happened up to here is in the movements.
    at: Timestamp,
    /// The day at whose rates the sums are converted.
    day: Day,
    /// Where each subscription stands.
    steps: BTreeMap<Box<str>, Step>,
    sums: BTreeMap<Currency, Sum>,
    life: Life,
    pub(super) movements: Vec<Movement>,
    pub(super) balances: Vec<Balance>,
}

/// What the subscriptions in one currency count together.
#[derive(Clone, Debug)]
struct Sum {
    exact: Monthly,
    /// In minor units of its own currency.
    original: i128,
    /// In those of the currency of the reports.
    converted: i128,
    gross: i128,
    /// Original and converted as the last movement left them.
    told: (i128, i128),
}

/// A subscription that changed at an instant.
struct Change<'s> {
    before: Option<Step>,
    now: &'s Step,
    /// By how much it alone moved the account, rounded: only to find what to name as the cause.
    amount: i128,
}

impl Walk {
    /// Before everything.
    pub(super) fn new() -> Walk {
        Walk {
            at: Timestamp::MIN,
            day: Day(i32::MIN / 2),
            steps: BTreeMap::new(),
            sums: BTreeMap::new(),
            life: Life::NeverPaid,
            movements: Vec::new(),
            balances: Vec::new(),
        }
    }

    /// How far it is.
    pub(super) fn at(&self) -> Timestamp {
        self.at
    }

    /// Goes on to `until`, that instant included.
    pub(super) fn advance<'s>(
        &mut self,
        timelines: impl Iterator<Item = (&'s str, &'s [Step])>,
        policy: &Policy<'_>,
        until: Timestamp,
    ) {
        if until <= self.at {
            return;
        }
        let mut instants: BTreeMap<Timestamp, Vec<(&str, &Step)>> = BTreeMap::new();
        for (subscription, steps) in timelines {
            let ahead = &steps[steps.partition_point(|step| step.from <= self.at)..];
            for step in ahead.iter().take_while(|step| step.from <= until) {
                instants
                    .entry(step.from)
                    .or_default()
                    .push((subscription, step));
            }
        }
        for (at, steps) in instants {
            self.pass_days(policy, policy.days.day_of(at));
            self.change(at, &steps, policy);
        }
        self.pass_days(policy, policy.days.day_of(until));
        self.at = until;
    }

    /// When the next day begins on which a rate changes of what is carried.
    pub(super) fn next_rate(&self, policy: &Policy<'_>) -> Option<Timestamp> {
        let carried = self.sums.iter();
        let carried = carried.filter(|(_, sum)| !sum.exact.gross.is_zero());
        let days =
            carried.filter_map(|(currency, _)| policy.rates.next_change(*currency, self.day));
        days.min().map(|day| policy.days.begin_of(day))
    }

    /// Lets days begin: where a rate changes, what is carried changes with it.
    fn pass_days(&mut self, policy: &Policy<'_>, today: Day) {
        let changes = self
            .sums
            .iter()
            .filter(|(_, sum)| !sum.exact.gross.is_zero());
        let changes =
            changes.flat_map(|(currency, _)| policy.rates.changes(*currency, self.day, today));
        let days: BTreeSet<Day> = changes.collect();
        for day in days {
            let before = self.mrr();
            self.day = day;
            let currencies: Vec<Currency> = self.sums.keys().copied().collect();
            currencies
                .into_iter()
                .for_each(|currency| self.convert(currency, policy));
            let begin = policy.days.begin_of(day);
            let by_currency = self.shares();
            if by_currency
                .iter()
                .any(|share| share.converted.0 != share.converted.1)
            {
                let after = self.mrr();
                self.tell(Movement {
                    at: begin,
                    kind: Kind::Fx,
                    cause: Cause::Fx,
                    event: None,
                    before,
                    after,
                    by_currency,
                    gap_days: None,
                    churn: None,
                });
            }
            self.balance(begin);
        }
        self.day = self.day.max(today);
    }

    /// Takes in all that changes at one instant.
    fn change(&mut self, at: Timestamp, steps: &[(&str, &Step)], policy: &Policy<'_>) {
        let before = self.mrr();
        let changes: Vec<Change<'_>> = steps
            .iter()
            .map(|(subscription, step)| self.step(subscription, step, policy))
            .collect();
        let gap_days = match self.life {
            Life::Churned { at } => Some(self.day.since(policy.days.day_of(at))),
            Life::NeverPaid | Life::Customer { .. } => None,
        };
        let is_there = |step: &Step| matches!(step.standing, Standing::On(..));
        let now = Now {
            before,
            after: self.mrr(),
            pays: self.sums.values().any(|sum| sum.exact.net.is_positive()),
            there: self.steps.values().any(is_there),
            gap_days,
        };
        if let Some(kind) = kind(self.life, &now, policy.rules) {
            let main = main_change(&changes, kind);
            let stays_for_nothing = kind == Kind::Contraction && !now.pays;
            let cause = cause(main.before.as_ref(), main.now).of_account(stays_for_nothing);
            let movement = Movement {
                at,
                kind,
                cause,
                event: Some(main.now.state.event.clone()),
                before,
                after: now.after,
                by_currency: self.shares(),
                gap_days: gap_days.filter(|_| kind == Kind::Reactivation),
                churn: (kind == Kind::Churn).then(|| churn(main.now)),
            };
            self.life = self.life.after(kind, at);
            self.tell(movement);
        }
        self.balance(at);
    }

    /// Puts a subscription on its next step.
    fn step<'s>(&mut self, subscription: &str, now: &'s Step, policy: &Policy<'_>) -> Change<'s> {
        let currency = now.state.told.currency;
        let before = self.steps.insert(subscription.into(), now.clone());
        let sum = self.sums.entry(currency).or_insert_with(|| Sum {
            exact: Monthly::zero(),
            original: 0,
            converted: 0,
            gross: 0,
            told: (0, 0),
        });
        let mut moved = Exact::zero();
        if let Some(Standing::On(_, monthly)) = before.as_ref().map(|step| &step.standing) {
            sum.exact.gross -= &monthly.gross;
            moved -= &monthly.net;
        }
        if let Standing::On(_, monthly) = &now.standing {
            sum.exact.gross += &monthly.gross;
            moved += &monthly.net;
        }
        sum.exact.net += &moved;
        self.convert(currency, policy);
        let amount = policy.rates.convert(&moved, currency, self.day);
        Change {
            before,
            now,
            amount,
        }
    }

    fn convert(&mut self, currency: Currency, policy: &Policy<'_>) {
        let day = self.day;
        if let Some(sum) = self.sums.get_mut(&currency) {
            sum.original = sum.exact.net.rounded();
            sum.converted = policy.rates.convert(&sum.exact.net, currency, day);
            sum.gross = policy.rates.convert(&sum.exact.gross, currency, day);
        }
    }

    fn mrr(&self) -> i128 {
        self.sums.values().map(|sum| sum.converted).sum()
    }

    /// What changed since the last movement, by currency.
    fn shares(&self) -> Vec<Share> {
        let changed = |(currency, sum): (&Currency, &Sum)| {
            let share = Share {
                currency: *currency,
                original: (sum.told.0, sum.original),
                converted: (sum.told.1, sum.converted),
            };
            (sum.told != (sum.original, sum.converted)).then_some(share)
        };
        self.sums.iter().filter_map(changed).collect()
    }

    fn tell(&mut self, movement: Movement) {
        for sum in self.sums.values_mut() {
            sum.told = (sum.original, sum.converted);
        }
        self.movements.push(movement);
    }

    fn balance(&mut self, from: Timestamp) {
        let in_trial = |step: &Step| matches!(step.standing, Standing::On(Counted::Trial, _));
        let balance = Balance {
            from,
            mrr: self.mrr(),
            gross: self.sums.values().map(|sum| sum.gross).sum(),
            life: self.life,
            in_trial: self.steps.values().any(in_trial),
        };
        if self.balances.last().is_some_and(|last| last.from == from) {
            self.balances.pop();
        }
        let same = |last: &Balance| {
            Balance {
                from,
                ..last.clone()
            } == balance
        };
        if !self.balances.last().is_some_and(same) {
            self.balances.push(balance);
        }
    }
}

/// The change that names the cause: the one that moved most in the direction of the whole; of a churn one
/// that ended.
fn main_change<'c, 's>(changes: &'c [Change<'s>], kind: Kind) -> &'c Change<'s> {
    let is_there = |step: &Step| matches!(step.standing, Standing::On(..));
    let left =
        |change: &Change<'_>| change.before.as_ref().is_some_and(is_there) && !is_there(change.now);
    let weight = |change: &&Change<'_>| match kind {
        Kind::New | Kind::Expansion | Kind::Reactivation | Kind::Fx => (false, change.amount),
        Kind::Contraction => (false, -change.amount),
        Kind::Churn => (left(change), -change.amount),
    };
    // Of two that are alike the first, by the ids of the subscriptions.
    let main = changes.iter().rev().max_by_key(weight);
    main.expect("what is walked through has a step of some subscription at each of its instants")
}

fn churn(last: &Step) -> Churn {
    let reason = last.state.told.cancel_reason.as_deref().map(Box::from);
    match &last.standing {
        Standing::Over { ending, passive } => Churn {
            passive: *passive,
            reason,
            service_end: ending.service_end,
            cancelled: ending.cancelled,
            requested: ending.requested,
        },
        Standing::NotBegun | Standing::On(..) => Churn {
            passive: false,
            reason,
            service_end: None,
            cancelled: None,
            requested: None,
        },
    }
}
