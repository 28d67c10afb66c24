//! The catalogue: every metric, once.
//!
//! A metric is one file and one line here. It reads the parts that it is told from, and tells a value from
//! parts; it holds no state. Record fields, JSON Schema, Prometheus families, `mainstay metrics` and the
//! reference page are made from this list.

mod revenue;
mod usage;
mod why;

use mainstay_model::{Column, Day, Info, Levels, Parts, Value};

use crate::flows::{Flows, Window};
use crate::settings::Settings;
use crate::view::View;

pub use why::{Deed, Fact, Moment, Part, Show, Why};

/// One metric: what it is, how it is read from an account, how it is told from parts.
pub struct Metric {
    /// What everybody may know of it.
    pub info: Info,
    /// The parts that an account gives.
    pub read: Read,
    /// The value that parts tell: of one account, or of many added up.
    pub tell: fn(&Parts, Asked) -> Value,
    /// What an explanation shows beside the value.
    pub why: Why,
}

/// How the parts of a metric are read.
#[derive(Clone, Copy)]
pub enum Read {
    /// From an account.
    Account(fn(&View<'_>) -> Parts),
    /// From an account, for each tracked feature, by its place in the order of their names.
    Feature(fn(&View<'_>, usize) -> Parts),
    /// From how revenue moved within a window of days, of the account and of each group that it was in.
    Flow(Window, OfFlows),
}

/// What is read of how revenue moved.
pub type OfFlows = fn(&Flows) -> Parts;

/// For when and whom a value is told.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// The day, today for live values.
    pub day: Day,
    /// For a group of accounts, not for one.
    pub group: bool,
}

/// Every metric, in the order in which people are shown them.
pub static CATALOGUE: &[&Metric] = &[
    &usage::active_users::DAU,
    &usage::active_users::WAU,
    &usage::active_users::MAU,
    &usage::active_accounts::ACTIVE_ACCOUNTS_1D,
    &usage::active_accounts::ACTIVE_ACCOUNTS_7D,
    &usage::active_accounts::ACTIVE_ACCOUNTS_30D,
    &usage::users_per_account::USERS_PER_ACCOUNT_MEDIAN,
    &usage::users_per_account::USERS_PER_ACCOUNT_MEAN,
    &usage::stickiness::STICKINESS,
    &usage::stickiness::STICKINESS_WAU,
    &usage::stickiness::STICKINESS_MEAN,
    &usage::active_days_histogram::ACTIVE_DAYS_HISTOGRAM,
    &usage::engaged_users::ENGAGED_USERS_7D,
    &usage::seats::SEATS,
    &usage::seats::ADOPTION_RATE,
    &usage::seats::INACTIVE_SEATS,
    &usage::known_users::KNOWN_USERS,
    &usage::dormant_users::DORMANT_USERS,
    &usage::user_movement::NEW_USERS_7D,
    &usage::user_movement::NEW_USERS_30D,
    &usage::user_movement::RETURNING_USERS_7D,
    &usage::user_movement::RETURNING_USERS_30D,
    &usage::user_movement::RESURRECTED_USERS_7D,
    &usage::user_movement::RESURRECTED_USERS_30D,
    &usage::user_movement::LAPSED_USERS_7D,
    &usage::user_movement::LAPSED_USERS_30D,
    &usage::sessions::SESSIONS_1D,
    &usage::sessions::SESSIONS_7D,
    &usage::sessions::SESSIONS_30D,
    &usage::sessions_per_user::SESSIONS_PER_USER_MEDIAN,
    &usage::sessions_per_user::SESSIONS_PER_USER_MEAN,
    &usage::sessions_per_user_day::SESSIONS_PER_USER_DAY,
    &usage::session_duration::SESSION_DURATION_P50,
    &usage::session_duration::SESSION_DURATION_P90,
    &usage::session_duration::SESSION_DURATION_MEAN,
    &usage::time_in_product::TIME_IN_PRODUCT_1D,
    &usage::time_in_product::TIME_IN_PRODUCT_7D,
    &usage::time_in_product::TIME_IN_PRODUCT_30D,
    &usage::key_actions_per_session::KEY_ACTIONS_PER_SESSION,
    &usage::events::EVENTS_1D,
    &usage::events::EVENTS_7D,
    &usage::events::EVENTS_30D,
    &usage::usage_trend::USAGE_TREND,
    &usage::actors::EVENTS_HUMAN_7D,
    &usage::actors::EVENTS_API_7D,
    &usage::actors::EVENTS_AGENT_7D,
    &usage::actors::USERS_HUMAN_7D,
    &usage::actors::USERS_API_7D,
    &usage::actors::USERS_AGENT_7D,
    &usage::wau_trend::WAU_BASE,
    &usage::wau_trend::WAU_TREND,
    &usage::feature_use::FEATURE_USERS_1D,
    &usage::feature_use::FEATURE_USERS_7D,
    &usage::feature_use::FEATURE_USERS_30D,
    &usage::feature_use::FEATURE_EVENTS_1D,
    &usage::feature_use::FEATURE_EVENTS_7D,
    &usage::feature_use::FEATURE_EVENTS_30D,
    &usage::feature_share::FEATURE_SHARE,
    &usage::feature_share::FEATURE_TIME_SHARE,
    &usage::feature_trend::FEATURE_TREND,
    &usage::feature_adoption::FEATURE_ADOPTED_USERS,
    &usage::feature_adoption::FEATURE_TIME_TO_ADOPT,
    &usage::feature_adoption::FEATURE_ABANDONED,
    &usage::depth::DEPTH,
    &usage::breadth::BREADTH,
    &usage::breadth::BREADTH_RATIO,
    &usage::retention::RETENTION_D1,
    &usage::retention::RETENTION_D7,
    &usage::retention::RETENTION_D30,
    &usage::retention::RETENTION_W1,
    &usage::retention::RETENTION_D1_UNBOUNDED,
    &usage::retention::RETENTION_D7_UNBOUNDED,
    &usage::retention::RETENTION_D30_UNBOUNDED,
    &usage::activation::ACTIVATION_RATE,
    &usage::activation::ACTIVATED,
    &usage::time_to_value::TIME_TO_VALUE,
    &usage::time_to_value::TIME_TO_FIRST_VALUE,
    &usage::time_to_value::TIME_TO_ONBOARDED,
    &usage::onboarding::ONBOARDING_PROGRESS,
    &usage::onboarding::ONBOARDING_DONE_24H,
    &usage::onboarding::ONBOARDING_DAYS_SINCE_STEP,
    &usage::days_to_launch::DAYS_TO_LAUNCH,
    &usage::growth::MAU_GROWTH_30D,
    &usage::growth::DEPTH_GROWTH_30D,
    &usage::growth::SEATS_GROWTH_30D,
    &usage::growth::MRR_GROWTH_30D,
    &usage::last_seen::LAST_SEEN,
    &usage::last_seen::DAYS_SINCE_LAST_SEEN,
    &usage::active_days::ACTIVE_DAYS_30D,
    &usage::account_age::ACCOUNT_AGE_DAYS,
    &usage::champion::CHAMPION_SHARE,
    &usage::champion::CHAMPION_DAYS_AWAY,
    &revenue::mrr::MRR,
    &revenue::mrr::MRR_GROSS,
    &revenue::mrr::ARR,
    &revenue::cmrr::CMRR,
    &revenue::movements::MRR_NEW_1D,
    &revenue::movements::MRR_NEW_30D,
    &revenue::movements::MRR_NEW_MTD,
    &revenue::movements::MRR_EXPANSION_1D,
    &revenue::movements::MRR_EXPANSION_30D,
    &revenue::movements::MRR_EXPANSION_MTD,
    &revenue::movements::MRR_CONTRACTION_1D,
    &revenue::movements::MRR_CONTRACTION_30D,
    &revenue::movements::MRR_CONTRACTION_MTD,
    &revenue::movements::MRR_CHURN_1D,
    &revenue::movements::MRR_CHURN_30D,
    &revenue::movements::MRR_CHURN_MTD,
    &revenue::movements::MRR_REACTIVATION_1D,
    &revenue::movements::MRR_REACTIVATION_30D,
    &revenue::movements::MRR_REACTIVATION_MTD,
    &revenue::movements::MRR_FX_1D,
    &revenue::movements::MRR_FX_30D,
    &revenue::movements::MRR_FX_MTD,
    &revenue::movements::MRR_TRANSFER_1D,
    &revenue::movements::MRR_TRANSFER_30D,
    &revenue::movements::MRR_TRANSFER_MTD,
    &revenue::residual::MRR_RECONCILIATION_RESIDUAL_30D,
    &revenue::residual::MRR_RECONCILIATION_RESIDUAL_MTD,
    &revenue::customers::CUSTOMERS,
    &revenue::customers::CUSTOMERS_NEW_30D,
    &revenue::customers::CUSTOMERS_NEW_MTD,
    &revenue::customers::CUSTOMERS_CHURNED_30D,
    &revenue::customers::CUSTOMERS_CHURNED_MTD,
    &revenue::customers::CUSTOMERS_REACTIVATED_30D,
    &revenue::customers::CUSTOMERS_REACTIVATED_MTD,
    &revenue::customer_churn::CUSTOMER_CHURN_RATE_30D,
    &revenue::customer_churn::CUSTOMER_CHURN_RATE_MTD,
    &revenue::customer_churn::CUSTOMER_CHURN_RATE_ACTIVE_30D,
    &revenue::customer_churn::CUSTOMER_CHURN_RATE_ACTIVE_MTD,
    &revenue::customer_churn::CUSTOMER_CHURN_RATE_PASSIVE_30D,
    &revenue::customer_churn::CUSTOMER_CHURN_RATE_PASSIVE_MTD,
    &revenue::customer_churn::NET_CUSTOMER_CHURN_RATE_30D,
    &revenue::customer_churn::NET_CUSTOMER_CHURN_RATE_MTD,
    &revenue::customer_churn::RETENTION_RATE_30D,
    &revenue::customer_churn::RETENTION_RATE_MTD,
    &revenue::revenue_churn::REVENUE_CHURN_RATE_30D,
    &revenue::revenue_churn::REVENUE_CHURN_RATE_MTD,
    &revenue::revenue_churn::REVENUE_CHURN_RATE_CHURN_ONLY_30D,
    &revenue::revenue_churn::REVENUE_CHURN_RATE_CHURN_ONLY_MTD,
    &revenue::revenue_churn::NET_MRR_CHURN_RATE_30D,
    &revenue::revenue_churn::NET_MRR_CHURN_RATE_MTD,
    &revenue::retained::GRR_30D,
    &revenue::retained::GRR_MTD,
    &revenue::retained::NRR_30D,
    &revenue::retained::NRR_MTD,
    &revenue::expansion::EXPANSION_RATE_30D,
    &revenue::expansion::EXPANSION_RATE_MTD,
    &revenue::expansion::QUICK_RATIO_30D,
    &revenue::expansion::QUICK_RATIO_MTD,
    &revenue::arpa::ARPA,
    &revenue::arpa::ARPU,
    &revenue::invoices::LIFETIME_REVENUE,
    &revenue::invoices::RECURRING_SHARE_30D,
    &revenue::invoices::RECURRING_SHARE_MTD,
    &revenue::invoices::FAILED_PAYMENTS,
    &revenue::invoices::PAST_DUE_DAYS,
    &revenue::invoices::DUNNING_RECOVERED_RATE_30D,
    &revenue::invoices::DUNNING_RECOVERED_RATE_MTD,
    &revenue::account_status::ACCOUNT_STATUS,
    &revenue::days_to::DAYS_TO_RENEWAL,
    &revenue::days_to::DAYS_TO_TRIAL_END,
];

/// What everybody may know of every metric, in the order of the catalogue.
#[must_use]
pub fn infos() -> Vec<&'static Info> {
    CATALOGUE.iter().map(|metric| &metric.info).collect()
}

/// What everybody may know of the metrics of an account, in the order in which its values come; those of tracked
/// features come after them.
#[must_use]
pub fn account_infos() -> Vec<&'static Info> {
    let of_accounts = readers(0).filter(|reader| reader.metric.info.levels.of_accounts());
    of_accounts.map(|reader| &reader.metric.info).collect()
}

/// The values that records of accounts carry: every metric of accounts in the order of the catalogue, then for
/// each tracked feature, by name, those that there is one of for each.
#[must_use]
pub fn account_columns(settings: &Settings) -> Vec<Column> {
    columns(settings, Levels::of_accounts)
}

/// The values that records of groups carry, in the same order.
#[must_use]
pub fn group_columns(settings: &Settings) -> Vec<Column> {
    columns(settings, Levels::of_groups)
}

fn columns(settings: &Settings, told: fn(Levels) -> bool) -> Vec<Column> {
    let features: Vec<&String> = settings.features.keys().collect();
    let readers = readers(features.len()).filter(|reader| told(reader.metric.info.levels));
    let column = |reader: Reader| Column {
        info: &reader.metric.info,
        feature: reader.feature.map(|place| features[place].as_str().into()),
    };
    readers.map(column).collect()
}

/// A metric, and of which feature it is read where there is one for each.
#[derive(Clone, Copy)]
pub(crate) struct Reader {
    pub(crate) metric: &'static Metric,
    pub(crate) feature: Option<usize>,
}

/// Every metric, and those of features once for each feature.
fn readers(features: usize) -> impl Iterator<Item = Reader> {
    let all = || CATALOGUE.iter().copied();
    let singles = all().filter(|metric| !metric.is_of_features());
    let singles = singles.map(|metric| Reader {
        metric,
        feature: None,
    });
    let of_each = (0..features).flat_map(move |feature| {
        let metrics = all().filter(|metric| metric.is_of_features());
        metrics.map(move |metric| Reader {
            metric,
            feature: Some(feature),
        })
    });
    singles.chain(of_each)
}

/// What is read from an account and told of accounts and groups, under given settings.
pub(crate) struct Readers {
    all: Vec<Reader>,
    /// The places of those that are told of accounts, and of those that are told of groups.
    of_accounts: Vec<usize>,
    of_groups: Vec<usize>,
    /// Which of those of groups are read from flows, in their order.
    group_flows: Vec<(usize, Window, OfFlows)>,
}

impl Readers {
    pub(crate) fn new(features: usize) -> Readers {
        let all: Vec<Reader> = readers(features).collect();
        let places = |told: fn(Levels) -> bool| {
            let all = all.iter().enumerate();
            let told = all.filter(|(_, reader)| told(reader.metric.info.levels));
            told.map(|(place, _)| place).collect()
        };
        let of_groups = places(Levels::of_groups);
        let flow = |(column, place): (usize, &usize)| match all[*place].metric.read {
            Read::Flow(window, read) => Some((column, window, read)),
            Read::Account(_) | Read::Feature(_) => None,
        };
        Readers {
            of_accounts: places(Levels::of_accounts),
            group_flows: of_groups.iter().enumerate().filter_map(flow).collect(),
            of_groups,
            all,
        }
    }

