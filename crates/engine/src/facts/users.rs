//! The users of one account: who was active on which day, and how much.
//!
//! Built for many. Of every user a card stands in a row: a bit a day tells activity, and what each look at the account
//! asks for lies beside it. What a user did lies packed on a shelf. Only who is in a session is awake: counts of its
//! newest day and its newest session stand in the open, so that the next event finds them quickly; once others need
//! the room, or the day is over, they go to the shelf too. No string, map or vector per user.
//!
//! Who rests and who is awake makes no difference to anything that can be asked, or that is written.

use std::borrow::Cow;
use std::ops::{Deref, DerefMut};

use hashbrown::HashTable;
use mainstay_model::{Day, Timestamp};
use xxhash_rust::xxh3::xxh3_64;

use super::firsts::{Deed, Firsts};
use super::ids::{Ids, Packed, Place, Room};
use super::past::{self, Ages, Counts, cell_of};
use super::sessions::{Joined, Session};
use super::shelf::{self, Shelf};
use crate::cohorts::Back;
use crate::pack::{Malformed, Packer, Unpacker};

/// A user's number within its account, in the order of first sight.
pub(crate) type UserNo = u32;

/// The users of one account.
#[derive(Default)]
pub(crate) struct Users {
    list: Vec<Card>,
    awake: Vec<Newest>,
    shelves: Vec<Shelf>,
    /// By number, as far as anybody has any: nothing where the config names nothing that can happen for the first
    /// time.
    firsts: Vec<Option<Box<Firsts>>>,
    /// By number, as far as anybody has any: when the user came back, by active days whose cells are forgotten;
    /// [`OF_SIGN_UP`] says after what.
    long_ago: Vec<u64>,
    ids: Ids,
    index: HashTable<UserNo>,
}

/// What is always at hand of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Card {
    /// Bit k: active on `newest` - k; the lower half first.
    bits: [u64; 2],
    newest: Day,
    /// The first day on which the user was known; [`User::NEVER`] while only invited or removed.
    pub(crate) known_from: Day,
    /// The earliest sign-up.
    signed_up: Instant,
    /// The earliest qualifying event of the first active day.
    first_event: Instant,
    id: Place,
    /// The user stands in the account's list of unsaved ones.
    pub(crate) listed: bool,
    /// The record of the user's past has to be written.
    pub(crate) past_dirty: bool,
    /// The record of the user's newest day has to be written.
    pub(crate) now_dirty: bool,
    /// The records are in the changelog.
    pub(crate) past_written: bool,
    pub(crate) now_written: bool,
    /// The place among those awake; [`ASLEEP`].
    awake: u32,
}

const ASLEEP: u32 = u32::MAX;

/// An instant and its day, which is that of the account's zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Instant {
    /// [`User::NEVER`] if it has not come.
    day: Day,
    /// After midnight UTC.
    ms: i32,
}

/// What a user who is awake did last. The past has what is missing here.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Newest {
    no: UserNo,
    /// The newest day with counts; [`Newest::NO_DAY`] while it still lies in the past.
    today: Counts,
    /// The newest session, which may have begun before today; none while it still lies in the past.
    session: Option<Session>,
}

/// A user, to be looked at.
#[derive(Clone, Copy)]
pub(crate) struct User<'a> {
    users: &'a Users,
    card: &'a Card,
    no: UserNo,
}

/// A user, to be changed.
pub(crate) struct UserMut<'a> {
    users: &'a mut Users,
    no: UserNo,
}

