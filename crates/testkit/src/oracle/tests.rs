//! The worked examples of the metrics' definitions, and the readings of them that the engine shares.

mod accounts;
mod cohorts;
mod groups;
mod revenue;

use serde_json::{Value, json};

use super::*;

/// Lines of events, built by hand; ids are given in order.
#[derive(Default)]
struct Lines(Vec<String>);

impl Lines {
    fn event(&mut self, time: &str, kind: &str, user: Option<&str>, data: Value) -> &mut Lines {
        self.event_of("acme", time, kind, user, data)
    }

    fn event_of(
        &mut self,
        account: &str,
        time: &str,
        kind: &str,
        user: Option<&str>,
        data: Value,
    ) -> &mut Lines {
        let id = format!("e{}", self.0.len());
        let line = json!({"id": id, "type": kind, "account_id": account, "user_id": user,
            "time": time, "data": data});
        self.0.push(line.to_string());
        self
    }

    fn used(&mut self, time: &str, user: &str) -> &mut Lines {
        self.did(time, user, "opened")
    }

    fn did(&mut self, time: &str, user: &str, name: &str) -> &mut Lines {
        self.event(time, "product.event", Some(user), json!({"name": name}))
    }

    fn used_in(&mut self, account: &str, time: &str, user: &str) -> &mut Lines {
        let data = json!({"name": "opened"});
        self.event_of(account, time, "product.event", Some(user), data)
    }

    fn signed_up(&mut self, time: &str, user: &str) -> &mut Lines {
        self.event(time, "user.signed_up", Some(user), json!({}))
    }

    fn created(&mut self, account: &str, time: &str, data: Value) -> &mut Lines {
        self.event_of(account, time, "account.created", None, data)
    }

    fn updated(&mut self, account: &str, time: &str, data: Value) -> &mut Lines {
        self.event_of(account, time, "account.updated", None, data)
    }

    fn truth(&self) -> Truth {
        self.truth_with(&Settings::default())
    }

    fn truth_with(&self, settings: &Settings) -> Truth {
        Oracle::of_lines(settings.clone(), &self.0).truth()
    }
}

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

fn names<const N: usize>(list: [&str; N]) -> std::collections::BTreeSet<String> {
    list.map(str::to_owned).into()
}

#[track_caller]
fn says(truth: &Truth, date: &str, expected: &[(&str, Value)]) {
    for (id, expected) in expected {
        let told = truth.value("acme", day(date), id);
        assert_eq!(told, Some(expected), "{id} on {date}");
    }
}

#[test]
fn a_user_who_comes_twice_a_day_counts_once() {
    let mut lines = Lines::default();
    lines.used("2026-03-01T08:00:00Z", "ada");
    lines.used("2026-03-01T18:00:00Z", "ada");
    lines.used("2026-03-01T09:00:00Z", "bob");
    lines.used("2026-03-01T10:00:00Z", "cy");
    let truth = lines.truth();
    says(
        &truth,
        "2026-03-01",
        &[
            ("dau", json!(3)),
            ("sessions_1d", json!(4)),
            ("sessions_per_user_median", json!(1.0)),
            ("sessions_per_user_mean", json!(4.0 / 3.0)),
            ("sessions_per_user_day", json!(4.0 / 3.0)),
            ("events_1d", json!(4)),
            ("known_users", json!(3)),
            ("engaged_users_7d", Value::Null),
            ("session_duration_p50", json!(0.0)),
        ],
    );
}

#[test]
fn fifteen_days_of_thirty_is_a_stickiness_of_one_half() {
    let mut lines = Lines::default();
    for date in (2..=30).step_by(2) {
        lines.used(&format!("2026-04-{date:02}T12:00:00Z"), "ada");
    }
    let truth = lines.truth();
    let mut histogram = [0; 30];
    histogram[14] = 1;
    says(
        &truth,
        "2026-04-30",
        &[
            ("stickiness", json!(1.0)),
            ("stickiness_mean", json!(0.5)),
            ("active_days_30d", json!(15)),
            ("active_days_histogram", json!(histogram.to_vec())),
            ("account_age_days", json!(28)),
        ],
    );
}

