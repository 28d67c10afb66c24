//! `run`: the pipeline as a member of the consumer group.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use mainstay_connectors::kafka::{MakeShard, Observer, Runtime, Told};
use mainstay_connectors::prometheus::{self, AccountLimits, Metrics};
use mainstay_connectors::{Slice, Topic};
use mainstay_engine::{account_infos, group_columns};
use mainstay_model::Timestamp;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

use crate::config::{Config, Given, Needs};
use crate::shard::{Plan, Target};
use crate::wiring;

pub(crate) fn run(given: &Given) -> anyhow::Result<()> {
    let config = Config::load(given, Needs::Pipeline)?;
    let plan = Arc::new(wiring::plan(&config, Target::Topics));
    info!(
        application = %config.kafka.application,
        brokers = %config.kafka.brokers.joined(),
        sources = plan.sources.len(),
        "config read"
    );
    let threads = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("cannot start the HTTP thread")?;
    let ended = threads.block_on(pipeline(&config, plan));
    // A start that was left alone may still wait for brokers; the process does not wait for it.
    threads.shutdown_background();
    ended
}

async fn pipeline(config: &Config, plan: Arc<Plan>) -> anyhow::Result<()> {
    let mut stop = StopSignals::listen()?;
    let metrics = Arc::new(Metrics::new(metrics_settings(config, &plan)));
    let listener = prometheus::listen(config.http.listen).await?;
    info!(address = %listener.address(), "serving /metrics, /healthz and /readyz");
    let (stop_serving, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(listener.serve(Arc::clone(&metrics), async { drop(stopped.await) }));

    let settings = wiring::runtime(config);
    let make = make_shards(plan);
    let observer = Arc::new(Teller {
        metrics,
        sampled: Mutex::new(None),
    });
    // Checks talk to brokers and block; so does the wait for the end.
    let start = tokio::task::spawn_blocking(move || Runtime::start(settings, make, observer));
    let Some(started) = unless_stopped(start, stop.told()).await else {
        info!("told to stop while starting: nothing was begun");
        return Ok(());
    };
    let runtime = started.context("the start panicked")??;
    let stopper = runtime.stopper();
    let mut ended = tokio::task::spawn_blocking(move || runtime.wait());
    let result = loop {
        tokio::select! {
            ended = &mut ended => break ended.context("the runtime panicked")?,
            () = stop.told() => stopper.stop(),
        }
        info!("told to stop: committing what was done, then leaving the group");
    };
    drop(stop_serving);
    // A scrape under way may end; nobody is waited for.
    drop(tokio::time::timeout(Duration::from_secs(1), serving).await);
    result?;
    info!("stopped");
    Ok(())
}

/// What tells the process to stop. From here on neither signal kills it.
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    fn listen() -> anyhow::Result<StopSignals> {
        Ok(StopSignals {
            terminate: signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?,
        })
    }

    async fn told(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// What the work came to, or nothing if the stop came first.
async fn unless_stopped<T>(
    work: impl Future<Output = T>,
    stop: impl Future<Output = ()>,
) -> Option<T> {
    tokio::select! {
        done = work => Some(done),
        () = stop => None,
    }
}

/// Makes the logic of a shard, whenever one becomes ours.
pub(crate) fn make_shards(plan: Arc<Plan>) -> Arc<MakeShard> {
    // Every record of a topic has an arrival; the time that stands for a missing one is never asked.
    Arc::new(move |shard, shards| Box::new(plan.shard(shard.0, shards, Timestamp::MIN)))
}

/// What the metrics have to know of a config.
pub(crate) fn metrics_settings(config: &Config, plan: &Plan) -> prometheus::Settings {
    let names = plan.sources.iter().map(|(name, _)| name.clone());
    prometheus::Settings {
        catalogue: account_infos(),
        groups: group_columns(&plan.settings),
        sources: names.chain([Topic::Partials.name().to_owned()]).collect(),
        accounts: AccountLimits {
            always: config.prometheus.accounts.clone(),
            top: config.prometheus.top as usize,
            ..AccountLimits::default()
        },
        currency: plan.settings.revenue.rates.currency(),
        lateness_ms: plan.settings.lateness_ms,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// Tells the operator, a line a phase, and passes everything on to the metrics.
struct Teller {
    metrics: Arc<Metrics>,
    /// When a dead letter was last logged.
    sampled: Mutex<Option<Instant>>,
}

/// No more than one dead letter in so long is logged.
const SAMPLE: Duration = Duration::from_secs(1);

impl Teller {
    /// Logs the first dead letter of a slice, now and then.
    fn sample(&self, slice: &Slice) {
        let mut letters = slice.records().filter(|it| it.topic == Topic::DeadLetter);
        let Some(letter) = letters.next() else { return };
        let mut sampled = self.sampled.lock().unwrap_or_else(PoisonError::into_inner);
        if sampled.is_some_and(|at| at.elapsed() < SAMPLE) {
            return;
        }
        *sampled = Some(Instant::now());
        let header = |name: &str| {
            let found = letter.headers.iter().find(|(found, _)| found == name);
            let value = found.and_then(|(_, value)| value.as_deref());
            String::from_utf8_lossy(value.unwrap_or_default()).into_owned()
        };
        warn!(
            code = header("error.code"),
            topic = header("error.topic"),
            partition = header("error.partition"),
            offset = header("error.offset"),
            "a record became a dead letter"
        );
    }
}

impl Observer for Teller {
    fn told(&self, what: &Told<'_>) {
        self.metrics.told(what);
        match what {
            Told::Topics { shards, created } => info!(shards, created, "topics fit"),
            Told::Assigned([]) => {}
            Told::Assigned(shards) => info!(shards = ?numbers(shards), "assigned"),
            Told::Revoked(shards) => info!(shards = ?numbers(shards), "revoked"),
            Told::Restored {
                shard,
                records,
                took,
            } => {
                info!(
                    shard = shard.0,
                    records,
                    seconds = took.as_secs_f64(),
                    "restored"
                );
            }
            Told::Running(shard) => info!(shard = shard.0, "live"),
            Told::Committed(committed) => self.sample(committed.slice),
            Told::Aborted => warn!("a transaction was aborted; its slices go out again"),
            Told::InDoubt => warn!("the outcome of a transaction is unknown; asking for it"),
            Told::Alarm(alarm) => warn!("{alarm}"),
            Told::MachineAlarm(alarm) => warn!("{alarm}"),
            Told::Begun
            | Told::Restoring { .. }
            | Told::Gone(_)
            | Told::Transaction { .. }
            | Told::Lag(_)
            | Told::Idle { .. }
            | Told::SlicesWaiting(_) => {}
        }
    }
}

fn numbers(shards: &[mainstay_connectors::kafka::ShardNo]) -> Vec<u32> {
    shards.iter().map(|shard| shard.0).collect()
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test]
    async fn a_stop_does_not_wait_for_a_start_that_hangs() {
        assert_eq!(unless_stopped(pending::<()>(), ready(())).await, None);
        assert_eq!(unless_stopped(ready(7), pending()).await, Some(7));
    }
}
