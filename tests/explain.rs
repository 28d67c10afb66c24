//! `explain` says what the records say, and what it shows adds up to it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use libtest_mimic::Trial;
use mainstay::explain::{Answer, Question};
use mainstay::shard::Target;
use mainstay_engine::{Explanation, Fact, NoValue, OnDay, Part, Settings, account_columns};
use mainstay_model::{Day, Value};
use mainstay_testkit::history;
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use crate::laws::{self, FAR};
use crate::oracle;
use crate::pipeline::{self, Said};

pub(crate) fn trials() -> Vec<Trial> {
    crate::trials!("explain": [
        what_is_explained_is_what_was_told_and_adds_up,
        a_day_is_explained_as_it_was_told_however_much_came_after_it,
        a_day_without_values_says_why,
    ])
}

fn what_is_explained_is_what_was_told_and_adds_up() {
    let settings = prop_oneof![Just(history::settings()), oracle::settings()];
    let drawn = (settings, laws::steps(150), any::<u64>());
    laws::hold("explain", 64, drawn, |(settings, steps, seed)| {
        let lines = laws::lines(&steps, FAR);
        let asked = Asked::of(settings, &lines);
        let (said, _) = pipeline::replay(asked.plan(), &lines, 1);
        let accounts = Said {
            daily: said.daily.clone(),
            ..Said::default()
        };
        let accounts = accounts.finals();
        for place in 0..accounts.len().min(3) {
            let place = (seed as usize + place * 7919) % accounts.len();
            let Some((whose, date)) = accounts.keys().nth(place) else {
                continue;
            };
            let account = whose.trim_end_matches('/');
            let day: Day = date.parse().expect("a record has a date");
            let answer = asked.answer(account, Some(day));
            let Answer::Explained(told) = answer else {
                return Err(TestCaseError::fail(format!("{date}: {answer:?}")));
            };
            is_what_was_told(&told, &newest(&said, account, date))?;
            told.iter().try_for_each(|one| adds_up(one, &told))?;
        }
        Ok(())
    });
}

/// What was said last of an account on a day.
fn newest(said: &Said, account: &str, date: &str) -> serde_json::Value {
    let records = said.daily.iter().rev().map(|line| pipeline::json(line));
    let mut records =
        records.filter(|record| record["account_id"] == account && record["date"] == date);
    records.next().expect("what is final was said")
}

