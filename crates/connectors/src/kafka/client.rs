//! Clients of the library, each with the options that its part of the guarantees rests on.
//!
//! What the library logs goes to `tracing`, and so do its errors; neither ever holds an option's value.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::admin::AdminClient;
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseProducer, NoCustomPartitioner, ProducerContext};

use super::options::{WrongOption, wrong_options};
use super::settings::KafkaSettings;

/// How long a client call waits for a broker before it is a failure.
pub(super) const PATIENCE: Duration = Duration::from_secs(8);

/// Why a client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// An option of the operator's.
    #[error(transparent)]
    Option(WrongOption),
    /// The library refused.
    #[error("the Kafka client could not be made")]
    Library(#[source] KafkaError),
}

impl From<KafkaError> for ClientError {
    fn from(error: KafkaError) -> ClientError {
        match WrongOption::of(&error) {
            Some(wrong) => ClientError::Option(wrong),
            None => ClientError::Library(error),
        }
    }
}

/// Checks the options that are passed on, for whoever has not done so where they were read.
///
/// # Errors
/// The first that is wrong.
pub fn check_options(kafka: &KafkaSettings) -> Result<(), ClientError> {
    let wrong = wrong_options(&kafka.client).into_iter().next();
    wrong.map_or(Ok(()), |wrong| Err(ClientError::Option(wrong)))
}

fn common(kafka: &KafkaSettings, role: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    for (option, value) in &kafka.client {
        config.set(option, value);
    }
    let id = format!("{}-{role}", kafka.application);
    config
        .set("bootstrap.servers", &kafka.brokers)
        .set("client.id", id)
        .set("topic.metadata.refresh.interval.ms", "60000")
        .set("reconnect.backoff.max.ms", "1000")
        .set_log_level(RDKafkaLogLevel::Info);
    config
}

fn consumer(kafka: &KafkaSettings, role: &str) -> ClientConfig {
    let mut config = common(kafka, role);
    config
        .set("group.id", &kafka.application)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "error")
        .set("isolation.level", "read_committed")
        .set("check.crcs", "true")
        .set("enable.partition.eof", "true")
        .set("allow.auto.create.topics", "false")
        .set("fetch.queue.backoff.ms", "10");
    config
}

/// The group's member: subscribed to the empty topic, nothing else.
pub(super) fn member<C: ConsumerContext>(
    kafka: &KafkaSettings,
    context: C,
) -> KafkaResult<BaseConsumer<C>> {
    let mut config = consumer(kafka, "member");
    config
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("session.timeout.ms", "6000")
        .set("heartbeat.interval.ms", "1000")
        .set("auto.offset.reset", "latest")
        .set("enable.partition.eof", "false");
    if let Some(instance) = &kafka.instance {
        config.set("group.instance.id", instance);
    }
    config.create_with_context(context)
}

/// Reads inputs, assigned by hand: at most so many partitions at once, which share the memory for what was
/// fetched ahead. A message that waits costs a good deal more than its bytes, so both are bounded.
pub(super) fn data(kafka: &KafkaSettings, partitions: usize) -> KafkaResult<BaseConsumer<Logging>> {
    let share =
        |all: usize, least: usize, most: usize| (all / partitions.max(1)).clamp(least, most);
    let mut config = consumer(kafka, "data");
    config
        .set(
            "queued.min.messages",
            share(120_000, 4_000, 30_000).to_string(),
        )
        .set(
            "queued.max.messages.kbytes",
            share(49_152, 1_024, 16_384).to_string(),
        )
        .set("fetch.max.bytes", "16777216")
        .set(
            "fetch.wait.max.ms",
            if kafka.embedded { "20" } else { "100" },
        );
    config.create_with_context(Logging)
}

/// Reads a changelog from its beginning, as fast as it comes.
pub(super) fn restorer(kafka: &KafkaSettings) -> KafkaResult<BaseConsumer<Logging>> {
    let mut config = consumer(kafka, "restore");
    config
        .set("queued.min.messages", "100000")
        .set("queued.max.messages.kbytes", "65536")
        .set("fetch.message.max.bytes", "8388608")
        .set("fetch.wait.max.ms", "20");
    config.create_with_context(Logging)
}

/// Reads an output from its beginning and never ends, as a customer's program would.
pub(super) fn reader(kafka: &KafkaSettings) -> KafkaResult<BaseConsumer<Logging>> {
    let mut config = consumer(kafka, "reader");
    config
        .set("enable.partition.eof", "false")
        .set("fetch.wait.max.ms", "20");
    config.create_with_context(Logging)
}

/// Asks for offsets of the group, which are stable ones: a pending transaction is waited for.
pub(super) fn asker(kafka: &KafkaSettings) -> KafkaResult<BaseConsumer<Logging>> {
    consumer(kafka, "ask").create_with_context(Logging)
}

/// Asks for the ends of partitions, open transactions included.
pub(super) fn uncommitted_asker(kafka: &KafkaSettings) -> KafkaResult<BaseConsumer<Logging>> {
    let mut config = consumer(kafka, "ends");
    config.set("isolation.level", "read_uncommitted");
    config.create_with_context(Logging)
}

