//! What becomes of records: told once, over restarts, or kept as dead letters with their own bytes.

use std::time::Duration;

use libtest_mimic::Trial;
use mainstay_model::Code;
use mainstay_tests::{Line, Record, SHARDS, patience, said, shard_of};

use super::{company, deployment};

pub(super) fn trials() -> Vec<Trial> {
    crate::trials!("broker": [
        every_final_value_is_told_exactly_once,
        a_restart_goes_on_where_the_last_commit_was,
        a_sigterm_under_load_ends_in_order_and_repeats_nothing,
        every_reject_code_keeps_the_original_bytes,
        a_misrouted_letter_is_sent_to_where_its_key_belongs,
        gauges_of_an_account_bear_the_name_that_it_has_now,
    ])
}

fn every_final_value_is_told_exactly_once() {
    let it = deployment("end-to-end");
    let instance = it.start_ready("a");
    it.feed().send(&company().lines);
    it.tells(company());
    it.adds_up(std::slice::from_ref(&instance));
    instance.stop();
    it.tells(company());
}

fn a_restart_goes_on_where_the_last_commit_was() {
    let it = deployment("restart");
    let (before, after) = company().halves();
    let instance = it.start_ready("a");
    it.feed().send(before);
    it.wait_for_no_lag();
    instance.stop();
    it.feed().send(after);
    let instance = it.start_ready("a");
    it.tells(company());
    instance.stop();
    // Another slot with an empty state folder has nothing but the changelog.
    let other = it.start_ready("b");
    it.tells(company());
    other.stop();
}

fn a_sigterm_under_load_ends_in_order_and_repeats_nothing() {
    let it = deployment("sigterm");
    let feed = it.feed();
    std::thread::scope(|scope| {
        scope.spawn(|| feed.send_over(&company().lines, Duration::from_secs(15)));
        for _ in 0..3 {
            let instance = it.start_ready("a");
            it.wait_for_progress();
            instance.stop();
        }
    });
    let instance = it.start_ready("a");
    it.tells(company());
    instance.stop();
}

/// Codes that no record can be given from outside in this release: the native format has one version, facts
/// with rules of state come later, and `internal` is a bug of ours.
const NOT_FROM_OUTSIDE: &[Code] = &[Code::UnknownVersion, Code::BadState, Code::Internal];

fn every_reject_code_keeps_the_original_bytes() {
    let it = deployment("dead-letters");
    let instance = it.start_ready("a");
    let feed = it.feed();
    let home = i32::try_from(shard_of(ACCOUNT, SHARDS.unsigned_abs())).expect("one of four");
    let away = (home + 1) % SHARDS;
    let bad = bad_records();
    feed.send_to(home, &line(good("known", NOW)), &[]);
    for (code, value) in &bad {
        let partition = if *code == Code::Misrouted { away } else { home };
        feed.send_to(
            partition,
            &line(value.clone()),
            &[("trace", code.name().as_bytes())],
        );
    }
    it.wait_for_no_lag();
    instance.stop();
    let letters = it.committed("dead-letter");
    let codes: Vec<&str> = letters
        .iter()
        .filter_map(|letter| letter.header("error.code"))
        .collect();
    assert_eq!(letters.len(), bad.len(), "{codes:?}");
    for (code, value) in &bad {
        let letter = letter_of(&letters, *code);
        assert_eq!(letter.header("error.code"), Some(code.name()), "{code}");
        assert_eq!(letter.value.as_deref(), Some(value.as_slice()), "{code}");
        assert_eq!(letter.key.as_deref(), Some(ACCOUNT.as_bytes()), "{code}");
        assert_eq!(
            letter.header("error.topic"),
            Some(it.input().as_str()),
            "{code}"
        );
        let partition = if *code == Code::Misrouted { away } else { home };
        assert_eq!(
            letter.header("error.partition"),
            Some(partition.to_string().as_str()),
            "{code}"
        );
    }
    let met: Vec<Code> = bad.iter().map(|(code, _)| *code).collect();
    for code in Code::ALL {
        assert!(
            met.contains(code) != NOT_FROM_OUTSIDE.contains(code),
            "{code} has no record here"
        );
    }
}

fn a_misrouted_letter_is_sent_to_where_its_key_belongs() {
    let it = deployment("redrive");
    let home = i32::try_from(shard_of(ACCOUNT, SHARDS.unsigned_abs())).expect("one of four");
    let away = (home + 1) % SHARDS;
    let instance = it.start_ready("a");
    it.feed().send_to(away, &line(good("astray", NOW)), &[]);
    it.wait_for_no_lag();
    assert_eq!(it.committed("dead-letter").len(), 1);
    let sent = it.command(&["dlq", "redrive", "--code", "misrouted"]);
    assert!(sent.status.success(), "{}", said(&sent));
    let ends = |partition| it.admin.ends(&it.input(), partition).1;
    assert_eq!((ends(home), ends(away)), (1, 1), "at home now");
    it.wait_for_no_lag();
    instance.stop();
    assert_eq!(it.committed("dead-letter").len(), 1, "and applied there");
}

