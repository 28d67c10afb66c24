//! The engine's own binary form: one record for each key that changed, and back.
//!
//! Keys are short, since accounts and users are numbered once: a letter for the kind, then numbers. Each
//! record stands for itself, so compaction may take any but the newest of its key, and they can be read in
//! any order. Formats are versioned by the envelope, which is not the engine's.
//!
//! | kind | key | holds |
//! |---|---|---|
//! | `T` | | stream times, numbers given so far |
//! | `F` | | the names of features, milestones and traits, by the numbers given to them |
//! | `A` | account | the account's own facts |
//! | `D` | account, day | sums of a day |
//! | `C` | account, day | what was told of a day that may have to be told again |
//! | `J` | account, number | a state of a subscription, for ever |
//! | `Z` | account | what was told of movements of revenue, and the zones that days were in |
//! | `z` | account | what was collected, and which payments failed |
//! | `E` | account | what happened before the account's zone was told |
//! | `U` | account, user | a user's past |
//! | `N` | account, user | a user's newest day and session: small, alone written in steady state |
//! | `G` | | where the shard's part in groups stands |
//! | `S` | day, dimension, segment | what the shard's accounts say together, and whether that was handed on |
//! | `P`, `M` | shard, and day, dimension, segment | what a shard said of a group that belongs to this one, and where it stands |
//! | `K` | day | what the shard's accounts change in cohorts, and whether that was handed on |
//! | `X` | shard, day | what a shard said of cohorts, where they belong to this one |
//! | `O` | sign-up day, plan | what happened in cohorts on days that can no longer change |
//! | `Q`, `Y` | cohort, and | what was told of cohorts, and as of which day they stand |
//! | `H` | | up to which day of a group they were forgotten |
//! | `R` | day, dimension, segment | what was told of a group that belongs to the shard |
//! | `W` | | how many times the shard was restored |
//! | `L`, `l` | shard, and dimension, segment | what a shard says now of a group that belongs to this one, and in which life all of it was said |
//! | `V` | dimension, segment | that readers have live values of a group that belongs to the shard |
//! | `-` | | a piece of what another shard hands on, while others are to come |
//! | `+` | number, key | a further piece of another record |
//! | `I`, `B` | number | ids of product events, of others, applied since the slice before, until all are forgotten |

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};

use mainstay_model::{Day, Timestamp, Zone};

use crate::account::{Account, Dated, Pending, Unsaved};
use crate::cohorts::Changes;
use crate::dedup::Remembered;
use crate::engine::{AccountNo, Engine};
use crate::facts::early::Early;
use crate::facts::firsts::Firsts;
use crate::facts::history::History;
use crate::facts::invoices::Invoices;
use crate::facts::lifecycle::Lifecycle;
use crate::facts::totals::Total;
use crate::facts::users::UserNo;
use crate::pack::{Malformed, Packer, Unpacker};
use crate::pieces::{InPieces, MOST};
use crate::reading::Reading;
use crate::revenue::Revenue;
use crate::zones::Zones;

/// What has to be written when a slice is closed.
pub(crate) struct Changelog {
    /// Accounts with something unsaved, in the order of their first change.
    unsaved: Vec<AccountNo>,
    removed: Vec<Vec<u8>>,
    product_ids: Ids,
    business_ids: Ids,
    next_ids: u64,
    /// Keys that are in the changelog and not removed.
    live_keys: u64,
    /// Records that are in pieces.
    in_pieces: InPieces,
    /// So many bytes a record has at most.
    most: usize,
    /// What is alive of the log that is being read.
    restored: BTreeMap<Box<[u8]>, Box<[u8]>>,
    time_written: bool,
    /// The record of names is in the changelog, as it is now; an older one is.
    names_written: bool,
    names_restored: bool,
    /// The record of time as it was last written, without the stream time of the shard.
    time: Vec<u8>,
}

/// Ids that are remembered for about the same time.
struct Ids {
    kind: u8,
    new: Vec<Remembered>,
    /// In the order in which they are forgotten, nearly: one that is kept longer holds up those behind it.
    records: VecDeque<IdsRecord>,
}

/// A record of ids, to be removed once all of them are forgotten.
struct IdsRecord {
    number: u64,
    until_s: u32,
}

