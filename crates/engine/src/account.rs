//! One account: its facts, and what an event does to them.
//!
//! Whatever an event changes, it changes no value of a day before its own, or before that of the earliest
//! session it touches. Days from there to the newest closed one get their old values put aside first, so
//! that a correction can say what it corrects.

use std::collections::BTreeMap;

use mainstay_model::Timestamp;
use mainstay_model::{AccountFields, Actor, Body, Day, Event, Field, Payment, Subscription};

use crate::cohorts::Changes;
use crate::facts::early::{Early, Happening, Used, What};
use crate::facts::firsts::{Deed, Firsts};
use crate::facts::history::History;
use crate::facts::invoices::{Happened, Invoices};
use crate::facts::lifecycle::Lifecycle;
use crate::facts::membership::Membership;
use crate::facts::past::{Ages, Counts};
use crate::facts::sessions::{self, Joined};
use crate::facts::totals::{Total, Totals};
use crate::facts::users::{User, UserNo, Users};
use crate::ledger::Exact;
use crate::pack::Packer;
use crate::reading::Reading;
use crate::revenue::Revenue;
use crate::terms::{Terms, TraitNo};
use crate::zones::{ZoneNo, Zones};

/// How many days before the newest closed one any question can reach: corrections, a session that began
/// before them, and the longest look-back of a metric.
pub(crate) const KEPT_DAYS: i32 = 35 + 5 + 60;

/// Sessions are looked at one by one for a week before a day that can be corrected, and none that an event changes
/// began as long before it.
const KEPT_DAYS_OF_SESSIONS: i32 = 35 + 7 + 1;

