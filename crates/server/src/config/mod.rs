//! The configuration of `serve` and `worker`: one TOML file, read and checked once, a struct for each section.
//!
//! `docs/holdfast.example.toml` explains every setting. What is unknown, missing or wrong is refused with its line and key.

mod mail;
mod reader;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use holdfast_domain::{AppId, TenantId, limits};
use http::Uri;
use http::uri::{Authority, Scheme};
use zeroize::Zeroizing;

pub(crate) use mail::{MailConfig, MailLogin, MailSecurity};
pub(crate) use reader::{ConfigError, Setting};
use reader::{Section, Sections};

const SINGLE: [&str; 6] = ["server", "metastore", "objects", "keys", "engine", "mail"];
const REPEATED: [&str; 2] = ["issuers", "tenants"];
/// Stands for the token's `tid` in an issuer's name.
const TENANT_PLACEHOLDER: &str = "{tenantid}";

/// Everything that a process needs to know.
pub(crate) struct Config {
    pub(crate) server: ServerConfig,
    /// SQLite's file.
    pub(crate) metastore: Setting<PathBuf>,
    /// The folder that holds the repositories.
    pub(crate) objects: Setting<PathBuf>,
    pub(crate) root_key: RootKeySource,
    pub(crate) engine: EngineConfig,
    /// `None`: digests stay in the outbox.
    pub(crate) mail: Option<MailConfig>,
    pub(crate) issuers: Vec<IssuerConfig>,
    pub(crate) tenants: Vec<TenantConfig>,
}

/// `[server]`
pub(crate) struct ServerConfig {
    pub(crate) listen: Setting<SocketAddr>,
    /// Where clients reach the service: links in answers begin with it.
    pub(crate) public_url: PublicUrl,
    /// `None`: plain HTTP, for a proxy on this machine.
    pub(crate) tls: Option<TlsFiles>,
    /// How long requests in hand may take after the process was told to stop.
    pub(crate) grace: Duration,
    /// Refuse what Microsoft's service would, where ours does more.
    pub(crate) strict: bool,
}

/// Scheme and authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublicUrl {
    pub(crate) scheme: Scheme,
    pub(crate) authority: Authority,
}

/// Certificate chain and key, PEM.
pub(crate) struct TlsFiles {
    pub(crate) certificate: Setting<PathBuf>,
    pub(crate) key: Setting<PathBuf>,
}

/// Where the root key comes from: 64 hexadecimal digits in a file, or on a command's standard output.
pub(crate) enum RootKeySource {
    File(Setting<PathBuf>),
    Command(Setting<Vec<String>>),
}

/// `[engine]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EngineConfig {
    pub(crate) backup_interval: Duration,
    pub(crate) workers: usize,
    pub(crate) transfers: usize,
}

/// `[[issuers]]`: whose tokens are accepted.
pub(crate) struct IssuerConfig {
    /// `iss`; `{tenantid}` stands for each of its tenants.
    pub(crate) issuer: String,
    /// Whom it speaks for: some of the configured tenants.
    pub(crate) tenants: Vec<TenantId>,
    pub(crate) audiences: Vec<String>,
    pub(crate) keys: KeysAt,
    /// Trusted instead of the system's authorities.
    pub(crate) ca_file: Option<Setting<PathBuf>>,
}

/// Where an issuer publishes its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeysAt {
    /// The OpenID configuration document, which names the address of the keys.
    Discovery(String),
    Jwks(String),
}

/// `[[tenants]]`: whose data is backed up, and how it is reached.
pub(crate) struct TenantConfig {
    pub(crate) id: TenantId,
    /// The application that controls protection from the start; without, the service stays disabled.
    pub(crate) controller: Option<AppId>,
    /// For example `https://graph.microsoft.com`.
    pub(crate) graph: String,
    /// For example `https://login.microsoftonline.com`.
    pub(crate) authority: String,
    /// The application that the connector is.
    pub(crate) client_id: String,
    pub(crate) secret: SecretSource,
    /// Trusted instead of the system's authorities.
    pub(crate) ca_file: Option<Setting<PathBuf>>,
}

