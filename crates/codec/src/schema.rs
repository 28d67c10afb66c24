//! Schemas of what comes in and what goes out: JSON Schema (draft 2020-12) and one AsyncAPI document.
//!
//! They are made from the declarations that readers and writers use: the objects of the formats, and the
//! list of metrics. So a metric or a field that is added is in the schema at once.

use mainstay_model::{Code, Column, Info, Unit};
use serde_json::{Map, Value, json};

use crate::formats::native;
use crate::records::SCHEMA_VERSION;

/// A published schema.
#[derive(Clone, Debug, PartialEq)]
pub struct Schema {
    /// The name of the topic without prefix, or of the input format.
    pub name: &'static str,
    /// Whether it is of something that comes in.
    pub input: bool,
    /// One sentence about it.
    pub about: &'static str,
    /// The JSON Schema.
    pub json: Value,
}

/// The values that records carry.
#[derive(Clone, Debug, Default)]
pub struct Columns {
    /// Those of accounts.
    pub accounts: Vec<Column>,
    /// Those of segments and the fleet.
    pub groups: Vec<Column>,
    /// The ids of the metrics that are told of cohorts.
    pub of_cohorts: Vec<String>,
}

/// All schemas, inputs first.
#[must_use]
pub fn schemas(columns: &Columns) -> Vec<Schema> {
    let all = [
        (
            "native",
            true,
            "An event in the native format.",
            native::schema(),
        ),
        (
            "account-metrics",
            false,
            "Newest rolling values of an account; keyed by the account.",
            account_metrics(&columns.accounts),
        ),
        (
            "account-daily",
            false,
            "Final values of an account for a closed day, or without any, that the account turned out not \
             to be there on that day; the key is a JSON list of account and date, the last revision holds.",
            account_daily(&columns.accounts),
        ),
        (
            "segment-daily",
            false,
            "Final values of a segment of accounts, or of the fleet, for a day that every account has closed, or \
             without any, that nobody turned out to be in it; the key is a JSON list of dimension, segment and date, \
             the last revision holds.",
            segment_daily(&columns.groups),
        ),
        (
            "cohorts",
            false,
            "A value of a cohort of the fleet's users, by when or on which plan they signed up; the key is a JSON list \
             of `cohort_by`, `cohort`, `metric` and `age`, the last revision holds.",
            cohort_value(&columns.of_cohorts),
        ),
        (
            "segment-metrics",
            false,
            "Newest rolling values of a segment of accounts, or of the fleet; the key is a JSON list of dimension and \
             segment, and a record without a value says that nobody is in it any more.",
            segment_metrics(&columns.groups),
        ),
        (
            "mrr-movements",
            false,
            "A movement of an account's monthly recurring revenue; keyed by the account. One that is told again has \
             the same `movement_id`, and the last revision holds.",
            mrr_movement(),
        ),
        (
            "dead-letter",
            false,
            "A record that could not be applied, as a line of a file; on the topic it is the original \
             record, and what stands here stands in headers.",
            dead_letter(),
        ),
    ];
    all.map(|(name, input, about, json)| Schema {
        name,
        input,
        about,
        json: titled(name, about, json),
    })
    .into()
}

/// The AsyncAPI 3 document of the topics, whose names begin with `prefix`.
#[must_use]
pub fn asyncapi(columns: &Columns, prefix: &str, version: &str) -> Value {
    let mut channels = Map::new();
    let mut operations = Map::new();
    let mut messages = Map::new();
    for schema in schemas(columns) {
        let name = schema.name;
        let address = match schema.input {
            true => Value::Null,
            false => json!(format!("{prefix}{name}")),
        };
        let action = if schema.input { "receive" } else { "send" };
        channels.insert(
            name.to_owned(),
            json!({
                "address": address,
                "description": schema.about,
                "messages": { name: { "$ref": format!("#/components/messages/{name}") } },
            }),
        );
        operations.insert(
            format!("{action}-{name}"),
            json!({
                "action": action,
                "channel": { "$ref": format!("#/channels/{name}") },
            }),
        );
        messages.insert(
            name.to_owned(),
            json!({
                "name": name,
                "contentType": "application/json",
                "payload": {
                    "schemaFormat": "application/schema+json;version=draft-2020-12",
                    "schema": schema.json,
                },
            }),
        );
    }
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Mainstay",
            "version": version,
            "description": "Product events in, customer metrics out. Readers use isolation.level=read_committed.",
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": { "messages": messages },
    })
}

