//! What goes out: its bytes, its caps, and that the published schemas tell the truth.

#![allow(clippy::unwrap_used, reason = "the helpers of a test fail it")]

use mainstay_codec::records::{
    MAX_HOPS, account_daily, account_daily_key, account_metrics, cohort_value, cohort_value_key,
    dead_letter, dead_letter_line, hops, mrr_movement, original_headers, segment_daily,
    segment_daily_key, segment_metrics, segment_metrics_key,
};
use mainstay_codec::schema::{Columns, asyncapi, schemas};
use mainstay_model::{
    AccountDaily, AccountMetrics, Code, CohortValue, CohortWas, Column, Corrected, Currency, Day,
    DeadLetter, Info, Levels, MrrMovement, Rejection, SegmentDaily, SegmentMetrics, Timestamp,
    Unit, Value,
};

const fn info(id: &'static str, unit: Unit) -> Info {
    Info {
        id,
        unit,
        levels: Levels::Account,
        help: "Something counted.",
        formula: "",
        headline: false,
    }
}

static DAU: Info = info("dau", Unit::Count);
static STICKINESS: Info = info("stickiness", Unit::Ratio);
static MEDIAN: Info = info("sessions_per_user_median", Unit::Mean);
static TIME: Info = info("time_in_product_7d", Unit::Seconds);
static L30: Info = info("active_days_histogram", Unit::Histogram);
static SEEN: Info = info("last_seen", Unit::Date);
static FEATURE_USERS: Info = info("feature_users_7d", Unit::Count);
static FEATURE_SHARE: Info = info("feature_share", Unit::Ratio);

fn columns() -> Vec<Column> {
    let own = [&DAU, &STICKINESS, &MEDIAN, &TIME, &L30, &SEEN].map(|info| Column {
        info,
        feature: None,
    });
    let of_features = ["chat", "report"].into_iter().flat_map(|feature| {
        [&FEATURE_USERS, &FEATURE_SHARE].map(|info| Column {
            info,
            feature: Some(feature.into()),
        })
    });
    own.into_iter().chain(of_features).collect()
}

fn values() -> Vec<Value> {
    vec![
        Value::Count(3),
        Value::Ratio(1.0 / 3.0),
        Value::Undefined,
        Value::Seconds(1_500),
        Value::List(vec![1, 0, 2]),
        Value::Day(Day(20_513)),
        Value::Count(2),
        Value::Ratio(0.5),
        Value::Count(0),
        Value::Undefined,
    ]
}

fn daily(account: &str, corrects: &[Corrected]) -> String {
    let mut out = Vec::new();
    let record = AccountDaily {
        account,
        date: Day(20_513),
        revision: 0,
        as_of: Timestamp(1_772_416_800_000),
        values: &values(),
        corrects,
    };
    account_daily(&columns(), &record, "USD", &mut out);
    String::from_utf8(out).unwrap()
}

fn live() -> String {
    let mut out = Vec::new();
    let record = AccountMetrics {
        account: "acc_1",
        as_of: Timestamp(1_772_357_400_123),
        partial: true,
        data_stale: false,
        values: &values(),
    };
    account_metrics(&columns(), &record, "USD", &mut out);
    String::from_utf8(out).unwrap()
}

const METRICS: &str = r#""metrics":{"dau":3,"stickiness":0.3333333333333333,"sessions_per_user_median":null,"time_in_product_7d":1.5,"active_days_histogram":[1,0,2],"last_seen":"2026-03-01"},"features":{"chat":{"users_7d":2,"share":0.5},"report":{"users_7d":0,"share":null}}"#;

#[test]
fn account_daily_has_these_bytes() {
    let head = r#"{"schema_version":1,"account_id":"acc_1","date":"2026-03-01","revision":0,"as_of":"2026-03-02T02:00:00Z","currency":"USD","#;
    assert_eq!(daily("acc_1", &[]), format!("{head}{METRICS}}}"));
    let old = [
        Corrected {
            metric: 0,
            was: Value::Count(2),
        },
        Corrected {
            metric: 1,
            was: Value::Undefined,
        },
    ];
    let corrects = r#","corrects":{"dau":2,"stickiness":null}}"#;
    assert_eq!(daily("acc_1", &old), format!("{head}{METRICS}{corrects}"));
}