/// How many sessions a user had, and for how long, is shown for a month before such a day.
const KEPT_DAYS_OF_SETTLED: i32 = 35 + 30 + 1;

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
    /// How many users the account has bought.
    pub(crate) seats: History<u32>,
    /// The traits by which groups are made, by their numbers.
    pub(crate) traits: Vec<(TraitNo, History<Box<str>>)>,
    /// The steps of onboarding, by any user.
    pub(crate) onboarding: Firsts,
    /// When the contract is up for renewal.
    pub(crate) renewal: History<Timestamp>,
    /// Recurring revenue, once something was billed.
    pub(crate) revenue: Option<Box<Revenue>>,
    /// What became of invoices, once there was one.
    pub(crate) invoices: Option<Box<Invoices>>,
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
    /// The packed reading that was told; `None` when the account was not known on that day.
    pub(crate) old: Option<Box<[u8]>>,
    /// What the account changed in cohorts on that day.
    pub(crate) cohorts: Changes,
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
    pub(crate) terms: &'a Terms,
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
            seats: History::default(),
            traits: Vec::new(),
            onboarding: Firsts::default(),
            renewal: History::default(),
            revenue: None,
            invoices: None,
            pending: BTreeMap::new(),
            early: Early::default(),
            changed: false,
            unsaved: Unsaved::default(),
        }
    }

    /// Takes in an event of the day `day`.
    pub(crate) fn apply(&mut self, event: &Event<'_>, day: Day, around: &mut Surroundings<'_>) {
        let at = event.time;
        let what = What::of(&event.body, around.terms);
        let user = event.user.as_deref().filter(|_| what.has_user());
        let user = user.map(|id| self.users.find_or_add(id));
        let fields = event.body.account_fields();
        if let Some(fields) = fields {
            self.name_and_zone(fields, at, around);
        }
        if let Body::Subscription(told) = &event.body {
            self.bill(event, told, day, around);
        }
        self.happened(what, user, at, day, around);
        // After the days that this may change were put aside.
        if let Some(fields) = fields {
            self.seats_and_traits(fields, at, day, around.terms);
        }
        if let Body::Payment(payment) = &event.body {
            self.pay(payment, at, day, around.terms);
        }
        self.early.keep(Happening { what, user, at });
    }

    fn pay(&mut self, payment: &Payment<'_>, at: Timestamp, day: Day, terms: &Terms) {
        let rates = &terms.settings.revenue.rates;
        let amount = Exact::whole(payment.amount_minor);
        self.invoices.get_or_insert_default().take(&Happened {
            outcome: payment.outcome,
            invoice: payment.invoice.as_str(),
            amount: rates.convert(&amount, payment.currency, day),
            recurring: payment.recurring,
            at,
            day,
        });
    }

    /// Takes in a state of a subscription that comes too late for its day: what it says is booked on the oldest day
    /// that can be corrected, and the account is known from then on.
    pub(crate) fn bill_late(
        &mut self,
        event: &Event<'_>,
        told: &Subscription<'_>,
        around: &mut Surroundings<'_>,
    ) {
        let day = self.oldest_open(around.terms);
        let zone = around.zones.zone(self.zone.value);
        let at = zone.end_of(day.minus(1));
        self.bill(event, told, day, around);
        self.happened(What::Other, None, at, day, around);
        self.early.keep(Happening {
            what: What::Other,
            user: None,
            at,
        });
    }

    /// Takes in a state of a subscription, after the days that it changes were put aside.
    fn bill(
        &mut self,
        event: &Event<'_>,
        told: &Subscription<'_>,
        day: Day,
        around: &Surroundings<'_>,
    ) {
        let open = self.oldest_open(around.terms);
        let zone = around.zones.zone(self.zone.value);
        let new = || Box::new(Revenue::new(zone));
        let revenue = self.revenue.get_or_insert_with(new);
        let Some((change, from)) = revenue.change(event, told, open, around.terms) else {
            return;
        };
        self.put_aside(from.map_or(day, |from| from.min(day)), around);
        if let Some(revenue) = &mut self.revenue {
            revenue.make(change);
        }
    }

    /// The oldest day that can be corrected.
    pub(crate) fn oldest_open(&self, terms: &Terms) -> Day {
        self.closed.minus(terms.settings.correction_days)
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
        self.put_aside(day, around);
        self.saw(at, day);
        match (what, user) {
            (What::SignedUp, Some(user)) => self.signed_up(user, at, day),
            (What::Removed, Some(user)) => self.user_removed(user, at, day),
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
        let (terms, meaning) = (around.terms, used.meaning);
        let in_session = user.filter(|_| meaning.in_session);
        let joined = in_session.map(|user| self.join(user, used.duration_ms, at, day, around));
        let from = joined
            .as_ref()
            .map_or(day, |joined| joined.earliest().min(day));
        self.put_aside(from, around);
        self.saw(at, day);
        if self.lifecycle.first_product.is_none_or(|first| day < first) {
            self.lifecycle.saw_product(day);
            self.unsaved.account = true;
        }
        if meaning.qualifies {
            let (api, agent) = actors(used.actor);
            self.add(day, |row| row.count(api, agent));
        }
        let Some(user) = user else { return };
        self.users
            .wake(user, at.minus_ms(terms.settings.session_gap_ms));
        self.users.get_mut(user).known_on(day);
        if meaning.qualifies || meaning.key_action || meaning.features != 0 {
            self.count(user, at, day, used, terms.settings.active_min_events);
        }
        self.firsts(user, used, at, day, terms);
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
        let (gap, zone) = (around.terms.settings.session_gap_ms, self.zone.value);
        let user = self.users.get(user);
        let newest = user.session();
        sessions::join_newest(newest.as_ref(), at, duration_ms, gap, day).unwrap_or_else(|| {
            let day_of = |at| around.zones.day_of(zone, at);
            sessions::join_any(&user.sessions(), at, duration_ms, gap, day_of)
        })
    }

    fn put_sessions(&mut self, user: UserNo, joined: &Joined) {
        let mut less = |session: &sessions::Session, sign: i32| {
            let duration = session.duration_ms() * i64::from(sign);
            self.add(session.day, |row| row.count_sessions(sign, duration));
        };
        match joined {
            Joined::Extended(session) => {
                let before = self
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
        let mut user = self.users.get_mut(no);
        if !std::mem::replace(&mut user.listed, true) {
            self.unsaved.users.push(no);
        }
    }

    fn count(&mut self, no: UserNo, at: Timestamp, day: Day, used: Used, min_events: u32) {
        let meaning = used.meaning;
        let (api, agent) = actors(used.actor);
        let mut user = self.users.get_mut(no);
        let mut more = Counts {
            events: u32::from(meaning.qualifies),
            api_events: u32::from(meaning.qualifies && api),
            agent_events: u32::from(meaning.qualifies && agent),
            key_actions: u32::from(meaning.key_action),
            features: meaning.features,
            ..Counts::none(day)
        };
        // Where one event is enough, each is the earliest of its day or comes after it.
        if meaning.qualifies && min_events > 1 {
            more.begin_at(at);
        }
        let of_day = user.count(more);
        if meaning.qualifies && of_day.events >= min_events {
            let just_enough = of_day.events == min_events;
            let first = of_day.begun_at().unwrap_or(at);
            if user.set_active(day, first).unwrap_or(just_enough) {
                self.add(day, |row| row.active_users += 1);
            }
        }
        if meaning.key_action {
            self.add(day, |row| row.count_key_actions(1));
        }
        if meaning.features != 0 {
            let duration_ms = used.duration_ms.unsigned_abs();
            self.add(day, |row| row.used(meaning.features, duration_ms));
        }
    }

    /// Keeps when the user, and the account, did something for the first time.
    fn firsts(&mut self, user: UserNo, used: Used, at: Timestamp, day: Day, terms: &Terms) {
        let mut user = self.users.get_mut(user);
        let mut features = used.meaning.features;
        while features != 0 {
            user.saw(Deed::Feature(features.trailing_zeros() as u8), at, day);
            features &= features - 1;
        }
        let Some(milestone) = used.meaning.milestone else {
            return;
        };
        let deed = Deed::Milestone(milestone);
        if terms.activation().contains(&milestone) {
            user.saw(deed, at, day);
        }
        if terms.onboarding().contains(&milestone) && self.onboarding.saw(deed, at, day) {
            self.unsaved.account = true;
        }
    }

    fn signed_up(&mut self, no: UserNo, at: Timestamp, day: Day) {
        let mut user = self.users.get_mut(no);
        user.known_on(day);
        // A first sign-up is the user's own; only a further one, or one after a removal, is a turn.
        if user.signed_up().is_some() || self.membership.has_turns(no) {
            self.membership.signed_up(no, at, day);
        }
        user.sign_up_at(at, day);
        self.list(no);
    }

    fn user_removed(&mut self, no: UserNo, at: Timestamp, day: Day) {
        let mut user = self.users.get_mut(no);
        user.past_dirty = true;
        if let Some((at, day)) = user.signed_up() {
            self.membership.signed_up(no, at, day);
        }
        self.membership.removed(no, at, day);
        self.list(no);
    }

    fn name_and_zone(
        &mut self,
        fields: &AccountFields<'_>,
        at: Timestamp,
        around: &mut Surroundings<'_>,
    ) {
        match &fields.name {
            Field::Keep => {}
            Field::Erase => _ = self.name.set(None, at),
            Field::Set(name) => _ = self.name.set(Some(shortened(name)), at),
        }
        if let Some(zone) = self.zone_after(fields, at, around.zones) {
            self.begin_anew_in(zone, around);
            if zone != self.zone.value {
                self.put_aside_for_zone(around);
                if let Some(revenue) = &mut self.revenue {
                    let from = self.closed.plus(1);
                    revenue.move_to(around.zones.zone(zone), from, around.terms);
                }
            }
            self.zone.set(zone, at);
        }
    }

    fn seats_and_traits(
        &mut self,
        fields: &AccountFields<'_>,
        at: Timestamp,
        day: Day,
        terms: &Terms,
    ) {
        match fields.seats {
            Field::Keep => {}
            Field::Erase => self.seats.set(None, at, day),
            Field::Set(seats) => self.seats.set(Some(seats), at, day),
        }
        match fields.renewal_at {
            Field::Keep => {}
            Field::Erase => self.renewal.set(None, at, day),
            Field::Set(renewal) => self.renewal.set(Some(renewal), at, day),
        }
        for (no, name) in terms.traits() {
            let value = match fields.named(name) {
                Field::Keep => continue,
                Field::Erase => None,
                Field::Set(value) => Some(shortened(value)),
            };
            let known = self.traits.iter().position(|(known, _)| *known == no);
            let place = known.unwrap_or_else(|| {
                self.traits.push((no, History::default()));
                self.traits.len() - 1
            });
            self.traits[place].1.set(value, at, day);
        }
        self.unsaved.account = true;
    }

    /// The value of a trait at the end of a day.
    pub(crate) fn value_of(&self, no: TraitNo, day: Day) -> Option<&str> {
        let mut traits = self.traits.iter();
        let (_, history) = traits.find(|(known, _)| *known == no)?;
        history.as_of(day).map(|value| &**value)
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
        (self.seats, self.traits) = (old.seats, old.traits);
        let histories = self.traits.iter_mut().map(|(_, history)| history);
        let mut day_of = |at| around.zones.day_of(zone, at);
        histories.for_each(|history| history.redate(&mut day_of));
        self.seats.redate(&mut day_of);
        (self.renewal, self.revenue, self.invoices) = (old.renewal, old.revenue, old.invoices);
        self.renewal.redate(&mut day_of);
        if let Some(invoices) = &mut self.invoices {
            invoices.redate(&mut day_of);
        }
        if let Some(revenue) = &mut self.revenue {
            revenue.begin_anew_in(around.zones.zone(zone), around.terms);
        }
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

    fn saw(&mut self, at: Timestamp, day: Day) {
        self.unsaved.account |= self.lifecycle.saw(at, day);
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

    /// A zone that changes moves the ends of days, by which it counts whether an account was created long enough
    /// ago.
    fn put_aside_for_zone(&mut self, around: &Surroundings<'_>) {
        const LONG_ENOUGH_DAYS: i32 = 3;
        let created = self.lifecycle.begun(self.closed);
        if created > self.closed.minus(LONG_ENOUGH_DAYS) {
            self.put_aside(created, around);
        }
    }

    /// Keeps the values of closed days from `from` on, before something changes them.
    fn put_aside(&mut self, from: Day, around: &Surroundings<'_>) {
        let mut day = from.max(self.oldest_kept());
        while day <= self.closed {
            if !self.pending.contains_key(&day) {
                let old = Reading::of(self, day, around.terms, around.zones);
                let old = old.map(|old| {
                    let mut bytes = Vec::new();
                    old.pack(&mut Packer(&mut bytes));
                    bytes.into()
                });
                self.pending.insert(
                    day,
                    Pending {
                        old,
                        cohorts: Changes::of(self, day, around.terms),
                        written: false,
                    },
                );
                self.unsaved.pending.push(day);
            }
            day = day.plus(1);
        }
    }

    /// Ends the day after the newest closed one and forgets what can no longer be asked for.
    pub(crate) fn close(&mut self, terms: &Terms) -> Day {
        self.closed = self.closed.plus(1);
        let oldest = self.oldest_kept();
        let forgotten = &mut self.unsaved.forgotten_days;
        self.totals.forget_before(oldest, |day| forgotten.push(day));
        self.lifecycle.forget_before(oldest);
        self.seats.forget_before(oldest);
        self.renewal.forget_before(oldest);
        let open = self.oldest_open(terms);
        if let Some(revenue) = &mut self.revenue {
            revenue.forget_before(open);
        }
        if let Some(invoices) = &mut self.invoices {
            invoices.forget_before(oldest);
        }
        for (no, history) in &mut self.traits {
            match *no {
                // Whoever comes back after years is still of the cohort of the plan at sign-up.
                Terms::PLAN => history.forget_repeats_before(oldest),
                _ => history.forget_before(oldest),
            }
        }
        if !self.membership.is_empty() {
            self.membership.forget_before(oldest);
        }
        self.users.rest(self.closed);
        let min_events = terms.settings.active_min_events;
        self.age_some(
            min_events,
            Ages {
                sessions: self.closed.minus(KEPT_DAYS_OF_SESSIONS),
                settled: self.closed.minus(KEPT_DAYS_OF_SETTLED),
                oldest,
            },
        );
        self.unsaved.account = true;
        self.closed
    }

    /// The final values of a day are told: says as which revision.
    pub(crate) fn told(&mut self, day: Day) -> u32 {
        self.early.end();
        let mut revision = 0;
        self.add(day, |row| {
            revision = row.told.into();
            row.told = row.told.saturating_add(1);
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
        (self.seats, self.onboarding) = (History::default(), Firsts::default());
        self.traits.clear();
        self.renewal = History::default();
        (self.revenue, self.invoices) = (None, None);
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

    /// An eighth of the users a day, so that a large account is not walked through at once.
    fn age_some(&mut self, min_events: u32, ages: Ages) {
        let part = self.closed.0.rem_euclid(8) as u32;
        for no in (part..self.users.len() as u32).step_by(8) {
            if self.users.get_mut(no).age(ages, min_events) {
                self.list(no);
            }
        }
    }
}

/// Whether a program of the customer, or a software agent, did it.
fn actors(actor: Actor) -> (bool, bool) {
    (actor == Actor::Api, actor == Actor::Agent)
}

fn shortened(text: &str) -> Box<str> {
    let end = text.char_indices().nth(LONGEST_NAME);
    text[..end.map_or(text.len(), |(end, _)| end)].into()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    #[test]
    fn an_account_that_changes_its_plan_had_the_old_one_before() {
        let terms = Terms::new(Settings {
            segments: vec!["size".into(), "tier".into()],
            ..Settings::default()
        });
        let mut account = Account::new("acme", Zones::DEFAULT, Day(0));
        let told = |plan: Field<&'static str>, tier: Field<&'static str>| {
            let owned = |field| match field {
                Field::Keep => Field::Keep,
                Field::Erase => Field::Erase,
                Field::Set(text) => Field::Set(std::borrow::Cow::from(text)),
            };
            AccountFields {
                plan: owned(plan),
                traits: vec![("tier".into(), owned(tier))],
                ..AccountFields::default()
            }
        };
        let mut tell = |fields: &AccountFields<'_>, day: i32| {
            let at = Timestamp(i64::from(day) * 86_400_000);
            account.seats_and_traits(fields, at, Day(day), &terms);
        };
        tell(&told(Field::Set("pro"), Field::Erase), 5);
        tell(&told(Field::Set("free"), Field::Set("gold")), 2);
        let value = |name: &str, day: i32| {
            let (no, _) = terms.traits().find(|(_, known)| *known == name).unwrap();
            account.value_of(no, Day(day))
        };
        let (free, gold) = (Some("free"), Some("gold"));
        assert_eq!(
            [1, 2, 4, 5].map(|day| value("plan", day)),
            [None, free, free, Some("pro")]
        );
        assert_eq!([1, 4, 5].map(|day| value("tier", day)), [None, gold, None]);
        assert_eq!(value("size", 9), None);
    }
}
