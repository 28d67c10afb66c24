//! Why the recurring revenue of accounts differs by the rules of two tools, over files.
//!
//! The states of subscriptions are all that it takes: for each account a ledger is kept by the one rules, by the
//! other, and by each step between them, one switch after the other. Balances are compared at the end of each
//! calendar month and of the last day, in the account's zone. What a switch makes of a balance is the difference
//! that its step makes, so the differences of all switches add up to the whole. When events arrived is not asked:
//! they count by what they say.

use std::collections::{BTreeMap, BTreeSet};

use mainstay_connectors::file::{FileError, Lines};
use mainstay_engine::Revenue;
use mainstay_engine::ledger::{Days, Ledger, Mode, Policy, Rules, State};
use mainstay_model::{Body, Day, Event, Field, Timestamp, Zone};

use crate::replay::Replay;

/// What is known of the subscriptions of all accounts.
#[derive(Debug, Default)]
pub struct Books {
    accounts: BTreeMap<String, Account>,
    newest: Option<Timestamp>,
    /// Records that could not be read, and states that no ledger takes.
    pub refused: u64,
}

#[derive(Debug, Default)]
struct Account {
    zone: Option<(Timestamp, Zone)>,
    /// By source and id, so that what comes twice counts once.
    states: BTreeMap<(Option<Box<str>>, Box<str>), State>,
    /// When it was deleted, and when it last did anything.
    deleted: Option<Timestamp>,
    last: Option<Timestamp>,
}

/// The balances of an account that differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Whose.
    pub account: String,
    /// At the end of which day, in the account's zone.
    pub date: Day,
    /// By the one rules and by the other, in minor units of the currency of the reports.
    pub mrr: [i128; 2],
    /// The switches that make the difference, by their names in the config, each with its amount; together they are
    /// the whole.
    pub because: Vec<(&'static str, i128)>,
}

/// A switch, and how it is taken over from other rules.
type Switch = (&'static str, fn(&mut Rules, &Rules));

const SWITCHES: [Switch; 8] = [
    ("churn_at", |to, from| to.churn_at = from.churn_at),
    ("past_due_churn_days", |to, from| {
        to.past_due_churn_days = from.past_due_churn_days;
    }),
    ("paused", |to, from| to.paused = from.paused),
    ("discounts", |to, from| to.discounts = from.discounts),
    ("metered", |to, from| to.metered = from.metered),
    ("free_after_paid", |to, from| {
        to.free_after_paid = from.free_after_paid;
    }),
    ("reactivation_max_gap", |to, from| {
        to.reactivation_max_gap_days = from.reactivation_max_gap_days;
    }),
    ("passive", |to, from| to.passive = from.passive),
];

/// The switches in which two rules differ, by their names in the config.
#[must_use]
pub fn switches(modes: [Mode; 2]) -> Vec<&'static str> {
    steps(modes)[1..].iter().map(|(name, _)| *name).collect()
}

/// From the one rules to the other, one switch after the other; the first step has none.
fn steps(modes: [Mode; 2]) -> Vec<(&'static str, Rules)> {
    let [mut rules, goal] = modes.map(Rules::of);
    let mut steps = vec![("", rules.clone())];
    for (name, take_over) in SWITCHES {
        let before = rules.clone();
        take_over(&mut rules, &goal);
        if rules != before {
            steps.push((name, rules.clone()));
        }
    }
    steps
}

impl Replay {
    /// Reads all files for what they say of subscriptions.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn books(&self) -> Result<Books, FileError> {
        let mut books = Books::default();
        let mut line = Vec::new();
        for (paths, (_, format)) in self.files.iter().zip(&self.plan.sources) {
            for path in paths {
                let mut lines = Lines::open(path)?;
                while let Some(read) = lines.next(&mut line)? {
                    let mut events: Vec<Event<'_>> = Vec::new();
                    let each = |event| events.push(event);
                    // An event counts only when all events of its record are good.
                    match format.decode(read.bytes, &self.plan.limits, each) {
                        Ok(_) => events.into_iter().for_each(|event| books.take(event)),
                        Err(_) => books.refused += 1,
                    }
                }
            }
        }
        Ok(books)
    }
}

