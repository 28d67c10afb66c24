//! Who the customers are, and what fate has in store for them.

use std::fmt;

use mainstay_model::{Day, Zone};

use super::Plan;
use super::billing::{Bill, bills};
use crate::rng::Rng;

/// What becomes of an account. Days are counted from the begin of the stream, its first day being 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fortune {
    /// Goes on as it began.
    Steady,
    /// Starts with a third of its users; the others sign up one after another until `until`.
    Grows {
        /// The day on which all have come.
        until: u32,
    },
    /// Is used less and less, down to a tenth on `until`.
    Fades {
        /// The day from which it stays at a tenth.
        until: u32,
    },
    /// Is used by nobody from `on` on.
    GoesSilent {
        /// The first day without any use.
        on: u32,
    },
    /// Fades and is deleted on `on`.
    Leaves {
        /// The day of the deletion.
        on: u32,
    },
    /// Becomes a customer on `on` only.
    Arrives {
        /// The day of its creation.
        on: u32,
    },
    /// Works at night, so that most sessions go over midnight.
    WorksAtNight,
}

/// An account and what becomes of it, to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Story {
    /// The account's id.
    pub account: String,
    /// What people call it.
    pub name: String,
    /// Where it is.
    pub zone: Zone,
    /// How many users it has once all have come.
    pub users: u32,
    /// What becomes of it.
    pub fortune: Fortune,
    /// The date on which that happens, or has happened in full.
    pub date: Option<Day>,
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Story { name, users, .. } = self;
        write!(f, "{name} ({users} users, {}) ", self.zone.name())?;
        let date = self.date.map(|date| date.to_string()).unwrap_or_default();
        match self.fortune {
            Fortune::Steady => write!(f, "goes on as ever"),
            Fortune::Grows { .. } => write!(f, "grows until {date}"),
            Fortune::Fades { .. } => write!(f, "fades until {date}"),
            Fortune::GoesSilent { .. } => write!(f, "goes silent on {date}"),
            Fortune::Leaves { .. } => write!(f, "is deleted on {date}"),
            Fortune::Arrives { .. } => write!(f, "becomes a customer on {date}"),
            Fortune::WorksAtNight => write!(f, "works at night"),
        }
    }
}

pub(super) struct People {
    pub(super) seed: u64,
    pub(super) first_day: Day,
    pub(super) accounts: Vec<Account>,
}

pub(super) struct Account {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) zone: Zone,
    pub(super) plan: &'static str,
    /// The number of its first user; the others follow.
    pub(super) first_user: u32,
    pub(super) users: u32,
    /// A program of its own that works around the clock, but for a pause on Saturdays.
    pub(super) has_robot: bool,
    pub(super) fortune: Fortune,
    /// What it is told to pay, by rising time.
    pub(super) bills: Vec<Bill>,
}

const ZONES: [&str; 8] = [
    "UTC",
    "America/New_York",
    "America/New_York",
    "America/Los_Angeles",
    "Europe/Berlin",
    "Europe/Berlin",
    "Asia/Tokyo",
    "Asia/Kolkata",
];

const FIRST: [&str; 16] = [
    "Amber", "Birch", "Cobalt", "Delta", "Ember", "Fjord", "Granite", "Harbor", "Indigo",
    "Juniper", "Kestrel", "Lumen", "Meridian", "Nimbus", "Orchard", "Pioneer",
];

const LAST: [&str; 16] = [
    "Analytics",
    "Bakery",
    "Clinics",
    "Dental",
    "Energy",
    "Foods",
    "Games",
    "Health",
    "Insurance",
    "Kitchens",
    "Labs",
    "Logistics",
    "Media",
    "Robotics",
    "Studio",
    "Travel",
];

impl People {
    pub(super) fn new(plan: &Plan) -> People {
        let mut rng = Rng::fork(plan.seed, 1);
        let sizes = sizes(plan.accounts.max(1), plan.users);
        let mut first_user = 0;
        let mut accounts = Vec::new();
        for (n, users) in sizes.into_iter().enumerate() {
            let mut account = Account {
                id: format!("acc_{:04}", n + 1),
                name: name(n),
                zone: rng.pick(&ZONES).parse().unwrap_or(Zone::UTC),
                plan: ["starter", "team", "business"][users.min(60) as usize / 21],
                first_user,
                users,
                has_robot: rng.happens(50_000),
                fortune: fortune(n, plan.days, &mut rng),
                bills: Vec::new(),
            };
            if plan.billing {
                account.bills = bills(&account, n, plan);
            }
            accounts.push(account);
            first_user += users;
        }
        People {
            seed: plan.seed,
            first_day: Zone::UTC.day_of(plan.begin),
            accounts,
        }
    }

