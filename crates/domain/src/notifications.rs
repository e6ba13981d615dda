//! Who is told by mail about what (`emailNotificationsSetting`, `spec/behaviour.md` section 13).

use crate::limits::DIGEST_HOUR;
use crate::named::named;
use crate::{Actor, MailId, TenantId, Timestamp, directory_role};

/// `microsoft.graph.emailNotificationsSetting`, one for each tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotificationsSetting {
    pub tenant: TenantId,
    pub is_enabled: bool,
    /// `additionalEvents` has `restoreAndPolicyUpdates`: routine events, too.
    pub tells_routine: bool,
    pub recipients: Recipients,
    pub last_modified_by: Actor,
    pub last_modified_at: Timestamp,
}

/// `microsoft.graph.notificationRecipients`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipients {
    pub roles: RecipientRoles,
    /// Addresses of `customRecipients`; they count only with the role `custom`.
    pub custom: Vec<String>,
}

impl Recipients {
    /// Nobody, until somebody is named: the role is the published default.
    #[must_use]
    pub fn custom(addresses: Vec<String>) -> Self {
        Self {
            roles: RecipientRoles { custom: true, ..RecipientRoles::default() },
            custom: addresses,
        }
    }

    /// The addresses that are named one by one.
    #[must_use]
    pub fn named(&self) -> &[String] {
        if self.roles.custom { &self.custom } else { &[] }
    }

    /// Whether nobody is told whatever the directory says.
    #[must_use]
    pub fn is_nobody(&self) -> bool {
        self.named().is_empty() && self.roles.directory_roles().is_empty()
    }
}

/// `microsoft.graph.notificationRecipientsType`, which are flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RecipientRoles {
    pub global_admins: bool,
    pub backup_admins: bool,
    pub custom: bool,
    pub all_admins: bool,
}

const GLOBAL_ADMINS: [&str; 1] = [directory_role::GLOBAL_ADMINISTRATOR];
const BACKUP_ADMINS: [&str; 3] = [
    directory_role::MICROSOFT_365_BACKUP_ADMINISTRATOR,
    directory_role::SHAREPOINT_BACKUP_ADMINISTRATOR,
    directory_role::EXCHANGE_BACKUP_ADMINISTRATOR,
];
const OTHER_ADMINS: [&str; 2] =
    [directory_role::SHAREPOINT_ADMINISTRATOR, directory_role::EXCHANGE_ADMINISTRATOR];

impl RecipientRoles {
    fn flags(self) -> [(bool, &'static str); 4] {
        [
            (self.global_admins, "globalAdmins"),
            (self.backup_admins, "backupAdmins"),
            (self.custom, "custom"),
            (self.all_admins, "allAdmins"),
        ]
    }

    /// As flags: joined with commas, `none` without any.
    #[must_use]
    pub fn name(self) -> String {
        let set: Vec<&str> =
            self.flags().into_iter().filter(|(set, _)| *set).map(|(_, name)| name).collect();
        if set.is_empty() { "none".to_owned() } else { set.join(",") }
    }

    /// Reads what [`RecipientRoles::name`] writes, with spaces after the commas too.
    #[must_use]
    pub fn from_name(text: &str) -> Option<Self> {
        let mut roles = Self::default();
        if text == "none" {
            return Some(roles);
        }
        for name in text.split(',') {
            let flag = match name.trim() {
                "globalAdmins" => &mut roles.global_admins,
                "backupAdmins" => &mut roles.backup_admins,
                "custom" => &mut roles.custom,
                "allAdmins" => &mut roles.all_admins,
                _ => return None,
            };
            *flag = true;
        }
        Some(roles)
    }

    /// The directory roles whose holders are meant, by template id. `allAdmins` are all who may administer backup.
    #[must_use]
    pub fn directory_roles(self) -> Vec<&'static str> {
        let (global, backup) =
            (self.global_admins || self.all_admins, self.backup_admins || self.all_admins);
        let parts: [(bool, &[&str]); 3] =
            [(global, &GLOBAL_ADMINS), (backup, &BACKUP_ADMINS), (self.all_admins, &OTHER_ADMINS)];
        parts.into_iter().filter(|(set, _)| *set).flat_map(|(_, ids)| ids.iter().copied()).collect()
    }
}

