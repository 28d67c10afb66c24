//! What all users of an account did together, a row a day.
//!
//! Sums that need no user to be looked at. Rows stand in one run of days without holes, from the oldest day
//! that any question can reach.

use std::collections::VecDeque;

use mainstay_model::Day;

use super::past::Counts;
use crate::pack::{Malformed, Packer, Unpacker};
use crate::settings::Settings;

/// The rows of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    first: Day,
    rows: VecDeque<Total>,
    /// The newest day with an active user of those forgotten.
    older_active: Option<Day>,
}

/// One day of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Total {
    /// Qualifying events, also those without a user.
    pub(crate) events: u64,
    /// How long the sessions that began in this day lasted.
    pub(crate) session_ms: i64,
    /// Nothing on most days of most companies.
    special: Option<Box<Special>>,
    /// At most 2^32 - 1, as of a user.
    key_actions: u32,
    /// Sessions that began in this day.
    sessions: u32,
    /// Users active on this day.
    pub(crate) active_users: u32,
    /// How often final values of this day were told.
    pub(crate) told: u16,
    pub(crate) dirty: bool,
    pub(crate) written: bool,
}

/// What only some companies have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Special {
    /// Qualifying events that a program of the customer, or a software agent, did.
    api_events: u64,
    agent_events: u64,
    /// The uses of the tracked features, by the number of the feature.
    features: Vec<FeatureDay>,
}

/// The uses of one feature on a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FeatureDay {
    feature: u8,
    pub(crate) events: u64,
    pub(crate) duration_ms: u64,
}

impl Totals {
    /// The row of a day, to be changed. `None` for a day that is forgotten.
    ///
    /// `oldest` is the oldest day that may be kept: an account that was silent for a year has no rows for it.
    pub(crate) fn row_mut(&mut self, day: Day, oldest: Day) -> Option<&mut Total> {
        if day < oldest {
            return None;
        }
        if self.rows.is_empty() {
            self.first = day;
        }
        while day < self.first {
            self.rows.push_front(Total::default());
            self.first = self.first.minus(1);
        }
        let place = day.since(self.first) as usize;
        if place >= self.rows.len() {
            // Doubling would leave room for days that are never kept.
            if place >= self.rows.capacity() {
                self.rows.reserve_exact(place + 4 - self.rows.len());
            }
            self.rows.resize(place + 1, Total::default());
        }
        self.rows.get_mut(place)
    }

    /// The row of a day, if there is one.
    pub(crate) fn row_if_there(&mut self, day: Day) -> Option<&mut Total> {
        let place = usize::try_from(day.since(self.first)).ok()?;
        self.rows.get_mut(place)
    }

    #[cfg(test)]
    fn row(&self, day: Day) -> Total {
        let place = usize::try_from(day.since(self.first)).ok();
        let row = place.and_then(|place| self.rows.get(place));
        row.cloned().unwrap_or_default()
    }

    /// The rows of a window, days without one left out.
    pub(crate) fn window(&self, first: Day, last: Day) -> impl Iterator<Item = &Total> {
        let from = first.since(self.first).max(0) as usize;
        let to = last.plus(1).since(self.first).max(0) as usize;
        self.rows.range(
            from.min(self.rows.len())..to.min(self.rows.len()).max(from.min(self.rows.len())),
        )
    }

    /// The newest day up to `day` with an active user.
    pub(crate) fn last_active(&self, day: Day) -> Option<Day> {
        let rows = day
            .plus(1)
            .since(self.first)
            .clamp(0, self.rows.len() as i32);
        let newest = (0..rows)
            .rev()
            .find(|place| self.rows[*place as usize].active_users > 0);
        newest
            .map(|place| self.first.plus(place))
            .or(self.older_active.filter(|older| *older <= day))
    }

    /// Forgets days before `oldest`, calling `forgotten` with those that are in the changelog.
    pub(crate) fn forget_before(&mut self, oldest: Day, mut forgotten: impl FnMut(Day)) {
        while self.first < oldest {
            let Some(row) = self.rows.pop_front() else {
                break;
            };
            if row.active_users > 0 {
                self.older_active = Some(self.first);
            }
            if row.written {
                forgotten(self.first);
            }
            self.first = self.first.plus(1);
        }
    }

    /// Every day that has a row in the changelog.
    pub(crate) fn written(&self) -> impl Iterator<Item = Day> {
        let rows = self.rows.iter().enumerate().filter(|(_, row)| row.written);
        rows.map(|(place, _)| self.first.plus(place as i32))
    }

    pub(crate) fn older_active(&self) -> Option<Day> {
        self.older_active
    }

    pub(crate) fn restore_older_active(&mut self, day: Option<Day>) {
        self.older_active = day;
    }

    pub(crate) fn bytes(&self) -> usize {
        let special = self.rows.iter().filter_map(|row| row.special.as_ref());
        let special = special.map(|special| {
            size_of::<Special>() + special.features.capacity() * size_of::<FeatureDay>()
        });
        self.rows.capacity() * size_of::<Total>() + special.sum::<usize>()
    }
}

impl Total {
    /// Counts a qualifying event, which a program of the customer, or a software agent, may have done.
    pub(crate) fn count(&mut self, api: bool, agent: bool) {
        self.events += 1;
        if api || agent {
            let special = self.special.get_or_insert_default();
            special.api_events += u64::from(api);
            special.agent_events += u64::from(agent);
        }
    }

