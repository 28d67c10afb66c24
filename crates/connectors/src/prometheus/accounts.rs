//! Gauges of accounts: a family for each metric by one rule, series for a bounded set of accounts.
//!
//! Full detail is on the topics. Here are the accounts that the operator named, and besides them the
//! largest, up to a number. A value that is undefined has no series, which is not a series of zero. Series
//! bear the name that people call the account; when it changes, new ones take their place.

use std::collections::{BTreeMap, BTreeSet};

use mainstay_commit::ShardNo;
use mainstay_model::{Currency, Info, Unit, Value};
use prometheus::{GaugeVec, Registry};

use super::families::{float_vec, major, number, set, with_unit};
use crate::Shown;

/// Which accounts have series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountLimits {
    /// These always.
    pub always: BTreeSet<String>,
    /// So many besides.
    pub top: usize,
    /// The metric whose largest values come first.
    pub by: &'static str,
}

impl Default for AccountLimits {
    fn default() -> AccountLimits {
        AccountLimits {
            always: BTreeSet::new(),
            top: 200,
            by: "mau",
        }
    }
}

/// The family of a metric's account gauges: `mainstay_account_`, its id, and its unit if not there yet.
#[must_use]
pub fn family_name(info: &Info) -> String {
    format!("mainstay_account_{}", with_unit(info))
}

/// The gauges of accounts.
pub(super) struct Accounts {
    limits: AccountLimits,
    /// By the place of the metric in the catalogue; none where its values are no single number.
    families: Vec<Option<Family>>,
    ranked_by: Option<usize>,
    shown: BTreeMap<String, Place>,
}

/// The series of one metric.
struct Family {
    gauges: GaugeVec,
    /// Of money, what it is told in.
    currency: Option<Currency>,
}

struct Place {
    shard: ShardNo,
    rank: i64,
    /// Empty, as Prometheus has labels that are not there, while nobody has named the account.
    name: String,
}

/// So many characters of a name are shown.
const NAME_MAX: usize = 128;
/// What tells the series of one account from those of another.
const LABELS: [&str; 2] = ["account", "name"];

impl Accounts {
    pub(super) fn register(
        registry: &Registry,
        catalogue: &[&'static Info],
        currency: Currency,
        limits: AccountLimits,
    ) -> Accounts {
        let family = |info: &&'static Info| {
            let number = !matches!(info.unit, Unit::Histogram | Unit::Date | Unit::Name);
            let currency = (info.unit == Unit::Money).then_some(currency);
            let mut labels = LABELS.to_vec();
            labels.extend(currency.map(|_| "currency"));
            let name = family_name(info);
            let name = name.trim_start_matches("mainstay_").to_owned();
            (number && info.headline).then(|| Family {
                gauges: float_vec(registry, &name, info.help, &labels),
                currency,
            })
        };
        Accounts {
            ranked_by: catalogue.iter().position(|info| info.id == limits.by),
            families: catalogue.iter().map(family).collect(),
            limits,
            shown: BTreeMap::new(),
        }
    }

    /// Takes an account's newest values, if it is among those that are shown.
    pub(super) fn show(&mut self, shard: ShardNo, account: &Shown) {
        let rank = self.rank(account);
        if !self.admit(&account.account, rank) {
            return;
        }
        let name = account.name.as_deref().unwrap_or_default();
        let name: String = name.chars().take(NAME_MAX).collect();
        let was = self.shown.get(&account.account);
        if was.is_some_and(|was| was.name != name) {
            self.remove(&account.account);
        }
        let labels = [account.account.as_str(), name.as_str()];
        for (family, value) in self.families.iter().zip(&account.values) {
            let Some(family) = family else { continue };
            family.set(labels, value);
        }
        let place = Place { shard, rank, name };
        self.shown.insert(account.account.clone(), place);
    }

    /// An account is no more.
    pub(super) fn hide(&mut self, account: &str) {
        self.remove(account);
    }

    /// A shard is no longer ours.
    pub(super) fn gone(&mut self, shard: ShardNo) {
        let gone = self.shown.iter().filter(|(_, place)| place.shard == shard);
        let gone: Vec<String> = gone.map(|(account, _)| account.clone()).collect();
        for account in gone {
            self.remove(&account);
        }
    }

    /// How many accounts have series.
    pub(super) fn len(&self) -> usize {
        self.shown.len()
    }

    fn rank(&self, account: &Shown) -> i64 {
        let value = self.ranked_by.and_then(|index| account.values.get(index));
        value.and_then(number).map_or(0, |number| number as i64)
    }

    /// Makes room for an account, if it is to have any.
    fn admit(&mut self, account: &str, rank: i64) -> bool {
        if self.shown.contains_key(account) || self.limits.always.contains(account) {
            return true;
        }
        let ranked = || {
            let others = self.shown.iter();
            others.filter(|(name, _)| !self.limits.always.contains(*name))
        };
        if ranked().count() < self.limits.top {
            return true;
        }
        let lowest = ranked().min_by_key(|(name, place)| (place.rank, std::cmp::Reverse(*name)));
        match lowest.map(|(name, place)| (name.clone(), place.rank)) {
            Some((name, lowest)) if lowest < rank => {
                self.remove(&name);
                true
            }
            Some(_) | None => false,
        }
    }

