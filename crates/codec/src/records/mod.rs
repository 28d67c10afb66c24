//! Output records: words in, bytes out.
//!
//! One JSON object per record, the same on a topic and in a file. The bytes are a function of the values
//! alone, so a record that is made again is the same record. Nothing here chooses: which metrics a record
//! carries is decided by the list that the writer is handed.

mod account;
mod cohort;
mod dead_letter;
mod movement;
mod segment;
mod values;
mod write;

pub use account::{account_daily, account_daily_key, account_metrics};
pub use cohort::{cohort_value, cohort_value_key};
pub use dead_letter::{
    Header, Letter, MAX_HOPS, dead_letter, dead_letter_line, hops, original_headers,
};
pub use movement::mrr_movement;
pub use segment::{segment_daily, segment_daily_key, segment_metrics, segment_metrics_key};
pub use write::value;

/// The version of the shape of the records; it rises when a reader would have to change.
pub const SCHEMA_VERSION: u32 = 1;
