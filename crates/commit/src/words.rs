//! What a driver tells the machine, and what the machine tells a driver.

use crate::{Epoch, Lease, Mark, ShardNo, SliceToken, Term};

/// What happened, as told by the driver, one thing at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happened {
    /// The process is ready: say it once, first.
    Started,
    /// The assign callback ran. It may name no shard at all: what counts then is that the group metadata
    /// was renewed. The driver has put the renewed metadata where [`Call::SendOffsets`] takes it from.
    Assigned(Vec<ShardNo>),
    /// The revoke callback runs, has put fresh group metadata in place, and does not return before
    /// [`Do::AckRevoke`].
    Revoked(Vec<ShardNo>),
    /// The revoke callback runs and the assignment is already lost: nothing of these can be committed.
    /// It does not return before [`Do::AckRevoke`] either.
    Lost(Vec<ShardNo>),
    /// A shard's state was restored, checked, and [`start`](crate::start) let it go. For a first start the
    /// mark is a new random id at [`Epoch::NONE`].
    Restored {
        /// The shard.
        shard: ShardNo,
        /// The stay it was restored for.
        lease: Lease,
        /// State id and epoch of the last `position`.
        at: Mark,
    },
    /// A shard's state was refused, and its changelog has not grown since the restore's bound was taken;
    /// if it has, the driver restores again instead. The driver keeps the reason for the operator.
    Refused {
        /// The shard.
        shard: ShardNo,
        /// The stay it was to be restored for.
        lease: Lease,
    },
    /// A running shard closed a slice. Only while none of its slices waits: see [`Do::Committed`].
    Sliced(SliceToken),
    /// A shard that was told to stop has stopped; whatever was open is closed and handed over.
    Stopped {
        /// The shard.
        shard: ShardNo,
        /// The stay that ended.
        lease: Lease,
        /// Its last slice, if anything was open.
        last: Option<SliceToken>,
    },
    /// The shard's logic panicked: its engine is no more. Slices that it closed before are dropped with it
    /// and made again.
    Panicked {
        /// The shard.
        shard: ShardNo,
        /// The stay that ended.
        lease: Lease,
    },
    /// The outstanding [`Call`] was carried out.
    Done,
    /// The outstanding [`Call::ReadBack`] was answered.
    ReadBack(Vec<ReadBack>),
    /// The outstanding [`Call`] failed.
    Failed(Failure),
    /// The time that [`due`](crate::Machine::due) named has come.
    Tick,
    /// Stop in good order: SIGTERM, SIGINT.
    Shutdown,
    /// [`Do::Leave`] was carried out, or its deadline passed.
    Left,
}

/// The group's stable offsets of one shard, read after the producer was made anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadBack {
    /// The shard.
    pub shard: ShardNo,
    /// The metadata of each source's offset: `None` where there is no offset, or one without metadata.
    /// A text that is not ours ([`MarkError`](crate::MarkError)) is a mark of nobody: give one with
    /// [`Epoch::NONE`].
    pub marks: Vec<Option<Mark>>,
}

/// How a call failed, which decides what comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Failure {
    /// It may be asked again, and asking again does nothing twice: the same call is said again at once, so a
    /// driver whose call failed without waiting waits before it says so.
    Retriable,
    /// The transaction must be aborted (`txn_requires_abort`).
    Abort,
    /// The group refused the offsets: generation, member or rebalance in progress.
    IllegalGeneration,
    /// Another producer has our id, or the broker gave the transaction up and raised our producer epoch.
    Fenced,
    /// The producer is finished: a fatal error, and every error of no other class.
    Fatal,
    /// Past its deadline: it may have had its effect, or have it yet.
    Unknown,
}

