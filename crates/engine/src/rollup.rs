//! Groups put together from the parts of all shards.
//!
//! A group belongs to one shard, whoever its accounts belong to. What a shard says of a day of a group replaces
//! what it said before; nothing is ever added to what was told. A day is told when every shard has marked it
//! closed; what changes later is a revision.

use std::collections::{BTreeMap, BTreeSet};

use mainstay_model::{Corrected, Day, SegmentDaily, Value};

use crate::changelog::Put;
use crate::cohorts::fleet::{self, Fleet};
use crate::engine::Outputs;
use crate::groups::{GroupDay, Mark, NOBODY, Part, Said};
use crate::limit::Last;
use crate::pack::{Malformed, Packer, Unpacker};
use crate::terms::Terms;

/// The groups of a shard.
pub(crate) struct Rollup {
    days: BTreeMap<GroupDay, Together>,
    /// Where each shard stands, as it said.
    marks: Vec<Kept>,
    /// Up to which day each shard has nothing more to say of cohorts.
    settled: Vec<Day>,
    pub(crate) cohorts: Fleet,
    /// Days that may have to be told.
    news: BTreeSet<GroupDay>,
    /// What was told and is not saved yet; parts, and marks by their shards alone, likewise.
    unsaved: BTreeSet<GroupDay>,
    unsaved_parts: BTreeSet<(GroupDay, u32)>,
    unsaved_marks: BTreeSet<u32>,
    removed: Vec<Vec<u8>>,
    /// Up to this one they were forgotten, in their order, and are told no more, whatever is said of them. Not by the
    /// day alone: a restart may come between two groups of one day.
    forgotten: Option<GroupDay>,
    forgotten_dirty: bool,
    forgotten_written: bool,
    /// Where all shards together stand.
    stand: Option<Mark>,
    /// One more day was closed by all: what has changed until then is told.
    telling: bool,
}

/// While a shard is empty, so many days are kept ready to take in what its first account brings along; what was told
/// of accounts is kept about as long.
const HISTORY_DAYS: i32 = 400;

/// What a shard said, as it came: with a number for the values that it speaks of.
#[derive(Clone, Default)]
pub(crate) struct Kept {
    pub(crate) bytes: Box<[u8]>,
    pub(crate) written: bool,
}

impl Kept {
    /// What it says, if it speaks of the same values as we do.
    pub(crate) fn of(&self, columns: u64) -> Option<&[u8]> {
        let (of, said) = self.bytes.split_first_chunk()?;
        (*of == columns.to_le_bytes()).then_some(said)
    }

    /// Writes it, and says how many keys that adds.
    pub(crate) fn save(&mut self, key: &[u8], put: &mut Put<'_>) -> i64 {
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
            to.int(mark.lost.0.into());
            to.int(mark.settled.0.into());
            mark.last.pack(&mut to);
            (mark_key(shard), Some(value))
        }
        Said::Gone(name) => (part_key(shard, name), None),
        Said::Cohorts(day, changes) => {
            // They are of no values in particular.
            value.clear();
            changes.pack(&mut Packer(&mut value));
            (fleet::part_key(shard, *day), Some(value))
        }
        Said::CohortsGone(day) => (fleet::part_key(shard, *day), None),
    }
}