fn gauges_of_an_account_bear_the_name_that_it_has_now() {
    let it = deployment("names");
    let instance = it.start_ready("a");
    let mut lines = vec![line(good("seen", NOW))];
    for (id, time, name) in [("n1", NOW, "Acme"), ("n2", LATER, "Acme Inc")] {
        let data = format!(r#"{{"name":"{name}"}}"#);
        lines.push(line(of_type("account.updated", id, time, &data)));
        it.feed().send(&std::mem::take(&mut lines));
        let what = format!("the gauges are those of {name}, and of nobody else");
        patience::until(&what, patience::CATCHING_UP, || {
            let metrics = instance.metrics()?;
            let series =
                |name| format!("mainstay_account_mau{{account=\"{ACCOUNT}\",name=\"{name}\"}}");
            let all = ["", "Acme", "Acme Inc"].map(|name| metrics.contains(&series(name)));
            (all == ["", "Acme", "Acme Inc"].map(|other| other == name)).then_some(())
        });
    }
    instance.stop();
}

/// The header that came with the record says which one it is.
fn letter_of(letters: &[Record], code: Code) -> &Record {
    let mut found = letters
        .iter()
        .filter(|letter| letter.header("trace") == Some(code.name()));
    found
        .next()
        .unwrap_or_else(|| panic!("the record for `{code}` is no dead letter"))
}

const ACCOUNT: &str = "acme";
const NOW: &str = "2026-06-01T12:00:00Z";
const LATER: &str = "2026-06-01T12:00:01Z";
const NOW_MS: i64 = 1_780_315_200_000;

fn line(value: Vec<u8>) -> Line {
    Line {
        account: ACCOUNT.to_owned(),
        arrival_ms: NOW_MS,
        value,
        billing: false,
    }
}

fn good(id: &str, time: &str) -> Vec<u8> {
    event(id, time, r#"{"name":"opened"}"#)
}

fn event(id: &str, time: &str, data: &str) -> Vec<u8> {
    of_type("product.event", id, time, data)
}

fn of_type(kind: &str, id: &str, time: &str, data: &str) -> Vec<u8> {
    format!(
        r#"{{"id":"{id}","type":"{kind}","account_id":"{ACCOUNT}","user_id":"ada","time":"{time}","data":{data}}}"#
    )
    .into_bytes()
}

fn bad_records() -> Vec<(Code, Vec<u8>)> {
    let long = format!(r#"{{"name":"{}"}}"#, "x".repeat(70_000));
    let deep = format!(
        r#"{{"name":"opened","properties":{}1{}}}"#,
        "[".repeat(80),
        "]".repeat(80)
    );
    let invoice = |id: &str, amount: &str, currency: &str| {
        let data = format!(
            r#"{{"invoice_id":"i1","amount_minor":{amount},"currency":"{currency}","recurring":true}}"#
        );
        of_type("invoice.paid", id, NOW, &data)
    };
    let with = |id: &str, from: &str, to: &str| {
        let text = String::from_utf8(good(id, NOW)).expect("text");
        text.replacen(from, to, 1).into_bytes()
    };
    vec![
        (Code::Empty, Vec::new()),
        (Code::NotUtf8, b"{\"id\":\"\xff\"}".to_vec()),
        (Code::NotJson, good("n", NOW)[..40].to_vec()),
        (
            Code::TrailingData,
            [good("t", NOW), b"{}".to_vec()].concat(),
        ),
        (Code::NotAnObject, b"[1,2]".to_vec()),
        (Code::TooLarge, event("l", NOW, &long)),
        (Code::TooDeep, event("d", NOW, &deep)),
        (
            Code::DuplicateKey,
            with("k", r#"{"id""#, r#"{"account_id":"other","id""#),
        ),
        (Code::MissingField, with("m", r#""account_id":"acme","#, "")),
        (Code::BadField, good("b", "yesterday")),
        (Code::UnknownType, of_type("product.evnt", "u", NOW, "{}")),
        (Code::BadAmount, invoice("a", "0.1", "USD")),
        (Code::BadCurrency, invoice("c", "100", "usd")),
        (Code::Conflict, event("known", NOW, r#"{"name":"closed"}"#)),
        (Code::FutureTime, good("f", "2026-06-01T13:00:01Z")),
        (Code::TooLate, good("o", "2026-04-01T12:00:00Z")),
        (Code::Misrouted, good("w", NOW)),
    ]
}
