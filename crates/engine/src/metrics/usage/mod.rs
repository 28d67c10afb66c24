//! Usage: what product events tell. One file a metric, or a family that differs by its window alone.

pub(super) mod account_age;
pub(super) mod active_days;
pub(super) mod active_days_histogram;
pub(super) mod active_users;
pub(super) mod engaged_users;
pub(super) mod events;
pub(super) mod key_actions_per_session;
pub(super) mod known_users;
pub(super) mod last_seen;
pub(super) mod session_duration;
pub(super) mod sessions;
pub(super) mod sessions_per_user;
pub(super) mod sessions_per_user_day;
pub(super) mod stickiness;
pub(super) mod time_in_product;
pub(super) mod usage_trend;
pub(super) mod wau_trend;

#[cfg(test)]
mod story;
