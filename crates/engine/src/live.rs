//! What the shard's accounts say of groups now.
//!
//! An account's newest live reading stands in the sums of its groups until the next one replaces it, at the moment
//! at which the account itself is told live. Whoever puts the shards together is handed a whole sum at a time, never
//! a difference.
//!
//! None of it is kept for a restart, since every account is told again after one. Until all have been, the sums are
//! not whole and nothing is handed on; then everything is, and a mark after it, so that what is left of the life
//! before can be told from what holds. Here is also what tells accounts anew when a day begins where they live.

use std::collections::{BTreeMap, VecDeque};

use mainstay_model::{Day, Timestamp};

use crate::changelog::Put;
use crate::engine::{AccountNo, Engine, Outputs};
use crate::groups::{self, ALL, Open, Part};
use crate::limit::{Last, Limit};
use crate::live_groups::{LiveGroups, mark_key, part_key};
use crate::pack::{Malformed, Packer, Unpacker};
use crate::pieces;
use crate::reading::Reading;
use crate::terms::Terms;
use crate::zones::Zones;

/// At what pace live values of groups are told, and what is said of how good they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beat {
    /// A number that only grows, in milliseconds. Nothing that is final depends on it.
    pub at_ms: i64,
    /// How much larger it has to be before a group is told once more.
    pub interval_ms: i64,
    /// How many groups are told at this beat.
    pub at_most: u32,
    /// Records are still waiting to be read.
    pub partial: bool,
    /// Every input of the shard is silent.
    pub stale: bool,
}

impl Beat {
    /// Nothing more will come: whatever has changed is told.
    pub const LAST: Beat = Beat {
        at_ms: 0,
        interval_ms: 0,
        at_most: u32::MAX,
        partial: false,
        stale: false,
    };

    /// Whether a group that was told at `told_at_ms` may be told again.
    pub(crate) fn has_come_for(&self, told_at_ms: Option<i64>) -> bool {
        told_at_ms.is_none_or(|told_at| self.at_ms.saturating_sub(told_at) >= self.interval_ms)
    }
}

/// A group of accounts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Group {
    pub(crate) dimension: Box<str>,
    pub(crate) segment: Box<str>,
}

impl Group {
    pub(crate) fn pack(&self, to: &mut Packer<'_>) {
        to.bytes(self.dimension.as_bytes());
        to.bytes(self.segment.as_bytes());
    }

    pub(crate) fn unpack(from: &mut Unpacker<'_>) -> Result<Group, Malformed> {
        Ok(Group {
            dimension: from.text()?.into(),
            segment: from.text()?.into(),
        })
    }
}

/// What a shard says of a group.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LivePart {
    /// In which life of the shard.
    pub(crate) generation: u32,
    /// The stream time of the shard.
    pub(crate) as_of: Timestamp,
    pub(crate) partial: bool,
    pub(crate) stale: bool,
    pub(crate) sum: Part,
}

impl LivePart {
    pub(crate) fn pack(&self, to: &mut Packer<'_>) {
        to.uint(self.generation.into());
        to.int(self.as_of.0);
        to.uint(u64::from(self.partial) | u64::from(self.stale) << 1);
        self.sum.pack(to);
    }

    pub(crate) fn unpack(from: &mut Unpacker<'_>) -> Result<LivePart, Malformed> {
        let (generation, as_of) = (from.u32()?, Timestamp(from.int()?));
        let flags = from.uint()?;
        Ok(LivePart {
            generation,
            as_of,
            partial: flags & 1 != 0,
            stale: flags & 2 != 0,
            sum: Part::unpack(from)?,
        })
    }
}

/// What a shard says when all of its groups were handed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LiveMark {
    /// What it said in another life holds no more.
    pub(crate) generation: u32,
    /// Of further segments it says nothing.
    pub(crate) last: Last,
}

impl LiveMark {
    pub(crate) fn pack(&self, to: &mut Packer<'_>) {
        to.uint(self.generation.into());
        self.last.pack(to);
    }

    pub(crate) fn unpack(from: &mut Unpacker<'_>) -> Result<LiveMark, Malformed> {
        Ok(LiveMark {
            generation: from.u32()?,
            last: Last::unpack(from)?,
        })
    }
}

