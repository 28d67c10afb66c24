//! `[dedupe]`: how long ids of events are remembered.

use super::section::section;
use super::setting::Span;

section! {
    /// How long ids of events are remembered, so that what comes twice counts once.
    pub struct Dedupe {
        /// Ids of product events.
        product: Span = Span::hours(2), in Span::seconds(0)..=Span::days(35);
        /// Ids of all other events.
        business: Span = Span::days(35), in Span::seconds(0)..=Span::days(35);
    }
}
