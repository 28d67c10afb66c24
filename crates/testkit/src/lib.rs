//! What tests and the demo are made with: companies with a story, loads of any size, small random histories,
//! the slow oracle, scenario text.
//!
//! Everything here is a function of its seed or its text; nothing reads a clock.

pub mod broker;
pub mod company;
pub mod history;
pub mod load;
pub mod oracle;
mod rng;
pub mod scenario;

pub use rng::Rng;
