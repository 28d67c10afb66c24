//! The values that every record of metrics carries: `metrics`, `features`, and `corrects`.

use mainstay_model::{Column, Corrected, Value};

use super::write::{Object, value};

/// Writes the values, in the order of their columns.
pub(super) fn metrics(object: &mut Object<'_>, columns: &[Column], values: &[Value]) {
    // No values at all withdraw the record: nobody turned out to be there on that day.
    debug_assert!(
        values.is_empty() || columns.len() == values.len(),
        "a value for each column"
    );
    let all = || columns.iter().zip(values);
    let mut own = Object::open(object.key("metrics"));
    for (column, told) in all().filter(|(column, _)| column.feature.is_none()) {
        value(own.key(column.field()), told);
    }
    own.close();
    let mut features = Object::open(object.key("features"));
    let of_features: Vec<_> = all()
        .filter(|(column, _)| column.feature.is_some())
        .collect();
    for of_one in of_features.chunk_by(|(one, _), (next, _)| one.feature == next.feature) {
        let name = of_one[0].0.feature.as_deref().unwrap_or_default();
        let mut feature = Object::open(features.key(name));
        for (column, told) in of_one {
            value(feature.key(column.field()), told);
        }
        feature.close();
    }
    features.close();
}

/// Writes the old values of what changed, if anything did.
pub(super) fn corrects(object: &mut Object<'_>, columns: &[Column], corrected: &[Corrected]) {
    if corrected.is_empty() {
        return;
    }
    let mut old = Object::open(object.key("corrects"));
    for corrected in corrected {
        value(old.key(&columns[corrected.metric].name()), &corrected.was);
    }
    old.close();
}
