//! What accounts are billed, told through the engine: by event, by time, late, too late, and after restarts.

use std::borrow::Cow;
use std::collections::BTreeMap;

use mainstay_model::{
    AccountDaily, AccountFields, Body, Code, Currency, Day, Decimal, Event, Field, Id, MrrMovement,
    Span, Status, Subscription, Timestamp, Value,
};

use crate::engine::{Due, Engine, Outputs, Place, Verdict};
use crate::ledger::Rates;
use crate::ledger::story::{item, subscription};
use crate::metrics::account_columns;
use crate::settings::Settings;

const DAY_MS: i64 = 86_400_000;
/// Day 0 is 2026-03-01.
const FIRST_DAY: i32 = 20_513;

fn at(days: i32, hour: i64) -> Timestamp {
    Timestamp(i64::from(FIRST_DAY + days) * DAY_MS + hour * 3_600_000)
}

/// A shard, what it said, and its changelog.
struct Shard {
    settings: Settings,
    engine: Engine,
    heard: Heard,
    events: u32,
    /// The engine is made anew from its changelog after every event.
    restarts: bool,
    log: BTreeMap<Vec<u8>, Vec<u8>>,
}

#[derive(Default)]
struct Heard {
    mrr_at: usize,
    /// All that was told of days, in order.
    days: Vec<(String, i32, u32, Value)>,
    /// All that was told of movements, one line each, in order.
    movements: Vec<String>,
    /// Of each movement what was told last: its account, amount and revision.
    last: BTreeMap<String, (String, Timestamp, i128, u32)>,
}

impl Outputs for Heard {
    fn account_daily(&mut self, record: &AccountDaily<'_>) {
        let mrr = record.values.get(self.mrr_at).cloned();
        let day = record.date.since(Day(FIRST_DAY));
        let told = (
            record.account.to_owned(),
            day,
            record.revision,
            mrr.unwrap_or(Value::Undefined),
        );
        self.days.push(told);
    }

    fn mrr_movement(&mut self, movement: &MrrMovement<'_>) {
        assert_eq!(movement.before + movement.amount, movement.after);
        let days = (movement.at.0 - at(0, 0).0) / DAY_MS;
        self.movements.push(format!(
            "{} day {days} {} {} {} -> {} {} r{}",
            movement.account,
            movement.kind,
            movement.cause,
            movement.before,
            movement.after,
            movement.event.unwrap_or("-"),
            movement.revision
        ));
        let told = (
            movement.account.to_owned(),
            movement.at,
            movement.amount,
            movement.revision,
        );
        let before = self.last.insert(movement.id.to_owned(), told);
        assert_eq!(movement.revision, before.map_or(0, |before| before.3 + 1));
    }
}

impl Shard {
    fn new() -> Shard {
        Shard::with(Settings::default())
    }

    fn with(settings: Settings) -> Shard {
        let columns = account_columns(&settings);
        let mrr_at = columns.iter().position(|column| column.name() == "mrr");
        Shard {
            engine: empty(&settings),
            settings,
            heard: Heard {
                mrr_at: mrr_at.unwrap(),
                ..Heard::default()
            },
            events: 0,
            restarts: false,
            log: BTreeMap::new(),
        }
    }

    fn bills(&mut self, account: &str, at: Timestamp, told: Subscription<'static>) -> Verdict {
        self.hears(account, at, Body::Subscription(Box::new(told)))
    }

    /// Something happens to somebody else: time moves.
    fn passes(&mut self, to: Timestamp) {
        self.hears(
            "somebody else",
            to,
            Body::AccountCreated(AccountFields::default()),
        );
    }

    fn hears(&mut self, account: &str, at: Timestamp, body: Body<'static>) -> Verdict {
        self.events += 1;
        let id = format!("e{}", self.events);
        self.hears_of(&id, account, at, body)
    }

