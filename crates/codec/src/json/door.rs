//! The door: from the bytes of a record to a text that can be read, or to why it cannot.

use mainstay_model::{Code, Rejection};

use super::Reader;
use crate::Limits;

/// Reads the one JSON object that a record is.
///
/// A record that is broken as a text is refused for that, also when something in it was found wrong first.
pub(crate) fn document<'a, T>(
    value: &'a [u8],
    limits: &Limits,
    read: impl FnOnce(&mut Reader<'a>) -> Result<T, Rejection>,
) -> Result<T, Rejection> {
    let (text, base) = text(value, limits)?;
    let start = Reader::new(text, base, limits.depth());
    let mut reader = start;
    if reader.kind().is_ok_and(|kind| kind == super::Kind::Object) {
        return read(&mut reader)
            .and_then(|found| reader.end().map(|()| found))
            .map_err(|refused| start.fault().unwrap_or(refused));
    }
    Err(no_object(reader, value))
}

/// The record as a text without byte-order mark, and where the text begins.
fn text<'a>(value: &'a [u8], limits: &Limits) -> Result<(&'a str, usize), Rejection> {
    if value.is_empty() {
        return Err(Rejection::new(Code::Empty, "", "the payload has no bytes"));
    }
    if value.len() > limits.max_bytes {
        return Err(Rejection::new(
            Code::TooLarge,
            "",
            format!("{} bytes, the limit is {}", value.len(), limits.max_bytes),
        ));
    }
    let base = if value.starts_with(b"\xEF\xBB\xBF") {
        3
    } else {
        0
    };
    match std::str::from_utf8(&value[base..]) {
        Ok(text) => Ok((text, base)),
        Err(error) => Err(not_text(value, base + error.valid_up_to())),
    }
}

#[cold]
fn not_text(value: &[u8], at: usize) -> Rejection {
    if let Some(hint) = hint(value) {
        return not_json(hint);
    }
    // Text in a wrong encoding rarely holds a 0, and begins as JSON does or with a letter.
    let utf16 = value.starts_with(b"\xFF\xFE") || value.starts_with(b"\xFE\xFF");
    let binary =
        value.contains(&0) || value[0].is_ascii_control() && !value[0].is_ascii_whitespace();
    if binary && !utf16 && !value.starts_with(b"{") {
        return not_json("binary data, perhaps Protobuf");
    }
    let hint = if utf16 { " (it looks like UTF-16)" } else { "" };
    Rejection::new(Code::NotUtf8, "", format!("byte {at}: no UTF-8{hint}"))
}

#[cold]
fn no_object(mut reader: Reader<'_>, value: &[u8]) -> Rejection {
    if let Some(hint) = hint(value) {
        return not_json(hint);
    }
    if let Some(fault) = reader.fault() {
        return fault;
    }
    let found = match reader.kind() {
        Ok(kind) => kind.name(),
        Err(refused) => return refused,
    };
    Rejection::new(
        Code::NotAnObject,
        "",
        format!("found {found}, expected an object"),
    )
}

fn not_json(hint: &str) -> Rejection {
    Rejection::new(
        Code::NotJson,
        "",
        format!("byte 0: expected `{{`; it looks like {hint}"),
    )
}

/// What bytes that are not JSON look like.
fn hint(value: &[u8]) -> Option<&'static str> {
    const MAGIC: &[(&[u8], &str)] = &[
        (
            b"\x1F\x8B",
            "gzip: send it uncompressed, or let the Kafka producer compress",
        ),
        (
            b"\x28\xB5\x2F\xFD",
            "zstd: send it uncompressed, or let the Kafka producer compress",
        ),
        (
            b"\x04\x22\x4D\x18",
            "LZ4: send it uncompressed, or let the Kafka producer compress",
        ),
        (
            b"\xFF\x06\x00\x00sNaPpY",
            "snappy: send it uncompressed, or let the Kafka producer compress",
        ),
        (b"Obj\x01", "an Avro container file"),
        (b"\xC3\x01", "Avro with a schema fingerprint"),
        (b"PK\x03\x04", "a zip file"),
    ];
    if value.len() > 4 && value[0] == 0 {
        return Some("Avro or Protobuf of a schema registry (magic byte 0, then a schema id)");
    }
    MAGIC
        .iter()
        .find(|(magic, _)| value.starts_with(magic))
        .map(|(_, hint)| *hint)
        .or_else(|| protobuf(value).then_some("Protobuf"))
}

/// Whether the first bytes are a field of Protobuf: a small field number and a length that fits.
fn protobuf(value: &[u8]) -> bool {
    match *value {
        [0x0A | 0x12 | 0x1A, len, ref rest @ ..] => {
            len > 0
                && usize::from(len) <= rest.len()
                && len.is_ascii_control()
                && !len.is_ascii_whitespace()
        }
        [0x08 | 0x10 | 0x18, _, ..] => true,
        _ => false,
    }
}
