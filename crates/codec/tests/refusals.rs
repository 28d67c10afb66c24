//! What the native format refuses, case by case, with the code, the field and a part of the message.

use mainstay_codec::{Format, Limits};
use mainstay_model::{
    Body, Code, Cost, Currency, Event, Kind, Price, Purpose, Reduction, Rejection,
};

fn decode(value: &[u8]) -> Result<Event<'_>, Rejection> {
    let mut events = Vec::new();
    Format::Native.decode(value, &Limits::default(), |event| events.push(event))?;
    assert_eq!(
        events.len(),
        1,
        "the native format has one event per record"
    );
    Ok(events.remove(0))
}

#[track_caller]
fn refused(value: impl AsRef<[u8]>, code: Code, field: &str, message: &str) {
    let value = value.as_ref();
    let shown = String::from_utf8_lossy(&value[..value.len().min(300)]).into_owned();
    let why = decode(value).expect_err(&shown);
    assert_eq!(
        (why.code, why.field.as_str()),
        (code, field),
        "{shown}: {why}"
    );
    assert!(why.message.contains(message), "{shown}: {why}");
}

#[track_caller]
fn accepted(value: &str) -> Event<'_> {
    decode(value.as_bytes()).unwrap_or_else(|why| panic!("{value}: {why}"))
}

/// A good product event with `more` fields, the last of which win.
fn product(more: &str) -> String {
    format!(
        r#"{{"id":"e1","type":"product.event","account_id":"a","time":"2026-03-01T09:30:00Z","data":{{"name":"open"}}{more}}}"#
    )
}

/// A product event without `key`, which is one of its own.
fn without(key: &str) -> String {
    envelope(key, "")
}

