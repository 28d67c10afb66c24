//! The slow truth: every metric of every account and closed day, computed in one go from raw events.
//!
//! The oracle is what the engine is held against, so it shares no code with it and none with the codec:
//! it reads JSON by itself, keeps every event, and computes each day by itself with loops over users and days,
//! as the definitions say it. It is right before it is fast.
//!
//! What it takes from the order of arrival is only what the definitions take from it: which of two bodies
//! with one id was first, the zone that an account had when an event arrived, and whether an event came too
//! late. All else is a function of the set of events.
//!
//! It remembers ids for ever; a test that sends duplicates beyond the time for which the engine remembers
//! them must not compare the counts of events.

mod account;
mod compare;
mod event;
mod metrics;
mod sessions;

use std::collections::BTreeMap;
use std::collections::HashMap;

use mainstay_engine::Settings;
use mainstay_model::{Code, Day, Timestamp, Zone};
use serde_json::Value;

use account::Account;
pub use compare::{Found, same_value};
use event::Event;
pub use metrics::IDS;

/// The values of one account on one day, by the id of the metric, as the `account-daily` record has them.
pub type Metrics = BTreeMap<&'static str, Value>;

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It counts.
    Applied,
    /// Its id was known with the same body: counted as a duplicate, without any effect.
    Duplicate,
    /// A dead letter.
    Refused(Code),
}

/// Takes records in the order of their arrival and tells the truth at the end.
pub struct Oracle {
    settings: Settings,
    shard_of: fn(&str) -> u32,
    /// The highest stream time, by shard: time does not pass for one shard because of another.
    stream_times: BTreeMap<u32, Timestamp>,
    newest: Option<Timestamp>,
    seen: HashMap<(String, Option<String>, String), u64>,
    accounts: BTreeMap<String, Account>,
}

impl Oracle {
    /// An oracle for a run with one shard.
    #[must_use]
    pub fn new(settings: Settings) -> Oracle {
        Oracle::sharded(settings, |_| 0)
    }

    /// An oracle for a run in which accounts are spread over shards, each with its own stream time.
    ///
    /// The shards make a difference only to what is too late.
    #[must_use]
    pub fn sharded(settings: Settings, shard_of: fn(&str) -> u32) -> Oracle {
        Oracle {
            settings,
            shard_of,
            stream_times: BTreeMap::new(),
            newest: None,
            seen: HashMap::new(),
            accounts: BTreeMap::new(),
        }
    }

    /// An oracle that has taken all lines of a file, each with its own `received_at` for arrival.
    pub fn of_lines<L: AsRef<[u8]>>(
        settings: Settings,
        lines: impl IntoIterator<Item = L>,
    ) -> Oracle {
        let mut oracle = Oracle::new(settings);
        for line in lines {
            oracle.take(line.as_ref(), None);
        }
        oracle
    }

    /// Takes the next record in the order of arrival.
    ///
    /// `arrival` is the broker's timestamp; without one the event's `received_at` holds, and without both
    /// the event is taken to have arrived long after it happened.
    pub fn take(&mut self, value: &[u8], arrival: Option<Timestamp>) -> Fate {
        match Event::read(value) {
            Ok(event) => self.apply(event, arrival),
            Err(code) => Fate::Refused(code),
        }
    }

    fn apply(&mut self, event: Event, arrival: Option<Timestamp>) -> Fate {
        let arrival = arrival.or(event.received_at);
        if arrival.is_some_and(|arrival| event.time > arrival.plus_ms(self.settings.max_skew_ms)) {
            return Fate::Refused(Code::FutureTime);
        }
        let name = (
            event.account.clone(),
            event.source.clone(),
            event.id.clone(),
        );
        let digest = event.digest();
        if let Some(first) = self.seen.get(&name) {
            return if *first == digest {
                Fate::Duplicate
            } else {
                Fate::Refused(Code::Conflict)
            };
        }
        let zone = self.zone_for(&event);
        let day = zone.day_of(event.time);
        if self.is_too_late(&event, zone, day) {
            return Fate::Refused(Code::TooLate);
        }
        self.seen.insert(name, digest);
        self.pass_time(&event, arrival);
        self.accounts
            .entry(event.account.clone())
            .or_insert_with(|| Account::first_seen_on(day))
            .take(&event, zone, day, &self.settings);
        Fate::Applied
    }

