//! The native format, read the plain way: a tree of JSON values, then its fields.
//!
//! Reads what the metrics of usage need and refuses what they must not see. It names the code of a refusal
//! as the specification has it; where a record breaks two rules, which of them is named is nobody's promise.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use chrono::DateTime;
use mainstay_model::{Code, Kind, Timestamp, Zone};
use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::{Map, Value};

use super::mrr;

/// A record that could be read.
pub(super) struct Event {
    pub(super) id: String,
    pub(super) source: Option<String>,
    pub(super) account: String,
    pub(super) user: Option<String>,
    pub(super) time: Timestamp,
    pub(super) received_at: Option<Timestamp>,
    pub(super) body: Body,
    /// All that the event says, in one text, for telling a duplicate from a conflict.
    said: String,
}

#[derive(Debug)]
pub(super) enum Body {
    Product {
        name: String,
        duration_ms: i64,
        actor: Actor,
    },
    SignedUp,
    Removed,
    Account {
        created: bool,
        tz: Said<Zone>,
        seats: Said<i64>,
        renewal: Said<Timestamp>,
        /// Of those of [`BUILT_IN`] and of the company's own, which stand beside them.
        traits: Vec<(String, Option<String>)>,
    },
    Deleted,
    /// A state of a subscription, as it was sent.
    Subscription(Value),
    /// What became of an invoice, by the last word of the event's type.
    Invoice(String, Value),
    Other,
}

/// What an event says of a field: `None` nothing at all, `Some(None)` that there is no value any more.
pub(super) type Said<T> = Option<Option<T>>;

/// Traits that are fields of the account itself; no trait of the company's own stands for one of them.
pub(super) const BUILT_IN: [&str; 5] = ["plan", "industry", "size", "region", "owner"];

/// Who used the product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Actor {
    Human,
    Api,
    Agent,
}

const MAX_BYTES: usize = 64 * 1024;
const MAX_DEPTH: usize = 64;
const MAX_ID_CHARS: usize = 128;

impl Event {
    pub(super) fn read(bytes: &[u8]) -> Result<Event, Code> {
        let fields = object(bytes)?;
        let kind = match text(&fields, "type")? {
            None => return Err(Code::MissingField),
            Some(name) => Kind::of(&name).ok_or(Code::UnknownType)?,
        };
        let account = id(&fields, "account_id")?.ok_or(Code::MissingField)?;
        if account == "*" && kind != Kind::CostRecorded {
            return Err(Code::BadField);
        }
        let user = maybe(&fields, "user_id")?;
        if user.is_none() && kind.name().starts_with("user.") {
            return Err(Code::MissingField);
        }
        let data = fields.get("data");
        let body = Body::read(kind, data)?;
        let said = match body {
            Body::Product { .. } => format!("{body:?}"),
            Body::SignedUp | Body::Removed | Body::Account { .. } | Body::Deleted => {
                format!("{kind:?} {data:?}")
            }
            Body::Subscription(_) | Body::Invoice(..) | Body::Other => {
                format!("{kind:?} {data:?}")
            }
        };
        Ok(Event {
            id: id(&fields, "id")?.ok_or(Code::MissingField)?,
            source: maybe(&fields, "source")?,
            account,
            user,
            time: instant(&fields, "time")?.ok_or(Code::MissingField)?,
            received_at: instant(&fields, "received_at")?,
            body,
            said,
        })
    }

    /// A hash of all but `received_at`: what must be equal for two events with one id to be one.
    pub(super) fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (&self.user, self.time, &self.said).hash(&mut hasher);
        hasher.finish()
    }
}