/// Questions about a file.
struct Asked {
    settings: Settings,
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Asked {
    fn of(settings: Settings, lines: &[String]) -> Asked {
        let folder = tempfile::tempdir().expect("the system has room for a small file");
        let path = folder.path().join("history.jsonl");
        pipeline::write_lines(&path, lines);
        Asked {
            settings,
            path,
            _folder: folder,
        }
    }

    fn plan(&self) -> mainstay::shard::Plan {
        pipeline::plan(self.settings.clone(), Target::Files)
    }

    /// Why every value of an account is what it is.
    fn answer(&self, account: &str, day: Option<Day>) -> Answer {
        let replay = pipeline::replay_of(self.plan(), vec![vec![self.path.clone()]], 1);
        let question = Question {
            account: account.to_owned(),
            places: (0..account_columns(&self.settings).len()).collect(),
            day,
        };
        let told = replay.explain(question, &mut |_| {});
        told.unwrap_or_else(|err| panic!("{err}")).0
    }
}

fn is_what_was_told(told: &[Explanation], record: &serde_json::Value) -> TestCaseResult {
    for one in told {
        let of = match &one.column.feature {
            None => &record["metrics"],
            Some(feature) => &record["features"][&**feature],
        };
        prop_assert_eq!(&json(&one.value), &of[one.column.field()], "{:?}", one);
    }
    Ok(())
}

fn json(value: &Value) -> serde_json::Value {
    let mut bytes = Vec::new();
    mainstay_codec::records::value(&mut bytes, value);
    pipeline::json(&bytes)
}

fn adds_up(one: &Explanation, all: &[Explanation]) -> TestCaseResult {
    let value = number(&one.value);
    let users = one.users.len() as f64;
    let days: f64 = one.days.iter().map(amount).sum();
    match one.column.info.id {
        "dau" | "wau" | "mau" | "breadth" | "known_users" | "dormant_users" => {
            prop_assert_eq!(value, Some(users), "{:?}", one);
        }
        id if counts_users(id) && value.is_some() => {
            prop_assert_eq!(value, Some(users), "{:?}", one);
        }
        "active_days_30d" => prop_assert_eq!(value, Some(one.days.len() as f64), "{:?}", one),
        id if is_sum(id) => {
            prop_assert_eq!(value, Some(days), "{:?}", one);
            if let Some(rest) = one.without_user.as_ref().and_then(number) {
                let users: f64 = one.users.iter().map(|user| part(&user.parts, 0)).sum();
                prop_assert_eq!(users + rest, days, "{:?}", one);
                let days = one.users.iter().flat_map(|user| &user.days).map(amount);
                prop_assert_eq!(days.sum::<f64>(), users, "{:?}", one);
            }
        }
        id if is_quotient(id) && !one.parts.is_empty() && one.deed.is_some() => {
            divides(one, value)?;
        }
        "active_days_histogram" | "sessions_per_user_median" => {
            let times: u64 = one.table.iter().map(|(_, times)| times).sum();
            prop_assert_eq!(times as f64, users, "{:?}", one);
        }
        "champion_share" => {
            let deeds = |user: &mainstay_engine::ByUser| user.days.iter().map(amount).sum::<f64>();
            let all: f64 = one.users.iter().map(deeds).sum();
            let most = one.users.iter().map(deeds).fold(0.0, f64::max);
            prop_assert_eq!(value, (all > 0.0).then(|| most / all), "{:?}", one);
        }
        "activated" if value.is_some() => {
            prop_assert_eq!(value, Some(users.min(1.0)), "{:?}", one);
        }
        "time_to_value" | "feature_time_to_adopt" => {
            let times: u64 = one.table.iter().map(|(_, times)| times).sum();
            prop_assert_eq!(times as f64, users, "{:?}", one);
        }
        _ => {}
    }
    names_tell_the_truth(one, all)
}

fn counts_users(id: &str) -> bool {
    let kinds = ["new_", "returning_", "resurrected_", "lapsed_", "users_"];
    kinds.iter().any(|kind| id.starts_with(kind)) && !id.starts_with("users_per")
        || id.starts_with("feature_users_")
        || ["engaged_users_7d", "feature_adopted_users"].contains(&id)
}

fn is_sum(id: &str) -> bool {
    let is = |kind: &str| {
        id.strip_prefix(kind)
            .is_some_and(|rest| rest.ends_with('d'))
    };
    let windows = ["sessions_1d", "sessions_7d", "sessions_30d"];
    windows.contains(&id) || is("time_in_product_") || is("events_") || is("feature_events_")
}

/// Quotients to which users add up, on both sides.
fn is_quotient(id: &str) -> bool {
    let others = [
        "stickiness",
        "stickiness_wau",
        "stickiness_mean",
        "breadth_ratio",
        "activation_rate",
        "sessions_per_user_mean",
        "sessions_per_user_day",
        "key_actions_per_session",
        "feature_share",
    ];
    others.contains(&id) || id.starts_with("retention_")
}

fn divides(one: &Explanation, value: Option<f64>) -> TestCaseResult {
    let (a, b) = (part(&one.parts, 0), part(&one.parts, 1));
    prop_assert_eq!(value, (b != 0.0).then(|| a / b), "{:?}", one);
    for (place, whole) in [a, b].into_iter().enumerate() {
        let users = one.users.iter().map(|user| part(&user.parts, place));
        prop_assert_eq!(users.sum::<f64>(), whole, "{:?}", one);
    }
    Ok(())
}

/// A part that is called as a metric is worth what the metric is.
fn names_tell_the_truth(one: &Explanation, all: &[Explanation]) -> TestCaseResult {
    let by_id: BTreeMap<&str, &Value> = all
        .iter()
        .filter(|other| {
            other.column.feature.is_none() || other.column.feature == one.column.feature
        })
        .map(|other| (other.column.info.id, &other.value))
        .collect();
    for part in &one.parts {
        if let (Some(value), Fact::Value(fact)) = (by_id.get(&*part.name), &part.fact) {
            prop_assert_eq!(number(value), number(fact), "{:?}", one);
        }
    }
    Ok(())
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Count(n) => Some(*n as f64),
        Value::Ratio(ratio) => Some(*ratio),
        Value::Seconds(ms) => Some(*ms as f64),
        Value::Undefined | Value::List(_) | Value::Day(_) | Value::Name(_) => None,
    }
}

