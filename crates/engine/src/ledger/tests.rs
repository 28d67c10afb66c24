//! Named cases of the ledger: each rule of recurring revenue, from both sides.

use mainstay_model::Status::{Active, Canceled, Incomplete, PastDue, Paused, Trialing, Unpaid};
use mainstay_model::{Code, Currency, Decimal, DiscountDuration, Id, Planned, Span, Zone};

use super::story::{Story, at, item, line, off, percent, time};
use super::{ChurnAt, Days, Discounts, FreeAfterPaid, Ledger, Life, Mode, Passive, Rules, Tell};

#[test]
fn what_is_never_paid_for_is_new_once_and_more_is_expansion() {
    let mut story = Story::new();
    story.state("a", "01-15", Active, 5000);
    story.state("a", "02-15", Active, 8000);
    assert_eq!(
        story.told("04-01"),
        [
            "2026-01-15 new start 0 -> 5000 e1",
            "2026-02-15 expansion price 5000 -> 8000 e2"
        ]
    );
}

#[test]
fn a_yearly_price_that_rises_is_rounded_once_on_each_side() {
    let mut story = Story::new();
    story.state("a", "01-15", Active, 0).items = vec![item(100_000, 1, Span::Year, 1)];
    story.state("a", "02-15", Active, 0).items = vec![item(120_000, 1, Span::Year, 1)];
    let ledger = story.ledger("03-01");
    let amounts: Vec<i128> = ledger
        .movements()
        .iter()
        .map(|movement| movement.amount())
        .collect();
    assert_eq!(amounts, [8333, 1667]);
    assert_eq!(ledger.balances().last().unwrap().mrr, 10_000);
}

#[test]
fn several_subscriptions_are_added_up_before_anything_is_rounded() {
    let mut story = Story::new();
    for name in ["a", "b", "c"] {
        // 3 1/3 cents a month each.
        story.state(name, "01-15", Active, 0).items = vec![item(40, 1, Span::Year, 1)];
    }
    assert_eq!(story.told("02-01"), ["2026-01-15 new start 0 -> 10 e1"]);
}

#[test]
fn a_second_subscription_is_expansion_and_its_end_contraction() {
    let mut story = Story::new();
    story.state("a", "01-01", Active, 5000);
    story.state("b", "02-01", Active, 2000);
    story.state("a", "03-01", Canceled, 5000).ended_at = Some(time("03-01"));
    story.state("b", "04-01", Canceled, 2000).ended_at = Some(time("04-01"));
    assert_eq!(
        story.told("05-01"),
        [
            "2026-01-01 new start 0 -> 5000 e1",
            "2026-02-01 expansion start 5000 -> 7000 e2",
            "2026-03-01 contraction cancel 7000 -> 2000 e3",
            "2026-04-01 churn cancel 2000 -> 0 e4 active",
        ]
    );
}

#[test]
fn an_end_and_a_start_that_touch_are_a_switch() {
    let switch = |amount| {
        let mut story = Story::new();
        story.state("a", "01-01", Active, 5000);
        story.state("a", "03-01", Canceled, 5000).ended_at = Some(time("03-01"));
        story.state("b", "03-01", Active, amount);
        story.told("05-01").split_off(1)
    };
    assert_eq!(switch(5000), [""; 0]);
    assert_eq!(switch(7000), ["2026-03-01 expansion start 5000 -> 7000 e3"]);
    assert_eq!(
        switch(3000),
        ["2026-03-01 contraction cancel 5000 -> 3000 e2"]
    );
}

#[test]
fn a_plan_change_to_the_same_amount_is_no_movement() {
    let mut story = Story::new();
    story.state("a", "01-01", Active, 5000);
    story.state("a", "02-01", Active, 5000);
    let other = story.state("a", "03-01", Active, 5000);
    other.items[0].price_id = Id::new("other".into()).unwrap();
    assert_eq!(story.told("05-01"), ["2026-01-01 new start 0 -> 5000 e1"]);
}

