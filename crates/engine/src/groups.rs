//! The shard's part in groups: what its accounts say together, by day, dimension and segment.
//!
//! An account adds its reading to its groups when its day closes, and replaces it when the day is corrected.
//! Whoever puts the parts of all shards together is handed a whole sum at a time, never a difference, and one mark
//! for each day that every account of the shard has closed. Knows nothing of other shards.

use std::collections::{BTreeMap, BTreeSet};

use mainstay_model::{Day, Parts};

use crate::changelog::Put;
use crate::cohorts::Changes;
use crate::cohorts::days::Days;
use crate::limit::{Last, Limit};
use crate::pack::{Malformed, Packer, Unpacker};
use crate::reading::{Reading, ToGroup, pack_parts, unpack_parts};
use crate::terms::Terms;

/// The dimension that every account is in, and its one segment.
pub(crate) const ALL: &str = "all";

/// All cohorts belong to the shard that this group would belong to.
pub(crate) const COHORTS: (&str, &str) = ("cohorts", ALL);

/// A shard without accounts has closed every day.
pub(crate) const NOBODY: Day = Day(i32::MAX);

/// A day of a group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct GroupDay {
    pub(crate) day: Day,
    pub(crate) dimension: Box<str>,
    pub(crate) segment: Box<str>,
}

/// The sums of a shard.
pub(crate) struct Groups {
    rows: BTreeMap<GroupDay, Row>,
    limit: Limit,
    /// What happens in cohorts.
    pub(crate) cohorts: Days,
    /// Of days up to this one nothing is said any more: what was said of them was not kept, or they are too old to be
    /// corrected.
    frozen: Day,
    /// What was said of days up to this one was lost, with the settings that it was said under.
    lost: Day,
    /// The newest day that every account of the shard has closed, once that was said.
    mark: Option<Day>,
    /// So many days behind the mark nothing changes any more.
    kept_days: i32,
    /// The mark that is to be said after the sums that belong to it.
    next_mark: Option<Day>,
    /// Rows that have changed since they were handed on.
    unsaid: BTreeSet<GroupDay>,
    /// Rows that have changed since they were saved, and those that are to be removed.
    unsaved: BTreeSet<GroupDay>,
    removed: Vec<GroupDay>,
    /// The shard's own record has changed.
    state_dirty: bool,
    state_written: bool,
}

/// A day of a group; unpacked while it changes.
struct Row {
    sums: Sums,
    written: bool,
}

enum Sums {
    Open(Box<Open>),
    Packed(Box<[u8]>),
}

/// What the accounts of a group say together.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Open {
    accounts: u64,
    /// In the order of the columns of groups.
    cells: Vec<Cell>,
}

/// The sum of one metric, and how many accounts have a say in it: where nobody has, there is no sum, not even 0.
#[derive(Clone, Debug, Default, PartialEq)]
struct Cell {
    said_by: u64,
    parts: Parts,
}

/// What an account gives to a group: parts, for each column of groups.
pub(crate) struct Given<'g> {
    parts: &'g [Parts],
    /// Where in them the parts of each column stand.
    places: &'g [usize],
    is_in: bool,
    /// Parts of flows, in the order of their columns.
    flows: Option<&'g [Parts]>,
    terms: &'g Terms,
}

impl<'g> Given<'g> {
    /// `places` says where the parts of each column of groups stand in the reading.
    pub(crate) fn of(
        reading: &'g Reading,
        places: &'g [usize],
        to: &ToGroup<'g>,
        terms: &'g Terms,
    ) -> Given<'g> {
        Given {
            parts: &reading.parts,
            places,
            is_in: to.is_in,
            flows: to.flows,
            terms,
        }
    }

    fn columns(&self) -> usize {
        self.places.len()
    }

    fn parts(&self) -> impl Iterator<Item = &'g Parts> {
        let flows = self.flows.map(|flows| {
            let columns = self.terms.readers().flow_columns();
            columns.zip(flows).collect::<Vec<_>>()
        });
        let (parts, is_in) = (self.parts, self.is_in);
        let places = self.places.iter().enumerate();
        places.map(move |(column, place)| {
            let flow = flows.as_ref().and_then(|flows| {
                let found = flows.binary_search_by_key(&column, |(column, _)| *column);
                found.ok().map(|found| flows[found].1)
            });
            match (flow, is_in) {
                (Some(flow), _) => flow,
                (None, true) => &parts[*place],
                (None, false) => &Parts::Nothing,
            }
        })
    }
}

