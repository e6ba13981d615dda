//! Whole-site artifacts of a restore session. They are made and changed with their session.

pub(crate) mod get;
pub(crate) mod list;
