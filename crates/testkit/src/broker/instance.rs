//! One simulated process: carries out what its machine says, against the simulated broker.
//!
//! The driver of the real runtime in small. Each thing that takes time in the real one is a step of its
//! own here, so that anything can happen in between.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use mainstay_commit::start::{self, Facts, GroupOffset, OnDataLoss, Refused, SourceFacts};
use mainstay_commit::{
    Alarm, Call, Do, Epoch, Exit, Happened, Lease, Limits, Machine, Mark, Millis, ShardNo,
    SliceToken, StateId,
};

use super::group::{Membership, News};
use super::log::{Broker, Outgoing, Session, Topic};
use super::toy::{self, INPUT, Restored, Slice, Toy};

/// How far a restore is.
#[derive(Clone, Debug)]
enum Restoring {
    Asked(Lease),
    /// The bound was taken.
    Bound(Lease, usize),
    /// The changelog was read up to it.
    Read(Lease, usize, Restored),
    /// The group's offsets agree; the machine will hear of it.
    Told(Lease, Restored),
}

/// A process.
#[derive(Clone, Debug)]
pub(super) struct Instance {
    /// Its slot, which names its transactional id.
    pub(super) slot: usize,
    pub(super) paused_until: Option<Millis>,
    pub(super) exit: Option<Exit>,
    pub(super) alarms: Vec<Alarm>,
    machine: Machine,
    member: u32,
    owned: BTreeSet<ShardNo>,
    group: Option<Membership>,
    pub(super) session: Option<Session>,
    pub(super) queued: Vec<Outgoing>,
    pub(super) call: Option<Call>,
    /// The group metadata when the call was asked for: a renewal may overtake it.
    pub(super) under: Option<Membership>,
    /// The shards of the callback that waits.
    callback: Option<Vec<ShardNo>>,
    toys: BTreeMap<ShardNo, Toy>,
    restores: BTreeMap<ShardNo, Restoring>,
    pub(super) slices: BTreeMap<SliceToken, Slice>,
    /// What workers and restores have said and the machine has not heard yet.
    inbox: VecDeque<Happened>,
    random: u128,
}

impl Instance {
    pub(super) fn start(slot: usize, random: u128, broker: &mut Broker) -> Instance {
        let mut instance = Instance {
            slot,
            paused_until: None,
            exit: None,
            alarms: Vec::new(),
            machine: Machine::new(Limits::default()),
            member: broker.group.join(),
            owned: BTreeSet::new(),
            group: None,
            session: None,
            queued: Vec::new(),
            call: None,
            under: None,
            callback: None,
            toys: BTreeMap::new(),
            restores: BTreeMap::new(),
            slices: BTreeMap::new(),
            inbox: VecDeque::new(),
            random,
        };
        instance.tell(Happened::Started, broker);
        instance
    }

    pub(super) fn member(&self) -> u32 {
        self.member
    }

    pub(super) fn due(&self) -> Option<Millis> {
        self.machine.due()
    }

    pub(super) fn tell(&mut self, happened: Happened, broker: &mut Broker) {
        let mut commands = Vec::new();
        self.machine.step(broker.now, happened, &mut commands);
        for command in commands {
            self.obey(command, broker);
        }
    }

    fn obey(&mut self, command: Do, broker: &mut Broker) {
        match command {
            Do::Call(call) => {
                let outstanding = self.call.replace(call);
                assert_eq!(outstanding, None, "one call at a time");
                self.under = self.group.clone();
            }
            Do::Restore { shard, lease } => {
                self.restores.insert(shard, Restoring::Asked(lease));
            }
            Do::Run { shard, lease, term } => {
                if let Some(Restoring::Told(_, restored)) = self.restores.remove(&shard) {
                    let toy = Toy::new(shard, lease, term, restored);
                    self.toys.insert(shard, toy);
                }
            }
            Do::Committed(slices) => {
                for slice in slices {
                    self.slices
                        .remove(&slice)
                        .expect("a slice is kept until committed");
                    if let Some(toy) = self.toys.get_mut(&slice.shard) {
                        toy.waiting = false;
                    }
                }
            }
            Do::Stop { shard, .. } => {
                if let Some(toy) = self.toys.get_mut(&shard) {
                    toy.stopping = true;
                }
            }
            Do::Drop { shard, lease, .. } => self.forget(shard, lease),
            Do::AckRevoke => {
                if let Some(shards) = self.callback.take() {
                    self.owned.retain(|shard| !shards.contains(shard));
                    broker.group.gave_up(self.member, &shards);
                }
            }
            Do::Leave => {
                broker.group.leave(self.member);
                self.tell(Happened::Left, broker);
            }
            Do::Alarm(alarm) => self.alarms.push(alarm),
            Do::Exit(exit) => self.exit = Some(exit),
        }
    }

