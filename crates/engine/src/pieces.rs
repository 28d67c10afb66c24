//! Records that are larger than a broker takes, in pieces.
//!
//! The changelog and what shards hand to each other may hold values of any length: those of a fleet with many features
//! and users have the histograms of all of them. A record that is short enough, as nearly all are, is left as it is.
//! Knows nothing of what is in a record.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::changelog::Put;
use crate::engine::Outputs;
use crate::pack::Malformed;

/// A piece has so many bytes at most, which leaves room for keys and envelopes.
pub(crate) const MOST: usize = 512 << 10;

/// The kind of a record that is a further piece of another one.
const FURTHER: u8 = b'+';
/// The kind of what a shard hands on after all further pieces: the first one, and how many those were.
const FIRST: u8 = b'*';
/// The kind of a piece that has come and waits for the first one.
const WAITING: u8 = b'-';

/// The records of the changelog that are in pieces, with how many further pieces each has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct InPieces(BTreeMap<Box<[u8]>, u32>);

/// The pieces that have come of what another shard hands on.
#[derive(Default)]
pub(crate) struct Arrived {
    pieces: BTreeMap<Box<[u8]>, Waiting>,
    removed: Vec<Box<[u8]>>,
}

/// A record of a shard as it was before it was in pieces.
pub(crate) type Whole<'r> = (&'r [u8], Option<Cow<'r, [u8]>>);

struct Waiting {
    bytes: Box<[u8]>,
    unsaved: bool,
    written: bool,
}

fn numbered(kind: u8, number: u32, key: &[u8]) -> Vec<u8> {
    let mut numbered = vec![kind];
    numbered.extend_from_slice(&number.to_be_bytes());
    numbered.extend_from_slice(key);
    numbered
}

/// The number and the key of a record that [`numbered`] made the key of.
fn number_of(key: &[u8]) -> Result<(u32, &[u8]), Malformed> {
    let (number, key) = key[1..].split_first_chunk().ok_or(Malformed)?;
    Ok((u32::from_be_bytes(*number), key))
}

/// How many pieces there are besides the first.
fn further(value: &[u8], most: usize) -> u32 {
    (value.len().saturating_sub(1) / most) as u32
}

impl InPieces {
    /// Writes or removes a record, and says how many keys that adds besides its own.
    pub(crate) fn put(
        &mut self,
        key: &[u8],
        value: Option<&[u8]>,
        most: usize,
        put: &mut Put<'_>,
    ) -> i64 {
        let pieces = value.map_or(0, |value| further(value, most));
        let before = match self.0.is_empty() {
            true => 0,
            false => self.0.get(key).copied().unwrap_or(0),
        };
        let mut chunks = value.map(|value| value.chunks(most));
        let first = chunks.as_mut().and_then(Iterator::next);
        put(key, value.map(|_| first.unwrap_or_default()));
        for (number, piece) in (1..).zip(chunks.into_iter().flatten()) {
            put(&numbered(FURTHER, number, key), Some(piece));
        }
        for number in pieces + 1..=before {
            put(&numbered(FURTHER, number, key), None);
        }
        match pieces {
            0 => _ = self.0.remove(key),
            pieces => _ = self.0.insert(key.into(), pieces),
        }
        i64::from(pieces) - i64::from(before)
    }

    /// Puts the records of a changelog together.
    pub(crate) fn join(
        &mut self,
        records: &mut BTreeMap<Box<[u8]>, Box<[u8]>>,
    ) -> Result<(), Malformed> {
        let after = [FURTHER + 1];
        let mut rest = records.split_off(&[FURTHER][..]);
        let mut others = rest.split_off(&after[..]);
        records.append(&mut others);
        // By number before key: each piece comes after the one before it.
        for (key, piece) in rest {
            let (number, key) = number_of(&key)?;
            let record = records.get_mut(key).ok_or(Malformed)?;
            let mut whole = std::mem::take(record).into_vec();
            whole.extend_from_slice(&piece);
            *record = whole.into();
            self.0.insert(key.into(), number);
        }
        Ok(())
    }
}

/// Hands on what a shard says, as [`Outputs::part`] does.
pub(crate) fn hand_on(
    out: &mut dyn Outputs,
    to: Option<(&str, &str)>,
    key: &[u8],
    value: Option<&[u8]>,
    most: usize,
) {
    let Some(value) = value.filter(|value| value.len() > most) else {
        return out.part(to, key, value);
    };
    for (number, piece) in (1..).zip(value.chunks(most).skip(1)) {
        out.part(to, &numbered(FURTHER, number, key), Some(piece));
    }
    let first = numbered(FIRST, further(value, most), key);
    out.part(to, &first, Some(&value[..most]));
}

