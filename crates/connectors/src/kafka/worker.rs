//! A worker's thread: the shards that it drives, the orders it takes, and what it does when logic panics.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

use mainstay_commit::{Happened, Lease, ShardNo, SliceToken, Term};

use super::cap::Cap;
use super::closed::Closed;
use super::data::{Data, DataError};
use super::event::{Event, Fault};
use super::observer::{Observer, Told};
use super::place::{Beat, Clock, Places};
use super::running::{Running, Turn};
use super::settings::SourceSettings;
use super::suspects::Suspects;
use crate::{Shard, SourceNo};

/// The longest sleep of a worker that has nothing to do.
const NAP: Duration = Duration::from_millis(100);

/// What all workers share.
pub(super) struct Shared {
    pub(super) sources: Vec<SourceSettings>,
    pub(super) shards: u32,
    pub(super) slot: String,
    pub(super) interval: Duration,
    pub(super) cap: Arc<Cap>,
    pub(super) idle: Option<Duration>,
    pub(super) clock: Clock,
    pub(super) data: Data,
    pub(super) places: Places,
    pub(super) observer: Arc<dyn Observer>,
    /// How many shards run in this process.
    pub(super) running: AtomicUsize,
}

impl Shared {
    /// A shard's share of the bytes that may wait for a commit.
    pub(super) fn share(&self) -> usize {
        self.cap.bytes() / self.running.load(Ordering::Relaxed).max(1)
    }

    pub(super) fn told_idle(&self, shard: ShardNo, source: SourceNo, idle: bool) {
        self.observer.told(&Told::Idle {
            shard,
            source,
            idle,
        });
    }
}

/// What a worker is to do.
pub(super) enum Order {
    /// Read the shard's inputs and apply them.
    Run(Box<Run>),
    /// Close what is open, stop, and hand over the last slice.
    Stop { shard: ShardNo, lease: Lease },
    /// Forget the shard.
    Drop { shard: ShardNo, lease: Lease },
    /// A slice was committed.
    Committed { token: SliceToken, took: Duration },
}

/// A restored shard that is to run.
pub(super) struct Run {
    pub(super) shard: ShardNo,
    pub(super) lease: Lease,
    pub(super) term: Term,
    pub(super) logic: Box<dyn Shard>,
    pub(super) positions: Vec<(SourceNo, i64)>,
}

/// A worker, as others see it. It ends with its owner.
pub(super) struct Worker {
    orders: Sender<Order>,
    thread: Thread,
}

impl Worker {
    pub(super) fn spawn(
        number: usize,
        shared: Arc<Shared>,
        events: Sender<Event>,
        beat: Arc<Beat>,
    ) -> std::io::Result<(Worker, JoinHandle<()>)> {
        let (orders, inbox) = channel();
        let at_work = AtWork {
            shared,
            events,
            inbox,
            beat,
            running: BTreeMap::new(),
            suspects: Suspects::default(),
        };
        let handle = std::thread::Builder::new()
            .name(format!("worker-{number}"))
            .spawn(move || at_work.live())?;
        let thread = handle.thread().clone();
        Ok((Worker { orders, thread }, handle))
    }

    pub(super) fn order(&self, order: Order) {
        // A worker that is gone has said why.
        if self.orders.send(order).is_ok() {
            self.thread.unpark();
        }
    }
}

struct AtWork {
    shared: Arc<Shared>,
    events: Sender<Event>,
    inbox: Receiver<Order>,
    beat: Arc<Beat>,
    running: BTreeMap<ShardNo, Running>,
    suspects: Suspects,
}

impl AtWork {
    fn live(mut self) {
        loop {
            self.beat.beat(self.shared.clock.now());
            loop {
                match self.inbox.try_recv() {
                    Err(TryRecvError::Disconnected) => return,
                    Ok(order) => self.obey(order),
                    Err(TryRecvError::Empty) => break,
                }
            }
            let busy = self.turns();
            if !busy {
                std::thread::park_timeout(self.nap());
            }
        }
    }

