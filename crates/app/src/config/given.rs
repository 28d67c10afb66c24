//! What a config is made from: a file, variables of the environment, arguments of the command line.
//!
//! Later ones replace earlier ones: the file, then `MAINSTAY__SECTION__KEY`, then `--set`. Only when all
//! is in one tree are `${env:NAME}` and `${file:PATH}` filled in, in text values alone: what they bring in
//! is never taken for syntax, and is never shown.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::mistake::Report;
use super::tree::{Entry, Node, Place, Table, Text, Value, from_toml, from_yaml};

const PREFIX: &str = "MAINSTAY__";

/// The keys of this table are names with dots, so no path goes on below it.
const CLIENT: &str = "kafka.client.";

/// A section of which the list under one key may stand alone: `segments = ["plan"]`.
const SHORT: (&str, &str) = ("segments", "by");

/// What a config is made from.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// The file: TOML, or YAML where its name ends in `.yaml` or `.yml`.
    pub file: Option<PathBuf>,
    /// `section.key=value`, as `--set` has it.
    pub set: Vec<String>,
    /// The variables of the environment.
    pub environment: BTreeMap<String, String>,
}

impl Given {
    /// A file, arguments, and the environment of this process.
    #[must_use]
    pub fn here(file: Option<PathBuf>, set: Vec<String>) -> Given {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Given {
            file,
            set,
            environment: std::env::vars_os().filter_map(text).collect(),
        }
    }

    /// One tree of all of it.
    pub(super) fn tree(&self, report: &mut Report) -> Table {
        let mut table = self.read_file(report);
        write_out(&mut table);
        for (name, value) in &self.environment {
            if let Some(path) = name.strip_prefix(PREFIX) {
                let place = Place::Variable(name.clone());
                put(&mut table, &path_of_variable(path), value, &place);
            }
        }
        for (no, argument) in self.set.iter().enumerate() {
            match argument.split_once('=') {
                Some((path, value)) if !path.trim().is_empty() => {
                    let place = Place::Argument(path.trim().to_owned());
                    put(&mut table, path.trim(), value, &place);
                }
                // Not shown: a secret may stand there.
                Some(_) | None => {
                    let place = Place::Argument(format!("(the {}. of them)", no + 1));
                    report.broken(&place, "", "expected `section.key=value`");
                }
            }
        }
        self.fill_table(&mut table, "", report);
        table
    }

    fn read_file(&self, report: &mut Report) -> Table {
        let Some(file) = &self.file else {
            return Table::default();
        };
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) => {
                report.unread(&Place::Nowhere, format!("cannot be read: {error}"));
                return Table::default();
            }
        };
        let extension = file.extension().and_then(|extension| extension.to_str());
        let (table, errors) = match extension {
            Some("yaml" | "yml") => from_yaml(&text),
            Some(_) | None => from_toml(&text),
        };
        for error in errors {
            report.unread(&error.at, error.message);
        }
        table
    }

    fn fill_table(&self, table: &mut Table, path: &str, report: &mut Report) {
        for (name, entry) in &mut table.0 {
            self.fill_node(&mut entry.node, &format!("{path}{name}"), report);
        }
    }

    fn fill_node(&self, node: &mut Node, path: &str, report: &mut Report) {
        match &mut node.value {
            Value::Text(text) => match self.fill(&text.written) {
                Ok(value) => {
                    text.value = value;
                    if let Some(Ok(items)) = &mut text.list {
                        self.fill_items(items, path, report);
                    }
                }
                Err(why) => report.broken(&node.at, path, why),
            },
            Value::List(items) => self.fill_items(items, path, report),
            Value::Table(table) => self.fill_table(table, &format!("{path}."), report),
            Value::Nothing | Value::Bool(_) | Value::Whole(_) | Value::Fraction(_) => {}
        }
    }

    fn fill_items(&self, items: &mut [Node], path: &str, report: &mut Report) {
        for (no, item) in items.iter_mut().enumerate() {
            self.fill_node(item, &format!("{path}[{no}]"), report);
        }
    }

    /// Fills in what stands between `${` and `}`; `$${` is a plain `${`.
    fn fill(&self, written: &str) -> Result<String, String> {
        let mut filled = String::new();
        let mut rest = written;
        while let Some(at) = rest.find("${") {
            if rest[..at].ends_with('$') {
                filled.push_str(&rest[..at - 1]);
                filled.push_str("${");
                rest = &rest[at + 2..];
                continue;
            }
            filled.push_str(&rest[..at]);
            let (name, after) = rest[at + 2..]
                .split_once('}')
                .ok_or("found `${` without `}`; a plain `${` is written `$${`")?;
            filled.push_str(&self.look_up(name)?);
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }

    fn look_up(&self, name: &str) -> Result<String, String> {
        match name.split_once(':') {
            Some(("env", variable)) => {
                self.environment.get(variable).cloned().ok_or_else(|| {
                    format!("the variable `{variable}` of the environment is not set")
                })
            }
            Some(("file", path)) => {
                let base = self.file.as_deref().and_then(Path::parent);
                let path = base.unwrap_or(Path::new("")).join(path);
                std::fs::read_to_string(&path)
                    .map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
                    .map_err(|error| {
                        format!("the file `{}` cannot be read: {error}", path.display())
                    })
            }
            Some(_) | None => Err(format!(
                "found `${{{name}}}`, expected `${{env:NAME}}` or `${{file:PATH}}`"
            )),
        }
    }
}

