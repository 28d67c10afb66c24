//! One account: its facts, and what an event does to them.
//!
//! Whatever an event changes, it changes no value of a day before its own, or before that of the earliest
//! session it touches. Days from there to the newest closed one get their old values put aside first, so
//! that a correction can say what it corrects.

use std::collections::BTreeMap;

use mainstay_model::{AccountFields, Body, Day, Event, Field, Timestamp, Value};

use crate::facts::early::{Early, Happening, Used, What};

use crate::facts::lifecycle::Lifecycle;
use crate::facts::membership::Membership;
use crate::facts::sessions::{self, Joined};
use crate::facts::totals::{Total, Totals};
use crate::facts::users::{Counts, User, UserNo, Users};
use crate::metrics;
use crate::settings::Settings;
use crate::view::View;
use crate::zones::{ZoneNo, Zones};

/// How many days before the newest closed one any question can reach: corrections, a session that began
/// before them, and the longest look-back of a metric.
pub(crate) const KEPT_DAYS: i32 = 35 + 5 + 60;

/// Of a longer name only this many characters are kept: it is a label, and no record may grow without bound.
const LONGEST_NAME: usize = 256;

/// An account and everything that is known of it.
pub(crate) struct Account {
    pub(crate) id: Box<str>,
    pub(crate) name: Dated<Option<Box<str>>>,
    pub(crate) zone: Dated<ZoneNo>,
    /// The newest day that is over: its values were told, unless the account was not known yet.
    pub(crate) closed: Day,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) totals: Totals,
    pub(crate) users: Users,
    pub(crate) membership: Membership,
    /// Closed days whose values may have changed since they were told.
    pub(crate) pending: BTreeMap<Day, Pending>,
    /// What happened before the account's zone was told.
    pub(crate) early: Early,
    /// Live values have changed since they were told.
    pub(crate) changed: bool,
    pub(crate) unsaved: Unsaved,
}

/// A field that the newest event decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dated<T> {
    pub(crate) value: T,
    pub(crate) at: Timestamp,
}

/// A closed day that may have to be told again.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pending {
    /// What was told; `None` when the account was not known on that day.
    pub(crate) old: Option<Vec<Value>>,
    pub(crate) written: bool,
}

/// Which records of an account have to be written to the changelog.
#[derive(Debug, Default)]
pub(crate) struct Unsaved {
    /// The account stands in the engine's list of unsaved ones.
    pub(crate) listed: bool,
    pub(crate) account: bool,
    /// The account's record is in the changelog.
    pub(crate) written: bool,
    pub(crate) users: Vec<UserNo>,
    pub(crate) days: Vec<Day>,
    pub(crate) pending: Vec<Day>,
    /// Days whose row, or whose pending correction, is to be removed from the changelog.
    pub(crate) forgotten_days: Vec<Day>,
    pub(crate) settled: Vec<Day>,
}

/// What an account needs to know of the world to take an event in.
pub(crate) struct Surroundings<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) zones: &'a mut Zones,
}

impl<T: PartialEq> Dated<T> {
    /// Takes a value that held from `at`, unless a newer one is known. Says whether it did.
    fn set(&mut self, value: T, at: Timestamp) -> bool {
        let newer = at >= self.at;
        if newer {
            (self.value, self.at) = (value, at);
        }
        newer
    }
}

impl Account {
    /// An account of which nothing has happened yet.
    pub(crate) fn new(id: &str, zone: ZoneNo, closed: Day) -> Account {
        Account {
            id: id.into(),
            name: Dated {
                value: None,
                at: Timestamp::MIN,
            },
            zone: Dated {
                value: zone,
                at: Timestamp::MIN,
            },
            closed,
            lifecycle: Lifecycle::new(User::NEVER),
            totals: Totals::default(),
            users: Users::default(),
            membership: Membership::default(),
            pending: BTreeMap::new(),
            early: Early::default(),
            changed: false,
            unsaved: Unsaved::default(),
        }
    }

