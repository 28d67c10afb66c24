//! What `mainstay check --connect` says of a cluster before anything runs on it.

use libtest_mimic::Trial;
use mainstay_tests::{Deployment, Feed, Guarded, Line, SHARDS, said, shard_of};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::Value;
use std::time::Duration;

use super::{company, deployment};

pub(super) fn trials() -> Vec<Trial> {
    crate::trials!("broker": [
        check_finds_no_fault_with_a_good_cluster,
        check_samples_each_input_and_counts_what_would_be_dead,
        check_knows_the_default_partitioner_of_librdkafka,
        check_warns_of_the_senders_clock_until_it_is_bounded,
        check_names_each_missing_right_and_its_mends_let_run_start,
    ])
}

fn check_finds_no_fault_with_a_good_cluster() {
    let it = deployment("check-good");
    let (code, empty) = check(&it);
    assert_eq!((code, &empty["ok"]), (0, &Value::Bool(true)), "{empty}");
    assert_eq!(empty["samples"][0]["read"], 0, "{empty}");
    let events: Vec<Line> = accounts().map(|account| good(&account, "e1")).collect();
    it.feed().send(&events);
    let (code, fed) = check(&it);
    assert_eq!(code, 0, "{fed}");
    for list in ["mistakes", "problems", "warnings", "missing_topics"] {
        assert_eq!(fed[list].as_array().map(Vec::len), Some(0), "{list}: {fed}");
    }
    assert_eq!(fed["samples"][0]["good"], events.len(), "{fed}");
    assert_eq!(
        fed["samples"][0]["routing"]["at_home"],
        events.len(),
        "{fed}"
    );
    for right in rights(&fed) {
        assert_eq!(
            right["state"], "granted",
            "a broker without rights: {right}"
        );
    }
}

fn check_samples_each_input_and_counts_what_would_be_dead() {
    let it = deployment("check-sample");
    let feed = it.feed();
    feed.send(&company().lines[..500]);
    let account = "acme";
    let home = i32::try_from(shard_of(account, SHARDS.unsigned_abs())).expect("one of four");
    for n in 0..40 {
        let value = format!("{{\"id\":\"secret-{n}").into_bytes();
        feed.send_to(
            home,
            &Line {
                value,
                ..good(account, "x")
            },
            &[],
        );
    }
    let (code, found) = check(&it);
    let sample = &found["samples"][0];
    let letters = sample["dead_letters"].as_array().expect("a list");
    let cut = letters.iter().find(|letters| letters["code"] == "not_json");
    let cut = cut.unwrap_or_else(|| panic!("no `not_json`: {found}"));
    assert!(cut["count"].as_u64() >= Some(40), "{cut}");
    let example = &cut["example"];
    assert_eq!(example["topic"], it.input(), "{example}");
    assert!(example["partition"].is_i64() && example["offset"].is_i64());
    assert_eq!(code, 1, "40 of some 440 are too many: {found}");
    let table = said(&it.command(&["check", "--connect"]));
    assert!(!table.contains("secret-"), "a payload was printed: {table}");
    assert!(table.contains("not_json"), "{table}");
    let group = it.admin.offsets(it.group(), &it.input(), SHARDS);
    assert!(group.iter().all(Option::is_none), "no offset was touched");
}

fn check_knows_the_default_partitioner_of_librdkafka() {
    let it = deployment("check-partitioner");
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", mainstay_tests::broker::shared())
        .create()
        .expect("a producer needs nothing but an address");
    for account in accounts() {
        let line = good(&account, "e1");
        let input = it.input();
        let record = BaseRecord::to(&input)
            .key(account.as_str())
            .payload(&line.value);
        producer.send(record).expect("the queue has room");
    }
    producer
        .flush(Duration::from_secs(60))
        .expect("the broker takes them");
    let (code, found) = check(&it);
    assert_eq!(code, 1, "{found}");
    let mend = found["problems"][0]["mend"].as_str().expect("a mend");
    assert!(mend.contains("partitioner=murmur2_random"), "{found}");
    let away = &found["samples"][0]["routing"]["away"];
    assert!(away["librdkafka_default"].as_u64() > Some(0), "{found}");
    let believed = ["check", "--connect", "--set", "kafka.partitioner=unchecked"];
    let believed = it.command(&believed);
    assert!(
        believed.status.success(),
        "all producers choose alike: {}",
        said(&believed)
    );
}

