//! What accounts are told: seats, life cycle, actors, features, retention, activation, onboarding, growth.

use super::*;

#[test]
fn forty_users_of_fifty_seats_is_an_adoption_of_four_fifths() {
    let mut lines = Lines::default();
    lines.created("acme", "2026-03-01T08:00:00Z", json!({"seats": 50}));
    for n in 0..40 {
        lines.used("2026-03-01T12:00:00Z", &format!("user {n}"));
    }
    lines.updated("acme", "2026-03-02T08:00:00Z", json!({"seats": 30}));
    lines.updated("acme", "2026-03-03T08:00:00Z", json!({"seats": 0}));
    lines.updated("acme", "2026-03-04T08:00:00Z", json!({"seats": null}));
    lines.updated("acme", "2026-03-05T08:00:00Z", json!({"plan": "pro"}));
    let truth = lines.truth();
    for (date, seats, adoption, unused) in [
        ("01", json!(50), json!(0.8), json!(10)),
        ("02", json!(30), json!(4.0 / 3.0), json!(0)),
        ("03", json!(0), Value::Null, json!(0)),
        ("04", Value::Null, Value::Null, Value::Null),
        ("05", Value::Null, Value::Null, Value::Null),
    ] {
        let expected = [
            ("seats", seats),
            ("adoption_rate", adoption),
            ("inactive_seats", unused),
        ];
        says(&truth, &format!("2026-03-{date}"), &expected);
    }
}

#[test]
fn the_newest_word_holds_whenever_it_arrives_and_of_two_at_once_the_greater() {
    let mut lines = Lines::default();
    lines.updated("acme", "2026-03-03T08:00:00Z", json!({"seats": 5}));
    lines.updated("acme", "2026-03-01T08:00:00Z", json!({"seats": 9}));
    lines.updated("acme", "2026-03-04T08:00:00Z", json!({"seats": null}));
    lines.updated("acme", "2026-03-04T08:00:00Z", json!({"seats": 8}));
    lines.updated("acme", "2026-03-04T08:00:00Z", json!({"seats": 10}));
    let truth = lines.truth();
    for (date, seats) in [("01", 9), ("02", 9), ("03", 5), ("04", 10)] {
        says(
            &truth,
            &format!("2026-03-{date}"),
            &[("seats", json!(seats))],
        );
    }
}

#[test]
fn a_user_is_dormant_after_fourteen_days_of_being_known_without_being_active() {
    let mut lines = Lines::default();
    lines.used("2026-03-01T12:00:00Z", "ada");
    lines.signed_up("2026-03-01T12:00:00Z", "bob");
    lines.signed_up("2026-03-01T12:00:00Z", "cy");
    lines.event(
        "2026-03-15T09:00:00Z",
        "user.removed",
        Some("cy"),
        json!({}),
    );
    lines.used("2026-03-16T12:00:00Z", "bob");
    let truth = lines.truth();
    for (date, dormant) in [("13", 0), ("14", 2), ("15", 2), ("16", 1)] {
        let expected = [("dormant_users", json!(dormant))];
        says(&truth, &format!("2026-03-{date}"), &expected);
    }
}

#[test]
fn a_user_is_new_then_lapsed_then_returning_or_resurrected() {
    let mut lines = Lines::default();
    for date in ["03-01", "03-09", "03-30", "05-30"] {
        lines.used(&format!("2026-{date}T12:00:00Z"), "ada");
    }
    let truth = lines.truth();
    let cases = [
        ("03-01", 7, "new"),
        ("03-07", 7, "new"),
        ("03-08", 7, "lapsed"),
        ("03-09", 7, "returning"),
        ("03-14", 7, "returning"),
        ("03-15", 7, "resurrected"),
        ("03-16", 7, "lapsed"),
        ("03-22", 7, "lapsed"),
        ("03-23", 7, ""),
        ("03-30", 7, "resurrected"),
        ("03-30", 30, "new"),
        ("03-31", 30, "returning"),
        ("04-28", 30, "returning"),
        ("04-29", 30, "lapsed"),
        ("05-29", 30, ""),
        ("05-30", 30, "resurrected"),
    ];
    for (date, days, what) in cases {
        for kind in ["new", "returning", "resurrected", "lapsed"] {
            let id = format!("{kind}_users_{days}d");
            let users = json!(u8::from(kind == what));
            says(&truth, &format!("2026-{date}"), &[(&id, users)]);
        }
    }
}

