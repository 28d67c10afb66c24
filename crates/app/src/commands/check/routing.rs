//! Whether the records of a sample lie in the partitions of their accounts; and if not, why.
//!
//! An account lives in one shard, so all its records have to be in the one partition that the Java client's
//! hash gives for its id. Four things bring them elsewhere: no key, another key, the other hash that
//! librdkafka takes when nobody says otherwise, or a partitioner that is not known here.

use std::collections::BTreeMap;

use mainstay_connectors::kafka::{librdkafka_partition_of, partition_of};
use serde_json::{Value, json};

use super::finding::Finding;

/// Why a record is not in the partition of its account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    NoKey,
    OtherKey,
    Librdkafka,
    Unknown,
}

impl Cause {
    fn name(self) -> &'static str {
        match self {
            Cause::NoKey => "no_key",
            Cause::OtherKey => "key_is_not_the_account",
            Cause::Librdkafka => "librdkafka_default",
            Cause::Unknown => "unknown_partitioner",
        }
    }
}

/// Where the events of a sample lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Routing {
    partitions: u32,
    events: u64,
    /// Events with a key that is not their account's id, wherever they lie.
    other_keys: u64,
    away: BTreeMap<Cause, u64>,
}

impl Routing {
    pub(super) fn of(partitions: u32) -> Routing {
        Routing {
            partitions,
            events: 0,
            other_keys: 0,
            away: BTreeMap::new(),
        }
    }

    /// Takes an event that was found in `partition`.
    pub(super) fn take(&mut self, partition: u32, key: Option<&[u8]>, account: &str) {
        let account = account.as_bytes();
        let is_other = key.is_some_and(|key| key != account);
        self.events += 1;
        self.other_keys += u64::from(is_other);
        if partition_of(account, self.partitions) == partition {
            return;
        }
        let cause = match key {
            None => Cause::NoKey,
            Some(_) if is_other => Cause::OtherKey,
            Some(key) if librdkafka_partition_of(key, self.partitions) == partition => {
                Cause::Librdkafka
            }
            Some(_) => Cause::Unknown,
        };
        *self.away.entry(cause).or_default() += 1;
    }

    /// Events in partitions of other accounts.
    pub(super) fn away(&self) -> u64 {
        self.away.values().sum()
    }

    /// What is wrong, if something is. A few strays are told as a warning.
    pub(super) fn finding(&self, topic: &str) -> Option<Finding> {
        let away = self.away();
        if away == 0 {
            return None;
        }
        let (why, mend) = self.cause();
        let what = format!(
            "{away} of {} events lie in a partition that is not their account's by murmur2, the Java \
             clients' default: {why}",
            self.events
        );
        Some(match super::is_too_much(away, self.events) {
            true => Finding::problem(topic, what, mend),
            false => Finding::warning(topic, what, mend),
        })
    }

    /// The cause of most, in words, and its mend.
    fn cause(&self) -> (&'static str, &'static str) {
        let of = |cause| self.away.get(&cause).copied().unwrap_or(0);
        let hashed = of(Cause::Librdkafka) + of(Cause::Unknown);
        let most = of(Cause::NoKey).max(of(Cause::OtherKey)).max(hashed);
        if most == of(Cause::NoKey) {
            (
                "they have no key",
                "let the producers send `account_id` as the record's key",
            )
        } else if most == of(Cause::OtherKey) {
            (
                "their key is not their `account_id`",
                "let the producers send `account_id` as the record's key",
            )
        } else if of(Cause::Unknown) == 0 {
            (
                "they lie where librdkafka's default partitioner, `consistent_random`, puts them",
                "set `partitioner=murmur2_random` in the producers; or, if all producers of all inputs \
                 choose alike, `kafka.partitioner = \"unchecked\"` here",
            )
        } else {
            (
                "the producers' partitioner is neither Java's nor librdkafka's default",
                "let the producers use murmur2; or, if all producers of all inputs choose alike, set \
                 `kafka.partitioner = \"unchecked\"` here",
            )
        }
    }

    pub(super) fn to_json(&self) -> Value {
        let away = self.away.iter().map(|(cause, count)| (cause.name(), count));
        json!({
            "events": self.events,
            "at_home": self.events - self.away(),
            "key_is_not_the_account": self.other_keys,
            "away": away.collect::<BTreeMap<_, _>>(),
        })
    }

