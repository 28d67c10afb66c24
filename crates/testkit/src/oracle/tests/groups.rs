//! What the fleet and segments are told: sums, ratios of sums, what is left out, who is where.

use super::*;

const FLEET: (&str, &str) = ("all", "all");

#[track_caller]
fn group_says(truth: &Truth, group: (&str, &str), date: &str, expected: &[(&str, Value)]) {
    for (id, expected) in expected {
        let told = truth.value_of_group(group, day(date), id);
        assert_eq!(told, Some(expected), "{id} of {group:?} on {date}");
    }
}

fn dates(truth: &Truth, group: (&str, &str)) -> String {
    let group = (group.0.to_owned(), group.1.to_owned());
    let days = truth.groups.get(&group).into_iter().flatten();
    let dates = days.map(|(day, _)| day.to_string()[8..].to_owned());
    dates.collect::<Vec<_>>().join(" ")
}

fn by(segments: &[&str]) -> Settings {
    Settings {
        segments: segments.iter().map(|name| (*name).to_owned()).collect(),
        ..Settings::default()
    }
}

#[test]
fn an_account_that_moves_leaves_its_history_where_it_was() {
    let mut lines = Lines::default();
    let free = json!({"plan": "free", "traits": {"tier": "gold"}});
    lines.created("acme", "2026-03-01T08:00:00Z", free);
    lines.used_in("acme", "2026-03-01T12:00:00Z", "ada");
    lines.used_in("beta", "2026-03-02T12:00:00Z", "ada");
    lines.updated("acme", "2026-03-03T12:00:00Z", json!({"plan": "pro"}));
    let truth = lines.truth_with(&by(&["plan", "tier"]));
    assert_eq!(dates(&truth, FLEET), "01 02 03");
    assert_eq!(dates(&truth, ("plan", "free")), "01 02");
    assert_eq!(dates(&truth, ("plan", "pro")), "03");
    assert_eq!(dates(&truth, ("plan", "unknown")), "02 03");
    assert_eq!(dates(&truth, ("tier", "gold")), "01 02 03");
    let one = [
        ("wau", json!(1)),
        ("dau", json!(0)),
        ("active_accounts_7d", json!(1)),
        ("active_accounts_1d", json!(0)),
    ];
    group_says(&truth, ("plan", "pro"), "2026-03-03", &one);
    let both = [("wau", json!(2)), ("stickiness_wau", json!(1.0))];
    group_says(&truth, FLEET, "2026-03-03", &both);
}

#[test]
fn accounts_without_seats_are_left_out_on_both_sides() {
    let mut lines = Lines::default();
    for (account, seats) in [
        ("acme", json!(10)),
        ("beta", Value::Null),
        ("cyan", json!(0)),
    ] {
        let seats = json!({"seats": seats});
        lines.created(account, "2026-03-01T08:00:00Z", seats);
        lines.used_in(account, "2026-03-01T12:00:00Z", "ada");
    }
    lines.created("dune", "2026-03-02T08:00:00Z", json!({"plan": "pro"}));
    let truth = lines.truth_with(&by(&["plan"]));
    let expected = [
        ("seats", json!(10)),
        ("adoption_rate", json!(0.2)),
        ("inactive_seats", json!(9)),
    ];
    group_says(&truth, FLEET, "2026-03-01", &expected);
    let unknown = ["seats", "adoption_rate", "inactive_seats"].map(|id| (id, Value::Null));
    group_says(&truth, ("plan", "pro"), "2026-03-02", &unknown);
}

#[test]
fn trends_of_groups_are_of_the_accounts_that_have_a_base() {
    let mut lines = Lines::default();
    let at = |date: Day, hour: u32| format!("{date}T{hour:02}:00:00Z");
    let until = day("2026-04-05");
    for back in 0..35 {
        let date = until.minus(back);
        // A mean day of 2 after one of 1.
        lines.used_in("acme", &at(date, 8), "ada");
        if back < 7 {
            lines.used_in("acme", &at(date, 9), "ada");
            // A mean day of 1 after one of 3/7.
            lines.used_in("beta", &at(date, 8), "bob");
        }
        if [13, 11, 7].contains(&back) {
            lines.used_in("beta", &at(date, 8), "bob");
        }
        if back <= 12 {
            // Six days before the week are no base.
            lines.used_in("cyan", &at(date, 8), "cy");
        }
    }
    let truth = lines.truth();
    let expected = [
        ("events_7d", json!(28)),
        ("usage_trend", json!(1.1)),
        ("wau", json!(3)),
        ("wau_base", json!(2.0)),
        ("wau_trend", json!(0.0)),
    ];
    group_says(&truth, FLEET, "2026-04-05", &expected);
}

#[test]
fn medians_and_percentiles_are_those_of_all_users_and_sessions() {
    let mut lines = Lines::default();
    for (account, users) in [("acme", 1), ("beta", 4), ("cyan", 2)] {
        for n in 0..users {
            let user = format!("user {n}");
            lines.used_in(account, "2026-03-01T12:00:00Z", &user);
            let later = format!("2026-03-01T12:00:{:02}Z", 10 * users);
            lines.used_in(account, &later, &user);
        }
    }
    lines.created("dune", "2026-03-01T08:00:00Z", json!({}));
    let truth = lines.truth();
    let expected = [
        ("users_per_account_median", json!(2.0)),
        ("users_per_account_mean", json!(7.0 / 3.0)),
        ("sessions_7d", json!(7)),
        // Of 10, 20, 20, 40, 40, 40 and 40 s, in buckets of 16 and 32 ms.
        ("session_duration_p50", json!(40.031)),
        ("session_duration_mean", json!(30.0)),
        ("time_in_product_7d", json!(210.0)),
        ("sessions_per_user_median", json!(1.0)),
        ("active_accounts_30d", json!(3)),
    ];
    group_says(&truth, FLEET, "2026-03-01", &expected);
}

