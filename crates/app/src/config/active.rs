//! `[active]`: which events make a user active.

use std::collections::BTreeSet;

use super::section::section;

section! {
    /// Which product events make a user active on a day.
    pub struct Active {
        /// Names of the events that do; empty: all but the ignored ones.
        events: BTreeSet<String> = BTreeSet::new();
        /// Names of events that do not, and that belong to no session.
        ignore: BTreeSet<String> = BTreeSet::new();
        /// How many of them it takes on a day.
        min_events: u32 = 1, in 1..=1000;
    }
}
