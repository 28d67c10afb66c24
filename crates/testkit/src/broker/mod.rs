//! A simulated broker, and processes that run the machine of `mainstay-commit` against it.
//!
//! Kafka in the small, as far as its guarantees go: transactions with fencing, the last stable offset, a
//! consumer group with generations, requests that are lost, answered too late, or take effect after they
//! were given up on. What happens next is chosen from outside, step by step, so that a test can let
//! anything go wrong at every step of a commit; each choice is a plain value and can be run again.
//!
//! It knows the machine's words and nothing of the Kafka runtime: here the machine is judged alone.

mod calls;
mod group;
mod instance;
mod log;
mod toy;
mod world;

pub use world::{Deed, Fault, World};