    fn remove(&mut self, account: &str) {
        let Some(place) = self.shown.remove(account) else {
            return;
        };
        for family in self.families.iter().flatten() {
            family.set([account, &place.name], &Value::Undefined);
        }
    }
}

impl Family {
    /// Shows a value; one that is undefined has no series.
    fn set(&self, [account, name]: [&str; 2], value: &Value) {
        match self.currency {
            Some(currency) => {
                let labels = [account, name, currency.code()];
                set(&self.gauges, &labels, major(value, currency));
            }
            None => set(&self.gauges, &[account, name], number(value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use mainstay_model::Levels;

    use super::*;

    static MAU: Info = info("mau", Unit::Count);
    static STICKINESS: Info = info("stickiness", Unit::Ratio);

    const fn info(id: &'static str, unit: Unit) -> Info {
        Info {
            id,
            unit,
            levels: Levels::AccountAndGroup,
            help: "Help.",
            formula: "",
            headline: true,
        }
    }

    fn dollars() -> Currency {
        Currency::of("USD").unwrap()
    }

    fn accounts(top: usize, always: &[&str]) -> (Registry, Accounts) {
        let registry = Registry::new();
        let limits = AccountLimits {
            always: always.iter().map(ToString::to_string).collect(),
            top,
            by: "mau",
        };
        let accounts = Accounts::register(&registry, &[&MAU, &STICKINESS], dollars(), limits);
        (registry, accounts)
    }

    fn shown(account: &str, mau: i64) -> Shown {
        Shown {
            account: account.to_owned(),
            name: None,
            values: vec![Value::Count(mau), Value::Undefined],
        }
    }

    fn names(registry: &Registry) -> Vec<String> {
        let text = prometheus::TextEncoder::new()
            .encode_to_string(&registry.gather())
            .unwrap();
        text.lines()
            .filter(|line| !line.starts_with('#'))
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn a_family_is_named_by_one_rule() {
        assert_eq!(family_name(&MAU), "mainstay_account_mau");
        assert_eq!(
            family_name(&STICKINESS),
            "mainstay_account_stickiness_ratio"
        );
        let told = info("late_ratio", Unit::Ratio);
        assert_eq!(family_name(&told), "mainstay_account_late_ratio");
    }

    #[test]
    fn money_has_a_label_for_its_currency_and_is_in_whole_units() {
        static MRR: Info = info("mrr", Unit::Money);
        let registry = Registry::new();
        let limits = AccountLimits::default();
        let mut accounts = Accounts::register(&registry, &[&MRR], dollars(), limits);
        let pays = Shown {
            values: vec![Value::Count(-5)],
            ..shown("a", 0)
        };
        accounts.show(ShardNo(0), &pays);
        assert_eq!(
            names(&registry),
            [r#"mainstay_account_mrr{account="a",currency="USD",name=""} -0.05"#]
        );
        accounts.hide("a");
        assert_eq!(names(&registry), [""; 0]);
    }

    #[test]
    fn the_largest_and_the_named_are_shown_and_no_more() {
        let (registry, mut accounts) = accounts(1, &["named"]);
        for account in [
            shown("small", 1),
            shown("large", 9),
            shown("named", 0),
            shown("tiny", 0),
        ] {
            accounts.show(ShardNo(0), &account);
        }
        assert_eq!(
            names(&registry),
            [
                r#"mainstay_account_mau{account="large",name=""} 9"#,
                r#"mainstay_account_mau{account="named",name=""} 0"#
            ]
        );
    }

    #[test]
    fn series_of_an_account_leave_with_it() {
        let (registry, mut accounts) = accounts(9, &["named"]);
        accounts.show(ShardNo(0), &shown("named", 1));
        accounts.show(ShardNo(0), &shown("stays", 2));
        accounts.hide("named");
        accounts.hide("never shown");
        assert_eq!(
            names(&registry),
            [r#"mainstay_account_mau{account="stays",name=""} 2"#]
        );
    }

    #[test]
    fn a_change_of_name_replaces_the_series() {
        let (registry, mut accounts) = accounts(9, &[]);
        let called = |name: &str, mau| Shown {
            name: Some(name.to_owned()),
            ..shown("a", mau)
        };
        accounts.show(ShardNo(0), &shown("a", 1));
        accounts.show(ShardNo(0), &called("Acme", 2));
        let mut renamed = called("Acme \"Ltd\"", 3);
        accounts.show(ShardNo(0), &renamed);
        assert_eq!(
            names(&registry),
            [r#"mainstay_account_mau{account="a",name="Acme \"Ltd\""} 3"#]
        );
        assert_eq!(accounts.len(), 1);
        renamed.values[0] = Value::Undefined;
        accounts.show(ShardNo(0), &renamed);
        assert_eq!(names(&registry), [""; 0]);
        accounts.show(ShardNo(0), &called("Acme", 4));
        accounts.hide("a");
        assert_eq!(names(&registry), [""; 0]);
    }

    #[test]
    fn series_leave_with_their_shard_and_names_are_escaped() {
        let (registry, mut accounts) = accounts(9, &[]);
        accounts.show(ShardNo(0), &shown("moves", 1));
        accounts.show(ShardNo(1), &shown("a\"}\n", 2));
        accounts.gone(ShardNo(0));
        assert_eq!(
            names(&registry),
            [r#"mainstay_account_mau{account="a\"}\n",name=""} 2"#]
        );
    }
}
