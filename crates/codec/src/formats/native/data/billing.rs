//! From billing as it is written to the words of billing: what one state of a subscription must hold to.
//!
//! Past this door an item has one price, tiers rise, a discount takes something off, and no amount is so
//! large that a sum of an account could pass what an `i128` holds. What needs the states before (a currency
//! that changes) is the ledger's.

use std::num::NonZeroU64;

use mainstay_model::{
    Body, Code, Decimal, Interval, Outcome, Packages, Payment, Period, Planned, Price, Reduction,
    Rejection, Round, Span, UsageType,
};

use super::{Cost, Discount, Interval as Every, Invoice, Item, Subscription, Tier};
use crate::wire::{Minor, bad, missing};

/// More discounts than anybody gives. Each makes the exact fractions longer, so there is a limit.
const MOST_DISCOUNTS: usize = 50;

/// The state of a subscription, once its items and discounts mean something.
pub(super) fn subscription<'a>(wire: Subscription<'a>) -> Result<Body<'a>, Rejection> {
    let next = match wire.next {
        Some(next) => Some(Planned {
            at: next.at,
            items: items(next.items, "next.items")?,
        }),
        None => None,
    };
    Ok(Body::Subscription(Box::new(mainstay_model::Subscription {
        id: wire.subscription_id,
        status: wire.status,
        currency: wire.currency,
        items: items(wire.items, "items")?,
        discounts: discounts(wire.discounts.unwrap_or_default())?,
        started_at: wire.started_at,
        trial_end: wire.trial_end,
        current_period_end: wire.current_period_end,
        term_end: wire.term_end,
        cancel_at: wire.cancel_at,
        cancel_requested_at: wire.cancel_requested_at,
        ended_at: wire.ended_at,
        cancel_reason: wire.cancel_reason,
        signed_at: wire.signed_at,
        next,
        version: wire.version,
    })))
}

fn items<'a>(wires: Vec<Item<'a>>, list: &str) -> Result<Vec<mainstay_model::Item<'a>>, Rejection> {
    let mut items = Vec::with_capacity(wires.len());
    let mut room = i128::from(Minor::MOST) * Decimal::ONE;
    for (place, wire) in wires.into_iter().enumerate() {
        let path = format!("{list}[{place}]");
        let item = item(wire, &path)?;
        if item.interval.is_some() {
            room = left(room, &item, &path)?;
        }
        items.push(item);
    }
    Ok(items)
}

fn item<'a>(wire: Item<'a>, path: &str) -> Result<mainstay_model::Item<'a>, Rejection> {
    let price = price(&wire, path)?;
    let unit = |key, number: i64| {
        let number = u64::try_from(number).ok().and_then(NonZeroU64::new);
        number.ok_or_else(|| bad(&format!("{path}.{key}"), "found 0, expected 1 or more"))
    };
    let packages = match wire.divide_by {
        Some(divide_by) => Some(Packages {
            divide_by: unit("divide_by", divide_by.0)?,
            round: wire.round.unwrap_or(Round::Up),
        }),
        None => None,
    };
    let count = unit(
        "interval_count",
        wire.interval_count.map_or(1, |count| count.0),
    )?;
    let span = wire.interval.and_then(|interval| match interval {
        Every::Day => Some(Span::Day),
        Every::Week => Some(Span::Week),
        Every::Month => Some(Span::Month),
        Every::Year => Some(Span::Year),
        Every::Never => None,
    });
    Ok(mainstay_model::Item {
        price_id: wire.price_id,
        product: wire.product,
        price,
        quantity: wire.quantity.0.unsigned_abs(),
        packages,
        interval: span.map(|span| Interval { span, count }),
        usage: wire.usage_type.unwrap_or(UsageType::Licensed),
    })
}

/// An item has a unit price or tiers, and not both.
fn price(item: &Item<'_>, path: &str) -> Result<Price, Rejection> {
    let missing = |key| Err(missing(Code::MissingField, &format!("{path}.{key}")));
    match (&item.unit_amount_minor, &item.tiers, item.tiers_mode) {
        (None, None, _) => missing("unit_amount_minor"),
        (None, Some(_), None) => missing("tiers_mode"),
        (Some(_), Some(tiers), _) if !tiers.is_empty() => Err(bad(
            &format!("{path}.tiers"),
            "stands beside unit_amount_minor; expected one of the two",
        )),
        (None, Some(wires), Some(mode)) => Ok(Price::Tiers(mode, tiers(wires, path)?)),
        (Some(unit), _, _) => Ok(Price::Each(unit.exact())),
    }
}