    /// The reader of a column of accounts, by its place.
    pub(crate) fn of_account(&self, place: usize) -> Reader {
        self.all[self.of_accounts[place]]
    }

    /// The parts of every metric, in the order of all.
    pub(crate) fn read(&self, view: &View<'_>) -> Vec<Parts> {
        let read = |reader: &Reader| reader.metric.read(view, reader.feature);
        self.all.iter().map(read).collect()
    }

    /// The values of an account, in the order of its columns.
    pub(crate) fn tell_account(&self, parts: &[Parts], day: Day) -> Vec<Value> {
        let asked = Asked { day, group: false };
        let places = self.of_accounts.iter();
        let told = places.map(|place| (self.all[*place].metric.tell)(&parts[*place], asked));
        told.collect()
    }

    /// Which of all parts groups are told from, in the order of the columns of groups.
    pub(crate) fn of_groups(&self) -> &[usize] {
        &self.of_groups
    }

    /// The parts of those columns of groups that are read from flows.
    pub(crate) fn flows_of_groups(&self, flows: impl Fn(Window) -> Flows) -> Vec<Parts> {
        let flows = Window::ALL.map(flows);
        let read = |(_, window, read): &(usize, Window, OfFlows)| read(&flows[window.place()]);
        self.group_flows.iter().map(read).collect()
    }

