//! The records of a group of accounts: `segment-daily` and `segment-metrics`.

use mainstay_model::{Column, Day, SegmentDaily, SegmentMetrics, Value};

use super::SCHEMA_VERSION;
use super::values::{corrects, metrics};
use super::write::{Object, text, value};

/// Writes the final values of a day that every account has closed. `record.values` stand in the order of `columns`,
/// and places in `record.corrects` are places in `columns`.
pub fn segment_daily(
    columns: &[Column],
    record: &SegmentDaily<'_>,
    currency: &str,
    out: &mut Vec<u8>,
) {
    let mut object = Object::open(out);
    object.bare("schema_version", SCHEMA_VERSION);
    object.text("dimension", record.dimension);
    object.text("segment", record.segment);
    object.quoted("date", record.date);
    object.bare("revision", record.revision);
    object.quoted("as_of", record.as_of);
    object.text("currency", currency);
    metrics(&mut object, columns, record.values);
    corrects(&mut object, columns, record.corrects);
    object.close();
}

/// Writes the newest rolling values. `record.values` stand in the order of `columns`.
pub fn segment_metrics(
    columns: &[Column],
    record: &SegmentMetrics<'_>,
    currency: &str,
    out: &mut Vec<u8>,
) {
    let mut object = Object::open(out);
    object.bare("schema_version", SCHEMA_VERSION);
    object.text("dimension", record.dimension);
    object.text("segment", record.segment);
    object.quoted("as_of", record.as_of);
    object.bare("partial", record.partial);
    object.bare("data_stale", record.data_stale);
    object.text("currency", currency);
    metrics(&mut object, columns, record.values);
    object.close();
}

/// Writes the key of a `segment-daily` record: a JSON list of dimension, segment and date,
/// `["plan","pro","2026-03-01"]`.
pub fn segment_daily_key(dimension: &str, segment: &str, date: Day, out: &mut Vec<u8>) {
    out.push(b'[');
    text(out, dimension);
    out.push(b',');
    text(out, segment);
    out.push(b',');
    value(out, &Value::Day(date));
    out.push(b']');
}

/// Writes the key of a `segment-metrics` record: a JSON list of dimension and segment, `["plan","pro"]`.
pub fn segment_metrics_key(dimension: &str, segment: &str, out: &mut Vec<u8>) {
    out.push(b'[');
    text(out, dimension);
    out.push(b',');
    text(out, segment);
    out.push(b']');
}
