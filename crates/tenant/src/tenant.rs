//! [`Tenant`]: opening, and what callers in the same process may ask.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::{hmac, pbkdf2};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use holdfast_domain::{AppId, Clock, DriveId, Entropy, TenantId};
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::content::ContentStore;
use crate::database::Database;
use crate::directory;
use crate::ids;
use crate::issuer::{self, Issuer, TokenClaims, TokenNames};
use crate::items::Item;
use crate::oauth::people::Person;
use crate::places::{Drive, Site};
use crate::problem::{Answer, Problem};
use crate::seed;

const SECRET_ROUNDS: u32 = 10_000;
const DOWNLOAD_LIFETIME_MICROS: i64 = 3_600_000_000;

/// What a tenant is opened with.
#[derive(Clone)]
pub struct TenantOptions {
    /// The time of everything that the tenant does, tokens included.
    pub clock: Arc<dyn Clock>,
    /// Ids and secrets of what is made later; the seeded ids come from names.
    pub entropy: Arc<dyn Entropy>,
    /// For example `https://localhost:8443`: tokens carry `iss` = `{issuer_base}/{tid}/v2.0`.
    pub issuer_base: String,
}

/// Why a tenant did not open or an operation on it failed.
#[derive(Debug, thiserror::Error)]
pub enum TenantError {
    /// The database or its state.
    #[error("the tenant's database failed")]
    Database(#[from] rusqlite::Error),
    /// Files of the tenant, or a folder to import.
    #[error("the tenant's files failed")]
    Files(#[from] std::io::Error),
    /// What was asked is not possible, for example a malformed site path.
    #[error("{0}")]
    Refused(String),
}

impl From<Problem> for TenantError {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem.message.into_owned())
    }
}

/// What a developer or a test needs to know to start. `Debug` hides the secret.
#[derive(Clone)]
pub struct Facts {
    pub tenant_id: TenantId,
    /// An application that holds every permission.
    pub client_id: AppId,
    pub client_secret: String,
    /// A seeded team site, the first that is listed.
    pub site_id: String,
    /// The default library of that site.
    pub drive_id: DriveId,
    /// A seeded user with a OneDrive.
    pub user_id: String,
    /// A seeded security group, *Protected people*, with people in it and in groups in it.
    pub group_id: String,
}

impl std::fmt::Debug for Facts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Facts")
            .field("tenant_id", &self.tenant_id)
            .field("client_id", &self.client_id)
            .field("site_id", &self.site_id)
            .field("drive_id", &self.drive_id)
            .field("user_id", &self.user_id)
            .field("group_id", &self.group_id)
            .finish_non_exhaustive()
    }
}

/// An application that may ask for tokens.
#[derive(Clone)]
pub struct AppRegistration {
    pub client_id: String,
    /// Stored as a salted hash only.
    pub secret: String,
    pub display_name: String,
    /// Application permissions by name; they become the token's `roles`.
    pub roles: Vec<String>,
    /// Delegated permissions by name; those that it asks for become the token's `scp`.
    pub scopes: Vec<String>,
    /// Where codes may be sent. `http://localhost/…` stands for every port.
    pub redirect_uris: Vec<String>,
}

/// The embedded tenant. Clones share one state.
#[derive(Clone)]
pub struct Tenant {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) database: Database,
    pub(crate) content: ContentStore,
    pub(crate) issuer: Issuer,
    pub(crate) facts: Facts,
    pub(crate) issuer_base: String,
    /// Files of unfinished upload sessions.
    pub(crate) uploads: PathBuf,
    /// Upload sessions that a request is writing to.
    pub(crate) busy_uploads: Mutex<std::collections::HashSet<[u8; 32]>>,
    identities: Mutex<HashMap<i64, Value>>,
}

impl Tenant {
    /// Opens the tenant in `dir`, or makes and seeds "Contoso" there. State survives restarts.
    ///
    /// # Errors
    /// When `dir` cannot be written or holds something else.
    pub fn open(dir: &Path, options: TenantOptions) -> Result<Self, TenantError> {
        fs::create_dir_all(dir)?;
        let keys = dir.join("keys");
        fs::create_dir_all(&keys)?;
        let uploads = dir.join("uploads");
        fs::create_dir_all(&uploads)?;
        let tenant_id = TenantId::from_uuid(ids::derived("tenant", "Contoso"));
        let client_id = ids::derived("application", "Contoso development");
        let client_secret = issuer::secret_file(&keys.join("development-app.secret"), || {
            Ok(options.entropy.secret_hex().into_bytes())
        })?;
        let client_secret = String::from_utf8(client_secret)
            .map_err(|_| TenantError::Refused("a key file is damaged".to_owned()))?;
        let facts = Facts {
            tenant_id,
            client_id: AppId::from_uuid(client_id),
            client_secret,
            site_id: seed::first_site_id(),
            drive_id: DriveId::new(seed::first_drive_id()),
            user_id: seed::first_user_id(),
            group_id: seed::nested_group_id(),
        };
        let issuer = Issuer::open(&keys, &options.issuer_base, tenant_id, &*options.entropy)?;
        let tenant = Self {
            inner: Arc::new(Inner {
                database: Database::open(&dir.join("tenant.db"))?,
                content: ContentStore::open(dir.join("content"))?,
                issuer,
                facts,
                issuer_base: options.issuer_base.trim_end_matches('/').to_owned(),
                uploads,
                busy_uploads: Mutex::default(),
                identities: Mutex::default(),
                clock: options.clock,
                entropy: options.entropy,
            }),
        };
        seed::seed(&tenant)?;
        Ok(tenant)
    }