impl Users {
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = User<'_>> {
        (0..self.list.len() as UserNo).map(|no| self.get(no))
    }

    pub(crate) fn get(&self, no: UserNo) -> User<'_> {
        User {
            users: self,
            card: &self.list[no as usize],
            no,
        }
    }

    pub(crate) fn get_mut(&mut self, no: UserNo) -> UserMut<'_> {
        UserMut { users: self, no }
    }

    #[cfg(test)]
    pub(crate) fn find(&self, id: &str) -> Option<UserNo> {
        self.find_packed(Packed::of(id.as_bytes(), &mut Room::new()))
    }

    fn find_packed(&self, id: Packed<'_>) -> Option<UserNo> {
        let same = |no: &UserNo| self.packed_id(*no) == id;
        self.index.find(xxh3_64(id.bytes), same).copied()
    }

    pub(crate) fn find_or_add(&mut self, id: &str) -> UserNo {
        let mut room = Room::new();
        let id = Packed::of(id.as_bytes(), &mut room);
        if let Some(no) = self.find_packed(id) {
            return no;
        }
        let no = self.list.len() as UserNo;
        grow_by_an_eighth(&mut self.list);
        self.list.push(Card {
            id: self.ids.push(id),
            ..Card::unseen()
        });
        self.put_in_index(no);
        no
    }

    pub(crate) fn id(&self, no: UserNo) -> Cow<'_, [u8]> {
        self.packed_id(no).text()
    }

    fn packed_id(&self, no: UserNo) -> Packed<'_> {
        self.ids.get(self.list[no as usize].id)
    }

    /// An id as text.
    pub(crate) fn name(&self, no: UserNo) -> String {
        String::from_utf8_lossy(&self.id(no)).into_owned()
    }

    /// As if one user were the only one, number 0.
    pub(crate) fn only(&self, no: UserNo) -> Users {
        let user = self.get(no);
        let mut only = Users::default();
        only.list.push(Card {
            id: only.ids.push(self.packed_id(no)),
            awake: ASLEEP,
            ..user.card.clone()
        });
        only.long_ago.push(user.known_long_ago());
        only.put_past(0, user.past());
        only.firsts.push(user.firsts().cloned().map(Box::new));
        if let Some(newest) = user.awake() {
            let now = only.newest_mut(0);
            (now.today, now.session) = (newest.today, newest.session);
        }
        only.put_in_index(0);
        only
    }

    /// Keeps who the users are, and forgets what they did.
    pub(crate) fn begin_anew(&mut self) {
        for user in &mut self.list {
            *user = Card {
                id: user.id,
                listed: user.listed,
                past_dirty: true,
                now_dirty: true,
                past_written: user.past_written,
                now_written: user.now_written,
                ..Card::unseen()
            };
        }
        (self.awake, self.shelves) = (Vec::new(), Vec::new());
        (self.firsts, self.long_ago) = (Vec::new(), Vec::new());
    }

    /// Days up to `closed` are over: what was done on them goes to the shelf.
    pub(crate) fn rest(&mut self, closed: Day) {
        let is_over = |newest: &Newest| newest.day() <= closed;
        if self.awake.iter().any(is_over) {
            self.rest_where(is_over);
            self.awake.shrink_to_fit();
        }
    }

    fn rest_where(&mut self, is_over: impl Fn(&Newest) -> bool) {
        let mut place = 0;
        while let Some(newest) = self.awake.get(place) {
            if !is_over(newest) {
                place += 1;
                continue;
            }
            let newest = self.awake.swap_remove(place);
            self.list[newest.no as usize].awake = ASLEEP;
            if let Some(moved) = self.awake.get(place) {
                self.list[moved.no as usize].awake = place as u32;
            }
            self.lay_down(newest);
        }
    }

    /// Puts what a user did last on the shelf.
    fn lay_down(&mut self, newest: Newest) {
        let Newest { no, today, session } = newest;
        let of_today = session.filter(|session| session.day == today.day);
        if !today.is_empty() {
            self.change_past(no, today.day, |cell| {
                cell.counts.add(today);
                cell.sessions.extend(of_today);
            });
        }
        let left = session.filter(|_| today.is_empty() || of_today.is_none());
        if let Some(session) = left {
            self.change_past(no, session.day, |cell| cell.sessions.push(session));
        }
    }

    /// Bytes held, for the operator.
    pub(crate) fn bytes(&self) -> usize {
        let firsts = self.firsts.iter().flatten();
        let firsts = firsts.map(|firsts| firsts.bytes()).sum::<usize>()
            + self.firsts.capacity() * size_of::<Option<Box<Firsts>>>();
        let shelves = self.shelves.iter().map(Shelf::held).sum::<usize>()
            + self.shelves.capacity() * size_of::<Shelf>();
        let list = self.list.capacity() * size_of::<Card>();
        let awake = self.awake.capacity() * size_of::<Newest>();
        let ids = self.ids.held() + self.index.allocation_size();
        let long_ago = self.long_ago.capacity() * size_of::<u64>();
        list + awake + ids + shelves + firsts + long_ago
    }

    fn past(&self, no: UserNo) -> &[u8] {
        let shelf = self.shelves.get(no as usize / shelf::USERS);
        shelf.map_or(&[], |shelf| shelf.get(no as usize % shelf::USERS))
    }

    fn put_past(&mut self, no: UserNo, past: &[u8]) {
        self.shelf_of(no).put(no as usize % shelf::USERS, past, 0);
    }

    fn change_past(&mut self, no: UserNo, day: Day, change: impl FnOnce(&mut past::Cell)) {
        let past = past::changed(self.past(no), day, change);
        self.shelf_of(no)
            .put(no as usize % shelf::USERS, &past.front, past.kept);
    }

    fn shelf_of(&mut self, no: UserNo) -> &mut Shelf {
        let number = no as usize / shelf::USERS;
        while self.shelves.len() <= number {
            if self.shelves.len() == self.shelves.capacity() {
                self.shelves.reserve_exact(self.shelves.len() / 8 + 1);
            }
            self.shelves.push(Shelf::default());
        }
        &mut self.shelves[number]
    }

    /// The user does something. Where there is no room among those awake, whoever's session ended before `over` goes to
    /// rest, unless they are few.
    pub(crate) fn wake(&mut self, no: UserNo, over: Timestamp) {
        let (awake, room) = (self.awake.len(), self.awake.capacity());
        let are_many = awake >= self.list.len() / 8;
        if self.list[no as usize].awake == ASLEEP && awake == room && are_many {
            self.rest_where(|newest| newest.has_ended(over));
            // With some to spare, so that all are seldom looked through.
            if self.awake.len() >= room - room / 8 {
                self.make_room();
            }
        }
        self.newest_mut(no);
    }

    fn newest_mut(&mut self, no: UserNo) -> &mut Newest {
        if self.list[no as usize].awake == ASLEEP {
            if self.awake.len() == self.awake.capacity() {
                self.make_room();
            }
            self.list[no as usize].awake = self.awake.len() as u32;
            self.awake.push(Newest::of(no));
        }
        &mut self.awake[self.list[no as usize].awake as usize]
    }

    fn make_room(&mut self) {
        self.awake.reserve_exact(self.awake.len() / 4 + 2);
    }

    fn put_in_index(&mut self, no: UserNo) {
        let (list, ids) = (&self.list, &self.ids);
        let hash = |no: &UserNo| xxh3_64(ids.get(list[*no as usize].id).bytes);
        self.index.insert_unique(hash(&no), no, hash);
    }

    /// A user of whom a record was read; the others may come in any order.
    fn restored(&mut self, no: UserNo) -> &mut Card {
        while self.list.len() <= no as usize {
            grow_by_an_eighth(&mut self.list);
            self.list.push(Card::unseen());
        }
        &mut self.list[no as usize]
    }

    /// Reads the record of a user's past.
    pub(crate) fn unpack_past(
        &mut self,
        no: UserNo,
        mut from: Unpacker<'_>,
    ) -> Result<(), Malformed> {
        let id = self.ids.push(Packed::unpack(&mut from)?);
        let user = self.restored(no);
        user.id = id;
        user.known_from = from.day()?;
        let has = from.uint()?;
        if has & HAS_SIGNED_UP != 0 {
            user.signed_up = Instant::unpack(&mut from)?;
        }
        if has & HAS_ACTIVE_DAYS != 0 {
            user.first_event = Instant::unpack(&mut from)?;
        }
        user.newest = from.day()?;
        for half in &mut user.bits {
            *half = u64::from_le_bytes(from.take(8)?.try_into().map_err(|_| Malformed)?);
        }
        user.past_written = true;
        if has & HAS_LONG_AGO != 0 {
            *self.long_ago_mut(no) = from.uint()?;
        }
        if has & HAS_FIRSTS != 0 {
            *self.firsts_mut(no) = Some(Box::new(Firsts::unpack(&mut from)?));
        }
        past::check(from.0)?;
        self.put_past(no, from.0);
        Ok(())
    }

    /// Writes the record of a user's past: all but what the record of its newest day has.
    pub(crate) fn pack_past(&self, no: UserNo, to: &mut Packer<'_>) {
        let user = self.get(no);
        let long_ago = user.known_long_ago();
        self.packed_id(no).pack(to);
        to.int(i64::from(user.known_from.0));
        let bit = |has: bool, bit: u64| if has { bit } else { 0 };
        to.uint(
            bit(user.signed_up.has_come(), HAS_SIGNED_UP)
                | bit(user.first_event.has_come(), HAS_ACTIVE_DAYS)
                | bit(user.firsts().is_some(), HAS_FIRSTS)
                | bit(long_ago != 0, HAS_LONG_AGO),
        );
        for instant in [user.signed_up, user.first_event] {
            if instant.has_come() {
                instant.pack(to);
            }
        }
        to.int(i64::from(user.newest.0));
        for half in user.bits {
            to.0.extend_from_slice(&half.to_le_bytes());
        }
        if long_ago != 0 {
            to.uint(long_ago);
        }
        if let Some(firsts) = user.firsts() {
            firsts.pack(to);
        }
        user.pack_older(to);
    }

    /// Reads the record of a user's newest day.
    pub(crate) fn unpack_now(&mut self, no: UserNo, bytes: &[u8]) -> Result<(), Malformed> {
        let mut from = Unpacker(bytes);
        let day = from.day()?;
        let user = self.restored(no);
        // The bit is set once the record of the past, which may come later, is there too.
        user.now_dirty = from.uint()? == 1;
        user.now_written = true;
        let newest = self.newest_mut(no);
        newest.today = Counts::unpack(day, &mut from)?;
        if !from.is_empty() {
            let day = day.plus(i32::try_from(from.int()?).map_err(|_| Malformed)?);
            newest.session = Some(Session::unpack(day, &mut from)?);
        }
        Ok(())
    }

    /// Puts the records of all users together, once every one was read. An error when one is missing.
    pub(crate) fn all_restored(&mut self, closed: Day) -> Result<(), Malformed> {
        for no in 0..self.list.len() as UserNo {
            if !self.list[no as usize].past_written {
                return Err(Malformed);
            }
            self.put_in_index(no);
            let mut user = self.get_mut(no);
            if std::mem::take(&mut user.now_dirty) {
                let today = user.seen().today();
                user.set_bit(today.day);
            }
            user.past_dirty = false;
        }
        self.rest(closed);
        Ok(())
    }

    fn firsts_mut(&mut self, no: UserNo) -> &mut Option<Box<Firsts>> {
        of_user(&mut self.firsts, no, self.list.len())
    }

    fn long_ago_mut(&mut self, no: UserNo) -> &mut u64 {
        of_user(&mut self.long_ago, no, self.list.len())
    }
}

