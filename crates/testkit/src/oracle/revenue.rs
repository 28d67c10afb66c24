//! The metrics of recurring revenue of an account on a day, from its slow books.

use std::collections::BTreeMap;

use mainstay_engine::Settings;
use mainstay_model::{Currency, Day, Timestamp, Zone};
use serde_json::{Value, json};

use super::account::{Account, Dated, Invoiced};
use super::flows::{self, KINDS, positive, windows};
use super::fraction::Fraction;
use super::metrics::{DayParts, Facts};
use super::mrr::{Books, Level, Moved, Reckoning, Terms};
use super::part::{Part, count, fraction};

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
        let levels = &self.books.levels;
        let begun = levels.partition_point(|level| level.from <= at);
        levels[..begun].last()
    }

    pub(super) fn is_customer(&self, at: Timestamp) -> bool {
        self.level(at).is_some_and(|level| level.customer)
    }

    /// What is paid at an instant, at the rates of another one.
    pub(super) fn worth(&self, at: Timestamp, rated: Timestamp) -> i128 {
        let level = self.level(at);
        level.map_or(0, |level| level.worth(&self.terms, rated))
    }

    pub(super) fn mrr(&self, at: Timestamp) -> i128 {
        self.level(at).map_or(0, |level| level.mrr.0)
    }

    /// The last instant of a day.
    pub(super) fn end(&self, day: Day) -> Timestamp {
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
        let is_customer = self.is_customer(at);
        parts.group("customers", Part::count(usize::from(is_customer)));
        parts.group("arpa", Part::Share(mrr, i128::from(is_customer)));
        parts.group("arpu", Part::Share(mrr, facts.active_users(day, 30)));
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
        parts.group.extend(flows::nothing());
    }

    /// The movements after an instant up to another one.
    pub(super) fn moved(&self, after: Timestamp, until: Timestamp) -> impl Iterator<Item = &Moved> {
        let all = self.books.movements.iter();
        all.filter(move |moved| moved.at > after && moved.at <= until)
    }
}
