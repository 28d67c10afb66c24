//! The engine alone, on one shard's share of the load for which the bars are given: 500 accounts, 15 000
//! users, each there on 10 of 35 days with 15 sessions of five events.
//!
//! Everything that an engine is given here is made and decoded beforehand. Items are what the name of a
//! benchmark says: events, accounts whose day closes, users that are restored.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use mainstay_engine::{Engine, Outputs, Pace, Place, Settings, Verdict};
use mainstay_model::{AccountDaily, AccountMetrics, Actor, Body, Event, Id, Timestamp};

fn main() {
    divan::main();
}

/// Events: from nothing to 35 days, every day closed on the way for every account.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn apply_35_days_and_close_them(bencher: Bencher<'_, '_>) {
    let load = Load::of_a_shard();
    let events = load.days(0, DAYS);
    bencher
        .counter(ItemsCount::new(events.len()))
        .with_inputs(new_engine)
        .bench_local_refs(|engine| take(engine, load, &events));
}

/// Events: one more day for accounts and users with 34 days behind them; nothing closes.
#[divan::bench(sample_count = 10, sample_size = 1)]
fn apply_in_order(bencher: Bencher<'_, '_>) {
    let history = History::of_a_shard();
    let events = history.next_days(1);
    bencher
        .counter(ItemsCount::new(events.len()))
        .with_inputs(|| history.engine())
        .bench_local_refs(|engine| take(engine, history.load, &events));
}

/// Events: each comes one to eight days late, into a day that was closed and has to be corrected.
#[divan::bench(sample_count = 10, sample_size = 1)]
fn apply_late(bencher: Bencher<'_, '_>) {
    let history = History::of_a_shard();
    let mut events = history.next_days(1);
    for happening in &mut events {
        let days_late = 1 + (happening.id % 8) as i64;
        happening.time = happening.time.minus_ms(days_late * DAY_MS);
    }
    bencher
        .counter(ItemsCount::new(events.len()))
        .with_inputs(|| history.engine())
        .bench_local_refs(|engine| take(engine, history.load, &events));
}

/// Events: the last hour of the history once more.
#[divan::bench(sample_count = 10, sample_size = 1)]
fn apply_duplicates(bencher: Bencher<'_, '_>) {
    let history = History::of_a_shard();
    let events = history.last_hour();
    let again = take(&mut history.engine(), history.load, &events);
    assert_eq!(again.duplicates, events.len(), "every one is a duplicate");
    bencher
        .counter(ItemsCount::new(events.len()))
        .with_inputs(|| history.engine())
        .bench_local_refs(|engine| take(engine, history.load, &events));
}

/// Accounts: the day ends for each, with so many users and 35 days behind it; every metric is told.
#[divan::bench(args = [30, 1000], sample_count = 20, sample_size = 1)]
fn close_day(bencher: Bencher<'_, '_>, users: u32) {
    let load = Load::new(3000 / users, users);
    let history = History::new(&load);
    let midnight = load.begin.plus_ms(i64::from(DAYS) * DAY_MS);
    let closing = midnight.plus_ms(Settings::default().lateness_ms);
    bencher
        .counter(ItemsCount::new(load.accounts.len()))
        .with_inputs(|| {
            let mut engine = history.engine();
            take(&mut engine, &load, &history.next_days(1));
            engine.set_idle(0, true);
            engine
        })
        .bench_local_refs(|engine| {
            engine.tick(closing);
            let mut told = Told::default();
            while engine.work(&mut told) {}
            assert_eq!(told.days, load.accounts.len(), "each account's day closed");
        });
}

/// Accounts: the live values of each are told, with 30 users and 34 days behind it.
#[divan::bench(sample_count = 10, sample_size = 1)]
fn tell_live_values(bencher: Bencher<'_, '_>) {
    let history = History::of_a_shard();
    let accounts = history.load.accounts.len();
    let events = history.next_days(1);
    bencher
        .counter(ItemsCount::new(accounts))
        .with_inputs(|| {
            let mut engine = history.engine();
            take(&mut engine, history.load, &events);
            engine
        })
        .bench_local_refs(|engine| {
            let mut told = Told::default();
            let now = &mut |_: u32, _: &str| Pace::Now;
            engine.tell_changed(now, (false, false), &mut told);
            assert_eq!(told.live, accounts, "each account had changed");
        });
}

