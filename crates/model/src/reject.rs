//! Why a record is refused.

use std::fmt;

macro_rules! codes {
    ($($variant:ident $name:literal $doc:literal,)*) => {
        /// Why a record went to the dead-letter topic. The names are a contract: operators filter by them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $doc] $variant,)*
        }

        impl Code {
            /// Every code, in the order of the documentation.
            pub const ALL: &'static [Code] = &[$(Code::$variant,)*];

            /// Its name in headers, counters and commands.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Code::$variant => $name,)* }
            }
        }
    };
}

codes! {
    Empty "empty" "A payload of no bytes.",
    NotUtf8 "not_utf8" "Bytes that are no UTF-8, or a lone surrogate.",
    NotJson "not_json" "Not JSON; the message has the byte position, and a hint where the bytes look like something else.",
    TrailingData "trailing_data" "Something after the JSON value.",
    NotAnObject "not_an_object" "JSON, but no object.",
    TooLarge "too_large" "Larger than the limit.",
    TooDeep "too_deep" "Nested deeper than the limit.",
    DuplicateKey "duplicate_key" "A key of identity, time or money twice in one object.",
    MissingField "missing_field" "A required field is missing or blank.",
    BadField "bad_field" "A field has the wrong type or a value out of its range.",
    UnknownType "unknown_type" "A type of event that is not known.",
    UnknownVersion "unknown_version" "A version of a format that is not known.",
    BadAmount "bad_amount" "An amount of money that is no integer of minor units.",
    BadCurrency "bad_currency" "No ISO 4217 code, or another than before.",
    BadState "bad_state" "A rule of the domain is broken.",
    Conflict "conflict" "A known id with another body; the first one counts.",
    FutureTime "future_time" "Later than its arrival by more than clocks may differ.",
    TooLate "too_late" "Of a day that can no longer be corrected.",
    Misrouted "misrouted" "On a partition that does not belong to its account.",
    Internal "internal" "Our own code failed on this record, twice: a bug of Mainstay.",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A record that was refused, and why, in words for the team that sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The kind of reason.
    pub code: Code,
    /// Where in the record: `data.duration_ms`; empty where the whole record is meant.
    pub field: String,
    /// What was found and what was expected, lower case and without a full stop.
    pub message: String,
}

impl Rejection {
    /// A refusal of a field, or with an empty path of the whole record.
    pub fn new(code: Code, field: impl Into<String>, message: impl Into<String>) -> Rejection {
        Rejection {
            code,
            field: field.into(),
            message: message.into(),
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field.as_str() {
            "" => write!(f, "{}: {}", self.code, self.message),
            field => write!(f, "{}: `{field}`: {}", self.code, self.message),
        }
    }
}

impl std::error::Error for Rejection {}
