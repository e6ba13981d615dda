//! The whole system under operations and faults.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod a;
mod b;
mod browse;
mod common;
mod d;
mod damage;
mod drives;
mod f;
mod faults;
mod gaps;
mod granular;
mod leases;
mod meanwhile;
mod membership;
mod offboard;
mod outage;
mod power;
mod restic;
mod truth;
