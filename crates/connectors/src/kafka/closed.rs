//! A closed slice on its way into a transaction, and how old the records are that it has the effects of.

use std::time::Duration;

use mainstay_commit::{Position, SliceToken};

use crate::{Slice, Topic};

/// No record of ours is larger, key and value together: below what every broker takes by default, so no
/// transaction can be one that never commits.
pub(super) const RECORD_BOUND: usize = 768 << 10;

/// A closed slice with all that its commit needs.
pub(super) struct Closed {
    pub(super) token: SliceToken,
    pub(super) slice: Slice,
    pub(super) position: Position,
    pub(super) arrivals: Arrivals,
    pub(super) records: u64,
}

impl Closed {
    /// The first record above the bound, if there is one.
    pub(super) fn too_large(&self) -> Option<(Topic, usize)> {
        self.slice.records().find_map(|record| {
            let size = record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len);
            (size > RECORD_BOUND).then_some((record.topic, size))
        })
    }

    /// Bytes for the changelog, before envelope and compression.
    pub(super) fn changelog_bytes(&self) -> u64 {
        let changelog = self
            .slice
            .records()
            .filter(|record| record.topic == Topic::Changelog);
        changelog
            .map(|record| record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len))
            .sum::<usize>() as u64
    }
}

/// Records by the time at which they arrived, to the hundredth of a second.
#[derive(Default)]
pub(super) struct Arrivals(Vec<(i64, u64)>);

impl Arrivals {
    const STEP_MS: i64 = 10;

    /// A record arrived. Records come nearly in order, so the last step is nearly always the right one.
    pub(super) fn note(&mut self, arrived_ms: i64) {
        let step = arrived_ms / Arrivals::STEP_MS;
        match self.0.last_mut() {
            Some((last, count)) if *last == step => *count += 1,
            Some(_) | None => self.0.push((step, 1)),
        }
    }

    /// How long ago they had arrived at `now_ms`.
    pub(super) fn ages(&self, now_ms: i64) -> Vec<(Duration, u64)> {
        let age = |step: i64| {
            let ms = now_ms.saturating_sub(step.saturating_mul(Arrivals::STEP_MS));
            Duration::from_millis(u64::try_from(ms).unwrap_or(0))
        };
        self.0
            .iter()
            .map(|(step, count)| (age(*step), *count))
            .collect()
    }
}
