//! Wiring: the binary `mainstay`, its commands and its config.
//!
//! Everything that knows both the outside and the core lives here, and nothing else does.

pub mod config;
