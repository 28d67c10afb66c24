//! What groups are told of recurring revenue in a window: the worked examples of rates, and who counts where.

use mainstay_engine::Revenue;
use mainstay_engine::ledger::Rates;
use mainstay_model::{Currency, Decimal};

use super::*;

const FLEET: (&str, &str) = ("all", "all");

impl Lines {
    /// From a time on, an account's only subscription costs so much a month.
    fn pays(&mut self, account: &str, time: &str, minor: i64) -> &mut Lines {
        self.pays_in(account, time, minor, "USD")
    }

    fn pays_in(&mut self, account: &str, time: &str, minor: i64, currency: &str) -> &mut Lines {
        self.billed(account, time, minor, json!({"currency": currency}))
    }

    /// A customer leaves, in the billing system's words.
    fn leaves(&mut self, account: &str, time: &str, reason: &str) -> &mut Lines {
        let more = json!({"status": "canceled", "cancel_reason": reason});
        self.billed(account, time, 0, more)
    }

    fn billed(&mut self, account: &str, time: &str, minor: i64, more: Value) -> &mut Lines {
        let item = json!({"price_id": "p", "unit_amount_minor": minor, "quantity": 1,
            "interval": "month"});
        let mut data = json!({"subscription_id": "main", "currency": "USD", "status": "active",
            "items": [item], "started_at": time});
        let more = more.as_object().into_iter().flatten();
        more.for_each(|(field, value)| data[field] = value.clone());
        self.event_of(account, time, "subscription.updated", None, data)
    }

    fn deleted(&mut self, account: &str, time: &str) -> &mut Lines {
        self.event_of(account, time, "account.deleted", None, json!({}))
    }

    /// Somebody uses the product, so that days up to this one are told.
    fn until(&mut self, time: &str) -> &mut Lines {
        self.used_in("onlooker", time, "ada")
    }
}

/// Dollars for an euro: 1.1, and 2 since the tenth of March.
fn rates() -> Settings {
    let currency = |code| Currency::of(code).unwrap();
    let mut rates = Rates::into(currency("USD"));
    for (date, rate) in [("2026-01-01", "1.1"), ("2026-03-10", "2")] {
        let rate = Decimal::parse(rate).unwrap();
        rates.set(currency("EUR"), day(date), rate).unwrap();
    }
    Settings {
        revenue: Revenue {
            rates,
            ..Revenue::default()
        },
        ..Settings::default()
    }
}

fn by_plan() -> Settings {
    Settings {
        segments: vec!["plan".to_owned()],
        ..rates()
    }
}

/// Ids of windows are given without one, and hold for both.
#[track_caller]
fn both_say(truth: &Truth, group: (&str, &str), date: &str, expected: &[(&str, Value)]) {
    for (id, expected) in expected {
        for window in ["30d", "mtd"] {
            let id = format!("{id}_{window}");
            let told = truth.value_of_group(group, day(date), &id);
            assert_eq!(told, Some(expected), "{id} of {group:?} on {date}");
        }
    }
}

#[test]
fn ten_thousand_and_five_more_and_two_less_is_an_nrr_of_1_3_and_a_grr_of_0_8() {
    let mut lines = Lines::default();
    lines.pays("acme", "2026-02-10T12:00:00Z", 6000);
    lines.pays("beta", "2026-02-10T12:00:00Z", 4000);
    lines.pays("acme", "2026-03-05T12:00:00Z", 11_000);
    lines.pays("beta", "2026-03-06T12:00:00Z", 2000);
    // One who is won meanwhile counts in neither.
    lines.pays("cyan", "2026-03-07T12:00:00Z", 500);
    lines.until("2026-04-01T12:00:00Z");
    let truth = lines.truth_with(&rates());
    let expected = [
        ("nrr", json!(1.3)),
        ("grr", json!(0.8)),
        ("expansion_rate", json!(0.5)),
        ("revenue_churn_rate", json!(0.2)),
        ("revenue_churn_rate_churn_only", json!(0.0)),
        ("net_mrr_churn_rate", json!(-0.3)),
        ("quick_ratio", json!(2.75)),
        ("retention_rate", json!(1.0)),
    ];
    both_say(&truth, FLEET, "2026-03-20", &expected);
    let mtd = |id| truth.value_of_group(FLEET, day("2026-04-01"), id);
    assert_eq!(mtd("nrr_mtd"), Some(&json!(1.0)));
    assert_eq!(mtd("quick_ratio_mtd"), Some(&Value::Null));
}

