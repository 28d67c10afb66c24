//! The record on which the logic panicked: twice, and it becomes a dead letter.
//!
//! A panic may have left the engine in any state, so it is dropped and restored, and the records since are
//! applied again. The one in hand is remembered; if it panics again, the next time it is given up.

use std::collections::BTreeMap;

use mainstay_commit::ShardNo;

use crate::SourceNo;

/// Panics outside of any record, in this many stays of a shard in a row, end the process.
const HOPELESS: u32 = 3;

type Record = (ShardNo, SourceNo, i64);

/// What to do with the record in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Apply it.
    Apply,
    /// It failed twice: give it up.
    GiveUp,
}

/// Records in hand when the logic panicked.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    panics: BTreeMap<Record, u32>,
    elsewhere: BTreeMap<ShardNo, u32>,
    in_hand: Option<Record>,
}

impl Suspects {
    /// The record is taken in hand.
    pub(super) fn at(&mut self, shard: ShardNo, source: SourceNo, offset: i64) -> Verdict {
        let record = (shard, source, offset);
        self.in_hand = Some(record);
        match self.panics.get(&record) {
            Some(2..) => Verdict::GiveUp,
            Some(_) | None => Verdict::Apply,
        }
    }

    /// No record is in hand.
    pub(super) fn at_work(&mut self) {
        self.in_hand = None;
    }

    /// The logic panicked. Says whether there is no hope that it will not do so for ever.
    pub(super) fn panicked(&mut self, shard: ShardNo) -> bool {
        let panics = match self.in_hand.take() {
            Some(record) => self.panics.entry(record).or_default(),
            None => self.elsewhere.entry(shard).or_default(),
        };
        *panics += 1;
        *panics >= HOPELESS
    }

    /// A slice of the shard was committed, which now stands at these offsets: a record that it has passed
    /// twice over is no suspect any more.
    pub(super) fn committed(
        &mut self,
        shard: ShardNo,
        next: impl Iterator<Item = (SourceNo, i64)>,
    ) {
        self.elsewhere.remove(&shard);
        if self.panics.is_empty() {
            return;
        }
        for (source, next) in next {
            self.panics
                .retain(|(of, from, offset), _| (*of, *from) != (shard, source) || *offset >= next);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARD: ShardNo = ShardNo(1);
    const SOURCE: SourceNo = SourceNo(0);

    #[test]
    fn a_record_is_given_up_the_third_time_and_no_other_is() {
        let mut suspects = Suspects::default();
        assert_eq!(suspects.at(SHARD, SOURCE, 5), Verdict::Apply);
        assert!(!suspects.panicked(SHARD));
        assert_eq!(suspects.at(SHARD, SOURCE, 4), Verdict::Apply);
        assert_eq!(suspects.at(SHARD, SOURCE, 5), Verdict::Apply);
        assert!(!suspects.panicked(SHARD));
        assert_eq!(suspects.at(SHARD, SOURCE, 5), Verdict::GiveUp);
        assert!(suspects.panicked(SHARD), "even giving it up panics");
    }

    #[test]
    fn panics_outside_of_records_end_the_process_only_in_a_row() {
        let mut suspects = Suspects::default();
        for _ in 0..5 {
            suspects.at_work();
            assert!(!suspects.panicked(SHARD));
            suspects.committed(SHARD, [(SOURCE, 9)].into_iter());
        }
        assert!(!suspects.panicked(SHARD));
        assert!(!suspects.panicked(SHARD));
        assert!(suspects.panicked(SHARD));
    }
}
