//! The metrics of recurring revenue of an account on a day, from its slow books.

use mainstay_engine::Settings;
use mainstay_model::{Day, Timestamp, Zone};
use serde_json::{Value, json};

use super::account::Account;
use super::fraction::Fraction;
use super::metrics::{DayParts, Facts};
use super::mrr::{Books, Level, Reckoning, Terms};
use super::part::{Part, count, fraction};

/// An account's books, and what else is known of its subscriptions.
pub(super) struct RevenueFacts {
    reckoning: Reckoning,
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

    fn movements(&self, day: Day, until: Timestamp, parts: &mut DayParts) {
        for days in [1, 30] {
            let start = self.end(day.minus(days));
            let window = || {
                let all = self.books.movements.iter();
                all.filter(move |moved| moved.at > start && moved.at <= until)
            };
            for kind in [
                "new",
                "expansion",
                "contraction",
                "churn",
                "reactivation",
                "fx",
            ] {
                let of_kind = window().filter(|moved| moved.kind == kind);
                let sum: i128 = of_kind.map(|moved| moved.mrr.1 - moved.mrr.0).sum();
                let told = match kind {
                    "contraction" | "churn" => -sum,
                    _ => sum,
                };
                parts.alone(&format!("mrr_{kind}_{days}d"), count(told));
            }
            if days == 30 {
                let sum: i128 = window().map(|moved| moved.mrr.1 - moved.mrr.0).sum();
                let rest = self.mrr(until) - self.mrr(start) - sum;
                parts.group("mrr_reconciliation_residual_30d", Part::Count(Some(rest)));
            }
        }
    }
}
