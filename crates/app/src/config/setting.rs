//! The kinds of value that an option can have: how each is read, and how it is written.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use mainstay_model::Zone;

use super::mistake::{Report, nearest};
use super::tree::{Node, Table, Text, Value};

/// A kind of value.
pub(super) trait Setting: Sized {
    /// Reads it. What does not fit is told to the report.
    fn read(node: &Node, key: &str, report: &mut Report) -> Option<Self>;

    /// As it is written in TOML.
    fn shown(&self) -> Shown;
}

/// How the reference file shows an option.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// Its default.
    Default(String),
    /// It has none; an example.
    Unset(String),
}

impl Shown {
    fn text(text: &str) -> Shown {
        Shown::Default(format!("{text:?}"))
    }
}

/// A text that `parse` understands.
fn read_text<T>(
    node: &Node,
    key: &str,
    report: &mut Report,
    expected: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Option<T> {
    let parsed = node.value.text().and_then(|text| parse(text.value.trim()));
    if parsed.is_none() {
        report.unfit(&node.at, key, &node.value, expected, None);
    }
    parsed
}

/// A number or a truth value where only text can be written.
fn read_bare<T: FromStr>(node: &Node) -> Option<T> {
    let text = node.value.text().filter(|_| node.at.is_text_only())?;
    text.value.trim().parse().ok()
}

/// A duration, written with its unit: `250ms`, `30s`, `15m`, `2h`, `7d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    ms: i64,
}

const SPAN_UNITS: &[(&str, i64)] = &[
    ("ms", 1),
    ("s", 1000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

impl Span {
    pub(super) const fn millis(ms: i64) -> Span {
        Span { ms }
    }

    pub(super) const fn seconds(seconds: i64) -> Span {
        Span { ms: seconds * 1000 }
    }

    pub(super) const fn minutes(minutes: i64) -> Span {
        Span::seconds(minutes * 60)
    }

    pub(super) const fn hours(hours: i64) -> Span {
        Span::minutes(hours * 60)
    }

    pub(super) const fn days(days: i64) -> Span {
        Span::hours(days * 24)
    }

    /// In milliseconds; never negative.
    #[must_use]
    pub fn ms(self) -> i64 {
        self.ms
    }

    /// As the clock's library has it.
    #[must_use]
    pub fn duration(self) -> std::time::Duration {
        std::time::Duration::from_millis(self.ms.unsigned_abs())
    }
}

/// In the largest unit that leaves no rest.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |(_, size): &&(&str, i64)| self.ms % size == 0 && self.ms >= *size;
        let (unit, size) = SPAN_UNITS.iter().rev().find(fits).unwrap_or(&("s", 1000));
        write!(f, "{}{unit}", self.ms / size)
    }
}

/// Splits `30m` into its number and the size of its unit.
fn number_with_unit(text: &str, units: &[(&str, i64)]) -> Option<i64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let (_, size) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<i64>().ok()?.checked_mul(*size)
}

const SPAN_EXPECTED: &str = "a duration with its unit, like `250ms`, `30s`, `15m`, `2h` or `7d`";

/// A text that is no duration.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {SPAN_EXPECTED}")]
pub struct NoSpan;

impl FromStr for Span {
    type Err = NoSpan;

    fn from_str(text: &str) -> Result<Span, NoSpan> {
        number_with_unit(text, SPAN_UNITS)
            .map(Span::millis)
            .ok_or(NoSpan)
    }
}

impl Setting for Span {
    fn read(node: &Node, key: &str, report: &mut Report) -> Option<Span> {
        read_text(node, key, report, SPAN_EXPECTED, |text| text.parse().ok())
    }

    fn shown(&self) -> Shown {
        Shown::text(&self.to_string())
    }
}

/// A duration that need not be given.
impl Setting for Option<Span> {
    fn read(node: &Node, key: &str, report: &mut Report) -> Option<Option<Span>> {
        Span::read(node, key, report).map(Some)
    }

