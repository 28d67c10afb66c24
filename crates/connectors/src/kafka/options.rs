//! Options of the client library that an operator sets: which may not be set, and which the library refuses.
//!
//! The library itself is asked, without a broker: what it takes here it takes when it is needed.

use std::collections::BTreeMap;

use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::producer::{BaseProducer, DeliveryResult, NoCustomPartitioner, ProducerContext};
use rdkafka::types::RDKafkaConfRes;

/// Client options that nobody may set, and why.
const REFUSED: &[(&str, &str)] = &[
    ("bootstrap.servers", "it is `kafka.brokers`"),
    ("metadata.broker.list", "it is `kafka.brokers`"),
    ("group.id", "it is `kafka.application`"),
    ("group.instance.id", "it is `kafka.instance`"),
    ("group.protocol", "the membership rests on it"),
    (
        "partition.assignment.strategy",
        "the membership rests on it",
    ),
    ("session.timeout.ms", "takeovers rest on it"),
    ("max.poll.interval.ms", "the membership rests on it"),
    ("transactional.id", "exactly-once rests on it"),
    ("transaction.timeout.ms", "takeovers rest on it"),
    (
        "message.timeout.ms",
        "it must be below the transaction's time-out",
    ),
    (
        "delivery.timeout.ms",
        "it must be below the transaction's time-out",
    ),
    ("enable.idempotence", "exactly-once rests on it"),
    ("enable.gapless.guarantee", "exactly-once rests on it"),
    ("acks", "exactly-once rests on it"),
    ("request.required.acks", "exactly-once rests on it"),
    ("retries", "exactly-once rests on it"),
    ("message.send.max.retries", "exactly-once rests on it"),
    ("max.in.flight", "exactly-once rests on it"),
    (
        "max.in.flight.requests.per.connection",
        "exactly-once rests on it",
    ),
    ("isolation.level", "exactly-once rests on it"),
    ("enable.auto.commit", "offsets are part of our transactions"),
    (
        "auto.commit.interval.ms",
        "offsets are part of our transactions",
    ),
    (
        "enable.auto.offset.store",
        "offsets are part of our transactions",
    ),
    ("auto.offset.reset", "a lost offset must never be a jump"),
    ("enable.partition.eof", "idle inputs are told by it"),
    ("check.crcs", "damaged records must not pass"),
    ("partitioner", "records go to the partition of their shard"),
    ("allow.auto.create.topics", "topics need their settings"),
    ("test.mock.num.brokers", "it replaces the brokers"),
    ("plugin.library.paths", "it loads foreign code"),
];

/// Options that operators set, for whoever looks for the name that was meant. The library takes many more.
pub const USUAL_OPTIONS: &[&str] = &[
    "api.version.request.timeout.ms",
    "broker.address.family",
    "broker.address.ttl",
    "client.dns.lookup",
    "client.rack",
    "compression.level",
    "compression.type",
    "connections.max.idle.ms",
    "debug",
    "enable.ssl.certificate.verification",
    "fetch.error.backoff.ms",
    "fetch.max.bytes",
    "fetch.min.bytes",
    "fetch.wait.max.ms",
    "linger.ms",
    "max.partition.fetch.bytes",
    "message.max.bytes",
    "metadata.max.age.ms",
    "queue.buffering.max.kbytes",
    "receive.message.max.bytes",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "retry.backoff.max.ms",
    "retry.backoff.ms",
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.oauthbearer.client.id",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.config",
    "sasl.oauthbearer.extensions",
    "sasl.oauthbearer.method",
    "sasl.oauthbearer.scope",
    "sasl.oauthbearer.token.endpoint.url",
    "sasl.password",
    "sasl.username",
    "security.protocol",
    "socket.connection.setup.timeout.ms",
    "socket.keepalive.enable",
    "socket.nagle.disable",
    "socket.receive.buffer.bytes",
    "socket.send.buffer.bytes",
    "socket.timeout.ms",
    "ssl.ca.location",
    "ssl.ca.pem",
    "ssl.certificate.location",
    "ssl.certificate.pem",
    "ssl.cipher.suites",
    "ssl.crl.location",
    "ssl.endpoint.identification.algorithm",
    "ssl.key.location",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "statistics.interval.ms",
];

/// What is wrong with options of the client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrongOption {
    /// This one may not be set.
    #[error("kafka.client.{name}: may not be set: {why}")]
    Forbidden {
        /// The option.
        name: String,
        /// Why not.
        why: &'static str,
    },
    /// The library knows none of this name.
    #[error("kafka.client.{name}: the Kafka client knows no such option")]
    Unknown {
        /// The name.
        name: String,
    },
    /// The library does not take this one's value, which may be a secret and is not told.
    #[error("kafka.client.{name}: the Kafka client does not take this value")]
    Value {
        /// The option.
        name: String,
    },
    /// Each is right, and they do not go together or name what is not there.
    #[error("kafka.client: the Kafka client does not take these together: {why}")]
    Together {
        /// What the library says, without secrets.
        why: String,
    },
}