impl Books {
    fn take(&mut self, event: Event<'_>) {
        self.newest = self.newest.max(Some(event.time));
        let account = match self.accounts.get_mut(event.account.as_str()) {
            Some(account) => account,
            None => self
                .accounts
                .entry(event.account.as_str().to_owned())
                .or_default(),
        };
        account.take(event);
    }

    /// Every balance that differs, by account and date.
    ///
    /// States that a ledger does not take (without a rate, in another currency than before) are counted as refused.
    pub fn differences(
        &mut self,
        modes: [Mode; 2],
        revenue: &Revenue,
        zone: Zone,
    ) -> Vec<Difference> {
        let Some(newest) = self.newest else {
            return Vec::new();
        };
        let steps = steps(modes);
        let mut found = Vec::new();
        for (name, account) in &self.accounts {
            let zone = account.zone.map_or(zone, |(_, zone)| zone);
            let days = Days::of(zone);
            let mut ledgers = Vec::new();
            for (_, rules) in &steps {
                let policy = Policy {
                    rules,
                    rates: &revenue.rates,
                    days: &days,
                };
                let (ledger, refused) = account.ledger(newest, &policy);
                self.refused += if ledgers.is_empty() { refused } else { 0 };
                ledgers.push(ledger);
            }
            for date in account.dates(&zone, newest) {
                let end = zone.end_of(date).minus_ms(1);
                let mrr = |ledger: &Ledger| ledger.balance_at(end).map_or(0, |balance| balance.mrr);
                let mrr: Vec<i128> = ledgers.iter().map(mrr).collect();
                let (Some(one), Some(other)) = (mrr.first(), mrr.last()) else {
                    continue;
                };
                let moved = mrr.windows(2).map(|pair| pair[1] - pair[0]);
                let because = steps[1..].iter().map(|(name, _)| *name).zip(moved);
                if one != other {
                    found.push(Difference {
                        account: name.clone(),
                        date,
                        mrr: [*one, *other],
                        because: because.filter(|(_, amount)| *amount != 0).collect(),
                    });
                }
            }
        }
        found
    }
}

impl Account {
    fn take(&mut self, event: Event<'_>) {
        self.last = self.last.max(Some(event.time));
        match event.body {
            Body::AccountCreated(fields) | Body::AccountUpdated(fields) => {
                let newer = self.zone.is_none_or(|(at, _)| at <= event.time);
                if let (Field::Set(zone), true) = (fields.tz, newer) {
                    self.zone = Some((event.time, zone));
                }
            }
            Body::AccountDeleted => self.deleted = self.deleted.max(Some(event.time)),
            Body::Subscription(told) => {
                let source = event.source.as_deref().map(Box::from);
                let id: Box<str> = event.id.as_str().into();
                let state = State {
                    event: id.clone(),
                    source: source.clone(),
                    at: event.time,
                    told: told.into_owned(),
                    booked_from: None,
                };
                self.states.entry((source, id)).or_insert(state);
            }
            Body::Product { .. }
            | Body::UserSignedUp(_)
            | Body::UserInvited(_)
            | Body::UserRemoved
            | Body::UserUpdated(_)
            | Body::Payment(_)
            | Body::Cost(_)
            | Body::Other(_) => {}
        }
    }

    /// The ledger of its states up to `until`, and how many of them it does not take.
    fn ledger(&self, until: Timestamp, policy: &Policy<'_>) -> (Ledger, u64) {
        let mut states: Vec<&State> = self.states.values().collect();
        states.sort_by_key(|state| state.at);
        let mut ledger = Ledger::default();
        let taken = states
            .into_iter()
            .map(|state| ledger.take(state.clone(), policy));
        let refused = taken.filter(Result::is_err).count() as u64;
        ledger.pass(until, policy);
        (ledger, refused)
    }

    /// The ends of months from its first state on, and its last day.
    fn dates(&self, zone: &Zone, newest: Timestamp) -> BTreeSet<Day> {
        let is_gone = self.deleted.is_some() && self.deleted >= self.last;
        let last = self.deleted.filter(|_| is_gone).unwrap_or(newest);
        let mut dates = BTreeSet::new();
        let Some(first) = self.states.values().map(|state| state.at).min() else {
            return dates;
        };
        let (mut month, last) = (zone.day_of(first).last_of_month(), zone.day_of(last));
        while month < last {
            dates.insert(month);
            month = month.plus(1).last_of_month();
        }
        dates.insert(last);
        dates
    }
}

