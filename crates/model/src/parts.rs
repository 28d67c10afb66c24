//! The parts that a value is told from: what is kept, merged and compared.
//!
//! A value is told from parts, for an account, a segment, the fleet and a cohort alike, so a group's ratio
//! is the sum of its numerators over the sum of its denominators and a group's median that of all its
//! users. No float is ever merged.

/// What a metric's value is told from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Parts {
    /// The zero of [`Parts::add`]: this account has no say in the metric.
    #[default]
    Nothing,
    /// Exact sums, of which each metric says what they are: a count `[n]`; a ratio `[part, whole]`; a
    /// trend `[recent, its days, base, its days]`.
    Sums([i128; 4]),
    /// Exact counts by a small key.
    Table(Sorted<u32>),
    /// HDR bucket to count: durations.
    Spread(Sorted<u16>),
    /// The greatest of its kind: a newest day.
    Newest(i64),
}

impl Parts {
    /// Of one sum.
    #[must_use]
    pub const fn sum(sum: i128) -> Parts {
        Parts::Sums([sum, 0, 0, 0])
    }

    /// Of a quotient that may be below 0: what is divided, and by what.
    #[must_use]
    pub const fn quotient(part: i128, whole: i128) -> Parts {
        Parts::Sums([part, whole, 0, 0])
    }

    /// Takes the parts of another account in. Commutative and associative, with `Nothing` as zero.
    ///
    /// # Panics
    /// When the two are of different metrics, which the catalogue rules out.
    pub fn add(&mut self, other: &Parts) {
        match (&mut *self, other) {
            (_, Parts::Nothing) => {}
            (Parts::Nothing, _) => *self = other.clone(),
            (Parts::Sums(mine), Parts::Sums(theirs)) => {
                mine.iter_mut()
                    .zip(theirs)
                    .for_each(|(mine, theirs)| *mine += theirs);
            }
            (Parts::Table(mine), Parts::Table(theirs)) => mine.add(theirs),
            (Parts::Spread(mine), Parts::Spread(theirs)) => mine.add(theirs),
            (Parts::Newest(mine), Parts::Newest(theirs)) => *mine = (*mine).max(*theirs),
            (Parts::Sums(_) | Parts::Table(_) | Parts::Spread(_) | Parts::Newest(_), _) => {
                unreachable!("parts of two different metrics are never added: {self:?}, {other:?}")
            }
        }
    }

    /// Takes parts that were added before out again. The newest of something has no way back.
    ///
    /// What never was added is a mistake of the caller: it panics where debug assertions are on, and else stays out.
    pub fn subtract(&mut self, other: &Parts) {
        match (&mut *self, other) {
            (_, Parts::Nothing) => {}
            (Parts::Sums(mine), Parts::Sums(theirs)) => {
                mine.iter_mut()
                    .zip(theirs)
                    .for_each(|(mine, theirs)| *mine -= theirs);
            }
            (Parts::Table(mine), Parts::Table(theirs)) => mine.subtract(theirs),
            (Parts::Spread(mine), Parts::Spread(theirs)) => mine.subtract(theirs),
            (
                Parts::Nothing
                | Parts::Sums(_)
                | Parts::Table(_)
                | Parts::Spread(_)
                | Parts::Newest(_),
                _,
            ) => debug_assert!(
                false,
                "only what was added is taken out: {self:?}, {other:?}"
            ),
        }
    }

    /// Parts of a count.
    #[must_use]
    pub fn count(n: u64) -> Parts {
        Parts::Sums([i128::from(n), 0, 0, 0])
    }

    /// Parts of a quotient.
    #[must_use]
    pub fn ratio(part: u64, whole: u64) -> Parts {
        Parts::Sums([i128::from(part), i128::from(whole), 0, 0])
    }
}

/// Counts by key, in the order of the keys, none of them 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sorted<K>(Vec<(K, u64)>);

impl<K> Default for Sorted<K> {
    fn default() -> Self {
        Sorted(Vec::new())
    }
}

impl<K: Copy + Ord> Sorted<K> {
    /// Counts one key `by` more.
    pub fn count(&mut self, key: K, by: u64) {
        if by == 0 {
            return;
        }
        match self.0.binary_search_by_key(&key, |(key, _)| *key) {
            Ok(found) => self.0[found].1 += by,
            Err(place) => self.0.insert(place, (key, by)),
        }
    }

    /// Takes the counts of another in.
    pub fn add(&mut self, other: &Sorted<K>) {
        for (key, by) in &other.0 {
            self.count(*key, *by);
        }
    }

    /// Takes counts that were added before out again, as [`Parts::subtract`] does.
    pub fn subtract(&mut self, other: &Sorted<K>) {
        for (key, by) in &other.0 {
            let place = self.0.binary_search_by_key(key, |(key, _)| *key);
            debug_assert!(place.is_ok(), "only what was added is taken out");
            let Ok(place) = place else { continue };
            let was = self.0[place].1;
            debug_assert!(was >= *by, "no more is taken out than was added");
            match was.saturating_sub(*by) {
                0 => _ = self.0.remove(place),
                left => self.0[place].1 = left,
            }
        }
    }

    /// Keys and counts, by rising key.
    pub fn iter(&self) -> impl Iterator<Item = (K, u64)> + Clone + '_ {
        self.0.iter().copied()
    }

    /// The sum of all counts.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().map(|(_, count)| count).sum()
    }

    /// The key of the `rank`-th thing counted, the first being 1. `None` when there are fewer.
    #[must_use]
    pub fn at_rank(&self, rank: u64) -> Option<K> {
        let mut seen = 0;
        self.0.iter().find_map(|(key, count)| {
            seen += count;
            (seen >= rank && rank > 0).then_some(*key)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rank_finds_its_key() {
        let mut table = Sorted::default();
        for key in [3u32, 1, 3, 2] {
            table.count(key, 1);
        }
        assert_eq!(table.iter().collect::<Vec<_>>(), [(1, 1), (2, 1), (3, 2)]);
        assert_eq!(
            (1..=5).map(|rank| table.at_rank(rank)).collect::<Vec<_>>(),
            [Some(1), Some(2), Some(3), Some(3), None]
        );
        assert_eq!(table.at_rank(0), None);
    }

    #[test]
    fn what_was_added_can_be_taken_out() {
        let table = |keys: &[u32]| {
            let mut table = Sorted::default();
            keys.iter().for_each(|key| table.count(*key, 1));
            Parts::Table(table)
        };
        let mut parts = table(&[1, 2, 2]);
        parts.add(&table(&[2, 3]));
        parts.subtract(&table(&[2, 3]));
        assert_eq!(parts, table(&[1, 2, 2]));
        let mut sums = Parts::ratio(4, 7);
        sums.subtract(&Parts::ratio(3, 5));
        assert_eq!(sums, Parts::ratio(1, 2));
    }

    #[test]
    fn nothing_is_the_zero_of_adding() {
        let mut parts = Parts::Nothing;
        parts.add(&Parts::ratio(1, 2));
        parts.add(&Parts::Nothing);
        parts.add(&Parts::ratio(2, 3));
        assert_eq!(parts, Parts::ratio(3, 5));
    }
}
