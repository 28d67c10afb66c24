//! `[state]`: what an instance keeps on its disk.

use std::path::PathBuf;

use super::section::section;

section! {
    /// What an instance keeps on its disk. Nothing there is needed to restore: the topics have it all.
    pub struct State {
        /// The directory.
        dir: PathBuf = PathBuf::from("./mainstay-state");
    }
}
