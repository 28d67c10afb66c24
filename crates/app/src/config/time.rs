//! `[time]`: days, and how long to wait for what comes late.

use mainstay_model::Zone;

use super::section::section;
use super::setting::Span;

section! {
    /// Days, and how long to wait for what comes late.
    pub struct Time {
        /// The time zone of accounts that have none of their own.
        zone: Zone = Zone::UTC;
        /// How long to wait for late events before a day is closed.
        lateness: Span = Span::hours(2), in Span::seconds(0)..=Span::days(7);
        /// How many days back a closed day is still corrected.
        correction_days: u32 = 35, in 0..=35;
        /// How long an input may be silent before the others stop waiting for it.
        idle: Span = Span::seconds(30), in Span::seconds(1)..=Span::days(1);
        /// How far an event may lie after its arrival: clocks differ.
        max_skew: Span = Span::hours(1), in Span::seconds(0)..=Span::days(1);
    }
}
