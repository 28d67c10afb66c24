//! `[engaged]`: which users are engaged.

use super::section::section;

section! {
    /// Which users are engaged.
    pub struct Engaged {
        /// How many key actions in 7 days it takes.
        k: u32 = 2, in 1..=1000;
    }
}
