//! One test binary: scenarios, formats, oracle, restart, replay, published, broker.
fn main() {}
