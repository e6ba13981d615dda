//! The backup API of Microsoft Graph, `/v1.0` and `/beta` of `/solutions/backupRestore`, over [`holdfast_store`].
//!
//! A request takes four steps: who calls and may they (`caller`, `dispatch`) → load → pure transition (`domain`) →
//! save and enqueue in one transaction. Slow work is a job row, never a spawned task; `api` and `engine` meet only in
//! rows. From a Graph URL, `routes` leads to the one file of the operation.
//!
//! Invariants: every answer carries both request ids; every operation checks its permission from `spec/operations.json`
//! before anything is read; every read and write names the caller's tenant, so that another tenant's object is not
//! found; an operation that fails changes nothing; what is not served is refused by name.

mod activity_logs;
mod address;
mod admin_roles;
mod answer;
mod artifacts;
#[cfg(test)]
mod audit_tests;
mod batch;
mod browse_sessions;
mod bulk_jobs;
mod call;
mod caller;
#[cfg(test)]
mod caller_tests;
mod collection;
#[cfg(test)]
mod compatibility_tests;
#[cfg(test)]
mod contract_tests;
mod control_information;
mod dispatch;
mod documents;
mod entra;
#[cfg(test)]
mod errors_tests;
#[cfg(test)]
mod examples_tests;
mod exclusions;
mod extract;
mod filter;
#[cfg(test)]
mod filter_tests;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod harness;
mod holdfast;
mod listing;
mod notifications;
#[cfg(test)]
mod odata_tests;
mod openapi;
mod operands;
mod policies;
mod problem;
mod render;
mod reports;
mod restore_points;
mod restore_sessions;
#[cfg(test)]
mod roles_tests;
mod routes;
mod rules;
mod service;
mod service_apps;
mod shape;
#[cfg(test)]
mod story;
mod units;
mod workload;

use std::sync::Arc;

use axum::Router;
use holdfast_domain::{Clock, Entropy};
use holdfast_store::Store;

pub use address::serves;
pub use caller::{JwksSource, JwksUnavailable, TrustedIssuer};
pub use dispatch::OperationId;

/// What the API stands on.
pub struct ApiOptions {
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    /// Whose tokens are accepted.
    pub issuers: Vec<TrustedIssuer>,
    /// Refuse what Microsoft's service would: dynamic rules for sites, and changes of protection by applications that are not
    /// registered as controllers.
    pub strict: bool,
    /// What serves the rest of Graph below the same versions, for parts of batches; `None`: nobody, and they are 404.
    pub elsewhere: Option<Router>,
    /// Called after a commit that enqueued work: wakes the engine. Losing a call must only delay it.
    pub on_enqueue: Arc<dyn Fn() + Send + Sync>,
}

/// What handlers share.
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) verifier: caller::TokenVerifier,
    pub(crate) strict: bool,
    pub(crate) elsewhere: Option<Router>,
    pub(crate) on_enqueue: Arc<dyn Fn() + Send + Sync>,
}

pub(crate) type App = Arc<Shared>;

/// The API as a router. It answers only paths that [`serves`] accepts; all others get Graph's 404.
pub fn router(options: ApiOptions) -> Router {
    let app: App = Arc::new(Shared {
        verifier: caller::TokenVerifier::new(options.issuers),
        strict: options.strict,
        elsewhere: options.elsewhere,
        store: options.store,
        clock: options.clock,
        entropy: options.entropy,
        on_enqueue: options.on_enqueue,
    });
    // Graph's paths are matched without regard to case and with keys in parentheses, which axum's matcher cannot do:
    // `routes` holds the list instead.
    Router::new().fallback(move |request| dispatch::answer(app.clone(), request))
}
