//! Why a value is what it is: the numbers, users and days that an explanation shows beside it.
//!
//! Said once, where a metric is declared; how the numbers come about is said nowhere twice: they are the parts that
//! the metric reads anyway, of the account and of each of its users alone.

use mainstay_model::{Parts, Timestamp, Value};

use super::revenue::mrr_before;
use super::usage::wau_trend;
use super::{Asked, tell};
use crate::facts::firsts::Deed as First;
use crate::facts::totals::Total;
use crate::flows::Window;
use crate::view::View;

/// What an explanation of a metric shows besides its value and formula.
#[derive(Clone, Copy, Debug)]
pub struct Why {
    pub(crate) shows: &'static [Show],
    /// What is counted on which of the last days, of the account.
    pub(crate) days: Option<(Deed, i32)>,
    /// The same, of each user who counts.
    pub(crate) user_days: Option<(Deed, i32)>,
    /// The users who count are listed.
    pub(crate) users: bool,
    /// What is told of each of them.
    pub(crate) moments: &'static [Moment],
}

/// What can be counted on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Users who are active.
    Active,
    /// Qualifying events, all of them and those of one kind of actor.
    Events,
    /// Those that a person did.
    HumanEvents,
    /// Those that a program did.
    ApiEvents,
    /// Those that a software agent did.
    AgentEvents,
    /// Key actions.
    KeyActions,
    /// What the champion has most of.
    Most,
    /// Sessions that began.
    Sessions,
    /// How long they lasted.
    SessionTime,
    /// Uses of the feature; of a user alone, days with a use.
    Uses,
    /// How long the uses of the feature lasted.
    UseTime,
}

/// Named numbers, by what the parts of a metric are.
#[derive(Clone, Copy, Debug)]
pub enum Show {
    /// A part and the whole.
    Quotient(&'static str, &'static str),
    /// The same, of milliseconds.
    Times(&'static str, &'static str),
    /// A sum of milliseconds, and how many there are.
    MeanTime(&'static str, &'static str),
    /// Two means.
    Means(&'static str, &'static str),
    /// The weekly active users of the weeks that make the base.
    Weeks,
    /// Each tracked feature, with the number of uses in 30 days.
    Features,
    /// Each step of onboarding, with when it was done first.
    Steps,
    /// When the account was created.
    Created,
    /// Who the champion is.
    Champion,
    /// Revenue 30 days before, and each movement since.
    Books,
}

/// What is told of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Since when the user is known.
    KnownSince,
    /// The first active day.
    FirstActive,
    /// The newest active day, of the last 100.
    LastActive,
    /// The instant of the sign-up.
    SignedUp,
    /// The instant of the first use of the feature.
    FirstUse,
    /// The instant of the activation.
    Activated,
}

/// A named number, or something else that a value comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// What it is; the id of a metric where it is the value of one.
    pub name: String,
    /// What it is worth.
    pub fact: Fact,
}

/// What a value comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// A number or a day; undefined where something has not happened.
    Value(Value),
    /// An instant.
    At(Timestamp),
    /// Who it was.
    User(String),
}

impl Why {
    /// The named numbers say all.
    pub const NUMBERS: Why = Why {
        shows: &[],
        days: None,
        user_days: None,
        users: false,
        moments: &[],
    };

    /// Users, with what they did on which of the last `days` days.
    #[must_use]
    pub const fn users(deed: Deed, days: i32) -> Why {
        Why {
            user_days: Some((deed, days)),
            users: true,
            ..Why::NUMBERS
        }
    }

    /// The last `days` days, with what was done on them.
    #[must_use]
    pub const fn days(deed: Deed, days: i32) -> Why {
        Why {
            days: Some((deed, days)),
            ..Why::NUMBERS
        }
    }

    /// The last `days` days, with what was done on them by all and by each user.
    #[must_use]
    pub const fn days_and_users(deed: Deed, days: i32) -> Why {
        Why {
            days: Some((deed, days)),
            ..Why::users(deed, days)
        }
    }

    /// With named numbers.
    #[must_use]
    pub const fn of(self, shows: &'static [Show]) -> Why {
        Why { shows, ..self }
    }

    /// With users, and what is to be told of them.
    #[must_use]
    pub const fn by_user(self, moments: &'static [Moment]) -> Why {
        Why {
            users: true,
            moments,
            ..self
        }
    }

    /// Whether it is about one user of all.
    pub(crate) fn is_of_champion(&self) -> bool {
        let mut shows = self.shows.iter();
        shows.any(|show| matches!(show, Show::Champion))
    }
}

