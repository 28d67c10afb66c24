//! What fields on the wire are made of: how each kind of value is read, checked, hashed and described.
//!
//! A format declares its objects with [`wire!`] and its enumerations with [`choices!`]; reader, digest and
//! JSON Schema come from that one declaration. An optional field that is null is as good as absent.

use std::borrow::Cow;

use mainstay_model::{Code, Currency, Decimal, Field, Id, Rejection, Timestamp, Zone};
use serde_json::{Value, json};

use crate::digest::{Digest, Digested};
use crate::json::{Kind, Reader, shown};
use crate::rfc3339;

/// A value of a field.
pub(crate) trait Wire<'a>: Sized {
    /// Of identity, time or money: its key twice in one object is refused. Elsewhere the last one wins.
    const ONCE: bool = false;
    /// The code of a refusal where it is required and missing.
    const MISSING: Code = Code::MissingField;

    /// Reads it. Null never comes here.
    fn read(reader: &mut Reader<'a>) -> Result<Self, Rejection>;

    /// Its JSON Schema.
    fn schema() -> Value;
}

/// The place for a field while its object is read.
pub(crate) struct Slot<T> {
    seen: bool,
    value: Option<T>,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Slot {
            seen: false,
            value: None,
        }
    }
}

impl<T> Slot<T> {
    /// Reads the field, whose key was just passed.
    #[inline]
    pub(crate) fn fill<'a>(&mut self, reader: &mut Reader<'a>) -> Result<(), Rejection>
    where
        T: Wire<'a>,
    {
        if self.seen && T::ONCE {
            return Err(twice());
        }
        self.seen = true;
        self.value = match reader.null()? {
            true => None,
            false => Some(T::read(reader)?),
        };
        Ok(())
    }

    /// What it has been filled with so far.
    pub(crate) fn get(&self) -> Option<&T> {
        self.value.as_ref()
    }

    /// A field that must be there.
    #[inline]
    pub(crate) fn need<'a>(self, key: &str) -> Result<T, Rejection>
    where
        T: Wire<'a>,
    {
        self.value.ok_or_else(|| missing(T::MISSING, key))
    }

    /// A field that may be there.
    pub(crate) fn may(self, _: &str) -> Result<Option<T>, Rejection> {
        Ok(self.value)
    }

    /// A field that keeps what was there when it is absent, and erases it when it is null.
    pub(crate) fn keep(self, _: &str) -> Result<Field<T>, Rejection> {
        Ok(match (self.seen, self.value) {
            (_, Some(value)) => Field::Set(value),
            (true, None) => Field::Erase,
            (false, None) => Field::Keep,
        })
    }
}

/// A key of identity, time or money stands twice in an object.
#[cold]
pub(crate) fn twice() -> Rejection {
    let why = "stands twice in one object, so it is not known which one is meant";
    Rejection::new(Code::DuplicateKey, "", why)
}

/// A required field is not there.
#[cold]
pub(crate) fn missing(code: Code, key: &str) -> Rejection {
    Rejection::new(code, key, "is missing")
}

/// A field with a value that it cannot have.
#[cold]
pub(crate) fn bad(field: &str, message: impl Into<String>) -> Rejection {
    Rejection::new(Code::BadField, field, message)
}

