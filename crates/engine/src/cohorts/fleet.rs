//! The cohorts of the fleet, put together from what all shards say of each day.
//!
//! A day of a shard is replaced when the shard says it anew; it is added to what is known of days long past once it can
//! no longer change. Cohorts stand as of one day, which every account has closed, and that day never goes back: while
//! the first account of an empty shard brings its history along, nothing is told.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeBounds;

use mainstay_model::{CohortValue, CohortWas, Day, Unit, Value};

use super::measures::{CohortMeasure, Told, cohort_measures};
use super::{Changes, Origin, Tally, WEEKS, counted};
use crate::changelog::Put;
use crate::engine::Outputs;
use crate::metrics::tell::quotient;
use crate::pack::{Malformed, Packer, Unpacker};
use crate::terms::Terms;

/// The cohorts of the fleet, in the one shard that they belong to.
pub(crate) struct Fleet {
    /// What a shard said of a day.
    parts: BTreeMap<(Day, u32), Part>,
    /// What happened on days that can no longer change.
    past: BTreeMap<Origin, Past>,
    /// What all that comes to, as of a day.
    cohorts: BTreeMap<Name, Cohort>,
    as_of: Option<Day>,
    /// What was told of each.
    told: BTreeMap<Name, Kept>,
    /// Cohorts that may have to be told.
    touched: BTreeSet<Name>,
    telling: bool,
    /// A shard may have settled days since they were looked for.
    settling: bool,
    measures: Vec<CohortMeasure>,
    unsaved: Unsaved,
}

/// What has to be written.
#[derive(Default)]
struct Unsaved {
    parts: BTreeSet<(Day, u32)>,
    past: BTreeSet<Origin>,
    told: BTreeSet<Name>,
    as_of: bool,
    as_of_written: bool,
    removed: Vec<Vec<u8>>,
}

#[derive(Default)]
struct Part {
    changes: Changes,
    written: bool,
}

#[derive(Default)]
struct Past {
    tally: Tally,
    written: bool,
}

/// What was told of a cohort: of each measure that was, how often since, and what.
#[derive(Default)]
struct Kept {
    values: BTreeMap<usize, (u32, Told)>,
    written: bool,
}

/// By what users are put together, and which of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Name {
    Day(Day),
    /// By its Monday.
    Week(Day),
    /// By its first day.
    Month(Day),
    Plan(Box<str>),
}

/// The counts of a cohort.
#[derive(Default)]
pub(crate) struct Cohort {
    /// The last day on which somebody can join.
    pub(super) end: Option<Day>,
    /// How many users signed up, by day.
    sign_ups: BTreeMap<Day, i64>,
    pub(super) counts: Tally,
}

impl Cohort {
    /// How many users signed up.
    pub(super) fn users(&self) -> i64 {
        self.counts.of(counted::USERS)
    }

    /// How many of them did so by the end of a day.
    pub(super) fn users_by(&self, day: Day) -> i64 {
        self.sign_ups.range(..=day).map(|(_, users)| users).sum()
    }
}

impl Name {
    /// The cohorts that an origin is part of.
    fn all_of(origin: &Origin) -> [Name; 4] {
        [
            Name::Day(origin.day),
            Name::Week(origin.day.first_of_week()),
            Name::Month(origin.day.first_of_month()),
            Name::Plan(origin.plan.clone()),
        ]
    }

    fn end(&self) -> Option<Day> {
        match self {
            Name::Day(day) => Some(*day),
            Name::Week(first) => Some(first.plus(6)),
            Name::Month(first) => Some(first.last_of_month()),
            Name::Plan(_) => None,
        }
    }

    /// By what, and which, as records have it.
    fn told(&self) -> (&'static str, String) {
        match self {
            Name::Day(day) => ("signup_day", day.to_string()),
            Name::Week(first) => ("signup_week", first.week_name()),
            Name::Month(first) => ("signup_month", first.month_name()),
            Name::Plan(plan) => ("signup_plan", plan.to_string()),
        }
    }

