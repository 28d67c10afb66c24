//! `[commit]`: how often results are committed.

use super::section::section;
use super::setting::{Size, Span};

section! {
    /// How often results are committed, with the positions that they come from.
    pub struct Commit {
        /// How long a transaction gathers. While behind, it grows by itself, to 2 s at most.
        interval: Span = Span::millis(100), in Span::millis(5)..=Span::seconds(2);
        /// How many bytes may wait for a commit in the whole process before it stops reading.
        max_bytes: Size = Size::mib(64), in Size::mib(4)..=Size::mib(4096);
    }
}
