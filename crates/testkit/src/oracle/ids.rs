//! The ids of all metrics that the oracle computes, and for whom.

use std::collections::BTreeSet;

use mainstay_engine::infos;

/// Of accounts and of groups.
const BOTH: &[&str] = &[
    "dau",
    "wau",
    "mau",
    "stickiness",
    "stickiness_wau",
    "stickiness_mean",
    "active_days_histogram",
    "engaged_users_7d",
    "seats",
    "adoption_rate",
    "inactive_seats",
    "known_users",
    "dormant_users",
    "new_users_7d",
    "returning_users_7d",
    "resurrected_users_7d",
    "lapsed_users_7d",
    "new_users_30d",
    "returning_users_30d",
    "resurrected_users_30d",
    "lapsed_users_30d",
    "sessions_1d",
    "sessions_7d",
    "sessions_30d",
    "sessions_per_user_median",
    "sessions_per_user_mean",
    "sessions_per_user_day",
    "session_duration_p50",
    "session_duration_p90",
    "session_duration_mean",
    "time_in_product_1d",
    "time_in_product_7d",
    "time_in_product_30d",
    "key_actions_per_session",
    "events_1d",
    "events_7d",
    "events_30d",
    "usage_trend",
    "events_human_7d",
    "events_api_7d",
    "events_agent_7d",
    "users_human_7d",
    "users_api_7d",
    "users_agent_7d",
    "wau_base",
    "wau_trend",
    "retention_d1",
    "retention_d7",
    "retention_d30",
    "retention_w1",
    "retention_d1_unbounded",
    "retention_d7_unbounded",
    "retention_d30_unbounded",
    "activation_rate",
    "time_to_value",
    "time_to_first_value",
    "time_to_onboarded",
    "onboarding_progress",
    "onboarding_done_24h",
    "days_to_launch",
    "mrr",
    "mrr_gross",
    "arr",
    "cmrr",
    "lifetime_revenue",
    "failed_payments",
    "mrr_new_30d",
    "mrr_expansion_30d",
    "mrr_contraction_30d",
    "mrr_churn_30d",
    "mrr_reactivation_30d",
    "mrr_fx_30d",
    "mrr_transfer_30d",
];

/// Of accounts and of groups, for each tracked feature.
const FEATURE: &[&str] = &[
    "feature_users_1d",
    "feature_users_7d",
    "feature_users_30d",
    "feature_events_1d",
    "feature_events_7d",
    "feature_events_30d",
    "feature_share",
    "feature_time_share",
    "feature_trend",
    "feature_adopted_users",
    "feature_time_to_adopt",
    "feature_abandoned",
];

const ACCOUNT_ONLY: &[&str] = &[
    "depth",
    "breadth",
    "breadth_ratio",
    "activated",
    "onboarding_days_since_step",
    "mau_growth_30d",
    "depth_growth_30d",
    "seats_growth_30d",
    "last_seen",
    "days_since_last_seen",
    "active_days_30d",
    "account_age_days",
    "champion_share",
    "champion_days_away",
    "mrr_growth_30d",
    "mrr_new_1d",
    "mrr_expansion_1d",
    "mrr_contraction_1d",
    "mrr_churn_1d",
    "mrr_reactivation_1d",
    "mrr_fx_1d",
    "mrr_transfer_1d",
    "account_status",
    "past_due_days",
    "days_to_renewal",
    "days_to_trial_end",
];

const GROUP_ONLY: &[&str] = &[
    "active_accounts_1d",
    "active_accounts_7d",
    "active_accounts_30d",
    "users_per_account_median",
    "users_per_account_mean",
    "customers",
    "dunning_recovered_rate_30d",
    "dunning_recovered_rate_mtd",
    "recurring_share_30d",
    "recurring_share_mtd",
    "mrr_new_mtd",
    "mrr_expansion_mtd",
    "mrr_contraction_mtd",
    "mrr_churn_mtd",
    "mrr_reactivation_mtd",
    "mrr_fx_mtd",
    "mrr_transfer_mtd",
    "customers_new_30d",
    "customers_new_mtd",
    "customers_churned_30d",
    "customers_churned_mtd",
    "customers_reactivated_30d",
    "customers_reactivated_mtd",
    "mrr_reconciliation_residual_30d",
    "mrr_reconciliation_residual_mtd",
    "revenue_churn_rate_30d",
    "revenue_churn_rate_mtd",
    "revenue_churn_rate_churn_only_30d",
    "revenue_churn_rate_churn_only_mtd",
    "net_mrr_churn_rate_30d",
    "net_mrr_churn_rate_mtd",
    "expansion_rate_30d",
    "expansion_rate_mtd",
    "quick_ratio_30d",
    "quick_ratio_mtd",
    "net_customer_churn_rate_30d",
    "net_customer_churn_rate_mtd",
    "customer_churn_rate_30d",
    "customer_churn_rate_mtd",
    "customer_churn_rate_active_30d",
    "customer_churn_rate_active_mtd",
    "customer_churn_rate_passive_30d",
    "customer_churn_rate_passive_mtd",
    "retention_rate_30d",
    "retention_rate_mtd",
    "grr_30d",
    "grr_mtd",
    "nrr_30d",
    "nrr_mtd",
    "arpa",
    "arpu",
];

/// Every metric of accounts, those of features by the id of the catalogue.
#[must_use]
pub fn of_accounts() -> BTreeSet<&'static str> {
    [BOTH, FEATURE, ACCOUNT_ONLY].concat().into_iter().collect()
}

/// Every metric of groups, those of features by the id of the catalogue.
#[must_use]
pub fn of_groups() -> BTreeSet<&'static str> {
    [BOTH, FEATURE, GROUP_ONLY].concat().into_iter().collect()
}

/// The metrics that the engine's catalogue does not have yet.
///
/// Only what both have is compared, so an oracle may be ahead of the engine; once this is empty, all is.
#[must_use]
pub fn waiting() -> BTreeSet<&'static str> {
    let catalogue: BTreeSet<&str> = infos().iter().map(|info| info.id).collect();
    let all = of_accounts().into_iter().chain(of_groups());
    all.filter(|id| !catalogue.contains(id)).collect()
}

/// The name of a feature's value: `features.report.users_7d`.
pub(super) fn of_feature(feature: &str, what: &str) -> String {
    format!("features.{feature}.{what}")
}

/// The id under which the catalogue has the metric of a value: `feature_users_7d`.
pub(super) fn in_catalogue(name: &str) -> String {
    match name
        .strip_prefix("features.")
        .and_then(|name| name.rsplit_once('.'))
    {
        Some((_, what)) => format!("feature_{what}"),
        None => name.to_owned(),
    }
}
