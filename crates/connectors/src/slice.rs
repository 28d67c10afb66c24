//! A slice: all that a shard says at one epoch, as encoded bytes.
//!
//! A slice is filled by a shard's logic and carried by a sink: into one Kafka transaction, or into files.
//! It is kept, unchanged, until it is known to be committed.

use std::ops::Range;

use mainstay_model::{Timestamp, Value};

use crate::Counts;

/// Where a record of a slice goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// Newest rolling values, by account.
    AccountMetrics,
    /// Final values of closed days, by account and date.
    AccountDaily,
    /// Newest rolling values of segments and the fleet, by dimension and segment.
    SegmentMetrics,
    /// Final values of segments and the fleet, by dimension, segment and date.
    SegmentDaily,
    /// Values of cohorts of the fleet, by cohort, metric and age.
    Cohorts,
    /// Movements of recurring revenue, by account.
    MrrMovements,
    /// Records that could not be applied.
    DeadLetter,
    /// What shards hand to each other for segments and the fleet.
    Partials,
    /// The shard's own state.
    Changelog,
}

impl Topic {
    /// Every topic that a slice has records for.
    pub const ALL: &'static [Topic] = &[
        Topic::AccountMetrics,
        Topic::AccountDaily,
        Topic::SegmentMetrics,
        Topic::SegmentDaily,
        Topic::Cohorts,
        Topic::MrrMovements,
        Topic::DeadLetter,
        Topic::Partials,
        Topic::Changelog,
    ];

    /// Whether it is for us alone: binary, and no file of a replay.
    #[must_use]
    pub fn is_internal(self) -> bool {
        match self {
            Topic::Partials | Topic::Changelog => true,
            Topic::AccountMetrics
            | Topic::AccountDaily
            | Topic::SegmentMetrics
            | Topic::SegmentDaily
            | Topic::Cohorts
            | Topic::MrrMovements
            | Topic::DeadLetter => false,
        }
    }

    /// The topic's name without the operator's prefix; also the file's name in `replay --out`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Topic::AccountMetrics => "account-metrics",
            Topic::AccountDaily => "account-daily",
            Topic::SegmentMetrics => "segment-metrics",
            Topic::SegmentDaily => "segment-daily",
            Topic::Cohorts => "cohorts",
            Topic::MrrMovements => "mrr-movements",
            Topic::DeadLetter => "dead-letter",
            Topic::Partials => "partials",
            Topic::Changelog => "changelog",
        }
    }
}

/// One record of a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outbound<'a> {
    /// Where it goes.
    pub topic: Topic,
    /// The partition; none is the one that has the shard's number.
    pub partition: Option<u32>,
    /// Its key; a dead letter keeps that of the original, which may have had none.
    pub key: Option<&'a [u8]>,
    /// Its value; none is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Its headers, encoded by [`Slice::push`].
    pub headers: &'a [(String, Option<Vec<u8>>)],
}

/// Where a shard stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The newest event time that its values count; `None` before the first event.
    pub stream_time: Option<Timestamp>,
    /// Accounts that it keeps.
    pub accounts: u64,
    /// Users that it keeps.
    pub users: u64,
    /// Dimensions with more segments than are told.
    pub crowded_dimensions: u64,
    /// How many closed days it is behind the shard that is furthest ahead: groups wait for it.
    pub days_behind: u64,
    /// Bytes of facts and ids, without what the allocator adds.
    pub state_bytes: u64,
}

/// The newest values of an account, for whoever shows them once the slice is committed.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// Whose.
    pub account: String,
    /// What people call it, where it was said.
    pub name: Option<String>,
    /// In the order of the catalogue.
    pub values: Vec<Value>,
}

/// The newest values of a group of accounts, for whoever shows them once the slice is committed.
#[derive(Clone, Debug, PartialEq)]
pub struct ShownGroup {
    /// By what accounts are put together.
    pub dimension: String,
    /// The value of that.
    pub segment: String,
    /// In the order of the columns of groups; `None` takes the group back, as nobody is in it any more.
    pub values: Option<Vec<Value>>,
}

