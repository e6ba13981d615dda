//! The issuer of the tests.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use holdfast_domain::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::keys::{FIRST, SECOND, TestKey};

pub(crate) const ISSUER: &str = "https://login.localhost/00000000-0000-4000-8000-00000000000a/v2.0";
pub(crate) const TENANT: &str = "00000000-0000-4000-8000-00000000000a";
pub(crate) const OTHER_TENANT: &str = "00000000-0000-4000-8000-00000000000b";
/// The active controller.
pub(crate) const APP: &str = "00000009-0001-4000-8000-000000090001";
const USER: &str = "0000000a-0001-4000-8000-0000000a0001";

pub(crate) const PERMISSIONS: [&str; 8] = [
    "BackupRestore-Control.Read.All",
    "BackupRestore-Control.ReadWrite.All",
    "BackupRestore-Configuration.Read.All",
    "BackupRestore-Configuration.ReadWrite.All",
    "BackupRestore-Restore.Read.All",
    "BackupRestore-Restore.ReadWrite.All",
    "BackupRestore-Search.Read.All",
    "BackupRestore-Monitor.Read.All",
];

/// A token to be: claims that a test changes before it is signed.
#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) claims: Value,
    pub(crate) header: Header,
    key: &'static TestKey,
    /// Seconds from now.
    pub(crate) expires_in: i64,
}

impl Token {
    fn new() -> Self {
        let mut header = Header::new(Algorithm::RS256);
        header.kid = Some("first".to_owned());
        let claims = json!({
            "iss": ISSUER, "aud": super::AUDIENCE, "tid": TENANT, "appid": APP,
            "app_displayname": "Contoso Backup", "sub": "subject",
        });
        Self { claims, header, key: &FIRST, expires_in: 3600 }
    }

    /// The controller application, with every permission.
    pub(crate) fn application() -> Self {
        Self::application_with(&PERMISSIONS)
    }

    pub(crate) fn application_with(roles: &[&str]) -> Self {
        Self::new().claim("roles", json!(roles))
    }

    /// A Global Administrator through the controller application, with every permission.
    pub(crate) fn delegated() -> Self {
        Self::delegated_with(&PERMISSIONS)
    }

    pub(crate) fn delegated_with(scopes: &[&str]) -> Self {
        Self::new()
            .claim("scp", json!(scopes.join(" ")))
            .claim("oid", json!(USER))
            .claim("name", json!("User1"))
            .claim("wids", json!(["62e90394-69f5-4237-9190-012177145e10"]))
    }

    pub(crate) fn claim(mut self, name: &str, value: Value) -> Self {
        self.claims[name] = value;
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.claims.as_object_mut().expect("an object").remove(name);
        self
    }

    pub(crate) fn expires_in(mut self, seconds: i64) -> Self {
        self.expires_in = seconds;
        self
    }

    /// Signed with the second key, under a name of its own.
    pub(crate) fn signed_with_second_key(mut self, kid: &str) -> Self {
        self.key = &SECOND;
        self.header.kid = Some(kid.to_owned());
        self
    }

    pub(crate) fn signed(&self, now: Timestamp) -> String {
        let mut claims = self.claims.clone();
        claims["exp"] = json!(now.unix_seconds() + self.expires_in);
        let der = STANDARD.decode(self.key.private).expect("base64");
        jsonwebtoken::encode(&self.header, &claims, &EncodingKey::from_rsa_der(&der))
            .expect("the key signs")
    }

    pub(crate) fn bearer(&self, now: Timestamp) -> String {
        format!("Bearer {}", self.signed(now))
    }
}

/// The key set with these keys: `first`, or anything else for the second one under that name.
pub(crate) fn jwks(kids: &[&str]) -> String {
    let keys: Vec<Value> = kids
        .iter()
        .map(|kid| {
            let key = if *kid == "first" { &FIRST } else { &SECOND };
            json!({ "kty": "RSA", "use": "sig", "kid": kid, "n": modulus(key), "e": "AQAB" })
        })
        .collect();
    json!({ "keys": keys }).to_string()
}

fn modulus(key: &TestKey) -> String {
    let bytes: Vec<u8> = (0..key.modulus.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&key.modulus[at..at + 2], 16).expect("hexadecimal"))
        .collect();
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The first key's public part, as somebody would use it who takes it for a shared secret.
pub(crate) fn public_key_as_secret() -> Vec<u8> {
    jwks(&["first"]).into_bytes()
}
