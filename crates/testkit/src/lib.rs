//! What tests and the demo are made with: companies with a story, small random histories, the slow oracle,
//! scenario text.
//!
//! Everything here is a function of its seed or its text; nothing reads a clock.

pub mod history;
pub mod oracle;
mod rng;
pub mod scenario;

pub use rng::Rng;
