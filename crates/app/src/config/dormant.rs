//! `[dormant]`: which users are dormant.

use super::section::section;

section! {
    /// Which users are dormant.
    pub struct Dormant {
        /// For how many days they have been known, without being active on any of them.
        days: u32 = 14, in 1..=60;
    }
}