impl Ids {
    fn of_kind(kind: u8) -> Ids {
        Ids {
            kind,
            new: Vec::new(),
            records: VecDeque::new(),
        }
    }
}

impl IdsRecord {
    fn over(&self, watermark: Timestamp) -> bool {
        watermark.0 >= i64::from(self.until_s) * 1000
    }
}

impl Default for Changelog {
    fn default() -> Changelog {
        Changelog {
            unsaved: Vec::new(),
            removed: Vec::new(),
            product_ids: Ids::of_kind(b'I'),
            business_ids: Ids::of_kind(b'B'),
            next_ids: 0,
            live_keys: 0,
            in_pieces: InPieces::default(),
            most: MOST,
            restored: BTreeMap::new(),
            time_written: false,
            names_written: false,
            names_restored: false,
            time: Vec::new(),
        }
    }
}

/// A record of the changelog that makes no state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BrokenState {
    /// The bytes are none that this release writes.
    #[error("the record is malformed, or of a newer release")]
    Malformed,
    /// Records of some accounts or users are missing.
    #[error("records are missing: the state is not whole")]
    NotWhole,
    /// A user's day has a bit for each feature that was ever tracked, and those are used up.
    #[error(
        "the state has seen as many features as it can tell apart, removed ones too: take the newest names out of \
         `features` again, or begin again from history"
    )]
    TooManyFeatures,
}

impl From<Malformed> for BrokenState {
    fn from(_: Malformed) -> BrokenState {
        BrokenState::Malformed
    }
}

/// Takes keys and values as they are made.
pub type Put<'a> = dyn FnMut(&[u8], Option<&[u8]>) + 'a;

impl Changelog {
    pub(crate) fn touch(&mut self, no: AccountNo, account: &mut Account) {
        if !std::mem::replace(&mut account.unsaved.listed, true) {
            self.unsaved.push(no);
        }
    }

    pub(crate) fn remember(&mut self, new: Remembered, business: bool) {
        match business {
            true => self.business_ids.new.push(new),
            false => self.product_ids.new.push(new),
        }
    }

    /// Nothing is kept of a deleted account but its own record: all others are to be removed.
    pub(crate) fn forget(&mut self, no: AccountNo, account: &mut Account) {
        let forgotten = account.unsaved.forgotten_days.iter().copied();
        for day in account.totals.written().chain(forgotten) {
            self.removed.push(day_key(b'D', no, day));
        }
        let pending = account
            .pending
            .iter()
            .filter(|(_, pending)| pending.written);
        let settled = account.unsaved.settled.iter().copied();
        for day in pending.map(|(day, _)| *day).chain(settled) {
            self.removed.push(day_key(b'C', no, day));
        }
        if let Some(revenue) = &account.revenue {
            let states = 0..revenue.saved_states();
            let states = states.map(|number| key(b'J', &[no.into(), number.into()]));
            self.removed.extend(states);
            if revenue.written {
                self.removed.push(key(b'Z', &[no.into()]));
            }
        }
        if account
            .invoices
            .as_ref()
            .is_some_and(|invoices| invoices.written)
        {
            self.removed.push(key(b'z', &[no.into()]));
        }
        for (user, facts) in account.users.iter().enumerate() {
            if facts.past_written {
                self.removed.push(key(b'U', &[no.into(), user as u64]));
            }
            if facts.now_written {
                self.removed.push(key(b'N', &[no.into(), user as u64]));
            }
        }
        account.forget();
    }
}

/// So many ids make a record of a quarter of a megabyte: no slice makes one that a broker would refuse.
const IDS_A_RECORD: usize = 16_384;

/// Writes ids, and says when the last of them is forgotten.
fn pack_ids(ids: &[Remembered], value: &mut Vec<u8>) -> u32 {
    let first_s = ids.iter().map(|id| id.until_s).min().unwrap_or(0);
    value.clear();
    Packer(value).uint(first_s.into());
    for id in ids {
        value.extend_from_slice(&id.hash.to_le_bytes());
        value.extend_from_slice(&id.digest.to_le_bytes());
        Packer(value).uint(u64::from(id.until_s - first_s));
    }
    ids.iter().map(|id| id.until_s).max().unwrap_or(0)
}

