//! The binary form of a state of a subscription, as it is kept.
//!
//! What is kept is what was told, not what the rules made of it: with other rules the same states have other
//! books. Bytes that are no state are refused, never half read.

use std::borrow::Cow;
use std::num::NonZeroU64;

use mainstay_model::{
    Currency, Decimal, Discount, DiscountDuration, Id, Interval, Item, Packages, Planned, Price,
    Reduction, Round, Span, Status, Subscription, Tier, TiersMode, Timestamp, UsageType,
};

use super::state::State;
use crate::pack::{Malformed, Packer, Unpacker};

/// The version of the form.
const VERSION: u64 = 1;

/// Bytes that are no state, or one of a version that is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("these bytes are no state of a subscription")]
pub struct NoState;

impl State {
    /// Writes the state at the end of `to`.
    pub fn pack(&self, to: &mut Vec<u8>) {
        let to = &mut Packer(to);
        to.uint(VERSION);
        to.bytes(self.event.as_bytes());
        maybe(to, self.source.as_deref(), |to, source| {
            to.bytes(source.as_bytes())
        });
        to.int(self.at.0);
        maybe(to, self.booked_from, |to, from| to.int(from.0));
        subscription(to, &self.told);
    }

    /// Reads a state from the whole of `bytes`.
    ///
    /// # Errors
    /// When they are anything else.
    pub fn unpack(bytes: &[u8]) -> Result<State, NoState> {
        let mut from = Unpacker(bytes);
        match read_state(&mut from) {
            Ok(state) if from.is_empty() => Ok(state),
            Ok(_) | Err(Malformed) => Err(NoState),
        }
    }
}

fn read_state(from: &mut Unpacker<'_>) -> Result<State, Malformed> {
    if from.uint()? != VERSION {
        return Err(Malformed);
    }
    Ok(State {
        event: from.text()?.into(),
        source: read_maybe(from, |from| Ok(from.text()?.into()))?,
        at: Timestamp(from.int()?),
        booked_from: read_maybe(from, |from| from.int().map(Timestamp))?,
        told: read_subscription(from)?,
    })
}

fn subscription(to: &mut Packer<'_>, of: &Subscription<'_>) {
    to.bytes(of.id.as_bytes());
    to.uint(place(&STATUSES, of.status));
    to.bytes(of.currency.code().as_bytes());
    list(to, &of.items, item);
    list(to, &of.discounts, discount);
    to.int(of.started_at.0);
    for at in [
        of.trial_end,
        of.current_period_end,
        of.term_end,
        of.cancel_at,
        of.cancel_requested_at,
        of.ended_at,
        of.signed_at,
    ] {
        maybe(to, at, |to, at| to.int(at.0));
    }
    maybe(to, of.cancel_reason.as_deref(), |to, reason| {
        to.bytes(reason.as_bytes())
    });
    maybe(to, of.next.as_ref(), |to, next| {
        to.int(next.at.0);
        list(to, &next.items, item);
    });
    maybe(to, of.version, |to, version| to.int(version));
}

