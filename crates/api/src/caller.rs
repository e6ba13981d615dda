//! Who calls: tokens verified, and turned into a [`Caller`].
//!
//! Checked: the algorithm (RS256 only), the signature by the issuer's key of that `kid`, the issuer and that it speaks for the
//! tenant, the audience; and on every request the times, with five minutes of tolerance. Good tokens are remembered by their hash,
//! and parsed keys are kept; a `kid` that is not among them makes the verifier ask its issuer again, at most every few seconds, so
//! that unknown ids cannot be used to flood the issuer. Keys that are a day old are asked for again as well; while the issuer is away
//! they go on counting.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use holdfast_domain::directory_role::SHAREPOINT_BACKUP_ADMINISTRATOR;
use holdfast_domain::{Actor, AppId, Identity, TenantId, Timestamp, Workload};
use holdfast_graph_model::Operation;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::admin_roles;
use crate::problem::Problem;

/// Tolerance between the issuer's clock and ours.
const CLOCK_SKEW: Duration = Duration::from_secs(5 * 60);
/// Least time between two requests for an issuer's keys.
const KEYS_INTERVAL: Duration = Duration::from_secs(5);
/// Keys are asked for again at this age, so that one that was withdrawn counts no longer than that.
const KEYS_AGE: Duration = Duration::from_secs(24 * 60 * 60);
/// Verified tokens that are remembered for each issuer.
const VERIFIED_TOKENS: usize = 4096;
/// Longest token that is looked at, in bytes.
const TOKEN_BYTES: usize = 16 * 1024;

/// SHA-256 of a token: the token itself is not kept.
type TokenDigest = [u8; 32];

/// Gives an issuer's current keys.
#[async_trait]
pub trait JwksSource: Send + Sync {
    /// The JSON Web Key Set document.
    ///
    /// # Errors
    /// When it cannot be had now.
    async fn jwks(&self) -> Result<String, JwksUnavailable>;
}

/// The keys cannot be had now. The text is for the log.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct JwksUnavailable(pub String);

#[async_trait]
impl<F: Fn() -> String + Send + Sync> JwksSource for F {
    async fn jwks(&self) -> Result<String, JwksUnavailable> {
        Ok(self())
    }
}

/// An issuer whose tokens are accepted.
#[derive(Clone)]
pub struct TrustedIssuer {
    /// `iss`, exactly.
    pub issuer: String,
    /// `tid`: the tenants that it speaks for. What it says of others does not count, however well it is signed.
    pub tenants: Vec<TenantId>,
    /// `aud`: any one of these.
    pub audiences: Vec<String>,
    pub jwks: Arc<dyn JwksSource>,
}

/// An authenticated caller.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) tenant: TenantId,
    pub(crate) app: AppId,
    pub(crate) kind: CallerKind,
    /// For `createdBy` and `lastModifiedBy`.
    pub(crate) actor: Actor,
    /// `scp` of a delegated caller, `roles` of an application.
    rights: Vec<String>,
    /// `wids`
    directory_roles: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallerKind {
    /// A user through an application.
    Delegated,
    Application,
}

impl Caller {
    /// May this caller carry out `operation`?
    pub(crate) fn require(&self, operation: &Operation) -> Result<(), Problem> {
        let accepted = match self.kind {
            CallerKind::Delegated => &operation.permissions.delegated,
            CallerKind::Application => &operation.permissions.application,
        };
        let forbidden =
            |message: String| Problem::new(holdfast_graph_model::ErrorCode::Forbidden, message);
        let Some(least) = accepted.first() else {
            return Err(forbidden(match self.kind {
                CallerKind::Application => {
                    "This operation is not available to applications without a user.".to_owned()
                }
                CallerKind::Delegated => {
                    "This operation is not available to signed-in users.".to_owned()
                }
            }));
        };
        if !accepted.iter().any(|permission| self.rights.contains(permission)) {
            return Err(forbidden(format!("The token lacks the permission {least}.")));
        }
        if self.kind == CallerKind::Application {
            return Ok(());
        }
        match &operation.permissions.delegated_role {
            Some(_)
                if self.directory_roles.iter().any(|id| id == SHAREPOINT_BACKUP_ADMINISTRATOR) =>
            {
                Ok(())
            }
            Some(role) => Err(forbidden(format!("The user lacks the directory role {role}."))),
            None => self.require_role(admin_roles::workload_of(&operation.path)),
        }
    }