/// Creates, describes and deletes topics.
pub(super) fn admin(kafka: &KafkaSettings) -> KafkaResult<AdminClient<Logging>> {
    common(kafka, "admin").create_with_context(Logging)
}

/// The transactional id of a slot.
pub(super) fn transactional_id(kafka: &KafkaSettings, slot: &str) -> String {
    format!("{}-{slot}", kafka.application)
}

/// The transactional producer. Its id is never random: who takes it over fences who had it.
pub(super) fn producer(kafka: &KafkaSettings, slot: &str) -> KafkaResult<BaseProducer<Deliveries>> {
    let mut config = common(kafka, "producer");
    config
        .set("transactional.id", transactional_id(kafka, slot))
        .set("transaction.timeout.ms", "10000")
        .set("message.timeout.ms", "8000")
        .set("linger.ms", "5")
        .set("batch.num.messages", "100000")
        .set("batch.size", "900000")
        .set("queue.buffering.max.messages", "1000000")
        .set("queue.buffering.max.kbytes", "131072")
        .set("compression.type", option(kafka, "compression.type", "lz4"));
    config.create_with_context(Deliveries::default())
}

/// A producer without transactions, for an operator's command.
pub(super) fn plain_producer(kafka: &KafkaSettings) -> KafkaResult<BaseProducer<Deliveries>> {
    let mut config = common(kafka, "operator");
    config
        .set("enable.idempotence", "true")
        .set("message.timeout.ms", "10000");
    config.create_with_context(Deliveries::default())
}

fn option<'a>(kafka: &'a KafkaSettings, name: &str, default: &'a str) -> &'a str {
    kafka.client.get(name).map_or(default, String::as_str)
}

/// A context that logs, and no more.
pub(super) struct Logging;

impl ClientContext for Logging {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, text: &str) {
        log(level, fac, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        complain(&error, reason);
    }
}

impl ConsumerContext for Logging {}

/// The producer's context: it remembers whether a record could not be delivered, and why.
#[derive(Default)]
pub(super) struct Deliveries {
    failed: AtomicBool,
    why: Mutex<Option<String>>,
}

impl Deliveries {
    /// Whether a record failed since the last time somebody asked.
    pub(super) fn take_failed(&self) -> bool {
        self.failed.swap(false, Ordering::AcqRel)
    }

    /// What was said first since the last time somebody asked.
    pub(super) fn take_why(&self) -> Option<String> {
        self.lock().take()
    }

    /// Whether something was said since the last time somebody asked.
    pub(super) fn knows_why(&self) -> bool {
        self.lock().is_some()
    }

    /// Remembers why, unless something was said before.
    pub(super) fn note(&self, why: impl FnOnce() -> String) {
        self.lock().get_or_insert_with(why);
    }

    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        self.why.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, text: &str) {
        // A transaction that has failed purges its records, and each of them says only that.
        if fac == FAILED_TRANSACTION {
            self.note(|| text.to_owned());
        }
        log(level, fac, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        complain(&error, reason);
    }
}

impl ProducerContext<NoCustomPartitioner> for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, message)) = result
            && !self.failed.swap(true, Ordering::AcqRel)
        {
            self.note(|| format!("`{}`/{}: {error}", message.topic(), message.partition()));
        }
    }
}

/// Under which name the library logs why a transaction cannot be committed any more.
const FAILED_TRANSACTION: &str = "TXNERR";

pub(super) fn log(level: RDKafkaLogLevel, fac: &str, text: &str) {
    // Failed calls come back to whoever made them, who knows what they mean; lost connections are told as
    // errors, and come back by themselves.
    if [FAILED_TRANSACTION, "GETPID", "FAIL", "REQTMOUT", "FETCHERR"].contains(&fac) {
        return tracing::debug!(target: "librdkafka", fac, "{text}");
    }
    match level {
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error => tracing::error!(target: "librdkafka", fac, "{text}"),
        RDKafkaLogLevel::Warning => tracing::warn!(target: "librdkafka", fac, "{text}"),
        RDKafkaLogLevel::Notice => tracing::info!(target: "librdkafka", fac, "{text}"),
        RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => {
            tracing::debug!(target: "librdkafka", fac, "{text}");
        }
    }
}

pub(super) fn complain(error: &KafkaError, reason: &str) {
    match error.rdkafka_error_code() {
        // Said by every client for every broker and every try while one is away.
        Some(RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::Resolve) => {
            tracing::debug!(target: "librdkafka", "{reason}");
        }
        Some(RDKafkaErrorCode::AllBrokersDown) => {
            if ALL_DOWN.is_new(Instant::now()) {
                tracing::warn!("no broker answers: {reason}");
            }
        }
        Some(_) | None => tracing::error!(target: "librdkafka", %error, "{reason}"),
    }
}

/// What all clients say at once is said once.
static ALL_DOWN: Once = Once(Mutex::new(None));

/// How long the same complaint is not repeated.
const QUIET: Duration = Duration::from_secs(10);

struct Once(Mutex<Option<Instant>>);

impl Once {
    fn is_new(&self, now: Instant) -> bool {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let new = said.is_none_or(|said| now.saturating_duration_since(said) >= QUIET);
        if new {
            *said = Some(now);
        }
        new
    }
}
