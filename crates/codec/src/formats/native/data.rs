//! The shape of `data`, type by type.
//!
//! Every type is declared and checked here. Those whose facts are kept become bodies of their own; the
//! others become [`Body::Other`] once their checks are passed, and their fields live on in the digest.
//! What one record alone can say is checked here; what needs the records before it is the engine's.

mod billing;

use std::borrow::Cow;

use mainstay_model::{
    AccountFields, Actor, Body, Currency, DiscountDuration, Field, Id, Kind, Outcome, Period,
    Purpose, Rejection, Round, Status, TiersMode, Timestamp, UsageType, UserFields, Zone,
};
use serde_json::{Value, json};

use crate::digest::{Digest, Digested};
use crate::json::{Reader, shown};
use crate::wire::{
    Amount, Millis, Minor, Name, Opaque, Percent, Price, Traits, Wire, bad, choices, wire,
};

/// A body that passed its checks, and the digest of its fields.
pub(super) type Checked<'a> = (Body<'a>, Digest);

/// Reads and checks the `data` of a kind of event.
pub(super) fn read<'a>(kind: Kind, reader: &mut Reader<'a>) -> Result<Checked<'a>, Rejection> {
    match kind {
        Kind::ProductEvent => take(reader, Product::body),
        Kind::UserSignedUp => take(reader, |user: User<'a>| Body::UserSignedUp(user.fields())),
        Kind::UserInvited => take(reader, |user: User<'a>| Body::UserInvited(user.fields())),
        Kind::UserRemoved => take(reader, |_: User<'a>| Body::UserRemoved),
        Kind::UserUpdated => take(reader, |user: User<'a>| Body::UserUpdated(user.fields())),
        Kind::AccountCreated => take(reader, |a: Account<'a>| Body::AccountCreated(a.fields())),
        Kind::AccountUpdated => take(reader, |a: Account<'a>| Body::AccountUpdated(a.fields())),
        Kind::AccountDeleted => take(reader, |_: Account<'a>| Body::AccountDeleted),
        Kind::SubscriptionUpdated => try_take(reader, billing::subscription),
        Kind::InvoicePaid => take(reader, |i: Invoice<'a>| i.body(Outcome::Paid)),
        Kind::InvoicePaymentFailed => take(reader, |i: Invoice<'a>| i.body(Outcome::Failed)),
        Kind::InvoiceVoided => take(reader, |i: Invoice<'a>| i.body(Outcome::Voided)),
        Kind::PaymentRefunded => take(reader, |i: Invoice<'a>| i.body(Outcome::Refunded)),
        Kind::PaymentDisputed => take(reader, |i: Invoice<'a>| i.body(Outcome::Disputed)),
        Kind::CostRecorded => take(reader, Cost::body),
        Kind::TicketOpened | Kind::TicketResolved | Kind::TicketReopened => {
            check(kind, reader, |_: &Ticket<'a>| Ok(()))
        }
        Kind::TicketReplied => check(kind, reader, |_: &Reply<'a>| Ok(())),
        Kind::SurveyAnswered => check(kind, reader, |answer: &Answer<'a>| {
            in_scale(answer.survey, answer.scale, answer.score)
        }),
        Kind::SurveyAmended => check(kind, reader, |answer: &Amendment<'a>| {
            in_scale(answer.survey, answer.scale, answer.score)
        }),
        Kind::ArticleViewed | Kind::ArticleRated => check(kind, reader, |_: &Article<'a>| Ok(())),
        Kind::ReferralInvited | Kind::ReferralJoined => {
            check(kind, reader, |_: &Referral<'a>| Ok(()))
        }
        Kind::CsTouched => check(kind, reader, |_: &Touch<'a>| Ok(())),
        Kind::CsPulse | Kind::CsSentiment => check(kind, reader, |_: &Rating<'a>| Ok(())),
        Kind::CsCancellationReason => check(kind, reader, |_: &Reason<'a>| Ok(())),
        Kind::AlertAcknowledged
        | Kind::AlertSnoozed
        | Kind::AlertResolved
        | Kind::AlertAssigned => check(kind, reader, |_: &Handling<'a>| Ok(())),
        Kind::UserMerged | Kind::AccountMerged => check(kind, reader, |_: &Merge<'a>| Ok(())),
        Kind::UserErased => check(kind, reader, |_: &Erasure<'a>| Ok(())),
    }
}

/// The JSON Schema of the `data` of a kind of event.
pub(super) fn schema(kind: Kind) -> Value {
    match kind {
        Kind::ProductEvent => Product::schema(),
        Kind::UserSignedUp | Kind::UserInvited | Kind::UserRemoved | Kind::UserUpdated => {
            User::schema()
        }
        Kind::AccountCreated | Kind::AccountUpdated | Kind::AccountDeleted => Account::schema(),
        Kind::SubscriptionUpdated => Subscription::schema(),
        Kind::InvoicePaid
        | Kind::InvoicePaymentFailed
        | Kind::InvoiceVoided
        | Kind::PaymentRefunded
        | Kind::PaymentDisputed => Invoice::schema(),
        Kind::CostRecorded => Cost::schema(),
        Kind::TicketOpened | Kind::TicketResolved | Kind::TicketReopened => Ticket::schema(),
        Kind::TicketReplied => Reply::schema(),
        Kind::SurveyAnswered => Answer::schema(),
        Kind::SurveyAmended => Amendment::schema(),
        Kind::ArticleViewed | Kind::ArticleRated => Article::schema(),
        Kind::ReferralInvited | Kind::ReferralJoined => Referral::schema(),
        Kind::CsTouched => Touch::schema(),
        Kind::CsPulse | Kind::CsSentiment => Rating::schema(),
        Kind::CsCancellationReason => Reason::schema(),
        Kind::AlertAcknowledged
        | Kind::AlertSnoozed
        | Kind::AlertResolved
        | Kind::AlertAssigned => Handling::schema(),
        Kind::UserMerged | Kind::AccountMerged => Merge::schema(),
        Kind::UserErased => Erasure::schema(),
    }
}

/// Whether events of this kind are about a user, so that they need one.
pub(super) fn needs_user(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::UserSignedUp
            | Kind::UserInvited
            | Kind::UserRemoved
            | Kind::UserUpdated
            | Kind::UserMerged
            | Kind::UserErased
    )
}

fn take<'a, W: Wire<'a> + Digested>(
    reader: &mut Reader<'a>,
    body: impl FnOnce(W) -> Body<'a>,
) -> Result<Checked<'a>, Rejection> {
    try_take(reader, |wire| Ok(body(wire)))
}

fn try_take<'a, W: Wire<'a> + Digested>(
    reader: &mut Reader<'a>,
    body: impl FnOnce(W) -> Result<Body<'a>, Rejection>,
) -> Result<Checked<'a>, Rejection> {
    let wire = W::read(reader)?;
    let mut digest = Digest::default();
    wire.digest(&mut digest);
    Ok((body(wire)?, digest))
}

fn check<'a, W: Wire<'a> + Digested>(
    kind: Kind,
    reader: &mut Reader<'a>,
    check: impl FnOnce(&W) -> Result<(), Rejection>,
) -> Result<Checked<'a>, Rejection> {
    let wire = W::read(reader)?;
    check(&wire)?;
    let mut digest = Digest::default();
    wire.digest(&mut digest);
    Ok((Body::Other(kind), digest))
}

wire! {
    /// Use of the product.
    Product<'a> {
        /// The company's own name for what was done.
        need name: Name<'a>,
        /// How long it took, in milliseconds.
        may duration_ms: Millis,
        /// The sender's own session; sessions are told by event times alone.
        may session_id: Cow<'a, str>,
        /// Who did it; a human where it does not say.
        may actor: Actor,
        /// Anything else.
        may properties: Opaque,
    }

    /// What is said of a user.
    User<'a> {
        /// The user's role in the account.
        keep role: Cow<'a, str>,
        /// Named traits.
        may traits: Traits<'a>,
    }

    /// What is said of an account: absent keeps, null erases.
    Account<'a> {
        /// What people call it.
        keep name: Cow<'a, str>,
        /// The plan that it is on.
        keep plan: Cow<'a, str>,
        /// How many users it has bought.
        keep seats: Seats,
        /// Its time zone, by which its days are told.
        keep tz: Zone,
        /// Its industry.
        keep industry: Cow<'a, str>,
        /// Its region.
        keep region: Cow<'a, str>,
        /// Its size class.
        keep size: Cow<'a, str>,
        /// The customer-success manager who looks after it.
        keep owner: Cow<'a, str>,
        /// When its contract is up for renewal.
        keep renewal_at: Timestamp,
        /// The account that it belongs to.
        keep parent_id: Id<'a>,
        /// Named traits.
        may traits: Traits<'a>,
    }

    /// The whole state of a subscription.
    Subscription<'a> {
        /// The subscription.
        need subscription_id: Id<'a>,
        /// Where it stands.
        need status: Status,
        /// What it is paid in.
        need currency: Currency,
        /// What is bought.
        need items: Vec<Item<'a>>,
        /// What is taken off.
        may discounts: Vec<Discount<'a>>,
        /// When it began.
        need started_at: Timestamp,
        /// When its trial ends or ended.
        may trial_end: Timestamp,
        /// When the period that is paid for ends.
        may current_period_end: Timestamp,
        /// When the contract ends.
        may term_end: Timestamp,
        /// When it is to end.
        may cancel_at: Timestamp,
        /// When the customer asked for the end.
        may cancel_requested_at: Timestamp,
        /// When it ended.
        may ended_at: Timestamp,
        /// Why it was cancelled.
        may cancel_reason: Cow<'a, str>,
        /// When the contract was signed.
        may signed_at: Timestamp,
        /// What is planned.
        may next: Planned<'a>,
        /// Rises with every state; the newest version counts.
        may version: i64,
    }

    /// Something bought in a subscription.
    Item<'a> {
        /// The price.
        need price_id: Id<'a>,
        /// The product.
        may product: Cow<'a, str>,
        /// What one costs, in minor units; below a cent as a decimal text.
        may unit_amount_minor: Price<'a>,
        /// What one costs, by how many are bought.
        may tiers: Vec<Tier<'a>>,
        /// How the tiers are read.
        may tiers_mode: TiersMode,
        /// How many are bought.
        need quantity: Amount<1_000_000_000_000>,
        /// How many make one unit of the price.
        may divide_by: Amount<1_000_000_000_000>,
        /// Which way the quotient is rounded.
        may round: Round,
        /// How often it is paid; none is a one-off.
        may interval: Interval,
        /// Every how many intervals it is paid; 1 where it does not say.
        may interval_count: Amount<1_000>,
        /// Whether it is paid by number or by use; by number where it does not say.
        may usage_type: UsageType,
    }

    /// A step of a tiered price.
    Tier<'a> {
        /// The last unit of the step; null is the end.
        may up_to: Amount<1_000_000_000_000>,
        /// What one costs in it.
        need unit_amount_minor: Price<'a>,
        /// What the step costs besides.
        may flat_amount_minor: Price<'a>,
    }

    /// Something taken off.
    Discount<'a> {
        /// A share of the price.
        may percent_off: Percent,
        /// An amount.
        may amount_off_minor: Minor,
        /// For how long.
        need duration: DiscountDuration,
        /// From when on.
        may starts_at: Timestamp,
        /// Until when.
        may ends_at: Timestamp,
        /// The only item that it is for.
        may price_id: Id<'a>,
    }

    /// A planned change.
    Planned<'a> {
        /// When.
        need at: Timestamp,
        /// What will be bought.
        need items: Vec<Item<'a>>,
    }

    /// An invoice or a payment.
    Invoice<'a> {
        /// The invoice.
        need invoice_id: Id<'a>,
        /// Its amount in minor units.
        need amount_minor: Minor,
        /// What it is in.
        need currency: Currency,
        /// Whether it is for something recurring.
        need recurring: bool,
        /// Which attempt it was, the first being 1.
        may attempt: Amount<1_000_000>,
        /// The subscription that it is for.
        may subscription_id: Id<'a>,
    }

    /// A cost.
    Cost<'a> {
        /// What it was for.
        need purpose: Purpose,
        /// Its amount in minor units.
        need amount_minor: Minor,
        /// What it is in.
        need currency: Currency,
        /// The month, quarter or year that it is spread over.
        may period: Span<'a>,
    }

    /// A support ticket.
    Ticket<'a> {
        /// The ticket.
        need ticket_id: Id<'a>,
        /// Who did it.
        may by: Party,
        /// Its tags.
        may tags: Vec<Cow<'a, str>>,
        /// Its priority.
        may priority: Cow<'a, str>,
        /// Where it came in.
        may channel: Cow<'a, str>,
    }

    /// A reply in a support ticket.
    Reply<'a> {
        /// The ticket.
        need ticket_id: Id<'a>,
        /// Who replied.
        need by: Party,
        /// Its tags.
        may tags: Vec<Cow<'a, str>>,
        /// Its priority.
        may priority: Cow<'a, str>,
        /// Where it came in.
        may channel: Cow<'a, str>,
    }

    /// An answer to a survey.
    Answer<'a> {
        /// Which survey.
        need survey: Survey,
        /// The answer.
        need score: i64,
        /// Its scale: 0-10 for nps and 1-5 for csat and ces where it does not say.
        may scale: Scale,
        /// The answer's own id.
        may response_id: Id<'a>,
        /// Not to be counted.
        may excluded: bool,
        /// What was written.
        may comment: Cow<'a, str>,
    }

    /// A changed answer to a survey.
    Amendment<'a> {
        /// Which survey.
        need survey: Survey,
        /// The answer.
        need score: i64,
        /// Its scale: 0-10 for nps and 1-5 for csat and ces where it does not say.
        may scale: Scale,
        /// The answer that is changed.
        need response_id: Id<'a>,
        /// Not to be counted.
        may excluded: bool,
        /// What was written.
        may comment: Cow<'a, str>,
    }

    /// A help article.
    Article<'a> {
        /// The article.
        need article_id: Id<'a>,
        /// Whether it helped.
        may helpful: bool,
    }

    /// A referral.
    Referral<'a> {
        /// The referral.
        need referral_id: Id<'a>,
        /// Who was invited.
        may invitee: Cow<'a, str>,
    }

    /// Customer success was in touch.
    Touch<'a> {
        /// By which channel.
        may channel: Cow<'a, str>,
        /// The manager's own rating.
        may score: Score,
        /// Why.
        may reason: Cow<'a, str>,
    }

    /// A manager's rating of an account.
    Rating<'a> {
        /// By which channel.
        may channel: Cow<'a, str>,
        /// The rating.
        need score: Score,
        /// Why.
        may reason: Cow<'a, str>,
    }

    /// Why a customer cancelled.
    Reason<'a> {
        /// By which channel.
        may channel: Cow<'a, str>,
        /// The manager's own rating.
        may score: Score,
        /// The reason.
        need reason: Name<'a>,
    }

    /// What somebody did about an alert.
    Handling<'a> {
        /// The alert.
        need alert_id: Id<'a>,
        /// Until when.
        may until: Timestamp,
        /// Who did it.
        may by: Cow<'a, str>,
        /// Why.
        may reason: Cow<'a, str>,
        /// What came of it.
        may outcome: Cow<'a, str>,
    }

    /// Two are one.
    Merge<'a> {
        /// The one that stays.
        need into: Id<'a>,
    }

    /// A person is to be forgotten.
    Erasure<'a> {
        /// Why.
        may reason: Cow<'a, str>,
    }
}

