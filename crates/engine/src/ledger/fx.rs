//! Rates of exchange by date, and money brought into the currency of the reports.
//!
//! The original currency is the truth. Of several dates the newest rate that is not after the day holds.
//! Rates are between whole units (dollars for a euro, dollars for a yen); that minor units differ in size is
//! known here and nowhere else.

use std::collections::BTreeMap;

use mainstay_model::{Currency, Day, Decimal};

use super::exact::Exact;

/// The currency of the reports, and rates into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rates {
    into: Currency,
    by_date: BTreeMap<Currency, BTreeMap<Day, Decimal>>,
}

/// A rate that is not above 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a rate of {0} is not above 0")]
pub struct BadRate(pub Decimal);

impl Rates {
    /// No rates into this currency yet; itself it needs none.
    #[must_use]
    pub fn into(into: Currency) -> Rates {
        Rates {
            into,
            by_date: BTreeMap::new(),
        }
    }

    /// The currency of the reports.
    #[must_use]
    pub fn currency(&self) -> Currency {
        self.into
    }

    /// From `day` on, one unit of `currency` is `rate` units of the currency of the reports.
    ///
    /// # Errors
    /// When the rate is not above 0.
    pub fn set(&mut self, currency: Currency, day: Day, rate: Decimal) -> Result<(), BadRate> {
        if rate <= Decimal::default() {
            return Err(BadRate(rate));
        }
        self.by_date.entry(currency).or_default().insert(day, rate);
        Ok(())
    }

    /// Whether there is a rate for a day; without one, what is in that currency is `bad_currency`.
    #[must_use]
    pub fn has(&self, currency: Currency, day: Day) -> bool {
        let first = self
            .by_date
            .get(&currency)
            .and_then(|rates| rates.first_key_value());
        currency == self.into || first.is_some_and(|(first, _)| *first <= day)
    }

    /// An exact amount in minor units of `currency`, in minor units of the currency of the reports, rounded
    /// once.
    ///
    /// Before the first rate that holds; 0 where there is none at all, which the door rules out.
    #[must_use]
    pub fn convert(&self, amount: &Exact, currency: Currency, day: Day) -> i128 {
        if currency == self.into {
            return amount.rounded();
        }
        match self.rate(currency, day) {
            Some(rate) => {
                let into = Exact::whole(10i128.pow(self.into.minor_digits()));
                let from = 10i128.pow(currency.minor_digits());
                let rate = Exact::decimal(rate) * &into * &Exact::quotient(1, from);
                (rate * amount).rounded()
            }
            None => 0,
        }
    }

    /// Amounts in minor units of their currencies, together in those of the currency of the reports: each currency's
    /// exact sum is converted and rounded once.
    #[must_use]
    pub(super) fn total<E: std::borrow::Borrow<Exact>>(
        &self,
        amounts: impl Iterator<Item = (Currency, E)>,
        day: Day,
    ) -> i128 {
        let mut sums: BTreeMap<Currency, Exact> = BTreeMap::new();
        for (currency, amount) in amounts {
            let sum = sums.entry(currency).or_insert_with(Exact::zero);
            *sum += amount.borrow();
        }
        let converted = |(currency, sum)| self.convert(&sum, currency, day);
        sums.into_iter().map(converted).sum()
    }

    /// The days after `after` up to `until` on which the rate of a currency is not that of the day before.
    pub(super) fn changes(
        &self,
        currency: Currency,
        after: Day,
        until: Day,
    ) -> impl Iterator<Item = Day> {
        let rates = self.by_date.get(&currency).filter(|_| after < until);
        let dated = rates.into_iter().flat_map(move |rates| {
            let days = rates.range(after.plus(1)..=until);
            days.filter(move |(day, rate)| {
                let before = rates.range(..**day).next_back();
                before.is_some_and(|(_, before)| before != *rate)
            })
        });
        dated.map(|(day, _)| *day)
    }

    /// The first day after `after` on which the rate of a currency is not that of the day before.
    pub(super) fn next_change(&self, currency: Currency, after: Day) -> Option<Day> {
        let rates = self.by_date.get(&currency)?;
        let (last, _) = rates.last_key_value()?;
        self.changes(currency, after, *last).next()
    }

