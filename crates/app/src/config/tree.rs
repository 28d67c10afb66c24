//! A config as it was written: values, each with the place that it came from.
//!
//! TOML, YAML, the environment and `--set` all become this one tree, so that everything behind it
//! reads one shape and every mistake can name its place. No key has a meaning here.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use toml::de::{DeTable, DeValue};

/// Where a value or a key was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// In the file; both count from 1.
    File {
        /// The line.
        line: usize,
        /// The column, in characters.
        column: usize,
    },
    /// In a variable of the environment.
    Variable(String),
    /// In an argument of the command line.
    Argument(String),
    /// Nowhere: it is missing.
    #[default]
    Nowhere,
}

impl Place {
    /// Whether all that can be written here is text: the reader then takes `35` for a number.
    pub(super) fn is_text_only(&self) -> bool {
        matches!(self, Place::Variable(_) | Place::Argument(_))
    }
}

/// A value and its place.
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    pub(super) at: Place,
    pub(super) value: Value,
}

impl Node {
    /// What a key of this section holds.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        let entry = self.value.table()?.0.get(key)?;
        Some(&entry.node)
    }

    /// Whether the section has a key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Whether it holds nothing.
    pub(super) fn is_empty(&self) -> bool {
        let nothing = matches!(self.value, Value::Nothing);
        nothing || self.value.table().is_some_and(|table| table.0.is_empty())
    }

    /// Where the value at a path of keys stands, or else this one; a key may have dots itself.
    pub(super) fn place_of(&self, path: &str) -> Place {
        let Some(table) = self.value.table() else {
            return self.at.clone();
        };
        let below = table.0.iter().find_map(|(name, entry)| {
            let rest = path.strip_prefix(name.as_str())?;
            let rest = rest.strip_prefix('.').or(rest.is_empty().then_some(""))?;
            Some(match rest {
                "" => entry.key_at.clone(),
                rest => entry.node.place_of(rest),
            })
        });
        below.unwrap_or_else(|| self.at.clone())
    }
}

/// What was written.
#[derive(Clone, Debug, Default)]
pub(super) enum Value {
    /// A key without a value, which YAML allows.
    #[default]
    Nothing,
    Bool(bool),
    Whole(i64),
    Fraction(f64),
    Text(Text),
    List(Vec<Node>),
    Table(Table),
}

/// A text, and what may be shown of it.
#[derive(Clone, Debug)]
pub(super) struct Text {
    /// The text, variables filled in.
    pub(super) value: String,
    /// The text as it was written. What a variable held is never shown.
    pub(super) written: String,
    /// What it is as a list, where only text can be written and it begins with `[`.
    pub(super) list: Option<Result<Vec<Node>, String>>,
}

impl Text {
    pub(super) fn new(written: impl Into<String>) -> Text {
        let written = written.into();
        Text {
            value: written.clone(),
            written,
            list: None,
        }
    }

    /// A text at a place where nothing else can be written. Whether `[` begins a list or an address of
    /// IPv6 is known to the reader alone, so it is handed both.
    pub(super) fn alone(written: &str, at: &Place) -> Text {
        let is_list = written.trim_start().starts_with('[');
        Text {
            list: is_list.then(|| toml_list(written.trim(), at)),
            ..Text::new(written)
        }
    }
}

/// Keys, each with its own place, and their values.
#[derive(Clone, Debug, Default)]
pub(super) struct Table(pub(super) BTreeMap<String, Entry>);

/// What a key of a table holds.
#[derive(Clone, Debug, Default)]
pub(super) struct Entry {
    pub(super) key_at: Place,
    pub(super) node: Node,
}

/// Says what was found, as it was written.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Nothing => f.write_str("nothing"),
            Value::Bool(value) => write!(f, "{value}"),
            Value::Whole(value) => write!(f, "{value}"),
            Value::Fraction(value) => write!(f, "{value}"),
            Value::Text(text) => write!(f, "{:?}", text.written),
            Value::List(_) => f.write_str("a list"),
            Value::Table(_) => f.write_str("a section"),
        }
    }
}

