//! The days of one user, packed: how much it did on each, and its sessions.
//!
//! A cell for each day, the newest first: a new day goes in front, and who asks for the last weeks reads no further.
//! Each cell says how far the one before it in time lies back, and the first of all how far the last one does. Sessions stand in the cell of the day in which they
//! begin, until no event can change them any more and nobody asks for them one by one; then only their number and
//! their time together are kept.
//!
//! ```text
//! day, distance to the oldest | cells: distance and flags, events, key actions, [api, agent, features, first], [sessions, ms], [sessions]
//! ```

use mainstay_model::{Day, Timestamp};

use super::sessions::Session;
use crate::pack::{Malformed, Packer, Unpacker};

/// What a user did on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) day: Day,
    /// Qualifying events.
    pub(crate) events: u32,
    /// Those of them that a program of the customer, or a software agent, did.
    pub(crate) api_events: u32,
    pub(crate) agent_events: u32,
    pub(crate) key_actions: u32,
    /// A bit for each tracked feature that was used.
    pub(crate) features: u64,
    /// The earliest qualifying event, in milliseconds after midnight UTC; [`Counts::NO_EVENT`] if none, or if
    /// one event is enough to be active, so that nobody has to know.
    pub(crate) first_ms: i32,
}

/// A day of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) counts: Counts,
    pub(crate) settled: Settled,
    /// In the order of time.
    pub(crate) sessions: Vec<Session>,
}

/// Sessions of a day that nothing can change any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settled {
    pub(crate) sessions: u32,
    /// How long they lasted together.
    pub(crate) ms: u64,
}

/// A cell as it lies in the past.
#[derive(Clone, Copy)]
pub(crate) struct PackedCell<'a> {
    pub(crate) counts: Counts,
    pub(crate) settled: Settled,
    sessions: &'a [u8],
}

/// The cells of a past, newest first.
#[derive(Clone, Copy, Default)]
pub(crate) struct Cells<'a> {
    /// The day of the next cell, and of the last one, if there is one.
    day: Day,
    oldest: Day,
    rest: Unpacker<'a>,
}

/// A past that is made of another one: bytes of its own, and behind them so many of the other's last ones.
pub(crate) struct Changed {
    pub(crate) front: Vec<u8>,
    pub(crate) kept: usize,
}

const HAS_SESSIONS: u64 = 1;
const HAS_SETTLED: u64 = 2;
/// What most companies never have costs one bit.
const HAS_MORE: u64 = 4;
const FLAGS: u32 = 3;

/// The cells of a past.
pub(crate) fn cells(past: &[u8]) -> Cells<'_> {
    Cells::begin(past).unwrap_or_default()
}

/// Whether a past can be read.
///
/// # Errors
/// When it cannot.
pub(crate) fn check(past: &[u8]) -> Result<(), Malformed> {
    if past.is_empty() {
        return Ok(());
    }
    let mut cells = Cells::begin(past)?;
    let mut oldest = None;
    while let Some(cell) = cells.read()? {
        oldest = Some(cell.counts.day);
        let mut sessions = Unpacker(cell.sessions);
        while !sessions.is_empty() {
            Session::unpack(cell.counts.day, &mut sessions)?;
        }
    }
    match oldest == Some(cells.oldest) {
        true => Ok(()),
        false => Err(Malformed),
    }
}

/// A past of cells, oldest first; empty ones are left out.
pub(crate) fn pack(cells: &[Cell]) -> Vec<u8> {
    let mut past = Vec::new();
    let cells = cells.iter().filter(|cell| !cell.is_empty());
    let Some(oldest) = cells.clone().next() else {
        return past;
    };
    let mut cells = cells.rev();
    let mut cell = cells.next().expect("there is an oldest one");
    pack_head(cell.counts.day, oldest.counts.day, &mut past);
    for older in cells {
        cell.pack(Some(older.counts.day), &mut past);
        cell = older;
    }
    cell.pack(None, &mut past);
    past
}

/// Cells, oldest first.
pub(crate) fn unpacked(past: &[u8]) -> Vec<Cell> {
    let mut cells: Vec<Cell> = cells(past).map(PackedCell::to_cell).collect();
    cells.reverse();
    cells
}