/// The live values of a shard: what its accounts give to groups, and the groups that belong to it.
#[derive(Default)]
pub(crate) struct Live {
    /// What each account said last, by its number; nothing while it has not been told.
    accounts: Vec<Option<Given>>,
    /// Bytes of that.
    bytes: usize,
    rows: BTreeMap<Group, Row>,
    limit: Limit,
    /// Rows that have changed since they were handed on, the oldest change first.
    changed: VecDeque<Group>,
    /// Groups that were handed on and are beyond the limit now.
    beyond: Vec<Group>,
    /// How many times the shard was restored.
    generation: u32,
    generation_dirty: bool,
    generation_written: bool,
    /// So many accounts have to be told before the sums are whole.
    awaited: usize,
    /// How many accounts that were.
    restored: usize,
    /// All rows were handed on in this life.
    begun: bool,
    /// That was said, and what lies beyond the limit.
    marked: bool,
    today: Today,
    pub(crate) groups: LiveGroups,
}

/// What an account gave to its groups.
struct Given {
    /// The day that it spoke of.
    day: Day,
    /// Its packed reading, of the columns of groups alone; none when it was deleted.
    reading: Option<Box<[u8]>>,
}

#[derive(Default)]
struct Row {
    sum: Open,
    /// It stands in the list of those that have changed.
    listed: bool,
    /// When it was handed on, if it was.
    handed_on_ms: Option<i64>,
    /// What was handed on was made while records were waiting.
    partial: bool,
}

/// The walk over all accounts that finds those where a day has begun.
struct Today {
    /// The next beginning of a day anywhere: before it no account has a new one.
    next: Timestamp,
    zones: usize,
    walking: bool,
    /// Another day began since the walk did.
    again: bool,
    at: usize,
}

impl Default for Today {
    fn default() -> Today {
        Today {
            next: Timestamp::MIN,
            zones: 0,
            walking: false,
            again: false,
            at: 0,
        }
    }
}

impl Today {
    fn begins(&mut self) {
        if self.walking {
            self.again = true;
        } else {
            (self.walking, self.at) = (true, 0);
        }
    }

    fn ends(&mut self) {
        (self.walking, self.at) = (std::mem::take(&mut self.again), 0);
    }
}

/// The key of the record of how many times the shard was restored.
const GENERATION: &[u8] = b"W";

/// How many accounts a step of the walk looks at.
const STEP: usize = 512;

impl Live {
    pub(crate) fn new(shards: u32) -> Live {
        Live {
            groups: LiveGroups::new(shards),
            ..Live::default()
        }
    }

    /// An account is told live as of a day, or is there no more: what it says replaces what it said before.
    pub(crate) fn says(
        &mut self,
        no: AccountNo,
        day: Day,
        reading: Option<Reading>,
        terms: &Terms,
    ) {
        let reading = reading.map(|reading| reading.of_groups(terms));
        let packed = reading.as_ref().map(|reading| {
            let mut bytes = Vec::new();
            reading.pack(&mut Packer(&mut bytes));
            Box::<[u8]>::from(bytes)
        });
        let no = no as usize;
        if self.accounts.len() <= no {
            self.accounts.resize_with(no + 1, || None);
        }
        let given = Given {
            day,
            reading: packed,
        };
        self.bytes += given.bytes();
        let Some(before) = self.accounts[no].replace(given) else {
            // Others have come since the restore.
            self.awaited -= usize::from(no < self.restored && self.awaited > 0);
            reading
                .iter()
                .for_each(|new| self.change(new, terms, Open::add));
            return;
        };
        self.bytes -= before.bytes();
        let now = self.accounts[no].as_ref();
        if now.is_some_and(|now| now.reading == before.reading) {
            return;
        }
        if let Some(old) = before.reading {
            let old = Reading::unpack(&mut Unpacker(&old));
            let old = old.expect("what was packed here can be read");
            self.change(&old, terms, Open::subtract);
        }
        reading
            .iter()
            .for_each(|new| self.change(new, terms, Open::add));
    }

