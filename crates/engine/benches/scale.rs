//! How much one shard holds of a million users, and how long it keeps an event waiting.
//!
//! Users are there on 10 of 35 days with 15 sessions of five events. Most days are caught up with as fast as they
//! can be. On the last two of each period events arrive at an even rate instead, and the engine is called as a
//! shard's worker calls it: what it does is done in real time, and arrivals are counted on a clock that knows nothing
//! else, so that an event's wait is what calls before it took. Time in which the benchmark was ready to run
//! while others had the processor is taken out where Linux tells it.
//!
//! Memory is what is resident: all that an allocator adds is in it. Knows no broker, no clients and no slices.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a benchmark reads the clock and its environment; the engine does not"
)]

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fs;
use std::hint::black_box;
use std::time::Instant;

use hdrhistogram::Histogram;
use mainstay_engine::{Beat, Engine, Outputs, Pace, Place, Settings, Verdict};
use mainstay_model::{AccountDaily, AccountMetrics, Actor, Body, Event, Id};
use mainstay_model::{SegmentDaily, Timestamp};

fn main() {
    let load = Load::asked_for();
    let mut today = Vec::new();
    // The room of a day is not the engine's.
    load.day(1, &mut today);
    let mut memory = Memory::before();
    let mut worker = Worker::new(load.accounts);

    load.first_day(&mut today);
    worker.catch_up(&load, &today);
    worker.rest(load.midnight(1).plus_ms(3 * HOUR_MS));
    memory.note("everybody seen once".to_owned(), &mut worker);
    for day in 1..=2 * load.days {
        load.day(day, &mut today);
        match load.is_live(day) {
            true => worker.keep_up(&load, &today),
            false => worker.catch_up(&load, &today),
        }
        if day % load.days == 0 {
            memory.note(format!("{day} days"), &mut worker);
        }
    }
    worker.check(2 * load.days);
    load.print(worker.applied);
    memory.print();
    worker.calls.print();
}

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
const NAMES: [&str; 4] = ["page_viewed", "report_opened", "search_run", "report_sent"];

/// How many events arrive in a second of a day that is lived through.
const RATE: u64 = 20_000;
/// How often a slice closes then.
const SLICE_NS: u64 = 100_000_000;
/// How many events a slice has while catching up.
const SLICE: usize = 65_536;
/// How many events are applied before work that is due has its turn, and for how long it goes on.
const BATCH: usize = 1024;
const WORK_NS: u64 = 5_000_000;
/// How often live values of an account are told, and of how many in a second.
const EMIT_INTERVAL_NS: u64 = 1_000_000_000;
const EMIT_RATE: u64 = 500;

/// Who is there, and for how long.
struct Load {
    users: u32,
    accounts: u32,
    /// How many days a period has; there are two.
    days: u32,
    uneven: bool,
}

/// One event, before it is one: plain numbers, which take little room.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Happening {
    time: Timestamp,
    user: u32,
    id: u64,
}

impl Load {
    fn asked_for() -> Load {
        Load {
            users: asked("MAINSTAY_BENCH_USERS", 1_000_000),
            accounts: asked("MAINSTAY_BENCH_ACCOUNTS", 20_000),
            days: asked("MAINSTAY_BENCH_DAYS", 35),
            uneven: asked("MAINSTAY_BENCH_UNEVEN", 0) != 0,
        }
    }

    /// The last two days of a period: all accounts close one on the way.
    fn is_live(&self, day: u32) -> bool {
        day.is_multiple_of(self.days) || (day + 1).is_multiple_of(self.days)
    }

    fn midnight(&self, day: u32) -> Timestamp {
        let begin = Timestamp(1_772_323_200_000); // 2026-03-01T00:00:00Z
        begin.plus_ms(i64::from(day) * DAY_MS)
    }

