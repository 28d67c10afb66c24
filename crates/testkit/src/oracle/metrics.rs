//! The metrics of an account on a day, each written down as its definition says it.
//!
//! Everything up to the last step is exact: integers, quotients of integers, lists of durations. What a group
//! needs of the account stands beside what the account itself is told, so that both come from one place.

use std::collections::{BTreeMap, BTreeSet};

use mainstay_engine::Settings;
use mainstay_model::{Day, Timestamp, Zone};
use serde_json::{Value, json};

use super::Group;
use super::account::{Account, Dated, Named, User, earliest_until};
use super::event::Actor;
use super::fraction::Fraction;
use super::ids;
use super::mrr::Moved;
use super::part::{Part, Parts, count, fraction};
use super::revenue::RevenueFacts;
use super::sessions::{self, Session};

const DAY_MS: i64 = 24 * 3_600_000;

/// What one account says of one day: of itself, and to each group that it is in.
#[derive(Default)]
pub(super) struct DayParts {
    pub(super) account: Parts,
    pub(super) group: Parts,
}

impl DayParts {
    pub(super) fn both(&mut self, id: impl Into<String>, part: Part) {
        let id = id.into();
        self.account.insert(id.clone(), part.clone());
        self.group.insert(id, part);
    }

    pub(super) fn account(&mut self, id: &str, part: Part) {
        self.account.insert(id.to_owned(), part);
    }

    pub(super) fn group(&mut self, id: &str, part: Part) {
        self.group.insert(id.to_owned(), part);
    }

    pub(super) fn alone(&mut self, id: &str, value: Value) {
        self.account(id, Part::Alone(value));
    }
}

/// What each user of an account did, by user and day.
pub(super) struct Facts<'a> {
    pub(super) account: &'a Account,
    pub(super) settings: &'a Settings,
    pub(super) users: Vec<UserFacts<'a>>,
    /// By day, how many users were active.
    dau: BTreeMap<Day, i128>,
    revenue: RevenueFacts,
}

pub(super) struct UserFacts<'a> {
    id: &'a str,
    user: &'a User,
    settings: &'a Settings,
    pub(super) active_days: BTreeSet<Day>,
    /// The active days on which there was an event of an actor.
    active_days_by: BTreeMap<Actor, BTreeSet<Day>>,
    sessions: Vec<Session>,
    /// The uses of each feature, in the order of the settings.
    features: Vec<BTreeMap<Day, Use>>,
}

/// The use of a feature on a day.
#[derive(Clone, Copy, Default)]
struct Use {
    events: i128,
    duration_ms: i128,
}

/// The days of the rolling window that ends with a day.
fn window(day: Day, days: i32) -> impl Iterator<Item = Day> {
    (0..days).map(move |back| day.minus(back))
}

