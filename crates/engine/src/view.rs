//! An account as of a day: what metrics are read from.
//!
//! A view answers from facts that are kept up to date; what only a look at every user tells is looked for
//! once, and only when somebody asks. Nothing here is an opinion, and nothing is kept.

use std::cell::OnceCell;

use mainstay_model::{Day, Sorted, Timestamp};

use crate::account::Account;
use crate::facts::past::Counts;
use crate::facts::sessions::Session;
use crate::facts::totals::Total;
use crate::facts::users::User;
use crate::flows::{Flows, Table, Window};
use crate::revenue::Revenue;
use crate::spread;
use crate::terms::Terms;
use crate::zones::Zones;

/// An account as of a day, today included.
pub struct View<'a> {
    pub(crate) account: &'a Account,
    pub(crate) terms: &'a Terms,
    zones: &'a Zones,
    /// The day that is asked for.
    pub(crate) day: Day,
    /// Up to which instant of it time has come; none when it is over.
    now: Option<Timestamp>,
    scan: OnceCell<Scan>,
    table: OnceCell<Option<Table>>,
    flows: [OnceCell<Flows>; Window::ALL.len()],
}

/// What looking through all users of an account tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scan {
    /// Users known at the end of the day.
    pub(crate) known: u64,
    /// Those of them who have long been known and not been active.
    pub(crate) dormant: u64,
    /// Users active in the 7 days that end 0, 7, 14, 21, 28 days ago.
    pub(crate) wau: [u64; 5],
    /// Users active in the last 30 days, and in the 30 days before.
    pub(crate) mau: u64,
    pub(crate) mau_before: u64,
    /// Users by how many of the last 30 days they were active on; the first is for 0 days.
    pub(crate) active_days: Vec<u64>,
    /// Users by what they did in a week, and in a month, against the one before.
    pub(crate) week: Movement,
    pub(crate) month: Movement,
    /// Users with enough key actions in 7 days.
    pub(crate) engaged: u64,
    /// Users active through the product itself, through a program, through a software agent, in 7 days.
    pub(crate) actors: [u64; 3],
    /// Users by their number of sessions in 7 days, those with none left out.
    pub(crate) sessions: Sorted<u32>,
    /// Durations of the sessions of 7 days.
    pub(crate) durations: Sorted<u16>,
    /// Who did how much in 35 days, and who of them did the most.
    pub(crate) champion: Champion,
    /// Users who signed up some time ago, and who of them came back.
    pub(crate) retention: Retention,
    /// Users who are activated and known.
    pub(crate) activated: u64,
    /// When the first user was activated, known or not.
    pub(crate) first_activated: Option<Timestamp>,
    /// From sign-up to activation.
    pub(crate) time_to_value: Sorted<u16>,
    /// By the place of the feature in the config.
    pub(crate) features: Vec<FeatureScan>,
}

/// The users of a window against those of the window just before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Movement {
    pub(crate) new: u64,
    pub(crate) returning: u64,
    pub(crate) resurrected: u64,
    pub(crate) lapsed: u64,
}

/// Who did the most.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Champion {
    /// What all users did together.
    pub(crate) all: u64,
    /// What the champion did.
    pub(crate) most: u64,
    /// How many days ago the champion was active last.
    pub(crate) days_away: Option<u32>,
    /// Who it is, by number, if anybody did anything.
    pub(crate) user: usize,
}

/// Of users who signed up n days ago, and up to 27 days before that: how many, and how many were back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Retention {
    /// After 1, 7, 30 days: signed up; active on exactly that day; active on that day or later.
    pub(crate) days: [[u64; 3]; 3],
    /// Signed up at least a week ago; active in the first week after.
    pub(crate) first_week: [u64; 2],
}

/// What users did with a feature.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FeatureScan {
    /// Users of 1, 7 and 30 days.
    pub(crate) users: [u64; 3],
    /// Users of at least two of the last four weeks.
    pub(crate) adopted: u64,
    /// From sign-up to first use.
    pub(crate) time_to_adopt: Sorted<u16>,
}