    fn pack(&self, to: &mut Packer<'_>) {
        match self {
            Name::Day(day) => pack_day(0, *day, to),
            Name::Week(day) => pack_day(1, *day, to),
            Name::Month(day) => pack_day(2, *day, to),
            Name::Plan(plan) => {
                to.uint(3);
                to.bytes(plan.as_bytes());
            }
        }
    }

    fn unpack(from: &mut Unpacker<'_>) -> Result<Name, Malformed> {
        Ok(match from.uint()? {
            0 => Name::Day(from.day()?),
            1 => Name::Week(from.day()?),
            2 => Name::Month(from.day()?),
            3 => Name::Plan(from.text()?.into()),
            _ => return Err(Malformed),
        })
    }
}

fn pack_day(kind: u64, day: Day, to: &mut Packer<'_>) {
    to.uint(kind);
    to.int(day.0.into());
}

impl Default for Fleet {
    fn default() -> Fleet {
        Fleet {
            parts: BTreeMap::new(),
            past: BTreeMap::new(),
            cohorts: BTreeMap::new(),
            as_of: None,
            told: BTreeMap::new(),
            touched: BTreeSet::new(),
            telling: false,
            settling: false,
            measures: cohort_measures(),
            unsaved: Unsaved::default(),
        }
    }
}

/// The key of what a shard says of a day.
pub(crate) fn part_key(shard: u32, day: Day) -> Vec<u8> {
    let mut key = vec![b'X'];
    let mut to = Packer(&mut key);
    to.uint(shard.into());
    to.int(day.0.into());
    key
}

/// The key of the record that says as of which day cohorts stand.
const AS_OF: &[u8] = b"Y";

impl Fleet {
    /// Takes in what a shard says of a day.
    pub(crate) fn take(
        &mut self,
        shard: u32,
        mut rest: Unpacker<'_>,
        value: &[u8],
        written: bool,
    ) -> Result<(), Malformed> {
        let day = rest.day()?;
        let changes = Changes::unpack(&mut Unpacker(value))?;
        let part = self.parts.entry((day, shard)).or_default();
        let mut news = changes.clone();
        news.subtract(&std::mem::replace(&mut part.changes, changes));
        part.written |= written;
        if !written {
            self.unsaved.parts.insert((day, shard));
        }
        if self.as_of.is_some_and(|as_of| day <= as_of) && !written {
            self.count(&news);
        }
        Ok(())
    }

    fn count(&mut self, changes: &Changes) {
        for (origin, tally) in changes.iter() {
            self.count_tally(origin, tally);
        }
    }

    fn count_parts(&mut self, which: impl RangeBounds<(Day, u32)>) {
        let parts = std::mem::take(&mut self.parts);
        for (_, part) in parts.range(which) {
            self.count(&part.changes);
        }
        self.parts = parts;
    }

    fn count_tally(&mut self, origin: &Origin, tally: &Tally) {
        for name in Name::all_of(origin) {
            let cohort = self.cohorts.entry(name.clone()).or_default();
            cohort.end = name.end();
            cohort.counts.add(tally, 1);
            let users = tally.of(counted::USERS);
            if users != 0 {
                let sign_ups = cohort.sign_ups.entry(origin.day).or_default();
                *sign_ups += users;
                if *sign_ups == 0 {
                    cohort.sign_ups.remove(&origin.day);
                }
            }
            self.touched.insert(name);
        }
    }

    /// A shard has said where it stands, for the first time where it `began`.
    pub(crate) fn marked(&mut self, began: bool) {
        self.settling = !self.parts.is_empty();
        self.telling |= began;
    }

    /// Whether there is something to do: to go on to the day that is closed everywhere, to tell, to settle.
    pub(crate) fn has_news(&self, closed: Day) -> bool {
        self.next_day(closed).is_some() || self.tells(closed) || self.settling
    }

    fn tells(&self, closed: Day) -> bool {
        let whole = self.as_of.is_some_and(|as_of| as_of <= closed);
        self.telling && whole && !self.touched.is_empty()
    }

