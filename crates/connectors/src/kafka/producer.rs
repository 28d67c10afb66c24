//! The transactional producer on its own thread: carries out one call at a time and says how it went.
//!
//! What an error means, the machine decides; here it only gets its class.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use mainstay_commit::StateId;
use mainstay_commit::{
    Call, Epoch, Failure, Happened, Mark, Position, ReadBack, ShardNo, envelope,
};
use rdkafka::error::{KafkaError, RDKafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};

use super::client::{self, Deliveries};
use super::closed::Closed;
use super::event::Event;
use super::membership::Metadata;
use super::offsets::{Offsets, partition_no, partitions_of};
use super::place::{Beat, Clock};
use super::settings::KafkaSettings;
use crate::{Outbound, Topic};

/// How long one call may take. Below the revoke's deadline and the transaction's time-out.
const DEADLINE: Duration = Duration::from_secs(5);
/// How long a new producer may take to fence the old one.
const INIT: Duration = Duration::from_secs(10);
/// A failed delivery is known by then: the library gives a record up after 8 s.
const DRAIN: Duration = Duration::from_secs(9);
/// How long to wait before a failed call is asked for again.
const PAUSE: Duration = Duration::from_millis(100);
/// How long the client may take to say why a transaction failed.
const HEAR: Duration = Duration::from_secs(1);
/// How many records go out between two looks at what was acknowledged.
const LOOK: usize = 2000;

/// A call, with the slices that it names.
pub(super) struct Job {
    pub(super) call: Call,
    pub(super) slices: Vec<Arc<Closed>>,
}

/// The producer's thread.
pub(super) struct Calls {
    pub(super) kafka: KafkaSettings,
    pub(super) slot: String,
    /// The topics of the sources that are there.
    pub(super) inputs: Vec<String>,
    pub(super) metadata: Arc<Metadata>,
    pub(super) offsets: Arc<Offsets>,
    pub(super) jobs: Receiver<Job>,
    pub(super) events: Sender<Event>,
    pub(super) clock: Clock,
    pub(super) beat: Arc<Beat>,
    pub(super) producer: Option<BaseProducer<Deliveries>>,
    pub(super) failing: Failing,
}

/// What is known of transactions that fail, until one does not.
#[derive(Default)]
pub(super) struct Failing {
    /// What the client said of the last one, and whether the broker was not asked about it yet.
    why: String,
    unasked: bool,
    /// Topics that are gone.
    missing: Vec<String>,
}

impl Failing {
    fn told(&self) -> String {
        let missing = self.missing.iter();
        let missing = missing.map(|topic| format!("; there is no topic `{topic}`"));
        missing.fold(self.why.clone(), |told, topic| told + &topic)
    }
}

type Outcome = Result<Happened, Failure>;