    /// May this caller read and change objects of `workload`? For operations whose path does not say of which they are.
    pub(crate) fn require_workload(&self, workload: Workload) -> Result<(), Problem> {
        self.require_role(Some(workload))
    }

    /// What lists show this caller; `None`: everything.
    pub(crate) fn covered(&self) -> Option<Vec<Workload>> {
        let covered = match self.kind {
            CallerKind::Application => return None,
            CallerKind::Delegated => admin_roles::covered(&self.directory_roles),
        };
        (covered.len() < Workload::ALL.len()).then_some(covered)
    }

    fn require_role(&self, workload: Option<Workload>) -> Result<(), Problem> {
        if self.kind == CallerKind::Application
            || admin_roles::cover(&self.directory_roles, workload)
        {
            return Ok(());
        }
        let what = match workload {
            Some(Workload::SharePoint) => "SharePoint",
            Some(Workload::OneDrive) => "OneDrive",
            Some(Workload::Exchange) => "Exchange",
            None => "backup",
        };
        Err(Problem::new(
            holdfast_graph_model::ErrorCode::Forbidden,
            format!("The user has no directory role that administers {what}."),
        ))
    }
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Audience,
    exp: f64,
    #[serde(default)]
    nbf: Option<f64>,
    tid: String,
    #[serde(default)]
    appid: Option<String>,
    #[serde(default)]
    azp: Option<String>,
    #[serde(default)]
    oid: Option<String>,
    #[serde(default)]
    sub: Option<String>,
    #[serde(default)]
    scp: Option<String>,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    wids: Vec<String>,
    #[serde(default)]
    app_displayname: Option<String>,
    #[serde(default)]
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl TrustedIssuer {
    fn speaks(&self, claimed: &ClaimedIssuer) -> bool {
        self.issuer == claimed.iss
            && claimed.tid.parse().is_ok_and(|tenant: TenantId| self.tenants.contains(&tenant))
    }
}

/// Only what decides which key is to be used, before anything is believed.
#[derive(Deserialize)]
struct ClaimedIssuer {
    iss: String,
    tid: String,
}

/// Verifies tokens against the trusted issuers.
pub(crate) struct TokenVerifier {
    issuers: Vec<KnownIssuer>,
}

struct KnownIssuer {
    trusted: TrustedIssuer,
    keys: RwLock<Keys>,
    /// Held while the issuer is asked, so that those who wait find its answer.
    asked_at: tokio::sync::Mutex<Option<Timestamp>>,
}

#[derive(Default)]
struct Keys {
    by_id: HashMap<String, DecodingKey>,
    fetched_at: Option<Timestamp>,
    /// Tokens that were verified with these keys.
    verified: HashMap<TokenDigest, Verified>,
}

/// What a good token says. Only its times remain to be checked.
#[derive(Clone)]
struct Verified {
    /// `exp`, seconds since 1970.
    expires: f64,
    /// `nbf`
    not_before: Option<f64>,
    caller: Arc<Caller>,
}

impl TokenVerifier {
    pub(crate) fn new(issuers: Vec<TrustedIssuer>) -> Self {
        let known = |trusted| KnownIssuer {
            trusted,
            keys: RwLock::default(),
            asked_at: tokio::sync::Mutex::default(),
        };
        Self { issuers: issuers.into_iter().map(known).collect() }
    }

