//! Small random histories that crowd around the edges where engines go wrong.
//!
//! A history is made from [`Step`]s, five small numbers each, so that a property test can draw them as it
//! likes and shrink what fails: fewer steps, smaller numbers. Each number picks from a short list of
//! interesting things: gaps of exactly 30 minutes, borders of days in three zones, chains of 24 hours, events
//! late by a minute or by 40 days, duplicates, conflicts, removed users, deleted accounts, bad lines, people and
//! programs, sign-ups before and after the first use, traits that change twice at one instant, long silences.
//!
//! What depends on the order of arrival by its definition stays in order also when lines are shuffled: zones
//! are told three hours before all else, two bodies with one id keep their places, and an account is deleted
//! on time.

use std::collections::BTreeSet;

use mainstay_engine::ledger::{ChurnAt, Mode, Paused, Rates, Rules};
use mainstay_engine::{Revenue, Settings};
use mainstay_model::{Currency, Day, Decimal, Timestamp, Zone};
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

/// Settings that suit histories: `report_sent` is a key action, `ping` is ignored, everything that may be
/// tracked is, and ids are remembered longer than any duplicate of a history needs.
#[must_use]
pub fn settings() -> Settings {
    let features = [
        ("reports", names(&["report_sent", "chart_viewed"])),
        ("imports", names(&["imported"])),
        ("noise", names(&["ping"])),
    ];
    Settings {
        revenue: Revenue {
            rates: rates(),
            ..Revenue::default()
        },
        key_actions: names(&["report_sent"]),
        active_ignore: names(&["ping"]),
        features: features.map(|(name, of)| (name.to_owned(), of)).into(),
        activation_events: names(&["imported", "report_sent"]),
        activation_within_ms: Some(7 * DAY_MS),
        onboarding_steps: names(&["chart_viewed", "imported", "opened"]),
        segments: ["plan", "region", "tier"].map(str::to_owned).into(),
        dedupe_product_ms: 4000 * DAY_MS,
        dedupe_business_ms: 4000 * DAY_MS,
        ..Settings::default()
    }
}

/// Settings of which features, activation, onboarding, dormant users and segments are drawn from a seed:
/// some of each, often none.
#[must_use]
pub fn settings_of(seed: u64) -> Settings {
    let mut rng = Rng::new(seed);
    let features = ["reports", "imports", "noise"].map(str::to_owned);
    let features = features.map(|feature| (feature, some_names(&mut rng)));
    let features = features.into_iter().filter(|(_, names)| !names.is_empty());
    let within = [None, Some(HALF_HOUR_MS), Some(DAY_MS), Some(7 * DAY_MS)];
    let traits = [
        "plan", "industry", "size", "region", "owner", "tier", "beta",
    ];
    let traits = traits.into_iter().filter(|_| rng.below(3) == 0);
    let segments = traits.map(str::to_owned).collect();
    Settings {
        features: features.collect(),
        activation_events: some_names(&mut rng),
        activation_within_ms: within[rng.below(within.len() as u64) as usize],
        onboarding_steps: some_names(&mut rng),
        dormant_days: rng.between(1, 21) as i32,
        segments,
        revenue: revenue_of(&mut rng),
        ..settings()
    }
}

/// Rules of revenue: those of any tool, and some of none.
fn revenue_of(rng: &mut Rng) -> Revenue {
    let modes = [
        Mode::Mainstay,
        Mode::Mainstay,
        Mode::Stripe,
        Mode::Profitwell,
        Mode::Maxio,
        Mode::Chargebee,
    ];
    let of_mode = Rules::of(modes[rng.below(modes.len() as u64) as usize]);
    let days = [None, None, Some(1), Some(10)];
    let churn_at = [ChurnAt::ServiceEnd, of_mode.churn_at, ChurnAt::Requested];
    Revenue {
        rules: Rules {
            churn_at: churn_at[rng.below(3) as usize],
            past_due_churn_days: days[rng.below(4) as usize],
            paused: [Paused::Keep, Paused::Zero][rng.below(2) as usize],
            ..of_mode
        },
        rates: rates(),
    }
}

/// Dollars for an euro from the beginning, and for a pound from some day on.
fn rates() -> Rates {
    let currency = |code| Currency::of(code).expect("ISO 4217 has it");
    let mut rates = Rates::into(currency("USD"));
    for (code, day, rate) in [
        ("EUR", "2020-01-01", "1.1"),
        ("EUR", "2026-03-03", "1.2"),
        ("EUR", "2026-03-11", "1.1999"),
        ("EUR", "2026-04-01", "1.1999"),
        ("EUR", "2026-05-02", "1.07"),
        ("GBP", "2026-03-06", "1.3"),
        ("GBP", "2026-03-21", "1.25"),
    ] {
        let day: Day = day.parse().expect("a date");
        let rate = Decimal::parse(rate).expect("a decimal number");
        let set = rates.set(currency(code), day, rate);
        set.expect("all rates are above 0");
    }
    rates
}

