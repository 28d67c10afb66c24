//! All that happened to one account, as it came, with nothing computed yet.

use std::collections::{BTreeMap, BTreeSet};

use mainstay_engine::Settings;
use mainstay_model::{Day, Timestamp, Zone};

use serde_json::Value;

use super::event::{Actor, Body, Event};
use super::mrr;
use super::sessions::Moment;

/// A time, and the day that it was when it arrived.
pub(super) type Dated = (Timestamp, Day);

/// What the newest event that speaks of the zone says, and its time; the inner `None` erases.
pub(super) type ToldZone = Option<(Timestamp, Option<Zone>)>;

pub(super) struct Account {
    pub(super) zone: ToldZone,
    /// The oldest day of an event of any type.
    pub(super) first_day: Day,
    /// The oldest day of a product event, also of an ignored one or one without a user.
    pub(super) first_product_day: Option<Day>,
    /// The earliest instant of an event of any type, by day.
    began: BTreeMap<Day, Timestamp>,
    pub(super) created: Vec<Dated>,
    pub(super) deleted: Vec<Dated>,
    seats: Vec<Told<i64>>,
    renewals: Vec<Told<Timestamp>>,
    /// What became of its invoices.
    pub(super) invoices: Vec<Invoiced>,
    /// The states of its subscriptions, in the order of their arrival.
    pub(super) billed: Vec<mrr::Told>,
    traits: BTreeMap<String, Vec<Told<String>>>,
    /// Qualifying events by day, also those without a user.
    pub(super) events: BTreeMap<Day, i128>,
    /// The same, by who did it.
    pub(super) events_by: BTreeMap<(Actor, Day), i128>,
    pub(super) users: BTreeMap<String, User>,
}

/// Something that happened to an invoice.
pub(super) struct Invoiced {
    pub(super) outcome: String,
    pub(super) data: Value,
    pub(super) on: Dated,
}

/// What an event says of a field; `None` erases it.
struct Told<T> {
    at: Timestamp,
    value: Option<T>,
    day: Day,
}

#[derive(Default)]
pub(super) struct User {
    /// Qualifying events by day.
    pub(super) events: BTreeMap<Day, i128>,
    /// The same, by who did it.
    pub(super) events_by: BTreeMap<(Actor, Day), i128>,
    /// The earliest qualifying event of each day.
    earliest: BTreeMap<Day, Timestamp>,
    pub(super) key_actions: BTreeMap<Day, i128>,
    /// Events that sessions are made of.
    pub(super) moments: Vec<Moment>,
    /// Events whose names features, activation or onboarding ask for, by name.
    pub(super) named: BTreeMap<String, Vec<Named>>,
    pub(super) first_product_day: Option<Day>,
    pub(super) signed_up: Vec<Dated>,
    pub(super) removed: Vec<Dated>,
}

/// An event of a name that somebody asks for.
#[derive(Clone, Copy)]
pub(super) struct Named {
    pub(super) at: Timestamp,
    pub(super) day: Day,
    pub(super) duration_ms: i64,
}

/// What is told of the zone after an event: by the newest time, not by arrival.
pub(super) fn newest_zone(known: ToldZone, event: &Event) -> ToldZone {
    let Body::Account { tz: Some(told), .. } = event.body else {
        return known;
    };
    match known {
        Some((known_at, _)) if known_at > event.time => known,
        _ => Some((event.time, told)),
    }
}

impl Account {
    pub(super) fn first_seen_on(day: Day) -> Account {
        Account {
            zone: None,
            first_day: day,
            first_product_day: None,
            began: BTreeMap::new(),
            created: Vec::new(),
            deleted: Vec::new(),
            seats: Vec::new(),
            renewals: Vec::new(),
            billed: Vec::new(),
            invoices: Vec::new(),
            traits: BTreeMap::new(),
            events: BTreeMap::new(),
            events_by: BTreeMap::new(),
            users: BTreeMap::new(),
        }
    }

