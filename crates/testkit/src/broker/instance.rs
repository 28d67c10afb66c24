//! One simulated process: carries out what its machine says, against the simulated broker.
//!
//! The driver of the real runtime in small. Each thing that takes time in the real one is a step of its
//! own here, so that anything can happen in between.

use std::collections::{BTreeMap, BTreeSet};

use mainstay_commit::start::{self, Facts, GroupOffset, OnDataLoss, Refused, SourceFacts, Start};
use mainstay_commit::{
    Alarm, Call, Do, Epoch, Exit, Failure, Happened, Lease, Limits, Machine, Mark, Millis,
    ReadBack, ShardNo, SliceToken, StateId,
};

use super::group::{Membership, News};
use super::log::{Broker, Denied, Outgoing, Session, Topic};
use super::toy::{self, INPUT, Restored, Slice, Toy};
use super::world::Fault;

/// How far a restore is.
#[derive(Clone, Debug)]
enum Restoring {
    Asked(Lease),
    /// The bound was taken.
    Bound(Lease, usize),
    /// The changelog was read up to it.
    Read(Lease, usize, Restored),
    /// The group's offsets agree; the machine has been told.
    Told(Restored),
}

/// A request that was given up on and may reach the broker yet.
#[derive(Clone, Debug)]
pub(super) struct Stray {
    session: Session,
    what: Late,
}

#[derive(Clone, Debug)]
enum Late {
    Produce(Vec<Outgoing>),
    Offsets(Membership, BTreeMap<ShardNo, (i64, String)>),
    End(bool),
}

