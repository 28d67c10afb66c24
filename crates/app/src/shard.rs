//! A shard's logic: bytes in, decode, apply, encode, bytes out.
//!
//! The one place where codec and engine meet. Live, replay, demo and tests drive this through the
//! connectors' [`Shard`]; it knows no broker, no file and no clock.

use std::borrow::Cow;
use std::sync::Arc;

use mainstay_codec::{Format, Limits, records};
use mainstay_connectors::kafka::partition_of;
use mainstay_connectors::{Closing, Counts, InputRecord, RestoreError, Shard, Slice};
use mainstay_connectors::{SourceNo, Standing, Topic};
use mainstay_engine::{Beat, Engine, Look, Outputs, Pace, Place, Settings, Size, Verdict};
use mainstay_engine::{account_columns, group_columns};
use mainstay_model::Timestamp;
use mainstay_model::{
    AccountDaily, AccountMetrics, Code, CohortValue, Column, Corrected, Currency, DeadLetter,
};
use mainstay_model::{Event, MrrMovement, Rejection, SegmentDaily, SegmentMetrics, Value};

use crate::explain::{Answer, Asked, Question};

/// What every shard of a run is made from.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What the operator decided about facts.
    pub settings: Settings,
    /// The inputs' names and formats, in the order in which everything refers to them.
    pub sources: Vec<(String, Format)>,
    /// What a record may be at most.
    pub limits: Limits,
    /// The values that records carry: places in the columns of an account, and of a group.
    pub metrics: Vec<usize>,
    /// The same for groups.
    pub group_metrics: Vec<usize>,
    /// How often the live values of one account, or one group, are told, in milliseconds.
    pub emit_interval_ms: i64,
    /// How many accounts a second are told live, and how many groups.
    pub emit_rate: u32,
    /// Whether accounts have to hash to the shard that their records came to.
    pub check_partition: bool,
    /// Where outputs go.
    pub target: Target,
}

/// Where outputs go, which decides about what only one of them needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Topics: dead letters carry their reason in headers, and the state goes into the changelog.
    Topics,
    /// Files: a dead letter is one line, and no state is kept.
    Files,
}

/// While behind, live values of an account or a group are told this seldom.
const BEHIND_INTERVAL_MS: i64 = 30_000;

/// The logic of one shard.
pub struct Logic {
    plan: Arc<Plan>,
    number: u32,
    shards: u32,
    engine: Engine,
    said: Said,
    /// The time that stands for the arrival of what has none.
    replayed_at: Timestamp,
    /// When each account's live values were last told, by its number.
    told_at: Vec<i64>,
    /// When live values were last told at all.
    paced_at: i64,
    closed: u32,
    standing: Standing,
}

/// What was said since the slice before.
struct Said {
    slice: Slice,
    /// What money is told in.
    currency: Currency,
    accounts: Carried,
    groups: Carried,
    shards: u32,
    key: Vec<u8>,
    value: Vec<u8>,
    counts: Counts,
    asked: Option<Asked>,
}

/// The values that records carry.
struct Carried {
    columns: Vec<Column>,
    /// Their places among all that there are; `None`: all.
    places: Option<Vec<usize>>,
}

impl Plan {
    /// The shard `number` of `shards`. What has no arrival is taken to arrive at `replayed_at`.
    #[must_use]
    pub fn shard(self: &Arc<Plan>, number: u32, shards: u32, replayed_at: Timestamp) -> Logic {
        let names: Vec<String> = self.sources.iter().map(|(name, _)| name.clone()).collect();
        let place = Place { number, of: shards };
        Logic {
            plan: Arc::clone(self),
            number,
            shards,
            engine: Engine::new(self.settings.clone(), &names, place),
            said: Said {
                slice: Slice::default(),
                currency: self.settings.revenue.rates.currency(),
                accounts: Carried::of(&account_columns(&self.settings), &self.metrics),
                groups: Carried::of(&group_columns(&self.settings), &self.group_metrics),
                shards,
                key: Vec::new(),
                value: Vec::new(),
                counts: Counts::default(),
                asked: None,
            },
            replayed_at,
            told_at: Vec::new(),
            paced_at: 0,
            closed: 0,
            standing: Standing::default(),
        }
    }
}

