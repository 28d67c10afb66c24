//! One process as a state machine: what happened goes in, what is to be done comes out.
//!
//! ```text
//! shard     Restore ──Restored──▶ Run ──Sliced*──▶ Stop ──Stopped──▶ (last slice committed) ──▶ Drop
//!                                  ▲                                                             │
//!                                  └───── restored again after three aborts, doubt, a panic ─────┤
//!                                                                            revoked, lost, end ─┘
//!
//! producer  NewProducer ─▶ idle ─▶ Begin ─▶ Produce ─▶ Drain ─▶ SendOffsets ─▶ Commit ─▶ Committed, idle
//!               ▲           ▲         └─────────┴── Abort ◀───────┘ │           │
//!               │           └──────────────────────── ok ───────────┘           │
//!               └── fenced, fatal, unknown; and if it was the commit: ReadBack ◀┘
//! ```
//!
//! The driver calls [`Machine::step`] with one [`Happened`] at a time and carries out what it is told, in
//! order. It keeps the bytes of the slices, by token; it wakes the machine with [`Happened::Tick`] at
//! [`Machine::due`].
//!
//! * **Producer.** At most one [`Call`] is outstanding; its answer is `Done`, `ReadBack` or `Failed`.
//!   Nothing is produced after the offsets were sent. Every transaction takes the oldest waiting slice of
//!   every shard that has one. A slice is kept until it is known to be committed; an aborted one is produced
//!   again unchanged.
//! * **Shards.** A running shard hands over a slice only while none of its slices waits, so it has at most
//!   one being committed and one open; being stopped, it hands over what is open at once.
//! * **Restore.** Never while a transaction with a slice of that shard is under way, for the log could still
//!   get committed records behind the restore's bound.
//! * **Group.** The driver renews the group metadata in the callbacks only and says so; it returns from a
//!   revoke or a loss only after `AckRevoke`. A transaction that holds a slice of a shard dropped meanwhile
//!   is aborted, unless its commit was asked for before: a live member may commit offsets of partitions that
//!   it no longer owns, so nobody else would stop it.
//!
//! The machine knows no bytes, offsets or topics, no thread and no clock.

use crate::{Do, Happened, Millis};

/// How long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A revoke, from the callback to its return.
    pub revoke_ms: u64,
    /// A shutdown, up to leaving the group.
    pub shutdown_ms: u64,
    /// Fenced twice within this: two processes share an id.
    pub fenced_twice_ms: u64,
    /// Aborts in a row after which a shard is restored.
    pub aborts: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            revoke_ms: 5_000,
            shutdown_ms: 7_000,
            fenced_twice_ms: 60_000,
            aborts: 3,
        }
    }
}

/// One process: its shards, its transaction, its place in the group.
#[derive(Clone, Debug)]
pub struct Machine {
    limits: Limits,
}

impl Machine {
    /// A process that has not begun.
    #[must_use]
    pub fn new(limits: Limits) -> Machine {
        Machine { limits }
    }

    /// Takes what happened at `now` and appends what is to be done.
    pub fn step(&mut self, now: Millis, happened: Happened, out: &mut Vec<Do>) {
        let _ = (now, happened, out, self.limits);
    }

    /// When the machine wants a [`Happened::Tick`], if nothing else happens before.
    #[must_use]
    pub fn due(&self) -> Option<Millis> {
        None
    }
}
