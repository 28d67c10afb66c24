//! When a subscription is over, and whether it went by the customer's will.
//!
//! Three times are kept of each end: when the service ends, when it was cancelled, and when the end was asked
//! for. `revenue.churn_at` says which of them counts. An end may lie ahead, then it comes by itself; or
//! behind the state that tells it, then what came after it never was.

use mainstay_model::{Status, Timestamp};

use super::state::State;
use super::switches::{ChurnAt, Passive, Rules};

/// The end of a subscription, as one state tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ending {
    /// From when on the subscription is over, by the rules.
    pub(super) at: Timestamp,
    /// When the service ends.
    pub(super) service_end: Option<Timestamp>,
    /// When the first canceled or unpaid state told so.
    pub(super) cancelled: Option<Timestamp>,
    /// When the customer asked for the end.
    pub(super) requested: Option<Timestamp>,
}

const DAY_MS: i64 = 86_400_000;

/// The end of a subscription as its newest state tells it: `known` are the states that were in force, in
/// their order, and the last of them is the newest.
pub(super) fn ending(known: &[&State], rules: &Rules) -> Option<Ending> {
    let service_end = service_end(known, rules);
    let cancelled = cancelled(known);
    let requested = requested(known);
    let at = match rules.churn_at {
        ChurnAt::ServiceEnd => service_end,
        ChurnAt::Cancellation => cancelled.or(service_end),
        ChurnAt::Requested => earlier(requested, service_end),
    }?;
    Some(Ending {
        at,
        service_end,
        cancelled,
        requested,
    })
}

/// `ended_at`, else `cancel_at`, else the time of the state that ended it; what is unpaid, or past due for
/// too long, is over in any case.
fn service_end(known: &[&State], rules: &Rules) -> Option<Timestamp> {
    let newest = &known.last()?.told;
    let said = newest.ended_at.or(newest.cancel_at);
    match newest.status {
        Status::Canceled => {
            let said = said.or_else(|| since(known, |state| state.status() == Status::Canceled));
            earlier(said, unpaid_since(known))
        }
        Status::Unpaid => earlier(said, unpaid_since(known)),
        Status::PastDue => earlier(said, past_due_too_long(known, rules)),
        Status::Trialing | Status::Active | Status::Paused | Status::Incomplete => said,
    }
}

/// The first of the canceled or unpaid states that the newest one ends.
fn cancelled(known: &[&State]) -> Option<Timestamp> {
    since(known, |state| is_given_up(state.status()))
}

/// `cancel_requested_at`, else the first state with `cancel_at`, else the first that is given up.
fn requested(known: &[&State]) -> Option<Timestamp> {
    let asked = |state: &State| {
        let told = &state.told;
        told.cancel_requested_at.is_some() || told.cancel_at.is_some() || is_given_up(told.status)
    };
    let newest = known.last()?;
    let first = since(known, asked)?;
    Some(newest.told.cancel_requested_at.unwrap_or(first))
}

/// Since when it has been unpaid, though it may have been cancelled since.
fn unpaid_since(known: &[&State]) -> Option<Timestamp> {
    let given_up = run(known, |state| is_given_up(state.status()));
    let unpaid = given_up
        .iter()
        .find(|state| state.status() == Status::Unpaid);
    unpaid.map(|state| state.at)
}

fn past_due_too_long(known: &[&State], rules: &Rules) -> Option<Timestamp> {
    let days = rules.past_due_churn_days?;
    let since = since(known, |state| state.status() == Status::PastDue)?;
    Some(since.plus_ms(i64::from(days) * DAY_MS))
}

fn is_given_up(status: Status) -> bool {
    matches!(status, Status::Canceled | Status::Unpaid)
}

/// The states at the end of `known` for which something holds without a break.
fn run<'k, 's>(known: &'k [&'s State], holds: impl Fn(&State) -> bool) -> &'k [&'s State] {
    let from = known
        .iter()
        .rposition(|state| !holds(state))
        .map_or(0, |last| last + 1);
    &known[from..]
}

/// The time of the first state of such a run.
fn since(known: &[&State], holds: impl Fn(&State) -> bool) -> Option<Timestamp> {
    run(known, holds).first().map(|state| state.at)
}

fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    [one, other].into_iter().flatten().min()
}

/// Whether a subscription that was over from `at` on was lost without the customer's will. `all` are the
/// states that were in force at any time, in their order.
pub(super) fn is_passive(all: &[&State], at: Timestamp, rules: &Rules) -> bool {
    match rules.passive {
        Passive::Status => was_owing(all, at),
        Passive::Reason => payment_failed(all, at),
        Passive::StatusOrReason => was_owing(all, at) || payment_failed(all, at),
    }
}

/// Whether its newest status by then, other than that it was cancelled, was past due or unpaid.
fn was_owing(all: &[&State], at: Timestamp) -> bool {
    let by_then = all.iter().rev().filter(|state| state.at <= at);
    let status = by_then
        .map(|state| state.status())
        .find(|status| *status != Status::Canceled);
    matches!(status, Some(Status::PastDue | Status::Unpaid))
}

/// Whether that is the reason which the newest state says that was in force by then, or came to tell of the
/// end afterwards.
fn payment_failed(all: &[&State], at: Timestamp) -> bool {
    let later = all.iter().filter(|state| state.at > at);
    let of_the_end = later.take_while(|state| is_given_up(state.status())).last();
    let by_then = all.iter().rev().find(|state| state.at <= at);
    let telling = of_the_end.or(by_then);
    telling.is_some_and(|state| state.told.cancel_reason.as_deref() == Some("payment_failed"))
}
