//! What `run` would make of the newest records of an input: the same shard logic, with a state of its own.
//!
//! Each partition is a shard that begins with its first sampled record. So a duplicate of an older record, or
//! a record that is late to older ones, is not known as such here.

use std::collections::BTreeMap;
use std::sync::Arc;

use mainstay_connectors::kafka::inspect::Sampled;
use mainstay_connectors::{Closing, Counts, InputRecord, NoHeaders, Shard, Slice, SourceNo, Topic};
use mainstay_model::Timestamp;
use serde_json::{Value, json};

use super::finding::Finding;
use super::routing::{Homes, Routing};
use crate::shard::{Logic, Plan};
use crate::table::printable;

/// An input whose newest records are being tried.
pub(super) struct Trial<'a> {
    plan: &'a Arc<Plan>,
    source: SourceNo,
    topic: &'a str,
    partitions: u32,
    shards: BTreeMap<u32, Logic>,
    homes: &'a mut Homes,
    routing: Routing,
    split: Option<Finding>,
}

impl<'a> Trial<'a> {
    pub(super) fn begin(
        plan: &'a Arc<Plan>,
        (source, topic): (SourceNo, &'a str),
        partitions: u32,
        homes: &'a mut Homes,
    ) -> Trial<'a> {
        Trial {
            plan,
            source,
            topic,
            partitions,
            shards: BTreeMap::new(),
            homes,
            routing: Routing::of(partitions),
            split: None,
        }
    }

    pub(super) fn take(&mut self, record: &Sampled<'_>) {
        let partition = record.partition.unsigned_abs();
        let (plan, shards) = (self.plan, self.partitions);
        let shard = self
            .shards
            .entry(partition)
            .or_insert_with(|| plan.shard(partition, shards, Timestamp::MIN));
        shard.apply(&InputRecord {
            source: self.source,
            topic: self.topic,
            partition: record.partition,
            offset: record.offset,
            arrival: record.arrival,
            key: record.key,
            value: record.value,
            headers: &NoHeaders,
        });
        self.take_routing(partition, record);
    }

    fn take_routing(&mut self, partition: u32, record: &Sampled<'_>) {
        let (_, format) = &self.plan.sources[usize::from(self.source.0)];
        let (routing, homes, split) = (&mut self.routing, &mut *self.homes, &mut self.split);
        let topic = self.topic;
        // What cannot be decoded was counted already; it is of no account.
        drop(record.value.map(|value| {
            format.decode(value, &self.plan.limits, |event| {
                let account = event.account.as_str();
                routing.take(partition, record.key, account);
                let elsewhere = homes.take(topic, partition, account);
                *split = split.take().or(elsewhere);
            })
        }));
    }

    pub(super) fn end(mut self) -> Sample {
        let mut counts = Counts::default();
        let mut letters = BTreeMap::new();
        for shard in self.shards.values_mut() {
            let mut slice = Slice::default();
            let closing = Closing {
                behind: true,
                pace_ms: 0,
            };
            shard.close(closing, &mut slice);
            counts.add(&slice.counts);
            collect_letters(&slice, &mut letters);
        }
        Sample {
            topic: self.topic.to_owned(),
            partitions: self.partitions,
            checks_partition: self.plan.check_partition,
            counts,
            letters,
            routing: self.routing,
            split: self.split,
        }
    }
}

/// The dead letters of one code: how many, and the first of them.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Letters {
    count: u64,
    partition: String,
    offset: String,
    message: String,
}

fn collect_letters(slice: &Slice, letters: &mut BTreeMap<String, Letters>) {
    let of_slice = slice
        .records()
        .filter(|record| record.topic == Topic::DeadLetter);
    for letter in of_slice {
        // Ours stand before any that came with the record.
        let header = |name| {
            let mut headers = letter.headers.iter();
            let value = headers.find(|(found, _)| found == name);
            let value = value.and_then(|(_, value)| value.as_deref());
            String::from_utf8_lossy(value.unwrap_or_default()).into_owned()
        };
        let known = letters
            .entry(header("error.code"))
            .or_insert_with(|| Letters {
                count: 0,
                partition: header("error.partition"),
                offset: header("error.offset"),
                message: header("error.message"),
            });
        known.count += 1;
    }
}

/// What became of the newest records of an input.
pub(super) struct Sample {
    topic: String,
    partitions: u32,
    checks_partition: bool,
    counts: Counts,
    /// By code.
    letters: BTreeMap<String, Letters>,
    routing: Routing,
    split: Option<Finding>,
}

impl Sample {
    pub(super) fn findings(&self) -> Vec<Finding> {
        let routing = match self.checks_partition {
            true => self.routing.finding(&self.topic),
            // Then only one thing counts: that all producers choose alike.
            false => self.split.clone(),
        };
        self.dead_letters().into_iter().chain(routing).collect()
    }

    /// Records that are not where they belong are told by their routing.
    fn dead_letters(&self) -> Option<Finding> {
        let misrouted = self.letters.get("misrouted");
        let dead = self.counts.all_rejected() - misrouted.map_or(0, |letters| letters.count);
        if dead == 0 {
            return None;
        }
        let what = format!(
            "{dead} of the {} newest records would be dead letters",
            self.counts.read
        );
        let mend = "mend who sends them (`mainstay schema native` says what an event looks like), or set the \
                    source's `format`";
        Some(match super::is_too_much(dead, self.counts.read) {
            true => Finding::problem(&self.topic, what, mend),
            false => Finding::warning(&self.topic, what, mend),
        })
    }

