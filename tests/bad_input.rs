//! The list of bad input that every release survives, row by row, through the whole pipeline: what is bad
//! becomes a dead letter with its reason and its own bytes, and what is good beside it counts.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use libtest_mimic::Trial;
use mainstay::shard::Target;
use mainstay_connectors::{Closing, InputRecord, NoHeaders, Shard, Slice, SourceNo};
use mainstay_engine::Settings;
use serde_json::json;

use crate::pipeline::{self, Said};

pub(crate) fn trials() -> Vec<Trial> {
    crate::trials!("bad_input": [
        row_1_an_empty_payload_is_refused,
        row_2_a_null_payload_is_counted_and_ignored,
        row_3_bytes_of_another_kind_are_refused_with_a_hint,
        row_4_a_truncated_record_is_refused_with_the_position,
        row_5_more_than_one_value_is_refused,
        row_6_no_utf8_is_refused_and_a_byte_order_mark_is_stripped,
        row_7_a_nesting_of_ten_thousand_is_refused,
        row_8_what_is_too_large_is_refused,
        row_9_an_identity_given_twice_is_refused_and_elsewhere_the_last_wins,
        row_10_a_record_without_an_account_is_refused,
        row_11_a_wrong_type_is_refused_with_its_path,
        row_12_an_unknown_type_is_refused_and_any_number_of_names_is_not,
        row_13_a_record_without_a_time_is_refused,
        row_14_a_time_in_another_form_is_refused_and_a_leap_second_folds,
        row_15_the_far_future_and_the_far_past_are_refused_and_move_nothing,
        row_16_a_fast_clock_moves_no_stream_time,
        row_17_money_that_is_no_integer_is_refused,
        row_18_an_unknown_currency_is_refused,
        row_19_negative_seats_are_refused,
        row_20_a_known_id_counts_once_and_the_first_body_wins,
        row_23_strange_ids_are_escaped_and_long_ones_refused,
    ])
}

const NOW: &str = "2026-03-10T12:00:00Z";

fn product(id: &str, time: &str, data: &str) -> String {
    of("product.event", id, time, data)
}

fn of(kind: &str, id: &str, time: &str, data: &str) -> String {
    format!(
        r#"{{"id":"{id}","type":"{kind}","account_id":"acme","user_id":"{id}","time":"{time}","received_at":"{NOW}","data":{data}}}"#
    )
}

fn good(id: &str) -> String {
    product(id, NOW, OPENED)
}

const OPENED: &str = r#"{"name":"opened"}"#;

/// What is said when these records come between two good ones, whose users both count.
fn between_good(records: &[Vec<u8>]) -> Said {
    let mut lines = vec![good("before").into_bytes()];
    lines.extend_from_slice(records);
    lines.push(good("after").into_bytes());
    let plan = pipeline::plan(Settings::default(), Target::Files);
    let (said, summary) = pipeline::replay(plan, &lines, 1);
    assert_eq!(summary.counts.read, lines.len() as u64);
    let letters = said.dead.iter().map(|letter| pipeline::json(letter));
    for letter in letters {
        let offset = letter["offset"].as_u64().expect("a letter has an offset");
        let line = &lines[usize::try_from(offset).expect("few lines")];
        let value = BASE64.decode(letter["value_base64"].as_str().unwrap_or_default());
        let value = value.expect("Mainstay writes base64");
        let kept = letter["length"]
            .as_u64()
            .map_or(line.len(), |_| value.len());
        assert_eq!(value, line[..kept], "{letter}");
    }
    said
}

/// The value of a metric of the account on the day of all good records.
fn told(said: &Said, metric: &str) -> serde_json::Value {
    let day = |line: &&Vec<u8>| {
        let line = pipeline::json(line);
        line["date"] == "2026-03-10" && line["account_id"] == "acme"
    };
    let line = said
        .daily
        .iter()
        .rev()
        .find(day)
        .expect("the day was closed");
    pipeline::json(line)["metrics"][metric].clone()
}

/// Each of the records is refused with the code, and says `hint`; what is good counts.
#[track_caller]
fn refused<R: AsRef<[u8]>>(records: &[R], code: &str, hint: &str) {
    let records: Vec<Vec<u8>> = records
        .iter()
        .map(|record| record.as_ref().to_vec())
        .collect();
    let said = between_good(&records);
    assert_eq!(said.codes(), vec![code; records.len()]);
    for letter in &said.dead {
        let text = String::from_utf8_lossy(letter);
        assert!(text.contains(hint), "expected `{hint}` in {text}");
    }
    assert_eq!(told(&said, "dau"), json!(2));
    assert_eq!(told(&said, "events_1d"), json!(2));
}

