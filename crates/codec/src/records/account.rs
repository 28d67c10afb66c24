//! The records of an account: `account-daily` and `account-metrics`.

use mainstay_model::{AccountDaily, AccountMetrics, Column, Day, Value};

use super::SCHEMA_VERSION;
use super::values::{corrects, metrics};
use super::write::{Object, text, value};

/// Writes the final values of a closed day. `record.values` stand in the order of `columns`, and places in
/// `record.corrects` are places in `columns`.
pub fn account_daily(
    columns: &[Column],
    record: &AccountDaily<'_>,
    currency: &str,
    out: &mut Vec<u8>,
) {
    let mut object = Object::open(out);
    object.bare("schema_version", SCHEMA_VERSION);
    object.text("account_id", record.account);
    object.quoted("date", record.date);
    object.bare("revision", record.revision);
    object.quoted("as_of", record.as_of);
    object.text("currency", currency);
    metrics(&mut object, columns, record.values);
    corrects(&mut object, columns, record.corrects);
    object.close();
}

/// Writes the newest rolling values. `record.values` stand in the order of `columns`.
pub fn account_metrics(
    columns: &[Column],
    record: &AccountMetrics<'_>,
    currency: &str,
    out: &mut Vec<u8>,
) {
    let mut object = Object::open(out);
    object.bare("schema_version", SCHEMA_VERSION);
    object.text("account_id", record.account);
    object.quoted("as_of", record.as_of);
    object.bare("partial", record.partial);
    object.bare("data_stale", record.data_stale);
    object.text("currency", currency);
    metrics(&mut object, columns, record.values);
    object.close();
}

/// Writes the key of an `account-daily` record: a JSON list of account and date, `["acc_1","2026-03-01"]`.
/// The key of an `account-metrics` record is the account as it is.
pub fn account_daily_key(account: &str, date: Day, out: &mut Vec<u8>) {
    out.push(b'[');
    text(out, account);
    out.push(b',');
    value(out, &Value::Day(date));
    out.push(b']');
}
