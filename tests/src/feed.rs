//! Puts records on topics: as a company's services would, and as an owner who died.

use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::OwnedHeaders;
use rdkafka::producer::{
    BaseProducer, BaseRecord, DefaultProducerContext, Producer, ThreadedProducer,
};

use crate::Line;

const TIMEOUT: Duration = Duration::from_secs(120);

/// Feeds one topic. Idempotent, so that a broker that dies in between makes no record come twice.
pub struct Feed {
    producer: ThreadedProducer<DefaultProducerContext>,
    topic: String,
    /// Where what the billing system sends goes, if not there too.
    billing: Option<String>,
}

impl Feed {
    /// Into `topic`.
    ///
    /// # Panics
    /// When the client library cannot start a thread.
    #[must_use]
    pub fn new(brokers: &str, topic: &str) -> Feed {
        let producer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("enable.idempotence", "true")
            .set("linger.ms", "5")
            .set("message.timeout.ms", TIMEOUT.as_millis().to_string())
            // The partitioner of every Java client; the library's own default is another.
            .set("partitioner", "murmur2_random")
            .create()
            .expect("a producer needs nothing but an address");
        Feed {
            producer,
            topic: topic.to_owned(),
            billing: None,
        }
    }

    /// The same, with what the billing system sends into another topic.
    #[must_use]
    pub fn with_billing(self, topic: Option<&str>) -> Feed {
        let billing = topic.map(str::to_owned);
        Feed { billing, ..self }
    }

    fn topic_of(&self, line: &Line) -> &str {
        let billing = self.billing.as_deref().filter(|_| line.billing);
        billing.unwrap_or(&self.topic)
    }

    /// Sends lines as fast as it goes, and returns when the broker has them all.
    ///
    /// # Panics
    /// When the broker does not take them.
    pub fn send(&self, lines: &[Line]) {
        for line in lines {
            self.enqueue(record(self.topic_of(line), line));
        }
        self.flush();
    }

    /// Sends lines at a pace, so that something can happen meanwhile.
    ///
    /// # Panics
    /// When the broker does not take them.
    pub fn send_over(&self, lines: &[Line], time: Duration) {
        let start = Instant::now();
        for (sent, chunk) in lines.chunks(20).enumerate() {
            let due = time.mul_f64(sent as f64 * 20.0 / lines.len() as f64);
            std::thread::sleep(due.saturating_sub(start.elapsed()));
            for line in chunk {
                self.enqueue(record(&self.topic, line));
            }
        }
        self.flush();
    }

    /// Sends a line to a partition of the test's choice, right or wrong, with headers.
    ///
    /// # Panics
    /// When the broker does not take it.
    pub fn send_to(&self, partition: i32, line: &Line, headers: &[(&str, &[u8])]) {
        let mut own = OwnedHeaders::new();
        for (key, value) in headers {
            own = own.insert(rdkafka::message::Header {
                key,
                value: Some(*value),
            });
        }
        self.enqueue(record(&self.topic, line).partition(partition).headers(own));
        self.flush();
    }

    fn enqueue(&self, mut record: BaseRecord<'_, str, [u8]>) {
        loop {
            match self.producer.send(record) {
                Ok(()) => return,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                    record = again;
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err((err, _)) => panic!("could not feed {}: {err}", self.topic),
            }
        }
    }

    fn flush(&self) {
        self.producer
            .flush(TIMEOUT)
            .unwrap_or_else(|err| panic!("the broker did not take all of {}: {err}", self.topic));
    }
}

fn record<'a>(topic: &'a str, line: &'a Line) -> BaseRecord<'a, str, [u8]> {
    BaseRecord::to(topic)
        .key(line.account.as_str())
        .payload(line.value.as_slice())
        .timestamp(line.arrival_ms)
}

/// A transaction that somebody began and never ended: readers of what is committed stop at it, until the
/// broker gives it up.
pub struct OpenTransaction {
    _producer: BaseProducer,
}

impl OpenTransaction {
    /// Writes one record to a partition in a transaction that stays open for `timeout`.
    ///
    /// # Panics
    /// When the broker does not take it.
    #[must_use]
    pub fn leave(brokers: &str, topic: &str, partition: i32, timeout: Duration) -> OpenTransaction {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("transactional.id", format!("{topic}-dead-owner"))
            .set("transaction.timeout.ms", timeout.as_millis().to_string())
            .set("message.timeout.ms", timeout.as_millis().to_string())
            .create()
            .expect("a producer needs nothing but an address and an id");
        let what = "could not open a transaction";
        let begun = producer
            .init_transactions(TIMEOUT)
            .and_then(|()| producer.begin_transaction());
        begun.unwrap_or_else(|err| panic!("{what}: {err}"));
        let record = BaseRecord::<[u8], [u8]>::to(topic)
            .partition(partition)
            .key(b"nobody's")
            .payload(b"not a record of the changelog");
        producer
            .send(record)
            .unwrap_or_else(|(err, _)| panic!("{what}: {err}"));
        producer
            .flush(TIMEOUT)
            .unwrap_or_else(|err| panic!("{what}: {err}"));
        OpenTransaction {
            _producer: producer,
        }
    }
}