/// A past with the cell of a day changed; cheap where no day is newer, which is nearly always so.
pub(crate) fn changed(past: &[u8], day: Day, change: impl FnOnce(&mut Cell)) -> Changed {
    let mut older = cells(past);
    if older.newest_day().is_some_and(|newest| newest > day) {
        let mut cells = unpacked(past);
        change(cell_of(&mut cells, day));
        return Changed::whole(pack(&cells));
    }
    let mut cell = match older.newest_day() == Some(day) {
        true => older.next().map_or(Cell::new(day), PackedCell::to_cell),
        false => Cell::new(day),
    };
    change(&mut cell);
    in_front(&cell, older)
}

/// A past whose newest counts, and whose newest session, are left out where that is asked for.
pub(crate) fn without_newest(past: &[u8], counts: bool, session: bool) -> Changed {
    let mut older = cells(past);
    let newest = older.next();
    let newest = newest.filter(|cell| !cell.counts.is_empty() && cell.has_sessions());
    if let Some(newest) = newest {
        let mut cell = newest.to_cell();
        cell.leave_out(counts, session);
        return in_front(&cell, older);
    }
    let mut cells = unpacked(past);
    let has_counts = |cell: &Cell| !cell.counts.is_empty();
    if let Some(place) = cells.iter().rposition(has_counts) {
        cells[place].leave_out(counts, false);
    }
    let has_sessions = |cell: &Cell| !cell.sessions.is_empty();
    if let Some(place) = cells.iter().rposition(has_sessions) {
        cells[place].leave_out(false, session);
    }
    Changed::whole(pack(&cells))
}

fn in_front(cell: &Cell, older: Cells<'_>) -> Changed {
    let mut past = Vec::with_capacity(64);
    if cell.is_empty() {
        if let Some(newest) = older.newest_day() {
            pack_head(newest, older.oldest, &mut past);
        }
    } else {
        let newest = cell.counts.day;
        pack_head(newest, older.oldest_day().unwrap_or(newest), &mut past);
        cell.pack(older.newest_day(), &mut past);
    }
    Changed {
        front: past,
        kept: older.rest.0.len(),
    }
}

fn pack_head(newest: Day, oldest: Day, past: &mut Vec<u8>) {
    let mut to = Packer(past);
    to.int(newest.0.into());
    to.uint(newest.since(oldest).unsigned_abs().into());
}

/// What is still asked of days that have become old. Days before each of these are ever less known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ages {
    /// From here on sessions are known one by one.
    pub(crate) sessions: Day,
    /// From here on it is known how many there were, and how long they lasted together.
    pub(crate) settled: Day,
    /// From here on anything is known.
    pub(crate) oldest: Day,
}

/// A past without what is no longer asked for, but with the newest session of all. `None` where nothing changes.
pub(crate) fn aged(past: &[u8], ages: Ages) -> Option<Vec<u8>> {
    let newest = cells(past).find(PackedCell::has_sessions);
    let newest = newest.map(|cell| cell.counts.day);
    let ages_on = |cell: PackedCell<'_>| {
        let day = cell.counts.day;
        Some(day) != newest
            && (day < ages.oldest
                || (day < ages.settled && cell.settled.sessions > 0)
                || (day < ages.sessions && cell.has_sessions()))
    };
    if !cells(past).any(ages_on) {
        return None;
    }
    let mut cells = unpacked(past);
    cells.retain(|cell| cell.counts.day >= ages.oldest || Some(cell.counts.day) == newest);
    for cell in &mut cells {
        if Some(cell.counts.day) != newest {
            cell.age(ages);
        }
    }
    Some(pack(&cells))
}

/// The active days of a past that [`aged`] takes out of it.
pub(crate) fn forgotten(past: &[u8], ages: Ages, min_events: u32) -> Vec<Day> {
    let newest = cells(past).find(PackedCell::has_sessions);
    let newest = newest.map(|cell| cell.counts.day);
    let goes = |counts: &Counts| counts.day < ages.oldest && Some(counts.day) != newest;
    let all = cells(past).map(|cell| cell.counts).filter(goes);
    all.filter(|counts| counts.events >= min_events)
        .map(|counts| counts.day)
        .collect()
}

