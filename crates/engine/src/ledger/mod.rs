//! The recurring revenue of one account, and every movement that changed it.
//!
//! The ledger keeps one law: what was there at the start and all movements since are what is there at the
//! end, to the minor unit. It is a function of the set of states of subscriptions that are known, of the
//! rules, and of how far time has come; never of the order in which states arrived. A state that comes late
//! may therefore change movements that were told: they are told again under the same id.
//!
//! From the small to the large, each rule in one place: `amount` (what an item costs, and how often a
//! month) · `discount` (what a subscription comes to in a month) · `state` (which state is the later
//! one) · `ending` (when a subscription is over, and by whose will) · `timeline` (what it counts, step by
//! step) · `fx` (money in another currency) · `walk` (from all subscriptions to the account) ·
//! `movement` (what a change is for the account) · `cause` (what brought it about) · `committed` (what
//! is known to come) · `days` (where a day begins) · `switches` (what operators and tools choose) · `bytes`
//! (what is kept).
//!
//! It knows nothing of invoices, of costs, of periods and of segments, nor of what was told to whom.

mod amount;
mod bytes;
mod cause;
mod committed;
mod days;
mod discount;
mod ending;
mod exact;
mod fx;
mod movement;
mod state;
mod switches;
mod timeline;
mod walk;

#[cfg(test)]
pub(crate) mod story;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use mainstay_model::{Code, Currency, Day, Rejection, Subscription, Timestamp};

pub use bytes::NoState;
pub use cause::Cause;
pub use days::Days;
pub use discount::Monthly;
pub use exact::Exact;
pub use fx::{BadRate, Rates};
pub(crate) use movement::movement_id;
pub use movement::{Churn, Kind, Life, Movement, Share};
pub use state::State;
pub use switches::{ChurnAt, Discounts, FreeAfterPaid, Mode, Passive, Paused, Rules};
pub use walk::Balance;

use timeline::{Counted, Standing, Step};
use walk::Walk;

/// By what a ledger is kept. It is the same for as long as the ledger is.
#[derive(Clone, Copy, Debug)]
pub struct Policy<'p> {
    /// The choices of the operator.
    pub rules: &'p Rules,
    /// The currency of the reports, and rates into it.
    pub rates: &'p Rates,
    /// Where the account's days begin.
    pub days: &'p Days,
}

/// The recurring revenue of an account.
#[derive(Clone, Debug)]
pub struct Ledger {
    subscriptions: BTreeMap<Box<str>, Known>,
    walk: Walk,
    /// The movements that were told before a late state undid the walk.
    undone: Option<Undone>,
}

/// What is known of a subscription.
#[derive(Clone, Debug)]
struct Known {
    currency: Currency,
    states: Vec<Arc<State>>,
    steps: Vec<Step>,
}

/// A state that may be put into a ledger, and what comes of it.
#[derive(Debug)]
pub struct Change {
    known: Known,
    state: Arc<State>,
    from: Option<Timestamp>,
}

impl Change {
    /// The first instant at which the subscription does not stand as it did, if there is one.
    #[must_use]
    pub fn from(&self) -> Option<Timestamp> {
        self.from
    }

    /// The state, as it is to be kept.
    #[must_use]
    pub fn state(&self) -> &Arc<State> {
        &self.state
    }
}

#[derive(Clone, Debug)]
struct Undone {
    at: Timestamp,
    movements: Vec<Movement>,
}

/// What is to be told of a movement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tell {
    /// It was not told before.
    New(Movement),
    /// It was told otherwise; this is how it is now.
    Changed(Movement),
    /// It was told, and never was.
    Withdrawn(Movement),
}

impl Default for Ledger {
    fn default() -> Ledger {
        Ledger {
            subscriptions: BTreeMap::new(),
            walk: Walk::new(),
            undone: None,
        }
    }
}

impl Known {
    fn of(currency: Currency) -> Known {
        Known {
            currency,
            states: Vec::new(),
            steps: Vec::new(),
        }
    }
}

impl Ledger {
    /// The ledger of all these states, in whatever order. Nothing has passed yet.
    #[must_use]
    pub fn of(states: impl IntoIterator<Item = State>, rules: &Rules) -> Ledger {
        let mut ledger = Ledger::default();
        for state in states {
            let name: Box<str> = state.told.id.as_str().into();
            let currency = state.told.currency;
            let known = ledger.subscriptions.entry(name);
            let known = known.or_insert_with(|| Known::of(currency));
            known.states.push(Arc::new(state));
        }
        for known in ledger.subscriptions.values_mut() {
            known.steps = timeline::steps(&known.states, &[], rules);
        }
        ledger
    }