/// What a list has of a user, where few accounts have anything: it is as long as there are `users` once one has.
fn of_user<T: Clone + Default>(list: &mut Vec<T>, no: UserNo, users: usize) -> &mut T {
    let no = no as usize;
    if list.len() <= no {
        let users = users.max(no + 1);
        list.reserve_exact(users - list.len());
        list.resize(users, T::default());
    }
    &mut list[no]
}

const DAY_MS: i64 = 24 * 3_600_000;

/// Which of a user's dates stand in the record of its past.
const HAS_SIGNED_UP: u64 = 1;
const HAS_ACTIVE_DAYS: u64 = 2;
const HAS_FIRSTS: u64 = 4;
const HAS_LONG_AGO: u64 = 8;

/// In what is known of long ago: it is after a sign-up, not after the first active day.
const OF_SIGN_UP: u64 = 1 << 63;

/// Doubling would leave a third of the memory of a large account unused. Sizes are rounded, so that one account can
/// take the room that another has left.
fn grow_by_an_eighth<T>(list: &mut Vec<T>) {
    if list.len() == list.capacity() {
        let room = (list.len() + list.len() / 8 + 1).next_multiple_of(8);
        list.reserve_exact(room - list.len());
    }
}

impl Instant {
    const NEVER: Instant = Instant {
        day: User::NEVER,
        ms: 0,
    };

