//! Small random histories that crowd around the edges where engines go wrong.
//!
//! A history is made from [`Step`]s, five small numbers each, so that a property test can draw them as it
//! likes and shrink what fails: fewer steps, smaller numbers. Each number picks from a short list of
//! interesting things: gaps of exactly 30 minutes, borders of days in three zones, chains of 24 hours, events
//! late by a minute or by 40 days, duplicates, conflicts, removed users, deleted accounts, bad lines.
//!
//! What depends on the order of arrival by its definition stays in order also when lines are shuffled: zones
//! are told three hours before all else, two bodies with one id keep their places, and an account is deleted
//! on time.

use mainstay_engine::Settings;
use mainstay_model::{Timestamp, Zone};
use serde_json::{Value, json};

use crate::rng::Rng;

/// One thing that happens, as five choices; any numbers make a history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// To which account.
    pub account: u8,
    /// To which user.
    pub user: u8,
    /// What.
    pub what: u8,
    /// How long after the step before.
    pub leap: u8,
    /// When it is told to have happened.
    pub lag: u8,
}

/// What a history may contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Events later than can be corrected. Whether one of them is too late depends on the order of arrival
    /// and on what else its shard has seen.
    pub beyond_horizon: bool,
}

/// Settings that suit histories: `report_sent` is a key action, `ping` is ignored, and ids are remembered
/// longer than any duplicate of a history needs.
#[must_use]
pub fn settings() -> Settings {
    Settings {
        key_actions: ["report_sent".to_owned()].into(),
        active_ignore: ["ping".to_owned()].into(),
        dedupe_product_ms: 4000 * DAY_MS,
        dedupe_business_ms: 4000 * DAY_MS,
        ..Settings::default()
    }
}

/// Steps drawn from a seed.
#[must_use]
pub fn steps(seed: u64, number: usize) -> Vec<Step> {
    let mut rng = Rng::new(seed);
    let draw = |_| {
        let [account, user, what, leap, lag, ..] = rng.next().to_le_bytes();
        Step {
            account,
            user,
            what,
            leap,
            lag,
        }
    };
    (0..number).map(draw).collect()
}

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// 2026-03-01T00:00:00Z: four weeks before clocks change in Berlin, one before they do in New York.
const BEGIN: Timestamp = Timestamp(1_772_323_200_000);

/// Accounts and their zones; those without one have the default.
const ACCOUNTS: [(&str, Option<&str>); 5] = [
    ("acme", None),
    ("tanaka", Some("Asia/Tokyo")),
    ("hudson", Some("America/New_York")),
    ("spree", Some("Europe/Berlin")),
    ("late co \"ü\"", None),
];

const USERS: [&str; 4] = ["ada", "bob", "cy", "dé"];

/// The lines of a history, in the order of their arrival.
#[must_use]
pub fn lines(steps: &[Step], limits: Limits) -> Vec<String> {
    let mut history = History {
        limits,
        now: BEGIN,
        told: Vec::new(),
        lines: Vec::new(),
    };
    history.tell_zones();
    for step in steps {
        history.now = after_leap(history.now, step.leap);
        history.take(*step);
    }
    history.lines
}

struct History {
    limits: Limits,
    now: Timestamp,
    /// Events that were told well, for those that refer to them.
    told: Vec<Told>,
    lines: Vec<String>,
}

#[derive(Clone)]
struct Told {
    account: &'static str,
    time: Timestamp,
    event: Value,
}

impl History {
    fn tell_zones(&mut self) {
        let at = BEGIN.minus_ms(3 * HOUR_MS).to_string();
        for (n, (account, zone)) in ACCOUNTS.iter().enumerate() {
            let Some(zone) = zone else { continue };
            let kind = ["account.created", "account.updated"][n % 2];
            let event = json!({"id": format!("zone of {account}"), "type": kind,
                "account_id": account, "time": at, "received_at": at, "data": {"tz": zone}});
            self.lines.push(event.to_string());
        }
    }