/// How many users an account has bought.
type Seats = Amount<{ u32::MAX as i64 }>;

macro_rules! enumerations {
    ($($(#[doc = $about:literal])+ $name:ident { $($variant:ident $text:literal,)+ })+) => {
        $($(#[doc = $about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum $name { $($variant,)+ })+

        choices! { $($name { $($variant $text,)+ })+ }
    };
}

enumerations! {
    /// How often something is paid.
    Interval {
        Day "day",
        Week "week",
        Month "month",
        Year "year",
        Never "none",
    }

    /// Who did something in a ticket.
    Party {
        Customer "customer",
        Agent "agent",
    }

    /// A kind of survey.
    Survey {
        Nps "nps",
        Csat "csat",
        Ces "ces",
    }

    /// The scale of an answer.
    Scale {
        ZeroToTen "0-10",
        OneToTen "1-10",
        OneToFive "1-5",
        OneToSeven "1-7",
        ZeroToHundred "0-100",
        YesNo "yes-no",
    }
}

// Digests are made of the order in which the model has them.
choices! {
    Actor {
        Human "human",
        Api "api",
        Agent "agent",
    }

    Status {
        Trialing "trialing",
        Active "active",
        PastDue "past_due",
        Unpaid "unpaid",
        Paused "paused",
        Canceled "canceled",
        Incomplete "incomplete",
    }

    TiersMode {
        Graduated "graduated",
        Volume "volume",
    }

    Round {
        Up "up",
        Down "down",
    }

    UsageType {
        Licensed "licensed",
        Metered "metered",
    }

    DiscountDuration {
        Once "once",
        Repeating "repeating",
        Forever "forever",
    }

    Purpose {
        Acquisition "acquisition",
        Retention "retention",
        Onboarding "onboarding",
    }
}

impl<'a> Product<'a> {
    fn body(self) -> Body<'a> {
        Body::Product {
            name: self.name.0,
            duration_ms: self.duration_ms.map_or(0, |duration| duration.0),
            actor: self.actor.unwrap_or_default(),
        }
    }
}

impl<'a> User<'a> {
    fn fields(self) -> UserFields<'a> {
        UserFields {
            role: self.role,
            traits: self.traits.unwrap_or_default().0,
        }
    }
}

impl<'a> Account<'a> {
    fn fields(self) -> AccountFields<'a> {
        AccountFields {
            name: self.name,
            plan: self.plan,
            seats: map(self.seats, |seats| {
                u32::try_from(seats.0).expect("Seats holds no more than a u32 does")
            }),
            tz: self.tz,
            industry: self.industry,
            region: self.region,
            size: self.size,
            owner: self.owner,
            renewal_at: self.renewal_at,
            parent: map(self.parent_id, Id::into_text),
            traits: self.traits.unwrap_or_default().0,
        }
    }
}

fn map<T, U>(field: Field<T>, f: impl FnOnce(T) -> U) -> Field<U> {
    match field {
        Field::Keep => Field::Keep,
        Field::Erase => Field::Erase,
        Field::Set(value) => Field::Set(f(value)),
    }
}

fn in_scale(survey: Survey, scale: Option<Scale>, score: i64) -> Result<(), Rejection> {
    let scale = scale.unwrap_or(match survey {
        Survey::Nps => Scale::ZeroToTen,
        Survey::Csat | Survey::Ces => Scale::OneToFive,
    });
    let range = match scale {
        Scale::ZeroToTen => 0..=10,
        Scale::OneToTen => 1..=10,
        Scale::OneToFive => 1..=5,
        Scale::OneToSeven => 1..=7,
        Scale::ZeroToHundred => 0..=100,
        Scale::YesNo => 0..=1,
    };
    if range.contains(&score) {
        return Ok(());
    }
    let (low, high) = range.into_inner();
    Err(bad(
        "score",
        format!("found {score}, expected {low} to {high}"),
    ))
}

/// A manager's rating, 0 to 100.
pub(super) struct Score(i64);

impl<'a> Wire<'a> for Score {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Rejection> {
        match i64::read(reader)? {
            score @ 0..=100 => Ok(Score(score)),
            score => Err(bad("", format!("found {score}, expected 0 to 100"))),
        }
    }

    fn schema() -> Value {
        json!({ "type": "integer", "minimum": 0, "maximum": 100 })
    }
}

impl Digested for Score {
    fn digest(&self, digest: &mut Digest) {
        self.0.digest(digest);
    }
}

/// A month, a quarter or a year.
pub(super) struct Span<'a> {
    period: Period,
    written: Cow<'a, str>,
}

impl<'a> Wire<'a> for Span<'a> {
    const ONCE: bool = true;

    fn read(reader: &mut Reader<'a>) -> Result<Self, Rejection> {
        let written = reader.string()?;
        match billing::period(&written) {
            Some(period) => Ok(Span { period, written }),
            None => Err(bad(
                "",
                format!(
                    "found {}, expected 2026-03, 2026-Q1 or 2026",
                    shown(&written)
                ),
            )),
        }
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^[1-9][0-9]{3}(-(Q[1-4]|0[1-9]|1[0-2]))?$" })
    }
}

impl Digested for Span<'_> {
    fn digest(&self, digest: &mut Digest) {
        self.written.digest(digest);
    }
}