impl WrongOption {
    /// The option that the library would not set, if that is what is wrong.
    pub(super) fn of(error: &KafkaError) -> Option<WrongOption> {
        let KafkaError::ClientConfig(result, _, name, _) = error else {
            return None;
        };
        let name = name.clone();
        Some(match result {
            RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN => WrongOption::Unknown { name },
            RDKafkaConfRes::RD_KAFKA_CONF_INVALID | RDKafkaConfRes::RD_KAFKA_CONF_OK => {
                WrongOption::Value { name }
            }
        })
    }
}

/// All that is wrong with options of the client, by name; if each is right, what is wrong with all of them.
#[must_use]
pub fn wrong_options(options: &BTreeMap<String, String>) -> Vec<WrongOption> {
    let wrong = options.iter().filter_map(|(name, value)| one(name, value));
    let wrong: Vec<WrongOption> = wrong.collect();
    if wrong.is_empty() && !options.is_empty() {
        return together(options).into_iter().collect();
    }
    wrong
}

fn one(name: &str, value: &str) -> Option<WrongOption> {
    let found = REFUSED.iter().find(|(refused, _)| *refused == name);
    if let Some((_, why)) = found {
        let name = name.to_owned();
        return Some(WrongOption::Forbidden { name, why });
    }
    let taken = ClientConfig::new().set(name, value).create_native_config();
    WrongOption::of(&taken.err()?)
}

/// A client that is made and never used: it has no broker to go to.
fn together(options: &BTreeMap<String, String>) -> Option<WrongOption> {
    let mut config = ClientConfig::new();
    config.extend(options.clone());
    config.set("group.id", "check");
    let consumer: KafkaResult<BaseConsumer<Silent>> = config.create_with_context(Silent);
    let producer: KafkaResult<BaseProducer<Silent>> = config.create_with_context(Silent);
    let error = consumer.err().or(producer.err())?;
    let why = if let KafkaError::ClientCreation(why) = error {
        why
    } else {
        error.to_string()
    };
    let why = options.iter().fold(why, |why, (name, value)| {
        if is_secret(name) && !value.is_empty() {
            why.replace(value.as_str(), "***")
        } else {
            why
        }
    });
    Some(WrongOption::Together { why })
}

/// Whether what an option holds may be a secret, by its name.
fn is_secret(name: &str) -> bool {
    let parts = [
        "password", "secret", "pem", "key", "token", "config", "username",
    ];
    parts.iter().any(|part| name.contains(part))
}

/// Says nothing: who asks is told by the answer.
struct Silent;

impl ClientContext for Silent {
    fn log(&self, _: RDKafkaLogLevel, _: &str, _: &str) {}

    fn error(&self, _: KafkaError, _: &str) {}
}

impl ConsumerContext for Silent {}

impl ProducerContext<NoCustomPartitioner> for Silent {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(options: &[(&str, &str)]) -> Vec<WrongOption> {
        let options = options.iter();
        let options = options.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        wrong_options(&options.collect())
    }

    #[test]
    fn options_that_a_guarantee_rests_on_are_refused_by_name() {
        for name in ["isolation.level", "transactional.id"] {
            let found = wrong(&[(name, "x")]);
            assert!(
                matches!(&found[..], [WrongOption::Forbidden { .. }]),
                "{name}"
            );
        }
    }

    #[test]
    fn each_wrong_option_is_told() {
        let name = |name: &str| name.to_owned();
        assert_eq!(
            wrong(&[("foo", "1"), ("linger.ms", "soon"), ("sasl.password", "x")]),
            [
                WrongOption::Unknown { name: name("foo") },
                WrongOption::Value {
                    name: name("linger.ms")
                },
            ]
        );
    }

    #[test]
    fn options_that_do_not_go_together_are_told_without_a_secret() {
        let found = wrong(&[
            ("security.protocol", "SSL"),
            ("ssl.key.password", "hush"),
            ("ssl.ca.location", "/nowhere/hush"),
        ]);
        let [WrongOption::Together { why }] = &found[..] else {
            panic!("{found:?}");
        };
        assert!(
            why.contains("ssl.ca.location") && !why.contains("hush"),
            "{why}"
        );
    }

    #[test]
    fn right_options_are_taken() {
        let sasl = [
            ("security.protocol", "SASL_PLAINTEXT"),
            ("sasl.mechanism", "SCRAM-SHA-512"),
            ("sasl.username", "ada"),
            ("sasl.password", "hush"),
        ];
        assert_eq!(wrong(&sasl), []);
        assert_eq!(wrong(&[]), []);
    }

    #[test]
    fn the_library_knows_every_usual_option_and_none_of_them_is_refused() {
        for name in USUAL_OPTIONS {
            let found = one(name, "?");
            assert!(
                matches!(found, None | Some(WrongOption::Value { .. })),
                "{name}: {found:?}"
            );
        }
    }
}
