//! What the tests stand on: a real Apache Kafka, real Mainstay processes, and a judge.
//!
//! * [`Broker`] is a Kafka of our own, in one Java process; [`broker::shared`] is the one that most
//!   tests use together, each with topics of its own.
//! * [`Deployment`] is a Mainstay on that broker: topics, config, and any number of [`Instance`]s that
//!   can be started, stopped, killed and frozen.
//! * [`Company`] is what is fed, with the oracle's truth about it; [`judge`] compares what a
//!   read_committed reader got with that truth.
//!
//! Whatever goes wrong here panics with what was expected and what was found: a panic is a failed test.
//! Nothing waits for a fixed time; [`patience`] asks again until it holds or far too much time has gone.

mod admin;
pub mod broker;
mod company;
mod deployment;
mod feed;
mod folder;
mod gate;
mod guarded;
mod impostor;
mod jars;
pub mod judge;
mod murmur2;
pub mod patience;
mod ports;
mod process;
mod reader;

pub use admin::Admin;
pub use broker::Broker;
pub use company::{Company, Line};
pub use deployment::{Deployment, Instance, SHARDS, said};
pub use feed::{Feed, OpenTransaction};
pub use folder::{Folder, target_dir};
pub use gate::{Gate, Kept, Request};
pub use guarded::Guarded;
pub use impostor::Impostor;
pub use murmur2::shard_of;
pub use process::{Ended, Process};
pub use reader::{Record, read_committed};
