//! Cohorts of the fleet: users by when, and on which plan, they signed up.
//!
//! What an account changes in cohorts on a day is added up per shard and day, handed to the one shard that all
//! cohorts belong to, and added up there over days: so a cohort is as of the last day that is closed everywhere, and a
//! correction replaces a day. Here are the words that all steps share, and their binary form.

pub(crate) mod days;
pub(crate) mod fleet;
mod measures;
pub(crate) mod reading;

use std::collections::BTreeMap;

use mainstay_model::Day;

use crate::pack::{Malformed, Packer, Unpacker};

pub use measures::{CohortMeasure, cohort_measures};

/// Where users come from: the day on which they signed up, and the plan of their account at its end.
///
/// An account comes from the day of its creation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Origin {
    pub(crate) day: Day,
    pub(crate) plan: Box<str>,
}

/// Counts by what is counted; those of 0 are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally(BTreeMap<Counted, i64>);

/// What is counted in a cohort, as a number.
pub(crate) type Counted = u32;

/// What is counted, and under which number.
pub(crate) mod counted {
    use super::Counted;

    /// Users who signed up.
    pub(crate) const USERS: Counted = 0;
    /// Users who came back, from here on by the bits of [`Back`](super::Back).
    pub(crate) const BACK: Counted = 1;
    /// Users who are activated.
    pub(crate) const ACTIVATED: Counted = 64;
    /// Accounts that were created.
    pub(crate) const ACCOUNTS: Counted = 65;
    /// From here on durations by their bucket: from sign-up to activation.
    pub(crate) const TO_VALUE: Counted = 1 << 16;
    /// From the creation of an account to its first activated user.
    pub(crate) const TO_FIRST_VALUE: Counted = 2 << 16;
    /// From the creation of an account to its last step of onboarding.
    pub(crate) const TO_ONBOARDED: Counted = 3 << 16;
}

/// When a user came back after the sign-up: a bit for each age that is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Back(pub(crate) u64);

/// The greatest age in days, and in weeks, that is told exactly.
pub(crate) const DAYS: i32 = 30;
pub(crate) const WEEKS: i32 = 12;
/// The ages from which on any later day counts.
pub(crate) const SINCE: [i32; 3] = [1, 7, 30];

impl Back {
    /// The bit of an exact day, 0 to [`DAYS`].
    pub(crate) fn day(age: i32) -> u32 {
        age.cast_unsigned()
    }

    /// The bit of a week, 1 to [`WEEKS`].
    pub(crate) fn week(age: i32) -> u32 {
        (DAYS + age).cast_unsigned()
    }

    /// The bit of an age of [`SINCE`], by its place.
    pub(crate) fn since(place: usize) -> u32 {
        (DAYS + WEEKS + 1).cast_unsigned() + place as u32
    }

    /// Of a user who was active so many days after the sign-up.
    pub(crate) fn on(age: i32) -> Back {
        let mut bits = 0;
        if (0..=DAYS).contains(&age) {
            bits |= 1 << Back::day(age);
        }
        if (1..=7 * WEEKS).contains(&age) {
            bits |= 1 << Back::week((age + 6) / 7);
        }
        for (place, since) in SINCE.into_iter().enumerate() {
            bits |= u64::from(age >= since) << Back::since(place);
        }
        Back(bits)
    }

    /// The places of the bits that are set.
    pub(crate) fn bits(self) -> impl Iterator<Item = u32> {
        let mut left = self.0;
        std::iter::from_fn(move || {
            let bit = (left != 0).then(|| left.trailing_zeros())?;
            left &= left - 1;
            Some(bit)
        })
    }
}

impl Tally {
    pub(crate) fn count(&mut self, what: Counted, by: i64) {
        if by == 0 {
            return;
        }
        let count = self.0.entry(what).or_default();
        *count += by;
        if *count == 0 {
            self.0.remove(&what);
        }
    }

    pub(crate) fn of(&self, what: Counted) -> i64 {
        self.0.get(&what).copied().unwrap_or(0)
    }

