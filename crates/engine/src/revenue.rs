//! The recurring revenue of an account: its ledger, and what was told of its movements.
//!
//! A movement is told as soon as time has passed it, and told again when it turns out to be another one or none.
//! What was told is kept for as long as it can be corrected, so that a restart tells nothing twice. An account
//! without billing events has no revenue and pays nothing for it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mainstay_model::{Currency, Day, Event, MrrMovement, Rejection, Subscription, Timestamp, Zone};

use crate::engine::Outputs;
use crate::ledger::movement_id;
use crate::ledger::{Balance, Cause, Change, Days, Kind, Ledger, Movement, Policy, Rates, State};
use crate::pack::{Malformed, Packer, Unpacker};
use crate::terms::Terms;

/// The recurring revenue of one account.
pub(crate) struct Revenue {
    ledger: Ledger,
    days: Days,
    /// What was told of each movement, as far as it can still be corrected.
    told: BTreeMap<Place, Told>,
    /// Of movements before this instant nothing is said any more.
    told_from: Timestamp,
    /// When time alone may change something next.
    next: Timestamp,
    /// States were put in that time has not passed yet.
    stirred: bool,
    states: u32,
    unsaved: Vec<Arc<State>>,
    dirty: bool,
    pub(crate) written: bool,
    /// States on their way back from the changelog.
    restored: Vec<State>,
}

/// The place of a movement in the history of its account: an instant, and whether it is no rate that changed.
type Place = (Timestamp, bool);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    revision: u32,
    said: Said,
}

/// What is said of a movement.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Said {
    kind: Kind,
    cause: Cause,
    event: Option<Box<str>>,
    before: i128,
    after: i128,
    gap_days: Option<i32>,
    original: Option<(i128, Currency)>,
    withdrawn: bool,
}

/// Nothing is planned.
const NEVER: Timestamp = Timestamp(i64::MAX);

impl Revenue {
    /// Nothing is known yet of an account that lives in a zone.
    pub(crate) fn new(zone: Zone) -> Revenue {
        Revenue {
            ledger: Ledger::default(),
            days: Days::of(zone),
            told: BTreeMap::new(),
            told_from: Timestamp::MIN,
            next: NEVER,
            stirred: false,
            states: 0,
            unsaved: Vec::new(),
            dirty: true,
            written: false,
            restored: Vec::new(),
        }
    }

    /// Why a state of the day `day` cannot be taken in, if it cannot. `revenue` is none before the first.
    pub(crate) fn refusal(
        revenue: Option<&Revenue>,
        told: &Subscription<'_>,
        day: Day,
        rates: &Rates,
    ) -> Option<Rejection> {
        match revenue {
            Some(revenue) => revenue.ledger.refusal(told, day, rates),
            None => Ledger::default().refusal(told, day, rates),
        }
    }

    /// What a state would change, and from which day on, if it changes anything. None when it is known.
    ///
    /// `open` is the first day that can be corrected: what is said of days before is booked at its beginning.
    pub(crate) fn change(
        &self,
        event: &Event<'_>,
        told: &Subscription<'_>,
        open: Day,
        terms: &Terms,
    ) -> Option<(Change, Option<Day>)> {
        let state = State {
            event: event.id.as_str().into(),
            source: event.source.as_deref().map(Box::from),
            at: event.time,
            told: told.clone().into_owned(),
            booked_from: None,
        };
        let open = self.days.begin_of(open).max(self.told_from);
        let change = self.ledger.change(state, Some(open), &self.policy(terms))?;
        let from = change.from().map(|from| self.days.day_of(from));
        Some((change, from))
    }

    /// Makes a change that time has to pass yet.
    pub(crate) fn make(&mut self, change: Change) {
        self.unsaved.push(Arc::clone(change.state()));
        self.ledger.make(change);
        self.stirred = true;
    }

    /// Whether time up to an instant changes something.
    pub(crate) fn is_due(&self, until: Timestamp) -> bool {
        self.stirred || self.next <= until
    }

