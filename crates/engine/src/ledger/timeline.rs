//! From the states of one subscription to what it counts, step by step.
//!
//! The timeline is a function of the set of states and of the rules: each state holds from its time until a
//! later one takes over, and what a state plans (a start, an end, a discount) happens within that time by
//! itself. A state that comes late only makes the function be asked again.

use std::collections::BTreeSet;
use std::sync::Arc;

use mainstay_model::{Status, Timestamp};

use super::discount::{Bought, Monthly};
use super::ending::{Ending, ending, is_passive};
use super::state::State;
use super::switches::{Paused, Rules};

/// What a subscription counts from an instant on, until its next step.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// From when on.
    pub(super) from: Timestamp,
    /// The state that says so.
    pub(super) state: Arc<State>,
    /// What it counts.
    pub(super) standing: Standing,
}

/// What a subscription counts.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Standing {
    /// It has not begun: its start lies ahead, or its first payment has not come through.
    NotBegun,
    /// It is there.
    On(Counted, Monthly),
    /// It is over.
    Over {
        /// When, and when else it could be said to be.
        ending: Ending,
        /// Lost without the customer's will.
        passive: bool,
    },
}

/// Why a subscription that is there counts what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    /// Its items, less its discounts.
    InFull,
    /// Nothing: it is tried for nothing.
    Trial,
    /// Nothing: its first payment, after a trial or at the start, has not come through.
    NeverPaid,
    /// Nothing: it rests, and the rules say that this is nothing.
    Paused,
}

/// The steps of a subscription, each at another time, by rising time. `states` may be in any order.
///
/// `known` are its steps by fewer of these states: what they count is not reckoned again. A state that is booked
/// from some instant on is no state before it.
pub(super) fn steps(states: &[Arc<State>], known: &[Step], rules: &Rules) -> Vec<Step> {
    let booked: BTreeSet<Timestamp> = states.iter().filter_map(|s| s.booked_from).collect();
    if booked.is_empty() {
        return steps_of(states, known, rules);
    }
    let mut steps: Vec<Step> = Vec::new();
    for from in std::iter::once(Timestamp::MIN).chain(booked) {
        let by_then = |state: &&Arc<State>| state.booked_from.is_none_or(|booked| booked <= from);
        let by_then: Vec<Arc<State>> = states.iter().filter(by_then).cloned().collect();
        let of_then = steps_of(&by_then, known, rules);
        steps.truncate(steps.partition_point(|step| step.from < from));
        let begun = of_then.partition_point(|step| step.from <= from);
        let standing = begun.checked_sub(1).map(|place| Step {
            from,
            ..of_then[place].clone()
        });
        let ahead = of_then[begun..].iter().cloned();
        standing
            .into_iter()
            .chain(ahead)
            .for_each(|step| then(&mut steps, step));
    }
    steps
}

/// One more step, if it is another one than the last.
fn then(steps: &mut Vec<Step>, next: Step) {
    let same =
        |last: &Step| Arc::ptr_eq(&last.state, &next.state) && last.standing == next.standing;
    if !steps.last().is_some_and(same) {
        steps.push(next);
    }
}

/// The same of states that are none of them booked later.
fn steps_of(states: &[Arc<State>], known: &[Step], rules: &Rules) -> Vec<Step> {
    let in_force = in_force(states);
    let plain: Vec<&State> = in_force.iter().map(|state| &***state).collect();
    let endings = endings(&plain, rules);
    let mut steps: Vec<Step> = Vec::new();
    // Has it counted more than 0, and is it straight out of a trial?
    let (mut paid, mut from_trial) = (false, false);
    for (place, &state) in in_force.iter().enumerate() {
        from_trial = match state.status() {
            Status::Trialing => true,
            Status::Active => false,
            Status::PastDue | Status::Unpaid | Status::Paused => from_trial,
            Status::Canceled | Status::Incomplete => from_trial,
        };
        let until = in_force.get(place + 1).map(|next| next.at);
        let mut bought = None;
        let mut monthly = |at| {
            let of = &state.told;
            known_amount(known, state, at).unwrap_or_else(|| {
                let bought = bought.get_or_insert_with(|| Bought::of(&of.items, rules));
                bought.monthly(&of.discounts, at, rules)
            })
        };
        for from in instants(state, endings[place].as_ref(), until) {
            let (teller, standing) = match &endings[place] {
                Some((teller, ending)) if ending.at <= from => {
                    let passive = is_passive(&plain, ending.at, rules);
                    let ending = ending.clone();
                    (in_force[*teller], Standing::Over { ending, passive })
                }
                Some(_) | None => {
                    let amount = || monthly(from);
                    (
                        state,
                        standing(state, from, paid, from_trial, rules, amount),
                    )
                }
            };
            if let Standing::On(_, monthly) = &standing {
                paid |= monthly.net.is_positive();
            }
            let state = Arc::clone(teller);
            let step = Step {
                from,
                state,
                standing,
            };
            then(&mut steps, step);
        }
    }
    steps
}

