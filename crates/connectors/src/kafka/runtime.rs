//! The runtime put together: what is checked before anything begins, which threads there are, how it ends.
//!
//! ```text
//! member ──assigned, revoked──▶ committer ──calls──▶ producer
//! workers ◀──run, stop, drop──  (machine)  ──restore──▶ restorers
//!    └──slices──────────────────▶  ▲  └── ends, faults ── watch
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mainstay_commit::Happened;

use super::cap::Cap;
use super::client::{ClientError, check_options, transactional_id};
use super::committer::{Committer, machine};
use super::data::Data;
use super::event::{Event, Fault, RuntimeError};
use super::membership::{Links, Member, Metadata};
use super::observer::{Observer, Told};
use super::offsets::Offsets;
use super::place::{Beat, Clock, Places};
use super::producer::{Calls, Failing};
use super::restore::{Free, MakeShard, Restorer};
use super::settings::RuntimeSettings;
use super::slot::Slot;
use super::topics::{self, Found};
use super::watch::Watch;
use super::worker::{Shared, Worker};

/// The pipeline as a member of its group.
pub struct Runtime {
    events: Sender<Event>,
    decided: JoinHandle<Result<(), RuntimeError>>,
    others: Vec<JoinHandle<()>>,
    _slot: Slot,
}

/// Asks a runtime to stop, from anywhere.
#[derive(Clone)]
pub struct Stop(Sender<Event>);

impl Stop {
    /// Take no more input, commit, leave the group, end. Again: nothing more.
    pub fn stop(&self) {
        // It may have ended already.
        drop(self.0.send(Event::Happened(Happened::Shutdown)));
    }
}

/// How long the threads that carry things out may take to end once all is decided.
const LINGER: Duration = Duration::from_secs(1);

impl Runtime {
    /// Checks options and topics, creates what is missing, and begins.
    ///
    /// # Errors
    /// When nothing could begin: a refused option, no broker, topics that do not fit, no free slot.
    pub fn start(
        settings: RuntimeSettings,
        make: Arc<MakeShard>,
        observer: Arc<dyn Observer>,
    ) -> Result<Runtime, RuntimeError> {
        check_options(&settings.kafka)?;
        let found = topics_of(&settings, observer.as_ref())?;
        let slot = if settings.kafka.embedded {
            Slot::alone()
        } else {
            let kafka = &settings.kafka;
            Slot::claim(
                &settings.state_dir,
                &kafka.application,
                kafka.instance.as_deref(),
            )?
        };
        Threads::start(settings, found, make, observer, slot)
    }

    /// What asks this runtime to stop.
    #[must_use]
    pub fn stopper(&self) -> Stop {
        Stop(self.events.clone())
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.decided.is_finished()
    }

    /// Waits for the end and says why it came: asked for, or an error.
    ///
    /// # Errors
    /// When something other than [`Stop`] ended it.
    pub fn wait(self) -> Result<(), RuntimeError> {
        let ended = self.decided.join().unwrap_or_else(|_| {
            let why = "the deciding thread panicked".to_owned();
            Err(Fault::Thread(why).into())
        });
        drop(self.events);
        // Those that hang on a broker are left behind: the process ends anyway.
        let began = Instant::now();
        while began.elapsed() < LINGER && !self.others.iter().all(JoinHandle::is_finished) {
            std::thread::sleep(Duration::from_millis(5));
        }
        ended
    }
}

fn topics_of(settings: &RuntimeSettings, observer: &dyn Observer) -> Result<Found, RuntimeError> {
    let kafka = &settings.kafka;
    let found = topics::inspect(kafka, &settings.sources)?;
    if !kafka.embedded {
        topics::create(kafka, &found.missing)?;
    }
    observer.told(&Told::Topics {
        shards: found.shards,
        created: found.missing.len(),
    });
    Ok(found)
}

/// Everything that the threads need before they begin.
struct Threads;