    /// Every user is seen once, at some time of the day.
    fn first_day(&self, all: &mut Vec<Happening>) {
        let mut random = Random(0);
        all.clear();
        for user in 0..self.users {
            let time = self.midnight(0);
            let time = time.plus_ms(random.below(23 * HOUR_MS as u64) as i64);
            let id = random.next();
            all.push(Happening { time, user, id });
        }
        all.sort_unstable();
    }

    /// All events of a day, in the order of their times.
    fn day(&self, day: u32, all: &mut Vec<Happening>) {
        let mut random = Random(u64::from(day));
        all.clear();
        for user in 0..self.users {
            if random.below(35) >= 10 {
                continue;
            }
            for _ in 0..1 + random.below(2) {
                let mut time = self.midnight(day);
                time = time.plus_ms(random.below(23 * HOUR_MS as u64) as i64);
                for _ in 0..5 {
                    time = time.plus_ms(random.below(5 * 60_000) as i64);
                    let id = random.next();
                    all.push(Happening { time, user, id });
                }
            }
        }
        all.sort_unstable();
    }

    /// Accounts are of one size, or the first has a hundred times as many users as those in the middle.
    fn account_of(&self, user: u32) -> u32 {
        let (user, accounts) = (u64::from(user), u64::from(self.accounts));
        let users = u64::from(self.users);
        let account = match self.uneven {
            true => accounts * user / users * user / users,
            false => user % accounts,
        };
        account as u32
    }

    fn print(&self, events: u64) {
        let (users, accounts, days) = (self.users, self.accounts, 2 * self.days);
        let sizes = match self.uneven {
            true => "uneven",
            false => "even",
        };
        println!(
            "{users} users in {accounts} accounts of {sizes} size, {days} days, {events} events"
        );
    }
}

fn asked(name: &str, default: u32) -> u32 {
    match std::env::var(name) {
        Ok(text) => text.parse().expect("a variable is a whole number"),
        Err(_) => default,
    }
}

/// SplitMix64: the same numbers on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// The texts of one event, written anew for each: nothing of a million names stays in memory but the engine's.
#[derive(Default)]
struct Texts {
    id: String,
    account: String,
    user: String,
}

impl Texts {
    fn event(&mut self, load: &Load, happening: &Happening) -> Event<'_> {
        let Happening { time, user, id } = *happening;
        write_hex(u64::from(load.account_of(user)), 9, &mut self.account);
        write_hex(u64::from(user), 36, &mut self.user);
        write_hex(id, 36, &mut self.id);
        Event {
            id: named(&self.id),
            source: Some(Cow::Borrowed("web")),
            account: named(&self.account),
            user: Some(named(&self.user)),
            time,
            received_at: None,
            digest: id as u32,
            body: Body::Product {
                name: Cow::Borrowed(NAMES[(id >> 8) as usize % NAMES.len()]),
                duration_ms: (id % 60_000) as i64,
                actor: Actor::Human,
            },
        }
    }
}

/// Cheaply: writing names is not what is measured.
fn write_hex(number: u64, digits: u32, out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.clear();
    for place in 0..digits {
        let digit = number.rotate_left(32 + 4 * place) & 15;
        out.push(char::from(DIGITS[digit as usize]));
    }
}

fn named(text: &str) -> Id<'_> {
    Id::new(Cow::Borrowed(text)).expect("names of a load are short and not blank")
}

/// What was heard: parts of groups are kept until they are handed back, all else is only looked at.
#[derive(Default)]
struct Told {
    parts: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    days: u64,
    groups: u64,
}

impl Outputs for Told {
    fn account_daily(&mut self, record: &AccountDaily<'_>) {
        self.days += u64::from(!black_box(record).values.is_empty());
    }

    fn account_metrics(&mut self, record: &AccountMetrics<'_>) {
        black_box(record);
    }

    fn segment_daily(&mut self, record: &SegmentDaily<'_>) {
        self.groups += u64::from(!black_box(record).values.is_empty());
    }

    fn part(&mut self, _to: Option<(&str, &str)>, key: &[u8], value: Option<&[u8]>) {
        self.parts.push((key.to_vec(), value.map(<[u8]>::to_vec)));
    }
}