/// Declares objects on the wire: `need` is required, `may` is optional, `keep` keeps when absent and
/// erases when null.
macro_rules! wire {
    ($($(#[doc = $about:literal])+ $name:ident<$life:lifetime> {
        $($(#[doc = $help:literal])+ $mode:ident $field:ident: $ty:ty,)*
    })+) => {$(
        $(#[doc = $about])+
        pub(super) struct $name<$life> {
            $($(#[doc = $help])+ pub(super) $field: $crate::wire::wire!(@type $mode $ty),)*
        }

        impl<$life> $crate::wire::Wire<$life> for $name<$life> {
            fn read(reader: &mut $crate::json::Reader<$life>) -> Result<Self, mainstay_model::Rejection> {
                $(let mut $field = $crate::wire::Slot::<$ty>::default();)*
                reader.object(|reader, key| match key {
                    $(stringify!($field) => $field.fill(reader),)*
                    _ => reader.ignore(),
                })?;
                Ok(Self { $($field: $field.$mode(stringify!($field))?,)* })
            }

            fn schema() -> serde_json::Value {
                $crate::wire::object_schema(concat!($($about),+), vec![$((
                    stringify!($field),
                    stringify!($mode),
                    concat!($($help),+),
                    <$ty as $crate::wire::Wire<$life>>::schema(),
                )),*])
            }
        }

        impl<$life> $crate::digest::Digested for $name<$life> {
            fn digest(&self, digest: &mut $crate::digest::Digest) {
                $($crate::digest::Digested::digest(&self.$field, digest);)*
            }
        }
    )+};
    (@type need $ty:ty) => { $ty };
    (@type may $ty:ty) => { Option<$ty> };
    (@type keep $ty:ty) => { mainstay_model::Field<$ty> };
}
pub(crate) use wire;

/// Declares how an enumeration is written.
macro_rules! choices {
    ($($name:ident { $($variant:ident $text:literal,)+ })+) => {$(
        impl<'a> $crate::wire::Wire<'a> for $name {
            fn read(reader: &mut $crate::json::Reader<'a>) -> Result<Self, mainstay_model::Rejection> {
                let text = reader.string()?;
                match &*text {
                    $($text => Ok($name::$variant),)+
                    _ => Err($crate::wire::no_choice(&text, &[$($text),+])),
                }
            }

            fn schema() -> serde_json::Value {
                serde_json::json!({ "enum": [$($text),+] })
            }
        }

        impl $crate::digest::Digested for $name {
            fn digest(&self, digest: &mut $crate::digest::Digest) {
                digest.number(*self as u64);
            }
        }
    )+};
}
pub(crate) use choices;

#[cold]
pub(crate) fn no_choice(found: &str, choices: &[&str]) -> Rejection {
    bad(
        "",
        format!(
            "found {}, expected one of {}",
            shown(found),
            choices.join(", ")
        ),
    )
}

/// The JSON Schema of an object of [`wire!`]. Unknown fields are allowed: they are ignored and counted.
pub(crate) fn object_schema(about: &str, fields: Vec<(&str, &str, &str, Value)>) -> Value {
    let required: Vec<&str> = fields
        .iter()
        .filter(|f| f.1 == "need")
        .map(|f| f.0)
        .collect();
    let properties: serde_json::Map<String, Value> = fields
        .into_iter()
        .map(|(key, mode, help, schema)| (key.to_owned(), field_schema(schema, mode, help)))
        .collect();
    json!({ "type": "object", "description": about.trim(), "properties": properties, "required": required })
}

/// The JSON Schema of a field: null is as good as absent where a field may be absent.
pub(crate) fn field_schema(mut schema: Value, mode: &str, help: &str) -> Value {
    if mode != "need" {
        match schema.get("type").filter(|kind| kind.is_string()).cloned() {
            Some(kind) => schema["type"] = json!([kind, "null"]),
            None => schema = json!({ "anyOf": [schema, { "type": "null" }] }),
        }
    }
    schema["description"] = json!(help.trim());
    schema
}

/// Any text.
impl<'a> Wire<'a> for Cow<'a, str> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Rejection> {
        reader.string()
    }

    fn schema() -> Value {
        json!({ "type": "string" })
    }
}

/// A text that is not blank.
pub(crate) struct Name<'a>(pub(crate) Cow<'a, str>);

impl<'a> Wire<'a> for Name<'a> {
    #[inline]
    fn read(reader: &mut Reader<'a>) -> Result<Self, Rejection> {
        let text = reader.string()?;
        match text.chars().all(char::is_whitespace) {
            true => Err(blank()),
            false => Ok(Name(text)),
        }
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "\\S" })
    }
}

impl Digested for Name<'_> {
    fn digest(&self, digest: &mut Digest) {
        self.0.digest(digest);
    }
}

#[cold]
fn blank() -> Rejection {
    Rejection::new(Code::MissingField, "", "is empty or blank")
}

