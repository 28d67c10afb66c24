//! The rules of the machine, each as a short story told to one process.

mod membership;
mod transaction;

use super::*;
use crate::{Epoch, Lease, Mark, StateId};

const A: ShardNo = ShardNo(0);
const B: ShardNo = ShardNo(1);
const COMMIT: [&str; 5] = ["begin", "produce", "drain", "send", "commit"];

/// A machine with a driver that carries nothing out by itself.
struct Told {
    machine: Machine,
    now: Millis,
    said: Vec<Do>,
    leases: Vec<(ShardNo, Lease)>,
    next: Vec<(ShardNo, Epoch)>,
}

impl Told {
    /// A process that runs these shards, restored at epoch 5.10.
    fn running(shards: &[ShardNo]) -> Told {
        let mut told = Told {
            machine: Machine::new(Limits::default()),
            now: Millis(0),
            said: Vec::new(),
            leases: Vec::new(),
            next: Vec::new(),
        };
        told.tell(Happened::Started);
        told.tell(Happened::Done);
        told.tell(Happened::Assigned(shards.to_vec()));
        for &shard in shards {
            told.restore(shard);
        }
        told
    }

    fn tell(&mut self, happened: Happened) -> &[Do] {
        self.said.clear();
        self.machine.step(self.now, happened, &mut self.said);
        for command in &self.said {
            match command {
                Do::Restore { shard, lease } => self.leases.push((*shard, *lease)),
                Do::Run { shard, term, .. } => self.next.push((*shard, term.began)),
                Do::Call(_)
                | Do::Committed(_)
                | Do::Stop { .. }
                | Do::Drop { .. }
                | Do::AckRevoke
                | Do::Leave
                | Do::Alarm(_)
                | Do::Exit(_) => {}
            }
        }
        &self.said
    }

    fn lease(&self, shard: ShardNo) -> Lease {
        let of = |(of, lease): &(ShardNo, Lease)| (*of == shard).then_some(*lease);
        self.leases.iter().rev().find_map(of).unwrap()
    }

    fn restore(&mut self, shard: ShardNo) -> &[Do] {
        let lease = self.lease(shard);
        let at = mark(5, 10);
        self.tell(Happened::Restored { shard, lease, at })
    }

    fn token(&mut self, shard: ShardNo) -> SliceToken {
        let lease = self.lease(shard);
        let mut nexts = self.next.iter_mut().rev();
        let next = &mut nexts.find(|(of, _)| *of == shard).unwrap().1;
        let epoch = *next;
        *next = epoch.next();
        SliceToken {
            shard,
            lease,
            epoch,
        }
    }

    fn slice(&mut self, shard: ShardNo) -> SliceToken {
        let token = self.token(shard);
        self.tell(Happened::Sliced(token));
        token
    }

    fn stopped(&mut self, shard: ShardNo, last: Option<SliceToken>) -> &[Do] {
        let lease = self.lease(shard);
        self.tell(Happened::Stopped { shard, lease, last })
    }

    fn fail(&mut self, failure: Failure) -> Vec<String> {
        self.tell(Happened::Failed(failure));
        self.words()
    }

    fn done(&mut self) -> Vec<String> {
        self.tell(Happened::Done);
        self.words()
    }

    /// Answers `Done` until the call of that name is outstanding.
    fn up_to(&mut self, call: &str) {
        for _ in 0..10 {
            if self.words().iter().any(|word| word == call) {
                return;
            }
            self.tell(Happened::Done);
        }
        panic!("never came to {call}");
    }

    fn read_back(&mut self, answers: &[(ShardNo, Option<Mark>)]) -> Vec<String> {
        let answer = |&(shard, mark)| ReadBack {
            shard,
            marks: vec![mark],
        };
        self.tell(Happened::ReadBack(answers.iter().map(answer).collect()));
        self.words()
    }

    /// What was said last, in short.
    fn words(&self) -> Vec<String> {
        self.said.iter().map(word).collect()
    }
}

fn mark(term: u32, n: u64) -> Mark {
    Mark {
        state: StateId(7),
        epoch: Epoch { term, n },
    }
}

fn word(command: &Do) -> String {
    let shard = |shard: &ShardNo| ["a", "b"][shard.0 as usize];
    match command {
        Do::Call(Call::NewProducer) => "new".into(),
        Do::Call(Call::Begin) => "begin".into(),
        Do::Call(Call::Produce(_)) => "produce".into(),
        Do::Call(Call::Drain) => "drain".into(),
        Do::Call(Call::SendOffsets(_)) => "send".into(),
        Do::Call(Call::Commit) => "commit".into(),
        Do::Call(Call::Abort) => "abort".into(),
        Do::Call(Call::ReadBack(_)) => "read back".into(),
        Do::Restore { shard: s, .. } => format!("restore {}", shard(s)),
        Do::Run { shard: s, .. } => format!("run {}", shard(s)),
        Do::Committed(slices) => slices
            .iter()
            .map(|slice| format!("committed {}{}", shard(&slice.shard), slice.epoch.n))
            .collect::<Vec<_>>()
            .join(" "),
        Do::Stop { shard: s, .. } => format!("stop {}", shard(s)),
        Do::Drop { shard: s, why, .. } => format!("drop {} {why:?}", shard(s)),
        Do::AckRevoke => "ack".into(),
        Do::Leave => "leave".into(),
        Do::Alarm(_) => "alarm".into(),
        Do::Exit(exit) => format!("exit {exit:?}"),
    }
}
