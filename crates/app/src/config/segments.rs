//! `[segments]`: by which traits accounts are grouped.

use mainstay_engine::Settings;

use super::mistake::Report;
use super::section::section;
use super::setting::{Setting, Shown, read_texts};
use super::tree::Node;

section! {
    /// By which traits accounts are grouped, besides the fleet. An account is where it is at the end of a day; one
    /// without a value is in `unknown`. A list alone is short for `by`: `segments = ["plan", "region"]`, before all
    /// sections. After a change, days that were closed before are told no more.
    pub struct Segments {
        /// Names of traits, 16 at most: "plan", "industry", "size", "region", "owner", or those of your own.
        by: TraitNames = TraitNames::default();
        /// How many segments of a trait each shard keeps, the first by name. Accounts with further values count in
        /// the fleet alone; the gauge `mainstay_crowded_dimensions` is then above 0.
        max: u32 = 200, in 1..=10_000;
    }
}

/// Names of traits of accounts, each once, in the order given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraitNames(pub Vec<String>);

const MOST_CHARS: usize = 64;

/// Dimensions that there are anyway, so that no trait may have their names.
const TAKEN: &[&str] = &["all", "account_status"];

impl Setting for TraitNames {
    fn read(node: &Node, key: &str, report: &mut Report) -> Option<TraitNames> {
        let items = read_texts(node, key, report, "a list of names of traits")?;
        let mut names = Vec::new();
        for item in &items {
            let Some(name) = read_name(item, key, report) else {
                continue;
            };
            if names.contains(&name) {
                let message = format!("found {name:?} twice, expected each trait once");
                report.broken(&item.at, key, message);
            } else {
                names.push(name);
            }
        }
        let (found, most) = (items.len(), Settings::MOST_SEGMENTS);
        if found > most {
            let message = format!("found {found} traits, expected {most} at most");
            report.broken(&node.at, key, message);
        }
        Some(TraitNames(names))
    }

    fn shown(&self) -> Shown {
        Shown::Default(format!("{:?}", self.0))
    }
}

fn read_name(item: &Node, key: &str, report: &mut Report) -> Option<String> {
    let Some(text) = item.value.text() else {
        report.unfit(&item.at, key, &item.value, "the name of a trait", None);
        return None;
    };
    let name = text.value.trim();
    if TAKEN.contains(&name) {
        let message = format!("found {name:?}, which is a dimension of its own, expected a trait");
        report.broken(&item.at, key, message);
        return None;
    }
    let fits = (1..=MOST_CHARS).contains(&name.chars().count());
    if !fits || name.chars().any(char::is_control) {
        let expected = format!("the name of a trait, {MOST_CHARS} characters at most");
        report.unfit(&item.at, key, &item.value, &expected, None);
        return None;
    }
    Some(name.to_owned())
}