    fn take(&mut self, step: Step) {
        let account = ACCOUNTS[usize::from(step.account) % ACCOUNTS.len()].0;
        let user = USERS[usize::from(step.user) % USERS.len()];
        let on_time = |kind: &str, data: Value| (self.now, kind.to_owned(), data);
        let used = |name: &str| ("product.event".to_owned(), json!({"name": name}));
        let time = self.time_of(account, step.lag);
        let at_time = |(kind, data): (String, Value)| (time, kind, data);
        let (time, kind, data) = match step.what % 32 {
            0..=9 => at_time(used("opened")),
            10..=14 => at_time(used("report_sent")),
            15 => at_time(used("ping")),
            16..=18 => {
                let durations = [1, 90_000, 30 * MINUTE_MS, 5 * HOUR_MS, 30 * HOUR_MS];
                let duration_ms = durations[usize::from(step.user) % durations.len()];
                let data = json!({"name": "imported", "duration_ms": duration_ms, "actor": "api"});
                at_time(("product.event".to_owned(), data))
            }
            19 => at_time(("user.signed_up".to_owned(), json!({"role": "member"}))),
            20 => at_time(("user.removed".to_owned(), json!({}))),
            21 => at_time(("user.invited".to_owned(), json!({}))),
            22 => at_time(("account.created".to_owned(), json!({"plan": "pro"}))),
            23 => at_time(("ticket.opened".to_owned(), json!({"ticket_id": "t1"}))),
            24 if step.user.is_multiple_of(4) => on_time("account.deleted", json!({})),
            24 => at_time(("account.updated".to_owned(), json!({"seats": step.user}))),
            25..=27 => return self.again(step),
            28 => return self.contradict(step),
            29 => return self.say_badly(step, account),
            _ => at_time(used("opened")),
        };
        let id = format!("e{}", self.lines.len());
        let mut event = json!({"id": id, "type": kind, "account_id": account,
            "time": time.to_string(), "received_at": self.now.to_string(), "data": data});
        let nobody = step.what % 32 == 31 || kind.starts_with("account.");
        if !nobody {
            event["user_id"] = json!(user);
        }
        if step.user % 3 == 1 {
            event["source"] = json!("web");
        }
        self.tell(account, time, event);
    }

    fn tell(&mut self, account: &'static str, time: Timestamp, event: Value) {
        self.lines.push(event.to_string());
        self.told.push(Told {
            account,
            time,
            event,
        });
    }

    /// When an event happened that arrives now: mostly now; or long ago; or close to an earlier event.
    fn time_of(&self, account: &str, lag: u8) -> Timestamp {
        let long_ago = [
            MINUTE_MS,
            90 * MINUTE_MS,
            3 * HOUR_MS,
            26 * HOUR_MS,
            5 * DAY_MS,
            34 * DAY_MS,
        ];
        let far = [36 * DAY_MS, 40 * DAY_MS, 400 * DAY_MS];
        let ahead = [1, 30 * MINUTE_MS, HOUR_MS, HOUR_MS + 1, 3 * HOUR_MS];
        match lag {
            0..=119 => self.now,
            120..=179 => self.near_an_earlier(account, lag - 120),
            180..=229 => self
                .now
                .minus_ms(long_ago[usize::from(lag) % long_ago.len()]),
            230..=239 if self.limits.beyond_horizon => {
                self.now.minus_ms(far[usize::from(lag) % far.len()])
            }
            230..=239 => self.now,
            240.. => self.now.plus_ms(ahead[usize::from(lag) % ahead.len()]),
        }
    }

