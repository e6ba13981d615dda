//! Protection units, by every path that shows them. They are changed through their policy.

pub(crate) mod get;
pub(crate) mod list;

#[cfg(test)]
mod tests;