#[test]
fn one_customer_of_twenty_with_a_fiftieth_of_the_revenue_is_lost() {
    let mut lines = Lines::default();
    let others = (0..18).map(|n| (format!("account {n}"), 200));
    let two = [("acme".to_owned(), 80), ("beta".to_owned(), 320)];
    for (account, minor) in others.chain(two) {
        lines.pays(&account, "2026-01-10T12:00:00Z", minor);
    }
    lines.leaves("acme", "2026-03-05T12:00:00Z", "price");
    lines.until("2026-03-20T12:00:00Z");
    let truth = lines.truth_with(&rates());
    let expected = [
        ("customer_churn_rate", json!(0.05)),
        ("net_customer_churn_rate", json!(0.05)),
        ("retention_rate", json!(0.95)),
        ("revenue_churn_rate", json!(0.02)),
        ("revenue_churn_rate_churn_only", json!(0.02)),
        ("grr", json!(0.98)),
    ];
    both_say(&truth, FLEET, "2026-03-20", &expected);
}

#[test]
fn what_a_hundred_customers_pay_is_shared_by_them_and_by_all_users() {
    let mut lines = Lines::default();
    for n in 0..100 {
        let account = format!("account {n}");
        lines.pays(&account, "2026-03-01T12:00:00Z", 30);
        if n < 48 {
            lines.used_in(&account, "2026-03-01T13:00:00Z", "ada");
        }
    }
    lines.pays("account 0", "2026-03-02T12:00:00Z", 80);
    let truth = lines.truth_with(&rates());
    let say = |date, id| truth.value_of_group(FLEET, day(date), id).cloned();
    assert_eq!(say("2026-03-01", "arpa"), Some(json!(30)));
    // 62.5, and 30.5 of the day after: the even one of two as near.
    assert_eq!(say("2026-03-01", "arpu"), Some(json!(62)));
    assert_eq!(say("2026-03-02", "arpa"), Some(json!(30)));
    let nobody = Lines::default()
        .created("acme", "2026-03-01T12:00:00Z", json!({}))
        .truth();
    for id in ["arpa", "arpu"] {
        let told = nobody.value_of_group(FLEET, day("2026-03-01"), id);
        assert_eq!(told, Some(&Value::Null), "{id}");
    }
}

#[test]
fn who_moves_and_then_leaves_counts_in_the_segment_of_the_start() {
    let mut lines = Lines::default();
    lines.created("acme", "2026-01-10T08:00:00Z", json!({"plan": "pro"}));
    lines.pays("acme", "2026-01-10T12:00:00Z", 500);
    lines.updated("acme", "2026-03-05T12:00:00Z", json!({"plan": "lite"}));
    lines.leaves("acme", "2026-03-08T12:00:00Z", "price");
    lines.until("2026-03-20T12:00:00Z");
    let truth = lines.truth_with(&by_plan());
    let of_the_start = [
        ("customer_churn_rate", json!(1.0)),
        ("customer_churn_rate_active", json!(1.0)),
        ("retention_rate", json!(0.0)),
        ("grr", json!(0.0)),
        ("nrr", json!(0.0)),
        // The flow is of where it was by then.
        ("revenue_churn_rate", json!(0.0)),
        ("net_customer_churn_rate", json!(0.0)),
    ];
    both_say(&truth, ("plan", "pro"), "2026-03-20", &of_the_start);
    let of_the_end = [
        "customer_churn_rate",
        "retention_rate",
        "nrr",
        "revenue_churn_rate",
    ];
    let of_the_end = of_the_end.map(|id| (id, Value::Null));
    both_say(&truth, ("plan", "lite"), "2026-03-20", &of_the_end);
    let churned = [("customers_churned", json!(1)), ("mrr_churn", json!(500))];
    both_say(&truth, ("plan", "lite"), "2026-03-20", &churned);
    let arpa = truth.value_of_group(("plan", "pro"), day("2026-03-20"), "arpa");
    assert_eq!(arpa, Some(&Value::Null));
}

