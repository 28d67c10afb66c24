//! What became of the records that a slice has the effects of.

use mainstay_model::{Code, Kind, Timestamp};

/// Counts of a slice, or of many added up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Records read.
    pub read: u64,
    /// Records without a value on an input, ignored.
    pub tombstones: u64,
    /// Events that had been applied before.
    pub duplicates: u64,
    /// Applied events that came after their day was closed.
    pub late: u64,
    /// Fields that nobody knows.
    pub ignored_fields: u64,
    /// The earliest and the latest time of an applied event.
    pub times: Option<(Timestamp, Timestamp)>,
    applied: [u64; Kind::ALL.len()],
    rejected: [u64; Code::ALL.len()],
}

impl Default for Counts {
    fn default() -> Counts {
        Counts {
            read: 0,
            tombstones: 0,
            duplicates: 0,
            late: 0,
            ignored_fields: 0,
            times: None,
            applied: [0; Kind::ALL.len()],
            rejected: [0; Code::ALL.len()],
        }
    }
}

impl Counts {
    /// An event was applied.
    pub fn applied(&mut self, kind: Kind, time: Timestamp, late: bool) {
        self.applied[kind as usize] += 1;
        self.late += u64::from(late);
        let (first, last) = self.times.unwrap_or((time, time));
        self.times = Some((first.min(time), last.max(time)));
    }

    /// A record was refused.
    pub fn rejected(&mut self, code: Code) {
        self.rejected[code as usize] += 1;
    }

    /// Applied events by kind, those with none left out.
    pub fn applied_by_kind(&self) -> impl Iterator<Item = (Kind, u64)> + '_ {
        let all = Kind::ALL.iter().copied().zip(self.applied);
        all.filter(|(_, count)| *count > 0)
    }

    /// Refused records by code, those with none left out.
    pub fn rejected_by_code(&self) -> impl Iterator<Item = (Code, u64)> + '_ {
        let all = Code::ALL.iter().copied().zip(self.rejected);
        all.filter(|(_, count)| *count > 0)
    }

    /// All applied events.
    #[must_use]
    pub fn all_applied(&self) -> u64 {
        self.applied.iter().sum()
    }

    /// All refused records.
    #[must_use]
    pub fn all_rejected(&self) -> u64 {
        self.rejected.iter().sum()
    }

    /// Takes the counts of another slice in.
    pub fn add(&mut self, other: &Counts) {
        self.read += other.read;
        self.tombstones += other.tombstones;
        self.duplicates += other.duplicates;
        self.late += other.late;
        self.ignored_fields += other.ignored_fields;
        self.times = match (self.times, other.times) {
            (Some(one), Some(two)) => Some((one.0.min(two.0), one.1.max(two.1))),
            (one, two) => one.or(two),
        };
        self.applied
            .iter_mut()
            .zip(other.applied)
            .for_each(|(mine, theirs)| *mine += theirs);
        self.rejected
            .iter_mut()
            .zip(other.rejected)
            .for_each(|(mine, theirs)| *mine += theirs);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up() {
        let mut one = Counts::default();
        one.applied(Kind::ProductEvent, Timestamp(5), true);
        one.rejected(Code::TooLate);
        let mut two = Counts::default();
        two.applied(Kind::ProductEvent, Timestamp(3), false);
        two.applied(Kind::UserErased, Timestamp(9), false);
        one.add(&two);
        let applied: Vec<_> = one.applied_by_kind().collect();
        assert_eq!(applied, [(Kind::ProductEvent, 2), (Kind::UserErased, 1)]);
        assert_eq!(
            one.rejected_by_code().collect::<Vec<_>>(),
            [(Code::TooLate, 1)]
        );
        assert_eq!(one.times, Some((Timestamp(3), Timestamp(9))));
        assert_eq!((one.all_applied(), one.all_rejected(), one.late), (3, 1, 1));
    }
}