#[test]
fn the_cause_is_what_changed() {
    let mut story = Story::new();
    story.state("a", "01-01", Active, 0).items = vec![item(100, 10, Span::Month, 1)];
    story.state("a", "01-02", Active, 0).items = vec![item(100, 12, Span::Month, 1)];
    story.state("a", "01-03", Active, 0).items = vec![item(90, 12, Span::Month, 1)];
    let other = story.state("a", "01-04", Active, 2000);
    other.items[0].price_id = Id::new("other".into()).unwrap();
    story.state("a", "01-05", Active, 2000).items[0].price_id = Id::new("other".into()).unwrap();
    let cheaper = story.state("a", "01-06", Active, 2000);
    cheaper.items[0].price_id = Id::new("other".into()).unwrap();
    cheaper.discounts = vec![percent("10")];
    let dearer = story.state("a", "01-07", Active, 2000);
    dearer.items[0].price_id = Id::new("other".into()).unwrap();
    dearer.discounts = vec![];
    let causes: Vec<String> = story.told("02-01");
    assert_eq!(
        causes,
        [
            "2026-01-01 new start 0 -> 1000 e1",
            "2026-01-02 expansion quantity 1000 -> 1200 e2",
            "2026-01-03 contraction price 1200 -> 1080 e3",
            "2026-01-04 expansion plan 1080 -> 2000 e4",
            "2026-01-06 contraction discount_start 2000 -> 1800 e6",
            "2026-01-07 expansion discount_end 1800 -> 2000 e7",
        ]
    );
}

#[test]
fn who_comes_back_is_reactivated_after_any_gap() {
    let mut story = Story::new();
    story.state("a", "01-01", Active, 5000);
    story.state("a", "01-31T12:00", Canceled, 5000);
    story.state("b", "2027-03-01", Active, 100);
    assert_eq!(
        story.told("2027-04-01"),
        [
            "2026-01-01 new start 0 -> 5000 e1",
            "2026-01-31T12:00:00Z churn cancel 5000 -> 0 e2 active",
            "2027-03-01 reactivation start 0 -> 100 e3 after 394 days",
        ]
    );
}

#[test]
fn a_gap_longer_than_the_longest_makes_a_new_customer() {
    let back = |day: &str| {
        let mut story = Story::with(Rules::of(Mode::Maxio));
        story.state("a", "01-01", Active, 5000);
        story.state("a", "02-01", Canceled, 5000);
        story.state("b", day, Active, 100);
        story.told("12-01").split_off(2)
    };
    assert_eq!(
        back("05-02"),
        ["2026-05-02 reactivation start 0 -> 100 e3 after 90 days"]
    );
    assert_eq!(back("05-03"), ["2026-05-03 new start 0 -> 100 e3"]);
}

#[test]
fn a_trial_is_nothing_until_a_state_says_that_it_was_taken() {
    let mut story = Story::new();
    story.state("a", "01-01", Trialing, 5000).trial_end = Some(time("01-15"));
    assert_eq!(story.told("03-01"), [""; 0]);
    assert!(story.ledger("01-10").balances().last().unwrap().in_trial);
    story.state("a", "01-15", Active, 5000);
    assert_eq!(story.told("03-01"), ["2026-01-15 new start 0 -> 5000 e2"]);
}

#[test]
fn a_free_month_of_one_who_has_paid_takes_nothing_away() {
    let mut story = Story::new();
    story.state("a", "01-01", Active, 5000);
    story.state("a", "02-01", Trialing, 5000).trial_end = Some(time("03-01"));
    story.state("a", "03-01", Active, 5000);
    assert_eq!(story.told("05-01"), ["2026-01-01 new start 0 -> 5000 e1"]);
    // Of another subscription it is a trial.
    story.state("b", "04-01", Trialing, 2000);
    assert_eq!(story.told("05-01"), ["2026-01-01 new start 0 -> 5000 e1"]);
}

