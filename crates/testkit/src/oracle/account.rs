//! All that happened to one account, as it came, with nothing computed yet.

use std::collections::{BTreeMap, BTreeSet};

use mainstay_engine::Settings;
use mainstay_model::{Day, Timestamp, Zone};

use super::event::{Body, Event};
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
    pub(super) created: Vec<Dated>,
    pub(super) deleted: Vec<Dated>,
    /// Qualifying events by day, also those without a user.
    pub(super) events: BTreeMap<Day, i128>,
    pub(super) users: BTreeMap<String, User>,
}

#[derive(Default)]
pub(super) struct User {
    /// Qualifying events by day.
    pub(super) events: BTreeMap<Day, i128>,
    pub(super) key_actions: BTreeMap<Day, i128>,
    /// Events that sessions are made of.
    pub(super) moments: Vec<Moment>,
    pub(super) first_product_day: Option<Day>,
    pub(super) signed_up: Vec<Dated>,
    pub(super) removed: Vec<Dated>,
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
            created: Vec::new(),
            deleted: Vec::new(),
            events: BTreeMap::new(),
            users: BTreeMap::new(),
        }
    }

    /// Takes an event that lies on `day`, which is its day in `zone`.
    pub(super) fn take(&mut self, event: &Event, zone: Zone, day: Day, settings: &Settings) {
        self.first_day = self.first_day.min(day);
        self.zone = newest_zone(self.zone, event);
        let dated = (event.time, day);
        match &event.body {
            Body::Product {
                name, duration_ms, ..
            } => {
                let moment = Moment {
                    at: event.time,
                    duration_ms: *duration_ms,
                    day,
                    zone,
                };
                self.used(name, event.user.as_deref(), moment, settings);
            }
            Body::SignedUp => self.user(event).signed_up.push(dated),
            Body::Removed => self.user(event).removed.push(dated),
            Body::Account { created: true, .. } => self.created.push(dated),
            Body::Account { created: false, .. } | Body::Other => {}
            Body::Deleted => self.deleted.push(dated),
        }
    }

    fn user(&mut self, event: &Event) -> &mut User {
        let id = event.user.clone().unwrap_or_default();
        self.users.entry(id).or_default()
    }

    fn used(&mut self, name: &str, user: Option<&str>, moment: Moment, settings: &Settings) {
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
        }
        let Some(user) = user else { return };
        let user = self.users.entry(user.to_owned()).or_default();
        user.first_product_day = Some(user.first_product_day.map_or(day, |first| first.min(day)));
        if qualifies {
            *user.events.entry(day).or_default() += 1;
        }
        if settings.key_actions.contains(name) {
            *user.key_actions.entry(day).or_default() += 1;
        }
        if !ignored {
            user.moments.push(moment);
        }
    }

    /// The days from the first event on for which the account has a record: until it is deleted, and again
    /// from the day on which it is created anew.
    pub(super) fn days_told(&self, last: Day) -> Vec<Day> {
        let mut turns: Vec<(Timestamp, Day, bool)> = Vec::new();
        turns.extend(self.deleted.iter().map(|(at, day)| (*at, *day, true)));
        let anew = self.created.iter().filter(|(at, _)| {
            // At one and the same instant the removal wins.
            !self.deleted.iter().any(|(deleted_at, _)| deleted_at == at)
        });
        turns.extend(anew.map(|(at, day)| (*at, *day, false)));
        turns.sort_by_key(|(at, ..)| *at);

        let mut days = BTreeSet::new();
        let mut alive_since = Some(self.first_day);
        for (_, day, deleted) in turns {
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
}

impl User {
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

    pub(super) fn is_active(&self, day: Day, min_events: u32) -> bool {
        self.events
            .get(&day)
            .is_some_and(|events| *events >= i128::from(min_events))
    }
}