    /// The places, among the columns of groups, of those that are read from flows.
    pub(crate) fn flow_columns(&self) -> impl Iterator<Item = usize> {
        self.group_flows.iter().map(|(column, ..)| *column)
    }

    /// The parts of an account that is not there.
    pub(crate) fn nothing(&self) -> Vec<Parts> {
        vec![Parts::Nothing; self.all.len()]
    }

    /// The values of a group, from the parts that groups are told from.
    pub(crate) fn tell_group(&self, parts: &[Parts], day: Day) -> Vec<Value> {
        let asked = Asked { day, group: true };
        let places = self.of_groups.iter().zip(parts);
        let told = places.map(|(place, parts)| (self.all[*place].metric.tell)(parts, asked));
        told.collect()
    }
}

impl std::fmt::Debug for Readers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Readers")
            .field("all", &self.all.len())
            .finish_non_exhaustive()
    }
}

impl Metric {
    /// Whether there is one for each tracked feature.
    pub(crate) fn is_of_features(&self) -> bool {
        match self.read {
            Read::Account(_) | Read::Flow(..) => false,
            Read::Feature(_) => true,
        }
    }

    pub(crate) fn read(&self, view: &View<'_>, feature: Option<usize>) -> Parts {
        match (self.read, feature) {
            (Read::Account(read), None) => read(view),
            (Read::Feature(read), Some(feature)) => read(view, feature),
            (Read::Flow(window, read), None) => read(view.flows(window)),
            (Read::Account(_) | Read::Flow(..), Some(_)) | (Read::Feature(_), None) => {
                unreachable!("a metric is read of a feature if there is one for each")
            }
        }
    }
}