    /// A few words for the table.
    pub(super) fn words(&self) -> String {
        let other = match self.other_keys {
            0 => String::new(),
            other => format!("; {other} have a key that is not their account"),
        };
        let home = self.events - self.away();
        format!(
            "{home} of {} events lie where murmur2 puts their account{other}",
            self.events
        )
    }
}

/// In which partition each account of all samples was first seen: where partitions are not checked, this is
/// what all producers have to agree about.
#[derive(Debug, Default)]
pub(super) struct Homes(BTreeMap<String, Seen>);

#[derive(Debug)]
struct Seen {
    topic: String,
    partition: u32,
}

impl Homes {
    /// Takes an event; says what is wrong where its account was seen elsewhere before.
    pub(super) fn take(&mut self, topic: &str, partition: u32, account: &str) -> Option<Finding> {
        let Some(seen) = self.0.get(account) else {
            let topic = topic.to_owned();
            let seen = Seen { topic, partition };
            self.0.insert(account.to_owned(), seen);
            return None;
        };
        (seen.partition != partition).then(|| {
            let what = format!(
                "account `{}` is in partition {partition}, and in partition {} of `{}` too: an account has \
                 to be in one partition number of every input",
                account.escape_debug(),
                seen.partition,
                seen.topic
            );
            let mend = "let all producers of all inputs send `account_id` as the key, with one partitioner";
            Finding::problem(topic, what, mend)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARTITIONS: u32 = 8;

    fn accounts() -> impl Iterator<Item = String> {
        (0..100).map(|n| format!("acc_{n}"))
    }

    fn routing(send: impl Fn(usize, &str) -> (u32, Option<Vec<u8>>)) -> Routing {
        let mut routing = Routing::of(PARTITIONS);
        for (n, account) in accounts().enumerate() {
            let (partition, key) = send(n, &account);
            routing.take(partition, key.as_deref(), &account);
        }
        routing
    }

    fn told(routing: &Routing) -> String {
        routing
            .finding("events")
            .map_or(String::new(), |finding| finding.lines())
    }

    #[test]
    fn what_java_clients_sent_by_account_is_right() {
        let right = routing(|_, account| {
            let key = account.as_bytes();
            (partition_of(key, PARTITIONS), Some(key.to_vec()))
        });
        assert_eq!(right.finding("events"), None);
        assert_eq!(
            right.words(),
            "100 of 100 events lie where murmur2 puts their account"
        );
    }

    #[test]
    fn librdkafka_s_default_is_known_by_its_hash() {
        let other = routing(|_, account| {
            let key = account.as_bytes();
            (librdkafka_partition_of(key, PARTITIONS), Some(key.to_vec()))
        });
        let told = told(&other);
        assert!(told.starts_with("problem"), "{told}");
        assert!(told.contains("partitioner=murmur2_random"), "{told}");
    }

    #[test]
    fn records_without_a_key_and_with_another_key_are_told_apart() {
        let around = |n: usize| u32::try_from(n).unwrap() % PARTITIONS;
        let keyless = routing(|n, _| (around(n), None));
        assert!(told(&keyless).contains("they have no key"));
        let by_user = routing(|n, _| (around(n), Some(format!("user-{n}").into_bytes())));
        assert!(told(&by_user).contains("their key is not their `account_id`"));
        let strange = routing(|n, account| (around(n), Some(account.as_bytes().to_vec())));
        assert!(told(&strange).contains("neither Java's nor librdkafka's"));
    }

    #[test]
    fn a_few_strays_are_a_warning() {
        let few = routing(|n, account| {
            let home = partition_of(account.as_bytes(), PARTITIONS);
            let partition = if n < 5 { (home + 1) % PARTITIONS } else { home };
            (partition, Some(account.as_bytes().to_vec()))
        });
        assert!(told(&few).starts_with("warning"), "{}", told(&few));
    }

    #[test]
    fn with_one_partition_everything_is_at_home() {
        let mut only = Routing::of(1);
        only.take(0, None, "acme");
        assert_eq!(only.finding("events"), None);
    }

    #[test]
    fn an_account_in_two_partitions_is_named_with_both() {
        let mut homes = Homes::default();
        assert_eq!(homes.take("product", 1, "acme"), None);
        assert_eq!(homes.take("billing", 1, "acme"), None);
        let told = homes.take("billing", 3, "acme").unwrap().lines();
        assert!(
            told.contains("partition 3") && told.contains("partition 1 of `product`"),
            "{told}"
        );
    }
}