    /// Takes an event that lies on `day`, which is its day in `zone`.
    pub(super) fn take(&mut self, event: &Event, zone: Zone, day: Day, settings: &Settings) {
        self.first_day = self.first_day.min(day);
        self.zone = newest_zone(self.zone, event);
        earliest(&mut self.began, day, event.time);
        let dated = (event.time, day);
        match &event.body {
            Body::Product {
                name,
                duration_ms,
                actor,
            } => {
                let moment = Moment {
                    at: event.time,
                    duration_ms: *duration_ms,
                    day,
                    zone,
                };
                let user = event.user.as_deref();
                self.used(name, *actor, user, moment, settings);
            }
            Body::SignedUp => self.user(event).signed_up.push(dated),
            Body::Removed => self.user(event).removed.push(dated),
            Body::Account {
                created,
                seats,
                renewal,
                traits,
                ..
            } => {
                if *created {
                    self.created.push(dated);
                }
                let at = event.time;
                if let Some(value) = *seats {
                    self.seats.push(Told { at, value, day });
                }
                if let Some(value) = *renewal {
                    self.renewals.push(Told { at, value, day });
                }
                for (name, value) in traits.clone() {
                    let told = self.traits.entry(name).or_default();
                    told.push(Told { at, value, day });
                }
            }
            Body::Invoice(outcome, data) => self.invoices.push(Invoiced {
                outcome: outcome.clone(),
                data: data.clone(),
                on: dated,
            }),
            Body::Subscription(_) | Body::Other => {}
            Body::Deleted => self.deleted.push(dated),
        }
    }

    /// Takes in a state of a subscription, once: what it says of times before `open` is booked then.
    pub(super) fn bill(&mut self, event: &Event, data: &Value, open: Timestamp) {
        // In the order of sources and ids, events without a source before all others.
        let id = match &event.source {
            None => format!("0{}", event.id),
            Some(source) => format!("1{source}\0{}", event.id),
        };
        if self.billed.iter().all(|known| known.id != id) {
            self.billed.push(mrr::Told {
                id,
                time: event.time,
                data: data.clone(),
                open,
            });
        }
    }

    /// An account that nobody had heard of on a day is known since then.
    pub(super) fn is_known_since(&mut self, at: Timestamp, day: Day) {
        self.first_day = self.first_day.min(day);
        earliest(&mut self.began, day, at);
    }

    /// When its contract was up for renewal, as far as was known at the end of a day.
    pub(super) fn renewal_as_of(&self, day: Day) -> Option<Timestamp> {
        value_as_of(&self.renewals, day)
    }

    fn user(&mut self, event: &Event) -> &mut User {
        let id = event.user.clone().unwrap_or_default();
        self.users.entry(id).or_default()
    }

    fn used(
        &mut self,
        name: &str,
        actor: Actor,
        user: Option<&str>,
        moment: Moment,
        settings: &Settings,
    ) {
        let day = moment.day;
        let ignored = settings.active_ignore.contains(name);
        let qualifies = if settings.active_events.is_empty() {
            !ignored
        } else {
            settings.active_events.contains(name)
        };
        self.first_product_day = Some(self.first_product_day.map_or(day, |first| first.min(day)));
        if qualifies {
            *self.events.entry(day).or_default() += 1;
            *self.events_by.entry((actor, day)).or_default() += 1;
        }
        let Some(user) = user else { return };
        let user = self.users.entry(user.to_owned()).or_default();
        user.first_product_day = Some(user.first_product_day.map_or(day, |first| first.min(day)));
        if qualifies {
            *user.events.entry(day).or_default() += 1;
            *user.events_by.entry((actor, day)).or_default() += 1;
            earliest(&mut user.earliest, day, moment.at);
        }
        if settings.key_actions.contains(name) {
            *user.key_actions.entry(day).or_default() += 1;
        }
        if !ignored {
            user.moments.push(moment);
        }
        if is_asked_for(name, settings) {
            user.named.entry(name.to_owned()).or_default().push(Named {
                at: moment.at,
                day,
                duration_ms: moment.duration_ms,
            });
        }
    }

    /// When it was created, as far as was known at the end of a day, else when it was first heard of.
    pub(super) fn created_as_of(&self, day: Day) -> Option<Dated> {
        earliest_until(&self.created, day).or_else(|| {
            let began = self.began.range(..=day).map(|(day, at)| (*at, *day));
            began.min_by_key(|(at, on)| (*on, *at))
        })
    }

    /// How many seats it had at the end of a day.
    pub(super) fn seats_as_of(&self, day: Day) -> Option<i64> {
        value_as_of(&self.seats, day)
    }

    /// The value that a trait had at the end of a day.
    pub(super) fn trait_as_of(&self, name: &str, day: Day) -> Option<String> {
        value_as_of(self.traits.get(name)?, day)
    }

