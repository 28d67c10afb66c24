//! The choices by which companies and tools differ about recurring revenue, and what each tool chose.
//!
//! A mode of `revenue.rules` does nothing but set switches that an operator could set one by one. Where a tool
//! publishes no rule, ours holds. What differs only in how a period is told (whether a customer won and lost
//! in one period counts, at which day's rate a period is told) is no switch of the ledger.

use crate::pack::Packer;

/// The choices of an operator about recurring revenue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// When a subscription that is given up stops to count.
    pub churn_at: ChurnAt,
    /// Which discounts lower recurring revenue.
    pub discounts: Discounts,
    /// Whether metered items are recurring revenue.
    pub metered: bool,
    /// After how many days past due a subscription is over; `None`: when the billing system says so. 1 to 90.
    pub past_due_churn_days: Option<u8>,
    /// What a paused subscription counts.
    pub paused: Paused,
    /// What an account is that has paid and pays nothing any more.
    pub free_after_paid: FreeAfterPaid,
    /// After how many days a customer who comes back is a new one; `None`: never.
    pub reactivation_max_gap_days: Option<u16>,
    /// What makes a churn a passive one.
    pub passive: Passive,
}

/// When a subscription that is given up stops to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChurnAt {
    /// When the service ends: `ended_at`, else `cancel_at`, else the time of the state that ended it.
    ServiceEnd,
    /// When it was cancelled: the time of the first canceled or unpaid state.
    Cancellation,
    /// When the customer asked for it: `cancel_requested_at`, else the first state with `cancel_at`.
    Requested,
}

/// Which discounts lower recurring revenue while they are active.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Discounts {
    /// Those for one invoice.
    pub once: bool,
    /// Those for some time.
    pub repeating: bool,
    /// Those for some time, of subscriptions that are paid by the year.
    pub repeating_on_yearly: bool,
    /// Those for good.
    pub forever: bool,
}

/// What a paused subscription counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paused {
    /// What it counted before.
    Keep,
    /// Nothing.
    Zero,
}

/// What an account is that has paid and pays nothing any more, but goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FreeAfterPaid {
    /// A customer still.
    Customer,
    /// Lost.
    Churned,
}

/// What makes a churn a passive one: not the customer's own will.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passive {
    /// It was past due or unpaid when it ended, or its reason is `payment_failed`.
    StatusOrReason,
    /// It was past due or unpaid when it ended.
    Status,
    /// Its reason is `payment_failed`.
    Reason,
}

/// Whose rules are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Our own.
    Mainstay,
    /// Those that Stripe publishes.
    Stripe,
    /// Those that ChartMogul publishes.
    Chartmogul,
    /// Those that ProfitWell publishes.
    Profitwell,
    /// Those that Maxio publishes.
    Maxio,
    /// Those that Chargebee publishes.
    Chargebee,
}

impl Discounts {
    /// All but those for one invoice.
    pub const RECURRING: Discounts = Discounts {
        once: false,
        repeating: true,
        repeating_on_yearly: true,
        forever: true,
    };
    /// All.
    pub const ALL: Discounts = Discounts {
        once: true,
        ..Discounts::RECURRING
    };
}

impl Default for Rules {
    fn default() -> Rules {
        Rules {
            churn_at: ChurnAt::ServiceEnd,
            discounts: Discounts::RECURRING,
            metered: false,
            past_due_churn_days: None,
            paused: Paused::Keep,
            free_after_paid: FreeAfterPaid::Customer,
            reactivation_max_gap_days: None,
            passive: Passive::StatusOrReason,
        }
    }
}

impl Rules {
    /// Writes every switch as a number: the same choices are the same numbers in every release.
    pub(crate) fn pack(&self, to: &mut Packer<'_>) {
        let Rules {
            churn_at,
            discounts,
            metered,
            past_due_churn_days,
            paused,
            free_after_paid,
            reactivation_max_gap_days,
            passive,
        } = self;
        let Discounts {
            once,
            repeating,
            repeating_on_yearly,
            forever,
        } = discounts;
        to.uint(match churn_at {
            ChurnAt::ServiceEnd => 0,
            ChurnAt::Cancellation => 1,
            ChurnAt::Requested => 2,
        });
        for yes in [once, repeating, repeating_on_yearly, forever, metered] {
            to.uint(u64::from(*yes));
        }
        // No number of days is 0.
        to.uint(past_due_churn_days.unwrap_or(0).into());
        to.uint(match paused {
            Paused::Keep => 0,
            Paused::Zero => 1,
        });
        to.uint(match free_after_paid {
            FreeAfterPaid::Customer => 0,
            FreeAfterPaid::Churned => 1,
        });
        to.uint(reactivation_max_gap_days.map_or(0, |days| u64::from(days) + 1));
        to.uint(match passive {
            Passive::StatusOrReason => 0,
            Passive::Status => 1,
            Passive::Reason => 2,
        });
    }

    /// The switches as a mode sets them.
    #[must_use]
    pub fn of(mode: Mode) -> Rules {
        let ours = Rules::default();
        match mode {
            Mode::Mainstay => ours,
            Mode::Stripe => Rules {
                churn_at: ChurnAt::Cancellation,
                discounts: Discounts {
                    repeating: false,
                    ..Discounts::RECURRING
                },
                ..ours
            },
            Mode::Chartmogul => Rules {
                discounts: Discounts::ALL,
                ..ours
            },
            Mode::Profitwell => Rules {
                discounts: Discounts::ALL,
                metered: true,
                free_after_paid: FreeAfterPaid::Churned,
                passive: Passive::Status,
                ..ours
            },
            Mode::Maxio => Rules {
                churn_at: ChurnAt::Cancellation,
                discounts: Discounts::ALL,
                reactivation_max_gap_days: Some(90),
                ..ours
            },
            Mode::Chargebee => Rules {
                discounts: Discounts {
                    repeating_on_yearly: false,
                    ..Discounts::RECURRING
                },
                passive: Passive::Reason,
                ..ours
            },
        }
    }
}