impl<'a> Wire<'a> for Id<'a> {
    const ONCE: bool = true;

    #[inline]
    fn read(reader: &mut Reader<'a>) -> Result<Self, Rejection> {
        let text = reader.string()?;
        if text.len() > Id::MAX_CHARS && text.chars().count() > Id::MAX_CHARS {
            let chars = text.chars().count();
            let most = Id::MAX_CHARS;
            return Err(bad(
                "",
                format!("has {chars} characters, expected 1 to {most}"),
            ));
        }
        Id::new(text).ok_or_else(blank)
    }

    fn schema() -> Value {
        json!({ "type": "string", "minLength": 1, "maxLength": Id::MAX_CHARS, "pattern": "\\S" })
    }
}

/// An id that a field may have: blank is as good as absent.
pub(crate) struct Maybe<'a>(pub(crate) Option<Id<'a>>);

impl<'a> Wire<'a> for Maybe<'a> {
    const ONCE: bool = true;

    #[inline]
    fn read(reader: &mut Reader<'a>) -> Result<Self, Rejection> {
        match Id::read(reader) {
            Ok(id) => Ok(Maybe(Some(id))),
            Err(refused) if refused.code == Code::MissingField => Ok(Maybe(None)),
            Err(refused) => Err(refused),
        }
    }

    fn schema() -> Value {
        json!({ "type": "string", "maxLength": Id::MAX_CHARS })
    }
}

impl<'a> Wire<'a> for Timestamp {
    const ONCE: bool = true;

    #[inline]
    fn read(reader: &mut Reader<'a>) -> Result<Self, Rejection> {
        if reader.kind()? == Kind::Number {
            return Err(bad(
                "",
                "found a number, expected RFC 3339, as in 2026-03-01T09:30:00Z",
            ));
        }
        let text = reader.string()?;
        rfc3339::parse(&text).map_err(|why| bad("", format!("found {}: {why}", shown(&text))))
    }

    fn schema() -> Value {
        json!({ "type": "string", "format": "date-time" })
    }
}

impl<'a> Wire<'a> for Zone {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Rejection> {
        let name = reader.string()?;
        name.parse().map_err(|_| {
            let near = nearest(&name, Zone::names());
            bad(
                "",
                format!(
                    "found {}, expected a time zone of the IANA database{near}",
                    shown(&name)
                ),
            )
        })
    }

    fn schema() -> Value {
        json!({ "type": "string", "examples": ["Europe/Berlin"] })
    }
}

impl Digested for Zone {
    fn digest(&self, digest: &mut Digest) {
        digest.bytes(self.name().as_bytes());
    }
}

/// `; did you mean …?`, or nothing when no name is near.
#[cold]
pub(crate) fn nearest<'n>(found: &str, names: impl Iterator<Item = &'n str>) -> String {
    // Comparing costs the product of the lengths; nobody mistypes by that much.
    let found: String = found.chars().take(64).collect();
    names
        .map(|name| (strsim::jaro_winkler(&found, name), name))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map_or_else(String::new, |(_, name)| format!("; did you mean `{name}`?"))
}

impl<'a> Wire<'a> for bool {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Rejection> {
        reader.bool()
    }

    fn schema() -> Value {
        json!({ "type": "boolean" })
    }
}

/// A whole number.
impl<'a> Wire<'a> for i64 {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Rejection> {
        let text = reader.number()?;
        whole(text).ok_or_else(|| {
            bad(
                "",
                format!("found {}, expected a whole number", shown(text)),
            )
        })
    }

    fn schema() -> Value {
        json!({ "type": "integer" })
    }
}

/// A number without a fraction, also when it is written as 10.0 or 1e1.
fn whole(text: &str) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    text.parse().ok().or_else(|| {
        let number: f64 = text.parse().ok()?;
        (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i64)
    })
}

/// How many there are: seats, units of a price. Below 0 breaks a rule of the domain.
#[derive(Clone, Copy)]
pub(crate) struct Amount<const MAX: i64>(pub(crate) i64);

impl<'a, const MAX: i64> Wire<'a> for Amount<MAX> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Rejection> {
        match i64::read(reader)? {
            number @ 0.. if number <= MAX => Ok(Amount(number)),
            number @ 0.. => Err(bad("", format!("found {number}, expected {MAX} at most"))),
            number => Err(Rejection::new(
                Code::BadState,
                "",
                format!("found {number}, expected no less than 0"),
            )),
        }
    }

    fn schema() -> Value {
        json!({ "type": "integer", "minimum": 0, "maximum": MAX })
    }
}