impl Calls {
    /// Lives until nobody has another job.
    pub(super) fn live(mut self) {
        loop {
            self.beat.beat(self.clock.now());
            match self.jobs.recv_timeout(PAUSE) {
                Ok(job) => {
                    let outcome = self.carry_out(&job);
                    let happened = outcome.unwrap_or_else(|failure| {
                        if failure == Failure::Retriable {
                            std::thread::sleep(PAUSE);
                        }
                        Happened::Failed(failure)
                    });
                    if self.events.send(Event::Happened(happened)).is_err() {
                        break;
                    }
                }
                // What the client has to say is heard also while there is nothing to do.
                Err(RecvTimeoutError::Timeout) => {
                    if let Some(producer) = &self.producer {
                        producer.poll(Duration::ZERO);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.destroy();
    }

    fn carry_out(&mut self, job: &Job) -> Outcome {
        let outcome = match &job.call {
            Call::NewProducer => self.renew(),
            Call::Begin => self.begin(),
            Call::Produce(_) => self.produce(&job.slices),
            Call::Drain => self.drain(),
            Call::SendOffsets(_) => self.send_offsets(&job.slices),
            Call::Commit => self.commit(),
            Call::Abort => self.abort(),
            Call::ReadBack(shards) => self.read_back(shards),
        };
        match (&job.call, &outcome) {
            (_, Err(_)) => self.tell_why(),
            (Call::Abort | Call::NewProducer, Ok(_)) => self.ask_why(),
            (Call::Commit, Ok(_)) => self.failing = Failing::default(),
            (_, Ok(_)) => {}
        }
        outcome
    }

    /// Says why the transaction fails, if the client has said anything.
    fn tell_why(&mut self) {
        let said = self.producer().ok();
        let Some(why) = said.and_then(|producer| producer.context().take_why()) else {
            return;
        };
        (self.failing.why, self.failing.unasked) = (why, true);
        let why = self.failing.told();
        tracing::warn!("a transaction fails: {why}");
        drop(self.events.send(Event::Failing(why)));
    }

    /// Asks what the client does not say. Only once the transaction is over: while it is open, a broker that is slow
    /// to answer would end it by its time-out, and that looks like somebody else with our id.
    fn ask_why(&mut self) {
        if !std::mem::take(&mut self.failing.unasked) {
            return;
        }
        self.failing.missing = self.missing_topics();
        if !self.failing.missing.is_empty() {
            let why = self.failing.told();
            tracing::warn!("a transaction failed: {why}");
            drop(self.events.send(Event::Failing(why)));
        }
    }

    /// Of a record for a topic that was deleted the client says no more than that its time is over, so the
    /// broker is asked.
    fn missing_topics(&self) -> Vec<String> {
        let mut missing = Vec::new();
        for topic in Topic::ALL {
            let topic = self.kafka.topic(*topic);
            match self.offsets.partitions(&topic) {
                Ok(Some(_)) => {}
                Ok(None) => missing.push(topic),
                // One that does not answer now would not answer for the others either.
                Err(_) => break,
            }
        }
        missing
    }

    fn renew(&mut self) -> Outcome {
        self.destroy();
        let producer = client::producer(&self.kafka, &self.slot).map_err(|error| {
            tracing::error!(%error, "no producer could be made");
            Failure::Fatal
        })?;
        // A new instance of the client has no call that could still be under way, so asking again is safe.
        let outcome = producer
            .init_transactions(INIT)
            .map_err(|error| class(&error, Failure::Retriable));
        self.producer = Some(producer);
        outcome.map(|()| Happened::Done)
    }

    /// Ends the producer without waiting for a broker that does not answer.
    fn destroy(&mut self) {
        if let Some(old) = self.producer.take() {
            let ending = std::thread::spawn(move || drop(old));
            let began = Instant::now();
            while !ending.is_finished() && began.elapsed() < Duration::from_secs(2) {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }

    fn begin(&mut self) -> Outcome {
        let producer = self.producer()?;
        producer.context().take_failed();
        producer.context().take_why();
        producer
            .begin_transaction()
            .map_err(|error| class(&error, Failure::Unknown))?;
        Ok(Happened::Done)
    }

    fn produce(&mut self, slices: &[Arc<Closed>]) -> Outcome {
        let producer = self.producer()?;
        let topics = Topic::ALL
            .iter()
            .map(|topic| (*topic, self.kafka.topic(*topic)));
        let topics: Vec<(Topic, String)> = topics.collect();
        let name = |topic: Topic| {
            let found = topics.iter().find(|(of, _)| *of == topic);
            found
                .map(|(_, name)| name.as_str())
                .expect("every topic is in the list of all")
        };
        let (mut value, mut sent) = (Vec::new(), 0_usize);
        for closed in slices {
            let partition = partition_no(closed.token.shard);
            for record in closed.slice.records() {
                let wrapped = changelog_value(&record, closed.token.epoch, &mut value);
                let to = record
                    .partition
                    .map_or(partition, |no| partition_no(ShardNo(no)));
                send(producer, name(record.topic), to, &record, wrapped)?;
                sent += 1;
                if sent.is_multiple_of(LOOK) {
                    producer.poll(Duration::ZERO);
                }
            }
            value.clear();
            closed.position.encode(&mut value);
            let position = Outbound {
                topic: Topic::Changelog,
                partition: None,
                key: Some(Position::KEY),
                value: None,
                headers: &[],
            };
            send(
                producer,
                name(Topic::Changelog),
                partition,
                &position,
                Some(&value),
            )?;
        }
        Ok(Happened::Done)
    }

    fn drain(&mut self) -> Outcome {
        let producer = self.producer()?;
        let began = Instant::now();
        while producer.in_flight_count() > 0 {
            if began.elapsed() > DRAIN {
                return Err(Failure::Abort);
            }
            producer.poll(Duration::from_millis(1));
        }
        if producer.context().take_failed() {
            return Err(fatal(producer).unwrap_or(Failure::Abort));
        }
        Ok(Happened::Done)
    }

    fn send_offsets(&mut self, slices: &[Arc<Closed>]) -> Outcome {
        let producer = self.producer()?;
        let Some(metadata) = self.metadata.get() else {
            return Err(Failure::IllegalGeneration);
        };
        let mut list = TopicPartitionList::new();
        for closed in slices {
            let partition = partition_no(closed.token.shard);
            let mark = closed.position.mark.to_string();
            for (topic, at) in &closed.position.sources {
                let mut element = list.add_partition(topic, partition);
                element.set_metadata(&mark);
                element
                    .set_offset(Offset::Offset(at.next))
                    .map_err(|_| Failure::Fatal)?;
            }
        }
        producer
            .send_offsets_to_transaction(&list, &metadata, DEADLINE)
            .map_err(|error| class(&error, Failure::Unknown))?;
        Ok(Happened::Done)
    }

    fn commit(&mut self) -> Outcome {
        let producer = self.producer()?;
        producer
            .commit_transaction(DEADLINE)
            .map_err(|error| class(&error, Failure::Unknown))?;
        Ok(Happened::Done)
    }

    /// An abort waits for the records in flight, whose fate is told only to whoever polls.
    fn abort(&mut self) -> Outcome {
        let producer = self.producer()?;
        let done = std::sync::atomic::AtomicBool::new(false);
        let outcome = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Acquire) {
                    producer.poll(Duration::from_millis(10));
                }
            });
            let outcome = producer.abort_transaction(DEADLINE);
            done.store(true, std::sync::atomic::Ordering::Release);
            outcome
        });
        outcome.map_err(|error| class(&error, Failure::Unknown))?;
        Ok(Happened::Done)
    }

    fn read_back(&self, shards: &[ShardNo]) -> Outcome {
        let topics = self.inputs.iter().map(String::as_str);
        let read = shards.iter().map(|shard| {
            let partitions = partitions_of(topics.clone(), *shard);
            let found = self.offsets.of_group(&partitions)?;
            let mark = |partition| found.get(partition).and_then(|at| mark(&at.metadata));
            Ok(ReadBack {
                shard: *shard,
                marks: partitions.iter().map(mark).collect(),
            })
        });
        let read: Result<Vec<ReadBack>, KafkaError> = read.collect();
        match read {
            Ok(read) => Ok(Happened::ReadBack(read)),
            Err(error) => {
                tracing::warn!(%error, "the group's offsets could not be read back");
                Err(Failure::Retriable)
            }
        }
    }

    fn producer(&self) -> Result<&BaseProducer<Deliveries>, Failure> {
        self.producer.as_ref().ok_or(Failure::Fatal)
    }
}

/// The mark of an offset's metadata: none where there is no text, nobody's where it is not ours.
fn mark(metadata: &str) -> Option<Mark> {
    let nobody = Mark {
        state: StateId(0),
        epoch: Epoch::NONE,
    };
    Mark::parse(metadata).unwrap_or(Some(nobody))
}

/// A record of the changelog goes out in its envelope; a tombstone has none.
fn changelog_value<'a>(
    record: &Outbound<'a>,
    epoch: Epoch,
    buffer: &'a mut Vec<u8>,
) -> Option<&'a [u8]> {
    match (record.topic, record.value) {
        (Topic::Changelog, Some(payload)) => {
            buffer.clear();
            envelope::wrap(record.key.unwrap_or_default(), epoch, payload, buffer);
            Some(buffer)
        }
        (_, value) => value,
    }
}