    /// Takes in an event of the day `day`.
    pub(crate) fn apply(&mut self, event: &Event<'_>, day: Day, around: &mut Surroundings<'_>) {
        let at = event.time;
        let what = What::of(&event.body, around.settings);
        let user = event.user.as_deref().filter(|_| what.has_user());
        let user = user.map(|id| self.users.find_or_add(id));
        if let Body::AccountCreated(fields) | Body::AccountUpdated(fields) = &event.body {
            self.fields(fields, at, around);
        }
        self.happened(what, user, at, day, around);
        self.early.keep(Happening { what, user, at });
    }

    fn happened(
        &mut self,
        what: What,
        user: Option<UserNo>,
        at: Timestamp,
        day: Day,
        around: &mut Surroundings<'_>,
    ) {
        if let What::Used(used) = what {
            return self.product(user, used, at, day, around);
        }
        self.put_aside(day, around.settings);
        self.saw(day);
        match (what, user) {
            (What::SignedUp, Some(user)) => self.signed_up(user, at, day),
            (What::Removed, Some(user)) => self.user_removed(user, at, day, around),
            (What::Created, _) => self.lifecycle.create(at, day),
            (What::Deleted, _) => self.lifecycle.delete(at, day),
            (What::SignedUp | What::Removed, None) | (What::Other | What::Used(_), _) => {}
        }
        self.unsaved.account = true;
    }

    fn product(
        &mut self,
        user: Option<UserNo>,
        used: Used,
        at: Timestamp,
        day: Day,
        around: &mut Surroundings<'_>,
    ) {
        let settings = around.settings;
        let in_session = user.filter(|_| used.in_session);
        let joined = in_session.map(|user| self.join(user, used.duration_ms, at, day, around));
        let from = joined
            .as_ref()
            .map_or(day, |joined| joined.earliest().min(day));
        self.put_aside(from, settings);
        self.saw(day);
        if self.lifecycle.first_product.is_none_or(|first| day < first) {
            self.lifecycle.saw_product(day);
            self.unsaved.account = true;
        }
        if used.qualifies {
            self.add(day, |row| row.events += 1);
        }
        let Some(user) = user else { return };
        self.seen(user, day);
        if used.qualifies || used.key_action {
            self.count(user, day, used, settings);
        }
        if let Some(joined) = joined {
            self.put_sessions(user, &joined);
        }
        self.list(user);
    }

    /// What the event does to the user's sessions, changing nothing yet.
    fn join(
        &self,
        user: UserNo,
        duration_ms: i64,
        at: Timestamp,
        day: Day,
        around: &mut Surroundings<'_>,
    ) -> Joined {
        let (gap, zone) = (around.settings.session_gap_ms, self.zone.value);
        let user = self.users.get(user);
        let newest = user.session();
        sessions::join_newest(newest, at, duration_ms, gap, day).unwrap_or_else(|| {
            let day_of = |at| around.zones.day_of(zone, at);
            sessions::join_any(&user.sessions(), at, duration_ms, gap, day_of)
        })
    }

    fn put_sessions(&mut self, user: UserNo, joined: &Joined) {
        let mut less = |session: &sessions::Session, sign: i64| {
            let duration = session.duration_ms() * sign;
            self.add(session.day, |row| {
                row.sessions = row.sessions.wrapping_add_signed(sign);
                row.session_ms += duration;
            });
        };
        match joined {
            Joined::Extended(session) => {
                let before = *self
                    .users
                    .get(user)
                    .session()
                    .expect("there was one to extend");
                let longer = session.duration_ms() - before.duration_ms();
                if longer != 0 {
                    self.add(session.day, |row| row.session_ms += longer);
                }
            }
            Joined::Begun(session) => less(session, 1),
            Joined::Rebuilt { removed, added } => {
                removed.iter().for_each(|session| less(session, -1));
                added.iter().for_each(|session| less(session, 1));
            }
        }
        self.users.get_mut(user).put_sessions(joined);
    }

    /// The user's records may have to be written.
    fn list(&mut self, no: UserNo) {
        let user = self.users.get_mut(no);
        if !std::mem::replace(&mut user.listed, true) {
            self.unsaved.users.push(no);
        }
    }

    fn seen(&mut self, user: UserNo, day: Day) {
        let user = self.users.get_mut(user);
        if day < user.known_from {
            user.known_from = day;
            user.past_dirty = true;
        }
    }

