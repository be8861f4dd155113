//! placeholder until the audio crate is there
fn main() {}