#[test]
fn past_due_counts_but_not_straight_out_of_a_trial() {
    let mut story = Story::new();
    story.state("a", "01-01", Active, 5000);
    story.state("a", "02-01", PastDue, 5000);
    assert_eq!(story.told("12-01"), ["2026-01-01 new start 0 -> 5000 e1"]);
    let mut story = Story::new();
    story.state("a", "01-01", Trialing, 5000);
    story.state("a", "02-01", PastDue, 5000);
    assert_eq!(story.told("12-01"), [""; 0]);
    story.state("a", "02-03", Active, 5000);
    assert_eq!(story.told("12-01"), ["2026-02-03 new start 0 -> 5000 e3"]);
}

#[test]
fn a_trial_that_ends_unpaid_never_counts_whatever_its_status() {
    for status in [PastDue, Paused, Unpaid, Incomplete] {
        let mut story = Story::new();
        story.state("a", "01-01", Trialing, 5000);
        story.state("a", "02-01", status, 5000);
        story.state("a", "02-10", Canceled, 5000).ended_at = Some(time("03-01"));
        assert_eq!(story.told("12-01"), [""; 0], "{status:?}");
    }
}

#[test]
fn unpaid_is_over_and_passive() {
    let mut story = Story::new();
    story.state("a", "01-01", Active, 5000);
    story.state("a", "02-01", PastDue, 5000);
    story.state("a", "03-01", Unpaid, 5000);
    story.state("a", "03-10", Canceled, 5000).ended_at = Some(time("03-10"));
    assert_eq!(
        story.told("12-01").split_off(1),
        ["2026-03-01 churn payment_failed 5000 -> 0 e3 passive"]
    );
    story.state("a", "03-20", Active, 5000).ended_at = None;
    assert_eq!(
        story.told("12-01").split_off(2),
        ["2026-03-20 reactivation start 0 -> 5000 e5 after 19 days"]
    );
}

#[test]
fn past_due_for_too_long_is_over_by_itself() {
    let rules = Rules {
        past_due_churn_days: Some(30),
        ..Rules::default()
    };
    let mut story = Story::with(rules);
    story.state("a", "01-01", Active, 5000);
    story.state("a", "02-01T10:00", PastDue, 5000);
    // Another attempt does not begin the time anew.
    story.state("a", "02-08T10:00", PastDue, 5000);
    assert_eq!(story.told("03-03T09:59").len(), 1);
    assert_eq!(
        story.told("03-03T10:00").split_off(1),
        ["2026-03-03T10:00:00Z churn payment_failed 5000 -> 0 e3 passive"]
    );
    story.state("a", "03-01", Active, 5000);
    assert_eq!(story.told("12-01").len(), 1);
}

#[test]
fn churn_is_passive_when_it_owed_or_says_so_else_active() {
    let lost = |owed: bool, reason: Option<&'static str>, passive| {
        let rules = Rules {
            passive,
            ..Rules::default()
        };
        let mut story = Story::with(rules);
        story.state("a", "01-01", Active, 5000);
        story.state("a", "02-01", if owed { PastDue } else { Active }, 5000);
        let over = story.state("a", "03-01", Canceled, 5000);
        over.ended_at = Some(time("03-01"));
        over.cancel_reason = reason.map(Into::into);
        let ledger = story.ledger("04-01");
        ledger.movements()[1].churn.as_ref().unwrap().passive
    };
    let failed = Some("payment_failed");
    assert!(!lost(false, Some("too_expensive"), Passive::StatusOrReason));
    assert!(lost(true, None, Passive::StatusOrReason));
    assert!(lost(false, failed, Passive::StatusOrReason));
    assert!(!lost(false, failed, Passive::Status));
    assert!(!lost(true, None, Passive::Reason));
}

#[test]
fn paused_keeps_or_is_nothing_as_the_operator_says() {
    let paused = |paused| {
        let rules = Rules {
            paused,
            ..Rules::default()
        };
        let mut story = Story::with(rules);
        story.state("a", "01-01", Active, 5000);
        story.state("a", "02-01", Paused, 5000);
        story.state("a", "03-01", Active, 5000);
        story.told("12-01").split_off(1)
    };
    assert_eq!(paused(super::Paused::Keep), [""; 0]);
    assert_eq!(
        paused(super::Paused::Zero),
        [
            "2026-02-01 contraction paused 5000 -> 0 e2",
            "2026-03-01 expansion resumed 0 -> 5000 e3"
        ]
    );
}

