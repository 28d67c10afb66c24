//! What of the cluster does not fit the config: everything is looked at, so that all is told at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use mainstay_connectors::SourceNo;
use mainstay_connectors::kafka::inspect::{self, Arrival, Known, Sampled, arrival_command, rights};
use mainstay_connectors::kafka::topics::{
    Acl, Found, Operation, SOMEBODY, TopicError, acl_command, inspect, try_to_create,
};
use mainstay_connectors::kafka::{KafkaSettings, SourceSettings};
use serde_json::{Value, json};

use super::finding::Finding;
use super::routing::Homes;
use super::sample::{Sample, Trial};
use crate::config::Config;
use crate::shard::Target;
use crate::wiring;

/// How many of the newest records of each partition are tried.
const NEWEST: u32 = 100;
/// Stamps of a sender may be ahead by so much.
const AHEAD_MS: i64 = 3_600_000;

/// What was seen of the cluster.
pub(super) struct Cluster {
    /// The topics; none if they do not fit.
    pub(super) found: Option<Found>,
    rights: Vec<(Acl, Known)>,
    arrivals: Vec<(String, Arrival)>,
    samples: Vec<Sample>,
    pub(super) findings: Vec<Finding>,
}

/// Looks at everything.
///
/// # Errors
/// When there is no cluster to be looked at.
pub(super) fn look(config: &Config) -> anyhow::Result<Cluster> {
    let (kafka, sources) = (wiring::kafka(config), wiring::sources(config));
    let inspected = match inspect(&kafka, &sources) {
        Err(error @ (TopicError::Unreachable { .. } | TopicError::Client(_))) => {
            return Err(error.into());
        }
        inspected => inspected,
    };
    let mut cluster = Cluster {
        found: None,
        rights: rights(&kafka, &sources)?,
        arrivals: Vec::new(),
        samples: Vec::new(),
        findings: Vec::new(),
    };
    cluster.find_rights(&kafka);
    match inspected {
        Ok(found) => {
            cluster.find_missing_topics(&kafka, &found)?;
            cluster.find_in_inputs(config, (&kafka, &sources), &found)?;
            cluster.found = Some(found);
        }
        Err(error) => cluster.find_topics(&error),
    }
    cluster.findings.sort_by_key(|finding| finding.weight);
    Ok(cluster)
}

impl Cluster {
    fn find_rights(&mut self, kafka: &KafkaSettings) {
        for (acl, known) in &self.rights {
            let Known::Lacking(lacking) = known else {
                continue;
            };
            let names: Vec<_> = lacking.iter().map(|operation| operation.name()).collect();
            let about = format!("{} `{}`", acl.kind.name(), acl.name);
            let what = format!("no right to {}", names.join(" and "));
            let lacking = Acl {
                operations: lacking.clone(),
                ..acl.clone()
            };
            let mend = acl_command(kafka, &lacking, SOMEBODY);
            self.findings.push(Finding::problem(about, what, mend));
        }
    }

    fn find_topics(&mut self, error: &TopicError) {
        // That a topic is hidden from us was found with the rights, but for brokers that tell no rights.
        let hidden = matches!(error, TopicError::NotAllowed { .. });
        if hidden && !self.findings.is_empty() {
            return;
        }
        self.findings.push(of_topic_error(error));
    }

    fn find_missing_topics(&mut self, kafka: &KafkaSettings, found: &Found) -> anyhow::Result<()> {
        let refused = try_to_create(kafka, &found.missing)?;
        self.findings.extend(refused.iter().map(of_topic_error));
        Ok(())
    }

    fn find_in_inputs(
        &mut self,
        config: &Config,
        (kafka, sources): (&KafkaSettings, &[SourceSettings]),
        found: &Found,
    ) -> anyhow::Result<()> {
        let plan = Arc::new(wiring::plan(config, Target::Topics));
        let mut homes = Homes::default();
        let numbered = (0..).map(SourceNo).zip(sources).zip(&found.present);
        let inputs = numbered.filter(|((_, source), present)| **present && !source.internal);
        for ((number, source), _) in inputs {
            let topic = source.topic.as_str();
            let arrival = inspect::arrival(kafka, topic)?;
            self.findings.extend(of_arrival(kafka, topic, &arrival));
            self.arrivals.push((topic.to_owned(), arrival));
            if !self.may_read(topic) {
                continue;
            }
            let mut trial = Trial::begin(&plan, (number, topic), found.shards, &mut homes);
            let mut take = |record: &Sampled<'_>| trial.take(record);
            match inspect::sample(kafka, (topic, found.shards), NEWEST, &mut take) {
                Ok(()) => {
                    let sample = trial.end();
                    self.findings.extend(sample.findings());
                    self.samples.push(sample);
                }
                Err(error) => {
                    let what = format!("{:#}", anyhow::Error::from(error));
                    let mend = "see what the brokers log";
                    self.findings.push(Finding::problem(topic, what, mend));
                }
            }
        }
        Ok(())
    }

