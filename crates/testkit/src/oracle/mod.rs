//! The slow truth: every metric of every account, group and closed day, and of the cohorts, computed in one go
//! from raw events.
//!
//! The oracle is what the engine is held against, so it shares no code with it and none with the codec:
//! it reads JSON by itself, keeps what every event says, and computes each day by itself with loops over users
//! and days, as the definitions say it. It is right before it is fast.
//!
//! What it takes from the order of arrival is only what the definitions take from it: which of two bodies
//! with one id was first, the zone that an account had when an event arrived, and whether an event came too
//! late. All else is a function of the set of events.
//!
//! It remembers ids for ever; a test that sends duplicates beyond the time for which the engine remembers
//! them must not compare the counts of events.

mod account;
mod cohorts;
mod compare;
mod event;
mod flows;
mod fraction;
mod groups;
pub mod ids;
mod metrics;
pub mod mrr;
mod part;
mod revenue;
mod sessions;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use mainstay_engine::Settings;
use mainstay_model::{Code, Day, Timestamp, Zone};
use serde_json::Value;

use account::Account;
pub use cohorts::{CohortName, CohortValue};
pub use compare::{Found, FoundCohorts, same_value};
use event::{Body, Event};
use groups::{Groups, GroupsNow};
use metrics::Facts;

/// The values of an account or a group on one day, by the id of the metric as the record has it; those of a
/// feature, which stand beside the others there, are named `features.report.users_7d`.
pub type Metrics = BTreeMap<String, Value>;