fn titled(name: &str, about: &str, mut schema: Value) -> Value {
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!(name);
    schema["description"] = json!(about);
    schema
}

fn account_daily(columns: &[Column]) -> Value {
    let whose = vec![
        ("account_id", text("Whose values.")),
        ("date", date("The closed day, in the account's time zone.")),
        ("as_of", instant("The day's end, plus lateness.")),
    ];
    let withdrawn =
        "a late `account.deleted` showed that the account was not there any more on that day";
    daily(whose, columns, withdrawn)
}

/// What tells groups apart.
fn group() -> Vec<(&'static str, Value)> {
    vec![
        (
            "dimension",
            text("By what accounts are put together: `all`, or the name of a trait."),
        ),
        (
            "segment",
            text(
                "The value of the trait; `unknown` where accounts have none, `all` for the fleet.",
            ),
        ),
    ]
}

fn segment_daily(columns: &[Column]) -> Value {
    let mut whose = group();
    whose.extend([
        (
            "date",
            date("The closed day, in each account's own time zone."),
        ),
        (
            "as_of",
            instant("The day's end in the company's time zone, plus lateness."),
        ),
    ]);
    daily(
        whose,
        columns,
        "no account turned out to be in the segment on that day",
    )
}

/// A record of final values, which may be corrected and, because of what `withdrawn` says, withdrawn.
fn daily(mut fields: Vec<(&str, Value)>, columns: &[Column], withdrawn: &str) -> Value {
    fields.extend([
        (
            "revision",
            json!({ "type": "integer", "minimum": 0, "description": "0 at first; each correction is one more." }),
        ),
        ("currency", text("ISO 4217; what money is told in.")),
        ("metrics", metrics(columns, true)),
        ("features", features(columns)),
    ]);
    let mut schema = record(fields);
    let fields = columns
        .iter()
        .map(|column| (column.name(), metric(column.info)));
    let mut old = object(fields.collect(), false);
    old["description"] = json!("On a correction: the old values of what changed.");
    schema["properties"]["corrects"] = old;
    // Where no metrics are chosen, no values say nothing.
    if !columns.is_empty() {
        allow_withdrawal(&mut schema, withdrawn);
    }
    schema
}

/// Lets a record of a day have no metrics at all, which only a correction may.
fn allow_withdrawal(schema: &mut Value, because: &str) {
    let none = json!({ "maxProperties": 0 });
    let metrics = &mut schema["properties"]["metrics"];
    let all = json!({ "required": metrics["required"].take() });
    if let Some(keywords) = metrics.as_object_mut() {
        keywords.remove("required");
    }
    metrics["anyOf"] = json!([all, none]);
    metrics["description"] = json!(format!(
        "Values by id; null where a value is not defined. Without any, in a revision above 0, the day is \
         withdrawn: {because}, and what earlier revisions said of it does not count."
    ));
    schema["if"] = json!({ "properties": { "metrics": none }, "required": ["metrics"] });
    schema["then"] = json!({ "properties": { "revision": { "minimum": 1 } } });
}

fn account_metrics(columns: &[Column]) -> Value {
    let partial =
        "Made while records were waiting to be read: values will move without anything happening.";
    live(
        vec![("account_id", text("Whose values."))],
        columns,
        partial,
    )
}

fn segment_metrics(columns: &[Column]) -> Value {
    let partial = "Made while records were waiting to be read somewhere, or before every partition has said what it \
                   knows: values will move without anything happening.";
    live(group(), columns, partial)
}

