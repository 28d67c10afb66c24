//! One subscription: what it counts at an instant, asked of its raw states.

use chrono::DateTime;
use mainstay_engine::ledger::{ChurnAt, Passive, Paused, Rules};
use mainstay_model::{Currency, Timestamp};
use serde_json::Value;

use super::Told;
use super::amount::month;
use super::big::Big;

/// A subscription and all that was told of it.
pub(super) struct Subscription {
    pub(super) id: String,
    pub(super) currency: Currency,
    /// The states that were ever in force, by time.
    states: Vec<State>,
}

struct State {
    at: Timestamp,
    data: Value,
}

/// What a subscription counts at an instant.
pub(super) struct Counts {
    pub(super) net: Big,
    pub(super) gross: Big,
    /// It has begun and is not over.
    pub(super) there: bool,
    /// It counts its items, less its discounts.
    pub(super) in_full: bool,
    /// It counts nothing because it is tried.
    pub(super) in_trial: bool,
    /// It is over, and not by the customer's will.
    pub(super) passive: bool,
}

const DAY_MS: i64 = 86_400_000;

impl Subscription {
    /// The subscriptions that are told of, by their ids.
    pub(super) fn all(told: &[Told]) -> Vec<Subscription> {
        let id = |told: &Told| {
            told.data["subscription_id"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        let mut ids: Vec<String> = told.iter().map(id).collect();
        ids.sort();
        ids.dedup();
        let of = |name: String| {
            let mine: Vec<&Told> = told.iter().filter(|told| id(told) == name).collect();
            Subscription::of(name, &mine)
        };
        ids.into_iter().map(of).collect()
    }

    fn of(id: String, told: &[&Told]) -> Subscription {
        let rank = |told: &Told| {
            let ranks = [
                "incomplete",
                "trialing",
                "active",
                "past_due",
                "unpaid",
                "paused",
                "canceled",
            ];
            ranks.iter().position(|rank| told.data["status"] == **rank)
        };
        let key = |told: &Told| {
            (
                told.data["version"].as_i64(),
                told.time,
                rank(told),
                told.id.clone(),
            )
        };
        // In force at its own time: nothing of its time or before it is later in order.
        let in_force = |one: &&&Told| {
            let rivals = told.iter().filter(|other| other.time <= one.time);
            rivals
                .max_by_key(|other| key(other))
                .is_some_and(|newest| newest.id == one.id)
        };
        let mut states: Vec<State> = told
            .iter()
            .filter(in_force)
            .map(|told| State {
                at: told.time,
                data: told.data.clone(),
            })
            .collect();
        states.sort_by_key(|state| state.at);
        let code = states[0].data["currency"].as_str().unwrap_or_default();
        Subscription {
            id,
            currency: Currency::of(code).expect("a state names a currency of ISO 4217"),
            states,
        }
    }

    /// All instants at which what it counts could change.
    pub(super) fn instants(&self, rules: &Rules) -> Vec<Timestamp> {
        let days = i64::from(rules.past_due_churn_days.unwrap_or_default());
        let mut all = Vec::new();
        for state in &self.states {
            let of = |key: &str| time(&state.data[key]);
            all.extend([state.at, state.at.plus_ms(days * DAY_MS)]);
            all.extend(
                ["started_at", "ended_at", "cancel_at", "cancel_requested_at"]
                    .map(of)
                    .iter()
                    .flatten(),
            );
            for discount in state.data["discounts"].as_array().into_iter().flatten() {
                all.extend(
                    [time(&discount["starts_at"]), time(&discount["ends_at"])]
                        .iter()
                        .flatten(),
                );
            }
        }
        all
    }

    /// What it counts at an instant. `paid`: it counted more than 0 at an earlier one.
    pub(super) fn counts(&self, at: Timestamp, paid: bool, rules: &Rules) -> Counts {
        let nothing = |there, passive| Counts {
            net: Big::zero(),
            gross: Big::zero(),
            there,
            in_full: false,
            in_trial: false,
            passive,
        };
        if let Some(end) = self.end(at, rules) {
            return nothing(false, self.is_passive(end, rules));
        }
        let begun = self.states.iter().rposition(|state| state.at <= at);
        let Some(place) = begun else {
            return nothing(false, false);
        };
        let state = &self.states[place];
        let status = state.status();
        let started = time(&state.data["started_at"]).is_some_and(|start| start <= at);
        if !started || (status == "incomplete" && !paid) {
            return nothing(false, false);
        }
        let settled = ["trialing", "active"];
        let mut statuses = self.states[..=place].iter().rev().map(State::status);
        let from_trial = statuses.find(|status| settled.contains(status)) == Some("trialing");
        let zero = status == "incomplete"
            || (from_trial && !paid)
            || (status == "paused" && rules.paused == Paused::Zero);
        if zero {
            let in_trial = status == "trialing";
            return Counts {
                in_trial,
                ..nothing(true, false)
            };
        }
        let (net, gross) = month(&state.data, at, rules);
        Counts {
            net,
            gross,
            there: true,
            in_full: true,
            in_trial: false,
            passive: false,
        }
    }

    /// What the state in force at an instant says.
    pub(super) fn state_at(&self, at: Timestamp) -> Option<&Value> {
        let state = self.states.iter().rfind(|state| state.at <= at)?;
        Some(&state.data)
    }

    /// Since when it is over, if it is at an instant: by the state in force, or by a later one that tells of
    /// an end before its own time.
    pub(super) fn end(&self, at: Timestamp, rules: &Rules) -> Option<Timestamp> {
        let in_force = self.states.iter().rposition(|state| state.at <= at);
        let by_it = in_force.and_then(|place| self.end_by(place, rules));
        let later = in_force.map_or(0, |place| place + 1);
        let in_hindsight = (later..self.states.len()).filter_map(|place| {
            self.end_by(place, rules)
                .filter(|end| *end < self.states[place].at)
        });
        by_it
            .into_iter()
            .chain(in_hindsight)
            .filter(|end| *end <= at)
            .min()
    }

    /// The end of which one state tells.
    fn end_by(&self, place: usize, rules: &Rules) -> Option<Timestamp> {
        let data = &self.states[place].data;
        // The first of the states without a break up to this one that are like it.
        let first_of = |like: &dyn Fn(&State) -> bool| {
            let run = self.states[..=place]
                .iter()
                .rev()
                .take_while(|state| like(state));
            run.last().map(|state| state.at)
        };
        let lost = |state: &State| ["canceled", "unpaid"].contains(&state.status());
        let planned = time(&data["ended_at"]).or(time(&data["cancel_at"]));
        let mut ends = Vec::new();
        match self.states[place].status() {
            "canceled" | "unpaid" => {
                let run = self.states[..=place]
                    .iter()
                    .rev()
                    .take_while(|state| lost(state));
                ends.extend(
                    run.filter(|state| state.status() == "unpaid")
                        .map(|state| state.at),
                );
                let cancelled = first_of(&|state| state.status() == "canceled");
                ends.extend(planned.or(cancelled));
            }
            "past_due" => {
                let since = first_of(&|state| state.status() == "past_due");
                let days = rules.past_due_churn_days.map(i64::from);
                ends.extend(
                    since
                        .zip(days)
                        .map(|(since, days)| since.plus_ms(days * DAY_MS)),
                );
                ends.extend(planned);
            }
            _ => ends.extend(planned),
        }
        let service_end = ends.into_iter().min();
        match rules.churn_at {
            ChurnAt::ServiceEnd => service_end,
            ChurnAt::Cancellation => first_of(&lost).or(service_end),
            ChurnAt::Requested => {
                let asked = |state: &State| {
                    let said = |key| time(&state.data[key]).is_some();
                    lost(state) || said("cancel_at") || said("cancel_requested_at")
                };
                let first = first_of(&asked);
                let requested =
                    first.map(|first| time(&data["cancel_requested_at"]).unwrap_or(first));
                requested.into_iter().chain(service_end).min()
            }
        }
    }

    fn is_passive(&self, end: Timestamp, rules: &Rules) -> bool {
        let by_then = || self.states.iter().rev().filter(|state| state.at <= end);
        let status = by_then()
            .map(State::status)
            .find(|status| *status != "canceled");
        let owing = matches!(status, Some("past_due" | "unpaid"));
        let after = self.states.iter().filter(|state| state.at > end);
        let telling = after.take_while(|state| ["canceled", "unpaid"].contains(&state.status()));
        let telling = telling.last().or(by_then().next());
        let failed = telling.is_some_and(|state| state.data["cancel_reason"] == "payment_failed");
        match rules.passive {
            Passive::Status => owing,
            Passive::Reason => failed,
            Passive::StatusOrReason => owing || failed,
        }
    }
}

impl State {
    fn status(&self) -> &str {
        self.data["status"].as_str().unwrap_or_default()
    }
}

/// An instant in a field, if there is one.
pub(super) fn time(value: &Value) -> Option<Timestamp> {
    let at = DateTime::parse_from_rfc3339(value.as_str()?).ok()?;
    Some(Timestamp(at.timestamp_millis()))
}