    /// Where to start.
    #[must_use]
    pub fn facts(&self) -> Facts {
        self.inner.facts.clone()
    }

    /// The JSON Web Key Set that checks this tenant's tokens.
    #[must_use]
    pub fn jwks(&self) -> Value {
        self.inner.issuer.jwks()
    }

    /// `iss` of this tenant's tokens.
    #[must_use]
    pub fn issuer(&self) -> String {
        self.inner.issuer.issuer()
    }

    /// The values of `aud` that stand for Graph.
    #[must_use]
    pub fn audiences(&self) -> Vec<String> {
        issuer::AUDIENCES.map(str::to_owned).to_vec()
    }

    /// Registers an application, or changes a registered one.
    ///
    /// # Errors
    /// When the database fails.
    pub fn register_app(&self, app: &AppRegistration) -> Result<(), TenantError> {
        let mut salt = [0; 16];
        self.inner.entropy.fill(&mut salt);
        let hash = hash_secret(&app.secret, &salt);
        let list = |names: &[String]| json!(names).to_string();
        self.inner.database.write(|tx| {
            tx.execute(
                "INSERT INTO apps (client_id, display_name, roles, salt, secret_hash, scopes, \
                 redirect_uris) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
                 ON CONFLICT (client_id) DO UPDATE SET display_name = ?2, roles = ?3, salt = ?4, \
                 secret_hash = ?5, scopes = ?6, redirect_uris = ?7",
                params![
                    app.client_id,
                    app.display_name,
                    list(&app.roles),
                    salt,
                    hash,
                    list(&app.scopes),
                    list(&app.redirect_uris),
                ],
            )?;
            Ok(())
        })
    }

    /// Signs a token with these claims, whether or not the application is registered.
    #[must_use]
    pub fn mint_token(&self, claims: &TokenClaims) -> String {
        self.inner.mint(claims)
    }

    /// Forgets the change log of a drive: every delta token given out so far answers 410.
    ///
    /// # Errors
    /// When there is no such drive.
    pub fn expire_delta_tokens(&self, drive: &DriveId) -> Result<(), TenantError> {
        self.inner.database.write(|tx| {
            let drive = Drive::find(tx, drive.as_str())?;
            tx.execute(
                "UPDATE drives SET change_seq = change_seq + 1, oldest_seq = change_seq + 1 \
                 WHERE id = ?1",
                [drive.row],
            )?;
            tx.execute("DELETE FROM delta_rounds WHERE drive = ?1", [drive.row])?;
            tx.execute("DELETE FROM items WHERE drive = ?1 AND state = 2", [drive.row])?;
            Ok(())
        })
    }
}

/// A registered application without its secret.
pub(crate) struct App {
    pub(crate) client_id: String,
    pub(crate) display_name: String,
    pub(crate) roles: Vec<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) redirect_uris: Vec<String>,
    salt: Vec<u8>,
    secret_hash: Vec<u8>,
}

impl App {
    /// Compared in constant time.
    pub(crate) fn has_secret(&self, secret: &str) -> bool {
        let rounds = std::num::NonZeroU32::new(SECRET_ROUNDS).expect("not zero");
        pbkdf2::verify(
            pbkdf2::PBKDF2_HMAC_SHA256,
            rounds,
            &self.salt,
            secret.as_bytes(),
            &self.secret_hash,
        )
        .is_ok()
    }
}

fn hash_secret(secret: &str, salt: &[u8]) -> [u8; 32] {
    let rounds = std::num::NonZeroU32::new(SECRET_ROUNDS).expect("not zero");
    let mut hash = [0; 32];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, salt, secret.as_bytes(), &mut hash);
    hash
}

impl Inner {
    pub(crate) fn now(&self) -> i64 {
        self.clock.now().unix_micros()
    }

    pub(crate) fn app(&self, client_id: &str) -> Answer<Option<App>> {
        self.database.read(|connection| {
            let found = connection
                .query_row(
                    "SELECT client_id, display_name, roles, scopes, redirect_uris, salt, secret_hash \
                     FROM apps WHERE client_id = ?1",
                    [client_id.to_ascii_lowercase()],
                    |row| {
                        let list = |column| {
                            let text: String = row.get(column)?;
                            Ok::<Vec<String>, rusqlite::Error>(
                                serde_json::from_str(&text).unwrap_or_default(),
                            )
                        };
                        Ok(App {
                            client_id: row.get(0)?,
                            display_name: row.get(1)?,
                            roles: list(2)?,
                            scopes: list(3)?,
                            redirect_uris: list(4)?,
                            salt: row.get(5)?,
                            secret_hash: row.get(6)?,
                        })
                    },
                )
                .optional()?;
            Ok(found)
        })
    }

