//! The config: what an operator may decide, where it was written, and every mistake in it at once.
//!
//! One option is one field, with its doc comment, type and default, in the file of its section; a section
//! is one line in the list below. The reader, the known keys, the nearest names and the reference file all
//! follow from these. What the options mean is not known here.

mod activation;
mod active;
mod commit;
mod dedupe;
mod dormant;
mod emit;
mod engaged;
mod features;
mod given;
mod http;
mod kafka;
mod key_actions;
mod limits;
mod mistake;
mod onboarding;
mod output;
mod prometheus;
mod revenue;
mod section;
mod segments;
mod session;
mod setting;
mod sources;
mod state;
mod time;
mod tree;

use mainstay_engine::Settings;

pub use activation::Activation;
pub use active::Active;
pub use commit::Commit;
pub use dedupe::Dedupe;
pub use dormant::Dormant;
pub use emit::Emit;
pub use engaged::Engaged;
pub use features::Features;
pub use given::Given;
pub use http::Http;
pub use kafka::{Brokers, Kafka, OnDataLoss, Partitioner};
pub use key_actions::KeyActions;
pub use limits::Limits;
pub use mistake::{Mistakes, Told};
pub use onboarding::Onboarding;
pub use output::{ChosenMetrics, Output};
pub use prometheus::Prometheus;
pub use revenue::{Fx, MaxGap, PastDue, Revenue, WhoseRules};
pub use segments::{Segments, TraitNames};
pub use session::Session;
pub use setting::{NoSpan, Secret, Size, Span, TopicName};
pub use sources::{Source, Sources, StartAt};
pub use state::State;
pub use time::Time;

use mistake::Report;
pub(crate) use mistake::nearest;
use section::Part;
use tree::{Node, Table};

