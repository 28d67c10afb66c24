//! The pure core of Mainstay: events in, what is to be said out.
//!
//! The engine is a value. The same calls give the same answers on any machine, on any day: it knows no
//! clock, no random numbers, no files, no broker and no log, and nothing in it follows the order of a hash
//! map (`clippy.toml` of this crate makes that a build error).
//!
//! * [`Engine`]: one shard. `apply` takes an event in; `work` does what time made due; `tell_changed` and
//!   `tell_live_groups` tell live values; `save` and `restore` are its binary form.
//! * [`CATALOGUE`]: every metric, each in its own file.
//! * [`ledger`]: the recurring revenue of an account, and every movement that changed it.
//! * [`Settings`]: what an operator may decide.

mod account;
mod changelog;
mod cohorts;
mod dedup;
mod engine;
mod explain;
mod facts;
mod flows;
mod groups;
pub mod ledger;
mod limit;
mod live;
mod live_groups;
mod metrics;
mod pack;
mod pieces;
mod reading;
mod revenue;
mod rollup;
mod settings;
mod spread;
mod stream_time;
mod terms;
mod view;
mod zones;

pub use changelog::{BrokenState, Put};
pub use cohorts::{CohortMeasure, cohort_measures};
pub use engine::{Due, Engine, Outputs, Pace, Place, Size, Verdict};
pub use explain::{ByUser, Explanation, Look, NoValue, OnDay};
pub use flows::{Flows, Followed, Window};
pub use live::Beat;
pub use metrics::{
    Asked, CATALOGUE, Metric, OfFlows, Read, account_columns, account_infos, group_columns, infos,
};
pub use metrics::{Deed, Fact, Moment, Part, Show, Why};
pub use settings::{Revenue, Settings};
pub use view::View;