#[test]
fn account_metrics_has_these_bytes() {
    let head = r#"{"schema_version":1,"account_id":"acc_1","as_of":"2026-03-01T09:30:00.123Z","partial":true,"data_stale":false,"currency":"USD","#;
    assert_eq!(live(), format!("{head}{METRICS}}}"));
}

#[test]
fn odd_account_ids_are_escaped_in_records_and_keys() {
    let account = "a\"}\\\n\0😀";
    let record: serde_json::Value = serde_json::from_str(&daily(account, &[])).unwrap();
    assert_eq!(record["account_id"], account);
    let mut key = Vec::new();
    account_daily_key(account, Day(20_513), &mut key);
    let key: Vec<String> = serde_json::from_slice(&key).unwrap();
    assert_eq!(key, [account, "2026-03-01"]);
}

fn why() -> Rejection {
    Rejection::new(
        Code::BadField,
        "data.duration_ms",
        "found `x`, expected a number",
    )
}

type Given<'a> = [(&'a str, Option<&'a [u8]>)];

fn letter<'a>(
    why: &'a Rejection,
    value: Option<&'a [u8]>,
    headers: &'a Given<'a>,
) -> DeadLetter<'a> {
    DeadLetter {
        why,
        topic: "events",
        partition: 3,
        offset: 17,
        key: Some(b"k\xff"),
        value,
        headers,
    }
}

fn header<'a>(headers: &'a [(String, Option<Vec<u8>>)], name: &str) -> Option<&'a str> {
    let mut found = headers.iter().filter(|(given, _)| given == name);
    let value = found
        .next()
        .map(|(_, value)| std::str::from_utf8(value.as_deref().unwrap()).unwrap());
    assert!(found.next().is_none(), "{name} stands once");
    value
}

#[test]
fn a_dead_letter_keeps_all_that_came_and_says_why() {
    let (why, given) = (why(), [("trace", Some(&b"\xff\x00"[..])), ("empty", None)]);
    let sent = dead_letter(&letter(&why, Some(b"{bad"), &given));
    assert_eq!(
        (sent.key, sent.value),
        (Some(&b"k\xff"[..]), Some(&b"{bad"[..]))
    );
    for (name, value) in [
        ("error.code", "bad_field"),
        (
            "error.message",
            "`data.duration_ms`: found `x`, expected a number, at offset 17 of events/3",
        ),
        ("error.field", "data.duration_ms"),
        ("error.topic", "events"),
        ("error.partition", "3"),
        ("error.offset", "17"),
        ("error.version", env!("CARGO_PKG_VERSION")),
        ("error.hops", "1"),
    ] {
        assert_eq!(header(&sent.headers, name), Some(value));
    }
    assert_eq!(header(&sent.headers, "error.length"), None);
    assert_eq!(
        sent.headers[8..],
        [
            ("trace".into(), Some(vec![0xFF, 0])),
            ("empty".into(), None)
        ]
    );
}

fn weight(
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: &[(String, Option<Vec<u8>>)],
) -> usize {
    let headers = headers
        .iter()
        .map(|(name, value)| name.len() + value.as_ref().map_or(0, Vec::len) + 10);
    key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len) + headers.sum::<usize>()
}

#[test]
fn row_24_ten_thousand_headers_a_huge_header_and_a_huge_value_fit_into_256_kib() {
    let huge = vec![b'x'; 1 << 20];
    let names: Vec<String> = (0..10_000).map(|place| format!("header-{place}")).collect();
    let mut given: Vec<(&str, Option<&[u8]>)> = vec![("huge", Some(&huge))];
    given.extend(
        names
            .iter()
            .map(|name| (name.as_str(), Some(&b"value"[..]))),
    );
    let why = Rejection::new(Code::TooLarge, "f".repeat(9_000), "m".repeat(9_000));
    let sent = dead_letter(&DeadLetter {
        key: Some(&huge),
        ..letter(&why, Some(&huge), &given)
    });
    assert!(weight(sent.key, sent.value, &sent.headers) <= 256 * 1024);
    assert_eq!(header(&sent.headers, "error.length"), Some("1048576"));
    assert_eq!(header(&sent.headers, "error.key_length"), Some("1048576"));
    assert_eq!(
        header(&sent.headers, "error.sha256").map(str::len),
        Some(64)
    );
    let kept = sent
        .headers
        .iter()
        .filter(|(name, _)| name.starts_with("header-"))
        .count();
    let dropped: usize = header(&sent.headers, "error.headers_dropped")
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(kept + dropped, 10_001);
    assert!(kept > 1_000);
    assert!(sent.headers.iter().all(|(name, _)| name != "huge"));
}

