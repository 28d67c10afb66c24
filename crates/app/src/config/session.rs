//! `[session]`: where a session ends.

use super::section::section;
use super::setting::Span;

section! {
    /// Where a session ends.
    pub struct Session {
        /// The longest pause inside a session.
        gap: Span = Span::minutes(30), in Span::minutes(5)..=Span::hours(24);
    }
}