#[test]
fn the_oldest_day_of_a_window_still_counts() {
    let mut lines = Lines::default();
    lines.used("2026-03-01T12:00:00Z", "ada");
    lines.used("2026-03-31T12:00:00Z", "bob");
    let truth = lines.truth();
    says(
        &truth,
        "2026-03-07",
        &[("wau", json!(1)), ("dau", json!(0))],
    );
    says(&truth, "2026-03-08", &[("wau", json!(0))]);
    says(
        &truth,
        "2026-03-30",
        &[("mau", json!(1)), ("stickiness", json!(0.0))],
    );
    says(
        &truth,
        "2026-03-31",
        &[("mau", json!(1)), ("last_seen", json!("2026-03-31"))],
    );
    says(
        &truth,
        "2026-03-30",
        &[
            ("last_seen", json!("2026-03-01")),
            ("days_since_last_seen", json!(29)),
        ],
    );
}

#[test]
fn a_gap_of_exactly_thirty_minutes_joins_and_a_millisecond_more_cuts() {
    let mut joins = Lines::default();
    joins.used("2026-03-01T09:00:00Z", "ada");
    joins.used("2026-03-01T09:30:00.000Z", "ada");
    says(
        &joins.truth(),
        "2026-03-01",
        &[
            ("sessions_1d", json!(1)),
            ("time_in_product_1d", json!(1800.0)),
            ("session_duration_mean", json!(1800.0)),
        ],
    );
    let mut cuts = Lines::default();
    cuts.used("2026-03-01T09:00:00Z", "ada");
    cuts.used("2026-03-01T09:30:00.001Z", "ada");
    let expected = [
        ("sessions_1d", json!(2)),
        ("time_in_product_1d", json!(0.0)),
    ];
    says(&cuts.truth(), "2026-03-01", &expected);
}

/// A chain with an event each 30 minutes.
fn chain(lines: &mut Lines, from: Timestamp, events: i64) {
    for n in 0..events {
        lines.used(&from.plus_ms(n * 1_800_000).to_string(), "ada");
    }
}

#[test]
fn a_chain_of_exactly_24_hours_is_one_session() {
    let mut lines = Lines::default();
    chain(&mut lines, Timestamp(1_772_352_000_000), 49); // 2026-03-01T08:00:00Z
    let truth = lines.truth();
    let expected = [
        ("sessions_1d", json!(1)),
        ("time_in_product_1d", json!(86_400.0)),
    ];
    says(&truth, "2026-03-01", &expected);
    says(&truth, "2026-03-02", &[("sessions_1d", json!(0))]);
}

#[test]
fn a_longer_chain_is_cut_where_an_event_follows_later_than_the_cut() {
    let mut lines = Lines::default();
    chain(&mut lines, Timestamp(1_772_352_000_000), 49);
    lines.used("2026-03-02T08:00:00.001Z", "ada");
    let truth = lines.truth();
    says(
        &truth,
        "2026-03-01",
        &[
            ("sessions_1d", json!(1)),
            ("time_in_product_1d", json!(86_400.0)),
        ],
    );
    says(
        &truth,
        "2026-03-02",
        &[
            ("sessions_1d", json!(1)),
            ("time_in_product_1d", json!(0.001)),
            ("sessions_7d", json!(2)),
        ],
    );
}

#[test]
fn a_session_ends_with_its_latest_end_and_belongs_to_the_day_in_which_it_begins() {
    let mut lines = Lines::default();
    let took = json!({"name": "report", "duration_ms": 3_600_000});
    lines.event("2026-03-01T23:50:00Z", "product.event", Some("ada"), took);
    lines.used("2026-03-02T00:10:00Z", "ada");
    let truth = lines.truth();
    says(
        &truth,
        "2026-03-01",
        &[
            ("sessions_1d", json!(1)),
            ("time_in_product_1d", json!(3600.0)),
            ("dau", json!(1)),
        ],
    );
    let expected = [("sessions_1d", json!(0)), ("dau", json!(1))];
    says(&truth, "2026-03-02", &expected);
}

