//! What companies sell by subscription: the whole state of one, what became of an invoice, and costs.
//!
//! A subscription is told as a whole, with every state. Its prices, quantities and discounts stand here as
//! they were given; what they come to in a month is the ledger's to say. A shape that means nothing (two
//! prices for one item, tiers that fall, a discount of nothing) cannot be written down.

use std::borrow::Cow;
use std::num::NonZeroU64;

use crate::{Currency, Decimal, Id, Timestamp};

/// The whole state of a subscription at the time of its event.
#[derive(Clone, Debug, PartialEq)]
pub struct Subscription<'a> {
    /// Unique within its account.
    pub id: Id<'a>,
    /// Where it stands.
    pub status: Status,
    /// What it is paid in; never changes inside one subscription.
    pub currency: Currency,
    /// What is bought.
    pub items: Vec<Item<'a>>,
    /// What is taken off, in the order in which it is.
    pub discounts: Vec<Discount<'a>>,
    /// When it begins or began.
    pub started_at: Timestamp,
    /// When its trial ends or ended.
    pub trial_end: Option<Timestamp>,
    /// When the period that is paid for ends.
    pub current_period_end: Option<Timestamp>,
    /// When the contract ends.
    pub term_end: Option<Timestamp>,
    /// When it is to end.
    pub cancel_at: Option<Timestamp>,
    /// When the customer asked for the end.
    pub cancel_requested_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Why it was cancelled, in the sender's words.
    pub cancel_reason: Option<Cow<'a, str>>,
    /// When the contract was signed.
    pub signed_at: Option<Timestamp>,
    /// What will be bought later.
    pub next: Option<Planned<'a>>,
    /// Rises with every state where the sender counts them.
    pub version: Option<i64>,
}

/// Where a subscription stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It may be tried for nothing.
    Trialing,
    /// It is paid for.
    Active,
    /// A payment failed and is tried again.
    PastDue,
    /// Payments failed for good.
    Unpaid,
    /// It rests.
    Paused,
    /// It is cancelled.
    Canceled,
    /// Its first payment has not come through.
    Incomplete,
}

impl Status {
    /// Which of two states with one version and one time is the later one: that of the higher rank.
    #[must_use]
    pub fn rank(self) -> u8 {
        match self {
            Status::Incomplete => 0,
            Status::Trialing => 1,
            Status::Active => 2,
            Status::PastDue => 3,
            Status::Unpaid => 4,
            Status::Paused => 5,
            Status::Canceled => 6,
        }
    }
}

/// Something bought in a subscription.
#[derive(Clone, Debug, PartialEq)]
pub struct Item<'a> {
    /// The price that it is bought at.
    pub price_id: Id<'a>,
    /// The product that the price is for.
    pub product: Option<Cow<'a, str>>,
    /// What one unit costs.
    pub price: Price,
    /// How many are bought.
    pub quantity: u64,
    /// How many of them make one unit of the price; each is one where it does not say.
    pub packages: Option<Packages>,
    /// How often it is paid; `None` is a one-off.
    pub interval: Option<Interval>,
    /// Whether it is paid by number or by use.
    pub usage: UsageType,
}

/// What one unit costs, in minor units of the subscription's currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Price {
    /// The same for each.
    Each(Decimal),
    /// By how many are bought. The tiers rise, there is one or more, and all but the last have an end.
    Tiers(TiersMode, Vec<Tier>),
}

/// How tiers are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TiersMode {
    /// Each unit at the price of the tier in which it lies.
    Graduated,
    /// All units at the price of the tier in which the last one lies.
    Volume,
}

/// A step of a tiered price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tier {
    /// The last unit of the step; `None`: without end.
    pub up_to: Option<u64>,
    /// What one unit costs in it.
    pub unit: Decimal,
    /// What the step costs besides, once.
    pub flat: Decimal,
}

/// Several pieces sold as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packages {
    /// How many pieces one package has.
    pub divide_by: NonZeroU64,
    /// Whether a package that is not full is paid.
    pub round: Round,
}

/// Which way a quotient is rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Round {
    /// To the next whole number above.
    Up,
    /// To the next whole number below.
    Down,
}

/// How often something is paid: every `count` spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// The unit of time.
    pub span: Span,
    /// Every how many of them.
    pub count: NonZeroU64,
}

/// A unit of time in which prices are paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// A day.
    Day,
    /// Seven days.
    Week,
    /// A month.
    Month,
    /// A year.
    Year,
}

/// Whether something is paid by number or by use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsageType {
    /// By number, in advance.
    Licensed,
    /// By what was used.
    Metered,
}

