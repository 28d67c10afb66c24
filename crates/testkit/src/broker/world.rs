//! Processes, a broker and a schedule: what runs next, and what goes wrong.
//!
//! Without faults the schedule is fair and fixed: whatever has waited longest goes next. A run is this
//! schedule with [`Deed`]s put in at chosen steps, so that every run can be told by a short list and run
//! again. Time passes when nothing else can happen.

use std::collections::BTreeMap;

use mainstay_commit::{Exit, Happened, Millis, ShardNo};

use super::calls::Stray;
use super::instance::Instance;
use super::log::{Broker, Topic};
use super::toy;

/// How a call of the producer goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Not at all.
    None,
    /// It did nothing and may be asked again.
    Retriable,
    /// The transaction must be aborted; what it produced may be in the log.
    Abort,
    /// The producer is finished; what it produced may be in the log.
    Fatal,
    /// Time-out: the request never arrived.
    RequestLost,
    /// Time-out: it took effect, the answer was lost.
    AnswerLost,
    /// Time-out: it arrives later, at any time.
    RequestLate,
}

impl Fault {
    /// All that can go wrong.
    pub const ALL: &'static [Fault] = &[
        Fault::Retriable,
        Fault::Abort,
        Fault::Fatal,
        Fault::RequestLost,
        Fault::AnswerLost,
        Fault::RequestLate,
    ];
}

/// One thing that happens in the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deed {
    /// An instance carries out its outstanding call.
    Call(usize, Fault),
    /// An instance polls the group.
    Poll(usize),
    /// A shard applies a record and closes its slice, or stops.
    Work(usize, ShardNo),
    /// An instance's machine hears what its workers and restores have said.
    Hear(usize),
    /// A restore takes its next step.
    Restore(usize, ShardNo),
    /// A deadline of the machine has passed.
    Tick(usize),
    /// A request that was given up on arrives.
    Stray,
    /// A process dies and a new one starts in its place.
    Crash(usize),
    /// A process hangs for so many milliseconds.
    Pause(usize, u64),
    /// A process is stopped in good order and started again.
    Restart(usize),
    /// One more process.
    Join,
    /// A shard's logic panics.
    Panic(usize),
    /// Nothing happens for so many milliseconds.
    Wait(u64),
}

/// A broker, its processes, and all that is under way between them.
#[derive(Clone, Debug)]
pub struct World {
    broker: Broker,
    instances: Vec<Instance>,
    inputs: Vec<Vec<u8>>,
    strays: Vec<Stray>,
    done: BTreeMap<Deed, u64>,
    steps: u64,
    compacted: bool,
}

impl World {
    /// So many processes, and an input of keys for each shard. `compacted` restores read only the newest
    /// record of each key.
    #[must_use]
    pub fn new(instances: usize, inputs: Vec<Vec<u8>>, compacted: bool) -> World {
        let mut broker = Broker::default();
        broker.group.shards = inputs.len() as u32;
        let mut world = World {
            broker,
            instances: Vec::new(),
            inputs,
            strays: Vec::new(),
            done: BTreeMap::new(),
            steps: 0,
            compacted,
        };
        for slot in 0..instances {
            world.start(slot);
        }
        world
    }

    fn start(&mut self, slot: usize) {
        let random = u128::from(self.steps) << 64 | (slot as u128) << 32;
        let instance = Instance::start(slot, random, &mut self.broker);
        match self.instances.get_mut(slot) {
            Some(gone) => *gone = instance,
            None => self.instances.push(instance),
        }
    }

    /// How many processes there are.
    #[must_use]
    pub fn instances(&self) -> usize {
        self.instances.len()
    }

    /// What can happen by itself, without a fault.
    #[must_use]
    pub fn able(&self) -> Vec<Deed> {
        let mut able = Vec::new();
        for (at, instance) in self.instances.iter().enumerate() {
            if instance.paused_until.is_some() {
                continue;
            }
            if instance.has_news(&self.broker) {
                able.push(Deed::Poll(at));
            }
            if instance.has_mail() {
                able.push(Deed::Hear(at));
            }
            if instance.has_call() {
                able.push(Deed::Call(at, Fault::None));
            }
            if instance.due().is_some_and(|due| due <= self.broker.now) {
                able.push(Deed::Tick(at));
            }
            let work = instance.busy(&self.inputs).into_iter();
            able.extend(work.map(|shard| Deed::Work(at, shard)));
            let restores = instance.restorable(&self.broker).into_iter();
            able.extend(restores.map(|shard| Deed::Restore(at, shard)));
        }
        able
    }

    /// What could go wrong now, or out of turn.
    #[must_use]
    pub fn deviations(&self) -> Vec<Deed> {
        let mut deeds = self.able();
        for (at, instance) in self.instances.iter().enumerate() {
            deeds.push(Deed::Crash(at));
            if instance.paused_until.is_some() {
                continue;
            }
            deeds.extend([
                Deed::Pause(at, 7_000),
                Deed::Pause(at, 11_000),
                Deed::Restart(at),
                Deed::Panic(at),
            ]);
            if instance.has_call() {
                deeds.extend(Fault::ALL.iter().map(|&fault| Deed::Call(at, fault)));
            }
        }
        if self.instances.len() < 3 {
            deeds.push(Deed::Join);
        }
        if !self.strays.is_empty() {
            deeds.push(Deed::Stray);
        }
        deeds.push(Deed::Wait(5_000));
        deeds
    }