    fn shown(&self) -> Shown {
        match self {
            Some(span) => span.shown(),
            None => Shown::Unset("\"7d\"".to_owned()),
        }
    }
}

/// A number of bytes, written with its unit: `64KiB`, `16MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size {
    bytes: i64,
}

const SIZE_UNITS: &[(&str, i64)] = &[
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

impl Size {
    pub(super) const fn kib(kib: i64) -> Size {
        Size { bytes: kib << 10 }
    }

    pub(super) const fn mib(mib: i64) -> Size {
        Size { bytes: mib << 20 }
    }

    /// In bytes.
    #[must_use]
    pub fn bytes(self) -> usize {
        usize::try_from(self.bytes).unwrap_or(usize::MAX)
    }
}

/// In the largest unit that leaves no rest.
impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |(_, size): &&(&str, i64)| self.bytes % size == 0 && self.bytes >= *size;
        let (unit, size) = SIZE_UNITS.iter().rev().find(fits).unwrap_or(&("B", 1));
        write!(f, "{}{unit}", self.bytes / size)
    }
}

impl Setting for Size {
    fn read(node: &Node, key: &str, report: &mut Report) -> Option<Size> {
        let expected = "a size with its unit, like `64KiB` or `16MiB`";
        read_text(node, key, report, expected, |text| {
            number_with_unit(text, SIZE_UNITS).map(|bytes| Size { bytes })
        })
    }

    fn shown(&self) -> Shown {
        Shown::text(&self.to_string())
    }
}

impl Setting for u32 {
    fn read(node: &Node, key: &str, report: &mut Report) -> Option<u32> {
        let number = if let Value::Whole(number) = &node.value {
            u32::try_from(*number).ok()
        } else {
            read_bare(node)
        };
        if number.is_none() {
            report.unfit(
                &node.at,
                key,
                &node.value,
                "a whole number, not negative",
                None,
            );
        }
        number
    }

    fn shown(&self) -> Shown {
        Shown::Default(self.to_string())
    }
}

impl Setting for bool {
    fn read(node: &Node, key: &str, report: &mut Report) -> Option<bool> {
        let value = if let Value::Bool(value) = &node.value {
            Some(*value)
        } else {
            read_bare(node)
        };
        if value.is_none() {
            report.unfit(&node.at, key, &node.value, "true or false", None);
        }
        value
    }

    fn shown(&self) -> Shown {
        Shown::Default(self.to_string())
    }
}

/// A truth value that need not be given.
impl Setting for Option<bool> {
    fn read(node: &Node, key: &str, report: &mut Report) -> Option<Option<bool>> {
        bool::read(node, key, report).map(Some)
    }

    fn shown(&self) -> Shown {
        match self {
            Some(value) => value.shown(),
            None => Shown::Unset("false".to_owned()),
        }
    }
}

impl Setting for Zone {
    fn read(node: &Node, key: &str, report: &mut Report) -> Option<Zone> {
        let expected = "a time zone of the IANA database, like \"Europe/Berlin\"";
        let Value::Text(text) = &node.value else {
            report.unfit(&node.at, key, &node.value, expected, None);
            return None;
        };
        let zone = text.value.parse().ok();
        if zone.is_none() {
            let nearest = nearest(&text.written, Zone::names());
            report.unfit(&node.at, key, &node.value, expected, nearest);
        }
        zone
    }

    fn shown(&self) -> Shown {
        Shown::text(self.name())
    }
}

impl Setting for SocketAddr {
    fn read(node: &Node, key: &str, report: &mut Report) -> Option<SocketAddr> {
        let expected = "an IP address and a port, like \"127.0.0.1:9464\"";
        read_text(node, key, report, expected, |text| text.parse().ok())
    }

    fn shown(&self) -> Shown {
        Shown::text(&self.to_string())
    }
}

impl Setting for PathBuf {
    fn read(node: &Node, key: &str, report: &mut Report) -> Option<PathBuf> {
        read_text(node, key, report, "the path of a directory", |text| {
            (!text.is_empty()).then(|| PathBuf::from(text))
        })
    }

