//! Watches the Kafka runtime and keeps what Prometheus is to see.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use mainstay_commit::{Alarm, ShardNo};
use mainstay_model::{Column, Currency, Info, Timestamp};
use prometheus::{IntGaugeVec, Opts, Registry, TextEncoder};

use super::accounts::{AccountLimits, Accounts};
use super::families::Families;
use super::latency::{Latencies, QUANTILES};
use super::letters::Letters;
use super::segments::Segments;
use crate::SourceNo;
use crate::kafka::{Committed, Lag, Observer, Told};

/// A shard has caught up when no more records than this wait.
const CAUGHT_UP: u64 = 10_000;

/// What the metrics have to be told beforehand.
pub struct Settings {
    /// The metrics of accounts, in the order in which values come.
    pub catalogue: Vec<&'static Info>,
    /// The columns of groups, in the order in which values come.
    pub groups: Vec<Column>,
    /// The sources' names, in their order.
    pub sources: Vec<String>,
    /// Which accounts have series.
    pub accounts: AccountLimits,
    /// What money is told in.
    pub currency: Currency,
    /// How far the watermark stays behind stream time.
    pub lateness_ms: i64,
    /// The release.
    pub version: String,
}

/// What Prometheus sees.
pub struct Metrics {
    registry: Registry,
    families: Families,
    sources: Vec<String>,
    lateness_ms: i64,
    seen: Mutex<Seen>,
}

/// What was seen and is not in a family as it is.
struct Seen {
    accounts: Accounts,
    segments: Segments,
    latencies: Latencies,
    letters: Letters,
    shards: BTreeMap<ShardNo, ShardSeen>,
    assigned: bool,
    /// Shards whose transactions are refused again and again; each goes with its next commit.
    refused: BTreeSet<ShardNo>,
    begun: Option<Instant>,
}

#[derive(Default)]
struct ShardSeen {
    running: bool,
    caught_up: bool,
    stream_time: Option<Timestamp>,
    accounts: u64,
    idle: BTreeSet<SourceNo>,
    lag: BTreeMap<SourceNo, u64>,
}

impl Metrics {
    /// Makes every family.
    #[must_use]
    pub fn new(settings: Settings) -> Metrics {
        let registry = Registry::new();
        let families = Families::register(&registry);
        build_info(&registry, &settings.version);
        let accounts = Accounts::register(
            &registry,
            &settings.catalogue,
            settings.currency,
            settings.accounts,
        );
        let segments = Segments::register(&registry, &settings.groups, settings.currency);
        Metrics {
            families,
            sources: settings.sources,
            lateness_ms: settings.lateness_ms,
            seen: Mutex::new(Seen {
                accounts,
                segments,
                latencies: Latencies::new(),
                letters: Letters::default(),
                shards: BTreeMap::new(),
                assigned: false,
                refused: BTreeSet::new(),
                begun: None,
            }),
            registry,
        }
    }

    /// All families, in the text format.
    #[must_use]
    pub fn render(&self) -> String {
        self.refresh();
        let mut text = String::new();
        let encoded = TextEncoder::new().encode_utf8(&self.registry.gather(), &mut text);
        encoded.expect("families without samples are left out, and a string takes everything");
        text
    }

    /// Whether every shard of this process is restored, has caught up and can be committed.
    #[must_use]
    pub fn ready(&self) -> bool {
        let seen = self.lock();
        seen.assigned
            && seen.refused.is_empty()
            && seen
                .shards
                .values()
                .all(|shard| shard.running && shard.caught_up)
    }

