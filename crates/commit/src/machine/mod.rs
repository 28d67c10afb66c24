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
//!   again unchanged. When three or more in a row were aborted, the next one waits, ever longer: whatever
//!   refuses the records is not hammered at.
//! * **Shards.** A running shard hands over a slice only while none of its slices waits, so it has at most
//!   one being committed and one open; being stopped, it hands over what is open at once.
//! * **Restore.** Never while a transaction with a slice of that shard is under way, for the log could still
//!   get committed records behind the restore's bound. A refusal counts only if the changelog's high
//!   watermark still is the bound when the group's offsets have been read; if it has grown, the restore
//!   begins again with a new bound. For a process that hung while restoring has another owner's commits on
//!   one side only, and would take its own lateness for tampering.
//! * **Group.** The driver renews the group metadata in the callbacks only and says so; it returns from a
//!   revoke or a loss only after `AckRevoke`. A transaction that holds a slice of a shard dropped meanwhile
//!   is aborted, unless its commit was asked for before: the slice's bytes are gone, perhaps before its
//!   offsets were sent; and a live member may commit offsets of partitions that it no longer owns, so nobody
//!   else would stop it.
//!
//! The machine knows no bytes, offsets or topics, no thread and no clock.

mod doubt;
mod producer;
mod shards;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use self::doubt::Verdict;
use self::producer::{Next, Producer};
use self::shards::Shards;
use crate::{
    Alarm, Call, Do, Dropped, Exit, Failure, Happened, Millis, ReadBack, ShardNo, SliceToken,
};

/// How long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A revoke, from the callback to its return.
    pub revoke_ms: u64,
    /// A shutdown, up to leaving the group.
    pub shutdown_ms: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            revoke_ms: 5_000,
            shutdown_ms: 5_000,
        }
    }
}

/// Aborts in a row after which a shard is restored.
const ABORTS: u32 = 3;
/// How long no transaction begins when so many were aborted in a row; twice as long after each one more.
const REST_MS: u64 = 500;
/// The longest rest.
const LONGEST_REST_MS: u64 = 30_000;

/// One process: its shards, its transaction, its place in the group.
#[derive(Clone, Debug)]
pub struct Machine {
    limits: Limits,
    shards: Shards,
    producer: Producer,
    /// How often the group metadata was renewed.
    renewals: u64,
    /// The revoke callback that waits for us.
    revoke: Option<Revoke>,
    ending: Option<Ending>,
    /// Transactions aborted in a row, each with slices to blame.
    aborts: u32,
    /// No transaction begins before.
    rest: Option<Millis>,
    over: bool,
}

#[derive(Clone, Debug)]
struct Revoke {
    shards: BTreeSet<ShardNo>,
    deadline: Millis,
}

#[derive(Clone, Debug)]
struct Ending {
    exit: Exit,
    deadline: Millis,
    leaving: bool,
}

impl Machine {
    /// A process that has not begun.
    #[must_use]
    pub fn new(limits: Limits) -> Machine {
        Machine {
            limits,
            shards: Shards::default(),
            producer: Producer::new(),
            renewals: 0,
            revoke: None,
            ending: None,
            aborts: 0,
            rest: None,
            over: false,
        }
    }

    /// Takes what happened at `now` and appends what is to be done.
    ///
    /// # Panics
    /// When the driver breaks the protocol above: an answer without its call, a slice out of turn.
    pub fn step(&mut self, now: Millis, happened: Happened, out: &mut Vec<Do>) {
        if self.over {
            return;
        }
        self.take(now, happened, out);
        self.rest = self.rest.filter(|rest| now < *rest);
        self.keep_deadlines(now, out);
        self.go_on(out);
    }

    /// When the machine wants a [`Happened::Tick`], if nothing else happens before.
    #[must_use]
    pub fn due(&self) -> Option<Millis> {
        let revoke = self.revoke.as_ref().map(|revoke| revoke.deadline);
        let ending = self.ending.as_ref().filter(|ending| !ending.leaving);
        let ending = ending.map(|ending| ending.deadline);
        [revoke, ending, self.rest].into_iter().flatten().min()
    }