#[test]
fn seventy_a_week_after_a_hundred_a_week_is_a_trend_of_minus_three_tenths() {
    let mut lines = Lines::default();
    for n in 0..28 * 24 {
        // 100 events in each of four weeks: 4 days of 14 and 3 of 14, less 2 on the last one.
        let (date, hour) = (n / 24, n % 24);
        let events = if date % 7 == 6 { 16 } else { 14 };
        if hour < events {
            let at = Timestamp(1_772_323_200_000).plus_ms(n * 3_600_000);
            lines.used(&at.to_string(), "ada");
        }
    }
    for n in 0..70 {
        let at =
            Timestamp(1_772_323_200_000 + 28 * 86_400_000).plus_ms((n / 10) * 86_400_000 + n % 10);
        lines.used(&at.to_string(), "ada");
    }
    let truth = lines.truth();
    says(
        &truth,
        "2026-04-04",
        &[
            ("events_7d", json!(70)),
            ("usage_trend", json!(-0.3)),
            ("wau_base", json!(1.0)),
            ("wau_trend", json!(0.0)),
        ],
    );
    // The first day with seven days before its week, and the one before.
    says(
        &truth,
        "2026-03-13",
        &[("usage_trend", Value::Null), ("wau_base", Value::Null)],
    );
    says(
        &truth,
        "2026-03-14",
        &[("usage_trend", json!(0.0)), ("wau_base", json!(1.0))],
    );
}

#[test]
fn two_key_actions_in_a_week_make_a_user_engaged() {
    let mut settings = Settings::default();
    settings.key_actions.insert("met".to_owned());
    let mut lines = Lines::default();
    let met = || json!({"name": "met"});
    lines.event("2026-03-01T12:00:00Z", "product.event", Some("ada"), met());
    lines.event("2026-03-07T12:00:00Z", "product.event", Some("ada"), met());
    lines.event("2026-03-07T12:00:00Z", "product.event", None, met());
    lines.used("2026-03-08T12:00:00Z", "ada");
    let truth = lines.truth_with(&settings);
    says(
        &truth,
        "2026-03-07",
        &[
            ("engaged_users_7d", json!(1)),
            ("key_actions_per_session", json!(1.0)),
            ("events_7d", json!(3)),
        ],
    );
    says(
        &truth,
        "2026-03-08",
        &[
            ("engaged_users_7d", json!(0)),
            ("key_actions_per_session", json!(0.5)),
        ],
    );
}

#[test]
fn ignored_events_make_known_but_neither_active_nor_a_session() {
    let mut settings = Settings::default();
    settings.active_ignore.insert("opened".to_owned());
    let mut lines = Lines::default();
    lines.used("2026-03-01T12:00:00Z", "ada");
    says(
        &lines.truth_with(&settings),
        "2026-03-01",
        &[
            ("known_users", json!(1)),
            ("dau", json!(0)),
            ("events_1d", json!(0)),
            ("sessions_1d", json!(0)),
            ("stickiness", Value::Null),
            ("last_seen", Value::Null),
        ],
    );
}

#[test]
fn fewer_events_than_asked_for_do_not_make_a_user_active() {
    let settings = Settings {
        active_min_events: 2,
        ..Settings::default()
    };
    let mut lines = Lines::default();
    lines.used("2026-03-01T12:00:00Z", "ada");
    lines.used("2026-03-02T12:00:00Z", "ada");
    lines.used("2026-03-02T12:00:00Z", "ada");
    let truth = lines.truth_with(&settings);
    let first = [("dau", json!(0)), ("sessions_1d", json!(1))];
    says(&truth, "2026-03-01", &first);
    says(
        &truth,
        "2026-03-02",
        &[("dau", json!(1)), ("wau", json!(1))],
    );
}

