//! What an item costs: each time it is paid, and how many times that is in a month.
//!
//! Knows prices, quantities, packages, tiers and intervals. Knows no discount and no time.

use mainstay_model::{Interval, Item, Price, Round, Span, Tier, TiersMode};

use super::exact::Exact;

/// What an item costs each time it is paid, before discounts, in minor units.
pub(super) fn each_time(item: &Item<'_>) -> Exact {
    let units = units(item);
    match &item.price {
        Price::Each(unit) => Exact::decimal(*unit) * &Exact::whole(units),
        Price::Tiers(TiersMode::Graduated, tiers) => graduated(tiers, units),
        Price::Tiers(TiersMode::Volume, tiers) => volume(tiers, units),
    }
}

/// How many times a month something is paid: a day is 1/365 of a year, a year twelve months.
pub(super) fn times_a_month(interval: Interval) -> Exact {
    let (part, whole) = match interval.span {
        Span::Day => (365, 12),
        Span::Week => (365, 84),
        Span::Month => (1, 1),
        Span::Year => (1, 12),
    };
    Exact::quotient(part, whole * i128::from(interval.count.get()))
}

/// How many units of the price the quantity is.
fn units(item: &Item<'_>) -> u64 {
    let Some(packages) = item.packages else {
        return item.quantity;
    };
    let size = packages.divide_by.get();
    match packages.round {
        Round::Up => item.quantity.div_ceil(size),
        Round::Down => item.quantity / size,
    }
}

/// Each unit at the price of its own tier, and once what each tier that is reached costs besides.
///
/// Units beyond the end of the last tier are paid as in it.
fn graduated(tiers: &[Tier], units: u64) -> Exact {
    let mut begun = 0;
    let mut cost = Exact::zero();
    for (place, tier) in tiers.iter().enumerate() {
        let last = place + 1 == tiers.len();
        let end = tier.up_to.filter(|_| !last).unwrap_or(units).min(units);
        if end > begun {
            cost += &(Exact::decimal(tier.unit) * &Exact::whole(end - begun));
            cost += &Exact::decimal(tier.flat);
            begun = end;
        }
    }
    cost
}

/// All units at the price of the tier that the last one lies in. Nothing bought costs nothing.
fn volume(tiers: &[Tier], units: u64) -> Exact {
    let reached = tiers
        .iter()
        .find(|tier| tier.up_to.is_none_or(|end| units <= end));
    match reached.or(tiers.last()) {
        Some(tier) if units > 0 => {
            Exact::decimal(tier.unit) * &Exact::whole(units) + &Exact::decimal(tier.flat)
        }
        Some(_) | None => Exact::zero(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::story::{item, price, tiers};
    use mainstay_model::{Decimal, Packages};
    use std::num::NonZeroU64;

    fn monthly(item: &Item<'_>) -> Exact {
        each_time(item) * &times_a_month(item.interval.unwrap())
    }

    /// The vectors of the definition of a monthly amount.
    #[test]
    fn an_amount_is_made_monthly_by_its_interval() {
        for (amount, quantity, span, count, part, whole) in [
            (1000, 2, Span::Month, 1, 2000, 1),
            (120_000, 1, Span::Year, 1, 10_000, 1),
            (30_000, 1, Span::Month, 3, 10_000, 1),
            // 4345 5/21 before rounding.
            (1000, 1, Span::Week, 1, 4345 * 21 + 5, 21),
            (1200, 1, Span::Day, 1, 36_500, 1),
            (240_000, 1, Span::Year, 2, 10_000, 1),
            (1000, 1, Span::Week, 2, 4345 * 21 + 5, 42),
        ] {
            let item = item(amount, quantity, span, count);
            let shown = format!("{quantity} x {amount} every {count} {span:?}");
            assert_eq!(monthly(&item), Exact::quotient(part, whole), "{shown}");
        }
        assert_eq!(monthly(&item(1000, 1, Span::Week, 1)).rounded(), 4345);
    }

    #[test]
    fn twelve_units_of_a_graduated_price_are_paid_tier_by_tier() {
        let tiers = tiers(&[(Some(5), 700, 0), (Some(10), 600, 0), (None, 500, 0)]);
        let cost = |mode, quantity| {
            each_time(&price(Price::Tiers(mode, tiers.clone()), quantity)).rounded()
        };
        assert_eq!(cost(TiersMode::Graduated, 12), 7500);
        assert_eq!(cost(TiersMode::Volume, 12), 6000);
        for (quantity, graduated, volume) in [
            (0, 0, 0),
            (1, 700, 700),
            (5, 3500, 3500),
            (6, 4100, 3600),
            (10, 6500, 6000),
            (11, 7000, 5500),
        ] {
            assert_eq!(
                cost(TiersMode::Graduated, quantity),
                graduated,
                "{quantity}"
            );
            assert_eq!(cost(TiersMode::Volume, quantity), volume, "{quantity}");
        }
    }

    #[test]
    fn a_tier_costs_its_flat_amount_once_it_is_reached() {
        let tiers = tiers(&[(Some(5), 10, 100), (Some(10), 5, 1000)]);
        let cost = |mode, quantity| {
            each_time(&price(Price::Tiers(mode, tiers.clone()), quantity)).rounded()
        };
        assert_eq!(cost(TiersMode::Graduated, 5), 150);
        assert_eq!(cost(TiersMode::Graduated, 6), 150 + 1005);
        assert_eq!(cost(TiersMode::Volume, 6), 1030);
        // Beyond the last tier its price goes on.
        assert_eq!(cost(TiersMode::Graduated, 12), 150 + 1035);
        assert_eq!(cost(TiersMode::Volume, 12), 1060);
    }

    #[test]
    fn two_hundred_and_fifty_pieces_in_packages_of_a_hundred_are_three_packages() {
        let cost = |quantity, round| {
            let divide_by = NonZeroU64::new(100).unwrap();
            let mut item = item(900, quantity, Span::Month, 1);
            item.packages = Some(Packages { divide_by, round });
            monthly(&item).rounded()
        };
        assert_eq!(cost(250, Round::Up), 2700);
        assert_eq!(cost(250, Round::Down), 1800);
        assert_eq!(cost(200, Round::Up), 1800);
        assert_eq!(cost(0, Round::Up), 0);
    }

    #[test]
    fn a_price_below_a_cent_is_exact() {
        let tenth = Decimal::parse("0.1").unwrap();
        assert_eq!(
            each_time(&price(Price::Each(tenth), 3)),
            Exact::quotient(3, 10)
        );
    }
}