    /// An access token. What the directory does not know is left out of it.
    pub(crate) fn mint(&self, claims: &TokenClaims) -> String {
        let app = self.app(&claims.client_id).ok().flatten();
        let person = claims.user_id.as_deref().and_then(|id| {
            self.database.read(|connection| Person::find(connection, id)).ok().flatten()
        });
        let names = TokenNames {
            app: app.map_or_else(|| claims.client_id.clone(), |app| app.display_name),
            person: person.map(|person| (person.display_name, person.principal_name)),
        };
        let unique = URL_SAFE_NO_PAD.encode(self.entropy.uuid().as_bytes());
        self.issuer.mint(claims, names, self.clock.now(), unique)
    }

    /// `{id, displayName, email}` of a user.
    pub(crate) fn user_identity(&self, user_id: &str) -> Answer<Option<Value>> {
        self.database.read(|connection| directory::identity_of_user(connection, user_id))
    }

    /// The identity set in a row of `identities`; such rows never change.
    pub(crate) fn identity(&self, connection: &Connection, row: i64) -> Answer<Value> {
        let mut known = self.identities.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(identity) = known.get(&row) {
            return Ok(identity.clone());
        }
        let body: String = connection
            .prepare_cached("SELECT body FROM identities WHERE id = ?1")?
            .query_row([row], |row| row.get(0))?;
        let identity: Value = serde_json::from_str(&body).unwrap_or(Value::Null);
        known.insert(row, identity.clone());
        Ok(identity)
    }

    /// `owner` of the drives of a site.
    pub(crate) fn owner_identity(&self, connection: &Connection, site: &Site) -> Answer<Value> {
        if let Some(user) = &site.owner_user {
            return Ok(json!({"user": directory::identity_of_user(connection, user)?}));
        }
        let name = format!("{} Owners", site.display_name);
        let id = match &site.owner_group {
            Some(group) => group.clone(),
            None => ids::derived("site owners", &site.guid.to_string()).to_string(),
        };
        Ok(json!({"group": {"id": id, "displayName": name}}))
    }

    pub(crate) fn random_guid(&self) -> Uuid {
        self.entropy.uuid()
    }

    /// A pre-authenticated URL for an hour, for the present content or an old version.
    pub(crate) fn download_url(
        &self,
        origin: &str,
        item: &Item,
        version: Option<i64>,
        now: i64,
    ) -> String {
        let grant = DownloadGrant {
            drive: item.drive,
            item: item.guid,
            version,
            expires: now.saturating_add(DOWNLOAD_LIFETIME_MICROS),
        };
        format!("{origin}/_tenant/download/{}", self.sign("download", &grant.to_bytes()))
    }

    /// What a download token grants; `None` when it is forged or expired.
    pub(crate) fn download_grant(&self, token: &str) -> Option<DownloadGrant> {
        let grant = DownloadGrant::from_bytes(&self.signed("download", token)?)?;
        (self.now() < grant.expires).then_some(grant)
    }

    /// `payload` and a MAC over it, as text for a URL.
    pub(crate) fn sign(&self, purpose: &str, payload: &[u8]) -> String {
        let mut bytes = payload.to_vec();
        bytes.extend_from_slice(&self.mac(purpose, payload));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The payload, when this tenant signed it for `purpose`.
    pub(crate) fn signed(&self, purpose: &str, token: &str) -> Option<Vec<u8>> {
        let mut bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let mac = bytes.split_off(bytes.len().checked_sub(16)?);
        aws_lc_rs::constant_time::verify_slices_are_equal(&mac, &self.mac(purpose, &bytes)).ok()?;
        Some(bytes)
    }

    fn mac(&self, purpose: &str, payload: &[u8]) -> [u8; 16] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.issuer.url_key());
        let mut context = hmac::Context::with_key(&key);
        context.update(purpose.as_bytes());
        context.update(&[0]);
        context.update(payload);
        context.sign().as_ref()[..16].try_into().expect("16 of 32 bytes")
    }
}

/// The right to read one file's bytes for a while.
pub(crate) struct DownloadGrant {
    pub(crate) drive: i64,
    pub(crate) item: Uuid,
    /// `None`: whatever is current when the URL is used.
    pub(crate) version: Option<i64>,
    expires: i64,
}

impl DownloadGrant {
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.item.as_bytes().to_vec();
        for number in [self.drive, self.version.unwrap_or(0), self.expires] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; 40] = bytes.try_into().ok()?;
        let number =
            |at: usize| i64::from_be_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        Some(Self {
            item: Uuid::from_bytes(bytes[..16].try_into().expect("16 bytes")),
            drive: number(16),
            version: Some(number(24)).filter(|version| *version != 0),
            expires: number(32),
        })
    }
}