/// Each of the names of product events, or not.
fn some_names(rng: &mut Rng) -> BTreeSet<String> {
    let chosen = NAMES.iter().filter(|_| rng.below(4) == 0);
    chosen.map(|name| (*name).to_owned()).collect()
}

fn names(list: &[&str]) -> BTreeSet<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

/// The names of product events.
const NAMES: [&str; 5] = ["opened", "report_sent", "imported", "chart_viewed", "ping"];

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
const HALF_HOUR_MS: i64 = 30 * MINUTE_MS;
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

/// A history up to where an account that was deleted may have been forgotten.
///
/// Of an account that comes back 100 days after its deletion the engine knows no more who its users were,
/// which is what deletion is for; the oracle remembers for ever.
#[must_use]
pub fn until_forgotten(mut lines: Vec<String>) -> Vec<String> {
    let received = |line: &String| {
        let event: serde_json::Value = serde_json::from_str(line).ok()?;
        chrono::DateTime::parse_from_rfc3339(event["received_at"].as_str()?).ok()
    };
    let deleted = |line: &&String| line.contains(r#""type":"account.deleted""#);
    let Some(first) = lines.iter().find(deleted).and_then(received) else {
        return lines;
    };
    let last = first + chrono::Duration::days(95);
    let end = lines
        .iter()
        .position(|line| received(line).is_some_and(|at| at > last));
    lines.truncate(end.unwrap_or(lines.len()));
    lines
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
        let time = self.time_of(account, step.lag);
        let of_account = |kind: &str, data: Value| {
            let at_once = self
                .newest_word_on(account)
                .filter(|_| step.leap.is_multiple_of(3));
            (at_once.unwrap_or(time), kind.to_owned(), data)
        };
        let at_time = |kind: &str, data: Value| (time, kind.to_owned(), data);
        let used = |data: Value| at_time("product.event", data);
        let variant = step.what / 32;
        let (time, kind, data) = match step.what % 32 {
            0..=5 => used(match variant {
                0..=4 => json!({"name": "opened"}),
                5 => json!({"name": "opened", "actor": "agent"}),
                6 => json!({"name": "chart_viewed", "actor": null}),
                _ => json!({"name": "chart_viewed", "actor": "human", "duration_ms": 1500}),
            }),
            6 => {
                let (kind, data) = invoice(step);
                at_time(kind, data)
            }
            7..=9 => at_time("subscription.updated", self.subscription(step, time)),
            10..=14 => used(match variant {
                0..=5 => json!({"name": "report_sent"}),
                6 => json!({"name": "report_sent", "actor": "api"}),
                _ => json!({"name": "report_sent", "actor": "agent"}),
            }),
            15 => used(json!({"name": "ping", "duration_ms": variant})),
            16..=18 => {
                let durations = [1, 90_000, 30 * MINUTE_MS, 5 * HOUR_MS, 30 * HOUR_MS];
                let duration_ms = durations[usize::from(step.user) % durations.len()];
                used(match variant {
                    0..=5 => {
                        json!({"name": "imported", "duration_ms": duration_ms, "actor": "api"})
                    }
                    _ => json!({"name": "imported"}),
                })
            }
            19 => at_time("user.signed_up", json!({"role": "member"})),
            20 => at_time("user.removed", json!({})),
            21 if variant < 3 => at_time("user.invited", json!({})),
            21 => at_time("user.signed_up", json!({})),
            22 if variant < 4 => of_account("account.created", json!({"plan": "pro"})),
            22 => of_account("account.created", account_data(step.user)),
            23 if variant < 3 => at_time("ticket.opened", json!({"ticket_id": "t1"})),
            23 => of_account("account.updated", account_data(step.user)),
            24 if step.user.is_multiple_of(4) => {
                (self.now, "account.deleted".to_owned(), json!({}))
            }
            24 => at_time("account.updated", json!({"seats": step.user})),
            25..=27 => return self.again(step),
            28 => return self.contradict(step),
            29 => return self.say_badly(step, account),
            30 if variant < 4 => of_account("account.updated", account_data(step.user)),
            _ => used(json!({"name": NAMES[usize::from(variant) % NAMES.len()]})),
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

    /// A state of one of a few subscriptions, as it is told at `time`.
    fn subscription(&self, step: Step, time: Timestamp) -> Value {
        let in_days = |days: i64| json!(time.plus_ms(days * DAY_MS).to_string());
        let (id, currency) = [
            ("main", "USD"),
            ("main", "USD"),
            ("more", "USD"),
            ("euro", "EUR"),
            ("pound", "GBP"),
        ][usize::from(step.user) % 5];
        let choice = step.user / 5;
        let price = [
            json!({"price_id": "p", "unit_amount_minor": 1000, "quantity": 3, "interval": "month"}),
            json!({"price_id": "p", "unit_amount_minor": 2599, "quantity": 1, "interval": "month"}),
            json!({"price_id": "q", "unit_amount_minor": 100_000, "quantity": 1, "interval": "year"}),
            json!({"price_id": "q", "unit_amount_minor": "7.5", "quantity": 9, "interval": "week"}),
            json!({"price_id": "p", "unit_amount_minor": 0, "quantity": 1, "interval": "month"}),
        ];
        let price = |choice: u8| json!([price[usize::from(choice) % 5].clone()]);
        let mut data = json!({"subscription_id": id, "currency": currency, "status": "active",
            "items": price(choice), "started_at": in_days(i64::from(choice % 3) * -200),
            "current_period_end": in_days(30)});
        let plans = [0, 1, 3, 12, 40];
        let plan = plans[usize::from(choice) % plans.len()];
        match (step.what / 32, choice % 4) {
            (0 | 1, _) => {}
            (2, 0) => {
                data["started_at"] = in_days(plan);
                data["term_end"] = in_days(365);
            }
            (2, 1) => data["next"] = json!({"at": in_days(plan), "items": price(choice + 1)}),
            (2, _) => data["term_end"] = in_days(plan),
            (3, _) => {
                data["status"] = json!("trialing");
                data["trial_end"] = in_days(14);
            }
            (4, 0) => data["cancel_requested_at"] = in_days(0),
            (4, _) => data["cancel_at"] = in_days(plan),
            (5, back) => {
                data["status"] = json!("canceled");
                if back > 0 {
                    data["ended_at"] = self.some_days_before(time, i64::from(back) * 7);
                }
            }
            (6, how) => {
                let statuses = ["paused", "past_due", "unpaid", "incomplete"];
                data["status"] = json!(statuses[usize::from(how)]);
            }
            (_, half) => {
                data["discounts"] = json!([{"percent_off": 12.5 * f64::from(half + 1),
                    "duration": "repeating", "ends_at": in_days(plan)}]);
            }
        }
        if id == "more" {
            data["version"] = json!(step.leap % 4);
        }
        data
    }

    /// An end in hindsight; only where that may be, one that can no longer be corrected.
    fn some_days_before(&self, time: Timestamp, days: i64) -> Value {
        let before = time.minus_ms(days * DAY_MS);
        let oldest = self.now.minus_ms(33 * DAY_MS);
        let before = match self.limits.beyond_horizon {
            true => before.minus_ms(30 * DAY_MS),
            false => before.max(oldest).min(time),
        };
        json!(before.to_string())
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

    /// When the newest event happened that says something of the account itself, if that can still be
    /// corrected.
    fn newest_word_on(&self, account: &str) -> Option<Timestamp> {
        let says = |told: &&Told| {
            let kind = told.event["type"].as_str().unwrap_or_default();
            told.account == account && ["account.created", "account.updated"].contains(&kind)
        };
        let newest = self.told.iter().rev().find(says)?.time;
        (newest >= self.now.minus_ms(34 * DAY_MS) && newest <= self.now).then_some(newest)
    }

    /// An earlier event to speak of again. It may have been refused at first, and then counts now, so it has
    /// to be one that still may come.
    fn earlier(&self, step: Step) -> Option<Told> {
        let back = 1 + usize::from(step.user) % 8;
        let place = self.told.len().checked_sub(back)?;
        let oldest = self.now.minus_ms(34 * DAY_MS);
        let told = self.told[place].clone();
        (self.limits.beyond_horizon || told.time >= oldest).then_some(told)
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

/// What becomes of one of a few invoices.
fn invoice(step: Step) -> (&'static str, Value) {
    let kind = match step.what / 32 {
        0..=2 => "invoice.paid",
        3 | 4 => "invoice.payment_failed",
        5 => "invoice.voided",
        6 => "payment.refunded",
        _ => "payment.disputed",
    };
    let currency = ["USD", "EUR", "USD", "GBP"][usize::from(step.user / 4) % 4];
    let data = json!({"invoice_id": format!("in{}", step.user % 4), "currency": currency,
        "amount_minor": 1000 + 7 * i64::from(step.user), "recurring": !step.user.is_multiple_of(3)});
    (kind, data)
}

/// What an event says of an account: few values, so that accounts meet in segments, and what takes them away.
fn account_data(choice: u8) -> Value {
    match choice % 12 {
        0 => json!({"plan": "free"}),
        1 => json!({"plan": "pro", "seats": 3}),
        2 => json!({"plan": null}),
        3 => json!({"seats": choice / 12}),
        4 => json!({"seats": null, "region": "eu"}),
        5 => json!({"region": "us", "industry": "retail"}),
        6 => json!({"region": null, "size": "small"}),
        7 => json!({"owner": "olga", "size": "large"}),
        8 => json!({"traits": {"tier": "gold", "plan": "of no account"}}),
        9 => json!({"traits": {"tier": "base", "beta": true}}),
        10 => json!({"traits": {"tier": null, "beta": 7}, "industry": null, "owner": null}),
        _ if choice < 120 => json!({"name": "no trait", "renewal_at": "2026-04-15T00:00:00Z"}),
        _ => json!({"renewal_at": null}),
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
        250..=252 => now.plus_ms(7 * DAY_MS),
        253 => now.plus_ms(15 * DAY_MS),
        254 => now.plus_ms(30 * DAY_MS),
        255 => now.plus_ms(45 * DAY_MS),
    }
}

/// The lines in another order of arrival: none is moved past one that came more than `ms` after it, and
/// lines with one id keep their order, as the first of them wins.
#[must_use]
pub fn shuffle_within(lines: &[String], ms: i64, seed: u64) -> Vec<String> {
    let mut arrived_at = 0;
    shuffle(lines, ms, seed, |event| {
        let at = instant(event, "received_at").or(instant(event, "time"));
        arrived_at = arrived_at.max(at.unwrap_or_default());
        arrived_at
    })
}

/// The lines in an order in which each arrives at most `ms` after the time of its event, wherever it was; lines with
/// one id keep their order.
#[must_use]
pub fn shuffle_inside(lines: &[String], ms: i64, seed: u64) -> Vec<String> {
    let mut newest = 0;
    shuffle(lines, ms, seed, |event| {
        newest = instant(event, "time").unwrap_or(newest);
        newest
    })
}

fn instant(event: &Value, field: &str) -> Option<i64> {
    let at = event.get(field)?.as_str()?;
    let at = chrono::DateTime::parse_from_rfc3339(at).ok()?;
    Some(at.timestamp_millis())
}

fn shuffle(
    lines: &[String],
    ms: i64,
    seed: u64,
    mut from: impl FnMut(&Value) -> i64,
) -> Vec<String> {
    let mut rng = Rng::new(seed);
    let mut last_of_id = std::collections::BTreeMap::new();
    let mut keyed = Vec::new();
    for line in lines {
        let event: Value = serde_json::from_str(line).unwrap_or_default();
        let mut key = from(&event) + rng.between(0, ms + 1);
        if let Some(id) = event.get("id").and_then(Value::as_str) {
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
            Code::BadCurrency,
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
            let settings = settings_of(seed);
            let truth = Oracle::of_lines(settings.clone(), &lines).truth();
            let other = Oracle::of_lines(settings, &shuffled).truth();
            assert_eq!(truth, other, "seed {seed}");
        }
    }

    /// A metric that is the same in all histories is not tried by any of them.
    #[test]
    fn histories_give_every_metric_several_values() {
        let mut values: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for seed in 0..10 {
            let lines = lines(&steps(seed, 250), NEAR);
            let truth = Oracle::of_lines(settings(), &lines).truth();
            let groups = truth.groups.values().flat_map(BTreeMap::values);
            let accounts = truth.accounts.values().flat_map(BTreeMap::values);
            for (level, (id, value)) in (accounts.flatten().map(|value| ("account", value)))
                .chain(groups.flatten().map(|value| ("group", value)))
            {
                let name = format!("{level} {id}");
                values.entry(name).or_default().insert(value.to_string());
            }
            for ((_, _, metric), cohort) in &truth.cohorts {
                let name = format!("cohort {metric}");
                values
                    .entry(name)
                    .or_default()
                    .insert(cohort.value.to_string());
            }
        }
        // Which is why it is told.
        values.retain(|name, _| !name.contains("residual"));
        // An account stays with itself.
        values.retain(|name, _| !name.starts_with("account mrr_transfer"));
        let poor = values.iter().filter(|(_, values)| values.len() < 2);
        let poor: Vec<_> = poor.collect();
        assert!(poor.is_empty(), "{poor:?}");
        let groups = ["group active_accounts_7d", "group onboarding_done_24h"];
        assert!(groups.iter().all(|name| values.contains_key(*name)));
    }
}