fn amount(on: &OnDay) -> f64 {
    number(&on.amount).unwrap_or(f64::NAN)
}

fn part(parts: &[Part], place: usize) -> f64 {
    match parts.get(place).map(|part| &part.fact) {
        Some(Fact::Value(value)) => number(value).unwrap_or(f64::NAN),
        Some(Fact::At(_) | Fact::User(_)) | None => f64::NAN,
    }
}

fn event(id: usize, user: Option<&str>, time: &str) -> String {
    let user = user.map_or(String::new(), |user| format!(r#""user_id":"{user}","#));
    format!(
        r#"{{"id":"{id}","type":"product.event","account_id":"acme",{user}"time":"{time}","data":{{"name":"looked"}}}}"#
    )
}

/// Each told with the days that make it so.
fn of<'a>(told: &'a [Explanation], name: &str) -> &'a Explanation {
    let found = told.iter().find(|one| one.column.name() == name);
    found.unwrap_or_else(|| panic!("{name} is told"))
}

fn a_day_is_explained_as_it_was_told_however_much_came_after_it() {
    let mut lines = vec![
        event(0, Some("ada"), "2026-03-01T09:00:00Z"),
        event(1, Some("ada"), "2026-03-03T09:00:00Z"),
        event(2, Some("bob"), "2026-03-03T10:00:00Z"),
        event(3, None, "2026-03-03T11:00:00Z"),
    ];
    let early = lines.clone();
    // A year of silence, in which everything is forgotten, and one more event.
    lines.push(event(4, Some("cyd"), "2027-03-03T10:00:00Z"));
    let day = "2026-03-03".parse().expect("a date");
    let answers = [early, lines].map(|lines| {
        let asked = Asked::of(Settings::default(), &lines);
        asked.answer("acme", Some(day))
    });
    assert_eq!(answers[0], answers[1]);
    let Answer::Explained(told) = &answers[0] else {
        panic!("{:?}", answers[0]);
    };
    let mau = of(told, "mau");
    assert_eq!(mau.value, Value::Count(2));
    let ids: Vec<&str> = mau.users.iter().map(|user| &*user.id).collect();
    assert_eq!(ids, ["ada", "bob"]);
    let days: Vec<String> = mau.users[0]
        .days
        .iter()
        .map(|on| on.day.to_string())
        .collect();
    assert_eq!(days, ["2026-03-01", "2026-03-03"]);
    let events = of(told, "events_1d");
    assert_eq!(
        (&events.value, &events.without_user),
        (&Value::Count(3), &Some(Value::Count(1)))
    );
}

fn a_day_without_values_says_why() {
    let lines = [
        event(0, Some("ada"), "2026-03-02T09:00:00Z"),
        event(1, Some("ada"), "2026-03-05T09:00:00Z"),
    ];
    let asked = Asked::of(Settings::default(), &lines);
    let day = |text: &str| text.parse::<Day>().expect("a date");
    let (first, closed) = (day("2026-03-02"), day("2026-03-05"));
    for (at, why) in [
        (day("2026-03-01"), NoValue::NotYet { first }),
        (day("2026-03-06"), NoValue::NotClosed { closed }),
    ] {
        assert_eq!(asked.answer("acme", Some(at)), Answer::NoValue(at, why));
    }
    let nobody = Answer::NoAccount(vec!["acme".to_owned()]);
    assert_eq!(asked.answer("acne", None), nobody);
    assert!(matches!(asked.answer("acme", None), Answer::Explained(told) if told[0].day == closed));
}