    fn hears_of(&mut self, id: &str, account: &str, at: Timestamp, body: Body<'static>) -> Verdict {
        let text = |text: &str| Id::new(Cow::Owned(text.to_owned())).unwrap();
        let event = Event {
            id: text(id),
            source: None,
            account: text(account),
            user: None,
            time: at,
            received_at: None,
            digest: 0,
            body,
        };
        let verdict = self.engine.apply(0, at, &event, &mut self.heard);
        while self.engine.work(&mut self.heard) {}
        self.saves();
        verdict
    }

    fn saves(&mut self) {
        let log = &mut self.log;
        self.engine.save(&mut |key, value| match value {
            Some(value) => _ = log.insert(key.to_vec(), value.to_vec()),
            None => assert!(log.remove(key).is_some(), "{key:?} was there"),
        });
        assert_eq!(self.engine.live_keys(), self.log.len() as u64);
        if self.restarts {
            self.engine = empty(&self.settings);
            for (key, value) in &self.log {
                self.engine.restore(key, Some(value));
            }
            self.engine.restored().unwrap();
        }
    }

    /// What was told last of the revenue of a day.
    fn mrr(&self, account: &str, day: i32) -> Option<i64> {
        let mut days = self.heard.days.iter().rev();
        let (.., told) = days.find(|(whose, on, ..)| whose == account && *on == day)?;
        match told {
            Value::Count(mrr) => Some(*mrr),
            Value::Undefined | Value::Ratio(_) | Value::Seconds(_) | Value::List(_) => None,
            Value::Day(_) | Value::Name(_) => None,
        }
    }

    /// On every day that was told, revenue is the sum of all movements until then.
    fn balances(&self) {
        for (account, day, ..) in &self.heard.days {
            let end = at(day + 1, 0);
            let until = self.heard.last.values();
            let until = until.filter(|(whose, at, ..)| whose == account && *at < end);
            let sum: i128 = until.map(|(.., amount, _)| amount).sum();
            let told = self.mrr(account, *day).map(i128::from);
            assert_eq!(told, Some(sum), "{account} on day {day}");
        }
    }

    fn movements(&mut self) -> Vec<String> {
        std::mem::take(&mut self.heard.movements)
    }
}

fn empty(settings: &Settings) -> Engine {
    let place = Place { number: 0, of: 1 };
    Engine::new(settings.clone(), &["all".to_owned()], place)
}

fn costs(amount: i64) -> Subscription<'static> {
    subscription(vec![item(amount, 1, Span::Month, 1)], vec![])
}

fn over(amount: i64) -> Subscription<'static> {
    Subscription {
        status: Status::Canceled,
        ..costs(amount)
    }
}

fn euros(amount: i64) -> Subscription<'static> {
    Subscription {
        id: Id::new("in euros".into()).unwrap(),
        currency: Currency::of("EUR").unwrap(),
        ..costs(amount)
    }
}

/// One euro is so many dollars from a day on.
fn rates(dated: &[(i32, &str)]) -> Settings {
    let mut settings = Settings::default();
    let mut rates = Rates::into(Currency::of("USD").unwrap());
    for (day, rate) in dated {
        let rate = Decimal::parse(rate).unwrap();
        let euro = Currency::of("EUR").unwrap();
        rates.set(euro, Day(FIRST_DAY + day), rate).unwrap();
    }
    settings.revenue.rates = rates;
    settings
}

#[test]
fn what_is_refused_leaves_no_trace() {
    let mut shard = Shard::new();
    let euros = Body::Subscription(Box::new(euros(100)));
    let verdict = shard.hears_of("e1", "acme", at(0, 9), euros);
    assert!(
        matches!(&verdict, Verdict::Rejected(why) if why.code == Code::BadCurrency),
        "{verdict:?}"
    );
    assert!(!shard.engine.knows("acme"));
    let mut silent = Shard::new();
    silent.saves();
    assert_eq!(shard.log, silent.log);
    let dollars = Body::Subscription(Box::new(costs(100)));
    let verdict = shard.hears_of("e1", "acme", at(0, 9), dollars);
    assert_eq!(verdict, Verdict::Applied { late: false });
}

