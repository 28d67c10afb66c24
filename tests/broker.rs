//! `mainstay run` on a real Apache Kafka: whatever is done to it, readers of what is committed get every
//! final value right, each revision once, and every dead letter.
//!
//! Each rule feeds a company whose truth the oracle knows, does its worst meanwhile, and then compares. The
//! seed of what is done at random and how often can be given: `MAINSTAY_TEST_SEED`, `MAINSTAY_TEST_KILLS`.

mod check;
mod members;
mod offsets;
mod records;
mod surroundings;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::LazyLock;

use libtest_mimic::Trial;
use mainstay_tests::{Company, Deployment, broker};

pub(crate) fn trials() -> Vec<Trial> {
    let files = [
        records::trials(),
        members::trials(),
        offsets::trials(),
        surroundings::trials(),
        check::trials(),
    ];
    files.into_iter().flatten().collect()
}

/// One company for all: what is fed is never changed, and the oracle is slow.
fn company() -> &'static Company {
    static COMPANY: LazyLock<Company> = LazyLock::new(|| Company::eventful(1));
    &COMPANY
}

/// An application of its own on the shared broker.
fn deployment(name: &str) -> Deployment {
    Deployment::new(&broker::shared(), name)
}

/// A number below `bound` that is the same whenever the seed is.
fn chance(what: &str, round: u32, bound: u64) -> u64 {
    let seed = from_environment("MAINSTAY_TEST_SEED").unwrap_or(1);
    let mut hasher = DefaultHasher::new();
    (seed, what, round).hash(&mut hasher);
    hasher.finish() % bound
}

fn from_environment(name: &str) -> Option<u32> {
    let text = std::env::var(name).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{name} is `{text}`, expected a number")))
}
