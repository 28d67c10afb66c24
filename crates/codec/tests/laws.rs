//! What holds for every record, however odd.

use mainstay_codec::{Format, Limits};
use mainstay_model::{Code, Rejection};
use proptest::prelude::*;
use serde_json::Value;

const EVENTS: &[&str] = &[
    include_str!("../fixtures/native/product.jsonl"),
    include_str!("../fixtures/native/identity.jsonl"),
    include_str!("../fixtures/native/business.jsonl"),
];

/// The events of the fixtures.
fn events() -> impl Strategy<Value = Value> {
    let all: Vec<Value> = EVENTS
        .iter()
        .flat_map(|file| file.lines())
        .map(|line| serde_json::from_str::<Value>(line).expect("fixtures are JSON"))
        .map(|line| line["record"].clone())
        .filter(Value::is_object)
        .collect();
    proptest::sample::select(all)
}

fn digest(record: &str) -> Result<u32, Rejection> {
    let mut digest = 0;
    let limits = Limits::default();
    Format::Native.decode(record.as_bytes(), &limits, |event| digest = event.digest)?;
    Ok(digest)
}

/// JSON with the keys of every object turned by `turn`, and with `space` between tokens.
fn rewritten(value: &Value, turn: usize, space: &str, out: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut keys: Vec<&String> = fields.keys().collect();
            let by = turn % keys.len().max(1);
            keys.rotate_left(by);
            out.push('{');
            for (place, key) in keys.into_iter().enumerate() {
                out.push_str(if place > 0 { "," } else { "" });
                let first = u32::from(key.chars().next().unwrap_or('x'));
                match turn % 2 == 1 && !key.is_empty() && first < 0x80 {
                    true => out.push_str(&format!("\"\\u{first:04x}{}\"", &key[1..])),
                    false => out.push_str(&Value::from(key.as_str()).to_string()),
                }
                out.push_str(&format!("{space}:{space}"));
                rewritten(&fields[key], turn, space, out);
            }
            out.push('}');
        }
        Value::Array(all) => {
            out.push('[');
            for (place, value) in all.iter().enumerate() {
                out.push_str(if place > 0 { "," } else { "" });
                out.push_str(space);
                rewritten(value, turn, space, out);
            }
            out.push(']');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            out.push_str(&value.to_string());
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_decoded_or_refused_with_a_reason(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Err(why) = Format::Native.decode(&bytes, &Limits::default(), |_| ()) {
            prop_assert!(!why.message.is_empty());
        }
    }

    #[test]
    fn a_damaged_event_is_decoded_or_refused(
        event in events(), damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = event.to_string().into_bytes();
        for (place, byte) in damage {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let mine = Format::Native.decode(&bytes, &Limits::default(), |_| ());
        // What another library cannot read is never accepted.
        if mine.is_ok() {
            prop_assert!(serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).is_ok());
        }
    }

    #[test]
    fn an_event_cut_short_is_refused(event in events(), end in any::<proptest::sample::Index>()) {
        let bytes = event.to_string().into_bytes();
        let cut = &bytes[..end.index(bytes.len())];
        let why = Format::Native.decode(cut, &Limits::default(), |_| ()).unwrap_err();
        prop_assert!(matches!(why.code, Code::NotJson | Code::Empty | Code::NotUtf8), "{why}");
    }

    #[test]
    fn the_order_of_keys_and_white_space_do_not_matter(
        event in events(), turn in 0usize..12, space in "[ \t\r\n]{0,3}",
    ) {
        let mut text = String::new();
        rewritten(&event, turn, &space, &mut text);
        match (digest(&event.to_string()), digest(&text)) {
            (Ok(one), Ok(other)) => prop_assert_eq!(one, other),
            (Err(one), Err(other)) => prop_assert_eq!(one.code, other.code),
            (one, other) => prop_assert!(false, "{one:?}, {other:?}: {text}"),
        }
    }

    #[test]
    fn unknown_fields_and_the_time_of_receipt_are_no_part_of_the_digest(event in events()) {
        let Ok(plain) = digest(&event.to_string()) else { return Ok(()) };
        let mut more = event;
        more["received_at"] = "2026-03-05T00:00:00Z".into();
        more["unknown"] = serde_json::json!({ "x": [1, null] });
        prop_assert_eq!(digest(&more.to_string()), Ok(plain));
    }

    #[test]
    fn another_field_is_another_digest(event in events(), name in "[a-z]{1,8}") {
        let Ok(plain) = digest(&event.to_string()) else { return Ok(()) };
        for key in ["id", "source", "user_id", "account_id"] {
            let mut other = event.clone();
            other[key] = format!("other-{name}").into();
            prop_assert_ne!(digest(&other.to_string()), Ok(plain));
        }
        let mut other = event;
        other["time"] = "2026-03-01T09:30:00.001Z".into();
        prop_assert_ne!(digest(&other.to_string()), Ok(plain));
    }
}
