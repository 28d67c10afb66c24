//! What a look at the cluster has found: what is wrong, and how it is mended.

use serde_json::{Value, json};

/// How much a finding weighs, the heavier first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Weight {
    /// `run` cannot start, or cannot do its work.
    Problem,
    /// It works, but less well than it could.
    Warning,
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) weight: Weight,
    /// The key of the config, or the topic, or whatever else it is about.
    pub(super) about: String,
    /// What was found, and what was expected.
    pub(super) what: String,
    /// What to do about it, often as a command.
    pub(super) mend: String,
}

impl Finding {
    pub(super) fn problem(
        about: impl Into<String>,
        what: impl Into<String>,
        mend: impl Into<String>,
    ) -> Finding {
        Finding {
            weight: Weight::Problem,
            about: about.into(),
            what: what.into(),
            mend: mend.into(),
        }
    }

    pub(super) fn warning(
        about: impl Into<String>,
        what: impl Into<String>,
        mend: impl Into<String>,
    ) -> Finding {
        Finding {
            weight: Weight::Warning,
            ..Finding::problem(about, what, mend)
        }
    }

    pub(super) fn to_json(&self) -> Value {
        json!({ "about": self.about, "what": self.what, "mend": self.mend })
    }

    /// A line with what was found, and the mend below it.
    pub(super) fn lines(&self) -> String {
        let weight = match self.weight {
            Weight::Problem => "problem",
            Weight::Warning => "warning",
        };
        let mend = self.mend.replace('\n', "\n  ");
        format!("{weight}: {}: {}\n  {mend}", self.about, self.what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mend_stands_below_what_was_found() {
        let finding = Finding::warning("events", "is slow", "do this\nor that");
        assert_eq!(
            finding.lines(),
            "warning: events: is slow\n  do this\n  or that"
        );
    }
}
