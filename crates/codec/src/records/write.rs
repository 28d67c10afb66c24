//! JSON, written by hand into bytes.

use std::fmt::Display;
use std::io::Write;

use mainstay_model::Value;

/// A JSON object under construction: keys in the order in which they are written.
pub(super) struct Object<'o> {
    out: &'o mut Vec<u8>,
    first: bool,
}

impl<'o> Object<'o> {
    pub(super) fn open(out: &'o mut Vec<u8>) -> Object<'o> {
        out.push(b'{');
        Object { out, first: true }
    }

    pub(super) fn close(self) {
        self.out.push(b'}');
    }

    /// Writes a key, and hands over the place for its value.
    pub(super) fn key(&mut self, key: &str) -> &mut Vec<u8> {
        if !self.first {
            self.out.push(b',');
        }
        self.first = false;
        text(self.out, key);
        self.out.push(b':');
        self.out
    }

    pub(super) fn text(&mut self, key: &str, value: &str) {
        text(self.key(key), value);
    }

    /// Something whose text needs no escapes: a date, an instant, base64.
    pub(super) fn quoted(&mut self, key: &str, value: impl Display) {
        plain(self.key(key), format_args!("\"{value}\""));
    }

    /// A number or a truth value.
    pub(super) fn bare(&mut self, key: &str, value: impl Display) {
        plain(self.key(key), value);
    }
}

/// A string with all that JSON wants escaped.
pub(super) fn text(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("a text is JSON, and memory takes it");
}

/// The same of a text that there need not be: `null` then.
pub(super) fn optional(out: &mut Vec<u8>, of: Option<&str>) {
    match of {
        Some(of) => text(out, of),
        None => out.extend_from_slice(b"null"),
    }
}

fn plain(out: &mut Vec<u8>, value: impl Display) {
    write!(out, "{value}").expect("memory takes what is written to it");
}

/// Writes a metric's value as the records have it.
pub fn value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Undefined => out.extend_from_slice(b"null"),
        Value::Count(count) => plain(out, count),
        Value::Ratio(ratio) if !ratio.is_finite() => out.extend_from_slice(b"null"),
        // The shortest text that reads back as the same number.
        Value::Ratio(ratio) => {
            serde_json::to_writer(out, ratio).expect("a number is JSON, and memory takes it");
        }
        Value::Seconds(ms) => seconds(out, *ms),
        Value::List(counts) => {
            out.push(b'[');
            for (place, count) in counts.iter().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                plain(out, count);
            }
            out.push(b']');
        }
        Value::Day(day) => plain(out, format_args!("\"{day}\"")),
        Value::Name(name) => plain(out, format_args!("\"{name}\"")),
    }
}

/// Milliseconds as seconds, exactly, without zeros at the end.
fn seconds(out: &mut Vec<u8>, ms: i64) {
    let sign = if ms < 0 { "-" } else { "" };
    let (whole, rest) = (ms.unsigned_abs() / 1000, ms.unsigned_abs() % 1000);
    match rest {
        0 => plain(out, format_args!("{sign}{whole}")),
        _ if rest % 100 == 0 => plain(out, format_args!("{sign}{whole}.{}", rest / 100)),
        _ if rest % 10 == 0 => plain(out, format_args!("{sign}{whole}.{:02}", rest / 10)),
        _ => plain(out, format_args!("{sign}{whole}.{rest:03}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mainstay_model::Day;

    fn written(of: &Value) -> String {
        let mut out = Vec::new();
        value(&mut out, of);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_are_written_as_documented() {
        for (of, expected) in [
            (Value::Undefined, "null"),
            (Value::Count(-3), "-3"),
            (Value::Ratio(1.0 / 3.0), "0.3333333333333333"),
            (Value::Ratio(1.0), "1.0"),
            (Value::Ratio(f64::NAN), "null"),
            (Value::Seconds(0), "0"),
            (Value::Seconds(1_800_000), "1800"),
            (Value::Seconds(1_800_001), "1800.001"),
            (Value::Seconds(1_500), "1.5"),
            (Value::Seconds(-20), "-0.02"),
            (Value::List(vec![]), "[]"),
            (Value::List(vec![3, 0, 1]), "[3,0,1]"),
            (Value::Day(Day(0)), "\"1970-01-01\""),
        ] {
            assert_eq!(written(&of), expected);
        }
    }
}
