//! How a simulated process carries out the calls of its producer, and how they go wrong.

use std::collections::BTreeMap;

use mainstay_commit::{Call, Failure, Happened, ReadBack, ShardNo, SliceToken};

use super::group::Membership;
use super::instance::Instance;
use super::log::{Broker, Denied, Outgoing, Session};
use super::toy::Slice;
use super::world::Fault;

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

impl Instance {
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
                let by = self.under.clone().ok_or(Failure::Abort)?;
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
            Call::SendOffsets(slices) => Late::Offsets(self.under.clone()?, self.offsets(slices)),
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