#[test]
fn what_is_planned_is_told_when_time_comes_without_any_event_of_the_account() {
    let mut shard = Shard::new();
    let mut planned = costs(5000);
    planned.cancel_at = Some(at(5, 12));
    shard.bills("acme", at(0, 9), planned);
    assert_eq!(shard.movements(), ["acme day 0 new start 0 -> 5000 e1 r0"]);
    shard.passes(at(5, 11));
    assert_eq!(shard.movements(), [""; 0]);
    assert_eq!(shard.engine.due(), Some(Due::RevenueMoves(at(5, 12))));
    shard.passes(at(5, 12));
    assert_eq!(
        shard.movements(),
        ["acme day 5 churn cancel 5000 -> 0 e1 r0"]
    );
    shard.passes(at(9, 0));
    assert_eq!(
        [4, 5].map(|day| shard.mrr("acme", day)),
        [Some(5000), Some(0)]
    );
    shard.balances();
}

#[test]
fn a_tick_alone_lets_what_is_planned_happen() {
    let mut shard = Shard::new();
    let mut planned = costs(5000);
    planned.cancel_at = Some(at(1, 12));
    shard.bills("acme", at(0, 9), planned);
    shard.movements();
    shard.engine.set_idle(0, true);
    shard.engine.tick(at(1, 12));
    while shard.engine.work(&mut shard.heard) {}
    assert_eq!(
        shard.movements(),
        ["acme day 1 churn cancel 5000 -> 0 e1 r0"]
    );
}

#[test]
fn a_late_state_corrects_days_and_movements() {
    let mut shard = Shard::new();
    shard.bills("acme", at(0, 9), costs(5000));
    shard.bills("acme", at(20, 9), costs(8000));
    shard.passes(at(30, 9));
    shard.movements();
    let verdict = shard.bills("acme", at(10, 9), over(5000));
    assert_eq!(verdict, Verdict::Applied { late: true });
    assert_eq!(
        shard.movements(),
        [
            "acme day 10 churn cancel 5000 -> 0 e4 r0",
            "acme day 20 reactivation start 0 -> 8000 e2 r1"
        ]
    );
    shard.passes(at(31, 9));
    assert_eq!(
        [9, 10, 19, 20].map(|day| shard.mrr("acme", day)),
        [Some(5000), Some(0), Some(0), Some(8000)]
    );
    shard.balances();
}

#[test]
fn a_movement_that_never_was_is_withdrawn_and_may_come_back() {
    let mut shard = Shard::new();
    let mut leaves = costs(5000);
    leaves.cancel_at = Some(at(10, 0));
    leaves.version = Some(1);
    shard.bills("acme", at(0, 9), leaves.clone());
    shard.passes(at(12, 0));
    let mut stays = costs(5000);
    stays.version = Some(2);
    shard.movements();
    shard.bills("acme", at(9, 0), stays);
    assert_eq!(
        shard.movements(),
        ["acme day 10 churn cancel 5000 -> 5000 e1 r1"]
    );
    leaves.version = Some(3);
    shard.bills("acme", at(9, 12), leaves);
    assert_eq!(
        shard.movements(),
        ["acme day 10 churn cancel 5000 -> 0 e4 r2"]
    );
    shard.passes(at(14, 0));
    shard.balances();
}

