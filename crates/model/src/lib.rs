//! The words of Mainstay.
//!
//! What every other crate talks in: instants and calendar days, money and what is bought with it, events as they are once a format has
//! checked them, reasons for which a record is refused, what a metric is ([`Info`]), the parts that it is
//! told from, the values that it is told as, and the records that go out. Nothing here knows bytes, Kafka,
//! files or a clock, and nothing here has an opinion: facts and metrics live in the engine.

mod billing;
mod currency;
mod decimal;
mod event;
mod id;
mod metric;
mod output;
mod parts;
mod reject;
mod time;

pub use billing::{
    Cost, Discount, DiscountDuration, Interval, Item, Outcome, Packages, Payment, Period, Planned,
    Price, Purpose, Reduction, Round, Span, Status, Subscription, Tier, TiersMode, UsageType,
};
pub use currency::Currency;
pub use decimal::Decimal;
pub use event::{AccountFields, Actor, Body, Event, Field, Kind, UserFields};
pub use id::Id;
pub use metric::{Column, Info, Levels, Unit, Value};
pub use output::{AccountDaily, AccountMetrics, CohortValue, CohortWas};
pub use output::{Corrected, DeadLetter, MrrMovement, SegmentDaily, SegmentMetrics};
pub use parts::{Parts, Sorted};
pub use reject::{Code, Rejection};
pub use time::{Day, Timestamp, Zone, ZoneError};