    fn new(at: Timestamp, day: Day) -> Instant {
        let ms = at.0 - i64::from(day.0) * DAY_MS;
        let ms = i32::try_from(ms).expect("an instant lies in its day, or in that beside it");
        Instant { day, ms }
    }

    fn has_come(self) -> bool {
        self.day != User::NEVER
    }

    fn at(self) -> Timestamp {
        Timestamp(i64::from(self.day.0) * DAY_MS + i64::from(self.ms))
    }

    fn pack(self, to: &mut Packer<'_>) {
        to.int(self.day.0.into());
        to.int(self.ms.into());
    }

    fn unpack(from: &mut Unpacker<'_>) -> Result<Instant, Malformed> {
        let day = from.day()?;
        let ms = i32::try_from(from.int()?).map_err(|_| Malformed)?;
        Ok(Instant { day, ms })
    }
}

impl Newest {
    const NO_DAY: Day = Day(i32::MIN / 2);

    fn of(no: UserNo) -> Newest {
        Newest {
            no,
            today: Counts::none(Newest::NO_DAY),
            session: None,
        }
    }

    fn day(&self) -> Day {
        let session = self.session.map_or(Newest::NO_DAY, |session| session.day);
        self.today.day.max(session)
    }

    /// Nothing that comes in order goes on with what the user did.
    fn has_ended(&self, over: Timestamp) -> bool {
        match self.session {
            Some(session) => session.last < over.0,
            None => self.today.is_empty(),
        }
    }
}

impl Card {
    fn unseen() -> Card {
        Card {
            bits: [0; 2],
            newest: Newest::NO_DAY,
            known_from: User::NEVER,
            signed_up: Instant::NEVER,
            first_event: Instant::NEVER,
            id: Place::default(),
            listed: false,
            past_dirty: false,
            now_dirty: false,
            past_written: false,
            now_written: false,
            awake: ASLEEP,
        }
    }

    fn bits(&self) -> u128 {
        let [low, high] = self.bits;
        u128::from(high) << 64 | u128::from(low)
    }

    /// When the user signed up first, if it did, and on which day.
    pub(crate) fn signed_up(&self) -> Option<(Timestamp, Day)> {
        let signed_up = self.signed_up;
        signed_up
            .has_come()
            .then(|| (signed_up.at(), signed_up.day))
    }

    /// The newest active day; long before any other where there is none.
    pub(crate) fn newest_active(&self) -> Day {
        self.newest
    }

    /// The first active day; [`User::NEVER`] while there was none.
    pub(crate) fn first_active(&self) -> Day {
        self.first_event.day
    }