/// The key of the record of up to which day of a group they were forgotten.
const FORGOTTEN: &[u8] = b"H";

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
            settled: vec![Day(i32::MIN); shards as usize],
            cohorts: Fleet::default(),
            news: BTreeSet::new(),
            unsaved: BTreeSet::new(),
            unsaved_parts: BTreeSet::new(),
            unsaved_marks: BTreeSet::new(),
            removed: Vec::new(),
            forgotten: None,
            forgotten_dirty: false,
            forgotten_written: false,
            stand: None,
            telling: false,
        }
    }

    /// Takes a record of a shard in; the same one again from our own changelog, where it is `written`.
    pub(crate) fn take(
        &mut self,
        key: &[u8],
        value: Option<&[u8]>,
        written: bool,
        columns: u64,
    ) -> Result<(), Malformed> {
        let (kind, rest) = key.split_first().ok_or(Malformed)?;
        let mut at = Unpacker(rest);
        let shard = at.u32()?;
        // What a shard no longer keeps holds.
        let Some(value) = value else { return Ok(()) };
        if shard as usize >= self.marks.len() {
            return Err(Malformed);
        }
        if *kind == b'X' {
            return self.cohorts.take(shard, at, value, written);
        }
        let said = value.get(8..).ok_or(Malformed)?;
        let mut began = false;
        let kept = match kind {
            b'M' => {
                self.settled[shard as usize] = Mark::unpack(said)?.settled;
                let before = self.marks[shard as usize].of(columns);
                let before = before.and_then(|before| Mark::unpack(before).ok());
                began = before.is_none_or(|before| before.closed == NOBODY);
                if !written {
                    self.unsaved_marks.insert(shard);
                }
                &mut self.marks[shard as usize]
            }
            b'P' => {
                let name = GroupDay::unpack(&mut at)?;
                Part::unpack(&mut Unpacker(said))?;
                if self.forgotten.as_ref().is_some_and(|last| name <= *last) {
                    return Ok(());
                }
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
        if *kind == b'M' {
            let closed = |stand: &Option<Mark>| stand.as_ref().map(|stand| stand.closed);
            let before = closed(&self.stand);
            self.stand = self.stand(columns);
            // Corrections of all shards are gathered until the next day; not so what a shard says first.
            let news = began || closed(&self.stand) != before;
            self.telling |= news && self.has_closed_news();
            self.cohorts.marked(began);
        }
        Ok(())
    }

    /// Where all shards together stand; none while one of them has said nothing, or speaks of other values.
    fn stand(&self, columns: u64) -> Option<Mark> {
        let mut all = Mark {
            closed: NOBODY,
            frozen: NOBODY,
            lost: Day(i32::MIN),
            settled: Day(i32::MIN),
            last: Last::default(),
        };
        let mut empty = false;
        for mark in &self.marks {
            let mark = Mark::unpack(mark.of(columns)?);
            let mark = mark.expect("it was read when it came");
            if mark.closed == NOBODY {
                empty = true;
            } else {
                all.frozen = all.frozen.min(mark.frozen);
            }
            all.closed = all.closed.min(mark.closed);
            all.lost = all.lost.max(mark.lost);
            all.last = all.last.both(&mark.last);
        }
        if all.closed == NOBODY {
            all.frozen = Day(i32::MIN);
        } else if empty {
            // Its first account may bring its history along.
            all.frozen = all.frozen.min(all.closed.minus(HISTORY_DAYS));
        }
        Some(all)
    }

    /// Whether every shard keeps a segment, as far as they have said.
    pub(crate) fn admits(&self, dimension: &str, segment: &str) -> bool {
        let stand = self.stand.as_ref();
        stand.is_none_or(|stand| stand.last.admits(dimension, segment))
    }

    /// How many days a shard is behind the one that is furthest ahead; others wait for it before they tell a day of
    /// a group.
    pub(crate) fn days_behind(&self, shard: u32, columns: u64) -> u32 {
        let closed = |mark: &Kept| Some(Mark::unpack(mark.of(columns)?).ok()?.closed);
        let all = self.marks.iter().filter_map(closed);
        let furthest = all.filter(|closed| *closed != NOBODY).max();
        let mine = self.marks.get(shard as usize).and_then(closed);
        let behind = furthest
            .zip(mine)
            .map(|(furthest, mine)| furthest.since(mine));
        behind.map_or(0, |days| days.max(0).cast_unsigned())
    }

    /// Whatever has changed is told now: after a restore, and when nothing more will come.
    pub(crate) fn tell_all(&mut self) {
        self.telling = self.has_closed_news();
        self.cohorts.tell_all();
    }

    fn has_closed_news(&self) -> bool {
        let closed = self.stand.as_ref().map(|stand| stand.closed);
        let first = self.news.first();
        first.is_some_and(|first| closed.is_some_and(|closed| first.day <= closed))
    }

    /// Whether something is to be told, or forgotten.
    pub(crate) fn has_news(&self) -> bool {
        self.has_news_of_groups()
            || self
                .closed()
                .is_some_and(|closed| self.cohorts.has_news(closed))
    }

    /// The day that is closed everywhere, if there is anybody at all.
    fn closed(&self) -> Option<Day> {
        let closed = self.stand.as_ref().map(|stand| stand.closed);
        closed.filter(|closed| *closed != NOBODY)
    }

    /// Does the next thing that there is to do.
    pub(crate) fn work(&mut self, terms: &Terms, out: &mut dyn Outputs) {
        if self.has_news_of_groups() {
            self.tell_next(terms, out);
        } else if let Some(closed) = self.closed() {
            self.cohorts.work(closed, &self.settled, terms, out);
        }
    }

    /// Whether a day of a group waits to be told, or forgotten.
    fn has_news_of_groups(&self) -> bool {
        if self.news.is_empty() && self.days.is_empty() {
            return false;
        }
        self.stand.as_ref().is_some_and(|mark| {
            let closed = |name: &GroupDay| name.day <= mark.closed;
            let frozen = |(name, _): (&GroupDay, _)| name.day <= mark.frozen;
            let told = self.telling && self.news.first().is_some_and(closed);
            told || self.days.first_key_value().is_some_and(frozen)
        })
    }

    /// Tells the next day of a group that is to be told, or forgets the next of which nobody says anything more.
    fn tell_next(&mut self, terms: &Terms, out: &mut dyn Outputs) {
        let Some(mark) = self.stand.clone() else {
            return;
        };
        let next = self.telling.then(|| self.news.pop_first()).flatten();
        match next {
            Some(name) if name.day <= mark.closed => {
                self.telling = self.has_closed_news();
                // Of what one shard does not keep, or has lost, there is no whole sum.
                if name.day > mark.lost && mark.last.admits(&name.dimension, &name.segment) {
                    self.tell(name, terms, out);
                }
                return;
            }
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
            (self.forgotten, self.forgotten_dirty) = (Some(name), true);
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
            None if sum.is_empty() => return,
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
        let mut keys = self.cohorts.save(put);
        for key in std::mem::take(&mut self.removed) {
            put(&key, None);
            keys -= 1;
        }
        if let Some(last) = &self.forgotten
            && std::mem::take(&mut self.forgotten_dirty)
        {
            let mut value = Vec::new();
            last.pack(&mut Packer(&mut value));
            put(FORGOTTEN, Some(&value));
            keys += i64::from(!std::mem::replace(&mut self.forgotten_written, true));
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

    /// Takes in up to which one they were forgotten.
    pub(crate) fn restore_forgotten(&mut self, value: &[u8]) -> Result<(), Malformed> {
        self.forgotten = Some(GroupDay::unpack(&mut Unpacker(value))?);
        self.forgotten_written = true;
        Ok(())
    }

    /// Nothing is to be saved.
    pub(crate) fn save_nothing(&mut self) {
        self.forgotten_dirty = false;
        self.removed.clear();
        self.unsaved.clear();
        self.unsaved_parts.clear();
        self.unsaved_marks.clear();
        self.cohorts.save_nothing();
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
            lost: from.day()?,
            settled: from.day()?,
            last: Last::unpack(&mut from)?,
        })
    }
}

fn values_of(sum: &[u8], name: &GroupDay, terms: &Terms) -> Vec<Value> {
    match Part::unpack(&mut Unpacker(sum)) {
        Ok(sum) => values(&sum, name, terms),
        Err(Malformed) => Vec::new(),
    }
}

/// The values of a group; none when nobody is in it and nothing moved in it lately.
fn values(sum: &Part, name: &GroupDay, terms: &Terms) -> Vec<Value> {
    match sum.is_empty() {
        true => Vec::new(),
        false => terms.readers().tell_group(&sum.parts, name.day),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;
    use mainstay_model::{AccountDaily, Parts};

    /// The days of groups that are told, with their revisions and numbers of users active on the day.
    #[derive(Default)]
    struct Heard(Vec<(i32, u32, Option<Value>)>);

    impl Outputs for Heard {
        fn account_daily(&mut self, _: &AccountDaily<'_>) {}

        fn segment_daily(&mut self, record: &SegmentDaily<'_>) {
            let told = (
                record.date.0,
                record.revision,
                record.values.first().cloned(),
            );
            self.0.push(told);
        }
    }

    fn name(day: i32) -> GroupDay {
        GroupDay {
            day: Day(day),
            dimension: "plan".into(),
            segment: "pro".into(),
        }
    }

    fn part(day: i32, accounts: u64, users: u64, terms: &Terms) -> Said {
        let mut parts = vec![Parts::Nothing; terms.readers().of_groups().len()];
        parts[0] = Parts::count(users);
        Said::Part(name(day), Part { accounts, parts })
    }

    fn mark(closed: i32, frozen: i32) -> Said {
        Said::Mark(Mark {
            closed: Day(closed),
            frozen: Day(frozen),
            lost: Day(i32::MIN),
            settled: Day(i32::MIN),
            last: Last::default(),
        })
    }

    fn nobody() -> Said {
        mark(NOBODY.0, i32::MIN)
    }

    struct Case {
        rollup: Rollup,
        terms: Terms,
        heard: Heard,
    }

    impl Case {
        fn of_two_shards() -> Case {
            Case {
                rollup: Rollup::new(2),
                terms: Terms::new(Settings::default()),
                heard: Heard::default(),
            }
        }

        fn says(&mut self, shard: u32, said: &Said) -> &mut Case {
            self.says_of(shard, said, self.terms.columns())
        }

        fn says_of(&mut self, shard: u32, said: &Said, columns: u64) -> &mut Case {
            let (key, value) = encode(said, shard, columns);
            let mine = self.terms.columns();
            self.rollup
                .take(&key, value.as_deref(), false, mine)
                .unwrap();
            self.tells()
        }

        fn tells(&mut self) -> &mut Case {
            while self.rollup.has_news() {
                self.rollup.work(&self.terms, &mut self.heard);
            }
            self
        }

        fn heard(&mut self) -> Vec<(i32, u32, Option<Value>)> {
            std::mem::take(&mut self.heard.0)
        }

        /// Says how many keys that adds or takes away.
        fn saves_into(&mut self, log: &mut BTreeMap<Vec<u8>, Vec<u8>>) -> i64 {
            self.rollup
                .save(self.terms.columns(), &mut |key, value| match value {
                    Some(value) => _ = log.insert(key.to_vec(), value.to_vec()),
                    None => _ = log.remove(key),
                })
        }

        /// The process ends, and another one takes over.
        fn restores(&mut self, log: &BTreeMap<Vec<u8>, Vec<u8>>) {
            let columns = self.terms.columns();
            self.rollup = Rollup::new(2);
            for (key, value) in log {
                let taken = match key[0] {
                    b'H' => self.rollup.restore_forgotten(value),
                    b'R' => self.rollup.restore(&key[1..], value, columns),
                    _ => self.rollup.take(key, Some(value), true, columns),
                };
                taken.unwrap();
            }
            self.rollup.tell_all();
        }
    }

    #[test]
    fn a_day_is_told_when_the_last_shard_has_closed_it_and_a_part_replaces_the_one_before() {
        let mut case = Case::of_two_shards();
        let [one, other, more] = [2, 3, 5].map(|users| part(7, 1, users, &case.terms));
        case.says(0, &one).says(0, &mark(7, 0)).says(1, &other);
        assert_eq!(case.heard(), []);
        case.says(1, &mark(7, 0));
        assert_eq!(case.heard(), [(7, 0, Some(Value::Count(5)))]);
        case.says(0, &more).says(0, &mark(8, 0));
        assert_eq!(case.heard(), [], "a correction waits for the next day");
        case.says(1, &mark(8, 0));
        assert_eq!(case.heard(), [(7, 1, Some(Value::Count(8)))]);
        case.says(0, &more)
            .says(0, &mark(9, 0))
            .says(1, &mark(9, 0));
        assert_eq!(case.heard(), [], "the same again is no news");
    }

    #[test]
    fn a_shard_that_others_wait_for_knows_by_how_many_days() {
        let mut case = Case::of_two_shards();
        case.says(0, &mark(12, 0));
        let behind =
            |case: &Case| [0, 1].map(|no| case.rollup.days_behind(no, case.terms.columns()));
        assert_eq!(behind(&case), [0, 0]);
        case.says(1, &mark(9, 0));
        assert_eq!(behind(&case), [0, 3]);
        case.says(1, &nobody());
        assert_eq!(behind(&case), [0, 0]);
    }

    #[test]
    fn a_group_that_nobody_is_in_any_more_is_withdrawn() {
        let mut case = Case::of_two_shards();
        let [some, none] = [(1, 2), (0, 0)].map(|(n, users)| part(7, n, users, &case.terms));
        case.says(1, &mark(9, 0))
            .says(0, &some)
            .says(0, &mark(7, 0));
        case.says(0, &none).says(0, &mark(8, 0));
        assert_eq!(case.heard(), [(7, 0, Some(Value::Count(2))), (7, 1, None)]);
    }

    #[test]
    fn what_a_shard_keeps_no_more_holds_until_no_shard_speaks_of_it() {
        let mut case = Case::of_two_shards();
        let [one, other] = [2, 3].map(|users| part(7, 1, users, &case.terms));
        case.says(0, &one)
            .says(0, &mark(7, 0))
            .says(0, &mark(50, 10));
        case.says(0, &Said::Gone(name(7)));
        case.says(1, &other).says(1, &mark(7, 0));
        assert_eq!(case.heard(), [(7, 0, Some(Value::Count(5)))]);
        assert_eq!(case.rollup.days.len(), 1);
        case.says(1, &mark(50, 10));
        assert_eq!((case.heard(), case.rollup.days.len()), (vec![], 0));
    }

    #[test]
    fn the_history_of_the_first_account_of_a_shard_is_added_to_what_was_told() {
        let mut case = Case::of_two_shards();
        let [one, other] = [2, 3].map(|users| part(7, 1, users, &case.terms));
        case.says(1, &nobody()).says(0, &one).says(0, &mark(7, 0));
        case.says(0, &mark(90, 50)).says(0, &Said::Gone(name(7)));
        assert_eq!(case.heard(), [(7, 0, Some(Value::Count(2)))]);
        case.says(1, &other).says(1, &mark(7, i32::MIN));
        case.says(1, &mark(8, i32::MIN));
        assert_eq!(case.heard(), [(7, 1, Some(Value::Count(5)))]);
    }

    #[test]
    fn shards_that_were_empty_and_then_close_the_same_day_are_all_in_it() {
        let mut case = Case::of_two_shards();
        let [one, other] = [2, 3].map(|users| part(7, 1, users, &case.terms));
        case.says(0, &nobody()).says(1, &nobody());
        case.says(0, &one).says(0, &mark(7, 0));
        case.says(1, &other).says(1, &mark(7, 0));
        let last = case.heard().pop();
        assert_eq!(last, Some((7, 1, Some(Value::Count(5)))));
    }

    #[test]
    fn what_was_forgotten_is_never_told_again() {
        let mut case = Case::of_two_shards();
        let [one, other] = [2, 3].map(|users| part(7, 1, users, &case.terms));
        case.says(1, &nobody()).says(0, &one).says(0, &mark(7, 0));
        case.says(0, &mark(500, 460));
        case.heard();
        case.says(1, &other).says(1, &mark(7, i32::MIN));
        assert_eq!((case.heard(), case.rollup.days.len()), (vec![], 0));
    }

    /// A process may end after any step.
    #[test]
    fn half_a_day_that_is_forgotten_takes_nothing_back() {
        let mut case = Case::of_two_shards();
        let segments = ["basic", "pro", "team"];
        for segment in segments {
            let Said::Part(name, part) = part(7, 1, 2, &case.terms) else {
                panic!("a part was asked for");
            };
            let name = GroupDay {
                segment: segment.into(),
                ..name
            };
            case.says(0, &Said::Part(name, part));
        }
        case.says(0, &mark(7, 0)).says(1, &mark(7, 0));
        assert_eq!(case.heard().len(), segments.len());
        let columns = case.terms.columns();
        for shard in [0, 1] {
            let (key, value) = encode(&mark(60, 20), shard, columns);
            let taken = case.rollup.take(&key, value.as_deref(), false, columns);
            taken.unwrap();
        }
        let mut log = BTreeMap::new();
        while case.rollup.has_news() {
            case.rollup.work(&case.terms, &mut case.heard);
            case.saves_into(&mut log);
            case.restores(&log);
            while case.rollup.telling {
                case.rollup.work(&case.terms, &mut case.heard);
            }
        }
        assert_eq!((case.heard(), case.rollup.days.len()), (vec![], 0));
    }

    #[test]
    fn while_a_shard_speaks_of_other_values_nothing_is_told() {
        let mut case = Case::of_two_shards();
        let [one, other] = [2, 3].map(|users| part(7, 1, users, &case.terms));
        case.says(0, &one).says(0, &mark(7, 0));
        case.says_of(1, &other, 1).says_of(1, &mark(7, 0), 1);
        assert_eq!(case.heard(), []);
        // It has gone over to our values: what it said of others is of days that it says nothing more of.
        case.says(1, &mark(7, 7));
        assert_eq!(case.heard(), []);
        let next = part(8, 1, 4, &case.terms);
        case.says(1, &next)
            .says(1, &mark(8, 7))
            .says(0, &mark(8, 0));
        assert_eq!(case.heard(), [(8, 0, Some(Value::Count(4)))]);
    }

    #[test]
    fn what_is_saved_comes_back_and_says_nothing_twice() {
        let mut case = Case::of_two_shards();
        let one = part(7, 1, 2, &case.terms);
        case.says(1, &mark(9, 0)).says(0, &one).says(0, &mark(8, 0));
        let mut log = BTreeMap::new();
        let keys = case.saves_into(&mut log);
        assert_eq!(
            (keys, log.len()),
            (4, 4),
            "two marks, a part, what was told"
        );
        case.restores(&log);
        case.heard();
        case.says(1, &mark(10, 0));
        assert_eq!(case.heard(), []);
        assert_eq!(case.saves_into(&mut log), 0, "no new key");
    }
}