fn key(kind: u8, numbers: &[u64]) -> Vec<u8> {
    let mut key = vec![kind];
    numbers
        .iter()
        .for_each(|number| Packer(&mut key).uint(*number));
    key
}

fn day_key(kind: u8, no: AccountNo, day: Day) -> Vec<u8> {
    let mut key = key(kind, &[no.into()]);
    Packer(&mut key).int(day.0.into());
    key
}

impl Engine {
    /// How many keys are alive in the changelog, as far as it was saved.
    #[must_use]
    pub fn live_keys(&self) -> u64 {
        self.changelog.live_keys
    }

    /// Hands over one record for each key that changed since the last call.
    ///
    /// Time that a tick alone has moved is no change: after a restart another tick moves it again.
    pub fn save(&mut self, put: &mut Put<'_>) {
        let mut value = Vec::new();
        let changed = Cell::new(false);
        let (mut in_pieces, most) = (
            std::mem::take(&mut self.changelog.in_pieces),
            self.changelog.most,
        );
        let pieces = Cell::new(0);
        let put = &mut |key: &[u8], value: Option<&[u8]>| {
            changed.set(true);
            pieces.set(pieces.get() + in_pieces.put(key, value, most, put));
        };
        let mut live = self.changelog.live_keys;
        let columns = self.terms.columns();
        // First, because a key that was removed may have come back since.
        for key in std::mem::take(&mut self.changelog.removed) {
            put(&key, None);
            live -= 1;
        }
        for no in std::mem::take(&mut self.changelog.unsaved) {
            let Some(account) = &mut self.accounts[no as usize] else {
                continue;
            };
            let added = save_account(no, account, &self.zones, columns, &mut value, put);
            live = live
                .checked_add_signed(added)
                .expect("no key is removed that was not counted");
            live -= forget_days(no, account, put);
        }
        let mut keys = self.rollup.save(columns, put);
        keys += self.arrived.save(put);
        keys += self.live.save(!self.accounts.is_empty(), put);
        if !self.accounts.is_empty() {
            keys += self.groups.save(columns, put);
        }
        live = live
            .checked_add_signed(keys)
            .expect("no key is removed that was not counted");
        self.changelog.live_keys = live;
        if changed.get() && !std::mem::replace(&mut self.changelog.names_written, true) {
            value.clear();
            self.terms.pack(&mut Packer(&mut value));
            put(b"F", Some(&value));
            self.changelog.live_keys += u64::from(!self.changelog.names_restored);
        }
        self.save_ids(&mut value, put);
        self.pack_time(&mut value);
        if changed.get() || value != self.changelog.time {
            put(b"T", Some(&self.with_now(&value)));
            self.changelog.time = value;
            self.changelog.live_keys +=
                u64::from(!std::mem::replace(&mut self.changelog.time_written, true));
        }
        self.changelog.in_pieces = in_pieces;
        self.changelog.live_keys = self
            .changelog
            .live_keys
            .checked_add_signed(pieces.get())
            .expect("no piece is removed that was not counted");
    }

    /// Nothing is to be kept: forgets what changed since the last call.
    pub fn save_nothing(&mut self) {
        for no in std::mem::take(&mut self.changelog.unsaved) {
            if let Some(account) = &mut self.accounts[no as usize] {
                account.discard_unsaved();
            }
        }
        self.groups.save_nothing();
        self.rollup.save_nothing();
        self.live.save_nothing();
        self.arrived.save_nothing();
        self.changelog.removed.clear();
        self.changelog.product_ids.new.clear();
        self.changelog.business_ids.new.clear();
    }

    fn save_ids(&mut self, value: &mut Vec<u8>, put: &mut Put<'_>) {
        let watermark = self.watermark();
        let Changelog {
            product_ids,
            business_ids,
            next_ids,
            live_keys,
            ..
        } = &mut self.changelog;
        for ids in [product_ids, business_ids] {
            for new in std::mem::take(&mut ids.new).chunks(IDS_A_RECORD) {
                let number = *next_ids;
                *next_ids += 1;
                let until_s = pack_ids(new, value);
                put(&key(ids.kind, &[number]), Some(value));
                ids.records.push_back(IdsRecord { number, until_s });
                *live_keys += 1;
            }
            while ids
                .records
                .front()
                .is_some_and(|record| record.over(watermark))
            {
                let record = ids.records.pop_front().expect("there is a front");
                put(&key(ids.kind, &[record.number]), None);
                *live_keys -= 1;
            }
        }
    }