impl Deed {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Deed::Active => "active",
            Deed::Events | Deed::HumanEvents | Deed::ApiEvents | Deed::AgentEvents => "events",
            Deed::KeyActions => "key_actions",
            Deed::Most => "deeds",
            Deed::Sessions => "sessions",
            Deed::SessionTime | Deed::UseTime => "seconds",
            Deed::Uses => "uses",
        }
    }

    /// How much of it a day has.
    pub(crate) fn of(self, row: &Total, view: &View<'_>, feature: Option<usize>) -> u64 {
        let feature = || feature.map(|place| row.feature(view.terms.features()[place]));
        match self {
            Deed::Active => row.active_users.into(),
            Deed::Events => row.events,
            Deed::HumanEvents => row.human_events(),
            Deed::ApiEvents => row.api_events(),
            Deed::AgentEvents => row.agent_events(),
            Deed::KeyActions => row.key_actions(),
            Deed::Most => match view.has_key_actions() {
                true => row.key_actions(),
                false => row.events,
            },
            Deed::Sessions => row.sessions(),
            Deed::SessionTime => row.session_ms.unsigned_abs(),
            Deed::Uses => feature().map_or(0, |uses| uses.events),
            Deed::UseTime => feature().map_or(0, |uses| uses.duration_ms),
        }
    }

    pub(crate) fn told(self, amount: u64) -> Value {
        let amount = i64::try_from(amount).unwrap_or(i64::MAX);
        match self {
            Deed::SessionTime | Deed::UseTime => Value::Seconds(amount),
            Deed::Active | Deed::Events | Deed::HumanEvents | Deed::ApiEvents => {
                Value::Count(amount)
            }
            Deed::AgentEvents | Deed::KeyActions | Deed::Most => Value::Count(amount),
            Deed::Sessions | Deed::Uses => Value::Count(amount),
        }
    }
}

impl Show {
    /// The named numbers of what was read from a view.
    pub(crate) fn parts(self, parts: &Parts, view: &View<'_>) -> Vec<Part> {
        match self {
            Show::Quotient(..) | Show::Times(..) | Show::MeanTime(..) | Show::Means(..) => {
                match parts {
                    Parts::Sums(sums) => self.sums(*sums),
                    Parts::Nothing | Parts::Table(_) | Parts::Spread(_) | Parts::Newest(_) => {
                        Vec::new()
                    }
                }
            }
            Show::Weeks => weeks(view),
            Show::Features => features(view),
            Show::Steps => steps(view),
            Show::Created => {
                let (at, _) = view.account.lifecycle.begun_at(view.day);
                vec![Part::at("account created", Some(at))]
            }
            Show::Champion => champion(view),
            Show::Books => books(view),
        }
    }

    /// The same of one user alone, where users add up to it.
    pub(crate) fn parts_of_user(self, parts: &Parts, alone: &View<'_>) -> Vec<Part> {
        match self {
            Show::Quotient(..) | Show::Times(..) | Show::MeanTime(..) => self.parts(parts, alone),
            Show::Means(..) | Show::Weeks | Show::Features | Show::Steps => Vec::new(),
            Show::Created | Show::Champion | Show::Books => Vec::new(),
        }
    }

    fn sums(self, [a, b, c, d]: [i128; 4]) -> Vec<Part> {
        match self {
            Show::Quotient(part, whole) => vec![Part::count(part, a), Part::count(whole, b)],
            Show::Times(part, whole) => vec![Part::time(part, a), Part::time(whole, b)],
            Show::MeanTime(time, number) => vec![Part::time(time, a), Part::count(number, b)],
            Show::Means(recent, base) => vec![Part::mean(recent, a, b), Part::mean(base, c, d)],
            Show::Weeks | Show::Features | Show::Steps => Vec::new(),
            Show::Created | Show::Champion | Show::Books => Vec::new(),
        }
    }
}

fn weeks(view: &View<'_>) -> Vec<Part> {
    let week = |weeks: usize| {
        let users = i128::from(view.scan().wau[weeks]);
        Part::count(&format!("wau on D-{}", 7 * weeks), users)
    };
    (1..=wau_trend::weeks_of_base(view)).map(week).collect()
}

fn features(view: &View<'_>) -> Vec<Part> {
    let names = view.terms.settings.features.keys();
    let numbers = view.terms.features().iter();
    let uses = names.zip(numbers).map(|(name, number)| {
        let uses = view.sum(30, |row| row.feature(*number).events);
        Part::count(&format!("uses of {name} in D-29…D"), uses.into())
    });
    uses.collect()
}