    /// Just where a session joins or does not, beside one of the account's last events.
    fn near_an_earlier(&self, account: &str, choice: u8) -> Timestamp {
        let offsets = [
            0,
            15 * MINUTE_MS,
            -30 * MINUTE_MS,
            30 * MINUTE_MS,
            30 * MINUTE_MS + 1,
            DAY_MS,
        ];
        let offset = offsets[usize::from(choice) % offsets.len()];
        let back = usize::from(choice) / offsets.len();
        let mut mine = self
            .told
            .iter()
            .rev()
            .filter(|told| told.account == account);
        let anchor = mine.nth(back).map_or(self.now, |told| told.time);
        let near = anchor.plus_ms(offset).min(self.now);
        let oldest = self.now.minus_ms(34 * DAY_MS);
        if self.limits.beyond_horizon {
            near
        } else {
            near.max(oldest)
        }
    }

    fn earlier(&self, step: Step) -> Option<Told> {
        let back = 1 + usize::from(step.user) % 8;
        let place = self.told.len().checked_sub(back)?;
        Some(self.told[place].clone())
    }

    /// An earlier event once more, received now; of another source it is another event.
    fn again(&mut self, step: Step) {
        let Some(mut told) = self.earlier(step) else {
            return;
        };
        told.event["received_at"] = json!(self.now.plus_ms(1).to_string());
        if step.what % 32 == 27 && self.now.0 - told.time.0 < DAY_MS {
            told.event["source"] = json!("mobile");
        }
        let is_deletion = told.event["type"] == "account.deleted";
        if !is_deletion {
            self.lines.push(told.event.to_string());
        }
    }

    /// Another body with the id of an earlier event.
    fn contradict(&mut self, step: Step) {
        let Some(mut told) = self.earlier(step) else {
            return;
        };
        told.event["type"] = json!("product.event");
        told.event["data"] = json!({"name": "another"});
        told.event["user_id"] = json!("eve");
        told.event["received_at"] = json!(self.now.to_string());
        self.lines.push(told.event.to_string());
    }

    fn say_badly(&mut self, step: Step, account: &str) {
        let n = self.lines.len();
        let line = bad_line(usize::from(step.user), n, account, self.now);
        self.lines.push(line);
    }
}

/// How many kinds of bad lines there are.
pub(crate) const BAD_LINES: usize = 18;