    fn good(&self) -> u64 {
        self.counts.read - self.counts.tombstones - self.counts.all_rejected()
    }

    /// For the summary: a line, and one more for each code.
    pub(super) fn lines(&self) -> Vec<String> {
        let topic = &self.topic;
        if self.counts.read == 0 {
            return vec![format!("{topic}: nothing there to read yet")];
        }
        let mut lines = vec![format!(
            "{topic}: the newest {} records of {} partitions: {} good, {} would be dead letters, {} \
             tombstones",
            self.counts.read,
            self.partitions,
            self.good(),
            self.counts.all_rejected(),
            self.counts.tombstones
        )];
        lines.extend(self.letters.iter().map(|(code, letters)| {
            let message = printable(&letters.message);
            format!("  {code} {}: {message}", letters.count)
        }));
        lines.push(format!("  {}", self.routing.words()));
        lines
    }

    pub(super) fn to_json(&self) -> Value {
        let letters = self.letters.iter().map(|(code, letters)| {
            json!({
                "code": code,
                "count": letters.count,
                "example": {
                    "topic": self.topic,
                    "partition": letters.partition.parse::<i32>().ok(),
                    "offset": letters.offset.parse::<i64>().ok(),
                    "message": letters.message,
                },
            })
        });
        json!({
            "topic": self.topic,
            "read": self.counts.read,
            "good": self.good(),
            "tombstones": self.counts.tombstones,
            "dead_letters": letters.collect::<Vec<_>>(),
            "routing": self.routing.to_json(),
        })
    }
}

#[cfg(test)]
mod tests {
    use mainstay_connectors::kafka::partition_of;

    use super::*;
    use crate::config::{Config, Given, Needs};
    use crate::shard::Target;
    use crate::wiring;

    const PARTITIONS: u32 = 4;

    fn plan(set: &[&str]) -> Arc<Plan> {
        let set = ["sources.product.topic=events"].iter().chain(set);
        let given = Given {
            set: set.map(|argument| argument.to_string()).collect(),
            ..Given::default()
        };
        let config = Config::load(&given, Needs::Nothing).unwrap();
        Arc::new(wiring::plan(&config, Target::Topics))
    }

    fn event(account: &str, id: u32) -> String {
        format!(
            r#"{{"id":"e{id}","type":"product.event","account_id":"{account}","user_id":"ada","time":"2026-03-01T09:00:00Z","data":{{"name":"opened"}}}}"#
        )
    }

    /// Samples records, each with its partition, key and value.
    fn sample(plan: &Arc<Plan>, records: &[(u32, Option<&str>, Option<&str>)]) -> Sample {
        let mut homes = Homes::default();
        let source = (SourceNo(0), "events");
        let mut trial = Trial::begin(plan, source, PARTITIONS, &mut homes);
        for (offset, (partition, key, value)) in (0..).zip(records) {
            trial.take(&Sampled {
                partition: partition.cast_signed(),
                offset,
                arrival: Some(Timestamp(1_772_355_601_000)),
                key: key.map(str::as_bytes),
                value: value.map(str::as_bytes),
            });
        }
        trial.end()
    }

    #[test]
    fn good_records_are_counted_and_nothing_is_found() {
        let home = partition_of(b"acme", PARTITIONS);
        let (one, two) = (event("acme", 1), event("acme", 2));
        let records = [
            (home, Some("acme"), Some(one.as_str())),
            (home, Some("acme"), Some(&two)),
            (home, Some("acme"), None),
        ];
        let sample = sample(&plan(&[]), &records);
        assert_eq!(sample.findings(), []);
        assert!(
            sample.lines()[0].contains("2 good, 0 would be dead letters, 1 tombstones"),
            "{:?}",
            sample.lines()
        );
    }

    #[test]
    fn each_code_has_its_count_and_an_example_without_the_payload() {
        let home = partition_of(b"acme", PARTITIONS);
        let records = [
            (home, Some("acme"), Some("secret")),
            (home, Some("acme"), Some("secret")),
            (home, Some("acme"), Some("")),
        ];
        let sample = sample(&plan(&[]), &records);
        let json = sample.to_json();
        assert_eq!(json["dead_letters"][1]["code"], "not_json");
        assert_eq!(json["dead_letters"][1]["count"], 2);
        assert_eq!(json["dead_letters"][1]["example"]["offset"], 0);
        assert_eq!(json["good"], 0);
        assert!(sample.findings()[0].lines().starts_with("problem"));
    }

    #[test]
    fn a_record_in_the_wrong_partition_is_told_by_its_routing_alone() {
        let away = (partition_of(b"acme", PARTITIONS) + 1) % PARTITIONS;
        let event = event("acme", 1);
        let records = [(away, None, Some(event.as_str()))];
        let checked = sample(&plan(&[]), &records);
        let findings = checked.findings();
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(findings[0].what.contains("no key"), "{findings:?}");
        assert_eq!(checked.to_json()["dead_letters"][0]["code"], "misrouted");
        let believed = sample(&plan(&["kafka.partitioner=unchecked"]), &records);
        assert_eq!(believed.findings(), []);
    }

    #[test]
    fn an_empty_input_is_said_to_be_empty() {
        let sample = sample(&plan(&[]), &[]);
        assert_eq!(sample.lines(), ["events: nothing there to read yet"]);
        assert_eq!(sample.findings(), []);
    }
}
