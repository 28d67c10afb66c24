//! What happens on one calendar day, for all accounts, each in its own zone.
//!
//! Whether a user comes on a day, and what is done then, follows from the seed, the user and the day alone,
//! so days can be imagined one by one without remembering anything.

use mainstay_model::{Day, Timestamp};

use super::people::{Account, Fortune, People};
use super::{HOUR_MS, Plan};
use crate::rng::Rng;

/// Something that happened to an account.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Happening {
    pub(super) time: Timestamp,
    /// The account's place among the accounts.
    pub(super) account: u32,
    /// The user's number in the whole company.
    pub(super) user: Option<u32>,
    /// What the event's id is made from.
    pub(super) id: u64,
    pub(super) what: What,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    Used {
        /// The name's place in [`NAMES`].
        name: u8,
        duration_ms: u32,
        by_robot: bool,
    },
    SignedUp,
    Removed,
    Created,
    Deleted,
    /// A state of a subscription, by its place among the account's.
    Billed(u16),
    /// A record that cannot be read, by its kind.
    Broken(u8),
}

/// What users do, the frequent things first.
pub(super) const NAMES: [&str; 12] = [
    "page_viewed",
    "report_opened",
    "search_run",
    "comment_added",
    "report_sent",
    "dashboard_shared",
    "file_uploaded",
    "meeting_held",
    "export_finished",
    "integration_synced",
    "user_invited",
    IGNORED,
];

/// What this company takes for its key actions.
pub const KEY_ACTIONS: [&str; 2] = ["report_sent", "meeting_held"];

/// What is no use of the product.
pub const IGNORED: &str = "heartbeat";

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Tells `arrives` everything that happens on a day, and when it arrives.
pub(super) fn imagine(
    plan: &Plan,
    people: &People,
    day: Day,
    arrives: &mut dyn FnMut(Timestamp, Happening),
) {
    for (n, account) in people.accounts.iter().enumerate() {
        let part = (n as u64) << 32 | u64::from(day.0.unsigned_abs()) << 1;
        let mut day = AccountDay {
            plan,
            account,
            number: n as u32,
            // A day begins at local midnight; the hour of a clock change does not matter here.
            midnight: Timestamp(i64::from(day.0) * DAY_MS)
                .minus_ms(account.zone.offset_ms(Timestamp(i64::from(day.0) * DAY_MS))),
            since_begin: day.since(people.first_day).max(0) as u32,
            is_weekend: (day.0 + 3).rem_euclid(7) >= 5,
            is_saturday: (day.0 + 3).rem_euclid(7) == 5,
            rng: Rng::fork(plan.seed, part),
            arrives,
        };
        day.imagine();
    }
}

struct AccountDay<'a> {
    plan: &'a Plan,
    account: &'a Account,
    number: u32,
    midnight: Timestamp,
    since_begin: u32,
    is_weekend: bool,
    is_saturday: bool,
    rng: Rng,
    arrives: &'a mut dyn FnMut(Timestamp, Happening),
}