/// The cell of a day among cells that are sorted by day, made in its place where there is none.
pub(crate) fn cell_of(cells: &mut Vec<Cell>, day: Day) -> &mut Cell {
    let place = cells.partition_point(|cell| cell.counts.day < day);
    if cells.get(place).is_none_or(|cell| cell.counts.day != day) {
        cells.insert(place, Cell::new(day));
    }
    &mut cells[place]
}

impl Changed {
    fn whole(front: Vec<u8>) -> Changed {
        Changed { front, kept: 0 }
    }

    /// Writes the past that is made of `past`.
    pub(crate) fn write(&self, past: &[u8], to: &mut Packer<'_>) {
        to.0.extend_from_slice(&self.front);
        to.0.extend_from_slice(&past[past.len() - self.kept..]);
    }
}

impl<'a> Cells<'a> {
    fn begin(past: &'a [u8]) -> Result<Cells<'a>, Malformed> {
        let mut rest = Unpacker(past);
        let day = rest.day()?;
        let back = i32::try_from(rest.uint()?).map_err(|_| Malformed)?;
        let oldest = day.minus(back);
        Ok(Cells { day, oldest, rest })
    }

    pub(crate) fn newest_day(&self) -> Option<Day> {
        (!self.rest.is_empty()).then_some(self.day)
    }

    pub(crate) fn oldest_day(&self) -> Option<Day> {
        (!self.rest.is_empty()).then_some(self.oldest)
    }

    fn read(&mut self) -> Result<Option<PackedCell<'a>>, Malformed> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let from = &mut self.rest;
        let head = from.uint()?;
        let mut counts = Counts {
            events: from.u32()?,
            key_actions: from.u32()?,
            ..Counts::none(self.day)
        };
        if head & HAS_MORE != 0 {
            counts.unpack_more(from)?;
        }
        let mut settled = Settled::default();
        if head & HAS_SETTLED != 0 {
            (settled.sessions, settled.ms) = (from.u32()?, from.uint()?);
        }
        let sessions = match head & HAS_SESSIONS != 0 {
            true => from.bytes()?,
            false => &[],
        };
        let back = i32::try_from(head >> FLAGS).map_err(|_| Malformed)?;
        if (back == 0) != from.is_empty() {
            return Err(Malformed);
        }
        self.day = self.day.minus(back);
        Ok(Some(PackedCell {
            counts,
            settled,
            sessions,
        }))
    }
}

impl<'a> Iterator for Cells<'a> {
    type Item = PackedCell<'a>;

    /// What is kept was checked when it was read, so it can be read again.
    fn next(&mut self) -> Option<PackedCell<'a>> {
        self.read().ok().flatten()
    }
}

impl<'a> PackedCell<'a> {
    pub(crate) fn has_sessions(&self) -> bool {
        !self.sessions.is_empty()
    }

    /// In the order of time.
    pub(crate) fn sessions(&self) -> impl Iterator<Item = Session> + use<'a> {
        let (day, mut packed) = (self.counts.day, Unpacker(self.sessions));
        std::iter::from_fn(move || match packed.is_empty() {
            true => None,
            false => Session::unpack(day, &mut packed).ok(),
        })
    }

    fn to_cell(self) -> Cell {
        Cell {
            counts: self.counts,
            settled: self.settled,
            sessions: self.sessions().collect(),
        }
    }
}

impl Cell {
    fn new(day: Day) -> Cell {
        Cell {
            counts: Counts::none(day),
            settled: Settled::default(),
            sessions: Vec::new(),
        }
    }

    fn is_empty(&self) -> bool {
        self.counts.is_empty() && self.sessions.is_empty() && self.settled.sessions == 0
    }

    fn leave_out(&mut self, counts: bool, session: bool) {
        if counts {
            self.counts = Counts::none(self.counts.day);
        }
        if session {
            self.sessions.pop();
        }
    }

    fn age(&mut self, ages: Ages) {
        if self.counts.day < ages.sessions {
            for session in self.sessions.drain(..) {
                self.settled.sessions += 1;
                self.settled.ms += session.duration_ms().unsigned_abs();
            }
        }
        if self.counts.day < ages.settled {
            self.settled = Settled::default();
        }
    }