#[test]
fn free_after_paid_stays_a_customer_until_the_end() {
    let mut story = Story::new();
    story.state("a", "01-01", Active, 5000);
    story.state("a", "02-01", Active, 0);
    let life = story.ledger("03-01").balances().last().unwrap().life;
    assert_eq!(
        life,
        Life::Customer {
            since: time("01-01")
        }
    );
    story.state("a", "03-01", Canceled, 0);
    assert_eq!(
        story.told("12-01").split_off(1),
        [
            "2026-02-01 contraction free 5000 -> 0 e2",
            "2026-03-01 churn cancel 0 -> 0 e3 active"
        ]
    );
}

#[test]
fn free_after_paid_may_be_churn() {
    let rules = Rules {
        free_after_paid: FreeAfterPaid::Churned,
        ..Rules::default()
    };
    let mut story = Story::with(rules);
    story.state("a", "01-01", Active, 5000);
    story.state("a", "02-01", Active, 0);
    story.state("a", "03-01", Active, 700);
    assert_eq!(
        story.told("12-01").split_off(1),
        [
            "2026-02-01 churn price 5000 -> 0 e2 active",
            "2026-03-01 reactivation price 0 -> 700 e3 after 28 days"
        ]
    );
}

#[test]
fn an_account_that_never_paid_has_no_movement() {
    let mut story = Story::new();
    story.state("a", "01-01", Active, 0);
    story.state("b", "01-01", Incomplete, 5000);
    story.state("a", "03-01", Canceled, 0);
    assert_eq!(story.told("12-01"), [""; 0]);
    assert_eq!(
        story.ledger("12-01").balances().last().unwrap().life,
        Life::NeverPaid
    );
}

#[test]
fn what_is_planned_happens_by_itself() {
    let mut story = Story::new();
    let planned = story.state("a", "01-01", Active, 5000);
    planned.started_at = time("02-01");
    planned.cancel_at = Some(time("06-01"));
    let mut discount = off(1000);
    discount.duration = DiscountDuration::Repeating;
    discount.starts_at = Some(time("03-01"));
    discount.ends_at = Some(time("04-01"));
    planned.discounts = vec![discount];
    let all = [
        "2026-02-01 new start 0 -> 5000 e1",
        "2026-03-01 contraction discount_start 5000 -> 4000 e1",
        "2026-04-01 expansion discount_end 4000 -> 5000 e1",
        "2026-06-01 churn cancel 5000 -> 0 e1 active",
    ];
    for (until, told) in [
        ("01-31", 0),
        ("02-01", 1),
        ("03-31T23:59", 2),
        ("04-01", 3),
        ("05-31", 3),
        ("06-01", 4),
    ] {
        assert_eq!(story.told(until), all[..told], "{until}");
    }
}

#[test]
fn a_planned_end_that_is_taken_back_in_time_never_was() {
    let mut story = Story::new();
    story.state("a", "01-01", Active, 5000);
    story.state("a", "02-01", Active, 5000).cancel_at = Some(time("03-01"));
    story.state("a", "02-20", Active, 5000).cancel_at = None;
    assert_eq!(story.told("12-01").len(), 1);
}

#[test]
fn a_contract_cancelled_before_it_started_never_was() {
    let mut story = Story::new();
    story.state("a", "01-01", Active, 5000).started_at = time("03-01");
    story.state("a", "02-01", Canceled, 5000).ended_at = Some(time("02-01"));
    assert_eq!(story.told("12-01"), [""; 0]);
}

#[test]
fn an_end_told_afterwards_counts_from_the_end_of_the_service() {
    let mut story = Story::new();
    story.state("a", "01-01", Active, 5000);
    story.state("a", "02-15", Active, 6000);
    story.state("a", "03-20", Canceled, 6000).ended_at = Some(time("02-10"));
    assert_eq!(
        story.told("12-01").split_off(1),
        ["2026-02-10 churn cancel 5000 -> 0 e3 active"]
    );
}