    fn change(
        &mut self,
        reading: &Reading,
        terms: &Terms,
        change: fn(&mut Open, &groups::Given<'_>),
    ) {
        let places: Vec<usize> = (0..reading.parts.len()).collect();
        for to in reading.groups(terms) {
            let (dimension, segment) = (to.dimension, to.segment);
            let group = Group {
                dimension: dimension.into(),
                segment: segment.into(),
            };
            if dimension != ALL && !self.admits(&group, terms.settings.segments_max) {
                continue;
            }
            let row = self.rows.entry(group.clone()).or_default();
            change(
                &mut row.sum,
                &groups::Given::of(reading, &places, &to, terms),
            );
            if !std::mem::replace(&mut row.listed, true) {
                self.changed.push_back(group);
            }
        }
    }

    /// Whether a segment has a row. One more segment may put another one beyond the limit.
    fn admits(&mut self, group: &Group, most: usize) -> bool {
        let Group { dimension, segment } = group;
        if !self.limit.last.admits(dimension, segment) {
            return false;
        }
        if self.rows.contains_key(group) {
            return true;
        }
        let Some(beyond) = self.limit.enters(dimension, segment, most) else {
            return true;
        };
        // The others have to know before they tell more of it.
        self.marked = false;
        let beyond = Group {
            dimension: dimension.clone(),
            segment: beyond,
        };
        if let Some(row) = self.rows.remove(&beyond) {
            self.changed.retain(|changed| *changed != beyond);
            if row.handed_on_ms.is_some() {
                self.beyond.push(beyond.clone());
            }
        }
        *group != beyond
    }

    /// Hands on what has changed: all at once when the sums become whole, from then on at the pace of `beat`.
    fn hand_on(&mut self, from: &From, beat: &Beat, out: &mut dyn Outputs) {
        if self.awaited > 0 {
            return;
        }
        for group in std::mem::take(&mut self.beyond) {
            from.gone(&group, out);
        }
        let first = !std::mem::replace(&mut self.begun, true);
        if !beat.partial {
            self.say_again_what_was_partial();
        }
        let mut left = if first { u32::MAX } else { beat.at_most };
        for _ in 0..self.changed.len() {
            let Some(group) = self.changed.pop_front() else {
                break;
            };
            if left == 0 {
                self.changed.push_front(group);
                break;
            }
            let row = self.rows.get_mut(&group);
            let Some(row) = row else { continue };
            if !beat.has_come_for(row.handed_on_ms) {
                self.changed.push_back(group);
                continue;
            }
            left -= 1;
            row.listed = false;
            if row.sum.is_empty() {
                if row.handed_on_ms.is_some() {
                    from.gone(&group, out);
                }
                self.rows.remove(&group);
                self.limit.leaves(&group.dimension, &group.segment);
                continue;
            }
            (row.handed_on_ms, row.partial) = (Some(beat.at_ms), beat.partial);
            let part = LivePart {
                generation: self.generation,
                as_of: from.as_of,
                partial: beat.partial,
                stale: beat.stale,
                sum: Part::of(&row.sum),
            };
            from.part(&group, &part, out);
        }
        if !std::mem::replace(&mut self.marked, true) {
            let mark = LiveMark {
                generation: self.generation,
                last: self.limit.last.clone(),
            };
            from.mark(&mark, out);
        }
    }

    /// What was made while records were waiting is not left standing, though nothing has changed since.
    fn say_again_what_was_partial(&mut self) {
        for (group, row) in &mut self.rows {
            if std::mem::take(&mut row.partial) && !std::mem::replace(&mut row.listed, true) {
                self.changed.push_back(group.clone());
            }
        }
    }

    /// Stream time has moved.
    pub(crate) fn time_moved(&mut self, now: Timestamp, zones: &Zones) {
        let today = &mut self.today;
        if now < today.next && zones.len() == today.zones {
            return;
        }
        if now == Timestamp::MIN {
            return;
        }
        if now >= today.next {
            today.begins();
        }
        (today.next, today.zones) = (zones.next_today(now), zones.len());
    }

    /// Whether the walk over all accounts goes on.
    pub(crate) fn has_work(&self) -> bool {
        self.today.walking
    }

    /// Bytes of what accounts said last.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Everything was restored: so many accounts are told anew.
    pub(crate) fn restored(&mut self, accounts: usize) {
        self.generation = self.generation.wrapping_add(1);
        self.generation_dirty = true;
        (self.awaited, self.restored) = (accounts, accounts);
        self.groups.tell_all();
    }

    /// Takes in how many times the shard was restored.
    pub(crate) fn restore_generation(&mut self, value: &[u8]) -> Result<(), Malformed> {
        self.generation = Unpacker(value).u32()?;
        self.generation_written = true;
        Ok(())
    }

    /// Writes what has changed, and says how many keys that adds or takes away.
    pub(crate) fn save(&mut self, has_accounts: bool, put: &mut Put<'_>) -> i64 {
        let mut keys = self.groups.save(put);
        // Without accounts nothing was said that could be left of another life.
        if has_accounts && std::mem::take(&mut self.generation_dirty) {
            let mut value = Vec::new();
            Packer(&mut value).uint(self.generation.into());
            put(GENERATION, Some(&value));
            keys += i64::from(!std::mem::replace(&mut self.generation_written, true));
        }
        keys
    }

    /// Nothing is to be saved.
    pub(crate) fn save_nothing(&mut self) {
        self.generation_dirty = false;
        self.groups.save_nothing();
    }
}

impl Given {
    fn bytes(&self) -> usize {
        size_of::<Given>() + self.reading.as_ref().map_or(0, |reading| reading.len())
    }
}

/// Who says it, of which values, and as of when.
struct From {
    shard: u32,
    columns: u64,
    as_of: Timestamp,
}

impl From {
    fn part(&self, group: &Group, part: &LivePart, out: &mut dyn Outputs) {
        let mut value = self.columns.to_le_bytes().to_vec();
        part.pack(&mut Packer(&mut value));
        self.say(group, Some(&value), out);
    }

