//! `[activation]`: what a user must have done to have got what the product is for.

use std::collections::BTreeSet;

use super::section::section;
use super::setting::Span;

section! {
    /// What a user must have done to be activated.
    pub struct Activation {
        /// Names of the product events, all of which it takes; empty: nobody is activated.
        events: BTreeSet<String> = BTreeSet::new();
        /// How soon after the sign-up the last of them must have come. Not given: at any time.
        within: Option<Span> = None, in Some(Span::seconds(1))..=Some(Span::days(365));
    }
}
