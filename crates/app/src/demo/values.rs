//! Reading single values of an account by the ids of their metrics.

use mainstay_engine::account_infos;
use mainstay_model::Value;

fn value<'v>(values: &'v [Value], id: &str) -> Option<&'v Value> {
    let place = account_infos().iter().position(|info| info.id == id)?;
    values.get(place)
}

/// A count; none where it is undefined.
pub(super) fn count(values: &[Value], id: &str) -> Option<i64> {
    match value(values, id)? {
        Value::Count(count) => Some(*count),
        Value::Undefined | Value::Ratio(_) | Value::Seconds(_) | Value::List(_) => None,
        Value::Day(_) | Value::Name(_) => None,
    }
}

/// A quotient; none where it is undefined.
pub(super) fn ratio(values: &[Value], id: &str) -> Option<f64> {
    match value(values, id)? {
        Value::Ratio(ratio) => Some(*ratio),
        Value::Undefined | Value::Count(_) | Value::Seconds(_) | Value::List(_) => None,
        Value::Day(_) | Value::Name(_) => None,
    }
}
