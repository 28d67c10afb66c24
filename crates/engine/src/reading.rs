//! What an account says of a day: the parts of every metric, and the segments that it is in.
//!
//! Records of the account are told from it, and it is what the account gives to its groups. Here is also the
//! binary form of parts.

use mainstay_model::{Day, Parts, Sorted, Timestamp, Value};

use crate::account::Account;
use crate::flows::{self, Share};
use crate::groups::ALL;
use crate::pack::{Malformed, Packer, Unpacker};
use crate::terms::Terms;
use crate::view::View;
use crate::zones::Zones;

/// The segment of accounts without a value.
pub(crate) const UNKNOWN: &str = "unknown";

/// What an account says of a day.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reading {
    /// In the order of all readers.
    pub(crate) parts: Vec<Parts>,
    /// One for each trait that makes groups, in the order of the config.
    pub(crate) segments: Vec<Box<str>>,
    /// The account is there. One that was deleted has no part in a group but in flows of days before.
    pub(crate) here: bool,
    /// How its revenue moved in groups in which it was not all the time, by rising dimension.
    pub(crate) shares: Vec<Share>,
}

/// What an account gives to a group.
pub(crate) struct ToGroup<'r> {
    pub(crate) dimension: &'r str,
    pub(crate) segment: &'r str,
    /// It is in the group.
    pub(crate) is_in: bool,
    /// How its revenue moved in the group, where it was not there all the time.
    pub(crate) flows: Option<&'r [Parts]>,
}

impl Reading {
    /// Reads an account as of a day; `None` when the account is not known on that day.
    pub(crate) fn of(account: &Account, day: Day, terms: &Terms, zones: &Zones) -> Option<Reading> {
        let known = account.lifecycle.is_known_on(day);
        Reading::by(&View::new(account, terms, zones, day), known)
    }

    /// Reads an account as of an instant of today: if it is there, whatever is known of it.
    pub(crate) fn now(
        account: &Account,
        (day, now): (Day, Timestamp),
        terms: &Terms,
        zones: &Zones,
    ) -> Option<Reading> {
        let there = account.lifecycle.deleted_on().is_none();
        Reading::by(&View::new(account, terms, zones, day).until(now), there)
    }

    fn by(view: &View<'_>, here: bool) -> Option<Reading> {
        let (account, terms, day) = (view.account, view.terms, view.day);
        let shares = flows::shares(view, here);
        if !here && shares.is_empty() {
            return None;
        }
        let parts = match here {
            true => terms.readers().read(view),
            false => terms.readers().nothing(),
        };
        let segment = |(no, _)| account.value_of(no, day).unwrap_or(UNKNOWN).into();
        Some(Reading {
            parts,
            segments: terms.segments().map(segment).collect(),
            here,
            shares,
        })
    }

    /// The values that its account is told, if it is there.
    pub(crate) fn told(&self, day: Day, terms: &Terms) -> Option<Vec<Value>> {
        let readers = terms.readers();
        self.here.then(|| readers.tell_account(&self.parts, day))
    }

    /// What of it groups are told from, in the order of the columns of groups.
    pub(crate) fn of_groups(mut self, terms: &Terms) -> Reading {
        let places = terms.readers().of_groups().iter();
        let parts = places.map(|place| std::mem::take(&mut self.parts[*place]));
        Reading {
            parts: parts.collect(),
            ..self
        }
    }

    /// The groups that the account gives something to: the fleet, and one for each trait; and those that it left
    /// within a window.
    pub(crate) fn groups<'r>(&'r self, terms: &'r Terms) -> impl Iterator<Item = ToGroup<'r>> {
        let segments = terms.segments().zip(&self.segments);
        let segments = segments.map(|((_, dimension), segment)| (dimension, &**segment));
        let own = std::iter::once((ALL, ALL)).chain(segments).enumerate();
        own.flat_map(move |(no, (dimension, segment))| {
            let shares = || {
                self.shares
                    .iter()
                    .filter(move |share| share.dimension == no)
            };
            let whole = shares().next().is_none() && self.here;
            let whole = whole.then_some(ToGroup {
                dimension,
                segment,
                is_in: true,
                flows: None,
            });
            let shared = shares().map(move |share| ToGroup {
                dimension,
                segment: &share.segment,
                is_in: self.here && *share.segment == *segment,
                flows: Some(&share.parts),
            });
            whole.into_iter().chain(shared)
        })
    }

    pub(crate) fn pack(&self, to: &mut Packer<'_>) {
        to.uint(self.segments.len() as u64);
        for segment in &self.segments {
            to.bytes(segment.as_bytes());
        }
        to.uint(u64::from(self.here) | (self.shares.len() as u64) << 1);
        for share in &self.shares {
            to.uint(share.dimension as u64);
            to.bytes(share.segment.as_bytes());
            to.uint(share.parts.len() as u64);
            share.parts.iter().for_each(|parts| pack_parts(parts, to));
        }
        for parts in &self.parts {
            pack_parts(parts, to);
        }
    }

    /// Reads what was packed, to the end of the bytes.
    pub(crate) fn unpack(from: &mut Unpacker<'_>) -> Result<Reading, Malformed> {
        let segments = from.uint()?;
        let segments = (0..segments).map(|_| Ok(from.text()?.into()));
        let segments = segments.collect::<Result<_, Malformed>>()?;
        let flags = from.uint()?;
        let shares = (0..flags >> 1).map(|_| unpack_share(from));
        let shares = shares.collect::<Result<_, Malformed>>()?;
        let mut parts = Vec::new();
        while !from.is_empty() {
            parts.push(unpack_parts(from)?);
        }
        Ok(Reading {
            parts,
            segments,
            here: flags & 1 != 0,
            shares,
        })
    }
}

