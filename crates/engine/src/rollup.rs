//! Groups put together from the parts of all shards.
//!
//! A group belongs to one shard, whoever its accounts belong to. What a shard says of a day of a group replaces
//! what it said before; nothing is ever added to what was told. A day is told when every shard has marked it
//! closed; what changes later is a revision.

use std::collections::{BTreeMap, BTreeSet};

use mainstay_model::{Corrected, SegmentDaily, Value};

use crate::changelog::Put;
use crate::engine::Outputs;
use crate::groups::{GroupDay, Mark, Part, Said};
use crate::pack::{Malformed, Packer, Unpacker};
use crate::terms::Terms;

/// The groups of a shard.
pub(crate) struct Rollup {
    days: BTreeMap<GroupDay, Together>,
    /// Where each shard stands, as it said.
    marks: Vec<Kept>,
    /// Days that may have to be told.
    news: BTreeSet<GroupDay>,
    /// What was told and is not saved yet; parts, and marks by their shards alone, likewise.
    unsaved: BTreeSet<GroupDay>,
    unsaved_parts: BTreeSet<(GroupDay, u32)>,
    unsaved_marks: BTreeSet<u32>,
    removed: Vec<Vec<u8>>,
}

/// What a shard said, as it came: with a number for the values that it speaks of.
#[derive(Clone, Default)]
struct Kept {
    bytes: Box<[u8]>,
    written: bool,
}

impl Kept {
    /// What it says, if it speaks of the same values as we do.
    fn of(&self, columns: u64) -> Option<&[u8]> {
        let (of, said) = self.bytes.split_first_chunk()?;
        (*of == columns.to_le_bytes()).then_some(said)
    }

    /// Writes it, and says how many keys that adds.
    fn save(&mut self, key: &[u8], put: &mut Put<'_>) -> i64 {
        put(key, Some(&self.bytes));
        i64::from(!std::mem::replace(&mut self.written, true))
    }
}

/// A day of a group.
#[derive(Default)]
struct Together {
    /// The part of each shard that has one.
    parts: BTreeMap<u32, Kept>,
    told: Option<Told>,
    written: bool,
}

/// What was told last.
struct Told {
    revision: u32,
    /// The packed sum.
    sum: Box<[u8]>,
}

/// What a shard says, as key and value of a record for the shard that the group belongs to; a mark is for all.
///
/// The same key replaces, so that a compacted topic holds the newest part of each shard. `columns` says of which
/// values these are.
pub(crate) fn encode(said: &Said, shard: u32, columns: u64) -> (Vec<u8>, Option<Vec<u8>>) {
    let mut value = columns.to_le_bytes().to_vec();
    match said {
        Said::Part(name, part) => {
            part.pack(&mut Packer(&mut value));
            (part_key(shard, name), Some(value))
        }
        Said::Mark(mark) => {
            let mut to = Packer(&mut value);
            to.int(mark.closed.0.into());
            to.int(mark.frozen.0.into());
            (mark_key(shard), Some(value))
        }
        Said::Gone(name) => (part_key(shard, name), None),
    }
}

fn part_key(shard: u32, name: &GroupDay) -> Vec<u8> {
    let mut key = vec![b'P'];
    let mut to = Packer(&mut key);
    to.uint(shard.into());
    name.pack(&mut to);
    key
}

fn mark_key(shard: u32) -> Vec<u8> {
    let mut key = vec![b'M'];
    Packer(&mut key).uint(shard.into());
    key
}

impl Rollup {
    pub(crate) fn new(shards: u32) -> Rollup {
        Rollup {
            days: BTreeMap::new(),
            marks: vec![Kept::default(); shards as usize],
            news: BTreeSet::new(),
            unsaved: BTreeSet::new(),
            unsaved_parts: BTreeSet::new(),
            unsaved_marks: BTreeSet::new(),
            removed: Vec::new(),
        }
    }