    fn forget(&mut self, shard: ShardNo, lease: Lease) {
        if self
            .toys
            .get(&shard)
            .is_some_and(|toy| toy.lease() == lease)
        {
            self.toys.remove(&shard);
        }
        let stale = self.restores.get(&shard).is_some_and(|stage| match stage {
            Restoring::Asked(of)
            | Restoring::Bound(of, _)
            | Restoring::Read(of, ..)
            | Restoring::Told(of, _) => *of == lease,
        });
        if stale {
            self.restores.remove(&shard);
        }
        self.slices
            .retain(|token, _| (token.shard, token.lease) != (shard, lease));
    }

    /// Whether a poll of the membership would bring anything.
    pub(super) fn has_news(&self, broker: &Broker) -> bool {
        self.callback.is_none() && broker.group.has_news(self.member)
    }

    /// Polls the membership; the callbacks renew the group metadata.
    pub(super) fn poll(&mut self, broker: &mut Broker) {
        let (news, membership) = broker.group.poll(self.member);
        match news {
            News::Nothing => {}
            News::Assigned(shards) => {
                self.group = Some(membership);
                self.owned.extend(&shards);
                self.tell(Happened::Assigned(shards), broker);
            }
            News::Revoked(shards) => {
                self.group = Some(membership);
                self.callback = Some(shards.clone());
                self.tell(Happened::Revoked(shards), broker);
            }
            News::Lost => {
                let shards: Vec<_> = self.owned.iter().copied().collect();
                self.callback = Some(shards.clone());
                self.tell(Happened::Lost(shards), broker);
                assert_eq!(self.callback, None, "a loss is over at once");
                self.member = broker.group.join();
            }
        }
    }

    /// The shards that could do something: apply, close or stop.
    pub(super) fn busy(&self, inputs: &[Vec<u8>]) -> Vec<ShardNo> {
        let busy = |(shard, toy): (&ShardNo, &Toy)| {
            let more = (toy.next as usize) < inputs[shard.0 as usize].len();
            let able = toy.stopping || (more && toy.open() < 2) || (toy.open() > 0 && !toy.waiting);
            able.then_some(*shard)
        };
        self.toys.iter().filter_map(busy).collect()
    }

    /// Lets a shard apply a record and close its slice, or stop.
    pub(super) fn work(&mut self, shard: ShardNo, inputs: &[Vec<u8>]) {
        let toy = self
            .toys
            .get_mut(&shard)
            .expect("only a shard that runs works");
        if toy.stopping {
            return self.stop(shard);
        }
        if let Some(&key) = inputs[shard.0 as usize].get(toy.next as usize)
            && toy.open() < 2
        {
            toy.apply(key);
        }
        if toy.waiting {
            return;
        }
        if let Some((token, slice)) = toy.close() {
            toy.waiting = true;
            self.slices.insert(token, slice);
            self.inbox.push_back(Happened::Sliced(token));
        }
    }

    fn stop(&mut self, shard: ShardNo) {
        let mut toy = self
            .toys
            .remove(&shard)
            .expect("only a shard that runs stops");
        let closed = toy.close();
        let last = closed.as_ref().map(|(token, _)| *token);
        self.slices.extend(closed);
        let lease = toy.lease();
        self.inbox
            .push_back(Happened::Stopped { shard, lease, last });
    }

    /// A shard's logic panics: its engine is gone.
    pub(super) fn panic(&mut self) {
        let runs = self.toys.iter().find(|(_, toy)| !toy.stopping);
        if let Some((&shard, toy)) = runs {
            let lease = toy.lease();
            self.toys.remove(&shard);
            self.inbox.push_back(Happened::Panicked { shard, lease });
        }
    }