/// Where a secret is; never in the configuration itself.
pub(crate) enum SecretSource {
    File(Setting<PathBuf>),
    /// The environment variable's name.
    Variable(Setting<String>),
}

impl Config {
    /// Reads the file and the environment.
    ///
    /// # Errors
    /// [`ConfigError`] with the place of whatever is wrong.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        use anyhow::Context;
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("the configuration {} cannot be read", path.display()))?;
        // What is no text names nothing of ours.
        let variables = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        Ok(Self::parse(path, &text, variables)?)
    }

    /// Checks what can be checked without touching anything. Relative paths are relative to the file's folder.
    pub(crate) fn parse(
        path: &Path,
        text: &str,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let mut sections = Sections::read(path, text, variables, &SINGLE, &REPEATED)?;
        let server = ServerConfig::read(sections.section("server"), &folder)?;
        let metastore = read_metastore(sections.section("metastore"), &folder)?;
        let objects = read_objects(sections.section("objects"), &folder)?;
        let root_key = RootKeySource::read(sections.section("keys"), &folder)?;
        let engine = EngineConfig::read(sections.section("engine"))?;
        let mail = sections.take("mail").map(|section| MailConfig::read(section, &folder));
        let mail = mail.transpose()?;
        let mut tenants: Vec<TenantConfig> = Vec::new();
        for mut section in sections.entries("tenants") {
            let id = section.required("id")?.map(parse_guid::<TenantId>)?;
            if tenants.iter().any(|known| known.id == id.value) {
                return Err(id.wrong("the tenant is there already"));
            }
            tenants.push(TenantConfig::read(section, id.value, &folder)?);
        }
        let mut issuers = Vec::new();
        for section in sections.entries("issuers") {
            issuers.push(IssuerConfig::read(section, &tenants, &folder)?);
        }
        if issuers.is_empty() {
            return Err(sections.wrong("there is no [[issuers]]: no token would be accepted"));
        }
        if tenants.is_empty() {
            return Err(
                sections.wrong("there is no [[tenants]]: there would be nothing to back up")
            );
        }
        Ok(Self { server, metastore, objects, root_key, engine, mail, issuers, tenants })
    }
}

