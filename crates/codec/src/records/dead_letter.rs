//! Records that could not be applied, as they came, and why.
//!
//! On a topic a dead letter is the original record with headers of ours besides; in a file it is one JSON
//! object. With all its headers it stays below 256 KiB, whatever came: the value is cut at 128 KiB (its
//! length and SHA-256 then stand beside it), the key at 16 KiB, and of the original headers those stay that
//! fit into 64 KiB. A header that a sender made up under one of our names is dropped. How often a letter
//! has been sent round is counted to [`MAX_HOPS`], where re-driving ends.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use mainstay_model::DeadLetter;
use sha2::{Digest, Sha256};

use super::write::{Object, optional};

/// How often a record is sent round at most.
pub const MAX_HOPS: u32 = 3;

const VALUE_MAX: usize = 128 * 1024;
const KEY_MAX: usize = 16 * 1024;
const HEADERS_MAX: usize = 64 * 1024;
const TEXT_MAX: usize = 1024;
/// What a header costs besides its name and value.
const HEADER_COST: usize = 12;

/// A header: its name, and its value or none.
pub type Header = (String, Option<Vec<u8>>);

/// A dead letter as a record for a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter<'a> {
    /// The original key, or its start.
    pub key: Option<&'a [u8]>,
    /// The original bytes, or their start.
    pub value: Option<&'a [u8]>,
    /// Ours first, then the original ones.
    pub headers: Vec<Header>,
}

/// The names of our headers.
mod name {
    pub(super) const CODE: &str = "error.code";
    pub(super) const MESSAGE: &str = "error.message";
    pub(super) const FIELD: &str = "error.field";
    pub(super) const TOPIC: &str = "error.topic";
    pub(super) const PARTITION: &str = "error.partition";
    pub(super) const OFFSET: &str = "error.offset";
    pub(super) const VERSION: &str = "error.version";
    pub(super) const HOPS: &str = "error.hops";
    pub(super) const LENGTH: &str = "error.length";
    pub(super) const SHA256: &str = "error.sha256";
    pub(super) const KEY_LENGTH: &str = "error.key_length";
    pub(super) const HEADERS_DROPPED: &str = "error.headers_dropped";

    pub(super) const ALL: [&str; 12] = [
        CODE,
        MESSAGE,
        FIELD,
        TOPIC,
        PARTITION,
        OFFSET,
        VERSION,
        HOPS,
        LENGTH,
        SHA256,
        KEY_LENGTH,
        HEADERS_DROPPED,
    ];
}

/// The record of a dead letter on a topic.
#[must_use]
pub fn dead_letter<'a>(letter: &DeadLetter<'a>) -> Letter<'a> {
    let mut headers = Vec::with_capacity(12);
    let mut put =
        |name: &str, value: String| headers.push((name.to_owned(), Some(value.into_bytes())));
    put(name::CODE, letter.why.code.name().to_owned());
    put(name::MESSAGE, message(letter));
    if !letter.why.field.is_empty() {
        put(name::FIELD, cut_text(&letter.why.field).to_owned());
    }
    put(name::TOPIC, cut_text(letter.topic).to_owned());
    put(name::PARTITION, letter.partition.to_string());
    put(name::OFFSET, letter.offset.to_string());
    put(name::VERSION, env!("CARGO_PKG_VERSION").to_owned());
    put(
        name::HOPS,
        (hops(letter.headers) + 1).min(MAX_HOPS).to_string(),
    );
    if let Some(whole) = letter.value.filter(|value| value.len() > VALUE_MAX) {
        put(name::LENGTH, whole.len().to_string());
        put(name::SHA256, sha256(whole));
    }
    if let Some(whole) = letter.key.filter(|key| key.len() > KEY_MAX) {
        put(name::KEY_LENGTH, whole.len().to_string());
    }
    let (kept, dropped) = kept_headers(letter.headers);
    if dropped > 0 {
        put(name::HEADERS_DROPPED, dropped.to_string());
    }
    headers.extend(kept.map(|(name, value)| (name.to_owned(), value.map(<[u8]>::to_vec))));
    Letter {
        key: letter.key.map(|key| cut(key, KEY_MAX)),
        value: letter.value.map(|value| cut(value, VALUE_MAX)),
        headers,
    }
}