    fn gone(&self, group: &Group, out: &mut dyn Outputs) {
        self.say(group, None, out);
    }

    fn say(&self, group: &Group, value: Option<&[u8]>, out: &mut dyn Outputs) {
        let to = Some((&*group.dimension, &*group.segment));
        let key = part_key(self.shard, group);
        pieces::hand_on(out, to, &key, value, pieces::MOST);
    }

    fn mark(&self, mark: &LiveMark, out: &mut dyn Outputs) {
        let mut value = self.columns.to_le_bytes().to_vec();
        mark.pack(&mut Packer(&mut value));
        out.part(None, &mark_key(self.shard), Some(&value));
    }
}

impl Engine {
    /// Hands on what accounts that were told say of their groups now, and tells the groups of this shard of which
    /// something new was heard.
    ///
    /// While an input has never spoken there is no stream time; a shard without anybody says so as soon as all of
    /// its inputs are silent.
    pub fn tell_live_groups(&mut self, beat: &Beat, out: &mut dyn Outputs) {
        let nobody = self.accounts.is_empty() && self.time.is_idle();
        if nobody || self.time.now() > Timestamp::MIN {
            let from = From {
                shard: self.place.number,
                columns: self.terms.columns(),
                as_of: self.time.now(),
            };
            self.live.hand_on(&from, beat, out);
        }
        let rollup = &self.rollup;
        let admits = |group: &Group| rollup.admits(&group.dimension, &group.segment);
        self.live.groups.tell(beat, &admits, &self.terms, out);
    }