    /// Takes a record of a shard in; the same one again from our own changelog, where it is `written`.
    pub(crate) fn take(
        &mut self,
        key: &[u8],
        value: Option<&[u8]>,
        written: bool,
    ) -> Result<(), Malformed> {
        let (kind, rest) = key.split_first().ok_or(Malformed)?;
        let mut at = Unpacker(rest);
        let shard = at.u32()?;
        // What a shard no longer keeps holds.
        let Some(value) = value else { return Ok(()) };
        let said = value.get(8..).ok_or(Malformed)?;
        let kept = match kind {
            b'M' => {
                Mark::unpack(said)?;
                if !written {
                    self.unsaved_marks.insert(shard);
                }
                self.marks.get_mut(shard as usize).ok_or(Malformed)?
            }
            b'P' => {
                let name = GroupDay::unpack(&mut at)?;
                Part::unpack(&mut Unpacker(said))?;
                if !written {
                    self.unsaved_parts.insert((name.clone(), shard));
                }
                self.news.insert(name.clone());
                let day = self.days.entry(name).or_default();
                day.parts.entry(shard).or_default()
            }
            _ => return Err(Malformed),
        };
        kept.bytes = value.into();
        kept.written |= written;
        Ok(())
    }

    /// Where all shards together stand: the newest day that every one has closed, and the newest that none of them
    /// says anything more of. None while one of them speaks of other values.
    fn mark(&self, columns: u64) -> Option<Mark> {
        let mut marks = self.marks.iter().map(|mark| {
            let mark = Mark::unpack(mark.of(columns)?);
            Some(mark.expect("it was read when it came"))
        });
        let first = marks.next()??;
        marks.try_fold(first, |all, mark| {
            let mark = mark?;
            Some(Mark {
                closed: all.closed.min(mark.closed),
                frozen: all.frozen.min(mark.frozen),
            })
        })
    }

    /// Whether a day waits to be told, or forgotten.
    pub(crate) fn has_news(&self, columns: u64) -> bool {
        if self.news.is_empty() && self.days.is_empty() {
            return false;
        }
        self.mark(columns).is_some_and(|mark| {
            let closed = |name: &GroupDay| name.day <= mark.closed;
            let frozen = |(name, _): (&GroupDay, _)| name.day <= mark.frozen;
            self.news.first().is_some_and(closed) || self.days.first_key_value().is_some_and(frozen)
        })
    }

    /// Tells the next day of a group that is to be told, or forgets the next of which nobody says anything more.
    pub(crate) fn tell_next(&mut self, terms: &Terms, out: &mut dyn Outputs) {
        let Some(mark) = self.mark(terms.columns()) else {
            return;
        };
        match self.news.pop_first() {
            Some(name) if name.day <= mark.closed => return self.tell(name, terms, out),
            Some(name) => _ = self.news.insert(name),
            None => {}
        }
        if let Some(oldest) = self
            .days
            .first_entry()
            .filter(|oldest| oldest.key().day <= mark.frozen)
        {
            let (name, day) = oldest.remove_entry();
            self.unsaved.remove(&name);
            self.news.remove(&name);
            if day.written {
                self.removed.push(name.key(b'R'));
            }
            for (shard, kept) in day.parts {
                self.unsaved_parts.remove(&(name.clone(), shard));
                if kept.written {
                    self.removed.push(part_key(shard, &name));
                }
            }
        }
    }

    fn tell(&mut self, name: GroupDay, terms: &Terms, out: &mut dyn Outputs) {
        let Some(day) = self.days.get_mut(&name) else {
            return;
        };
        let mut sum = Part::default();
        for part in day.parts.values() {
            // A part of other values is of a day that its shard says nothing more of: there is no whole sum.
            let Some(part) = part.of(terms.columns()) else {
                return;
            };
            let part = Part::unpack(&mut Unpacker(part));
            sum.add(&part.expect("it was read when it came"));
        }
        let mut packed = Vec::new();
        sum.pack(&mut Packer(&mut packed));
        let before = match &day.told {
            Some(told) if *told.sum == *packed => return,
            None if sum.accounts == 0 => return,
            told => told.as_ref().map(|told| values_of(&told.sum, &name, terms)),
        };
        let values = values(&sum, &name, terms);
        if before.as_ref() != Some(&values) {
            let revision = day.told.as_ref().map_or(0, |told| told.revision + 1);
            let zone = terms.settings.zone;
            out.segment_daily(&SegmentDaily {
                dimension: &name.dimension,
                segment: &name.segment,
                date: name.day,
                revision,
                as_of: zone.end_of(name.day).plus_ms(terms.settings.lateness_ms),
                values: &values,
                corrects: &corrected(&before.unwrap_or_default(), &values),
            });
            day.told = Some(Told {
                revision,
                sum: packed.into(),
            });
        } else if let Some(told) = &mut day.told {
            told.sum = packed.into();
        }
        self.unsaved.insert(name);
    }