fn steps(view: &View<'_>) -> Vec<Part> {
    let names = view.terms.settings.onboarding_steps.iter();
    let steps = names.zip(view.terms.onboarding()).map(|(name, step)| {
        let first = view
            .account
            .onboarding
            .of(First::Milestone(*step), view.day);
        Part::at(&format!("step {name}"), first.map(|first| first.at))
    });
    steps.collect()
}

fn champion(view: &View<'_>) -> Vec<Part> {
    let champion = &view.scan().champion;
    let name = "champion".to_owned();
    let fact = match champion.most {
        0 => Fact::Value(Value::Undefined),
        _ => Fact::User(view.account.users.name(champion.user as u32)),
    };
    vec![Part { name, fact }]
}

fn books(view: &View<'_>) -> Vec<Part> {
    let Some(revenue) = view.account.revenue.as_deref() else {
        return Vec::new();
    };
    let first = Window::Days30.first(view.day);
    let before = first.minus(1);
    let start = mrr_before(view, view.day.since(before));
    let start = Part::count(&format!("mrr at the end of {before}"), start);
    let movements = revenue.movements(first, view.last_instant(revenue)).iter();
    let movements = movements.map(|movement| {
        let (at, kind, cause) = (movement.at, movement.kind.name(), movement.cause.name());
        let event = movement.event.as_deref();
        let event = event.map_or(String::new(), |event| format!(", event {event}"));
        Part::count(
            &format!("{kind} on {at} ({cause}{event})"),
            movement.amount(),
        )
    });
    std::iter::once(start).chain(movements).collect()
}

impl Part {
    pub(crate) fn value(name: &str, value: Value) -> Part {
        let name = name.to_owned();
        Part {
            name,
            fact: Fact::Value(value),
        }
    }

    fn count(name: &str, n: i128) -> Part {
        let n = i64::try_from(n).unwrap_or(i64::MAX);
        Part::value(name, Value::Count(n))
    }

    fn time(name: &str, ms: i128) -> Part {
        let ms = i64::try_from(ms).unwrap_or(i64::MAX);
        Part::value(name, Value::Seconds(ms))
    }

    /// A mean; a whole one is told as a count.
    fn mean(name: &str, sum: i128, of: i128) -> Part {
        if of != 0 && sum % of == 0 {
            return Part::count(name, sum / of);
        }
        let asked = Asked {
            day: mainstay_model::Day(0),
            group: false,
        };
        Part::value(name, tell::ratio(&Parts::Sums([sum, of, 0, 0]), asked))
    }

    /// An instant, if it has come.
    fn at(name: &str, at: Option<Timestamp>) -> Part {
        let name = name.to_owned();
        let fact = at.map_or(Fact::Value(Value::Undefined), Fact::At);
        Part { name, fact }
    }
}

impl Moment {
    /// What is told of the only user of an account, by the end of the day that is looked at.
    pub(crate) fn part(self, alone: &View<'_>, feature: Option<usize>) -> Part {
        let day = alone.day;
        let user = alone.account.users.get(0);
        let on = |name: &str, day| Part::value(name, Value::Day(day));
        match self {
            Moment::KnownSince => {
                let back = alone.account.membership.back_since(0, day);
                on("known since", back.unwrap_or(user.known_from))
            }
            Moment::FirstActive => on("first active", user.first_active()),
            Moment::LastActive => match alone.account.totals.last_active(day) {
                Some(last) => on("last active", last),
                None => Part::value("last active", Value::Undefined),
            },
            Moment::SignedUp => Part::at("signed up", user.sign_up(day).map(|(at, _)| at)),
            Moment::Activated => Part::at("activated", alone.scan().first_activated),
            Moment::FirstUse => {
                let number = feature.map(|place| alone.terms.features()[place]);
                let first = number
                    .zip(user.firsts())
                    .and_then(|(number, firsts)| firsts.of(First::Feature(number), day));
                Part::at("first use", first.map(|first| first.at))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::metrics::CATALOGUE;

    #[test]
    fn every_formula_is_one_line_that_a_sentence_can_go_on_from() {
        for metric in CATALOGUE {
            let (id, formula) = (metric.info.id, metric.info.formula);
            assert!(!formula.is_empty(), "{id}");
            assert!(!formula.ends_with('.') && !formula.contains('|'), "{id}");
            assert!(formula.matches('`').count() % 2 == 0, "{id}");
        }
    }
}
