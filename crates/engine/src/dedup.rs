//! The ids of events that were applied, for as long as a duplicate of them may come.
//!
//! Of each, 64 bits of hash of (account, source, id), 32 bits of the event's digest, and when it may be forgotten.
//! An id counts as known exactly until the watermark passes that time; when a table would have to grow, the
//! forgotten ones are swept out first, which costs nothing on average and changes no answer. There are many tables
//! for the shard, so that no event has to wait while all ids are swept or moved.

use hashbrown::HashTable;
use mainstay_model::Timestamp;
use xxhash_rust::xxh3::Xxh3;

/// Whether an event was seen before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Never,
    /// The same event again.
    Same,
    /// The same id with another body.
    Other,
}

/// An id that was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Remembered {
    pub(crate) hash: u64,
    pub(crate) digest: u32,
    /// In seconds: the id is forgotten when the watermark reaches it.
    pub(crate) until_s: u32,
}

/// The ids of a shard.
pub(crate) struct Dedup {
    /// By bits of the hash that places inside a table are not made of.
    tables: [HashTable<Remembered>; TABLES],
}

/// Sweeping one table, or moving it to a larger one, takes about a millisecond where there are a million ids.
const TABLES: usize = 32;

impl Default for Dedup {
    fn default() -> Dedup {
        Dedup {
            tables: std::array::from_fn(|_| HashTable::new()),
        }
    }
}

impl Dedup {
    /// The hash of an event's identity.
    pub(crate) fn hash(account: &str, source: Option<&str>, id: &str) -> u64 {
        let mut hasher = Xxh3::new();
        // Lengths keep ("a", "bc") apart from ("ab", "c").
        hasher.update(&(account.len() as u32).to_le_bytes());
        hasher.update(account.as_bytes());
        let source = source.unwrap_or("");
        hasher.update(&(source.len() as u32).to_le_bytes());
        hasher.update(source.as_bytes());
        hasher.update(id.as_bytes());
        hasher.digest()
    }

    fn table_of(hash: u64) -> usize {
        (hash >> 32) as usize % TABLES
    }

    pub(crate) fn seen(&self, hash: u64, digest: u32, watermark: Timestamp) -> Seen {
        let table = &self.tables[Dedup::table_of(hash)];
        match table.find(hash, |known| known.hash == hash) {
            Some(known) if !known.forgotten(watermark) => match known.digest == digest {
                true => Seen::Same,
                false => Seen::Other,
            },
            _ => Seen::Never,
        }
    }

    pub(crate) fn remember(&mut self, new: Remembered, watermark: Timestamp) {
        let table = &mut self.tables[Dedup::table_of(new.hash)];
        if let Some(known) = table.find_mut(new.hash, |known| known.hash == new.hash) {
            // Restored records come in no order; what is kept longest holds.
            if new.until_s >= known.until_s {
                *known = new;
            }
            return;
        }
        if table.len() == table.capacity() {
            table.retain(|known| !known.forgotten(watermark));
            if table.len() > table.capacity() / 2 {
                table.reserve(table.len() / 2 + 8, |known| known.hash);
            }
        }
        table.insert_unique(new.hash, new, |known| known.hash);
    }

    pub(crate) fn len(&self) -> usize {
        self.tables.iter().map(HashTable::len).sum()
    }

    pub(crate) fn bytes(&self) -> usize {
        let tables = self.tables.iter().map(HashTable::allocation_size);
        tables.sum()
    }
}

impl Remembered {
    pub(crate) fn until(at: Timestamp) -> u32 {
        u32::try_from((at.0 + 999).div_euclid(1000)).unwrap_or(if at.0 < 0 { 0 } else { u32::MAX })
    }

    pub(crate) fn forgotten(&self, watermark: Timestamp) -> bool {
        watermark.0 >= i64::from(self.until_s) * 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(hash: u64, until_s: u32) -> Remembered {
        Remembered {
            hash,
            digest: 7,
            until_s,
        }
    }

    #[test]
    fn an_id_is_known_until_the_watermark_reaches_its_time() {
        let mut dedup = Dedup::default();
        dedup.remember(id(1, 100), Timestamp(0));
        assert_eq!(dedup.seen(1, 7, Timestamp(99_999)), Seen::Same);
        assert_eq!(dedup.seen(1, 8, Timestamp(99_999)), Seen::Other);
        assert_eq!(dedup.seen(1, 7, Timestamp(100_000)), Seen::Never);
        assert_eq!(dedup.seen(2, 7, Timestamp(0)), Seen::Never);
    }

    #[test]
    fn the_table_stays_as_small_as_what_may_still_come() {
        let mut dedup = Dedup::default();
        for second in 0..1_000_000u32 {
            let hash = u64::from(second).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            dedup.remember(id(hash, second + 1000), Timestamp(i64::from(second) * 1000));
        }
        assert!(dedup.len() < 8000, "{}", dedup.len());
    }

    #[test]
    fn identities_are_kept_apart() {
        let hash = Dedup::hash;
        assert_ne!(hash("a", None, "bc"), hash("ab", None, "c"));
        assert_ne!(hash("a", Some("b"), "c"), hash("a", None, "bc"));
    }
}