impl<'a> Facts<'a> {
    pub(super) fn new(account: &'a Account, settings: &'a Settings) -> Facts<'a> {
        let users = account.users.iter();
        let users: Vec<_> = users
            .map(|(id, user)| UserFacts::new(id, user, settings))
            .collect();
        let mut dau = BTreeMap::new();
        for day in users.iter().flat_map(|user| &user.active_days) {
            *dau.entry(*day).or_default() += 1;
        }
        Facts {
            account,
            settings,
            users,
            dau,
            revenue: RevenueFacts::new(account, settings),
        }
    }

    pub(super) fn parts(&self, day: Day) -> DayParts {
        self.parts_at(day, None)
    }

    /// How the account's recurring revenue moved up to the end of a day.
    pub(super) fn movements_until(&self, day: Day) -> Vec<Moved> {
        let end = self.zone().end_of(day);
        let all = self.revenue.books.movements.iter();
        all.filter(|moved| moved.at < end).cloned().collect()
    }

    /// What of its flows of revenue the account gives to which group.
    pub(super) fn flows(
        &self,
        day: Day,
        now: Option<Timestamp>,
        is_known: impl Fn(Day) -> bool,
    ) -> Vec<(Group, Parts)> {
        self.revenue.flows(self, day, now, is_known)
    }

    /// As of an instant of a day that is not over.
    pub(super) fn parts_at(&self, day: Day, now: Option<Timestamp>) -> DayParts {
        let mut parts = DayParts::default();
        self.activity(day, &mut parts);
        self.seats(day, &mut parts);
        self.life_cycle(day, &mut parts);
        self.sessions(day, &mut parts);
        self.events(day, &mut parts);
        self.actors(day, &mut parts);
        self.trend_of_users(day, &mut parts);
        for (place, name) in self.settings.features.keys().enumerate() {
            self.feature(place, name, day, &mut parts);
        }
        self.breadth(day, &mut parts);
        self.retention(day, &mut parts);
        self.activation(day, &mut parts);
        self.onboarding(day, &mut parts);
        self.growth(day, &mut parts);
        self.last_seen(day, &mut parts);
        self.champion(day, &mut parts);
        self.revenue.parts(self, day, now, &mut parts);
        parts
    }

    fn activity(&self, day: Day, parts: &mut DayParts) {
        let (dau, wau, mau) = (
            self.active_users(day, 1),
            self.active_users(day, 7),
            self.active_users(day, 30),
        );
        for (users, active_users, active_accounts) in [
            (dau, "dau", "active_accounts_1d"),
            (wau, "wau", "active_accounts_7d"),
            (mau, "mau", "active_accounts_30d"),
        ] {
            parts.both(active_users, Part::Count(Some(users)));
            parts.group(active_accounts, Part::count(usize::from(users > 0)));
        }
        let in_use = mau > 0;
        parts.group(
            "users_per_account_median",
            Part::Median(vec![mau]).known(in_use),
        );
        parts.group("users_per_account_mean", Part::ratio(mau, 1).known(in_use));
        parts.both("stickiness", Part::ratio(dau, mau));
        parts.both("stickiness_wau", Part::ratio(wau, mau));
        let user_days = self.user_days(day, 30);
        parts.both("stickiness_mean", Part::ratio(user_days, 30 * mau));

        let mut histogram = [0_u64; 30];
        for user in &self.users {
            let days = user.active_days_of(day, 30);
            if days > 0 {
                histogram[days - 1] += 1;
            }
        }
        let histogram = Part::Histogram(histogram.to_vec());
        parts.both("active_days_histogram", histogram);

        let key_actions = self.users.iter().map(|user| user.key_actions(day, 7));
        let engaged = key_actions.filter(|done| *done >= i128::from(self.settings.engaged_k));
        let engaged = Part::count(engaged.count()).known(self.has_key_actions());
        parts.both("engaged_users_7d", engaged);

        parts.both("known_users", Part::count(self.known_users(day).count()));
        let days = self.settings.dormant_days;
        let since = day.minus(days - 1);
        let dormant = self.known_users(day).filter(|user| {
            let known_for_long = user.user.known_since(day).is_some_and(|from| from <= since);
            known_for_long && user.active_days_of(day, days) == 0
        });
        parts.both("dormant_users", Part::count(dormant.count()));
    }

    fn seats(&self, day: Day, parts: &mut DayParts) {
        let (seats, mau) = (self.seats_on(day), self.active_users(day, 30));
        let unused = seats.map(|seats| (seats - mau).max(0));
        parts.both("seats", Part::Count(seats));
        parts.both("inactive_seats", Part::Count(unused));
        let adoption = Part::ratio(mau, seats.unwrap_or(0)).known(seats.is_some());
        parts.both("adoption_rate", adoption);
    }

    /// The window of `days` against the one just before it.
    fn life_cycle(&self, day: Day, parts: &mut DayParts) {
        for days in [7, 30] {
            let before = day.minus(days);
            let (mut new, mut returning, mut resurrected, mut lapsed) = (0, 0, 0, 0);
            for user in &self.users {
                let is_active = user.active_days_of(day, days) > 0;
                let was_active = user.active_days_of(before, days) > 0;
                let first = user.active_days.first();
                match (is_active, was_active) {
                    (true, true) => returning += 1,
                    (true, false) if first > Some(&before) => new += 1,
                    (true, false) => resurrected += 1,
                    (false, true) => lapsed += 1,
                    (false, false) => {}
                }
            }
            for (what, users) in [
                ("new", new),
                ("returning", returning),
                ("resurrected", resurrected),
                ("lapsed", lapsed),
            ] {
                parts.both(format!("{what}_users_{days}d"), Part::Count(Some(users)));
            }
        }
    }

    fn sessions(&self, day: Day, parts: &mut DayParts) {
        for (days, number, time) in [
            (1, "sessions_1d", "time_in_product_1d"),
            (7, "sessions_7d", "time_in_product_7d"),
            (30, "sessions_30d", "time_in_product_30d"),
        ] {
            let durations = self.session_durations(day, days);
            parts.both(number, Part::count(durations.len()));
            parts.both(time, Part::Time(self.time_in_product(day, days)));
        }
        let durations = self.session_durations(day, 7);
        let sessions = durations.len() as i128;
        parts.both(
            "session_duration_p50",
            Part::Percentile(5, durations.clone()),
        );
        parts.both(
            "session_duration_p90",
            Part::Percentile(9, durations.clone()),
        );
        parts.both("session_duration_mean", Part::Mean(durations));

        let numbers = self
            .users
            .iter()
            .map(|user| user.sessions_of(day, 7).count());
        let numbers = numbers.filter(|number| *number > 0);
        let numbers: Vec<i128> = numbers.map(|number| number as i128).collect();
        let mean = Part::ratio(sessions, numbers.len() as i128);
        parts.both("sessions_per_user_mean", mean);
        parts.both("sessions_per_user_median", Part::Median(numbers));
        let user_days = self.user_days(day, 7);
        parts.both("sessions_per_user_day", Part::ratio(sessions, user_days));

        let key_actions = self.users.iter().map(|user| user.key_actions(day, 7)).sum();
        let per_session = Part::ratio(key_actions, sessions).known(self.has_key_actions());
        parts.both("key_actions_per_session", per_session);
    }

    fn events(&self, day: Day, parts: &mut DayParts) {
        for (days, id) in [(1, "events_1d"), (7, "events_7d"), (30, "events_30d")] {
            parts.both(id, Part::Count(Some(self.events_of(window(day, days)))));
        }
        let trend = self.trend(day, |days| self.events_of(days.into_iter()));
        parts.both("usage_trend", trend);
    }

    /// The mean day of 7 against that of the 28 before, of which only those count on which the account had
    /// begun to use the product.
    fn trend(&self, day: Day, number: impl Fn(Vec<Day>) -> i128) -> Part {
        let first = self.account.first_product_day;
        let base = window(day.minus(7), 28).filter(|day| first.is_some_and(|first| first <= *day));
        let base: Vec<Day> = base.collect();
        let n = base.len() as i128;
        if n < 7 {
            return Part::Change(None);
        }
        let recent = Fraction::new(number(window(day, 7).collect()), 7);
        Part::Change(recent.zip(Fraction::new(number(base), n)))
    }

    fn actors(&self, day: Day, parts: &mut DayParts) {
        for (actor, name) in [
            (Actor::Human, "human"),
            (Actor::Api, "api"),
            (Actor::Agent, "agent"),
        ] {
            let events = &self.account.events_by;
            let events = window(day, 7).filter_map(|day| events.get(&(actor, day)));
            parts.both(format!("events_{name}_7d"), Part::Count(Some(events.sum())));
            let users = self.users.iter().filter(|user| {
                let days = user.active_days_by.get(&actor);
                days.is_some_and(|days| days_in(days, day, 7) > 0)
            });
            parts.both(format!("users_{name}_7d"), Part::count(users.count()));
        }
    }

    fn trend_of_users(&self, day: Day, parts: &mut DayParts) {
        let first = self.account.first_product_day;
        let ends = [7, 14, 21, 28].map(|back| day.minus(back)).into_iter();
        let ends = ends.filter(|end| first.is_some_and(|first| first <= end.minus(6)));
        let weeks: Vec<i128> = ends.map(|end| self.active_users(end, 7)).collect();
        let base = Fraction::new(weeks.iter().sum(), weeks.len() as i128);
        parts.both("wau_base", Part::Sum(base));
        let wau = Fraction::of(self.active_users(day, 7));
        parts.both("wau_trend", Part::Change(base.map(|base| (wau, base))));
    }

    fn feature(&self, place: usize, name: &str, day: Day, parts: &mut DayParts) {
        let id = |what: &str| ids::of_feature(name, what);
        for days in [1, 7, 30] {
            let users = self.feature_users(place, day, days);
            let used = self.feature_use(place, window(day, days));
            parts.both(id(&format!("users_{days}d")), Part::count(users));
            let events = Part::Count(Some(used.events));
            parts.both(id(&format!("events_{days}d")), events);
        }
        let users = self.feature_users(place, day, 7) as i128;
        let share = Part::ratio(users, self.active_users(day, 7));
        parts.both(id("share"), share);
        let time = self.feature_use(place, window(day, 7)).duration_ms;
        let time_share = Part::ratio(time, self.time_in_product(day, 7)).known(time > 0);
        parts.both(id("time_share"), time_share);
        let events = |days: Vec<Day>| self.feature_use(place, days.into_iter()).events;
        parts.both(id("trend"), self.trend(day, events));

        let weeks_of_use = |user: &&UserFacts<'_>| {
            let weeks = [0, 7, 14, 21].map(|back| user.uses(place, day.minus(back), 7));
            weeks.iter().filter(|used| **used).count()
        };
        let adopted = self.users.iter().filter(|user| weeks_of_use(user) >= 2);
        parts.both(id("adopted_users"), Part::count(adopted.count()));

        let uses = |end: Day, days| self.feature_users(place, end, days) > 0;
        let weeks = [14, 21, 28, 35].map(|back| uses(day.minus(back), 7));
        let in_use_before = weeks.iter().filter(|used| **used).count() >= 2;
        let abandoned = in_use_before && !uses(day, 14);
        parts.both(id("abandoned"), Part::count(usize::from(abandoned)));

        let names = &self.settings.features[name];
        let times = self.users.iter().filter_map(|user| {
            let (signed_up, _) = user.sign_up(day)?;
            let firsts = names
                .iter()
                .filter_map(|name| user.user.first_of(name, day));
            Some(since(signed_up, firsts.min()?.0))
        });
        let times = Part::Percentile(5, times.collect());
        parts.both(id("time_to_adopt"), times);
    }

    fn breadth(&self, day: Day, parts: &mut DayParts) {
        let mau = self.active_users(day, 30);
        let known = self.known_users(day).count() as i128;
        parts.alone("depth", self.depth_on(day).map_or(Value::Null, count));
        parts.alone("breadth", count(mau));
        parts.account("breadth_ratio", Part::ratio(mau, known));
    }

    /// Of those who signed up on one of 28 days, the newest of which is `n` days old, those who came back.
    fn retention(&self, day: Day, parts: &mut DayParts) {
        for n in [1, 7, 30] {
            let on_the_day = |user: &UserFacts<'_>, on: Day| user.active_days.contains(&on.plus(n));
            let exact = self.retained(day, n, on_the_day);
            parts.both(format!("retention_d{n}"), exact);
            let since = |user: &UserFacts<'_>, on: Day| user.is_active_in(on.plus(n), day);
            let unbounded = self.retained(day, n, since);
            parts.both(format!("retention_d{n}_unbounded"), unbounded);
        }
        let in_week = |user: &UserFacts<'_>, on: Day| user.is_active_in(on.plus(1), on.plus(7));
        parts.both("retention_w1", self.retained(day, 7, in_week));
    }

    fn retained(&self, day: Day, n: i32, came: impl Fn(&UserFacts<'_>, Day) -> bool) -> Part {
        let (mut part, mut whole) = (0, 0);
        for user in &self.users {
            let Some((_, on)) = user.sign_up(day) else {
                continue;
            };
            if (day.minus(n + 27)..=day.minus(n)).contains(&on) {
                whole += 1;
                part += i128::from(came(user, on));
            }
        }
        Part::ratio(part, whole)
    }

    fn activation(&self, day: Day, parts: &mut DayParts) {
        let is_configured = !self.settings.activation_events.is_empty();
        let known = self.known_users(day).count() as i128;
        let activated = self.known_users(day);
        let activated = activated.filter(|user| user.activated_at(day).is_some());
        let rate = Part::ratio(activated.count() as i128, known);
        parts.both("activation_rate", rate.known(is_configured));

        let all = self.users.iter().filter_map(|user| user.activated_at(day));
        let first = all.min();
        let activated = Part::count(usize::from(first.is_some()));
        parts.account("activated", activated.known(is_configured));

        let times = self.users.iter().filter_map(|user| user.time_to_value(day));
        parts.both("time_to_value", Part::Percentile(5, times.collect()));
        let times = self.time_to_first_value(day).into_iter().collect();
        parts.both("time_to_first_value", Part::Percentile(5, times));
    }

    /// From the creation to the first activated user.
    pub(super) fn time_to_first_value(&self, day: Day) -> Option<i64> {
        let all = self.users.iter().filter_map(|user| user.activated_at(day));
        self.since_creation(all.min()?, day)
    }

    /// From the creation to the last step of onboarding.
    pub(super) fn time_to_onboarded(&self, day: Day) -> Option<i64> {
        let firsts = self.first_steps(day);
        let (last, _) = firsts.iter().max().copied()?;
        let all = firsts.len() == self.settings.onboarding_steps.len();
        self.since_creation(last, day).filter(|_| all)
    }

    /// The first time of each step of onboarding that was taken.
    fn first_steps(&self, day: Day) -> Vec<Dated> {
        let firsts = self.settings.onboarding_steps.iter().filter_map(|step| {
            let users = self.users.iter();
            let firsts = users.filter_map(|user| user.user.first_of(step, day));
            firsts.min_by_key(|(at, on)| (*on, *at))
        });
        firsts.collect()
    }

    fn onboarding(&self, day: Day, parts: &mut DayParts) {
        let steps = &self.settings.onboarding_steps;
        let all = steps.len();
        let is_configured = all > 0;
        let firsts = self.first_steps(day);
        let done = firsts.iter().max().copied();
        let done = done.filter(|_| firsts.len() == all);
        let created = self.account.created_as_of(day);
        let is_new = created.is_some_and(|(_, on)| on > day.minus(30));

        let progress = Part::ratio(firsts.len() as i128, all as i128).known(is_configured);
        parts.account("onboarding_progress", progress.clone());
        parts.group("onboarding_progress", progress.known(is_new));

        let a_day_after = created.map(|(at, _)| at.plus_ms(DAY_MS));
        let at_once = done.is_some_and(|(at, _)| a_day_after.is_some_and(|limit| at <= limit));
        let at_once = usize::from(at_once);
        let alone = Part::count(at_once).known(is_configured);
        parts.account("onboarding_done_24h", alone);
        let is_old_enough = a_day_after.is_some_and(|at| at < self.zone().end_of(day));
        let share = Part::ratio(at_once as i128, 1);
        let share = share.known(is_configured && is_new && is_old_enough);
        parts.group("onboarding_done_24h", share);

        let newest = firsts.iter().map(|(_, on)| *on).max();
        let days = newest.map_or(Value::Null, |on| json!(day.since(on)));
        parts.alone("onboarding_days_since_step", days);

        let times = self.time_to_onboarded(day).into_iter().collect();
        parts.both("time_to_onboarded", Part::Percentile(5, times));
        let launched = done.zip(created);
        let days = launched.map(|((_, done), (_, created))| done.since(created).max(0));
        parts.alone(
            "days_to_launch",
            days.map_or(Value::Null, |days| json!(days)),
        );
        let days = days.into_iter().map(i128::from).collect();
        parts.group("days_to_launch", Part::Median(days));
    }

    fn growth(&self, day: Day, parts: &mut DayParts) {
        let before = day.minus(30);
        let growth = |now: Option<i128>, then: Option<i128>| {
            let change = Fraction::of(now?).over(Fraction::of(then?))?;
            Some(change.less_one())
        };
        let mau = |day| Some(self.active_users(day, 30));
        let of_mau = growth(mau(day), mau(before));
        parts.alone("mau_growth_30d", fraction(of_mau));
        let of_depth = growth(self.depth_on(day), self.depth_on(before));
        parts.alone("depth_growth_30d", fraction(of_depth));
        let of_seats = growth(self.seats_on(day), self.seats_on(before));
        parts.alone("seats_growth_30d", fraction(of_seats));
    }

    fn last_seen(&self, day: Day, parts: &mut DayParts) {
        let days = self.users.iter().filter_map(|user| user.last_seen(day));
        let last_seen = days.max();
        let told = last_seen.map_or(Value::Null, |last| json!(last.to_string()));
        parts.alone("last_seen", told);
        let since = last_seen.map_or(Value::Null, |last| json!(day.since(last)));
        parts.alone("days_since_last_seen", since);
        let with_a_user = window(day, 30).filter(|day| self.dau.contains_key(day));
        parts.alone("active_days_30d", count(with_a_user.count() as i128));

        let created = self.account.created.iter().filter(|(_, on)| *on <= day);
        let created = created.min().map_or(self.account.first_day, |(_, on)| *on);
        parts.alone("account_age_days", json!(day.since(created)));
    }

    fn champion(&self, day: Day, parts: &mut DayParts) {
        let done = self.users.iter().map(|user| match self.has_key_actions() {
            true => (user.key_actions(day, 35), user),
            false => (sum_in(&user.user.events, day, 35), user),
        });
        let done: Vec<(i128, &UserFacts<'_>)> = done.filter(|(done, _)| *done > 0).collect();
        let all: i128 = done.iter().map(|(done, _)| done).sum();
        let champion = done.iter().max_by(|(one, a), (other, b)| {
            // Of two with as many, the one with the lesser id.
            one.cmp(other).then(b.id.cmp(a.id))
        });
        let share = champion.and_then(|(done, _)| Fraction::new(*done, all));
        parts.alone("champion_share", fraction(share));
        let last_seen = champion.and_then(|(_, user)| user.last_seen(day));
        let away = last_seen.map(|last| day.since(last));
        let away = away.filter(|days| *days < 90);
        parts.alone(
            "champion_days_away",
            away.map_or(Value::Null, |days| json!(days)),
        );
    }

    pub(super) fn zone(&self) -> Zone {
        let told = self.account.zone.and_then(|(_, zone)| zone);
        told.unwrap_or(self.settings.zone)
    }

    fn known_users(&self, day: Day) -> impl Iterator<Item = &UserFacts<'a>> {
        self.users
            .iter()
            .filter(move |user| user.user.is_known(day))
    }

    /// How many users were active on some day of a window.
    pub(super) fn active_users(&self, day: Day, days: i32) -> i128 {
        let active = self.users.iter();
        active
            .filter(|user| user.active_days_of(day, days) > 0)
            .count() as i128
    }

    /// The sum of the active users of each day of a window.
    fn user_days(&self, day: Day, days: i32) -> i128 {
        window(day, days).filter_map(|day| self.dau.get(&day)).sum()
    }

    fn events_of(&self, days: impl Iterator<Item = Day>) -> i128 {
        days.filter_map(|day| self.account.events.get(&day)).sum()
    }

    fn session_durations(&self, day: Day, days: i32) -> Vec<i64> {
        let sessions = self
            .users
            .iter()
            .flat_map(|user| user.sessions_of(day, days));
        sessions.map(|session| session.duration_ms).collect()
    }

    fn time_in_product(&self, day: Day, days: i32) -> i128 {
        let durations = self.session_durations(day, days).into_iter();
        durations.map(i128::from).sum()
    }

    fn seats_on(&self, day: Day) -> Option<i128> {
        self.account.seats_as_of(day).map(i128::from)
    }

    /// How many features somebody used in 30 days, if any are tracked.
    fn depth_on(&self, day: Day) -> Option<i128> {
        let features = self.settings.features.len();
        let used = (0..features).filter(|place| self.feature_users(*place, day, 30) > 0);
        let used = used.count() as i128;
        (features > 0).then_some(used)
    }

    fn feature_users(&self, place: usize, day: Day, days: i32) -> usize {
        let users = self.users.iter();
        users.filter(|user| user.uses(place, day, days)).count()
    }

    fn feature_use(&self, place: usize, days: impl Iterator<Item = Day>) -> Use {
        let mut all = Use::default();
        for day in days {
            for user in &self.users {
                let used = user.features[place].get(&day).copied().unwrap_or_default();
                all.events += used.events;
                all.duration_ms += used.duration_ms;
            }
        }
        all
    }

    fn since_creation(&self, at: Timestamp, day: Day) -> Option<i64> {
        let (created, _) = self.account.created_as_of(day)?;
        Some(since(created, at))
    }

    fn has_key_actions(&self) -> bool {
        !self.settings.key_actions.is_empty()
    }
}