impl Carried {
    fn of(columns: &[Column], places: &[usize]) -> Carried {
        let all = places.len() == columns.len();
        Carried {
            columns: places.iter().map(|place| columns[*place].clone()).collect(),
            places: (!all).then(|| places.to_vec()),
        }
    }

    fn values<'v>(&self, values: &'v [Value]) -> Cow<'v, [Value]> {
        match &self.places {
            // A record that withdraws has no values.
            Some(places) if !values.is_empty() => {
                places.iter().map(|place| values[*place].clone()).collect()
            }
            Some(_) | None => Cow::Borrowed(values),
        }
    }

    fn corrects<'c>(&self, corrects: &'c [Corrected]) -> Cow<'c, [Corrected]> {
        let Some(places) = &self.places else {
            return Cow::Borrowed(corrects);
        };
        let carried = places.iter().enumerate().filter_map(|(to, from)| {
            let corrected = corrects.iter().find(|old| old.metric == *from)?;
            let was = corrected.was.clone();
            Some(Corrected { metric: to, was })
        });
        carried.collect()
    }
}

impl Logic {
    /// Takes in what a shard said of a group that belongs to this one.
    ///
    /// # Errors
    /// When it is nothing that this release says.
    pub fn take_part(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), RestoreError> {
        self.engine
            .take_part(key, value)
            .map_err(|broken| RestoreError {
                key: key.iter().map(|byte| format!("{byte:02x}")).collect(),
                why: broken.to_string(),
            })
    }

    /// Every part of every shard was handed over: tells the groups of this one.
    pub fn tell_groups(&mut self) {
        self.engine.tell_groups(&mut self.said);
    }

    /// How much the shard holds.
    #[must_use]
    pub fn size(&self) -> Size {
        self.engine.size()
    }

    /// Input has ended at `last`: tells live values as of then and, unless the end is open, closes for
    /// every account the day of `last`.
    pub fn end(&mut self, last: Timestamp, open: bool) {
        for source in 0..self.plan.sources.len() {
            self.engine.set_idle(source, true);
        }
        self.engine.tick(last);
        while self.work() {}
        self.engine
            .tell_changed(&mut |_, _| Pace::Now, (false, false), &mut self.said);
        self.engine.tell_live_groups(&Beat::LAST, &mut self.said);
        if !open {
            self.engine.run_on(last, &mut self.said);
        }
    }

    /// Asks why a value is what it is: to be answered as soon as it can no longer change.
    pub(crate) fn ask(&mut self, question: Question) {
        self.said.asked = Some(Asked::new(question));
    }

    /// Whether what was asked is answered.
    pub(crate) fn is_answered(&self) -> bool {
        let asked = self.said.asked.as_ref();
        asked.is_some_and(Asked::is_answered)
    }

    /// The answer to what was asked, by what is known now.
    pub(crate) fn answer(&mut self) -> Option<Answer> {
        let asked = self.said.asked.take()?;
        Some(asked.answer(&self.engine))
    }

    /// What shards hand to each other comes after all inputs.
    fn is_partials(&self, source: SourceNo) -> bool {
        usize::from(source.0) == self.plan.sources.len()
    }

    fn decode_and_apply(
        &mut self,
        record: &InputRecord<'_>,
        value: &[u8],
    ) -> Result<(), Rejection> {
        let (_, format) = &self.plan.sources[usize::from(record.source.0)];
        // An event is only applied when all events of its record are good.
        let mut only: Option<Event<'_>> = None;
        let mut more: Vec<Event<'_>> = Vec::new();
        let ignored = format.decode(value, &self.plan.limits, |event| match only {
            None => only = Some(event),
            Some(_) => more.push(event),
        })?;
        self.said.counts.ignored_fields += u64::from(ignored.0);
        for event in only.iter().chain(&more) {
            self.apply_event(record, event)?;
        }
        Ok(())
    }

