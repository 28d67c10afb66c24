//! `[features]`: the parts of the product whose use is told one by one.

use std::collections::{BTreeMap, BTreeSet};

use mainstay_engine::Settings;

use super::mistake::Report;
use super::section::Part;
use super::setting::{Setting, Shown, read_texts};
use super::tree::{Entry, Node};

/// The tracked features by name, each with the names of the product events that are a use of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Features(pub BTreeMap<String, BTreeSet<String>>);

const NAME_EXPECTED: &str = "the name of a feature: letters, digits, `_` and `-`, 64 at most";

impl Part for Features {
    fn read(node: &Node, key: &str, report: &mut Report) -> Features {
        let Some(table) = node.value.table() else {
            if !node.is_empty() {
                let expected = "a section with a list of event names for each feature";
                report.unfit(&node.at, key, &node.value, expected, None);
            }
            return Features::default();
        };
        let (found, most) = (table.0.len(), Settings::MOST_FEATURES);
        if found > most {
            let message = format!("found {found} features, expected {most} at most");
            report.broken(&node.at, key, message);
        }
        let features = table.0.iter().filter_map(|(name, entry)| {
            let events = read_feature(name, entry, key, report)?;
            Some((name.clone(), events))
        });
        Features(features.collect())
    }

    fn write(&self, key: &str, page: &mut String) {
        page.push_str(&format!(
            "\n# The parts of the product whose use is told one by one, {} at most: for each the names of the\n\
             # product events that are a use of it. The name is free, of letters, digits, `_` and `-`.\n\
             [{key}]\n",
            Settings::MOST_FEATURES
        ));
        for (name, events) in &self.0 {
            let (Shown::Default(events) | Shown::Unset(events)) = events.shown();
            page.push_str(&format!("{name} = {events}\n"));
        }
        if self.0.is_empty() {
            page.push_str("# report = [\"report_viewed\", \"report_exported\"]\n");
        }
    }

    fn paths(key: &str) -> Vec<String> {
        vec![format!("{key}.NAME")]
    }
}

fn read_feature(
    name: &str,
    entry: &Entry,
    key: &str,
    report: &mut Report,
) -> Option<BTreeSet<String>> {
    let key = format!("{key}.{name}");
    let named = is_name(name);
    if !named {
        report.unfit(
            &entry.key_at,
            &key,
            &format_args!("{name:?}"),
            NAME_EXPECTED,
            None,
        );
    }
    let items = read_texts(&entry.node, &key, report, "a list of names")?;
    if items.is_empty() {
        let message = "found an empty list, expected the name of at least one product event";
        report.broken(&entry.node.at, &key, message);
    }
    let events = BTreeSet::read(&entry.node, &key, report)?;
    named.then_some(events)
}

/// Whether a name can be a key of JSON, a label of Prometheus and a part of a path with dots as it is.
fn is_name(name: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    (1..=64).contains(&name.len()) && name.chars().all(legal)
}
