//! Hands mails to the configured mail server, one connection each.
//!
//! Nothing of a tenant's is in a header but the recipient's address, which is parsed first: a line break cannot get there. The
//! body is encoded as a whole. What the server says goes to the outbox; nothing that was said while logging in does.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::Context;
use async_trait::async_trait;
use holdfast_domain::{Clock, Mail};
use holdfast_engine::{MailError, Mailer};
use lettre::message::Mailbox;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters,
};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, Message};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::config::{MailConfig, MailLogin, MailSecurity};

/// A server that has not taken a mail after this time is given up for now: a worker that waits takes no backups.
const PATIENCE: Duration = Duration::from_secs(30);
/// After the mail was taken; nothing depends on it.
const FAREWELL: Duration = Duration::from_secs(2);

/// The way to one mail server.
pub(crate) struct SmtpMailer {
    host: String,
    port: u16,
    security: MailSecurity,
    tls: TlsParameters,
    from: Mailbox,
    login: Option<Credentials>,
    clock: Arc<dyn Clock>,
}

impl SmtpMailer {
    /// Reads password and authorities; asks nobody.
    ///
    /// # Errors
    /// With the setting's place when one of them cannot be used.
    pub(crate) fn new(config: &MailConfig, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let login = match &config.login {
            Some(MailLogin { user, password }) => {
                Some(Credentials::new(user.clone(), password.secret()?.to_string()))
            }
            None => None,
        };
        Ok(Self {
            host: config.host.clone(),
            port: config.port,
            security: config.security,
            tls: trusted(config)?,
            from: config.from.clone(),
            login,
            clock,
        })
    }

    /// Everything up to the mail: whatever goes wrong here is not the mail's fault, and may be repaired.
    async fn connect(&self) -> Result<AsyncSmtpConnection, MailError> {
        let server = (self.host.as_str(), self.port);
        let name = ClientId::Domain(self.from.email.domain().to_owned());
        let implicit = (self.security == MailSecurity::Implicit).then(|| self.tls.clone());
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, None, &name, implicit, None)
                .await
                .map_err(|error| later("The mail server cannot be reached", &error))?;
        if self.security == MailSecurity::StartTls {
            connection.starttls(self.tls.clone(), &name).await.map_err(|error| {
                later("The mail server does not speak TLS as it should", &error)
            })?;
        }
        if let Some(login) = &self.login {
            let mechanisms = [Mechanism::Plain, Mechanism::Login];
            connection.auth(&mechanisms, login).await.map_err(|error| {
                let code = error.status().map(|code| format!(" ({code})")).unwrap_or_default();
                MailError::Later(format!("The mail server refuses the user or the password{code}."))
            })?;
        }
        Ok(connection)
    }

    async fn hand_over(&self, message: &Message) -> Result<AsyncSmtpConnection, MailError> {
        let mut connection = self.connect().await?;
        match connection.send(message.envelope(), &message.formatted()).await {
            Ok(_) => Ok(connection),
            // A server that lacks what the address needs will lack it tomorrow.
            Err(error) if error.is_permanent() || error.is_client() => {
                Err(MailError::Refused(format!("The mail server refuses it: {}.", said(&error))))
            }
            Err(error) => Err(later("The mail server does not take it now", &error)),
        }
    }

    fn compose(&self, mail: &Mail) -> Result<Message, MailError> {
        let recipient: Address = mail
            .recipient
            .parse()
            .map_err(|_| MailError::Refused("The recipient's address is malformed.".to_owned()))?;
        let since_epoch = u64::try_from(mail.written_at.unix_seconds()).unwrap_or_default();
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        Message::builder()
            .from(self.from.clone())
            .to(recipient.into())
            .subject(mail.subject.clone())
            .date(UNIX_EPOCH + Duration::from_secs(since_epoch))
            .message_id(Some(format!("<{}@{}>", mail.id, self.from.email.domain())))
            .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()))
            .header(ContentType::TEXT_PLAIN)
            .body(mail.body.clone())
            .map_err(|error| MailError::Refused(format!("It makes no mail: {error}.")))
    }

    async fn within<T>(&self, patience: Duration, doing: impl Future<Output = T>) -> Option<T> {
        let late = self.clock.sleep_until(self.clock.now().plus(patience));
        tokio::select! {
            done = doing => Some(done),
            () = late => None,
        }
    }
}

#[async_trait]
impl Mailer for SmtpMailer {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        let message = self.compose(mail)?;
        let late = || MailError::Later("The mail server did not answer in time.".to_owned());
        let mut connection =
            self.within(PATIENCE, self.hand_over(&message)).await.ok_or_else(late)??;
        drop(self.within(FAREWELL, connection.quit()).await);
        Ok(())
    }
}

fn trusted(config: &MailConfig) -> anyhow::Result<TlsParameters> {
    let mut tls = TlsParameters::builder(config.host.clone());
    if let Some(file) = &config.ca_file {
        let wrong = || file.wrong("holds no certificate");
        let pem = std::fs::read(&file.value).map_err(|error| file.wrong(error))?;
        let authorities: Vec<_> =
            CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>().map_err(|_| wrong())?;
        if authorities.is_empty() {
            return Err(wrong().into());
        }
        tls = tls.certificate_store(CertificateStore::None);
        for authority in authorities {
            let authority = Certificate::from_der(authority.to_vec()).map_err(|_| wrong())?;
            tls = tls.add_root_certificate(authority);
        }
    }
    tls.build().context("no TLS for mails")
}

fn later(what: &str, error: &SmtpError) -> MailError {
    MailError::Later(format!("{what}: {}.", said(error)))
}

/// The error with its causes: the first text alone says little.
fn said(error: &SmtpError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}