    /// Every rate: of which currency, from which day on.
    pub fn all(&self) -> impl Iterator<Item = (Currency, Day, Decimal)> {
        self.by_date.iter().flat_map(|(currency, rates)| {
            rates
                .iter()
                .map(move |(day, rate)| (*currency, *day, *rate))
        })
    }

    fn rate(&self, currency: Currency, day: Day) -> Option<Decimal> {
        let rates = self.by_date.get(&currency)?;
        let newest = rates.range(..=day).next_back();
        newest.or(rates.first_key_value()).map(|(_, rate)| *rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn currency(code: &str) -> Currency {
        Currency::of(code).unwrap()
    }

    fn rates(of: &str, rates: &[(&str, &str)]) -> Rates {
        let mut all = Rates::into(currency("USD"));
        for (day, rate) in rates {
            let rate = Decimal::parse(rate).unwrap();
            all.set(currency(of), day.parse().unwrap(), rate).unwrap();
        }
        all
    }

    #[test]
    fn the_newest_rate_that_is_not_after_the_day_holds() {
        let rates = rates("EUR", &[("2026-03-01", "1.10"), ("2026-03-05", "1.20")]);
        let convert =
            |day: &str| rates.convert(&Exact::whole(1000), currency("EUR"), day.parse().unwrap());
        assert_eq!(convert("2026-03-01"), 1100);
        assert_eq!(convert("2026-03-04"), 1100);
        assert_eq!(convert("2026-03-05"), 1200);
        assert_eq!(convert("2027-01-01"), 1200);
        assert!(rates.has(currency("EUR"), "2026-03-01".parse().unwrap()));
        assert!(!rates.has(currency("EUR"), "2026-02-28".parse().unwrap()));
        assert!(!rates.has(currency("GBP"), "2026-03-01".parse().unwrap()));
        assert!(rates.has(currency("USD"), "1999-01-01".parse().unwrap()));
    }

    #[test]
    fn minor_units_of_another_size_are_known() {
        let yen = rates("JPY", &[("2026-03-01", "0.0067")]);
        let day = "2026-03-01".parse().unwrap();
        assert_eq!(yen.convert(&Exact::whole(1000), currency("JPY"), day), 670);
        let dinar = rates("KWD", &[("2026-03-01", "3.25")]);
        assert_eq!(
            dinar.convert(&Exact::whole(1000), currency("KWD"), day),
            325
        );
    }

    #[test]
    fn what_is_converted_is_rounded_once_and_half_to_even() {
        let rates = rates("EUR", &[("2026-03-01", "0.5")]);
        let day = "2026-03-01".parse().unwrap();
        let convert = |amount: Exact| rates.convert(&amount, currency("EUR"), day);
        assert_eq!(convert(Exact::whole(1)), 0);
        assert_eq!(convert(Exact::whole(3)), 2);
        // 2.5 would be 2 first, and then 1.
        assert_eq!(convert(Exact::quotient(5, 2)), 1);
        assert_eq!(convert(Exact::quotient(17, 6)), 1);
    }

    #[test]
    fn a_day_with_the_rate_of_the_day_before_is_no_change() {
        let dates = [
            ("2026-03-01", "1.1"),
            ("2026-03-02", "1.10"),
            ("2026-03-03", "1.2"),
            ("2026-03-06", "1.1"),
        ];
        let rates = rates("EUR", &dates);
        let changes = |after: &str, until: &str| -> Vec<String> {
            let (after, until) = (after.parse().unwrap(), until.parse().unwrap());
            let days = rates.changes(currency("EUR"), after, until);
            days.map(|day| day.to_string()).collect()
        };
        assert_eq!(
            changes("2026-02-01", "2026-04-01"),
            ["2026-03-03", "2026-03-06"]
        );
        assert_eq!(changes("2026-03-03", "2026-03-05"), [""; 0]);
        assert_eq!(changes("2026-03-05", "2026-03-06"), ["2026-03-06"]);
    }

    #[test]
    fn a_rate_is_above_0() {
        let mut rates = Rates::into(currency("USD"));
        let day = "2026-03-01".parse().unwrap();
        assert_eq!(
            rates.set(currency("EUR"), day, Decimal::default()),
            Err(BadRate(Decimal::default()))
        );
    }
}