/// Events of a slice whose changes are saved. Bytes are those of keys and values: 500 events are what a
/// shard gets in 100 ms of 20 000 events/s on four, 100 000 are a slice while catching up.
#[divan::bench(args = [500, 100_000], sample_count = 20, sample_size = 1)]
fn save_slice(bencher: Bencher<'_, '_>, events: usize) {
    let history = History::of_a_shard();
    // Enough for the largest slice: days close inside it.
    let next = history.next_days(5);
    let slice = &next[..events];
    let filled = || {
        let mut engine = history.engine();
        apply_all(&mut engine, history.load, slice, &mut Told::default());
        engine
    };
    let bytes = save(&mut filled());
    bencher
        .counter(ItemsCount::new(events))
        .counter(BytesCount::new(bytes))
        .with_inputs(filled)
        .bench_local_refs(save);
}

/// Users: a shard with 34 days of history is made of its compacted changelog.
#[divan::bench(sample_count = 10, sample_size = 1)]
fn restore_users(bencher: Bencher<'_, '_>) {
    let history = History::of_a_shard();
    let users = history.engine().size().users;
    bencher
        .counter(ItemsCount::new(users))
        .bench_local(|| history.restored());
}

const DAYS: u32 = 35;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// How many events lie between two slices, so that what is unsaved stays small.
const SLICE: usize = 10_000;
const NAMES: [&str; 4] = ["page_viewed", "report_opened", "search_run", "report_sent"];

/// Accounts and users with names, and when the first day begins.
struct Load {
    accounts: Vec<String>,
    users: Vec<String>,
    begin: Timestamp,
}

/// One event, before it is one: plain numbers, which take little room.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Happening {
    time: Timestamp,
    user: u32,
    id: u64,
}

impl Load {
    fn new(accounts: u32, users_each: u32) -> Load {
        let account = |n| format!("acc_{n:05}");
        let user = |n| format!("{n:08x}-0000-4000-8000-{n:012x}");
        Load {
            accounts: (0..accounts).map(account).collect(),
            users: (0..accounts * users_each).map(user).collect(),
            begin: Timestamp(1_772_323_200_000), // 2026-03-01T00:00:00Z
        }
    }

    fn of_a_shard() -> &'static Load {
        static LOAD: OnceLock<Load> = OnceLock::new();
        LOAD.get_or_init(|| Load::new(500, 30))
    }

    /// All events of some days, in the order of their times.
    fn days(&self, from: u32, to: u32) -> Vec<Happening> {
        (from..to).flat_map(|day| self.day(day)).collect()
    }

    fn day(&self, day: u32) -> Vec<Happening> {
        let mut random = Random(u64::from(day) + 1);
        let midnight = self.begin.plus_ms(i64::from(day) * DAY_MS);
        let mut all = Vec::new();
        for user in 0..self.users.len() as u32 {
            if random.below(35) >= 10 {
                continue;
            }
            for _ in 0..1 + random.below(2) {
                let mut time = midnight.plus_ms(random.below(23 * HOUR_MS as u64) as i64);
                for _ in 0..5 {
                    time = time.plus_ms(random.below(5 * 60_000) as i64);
                    let id = random.next();
                    all.push(Happening { time, user, id });
                }
            }
        }
        all.sort_unstable();
        all
    }

    /// The event of a happening: all of its text is borrowed, as a decoder's is.
    fn event<'a>(&'a self, happening: &Happening, id: &'a str) -> Event<'a> {
        let Happening { time, user, .. } = *happening;
        let account = &self.accounts[user as usize % self.accounts.len()];
        Event {
            id: named(id),
            source: Some(Cow::Borrowed("web")),
            account: named(account),
            user: Some(named(&self.users[user as usize])),
            time,
            received_at: None,
            digest: happening.id as u32,
            body: Body::Product {
                name: Cow::Borrowed(NAMES[(happening.id >> 8) as usize % NAMES.len()]),
                duration_ms: (happening.id % 60_000) as i64,
                actor: Actor::Human,
            },
        }
    }
}

fn named(text: &str) -> Id<'_> {
    Id::new(Cow::Borrowed(text)).expect("names of a load are short and not blank")
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

fn new_engine() -> Engine {
    let settings = Settings {
        key_actions: BTreeSet::from(["report_sent".to_owned()]),
        ..Settings::default()
    };
    Engine::new(
        settings,
        &["product".to_owned()],
        Place { number: 0, of: 1 },
    )
}