    /// The days from the first event on for which the account has a record: until it is deleted, and again
    /// from the day on which it is created anew.
    pub(super) fn days_told(&self, last: Day) -> Vec<Day> {
        let mut days = BTreeSet::new();
        let mut alive_since = Some(self.first_day);
        for (_, day, deleted) in self.turns() {
            match (alive_since, deleted) {
                (Some(since), true) => {
                    days.extend((since.0..=day.0).map(Day));
                    alive_since = None;
                }
                (None, false) => alive_since = Some(day),
                (Some(_), false) | (None, true) => {}
            }
        }
        if let Some(since) = alive_since {
            days.extend((since.0..=last.0).map(Day));
        }
        days.into_iter().filter(|day| *day <= last).collect()
    }

    /// Whether the account was deleted and has not come back.
    pub(super) fn is_deleted(&self) -> bool {
        self.turns().last().is_some_and(|(.., deleted)| *deleted)
    }

    /// Creations and deletions in the order of time, and which they are.
    fn turns(&self) -> Vec<(Timestamp, Day, bool)> {
        let mut turns: Vec<(Timestamp, Day, bool)> = Vec::new();
        turns.extend(self.deleted.iter().map(|(at, day)| (*at, *day, true)));
        let anew = self.created.iter().filter(|(at, _)| {
            // At one and the same instant the removal wins.
            !self.deleted.iter().any(|(deleted_at, _)| deleted_at == at)
        });
        turns.extend(anew.map(|(at, day)| (*at, *day, false)));
        turns.sort_by_key(|(at, ..)| *at);
        turns
    }
}

/// Whether features, activation or onboarding need to know of events with this name.
fn is_asked_for(name: &str, settings: &Settings) -> bool {
    let mut of_features = settings.features.values();
    of_features.any(|names| names.contains(name))
        || settings.activation_events.contains(name)
        || settings.onboarding_steps.contains(name)
}

fn earliest(by_day: &mut BTreeMap<Day, Timestamp>, day: Day, at: Timestamp) {
    let earliest = by_day.entry(day).or_insert(at);
    *earliest = at.min(*earliest);
}

/// The earliest of those that lie on a day or before it: by day, then by time, which is the same but for an account
/// that has changed its zone.
pub(super) fn earliest_until(dated: &[Dated], day: Day) -> Option<Dated> {
    dated
        .iter()
        .copied()
        .filter(|(_, on)| *on <= day)
        .min_by_key(|(at, on)| (*on, *at))
}

/// The newest word of a day or before it; of words at one instant the greatest holds, and any is greater
/// than that there is none.
fn value_as_of<T: Clone + Ord>(told: &[Told<T>], day: Day) -> Option<T> {
    let until = told.iter().filter(|told| told.day <= day);
    let newest = until.max_by_key(|told| (told.at, told.value.clone()))?;
    newest.value.clone()
}

impl User {
    /// The earliest qualifying event of a day.
    pub(super) fn first_qualifying_of(&self, day: Day) -> Option<Timestamp> {
        self.earliest.get(&day).copied()
    }

    /// The first event of a name up to a day.
    pub(super) fn first_of(&self, name: &str, day: Day) -> Option<Dated> {
        let named = self.named.get(name)?.iter();
        let until = named.filter(|named| named.day <= day);
        let first = until.min_by_key(|named| (named.day, named.at))?;
        Some((first.at, first.day))
    }

    /// Since when the user, who is known at the end of a day, has been known: from the first sign, or from the
    /// first sign-up after the last removal.
    pub(super) fn known_since(&self, day: Day) -> Option<Day> {
        let until = |dated: &&Dated| dated.1 <= day;
        let removed = self.removed.iter().filter(until).map(|(at, _)| *at).max();
        let signed_up = self.signed_up.iter().filter(until);
        match removed {
            None => {
                let days = signed_up.map(|(_, day)| *day);
                days.chain(self.first_product_day).min()
            }
            Some(removed) => {
                let back = signed_up.filter(|(at, _)| *at > removed);
                back.map(|(_, day)| *day).min()
            }
        }
    }

    /// Whether the user counts as known at the end of a day: signed up or seen, and not removed since.
    pub(super) fn is_known(&self, day: Day) -> bool {
        let until = |dated: &&Dated| dated.1 <= day;
        let seen = self.first_product_day.is_some_and(|first| first <= day);
        let signed_up = self.signed_up.iter().filter(until).map(|(at, _)| *at).max();
        let removed = self.removed.iter().filter(until).map(|(at, _)| *at).max();
        match removed {
            None => seen || signed_up.is_some(),
            Some(removed) => signed_up.is_some_and(|signed_up| signed_up > removed),
        }
    }
}
