//! What became of a commit whose answer was lost, told from the group's offsets.
//!
//! A transaction's offsets carry `state id:epoch` as metadata, and offsets and records are committed
//! together. So the group's offsets, read after the old producer was fenced, say what happened.

use std::collections::BTreeMap;

use crate::{Mark, ReadBack, ShardNo};

/// What became of one shard's slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The offsets are of this epoch.
    Committed,
    /// The offsets are of the epoch before: nothing took effect, nor will.
    Nothing,
    /// The offsets are of some other epoch or state: someone else was here.
    Strange,
}

/// Judges the shards of one transaction, each asked about with its marks before and after.
pub(super) fn judge(
    asked: &[(ShardNo, Option<Mark>, Mark)],
    answers: &[ReadBack],
) -> BTreeMap<ShardNo, Verdict> {
    let mut verdicts: BTreeMap<_, _> = asked
        .iter()
        .map(|&(shard, before, after)| {
            let answer = answers.iter().find(|answer| answer.shard == shard);
            let marks = answer.map_or(&[][..], |answer| &answer.marks);
            (shard, one(marks, before, after))
        })
        .collect();
    // A transaction takes effect as a whole. If one shard's did, offsets of the epoch before were put back
    // by somebody, and producing again would count twice.
    if verdicts
        .values()
        .any(|&verdict| verdict == Verdict::Committed)
    {
        for verdict in verdicts.values_mut() {
            if *verdict == Verdict::Nothing {
                *verdict = Verdict::Strange;
            }
        }
    }
    verdicts
}

fn one(marks: &[Option<Mark>], before: Option<Mark>, after: Mark) -> Verdict {
    if marks.is_empty() {
        return Verdict::Strange;
    }
    if marks.iter().all(|&mark| mark == Some(after)) {
        return Verdict::Committed;
    }
    // A source that is new to the config has no offset before its shard's first commit.
    if marks.iter().all(|&mark| mark.is_none() || mark == before) {
        return Verdict::Nothing;
    }
    Verdict::Strange
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Epoch, StateId};

    fn mark(state: u128, n: u64) -> Option<Mark> {
        Some(Mark {
            state: StateId(state),
            epoch: Epoch { term: 1, n },
        })
    }

    fn verdict(marks: &[Option<Mark>], before: Option<Mark>) -> Verdict {
        one(marks, before, mark(1, 5).unwrap())
    }

    #[test]
    fn this_epoch_on_every_source_is_committed() {
        assert_eq!(verdict(&[mark(1, 5); 2], mark(1, 4)), Verdict::Committed);
    }

    #[test]
    fn the_epoch_before_is_nothing() {
        assert_eq!(verdict(&[mark(1, 4); 2], mark(1, 4)), Verdict::Nothing);
    }

    #[test]
    fn no_offset_is_nothing_for_a_first_commit() {
        assert_eq!(verdict(&[None], None), Verdict::Nothing);
    }

    #[test]
    fn a_source_new_to_the_config_may_have_no_offset() {
        assert_eq!(verdict(&[mark(1, 4), None], mark(1, 4)), Verdict::Nothing);
    }

    #[test]
    fn any_other_epoch_is_strange() {
        assert_eq!(verdict(&[mark(1, 6)], mark(1, 4)), Verdict::Strange);
        assert_eq!(verdict(&[mark(1, 3)], mark(1, 4)), Verdict::Strange);
    }

    #[test]
    fn another_state_is_strange() {
        assert_eq!(verdict(&[mark(2, 5)], mark(1, 4)), Verdict::Strange);
        assert_eq!(verdict(&[mark(2, 1)], None), Verdict::Strange);
    }

    #[test]
    fn sources_that_disagree_are_strange() {
        assert_eq!(
            verdict(&[mark(1, 5), mark(1, 4)], mark(1, 4)),
            Verdict::Strange
        );
        assert_eq!(verdict(&[mark(1, 5), None], mark(1, 4)), Verdict::Strange);
    }

    #[test]
    fn no_answer_is_strange() {
        assert_eq!(verdict(&[], None), Verdict::Strange);
    }

    #[test]
    fn a_transaction_takes_effect_as_a_whole_or_not_at_all() {
        let (a, b) = (ShardNo(0), ShardNo(1));
        let after = mark(1, 5).unwrap();
        let asked = [(a, mark(1, 4), after), (b, mark(1, 4), after)];
        let answer = |shard, mark| ReadBack {
            shard,
            marks: vec![mark],
        };
        let verdicts = judge(&asked, &[answer(a, mark(1, 5)), answer(b, mark(1, 4))]);
        assert_eq!(verdicts[&a], Verdict::Committed);
        assert_eq!(verdicts[&b], Verdict::Strange);
    }
}