#[test]
fn who_is_active_is_new_returning_or_resurrected_and_who_was_is_returning_or_lapsed() {
    use crate::history;
    let limits = history::Limits {
        beyond_horizon: false,
    };
    for seed in 0..20 {
        let lines = history::lines(&history::steps(seed, 120), limits);
        let truth = Oracle::of_lines(history::settings_of(seed), &lines).truth();
        for (account, days) in &truth.accounts {
            for (day, metrics) in days {
                for (window, users) in [(7, "wau"), (30, "mau")] {
                    let of = |kind: &str| metrics[&format!("{kind}_users_{window}d")].as_i64();
                    let active = of("new").unwrap() + of("returning").unwrap();
                    let active = active + of("resurrected").unwrap();
                    assert_eq!(metrics[users].as_i64(), Some(active), "{account} {day}");
                    let before = truth.value(account, day.minus(window), users);
                    if let Some(before) = before {
                        let was_active = of("returning").unwrap() + of("lapsed").unwrap();
                        assert_eq!(before.as_i64(), Some(was_active), "{account} {day}");
                    }
                }
            }
        }
    }
}

#[test]
fn people_programs_and_agents_are_counted_apart() {
    let settings = Settings {
        active_min_events: 2,
        ..Settings::default()
    };
    let mut lines = Lines::default();
    let by = |actor: Value| json!({"name": "opened", "actor": actor});
    let kind = "product.event";
    lines.event("2026-03-01T12:00:00Z", kind, Some("ada"), by(Value::Null));
    lines.event("2026-03-01T12:00:00Z", kind, Some("ada"), by(json!("api")));
    lines.event(
        "2026-03-01T12:00:00Z",
        kind,
        Some("bob"),
        by(json!("agent")),
    );
    lines.event(
        "2026-03-01T13:00:00Z",
        kind,
        Some("bob"),
        by(json!("agent")),
    );
    lines.event("2026-03-01T14:00:00Z", kind, None, by(json!("api")));
    lines.event("2026-03-08T12:00:00Z", kind, None, by(json!("human")));
    let truth = lines.truth_with(&settings);
    says(
        &truth,
        "2026-03-07",
        &[
            ("wau", json!(2)),
            ("events_human_7d", json!(1)),
            ("events_api_7d", json!(2)),
            ("events_agent_7d", json!(2)),
            ("users_human_7d", json!(1)),
            ("users_api_7d", json!(1)),
            ("users_agent_7d", json!(1)),
        ],
    );
    let gone = [("events_human_7d", json!(1)), ("users_agent_7d", json!(0))];
    says(&truth, "2026-03-08", &gone);
}

fn with_report() -> Settings {
    Settings {
        active_ignore: names(["exported"]),
        features: [
            ("chart".to_owned(), names(["drawn"])),
            ("report".to_owned(), names(["viewed", "exported"])),
        ]
        .into(),
        ..Settings::default()
    }
}

#[test]
fn a_feature_is_used_by_any_of_its_events_also_by_ignored_ones() {
    let mut lines = Lines::default();
    let kind = "product.event";
    let viewed = json!({"name": "viewed", "duration_ms": 30_000});
    lines.event("2026-03-01T12:00:00Z", kind, Some("ada"), viewed);
    lines.event(
        "2026-03-01T12:02:00Z",
        kind,
        Some("ada"),
        json!({"name": "opened"}),
    );
    lines.did("2026-03-03T12:00:00Z", "bob", "exported");
    lines.event(
        "2026-03-03T12:00:00Z",
        kind,
        None,
        json!({"name": "viewed"}),
    );
    lines.used("2026-03-03T12:00:00Z", "cy");
    lines.used("2026-03-08T12:00:00Z", "cy");
    let truth = lines.truth_with(&with_report());
    let of = |what| ids::of_feature("report", what);
    says(
        &truth,
        "2026-03-03",
        &[
            (&of("users_1d"), json!(1)),
            (&of("users_7d"), json!(2)),
            (&of("users_30d"), json!(2)),
            (&of("events_1d"), json!(1)),
            (&of("events_7d"), json!(2)),
            (&of("share"), json!(1.0)),
            (&of("time_share"), json!(0.25)),
            (&of("trend"), Value::Null),
            ("depth", json!(1)),
            ("breadth", json!(2)),
            ("breadth_ratio", json!(2.0 / 3.0)),
        ],
    );
    says(
        &truth,
        "2026-03-08",
        &[
            (&of("users_7d"), json!(1)),
            (&of("users_30d"), json!(2)),
            (&of("share"), json!(1.0)),
            (&of("time_share"), Value::Null),
            (&ids::of_feature("chart", "users_30d"), json!(0)),
            (&ids::of_feature("chart", "time_to_adopt"), Value::Null),
        ],
    );
    says(&lines.truth(), "2026-03-08", &[("depth", Value::Null)]);
}

