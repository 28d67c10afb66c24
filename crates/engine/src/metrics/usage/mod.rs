//! Usage: what product events tell. One file a metric, or a family that differs by its window alone.

pub(super) mod account_age;
pub(super) mod activation;
pub(super) mod active_accounts;
pub(super) mod active_days;
pub(super) mod active_days_histogram;
pub(super) mod active_users;
pub(super) mod actors;
pub(super) mod breadth;
pub(super) mod champion;
pub(super) mod days_to_launch;
pub(super) mod depth;
pub(super) mod dormant_users;
pub(super) mod engaged_users;
pub(super) mod events;
pub(super) mod feature_adoption;
pub(super) mod feature_share;
pub(super) mod feature_trend;
pub(super) mod feature_use;
pub(super) mod growth;
pub(super) mod key_actions_per_session;
pub(super) mod known_users;
pub(super) mod last_seen;
pub(super) mod onboarding;
pub(super) mod retention;
pub(super) mod seats;
pub(super) mod session_duration;
pub(super) mod sessions;
pub(super) mod sessions_per_user;
pub(super) mod sessions_per_user_day;
pub(super) mod stickiness;
pub(super) mod time_in_product;
pub(super) mod time_to_value;
pub(super) mod usage_trend;
pub(super) mod user_movement;
pub(super) mod users_per_account;
pub(super) mod wau_trend;

#[cfg(test)]
pub(super) mod story;