    /// Counts what a user did on that day.
    pub(crate) fn add(&mut self, of_user: &Counts) {
        self.events += u64::from(of_user.events);
        self.count_key_actions(of_user.key_actions);
        if of_user.api_events != 0 || of_user.agent_events != 0 {
            let special = self.special.get_or_insert_default();
            special.api_events += u64::from(of_user.api_events);
            special.agent_events += u64::from(of_user.agent_events);
        }
    }

    pub(crate) fn count_key_actions(&mut self, more: u32) {
        self.key_actions = self.key_actions.saturating_add(more);
    }

    /// So many sessions more, or fewer, began in this day.
    pub(crate) fn count_sessions(&mut self, more: i32, ms: i64) {
        self.sessions = self.sessions.wrapping_add_signed(more);
        self.session_ms += ms;
    }

    pub(crate) fn key_actions(&self) -> u64 {
        self.key_actions.into()
    }

    pub(crate) fn sessions(&self) -> u64 {
        self.sessions.into()
    }

    /// Qualifying events that a program of the customer did.
    pub(crate) fn api_events(&self) -> u64 {
        self.special
            .as_ref()
            .map_or(0, |special| special.api_events)
    }

    /// Qualifying events that a software agent did.
    pub(crate) fn agent_events(&self) -> u64 {
        self.special
            .as_ref()
            .map_or(0, |special| special.agent_events)
    }

    /// Qualifying events that a person did.
    pub(crate) fn human_events(&self) -> u64 {
        self.events - self.api_events() - self.agent_events()
    }

    fn feature_days(&self) -> &[FeatureDay] {
        self.special
            .as_ref()
            .map_or(&[], |special| &special.features)
    }

    /// Counts a use of each feature whose bit is set.
    pub(crate) fn used(&mut self, mut features: u64, duration_ms: u64) {
        let days = &mut self.special.get_or_insert_default().features;
        while features != 0 {
            let feature = features.trailing_zeros() as u8;
            features &= features - 1;
            let place = days.partition_point(|day| day.feature < feature);
            if days.get(place).is_none_or(|day| day.feature != feature) {
                let none = FeatureDay {
                    feature,
                    ..FeatureDay::default()
                };
                days.insert(place, none);
            }
            days[place].events += 1;
            days[place].duration_ms += duration_ms;
        }
    }

    /// The uses of a feature.
    pub(crate) fn feature(&self, feature: u8) -> FeatureDay {
        let mut days = self.feature_days().iter();
        days.find(|day| day.feature == feature)
            .copied()
            .unwrap_or_default()
    }

    /// A bit for each feature that was used.
    pub(crate) fn features(&self) -> u64 {
        let days = self.feature_days().iter();
        days.fold(0, |bits, day| bits | 1 << day.feature)
    }

    pub(crate) fn pack(&self, to: &mut Packer<'_>) {
        to.uint(self.events);
        to.uint(self.key_actions());
        to.uint(self.sessions());
        to.int(self.session_ms);
        to.uint(u64::from(self.active_users));
        to.uint(u64::from(self.told));
        to.uint(self.api_events());
        to.uint(self.agent_events());
        for day in self.feature_days() {
            to.uint(day.feature.into());
            to.uint(day.events);
            to.uint(day.duration_ms);
        }
    }

    pub(crate) fn unpack(bytes: &[u8]) -> Result<Total, Malformed> {
        let mut from = Unpacker(bytes);
        let mut total = Total {
            events: from.uint()?,
            key_actions: from.u32()?,
            sessions: from.u32()?,
            session_ms: from.int()?,
            active_users: from.u32()?,
            told: u16::try_from(from.uint()?).map_err(|_| Malformed)?,
            dirty: false,
            written: true,
            special: None,
        };
        let (api_events, agent_events) = (from.uint()?, from.uint()?);
        let mut features = Vec::new();
        while !from.is_empty() {
            let feature = u8::try_from(from.uint()?).map_err(|_| Malformed)?;
            if usize::from(feature) >= Settings::MOST_FEATURES {
                return Err(Malformed);
            }
            features.push(FeatureDay {
                feature,
                events: from.uint()?,
                duration_ms: from.uint()?,
            });
        }
        if api_events != 0 || agent_events != 0 || !features.is_empty() {
            total.special = Some(Box::new(Special {
                api_events,
                agent_events,
                features,
            }));
        }
        Ok(total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVER: Day = Day(0);

    #[test]
    fn rows_are_found_by_day_and_a_window_leaves_out_what_is_not_there() {
        let mut totals = Totals::default();
        for day in [105, 100, 103] {
            totals.row_mut(Day(day), EVER).unwrap().events = day as u64;
        }
        let events = |first, last| -> u64 {
            totals
                .window(Day(first), Day(last))
                .map(|row| row.events)
                .sum()
        };
        assert_eq!(events(100, 103), 203);
        assert_eq!(events(104, 200), 105);
        assert_eq!(events(0, 99), 0);
        assert_eq!(events(106, 110), 0);
        assert_eq!(totals.row(Day(99)), Total::default());
    }

    #[test]
    fn the_last_active_day_outlives_its_row() {
        let mut totals = Totals::default();
        totals.row_mut(Day(100), EVER).unwrap().active_users = 1;
        totals.row_mut(Day(103), EVER).unwrap();
        assert_eq!(totals.last_active(Day(99)), None);
        assert_eq!(totals.last_active(Day(102)), Some(Day(100)));
        totals.forget_before(Day(102), |_| {});
        assert_eq!(totals.last_active(Day(500)), Some(Day(100)));
        assert!(totals.row_mut(Day(101), Day(102)).is_none());
    }
}