impl AccountDay<'_> {
    fn imagine(&mut self) {
        let fortune = self.account.fortune;
        if self.since_begin < fortune.created_on() {
            return;
        }
        if self.since_begin == fortune.created_on() {
            // Before anything else of the account: days follow the zone that this tells.
            let at = match self.since_begin {
                0 => self.plan.begin,
                _ => self.midnight,
            };
            self.arrive_on_time(at, None, What::Created);
        }
        for n in 0..self.account.users {
            self.user(n);
        }
        if self.account.has_robot && fortune.use_on(self.since_begin) > 0 {
            self.robot();
        }
        if let Fortune::Leaves { on } = fortune
            && on == self.since_begin
        {
            self.arrive_on_time(self.midnight.plus_ms(12 * HOUR_MS), None, What::Deleted);
        }
        // Last, so that all else is the same without it.
        self.bills();
    }

    /// What the billing system tells; now and then hours late, or twice.
    fn bills(&mut self) {
        let (account, faults) = (self.account, self.plan.faults);
        for (place, bill) in account.bills.iter().enumerate() {
            if bill.day != self.since_begin {
                continue;
            }
            let happening = self.happening(bill.at, None, What::Billed(place as u16));
            let mut arrival = bill.at.plus_ms(self.rng.between(20, 1_500));
            if bill.day > 0 && faults.late > 0 && self.rng.below(10) == 0 {
                arrival = arrival.plus_ms(self.rng.between(1, 40) * HOUR_MS);
            }
            (self.arrives)(arrival, happening);
            if faults.duplicate > 0 && self.rng.below(10) == 0 {
                let later = arrival.plus_ms(self.rng.between(1_000, 300_000));
                (self.arrives)(later, happening);
            }
        }
    }

    fn user(&mut self, n: u32) {
        let number = self.account.first_user + n;
        let mut habits = Rng::fork(self.plan.seed ^ 0xA11CE, u64::from(number));
        let fortune = self.account.fortune;
        let joined_on = fortune.joined_on(n, self.account.users);
        let leaves_on = match habits.happens(20_000) {
            true => joined_on + 3 + habits.below(30) as u32,
            false => u32::MAX,
        };
        if self.since_begin < joined_on || self.since_begin > leaves_on {
            return;
        }
        let noon = self.midnight.plus_ms(12 * HOUR_MS);
        if self.since_begin == joined_on && joined_on > 0 {
            let at = self.midnight.plus_ms(7 * HOUR_MS);
            self.arrive_on_time(at, Some(number), What::SignedUp);
        }
        if self.since_begin == leaves_on {
            self.arrive_on_time(noon, Some(number), What::Removed);
            return;
        }
        let eagerness = 100_000 + habits.below(700_000) as u32;
        let usual = if self.is_weekend {
            eagerness / 8
        } else {
            eagerness
        };
        let share = u64::from(usual) * u64::from(fortune.use_on(self.since_begin)) / 1000;
        if self.rng.happens(share as u32) {
            self.sessions(number);
        }
    }

    /// One to three sessions of a user, in working hours or at night.
    fn sessions(&mut self, user: u32) {
        let at_night = self.account.fortune == Fortune::WorksAtNight || self.rng.happens(30_000);
        for _ in 0..=self.rng.below(3) {
            let minute = match at_night {
                true => self.rng.between(21 * 60, 24 * 60),
                false => {
                    (self.rng.between(7 * 60, 19 * 60) + self.rng.between(8 * 60, 18 * 60)) / 2
                }
            };
            let second = self.rng.between(0, 60_000);
            let mut at = self.midnight.plus_ms(minute * MINUTE_MS + second);
            for _ in 0..=self.rng.below(9) {
                self.used(user, at, false);
                at = at.plus_ms(self.pause());
            }
        }
    }

    /// Mostly less than ten minutes; now and then exactly as long as a session allows, or longer.
    fn pause(&mut self) -> i64 {
        match self.rng.below(100) {
            0 => 30 * MINUTE_MS,
            1 => 30 * MINUTE_MS + 1,
            2..=9 => self.rng.between(10 * MINUTE_MS, 50 * MINUTE_MS),
            _ => self.rng.between(2_000, 10 * MINUTE_MS),
        }
    }

    /// A program that works all day without a pause that would end its session, but for Saturday mornings.
    fn robot(&mut self) {
        let robot = self.plan.users + self.number;
        let from = if self.is_saturday { 6 * HOUR_MS } else { 0 };
        for at in (from..DAY_MS).step_by(25 * MINUTE_MS as usize) {
            let jitter = self.rng.between(0, MINUTE_MS);
            self.used(robot, self.midnight.plus_ms(at + jitter), true);
        }
    }

    fn used(&mut self, user: u32, at: Timestamp, by_robot: bool) {
        let name = self.rng.below(12).min(self.rng.below(12)) as u8;
        let duration_ms = match self.rng.below(4) {
            0 => self.rng.between(100, 120_000) as u32,
            _ => 0,
        };
        let nobody = self.rng.happens(5_000);
        let what = What::Used {
            name,
            duration_ms,
            by_robot,
        };
        self.arrive_somehow(at, (!nobody).then_some(user), what);
    }

    fn happening(&mut self, time: Timestamp, user: Option<u32>, what: What) -> Happening {
        Happening {
            time,
            account: self.number,
            user,
            id: self.rng.next(),
            what,
        }
    }

    fn arrive_on_time(&mut self, time: Timestamp, user: Option<u32>, what: What) {
        let happening = self.happening(time, user, what);
        (self.arrives)(time.plus_ms(5), happening);
    }

    /// Lets something arrive as planned, or with one of the faults of the plan.
    fn arrive_somehow(&mut self, time: Timestamp, user: Option<u32>, what: What) {
        let faults = self.plan.faults;
        let mut happening = self.happening(time, user, what);
        let mut arrival = time.plus_ms(self.rng.between(20, 1_500));
        // Nothing precedes what created the account.
        if time < self.plan.begin.plus_ms(MINUTE_MS) {
            return;
        }
        if self.rng.happens(faults.out_of_order) {
            arrival = arrival.plus_ms(self.rng.between(1_000, 120_000));
        }
        if self.rng.happens(faults.late) {
            let hours = [3, 5, 12, 26, 50, 100][self.rng.below(6) as usize];
            arrival = arrival.plus_ms(hours * HOUR_MS);
        }
        if self.rng.happens(faults.too_late) {
            happening.time = arrival.minus_ms(self.rng.between(40, 80) * DAY_MS);
        } else if self.rng.happens(faults.future) {
            happening.time = arrival.plus_ms(self.rng.between(2, 2_000) * HOUR_MS);
        }
        (self.arrives)(arrival, happening);
        let later = arrival.plus_ms(self.rng.between(1_000, 300_000));
        if self.rng.happens(faults.duplicate) {
            (self.arrives)(later, happening);
        }
        if self.rng.happens(faults.conflict) {
            let what = What::Used {
                name: 9,
                duration_ms: 777_777,
                by_robot: false,
            };
            (self.arrives)(later.plus_ms(1), Happening { what, ..happening });
        }
        if self.rng.happens(faults.bad) {
            let kind = self.rng.below(crate::history::BAD_LINES as u64) as u8;
            let what = What::Broken(kind);
            (self.arrives)(later.plus_ms(2), Happening { what, ..happening });
        }
    }
}
