//! The users of one account: who was active on which day, and how much.
//!
//! Built for many: a bit a day tells activity, counts and the newest session stand in the user, and
//! everything older is packed into one slice of bytes, a cell a day. Ids lie end to end in one arena. No
//! string, map or vector per user.

use hashbrown::HashTable;
use mainstay_model::{Day, Timestamp};
use xxhash_rust::xxh3::xxh3_64;

use super::firsts::{Deed, Firsts};
use super::sessions::{Joined, Session};
use crate::cohorts::Back;
use crate::pack::{Malformed, Packer, Unpacker};

/// A user's number within its account, in the order of first sight.
pub(crate) type UserNo = u32;

/// The users of one account.
#[derive(Default)]
pub(crate) struct Users {
    list: Vec<User>,
    ids: Vec<u8>,
    index: HashTable<UserNo>,
}

/// One user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    /// Bit k: active on `newest` - k.
    bits: u128,
    newest: Day,
    /// The first day on which the user was known; [`User::NEVER`] while only invited or removed.
    pub(crate) known_from: Day,
    /// The earliest sign-up; [`User::NOT_SIGNED_UP`] while there was none.
    pub(crate) signed_up: Timestamp,
    /// The day of the earliest sign-up; [`User::NEVER`] while there was none.
    pub(crate) signed_up_on: Day,
    /// The earliest qualifying event of the first active day; [`User::NOT_SIGNED_UP`] while there was none.
    pub(crate) first_event: Timestamp,
    /// The first active day; [`User::NEVER`] while there was none.
    pub(crate) first_active: Day,
    /// When the user came back, by active days whose cells are forgotten; [`OF_SIGN_UP`] says after what.
    long_ago: u64,
    id_at: u32,
    id_len: u16,
    /// The user stands in the account's list of unsaved ones.
    pub(crate) listed: bool,
    /// The record of the user's past has to be written.
    pub(crate) past_dirty: bool,
    /// The record of the user's newest day has to be written.
    pub(crate) now_dirty: bool,
    /// The records are in the changelog.
    pub(crate) past_written: bool,
    pub(crate) now_written: bool,
    /// The newest day with counts.
    today: Counts,
    /// The newest session; it may have begun before `today`.
    session: Option<Session>,
    /// A cell for each older day, and for finished sessions of today, oldest first.
    past: Vec<u8>,
    /// Nothing where the config names nothing that can happen for the first time.
    firsts: Option<Box<Firsts>>,
}

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

/// A day of a user's past.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cell {
    counts: Counts,
    sessions: Vec<Session>,
}

impl Users {
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &User> {
        self.list.iter()
    }

    pub(crate) fn get(&self, no: UserNo) -> &User {
        &self.list[no as usize]
    }

    pub(crate) fn get_mut(&mut self, no: UserNo) -> &mut User {
        &mut self.list[no as usize]
    }

    pub(crate) fn find(&self, id: &str) -> Option<UserNo> {
        let same = |no: &UserNo| self.id(*no) == id.as_bytes();
        self.index.find(xxh3_64(id.as_bytes()), same).copied()
    }

    pub(crate) fn find_or_add(&mut self, id: &str) -> UserNo {
        if let Some(no) = self.find(id) {
            return no;
        }
        let no = self.list.len() as UserNo;
        let user = self.make_room(id.as_bytes());
        grow_by_a_quarter(&mut self.list);
        self.list.push(user);
        self.put_in_index(no);
        no
    }

    pub(crate) fn id(&self, no: UserNo) -> &[u8] {
        let user = &self.list[no as usize];
        &self.ids[user.id_at as usize..][..usize::from(user.id_len)]
    }

    /// An id as text.
    pub(crate) fn name(&self, no: UserNo) -> String {
        String::from_utf8_lossy(self.id(no)).into_owned()
    }

    /// As if one user were the only one, number 0.
    pub(crate) fn only(&self, no: UserNo) -> Users {
        let mut only = Users {
            list: vec![self.get(no).clone()],
            ids: self.id(no).to_vec(),
            index: HashTable::new(),
        };
        only.list[0].id_at = 0;
        only.put_in_index(0);
        only
    }

