//! `[mail]`: where digests are handed over. Without the section they stay in the outbox.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use http::uri::Authority;
use lettre::message::Mailbox;

use super::reader::{ConfigError, Section, Setting};
use super::{SecretSource, path_setting};

/// The mail server, and as whom we speak to it.
pub(crate) struct MailConfig {
    /// A name or an address, without the brackets of an IPv6 address.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) security: MailSecurity,
    pub(crate) from: Mailbox,
    pub(crate) login: Option<MailLogin>,
    /// Trusted instead of the system's authorities.
    pub(crate) ca_file: Option<Setting<PathBuf>>,
}

/// How the way to the mail server is kept from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MailSecurity {
    /// The plain connection must become TLS before anything else; a server that does not offer it gets nothing.
    StartTls,
    /// TLS from the first byte.
    Implicit,
    /// Within this machine only.
    None,
}

/// A user of the mail server.
pub(crate) struct MailLogin {
    pub(crate) user: String,
    pub(crate) password: SecretSource,
}

impl MailConfig {
    pub(super) fn read(mut section: Section, folder: &Path) -> Result<Self, ConfigError> {
        let server = section.required("smtp")?.map(|text| {
            let wrong = || "must be a host and a port, as smtp.example.com:587".to_owned();
            let authority: Authority = text.parse().map_err(|_| wrong())?;
            let port = authority.port_u16().ok_or_else(wrong)?;
            let host = authority.host().trim_matches(['[', ']']).to_owned();
            if authority.as_str().contains('@') || host.is_empty() {
                Err(wrong())
            } else {
                Ok((host, port))
            }
        })?;
        let (host, port) = server.value.clone();
        let security = match section.text("tls")? {
            None => MailSecurity::StartTls,
            Some(tls) => match tls.value.as_str() {
                "starttls" => MailSecurity::StartTls,
                "implicit" => MailSecurity::Implicit,
                "none" if is_this_machine(&host) => MailSecurity::None,
                "none" => return Err(tls.wrong("\"none\" goes with a loopback address in smtp only: mails and passwords must not travel in the clear")),
                _ => return Err(tls.wrong("must be \"starttls\", \"implicit\" or \"none\"")),
            },
        };
        let from = section.required("from")?.map(|text| {
            text.parse()
                .map_err(|_| "must be a mail address, as Holdfast <backup@example.com>".to_owned())
        })?;
        let user = section.text("user")?;
        let password = SecretSource::read(&mut section, "password", folder)?;
        let login = match (user, password) {
            (Some(user), Some(password)) => Some(MailLogin { user: user.value, password }),
            (None, None) => None,
            (Some(_), None) => return Err(section.lacks("password_file")),
            (None, Some(_)) => return Err(section.lacks("user")),
        };
        let ca_file = path_setting(&mut section, "ca_file", folder)?;
        section.finish()?;
        Ok(Self { host, port, security, from: from.value, login, ca_file })
    }
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}
