//! The ledger of the engine against laws, and against the slow oracle, on random histories of billing.
//!
//! Histories are small and crowded: few subscriptions, times on a coarse grid, so that ends touch starts,
//! states share a time, and days with a new rate meet changes.

#![allow(clippy::unwrap_used, reason = "the helpers of a test fail it")]

use std::collections::BTreeMap;

use mainstay_codec::{Format, Limits};
use mainstay_engine::ledger::{
    Balance, ChurnAt, Days, Discounts, FreeAfterPaid, Kind, Ledger, Life, Movement, Passive,
    Paused, Policy, Rates, Rules, State, Tell,
};
use mainstay_model::{Body, Currency, Day, Decimal, Timestamp, Zone};
use mainstay_testkit::oracle::mrr::{self, Moved, Terms, Told};
use proptest::option::{of as maybe, weighted};
use proptest::prelude::*;
use serde_json::{Value, json};

/// What is known of an account, and how it is looked at.
#[derive(Clone, Debug)]
struct History {
    told: Vec<Told>,
    terms: Terms,
    until: Timestamp,
}

/// 2026-01-01.
const FIRST_DAY: i32 = 20_454;
const HALF_DAY_MS: i64 = 43_200_000;

/// An instant, in half days since the first day.
fn instant(half_days: i64) -> Timestamp {
    Timestamp(i64::from(FIRST_DAY) * 2 * HALF_DAY_MS + half_days * HALF_DAY_MS)
}

fn text(half_days: i64) -> Value {
    json!(instant(half_days).to_string())
}

fn history() -> impl Strategy<Value = History> {
    let states = prop::collection::vec(state(), 1..9);
    let until = prop_oneof![1 => 0..260_i64, 3 => Just(260)];
    (states, terms(), until).prop_map(|(states, terms, until)| {
        let told = |(place, (time, mut data)): (usize, (i64, Value))| {
            // One subscription, one currency.
            let currency = match data["subscription_id"].as_str() {
                Some("a") => "USD",
                Some("b") => "EUR",
                _ => "JPY",
            };
            data["currency"] = json!(currency);
            Told {
                id: format!("e{place}"),
                time: instant(time),
                data,
                open: Timestamp::MIN,
            }
        };
        History {
            told: states.into_iter().enumerate().map(told).collect(),
            terms,
            until: instant(until),
        }
    })
}

fn state() -> impl Strategy<Value = (i64, Value)> {
    let status = prop_oneof![
        6 => Just("active"),
        2 => Just("canceled"),
        1 => Just("trialing"),
        2 => Just("past_due"),
        1 => Just("unpaid"),
        1 => Just("paused"),
        1 => Just("incomplete"),
    ];
    let plans = (
        weighted(0.1, 0..100_i64),
        weighted(0.1, 60..220_i64),
        weighted(0.1, 0..200_i64),
        weighted(0.2, 0..200_i64),
        weighted(0.1, 0..4_i64),
    );
    let bought = (
        prop::collection::vec(item(), 1..3),
        prop::collection::vec(discount(), 0..3),
    );
    (
        prop::sample::select(&["a", "a", "b", "c"]),
        0..160_i64,
        status,
        plans,
        bought,
        any::<bool>(),
    )
        .prop_map(|(name, time, status, plans, (items, discounts), failed)| {
            let (start, cancel, request, end, version) = plans;
            let mut data = json!({
                "subscription_id": name,
                "status": status,
                "items": items,
                "discounts": discounts,
                "started_at": text(start.unwrap_or(0)),
                "cancel_at": cancel.map(text),
                "cancel_requested_at": request.map(text),
                "version": version,
            });
            if status == "canceled" {
                data["ended_at"] = end.map_or(Value::Null, text);
                data["cancel_reason"] = json!(if failed { "payment_failed" } else { "price" });
            }
            (time, data)
        })
}

fn item() -> impl Strategy<Value = Value> {
    let price = prop_oneof![
        (0..3000_i64).prop_map(|unit| json!({ "unit_amount_minor": unit })),
        Just(json!({ "unit_amount_minor": "0.125" })),
        (prop::sample::select(&["graduated", "volume"]), 0..500_i64).prop_map(|(mode, flat)| {
            json!({ "tiers_mode": mode, "tiers": [
                { "up_to": 5, "unit_amount_minor": 700, "flat_amount_minor": flat },
                { "up_to": 10, "unit_amount_minor": "599.9" },
                { "up_to": null, "unit_amount_minor": 500, "flat_amount_minor": 100 },
            ] })
        }),
    ];
    let interval = prop::sample::select(&["day", "week", "month", "month", "year", "year", "none"]);
    let packages = maybe((1..4_i64, prop::sample::select(&["up", "down"])));
    (
        price,
        prop::sample::select(&["p", "q"]),
        0..15_i64,
        interval,
        1..4_i64,
        packages,
        0..8,
    )
        .prop_map(
            |(mut item, price_id, quantity, interval, count, packages, metered)| {
                item["price_id"] = json!(price_id);
                item["quantity"] = json!(quantity);
                item["interval"] = json!(interval);
                item["interval_count"] = json!(count);
                item["divide_by"] = json!(packages.map(|(size, _)| size));
                item["round"] = json!(packages.map(|(_, round)| round));
                item["usage_type"] = json!(if metered == 0 { "metered" } else { "licensed" });
                item
            },
        )
}