    /// The next day to go on to.
    fn next_day(&self, closed: Day) -> Option<Day> {
        let from = match self.as_of {
            Some(as_of) if as_of >= closed => return None,
            Some(as_of) => as_of.plus(1),
            None => self.parts.keys().next()?.0,
        };
        // Days on which nobody does anything are passed over.
        let next = self
            .parts
            .range((from, 0)..)
            .next()
            .map(|((day, _), _)| *day);
        (from <= closed).then(|| next.map_or(closed, |next| next.min(closed)))
    }

    fn next_settled(&self, settled: &[Day]) -> Option<(Day, u32)> {
        let as_of = self.as_of?;
        let mut settles = self.parts.keys().take_while(|(day, _)| *day <= as_of);
        settles
            .find(|(day, shard)| *day <= settled[*shard as usize])
            .copied()
    }

    /// Corrections of all shards are gathered until one more day is closed; this tells them now.
    pub(crate) fn tell_all(&mut self) {
        self.telling = true;
    }

    /// Does the next thing that there is to do. `settled` says up to which day each shard has nothing more to say.
    pub(crate) fn work(
        &mut self,
        closed: Day,
        settled: &[Day],
        terms: &Terms,
        out: &mut dyn Outputs,
    ) {
        if let Some(day) = self.next_day(closed) {
            return self.go_on_to(day);
        }
        if self.tells(closed) {
            if let Some(name) = self.touched.pop_first() {
                self.tell(&name, terms, out);
            }
            self.telling = !self.touched.is_empty();
            return;
        }
        match self.next_settled(settled) {
            Some(part) => self.settle(part),
            None => self.settling = false,
        }
    }

    fn go_on_to(&mut self, day: Day) {
        let before = self.as_of.unwrap_or(day);
        self.count_parts((day, 0)..=(day, u32::MAX));
        self.as_of = Some(day);
        self.unsaved.as_of = true;
        self.telling = true;
        self.come_of_age(before.minus(7 * WEEKS), day);
    }

    /// Users who signed up on these days have reached one more age, or have all signed up.
    fn come_of_age(&mut self, first: Day, last: Day) {
        let days = self.cohorts.range(Name::Day(first)..=Name::Day(last));
        let days: Vec<Day> = days.filter_map(|(name, _)| name.day()).collect();
        if days.is_empty() {
            return;
        }
        for day in days {
            self.touched.extend([
                Name::Day(day),
                Name::Week(day.first_of_week()),
                Name::Month(day.first_of_month()),
            ]);
        }
        let plans = self.cohorts.range(Name::Plan(Box::default())..);
        self.touched.extend(plans.map(|(name, _)| name.clone()));
    }

    fn settle(&mut self, (day, shard): (Day, u32)) {
        let Some(part) = self.parts.remove(&(day, shard)) else {
            return;
        };
        self.unsaved.parts.remove(&(day, shard));
        if part.written {
            self.unsaved.removed.push(part_key(shard, day));
        }
        for (origin, tally) in part.changes.iter() {
            self.past
                .entry(origin.clone())
                .or_default()
                .tally
                .add(tally, 1);
            self.unsaved.past.insert(origin.clone());
        }
    }

    /// Of too many plans only the first by name are told.
    fn is_told(&self, name: &Name, most: usize) -> bool {
        let Name::Plan(_) = name else { return true };
        let mut plans = self.cohorts.range(Name::Plan(Box::default())..).take(most);
        plans.any(|(plan, _)| plan == name)
    }

    fn tell(&mut self, name: &Name, terms: &Terms, out: &mut dyn Outputs) {
        let (Some(as_of), Some(cohort)) = (self.as_of, self.cohorts.get(name)) else {
            return;
        };
        if !self.is_told(name, terms.settings.segments_max) {
            return;
        }
        let activation = !terms.activation().is_empty();
        let (by, which) = name.told();
        let mut kept = self.told.remove(name).unwrap_or_default();
        for (place, measure) in self.measures.iter().enumerate() {
            let told = measure.tell(cohort, as_of, activation);
            let before = kept.values.get(&place).copied();
            let is_news = before.map_or(told.whole != 0, |(_, before)| before != told);
            if !is_news {
                continue;
            }
            let revision = before.map_or(0, |(revision, _)| revision + 1);
            let value = |told: Told| measure.value(told);
            out.cohort_value(&CohortValue {
                by,
                cohort: &which,
                metric: &measure.metric,
                age: measure.age.as_deref(),
                size: told.size,
                value: value(told),
                complete: told.complete,
                revision,
                was: before.map(|(_, before)| CohortWas {
                    size: before.size,
                    value: value(before),
                    complete: before.complete,
                }),
            });
            kept.values.insert(place, (revision, told));
            self.unsaved.told.insert(name.clone());
        }
        self.told.insert(name.clone(), kept);
    }

