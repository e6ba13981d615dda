//! What tests of several crates share. Uses neither api nor engine.

mod auto_clock;
mod clock;
mod faults;
mod faulty_store;
pub mod fuzz;
mod power_store;
mod smtp_peer;

pub use auto_clock::AutoClock;
pub use clock::ManualClock;
pub use faults::{Fault, Faults};
pub use faulty_store::FaultyStore;
pub use power_store::PowerStore;
pub use smtp_peer::{ReceivedMail, SmtpPeer, SmtpScript};