    fn apply_event(
        &mut self,
        record: &InputRecord<'_>,
        event: &Event<'_>,
    ) -> Result<(), Rejection> {
        if self.plan.check_partition && !self.engine.knows(&event.account) {
            self.check_routing(record, event)?;
        }
        let arrival = match (record.arrival, event.received_at) {
            (Some(arrival), _) => arrival,
            // Nothing was received after it was replayed, whatever a clock said.
            (None, Some(received_at)) => received_at.min(self.replayed_at),
            (None, None) => self.replayed_at,
        };
        let source = usize::from(record.source.0);
        match self.engine.apply(source, arrival, event, &mut self.said) {
            Verdict::Applied { late } => {
                self.said
                    .counts
                    .applied(event.body.kind(), event.time, late);
            }
            Verdict::Duplicate => self.said.counts.duplicates += 1,
            Verdict::Rejected(why) => return Err(why),
        }
        Ok(())
    }

    /// An account lives in one shard: the one that its id hashes to.
    fn check_routing(&self, record: &InputRecord<'_>, event: &Event<'_>) -> Result<(), Rejection> {
        let home = partition_of(event.account.as_bytes(), self.shards);
        match home == self.number {
            true => Ok(()),
            false => Err(Rejection::new(
                Code::Misrouted,
                "account_id",
                format!(
                    "`{}` belongs to partition {home} of {}, found on {}: is the topic keyed by account, \
                     by the partitioner murmur2?",
                    event.account.as_str(),
                    self.shards,
                    record.partition
                ),
            )),
        }
    }

    fn reject(&mut self, record: &InputRecord<'_>, why: &Rejection) {
        self.said.counts.rejected(why.code);
        let mut owned: Vec<(String, Option<Vec<u8>>)> = Vec::new();
        record.headers.for_each(&mut |name, value| {
            owned.push((name.to_owned(), value.map(<[u8]>::to_vec)));
        });
        let headers: Vec<(&str, Option<&[u8]>)> = owned
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_deref()))
            .collect();
        let letter = DeadLetter {
            why,
            topic: record.topic,
            partition: record.partition,
            offset: record.offset,
            key: record.key,
            value: record.value,
            headers: &headers,
        };
        match self.plan.target {
            Target::Topics => {
                let letter = records::dead_letter(&letter);
                self.said
                    .slice
                    .push(Topic::DeadLetter, letter.key, letter.value, letter.headers);
            }
            Target::Files => {
                self.said.value.clear();
                records::dead_letter_line(&letter, &mut self.said.value);
                self.said
                    .slice
                    .push(Topic::DeadLetter, None, Some(&self.said.value), Vec::new());
            }
        }
    }

    fn tell_live(&mut self, closing: Closing) {
        let interval = match closing.behind {
            true => BEHIND_INTERVAL_MS.max(self.plan.emit_interval_ms),
            false => self.plan.emit_interval_ms,
        };
        let since = closing.pace_ms.saturating_sub(self.paced_at);
        let mut left = (i64::from(self.plan.emit_rate) * since.clamp(0, 1000) / 1000).max(1);
        let beat = Beat {
            at_ms: closing.pace_ms,
            interval_ms: interval,
            at_most: u32::try_from(left).unwrap_or(u32::MAX),
            partial: closing.behind,
            stale: self.engine.is_idle(),
        };
        self.paced_at = closing.pace_ms;
        let told_at = &mut self.told_at;
        let mut pace = |no: u32, _: &str| {
            let no = no as usize;
            if told_at.len() <= no {
                told_at.resize(no + 1, i64::MIN / 2);
            }
            if left == 0 {
                return Pace::Stop;
            }
            if closing.pace_ms - told_at[no] < interval {
                return Pace::Later;
            }
            (told_at[no], left) = (closing.pace_ms, left - 1);
            Pace::Now
        };
        let goodness = (beat.partial, beat.stale);
        self.engine
            .tell_changed(&mut pace, goodness, &mut self.said);
        self.engine.tell_live_groups(&beat, &mut self.said);
        let engine = &self.engine;
        self.said
            .slice
            .name_shown(|account| engine.name_of(account));
    }
}