    fn nap(&self) -> Duration {
        let due = self
            .running
            .values()
            .map(|running| running.due(&self.shared))
            .min();
        let until = due.map_or(NAP, |due| due.saturating_duration_since(Instant::now()));
        until.clamp(Duration::from_millis(1), NAP)
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Run(run) => self.run(*run),
            Order::Stop { shard, lease } => self.stop(shard, lease),
            Order::Drop { shard, lease } => {
                if self.has(shard, lease) {
                    self.forget(shard);
                }
            }
            Order::Committed { token, took } => self.committed(token, took),
        }
    }

    fn run(&mut self, run: Run) {
        let Run {
            shard,
            lease,
            term,
            logic,
            positions,
        } = run;
        self.forget(shard);
        match Running::start(&self.shared, (shard, lease, term), logic, &positions) {
            Ok(running) => {
                self.running.insert(shard, running);
                self.shared.running.fetch_add(1, Ordering::Relaxed);
                self.shared.observer.told(&Told::Running(shard));
            }
            Err(error) => self.tell(Event::Fault(Fault::Data(error.to_string()))),
        }
    }

    fn stop(&mut self, shard: ShardNo, lease: Lease) {
        let last = if self.has(shard, lease) {
            match self.guarded(shard, |running, shared, _| running.close(shared)) {
                Some(last) => last,
                // The panic was told; the machine takes it for the end of the stay.
                None => return,
            }
        } else {
            None
        };
        self.forget(shard);
        if let Some(last) = self.bounded(last) {
            let last = last.map(Box::new);
            self.tell(Event::Stopped { shard, lease, last });
        }
    }

    fn committed(&mut self, token: SliceToken, took: Duration) {
        if let Some(running) = self.running.get_mut(&token.shard)
            && running.lease() == token.lease
        {
            running.committed(took);
            self.suspects.committed(token.shard, running.positions());
        }
    }

    /// A turn of every shard. Says whether there may be more to do at once.
    fn turns(&mut self) -> bool {
        let mut busy = false;
        let shards: Vec<ShardNo> = self.running.keys().copied().collect();
        for shard in shards {
            let turn = self.guarded(shard, |running, shared, suspects| {
                running.follow(&shared.data)?;
                let turn = running.turn(shared, suspects);
                suspects.at_work();
                Ok::<_, DataError>((turn, running.close_if_due(shared)))
            });
            match turn {
                None => {}
                Some(Err(error)) => self.fault_of(&error),
                Some(Ok((turn, closed))) => {
                    busy |= matches!(turn, Turn::Busy);
                    if let Some(Some(closed)) = self.bounded(closed) {
                        self.tell(Event::Sliced(Box::new(closed)));
                    }
                    if let Turn::Gone(source) = turn {
                        self.gone(shard, source);
                    }
                }
            }
        }
        busy
    }

    /// Records that were not applied are gone: the shard is restored, and the start decides.
    fn gone(&mut self, shard: ShardNo, source: SourceNo) {
        let source = &self.shared.sources[usize::from(source.0)].topic;
        tracing::error!(%shard, source, "the next record is gone from the input; the shard is restored");
        self.give_back(shard);
    }

    fn fault_of(&self, error: &DataError) {
        self.tell(Event::Fault(Fault::Data(error.to_string())));
    }

    /// A record above the bound could never be committed: that is a mistake of the logic.
    fn bounded(&self, closed: Option<Closed>) -> Option<Option<Closed>> {
        if let Some((topic, size)) = closed.as_ref().and_then(Closed::too_large) {
            let topic = topic.name();
            self.tell(Event::Fault(Fault::TooLarge { topic, size }));
            return None;
        }
        Some(closed)
    }

    /// Runs logic so that its panic costs its shard a restore and others nothing.
    fn guarded<T>(
        &mut self,
        shard: ShardNo,
        run: impl FnOnce(&mut Running, &Shared, &mut Suspects) -> T,
    ) -> Option<T> {
        let running = self.running.get_mut(&shard)?;
        let (shared, suspects) = (&self.shared, &mut self.suspects);
        // Whatever the panic left half done is dropped with the shard.
        match catch_unwind(AssertUnwindSafe(|| run(running, shared, suspects))) {
            Ok(done) => Some(done),
            Err(panic) => {
                self.panicked(shard, &text(panic.as_ref()));
                None
            }
        }
    }

    fn panicked(&mut self, shard: ShardNo, text: &str) {
        tracing::error!(%shard, "the shard's logic panicked: {text}; it is restored");
        if self.suspects.panicked(shard) {
            self.tell(Event::Fault(Fault::Hopeless(shard, text.to_owned())));
        }
        self.give_back(shard);
    }

    /// The engine is no more: the machine has the shard restored.
    fn give_back(&mut self, shard: ShardNo) {
        let Some(lease) = self.running.get(&shard).map(Running::lease) else {
            return;
        };
        self.forget(shard);
        self.tell(Event::Happened(Happened::Panicked { shard, lease }));
    }

    fn has(&self, shard: ShardNo, lease: Lease) -> bool {
        self.running
            .get(&shard)
            .is_some_and(|running| running.lease() == lease)
    }

    fn forget(&mut self, shard: ShardNo) {
        if let Some(running) = self.running.remove(&shard) {
            self.shared.running.fetch_sub(1, Ordering::Relaxed);
            self.shared.places.leave(shard);
            // An engine that panicked may do so again while it is dropped.
            if catch_unwind(AssertUnwindSafe(move || drop(running))).is_err() {
                tracing::error!(%shard, "the shard's logic panicked while it was dropped");
            }
        }
    }

    fn tell(&self, event: Event) {
        // Nobody listens only when the process ends.
        drop(self.events.send(event));
    }
}

fn text(panic: &(dyn std::any::Any + Send)) -> String {
    let fixed = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    fixed
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}