impl Stray {
    /// It arrives. Nobody waits for the answer.
    pub(super) fn arrive(self, broker: &mut Broker) {
        match self.what {
            Late::Produce(records) => {
                for record in &records {
                    let _ = broker.produce(&self.session, record);
                }
            }
            Late::Offsets(by, offsets) => {
                let _ = broker.send_offsets(&self.session, &by, offsets);
            }
            Late::End(commit) => {
                let _ = broker.end(&self.session, commit);
            }
        }
    }
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
    session: Option<Session>,
    queued: Vec<Outgoing>,
    call: Option<Call>,
    /// The shards of the callback that waits.
    callback: Option<Vec<ShardNo>>,
    toys: BTreeMap<ShardNo, Toy>,
    restores: BTreeMap<ShardNo, Restoring>,
    slices: BTreeMap<SliceToken, Slice>,
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
            callback: None,
            toys: BTreeMap::new(),
            restores: BTreeMap::new(),
            slices: BTreeMap::new(),
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
            }
            Do::Restore { shard, lease } => {
                self.restores.insert(shard, Restoring::Asked(lease));
            }
            Do::Run { shard, lease, term } => {
                if let Some(Restoring::Told(restored)) = self.restores.remove(&shard) {
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
        let stale = match self.restores.get(&shard) {
            Some(Restoring::Asked(of) | Restoring::Bound(of, _) | Restoring::Read(of, ..)) => {
                *of == lease
            }
            Some(Restoring::Told(_)) | None => false,
        };
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

    pub(super) fn has_call(&self) -> bool {
        self.call.is_some()
    }

    /// Carries out the outstanding call, or lets it fail. A request may be left behind that arrives later.
    pub(super) fn carry_out(&mut self, fault: Fault, broker: &mut Broker) -> Option<Stray> {
        let call = self
            .call
            .take()
            .expect("only what is outstanding is carried out");
        let mut stray = None;
        let happened = match fault {
            Fault::None => match self.effect(&call, broker) {
                Ok(happened) => happened,
                Err(failure) => Happened::Failed(failure),
            },
            Fault::Retriable => Happened::Failed(Failure::Retriable),
            Fault::Abort => {
                self.half(&call, broker);
                Happened::Failed(Failure::Abort)
            }
            Fault::Fatal => {
                self.half(&call, broker);
                Happened::Failed(Failure::Fatal)
            }
            Fault::RequestLost => Happened::Failed(Failure::Unknown),
            Fault::AnswerLost => match self.effect(&call, broker) {
                Err(failure @ (Failure::Fenced | Failure::IllegalGeneration)) => {
                    Happened::Failed(failure)
                }
                Ok(_) | Err(_) => Happened::Failed(Failure::Unknown),
            },
            Fault::RequestLate => {
                stray = self.stray(&call);
                Happened::Failed(Failure::Unknown)
            }
        };
        self.tell(happened, broker);
        stray
    }

    fn effect(&mut self, call: &Call, broker: &mut Broker) -> Result<Happened, Failure> {
        let denied = |denied| match denied {
            Denied::Fenced => Failure::Fenced,
            Denied::IllegalGeneration => Failure::IllegalGeneration,
            Denied::InvalidState => Failure::Fatal,
        };
        match call {
            Call::NewProducer => {
                self.queued.clear();
                self.session = Some(broker.init(self.slot));
            }
            Call::Begin => {}
            Call::Produce(slices) => {
                self.queued = self.records(slices);
                self.deliver(self.queued.len() / 2, broker)
                    .map_err(denied)?;
            }
            Call::Drain => self.deliver(self.queued.len(), broker).map_err(denied)?,
            Call::SendOffsets(slices) => {
                let by = self.group.clone().ok_or(Failure::Abort)?;
                let offsets = self.offsets(slices);
                broker
                    .send_offsets(self.session(), &by, offsets)
                    .map_err(denied)?;
            }
            Call::Commit => {
                // The client delivers whatever is still queued before it ends the transaction.
                self.deliver(self.queued.len(), broker).map_err(denied)?;
                broker.end(self.session(), true).map_err(denied)?;
            }
            Call::Abort => {
                self.queued.clear();
                broker.end(self.session(), false).map_err(denied)?;
            }
            Call::ReadBack(shards) => return read_back(shards, broker),
        }
        Ok(Happened::Done)
    }

    /// A call that produces fails half-way.
    fn half(&mut self, call: &Call, broker: &mut Broker) {
        if matches!(call, Call::Produce(_) | Call::Drain) {
            let _ = self.effect(call, broker);
        }
    }

    fn stray(&self, call: &Call) -> Option<Stray> {
        let session = self.session.clone()?;
        let what = match call {
            Call::Produce(slices) => Late::Produce(self.records(slices)),
            Call::Drain => Late::Produce(self.queued.clone()),
            Call::SendOffsets(slices) => Late::Offsets(self.group.clone()?, self.offsets(slices)),
            Call::Commit => Late::End(true),
            Call::Abort => Late::End(false),
            Call::NewProducer | Call::Begin | Call::ReadBack(_) => return None,
        };
        Some(Stray { session, what })
    }

    fn session(&self) -> &Session {
        self.session.as_ref().expect("a producer is made first")
    }

    /// Sends the first of the queued records.
    fn deliver(&mut self, count: usize, broker: &mut Broker) -> Result<(), Denied> {
        for record in self.queued.drain(..count).collect::<Vec<_>>() {
            broker.produce(self.session(), &record)?;
        }
        Ok(())
    }

    /// Slices of shards dropped meanwhile have no bytes any more.
    fn kept<'a>(&'a self, slices: &'a [SliceToken]) -> impl Iterator<Item = (ShardNo, &'a Slice)> {
        let kept = |token: &SliceToken| Some((token.shard, self.slices.get(token)?));
        slices.iter().filter_map(kept)
    }

    fn records(&self, slices: &[SliceToken]) -> Vec<Outgoing> {
        self.kept(slices)
            .flat_map(|(_, slice)| slice.records.clone())
            .collect()
    }

    fn offsets(&self, slices: &[SliceToken]) -> BTreeMap<ShardNo, (i64, String)> {
        let offset =
            |(shard, slice): (ShardNo, &Slice)| (shard, (slice.next, slice.mark.to_string()));
        self.kept(slices).map(offset).collect()
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
    pub(super) fn work(&mut self, shard: ShardNo, inputs: &[Vec<u8>], broker: &mut Broker) {
        let toy = self
            .toys
            .get_mut(&shard)
            .expect("only a shard that runs works");
        if toy.stopping {
            return self.stop(shard, broker);
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
            self.tell(Happened::Sliced(token), broker);
        }
    }

    fn stop(&mut self, shard: ShardNo, broker: &mut Broker) {
        let mut toy = self
            .toys
            .remove(&shard)
            .expect("only a shard that runs stops");
        let closed = toy.close();
        let last = closed.as_ref().map(|(token, _)| *token);
        self.slices.extend(closed);
        let lease = toy.lease();
        self.tell(Happened::Stopped { shard, lease, last }, broker);
    }

    /// A shard's logic panics.
    pub(super) fn panic(&mut self, broker: &mut Broker) {
        if let Some((&shard, toy)) = self.toys.iter().find(|(_, toy)| !toy.stopping) {
            let lease = toy.lease();
            self.tell(Happened::Panicked { shard, lease }, broker);
        }
    }

    /// The shards whose restore can take its next step.
    pub(super) fn restorable(&self, broker: &Broker) -> Vec<ShardNo> {
        let can = |(shard, stage): (&ShardNo, &Restoring)| match stage {
            Restoring::Asked(_) => true,
            Restoring::Bound(_, bound) => broker.last_stable(Topic::Changelog, *shard) >= *bound,
            Restoring::Read(..) => broker.stable_offset(*shard).is_ok(),
            Restoring::Told(_) => false,
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
                if let Err(refused) = decide(shard, &restored, offset, end) {
                    let stage = again(shard, lease, bound, &refused, broker);
                    self.restores.insert(shard, stage);
                    return;
                }
                self.restored(shard, lease, restored, broker);
            }
            Restoring::Told(_) => unreachable!("a restore that is over has no next step"),
        }
    }

    fn restored(&mut self, shard: ShardNo, lease: Lease, restored: Restored, broker: &mut Broker) {
        self.random += 1;
        let fresh = Mark {
            state: StateId(self.random),
            epoch: Epoch::NONE,
        };
        let at = restored
            .position
            .as_ref()
            .map_or(fresh, |position| position.mark);
        self.restores.insert(shard, Restoring::Told(restored));
        self.tell(Happened::Restored { shard, lease, at }, broker);
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

fn decide(
    shard: ShardNo,
    restored: &Restored,
    group: Option<(i64, String)>,
    end: i64,
) -> Result<Start, Refused> {
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
}

fn read_back(shards: &[ShardNo], broker: &Broker) -> Result<Happened, Failure> {
    let mut answers = Vec::new();
    for &shard in shards {
        let offset = broker
            .stable_offset(shard)
            .map_err(|()| Failure::Retriable)?;
        let mark = offset.and_then(|(_, metadata)| metadata.parse().ok());
        let marks = vec![mark];
        answers.push(ReadBack { shard, marks });
    }
    Ok(Happened::ReadBack(answers))
}