#[test]
fn a_removed_user_is_known_again_only_by_a_later_sign_up() {
    let mut lines = Lines::default();
    lines.used("2026-03-01T12:00:00Z", "ada");
    lines.event(
        "2026-03-02T12:00:00Z",
        "user.removed",
        Some("ada"),
        json!({}),
    );
    lines.event(
        "2026-03-02T12:00:00Z",
        "user.signed_up",
        Some("ada"),
        json!({}),
    );
    lines.used("2026-03-03T12:00:00Z", "ada");
    lines.event(
        "2026-03-04T12:00:00Z",
        "user.signed_up",
        Some("ada"),
        json!({}),
    );
    lines.event(
        "2026-03-04T12:00:00Z",
        "user.invited",
        Some("bob"),
        json!({}),
    );
    let truth = lines.truth();
    for (date, known) in [("01", 1), ("02", 0), ("03", 0), ("04", 1)] {
        says(
            &truth,
            &format!("2026-03-{date}"),
            &[("known_users", json!(known))],
        );
    }
    says(&truth, "2026-03-03", &[("dau", json!(1))]);
}

#[test]
fn a_deleted_account_has_its_last_record_on_that_day_until_it_is_created_anew() {
    let mut lines = Lines::default();
    lines.event("2026-03-01T12:00:00Z", "account.created", None, json!({}));
    lines.event("2026-03-03T12:00:00Z", "account.deleted", None, json!({}));
    lines.used("2026-03-05T12:00:00Z", "ada");
    lines.event("2026-03-06T12:00:00Z", "account.created", None, json!({}));
    lines.used("2026-03-07T12:00:00Z", "ada");
    let truth = lines.truth();
    let days: Vec<String> = truth.accounts["acme"].keys().map(Day::to_string).collect();
    let expected = ["01", "02", "03", "06", "07"].map(|date| format!("2026-03-{date}"));
    assert_eq!(days, expected);
    let expected = [("account_age_days", json!(6)), ("events_7d", json!(2))];
    says(&truth, "2026-03-07", &expected);
}

#[test]
fn days_are_those_of_the_accounts_zone() {
    let mut lines = Lines::default();
    let tokyo = json!({"tz": "Asia/Tokyo"});
    lines.event("2026-03-01T14:00:00Z", "account.created", None, tokyo);
    lines.used("2026-03-01T14:59:59.999Z", "ada");
    lines.used("2026-03-01T15:00:00Z", "bob");
    let truth = lines.truth();
    says(
        &truth,
        "2026-03-01",
        &[("dau", json!(1)), ("known_users", json!(1))],
    );
    says(
        &truth,
        "2026-03-02",
        &[("dau", json!(1)), ("known_users", json!(2))],
    );
    assert_eq!(truth.accounts["acme"].len(), 2);
}

#[test]
fn the_first_of_two_bodies_with_one_id_counts() {
    let line = |name: &str, received: &str| {
        json!({"id": "e1", "type": "product.event", "account_id": "acme", "user_id": "ada",
            "time": "2026-03-01T12:00:00Z", "received_at": received, "data": {"name": name}})
        .to_string()
    };
    let mut oracle = Oracle::new(Settings::default());
    let mut take = |name, received| oracle.take(line(name, received).as_bytes(), None);
    assert_eq!(take("a", "2026-03-01T12:00:01Z"), Fate::Applied);
    assert_eq!(take("a", "2026-03-01T12:00:09Z"), Fate::Duplicate);
    let conflict = Fate::Refused(Code::Conflict);
    assert_eq!(take("b", "2026-03-01T12:00:09Z"), conflict);
    says(&oracle.truth(), "2026-03-01", &[("events_1d", json!(1))]);
}

