//! The `gracekey` command.
fn main() {}