/// Calls an engine as the worker of a shard does.
struct Worker {
    engine: Engine,
    told: Told,
    texts: Texts,
    stopwatch: Stopwatch,
    costs: Costs,
    calls: Calls,
    /// When live values of each account were told, in the order of their numbers.
    told_at: Vec<Option<u64>>,
    applied: u64,
}

impl Worker {
    fn new(accounts: u32) -> Worker {
        let settings = Settings {
            key_actions: BTreeSet::from(["report_sent".to_owned()]),
            ..Settings::default()
        };
        let place = Place { number: 0, of: 1 };
        Worker {
            engine: Engine::new(settings, &["product".to_owned()], place),
            told: Told::default(),
            texts: Texts::default(),
            stopwatch: Stopwatch::new(),
            costs: Costs::default(),
            calls: Calls::new(),
            told_at: vec![None; accounts as usize],
            applied: 0,
        }
    }

    /// Takes a day in as fast as it goes.
    fn catch_up(&mut self, load: &Load, events: &[Happening]) {
        for slice in events.chunks(SLICE) {
            for batch in slice.chunks(BATCH) {
                self.apply_all(load, batch);
                let (engine, told) = (&mut self.engine, &mut self.told);
                let (_, took) = self.stopwatch.long(|| while engine.work(told) {});
                self.costs.work += took;
            }
            let engine = &mut self.engine;
            let save = || engine.save(&mut |_, value| _ = black_box(value));
            self.costs.save += self.stopwatch.long(save).1;
            self.costs.events += slice.len() as u64;
            self.hand_parts_back();
        }
    }

    /// Lives through a day. All times are those of a clock that only calls and arrivals move.
    fn keep_up(&mut self, load: &Load, events: &[Happening]) {
        let arrival = |event: usize| event as u64 * 1_000_000_000 / RATE;
        let (mut now, mut next, mut closes) = (0, 0, SLICE_NS);
        self.told_at.fill(None);
        while next < events.len() {
            let batch = next;
            while next < events.len() && next - batch < BATCH && arrival(next) <= now {
                let began = now;
                now += self.apply_timed(load, &events[next]);
                self.calls.wait.record(began - arrival(next));
                next += 1;
            }
            let (worked, more) = self.work();
            now += worked;
            if now >= closes {
                now += self.close_slice(now);
                closes = now + SLICE_NS;
            } else if batch == next && !more && next < events.len() {
                now = arrival(next).min(closes).max(now);
            }
        }
    }

    /// Nobody does anything until `to`.
    fn rest(&mut self, to: Timestamp) {
        self.engine.set_idle(0, true);
        self.engine.tick(to);
        self.engine.set_idle(0, false);
        while self.engine.work(&mut self.told) {}
        self.engine.save(&mut |_, value| _ = black_box(value));
        self.hand_parts_back();
    }

    fn apply_all(&mut self, load: &Load, batch: &[Happening]) {
        let (engine, told, texts) = (&mut self.engine, &mut self.told, &mut self.texts);
        let apply = |happening| {
            let event = texts.event(load, happening);
            let verdict = engine.apply(0, event.time, black_box(&event), told);
            assert_eq!(verdict, Verdict::Applied { late: false }, "all are in time");
        };
        let (_, took) = self.stopwatch.long(|| batch.iter().for_each(apply));
        self.costs.apply += took;
        self.applied += batch.len() as u64;
    }

    fn apply_timed(&mut self, load: &Load, happening: &Happening) -> u64 {
        let event = self.texts.event(load, happening);
        let (engine, told) = (&mut self.engine, &mut self.told);
        let apply = || engine.apply(0, event.time, black_box(&event), told);
        let (verdict, took) = self.stopwatch.short(apply);
        assert_eq!(verdict, Verdict::Applied { late: false }, "all are in time");
        self.applied += 1;
        self.calls.apply.record(took)
    }

