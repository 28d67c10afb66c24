//! What a config says, and what is said of a wrong one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::*;

#[test]
fn a_file_with_many_mistakes_has_all_of_them_named() {
    let text = r#"
[kafka]
brokers = "localhost"
aplication = "x"
client = { "enable.idempotence" = false, "sasl.password" = "hunter2" }
[sources.product]
topic = "events"
format = "nativ"
[sources.billing]
topic = "events"
start_at = 5
[time]
zone = "Europe/Berln"
lateness = 30
correction_days = 36
gap = "30m"
[sesion]
gap = "30m"
[active]
min_events = "one"
[emit]
interval = "2 days"
[http]
listen = "everywhere"
[output]
metrics = ["dau", "stickyness", 5]
"#;
    let said = mistakes(text, "toml");
    let expected = [
        ":3:11: `kafka.brokers`: found \"localhost\", expected a list of `host:port`",
        ":4:1: `kafka.aplication`: there is no such key; did you mean `application`?",
        ":5:12: `kafka.client.enable.idempotence`: may not be set: exactly-once rests on it",
        ":8:10: `sources.product.format`: found \"nativ\", expected \"native\"; did you mean `native`?",
        ":7:1: `sources.product.topic`: found \"events\", which is the topic of `sources.billing` too; \
         expected one source a topic",
        ":11:12: `sources.billing.start_at`: found 5, expected \"earliest\" or \"latest\"",
        ":13:8: `time.zone`: found \"Europe/Berln\", expected a time zone of the IANA database, like \
         \"Europe/Berlin\"; did you mean `Europe/Berlin`?",
        ":14:12: `time.lateness`: found 30, expected a duration with its unit, like `250ms`, `30s`, \
         `15m`, `2h` or `7d`",
        ":15:19: `time.correction_days`: found 36, expected 0 to 35",
        ":16:1: `time.gap`: there is no such key; did you mean `session.gap`?",
        ":17:2: `sesion`: there is no such key; did you mean `session`?",
        ":20:14: `active.min_events`: found \"one\", expected a whole number, not negative",
        ":22:12: `emit.interval`: found \"2 days\", expected a duration with its unit",
        ":26:19: `output.metrics`: found \"stickyness\", expected the id of a metric; did you mean \
         `stickiness`?",
        ":26:33: `output.metrics`: found 5, expected the id of a metric",
        ":24:10: `http.listen`: found \"everywhere\", expected an IP address and a port",
    ];
    for line in expected {
        assert!(said.contains(line), "{line}\nis not in\n{said}");
    }
    assert!(
        said.starts_with(&format!("{} mistakes", expected.len())),
        "{said}"
    );
    assert!(!said.contains("hunter2"));
}

#[test]
fn options_of_the_client_that_it_refuses_are_mistakes_of_the_config() {
    let text = r#"
[kafka]
brokers = "b:1"
[kafka.client]
foo = 1
sasl.passwort = "hunter2"
linger.ms = "soon"
"#;
    let said = mistakes(text, "toml");
    let expected = [
        ":5:1: `kafka.client.foo`: there is no such key",
        ":6:6: `kafka.client.sasl.passwort`: there is no such key; did you mean \
         `kafka.client.sasl.password`?",
        ":7:8: `kafka.client.linger.ms`: the Kafka client does not take this value",
    ];
    for line in expected {
        assert!(said.contains(line), "{line} in {said}");
    }
    let text = "[kafka]\nbrokers = \"b:1\"\nclient = { \"sasl.mechanism\" = \"GSSAPI\", \
                \"security.protocol\" = \"SASL_SSL\" }\n";
    let said = mistakes(text, "toml");
    assert!(
        said.contains("`kafka.client`: the Kafka client does not take these together"),
        "{said}"
    );
}