impl<const MAX: i64> Digested for Amount<MAX> {
    fn digest(&self, digest: &mut Digest) {
        self.0.digest(digest);
    }
}

/// A duration in milliseconds; a fraction is cut.
#[derive(Clone, Copy)]
pub(crate) struct Millis(pub(crate) i64);

impl Millis {
    const MOST: i64 = 1_000_000_000_000;
}

impl<'a> Wire<'a> for Millis {
    #[inline]
    fn read(reader: &mut Reader<'a>) -> Result<Self, Rejection> {
        let text = reader.number()?;
        let ms = text.parse().ok().or_else(|| cut(text));
        match ms {
            Some(ms @ 0..=Millis::MOST) => Ok(Millis(ms)),
            _ => Err(bad(
                "",
                format!("found {}, expected 0 to {} (ms)", shown(text), Millis::MOST),
            )),
        }
    }

    fn schema() -> Value {
        json!({ "type": "number", "minimum": 0, "maximum": Millis::MOST })
    }
}

impl Digested for Millis {
    fn digest(&self, digest: &mut Digest) {
        self.0.digest(digest);
    }
}

/// The whole part of a number that is not below 0.
fn cut(text: &str) -> Option<i64> {
    let number: f64 = text.parse().ok()?;
    (0.0..1e15).contains(&number).then_some(number as i64)
}

/// A share in per cent, 0 to 100.
#[derive(Clone, Copy)]
pub(crate) struct Percent {
    pub(crate) exact: Decimal,
    /// The nearest float, for the digest alone: 10 and 10.0 are one share.
    nearest: f64,
}

impl<'a> Wire<'a> for Percent {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Rejection> {
        let text = reader.number()?;
        let nearest = text
            .parse()
            .ok()
            .filter(|share| (0.0..=100.0).contains(share));
        let nearest = nearest.ok_or_else(|| {
            let message = format!("found {}, expected 0 to 100", shown(text));
            bad("", message)
        })?;
        let exact = Decimal::parse(text).ok_or_else(|| {
            let most = Decimal::MOST_DECIMALS;
            let message = format!("found {}, expected {most} decimals at most", shown(text));
            bad("", message)
        })?;
        Ok(Percent { exact, nearest })
    }

    fn schema() -> Value {
        json!({ "type": "number", "minimum": 0, "maximum": 100 })
    }
}

impl Digested for Percent {
    fn digest(&self, digest: &mut Digest) {
        digest.number(self.nearest.to_bits());
    }
}

/// Money in whole minor units.
#[derive(Clone, Copy)]
pub(crate) struct Minor(pub(crate) i64);

impl Minor {
    /// No sum of a company's events comes near what an i64 holds.
    pub(crate) const MOST: i64 = 1_000_000_000_000_000;
}

impl<'a> Wire<'a> for Minor {
    const ONCE: bool = true;

    fn read(reader: &mut Reader<'a>) -> Result<Self, Rejection> {
        let text = reader.written();
        let read: Option<i64> = reader.number().ok().and_then(|text| text.parse().ok());
        match read {
            Some(amount) if amount.unsigned_abs() <= Minor::MOST.unsigned_abs() => {
                Ok(Minor(amount))
            }
            Some(_) | None => Err(bad_amount(text, "a whole number of minor units (cents)")),
        }
    }

    fn schema() -> Value {
        json!({ "type": "integer", "minimum": -Minor::MOST, "maximum": Minor::MOST })
    }
}

impl Digested for Minor {
    fn digest(&self, digest: &mut Digest) {
        self.0.digest(digest);
    }
}

#[cold]
fn bad_amount(found: &str, expected: &str) -> Rejection {
    let message = format!("found {}, expected {expected}", shown(found));
    Rejection::new(Code::BadAmount, "", message)
}

/// A price in minor units, which may have decimals when it is written as a text.
pub(crate) struct Price<'a>(Cow<'a, str>);

impl Price<'_> {
    /// What is written, exactly.
    pub(crate) fn exact(&self) -> Decimal {
        Decimal::parse(&self.0).expect("a price is read only with digits that a decimal holds")
    }
}

