//! What tests of several crates share. Uses neither api nor engine.

mod clock;

pub use clock::ManualClock;