/// A record of the newest rolling values.
fn live(mut fields: Vec<(&str, Value)>, columns: &[Column], partial: &str) -> Value {
    fields.extend([
        ("as_of", instant("The newest event time that they count.")),
        ("partial", truth(partial)),
        (
            "data_stale",
            truth("The inputs have been silent: values may be old."),
        ),
        ("currency", text("ISO 4217; what money is told in.")),
        ("metrics", metrics(columns, true)),
        ("features", features(columns)),
    ]);
    record(fields)
}

fn cohort_value(metrics: &[String]) -> Value {
    let size = json!({ "type": "integer", "minimum": 0, "description":
        "How many signed up: users, or accounts where they are what the metric is of." });
    let value = json!({ "type": ["number", "null"], "description":
        "A ratio from 0 to 1, of those who have reached the age; or seconds; null where nobody is in the cohort any more." });
    let complete = truth("No more can join, and all have reached the age.");
    let mut schema = record(vec![
        (
            "cohort_by",
            json!({ "enum": ["signup_day", "signup_week", "signup_month", "signup_plan"],
                "description": "By what users are put together." }),
        ),
        (
            "cohort",
            text(
                "The day, the ISO 8601 week, the month, or the plan at the end of the day of sign-up.",
            ),
        ),
        ("size", size.clone()),
        (
            "age",
            json!({ "type": ["string", "null"], "pattern": "^[dw][0-9]+$",
                "description": "How old the users are at the day that it tells of; null where it is of all so far." }),
        ),
        ("value", value.clone()),
        (
            "metric",
            json!({ "enum": metrics, "description": "The id of the metric." }),
        ),
        ("complete", complete.clone()),
        (
            "revision",
            json!({ "type": "integer", "minimum": 0, "description": "0 at first; each time it is told anew is one more." }),
        ),
    ]);
    let mut old = object(
        vec![("size", size), ("value", value), ("complete", complete)],
        false,
    );
    old["description"] = json!("When told anew: what of it was otherwise before.");
    schema["properties"]["corrects"] = old;
    schema
}

fn mrr_movement() -> Value {
    let money = |help: &str| json!({ "type": "integer", "description": help });
    let mut schema = record(vec![
        (
            "movement_id",
            text("The same each time that the movement is told."),
        ),
        ("account_id", text("Whose revenue.")),
        ("at", instant("When it moved.")),
        (
            "kind",
            json!({ "enum": ["new", "expansion", "contraction", "churn", "reactivation", "fx"],
                "description": "What it is for the account." }),
        ),
        (
            "cause",
            text(
                "What brought it about: `start`, `plan`, `quantity`, `price`, `discount_start`, `discount_end`, \
                 `cancel`, `payment_failed`, `paused`, `resumed`, `free`, `fx`; there may be more.",
            ),
        ),
        (
            "amount_minor",
            money(
                "By how much, in minor units: below 0 for less; 0 where it is withdrawn, and where what was won or \
                 lost is less than half a minor unit.",
            ),
        ),
        ("currency", text("ISO 4217; that of the reports.")),
        (
            "mrr_before",
            money("The account's monthly recurring revenue before it, in minor units."),
        ),
        (
            "mrr_after",
            money("The same after it: `mrr_before` + `amount_minor`."),
        ),
        (
            "event_id",
            json!({ "type": ["string", "null"],
                "description": "The event that told of it; null for a rate of exchange." }),
        ),
    ]);
    let mut original = object(
        vec![
            ("amount_minor", money("By how much, in its minor units.")),
            ("currency", text("ISO 4217; what is paid.")),
        ],
        true,
    );
    original["description"] =
        json!("What moved in the currency that is paid, where it is not that of the reports.");
    schema["properties"]["original"] = original;
    schema["properties"]["gap_days"] = json!({ "type": "integer", "minimum": 0, "description":
        "Of a reactivation: how many days the customer was away." });
    schema["properties"]["revision"] = json!({ "type": "integer", "minimum": 1, "description":
        "Each time it is told anew is one more; not there at first." });
    schema["properties"]["withdrawn"] = json!({ "const": true, "description":
        "It was told before, and turned out not to be; else not there." });
    schema
}