    fn count(&mut self, no: UserNo, day: Day, used: Used, settings: &Settings) {
        let (events, key_actions) = (u32::from(used.qualifies), u32::from(used.key_action));
        let user = self.users.get_mut(no);
        let events_of_day = user.count(Counts {
            day,
            events,
            key_actions,
        });
        if used.qualifies && events_of_day >= settings.active_min_events {
            let just_enough = events_of_day == settings.active_min_events;
            if user.set_active(day).unwrap_or(just_enough) {
                self.add(day, |row| row.active_users += 1);
            }
        }
        if used.key_action {
            self.add(day, |row| row.key_actions += 1);
        }
    }

    fn signed_up(&mut self, no: UserNo, at: Timestamp, day: Day) {
        self.seen(no, day);
        let user = self.users.get_mut(no);
        // A first sign-up is the user's own; only a further one, or one after a removal, is a turn.
        if user.signed_up != User::NOT_SIGNED_UP || self.membership.has_turns(no) {
            self.membership.signed_up(no, at, day);
        }
        user.signed_up = user.signed_up.min(at);
        user.past_dirty = true;
        self.list(no);
    }

    fn user_removed(&mut self, no: UserNo, at: Timestamp, day: Day, around: &mut Surroundings<'_>) {
        let user = self.users.get_mut(no);
        user.past_dirty = true;
        if user.signed_up != User::NOT_SIGNED_UP {
            let day = around.zones.day_of(self.zone.value, user.signed_up);
            self.membership.signed_up(no, user.signed_up, day);
        }
        self.membership.removed(no, at, day);
        self.list(no);
    }

    fn fields(&mut self, fields: &AccountFields<'_>, at: Timestamp, around: &mut Surroundings<'_>) {
        match &fields.name {
            Field::Keep => {}
            Field::Erase => _ = self.name.set(None, at),
            Field::Set(name) => {
                let name: String = name.chars().take(LONGEST_NAME).collect();
                self.name.set(Some(name.into()), at);
            }
        }
        if let Some(zone) = self.zone_after(fields, at, around.zones) {
            self.begin_anew_in(zone, around);
            self.zone.set(zone, at);
        }
    }

    /// The account's first zone is told: what is known so far is put on the days of that zone, as if the
    /// zone had been known from the beginning.
    fn begin_anew_in(&mut self, zone: ZoneNo, around: &mut Surroundings<'_>) {
        let Some(early) = self.early.end() else {
            return;
        };
        if zone == self.zone.value {
            return;
        }
        let mut anew = Account::new(&self.id, zone, around.zones.over(zone));
        std::mem::swap(self, &mut anew);
        let old = anew;
        (self.name, self.early, self.changed) = (old.name, old.early, old.changed);
        self.users = old.users;
        self.users.begin_anew();
        self.unsaved = old.unsaved;
        self.unsaved.account = true;
        (self.unsaved.days, self.unsaved.pending) = (Vec::new(), Vec::new());
        for Happening { what, user, at } in early {
            let day = around.zones.day_of(zone, at);
            self.happened(what, user, at, day, around);
        }
        for day in old.totals.written() {
            match self.totals.row_if_there(day) {
                Some(row) => row.written = true,
                None => self.unsaved.forgotten_days.push(day),
            }
        }
        for (day, _) in old.pending.iter().filter(|(_, pending)| pending.written) {
            match self.pending.get_mut(day) {
                Some(pending) => pending.written = true,
                None => self.unsaved.settled.push(*day),
            }
        }
    }

    /// The zone that an event puts the account in, if it does.
    pub(crate) fn zone_after(
        &self,
        fields: &AccountFields<'_>,
        at: Timestamp,
        zones: &mut Zones,
    ) -> Option<ZoneNo> {
        if at < self.zone.at {
            return None;
        }
        match fields.tz {
            Field::Keep => None,
            Field::Erase => Some(Zones::DEFAULT),
            Field::Set(zone) => Some(zones.number(zone)),
        }
    }

    fn saw(&mut self, day: Day) {
        if day < self.lifecycle.first {
            self.lifecycle.saw(day);
            self.unsaved.account = true;
        }
    }

