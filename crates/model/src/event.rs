//! What happened, once a format has read and checked it.
//!
//! A format fills these from bytes; nothing behind it knows what the bytes looked like. Text is borrowed
//! from the record where it could be.

use std::borrow::Cow;

use crate::{Cost, Id, Outcome, Payment, Subscription, Timestamp, Zone};

/// One thing that happened to one account.
#[derive(Clone, Debug, PartialEq)]
pub struct Event<'a> {
    /// Unique within `source` and `account`.
    pub id: Id<'a>,
    /// The system that the id comes from.
    pub source: Option<Cow<'a, str>>,
    /// The account that it happened to; `*`, the whole company, in costs only.
    pub account: Id<'a>,
    /// The user who did it, where one did.
    pub user: Option<Id<'a>>,
    /// When it happened.
    pub time: Timestamp,
    /// When the company's own systems received it; `replay` takes it for the arrival.
    pub received_at: Option<Timestamp>,
    /// A hash of the decoded event without `received_at`: two events with one id and different digests
    /// are a conflict, not a duplicate.
    pub digest: u32,
    /// What happened.
    pub body: Body<'a>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Body<'a> {
    /// Somebody, or something, used the product.
    Product {
        /// The company's own name for what was done.
        name: Cow<'a, str>,
        /// How long it took; 0 where the sender does not say.
        duration_ms: i64,
        /// Who did it.
        actor: Actor,
    },
    /// A user signed up.
    UserSignedUp(UserFields<'a>),
    /// A user was invited, which does not make the user known yet.
    UserInvited(UserFields<'a>),
    /// A user was removed from the account.
    UserRemoved,
    /// Something about a user changed.
    UserUpdated(UserFields<'a>),
    /// An account was created.
    AccountCreated(AccountFields<'a>),
    /// Something about an account changed.
    AccountUpdated(AccountFields<'a>),
    /// An account is gone: no final record after the day of this event.
    AccountDeleted,
    /// The whole state of a subscription. Apart, because it is large and rare.
    Subscription(Box<Subscription<'a>>),
    /// What became of an invoice, or of what was paid for it.
    Payment(Payment<'a>),
    /// A cost of winning, keeping or onboarding customers.
    Cost(Cost),
    /// A checked event of a kind whose facts are not kept yet: it makes its account known and moves
    /// stream time.
    Other(Kind),
}

impl Body<'_> {
    /// The kind of the event, which names it on the wire.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Body::Product { .. } => Kind::ProductEvent,
            Body::UserSignedUp(_) => Kind::UserSignedUp,
            Body::UserInvited(_) => Kind::UserInvited,
            Body::UserRemoved => Kind::UserRemoved,
            Body::UserUpdated(_) => Kind::UserUpdated,
            Body::AccountCreated(_) => Kind::AccountCreated,
            Body::AccountUpdated(_) => Kind::AccountUpdated,
            Body::AccountDeleted => Kind::AccountDeleted,
            Body::Subscription(_) => Kind::SubscriptionUpdated,
            Body::Payment(payment) => match payment.outcome {
                Outcome::Paid => Kind::InvoicePaid,
                Outcome::Failed => Kind::InvoicePaymentFailed,
                Outcome::Voided => Kind::InvoiceVoided,
                Outcome::Refunded => Kind::PaymentRefunded,
                Outcome::Disputed => Kind::PaymentDisputed,
            },
            Body::Cost(_) => Kind::CostRecorded,
            Body::Other(kind) => *kind,
        }
    }
}

impl<'a> Body<'a> {
    /// What the event says of its account's fields, if that is what it is for.
    #[must_use]
    pub fn account_fields(&self) -> Option<&AccountFields<'a>> {
        match self {
            Body::AccountCreated(fields) | Body::AccountUpdated(fields) => Some(fields),
            Body::Product { .. }
            | Body::UserSignedUp(_)
            | Body::UserInvited(_)
            | Body::UserRemoved
            | Body::UserUpdated(_)
            | Body::AccountDeleted
            | Body::Subscription(_)
            | Body::Payment(_)
            | Body::Cost(_)
            | Body::Other(_) => None,
        }
    }
}

/// Who used the product.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Actor {
    /// A person, also when the sender does not say.
    #[default]
    Human,
    /// A program of the customer.
    Api,
    /// A software agent acting for a person.
    Agent,
}

/// A field of an account or a user in an event: absent keeps what was there, null erases it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Field<T> {
    /// Not in the event.
    #[default]
    Keep,
    /// Null in the event.
    Erase,
    /// Given in the event.
    Set(T),
}

/// What an event may say of an account.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AccountFields<'a> {
    /// What people call it.
    pub name: Field<Cow<'a, str>>,
    /// The plan that it is on.
    pub plan: Field<Cow<'a, str>>,
    /// How many users it has bought.
    pub seats: Field<u32>,
    /// Its time zone: days of the account are days there, from the arrival of this event on.
    pub tz: Field<Zone>,
    /// Its industry.
    pub industry: Field<Cow<'a, str>>,
    /// Its region.
    pub region: Field<Cow<'a, str>>,
    /// Its size class.
    pub size: Field<Cow<'a, str>>,
    /// The customer-success manager who looks after it.
    pub owner: Field<Cow<'a, str>>,
    /// When its contract is up for renewal.
    pub renewal_at: Field<Timestamp>,
    /// The account that it belongs to.
    pub parent: Field<Cow<'a, str>>,
    /// Named traits of the company's own, by rising name, each once; an empty list keeps what was there.
    pub traits: Vec<(Cow<'a, str>, Field<Cow<'a, str>>)>,
}