#[test]
fn who_is_deleted_as_a_customer_is_left_out_of_both_sides() {
    let mut lines = Lines::default();
    for (account, minor) in [("acme", 100), ("beta", 300)] {
        lines.pays(account, "2026-01-10T12:00:00Z", minor);
    }
    lines.leaves("acme", "2026-03-05T12:00:00Z", "price");
    lines.deleted("beta", "2026-03-08T12:00:00Z");
    // Who is lost already stays lost.
    lines.deleted("acme", "2026-03-11T12:00:00Z");
    lines.until("2026-03-20T12:00:00Z");
    let truth = lines.truth_with(&rates());
    // On its last day it is there.
    let expected = [("customer_churn_rate", json!(0.5)), ("nrr", json!(0.75))];
    both_say(&truth, FLEET, "2026-03-08", &expected);
    let expected = [
        ("customer_churn_rate", json!(1.0)),
        ("retention_rate", json!(0.0)),
        ("nrr", json!(0.0)),
        // Flows are over all who were there at the start.
        ("revenue_churn_rate", json!(0.25)),
        ("net_customer_churn_rate", json!(0.5)),
    ];
    both_say(&truth, FLEET, "2026-03-09", &expected);
    both_say(&truth, FLEET, "2026-03-20", &expected);
}

#[test]
fn who_is_deleted_today_is_no_longer_there_now() {
    let mut lines = Lines::default();
    for account in ["acme", "beta"] {
        lines.pays(account, "2026-01-10T12:00:00Z", 100);
    }
    lines.leaves("acme", "2026-03-08T09:00:00Z", "price");
    lines.deleted("beta", "2026-03-08T12:00:00Z");
    let truth = lines.truth_with(&rates());
    both_say(
        &truth,
        FLEET,
        "2026-03-08",
        &[("retention_rate", json!(0.5))],
    );
    let now = &truth.now[&("all".to_owned(), "all".to_owned())];
    assert_eq!(now["retention_rate_30d"], json!(0.0));
    assert_eq!(now["revenue_churn_rate_30d"], json!(0.5));
}

#[test]
fn the_last_churn_says_whether_a_customer_was_lost_actively() {
    let mut lines = Lines::default();
    for account in ["acme", "beta", "cyan", "dune"] {
        lines.pays(account, "2026-01-10T12:00:00Z", 100);
    }
    lines.leaves("acme", "2026-03-03T12:00:00Z", "payment_failed");
    lines.leaves("beta", "2026-03-03T12:00:00Z", "payment_failed");
    lines.pays("beta", "2026-03-05T12:00:00Z", 100);
    lines.leaves("beta", "2026-03-07T12:00:00Z", "price");
    // Won back: not lost at the end.
    lines.leaves("cyan", "2026-03-03T12:00:00Z", "price");
    lines.pays("cyan", "2026-03-05T12:00:00Z", 50);
    lines.until("2026-03-20T12:00:00Z");
    let truth = lines.truth_with(&rates());
    let both = [
        ("customer_churn_rate", json!(0.5)),
        ("customer_churn_rate_active", json!(0.25)),
        ("customer_churn_rate_passive", json!(0.25)),
        ("retention_rate", json!(0.5)),
        ("net_customer_churn_rate", json!(0.5)),
        ("grr", json!(0.375)),
    ];
    both_say(&truth, FLEET, "2026-03-20", &both);
    let then = [("customer_churn_rate_passive", json!(0.5))];
    both_say(&truth, FLEET, "2026-03-04", &then);
}

