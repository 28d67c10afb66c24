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
    },
    SignedUp,
    Removed,
    Account {
        created: bool,
        /// `None` says nothing of the zone, `Some(None)` erases it.
        #[allow(clippy::option_option)]
        tz: Option<Option<Zone>>,
    },
    Deleted,
    Other,
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
        let said = match (&body, data) {
            (Body::Product { .. }, Some(Value::Object(data))) => {
                format!("{body:?} {}", actor(data)?)
            }
            _ => format!("{kind:?} {data:?}"),
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
        let tz = match data.get("tz") {
            None => None,
            Some(Value::Null) => Some(None),
            Some(Value::String(name)) => Some(Some(name.parse().map_err(|_| Code::BadField)?)),
            Some(_) => return Err(Code::BadField),
        };
        Ok(match kind.name() {
            "user.signed_up" => Body::SignedUp,
            "user.removed" => Body::Removed,
            "account.created" => Body::Account { created: true, tz },
            "account.updated" => Body::Account { created: false, tz },
            "account.deleted" => Body::Deleted,
            _ => Body::Other,
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
        if !["human", "api", "agent"].contains(&actor(data)?.as_str()) {
            return Err(Code::BadField);
        }
        text(data, "session_id")?;
        Ok(Body::Product { name, duration_ms })
    }
}

/// Who did it; a person where nobody is named.
fn actor(data: &Map<String, Value>) -> Result<String, Code> {
    Ok(text(data, "actor")?.unwrap_or_else(|| "human".to_owned()))
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