    /// When the user signed up, as was known at the end of a day: by a sign-up, else by its first active day,
    /// of which the earliest event is the instant.
    pub(crate) fn sign_up(&self, day: Day) -> Option<(Timestamp, Day)> {
        let told = [self.signed_up, self.first_event];
        let first = told.into_iter().find(|instant| instant.day <= day)?;
        Some((first.at(), first.day))
    }

    fn set_bit(&mut self, day: Day) -> Option<bool> {
        let mut bits = self.bits();
        let ahead = day.since(self.newest);
        if ahead > 0 {
            bits = bits.checked_shl(ahead.unsigned_abs()).unwrap_or(0);
            self.newest = day;
        }
        let bit = 1u128.checked_shl(self.newest.since(day).unsigned_abs());
        let new = bit.map(|bit| bits & bit == 0);
        bits |= bit.unwrap_or(0);
        self.bits = [bits as u64, (bits >> 64) as u64];
        self.past_dirty |= new == Some(true);
        new
    }
}

impl Deref for User<'_> {
    type Target = Card;

    fn deref(&self) -> &Card {
        self.card
    }
}

impl<'a> User<'a> {
    pub(crate) const NEVER: Day = Day(i32::MAX);

    fn awake(&self) -> Option<&'a Newest> {
        self.users.awake.get(self.card.awake as usize)
    }

    fn past(&self) -> &'a [u8] {
        self.users.past(self.no)
    }

    fn known_long_ago(&self) -> u64 {
        let long_ago = self.users.long_ago.get(self.no as usize);
        long_ago.copied().unwrap_or(0)
    }

    /// What happened for the first time.
    pub(crate) fn firsts(&self) -> Option<&'a Firsts> {
        self.users.firsts.get(self.no as usize)?.as_deref()
    }

    /// When the user came back after the sign-up on a day, as far as its active days have no cells any more.
    pub(crate) fn long_ago(&self, signed_up: Day) -> Back {
        let of_sign_up = self.known_long_ago() & OF_SIGN_UP != 0;
        match of_sign_up == (signed_up == self.signed_up.day) {
            true => Back(self.known_long_ago() & !OF_SIGN_UP),
            false => Back::default(),
        }
    }

    /// Activity of the days up to `day`, at least 60 of them: bit k for `day` - k.
    pub(crate) fn active_days(&self, day: Day, min_events: u32) -> u128 {
        let behind = day.since(self.card.newest);
        if behind < -64 {
            return self.active_days_of_past(day, min_events);
        }
        match u32::try_from(behind) {
            Ok(behind) => self.bits().checked_shl(behind).unwrap_or(0),
            Err(_) => {
                let ahead = behind.unsigned_abs();
                self.bits().checked_shr(ahead).unwrap_or(0)
            }
        }
    }

    /// Every active day that there is a cell of, and the newest.
    pub(crate) fn all_active_days(&self, min_events: u32) -> impl Iterator<Item = Day> {
        let today = self.awake().map(|newest| newest.today).into_iter();
        let all = today.chain(past::cells(self.past()).map(|cell| cell.counts));
        all.filter(move |counts| counts.events >= min_events)
            .map(|counts| counts.day)
    }

    /// Whether bits tell of every day up to one that there is a cell of: it is not far behind the newest, and the
    /// oldest is not beyond them.
    pub(crate) fn bits_are_whole(&self, day: Day) -> bool {
        const NEAR_DAYS: i32 = 11;
        let beyond = self.newest.minus(127);
        let oldest = past::cells(self.past()).oldest_day();
        self.newest.since(day) <= NEAR_DAYS && oldest.is_none_or(|oldest| oldest >= beyond)
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

    /// The counts of the newest day that has any.
    fn today(&self) -> Counts {
        let awake = self.awake().map(|newest| newest.today);
        let awake = awake.filter(|today| !today.is_empty());
        awake.unwrap_or_else(|| {
            let mut past = past::cells(self.past()).map(|cell| cell.counts);
            let today = past.find(|counts| !counts.is_empty());
            today.unwrap_or(Counts::none(Newest::NO_DAY))
        })
    }

    /// The newest session.
    pub(crate) fn session(&self) -> Option<Session> {
        let awake = self.awake().and_then(|newest| newest.session);
        awake.or_else(|| {
            let mut past = past::cells(self.past());
            past.find_map(|cell| cell.sessions().last())
        })
    }

    /// Every session that may still change, in the order of time.
    pub(crate) fn sessions(&self) -> Vec<Session> {
        let past = past::unpacked(self.past()).into_iter();
        let awake = self.awake().and_then(|newest| newest.session);
        past.flat_map(|cell| cell.sessions).chain(awake).collect()
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
        if let Some(newest) = self.awake() {
            if inside(newest.today.day) {
                counts(newest.today);
            }
            let begun = |day: Day| inside(day) && day >= sessions_from;
            if let Some(newest) = newest.session.as_ref().filter(|newest| begun(newest.day)) {
                session(newest);
            }
        }
        for cell in past::cells(self.past()) {
            if cell.counts.day < first {
                break;
            }
            if cell.counts.day > last {
                continue;
            }
            counts(cell.counts);
            if cell.counts.day >= sessions_from {
                cell.sessions().for_each(|past| session(&past));
            }
        }
    }

    /// Calls `told` with each day from `first` on that has sessions which can no longer change, with their number
    /// and how long they lasted together, in milliseconds.
    pub(crate) fn settled_sessions(&self, first: Day, told: &mut impl FnMut(Day, u32, u64)) {
        for cell in past::cells(self.past()).take_while(|cell| cell.counts.day >= first) {
            let settled = cell.settled;
            if settled.sessions > 0 {
                told(cell.counts.day, settled.sessions, settled.ms);
            }
        }
    }

    /// The newest day that anything is known of.
    pub(crate) fn newest_day(&self) -> Day {
        let awake = self.awake().map_or(Newest::NO_DAY, Newest::day);
        awake.max(past::cells(self.past()).newest_day().unwrap_or(awake))
    }

    /// Writes the past but for the newest day and session, if they lie there.
    fn pack_older(&self, to: &mut Packer<'_>) {
        let is_awake = |has: fn(&Newest) -> bool| self.awake().is_some_and(has);
        let today = is_awake(|newest| !newest.today.is_empty());
        let session = is_awake(|newest| newest.session.is_some());
        match today && session {
            true => to.0.extend_from_slice(self.past()),
            false => {
                let past = past::without_newest(self.past(), !today, !session);
                past.write(self.past(), to);
            }
        }
    }

    /// Writes the record of the newest day and session.
    pub(crate) fn pack_now(&self, to: &mut Packer<'_>) {
        let today = self.today();
        to.int(i64::from(today.day.0));
        to.uint(u64::from(self.active_days(today.day, 1) & 1 == 1));
        today.pack(to);
        if let Some(session) = self.session() {
            to.int(i64::from(session.day.since(today.day)));
            session.pack(to);
        }
    }
}

