//! The group's member: which shards are ours, and when they stop being so.
//!
//! It subscribes to one empty topic and reads no data, so nothing can keep it from polling. Its callbacks
//! run on its own thread: a revoke waits there until the shards have been committed and dropped, or until
//! its deadline. Group metadata is renewed nowhere else than in the callbacks.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mainstay_commit::{Happened, ShardNo};
use rdkafka::TopicPartitionList;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;

use super::client;
use super::event::{Event, Fault};
use super::observer::{Observer, Told};
use super::offsets::shard_no;
use super::place::{Beat, Clock};
use super::settings::KafkaSettings;

/// The machine has 5 s for a revoke and then gives up by itself; this is for the case that it cannot.
const REVOKE: Duration = Duration::from_secs(7);
const POLL: Duration = Duration::from_millis(50);
/// How long leaving may take.
const LEAVE: Duration = Duration::from_secs(2);

/// The group metadata of the newest callback.
#[derive(Default)]
pub(super) struct Metadata(Mutex<Option<Arc<ConsumerGroupMetadata>>>);

impl Metadata {
    pub(super) fn get(&self) -> Option<Arc<ConsumerGroupMetadata>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn put(&self, metadata: Option<ConsumerGroupMetadata>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = metadata.map(Arc::new);
    }
}

/// The member's thread.
pub(super) struct Member {
    pub(super) kafka: KafkaSettings,
    pub(super) links: Links,
    /// Something arrives, or the other side is gone: leave.
    pub(super) leave: Receiver<()>,
    pub(super) beat: Arc<Beat>,
}

/// Two fencings in less than this are no accident: two processes share one name.
const FENCED_AGAIN: Duration = Duration::from_secs(60);

impl Member {
    /// Joins, and polls until it is told to leave.
    pub(super) fn live(self) {
        let events = self.links.events.clone();
        let mut fenced: Option<Instant> = None;
        while self.is_wanted() {
            let callbacks = Callbacks::of(&self.links);
            let joined = client::member(&self.kafka, callbacks).and_then(|consumer| {
                consumer.subscribe(&[&self.kafka.shards_topic()])?;
                Ok(consumer)
            });
            let consumer = match joined {
                Ok(consumer) => consumer,
                Err(error) => {
                    drop(events.send(Event::Fault(Fault::Membership(error.to_string()))));
                    return;
                }
            };
            let stay = self.stay(&consumer, fenced);
            leave_group(consumer);
            match stay {
                Stay::Over => break,
                Stay::Fenced => fenced = Some(Instant::now()),
            }
        }
        drop(events.send(Event::Happened(Happened::Left)));
    }

    /// Whether nobody has told it to leave yet.
    fn is_wanted(&self) -> bool {
        self.leave.try_recv() == Err(TryRecvError::Empty)
    }

    /// Polls until it is told to leave, or is fenced.
    ///
    /// A member whose session timed out while its broker was slow is fenced by its own next self: it joins
    /// anew, once.
    fn stay(&self, consumer: &BaseConsumer<Callbacks>, fenced: Option<Instant>) -> Stay {
        while self.is_wanted() {
            self.beat.beat(self.links.clock.now());
            let Some(Err(error)) = consumer.poll(POLL) else {
                continue;
            };
            let again = fenced.is_some_and(|before| before.elapsed() < FENCED_AGAIN);
            if is_fenced(&error) && !again {
                tracing::warn!("fenced by another member with this instance's name; joining anew");
                consumer.context().lost_all();
                return Stay::Fenced;
            }
            if let Some(fault) = self.fault(&error) {
                drop(self.links.events.send(Event::Fault(fault)));
            }
        }
        Stay::Over
    }

    /// Errors after which the membership cannot go on by itself.
    fn fault(&self, error: &KafkaError) -> Option<Fault> {
        if is_fenced(error) {
            let instance = self.kafka.instance.clone().unwrap_or_default();
            return Some(Fault::SharedInstance(instance));
        }
        if let KafkaError::MessageConsumptionFatal(code) = error {
            return Some(Fault::Membership(code.to_string()));
        }
        let code = error.rdkafka_error_code()?;
        let forbidden = matches!(
            code,
            RDKafkaErrorCode::GroupAuthorizationFailed
                | RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::SaslAuthenticationFailed
        );
        tracing::debug!(%error, "membership");
        forbidden.then(|| Fault::Membership(code.to_string()))
    }
}

/// How a stay in the group ended.
enum Stay {
    Over,
    Fenced,
}

fn is_fenced(error: &KafkaError) -> bool {
    matches!(
        error,
        KafkaError::MessageConsumptionFatal(RDKafkaErrorCode::FencedInstanceId)
    )
}