    /// Writes what has changed, and says how many keys that adds or takes away.
    pub(crate) fn save(&mut self, put: &mut Put<'_>) -> i64 {
        let unsaved = std::mem::take(&mut self.unsaved);
        let mut keys = 0;
        for key in unsaved.removed {
            put(&key, None);
            keys -= 1;
        }
        let mut bytes = Vec::new();
        for (day, shard) in unsaved.parts {
            let Some(part) = self.parts.get_mut(&(day, shard)) else {
                continue;
            };
            bytes.clear();
            part.changes.pack(&mut Packer(&mut bytes));
            put(&part_key(shard, day), Some(&bytes));
            keys += i64::from(!std::mem::replace(&mut part.written, true));
        }
        for origin in unsaved.past {
            let Some(past) = self.past.get_mut(&origin) else {
                continue;
            };
            bytes.clear();
            past.tally.pack(&mut Packer(&mut bytes));
            let mut key = vec![b'O'];
            origin.pack(&mut Packer(&mut key));
            put(&key, Some(&bytes));
            keys += i64::from(!std::mem::replace(&mut past.written, true));
        }
        for name in unsaved.told {
            let Some(kept) = self.told.get_mut(&name) else {
                continue;
            };
            bytes.clear();
            kept.pack(&mut Packer(&mut bytes));
            let mut key = vec![b'Q'];
            name.pack(&mut Packer(&mut key));
            put(&key, Some(&bytes));
            keys += i64::from(!std::mem::replace(&mut kept.written, true));
        }
        self.unsaved.as_of_written = unsaved.as_of_written;
        if let Some(as_of) = self.as_of.filter(|_| unsaved.as_of) {
            bytes.clear();
            Packer(&mut bytes).int(as_of.0.into());
            put(AS_OF, Some(&bytes));
            keys += i64::from(!std::mem::replace(&mut self.unsaved.as_of_written, true));
        }
        keys
    }

    /// Nothing is to be saved.
    pub(crate) fn save_nothing(&mut self) {
        self.unsaved = Unsaved::default();
    }

    /// Takes a record of days long past in.
    pub(crate) fn restore_past(&mut self, key: &[u8], value: &[u8]) -> Result<(), Malformed> {
        let past = Past {
            tally: Tally::unpack(&mut Unpacker(value))?,
            written: true,
        };
        self.past.insert(Origin::unpack(&mut Unpacker(key))?, past);
        Ok(())
    }

    /// Takes in what was told of a cohort.
    pub(crate) fn restore_told(&mut self, key: &[u8], value: &[u8]) -> Result<(), Malformed> {
        let name = Name::unpack(&mut Unpacker(key))?;
        self.told.insert(name, Kept::unpack(&mut Unpacker(value))?);
        Ok(())
    }

    /// Takes in as of which day cohorts stand.
    pub(crate) fn restore_as_of(&mut self, value: &[u8]) -> Result<(), Malformed> {
        self.as_of = Some(Unpacker(value).day()?);
        self.unsaved.as_of_written = true;
        Ok(())
    }

    /// All records are there: puts the cohorts together, and tells what is not told yet.
    pub(crate) fn restored(&mut self) {
        let past = std::mem::take(&mut self.past);
        for (origin, past) in &past {
            self.count_tally(origin, &past.tally);
        }
        self.past = past;
        let Some(as_of) = self.as_of else { return };
        self.count_parts(..=(as_of, u32::MAX));
        self.telling = true;
    }
}

impl Name {
    fn day(&self) -> Option<Day> {
        match self {
            Name::Day(day) => Some(*day),
            Name::Week(_) | Name::Month(_) | Name::Plan(_) => None,
        }
    }
}