    fn take(&mut self, now: Millis, happened: Happened, out: &mut Vec<Do>) {
        match happened {
            Happened::Started => out.push(Do::Call(self.producer.start())),
            Happened::Assigned(shards) => self.assigned(&shards),
            Happened::Revoked(shards) => self.revoked(now, shards, out),
            Happened::Lost(shards) => self.lost(now, shards, out),
            Happened::Restored { shard, lease, at } => self.shards.restored(shard, lease, at, out),
            Happened::Refused { shard, lease } => {
                if self.shards.alive(shard, lease, out) {
                    self.shards.drop(shard, Dropped::Shutdown, out);
                    self.end(now, Exit::Refused(shard), out);
                }
            }
            Happened::Sliced(slice) => self.shards.sliced(slice, out),
            Happened::Stopped { shard, lease, last } => {
                if let Some(slice) = last {
                    self.shards.sliced(slice, out);
                }
                self.shards.stopped(shard, lease, out);
            }
            Happened::Panicked { shard, lease } => {
                if self.shards.alive(shard, lease, out) {
                    self.producer.spoil(shard);
                    self.shards.drop_to_restore(shard, Dropped::Panicked, out);
                }
            }
            Happened::Done => {
                let next = self.producer.done(self.renewals);
                self.follow(now, next, out);
            }
            Happened::Failed(failure) => self.failed(now, failure, out),
            Happened::ReadBack(answers) => self.settle(now, &answers, out),
            Happened::Tick => {}
            Happened::Shutdown => self.end(now, Exit::Done, out),
            Happened::Left => {
                if let Some(ending) = &self.ending {
                    let exit = ending.exit;
                    self.exit(exit, out);
                }
            }
        }
    }

    fn assigned(&mut self, shards: &[ShardNo]) {
        self.renewals += 1;
        if self.ending.is_none() {
            for &shard in shards {
                self.shards.assign(shard);
            }
        }
    }

    /// One deadline for all of it: stop, close, commit what is under way, commit theirs, drop.
    fn revoked(&mut self, now: Millis, shards: Vec<ShardNo>, out: &mut Vec<Do>) {
        self.renewals += 1;
        for &shard in &shards {
            self.shards.stop(shard, Dropped::Revoked, out);
        }
        self.revoke = Some(Revoke {
            shards: shards.into_iter().collect(),
            deadline: now.plus(self.limits.revoke_ms),
        });
    }

    fn lost(&mut self, now: Millis, shards: Vec<ShardNo>, out: &mut Vec<Do>) {
        for &shard in &shards {
            self.give_up(shard, Dropped::Lost, out);
        }
        self.revoke = Some(Revoke {
            shards: shards.into_iter().collect(),
            deadline: now,
        });
    }

    /// A shard is no longer ours, whatever of it is not committed.
    fn give_up(&mut self, shard: ShardNo, why: Dropped, out: &mut Vec<Do>) -> bool {
        self.producer.spoil(shard);
        self.shards.drop(shard, why, out)
    }

    fn failed(&mut self, now: Millis, failure: Failure, out: &mut Vec<Do>) {
        let next = self.producer.failed(now, self.renewals, failure);
        self.follow(now, next, out);
    }

    fn follow(&mut self, now: Millis, next: Next, out: &mut Vec<Do>) {
        match next {
            Next::Call(call) => out.push(Do::Call(call)),
            Next::Committed(slices) => self.committed(&slices, out),
            Next::Aborted { slices, counted } => {
                if counted {
                    self.aborted(now, &slices, out);
                }
            }
            Next::Doubt(slices) => self.ask(&slices, out),
            Next::Fenced(call) => out.extend([Do::Alarm(Alarm::Fenced), Do::Call(call)]),
            Next::SharedId => self.exit(Exit::SharedId, out),
            Next::NoProducer => self.exit(Exit::NoProducer, out),
        }
    }

    fn committed(&mut self, slices: &[SliceToken], out: &mut Vec<Do>) {
        self.aborts = 0;
        self.shards.committed(slices, out);
    }

    fn aborted(&mut self, now: Millis, slices: &[SliceToken], out: &mut Vec<Do>) {
        if slices.is_empty() {
            return;
        }
        self.aborts = self.aborts.saturating_add(1);
        if let Some(more) = self.aborts.checked_sub(ABORTS) {
            let rest_ms = REST_MS.saturating_mul(1 << more.min(16));
            self.rest = Some(now.plus(rest_ms.min(LONGEST_REST_MS)));
        }
        for slice in slices {
            if self.shards.aborted(slice) >= ABORTS {
                out.push(Do::Alarm(Alarm::ThreeAborts(slice.shard)));
                self.shards
                    .drop_to_restore(slice.shard, Dropped::ThreeAborts, out);
            }
        }
    }