impl Body {
    fn read(kind: Kind, data: Option<&Value>) -> Result<Body, Code> {
        let nothing = Map::new();
        let data = match data {
            None | Some(Value::Null) => &nothing,
            Some(Value::Object(data)) => data,
            Some(_) => return Err(Code::BadField),
        };
        if kind == Kind::ProductEvent {
            return Body::product(data);
        }
        Ok(match kind.name() {
            "user.signed_up" => Body::SignedUp,
            "user.removed" => Body::Removed,
            "account.created" => Body::account(data, true)?,
            "account.updated" => Body::account(data, false)?,
            "subscription.updated" => Body::Subscription(Value::Object(data.clone())),
            "invoice.paid"
            | "invoice.payment_failed"
            | "invoice.voided"
            | "payment.refunded"
            | "payment.disputed" => {
                let (_, outcome) = kind.name().split_once('.').unwrap_or_default();
                Body::Invoice(outcome.to_owned(), Value::Object(data.clone()))
            }
            "account.deleted" => {
                Body::account(data, false)?;
                Body::Deleted
            }
            _ => Body::Other,
        })
    }

    fn account(data: &Map<String, Value>, created: bool) -> Result<Body, Code> {
        let zone = |name: &Value| match name.as_str().map(str::parse) {
            Some(Ok(zone)) => Ok(zone),
            Some(Err(_)) | None => Err(Code::BadField),
        };
        let text = |given: &Value| given.as_str().map(str::to_owned).ok_or(Code::BadField);
        said(data, "name", text)?;
        let mut traits = own_traits(data)?;
        for name in BUILT_IN {
            if let Some(value) = said(data, name, text)? {
                traits.push((name.to_owned(), value));
            }
        }
        Ok(Body::Account {
            created,
            tz: said(data, "tz", zone)?,
            seats: said(data, "seats", seats)?,
            renewal: said(data, "renewal_at", |given| {
                mrr::instant(given).ok_or(Code::BadField)
            })?,
            traits,
        })
    }

    fn product(data: &Map<String, Value>) -> Result<Body, Code> {
        let name = text(data, "name")?.unwrap_or_default();
        if name.trim().is_empty() {
            return Err(Code::MissingField);
        }
        let duration_ms = match data.get("duration_ms") {
            None | Some(Value::Null) => 0,
            Some(given) => given.as_i64().filter(|ms| *ms >= 0).ok_or(Code::BadField)?,
        };
        text(data, "session_id")?;
        Ok(Body::Product {
            name,
            duration_ms,
            actor: actor(data)?,
        })
    }
}

/// Who did it; a person where nobody is named.
fn actor(data: &Map<String, Value>) -> Result<Actor, Code> {
    match text(data, "actor")?.as_deref() {
        None | Some("human") => Ok(Actor::Human),
        Some("api") => Ok(Actor::Api),
        Some("agent") => Ok(Actor::Agent),
        Some(_) => Err(Code::BadField),
    }
}

fn seats(given: &Value) -> Result<i64, Code> {
    let whole = |number: f64| (number.fract() == 0.0).then_some(number as i64);
    let number = given.as_i64().or_else(|| given.as_f64().and_then(whole));
    match number.ok_or(Code::BadField)? {
        number if number < 0 => Err(Code::BadState),
        number if number > i64::from(u32::MAX) => Err(Code::BadField),
        number => Ok(number),
    }
}

/// Traits of the company's own: texts, and numbers and truth values as they are written.
fn own_traits(data: &Map<String, Value>) -> Result<Vec<(String, Option<String>)>, Code> {
    let traits = match data.get("traits") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Object(traits)) => traits,
        Some(_) => return Err(Code::BadField),
    };
    let told = traits.iter().filter_map(|(name, value)| {
        let value = match value {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(yes) => Some(yes.to_string()),
            Value::Array(_) | Value::Object(_) => return None,
        };
        (!BUILT_IN.contains(&name.as_str())).then(|| (name.clone(), value))
    });
    Ok(told.collect())
}

fn said<T>(
    data: &Map<String, Value>,
    name: &str,
    read: impl FnOnce(&Value) -> Result<T, Code>,
) -> Result<Said<T>, Code> {
    match data.get(name) {
        None => Ok(None),
        Some(Value::Null) => Ok(Some(None)),
        Some(given) => read(given).map(|value| Some(Some(value))),
    }
}