    /// Keeps who the users are, and forgets what they did.
    pub(crate) fn begin_anew(&mut self) {
        for user in &mut self.list {
            *user = User {
                id_at: user.id_at,
                id_len: user.id_len,
                listed: user.listed,
                past_dirty: true,
                now_dirty: true,
                past_written: user.past_written,
                now_written: user.now_written,
                ..User::unseen()
            };
        }
    }

    /// Bytes held, for the operator.
    pub(crate) fn bytes(&self) -> usize {
        let past = self.list.iter().map(|user| user.past.capacity());
        let firsts = self.list.iter().filter_map(|user| user.firsts.as_ref());
        let past = past.sum::<usize>() + firsts.map(|firsts| firsts.bytes()).sum::<usize>();
        let list = self.list.capacity() * size_of::<User>();
        list + self.ids.capacity() + self.index.allocation_size() + past
    }

    fn make_room(&mut self, id: &[u8]) -> User {
        let mut user = User::unseen();
        user.id_at = u32::try_from(self.ids.len()).expect("ids of an account stay under 4 GiB");
        user.id_len = u16::try_from(id.len()).expect("an id has at most 512 bytes");
        if self.ids.capacity() - self.ids.len() < id.len() {
            self.ids.reserve_exact((self.ids.len() / 4).max(id.len()));
        }
        self.ids.extend_from_slice(id);
        user
    }

    fn put_in_index(&mut self, no: UserNo) {
        let (list, ids) = (&self.list, &self.ids);
        let hash = |no: &UserNo| {
            let user = &list[*no as usize];
            xxh3_64(&ids[user.id_at as usize..][..usize::from(user.id_len)])
        };
        self.index.insert_unique(hash(&no), no, hash);
    }

    /// A user of whom a record was read; the others may come in any order.
    pub(crate) fn restored(&mut self, no: UserNo) -> &mut User {
        while self.list.len() <= no as usize {
            grow_by_a_quarter(&mut self.list);
            self.list.push(User::unseen());
        }
        &mut self.list[no as usize]
    }

    /// Reads the record of a user's past.
    pub(crate) fn unpack_past(
        &mut self,
        no: UserNo,
        mut from: Unpacker<'_>,
    ) -> Result<(), Malformed> {
        let id = from.bytes()?;
        let place = self.make_room(id);
        let user = self.restored(no);
        (user.id_at, user.id_len) = (place.id_at, place.id_len);
        user.known_from = from.day()?;
        let has = from.uint()?;
        if has & HAS_SIGNED_UP != 0 {
            (user.signed_up, user.signed_up_on) = (Timestamp(from.int()?), from.day()?);
        }
        if has & HAS_EVENTS != 0 {
            user.first_event = Timestamp(from.int()?);
        }
        if has & HAS_ACTIVE_DAYS != 0 {
            user.first_active = from.day()?;
        }
        if has & HAS_FIRSTS != 0 {
            user.firsts = Some(Box::new(Firsts::unpack(&mut from)?));
        }
        if has & HAS_LONG_AGO != 0 {
            user.long_ago = from.uint()?;
        }
        user.newest = from.day()?;
        let low = u64::from_le_bytes(from.take(8)?.try_into().map_err(|_| Malformed)?);
        let high = u64::from_le_bytes(from.take(8)?.try_into().map_err(|_| Malformed)?);
        user.bits = (u128::from(high) << 64) | u128::from(low);
        user.past = from.0.to_vec();
        user.past_written = true;
        let mut past = Unpacker(&user.past);
        while !past.is_empty() {
            PackedCell::read(&mut past)?;
        }
        Ok(())
    }

