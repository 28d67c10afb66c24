//! What the threads of the runtime tell the one that decides, and what ends the process.

use mainstay_commit::{Exit, Happened, Lease, Mark, ShardNo};

use super::client::ClientError;
use super::closed::Closed;
use super::restore::Refusal;
use super::slot::SlotError;
use super::topics::TopicError;
use crate::{Shard, SourceNo};

/// Something for the deciding thread.
pub(super) enum Event {
    /// For the machine, as it is.
    Happened(Happened),
    /// A slice was closed.
    Sliced(Box<Closed>),
    /// A shard has stopped.
    Stopped {
        shard: ShardNo,
        lease: Lease,
        last: Option<Box<Closed>>,
    },
    /// A shard was restored.
    Restored {
        shard: ShardNo,
        lease: Lease,
        at: Mark,
        ready: Box<Ready>,
    },
    /// A shard's state was refused.
    Refused {
        shard: ShardNo,
        lease: Lease,
        why: Box<Refusal>,
    },
    /// Why the transaction under way fails, in the client's words.
    Failing(String),
    /// Something without which nothing goes on.
    Fault(Fault),
}

/// A restored shard.
pub(super) struct Ready {
    pub(super) logic: Box<dyn Shard>,
    pub(super) positions: Vec<(SourceNo, i64)>,
}

/// Why the process cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// An input's partitions changed: its keys are elsewhere now.
    #[error(
        "`{topic}` had {before} partitions and now has {now}: its keys hash elsewhere now; begin again \
         under another `kafka.application` (and `output.prefix`, if it is set)"
    )]
    Repartitioned {
        /// The input.
        topic: String,
        /// How many it had.
        before: u32,
        /// How many it has.
        now: u32,
    },
    /// The group threw us out for good.
    #[error("the membership ended: {0}")]
    Membership(String),
    /// Two processes have one name in the group.
    #[error(
        "fenced twice in a minute: another process is in the group as `{0}`, the `kafka.instance` of this \
         one; stop it, or give each process a `kafka.instance` of its own"
    )]
    SharedInstance(String),
    /// The inputs cannot be read.
    #[error("the inputs cannot be read: {0}")]
    Data(String),
    /// A record that could never be committed.
    #[error("a record of {size} bytes for `{topic}` is above the bound; this is a bug of Mainstay")]
    TooLarge {
        /// The topic.
        topic: &'static str,
        /// Key and value together.
        size: usize,
    },
    /// The logic panics again and again.
    #[error("shard {0}: its logic panicked again and again: {1}; this is a bug of Mainstay")]
    Hopeless(ShardNo, String),
    /// A thread could not be started, or died.
    #[error("a thread of the runtime failed: {0}")]
    Thread(String),
}

/// Why the runtime ended, or did not begin.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// A client could not be made.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The topics do not fit.
    #[error(transparent)]
    Topics(#[from] TopicError),
    /// No slot was free.
    #[error(transparent)]
    Slot(#[from] SlotError),
    /// A shard's state was refused.
    #[error("shard {shard} cannot start")]
    Refused {
        /// The shard.
        shard: ShardNo,
        /// Why.
        #[source]
        why: Box<Refusal>,
    },
    /// Two processes have one transactional id.
    #[error(
        "fenced twice in a minute: another process has the transactional id `{id}` of this one, which is \
         `kafka.application` and `kafka.instance`; stop it, or give each process a `kafka.instance` of its own"
    )]
    SharedId {
        /// The transactional id.
        id: String,
    },
    /// The machine ended the process.
    #[error(transparent)]
    Exit(Exit),
    /// Something broke.
    #[error(transparent)]
    Fault(#[from] Fault),
}
