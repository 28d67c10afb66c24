//! Where each source of each running shard stands, seen by its worker and by the watch at once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use mainstay_commit::{Millis, ShardNo};

use crate::SourceNo;

/// A clock that only grows, the same for all threads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock(Instant);

impl Clock {
    pub(super) fn start() -> Clock {
        Clock(Instant::now())
    }

    pub(super) fn now(self) -> Millis {
        Millis(u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX))
    }
}

/// Milliseconds since 1970, by the clock on the wall.
pub(super) fn wall_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// One source of one shard.
#[derive(Debug, Default)]
pub(super) struct Place {
    /// Up to where the worker is: the next offset, or the end that was told without a record.
    pub(super) at: AtomicI64,
    /// When the last applied record had arrived, in milliseconds since 1970.
    pub(super) arrived: AtomicI64,
    /// Up to where a tick has moved the shard's time, in milliseconds since 1970; 0 before the first.
    pub(super) ticked: AtomicI64,
    /// The worker does not read because slices wait: standing still is no fault of the consumer.
    pub(super) held: AtomicBool,
    /// The end of the partition, open transactions included, as last answered.
    pub(super) end: AtomicI64,
    /// When the question was asked that the broker answered last, by [`Clock`].
    pub(super) asked: AtomicU64,
}

impl Place {
    /// Whether the broker, asked at `since` or later, knew of nothing that we have not seen.
    pub(super) fn ended(&self, since: Millis) -> bool {
        let asked = Millis(self.asked.load(Ordering::Acquire));
        asked >= since && self.end.load(Ordering::Acquire) <= self.at.load(Ordering::Acquire)
    }
}

/// The places of all running shards.
#[derive(Debug, Default)]
pub(super) struct Places(Mutex<BTreeMap<(ShardNo, SourceNo), Arc<Place>>>);

impl Places {
    pub(super) fn enter(&self, shard: ShardNo, source: SourceNo, at: i64) -> Arc<Place> {
        let place = Arc::new(Place::default());
        place.at.store(at, Ordering::Release);
        self.lock().insert((shard, source), Arc::clone(&place));
        place
    }

    pub(super) fn leave(&self, shard: ShardNo) {
        self.lock().retain(|(of, _), _| *of != shard);
    }

    pub(super) fn all(&self) -> Vec<((ShardNo, SourceNo), Arc<Place>)> {
        let places = self.lock();
        places
            .iter()
            .map(|(key, place)| (*key, Arc::clone(place)))
            .collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<(ShardNo, SourceNo), Arc<Place>>> {
        // Every change is one call, so a panic elsewhere leaves the map whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When each of our threads was last seen alive.
#[derive(Debug)]
pub(super) struct Beat {
    pub(super) name: String,
    at: AtomicU64,
}

impl Beat {
    pub(super) fn new(name: impl Into<String>) -> Arc<Beat> {
        Arc::new(Beat {
            name: name.into(),
            at: AtomicU64::new(0),
        })
    }

    pub(super) fn beat(&self, now: Millis) {
        self.at.store(now.0, Ordering::Relaxed);
    }

    pub(super) fn last(&self) -> Millis {
        Millis(self.at.load(Ordering::Relaxed))
    }
}
