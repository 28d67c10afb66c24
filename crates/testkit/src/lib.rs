//! What tests and the demo are made with: companies with a story, the slow oracle, scenario text.

pub mod oracle;
