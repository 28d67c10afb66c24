//! `[output]`: the topics that Mainstay writes.

use mainstay_engine::infos;
use mainstay_model::Info;

use super::mistake::{Report, nearest};
use super::section::section;
use super::setting::{Setting, Shown, TopicName, read_texts};
use super::tree::Node;

section! {
    /// The topics that Mainstay writes.
    pub struct Output {
        /// What their names begin with. Not given: the application and a dot.
        prefix: TopicName = TopicName::parse("mainstay.").unwrap_or_default();
        /// Which metrics the records carry: "all", or a list of ids. `mainstay metrics --all` has them.
        metrics: ChosenMetrics = ChosenMetrics::All;
    }
}

/// Which metrics the records carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChosenMetrics {
    /// Every metric of the catalogue.
    All,
    /// Those with these ids.
    Only(Vec<&'static str>),
}

impl ChosenMetrics {
    /// Whether a metric is one of them.
    #[must_use]
    pub fn has(&self, metric: &Info) -> bool {
        match self {
            ChosenMetrics::All => true,
            ChosenMetrics::Only(ids) => ids.contains(&metric.id),
        }
    }
}

const EXPECTED: &str = "\"all\" or a list of ids of metrics";

impl Setting for ChosenMetrics {
    fn read(node: &Node, key: &str, report: &mut Report) -> Option<ChosenMetrics> {
        if node.value.text().is_some_and(|text| text.value == "all") {
            return Some(ChosenMetrics::All);
        }
        let items = read_texts(node, key, report, EXPECTED)?;
        let ids = items.iter().filter_map(|item| read_id(item, key, report));
        Some(ChosenMetrics::Only(ids.collect()))
    }

    fn shown(&self) -> Shown {
        Shown::Default(match self {
            ChosenMetrics::All => "\"all\"".to_owned(),
            ChosenMetrics::Only(ids) => format!("{ids:?}"),
        })
    }
}

fn read_id(item: &Node, key: &str, report: &mut Report) -> Option<&'static str> {
    let ids = || infos().into_iter().map(|info| info.id);
    let text = item.value.text();
    let id = text.and_then(|text| ids().find(|id| *id == text.value));
    if id.is_none() {
        let nearest = text.and_then(|text| nearest(&text.written, ids()));
        report.unfit(&item.at, key, &item.value, "the id of a metric", nearest);
    }
    id
}
