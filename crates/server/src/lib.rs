//! Wiring: which parts make a process, and the commands that start one.

mod cli;
mod config;
mod data_dir;
mod demo;
mod dev;
mod embedded;
#[cfg(test)]
mod https_tests;
mod jwks;
mod listen;
mod metrics;
mod node;
#[cfg(test)]
mod node_tests;
mod probes;
mod repository_key;
mod smtp;
#[cfg(test)]
mod smtp_tests;
mod stop;
mod tls;
mod unread_body;

pub use cli::main;
pub use data_dir::{DataDir, OwnDataDir};
pub use embedded::{Embedded, EmbeddedOptions};