impl ServerConfig {
    fn read(mut section: Section, folder: &Path) -> Result<Self, ConfigError> {
        let listen = section.required("listen")?.map(|text| {
            text.parse::<SocketAddr>()
                .map_err(|_| "must be an address and a port, as 0.0.0.0:8443".to_owned())
        })?;
        let public_url = section.required("public_url")?.map(PublicUrl::parse)?;
        let certificate = path_setting(&mut section, "tls_certificate", folder)?;
        let key = path_setting(&mut section, "tls_key", folder)?;
        let tls = match (section.text("tls")?, certificate, key) {
            (None, Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
            (None, None, _) => return Err(section.lacks("tls_certificate")),
            (None, Some(_), None) => return Err(section.lacks("tls_key")),
            (Some(tls), None, None) if tls.value == "none" => {
                if !listen.value.ip().is_loopback() {
                    return Err(tls.wrong(
                        "\"none\" goes with a loopback address in listen only: tokens must not travel in the clear",
                    ));
                }
                None
            }
            (Some(tls), None, None) => {
                return Err(tls.wrong("must be \"none\", or left out where there is a certificate"));
            }
            (Some(tls), _, _) => return Err(tls.wrong("contradicts tls_certificate and tls_key")),
        };
        let grace = Duration::from_secs(section.number("grace_seconds", 1..=600, 30)?);
        let strict = section.flag("strict")?;
        section.finish()?;
        Ok(Self { listen, public_url: public_url.value, tls, grace, strict })
    }
}

impl PublicUrl {
    fn parse(text: String) -> Result<Self, String> {
        let wrong =
            || "must be an address as https://backup.example.com, without a path".to_owned();
        let parts = text.parse::<Uri>().map_err(|_| wrong())?.into_parts();
        let is_root = parts.path_and_query.as_ref().is_none_or(|path| path.as_str() == "/");
        match (parts.scheme, parts.authority) {
            (Some(scheme), Some(authority))
                if is_root
                    && (scheme == Scheme::HTTPS || scheme == Scheme::HTTP)
                    && !authority.as_str().contains('@') =>
            {
                Ok(Self { scheme, authority })
            }
            _ => Err(wrong()),
        }
    }
}

fn read_metastore(mut section: Section, folder: &Path) -> Result<Setting<PathBuf>, ConfigError> {
    if let Some(postgres) = section.text("postgres")? {
        return Err(postgres.wrong("this build keeps its rows in SQLite only; set sqlite"));
    }
    let file = path_setting(&mut section, "sqlite", folder)?;
    let file = file.ok_or_else(|| section.lacks("sqlite"))?;
    section.finish()?;
    Ok(file)
}

fn read_objects(mut section: Section, folder: &Path) -> Result<Setting<PathBuf>, ConfigError> {
    for cloud in ["s3", "azure", "gcs"] {
        if let Some(setting) = section.text(cloud)? {
            return Err(setting.wrong("this build keeps repositories in a folder only; set folder"));
        }
    }
    let path = path_setting(&mut section, "folder", folder)?;
    let path = path.ok_or_else(|| section.lacks("folder"))?;
    section.finish()?;
    Ok(path)
}

impl RootKeySource {
    fn read(mut section: Section, folder: &Path) -> Result<Self, ConfigError> {
        let file = path_setting(&mut section, "root_key_file", folder)?;
        let command = section.list("root_key_command")?;
        let source = match (file, command) {
            (Some(file), None) => Self::File(file),
            (None, Some(command)) => Self::Command(command),
            (Some(_), Some(command)) => return Err(command.wrong("contradicts root_key_file")),
            (None, None) => return Err(section.lacks("root_key_file")),
        };
        section.finish()?;
        Ok(source)
    }
}

impl EngineConfig {
    fn read(mut section: Section) -> Result<Self, ConfigError> {
        let interval = limits::BACKUP_INTERVAL.as_secs();
        let small = |number: u64| usize::try_from(number).expect("the range is small");
        let config = Self {
            backup_interval: Duration::from_secs(section.number(
                "backup_interval_seconds",
                1..=86_400,
                interval,
            )?),
            workers: small(section.number("workers", 1..=256, 2)?),
            transfers: small(section.number("transfers", 1..=256, 16)?),
        };
        section.finish()?;
        Ok(config)
    }
}

impl IssuerConfig {
    fn read(
        mut section: Section,
        tenants: &[TenantConfig],
        folder: &Path,
    ) -> Result<Self, ConfigError> {
        let issuer = section.required("issuer")?;
        let is_known = |id: TenantId| tenants.iter().any(|tenant| tenant.id == id);
        let named = section.list("tenants")?.map(|list| {
            list.map(|ids| {
                ids.into_iter()
                    .map(|id| match parse_guid(id)? {
                        id if is_known(id) => Ok(id),
                        id => Err(format!("{id} is the id of none of the [[tenants]]")),
                    })
                    .collect::<Result<Vec<_>, String>>()
            })
        });
        let tenants = match named.transpose()? {
            Some(named) => named.value,
            // Its tokens could name any of them.
            None if tenants.len() > 1 && !issuer.value.contains(TENANT_PLACEHOLDER) => {
                return Err(section.lacks("tenants"));
            }
            None => tenants.iter().map(|tenant| tenant.id).collect(),
        };
        let audiences = section.list("audiences")?.ok_or_else(|| section.lacks("audiences"))?.value;
        let discovery = section.text("discovery")?.map(|url| url.map(https_url)).transpose()?;
        let jwks = section.text("jwks_uri")?.map(|url| url.map(https_url)).transpose()?;
        let keys = match (discovery, jwks) {
            (Some(discovery), None) => KeysAt::Discovery(discovery.value),
            (None, Some(jwks)) => KeysAt::Jwks(jwks.value),
            (Some(_), Some(jwks)) => return Err(jwks.wrong("contradicts discovery")),
            (None, None) if issuer.value.contains(TENANT_PLACEHOLDER) => {
                return Err(section.lacks("discovery"));
            }
            (None, None) => {
                let base = issuer.value.trim_end_matches('/');
                let url = format!("{base}/.well-known/openid-configuration");
                KeysAt::Discovery(https_url(url).map_err(|why| issuer.wrong(why))?)
            }
        };
        let ca_file = path_setting(&mut section, "ca_file", folder)?;
        section.finish()?;
        Ok(Self { issuer: issuer.value, tenants, audiences, keys, ca_file })
    }

