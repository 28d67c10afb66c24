//! The records of a cohort of the fleet: `cohorts`.

use mainstay_model::CohortValue;

use super::SCHEMA_VERSION;
use super::write::{Object, optional, text, value};

/// Writes a value of a cohort.
pub fn cohort_value(record: &CohortValue<'_>, out: &mut Vec<u8>) {
    let mut object = Object::open(out);
    object.bare("schema_version", SCHEMA_VERSION);
    object.text("cohort_by", record.by);
    object.text("cohort", record.cohort);
    object.bare("size", record.size);
    optional(object.key("age"), record.age);
    value(object.key("value"), &record.value);
    object.text("metric", record.metric);
    object.bare("complete", record.complete);
    object.bare("revision", record.revision);
    if let Some(was) = &record.was {
        let mut old = Object::open(object.key("corrects"));
        if was.size != record.size {
            old.bare("size", was.size);
        }
        if was.value != record.value {
            value(old.key("value"), &was.value);
        }
        if was.complete != record.complete {
            old.bare("complete", was.complete);
        }
        old.close();
    }
    object.close();
}

/// Writes the key of a `cohorts` record: a JSON list of by what, cohort, metric and age,
/// `["signup_month","2026-03","retention_d7","d7"]`.
pub fn cohort_value_key(record: &CohortValue<'_>, out: &mut Vec<u8>) {
    out.push(b'[');
    for part in [record.by, record.cohort, record.metric] {
        text(out, part);
        out.push(b',');
    }
    optional(out, record.age);
    out.push(b']');
}