#[test]
fn what_comes_too_early_or_too_late_creates_no_account() {
    let line = |account: &str, time: &str, received: &str| {
        json!({"id": "e1", "type": "product.event", "account_id": account, "user_id": "ada",
            "time": time, "received_at": received, "data": {"name": "opened"}})
        .to_string()
    };
    let mut oracle = Oracle::new(Settings::default());
    let mut take =
        |account, time, received| oracle.take(line(account, time, received).as_bytes(), None);
    let now = "2026-04-10T12:00:00Z";
    let future = Fate::Refused(Code::FutureTime);
    assert_eq!(take("a", "2026-04-10T13:00:00.001Z", now), future);
    assert_eq!(take("b", "2026-04-10T13:00:00Z", now), Fate::Applied);
    // The newest closed day is April 9, the oldest that can be corrected March 5.
    let too_late = Fate::Refused(Code::TooLate);
    assert_eq!(take("c", "2026-03-04T23:59:59.999Z", now), too_late);
    assert_eq!(take("d", "2026-03-05T00:00:00Z", now), Fate::Applied);
    let accounts: Vec<String> = oracle.truth().accounts.into_keys().collect();
    assert_eq!(accounts, ["b", "d"]);
}

#[test]
fn bad_lines_are_refused_by_their_code() {
    let whole = json!({"id": "e", "type": "product.event", "account_id": "a",
        "time": "2026-03-01T00:00:00Z", "data": {"name": "n"}});
    let with = |name: &str, value: Value| {
        let mut changed = whole.clone();
        changed[name] = value;
        changed.to_string()
    };
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let cases: Vec<(Vec<u8>, Code)> = vec![
        (b"".to_vec(), Code::Empty),
        (b"\xFF\xFE".to_vec(), Code::NotUtf8),
        (br#"{"id":"\ud800"}"#.to_vec(), Code::NotUtf8),
        (br#"{"id":"#.to_vec(), Code::NotJson),
        (format!("{whole}{whole}").into_bytes(), Code::TrailingData),
        (b"[1]".to_vec(), Code::NotAnObject),
        (deep.into_bytes(), Code::TooDeep),
        (" ".repeat(65_537).into_bytes(), Code::TooLarge),
        (
            with("account_id", json!(" ")).into_bytes(),
            Code::MissingField,
        ),
        (with("id", json!(7)).into_bytes(), Code::BadField),
        (
            with("time", json!(1_772_352_000)).into_bytes(),
            Code::BadField,
        ),
        (
            with("time", json!("2026-03-01T24:00:00Z")).into_bytes(),
            Code::BadField,
        ),
        (
            with("type", json!("product.evnt")).into_bytes(),
            Code::UnknownType,
        ),
        (with("data", json!({})).into_bytes(), Code::MissingField),
        (
            br#"{"account_id":"a","account_id":"b","type":"product.event"}"#.to_vec(),
            Code::DuplicateKey,
        ),
    ];
    let mut oracle = Oracle::new(Settings::default());
    for (line, code) in cases {
        let text = String::from_utf8_lossy(&line[..line.len().min(80)]).into_owned();
        assert_eq!(oracle.take(&line, None), Fate::Refused(code), "{text}");
    }
    assert_eq!(oracle.truth(), Truth::default());
}

#[test]
fn a_difference_is_told_by_account_day_and_metric() {
    let mut lines = Lines::default();
    lines.used("2026-03-01T12:00:00Z", "ada");
    let truth = lines.truth();
    let mut metrics = serde_json::to_value(&truth.accounts["acme"][&day("2026-03-01")]).unwrap();
    let record = |revision: u32, metrics: &Value, corrects: Option<Value>| {
        let mut record = json!({"account_id": "acme", "date": "2026-03-01",
            "revision": revision, "metrics": metrics});
        if let Some(corrects) = corrects {
            record["corrects"] = corrects;
        }
        record.to_string()
    };
    let right = metrics.clone();
    metrics["dau"] = json!(2);
    let corrected = [
        record(0, &metrics, None),
        record(1, &right, Some(json!({"dau": 2}))),
    ];
    assert_eq!(truth.differences(&Found::of_lines(corrected)), [""; 0]);
    let wrong = Found::of_lines([record(0, &metrics, None)]);
    assert_eq!(
        truth.differences(&wrong),
        ["acme 2026-03-01: dau is 2, expected 1"]
    );
    let nothing = Found::default();
    assert_eq!(truth.differences(&nothing), ["acme 2026-03-01: no record"]);
}

#[test]
fn a_record_without_metrics_withdraws_what_was_told() {
    let record = |revision: u32, metrics: Value| {
        json!({"account_id": "acme", "date": "2026-03-01", "revision": revision,
            "metrics": metrics})
        .to_string()
    };
    let told = Found::of_lines([record(0, json!({"dau": 1}))]);
    let invented = ["acme 2026-03-01: a record of no right"];
    assert_eq!(Truth::default().differences(&told), invented);
    let withdrawn = Found::of_lines([record(0, json!({"dau": 1})), record(1, json!({}))]);
    assert_eq!(Truth::default().differences(&withdrawn), [""; 0]);
}

/// The last day of all histories here has a record, so this is each metric once.
#[test]
fn the_oracle_has_a_value_for_each_of_its_metrics_and_for_no_other() {
    let mut lines = Lines::default();
    lines.used("2026-03-01T12:00:00Z", "ada");
    let settings = Settings {
        features: [("report.v2".to_owned(), names(["viewed"]))].into(),
        ..Settings::default()
    };
    let truth = lines.truth_with(&settings);
    let ids = |metrics: &Metrics| {
        let ids = metrics.keys().map(|name| ids::in_catalogue(name));
        ids.collect::<Vec<_>>()
    };
    let sorted = |ids: std::collections::BTreeSet<&'static str>| {
        let mut ids: Vec<String> = ids.into_iter().map(str::to_owned).collect();
        ids.sort_by_key(|id| id.replacen("feature_", "features.report.v2.", 1));
        ids
    };
    let account = &truth.accounts["acme"][&day("2026-03-01")];
    assert_eq!(ids(account), sorted(ids::of_accounts()));
    let fleet = ("all".to_owned(), "all".to_owned());
    let fleet = &truth.groups[&fleet][&day("2026-03-01")];
    assert_eq!(ids(fleet), sorted(ids::of_groups()));
}

/// Nothing that the engine tells goes unchecked. The other way round is [`ids::waiting`]: once the engine has
/// all of usage, that is empty.
#[test]
fn the_engine_tells_nothing_that_the_oracle_does_not_know() {
    let (accounts, groups) = (ids::of_accounts(), ids::of_groups());
    let unknown = mainstay_engine::infos();
    let unknown = unknown.iter().map(|info| info.id);
    let unknown = unknown.filter(|id| !accounts.contains(id) && !groups.contains(id));
    assert_eq!(unknown.collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn values_of_features_are_compared_with_those_beside_the_metrics() {
    let found = |users: u32, revision: u32, corrects: Value| {
        json!({"account_id": "acme", "date": "2026-03-01", "revision": revision,
            "metrics": {"dau": 1}, "features": {"report": {"users_7d": users}},
            "corrects": corrects})
        .to_string()
    };
    let corrected = [
        found(2, 0, json!({})),
        found(1, 1, json!({"features.report.users_7d": 2})),
    ];
    let mut truth = Truth::default();
    let metrics = [("dau", 1), ("features.report.users_7d", 1)];
    let metrics = metrics.map(|(id, value)| (id.to_owned(), json!(value)));
    let days = [(day("2026-03-01"), Metrics::from(metrics))];
    truth.accounts.insert("acme".to_owned(), days.into());
    assert_eq!(truth.differences(&Found::of_lines(corrected)), [""; 0]);

    let silent = [found(2, 0, json!({})), found(1, 1, json!({}))];
    let told = truth.differences(&Found::of_lines(silent));
    assert_eq!(
        told,
        [
            "acme 2026-03-01: corrects {}, but what changed had been {\"features.report.users_7d\":2}"
        ]
    );
}
