//! What an account's revenue is known to become within 12 months.
//!
//! Counted as it stands, but for what is signed and has not started, what is to end or was asked to, and what
//! is planned to be bought instead. Discounts are those of today; nothing is foreseen that nobody has said.

use mainstay_model::{Status, Timestamp};

use super::Policy;
use super::discount::{Bought, Monthly};
use super::timeline::{Counted, Standing, Step};

const MONTHS: u32 = 12;

/// The committed revenue of an account whose subscriptions stand like this at an instant, in minor units of
/// the currency of the reports.
pub(super) fn committed<'s>(
    standing: impl Iterator<Item = &'s Step>,
    at: Timestamp,
    policy: &Policy<'_>,
) -> i128 {
    let nets = standing.map(|step| {
        let monthly = of_subscription(step, at, policy);
        (step.state.told.currency, monthly.net)
    });
    policy.rates.total(nets, policy.days.day_of(at))
}

fn of_subscription(step: &Step, at: Timestamp, policy: &Policy<'_>) -> Monthly {
    let told = &step.state.told;
    let last_day = policy.days.day_of(at).plus_months(MONTHS);
    let within = |planned: Timestamp| policy.days.day_of(planned) <= last_day;
    let from = match &step.standing {
        Standing::On(Counted::InFull, _) => at,
        // Signed, and to be paid from its start on. A trial is taken by a state only.
        Standing::NotBegun if told.status == Status::Active && within(told.started_at) => {
            told.started_at
        }
        Standing::On(Counted::Trial | Counted::NeverPaid | Counted::Paused, _)
        | Standing::NotBegun
        | Standing::Over { .. } => return Monthly::zero(),
    };
    let end = told.ended_at.or(told.cancel_at);
    let asked = told.cancel_requested_at.is_some();
    if end.map_or(asked, within) {
        return Monthly::zero();
    }
    let next = told
        .next
        .as_ref()
        .filter(|next| next.at > at && within(next.at));
    let items = next.map_or(&told.items, |next| &next.items);
    Bought::of(items, policy.rules).monthly(&told.discounts, from, policy.rules)
}
