//! Why a value is what it is: its formula's numbers, and the users and days behind them.
//!
//! Nothing is counted a second way. Each user is looked at as if the account had no other, and the metric reads its
//! parts from that: who gives it something is who makes it what it is. So what is shown adds up to the value, as the
//! parts of accounts add up to those of groups.

use mainstay_model::{Column, Day, Parts, Timestamp, Value};

use crate::account::Account;
use crate::engine::Engine;
use crate::facts::totals::{Total, Totals};
use crate::facts::users::{User, UserNo};
use crate::metrics::{self, Asked, Deed, Metric, Part, Reader};
use crate::spread;
use crate::terms::Terms;
use crate::view::View;
use crate::zones::Zones;

/// An account that can be asked about any day that can still be corrected.
pub struct Look<'a> {
    account: &'a Account,
    terms: &'a Terms,
    zones: &'a Zones,
}

/// Why a value is what it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// What is explained.
    pub column: Column,
    /// The day that it is of.
    pub day: Day,
    /// What the record of the day says.
    pub value: Value,
    /// The numbers that its formula names.
    pub parts: Vec<Part>,
    /// What a median, a percentile or a histogram is taken from: how often there is which value.
    pub table: Vec<(Value, u64)>,
    /// What is counted on the days.
    pub deed: Option<Deed>,
    /// The days on which there was any, the oldest first.
    pub days: Vec<OnDay>,
    /// The users who count, in the order of their ids.
    pub users: Vec<ByUser>,
    /// How much of a sum over users no user did.
    pub without_user: Option<Value>,
}

/// How much was done on a day.
#[derive(Clone, Debug, PartialEq)]
pub struct OnDay {
    /// The day.
    pub day: Day,
    /// How much.
    pub amount: Value,
}

/// What a user has to do with a value.
#[derive(Clone, Debug, PartialEq)]
pub struct ByUser {
    /// The user's id.
    pub id: String,
    /// What the user alone gives to the value, or to the numbers of its formula.
    pub parts: Vec<Part>,
    /// What else is known of the user that it depends on.
    pub moments: Vec<Part>,
    /// The days on which the user did it, the oldest first.
    pub days: Vec<OnDay>,
}

/// Why there is nothing to explain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoValue {
    /// It is not over yet.
    #[error("the day is not closed: the newest closed one is {closed}")]
    NotClosed {
        /// The newest closed day.
        closed: Day,
    },
    /// Nothing had happened yet.
    #[error("the account has no values on that day: its first event is of {first}")]
    NotYet {
        /// The day of the first event.
        first: Day,
    },
    /// The account was not there any more.
    #[error("the account has no values on that day: it was deleted")]
    Deleted,
    /// What happened then is no longer kept.
    #[error(
        "what was known of that day is forgotten: the oldest that can be explained is {oldest}"
    )]
    Forgotten {
        /// The oldest day of which all is known.
        oldest: Day,
    },
}

impl Engine {
    /// Looks at an account, if it is known.
    #[must_use]
    pub fn look(&self, account: &str) -> Option<Look<'_>> {
        let mut accounts = self.accounts.iter().flatten();
        let found = accounts.find(|known| *known.id == *account)?;
        Some(Look::new(found, &self.terms, &self.zones))
    }

    /// The ids of all accounts that are known.
    pub fn account_ids(&self) -> impl Iterator<Item = &str> {
        self.accounts.iter().flatten().map(|account| &*account.id)
    }
}

impl<'a> Look<'a> {
    pub(crate) fn new(account: &'a Account, terms: &'a Terms, zones: &'a Zones) -> Look<'a> {
        Look {
            account,
            terms,
            zones,
        }
    }

    /// The id of the account.
    #[must_use]
    pub fn id(&self) -> &'a str {
        &self.account.id
    }

    /// The newest closed day of the account.
    #[must_use]
    pub fn closed(&self) -> Day {
        self.account.closed
    }

    /// Whether a day is closed and can no longer be corrected.
    #[must_use]
    pub fn is_settled(&self, day: Day) -> bool {
        self.account.closed.since(day) > self.terms.settings.correction_days
    }

    /// Why the value of a column, by its place, is what it is on a day.
    ///
    /// # Errors
    /// When the account has no values on that day.
    ///
    /// # Panics
    /// When there is no such column.
    pub fn explain(&self, place: usize, day: Day) -> Result<Explanation, NoValue> {
        self.has_values(day)?;
        let column = metrics::account_columns(&self.terms.settings).swap_remove(place);
        let Reader { metric, feature } = self.terms.readers().of_account(place);
        let of = Of { metric, feature };
        Ok(of.explained(column, &self.view(day), self))
    }

