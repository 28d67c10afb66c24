//! Small stories for the named cases of metrics: what happened to one account, and what a metric tells.

use std::borrow::Cow;

use mainstay_model::{AccountFields, Actor, Body, Event, Field, Id, Parts};
use mainstay_model::{
    Currency, Outcome, Payment, Subscription, Timestamp, UserFields, Value, Zone,
};

use crate::engine::{Engine, Outputs, Place};
use crate::metrics::{Asked, CATALOGUE, Fact, Part, account_columns};
use crate::settings::Settings;

pub(in crate::metrics) const MINUTE: i64 = 60_000;

/// Day 0 of a story is 2026-03-01, a Sunday.
const FIRST_DAY: i32 = 20_513;

/// An hour of a day of the story.
pub(in crate::metrics) fn day(days: i32, hour: i64) -> Timestamp {
    Timestamp(i64::from(FIRST_DAY + days) * 86_400_000 + hour * 60 * MINUTE)
}

/// What happened to one account, in the order told.
#[derive(Default)]
pub(in crate::metrics) struct Story {
    pub(in crate::metrics) settings: Settings,
    events: Vec<(Option<String>, Timestamp, Body<'static>)>,
}

/// What happened to several accounts of a company.
#[derive(Default)]
pub(in crate::metrics) struct Fleet {
    pub(in crate::metrics) settings: Settings,
    accounts: Vec<(String, Story)>,
}

impl Fleet {
    /// One more account, whose story is to be told.
    pub(in crate::metrics) fn account(&mut self, id: &str) -> &mut Story {
        self.accounts.push((id.to_owned(), Story::default()));
        &mut self.accounts.last_mut().unwrap().1
    }

    /// The value of a metric for all accounts together.
    pub(in crate::metrics) fn tells(&self, metric: &str, days: i32) -> String {
        let metric = CATALOGUE.iter().find(|known| known.info.id == metric);
        let metric = metric.unwrap();
        let day_shown = Zone::UTC.day_of(day(days, 0));
        let mut all = Parts::Nothing;
        for (_, story) in &self.accounts {
            let engine = story.engine(&self.settings, days, &mut Last::of(day_shown));
            if let Some(parts) = engine.parts_of("acme", metric, day_shown) {
                all.add(&parts);
            }
        }
        let asked = Asked {
            day: day_shown,
            group: true,
        };
        written(&(metric.tell)(&all, asked))
    }
}

impl Story {
    fn then(&mut self, user: Option<&str>, at: Timestamp, body: Body<'static>) -> &mut Story {
        self.events.push((user.map(str::to_owned), at, body));
        self
    }

    pub(in crate::metrics) fn used(&mut self, user: &str, at: Timestamp) -> &mut Story {
        self.did(user, "looked", at)
    }

    pub(in crate::metrics) fn did(
        &mut self,
        user: &str,
        name: &'static str,
        at: Timestamp,
    ) -> &mut Story {
        self.then(Some(user), at, product(name, 0))
    }

    pub(in crate::metrics) fn spent(
        &mut self,
        user: &str,
        at: Timestamp,
        duration_ms: i64,
    ) -> &mut Story {
        self.then(Some(user), at, product("looked", duration_ms))
    }

    pub(in crate::metrics) fn nobody_did(
        &mut self,
        name: &'static str,
        at: Timestamp,
    ) -> &mut Story {
        self.then(None, at, product(name, 0))
    }

    pub(in crate::metrics) fn signed_up(&mut self, user: &str, at: Timestamp) -> &mut Story {
        self.then(Some(user), at, Body::UserSignedUp(UserFields::default()))
    }

    pub(in crate::metrics) fn invited(&mut self, user: &str, at: Timestamp) -> &mut Story {
        self.then(Some(user), at, Body::UserInvited(UserFields::default()))
    }

    pub(in crate::metrics) fn removed(&mut self, user: &str, at: Timestamp) -> &mut Story {
        self.then(Some(user), at, Body::UserRemoved)
    }

    pub(in crate::metrics) fn created(&mut self, at: Timestamp) -> &mut Story {
        self.then(None, at, Body::AccountCreated(Default::default()))
    }

    /// The account's zone is told, by its creation at `at`.
    pub(in crate::metrics) fn lives_in(&mut self, zone: &str, at: Timestamp) -> &mut Story {
        let tz = Field::Set(zone.parse().unwrap());
        let fields = AccountFields {
            tz,
            ..AccountFields::default()
        };
        self.then(None, at, Body::AccountCreated(fields))
    }

    pub(in crate::metrics) fn did_as(
        &mut self,
        user: &str,
        actor: Actor,
        at: Timestamp,
    ) -> &mut Story {
        let name = "looked".into();
        self.then(
            Some(user),
            at,
            Body::Product {
                name,
                duration_ms: 0,
                actor,
            },
        )
    }

    pub(in crate::metrics) fn did_for(
        &mut self,
        user: &str,
        name: &'static str,
        at: Timestamp,
        duration_ms: i64,
    ) -> &mut Story {
        self.then(Some(user), at, product(name, duration_ms))
    }

    pub(in crate::metrics) fn has_seats(&mut self, seats: u32, at: Timestamp) -> &mut Story {
        let fields = AccountFields {
            seats: Field::Set(seats),
            ..AccountFields::default()
        };
        self.then(None, at, Body::AccountUpdated(fields))
    }