    /// The caller that `authorization`, the header's value, stands for.
    pub(crate) async fn caller(
        &self,
        authorization: Option<&str>,
        now: Timestamp,
    ) -> Result<Arc<Caller>, Problem> {
        let header = authorization.ok_or(Problem::Unauthenticated("no token was sent"))?;
        let token = header
            .split_once(' ')
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .ok_or(Problem::Unauthenticated(
                "the Authorization header is not of the form Bearer",
            ))?;
        if token.len() > TOKEN_BYTES {
            return Err(Problem::Unauthenticated("the token is too long"));
        }
        let digest = Sha256::digest(token).into();
        let verified = match self.issuers.iter().find_map(|known| known.verified(&digest, now)) {
            Some(verified) => verified,
            None => self.verify(token, digest, now).await?,
        };
        // A token grows old while it is remembered.
        let (now, skew) = (seconds(now), CLOCK_SKEW.as_secs_f64());
        if !verified.expires.is_finite() || now >= verified.expires + skew {
            return Err(Problem::Unauthenticated("the token has expired"));
        }
        if verified.not_before.is_some_and(|from| now < from - skew) {
            return Err(Problem::Unauthenticated("the token is not valid yet"));
        }
        Ok(verified.caller)
    }

    /// Checks everything but the times.
    async fn verify(
        &self,
        token: &str,
        digest: TokenDigest,
        now: Timestamp,
    ) -> Result<Verified, Problem> {
        let malformed = Problem::Unauthenticated("the token is malformed");
        let Ok(header) = jsonwebtoken::decode_header(token) else { return Err(malformed) };
        if header.alg != Algorithm::RS256 {
            return Err(Problem::Unauthenticated("the token is not signed with RS256"));
        }
        if header.crit.is_some() {
            return Err(Problem::Unauthenticated("the token has critical extensions"));
        }
        let kid = header.kid.ok_or(Problem::Unauthenticated("the token names no key"))?;
        let Ok(claimed) = jsonwebtoken::dangerous::insecure_decode_claims::<ClaimedIssuer>(token)
        else {
            return Err(malformed);
        };
        let known = self
            .issuers
            .iter()
            .find(|known| known.trusted.speaks(&claimed))
            .ok_or(Problem::Unauthenticated("the issuer is not trusted"))?;
        let key = known.key(&kid, now).await?;
        let claims = signed_claims(token, &key)?;
        if claims.iss != claimed.iss || claims.tid != claimed.tid {
            return Err(Problem::Unauthenticated("the issuer is not trusted"));
        }
        let accepted = |audience: &String| known.trusted.audiences.contains(audience);
        let for_us = match &claims.aud {
            Audience::One(audience) => accepted(audience),
            Audience::Many(audiences) => audiences.iter().any(accepted),
        };
        if !for_us {
            return Err(Problem::Unauthenticated("the audience is not this service"));
        }
        let verified = Verified {
            expires: claims.exp,
            not_before: claims.nbf,
            caller: Arc::new(caller(claims)?),
        };
        known.remember(&kid, digest, &verified);
        Ok(verified)
    }
}

/// The claims of a token that `key` has signed.
fn signed_claims(token: &str, key: &DecodingKey) -> Result<Claims, Problem> {
    let mut validation = Validation::new(Algorithm::RS256);
    // Times are checked by our own clock, at every request; the audience by the issuer's list.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    jsonwebtoken::decode::<Claims>(token, key, &validation)
        .map(|decoded| decoded.claims)
        .map_err(|_| Problem::Unauthenticated("the signature or the claims are not valid"))
}

#[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are far below 2^52")]
fn seconds(at: Timestamp) -> f64 {
    at.unix_seconds() as f64
}

impl KnownIssuer {
    /// What was found of a token before, while the keys that tell it are fresh.
    fn verified(&self, digest: &TokenDigest, now: Timestamp) -> Option<Verified> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let is_fresh = keys.fetched_at.is_some_and(|at| now.since(at) < KEYS_AGE);
        keys.verified.get(digest).filter(|_| is_fresh).cloned()
    }

    /// A token that was verified need not be verified again until the issuer's keys are replaced.
    fn remember(&self, kid: &str, digest: TokenDigest, verified: &Verified) {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        if !keys.by_id.contains_key(kid) {
            return;
        }
        if keys.verified.len() >= VERIFIED_TOKENS {
            keys.verified.clear();
        }
        keys.verified.insert(digest, verified.clone());
    }