    pub(super) fn stories(&self, plan: &Plan) -> Vec<Story> {
        let first_day = Zone::UTC.day_of(plan.begin);
        let tell = |account: &Account| Story {
            account: account.id.clone(),
            name: account.name.clone(),
            zone: account.zone,
            users: account.users,
            fortune: account.fortune,
            date: account.fortune.day().map(|n| first_day.plus(n as i32)),
        };
        self.accounts.iter().map(tell).collect()
    }
}

fn name(n: usize) -> String {
    let (first, last) = (FIRST[n % 16], LAST[(n / 16 + n * 7) % 16]);
    match n / 256 {
        0 => format!("{first} {last}"),
        more => format!("{first} {last} {}", more + 1),
    }
}

/// A few large accounts and many small ones, with all users together as planned.
fn sizes(accounts: u32, users: u32) -> Vec<u32> {
    let weights: Vec<u64> = (0..u64::from(accounts))
        .map(|n| 1_000_000 / (n + 4))
        .collect();
    let all: u64 = weights.iter().sum();
    let spare = u64::from(users.saturating_sub(accounts));
    let mut sizes: Vec<u32> = weights
        .iter()
        .map(|weight| 1 + (weight * spare / all) as u32)
        .collect();
    let left = users.saturating_sub(sizes.iter().sum());
    sizes[0] += left;
    // The largest account should not be the first that one sees.
    let places = sizes.len();
    (0..places).for_each(|n| sizes.swap(n, (n * 37 + 11) % places));
    sizes
}

/// Every kind of fortune comes in every twenty accounts.
fn fortune(n: usize, days: u32, rng: &mut Rng) -> Fortune {
    let days = i64::from(days.max(10));
    let mut day = |from: i64, to: i64| rng.between(days * from / 10, days * to / 10) as u32;
    match n % 20 {
        1 | 12 => Fortune::Grows { until: day(6, 9) },
        3 | 14 => Fortune::Fades { until: day(6, 9) },
        5 => Fortune::GoesSilent { on: day(3, 7) },
        7 => Fortune::Leaves { on: day(4, 8) },
        9 => Fortune::Arrives { on: day(2, 5) },
        16 => Fortune::WorksAtNight,
        _ => Fortune::Steady,
    }
}

impl Fortune {
    fn day(self) -> Option<u32> {
        match self {
            Fortune::Steady | Fortune::WorksAtNight => None,
            Fortune::Grows { until: day }
            | Fortune::Fades { until: day }
            | Fortune::GoesSilent { on: day }
            | Fortune::Leaves { on: day }
            | Fortune::Arrives { on: day } => Some(day),
        }
    }

    /// How much of its usual use an account sees on a day, in thousandths.
    pub(super) fn use_on(self, day: u32) -> u32 {
        let fading = |until: u32| 1000 - 900 * day.min(until) / until.max(1);
        match self {
            Fortune::Steady | Fortune::WorksAtNight | Fortune::Grows { .. } => 1000,
            Fortune::Fades { until } => fading(until),
            Fortune::GoesSilent { on } => 1000 * u32::from(day < on),
            Fortune::Leaves { on } => fading(on) * u32::from(day < on),
            Fortune::Arrives { on } => 1000 * u32::from(day >= on),
        }
    }

    /// The day on which an account comes into being.
    pub(super) fn created_on(self) -> u32 {
        match self {
            Fortune::Arrives { on } => on,
            Fortune::Steady
            | Fortune::Grows { .. }
            | Fortune::Fades { .. }
            | Fortune::GoesSilent { .. }
            | Fortune::Leaves { .. }
            | Fortune::WorksAtNight => 0,
        }
    }

    /// The day from which the `n`-th of an account's users is there.
    pub(super) fn joined_on(self, n: u32, users: u32) -> u32 {
        match self {
            Fortune::Grows { until } if n * 3 >= users => {
                let (late, all_late) = (n - users / 3, users - users / 3);
                1 + (u64::from(until) * u64::from(late) / u64::from(all_late.max(1))) as u32
            }
            Fortune::Steady
            | Fortune::Grows { .. }
            | Fortune::Fades { .. }
            | Fortune::GoesSilent { .. }
            | Fortune::Leaves { .. }
            | Fortune::Arrives { .. }
            | Fortune::WorksAtNight => self.created_on(),
        }
    }
}