/// Ways of telling that many metrics share.
pub(crate) mod tell {
    use super::{Asked, Parts, Value};
    use crate::spread;

    /// A count; an account without a say counts as 0.
    pub(super) fn count(parts: &Parts, _: Asked) -> Value {
        match parts {
            Parts::Sums([n, ..]) => Value::Count(i64::try_from(*n).unwrap_or(i64::MAX)),
            Parts::Nothing | Parts::Table(_) | Parts::Spread(_) | Parts::Newest(_) => {
                Value::Undefined
            }
        }
    }

    /// The first sum over the second, rounded once.
    pub(super) fn ratio(parts: &Parts, _: Asked) -> Value {
        match parts {
            Parts::Sums([part, whole, ..]) => quotient(*part, *whole),
            Parts::Nothing | Parts::Table(_) | Parts::Spread(_) | Parts::Newest(_) => {
                Value::Undefined
            }
        }
    }

    /// The first sum over a fixed number.
    pub(super) fn over(parts: &Parts, whole: i128) -> Value {
        match parts {
            Parts::Sums([part, ..]) => quotient(*part, whole),
            Parts::Nothing | Parts::Table(_) | Parts::Spread(_) | Parts::Newest(_) => {
                Value::Undefined
            }
        }
    }

    /// The change of a mean: recent, its days, base, its days.
    pub(super) fn trend(parts: &Parts, _: Asked) -> Value {
        match parts {
            Parts::Sums([recent, days, base, base_days]) => {
                quotient(recent * base_days - base * days, base * days)
            }
            Parts::Nothing | Parts::Table(_) | Parts::Spread(_) | Parts::Newest(_) => {
                Value::Undefined
            }
        }
    }