fn send(
    producer: &BaseProducer<Deliveries>,
    topic: &str,
    partition: i32,
    record: &Outbound<'_>,
    value: Option<&[u8]>,
) -> Result<(), Failure> {
    let mut outgoing = BaseRecord::<[u8], [u8]>::to(topic).partition(partition);
    outgoing.key = record.key;
    outgoing.payload = value;
    if !record.headers.is_empty() {
        outgoing.headers = Some(headers(record.headers));
    }
    let began = Instant::now();
    loop {
        match producer.send(outgoing) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again))
                if began.elapsed() < DRAIN =>
            {
                producer.poll(Duration::from_millis(1));
                outgoing = again;
            }
            Err((error, _)) => {
                if matches!(
                    error,
                    KafkaError::MessageProduction(RDKafkaErrorCode::State)
                ) {
                    hear_why(producer);
                }
                let why = || format!("`{topic}`/{partition}: {error}");
                producer.context().note(why);
                return Err(fatal(producer).unwrap_or(Failure::Abort));
            }
        }
    }
}

/// Waits for the client to say why the transaction failed: a record that is refused for the transaction's state is
/// not why, an earlier one is, and what is known of that one is heard only by whoever polls.
fn hear_why(producer: &BaseProducer<Deliveries>) {
    let began = Instant::now();
    while !producer.context().knows_why() && began.elapsed() < HEAR {
        producer.poll(Duration::from_millis(10));
    }
}

