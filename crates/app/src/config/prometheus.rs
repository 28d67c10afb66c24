//! `[prometheus]`: which accounts have gauges.

use std::collections::BTreeSet;

use super::section::section;

section! {
    /// Which accounts have gauges on `/metrics`. The topics have all of them.
    pub struct Prometheus {
        /// Ids of accounts that always have.
        accounts: BTreeSet<String> = BTreeSet::new();
        /// How many others have: those with the most active users.
        top: u32 = 200, in 0..=10_000;
    }
}