impl Value {
    /// The text, if it is one.
    pub(super) fn text(&self) -> Option<&Text> {
        if let Value::Text(text) = self {
            Some(text)
        } else {
            None
        }
    }

    /// The section, if it is one.
    pub(super) fn table(&self) -> Option<&Table> {
        if let Value::Table(table) = self {
            Some(table)
        } else {
            None
        }
    }

    /// What kind of value was found, where the value itself may be a secret.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Value::Nothing => "nothing",
            Value::Bool(_) => "true or false",
            Value::Whole(_) | Value::Fraction(_) => "a number",
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Table(_) => "a section",
        }
    }
}

/// A text that is no TOML or no YAML.
#[derive(Debug)]
pub(super) struct SyntaxError {
    pub(super) at: Place,
    /// What is wrong, without the line itself: a secret may stand there.
    pub(super) message: String,
}

/// Reads TOML; what could be read beside the errors is handed out with them.
pub(super) fn from_toml(text: &str) -> (Table, Vec<SyntaxError>) {
    let lines = Lines::of(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    let errors = errors
        .into_iter()
        .map(|error| SyntaxError {
            at: error
                .span()
                .map_or(Place::Nowhere, |span| lines.place(span.start)),
            message: error.message().replace('\n', ", "),
        })
        .collect();
    (toml_table(table.get_ref(), &lines), errors)
}

fn toml_table(table: &DeTable<'_>, lines: &Lines<'_>) -> Table {
    let entries = table.iter().map(|(key, value)| {
        let entry = Entry {
            key_at: lines.place(key.span().start),
            node: toml_node(value.get_ref(), lines.place(value.span().start), lines),
        };
        (key.get_ref().to_string(), entry)
    });
    Table(entries.collect())
}

fn toml_node(value: &DeValue<'_>, at: Place, lines: &Lines<'_>) -> Node {
    let value = match value {
        DeValue::String(text) => Value::Text(Text::new(text.as_ref())),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| Value::Text(Text::new(number.as_str())), Value::Whole),
        DeValue::Float(number) => number
            .as_str()
            .parse()
            .map_or_else(|_| Value::Text(Text::new(number.as_str())), Value::Fraction),
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Datetime(value) => Value::Text(Text::new(value.to_string())),
        DeValue::Array(items) => Value::List(
            items
                .iter()
                .map(|item| toml_node(item.get_ref(), lines.place(item.span().start), lines))
                .collect(),
        ),
        DeValue::Table(table) => Value::Table(toml_table(table, lines)),
    };
    Node { at, value }
}

/// Reads a list as TOML has it, all of whose items stand at one place; or says why it is none.
fn toml_list(text: &str, at: &Place) -> Result<Vec<Node>, String> {
    let value = DeValue::parse(text).map_err(|error| error.message().replace('\n', ", "))?;
    let DeValue::Array(items) = value.get_ref() else {
        return Err("no list".to_owned());
    };
    let lines = Lines::of(text);
    let node = |item: &toml::Spanned<DeValue<'_>>| toml_node(item.get_ref(), at.clone(), &lines);
    Ok(items.iter().map(node).collect())
}

/// Turns an offset in bytes into a line and a column.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Lines<'a> {
        let after = text.match_indices('\n').map(|(at, _)| at + 1);
        Lines {
            text,
            starts: std::iter::once(0).chain(after).collect(),
        }
    }

    fn place(&self, offset: usize) -> Place {
        let line = self.starts.partition_point(|&start| start <= offset);
        let start = self.starts[line - 1];
        let before = self.text.get(start..offset).unwrap_or_default();
        Place::File {
            line,
            column: before.chars().count() + 1,
        }
    }
}

