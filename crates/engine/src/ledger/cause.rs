//! What brought a change of a subscription about, told by comparing it before and after.

use mainstay_model::{Id, Item};

use super::timeline::{Counted, Standing, Step};

/// What brought a movement about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// A subscription began, or its trial was taken.
    Start,
    /// Another price is paid: another plan, one more item or one less.
    Plan,
    /// Another quantity.
    Quantity,
    /// The same price costs something else.
    Price,
    /// A discount began, or grew.
    DiscountStart,
    /// A discount ended, or shrank.
    DiscountEnd,
    /// It was cancelled.
    Cancel,
    /// It was not paid.
    PaymentFailed,
    /// It was paused.
    Paused,
    /// It goes on after a pause.
    Resumed,
    /// The account goes on for nothing.
    Free,
    /// A rate of exchange changed.
    Fx,
}

impl Cause {
    /// Every cause. What is kept of one is its place here: new ones go to the end.
    pub const ALL: [Cause; 12] = [
        Cause::Start,
        Cause::Plan,
        Cause::Quantity,
        Cause::Price,
        Cause::DiscountStart,
        Cause::DiscountEnd,
        Cause::Cancel,
        Cause::PaymentFailed,
        Cause::Paused,
        Cause::Resumed,
        Cause::Free,
        Cause::Fx,
    ];

    /// Its name in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Cause::Start => "start",
            Cause::Plan => "plan",
            Cause::Quantity => "quantity",
            Cause::Price => "price",
            Cause::DiscountStart => "discount_start",
            Cause::DiscountEnd => "discount_end",
            Cause::Cancel => "cancel",
            Cause::PaymentFailed => "payment_failed",
            Cause::Paused => "paused",
            Cause::Resumed => "resumed",
            Cause::Free => "free",
            Cause::Fx => "fx",
        }
    }

    /// The cause as the account sees it: one that pays nothing any more and stays is free, whatever its
    /// subscriptions did, unless it only rests or does not pay what it owes.
    pub(super) fn of_account(self, stays_for_nothing: bool) -> Cause {
        match self {
            Cause::Paused | Cause::PaymentFailed => self,
            Cause::Start
            | Cause::Plan
            | Cause::Quantity
            | Cause::Price
            | Cause::DiscountStart
            | Cause::DiscountEnd
            | Cause::Cancel
            | Cause::Resumed
            | Cause::Free
            | Cause::Fx => match stays_for_nothing {
                true => Cause::Free,
                false => self,
            },
        }
    }
}

/// What happened to a subscription between two of its steps.
pub(super) fn cause(before: Option<&Step>, now: &Step) -> Cause {
    let (counted, monthly) = match &now.standing {
        Standing::Over { passive: true, .. } => return Cause::PaymentFailed,
        Standing::Over { passive: false, .. } | Standing::NotBegun => return Cause::Cancel,
        Standing::On(counted, monthly) => (*counted, monthly),
    };
    let Some((before, Standing::On(old, old_monthly))) =
        before.map(|before| (before, &before.standing))
    else {
        return Cause::Start;
    };
    match (old, counted) {
        (_, Counted::Paused) => Cause::Paused,
        (Counted::Paused, _) => Cause::Resumed,
        (_, Counted::NeverPaid) => Cause::PaymentFailed,
        (_, Counted::Trial) => Cause::Free,
        (Counted::Trial | Counted::NeverPaid, Counted::InFull) => Cause::Start,
        (Counted::InFull, Counted::InFull) if old_monthly.gross != monthly.gross => {
            bought(&before.state.told.items, &now.state.told.items)
        }
        (Counted::InFull, Counted::InFull) if old_monthly.net < monthly.net => Cause::DiscountEnd,
        (Counted::InFull, Counted::InFull) => Cause::DiscountStart,
    }
}

/// How what is bought again and again changed.
fn bought(before: &[Item<'_>], now: &[Item<'_>]) -> Cause {
    let (before, now) = (quantities(before), quantities(now));
    let prices = |all: &[(&Id<'_>, u64)]| -> Vec<String> {
        all.iter()
            .map(|(price, _)| price.as_str().to_owned())
            .collect()
    };
    if prices(&before) != prices(&now) {
        return Cause::Plan;
    }
    let same = before
        .iter()
        .zip(&now)
        .all(|(before, now)| before.1 == now.1);
    if same { Cause::Price } else { Cause::Quantity }
}

/// The recurring items by price and quantity, in an order of their own.
fn quantities<'i>(items: &'i [Item<'i>]) -> Vec<(&'i Id<'i>, u64)> {
    let recurring = items.iter().filter(|item| item.interval.is_some());
    let mut all: Vec<_> = recurring
        .map(|item| (&item.price_id, item.quantity))
        .collect();
    all.sort();
    all
}