/// When a user, who signed up at `sign_up`, was activated, if that was by the end of a day.
pub(crate) fn activated_at(
    user: User<'_>,
    sign_up: Option<Timestamp>,
    terms: &Terms,
    day: Day,
) -> Option<Timestamp> {
    let events = terms.activation();
    let firsts = user.firsts().filter(|_| !events.is_empty())?;
    let last = firsts.all(events, day)?;
    let in_time =
        |within_ms: i64| sign_up.is_some_and(|sign_up| last.at <= sign_up.plus_ms(within_ms));
    let within = terms.settings.activation_within_ms;
    within.is_none_or(in_time).then_some(last.at)
}

const fn last(days: u32) -> u128 {
    (1 << days) - 1
}

const WEEK: u128 = last(7);
const MONTH: u128 = last(30);

/// The ages at which retention is told.
const AGES: [i32; 3] = [1, 7, 30];
/// How many sign-up days it is told of.
const SIGN_UP_DAYS: i32 = 28;
/// How far a user's deeds count for who the champion is.
const CHAMPION_DAYS: i32 = 35;
/// How far back the champion's last active day is looked for: so many days are known of every day that can be
/// corrected.
const CHAMPION_LOOK_BACK: u32 = 90;
/// The oldest of the weeks that adoption looks at ends so many days ago.
const ADOPTION_DAYS: i32 = 28;

impl<'a> View<'a> {
    pub(crate) fn new(account: &'a Account, terms: &'a Terms, zones: &'a Zones, day: Day) -> Self {
        View {
            account,
            terms,
            zones,
            day,
            now: None,
            scan: OnceCell::new(),
            table: OnceCell::new(),
            flows: Default::default(),
        }
    }

    /// The same as of an instant of the day, which is not over.
    pub(crate) fn until(self, now: Timestamp) -> Self {
        View {
            now: Some(now),
            ..self
        }
    }

    /// How revenue moved on the days that windows reach; none without any.
    pub(crate) fn table(&self) -> Option<&Table> {
        let revenue = self.account.revenue.as_deref();
        let table = self
            .table
            .get_or_init(|| revenue.map(|revenue| Table::of(self, revenue)));
        table.as_ref()
    }

    /// How revenue moved within a window.
    pub(crate) fn flows(&self, window: Window) -> &Flows {
        let whole = |table: &Table| table.whole(window, self.day);
        self.flows[window.place()].get_or_init(|| self.table().map_or_else(Flows::default, whole))
    }

    /// The last instant that counts, by the days of the account's books.
    pub(crate) fn last_instant(&self, revenue: &Revenue) -> Timestamp {
        let end = revenue.end_of(self.day).minus_ms(1);
        self.now.map_or(end, |now| now.min(end))
    }

    pub(crate) fn scan(&self) -> &Scan {
        self.scan.get_or_init(|| Scan::of(self))
    }

    /// The end of the day, where the account is.
    pub(crate) fn end(&self) -> Timestamp {
        self.zones.zone(self.account.zone.value).end_of(self.day)
    }

    /// The day of an instant, where the account is.
    pub(crate) fn day_of(&self, at: Timestamp) -> Day {
        match &self.account.revenue {
            Some(revenue) => revenue.day_of(at),
            None => self.zones.zone(self.account.zone.value).day_of(at),
        }
    }

    /// A sum over the last `days` days.
    pub(crate) fn sum(&self, days: i32, of: impl Fn(&Total) -> u64) -> u64 {
        self.sum_of(self.day.minus(days - 1), self.day, of)
    }

    /// A sum over the days from `first` to `last`.
    pub(crate) fn sum_of(&self, first: Day, last: Day, of: impl Fn(&Total) -> u64) -> u64 {
        self.account.totals.window(first, last).map(of).sum()
    }

    /// A bit for each feature used from day `first` to `last`.
    pub(crate) fn features_of(&self, first: Day, last: Day) -> u64 {
        let rows = self.account.totals.window(first, last);
        rows.fold(0, |bits, row| bits | row.features())
    }

    /// How long the sessions of the last `days` days lasted, in milliseconds.
    pub(crate) fn session_ms(&self, days: i32) -> u64 {
        self.sum(days, |row| row.session_ms.unsigned_abs())
    }

    pub(crate) fn has_key_actions(&self) -> bool {
        !self.terms.settings.key_actions.is_empty()
    }

    /// When the last step of onboarding was done, and its day; if there are steps and all were.
    pub(crate) fn onboarded(&self) -> Option<(Timestamp, Day)> {
        let done = self
            .account
            .onboarding
            .all(self.terms.onboarding(), self.day)?;
        Some((done.at, done.day))
    }
}