/// Reads YAML. Its parser stops at the first error.
pub(super) fn from_yaml(text: &str) -> (Table, Vec<SyntaxError>) {
    let at = |location: Option<serde_saphyr::Location>| {
        location.map_or(Place::Nowhere, |location| yaml_place(&location))
    };
    match serde_saphyr::from_str::<YamlNode>(text) {
        Ok(YamlNode(Node {
            value: Value::Table(table),
            ..
        })) => (table, Vec::new()),
        Ok(YamlNode(Node {
            value: Value::Nothing,
            ..
        })) => (Table::default(), Vec::new()),
        Ok(YamlNode(node)) => {
            let message = format!("found {}, expected sections", node.value);
            (
                Table::default(),
                vec![SyntaxError {
                    at: node.at,
                    message,
                }],
            )
        }
        Err(error) => {
            let error = error.without_snippet();
            let message = error
                .to_string()
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned();
            let at = at(error.location());
            (Table::default(), vec![SyntaxError { at, message }])
        }
    }
}

fn yaml_place(location: &serde_saphyr::Location) -> Place {
    Place::File {
        line: usize::try_from(location.line()).unwrap_or(usize::MAX),
        column: usize::try_from(location.column()).unwrap_or(usize::MAX),
    }
}

/// A [`Node`] as serde reads it from YAML.
struct YamlNode(Node);

impl<'de> Deserialize<'de> for YamlNode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<YamlNode, D::Error> {
        let spanned = serde_saphyr::Spanned::<YamlValue>::deserialize(deserializer)?;
        Ok(YamlNode(Node {
            at: yaml_place(&spanned.referenced),
            value: spanned.value.0,
        }))
    }
}

struct YamlValue(Value);

impl<'de> Deserialize<'de> for YamlValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<YamlValue, D::Error> {
        deserializer.deserialize_any(AnyValue).map(YamlValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of a config")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Whole(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(i64::try_from(value)
            .map_or_else(|_| Value::Text(Text::new(value.to_string())), Value::Whole))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Fraction(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(Text::new(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(YamlNode(node)) = items.next_element()? {
            list.push(node);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut table = Table::default();
        while let Some(key) = entries.next_key::<serde_saphyr::Spanned<String>>()? {
            let YamlNode(node) = entries.next_value()?;
            let key_at = yaml_place(&key.referenced);
            table.0.insert(key.value, Entry { key_at, node });
        }
        Ok(Value::Table(table))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key<'a>(table: &'a Table, name: &str) -> &'a Entry {
        &table.0[name]
    }

    fn inner<'a>(table: &'a Table, name: &str) -> &'a Table {
        key(table, name).node.value.table().unwrap()
    }

    #[test]
    fn toml_values_know_their_line_and_column() {
        let (table, errors) = from_toml("[time]\n  zone = \"UTC\"\n");
        assert!(errors.is_empty());
        let zone = key(inner(&table, "time"), "zone");
        assert_eq!(zone.key_at, Place::File { line: 2, column: 3 });
        assert_eq!(
            zone.node.at,
            Place::File {
                line: 2,
                column: 10
            }
        );
    }

    #[test]
    fn yaml_values_know_their_line_and_column() {
        let (table, errors) = from_yaml("time:\n  zone: UTC\n  correction_days: 7\n");
        assert!(errors.is_empty());
        let zone = key(inner(&table, "time"), "zone");
        assert_eq!(zone.key_at, Place::File { line: 2, column: 3 });
        assert_eq!(zone.node.at, Place::File { line: 2, column: 9 });
        assert_eq!(
            key(inner(&table, "time"), "correction_days")
                .node
                .value
                .to_string(),
            "7"
        );
    }

    #[test]
    fn toml_goes_on_after_an_error() {
        let (table, errors) = from_toml("[time]\nzone = \n[session]\ngap = \"30m\"\n");
        assert_eq!(errors.len(), 1);
        assert_eq!(
            key(inner(&table, "session"), "gap").node.value.to_string(),
            "\"30m\""
        );
    }

    #[test]
    fn a_syntax_error_never_shows_the_line_itself() {
        let (_, errors) = from_toml("password = \"hunter2\n");
        assert!(!errors.is_empty());
        assert!(
            errors
                .iter()
                .all(|error| !error.message.contains("hunter2"))
        );
        let (_, errors) = from_yaml("a: [b\npassword: hunter2: {\n");
        assert!(!errors.is_empty());
        assert!(
            errors
                .iter()
                .all(|error| !error.message.contains("hunter2")),
            "{errors:?}"
        );
    }
}