    fn pack_time(&self, value: &mut Vec<u8>) {
        value.clear();
        let mut to = Packer(value);
        to.uint(self.accounts.len() as u64);
        to.uint(self.changelog.next_ids);
        to.uint(self.sources.len() as u64);
        for (source, name) in self.sources.iter().enumerate() {
            to.bytes(name.as_bytes());
            to.int(self.time.of(source).0);
        }
    }

    fn with_now(&self, value: &[u8]) -> Vec<u8> {
        let mut record = Vec::with_capacity(value.len() + 8);
        Packer(&mut record).int(self.time.now().0);
        record.extend_from_slice(value);
        record
    }

    /// Takes one record of the changelog in, in the order of the log: a later record of a key replaces the
    /// earlier one, and none removes it.
    pub fn restore(&mut self, key: &[u8], value: Option<&[u8]>) {
        match value {
            Some(value) => _ = self.changelog.restored.insert(key.into(), value.into()),
            None => _ = self.changelog.restored.remove(key),
        }
    }

    fn restore_record(&mut self, key: &[u8], value: &[u8]) -> Result<(), BrokenState> {
        let (kind, rest) = key.split_first().ok_or(Malformed)?;
        let mut at = Unpacker(rest);
        match kind {
            b'T' => self.restore_time(value)?,
            b'F' => {
                self.terms.unpack(&mut Unpacker(value))?;
                let mut now = Vec::new();
                self.terms.pack(&mut Packer(&mut now));
                self.changelog.names_restored = true;
                self.changelog.names_written = now == value;
            }
            b'G' => self.groups.restore_state(value, self.terms.columns())?,
            b'S' => self.groups.restore_row(rest, value)?,
            b'K' => self.groups.cohorts.restore(rest, value)?,
            b'O' => self.rollup.cohorts.restore_past(rest, value)?,
            b'Q' => self.rollup.cohorts.restore_told(rest, value)?,
            b'Y' => self.rollup.cohorts.restore_as_of(value)?,
            b'P' | b'M' | b'X' => {
                let columns = self.terms.columns();
                self.rollup.take(key, Some(value), true, columns)?;
            }
            b'L' | b'l' => self.live.groups.take(key, Some(value), true)?,
            b'V' => self.live.groups.restore_told(rest)?,
            b'-' => self.arrived.restore(rest, value),
            b'W' => self.live.restore_generation(value)?,
            b'H' => self.rollup.restore_forgotten(value)?,
            b'R' => self.rollup.restore(rest, value, self.terms.columns())?,
            b'I' | b'B' => self.restore_ids(*kind, at.uint()?, value)?,
            b'A' => {
                let no = at.u32()?;
                let zones = &mut self.zones;
                restored_account(&mut self.accounts, no)?.unpack(value, zones)?;
            }
            b'D' => {
                let account = restored_account(&mut self.accounts, at.u32()?)?;
                let total = Total::unpack(value)?;
                *account
                    .totals
                    .row_mut(at.day()?, Day(i32::MIN))
                    .ok_or(Malformed)? = total;
            }
            b'C' => {
                let columns = self.terms.columns();
                let account = restored_account(&mut self.accounts, at.u32()?)?;
                account
                    .pending
                    .insert(at.day()?, Pending::unpack(value, columns)?);
            }
            b'J' => {
                let account = restored_account(&mut self.accounts, at.u32()?)?;
                account.restored_revenue().restore_state(value)?;
            }
            b'z' => {
                let account = restored_account(&mut self.accounts, at.u32()?)?;
                account.invoices = Some(Box::new(Invoices::unpack(value)?));
            }
            b'Z' => {
                let account = restored_account(&mut self.accounts, at.u32()?)?;
                account.restored_revenue().unpack(value)?;
            }
            b'E' => {
                let account = restored_account(&mut self.accounts, at.u32()?)?;
                account.early = Early::unpack(value)?;
            }
            b'U' => {
                let account = restored_account(&mut self.accounts, at.u32()?)?;
                let (user, mut from) = (at.u32()?, Unpacker(value));
                account.membership.unpack(user, &mut from)?;
                account.users.unpack_past(user, from)?;
            }
            b'N' => {
                let account = restored_account(&mut self.accounts, at.u32()?)?;
                account.users.unpack_now(at.u32()?, value)?;
            }
            _ => return Err(BrokenState::Malformed),
        }
        Ok(())
    }

