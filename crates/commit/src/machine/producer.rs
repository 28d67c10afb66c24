//! The one transaction of a process: which call is outstanding, and what its answer means.
//!
//! This file knows slices only as the tokens that a transaction took. Whether their shards are still ours,
//! and what becomes of them, is for the machine to say.

use crate::{Call, Failure, Millis, ShardNo, SliceToken};

/// The producer and its transaction.
#[derive(Clone, Debug)]
pub(super) struct Producer {
    phase: Phase,
    /// The slices of the transaction under way, or of the one in doubt. Those of dropped shards stay until
    /// it has ended: until then the log may still get committed records of them.
    taken: Vec<SliceToken>,
    /// A shard of the transaction was dropped: it must not be committed.
    spoiled: bool,
    /// The commit was asked for more than once, so that an error says nothing about the first time.
    asked_again: bool,
    /// How often the group metadata had been renewed when the offsets were sent.
    sent_under: u64,
    /// The group refused offsets that were sent after so many renewals; until the next it would again.
    refused_under: Option<u64>,
    fenced_at: Option<Millis>,
    fatal_in_a_row: u32,
}

/// Which call is outstanding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// There is no producer yet, and none was asked for.
    Absent,
    /// `NewProducer`; with a doubt if the commit of what was taken may have taken effect.
    Making {
        doubt: bool,
    },
    Idle,
    Beginning,
    Producing,
    Draining,
    Sending,
    Committing,
    /// `Abort`; counted against the slices unless they are not to blame.
    Aborting {
        counted: bool,
    },
    /// `ReadBack`.
    Asking,
}

/// What an answer leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Make this call.
    Call(Call),
    /// The transaction ended with these slices committed.
    Committed(Vec<SliceToken>),
    /// The transaction ended and nothing of these slices took effect.
    Aborted {
        /// The slices.
        slices: Vec<SliceToken>,
        /// Whether it counts against them.
        counted: bool,
    },
    /// A new producer was made after a commit without a known outcome: ask the group about those of these
    /// that are still ours, or forget about it.
    Doubt(Vec<SliceToken>),
    /// Fenced, for the first time in a while; a new producer is to be made.
    Fenced(Call),
    /// Fenced twice.
    SharedId,
    /// No producer can be made.
    NoProducer,
}

impl Producer {
    pub(super) fn new() -> Producer {
        Producer {
            phase: Phase::Absent,
            taken: Vec::new(),
            spoiled: false,
            asked_again: false,
            sent_under: 0,
            refused_under: None,
            fenced_at: None,
            fatal_in_a_row: 0,
        }
    }

    /// The first producer.
    pub(super) fn start(&mut self) -> Call {
        assert_eq!(self.phase, Phase::Absent, "a process starts once");
        self.phase = Phase::Making { doubt: false };
        Call::NewProducer
    }

    /// Whether a transaction may begin, after so many renewals of the group metadata.
    pub(super) fn may_begin(&self, renewals: u64) -> bool {
        self.phase == Phase::Idle && self.refused_under.is_none_or(|under| under < renewals)
    }

    /// Begins a transaction with these slices.
    pub(super) fn begin(&mut self, slices: Vec<SliceToken>) -> Call {
        self.phase = Phase::Beginning;
        self.taken = slices;
        self.spoiled = false;
        self.asked_again = false;
        self.refused_under = None;
        Call::Begin
    }

    /// Whether a slice of the shard, of this stay or an earlier one, is in a transaction that has not ended.
    pub(super) fn holds(&self, shard: ShardNo) -> bool {
        self.taken.iter().any(|slice| slice.shard == shard)
    }

    /// The shard is dropped with its bytes, so what was taken of it must not be committed any more: its
    /// records might go without its offsets. A commit that was asked for already does no harm: all of it was
    /// produced and acknowledged while the shard was ours, so the next restore waits for its end.
    pub(super) fn spoil(&mut self, shard: ShardNo) {
        self.spoiled |= self.holds(shard);
    }

    /// The outstanding call was carried out.
    pub(super) fn done(&mut self, renewals: u64) -> Next {
        let slices = || self.taken.clone();
        match self.phase {
            Phase::Making { doubt: true } => {
                self.fatal_in_a_row = 0;
                self.phase = Phase::Asking;
                Next::Doubt(slices())
            }
            Phase::Making { doubt: false } => {
                self.fatal_in_a_row = 0;
                self.aborted(true)
            }
            Phase::Beginning | Phase::Producing | Phase::Draining | Phase::Sending
                if self.spoiled =>
            {
                self.abort(false)
            }
            Phase::Beginning => self.call(Phase::Producing, Call::Produce(slices())),
            Phase::Producing => self.call(Phase::Draining, Call::Drain),
            Phase::Draining => {
                self.sent_under = renewals;
                self.call(Phase::Sending, Call::SendOffsets(slices()))
            }
            Phase::Sending => self.call(Phase::Committing, Call::Commit),
            Phase::Committing => {
                self.phase = Phase::Idle;
                Next::Committed(std::mem::take(&mut self.taken))
            }
            Phase::Aborting { counted } => self.aborted(counted),
            Phase::Absent | Phase::Idle | Phase::Asking => {
                unreachable!("an answer without its call: {:?}", self.phase)
            }
        }
    }