    /// The values of `iss` that are accepted, each with the values of `tid` that go with it: one for each tenant where the name
    /// has a placeholder.
    pub(crate) fn names(&self) -> Vec<(String, Vec<TenantId>)> {
        if !self.issuer.contains(TENANT_PLACEHOLDER) {
            return vec![(self.issuer.clone(), self.tenants.clone())];
        }
        let name =
            |id: &TenantId| (self.issuer.replace(TENANT_PLACEHOLDER, &id.to_string()), vec![*id]);
        self.tenants.iter().map(name).collect()
    }
}

impl TenantConfig {
    fn read(mut section: Section, id: TenantId, folder: &Path) -> Result<Self, ConfigError> {
        let controller = section.text("controller")?.map(|text| text.map(parse_guid::<AppId>));
        let or_public = |url: Option<Setting<String>>, public: &str| match url {
            Some(url) => Ok(url.map(https_url)?.value),
            None => Ok(public.to_owned()),
        };
        let graph = or_public(section.text("graph")?, "https://graph.microsoft.com")?;
        let authority = or_public(section.text("authority")?, "https://login.microsoftonline.com")?;
        let client_id = section.required("client_id")?.map(parse_guid::<AppId>)?;
        let secret = SecretSource::read(&mut section, "client_secret", folder)?
            .ok_or_else(|| section.lacks("client_secret_file"))?;
        let ca_file = path_setting(&mut section, "ca_file", folder)?;
        section.finish()?;
        Ok(Self {
            id,
            controller: controller.transpose()?.map(|controller| controller.value),
            graph,
            authority,
            client_id: client_id.value.to_string(),
            secret,
            ca_file,
        })
    }
}

impl SecretSource {
    /// From `{name}_file` or `{name}_env`.
    fn read(section: &mut Section, name: &str, folder: &Path) -> Result<Option<Self>, ConfigError> {
        let file = path_setting(section, &format!("{name}_file"), folder)?;
        let variable = section.text(&format!("{name}_env"))?;
        match (file, variable) {
            (None, None) => Ok(None),
            (Some(file), None) => Ok(Some(Self::File(file))),
            (None, Some(variable)) => Ok(Some(Self::Variable(variable))),
            (Some(_), Some(variable)) => Err(variable.wrong(format!("contradicts {name}_file"))),
        }
    }

    /// The secret, without what surrounds it.
    ///
    /// # Errors
    /// With the setting's place when there is none.
    pub(crate) fn secret(&self) -> Result<Zeroizing<String>, ConfigError> {
        let text = match self {
            Self::File(file) => std::fs::read_to_string(&file.value)
                .map_err(|error| file.wrong(format!("{}: {error}", file.value.display())))?,
            Self::Variable(name) => std::env::var(&name.value)
                .map_err(|_| name.wrong(format!("the variable {} is not set", name.value)))?,
        };
        Ok(Zeroizing::new(Zeroizing::new(text).trim().to_owned()))
    }
}

fn path_setting(
    section: &mut Section,
    key: &str,
    folder: &Path,
) -> Result<Option<Setting<PathBuf>>, ConfigError> {
    section.text(key)?.map(|text| text.map(|text| Ok(folder.join(text)))).transpose()
}

fn parse_guid<T: std::str::FromStr>(text: String) -> Result<T, String> {
    text.parse().map_err(|_| "must be a GUID".to_owned())
}

/// An address without credentials, query and trailing slash.
fn https_url(text: String) -> Result<String, String> {
    let wrong = || "must be an address that begins with https://".to_owned();
    let uri: Uri = text.parse().map_err(|_| wrong())?;
    let plain = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    if uri.scheme() != Some(&Scheme::HTTPS) || !plain || uri.query().is_some() {
        return Err(wrong());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests;