impl Open {
    pub(crate) fn is_empty(&self) -> bool {
        self.accounts == 0 && self.cells.iter().all(|cell| cell.said_by == 0)
    }

    /// Adds what an account gives.
    pub(crate) fn add(&mut self, given: &Given<'_>) {
        self.accounts += u64::from(given.is_in);
        self.cells.resize(given.columns(), Cell::default());
        for (cell, parts) in self.cells.iter_mut().zip(given.parts()) {
            if *parts != Parts::Nothing {
                cell.said_by += 1;
                cell.parts.add(parts);
            }
        }
    }

    /// Takes out what an account gave.
    pub(crate) fn subtract(&mut self, given: &Given<'_>) {
        let accounts = u64::from(given.is_in);
        debug_assert!(self.accounts >= accounts, "only who was added is taken out");
        self.accounts = self.accounts.saturating_sub(accounts);
        for (cell, parts) in self.cells.iter_mut().zip(given.parts()) {
            if *parts != Parts::Nothing {
                cell.said_by = cell.said_by.saturating_sub(1);
                match cell.said_by {
                    0 => cell.parts = Parts::Nothing,
                    _ => cell.parts.subtract(parts),
                }
            }
        }
    }

    fn pack(&self, to: &mut Packer<'_>) {
        to.uint(self.accounts);
        for cell in &self.cells {
            to.uint(cell.said_by);
            pack_parts(&cell.parts, to);
        }
    }

    fn unpack(from: &mut Unpacker<'_>) -> Result<Open, Malformed> {
        let accounts = from.uint()?;
        let mut cells = Vec::new();
        while !from.is_empty() {
            cells.push(Cell {
                said_by: from.uint()?,
                parts: unpack_parts(from)?,
            });
        }
        Ok(Open { accounts, cells })
    }
}

impl Sums {
    fn packed(&self) -> Box<[u8]> {
        match self {
            Sums::Packed(bytes) => bytes.clone(),
            Sums::Open(open) => {
                let mut bytes = Vec::new();
                open.pack(&mut Packer(&mut bytes));
                bytes.into()
            }
        }
    }

    fn open(&mut self) -> &mut Open {
        if let Sums::Packed(bytes) = self {
            let open = Open::unpack(&mut Unpacker(bytes));
            *self = Sums::Open(Box::new(open.expect("what was packed here can be read")));
        }
        match self {
            Sums::Open(open) => open,
            Sums::Packed(_) => unreachable!("it was opened above"),
        }
    }
}

/// A part of a group that was taken from one shard: how many accounts, and the sums of their parts.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Part {
    pub(crate) accounts: u64,
    /// In the order of the columns of groups.
    pub(crate) parts: Vec<Parts>,
}

impl Part {
    pub(crate) fn of(open: &Open) -> Part {
        Part {
            accounts: open.accounts,
            parts: open.cells.iter().map(|cell| cell.parts.clone()).collect(),
        }
    }

    /// Whether nobody is in the group, and no revenue moved in it lately.
    pub(crate) fn is_empty(&self) -> bool {
        let is_nothing = |parts: &Parts| match parts {
            Parts::Nothing => true,
            Parts::Sums(sums) => sums.iter().all(|sum| *sum == 0),
            Parts::Table(_) | Parts::Spread(_) | Parts::Newest(_) => false,
        };
        self.accounts == 0 && self.parts.iter().all(is_nothing)
    }

    /// Takes the part of another shard in.
    pub(crate) fn add(&mut self, other: &Part) {
        self.accounts += other.accounts;
        self.parts
            .resize(self.parts.len().max(other.parts.len()), Parts::Nothing);
        for (mine, theirs) in self.parts.iter_mut().zip(&other.parts) {
            mine.add(theirs);
        }
    }

