//! The metrics of recurring revenue of an account on a day, from its slow books.

use std::collections::BTreeMap;

use mainstay_engine::Settings;
use mainstay_model::{Currency, Day, Timestamp, Zone};
use serde_json::{Value, json};

use super::Group;
use super::account::{Account, Dated, Invoiced};
use super::fraction::Fraction;
use super::groups::UNKNOWN;
use super::metrics::{DayParts, Facts};
use super::mrr::{Books, Level, Moved, Reckoning, Terms};
use super::part::{Part, Parts, count, fraction};

/// An account's books, and what else is known of its subscriptions.
pub(super) struct RevenueFacts {
    reckoning: Reckoning,
    terms: Terms,
    pub(super) books: Books,
    zone: Zone,
}

impl RevenueFacts {
    pub(super) fn new(account: &Account, settings: &Settings) -> RevenueFacts {
        let zone = account.zone.and_then(|(_, zone)| zone);
        let zone = zone.unwrap_or(settings.zone);
        let rates = &settings.revenue.rates;
        let dated = rates.all();
        let dated = dated.map(|(currency, day, rate)| (currency, day, rate.to_string()));
        let terms = Terms {
            rules: settings.revenue.rules.clone(),
            currency: rates.currency(),
            rates: dated.collect(),
            zone,
        };
        let reckoning = Reckoning::of(&account.billed, &terms);
        RevenueFacts {
            books: reckoning.books(Timestamp(i64::MAX)),
            reckoning,
            terms,
            zone,
        }
    }

    fn level(&self, at: Timestamp) -> Option<&Level> {
        self.books.levels.iter().rfind(|level| level.from <= at)
    }

    fn mrr(&self, at: Timestamp) -> i128 {
        self.level(at).map_or(0, |level| level.mrr.0)
    }

    /// The last instant of a day.
    fn end(&self, day: Day) -> Timestamp {
        self.zone.end_of(day).minus_ms(1)
    }

    pub(super) fn parts(
        &self,
        facts: &Facts<'_>,
        day: Day,
        now: Option<Timestamp>,
        parts: &mut DayParts,
    ) {
        let end = self.end(day);
        let at = now.map_or(end, |now| now.min(end));
        let mrr = self.mrr(at);
        let gross = self.level(at).map_or(0, |level| level.mrr.1);
        let known = self.reckoning.now(at);
        parts.both("mrr", Part::Count(Some(mrr)));
        parts.both("mrr_gross", Part::Count(Some(gross)));
        parts.both("arr", Part::Count(Some(12 * mrr)));
        parts.both("cmrr", Part::Count(Some(known.committed)));
        let is_customer = self.level(at).is_some_and(|level| level.customer);
        parts.group("customers", Part::count(usize::from(is_customer)));
        let before = self.mrr(self.end(day.minus(30)));
        let growth = Fraction::new(mrr - before, before).filter(|_| before != 0);
        parts.alone("mrr_growth_30d", fraction(growth));
        self.movements(day, at, parts);
        self.invoices(facts.account, day, at, parts);
        let lost = self.books.movements.iter();
        let was_lost = lost
            .filter(|moved| moved.at <= at)
            .any(|moved| moved.kind == "churn");
        let status = match (is_customer, known.in_trial, was_lost) {
            (true, ..) => "customer",
            (false, true, _) => "trial",
            (false, false, true) => "churned",
            (false, false, false) => "free",
        };
        parts.alone("account_status", json!(status));
        let ahead = |at: Timestamp| Some(self.zone.day_of(at)).filter(|on| *on >= day);
        let days = |on: Option<Day>| on.map_or(Value::Null, |on| json!(on.since(day)));
        let told = facts.account.renewal_as_of(day).and_then(ahead);
        let next = known.term_ends.into_iter().filter_map(ahead).min();
        parts.alone("days_to_renewal", days(told.or(next)));
        let next = known.trial_ends.into_iter().filter_map(ahead).min();
        parts.alone("days_to_trial_end", days(next));
    }