#[test]
fn a_feature_is_adopted_with_two_weeks_of_use_and_abandoned_after_two_without() {
    let mut lines = Lines::default();
    lines.did("2026-03-01T12:00:00Z", "ada", "viewed");
    lines.did("2026-03-08T12:00:00Z", "ada", "viewed");
    lines.did("2026-03-08T12:00:00Z", "bob", "viewed");
    lines.did("2026-03-09T12:00:00Z", "bob", "viewed");
    lines.used("2026-05-01T12:00:00Z", "cy");
    let truth = lines.truth_with(&with_report());
    let (adopted, abandoned) = (
        ids::of_feature("report", "adopted_users"),
        ids::of_feature("report", "abandoned"),
    );
    for (date, users, is_abandoned) in [
        ("03-07", 0, 0),
        // Blocks end with the day: 2–8 and 23–1.
        ("03-08", 1, 0),
        ("03-09", 1, 0),
        ("03-14", 1, 0),
        // Bob: 9–15 and 2–8.
        ("03-15", 2, 0),
        ("03-16", 1, 0),
        // The newest two weeks are 9–22, and then 10–23; blocks before them 3–9 and 24–2.
        ("03-22", 2, 0),
        ("03-23", 1, 1),
        // Ada's first use is the oldest day of the oldest block, 1–7; then it is out.
        ("03-28", 1, 1),
        ("03-29", 1, 1),
        ("03-30", 0, 1),
        // Of the older blocks 9–15 and 2–8 are left, and then 3–9 alone.
        ("04-12", 0, 1),
        ("04-13", 0, 0),
    ] {
        let expected = [
            (adopted.as_str(), json!(users)),
            (abandoned.as_str(), json!(is_abandoned)),
        ];
        says(&truth, &format!("2026-{date}"), &expected);
    }
}

#[test]
fn the_time_to_adopt_is_the_median_from_sign_up_to_first_use_and_never_below_zero() {
    let mut lines = Lines::default();
    for (user, use_at) in [("ada", "12:01:00"), ("bob", "12:02:00"), ("cy", "11:00:00")] {
        lines.signed_up("2026-03-01T12:00:00Z", user);
        lines.did(&format!("2026-03-01T{use_at}Z"), user, "viewed");
    }
    lines.signed_up("2026-03-02T12:00:00Z", "dan");
    lines.did("2026-03-02T13:00:00Z", "dan", "exported");
    lines.used("2026-03-03T12:00:00Z", "eve");
    lines.did("2026-03-03T12:30:00Z", "eve", "exported");
    let truth = lines.truth_with(&with_report());
    let id = ids::of_feature("report", "time_to_adopt");
    // 0, 60 and 120 s, told by the highest value of the bucket: 60 s lie in one of 32 ms.
    says(&truth, "2026-03-01", &[(&id, json!(60.031))]);
    // Of 0, 60, 120 and 3600 s the second.
    says(&truth, "2026-03-02", &[(&id, json!(60.031))]);
    // Eve signed up with her first qualifying event: of 0, 60, 120, 1800 and 3600 s the third.
    says(&truth, "2026-03-03", &[(&id, json!(120.063))]);
}

