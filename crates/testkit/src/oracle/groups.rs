//! The values of groups of accounts: the fleet, and the segments of each trait that the settings name.
//!
//! A group has values for each day on which an account with a record is in it: an account is where its trait
//! says at the end of that day, so one that moves leaves its history where it was.

use std::collections::BTreeMap;

use mainstay_engine::Settings;
use mainstay_model::Day;

use super::account::Account;
use super::metrics::DayParts;
use super::part::{Parts, merge, told};
use super::{Group, Metrics};

/// What all accounts of each group and day say together.
#[derive(Default)]
pub(super) struct Groups(BTreeMap<Group, BTreeMap<Day, Parts>>);

impl Groups {
    /// Takes in what an account says of a day.
    pub(super) fn take(&mut self, account: &Account, day: Day, said: &DayParts, with: &Settings) {
        for group in of(account, day, with) {
            let days = self.0.entry(group).or_default();
            merge(days.entry(day).or_default(), &said.group);
        }
    }

    pub(super) fn told(&self) -> BTreeMap<Group, BTreeMap<Day, Metrics>> {
        let groups = self.0.iter().map(|(group, days)| {
            let days = days.iter().map(|(day, parts)| (*day, told(parts)));
            (group.clone(), days.collect())
        });
        groups.collect()
    }
}

/// What the accounts of each group that are there say together, each of its own last day.
#[derive(Default)]
pub(super) struct GroupsNow(BTreeMap<Group, Parts>);

impl GroupsNow {
    /// Takes in what an account says of its last day.
    pub(super) fn take(&mut self, account: &Account, last: Day, said: &DayParts, with: &Settings) {
        for group in of(account, last, with) {
            merge(self.0.entry(group).or_default(), &said.group);
        }
    }

    pub(super) fn told(&self) -> BTreeMap<Group, Metrics> {
        let groups = self.0.iter();
        groups
            .map(|(group, parts)| (group.clone(), told(parts)))
            .collect()
    }
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
