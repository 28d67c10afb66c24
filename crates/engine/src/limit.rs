//! Which segments of a dimension are told: no more than so many, the first by name.
//!
//! A segment that was beyond once stays so, since what its accounts said meanwhile was not kept; so the others are
//! whole, whatever comes.

use std::collections::BTreeMap;

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

/// The segments that a shard keeps, by dimension, with how many sums each has.
#[derive(Default)]
pub(crate) struct Limit {
    sums: BTreeMap<Box<str>, BTreeMap<Box<str>, u32>>,
    pub(crate) last: Last,
}

impl Limit {
    /// A sum of a segment is kept from now on. Says which segment that puts beyond the limit, if one.
    pub(crate) fn enters(
        &mut self,
        dimension: &str,
        segment: &str,
        most: usize,
    ) -> Option<Box<str>> {
        let segments = self.sums.entry(dimension.into()).or_default();
        *segments.entry(segment.into()).or_default() += 1;
        if segments.len() <= most.max(1) {
            return None;
        }
        let (beyond, _) = segments.pop_last()?;
        let (last, _) = segments.last_key_value()?;
        self.last.0.insert(dimension.into(), last.clone());
        Some(beyond)
    }

    /// A sum of a segment is kept no more.
    pub(crate) fn leaves(&mut self, dimension: &str, segment: &str) {
        let Some(segments) = self.sums.get_mut(dimension) else {
            return;
        };
        if let Some(sums) = segments.get_mut(segment) {
            *sums -= 1;
            if *sums == 0 {
                segments.remove(segment);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_by_name_stay_and_what_was_beyond_never_comes_back() {
        let mut limit = Limit::default();
        let mut enters = |segment| limit.enters("region", segment, 2);
        assert_eq!(enters("west"), None);
        assert_eq!(enters("west"), None);
        assert_eq!(enters("east"), None);
        assert_eq!(enters("north").as_deref(), Some("west"));
        assert!(limit.last.admits("region", "north") && limit.last.admits("plan", "west"));
        limit.leaves("region", "east");
        assert!(!limit.last.admits("region", "west"));
    }
}