impl Deref for UserMut<'_> {
    type Target = Card;

    fn deref(&self) -> &Card {
        &self.users.list[self.no as usize]
    }
}

impl DerefMut for UserMut<'_> {
    fn deref_mut(&mut self) -> &mut Card {
        &mut self.users.list[self.no as usize]
    }
}

impl UserMut<'_> {
    /// The user, to be looked at.
    pub(crate) fn seen(&self) -> User<'_> {
        self.users.get(self.no)
    }

    /// The user was known on a day.
    pub(crate) fn known_on(&mut self, day: Day) {
        if day < self.known_from {
            self.known_from = day;
            self.past_dirty = true;
        }
    }

    /// The user signed up: the earliest time counts.
    pub(crate) fn sign_up_at(&mut self, at: Timestamp, day: Day) {
        // By day before time: see `Firsts::saw`.
        if self
            .signed_up()
            .is_none_or(|(known_at, known)| (day, at) < (known, known_at))
        {
            self.signed_up = Instant::new(at, day);
        }
        self.past_dirty = true;
    }

    /// A day is active, of which the earliest qualifying event that is known of is at `first`: keeps that of the
    /// first active day.
    fn began(&mut self, day: Day, first: Timestamp) {
        let known = self.first_event;
        if day < known.day || (day == known.day && first < known.at()) {
            self.first_event = Instant::new(first, day);
            self.past_dirty = true;
        }
    }

    /// Something happened that is kept the first time.
    pub(crate) fn saw(&mut self, deed: Deed, at: Timestamp, day: Day) {
        let firsts = self.users.firsts_mut(self.no).get_or_insert_default();
        let new = firsts.saw(deed, at, day);
        self.past_dirty |= new;
    }

    /// Marks a day as active, whose earliest qualifying event is at `first`. Says whether it was not before;
    /// `None` for a day whose bit is gone.
    pub(crate) fn set_active(&mut self, day: Day, first: Timestamp) -> Option<bool> {
        self.began(day, first);
        self.set_bit(day)
    }

    /// Counts events of a day and says what the day has now.
    pub(crate) fn count(&mut self, more: Counts) -> Counts {
        if self.users.newest_mut(self.no).today.day != more.day {
            let today = self.seen().today();
            if more.day < today.day {
                return self.count_late(more);
            }
            self.begin_today(today, more.day);
        }
        self.now_dirty = true;
        let newest = self.users.newest_mut(self.no);
        newest.today.add(more);
        newest.today
    }

    /// Takes the counts of `day` out of the past, or moves those of today there, because a newer day begins. The record
    /// of the past has neither.
    fn begin_today(&mut self, today: Counts, day: Day) {
        let newest = self.users.newest_mut(self.no);
        let before = std::mem::replace(&mut newest.today, Counts::none(day));
        if day == today.day {
            newest.today = today;
            return self.change_past(day, |cell| cell.counts = Counts::none(day));
        }
        if !before.is_empty() {
            self.change_past(before.day, |cell| cell.counts.add(before));
        }
        self.past_dirty |= !today.is_empty();
    }

    fn count_late(&mut self, more: Counts) -> Counts {
        let mut counts = more;
        self.change_past(more.day, |cell| {
            cell.counts.add(more);
            counts = cell.counts;
        });
        self.past_dirty = true;
        counts
    }

    fn change_past(&mut self, day: Day, change: impl FnOnce(&mut past::Cell)) {
        self.users.change_past(self.no, day, change);
    }

    /// Takes in what an event did to the sessions.
    pub(crate) fn put_sessions(&mut self, joined: &Joined) {
        self.now_dirty = true;
        let newest = self.users.newest_mut(self.no);
        match joined {
            Joined::Extended(session) => {
                if newest.session.replace(*session).is_none() {
                    // It lay in the past until now, and keeps its day.
                    self.change_past(session.day, |cell| _ = cell.sessions.pop());
                }
            }
            Joined::Begun(session) => {
                if let Some(finished) = newest.session.replace(*session) {
                    self.change_past(finished.day, |cell| cell.sessions.push(finished));
                }
                self.past_dirty = true;
            }
            Joined::Rebuilt { removed, added } => self.rebuild_sessions(removed, added),
        }
    }

    fn rebuild_sessions(&mut self, removed: &[Session], added: &[Session]) {
        let mut sessions = self.seen().sessions();
        sessions.retain(|session| !removed.contains(session));
        sessions.extend_from_slice(added);
        sessions.sort_unstable_by_key(|session| session.start);
        self.users.newest_mut(self.no).session = sessions.pop();
        let mut cells = past::unpacked(self.users.past(self.no));
        cells.iter_mut().for_each(|cell| cell.sessions.clear());
        for session in sessions {
            cell_of(&mut cells, session.day).sessions.push(session);
        }
        self.users.put_past(self.no, &past::pack(&cells));
        self.past_dirty = true;
    }

    /// A day was active whose cell is forgotten. A sign-up comes so late at most that nobody asks any more how the user
    /// came back after the first active day.
    fn active_long_ago(&mut self, day: Day) {
        let (signed_up, first_active) = (self.signed_up.day, self.first_event.day);
        let long_ago = self.users.long_ago_mut(self.no);
        let of_sign_up = *long_ago & OF_SIGN_UP != 0;
        let from = match (signed_up <= day, of_sign_up) {
            (true, true) => signed_up,
            (true, false) => {
                *long_ago = OF_SIGN_UP;
                signed_up
            }
            (false, true) => return,
            (false, false) => first_active,
        };
        *long_ago |= Back::on(day.since(from)).0;
        self.past_dirty = true;
    }

    /// Forgets what is no longer asked for. Says whether the record of the past has to be written: one that says
    /// more of old sessions does no harm.
    pub(crate) fn age(&mut self, ages: Ages, min_events: u32) -> bool {
        let old = self.users.past(self.no);
        let Some(past) = past::aged(old, ages) else {
            return false;
        };
        for day in past::forgotten(old, ages, min_events) {
            self.active_long_ago(day);
        }
        let old = self.users.past(self.no);
        let days = |past: &[u8]| past::cells(past).count();
        let fewer = days(&past) < days(old);
        self.users.put_past(self.no, &past);
        self.past_dirty |= fewer;
        fewer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::sessions;
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

    fn noon(day: i32) -> Timestamp {
        Timestamp(i64::from(day) * DAY_MS + DAY_MS / 2)
    }

    /// Everything that can be asked of a user.
    fn all_of(user: User<'_>) -> (Card, BTreeMap<i32, Counts>, Vec<Session>, Option<Session>) {
        let mut days = BTreeMap::new();
        let mut add = |counts: Counts| {
            let day = days.entry(counts.day.0).or_insert(Counts::none(counts.day));
            day.add(counts);
        };
        user.window((Day(0), Day(30_000)), User::NEVER, &mut add, &mut |_| {});
        let card = Card {
            awake: ASLEEP,
            ..user.card.clone()
        };
        (card, days, user.sessions(), user.session())
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

    #[test]
    fn who_rests_extends_the_session_that_it_had() {
        let mut users = Users::default();
        let no = users.find_or_add("ada");
        let begun = Session {
            day: Day(9),
            start: 9 * DAY_MS,
            last: 9 * DAY_MS,
            end: 9 * DAY_MS,
            continued: false,
        };
        users.get_mut(no).put_sessions(&Joined::Begun(begun));
        users.rest(Day(9));
        assert_eq!(users.get(no).session(), Some(begun));
        let longer = Session {
            last: begun.last + 5,
            ..begun
        };
        users.get_mut(no).put_sessions(&Joined::Extended(longer));
        assert_eq!(users.get(no).sessions(), [longer]);
    }

    #[test]
    fn whose_session_is_over_makes_room_for_others() {
        let mut users = Users::default();
        for minute in 0..1000 {
            let at = Timestamp(minute * 60_000);
            let no = users.find_or_add(&format!("user {minute}"));
            users.wake(no, at.minus_ms(30 * 60_000));
            users.get_mut(no).count(counts(0, 1));
            let joined = sessions::join_newest(None, at, 0, 30 * 60_000, Day(0));
            users.get_mut(no).put_sessions(&joined.unwrap());
        }
        assert!(users.awake.capacity() < 200);
        assert_eq!(users.get(0).sessions().len(), 1);
    }

    /// An event, taken in as an account does.
    fn take(users: &mut Users, no: UserNo, minute: i64, in_session: bool) {
        let at = Timestamp(minute * 60_000);
        let day_of = |at: Timestamp| Day(at.0.div_euclid(DAY_MS) as i32);
        let user = users.get(no);
        let newest = user.session();
        let joined = sessions::join_newest(newest.as_ref(), at, 90_000, 1_800_000, day_of(at))
            .unwrap_or_else(|| sessions::join_any(&user.sessions(), at, 90_000, 1_800_000, day_of));
        let mut user = users.get_mut(no);
        user.known_on(day_of(at));
        user.count(counts(day_of(at).0, 1));
        user.set_active(day_of(at), at);
        if in_session {
            user.put_sessions(&joined);
        }
    }

    proptest! {
        #[test]
        fn who_rests_and_when_makes_no_difference(
            steps in prop::collection::vec((0i64..6_000, any::<bool>(), any::<bool>(), any::<bool>()), 1..40),
        ) {
            let (mut resting, mut awake) = (Users::default(), Users::default());
            let no = resting.find_or_add("ada");
            awake.find_or_add("ada");
            for (minute, in_session, rests, saves) in steps {
                take(&mut resting, no, minute, in_session);
                take(&mut awake, no, minute, in_session);
                if rests {
                    resting.rest_where(|_| true);
                }
                prop_assert_eq!(all_of(resting.get(no)), all_of(awake.get(no)));
                let records = [&resting, &awake].map(|users| {
                    let (mut past, mut now) = (Vec::new(), Vec::new());
                    users.pack_past(no, &mut Packer(&mut past));
                    users.get(no).pack_now(&mut Packer(&mut now));
                    (past, now)
                });
                prop_assert_eq!(&records[0], &records[1]);
                if saves {
                    for users in [&mut resting, &mut awake] {
                        let mut user = users.get_mut(no);
                        (user.past_dirty, user.now_dirty) = (false, false);
                    }
                }
            }
        }

        #[test]
        fn days_are_kept_whatever_their_order(
            days in prop::collection::vec((19_000i32..19_120, 1u32..5, any::<bool>()), 1..80),
        ) {
            let mut users = Users::default();
            let no = users.find_or_add("ada");
            let mut expected: BTreeMap<i32, u32> = BTreeMap::new();
            for (day, events, rests) in days {
                *expected.entry(day).or_default() += events;
                let mut user = users.get_mut(no);
                prop_assert_eq!(user.count(counts(day, events)).events, expected[&day]);
                user.set_active(Day(day), noon(day));
                if rests {
                    users.rest(Day(day));
                }
            }
            let user = users.get(no);
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
            days in prop::collection::vec((19_000i32..19_040, 1u32..5, any::<bool>()), 1..30),
        ) {
            let mut users = Users::default();
            let no = users.find_or_add("ada");
            for (day, events, rests) in days {
                let mut user = users.get_mut(no);
                user.count(counts(day, events));
                user.set_active(Day(day), noon(day));
                let at = i64::from(day) * DAY_MS;
                let session =
                    Session { day: Day(day), start: at, last: at + 5, end: at + 9, continued: false };
                if user.seen().session().is_none_or(|newest| newest.start < at) {
                    user.put_sessions(&Joined::Begun(session));
                }
                if rests {
                    users.rest(Day(day));
                }
            }
            let (mut past, mut now) = (Vec::new(), Vec::new());
            users.pack_past(no, &mut Packer(&mut past));
            users.get(no).pack_now(&mut Packer(&mut now));
            let mut back = Users::default();
            back.unpack_now(no, &now).unwrap();
            back.unpack_past(no, Unpacker(&past)).unwrap();
            back.all_restored(Day(19_020)).unwrap();
            let mut expected = all_of(users.get(no));
            (expected.0.past_dirty, expected.0.now_dirty) = (false, false);
            (expected.0.past_written, expected.0.now_written) = (true, true);
            prop_assert_eq!(all_of(back.get(no)), expected);
            prop_assert_eq!(back.find("ada"), Some(no));
        }
    }
}