impl Shard for Logic {
    fn restore(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), RestoreError> {
        self.engine.restore(key, value);
        Ok(())
    }

    fn restored(&mut self) -> Result<(), RestoreError> {
        self.engine.restored().map_err(|broken| RestoreError {
            key: String::new(),
            why: broken.to_string(),
        })
    }

    fn live_keys(&self) -> u64 {
        self.engine.live_keys()
    }

    fn settings_hash(&self) -> u64 {
        self.plan.settings.hash()
    }

    fn apply(&mut self, record: &InputRecord<'_>) {
        if self.is_partials(record.source) {
            // Only a bug could say what cannot be read; it is kept like any other record that cannot.
            if let Err(err) = self.take_part(record.key.unwrap_or_default(), record.value) {
                self.reject(record, &Rejection::new(Code::Internal, "", err.to_string()));
            }
            return;
        }
        self.said.counts.read += 1;
        let Some(value) = record.value else {
            self.said.counts.tombstones += 1;
            return;
        };
        if let Err(why) = self.decode_and_apply(record, value) {
            self.reject(record, &why);
        }
    }

    fn give_up(&mut self, record: &InputRecord<'_>, why: &str) {
        self.said.counts.read += 1;
        self.reject(record, &Rejection::new(Code::Internal, "", why));
    }

    fn set_idle(&mut self, source: SourceNo, idle: bool) {
        if self.is_partials(source) {
            return;
        }
        self.engine.set_idle(usize::from(source.0), idle);
    }

    fn tick(&mut self, to: Timestamp) {
        self.engine.tick(to);
    }

    fn stream_time(&self, source: SourceNo) -> Timestamp {
        // What shards say to each other waits for nothing.
        if self.is_partials(source) {
            return Timestamp::MIN;
        }
        self.engine.source_time(usize::from(source.0))
    }

    fn now(&self) -> Timestamp {
        self.engine.stream_time()
    }

    fn work(&mut self) -> bool {
        self.engine.work(&mut self.said)
    }

    fn pending_bytes(&self) -> usize {
        self.said.slice.len_bytes()
    }

    fn close(&mut self, closing: Closing, slice: &mut Slice) {
        match self.plan.target {
            Target::Topics => {
                self.tell_live(closing);
                let said = &mut self.said.slice;
                self.engine.save(&mut |key, value| {
                    said.push(Topic::Changelog, Some(key), value, Vec::new());
                });
            }
            Target::Files => self.engine.save_nothing(),
        }
        // Walking over all accounts is for now and then only.
        if self.closed.is_multiple_of(64) {
            let size = self.engine.size();
            self.standing = Standing {
                accounts: size.accounts as u64,
                users: size.users as u64,
                crowded_dimensions: size.crowded as u64,
                days_behind: size.days_behind.into(),
                state_bytes: size.bytes as u64,
                ..self.standing
            };
        }
        self.closed = self.closed.wrapping_add(1);
        let now = self.engine.stream_time();
        self.standing.stream_time = (now > Timestamp::MIN).then_some(now);
        self.said.slice.standing = self.standing;
        self.said.slice.counts = std::mem::take(&mut self.said.counts);
        std::mem::swap(slice, &mut self.said.slice);
        self.said.slice.clear();
    }
}

