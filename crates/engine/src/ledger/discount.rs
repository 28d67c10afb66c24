//! What a subscription comes to in a month, before and after its discounts.
//!
//! Discounts of an item go before those of the subscription, each in the order given. An amount off is
//! shared over what it is for by amount, before anything is made monthly; so each part of it loses the same
//! share, and the whole can be carried as that one share.

use std::collections::{BTreeMap, BTreeSet};

use mainstay_model::{
    Discount, DiscountDuration, Id, Interval, Item, Reduction, Span, Timestamp, UsageType,
};

use super::amount;
use super::exact::Exact;
use super::switches::Rules;

/// Recurring revenue of a month, exact, in minor units of one currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Monthly {
    /// Before discounts.
    pub gross: Exact,
    /// After the discounts that count.
    pub net: Exact,
}

impl Monthly {
    /// Nothing at all.
    #[must_use]
    pub fn zero() -> Monthly {
        Monthly {
            gross: Exact::zero(),
            net: Exact::zero(),
        }
    }
}

/// What some items cost: each time they are paid, and a month.
#[derive(Clone)]
struct Line {
    each_time: Exact,
    monthly: Exact,
}

/// What is bought in a subscription, before discounts: reckoned once, and asked at many instants.
pub(super) struct Bought<'s> {
    lines: BTreeMap<&'s Id<'s>, Line>,
    whole: Line,
    /// All of it is paid by the year.
    yearly: bool,
}

impl<'s> Bought<'s> {
    pub(super) fn of(items: &'s [Item<'s>], rules: &Rules) -> Bought<'s> {
        let mut lines: BTreeMap<&Id<'_>, Line> = BTreeMap::new();
        let mut whole = Line::nothing();
        let mut yearly = true;
        for (item, interval) in recurring(items, rules) {
            let each_time = amount::each_time(item);
            let monthly = each_time.clone() * &amount::times_a_month(interval);
            let cost = Line { each_time, monthly };
            whole.add(&cost);
            lines
                .entry(&item.price_id)
                .or_insert_with(Line::nothing)
                .add(&cost);
            yearly &= interval.span == Span::Year;
        }
        Bought {
            lines,
            whole,
            yearly,
        }
    }

    /// What it comes to in a month with those of these discounts that are active at `at`.
    pub(super) fn monthly(
        &self,
        discounts: &[Discount<'_>],
        at: Timestamp,
        rules: &Rules,
    ) -> Monthly {
        let counts = |discount: &&Discount<'_>| {
            is_active(discount, at) && counts(discount, self.yearly, rules)
        };
        let active: Vec<&Discount<'_>> = discounts.iter().filter(counts).collect();
        let mut left = self.whole.clone();
        let discounted: BTreeSet<&Id<'_>> = active
            .iter()
            .filter_map(|discount| discount.price_id.as_ref())
            .collect();
        for price in discounted {
            let Some(line) = self.lines.get(price) else {
                continue;
            };
            let own = active
                .iter()
                .filter(|discount| discount.price_id.as_ref() == Some(price));
            let off = Exact::one() - &left_after(&line.each_time, own);
            left.each_time -= &(off.clone() * &line.each_time);
            left.monthly -= &(off * &line.monthly);
        }
        let whole = active.iter().filter(|discount| discount.price_id.is_none());
        Monthly {
            gross: self.whole.monthly.clone(),
            net: left.monthly * &left_after(&left.each_time, whole),
        }
    }
}

impl Line {
    fn nothing() -> Line {
        Line {
            each_time: Exact::zero(),
            monthly: Exact::zero(),
        }
    }

    fn add(&mut self, more: &Line) {
        self.each_time += &more.each_time;
        self.monthly += &more.monthly;
    }
}

/// The items that are recurring revenue: one-off ones never are, metered ones only where the rules say so.
/// What is no recurring revenue takes no part of a discount either.
fn recurring<'s>(
    items: &'s [Item<'s>],
    rules: &Rules,
) -> impl Iterator<Item = (&'s Item<'s>, Interval)> {
    let metered = rules.metered;
    let counts = move |item: &&Item<'_>| item.usage == UsageType::Licensed || metered;
    let dated = |item: &'s Item<'s>| item.interval.map(|interval| (item, interval));
    items.iter().filter(counts).filter_map(dated)
}

/// The share of `amount` that discounts leave, one after the other, never below 0.
fn left_after<'d>(amount: &Exact, discounts: impl Iterator<Item = &'d &'d Discount<'d>>) -> Exact {
    let left = discounts.fold(amount.clone(), |left, discount| match discount.off {
        Reduction::Percent(share) => {
            let kept = Exact::whole(100) - &Exact::decimal(share);
            left * &kept * &Exact::quotient(1, 100)
        }
        Reduction::Amount(off) => (left - &Exact::whole(off)).max(Exact::zero()),
    });
    // Of nothing, nothing is taken off.
    left.share_of(amount).unwrap_or_else(Exact::one)
}

fn is_active(discount: &Discount<'_>, at: Timestamp) -> bool {
    discount.starts_at.is_none_or(|start| start <= at)
        && discount.ends_at.is_none_or(|end| at < end)
}

