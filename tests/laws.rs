//! How laws are tried: histories drawn at random, and what breaks a law made small.
//!
//! `MAINSTAY_TEST_CASES` draws more of them. A seed that broke a law is kept in `regressions/` and tried
//! first from then on.

use std::path::Path;

use mainstay_testkit::history::{self, Limits, Step};
use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence, TestCaseResult, TestRunner};

/// Tries a law on values that `strategy` draws, so many by default.
pub(crate) fn hold<S: Strategy>(
    name: &'static str,
    cases: u32,
    strategy: S,
    law: impl Fn(S::Value) -> TestCaseResult,
) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("regressions/{name}.txt"));
    // The library keeps the name for as long as the process lives.
    let path: &'static str = path.to_string_lossy().into_owned().leak();
    let mut runner = TestRunner::new(Config {
        cases: cases_asked_for().unwrap_or(cases),
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(path))),
        max_shrink_iters: 3000,
        ..Config::default()
    });
    if let Err(broken) = runner.run(&strategy, law) {
        panic!("{name}: {broken}");
    }
}

fn cases_asked_for() -> Option<u32> {
    let text = std::env::var("MAINSTAY_TEST_CASES").ok()?;
    let cases = text.parse();
    Some(cases.unwrap_or_else(|_| panic!("MAINSTAY_TEST_CASES is `{text}`, expected a number")))
}

/// Steps of a history.
pub(crate) fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = any::<(u8, u8, u8, u8, u8)>().prop_map(|(account, user, what, leap, lag)| Step {
        account,
        user,
        what,
        leap,
        lag,
    });
    prop::collection::vec(step, 1..most)
}

/// What can be corrected, and nothing later.
pub(crate) const NEAR: Limits = Limits {
    beyond_horizon: false,
};

/// What can no longer be corrected too.
pub(crate) const FAR: Limits = Limits {
    beyond_horizon: true,
};

/// The lines of steps, up to where an account that was deleted may have been forgotten.
pub(crate) fn lines(steps: &[Step], limits: Limits) -> Vec<String> {
    history::until_forgotten(history::lines(steps, limits))
}

/// The differences, if there are any, as what breaks a law.
pub(crate) fn none(differences: &[String]) -> TestCaseResult {
    prop_assert!(
        differences.is_empty(),
        "{} differences:\n  {}",
        differences.len(),
        differences[..differences.len().min(12)].join("\n  ")
    );
    Ok(())
}
