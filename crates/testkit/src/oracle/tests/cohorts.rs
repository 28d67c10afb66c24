//! What cohorts are told: who is in which, who has come back by which age, what is still to come.

use super::*;

/// Ada and bob sign up on a Sunday, the last day of week 9, and cy on the Monday after; the last closed day
/// is the Sunday after.
fn two_days() -> Truth {
    let mut lines = Lines::default();
    lines.created("acme", "2026-03-01T08:00:00Z", json!({"plan": "free"}));
    lines.signed_up("2026-03-01T12:00:00Z", "ada");
    lines.did("2026-03-01T12:01:00Z", "bob", "sent");
    lines.signed_up("2026-03-02T12:00:00Z", "cy");
    lines.updated("acme", "2026-03-02T18:00:00Z", json!({"plan": "pro"}));
    lines.used("2026-03-02T12:00:00Z", "ada");
    lines.did("2026-03-08T12:00:00Z", "ada", "sent");
    lines.used("2026-03-08T12:00:00Z", "bob");
    lines.event(
        "2026-03-08T13:00:00Z",
        "user.removed",
        Some("bob"),
        json!({}),
    );
    let settings = Settings {
        activation_events: names(["sent"]),
        ..Settings::default()
    };
    lines.truth_with(&settings)
}

#[track_caller]
fn says_of(truth: &Truth, by: &str, cohort: &str, expected: &[(&str, Value, bool)]) {
    for (metric, value, complete) in expected {
        let name = (by.to_owned(), cohort.to_owned(), (*metric).to_owned());
        let told = &truth.cohorts[&name];
        assert_eq!(told.value, *value, "{metric} of {by} {cohort}");
        assert_eq!(told.complete, *complete, "{metric} of {by} {cohort}");
    }
}

#[test]
fn a_cohort_knows_who_came_back_on_which_day() {
    let truth = two_days();
    let expected = [
        ("retention_d0", json!(0.5), true),
        ("retention_d1", json!(0.5), true),
        ("retention_d2", json!(0.0), true),
        ("retention_d7", json!(1.0), true),
        ("retention_w1", json!(1.0), true),
        ("retention_d1_unbounded", json!(1.0), true),
        ("activation_rate", json!(1.0), true),
        // Of 0 and 604 800 s the first.
        ("time_to_value", json!(0.0), true),
    ];
    says_of(&truth, "signup_day", "2026-03-01", &expected);
    says_of(&truth, "signup_week", "2026-W09", &expected);
    let next = [
        ("retention_d6", json!(0.0), true),
        ("activation_rate", json!(0.0), true),
        ("time_to_value", Value::Null, true),
    ];
    says_of(&truth, "signup_day", "2026-03-02", &next);
    says_of(&truth, "signup_week", "2026-W10", &next);
    let of = |metric: &str| {
        let name = ["signup_day", "2026-03-02", metric].map(str::to_owned);
        truth.cohorts.get(&name.into())
    };
    assert_eq!(of("retention_d6").unwrap().age.as_deref(), Some("d6"));
    assert_eq!(of("retention_d6").unwrap().size, 1);
    assert_eq!(of("retention_d7"), None);
    assert_eq!(of("retention_w1"), None);
}

#[test]
fn a_cohort_that_may_grow_or_has_not_all_reached_an_age_is_incomplete() {
    let truth = two_days();
    let month = [
        ("retention_d1", json!(1.0 / 3.0), false),
        // Cy's seventh day has not closed.
        ("retention_d7", json!(1.0), false),
        ("activation_rate", json!(2.0 / 3.0), false),
    ];
    says_of(&truth, "signup_month", "2026-03", &month);
    let name = ["signup_month", "2026-03", "retention_d7"].map(str::to_owned);
    assert_eq!(truth.cohorts[&name.into()].size, 3);
}

#[test]
fn the_plan_at_sign_up_is_that_at_the_end_of_the_day() {
    let truth = two_days();
    says_of(
        &truth,
        "signup_plan",
        "free",
        &[("retention_d1", json!(0.5), false)],
    );
    says_of(
        &truth,
        "signup_plan",
        "pro",
        &[("retention_d1", json!(0.0), false)],
    );
}

#[test]
fn records_of_cohorts_are_held_against_the_truth() {
    let truth = two_days();
    let record = |name: &CohortName, told: &CohortValue| {
        json!({"cohort_by": name.0, "cohort": name.1, "metric": name.2, "age": told.age,
            "size": told.size, "value": told.value, "complete": told.complete, "revision": 0})
        .to_string()
    };
    let lines: Vec<String> = truth.cohorts.iter().map(|(n, v)| record(n, v)).collect();
    let right = FoundCohorts::of_lines(&lines);
    assert_eq!(truth.cohort_differences(&right), [""; 0]);
    let wrong = lines
        .iter()
        .map(|line| line.replace("\"size\":3", "\"size\":4"));
    let wrong = truth.cohort_differences(&FoundCohorts::of_lines(wrong));
    let first = "signup_month 2026-03: activation_rate: size is 4, expected 3";
    assert_eq!(wrong.first().map(String::as_str), Some(first));
    let nothing = truth.cohort_differences(&FoundCohorts::default());
    let first = "signup_day 2026-03-01: activation_rate is not told, expected 1.0";
    assert_eq!(nothing.first().map(String::as_str), Some(first));
    let twice = [&lines[0], &lines[0]];
    let twice = truth.cohort_differences(&FoundCohorts::of_lines(twice));
    assert!(
        twice[0].contains("revision Some(Number(0)), expected 1"),
        "{}",
        twice[0]
    );
}