    /// Does what has waited longest, or lets time pass; `false` when nothing is left to do.
    pub fn go_on(&mut self) -> bool {
        let able = self.able();
        let longest = able
            .iter()
            .min_by_key(|deed| self.done.get(deed).copied().unwrap_or(0));
        match longest {
            Some(&deed) => self.take(deed),
            None => match self.next_time() {
                Some(time) => self.pass_time(time),
                None => return false,
            },
        }
        true
    }

    /// Lets something happen.
    pub fn take(&mut self, deed: Deed) {
        self.steps += 1;
        self.done.insert(deed, self.steps);
        match deed {
            Deed::Call(at, fault) => {
                let stray = self.instances[at].carry_out(fault, &mut self.broker);
                self.strays.extend(stray);
            }
            Deed::Poll(at) => self.instances[at].poll(&mut self.broker),
            Deed::Work(at, shard) => self.instances[at].work(shard, &self.inputs),
            Deed::Hear(at) => self.instances[at].hear(&mut self.broker),
            Deed::Restore(at, shard) => {
                let end = self.inputs[shard.0 as usize].len() as i64;
                self.instances[at].restore(shard, end, self.compacted, &mut self.broker);
            }
            Deed::Tick(at) => self.instances[at].tell(Happened::Tick, &mut self.broker),
            Deed::Stray => {
                if !self.strays.is_empty() {
                    self.strays.remove(0).arrive(&mut self.broker);
                }
            }
            Deed::Crash(at) => self.crash(at),
            Deed::Pause(at, ms) => {
                let now = self.broker.now;
                self.instances[at].paused_until = Some(now.plus(ms));
                let member = self.instances[at].member();
                self.broker.group.set_silent(member, Some(now));
            }
            Deed::Restart(at) => self.instances[at].tell(Happened::Shutdown, &mut self.broker),
            Deed::Join => self.start(self.instances.len()),
            Deed::Panic(at) => self.instances[at].panic(),
            Deed::Wait(ms) => self.pass_time(self.broker.now.plus(ms)),
        }
        self.pass_time(self.broker.now.plus(1));
        self.replace_the_ended();
    }

    fn crash(&mut self, at: usize) {
        let member = self.instances[at].member();
        self.broker.group.set_silent(member, Some(self.broker.now));
        self.start(at);
    }

    /// A process that ended is started again, whatever it ended by; but a refused state is a mistake here,
    /// where nobody moves offsets or cuts topics.
    fn replace_the_ended(&mut self) {
        for at in 0..self.instances.len() {
            match self.instances[at].exit {
                None => {}
                Some(Exit::Done | Exit::SharedId | Exit::NoProducer) => self.crash(at),
                Some(Exit::Refused(shard)) => panic!("the state of shard {shard} was refused"),
            }
        }
    }

    fn pass_time(&mut self, now: Millis) {
        self.broker.pass_time(now);
        for at in 0..self.instances.len() {
            let instance = &mut self.instances[at];
            if instance.paused_until.is_some_and(|until| until <= now) {
                instance.paused_until = None;
                self.broker.group.set_silent(instance.member(), None);
            }
        }
    }

    fn next_time(&self) -> Option<Millis> {
        let of_instance = |instance: &Instance| match instance.paused_until {
            Some(until) => Some(until),
            None => instance.due(),
        };
        let instances = self.instances.iter().filter_map(of_instance);
        instances.chain(self.broker.due()).min()
    }

    /// Whether a read_committed reader has seen an output for every record of the input.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let all =
            |(at, input): (usize, &Vec<u8>)| self.outputs(ShardNo(at as u32)).len() >= input.len();
        self.inputs.iter().enumerate().all(all)
    }

    fn outputs(&self, shard: ShardNo) -> Vec<Vec<u8>> {
        let records = self.broker.read(Topic::Output, shard, usize::MAX, false);
        records
            .into_iter()
            .filter_map(|(_, _, value)| value)
            .collect()
    }

    /// Goes on without faults until all is done, and compares with what must come out.
    ///
    /// # Panics
    /// When anything is lost, said twice, wrong, or never said.
    pub fn finish(mut self) {
        let mut left = 20_000;
        while self.go_on() {
            left -= 1;
            assert!(left > 0, "it never comes to rest");
        }
        while !self.strays.is_empty() {
            self.take(Deed::Stray);
        }
        for (at, input) in self.inputs.iter().enumerate() {
            self.check(ShardNo(at as u32), input);
        }
    }

    fn check(&self, shard: ShardNo, input: &[u8]) {
        let mut counts = BTreeMap::new();
        let mut expected = Vec::new();
        for &key in input {
            let count = counts.entry(key).or_insert(0);
            *count += 1;
            expected.push(toy::said(key, *count));
        }
        assert_eq!(self.outputs(shard), expected, "outputs of shard {shard}");
        for compacted in [false, true] {
            let records = self
                .broker
                .read(Topic::Changelog, shard, usize::MAX, compacted);
            let restored =
                toy::restore(&records, self.inputs.len() as u32).expect("a sound changelog");
            assert_eq!(restored.counts, counts, "state of shard {shard}");
            let next = restored
                .position
                .map_or(0, |position| position.sources[toy::INPUT].next);
            assert_eq!(next, input.len() as i64, "position of shard {shard}");
        }
    }
}
