//! The thread that decides: it holds the machine, tells it what happened, and hands on what is to be done.
//!
//! Slices wait here, by their tokens, until the machine says that they were committed. Nothing here blocks:
//! calls of the producer, restores and the revoke have threads of their own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use mainstay_commit::{
    Alarm, Call, Do, Exit, Happened, Lease, Limits, Machine, ShardNo, SliceToken,
};

use super::cap::Cap;
use super::closed::Closed;
use super::event::{Event, Ready, RuntimeError};
use super::observer::{Committed, Observer, Told};
use super::place::{Beat, Clock, wall_ms};
use super::producer::Job;
use super::restore::{Refusal, Restorer};
use super::worker::{Order, Run, Worker};

const NAP: Duration = Duration::from_millis(500);

/// The deciding thread.
pub(super) struct Committer {
    pub(super) transactional_id: String,
    pub(super) machine: Machine,
    pub(super) inbox: Receiver<Event>,
    pub(super) events: Sender<Event>,
    pub(super) jobs: Sender<Job>,
    pub(super) acks: Sender<()>,
    pub(super) leave: Sender<()>,
    pub(super) workers: Vec<Worker>,
    pub(super) restorer: Arc<Restorer>,
    pub(super) cap: Arc<Cap>,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) clock: Clock,
    pub(super) beat: Arc<Beat>,
    pub(super) ended: Arc<AtomicBool>,
    pub(super) waiting: BTreeMap<SliceToken, Arc<Closed>>,
    pub(super) ready: BTreeMap<Lease, Box<Ready>>,
    pub(super) restores: BTreeMap<Lease, Arc<AtomicBool>>,
    /// The stay that each shard is in now.
    pub(super) stays: BTreeMap<ShardNo, Lease>,
    pub(super) refusal: Option<(ShardNo, Box<Refusal>)>,
    pub(super) began: Option<Instant>,
    /// Why the last transaction failed, if the client has said it.
    pub(super) failing: Option<String>,
}

/// The machine with the limits of the spec.
pub(super) fn machine() -> Machine {
    Machine::new(Limits::default())
}

type Ended = Result<(), RuntimeError>;

impl Committer {
    /// Lives until the machine ends the process, or a fault does.
    pub(super) fn live(mut self) -> Ended {
        let ended = self.decide();
        self.ended.store(true, Ordering::Release);
        for cancelled in self.restores.values() {
            cancelled.store(true, Ordering::Release);
        }
        ended
    }

    fn decide(&mut self) -> Ended {
        if let Some(ended) = self.step(Happened::Started) {
            return ended;
        }
        loop {
            self.beat.beat(self.clock.now());
            let event = match self.inbox.recv_timeout(self.nap()) {
                Ok(event) => event,
                Err(RecvTimeoutError::Timeout) => Event::Happened(Happened::Tick),
                // We hold a sender ourselves.
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            };
            let happened = self.translate(event)?;
            if let Some(ended) = self.step(happened) {
                return ended;
            }
        }
    }

    fn nap(&self) -> Duration {
        let due = self.machine.due().map(|due| due.since(self.clock.now()));
        due.map_or(NAP, |ms| {
            Duration::from_millis(ms.saturating_add(1)).min(NAP)
        })
    }

    /// Keeps what an event carries and gives the machine the rest.
    fn translate(&mut self, event: Event) -> Result<Happened, RuntimeError> {
        Ok(match event {
            Event::Happened(happened) => happened,
            Event::Sliced(closed) => Happened::Sliced(self.keep(*closed)),
            Event::Stopped { shard, lease, last } => Happened::Stopped {
                shard,
                lease,
                last: last.map(|closed| self.keep(*closed)),
            },
            Event::Restored {
                shard,
                lease,
                at,
                ready,
            } => {
                self.restores.remove(&lease);
                self.ready.insert(lease, ready);
                Happened::Restored { shard, lease, at }
            }
            Event::Refused { shard, lease, why } => {
                self.restores.remove(&lease);
                self.refusal = Some((shard, why));
                Happened::Refused { shard, lease }
            }
            Event::Failing(why) => {
                self.failing = Some(why);
                Happened::Tick
            }
            Event::Fault(fault) => return Err(fault.into()),
        })
    }

    fn keep(&mut self, closed: Closed) -> SliceToken {
        let token = closed.token;
        self.waiting.insert(token, Arc::new(closed));
        self.observer.told(&Told::SlicesWaiting(self.waiting.len()));
        token
    }

    fn step(&mut self, happened: Happened) -> Option<Ended> {
        let mut commands = Vec::new();
        tracing::trace!(?happened);
        self.machine.step(self.clock.now(), happened, &mut commands);
        commands
            .into_iter()
            .find_map(|command| self.carry_out(command))
    }

