//! Directory roles that administer backup, by template id, which is the same in every tenant (`spec/behaviour.md` section 11).

pub const GLOBAL_ADMINISTRATOR: &str = "62e90394-69f5-4237-9190-012177145e10";
pub const SHAREPOINT_ADMINISTRATOR: &str = "f28a1f50-f6e7-4571-818b-6a12f2af6b6c";
pub const EXCHANGE_ADMINISTRATOR: &str = "29232cdf-9323-42fd-ade2-1d097af3e4de";
pub const MICROSOFT_365_BACKUP_ADMINISTRATOR: &str = "1707125e-0aa2-4d4d-8655-a7c786c76a25";
pub const SHAREPOINT_BACKUP_ADMINISTRATOR: &str = "9d3e04ba-3ee4-4d1b-a3a7-9aef423a09be";
pub const EXCHANGE_BACKUP_ADMINISTRATOR: &str = "49eb8f75-97e9-4e37-9b2b-6c3ebfcffa31";
