//! The values of groups of accounts: the fleet, and the segments of each trait that the settings name.
//!
//! A group has values for each day on which an account with a record is in it: an account is where its trait
//! says at the end of that day, so one that moves leaves its history where it was.

use std::collections::BTreeMap;

use mainstay_engine::Settings;
use mainstay_model::Day;
use serde_json::Value;

use super::account::Account;
use super::metrics::DayParts;
use super::part::{Part, Parts, merge, told};
use super::{Group, Metrics, flows};

/// What all accounts of each group and day say together.
#[derive(Default)]
pub(super) struct Groups {
    days: BTreeMap<Group, BTreeMap<Day, Parts>>,
    /// What accounts give to groups that they were in some time before.
    flows: BTreeMap<Group, BTreeMap<Day, Parts>>,
}

impl Groups {
    /// Takes in what an account says of a day.
    pub(super) fn take(&mut self, account: &Account, day: Day, said: &DayParts, with: &Settings) {
        for group in of(account, day, with) {
            let days = self.days.entry(group).or_default();
            merge(days.entry(day).or_default(), &said.group);
        }
    }

    /// Takes in what an account, which may be deleted, gives as of a day to groups that it was in.
    pub(super) fn take_flows(&mut self, day: Day, flows: &[(Group, Parts)]) {
        for (group, parts) in flows {
            let days = self.flows.entry(group.clone()).or_default();
            merge(days.entry(day).or_default(), parts);
        }
    }

    pub(super) fn told(&self) -> BTreeMap<Group, BTreeMap<Day, Metrics>> {
        let mut all: BTreeMap<Group, BTreeMap<Day, Parts>> = self.days.clone();
        let some = self.days.values().flat_map(BTreeMap::values).next();
        for (group, days) in &self.flows {
            for (day, flows) in days.iter().filter(|(_, flows)| has_moved(flows)) {
                let of_group = all.entry(group.clone()).or_default();
                let parts = of_group.entry(*day);
                merge(parts.or_insert_with(|| nobody(some)), flows);
            }
        }
        let groups = all.into_iter().map(|(group, days)| {
            let days = days.iter().map(|(day, parts)| (*day, told(parts)));
            (group, days.collect())
        });
        groups.collect()
    }
}

/// What the accounts of each group that are there say together, each of its own last day.
#[derive(Default)]
pub(super) struct GroupsNow {
    groups: BTreeMap<Group, Parts>,
    flows: BTreeMap<Group, Parts>,
}

impl GroupsNow {
    /// Takes in what an account says of its last day.
    pub(super) fn take(&mut self, account: &Account, last: Day, said: &DayParts, with: &Settings) {
        for group in of(account, last, with) {
            merge(self.groups.entry(group).or_default(), &said.group);
        }
    }

    /// Takes in what an account, which may be deleted, gives to groups that it was in.
    pub(super) fn take_flows(&mut self, flows: &[(Group, Parts)]) {
        for (group, parts) in flows {
            merge(self.flows.entry(group.clone()).or_default(), parts);
        }
    }

    pub(super) fn told(&self) -> BTreeMap<Group, Metrics> {
        let mut all = self.groups.clone();
        let some = self.groups.values().next();
        for (group, flows) in self.flows.iter().filter(|(_, flows)| has_moved(flows)) {
            let parts = all.entry(group.clone());
            merge(parts.or_insert_with(|| nobody(some)), flows);
        }
        let groups = all.iter();
        groups
            .map(|(group, parts)| (group.clone(), told(parts)))
            .collect()
    }
}

/// Whether revenue moved in a group, or was there at the start, whoever is still in it.
fn has_moved(flows: &Parts) -> bool {
    flows.values().any(Part::is_something)
}

/// A group that nobody is in has nothing to say of all but how revenue moved in it.
fn nobody(some: Option<&Parts>) -> Parts {
    let ids = some.into_iter().flat_map(BTreeMap::keys);
    let mut parts: Parts = ids
        .map(|id| (id.clone(), Part::Alone(Value::Null)))
        .collect();
    parts.extend(flows::nothing());
    parts
}

/// The groups that an account is in at the end of a day.
fn of(account: &Account, day: Day, settings: &Settings) -> Vec<Group> {
    let fleet = ("all".to_owned(), "all".to_owned());
    let segments = settings.segments.iter().map(|dimension| {
        let value = account.trait_as_of(dimension, day);
        (
            dimension.clone(),
            value.unwrap_or_else(|| UNKNOWN.to_owned()),
        )
    });
    std::iter::once(fleet).chain(segments).collect()
}

/// The segment of accounts without a value.
pub(super) const UNKNOWN: &str = "unknown";