    /// A state of a subscription is told.
    pub(in crate::metrics) fn billed(
        &mut self,
        told: Subscription<'static>,
        at: Timestamp,
    ) -> &mut Story {
        self.then(None, at, Body::Subscription(Box::new(told)))
    }

    /// Something became of an invoice for what is recurring.
    pub(in crate::metrics) fn invoice(
        &mut self,
        outcome: Outcome,
        invoice: &'static str,
        amount_minor: i64,
        at: Timestamp,
    ) -> &mut Story {
        self.then(None, at, payment(outcome, invoice, amount_minor, true))
    }

    /// Something became of an invoice for what is paid once.
    pub(in crate::metrics) fn once(
        &mut self,
        outcome: Outcome,
        invoice: &'static str,
        amount_minor: i64,
        at: Timestamp,
    ) -> &mut Story {
        self.then(None, at, payment(outcome, invoice, amount_minor, false))
    }

    /// The contract is up for renewal at `renewal`.
    pub(in crate::metrics) fn renews(&mut self, renewal: Timestamp, at: Timestamp) -> &mut Story {
        let fields = AccountFields {
            renewal_at: Field::Set(renewal),
            ..AccountFields::default()
        };
        self.then(None, at, Body::AccountUpdated(fields))
    }

    pub(in crate::metrics) fn tracks(&mut self, feature: &str, names: &[&str]) -> &mut Story {
        let names = names.iter().map(|name| (*name).to_owned());
        let features = &mut self.settings.features;
        features.insert(feature.to_owned(), names.collect());
        self
    }

    pub(in crate::metrics) fn activates(&mut self, names: &[&str]) -> &mut Story {
        let names = names.iter().map(|name| (*name).to_owned());
        self.settings.activation_events = names.collect();
        self
    }

    pub(in crate::metrics) fn steps(&mut self, names: &[&str]) -> &mut Story {
        let names = names.iter().map(|name| (*name).to_owned());
        self.settings.onboarding_steps = names.collect();
        self
    }

    /// The final value of a metric on a day of the story, as a person would write it. A metric of a feature
    /// goes by its name in rules.
    pub(in crate::metrics) fn tells(&self, metric: &str, days: i32) -> String {
        let mut last = Last::of(Zone::UTC.day_of(day(days, 0)));
        self.engine(&self.settings, days, &mut last);
        let columns = account_columns(&self.settings);
        let place = columns.iter().position(|column| column.name() == metric);
        place.map_or("absent".into(), |place| {
            written(&last.values.unwrap()[place])
        })
    }

    /// The numbers that explain a metric on a day of the story.
    pub(in crate::metrics) fn numbers(&self, metric: &str, days: i32) -> Vec<(String, i64)> {
        let day = Zone::UTC.day_of(day(days, 0));
        let engine = self.engine(&self.settings, days, &mut Last::of(day));
        let columns = account_columns(&self.settings);
        let place = columns.iter().position(|column| column.name() == metric);
        let why = engine.look("acme").unwrap().explain(place.unwrap(), day);
        let parts = why.unwrap().parts.into_iter();
        let number = |part: Part| {
            let Fact::Value(Value::Count(number)) = part.fact else {
                panic!("{} is {:?}", part.name, part.fact);
            };
            (part.name, number)
        };
        parts.map(number).collect()
    }

    /// The engine after the story, with all days closed up to one of them.
    fn engine(&self, settings: &Settings, days: i32, last: &mut Last) -> Engine {
        let mut engine = Engine::new(
            settings.clone(),
            &["story".to_owned()],
            Place { number: 0, of: 1 },
        );
        for (number, (user, at, body)) in self.events.iter().enumerate() {
            let id = |text: String| Id::new(Cow::Owned(text)).unwrap();
            let event = Event {
                id: id(number.to_string()),
                source: None,
                account: id("acme".into()),
                user: user.clone().map(id),
                time: *at,
                received_at: None,
                digest: 0,
                body: body.clone(),
            };
            engine.apply(0, *at, &event, last);
        }
        engine.run_on(day(days, 0), last);
        engine
    }
}

fn payment(
    outcome: Outcome,
    invoice: &'static str,
    amount_minor: i64,
    recurring: bool,
) -> Body<'static> {
    Body::Payment(Payment {
        outcome,
        invoice: Id::new(invoice.into()).unwrap(),
        amount_minor,
        currency: Currency::of("USD").unwrap(),
        recurring,
        attempt: None,
        subscription: None,
    })
}

fn product(name: &'static str, duration_ms: i64) -> Body<'static> {
    Body::Product {
        name: name.into(),
        duration_ms,
        actor: Actor::Human,
    }
}

fn written(value: &Value) -> String {
    match value {
        Value::Undefined => "null".into(),
        Value::Count(count) => count.to_string(),
        Value::Ratio(ratio) => format!("{ratio:?}"),
        Value::Seconds(ms) => format!("{}s", *ms as f64 / 1000.0),
        Value::List(list) => format!("{list:?}"),
        Value::Day(day) => day.to_string(),
        Value::Name(name) => (*name).to_owned(),
    }
}

impl Last {
    fn of(day: mainstay_model::Day) -> Last {
        Last { day, values: None }
    }
}

/// Keeps what was last said of one day.
struct Last {
    day: mainstay_model::Day,
    values: Option<Vec<Value>>,
}

impl Outputs for Last {
    fn account_daily(&mut self, record: &mainstay_model::AccountDaily<'_>) {
        if record.date == self.day {
            self.values = Some(record.values.to_vec());
        }
    }
}