#[test]
fn row_24_of_forged_headers_ours_win() {
    let why = why();
    let given = [
        ("error.code", Some(&b"internal"[..])),
        ("error.sha256", Some(&b"beef"[..])),
        ("error.mine", Some(&b"kept"[..])),
        ("error.hops", Some(&b"-7"[..])),
    ];
    let sent = dead_letter(&letter(&why, None, &given));
    assert_eq!(header(&sent.headers, "error.code"), Some("bad_field"));
    assert_eq!(header(&sent.headers, "error.sha256"), None);
    assert_eq!(header(&sent.headers, "error.mine"), Some("kept"));
    assert_eq!(header(&sent.headers, "error.hops"), Some("1"));
}

#[test]
fn row_24_a_letter_is_sent_round_three_times_at_most() {
    let why = why();
    let mut headers: Vec<(String, Option<Vec<u8>>)> = vec![("trace".into(), Some(b"t".to_vec()))];
    for round in 1..=MAX_HOPS + 1 {
        let given: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_deref()))
            .collect();
        let sent = dead_letter(&letter(&why, Some(b"x"), &given)).headers;
        let sent: Vec<_> = sent
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_deref()))
            .collect();
        assert_eq!(hops(&sent), round.min(MAX_HOPS));
        match original_headers(&sent) {
            Some(again) if round < MAX_HOPS => headers = again,
            None if round >= MAX_HOPS => break,
            other => panic!("round {round}: {other:?}"),
        }
        assert_eq!(headers.len(), 2);
    }
}

#[test]
fn what_was_cut_is_not_sent_round() {
    let (why, huge) = (why(), vec![0; 200 * 1024]);
    let sent = dead_letter(&letter(&why, Some(&huge), &[])).headers;
    let sent: Vec<_> = sent
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_deref()))
        .collect();
    assert_eq!(original_headers(&sent), None);
}