    fn pack(&self, older: Option<Day>, past: &mut Vec<u8>) {
        let counts = &self.counts;
        let back = older.map_or(0, |older| counts.day.since(older));
        let flag = |has: bool, flag: u64| if has { flag } else { 0 };
        let flags = flag(!self.sessions.is_empty(), HAS_SESSIONS)
            | flag(self.settled.sessions != 0, HAS_SETTLED)
            | flag(counts.has_more(), HAS_MORE);
        let mut to = Packer(past);
        to.uint(u64::from(back.unsigned_abs()) << FLAGS | flags);
        to.uint(counts.events.into());
        to.uint(counts.key_actions.into());
        if counts.has_more() {
            counts.pack_more(&mut to);
        }
        if self.settled.sessions != 0 {
            to.uint(self.settled.sessions.into());
            to.uint(self.settled.ms);
        }
        if !self.sessions.is_empty() {
            pack_sessions(&self.sessions, past);
        }
    }
}

/// As [`Packer::bytes`] does.
fn pack_sessions(sessions: &[Session], past: &mut Vec<u8>) {
    let start = past.len();
    past.push(0);
    let mut to = Packer(past);
    sessions.iter().for_each(|session| session.pack(&mut to));
    let len = past.len() - start - 1;
    match len < 0x80 {
        true => past[start] = len as u8,
        false => {
            let packed = past.split_off(start + 1);
            past.truncate(start);
            Packer(past).bytes(&packed);
        }
    }
}

const DAY_MS: i64 = 24 * 3_600_000;

impl Counts {
    pub(crate) const NO_EVENT: i32 = i32::MAX;

    /// A day on which nothing happened.
    pub(crate) const fn none(day: Day) -> Counts {
        Counts {
            day,
            events: 0,
            api_events: 0,
            agent_events: 0,
            key_actions: 0,
            features: 0,
            first_ms: Counts::NO_EVENT,
        }
    }

    pub(crate) fn add(&mut self, more: Counts) {
        self.events = self.events.saturating_add(more.events);
        self.api_events = self.api_events.saturating_add(more.api_events);
        self.agent_events = self.agent_events.saturating_add(more.agent_events);
        self.key_actions = self.key_actions.saturating_add(more.key_actions);
        self.features |= more.features;
        self.first_ms = self.first_ms.min(more.first_ms);
    }

    /// Keeps that a qualifying event happened.
    pub(crate) fn begin_at(&mut self, at: Timestamp) {
        let ms = at.0 - i64::from(self.day.0) * DAY_MS;
        self.first_ms = i32::try_from(ms).unwrap_or(Counts::NO_EVENT);
    }

    /// When the earliest qualifying event happened, where that is kept.
    pub(crate) fn begun_at(&self) -> Option<Timestamp> {
        let kept = self.first_ms != Counts::NO_EVENT;
        kept.then(|| Timestamp(i64::from(self.day.0) * DAY_MS + i64::from(self.first_ms)))
    }

    /// Qualifying events that a person did.
    pub(crate) fn human_events(&self) -> u32 {
        self.events
            .saturating_sub(self.api_events)
            .saturating_sub(self.agent_events)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.events == 0 && self.key_actions == 0 && self.features == 0
    }

    /// Writes the counts without their day.
    pub(crate) fn pack(&self, to: &mut Packer<'_>) {
        to.uint(self.events.into());
        to.uint(u64::from(self.key_actions) << 1 | u64::from(self.has_more()));
        if self.has_more() {
            self.pack_more(to);
        }
    }

    pub(crate) fn unpack(day: Day, from: &mut Unpacker<'_>) -> Result<Counts, Malformed> {
        let events = from.u32()?;
        let key_actions = from.uint()?;
        let mut counts = Counts {
            events,
            key_actions: u32::try_from(key_actions >> 1).map_err(|_| Malformed)?,
            ..Counts::none(day)
        };
        if key_actions & 1 == 1 {
            counts.unpack_more(from)?;
        }
        Ok(counts)
    }

    fn has_more(&self) -> bool {
        let first = self.first_ms != Counts::NO_EVENT;
        self.api_events != 0 || self.agent_events != 0 || self.features != 0 || first
    }