#[test]
fn what_comes_too_late_is_booked_on_the_oldest_day_that_can_be_corrected() {
    let mut shard = Shard::new();
    shard.bills("acme", at(0, 9), costs(5000));
    shard.passes(at(101, 9));
    shard.movements();
    let too_late = Body::Subscription(Box::new(costs(9000)));
    for _ in 0..2 {
        let verdict = shard.hears_of("late", "acme", at(20, 9), too_late.clone());
        assert!(matches!(&verdict, Verdict::Rejected(why) if why.code == Code::TooLate));
    }
    // Day 100 is closed, and 35 days before it can be corrected.
    assert_eq!(
        shard.movements(),
        ["acme day 65 expansion price 5000 -> 9000 late r0"]
    );
    shard.passes(at(102, 9));
    assert_eq!(
        [64, 65].map(|day| shard.mrr("acme", day)),
        [Some(5000), Some(9000)]
    );
    // Who is not known yet is, from then on.
    let verdict = shard.hears_of("late", "byte", at(20, 9), too_late);
    assert!(matches!(verdict, Verdict::Rejected(_)));
    shard.passes(at(103, 9));
    assert_eq!(
        [65, 66].map(|day| shard.mrr("byte", day)),
        [None, Some(9000)]
    );
    shard.balances();
}

#[test]
fn an_end_that_is_told_in_hindsight_is_booked_no_earlier_either() {
    let mut shard = Shard::new();
    shard.bills("acme", at(0, 9), costs(5000));
    shard.passes(at(101, 9));
    let mut ended = over(5000);
    ended.ended_at = Some(at(20, 0));
    shard.movements();
    shard.bills("acme", at(101, 9), ended);
    assert_eq!(
        shard.movements(),
        ["acme day 65 churn cancel 5000 -> 0 e3 r0"]
    );
    shard.passes(at(102, 9));
    shard.bills("acme", at(102, 9), costs(7000));
    shard.passes(at(110, 9));
    assert_eq!(
        [64, 65].map(|day| shard.mrr("acme", day)),
        [Some(5000), Some(0)]
    );
    shard.balances();
}

#[test]
fn a_rate_that_changes_is_a_movement_of_its_own() {
    let mut shard = Shard::with(rates(&[(0, "1.1"), (3, "1.2"), (8, "1.2")]));
    shard.bills("acme", at(1, 9), euros(1000));
    shard.passes(at(10, 9));
    assert_eq!(
        shard.movements(),
        [
            "acme day 1 new start 0 -> 1100 e1 r0",
            "acme day 3 fx fx 1100 -> 1200 - r0"
        ]
    );
    shard.balances();
}

fn moves_to(zone: &str) -> Body<'static> {
    Body::AccountUpdated(AccountFields {
        tz: Field::Set(zone.parse().unwrap()),
        ..AccountFields::default()
    })
}

#[test]
fn an_account_that_moves_keeps_the_days_that_were_told() {
    let mut shard = Shard::with(rates(&[(0, "1.1"), (3, "1.2"), (8, "1.3")]));
    shard.bills("acme", at(1, 20), euros(1000));
    shard.bills("acme", at(2, 20), euros(2000));
    shard.passes(at(5, 9));
    let told = shard.heard.days.len();
    // 20:00 is the next day in Tokyo.
    shard.hears("acme", at(5, 9), moves_to("Asia/Tokyo"));
    shard.passes(at(6, 12));
    let again = shard.heard.days[told..].iter();
    let again: Vec<_> = again
        .filter(|(whose, _, revision, _)| whose == "acme" && *revision > 0)
        .collect();
    assert!(again.is_empty(), "{again:?}");
    shard.movements();
    shard.passes(at(10, 0));
    // Day 8 begins in Tokyo at 15:00 of day 7.
    assert_eq!(shard.movements(), ["acme day 7 fx fx 2400 -> 2600 - r0"]);
}

