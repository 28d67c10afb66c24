//! Live values of groups, put together from what all shards say of them now.
//!
//! A group belongs to one shard, whoever its accounts belong to. What a shard says of a group replaces what it said
//! before, and a mark of a later life of a shard takes back what is left of the life before. What was heard is
//! kept, so that whoever takes over has it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use mainstay_model::{SegmentMetrics, Timestamp};

use crate::changelog::Put;
use crate::engine::Outputs;
use crate::groups::Part;
use crate::live::{Beat, Group, LiveMark, LivePart};
use crate::pack::{Malformed, Packer, Unpacker};
use crate::rollup::Kept;
use crate::terms::Terms;

/// The groups of a shard, as they are now.
#[derive(Default)]
pub(crate) struct LiveGroups {
    groups: BTreeMap<Group, Together>,
    /// What each shard said when all of its groups were handed on.
    marks: Vec<Kept>,
    /// Groups of which something new was heard, the oldest news first.
    changed: VecDeque<Group>,
    unsaved_parts: BTreeSet<(Group, u32)>,
    unsaved_marks: BTreeSet<u32>,
    unsaved_told: BTreeSet<Group>,
    removed: Vec<Vec<u8>>,
}

/// A group.
#[derive(Default)]
struct Together {
    /// The part of each shard that has one.
    parts: BTreeMap<u32, Kept>,
    /// It stands in the list of those that have changed.
    listed: bool,
    /// Readers have values of it.
    told: bool,
    /// That is in the changelog.
    told_written: bool,
    told_at_ms: Option<i64>,
}

/// Whether a key is of what shards hand to each other for live values.
pub(crate) fn is_live(key: &[u8]) -> bool {
    matches!(key.first(), Some(b'L' | b'l'))
}

pub(crate) fn part_key(shard: u32, group: &Group) -> Vec<u8> {
    let mut key = vec![b'L'];
    let mut to = Packer(&mut key);
    to.uint(shard.into());
    group.pack(&mut to);
    key
}

pub(crate) fn mark_key(shard: u32) -> Vec<u8> {
    let mut key = vec![b'l'];
    Packer(&mut key).uint(shard.into());
    key
}

fn told_key(group: &Group) -> Vec<u8> {
    let mut key = vec![b'V'];
    group.pack(&mut Packer(&mut key));
    key
}

