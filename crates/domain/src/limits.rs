//! Every limit of the API (`spec/api.md` section 17) and of the engine, in one place.

use std::time::Duration;

/// Units in one policy request; more is 413 `ProtectionUnitsLimitBreached`.
pub const UNITS_PER_POLICY_REQUEST: usize = 50;
/// Artifacts in one restore session request; more is `RestoreArtifactsLimitBreached` (413 on create, 400 on update).
pub const ARTIFACTS_PER_SESSION_REQUEST: usize = 50;
/// Characters of a policy's name; at least one.
pub const POLICY_NAME_CHARACTERS: usize = 1024;
/// Units in one search of restore points.
pub const UNITS_PER_SEARCH: usize = 20;
/// Restore sessions in `activating` or `active` at once, for each tenant.
pub const ACTIVE_RESTORE_SESSIONS: u64 = 25;
/// Active policies for each workload.
pub const ACTIVE_POLICIES_PER_WORKLOAD: u64 = 100;
/// Points in a page of the restore point list when the caller does not say.
pub const RESTORE_POINTS_PAGE: u32 = 5;
/// Objects in a page of any other list when the caller does not say.
pub const PAGE: u32 = 100;
/// The largest page a caller may ask for.
pub const PAGE_MAX: u32 = 999;
/// Bytes of a request body to the backup API.
pub const BODY_BYTES: usize = 16 * 1024 * 1024;
/// Comparisons in one `$filter`; more is 400 `FilterLengthExceeded`.
pub const FILTER_TERMS: usize = 100;
/// Requests in one `$batch`.
pub const BATCH_REQUESTS: usize = 20;
/// Reads of one `$batch` that are carried out at the same time.
pub const BATCH_REQUESTS_AT_ONCE: usize = 4;

/// Time between two backups of a unit, unless configured.
pub const BACKUP_INTERVAL: Duration = Duration::from_secs(10 * 60);
/// How long a shorter recovery window waits before it destroys points.
pub const RETENTION_GRACE: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Time between two evaluations of a dynamic rule, and of a policy for the whole workload.
pub const RULE_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);
/// From `offboard` to the end of the data.
pub const OFFBOARD_GRACE: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// How long the answer to a search of restore points can be referred to.
pub const SEARCH_RESPONSE: Duration = Duration::from_secs(24 * 60 * 60);
/// Least and longest time from `activate` of a second controller to its control.
pub const CONTROLLER_HANDOVER: (Duration, Duration) =
    (Duration::from_secs(7 * 24 * 60 * 60), Duration::from_secs(30 * 24 * 60 * 60));
/// How long protection goes on after the controller was deleted.
pub const CONTROLLER_GRACE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How long restores stay possible after protection was locked.
pub const RESTORE_GRACE: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How long a browse session can be used.
pub const BROWSE_SESSION: Duration = Duration::from_secs(72 * 60 * 60);
/// Entries of one bulk addition or exclusion job.
pub const BULK_JOB_ENTRIES: usize = 50_000;
/// Names in one bulk restore request.
pub const BULK_RESTORE_NAMES: usize = 10_000;
/// Groups in one rule; more is 413 `InvalidRuleExpressionGroupLimitExceeded`.
pub const GROUPS_PER_RULE: usize = 100;
/// Recipients of notifications.
pub const NOTIFICATION_RECIPIENTS: usize = 20;
/// The hour of the day, in UTC, at which the digests of the day before go out.
pub const DIGEST_HOUR: u8 = 6;
/// Notices that one digest counts; those beyond are told by another one right after.
pub const DIGEST_NOTICES: u32 = 20_000;
/// Notices that one digest tells of; it says how many more there were.
pub const DIGEST_LINES: usize = 500;
/// How long a mail that no server takes is tried.
pub const MAIL_PATIENCE: Duration = Duration::from_secs(3 * 24 * 60 * 60);
/// How long mails stay readable.
pub const MAIL_KEPT: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// How long a claimed job belongs to its worker without a sign of life.
pub const LEASE: Duration = Duration::from_secs(60);
/// A writer stops this long before its lease ends.
pub const LEASE_MARGIN: Duration = Duration::from_secs(10);
/// Attempts of a job before it is given up.
pub const JOB_ATTEMPTS: u32 = 5;
/// Items of a restored artifact's failures shown in its `error`; all are under `/holdfast/v1`.
pub const FAILURES_SHOWN: usize = 10;
