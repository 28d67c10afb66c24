//! The outside, a folder for each system.
//!
//! [`Shard`] and [`Slice`] are the seam to the logic; whoever drives a shard is in one of the folders.

pub mod file;
pub mod kafka;
pub mod prometheus;

mod counts;
mod shard;
mod slice;

pub use counts::Counts;
pub use shard::{Closing, Headers, InputRecord, NoHeaders, RestoreError, Shard, SourceNo};
pub use slice::{Outbound, Shown, ShownGroup, Slice, Standing, Topic};
