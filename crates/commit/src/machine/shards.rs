//! The shards that are ours, how far each is, and its slices that wait.
//!
//! This file knows no transaction; it answers which slices could go into one.

use std::collections::{BTreeMap, VecDeque};

use crate::{Do, Dropped, Epoch, Lease, Mark, ShardNo, SliceToken, Term};

/// All shards that are ours.
#[derive(Clone, Debug, Default)]
pub(super) struct Shards {
    ours: BTreeMap<ShardNo, Ours>,
    leases: u64,
}

#[derive(Clone, Debug)]
struct Ours {
    lease: Lease,
    phase: Phase,
    /// The last commit; no epoch before the first one.
    at: Mark,
    /// The epoch of the next slice to be closed.
    next: Epoch,
    /// Closed and not known to be committed, oldest first: one, or two while it is being stopped.
    slices: VecDeque<SliceToken>,
    /// Aborts in a row.
    aborts: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// To be restored as soon as no transaction holds a slice of it.
    Waiting,
    Restoring,
    Running,
    /// Told to stop.
    Stopping,
    /// Says nothing more; goes when its slices are committed.
    Stopped,
}

/// A state before anything is known of it.
const UNKNOWN: Mark = Mark {
    state: crate::StateId(0),
    epoch: Epoch::NONE,
};

impl Shards {
    /// A shard became ours, and waits to be restored. One that is ours already stays as it is.
    pub(super) fn assign(&mut self, shard: ShardNo) {
        if !self.ours.contains_key(&shard) {
            self.admit(shard);
        }
    }

    fn admit(&mut self, shard: ShardNo) {
        self.leases += 1;
        let ours = Ours {
            lease: Lease(self.leases),
            phase: Phase::Waiting,
            at: UNKNOWN,
            next: Epoch::NONE,
            slices: VecDeque::new(),
            aborts: 0,
        };
        self.ours.insert(shard, ours);
    }

    /// Begins the restore of every shard that waits and is not held.
    pub(super) fn restore(&mut self, held: impl Fn(ShardNo) -> bool, out: &mut Vec<Do>) {
        for (&shard, ours) in &mut self.ours {
            if ours.phase == Phase::Waiting && !held(shard) {
                ours.phase = Phase::Restoring;
                let lease = ours.lease;
                out.push(Do::Restore { shard, lease });
            }
        }
    }

    /// A restore ended well: the shard runs, in a term of its own.
    pub(super) fn restored(&mut self, shard: ShardNo, lease: Lease, at: Mark, out: &mut Vec<Do>) {
        let Some(ours) = self.of_lease(shard, lease) else {
            return stale(shard, lease, out);
        };
        assert_eq!(
            ours.phase,
            Phase::Restoring,
            "shard {shard} was not being restored"
        );
        let term = Term {
            state: at.state,
            began: at.epoch.taken_over(),
        };
        ours.phase = Phase::Running;
        ours.at = at;
        ours.next = term.began;
        out.push(Do::Run { shard, lease, term });
    }

    /// A slice was handed over.
    pub(super) fn sliced(&mut self, slice: SliceToken, out: &mut Vec<Do>) {
        let Some(ours) = self.of_lease(slice.shard, slice.lease) else {
            return stale(slice.shard, slice.lease, out);
        };
        assert!(
            matches!(ours.phase, Phase::Running | Phase::Stopping),
            "a slice of shard {}, which does not run",
            slice.shard
        );
        assert_eq!(
            slice.epoch, ours.next,
            "a slice of shard {} out of turn",
            slice.shard
        );
        ours.next = slice.epoch.next();
        ours.slices.push_back(slice);
    }

    /// Tells a shard to stop, if it runs; one that has not come that far is dropped.
    pub(super) fn stop(&mut self, shard: ShardNo, why: Dropped, out: &mut Vec<Do>) {
        let Some(ours) = self.ours.get_mut(&shard) else {
            return;
        };
        match ours.phase {
            Phase::Waiting | Phase::Restoring => {
                self.drop(shard, why, out);
            }
            Phase::Running => {
                ours.phase = Phase::Stopping;
                let lease = ours.lease;
                out.push(Do::Stop { shard, lease });
            }
            Phase::Stopping | Phase::Stopped => {}
        }
    }