impl<'a> AccountFields<'a> {
    /// The field of a trait by its name: one that every account has, or one of the company's own.
    #[must_use]
    pub fn named(&self, name: &str) -> &Field<Cow<'a, str>> {
        match name {
            "plan" => &self.plan,
            "industry" => &self.industry,
            "region" => &self.region,
            "size" => &self.size,
            "owner" => &self.owner,
            _ => {
                let own = self.traits.iter().find(|(own, _)| own == name);
                own.map_or(&Field::Keep, |(_, field)| field)
            }
        }
    }
}

/// What an event may say of a user.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UserFields<'a> {
    /// The user's role in the account.
    pub role: Field<Cow<'a, str>>,
    /// Named traits of the company's own, by rising name, each once.
    pub traits: Vec<(Cow<'a, str>, Field<Cow<'a, str>>)>,
}

macro_rules! kinds {
    ($($variant:ident $name:literal $doc:literal,)*) => {
        /// Every type of event that the native format knows.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $(#[doc = $doc] $variant,)*
        }

        impl Kind {
            /// Every kind, in the order of the documentation.
            pub const ALL: &'static [Kind] = &[$(Kind::$variant,)*];

            /// Its name on the wire.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Kind::$variant => $name,)* }
            }

            /// The kind of a name on the wire.
            #[must_use]
            pub fn of(name: &str) -> Option<Kind> {
                match name { $($name => Some(Kind::$variant),)* _ => None }
            }
        }
    };
}

kinds! {
    ProductEvent "product.event" "Use of the product.",
    UserSignedUp "user.signed_up" "A user signed up.",
    UserInvited "user.invited" "A user was invited.",
    UserRemoved "user.removed" "A user was removed.",
    UserUpdated "user.updated" "A user changed.",
    AccountCreated "account.created" "An account was created.",
    AccountUpdated "account.updated" "An account changed.",
    AccountDeleted "account.deleted" "An account is gone.",
    SubscriptionUpdated "subscription.updated" "The whole state of a subscription.",
    InvoicePaid "invoice.paid" "An invoice was paid.",
    InvoicePaymentFailed "invoice.payment_failed" "A payment of an invoice failed.",
    InvoiceVoided "invoice.voided" "An invoice was voided or written off.",
    PaymentRefunded "payment.refunded" "A payment was refunded.",
    PaymentDisputed "payment.disputed" "A payment was disputed.",
    CostRecorded "cost.recorded" "A cost of winning, keeping or onboarding customers.",
    TicketOpened "ticket.opened" "A support ticket was opened.",
    TicketReplied "ticket.replied" "Somebody replied to a ticket.",
    TicketResolved "ticket.resolved" "A ticket was resolved.",
    TicketReopened "ticket.reopened" "A ticket was opened again.",
    SurveyAnswered "survey.answered" "A survey was answered.",
    SurveyAmended "survey.amended" "An answer to a survey was changed.",
    ArticleViewed "article.viewed" "A help article was viewed.",
    ArticleRated "article.rated" "A help article was rated.",
    ReferralInvited "referral.invited" "The account invited somebody.",
    ReferralJoined "referral.joined" "Somebody invited by the account joined.",
    CsTouched "cs.touched" "Customer success was in touch.",
    CsPulse "cs.pulse" "The customer-success manager's own rating.",
    CsSentiment "cs.sentiment" "The customer's sentiment, as a manager noted it.",
    CsCancellationReason "cs.cancellation_reason" "Why the customer cancelled.",
    AlertAcknowledged "alert.acknowledged" "Somebody saw an alert.",
    AlertSnoozed "alert.snoozed" "Somebody put an alert off.",
    AlertResolved "alert.resolved" "Somebody closed an alert.",
    AlertAssigned "alert.assigned" "An alert was given to somebody.",
    UserMerged "user.merged" "Two users are one.",
    AccountMerged "account.merged" "Two accounts are one.",
    UserErased "user.erased" "A person is to be forgotten.",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_found_by_its_name() {
        for kind in Kind::ALL {
            assert_eq!(Kind::of(kind.name()), Some(*kind));
        }
        assert_eq!(Kind::of("product.evnt"), None);
    }
}
