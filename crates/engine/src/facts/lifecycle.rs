//! When an account begins and ends: its first event, its creation, its deletion.
//!
//! An account has a final record for every day from that of its first event to that of its deletion; a
//! later creation brings it back.

use mainstay_model::{Day, Timestamp};

use crate::pack::{Malformed, Packer, Unpacker};

/// The beginning and the end of one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lifecycle {
    /// The day of the earliest event of any type.
    pub(crate) first: Day,
    /// The instant of that event.
    pub(crate) first_at: Timestamp,
    /// The day of the earliest product event.
    pub(crate) first_product: Option<Day>,
    /// The earliest creation.
    created: Option<(Timestamp, Day)>,
    /// Creations and deletions in the order of time, two a day at most.
    turns: Vec<Turn>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    at: Timestamp,
    deleted: bool,
    day: Day,
}

impl Lifecycle {
    pub(crate) fn new(first: Day) -> Lifecycle {
        Lifecycle {
            first,
            first_at: Timestamp(i64::MAX),
            first_product: None,
            created: None,
            turns: Vec::new(),
        }
    }

    /// Something happened. Says whether nothing did before it.
    pub(crate) fn saw(&mut self, at: Timestamp, day: Day) -> bool {
        // By day before time: see `Firsts::saw`.
        let earlier = (day, at) < (self.first, self.first_at);
        if earlier {
            (self.first, self.first_at) = (day, at);
        }
        earlier
    }

    pub(crate) fn saw_product(&mut self, day: Day) {
        self.first_product = Some(self.first_product.map_or(day, |first| first.min(day)));
    }

    pub(crate) fn create(&mut self, at: Timestamp, day: Day) {
        self.turn(Turn {
            at,
            deleted: false,
            day,
        });
        // By day before time: see `Firsts::saw`.
        let earlier = self
            .created
            .is_none_or(|(known_at, known)| (day, at) < (known, known_at));
        if earlier {
            self.created = Some((at, day));
        }
    }

    pub(crate) fn delete(&mut self, at: Timestamp, day: Day) {
        self.turn(Turn {
            at,
            deleted: true,
            day,
        });
    }

    fn turn(&mut self, turn: Turn) {
        let Err(place) = self.turns.binary_search(&turn) else {
            return;
        };
        self.turns.insert(place, turn);
        // Of a day only the last turn and the last creation are ever asked for.
        let of_day = |known: &&Turn| known.day == turn.day;
        let last = self.turns.iter().rfind(of_day).copied();
        let created = self
            .turns
            .iter()
            .rev()
            .filter(of_day)
            .find(|known| !known.deleted)
            .copied();
        self.turns.retain(|known| {
            known.day != turn.day || Some(*known) == last || Some(*known) == created
        });
    }

    /// Forgets turns that a later one before `oldest` has overruled.
    pub(crate) fn forget_before(&mut self, oldest: Day) {
        let before = self
            .turns
            .iter()
            .take_while(|turn| turn.day < oldest)
            .count();
        self.turns.drain(..before.saturating_sub(1));
    }

    /// Whether the account has a record for a day: the days of its first event and of its deletion count.
    pub(crate) fn is_known_on(&self, day: Day) -> bool {
        let before = self.turns.iter().rev().find(|turn| turn.day < day);
        let back_on_the_day = || {
            self.turns
                .iter()
                .any(|turn| turn.day == day && !turn.deleted)
        };
        day >= self.first && (before.is_none_or(|turn| !turn.deleted) || back_on_the_day())
    }

    /// The day of the deletion, when the account was deleted and did not come back.
    pub(crate) fn deleted_on(&self) -> Option<Day> {
        self.turns
            .last()
            .filter(|turn| turn.deleted)
            .map(|turn| turn.day)
    }

    /// The day from which its age counts: that of its creation, else of its first event.
    pub(crate) fn begun(&self, day: Day) -> Day {
        self.begun_at(day).1
    }