    fn pack_more(&self, to: &mut Packer<'_>) {
        to.uint(self.api_events.into());
        to.uint(self.agent_events.into());
        to.uint(self.features);
        to.int(self.first_ms.into());
    }

    fn unpack_more(&mut self, from: &mut Unpacker<'_>) -> Result<(), Malformed> {
        self.api_events = from.u32()?;
        self.agent_events = from.u32()?;
        self.features = from.uint()?;
        self.first_ms = i32::try_from(from.int()?).map_err(|_| Malformed)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn session(day: i32, start: i64) -> Session {
        let start = i64::from(day) * DAY_MS + start;
        Session {
            day: Day(day),
            start,
            last: start + 5,
            end: start + 9,
            continued: false,
        }
    }

    fn past(days: &[i32]) -> Vec<u8> {
        let mut cells = Vec::new();
        for day in days {
            let cell = cell_of(&mut cells, Day(*day));
            cell.counts.events += 1;
            cell.sessions.push(session(*day, 7));
        }
        pack(&cells)
    }

    fn sessions(past: &[u8]) -> Vec<i32> {
        let sessions = cells(past).flat_map(|cell| cell.sessions());
        sessions.map(|session| session.day.0).collect()
    }

    fn ages(sessions: i32, settled: i32, oldest: i32) -> Ages {
        Ages {
            sessions: Day(sessions),
            settled: Day(settled),
            oldest: Day(oldest),
        }
    }

    #[test]
    fn an_old_session_counts_on_and_is_no_longer_known_by_itself() {
        let past = past(&[3, 20, 50, 60, 70]);
        let aged = aged(&past, ages(60, 30, 10)).unwrap();
        assert_eq!(sessions(&aged), [70, 60]);
        let settled = cells(&aged).map(|cell| (cell.counts.day.0, cell.settled.sessions));
        assert_eq!(
            settled.collect::<Vec<_>>(),
            [(70, 0), (60, 0), (50, 1), (20, 0)]
        );
        assert_eq!(cells(&aged).nth(2).unwrap().settled.ms, 9);
        let older = super::aged(&aged, ages(60, 55, 10)).unwrap();
        assert!(cells(&older).all(|cell| cell.settled == Settled::default()));
    }

    #[test]
    fn the_newest_session_is_kept_for_ever() {
        let past = past(&[3, 5]);
        let aged = aged(&past, ages(100, 100, 100)).unwrap();
        assert_eq!(sessions(&aged), [5]);
        assert_eq!(super::aged(&aged, ages(200, 200, 200)), None);
    }

    #[test]
    fn bytes_that_end_too_early_are_refused() {
        let past = past(&[3, 5]);
        assert_eq!(check(&past), Ok(()));
        assert_eq!(check(&past[..past.len() - 1]), Err(Malformed));
        assert_eq!(check(&[&past[..], &[0]].concat()), Err(Malformed));
    }

    #[test]
    fn a_past_that_ends_on_another_day_than_it_says_is_refused() {
        let mut past = past(&[3, 5]);
        assert_eq!(past[..2], [10, 2]);
        past[1] = 1;
        assert_eq!(check(&past), Err(Malformed));
    }

    proptest! {
        #[test]
        fn a_cell_is_found_whatever_the_order(
            days in prop::collection::vec((19_000i32..19_400, 1u32..500, 0u64..3), 1..60),
        ) {
            let (mut past, mut expected) = (Vec::new(), Vec::new());
            for (place, (day, events, features)) in days.into_iter().enumerate() {
                let change = |cell: &mut Cell| {
                    let more = Counts { events, features, ..Counts::none(Day(day)) };
                    cell.counts.add(more);
                    cell.sessions.push(session(day, place as i64));
                };
                let mut with = Vec::new();
                changed(&past, Day(day), change).write(&past, &mut Packer(&mut with));
                past = with;
                change(cell_of(&mut expected, Day(day)));
            }
            prop_assert_eq!(check(&past), Ok(()));
            prop_assert_eq!(cells(&past).oldest_day(), expected.first().map(|cell| cell.counts.day));
            prop_assert_eq!(unpacked(&past), expected);
        }

        #[test]
        fn any_bytes_are_refused_or_read(bytes: Vec<u8>) {
            if check(&bytes).is_ok() {
                unpacked(&bytes);
            }
        }
    }
}
