//! Input formats: bytes of a record in, events out.
//!
//! One file per format, one line in [`Format`]'s list. A format is pure: it knows neither topics nor what is
//! done with its events. It never panics on what it is given, and never guesses: what it does not
//! understand it refuses, with the field and what was expected.

pub(crate) mod native;

use mainstay_model::{Event, Rejection};

macro_rules! formats {
    ($($variant:ident $module:ident $doc:literal,)*) => {
        /// How the records of an input are written; its name is the config value of `sources.*.format`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Format {
            $(#[doc = $doc] $variant,)*
        }

        impl Format {
            /// Every format.
            pub const ALL: &'static [Format] = &[$(Format::$variant,)*];

            /// Its name in the config.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Format::$variant => stringify!($module),)* }
            }

            /// One sentence about it.
            #[must_use]
            pub fn help(self) -> &'static str {
                match self { $(Format::$variant => $doc.trim_ascii(),)* }
            }

            /// Decodes a record and hands each of its events over; only when all of them are good.
            ///
            /// # Errors
            /// The reason for which the record is refused.
            #[inline]
            pub fn decode<'a>(
                self,
                value: &'a [u8],
                limits: &Limits,
                each: impl FnMut(Event<'a>),
            ) -> Result<Ignored, Rejection> {
                match self { $(Format::$variant => $module::decode(value, limits, each),)* }
            }
        }
    };
}

formats! {
    Native native "Mainstay's own: one JSON object per record.",
}

/// How many fields of a record were ignored because nobody knows them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ignored(pub u32);

/// What a record may be at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Its length.
    pub max_bytes: usize,
    /// How deep it may be nested; above 512 it counts as 512.
    pub max_depth: u32,
}

impl Limits {
    /// The depth that the stack surely holds.
    pub(crate) fn depth(&self) -> u32 {
        self.max_depth.min(512)
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_bytes: 64 * 1024,
            max_depth: 64,
        }
    }
}
