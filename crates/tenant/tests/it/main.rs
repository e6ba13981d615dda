//! The tenant through its router, in process.
#![expect(clippy::unwrap_used, reason = "helpers of tests, outside test functions")]

mod common;
mod delta;
mod directory;
mod first_steps;
mod folding;
mod import;
mod items;
mod sessions;
mod sign_in;