    fn view<'v>(&'v self, day: Day) -> View<'v> {
        View::new(self.account, self.terms, self.zones, day)
    }

    fn has_values(&self, day: Day) -> Result<(), NoValue> {
        let (account, closed) = (self.account, self.account.closed);
        // A day more than can be corrected: it is asked for just when it no longer can.
        let oldest = closed.minus(self.terms.settings.correction_days + 1);
        let lifecycle = &account.lifecycle;
        if day > closed {
            Err(NoValue::NotClosed { closed })
        } else if day < lifecycle.first {
            let first = lifecycle.first;
            Err(NoValue::NotYet { first })
        } else if lifecycle.deleted_on().is_some_and(|deleted| day > deleted) {
            Err(NoValue::Deleted)
        } else if day < oldest {
            Err(NoValue::Forgotten { oldest })
        } else if !lifecycle.is_known_on(day) {
            Err(NoValue::Deleted)
        } else {
            Ok(())
        }
    }

    /// The account as it would be if one of its users were its only one, and it had bought nothing.
    fn alone(&self, no: UserNo, day: Day) -> Account {
        let account = self.account;
        let mut alone = Account::new(&account.id, account.zone.value, account.closed);
        alone.lifecycle = account.lifecycle.clone();
        alone.seats.set(Some(0), Timestamp::MIN, LONG_AGO);
        alone.users = account.users.only(no);
        alone.membership = account.membership.only(no);
        let min_events = self.terms.settings.active_min_events;
        alone.totals = totals_of(account.users.get(no), day, min_events);
        alone
    }
}

const LONG_AGO: Day = Day(i32::MIN / 2);

/// As far back as any window of a metric reaches.
const LOOK_BACK: i32 = 99;

/// What a user did on each of the days up to `day`. Of the uses of a feature only that there were some.
fn totals_of(user: User<'_>, day: Day, min_events: u32) -> Totals {
    let from = day.minus(LOOK_BACK);
    let (mut counts, mut sessions) = (Vec::new(), Vec::new());
    user.window(
        (from, day),
        from,
        &mut |of_day| counts.push(of_day),
        &mut |session| sessions.push(*session),
    );
    let mut totals = Totals::default();
    let mut add = |day: Day, change: &dyn Fn(&mut Total)| {
        if let Some(row) = totals.row_mut(day, from) {
            change(row);
        }
    };
    let active = user.active_days(day, min_events);
    for ago in (0..=LOOK_BACK).filter(|ago| active >> ago & 1 == 1) {
        add(day.minus(ago), &|row| row.active_users = 1);
    }
    // A day may come twice: its counts, and its finished sessions with none.
    for of_day in counts {
        add(of_day.day, &|row| {
            row.add(&of_day);
            if of_day.features != 0 {
                row.used(of_day.features, 0);
            }
        });
    }
    for session in sessions {
        add(session.day, &|row| {
            row.count_sessions(1, session.duration_ms());
        });
    }
    user.settled_sessions(from, &mut |day, number, ms| {
        add(day, &|row| {
            row.count_sessions(number.cast_signed(), ms.cast_signed());
        });
    });
    totals
}

/// A metric of an account, or of one of its features.
struct Of {
    metric: &'static Metric,
    feature: Option<usize>,
}

impl Of {
    fn explained(&self, column: Column, view: &View<'_>, look: &Look<'_>) -> Explanation {
        let parts = self.metric.read(view, self.feature);
        let why = &self.metric.why;
        let users = match why.users {
            true => self.users(&column, &parts, view, look),
            false => Vec::new(),
        };
        Explanation {
            day: view.day,
            value: self.told(&parts, view),
            parts: self.named(&column, &parts, view),
            table: table(&parts),
            deed: why.days.or(why.user_days).map(|(deed, _)| deed),
            days: self.days(why.days, view),
            without_user: why.days.and(why.user_days).map(|(deed, _)| {
                let of_users: u64 = users.iter().map(|(_, parts)| sum(parts)).sum();
                deed.told(sum(&parts).saturating_sub(of_users))
            }),
            users: users.into_iter().map(|(user, _)| user).collect(),
            column,
        }
    }