/// What was heard, counted so that nothing is left out as unused.
#[derive(Default)]
struct Told {
    days: usize,
    live: usize,
    duplicates: usize,
}

impl Outputs for Told {
    fn account_daily(&mut self, record: &AccountDaily<'_>) {
        self.days += usize::from(!black_box(record).values.is_empty());
    }

    fn account_metrics(&mut self, record: &AccountMetrics<'_>) {
        self.live += usize::from(!black_box(record).values.is_empty());
    }
}

/// Applies events, does what time makes due, and keeps nothing.
fn take(engine: &mut Engine, load: &Load, events: &[Happening]) -> Told {
    let mut told = Told::default();
    for slice in events.chunks(SLICE) {
        apply_all(engine, load, slice, &mut told);
        engine.save_nothing();
    }
    told
}

fn apply_all(engine: &mut Engine, load: &Load, events: &[Happening], told: &mut Told) {
    let mut id = String::with_capacity(36);
    for happening in events {
        write_id(happening.id, &mut id);
        let event = load.event(happening, &id);
        match engine.apply(0, event.time, black_box(&event), told) {
            Verdict::Applied { .. } => {}
            Verdict::Duplicate => told.duplicates += 1,
            Verdict::Rejected(rejection) => panic!("every event counts: {rejection:?}"),
        }
        while engine.work(told) {}
    }
}

/// 36 characters, cheaply: writing ids is not what is measured.
fn write_id(id: u64, out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.clear();
    for place in 0..36 {
        let digit = id.rotate_left(4 * place) & 15;
        out.push(char::from(DIGITS[digit as usize]));
    }
}

/// Closes a slice and says how many bytes it would send.
fn save(engine: &mut Engine) -> usize {
    let mut bytes = 0;
    engine.save(&mut |key, value| {
        bytes += key.len() + black_box(value).map_or(0, <[u8]>::len);
    });
    bytes
}

/// The compacted changelog of a load after 34 days and two hours, when the last of them is closed.
struct History<'a> {
    load: &'a Load,
    changelog: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl<'a> History<'a> {
    fn new(load: &'a Load) -> History<'a> {
        let mut engine = new_engine();
        let mut changelog = BTreeMap::new();
        let mut told = Told::default();
        let mut events = load.days(0, DAYS - 1);
        events.extend(load.day(DAYS - 1).iter().filter(|it| it.time < dawn(load)));
        for slice in events.chunks(SLICE) {
            apply_all(&mut engine, load, slice, &mut told);
            engine.save(&mut |key, value| match value {
                Some(value) => _ = changelog.insert(key.to_vec(), value.to_vec()),
                None => _ = changelog.remove(key),
            });
        }
        History { load, changelog }
    }

    fn of_a_shard() -> &'static History<'static> {
        static HISTORY: OnceLock<History<'static>> = OnceLock::new();
        HISTORY.get_or_init(|| History::new(Load::of_a_shard()))
    }

    fn restored(&self) -> Engine {
        let mut engine = new_engine();
        for (key, value) in &self.changelog {
            engine.restore(key, Some(value));
        }
        engine.restored().expect("what was saved can be restored");
        engine
    }

    /// A restored engine that has nothing to do, nothing to tell and nothing to save.
    fn engine(&self) -> Engine {
        let mut engine = self.restored();
        let mut told = Told::default();
        while engine.work(&mut told) {}
        engine.tell_changed(&mut |_, _| Pace::Now, (false, false), &mut told);
        engine.save_nothing();
        engine
    }

    /// What comes after the history, up to some midnight.
    fn next_days(&self, days: u32) -> Vec<Happening> {
        let mut events = self.load.days(DAYS - 1, DAYS - 1 + days);
        events.retain(|it| it.time >= dawn(self.load));
        events
    }

    fn last_hour(&self) -> Vec<Happening> {
        let mut events = self.load.days(DAYS - 1, DAYS);
        let from = dawn(self.load).minus_ms(HOUR_MS);
        events.retain(|it| (from..dawn(self.load)).contains(&it.time));
        events
    }
}

/// When the night of the last day is over: the day before is closed by then.
fn dawn(load: &Load) -> Timestamp {
    let midnight = load.begin.plus_ms(i64::from(DAYS - 1) * DAY_MS);
    midnight.plus_ms(3 * HOUR_MS)
}
