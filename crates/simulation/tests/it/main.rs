//! The whole system under operations and faults.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod common;
mod damage;
mod faults;
mod gaps;
mod leases;
mod meanwhile;
mod power;
mod truth;
