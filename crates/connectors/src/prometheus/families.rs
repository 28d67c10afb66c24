//! The families of the pipeline, each with the sentence that explains it, and how values become numbers.

use mainstay_model::{Currency, Info, Unit, Value};
use prometheus::core::Collector;
use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry,
};

/// Every family of the pipeline.
pub(super) struct Families {
    pub(super) lag_records: IntGaugeVec,
    pub(super) lag_seconds: GaugeVec,
    pub(super) watermark_delay: GaugeVec,
    pub(super) latency: GaugeVec,
    pub(super) records: IntCounter,
    pub(super) events: IntCounterVec,
    pub(super) duplicates: IntCounter,
    pub(super) late: IntCounter,
    pub(super) tombstones: IntCounter,
    pub(super) ignored_fields: IntCounter,
    pub(super) dead_letters: IntCounterVec,
    pub(super) commit: Histogram,
    pub(super) transactions: IntCounterVec,
    pub(super) open_transaction: Gauge,
    pub(super) slices_waiting: IntGauge,
    pub(super) idle_sources: IntGaugeVec,
    pub(super) rebalances: IntCounter,
    pub(super) shards: IntGaugeVec,
    pub(super) restore: HistogramVec,
    pub(super) restore_records: IntCounter,
    pub(super) state_users: IntGaugeVec,
    pub(super) state_accounts: IntGaugeVec,
    pub(super) state_bytes: IntGaugeVec,
    pub(super) crowded_dimensions: IntGaugeVec,
    pub(super) days_behind: IntGaugeVec,
    pub(super) residual: IntGauge,
    pub(super) live_keys: IntGaugeVec,
    pub(super) changelog_bytes: IntCounter,
    pub(super) changelog_per_event: Gauge,
    pub(super) dead_letter_alarm: IntGauge,
    pub(super) alarms: IntCounter,
    pub(super) truncated: IntGauge,
    pub(super) ready: IntGauge,
}

/// What a duration of a commit or restore is sorted into, in seconds.
const SECONDS: [f64; 14] = [
    0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0,
];

impl Families {
    /// Makes every family and registers it.
    pub(super) fn register(registry: &Registry) -> Families {
        let r = registry;
        Families {
            lag_records: int_vec(
                r,
                "consumer_lag_records",
                "Records of an input that wait to be applied.",
                &["source", "shard"],
            ),
            lag_seconds: float_vec(
                r,
                "consumer_lag_seconds",
                "How long ago the last applied record of an input arrived; 0 where none waits.",
                &["source", "shard"],
            ),
            watermark_delay: float_vec(
                r,
                "watermark_delay_seconds",
                "How far a shard's watermark is behind the clock.",
                &["shard"],
            ),
            latency: float_vec(
                r,
                "event_to_commit_seconds",
                "From a record's arrival to the commit of its effects, over the last minute or two; quantile 1 is the longest.",
                &["quantile"],
            ),
            records: counter(
                r,
                "records_total",
                "Input records whose effects are committed.",
            ),
            events: counter_vec(
                r,
                "events_total",
                "Events by type and result.",
                &["type", "result"],
            ),
            duplicates: counter(
                r,
                "duplicates_total",
                "Events that had been applied before.",
            ),
            late: counter(
                r,
                "late_events_total",
                "Applied events that came after their day was closed.",
            ),
            tombstones: counter(
                r,
                "tombstones_total",
                "Input records without a value, ignored.",
            ),
            ignored_fields: counter(
                r,
                "ignored_fields_total",
                "Fields of events that nobody knows.",
            ),
            dead_letters: counter_vec(
                r,
                "dead_letters_total",
                "Records that could not be applied, by code.",
                &["code"],
            ),
            commit: histogram(
                r,
                "commit_seconds",
                "From the begin of a transaction to its commit.",
            ),
            transactions: counter_vec(
                r,
                "transactions_total",
                "Transactions by what became of them.",
                &["result"],
            ),
            open_transaction: float(
                r,
                "oldest_open_transaction_seconds",
                "Age of our open transaction; 0 where none is open.",
            ),
            slices_waiting: int(
                r,
                "slices_waiting",
                "Closed slices that are not yet committed.",
            ),
            idle_sources: int_vec(
                r,
                "idle_sources",
                "Inputs of a shard that are silent and do not hold time back.",
                &["shard"],
            ),
            rebalances: counter(
                r,
                "rebalances_total",
                "How often the group changed what is ours.",
            ),
            shards: int_vec(
                r,
                "shards",
                "Shards of this process by what they do.",
                &["state"],
            ),
            restore: histogram_vec(
                r,
                "restore_seconds",
                "How long restores of a shard took.",
                &["shard"],
            ),
            restore_records: counter(
                r,
                "restore_records_total",
                "Changelog records read by restores.",
            ),
            state_users: int_vec(r, "state_users", "Users that a shard keeps.", &["shard"]),
            state_accounts: int_vec(
                r,
                "state_accounts",
                "Accounts that a shard keeps.",
                &["shard"],
            ),
            state_bytes: int_vec(
                r,
                "state_bytes",
                "Bytes of facts and ids that a shard keeps, without what the allocator adds.",
                &["shard"],
            ),
            crowded_dimensions: int_vec(
                r,
                "crowded_dimensions",
                "Dimensions with more segments than `segments.max`, of which the last by name are not told.",
                &["shard"],
            ),
            days_behind: int_vec(
                r,
                "shard_days_behind",
                "Closed days that a shard is behind the one furthest ahead: segments, the fleet and cohorts wait for it.",
                &["shard"],
            ),
            live_keys: int_vec(
                r,
                "changelog_keys",
                "Keys of a shard's changelog that are alive.",
                &["shard"],
            ),
            changelog_bytes: counter(
                r,
                "changelog_bytes_total",
                "Bytes sent to the changelog, before compression.",
            ),
            changelog_per_event: float(
                r,
                "changelog_bytes_per_event",
                "Bytes sent to the changelog for each input record, since the start.",
            ),
            dead_letter_alarm: int(
                r,
                "dead_letter_alarm",
                "1 when more than 5 % of the last minute's records were dead letters.",
            ),
            alarms: counter(r, "alarms_total", "What an operator was told of."),
            residual: int(
                r,
                "mrr_reconciliation_residual",
                "Minor units by which movements of revenue leave mrr unexplained, of the segment that is off most: 0.",
            ),
            truncated: int(
                r,
                "account_series_truncated",
                "Accounts of this process that are not shown here.",
            ),
            ready: int(
                r,
                "ready",
                "1 when every shard of this process is restored and has caught up.",
            ),
        }
    }
}