    /// The doubt is over, by an answer or because nothing of it is ours any more; gives its slices.
    pub(super) fn settled(&mut self) -> Vec<SliceToken> {
        assert_eq!(self.phase, Phase::Asking, "an answer without its question");
        self.phase = Phase::Idle;
        std::mem::take(&mut self.taken)
    }

    /// The outstanding call failed.
    pub(super) fn failed(&mut self, now: Millis, renewals: u64, failure: Failure) -> Next {
        match self.phase {
            Phase::Making { .. } => self.not_made(now, failure),
            // Only reading: nothing is known until it is answered.
            Phase::Asking => {
                let shards = self.taken.iter().map(|slice| slice.shard).collect();
                Next::Call(Call::ReadBack(shards))
            }
            Phase::Absent | Phase::Idle => {
                unreachable!("a failure without its call: {:?}", self.phase)
            }
            Phase::Beginning
            | Phase::Producing
            | Phase::Draining
            | Phase::Sending
            | Phase::Committing
            | Phase::Aborting { .. } => self.broken(now, renewals, failure),
        }
    }

    fn not_made(&mut self, now: Millis, failure: Failure) -> Next {
        match failure {
            Failure::Fenced => return self.fenced(now),
            Failure::Fatal => self.fatal_in_a_row += 1,
            Failure::Retriable | Failure::Abort | Failure::IllegalGeneration | Failure::Unknown => {
            }
        }
        if self.fatal_in_a_row == 3 {
            return Next::NoProducer;
        }
        Next::Call(Call::NewProducer)
    }

    /// A call inside a transaction failed.
    fn broken(&mut self, now: Millis, renewals: u64, failure: Failure) -> Next {
        let committing = self.phase == Phase::Committing;
        match failure {
            Failure::Retriable => self.again(renewals),
            Failure::IllegalGeneration if self.phase == Phase::Sending => {
                self.refused_under = Some(self.sent_under);
                self.abort(false)
            }
            Failure::Abort | Failure::IllegalGeneration
                if matches!(self.phase, Phase::Aborting { .. }) || self.asked_again =>
            {
                self.renew(committing)
            }
            Failure::Abort | Failure::IllegalGeneration => self.abort(!self.spoiled),
            Failure::Fenced => {
                self.phase = Phase::Making { doubt: committing };
                self.fenced(now)
            }
            Failure::Fatal | Failure::Unknown => self.renew(committing),
        }
    }

    /// The same call again; but not towards a commit that must not be.
    fn again(&mut self, renewals: u64) -> Next {
        let slices = || self.taken.clone();
        let call = match self.phase {
            Phase::Beginning | Phase::Producing | Phase::Draining | Phase::Sending
                if self.spoiled =>
            {
                return self.abort(false);
            }
            Phase::Beginning => Call::Begin,
            Phase::Producing => Call::Produce(slices()),
            Phase::Draining => Call::Drain,
            Phase::Sending => {
                self.sent_under = renewals;
                Call::SendOffsets(slices())
            }
            Phase::Committing => {
                self.asked_again = true;
                Call::Commit
            }
            Phase::Aborting { .. } => Call::Abort,
            Phase::Absent | Phase::Making { .. } | Phase::Idle | Phase::Asking => {
                unreachable!("no call of a transaction: {:?}", self.phase)
            }
        };
        Next::Call(call)
    }

    fn call(&mut self, phase: Phase, call: Call) -> Next {
        self.phase = phase;
        Next::Call(call)
    }

    fn abort(&mut self, counted: bool) -> Next {
        self.call(Phase::Aborting { counted }, Call::Abort)
    }

    fn aborted(&mut self, counted: bool) -> Next {
        self.phase = Phase::Idle;
        Next::Aborted {
            slices: std::mem::take(&mut self.taken),
            counted,
        }
    }

    /// Never `Begin` again on a producer whose call had no known outcome: a late request could hit the next
    /// transaction. The same id made anew fences such strays.
    fn renew(&mut self, doubt: bool) -> Next {
        self.call(Phase::Making { doubt }, Call::NewProducer)
    }

    fn fenced(&mut self, now: Millis) -> Next {
        match self.fenced_at.replace(now) {
            Some(before) if now.since(before) < FENCED_TWICE_MS => Next::SharedId,
            Some(_) | None => Next::Fenced(Call::NewProducer),
        }
    }
}

/// Fenced twice within this: two processes share an id.
const FENCED_TWICE_MS: u64 = 60_000;
