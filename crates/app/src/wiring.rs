//! From the config to what each part of the pipeline is handed.

use mainstay_connectors::kafka::{
    KafkaSettings, OnDataLoss, RuntimeSettings, SourceSettings, StartAt,
};
use mainstay_engine::{account_columns, group_columns};
use mainstay_model::Column;

use crate::config::{self, Config, Partitioner};
use crate::shard::{Plan, Target};

/// What every shard is made from.
#[must_use]
pub fn plan(config: &Config, target: Target) -> Plan {
    let sources = config.sources.iter();
    let settings = config.engine_settings();
    let chosen = |columns: Vec<Column>| {
        let columns = columns.into_iter().enumerate();
        let chosen = columns.filter(|(_, column)| config.output.metrics.has(column.info));
        chosen.map(|(place, _)| place).collect()
    };
    let metrics = chosen(account_columns(&settings));
    let group_metrics = chosen(group_columns(&settings));
    Plan {
        settings,
        sources: sources
            .map(|(name, source)| (name.to_owned(), source.format))
            .collect(),
        limits: config.codec_limits(),
        metrics,
        group_metrics,
        emit_interval_ms: config.emit.interval.ms(),
        emit_rate: config.emit.rate,
        check_partition: match (target, config.kafka.partitioner) {
            (Target::Topics, Partitioner::Murmur2) => true,
            (Target::Topics, Partitioner::Unchecked) | (Target::Files, _) => false,
        },
        target,
    }
}

/// Where Kafka is, and who we are there.
#[must_use]
pub fn kafka(config: &Config) -> KafkaSettings {
    let kafka = &config.kafka;
    let client = kafka.client.iter();
    KafkaSettings {
        application: kafka.application.to_string(),
        prefix: config.output.prefix.to_string(),
        instance: kafka.instance.as_ref().map(ToString::to_string),
        client: client
            .map(|(name, value)| (name.clone(), value.reveal().to_owned()))
            .collect(),
        ..KafkaSettings::new(kafka.brokers.joined())
    }
}

/// The inputs, in the order in which everything refers to them, and after them what shards hand to each other.
#[must_use]
pub fn sources(config: &Config) -> Vec<SourceSettings> {
    let sources = config.sources.iter().map(|(name, source)| SourceSettings {
        name: name.to_owned(),
        topic: source.topic.to_string(),
        optional: source.optional,
        start_at: match source.start_at {
            config::StartAt::Earliest => StartAt::Earliest,
            config::StartAt::Latest => StartAt::Latest,
        },
        internal: false,
    });
    let partials = SourceSettings::partials(&kafka(config));
    sources.chain([partials]).collect()
}

/// How the pipeline runs on Kafka.
#[must_use]
pub fn runtime(config: &Config) -> RuntimeSettings {
    RuntimeSettings {
        commit_interval: config.commit.interval.duration(),
        commit_max_bytes: config.commit.max_bytes.bytes(),
        idle: Some(config.time.idle.duration()),
        on_data_loss: match config.kafka.on_data_loss {
            config::OnDataLoss::Refuse => OnDataLoss::Refuse,
            config::OnDataLoss::Continue => OnDataLoss::Continue,
        },
        state_dir: config.state.dir.clone(),
        ..RuntimeSettings::new(kafka(config), sources(config))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Given, Needs};

    fn config(set: &[&str]) -> Config {
        let given = Given {
            set: set.iter().map(|argument| argument.to_string()).collect(),
            ..Given::default()
        };
        Config::load(&given, Needs::Nothing).unwrap()
    }

    #[test]
    fn sources_have_the_same_order_everywhere() {
        let config = config(&["sources.b.topic=1", "sources.a.topic=2"]);
        let names: Vec<_> = sources(&config)
            .into_iter()
            .map(|source| source.name)
            .collect();
        assert_eq!(names, ["a", "b"]);
        let plan = plan(&config, Target::Topics);
        let names: Vec<_> = plan.sources.into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn records_carry_the_metrics_that_were_chosen() {
        let all = plan(&config(&[]), Target::Files);
        assert_eq!(all.metrics.len(), account_columns(&all.settings).len());
        let some = plan(&config(&["output.metrics=wau"]), Target::Files);
        let ids: Vec<_> = some
            .metrics
            .iter()
            .map(|place| account_columns(&some.settings)[*place].info.id)
            .collect();
        assert_eq!(ids, ["wau"]);
    }

    #[test]
    fn the_client_is_handed_secrets_that_are_not_printed() {
        let kafka = kafka(&config(&["kafka.client.sasl.password=hunter2"]));
        assert_eq!(kafka.client["sasl.password"], "hunter2");
        assert!(!format!("{kafka:?}").contains("hunter2"));
    }
}
