//! What a config says, and what is said of a wrong one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use mainstay_engine::ledger::{
    ChurnAt, Discounts, FreeAfterPaid, Mode, Passive, Paused, Rates, Rules,
};
use mainstay_model::{Currency, Decimal};

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
fn what_revenue_is_told_of_has_all_of_its_mistakes_named() {
    let text = r#"
[revenue]
currency = "usd"
rules = "chartmogle"
churn_at = "service end"
past_due_churn_days = 91
paused = 0
discounts = ["forever", "ones", 5]
metered = "yes"
free_after_paid = "lost"
reactivation_max_gap = "36h"
passive = "reasons"
early_days = 90
[revenue.fx]
EURO = { 2026-01-01 = "1.08" }
GBP = "1.3"
USD = { 2026-01-01 = "1" }
[revenue.fx.EUR]
2026-13-01 = "1.08"
2026-1-02 = "1.08"
2026-01-03 = 1.08
2026-01-04 = "0"
2026-01-05 = "1,08"
"#;
    let said = mistakes(&format!("{MINIMAL}{text}"), "toml");
    let rate = "expected a rate above 0 in quotes, like \"1.08\": without them it is not exact";
    let expected = [
        ":6:12: `revenue.currency`: found \"usd\", expected a currency of ISO 4217, like \"USD\"; did you mean \
         `USD`?"
            .to_owned(),
        ":7:9: `revenue.rules`: found \"chartmogle\", expected \"mainstay\" or \"stripe\" or \"chartmogul\" or \
         \"profitwell\" or \"maxio\" or \"chargebee\"; did you mean `chartmogul`?"
            .to_owned(),
        ":8:12: `revenue.churn_at`: found \"service end\", expected \"service_end\" or \"cancellation\" or \
         \"requested\"; did you mean `service_end`?"
            .to_owned(),
        ":9:23: `revenue.past_due_churn_days`: found 91, expected a number of days, 1 to 90, or \"off\"".to_owned(),
        ":10:10: `revenue.paused`: found 0, expected \"keep\" or \"zero\"".to_owned(),
        ":11:25: `revenue.discounts`: found \"ones\", expected \"once\" or \"repeating\" or \
         \"repeating_unless_yearly\" or \"forever\"; did you mean `once`?"
            .to_owned(),
        ":11:33: `revenue.discounts`: found 5, expected \"once\" or".to_owned(),
        ":12:11: `revenue.metered`: found \"yes\", expected true or false".to_owned(),
        ":13:19: `revenue.free_after_paid`: found \"lost\", expected \"customer\" or \"churned\"".to_owned(),
        ":14:24: `revenue.reactivation_max_gap`: found \"36h\", expected whole days, \"1d\" to \"3650d\", or \
         \"any\""
            .to_owned(),
        ":15:11: `revenue.passive`: found \"reasons\", expected \"status_or_reason\" or \"status\" or \"reason\"; \
         did you mean `reason`?"
            .to_owned(),
        ":16:1: `revenue.early_days`: there is no such key".to_owned(),
        ":18:1: `revenue.fx.EURO`: found \"EURO\", expected a currency of ISO 4217, like \"USD\"; did you mean \
         `EUR`?"
            .to_owned(),
        ":19:7: `revenue.fx.GBP`: found \"1.3\", expected a rate for each date, like `{ 2026-01-01 = \"1.08\" }`"
            .to_owned(),
        ":22:1: `revenue.fx.EUR.2026-13-01`: found \"2026-13-01\", expected a date, like 2026-01-01".to_owned(),
        ":23:1: `revenue.fx.EUR.2026-1-02`: found \"2026-1-02\", expected a date, like 2026-01-01".to_owned(),
        format!(":24:14: `revenue.fx.EUR.2026-01-03`: found 1.08, {rate}"),
        format!(":25:14: `revenue.fx.EUR.2026-01-04`: found \"0\", {rate}"),
        format!(":26:14: `revenue.fx.EUR.2026-01-05`: found \"1,08\", {rate}"),
        ":20:1: `revenue.fx.USD`: found rates of USD, which is the currency of the reports itself".to_owned(),
    ];
    for line in &expected {
        assert!(said.contains(line), "{line}\nis not in\n{said}");
    }
    let number = format!("{} mistakes", expected.len());
    assert!(said.starts_with(&number), "{said}");
}