#[test]
fn what_usage_is_told_of_has_all_of_its_mistakes_named() {
    let text = r#"
[features]
report = []
"a b" = ["opened"]
bulk = "imported"
chart = [5]
[activation]
events = "sent"
within = "0s"
[onboarding]
step = ["opened"]
[dormant]
days = 61
[segments]
by = ["plan", "all", "region", "plan", 7, ""]
max = 0
"#;
    let said = mistakes(&format!("{text}{MINIMAL}"), "toml");
    let expected = [
        ":3:10: `features.report`: found an empty list, expected the name of at least one product event",
        ":4:1: `features.a b`: found \"a b\", expected the name of a feature: letters, digits, `_` and `-`, \
         64 at most",
        ":5:8: `features.bulk`: found \"imported\", expected a list of names",
        ":6:10: `features.chart`: found 5, expected a name",
        ":8:10: `activation.events`: found \"sent\", expected a list of names",
        ":9:10: `activation.within`: found \"0s\", expected 1s to 365d",
        ":11:1: `onboarding.step`: there is no such key; did you mean `steps`?",
        ":13:8: `dormant.days`: found 61, expected 1 to 60",
        ":15:15: `segments.by`: found \"all\", which is a dimension of its own, expected a trait",
        ":15:32: `segments.by`: found \"plan\" twice, expected each trait once",
        ":15:40: `segments.by`: found 7, expected the name of a trait",
        ":15:43: `segments.by`: found \"\", expected the name of a trait, 64 characters at most",
        ":16:7: `segments.max`: found 0, expected 1 to 10000",
    ];
    for line in expected {
        assert!(said.contains(line), "{line}\nis not in\n{said}");
    }
    let number = format!("{} mistakes", expected.len());
    assert!(said.starts_with(&number), "{said}");
}

#[test]
fn sixty_four_features_and_sixteen_segments_are_tracked_and_more_are_refused() {
    let text = |features: usize, segments: usize| {
        let names: Vec<String> = (0..segments).map(|n| format!("trait{n}")).collect();
        let mut text = format!("segments = {names:?}\n{MINIMAL}[features]\n");
        for n in 0..features {
            text.push_str(&format!("feature{n} = [\"used\"]\n"));
        }
        text
    };
    let settings = load(&text(64, 16), "toml", &[], &[])
        .unwrap()
        .engine_settings();
    assert_eq!((settings.features.len(), settings.segments.len()), (64, 16));
    let said = mistakes(&text(65, 17), "toml");
    for line in [
        ":1:12: `segments.by`: found 17 traits, expected 16 at most",
        "`features`: found 65 features, expected 64 at most",
    ] {
        assert!(said.contains(line), "{line}\nis not in\n{said}");
    }
    assert!(said.starts_with("2 mistakes"), "{said}");
}

#[test]
fn what_usage_is_told_of_reaches_the_engine() {
    let text = "[features]\nreport = [\"viewed\", \"exported\"]\n\
                [activation]\nevents = [\"sent\"]\nwithin = \"7d\"\n\
                [onboarding]\nsteps = [\"invited\"]\n[dormant]\ndays = 30\n\
                [segments]\nby = [\"region\", \"plan\"]\nmax = 9\n";
    let config = load(&format!("{text}{MINIMAL}"), "toml", &[], &[]).unwrap();
    let names = |list: &[&str]| list.iter().map(|name| name.to_string()).collect();
    let expected = Settings {
        features: BTreeMap::from([("report".to_owned(), names(&["exported", "viewed"]))]),
        activation_events: names(&["sent"]),
        activation_within_ms: Some(7 * 24 * 3_600_000),
        onboarding_steps: names(&["invited"]),
        dormant_days: 30,
        segments: vec!["region".to_owned(), "plan".to_owned()],
        segments_max: 9,
        ..Settings::default()
    };
    assert_eq!(config.engine_settings(), expected);
}

#[test]
fn a_list_alone_says_by_which_traits_accounts_are_grouped() {
    let by = |config: Config| config.segments.by.0.join(",");
    let toml = format!("segments = [\"plan\", \"region\"]\n{MINIMAL}");
    let yaml = "kafka:\n  brokers: a:1\nsources:\n  product:\nsegments: [plan, region]\n";
    assert_eq!(by(load(&toml, "toml", &[], &[]).unwrap()), "plan,region");
    assert_eq!(by(load(yaml, "yaml", &[], &[]).unwrap()), "plan,region");

    let environment = [
        ("MAINSTAY__SEGMENTS", "plan, size"),
        ("MAINSTAY__FEATURES__REPORT", "viewed"),
    ];
    let set = ["segments.max=9", "activation.within=7d"];
    let config = load(&toml, "toml", &environment, &set).unwrap();
    assert_eq!(config.segments.max, 9);
    assert_eq!(config.engine_settings().features["report"].len(), 1);
    assert_eq!(by(config), "plan,size");
    let config = load(&toml, "toml", &[], &["segments.max=9"]).unwrap();
    assert_eq!(by(config), "plan,region");
    let config = load(&toml, "toml", &[], &["segments=['owner']"]).unwrap();
    assert_eq!(by(config), "owner");
}