/// What is to be done. Commands of one step are carried out in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Do {
    /// Carry out a call of the producer. There is never more than one outstanding; answer it with
    /// [`Happened::Done`], [`Happened::ReadBack`] or [`Happened::Failed`].
    Call(Call),
    /// Restore the shard, check it, decide where it starts; answer [`Happened::Restored`] or
    /// [`Happened::Refused`].
    Restore {
        /// The shard.
        shard: ShardNo,
        /// Names this stay in the answer and in its slices.
        lease: Lease,
    },
    /// Assign the shard's data at the restored positions and run it.
    Run {
        /// The shard.
        shard: ShardNo,
        /// Names this stay in its slices.
        lease: Lease,
        /// Under which name and from which epoch its slices go out.
        term: Term,
    },
    /// These were committed: forget their bytes, move the gauges, let the shard close its next slice.
    Committed(Vec<SliceToken>),
    /// Stop the shard after its record in hand, close what is open, answer [`Happened::Stopped`].
    Stop {
        /// The shard.
        shard: ShardNo,
        /// The stay to end.
        lease: Lease,
    },
    /// Forget the shard: data unassigned, engine and slices dropped, a restore given up, series removed.
    /// No answer. It may be said of a lease that is gone already.
    Drop {
        /// The shard.
        shard: ShardNo,
        /// The stay that ends.
        lease: Lease,
        /// Why.
        why: Dropped,
    },
    /// Let the revoke callback return.
    AckRevoke,
    /// Leave the group; answer [`Happened::Left`].
    Leave,
    /// Tell the operator. Nothing stops.
    Alarm(Alarm),
    /// End the process. Nothing is said after it.
    Exit(Exit),
}

/// A call of the transactional producer, or the question that settles its doubt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// Destroy the producer, if there is one; make one with the same id and initialise it.
    NewProducer,
    /// Begin a transaction.
    Begin,
    /// Hand all records of these slices to the producer, each slice's `position` last.
    Produce(Vec<SliceToken>),
    /// Wait until every record is acknowledged.
    Drain,
    /// Send all positions of these slices' shards, moved or not, each with the slice's mark as metadata,
    /// under the newest group metadata.
    SendOffsets(Vec<SliceToken>),
    /// Commit.
    Commit,
    /// Abort.
    Abort,
    /// Read the group's stable offsets of these shards.
    ReadBack(Vec<ShardNo>),
}

/// Why a shard is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dropped {
    /// It belongs to another member now, and all of it is committed or its time was up.
    Revoked,
    /// The membership was lost.
    Lost,
    /// Three aborts in a row; it will be restored.
    ThreeAborts,
    /// A commit's outcome could not be told; it will be restored.
    Doubt,
    /// Its logic panicked; it will be restored.
    Panicked,
    /// The process ends.
    Shutdown,
    /// A slice came from a stay that had ended before.
    Stale,
}

/// What an operator should hear.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Alarm {
    /// A transaction's slices were aborted three times in a row.
    #[error("shard {0}: three transactions in a row were aborted; it is restored")]
    ThreeAborts(ShardNo),
    /// The read-back found neither this epoch nor the one before.
    #[error(
        "shard {shard}: a commit of epoch {epoch} has no known outcome and the group's offsets are of \
         neither that epoch nor the one before; it is restored"
    )]
    Doubt {
        /// The shard.
        shard: ShardNo,
        /// The epoch in doubt.
        epoch: Epoch,
    },
    /// A revoke took too long; the next owner applies what was not committed.
    #[error(
        "shards {0:?}: not committed within the deadline of a revoke; the next owner applies it again"
    )]
    RevokeDeadline(Vec<ShardNo>),
    /// Another producer took our id, or the broker gave our transaction up.
    #[error(
        "the transactional producer was fenced; if it happens again within a minute, two processes share an id"
    )]
    Fenced,
    /// A shutdown took too long; the next owner applies what was not committed.
    #[error(
        "not everything was committed within the deadline of the shutdown; the next owner applies it again"
    )]
    ShutdownDeadline,
}

/// Why the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Exit {
    /// It was asked to, and left in good order.
    #[error("stopped")]
    Done,
    /// Fenced twice in a minute.
    #[error("fenced twice in a minute: two processes share one transactional id")]
    SharedId,
    /// No producer could be made.
    #[error("no transactional producer could be made: three fatal errors in a row")]
    NoProducer,
    /// A shard's state was refused.
    #[error("the state of shard {0} was refused")]
    Refused(ShardNo),
}