fn line(why: &Rejection, value: Option<&[u8]>) -> String {
    let mut out = Vec::new();
    let given = [
        ("a\"b", Some(&b"\xff"[..])),
        ("none", None),
        ("error.code", Some(b"forged")),
    ];
    dead_letter_line(&letter(why, value, &given), &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_dead_letter_in_a_file_has_these_bytes() {
    assert_eq!(
        line(&why(), Some(b"{bad")),
        r#"{"code":"bad_field","message":"`data.duration_ms`: found `x`, expected a number, at offset 17 of events/3","field":"data.duration_ms","topic":"events","partition":3,"offset":17,"key_base64":"a/8=","value_base64":"e2JhZA==","headers":[{"name":"a\"b","value_base64":"/w=="},{"name":"none","value_base64":null}]}"#
    );
    assert!(line(&why(), None).contains(r#""value_base64":null"#));
}

/// Values of accounts and of groups alike.
fn both(columns: &[Column]) -> Columns {
    Columns {
        accounts: columns.to_vec(),
        groups: columns.to_vec(),
        of_cohorts: vec!["retention_d7".into(), "time_to_value".into()],
    }
}

fn segment(corrects: &[Corrected]) -> String {
    let mut out = Vec::new();
    let record = SegmentDaily {
        dimension: "plan",
        segment: "pro",
        date: Day(20_513),
        revision: u32::from(!corrects.is_empty()),
        as_of: Timestamp(1_772_416_800_000),
        values: &values(),
        corrects,
    };
    segment_daily(&columns(), &record, "USD", &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_day_of_a_segment_has_its_dimension_and_segment_where_that_of_an_account_has_the_account() {
    let begins = r#"{"schema_version":1,"dimension":"plan","segment":"pro","date":"2026-03-01","revision":0,"#;
    assert!(segment(&[]).starts_with(begins), "{}", segment(&[]));
    let mut key = Vec::new();
    segment_daily_key("plan", "p\"ro", Day(20_513), &mut key);
    assert_eq!(key, br#"["plan","p\"ro","2026-03-01"]"#);
}

/// A value of a cohort, first or not, of an age or of all so far.
fn cohort(again: bool, of_age: bool) -> (String, String) {
    let record = CohortValue {
        by: "signup_month",
        cohort: "2026-03",
        metric: if of_age {
            "retention_d7"
        } else {
            "time_to_value"
        },
        age: of_age.then_some("d7"),
        size: 40,
        value: match of_age {
            true => Value::Ratio(0.25),
            false => Value::Seconds(1_500),
        },
        complete: again,
        revision: u32::from(again),
        was: again.then_some(CohortWas {
            size: 39,
            value: Value::Undefined,
            complete: again,
        }),
    };
    let (mut key, mut value) = (Vec::new(), Vec::new());
    cohort_value_key(&record, &mut key);
    cohort_value(&record, &mut value);
    (
        String::from_utf8(key).unwrap(),
        String::from_utf8(value).unwrap(),
    )
}

#[test]
fn a_value_of_a_cohort_says_of_whom_and_what_it_was() {
    let (key, value) = cohort(false, true);
    assert_eq!(key, r#"["signup_month","2026-03","retention_d7","d7"]"#);
    assert_eq!(
        value,
        concat!(
            r#"{"schema_version":1,"cohort_by":"signup_month","cohort":"2026-03","size":40,"age":"d7","value":0.25,"#,
            r#""metric":"retention_d7","complete":false,"revision":0}"#
        )
    );
    let (key, value) = cohort(true, false);
    assert_eq!(key, r#"["signup_month","2026-03","time_to_value",null]"#);
    let ends = r#""age":null,"value":1.5,"metric":"time_to_value","complete":true,"revision":1,"corrects":{"size":39,"value":null}}"#;
    assert!(value.ends_with(ends), "{value}");
}

/// A movement as it is first told, in the currency of the reports.
fn movement() -> MrrMovement<'static> {
    MrrMovement {
        id: "4f0c",
        account: "acc_1",
        at: Timestamp(1_772_357_400_123),
        kind: "expansion",
        cause: "plan",
        amount: 1_667,
        currency: Currency::of("USD").unwrap(),
        before: 8_333,
        after: 10_000,
        event: Some("e\"1"),
        gap_days: None,
        original: None,
        revision: 0,
        withdrawn: false,
    }
}

/// One that is told again, of a customer who came back and pays in another currency.
fn movement_again() -> MrrMovement<'static> {
    MrrMovement {
        kind: "reactivation",
        cause: "start",
        amount: i128::from(i64::MAX) + 1,
        before: 0,
        after: i128::from(i64::MAX) + 1,
        event: None,
        gap_days: Some(100),
        original: Some((-5_000, Currency::of("EUR").unwrap())),
        revision: 2,
        ..movement()
    }
}

fn written(record: &MrrMovement<'_>) -> String {
    let mut value = Vec::new();
    mrr_movement(record, &mut value);
    String::from_utf8(value).unwrap()
}

#[test]
fn a_movement_of_revenue_has_these_bytes() {
    assert_eq!(
        written(&movement()),
        concat!(
            r#"{"schema_version":1,"movement_id":"4f0c","account_id":"acc_1","at":"2026-03-01T09:30:00.123Z","#,
            r#""kind":"expansion","cause":"plan","amount_minor":1667,"currency":"USD","mrr_before":8333,"#,
            r#""mrr_after":10000,"event_id":"e\"1"}"#
        )
    );
}

#[test]
fn a_movement_that_is_told_again_says_what_only_some_have() {
    let again = written(&movement_again());
    let ends = concat!(
        r#""amount_minor":9223372036854775808,"currency":"USD","mrr_before":0,"mrr_after":9223372036854775808,"#,
        r#""event_id":null,"gap_days":100,"original":{"amount_minor":-5000,"currency":"EUR"},"revision":2}"#
    );
    assert!(again.ends_with(ends), "{again}");
    let withdrawn = written(&MrrMovement {
        withdrawn: true,
        ..movement_again()
    });
    assert!(
        withdrawn.ends_with(r#""revision":2,"withdrawn":true}"#),
        "{withdrawn}"
    );
}

fn segment_now() -> String {
    let mut out = Vec::new();
    let record = SegmentMetrics {
        dimension: "plan",
        segment: "pro",
        as_of: Timestamp(1_772_357_400_123),
        partial: false,
        data_stale: true,
        values: &values(),
    };
    segment_metrics(&columns(), &record, "USD", &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn live_values_of_a_segment_have_no_date_and_say_how_good_they_are() {
    let head = r#"{"schema_version":1,"dimension":"plan","segment":"pro","as_of":"2026-03-01T09:30:00.123Z","partial":false,"data_stale":true,"currency":"USD","#;
    assert_eq!(segment_now(), format!("{head}{METRICS}}}"));
    let mut key = Vec::new();
    segment_metrics_key("plan", "p\"ro", &mut key);
    assert_eq!(key, br#"["plan","p\"ro"]"#);
}

#[test]
fn records_are_what_their_schemas_say() {
    let of = |name: &str| {
        let found = schemas(&both(&columns()))
            .into_iter()
            .find(|schema| schema.name == name);
        found.unwrap_or_else(|| panic!("a schema of {name}")).json
    };
    let old = [Corrected {
        metric: 3,
        was: Value::Seconds(5),
    }];
    for (name, record) in [
        ("account-daily", daily("acc_1", &[])),
        ("account-daily", daily("acc_1", &old)),
        ("account-metrics", live()),
        ("segment-daily", segment(&[])),
        ("segment-daily", segment(&old)),
        ("cohorts", cohort(false, true).1),
        ("cohorts", cohort(true, true).1),
        ("cohorts", cohort(true, false).1),
        ("mrr-movements", written(&movement())),
        ("mrr-movements", written(&movement_again())),
        ("segment-metrics", segment_now()),
        ("dead-letter", line(&why(), Some(b"{bad"))),
        ("dead-letter", line(&why(), Some(&vec![7; 200 * 1024]))),
        ("dead-letter", line(&why(), None)),
    ] {
        let record = serde_json::from_str(&record).unwrap();
        fits(&of(name), &record, name).unwrap();
    }
    let mut wrong: serde_json::Value = serde_json::from_str(&live()).unwrap();
    wrong["metrics"]["dau"] = "3".into();
    assert!(fits(&of("account-metrics"), &wrong, "").is_err());
}

#[test]
fn a_record_without_metrics_withdraws_its_day_in_a_revision_above_0_only() {
    let of = |columns: &[Column]| {
        let mut all = schemas(&both(columns)).into_iter();
        all.find(|schema| schema.name == "account-daily").unwrap()
    };
    let schema = of(&columns());
    let withdrawn = |columns: &[Column], revision| -> serde_json::Value {
        let mut out = Vec::new();
        let record = AccountDaily {
            account: "acc_1",
            date: Day(20_513),
            revision,
            as_of: Timestamp(1_772_416_800_000),
            values: &[],
            corrects: &[],
        };
        account_daily(columns, &record, "USD", &mut out);
        serde_json::from_slice(&out).unwrap()
    };
    let record = withdrawn(&columns(), 1);
    assert_eq!(record["metrics"], serde_json::json!({}));
    fits(&schema.json, &record, "withdrawn").unwrap();
    assert!(fits(&schema.json, &withdrawn(&columns(), 0), "").is_err());
    fits(&of(&[]).json, &withdrawn(&[], 0), "no metrics chosen").unwrap();

    let mut lacking: serde_json::Value = serde_json::from_str(&daily("acc_1", &[])).unwrap();
    lacking["metrics"].as_object_mut().unwrap().remove("dau");
    assert!(fits(&schema.json, &lacking, "").is_err(), "all or none");
    let told = &schema.json["properties"]["metrics"]["description"];
    assert!(told.as_str().unwrap().contains("withdrawn"), "{told}");
}

#[test]
fn accepted_examples_fit_the_schema_of_their_format() {
    let schema = schemas(&Columns::default())
        .into_iter()
        .find(|schema| schema.name == "native")
        .unwrap()
        .json;
    let files = [
        include_str!("../fixtures/native/product.jsonl"),
        include_str!("../fixtures/native/identity.jsonl"),
        include_str!("../fixtures/native/business.jsonl"),
    ];
    let mut seen = 0;
    for line in files.iter().flat_map(|file| file.lines()) {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        if line.get("events").is_some() {
            fits(&schema, &line["record"], "record").unwrap_or_else(|why| panic!("{line}: {why}"));
            seen += 1;
        }
    }
    assert!(seen > 30);
}

#[test]
fn every_topic_is_in_the_asyncapi_document() {
    let document = asyncapi(&both(&columns()), "mainstay.", "1.2.3");
    assert_eq!(document["asyncapi"], "3.0.0");
    for topic in [
        "account-metrics",
        "account-daily",
        "segment-daily",
        "cohorts",
        "segment-metrics",
        "mrr-movements",
        "dead-letter",
    ] {
        assert_eq!(
            document["channels"][topic]["address"],
            format!("mainstay.{topic}")
        );
        assert_eq!(
            document["operations"][format!("send-{topic}")]["action"],
            "send"
        );
        assert!(document["components"]["messages"][topic]["payload"]["schema"].is_object());
    }
    assert!(document["operations"]["receive-native"].is_object());
}

/// As much of JSON Schema as the published schemas use.
fn fits(schema: &serde_json::Value, value: &serde_json::Value, path: &str) -> Result<(), String> {
    use serde_json::Value as Json;
    let fail = |why: &str| Err(format!("{path}: {why}: {value}"));
    for (keyword, rule) in schema.as_object().into_iter().flatten() {
        match keyword.as_str() {
            "type" => {
                let one = rule.as_str().into_iter();
                let some = rule
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Json::as_str);
                let allowed: Vec<&str> = one.chain(some).collect();
                let is = |name: &&str| match *name {
                    "null" => value.is_null(),
                    "boolean" => value.is_boolean(),
                    "string" => value.is_string(),
                    "number" => value.is_number(),
                    "integer" => value.is_i64() || value.is_u64(),
                    "array" => value.is_array(),
                    "object" => value.is_object(),
                    other => panic!("{other} is no type"),
                };
                if !allowed.iter().any(is) {
                    return fail("type");
                }
            }
            "const" if rule != value => return fail("const"),
            "enum" if !rule.as_array().unwrap().contains(value) => return fail("enum"),
            "minimum" if value.as_f64().is_some_and(|n| n < rule.as_f64().unwrap()) => {
                return fail("minimum");
            }
            "maximum" if value.as_f64().is_some_and(|n| n > rule.as_f64().unwrap()) => {
                return fail("maximum");
            }
            "maxProperties"
                if value
                    .as_object()
                    .is_some_and(|o| o.len() as u64 > rule.as_u64().unwrap()) =>
            {
                return fail("maxProperties");
            }
            "maxLength"
                if value
                    .as_str()
                    .is_some_and(|s| s.chars().count() as u64 > rule.as_u64().unwrap()) =>
            {
                return fail("maxLength");
            }
            "required" if value.is_object() => {
                for key in rule.as_array().unwrap() {
                    if value.get(key.as_str().unwrap()).is_none() {
                        return fail(&format!("{key} is required"));
                    }
                }
            }
            "properties" => {
                for (key, value) in value.as_object().into_iter().flatten() {
                    if let Some(rule) = rule.get(key) {
                        fits(rule, value, &format!("{path}.{key}"))?;
                    }
                }
            }
            "additionalProperties" => {
                for (key, value) in value.as_object().into_iter().flatten() {
                    let known = schema
                        .get("properties")
                        .and_then(|known| known.get(key))
                        .is_some();
                    if !known && *rule == Json::Bool(false) {
                        return fail(&format!("{key} is not known"));
                    }
                    if !known {
                        fits(rule, value, &format!("{path}.{key}"))?;
                    }
                }
            }
            "items" => {
                for value in value.as_array().into_iter().flatten() {
                    fits(rule, value, &format!("{path}[]"))?;
                }
            }
            "anyOf"
                if !rule
                    .as_array()
                    .unwrap()
                    .iter()
                    .any(|rule| fits(rule, value, path).is_ok()) =>
            {
                return fail("anyOf");
            }
            "allOf" => rule
                .as_array()
                .unwrap()
                .iter()
                .try_for_each(|rule| fits(rule, value, path))?,
            "then" if fits(&schema["if"], value, path).is_ok() => fits(rule, value, path)?,
            _ => {}
        }
    }
    Ok(())
}
