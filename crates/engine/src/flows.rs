//! How an account's recurring revenue moved within a window of days: all of it, and what of it belongs to each of
//! the groups that the account was in.
//!
//! A day belongs to the group that the account is in at the day's end. Where that is another one than the day
//! before, the account takes its revenue along: what one group gives by that, the other is given, so that each
//! group's books balance by themselves. An account that was deleted has left, but what it did while it was there
//! stays in the windows.

use mainstay_model::{Day, Parts};

use crate::groups::ALL;
use crate::ledger::{Balance, Kind};
use crate::reading::UNKNOWN;
use crate::revenue::Revenue;
use crate::view::View;

/// A window of days that ends with the day that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// The day alone.
    Day,
    /// 30 days.
    Days30,
    /// The days of its month.
    MonthToDate,
}

/// How revenue moved within a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flows {
    start: i128,
    end: i128,
    /// What came in from another group, less what went out.
    transfer: i128,
    of_kinds: OfKinds,
    customers_at_start: i128,
    followed: Followed,
}

/// What became of customers who were in the group at the start, wherever they are at the end. Who was deleted as a
/// customer is left out: nobody knows whether that one would have stayed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Followed {
    /// How many they were.
    pub customers: i128,
    /// How many of them are none any more, by whether it was their will: the last time that they were lost counts.
    pub lost_actively: i128,
    /// Who did not want to go.
    pub lost_passively: i128,
    /// Their revenue at the start.
    pub mrr_at_start: i128,
    /// Their revenue at the end, at the rates of exchange of the start.
    pub mrr_at_end: i128,
    /// What of the revenue at the start is still there: of each the smaller of the two.
    pub mrr_kept: i128,
}

/// The sum and the number of movements of each kind, in the order of [`Kind::ALL`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct OfKinds {
    sums: [i128; Kind::ALL.len()],
    numbers: [i128; Kind::ALL.len()],
}

/// What an account gives to a group that it was in on some of the days of a window, though not on all of them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Share {
    /// 0 for the fleet, from 1 on the traits by which groups are made.
    pub(crate) dimension: usize,
    pub(crate) segment: Box<str>,
    /// In the order of the columns of groups that are read from flows.
    pub(crate) parts: Vec<Parts>,
}

/// How revenue moved on each of the days that windows reach, and where it stood at their ends.
pub(crate) struct Table {
    /// The day before all windows begin.
    first: Day,
    levels: Vec<i128>,
    /// Whether the account was a customer at the end of each of those days.
    customer: Vec<bool>,
    /// One for each day after the first.
    days: Vec<OfKinds>,
    /// Revenue at the end by the rates of exchange of each window's start.
    at_rates_of_start: [i128; Window::ALL.len()],
    /// On which days the account was lost, and whether without its will.
    losses: Vec<(Day, bool)>,
}

impl Window {
    pub(crate) const ALL: [Window; 3] = [Window::Day, Window::Days30, Window::MonthToDate];

    /// Its place among all.
    pub(crate) const fn place(self) -> usize {
        match self {
            Window::Day => 0,
            Window::Days30 => 1,
            Window::MonthToDate => 2,
        }
    }

    pub(crate) fn first(self, day: Day) -> Day {
        match self {
            Window::Day => day,
            Window::Days30 => day.minus(29),
            Window::MonthToDate => day.first_of_month(),
        }
    }
}

impl Flows {
    /// By how much movements of a kind changed revenue: below 0 for less.
    #[must_use]
    pub fn sum(&self, kind: Kind) -> i128 {
        self.of_kinds.sums[place(kind)]
    }

    /// How many movements of a kind there were.
    #[must_use]
    pub fn number(&self, kind: Kind) -> i128 {
        self.of_kinds.numbers[place(kind)]
    }

    /// What accounts brought along who came from another group, less what they took along.
    #[must_use]
    pub fn transfer(&self) -> i128 {
        self.transfer
    }

    /// Revenue of the group when the window begins.
    #[must_use]
    pub fn start(&self) -> i128 {
        self.start
    }

    /// How many customers were in the group when the window begins.
    #[must_use]
    pub fn customers_at_start(&self) -> i128 {
        self.customers_at_start
    }

    /// What became of them.
    #[must_use]
    pub fn followed(&self) -> &Followed {
        &self.followed
    }

    /// What is not explained of the difference between start and end: 0.
    #[must_use]
    pub fn residual(&self) -> i128 {
        let moved: i128 = self.of_kinds.sums.iter().sum();
        self.end - (self.start + moved + self.transfer)
    }

    fn add(&mut self, more: &OfKinds) {
        let mine = self.of_kinds.sums.iter_mut();
        mine.zip(more.sums).for_each(|(mine, more)| *mine += more);
        let mine = self.of_kinds.numbers.iter_mut();
        mine.zip(more.numbers)
            .for_each(|(mine, more)| *mine += more);
    }
}

fn place(kind: Kind) -> usize {
    let place = Kind::ALL.iter().position(|one| *one == kind);
    place.expect("all kinds stand in the list")
}

