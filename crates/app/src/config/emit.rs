//! `[emit]`: the pace of live values.

use super::section::section;
use super::setting::Span;

section! {
    /// The pace of live values, on `account-metrics` and `segment-metrics`. Final values are not held back.
    pub struct Emit {
        /// How often the values of one account, or one segment, are told while they change.
        interval: Span = Span::seconds(1), in Span::millis(0)..=Span::hours(1);
        /// How many accounts a second are told by one shard, and how many segments.
        rate: u32 = 500, in 1..=1_000_000;
    }
}