fn row_1_an_empty_payload_is_refused() {
    refused(&[b""], "empty", "");
}

fn row_2_a_null_payload_is_counted_and_ignored() {
    let plan = std::sync::Arc::new(pipeline::plan(Settings::default(), Target::Topics));
    let mut logic = plan.shard(0, 1, pipeline::REPLAYED_AT);
    logic.apply(&InputRecord {
        source: SourceNo(0),
        topic: "product-events",
        partition: 0,
        offset: 0,
        arrival: None,
        key: Some(b"acme"),
        value: None,
        headers: &NoHeaders,
    });
    let (mut slice, closing) = (
        Slice::default(),
        Closing {
            behind: false,
            pace_ms: 0,
        },
    );
    logic.close(closing, &mut slice);
    assert_eq!((slice.counts.read, slice.counts.tombstones), (1, 1));
    assert_eq!(slice.counts.all_rejected(), 0);
}

fn row_3_bytes_of_another_kind_are_refused_with_a_hint() {
    refused(&[b"\0\0\0\0\x07\x02ab".as_slice()], "not_json", "schema");
    let said = between_good(&[b"\x1f\x8b\x08\0\0\0\0\0".to_vec(), b"\x01\x02\x03".to_vec()]);
    assert_eq!(said.codes(), ["not_json", "not_json"]);
    assert_eq!(told(&said, "dau"), json!(2));
}

fn row_4_a_truncated_record_is_refused_with_the_position() {
    refused(&[&good("x")[..40]], "not_json", "40");
}

fn row_5_more_than_one_value_is_refused() {
    let (twice, trailing) = (good("x") + &good("y"), good("x") + "}");
    refused(&[twice, trailing], "trailing_data", "");
}

