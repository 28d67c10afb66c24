//! The records of an account: `account-daily` and `account-metrics`.

use mainstay_model::{AccountDaily, AccountMetrics, Corrected, Day, Info, Value};

use super::SCHEMA_VERSION;
use super::write::{Object, text, value};

/// Writes the final values of a closed day. `record.values` stand in the order of `infos`, and places in
/// `record.corrects` are places in `infos`.
pub fn account_daily(
    infos: &[&'static Info],
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
    metrics(&mut object, infos, record.values);
    if !record.corrects.is_empty() {
        corrects(&mut object, infos, record.corrects);
    }
    object.close();
}

/// Writes the newest rolling values. `record.values` stand in the order of `infos`.
pub fn account_metrics(
    infos: &[&'static Info],
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
    metrics(&mut object, infos, record.values);
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

fn metrics(object: &mut Object<'_>, infos: &[&'static Info], values: &[Value]) {
    // No values at all withdraw the record: the account turned out not to be there on that day.
    debug_assert!(
        values.is_empty() || infos.len() == values.len(),
        "a value for each metric of the list"
    );
    let mut all = Object::open(object.key("metrics"));
    for (info, told) in infos.iter().zip(values) {
        value(all.key(info.id), told);
    }
    all.close();
    // Metrics of a feature come here when there are some; readers find the place from the start.
    Object::open(object.key("features")).close();
}

fn corrects(object: &mut Object<'_>, infos: &[&'static Info], corrected: &[Corrected]) {
    let mut old = Object::open(object.key("corrects"));
    for corrected in corrected {
        value(old.key(infos[corrected.metric].id), &corrected.was);
    }
    old.close();
}