macro_rules! parts {
    ($($(#[doc = $doc:literal])+ $part:ident: $Part:ty,)+) => {
        /// All that an operator may decide, checked.
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct Config {
            $($(#[doc = $doc])+ pub $part: $Part,)+
        }

        const PARTS: &[&str] = &[$(stringify!($part)),+];

        impl Config {
            fn read_parts(table: &Table, report: &mut Report) -> Config {
                let mut config = Config::default();
                $(
                    if let Some(entry) = table.0.get(stringify!($part)) {
                        config.$part = Part::read(&entry.node, stringify!($part), report);
                    }
                )+
                config
            }

            fn write_parts(&self, page: &mut String) {
                $(self.$part.write(stringify!($part), page);)+
            }
        }

        /// The paths of all keys.
        fn paths() -> Vec<String> {
            [$(<$Part as Part>::paths(stringify!($part))),+].concat()
        }
    };
}

// In the order of the reference file; what is no section has to come first in TOML.
parts! {
    /// Names of the product events that are key actions.
    key_actions: KeyActions,
    /// The brokers, and who this application is to them.
    kafka: Kafka,
    /// The inputs.
    sources: Sources,
    /// Days, and how long to wait for what comes late.
    time: Time,
    /// Where a session ends.
    session: Session,
    /// Which product events make a user active.
    active: Active,
    /// Which users are engaged.
    engaged: Engaged,
    /// Which users are dormant.
    dormant: Dormant,
    /// The parts of the product whose use is told one by one.
    features: Features,
    /// What a user must have done to be activated.
    activation: Activation,
    /// The checklist that a new account goes through.
    onboarding: Onboarding,
    /// By which traits accounts are grouped.
    segments: Segments,
    /// What counts as recurring revenue, and when.
    revenue: Revenue,
    /// How long ids of events are remembered.
    dedupe: Dedupe,
    /// The topics that Mainstay writes.
    output: Output,
    /// The pace of live values.
    emit: Emit,
    /// How often results are committed.
    commit: Commit,
    /// How large a record may be.
    limits: Limits,
    /// What an instance keeps on its disk.
    state: State,
    /// The port for `/metrics`, `/healthz` and `/readyz`.
    http: Http,
    /// Which accounts have gauges.
    prometheus: Prometheus,
}

/// What a command needs of a config.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing but what it says has to be right.
    Nothing,
    /// Brokers: the command talks to Kafka.
    Brokers,
    /// Brokers and at least one source: the whole pipeline.
    Pipeline,
}

impl Config {
    /// Reads a config.
    ///
    /// # Errors
    /// All that is wrong with it, and all that is missing of what the command needs.
    pub fn load(given: &Given, needs: Needs) -> Result<Config, Mistakes> {
        let mut report = Report::default();
        let table = given.tree(&mut report);
        for (name, entry) in &table.0 {
            if !PARTS.contains(&name.as_str()) {
                let near = nearest(name, PARTS.iter().copied()).or_else(|| path_ending_in(name));
                report.unknown_key(&entry.key_at, name, near);
            }
        }
        let mut config = Config::read_parts(&table, &mut report);
        config.follow_application(&table);
        config.check(&table, needs, &mut report);
        report.finish(given.file.clone()).map(|()| config)
    }

    /// The topics' prefix is the application's name where nobody gave another.
    fn follow_application(&mut self, table: &Table) {
        let given = part(table, "output").is_some_and(|node| node.has("prefix"));
        if !given {
            let prefix = format!("{}.", self.kafka.application);
            self.output.prefix = TopicName::parse(&prefix).unwrap_or_default();
        }
    }

    /// What no option can know alone.
    fn check(&self, table: &Table, needs: Needs, report: &mut Report) {
        let (kafka, sources) = (part(table, "kafka"), part(table, "sources"));
        let client = kafka.and_then(|node| node.get("client"));
        kafka::check_client(&self.kafka, client, report);
        sources::check_topics(&self.sources, sources, report);
        revenue::check_rates(&self.revenue, part(table, "revenue"), report);
        let brokers = kafka.is_some_and(|node| node.has("brokers"));
        if needs != Needs::Nothing && !brokers {
            report.missing("kafka.brokers", "a list of `host:port`");
        }
        if needs == Needs::Pipeline && sources.is_none_or(Node::is_empty) {
            report.missing("sources", "at least one section `[sources.NAME]`");
        }
    }

    /// What the engine is handed.
    #[must_use]
    pub fn engine_settings(&self) -> Settings {
        Settings {
            zone: self.time.zone,
            lateness_ms: self.time.lateness.ms(),
            correction_days: self.time.correction_days.cast_signed(),
            max_skew_ms: self.time.max_skew.ms(),
            session_gap_ms: self.session.gap.ms(),
            active_events: self.active.events.clone(),
            active_ignore: self.active.ignore.clone(),
            active_min_events: self.active.min_events,
            key_actions: self.key_actions.0.clone(),
            engaged_k: self.engaged.k,
            features: self.features.0.clone(),
            activation_events: self.activation.events.clone(),
            activation_within_ms: self.activation.within.map(Span::ms),
            onboarding_steps: self.onboarding.steps.clone(),
            dormant_days: self.dormant.days.cast_signed(),
            segments: self.segments.by.0.clone(),
            segments_max: self.segments.max as usize,
            revenue: self.revenue.decided(),
            dedupe_product_ms: self.dedupe.product.ms(),
            dedupe_business_ms: self.dedupe.business.ms(),
        }
    }

    /// How large a record may be, for those who decode it.
    #[must_use]
    pub fn codec_limits(&self) -> mainstay_codec::Limits {
        mainstay_codec::Limits {
            max_bytes: self.limits.record.bytes(),
            max_depth: self.limits.depth,
        }
    }

    /// The name of a topic of ours.
    #[must_use]
    pub fn topic(&self, name: &str) -> String {
        format!("{}{name}", self.output.prefix)
    }
}

/// The commented reference file: every key with its documentation and its default.
#[must_use]
pub fn reference() -> String {
    let mut page = String::from(REFERENCE_HEAD);
    let mut config = Config {
        sources: Sources::example(),
        ..Config::default()
    };
    config.kafka.brokers = Brokers::of("127.0.0.1:9092");
    config.write_parts(&mut page);
    page
}

const REFERENCE_HEAD: &str = "\
# Every key of Mainstay's config with its default. Only `kafka.brokers` has none.
#
# The same in YAML is read from a file that ends in .yaml or .yml. A variable of the environment
# MAINSTAY__SECTION__KEY replaces a key of the file (MAINSTAY__KAFKA__CLIENT__SASL_PASSWORD is
# `kafka.client.sasl.password`), and `--set section.key=value` replaces both. In these two a list is
# written `a,b` or as in TOML, `['a', 'b']`.
#
# In texts, ${env:NAME} is what a variable of the environment holds, ${file:PATH} what a file holds (a
# relative path begins at this file's directory); neither is ever printed. A plain ${ is written $${.
#
# Durations have a unit: ms, s, m, h, d. Sizes too: B, KiB, MiB, GiB.
";

fn part<'a>(table: &'a Table, name: &str) -> Option<&'a Node> {
    table.0.get(name).map(|entry| &entry.node)
}

/// The path of a key that was written in the wrong section, or in none.
fn path_ending_in(name: &str) -> Option<String> {
    let ending = format!(".{name}");
    let mut paths = paths().into_iter();
    paths.find(|path| path == name || path.ends_with(&ending))
}

#[cfg(test)]
mod tests;
