//! Wiring: the binary `mainstay`, its commands and its config.
//!
//! Everything that knows both the outside and the core lives here, and nothing else does.

pub mod arguments;
pub mod cli;
mod commands;
pub mod compare;
pub mod config;
pub mod demo;
pub mod exit;
pub mod explain;
mod logging;
pub mod replay;
pub mod shard;
mod table;
pub mod wiring;