    /// Milliseconds.
    pub(super) fn seconds(parts: &Parts, _: Asked) -> Value {
        match parts {
            Parts::Sums([ms, ..]) => Value::Seconds(i64::try_from(*ms).unwrap_or(i64::MAX)),
            Parts::Nothing | Parts::Table(_) | Parts::Spread(_) | Parts::Newest(_) => {
                Value::Undefined
            }
        }
    }

    /// The mean of milliseconds: their sum, their number; rounded half to even.
    pub(super) fn mean_seconds(parts: &Parts, _: Asked) -> Value {
        match parts {
            Parts::Sums([_, 0, ..]) | Parts::Nothing | Parts::Table(_) => Value::Undefined,
            Parts::Spread(_) | Parts::Newest(_) => Value::Undefined,
            Parts::Sums([sum, n, ..]) => Value::Seconds(mean(*sum, *n)),
        }
    }

    /// The mean of money in whole minor units: its sum, among how many; rounded half to even.
    pub(super) fn mean_money(parts: &Parts, _: Asked) -> Value {
        match parts {
            Parts::Sums([_, 0, ..]) | Parts::Nothing | Parts::Table(_) => Value::Undefined,
            Parts::Spread(_) | Parts::Newest(_) => Value::Undefined,
            Parts::Sums([sum, n, ..]) => Value::Count(mean(*sum, *n)),
        }
    }