/// Whether the rules let a discount lower recurring revenue.
fn counts(discount: &Discount<'_>, yearly: bool, rules: &Rules) -> bool {
    match discount.duration {
        DiscountDuration::Once => rules.discounts.once,
        DiscountDuration::Repeating => {
            rules.discounts.repeating && (rules.discounts.repeating_on_yearly || !yearly)
        }
        DiscountDuration::Forever => rules.discounts.forever,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::story::{at, item, off, percent, subscription};
    use mainstay_model::Subscription;

    fn net(items: Vec<Item<'static>>, discounts: Vec<Discount<'static>>) -> Exact {
        let state = subscription(items, discounts);
        monthly(&state, at("2026-03-01T00:00:00Z"), &Rules::default()).net
    }

    fn monthly(of: &Subscription<'_>, at: Timestamp, rules: &Rules) -> Monthly {
        Bought::of(&of.items, rules).monthly(&of.discounts, at, rules)
    }

    fn named(mut item: Item<'static>, price: &'static str) -> Item<'static> {
        item.price_id = Id::new(price.into()).unwrap();
        item
    }

    fn only(mut discount: Discount<'static>, price: &'static str) -> Discount<'static> {
        discount.price_id = Id::new(price.into());
        discount
    }

    #[test]
    fn an_item_discount_goes_before_one_of_the_subscription() {
        let items = || vec![item(10_000, 1, Span::Month, 1)];
        let price = "price";
        assert_eq!(
            net(items(), vec![only(percent("25"), price), off(500)]),
            Exact::whole(7000)
        );
        // Also when it is named after it.
        assert_eq!(
            net(items(), vec![off(500), only(percent("25"), price)]),
            Exact::whole(7000)
        );
        assert_eq!(
            net(items(), vec![percent("25"), off(500)]),
            Exact::whole(7000)
        );
        assert_eq!(
            net(items(), vec![off(500), percent("25")]),
            Exact::whole(7125)
        );
    }

    #[test]
    fn an_amount_off_is_shared_by_amount_before_it_is_made_monthly() {
        // 90 a month and 10 a year, 10 off each: 9 of the monthly and 1 of the yearly price.
        let items = vec![
            named(item(9000, 1, Span::Month, 1), "a"),
            named(item(1000, 1, Span::Year, 1), "b"),
        ];
        let expected = Exact::whole(8100) + &Exact::quotient(900, 12);
        assert_eq!(net(items, vec![off(1000)]), expected);
    }

    #[test]
    fn a_discount_of_one_item_leaves_the_others() {
        let items = vec![
            named(item(9000, 1, Span::Month, 1), "a"),
            named(item(1000, 1, Span::Month, 1), "b"),
        ];
        assert_eq!(
            net(items.clone(), vec![only(off(400), "b")]),
            Exact::whole(9600)
        );
        assert_eq!(
            net(items.clone(), vec![only(off(4000), "b")]),
            Exact::whole(9000)
        );
        assert_eq!(net(items, vec![only(off(4000), "c")]), Exact::whole(10_000));
    }

    #[test]
    fn nothing_falls_below_0() {
        let items = || vec![item(1000, 1, Span::Month, 1)];
        assert_eq!(net(items(), vec![off(5000)]), Exact::zero());
        assert_eq!(net(items(), vec![off(5000), percent("10")]), Exact::zero());
        assert_eq!(net(items(), vec![percent("100"), off(1)]), Exact::zero());
        assert_eq!(
            net(vec![item(0, 1, Span::Month, 1)], vec![off(1)]),
            Exact::zero()
        );
    }

    #[test]
    fn a_discount_counts_from_its_start_to_its_end() {
        let mut discount = percent("50");
        discount.duration = DiscountDuration::Repeating;
        discount.starts_at = Some(at("2026-03-01T00:00:00Z"));
        discount.ends_at = Some(at("2026-06-01T00:00:00Z"));
        let state = subscription(vec![item(1000, 1, Span::Month, 1)], vec![discount]);
        for (instant, net) in [
            ("2026-02-28T23:59:59.999Z", 1000),
            ("2026-03-01T00:00:00Z", 500),
            ("2026-05-31T23:59:59.999Z", 500),
            ("2026-06-01T00:00:00Z", 1000),
        ] {
            let monthly = monthly(&state, at(instant), &Rules::default());
            assert_eq!(monthly.net, Exact::whole(net), "{instant}");
            assert_eq!(monthly.gross, Exact::whole(1000), "{instant}");
        }
    }

    #[test]
    fn a_coupon_for_one_invoice_does_not_count() {
        let mut once = percent("50");
        once.duration = DiscountDuration::Once;
        assert_eq!(
            net(vec![item(1000, 1, Span::Month, 1)], vec![once]),
            Exact::whole(1000)
        );
    }

    #[test]
    fn one_off_and_metered_items_are_no_recurring_revenue_and_take_no_discount() {
        let mut set_up = named(item(5000, 1, Span::Month, 1), "set-up");
        set_up.interval = None;
        let mut metered = named(item(5000, 1, Span::Month, 1), "use");
        metered.usage = UsageType::Metered;
        let items = vec![item(1000, 1, Span::Month, 1), set_up, metered];
        assert_eq!(net(items.clone(), vec![]), Exact::whole(1000));
        assert_eq!(net(items.clone(), vec![off(200)]), Exact::whole(800));
        let state = subscription(items, vec![]);
        let rules = Rules {
            metered: true,
            ..Rules::default()
        };
        assert_eq!(
            monthly(&state, at("2026-03-01T00:00:00Z"), &rules).net,
            Exact::whole(6000)
        );
    }
}
