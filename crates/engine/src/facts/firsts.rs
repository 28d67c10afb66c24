//! What happened for the first time, and when: the first use of a feature, a milestone of activation or
//! onboarding. Of a user, or of an account.

use mainstay_model::{Day, Timestamp};

use crate::pack::{Malformed, Packer, Unpacker};
use crate::settings::Settings;
use crate::terms::Milestone;

/// First times, by what happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Firsts(Vec<First>);

/// The first time of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct First {
    what: u16,
    pub(crate) at: Timestamp,
    pub(crate) day: Day,
}

/// What can happen for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// A use of a feature, by its number.
    Feature(u8),
    Milestone(Milestone),
}

impl Deed {
    fn number(self) -> u16 {
        match self {
            Deed::Feature(no) => no.into(),
            Deed::Milestone(Milestone(no)) => Settings::MOST_FEATURES as u16 + no,
        }
    }
}

impl Firsts {
    /// Something happened. Says whether that was the first time, as far as is known.
    pub(crate) fn saw(&mut self, deed: Deed, at: Timestamp, day: Day) -> bool {
        let what = deed.number();
        let new = First { what, at, day };
        match self.0.binary_search_by_key(&what, |first| first.what) {
            // By day before time, which differ only where the account has changed its zone: so nothing that happens
            // changes a value of a day before its own.
            Ok(place) if (day, at) < (self.0[place].day, self.0[place].at) => self.0[place] = new,
            Ok(_) => return false,
            Err(place) => self.0.insert(place, new),
        }
        true
    }

    /// The first time of something, if it came by the end of a day.
    pub(crate) fn of(&self, deed: Deed, day: Day) -> Option<&First> {
        let what = deed.number();
        let place = self
            .0
            .binary_search_by_key(&what, |first| first.what)
            .ok()?;
        Some(&self.0[place]).filter(|first| first.day <= day)
    }

    /// The first uses of features by the end of a day, by the number of the feature.
    pub(crate) fn features(&self, day: Day) -> impl Iterator<Item = (u8, &First)> {
        let features = self.0.iter();
        features
            .take_while(|first| usize::from(first.what) < Settings::MOST_FEATURES)
            .filter(move |first| first.day <= day)
            .map(|first| (first.what as u8, first))
    }

    /// When the last of several milestones was reached, if all were by the end of a day.
    pub(crate) fn all(&self, milestones: &[Milestone], day: Day) -> Option<&First> {
        let mut last: Option<&First> = None;
        for milestone in milestones {
            let first = self.of(Deed::Milestone(*milestone), day)?;
            last = last.max_by_time(first);
        }
        last
    }

    /// How many of several milestones were reached by the end of a day, and the newest of them.
    pub(crate) fn some(&self, milestones: &[Milestone], day: Day) -> (u64, Option<&First>) {
        let reached = milestones
            .iter()
            .filter_map(|milestone| self.of(Deed::Milestone(*milestone), day));
        reached.fold((0, None), |(n, newest), first| {
            (n + 1, newest.max_by_time(first))
        })
    }

    pub(crate) fn bytes(&self) -> usize {
        size_of::<Firsts>() + self.0.capacity() * size_of::<First>()
    }

    pub(crate) fn pack(&self, to: &mut Packer<'_>) {
        to.uint(self.0.len() as u64);
        for first in &self.0 {
            to.uint(first.what.into());
            to.int(first.day.0.into());
            to.int(first.at.0 - i64::from(first.day.0) * DAY_MS);
        }
    }

    pub(crate) fn unpack(from: &mut Unpacker<'_>) -> Result<Firsts, Malformed> {
        let len = from.uint()?;
        let first = |from: &mut Unpacker<'_>| -> Result<First, Malformed> {
            let what = u16::try_from(from.uint()?).map_err(|_| Malformed)?;
            let day = from.day()?;
            let at = from.int()?.checked_add(i64::from(day.0) * DAY_MS);
            let at = Timestamp(at.ok_or(Malformed)?);
            Ok(First { what, at, day })
        };
        let firsts = (0..len).map(|_| first(from)).collect::<Result<_, _>>()?;
        Ok(Firsts(firsts))
    }
}

const DAY_MS: i64 = 24 * 3_600_000;

trait MaxByTime<'a> {
    fn max_by_time(self, other: &'a First) -> Option<&'a First>;
}

impl<'a> MaxByTime<'a> for Option<&'a First> {
    fn max_by_time(self, other: &'a First) -> Option<&'a First> {
        Some(self.filter(|known| known.at >= other.at).unwrap_or(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: Deed = Deed::Milestone(Milestone(0));

    #[test]
    fn the_earliest_time_holds_whenever_it_arrives() {
        let mut firsts = Firsts::default();
        assert!(firsts.saw(SENT, Timestamp(50), Day(5)));
        assert!(!firsts.saw(SENT, Timestamp(60), Day(6)));
        assert!(firsts.saw(SENT, Timestamp(40), Day(4)));
        assert!(firsts.of(SENT, Day(3)).is_none());
        assert_eq!(firsts.of(SENT, Day(4)).unwrap().at, Timestamp(40));
    }

    #[test]
    fn all_are_reached_with_the_last_of_them() {
        let mut firsts = Firsts::default();
        let both = [Milestone(0), Milestone(1)];
        firsts.saw(Deed::Feature(3), Timestamp(90), Day(9));
        firsts.saw(SENT, Timestamp(50), Day(5));
        assert_eq!(firsts.all(&both, Day(9)), None);
        firsts.saw(Deed::Milestone(Milestone(1)), Timestamp(30), Day(3));
        assert_eq!(firsts.all(&both, Day(9)).unwrap().day, Day(5));
        assert_eq!(firsts.all(&both, Day(4)), None);
        assert_eq!(firsts.some(&both, Day(4)).0, 1);
        assert_eq!(firsts.features(Day(9)).count(), 1);
    }

    #[test]
    fn first_times_come_back_from_their_bytes() {
        let mut firsts = Firsts::default();
        firsts.saw(Deed::Feature(3), Timestamp(86_400_000 * 9 - 5), Day(9));
        firsts.saw(SENT, Timestamp(-50), Day(0));
        let mut bytes = Vec::new();
        firsts.pack(&mut Packer(&mut bytes));
        assert_eq!(Firsts::unpack(&mut Unpacker(&bytes)), Ok(firsts));
    }
}