    /// All records were handed over: makes the state of them.
    ///
    /// # Errors
    /// When a record is none that this release writes, or records are missing.
    pub fn restored(&mut self) -> Result<(), BrokenState> {
        let mut records = std::mem::take(&mut self.changelog.restored);
        self.changelog.live_keys = records.len() as u64;
        self.changelog.in_pieces.join(&mut records)?;
        for (key, value) in records {
            self.restore_record(&key, &value)?;
        }
        for no in 0..self.accounts.len() {
            let Some(account) = &mut self.accounts[no] else {
                continue;
            };
            if !account.unsaved.written {
                return Err(BrokenState::NotWhole);
            }
            account
                .users
                .all_restored(account.closed)
                .map_err(|_| BrokenState::NotWhole)?;
            if let Some(revenue) = &mut account.revenue {
                let zone = self.zones.zone(account.zone.value);
                revenue.restored(zone, self.time.now(), &self.terms);
                self.due
                    .extend(revenue.next().map(|next| (next, no as AccountNo)));
            }
            self.put_in_index(no as AccountNo);
        }
        for ids in [
            &mut self.changelog.product_ids,
            &mut self.changelog.business_ids,
        ] {
            ids.records
                .make_contiguous()
                .sort_unstable_by_key(|record| record.number);
        }
        let accounts = self.accounts.iter().flatten();
        let closed = accounts.map(|account| account.closed).max();
        self.groups.restored(closed);
        self.rollup.cohorts.restored();
        self.rollup.tell_all();
        self.go_on();
        Ok(())
    }

    fn restore_time(&mut self, value: &[u8]) -> Result<(), Malformed> {
        let mut from = Unpacker(value);
        self.time.tick(Timestamp(from.int()?));
        let accounts = usize::try_from(from.uint()?).map_err(|_| Malformed)?;
        while self.accounts.len() < accounts {
            self.accounts.push(None);
        }
        self.changelog.next_ids = from.uint()?;
        for _ in 0..from.uint()? {
            let (name, time) = (from.text()?, Timestamp(from.int()?));
            if let Some(source) = self.sources.iter().position(|known| known == name) {
                self.time.restore(source, time);
            }
        }
        self.changelog.time_written = true;
        Ok(())
    }

    fn restore_ids(&mut self, kind: u8, number: u64, value: &[u8]) -> Result<(), Malformed> {
        let mut from = Unpacker(value);
        let first_s = from.u32()?;
        let mut until = first_s;
        while !from.is_empty() {
            let hash = u64::from_le_bytes(from.take(8)?.try_into().map_err(|_| Malformed)?);
            let digest = u32::from_le_bytes(from.take(4)?.try_into().map_err(|_| Malformed)?);
            let until_s = first_s.checked_add(from.u32()?).ok_or(Malformed)?;
            until = until.max(until_s);
            self.dedup.remember(
                Remembered {
                    hash,
                    digest,
                    until_s,
                },
                Timestamp::MIN,
            );
        }
        let ids = match kind == self.changelog.product_ids.kind {
            true => &mut self.changelog.product_ids,
            false => &mut self.changelog.business_ids,
        };
        ids.records.push_back(IdsRecord {
            number,
            until_s: until,
        });
        Ok(())
    }
}

