//! The embedded tenant: "Contoso in a box", a Microsoft Graph server with state of its own.
//!
//! It serves sites, drives, items, delta, uploads, downloads, permissions, versions and the directory as
//! `spec/graph-content-api.md` describes, and issues the tokens that it asks for. It knows nothing of backup. Callers
//! in the same process use [`Tenant::router`] as a tower service; the same router stands behind a socket.
//!
//! Invariants: a row never names content that is not stored; one transaction is one change number of its drive, so
//! delta shows it whole or not at all; folder sizes and counts always equal their live subtree; a deleted item keeps
//! its row, which is delta's tombstone. Order of writes: content file, then row.
//!
//! What Graph has no public call for and this tenant has: `PATCH /beta/sites/{id}` with
//! `{"lockState": "readOnly" | "unlocked"}` locks a site (writes answer 423 `resourceLocked`, reads work), `GET` of a
//! site shows `lockState`, and `DELETE /beta/sites/{id}` removes a site with its libraries.
//!
//! Signing in (`oauth`): client credentials, authorization code with PKCE, device code, refresh tokens. Nobody has a
//! password: the sign-in page offers the tenant's people.
//!
//! Not served: mail, `$batch`, lists other than document libraries, `sites/delta`, search in drives.

mod call;
mod caller;
mod children;
mod collection;
mod content;
mod copy;
mod database;
mod delta;
mod directory;
mod download;
mod filter;
mod groups;
mod ids;
mod import;
mod issuer;
mod item_actions;
mod items;
mod lists;
mod names;
mod oauth;
mod path;
mod permissions;
mod places;
mod problem;
mod query;
mod render;
mod roles;
mod routes;
mod seed;
mod select;
mod serve;
mod sessions;
mod sites;
mod tenant;
mod tree;
mod upload;
mod versions;

pub use import::{ImportReport, NewSite, Refusal};
pub use issuer::TokenClaims;
pub use tenant::{AppRegistration, Facts, Tenant, TenantError, TenantOptions};
