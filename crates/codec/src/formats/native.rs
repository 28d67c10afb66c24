//! The native format: one JSON object per record, the envelope here, the shapes of `data` in `native/data.rs`.
//!
//! This is what every event of a company passes, so its strings are borrowed and nothing is allocated for
//! a product event. A `data` that stands before `type` is passed over and read when the type is known.

mod data;

use mainstay_model::{Event, Id, Kind, Rejection, Timestamp};
use serde_json::{Value, json};

use super::{Ignored, Limits};
use crate::digest::{Digest, Digested};
use crate::json::{self, Reader, shown, under};
use crate::wire::{Maybe, Slot, Wire, bad, field_schema, missing, nearest, twice};

/// Decodes a record of the native format, which has one event.
#[inline]
pub(super) fn decode<'a>(
    value: &'a [u8],
    limits: &Limits,
    mut each: impl FnMut(Event<'a>),
) -> Result<Ignored, Rejection> {
    let (event, ignored) = json::document(value, limits, event)?;
    each(event);
    Ok(ignored)
}

fn event<'a>(reader: &mut Reader<'a>) -> Result<(Event<'a>, Ignored), Rejection> {
    let mut id = Slot::<Id<'a>>::default();
    let mut kind = Slot::<Kind>::default();
    let mut account = Slot::<Id<'a>>::default();
    let mut user = Slot::<Maybe<'a>>::default();
    let mut source = Slot::<Maybe<'a>>::default();
    let mut time = Slot::<Timestamp>::default();
    let mut received_at = Slot::<Timestamp>::default();
    let mut data = Data::Absent;
    reader.object(|reader, key| match key {
        "id" => id.fill(reader),
        "type" => kind.fill(reader),
        "account_id" => account.fill(reader),
        "user_id" => user.fill(reader),
        "source" => source.fill(reader),
        "time" => time.fill(reader),
        "received_at" => received_at.fill(reader),
        "data" => data.fill(kind.get(), reader),
        _ => reader.ignore(),
    })?;
    let kind = kind.need("type")?;
    let (id, account) = (id.need("id")?, account.need("account_id")?);
    let time = time.need("time")?;
    let maybe = |slot: Slot<Maybe<'a>>, key| Ok(slot.may(key)?.and_then(|given| given.0));
    let (user, source) = (maybe(user, "user_id")?, maybe(source, "source")?);
    check_company_wide(kind, &account)?;
    if user.is_none() && data::needs_user(kind) {
        return Err(missing(mainstay_model::Code::MissingField, "user_id"));
    }
    let (body, of_data) = data.read(kind, reader)?;

    let mut digest = Digest::default();
    digest.number(kind as u64);
    id.digest(&mut digest);
    source.digest(&mut digest);
    account.digest(&mut digest);
    user.digest(&mut digest);
    time.digest(&mut digest);
    digest.number(of_data.wide());
    let event = Event {
        id,
        source: source.map(Id::into_text),
        account,
        user,
        time,
        received_at: received_at.may("received_at")?,
        digest: digest.finish(),
        body,
    };
    Ok((event, Ignored(reader.ignored)))
}

/// `*` is the whole company, which has costs and nothing else.
fn check_company_wide(kind: Kind, account: &Id<'_>) -> Result<(), Rejection> {
    if account.as_str() == "*" && kind != Kind::CostRecorded {
        let why = "found `*`, the whole company, which only a cost.recorded can be of";
        return Err(bad("account_id", why));
    }
    Ok(())
}

/// The `data` of an event while its envelope is read.
enum Data<'a> {
    Absent,
    /// It came before the type.
    Later(Reader<'a>),
    Read(data::Checked<'a>),
}

impl<'a> Data<'a> {
    fn fill(&mut self, kind: Option<&Kind>, reader: &mut Reader<'a>) -> Result<(), Rejection> {
        match (&self, kind) {
            // It holds ids, times and money.
            (Data::Later(_) | Data::Read(_), _) => return Err(twice()),
            (Data::Absent, _) if reader.null()? => {}
            (Data::Absent, Some(kind)) => *self = Data::Read(data::read(*kind, reader)?),
            (Data::Absent, None) => *self = Data::Later(reader.later()?),
        }
        Ok(())
    }

    fn read(self, kind: Kind, reader: &mut Reader<'a>) -> Result<data::Checked<'a>, Rejection> {
        let mut later = match self {
            Data::Read(checked) => return Ok(checked),
            Data::Later(later) => later,
            Data::Absent => Reader::new("{}", 0, 1),
        };
        let before = later.ignored;
        let checked = data::read(kind, &mut later).map_err(|refused| under("data", refused))?;
        reader.ignored += later.ignored - before;
        Ok(checked)
    }
}

impl<'a> Wire<'a> for Kind {
    const ONCE: bool = true;

    #[inline]
    fn read(reader: &mut Reader<'a>) -> Result<Kind, Rejection> {
        let name = reader.string()?;
        Kind::of(&name).ok_or_else(|| no_kind(&name))
    }

    fn schema() -> Value {
        json!({ "enum": Kind::ALL.iter().map(|kind| kind.name()).collect::<Vec<_>>() })
    }
}

#[cold]
fn no_kind(name: &str) -> Rejection {
    use mainstay_model::Code;
    if name.trim().is_empty() {
        return Rejection::new(Code::MissingField, "", "is empty or blank");
    }
    let near = nearest(name, Kind::ALL.iter().map(|kind| kind.name()));
    Rejection::new(
        Code::UnknownType,
        "",
        format!("{} is not a type of event{near}", shown(name)),
    )
}

/// The JSON Schema of a record.
pub(crate) fn schema() -> Value {
    let field = |schema, mode, help| field_schema(schema, mode, help);
    let cases: Vec<Value> = Kind::ALL
        .iter()
        .map(|kind| {
            let then = match data::needs_user(*kind) {
                true => json!({ "properties": { "data": data::schema(*kind) }, "required": ["user_id"] }),
                false => json!({ "properties": { "data": data::schema(*kind) } }),
            };
            json!({ "if": { "properties": { "type": { "const": kind.name() } } }, "then": then })
        })
        .collect();
    json!({
        "type": "object",
        "properties": {
            "id": field(Id::schema(), "need", "Unique within source and account; makes a repeated event count once."),
            "type": field(Kind::schema(), "need", "What happened."),
            "account_id": field(Id::schema(), "need", "The account that it happened to; `*`, the whole company, in costs only."),
            "user_id": field(Maybe::schema(), "may", "The user who did it."),
            "source": field(Maybe::schema(), "may", "The system that the id comes from."),
            "time": field(Timestamp::schema(), "need", "When it happened: RFC 3339 with an offset."),
            "received_at": field(Timestamp::schema(), "may", "When the company's own systems received it."),
            "data": { "type": ["object", "null"], "description": "What the type says." },
        },
        "required": ["id", "type", "account_id", "time"],
        "allOf": cases,
    })
}