/// Writes what is unsaved of an account, and says how many keys that adds.
fn save_account(
    no: AccountNo,
    account: &mut Account,
    zones: &Zones,
    columns: u64,
    value: &mut Vec<u8>,
    put: &mut Put<'_>,
) -> i64 {
    let mut new = 0;
    let unsaved = &mut account.unsaved;
    unsaved.listed = false;
    let (users, days) = (
        std::mem::take(&mut unsaved.users),
        std::mem::take(&mut unsaved.days),
    );
    let pending = std::mem::take(&mut unsaved.pending);
    if std::mem::take(&mut unsaved.account) || !unsaved.written {
        new += i64::from(!std::mem::replace(&mut unsaved.written, true));
        value.clear();
        account.pack(zones, &mut Packer(value));
        put(&key(b'A', &[no.into()]), Some(value));
    }
    new += save_early(no, account, value, put);
    new += save_revenue(no, account, value, put);
    new += save_invoices(no, account, value, put);
    for day in days {
        // A row may have been forgotten since.
        let Some(row) = account.totals.row_if_there(day) else {
            continue;
        };
        row.dirty = false;
        new += i64::from(!std::mem::replace(&mut row.written, true));
        value.clear();
        row.pack(&mut Packer(value));
        put(&day_key(b'D', no, day), Some(value));
    }
    for day in pending {
        let Some(pending) = account.pending.get_mut(&day) else {
            continue;
        };
        new += i64::from(!std::mem::replace(&mut pending.written, true));
        value.clear();
        pending.pack(columns, &mut Packer(value));
        put(&day_key(b'C', no, day), Some(value));
    }
    for user in users {
        new += save_user(no, user, account, value, put);
    }
    new
}

/// Writes or removes the record of the first happenings, and says how many keys that adds.
fn save_early(no: AccountNo, account: &mut Account, value: &mut Vec<u8>, put: &mut Put<'_>) -> i64 {
    if !std::mem::take(&mut account.early.dirty) {
        return 0;
    }
    value.clear();
    let kept = account.early.pack(&mut Packer(value));
    let was = std::mem::replace(&mut account.early.written, kept);
    if kept || was {
        put(&key(b'E', &[no.into()]), kept.then_some(&value[..]));
    }
    i64::from(kept) - i64::from(was)
}

/// Writes what became of invoices, and says how many keys that adds.
fn save_invoices(
    no: AccountNo,
    account: &mut Account,
    value: &mut Vec<u8>,
    put: &mut Put<'_>,
) -> i64 {
    let Some(invoices) = account.invoices.as_mut().filter(|one| one.dirty) else {
        return 0;
    };
    invoices.dirty = false;
    value.clear();
    invoices.pack(&mut Packer(value));
    put(&key(b'z', &[no.into()]), Some(value));
    i64::from(!std::mem::replace(&mut invoices.written, true))
}

/// Writes the states that came, and what else has changed, and says how many keys that adds.
fn save_revenue(
    no: AccountNo,
    account: &mut Account,
    value: &mut Vec<u8>,
    put: &mut Put<'_>,
) -> i64 {
    let Some(revenue) = &mut account.revenue else {
        return 0;
    };
    let mut new = 0;
    for (number, state) in revenue.take_unsaved() {
        value.clear();
        state.pack(value);
        put(&key(b'J', &[no.into(), number.into()]), Some(value));
        new += 1;
    }
    if revenue.take_dirty() {
        new += i64::from(!std::mem::replace(&mut revenue.written, true));
        value.clear();
        revenue.pack(&mut Packer(value));
        put(&key(b'Z', &[no.into()]), Some(value));
    }
    new
}

fn save_user(
    no: AccountNo,
    user: UserNo,
    account: &mut Account,
    value: &mut Vec<u8>,
    put: &mut Put<'_>,
) -> i64 {
    let mut new = 0;
    let mut facts = account.users.get_mut(user);
    facts.listed = false;
    let (past, now) = (facts.past_dirty || !facts.past_written, facts.now_dirty);
    (facts.past_dirty, facts.now_dirty) = (false, false);
    if past {
        new += i64::from(!std::mem::replace(&mut facts.past_written, true));
        value.clear();
        account.membership.pack(user, &mut Packer(value));
        account.users.pack_past(user, &mut Packer(value));
        put(&key(b'U', &[no.into(), user.into()]), Some(value));
    }
    if now {
        let mut facts = account.users.get_mut(user);
        new += i64::from(!std::mem::replace(&mut facts.now_written, true));
        value.clear();
        facts.seen().pack_now(&mut Packer(value));
        put(&key(b'N', &[no.into(), user.into()]), Some(value));
    }
    new
}

