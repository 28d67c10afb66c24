//! Published examples: each line of `fixtures/<format>/*.jsonl` has a record and what comes of it.
//!
//! `{"record": …, "event": {…}}` or `{"record": …, "code": …, "field": …}`. `MAINSTAY_REFRESH=1` writes
//! anew what comes of the records; the difference is for a reviewer.

#![allow(clippy::unwrap_used, reason = "the helpers of a test fail it")]

use std::fmt::Write;
use std::path::Path;

use mainstay_codec::{Format, Limits};
use mainstay_model::{AccountFields, Body, Event, Field, UserFields};
use serde_json::{Map, Value, json};

#[test]
fn every_example_is_decoded_as_it_says() {
    let refresh = std::env::var_os("MAINSTAY_REFRESH").is_some();
    for format in Format::ALL {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fixtures")
            .join(format.name());
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|f| f.unwrap().path())
            .collect();
        files.sort();
        assert!(!files.is_empty(), "{} has no examples", format.name());
        for file in files {
            let text = std::fs::read_to_string(&file).unwrap();
            let expected: String = text.lines().fold(String::new(), |mut all, line| {
                let record = serde_json::from_str::<Value>(line).unwrap()["record"].clone();
                writeln!(all, "{}", outcome(*format, record)).unwrap();
                all
            });
            match refresh {
                true => std::fs::write(&file, expected).unwrap(),
                false => assert_eq!(text, expected, "{}", file.display()),
            }
        }
    }
}

/// A record that is no object stands in the file as a text.
fn outcome(format: Format, record: Value) -> Value {
    let bytes = record
        .as_str()
        .map_or_else(|| record.to_string(), str::to_owned);
    let mut events = Vec::new();
    match format.decode(bytes.as_bytes(), &Limits::default(), |event| {
        events.push(told(&event))
    }) {
        Ok(ignored) => json!({ "record": record, "events": events, "ignored": ignored.0 }),
        Err(why) => json!({
            "record": record, "code": why.code.name(), "field": why.field, "message": why.message,
        }),
    }
}

fn told(event: &Event<'_>) -> Value {
    json!({
        "id": &*event.id,
        "source": event.source,
        "account": &*event.account,
        "user": event.user.as_deref(),
        "time": event.time.to_string(),
        "received_at": event.received_at.map(|at| at.to_string()),
        "digest": event.digest,
        "kind": event.body.kind().name(),
        "body": body(&event.body),
    })
}

fn body(body: &Body<'_>) -> Value {
    match body {
        Body::Product {
            name,
            duration_ms,
            actor,
        } => {
            json!({ "name": name, "duration_ms": duration_ms, "actor": format!("{actor:?}") })
        }
        Body::UserSignedUp(fields) | Body::UserInvited(fields) | Body::UserUpdated(fields) => {
            user(fields)
        }
        Body::AccountCreated(fields) | Body::AccountUpdated(fields) => account(fields),
        Body::UserRemoved | Body::AccountDeleted | Body::Other(_) => Value::Null,
    }
}

fn user(fields: &UserFields<'_>) -> Value {
    set([
        ("role", text(&fields.role)),
        ("traits", traits(&fields.traits)),
    ])
}

fn account(fields: &AccountFields<'_>) -> Value {
    set([
        ("name", text(&fields.name)),
        ("plan", text(&fields.plan)),
        ("seats", field(&fields.seats, |seats| json!(seats))),
        ("tz", field(&fields.tz, |zone| json!(zone.name()))),
        ("industry", text(&fields.industry)),
        ("region", text(&fields.region)),
        ("size", text(&fields.size)),
        ("owner", text(&fields.owner)),
        (
            "renewal_at",
            field(&fields.renewal_at, |at| json!(at.to_string())),
        ),
        ("parent", text(&fields.parent)),
        ("traits", traits(&fields.traits)),
    ])
}

type Trait<'a> = (std::borrow::Cow<'a, str>, Field<std::borrow::Cow<'a, str>>);

fn traits(traits: &[Trait<'_>]) -> Option<Value> {
    let all: Map<String, Value> = traits
        .iter()
        .filter_map(|(name, value)| Some((name.to_string(), text(value)?)))
        .collect();
    (!all.is_empty()).then_some(Value::Object(all))
}

fn set<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    let given = fields
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Value::Object(given.collect())
}

fn text(given: &Field<std::borrow::Cow<'_, str>>) -> Option<Value> {
    field(given, |text| json!(text))
}

fn field<T>(field: &Field<T>, told: impl FnOnce(&T) -> Value) -> Option<Value> {
    match field {
        Field::Keep => None,
        Field::Erase => Some(Value::Null),
        Field::Set(value) => Some(told(value)),
    }
}
