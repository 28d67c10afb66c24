//! Reading a partition of Kafka in batches, through its own queue.
//!
//! The client crate hands out one message at a time, which costs three times as much as the batches of
//! librdkafka. This crate is the FFI for those batches and nothing else; it is the only place in the
//! project with `unsafe` code.
//!
//! A [`PartitionQueue`] is opened for a partition BEFORE the consumer is assigned to it, is read while it
//! is, and is dropped AFTER it was unassigned. Messages are lent, never copied: a [`Record`] points into
//! the buffers of the client and lives until the queue is read again.
//!
//! It knows nothing of groups, offsets or what the bytes mean.

mod ffi;
mod queue;
mod record;

pub use queue::{OpenError, PartitionQueue};
pub use record::{Delivered, Record};