    fn shown(&self) -> Shown {
        Shown::text(&self.display().to_string())
    }
}

/// Reads a list, one text after the other; where all is text, it is a list of TOML if it begins with `[`,
/// and otherwise parts are divided by commas.
pub(super) fn read_texts(
    node: &Node,
    key: &str,
    report: &mut Report,
    expected: &str,
) -> Option<Vec<Node>> {
    if let Value::List(items) = &node.value {
        return Some(items.clone());
    }
    let Some(text) = node.value.text().filter(|_| node.at.is_text_only()) else {
        report.unfit(&node.at, key, &node.value, expected, None);
        return None;
    };
    match &text.list {
        Some(Ok(items)) => return Some(items.clone()),
        Some(Err(why)) => {
            let expected = format!("{expected} as TOML has it, like `[\"a\", \"b\"]`: {why}");
            report.unfit(&node.at, key, &node.value, &expected, None);
            return None;
        }
        None => {}
    }
    let parts = text.value.split(',').map(str::trim);
    let parts = parts.filter(|part| !part.is_empty()).map(|part| Node {
        at: node.at.clone(),
        value: Value::Text(Text::new(part)),
    });
    Some(parts.collect())
}

/// Names, in no order.
impl Setting for BTreeSet<String> {
    fn read(node: &Node, key: &str, report: &mut Report) -> Option<BTreeSet<String>> {
        let items = read_texts(node, key, report, "a list of names")?;
        let names = items.iter().filter_map(|item| {
            read_text(item, key, report, "a name", |text| {
                (!text.is_empty()).then(|| text.to_owned())
            })
        });
        Some(names.collect())
    }

    fn shown(&self) -> Shown {
        Shown::Default(format!("{:?}", self.iter().collect::<Vec<_>>()))
    }
}

/// The name of a topic, or a part of one: what Kafka allows in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct TopicName(String);

impl TopicName {
    pub(super) fn parse(text: &str) -> Option<TopicName> {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        // Kafka ends at 249; the longest of our own names comes behind a prefix.
        let fits = !text.is_empty() && text.len() <= 200 && text.chars().all(legal);
        (fits && text != "." && text != "..").then(|| TopicName(text.to_owned()))
    }

    /// The name itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Setting for TopicName {
    fn read(node: &Node, key: &str, report: &mut Report) -> Option<TopicName> {
        let expected = "letters, digits, `.`, `_` and `-`, 200 at most";
        read_text(node, key, report, expected, TopicName::parse)
    }

    fn shown(&self) -> Shown {
        Shown::text(&self.0)
    }
}

/// A name that need not be given.
impl Setting for Option<TopicName> {
    fn read(node: &Node, key: &str, report: &mut Report) -> Option<Option<TopicName>> {
        TopicName::read(node, key, report).map(Some)
    }

    fn shown(&self) -> Shown {
        match self {
            Some(name) => name.shown(),
            None => Shown::Unset("\"host-1\"".to_owned()),
        }
    }
}

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text, for the one who needs it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Properties of the client library: any of them may be a secret.
impl Setting for BTreeMap<String, Secret> {
    fn read(node: &Node, key: &str, report: &mut Report) -> Option<Self> {
        let Value::Table(table) = &node.value else {
            report.unfit(
                &node.at,
                key,
                &node.value.kind(),
                "a section of properties",
                None,
            );
            return None;
        };
        let mut properties = BTreeMap::new();
        read_properties(table, "", key, report, &mut properties);
        Some(properties)
    }

    fn shown(&self) -> Shown {
        Shown::Default("{}".to_owned())
    }
}

