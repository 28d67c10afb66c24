//! Transactions, membership, doubt and restore, decided and never carried out.
//!
//! Everything that makes a step exactly once is decided here, in plain values:
//!
//! * [`Machine`]: one process. What happened goes in, what is to be done comes out. It knows which shards
//!   are ours, which slices wait, how far the transaction is, and what an error means.
//! * [`Restoring`]: reads a changelog in log order and refuses what no sound shard could have left behind.
//! * [`start`]: where reading begins, from the group's offsets and the changelog; or why it must not.
//! * [`envelope`], [`Position`]: what every value of a changelog carries, and its last record.
//!
//! Nothing here has a thread, a clock, randomness or a broker: times and random ids come as arguments. The
//! Kafka runtime carries the commands out; a simulated broker drives the same code through every crash.

pub mod envelope;
pub mod start;

mod epoch;
mod machine;
mod position;
mod restore;
mod varint;
mod words;

pub use epoch::{Epoch, Lease, Mark, MarkError, Millis, ShardNo, SliceToken, StateId, Term};
pub use machine::{Limits, Machine};
pub use position::{Position, SourceAt};
pub use restore::{Handed, Refusal, Restoring};
pub use words::{Alarm, Call, Do, Dropped, Exit, Failure, Happened, ReadBack};