    /// The registry, for whoever has a family besides.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Brings up to date what depends on the clock.
    fn refresh(&self) {
        self.families.ready.set(i64::from(self.ready()));
        let mut seen = self.lock();
        for (shard, state) in &seen.shards {
            if let Some(stream_time) = state.stream_time {
                let delay_ms = wall_ms() - stream_time.minus_ms(self.lateness_ms).0;
                let label = shard.to_string();
                let family = self.families.watermark_delay.with_label_values(&[&label]);
                family.set(delay_ms as f64 / 1000.0);
            }
        }
        if let Some(quantiles) = seen.latencies.quantiles() {
            for ((label, _), seconds) in QUANTILES.iter().zip(quantiles) {
                self.families
                    .latency
                    .with_label_values(&[label])
                    .set(seconds);
            }
        }
        let alarm = seen.letters.alarm(Instant::now());
        self.families.dead_letter_alarm.set(i64::from(alarm));
        let running = seen.shards.values().filter(|shard| shard.running).count();
        let shards = &self.families.shards;
        shards.with_label_values(&["running"]).set(int(running));
        shards
            .with_label_values(&["restoring"])
            .set(int(seen.shards.len() - running));
        let open = seen
            .begun
            .map_or(0.0, |begun| begun.elapsed().as_secs_f64());
        self.families.open_transaction.set(open);
        let residual = seen.segments.largest_residual();
        self.families.residual.set(residual);
        let accounts: u64 = seen.shards.values().map(|shard| shard.accounts).sum();
        let hidden = accounts.saturating_sub(seen.accounts.len() as u64);
        self.families
            .truncated
            .set(i64::try_from(hidden).unwrap_or(i64::MAX));
    }

    fn committed(&self, committed: &Committed<'_>) {
        let (families, shard) = (&self.families, committed.shard.to_string());
        let (slice, label) = (committed.slice, [shard.as_str()]);
        families.records.inc_by(committed.records);
        for (kind, count) in slice.counts.applied_by_kind() {
            families
                .events
                .with_label_values(&[kind.name(), "applied"])
                .inc_by(count);
        }
        for (code, count) in slice.counts.rejected_by_code() {
            families
                .dead_letters
                .with_label_values(&[code.name()])
                .inc_by(count);
        }
        let others = [
            ("duplicate", slice.counts.duplicates),
            ("rejected", slice.counts.all_rejected()),
        ];
        for (result, count) in others.into_iter().filter(|(_, count)| *count > 0) {
            families
                .events
                .with_label_values(&["any", result])
                .inc_by(count);
        }
        families.duplicates.inc_by(slice.counts.duplicates);
        families.late.inc_by(slice.counts.late);
        families.tombstones.inc_by(slice.counts.tombstones);
        families.ignored_fields.inc_by(slice.counts.ignored_fields);
        families.changelog_bytes.inc_by(committed.changelog_bytes);
        let bytes = families.changelog_bytes.get() as f64;
        families
            .changelog_per_event
            .set(bytes / families.records.get().max(1) as f64);
        set(&families.live_keys, label, committed.live_keys);
        set(&families.state_users, label, slice.standing.users);
        set(&families.state_accounts, label, slice.standing.accounts);
        set(&families.state_bytes, label, slice.standing.state_bytes);
        let crowded = slice.standing.crowded_dimensions;
        set(&families.crowded_dimensions, label, crowded);
        set(&families.days_behind, label, slice.standing.days_behind);

        let mut seen = self.lock();
        seen.refused.remove(&committed.shard);
        for (took, records) in committed.latencies {
            seen.latencies.record(*took, *records);
        }
        let (records, letters) = (slice.counts.read, slice.counts.all_rejected());
        if seen.letters.committed(records, letters, Instant::now()) {
            families.alarms.inc();
            tracing::warn!("more than 5 % of the last minute's records are dead letters");
        }
        // A shard that has moved away meanwhile must not come back as a series.
        if let Some(state) = seen.shards.get_mut(&committed.shard) {
            state.stream_time = slice.standing.stream_time.or(state.stream_time);
            state.accounts = slice.standing.accounts;
            for account in slice.hidden() {
                seen.accounts.hide(account);
            }
            for account in slice.shown() {
                seen.accounts.show(committed.shard, account);
            }
            for group in slice.shown_groups() {
                seen.segments.show(committed.shard, group);
            }
        }
    }

    fn lag(&self, lag: &Lag) {
        let source = self
            .sources
            .get(usize::from(lag.source.0))
            .map_or("", String::as_str);
        let shard = lag.shard.to_string();
        let mut seen = self.lock();
        let Some(state) = seen.shards.get_mut(&lag.shard) else {
            return;
        };
        state.lag.insert(lag.source, lag.records);
        state.stream_time = state.stream_time.max(lag.ticked);
        state.caught_up |= state.running && state.lag.values().all(|records| *records <= CAUGHT_UP);
        let records = i64::try_from(lag.records).unwrap_or(i64::MAX);
        self.families
            .lag_records
            .with_label_values(&[source, &shard])
            .set(records);
        self.families
            .lag_seconds
            .with_label_values(&[source, &shard])
            .set(lag.behind.as_secs_f64());
    }