    pub(crate) fn pack(&self, to: &mut Packer<'_>) {
        to.uint(self.accounts);
        self.parts.iter().for_each(|parts| pack_parts(parts, to));
    }

    pub(crate) fn unpack(from: &mut Unpacker<'_>) -> Result<Part, Malformed> {
        let accounts = from.uint()?;
        let mut parts = Vec::new();
        while !from.is_empty() {
            parts.push(unpack_parts(from)?);
        }
        Ok(Part { accounts, parts })
    }
}

/// What is handed to whoever puts the shards together.
pub(crate) enum Said {
    /// All that the shard says of a day of a group.
    Part(GroupDay, Part),
    /// Where the shard stands.
    Mark(Mark),
    /// What was said of the day holds, and is kept no more.
    Gone(GroupDay),
    /// All that happens in cohorts on a day.
    Cohorts(Day, Changes),
    /// What was said of cohorts on a day holds, and is kept no more.
    CohortsGone(Day),
}

/// Where a shard stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Every account of the shard has closed this day.
    pub(crate) closed: Day,
    /// Of days up to this one the shard says nothing more.
    pub(crate) frozen: Day,
    /// Of days up to this one it may have had something to say that it no longer knows.
    pub(crate) lost: Day,
    /// Of what happens in cohorts on days up to this one it says nothing more.
    pub(crate) settled: Day,
    /// Of further segments it says nothing at all.
    pub(crate) last: Last,
}

impl Default for Groups {
    fn default() -> Groups {
        Groups {
            rows: BTreeMap::new(),
            limit: Limit::default(),
            cohorts: Days::default(),
            frozen: Day(i32::MIN),
            lost: Day(i32::MIN),
            mark: None,
            kept_days: 0,
            next_mark: None,
            unsaid: BTreeSet::new(),
            unsaved: BTreeSet::new(),
            removed: Vec::new(),
            state_dirty: true,
            state_written: false,
        }
    }
}

impl Groups {
    /// An account's day was closed.
    pub(crate) fn add(&mut self, day: Day, reading: &Reading, terms: &Terms) {
        self.change(day, reading, terms, Open::add);
    }

    /// What an account said of a day holds no more.
    pub(crate) fn subtract(&mut self, day: Day, reading: &Reading, terms: &Terms) {
        self.change(day, reading, terms, Open::subtract);
    }