    pub(crate) fn pack_past(&self, no: UserNo, to: &mut Packer<'_>) {
        let user = self.get(no);
        to.bytes(self.id(no));
        to.int(i64::from(user.known_from.0));
        let bit = |has: bool, bit: u64| if has { bit } else { 0 };
        let has = [
            bit(user.signed_up != User::NOT_SIGNED_UP, HAS_SIGNED_UP),
            bit(user.first_event != User::NOT_SIGNED_UP, HAS_EVENTS),
            bit(user.first_active != User::NEVER, HAS_ACTIVE_DAYS),
            bit(user.firsts.is_some(), HAS_FIRSTS),
            bit(user.long_ago != 0, HAS_LONG_AGO),
        ];
        let has: u64 = has.iter().sum();
        to.uint(has);
        if has & HAS_SIGNED_UP != 0 {
            to.int(user.signed_up.0);
            to.int(user.signed_up_on.0.into());
        }
        if has & HAS_EVENTS != 0 {
            to.int(user.first_event.0);
        }
        if has & HAS_ACTIVE_DAYS != 0 {
            to.int(user.first_active.0.into());
        }
        if let Some(firsts) = &user.firsts {
            firsts.pack(to);
        }
        if has & HAS_LONG_AGO != 0 {
            to.uint(user.long_ago);
        }
        to.int(i64::from(user.newest.0));
        to.0.extend_from_slice(&(user.bits as u64).to_le_bytes());
        to.0.extend_from_slice(&((user.bits >> 64) as u64).to_le_bytes());
        to.0.extend_from_slice(&user.past);
    }

    /// Makes the index, once every user was read. An error when one is missing.
    pub(crate) fn index_all(&mut self) -> Result<(), Malformed> {
        for no in 0..self.list.len() as UserNo {
            if !self.list[no as usize].past_written {
                return Err(Malformed);
            }
            self.put_in_index(no);
        }
        Ok(())
    }
}

const DAY_MS: i64 = 24 * 3_600_000;

/// Which of a user's dates stand in the record of its past.
const HAS_SIGNED_UP: u64 = 1;
const HAS_EVENTS: u64 = 2;
const HAS_ACTIVE_DAYS: u64 = 4;
const HAS_FIRSTS: u64 = 8;
const HAS_LONG_AGO: u64 = 16;

/// In what is known of long ago: it is after a sign-up, not after the first active day.
const OF_SIGN_UP: u64 = 1 << 63;

/// Doubling would leave a third of the memory of a large account unused.
fn grow_by_a_quarter<T>(list: &mut Vec<T>) {
    if list.len() == list.capacity() {
        list.reserve_exact(list.len() / 4 + 2);
    }
}

impl User {
    pub(crate) const NEVER: Day = Day(i32::MAX);
    pub(crate) const NOT_SIGNED_UP: Timestamp = Timestamp(i64::MAX);
    const NO_COUNTS: Counts = Counts {
        day: Day(i32::MIN / 2),
        events: 0,
        api_events: 0,
        agent_events: 0,
        key_actions: 0,
        features: 0,
        first_ms: Counts::NO_EVENT,
    };

    fn unseen() -> User {
        User {
            bits: 0,
            newest: User::NO_COUNTS.day,
            known_from: User::NEVER,
            signed_up: User::NOT_SIGNED_UP,
            signed_up_on: User::NEVER,
            first_event: User::NOT_SIGNED_UP,
            first_active: User::NEVER,
            long_ago: 0,
            id_at: 0,
            id_len: 0,
            listed: false,
            past_dirty: false,
            now_dirty: false,
            past_written: false,
            now_written: false,
            today: User::NO_COUNTS,
            session: None,
            past: Vec::new(),
            firsts: None,
        }
    }

    /// When the user signed up, as was known at the end of a day: by a sign-up, else by its first active day,
    /// of which the earliest event is the instant.
    pub(crate) fn sign_up(&self, day: Day) -> Option<(Timestamp, Day)> {
        match (self.signed_up_on <= day, self.first_active <= day) {
            (true, _) => Some((self.signed_up, self.signed_up_on)),
            (false, true) => Some((self.first_event, self.first_active)),
            (false, false) => None,
        }
    }