/// The records that a shard says at one epoch, in one allocation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Slice {
    bytes: Vec<u8>,
    records: Vec<Place>,
    headers: Vec<(String, Option<Vec<u8>>)>,
    shown: Vec<Shown>,
    hidden: Vec<String>,
    groups: Vec<ShownGroup>,
    /// What became of the input records that the slice has the effects of.
    pub counts: Counts,
    /// Where the shard stood when the slice was closed.
    pub standing: Standing,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    topic: Topic,
    partition: Option<u32>,
    key: Option<Range<usize>>,
    value: Option<Range<usize>>,
    headers: Range<usize>,
}

impl Slice {
    /// Adds a record for the partition that has the shard's number.
    pub fn push(
        &mut self,
        topic: Topic,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: Vec<(String, Option<Vec<u8>>)>,
    ) {
        self.push_to(topic, None, (key, value), headers);
    }

    /// Adds a record for the shard with this number.
    pub fn push_part(&mut self, shard: u32, key: &[u8], value: Option<&[u8]>) {
        self.push_to(Topic::Partials, Some(shard), (Some(key), value), Vec::new());
    }

    fn push_to(
        &mut self,
        topic: Topic,
        partition: Option<u32>,
        (key, value): (Option<&[u8]>, Option<&[u8]>),
        headers: Vec<(String, Option<Vec<u8>>)>,
    ) {
        let mut place = |part: Option<&[u8]>| {
            part.map(|part| {
                let from = self.bytes.len();
                self.bytes.extend_from_slice(part);
                from..self.bytes.len()
            })
        };
        let (key, value) = (place(key), place(value));
        let from = self.headers.len();
        self.headers.extend(headers);
        self.records.push(Place {
            topic,
            partition,
            key,
            value,
            headers: from..self.headers.len(),
        });
    }

    /// The records, in the order in which they were said.
    pub fn records(&self) -> impl Iterator<Item = Outbound<'_>> {
        self.records.iter().map(|place| Outbound {
            topic: place.topic,
            partition: place.partition,
            key: place.key.clone().map(|range| &self.bytes[range]),
            value: place.value.clone().map(|range| &self.bytes[range]),
            headers: &self.headers[place.headers.clone()],
        })
    }

    /// Adds an account's newest values to show. No record is made of them.
    pub fn show(&mut self, account: impl Into<String>, values: &[Value]) {
        self.shown.push(Shown {
            account: account.into(),
            name: None,
            values: values.to_vec(),
        });
    }

    /// Gives every account that is shown the name that people call it.
    pub fn name_shown<'n>(&mut self, name_of: impl Fn(&str) -> Option<&'n str>) {
        for shown in &mut self.shown {
            shown.name = name_of(&shown.account).map(str::to_owned);
        }
    }

    /// Takes an account back from whoever shows it, as it is no more. What is shown of it later in the slice
    /// is shown.
    pub fn hide(&mut self, account: &str) {
        self.shown.retain(|shown| shown.account != account);
        self.hidden.push(account.to_owned());
    }

    /// The accounts to show no more, once committed; before any is shown.
    #[must_use]
    pub fn hidden(&self) -> &[String] {
        &self.hidden
    }

    /// The accounts' values to show, once committed.
    #[must_use]
    pub fn shown(&self) -> &[Shown] {
        &self.shown
    }

    /// Adds a group's newest values to show, or none to take it back. No record is made of them.
    pub fn show_group(&mut self, dimension: &str, segment: &str, values: Option<&[Value]>) {
        self.groups.push(ShownGroup {
            dimension: dimension.to_owned(),
            segment: segment.to_owned(),
            values: values.map(<[Value]>::to_vec),
        });
    }

    /// The groups' values to show, once committed, in the order in which they were said.
    #[must_use]
    pub fn shown_groups(&self) -> &[ShownGroup] {
        &self.groups
    }

    /// How many bytes its records hold, which is what back-pressure counts.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing was said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Empties it and keeps its memory for the next one.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.records.clear();
        self.headers.clear();
        self.shown.clear();
        self.hidden.clear();
        self.groups.clear();
        self.counts = Counts::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_on_an_account_decides_whether_it_is_shown() {
        let mut slice = Slice::default();
        slice.show("gone", &[]);
        slice.hide("gone");
        slice.hide("back");
        slice.show("back", &[]);
        slice.show_group("plan", "pro", None);
        let shown: Vec<_> = slice.shown().iter().map(|shown| &shown.account).collect();
        assert_eq!(shown, ["back"]);
        assert_eq!(slice.hidden(), ["gone", "back"]);
        slice.clear();
        assert_eq!(slice, Slice::default());
    }
}
