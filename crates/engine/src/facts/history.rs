//! A field of an account over time: what it was at the end of any day that can still be asked for.
//!
//! The newest event decides, by its own time and never by its arrival; of two at one instant the greater
//! value does, so that no order of arrival makes a difference.

use mainstay_model::{Day, Timestamp};

use crate::pack::{Malformed, Packer, Unpacker};

/// The values of a field, in the order of time. `None`: it was erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct History<T> {
    turns: Vec<Turn<T>>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Turn<T> {
    at: Timestamp,
    value: Option<T>,
    day: Day,
}

impl<T> Default for History<T> {
    fn default() -> History<T> {
        History { turns: Vec::new() }
    }
}

impl<T: Ord + Clone> History<T> {
    /// The field has this value from `at` on.
    pub(crate) fn set(&mut self, value: Option<T>, at: Timestamp, day: Day) {
        let turn = Turn { at, value, day };
        let Err(place) = self.turns.binary_search(&turn) else {
            return;
        };
        self.turns.insert(place, turn);
        // Of a day only its last value is ever asked for.
        let same_day = |turns: &[Turn<T>]| turns[0].day == turns[1].day;
        let mut place = self.turns.len() - 1;
        while place > 0 {
            place -= 1;
            if same_day(&self.turns[place..place + 2]) {
                self.turns.remove(place);
            }
        }
    }

    /// The value at the end of a day.
    pub(crate) fn as_of(&self, day: Day) -> Option<&T> {
        let newest = self.turns.iter().rev().find(|turn| turn.day <= day);
        newest.and_then(|turn| turn.value.as_ref())
    }

    /// Forgets values that a later one before `oldest` has replaced.
    pub(crate) fn forget_before(&mut self, oldest: Day) {
        let before = self.turns.iter().take_while(|turn| turn.day < oldest);
        let before = before.count();
        self.turns.drain(..before.saturating_sub(1));
    }

    /// Forgets values told before `oldest` that were told already.
    pub(crate) fn forget_repeats_before(&mut self, oldest: Day) {
        self.turns
            .dedup_by(|next, turn| next.day < oldest && next.value == turn.value);
    }

    /// Puts every value on its day in another zone.
    pub(crate) fn redate(&mut self, mut day_of: impl FnMut(Timestamp) -> Day) {
        for turn in std::mem::take(&mut self.turns) {
            self.set(turn.value, turn.at, day_of(turn.at));
        }
    }

    pub(crate) fn pack(&self, to: &mut Packer<'_>, value: impl Fn(&T, &mut Packer<'_>)) {
        to.uint(self.turns.len() as u64);
        for turn in &self.turns {
            to.int(turn.at.0);
            to.int(turn.day.0.into());
            to.uint(u64::from(turn.value.is_some()));
            if let Some(set) = &turn.value {
                value(set, to);
            }
        }
    }

    pub(crate) fn unpack(
        from: &mut Unpacker<'_>,
        value: impl Fn(&mut Unpacker<'_>) -> Result<T, Malformed>,
    ) -> Result<History<T>, Malformed> {
        let len = from.uint()?;
        let turn = |from: &mut Unpacker<'_>| -> Result<Turn<T>, Malformed> {
            let (at, day) = (Timestamp(from.int()?), from.day()?);
            let value = match from.uint()? {
                0 => None,
                _ => Some(value(from)?),
            };
            Ok(Turn { at, value, day })
        };
        let turns = (0..len).map(|_| turn(from)).collect::<Result<_, _>>()?;
        Ok(History { turns })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_day_has_the_value_of_its_end() {
        let mut seats = History::default();
        seats.set(Some(10), Timestamp(50), Day(5));
        seats.set(Some(7), Timestamp(20), Day(2));
        seats.set(Some(8), Timestamp(25), Day(2));
        seats.set(None, Timestamp(70), Day(7));
        let told: Vec<Option<&i32>> = (1..8).map(|day| seats.as_of(Day(day))).collect();
        let (eight, ten) = (Some(&8), Some(&10));
        assert_eq!(told, [None, eight, eight, eight, ten, ten, None]);
    }

    #[test]
    fn a_value_that_was_told_again_and_again_is_kept_once() {
        let mut plan = History::default();
        let told = |day: i32| if day < 10 { "free" } else { "pro" };
        (0..50).for_each(|day| plan.set(Some(told(day)), Timestamp(day.into()), Day(day)));
        plan.forget_repeats_before(Day(40));
        let days: Vec<i32> = plan.turns.iter().map(|turn| turn.day.0).collect();
        assert_eq!(days, [0, 10, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49]);
        assert!((0..50).all(|day| plan.as_of(Day(day)) == Some(&told(day))));
    }

    #[test]
    fn what_was_replaced_is_forgotten_and_the_last_value_kept() {
        let mut seats = History::default();
        (0..50).for_each(|day| seats.set(Some(day), Timestamp(day.into()), Day(day)));
        seats.forget_before(Day(40));
        assert_eq!(seats.as_of(Day(39)), Some(&39));
        assert_eq!(seats.turns.len(), 11);
    }

    proptest! {
        #[test]
        fn no_order_of_arrival_makes_a_difference(
            mut turns in prop::collection::vec((0i64..40, prop::option::of(0u32..5)), 1..20)
                .prop_shuffle(),
        ) {
            let of = |turns: &[(i64, Option<u32>)]| {
                let mut history = History::default();
                turns.iter().for_each(|(at, value)| {
                    history.set(*value, Timestamp(*at), Day((*at / 4) as i32));
                });
                history
            };
            let shuffled = of(&turns);
            turns.sort_unstable();
            prop_assert_eq!(of(&turns), shuffled);
        }

        #[test]
        fn a_history_comes_back_from_its_bytes(
            turns in prop::collection::vec((0i64..40, prop::option::of(0u32..5)), 0..20),
        ) {
            let mut history = History::default();
            for (at, value) in turns {
                history.set(value, Timestamp(at), Day((at / 4) as i32));
            }
            let mut bytes = Vec::new();
            history.pack(&mut Packer(&mut bytes), |value, to| to.uint((*value).into()));
            let back = History::unpack(&mut Unpacker(&bytes), |from| from.u32());
            prop_assert_eq!(back, Ok(history));
        }
    }
}