/// All kinds of billing at once: what is planned, late, too late, in other currencies, in a zone told late.
fn history(shard: &mut Shard) {
    let mut leaves = costs(5000);
    leaves.cancel_at = Some(at(30, 12));
    shard.bills("acme", at(0, 9), costs(3000));
    shard.hears("acme", at(0, 10), moves_to("America/New_York"));
    shard.bills("acme", at(1, 9), leaves);
    shard.bills("byte", at(2, 9), euros(1000));
    shard.passes(at(12, 9));
    shard.bills("byte", at(6, 9), euros(700));
    shard.hears("byte", at(12, 10), moves_to("Asia/Tokyo"));
    shard.bills("acme", at(8, 9), costs(4500));
    shard.passes(at(29, 9));
    let mut leaves = costs(4000);
    leaves.cancel_at = Some(at(30, 12));
    shard.bills("acme", at(27, 9), leaves);
    shard.passes(at(30, 13));
    shard.bills("acme", at(28, 9), costs(4000));
    shard.passes(at(60, 9));
    shard.bills("byte", at(3, 9), euros(100));
    let mut ended = over(4000);
    ended.ended_at = Some(at(1, 0));
    shard.bills("acme", at(59, 9), ended);
    shard.hears("byte", at(61, 9), Body::AccountDeleted);
    (62..170)
        .step_by(9)
        .for_each(|day| shard.passes(at(day, 9)));
    shard.bills("byte", at(170, 9), euros(100));
    shard.passes(at(175, 9));
}

#[test]
fn a_restart_after_every_event_makes_no_difference() {
    let settings = rates(&[
        (0, "1.1"),
        (5, "1.2"),
        (7, "1.25"),
        (40, "1.15"),
        (173, "1.3"),
    ]);
    let [through, restarted] = [false, true].map(|restarts| {
        let mut shard = Shard::with(settings.clone());
        shard.restarts = restarts;
        history(&mut shard);
        shard
    });
    assert!(
        through.heard.movements.len() > 12,
        "{:#?}",
        through.heard.movements
    );
    assert_eq!(restarted.heard.movements, through.heard.movements);
    assert_eq!(restarted.heard.days, through.heard.days);
}

#[test]
fn final_movements_are_the_same_in_any_order_of_arrival() {
    let settings = rates(&[(0, "1.1"), (5, "1.2"), (7, "1.25")]);
    let mut leaves = costs(5000);
    leaves.cancel_at = Some(at(12, 12));
    let states = [
        (at(0, 9), costs(3000)),
        (at(1, 9), leaves),
        (at(2, 9), euros(1000)),
        (at(6, 9), euros(700)),
        (at(8, 9), over(5000)),
        (at(9, 9), costs(100)),
    ];
    let told = |order: &[usize]| {
        let mut shard = Shard::with(settings.clone());
        for place in order {
            let (at, told) = states[*place].clone();
            let body = Body::Subscription(Box::new(told));
            shard.hears_of(&format!("s{place}"), "acme", at, body);
        }
        shard.passes(at(20, 0));
        shard.passes(at(21, 0));
        shard.balances();
        let last = shard.heard.last.into_iter();
        let last = last.filter(|(_, (.., amount, _))| *amount != 0);
        last.map(|(id, (_, at, amount, _))| (id, at, amount))
            .collect::<Vec<_>>()
    };
    let in_order = told(&[0, 1, 2, 3, 4, 5]);
    assert!(in_order.len() >= 6, "{in_order:?}");
    for order in [[5, 4, 3, 2, 1, 0], [3, 0, 5, 1, 4, 2], [4, 5, 2, 0, 3, 1]] {
        assert_eq!(told(&order), in_order, "{order:?}");
    }
}

#[test]
fn nothing_is_left_of_an_account_that_is_forgotten() {
    let mut shard = Shard::new();
    let mut planned = costs(5000);
    planned.cancel_at = Some(at(500, 0));
    shard.bills("acme", at(0, 9), planned);
    shard.hears("acme", at(1, 9), Body::AccountDeleted);
    let revenue = |shard: &Shard| {
        let keys = shard.log.keys();
        keys.filter(|key| matches!(key[0], b'J' | b'Z')).count()
    };
    assert_eq!(revenue(&shard), 2);
    shard.passes(at(110, 0));
    assert_eq!(revenue(&shard), 0);
    assert_eq!(shard.movements().len(), 1);
    shard.passes(at(600, 0));
    assert_eq!(shard.movements(), [""; 0]);
}