impl CohortMeasure {
    fn value(&self, told: Told) -> Value {
        match self.unit == Unit::Seconds && told.whole != 0 {
            true => Value::Seconds(told.part),
            false => quotient(told.part.into(), told.whole.into()),
        }
    }
}

impl Kept {
    fn pack(&self, to: &mut Packer<'_>) {
        for (place, (revision, told)) in &self.values {
            to.uint(*place as u64);
            to.uint(u64::from(*revision) << 1 | u64::from(told.complete));
            [told.size, told.part, told.whole]
                .into_iter()
                .for_each(|number| to.int(number));
        }
    }

    fn unpack(from: &mut Unpacker<'_>) -> Result<Kept, Malformed> {
        let mut values = BTreeMap::new();
        while !from.is_empty() {
            let place = usize::try_from(from.uint()?).map_err(|_| Malformed)?;
            let revision = from.uint()?;
            let told = Told {
                complete: revision & 1 == 1,
                size: from.int()?,
                part: from.int()?,
                whole: from.int()?,
            };
            let revision = u32::try_from(revision >> 1).map_err(|_| Malformed)?;
            values.insert(place, (revision, told));
        }
        Ok(Kept {
            values,
            written: true,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;
    use mainstay_model::AccountDaily;

    /// Cohort, metric, size, value, whether complete, revision.
    type Heard = (String, String, i64, Value, bool, u32);

    #[derive(Default)]
    struct Ear(Vec<Heard>);

    impl Outputs for Ear {
        fn account_daily(&mut self, _: &AccountDaily<'_>) {}

        fn cohort_value(&mut self, record: &CohortValue<'_>) {
            if record.by == "signup_day" && !record.metric.ends_with("_unbounded") {
                self.0.push((
                    record.cohort.to_owned(),
                    record.metric.to_owned(),
                    record.size,
                    record.value.clone(),
                    record.complete,
                    record.revision,
                ));
            }
        }
    }

    struct Case {
        fleet: Fleet,
        terms: Terms,
        settled: Vec<Day>,
    }

    fn changes(all: &[(i32, u32, i64)]) -> Vec<u8> {
        let mut changes = Changes::default();
        for (day, what, by) in all {
            let origin = Origin {
                day: Day(*day),
                plan: "pro".into(),
            };
            changes.at(origin, |tally| tally.count(*what, *by));
        }
        let mut bytes = Vec::new();
        changes.pack(&mut Packer(&mut bytes));
        bytes
    }

    impl Case {
        fn of_two_shards() -> Case {
            Case {
                fleet: Fleet::default(),
                terms: Terms::new(Settings::default()),
                settled: vec![Day(i32::MIN); 2],
            }
        }

        fn says(&mut self, shard: u32, day: i32, all: &[(i32, u32, i64)]) -> &mut Case {
            let key = part_key(shard, Day(day));
            let mut at = Unpacker(&key[1..]);
            assert_eq!(at.u32(), Ok(shard));
            self.fleet.take(shard, at, &changes(all), false).unwrap();
            self
        }

        /// Every shard has closed the day: what is told.
        fn closes(&mut self, day: i32) -> Vec<Heard> {
            let mut ear = Ear::default();
            self.fleet.marked(false);
            while self.fleet.has_news(Day(day)) {
                let Case {
                    fleet,
                    terms,
                    settled,
                } = self;
                fleet.work(Day(day), settled, terms, &mut ear);
            }
            ear.0
        }

        /// Saves everything that is unsaved, and begins anew from it.
        fn restarts(&mut self, log: &mut BTreeMap<Vec<u8>, Vec<u8>>) -> i64 {
            let keys = self.fleet.save(&mut |key, value| match value {
                Some(value) => _ = log.insert(key.to_vec(), value.to_vec()),
                None => _ = log.remove(key),
            });
            let mut fleet = Fleet::default();
            for (key, value) in &*log {
                let rest = &key[1..];
                let restored = match key[0] {
                    b'O' => fleet.restore_past(rest, value),
                    b'Q' => fleet.restore_told(rest, value),
                    b'Y' => fleet.restore_as_of(value),
                    _ => {
                        let mut at = Unpacker(rest);
                        let shard = at.u32().unwrap();
                        fleet.take(shard, at, value, true)
                    }
                };
                restored.unwrap();
            }
            fleet.restored();
            self.fleet = fleet;
            keys
        }
    }

    fn heard(metric: &str, size: i64, ratio: f64, complete: bool, revision: u32) -> Heard {
        let value = Value::Ratio(ratio);
        let day = "1970-01-06".to_owned();
        (day, metric.to_owned(), size, value, complete, revision)
    }

    const D0: u32 = counted::BACK;
    const D1: u32 = counted::BACK + 1;

    #[test]
    fn an_age_is_told_once_its_day_is_closed_everywhere() {
        let mut case = Case::of_two_shards();
        case.says(0, 5, &[(5, counted::USERS, 3), (5, D0, 2)]);
        case.says(1, 5, &[(5, counted::USERS, 1)]);
        case.says(1, 6, &[(5, D1, 1)]);
        assert_eq!(case.closes(5), [heard("retention_d0", 4, 0.5, true, 0)]);
        assert_eq!(case.closes(6), [heard("retention_d1", 4, 0.25, true, 0)]);
        assert_eq!(case.closes(6), []);
    }

    #[test]
    fn a_day_that_is_said_anew_replaces_what_was_said_with_the_next_day() {
        let mut case = Case::of_two_shards();
        case.says(0, 5, &[(5, counted::USERS, 4), (5, D0, 2)]);
        case.closes(5);
        case.says(0, 5, &[(5, counted::USERS, 4), (5, D0, 3)]);
        assert_eq!(case.closes(5), [], "it waits for the next day");
        let told = case.closes(6);
        assert_eq!(told[0], heard("retention_d0", 4, 0.75, true, 1));
        assert_eq!(told[1], heard("retention_d1", 4, 0.0, true, 0));
        assert_eq!(told.len(), 2);
    }

    #[test]
    fn days_never_go_back_while_the_first_account_of_a_shard_brings_its_history() {
        let mut case = Case::of_two_shards();
        case.says(0, 5, &[(5, counted::USERS, 4), (5, D0, 2)]);
        case.closes(9);
        case.says(1, 5, &[(5, counted::USERS, 4)]);
        assert_eq!(case.closes(5), []);
        assert_eq!(case.closes(8), []);
        let told = case.closes(10);
        assert_eq!(told[0], heard("retention_d0", 8, 0.25, true, 1));
    }

    #[test]
    fn nobody_left_is_told_and_no_more_than_that() {
        let mut case = Case::of_two_shards();
        case.says(0, 5, &[(5, counted::USERS, 4), (5, D0, 2)]);
        case.closes(5);
        case.says(0, 5, &[]);
        let told = case.closes(6);
        let nobody = (
            "1970-01-06".to_owned(),
            "retention_d0".to_owned(),
            0,
            Value::Undefined,
            true,
            1,
        );
        assert_eq!(told, [nobody]);
    }

    #[test]
    fn what_is_settled_is_kept_in_sum_and_a_restart_tells_nothing_twice() {
        let mut case = Case::of_two_shards();
        let mut log = BTreeMap::new();
        case.says(0, 5, &[(5, counted::USERS, 4), (5, D0, 2)]);
        case.says(1, 6, &[(5, D1, 1)]);
        case.closes(6);
        let keys = case.restarts(&mut log);
        assert_eq!(keys, log.len() as i64);
        assert!(log.keys().any(|key| key[0] == b'X'));
        assert_eq!(case.closes(6), []);
        case.settled = vec![Day(6); 2];
        assert_eq!(case.closes(6), []);
        let fewer = case.restarts(&mut log);
        assert_eq!(keys + fewer, log.len() as i64);
        assert!(!log.keys().any(|key| key[0] == b'X'), "they are settled");
        assert_eq!(case.closes(6), []);
        case.says(0, 7, &[(5, counted::BACK + 2, 2)]);
        assert_eq!(case.closes(7), [heard("retention_d2", 4, 0.5, true, 0)]);
    }
}