#[cfg(test)]
mod tests {
    use mainstay_codec::{Format, Limits};

    use super::*;

    /// Books of these states, each a time and what is said at it.
    fn books(told: &[(&str, &str)]) -> Books {
        let mut books = Books::default();
        for (no, (time, data)) in told.iter().enumerate() {
            let line = format!(
                r#"{{"id":"e{no}","type":"subscription.updated","account_id":"acme","time":"{time}","data":{{
                "subscription_id":"s1","version":{no},"currency":"USD","started_at":"2026-01-01T00:00:00Z",{data}}}}}"#
            );
            let taken = Format::Native.decode(line.as_bytes(), &Limits::default(), |event| {
                // What comes twice counts once.
                books.take(event.clone());
                books.take(event);
            });
            taken.unwrap();
        }
        books
    }

    fn item(price: u32) -> String {
        format!(
            r#""items":[{{"price_id":"p","unit_amount_minor":{price},"quantity":1,"interval":"month"}}]"#
        )
    }

    fn told(mut books: Books, modes: [Mode; 2]) -> Vec<String> {
        let found = books.differences(modes, &Revenue::default(), Zone::UTC);
        let told = |found: &Difference| {
            let [one, other] = found.mrr;
            let because: i128 = found.because.iter().map(|(_, amount)| amount).sum();
            assert_eq!(because, other - one, "{found:?}");
            format!("{} {one} {other} {:?}", found.date, found.because)
        };
        found.iter().map(told).collect()
    }

    #[test]
    fn the_switches_that_make_a_difference_are_named_and_add_up_to_it() {
        let ten = item(10_000);
        let offer = r#""discounts":[{"percent_off":50,"duration":"repeating","ends_at":"2026-03-20T00:00:00Z"}]"#;
        let active = format!(r#"{ten},{offer},"status":"active""#);
        let gone =
            format!(r#"{ten},{offer},"status":"canceled","ended_at":"2026-03-05T00:00:00Z""#);
        let history = || {
            books(&[
                ("2026-01-10T00:00:00Z", &active),
                ("2026-02-10T00:00:00Z", &gone),
                ("2026-03-31T00:00:00Z", &gone),
            ])
        };
        assert_eq!(
            told(history(), [Mode::Chartmogul, Mode::Stripe]),
            [
                r#"2026-01-31 5000 10000 [("discounts", 5000)]"#,
                r#"2026-02-28 5000 0 [("churn_at", -5000)]"#,
            ]
        );
        assert_eq!(
            told(history(), [Mode::Stripe, Mode::Chartmogul]),
            [
                r#"2026-01-31 10000 5000 [("discounts", -5000)]"#,
                r#"2026-02-28 0 5000 [("churn_at", 10000), ("discounts", -5000)]"#,
            ]
        );
        assert_eq!(told(history(), [Mode::Mainstay, Mode::Mainstay]), [""; 0]);
    }

    #[test]
    fn two_rules_differ_in_the_switches_that_their_modes_set_otherwise() {
        assert_eq!(switches([Mode::Maxio, Mode::Maxio]), [""; 0]);
        assert_eq!(
            switches([Mode::Stripe, Mode::Maxio]),
            ["discounts", "reactivation_max_gap"]
        );
        assert_eq!(
            switches([Mode::Mainstay, Mode::Profitwell]),
            ["discounts", "metered", "free_after_paid", "passive"]
        );
    }

    #[test]
    fn what_no_ledger_takes_is_counted_once() {
        let pounds = r#""items":[],"status":"active","currency":"GBP""#;
        let line = format!(
            r#"{{"id":"e","type":"subscription.updated","account_id":"acme","time":"2026-01-01T00:00:00Z","data":{{
            "subscription_id":"s1","started_at":"2026-01-01T00:00:00Z",{pounds}}}}}"#
        );
        let mut books = Books::default();
        let taken = Format::Native.decode(line.as_bytes(), &Limits::default(), |event| {
            books.take(event)
        });
        taken.unwrap();
        let modes = [Mode::Mainstay, Mode::Stripe];
        let found = books.differences(modes, &Revenue::default(), Zone::UTC);
        assert_eq!((found, books.refused), (Vec::new(), 1));
    }
}
