//! `[limits]`: what a record may be.

use super::section::section;
use super::setting::Size;

section! {
    /// How large a record of an input may be. What is larger goes to the dead letters.
    pub struct Limits {
        /// Its payload.
        record: Size = Size::kib(64), in Size::kib(1)..=Size::mib(16);
        /// How deep its JSON may be nested.
        depth: u32 = 64, in 4..=128;
    }
}