    /// When time alone may change something next; none where nothing is planned.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        (self.next != NEVER).then_some(self.next)
    }

    /// Lets time pass up to an instant, that one included.
    pub(crate) fn pass(&mut self, until: Timestamp, terms: &Terms) {
        let policy = policy(&self.days, terms);
        self.ledger.pass(until, &policy);
        self.next = self.ledger.next(&policy).unwrap_or(NEVER);
        self.stirred = false;
    }

    /// Tells what is new of movements, and what is otherwise than it was told.
    pub(crate) fn tell(&mut self, account: &str, currency: Currency, out: &mut dyn Outputs) {
        let movements = self.ledger.movements().iter().rev();
        let movements = movements.take_while(|movement| movement.at >= self.told_from);
        let mut now: BTreeMap<Place, Said> = movements
            .map(|movement| (movement.place(), Said::of(movement, currency)))
            .collect();
        let places: BTreeSet<Place> = now.keys().chain(self.told.keys()).copied().collect();
        for place in places {
            let told = self.told.get(&place);
            let said = now
                .remove(&place)
                .or(told.map(|told| told.said.withdrawn()));
            let Some(said) = said.filter(|said| told.is_none_or(|told| told.said != *said)) else {
                continue;
            };
            let revision = told.map_or(0, |told| told.revision + 1);
            out.mrr_movement(&MrrMovement {
                id: &movement_id(account, place),
                account,
                at: place.0,
                kind: said.kind.name(),
                cause: said.cause.name(),
                amount: said.after - said.before,
                currency,
                before: said.before,
                after: said.after,
                event: said.event.as_deref(),
                gap_days: said.gap_days,
                original: said.original,
                revision,
                withdrawn: said.withdrawn,
            });
            self.told.insert(place, Told { revision, said });
            self.dirty = true;
        }
    }

    /// The day `closed` is closed, and `open` is the first that can be corrected: forgets what was told before.
    pub(crate) fn forget_before(&mut self, open: Day) {
        let from = self.days.begin_of(open);
        let oldest = self.told.first_key_value();
        if oldest.is_some_and(|((at, _), _)| *at < from) {
            self.told.retain(|(at, _), _| *at >= from);
            self.told_from = from;
            self.dirty = true;
        }
    }

    /// From the day `from` on the account lives in another zone.
    pub(crate) fn move_to(&mut self, zone: Zone, from: Day, terms: &Terms) {
        self.days.move_to(zone, from);
        self.walk_anew(terms);
    }

    /// The account has lived in another zone from the beginning.
    pub(crate) fn begin_anew_in(&mut self, zone: Zone, terms: &Terms) {
        self.days = Days::of(zone);
        self.walk_anew(terms);
    }

    fn walk_anew(&mut self, terms: &Terms) {
        let until = self.ledger.passed();
        self.ledger.undo();
        // When it is due is the engine's to hear, with the next pass.
        self.ledger.pass(until, &policy(&self.days, terms));
        (self.stirred, self.dirty) = (true, true);
    }

    /// The first instant after a day.
    pub(crate) fn end_of(&self, day: Day) -> Timestamp {
        self.days.end_of(day)
    }

    pub(crate) fn day_of(&self, at: Timestamp) -> Day {
        self.days.day_of(at)
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    pub(crate) fn balance_at(&self, at: Timestamp) -> Option<&Balance> {
        self.ledger.balance_at(at)
    }

    /// The movements of days from `first` to `last`, up to an instant that is not after `last`.
    pub(crate) fn movements(&self, first: Day, until: Timestamp) -> &[Movement] {
        let movements = self.ledger.movements();
        let begin = self.days.begin_of(first);
        let begun = movements.partition_point(|movement| movement.at < begin);
        let ended = movements.partition_point(|movement| movement.at <= until);
        &movements[begun..ended.max(begun)]
    }

    /// The revenue at an instant, in the currency of the reports at the rates of a day.
    pub(crate) fn at_rates_of(&self, day: Day, at: Timestamp, terms: &Terms) -> i128 {
        self.ledger
            .at_rates_of(day, at, &terms.settings.revenue.rates)
    }

    /// Whether it hangs on rates of exchange at all.
    pub(crate) fn is_of_rates(&self, at: Timestamp, terms: &Terms) -> bool {
        self.ledger.is_of_rates(at, &terms.settings.revenue.rates)
    }

    pub(crate) fn committed(&self, at: Timestamp, terms: &Terms) -> i128 {
        self.ledger.committed(at, &self.policy(terms))
    }

    fn policy<'p>(&'p self, terms: &'p Terms) -> Policy<'p> {
        policy(&self.days, terms)
    }

    /// Bytes of what is kept, nearly.
    pub(crate) fn bytes(&self) -> usize {
        let states = self.states as usize + self.unsaved.len();
        let ledger = self.ledger.balances().len() + self.ledger.movements().len();
        size_of::<Revenue>()
            + states * A_STATE
            + ledger * size_of::<Movement>()
            + self.told.len() * size_of::<(Place, Told)>()
    }

    /// States that are not saved yet, each with its number.
    pub(crate) fn take_unsaved(&mut self) -> impl Iterator<Item = (u32, Arc<State>)> {
        let first = self.states;
        let unsaved = std::mem::take(&mut self.unsaved);
        self.states += unsaved.len() as u32;
        (first..).zip(unsaved)
    }

    /// How many states are saved, by numbers from 0.
    pub(crate) fn saved_states(&self) -> u32 {
        self.states
    }

    /// Whether what is kept besides states has changed, which it has not from now on.
    pub(crate) fn take_dirty(&mut self) -> bool {
        std::mem::take(&mut self.dirty)
    }

    /// Writes all but the states.
    pub(crate) fn pack(&self, to: &mut Packer<'_>) {
        to.uint(self.days.before().len() as u64);
        for (until, zone) in self.days.before() {
            to.int(until.0.into());
            to.bytes(zone.name().as_bytes());
        }
        to.int(self.told_from.0);
        for ((at, changed), told) in &self.told {
            to.int(at.0);
            to.uint(u64::from(*changed));
            to.uint(told.revision.into());
            told.said.pack(to);
        }
    }

    /// Takes in what was written; the states come by [`Revenue::restore_state`].
    pub(crate) fn unpack(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        let mut from = Unpacker(bytes);
        let before = (0..from.uint()?).map(|_| {
            let until = from.day()?;
            Ok((until, from.text()?.parse().map_err(|_| Malformed)?))
        });
        let before = before.collect::<Result<_, Malformed>>()?;
        self.days = Days::after(before, Zone::UTC);
        self.told_from = Timestamp(from.int()?);
        while !from.is_empty() {
            let place = (Timestamp(from.int()?), from.uint()? == 1);
            let told = Told {
                revision: from.u32()?,
                said: Said::unpack(&mut from)?,
            };
            self.told.insert(place, told);
        }
        (self.dirty, self.written) = (false, true);
        Ok(())
    }

    /// Takes in a state that was saved.
    pub(crate) fn restore_state(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        self.restored
            .push(State::unpack(bytes).map_err(|_| Malformed)?);
        self.states += 1;
        Ok(())
    }

    /// All that was saved is there: time has passed up to `now`, and what is to be told of it is.
    pub(crate) fn restored(&mut self, zone: Zone, now: Timestamp, terms: &Terms) {
        let states = std::mem::take(&mut self.restored);
        self.ledger = Ledger::of(states, &terms.settings.revenue.rules);
        self.days = Days::after(self.days.before().to_vec(), zone);
        self.pass(now, terms);
        (self.stirred, self.next) = (true, Timestamp::MIN);
    }

    /// Nothing is to be saved.
    pub(crate) fn discard_unsaved(&mut self) {
        self.take_unsaved().for_each(drop);
        self.dirty = false;
    }
}

