//! Reading a partition of Kafka in batches, through its own queue; and asking what we may do.
//!
//! The client crate hands out one message at a time, which costs three times as much as the batches of
//! librdkafka, and it cannot ask a broker for the rights of whoever asks. This crate is the FFI for these
//! two and nothing else; it is the only place in the project with `unsafe` code.
//!
//! A [`PartitionQueue`] is opened for a partition BEFORE the consumer is assigned to it, is read while it
//! is, and is dropped AFTER it was unassigned. Messages are lent, never copied: a [`Record`] points into
//! the buffers of the client and lives until the queue is read again.
//!
//! It knows nothing of groups, offsets or what the bytes mean.

mod ffi;
mod queue;
mod record;
mod rights;

pub use queue::{OpenError, PartitionQueue};
pub use record::{Delivered, Record};
pub use rights::{Allowed, Operation, allowed_on_group, allowed_on_topics};
