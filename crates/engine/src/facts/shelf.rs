//! Bytes of some users, end to end, without an allocation for each.
//!
//! Where those of one user become longer, those behind them move on. A shelf is so small that this takes a fraction of
//! a microsecond, however many users an account has.

/// How many users share a shelf.
pub(crate) const USERS: usize = 16;

/// The bytes of up to [`USERS`] users, by their numbers on the shelf.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shelf {
    /// Where the bytes of each user end.
    ends: Vec<u32>,
    bytes: Vec<u8>,
}

/// Sizes are rounded, so that one shelf can take the room that another has left.
const ROUND: usize = 64;

impl Shelf {
    /// What was put down for a user; nothing if nothing was.
    pub(crate) fn get(&self, no: usize) -> &[u8] {
        match self.ends.get(no) {
            Some(end) => &self.bytes[self.start(no)..*end as usize],
            None => &[],
        }
    }

    fn start(&self, no: usize) -> usize {
        match no {
            0 => 0,
            _ => self.ends[no - 1] as usize,
        }
    }

    /// Puts bytes down in place of those that the user had, but for the `kept` last ones of these.
    pub(crate) fn put(&mut self, no: usize, front: &[u8], kept: usize) {
        if self.ends.len() <= no {
            self.ends
                .reserve_exact((no + 1).next_multiple_of(4) - self.ends.len());
            self.ends.resize(no + 1, self.bytes.len() as u32);
        }
        let replaced = self.start(no)..self.ends[no] as usize - kept;
        self.make_room(self.bytes.len() - replaced.len() + front.len());
        let before = replaced.len() as u32;
        self.bytes.splice(replaced, front.iter().copied());
        u32::try_from(self.bytes.len()).expect("16 users have less than 4 GiB");
        for end in &mut self.ends[no..] {
            *end = *end - before + front.len() as u32;
        }
    }

    /// With a twelfth to spare, and without much more.
    fn make_room(&mut self, wanted: usize) {
        let room = (wanted + wanted / 12).next_multiple_of(ROUND);
        if wanted > self.bytes.capacity() {
            self.bytes.reserve_exact(room - self.bytes.len());
        } else if self.bytes.capacity() > 2 * room {
            self.bytes.shrink_to(room);
        }
    }

    /// Bytes held.
    pub(crate) fn held(&self) -> usize {
        self.ends.capacity() * size_of::<u32>() + self.bytes.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn everybody_finds_what_was_put_down_last(
            puts in prop::collection::vec(
                (0..USERS, prop::collection::vec(any::<u8>(), 0..40), 0usize..60), 1..400),
        ) {
            let (mut shelf, mut expected) = (Shelf::default(), vec![Vec::new(); USERS]);
            for (no, front, kept) in puts {
                let old: &Vec<u8> = &expected[no];
                let kept = kept.min(old.len());
                shelf.put(no, &front, kept);
                expected[no] = [&front, &old[old.len() - kept..]].concat();
            }
            for (no, bytes) in expected.iter().enumerate() {
                prop_assert_eq!(shelf.get(no), bytes);
            }
        }

        #[test]
        fn little_more_is_held_than_what_counts(
            puts in prop::collection::vec((0..USERS, 0usize..400), 500..600),
        ) {
            let (mut shelf, mut lengths) = (Shelf::default(), vec![0; USERS]);
            let mut most = 0;
            for (no, len) in puts {
                shelf.put(no, &vec![0; len], 0);
                lengths[no] = len;
                most = most.max(lengths.iter().sum());
            }
            prop_assert!(shelf.bytes.capacity() <= most * 13 / 12 + ROUND);
        }
    }
}