#[test]
fn a_reason_that_comes_after_the_planned_end_is_its_reason() {
    let mut story = Story::new();
    story.state("a", "01-01", Active, 5000).cancel_at = Some(time("02-01"));
    assert_eq!(
        story.told("12-01").split_off(1),
        ["2026-02-01 churn cancel 5000 -> 0 e1 active"]
    );
    let over = story.state("a", "02-01T00:05", Canceled, 5000);
    over.cancel_reason = Some("payment_failed".into());
    assert_eq!(
        story.told("12-01").split_off(1),
        ["2026-02-01 churn payment_failed 5000 -> 0 e1 passive"]
    );
}

#[test]
fn churn_is_recognised_when_the_operator_says() {
    let lost = |churn_at, ended_at: Option<&str>, cancel_at: Option<&str>, asked: Option<&str>| {
        let rules = Rules {
            churn_at,
            ..Rules::default()
        };
        let mut story = Story::with(rules);
        story.state("a", "01-01", Active, 5000);
        let asking = story.state("a", "02-01", Active, 5000);
        asking.cancel_at = cancel_at.map(time);
        asking.cancel_requested_at = asked.map(time);
        story.state("a", "03-01", Canceled, 5000).ended_at = ended_at.map(time);
        let ledger = story.ledger("12-01");
        assert_eq!(ledger.movements().len(), 2, "{:?}", ledger.movements());
        ledger.movements()[1].at
    };
    let (end, plan, asked) = (Some("03-31"), Some("03-30"), Some("01-30"));
    for (churn_at, ended_at, cancel_at, requested, expected) in [
        (ChurnAt::ServiceEnd, end, plan, asked, "03-31"),
        (ChurnAt::ServiceEnd, None, plan, asked, "03-30"),
        (ChurnAt::ServiceEnd, None, None, asked, "03-01"),
        (ChurnAt::Cancellation, end, plan, asked, "03-01"),
        (ChurnAt::Cancellation, None, None, None, "03-01"),
        (ChurnAt::Requested, end, plan, asked, "01-30"),
        (ChurnAt::Requested, end, plan, None, "02-01"),
        (ChurnAt::Requested, end, None, None, "03-01"),
    ] {
        let found = lost(churn_at, ended_at, cancel_at, requested);
        assert_eq!(
            found,
            time(expected),
            "{churn_at:?} {ended_at:?} {cancel_at:?} {requested:?}"
        );
    }
}

#[test]
fn all_three_times_of_an_end_are_kept() {
    let mut story = Story::new();
    story.state("a", "01-01", Active, 5000);
    let asking = story.state("a", "02-01", Active, 5000);
    asking.cancel_at = Some(time("03-31"));
    story.state("a", "03-01", Canceled, 5000);
    let ledger = story.ledger("12-01");
    let churn = ledger.movements()[1].churn.as_ref().unwrap();
    assert_eq!(churn.service_end, Some(time("03-31")));
    assert_eq!(churn.cancelled, Some(time("03-01")));
    assert_eq!(churn.requested, Some(time("02-01")));
}

#[test]
fn states_are_ordered_by_version_then_time_then_rank_never_by_arrival() {
    let mut story = Story::new();
    story.state("a", "01-01", Active, 1000).version = Some(1);
    story.state("a", "02-01", Active, 3000).version = Some(3);
    // Written later, but older.
    story.state("a", "03-01", Active, 2000).version = Some(2);
    assert_eq!(
        story.told("12-01"),
        [
            "2026-01-01 new start 0 -> 1000 e1",
            "2026-02-01 expansion price 1000 -> 3000 e2"
        ]
    );
    let mut story = Story::new();
    story.state("a", "01-01", Active, 1000);
    story.state("a", "01-01", Incomplete, 1000);
    assert_eq!(story.told("12-01"), ["2026-01-01 new start 0 -> 1000 e1"]);
}