/// What is gathered on the way through the users, and counted at its end.
struct Gathered {
    /// Sessions of a week lie in few buckets; sorting once is cheaper than keeping them sorted.
    durations: Vec<u16>,
    to_value: Vec<u16>,
    to_adopt: Vec<Vec<u16>>,
}

impl Scan {
    fn of(view: &View<'_>) -> Scan {
        let features = view.terms.features().len();
        let mut scan = Scan {
            active_days: vec![0; 31],
            features: vec![FeatureScan::default(); features],
            ..Scan::default()
        };
        let mut gathered = Gathered {
            durations: Vec::new(),
            to_value: Vec::new(),
            to_adopt: vec![Vec::new(); features],
        };
        for (no, user) in view.account.users.iter().enumerate() {
            scan.user(no, user, view, &mut gathered);
        }
        scan.durations = counted(gathered.durations);
        scan.time_to_value = counted(gathered.to_value);
        for (feature, to_adopt) in scan.features.iter_mut().zip(gathered.to_adopt) {
            feature.time_to_adopt = counted(to_adopt);
        }
        scan
    }

    fn user(&mut self, no: usize, user: User<'_>, view: &View<'_>, gathered: &mut Gathered) {
        let (day, settings) = (view.day, &view.terms.settings);
        let active = user.active_days(day, settings.active_min_events);
        self.activity(user, active, day);
        let known = user.known_from <= day && !view.account.membership.is_removed(no as u32, day);
        self.known += u64::from(known);
        let known_from = match view.account.membership.back_since(no as u32, day) {
            Some(back) => back,
            None => user.known_from,
        };
        let long_known = known_from <= day.minus(settings.dormant_days - 1);
        let stayed_away = active & last(settings.dormant_days.unsigned_abs()) == 0;
        self.dormant += u64::from(known && long_known && stayed_away);
        let sign_up = user.sign_up(day);
        if let Some((_, signed_up)) = sign_up {
            self.retention.count(signed_up, active, day);
        }
        let sign_up = sign_up.map(|(at, _)| at);
        self.activation(user, sign_up, known, view, gathered);
        if user.newest_day() >= day.minus(CHAMPION_DAYS - 1) {
            let deeds = self.deeds(user, view, gathered);
            self.champion(no, deeds, active, view);
        }
        self.first_uses(user, sign_up, view, gathered);
    }

    fn activity(&mut self, user: User<'_>, active: u128, day: Day) {
        for (weeks, wau) in self.wau.iter_mut().enumerate() {
            *wau += u64::from(active >> (7 * weeks) & WEEK != 0);
        }
        let month = active & MONTH;
        self.mau += u64::from(month != 0);
        self.mau_before += u64::from(active >> 30 & MONTH != 0);
        self.active_days[month.count_ones() as usize] += 1;
        self.week.count(user, active, 7, day);
        self.month.count(user, active, 30, day);
    }

    fn activation(
        &mut self,
        user: User<'_>,
        sign_up: Option<Timestamp>,
        known: bool,
        view: &View<'_>,
        gathered: &mut Gathered,
    ) {
        let Some(at) = activated_at(user, sign_up, view.terms, view.day) else {
            return;
        };
        self.activated += u64::from(known);
        self.first_activated = Some(self.first_activated.map_or(at, |first| first.min(at)));
        if let Some(sign_up) = sign_up {
            gathered.to_value.push(spread::bucket_between(sign_up, at));
        }
    }

    /// Looks through the newest days of a user, and says how much it did for the champion's title.
    fn deeds(&mut self, user: User<'_>, view: &View<'_>, gathered: &mut Gathered) -> u64 {
        let (day, settings) = (view.day, &view.terms.settings);
        let by_key_actions = view.has_key_actions();
        let (mut key_actions, mut sessions, mut deeds) = (0u32, 0u32, 0u64);
        let mut actors = [false; 3];
        let mut uses = Uses::default();
        let mut count = |counts: Counts| {
            deeds += u64::from(match by_key_actions {
                true => counts.key_actions,
                false => counts.events,
            });
            let ago = day.since(counts.day);
            uses.count(ago, counts.features);
            if ago < 7 {
                key_actions += counts.key_actions;
                let of = [
                    counts.human_events(),
                    counts.api_events,
                    counts.agent_events,
                ];
                let active = counts.events >= settings.active_min_events;
                for (actor, events) in actors.iter_mut().zip(of) {
                    *actor |= active && events > 0;
                }
            }
        };
        let mut session = |session: &Session| {
            sessions += 1;
            gathered
                .durations
                .push(spread::bucket(session.duration_ms()));
        };
        let window = (day.minus(CHAMPION_DAYS - 1), day);
        user.window(window, day.minus(6), &mut count, &mut session);
        if sessions > 0 {
            self.sessions.count(sessions, 1);
        }
        self.engaged += u64::from(key_actions >= settings.engaged_k);
        for (users, actor) in self.actors.iter_mut().zip(actors) {
            *users += u64::from(actor);
        }
        uses.told_to(&mut self.features, view.terms.features());
        deeds
    }