/// Removes rows and corrections that are over, and says how many keys that were.
fn forget_days(no: AccountNo, account: &mut Account, put: &mut Put<'_>) -> u64 {
    let mut gone = 0;
    for day in std::mem::take(&mut account.unsaved.forgotten_days) {
        put(&day_key(b'D', no, day), None);
        gone += 1;
    }
    for day in std::mem::take(&mut account.unsaved.settled) {
        // The day may have been put aside, and written, again since.
        if !account
            .pending
            .get(&day)
            .is_some_and(|pending| pending.written)
        {
            put(&day_key(b'C', no, day), None);
        }
        gone += 1;
    }
    gone
}

fn restored_account(
    accounts: &mut Vec<Option<Box<Account>>>,
    no: AccountNo,
) -> Result<&mut Account, Malformed> {
    if no > 100_000_000 {
        return Err(Malformed);
    }
    while accounts.len() <= no as usize {
        accounts.push(None);
    }
    let empty = || {
        let mut account = Box::new(Account::new("", Zones::DEFAULT, Day::default()));
        account.early = Early::ended();
        account
    };
    Ok(accounts[no as usize].get_or_insert_with(empty))
}

impl Account {
    fn discard_unsaved(&mut self) {
        self.early.dirty = false;
        if let Some(revenue) = &mut self.revenue {
            revenue.discard_unsaved();
        }
        if let Some(invoices) = &mut self.invoices {
            invoices.dirty = false;
        }
        let unsaved = std::mem::take(&mut self.unsaved);
        for day in unsaved.days {
            if let Some(row) = self.totals.row_if_there(day) {
                row.dirty = false;
            }
        }
        for user in unsaved.users {
            self.users.get_mut(user).listed = false;
        }
    }

    fn restored_revenue(&mut self) -> &mut Revenue {
        let new = || Box::new(Revenue::new(Zone::UTC));
        self.revenue.get_or_insert_with(new)
    }

    fn pack(&self, zones: &Zones, to: &mut Packer<'_>) {
        to.bytes(self.id.as_bytes());
        to.uint(u64::from(self.name.value.is_some()));
        to.bytes(self.name.value.as_deref().unwrap_or("").as_bytes());
        to.int(self.name.at.0);
        // The default zone is the config's, whatever that will be.
        let zone = match self.zone.value == Zones::DEFAULT {
            true => "",
            false => zones.zone(self.zone.value).name(),
        };
        to.bytes(zone.as_bytes());
        to.int(self.zone.at.0);
        to.int(self.closed.0.into());
        self.lifecycle.pack(to);
        self.seats.pack(to, |seats, to| to.uint((*seats).into()));
        to.uint(self.traits.len() as u64);
        for (no, history) in &self.traits {
            to.uint((*no).into());
            history.pack(to, |value, to| to.bytes(value.as_bytes()));
        }
        self.onboarding.pack(to);
        to.uint(u64::from(self.totals.older_active().is_some()));
        to.int(self.totals.older_active().unwrap_or_default().0.into());
        if self.renewal != History::default() {
            self.renewal.pack(to, |renewal, to| to.int(renewal.0));
        }
    }

    fn unpack(&mut self, bytes: &[u8], zones: &mut Zones) -> Result<(), Malformed> {
        let mut from = Unpacker(bytes);
        self.id = from.text()?.into();
        let (named, name) = (from.uint()? == 1, from.text()?);
        self.name = Dated {
            value: named.then(|| name.into()),
            at: Timestamp(from.int()?),
        };
        let zone = match from.text()? {
            "" => Zones::DEFAULT,
            name => zones.number(name.parse::<Zone>().map_err(|_| Malformed)?),
        };
        self.zone = Dated {
            value: zone,
            at: Timestamp(from.int()?),
        };
        self.closed = from.day()?;
        self.lifecycle = Lifecycle::unpack(&mut from)?;
        self.seats = History::unpack(&mut from, |from| from.u32())?;
        for _ in 0..from.uint()? {
            let no = u16::try_from(from.uint()?).map_err(|_| Malformed)?;
            let text = |from: &mut Unpacker<'_>| Ok(from.text()?.into());
            self.traits.push((no, History::unpack(&mut from, text)?));
        }
        self.onboarding = Firsts::unpack(&mut from)?;
        let (is_active, older_active) = (from.uint()? == 1, from.day()?);
        self.totals
            .restore_older_active(is_active.then_some(older_active));
        if !from.is_empty() {
            self.renewal = History::unpack(&mut from, |from| from.int().map(Timestamp))?;
        }
        self.unsaved = Unsaved {
            written: true,
            ..Unsaved::default()
        };
        Ok(())
    }
}

