//! A company that sells software, with customers whose fortunes are known in advance.
//!
//! From one seed come accounts of very different sizes in several time zones, their users with their habits,
//! work days, nights and weekends; accounts that grow, fade, go silent, are deleted or come later; what they
//! pay for it, where the plan wants that; and the faults of every real stream in known shares: late, twice, contradictory, out of order, broken.
//! [`Company::stories`] tells who does what when, so that whoever watches can tell whether the numbers are
//! right.
//!
//! A company is an endless iterator of records in the order of their arrival, made as they are asked for.
//! It reads no clock: the same plan is the same stream on every machine.

mod billing;
mod day;
mod people;
mod render;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use mainstay_engine::ledger::Rates;
use mainstay_engine::{Revenue, Settings};
use mainstay_model::{Currency, Day, Decimal, Timestamp, Zone};

pub use billing::RATES;
use day::Happening;
pub use day::{IGNORED, KEY_ACTIONS};
use people::People;
pub use people::{Fortune, Story};

/// What a company is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Another seed is another company.
    pub seed: u64,
    /// How many accounts: 1 or more.
    pub accounts: u32,
    /// How many users all accounts have together, once all have come.
    pub users: u32,
    /// When the stream begins.
    pub begin: Timestamp,
    /// In how many days the fortunes of accounts come to pass: 10 or more.
    pub days: u32,
    /// Whether the stream tells what accounts pay.
    pub billing: bool,
    /// What goes wrong.
    pub faults: Faults,
}

impl Default for Plan {
    fn default() -> Plan {
        Plan {
            seed: 1,
            accounts: 200,
            users: 10_000,
            begin: Timestamp(1_772_323_200_000), // 2026-03-01T00:00:00Z
            days: 30,
            billing: false,
            faults: Faults::default(),
        }
    }
}

/// How many of a million records have a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Faults {
    /// Later than the grace: hours to days.
    pub late: u32,
    /// So late that nothing can be corrected.
    pub too_late: u32,
    /// From the future, by a clock that is wrong.
    pub future: u32,
    /// Sent again, a little later.
    pub duplicate: u32,
    /// Followed by another body with the same id.
    pub conflict: u32,
    /// Overtaken by others, by up to two minutes.
    pub out_of_order: u32,
    /// Followed by a record that cannot be read, of many kinds.
    pub bad: u32,
}

impl Faults {
    /// A stream as nobody has it.
    pub const NONE: Faults = Faults {
        late: 0,
        too_late: 0,
        future: 0,
        duplicate: 0,
        conflict: 0,
        out_of_order: 0,
        bad: 0,
    };
}

impl Default for Faults {
    fn default() -> Faults {
        Faults {
            late: 8_000,
            too_late: 300,
            future: 200,
            duplicate: 5_000,
            conflict: 500,
            out_of_order: 50_000,
            bad: 2_000,
        }
    }
}

/// What this company's operator has decided: its key actions, that heartbeats are no use, and what a euro is
/// worth.
#[must_use]
pub fn settings() -> Settings {
    let revenue = Revenue {
        rates: rates(),
        ..Revenue::default()
    };
    Settings {
        revenue,
        key_actions: KEY_ACTIONS.map(str::to_owned).into(),
        active_ignore: [IGNORED.to_owned()].into(),
        ..Settings::default()
    }
}

fn rates() -> Rates {
    let mut rates = Rates::into(Revenue::default().rates.currency());
    for line in RATES.lines() {
        let mut fields = line.splitn(3, ',');
        let mut next = || fields.next().expect("a rate has three fields");
        let (day, currency, rate) = (next(), next(), next());
        let day = day.parse().expect("the first is a date");
        let currency = Currency::of(currency).expect("the second is a currency");
        let rate = Decimal::parse(rate).expect("the third is a number");
        let set = rates.set(currency, day, rate);
        set.expect("which is above 0");
    }
    rates
}

/// One record of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// When it arrives; also its `received_at`.
    pub arrival: Timestamp,
    /// `product` for what users do, `accounts` for what becomes of accounts and users, `billing` for what is paid.
    pub topic: &'static str,
    /// The account.
    pub key: String,
    /// The event, in the native format.
    pub value: Vec<u8>,
}

/// A company, as the endless stream of what it sends.
pub struct Company {
    plan: Plan,
    people: People,
    /// The next local day to be imagined.
    next_day: Day,
    waiting: BinaryHeap<Reverse<Waiting>>,
    made: u64,
}

/// Something that happened and has not arrived yet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Waiting {
    arrival: Timestamp,
    /// Orders what arrives at one instant.
    number: u64,
    what: Happening,
}

const HOUR_MS: i64 = 3_600_000;

impl Company {
    /// The company of a plan.
    #[must_use]
    pub fn new(plan: Plan) -> Company {
        Company {
            people: People::new(&plan),
            next_day: Zone::UTC.day_of(plan.begin),
            waiting: BinaryHeap::new(),
            made: 0,
            plan,
        }
    }

    /// What becomes of each account, in the order of their ids.
    #[must_use]
    pub fn stories(&self) -> Vec<Story> {
        self.people.stories(&self.plan)
    }

    /// Imagines the next local day of every account.
    fn imagine_a_day(&mut self) {
        let day = self.next_day;
        self.next_day = day.plus(1);
        day::imagine(&self.plan, &self.people, day, &mut |arrival, what| {
            if arrival >= self.plan.begin {
                self.made += 1;
                self.waiting.push(Reverse(Waiting {
                    arrival,
                    number: self.made,
                    what,
                }));
            }
        });
    }

    /// Whether everything that arrives first was imagined already.
    fn next_is_known(&self) -> bool {
        let begin = self.begin_of_next_day();
        let first = self.waiting.peek();
        first.is_some_and(|Reverse(first)| first.arrival < begin)
    }

    /// The earliest instant that has the next day's date anywhere on earth.
    fn begin_of_next_day(&self) -> Timestamp {
        Zone::UTC
            .end_of(self.next_day.minus(1))
            .minus_ms(14 * HOUR_MS)
    }
}

impl Iterator for Company {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        while !self.next_is_known() {
            self.imagine_a_day();
        }
        let Reverse(next) = self.waiting.pop()?;
        Some(render::record(&self.people, next.arrival, &next.what))
    }
}

#[cfg(test)]
mod tests;