fn dead_letter() -> Value {
    let base64 = |help: &str| json!({ "type": ["string", "null"], "contentEncoding": "base64", "description": help });
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.name()).collect();
    let header = json!({
        "type": "object",
        "properties": { "name": { "type": "string" }, "value_base64": base64("Its bytes; null when it had none.") },
        "required": ["name", "value_base64"],
        "additionalProperties": false,
    });
    let count = |help: &str| json!({ "type": "integer", "minimum": 0, "description": help });
    let required = vec![
        (
            "code",
            json!({ "enum": codes, "description": "Why, in one word." }),
        ),
        ("message", text("Why, in words, and where the record lies.")),
        ("topic", text("The topic, or the file.")),
        (
            "partition",
            json!({ "type": "integer", "description": "The partition; 0 for a file." }),
        ),
        (
            "offset",
            json!({ "type": "integer", "description": "The offset; the line, from 0, for a file." }),
        ),
        (
            "value_base64",
            base64("The original bytes, or their start."),
        ),
        (
            "headers",
            json!({ "type": "array", "items": header, "description": "The original headers." }),
        ),
    ];
    let mut schema = object(required, true);
    schema["properties"]["field"] = text("The field that was wrong.");
    schema["properties"]["key_base64"] = base64("The original key.");
    schema["properties"]["length"] =
        count("The length of the original bytes, where they were cut.");
    schema["properties"]["sha256"] = text("The hash of the original bytes, where they were cut.");
    schema["properties"]["headers_dropped"] =
        count("How many of the original headers did not fit.");
    schema
}

fn record(mut fields: Vec<(&str, Value)>) -> Value {
    fields.insert(0, ("schema_version", json!({ "const": SCHEMA_VERSION })));
    object(fields, true)
}

fn object<N: AsRef<str>>(fields: Vec<(N, Value)>, required: bool) -> Value {
    let names: Vec<String> = fields
        .iter()
        .map(|(name, _)| name.as_ref().to_owned())
        .collect();
    let required = if required { names } else { Vec::new() };
    let properties: Map<String, Value> = fields
        .into_iter()
        .map(|(name, schema)| (name.as_ref().to_owned(), schema))
        .collect();
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn metrics(columns: &[Column], required: bool) -> Value {
    let own = columns.iter().filter(|column| column.feature.is_none());
    let fields = own.map(|column| (column.field(), metric(column.info)));
    let mut schema = object(fields.collect(), required);
    schema["description"] = json!("Values by id; null where a value is not defined.");
    schema
}

/// The schema of a metric's value. Every one may be null: undefined.
fn metric(info: &Info) -> Value {
    let mut schema = match info.unit {
        Unit::Count | Unit::Days | Unit::Money => json!({ "type": ["integer", "null"] }),
        Unit::Mean | Unit::Ratio | Unit::Seconds => json!({ "type": ["number", "null"] }),
        Unit::Date => json!({ "type": ["string", "null"], "format": "date" }),
        Unit::Name => json!({ "type": ["string", "null"] }),
        Unit::Histogram => json!({
            "type": ["array", "null"],
            "items": { "type": "integer", "minimum": 0 },
        }),
    };
    schema["description"] = json!(info.help);
    schema
}

/// Required only where the record is not one that withdraws a day, which has no values of features either.
fn features(columns: &[Column]) -> Value {
    let of_features: Vec<&Column> = columns
        .iter()
        .filter(|column| column.feature.is_some())
        .collect();
    let features = of_features
        .chunk_by(|one, next| one.feature == next.feature)
        .map(|columns| {
            let name = columns[0].feature.as_deref().unwrap_or_default();
            let fields = columns
                .iter()
                .map(|column| (column.field(), metric(column.info)));
            (name, object(fields.collect(), true))
        });
    let mut schema = object(features.collect(), false);
    schema["description"] = json!("Values of each tracked feature.");
    schema
}

fn text(help: &str) -> Value {
    json!({ "type": "string", "description": help })
}

fn truth(help: &str) -> Value {
    json!({ "type": "boolean", "description": help })
}

fn date(help: &str) -> Value {
    json!({ "type": "string", "format": "date", "description": help })
}

fn instant(help: &str) -> Value {
    json!({ "type": "string", "format": "date-time", "description": help })
}