    /// A sum over a number above 0, rounded half to even.
    fn mean(sum: i128, n: i128) -> i64 {
        let (mean, rest) = (sum.div_euclid(n), sum.rem_euclid(n));
        let up = rest * 2 > n || (rest * 2 == n && mean % 2 != 0);
        i64::try_from(mean + i128::from(up)).unwrap_or(i64::MAX)
    }

    /// The middle of counted things, or the mean of the two middle ones.
    pub(super) fn median(parts: &Parts, _: Asked) -> Value {
        let Parts::Table(table) = parts else {
            return Value::Undefined;
        };
        let total = table.total();
        let middle = table
            .at_rank(total.div_ceil(2))
            .zip(table.at_rank(total / 2 + 1));
        middle.map_or(Value::Undefined, |(low, high)| {
            quotient(i128::from(low) + i128::from(high), 2)
        })
    }

    /// A percentile of durations, by nearest rank.
    pub(super) fn percentile(parts: &Parts, per_cent: u64) -> Value {
        let Parts::Spread(durations) = parts else {
            return Value::Undefined;
        };
        spread::percentile(durations, per_cent).map_or(Value::Undefined, Value::Seconds)
    }

    /// The change from one value to another, as a ratio.
    pub(super) fn change(parts: &Parts, _: Asked) -> Value {
        match parts {
            Parts::Sums([now, before, ..]) => quotient(now - before, *before),
            Parts::Nothing | Parts::Table(_) | Parts::Spread(_) | Parts::Newest(_) => {
                Value::Undefined
            }
        }
    }

    /// Below this every integer is a float.
    const EXACT: i128 = 1 << 53;

    /// A quotient, rounded once.
    pub(crate) fn quotient(part: i128, whole: i128) -> Value {
        if whole == 0 {
            return Value::Undefined;
        }
        // In lowest terms both are exact as floats, so that one correctly rounded division is all the rounding
        // there is.
        let by = match part.abs() < EXACT && whole.abs() < EXACT {
            true => 1,
            false => greatest_common_divisor(part.unsigned_abs(), whole.unsigned_abs()),
        };
        Value::Ratio((part / by) as f64 / (whole / by) as f64)
    }

    pub(crate) fn greatest_common_divisor(mut a: u128, mut b: u128) -> i128 {
        while b != 0 {
            (a, b) = (b, a % b);
        }
        i128::try_from(a).unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_id_is_given_twice() {
        let ids: BTreeSet<&str> = CATALOGUE.iter().map(|metric| metric.info.id).collect();
        assert_eq!(ids.len(), CATALOGUE.len());
    }

    #[test]
    fn an_id_says_its_window_and_nothing_else_twice() {
        for metric in CATALOGUE {
            let id = metric.info.id;
            assert!(
                id.chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'),
                "{id}"
            );
            assert!(metric.info.help.ends_with('.'), "{id}");
        }
    }
}