    /// A day is active, of which the earliest qualifying event that is known of is at `first`: keeps that of the
    /// first active day.
    fn began(&mut self, day: Day, first: Timestamp) {
        if day < self.first_active || (day == self.first_active && first < self.first_event) {
            (self.first_active, self.first_event) = (day, first);
            self.past_dirty = true;
        }
    }

    /// Something happened that is kept the first time.
    pub(crate) fn saw(&mut self, deed: Deed, at: Timestamp, day: Day) {
        let firsts = self.firsts.get_or_insert_default();
        self.past_dirty |= firsts.saw(deed, at, day);
    }

    /// What happened for the first time.
    pub(crate) fn firsts(&self) -> Option<&Firsts> {
        self.firsts.as_deref()
    }

    /// The newest active day; long before any other where there is none.
    pub(crate) fn newest_active(&self) -> Day {
        self.newest
    }

    /// Activity of the days up to `day`, at least 60 of them: bit k for `day` - k.
    pub(crate) fn active_days(&self, day: Day, min_events: u32) -> u128 {
        let behind = day.since(self.newest);
        if behind < -64 {
            return self.active_days_of_past(day, min_events);
        }
        match u32::try_from(behind) {
            Ok(behind) => self.bits.checked_shl(behind).unwrap_or(0),
            Err(_) => self.bits.checked_shr(behind.unsigned_abs()).unwrap_or(0),
        }
    }

    /// The same from counts, for a day that lies so far behind the newest one that its bits are gone. Only a
    /// source that has run months ahead of another needs this.
    fn active_days_of_past(&self, day: Day, min_events: u32) -> u128 {
        let mut bits = 0u128;
        let mut count = |counts: Counts| {
            let bit = 1u128.checked_shl(day.since(counts.day).unsigned_abs());
            bits |= bit.filter(|_| counts.events >= min_events).unwrap_or(0);
        };
        self.window((day.minus(127), day), User::NEVER, &mut count, &mut |_| {});
        bits
    }

    /// Marks a day as active, whose earliest qualifying event is at `first`. Says whether it was not before;
    /// `None` for a day whose bit is gone.
    pub(crate) fn set_active(&mut self, day: Day, first: Timestamp) -> Option<bool> {
        self.began(day, first);
        self.set_bit(day)
    }

    fn set_bit(&mut self, day: Day) -> Option<bool> {
        let ahead = day.since(self.newest);
        if ahead > 0 {
            self.bits = self.bits.checked_shl(ahead.unsigned_abs()).unwrap_or(0);
            self.newest = day;
        }
        let bit = 1u128.checked_shl(self.newest.since(day).unsigned_abs())?;
        let new = self.bits & bit == 0;
        self.bits |= bit;
        self.past_dirty |= new;
        Some(new)
    }

    /// A day was active whose cell is forgotten. A sign-up comes so late at most that nobody asks any more how the user
    /// came back after the first active day.
    fn active_long_ago(&mut self, day: Day) {
        let of_sign_up = self.long_ago & OF_SIGN_UP != 0;
        let from = match (self.signed_up_on <= day, of_sign_up) {
            (true, true) => self.signed_up_on,
            (true, false) => {
                self.long_ago = OF_SIGN_UP;
                self.signed_up_on
            }
            (false, true) => return,
            (false, false) => self.first_active,
        };
        self.long_ago |= Back::on(day.since(from)).0;
        self.past_dirty = true;
    }

    /// Every active day that there is a cell of, and the newest.
    pub(crate) fn all_active_days(&self, min_events: u32) -> impl Iterator<Item = Day> {
        let cells = self.cells().filter_map(Result::ok).map(|cell| cell.counts);
        let all = std::iter::once(self.today).chain(cells);
        all.filter(move |counts| counts.events >= min_events)
            .map(|counts| counts.day)
    }

    /// Whether bits tell of every day up to one that has a cell: it is not far behind the newest, and the oldest is
    /// not beyond them.
    pub(crate) fn bits_are_whole(&self, day: Day) -> bool {
        const NEAR_DAYS: i32 = 11;
        let oldest = self.newest.minus(127);
        self.newest.since(day) <= NEAR_DAYS && self.oldest_day().is_none_or(|known| known >= oldest)
    }