fn discount() -> impl Strategy<Value = Value> {
    let off = prop_oneof![
        prop::sample::select(&[0.0, 10.0, 12.5, 33.33, 100.0])
            .prop_map(|share| json!({ "percent_off": share })),
        (0..4000_i64).prop_map(|amount| json!({ "amount_off_minor": amount })),
    ];
    let duration = prop::sample::select(&["once", "repeating", "forever"]);
    let dates = (maybe(0..200_i64), maybe(0..200_i64));
    let price = weighted(0.3, prop::sample::select(&["p", "q", "r"]));
    (off, duration, dates, price).prop_map(|(mut discount, duration, (start, end), price)| {
        discount["duration"] = json!(duration);
        discount["starts_at"] = start.map_or(Value::Null, text);
        discount["ends_at"] = end.map_or(Value::Null, text);
        discount["price_id"] = json!(price);
        discount
    })
}

fn terms() -> impl Strategy<Value = Terms> {
    let rate = |of: &'static str, rates: &'static [&'static str]| {
        let dated = (0..120_i32, prop::sample::select(rates));
        prop::collection::vec(dated, 0..4).prop_map(move |dated| {
            let currency = Currency::of(of).unwrap();
            let first = [(-10, rates[0])].into_iter();
            let dated = first.chain(dated).collect::<BTreeMap<_, _>>();
            let dated = dated
                .into_iter()
                .map(move |(day, rate)| (currency, Day(FIRST_DAY + day), rate.to_owned()));
            dated.collect::<Vec<_>>()
        })
    };
    let rates = (
        rate("EUR", &["1.1", "1.2", "1.10", "0.999"]),
        rate("JPY", &["0.0067", "0.0066666", "0.01"]),
    );
    let zone = prop::sample::select(&["UTC", "Asia/Tokyo", "America/Sao_Paulo"]);
    (rules(), rates, zone).prop_map(|(rules, (euro, yen), zone)| Terms {
        rules,
        currency: Currency::of("USD").unwrap(),
        rates: euro.into_iter().chain(yen).collect(),
        zone: zone.parse().unwrap(),
    })
}

fn rules() -> impl Strategy<Value = Rules> {
    let churn_at = prop_oneof![
        2 => Just(ChurnAt::ServiceEnd),
        1 => Just(ChurnAt::Cancellation),
        1 => Just(ChurnAt::Requested),
    ];
    let discounts = any::<[bool; 4]>().prop_map(|[once, repeating, yearly, forever]| Discounts {
        once,
        repeating,
        repeating_on_yearly: yearly,
        forever,
    });
    let passive =
        prop::sample::select(&[Passive::StatusOrReason, Passive::Status, Passive::Reason]);
    let paused = prop::sample::select(&[Paused::Keep, Paused::Zero]);
    let free = prop::sample::select(&[FreeAfterPaid::Customer, FreeAfterPaid::Churned]);
    let numbers = (weighted(0.3, 1..40_u8), weighted(0.3, 1..60_u16));
    (
        churn_at,
        discounts,
        any::<bool>(),
        passive,
        paused,
        free,
        numbers,
    )
        .prop_map(
            |(churn_at, discounts, metered, passive, paused, free_after_paid, numbers)| Rules {
                churn_at,
                discounts,
                metered,
                past_due_churn_days: numbers.0,
                paused,
                free_after_paid,
                reactivation_max_gap_days: numbers.1,
                passive,
            },
        )
}

/// The state as the door lets it in.
fn decoded(told: &Told) -> State {
    let record = json!({
        "id": told.id,
        "type": "subscription.updated",
        "account_id": "acc",
        "time": told.time.to_string(),
        "data": told.data,
    });
    let record = record.to_string();
    let mut state = None;
    let decoded = Format::Native.decode(record.as_bytes(), &Limits::default(), |event| {
        let Body::Subscription(of) = event.body else {
            panic!("{record} is a subscription")
        };
        state = Some(State {
            event: event.id.as_str().into(),
            source: None,
            at: event.time,
            told: of.into_owned(),
            booked_from: None,
        });
    });
    decoded.unwrap_or_else(|why| panic!("{record}: {why}"));
    state.expect("a record has one event")
}

fn rates(terms: &Terms) -> Rates {
    let mut rates = Rates::into(terms.currency);
    for (currency, day, rate) in &terms.rates {
        rates
            .set(*currency, *day, Decimal::parse(rate).unwrap())
            .unwrap();
    }
    rates
}

/// The ledger after all states have come in this order.
fn ledger(history: &History) -> Ledger {
    let rates = rates(&history.terms);
    let mut ledger = Ledger::default();
    let days = Days::of(history.terms.zone);
    let policy = policy(&history.terms, &rates, &days);
    for told in &history.told {
        ledger.take(decoded(told), &policy).unwrap();
    }
    ledger.pass(history.until, &policy);
    ledger
}

