//! An account as of a day: what metrics ask.
//!
//! Users are looked through at most once for each account and day, however many metrics are read; the
//! answers stand in [`Scan`]. A view never changes what it looks at.

use std::cell::OnceCell;

use mainstay_model::{Day, Sorted};

use crate::account::Account;
use crate::facts::sessions::Session;
use crate::facts::totals::Total;
use crate::facts::users::{Counts, User};
use crate::settings::Settings;
use crate::spread;

/// An account as of a day, today included.
pub struct View<'a> {
    pub(crate) account: &'a Account,
    pub(crate) settings: &'a Settings,
    /// The day that is asked for.
    pub(crate) day: Day,
    scan: OnceCell<Scan>,
}

/// What looking through all users of an account tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scan {
    /// Users known at the end of the day.
    pub(crate) known: u64,
    /// Users active in the 7 days that end 0, 7, 14, 21, 28 days ago.
    pub(crate) wau: [u64; 5],
    /// Users active in the last 30 days.
    pub(crate) mau: u64,
    /// Users by how many of the last 30 days they were active on; the first is for 0 days.
    pub(crate) active_days: Vec<u64>,
    /// Users with enough key actions in 7 days.
    pub(crate) engaged: u64,
    /// Users by their number of sessions in 7 days, those with none left out.
    pub(crate) sessions: Sorted<u32>,
    /// Durations of the sessions of 7 days.
    pub(crate) durations: Sorted<u16>,
}

const WEEK: u128 = (1 << 7) - 1;
const MONTH: u128 = (1 << 30) - 1;

impl<'a> View<'a> {
    pub(crate) fn new(account: &'a Account, settings: &'a Settings, day: Day) -> View<'a> {
        View {
            account,
            settings,
            day,
            scan: OnceCell::new(),
        }
    }

    pub(crate) fn scan(&self) -> &Scan {
        self.scan.get_or_init(|| Scan::of(self))
    }

    /// A sum over the last `days` days.
    pub(crate) fn sum(&self, days: i32, of: impl Fn(&Total) -> u64) -> u64 {
        self.sum_of(self.day.minus(days - 1), self.day, of)
    }

    /// A sum over the days from `first` to `last`.
    pub(crate) fn sum_of(&self, first: Day, last: Day, of: impl Fn(&Total) -> u64) -> u64 {
        self.account.totals.window(first, last).map(of).sum()
    }

    /// How long the sessions of the last `days` days lasted, in milliseconds.
    pub(crate) fn session_ms(&self, days: i32) -> u64 {
        self.sum(days, |row| row.session_ms.unsigned_abs())
    }

    pub(crate) fn has_key_actions(&self) -> bool {
        !self.settings.key_actions.is_empty()
    }
}

impl Scan {
    fn of(view: &View<'_>) -> Scan {
        let mut scan = Scan {
            active_days: vec![0; 31],
            ..Scan::default()
        };
        // Sessions of a week lie in few buckets; sorting once is cheaper than keeping them sorted.
        let mut buckets: Vec<u16> = Vec::new();
        let week = (view.day.minus(6), view.day);
        for (no, user) in view.account.users.iter().enumerate() {
            scan.activity(user, view);
            let known = user.known_from <= view.day
                && !view.account.membership.is_removed(no as u32, view.day);
            scan.known += u64::from(known);
            if user.newest_day() >= week.0 {
                scan.week(user, week, view.settings.engaged_k, &mut buckets);
            }
        }
        buckets.sort_unstable();
        for same in buckets.chunk_by(|one, other| one == other) {
            scan.durations.count(same[0], same.len() as u64);
        }
        scan
    }

    fn activity(&mut self, user: &User, view: &View<'_>) {
        let active = user.active_days(view.day, view.settings.active_min_events);
        for (weeks, wau) in self.wau.iter_mut().enumerate() {
            *wau += u64::from(active >> (7 * weeks) & WEEK != 0);
        }
        let month = active & MONTH;
        self.mau += u64::from(month != 0);
        self.active_days[month.count_ones() as usize] += 1;
    }

    fn week(&mut self, user: &User, week: (Day, Day), engaged_k: u32, buckets: &mut Vec<u16>) {
        let (mut key_actions, mut sessions) = (0u32, 0u32);
        let mut count = |counts: Counts| key_actions += counts.key_actions;
        let mut session = |session: &Session| {
            sessions += 1;
            buckets.push(spread::bucket(session.duration_ms()));
        };
        user.window(week.0, week.1, &mut count, &mut session);
        self.engaged += u64::from(key_actions >= engaged_k);
        if sessions > 0 {
            self.sessions.count(sessions, 1);
        }
    }
}