    /// When the user came back after the sign-up on a day, as far as its active days have no cells any more.
    pub(crate) fn long_ago(&self, signed_up: Day) -> Back {
        let of_sign_up = self.long_ago & OF_SIGN_UP != 0;
        match of_sign_up == (signed_up == self.signed_up_on) {
            true => Back(self.long_ago & !OF_SIGN_UP),
            false => Back::default(),
        }
    }

    /// Counts events of a day and says what the day has now.
    pub(crate) fn count(&mut self, more: Counts) -> Counts {
        if more.day > self.today.day {
            self.fold();
            self.today = Counts::none(more.day);
        }
        if more.day == self.today.day {
            self.today.add(more);
            self.now_dirty = true;
            return self.today;
        }
        let mut cells = self.unpacked();
        let counts = &mut cell_of(&mut cells, more.day).counts;
        counts.add(more);
        let counts = *counts;
        self.repack(&cells);
        counts
    }

    /// Moves the counts of today into the past, because a newer day begins.
    fn fold(&mut self) {
        let today = self.today;
        if today.is_empty() {
            return;
        }
        self.in_cell(today.day, |cell| cell.counts.add(today));
    }

    /// Changes the cell of a day; cheap for the newest one, which it nearly always is.
    fn in_cell(&mut self, day: Day, change: impl FnOnce(&mut Cell)) {
        self.past_dirty = true;
        let newest = self.cells().next().and_then(Result::ok);
        match newest {
            Some(cell) if cell.counts.day > day => {
                let mut cells = self.unpacked();
                change(cell_of(&mut cells, day));
                self.repack(&cells);
            }
            Some(cell) if cell.counts.day == day => {
                let mut cell = cell.to_cell();
                change(&mut cell);
                let end = self.past.len() - newest_len(&self.past);
                self.past.truncate(end);
                self.append(&cell);
            }
            _ => {
                let mut cell = Cell::new(day);
                change(&mut cell);
                self.append(&cell);
            }
        }
    }

    /// A cell takes about 22 bytes. Doubling would leave a third of what all users have unused.
    fn append(&mut self, cell: &Cell) {
        if self.past.capacity() - self.past.len() < 32 {
            self.past.reserve_exact(64);
        }
        cell.pack(&mut self.past);
    }

    pub(crate) fn session(&self) -> Option<&Session> {
        self.session.as_ref()
    }

    /// Every session that is kept, in the order of time.
    pub(crate) fn sessions(&self) -> Vec<Session> {
        let past = self.unpacked().into_iter().flat_map(|cell| cell.sessions);
        past.chain(self.session).collect()
    }

    /// Takes in what an event did to the sessions.
    pub(crate) fn put_sessions(&mut self, joined: &Joined) {
        self.now_dirty = true;
        match joined {
            Joined::Extended(session) => self.session = Some(*session),
            Joined::Begun(session) => {
                if let Some(finished) = self.session.replace(*session) {
                    self.in_cell(finished.day, |cell| cell.sessions.push(finished));
                }
            }
            Joined::Rebuilt { removed, added } => {
                let mut sessions = self.sessions();
                sessions.retain(|session| !removed.contains(session));
                sessions.extend_from_slice(added);
                sessions.sort_unstable_by_key(|session| session.start);
                self.session = sessions.pop();
                let mut cells = self.unpacked();
                cells.iter_mut().for_each(|cell| cell.sessions.clear());
                for session in sessions {
                    cell_of(&mut cells, session.day).sessions.push(session);
                }
                self.repack(&cells);
            }
        }
    }