named! {
    /// How much an event matters to who is told.
    NoticeKind {
        // It ends or weakens protection, or changes who is told: always told.
        Harmful = "harmful",
        // Told by choice.
        Routine = "routine",
    }
}

/// Something that happened, for the next digest to those who were to be told when it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub tenant: TenantId,
    pub at: Timestamp,
    pub kind: NoticeKind,
    /// As they were set when it happened: who changes the list does not silence the change.
    pub recipients: Recipients,
    /// What happened, by the activity log's name or in words of ours.
    pub what: String,
    /// Names and ids. They come from the tenant: data, not text of ours.
    pub about: String,
    /// The user's or else the application's id.
    pub by: String,
}

/// When the digest goes that tells of what happens `now`: the next [`DIGEST_HOUR`] in UTC.
#[must_use]
pub fn next_digest_at(now: Timestamp) -> Timestamp {
    const DAY: i64 = 24 * 60 * 60;
    let (seconds, hour) = (now.unix_seconds(), i64::from(DIGEST_HOUR) * 60 * 60);
    let next = (seconds - hour).div_euclid(DAY) * DAY + hour + DAY;
    Timestamp::from_unix_seconds(next).unwrap_or(now)
}

/// A digest for one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    pub id: MailId,
    pub tenant: TenantId,
    pub written_at: Timestamp,
    pub recipient: String,
    pub subject: String,
    pub body: String,
    pub state: MailState,
}

/// How a mail stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailState {
    /// No mail server is configured: it can be read, and is not sent later.
    Kept,
    Waiting {
        /// Why it was not taken yet.
        last_failure: Option<String>,
    },
    /// A server took it.
    Sent { at: Timestamp },
    /// Refused for ever, or for too long.
    Refused { at: Timestamp, reason: String },
}

impl MailState {
    /// When it was taken or refused.
    #[must_use]
    pub fn ended_at(&self) -> Option<Timestamp> {
        match self {
            Self::Kept | Self::Waiting { .. } => None,
            Self::Sent { at } | Self::Refused { at, .. } => Some(*at),
        }
    }

    /// Why it was not taken.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Kept | Self::Sent { .. } => None,
            Self::Waiting { last_failure } => last_failure.as_deref(),
            Self::Refused { reason, .. } => Some(reason),
        }
    }

    /// Name in rows and answers.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Waiting { .. } => "waiting",
            Self::Sent { .. } => "sent",
            Self::Refused { .. } => "refused",
        }
    }
}

/// What somebody did through the API. Kept apart from the activity log, and only ever added to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    pub tenant: TenantId,
    pub at: Timestamp,
    pub actor: Actor,
    /// The operation's id in `spec/operations.json`.
    pub operation: String,
    /// The keys of the request's path, joined with slashes.
    pub target: String,
    /// `request-id` of the answer.
    pub request: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_goes_once_a_day() {
        let check = |now: &str, expected: &str| {
            let now = now.parse().expect("a time");
            assert_eq!(next_digest_at(now).to_string(), expected);
        };
        check("2026-11-26T05:59:59.999999Z", "2026-11-26T06:00:00Z");
        check("2026-11-26T06:00:00Z", "2026-11-27T06:00:00Z");
        check("2026-12-31T23:10:00Z", "2027-01-01T06:00:00Z");
        check("1969-12-31T03:00:00Z", "1969-12-31T06:00:00Z");
    }

    #[test]
    fn roles_are_flags() {
        for bits in 0_u8..16 {
            let roles = RecipientRoles {
                global_admins: bits & 1 != 0,
                backup_admins: bits & 2 != 0,
                custom: bits & 4 != 0,
                all_admins: bits & 8 != 0,
            };
            assert_eq!(RecipientRoles::from_name(&roles.name()), Some(roles));
        }
        let both = RecipientRoles::from_name("custom, globalAdmins").expect("known");
        assert_eq!((both.name(), both.directory_roles().len()), ("globalAdmins,custom".into(), 1));
        for text in ["", "custom,", "everybody", "none,custom", "Custom"] {
            assert_eq!(RecipientRoles::from_name(text), None, "{text}");
        }
        let all = RecipientRoles::from_name("allAdmins,backupAdmins").expect("known");
        assert_eq!(all.directory_roles().len(), 6, "each once");
    }
}
