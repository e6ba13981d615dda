//! Tokens: the signing key, what a token claims, and checking one.
//!
//! The RSA key is made on first open and lies in `keys/` (mode 0600), beside the key that pre-authenticated URLs are
//! made with. Only RS256 is signed or accepted; times are checked against the tenant's clock with five minutes of
//! skew.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use holdfast_domain::{Entropy, TenantId, Timestamp};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::ids;
use crate::oauth::people::Person;

const SKEW_SECONDS: i64 = 300;
/// `aud` of Graph, as a name and as an application id.
pub(crate) const AUDIENCES: [&str; 2] =
    ["https://graph.microsoft.com", "00000003-0000-0000-c000-000000000000"];

/// What [`crate::Tenant::mint_token`] puts into a token.
#[derive(Debug, Clone)]
pub struct TokenClaims {
    /// The calling application.
    pub client_id: String,
    /// The signed-in user's directory id; `None` makes an application token.
    pub user_id: Option<String>,
    /// Application permissions (`roles`).
    pub roles: Vec<String>,
    /// Delegated permissions (`scp`).
    pub scopes: Vec<String>,
    /// The user's directory roles, as role template ids.
    pub wids: Vec<String>,
    /// From now on.
    pub lifetime: Duration,
}

impl TokenClaims {
    /// An application token that lives an hour.
    #[must_use]
    pub fn application(client_id: impl Into<String>, roles: &[&str]) -> Self {
        Self {
            client_id: client_id.into(),
            user_id: None,
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            scopes: Vec::new(),
            wids: Vec::new(),
            lifetime: Duration::from_secs(3600),
        }
    }

    /// A delegated token that lives an hour.
    #[must_use]
    pub fn delegated(
        client_id: impl Into<String>,
        user_id: impl Into<String>,
        scopes: &[&str],
    ) -> Self {
        Self {
            client_id: client_id.into(),
            user_id: Some(user_id.into()),
            roles: Vec::new(),
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            wids: Vec::new(),
            lifetime: Duration::from_secs(3600),
        }
    }
}

/// What the directory calls those whom a token is about.
pub(crate) struct TokenNames {
    pub(crate) app: String,
    /// Display name and principal name.
    pub(crate) person: Option<(String, String)>,
}

/// What an id token says.
pub(crate) struct IdTokenClaims<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) person: &'a Person,
    /// Left out when the client sent none: some take an empty one for a mismatch.
    pub(crate) nonce: Option<&'a str>,
    /// The scope `profile`.
    pub(crate) profile: bool,
    /// The scope `email`.
    pub(crate) email: bool,
    pub(crate) lifetime: Duration,
}

/// The claims on the wire.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct WireClaims {
    aud: String,
    iss: String,
    iat: i64,
    nbf: i64,
    exp: i64,
    pub(crate) appid: String,
    #[serde(default)]
    azp: String,
    #[serde(default)]
    pub(crate) app_displayname: String,
    #[serde(default)]
    pub(crate) idtyp: String,
    pub(crate) oid: String,
    sub: String,
    tid: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) roles: Vec<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) scp: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    wids: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    preferred_username: Option<String>,
    uti: String,
    ver: String,
}

pub(crate) struct Issuer {
    base: String,
    tenant: TenantId,
    signing: EncodingKey,
    checking: DecodingKey,
    modulus: String,
    exponent: String,
    key_id: String,
    validation: Validation,
    url_key: [u8; 32],
}