/// A product event whose `key` has this JSON value.
fn with(key: &str, value: &str) -> String {
    envelope(key, &format!(r#""{key}":{value},"#))
}

fn envelope(but: &str, with: &str) -> String {
    let fields = [
        ("id", r#""e1""#),
        ("type", r#""product.event""#),
        ("account_id", r#""a""#),
        ("time", r#""2026-03-01T09:30:00Z""#),
        ("data", r#"{"name":"open"}"#),
    ];
    let rest: Vec<String> = fields
        .iter()
        .filter(|(key, _)| *key != but)
        .map(|(key, value)| format!(r#""{key}":{value}"#))
        .collect();
    format!("{{{with}{}}}", rest.join(","))
}

/// An event of a type with this data.
fn of(kind: &str, data: &str) -> String {
    format!(
        r#"{{"id":"e1","type":"{kind}","account_id":"a","user_id":"u","time":"2026-03-01T09:30:00Z","data":{data}}}"#
    )
}

fn invoice(amount: &str, currency: &str) -> String {
    of(
        "invoice.paid",
        &format!(
            r#"{{"invoice_id":"i","amount_minor":{amount},"currency":{currency},"recurring":true}}"#
        ),
    )
}

#[test]
fn row_01_an_empty_payload() {
    refused("", Code::Empty, "", "no bytes");
    refused("  \n", Code::NotJson, "", "byte 3: the text ends");
}

#[test]
fn row_03_bytes_that_are_something_else() {
    refused(b"\x1f\x8b\x08\x00\x00\x00", Code::NotJson, "", "gzip");
    refused(
        b"\x00\x00\x00\x00\x07\x02a",
        Code::NotJson,
        "",
        "magic byte 0",
    );
    refused(
        b"\x00\x00\x00\x00\x07\x02\xff\xfe",
        Code::NotJson,
        "",
        "magic byte 0",
    );
    refused(b"Obj\x01\x04\x14avro.codec", Code::NotJson, "", "Avro");
    refused(b"\x0a\x05hello\x10\x01", Code::NotJson, "", "Protobuf");
    refused(b"\x08\x96\x01", Code::NotJson, "", "Protobuf");
    refused(b"\x28\xb5\x2f\xfd\x00", Code::NotJson, "", "zstd");
    refused(b"\x89PNG\r\n\x1a\n\x00\x00", Code::NotJson, "", "binary");
    refused(
        (0..=255u8).collect::<Vec<u8>>(),
        Code::NotJson,
        "",
        "byte 0",
    );
    refused("hello", Code::NotJson, "", "byte 0: found `h`");
    refused("<event/>", Code::NotJson, "", "byte 0: found `<`");
}

#[test]
fn row_04_truncated_json_names_the_byte() {
    let whole = product("");
    for end in 1..whole.len() {
        let why = decode(&whole.as_bytes()[..end]).unwrap_err();
        assert_eq!(why.code, Code::NotJson, "{end}: {why}");
        assert!(why.message.starts_with("byte "), "{why}");
    }
    refused(
        &whole[..whole.len() - 1],
        Code::NotJson,
        "",
        &format!("byte {}:", whole.len() - 1),
    );
}

#[test]
fn row_04_what_is_broken_as_a_text_is_refused_for_that_first() {
    refused(
        r#"{"type":"nonsense","time":5,"#,
        Code::NotJson,
        "",
        "byte 28",
    );
    refused(r#"{"id":""} x"#, Code::TrailingData, "", "byte 10");
}

#[test]
fn row_05_two_values_in_one_record() {
    refused(
        product("") + &product(""),
        Code::TrailingData,
        "",
        "follows",
    );
    refused(product("") + "\0", Code::TrailingData, "", "follows");
    refused(product("") + ",", Code::TrailingData, "", "follows");
    assert!(decode((product("") + " \r\n\t").as_bytes()).is_ok());
}

#[test]
fn row_06_text_that_is_no_utf8() {
    let mut bytes = product("").into_bytes();
    bytes[8] = 0xFF;
    refused(&bytes, Code::NotUtf8, "", "byte 8");
    refused(b"\xff\xfe{\x00}\x00", Code::NotUtf8, "", "UTF-16");
    refused(b"\xff\xff\xff", Code::NotUtf8, "", "byte 0");
    refused(b"{\"id\":\"\xed\xa0\x80\"}", Code::NotUtf8, "", "byte 7");
    refused(with("id", r#""\ud800""#), Code::NotUtf8, "", "surrogate");
    refused(
        product(r#","note":"\udc00""#),
        Code::NotUtf8,
        "",
        "surrogate",
    );
}

#[test]
fn row_06_a_byte_order_mark_is_stripped() {
    assert!(decode(format!("\u{feff}{}", product("")).as_bytes()).is_ok());
    refused("\u{feff}{", Code::NotJson, "", "byte 4:");
    refused("\u{feff}", Code::NotJson, "", "byte 3:");
}

#[test]
fn row_07_nesting() {
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    refused("[".repeat(10_000), Code::TooDeep, "", "deeper");
    refused("{\"a\":".repeat(10_000), Code::TooDeep, "", "deeper");
    refused(
        product(&format!(r#","ignored":{}"#, deep(10_000))),
        Code::TooDeep,
        "",
        "deeper",
    );
    refused(
        of(
            "product.event",
            &format!(r#"{{"name":"n","properties":{{"p":{}}}}}"#, deep(10_000)),
        ),
        Code::TooDeep,
        "",
        "",
    );
    assert!(decode(product(&format!(r#","ignored":{}"#, deep(63))).as_bytes()).is_ok());
    refused(
        product(&format!(r#","ignored":{}"#, deep(64))),
        Code::TooDeep,
        "",
        "deeper",
    );
}

#[test]
fn row_07_a_limit_of_any_depth_does_not_overflow_the_stack() {
    let limits = Limits {
        max_bytes: usize::MAX,
        max_depth: u32::MAX,
    };
    let deep = format!(r#"{{"a":{}}}"#, "[".repeat(1_000_000));
    let why = Format::Native
        .decode(deep.as_bytes(), &limits, |_| ())
        .unwrap_err();
    assert_eq!(why.code, Code::TooDeep);
}

#[test]
fn row_08_size() {
    refused(
        with("id", &format!("\"{}\"", "x".repeat(900 * 1024))),
        Code::TooLarge,
        "",
        "65536",
    );
    let keys: Vec<String> = (0..100_000).map(|key| format!("\"k{key}\":1")).collect();
    refused(format!("{{{}}}", keys.join(",")), Code::TooLarge, "", "");
    let room = 65_536 - product(r#","x":"""#).len();
    assert!(decode(product(&format!(r#","x":"{}""#, "y".repeat(room))).as_bytes()).is_ok());
    refused(
        product(&format!(r#","x":"{}""#, "y".repeat(room + 1))),
        Code::TooLarge,
        "",
        "65537 bytes",
    );
}

#[test]
fn row_09_a_key_of_identity_time_or_money_twice() {
    for (key, value) in [
        ("id", r#""e1""#),
        ("type", r#""product.event""#),
        ("account_id", r#""a""#),
        ("time", r#""2026-03-01T09:30:00Z""#),
        ("data", r#"{"name":"open"}"#),
    ] {
        refused(
            product(&format!(r#","{key}":{value}"#)),
            Code::DuplicateKey,
            key,
            "twice",
        );
    }
    for (key, value) in [
        ("user_id", r#""u""#),
        ("source", r#""s""#),
        ("received_at", r#""2026-03-01T09:30:00Z""#),
    ] {
        let more = format!(r#","{key}":{value},"{key}":{value}"#);
        refused(product(&more), Code::DuplicateKey, key, "twice");
        refused(
            product(&format!(r#","{key}":null,"{key}":{value}"#)),
            Code::DuplicateKey,
            key,
            "twice",
        );
    }
    refused(
        product(r#","accou\u006et_id":"b""#),
        Code::DuplicateKey,
        "account_id",
        "twice",
    );
    refused(
        invoice(r#"1,"amount_minor":1"#, r#""USD""#),
        Code::DuplicateKey,
        "data.amount_minor",
        "",
    );
    refused(
        invoice("1", r#""USD","currency":"USD""#),
        Code::DuplicateKey,
        "data.currency",
        "",
    );
    let renewal = r#"{"renewal_at":"2026-03-01T09:30:00Z","renewal_at":"2026-03-01T09:30:00Z"}"#;
    refused(
        of("account.updated", renewal),
        Code::DuplicateKey,
        "data.renewal_at",
        "",
    );
}

#[test]
fn row_09_elsewhere_the_last_one_wins() {
    let text = of(
        "product.event",
        r#"{"name":"first","name":"last","x":1,"x":2}"#,
    );
    assert!(matches!(accepted(&text).body, Body::Product { ref name, .. } if name == "last"));
    let text = of(
        "account.updated",
        r#"{"traits":{"a":"1","b":"x","a":"2"},"plan":"x","plan":"y"}"#,
    );
    let Body::AccountUpdated(fields) = accepted(&text).body else {
        panic!("another body")
    };
    let traits: Vec<_> = fields
        .traits
        .iter()
        .map(|(name, value)| format!("{name}={value:?}"))
        .collect();
    assert_eq!(traits, [r#"a=Set("2")"#, r#"b=Set("x")"#]);
}

#[test]
fn row_10_and_13_a_required_field_that_is_missing_empty_or_blank() {
    for key in ["id", "type", "account_id", "time"] {
        refused(without(key), Code::MissingField, key, "missing");
        refused(with(key, "null"), Code::MissingField, key, "missing");
    }
    for key in ["id", "type", "account_id"] {
        refused(with(key, r#""""#), Code::MissingField, key, "blank");
        refused(
            with(key, r#"" \t\n\u00a0""#),
            Code::MissingField,
            key,
            "blank",
        );
    }
    refused(without("data"), Code::MissingField, "data.name", "missing");
    refused(
        with("data", "null"),
        Code::MissingField,
        "data.name",
        "missing",
    );
    refused(
        with("data", "{}"),
        Code::MissingField,
        "data.name",
        "missing",
    );
    refused(
        with("data", r#"{"name":" "}"#),
        Code::MissingField,
        "data.name",
        "blank",
    );
    refused("{}", Code::MissingField, "type", "missing");
}

#[test]
fn row_11_a_wrong_type_names_the_path() {
    for key in [
        "id",
        "type",
        "account_id",
        "time",
        "user_id",
        "source",
        "received_at",
    ] {
        refused(
            with(key, "true"),
            Code::BadField,
            key,
            "found true or false, expected a string",
        );
    }
    refused(
        with("data", "[]"),
        Code::BadField,
        "data",
        "found a list, expected an object",
    );
    refused(
        with("data", "\"x\""),
        Code::BadField,
        "data",
        "found a string",
    );
    for (data, field) in [
        (r#"{"name":5}"#, "data.name"),
        (r#"{"name":"n","duration_ms":"5"}"#, "data.duration_ms"),
        (r#"{"name":"n","duration_ms":-1}"#, "data.duration_ms"),
        (r#"{"name":"n","duration_ms":1e400}"#, "data.duration_ms"),
        (
            r#"{"name":"n","duration_ms":1000000000001}"#,
            "data.duration_ms",
        ),
        (r#"{"name":"n","session_id":7}"#, "data.session_id"),
        (r#"{"name":"n","actor":"robot"}"#, "data.actor"),
        (r#"{"name":"n","properties":[]}"#, "data.properties"),
    ] {
        refused(of("product.event", data), Code::BadField, field, "found ");
        // The same when the type comes after the data.
        let late = format!(
            r#"{{"data":{data},"type":"product.event","id":"e","account_id":"a","time":"2026-03-01T09:30:00Z"}}"#
        );
        refused(late, Code::BadField, field, "found ");
    }
    for (data, field) in [
        (r#"{"seats":"5"}"#, "data.seats"),
        (r#"{"seats":2.5}"#, "data.seats"),
        (r#"{"seats":4294967296}"#, "data.seats"),
        (r#"{"tz":"Europe/Berlln"}"#, "data.tz"),
        (r#"{"name":{}}"#, "data.name"),
        (r#"{"renewal_at":"2026-03-01"}"#, "data.renewal_at"),
        (r#"{"traits":"x"}"#, "data.traits"),
    ] {
        refused(of("account.updated", data), Code::BadField, field, "found ");
    }
    refused(
        of("account.updated", r#"{"tz":"Europe/Berlln"}"#),
        Code::BadField,
        "data.tz",
        "did you mean `Europe/Berlin`?",
    );
}

#[test]
fn row_12_a_type_that_is_not_known_gets_the_nearest_name() {
    refused(
        with("type", r#""product.evnt""#),
        Code::UnknownType,
        "type",
        "did you mean `product.event`?",
    );
    refused(
        with("type", r#""Product.Event""#),
        Code::UnknownType,
        "type",
        "`Product.Event`",
    );
    refused(
        with("type", r#""zzz""#),
        Code::UnknownType,
        "type",
        "`zzz` is not a type of event",
    );
    refused(
        with("type", &format!("\"{}\"", "y".repeat(60_000))),
        Code::UnknownType,
        "type",
        "…",
    );
}

#[test]
fn row_14_times_that_are_no_instants() {
    for (time, message) in [
        ("1772357400", "found a number, expected RFC 3339"),
        ("1772357400000.5", "found a number"),
        (r#""1772357400""#, "expected RFC 3339"),
        (r#""2026-03-01T09:30:00""#, "without an offset"),
        (r#""2026-03-01T09:30:00.123""#, "without an offset"),
        (r#""2026-03-01T24:00:00Z""#, "no such time of day"),
        (r#""2026-02-30T00:00:00Z""#, "no such day"),
        (r#""2026-03-01""#, "expected RFC 3339"),
        (r#""0001-01-01T00:00:00Z""#, "the year"),
        (r#""""#, "expected RFC 3339"),
    ] {
        refused(with("time", time), Code::BadField, "time", message);
        refused(
            product(&format!(r#","received_at":{time}"#)),
            Code::BadField,
            "received_at",
            message,
        );
    }
}

#[test]
fn row_14_a_leap_second_is_folded_and_milliseconds_are_cut() {
    let ms = |time: &str| accepted(&with("time", time)).time.0;
    assert_eq!(
        ms(r#""2016-12-31T23:59:60Z""#),
        ms(r#""2016-12-31T23:59:59Z""#)
    );
    assert_eq!(
        ms(r#""2026-03-01T09:30:00.9999Z""#),
        ms(r#""2026-03-01T10:30:00.999+01:00""#)
    );
}

#[test]
fn row_15_times_far_away_are_decoded_and_judged_elsewhere() {
    assert_eq!(
        accepted(&with("time", r#""1970-01-01T00:00:00Z""#)).time.0,
        0
    );
    assert!(accepted(&with("time", r#""2099-01-01T00:00:00Z""#)).time.0 > 0);
}

#[test]
fn row_17_money_that_is_no_whole_number_of_minor_units() {
    for amount in [
        "0.1",
        "NaN",
        "-Infinity",
        "1e400",
        "1e2",
        "100.0",
        r#""1,234.56""#,
        r#""100""#,
        r#""NaN""#,
        "1234567890123456789012345",
        "-1234567890123456789012345",
        "9223372036854775808",
        "true",
        "{}",
    ] {
        refused(
            invoice(amount, r#""USD""#),
            Code::BadAmount,
            "data.amount_minor",
            "found ",
        );
        let typed = r#""type":"invoice.paid","#;
        let late = invoice(amount, r#""USD""#).replace(typed, "");
        let late = format!(r#"{},"type":"invoice.paid"}}"#, &late[..late.len() - 1]);
        refused(late, Code::BadAmount, "data.amount_minor", "found ");
    }
    for amount in ["0", "-5", "1000000000000000"] {
        accepted(&invoice(amount, r#""USD""#));
    }
    refused(
        of(
            "invoice.paid",
            r#"{"invoice_id":"i","currency":"USD","recurring":true}"#,
        ),
        Code::MissingField,
        "data.amount_minor",
        "",
    );
    refused(product(r#","odd":NaN"#), Code::NotJson, "", "found `N`");
    for price in [
        r#""0.1.2""#,
        r#""1,5""#,
        r#"".5""#,
        r#""""#,
        "0.05",
        "NaN",
        "1e400",
        "null",
    ] {
        let item = format!(
            r#"{{"price_id":"p","unit_amount_minor":{price},"quantity":1,"interval":"month"}}"#
        );
        let code = if price == "null" {
            Code::MissingField
        } else {
            Code::BadAmount
        };
        refused(
            subscription(&item, "", ""),
            code,
            "data.items[0].unit_amount_minor",
            "",
        );
    }
}

#[test]
fn row_18_currencies() {
    for currency in [r#""usd""#, r#""XXX""#, r#""US$""#, r#""""#, "840", "null"] {
        refused(
            invoice("1", currency),
            Code::BadCurrency,
            "data.currency",
            "",
        );
    }
    refused(
        of(
            "invoice.paid",
            r#"{"invoice_id":"i","amount_minor":1,"recurring":true}"#,
        ),
        Code::BadCurrency,
        "data.currency",
        "missing",
    );
}

#[test]
fn row_19_negative_seats() {
    refused(
        of("account.updated", r#"{"seats":-1}"#),
        Code::BadState,
        "data.seats",
        "found -1",
    );
}

#[test]
fn row_23_odd_ids_are_kept_as_they_are_and_long_ones_refused() {
    for id in [
        r#""a\u0000b""#,
        r#""a\nb""#,
        r#""😀""#,
        r#""a\"}""#,
        r#""../../etc""#,
        r#""\ud83d\ude00""#,
    ] {
        let text = with("account_id", id);
        let expected: String = serde_json::from_str(id).unwrap();
        assert_eq!(accepted(&text).account.as_str(), expected);
    }
    let long = |len| format!("\"{}\"", "é".repeat(len));
    accepted(&with("account_id", &long(128)));
    for key in ["id", "account_id", "user_id", "source"] {
        refused(
            with(key, &long(129)),
            Code::BadField,
            key,
            "has 129 characters, expected 1 to 128",
        );
    }
    refused(
        with("id", &format!("\"{}\"", "x".repeat(10_000))),
        Code::BadField,
        "id",
        "10000",
    );
}

#[test]
fn json_that_is_no_object() {
    for text in ["[]", "5", "\"x\"", "true", "null", " [1, {}] "] {
        refused(text, Code::NotAnObject, "", "expected an object");
    }
    refused("[1", Code::NotJson, "", "byte 2");
    refused("[] []", Code::TrailingData, "", "");
}

#[test]
fn the_whole_company_has_costs_and_nothing_else() {
    refused(
        with("account_id", r#""*""#),
        Code::BadField,
        "account_id",
        "cost.recorded",
    );
    let cost = of(
        "cost.recorded",
        r#"{"purpose":"acquisition","amount_minor":5,"currency":"EUR"}"#,
    );
    let cost = cost.replace(r#""account_id":"a""#, r#""account_id":"*""#);
    let told = Cost {
        purpose: Purpose::Acquisition,
        amount_minor: 5,
        currency: Currency::of("EUR").unwrap(),
        period: None,
    };
    assert_eq!(accepted(&cost).body, Body::Cost(told));
}

#[test]
fn events_of_users_need_a_user() {
    for kind in [
        "user.signed_up",
        "user.invited",
        "user.removed",
        "user.updated",
        "user.merged",
        "user.erased",
    ] {
        for user in ["", r#","user_id":null"#, r#","user_id":" ""#] {
            let text = format!(
                r#"{{"id":"e","type":"{kind}","account_id":"a","time":"2026-03-01T09:30:00Z","data":{{"into":"x"}}{user}}}"#
            );
            refused(text, Code::MissingField, "user_id", "missing");
        }
    }
    assert_eq!(accepted(&product(r#","user_id":"""#)).user, None);
    assert_eq!(accepted(&product(r#","user_id":null"#)).user, None);
}

#[test]
fn unknown_fields_are_ignored_and_counted() {
    let count = |text: &str| {
        Format::Native
            .decode(text.as_bytes(), &Limits::default(), |_| ())
            .unwrap()
            .0
    };
    assert_eq!(count(&product("")), 0);
    assert_eq!(count(&product(r#","x":{"y":[1,2]},"z":null"#)), 2);
    assert_eq!(
        count(&of(
            "product.event",
            r#"{"name":"n","plan":"x","properties":{"a":1}}"#
        )),
        1
    );
    let late = r#"{"data":{"name":"n","a":1,"b":2},"c":3,"type":"product.event","id":"e","account_id":"a","time":"2026-03-01T09:30:00Z"}"#;
    assert_eq!(count(late), 3);
}

#[test]
fn a_duration_is_cut_to_milliseconds() {
    for (written, ms) in [
        ("0", 0),
        ("-0", 0),
        ("-0.0", 0),
        ("1.999", 1),
        ("1.5e3", 1500),
        ("1e12", 1_000_000_000_000),
        ("null", 0),
    ] {
        let text = of(
            "product.event",
            &format!(r#"{{"name":"n","duration_ms":{written}}}"#),
        );
        assert!(
            matches!(accepted(&text).body, Body::Product { duration_ms, .. } if duration_ms == ms),
            "{text}"
        );
    }
}

fn subscription(items: &str, discounts: &str, more: &str) -> String {
    of(
        "subscription.updated",
        &format!(
            r#"{{"subscription_id":"s","status":"active","currency":"USD","items":[{items}],"discounts":[{discounts}],"started_at":"2026-03-01T09:30:00Z"{more}}}"#
        ),
    )
}

#[test]
fn subscriptions() {
    const ITEM: &str = r#"{"price_id":"p","unit_amount_minor":900,"quantity":3,"interval":"month","interval_count":1,"usage_type":"licensed"}"#;
    const TIERED: &str = r#"{"price_id":"p","tiers":[{"up_to":10,"unit_amount_minor":"0.05"},{"up_to":null,"unit_amount_minor":4,"flat_amount_minor":100}],"tiers_mode":"graduated","quantity":3,"interval":"year"}"#;
    for (items, discounts, more) in [
        ("", "", ""),
        (ITEM, "", ""),
        (
            TIERED,
            r#"{"percent_off":12.5,"duration":"forever"}"#,
            r#","version":7"#,
        ),
        (
            ITEM,
            r#"{"amount_off_minor":100,"duration":"once","price_id":"p"}"#,
            r#","next":{"at":"2026-04-01T00:00:00Z","items":[]}"#,
        ),
        (
            r#"{"price_id":"p","unit_amount_minor":900,"quantity":1}"#,
            "",
            r#","trial_end":null"#,
        ),
    ] {
        let text = subscription(items, discounts, more);
        assert_eq!(accepted(&text).body.kind(), Kind::SubscriptionUpdated);
    }
    for (from, to, code, field) in [
        (
            r#""price_id":"p","#,
            "",
            Code::MissingField,
            "data.items[0].price_id",
        ),
        (
            r#""unit_amount_minor":900,"#,
            "",
            Code::MissingField,
            "data.items[0].unit_amount_minor",
        ),
        (
            r#""quantity":3"#,
            r#""quantity":-3"#,
            Code::BadState,
            "data.items[0].quantity",
        ),
        (
            r#""month""#,
            r#""fortnight""#,
            Code::BadField,
            "data.items[0].interval",
        ),
        (
            r#""interval_count":1"#,
            r#""interval_count":0"#,
            Code::BadField,
            "data.items[0].interval_count",
        ),
        (
            r#""licensed""#,
            r#""other""#,
            Code::BadField,
            "data.items[0].usage_type",
        ),
    ] {
        refused(
            subscription(&ITEM.replace(from, to), "", ""),
            code,
            field,
            "",
        );
    }
    for (from, to, code, field) in [
        (
            r#","tiers_mode":"graduated""#,
            "",
            Code::MissingField,
            "data.items[0].tiers_mode",
        ),
        (
            r#""up_to":10"#,
            r#""up_to":null"#,
            Code::BadField,
            "data.items[0].tiers[1].up_to",
        ),
        (
            r#""0.05""#,
            r#""x""#,
            Code::BadAmount,
            "data.items[0].tiers[0].unit_amount_minor",
        ),
    ] {
        refused(
            subscription(&TIERED.replace(from, to), "", ""),
            code,
            field,
            "",
        );
    }
    refused(
        subscription(ITEM, r#"{"duration":"once"}"#, ""),
        Code::MissingField,
        "data.discounts[0].percent_off",
        "",
    );
    refused(
        subscription(ITEM, r#"{"percent_off":101,"duration":"once"}"#, ""),
        Code::BadField,
        "data.discounts[0].percent_off",
        "",
    );
    refused(
        subscription(
            ITEM,
            r#"{"percent_off":1,"amount_off_minor":1,"duration":"once"}"#,
            "",
        ),
        Code::BadField,
        "data.discounts[0].amount_off_minor",
        "",
    );
    refused(
        subscription(
            ITEM,
            "",
            r#","next":{"at":"2026-04-01T00:00:00Z","items":[{"price_id":"p","quantity":1}]}"#,
        ),
        Code::MissingField,
        "data.next.items[0].unit_amount_minor",
        "",
    );
    refused(
        subscription(ITEM, "", "").replace("\"active\"", "\"live\""),
        Code::BadField,
        "data.status",
        "expected one of trialing, active",
    );
}

#[test]
fn prices_are_what_is_written_to_the_last_digit() {
    let price = |written: &str| {
        let item = format!(
            r#"{{"price_id":"p","unit_amount_minor":{written},"quantity":1,"interval":"month"}}"#
        );
        let text = subscription(&item, "", "");
        let Body::Subscription(state) = accepted(&text).body else {
            panic!("{text} is a subscription")
        };
        match &state.items[0].price {
            Price::Each(unit) => unit.to_string(),
            Price::Tiers(..) => panic!("{text} has no tiers"),
        }
    };
    for (written, told) in [
        ("900", "900"),
        (r#""0.05""#, "0.05"),
        (r#""12.340""#, "12.34"),
        (r#""0.000000000001""#, "0.000000000001"),
        (r#""900""#, "900"),
        ("1000000000000000", "1000000000000000"),
    ] {
        assert_eq!(price(written), told, "{written}");
    }
}

#[test]
fn a_share_off_is_what_is_written_to_the_last_digit() {
    let off = |written: &str| {
        let discount = format!(r#"{{"percent_off":{written},"duration":"forever"}}"#);
        let text = subscription("", &discount, "");
        let Body::Subscription(state) = accepted(&text).body else {
            panic!("{text} is a subscription")
        };
        match state.discounts[0].off {
            Reduction::Percent(share) => share.to_string(),
            Reduction::Amount(_) => panic!("{text} is a share"),
        }
    };
    for (written, told) in [
        ("12.5", "12.5"),
        ("1e2", "100"),
        ("33.33", "33.33"),
        ("-0", "0"),
    ] {
        assert_eq!(off(written), told, "{written}");
    }
    for written in ["1e-19", "0.0000000000000000001"] {
        let discount = format!(r#"{{"percent_off":{written},"duration":"forever"}}"#);
        refused(
            subscription("", &discount, ""),
            Code::BadField,
            "data.discounts[0].percent_off",
            "18 decimals at most",
        );
    }
}

#[test]
fn an_item_without_an_interval_is_a_one_off_and_may_be_a_credit() {
    for interval in ["", r#","interval":"none""#, r#","interval":null"#] {
        let item = format!(r#"{{"price_id":"p","unit_amount_minor":-900,"quantity":1{interval}}}"#);
        let text = subscription(&item, "", "");
        let Body::Subscription(state) = accepted(&text).body else {
            panic!("{text} is a subscription")
        };
        assert_eq!(state.items[0].interval, None, "{text}");
    }
}

#[test]
fn what_is_paid_again_and_again_is_neither_below_0_nor_beyond_what_sums_hold() {
    let unit = |unit: &str, quantity: &str| {
        format!(
            r#"{{"price_id":"p","unit_amount_minor":{unit},"quantity":{quantity},"interval":"month"}}"#
        )
    };
    let tiers = |tier: &str| {
        format!(
            r#"{{"price_id":"p","tiers":[{tier}],"tiers_mode":"volume","quantity":2,"interval":"year"}}"#
        )
    };
    let most = "1000000000000000";
    accepted(&subscription(&unit(most, "1"), "", ""));
    accepted(&subscription(&unit(most, "0"), "", ""));
    for (items, field, why) in [
        (
            unit("-1", "1"),
            "data.items[0].unit_amount_minor",
            "found -1",
        ),
        (
            unit(r#""-0.01""#, "0"),
            "data.items[0].unit_amount_minor",
            "found -0.01",
        ),
        (
            unit(most, "2"),
            "data.items[0].unit_amount_minor",
            "above 1000000000000000",
        ),
        (
            unit(most, "1000000000000"),
            "data.items[0].unit_amount_minor",
            "above",
        ),
        (
            format!("{},{}", unit(most, "1"), unit("1", "1")),
            "data.items[1].unit_amount_minor",
            "above",
        ),
        (
            tiers(r#"{"unit_amount_minor":-1}"#),
            "data.items[0].tiers",
            "found -1",
        ),
        (
            tiers(r#"{"unit_amount_minor":1,"flat_amount_minor":-3}"#),
            "data.items[0].tiers",
            "found -3",
        ),
        (
            tiers(&format!(
                r#"{{"unit_amount_minor":1,"flat_amount_minor":{most}}}"#
            )),
            "data.items[0].tiers",
            "above",
        ),
    ] {
        refused(subscription(&items, "", ""), Code::BadAmount, field, why);
        let next = format!(r#","next":{{"at":"2026-04-01T00:00:00Z","items":[{items}]}}"#);
        let field = field.replace("data.items", "data.next.items");
        refused(subscription("", "", &next), Code::BadAmount, &field, why);
    }
    refused(
        subscription("", r#"{"amount_off_minor":-5,"duration":"once"}"#, ""),
        Code::BadAmount,
        "data.discounts[0].amount_off_minor",
        "no less than 0",
    );
    let discount = r#"{"percent_off":1,"duration":"once"}"#;
    accepted(&subscription("", &vec![discount; 50].join(","), ""));
    refused(
        subscription("", &vec![discount; 51].join(","), ""),
        Code::BadField,
        "data.discounts",
        "has 51, expected 50 at most",
    );
}

#[test]
fn every_other_type_has_a_shape() {
    let good = [
        (
            "invoice.payment_failed",
            r#"{"invoice_id":"i","amount_minor":1,"currency":"JPY","recurring":false,"attempt":2,"subscription_id":"s"}"#,
        ),
        (
            "invoice.voided",
            r#"{"invoice_id":"i","amount_minor":1,"currency":"JPY","recurring":false}"#,
        ),
        (
            "payment.refunded",
            r#"{"invoice_id":"i","amount_minor":1,"currency":"JPY","recurring":false}"#,
        ),
        (
            "payment.disputed",
            r#"{"invoice_id":"i","amount_minor":1,"currency":"JPY","recurring":false}"#,
        ),
        (
            "cost.recorded",
            r#"{"purpose":"retention","amount_minor":1,"currency":"JPY","period":"2026-Q4"}"#,
        ),
        (
            "cost.recorded",
            r#"{"purpose":"onboarding","amount_minor":1,"currency":"JPY","period":"2026-12"}"#,
        ),
        (
            "cost.recorded",
            r#"{"purpose":"onboarding","amount_minor":1,"currency":"JPY","period":"2026"}"#,
        ),
        (
            "ticket.opened",
            r#"{"ticket_id":"t","tags":["a","b"],"priority":"high","channel":"mail"}"#,
        ),
        ("ticket.replied", r#"{"ticket_id":"t","by":"agent"}"#),
        ("ticket.resolved", r#"{"ticket_id":"t"}"#),
        ("ticket.reopened", r#"{"ticket_id":"t","by":"customer"}"#),
        ("survey.answered", r#"{"survey":"nps","score":0}"#),
        (
            "survey.answered",
            r#"{"survey":"csat","score":7,"scale":"1-7","excluded":true}"#,
        ),
        (
            "survey.answered",
            r#"{"survey":"ces","score":1,"scale":"yes-no","comment":"ok"}"#,
        ),
        (
            "survey.amended",
            r#"{"survey":"nps","score":10,"response_id":"r"}"#,
        ),
        ("article.viewed", r#"{"article_id":"a"}"#),
        ("article.rated", r#"{"article_id":"a","helpful":false}"#),
        ("referral.invited", r#"{"referral_id":"r","invitee":"x"}"#),
        ("referral.joined", r#"{"referral_id":"r"}"#),
        ("cs.touched", r#"{"channel":"call"}"#),
        ("cs.touched", "null"),
        ("cs.pulse", r#"{"score":100}"#),
        ("cs.sentiment", r#"{"score":0}"#),
        ("cs.cancellation_reason", r#"{"reason":"price"}"#),
        ("alert.acknowledged", r#"{"alert_id":"x"}"#),
        (
            "alert.snoozed",
            r#"{"alert_id":"x","until":"2026-03-01T09:30:00Z"}"#,
        ),
        ("alert.resolved", r#"{"alert_id":"x","outcome":"saved"}"#),
        ("alert.assigned", r#"{"alert_id":"x","by":"kim"}"#),
        ("user.merged", r#"{"into":"u2"}"#),
        ("account.merged", r#"{"into":"a2"}"#),
        ("user.erased", "{}"),
    ];
    for (kind, data) in good {
        let text = of(kind, data);
        assert_eq!(accepted(&text).body.kind(), Kind::of(kind).unwrap());
    }
    for (kind, data, code, field) in [
        (
            "cost.recorded",
            r#"{"purpose":"fun","amount_minor":1,"currency":"JPY"}"#,
            Code::BadField,
            "data.purpose",
        ),
        (
            "cost.recorded",
            r#"{"purpose":"retention","amount_minor":1,"currency":"JPY","period":"2026-Q5"}"#,
            Code::BadField,
            "data.period",
        ),
        (
            "cost.recorded",
            r#"{"purpose":"retention","amount_minor":1,"currency":"JPY","period":"2026-13"}"#,
            Code::BadField,
            "data.period",
        ),
        (
            "cost.recorded",
            r#"{"purpose":"retention","amount_minor":1,"currency":"JPY","period":"2026-"}"#,
            Code::BadField,
            "data.period",
        ),
        (
            "cost.recorded",
            r#"{"purpose":"retention","amount_minor":1,"currency":"JPY","period":"26"}"#,
            Code::BadField,
            "data.period",
        ),
        (
            "invoice.paid",
            r#"{"amount_minor":1,"currency":"JPY","recurring":false}"#,
            Code::MissingField,
            "data.invoice_id",
        ),
        (
            "invoice.paid",
            r#"{"invoice_id":"i","amount_minor":1,"currency":"JPY","recurring":"yes"}"#,
            Code::BadField,
            "data.recurring",
        ),
        ("ticket.opened", "{}", Code::MissingField, "data.ticket_id"),
        (
            "ticket.opened",
            r#"{"ticket_id":"t","tags":["a",5]}"#,
            Code::BadField,
            "data.tags[1]",
        ),
        (
            "ticket.replied",
            r#"{"ticket_id":"t"}"#,
            Code::MissingField,
            "data.by",
        ),
        (
            "ticket.replied",
            r#"{"ticket_id":"t","by":"boss"}"#,
            Code::BadField,
            "data.by",
        ),
        (
            "survey.answered",
            r#"{"survey":"nps"}"#,
            Code::MissingField,
            "data.score",
        ),
        (
            "survey.answered",
            r#"{"survey":"poll","score":1}"#,
            Code::BadField,
            "data.survey",
        ),
        (
            "survey.answered",
            r#"{"survey":"nps","score":11}"#,
            Code::BadField,
            "data.score",
        ),
        (
            "survey.answered",
            r#"{"survey":"nps","score":7.5}"#,
            Code::BadField,
            "data.score",
        ),
        (
            "survey.answered",
            r#"{"survey":"csat","score":0}"#,
            Code::BadField,
            "data.score",
        ),
        (
            "survey.answered",
            r#"{"survey":"ces","score":6}"#,
            Code::BadField,
            "data.score",
        ),
        (
            "survey.answered",
            r#"{"survey":"ces","score":2,"scale":"yes-no"}"#,
            Code::BadField,
            "data.score",
        ),
        (
            "survey.answered",
            r#"{"survey":"ces","score":2,"scale":"1-9"}"#,
            Code::BadField,
            "data.scale",
        ),
        (
            "survey.amended",
            r#"{"survey":"nps","score":1}"#,
            Code::MissingField,
            "data.response_id",
        ),
        (
            "article.rated",
            r#"{"article_id":"a","helpful":1}"#,
            Code::BadField,
            "data.helpful",
        ),
        (
            "referral.joined",
            "{}",
            Code::MissingField,
            "data.referral_id",
        ),
        ("cs.pulse", r#"{"score":101}"#, Code::BadField, "data.score"),
        ("cs.pulse", r#"{"score":-1}"#, Code::BadField, "data.score"),
        ("cs.pulse", "{}", Code::MissingField, "data.score"),
        (
            "cs.cancellation_reason",
            "{}",
            Code::MissingField,
            "data.reason",
        ),
        (
            "alert.snoozed",
            r#"{"until":"2026-03-01T09:30:00Z"}"#,
            Code::MissingField,
            "data.alert_id",
        ),
        (
            "alert.snoozed",
            r#"{"alert_id":"x","until":"tomorrow"}"#,
            Code::BadField,
            "data.until",
        ),
        ("account.merged", "{}", Code::MissingField, "data.into"),
        (
            "user.merged",
            r#"{"into":""}"#,
            Code::MissingField,
            "data.into",
        ),
    ] {
        refused(of(kind, data), code, field, "");
    }
}
