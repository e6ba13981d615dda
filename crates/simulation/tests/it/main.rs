//! The whole system under operations and faults.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod common;
mod faults;
mod gaps;
mod meanwhile;
mod truth;