    /// Calls `counts` with the counts of each day of a window, and `session` with each session that began
    /// in it, on `sessions_from` or later.
    pub(crate) fn window(
        &self,
        (first, last): (Day, Day),
        sessions_from: Day,
        counts: &mut impl FnMut(Counts),
        session: &mut impl FnMut(&Session),
    ) {
        let inside = |day: Day| day >= first && day <= last;
        if inside(self.today.day) {
            counts(self.today);
        }
        let begun = |day: Day| inside(day) && day >= sessions_from;
        if let Some(newest) = self.session.as_ref().filter(|newest| begun(newest.day)) {
            session(newest);
        }
        for cell in self.cells().filter_map(Result::ok) {
            if cell.counts.day < first {
                break;
            }
            if cell.counts.day > last {
                continue;
            }
            counts(cell.counts);
            if cell.counts.day >= sessions_from {
                cell.sessions()
                    .filter_map(Result::ok)
                    .for_each(|past| session(&past));
            }
        }
    }

    /// The newest day that anything is known of.
    pub(crate) fn newest_day(&self) -> Day {
        self.today
            .day
            .max(self.session.map_or(self.today.day, |session| session.day))
    }

    /// Forgets the cells of days before `day`, which were active with so many events.
    pub(crate) fn forget_before(&mut self, day: Day, min_events: u32) {
        let mut rest = Unpacker(&self.past);
        let mut forgotten = Vec::new();
        while let Ok(cell) = PackedCell::read(&mut rest) {
            if cell.counts.day >= day {
                break;
            }
            self.past_dirty = true;
            if cell.counts.events >= min_events {
                forgotten.push(cell.counts.day);
            }
        }
        for day in forgotten {
            self.active_long_ago(day);
        }
        if self.past_dirty {
            let cells: Vec<Cell> = self
                .unpacked()
                .into_iter()
                .filter(|cell| cell.counts.day >= day)
                .collect();
            self.repack(&cells);
        }
    }

    /// The oldest day of the past, if there is any.
    pub(crate) fn oldest_day(&self) -> Option<Day> {
        let mut rest = Unpacker(&self.past);
        PackedCell::read(&mut rest).ok().map(|cell| cell.counts.day)
    }

    pub(crate) fn pack_now(&self, to: &mut Packer<'_>) {
        to.int(i64::from(self.today.day.0));
        to.uint(u64::from(self.active_days(self.today.day, 1) & 1 == 1));
        self.today.pack(0, to);
        if let Some(session) = &self.session {
            to.int(i64::from(session.day.since(self.today.day)));
            session.pack(to);
        }
    }

    pub(crate) fn unpack_now(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        let mut from = Unpacker(bytes);
        let day = from.day()?;
        // The bit is set once the record of the past, which may come later, is there too.
        self.now_dirty = from.uint()? == 1;
        (self.today, _) = Counts::unpack(day, &mut from)?;
        if !from.is_empty() {
            let day = day.plus(i32::try_from(from.int()?).map_err(|_| Malformed)?);
            self.session = Some(Session::unpack(day, &mut from)?);
        }
        self.now_written = true;
        Ok(())
    }

    /// Puts the two records of a user together, once both were read.
    pub(crate) fn restored(&mut self) {
        if std::mem::take(&mut self.now_dirty) {
            self.set_bit(self.today.day);
        }
        self.past_dirty = false;
    }

    /// Cells, newest first.
    fn cells(&self) -> impl Iterator<Item = Result<PackedCell<'_>, Malformed>> {
        let mut rest = &self.past[..];
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let (before, newest) = rest.split_at(rest.len().saturating_sub(newest_len(rest)));
            rest = before;
            Some(PackedCell::begin(&mut Unpacker(newest)))
        })
    }

    /// Cells, oldest first.
    fn unpacked(&self) -> Vec<Cell> {
        let newest_first = self
            .cells()
            .filter_map(Result::ok)
            .map(|cell| cell.to_cell());
        let mut cells: Vec<Cell> = newest_first.collect();
        cells.reverse();
        cells
    }

    fn repack(&mut self, cells: &[Cell]) {
        self.past_dirty = true;
        let mut past = Vec::new();
        cells
            .iter()
            .filter(|cell| !cell.is_empty())
            .for_each(|cell| cell.pack(&mut past));
        past.shrink_to_fit();
        self.past = past;
    }
}