impl Table {
    pub(crate) fn of(view: &View<'_>, revenue: &Revenue) -> Table {
        let begin = Window::Days30.first(view.day);
        let first = begin.min(Window::MonthToDate.first(view.day)).minus(1);
        let until = view.last_instant(revenue);
        let balance = |days: i32| {
            let end = revenue.end_of(first.plus(days)).minus_ms(1).min(until);
            revenue.balance_at(end)
        };
        let number = view.day.since(first);
        let balances: Vec<Option<&Balance>> = (0..=number).map(balance).collect();
        let levels = balances.iter().map(|one| one.map_or(0, |one| one.mrr));
        let customer = balances
            .iter()
            .map(|one| one.is_some_and(Balance::is_customer));
        let mut table = Table {
            first,
            levels: levels.collect(),
            customer: customer.collect(),
            days: vec![OfKinds::default(); number.unsigned_abs() as usize],
            at_rates_of_start: [0; Window::ALL.len()],
            losses: Vec::new(),
        };
        table.at_rates_of_start = Window::ALL.map(|window| {
            let start = window.first(view.day).minus(1);
            let stayed = table.is_customer(start) && table.is_customer(view.day);
            match stayed && revenue.is_of_rates(until, view.terms) {
                true => revenue.at_rates_of(start, until, view.terms),
                false => table.level(view.day),
            }
        });
        for movement in revenue.movements(first.plus(1), until) {
            let day = revenue.day_of(movement.at);
            if let Some(churn) = &movement.churn {
                table.losses.push((day, churn.passive));
            }
            let ago = day.since(first) - 1;
            let of_day = usize::try_from(ago)
                .ok()
                .and_then(|day| table.days.get_mut(day));
            if let Some(of_day) = of_day {
                of_day.sums[place(movement.kind)] += movement.amount();
                of_day.numbers[place(movement.kind)] += 1;
            }
        }
        table
    }

    fn level(&self, day: Day) -> i128 {
        self.levels[day.since(self.first).unsigned_abs() as usize]
    }

    fn is_customer(&self, day: Day) -> bool {
        self.customer[day.since(self.first).unsigned_abs() as usize]
    }

    fn of_day(&self, day: Day) -> &OfKinds {
        &self.days[day.since(self.first).unsigned_abs() as usize - 1]
    }

    /// All that happened in a window that ends with `last`, wherever the account was.
    pub(crate) fn whole(&self, window: Window, last: Day) -> Flows {
        self.inside(window, last, last, |_| true)
    }

    /// What happened in a window that ends with `last` while the account was in a group. Up to `there` it was there at
    /// all, in whichever group.
    fn inside(&self, window: Window, last: Day, there: Day, is_in: impl Fn(Day) -> bool) -> Flows {
        let first = window.first(last);
        let start = first.minus(1);
        let at_end_of = |day| if is_in(day) { self.level(day) } else { 0 };
        let was_customer = is_in(start) && self.is_customer(start);
        let mut flows = Flows {
            start: at_end_of(start),
            end: at_end_of(last),
            customers_at_start: was_customer.into(),
            ..Flows::default()
        };
        if was_customer && (there == last || !self.is_customer(there)) {
            flows.followed = self.followed(window, last, there);
        }
        for day in (first.0..=last.0).map(Day) {
            let before = day.minus(1);
            match (is_in(before), is_in(day)) {
                (true, false) => flows.transfer -= self.level(before),
                (false, true) => flows.transfer += self.level(before),
                (true, true) | (false, false) => {}
            }
            if is_in(day) {
                flows.add(self.of_day(day));
            }
        }
        flows
    }

    /// What had become, by the end of the day `there`, of an account that was a customer at the start.
    fn followed(&self, window: Window, last: Day, there: Day) -> Followed {
        let start = self.level(window.first(last).minus(1));
        let (lost, end) = match self.is_customer(there) {
            true => (false, self.at_rates_of_start[window.place()]),
            false => (true, 0),
        };
        let losses = self.losses.iter().rev();
        let mut until = losses.skip_while(|(day, _)| *day > there);
        let passively = until.next().is_some_and(|(_, passively)| *passively);
        Followed {
            customers: 1,
            lost_actively: (lost && !passively).into(),
            lost_passively: (lost && passively).into(),
            mrr_at_start: start,
            mrr_at_end: end,
            mrr_kept: start.min(end),
        }
    }

    /// The days on which it makes a difference where the account is.
    fn days_that_count(&self) -> impl Iterator<Item = Day> {
        let counts = |day: &usize| {
            let came = day.checked_sub(1);
            let moved = came.is_some_and(|before| {
                self.levels[before] != 0 || self.days[before] != OfKinds::default()
            });
            self.levels[*day] != 0 || self.customer[*day] || moved
        };
        let days = (0..self.levels.len()).filter(counts);
        days.map(|day| self.first.plus(day as i32))
    }
}