    /// A shard's series go with it, in the same scrape.
    fn gone(&self, shard: ShardNo) {
        let mut seen = self.lock();
        seen.shards.remove(&shard);
        seen.accounts.gone(shard);
        seen.segments.gone(shard);
        let (families, label) = (&self.families, shard.to_string());
        // Not all of them have been set before.
        for family in [
            &families.idle_sources,
            &families.state_users,
            &families.state_accounts,
            &families.state_bytes,
            &families.crowded_dimensions,
            &families.days_behind,
            &families.live_keys,
        ] {
            drop(family.remove_label_values(&[&label]));
        }
        drop(families.watermark_delay.remove_label_values(&[&label]));
        for source in &self.sources {
            drop(families.lag_records.remove_label_values(&[source, &label]));
            drop(families.lag_seconds.remove_label_values(&[source, &label]));
        }
    }

    fn idle(&self, shard: ShardNo, source: SourceNo, idle: bool) {
        let mut seen = self.lock();
        let Some(state) = seen.shards.get_mut(&shard) else {
            return;
        };
        if idle {
            state.idle.insert(source);
        } else {
            state.idle.remove(&source);
        }
        let idle = state.idle.len() as u64;
        set(&self.families.idle_sources, [&shard.to_string()], idle);
    }

    fn transaction(&self, result: &str) {
        self.families
            .transactions
            .with_label_values(&[result])
            .inc();
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        // What a panic leaves here is at worst a gauge that is set again.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Metrics {
    fn told(&self, what: &Told<'_>) {
        match what {
            Told::Topics { .. } => {}
            Told::Assigned(shards) => {
                self.families.rebalances.inc();
                let mut seen = self.lock();
                seen.assigned = true;
                for shard in *shards {
                    seen.shards.insert(*shard, ShardSeen::default());
                }
            }
            Told::Revoked(shards) => {
                self.families.rebalances.inc();
                self.lock().refused.retain(|shard| !shards.contains(shard));
            }
            Told::Restoring { shard, .. } => drop(self.lock().shards.entry(*shard).or_default()),
            Told::Restored {
                shard,
                records,
                took,
            } => {
                self.families.restore_records.inc_by(*records);
                let family = self
                    .families
                    .restore
                    .with_label_values(&[&shard.to_string()]);
                family.observe(took.as_secs_f64());
            }
            Told::Running(shard) => self.lock().shards.entry(*shard).or_default().running = true,
            Told::Gone(shard) => self.gone(*shard),
            Told::Begun => self.lock().begun = Some(Instant::now()),
            Told::Committed(committed) => self.committed(committed),
            Told::Transaction { took, .. } => {
                self.lock().begun = None;
                self.transaction("committed");
                self.families.commit.observe(took.as_secs_f64());
            }
            Told::Aborted => {
                self.lock().begun = None;
                self.transaction("aborted");
            }
            Told::InDoubt => self.transaction("in_doubt"),
            Told::Lag(lag) => self.lag(lag),
            Told::Idle {
                shard,
                source,
                idle,
            } => self.idle(*shard, *source, *idle),
            Told::SlicesWaiting(slices) => self.families.slices_waiting.set(int(*slices)),
            Told::MachineAlarm(Alarm::ThreeAborts(shard)) => {
                self.families.alarms.inc();
                self.lock().refused.insert(*shard);
            }
            Told::Alarm(_)
            | Told::MachineAlarm(
                Alarm::Doubt { .. }
                | Alarm::RevokeDeadline(_)
                | Alarm::Fenced
                | Alarm::ShutdownDeadline,
            ) => self.families.alarms.inc(),
        }
    }
}

fn build_info(registry: &Registry, version: &str) {
    let opts = Opts::new("mainstay_build_info", "The release that runs; always 1.");
    let family = IntGaugeVec::new(opts, &["version"]).expect("a constant that Prometheus allows");
    family.with_label_values(&[version]).set(1);
    registry
        .register(Box::new(family))
        .expect("it is registered once");
}

fn set(family: &IntGaugeVec, label: [&str; 1], value: u64) {
    family
        .with_label_values(&label)
        .set(i64::try_from(value).unwrap_or(i64::MAX));
}

fn int(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn wall_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Slice;

    const SHARD: ShardNo = ShardNo(3);

    fn metrics() -> Metrics {
        Metrics::new(Settings {
            catalogue: Vec::new(),
            groups: Vec::new(),
            sources: vec!["product".to_owned()],
            accounts: AccountLimits::default(),
            currency: Currency::of("USD").unwrap(),
            lateness_ms: 0,
            version: "9.9.9".to_owned(),
        })
    }

    fn lag(records: u64) -> Told<'static> {
        Told::Lag(Lag {
            shard: SHARD,
            source: SourceNo(0),
            records,
            behind: Duration::from_secs(2),
            ticked: None,
        })
    }