impl Counts {
    fn add(&mut self, more: Counts) {
        self.events = self.events.saturating_add(more.events);
        self.api_events = self.api_events.saturating_add(more.api_events);
        self.agent_events = self.agent_events.saturating_add(more.agent_events);
        self.key_actions = self.key_actions.saturating_add(more.key_actions);
        self.features |= more.features;
        self.first_ms = self.first_ms.min(more.first_ms);
    }

    const NO_EVENT: i32 = i32::MAX;

    /// A day on which nothing happened.
    pub(crate) fn none(day: Day) -> Counts {
        Counts {
            day,
            ..User::NO_COUNTS
        }
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

    fn is_empty(&self) -> bool {
        self.events == 0 && self.key_actions == 0 && self.features == 0
    }

    /// Writes the counts and a small number beside them; what most companies never have costs one bit.
    fn pack(&self, beside: u64, to: &mut Packer<'_>) {
        to.uint(self.events.into());
        to.uint(self.key_actions.into());
        let first = self.first_ms != Counts::NO_EVENT;
        let more = self.api_events != 0 || self.agent_events != 0 || self.features != 0 || first;
        to.uint(beside << 1 | u64::from(more));
        if more {
            to.uint(self.api_events.into());
            to.uint(self.agent_events.into());
            to.uint(self.features);
            to.int(self.first_ms.into());
        }
    }

    fn unpack(day: Day, from: &mut Unpacker<'_>) -> Result<(Counts, u64), Malformed> {
        let (events, key_actions) = (from.u32()?, from.u32()?);
        let beside = from.uint()?;
        let mut counts = Counts {
            events,
            key_actions,
            ..Counts::none(day)
        };
        if beside & 1 == 1 {
            counts.api_events = from.u32()?;
            counts.agent_events = from.u32()?;
            counts.features = from.uint()?;
            counts.first_ms = i32::try_from(from.int()?).map_err(|_| Malformed)?;
        }
        Ok((counts, beside >> 1))
    }
}

/// The cell of a day, made in its place where there is none.
fn cell_of(cells: &mut Vec<Cell>, day: Day) -> &mut Cell {
    let place = cells.partition_point(|cell| cell.counts.day < day);
    if cells.get(place).is_none_or(|cell| cell.counts.day != day) {
        cells.insert(place, Cell::new(day));
    }
    &mut cells[place]
}

impl Cell {
    fn new(day: Day) -> Cell {
        Cell {
            counts: Counts::none(day),
            sessions: Vec::new(),
        }
    }

    fn is_empty(&self) -> bool {
        self.counts.is_empty() && self.sessions.is_empty()
    }

    /// A cell ends with its own length, so that the newest one is found from the end.
    fn pack(&self, past: &mut Vec<u8>) {
        let start = past.len();
        let mut to = Packer(past);
        to.int(i64::from(self.counts.day.0));
        self.counts.pack(self.sessions.len() as u64, &mut to);
        self.sessions
            .iter()
            .for_each(|session| session.pack(&mut to));
        let len = u16::try_from(past.len() - start + 2).expect("a day has at most 2 000 sessions");
        past.extend_from_slice(&len.to_le_bytes());
    }
}

/// The length of the last cell, with its length.
fn newest_len(past: &[u8]) -> usize {
    match past.last_chunk::<2>() {
        Some(len) => usize::from(u16::from_le_bytes(*len)).clamp(2, past.len()),
        None => past.len(),
    }
}

/// A cell as it lies in the past.
struct PackedCell<'a> {
    counts: Counts,
    sessions: u64,
    packed: Unpacker<'a>,
}