#[test]
fn a_late_state_changes_what_was_told_and_says_so() {
    let mut story = Story::new();
    story.state("a", "01-01", Active, 5000);
    story.state("a", "03-01", Active, 8000);
    story.state("a", "02-01", Canceled, 5000).ended_at = Some(time("02-01"));
    story.states[2].told.version = None;
    let policy = story.policy();
    let mut ledger = Ledger::default();
    let mut told = Vec::new();
    for state in &story.states {
        ledger.take(state.clone(), &policy).unwrap();
        told.push(ledger.pass(time("04-01"), &policy));
    }
    assert_eq!(told[0].len(), 1);
    assert!(matches!(&told[1][..], [Tell::New(movement)] if movement.after == 8000));
    let [Tell::New(churn), Tell::Changed(back)] = &told[2][..] else {
        panic!("{:?}", told[2])
    };
    assert_eq!(line(churn), "2026-02-01 churn cancel 5000 -> 0 e3 active");
    assert_eq!(
        line(back),
        "2026-03-01 reactivation start 0 -> 8000 e2 after 28 days"
    );
    let Tell::New(before) = &told[1][0] else {
        panic!("{:?}", told[1])
    };
    assert_eq!(before.id("acc"), back.id("acc"));
    assert_ne!(before.id("acc"), churn.id("acc"));
    assert_ne!(before.id("acc"), before.id("acc_2"));
}

#[test]
fn a_movement_that_never_was_is_withdrawn() {
    let mut story = Story::new();
    story.state("a", "01-01", Active, 5000).cancel_at = Some(time("02-01"));
    story.state("a", "01-20", Active, 5000).cancel_at = None;
    let policy = story.policy();
    let mut ledger = Ledger::default();
    ledger.take(story.states[0].clone(), &policy).unwrap();
    assert_eq!(ledger.pass(time("04-01"), &policy).len(), 2);
    ledger.take(story.states[1].clone(), &policy).unwrap();
    let told = ledger.pass(time("04-01"), &policy);
    assert!(
        matches!(&told[..], [Tell::Withdrawn(churn)] if churn.after == 0),
        "{told:?}"
    );
    assert_eq!(ledger.pass(time("04-01"), &policy), []);
}

#[test]
fn a_currency_never_changes_inside_a_subscription_and_needs_a_rate() {
    let mut story = Story::new();
    story.state("a", "01-01", Active, 5000);
    story.state("a", "02-01", Active, 5000).currency = Currency::of("EUR").unwrap();
    story.state("b", "02-01", Active, 5000).currency = Currency::of("EUR").unwrap();
    let policy = story.policy();
    let mut ledger = Ledger::default();
    let mut taken = story
        .states
        .iter()
        .map(|state| ledger.take(state.clone(), &policy));
    assert_eq!(taken.next().unwrap(), Ok(()));
    let refused = taken.next().unwrap().unwrap_err();
    assert_eq!(
        (refused.code, &*refused.field),
        (Code::BadCurrency, "data.currency")
    );
    assert!(refused.message.contains("in USD before"), "{refused}");
    let refused = taken.next().unwrap().unwrap_err();
    assert!(
        refused.message.contains("no rate into USD on 2026-02-01"),
        "{refused}"
    );
}

fn euros(rates: &[(&str, &str)]) -> Story {
    let mut story = Story::new();
    let euro = Currency::of("EUR").unwrap();
    for (day, rate) in rates {
        let day = format!("2026-{day}").parse().unwrap();
        story
            .rates
            .set(euro, day, Decimal::parse(rate).unwrap())
            .unwrap();
    }
    story
}

#[test]
fn a_rate_that_changes_is_a_movement_of_its_own_at_the_days_begin() {
    let mut story = euros(&[
        ("01-01", "1.1"),
        ("02-01", "1.2"),
        ("02-10", "1.2"),
        ("03-01", "1.0"),
    ]);
    story.state("a", "01-15", Active, 5000).currency = Currency::of("EUR").unwrap();
    story.state("a", "02-15", Active, 8000);
    assert_eq!(
        story.told("04-01"),
        [
            "2026-01-15 new start 0 -> 5500 e1",
            "2026-02-01 fx fx 5500 -> 6000 -",
            "2026-02-15 expansion price 6000 -> 9600 e2",
            "2026-03-01 fx fx 9600 -> 8000 -",
        ]
    );
}