impl<'a> UserFacts<'a> {
    fn new(id: &'a str, user: &'a User, settings: &'a Settings) -> UserFacts<'a> {
        let min_events = i128::from(settings.active_min_events);
        let enough = |events: &i128| *events >= min_events;
        let active_days = user.events.iter().filter(|(_, events)| enough(events));
        let mut active_days_by: BTreeMap<Actor, BTreeSet<Day>> = BTreeMap::new();
        let is_active = |day: &Day| user.events.get(day).is_some_and(enough);
        for (actor, day) in user.events_by.keys().filter(|(_, day)| is_active(day)) {
            active_days_by.entry(*actor).or_default().insert(*day);
        }
        let features = settings.features.values().map(|names| {
            let mut days: BTreeMap<Day, Use> = BTreeMap::new();
            let named = names.iter().filter_map(|name| user.named.get(name));
            for Named {
                day, duration_ms, ..
            } in named.flatten()
            {
                let used = days.entry(*day).or_default();
                used.events += 1;
                used.duration_ms += i128::from(*duration_ms);
            }
            days
        });
        UserFacts {
            id,
            user,
            settings,
            active_days: active_days.map(|(day, _)| *day).collect(),
            active_days_by,
            sessions: sessions::of(&user.moments, settings.session_gap_ms),
            features: features.collect(),
        }
    }

    fn active_days_of(&self, day: Day, days: i32) -> usize {
        days_in(&self.active_days, day, days)
    }

    pub(super) fn is_active_in(&self, from: Day, to: Day) -> bool {
        from <= to && self.active_days.range(from..=to).next().is_some()
    }

    fn last_seen(&self, day: Day) -> Option<Day> {
        self.active_days.range(..=day).next_back().copied()
    }

    /// The sessions that begin in a window, at their full length.
    fn sessions_of(&self, day: Day, days: i32) -> impl Iterator<Item = &Session> {
        let begun = self.sessions.iter();
        begun.filter(move |session| (day.minus(days - 1)..=day).contains(&session.day))
    }

    fn key_actions(&self, day: Day, days: i32) -> i128 {
        sum_in(&self.user.key_actions, day, days)
    }

    fn uses(&self, feature: usize, day: Day, days: i32) -> bool {
        let mut used = self.features[feature].range(day.minus(days - 1)..=day);
        used.next().is_some()
    }

    /// The sign-up, as far as was known at the end of a day: what says so, else the first active day.
    pub(super) fn sign_up(&self, day: Day) -> Option<Dated> {
        earliest_until(&self.user.signed_up, day).or_else(|| {
            let first = self.active_days.first().filter(|first| **first <= day)?;
            Some((self.user.first_qualifying_of(*first)?, *first))
        })
    }

    /// Whether it is known what makes a user activated.
    pub(super) fn can_be_activated(&self) -> bool {
        !self.settings.activation_events.is_empty()
    }

    /// When the user had done all that activation asks for.
    pub(super) fn activated_at(&self, day: Day) -> Option<Timestamp> {
        let names = self.settings.activation_events.iter();
        let mut last = None;
        for name in names {
            let (at, _) = self.user.first_of(name, day)?;
            last = last.max(Some(at));
        }
        let Some(within) = self.settings.activation_within_ms else {
            return last;
        };
        let (signed_up, _) = self.sign_up(day)?;
        last.filter(|last| *last <= signed_up.plus_ms(within))
    }

    /// How long it took from the sign-up to the activation.
    pub(super) fn time_to_value(&self, day: Day) -> Option<i64> {
        let (signed_up, _) = self.sign_up(day)?;
        Some(since(signed_up, self.activated_at(day)?))
    }
}

/// From one instant to another, which is not before it as far as anybody is told.
fn since(from: Timestamp, to: Timestamp) -> i64 {
    (to.0 - from.0).max(0)
}

fn days_in(days: &BTreeSet<Day>, day: Day, window: i32) -> usize {
    days.range(day.minus(window - 1)..=day).count()
}

fn sum_in(by_day: &BTreeMap<Day, i128>, day: Day, window: i32) -> i128 {
    let days = by_day.range(day.minus(window - 1)..=day);
    days.map(|(_, number)| number).sum()
}