    fn may_read(&self, topic: &str) -> bool {
        self.rights.iter().all(|(acl, known)| match known {
            Known::Lacking(lacking) => acl.name != topic || !lacking.contains(&Operation::Read),
            Known::Granted | Known::Unknown(_) => true,
        })
    }

    /// For the summary.
    pub(super) fn lines(&self) -> Vec<(&'static str, String)> {
        let mut lines = self.right_lines();
        for (topic, arrival) in &self.arrivals {
            lines.push(("arrival", format!("{topic}: {}", words_of(arrival))));
        }
        for sample in &self.samples {
            let told = sample.lines().into_iter();
            lines.extend(told.map(|line| ("sample", line)));
        }
        let mut last = "";
        for (head, _) in &mut lines {
            match *head == last {
                true => *head = "",
                false => last = head,
            }
        }
        lines
    }

    fn right_lines(&self) -> Vec<(&'static str, String)> {
        let mut unknown: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        let mut granted = 0;
        for (acl, known) in &self.rights {
            match known {
                Known::Granted => granted += 1,
                Known::Lacking(_) => {}
                Known::Unknown(why) => {
                    let name = format!("{} `{}`", acl.kind.name(), acl.name);
                    unknown.entry(why).or_default().push(name);
                }
            }
        }
        let asked = self.rights.len() - unknown.values().map(Vec::len).sum::<usize>();
        let first = format!(
            "{granted} of {asked} are there: of topics and the group the brokers were asked, the \
             transactional id was tried"
        );
        let unknown = unknown
            .into_iter()
            .map(|(why, names)| format!("not known, as {why}: {}", names.join(", ")));
        let lines = std::iter::once(first).chain(unknown);
        lines.map(|line| ("rights", line)).collect()
    }

    /// Adds what was seen to an answer.
    pub(super) fn put(&self, answer: &mut Value) {
        if let Some(found) = &self.found {
            let missing = found.missing.iter().map(|topic| topic.name.as_str());
            answer["partitions"] = json!(found.shards);
            answer["missing_topics"] = json!(missing.collect::<Vec<_>>());
        }
        let rights = self.rights.iter().map(right_json);
        answer["rights"] = json!(rights.collect::<Vec<_>>());
        let arrivals = self.arrivals.iter().map(arrival_json);
        answer["arrivals"] = json!(arrivals.collect::<Vec<_>>());
        let samples = self.samples.iter().map(Sample::to_json);
        answer["samples"] = json!(samples.collect::<Vec<_>>());
    }
}

fn of_topic_error(error: &TopicError) -> Finding {
    let (about, mend) = match error {
        TopicError::Create { name, command, .. } => (format!("topic `{name}`"), command.clone()),
        TopicError::NotAllowed { topic, command } => (format!("topic `{topic}`"), command.clone()),
        TopicError::NoInput { name, .. } => (
            format!("sources.{name}"),
            "create the topic, or set `optional = true`".to_owned(),
        ),
        TopicError::NoInputs => (
            "sources".to_owned(),
            "create the topic of at least one source".to_owned(),
        ),
        TopicError::Partitions(_) => (
            "topics".to_owned(),
            "give all inputs the same number of partitions, and begin under a new `kafka.application`"
                .to_owned(),
        ),
        TopicError::Client(_) | TopicError::Unreachable { .. } => {
            ("kafka".to_owned(), "see `kafka.brokers`".to_owned())
        }
    };
    // Where the command stands in the message too, it is the mend.
    let what = error.to_string();
    let what = what
        .split_once("; as an administrator")
        .map_or(what.as_str(), |(what, _)| what);
    Finding::problem(about, what, mend)
}

fn of_arrival(kafka: &KafkaSettings, topic: &str, arrival: &Arrival) -> Option<Finding> {
    let ahead = match arrival {
        Arrival::Broker => return None,
        Arrival::Sender {
            ahead_ms: Some(ahead),
        } if *ahead <= AHEAD_MS => return None,
        Arrival::Sender { ahead_ms: Some(_) } => "more than an hour ahead",
        Arrival::Sender { ahead_ms: None } => "ahead without limit",
        Arrival::Unknown(why) => return Some(of_unknown_arrival(topic, why)),
    };
    let what = format!(
        "records are stamped by their senders, whose clocks may be {ahead}: one bad clock would move time, and \
         so close days, for the others; expected `message.timestamp.type=LogAppendTime`, or \
         `message.timestamp.after.max.ms` of at most {AHEAD_MS}"
    );
    Some(Finding::warning(topic, what, arrival_command(kafka, topic)))
}