/// What an account gives to groups, for each dimension in which it was not in one and the same group on all days
/// that count. `here`: it is there on the day that is asked for.
pub(crate) fn shares(view: &View<'_>, here: bool) -> Vec<Share> {
    let Some(table) = view.table() else {
        return Vec::new();
    };
    let is_there = |day: Day| match day == view.day {
        true => here,
        false => view.account.lifecycle.is_known_on(day),
    };
    let days = (table.first.0..=view.day.0).rev().map(Day);
    let there = days.into_iter().find(|day| is_there(*day));
    let there = there.unwrap_or(table.first);
    let traits = view.terms.segments().map(|(no, _)| Some(no));
    let mut shares = Vec::new();
    for (dimension, of_trait) in std::iter::once(None).chain(traits).enumerate() {
        let group_on = |day: Day| {
            let value = of_trait.map_or(Some(ALL), |no| view.account.value_of(no, day));
            is_there(day).then(|| value.unwrap_or(UNKNOWN))
        };
        let today = group_on(view.day);
        let mut groups: Vec<&str> = table.days_that_count().filter_map(group_on).collect();
        let stayed = table.days_that_count().all(|day| group_on(day) == today);
        if stayed {
            continue;
        }
        groups.extend(today);
        groups.sort_unstable();
        groups.dedup();
        for group in groups {
            let is_in = |day| group_on(day) == Some(group);
            let flows = |window| table.inside(window, view.day, there, is_in);
            shares.push(Share {
                dimension,
                segment: group.into(),
                parts: view.terms.readers().flows_of_groups(flows),
            });
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(levels: &[i128]) -> Table {
        let days = levels.windows(2).map(|two| {
            let mut day = OfKinds::default();
            day.sums[place(Kind::Expansion)] = two[1] - two[0];
            day
        });
        Table {
            first: Day(100),
            levels: levels.to_vec(),
            customer: levels.iter().map(|level| *level != 0).collect(),
            days: days.collect(),
            at_rates_of_start: [levels[levels.len() - 1]; Window::ALL.len()],
            losses: vec![(Day(130), false)],
        }
    }

    #[test]
    fn who_moves_takes_revenue_along_and_both_groups_balance() {
        let mut levels = vec![10; 31];
        levels[20..].fill(50);
        let table = table(&levels);
        let last = Day(130);
        let moved_on = Day(125);
        let old = table.inside(Window::Days30, last, last, |day| day < moved_on);
        assert_eq!((old.start, old.transfer(), old.end), (10, -50, 0));
        assert_eq!(old.sum(Kind::Expansion), 40);
        let new = table.inside(Window::Days30, last, last, |day| day >= moved_on);
        assert_eq!((new.start, new.transfer(), new.end), (0, 50, 50));
        assert_eq!(new.sum(Kind::Expansion), 0);
        assert_eq!([old.residual(), new.residual()], [0, 0]);
    }

    #[test]
    fn a_flow_of_the_day_of_the_move_is_of_the_new_group() {
        let mut levels = vec![10; 31];
        levels[25..].fill(50);
        let flows =
            table(&levels).inside(Window::Days30, Day(130), Day(130), |day| day >= Day(125));
        assert_eq!((flows.transfer(), flows.sum(Kind::Expansion)), (10, 40));
        assert_eq!(flows.residual(), 0);
    }

    #[test]
    fn a_customer_is_followed_from_the_group_of_the_start_wherever_it_goes() {
        let mut table = table(&[10; 31]);
        table.levels[30] = 0;
        table.customer[30] = false;
        let moved_on = Day(125);
        let inside = |there, is_in: fn(Day, Day) -> bool| {
            let flows = table.inside(Window::Days30, Day(130), there, |day| is_in(day, moved_on));
            (flows.customers_at_start(), *flows.followed())
        };
        let lost = Followed {
            customers: 1,
            lost_actively: 1,
            mrr_at_start: 10,
            ..Followed::default()
        };
        assert_eq!(inside(Day(130), |day, moved| day < moved), (1, lost));
        let nobody = Followed::default();
        assert_eq!(inside(Day(130), |day, moved| day >= moved), (0, nobody));
        // Who was deleted as a customer is neither lost nor kept.
        assert_eq!(inside(Day(129), |day, moved| day < moved), (1, nobody));
    }

    #[test]
    fn who_was_lost_and_then_deleted_is_lost() {
        let mut table = table(&[10; 31]);
        table.levels[20..].fill(0);
        table.customer[20..].fill(false);
        // The ledger of who is not there any more goes on.
        table.losses = vec![(Day(120), true), (Day(128), false)];
        let flows = table.inside(Window::Days30, Day(130), Day(125), |day| day <= Day(125));
        let followed = flows.followed();
        assert_eq!((followed.customers, followed.lost_passively), (1, 1));
        assert_eq!(followed.lost_actively, 0);
    }

    #[test]
    fn each_window_stands_in_its_place() {
        assert_eq!(Window::ALL.map(Window::place), [0, 1, 2]);
    }

    #[test]
    fn a_month_begins_with_its_first_day() {
        let day: Day = "2026-03-31".parse().unwrap();
        assert_eq!(
            Window::MonthToDate.first(day),
            "2026-03-01".parse().unwrap()
        );
        assert_eq!(Window::Days30.first(day), "2026-03-02".parse().unwrap());
    }
}