impl Arrived {
    /// Takes a record of a shard. Hands over the key and, if it was in pieces, the whole value, once that is there.
    pub(crate) fn take<'r>(
        &mut self,
        key: &'r [u8],
        value: Option<&'r [u8]>,
    ) -> Result<Option<Whole<'r>>, Malformed> {
        match (key.first(), value) {
            (Some(&FURTHER), Some(piece)) => {
                number_of(key)?;
                let waiting = Waiting {
                    bytes: piece.into(),
                    unsaved: true,
                    written: self.pieces.get(key).is_some_and(|known| known.written),
                };
                self.pieces.insert(key.into(), waiting);
                Ok(None)
            }
            // Nothing hangs on a piece that is kept no more.
            (Some(&FURTHER | &FIRST), None) => Ok(None),
            (Some(&FIRST), Some(first)) => {
                let (pieces, of) = number_of(key)?;
                let mut whole = first.to_vec();
                for number in 1..=pieces {
                    let key = numbered(FURTHER, number, of);
                    let (key, piece) = self.pieces.remove_entry(&key[..]).ok_or(Malformed)?;
                    whole.extend_from_slice(&piece.bytes);
                    if piece.written {
                        self.removed.push(key);
                    }
                }
                Ok(Some((of, Some(whole.into()))))
            }
            _ => Ok(Some((key, value.map(Cow::Borrowed)))),
        }
    }

    /// Writes what has changed, and says how many keys that adds or takes away.
    pub(crate) fn save(&mut self, put: &mut Put<'_>) -> i64 {
        let mut keys = 0;
        for key in std::mem::take(&mut self.removed) {
            put(&waiting(&key), None);
            keys -= 1;
        }
        let unsaved = self.pieces.iter_mut().filter(|(_, piece)| piece.unsaved);
        for (key, piece) in unsaved {
            put(&waiting(key), Some(&piece.bytes));
            keys += i64::from(!std::mem::replace(&mut piece.written, true));
            piece.unsaved = false;
        }
        keys
    }

    /// Nothing is to be saved.
    pub(crate) fn save_nothing(&mut self) {
        self.removed.clear();
    }

    /// Takes a piece in that waits.
    pub(crate) fn restore(&mut self, key: &[u8], value: &[u8]) {
        let piece = Waiting {
            bytes: value.into(),
            unsaved: false,
            written: true,
        };
        self.pieces.insert(key.into(), piece);
    }
}

fn waiting(key: &[u8]) -> Vec<u8> {
    [&[WAITING], key].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mainstay_model::AccountDaily;
    use proptest::prelude::*;

    type Records = BTreeMap<Box<[u8]>, Box<[u8]>>;

    fn keep(log: &mut Records, key: &[u8], value: Option<&[u8]>) {
        match value {
            Some(value) => _ = log.insert(key.into(), value.into()),
            None => _ = log.remove(key),
        }
    }

    proptest! {
        /// However long the values are that a key has had, the last one comes back and every key is counted.
        #[test]
        fn a_record_comes_back_from_its_pieces(
            writes in prop::collection::vec((0u8..3, prop::option::of(prop::collection::vec(any::<u8>(), 0..40))), 1..30),
        ) {
            let (mut log, mut expected) = (Records::new(), Records::new());
            let mut pieces = InPieces::default();
            let mut keys = 0;
            for (key, value) in writes {
                let key = [b'S', key];
                let new = !expected.contains_key(&key[..]);
                let (is, was) = (value.is_some(), !new);
                keys += i64::from(is) - i64::from(was);
                let value = value.as_deref();
                keys += pieces.put(&key, value, 8, &mut |key, value| {
                    assert!(value.is_none_or(|value| value.len() <= 8));
                    keep(&mut log, key, value);
                });
                keep(&mut expected, &key, value);
                prop_assert_eq!(keys, log.len() as i64);
            }
            let mut joined = InPieces::default();
            joined.join(&mut log).unwrap();
            prop_assert_eq!(log, expected);
            prop_assert_eq!(joined, pieces);
        }

        /// Also where the receiver ends and begins again between any two pieces.
        #[test]
        fn what_is_handed_on_in_pieces_arrives_whole(
            values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..10),
        ) {
            #[derive(Default)]
            struct Sent(Vec<(Vec<u8>, Option<Vec<u8>>)>);
            impl Outputs for Sent {
                fn account_daily(&mut self, _: &AccountDaily<'_>) {}
                fn part(&mut self, _: Option<(&str, &str)>, key: &[u8], value: Option<&[u8]>) {
                    self.0.push((key.to_vec(), value.map(<[u8]>::to_vec)));
                }
            }
            let mut sent = Sent::default();
            for value in &values {
                hand_on(&mut sent, None, b"Pkey", Some(value), 8);
            }
            let (mut log, mut keys, mut got) = (Records::new(), 0, Vec::new());
            for (key, value) in sent.0 {
                let mut arrived = Arrived::default();
                for (key, value) in &log {
                    arrived.restore(&key[1..], value);
                }
                if let Some((key, value)) = arrived.take(&key, value.as_deref()).unwrap() {
                    prop_assert_eq!(key, b"Pkey");
                    got.extend(value.map(Cow::into_owned));
                }
                keys += arrived.save(&mut |key, value| keep(&mut log, key, value));
                prop_assert_eq!(keys, log.len() as i64);
            }
            prop_assert_eq!(got, values);
            prop_assert!(log.is_empty());
        }
    }
}