/// Tiers rise, and only the last one may be without end.
fn tiers(wires: &[Tier<'_>], path: &str) -> Result<Vec<mainstay_model::Tier>, Rejection> {
    if wires.is_empty() {
        return Err(bad(&format!("{path}.tiers"), "is empty"));
    }
    for (place, pair) in wires.windows(2).enumerate() {
        let (first, next) = (&pair[0].up_to, &pair[1].up_to);
        let rises = match (first, next) {
            (Some(first), Some(next)) => first.0 < next.0,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if !rises {
            let path = format!("{path}.tiers[{}].up_to", place + 1);
            return Err(bad(&path, "is not above that of the tier before"));
        }
    }
    let tier = |tier: &Tier<'_>| mainstay_model::Tier {
        up_to: tier.up_to.map(|last| last.0.unsigned_abs()),
        unit: tier.unit_amount_minor.exact(),
        flat: tier
            .flat_amount_minor
            .as_ref()
            .map_or(Decimal::default(), |flat| flat.exact()),
    };
    Ok(wires.iter().map(tier).collect())
}

/// What is left of the most that a subscription may cost each time it is paid, after one more item.
///
/// An item that comes again is no gift: below 0 it would turn a discount round and make a customer of less
/// than nothing. Each of its parts is held against the most, whatever its tiers make of the quantity.
fn left(room: i128, item: &mainstay_model::Item<'_>, path: &str) -> Result<i128, Rejection> {
    let (key, units, flats): (_, Vec<Decimal>, Vec<Decimal>) = match &item.price {
        Price::Each(unit) => ("unit_amount_minor", vec![*unit], Vec::new()),
        Price::Tiers(_, tiers) => (
            "tiers",
            tiers.iter().map(|tier| tier.unit).collect(),
            tiers.iter().map(|tier| tier.flat).collect(),
        ),
    };
    let refused = |why: String| Rejection::new(Code::BadAmount, format!("{path}.{key}"), why);
    if let Some(below) = units.iter().chain(&flats).find(|amount| amount.parts() < 0) {
        let why = format!("found {below} to be paid again and again, expected no less than 0");
        return Err(refused(why));
    }
    let dearest = units.iter().max().map_or(0, |unit| unit.parts());
    let cost = dearest
        .checked_mul(i128::from(item.quantity))
        .and_then(|cost| {
            flats
                .iter()
                .try_fold(cost, |cost, flat| cost.checked_add(flat.parts()))
        });
    cost.and_then(|cost| room.checked_sub(cost))
        .filter(|left| *left >= 0)
        .ok_or_else(|| {
            let most = Minor::MOST;
            let quantity = item.quantity;
            refused(format!(
                "times {quantity} brings the subscription above {most} minor units each time it is paid"
            ))
        })
}

fn discounts<'a>(wires: Vec<Discount<'a>>) -> Result<Vec<mainstay_model::Discount<'a>>, Rejection> {
    if wires.len() > MOST_DISCOUNTS {
        let why = format!("has {}, expected {MOST_DISCOUNTS} at most", wires.len());
        return Err(bad("discounts", why));
    }
    let mut places = wires.into_iter().enumerate();
    places.try_fold(Vec::new(), |mut all, (place, wire)| {
        all.push(discount(wire, &format!("discounts[{place}]"))?);
        Ok(all)
    })
}

/// A discount is a share or an amount, and not both.
fn discount<'a>(wire: Discount<'a>, path: &str) -> Result<mainstay_model::Discount<'a>, Rejection> {
    let amount = format!("{path}.amount_off_minor");
    let off = match (wire.percent_off, wire.amount_off_minor) {
        (None, None) => Err(missing(Code::MissingField, &format!("{path}.percent_off"))),
        (Some(_), Some(_)) => Err(bad(
            &amount,
            "stands beside percent_off; expected one of the two",
        )),
        (Some(percent), None) => Ok(Reduction::Percent(percent.exact)),
        (None, Some(Minor(off @ 0..))) => Ok(Reduction::Amount(off)),
        (None, Some(Minor(off))) => Err(Rejection::new(
            Code::BadAmount,
            amount,
            format!("found {off}, expected no less than 0"),
        )),
    }?;
    Ok(mainstay_model::Discount {
        off,
        duration: wire.duration,
        starts_at: wire.starts_at,
        ends_at: wire.ends_at,
        price_id: wire.price_id,
    })
}

impl<'a> Invoice<'a> {
    pub(super) fn body(self, outcome: Outcome) -> Body<'a> {
        Body::Payment(Payment {
            outcome,
            invoice: self.invoice_id,
            amount_minor: self.amount_minor.0,
            currency: self.currency,
            recurring: self.recurring,
            attempt: self.attempt.map(|attempt| {
                u32::try_from(attempt.0).expect("an attempt is read only up to a million")
            }),
            subscription: self.subscription_id,
        })
    }
}

impl Cost<'_> {
    pub(super) fn body<'a>(self) -> Body<'a> {
        Body::Cost(mainstay_model::Cost {
            purpose: self.purpose,
            amount_minor: self.amount_minor.0,
            currency: self.currency,
            period: self.period.map(|span| span.period),
        })
    }
}

/// `2026-03`, `2026-Q1` or `2026`
pub(super) fn period(text: &str) -> Option<Period> {
    let (year, part) = match text.split_once('-') {
        Some((year, part)) => (year, Some(part)),
        None => (text, None),
    };
    let four_digits = matches!(year.as_bytes(), [b'1'..=b'9', rest @ ..]
        if rest.len() == 3 && rest.iter().all(u8::is_ascii_digit));
    let year = year.parse().ok().filter(|_| four_digits)?;
    match part.map(str::as_bytes) {
        None => Some(Period::Year { year }),
        Some([b'Q', quarter @ b'1'..=b'4']) => Some(Period::Quarter {
            year,
            quarter: quarter - b'0',
        }),
        Some([tens @ (b'0' | b'1'), ones @ b'0'..=b'9']) => {
            let month = (tens - b'0') * 10 + (ones - b'0');
            (1..=12)
                .contains(&month)
                .then_some(Period::Month { year, month })
        }
        Some(_) => None,
    }
}
