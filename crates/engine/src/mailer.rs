//! The way out for mails. The engine knows no mail protocol: whoever wires it brings one.

use async_trait::async_trait;
use holdfast_domain::Mail;

/// Hands mails to a mail server.
#[async_trait]
pub trait Mailer: Send + Sync {
    /// Comes back when a server has taken the mail, under a `Message-ID` that is the same each time. The same mail may be
    /// handed over again, when the worker was killed before it could note that it was taken.
    async fn send(&self, mail: &Mail) -> Result<(), MailError>;
}

/// Why a mail was not taken. The texts are shown to administrators, next to the mail.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// Another attempt may succeed.
    #[error("{0}")]
    Later(String),
    /// This mail will never be taken.
    #[error("{0}")]
    Refused(String),
}
