//! Wiring: which parts make a process, and the commands that start one.

mod cli;
mod data_dir;
mod demo;
mod dev;
mod embedded;
#[cfg(test)]
mod https_tests;
mod listen;
mod repository_key;
mod tls;
mod unread_body;

pub use cli::main;
pub use data_dir::{DataDir, OwnDataDir};
pub use embedded::{Embedded, EmbeddedOptions};
