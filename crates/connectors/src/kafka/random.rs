//! Random names of states.

use std::hash::{BuildHasher, Hasher, RandomState};

use mainstay_commit::StateId;

/// A name that no other state has: of two hashes with keys that the standard library takes from the system.
pub(super) fn random_id() -> StateId {
    let half = || {
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_u32(std::process::id());
        hasher.write_i64(super::place::wall_ms());
        u128::from(hasher.finish())
    };
    StateId((half() << 64) | half())
}