    /// Why a state of the day `day` cannot be taken in, if it cannot.
    #[must_use]
    pub fn refusal(&self, told: &Subscription<'_>, day: Day, rates: &Rates) -> Option<Rejection> {
        let currency = told.currency;
        let known = self.subscriptions.get(told.id.as_str());
        let before = known.map(|known| known.currency);
        match before {
            Some(before) if before != currency => {
                let why = format!("found {currency}, the subscription was in {before} before");
                Some(Rejection::new(Code::BadCurrency, "data.currency", why))
            }
            Some(_) | None => no_rate(currency, day, rates),
        }
    }

    /// What a state would change, changing nothing yet. None when the state is known.
    ///
    /// What it says of times before `closed` is booked at that instant.
    #[must_use]
    pub fn change(
        &self,
        state: State,
        closed: Option<Timestamp>,
        policy: &Policy<'_>,
    ) -> Option<Change> {
        let before = self.subscriptions.get(state.told.id.as_str());
        let before = before.cloned();
        let mut known = before.unwrap_or_else(|| Known::of(state.told.currency));
        let same = |one: &Arc<State>| (&one.source, &one.event) == (&state.source, &state.event);
        if known.states.iter().any(same) {
            return None;
        }
        let steps = std::mem::take(&mut known.steps);
        known.states.push(Arc::new(state));
        known.steps = timeline::steps(&known.states, &steps, policy.rules);
        let mut from = first_change(&steps, &known.steps);
        if closed.is_some_and(|closed| from.is_some_and(|from| from < closed)) {
            let mut state = known.states.pop().map(Arc::unwrap_or_clone)?;
            state.booked_from = closed;
            known.states.push(Arc::new(state));
            known.steps = timeline::steps(&known.states, &steps, policy.rules);
            from = first_change(&steps, &known.steps);
        }
        let state = Arc::clone(known.states.last()?);
        Some(Change { known, state, from })
    }

    /// Makes a change; [`Ledger::pass`] tells what comes of it.
    pub fn make(&mut self, change: Change) {
        let Change { known, state, from } = change;
        self.subscriptions
            .insert(state.told.id.as_str().into(), known);
        if from.is_some_and(|from| from <= self.walk.at()) {
            self.undo();
        }
    }

    /// Takes in a state of a subscription; [`Ledger::pass`] tells what comes of it.
    ///
    /// # Errors
    /// `bad_currency` when the subscription was in another currency before, or when there is no rate for
    /// its currency on that day.
    pub fn take(&mut self, state: State, policy: &Policy<'_>) -> Result<(), Rejection> {
        let day = policy.days.day_of(state.at);
        if let Some(refusal) = self.refusal(&state.told, day, policy.rates) {
            return Err(refusal);
        }
        if let Some(change) = self.change(state, None, policy) {
            self.make(change);
        }
        Ok(())
    }

    /// Lets time pass up to `until`, that instant included, and tells what is new and what is otherwise
    /// than it was told, by rising time.
    pub fn pass(&mut self, until: Timestamp, policy: &Policy<'_>) -> Vec<Tell> {
        let undone = self.undone.take();
        let told = self.walk.movements.len();
        let until = undone.as_ref().map_or(until, |undone| undone.at.max(until));
        let timelines = self
            .subscriptions
            .iter()
            .map(|(name, known)| (&**name, &known.steps[..]));
        self.walk.advance(timelines, policy, until);
        match undone {
            Some(undone) => compare(undone.movements, &self.walk.movements),
            None => self.walk.movements[told..]
                .iter()
                .cloned()
                .map(Tell::New)
                .collect(),
        }
    }

    /// Up to which instant time has passed.
    #[must_use]
    pub fn passed(&self) -> Timestamp {
        let undone = self.undone.as_ref().map(|undone| undone.at);
        undone.map_or(self.walk.at(), |undone| undone.max(self.walk.at()))
    }

    /// All movements up to now, by rising time.
    #[must_use]
    pub fn movements(&self) -> &[Movement] {
        &self.walk.movements
    }

    /// The account's revenue at each instant at which something of it changed, by rising time.
    #[must_use]
    pub fn balances(&self) -> &[Balance] {
        &self.walk.balances
    }

    /// The account's revenue at an instant; `None` before anything is known.
    #[must_use]
    pub fn balance_at(&self, at: Timestamp) -> Option<&Balance> {
        let begun = self
            .balances()
            .partition_point(|balance| balance.from <= at);
        begun.checked_sub(1).map(|place| &self.balances()[place])
    }

