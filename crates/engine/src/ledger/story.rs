//! Short ways to say what a customer bought, for tests.

use std::num::NonZeroU64;

use mainstay_model::{
    Currency, Decimal, Discount, DiscountDuration, Id, Interval, Item, Price, Reduction, Span,
    Status, Subscription, Tier, Timestamp, UsageType, Zone,
};

use super::{Days, Ledger, Movement, Policy, Rates, Rules, State};

/// An instant of RFC 3339 in UTC.
pub(super) fn at(text: &str) -> Timestamp {
    let (day, time) = text.trim_end_matches('Z').split_once('T').unwrap();
    let day: mainstay_model::Day = day.parse().unwrap();
    let (time, ms) = time.split_once('.').unwrap_or((time, "0"));
    let seconds = time
        .split(':')
        .fold(0, |sum, part| sum * 60 + part.parse::<i64>().unwrap());
    Timestamp(i64::from(day.0) * 86_400_000 + seconds * 1000 + ms.parse::<i64>().unwrap())
}

/// An item of the price `price`.
pub(crate) fn item(amount: i64, quantity: u64, span: Span, count: u64) -> Item<'static> {
    let mut item = price(Price::Each(Decimal::whole(amount)), quantity);
    item.interval = Some(Interval {
        span,
        count: NonZeroU64::new(count).unwrap(),
    });
    item
}

/// A monthly item of the price `price`.
pub(super) fn price(price: Price, quantity: u64) -> Item<'static> {
    Item {
        price_id: Id::new("price".into()).unwrap(),
        product: None,
        price,
        quantity,
        packages: None,
        interval: Some(Interval {
            span: Span::Month,
            count: NonZeroU64::MIN,
        }),
        usage: UsageType::Licensed,
    }
}

/// Tiers of an end, a price and a flat amount.
pub(super) fn tiers(tiers: &[(Option<u64>, i64, i64)]) -> Vec<Tier> {
    let tier = |(up_to, unit, flat): &(Option<u64>, i64, i64)| Tier {
        up_to: *up_to,
        unit: Decimal::whole(*unit),
        flat: Decimal::whole(*flat),
    };
    tiers.iter().map(tier).collect()
}

/// A share off, for good.
pub(crate) fn percent(share: &str) -> Discount<'static> {
    discount(Reduction::Percent(Decimal::parse(share).unwrap()))
}

/// An amount off, for good.
pub(super) fn off(amount: i64) -> Discount<'static> {
    discount(Reduction::Amount(amount))
}

fn discount(off: Reduction) -> Discount<'static> {
    Discount {
        off,
        duration: DiscountDuration::Forever,
        starts_at: None,
        ends_at: None,
        price_id: None,
    }
}

/// An active subscription in dollars since the beginning of 2026.
pub(crate) fn subscription(
    items: Vec<Item<'static>>,
    discounts: Vec<Discount<'static>>,
) -> Subscription<'static> {
    Subscription {
        id: Id::new("sub".into()).unwrap(),
        status: Status::Active,
        currency: Currency::of("USD").unwrap(),
        items,
        discounts,
        started_at: at("2026-01-01T00:00:00Z"),
        trial_end: None,
        current_period_end: None,
        term_end: None,
        cancel_at: None,
        cancel_requested_at: None,
        ended_at: None,
        cancel_reason: None,
        signed_at: None,
        next: None,
        version: None,
    }
}

/// What happens to the subscriptions of one account, and what its ledger tells of it.
pub(super) struct Story {
    pub(super) rules: Rules,
    pub(super) rates: Rates,
    pub(super) days: Days,
    pub(super) states: Vec<State>,
}

/// A state of the subscription in a [`Story`] that was told last.
pub(super) type Edit<'s> = &'s mut Subscription<'static>;

impl Story {
    pub(super) fn new() -> Story {
        Story {
            rules: Rules::default(),
            rates: Rates::into(Currency::of("USD").unwrap()),
            days: Days::of(Zone::UTC),
            states: Vec::new(),
        }
    }

    pub(super) fn with(rules: Rules) -> Story {
        Story {
            rules,
            ..Story::new()
        }
    }

    /// From `day` on a subscription pays `amount` a month and has this status. What it said before holds on.
    pub(super) fn state(&mut self, name: &str, day: &str, status: Status, amount: i64) -> Edit<'_> {
        let at = time(day);
        let mut of_it = self.states.iter().rev().map(|state| &state.told);
        let mut told = match of_it.find(|told| told.id.as_str() == name) {
            Some(before) => before.clone(),
            None => Subscription {
                id: Id::new(name.to_owned().into()).unwrap(),
                started_at: at,
                ..subscription(vec![], vec![])
            },
        };
        told.status = status;
        told.items = vec![item(amount, 1, Span::Month, 1)];
        self.states.push(State {
            event: format!("e{}", self.states.len() + 1).into(),
            source: None,
            at,
            told,
            booked_from: None,
        });
        let newest = self.states.last_mut().unwrap();
        &mut newest.told
    }

    /// One movement a line, up to `until`: when, what, why, before and after, and which event told it.
    pub(super) fn told(&self, until: &str) -> Vec<String> {
        self.ledger(until).movements().iter().map(line).collect()
    }

    pub(super) fn ledger(&self, until: &str) -> Ledger {
        let mut ledger = Ledger::default();
        for state in &self.states {
            ledger.take(state.clone(), &self.policy()).unwrap();
        }
        ledger.pass(time(until), &self.policy());
        ledger
    }

    pub(super) fn policy(&self) -> Policy<'_> {
        Policy {
            rules: &self.rules,
            rates: &self.rates,
            days: &self.days,
        }
    }
}

/// `01-15` and `01-15T12:00` are of 2026; `2027-01-15` is not.
pub(super) fn time(text: &str) -> Timestamp {
    let (day, time) = text.split_once('T').unwrap_or((text, "00:00"));
    let day = if day.len() == 5 {
        format!("2026-{day}")
    } else {
        day.to_owned()
    };
    at(&format!("{day}T{time}:00Z"))
}

/// `2026-01-15 new start 0 -> 5000 e1`, with the time of day where it is not midnight.
pub(super) fn line(movement: &Movement) -> String {
    let at = movement.at.to_string();
    let at = at.trim_end_matches("T00:00:00Z");
    let (kind, cause) = (movement.kind.name(), movement.cause.name());
    let (before, after) = (movement.before, movement.after);
    let event = movement.event.as_deref().unwrap_or("-");
    let gap = movement
        .gap_days
        .map_or_else(String::new, |days| format!(" after {days} days"));
    let how = match &movement.churn {
        Some(churn) if churn.passive => " passive",
        Some(_) => " active",
        None => "",
    };
    format!("{at} {kind} {cause} {before} -> {after} {event}{gap}{how}")
}