    fn add(&mut self, day: Day, change: impl FnOnce(&mut Total)) {
        let oldest = self.oldest_kept();
        if let Some(row) = self.totals.row_mut(day, oldest) {
            change(row);
            if !std::mem::replace(&mut row.dirty, true) {
                self.unsaved.days.push(day);
            }
        }
    }

    /// The oldest day that anything is kept of.
    fn oldest_kept(&self) -> Day {
        self.closed.minus(KEPT_DAYS)
    }

    /// Keeps the values of closed days from `from` on, before something changes them.
    fn put_aside(&mut self, from: Day, settings: &Settings) {
        let mut day = from.max(self.oldest_kept());
        while day <= self.closed {
            if !self.pending.contains_key(&day) {
                let old = self.values(day, settings);
                self.pending.insert(
                    day,
                    Pending {
                        old,
                        written: false,
                    },
                );
                self.unsaved.pending.push(day);
            }
            day = day.plus(1);
        }
    }

    /// The final values of a day as they are now; `None` when the account is not known on that day.
    pub(crate) fn values(&self, day: Day, settings: &Settings) -> Option<Vec<Value>> {
        let known = self.lifecycle.is_known_on(day);
        known.then(|| metrics::tell_all(&View::new(self, settings, day)))
    }

    /// Ends the day after the newest closed one and forgets what can no longer be asked for.
    pub(crate) fn close(&mut self) -> Day {
        self.closed = self.closed.plus(1);
        let oldest = self.oldest_kept();
        let forgotten = &mut self.unsaved.forgotten_days;
        self.totals.forget_before(oldest, |day| forgotten.push(day));
        self.lifecycle.forget_before(oldest);
        if !self.membership.is_empty() {
            self.membership.forget_before(oldest);
        }
        self.forget_past_of_some(oldest);
        self.unsaved.account = true;
        self.closed
    }

    /// The final values of a day are told: says as which revision.
    pub(crate) fn told(&mut self, day: Day) -> u32 {
        self.early.end();
        let mut revision = 0;
        self.add(day, |row| {
            revision = row.told;
            row.told += 1;
        });
        revision
    }

    /// Days before the first event are over without a record.
    pub(crate) fn skip_to(&mut self, day: Day) {
        if day > self.closed {
            self.closed = day;
            self.unsaved.account = true;
        }
    }

    /// How many days ago the account was deleted, if it was and did not come back.
    pub(crate) fn deleted_for(&self) -> Option<i32> {
        let deleted = self.lifecycle.deleted_on();
        deleted.map(|deleted| self.closed.since(deleted))
    }

    /// Whether nothing is kept of a deleted account but that it was.
    pub(crate) fn is_forgotten(&self) -> bool {
        self.users.len() == 0 && self.deleted_for().is_some_and(|days| days > KEPT_DAYS)
    }

    /// Forgets all but that the account was there, and when.
    pub(crate) fn forget(&mut self) {
        self.name.value = None;
        self.totals = Totals::default();
        self.users = Users::default();
        self.membership = Membership::default();
        self.pending.clear();
        self.early.end();
        let unsaved = &mut self.unsaved;
        unsaved.users.clear();
        unsaved.days.clear();
        unsaved.pending.clear();
        unsaved.forgotten_days.clear();
        unsaved.settled.clear();
        unsaved.account = true;
    }

    /// A sixteenth of the users a day, so that a large account is not walked through at once.
    fn forget_past_of_some(&mut self, oldest: Day) {
        let part = self.closed.0.rem_euclid(16) as u32;
        for no in (part..self.users.len() as u32).step_by(16) {
            let user = self.users.get_mut(no);
            if user.oldest_day().is_some_and(|day| day < oldest) {
                user.forget_before(oldest);
                self.list(no);
            }
        }
    }
}

impl Joined {
    /// The earliest day whose sessions change.
    fn earliest(&self) -> Day {
        match self {
            Joined::Extended(session) | Joined::Begun(session) => session.day,
            Joined::Rebuilt { removed, added } => {
                let days = removed.iter().chain(added).map(|session| session.day);
                days.min().unwrap_or(User::NEVER)
            }
        }
    }
}