fn text(fields: &Map<String, Value>, name: &str) -> Result<Option<String>, Code> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(Code::BadField),
    }
}

fn id(fields: &Map<String, Value>, name: &str) -> Result<Option<String>, Code> {
    match text(fields, name)? {
        Some(id) if id.trim().is_empty() => Err(Code::MissingField),
        Some(id) if id.chars().count() > MAX_ID_CHARS => Err(Code::BadField),
        id => Ok(id),
    }
}

/// An id that may be left out; a blank one is none.
fn maybe(fields: &Map<String, Value>, name: &str) -> Result<Option<String>, Code> {
    match id(fields, name) {
        Err(Code::MissingField) => Ok(None),
        id => id,
    }
}

/// An instant, cut to milliseconds; a leap second is the second before it.
fn instant(fields: &Map<String, Value>, name: &str) -> Result<Option<Timestamp>, Code> {
    let Some(text) = text(fields, name)? else {
        return Ok(None);
    };
    let at = DateTime::parse_from_rfc3339(&text).map_err(|_| Code::BadField)?;
    let ms = at.timestamp() * 1000 + i64::from(at.timestamp_subsec_millis() % 1000);
    Ok(Some(Timestamp(ms)))
}

/// The fields of a record's one JSON object.
fn object(bytes: &[u8]) -> Result<Map<String, Value>, Code> {
    if bytes.is_empty() {
        return Err(Code::Empty);
    }
    if bytes.len() > MAX_BYTES {
        return Err(Code::TooLarge);
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|_| Code::NotUtf8)?;
    if depth(text) > MAX_DEPTH {
        return Err(Code::TooDeep);
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    let fields = Fields::deserialize(&mut reader);
    let Ok(Fields { fields, twice }) = fields else {
        return Err(not_fields(text));
    };
    reader.end().map_err(|_| Code::TrailingData)?;
    let of_identity_or_time = [
        "id",
        "type",
        "source",
        "account_id",
        "user_id",
        "time",
        "received_at",
    ];
    if twice
        .iter()
        .any(|name| of_identity_or_time.contains(&name.as_str()))
    {
        return Err(Code::DuplicateKey);
    }
    Ok(fields)
}

/// Why a text is not one JSON object.
fn not_fields(text: &str) -> Code {
    let mut reader = serde_json::Deserializer::from_str(text);
    match Value::deserialize(&mut reader) {
        Err(error) => syntax(&error),
        Ok(_) if reader.end().is_err() => Code::TrailingData,
        Ok(_) => Code::NotAnObject,
    }
}

/// A lone surrogate is no character, so it is `not_utf8`, as raw bytes would be.
fn syntax(error: &serde_json::Error) -> Code {
    let message = error.to_string();
    if ["surrogate", "hex escape"]
        .iter()
        .any(|lone| message.contains(lone))
    {
        Code::NotUtf8
    } else {
        Code::NotJson
    }
}

/// How deep objects and arrays are nested, brackets inside of strings left out.
fn depth(text: &str) -> usize {
    let (mut deep, mut deepest) = (0_usize, 0);
    let (mut in_string, mut escaped) = (false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => deep += 1,
            b'}' | b']' if !in_string => deep = deep.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(deep);
    }
    deepest
}

/// An object that remembers which names it had twice.
struct Fields {
    fields: Map<String, Value>,
    twice: Vec<String>,
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: serde::Deserializer<'de>>(reader: D) -> Result<Fields, D::Error> {
        reader.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Fields, M::Error> {
        let (mut fields, mut twice) = (Map::new(), Vec::new());
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            if fields.insert(name.clone(), value).is_some() {
                twice.push(name);
            }
        }
        Ok(Fields { fields, twice })
    }
}
