//! The whole system under lists of operations and faults, in one process and under a clock that tests move.
//!
//! Real parts throughout: the embedded tenant, the Graph connector, SQLite, restic-format repositories, the engine and
//! the API. What is checked after every operation: a published point equals the site's state of its time, read from
//! the snapshot by an independent reader; a restore gives exactly the point. Everything random comes from one seed.

pub mod edits;
pub mod graph;
mod parts;
pub mod restic;
pub mod state;
pub mod truth;
mod users;
pub mod wires;
pub mod world;

pub use state::{Entry, SiteState};
pub use world::{Ended, Node, Objects, Protected, Wire, World, WorldOptions};
