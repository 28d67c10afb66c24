//! `[onboarding]`: the steps of the checklist that a new account goes through.

use std::collections::BTreeSet;

use super::section::section;

section! {
    /// The checklist that a new account goes through.
    pub struct Onboarding {
        /// Names of the product events that are its steps; each is done when any user has done it.
        steps: BTreeSet<String> = BTreeSet::new();
    }
}