/// A dimension and a segment of it: `all` and `all` is the fleet.
pub type Group = (String, String);

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
            self.bill_late(&event, zone);
            return Fate::Refused(Code::TooLate);
        }
        if self.has_bad_currency(&event, day) {
            return Fate::Refused(Code::BadCurrency);
        }
        self.seen.insert(name, digest);
        self.pass_time(&event, arrival);
        let open = self.oldest_open(&event.account, zone);
        let account = self
            .accounts
            .entry(event.account.clone())
            .or_insert_with(|| Account::first_seen_on(day));
        account.take(&event, zone, day, &self.settings);
        if let Body::Subscription(data) = &event.body {
            let begin = open.map_or(Timestamp::MIN, |open| zone.end_of(open.minus(1)));
            account.bill(&event, data, begin);
        }
        Fate::Applied
    }

    /// A state of a subscription of a day that can no longer be corrected is booked on the oldest one that can.
    fn bill_late(&mut self, event: &Event, zone: Zone) {
        let Body::Subscription(data) = &event.body else {
            return;
        };
        let Some(open) = self.oldest_open(&event.account, zone) else {
            return;
        };
        if self.has_bad_currency(event, open) {
            return;
        }
        let begin = zone.end_of(open.minus(1));
        let account = self.accounts.entry(event.account.clone());
        let account = account.or_insert_with(|| Account::first_seen_on(open));
        account.is_known_since(begin, open);
        account.bill(event, data, begin);
    }

    /// Whether a subscription is in another currency than before, or in one without a rate on the day.
    fn has_bad_currency(&self, event: &Event, day: Day) -> bool {
        let (data, id) = match &event.body {
            Body::Subscription(data) => (data, data["subscription_id"].as_str()),
            Body::Invoice(_, data) => (data, None),
            Body::Product { .. }
            | Body::SignedUp
            | Body::Removed
            | Body::Account { .. }
            | Body::Deleted
            | Body::Other => return false,
        };
        let rates = &self.settings.revenue.rates;
        let known = self.accounts.get(&event.account);
        let mut known = known.into_iter().flat_map(|account| &account.billed);
        let is_other = known.any(|known| {
            id.is_some_and(|id| known.data["subscription_id"] == id)
                && known.data["currency"] != data["currency"]
        });
        let code = data["currency"].as_str().unwrap_or_default();
        let mut rated = rates.all();
        let has_rate = code == rates.currency().code()
            || rated.any(|(of, from, _)| of.code() == code && from <= day);
        is_other || !has_rate
    }

    /// The oldest day of an account that can still be corrected.
    fn oldest_open(&self, account: &str, zone: Zone) -> Option<Day> {
        let stream_time = self.stream_times.get(&(self.shard_of)(account))?;
        let watermark = stream_time.minus_ms(self.settings.lateness_ms);
        let newest_closed = newest_day_over(zone, watermark);
        Some(newest_closed.minus(self.settings.correction_days))
    }

    /// The zone in which an event lies: its account's, as this event itself leaves it.
    fn zone_for(&self, event: &Event) -> Zone {
        let known = self.accounts.get(&event.account);
        let told = account::newest_zone(known.and_then(|account| account.zone), event);
        told.and_then(|(_, zone)| zone)
            .unwrap_or(self.settings.zone)
    }

    fn is_too_late(&self, event: &Event, zone: Zone, day: Day) -> bool {
        let open = self.oldest_open(&event.account, zone);
        open.is_some_and(|open| day < open)
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
        self.days(|_, zone| zone.day_of(newest), |_| newest)
    }

    /// The final values of the days that a watermark has closed.
    #[must_use]
    pub fn truth_until(&self, watermark: Timestamp) -> Truth {
        let now = watermark.plus_ms(self.settings.lateness_ms);
        self.days(|_, zone| newest_day_over(zone, watermark), |_| now)
    }

    /// The final values of the days that each shard's own watermark has closed, which is what a run has
    /// said that goes on.
    #[must_use]
    pub fn truth_so_far(&self) -> Truth {
        let now = |account: &str| {
            let stream_time = self.stream_times.get(&(self.shard_of)(account));
            stream_time.copied().unwrap_or(Timestamp::MIN)
        };
        let last = |account: &str, zone| {
            newest_day_over(zone, now(account).minus_ms(self.settings.lateness_ms))
        };
        self.days(last, now)
    }

    fn days(
        &self,
        last_day: impl Fn(&str, Zone) -> Day,
        now_of: impl Fn(&str) -> Timestamp,
    ) -> Truth {
        let known = self.accounts.iter().filter(|(id, _)| *id != "*");
        let known = known.map(|(id, account)| {
            let zone = account.zone.and_then(|(_, zone)| zone);
            let last = last_day(id, zone.unwrap_or(self.settings.zone));
            (id, Facts::new(account, &self.settings), last)
        });
        let known: Vec<(&String, Facts<'_>, Day)> = known.collect();
        let Some(last_of_all) = known.iter().map(|(.., last)| *last).min() else {
            return Truth::default();
        };
        let (mut groups, mut now) = (Groups::default(), GroupsNow::default());
        let mut accounts = BTreeMap::new();
        let mut movements = BTreeMap::new();
        for (id, facts, last) in &known {
            movements.insert((*id).clone(), facts.movements_until(*last));
            let mut days = BTreeMap::new();
            let told: BTreeSet<Day> = facts.account.days_told(*last).into_iter().collect();
            for day in (facts.account.first_day.0..=last_of_all.0).map(Day) {
                groups.take_flows(day, &facts.flows(day, None, |day| told.contains(&day)));
            }
            let is_here = !facts.account.is_deleted();
            let flows = facts.flows(*last, Some(now_of(id)), |day| match day == *last {
                true => is_here,
                false => told.contains(&day),
            });
            now.take_flows(&flows);
            for day in told.iter().copied() {
                let parts = facts.parts(day);
                days.insert(day, part::told(&parts.account));
                if day <= last_of_all {
                    groups.take(facts.account, day, &parts, &self.settings);
                }
            }
            accounts.insert((*id).clone(), days);
            if is_here {
                let parts = facts.parts_at(*last, Some(now_of(id)));
                now.take(facts.account, *last, &parts, &self.settings);
            }
        }
        let facts = known.iter().map(|(_, facts, _)| facts);
        Truth {
            accounts,
            movements,
            groups: groups.told(),
            now: now.told(),
            cohorts: cohorts::of_fleet(facts, last_of_all),
            closed: Some(last_of_all),
        }
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

/// The final values of every account, group and closed day, and the cohorts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Truth {
    /// By account, by day.
    pub accounts: BTreeMap<String, BTreeMap<Day, Metrics>>,
    /// By account, how its recurring revenue moved up to the end of its last closed day, also after its deletion.
    pub movements: BTreeMap<String, Vec<mrr::Moved>>,
    /// By dimension and segment, by day: each day on which an account is in the group, up to the last one
    /// that has closed for all accounts.
    pub groups: BTreeMap<Group, BTreeMap<Day, Metrics>>,
    /// By dimension and segment, as of each account's own last day: the accounts that are there.
    pub now: BTreeMap<Group, Metrics>,
    /// By what users are put together, cohort and metric, as of the last day that has closed for all
    /// accounts. An age that nobody has reached has no value.
    pub cohorts: BTreeMap<CohortName, CohortValue>,
    /// The last day that has closed for all accounts.
    pub closed: Option<Day>,
}

impl Truth {
    /// One value, if the account has a record for the day.
    #[must_use]
    pub fn value(&self, account: &str, day: Day, metric: &str) -> Option<&Value> {
        self.accounts.get(account)?.get(&day)?.get(metric)
    }

    /// One value, if there is an account in the group on the day.
    #[must_use]
    pub fn value_of_group(&self, group: (&str, &str), day: Day, metric: &str) -> Option<&Value> {
        let group = (group.0.to_owned(), group.1.to_owned());
        self.groups.get(&group)?.get(&day)?.get(metric)
    }

    /// Everything in which the records of accounts differ, one line each; empty when they are right.
    ///
    /// Compared are the metrics that the engine's catalogue has; [`ids::waiting`] has the others.
    #[must_use]
    pub fn differences(&self, found: &Found) -> Vec<String> {
        compare::of_accounts(self, found)
    }

    /// Everything in which the records of groups differ, as for accounts. A later day may have been told before an
    /// account came that is further west; it is not looked at.
    #[must_use]
    pub fn group_differences(&self, found: &Found) -> Vec<String> {
        compare::of_groups(self, found)
    }

    /// Everything in which the newest records of groups differ from what the groups are now.
    #[must_use]
    pub fn live_group_differences<L: AsRef<[u8]>>(
        &self,
        records: impl IntoIterator<Item = L>,
    ) -> Vec<String> {
        compare::of_groups_now(self, records)
    }

    /// Everything in which the records of cohorts differ, as for accounts.
    #[must_use]
    pub fn cohort_differences(&self, found: &FoundCohorts) -> Vec<String> {
        compare::of_cohorts(self, found)
    }
}

#[cfg(test)]
mod tests;
