//! What groups are told of a window of days: how recurring revenue moved in them, and at what rates.
//!
//! A flow belongs to the group in which the account was at the end of its day. What is told of those who were there
//! when the window began, belongs to the group in which they were then. So one account may give to several groups.

use std::collections::BTreeMap;

use mainstay_model::{Day, Timestamp};

use super::Group;
use super::groups::UNKNOWN;
use super::metrics::Facts;
use super::part::{Part, Parts};
use super::revenue::RevenueFacts;

pub(super) const KINDS: [&str; 6] = [
    "new",
    "expansion",
    "contraction",
    "churn",
    "reactivation",
    "fx",
];

/// Less is told as a number above 0 where its name says so.
pub(super) fn positive(kind: &str, sum: i128) -> i128 {
    match kind {
        "contraction" | "churn" => -sum,
        _ => sum,
    }
}

/// The windows of groups that end with a day: their first days, and what ids call them.
pub(super) fn windows(day: Day) -> [(Day, &'static str); 2] {
    [(day.minus(29), "30d"), (day.first_of_month(), "mtd")]
}

/// What groups are told of all windows where nothing is and nothing moved.
pub(super) fn nothing() -> Parts {
    let windows = windows(Day::default()).into_iter();
    windows
        .flat_map(|(_, window)| Brought::default().parts(window))
        .collect()
}

/// What an account brings to a group in a window.
#[derive(Default)]
struct Brought {
    /// By kind of movement.
    moved: BTreeMap<&'static str, i128>,
    transfer: i128,
    /// What of the end is neither of the start nor moved.
    residual: i128,
    won: i128,
    lost: i128,
    won_back: i128,
    start: Start,
}

/// What an account was when the window began, and what became of it.
#[derive(Clone, Copy, Default)]
struct Start {
    mrr: i128,
    /// 1 for a customer.
    customers: i128,
    followed: Followed,
}

/// A customer of the start whose account is still there at the end; otherwise all is 0.
#[derive(Clone, Copy, Default)]
struct Followed {
    /// 1 for the customer itself, and for what became of it.
    all: i128,
    kept: i128,
    lost_actively: i128,
    lost_passively: i128,
    /// What it paid at the start, what it pays at the end, and the less of both.
    paid: i128,
    pays: i128,
    still_pays: i128,
}

impl Brought {
    /// A movement.
    fn take(&mut self, kind: &'static str, more: i128) {
        *self.moved.entry(kind).or_default() += positive(kind, more);
        self.residual -= more;
        match kind {
            "new" => self.won += 1,
            "churn" => self.lost += 1,
            "reactivation" => self.won_back += 1,
            _ => {}
        }
    }

    /// Revenue that comes along from another group, or leaves for one.
    fn carry(&mut self, more: i128) {
        self.transfer += more;
        self.residual -= more;
    }

    fn moved(&self, kind: &str) -> i128 {
        self.moved.get(kind).copied().unwrap_or_default()
    }

    /// What the group is told of the window.
    fn parts(&self, window: &str) -> Parts {
        let kinds = KINDS.map(|kind| (format!("mrr_{kind}_{window}"), self.moved(kind)));
        let others = [
            ("mrr_transfer", self.transfer),
            ("mrr_reconciliation_residual", self.residual),
            ("customers_new", self.won),
            ("customers_churned", self.lost),
            ("customers_reactivated", self.won_back),
        ];
        let others = others.map(|(what, sum)| (format!("{what}_{window}"), sum));
        let sums = kinds.into_iter().chain(others);
        let sums = sums.map(|(id, sum)| (id, Part::Count(Some(sum))));
        let rates = self.rates().into_iter();
        let rates = rates.map(|(what, part, whole)| {
            let id = format!("{what}_{window}");
            (id, Part::ratio(part, whole))
        });
        sums.chain(rates).collect()
    }

    /// What is told as a quotient, and of what.
    fn rates(&self) -> [(&'static str, i128, i128); 12] {
        let [new, more, less, lost, back] =
            ["new", "expansion", "contraction", "churn", "reactivation"]
                .map(|kind| self.moved(kind));
        let Start {
            mrr,
            customers,
            followed: of,
        } = self.start;
        let left = of.lost_actively + of.lost_passively;
        [
            ("revenue_churn_rate", lost + less, mrr),
            ("revenue_churn_rate_churn_only", lost, mrr),
            ("net_mrr_churn_rate", lost + less - more - back, mrr),
            ("expansion_rate", more, mrr),
            ("quick_ratio", new + more + back, lost + less),
            (
                "net_customer_churn_rate",
                self.lost - self.won_back,
                customers,
            ),
            ("customer_churn_rate", left, of.all),
            ("customer_churn_rate_active", of.lost_actively, of.all),
            ("customer_churn_rate_passive", of.lost_passively, of.all),
            ("retention_rate", of.kept, of.all),
            ("grr", of.still_pays, of.paid),
            ("nrr", of.pays, of.paid),
        ]
    }
}

/// A window, up to an instant of its last day.
struct Window {
    first: Day,
    last: Day,
    until: Timestamp,
}

impl RevenueFacts {
    /// What of its flows the account gives to each of the groups in which it was at the end of some day of a window.
    pub(super) fn flows(
        &self,
        facts: &Facts<'_>,
        day: Day,
        now: Option<Timestamp>,
        is_known: impl Fn(Day) -> bool,
    ) -> Vec<(Group, Parts)> {
        let mut all = Vec::new();
        // Who never paid was no customer at any start.
        if self.books.movements.is_empty() {
            return all;
        }
        let until = now.map_or(self.end(day), |now| now.min(self.end(day)));
        let dimensions = || std::iter::once("all").chain(segments(facts));
        for (first, name) in windows(day) {
            let window = Window {
                first,
                last: day,
                until,
            };
            let days = (first.0 - 1..=day.0).rev().map(Day);
            let last_there = days.into_iter().find(|day| is_known(*day));
            let there = last_there.filter(|there| *there < day);
            let start = self.start(&window, there);
            for dimension in dimensions() {
                let group = |day| is_known(day).then(|| group_on(facts, dimension, day));
                let brought = self.brought(&window, start, group);
                let told = brought.into_iter();
                all.extend(told.map(|(group, brought)| (group, brought.parts(name))));
            }
        }
        all
    }

    /// What the account brings to each of the groups of a dimension.
    fn brought(
        &self,
        window: &Window,
        start: Start,
        group: impl Fn(Day) -> Option<Group>,
    ) -> BTreeMap<Group, Brought> {
        let mut all: BTreeMap<Group, Brought> = BTreeMap::new();
        let mut add = |group: &Option<Group>, what: &dyn Fn(&mut Brought)| {
            if let Some(group) = group {
                what(all.entry(group.clone()).or_default());
            }
        };
        let mut was = group(window.first.minus(1));
        add(&was, &|to| {
            to.start = start;
            to.residual -= start.mrr;
        });
        for day in (window.first.0..=window.last.0).map(Day) {
            let (is, before) = (group(day), self.end(day.minus(1)));
            if was != is {
                let mrr = self.mrr(before);
                add(&was, &|to| to.carry(-mrr));
                add(&is, &|to| to.carry(mrr));
            }
            for moved in self.moved(before, self.end(day).min(window.until)) {
                add(&is, &|to| to.take(moved.kind, moved.mrr.1 - moved.mrr.0));
            }
            was = is;
        }
        let mrr = self.mrr(window.until);
        add(&was, &|to| to.residual += mrr);
        all
    }

    /// `left`: the last day on which an account was there that is gone by the end.
    fn start(&self, window: &Window, left: Option<Day>) -> Start {
        let at = self.end(window.first.minus(1));
        let mrr = self.mrr(at);
        let is_customer = self.is_customer(at);
        let until = left.map_or(window.until, |left| self.end(left));
        // Of who was deleted as a customer nobody knows what would have become.
        let is_followed = left.is_none() || !self.is_customer(until);
        let followed = match is_customer && is_followed {
            true => self.followed(mrr, at, until),
            false => Followed::default(),
        };
        Start {
            mrr,
            customers: i128::from(is_customer),
            followed,
        }
    }

    /// What became of a customer who paid so much at an instant.
    fn followed(&self, paid: i128, start: Timestamp, until: Timestamp) -> Followed {
        let is_kept = self.is_customer(until);
        let pays = self.worth(until, start);
        let churns = self.books.movements.iter();
        let mut churns = churns.filter(|moved| moved.kind == "churn" && moved.at <= until);
        let last = churns.next_back();
        let is_passive = last.is_some_and(|churn| churn.passive == Some(true));
        Followed {
            all: 1,
            kept: i128::from(is_kept),
            lost_actively: i128::from(!is_kept && !is_passive),
            lost_passively: i128::from(!is_kept && is_passive),
            paid,
            pays,
            still_pays: paid.min(pays),
        }
    }
}

fn segments<'f>(facts: &'f Facts<'_>) -> impl Iterator<Item = &'f str> {
    facts.settings.segments.iter().map(String::as_str)
}

/// The group of a dimension in which an account is at the end of a day.
fn group_on(facts: &Facts<'_>, dimension: &str, day: Day) -> Group {
    let segment = match dimension {
        "all" => Some("all".to_owned()),
        _ => facts.account.trait_as_of(dimension, day),
    };
    let segment = segment.unwrap_or_else(|| UNKNOWN.to_owned());
    (dimension.to_owned(), segment)
}