/// About as many bytes has a state of a subscription.
const A_STATE: usize = 600;

fn policy<'p>(days: &'p Days, terms: &'p Terms) -> Policy<'p> {
    let revenue = &terms.settings.revenue;
    Policy {
        rules: &revenue.rules,
        rates: &revenue.rates,
        days,
    }
}

impl Said {
    /// `currency` is that of the reports.
    fn of(movement: &Movement, currency: Currency) -> Said {
        let original = match &movement.by_currency[..] {
            [share] if share.currency != currency && share.original.0 != share.original.1 => {
                Some((share.original.1 - share.original.0, share.currency))
            }
            _ => None,
        };
        Said {
            kind: movement.kind,
            cause: movement.cause,
            event: movement.event.clone(),
            before: movement.before,
            after: movement.after,
            gap_days: movement.gap_days,
            original,
            withdrawn: false,
        }
    }

    /// That it never was.
    fn withdrawn(&self) -> Said {
        Said {
            after: self.before,
            gap_days: None,
            original: None,
            withdrawn: true,
            ..self.clone()
        }
    }

    fn pack(&self, to: &mut Packer<'_>) {
        let kind = Kind::ALL.iter().position(|kind| *kind == self.kind);
        to.uint(kind.expect("all kinds stand in the list") as u64);
        let cause = Cause::ALL.iter().position(|cause| *cause == self.cause);
        to.uint(cause.expect("all causes stand in the list") as u64);
        let has = [
            self.event.is_some(),
            self.gap_days.is_some(),
            self.original.is_some(),
            self.withdrawn,
        ];
        to.uint(has.iter().fold(0, |bits, has| bits << 1 | u64::from(*has)));
        to.wide(self.before);
        to.wide(self.after);
        if let Some(event) = &self.event {
            to.bytes(event.as_bytes());
        }
        if let Some(days) = self.gap_days {
            to.int(days.into());
        }
        if let Some((amount, currency)) = self.original {
            to.wide(amount);
            to.bytes(currency.code().as_bytes());
        }
    }

    fn unpack(from: &mut Unpacker<'_>) -> Result<Said, Malformed> {
        let kind = read_place(from, &Kind::ALL)?;
        let cause = read_place(from, &Cause::ALL)?;
        let has = from.uint()?;
        let (before, after) = (from.wide()?, from.wide()?);
        let event = match has & 8 {
            0 => None,
            _ => Some(from.text()?.into()),
        };
        let gap_days = match has & 4 {
            0 => None,
            _ => Some(i32::try_from(from.int()?).map_err(|_| Malformed)?),
        };
        let original = match has & 2 {
            0 => None,
            _ => {
                let amount = from.wide()?;
                let currency = Currency::of(from.text()?).ok_or(Malformed)?;
                Some((amount, currency))
            }
        };
        Ok(Said {
            kind,
            cause,
            event,
            before,
            after,
            gap_days,
            original,
            withdrawn: has & 1 != 0,
        })
    }
}

fn read_place<T: Copy>(from: &mut Unpacker<'_>, all: &[T]) -> Result<T, Malformed> {
    let place = usize::try_from(from.uint()?).map_err(|_| Malformed)?;
    all.get(place).copied().ok_or(Malformed)
}

#[cfg(test)]
mod tests;
