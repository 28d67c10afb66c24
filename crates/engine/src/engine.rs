//! The engine of one shard: events in, what is to be said out.
//!
//! The engine is a value. It reads no clock and knows no bytes: time comes with events and ticks, and what
//! it says depends on the sequence of calls alone, not on how they are batched. What time alone makes due is
//! done before the account's next event, and for all other accounts in small steps of [`Engine::work`].

use std::collections::{BTreeSet, VecDeque};

use hashbrown::HashTable;
use mainstay_model::{AccountDaily, AccountMetrics, Body, Code, CohortValue, Corrected};
use mainstay_model::{Day, Event, MrrMovement, Rejection, SegmentDaily, SegmentMetrics, Timestamp};
use xxhash_rust::xxh3::xxh3_64;

use crate::account::{Account, KEPT_DAYS, Surroundings};
use crate::changelog::{BrokenState, Changelog};
use crate::cohorts::Changes;
use crate::dedup::{Dedup, Remembered, Seen};
use crate::explain::Look;
use crate::groups::{COHORTS, Groups, Said};
use crate::ledger::no_rate;
use crate::live::{Beat, Live};
use crate::live_groups;
use crate::pack::Unpacker;
use crate::pieces::{self, Arrived};
use crate::reading::Reading;
use crate::revenue::Revenue;
use crate::rollup::{self, Rollup, corrected};
use crate::settings::Settings;
use crate::stream_time::StreamTime;
use crate::terms::Terms;
use crate::zones::{ZoneNo, Zones};

/// An account's number within its shard, in the order of first sight; never given twice.
pub(crate) type AccountNo = u32;

/// The state of one shard and what it makes of events.
pub struct Engine {
    pub(crate) terms: Terms,
    pub(crate) sources: Vec<String>,
    pub(crate) time: StreamTime,
    pub(crate) zones: Zones,
    pub(crate) accounts: Vec<Option<Box<Account>>>,
    index: HashTable<AccountNo>,
    pub(crate) dedup: Dedup,
    sweep: Sweep,
    /// Accounts with live values to be told, the oldest change first.
    pub(crate) changed: VecDeque<AccountNo>,
    /// When time alone moves the revenue of which account.
    pub(crate) due: BTreeSet<(Timestamp, AccountNo)>,
    pub(crate) changelog: Changelog,
    pub(crate) place: Place,
    /// What the shard's accounts give to groups, and the groups that belong to the shard.
    pub(crate) groups: Groups,
    pub(crate) rollup: Rollup,
    pub(crate) arrived: Arrived,
    pub(crate) live: Live,
}

/// Which of how many shards one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// From 0.
    pub number: u32,
    /// How many there are.
    pub of: u32,
}