fn row_6_no_utf8_is_refused_and_a_byte_order_mark_is_stripped() {
    let mut bytes = good("x").into_bytes();
    bytes[8] = 0xff;
    refused(&[bytes], "not_utf8", "");
    refused(&[product("x", NOW, r#"{"name":"\ud800"}"#)], "not_utf8", "");
    let said = between_good(&[format!("\u{feff}{}", good("x")).into_bytes()]);
    assert!(said.dead.is_empty());
    assert_eq!(told(&said, "dau"), json!(3));
}

fn row_7_a_nesting_of_ten_thousand_is_refused() {
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let inside = format!(r#"{{"name":"opened","properties":{deep}}}"#);
    refused(&[product("x", NOW, &inside), deep], "too_deep", "");
}

fn row_8_what_is_too_large_is_refused() {
    let long = product(
        "x",
        NOW,
        &format!(r#"{{"name":"{}"}}"#, "x".repeat(900 * 1024)),
    );
    let keys: String = (0..100_000).map(|n| format!(r#","k{n}":{n}"#)).collect();
    let wide = product("x", NOW, &format!(r#"{{"name":"opened"{keys}}}"#));
    refused(&[long, wide], "too_large", "sha256");
}

fn row_9_an_identity_given_twice_is_refused_and_elsewhere_the_last_wins() {
    let twice = good("x").replacen('{', r#"{"account_id":"other","#, 1);
    refused(&[twice], "duplicate_key", "account_id");
    let said = between_good(&[product("x", NOW, r#"{"name":"closed","name":"opened"}"#).into()]);
    assert_eq!(told(&said, "dau"), json!(3));
}

fn row_10_a_record_without_an_account_is_refused() {
    let account = r#""account_id":"acme","#;
    let records = ["", r#""account_id":"","#, r#""account_id":"  ","#]
        .map(|other| good("x").replace(account, other));
    refused(&records, "missing_field", "account_id");
}

fn row_11_a_wrong_type_is_refused_with_its_path() {
    let wrong = product("x", NOW, r#"{"name":"opened","duration_ms":"1 s"}"#);
    refused(&[wrong], "bad_field", "data.duration_ms");
}

fn row_12_an_unknown_type_is_refused_and_any_number_of_names_is_not() {
    refused(
        &[of("product.evnt", "x", NOW, "{}")],
        "unknown_type",
        "product.evnt",
    );
    let name = |n: u32| product(&format!("n{n}"), NOW, &format!(r#"{{"name":"name {n}"}}"#));
    let names: Vec<Vec<u8>> = (0..20_000).map(|n| name(n).into_bytes()).collect();
    assert_eq!(told(&between_good(&names), "events_1d"), json!(20_002));
}

fn row_13_a_record_without_a_time_is_refused() {
    let time = format!(r#""time":"{NOW}","#);
    refused(&[good("x").replace(&time, "")], "missing_field", "time");
}

fn row_14_a_time_in_another_form_is_refused_and_a_leap_second_folds() {
    let time = format!(r#""time":"{NOW}""#);
    let forms = [
        "1773144000",
        r#""2026-03-10T12:00:00""#,
        r#""2026-03-10T24:00:00Z""#,
    ]
    .map(|form| good("x").replace(&time, &format!(r#""time":{form}"#)));
    refused(&forms, "bad_field", "time");
    let said = between_good(&[product("x", "2026-03-10T11:59:60Z", OPENED).into()]);
    assert_eq!(told(&said, "dau"), json!(3));
    assert_eq!(told(&said, "time_in_product_1d"), json!(0));
}

fn row_15_the_far_future_and_the_far_past_are_refused_and_move_nothing() {
    refused(
        &[product("x", "2099-01-01T00:00:00Z", OPENED)],
        "future_time",
        "2099",
    );
    refused(
        &[product("x", "1970-01-01T00:00:00Z", OPENED)],
        "too_late",
        "1970",
    );
}

fn row_16_a_fast_clock_moves_no_stream_time() {
    let a_day_ahead = |n: u32| product(&format!("x{n}"), "2026-03-11T12:00:00Z", OPENED);
    let ahead: Vec<String> = (0..100).map(a_day_ahead).collect();
    refused(&ahead, "future_time", "");
    // Inside of what clocks may differ by it counts, and still nobody else's day is closed by it.
    let ahead = product("x", "2026-03-10T13:00:00Z", OPENED);
    let said = between_good(&[ahead.into_bytes()]);
    assert!(said.dead.is_empty());
    assert_eq!(told(&said, "dau"), json!(3));
}

fn row_17_money_that_is_no_integer_is_refused() {
    let amounts = ["0.1", "1e400", r#""1,234.56""#, "1234567890123456789012345"];
    let invoices = amounts.map(|amount| invoice(amount, r#""USD""#));
    refused(&invoices, "bad_amount", "amount_minor");
    let said = between_good(&[invoice("NaN", r#""USD""#).into_bytes()]);
    assert_eq!(said.dead.len(), 1);
}

fn row_18_an_unknown_currency_is_refused() {
    let invoices = [r#""XQQ""#, r#""usd""#].map(|currency| invoice("100", currency));
    refused(&invoices, "bad_currency", "currency");
    let without = invoice("100", "null").replace(r#""currency":null,"#, "");
    let said = between_good(&[without.into_bytes()]);
    assert_eq!(said.dead.len(), 1);
}

fn invoice(amount: &str, currency: &str) -> String {
    let data = format!(
        r#"{{"invoice_id":"i","amount_minor":{amount},"currency":{currency},"recurring":true}}"#
    );
    of("invoice.paid", "x", NOW, &data)
}

fn row_19_negative_seats_are_refused() {
    let seats = of("account.updated", "x", NOW, r#"{"seats":-1}"#);
    let said = between_good(&[seats.into_bytes()]);
    assert_eq!(said.codes(), ["bad_state"]);
    assert_eq!(told(&said, "dau"), json!(2));
}

fn row_20_a_known_id_counts_once_and_the_first_body_wins() {
    let again = good("before").replace("12:00:00Z\",\"data", "12:30:00Z\",\"data");
    assert_ne!(again, good("before"), "received later");
    let other = good("before").replace("opened", "closed");
    let said = between_good(&[again.into(), other.into()]);
    assert_eq!(said.codes(), ["conflict"]);
    assert_eq!(told(&said, "events_1d"), json!(2));
}

fn row_23_strange_ids_are_escaped_and_long_ones_refused() {
    let strange = "n\0ul \n \u{1f9a6} \"quoted\" a\"} ../../x";
    let event = json!({"id": strange, "type": "product.event", "account_id": strange,
        "user_id": strange, "time": NOW, "received_at": NOW, "data": {"name": strange}});
    let said = between_good(&[event.to_string().into_bytes()]);
    assert!(said.dead.is_empty(), "{:?}", said.codes());
    let accounts = said
        .daily
        .iter()
        .map(|line| pipeline::json(line)["account_id"].clone());
    assert!(accounts.into_iter().any(|account| account == strange));
    let long = "i".repeat(10_000);
    let records = [r#""id":"x""#, r#""user_id":"x""#].map(|field| {
        let name = field.split(':').next().unwrap_or_default();
        good("x").replacen(field, &format!(r#"{name}:"{long}""#), 1)
    });
    refused(&records, "bad_field", "");
}
