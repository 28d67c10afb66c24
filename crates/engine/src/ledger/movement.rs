//! Movements of an account's recurring revenue: what kinds there are, and which one a change is.
//!
//! A movement is of the account, never of one subscription: a second subscription is expansion, and a plan
//! that is left for another is no churn. All states of one instant are one change, so an end and a start that
//! touch are a switch.

use mainstay_model::{Currency, Timestamp};
use xxhash_rust::xxh3::xxh3_128;

use super::cause::Cause;
use super::switches::{FreeAfterPaid, Rules};

/// A change of an account's monthly recurring revenue.
///
/// `before` + [`Movement::amount`] = `after`, and the next movement begins where this one ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Movement {
    /// When.
    pub at: Timestamp,
    /// What it was for the account.
    pub kind: Kind,
    /// What brought it about, in the subscription that moved most.
    pub cause: Cause,
    /// The id of the event that told of it; none for an exchange rate.
    pub event: Option<Box<str>>,
    /// The account's revenue before, in minor units of the currency of the reports.
    pub before: i128,
    /// The account's revenue after it.
    pub after: i128,
    /// The same by the currency in which it is paid; those that did not change are left out.
    pub by_currency: Vec<Share>,
    /// How many days a customer who came back was away.
    pub gap_days: Option<i32>,
    /// How a customer was lost.
    pub churn: Option<Churn>,
}

/// What a movement is for an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// It pays for the first time.
    New,
    /// It pays more.
    Expansion,
    /// It pays less, or nothing and stays.
    Contraction,
    /// Its last subscription is over.
    Churn,
    /// It is back.
    Reactivation,
    /// A rate of exchange changed.
    Fx,
}

/// What moved in one currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// The currency that is paid.
    pub currency: Currency,
    /// Before and after, in minor units of that currency.
    pub original: (i128, i128),
    /// Before and after, in minor units of the currency of the reports.
    pub converted: (i128, i128),
}

/// How a customer was lost, by the subscription that was the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Churn {
    /// Without the customer's will.
    pub passive: bool,
    /// Why, in the billing system's words.
    pub reason: Option<Box<str>>,
    /// When the service ends.
    pub service_end: Option<Timestamp>,
    /// When the first canceled or unpaid state came.
    pub cancelled: Option<Timestamp>,
    /// When the customer asked for it.
    pub requested: Option<Timestamp>,
}

/// Where an account stands as a customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It has never paid.
    NeverPaid,
    /// It is a customer, also while it pays nothing.
    Customer {
        /// When it first paid, or came back.
        since: Timestamp,
    },
    /// It was one.
    Churned {
        /// When it was lost.
        at: Timestamp,
    },
}

impl Kind {
    /// Every kind. What is kept of one is its place here: new ones go to the end.
    pub const ALL: [Kind; 6] = [
        Kind::New,
        Kind::Expansion,
        Kind::Contraction,
        Kind::Churn,
        Kind::Reactivation,
        Kind::Fx,
    ];

    /// Its name in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::New => "new",
            Kind::Expansion => "expansion",
            Kind::Contraction => "contraction",
            Kind::Churn => "churn",
            Kind::Reactivation => "reactivation",
            Kind::Fx => "fx",
        }
    }
}

impl Movement {
    /// By how much the revenue changed: above 0 for more, below for less.
    #[must_use]
    pub fn amount(&self) -> i128 {
        self.after - self.before
    }

    /// What is told of one instant is one movement, and one more where a rate changed.
    pub(crate) fn place(&self) -> (Timestamp, bool) {
        (self.at, self.kind != Kind::Fx)
    }

    /// The id under which it is told, and told again when it is corrected: of the account and the place in
    /// its history alone, so that it is the same whatever was known when it was first told.
    #[must_use]
    pub fn id(&self, account: &str) -> String {
        movement_id(account, self.place())
    }
}

/// The id of the movement at a place in the history of an account.
pub(crate) fn movement_id(account: &str, (at, changed): (Timestamp, bool)) -> String {
    let mut bytes = account.as_bytes().to_vec();
    bytes.extend_from_slice(&at.0.to_le_bytes());
    bytes.push(u8::from(changed));
    format!("{:032x}", xxh3_128(&bytes))
}

/// An account at an instant, as far as it decides what a change is.
pub(super) struct Now {
    /// Its revenue before, in minor units of the currency of the reports.
    pub(super) before: i128,
    /// Its revenue after.
    pub(super) after: i128,
    /// It pays something, if only so little that nothing of it is left when it is rounded.
    pub(super) pays: bool,
    /// Some subscription of it is there and not over.
    pub(super) there: bool,
    /// How many days it has been away, if it is.
    pub(super) gap_days: Option<i32>,
}

/// What a change of an account's revenue is; `None` where it is nothing to tell.
pub(super) fn kind(life: Life, now: &Now, rules: &Rules) -> Option<Kind> {
    let too_long = |days: i32| {
        let most = rules.reactivation_max_gap_days;
        most.is_some_and(|most| days > i32::from(most))
    };
    match life {
        Life::NeverPaid => now.pays.then_some(Kind::New),
        Life::Churned { .. } if !now.pays => None,
        Life::Churned { .. } if now.gap_days.is_some_and(too_long) => Some(Kind::New),
        Life::Churned { .. } => Some(Kind::Reactivation),
        Life::Customer { .. } if !now.there => Some(Kind::Churn),
        Life::Customer { .. } if !now.pays && rules.free_after_paid == FreeAfterPaid::Churned => {
            Some(Kind::Churn)
        }
        Life::Customer { .. } => match now.after.cmp(&now.before) {
            std::cmp::Ordering::Greater => Some(Kind::Expansion),
            std::cmp::Ordering::Less => Some(Kind::Contraction),
            std::cmp::Ordering::Equal => None,
        },
    }
}

impl Life {
    /// Where the account stands after a movement.
    pub(super) fn after(self, kind: Kind, at: Timestamp) -> Life {
        match kind {
            Kind::New | Kind::Reactivation => Life::Customer { since: at },
            Kind::Churn => Life::Churned { at },
            Kind::Expansion | Kind::Contraction | Kind::Fx => self,
        }
    }
}