    /// The instant and the day of its creation, else of its first event, as was known at the end of a day.
    pub(crate) fn begun_at(&self, day: Day) -> (Timestamp, Day) {
        self.created
            .filter(|(_, created)| *created <= day)
            .unwrap_or((self.first_at, self.first))
    }

    pub(crate) fn pack(&self, to: &mut Packer<'_>) {
        to.int(i64::from(self.first.0));
        to.int(self.first_at.0);
        to.uint(u64::from(self.first_product.is_some()));
        to.int(i64::from(self.first_product.unwrap_or_default().0));
        to.uint(u64::from(self.created.is_some()));
        let (at, day) = self.created.unwrap_or_default();
        to.int(at.0);
        to.int(i64::from(day.0));
        to.uint(self.turns.len() as u64);
        for turn in &self.turns {
            to.int(turn.at.0);
            to.int(i64::from(turn.day.0));
            to.uint(u64::from(turn.deleted));
        }
    }

    pub(crate) fn unpack(from: &mut Unpacker<'_>) -> Result<Lifecycle, Malformed> {
        let (first, first_at) = (from.day()?, Timestamp(from.int()?));
        let (has_product, product) = (from.uint()? == 1, from.day()?);
        let (is_created, at, day) = (from.uint()? == 1, Timestamp(from.int()?), from.day()?);
        let turns = from.uint()?;
        let turn = |from: &mut Unpacker<'_>| -> Result<Turn, Malformed> {
            let (at, day) = (Timestamp(from.int()?), from.day()?);
            Ok(Turn {
                at,
                day,
                deleted: from.uint()? == 1,
            })
        };
        Ok(Lifecycle {
            first,
            first_at,
            first_product: has_product.then_some(product),
            created: is_created.then_some((at, day)),
            turns: (0..turns).map(|_| turn(from)).collect::<Result<_, _>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_days_of_the_first_event_and_of_the_deletion_are_the_first_and_the_last() {
        let mut lifecycle = Lifecycle::new(Day(10));
        lifecycle.delete(Timestamp(1), Day(20));
        let known: Vec<i32> = (8..24)
            .filter(|day| lifecycle.is_known_on(Day(*day)))
            .collect();
        assert_eq!(known, (10..=20).collect::<Vec<_>>());
        assert_eq!(lifecycle.deleted_on(), Some(Day(20)));
    }

    #[test]
    fn a_later_creation_brings_an_account_back() {
        let mut lifecycle = Lifecycle::new(Day(10));
        lifecycle.create(Timestamp(9), Day(22));
        lifecycle.delete(Timestamp(1), Day(20));
        assert!(!lifecycle.is_known_on(Day(21)));
        assert!(lifecycle.is_known_on(Day(22)));
        assert_eq!(lifecycle.deleted_on(), None);
    }

    #[test]
    fn a_day_of_many_turns_is_kept_as_its_last_words() {
        let mut lifecycle = Lifecycle::new(Day(10));
        for at in 0..1000 {
            lifecycle.create(Timestamp(2 * at), Day(20));
            lifecycle.delete(Timestamp(2 * at + 1), Day(20));
        }
        assert_eq!(lifecycle.turns.len(), 2);
        assert_eq!(lifecycle.deleted_on(), Some(Day(20)));
        lifecycle.delete(Timestamp(-1), Day(15));
        assert!(lifecycle.is_known_on(Day(20)), "created again on that day");
        lifecycle.forget_before(Day(30));
        assert_eq!(lifecycle.turns.len(), 1);
    }

    #[test]
    fn age_counts_from_the_creation_once_it_was() {
        let mut lifecycle = Lifecycle::new(Day(10));
        lifecycle.create(Timestamp(5), Day(15));
        assert_eq!(lifecycle.begun(Day(14)), Day(10));
        assert_eq!(lifecycle.begun(Day(15)), Day(15));
    }
}