    fn told(&self, parts: &Parts, view: &View<'_>) -> Value {
        let asked = Asked {
            day: view.day,
            group: false,
        };
        (self.metric.tell)(parts, asked)
    }

    /// The numbers that the metric names, and the values of the metrics in its formula that are not among them.
    fn named(&self, column: &Column, parts: &Parts, view: &View<'_>) -> Vec<Part> {
        let shows = self.metric.why.shows.iter();
        let mut named: Vec<Part> = shows.flat_map(|show| show.parts(parts, view)).collect();
        for name in names_in(column.info.formula) {
            let is_known = named.iter().any(|part| part.name == name);
            let metric = metrics::CATALOGUE.iter().find(|one| one.info.id == name);
            let Some(metric) = metric.filter(|_| !is_known && name != column.info.id) else {
                continue;
            };
            let feature = self.feature.filter(|_| metric.is_of_features());
            let of = Of { metric, feature };
            let value = of.told(&metric.read(view, feature), view);
            named.push(Part::value(name, value));
        }
        named
    }

    /// Those who give the value something, and what.
    fn users(
        &self,
        column: &Column,
        all: &Parts,
        view: &View<'_>,
        look: &Look<'_>,
    ) -> Vec<(ByUser, Parts)> {
        let numbers = 0..view.account.users.len() as UserNo;
        let mut users: Vec<_> = numbers
            .filter_map(|no| {
                let alone = look.alone(no, view.day);
                let alone = View::new(&alone, look.terms, look.zones, view.day);
                let parts = self.metric.read(&alone, self.feature);
                let user = self.user(column, &parts, &alone);
                let counts = match self.metric.why.is_of_champion() {
                    true => !user.days.is_empty(),
                    false => counts(&parts, all),
                };
                counts.then_some((user, parts))
            })
            .collect();
        users.sort_by(|(one, _), (other, _)| one.id.cmp(&other.id));
        users
    }

    fn user(&self, column: &Column, parts: &Parts, alone: &View<'_>) -> ByUser {
        let why = &self.metric.why;
        let shows = why.shows.iter();
        let mut named: Vec<Part> = Vec::new();
        if !why.is_of_champion() {
            named.extend(shows.flat_map(|show| show.parts_of_user(parts, alone)));
            if named.is_empty() {
                named.push(Part::value(&column.name(), self.told(parts, alone)));
            }
        }
        let moments = why.moments.iter();
        ByUser {
            id: alone.account.users.name(0),
            parts: named,
            moments: moments.map(|one| one.part(alone, self.feature)).collect(),
            days: self.days(why.user_days, alone),
        }
    }

    fn days(&self, counted: Option<(Deed, i32)>, view: &View<'_>) -> Vec<OnDay> {
        let Some((deed, days)) = counted else {
            return Vec::new();
        };
        let days = (0..days).rev().map(|ago| view.day.minus(ago));
        let days = days.filter_map(|day| {
            let amount = view.sum_of(day, day, |row| deed.of(row, view, self.feature));
            let amount = (amount > 0).then(|| deed.told(amount))?;
            Some(OnDay { day, amount })
        });
        days.collect()
    }
}

/// Whether somebody who alone gives these parts is one of those who make the value.
fn counts(alone: &Parts, all: &Parts) -> bool {
    match alone {
        Parts::Nothing => false,
        Parts::Sums([a, b, ..]) => *a != 0 || *b != 0,
        Parts::Table(table) => table.total() > 0,
        Parts::Spread(spread) => spread.total() > 0,
        Parts::Newest(_) => alone == all,
    }
}

fn sum(parts: &Parts) -> u64 {
    match parts {
        Parts::Sums([n, ..]) => u64::try_from(*n).unwrap_or(0),
        Parts::Nothing | Parts::Table(_) | Parts::Spread(_) | Parts::Newest(_) => 0,
    }
}

fn table(parts: &Parts) -> Vec<(Value, u64)> {
    match parts {
        Parts::Table(table) => table
            .iter()
            .map(|(key, times)| (Value::Count(key.into()), times))
            .collect(),
        Parts::Spread(spread) => spread
            .iter()
            .map(|(bucket, times)| (Value::Seconds(spread::greatest(bucket)), times))
            .collect(),
        Parts::Nothing | Parts::Sums(_) | Parts::Newest(_) => Vec::new(),
    }
}

/// The words of a formula that may be ids of metrics.
fn names_in(formula: &str) -> impl Iterator<Item = &str> {
    let is_part_of_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    formula.split(move |c| !is_part_of_name(c))
}