#[test]
fn retention_is_of_those_whose_day_has_come() {
    let mut lines = Lines::default();
    lines.signed_up("2026-03-01T12:00:00Z", "ada");
    lines.signed_up("2026-03-01T12:00:00Z", "bob");
    lines.used("2026-03-02T12:00:00Z", "ada");
    lines.used("2026-03-08T12:00:00Z", "bob");
    lines.used("2026-03-09T12:00:00Z", "cy");
    lines.event(
        "2026-03-20T12:00:00Z",
        "user.removed",
        Some("bob"),
        json!({}),
    );
    lines.used("2026-04-15T12:00:00Z", "ada");
    let truth = lines.truth();
    let value = |part: i32, whole: i32| json!(f64::from(part) / f64::from(whole));
    for (date, id, expected) in [
        ("03-01", "retention_d1", Value::Null),
        ("03-02", "retention_d1", value(1, 2)),
        ("03-07", "retention_d7", Value::Null),
        ("03-08", "retention_d7", value(1, 2)),
        ("03-08", "retention_w1", value(2, 2)),
        ("03-08", "retention_d1_unbounded", value(2, 2)),
        ("03-02", "retention_d1_unbounded", value(1, 2)),
        ("03-10", "retention_d1", value(1, 3)),
        ("03-16", "retention_w1", value(2, 3)),
        ("03-16", "retention_d7_unbounded", value(1, 3)),
        // The oldest of 28 sign-up days is D-1-27.
        ("03-29", "retention_d1", value(1, 3)),
        ("03-30", "retention_d1", value(0, 1)),
        ("04-04", "retention_w1", value(2, 3)),
        ("04-05", "retention_w1", value(0, 1)),
        // Nobody came on exactly the 30th day, one did later.
        ("04-15", "retention_d30", value(0, 3)),
        ("04-15", "retention_d30_unbounded", value(1, 3)),
    ] {
        says(&truth, &format!("2026-{date}"), &[(id, expected)]);
    }
}

fn with_activation(within_ms: Option<i64>) -> Settings {
    Settings {
        activation_events: names(["sent", "shared"]),
        activation_within_ms: within_ms,
        ..Settings::default()
    }
}

#[test]
fn one_of_two_users_activated_is_a_rate_of_one_half() {
    let mut lines = Lines::default();
    lines.created("acme", "2026-02-28T12:00:00Z", json!({}));
    lines.signed_up("2026-03-01T12:00:00Z", "ada");
    lines.did("2026-03-01T12:00:30Z", "ada", "sent");
    lines.did("2026-03-01T12:01:00Z", "ada", "shared");
    lines.did("2026-03-01T12:01:00Z", "bob", "sent");
    lines.event(
        "2026-03-02T12:00:00Z",
        "user.removed",
        Some("ada"),
        json!({}),
    );
    lines.did("2026-03-03T12:01:00Z", "bob", "shared");
    let truth = lines.truth_with(&with_activation(None));
    says(
        &truth,
        "2026-03-01",
        &[
            ("activation_rate", json!(0.5)),
            ("activated", json!(1)),
            ("time_to_value", json!(60.031)),
            // A day and a minute, in a bucket of 65.536 s.
            ("time_to_first_value", json!(86_507.519)),
        ],
    );
    let removed = [("activation_rate", json!(0.0)), ("activated", json!(1))];
    says(&truth, "2026-03-02", &removed);
    says(&truth, "2026-03-03", &[("activation_rate", json!(1.0))]);
    let before = [
        ("activation_rate", Value::Null),
        ("activated", json!(0)),
        ("time_to_value", Value::Null),
        ("time_to_first_value", Value::Null),
    ];
    says(&truth, "2026-02-28", &before);
    let unknown = ["activation_rate", "activated", "time_to_value"].map(|id| (id, Value::Null));
    says(&lines.truth(), "2026-03-01", &unknown);
}

#[test]
fn activation_may_take_exactly_as_long_as_it_may() {
    let mut lines = Lines::default();
    lines.signed_up("2026-03-01T12:00:00Z", "ada");
    lines.did("2026-03-01T11:00:00Z", "ada", "sent");
    lines.did("2026-03-01T12:01:00Z", "ada", "shared");
    lines.signed_up("2026-03-01T12:00:00Z", "bob");
    lines.did("2026-03-01T12:00:00Z", "bob", "sent");
    lines.did("2026-03-01T12:01:00.001Z", "bob", "shared");
    let settings = Settings {
        active_events: names(["opened"]),
        ..with_activation(Some(60_000))
    };
    let truth = lines.truth_with(&settings);
    says(&truth, "2026-03-01", &[("activation_rate", json!(0.5))]);

    // Without a sign-up nobody can be in time; without a limit nobody is late, and no time is told.
    let mut lines = Lines::default();
    lines.did("2026-03-01T12:00:00Z", "ada", "sent");
    lines.did("2026-03-01T12:00:00Z", "ada", "shared");
    let truth = lines.truth_with(&settings);
    says(&truth, "2026-03-01", &[("activated", json!(0))]);
    let settings = Settings {
        activation_within_ms: None,
        ..settings
    };
    let truth = lines.truth_with(&settings);
    let expected = [("activated", json!(1)), ("time_to_value", Value::Null)];
    says(&truth, "2026-03-01", &expected);
}