fn policy<'p>(terms: &'p Terms, rates: &'p Rates, days: &'p Days) -> Policy<'p> {
    Policy {
        rules: &terms.rules,
        rates,
        days,
    }
}

fn moved(movement: &Movement) -> Moved {
    Moved {
        at: movement.at,
        kind: movement.kind.name(),
        mrr: (movement.before, movement.after),
        gap_days: movement.gap_days,
        passive: movement.churn.as_ref().map(|churn| churn.passive),
    }
}

proptest! {
    #[test]
    fn the_ledger_says_what_the_oracle_says(history in history()) {
        let books = mrr::books(&history.told, &history.terms, history.until);
        let ledger = ledger(&history);
        let movements: Vec<Moved> = ledger.movements().iter().map(moved).collect();
        prop_assert_eq!(movements, books.movements);
        for level in books.levels {
            let found = ledger.balance_at(level.from);
            let mrr = found.map_or((0, 0), |balance| (balance.mrr, balance.gross));
            let customer = found.is_some_and(|b| matches!(b.life, Life::Customer { .. }));
            prop_assert_eq!((mrr, customer), (level.mrr, level.customer), "at {}", level.from);
        }
    }

    #[test]
    fn the_books_balance(history in history()) {
        let ledger = ledger(&history);
        let mut mrr = 0;
        let mut by_currency: BTreeMap<Currency, (i128, i128)> = BTreeMap::new();
        for movement in ledger.movements() {
            prop_assert_eq!(movement.before, mrr);
            mrr += movement.amount();
            prop_assert_eq!(movement.after, mrr);
            for share in &movement.by_currency {
                let carried = by_currency.entry(share.currency).or_default();
                prop_assert_eq!((share.original.0, share.converted.0), *carried);
                *carried = (share.original.1, share.converted.1);
            }
            prop_assert_eq!(by_currency.values().map(|carried| carried.1).sum::<i128>(), mrr);
            let amount = movement.amount();
            let right = match movement.kind {
                Kind::Expansion => amount > 0,
                // Of a trifle nothing may be left when it is rounded.
                Kind::New | Kind::Reactivation => amount >= 0,
                Kind::Contraction => amount < 0,
                Kind::Churn => amount <= 0 && movement.after == 0,
                Kind::Fx => movement.cause.name() == "fx",
            };
            prop_assert!(right, "{:?}", movement);
        }
        prop_assert_eq!(ledger.balances().last().map_or(0, |balance| balance.mrr), mrr);
    }

    #[test]
    fn customers_come_and_go_in_turn(history in history()) {
        let mut customer = false;
        for movement in ledger(&history).movements() {
            match movement.kind {
                Kind::New | Kind::Reactivation => prop_assert!(!std::mem::replace(&mut customer, true)),
                Kind::Churn => prop_assert!(std::mem::replace(&mut customer, false)),
                Kind::Expansion | Kind::Contraction => prop_assert!(customer),
                Kind::Fx => {}
            }
        }
    }

    #[test]
    fn any_order_of_arrival_gives_the_same_books(
        (history, shuffled) in history().prop_flat_map(|history| {
            let shuffled = Just(history.told.clone()).prop_shuffle();
            (Just(history), shuffled)
        }),
        pauses in prop::collection::vec(maybe(0..260_i64), 9),
    ) {
        let in_order = ledger(&history);
        let rates = rates(&history.terms);
        let days = Days::of(history.terms.zone);
        let policy = policy(&history.terms, &rates, &days);
        let mut other = Ledger::default();
        let mut heard: BTreeMap<String, Movement> = BTreeMap::new();
        // What a reader of the topic has in the end, who takes the last of each id.
        let mut hear = |tells: Vec<Tell>| {
            for tell in tells {
                match tell {
                    Tell::New(movement) => {
                        prop_assert!(heard.insert(movement.id("acc"), movement).is_none());
                    }
                    Tell::Changed(movement) => {
                        prop_assert!(heard.insert(movement.id("acc"), movement).is_some());
                    }
                    Tell::Withdrawn(movement) => {
                        prop_assert_eq!(heard.remove(&movement.id("acc")), Some(movement));
                    }
                }
            }
            Ok(())
        };
        for (told, pause) in shuffled.iter().zip(pauses) {
            other.take(decoded(told), &policy).unwrap();
            if let Some(pause) = pause {
                hear(other.pass(instant(pause).min(history.until), &policy))?;
            }
        }
        hear(other.pass(history.until, &policy))?;
        prop_assert_eq!(other.movements(), in_order.movements());
        let balances = |ledger: &Ledger| -> Vec<Balance> { ledger.balances().to_vec() };
        prop_assert_eq!(balances(&other), balances(&in_order));
        let mut heard: Vec<Movement> = heard.into_values().collect();
        heard.sort_by_key(|movement| (movement.at, movement.kind != Kind::Fx));
        prop_assert_eq!(&heard[..], in_order.movements());
    }
}

#[test]
fn the_first_day_is_new_year() {
    let zone = Zone::UTC;
    assert_eq!(
        zone.day_of(instant(0)),
        "2026-01-01".parse::<Day>().unwrap()
    );
}