#[test]
fn rules_set_switches_and_a_switch_that_is_given_goes_before_them() {
    let rules = |text: &str| {
        let config = load(&format!("{MINIMAL}[revenue]\n{text}"), "toml", &[], &[]);
        config.unwrap().engine_settings().revenue.rules
    };
    assert_eq!(rules(""), Rules::default());
    for (word, mode) in [
        ("mainstay", Mode::Mainstay),
        ("stripe", Mode::Stripe),
        ("chartmogul", Mode::Chartmogul),
        ("profitwell", Mode::Profitwell),
        ("maxio", Mode::Maxio),
        ("chargebee", Mode::Chargebee),
    ] {
        assert_eq!(rules(&format!("rules = {word:?}")), Rules::of(mode));
    }
    let given = "rules = \"maxio\"\nchurn_at = \"requested\"\npast_due_churn_days = 30\npaused = \"zero\"\n\
                 discounts = [\"repeating_unless_yearly\", \"forever\"]\nmetered = true\n\
                 free_after_paid = \"churned\"\nreactivation_max_gap = \"30d\"\npassive = \"reason\"\n";
    let all = Rules {
        churn_at: ChurnAt::Requested,
        past_due_churn_days: Some(30),
        paused: Paused::Zero,
        discounts: Rules::of(Mode::Chargebee).discounts,
        metered: true,
        free_after_paid: FreeAfterPaid::Churned,
        reactivation_max_gap_days: Some(30),
        passive: Passive::Reason,
    };
    assert_eq!(rules(given), all);
    let back = "rules = \"maxio\"\npast_due_churn_days = \"off\"\nreactivation_max_gap = \"any\"\n\
                discounts = [\"repeating\", \"forever\"]\n";
    let only = Rules {
        churn_at: ChurnAt::Cancellation,
        ..Rules::default()
    };
    assert_eq!(rules(back), only);
    let environment = [("MAINSTAY__REVENUE__PAST_DUE_CHURN_DAYS", "7")];
    let set = ["revenue.discounts=once,forever", "revenue.metered=true"];
    let config = load(MINIMAL, "toml", &environment, &set).unwrap();
    let rules = config.engine_settings().revenue.rules;
    let discounts = Discounts {
        once: true,
        repeating: false,
        repeating_on_yearly: false,
        forever: true,
    };
    assert_eq!(
        (rules.past_due_churn_days, rules.metered, rules.discounts),
        (Some(7), true, discounts)
    );
}

#[test]
fn rates_are_read_to_the_last_digit_from_a_table_a_text_and_a_file() {
    let mut expected = Rates::into(Currency::of("GBP").unwrap());
    for (code, day, rate) in [
        ("EUR", "2026-01-01", "0.861234567890123457"),
        ("EUR", "2026-02-01", "1"),
        ("JPY", "2026-01-01", "0.0047"),
    ] {
        let (currency, day) = (Currency::of(code).unwrap(), day.parse().unwrap());
        expected
            .set(currency, day, Decimal::parse(rate).unwrap())
            .unwrap();
    }
    let lines = "date,currency,rate\n2026-01-01,EUR,0.861234567890123457\n\n2026-01-01, JPY, 0.0047\n\
                 2026-02-01,EUR,1\n";
    let toml = "[revenue]\ncurrency = \"GBP\"\n[revenue.fx]\nJPY = { 2026-01-01 = \"0.0047\" }\n\
                EUR = { 2026-01-01 = \"0.861234567890123457\", \"2026-02-01\" = 1 }\n";
    let yaml = "kafka:\n  brokers: a:1\nsources:\n  product:\nrevenue:\n  currency: GBP\n  fx:\n    JPY:\n      \
                2026-01-01: \"0.0047\"\n    EUR:\n      2026-01-01: \"0.861234567890123457\"\n      2026-02-01: 1\n";
    let rates = |config: Result<Config, Mistakes>| config.unwrap().engine_settings().revenue.rates;
    assert_eq!(
        rates(load(&format!("{MINIMAL}{toml}"), "toml", &[], &[])),
        expected
    );
    assert_eq!(rates(load(yaml, "yaml", &[], &[])), expected);

    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("rates.csv");
    std::fs::write(&file, lines).unwrap();
    let fx = format!("revenue.fx=${{file:{}}}", file.display());
    let set = ["revenue.currency=GBP", fx.as_str()];
    assert_eq!(rates(load(MINIMAL, "toml", &[], &set)), expected);
    let set = [
        "revenue.currency=GBP",
        "revenue.fx.EUR.2026-01-01=0.861234567890123457",
        "revenue.fx.EUR.2026-02-01=1",
        "revenue.fx.JPY.2026-01-01=0.0047",
    ];
    assert_eq!(rates(load(MINIMAL, "toml", &[], &set)), expected);
}

#[test]
fn a_wrong_line_of_rates_is_named_and_not_shown() {
    let lines = "2026-01-01;EUR;1.08\n2026-01-01,EURO,1.08\n01/02/2026,EUR,1.08\n2026-01-03,EUR,-1\n\
                 2026-01-04,EUR,1.08\n2026-01-04,EUR,1.09\ndate,currency,rate\n";
    let environment = [("RATES", lines)];
    let said = load(MINIMAL, "toml", &environment, &["revenue.fx=${env:RATES}"])
        .unwrap_err()
        .to_string();
    for line in [
        "line 1 of the text: expected a date, a currency and a rate, like `2026-01-01,EUR,1.08`",
        "line 2 of the text: expected a currency of ISO 4217, like \"USD\"",
        "line 3 of the text: expected a date, like 2026-01-01",
        "line 4 of the text: expected a rate above 0, like 1.08",
        "line 6 of the text: expected one rate for each currency and date",
        "line 7 of the text: expected a currency",
    ] {
        assert!(said.contains(line), "{line}\nis not in\n{said}");
    }
    assert!(said.starts_with("6 mistakes"), "{said}");
    assert!(!said.contains("EURO") && !said.contains("1.09"), "{said}");
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
fn the_other_files_are_right() {
    for name in ["minimal.toml", "billing.toml"] {
        let given = Given {
            file: Some(in_config_directory(name)),
            ..Given::default()
        };
        let loaded = Config::load(&given, Needs::Pipeline);
        assert!(loaded.is_ok(), "{name}: {loaded:?}");
    }
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