    /// Writes what has changed, and says how many keys that adds or takes away.
    pub(crate) fn save(&mut self, columns: u64, put: &mut Put<'_>) -> i64 {
        let mut keys = 0;
        for key in std::mem::take(&mut self.removed) {
            put(&key, None);
            keys -= 1;
        }
        for shard in std::mem::take(&mut self.unsaved_marks) {
            keys += self.marks[shard as usize].save(&mark_key(shard), put);
        }
        for (name, shard) in std::mem::take(&mut self.unsaved_parts) {
            let day = self.days.get_mut(&name);
            if let Some(kept) = day.and_then(|day| day.parts.get_mut(&shard)) {
                keys += kept.save(&part_key(shard, &name), put);
            }
        }
        let mut bytes = Vec::new();
        for name in std::mem::take(&mut self.unsaved) {
            let Some((day, told)) = self.days.get_mut(&name).and_then(|day| {
                let told = day.told.take()?;
                Some((day, told))
            }) else {
                continue;
            };
            bytes.clear();
            bytes.extend_from_slice(&columns.to_le_bytes());
            Packer(&mut bytes).uint(told.revision.into());
            bytes.extend_from_slice(&told.sum);
            put(&name.key(b'R'), Some(&bytes));
            keys += i64::from(!std::mem::replace(&mut day.written, true));
            day.told = Some(told);
        }
        keys
    }

    /// Nothing is to be saved.
    pub(crate) fn save_nothing(&mut self) {
        self.removed.clear();
        self.unsaved.clear();
        self.unsaved_parts.clear();
        self.unsaved_marks.clear();
    }

    /// Takes what was told of a day in.
    pub(crate) fn restore(
        &mut self,
        key: &[u8],
        value: &[u8],
        columns: u64,
    ) -> Result<(), Malformed> {
        let name = GroupDay::of_key(key)?;
        let mut from = Unpacker(value);
        let same = *from.take(8)? == columns.to_le_bytes();
        let revision = from.u32()?;
        let sum = from.0;
        Part::unpack(&mut Unpacker(sum))?;
        self.news.insert(name.clone());
        let day = self.days.entry(name).or_default();
        day.written = true;
        // What was told with other values cannot be corrected value by value: it is told as if withdrawn.
        let sum = if same { sum.into() } else { Box::default() };
        day.told = Some(Told { revision, sum });
        Ok(())
    }
}

impl Mark {
    fn unpack(bytes: &[u8]) -> Result<Mark, Malformed> {
        let mut from = Unpacker(bytes);
        Ok(Mark {
            closed: from.day()?,
            frozen: from.day()?,
        })
    }
}

fn values_of(sum: &[u8], name: &GroupDay, terms: &Terms) -> Vec<Value> {
    match Part::unpack(&mut Unpacker(sum)) {
        Ok(sum) => values(&sum, name, terms),
        Err(Malformed) => Vec::new(),
    }
}

/// The values of a group; none when nobody is in it.
fn values(sum: &Part, name: &GroupDay, terms: &Terms) -> Vec<Value> {
    match sum.accounts {
        0 => Vec::new(),
        _ => terms.readers().tell_group(&sum.parts, name.day),
    }
}

/// The old values of what changed.
pub(crate) fn corrected(old: &[Value], new: &[Value]) -> Vec<Corrected> {
    let both = old.iter().zip(new).enumerate();
    let changed = both.filter(|(_, (old, new))| old != new);
    changed
        .map(|(metric, (old, _))| Corrected {
            metric,
            was: old.clone(),
        })
        .collect()
}