fn unpack_share(from: &mut Unpacker<'_>) -> Result<Share, Malformed> {
    let dimension = usize::try_from(from.uint()?).map_err(|_| Malformed)?;
    let segment = from.text()?.into();
    let parts = (0..from.uint()?).map(|_| unpack_parts(from));
    Ok(Share {
        dimension,
        segment,
        parts: parts.collect::<Result<_, Malformed>>()?,
    })
}

const NOTHING: u64 = 0;
/// And the number of sums up to the last that is not 0.
const SUMS: u64 = 1;
const TABLE: u64 = 6;
const SPREAD: u64 = 7;
const NEWEST: u64 = 8;

pub(crate) fn pack_parts(parts: &Parts, to: &mut Packer<'_>) {
    match parts {
        Parts::Nothing => to.uint(NOTHING),
        Parts::Sums(sums) => {
            let zeros = sums.iter().rev().take_while(|sum| **sum == 0).count();
            let some = &sums[..sums.len() - zeros];
            to.uint(SUMS + some.len() as u64);
            some.iter().for_each(|sum| to.wide(*sum));
        }
        Parts::Table(table) => {
            to.uint(TABLE);
            pack_sorted(table.iter().map(|(key, count)| (key.into(), count)), to);
        }
        Parts::Spread(spread) => {
            to.uint(SPREAD);
            pack_sorted(spread.iter().map(|(key, count)| (key.into(), count)), to);
        }
        Parts::Newest(newest) => {
            to.uint(NEWEST);
            to.int(*newest);
        }
    }
}

fn pack_sorted(counts: impl Iterator<Item = (u64, u64)> + Clone, to: &mut Packer<'_>) {
    to.uint(counts.clone().count() as u64);
    let mut before = 0;
    for (key, count) in counts {
        to.uint(key - before);
        to.uint(count);
        before = key;
    }
}

pub(crate) fn unpack_parts(from: &mut Unpacker<'_>) -> Result<Parts, Malformed> {
    Ok(match from.uint()? {
        NOTHING => Parts::Nothing,
        TABLE => Parts::Table(unpack_sorted(from)?),
        SPREAD => Parts::Spread(unpack_sorted(from)?),
        NEWEST => Parts::Newest(from.int()?),
        kind => {
            let mut sums = [0; 4];
            let some = usize::try_from(kind - SUMS).map_err(|_| Malformed)?;
            for sum in sums.get_mut(..some).ok_or(Malformed)? {
                *sum = from.wide()?;
            }
            Parts::Sums(sums)
        }
    })
}

fn unpack_sorted<K: Copy + Ord + TryFrom<u64>>(
    from: &mut Unpacker<'_>,
) -> Result<Sorted<K>, Malformed> {
    let mut sorted = Sorted::default();
    let mut key = 0u64;
    for _ in 0..from.uint()? {
        key = key.checked_add(from.uint()?).ok_or(Malformed)?;
        sorted.count(K::try_from(key).map_err(|_| Malformed)?, from.uint()?);
    }
    Ok(sorted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parts() -> impl Strategy<Value = Parts> {
        let sorted = |counts: Vec<(u16, u64)>| {
            let mut sorted = Sorted::default();
            counts
                .iter()
                .for_each(|(key, by)| sorted.count(*key, *by >> 8));
            sorted
        };
        prop_oneof![
            Just(Parts::Nothing),
            any::<[i128; 4]>().prop_map(Parts::Sums),
            any::<[i8; 2]>().prop_map(|[a, b]| Parts::Sums([a.into(), 0, b.into(), 0])),
            any::<Vec<(u16, u64)>>().prop_map(move |counts| Parts::Spread(sorted(counts))),
            any::<Vec<(u32, u8)>>().prop_map(|counts| {
                let mut table = Sorted::default();
                counts
                    .iter()
                    .for_each(|(key, by)| table.count(*key, (*by).into()));
                Parts::Table(table)
            }),
            any::<i64>().prop_map(Parts::Newest),
        ]
    }

    proptest! {
        #[test]
        fn a_reading_comes_back(
            parts in prop::collection::vec(parts(), 0..9),
            segments: Vec<String>,
            here: bool,
            shares in prop::collection::vec(("[a-z]{0,3}", prop::collection::vec(parts(), 0..3)), 0..3),
        ) {
            let segments = segments.into_iter().map(String::into_boxed_str).collect();
            let shares = shares.into_iter().enumerate();
            let shares = shares.map(|(dimension, (segment, parts))| Share {
                dimension,
                segment: segment.into(),
                parts,
            });
            let reading = Reading {
                parts,
                segments,
                here,
                shares: shares.collect(),
            };
            let mut bytes = Vec::new();
            reading.pack(&mut Packer(&mut bytes));
            prop_assert_eq!(Reading::unpack(&mut Unpacker(&bytes)), Ok(reading));
        }

        #[test]
        fn any_bytes_are_refused_or_read(bytes: Vec<u8>) {
            _ = Reading::unpack(&mut Unpacker(&bytes));
        }
    }
}
