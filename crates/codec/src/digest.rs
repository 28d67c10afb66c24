//! A hash of what was decoded, by which two events with one id are told to be the same or not.
//!
//! It is made from values, not bytes, in the order of the declarations: the order of keys, white space
//! and escapes do not matter. It is kept with the state, so a change of it makes known ids look like
//! conflicts: whoever changes it raises the version of the changelog.

use std::borrow::Cow;

use mainstay_model::{Field, Id, Timestamp};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A hash that grows value by value.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Digest(u64);

impl Digest {
    /// Takes bytes in; their number is part of the hash.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    /// Takes a number in.
    pub(crate) fn number(&mut self, number: u64) {
        // One round of a multiply-and-fold hash; xxh3 would take three times as long for eight bytes.
        let wide = u128::from(self.0 ^ 0x9E37_79B1_85EB_CA87)
            * u128::from(number.wrapping_add(0xC2B2_AE3D_27D4_EB4F) | 1);
        let [low, high] = [wide as u64, (wide >> 64) as u64];
        self.0 = (low ^ high).rotate_left(23).wrapping_add(number);
    }

    /// The hash so far.
    pub(crate) fn wide(self) -> u64 {
        self.0
    }

    /// The hash as it is kept: the low 32 bits.
    pub(crate) fn finish(self) -> u32 {
        (xxh3_64_with_seed(&self.0.to_le_bytes(), 0) & u64::from(u32::MAX)) as u32
    }
}

/// What a digest can be made of.
pub(crate) trait Digested {
    /// Takes this value in. Every value takes in something, so that the next one cannot be taken for it.
    fn digest(&self, digest: &mut Digest);
}

impl Digested for Cow<'_, str> {
    fn digest(&self, digest: &mut Digest) {
        digest.bytes(self.as_bytes());
    }
}

impl Digested for Id<'_> {
    fn digest(&self, digest: &mut Digest) {
        digest.bytes(self.as_str().as_bytes());
    }
}

impl Digested for Timestamp {
    fn digest(&self, digest: &mut Digest) {
        digest.number(self.0.cast_unsigned());
    }
}

impl Digested for i64 {
    fn digest(&self, digest: &mut Digest) {
        digest.number(self.cast_unsigned());
    }
}

impl Digested for u32 {
    fn digest(&self, digest: &mut Digest) {
        digest.number(u64::from(*self));
    }
}

impl Digested for bool {
    fn digest(&self, digest: &mut Digest) {
        digest.number(u64::from(*self));
    }
}

impl<T: Digested> Digested for Option<T> {
    fn digest(&self, digest: &mut Digest) {
        match self {
            None => digest.number(0),
            Some(value) => {
                digest.number(1);
                value.digest(digest);
            }
        }
    }
}

impl<T: Digested> Digested for Field<T> {
    fn digest(&self, digest: &mut Digest) {
        match self {
            Field::Keep => digest.number(0),
            Field::Set(value) => {
                digest.number(1);
                value.digest(digest);
            }
            Field::Erase => digest.number(2),
        }
    }
}

impl<T: Digested> Digested for Vec<T> {
    fn digest(&self, digest: &mut Digest) {
        digest.number(self.len() as u64);
        self.iter().for_each(|value| value.digest(digest));
    }
}

impl<A: Digested, B: Digested> Digested for (A, B) {
    fn digest(&self, digest: &mut Digest) {
        self.0.digest(digest);
        self.1.digest(digest);
    }
}