fn headers(headers: &[(String, Option<Vec<u8>>)]) -> OwnedHeaders {
    let empty = OwnedHeaders::new_with_capacity(headers.len());
    headers.iter().fold(empty, |all, (key, value)| {
        all.insert(Header {
            key,
            value: value.as_ref(),
        })
    })
}

/// The class of the client's fatal error, if it has one.
fn fatal(producer: &BaseProducer<Deliveries>) -> Option<Failure> {
    let (code, text) = producer.client().fatal_error()?;
    tracing::error!(?code, "the producer is finished: {text}");
    Some(if fences(code) {
        Failure::Fenced
    } else {
        Failure::Fatal
    })
}

fn fences(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::Fenced
            | RDKafkaErrorCode::ProducerFenced
            | RDKafkaErrorCode::InvalidProducerEpoch
    )
}

/// The class of a failed call. What a passed deadline means differs by the call.
fn class(error: &KafkaError, past_deadline: Failure) -> Failure {
    let class = if let KafkaError::Transaction(error) = error {
        transaction_class(error, past_deadline)
    } else {
        past_deadline
    };
    match class {
        // One of these with every rebalance is as it should be.
        Failure::IllegalGeneration => {
            tracing::info!("the group refused offsets of an old generation");
        }
        Failure::Retriable => tracing::info!(%error, "a call of the producer is made again"),
        Failure::Abort | Failure::Fenced | Failure::Fatal | Failure::Unknown => {
            tracing::warn!(%error, ?class, "a call of the producer failed");
        }
    }
    class
}

fn transaction_class(error: &RDKafkaError, past_deadline: Failure) -> Failure {
    let code = error.code();
    let timed_out = matches!(
        code,
        RDKafkaErrorCode::OperationTimedOut | RDKafkaErrorCode::RequestTimedOut
    );
    if fences(code) {
        Failure::Fenced
    } else if timed_out {
        past_deadline
    } else if refused_by_group(code) && !error.is_fatal() {
        Failure::IllegalGeneration
    } else if error.is_fatal() {
        Failure::Fatal
    } else if error.txn_requires_abort() {
        Failure::Abort
    } else if error.is_retriable() {
        Failure::Retriable
    } else {
        Failure::Fatal
    }
}

fn refused_by_group(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::IllegalGeneration
            | RDKafkaErrorCode::UnknownMemberId
            | RDKafkaErrorCode::RebalanceInProgress
            | RDKafkaErrorCode::FencedInstanceId
            | RDKafkaErrorCode::FencedMemberEpoch
            | RDKafkaErrorCode::StaleMemberEpoch
    )
}
