//! Small stories for the named cases of metrics: what happened to one account, and what a metric tells.

use std::borrow::Cow;

use mainstay_model::{AccountFields, Actor, Body, Event, Field, Id};
use mainstay_model::{Timestamp, UserFields, Value, Zone};

use crate::engine::{Engine, Outputs};
use crate::metrics::CATALOGUE;
use crate::settings::Settings;

pub(super) const MINUTE: i64 = 60_000;

/// Day 0 of a story is 2026-03-01, a Sunday.
const FIRST_DAY: i32 = 20_513;

/// An hour of a day of the story.
pub(super) fn day(days: i32, hour: i64) -> Timestamp {
    Timestamp(i64::from(FIRST_DAY + days) * 86_400_000 + hour * 60 * MINUTE)
}

/// What happened to one account, in the order told.
#[derive(Default)]
pub(super) struct Story {
    pub(super) settings: Settings,
    events: Vec<(Option<String>, Timestamp, Body<'static>)>,
}

impl Story {
    fn then(&mut self, user: Option<&str>, at: Timestamp, body: Body<'static>) -> &mut Story {
        self.events.push((user.map(str::to_owned), at, body));
        self
    }

    pub(super) fn used(&mut self, user: &str, at: Timestamp) -> &mut Story {
        self.did(user, "looked", at)
    }

    pub(super) fn did(&mut self, user: &str, name: &'static str, at: Timestamp) -> &mut Story {
        self.then(Some(user), at, product(name, 0))
    }

    pub(super) fn spent(&mut self, user: &str, at: Timestamp, duration_ms: i64) -> &mut Story {
        self.then(Some(user), at, product("looked", duration_ms))
    }

    pub(super) fn nobody_did(&mut self, name: &'static str, at: Timestamp) -> &mut Story {
        self.then(None, at, product(name, 0))
    }

    pub(super) fn signed_up(&mut self, user: &str, at: Timestamp) -> &mut Story {
        self.then(Some(user), at, Body::UserSignedUp(UserFields::default()))
    }

    pub(super) fn invited(&mut self, user: &str, at: Timestamp) -> &mut Story {
        self.then(Some(user), at, Body::UserInvited(UserFields::default()))
    }

    pub(super) fn removed(&mut self, user: &str, at: Timestamp) -> &mut Story {
        self.then(Some(user), at, Body::UserRemoved)
    }

    pub(super) fn created(&mut self, at: Timestamp) -> &mut Story {
        self.then(None, at, Body::AccountCreated(Default::default()))
    }

    /// The account's zone is told, by its creation at `at`.
    pub(super) fn lives_in(&mut self, zone: &str, at: Timestamp) -> &mut Story {
        let tz = Field::Set(zone.parse().unwrap());
        let fields = AccountFields {
            tz,
            ..AccountFields::default()
        };
        self.then(None, at, Body::AccountCreated(fields))
    }

    /// The final value of a metric on a day of the story, as a person would write it.
    pub(super) fn tells(&self, metric: &str, days: i32) -> String {
        let mut engine = Engine::new(self.settings.clone(), &["story".to_owned()]);
        let mut last = Last {
            day: Zone::UTC.day_of(day(days, 0)),
            values: None,
        };
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
            engine.apply(0, *at, &event, &mut last);
        }
        engine.run_on(day(days, 0), &mut last);
        let place = CATALOGUE
            .iter()
            .position(|known| known.info.id == metric)
            .unwrap();
        written(&last.values.unwrap()[place])
    }
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