/// Leaving revokes what is still ours, through the same callback. A static member stays in the group for
/// its session, so that a restart moves no shard.
fn leave_group(consumer: BaseConsumer<Callbacks>) {
    let leaving = std::thread::spawn(move || drop(consumer));
    let began = Instant::now();
    while !leaving.is_finished() && began.elapsed() < LEAVE {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What a stay in the group has given us and not taken back; nothing any more once it was fenced.
struct Held(Mutex<Option<BTreeSet<ShardNo>>>);

impl Held {
    fn nothing() -> Held {
        Held(Mutex::new(Some(BTreeSet::new())))
    }

    /// Whether the stay goes on; the shards are ours if so.
    fn given(&self, shards: &[ShardNo]) -> bool {
        self.change(|held| held.extend(shards))
    }

    /// Whether the stay goes on; the shards are no longer ours if so.
    fn taken(&self, shards: &[ShardNo]) -> bool {
        self.change(|held| held.retain(|shard| !shards.contains(shard)))
    }

    fn change(&self, change: impl FnOnce(&mut BTreeSet<ShardNo>)) -> bool {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.as_mut().map(change).is_some()
    }

    /// Ends the stay; gives what was ours.
    fn end(&self) -> Vec<ShardNo> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.take().into_iter().flatten().collect()
    }
}

/// Whom the member tells, and from whom it hears.
#[derive(Clone)]
pub(super) struct Links {
    pub(super) events: Sender<Event>,
    /// The machine lets a revoke return.
    pub(super) acks: Arc<Mutex<Receiver<()>>>,
    pub(super) metadata: Arc<Metadata>,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) clock: Clock,
    /// The process ends: nobody answers any more.
    pub(super) ended: Arc<AtomicBool>,
}

/// What the library calls when the assignment changes: each stay in the group has its own, for the consumer
/// of the one before may still be closing, and what is called on its behalf is no news of this one.
pub(super) struct Callbacks {
    links: Links,
    held: Held,
}

impl ClientContext for Callbacks {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, text: &str) {
        client::log(level, fac, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        client::complain(&error, reason);
    }
}

impl ConsumerContext for Callbacks {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Callbacks>,
        err: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        let shards: Vec<ShardNo> = list
            .elements()
            .iter()
            .map(|element| shard_no(element.partition()))
            .collect();
        let changed = if err == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            self.assigned(consumer, list, shards)
        } else {
            self.revoked(consumer, list, shards)
        };
        if let Err(error) = changed {
            let why = format!("the assignment was not taken: {error}");
            drop(self.links.events.send(Event::Fault(Fault::Membership(why))));
        }
    }
}

impl Callbacks {
    fn of(links: &Links) -> Callbacks {
        Callbacks {
            links: links.clone(),
            held: Held::nothing(),
        }
    }

    fn assigned(
        &self,
        consumer: &BaseConsumer<Callbacks>,
        list: &TopicPartitionList,
        shards: Vec<ShardNo>,
    ) -> KafkaResult<()> {
        consumer.incremental_assign(list)?;
        if !self.held.given(&shards) {
            return Ok(());
        }
        self.links.metadata.put(consumer.group_metadata());
        self.links.observer.told(&Told::Assigned(&shards));
        drop(
            self.links
                .events
                .send(Event::Happened(Happened::Assigned(shards))),
        );
        Ok(())
    }

    fn revoked(
        &self,
        consumer: &BaseConsumer<Callbacks>,
        list: &TopicPartitionList,
        shards: Vec<ShardNo>,
    ) -> KafkaResult<()> {
        if self.held.taken(&shards) {
            self.links.observer.told(&Told::Revoked(&shards));
            self.links.metadata.put(consumer.group_metadata());
            let happened = if consumer.assignment_lost() {
                Happened::Lost(shards)
            } else {
                Happened::Revoked(shards)
            };
            self.wait_for(happened);
        }
        consumer.incremental_unassign(list)
    }

    /// A member that was fenced gets no more callbacks, and the library has forgotten its assignment before
    /// it says so. What it had may be another's by now, and must not be committed under the membership of
    /// its next self.
    fn lost_all(&self) {
        let shards = self.held.end();
        if !shards.is_empty() {
            self.links.observer.told(&Told::Revoked(&shards));
            self.wait_for(Happened::Lost(shards));
        }
    }

    /// Says what happened and waits until the machine lets the callback return.
    fn wait_for(&self, happened: Happened) {
        let links = &self.links;
        let acks = links.acks.lock().unwrap_or_else(PoisonError::into_inner);
        // An answer that came after its deadline is no answer to this.
        while acks.try_recv().is_ok() {}
        if links.ended.load(Ordering::Acquire)
            || links.events.send(Event::Happened(happened)).is_err()
        {
            return;
        }
        let began = Instant::now();
        while !links.ended.load(Ordering::Acquire) && began.elapsed() < REVOKE {
            if acks.recv_timeout(POLL).is_ok() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stay_that_is_over_has_lost_what_it_was_given_and_not_what_was_taken() {
        let held = Held::nothing();
        assert!(held.given(&[ShardNo(0), ShardNo(1)]));
        assert!(held.given(&[ShardNo(2)]));
        assert!(held.taken(&[ShardNo(1)]));
        assert_eq!(held.end(), [ShardNo(0), ShardNo(2)]);
        assert_eq!(held.end(), [], "lost once");
    }

    #[test]
    fn nothing_that_comes_after_the_end_of_a_stay_counts() {
        let held = Held::nothing();
        held.end();
        assert!(!held.given(&[ShardNo(0)]));
        assert!(!held.taken(&[ShardNo(0)]));
    }
}
