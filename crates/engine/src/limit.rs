//! Which segments of a dimension are told: no more than so many, the first by name.
//!
//! A segment that was beyond once stays so, since what its accounts said meanwhile was not kept; so the others are
//! whole, whatever comes.

use std::collections::BTreeMap;

use crate::groups::GroupDay;
use crate::pack::{Malformed, Packer, Unpacker};

/// The last segment that is told, by dimension; of other dimensions every segment is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Last(BTreeMap<Box<str>, Box<str>>);

impl Last {
    pub(crate) fn admits(&self, dimension: &str, segment: &str) -> bool {
        let last = self.0.get(dimension);
        last.is_none_or(|last| segment <= &**last)
    }

    /// How many dimensions have segments that are not told.
    pub(crate) fn dimensions(&self) -> usize {
        self.0.len()
    }

    /// What both tell.
    pub(crate) fn both(mut self, other: &Last) -> Last {
        for (dimension, last) in &other.0 {
            match self.0.get_mut(dimension) {
                Some(mine) if *mine <= *last => {}
                Some(mine) => mine.clone_from(last),
                None => _ = self.0.insert(dimension.clone(), last.clone()),
            }
        }
        self
    }

    pub(crate) fn pack(&self, to: &mut Packer<'_>) {
        to.uint(self.0.len() as u64);
        for (dimension, last) in &self.0 {
            to.bytes(dimension.as_bytes());
            to.bytes(last.as_bytes());
        }
    }

    pub(crate) fn unpack(from: &mut Unpacker<'_>) -> Result<Last, Malformed> {
        let len = from.uint()?;
        let pairs = (0..len).map(|_| Ok((from.text()?.into(), from.text()?.into())));
        Ok(Last(pairs.collect::<Result<_, Malformed>>()?))
    }
}

/// The segments that a shard keeps, by dimension, with how many days each has.
#[derive(Default)]
pub(crate) struct Limit {
    days: BTreeMap<Box<str>, BTreeMap<Box<str>, u32>>,
    pub(crate) last: Last,
}

impl Limit {
    /// A day of a segment is kept from now on. Says which segment that puts beyond the limit, if one.
    pub(crate) fn enters(&mut self, name: &GroupDay, most: usize) -> Option<Box<str>> {
        let segments = self.days.entry(name.dimension.clone()).or_default();
        *segments.entry(name.segment.clone()).or_default() += 1;
        if segments.len() <= most.max(1) {
            return None;
        }
        let (beyond, _) = segments.pop_last()?;
        let (last, _) = segments.last_key_value()?;
        self.last.0.insert(name.dimension.clone(), last.clone());
        Some(beyond)
    }

    /// A day of a segment is kept no more.
    pub(crate) fn leaves(&mut self, name: &GroupDay) {
        let Some(segments) = self.days.get_mut(&name.dimension) else {
            return;
        };
        if let Some(days) = segments.get_mut(&name.segment) {
            *days -= 1;
            if *days == 0 {
                segments.remove(&name.segment);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mainstay_model::Day;

    #[test]
    fn the_first_by_name_stay_and_what_was_beyond_never_comes_back() {
        let day = |segment: &str, day| GroupDay {
            day: Day(day),
            dimension: "region".into(),
            segment: segment.into(),
        };
        let mut limit = Limit::default();
        assert_eq!(limit.enters(&day("west", 1), 2), None);
        assert_eq!(limit.enters(&day("west", 2), 2), None);
        assert_eq!(limit.enters(&day("east", 1), 2), None);
        assert_eq!(limit.enters(&day("north", 1), 2).as_deref(), Some("west"));
        assert!(limit.last.admits("region", "north") && limit.last.admits("plan", "west"));
        limit.leaves(&day("east", 1));
        assert!(!limit.last.admits("region", "west"));
    }
}