#[test]
fn of_two_subscriptions_that_end_at_once_the_dearer_one_tells_how() {
    for (minor, passive) in [(299, 0.0), (300, 0.0), (301, 1.0)] {
        let mut lines = Lines::default();
        lines.pays("acme", "2026-01-10T12:00:00Z", 300);
        let other = json!({"subscription_id": "other"});
        lines.billed("acme", "2026-01-10T12:00:00Z", minor, other);
        let failed = json!({"subscription_id": "other", "status": "canceled",
            "cancel_reason": "payment_failed"});
        lines.billed("acme", "2026-03-05T12:00:00Z", minor, failed);
        lines.leaves("acme", "2026-03-05T12:00:00Z", "price");
        lines.until("2026-03-20T12:00:00Z");
        let truth = lines.truth_with(&rates());
        let expected = [("customer_churn_rate_passive", json!(passive))];
        both_say(&truth, FLEET, "2026-03-20", &expected);
    }
}

#[test]
fn a_rate_of_exchange_moves_neither_nrr_nor_grr() {
    let mut lines = Lines::default();
    lines.pays_in("acme", "2026-01-10T12:00:00Z", 1005, "EUR");
    lines.pays("beta", "2026-01-10T12:00:00Z", 1000);
    lines.pays("beta", "2026-03-12T12:00:00Z", 1100);
    lines.until("2026-03-20T12:00:00Z");
    let truth = lines.truth_with(&rates());
    // 1105.5 dollars, rounded to the even side, whatever an euro is worth since.
    let start = 1106 + 1000;
    let expected = [
        ("nrr", json!(f64::from(start + 100) / f64::from(start))),
        ("grr", json!(1.0)),
        ("expansion_rate", json!(100.0 / f64::from(start))),
    ];
    both_say(&truth, FLEET, "2026-03-20", &expected);
    let told = truth.value_of_group(FLEET, day("2026-03-20"), "mrr");
    assert_eq!(told, Some(&json!(2010 + 1100)));
}

#[test]
fn a_customer_who_pays_nothing_is_one_at_the_start() {
    let mut lines = Lines::default();
    lines.created("acme", "2026-01-10T08:00:00Z", json!({"plan": "pro"}));
    lines.pays("acme", "2026-01-10T12:00:00Z", 500);
    lines.pays("acme", "2026-01-12T12:00:00Z", 0);
    lines.updated("acme", "2026-03-05T12:00:00Z", json!({"plan": "lite"}));
    lines.leaves("acme", "2026-03-08T12:00:00Z", "price");
    lines.until("2026-03-20T12:00:00Z");
    let truth = lines.truth_with(&by_plan());
    let expected = [
        ("customer_churn_rate", json!(1.0)),
        ("revenue_churn_rate", Value::Null),
        ("nrr", Value::Null),
    ];
    // Nobody is in the segment, and nothing moved: it is told for the sake of who was there.
    both_say(&truth, ("plan", "pro"), "2026-03-20", &expected);
    both_say(&truth, FLEET, "2026-03-20", &expected);
}

#[test]
fn rates_of_the_customers_of_the_start_fit_together() {
    use crate::history;
    let limits = history::Limits {
        beyond_horizon: true,
    };
    let mut lost = 0;
    for seed in 0..30 {
        let settings = history::settings_of(seed);
        let lines = history::lines(&history::steps(seed, 150), limits);
        let truth = Oracle::of_lines(settings, &lines).truth();
        for metrics in truth.groups.values().flat_map(BTreeMap::values) {
            for window in ["30d", "mtd"] {
                let told = |id: &str| metrics[&format!("{id}_{window}")].as_f64();
                let rates = ["", "_active", "_passive"];
                let rates = rates.map(|how| told(&format!("customer_churn_rate{how}")));
                if let [Some(all), Some(active), Some(passive)] = rates {
                    assert!((all - active - passive).abs() < 1e-9, "{metrics:#?}");
                    let kept = told("retention_rate").unwrap();
                    assert!((all + kept - 1.0).abs() < 1e-9, "{metrics:#?}");
                    lost += u32::from(active > 0.0) + u32::from(passive > 0.0);
                } else {
                    assert_eq!(rates, [None; 3]);
                }
                if let (Some(grr), Some(nrr)) = (told("grr"), told("nrr")) {
                    assert!((0.0..=1.0).contains(&grr) && grr <= nrr, "{metrics:#?}");
                }
            }
        }
    }
    assert!(lost > 100, "{lost}");
}
