//! What can be relied on in a company.

use std::collections::BTreeMap;

use mainstay_codec::Format;
use mainstay_engine::ledger::{Days, Ledger, Policy, State};
use mainstay_model::{Body, Code, Day, Event};
use serde_json::{Value, json};

use super::*;
use crate::oracle::{Fate, Oracle, Truth};

fn small() -> Plan {
    Plan {
        accounts: 40,
        users: 400,
        ..Plan::default()
    }
}

fn days(plan: &Plan, days: i64) -> impl Iterator<Item = Record> + use<> {
    let end = plan.begin.plus_ms(days * 24 * HOUR_MS);
    Company::new(plan.clone()).take_while(move |record| record.arrival < end)
}

#[test]
fn a_plan_is_one_stream_and_another_seed_is_another() {
    let stream = |seed| -> Vec<Record> {
        let plan = Plan { seed, ..small() };
        Company::new(plan).take(2000).collect()
    };
    assert_eq!(stream(3), stream(3));
    assert_ne!(stream(3), stream(4));
}

#[test]
fn records_come_in_the_order_of_their_arrival() {
    let plan = small();
    let arrivals: Vec<_> = days(&plan, 4).map(|record| record.arrival).collect();
    assert!(arrivals.len() > 2000, "{}", arrivals.len());
    assert!(arrivals.is_sorted());
    assert!(arrivals[0] >= plan.begin);
}

#[test]
fn every_fault_comes_in_its_share() {
    let mut fates: BTreeMap<String, u64> = BTreeMap::new();
    let mut oracle = Oracle::new(settings());
    let mut all = 0;
    for record in days(&small(), 20) {
        let fate = oracle.take(&record.value, Some(record.arrival));
        *fates.entry(format!("{fate:?}")).or_default() += 1;
        all += 1;
    }
    let share =
        |fate: Fate| fates.get(&format!("{fate:?}")).copied().unwrap_or(0) * 1_000_000 / all;
    assert!(
        (3_000..8_000).contains(&share(Fate::Duplicate)),
        "{fates:?}"
    );
    for code in [
        Code::Conflict,
        Code::TooLate,
        Code::FutureTime,
        Code::NotJson,
        Code::BadField,
    ] {
        assert!(
            (50..2_000).contains(&share(Fate::Refused(code))),
            "{code}: {fates:?}"
        );
    }
    assert!(share(Fate::Applied) > 980_000, "{fates:?}");
}

#[test]
fn product_events_have_about_300_bytes() {
    let used = days(&small(), 3).filter(|record| record.topic == "product");
    let lengths: Vec<usize> = used.map(|record| record.value.len()).collect();
    let mean = lengths.iter().sum::<usize>() / lengths.len();
    assert!((280..360).contains(&mean), "{mean}");
}

#[test]
fn what_is_paid_changes_nothing_else() {
    let billed = Plan {
        billing: true,
        ..small()
    };
    let of = |plan: &Plan| -> Vec<Record> {
        days(plan, 12)
            .filter(|record| record.topic != "billing")
            .collect()
    };
    assert_eq!(of(&billed), of(&small()));
}

fn policy<'p>(settings: &'p Settings, days: &'p Days) -> Policy<'p> {
    Policy {
        rules: &settings.revenue.rules,
        rates: &settings.revenue.rates,
        days,
    }
}