    /// Looks at some accounts, and has those told anew where a day has begun since they were told.
    pub(crate) fn note_new_days(&mut self) {
        if !self.live.today.walking {
            return;
        }
        let now = self.time.now();
        let from = self.live.today.at;
        let to = self.accounts.len().min(from + STEP);
        for no in from..to {
            let (Some(account), Some(Some(given))) =
                (&mut self.accounts[no], self.live.accounts.get(no))
            else {
                continue;
            };
            let today = self.zones.day_of(account.zone.value, now);
            if given.reading.is_some() && given.day != today && !account.changed {
                account.changed = true;
                self.changed.push_back(no as AccountNo);
            }
        }
        self.live.today.at = to;
        if to == self.accounts.len() {
            self.live.today.ends();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::collections::BTreeSet;

    use super::*;
    use crate::engine::{Pace, Place};
    use crate::settings::Settings;
    use mainstay_model::{
        AccountDaily, AccountFields, Actor, Body, Event, Field, Id, SegmentMetrics, Value,
    };

    const HOUR: i64 = 3_600_000;

    /// What is told of a group.
    #[derive(Clone, Debug, PartialEq)]
    struct Now {
        dau: Value,
        as_of_hour: i64,
        partial: bool,
        stale: bool,
    }

    /// What one engine says.
    #[derive(Default)]
    struct Heard {
        groups: BTreeMap<String, Now>,
        records: usize,
        parts: Vec<Part>,
    }

    /// What a shard hands to the one that a group belongs to, or to all.
    struct Part {
        to: Option<String>,
        key: Vec<u8>,
        value: Option<Vec<u8>>,
    }

    impl Outputs for Heard {
        fn account_daily(&mut self, _: &AccountDaily<'_>) {}

        fn segment_metrics(&mut self, record: &SegmentMetrics<'_>) {
            let now = Now {
                dau: record.values[0].clone(),
                as_of_hour: record.as_of.0 / HOUR,
                partial: record.partial,
                stale: record.data_stale,
            };
            self.records += 1;
            let name = [record.dimension, record.segment].join("/");
            self.groups.insert(name, now);
        }

        fn segment_gone(&mut self, dimension: &str, segment: &str) {
            let gone = self.groups.remove(&[dimension, segment].join("/"));
            assert!(gone.is_some(), "only what was told is taken back");
        }

        fn part(&mut self, to: Option<(&str, &str)>, key: &[u8], value: Option<&[u8]>) {
            let to = to.map(|(dimension, segment)| [dimension, segment].join("/"));
            let value = value.map(<[u8]>::to_vec);
            let key = key.to_vec();
            self.parts.push(Part { to, key, value });
        }
    }

    type Log = BTreeMap<Vec<u8>, Vec<u8>>;

    /// A company on some shards, with its readers.
    struct Company {
        settings: Settings,
        shards: Vec<Engine>,
        logs: Vec<Log>,
        heard: Heard,
        beat: Beat,
        events: u32,
        /// Accounts that are not told yet.
        silent: BTreeSet<&'static str>,
    }

    impl Company {
        fn of(shards: u32) -> Company {
            let settings = Settings {
                segments: vec!["plan".to_owned()],
                ..Settings::default()
            };
            Company {
                shards: (0..shards)
                    .map(|number| engine(&settings, number, shards))
                    .collect(),
                settings,
                logs: vec![Log::new(); shards as usize],
                heard: Heard::default(),
                beat: Beat::LAST,
                events: 0,
                silent: BTreeSet::new(),
            }
        }

        fn happens(&mut self, shard: usize, account: &str, hour: i64, body: Body<'_>) {
            self.events += 1;
            let id = self.events.to_string();
            let event = Event {
                id: Id::new(Cow::from(id.as_str())).unwrap(),
                source: None,
                account: Id::new(Cow::from(account)).unwrap(),
                user: Some(Id::new(Cow::from("ada")).unwrap()),
                time: Timestamp(hour * HOUR + i64::from(self.events)),
                received_at: None,
                digest: 0,
                body,
            };
            let at = event.time;
            self.shards[shard].apply(0, at, &event, &mut self.heard);
            while self.shards[shard].work(&mut self.heard) {}
        }

        fn uses(&mut self, shard: usize, account: &str, hour: i64) -> &mut Company {
            let body = Body::Product {
                name: Cow::from("looked"),
                duration_ms: 0,
                actor: Actor::Human,
            };
            self.happens(shard, account, hour, body);
            self
        }

        fn pays(&mut self, shard: usize, account: &str, plan: &'static str) -> &mut Company {
            let fields = AccountFields {
                plan: Field::Set(Cow::from(plan)),
                ..AccountFields::default()
            };
            self.happens(shard, account, 1, Body::AccountUpdated(fields));
            self
        }

        /// Every shard closes a slice, and what is said is handed over.
        fn tells(&mut self) -> &mut Company {
            for shard in &mut self.shards {
                let silent = &self.silent;
                let mut pace = |_: u32, account: &str| match silent.contains(account) {
                    true => Pace::Later,
                    false => Pace::Now,
                };
                shard.tell_changed(&mut pace, (false, false), &mut self.heard);
                shard.tell_live_groups(&self.beat, &mut self.heard);
            }
            self.hand_over();
            for (shard, log) in self.shards.iter_mut().zip(&mut self.logs) {
                shard.tell_live_groups(&self.beat, &mut self.heard);
                shard.save(&mut |key, value| match value {
                    Some(value) => _ = log.insert(key.to_vec(), value.to_vec()),
                    None => assert!(log.remove(key).is_some(), "a key that is there"),
                });
                assert_eq!(shard.live_keys(), log.len() as u64);
            }
            self
        }

        fn hand_over(&mut self) {
            let shards = self.shards.len();
            for Part { to, key, value } in std::mem::take(&mut self.heard.parts) {
                // Not the same for all groups, and not where their accounts are.
                let owners = match to {
                    Some(name) => name.len() % shards..name.len() % shards + 1,
                    None => 0..shards,
                };
                for owner in &mut self.shards[owners] {
                    owner.take_part(&key, value.as_deref()).unwrap();
                }
            }
        }

        fn is_restored(&mut self, shard: usize) -> &mut Company {
            let mut anew = engine(&self.settings, shard as u32, self.shards.len() as u32);
            for (key, value) in &self.logs[shard] {
                anew.restore(key, Some(value));
            }
            anew.restored().unwrap();
            self.shards[shard] = anew;
            self
        }

        fn dau(&self) -> Vec<(&str, i64)> {
            let groups = self.heard.groups.iter();
            let dau = groups.map(|(name, now)| {
                let Value::Count(dau) = now.dau else {
                    panic!("the first value is a count: {now:?}");
                };
                (name.as_str(), dau)
            });
            dau.collect()
        }
    }

    fn engine(settings: &Settings, number: u32, of: u32) -> Engine {
        Engine::new(settings.clone(), &["product".into()], Place { number, of })
    }

    #[test]
    fn an_account_is_in_the_group_of_its_plan_and_in_no_other() {
        let mut company = Company::of(2);
        company.pays(0, "a", "free").uses(0, "a", 2);
        company.pays(1, "b", "free").uses(1, "b", 2).tells();
        assert_eq!(company.dau(), [("all/all", 2), ("plan/free", 2)]);
        company.uses(0, "a", 3).pays(0, "a", "pro").tells();
        assert_eq!(
            company.dau(),
            [("all/all", 2), ("plan/free", 1), ("plan/pro", 1)]
        );
        company.pays(1, "b", "pro").tells();
        assert_eq!(company.dau(), [("all/all", 2), ("plan/pro", 2)]);
    }

    #[test]
    fn a_deleted_account_leaves_its_groups_at_once() {
        let mut company = Company::of(1);
        company.pays(0, "a", "free").uses(0, "a", 2);
        company.pays(0, "b", "pro").uses(0, "b", 2).tells();
        company.silent = ["a"].into();
        company.happens(0, "a", 3, Body::AccountDeleted);
        company.tells();
        assert_eq!(company.dau(), [("all/all", 1), ("plan/pro", 1)]);
        company.silent.clear();
        company.uses(0, "b", 4).tells();
        assert_eq!(company.dau(), [("all/all", 1), ("plan/pro", 1)]);
        company.happens(0, "b", 5, Body::AccountDeleted);
        company.tells();
        assert_eq!(company.dau(), [], "a company without accounts");
    }

    #[test]
    fn nobody_is_active_on_a_day_that_has_just_begun() {
        let mut company = Company::of(1);
        company.uses(0, "a", 20).uses(0, "b", 20).tells();
        assert_eq!(company.dau()[0], ("all/all", 2));
        company.uses(0, "b", 24).tells();
        assert_eq!(company.dau()[0], ("all/all", 1));
        assert_eq!(company.heard.groups["all/all"].as_of_hour, 24);
    }

    #[test]
    fn after_a_restore_sums_are_handed_on_when_every_account_was_told() {
        let mut company = Company::of(2);
        company.pays(0, "a", "free").uses(0, "a", 2);
        company.pays(0, "b", "pro").uses(0, "b", 2);
        company.uses(1, "c", 2).tells();
        let all = [
            ("all/all", 3),
            ("plan/free", 1),
            ("plan/pro", 1),
            ("plan/unknown", 1),
        ];
        assert_eq!(company.dau(), all);
        company.silent = ["a"].into();
        company.is_restored(0).uses(0, "b", 3).tells();
        assert_eq!(company.dau(), all, "what a says is not there yet");
        company.silent.clear();
        company.pays(0, "a", "pro").tells();
        let all = [("all/all", 3), ("plan/pro", 2), ("plan/unknown", 1)];
        assert_eq!(company.dau(), all, "nobody is free in this life");
        company.is_restored(0).is_restored(1).tells();
        assert_eq!(company.dau(), all);
    }

    #[test]
    fn whoever_takes_groups_over_tells_all_of_them_and_takes_back_what_is_gone() {
        let mut company = Company::of(2);
        company.pays(0, "a", "free").uses(0, "a", 2);
        company.uses(1, "c", 2).tells();
        assert_eq!(company.heard.groups.len(), 3);
        let records = company.heard.records;
        company.is_restored(1).is_restored(0);
        // The account changes its plan before it was told in this life: nothing is left of the old one.
        company.pays(0, "a", "pro").tells();
        assert!(company.heard.records >= records + 3);
        assert_eq!(
            company.dau(),
            [("all/all", 2), ("plan/pro", 1), ("plan/unknown", 1)]
        );
    }

    #[test]
    fn until_every_shard_has_spoken_values_are_partial() {
        let mut company = Company::of(2);
        company.uses(0, "a", 2).tells();
        assert!(company.heard.groups["all/all"].partial);
        // Nobody is there, and its input is silent.
        company.shards[1].set_idle(0, true);
        company.tells();
        assert!(!company.heard.groups["all/all"].partial);
        company.uses(1, "b", 3).tells();
        assert!(!company.heard.groups["all/all"].partial);
        assert_eq!(company.dau()[0], ("all/all", 2));
    }

    #[test]
    fn a_group_is_told_at_once_and_then_at_its_pace_and_never_left_partial() {
        let mut company = Company::of(1);
        let at = |at_ms, partial| Beat {
            at_ms,
            interval_ms: 1000,
            partial,
            ..Beat::LAST
        };
        company.beat = at(5000, true);
        company.uses(0, "a", 2).tells();
        assert_eq!(company.dau()[0], ("all/all", 1));
        company.beat = at(5900, true);
        company.uses(0, "b", 2).tells();
        assert_eq!(company.dau()[0], ("all/all", 1));
        company.beat = at(6000, true);
        company.tells();
        assert_eq!(company.dau()[0], ("all/all", 2));
        assert!(company.heard.groups["all/all"].partial);
        company.beat = at(7000, false);
        company.tells();
        assert!(!company.heard.groups["all/all"].partial);
        let records = company.heard.records;
        company.beat = at(9000, false);
        company.tells();
        assert_eq!(company.heard.records, records, "nothing has changed");
    }

    #[test]
    fn segments_beyond_the_limit_are_not_told_and_what_was_told_of_them_is_taken_back() {
        let mut company = Company::of(1);
        company.settings.segments_max = 2;
        company.shards = vec![engine(&company.settings, 0, 1)];
        company.pays(0, "a", "south").pays(0, "b", "west").tells();
        let names =
            |company: &Company| -> Vec<String> { company.heard.groups.keys().cloned().collect() };
        assert_eq!(names(&company), ["all/all", "plan/south", "plan/west"]);
        company.pays(0, "c", "east").tells();
        assert_eq!(names(&company), ["all/all", "plan/east", "plan/south"]);
        company.pays(0, "c", "north").pays(0, "b", "east").tells();
        assert_eq!(names(&company), ["all/all", "plan/east", "plan/north"]);
        company.uses(0, "a", 3).tells();
        assert_eq!(company.dau()[0], ("all/all", 1));
    }

    #[test]
    fn while_a_shard_speaks_of_other_values_a_group_stays_as_it_was_told() {
        let mut company = Company::of(2);
        company.uses(0, "a", 2).uses(1, "b", 2).tells();
        assert_eq!(company.dau()[0], ("all/all", 2));
        company.settings.key_actions = ["paid".to_owned()].into();
        company.is_restored(0).tells();
        company.uses(0, "c", 3).tells();
        assert_eq!(company.dau()[0], ("all/all", 2));
        company.is_restored(1).tells();
        assert_eq!(company.dau()[0], ("all/all", 3));
    }
}