#[test]
fn onboarding_of_groups_is_of_new_accounts() {
    let settings = Settings {
        onboarding_steps: names(["imported"]),
        ..Settings::default()
    };
    let mut lines = Lines::default();
    let imported = json!({"name": "imported"});
    let kind = "product.event";
    lines.created("acme", "2026-03-01T12:00:00Z", json!({}));
    let at = "2026-03-01T18:00:00Z";
    lines.event_of("acme", at, kind, Some("ada"), imported.clone());
    lines.created("beta", "2026-03-02T12:00:00Z", json!({}));
    lines.created("cyan", "2026-03-03T00:00:00Z", json!({}));
    let at = "2026-03-05T12:00:00Z";
    lines.event_of("beta", at, kind, Some("ada"), imported);
    lines.used("2026-04-02T12:00:00Z", "ada");
    let truth = lines.truth_with(&settings);
    for (date, at_once, progress) in [
        ("03-01", Value::Null, json!(1.0)),
        ("03-02", json!(1.0), json!(0.5)),
        // Cyan is exactly 24 hours old at the end of the day, which is not more.
        ("03-03", json!(0.5), json!(1.0 / 3.0)),
        ("03-04", json!(1.0 / 3.0), json!(1.0 / 3.0)),
        ("03-30", json!(1.0 / 3.0), json!(2.0 / 3.0)),
        ("03-31", json!(0.0), json!(0.5)),
        ("04-02", Value::Null, Value::Null),
    ] {
        let expected = [
            ("onboarding_done_24h", at_once),
            ("onboarding_progress", progress),
        ];
        group_says(&truth, FLEET, &format!("2026-{date}"), &expected);
    }
    let launched = [("days_to_launch", json!(1.5))];
    group_says(&truth, FLEET, "2026-03-05", &launched);
    let launched = [("days_to_launch", json!(0.0))];
    group_says(&truth, FLEET, "2026-03-04", &launched);
}

#[test]
fn accounts_that_a_feature_was_never_timed_in_are_left_out_of_its_share_of_time() {
    let settings = Settings {
        features: [("report".to_owned(), names(["viewed"]))].into(),
        ..Settings::default()
    };
    let mut lines = Lines::default();
    let viewed = json!({"name": "viewed", "duration_ms": 30_000});
    let kind = "product.event";
    lines.event_of("acme", "2026-03-01T12:00:00Z", kind, Some("ada"), viewed);
    for account in ["acme", "beta"] {
        lines.used_in(account, "2026-03-01T12:00:00Z", "ada");
        lines.used_in(account, "2026-03-01T12:01:00Z", "ada");
    }
    let truth = lines.truth_with(&settings);
    let expected = [
        ("features.report.time_share", json!(0.5)),
        ("features.report.share", json!(0.5)),
        ("features.report.users_7d", json!(1)),
    ];
    group_says(&truth, FLEET, "2026-03-01", &expected);
}

#[test]
fn a_day_of_a_group_closes_when_it_has_closed_everywhere() {
    let mut lines = Lines::default();
    let tokyo = json!({"tz": "Asia/Tokyo"});
    lines.created("acme", "2026-03-01T08:00:00Z", tokyo);
    lines.used_in("beta", "2026-03-01T16:00:00Z", "ada");
    let truth = lines.truth();
    assert_eq!(truth.accounts["acme"].len(), 2);
    assert_eq!(dates(&truth, FLEET), "01");
}

#[test]
fn segments_add_up_to_the_fleet() {
    use crate::history;
    let limits = history::Limits {
        beyond_horizon: true,
    };
    for seed in 0..20 {
        let settings = history::settings_of(seed);
        let lines = history::lines(&history::steps(seed, 150), limits);
        let truth = Oracle::of_lines(settings.clone(), &lines).truth();
        let fleet = truth.groups.get(&("all".to_owned(), "all".to_owned()));
        for dimension in &settings.segments {
            for (day, of_fleet) in fleet.into_iter().flatten() {
                let segments = truth.groups.iter().filter(|((by, _), _)| by == dimension);
                let segments: Vec<&Metrics> =
                    segments.filter_map(|(_, days)| days.get(day)).collect();
                for (id, of_fleet) in of_fleet {
                    let Some(expected) = of_fleet.as_i64() else {
                        continue;
                    };
                    // Whole, but quotients.
                    if ["arpa", "arpu"].contains(&id.as_str()) {
                        continue;
                    }
                    let sum: i64 = segments.iter().filter_map(|s| s[id].as_i64()).sum();
                    assert_eq!(sum, expected, "{id} by {dimension} on {day}, seed {seed}");
                }
            }
        }
    }
}

#[test]
fn records_of_groups_are_held_against_the_truth() {
    let mut lines = Lines::default();
    lines.used("2026-03-01T12:00:00Z", "ada");
    let truth = lines.truth();
    let fleet = ("all".to_owned(), "all".to_owned());
    let metrics = &truth.groups[&fleet][&day("2026-03-01")];
    let record = |metrics: Value| {
        json!({"dimension": "all", "segment": "all", "date": "2026-03-01", "revision": 0,
            "metrics": metrics})
        .to_string()
    };
    let right = Found::of_lines([record(json!(metrics))]);
    assert_eq!(truth.group_differences(&right), [""; 0]);
    let mut wrong = json!(metrics);
    wrong["mau"] = json!(2);
    let wrong = Found::of_lines([record(wrong)]);
    let told = ["all/all 2026-03-01: mau is 2, expected 1"];
    assert_eq!(truth.group_differences(&wrong), told);
}
