//! What Prometheus sees: how the pipeline does, the values of segments and the fleet, and those of a bounded set of
//! accounts.
//!
//! [`Metrics`] watches the Kafka runtime; [`listen`] hands out what it saw. A gauge changes only after the
//! commit of what it shows, and a shard that moves away takes its series with it.

mod accounts;
mod families;
mod latency;
mod letters;
mod metrics;
mod segments;
mod server;

pub use accounts::{AccountLimits, family_name};
pub use metrics::{Metrics, Settings};
pub use server::{Listener, ServeError, listen};