/// The states that were in force at any time, by rising time: each is later, in the order of states, than
/// all whose time is not after its own.
fn in_force(states: &[Arc<State>]) -> Vec<&Arc<State>> {
    let mut by_time: Vec<&Arc<State>> = states.iter().collect();
    by_time.sort_by(|one, other| one.at.cmp(&other.at).then_with(|| one.order(other)));
    let mut in_force: Vec<&Arc<State>> = Vec::new();
    for state in by_time {
        match in_force.last() {
            Some(newest) if newest.order(state).is_gt() => {}
            Some(newest) if newest.at == state.at => {
                in_force.pop();
                in_force.push(state);
            }
            Some(_) | None => in_force.push(state),
        }
    }
    in_force
}

/// For each state in force the end that holds in its time, and the place of the state that tells it: its
/// own, or an earlier one that a later state tells in hindsight.
fn endings(in_force: &[&State], rules: &Rules) -> Vec<Option<(usize, Ending)>> {
    let mut hindsight: Option<(usize, Ending)> = None;
    let mut endings: Vec<_> = (0..in_force.len())
        .rev()
        .map(|place| {
            let own = ending(&in_force[..=place], rules).map(|ending| (place, ending));
            let found = match (&own, &hindsight) {
                (Some((_, own_end)), Some((_, later))) if later.at < own_end.at => {
                    hindsight.clone()
                }
                (Some(_), _) => own.clone(),
                (None, _) => hindsight.clone(),
            };
            let behind = own.filter(|(_, ending)| ending.at < in_force[place].at);
            if let Some((_, ending)) = &behind
                && hindsight
                    .as_ref()
                    .is_none_or(|(_, known)| ending.at <= known.at)
            {
                hindsight = behind;
            }
            found
        })
        .collect();
    endings.reverse();
    endings
}

/// The instants in the time of a state at which what it counts may change.
fn instants(
    state: &State,
    ending: Option<&(usize, Ending)>,
    until: Option<Timestamp>,
) -> BTreeSet<Timestamp> {
    let told = &state.told;
    let discounts = told.discounts.iter().flat_map(|d| [d.starts_at, d.ends_at]);
    let planned = discounts.chain([Some(told.started_at), ending.map(|(_, ending)| ending.at)]);
    let within = |at: &Timestamp| *at > state.at && until.is_none_or(|until| *at < until);
    let planned = planned.flatten().filter(within);
    std::iter::once(state.at).chain(planned).collect()
}

/// What a state was found to come to at an instant, when fewer states were known.
fn known_amount(known: &[Step], state: &Arc<State>, at: Timestamp) -> Option<Monthly> {
    let begun = known.partition_point(|step| step.from <= at);
    let step = &known[begun.checked_sub(1)?];
    match &step.standing {
        Standing::On(Counted::InFull, monthly) if Arc::ptr_eq(&step.state, state) => {
            Some(monthly.clone())
        }
        Standing::On(..) | Standing::NotBegun | Standing::Over { .. } => None,
    }
}

/// What a state counts at an instant at which the subscription is not over.
fn standing(
    state: &State,
    at: Timestamp,
    paid: bool,
    from_trial: bool,
    rules: &Rules,
    amount: impl FnOnce() -> Monthly,
) -> Standing {
    if state.told.started_at > at {
        return Standing::NotBegun;
    }
    let counted = match state.status() {
        Status::Incomplete if !paid => return Standing::NotBegun,
        Status::Incomplete => Counted::NeverPaid,
        Status::Trialing if !paid => Counted::Trial,
        Status::Paused if rules.paused == Paused::Zero => Counted::Paused,
        // A trial that was never paid does not begin to count by failing, resting or ending.
        Status::PastDue | Status::Paused | Status::Canceled | Status::Unpaid
            if from_trial && !paid =>
        {
            Counted::NeverPaid
        }
        Status::Trialing | Status::Active | Status::PastDue => Counted::InFull,
        Status::Paused | Status::Canceled | Status::Unpaid => Counted::InFull,
    };
    let monthly = match counted {
        Counted::InFull => amount(),
        Counted::Trial | Counted::NeverPaid | Counted::Paused => Monthly::zero(),
    };
    Standing::On(counted, monthly)
}
