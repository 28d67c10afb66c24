//! Which users of an account are known on a day: signed up or seen, and not removed.
//!
//! Nearly all users sign up once and stay: they cost nothing here. What is kept here is removals, and
//! sign-ups other than a user's first.

use std::collections::BTreeMap;

use mainstay_model::{Day, Timestamp};

use super::users::UserNo;
use crate::pack::{Malformed, Packer, Unpacker};

/// The comings and goings of an account's users.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Membership {
    turns: BTreeMap<UserNo, Vec<Turn>>,
}

/// In the order of time; at one instant the removal is the later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    at: Timestamp,
    removed: bool,
    day: Day,
}

impl Membership {
    pub(crate) fn removed(&mut self, user: UserNo, at: Timestamp, day: Day) {
        self.turn(
            user,
            Turn {
                at,
                removed: true,
                day,
            },
        );
    }

    /// A sign-up that may end a removal.
    pub(crate) fn signed_up(&mut self, user: UserNo, at: Timestamp, day: Day) {
        self.turn(
            user,
            Turn {
                at,
                removed: false,
                day,
            },
        );
    }

    fn turn(&mut self, user: UserNo, turn: Turn) {
        let turns = self.turns.entry(user).or_default();
        let Err(place) = turns.binary_search(&turn) else {
            return;
        };
        turns.insert(place, turn);
        // Of a day only the last turn is ever asked for, and whether there was a removal.
        let of_day = || turns.iter().filter(|known| known.day == turn.day);
        let last = of_day().next_back().copied();
        let removal = of_day().rfind(|known| known.removed).copied();
        turns.retain(|known| {
            known.day != turn.day || Some(*known) == last || Some(*known) == removal
        });
    }

    /// As if one user were the only one, number 0.
    pub(crate) fn only(&self, user: UserNo) -> Membership {
        let turns = self.turns.get(&user);
        Membership {
            turns: turns.map(|turns| (0, turns.clone())).into_iter().collect(),
        }
    }

    /// Whether a user was ever removed, or signed up more than once.
    pub(crate) fn has_turns(&self, user: UserNo) -> bool {
        self.turns.contains_key(&user)
    }

    /// Whether a user is removed at the end of a day.
    pub(crate) fn is_removed(&self, user: UserNo, day: Day) -> bool {
        let turns = self.turns.get(&user).map_or(&[][..], Vec::as_slice);
        turns
            .iter()
            .rev()
            .find(|turn| turn.day <= day)
            .is_some_and(|turn| turn.removed)
    }

    /// Since when a user who was removed once is back, by the sign-up that ended the removal, as of a day.
    pub(crate) fn back_since(&self, user: UserNo, day: Day) -> Option<Day> {
        let turns = self.turns.get(&user)?;
        let removed = turns
            .iter()
            .rposition(|turn| turn.removed && turn.day <= day)?;
        let back = turns[removed + 1..].iter().find(|turn| turn.day <= day);
        back.map(|turn| turn.day)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// Forgets turns that a later one before `oldest` has overruled.
    pub(crate) fn forget_before(&mut self, oldest: Day) {
        for turns in self.turns.values_mut() {
            let before = turns.iter().take_while(|turn| turn.day < oldest).count();
            turns.drain(..before.saturating_sub(1));
        }
    }

    /// Writes the turns of one user: they are part of the user's record, so that no account's record grows
    /// with its users.
    pub(crate) fn pack(&self, user: UserNo, to: &mut Packer<'_>) {
        let turns = self.turns.get(&user).map_or(&[][..], Vec::as_slice);
        to.uint(turns.len() as u64);
        for turn in turns {
            to.int(turn.at.0);
            to.int(i64::from(turn.day.0));
            to.uint(u64::from(turn.removed));
        }
    }

    pub(crate) fn unpack(
        &mut self,
        user: UserNo,
        from: &mut Unpacker<'_>,
    ) -> Result<(), Malformed> {
        for _ in 0..from.uint()? {
            let (at, day) = (Timestamp(from.int()?), from.day()?);
            let removed = from.uint()? == 1;
            self.turn(user, Turn { at, removed, day });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removal_holds_until_a_later_sign_up() {
        let mut membership = Membership::default();
        membership.signed_up(1, Timestamp(30), Day(3));
        membership.removed(1, Timestamp(20), Day(2));
        let removed: Vec<i32> = (0..6)
            .filter(|day| membership.is_removed(1, Day(*day)))
            .collect();
        assert_eq!(removed, [2]);
    }

    #[test]
    fn who_was_removed_is_back_since_the_first_sign_up_after_it() {
        let mut membership = Membership::default();
        membership.signed_up(1, Timestamp(10), Day(1));
        membership.removed(1, Timestamp(20), Day(2));
        membership.signed_up(1, Timestamp(40), Day(4));
        membership.signed_up(1, Timestamp(60), Day(6));
        let back: Vec<_> = (1..8)
            .map(|day| membership.back_since(1, Day(day)))
            .collect();
        let fourth = Some(Day(4));
        assert_eq!(back, [None, None, None, fourth, fourth, fourth, fourth]);
        assert_eq!(membership.back_since(2, Day(9)), None);
    }

    #[test]
    fn a_removal_and_a_return_on_one_day_are_kept() {
        let mut membership = Membership::default();
        membership.signed_up(1, Timestamp(10), Day(1));
        membership.signed_up(1, Timestamp(43), Day(4));
        membership.signed_up(1, Timestamp(41), Day(4));
        membership.removed(1, Timestamp(42), Day(4));
        assert!(!membership.is_removed(1, Day(4)));
        assert_eq!(membership.back_since(1, Day(5)), Some(Day(4)));
    }

    #[test]
    fn at_one_instant_the_removal_wins() {
        let mut membership = Membership::default();
        membership.removed(1, Timestamp(20), Day(2));
        membership.signed_up(1, Timestamp(20), Day(2));
        assert!(membership.is_removed(1, Day(2)));
    }

    #[test]
    fn what_was_overruled_is_forgotten_and_the_last_word_kept() {
        let mut membership = Membership::default();
        for day in 0..50 {
            membership.removed(1, Timestamp(day), Day(day as i32));
        }
        membership.forget_before(Day(40));
        assert!(membership.is_removed(1, Day(39)));
        assert_eq!(membership.turns[&1].len(), 11);
    }
}