    /// A shard has stopped.
    pub(super) fn stopped(&mut self, shard: ShardNo, lease: Lease, out: &mut Vec<Do>) {
        let Some(ours) = self.of_lease(shard, lease) else {
            return stale(shard, lease, out);
        };
        assert_eq!(
            ours.phase,
            Phase::Stopping,
            "shard {shard} was not told to stop"
        );
        ours.phase = Phase::Stopped;
    }

    /// Drops every shard that has stopped and has nothing left to commit.
    pub(super) fn drop_finished(&mut self, why: Dropped, out: &mut Vec<Do>) {
        let finished = |ours: &Ours| ours.phase == Phase::Stopped && ours.slices.is_empty();
        for shard in self.numbers() {
            if finished(&self.ours[&shard]) {
                self.drop(shard, why, out);
            }
        }
    }

    /// Drops a shard with all its slices.
    pub(super) fn drop(&mut self, shard: ShardNo, why: Dropped, out: &mut Vec<Do>) -> bool {
        let Some(ours) = self.ours.remove(&shard) else {
            return false;
        };
        let lease = ours.lease;
        out.push(Do::Drop { shard, lease, why });
        true
    }

    /// Drops a shard with all its slices and, unless it was to leave anyway, lets it be restored.
    pub(super) fn drop_to_restore(&mut self, shard: ShardNo, why: Dropped, out: &mut Vec<Do>) {
        let stays = self.ours.get(&shard).is_some_and(|ours| match ours.phase {
            Phase::Waiting | Phase::Restoring | Phase::Running => true,
            Phase::Stopping | Phase::Stopped => false,
        });
        if self.drop(shard, why, out) && stays {
            self.admit(shard);
        }
    }

    /// Whether this stay of the shard goes on; says so if not.
    pub(super) fn alive(&mut self, shard: ShardNo, lease: Lease, out: &mut Vec<Do>) -> bool {
        let alive = self.of_lease(shard, lease).is_some();
        if !alive {
            stale(shard, lease, out);
        }
        alive
    }

    /// The oldest slice of every shard that has one.
    pub(super) fn oldest(&self) -> Vec<SliceToken> {
        let oldest = |ours: &Ours| ours.slices.front().copied();
        self.ours.values().filter_map(oldest).collect()
    }

    /// Those of the slices whose shards are still ours.
    pub(super) fn still_ours(&self, slices: &[SliceToken]) -> Vec<SliceToken> {
        let kept = |slice: &&SliceToken| {
            self.ours
                .get(&slice.shard)
                .is_some_and(|ours| ours.slices.front() == Some(slice))
        };
        slices.iter().filter(kept).copied().collect()
    }

    /// These were committed.
    pub(super) fn committed(&mut self, slices: &[SliceToken], out: &mut Vec<Do>) {
        let slices = self.still_ours(slices);
        for slice in &slices {
            if let Some(ours) = self.of_lease(slice.shard, slice.lease) {
                ours.slices.pop_front();
                ours.at.epoch = slice.epoch;
                ours.aborts = 0;
            }
        }
        if !slices.is_empty() {
            out.push(Do::Committed(slices));
        }
    }

    /// An abort counts against the slice; gives how many there were in a row.
    pub(super) fn aborted(&mut self, slice: &SliceToken) -> u32 {
        self.of_lease(slice.shard, slice.lease).map_or(0, |ours| {
            ours.aborts += 1;
            ours.aborts
        })
    }

    /// What the group's offsets say before and after the slice is committed.
    pub(super) fn before_and_after(&self, slice: &SliceToken) -> Option<(Option<Mark>, Mark)> {
        let at = self.ours.get(&slice.shard)?.at;
        let before = (at.epoch != Epoch::NONE).then_some(at);
        let after = Mark {
            state: at.state,
            epoch: slice.epoch,
        };
        Some((before, after))
    }

    /// The numbers of all shards that are ours.
    pub(super) fn numbers(&self) -> Vec<ShardNo> {
        self.ours.keys().copied().collect()
    }

    pub(super) fn contains(&self, shard: ShardNo) -> bool {
        self.ours.contains_key(&shard)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ours.is_empty()
    }

    fn of_lease(&mut self, shard: ShardNo, lease: Lease) -> Option<&mut Ours> {
        self.ours.get_mut(&shard).filter(|ours| ours.lease == lease)
    }
}

/// Something came from a stay that has ended: whatever the driver still keeps of it can go.
fn stale(shard: ShardNo, lease: Lease, out: &mut Vec<Do>) {
    let why = Dropped::Stale;
    out.push(Do::Drop { shard, lease, why });
}