    fn champion(&mut self, no: usize, deeds: u64, active: u128, view: &View<'_>) {
        let champion = &mut self.champion;
        champion.all += deeds;
        let users = &view.account.users;
        let id = |no: usize| users.id(no as u32);
        let tie = || id(no) < id(champion.user);
        if deeds > champion.most || (deeds > 0 && deeds == champion.most && tie()) {
            champion.user = no;
            champion.most = deeds;
            let active = active & last(CHAMPION_LOOK_BACK);
            champion.days_away = (active != 0).then(|| active.trailing_zeros());
        }
    }

    fn first_uses(
        &mut self,
        user: User<'_>,
        sign_up: Option<Timestamp>,
        view: &View<'_>,
        gathered: &mut Gathered,
    ) {
        let (Some(sign_up), Some(firsts)) = (sign_up, user.firsts()) else {
            return;
        };
        for (number, first) in firsts.features(view.day) {
            let place = view.terms.features().iter().position(|no| *no == number);
            if let Some(place) = place {
                gathered.to_adopt[place].push(spread::bucket_between(sign_up, first.at));
            }
        }
    }
}

impl Movement {
    fn count(&mut self, user: User<'_>, active: u128, days: u32, day: Day) {
        let now = active & last(days) != 0;
        let before = active >> days & last(days) != 0;
        let is_new = now && user.first_active() > day.minus(days.cast_signed());
        self.new += u64::from(is_new);
        self.returning += u64::from(now && before);
        self.resurrected += u64::from(now && !before && !is_new);
        self.lapsed += u64::from(!now && before);
    }
}

impl Retention {
    fn count(&mut self, signed_up: Day, active: u128, day: Day) {
        let age = day.since(signed_up);
        for (days, [users, back, since]) in AGES.into_iter().zip(&mut self.days) {
            if (days..days + SIGN_UP_DAYS).contains(&age) {
                let ago = (age - days).unsigned_abs();
                *users += 1;
                *back += u64::from(active >> ago & 1 != 0);
                *since += u64::from(active & last(ago + 1) != 0);
            }
        }
        if (7..7 + SIGN_UP_DAYS).contains(&age) {
            self.first_week[0] += 1;
            self.first_week[1] += u64::from(active >> (age - 7) & WEEK != 0);
        }
    }
}

/// Which features a user used, a bit for each.
#[derive(Default)]
struct Uses {
    /// In 1, 7 and 30 days.
    windows: [u64; 3],
    /// In each of the last four weeks.
    weeks: [u64; 4],
}

impl Uses {
    fn count(&mut self, ago: i32, features: u64) {
        for (window, days) in self.windows.iter_mut().zip([1, 7, 30]) {
            *window |= if ago < days { features } else { 0 };
        }
        if (0..ADOPTION_DAYS).contains(&ago) {
            self.weeks[(ago / 7) as usize] |= features;
        }
    }

    fn told_to(&self, scans: &mut [FeatureScan], numbers: &[u8]) {
        let [a, b, c, d] = self.weeks;
        let twice = a & b | (a | b) & (c | d) | c & d;
        for (scan, number) in scans.iter_mut().zip(numbers) {
            for (users, used) in scan.users.iter_mut().zip(self.windows) {
                *users += used >> number & 1;
            }
            scan.adopted += twice >> number & 1;
        }
    }
}

fn counted(mut buckets: Vec<u16>) -> Sorted<u16> {
    buckets.sort_unstable();
    let mut sorted = Sorted::default();
    for same in buckets.chunk_by(|one, other| one == other) {
        sorted.count(same[0], same.len() as u64);
    }
    sorted
}