fn read_subscription(from: &mut Unpacker<'_>) -> Result<Subscription<'static>, Malformed> {
    let instant = |from: &mut Unpacker<'_>| read_maybe(from, |from| from.int().map(Timestamp));
    Ok(Subscription {
        id: read_id(from)?,
        status: read_place(from, &STATUSES)?,
        currency: Currency::of(from.text()?).ok_or(Malformed)?,
        items: read_list(from, read_item)?,
        discounts: read_list(from, read_discount)?,
        started_at: Timestamp(from.int()?),
        trial_end: instant(from)?,
        current_period_end: instant(from)?,
        term_end: instant(from)?,
        cancel_at: instant(from)?,
        cancel_requested_at: instant(from)?,
        ended_at: instant(from)?,
        signed_at: instant(from)?,
        cancel_reason: read_maybe(from, read_text)?,
        next: read_maybe(from, |from| {
            Ok(Planned {
                at: Timestamp(from.int()?),
                items: read_list(from, read_item)?,
            })
        })?,
        version: read_maybe(from, Unpacker::int)?,
    })
}

fn item(to: &mut Packer<'_>, of: &Item<'_>) {
    to.bytes(of.price_id.as_bytes());
    maybe(to, of.product.as_deref(), |to, product| {
        to.bytes(product.as_bytes())
    });
    match &of.price {
        Price::Each(unit) => {
            to.uint(0);
            to.wide(unit.parts());
        }
        Price::Tiers(mode, tiers) => {
            to.uint(1 + place(&MODES, *mode));
            list(to, tiers, |to, tier| {
                maybe(to, tier.up_to, |to, end| to.uint(end));
                to.wide(tier.unit.parts());
                to.wide(tier.flat.parts());
            });
        }
    }
    to.uint(of.quantity);
    maybe(to, of.packages, |to, packages| {
        to.uint(packages.divide_by.get());
        to.uint(place(&ROUNDS, packages.round));
    });
    maybe(to, of.interval, |to, interval| {
        to.uint(place(&SPANS, interval.span));
        to.uint(interval.count.get());
    });
    to.uint(place(&USAGES, of.usage));
}

fn read_item(from: &mut Unpacker<'_>) -> Result<Item<'static>, Malformed> {
    Ok(Item {
        price_id: read_id(from)?,
        product: read_maybe(from, read_text)?,
        price: read_price(from)?,
        quantity: from.uint()?,
        packages: read_maybe(from, |from| {
            Ok(Packages {
                divide_by: read_one_or_more(from)?,
                round: read_place(from, &ROUNDS)?,
            })
        })?,
        interval: read_maybe(from, |from| {
            Ok(Interval {
                span: read_place(from, &SPANS)?,
                count: read_one_or_more(from)?,
            })
        })?,
        usage: read_place(from, &USAGES)?,
    })
}

fn read_price(from: &mut Unpacker<'_>) -> Result<Price, Malformed> {
    let mode = match from.uint()? {
        0 => return read_decimal(from).map(Price::Each),
        mode => *usize::try_from(mode - 1)
            .ok()
            .and_then(|place| MODES.get(place))
            .ok_or(Malformed)?,
    };
    let tiers = read_list(from, |from| {
        Ok(Tier {
            up_to: read_maybe(from, Unpacker::uint)?,
            unit: read_decimal(from)?,
            flat: read_decimal(from)?,
        })
    })?;
    Ok(Price::Tiers(mode, tiers))
}

fn discount(to: &mut Packer<'_>, of: &Discount<'_>) {
    match of.off {
        Reduction::Percent(share) => {
            to.uint(0);
            to.wide(share.parts());
        }
        Reduction::Amount(amount) => {
            to.uint(1);
            to.int(amount);
        }
    }
    to.uint(place(&DURATIONS, of.duration));
    maybe(to, of.starts_at, |to, at| to.int(at.0));
    maybe(to, of.ends_at, |to, at| to.int(at.0));
    maybe(to, of.price_id.as_deref(), |to, price| {
        to.bytes(price.as_bytes())
    });
}

fn read_discount(from: &mut Unpacker<'_>) -> Result<Discount<'static>, Malformed> {
    let off = match from.uint()? {
        0 => Reduction::Percent(read_decimal(from)?),
        1 => Reduction::Amount(from.int()?),
        _ => return Err(Malformed),
    };
    Ok(Discount {
        off,
        duration: read_place(from, &DURATIONS)?,
        starts_at: read_maybe(from, |from| from.int().map(Timestamp))?,
        ends_at: read_maybe(from, |from| from.int().map(Timestamp))?,
        price_id: read_maybe(from, read_id)?,
    })
}

// What is kept of a choice is its place in its list: new choices go to the end.
const STATUSES: [Status; 7] = [
    Status::Trialing,
    Status::Active,
    Status::PastDue,
    Status::Unpaid,
    Status::Paused,
    Status::Canceled,
    Status::Incomplete,
];
const MODES: [TiersMode; 2] = [TiersMode::Graduated, TiersMode::Volume];
const ROUNDS: [Round; 2] = [Round::Up, Round::Down];
const SPANS: [Span; 4] = [Span::Day, Span::Week, Span::Month, Span::Year];
const USAGES: [UsageType; 2] = [UsageType::Licensed, UsageType::Metered];
const DURATIONS: [DiscountDuration; 3] = [
    DiscountDuration::Once,
    DiscountDuration::Repeating,
    DiscountDuration::Forever,
];

fn place<T: PartialEq>(choices: &[T], choice: T) -> u64 {
    let place = choices.iter().position(|one| *one == choice);
    place.expect("every choice stands in its list") as u64
}

fn read_place<T: Copy>(from: &mut Unpacker<'_>, choices: &[T]) -> Result<T, Malformed> {
    let place = usize::try_from(from.uint()?).map_err(|_| Malformed)?;
    choices.get(place).copied().ok_or(Malformed)
}

fn maybe<T>(to: &mut Packer<'_>, value: Option<T>, write: impl FnOnce(&mut Packer<'_>, T)) {
    to.uint(u64::from(value.is_some()));
    if let Some(value) = value {
        write(to, value);
    }
}

fn read_maybe<'b, T>(
    from: &mut Unpacker<'b>,
    read: impl FnOnce(&mut Unpacker<'b>) -> Result<T, Malformed>,
) -> Result<Option<T>, Malformed> {
    match from.uint()? {
        0 => Ok(None),
        1 => read(from).map(Some),
        _ => Err(Malformed),
    }
}

fn list<T>(to: &mut Packer<'_>, all: &[T], mut write: impl FnMut(&mut Packer<'_>, &T)) {
    to.uint(all.len() as u64);
    all.iter().for_each(|one| write(to, one));
}

fn read_list<T>(
    from: &mut Unpacker<'_>,
    mut read: impl FnMut(&mut Unpacker<'_>) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    // Each takes a byte at least, so a wrong number ends at the end of the bytes.
    (0..from.uint()?).map(|_| read(from)).collect()
}

fn read_id(from: &mut Unpacker<'_>) -> Result<Id<'static>, Malformed> {
    Id::new(read_text(from)?).ok_or(Malformed)
}

fn read_text(from: &mut Unpacker<'_>) -> Result<Cow<'static, str>, Malformed> {
    Ok(Cow::Owned(from.text()?.to_owned()))
}

fn read_decimal(from: &mut Unpacker<'_>) -> Result<Decimal, Malformed> {
    Decimal::of_parts(from.wide()?).ok_or(Malformed)
}

fn read_one_or_more(from: &mut Unpacker<'_>) -> Result<NonZeroU64, Malformed> {
    NonZeroU64::new(from.uint()?).ok_or(Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::story::{at, item as monthly, off, percent, subscription, tiers};
    use proptest::prelude::*;

    fn full() -> State {
        let instant = Some(at("2026-03-01T00:00:00.001Z"));
        let mut tiered = monthly(900, 12, Span::Week, 2);
        let steps = tiers(&[(Some(5), 700, 0), (None, 500, 10)]);
        tiered.price = Price::Tiers(TiersMode::Volume, steps);
        tiered.product = Some("seats".into());
        tiered.usage = UsageType::Metered;
        tiered.packages = Some(Packages {
            divide_by: NonZeroU64::new(100).unwrap(),
            round: Round::Down,
        });
        let mut once = monthly(-5, 1, Span::Day, 1);
        once.interval = None;
        let mut coupon = percent("33.333333333333333333");
        coupon.duration = DiscountDuration::Repeating;
        (coupon.starts_at, coupon.ends_at) = (instant, instant);
        coupon.price_id = Id::new("price".into());
        let mut told = subscription(vec![tiered.clone(), once], vec![coupon, off(7)]);
        told.status = Status::Incomplete;
        told.trial_end = instant;
        told.current_period_end = instant;
        told.term_end = instant;
        told.cancel_at = instant;
        told.cancel_requested_at = instant;
        told.ended_at = instant;
        told.signed_at = instant;
        told.cancel_reason = Some("payment_failed".into());
        told.next = Some(Planned {
            at: at("2026-04-01T00:00:00Z"),
            items: vec![tiered],
        });
        told.version = Some(-3);
        State {
            event: "e1".into(),
            source: Some("billing".into()),
            at: at("2026-03-01T00:00:00Z"),
            told,
            booked_from: instant,
        }
    }

    #[test]
    fn what_is_packed_comes_back() {
        let bare = State {
            source: None,
            booked_from: None,
            told: subscription(vec![], vec![]),
            ..full()
        };
        for state in [full(), bare] {
            let mut bytes = Vec::new();
            state.pack(&mut bytes);
            assert_eq!(State::unpack(&bytes), Ok(state));
        }
    }

    #[test]
    fn a_state_that_is_cut_or_longer_is_none() {
        let mut bytes = Vec::new();
        full().pack(&mut bytes);
        for end in 0..bytes.len() {
            assert_eq!(State::unpack(&bytes[..end]), Err(NoState), "{end}");
        }
        bytes.push(0);
        assert_eq!(State::unpack(&bytes), Err(NoState));
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_or_read(damage: (prop::sample::Index, u8), bytes: Vec<u8>) {
            let _ = State::unpack(&bytes);
            let mut damaged = Vec::new();
            full().pack(&mut damaged);
            let place = damage.0.index(damaged.len());
            damaged[place] = damage.1;
            let _ = State::unpack(&damaged);
        }
    }
}