/// `KAFKA__CLIENT__SASL_PASSWORD` is `kafka.client.sasl.password`: its last part has dots, not keys.
fn path_of_variable(variable: &str) -> String {
    let path = variable.to_lowercase().replace("__", ".");
    match path.strip_prefix(CLIENT) {
        Some(property) => format!("{CLIENT}{}", property.replace('_', ".")),
        None => path,
    }
}

/// Puts a list that stands for its section where it belongs, so that all behind reads one shape.
fn write_out(table: &mut Table) {
    let (section, key) = SHORT;
    let Some(entry) = table.0.get_mut(section) else {
        return;
    };
    if matches!(entry.node.value, Value::List(_)) {
        let inner = Entry {
            key_at: entry.key_at.clone(),
            node: std::mem::take(&mut entry.node),
        };
        entry.node = Node {
            at: inner.node.at.clone(),
            value: Value::Table(Table([(key.to_owned(), inner)].into())),
        };
    }
}

/// Puts a text at a path of keys, over what was there.
fn put(table: &mut Table, path: &str, value: &str, place: &Place) {
    let (section, key) = match path.strip_prefix(CLIENT) {
        Some(property) => ("kafka.client", property),
        None if path == SHORT.0 => SHORT,
        None => path.rsplit_once('.').unwrap_or(("", path)),
    };
    let mut table = table;
    for name in section.split('.').filter(|name| !name.is_empty()) {
        let entry = table.0.entry(name.to_owned()).or_insert_with(|| Entry {
            key_at: place.clone(),
            node: Node::default(),
        });
        if !matches!(entry.node.value, Value::Table(_)) {
            entry.node = Node {
                at: place.clone(),
                value: Value::Table(Table::default()),
            };
        }
        let Value::Table(inner) = &mut entry.node.value else {
            return;
        };
        table = inner;
    }
    let node = Node {
        at: place.clone(),
        value: Value::Text(Text::alone(value, place)),
    };
    let key_at = place.clone();
    table.0.insert(key.to_owned(), Entry { key_at, node });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(written: &str) -> Result<String, String> {
        let given = Given {
            environment: BTreeMap::from([("NAME".to_owned(), "ada".to_owned())]),
            ..Given::default()
        };
        given.fill(written)
    }

    #[test]
    fn variables_are_filled_in_and_a_doubled_dollar_is_a_plain_one() {
        assert_eq!(filled("${env:NAME}:${env:NAME}").unwrap(), "ada:ada");
        assert_eq!(filled("$${env:NAME} $5").unwrap(), "${env:NAME} $5");
        assert!(filled("${env:NOBODY}").unwrap_err().contains("`NOBODY`"));
        assert!(
            filled("${NAME}")
                .unwrap_err()
                .contains("expected `${env:NAME}`")
        );
        assert!(filled("${env:NAME").is_err());
    }
}