    #[test]
    fn ready_means_assigned_and_restored_and_caught_up_once() {
        let metrics = metrics();
        assert!(!metrics.ready());
        metrics.told(&Told::Assigned(&[SHARD]));
        assert!(!metrics.ready());
        metrics.told(&Told::Running(SHARD));
        metrics.told(&lag(1_000_000));
        assert!(!metrics.ready());
        metrics.told(&lag(10));
        assert!(metrics.ready());
        metrics.told(&lag(1_000_000));
        assert!(metrics.ready());
    }

    #[test]
    fn a_shard_whose_transactions_are_refused_is_not_ready_until_it_is_no_longer_ours() {
        let metrics = metrics();
        metrics.told(&Told::Assigned(&[SHARD]));
        metrics.told(&Told::MachineAlarm(&Alarm::ThreeAborts(SHARD)));
        metrics.told(&Told::Gone(SHARD));
        metrics.told(&Told::Running(SHARD));
        metrics.told(&lag(0));
        assert!(!metrics.ready(), "restored, and refused again");
        metrics.told(&Told::Revoked(&[SHARD]));
        assert!(metrics.ready());
    }

    #[test]
    fn the_watermark_of_a_silent_shard_follows_its_ticks() {
        let metrics = metrics();
        let delay = || {
            metrics.refresh();
            let family = &metrics.families.watermark_delay;
            family.with_label_values(&["3"]).get()
        };
        let ticked = |ago_ms: i64| {
            metrics.told(&Told::Lag(Lag {
                shard: SHARD,
                source: SourceNo(0),
                records: 0,
                behind: Duration::ZERO,
                ticked: Some(Timestamp(wall_ms() - ago_ms)),
            }));
        };
        metrics.told(&Told::Assigned(&[SHARD]));
        ticked(500_000);
        assert!(delay() >= 500.0);
        ticked(10_000);
        assert!(delay() < 400.0);
    }

    #[test]
    fn a_shard_that_moves_away_takes_its_series_with_it() {
        let metrics = metrics();
        metrics.told(&Told::Assigned(&[SHARD]));
        metrics.told(&Told::Running(SHARD));
        metrics.told(&lag(5));
        let committed = Committed {
            shard: SHARD,
            slice: &Slice::default(),
            records: 2,
            changelog_bytes: 30,
            live_keys: 1,
            latencies: &[(Duration::from_millis(40), 2)],
            stream_time_ms: 5,
        };
        metrics.told(&Told::Committed(committed));
        let text = metrics.render();
        assert!(text.contains(r#"mainstay_consumer_lag_records{shard="3",source="product"} 5"#));
        assert!(text.contains(r#"mainstay_event_to_commit_seconds{quantile="0.5"} 0.04"#));
        assert!(text.contains("mainstay_changelog_bytes_per_event 15\n"));
        assert!(text.contains(r#"mainstay_build_info{version="9.9.9"} 1"#));
        metrics.told(&Told::Gone(SHARD));
        assert!(
            !metrics.render().contains(r#"shard="3""#),
            "{}",
            metrics.render()
        );
    }
}