/// Writes a dead letter as one JSON object, without an end of line.
pub fn dead_letter_line(letter: &DeadLetter<'_>, out: &mut Vec<u8>) {
    let mut object = Object::open(out);
    object.quoted("code", letter.why.code);
    object.text("message", &message(letter));
    if !letter.why.field.is_empty() {
        object.text("field", cut_text(&letter.why.field));
    }
    object.text("topic", cut_text(letter.topic));
    object.bare("partition", letter.partition);
    object.bare("offset", letter.offset);
    if let Some(key) = letter.key {
        object.quoted("key_base64", BASE64.encode(cut(key, KEY_MAX)));
    }
    bytes(
        object.key("value_base64"),
        letter.value.map(|value| cut(value, VALUE_MAX)),
    );
    if let Some(whole) = letter.value.filter(|value| value.len() > VALUE_MAX) {
        object.bare("length", whole.len());
        object.quoted("sha256", sha256(whole));
    }
    let (kept, dropped) = kept_headers(letter.headers);
    let list = object.key("headers");
    list.push(b'[');
    for (place, (name, value)) in kept.enumerate() {
        if place > 0 {
            list.push(b',');
        }
        let mut header = Object::open(list);
        header.text("name", name);
        bytes(header.key("value_base64"), value);
        header.close();
    }
    list.push(b']');
    if dropped > 0 {
        object.bare("headers_dropped", dropped);
    }
    object.close();
}

/// How often a record with these headers has already been a dead letter, as far as it can be believed.
#[must_use]
pub fn hops(headers: &[(&str, Option<&[u8]>)]) -> u32 {
    let told = headers.iter().rev().find(|(name, _)| *name == name::HOPS);
    let told = told.and_then(|(_, value)| std::str::from_utf8((*value)?).ok()?.parse::<u32>().ok());
    told.unwrap_or(0).min(MAX_HOPS)
}

/// The headers with which a dead letter is sent round again: those that it came with, and the count of
/// hops. `None` when it has been sent round too often, or when it is no longer whole.
#[must_use]
pub fn original_headers(headers: &[(&str, Option<&[u8]>)]) -> Option<Vec<Header>> {
    let cut = headers
        .iter()
        .any(|(name, _)| [name::LENGTH, name::KEY_LENGTH].contains(name));
    let hops = hops(headers);
    if cut || hops >= MAX_HOPS {
        return None;
    }
    let count = (name::HOPS.to_owned(), Some(hops.to_string().into_bytes()));
    let original = headers.iter().filter(|(name, _)| !is_ours(name));
    let original = original.map(|(name, value)| ((*name).to_owned(), value.map(<[u8]>::to_vec)));
    Some(original.chain([count]).collect())
}

fn is_ours(name: &str) -> bool {
    name::ALL.contains(&name)
}

/// The original headers that fit, in their order, and how many do not.
fn kept_headers<'h, 'a>(
    headers: &'h [(&'a str, Option<&'a [u8]>)],
) -> (
    impl Iterator<Item = (&'a str, Option<&'a [u8]>)> + 'h,
    usize,
) {
    let fitting = move || {
        let mut room = HEADERS_MAX;
        headers
            .iter()
            .copied()
            .filter(|(name, _)| !is_ours(name))
            .filter(move |(name, value)| {
                let cost = name.len() + value.map_or(0, <[u8]>::len) + HEADER_COST;
                let fits = cost <= room;
                room -= if fits { cost } else { 0 };
                fits
            })
    };
    let original = headers.iter().filter(|(name, _)| !is_ours(name)).count();
    let dropped = original - fitting().count();
    (fitting(), dropped)
}

/// What is wrong, and where the record lies.
fn message(letter: &DeadLetter<'_>) -> String {
    let (topic, partition, offset) = (cut_text(letter.topic), letter.partition, letter.offset);
    let why = cut_text(&letter.why.message);
    match cut_text(&letter.why.field) {
        "" => format!("{why}, at offset {offset} of {topic}/{partition}"),
        field => format!("`{field}`: {why}, at offset {offset} of {topic}/{partition}"),
    }
}

fn bytes(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    let encoded = bytes.map(|bytes| BASE64.encode(bytes));
    optional(out, encoded.as_deref());
}

fn sha256(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn cut(bytes: &[u8], most: usize) -> &[u8] {
    &bytes[..bytes.len().min(most)]
}

fn cut_text(text: &str) -> &str {
    let mut end = text.len().min(TEXT_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
