//! Published examples: each line of `fixtures/<format>/*.jsonl` has a record and what comes of it.
//!
//! `{"record": …, "event": {…}}` or `{"record": …, "code": …, "field": …}`. `MAINSTAY_REFRESH=1` writes
//! anew what comes of the records; the difference is for a reviewer.

#![allow(clippy::unwrap_used, reason = "the helpers of a test fail it")]

use std::fmt::Write;
use std::path::Path;

use mainstay_codec::{Format, Limits};
use mainstay_model::{
    AccountFields, Body, Event, Field, Item, Price, Reduction, Subscription, Timestamp, UserFields,
};
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
        Body::Subscription(state) => subscription(state),
        Body::Payment(payment) => json!({
            "outcome": format!("{:?}", payment.outcome),
            "invoice": &*payment.invoice,
            "amount_minor": payment.amount_minor,
            "currency": payment.currency.code(),
            "recurring": payment.recurring,
            "attempt": payment.attempt,
            "subscription": payment.subscription.as_deref(),
        }),
        Body::Cost(cost) => json!({
            "purpose": format!("{:?}", cost.purpose),
            "amount_minor": cost.amount_minor,
            "currency": cost.currency.code(),
            "period": cost.period.map(|period| format!("{period:?}")),
        }),
        Body::UserRemoved | Body::AccountDeleted | Body::Other(_) => Value::Null,
    }
}

fn subscription(state: &Subscription<'_>) -> Value {
    let at = |at: Option<Timestamp>| at.map(|at| at.to_string());
    json!({
        "id": &*state.id,
        "status": format!("{:?}", state.status),
        "currency": state.currency.code(),
        "items": items(&state.items),
        "discounts": state.discounts.iter().map(|discount| json!({
            "off": match discount.off {
                Reduction::Percent(share) => format!("{share} %"),
                Reduction::Amount(amount) => amount.to_string(),
            },
            "duration": format!("{:?}", discount.duration),
            "starts_at": at(discount.starts_at),
            "ends_at": at(discount.ends_at),
            "price_id": discount.price_id.as_deref(),
        })).collect::<Vec<_>>(),
        "started_at": state.started_at.to_string(),
        "trial_end": at(state.trial_end),
        "current_period_end": at(state.current_period_end),
        "term_end": at(state.term_end),
        "cancel_at": at(state.cancel_at),
        "cancel_requested_at": at(state.cancel_requested_at),
        "ended_at": at(state.ended_at),
        "cancel_reason": state.cancel_reason,
        "signed_at": at(state.signed_at),
        "next": state.next.as_ref().map(|next| json!({ "at": next.at.to_string(), "items": items(&next.items) })),
        "version": state.version,
    })
}

fn items(items: &[Item<'_>]) -> Vec<Value> {
    let item = |item: &Item<'_>| {
        json!({
            "price_id": &*item.price_id,
            "product": item.product,
            "price": match &item.price {
                Price::Each(unit) => json!(unit.to_string()),
                Price::Tiers(mode, tiers) => json!({
                    "mode": format!("{mode:?}"),
                    "tiers": tiers.iter().map(|tier| {
                        json!([tier.up_to, tier.unit.to_string(), tier.flat.to_string()])
                    }).collect::<Vec<_>>(),
                }),
            },
            "quantity": item.quantity,
            "packages": item.packages.map(|of| format!("of {}, {:?}", of.divide_by, of.round)),
            "interval": item.interval.map(|every| format!("{} {:?}", every.count, every.span)),
            "usage": format!("{:?}", item.usage),
        })
    };
    items.iter().map(item).collect()
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
