//! `[kafka]`: the brokers, and who this application is to them.

use std::collections::BTreeMap;

use mainstay_connectors::kafka::{USUAL_OPTIONS, WrongOption, wrong_options};

use super::mistake::{Report, nearest};
use super::section::section;
use super::setting::{Secret, Setting, Shown, TopicName, choice, read_texts};
use super::tree::{Node, Text, Value};

section! {
    /// The brokers, and who this application is to them.
    pub struct Kafka {
        /// Where the brokers are: a list, or one text with commas. The only key without a default.
        brokers: Brokers = Brokers::default();
        /// The consumer group, the beginning of the transactional ids, and the prefix of the topics.
        application: TopicName = TopicName::parse("mainstay").unwrap_or_default();
        /// Which instance of the application this process is. It must stay the same over restarts and be
        /// different in every process: it gives the transactional id and static membership of the group.
        /// Not given: the host's name and the first free number among the lock files in `state.dir`.
        instance: Option<TopicName> = None;
        /// How producers choose the partition of an account: "murmur2", the default of Java clients, is
        /// checked for every account; "unchecked": believe that they agree.
        partitioner: Partitioner = Partitioner::Murmur2;
        /// What to do where an input no longer has the next record: "refuse" to start, or count the loss
        /// and "continue".
        on_data_loss: OnDataLoss = OnDataLoss::Refuse;
        /// Properties that are passed on to librdkafka, such as `security.protocol`, `sasl.mechanism`,
        /// `sasl.username` and `sasl.password`, except those that the guarantees rest on. Secrets as
        /// "${env:NAME}" or "${file:PATH}".
        client: BTreeMap<String, Secret> = BTreeMap::new();
    }
}

choice! {
    /// How producers choose the partition of an account.
    pub enum Partitioner {
        /// As Java clients do.
        Murmur2 = "murmur2",
        /// Believed, not checked.
        Unchecked = "unchecked",
    }
}

choice! {
    /// What to do where an input no longer has the next record.
    pub enum OnDataLoss {
        /// Do not start.
        Refuse = "refuse",
        /// Count the loss and go on.
        Continue = "continue",
    }
}

/// Where the brokers are. Empty only where no command needs them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Brokers(Vec<String>);

impl Brokers {
    /// The brokers of a command that brings its own.
    #[must_use]
    pub fn of(brokers: &str) -> Brokers {
        Brokers(
            brokers
                .split(',')
                .map(|one| one.trim().to_owned())
                .collect(),
        )
    }

    /// Whether none is given.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As a client takes them: divided by commas.
    #[must_use]
    pub fn joined(&self) -> String {
        self.0.join(",")
    }
}

impl Setting for Brokers {
    fn read(node: &Node, key: &str, report: &mut Report) -> Option<Brokers> {
        let expected = "a list of `host:port`";
        // A text that is no list may begin with `[` all the same: an address of IPv6 does.
        let address = |text: &&Text| !matches!(text.list, Some(Ok(_)));
        let parts = if let Some(text) = node.value.text().filter(address) {
            Brokers::of(&text.value).0
        } else {
            let items = read_texts(node, key, report, expected)?;
            let text = |item: Node| item.value.text().map(|text| text.value.clone());
            items
                .into_iter()
                .map(|item| text(item).unwrap_or_default())
                .collect()
        };
        let wrong = parts.iter().any(|part| !is_host_and_port(part));
        if wrong || parts.is_empty() {
            report.unfit(&node.at, key, &Found(node), expected, None);
            return None;
        }
        Some(Brokers(parts))
    }

    fn shown(&self) -> Shown {
        match self.is_empty() {
            true => Shown::Unset("\"127.0.0.1:9092\"".to_owned()),
            false => Shown::Default(format!("{:?}", self.joined())),
        }
    }
}

fn is_host_and_port(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty()
            && !host.contains(char::is_whitespace)
            && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}

/// A list of brokers is short enough to be shown whole.
struct Found<'a>(&'a Node);

impl std::fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Value::List(items) = &self.0.value else {
            return self.0.value.fmt(f);
        };
        let items: Vec<_> = items.iter().map(|item| item.value.to_string()).collect();
        write!(f, "[{}]", items.join(", "))
    }
}

/// Tells the report of properties that are not the operator's to set, or that the client library refuses.
pub(super) fn check_client(kafka: &Kafka, node: Option<&Node>, report: &mut Report) {
    let options = kafka.client.iter();
    let options = options.map(|(name, value)| (name.clone(), value.reveal().to_owned()));
    for wrong in wrong_options(&options.collect()) {
        tell(&wrong, node, report);
    }
}

fn tell(wrong: &WrongOption, node: Option<&Node>, report: &mut Report) {
    let key = |name: &str| format!("kafka.client.{name}");
    let at = |name: &str| node.map(|node| node.place_of(name)).unwrap_or_default();
    match wrong {
        WrongOption::Forbidden { name, why } => {
            report.broken(&at(name), &key(name), format!("may not be set: {why}"));
        }
        WrongOption::Unknown { name } => {
            let near = nearest(name, USUAL_OPTIONS.iter().copied());
            report.unknown_key(&at(name), &key(name), near.map(|near| key(&near)));
        }
        WrongOption::Value { name } => {
            report.broken(
                &at(name),
                &key(name),
                "the Kafka client does not take this value",
            );
        }
        WrongOption::Together { why } => {
            let place = node.map(|node| node.at.clone()).unwrap_or_default();
            let message = format!("the Kafka client does not take these together: {why}");
            report.broken(&place, "kafka.client", message);
        }
    }
}
