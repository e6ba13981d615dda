//! Nouns, ids, state machines, rules and limits of Microsoft 365 backup. No I/O, no runtime of its own.
//!
//! Only ids serialize: everything else is converted at the edge that needs another form (`api` to Graph's wire
//! types, a store to its rows). Time and randomness come in as [`Clock`] and [`Entropy`].

mod artifact;
mod entropy;
mod error;
mod id;
mod identity;
mod job;
pub mod limits;
mod policy;
mod quickxor;
mod restore_point;
mod restore_session;
mod service;
mod time;
mod unit;

pub use artifact::{ArtifactState, DestinationType, RestoreArtifact, RestoredSite};
pub use entropy::{Entropy, SeededEntropy, SystemEntropy};
pub use error::{PublicError, PublicErrorDetail, TransitionError};
pub use id::{
    AppId, ArtifactId, DriveId, ItemId, JobId, MalformedId, PolicyId, RestoreSessionId, TenantId,
    UnitId,
};
pub use identity::{Actor, Identity, Stamps};
pub use job::{ClaimedJob, Lease, Work};
pub use policy::{PolicyGoal, PolicyState, ProtectionPolicy, UnitTally, Workload};
pub use quickxor::QuickXorHasher;
pub use restore_point::{Gap, RestorePoint, RestorePointId};
pub use restore_session::{
    ArtifactTally, RequestedStatus, RestoreOutcome, RestoreSession, RestoreState, StatusRequest,
};
pub use service::{DisableReason, Service, ServiceState};
pub use time::{Clock, NotATimestamp, SystemClock, Timestamp};
pub use unit::{ProtectionUnit, UnitState};