#[test]
fn onboarding_is_done_with_its_last_step_by_any_user() {
    let settings = Settings {
        onboarding_steps: names(["invited", "imported"]),
        ..Settings::default()
    };
    let mut lines = Lines::default();
    lines.created("acme", "2026-03-01T12:00:00Z", json!({}));
    lines.did("2026-03-01T13:00:00Z", "ada", "invited");
    let imported = json!({"name": "imported"});
    lines.event("2026-03-01T14:00:00Z", "product.event", None, imported);
    lines.did("2026-03-02T12:00:00Z", "bob", "imported");
    lines.did("2026-03-05T12:00:00Z", "bob", "invited");
    let truth = lines.truth_with(&settings);
    says(
        &truth,
        "2026-03-01",
        &[
            ("onboarding_progress", json!(0.5)),
            ("onboarding_done_24h", json!(0)),
            ("onboarding_days_since_step", json!(0)),
            ("time_to_onboarded", Value::Null),
            ("days_to_launch", Value::Null),
        ],
    );
    says(
        &truth,
        "2026-03-05",
        &[
            ("onboarding_progress", json!(1.0)),
            ("onboarding_done_24h", json!(1)),
            ("onboarding_days_since_step", json!(3)),
            // A day, in a bucket of 65.536 s.
            ("time_to_onboarded", json!(86_441.983)),
            ("days_to_launch", json!(1)),
        ],
    );
    let unknown = [
        "onboarding_progress",
        "onboarding_done_24h",
        "days_to_launch",
    ];
    says(
        &lines.truth(),
        "2026-03-05",
        &unknown.map(|id| (id, Value::Null)),
    );
}

#[test]
fn a_millisecond_over_a_day_is_not_within_24_hours() {
    let settings = Settings {
        onboarding_steps: names(["imported"]),
        ..Settings::default()
    };
    let mut lines = Lines::default();
    lines.created("acme", "2026-03-01T12:00:00Z", json!({}));
    lines.did("2026-03-02T12:00:00.001Z", "bob", "imported");
    let truth = lines.truth_with(&settings);
    says(&truth, "2026-03-02", &[("onboarding_done_24h", json!(0))]);
}

#[test]
fn growth_is_against_thirty_days_before() {
    let mut lines = Lines::default();
    lines.created("acme", "2026-03-01T08:00:00Z", json!({"seats": 10}));
    lines.did("2026-03-01T12:00:00Z", "ada", "viewed");
    for user in ["ada", "bob", "cy"] {
        lines.did("2026-03-31T12:00:00Z", user, "viewed");
    }
    lines.did("2026-03-31T12:00:00Z", "ada", "drawn");
    lines.updated("acme", "2026-03-31T08:00:00Z", json!({"seats": 15}));
    let truth = lines.truth_with(&with_report());
    let expected = [
        ("mau_growth_30d", json!(2.0)),
        ("depth_growth_30d", json!(1.0)),
        ("seats_growth_30d", json!(0.5)),
    ];
    says(&truth, "2026-03-31", &expected);
    let unknown = ["mau_growth_30d", "depth_growth_30d", "seats_growth_30d"];
    says(&truth, "2026-03-30", &unknown.map(|id| (id, Value::Null)));
}

#[test]
fn the_champion_does_most_and_of_equals_has_the_lesser_id() {
    let mut lines = Lines::default();
    for user in ["bob", "ada", "bob", "ada", "cy"] {
        lines.used("2026-03-01T12:00:00Z", user);
    }
    lines.did("2026-03-03T12:00:00Z", "cy", "sent");
    lines.used("2026-04-05T12:00:00Z", "cy");
    let truth = lines.truth();
    let share = |share: f64, away: i32| {
        [
            ("champion_share", json!(share)),
            ("champion_days_away", json!(away)),
        ]
    };
    says(&truth, "2026-03-01", &share(0.4, 0));
    // Ada, bob and cy have two each.
    says(&truth, "2026-03-03", &share(1.0 / 3.0, 2));
    says(&truth, "2026-04-04", &share(1.0 / 3.0, 34));
    says(&truth, "2026-04-05", &share(1.0, 0));

    let mut settings = Settings::default();
    settings.key_actions.insert("sent".to_owned());
    let truth = lines.truth_with(&settings);
    says(&truth, "2026-03-03", &share(1.0, 0));
    let nobody = ["champion_share", "champion_days_away"].map(|id| (id, Value::Null));
    says(&truth, "2026-03-01", &nobody);
}
