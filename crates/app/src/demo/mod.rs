//! `mainstay demo`: the whole product in one process, with nothing to install.
//!
//! ```text
//! company ─▶ feed ─▶ embedded broker ─▶ the pipeline of `run` ─▶ embedded broker ─▶ reader ─┐
//!              └───────────────────────▶ oracle ───────────────────────────────▶ judge ◀────┘
//! ```
//!
//! Consumer, engine, transactions and producer are those of `run`; only the broker is the client library's
//! mock cluster, which keeps little and forgets silently, so the feed never goes far ahead. Nothing here
//! writes to a terminal: [`Watcher::seen`] tells what there is to show.

mod feed;
mod judge;
pub mod movements;
mod pace;
pub mod picture;
pub mod report;
pub mod screen;
mod values;
mod watcher;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use mainstay_connectors::Topic;
use mainstay_connectors::kafka::{
    Embedded, KafkaSettings, Observer, Reader, Runtime, RuntimeSettings, Sender,
};
use mainstay_model::Timestamp;
use mainstay_testkit::company::{self, Company};

use crate::commands::run::make_shards;
use crate::shard;
pub use feed::MOST_EVENTS;
use feed::{Fed, Feed};
pub use judge::Verdict;
pub use pace::Pace;
pub use watcher::{Phase, Seen, Watcher};

/// How many shards a demo has.
pub const SHARDS: u32 = 4;
/// The topic that the company sends to.
pub const INPUT: &str = "product-events";

/// How many batches of events may wait to be taken in by the oracle.
const TRUTH_BATCHES: usize = 256;
/// For how long the pipeline may commit nothing of what was fed.
const PATIENCE: Duration = Duration::from_secs(15);
const NAP: Duration = Duration::from_millis(20);

/// A demo, ready to run.
pub struct Demo {
    /// Who sends what.
    pub company: company::Plan,
    /// When it is sent.
    pub pace: Pace,
    /// How shards are made.
    pub plan: Arc<shard::Plan>,
    /// How the pipeline runs, but for where its broker is.
    pub settings: RuntimeSettings,
    /// Who watches.
    pub watcher: Arc<Watcher>,
    /// Set by whoever wants the feed to end, and the comparison to begin.
    pub stop: Arc<AtomicBool>,
}

/// How a demo ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// What was fed, in events.
    pub fed: u64,
    /// When the last of it arrived, in the company's time.
    pub until: Timestamp,
    /// It ended by itself: the truth of more events would not have fitted into memory.
    pub at_limit: bool,
    /// Whether what was published is true.
    pub verdict: Verdict,
}

impl Demo {
    /// Runs until it is stopped, then compares.
    ///
    /// # Errors
    /// When the pipeline, the feed or the reader cannot go on.
    pub fn run(self) -> anyhow::Result<Ended> {
        let broker = Embedded::start(&[INPUT], SHARDS).context("no broker in this process")?;
        let kafka = broker.settings();
        let (truth, events) = sync_channel(TRUTH_BATCHES);
        let settings = self.plan.settings.clone();
        let expected = named("oracle", move || judge::keep_the_truth(settings, &events))?;
        let feed = Feed {
            company: Company::new(self.company.clone()),
            pace: self.pace,
            sender: Sender::new(&kafka, INPUT)?,
            truth,
            watcher: Arc::clone(&self.watcher),
            stop: Arc::clone(&self.stop),
        };
        let feed = named("feed", move || feed.live())?;
        self.watcher.enter(Phase::Joining);
        let runtime = self.start_pipeline(kafka.clone())?;
        let ended = Arc::new(AtomicBool::new(false));
        let published = self.read_back(&kafka, expected, &ended)?;

        let fed = self.wait_for_feed(feed, &runtime, &published);
        let stopper = runtime.stopper();
        let fed = fed.and_then(|fed| {
            self.wait_for_commits(fed, &runtime)?;
            Ok(fed)
        });
        self.watcher.enter(Phase::Comparing);
        ended.store(true, Ordering::Relaxed);
        let verdict = join(published);
        stopper.stop();
        let left = runtime.wait();
        let fed = fed?;
        left.context("the pipeline failed")?;
        Ok(Ended {
            fed: fed.events,
            until: fed.until,
            at_limit: fed.at_limit,
            verdict: verdict?,
        })
    }

    fn start_pipeline(&self, kafka: KafkaSettings) -> anyhow::Result<Runtime> {
        let settings = RuntimeSettings {
            kafka,
            // Time is the company's: no silence of ours may move it.
            idle: None,
            ..self.settings.clone()
        };
        let observer = Arc::clone(&self.watcher) as Arc<dyn Observer>;
        let make = make_shards(Arc::clone(&self.plan));
        Ok(Runtime::start(settings, make, observer)?)
    }

    fn read_back(
        &self,
        kafka: &KafkaSettings,
        expected: JoinHandle<judge::Expected>,
        ended: &Arc<AtomicBool>,
    ) -> anyhow::Result<JoinHandle<anyhow::Result<Verdict>>> {
        let reader = Reader::new(kafka, &kafka.topic(Topic::AccountDaily), SHARDS)?;
        let (watcher, ended) = (Arc::clone(&self.watcher), Arc::clone(ended));
        let stories = Company::new(self.company.clone()).stories().into_iter();
        let zones = stories.map(|story| (story.account, story.zone)).collect();
        named("judge", move || {
            let mut truth = None;
            let published = judge::read_back(&reader, &watcher, &ended, || {
                truth = expected.join().ok();
                truth.as_ref().map_or(0, judge::Expected::account_days)
            })?;
            let truth = truth.context("the oracle panicked")?;
            Ok(judge::judge(&truth, &published.found, &zones, &watcher))
        })
    }

    fn wait_for_feed(
        &self,
        feed: JoinHandle<anyhow::Result<Fed>>,
        runtime: &Runtime,
        published: &JoinHandle<anyhow::Result<Verdict>>,
    ) -> anyhow::Result<Fed> {
        while !feed.is_finished() && !runtime.is_finished() && !published.is_finished() {
            std::thread::sleep(NAP);
        }
        // Whoever ended unasked says why; the others end too.
        self.stop.store(true, Ordering::Relaxed);
        join(feed)
    }

    /// Waits until all that was fed is committed.
    fn wait_for_commits(&self, fed: Fed, runtime: &Runtime) -> anyhow::Result<()> {
        let (mut before, mut moved) = (0, Instant::now());
        loop {
            let committed = self.watcher.seen().events();
            if committed >= fed.events || runtime.is_finished() {
                return Ok(());
            }
            if committed > before {
                (before, moved) = (committed, Instant::now());
            }
            if moved.elapsed() > PATIENCE {
                let missing = fed.events - committed;
                return Err(anyhow!(
                    "{missing} of {} events were never committed",
                    fed.events
                ));
            }
            std::thread::sleep(NAP);
        }
    }
}

fn named<T: Send + 'static>(
    name: &str,
    live: impl FnOnce() -> T + Send + 'static,
) -> anyhow::Result<JoinHandle<T>> {
    let thread = std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(live);
    thread.context("a thread cannot be started")
}

fn join<T>(thread: JoinHandle<anyhow::Result<T>>) -> anyhow::Result<T> {
    let name = thread.thread().name().unwrap_or_default().to_owned();
    thread
        .join()
        .unwrap_or_else(|_| Err(anyhow!("the thread `{name}` panicked")))
}

#[cfg(test)]
mod tests;
