//! Looks on from outside: lag, inputs that stand still, threads that no longer beat, inputs whose
//! partitions have changed.
//!
//! It only asks and tells; the one thing that it mends is a data consumer that stands still.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use mainstay_commit::ShardNo;
use mainstay_model::Timestamp;
use rdkafka::error::KafkaResult;

use super::event::{Event, Fault};
use super::observer::{Lag, Told};
use super::offsets::{Offsets, Partition, Which, partition_no};
use super::place::{Beat, Place, wall_ms};
use super::worker::Shared;
use crate::SourceNo;

/// A thread that did not beat for so long hangs.
const SILENT_MS: u64 = 30_000;
/// How often the numbers of partitions are looked at.
const COUNT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(50);

type Key = (ShardNo, SourceNo);

/// The watch's thread.
pub(super) struct Watch {
    pub(super) shared: Arc<Shared>,
    pub(super) offsets: Arc<Offsets>,
    pub(super) events: Sender<Event>,
    pub(super) beats: Vec<Arc<Beat>>,
    pub(super) stall: Duration,
    pub(super) ended: Arc<AtomicBool>,
    pub(super) seen: BTreeMap<Key, Seen>,
}

/// Where a place was when it last moved.
pub(super) struct Seen {
    at: i64,
    since: Instant,
}

impl Watch {
    pub(super) fn live(mut self) {
        let every = self.every();
        let (mut asked, mut counted) = (Instant::now(), Instant::now());
        while !self.ended.load(Ordering::Acquire) {
            std::thread::sleep(POLL);
            self.shared.data.poll();
            self.offsets.poll();
            if asked.elapsed() >= every {
                asked = Instant::now();
                if let Err(error) = self.look() {
                    tracing::warn!(%error, "the broker did not say where the inputs end");
                }
                self.listen();
            }
            if counted.elapsed() >= COUNT {
                counted = Instant::now();
                self.count();
            }
        }
    }

    /// Often enough for the idle rule, seldom enough for the broker.
    fn every(&self) -> Duration {
        let idle = self.shared.idle.unwrap_or(Duration::from_secs(10));
        (idle / 5).clamp(Duration::from_millis(200), Duration::from_secs(2))
    }

    /// Asks for the ends of all inputs that we read.
    fn look(&mut self) -> KafkaResult<()> {
        let places = self.shared.places.all();
        if places.is_empty() {
            self.seen.clear();
            return Ok(());
        }
        let partitions: Vec<Partition> = places
            .iter()
            .map(|((shard, source), _)| self.partition(*shard, *source))
            .collect();
        let asked = self.shared.clock.now();
        let ends = self.offsets.of(&partitions, Which::End)?;
        let stable = self.offsets.of(&partitions, Which::Stable)?;
        for ((key, place), partition) in places.iter().zip(&partitions) {
            if let Some(end) = ends.get(partition) {
                place.end.store(*end, Ordering::Release);
                place.asked.store(asked.0, Ordering::Release);
            }
            if let Some(end) = stable.get(partition) {
                self.lag(*key, place, *end);
            }
        }
        self.seen
            .retain(|key, _| places.iter().any(|(there, _)| there == key));
        self.heal(&places, &partitions, &stable);
        Ok(())
    }

    fn partition(&self, shard: ShardNo, source: SourceNo) -> Partition {
        let topic = &self.shared.sources[usize::from(source.0)].topic;
        (topic.clone(), partition_no(shard))
    }

    fn lag(&self, (shard, source): Key, place: &Place, end: i64) {
        let records = u64::try_from(end - place.at.load(Ordering::Acquire)).unwrap_or(0);
        let arrived = place.arrived.load(Ordering::Relaxed);
        let behind_ms = if records == 0 || arrived == 0 {
            0
        } else {
            wall_ms() - arrived
        };
        let ticked = place.ticked.load(Ordering::Relaxed);
        self.shared.observer.told(&Told::Lag(Lag {
            shard,
            source,
            records,
            behind: Duration::from_millis(u64::try_from(behind_ms).unwrap_or(0)),
            ticked: (ticked > 0).then_some(Timestamp(ticked)),
        }));
    }

    /// A partition with something to read that nobody holds back and that does not move: the consumer is
    /// made anew.
    fn heal(
        &mut self,
        places: &[(Key, Arc<Place>)],
        partitions: &[Partition],
        ends: &BTreeMap<Partition, i64>,
    ) {
        let mut stalled = Vec::new();
        for ((key, place), partition) in places.iter().zip(partitions) {
            let at = place.at.load(Ordering::Acquire);
            let seen = self.seen.entry(*key).or_insert_with(|| Seen {
                at,
                since: Instant::now(),
            });
            let behind = ends.get(partition).is_some_and(|end| *end > at);
            if seen.at != at || !behind || place.held.load(Ordering::Relaxed) {
                *seen = Seen {
                    at,
                    since: Instant::now(),
                };
            } else if seen.since.elapsed() >= self.stall {
                seen.since = Instant::now();
                stalled.push(format!("{}/{} at {at}", partition.0, partition.1));
            }
        }
        if stalled.is_empty() {
            return;
        }
        let text = format!(
            "no progress for {} s though there is something to read: {}; the consumer is made anew; if it \
             happens again at the same offset, that record cannot be read: delete it with \
             `kafka-delete-records.sh` and go on with `on_data_loss` set to `continue`",
            self.stall.as_secs(),
            stalled.join(", ")
        );
        self.alarm(&text);
        if let Err(error) = self.shared.data.renew() {
            tracing::error!(%error, "the consumer could not be made anew");
        }
    }

    /// Threads that hang are told about; nothing else can be done for them.
    fn listen(&self) {
        let now = self.shared.clock.now();
        for beat in &self.beats {
            let silent_ms = now.since(beat.last());
            if silent_ms > SILENT_MS {
                self.alarm(&format!(
                    "{} has not moved for {} s",
                    beat.name,
                    silent_ms / 1000
                ));
            }
        }
    }

    /// An input with another number of partitions ends the process: its keys hash elsewhere now.
    fn count(&self) {
        let before = self.shared.shards;
        for source in &self.shared.sources {
            match self.offsets.partitions(&source.topic) {
                Ok(Some(now)) if now != before => {
                    let topic = source.topic.clone();
                    let fault = Fault::Repartitioned { topic, before, now };
                    drop(self.events.send(Event::Fault(fault)));
                }
                Ok(_) => {}
                Err(error) => tracing::debug!(%error, "the inputs' partitions were not counted"),
            }
        }
    }

    fn alarm(&self, text: &str) {
        tracing::error!("{text}");
        self.shared.observer.told(&Told::Alarm(text));
    }
}