    /// Does what is due, for a while. Says how long, and whether there is more.
    fn work(&mut self) -> (u64, bool) {
        let mut spent = 0;
        while self.engine.due() == Some(mainstay_engine::Due::Now) {
            if spent >= WORK_NS {
                return (spent, true);
            }
            let (engine, told) = (&mut self.engine, &mut self.told);
            let (_, took) = self.stopwatch.long(|| engine.work(told));
            spent += self.calls.work.record(took);
        }
        (spent, false)
    }

    fn close_slice(&mut self, now: u64) -> u64 {
        let (engine, told) = (&mut self.engine, &mut self.told);
        let told_at = &mut self.told_at;
        let mut left = EMIT_RATE * SLICE_NS / 1_000_000_000;
        let mut pace = |no: u32, _: &str| {
            let before = &mut told_at[no as usize];
            match (left, *before) {
                (0, _) => Pace::Stop,
                (_, Some(before)) if now - before < EMIT_INTERVAL_NS => Pace::Later,
                (_, Some(_) | None) => {
                    (*before, left) = (Some(now), left - 1);
                    Pace::Now
                }
            }
        };
        let beat = Beat {
            at_ms: i64::try_from(now / 1_000_000).unwrap_or(i64::MAX),
            interval_ms: (EMIT_INTERVAL_NS / 1_000_000) as i64,
            ..Beat::LAST
        };
        let (_, telling) = self.stopwatch.long(|| {
            engine.tell_changed(&mut pace, (false, false), told);
            engine.tell_live_groups(&beat, told);
        });
        let mut sent = 0;
        let mut put = |key: &[u8], value: Option<&[u8]>| {
            sent += key.len() + black_box(value).map_or(0, <[u8]>::len);
        };
        let (_, saving) = self.stopwatch.long(|| engine.save(&mut put));
        black_box(sent);
        let taking = self.hand_parts_back();
        self.calls.tell.record(telling) + self.calls.save.record(saving) + taking
    }

    /// The one shard hears all that it said of groups.
    fn hand_parts_back(&mut self) -> u64 {
        let engine = &mut self.engine;
        let mut spent = 0;
        for (key, value) in self.told.parts.drain(..) {
            let (taken, took) = self
                .stopwatch
                .long(|| engine.take_part(&key, value.as_deref()));
            taken.expect("what a shard says can be read");
            spent += self.calls.part.record(took);
        }
        spent
    }

    /// Nothing was left out: each account closed all days, and the fleet with them.
    fn check(&self, days: u32) {
        let accounts = self.engine.size().accounts as u64;
        assert_eq!(self.told.days, accounts * u64::from(days), "each closed");
        assert_eq!(self.told.groups, u64::from(days), "so did the fleet");
    }
}

/// What catching up has cost since the last note, in nanoseconds.
#[derive(Default)]
struct Costs {
    events: u64,
    /// With the writing of names.
    apply: u64,
    work: u64,
    save: u64,
}

impl Costs {
    fn of_an_event(&self, ns: u64) -> f64 {
        ns as f64 / 1000.0 / self.events.max(1) as f64
    }
}

/// How long each kind of call took, on days that are lived through.
struct Calls {
    apply: Times,
    work: Times,
    tell: Times,
    save: Times,
    part: Times,
    wait: Times,
}

/// A histogram of nanoseconds.
struct Times(Histogram<u64>);

impl Times {
    fn new() -> Times {
        Times(Histogram::new(3).expect("three digits are few enough"))
    }

    fn record(&mut self, took: u64) -> u64 {
        self.0
            .record(took)
            .expect("a histogram that grows holds any time");
        took
    }

    fn print(&self, name: &str) {
        let ms = |ns: u64| ns as f64 / 1e6;
        let (p50, p99) = (
            self.0.value_at_quantile(0.5),
            self.0.value_at_quantile(0.99),
        );
        let (p999, longest) = (self.0.value_at_quantile(0.999), self.0.max());
        println!(
            "{name:<22} {:>10} {:>10.4} {:>10.4} {:>10.4} {:>10.3}",
            self.0.len(),
            ms(p50),
            ms(p99),
            ms(p999),
            ms(longest)
        );
    }
}