#[test]
fn yaml_mistakes_have_their_places_too() {
    let said = mistakes("kafka:\n  brokers: a:1\ntime:\n  zoen: UTC\n", "yaml");
    assert!(
        said.contains(":4:3: `time.zoen`: there is no such key; did you mean `zone`?"),
        "{said}"
    );
    assert!(said.contains("`sources`: is missing"), "{said}");
}

#[test]
fn a_pipeline_needs_brokers_and_a_source_and_other_commands_need_nothing() {
    let said = Config::load(&Given::default(), Needs::Pipeline)
        .unwrap_err()
        .to_string();
    assert!(said.contains("`kafka.brokers`: is missing"), "{said}");
    assert!(said.contains("`sources`: is missing"), "{said}");
    let said = Config::load(&Given::default(), Needs::Brokers)
        .unwrap_err()
        .to_string();
    assert!(!said.contains("sources"), "{said}");
    assert_eq!(
        Config::load(&Given::default(), Needs::Nothing).unwrap(),
        Config::default()
    );
}

#[test]
fn a_wrong_value_is_not_missing_as_well() {
    let said = mistakes("sources = 5\n[kafka]\nbrokers = 5\n", "toml");
    assert!(said.starts_with("2 mistakes"), "{said}");
}

#[test]
fn toml_and_yaml_say_the_same() {
    let toml = "key_actions = [\"sent\"]\n[kafka]\nbrokers = [\"a:1\", \"b:2\"]\n\
                client = { sasl.username = \"ada\" }\n[sources.product]\n[session]\ngap = \"1h\"\n";
    let yaml = "key_actions: [sent]\nkafka:\n  brokers: [\"a:1\", \"b:2\"]\n  client:\n    \
                sasl.username: ada\nsources:\n  product:\nsession:\n  gap: 1h\n";
    let config = load(toml, "toml", &[], &[]).unwrap();
    assert_eq!(config, load(yaml, "yaml", &[], &[]).unwrap());
    assert_eq!(config.kafka.brokers.joined(), "a:1,b:2");
    assert_eq!(config.kafka.client["sasl.username"].reveal(), "ada");
    assert_eq!(
        config.sources.get("product").unwrap().topic.as_str(),
        "product"
    );
    assert_eq!(config.engine_settings().session_gap_ms, 3_600_000);
    assert!(config.engine_settings().key_actions.contains("sent"));
}

