//! `key_actions`: the product events that show that a user gets what the product is for.

use std::collections::BTreeSet;

use super::mistake::Report;
use super::section::Part;
use super::setting::{Setting, Shown};
use super::tree::Node;

/// Names of the product events that are key actions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyActions(pub BTreeSet<String>);

impl Part for KeyActions {
    fn read(node: &Node, key: &str, report: &mut Report) -> KeyActions {
        KeyActions(BTreeSet::read(node, key, report).unwrap_or_default())
    }

    fn write(&self, key: &str, page: &mut String) {
        page.push_str(
            "\n# Names of the product events that are key actions: those for which users come,\n\
             # such as \"report_sent\".\n",
        );
        let (Shown::Default(names) | Shown::Unset(names)) = self.0.shown();
        page.push_str(&format!("{key} = {names}\n"));
    }

    fn paths(key: &str) -> Vec<String> {
        vec![key.to_owned()]
    }
}