impl Outputs for Said {
    fn account_daily(&mut self, record: &AccountDaily<'_>) {
        self.key.clear();
        self.value.clear();
        records::account_daily_key(record.account, record.date, &mut self.key);
        let record = AccountDaily {
            values: &self.accounts.values(record.values),
            corrects: &self.accounts.corrects(record.corrects),
            ..record.clone()
        };
        records::account_daily(
            &self.accounts.columns,
            &record,
            self.currency.code(),
            &mut self.value,
        );
        self.push(Topic::AccountDaily);
    }

    fn account_metrics(&mut self, record: &AccountMetrics<'_>) {
        self.key.clear();
        self.value.clear();
        self.key.extend_from_slice(record.account.as_bytes());
        let carried = AccountMetrics {
            values: &self.accounts.values(record.values),
            ..record.clone()
        };
        records::account_metrics(
            &self.accounts.columns,
            &carried,
            self.currency.code(),
            &mut self.value,
        );
        self.push(Topic::AccountMetrics);
        self.slice.show(record.account, record.values);
    }

    fn segment_daily(&mut self, record: &SegmentDaily<'_>) {
        self.key.clear();
        self.value.clear();
        let (dimension, segment) = (record.dimension, record.segment);
        records::segment_daily_key(dimension, segment, record.date, &mut self.key);
        let record = SegmentDaily {
            values: &self.groups.values(record.values),
            corrects: &self.groups.corrects(record.corrects),
            ..record.clone()
        };
        records::segment_daily(
            &self.groups.columns,
            &record,
            self.currency.code(),
            &mut self.value,
        );
        self.push(Topic::SegmentDaily);
    }

    fn cohort_value(&mut self, record: &CohortValue<'_>) {
        self.key.clear();
        self.value.clear();
        records::cohort_value_key(record, &mut self.key);
        records::cohort_value(record, &mut self.value);
        self.push(Topic::Cohorts);
    }

    fn mrr_movement(&mut self, record: &MrrMovement<'_>) {
        self.key.clear();
        self.value.clear();
        self.key.extend_from_slice(record.account.as_bytes());
        records::mrr_movement(record, &mut self.value);
        self.push(Topic::MrrMovements);
    }

    fn segment_metrics(&mut self, record: &SegmentMetrics<'_>) {
        let (dimension, segment) = (record.dimension, record.segment);
        self.key.clear();
        self.value.clear();
        records::segment_metrics_key(dimension, segment, &mut self.key);
        let carried = SegmentMetrics {
            values: &self.groups.values(record.values),
            ..record.clone()
        };
        records::segment_metrics(
            &self.groups.columns,
            &carried,
            self.currency.code(),
            &mut self.value,
        );
        self.push(Topic::SegmentMetrics);
        self.slice
            .show_group(dimension, segment, Some(record.values));
    }

    fn segment_gone(&mut self, dimension: &str, segment: &str) {
        self.key.clear();
        records::segment_metrics_key(dimension, segment, &mut self.key);
        self.slice.show_group(dimension, segment, None);
        self.slice
            .push(Topic::SegmentMetrics, Some(&self.key), None, Vec::new());
    }

    fn part(&mut self, to: Option<(&str, &str)>, key: &[u8], value: Option<&[u8]>) {
        match to {
            Some((dimension, segment)) => {
                let group = [dimension, segment].join("\0");
                let shard = partition_of(group.as_bytes(), self.shards);
                self.slice.push_part(shard, key, value);
            }
            None => {
                (0..self.shards).for_each(|shard| self.slice.push_part(shard, key, value));
            }
        }
    }

    fn day_closed(&mut self, account: &Look<'_>) {
        if let Some(asked) = &mut self.asked {
            asked.day_closed(account);
        }
    }

    fn account_gone(&mut self, account: &str) {
        self.slice.hide(account);
        self.slice.push(
            Topic::AccountMetrics,
            Some(account.as_bytes()),
            None,
            Vec::new(),
        );
    }
}

impl Said {
    /// Adds the record that was written.
    fn push(&mut self, topic: Topic) {
        let (key, value) = (Some(&self.key[..]), Some(&self.value[..]));
        self.slice.push(topic, key, value, Vec::new());
    }
}
