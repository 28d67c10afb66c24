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
            let activated = [0, 1].map(|of| {
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
    user: User<'_>,
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
    fn of(user: User<'_>, signed_up: Day, day: Day, min_events: u32) -> Back {
        let past = user.long_ago(signed_up);
        let now = match user.bits_are_whole(day) {
            true => Back::of_bits(user, signed_up, day, min_events),
            false => Back::of_cells(user, signed_up, day, min_events),
        };
        Back(now.0 | past.0)
    }

    /// Of a user who has been away for long, or is far ahead of the day because one source is of another.
    fn of_cells(user: User<'_>, signed_up: Day, day: Day, min_events: u32) -> Back {
        let active = user.all_active_days(min_events).filter(|on| *on <= day);
        let bits = active.fold(0, |bits, on| bits | Back::on(on.since(signed_up)).0);
        let weeks = (day.since(signed_up) / 7).clamp(0, WEEKS);
        let ahead = (weeks + 1..=WEEKS).fold(0, |bits, week| bits | 1 << Back::week(week));
        Back(bits & !ahead)
    }

    fn of_bits(user: User<'_>, signed_up: Day, day: Day, min_events: u32) -> Back {
        // Beyond the newest active day there is nothing to see, and as of a later day less would be seen.
        let seen = day.min(user.newest_active());
        if seen < signed_up {
            return Back::default();
        }
        let active = user.active_days(seen, min_events);
        let age = seen.since(signed_up);
        // Bit n: active n days after the sign-up.
        let since_then = match u32::try_from(127 - age) {
            Ok(newer) => active.reverse_bits() >> newer,
            Err(_) => {
                let older = (age - 127).unsigned_abs();
                active.reverse_bits().checked_shl(older).unwrap_or(0)
            }
        };
        let mut bits = since_then as u64 & ((1 << (DAYS + 1)) - 1);
        let weeks = day.since(signed_up) / 7;
        for week in 1..=WEEKS.min(weeks) {
            let of_week = since_then >> (7 * week - 6) & 0x7F;
            bits |= u64::from(of_week != 0) << Back::week(week);
        }
        for (place, from) in SINCE.into_iter().enumerate() {
            let days = (age - from + 1).clamp(0, 128).unsigned_abs();
            let later = active & 1u128.checked_shl(days).map_or(u128::MAX, |bit| bit - 1);
            bits |= u64::from(later != 0) << Back::since(place);
        }
        Back(bits)
    }

    /// What of it was not yet so the day before, which is not before the sign-up.
    fn new_on(user: User<'_>, signed_up: Day, day: Day, min_events: u32) -> Back {
        let grows = day.since(signed_up) <= 7 * WEEKS || user.active_days(day, min_events) & 1 == 1;
        if !grows {
            return Back::default();
        }
        let now = Back::of(user, signed_up, day, min_events);
        Back(now.0 & !Back::of(user, signed_up, day.minus(1), min_events).0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::past::{Ages, Counts};
    use crate::facts::users::Users;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn on(day: i32) -> Timestamp {
        Timestamp(i64::from(day) * 86_400_000)
    }

    /// Of a user who was active on some days, when that is known of all of them.
    fn expected(active: &BTreeSet<i32>, signed_up: i32, day: i32) -> Back {
        let within = |first: i32, last: i32| {
            let last = last.min(day);
            first <= last && active.range(first..=last).next().is_some()
        };
        let days = (0..=DAYS).map(|age| {
            let bit = within(signed_up + age, signed_up + age);
            u64::from(bit) << Back::day(age)
        });
        let weeks = (1..=WEEKS).filter(|week| signed_up + 7 * week <= day);
        let weeks = weeks.map(|week| {
            let of_week = within(signed_up + 7 * week - 6, signed_up + 7 * week);
            u64::from(of_week) << Back::week(week)
        });
        let since = SINCE.into_iter().enumerate();
        let since =
            since.map(|(place, age)| u64::from(within(signed_up + age, day)) << Back::since(place));
        Back(days.chain(weeks).chain(since).fold(0, |all, bit| all | bit))
    }

    proptest! {
        /// Also of days so long ago that no bit of activity is left of them, of a user who signed up after the first
        /// use, and of the days that can still be corrected.
        #[test]
        fn when_a_user_came_back_is_known_for_ever(
            steps in prop::collection::vec(prop_oneof![4 => 1i32..9, 1 => 30i32..150], 1..60),
            sign_up in prop::option::of(0usize..60),
            ahead in prop_oneof![Just(0i32), 0i32..300],
        ) {
            let mut users = Users::default();
            let no = users.find_or_add("ada");
            let (mut active, mut today, mut signed_up) = (BTreeSet::new(), 0, None);
            for (place, step) in steps.into_iter().enumerate() {
                if sign_up == Some(place) {
                    users.get_mut(no).sign_up_at(on(today), Day(today));
                    signed_up = Some(today);
                }
                let counts = Counts { events: 1, ..Counts::none(Day(today)) };
                users.get_mut(no).count(counts);
                users.get_mut(no).set_active(Day(today), on(today));
                active.insert(today);
                today += step;
                // Nearly every day, as an account does; days may close long after they have come.
                if place % 3 != 0 {
                    let oldest = Day(today - ahead - 100);
                    users.rest(Day(today - ahead));
                    let ages = Ages {
                        sessions: oldest,
                        settled: oldest,
                        oldest,
                    };
                    users.get_mut(no).age(ages, 1);
                }
                let mut packed = Vec::new();
                users.pack_past(no, &mut crate::pack::Packer(&mut packed));
                let mut now = Vec::new();
                users.get(no).pack_now(&mut crate::pack::Packer(&mut now));
                let mut back = Users::default();
                back.unpack_past(no, crate::pack::Unpacker(&packed)).unwrap();
                back.unpack_now(no, &now).unwrap();
                back.all_restored(Day(today - ahead)).unwrap();
                for day in today - ahead - 42..=today - ahead {
                    let from = signed_up.filter(|on| *on <= day).unwrap_or(0);
                    if from > day {
                        continue;
                    }
                    let told = Back::of(back.get(no), Day(from), Day(day), 1);
                    prop_assert_eq!(told, expected(&active, from, day), "{} {}", from, day);
                    if from == day {
                        continue;
                    }
                    let new = Back::new_on(back.get(no), Day(from), Day(day), 1);
                    let before = expected(&active, from, day - 1);
                    prop_assert_eq!(new.0, told.0 & !before.0);
                }
            }
        }
    }
}