#[test]
fn arguments_replace_variables_and_these_replace_the_file() {
    let environment = [
        ("MAINSTAY__TIME__LATENESS", "3h"),
        ("MAINSTAY__SESSION__GAP", "45m"),
        ("MAINSTAY__SOURCES__PRODUCT__OPTIONAL", "true"),
        ("MAINSTAY__KAFKA__CLIENT__SASL_PASSWORD", "hunter2"),
        ("MAINSTAY__KEY_ACTIONS", "sent, opened"),
    ];
    let set = [
        "session.gap=1h",
        "time.correction_days=7",
        "kafka.client.sasl.username=ada",
    ];
    let file = "[kafka]\nbrokers = \"a:1\"\n[sources.product]\n[time]\nlateness = \"1h\"\n";
    let config = load(file, "toml", &environment, &set).unwrap();
    assert_eq!(config.time.lateness.to_string(), "3h");
    assert_eq!(config.session.gap.to_string(), "1h");
    assert_eq!(config.time.correction_days, 7);
    assert!(config.sources.get("product").unwrap().optional);
    assert_eq!(config.kafka.client["sasl.password"].reveal(), "hunter2");
    assert_eq!(config.kafka.client["sasl.username"].reveal(), "ada");
    assert_eq!(config.key_actions.0.len(), 2);
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn a_list_in_a_variable_or_an_argument_is_one_of_toml_or_has_commas() {
    let environment = [
        (
            "MAINSTAY__KEY_ACTIONS",
            r#"["report, sent", '${env:NAME}']"#,
        ),
        ("NAME", r#"a"],"b"#),
    ];
    let set = [
        r#"active.ignore= ["heartbeat"]"#,
        "active.events=a, b",
        r#"output.metrics=["dau"]"#,
        r#"kafka.brokers=["a:1", "b:2"]"#,
    ];
    let config = load(MINIMAL, "toml", &environment, &set).unwrap();
    let names = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>();
    assert_eq!(
        names(&config.key_actions.0),
        [r#"a"],"b"#, "report, sent"],
        "what a variable brings in is no syntax"
    );
    assert_eq!(names(&config.active.ignore), ["heartbeat"]);
    assert_eq!(names(&config.active.events), ["a", "b"]);
    assert_eq!(config.output.metrics, ChosenMetrics::Only(vec!["dau"]));
    assert_eq!(config.kafka.brokers.joined(), "a:1,b:2");
    let config = load(MINIMAL, "toml", &[], &["key_actions=[]"]).unwrap();
    assert!(config.key_actions.0.is_empty());
}

#[test]
fn a_malformed_list_is_a_mistake_with_the_path_of_its_key() {
    let environment = [("MAINSTAY__KEY_ACTIONS", r#"["sent""#)];
    let set = [
        r#"active.ignore=["heartbeat"] and more"#,
        "active.events=[a]",
        r#"output.metrics=["dau", 5]"#,
        r#"kafka.brokers=["a:1""#,
    ];
    let said = load(MINIMAL, "toml", &environment, &set)
        .unwrap_err()
        .to_string();
    for line in [
        "MAINSTAY__KEY_ACTIONS: `key_actions`: found \"[\\\"sent\\\"\", expected a list of names as TOML has it",
        "--set active.ignore: `active.ignore`: found",
        "--set active.events: `active.events`: found \"[a]\", expected a list of names as TOML has it",
        "--set output.metrics: `output.metrics`: found 5, expected the id of a metric",
        "--set kafka.brokers: `kafka.brokers`: found",
    ] {
        assert!(said.contains(line), "{line}\nis not in\n{said}");
    }
    assert!(said.starts_with("5 mistakes"), "{said}");
}

#[test]
fn an_address_or_a_secret_that_begins_with_a_bracket_is_no_list() {
    let set = [
        "kafka.brokers=[::1]:9092",
        "http.listen=[::1]:9464",
        "kafka.client.sasl.password=[hunter2",
    ];
    let config = load(MINIMAL, "toml", &[], &set).unwrap();
    assert_eq!(config.kafka.brokers.joined(), "[::1]:9092");
    assert_eq!(config.http.listen.to_string(), "[::1]:9464");
    assert_eq!(config.kafka.client["sasl.password"].reveal(), "[hunter2");
}

#[test]
fn mistakes_in_variables_and_arguments_name_them() {
    let environment = [
        ("MAINSTAY__TIME__LATENES", "3h"),
        ("MAINSTAY__SESSION__GAP", "long"),
    ];
    let set = ["session", "emit.rate=fast"];
    let said = load(MINIMAL, "toml", &environment, &set)
        .unwrap_err()
        .to_string();
    for line in [
        "MAINSTAY__TIME__LATENES: `time.latenes`: there is no such key; did you mean `lateness`?",
        "MAINSTAY__SESSION__GAP: `session.gap`: found \"long\"",
        "--set emit.rate: `emit.rate`: found \"fast\"",
        "--set (the 1. of them): expected `section.key=value`",
    ] {
        assert!(said.contains(line), "{line}\nis not in\n{said}");
    }
}

#[test]
fn what_a_variable_holds_is_used_and_never_shown() {
    let file = "[kafka]\nbrokers = \"a:1\"\nclient = { sasl.password = \"${env:PASSWORD}\" }\n\
                [sources.product]\n[session]\ngap = \"${env:GAP}\"\n";
    let environment = [("PASSWORD", "hunter2"), ("GAP", "1h")];
    let config = load(file, "toml", &environment, &[]).unwrap();
    assert_eq!(config.kafka.client["sasl.password"].reveal(), "hunter2");
    assert_eq!(config.session.gap.to_string(), "1h");

    let environment = [("PASSWORD", "hunter2"), ("GAP", "hunter2")];
    let said = load(file, "toml", &environment, &[])
        .unwrap_err()
        .to_string();
    assert!(
        said.contains("`session.gap`: found \"${env:GAP}\""),
        "{said}"
    );
    assert!(!said.contains("hunter2"), "{said}");

    let said = load(file, "toml", &[], &[]).unwrap_err().to_string();
    assert!(
        said.contains("the variable `PASSWORD` of the environment is not set"),
        "{said}"
    );
}

#[test]
fn what_a_file_holds_is_filled_in_without_its_last_line_end() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("password"), "hunter2\n").unwrap();
    let file = dir.path().join("mainstay.toml");
    std::fs::write(
        &file,
        "[kafka.client]\nsasl.password = \"${file:password}\"\n",
    )
    .unwrap();
    let given = Given {
        file: Some(file),
        ..Given::default()
    };
    let config = Config::load(&given, Needs::Nothing).unwrap();
    assert_eq!(config.kafka.client["sasl.password"].reveal(), "hunter2");
}

#[test]
fn a_file_that_is_not_there_is_the_only_mistake_and_nothing_is_missing_besides() {
    let given = Given {
        file: Some(PathBuf::from("/nowhere/m.toml")),
        ..Given::default()
    };
    let said = Config::load(&given, Needs::Pipeline)
        .unwrap_err()
        .to_string();
    let only = "1 mistake in the config\n  /nowhere/m.toml: cannot be read";
    assert!(said.starts_with(only), "{said}");
    assert_eq!(said.lines().count(), 2, "{said}");
}

#[test]
fn what_a_syntax_error_hides_is_not_called_missing() {
    for (text, extension) in [("[kafka]\nbrokers = \n", "toml"), ("kafka: [\n", "yaml")] {
        let said = mistakes(text, extension);
        assert!(!said.contains("is missing"), "{said}");
    }
}

#[test]
fn topics_begin_with_the_application_unless_told_otherwise() {
    let config = load(MINIMAL, "toml", &[], &["kafka.application=acme"]).unwrap();
    assert_eq!(config.topic("account-daily"), "acme.account-daily");
    let set = ["kafka.application=acme", "output.prefix=health."];
    let config = load(MINIMAL, "toml", &[], &set).unwrap();
    assert_eq!(config.topic("account-daily"), "health.account-daily");
}

#[test]
fn what_a_config_does_not_say_is_what_the_engine_takes_by_itself() {
    assert_eq!(Config::default().engine_settings(), Settings::default());
}

/// Refreshed by `MAINSTAY_REFRESH=1 cargo test -p mainstay`.
#[test]
fn the_reference_file_is_that_of_the_code() {
    let file = in_config_directory("reference.toml");
    if std::env::var_os("MAINSTAY_REFRESH").is_some() {
        std::fs::write(&file, reference()).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), reference());
}

#[test]
fn the_reference_file_is_right_and_holds_the_defaults() {
    let file = Some(in_config_directory("reference.toml"));
    let given = Given {
        file,
        ..Given::default()
    };
    let mut config = Config::load(&given, Needs::Pipeline).unwrap();
    assert_eq!(config.kafka.brokers.joined(), "127.0.0.1:9092");
    config.kafka.brokers = Brokers::default();
    config.sources = Sources::default();
    assert_eq!(config, Config::default());
}

#[test]
fn the_minimal_file_is_right() {
    let file = Some(in_config_directory("minimal.toml"));
    let given = Given {
        file,
        ..Given::default()
    };
    assert!(Config::load(&given, Needs::Pipeline).is_ok());
}

const MINIMAL: &str = "[kafka]\nbrokers = \"a:1\"\n[sources.product]\n";

fn in_config_directory(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../config")
        .join(name)
}

fn mistakes(text: &str, extension: &str) -> String {
    load(text, extension, &[], &[]).unwrap_err().to_string()
}

fn load(
    text: &str,
    extension: &str,
    environment: &[(&str, &str)],
    set: &[&str],
) -> Result<Config, Mistakes> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(format!("mainstay.{extension}"));
    std::fs::write(&file, text).unwrap();
    let environment = environment
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_string()));
    let given = Given {
        file: Some(file),
        set: set.iter().map(|argument| argument.to_string()).collect(),
        environment: environment.collect::<BTreeMap<_, _>>(),
    };
    Config::load(&given, Needs::Pipeline)
}