impl Issuer {
    /// Reads the keys of `dir`, or makes them.
    pub(crate) fn open(
        dir: &Path,
        base: &str,
        tenant: TenantId,
        entropy: &dyn Entropy,
    ) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let pkcs8 = secret_file(&dir.join("token-signing.der"), || {
            let pair = KeyPair::generate(KeySize::Rsa2048).map_err(io::Error::other)?;
            Ok(pair.as_der().map_err(io::Error::other)?.as_ref().to_vec())
        })?;
        let url_key = secret_file(&dir.join("url.key"), || {
            let mut key = vec![0; 32];
            entropy.fill(&mut key);
            Ok(key)
        })?;
        let pair = KeyPair::from_pkcs8(&pkcs8).map_err(io::Error::other)?;
        let public = pair.public_key();
        let modulus = URL_SAFE_NO_PAD.encode(public.modulus().big_endian_without_leading_zero());
        let exponent = URL_SAFE_NO_PAD.encode(public.exponent().big_endian_without_leading_zero());
        let broken = || io::Error::new(io::ErrorKind::InvalidData, "a key file is damaged");
        let mut validation = Validation::new(Algorithm::RS256);
        // Times are checked in `check`, by the tenant's clock instead of the system's.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.set_required_spec_claims(&["exp", "nbf", "aud", "iss"]);
        validation.set_audience(&AUDIENCES);
        validation.set_issuer(&[issuer_of(base, tenant)]);
        Ok(Self {
            base: base.to_owned(),
            tenant,
            signing: EncodingKey::from_rsa_der(rsa_private_key(&pkcs8).ok_or_else(broken)?),
            checking: DecodingKey::from_rsa_components(&modulus, &exponent)
                .map_err(io::Error::other)?,
            key_id: URL_SAFE_NO_PAD.encode(&ids::sha256(modulus.as_bytes())[..20]),
            modulus,
            exponent,
            validation,
            url_key: url_key.try_into().map_err(|_| broken())?,
        })
    }

    pub(crate) fn issuer(&self) -> String {
        issuer_of(&self.base, self.tenant)
    }

    /// What pre-authenticated URLs are signed with.
    pub(crate) const fn url_key(&self) -> &[u8; 32] {
        &self.url_key
    }

    pub(crate) fn jwks(&self) -> Value {
        json!({"keys": [{
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.key_id, "x5t": self.key_id,
            "n": self.modulus, "e": self.exponent, "issuer": self.issuer(),
        }]})
    }

    pub(crate) fn mint(
        &self,
        claims: &TokenClaims,
        names: TokenNames,
        now: Timestamp,
        unique: String,
    ) -> String {
        let issued = now.unix_seconds();
        let app_object = ids::derived("servicePrincipal", &claims.client_id).to_string();
        let subject = claims.user_id.clone().unwrap_or(app_object);
        let (name, preferred_username) = names.person.unzip();
        let wire = WireClaims {
            aud: AUDIENCES[0].to_owned(),
            iss: self.issuer(),
            iat: issued,
            nbf: issued,
            exp: now.plus(claims.lifetime).unix_seconds(),
            appid: claims.client_id.clone(),
            azp: claims.client_id.clone(),
            app_displayname: names.app,
            idtyp: if claims.user_id.is_some() { "user" } else { "app" }.to_owned(),
            oid: subject.clone(),
            sub: subject,
            tid: self.tenant.to_string(),
            roles: claims.roles.clone(),
            scp: claims.scopes.join(" "),
            wids: claims.wids.clone(),
            name,
            preferred_username,
            uti: unique,
            ver: "2.0".to_owned(),
        };
        self.sign(&wire)
    }

    pub(crate) fn mint_id_token(&self, claims: &IdTokenClaims<'_>, now: Timestamp) -> String {
        let (issued, person) = (now.unix_seconds(), claims.person);
        let mut wire = json!({
            "aud": claims.client_id, "iss": self.issuer(), "iat": issued, "nbf": issued,
            "exp": now.plus(claims.lifetime).unix_seconds(), "sub": person.id, "oid": person.id,
            "tid": self.tenant.to_string(), "ver": "2.0",
        });
        if let Some(nonce) = claims.nonce {
            wire["nonce"] = json!(nonce);
        }
        if claims.profile {
            wire["name"] = json!(person.display_name);
            wire["preferred_username"] = json!(person.principal_name);
        }
        if claims.email {
            wire["email"] = json!(person.principal_name);
        }
        self.sign(&wire)
    }

    fn sign(&self, claims: &impl Serialize) -> String {
        let mut header = Header::new(Algorithm::RS256);
        header.kid = Some(self.key_id.clone());
        jsonwebtoken::encode(&header, claims, &self.signing).expect("the key was made for RS256")
    }

    /// `None` for whatever is wrong with the token; callers are not told what.
    pub(crate) fn check(&self, token: &str, now: Timestamp) -> Option<WireClaims> {
        let claims: WireClaims =
            jsonwebtoken::decode(token, &self.checking, &self.validation).ok()?.claims;
        let now = now.unix_seconds();
        let in_time = claims.nbf - SKEW_SECONDS <= now && now < claims.exp + SKEW_SECONDS;
        (in_time && claims.tid == self.tenant.to_string()).then_some(claims)
    }
}

fn issuer_of(base: &str, tenant: TenantId) -> String {
    format!("{base}/{tenant}/v2.0")
}

/// Reads a secret, or makes it and writes it for the owner only.
pub(crate) fn secret_file(
    path: &Path,
    make: impl FnOnce() -> io::Result<Vec<u8>>,
) -> io::Result<Vec<u8>> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        found => return found,
    }
    let secret = make()?;
    let temporary = path.with_extension("new");
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)?;
    file.write_all(&secret)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    Ok(secret)
}

/// The `RSAPrivateKey` (RFC 8017) inside a PKCS #8 document: version, algorithm, then the octet string.
fn rsa_private_key(pkcs8: &[u8]) -> Option<&[u8]> {
    let (_, document, _) = der_element(pkcs8)?;
    let (_, _, after_version) = der_element(document)?;
    let (_, _, after_algorithm) = der_element(after_version)?;
    let (tag, key, _) = der_element(after_algorithm)?;
    (tag == 4).then_some(key)
}

/// Tag, contents and what follows.
fn der_element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
    };
    let (contents, after) = rest.split_at_checked(length)?;
    Some((tag, contents, after))
}