impl Threads {
    fn start(
        settings: RuntimeSettings,
        found: Found,
        make: Arc<MakeShard>,
        observer: Arc<dyn Observer>,
        slot: Slot,
    ) -> Result<Runtime, RuntimeError> {
        let kafka = settings.kafka.clone();
        let clock = Clock::start();
        let ended = Arc::new(AtomicBool::new(false));
        let offsets = Arc::new(Offsets::new(&kafka).map_err(ClientError::from)?);
        let metadata = Arc::new(Metadata::default());
        let (events, inbox) = channel();
        let (jobs, job_inbox) = channel();
        let (acks, ack_inbox) = channel();
        let (leave, leave_inbox) = channel();
        let names = ["the membership", "the producer", "the committer"];
        let mut beats: Vec<Arc<Beat>> = names.map(Beat::new).into();

        let shards = usize::try_from(found.shards).unwrap_or(usize::MAX);
        let partitions = shards.saturating_mul(settings.sources.len());
        let cap = Arc::new(Cap::new(settings.commit_max_bytes));
        let shared = Arc::new(Shared {
            sources: settings.sources.clone(),
            shards: found.shards,
            slot: slot.name().to_owned(),
            interval: settings.commit_interval,
            cap: Arc::clone(&cap),
            idle: settings.idle,
            clock,
            data: Data::new(kafka.clone(), partitions).map_err(ClientError::from)?,
            places: Places::default(),
            observer: Arc::clone(&observer),
            running: AtomicUsize::new(0),
        });
        let (mut workers, mut others) = (Vec::new(), Vec::new());
        for number in 0..worker_count(settings.workers) {
            let beat = Beat::new(format!("worker {number}"));
            beats.push(Arc::clone(&beat));
            let spawned = Worker::spawn(number, Arc::clone(&shared), events.clone(), beat);
            let (worker, thread) = spawned.map_err(thread_failed)?;
            workers.push(worker);
            others.push(thread);
        }
        let present = settings.sources.iter().zip(found.present.clone());
        let present = present
            .filter(|(_, present)| *present)
            .map(|(source, _)| source.topic.clone());
        let restorer = Arc::new(Restorer {
            kafka: kafka.clone(),
            sources: settings.sources.clone(),
            present: found.present,
            shards: found.shards,
            on_data_loss: settings.on_data_loss,
            offsets: Arc::clone(&offsets),
            make,
            observer: Arc::clone(&observer),
            free: Free::new(cores().max(2)),
        });
        let calls = Calls {
            kafka: kafka.clone(),
            slot: slot.name().to_owned(),
            inputs: present.collect(),
            metadata: Arc::clone(&metadata),
            offsets: Arc::clone(&offsets),
            jobs: job_inbox,
            events: events.clone(),
            clock,
            beat: Arc::clone(&beats[1]),
            producer: None,
            failing: Failing::default(),
        };
        let member = Member {
            kafka,
            links: Links {
                events: events.clone(),
                acks: Arc::new(std::sync::Mutex::new(ack_inbox)),
                metadata,
                observer: Arc::clone(&observer),
                clock,
                ended: Arc::clone(&ended),
            },
            leave: leave_inbox,
            beat: Arc::clone(&beats[0]),
        };
        let committer = Committer {
            transactional_id: transactional_id(&settings.kafka, slot.name()),
            machine: machine(),
            inbox,
            events: events.clone(),
            jobs,
            acks,
            leave,
            workers,
            restorer,
            cap,
            observer,
            clock,
            beat: Arc::clone(&beats[2]),
            ended: Arc::clone(&ended),
            waiting: BTreeMap::new(),
            ready: BTreeMap::new(),
            restores: BTreeMap::new(),
            stays: BTreeMap::new(),
            refusal: None,
            began: None,
            failing: None,
        };
        let watch = Watch {
            shared,
            offsets,
            events: events.clone(),
            beats,
            stall: settings.stall,
            ended,
            seen: BTreeMap::new(),
        };
        others.extend([
            named("producer", move || calls.live())?,
            named("membership", move || member.live())?,
            named("watch", move || watch.live())?,
        ]);
        let decided = named("committer", move || committer.live())?;
        Ok(Runtime {
            events,
            decided,
            others,
            _slot: slot,
        })
    }
}

fn worker_count(wanted: usize) -> usize {
    if wanted == 0 { cores() } else { wanted }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn named<T: Send + 'static>(
    name: &str,
    live: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, RuntimeError> {
    let thread = std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(live);
    thread.map_err(thread_failed)
}

fn thread_failed(error: std::io::Error) -> RuntimeError {
    Fault::Thread(error.to_string()).into()
}