impl LiveGroups {
    pub(crate) fn new(shards: u32) -> LiveGroups {
        LiveGroups {
            marks: vec![Kept::default(); shards as usize],
            ..LiveGroups::default()
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
        if shard as usize >= self.marks.len() {
            return Err(Malformed);
        }
        let said = value.map(|value| value.get(8..).ok_or(Malformed));
        let said = said.transpose()?;
        match (kind, value.zip(said)) {
            (b'L', Some((value, said))) => {
                LivePart::unpack(&mut Unpacker(said))?;
                self.take_part(Group::unpack(&mut at)?, shard, value, written);
            }
            (b'L', None) => self.drop_part(&Group::unpack(&mut at)?, shard),
            (b'l', Some((value, said))) => {
                let mark = LiveMark::unpack(&mut Unpacker(said))?;
                self.take_mark(&mark, shard, value, written);
            }
            _ => return Err(Malformed),
        }
        Ok(())
    }

    fn take_part(&mut self, group: Group, shard: u32, value: &[u8], written: bool) {
        let together = self.groups.entry(group.clone()).or_default();
        let kept = together.parts.entry(shard).or_default();
        kept.bytes = value.into();
        kept.written |= written;
        self.list(&group);
        if !written {
            self.unsaved_parts.insert((group, shard));
        }
    }

    fn drop_part(&mut self, group: &Group, shard: u32) {
        let together = self.groups.get_mut(group);
        let Some(kept) = together.and_then(|together| together.parts.remove(&shard)) else {
            return;
        };
        self.unsaved_parts.remove(&(group.clone(), shard));
        if kept.written {
            self.removed.push(part_key(shard, group));
        }
        self.list(group);
    }

    fn take_mark(&mut self, mark: &LiveMark, shard: u32, value: &[u8], written: bool) {
        let kept = &mut self.marks[shard as usize];
        kept.bytes = value.into();
        kept.written |= written;
        if written {
            // What came after it may have been read already.
            return;
        }
        self.unsaved_marks.insert(shard);
        let of_another_life = |together: &Together| {
            let part = together.parts.get(&shard);
            let part = part.map(|part| LivePart::unpack(&mut Unpacker(&part.bytes[8..])));
            part.is_some_and(|part| part.is_ok_and(|part| part.generation != mark.generation))
        };
        let left = self.groups.iter();
        let left = left.filter(|(_, together)| of_another_life(together));
        let left: Vec<Group> = left.map(|(group, _)| group.clone()).collect();
        left.iter().for_each(|group| self.drop_part(group, shard));
        self.tell_all();
    }

    fn list(&mut self, group: &Group) {
        if let Some(together) = self.groups.get_mut(group)
            && !std::mem::replace(&mut together.listed, true)
        {
            self.changed.push_back(group.clone());
        }
    }

    /// Every group is told once more.
    pub(crate) fn tell_all(&mut self) {
        for (group, together) in &mut self.groups {
            if !std::mem::replace(&mut together.listed, true) {
                self.changed.push_back(group.clone());
            }
        }
    }

    /// Tells groups of which something new was heard, at the pace of `beat`.
    pub(crate) fn tell(
        &mut self,
        beat: &Beat,
        admits: &dyn Fn(&Group) -> bool,
        terms: &Terms,
        out: &mut dyn Outputs,
    ) {
        let mut left = beat.at_most;
        for _ in 0..self.changed.len() {
            let Some(group) = self.changed.pop_front() else {
                return;
            };
            if left == 0 {
                return self.changed.push_front(group);
            }
            let Some(together) = self.groups.get_mut(&group) else {
                continue;
            };
            if !beat.has_come_for(together.told_at_ms) {
                self.changed.push_back(group);
                continue;
            }
            left -= 1;
            (together.listed, together.told_at_ms) = (false, Some(beat.at_ms));
            match self.put_together(&group, admits, terms.columns()) {
                Whole::OfOtherValues => {}
                Whole::Nobody => self.withdraw(&group, out),
                Whole::Of(part) => self.tell_one(group, &part, terms, out),
            }
        }
    }

    /// What all shards say of a group together.
    fn put_together(&self, group: &Group, admits: &dyn Fn(&Group) -> bool, columns: u64) -> Whole {
        let parts = self.groups.get(group).map(|together| &together.parts);
        let mut whole = LivePart {
            generation: 0,
            as_of: Timestamp::MIN,
            partial: false,
            stale: true,
            sum: Part::default(),
        };
        let mut admitted = admits(group);
        for mark in &self.marks {
            match mark.of(columns) {
                // What it knows may be missing.
                None => whole.partial = true,
                Some(mark) => {
                    let mark = LiveMark::unpack(&mut Unpacker(mark));
                    let mark = mark.expect("it was read when it came");
                    admitted &= mark.last.admits(&group.dimension, &group.segment);
                }
            }
        }
        // Of what one shard does not keep there is no whole sum.
        if !admitted {
            return Whole::Nobody;
        }
        for part in parts.into_iter().flat_map(BTreeMap::values) {
            let Some(part) = part.of(columns) else {
                return Whole::OfOtherValues;
            };
            let part = LivePart::unpack(&mut Unpacker(part));
            let part = part.expect("it was read when it came");
            whole.as_of = whole.as_of.max(part.as_of);
            whole.partial |= part.partial;
            whole.stale &= part.stale;
            whole.sum.add(&part.sum);
        }
        match whole.sum.is_empty() {
            true => Whole::Nobody,
            false => Whole::Of(whole),
        }
    }

    fn tell_one(&mut self, group: Group, part: &LivePart, terms: &Terms, out: &mut dyn Outputs) {
        let today = terms.settings.zone.day_of(part.as_of);
        out.segment_metrics(&SegmentMetrics {
            dimension: &group.dimension,
            segment: &group.segment,
            as_of: part.as_of,
            partial: part.partial,
            data_stale: part.stale,
            values: &terms.readers().tell_group(&part.sum.parts, today),
        });
        if let Some(together) = self.groups.get_mut(&group)
            && !std::mem::replace(&mut together.told, true)
        {
            self.unsaved_told.insert(group);
        }
    }

    /// Takes back what readers have of a group that nobody is in.
    fn withdraw(&mut self, group: &Group, out: &mut dyn Outputs) {
        let Some(together) = self.groups.get_mut(group) else {
            return;
        };
        if std::mem::take(&mut together.told) {
            out.segment_gone(&group.dimension, &group.segment);
            self.unsaved_told.remove(group);
        }
        if std::mem::take(&mut together.told_written) {
            self.removed.push(told_key(group));
        }
        if together.parts.is_empty() {
            self.groups.remove(group);
        }
    }

    /// Writes what has changed, and says how many keys that adds or takes away.
    pub(crate) fn save(&mut self, put: &mut Put<'_>) -> i64 {
        let mut keys = 0;
        for key in std::mem::take(&mut self.removed) {
            put(&key, None);
            keys -= 1;
        }
        for shard in std::mem::take(&mut self.unsaved_marks) {
            keys += self.marks[shard as usize].save(&mark_key(shard), put);
        }
        for (group, shard) in std::mem::take(&mut self.unsaved_parts) {
            let together = self.groups.get_mut(&group);
            if let Some(kept) = together.and_then(|together| together.parts.get_mut(&shard)) {
                keys += kept.save(&part_key(shard, &group), put);
            }
        }
        for group in std::mem::take(&mut self.unsaved_told) {
            if let Some(together) = self.groups.get_mut(&group) {
                put(&told_key(&group), Some(&[]));
                keys += i64::from(!std::mem::replace(&mut together.told_written, true));
            }
        }
        keys
    }

    /// Nothing is to be saved.
    pub(crate) fn save_nothing(&mut self) {
        self.removed.clear();
        self.unsaved_marks.clear();
        self.unsaved_parts.clear();
        self.unsaved_told.clear();
    }

    /// Takes in that readers have values of a group.
    pub(crate) fn restore_told(&mut self, key: &[u8]) -> Result<(), Malformed> {
        let group = Group::unpack(&mut Unpacker(key))?;
        let together = self.groups.entry(group).or_default();
        (together.told, together.told_written) = (true, true);
        Ok(())
    }
}

/// What shards say of a group together.
enum Whole {
    Of(LivePart),
    /// No account is in it, or there is no whole sum of it.
    Nobody,
    /// A shard speaks of other values than we do.
    OfOtherValues,
}