    fn invoices(&self, account: &Account, day: Day, until: Timestamp, parts: &mut DayParts) {
        let all = |outcome: &'static str| {
            let all = account.invoices.iter();
            all.filter(move |one| one.outcome == outcome && one.on.1 <= day)
        };
        let amount = |one: &Invoiced| {
            let code = one.data["currency"].as_str().unwrap_or_default();
            let currency = Currency::of(code).expect("a currency of ISO 4217");
            let amount = one.data["amount_minor"].as_i64().unwrap_or_default();
            self.terms.converted(amount, currency, one.on.0)
        };
        let sum = |outcome| all(outcome).map(amount).sum::<i128>();
        let lifetime = sum("paid") - sum("refunded");
        parts.both("lifetime_revenue", Part::Count(Some(lifetime)));

        let id = |one: &Invoiced| {
            one.data["invoice_id"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        let mut first_failed: BTreeMap<String, Dated> = BTreeMap::new();
        for one in all("payment_failed") {
            let first = first_failed.entry(id(one)).or_insert(one.on);
            *first = std::cmp::min_by_key(*first, one.on, |(at, on)| (*on, *at));
        }
        let is = |invoice: &str, outcome| all(outcome).any(|one| id(one) == invoice);
        let churns = self.books.movements.iter();
        let lost = churns.filter(|moved| moved.kind == "churn" && moved.at <= until);
        let lost = lost.map(|moved| moved.at).max();
        let open = first_failed.iter().filter(|(invoice, (at, _))| {
            let is_settled = is(invoice, "paid") || is(invoice, "voided");
            !is_settled && lost.is_none_or(|lost| lost < *at)
        });
        let open: Vec<Day> = open.map(|(_, (_, on))| *on).collect();
        parts.both("failed_payments", Part::count(open.len()));
        let oldest = open.into_iter().min();
        let days = oldest.map_or(Value::Null, |oldest| json!(day.since(oldest)));
        parts.alone("past_due_days", days);

        for (first, window) in windows(day) {
            let failed = first_failed.iter().filter(|(_, (_, on))| *on >= first);
            let failed: Vec<&String> = failed.map(|(invoice, _)| invoice).collect();
            let paid = failed.iter().filter(|invoice| is(invoice, "paid")).count();
            let rate = Part::ratio(paid as i128, failed.len() as i128);
            parts.group(&format!("dunning_recovered_rate_{window}"), rate);
            let collected = || all("paid").filter(|one| one.on.1 >= first);
            let recurring = collected().filter(|one| one.data["recurring"] == true);
            let share = Part::ratio(recurring.map(amount).sum(), collected().map(amount).sum());
            parts.group(&format!("recurring_share_{window}"), share);
        }
    }

    fn movements(&self, day: Day, until: Timestamp, parts: &mut DayParts) {
        for days in [1, 30] {
            let start = self.end(day.minus(days));
            for kind in KINDS {
                let of_kind = self.moved(start, until);
                let of_kind = of_kind.filter(|moved| moved.kind == kind);
                let sum: i128 = of_kind.map(|moved| moved.mrr.1 - moved.mrr.0).sum();
                let id = format!("mrr_{kind}_{days}d");
                parts.alone(&id, count(positive(kind, sum)));
            }
            // An account stays with itself.
            parts.alone(&format!("mrr_transfer_{days}d"), json!(0));
        }
        for (_, window) in windows(day) {
            for id in ids_of(window) {
                parts.group(&id, Part::Count(Some(0)));
            }
        }
    }

    /// The movements after an instant up to another one.
    fn moved(&self, after: Timestamp, until: Timestamp) -> impl Iterator<Item = &Moved> {
        let all = self.books.movements.iter();
        all.filter(move |moved| moved.at > after && moved.at <= until)
    }

    /// What of its flows the account gives to each of the groups in which it was at the end of some day of a window.
    pub(super) fn flows(
        &self,
        facts: &Facts<'_>,
        day: Day,
        now: Option<Timestamp>,
        is_known: impl Fn(Day) -> bool,
    ) -> Vec<(Group, Parts)> {
        let mut all = Vec::new();
        if self.books.movements.is_empty() {
            return all;
        }
        let until = now.map_or(self.end(day), |now| now.min(self.end(day)));
        let fleet = "all".to_owned();
        for dimension in std::iter::once(&fleet).chain(&facts.settings.segments) {
            let group = |day: Day| {
                let value = facts.account.trait_as_of(dimension, day);
                let value = value.unwrap_or_else(|| UNKNOWN.to_owned());
                let segment = if *dimension == fleet {
                    fleet.clone()
                } else {
                    value
                };
                is_known(day).then(|| (dimension.clone(), segment))
            };
            for (first, window) in windows(day) {
                let mut sums: BTreeMap<Group, BTreeMap<String, i128>> = BTreeMap::new();
                let mut add = |group: &Option<Group>, what: &str, sum: i128| {
                    let Some(group) = group else { return };
                    let sums = sums.entry(group.clone()).or_default();
                    *sums.entry(format!("{what}_{window}")).or_default() += sum;
                };
                let residual = "mrr_reconciliation_residual";
                add(
                    &group(first.minus(1)),
                    residual,
                    -self.mrr(self.end(first.minus(1))),
                );
                add(&group(day), residual, self.mrr(until));
                for day in (first.0..=day.0).map(Day) {
                    let (was, is) = (group(day.minus(1)), group(day));
                    let before = self.end(day.minus(1));
                    if was != is {
                        let mrr = self.mrr(before);
                        add(&was, "mrr_transfer", -mrr);
                        add(&was, residual, mrr);
                        add(&is, "mrr_transfer", mrr);
                        add(&is, residual, -mrr);
                    }
                    for moved in self.moved(before, self.end(day).min(until)) {
                        let sum = moved.mrr.1 - moved.mrr.0;
                        add(
                            &is,
                            &format!("mrr_{}", moved.kind),
                            positive(moved.kind, sum),
                        );
                        add(&is, residual, -sum);
                        match moved.kind {
                            "new" => add(&is, "customers_new", 1),
                            "churn" => add(&is, "customers_churned", 1),
                            "reactivation" => add(&is, "customers_reactivated", 1),
                            _ => {}
                        }
                    }
                }
                let told = sums.into_iter().map(|(group, sums)| {
                    let sums = sums.into_iter();
                    let parts = sums.map(|(id, sum)| (id, Part::Count(Some(sum))));
                    (group, parts.collect())
                });
                all.extend(told);
            }
        }
        all
    }
}

const KINDS: [&str; 6] = [
    "new",
    "expansion",
    "contraction",
    "churn",
    "reactivation",
    "fx",
];

/// Less is told as a number above 0 where its name says so.
fn positive(kind: &str, sum: i128) -> i128 {
    match kind {
        "contraction" | "churn" => -sum,
        _ => sum,
    }
}

/// The windows of groups that end with a day: their first days, and what ids call them.
fn windows(day: Day) -> [(Day, &'static str); 2] {
    [(day.minus(29), "30d"), (day.first_of_month(), "mtd")]
}

/// What groups are told of all windows.
pub(super) fn ids_of_flows() -> Vec<String> {
    let windows = windows(Day::default());
    windows
        .iter()
        .flat_map(|(_, window)| ids_of(window))
        .collect()
}

/// What groups are told of a window.
fn ids_of(window: &str) -> Vec<String> {
    let kinds = KINDS.map(|kind| format!("mrr_{kind}_{window}")).into_iter();
    let others = [
        "mrr_transfer",
        "mrr_reconciliation_residual",
        "customers_new",
        "customers_churned",
        "customers_reactivated",
    ];
    kinds
        .chain(others.map(|what| format!("{what}_{window}")))
        .collect()
}