impl Calls {
    fn new() -> Calls {
        Calls {
            apply: Times::new(),
            work: Times::new(),
            tell: Times::new(),
            save: Times::new(),
            part: Times::new(),
            wait: Times::new(),
        }
    }

    fn print(&self) {
        let (count, p50, p99, p999) = ("calls", "p50 ms", "p99 ms", "p99.9 ms");
        println!(
            "\n{:<22} {count:>10} {p50:>10} {p99:>10} {p999:>10} {:>10}",
            "", "longest"
        );
        self.apply.print("apply, an event");
        self.work.print("work, a step");
        self.tell.print("live values, a slice");
        self.save.print("save, a slice");
        self.part.print("take_part");
        self.wait.print("an event waits");
    }
}

/// Measures calls, less the time in which this process was ready and others had the processor.
struct Stopwatch {
    /// That time, as it was when it was last asked for.
    kept_waiting: u64,
}

/// Shorter calls were not interrupted for long.
const SUSPICIOUS_NS: u64 = 200_000;

impl Stopwatch {
    fn new() -> Stopwatch {
        Stopwatch {
            kept_waiting: kept_waiting(),
        }
    }

    /// Of many short calls: only a long one is looked into.
    fn short<T>(&mut self, call: impl FnOnce() -> T) -> (T, u64) {
        let began = Instant::now();
        let result = call();
        let took = began.elapsed().as_nanos() as u64;
        match took < SUSPICIOUS_NS {
            true => (result, took),
            false => (result, self.own(took)),
        }
    }

    fn long<T>(&mut self, call: impl FnOnce() -> T) -> (T, u64) {
        self.kept_waiting = kept_waiting();
        let began = Instant::now();
        let result = call();
        let took = began.elapsed().as_nanos() as u64;
        (result, self.own(took))
    }

    fn own(&mut self, took: u64) -> u64 {
        let before = std::mem::replace(&mut self.kept_waiting, kept_waiting());
        took.saturating_sub(self.kept_waiting - before)
    }
}

/// For how many nanoseconds this process was ready to run and did not; 0 where nobody says.
fn kept_waiting() -> u64 {
    let text = fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let waiting = text.split(' ').nth(1);
    waiting.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// What was resident, what the engine says that it holds, and what an event cost until then.
struct Memory {
    before: u64,
    notes: Vec<String>,
}

impl Memory {
    fn before() -> Memory {
        Memory {
            before: resident(),
            notes: Vec::new(),
        }
    }

    fn note(&mut self, when: String, worker: &mut Worker) {
        let grown = resident().saturating_sub(self.before);
        let size = worker.engine.size();
        let users = (size.users as u64).max(1);
        let costs = std::mem::take(&mut worker.costs);
        self.notes.push(format!(
            "{when:<22} {:>8} {:>12.1} {:>10} {:>12.1} {:>10} {:>8} {:>9.2} {:>9.2} {:>9.2}",
            size.users,
            grown as f64 / 1e6,
            grown / users,
            size.bytes as f64 / 1e6,
            size.bytes as u64 / users,
            size.ids,
            costs.of_an_event(costs.apply),
            costs.of_an_event(costs.work),
            costs.of_an_event(costs.save)
        ));
    }

    fn print(&self) {
        let (users, resident, told, each) = ("users", "resident MB", "size() MB", "bytes each");
        println!(
            "\n{:<22} {users:>8} {resident:>12} {each:>10} {told:>12} {each:>10} {:>8} {:>9} {:>9} {:>9}",
            "", "ids", "apply µs", "work µs", "save µs"
        );
        self.notes.iter().for_each(|note| println!("{note}"));
    }
}

/// How much of this process is in memory; 0 where nobody says.
fn resident() -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kilobytes.and_then(|text| text.parse().ok()).unwrap_or(0) * 1024
}
