//! Cohorts of the fleet: what is told of users who move between them, come late, or come back.
//!
//! That every value is right the oracle sees elsewhere; here is what has a story.

use libtest_mimic::Trial;
use mainstay::shard::Target;
use mainstay_engine::Settings;
use serde_json::{Value, json};

use crate::pipeline;

pub(crate) fn trials() -> Vec<Trial> {
    crate::trials!("cohorts": [
        a_late_event_is_told_with_what_was_told_before,
        who_signs_up_after_the_first_use_leaves_one_cohort_for_another,
        a_cohort_that_can_grow_is_incomplete,
        a_user_stays_in_the_cohort_of_the_plan_at_sign_up,
    ])
}

fn event(id: &str, kind: &str, user: Option<&str>, at: &str, data: &Value) -> String {
    let event = json!({
        "id": id, "type": kind, "account_id": "acme", "user_id": user, "time": at, "received_at": at, "data": data,
    });
    event.to_string()
}

fn used(id: &str, user: &str, day: &str) -> String {
    let at = format!("{day}T09:00:00Z");
    event(
        id,
        "product.event",
        Some(user),
        &at,
        &json!({"name": "opened"}),
    )
}

fn signed_up(id: &str, user: &str, day: &str) -> String {
    let at = format!("{day}T08:00:00Z");
    event(id, "user.signed_up", Some(user), &at, &json!({}))
}

fn on_plan(id: &str, plan: &str, day: &str) -> String {
    let at = format!("{day}T07:00:00Z");
    event(id, "account.updated", None, &at, &json!({"plan": plan}))
}

/// The records of one metric of one cohort in their order, after a slice for each line.
fn told(lines: &[String], by: &str, cohort: &str, metric: &str) -> Vec<Value> {
    let plan = pipeline::plan(Settings::default(), Target::Files);
    let said = pipeline::in_slices_of(1, plan, lines);
    let all = said.cohorts.iter().map(|line| pipeline::json(line));
    let is_asked = |record: &Value| {
        record["cohort_by"] == by && record["cohort"] == cohort && record["metric"] == metric
    };
    all.filter(is_asked).collect()
}

/// Size, value, complete.
fn says(record: &Value) -> (i64, Value, bool) {
    let size = record["size"].as_i64().expect("a size");
    let complete = record["complete"].as_bool().expect("whether complete");
    (size, record["value"].clone(), complete)
}

fn a_late_event_is_told_with_what_was_told_before() {
    let mut late: Value =
        serde_json::from_str(&used("5", "bob", "2026-03-02")).expect("it was made here");
    late["received_at"] = "2026-03-04T13:00:00Z".into();
    let lines = [
        signed_up("1", "ada", "2026-03-01"),
        signed_up("2", "bob", "2026-03-01"),
        used("3", "ada", "2026-03-02"),
        used("4", "ada", "2026-03-04"),
        late.to_string(),
        used("6", "ada", "2026-03-06"),
    ];
    let told = told(&lines, "signup_day", "2026-03-01", "retention_d1");
    let [first, again] = &told[..] else {
        panic!("two records: {told:?}")
    };
    assert_eq!(says(first), (2, json!(0.5), true));
    assert_eq!(says(again), (2, json!(1.0), true));
    assert_eq!(
        (&first["revision"], &again["revision"]),
        (&json!(0), &json!(1))
    );
    assert_eq!(again["corrects"], json!({"value": 0.5}));
    assert_eq!(first["corrects"], Value::Null);
    assert_eq!(again["age"], "d1");
}

fn who_signs_up_after_the_first_use_leaves_one_cohort_for_another() {
    let lines = [
        used("1", "ada", "2026-03-01"),
        used("2", "bob", "2026-03-01"),
        signed_up("3", "ada", "2026-03-04"),
        used("4", "ada", "2026-03-05"),
        used("5", "bob", "2026-03-07"),
    ];
    let of = |cohort: &str| {
        let told = told(&lines, "signup_day", cohort, "retention_d0");
        told.iter().map(says).collect::<Vec<_>>()
    };
    assert_eq!(
        of("2026-03-01"),
        [(2, json!(1.0), true), (1, json!(1.0), true)]
    );
    assert_eq!(of("2026-03-04"), [(1, json!(0.0), true)]);
}

fn a_cohort_that_can_grow_is_incomplete() {
    let lines = [
        // A Thursday, and the Sunday that ends its week.
        signed_up("1", "ada", "2026-03-05"),
        used("2", "ada", "2026-03-06"),
        signed_up("3", "bob", "2026-03-08"),
        used("4", "ada", "2026-03-09"),
        used("5", "bob", "2026-03-12"),
    ];
    let told = told(&lines, "signup_week", "2026-W10", "retention_d1");
    let said: Vec<_> = told.iter().map(says).collect();
    assert_eq!(
        said,
        [
            (1, json!(1.0), false),
            (2, json!(1.0), false),
            (2, json!(0.5), true)
        ]
    );
}

fn a_user_stays_in_the_cohort_of_the_plan_at_sign_up() {
    let lines = [
        on_plan("1", "free", "2026-03-01"),
        signed_up("2", "ada", "2026-03-01"),
        on_plan("3", "pro", "2026-03-02"),
        signed_up("4", "bob", "2026-03-02"),
        used("5", "ada", "2026-03-03"),
        used("6", "bob", "2026-03-06"),
    ];
    let last = |plan: &str, metric: &str| {
        let told = told(&lines, "signup_plan", plan, metric);
        told.last().map(says)
    };
    // Anybody may join a plan tomorrow.
    let of_ada = Some((1, json!(1.0), false));
    assert_eq!(last("free", "retention_w1"), None, "a week is not over");
    assert_eq!(last("free", "retention_d2"), of_ada);
    assert_eq!(last("pro", "retention_d2"), Some((1, json!(0.0), false)));
    assert_eq!(
        last("pro", "retention_d1_unbounded"),
        Some((1, json!(1.0), false))
    );
}
