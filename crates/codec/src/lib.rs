//! Bytes to words and back.
//!
//! Three things live here: the input formats ([`Format`]), which turn the bytes of a record into
//! [events](mainstay_model::Event) or say in words why they cannot; the output records ([`records`]); and
//! the schemas of both ([`schema`]), made from the same lists. Nothing here knows the engine, Kafka, files or
//! a clock: the same bytes always give the same answer.

mod digest;
mod formats;
mod json;
pub mod records;
mod rfc3339;
pub mod schema;
mod wire;

pub use formats::{Format, Ignored, Limits};