/// Who hears what the engine says.
pub trait Outputs {
    /// The final values of a closed day, or a correction of them.
    fn account_daily(&mut self, record: &AccountDaily<'_>);

    /// The newest rolling values of an account.
    fn account_metrics(&mut self, _: &AccountMetrics<'_>) {}

    /// A day of an account was closed.
    fn day_closed(&mut self, _: &Look<'_>) {}

    /// The final values of a group for a day that is closed everywhere, or a correction of them.
    fn segment_daily(&mut self, _: &SegmentDaily<'_>) {}

    /// A value of a cohort of the fleet, or what has become of it.
    fn cohort_value(&mut self, _: &CohortValue<'_>) {}

    /// A movement of an account's recurring revenue, or what has become of one that was told.
    fn mrr_movement(&mut self, _: &MrrMovement<'_>) {}

    /// The newest rolling values of a group.
    fn segment_metrics(&mut self, _: &SegmentMetrics<'_>) {}

    /// Nobody is in a group any more: what [`Outputs::segment_metrics`] said of it holds no more.
    fn segment_gone(&mut self, _dimension: &str, _segment: &str) {}

    /// What the shard's accounts give to the group of a dimension and a segment, to be handed to
    /// [`Engine::take_part`] of the shard that the group belongs to; to every shard, this one too, where there is no
    /// group. No value takes the record of that key back.
    fn part(&mut self, _to: Option<(&str, &str)>, _key: &[u8], _value: Option<&[u8]>) {}

    /// An account was deleted: nothing more will be said of it.
    fn account_gone(&mut self, _account: &str) {}
}

/// What became of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It counts.
    Applied {
        /// It came after its day was closed, and corrects it.
        late: bool,
    },
    /// It had been applied before.
    Duplicate,
    /// It cannot count.
    Rejected(Rejection),
}

/// Whether the live values of an account may be told now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Tell them.
    Now,
    /// This account has to wait.
    Later,
    /// Every account has to wait.
    Stop,
}

/// When time alone would change something, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Work is waiting to be done by [`Engine::work`].
    Now,
    /// A day closes somewhere when stream time reaches this.
    DayCloses(Timestamp),
    /// What is planned of somebody's revenue happens when stream time reaches this.
    RevenueMoves(Timestamp),
}

/// How much a shard holds, for the operator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Accounts.
    pub accounts: usize,
    /// Users of all accounts.
    pub users: usize,
    /// Ids remembered against duplicates.
    pub ids: usize,
    /// Dimensions with more segments than are told.
    pub crowded: usize,
    /// How many closed days it is behind the shard that is furthest ahead: groups wait for it.
    pub days_behind: u32,
    /// Bytes of facts and ids, without what the allocator adds.
    pub bytes: usize,
}

/// The walk over all accounts that closes their days.
#[derive(Default)]
struct Sweep {
    walking: bool,
    /// Another day ended since the walk began.
    again: bool,
    at: usize,
}

/// How many days of accounts one step of work closes.
const STEP: usize = 32;

/// A day of a group costs as much as so many days of accounts.
const GROUP_DAY: usize = 4;

/// A late event changes a session that began so many days before it, at most.
const SESSION_DAYS: i32 = 5;

impl Engine {
    /// An empty shard. `sources` are the inputs' names, in the order in which calls number them.
    #[must_use]
    pub fn new(settings: Settings, sources: &[String], place: Place) -> Engine {
        let zones = Zones::new(settings.zone);
        Engine {
            terms: Terms::new(settings),
            sources: sources.to_vec(),
            time: StreamTime::new(sources.len()),
            zones,
            accounts: Vec::new(),
            index: HashTable::new(),
            dedup: Dedup::default(),
            sweep: Sweep::default(),
            changed: VecDeque::new(),
            due: BTreeSet::new(),
            changelog: Changelog::default(),
            place,
            groups: Groups::default(),
            rollup: Rollup::new(place.of),
            arrived: Arrived::default(),
            live: Live::new(place.of),
        }
    }

    /// Takes in one event that arrived at `arrival` from a source.
    pub fn apply(
        &mut self,
        source: usize,
        arrival: Timestamp,
        event: &Event<'_>,
        out: &mut dyn Outputs,
    ) -> Verdict {
        if event.time > arrival.plus_ms(self.terms.settings.max_skew_ms) {
            return Verdict::Rejected(future_time(event.time, arrival));
        }
        let watermark = self.watermark();
        let hash = Dedup::hash(&event.account, event.source.as_deref(), &event.id);
        match self.dedup.seen(hash, event.digest, watermark) {
            Seen::Never => {}
            Seen::Same => return Verdict::Duplicate,
            Seen::Other => return Verdict::Rejected(conflict(&event.id)),
        }
        let known = self.find(&event.account);
        let zone = self.zone_of(known, event);
        let day = self.zones.day_of(zone, event.time);
        let over = self.zones.over(zone);
        if day < over.minus(self.terms.settings.correction_days) {
            self.bill_late(known, zone, event, out);
            return Verdict::Rejected(too_late(day, over, self.terms.settings.correction_days));
        }
        if let Some(refusal) = self.refusal(known, day, event) {
            return Verdict::Rejected(refusal);
        }
        self.remember(hash, event, watermark);
        let late = day <= over;
        let no = known.unwrap_or_else(|| self.add_account(&event.account, zone, over));
        // Time moves first: what this event makes due happened before it.
        self.time.saw(source, event.time.min(arrival));
        self.time_moved();
        self.catch_up(no, out);
        self.apply_to(no, event, day, out);
        Verdict::Applied { late }
    }

    fn apply_to(&mut self, no: AccountNo, event: &Event<'_>, day: Day, out: &mut dyn Outputs) {
        let (account, mut around) = self.account_and_surroundings(no);
        account.apply(event, day, &mut around);
        if matches!(event.body, Body::AccountDeleted) && account.lifecycle.deleted_on().is_some() {
            out.account_gone(&account.id);
            self.live.says(no, day, None, &self.terms);
        }
        self.mark(no);
        self.pass_revenue(no, self.time.now(), out);
    }

    fn account_and_surroundings(&mut self, no: AccountNo) -> (&mut Account, Surroundings<'_>) {
        let account = self.accounts[no as usize].as_mut();
        let around = Surroundings {
            terms: &self.terms,
            zones: &mut self.zones,
        };
        (account.expect("a number found is of an account"), around)
    }

    /// Why the account's ledger cannot take an event of the day `day` in, if it is one for it and it cannot.
    fn refusal(&self, known: Option<AccountNo>, day: Day, event: &Event<'_>) -> Option<Rejection> {
        let rates = &self.terms.settings.revenue.rates;
        if let Body::Payment(payment) = &event.body {
            return no_rate(payment.currency, day, rates);
        }
        let Body::Subscription(told) = &event.body else {
            return None;
        };
        let account = known.and_then(|no| self.accounts[no as usize].as_ref());
        let revenue = account.and_then(|account| account.revenue.as_deref());
        Revenue::refusal(revenue, told, day, rates)
    }

    /// A state of a subscription comes too late for its day: it is booked on the oldest day that can be corrected.
    fn bill_late(
        &mut self,
        known: Option<AccountNo>,
        zone: ZoneNo,
        event: &Event<'_>,
        out: &mut dyn Outputs,
    ) {
        let over = self.zones.over(zone);
        let day = over.minus(self.terms.settings.correction_days);
        let Body::Subscription(told) = &event.body else {
            return;
        };
        if self.refusal(known, day, event).is_some() {
            return;
        }
        let no = known.unwrap_or_else(|| self.add_account(&event.account, zone, over));
        self.catch_up(no, out);
        let (account, mut around) = self.account_and_surroundings(no);
        account.bill_late(event, told, &mut around);
        self.mark(no);
        self.pass_revenue(no, self.time.now(), out);
    }

    /// Lets time pass for the revenue of an account, if that changes anything, and tells what it does.
    fn pass_revenue(&mut self, no: AccountNo, until: Timestamp, out: &mut dyn Outputs) {
        let Some(account) = &mut self.accounts[no as usize] else {
            return;
        };
        let Some(revenue) = account.revenue.as_mut().filter(|one| one.is_due(until)) else {
            return;
        };
        if let Some(next) = revenue.next() {
            self.due.remove(&(next, no));
        }
        revenue.pass(until, &self.terms);
        let currency = self.terms.settings.revenue.rates.currency();
        revenue.tell(&account.id, currency, out);
        self.due.extend(revenue.next().map(|next| (next, no)));
        self.mark(no);
    }

    /// The next account whose revenue time alone moves, if time is there.
    fn next_due(&self) -> Option<AccountNo> {
        let (at, no) = self.due.first()?;
        (*at <= self.time.now()).then_some(*no)
    }

    /// The account's live values have changed, and its records.
    fn mark(&mut self, no: AccountNo) {
        let account = self.accounts[no as usize]
            .as_mut()
            .expect("a marked account is there");
        if !std::mem::replace(&mut account.changed, true) {
            self.changed.push_back(no);
        }
        self.changelog.touch(no, account);
    }

    fn zone_of(&mut self, known: Option<AccountNo>, event: &Event<'_>) -> ZoneNo {
        let fields = event.body.account_fields();
        match known.and_then(|no| self.accounts[no as usize].as_ref()) {
            Some(account) => {
                let zones = &mut self.zones;
                let next = fields.and_then(|fields| account.zone_after(fields, event.time, zones));
                next.unwrap_or(account.zone.value)
            }
            None => match fields.map(|fields| fields.tz) {
                Some(mainstay_model::Field::Set(zone)) => self.zones.number(zone),
                Some(mainstay_model::Field::Keep | mainstay_model::Field::Erase) | None => {
                    Zones::DEFAULT
                }
            },
        }
    }

    fn remember(&mut self, hash: u64, event: &Event<'_>, watermark: Timestamp) {
        let business = !matches!(event.body, Body::Product { .. });
        let horizon_ms = match business {
            true => self.terms.settings.dedupe_business_ms,
            false => self.terms.settings.dedupe_product_ms,
        };
        let until_s = Remembered::until(event.time.max(watermark).plus_ms(horizon_ms));
        let new = Remembered {
            hash,
            digest: event.digest,
            until_s,
        };
        self.dedup.remember(new, watermark);
        self.changelog.remember(new, business);
    }

    fn add_account(&mut self, id: &str, zone: ZoneNo, over: Day) -> AccountNo {
        let no = self.accounts.len() as AccountNo;
        self.accounts
            .push(Some(Box::new(Account::new(id, zone, over))));
        self.put_in_index(no);
        no
    }

    pub(crate) fn put_in_index(&mut self, no: AccountNo) {
        let accounts = &self.accounts;
        let id = |no: &AccountNo| {
            accounts[*no as usize]
                .as_ref()
                .map_or("", |account| &*account.id)
        };
        let hash = |no: &AccountNo| xxh3_64(id(no).as_bytes());
        self.index.insert_unique(hash(&no), no, hash);
    }

    fn find(&self, id: &str) -> Option<AccountNo> {
        let same = |no: &AccountNo| {
            self.accounts[*no as usize]
                .as_ref()
                .is_some_and(|account| &*account.id == id)
        };
        self.index.find(xxh3_64(id.as_bytes()), same).copied()
    }

    /// Whether the shard has seen an account.
    #[must_use]
    pub fn knows(&self, account: &str) -> bool {
        self.find(account).is_some()
    }

    /// Moves stream time to the wall clock, never back; every source has to be idle.
    pub fn tick(&mut self, to: Timestamp) {
        if self.time.is_idle() {
            self.time.tick(to);
            self.time_moved();
        }
    }

    /// A source has been silent long enough not to hold time back, or speaks again.
    pub fn set_idle(&mut self, source: usize, idle: bool) {
        self.time.set_idle(source, idle);
        self.time_moved();
        // A shard without anybody has no time that could close a day, and holds nobody up.
        if self.accounts.is_empty() && self.time.is_idle() {
            self.all_closed();
        }
    }

    fn time_moved(&mut self) {
        self.live.time_moved(self.time.now(), &self.zones);
        if self.zones.advance(self.watermark()) {
            match self.sweep.walking {
                true => self.sweep.again = true,
                false => {
                    self.sweep = Sweep {
                        walking: true,
                        again: false,
                        at: 0,
                    }
                }
            }
        }
    }

    /// The stream time of the shard: the newest event time that its values count.
    #[must_use]
    pub fn stream_time(&self) -> Timestamp {
        self.time.now()
    }

    /// The stream time of one source.
    #[must_use]
    pub fn source_time(&self, source: usize) -> Timestamp {
        self.time.of(source)
    }

    /// Stream time less lateness: days that end by it are closed.
    #[must_use]
    pub fn watermark(&self) -> Timestamp {
        self.time.now().minus_ms(self.terms.settings.lateness_ms)
    }

    /// When, and why, time alone would change something. `None`: never, nobody is there.
    #[must_use]
    pub fn due(&self) -> Option<Due> {
        match (self.has_work(), self.accounts.is_empty()) {
            (true, _) => Some(Due::Now),
            (false, true) => None,
            (false, false) => {
                let at = self
                    .zones
                    .next_end()
                    .plus_ms(self.terms.settings.lateness_ms);
                let planned = self.due.first().map(|(at, _)| *at);
                match planned.filter(|planned| *planned < at) {
                    Some(planned) => Some(Due::RevenueMoves(planned)),
                    None => Some(Due::DayCloses(at)),
                }
            }
        }
    }

    /// Does one bounded step of what time made due, and says whether there is more.
    pub fn work(&mut self, out: &mut dyn Outputs) -> bool {
        self.note_new_days();
        let mut left = STEP;
        while let Some(no) = self.next_due().filter(|_| left > 0) {
            self.due.pop_first();
            self.pass_revenue(no, self.time.now(), out);
            left -= 1;
        }
        while self.sweep.walking && left > 0 {
            match self.accounts.get(self.sweep.at) {
                Some(Some(_)) => match self.close_next(self.sweep.at as AccountNo, None, out) {
                    true => left -= 1,
                    false => self.sweep.at += 1,
                },
                Some(None) => self.sweep.at += 1,
                None => {
                    self.sweep.walking = std::mem::take(&mut self.sweep.again);
                    self.sweep.at = 0;
                    self.all_closed();
                }
            }
        }
        left /= GROUP_DAY;
        while left > 0 && self.work_on_groups(out) {
            left -= 1;
        }
        self.has_work()
    }

    fn has_work(&self) -> bool {
        self.sweep.walking
            || self.next_due().is_some()
            || self.live.has_work()
            || self.groups.has_news()
            || self.rollup.has_news()
    }

    /// Every account has closed the days that are over.
    fn all_closed(&mut self) {
        let accounts = self.accounts.iter().flatten();
        let closed = accounts.map(|account| account.closed).min();
        let kept = self.terms.settings.correction_days + SESSION_DAYS;
        self.groups.all_closed(closed, kept);
    }

    /// Hands on one thing for groups, or tells one.
    fn work_on_groups(&mut self, out: &mut dyn Outputs) -> bool {
        if let Some(said) = self.groups.next() {
            let columns = self.terms.columns();
            let (key, value) = rollup::encode(&said, self.place.number, columns);
            let to = match &said {
                Said::Part(name, _) | Said::Gone(name) => Some((&*name.dimension, &*name.segment)),
                Said::Cohorts(..) | Said::CohortsGone(_) => Some(COHORTS),
                Said::Mark(_) => None,
            };
            pieces::hand_on(out, to, &key, value.as_deref(), pieces::MOST);
            return true;
        }
        let news = self.rollup.has_news();
        if news {
            self.rollup.work(&self.terms, out);
        }
        news
    }

    /// Takes in what a shard said of a group, by [`Outputs::part`].
    ///
    /// # Errors
    /// When it is nothing that this release says.
    pub fn take_part(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), BrokenState> {
        let Some((key, value)) = self.arrived.take(key, value)? else {
            return Ok(());
        };
        let value = value.as_deref();
        if live_groups::is_live(key) {
            return Ok(self.live.groups.take(key, value, false)?);
        }
        Ok(self.rollup.take(key, value, false, self.terms.columns())?)
    }

    /// Closes every day of an account that is over.
    fn catch_up(&mut self, no: AccountNo, out: &mut dyn Outputs) {
        while self.close_next(no, None, out) {}
    }

    /// Input has ended: closes for every account the day of `last` and tells what is left to be corrected.
    pub fn run_on(&mut self, last: Timestamp, out: &mut dyn Outputs) {
        for no in 0..self.accounts.len() as AccountNo {
            let Some(account) = &self.accounts[no as usize] else {
                continue;
            };
            let to = self.zones.day_of(account.zone.value, last);
            while self.close_next(no, Some(to), out) {}
            self.pass_revenue(no, self.time.now(), out);
            self.tell_corrections(no, out);
        }
        self.all_closed();
        self.groups.say_all();
        while self.work_on_groups(out) {}
    }

    /// Every part of every shard was handed over: tells all groups.
    pub fn tell_groups(&mut self, out: &mut dyn Outputs) {
        self.rollup.tell_all();
        while self.work_on_groups(out) {}
        self.tell_live_groups(&Beat::LAST, out);
    }

    /// Closes the next day of an account, if it is over. Says whether it was.
    fn close_next(&mut self, no: AccountNo, to: Option<Day>, out: &mut dyn Outputs) -> bool {
        let Some(account) = &mut self.accounts[no as usize] else {
            return false;
        };
        let over = to.unwrap_or_else(|| self.zones.over(account.zone.value));
        let begins = match account.is_forgotten() {
            true => over,
            false => account.lifecycle.first.minus(1),
        };
        account.skip_to(over.min(begins));
        if account.closed >= over {
            return false;
        }
        let end = account
            .revenue
            .as_ref()
            .map(|one| one.end_of(account.closed.plus(1)));
        if let Some(end) = end {
            // Where input has ended a day is closed that time has not passed.
            self.pass_revenue(no, self.time.now().max(end.minus_ms(1)), out);
        }
        self.tell_corrections(no, out);
        let account = self.accounts[no as usize]
            .as_mut()
            .expect("it was there above");
        let day = account.close(&self.terms);
        if let Some(reading) = Reading::of(account, day, &self.terms, &self.zones) {
            if let Some(values) = reading.told(day, &self.terms) {
                tell(account, day, &values, &[], &self.terms, &self.zones, out);
            }
            self.groups.add(day, &reading, &self.terms);
        }
        let changes = Changes::of(account, day, &self.terms);
        self.groups.cohorts.add(day, &changes);
        out.day_closed(&Look::new(account, &self.terms, &self.zones));
        // Once: what happens to it later is kept like that of any other, and told if it comes back.
        if account.deleted_for() == Some(KEPT_DAYS + 1) {
            let next = account.revenue.as_ref().and_then(|revenue| revenue.next());
            if let Some(next) = next {
                self.due.remove(&(next, no));
            }
            self.changelog.forget(no, account);
        }
        self.mark(no);
        true
    }

    /// Tells closed days again whose values are no longer what was told.
    fn tell_corrections(&mut self, no: AccountNo, out: &mut dyn Outputs) {
        let Some(account) = &mut self.accounts[no as usize] else {
            return;
        };
        if account.pending.is_empty() {
            return;
        }
        for (day, pending) in std::mem::take(&mut account.pending) {
            if pending.written {
                account.unsaved.settled.push(day);
            }
            let terms = &self.terms;
            let changes = Changes::of(account, day, terms);
            if changes != pending.cohorts {
                self.groups.cohorts.subtract(day, &pending.cohorts);
                self.groups.cohorts.add(day, &changes);
            }
            let old = pending.old.map(|old| Reading::unpack(&mut Unpacker(&old)));
            let old = old.map(|old| old.expect("what was put aside can be read"));
            let new = Reading::of(account, day, terms, &self.zones);
            if old == new {
                continue;
            }
            let values = |reading: &Reading| reading.told(day, terms);
            let (was, is) = (old.as_ref().and_then(values), new.as_ref().and_then(values));
            match (was, is) {
                (was, Some(is)) if was.as_ref() == Some(&is) => {}
                (was, Some(is)) => {
                    let corrects = corrected(&was.unwrap_or_default(), &is);
                    tell(account, day, &is, &corrects, terms, &self.zones, out);
                }
                (Some(_), None) => tell(account, day, &[], &[], terms, &self.zones, out),
                (None, None) => {}
            }
            old.iter()
                .for_each(|old| self.groups.subtract(day, old, terms));
            new.iter().for_each(|new| self.groups.add(day, new, terms));
        }
        self.changelog.touch(no, account);
    }

    /// Tells the live values of accounts that have changed, the oldest change first.
    ///
    /// `pace` is asked for each account, by its number and id. `partial` and `stale` go into the records.
    /// While an input has never spoken there is no stream time, and nothing is told: as of when?
    pub fn tell_changed(
        &mut self,
        pace: &mut dyn FnMut(u32, &str) -> Pace,
        (partial, stale): (bool, bool),
        out: &mut dyn Outputs,
    ) {
        if self.time.now() == Timestamp::MIN {
            return;
        }
        for _ in 0..self.changed.len() {
            let Some(no) = self.changed.pop_front() else {
                return;
            };
            let Some(account) = &mut self.accounts[no as usize] else {
                continue;
            };
            match pace(no, &account.id) {
                Pace::Now => {
                    account.changed = false;
                    let now = self.time.now();
                    let day = self.zones.day_of(account.zone.value, now);
                    let reading = Reading::now(account, (day, now), &self.terms, &self.zones);
                    let told = reading.as_ref();
                    if let Some(values) = told.and_then(|told| told.told(day, &self.terms)) {
                        out.account_metrics(&AccountMetrics {
                            account: &account.id,
                            as_of: now,
                            partial,
                            data_stale: stale,
                            values: &values,
                        });
                    }
                    self.live.says(no, day, reading, &self.terms);
                }
                Pace::Later => self.changed.push_back(no),
                Pace::Stop => return self.changed.push_front(no),
            }
        }
    }

    /// The parts that an account gives to a metric on a day, if it is known on that day.
    #[cfg(test)]
    pub(crate) fn parts_of(
        &self,
        account: &str,
        metric: &crate::metrics::Metric,
        day: mainstay_model::Day,
    ) -> Option<mainstay_model::Parts> {
        let account = self.accounts[self.find(account)? as usize].as_ref()?;
        let view = crate::view::View::new(account, &self.terms, &self.zones, day);
        let known = account.lifecycle.is_known_on(day);
        known.then(|| metric.read(&view, None))
    }

    /// What people call an account.
    #[must_use]
    pub fn name_of(&self, account: &str) -> Option<&str> {
        let account = self.accounts[self.find(account)? as usize].as_ref()?;
        account.name.value.as_deref()
    }

    /// Whether every source is silent.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.time.is_idle()
    }

    /// How much the shard holds. Walks over all accounts: not for every record.
    #[must_use]
    pub fn size(&self) -> Size {
        let accounts = self.accounts.iter().flatten();
        accounts.fold(
            Size {
                ids: self.dedup.len(),
                crowded: self.groups.crowded(),
                days_behind: self
                    .rollup
                    .days_behind(self.place.number, self.terms.columns()),
                bytes: self.dedup.bytes() + self.live.bytes(),
                ..Size::default()
            },
            |size, account| Size {
                accounts: size.accounts + 1,
                users: size.users + account.users.len(),
                bytes: size.bytes
                    + size_of::<Account>()
                    + account.users.bytes()
                    + account.totals.bytes()
                    + account.invoices.as_ref().map_or(0, |one| one.bytes())
                    + account
                        .revenue
                        .as_ref()
                        .map_or(0, |revenue| revenue.bytes()),
                ..size
            },
        )
    }

    /// Everything was restored: time goes on from where it was, and every account is told once.
    pub(crate) fn go_on(&mut self) {
        self.time_moved();
        self.sweep = Sweep {
            walking: true,
            again: false,
            at: 0,
        };
        for no in 0..self.accounts.len() as AccountNo {
            if let Some(account) = &mut self.accounts[no as usize] {
                account.changed = true;
                self.changed.push_back(no);
            }
        }
        self.live.restored(self.changed.len());
    }
}

fn tell(
    account: &mut Account,
    day: Day,
    values: &[mainstay_model::Value],
    corrects: &[Corrected],
    terms: &Terms,
    zones: &Zones,
    out: &mut dyn Outputs,
) {
    let end = zones.zone(account.zone.value).end_of(day);
    let revision = account.told(day);
    out.account_daily(&AccountDaily {
        account: &account.id,
        date: day,
        revision,
        as_of: end.plus_ms(terms.settings.lateness_ms),
        values,
        corrects,
    });
}

fn future_time(time: Timestamp, arrival: Timestamp) -> Rejection {
    let message = format!("{time} is too far after the record's arrival at {arrival}");
    Rejection::new(Code::FutureTime, "time", message)
}

fn too_late(day: Day, over: Day, correction_days: i32) -> Rejection {
    let message = format!(
        "{day} can no longer be corrected: it lies more than {correction_days} days before {over}, the \
         newest closed day"
    );
    Rejection::new(Code::TooLate, "time", message)
}

fn conflict(id: &str) -> Rejection {
    let message = format!("an event with the id `{id}` and another body was applied before");
    Rejection::new(Code::Conflict, "id", message)
}
