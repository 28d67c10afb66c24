//! The outside, a folder for each system. (Being built.)

mod shard;
mod slice;

pub use shard::{Closing, Headers, InputRecord, NoHeaders, RestoreError, Shard, SourceNo};
pub use slice::{Outbound, Slice, Topic};