#[test]
fn every_bill_is_one_that_the_ledger_takes_and_books_move_in_every_way() {
    let plan = Plan {
        billing: true,
        ..small()
    };
    let settings = settings();
    let limits = mainstay_codec::Limits::default();
    let mut ledgers: BTreeMap<String, (Ledger, Days)> = BTreeMap::new();
    for story in Company::new(plan.clone()).stories() {
        ledgers.insert(story.account, (Ledger::default(), Days::of(story.zone)));
    }
    for record in days(&plan, 45).filter(|record| record.topic == "billing") {
        let mut take = |event: Event<'_>| {
            let Body::Subscription(told) = event.body else {
                panic!("{} is no subscription", event.id.as_str());
            };
            let (ledger, days) = ledgers.get_mut(event.account.as_str()).unwrap();
            let state = State {
                event: event.id.as_str().into(),
                source: None,
                at: event.time,
                told: told.into_owned(),
                booked_from: None,
            };
            ledger.take(state, &policy(&settings, days)).unwrap();
        };
        let decoded = Format::Native.decode(&record.value, &limits, &mut take);
        assert_eq!(decoded.unwrap().0, 0, "a field that nobody reads");
    }
    let mut seen: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    for (ledger, days) in ledgers.values_mut() {
        ledger.pass(
            plan.begin.plus_ms(45 * 24 * HOUR_MS),
            &policy(&settings, days),
        );
        for movement in ledger.movements() {
            let kind = (movement.kind.name(), movement.cause.name());
            *seen.entry(kind).or_default() += 1;
        }
    }
    for kind in [
        ("new", "start"),
        ("expansion", "quantity"),
        ("expansion", "plan"),
        ("contraction", "quantity"),
        ("churn", "cancel"),
        ("churn", "payment_failed"),
        ("reactivation", "start"),
        ("fx", "fx"),
    ] {
        assert!(seen.contains_key(&kind), "no {kind:?} in {seen:?}");
    }
}

#[test]
fn the_users_of_all_accounts_are_those_of_the_plan() {
    for (accounts, users) in [(200, 10_000), (1, 1), (7, 100), (2_000, 60_000)] {
        let plan = Plan {
            accounts,
            users,
            ..Plan::default()
        };
        let stories = Company::new(plan).stories();
        assert_eq!(stories.len() as u32, accounts);
        assert_eq!(stories.iter().map(|story| story.users).sum::<u32>(), users);
    }
}

#[test]
fn the_truth_is_what_the_stories_tell() {
    let plan = small();
    let company = Company::new(plan.clone());
    let mut oracle = Oracle::new(settings());
    for record in days(&plan, 34) {
        oracle.take(&record.value, Some(record.arrival));
    }
    let truth = oracle.truth();
    let mut told = 0;
    for story in company.stories() {
        told += u32::from(story.users >= 5 && holds(&story, &truth));
    }
    assert!(
        told >= 6,
        "only {told} stories could be told from the numbers"
    );
}

/// Whether the numbers show the turn of a story; panics when they contradict it.
fn holds(story: &Story, truth: &Truth) -> bool {
    let Some(turn) = story.date else { return false };
    let number = |day: Day, id: &str| {
        let value = truth.value(&story.account, day, id);
        value.map(|value| value.as_i64().unwrap_or_default())
    };
    match story.fortune {
        Fortune::GoesSilent { .. } => {
            assert_eq!(number(turn.plus(2), "dau"), Some(0), "{story}");
            assert!(number(turn.minus(1), "wau") > Some(0), "{story}");
        }
        Fortune::Leaves { .. } => {
            assert!(number(turn, "mau") > Some(0), "{story}");
            assert_eq!(number(turn.plus(1), "mau"), None, "{story}");
        }
        Fortune::Arrives { .. } => {
            assert_eq!(number(turn.minus(1), "mau"), None, "{story}");
            assert_eq!(number(turn, "account_age_days"), Some(0), "{story}");
        }
        Fortune::Grows { .. } => {
            let before = number(turn.minus(14), "known_users");
            assert!(number(turn, "known_users") > before, "{story}");
        }
        Fortune::Fades { .. } => {
            let before = number(turn.minus(14), "events_7d");
            assert!(number(turn.plus(2), "events_7d") < before, "{story}");
        }
        Fortune::Steady | Fortune::WorksAtNight => return false,
    }
    true
}

#[test]
fn a_story_can_be_read() {
    let story = Story {
        account: "acc_0001".to_owned(),
        name: "Amber Labs".to_owned(),
        zone: "Asia/Tokyo".parse().unwrap(),
        users: 12,
        fortune: Fortune::GoesSilent { on: 9 },
        date: Some("2026-03-10".parse().unwrap()),
    };
    assert_eq!(
        story.to_string(),
        "Amber Labs (12 users, Asia/Tokyo) goes silent on 2026-03-10"
    );
}

#[test]
fn an_account_tells_its_zone_before_all_else() {
    let first = Company::new(small()).next().unwrap();
    let event: Value = serde_json::from_slice(&first.value).unwrap();
    assert_eq!(event["type"], json!("account.created"));
    assert!(event["data"]["tz"].is_string());
}