    async fn key(&self, kid: &str, now: Timestamp) -> Result<DecodingKey, Problem> {
        let (known, fresh) = self.known_key(kid, now);
        if let (Some(key), true) = (&known, fresh) {
            return Ok(key.clone());
        }
        let mut asked_at = match (&known, self.asked_at.try_lock()) {
            (_, Ok(asked_at)) => asked_at,
            // Somebody asks already; meanwhile an old key does.
            (Some(key), Err(_)) => return Ok(key.clone()),
            (None, Err(_)) => self.asked_at.lock().await,
        };
        let unknown = Problem::Unauthenticated("the token's key is unknown");
        let (known, fresh) = self.known_key(kid, now);
        let just_asked = asked_at.is_some_and(|at| at <= now && now.since(at) < KEYS_INTERVAL);
        match known {
            Some(key) if fresh || just_asked => return Ok(key),
            None if just_asked => return Err(unknown),
            Some(_) | None => {}
        }
        let document = match (self.trusted.jwks.jwks().await, known) {
            (Ok(document), _) => document,
            (Err(error), Some(key)) => {
                tracing::warn!(%error, "an issuer's keys could not be renewed");
                *asked_at = Some(now);
                return Ok(key);
            }
            (Err(error), None) => return Err(Problem::KeysUnavailable(error.to_string())),
        };
        *asked_at = Some(now);
        // Replaced, not merged: a key that the issuer withdrew must not live on.
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) =
            Keys { by_id: parse_keys(&document), fetched_at: Some(now), verified: HashMap::new() };
        self.known_key(kid, now).0.ok_or(unknown)
    }

    /// The key of that id, and whether what is known is fresh.
    fn known_key(&self, kid: &str, now: Timestamp) -> (Option<DecodingKey>, bool) {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let fresh = keys.fetched_at.is_some_and(|at| now.since(at) < KEYS_AGE);
        (keys.by_id.get(kid).cloned(), fresh)
    }
}

/// The RSA signature keys of a JSON Web Key Set. Others are passed over.
fn parse_keys(document: &str) -> HashMap<String, DecodingKey> {
    #[derive(Deserialize)]
    struct Jwks {
        keys: Vec<Jwk>,
    }
    #[derive(Deserialize)]
    struct Jwk {
        kty: String,
        #[serde(default)]
        kid: Option<String>,
        #[serde(default, rename = "use")]
        usage: Option<String>,
        #[serde(default)]
        n: Option<String>,
        #[serde(default)]
        e: Option<String>,
    }
    let jwks: Jwks = serde_json::from_str(document).unwrap_or(Jwks { keys: Vec::new() });
    let mut keys = HashMap::new();
    for jwk in jwks.keys {
        let is_signature = jwk.usage.as_deref().is_none_or(|usage| usage == "sig");
        if let ("RSA", true, Some(kid), Some(n), Some(e)) =
            (jwk.kty.as_str(), is_signature, jwk.kid, &jwk.n, &jwk.e)
            && let Ok(key) = DecodingKey::from_rsa_components(n, e)
        {
            keys.insert(kid, key);
        }
    }
    keys
}

fn caller(claims: Claims) -> Result<Caller, Problem> {
    let tenant =
        claims.tid.parse().map_err(|_| Problem::Unauthenticated("the claim tid is no GUID"))?;
    let app: AppId = claims
        .appid
        .or(claims.azp)
        .and_then(|id| id.parse().ok())
        .ok_or(Problem::Unauthenticated("neither appid nor azp is a GUID"))?;
    let application = Identity { id: app.to_string(), display_name: claims.app_displayname };
    let (kind, rights, user) = match claims.scp {
        // A user's token may carry roles of its own; the scopes say what the application may do for the user.
        Some(scopes) => {
            let id = claims
                .oid
                .or(claims.sub)
                .ok_or(Problem::Unauthenticated("the token names no user"))?;
            let scopes = scopes.split_ascii_whitespace().map(str::to_owned).collect();
            (CallerKind::Delegated, scopes, Some(Identity { id, display_name: claims.name }))
        }
        None => (CallerKind::Application, claims.roles, None),
    };
    Ok(Caller {
        tenant,
        app,
        kind,
        actor: Actor { application: Some(application), user },
        rights,
        directory_roles: claims.wids,
    })
}