impl Pending {
    /// `columns` says which values these are.
    fn pack(&self, columns: u64, to: &mut Packer<'_>) {
        let mut cohorts = Vec::new();
        self.cohorts.pack(&mut Packer(&mut cohorts));
        to.0.extend_from_slice(&columns.to_le_bytes());
        to.bytes(&cohorts);
        to.uint(u64::from(self.old.is_some()));
        to.0.extend_from_slice(self.old.as_deref().unwrap_or_default());
    }

    fn unpack(bytes: &[u8], columns: u64) -> Result<Pending, Malformed> {
        let mut from = Unpacker(bytes);
        let same = *from.take(8)? == columns.to_le_bytes();
        let cohorts = Changes::unpack(&mut Unpacker(from.bytes()?))?;
        let told = from.uint()? == 1;
        let old = from.0;
        if told && same {
            Reading::unpack(&mut from)?;
        }
        // Values of another catalogue, or of other features, say nothing: the day is told again without them.
        let told = told && same;
        Ok(Pending {
            old: told.then(|| old.into()),
            cohorts,
            written: true,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Outputs, Place};
    use crate::settings::Settings;
    use mainstay_model::{AccountDaily, Body, Event, Id, SegmentDaily};
    use std::borrow::Cow;

    #[derive(Default)]
    struct Ear(Vec<String>);

    impl Outputs for Ear {
        fn account_daily(&mut self, record: &AccountDaily<'_>) {
            self.0.push(format!("{record:?}"));
        }

        fn segment_daily(&mut self, record: &SegmentDaily<'_>) {
            self.0.push(format!("{record:?}"));
        }

        fn part(&mut self, _: Option<(&str, &str)>, key: &[u8], value: Option<&[u8]>) {
            self.0.push(format!("{key:?} {value:?}"));
        }
    }

    fn engine(most: usize) -> Engine {
        let place = Place { number: 0, of: 1 };
        let mut engine = Engine::new(Settings::default(), &["product".to_owned()], place);
        engine.changelog.most = most;
        engine
    }

    /// A restart after every event, once from a changelog of short records and once from one of long ones.
    #[test]
    fn a_changelog_in_pieces_holds_the_same_state() {
        let tell = |most: usize| {
            let (mut log, mut ear) = (BTreeMap::<Vec<u8>, Vec<u8>>::new(), Ear::default());
            let mut longest = 0;
            for no in 0..60i64 {
                let mut engine = engine(most);
                for (key, value) in &log {
                    engine.restore(key, Some(value));
                }
                engine.restored().unwrap();
                let at = Timestamp((20_500 * 24 + no * 7) * 3_600_000);
                let text = |text: String| Id::new(Cow::Owned(text)).unwrap();
                let event = Event {
                    id: text(no.to_string()),
                    account: text("acme".to_owned()),
                    user: Some(text(format!("user {}", no % 5))),
                    time: at,
                    source: None,
                    received_at: None,
                    digest: no as u32,
                    body: Body::Product {
                        name: "opened".into(),
                        duration_ms: 1000,
                        actor: mainstay_model::Actor::Human,
                    },
                };
                engine.apply(0, at, &event, &mut ear);
                while engine.work(&mut ear) {}
                engine.save(&mut |key, value| match value {
                    Some(value) => {
                        longest = longest.max(value.len());
                        log.insert(key.to_vec(), value.to_vec());
                    }
                    None => _ = log.remove(key),
                });
                assert_eq!(engine.live_keys(), log.len() as u64);
            }
            (ear.0, longest)
        };
        let (long, longest) = tell(MOST);
        let (short, shortest) = tell(40);
        assert!(long.len() > 20 && longest > 100 && shortest <= 40);
        assert_eq!(short, long);
    }
}
