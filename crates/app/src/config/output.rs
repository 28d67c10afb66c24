//! `[output]`: the topics that Mainstay writes.

use super::section::section;
use super::setting::TopicName;

section! {
    /// The topics that Mainstay writes.
    pub struct Output {
        /// What their names begin with. Not given: the application and a dot.
        prefix: TopicName = TopicName::parse("mainstay.").unwrap_or_default();
    }
}