/// Something taken off.
#[derive(Clone, Debug, PartialEq)]
pub struct Discount<'a> {
    /// How much.
    pub off: Reduction,
    /// For how long it is granted.
    pub duration: DiscountDuration,
    /// From when on it holds; from the beginning where it does not say.
    pub starts_at: Option<Timestamp>,
    /// Until when it holds, that instant left out; without end where it does not say.
    pub ends_at: Option<Timestamp>,
    /// The price of the only item that it is for; the whole subscription where it does not say.
    pub price_id: Option<Id<'a>>,
}

/// How much is taken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// A share in per cent, 0 to 100.
    Percent(Decimal),
    /// An amount in minor units for each time that is paid, not below 0.
    Amount(i64),
}

/// For how long a discount is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiscountDuration {
    /// For one invoice.
    Once,
    /// For some time.
    Repeating,
    /// For good.
    Forever,
}

/// A planned change of what is bought.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned<'a> {
    /// When.
    pub at: Timestamp,
    /// What will be bought then.
    pub items: Vec<Item<'a>>,
}

/// What became of an invoice, or of what was paid for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Payment<'a> {
    /// What happened.
    pub outcome: Outcome,
    /// The invoice.
    pub invoice: Id<'a>,
    /// How much, in minor units of `currency`.
    pub amount_minor: i64,
    /// What it is in.
    pub currency: Currency,
    /// Whether it is for something recurring.
    pub recurring: bool,
    /// Which attempt it was, the first being 1.
    pub attempt: Option<u32>,
    /// The subscription that it is for.
    pub subscription: Option<Id<'a>>,
}

/// What happened to an invoice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was paid.
    Paid,
    /// A payment of it failed.
    Failed,
    /// It was voided or written off.
    Voided,
    /// What was paid for it was given back.
    Refunded,
    /// What was paid for it is disputed.
    Disputed,
}

/// A cost of winning, keeping or onboarding customers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// What it was for.
    pub purpose: Purpose,
    /// How much, in minor units of `currency`.
    pub amount_minor: i64,
    /// What it is in.
    pub currency: Currency,
    /// Over which days it is spread evenly; on the event's own day where it does not say.
    pub period: Option<Period>,
}

/// What a cost was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Winning customers.
    Acquisition,
    /// Keeping them.
    Retention,
    /// Getting them started.
    Onboarding,
}

/// A month, a quarter or a year of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Period {
    /// `2026-03`
    Month {
        /// 1000 to 9999.
        year: u16,
        /// 1 to 12.
        month: u8,
    },
    /// `2026-Q1`
    Quarter {
        /// 1000 to 9999.
        year: u16,
        /// 1 to 4.
        quarter: u8,
    },
    /// `2026`
    Year {
        /// 1000 to 9999.
        year: u16,
    },
}

impl Subscription<'_> {
    /// The same state, which borrows from no record.
    #[must_use]
    pub fn into_owned(self) -> Subscription<'static> {
        Subscription {
            id: self.id.into_owned(),
            status: self.status,
            currency: self.currency,
            items: self.items.into_iter().map(Item::into_owned).collect(),
            discounts: self
                .discounts
                .into_iter()
                .map(Discount::into_owned)
                .collect(),
            started_at: self.started_at,
            trial_end: self.trial_end,
            current_period_end: self.current_period_end,
            term_end: self.term_end,
            cancel_at: self.cancel_at,
            cancel_requested_at: self.cancel_requested_at,
            ended_at: self.ended_at,
            cancel_reason: self.cancel_reason.map(owned),
            signed_at: self.signed_at,
            next: self.next.map(|next| Planned {
                at: next.at,
                items: next.items.into_iter().map(Item::into_owned).collect(),
            }),
            version: self.version,
        }
    }
}

impl Item<'_> {
    /// The same item, which borrows from no record.
    #[must_use]
    pub fn into_owned(self) -> Item<'static> {
        Item {
            price_id: self.price_id.into_owned(),
            product: self.product.map(owned),
            price: self.price,
            quantity: self.quantity,
            packages: self.packages,
            interval: self.interval,
            usage: self.usage,
        }
    }
}

impl Discount<'_> {
    /// The same discount, which borrows from no record.
    #[must_use]
    pub fn into_owned(self) -> Discount<'static> {
        Discount {
            off: self.off,
            duration: self.duration,
            starts_at: self.starts_at,
            ends_at: self.ends_at,
            price_id: self.price_id.map(Id::into_owned),
        }
    }
}

fn owned(text: Cow<'_, str>) -> Cow<'static, str> {
    Cow::Owned(text.into_owned())
}