    /// Counts of durations, by bucket.
    pub(crate) fn durations(&self, from: Counted) -> impl Iterator<Item = (u16, i64)> {
        let counts = self.0.range(from..from + (1 << 16));
        counts.map(move |(what, count)| ((what - from) as u16, *count))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Counted, i64)> {
        self.0.iter().map(|(what, count)| (*what, *count))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn add(&mut self, other: &Tally, times: i64) {
        for (what, count) in other.iter() {
            self.count(what, count * times);
        }
    }

    pub(crate) fn pack(&self, to: &mut Packer<'_>) {
        to.uint(self.0.len() as u64);
        let mut before = 0;
        for (what, count) in self.iter() {
            to.uint((what - before).into());
            to.int(count);
            before = what;
        }
    }

    pub(crate) fn unpack(from: &mut Unpacker<'_>) -> Result<Tally, Malformed> {
        let mut tally = Tally::default();
        let mut what: Counted = 0;
        for _ in 0..from.uint()? {
            what = what.checked_add(from.u32()?).ok_or(Malformed)?;
            tally.count(what, from.int()?);
        }
        Ok(tally)
    }
}

/// What happens in cohorts on a day, by where their users come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes(BTreeMap<Origin, Tally>);

impl Changes {
    /// Counts something of an origin.
    pub(crate) fn at(&mut self, origin: Origin, change: impl FnOnce(&mut Tally)) {
        let tally = self.0.entry(origin.clone()).or_default();
        change(tally);
        if tally.is_empty() {
            self.0.remove(&origin);
        }
    }

    pub(crate) fn add(&mut self, other: &Changes) {
        self.change(other, 1);
    }

    pub(crate) fn subtract(&mut self, other: &Changes) {
        self.change(other, -1);
    }

    fn change(&mut self, other: &Changes, times: i64) {
        for (origin, tally) in &other.0 {
            self.at(origin.clone(), |mine| mine.add(tally, times));
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Origin, &Tally)> {
        self.0.iter()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes them to the end of what is written.
    pub(crate) fn pack(&self, to: &mut Packer<'_>) {
        for (origin, tally) in &self.0 {
            origin.pack(to);
            tally.pack(to);
        }
    }

    /// Reads what was packed, to the end of the bytes.
    pub(crate) fn unpack(from: &mut Unpacker<'_>) -> Result<Changes, Malformed> {
        let mut changes = Changes::default();
        while !from.is_empty() {
            let origin = Origin::unpack(from)?;
            let tally = Tally::unpack(from)?;
            changes.at(origin, |mine| mine.add(&tally, 1));
        }
        Ok(changes)
    }
}

impl FromIterator<(Origin, Tally)> for Changes {
    fn from_iter<I: IntoIterator<Item = (Origin, Tally)>>(all: I) -> Changes {
        let all = all.into_iter().filter(|(_, tally)| !tally.is_empty());
        Changes(all.collect())
    }
}

impl Origin {
    pub(crate) fn pack(&self, to: &mut Packer<'_>) {
        to.int(self.day.0.into());
        to.bytes(self.plan.as_bytes());
    }

    pub(crate) fn unpack(from: &mut Unpacker<'_>) -> Result<Origin, Malformed> {
        Ok(Origin {
            day: from.day()?,
            plan: from.text()?.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn changes() -> impl Strategy<Value = Changes> {
        let one = (0i32..4, 0u8..3, any::<u32>(), -5i64..5);
        prop::collection::vec(one, 0..12).prop_map(|all| {
            let mut changes = Changes::default();
            for (day, plan, what, by) in all {
                let plan = format!("plan {plan}").into();
                let origin = Origin {
                    day: Day(day),
                    plan,
                };
                changes.at(origin, |tally| tally.count(what >> 13, by));
            }
            changes
        })
    }

    proptest! {
        #[test]
        fn changes_come_back_from_their_bytes(changes in changes()) {
            let mut bytes = Vec::new();
            changes.pack(&mut Packer(&mut bytes));
            prop_assert_eq!(Changes::unpack(&mut Unpacker(&bytes)), Ok(changes));
        }

        #[test]
        fn what_was_added_is_taken_out_without_a_trace(one in changes(), other in changes()) {
            let mut sum = one.clone();
            sum.add(&other);
            sum.subtract(&other);
            prop_assert_eq!(sum, one);
        }

        #[test]
        fn any_bytes_are_refused_or_read(bytes: Vec<u8>) {
            _ = Changes::unpack(&mut Unpacker(&bytes));
        }
    }

    #[test]
    fn an_active_day_counts_for_its_day_its_week_and_all_ages_before_it() {
        let bits = |age| Back::on(age).bits().collect::<Vec<_>>();
        let (d, w, s) = (Back::day, Back::week, Back::since);
        assert_eq!(bits(0), [d(0)]);
        assert_eq!(bits(1), [d(1), w(1), s(0)]);
        assert_eq!(bits(7), [d(7), w(1), s(0), s(1)]);
        assert_eq!(bits(8), [d(8), w(2), s(0), s(1)]);
        assert_eq!(bits(31), [w(5), s(0), s(1), s(2)]);
        assert_eq!(bits(84), [w(12), s(0), s(1), s(2)]);
        assert_eq!(bits(85), [s(0), s(1), s(2)]);
        assert_eq!(bits(-1), []);
    }
}