    fn change(
        &mut self,
        day: Day,
        reading: &Reading,
        terms: &Terms,
        change: fn(&mut Open, &Given<'_>),
    ) {
        if day <= self.frozen {
            return;
        }
        for to in reading.groups(terms) {
            let (dimension, segment) = (to.dimension, to.segment);
            let name = GroupDay {
                day,
                dimension: dimension.into(),
                segment: segment.into(),
            };
            if dimension != ALL && !self.admits(&name, terms.settings.segments_max) {
                continue;
            }
            let row = self.rows.entry(name.clone()).or_insert_with(|| Row {
                sums: Sums::Open(Box::default()),
                written: false,
            });
            let places = terms.readers().of_groups();
            change(row.sums.open(), &Given::of(reading, places, &to, terms));
            self.unsaved.insert(name.clone());
            self.unsaid.insert(name);
        }
    }

    /// Whether a day of a segment is kept. One more segment may put another one beyond the limit.
    fn admits(&mut self, name: &GroupDay, most: usize) -> bool {
        let (dimension, segment) = (&*name.dimension, &*name.segment);
        if !self.limit.last.admits(dimension, segment) {
            return false;
        }
        if self.rows.contains_key(name) {
            return true;
        }
        let Some(beyond) = self.limit.enters(dimension, segment, most) else {
            return true;
        };
        self.state_dirty = true;
        // The others have to know before they tell more of it.
        self.next_mark = self.next_mark.or(self.mark);
        let goes = |name: &GroupDay| *name.dimension == *dimension && name.segment == beyond;
        let removed = &mut self.removed;
        self.rows.retain(|name, row| {
            if goes(name) && row.written {
                removed.push(name.clone());
            }
            !goes(name)
        });
        self.unsaved.retain(|name| !goes(name));
        self.unsaid.retain(|name| !goes(name));
        *segment != *beyond
    }

    /// How many dimensions have more segments than are told.
    pub(crate) fn crowded(&self) -> usize {
        self.limit.last.dimensions()
    }

    /// Every account has closed `day`, or there is none: what is known of it and of days before goes out, then the
    /// mark. Days are forgotten that lie so far behind that they can no longer be corrected.
    pub(crate) fn all_closed(&mut self, day: Option<Day>, kept_days: i32) {
        let Some(day) = day else {
            if self.mark != Some(NOBODY) {
                self.next_mark = Some(NOBODY);
            }
            return;
        };
        // What was marked stays marked, also where an account far to the west has come later.
        let day = match self.mark {
            Some(mark) if mark != NOBODY => day.max(mark),
            Some(_) | None => day,
        };
        // Corrections wait for the next day: one late event changes the days of a month.
        if self.mark != Some(day) {
            self.next_mark = Some(day);
        }
        self.kept_days = kept_days;
    }

    /// Nothing more will come: what waits for the next day goes out.
    pub(crate) fn say_all(&mut self) {
        self.next_mark = self.next_mark.or(self.mark);
    }

    /// Forgets days up to this one.
    fn freeze(&mut self, day: Day) {
        if day > self.frozen {
            self.frozen = day;
            self.state_dirty = true;
        }
    }

    fn oldest_is_frozen(&self) -> bool {
        let oldest = self.rows.first_key_value();
        oldest.is_some_and(|(name, _)| name.day <= self.frozen)
    }

    /// Whether something waits to be handed on.
    pub(crate) fn has_news(&self) -> bool {
        self.next_mark.is_some() || self.oldest_is_frozen() || self.cohorts.has_settled()
    }

    /// The next that is to be handed on: sums of days up to the mark, then the mark, then what is kept no more.
    pub(crate) fn next(&mut self) -> Option<Said> {
        if let Some(closed) = self.next_mark {
            return Some(self.next_until(closed));
        }
        if !self.oldest_is_frozen() {
            return self.cohorts.next_settled().map(Said::CohortsGone);
        }
        let (name, row) = self.rows.pop_first()?;
        self.limit.leaves(&name.dimension, &name.segment);
        self.unsaved.remove(&name);
        self.unsaid.remove(&name);
        if row.written {
            self.removed.push(name.clone());
        }
        Some(Said::Gone(name))
    }

    fn next_until(&mut self, closed: Day) -> Said {
        while let Some(name) = self.unsaid.pop_first() {
            if name.day > closed {
                self.unsaid.insert(name);
                break;
            }
            if let Some(row) = self.rows.get_mut(&name) {
                self.unsaved.insert(name.clone());
                return Said::Part(name, Part::of(row.sums.open()));
            }
        }
        if let Some((day, changes)) = self.cohorts.next(closed) {
            return Said::Cohorts(day, changes.clone());
        }
        (self.mark, self.next_mark) = (Some(closed), None);
        self.state_dirty = true;
        let (frozen, settled) = (self.frozen, self.cohorts.settled());
        // Only now: of what goes out with a mark nothing is too old yet, however long ago the mark before was.
        if closed != NOBODY {
            let oldest = closed.minus(self.kept_days);
            self.freeze(oldest);
            self.cohorts.settle(oldest);
        }
        Said::Mark(Mark {
            closed,
            frozen,
            settled,
            lost: self.lost,
            last: self.limit.last.clone(),
        })
    }

    /// Writes what has changed, and says how many keys that adds or takes away.
    pub(crate) fn save(&mut self, columns: u64, put: &mut Put<'_>) -> i64 {
        let mut keys = self.cohorts.save(put);
        let mut bytes = Vec::new();
        for name in std::mem::take(&mut self.removed) {
            put(&name.key(b'S'), None);
            keys -= 1;
        }
        for name in std::mem::take(&mut self.unsaved) {
            let unsaid = self.unsaid.contains(&name);
            let Some(row) = self.rows.get_mut(&name) else {
                continue;
            };
            let packed = row.sums.packed();
            bytes.clear();
            bytes.push(u8::from(unsaid));
            bytes.extend_from_slice(&packed);
            row.sums = Sums::Packed(packed);
            keys += i64::from(!std::mem::replace(&mut row.written, true));
            put(&name.key(b'S'), Some(&bytes));
        }
        if std::mem::take(&mut self.state_dirty) {
            bytes.clear();
            bytes.extend_from_slice(&columns.to_le_bytes());
            let mut to = Packer(&mut bytes);
            to.int(self.frozen.0.into());
            to.int(self.lost.0.into());
            to.uint(u64::from(self.mark.is_some()));
            to.int(self.mark.unwrap_or_default().0.into());
            self.limit.last.pack(&mut to);
            keys += i64::from(!std::mem::replace(&mut self.state_written, true));
            put(b"G", Some(&bytes));
        }
        keys
    }

    /// Nothing is to be saved.
    pub(crate) fn save_nothing(&mut self) {
        self.cohorts.save_nothing();
        self.removed.clear();
        self.state_dirty = false;
        for name in std::mem::take(&mut self.unsaved) {
            if let Some(row) = self.rows.get_mut(&name) {
                row.sums = Sums::Packed(row.sums.packed());
            }
        }
    }

    /// Takes the shard's own record in. `columns` says of which values its sums are to be.
    pub(crate) fn restore_state(&mut self, value: &[u8], columns: u64) -> Result<(), Malformed> {
        let mut from = Unpacker(value);
        let same = *from.take(8)? == columns.to_le_bytes();
        let (frozen, lost) = (from.day()?, from.day()?);
        let mark = (from.uint()? == 1).then_some(from.day()?);
        let last = Last::unpack(&mut from)?;
        self.state_written = true;
        if same {
            self.limit.last = last;
            (self.frozen, self.mark, self.state_dirty) = (frozen, mark, false);
            self.lost = lost;
        }
        Ok(())
    }

    /// Takes a row in.
    pub(crate) fn restore_row(&mut self, key: &[u8], value: &[u8]) -> Result<(), Malformed> {
        let name = GroupDay::of_key(key)?;
        let (unsaid, packed) = value.split_first().ok_or(Malformed)?;
        Open::unpack(&mut Unpacker(packed))?;
        if *unsaid != 0 {
            self.unsaid.insert(name.clone());
        }
        let row = Row {
            sums: Sums::Packed(packed.into()),
            written: true,
        };
        if *name.dimension != *ALL {
            self.limit
                .enters(&name.dimension, &name.segment, usize::MAX);
        }
        self.rows.insert(name, row);
        Ok(())
    }

    /// All records are there. Where they are of other values than today's, days up to `closed`, the newest that any
    /// account has closed, are told no more.
    pub(crate) fn restored(&mut self, closed: Option<Day>) {
        if self.state_dirty
            && let Some(closed) = closed
        {
            self.freeze(closed);
            self.lost = closed;
            self.unsaid.clear();
        }
    }
}

impl GroupDay {
    /// The key of a record about it.
    pub(crate) fn key(&self, kind: u8) -> Vec<u8> {
        let mut key = vec![kind];
        self.pack(&mut Packer(&mut key));
        key
    }

    pub(crate) fn of_key(rest: &[u8]) -> Result<GroupDay, Malformed> {
        GroupDay::unpack(&mut Unpacker(rest))
    }

    pub(crate) fn pack(&self, to: &mut Packer<'_>) {
        to.int(self.day.0.into());
        to.bytes(self.dimension.as_bytes());
        to.bytes(self.segment.as_bytes());
    }

    pub(crate) fn unpack(from: &mut Unpacker<'_>) -> Result<GroupDay, Malformed> {
        Ok(GroupDay {
            day: from.day()?,
            dimension: from.text()?.into(),
            segment: from.text()?.into(),
        })
    }
}
