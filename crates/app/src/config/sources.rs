//! `[sources.NAME]`: the inputs.

use std::collections::BTreeMap;

use mainstay_codec::Format;

use super::mistake::Report;
use super::section::{Part, Section, read_over, section};
use super::setting::{Setting, TopicName, choice};
use super::tree::{Node, Text, Value};

section! {
    /// An input. There may be any number of them; the name is free.
    pub struct Source {
        /// The topic. Not given: the source's name.
        topic: TopicName = TopicName::default();
        /// What its records look like.
        format: Format = Format::Native;
        /// Whether to start without it where the topic does not exist.
        optional: bool = false;
        /// Where to begin at the very first start: "earliest" or "latest".
        start_at: StartAt = StartAt::Earliest;
    }
}

choice! {
    /// Where to begin an input at the very first start.
    pub enum StartAt {
        /// At the oldest record.
        Earliest = "earliest",
        /// Behind the newest record.
        Latest = "latest",
    }
}

impl Source {
    fn of_topic(topic: TopicName) -> Source {
        Source {
            topic,
            ..Source::default()
        }
    }
}

/// The inputs by name. Their order, which everything else refers to, is that of the names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sources(BTreeMap<String, Source>);

impl Sources {
    /// Adds an input whose topic has its name, for commands that bring their own; `None` where no topic
    /// could have that name.
    pub fn add(&mut self, name: &str) -> Option<&mut Source> {
        let source = Source::of_topic(TopicName::parse(name)?);
        Some(self.0.entry(name.to_owned()).or_insert(source))
    }

    /// An input.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Source> {
        self.0.get(name)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each with its name, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Source)> {
        self.0.iter().map(|(name, source)| (name.as_str(), source))
    }

    /// What the reference file shows.
    pub(super) fn example() -> Sources {
        let topic = TopicName::parse("product-events").unwrap_or_default();
        Sources(BTreeMap::from([(
            "product".to_owned(),
            Source::of_topic(topic),
        )]))
    }
}

impl Part for Sources {
    fn read(node: &Node, key: &str, report: &mut Report) -> Sources {
        let Some(table) = node.value.table() else {
            if !node.is_empty() {
                report.unfit(
                    &node.at,
                    key,
                    &node.value,
                    "a section for each source",
                    None,
                );
            }
            return Sources::default();
        };
        let sources = table.0.iter().filter_map(|(name, entry)| {
            let key = format!("{key}.{name}");
            // A source's name may stand for its topic, so it has to be fit for one.
            let at = Node {
                at: entry.key_at.clone(),
                value: Value::Text(Text::new(name.as_str())),
            };
            let mut source = Source::of_topic(TopicName::read(&at, &key, report)?);
            read_over(&mut source, &entry.node, &key, report);
            Some((name.clone(), source))
        });
        Sources(sources.collect())
    }

    fn write(&self, key: &str, page: &mut String) {
        for (name, source) in self.iter() {
            source.write(&format!("{key}.{name}"), page);
        }
    }

    fn paths(key: &str) -> Vec<String> {
        let path = |name| format!("{key}.NAME.{name}");
        Source::KEYS.iter().map(path).collect()
    }
}

/// Tells the report of two inputs on one topic.
pub(super) fn check_topics(sources: &Sources, node: Option<&Node>, report: &mut Report) {
    let mut seen = BTreeMap::new();
    for (name, source) in sources.iter() {
        if let Some(first) = seen.insert(source.topic.clone(), name) {
            let path = format!("{name}.topic");
            let at = node.map(|node| node.place_of(&path)).unwrap_or_default();
            let message = format!(
                "found {:?}, which is the topic of `sources.{first}` too; expected one source a topic",
                source.topic.as_str()
            );
            report.broken(&at, &format!("sources.{path}"), message);
        }
    }
}
