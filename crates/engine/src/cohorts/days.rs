//! The shard's part in cohorts: what its accounts change together on each day.
//!
//! Kept for as long as a day can be corrected, and handed on whole whenever it has changed. Unlike the sums of groups
//! it hangs on no metric and no segment, so it outlives a change of the settings.

use std::collections::{BTreeMap, BTreeSet};

use mainstay_model::Day;

use super::Changes;
use crate::changelog::Put;
use crate::pack::{Malformed, Packer, Unpacker};

/// What happens in cohorts, by day.
pub(crate) struct Days {
    rows: BTreeMap<Day, Row>,
    /// Days up to this one are handed on for good, and kept no more.
    settled: Day,
    unsaid: BTreeSet<Day>,
    unsaved: BTreeSet<Day>,
    removed: Vec<Day>,
}

#[derive(Default)]
struct Row {
    changes: Changes,
    written: bool,
}

impl Default for Days {
    fn default() -> Days {
        Days {
            rows: BTreeMap::new(),
            settled: Day(i32::MIN),
            unsaid: BTreeSet::new(),
            unsaved: BTreeSet::new(),
            removed: Vec::new(),
        }
    }
}

impl Days {
    /// An account changes something on a day.
    pub(crate) fn add(&mut self, day: Day, changes: &Changes) {
        self.change(day, changes, Changes::add);
    }

    /// What it changed holds no more.
    pub(crate) fn subtract(&mut self, day: Day, changes: &Changes) {
        self.change(day, changes, Changes::subtract);
    }

    fn change(&mut self, day: Day, changes: &Changes, change: fn(&mut Changes, &Changes)) {
        if changes.is_empty() || day <= self.settled {
            return;
        }
        change(&mut self.rows.entry(day).or_default().changes, changes);
        self.unsaved.insert(day);
        self.unsaid.insert(day);
    }

    /// The next day up to `closed` that has changed since it was handed on.
    pub(crate) fn next(&mut self, closed: Day) -> Option<(Day, &Changes)> {
        let day = self.unsaid.first().copied().filter(|day| *day <= closed)?;
        self.unsaid.remove(&day);
        self.unsaved.insert(day);
        self.rows.get(&day).map(|row| (day, &row.changes))
    }

    /// Up to which day everything is handed on for good.
    pub(crate) fn settled(&self) -> Day {
        self.settled
    }

    /// Days up to this one can no longer be corrected.
    pub(crate) fn settle(&mut self, day: Day) {
        self.settled = self.settled.max(day);
    }

    /// The next day that is kept no more.
    pub(crate) fn next_settled(&mut self) -> Option<Day> {
        let oldest = self.rows.first_entry()?;
        let day = *oldest.key();
        if day > self.settled {
            return None;
        }
        if oldest.remove().written {
            self.removed.push(day);
        }
        self.unsaid.remove(&day);
        self.unsaved.remove(&day);
        Some(day)
    }

    pub(crate) fn has_settled(&self) -> bool {
        let oldest = self.rows.first_key_value();
        oldest.is_some_and(|(day, _)| *day <= self.settled)
    }

    /// Writes what has changed, and says how many keys that adds or takes away.
    pub(crate) fn save(&mut self, put: &mut Put<'_>) -> i64 {
        let mut keys = 0;
        for day in std::mem::take(&mut self.removed) {
            put(&key(day), None);
            keys -= 1;
        }
        let mut bytes = Vec::new();
        for day in std::mem::take(&mut self.unsaved) {
            let Some(row) = self.rows.get_mut(&day) else {
                continue;
            };
            bytes.clear();
            bytes.push(u8::from(self.unsaid.contains(&day)));
            row.changes.pack(&mut Packer(&mut bytes));
            keys += i64::from(!std::mem::replace(&mut row.written, true));
            put(&key(day), Some(&bytes));
        }
        keys
    }

    /// Nothing is to be saved.
    pub(crate) fn save_nothing(&mut self) {
        self.removed.clear();
        self.unsaved.clear();
    }

    /// Takes a record in.
    pub(crate) fn restore(&mut self, key: &[u8], value: &[u8]) -> Result<(), Malformed> {
        let day = Unpacker(key).day()?;
        let (unsaid, changes) = value.split_first().ok_or(Malformed)?;
        let row = Row {
            changes: Changes::unpack(&mut Unpacker(changes))?,
            written: true,
        };
        if *unsaid != 0 {
            self.unsaid.insert(day);
        }
        self.rows.insert(day, row);
        Ok(())
    }
}

fn key(day: Day) -> Vec<u8> {
    let mut key = vec![b'K'];
    Packer(&mut key).int(day.0.into());
    key
}