impl<'a> Wire<'a> for Price<'a> {
    const ONCE: bool = true;

    fn read(reader: &mut Reader<'a>) -> Result<Self, Rejection> {
        const EXPECTED: &str = "a whole number of minor units, or a text as in \"0.05\"";
        let written = reader.written();
        if !written.starts_with('"') {
            Minor::read(reader).map_err(|_| bad_amount(written, EXPECTED))?;
            return Ok(Price(Cow::Borrowed(written)));
        }
        let text = reader.string()?;
        match is_decimal(&text) {
            true => Ok(Price(text)),
            false => Err(bad_amount(&text, EXPECTED)),
        }
    }

    fn schema() -> Value {
        json!({ "anyOf": [
            Minor::schema(), { "type": "string", "pattern": "^-?[0-9]{1,15}(\\.[0-9]{1,12})?$" },
        ] })
    }
}

fn is_decimal(text: &str) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str, most| {
        (1..=most).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    digits(whole, 15) && digits(fraction, 12)
}

impl Digested for Price<'_> {
    fn digest(&self, digest: &mut Digest) {
        self.0.digest(digest);
    }
}

impl<'a> Wire<'a> for Currency {
    const ONCE: bool = true;
    const MISSING: Code = Code::BadCurrency;

    fn read(reader: &mut Reader<'a>) -> Result<Self, Rejection> {
        let written = reader.written();
        let known = reader.string().ok().and_then(|code| Currency::of(&code));
        known.ok_or_else(|| {
            let message = format!("found {}, expected ISO 4217 in upper case", shown(written));
            Rejection::new(Code::BadCurrency, "", message)
        })
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^[A-Z]{3}$", "examples": ["USD"] })
    }
}

impl Digested for Currency {
    fn digest(&self, digest: &mut Digest) {
        digest.bytes(self.code().as_bytes());
    }
}

/// A list.
impl<'a, T: Wire<'a>> Wire<'a> for Vec<T> {
    // A list of prices twice is money twice.
    const ONCE: bool = T::ONCE;

    fn read(reader: &mut Reader<'a>) -> Result<Self, Rejection> {
        let mut all = Vec::new();
        reader.list(|reader| {
            all.push(T::read(reader)?);
            Ok(())
        })?;
        Ok(all)
    }

    fn schema() -> Value {
        json!({ "type": "array", "items": T::schema() })
    }
}

/// An object that nobody looks into yet; only its hash is kept.
pub(crate) struct Opaque(u64);

impl<'a> Wire<'a> for Opaque {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Rejection> {
        match reader.kind()? == Kind::Object {
            true => reader.hash().map(Opaque),
            false => Err(reader.wrong("an object")),
        }
    }

    fn schema() -> Value {
        json!({ "type": "object" })
    }
}

impl Digested for Opaque {
    fn digest(&self, digest: &mut Digest) {
        digest.number(self.0);
    }
}

/// Traits by rising name, each once; of a name that is given twice the last one.
#[derive(Default)]
pub(crate) struct Traits<'a>(pub(crate) Vec<(Cow<'a, str>, Field<Cow<'a, str>>)>);

impl<'a> Wire<'a> for Traits<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Rejection> {
        let mut all = Vec::new();
        reader.object(|reader, key| {
            let name = key.to_owned();
            let value = match reader.kind()? {
                Kind::Null => reader.null().map(|_| Field::Erase)?,
                Kind::String => Field::Set(reader.string()?),
                Kind::Number => Field::Set(Cow::Borrowed(reader.number()?)),
                Kind::Bool => {
                    Field::Set(Cow::Borrowed(if reader.bool()? { "true" } else { "false" }))
                }
                // A segment cannot be named by a tree.
                Kind::Object | Kind::Array => return reader.ignore(),
            };
            all.push((Cow::Owned(name), value));
            Ok(())
        })?;
        // Stable, so that of the same names the last one given stays last, and is kept.
        all.reverse();
        all.sort_by(|(a, _): &(Cow<'_, str>, _), (b, _)| a.cmp(b));
        all.dedup_by(|later, first| later.0 == first.0);
        Ok(Traits(all))
    }

    fn schema() -> Value {
        // Trees in it are ignored and counted, so anything is allowed.
        json!({ "type": "object" })
    }
}

impl Digested for Traits<'_> {
    fn digest(&self, digest: &mut Digest) {
        self.0.digest(digest);
    }
}
