//! The service of a tenant: `/solutions/backupRestore` itself.

pub(crate) mod enable;
pub(crate) mod get;

#[cfg(test)]
mod tests;