/// `sasl.password = …` in TOML is a table in a table: its path is the property's name again.
fn read_properties(
    table: &Table,
    prefix: &str,
    key: &str,
    report: &mut Report,
    properties: &mut BTreeMap<String, Secret>,
) {
    for (name, entry) in &table.0 {
        let property = format!("{prefix}{name}");
        let text = match &entry.node.value {
            Value::Table(inner) => {
                read_properties(inner, &format!("{property}."), key, report, properties);
                continue;
            }
            Value::Text(text) => text.value.clone(),
            Value::Bool(value) => value.to_string(),
            Value::Whole(value) => value.to_string(),
            Value::Fraction(value) => value.to_string(),
            Value::Nothing | Value::List(_) => {
                let key = format!("{key}.{property}");
                let found = entry.node.value.kind();
                report.unfit(&entry.node.at, &key, &found, "a text or a number", None);
                continue;
            }
        };
        properties.insert(property, Secret(text));
    }
}

/// Makes an enum whose variants are the words that a key may have.
macro_rules! choice {
    (
        $(#[doc = $about:literal])+
        pub enum $Choice:ident { $($(#[doc = $doc:literal])+ $Variant:ident = $word:literal,)+ }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $Choice { $($(#[doc = $doc])+ $Variant,)+ }

        impl $crate::config::setting::Word for $Choice {
            const ALL: &'static [$Choice] = &[$($Choice::$Variant),+];

            fn word(self) -> &'static str {
                match self { $($Choice::$Variant => $word,)+ }
            }
        }
    };
}
pub(super) use choice;

/// A choice among words.
pub(super) trait Word: Copy + 'static {
    const ALL: &'static [Self];

    fn word(self) -> &'static str;
}

/// The formats are the codec's: one more there is one more word here.
impl Word for mainstay_codec::Format {
    const ALL: &'static [mainstay_codec::Format] = mainstay_codec::Format::ALL;

    fn word(self) -> &'static str {
        self.name()
    }
}

impl<W: Word> Setting for W {
    fn read(node: &Node, key: &str, report: &mut Report) -> Option<W> {
        let words = || W::ALL.iter().map(|choice| choice.word());
        let text = node.value.text();
        let is_meant = |choice: &&W| text.is_some_and(|text| choice.word() == text.value);
        let chosen = W::ALL.iter().copied().find(|choice| is_meant(&choice));
        if chosen.is_none() {
            let near = text.and_then(|text| nearest(&text.written, words()));
            let expected = words().map(|word| format!("{word:?}")).collect::<Vec<_>>();
            report.unfit(&node.at, key, &node.value, &expected.join(" or "), near);
        }
        chosen
    }

    fn shown(&self) -> Shown {
        Shown::text(self.word())
    }
}

/// A choice that need not be made; the first word is the example.
impl<W: Word> Setting for Option<W> {
    fn read(node: &Node, key: &str, report: &mut Report) -> Option<Option<W>> {
        W::read(node, key, report).map(Some)
    }

    fn shown(&self) -> Shown {
        match self {
            Some(choice) => choice.shown(),
            None => Shown::Unset(
                W::ALL
                    .first()
                    .map_or_else(String::new, |choice| format!("{:?}", choice.word())),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_needs_a_unit_and_is_written_in_the_largest() {
        let parse = |text: &str| text.parse::<Span>();
        assert_eq!(parse("90m").unwrap().to_string(), "90m");
        assert_eq!(parse("120m").unwrap().to_string(), "2h");
        assert_eq!(parse("0s").unwrap().to_string(), "0s");
        for wrong in [
            "30",
            "",
            "m",
            "30 minutes",
            "-5s",
            "1.5h",
            "99999999999999999d",
        ] {
            assert_eq!(parse(wrong), Err(NoSpan), "{wrong}");
        }
    }

    #[test]
    fn a_size_needs_a_unit_and_is_written_in_the_largest() {
        let parse = |text| number_with_unit(text, SIZE_UNITS);
        assert_eq!(parse("64KiB"), Some(65_536));
        assert_eq!(Size { bytes: 65_536 }.to_string(), "64KiB");
        assert_eq!(parse("64KB"), None);
    }

    #[test]
    fn a_secret_is_never_printed() {
        assert_eq!(format!("{:?}", Secret("hunter2".to_owned())), "***");
    }
}