    /// The zone in which an event lies: its account's, as this event itself leaves it.
    fn zone_for(&self, event: &Event) -> Zone {
        let known = self.accounts.get(&event.account);
        let told = account::newest_zone(known.and_then(|account| account.zone), event);
        told.and_then(|(_, zone)| zone)
            .unwrap_or(self.settings.zone)
    }

    fn is_too_late(&self, event: &Event, zone: Zone, day: Day) -> bool {
        let shard = (self.shard_of)(&event.account);
        let Some(stream_time) = self.stream_times.get(&shard) else {
            return false;
        };
        let watermark = stream_time.minus_ms(self.settings.lateness_ms);
        let newest_closed = newest_day_over(zone, watermark);
        day < newest_closed.minus(self.settings.correction_days)
    }

    fn pass_time(&mut self, event: &Event, arrival: Option<Timestamp>) {
        let seen = arrival.map_or(event.time, |arrival| arrival.min(event.time));
        let shard = (self.shard_of)(&event.account);
        let stream_time = self.stream_times.entry(shard).or_insert(Timestamp::MIN);
        *stream_time = seen.max(*stream_time);
        self.newest = self.newest.max(Some(event.time));
    }

    /// The time of the newest event that counts.
    #[must_use]
    pub fn newest(&self) -> Option<Timestamp> {
        self.newest
    }

    /// The final values of every account and day up to the day of the newest event, which is what a replay
    /// says that runs on until that day is closed.
    #[must_use]
    pub fn truth(&self) -> Truth {
        let Some(newest) = self.newest else {
            return Truth::default();
        };
        self.days(|_, zone| zone.day_of(newest))
    }

    /// The final values of the days that a watermark has closed.
    #[must_use]
    pub fn truth_until(&self, watermark: Timestamp) -> Truth {
        self.days(|_, zone| newest_day_over(zone, watermark))
    }

    /// The final values of the days that each shard's own watermark has closed, which is what a run has
    /// said that goes on.
    #[must_use]
    pub fn truth_so_far(&self) -> Truth {
        self.days(|account, zone| {
            let stream_time = self.stream_times.get(&(self.shard_of)(account));
            let stream_time = stream_time.copied().unwrap_or(Timestamp::MIN);
            newest_day_over(zone, stream_time.minus_ms(self.settings.lateness_ms))
        })
    }

    fn days(&self, last_day: impl Fn(&str, Zone) -> Day) -> Truth {
        let told = self.accounts.iter().filter(|(id, _)| *id != "*");
        let accounts = told
            .map(|(id, account)| {
                let zone = account.zone.and_then(|(_, zone)| zone);
                let last = last_day(id, zone.unwrap_or(self.settings.zone));
                (id.clone(), metrics::of_days(account, last, &self.settings))
            })
            .collect();
        Truth { accounts }
    }
}

/// The newest day of a zone that ends at an instant or before it.
fn newest_day_over(zone: Zone, at: Timestamp) -> Day {
    let mut day = zone.day_of(at);
    while zone.end_of(day) > at {
        day = day.minus(1);
    }
    day
}

/// The final values of every account and closed day.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Truth {
    /// By account, by day.
    pub accounts: BTreeMap<String, BTreeMap<Day, Metrics>>,
}

impl Truth {
    /// One value, if the account has a record for the day.
    #[must_use]
    pub fn value(&self, account: &str, day: Day, metric: &str) -> Option<&Value> {
        self.accounts.get(account)?.get(&day)?.get(metric)
    }

    /// Everything in which an output differs, one line each; empty when it is right.
    #[must_use]
    pub fn differences(&self, found: &Found) -> Vec<String> {
        compare::differences(self, found)
    }
}

#[cfg(test)]
mod tests;