fn check_warns_of_the_senders_clock_until_it_is_bounded() {
    let it = deployment("check-clock");
    let year = [("message.timestamp.after.max.ms", "31536000000")];
    it.admin.set(&it.input(), &year);
    let (code, found) = check(&it);
    assert_eq!(code, 0, "a warning is no failure: {found}");
    let mend = found["warnings"][0]["mend"].as_str().expect("a mend");
    assert!(
        mend.ends_with("--add-config message.timestamp.type=LogAppendTime"),
        "{found}"
    );
    let stamped = [("message.timestamp.type", "LogAppendTime")];
    it.admin.set(&it.input(), &stamped);
    let (_, mended) = check(&it);
    assert_eq!(mended["arrivals"][0]["stamped_by"], "broker", "{mended}");
    assert_eq!(
        mended["warnings"].as_array().map(Vec::len),
        Some(0),
        "{mended}"
    );
}

fn check_names_each_missing_right_and_its_mends_let_run_start() {
    let guarded = Guarded::start();
    let mut it = Deployment::new(&guarded.address(), "rights");
    Feed::new(&guarded.address(), &it.input()).send(&[good("acme", "e1")]);
    it.come_by(&guarded.door(), &guarded.client());
    let (code, found) = check(&it);
    assert_eq!(code, 1, "{found}");
    for right in rights(&found) {
        assert_eq!(right["state"], "lacking", "{right}");
    }
    let problems = found["problems"].as_array().expect("a list");
    assert_eq!(problems.len(), rights(&found).count(), "one each: {found}");
    std::thread::scope(|scope| {
        for problem in problems {
            let mend = problem["mend"].as_str().expect("a mend");
            let mend = mend.replace("User:NAME", Guarded::PRINCIPAL);
            let guarded = &guarded;
            scope.spawn(move || guarded.administer(&mend));
        }
    });
    let (code, mended) = check(&it);
    assert_eq!(code, 0, "{mended}");
    for right in rights(&mended) {
        assert_eq!(right["state"], "granted", "{right}");
    }
    assert_eq!(mended["samples"][0]["good"], 1, "{mended}");
    let arrival = &mended["arrivals"][0]["stamped_by"];
    assert_eq!(
        arrival, "unknown",
        "nobody granted DescribeConfigs: {mended}"
    );
    let instance = it.start_ready("a");
    it.wait_for_no_lag();
    instance.stop();
}

/// The exit code, and what was said as JSON.
fn check(it: &Deployment) -> (i32, Value) {
    let output = it.command(&["check", "--connect", "--json"]);
    let answer = serde_json::from_slice(&output.stdout);
    let answer = answer.unwrap_or_else(|err| panic!("{err}: {}", said(&output)));
    (output.status.code().expect("an exit code"), answer)
}

fn rights(answer: &Value) -> impl Iterator<Item = &Value> {
    answer["rights"].as_array().expect("a list").iter()
}

fn accounts() -> impl Iterator<Item = String> {
    (0..40).map(|n| format!("acc_{n}"))
}

fn good(account: &str, id: &str) -> Line {
    let value = format!(
        r#"{{"id":"{id}","type":"product.event","account_id":"{account}","user_id":"ada","time":"2026-06-01T12:00:00Z","data":{{"name":"opened"}}}}"#
    );
    Line {
        account: account.to_owned(),
        arrival_ms: 1_780_315_200_000,
        value: value.into_bytes(),
        billing: false,
    }
}
