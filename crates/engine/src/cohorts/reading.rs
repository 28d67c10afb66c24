//! What an account changes in cohorts on a day: how it stands at the end of the day, less how it stood the day before.
//!
//! Summed over days that is how it stands, whatever moved on the way: a user who signs up long after the first use
//! leaves one cohort for another. Knows nothing of other accounts.

use std::collections::BTreeMap;

use mainstay_model::{Day, Timestamp};

use super::{Back, Changes, DAYS, Origin, SINCE, Tally, WEEKS, counted};
use crate::account::Account;
use crate::facts::users::User;
use crate::reading::UNKNOWN;
use crate::spread;
use crate::terms::Terms;
use crate::view::activated_at;

/// By the day on which users signed up, or the account was created.
type ByDay = BTreeMap<Day, Tally>;

/// What is asked as of two days: the day itself, and the one before.
type Both<T> = [Option<T>; 2];

impl Changes {
    /// What an account changes on a day.
    pub(crate) fn of(account: &Account, day: Day, terms: &Terms) -> Changes {
        let days = [day, day.minus(1)];
        let mut changes = ByDay::new();
        let mut first_activated = [None; 2];
        for user in account.users.iter() {
            let sign_ups = days.map(|day| user.sign_up(day));
            let activated = both(|of| {
                let sign_up = sign_ups[of].map(|(at, _)| at);
                activated_at(user, sign_up, terms, days[of])
            });
            for (first, at) in first_activated.iter_mut().zip(activated) {
                *first = earlier(*first, at);
            }
            if sign_ups[0].is_some() {
                of_user(user, (day, terms), sign_ups, activated, &mut changes);
            }
        }
        of_account(account, days, terms, first_activated, &mut changes);
        let with_plan = changes.into_iter().map(|(day, tally)| {
            let plan = account.value_of(Terms::PLAN, day).unwrap_or(UNKNOWN);
            let plan = plan.into();
            (Origin { day, plan }, tally)
        });
        with_plan.collect()
    }
}

fn both<T>(of: impl Fn(usize) -> Option<T>) -> Both<T> {
    [of(0), of(1)]
}

fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

fn count(changes: &mut ByDay, day: Day, what: u32, by: i64) {
    changes.entry(day).or_default().count(what, by);
}

fn of_user(
    user: &User,
    (day, terms): (Day, &Terms),
    sign_ups: Both<(Timestamp, Day)>,
    activated: Both<Timestamp>,
    changes: &mut ByDay,
) {
    let min_events = terms.settings.active_min_events;
    let days = [day, day.minus(1)];
    let [now, before] = sign_ups.map(|sign_up| sign_up.map(|(_, day)| day));
    let stays = now == before;
    for ((sign_up, activated), (day, sign)) in sign_ups
        .into_iter()
        .zip(activated)
        .zip(days.into_iter().zip([1, -1]))
    {
        let Some((at, signed_up)) = sign_up else {
            continue;
        };
        if let Some(activated) = activated {
            count(changes, signed_up, counted::ACTIVATED, sign);
            let took = spread::bucket_between(at, activated);
            count(
                changes,
                signed_up,
                counted::TO_VALUE + u32::from(took),
                sign,
            );
        }
        if !stays {
            count(changes, signed_up, counted::USERS, sign);
            for bit in Back::of(user, signed_up, day, min_events).bits() {
                count(changes, signed_up, counted::BACK + bit, sign);
            }
        }
    }
    if let Some(signed_up) = now.filter(|_| stays) {
        for bit in Back::new_on(user, signed_up, day, min_events).bits() {
            count(changes, signed_up, counted::BACK + bit, 1);
        }
    }
}

/// How an account itself stands: when it was of use to its first user, and when it was set up.
fn of_account(
    account: &Account,
    days: [Day; 2],
    terms: &Terms,
    first_activated: [Option<Timestamp>; 2],
    changes: &mut ByDay,
) {
    for ((day, activated), sign) in days.into_iter().zip(first_activated).zip([1, -1]) {
        if day < account.lifecycle.first {
            continue;
        }
        let (at, created) = account.lifecycle.begun_at(day);
        count(changes, created, counted::ACCOUNTS, sign);
        let onboarded = account.onboarding.all(terms.onboarding(), day);
        for (from, reached) in [
            (counted::TO_FIRST_VALUE, activated),
            (counted::TO_ONBOARDED, onboarded.map(|last| last.at)),
        ] {
            if let Some(reached) = reached {
                let took = spread::bucket_between(at, reached);
                count(changes, created, from + u32::from(took), sign);
            }
        }
    }
}

impl Back {
    /// When a user came back, as of a day.
    fn of(user: &User, signed_up: Day, day: Day, min_events: u32) -> Back {
        let active = user.active_days(day, min_events);
        let age = day.since(signed_up);
        // Bit n: active n days after the sign-up.
        let since_then = match u32::try_from(127 - age) {
            Ok(newer) => active.reverse_bits() >> newer,
            Err(_) => {
                let older = (age - 127).unsigned_abs();
                active.reverse_bits().checked_shl(older).unwrap_or(0)
            }
        };
        let mut bits = since_then as u64 & ((1 << (DAYS + 1)) - 1);
        for week in (1..=WEEKS).take_while(|week| 7 * week <= age) {
            let of_week = since_then >> (7 * week - 6) & 0x7F;
            bits |= u64::from(of_week != 0) << Back::week(week);
        }
        for (place, from) in SINCE.into_iter().enumerate() {
            let days = (age - from + 1).clamp(0, 128).unsigned_abs();
            let later = active & 1u128.checked_shl(days).map_or(u128::MAX, |bit| bit - 1);
            bits |= u64::from(later != 0) << Back::since(place);
        }
        Back(bits | user.long_ago(signed_up).0)
    }

    /// What of it was not yet so the day before.
    fn new_on(user: &User, signed_up: Day, day: Day, min_events: u32) -> Back {
        let grows = day.since(signed_up) <= 7 * WEEKS || user.active_days(day, min_events) & 1 == 1;
        if !grows {
            return Back::default();
        }
        let now = Back::of(user, signed_up, day, min_events);
        Back(now.0 & !Back::of(user, signed_up, day.minus(1), min_events).0)
    }
}