    fn ask(&mut self, slices: &[SliceToken], out: &mut Vec<Do>) {
        let ours = self.shards.still_ours(slices);
        if ours.is_empty() {
            self.producer.settled();
            return;
        }
        let shards = ours.iter().map(|slice| slice.shard).collect();
        out.push(Do::Call(Call::ReadBack(shards)));
    }

    /// The group's offsets say what became of the commit in doubt.
    fn settle(&mut self, now: Millis, answers: &[ReadBack], out: &mut Vec<Do>) {
        let taken = self.producer.settled();
        let ours = self.shards.still_ours(&taken);
        let marks = |slice: &SliceToken| {
            let (before, after) = self.shards.before_and_after(slice)?;
            Some((slice.shard, before, after))
        };
        let asked: Vec<_> = ours.iter().filter_map(marks).collect();
        let verdicts = doubt::judge(&asked, answers);
        let (mut committed, mut nothing) = (Vec::new(), Vec::new());
        for slice in ours {
            match verdicts.get(&slice.shard) {
                Some(Verdict::Committed) => committed.push(slice),
                Some(Verdict::Nothing) => nothing.push(slice),
                Some(Verdict::Strange) | None => {
                    out.push(Do::Alarm(Alarm::Doubt {
                        shard: slice.shard,
                        epoch: slice.epoch,
                    }));
                    self.shards
                        .drop_to_restore(slice.shard, Dropped::Doubt, out);
                }
            }
        }
        // Together, as they were sent: one transaction is one transaction to whoever counts them.
        if !committed.is_empty() {
            self.committed(&committed, out);
        }
        self.aborted(now, &nothing, out);
    }

    /// Stops in good order.
    fn end(&mut self, now: Millis, exit: Exit, out: &mut Vec<Do>) {
        if self.ending.is_some() {
            return;
        }
        for shard in self.shards.numbers() {
            self.shards.stop(shard, Dropped::Shutdown, out);
        }
        self.ending = Some(Ending {
            exit,
            deadline: now.plus(self.limits.shutdown_ms),
            leaving: false,
        });
    }

    fn exit(&mut self, exit: Exit, out: &mut Vec<Do>) {
        self.over = true;
        out.push(Do::Exit(exit));
    }

    fn keep_deadlines(&mut self, now: Millis, out: &mut Vec<Do>) {
        if let Some(revoke) = &self.revoke
            && revoke.deadline <= now
        {
            let late: Vec<_> = revoke.shards.iter().copied().collect();
            let late = self.give_up_all(&late, Dropped::Revoked, out);
            if !late.is_empty() {
                out.push(Do::Alarm(Alarm::RevokeDeadline(late)));
            }
        }
        if let Some(ending) = &self.ending
            && ending.deadline <= now
            && !ending.leaving
            && !self
                .give_up_all(&self.shards.numbers(), Dropped::Shutdown, out)
                .is_empty()
        {
            out.push(Do::Alarm(Alarm::ShutdownDeadline));
        }
    }

    fn give_up_all(&mut self, shards: &[ShardNo], why: Dropped, out: &mut Vec<Do>) -> Vec<ShardNo> {
        let mut given_up = shards.to_vec();
        given_up.retain(|&shard| self.give_up(shard, why, out));
        given_up
    }

    /// Whatever can go on after this step, goes on.
    fn go_on(&mut self, out: &mut Vec<Do>) {
        if self.over {
            return;
        }
        let why = match &self.revoke {
            Some(_) => Dropped::Revoked,
            None => Dropped::Shutdown,
        };
        self.shards.drop_finished(why, out);
        if self.revoke.as_ref().is_some_and(|revoke| self.gone(revoke)) {
            self.revoke = None;
            out.push(Do::AckRevoke);
        }
        self.shards.restore(|shard| self.producer.holds(shard), out);
        if self.rest.is_none() && self.producer.may_begin(self.renewals) {
            let slices = self.shards.oldest();
            if !slices.is_empty() {
                out.push(Do::Call(self.producer.begin(slices)));
            }
        }
        if let Some(ending) = &mut self.ending
            && !ending.leaving
            && self.shards.is_empty()
        {
            ending.leaving = true;
            out.push(Do::Leave);
        }
    }

    fn gone(&self, revoke: &Revoke) -> bool {
        !revoke
            .shards
            .iter()
            .any(|&shard| self.shards.contains(shard))
    }
}
