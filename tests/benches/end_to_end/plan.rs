//! How much is measured: defaults, and what the environment says instead.

use std::time::{SystemTime, UNIX_EPOCH};

use mainstay_model::Timestamp;
use mainstay_testkit::load::Load;

/// How much is measured.
pub(crate) struct Plan {
    /// How many events are on the topic when Mainstay starts.
    pub(crate) events: u64,
    /// How often everything is measured; medians are told.
    pub(crate) runs: usize,
    /// How many events a second come afterwards, while Mainstay keeps up.
    pub(crate) live_rate: u64,
    /// For how long they come.
    pub(crate) live_seconds: u64,
}

const DAY_MS: i64 = 24 * 3_600_000;

impl Plan {
    pub(crate) fn from_environment() -> Plan {
        let plan = Plan {
            events: number("MAINSTAY_BENCH_EVENTS", 3_000_000),
            runs: usize::try_from(number("MAINSTAY_BENCH_RUNS", 3)).expect("a small number"),
            live_rate: number("MAINSTAY_BENCH_LIVE_RATE", 20_000),
            live_seconds: number("MAINSTAY_BENCH_LIVE_SECONDS", 20),
        };
        assert!(plan.events > 0 && plan.runs > 0, "something is to be run");
        plan
    }

    /// The load for which the bars are given (2 000 accounts, 60 000 users, each on 10 of 35 days), with so
    /// many events a session that 35 days have room for all; it ends about now, so that what comes live
    /// afterwards has no months to close.
    pub(crate) fn load(&self) -> Load {
        let plain = Load {
            events: 1,
            ..Load::default()
        };
        let a_day = u64::from(plain.users)
            * u64::from(plain.active_of_1000)
            * u64::from(plain.sessions_of_10)
            / 10_000;
        let each = self.events.div_ceil(a_day * u64::from(plain.days)).max(1);
        // One day more than the average asks for: days differ a little.
        let days = i64::try_from(self.events.div_ceil(a_day * each) + 1).expect("days are few");
        let today = now_ms() / DAY_MS * DAY_MS;
        Load {
            events: u32::try_from(each).expect("sessions are short"),
            days: u32::try_from(days).expect("days are few"),
            begin: Timestamp(today - days * DAY_MS),
            ..plain
        }
    }
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let ms = since.expect("this is not the past").as_millis();
    i64::try_from(ms).expect("this is not the far future")
}

fn number(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Err(_) => default,
        Ok(text) => text
            .replace('_', "")
            .parse()
            .unwrap_or_else(|_| panic!("{name} is `{text}`, expected a number")),
    }
}