/// A line that must become a dead letter, of one of [`BAD_LINES`] kinds.
pub(crate) fn bad_line(kind: usize, n: usize, account: &str, now: Timestamp) -> String {
    let good = json!({"id": format!("bad{n}"), "type": "product.event", "account_id": account,
        "user_id": "mallory", "time": now.to_string(), "data": {"name": "opened"}});
    let with = |name: &str, value: Value| {
        let mut event = good.clone();
        event[name] = value;
        event.to_string()
    };
    let without = |name: &str| {
        let mut event = good.clone();
        event.as_object_mut().map(|fields| fields.remove(name));
        event.to_string()
    };
    match kind % BAD_LINES {
        0 => good.to_string()[..40].to_owned(),
        1 => format!("{good}{good}"),
        2 => "[1,2]".to_owned(),
        3 => format!("{}{}", "[".repeat(200), "]".repeat(200)),
        4 => with("data", json!({"name": "x".repeat(70_000)})),
        5 => without("account_id"),
        6 => with("account_id", json!("  ")),
        7 => with("account_id", json!(7)),
        8 => without("time"),
        9 => with("time", json!(now.0 / 1000)),
        10 => with("time", json!("2026-03-01T24:00:00Z")),
        11 => with("time", json!("2026-03-01T12:00:00")),
        12 => with("type", json!("product.evnt")),
        13 => with("data", json!({"name": "opened", "duration_ms": -1})),
        14 => with("data", json!({})),
        15 => format!(r#"{{"account_id":"{account}x",{}"#, &good.to_string()[1..]),
        16 => with("id", json!("i".repeat(129))),
        _ => good.to_string().replace("mallory", r"\ud800"),
    }
}

/// The next instant at which something interesting may happen.
fn after_leap(now: Timestamp, leap: u8) -> Timestamp {
    let leaps = [
        0,
        1,
        1000,
        MINUTE_MS,
        10 * MINUTE_MS,
        25 * MINUTE_MS,
        30 * MINUTE_MS,
        30 * MINUTE_MS,
        30 * MINUTE_MS + 1,
        HOUR_MS,
        6 * HOUR_MS,
        DAY_MS,
    ];
    match leap {
        0..=199 => now.plus_ms(leaps[usize::from(leap) % leaps.len()]),
        200..=239 => {
            let names = ["UTC", "Asia/Tokyo", "America/New_York", "Europe/Berlin"];
            let zone: Zone = names[usize::from(leap) % names.len()]
                .parse()
                .expect("the database has these zones");
            let edge = zone.end_of(zone.day_of(now));
            let beside = i64::from(leap / 4 % 3) - 1;
            edge.plus_ms(beside).max(now)
        }
        240..=249 => now.plus_ms(2 * DAY_MS),
        250.. => now.plus_ms(7 * DAY_MS),
    }
}

/// The lines in another order of arrival: none is moved past one that came more than `ms` after it, and
/// lines with one id keep their order, as the first of them wins.
#[must_use]
pub fn shuffle_within(lines: &[String], ms: i64, seed: u64) -> Vec<String> {
    let mut rng = Rng::new(seed);
    let mut arrived_at = 0;
    let mut last_of_id = std::collections::BTreeMap::new();
    let mut keyed = Vec::new();
    for line in lines {
        let event: Value = serde_json::from_str(line).unwrap_or_default();
        let text = |name: &str| event.get(name).and_then(Value::as_str);
        let at = text("received_at").or(text("time"));
        if let Some(at) = at.and_then(|at| chrono::DateTime::parse_from_rfc3339(at).ok()) {
            arrived_at = arrived_at.max(at.timestamp_millis());
        }
        let mut key = arrived_at + rng.between(0, ms + 1);
        if let Some(id) = text("id") {
            let last = last_of_id.entry(id.to_owned()).or_insert(key);
            key = key.max(*last);
            *last = key;
        }
        keyed.push((key, line));
    }
    keyed.sort_by_key(|(key, _)| *key);
    keyed.into_iter().map(|(_, line)| line.clone()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use mainstay_model::Code;

    use super::*;
    use crate::oracle::{Fate, Oracle};

    const NEAR: Limits = Limits {
        beyond_horizon: false,
    };
    const FAR: Limits = Limits {
        beyond_horizon: true,
    };

    #[test]
    fn histories_meet_every_fate() {
        let mut fates: BTreeMap<String, usize> = BTreeMap::new();
        for seed in 0..40 {
            let mut oracle = Oracle::new(settings());
            for line in lines(&steps(seed, 150), FAR) {
                let fate = oracle.take(line.as_bytes(), None);
                *fates.entry(format!("{fate:?}")).or_default() += 1;
            }
        }
        let met = |fate: Fate| fates.get(&format!("{fate:?}")).copied().unwrap_or(0);
        assert!(met(Fate::Applied) > 4000, "{fates:?}");
        assert!(met(Fate::Duplicate) > 200, "{fates:?}");
        for code in [
            Code::Conflict,
            Code::TooLate,
            Code::FutureTime,
            Code::NotJson,
            Code::NotUtf8,
            Code::TrailingData,
            Code::NotAnObject,
            Code::TooDeep,
            Code::TooLarge,
            Code::MissingField,
            Code::BadField,
            Code::UnknownType,
            Code::DuplicateKey,
        ] {
            assert!(met(Fate::Refused(code)) > 0, "{code}: {fates:?}");
        }
    }

    #[test]
    fn the_truth_does_not_depend_on_the_order_of_arrival() {
        for seed in 0..60 {
            let lines = lines(&steps(seed, 120), NEAR);
            let shuffled = shuffle_within(&lines, 2 * HOUR_MS, seed);
            assert_eq!(shuffled.len(), lines.len());
            let truth = Oracle::of_lines(settings(), &lines).truth();
            let other = Oracle::of_lines(settings(), &shuffled).truth();
            assert_eq!(truth, other, "seed {seed}");
        }
    }
}
