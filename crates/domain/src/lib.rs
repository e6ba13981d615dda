//! Nouns, ids, state machines, rules and limits of Microsoft 365 backup. No I/O, no runtime of its own.
//!
//! Only ids serialize: everything else is converted at the edge that needs another form (`api` to Graph's wire
//! types, a store to its rows). Time and randomness come in as [`Clock`] and [`Entropy`].

mod entropy;
mod id;
mod time;

pub use entropy::{Entropy, SeededEntropy, SystemEntropy};
pub use id::{
    AppId, ArtifactId, DriveId, ItemId, JobId, MalformedId, PolicyId, RestoreSessionId, TenantId,
    UnitId,
};
pub use time::{Clock, NotATimestamp, SystemClock, Timestamp};