fn of_unknown_arrival(topic: &str, why: &str) -> Finding {
    let what = format!("could not find out who stamps its records: {why}");
    let mend = "allow `DescribeConfigs` on the topic, or see that `message.timestamp.type` is \
                `LogAppendTime`";
    Finding::warning(topic, what, mend)
}

fn words_of(arrival: &Arrival) -> String {
    match arrival {
        Arrival::Broker => "stamped by the broker".to_owned(),
        Arrival::Sender {
            ahead_ms: Some(ahead),
        } => format!("stamped by the sender, at most {ahead} ms ahead"),
        Arrival::Sender { ahead_ms: None } => "stamped by the sender".to_owned(),
        Arrival::Unknown(_) => "not known".to_owned(),
    }
}

fn arrival_json((topic, arrival): &(String, Arrival)) -> Value {
    let by = match arrival {
        Arrival::Broker => "broker",
        Arrival::Sender { .. } => "sender",
        Arrival::Unknown(_) => "unknown",
    };
    let ahead = if let Arrival::Sender { ahead_ms } = arrival {
        *ahead_ms
    } else {
        None
    };
    json!({ "topic": topic, "stamped_by": by, "ahead_ms": ahead })
}

fn right_json((acl, known): &(Acl, Known)) -> Value {
    let names = |operations: &[Operation]| {
        let names = operations.iter().map(|operation| operation.name());
        names.collect::<Vec<_>>()
    };
    let (state, lacking, why) = match known {
        Known::Granted => ("granted", Vec::new(), None),
        Known::Lacking(lacking) => ("lacking", names(lacking), None),
        Known::Unknown(why) => ("unknown", Vec::new(), Some(why)),
    };
    json!({
        "kind": acl.kind.name(),
        "name": acl.name,
        "prefixed": acl.prefixed,
        "operations": names(&acl.operations),
        "state": state,
        "lacking": lacking,
        "why": why,
    })
}

#[cfg(test)]
mod tests {
    use mainstay_connectors::kafka::topics::Kind;

    use super::*;

    fn told(arrival: &Arrival) -> String {
        let kafka = KafkaSettings::new("b:9092");
        of_arrival(&kafka, "events", arrival).map_or(String::new(), |finding| finding.lines())
    }

    #[test]
    fn a_sender_s_clock_is_warned_of_unless_the_broker_bounds_it() {
        assert_eq!(told(&Arrival::Broker), "");
        let bounded = Arrival::Sender {
            ahead_ms: Some(AHEAD_MS),
        };
        assert_eq!(told(&bounded), "");
        let loose = Arrival::Sender {
            ahead_ms: Some(AHEAD_MS + 1),
        };
        assert!(
            told(&loose).starts_with("warning: events: "),
            "{}",
            told(&loose)
        );
        let unbounded = told(&Arrival::Sender { ahead_ms: None });
        assert!(
            unbounded.ends_with(
                "kafka-configs.sh --bootstrap-server b:9092 --alter --entity-type topics --entity-name \
                 events --add-config message.timestamp.type=LogAppendTime"
            ),
            "{unbounded}"
        );
    }

    #[test]
    fn rights_that_could_not_be_asked_are_told_apart_from_those_that_were() {
        let acl = |name: &str| Acl {
            kind: Kind::Topic,
            name: name.to_owned(),
            prefixed: false,
            operations: vec![Operation::Read],
        };
        let unknown = || Known::Unknown("it does not exist yet".to_owned());
        let cluster = Cluster {
            found: None,
            rights: vec![
                (acl("a"), Known::Granted),
                (acl("b"), Known::Lacking(vec![Operation::Read])),
                (acl("c"), unknown()),
                (acl("d"), unknown()),
            ],
            arrivals: Vec::new(),
            samples: Vec::new(),
            findings: Vec::new(),
        };
        let lines = cluster.lines();
        assert!(lines[0].1.starts_with("1 of 2 are there"), "{lines:?}");
        assert_eq!(
            lines[1].1,
            "not known, as it does not exist yet: topic `c`, topic `d`"
        );
    }

    #[test]
    fn an_error_of_topics_keeps_its_command_as_the_mend() {
        let finding = of_topic_error(&TopicError::Create {
            name: "mainstay.shards".to_owned(),
            why: "no".to_owned(),
            command: "kafka-topics.sh --create".to_owned(),
        });
        assert_eq!(
            finding.lines(),
            "problem: topic `mainstay.shards`: could not create `mainstay.shards`: no\n  \
             kafka-topics.sh --create"
        );
    }
}