/// What a metric is called in the name of a family: its id, and its unit if not there yet.
pub(super) fn with_unit(info: &Info) -> String {
    let unit = match info.unit {
        Unit::Seconds => "_seconds",
        Unit::Ratio => "_ratio",
        Unit::Count | Unit::Mean | Unit::Days | Unit::Date | Unit::Histogram => "",
        Unit::Money | Unit::Name => "",
    };
    let unit = if info.id.ends_with(unit) { "" } else { unit };
    format!("{}{unit}", info.id)
}

/// Minor units as a gauge has them: in whole units of the currency.
pub(super) fn major(value: &Value, currency: Currency) -> Option<f64> {
    let units = 10f64.powi(currency.minor_digits().cast_signed());
    number(value).map(|minor| minor / units)
}

/// A value as a gauge has it: seconds are seconds, undefined is nothing.
pub(super) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Undefined | Value::List(_) | Value::Day(_) | Value::Name(_) => None,
        Value::Count(count) => Some(*count as f64),
        Value::Ratio(ratio) => Some(*ratio),
        Value::Seconds(ms) => Some(*ms as f64 / 1000.0),
    }
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(format!("mainstay_{name}"), help)
}

fn registered<C: Collector + Clone + 'static>(
    registry: &Registry,
    family: prometheus::Result<C>,
) -> C {
    let family = family.expect("names and labels are constants that Prometheus allows");
    let added = registry.register(Box::new(family.clone()));
    added.expect("every family is registered once");
    family
}

fn int(registry: &Registry, name: &str, help: &str) -> IntGauge {
    registered(registry, IntGauge::with_opts(opts(name, help)))
}

fn float(registry: &Registry, name: &str, help: &str) -> Gauge {
    registered(registry, Gauge::with_opts(opts(name, help)))
}

fn counter(registry: &Registry, name: &str, help: &str) -> IntCounter {
    registered(registry, IntCounter::with_opts(opts(name, help)))
}

fn int_vec(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    registered(registry, IntGaugeVec::new(opts(name, help), labels))
}

/// Shows a value; an undefined one has no series.
pub(super) fn set(family: &GaugeVec, labels: &[&str], value: Option<f64>) {
    match value {
        Some(value) => family.with_label_values(labels).set(value),
        // There may have been none.
        None => drop(family.remove_label_values(labels)),
    }
}

pub(super) fn float_vec(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> GaugeVec {
    registered(registry, GaugeVec::new(opts(name, help), labels))
}

fn counter_vec(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    registered(registry, IntCounterVec::new(opts(name, help), labels))
}

fn histogram(registry: &Registry, name: &str, help: &str) -> Histogram {
    let opts = HistogramOpts::from(opts(name, help)).buckets(SECONDS.into());
    registered(registry, Histogram::with_opts(opts))
}

fn histogram_vec(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> HistogramVec {
    let opts = HistogramOpts::from(opts(name, help)).buckets(SECONDS.into());
    registered(registry, HistogramVec::new(opts, labels))
}