    /// What the account's revenue will be in 12 months by all that is known at an instant: the revenue of
    /// then, with what is signed and has not started, less what is to end, with the changes that are planned.
    #[must_use]
    pub fn committed(&self, at: Timestamp, policy: &Policy<'_>) -> i128 {
        committed::committed(self.standing(at), at, policy)
    }

    /// The account's revenue at an instant, in the currency of the reports at the rates of a day.
    #[must_use]
    pub fn at_rates_of(&self, day: Day, at: Timestamp, rates: &Rates) -> i128 {
        let counted = self.standing(at).filter_map(|step| match &step.standing {
            Standing::On(_, monthly) => Some((step.state.told.currency, &monthly.net)),
            Standing::NotBegun | Standing::Over { .. } => None,
        });
        rates.total(counted, day)
    }

    /// Whether something is paid, at an instant, in another currency than that of the reports.
    #[must_use]
    pub fn is_of_rates(&self, at: Timestamp, rates: &Rates) -> bool {
        let mut standing = self.standing(at);
        standing.any(|step| step.state.told.currency != rates.currency())
    }

    /// Where each subscription stands at an instant.
    fn standing(&self, at: Timestamp) -> impl Iterator<Item = &Step> {
        self.subscriptions.values().filter_map(move |known| {
            let begun = known.steps.partition_point(|step| step.from <= at);
            begun.checked_sub(1).map(|place| &known.steps[place])
        })
    }

    /// When time alone may change something next: the first of what is planned and of the days with another
    /// rate that has not passed.
    #[must_use]
    pub fn next(&self, policy: &Policy<'_>) -> Option<Timestamp> {
        let at = self.walk.at();
        let steps = self.subscriptions.values().filter_map(|known| {
            let begun = known.steps.partition_point(|step| step.from <= at);
            known.steps.get(begun).map(|step| step.from)
        });
        steps.chain(self.walk.next_rate(policy)).min()
    }

    /// The states in force, at an instant, of the subscriptions that are there, and whether each is tried for nothing.
    pub(crate) fn in_force(&self, at: Timestamp) -> impl Iterator<Item = (&State, bool)> {
        self.standing(at).filter_map(|step| match step.standing {
            Standing::On(Counted::Trial, _) => Some((&*step.state, true)),
            Standing::On(Counted::InFull | Counted::NeverPaid | Counted::Paused, _) => {
                Some((&*step.state, false))
            }
            Standing::NotBegun | Standing::Over { .. } => None,
        })
    }

    /// Forgets how far time has passed, so that all is told anew.
    pub fn undo(&mut self) {
        let walk = std::mem::replace(&mut self.walk, Walk::new());
        self.undone.get_or_insert(Undone {
            at: walk.at(),
            movements: walk.movements,
        });
    }
}

/// Why money of a currency cannot be brought into that of the reports on a day, if it cannot.
pub(crate) fn no_rate(currency: Currency, day: Day, rates: &Rates) -> Option<Rejection> {
    if rates.has(currency, day) {
        return None;
    }
    let into = rates.currency();
    let why = format!("found {currency}, for which there is no rate into {into} on {day}");
    Some(Rejection::new(Code::BadCurrency, "data.currency", why))
}

/// The first instant from which on two timelines differ.
fn first_change(before: &[Step], now: &[Step]) -> Option<Timestamp> {
    let same = |(before, now): &(&Step, &Step)| {
        before.from == now.from
            && Arc::ptr_eq(&before.state, &now.state)
            && before.standing == now.standing
    };
    let same = before.iter().zip(now).take_while(same).count();
    let next = [before.get(same), now.get(same)];
    next.into_iter().flatten().map(|step| step.from).min()
}

/// What two tellings of the movements differ in. Both are by rising time, one movement at each place.
fn compare(told: Vec<Movement>, now: &[Movement]) -> Vec<Tell> {
    let mut all: BTreeMap<_, (Option<Movement>, Option<&Movement>)> = BTreeMap::new();
    for movement in told {
        all.insert(movement.place(), (Some(movement), None));
    }
    for movement in now {
        all.entry(movement.place()).or_default().1 = Some(movement);
    }
    let tell = |versions: (Option<Movement>, Option<&Movement>)| match versions {
        (Some(told), Some(now)) if told == *now => None,
        (Some(_), Some(now)) => Some(Tell::Changed(now.clone())),
        (None, Some(now)) => Some(Tell::New(now.clone())),
        (Some(told), None) => Some(Tell::Withdrawn(told)),
        (None, None) => None,
    };
    all.into_values().filter_map(tell).collect()
}
