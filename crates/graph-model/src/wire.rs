//! Graph's types as we send them. Names and nesting are checked against `spec/types.json`.
//!
//! What is `None` is left out, except where the field says that it is sent as null. Times are ISO 8601 in UTC.

use serde::Serialize;

use crate::Rendered;

/// `microsoft.graph.identity`
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    pub id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
}

/// `microsoft.graph.identitySet`
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IdentitySet {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application: Option<Identity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<Identity>,
}

/// The four properties that most objects share.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stamps {
    pub created_by: IdentitySet,
    pub created_date_time: String,
    pub last_modified_by: IdentitySet,
    pub last_modified_date_time: String,
}

/// `microsoft.graph.publicError`
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PublicError {
    pub code: String,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    pub details: Vec<PublicErrorDetail>,
}

/// `microsoft.graph.publicErrorDetail`
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PublicErrorDetail {
    pub code: String,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

/// `microsoft.graph.serviceStatus`
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceStatus {
    pub status: Rendered,
    pub disable_reason: Rendered,
    pub backup_service_consumer: Rendered,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace_period_date_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restore_allowed_till_date_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_modified_by: Option<IdentitySet>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_modified_date_time: Option<String>,
}

/// `microsoft.graph.backupRestoreRoot`
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupRestoreRoot {
    pub service_status: ServiceStatus,
}

/// `microsoft.graph.retentionSetting`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RetentionSetting {
    pub interval: String,
    pub period: String,
}

/// `microsoft.graph.protectionPolicyArtifactCount` and `microsoft.graph.restoreSessionArtifactCount`, which are alike.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ArtifactCount {
    pub total: u64,
    pub completed: u64,
    pub in_progress: u64,
    pub failed: u64,
}

/// `microsoft.graph.protectionPolicyBase` and the types that derive from it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProtectionPolicy {
    #[serde(rename = "@odata.type")]
    pub odata_type: &'static str,
    pub id: String,
    pub display_name: String,
    pub status: Rendered,
    pub is_enabled: bool,
    pub retention_settings: Vec<RetentionSetting>,
    /// Only when `$select` names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protection_policy_artifact_count: Option<ArtifactCount>,
    #[serde(flatten)]
    pub stamps: Stamps,
}

/// `microsoft.graph.siteProtectionUnit`
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SiteProtectionUnit {
    #[serde(rename = "@odata.type")]
    pub odata_type: &'static str,
    pub id: String,
    pub site_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site_web_url: Option<String>,
    /// Empty when detached.
    pub policy_id: String,
    pub status: Rendered,
    pub protection_sources: Rendered,
    pub offboard_requested_date_time: String,
    /// Sent as null when there is none.
    pub error: Option<PublicError>,
    #[serde(flatten)]
    pub stamps: Stamps,
}

/// `microsoft.graph.restorePoint`
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RestorePoint {
    #[serde(rename = "@odata.type")]
    pub odata_type: &'static str,
    pub id: String,
    pub protection_date_time: String,
    pub expiration_date_time: String,
    pub tags: Rendered,
    /// Only when expanded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protection_unit: Option<SiteProtectionUnit>,
}

/// `microsoft.graph.restorePointSearchResponse`
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RestorePointSearchResponse {
    pub search_response_id: String,
    pub search_results: Vec<RestorePointSearchResult>,
    pub no_result_protection_unit_ids: Vec<String>,
}

/// `microsoft.graph.restorePointSearchResult`
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RestorePointSearchResult {
    pub restore_point: RestorePoint,
}

/// `microsoft.graph.restoreSessionBase` and the types that derive from it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RestoreSession {
    #[serde(rename = "@odata.type")]
    pub odata_type: &'static str,
    pub id: String,
    pub status: Rendered,
    pub restore_job_type: Rendered,
    pub restore_session_artifact_count: ArtifactCount,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_date_time: Option<String>,
    /// Sent as null when there is none.
    pub error: Option<PublicError>,
    #[serde(flatten)]
    pub stamps: Stamps,
}

/// A restore point as its artifacts show it: a reference, or the times as well.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RestorePointReference {
    pub id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protection_date_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiration_date_time: Option<String>,
}

/// `microsoft.graph.siteRestoreArtifact`
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SiteRestoreArtifact {
    #[serde(rename = "@odata.type")]
    pub odata_type: &'static str,
    pub id: String,
    pub destination_type: Rendered,
    pub status: Rendered,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_date_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_date_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restored_site_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restored_site_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restored_site_web_url: Option<String>,
    /// Sent as null when there is none.
    pub error: Option<PublicError>,
    pub restore_point: RestorePointReference,
}

/// An artifact in the answer to an update, as `spec/examples/sharePointRestoreSessions.update.json` shows it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangedArtifact {
    pub id: String,
    pub restore_point: RestorePointReference,
    pub destination_type: Rendered,
    pub status: Rendered,
    pub created_date_time: String,
}

/// One entry of a `@delta` collection that could not be carried out.
#[derive(Debug, Clone, Serialize)]
pub struct FailedChange {
    #[serde(rename = "@contentId")]
    pub content_id: String,
    #[serde(rename = "@Core.DataModificationException")]
    pub exception: DataModificationException,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The site that could not be added to a policy.
    #[serde(rename = "siteId", skip_serializing_if = "Option::is_none")]
    pub site_id: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DataModificationException {
    pub info: DataModificationInfo,
    pub failed_operation: &'static str,
    pub response_code: u16,
}

#[derive(Debug, Clone, Serialize)]
pub struct DataModificationInfo {
    pub code: &'static str,
    pub message: String,
}
