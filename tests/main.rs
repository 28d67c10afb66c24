//! One test binary: every suite is one line in [`SUITES`].
//!
//! A suite is a function that lists its trials; a trial that panics has failed. The broker that suites share
//! is started by the first trial that asks for it and ended after the last one.

mod bad_input;
mod broker;
mod cohorts;
mod explain;
mod fixtures;
mod fleet;
mod formats;
mod instrument;
mod laws;
mod oracle;
mod pipeline;
mod replay;
mod restart;
mod scenarios;
mod segments;

use libtest_mimic::{Arguments, Trial};

type Suite = fn() -> Vec<Trial>;

const SUITES: &[Suite] = &[
    scenarios::trials,
    cohorts::trials,
    segments::trials,
    oracle::trials,
    fixtures::trials,
    replay::trials,
    explain::trials,
    bad_input::trials,
    restart::trials,
    fleet::trials,
    formats::trials,
    instrument::trials,
    broker::trials,
];

fn main() {
    let args = Arguments::from_args();
    let trials = SUITES.iter().flat_map(|suite| suite()).collect();
    let conclusion = libtest_mimic::run(&args, trials);
    mainstay_tests::broker::end_shared();
    conclusion.exit();
}

/// A trial of a suite: its name says the rule, and it holds when `rule` does not panic.
fn trial(suite: &str, name: &str, rule: fn()) -> Trial {
    Trial::test(format!("{suite}::{name}"), move || {
        rule();
        Ok(())
    })
}

/// The trials of a suite, each named as its function is.
macro_rules! trials {
    ($suite:literal: [$($rule:ident),* $(,)?]) => {
        vec![$(crate::trial($suite, stringify!($rule), $rule)),*]
    };
}
use trials;