#[test]
fn a_change_at_the_days_begin_is_told_after_the_rate() {
    let mut story = euros(&[("01-01", "1.1"), ("02-01", "1.2")]);
    story.state("a", "01-15", Active, 5000).currency = Currency::of("EUR").unwrap();
    story.state("a", "02-01", Active, 6000);
    let ledger = story.ledger("04-01");
    let told: Vec<String> = ledger.movements().iter().map(line).collect();
    assert_eq!(
        told[1..],
        [
            "2026-02-01 fx fx 5500 -> 6000 -",
            "2026-02-01 expansion price 6000 -> 7200 e2"
        ]
    );
    assert_ne!(
        ledger.movements()[1].id("acc"),
        ledger.movements()[2].id("acc")
    );
}

#[test]
fn the_day_of_a_rate_begins_in_the_accounts_zone() {
    let mut story = euros(&[("01-01", "1.1"), ("02-01", "1.2")]);
    story.days = Days::of("Asia/Tokyo".parse::<Zone>().unwrap());
    story.state("a", "01-15", Active, 5000).currency = Currency::of("EUR").unwrap();
    assert_eq!(
        story.told("04-01")[1],
        "2026-01-31T15:00:00Z fx fx 5500 -> 6000 -"
    );
}

#[test]
fn two_currencies_of_one_account_are_told_apart_and_never_added_as_they_are() {
    let mut story = euros(&[("01-01", "1.1")]);
    story.state("a", "01-15", Active, 5000).currency = Currency::of("EUR").unwrap();
    story.state("b", "02-15", Active, 1000);
    let switch = story.state("a", "03-15", Canceled, 5000);
    switch.ended_at = Some(time("03-15"));
    story.state("c", "03-15", Active, 6000);
    let ledger = story.ledger("04-01");
    let told: Vec<String> = ledger.movements().iter().map(line).collect();
    assert_eq!(
        told,
        [
            "2026-01-15 new start 0 -> 5500 e1",
            "2026-02-15 expansion start 5500 -> 6500 e2",
            "2026-03-15 expansion start 6500 -> 7000 e4",
        ]
    );
    let shares: Vec<_> = ledger.movements()[2]
        .by_currency
        .iter()
        .map(|share| {
            (
                share.currency.code().to_owned(),
                share.original,
                share.converted,
            )
        })
        .collect();
    assert_eq!(
        shares,
        [
            ("EUR".into(), (5000, 0), (5500, 0)),
            ("USD".into(), (1000, 7000), (1000, 7000))
        ]
    );
}

#[test]
fn gross_is_before_discounts() {
    let mut story = Story::new();
    story.state("a", "01-01", Active, 5000).discounts = vec![percent("20")];
    let ledger = story.ledger("02-01");
    let balance = ledger.balance_at(time("01-01")).unwrap();
    assert_eq!((balance.mrr, balance.gross), (4000, 5000));
    assert_eq!(ledger.balance_at(at("2025-12-31T23:59:59.999Z")), None);
}

#[test]
fn each_mode_sets_the_switches_that_its_tool_publishes() {
    assert_eq!(Rules::of(Mode::Mainstay), Rules::default());
    let stripe = Rules::of(Mode::Stripe);
    assert_eq!(stripe.churn_at, ChurnAt::Cancellation);
    assert!(stripe.discounts.forever && !stripe.discounts.repeating && !stripe.discounts.once);
    assert_eq!(Rules::of(Mode::Chartmogul).discounts, Discounts::ALL);
    let profitwell = Rules::of(Mode::Profitwell);
    assert!(profitwell.metered);
    assert_eq!(profitwell.free_after_paid, FreeAfterPaid::Churned);
    assert_eq!(Rules::of(Mode::Maxio).reactivation_max_gap_days, Some(90));
    assert_eq!(Rules::of(Mode::Chargebee).passive, Passive::Reason);
}

