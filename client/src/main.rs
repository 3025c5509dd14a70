//! The `quipu-server` binary.
fn main() {}