    fn carry_out(&mut self, command: Do) -> Option<Ended> {
        tracing::trace!(?command);
        match command {
            Do::Call(call) => self.call(call),
            Do::Restore { shard, lease } => self.restore(shard, lease),
            Do::Run { shard, lease, term } => {
                if let Some(ready) = self.ready.remove(&lease) {
                    let Ready { logic, positions } = *ready;
                    let run = Run {
                        shard,
                        lease,
                        term,
                        logic,
                        positions,
                    };
                    self.order(shard, Order::Run(Box::new(run)));
                }
            }
            Do::Committed(tokens) => self.committed(&tokens),
            Do::Stop { shard, lease } => self.order(shard, Order::Stop { shard, lease }),
            Do::Drop { shard, lease, why } => {
                tracing::info!(%shard, ?why, "dropped");
                self.forget(shard, lease);
            }
            // The callback may have given up waiting.
            Do::AckRevoke => drop(self.acks.send(())),
            Do::Leave => drop(self.leave.send(())),
            Do::Alarm(alarm) => self.alarm(&alarm),
            Do::Exit(exit) => return Some(self.exit(exit)),
        }
        None
    }

    fn call(&mut self, call: Call) {
        let tokens: &[SliceToken] = match &call {
            Call::Produce(tokens) | Call::SendOffsets(tokens) => tokens,
            Call::NewProducer
            | Call::Begin
            | Call::Drain
            | Call::Commit
            | Call::Abort
            | Call::ReadBack(_) => &[],
        };
        let slices = tokens.iter().filter_map(|token| self.waiting.get(token));
        let slices: Vec<Arc<Closed>> = slices.map(Arc::clone).collect();
        match call {
            Call::Begin => {
                self.began = Some(Instant::now());
                self.observer.told(&Told::Begun);
            }
            Call::Abort => {
                self.cap.failed();
                self.observer.told(&Told::Aborted);
            }
            Call::ReadBack(_) => self.observer.told(&Told::InDoubt),
            // But for the first, every one is made because a call of a transaction had no good end.
            Call::NewProducer => {
                if self.began.is_some() {
                    self.cap.failed();
                }
            }
            Call::Produce(_) | Call::Drain | Call::SendOffsets(_) | Call::Commit => {}
        }
        // The producer's thread lives as long as we hold this sender.
        drop(self.jobs.send(Job { call, slices }));
    }

    fn restore(&mut self, shard: ShardNo, lease: Lease) {
        self.stays.insert(shard, lease);
        self.observer.told(&Told::Restoring {
            shard,
            records: 0,
            at: 0,
            to: 0,
        });
        let cancelled = Arc::new(AtomicBool::new(false));
        self.restores.insert(lease, Arc::clone(&cancelled));
        self.restorer
            .begin((shard, lease), cancelled, self.events.clone());
    }

    fn committed(&mut self, tokens: &[SliceToken]) {
        let took = self
            .began
            .take()
            .map_or(Duration::ZERO, |began| began.elapsed());
        self.failing = None;
        self.cap.committed(took);
        let slices = tokens.len();
        self.observer.told(&Told::Transaction { took, slices });
        for token in tokens {
            self.order(
                token.shard,
                Order::Committed {
                    token: *token,
                    took,
                },
            );
        }
        let now_ms = wall_ms();
        for token in tokens {
            if let Some(closed) = self.waiting.remove(token) {
                self.tell_committed(&closed, now_ms);
            }
        }
        self.observer.told(&Told::SlicesWaiting(self.waiting.len()));
    }

    fn tell_committed(&self, closed: &Closed, now_ms: i64) {
        let times = closed.position.sources.values().map(|at| at.stream_time);
        self.observer.told(&Told::Committed(Committed {
            shard: closed.token.shard,
            slice: &closed.slice,
            records: closed.records,
            changelog_bytes: closed.changelog_bytes(),
            live_keys: closed.position.live_keys,
            latencies: &closed.arrivals.ages(now_ms),
            stream_time_ms: times.max().unwrap_or(i64::MIN),
        }));
    }

    fn forget(&mut self, shard: ShardNo, lease: Lease) {
        self.order(shard, Order::Drop { shard, lease });
        if let Some(cancelled) = self.restores.remove(&lease) {
            cancelled.store(true, Ordering::Release);
        }
        self.ready.remove(&lease);
        self.waiting.retain(|token, _| token.lease != lease);
        // Of a stay that is over already, something may come late: the shard may be here again.
        if self.stays.get(&shard) == Some(&lease) {
            self.stays.remove(&shard);
            self.observer.told(&Told::Gone(shard));
        }
    }

    fn order(&self, shard: ShardNo, order: Order) {
        // A shard stays with one worker, so its orders keep their sequence.
        let count = u32::try_from(self.workers.len()).expect("a machine has fewer cores than that");
        let number = usize::try_from(shard.0 % count).expect("a number below the count of workers");
        self.workers[number].order(order);
    }

    fn alarm(&self, alarm: &Alarm) {
        if let (Alarm::ThreeAborts(_), Some(why)) = (alarm, &self.failing) {
            tracing::error!("{alarm}: {why}");
        } else {
            tracing::error!("{alarm}");
        }
        self.observer.told(&Told::MachineAlarm(alarm));
    }

    fn exit(&mut self, exit: Exit) -> Ended {
        let refusal = self.refusal.take();
        match (exit, refusal) {
            (Exit::Done, _) => Ok(()),
            (Exit::Refused(_), Some((shard, why))) => Err(RuntimeError::Refused { shard, why }),
            (Exit::SharedId, _) => Err(RuntimeError::SharedId {
                id: self.transactional_id.clone(),
            }),
            (exit, _) => Err(RuntimeError::Exit(exit)),
        }
    }
}