#[test]
fn a_coupon_limited_in_months_counts_on_a_monthly_plan_but_not_on_a_yearly_one_with_chargebee() {
    let paid = |mode, span| {
        let mut story = Story::with(Rules::of(mode));
        let state = story.state("a", "01-01", Active, 0);
        state.items = vec![item(12_000, 1, span, 1)];
        let mut coupon = percent("50");
        coupon.duration = DiscountDuration::Repeating;
        state.discounts = vec![coupon];
        story.ledger("02-01").balances()[0].mrr
    };
    assert_eq!(paid(Mode::Mainstay, Span::Year), 500);
    assert_eq!(paid(Mode::Chargebee, Span::Year), 1000);
    assert_eq!(paid(Mode::Chargebee, Span::Month), 6000);
    assert_eq!(paid(Mode::Stripe, Span::Month), 12_000);
}

#[test]
fn what_is_committed_is_what_is_known_of_the_next_twelve_months() {
    let committed = |edit: &dyn Fn(&mut mainstay_model::Subscription<'static>)| {
        let mut story = Story::new();
        story.state("a", "01-01", Active, 1000);
        edit(story.state("b", "01-01", Active, 5000));
        let ledger = story.ledger("03-01");
        ledger.committed(time("03-01"), &story.policy())
    };
    let planned = |at: &str| {
        Some(Planned {
            at: time(at),
            items: vec![item(7000, 1, Span::Month, 1)],
        })
    };
    assert_eq!(committed(&|_| {}), 6000);
    // Signed and not started.
    assert_eq!(committed(&|b| b.started_at = time("2027-03-01")), 6000);
    assert_eq!(committed(&|b| b.started_at = time("2027-03-02")), 1000);
    // To be cancelled, or asked to.
    assert_eq!(committed(&|b| b.cancel_at = Some(time("2027-03-01"))), 1000);
    assert_eq!(committed(&|b| b.cancel_at = Some(time("2027-03-02"))), 6000);
    assert_eq!(
        committed(&|b| b.cancel_requested_at = Some(time("02-01"))),
        1000
    );
    // To be changed.
    assert_eq!(committed(&|b| b.next = planned("2027-03-01")), 8000);
    assert_eq!(committed(&|b| b.next = planned("2027-03-02")), 6000);
    assert_eq!(
        committed(&|b| {
            b.next = planned("05-01");
            b.started_at = time("04-01");
        }),
        8000
    );
    // A trial becomes nothing by itself, and what is over stays over.
    assert_eq!(committed(&|b| b.status = Trialing), 1000);
    assert_eq!(committed(&|b| b.status = Canceled), 1000);
}

#[test]
fn a_planned_change_takes_effect_by_a_state_only() {
    let mut story = Story::new();
    story.state("a", "01-01", Active, 5000).next = Some(Planned {
        at: time("02-01"),
        items: vec![item(7000, 1, Span::Month, 1)],
    });
    assert_eq!(story.told("03-01"), ["2026-01-01 new start 0 -> 5000 e1"]);
}

#[test]
fn who_pays_a_trifle_that_is_rounded_away_is_a_customer() {
    let mut story = euros(&[("01-01", "0.4"), ("02-01", "0.6")]);
    story.state("a", "01-15", Active, 1).currency = Currency::of("EUR").unwrap();
    story.state("a", "03-01", Canceled, 1).ended_at = Some(time("03-01"));
    assert_eq!(
        story.told("04-01"),
        [
            "2026-01-15 new start 0 -> 0 e1",
            "2026-02-01 fx fx 0 -> 1 -",
            "2026-03-01 churn cancel 1 -> 0 e2 active"
        ]
    );
}

#[test]
fn the_subscription_that_was_left_last_names_the_churn() {
    let mut story = Story::new();
    story.state("b", "01-01", Active, 5000);
    story.state("a", "01-01", Active, 1000);
    story.state("a", "02-01", Unpaid, 1000);
    // Told again at the very time at which the other one ends.
    story.state("a", "03-01", Canceled, 1000);
    story.state("b", "03-01", Canceled, 5000);
    assert_eq!(
        story.told("04-01")[2],
        "2026-03-01 churn cancel 5000 -> 0 e5 active"
    );
}
