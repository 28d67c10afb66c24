//! What a picture has to show, and where it has to end.

use super::*;

fn row(name: &str, mau: i64, trend: Option<f64>, quiet_days: i64) -> Row {
    Row {
        name: name.to_owned(),
        active: [mau / 4, mau / 2, mau],
        stickiness: Some(0.25),
        sessions: 12_345,
        mrr: Some(123_456),
        trend,
        quiet_days,
    }
}

fn picture() -> Picture {
    let mut rows: Vec<Row> = (0..60)
        .map(|n| row(&format!("Steady {n:02}"), 100 + n, Some(0.01), 0))
        .collect();
    rows.push(row("Riser", 40, Some(0.8), 0));
    rows.push(row("Fader", 40, Some(-0.62), 0));
    rows.push(row("Sleeper", 40, Some(-0.9), 6));
    rows.push(row("Newcomer", 40, None, 0));
    rows.push(row("Tiny", 2, Some(3.0), 0));
    Picture {
        phase: Phase::Live,
        now: Some(Timestamp(1_772_323_200_000)),
        speed: 2000,
        elapsed: Duration::from_secs(12),
        duration: Some(Duration::from_secs(60)),
        events: 1_234_567,
        rate: 1040.4,
        late: 17,
        duplicates: 5,
        dead_letters: vec![("bad_field", 3), ("too_late", 9)],
        lag: 250,
        latency: Some((Duration::from_millis(95), Duration::from_millis(210))),
        rows,
        movements: Movements::default(),
        currency: Currency::of("USD").unwrap(),
        url: "http://127.0.0.1:9464/metrics".to_owned(),
    }
}

fn line_of<'l>(lines: &'l [String], name: &str) -> &'l str {
    lines
        .iter()
        .find(|line| line.starts_with(name))
        .unwrap_or_else(|| panic!("no {name} in {lines:#?}"))
}

#[test]
fn nothing_leaves_the_window() {
    for (width, height) in [(0, 0), (1, 1), (20, 5), (80, 24), (300, 100)] {
        let lines = picture().lines(width, height, false);
        assert!(lines.len() <= height, "{} in {height}", lines.len());
        let widest = lines.iter().map(|line| line.chars().count()).max();
        assert!(widest.unwrap_or(0) <= width, "{widest:?} in {width}");
    }
}

#[test]
fn figures_of_the_pipeline_and_the_link_are_always_there() {
    let mut picture = picture();
    for record in [
        r#"{"movement_id":"1","kind":"new","amount_minor":9000000}"#,
        r#"{"movement_id":"2","kind":"churn","amount_minor":-979000}"#,
    ] {
        picture.movements.take(record.as_bytes());
    }
    let text = picture.lines(120, 13, false).join("\n");
    for part in [
        "2026-03-01 00:00 UTC",
        "live at 2000x",
        "48 s left",
        "1 234 567 events",
        "1 040/s",
        "65 accounts",
        "waiting 250",
        "p50 95 p99 210 ms",
        "late 17",
        "duplicates 5",
        "mrr 80 246 USD of 65   new 90 000 (1)   churn -9 790 (1)",
        "dead letters 12: too_late 9, bad_field 3",
        "http://127.0.0.1:9464/metrics",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[test]
fn accounts_that_change_are_seen_among_many_that_do_not() {
    let lines = picture().lines(100, 24, false);
    assert!(line_of(&lines, "Riser").ends_with("+80 %  growing"));
    assert!(line_of(&lines, "Fader").ends_with("-62 %  fading"));
    assert!(line_of(&lines, "Sleeper").ends_with("silent"));
    assert!(line_of(&lines, "Steady 59").ends_with("+1 %"));
}

#[test]
fn rooms_left_over_are_filled_with_the_largest() {
    let lines = picture().lines(100, 12, false);
    assert_eq!(lines.len(), 12);
    assert!(!lines.iter().any(|line| line.starts_with("Tiny")));
    assert!(lines.iter().any(|line| line.starts_with("Steady 59")));
}

#[test]
fn a_value_that_is_undefined_is_a_dash_and_no_zero() {
    let mut picture = picture();
    picture.rows = vec![Row {
        stickiness: None,
        mrr: None,
        ..row("Newcomer", 40, None, 0)
    }];
    let lines = picture.lines(100, 24, false);
    let cells: Vec<&str> = line_of(&lines, "Newcomer").split_whitespace().collect();
    assert_eq!(
        cells,
        ["Newcomer", "10", "20", "40", "-", "12", "345", "-", "-"]
    );
}

#[test]
fn colours_are_only_there_where_they_are_welcome() {
    let plain = picture().lines(100, 24, false).join("");
    let coloured = picture().lines(100, 24, true).join("");
    assert!(!plain.contains('\x1b'));
    assert!(coloured.contains("\x1b[31mSleeper"));
}

#[test]
fn before_the_first_commit_the_phase_is_told_and_no_empty_table() {
    let picture = Picture {
        phase: Phase::Joining,
        now: None,
        rows: Vec::new(),
        latency: None,
        duration: None,
        ..picture()
    };
    let lines = picture.lines(100, 24, false);
    assert!(lines[0].contains("joining the consumer group") && lines[0].contains("Ctrl-C"));
    assert!(!lines.iter().any(|line| line.starts_with("ACCOUNT")));
}

#[test]
fn thousands_stand_apart() {
    assert_eq!(number(0), "0");
    assert_eq!(number(999), "999");
    assert_eq!(number(12_345), "12 345");
    assert_eq!(number(1_000_000), "1 000 000");
}