    /// Whether workers or restores have said something.
    pub(super) fn has_mail(&self) -> bool {
        !self.inbox.is_empty()
    }

    /// The machine hears the next thing that workers and restores have said.
    pub(super) fn hear(&mut self, broker: &mut Broker) {
        if let Some(happened) = self.inbox.pop_front() {
            self.tell(happened, broker);
        }
    }

    /// The shards whose restore can take its next step.
    pub(super) fn restorable(&self, broker: &Broker) -> Vec<ShardNo> {
        let can = |(shard, stage): (&ShardNo, &Restoring)| match stage {
            Restoring::Asked(_) => true,
            Restoring::Bound(_, bound) => broker.last_stable(Topic::Changelog, *shard) >= *bound,
            Restoring::Read(..) => broker.stable_offset(*shard).is_ok(),
            Restoring::Told(..) => false,
        };
        let able = self.restores.iter().filter(|entry| can(*entry));
        able.map(|(shard, _)| *shard).collect()
    }

    /// Takes a restore one step further: bound, then records, then the group's offsets and the checks.
    pub(super) fn restore(
        &mut self,
        shard: ShardNo,
        end: i64,
        compacted: bool,
        broker: &mut Broker,
    ) {
        let shards = broker.group.shards;
        let stage = self
            .restores
            .remove(&shard)
            .expect("only what is asked for is restored");
        match stage {
            Restoring::Asked(lease) => {
                let bound = broker.high_watermark(Topic::Changelog, shard);
                self.restores.insert(shard, Restoring::Bound(lease, bound));
            }
            Restoring::Bound(lease, bound) => {
                let records = broker.read(Topic::Changelog, shard, bound, compacted);
                let stage = match toy::restore(&records, shards) {
                    Ok(restored) => Restoring::Read(lease, bound, restored),
                    Err(refusal) => again(shard, lease, bound, &refusal, broker),
                };
                self.restores.insert(shard, stage);
            }
            Restoring::Read(lease, bound, restored) => {
                let offset = broker
                    .stable_offset(shard)
                    .expect("only a stable offset is read");
                if let Some(refused) = refused(shard, &restored, offset, end) {
                    let stage = again(shard, lease, bound, &refused, broker);
                    self.restores.insert(shard, stage);
                    return;
                }
                self.restored(shard, lease, restored);
            }
            Restoring::Told(..) => unreachable!("a restore that is over has no next step"),
        }
    }

    fn restored(&mut self, shard: ShardNo, lease: Lease, restored: Restored) {
        self.random += 1;
        let fresh = Mark {
            state: StateId(self.random),
            epoch: Epoch::NONE,
        };
        let at = restored
            .position
            .as_ref()
            .map_or(fresh, |position| position.mark);
        self.restores
            .insert(shard, Restoring::Told(lease, restored));
        self.inbox
            .push_back(Happened::Restored { shard, lease, at });
    }
}

/// A changelog that grew while it was read has another owner by now, or had: read it again. One that did
/// not, and is refused, would be refused for ever; here, where nobody tampers, that is a mistake.
fn again(
    shard: ShardNo,
    lease: Lease,
    bound: usize,
    why: &dyn std::error::Error,
    broker: &Broker,
) -> Restoring {
    let grown = broker.high_watermark(Topic::Changelog, shard) > bound;
    assert!(grown, "refused, though nobody tampered: {why}");
    Restoring::Asked(lease)
}

fn refused(
    shard: ShardNo,
    restored: &Restored,
    group: Option<(i64, String)>,
    end: i64,
) -> Option<Refused> {
    let source = SourceFacts {
        topic: INPUT.into(),
        group: group.map(|(offset, metadata)| GroupOffset { offset, metadata }),
        start_at: 0,
        first: 0,
        end,
    };
    start::decide(&Facts {
        shard,
        shards: restored.shards,
        position: restored.position.as_ref(),
        sources: &[source],
        settings_hash: 0,
        on_data_loss: OnDataLoss::Refuse,
    })
    .err()
}