impl<'a> PackedCell<'a> {
    fn read(from: &mut Unpacker<'a>) -> Result<PackedCell<'a>, Malformed> {
        let cell = PackedCell::begin(from)?;
        for _ in 0..cell.sessions {
            Session::unpack(cell.counts.day, from)?;
        }
        from.take(2)?;
        Ok(cell)
    }

    /// Reads the counts and leaves the sessions for who asks for them: most questions do not.
    fn begin(from: &mut Unpacker<'a>) -> Result<PackedCell<'a>, Malformed> {
        let day = from.day()?;
        let (counts, sessions) = Counts::unpack(day, from)?;
        let packed = *from;
        Ok(PackedCell {
            counts,
            sessions,
            packed,
        })
    }

    fn sessions(&self) -> impl Iterator<Item = Result<Session, Malformed>> + use<'a> {
        let (day, mut packed) = (self.counts.day, self.packed);
        (0..self.sessions).map(move |_| Session::unpack(day, &mut packed))
    }

    fn to_cell(&self) -> Cell {
        let sessions = self.sessions().filter_map(Result::ok).collect();
        Cell {
            counts: self.counts,
            sessions,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn counts(day: i32, events: u32) -> Counts {
        Counts {
            day: Day(day),
            events,
            api_events: events / 3,
            agent_events: events / 4,
            key_actions: events / 2,
            features: u64::from(events) & 1,
            first_ms: 1_000 * events as i32,
        }
    }

    #[test]
    fn a_user_is_found_by_id() {
        let mut users = Users::default();
        let ids: Vec<String> = (0..1000).map(|n| format!("user {n}")).collect();
        for (no, id) in ids.iter().enumerate() {
            assert_eq!(users.find_or_add(id), no as UserNo);
        }
        for (no, id) in ids.iter().enumerate() {
            assert_eq!(users.find(id), Some(no as UserNo));
        }
        assert_eq!(users.find("user 1000"), None);
    }

    proptest! {
        #[test]
        fn days_are_kept_whatever_their_order(
            days in prop::collection::vec((19_000i32..19_120, 1u32..5), 1..80),
        ) {
            let mut user = User::unseen();
            let mut expected: BTreeMap<i32, u32> = BTreeMap::new();
            for (day, events) in days {
                *expected.entry(day).or_default() += events;
                prop_assert_eq!(user.count(counts(day, events)).events, expected[&day]);
                user.set_active(Day(day), Timestamp(0));
            }
            let mut seen = BTreeMap::new();
            let (first, last) = (Day(0), Day(30_000));
            let mut add = |counts: Counts| *seen.entry(counts.day.0).or_default() += counts.events;
            user.window((first, last), User::NEVER, &mut add, &mut |_| {});
            prop_assert_eq!(&seen, &expected);
            let bits = user.active_days(Day(19_120), 1);
            let active: BTreeSet<i32> =
                (0..121).filter(|k| bits >> k & 1 == 1).map(|k| 19_120 - k).collect();
            prop_assert_eq!(active, expected.keys().copied().collect());
        }

        #[test]
        fn a_user_comes_back_from_its_two_records(
            days in prop::collection::vec((19_000i32..19_040, 1u32..5), 1..30),
        ) {
            let mut users = Users::default();
            let no = users.find_or_add("ada");
            for (day, events) in days {
                let user = users.get_mut(no);
                user.count(counts(day, events));
                user.set_active(Day(day), Timestamp(day.into()));
                let at = i64::from(day) * 86_400_000;
                let session =
                    Session { day: Day(day), start: at, last: at + 5, end: at + 9, continued: false };
                if user.session().is_none_or(|newest| newest.start < at) {
                    user.put_sessions(&Joined::Begun(session));
                }
            }
            let (mut past, mut now) = (Vec::new(), Vec::new());
            users.pack_past(no, &mut Packer(&mut past));
            users.get(no).pack_now(&mut Packer(&mut now));
            let mut back = Users::default();
            back.restored(no).unpack_now(&now).unwrap();
            back.unpack_past(no, Unpacker(&past)).unwrap();
            back.index_all().unwrap();
            back.get_mut(no).restored();
            let mut expected = users.get(no).clone();
            (expected.past_dirty, expected.now_dirty) = (false, false);
            (expected.past_written, expected.now_written) = (true, true);
            prop_assert_eq!(back.get(no), &expected);
            prop_assert_eq!(back.find("ada"), Some(no));
        }
    }
}
