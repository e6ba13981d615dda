//! Every operation that is served, in URL order, each with its id in `spec/operations.json`, from which its permissions come.
//!
//! Paths are below `/solutions/backupRestore` of both versions, or below `/holdfast/v1`. What the contract has and this list
//! lacks is refused by name with 405: writes that no page describes. Whatever is documented or reads is in the list.

use std::borrow::Cow;
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::LazyLock;

use axum::http::Method;
use holdfast_domain::Workload::{Exchange, OneDrive, SharePoint};
use holdfast_graph_model::{ErrorCode, Operation, operations};

use crate::activity_logs::ActivityLogs;
use crate::address::{Address, Root, Segment};
use crate::answer::Answer;
use crate::artifacts::{GranularArtifacts, WholeArtifacts};
use crate::browse_sessions::BrowseSessions;
use crate::bulk_jobs::{AdditionJobs, ExclusionJobs};
use crate::call::Call;
use crate::collection::{At, count, get, list};
use crate::exclusions::Exclusions;
use crate::policies::Policies;
use crate::problem::Problem;
use crate::restore_points::RestorePoints;
use crate::restore_sessions::Sessions;
use crate::restore_sessions::bulk_requests::BulkRequests;
use crate::rules::Rules;
use crate::service_apps::ServiceApps;
use crate::units::Units;
use crate::{
    artifacts, browse_sessions, bulk_jobs, entra, holdfast, notifications, policies, reports,
    restore_points, restore_sessions, rules, service, service_apps, units,
};

pub(crate) type Handler = fn(Call) -> Answering;
type Answering = Pin<Box<dyn Future<Output = Result<Answer, Problem>> + Send>>;

pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) operation: &'static str,
    pub(crate) handler: Handler,
}

macro_rules! routes {
    ($($method:ident $path:literal $operation:literal $handler:path $(: $argument:expr)?;)*) => {
        &[$(Route {
            method: Method::$method,
            path: $path,
            operation: $operation,
            handler: |call| Box::pin($handler(call $(, $argument)?)),
        },)*]
    };
}

pub(crate) const GRAPH: &[Route] = routes! {
    GET "" "backupRestore.get" service::get::get_service;

    GET "/activityLogs" "activityLogs.list" list::<ActivityLogs>: At::All;
    GET "/activityLogs/$count" "activityLogs.count" count::<ActivityLogs>: At::All;
    GET "/activityLogs/{id}" "activityLogs.get" get::<ActivityLogs>: At::All;

    GET "/driveExclusionUnits" "driveExclusionUnits.list" list::<Exclusions>: At::Of(OneDrive);
    GET "/driveExclusionUnits/$count" "driveExclusionUnits.count" count::<Exclusions>: At::Of(OneDrive);
    GET "/driveExclusionUnits/{id}" "driveExclusionUnits.get" get::<Exclusions>: At::Of(OneDrive);

    GET "/driveExclusionUnitsBulkAdditionJobs" "driveExclusionUnitsBulkAdditionJobs.list" list::<ExclusionJobs>: At::Of(OneDrive);
    GET "/driveExclusionUnitsBulkAdditionJobs/$count" "driveExclusionUnitsBulkAdditionJobs.count" count::<ExclusionJobs>: At::Of(OneDrive);
    GET "/driveExclusionUnitsBulkAdditionJobs/{id}" "driveExclusionUnitsBulkAdditionJobs.get" get::<ExclusionJobs>: At::Of(OneDrive);

    GET "/browseSessions" "browseSessions.list" list::<BrowseSessions>: At::All;
    POST "/browseSessions" "browseSessions.create" browse_sessions::create::create_browse_session_of_named_type;
    GET "/browseSessions/$count" "browseSessions.count" count::<BrowseSessions>: At::All;
    GET "/browseSessions/{id}" "browseSessions.get" get::<BrowseSessions>: At::All;
    POST "/browseSessions/{id}/browse" "browseSessions.browse" browse_sessions::browse::browse: At::All;
    GET "/browseSessions/{id}/browse(nextFetchToken='{nextFetchToken}')" "browseSessions.browse.nextByToken" browse_sessions::browse::browse_next_by_token: At::All;

    GET "/driveInclusionRules" "driveInclusionRules.list" list::<Rules>: At::Of(OneDrive);
    GET "/driveInclusionRules/$count" "driveInclusionRules.count" count::<Rules>: At::Of(OneDrive);
    GET "/driveInclusionRules/{id}" "driveInclusionRules.get" get::<Rules>: At::Of(OneDrive);

    GET "/driveProtectionUnits" "driveProtectionUnits.list" list::<Units>: At::Of(OneDrive);
    GET "/driveProtectionUnits/$count" "driveProtectionUnits.count" count::<Units>: At::Of(OneDrive);
    GET "/driveProtectionUnits/{id}" "driveProtectionUnits.get" get::<Units>: At::Of(OneDrive);
    PATCH "/driveProtectionUnits/{id}" "driveProtectionUnits.update" units::update::update_unit: OneDrive;

    GET "/driveProtectionUnitsBulkAdditionJobs" "driveProtectionUnitsBulkAdditionJobs.list" list::<AdditionJobs>: At::Of(OneDrive);
    GET "/driveProtectionUnitsBulkAdditionJobs/$count" "driveProtectionUnitsBulkAdditionJobs.count" count::<AdditionJobs>: At::Of(OneDrive);
    GET "/driveProtectionUnitsBulkAdditionJobs/{id}" "driveProtectionUnitsBulkAdditionJobs.get" get::<AdditionJobs>: At::Of(OneDrive);

    GET "/emailNotificationsSetting" "emailNotificationsSetting.get" notifications::get_setting;
    PATCH "/emailNotificationsSetting" "emailNotificationsSetting.update" notifications::update_setting;

    POST "/enable" "enable" service::enable::enable_service;

    GET "/entraProtectionPolicies" "entraProtectionPolicies.list" entra::list_entra_policies;
    GET "/entraProtectionPolicies/$count" "entraProtectionPolicies.count" entra::count_entra_policies;
    GET "/entraProtectionPolicies/{id}" "entraProtectionPolicies.get" entra::get_entra_policy;

    GET "/exchangeProtectionPolicies" "exchangeProtectionPolicies.list" list::<Policies>: At::Of(Exchange);
    POST "/exchangeProtectionPolicies" "exchangeProtectionPolicies.create" policies::create::create_policy: Exchange;
    GET "/exchangeProtectionPolicies/$count" "exchangeProtectionPolicies.count" count::<Policies>: At::Of(Exchange);
    GET "/exchangeProtectionPolicies/{id}" "exchangeProtectionPolicies.get" get::<Policies>: At::Of(Exchange);
    PATCH "/exchangeProtectionPolicies/{id}" "exchangeProtectionPolicies.update" policies::update::update_policy: Exchange;
    DELETE "/exchangeProtectionPolicies/{id}" "exchangeProtectionPolicies.delete" policies::delete::delete_policy: Some(Exchange);
    GET "/exchangeProtectionPolicies/{id}/mailboxExclusionUnits" "exchangeProtectionPolicies.mailboxExclusionUnits.list" list::<Exclusions>: At::In(Exchange);
    GET "/exchangeProtectionPolicies/{id}/mailboxExclusionUnits/$count" "exchangeProtectionPolicies.mailboxExclusionUnits.count" count::<Exclusions>: At::In(Exchange);
    GET "/exchangeProtectionPolicies/{id}/mailboxExclusionUnits/{id}" "exchangeProtectionPolicies.mailboxExclusionUnits.get" get::<Exclusions>: At::In(Exchange);
    GET "/exchangeProtectionPolicies/{id}/mailboxExclusionUnitsBulkAdditionJobs" "exchangeProtectionPolicies.mailboxExclusionUnitsBulkAdditionJobs.list" list::<ExclusionJobs>: At::In(Exchange);
    POST "/exchangeProtectionPolicies/{id}/mailboxExclusionUnitsBulkAdditionJobs" "exchangeProtectionPolicies.mailboxExclusionUnitsBulkAdditionJobs.create" bulk_jobs::create_exclusion_job: Exchange;
    GET "/exchangeProtectionPolicies/{id}/mailboxExclusionUnitsBulkAdditionJobs/$count" "exchangeProtectionPolicies.mailboxExclusionUnitsBulkAdditionJobs.count" count::<ExclusionJobs>: At::In(Exchange);
    GET "/exchangeProtectionPolicies/{id}/mailboxExclusionUnitsBulkAdditionJobs/{id}" "exchangeProtectionPolicies.mailboxExclusionUnitsBulkAdditionJobs.get" get::<ExclusionJobs>: At::In(Exchange);
    GET "/exchangeProtectionPolicies/{id}/mailboxInclusionRules" "exchangeProtectionPolicies.mailboxInclusionRules.list" list::<Rules>: At::In(Exchange);
    POST "/exchangeProtectionPolicies/{id}/mailboxInclusionRules" "exchangeProtectionPolicies.mailboxInclusionRules.create" rules::create_rule: Exchange;
    GET "/exchangeProtectionPolicies/{id}/mailboxInclusionRules/$count" "exchangeProtectionPolicies.mailboxInclusionRules.count" count::<Rules>: At::In(Exchange);
    GET "/exchangeProtectionPolicies/{id}/mailboxInclusionRules/{id}" "exchangeProtectionPolicies.mailboxInclusionRules.get" get::<Rules>: At::In(Exchange);
    PATCH "/exchangeProtectionPolicies/{id}/mailboxInclusionRules/{id}" "exchangeProtectionPolicies.mailboxInclusionRules.update" rules::update_rule: Exchange;
    DELETE "/exchangeProtectionPolicies/{id}/mailboxInclusionRules/{id}" "exchangeProtectionPolicies.mailboxInclusionRules.delete" rules::delete_rule: Exchange;
    POST "/exchangeProtectionPolicies/{id}/mailboxInclusionRules/{id}/deleteAndUnprotect" "exchangeProtectionPolicies.mailboxInclusionRules.deleteAndUnprotect" rules::delete_and_unprotect_rule: Exchange;
    POST "/exchangeProtectionPolicies/{id}/mailboxInclusionRules/{id}/run" "exchangeProtectionPolicies.mailboxInclusionRules.run" rules::run_rule: Exchange;
    GET "/exchangeProtectionPolicies/{id}/mailboxProtectionUnits" "exchangeProtectionPolicies.mailboxProtectionUnits.list" list::<Units>: At::In(Exchange);
    GET "/exchangeProtectionPolicies/{id}/mailboxProtectionUnits/$count" "exchangeProtectionPolicies.mailboxProtectionUnits.count" count::<Units>: At::In(Exchange);
    GET "/exchangeProtectionPolicies/{id}/mailboxProtectionUnits/{id}" "exchangeProtectionPolicies.mailboxProtectionUnits.get" get::<Units>: At::In(Exchange);
    GET "/exchangeProtectionPolicies/{id}/mailboxProtectionUnitsBulkAdditionJobs" "exchangeProtectionPolicies.mailboxProtectionUnitsBulkAdditionJobs.list" list::<AdditionJobs>: At::In(Exchange);
    POST "/exchangeProtectionPolicies/{id}/mailboxProtectionUnitsBulkAdditionJobs" "exchangeProtectionPolicies.mailboxProtectionUnitsBulkAdditionJobs.create" bulk_jobs::create_addition_job: Exchange;
    GET "/exchangeProtectionPolicies/{id}/mailboxProtectionUnitsBulkAdditionJobs/$count" "exchangeProtectionPolicies.mailboxProtectionUnitsBulkAdditionJobs.count" count::<AdditionJobs>: At::In(Exchange);
    GET "/exchangeProtectionPolicies/{id}/mailboxProtectionUnitsBulkAdditionJobs/{id}" "exchangeProtectionPolicies.mailboxProtectionUnitsBulkAdditionJobs.get" get::<AdditionJobs>: At::In(Exchange);

    GET "/exchangeRestoreSessions" "exchangeRestoreSessions.list" list::<Sessions>: At::Of(Exchange);
    POST "/exchangeRestoreSessions" "exchangeRestoreSessions.create" restore_sessions::create::create_restore_session: Exchange;
    GET "/exchangeRestoreSessions/$count" "exchangeRestoreSessions.count" count::<Sessions>: At::Of(Exchange);
    GET "/exchangeRestoreSessions/{id}" "exchangeRestoreSessions.get" get::<Sessions>: At::Of(Exchange);
    PATCH "/exchangeRestoreSessions/{id}" "exchangeRestoreSessions.update" restore_sessions::update::update_restore_session: Exchange;
    DELETE "/exchangeRestoreSessions/{id}" "exchangeRestoreSessions.delete" restore_sessions::delete::delete_restore_session: Some(Exchange);
    GET "/exchangeRestoreSessions/{id}/granularMailboxRestoreArtifacts" "exchangeRestoreSessions.granularMailboxRestoreArtifacts.list" list::<GranularArtifacts>: At::In(Exchange);
    GET "/exchangeRestoreSessions/{id}/granularMailboxRestoreArtifacts/$count" "exchangeRestoreSessions.granularMailboxRestoreArtifacts.count" count::<GranularArtifacts>: At::In(Exchange);
    GET "/exchangeRestoreSessions/{id}/granularMailboxRestoreArtifacts/{id}" "exchangeRestoreSessions.granularMailboxRestoreArtifacts.get" get::<GranularArtifacts>: At::In(Exchange);
    GET "/exchangeRestoreSessions/{id}/granularMailboxRestoreArtifacts/{id}/restorePoint" "exchangeRestoreSessions.granularMailboxRestoreArtifacts.restorePoint.get" artifacts::get_restore_point::<GranularArtifacts>: At::In(Exchange);
    GET "/exchangeRestoreSessions/{id}/mailboxRestoreArtifacts" "exchangeRestoreSessions.mailboxRestoreArtifacts.list" list::<WholeArtifacts>: At::In(Exchange);
    GET "/exchangeRestoreSessions/{id}/mailboxRestoreArtifacts/$count" "exchangeRestoreSessions.mailboxRestoreArtifacts.count" count::<WholeArtifacts>: At::In(Exchange);
    GET "/exchangeRestoreSessions/{id}/mailboxRestoreArtifacts/{id}" "exchangeRestoreSessions.mailboxRestoreArtifacts.get" get::<WholeArtifacts>: At::In(Exchange);
    GET "/exchangeRestoreSessions/{id}/mailboxRestoreArtifacts/{id}/restorePoint" "exchangeRestoreSessions.mailboxRestoreArtifacts.restorePoint.get" artifacts::get_restore_point::<WholeArtifacts>: At::In(Exchange);
    GET "/exchangeRestoreSessions/{id}/mailboxRestoreArtifactsBulkAdditionRequests" "exchangeRestoreSessions.mailboxRestoreArtifactsBulkAdditionRequests.list" list::<BulkRequests>: At::In(Exchange);
    POST "/exchangeRestoreSessions/{id}/mailboxRestoreArtifactsBulkAdditionRequests" "exchangeRestoreSessions.mailboxRestoreArtifactsBulkAdditionRequests.create" restore_sessions::bulk_requests::create_bulk_request: Exchange;
    GET "/exchangeRestoreSessions/{id}/mailboxRestoreArtifactsBulkAdditionRequests/$count" "exchangeRestoreSessions.mailboxRestoreArtifactsBulkAdditionRequests.count" count::<BulkRequests>: At::In(Exchange);
    GET "/exchangeRestoreSessions/{id}/mailboxRestoreArtifactsBulkAdditionRequests/{id}" "exchangeRestoreSessions.mailboxRestoreArtifactsBulkAdditionRequests.get" get::<BulkRequests>: At::In(Exchange);
    DELETE "/exchangeRestoreSessions/{id}/mailboxRestoreArtifactsBulkAdditionRequests/{id}" "exchangeRestoreSessions.mailboxRestoreArtifactsBulkAdditionRequests.delete" restore_sessions::bulk_requests::delete_bulk_request: Exchange;

    GET "/exclusionUnits" "exclusionUnits.list" list::<Exclusions>: At::All;
    GET "/exclusionUnits/$count" "exclusionUnits.count" count::<Exclusions>: At::All;
    GET "/exclusionUnits/{id}" "exclusionUnits.get" get::<Exclusions>: At::All;

    GET "/mailboxExclusionUnits" "mailboxExclusionUnits.list" list::<Exclusions>: At::Of(Exchange);
    GET "/mailboxExclusionUnits/$count" "mailboxExclusionUnits.count" count::<Exclusions>: At::Of(Exchange);
    GET "/mailboxExclusionUnits/{id}" "mailboxExclusionUnits.get" get::<Exclusions>: At::Of(Exchange);

    GET "/mailboxExclusionUnitsBulkAdditionJobs" "mailboxExclusionUnitsBulkAdditionJobs.list" list::<ExclusionJobs>: At::Of(Exchange);
    GET "/mailboxExclusionUnitsBulkAdditionJobs/$count" "mailboxExclusionUnitsBulkAdditionJobs.count" count::<ExclusionJobs>: At::Of(Exchange);
    GET "/mailboxExclusionUnitsBulkAdditionJobs/{id}" "mailboxExclusionUnitsBulkAdditionJobs.get" get::<ExclusionJobs>: At::Of(Exchange);

    GET "/mailboxInclusionRules" "mailboxInclusionRules.list" list::<Rules>: At::Of(Exchange);
    GET "/mailboxInclusionRules/$count" "mailboxInclusionRules.count" count::<Rules>: At::Of(Exchange);
    GET "/mailboxInclusionRules/{id}" "mailboxInclusionRules.get" get::<Rules>: At::Of(Exchange);

    GET "/mailboxProtectionUnits" "mailboxProtectionUnits.list" list::<Units>: At::Of(Exchange);
    GET "/mailboxProtectionUnits/$count" "mailboxProtectionUnits.count" count::<Units>: At::Of(Exchange);
    GET "/mailboxProtectionUnits/{id}" "mailboxProtectionUnits.get" get::<Units>: At::Of(Exchange);
    PATCH "/mailboxProtectionUnits/{id}" "mailboxProtectionUnits.update" units::update::update_unit: Exchange;

    GET "/mailboxProtectionUnitsBulkAdditionJobs" "mailboxProtectionUnitsBulkAdditionJobs.list" list::<AdditionJobs>: At::Of(Exchange);
    GET "/mailboxProtectionUnitsBulkAdditionJobs/$count" "mailboxProtectionUnitsBulkAdditionJobs.count" count::<AdditionJobs>: At::Of(Exchange);
    GET "/mailboxProtectionUnitsBulkAdditionJobs/{id}" "mailboxProtectionUnitsBulkAdditionJobs.get" get::<AdditionJobs>: At::Of(Exchange);

    GET "/oneDriveForBusinessBrowseSessions" "oneDriveForBusinessBrowseSessions.list" list::<BrowseSessions>: At::Of(OneDrive);
    POST "/oneDriveForBusinessBrowseSessions" "oneDriveForBusinessBrowseSessions.create" browse_sessions::create::create_browse_session: OneDrive;
    GET "/oneDriveForBusinessBrowseSessions/$count" "oneDriveForBusinessBrowseSessions.count" count::<BrowseSessions>: At::Of(OneDrive);
    GET "/oneDriveForBusinessBrowseSessions/{id}" "oneDriveForBusinessBrowseSessions.get" get::<BrowseSessions>: At::Of(OneDrive);
    GET "/oneDriveForBusinessBrowseSessions/{id}/browse" "oneDriveForBusinessBrowseSessions.browse.next" browse_sessions::browse::browse_next: At::Of(OneDrive);
    POST "/oneDriveForBusinessBrowseSessions/{id}/browse" "oneDriveForBusinessBrowseSessions.browse" browse_sessions::browse::browse: At::Of(OneDrive);
    GET "/oneDriveForBusinessBrowseSessions/{id}/browse(nextFetchToken='{nextFetchToken}')" "oneDriveForBusinessBrowseSessions.browse.nextByToken" browse_sessions::browse::browse_next_by_token: At::Of(OneDrive);

    GET "/oneDriveForBusinessProtectionPolicies" "oneDriveForBusinessProtectionPolicies.list" list::<Policies>: At::Of(OneDrive);
    POST "/oneDriveForBusinessProtectionPolicies" "oneDriveForBusinessProtectionPolicies.create" policies::create::create_policy: OneDrive;
    GET "/oneDriveForBusinessProtectionPolicies/$count" "oneDriveForBusinessProtectionPolicies.count" count::<Policies>: At::Of(OneDrive);
    GET "/oneDriveForBusinessProtectionPolicies/{id}" "oneDriveForBusinessProtectionPolicies.get" get::<Policies>: At::Of(OneDrive);
    PATCH "/oneDriveForBusinessProtectionPolicies/{id}" "oneDriveForBusinessProtectionPolicies.update" policies::update::update_policy: OneDrive;
    DELETE "/oneDriveForBusinessProtectionPolicies/{id}" "oneDriveForBusinessProtectionPolicies.delete" policies::delete::delete_policy: Some(OneDrive);
    GET "/oneDriveForBusinessProtectionPolicies/{id}/driveExclusionUnits" "oneDriveForBusinessProtectionPolicies.driveExclusionUnits.list" list::<Exclusions>: At::In(OneDrive);
    GET "/oneDriveForBusinessProtectionPolicies/{id}/driveExclusionUnits/$count" "oneDriveForBusinessProtectionPolicies.driveExclusionUnits.count" count::<Exclusions>: At::In(OneDrive);
    GET "/oneDriveForBusinessProtectionPolicies/{id}/driveExclusionUnits/{id}" "oneDriveForBusinessProtectionPolicies.driveExclusionUnits.get" get::<Exclusions>: At::In(OneDrive);
    GET "/oneDriveForBusinessProtectionPolicies/{id}/driveExclusionUnitsBulkAdditionJobs" "oneDriveForBusinessProtectionPolicies.driveExclusionUnitsBulkAdditionJobs.list" list::<ExclusionJobs>: At::In(OneDrive);
    POST "/oneDriveForBusinessProtectionPolicies/{id}/driveExclusionUnitsBulkAdditionJobs" "oneDriveForBusinessProtectionPolicies.driveExclusionUnitsBulkAdditionJobs.create" bulk_jobs::create_exclusion_job: OneDrive;
    GET "/oneDriveForBusinessProtectionPolicies/{id}/driveExclusionUnitsBulkAdditionJobs/$count" "oneDriveForBusinessProtectionPolicies.driveExclusionUnitsBulkAdditionJobs.count" count::<ExclusionJobs>: At::In(OneDrive);
    GET "/oneDriveForBusinessProtectionPolicies/{id}/driveExclusionUnitsBulkAdditionJobs/{id}" "oneDriveForBusinessProtectionPolicies.driveExclusionUnitsBulkAdditionJobs.get" get::<ExclusionJobs>: At::In(OneDrive);
    GET "/oneDriveForBusinessProtectionPolicies/{id}/driveInclusionRules" "oneDriveForBusinessProtectionPolicies.driveInclusionRules.list" list::<Rules>: At::In(OneDrive);
    POST "/oneDriveForBusinessProtectionPolicies/{id}/driveInclusionRules" "oneDriveForBusinessProtectionPolicies.driveInclusionRules.create" rules::create_rule: OneDrive;
    GET "/oneDriveForBusinessProtectionPolicies/{id}/driveInclusionRules/$count" "oneDriveForBusinessProtectionPolicies.driveInclusionRules.count" count::<Rules>: At::In(OneDrive);
    GET "/oneDriveForBusinessProtectionPolicies/{id}/driveInclusionRules/{id}" "oneDriveForBusinessProtectionPolicies.driveInclusionRules.get" get::<Rules>: At::In(OneDrive);
    PATCH "/oneDriveForBusinessProtectionPolicies/{id}/driveInclusionRules/{id}" "oneDriveForBusinessProtectionPolicies.driveInclusionRules.update" rules::update_rule: OneDrive;
    DELETE "/oneDriveForBusinessProtectionPolicies/{id}/driveInclusionRules/{id}" "oneDriveForBusinessProtectionPolicies.driveInclusionRules.delete" rules::delete_rule: OneDrive;
    POST "/oneDriveForBusinessProtectionPolicies/{id}/driveInclusionRules/{id}/deleteAndUnprotect" "oneDriveForBusinessProtectionPolicies.driveInclusionRules.deleteAndUnprotect" rules::delete_and_unprotect_rule: OneDrive;
    POST "/oneDriveForBusinessProtectionPolicies/{id}/driveInclusionRules/{id}/run" "oneDriveForBusinessProtectionPolicies.driveInclusionRules.run" rules::run_rule: OneDrive;
    GET "/oneDriveForBusinessProtectionPolicies/{id}/driveProtectionUnits" "oneDriveForBusinessProtectionPolicies.driveProtectionUnits.list" list::<Units>: At::In(OneDrive);
    GET "/oneDriveForBusinessProtectionPolicies/{id}/driveProtectionUnits/$count" "oneDriveForBusinessProtectionPolicies.driveProtectionUnits.count" count::<Units>: At::In(OneDrive);
    GET "/oneDriveForBusinessProtectionPolicies/{id}/driveProtectionUnits/{id}" "oneDriveForBusinessProtectionPolicies.driveProtectionUnits.get" get::<Units>: At::In(OneDrive);
    GET "/oneDriveForBusinessProtectionPolicies/{id}/driveProtectionUnitsBulkAdditionJobs" "oneDriveForBusinessProtectionPolicies.driveProtectionUnitsBulkAdditionJobs.list" list::<AdditionJobs>: At::In(OneDrive);
    POST "/oneDriveForBusinessProtectionPolicies/{id}/driveProtectionUnitsBulkAdditionJobs" "oneDriveForBusinessProtectionPolicies.driveProtectionUnitsBulkAdditionJobs.create" bulk_jobs::create_addition_job: OneDrive;
    GET "/oneDriveForBusinessProtectionPolicies/{id}/driveProtectionUnitsBulkAdditionJobs/$count" "oneDriveForBusinessProtectionPolicies.driveProtectionUnitsBulkAdditionJobs.count" count::<AdditionJobs>: At::In(OneDrive);
    GET "/oneDriveForBusinessProtectionPolicies/{id}/driveProtectionUnitsBulkAdditionJobs/{id}" "oneDriveForBusinessProtectionPolicies.driveProtectionUnitsBulkAdditionJobs.get" get::<AdditionJobs>: At::In(OneDrive);

    GET "/oneDriveForBusinessRestoreSessions" "oneDriveForBusinessRestoreSessions.list" list::<Sessions>: At::Of(OneDrive);
    POST "/oneDriveForBusinessRestoreSessions" "oneDriveForBusinessRestoreSessions.create" restore_sessions::create::create_restore_session: OneDrive;
    GET "/oneDriveForBusinessRestoreSessions/$count" "oneDriveForBusinessRestoreSessions.count" count::<Sessions>: At::Of(OneDrive);
    GET "/oneDriveForBusinessRestoreSessions/{id}" "oneDriveForBusinessRestoreSessions.get" get::<Sessions>: At::Of(OneDrive);
    PATCH "/oneDriveForBusinessRestoreSessions/{id}" "oneDriveForBusinessRestoreSessions.update" restore_sessions::update::update_restore_session: OneDrive;
    DELETE "/oneDriveForBusinessRestoreSessions/{id}" "oneDriveForBusinessRestoreSessions.delete" restore_sessions::delete::delete_restore_session: Some(OneDrive);
    GET "/oneDriveForBusinessRestoreSessions/{id}/driveRestoreArtifacts" "oneDriveForBusinessRestoreSessions.driveRestoreArtifacts.list" list::<WholeArtifacts>: At::In(OneDrive);
    GET "/oneDriveForBusinessRestoreSessions/{id}/driveRestoreArtifacts/$count" "oneDriveForBusinessRestoreSessions.driveRestoreArtifacts.count" count::<WholeArtifacts>: At::In(OneDrive);
    GET "/oneDriveForBusinessRestoreSessions/{id}/driveRestoreArtifacts/{id}" "oneDriveForBusinessRestoreSessions.driveRestoreArtifacts.get" get::<WholeArtifacts>: At::In(OneDrive);
    GET "/oneDriveForBusinessRestoreSessions/{id}/driveRestoreArtifacts/{id}/restorePoint" "oneDriveForBusinessRestoreSessions.driveRestoreArtifacts.restorePoint.get" artifacts::get_restore_point::<WholeArtifacts>: At::In(OneDrive);
    GET "/oneDriveForBusinessRestoreSessions/{id}/driveRestoreArtifactsBulkAdditionRequests" "oneDriveForBusinessRestoreSessions.driveRestoreArtifactsBulkAdditionRequests.list" list::<BulkRequests>: At::In(OneDrive);
    POST "/oneDriveForBusinessRestoreSessions/{id}/driveRestoreArtifactsBulkAdditionRequests" "oneDriveForBusinessRestoreSessions.driveRestoreArtifactsBulkAdditionRequests.create" restore_sessions::bulk_requests::create_bulk_request: OneDrive;
    GET "/oneDriveForBusinessRestoreSessions/{id}/driveRestoreArtifactsBulkAdditionRequests/$count" "oneDriveForBusinessRestoreSessions.driveRestoreArtifactsBulkAdditionRequests.count" count::<BulkRequests>: At::In(OneDrive);
    GET "/oneDriveForBusinessRestoreSessions/{id}/driveRestoreArtifactsBulkAdditionRequests/{id}" "oneDriveForBusinessRestoreSessions.driveRestoreArtifactsBulkAdditionRequests.get" get::<BulkRequests>: At::In(OneDrive);
    DELETE "/oneDriveForBusinessRestoreSessions/{id}/driveRestoreArtifactsBulkAdditionRequests/{id}" "oneDriveForBusinessRestoreSessions.driveRestoreArtifactsBulkAdditionRequests.delete" restore_sessions::bulk_requests::delete_bulk_request: OneDrive;
    GET "/oneDriveForBusinessRestoreSessions/{id}/granularDriveRestoreArtifacts" "oneDriveForBusinessRestoreSessions.granularDriveRestoreArtifacts.list" list::<GranularArtifacts>: At::In(OneDrive);
    GET "/oneDriveForBusinessRestoreSessions/{id}/granularDriveRestoreArtifacts/$count" "oneDriveForBusinessRestoreSessions.granularDriveRestoreArtifacts.count" count::<GranularArtifacts>: At::In(OneDrive);
    GET "/oneDriveForBusinessRestoreSessions/{id}/granularDriveRestoreArtifacts/{id}" "oneDriveForBusinessRestoreSessions.granularDriveRestoreArtifacts.get" get::<GranularArtifacts>: At::In(OneDrive);

    GET "/protectionPolicies" "protectionPolicies.list" list::<Policies>: At::All;
    POST "/protectionPolicies" "protectionPolicies.create" policies::create::create_policy_of_named_type;
    GET "/protectionPolicies/$count" "protectionPolicies.count" count::<Policies>: At::All;
    GET "/protectionPolicies/{id}" "protectionPolicies.get" get::<Policies>: At::All;
    DELETE "/protectionPolicies/{id}" "protectionPolicies.delete" policies::delete::delete_policy: None;
    POST "/protectionPolicies/{id}/activate" "protectionPolicies.activate" policies::activate::activate_policy;
    POST "/protectionPolicies/{id}/deactivate" "protectionPolicies.deactivate" policies::deactivate::deactivate_policy;

    GET "/protectionUnits" "protectionUnits.list" list::<Units>: At::All;
    GET "/protectionUnits/$count" "protectionUnits.count" count::<Units>: At::All;
    GET "/protectionUnits/graph.driveProtectionUnit" "protectionUnits.asDriveProtectionUnit.list" list::<Units>: At::Of(OneDrive);
    GET "/protectionUnits/graph.driveProtectionUnit/$count" "protectionUnits.asDriveProtectionUnit.count" count::<Units>: At::Of(OneDrive);
    GET "/protectionUnits/graph.mailboxProtectionUnit" "protectionUnits.asMailboxProtectionUnit.list" list::<Units>: At::Of(Exchange);
    GET "/protectionUnits/graph.mailboxProtectionUnit/$count" "protectionUnits.asMailboxProtectionUnit.count" count::<Units>: At::Of(Exchange);
    GET "/protectionUnits/graph.siteProtectionUnit" "protectionUnits.asSiteProtectionUnit.list" list::<Units>: At::Of(SharePoint);
    GET "/protectionUnits/graph.siteProtectionUnit/$count" "protectionUnits.asSiteProtectionUnit.count" count::<Units>: At::Of(SharePoint);
    GET "/protectionUnits/{id}" "protectionUnits.get" get::<Units>: At::All;
    POST "/protectionUnits/{id}/cancelOffboard" "protectionUnits.cancelOffboard" units::offboard::cancel_offboard_unit;
    GET "/protectionUnits/{id}/graph.driveProtectionUnit" "protectionUnits.asDriveProtectionUnit.get" get::<Units>: At::Of(OneDrive);
    GET "/protectionUnits/{id}/graph.mailboxProtectionUnit" "protectionUnits.asMailboxProtectionUnit.get" get::<Units>: At::Of(Exchange);
    GET "/protectionUnits/{id}/graph.siteProtectionUnit" "protectionUnits.asSiteProtectionUnit.get" get::<Units>: At::Of(SharePoint);
    POST "/protectionUnits/{id}/offboard" "protectionUnits.offboard" units::offboard::offboard_unit;

    GET "/reports" "reports.get" reports::get_reports;
    GET "/reports/getStatisticsByPolicy(policyId='{policyId}')" "reports.getStatisticsByPolicy" reports::get_statistics_by_policy;
    GET "/reports/getStatisticsByWorkload(workloadId='{workloadId}')" "reports.getStatisticsByWorkload" reports::get_statistics_by_workload;

    GET "/restorePoints" "restorePoints.list" list::<RestorePoints>: At::All;
    GET "/restorePoints/$count" "restorePoints.count" count::<RestorePoints>: At::All;
    POST "/restorePoints/search" "restorePoints.search" restore_points::search::search_restore_points;
    GET "/restorePoints/{id}" "restorePoints.get" get::<RestorePoints>: At::All;
    GET "/restorePoints/{id}/protectionUnit" "restorePoints.protectionUnit.get" restore_points::get_protection_unit;

    GET "/restoreSessions" "restoreSessions.list" list::<Sessions>: At::All;
    POST "/restoreSessions" "restoreSessions.create" restore_sessions::create::create_restore_session_of_named_type;
    GET "/restoreSessions/$count" "restoreSessions.count" count::<Sessions>: At::All;
    GET "/restoreSessions/{id}" "restoreSessions.get" get::<Sessions>: At::All;
    DELETE "/restoreSessions/{id}" "restoreSessions.delete" restore_sessions::delete::delete_restore_session: None;
    POST "/restoreSessions/{id}/activate" "restoreSessions.activate" restore_sessions::activate::activate_restore_session;

    GET "/serviceApps" "serviceApps.list" list::<ServiceApps>: At::All;
    POST "/serviceApps" "serviceApps.create" service_apps::create_service_app;
    GET "/serviceApps/$count" "serviceApps.count" count::<ServiceApps>: At::All;
    GET "/serviceApps/{id}" "serviceApps.get" get::<ServiceApps>: At::All;
    DELETE "/serviceApps/{id}" "serviceApps.delete" service_apps::delete_service_app;
    POST "/serviceApps/{id}/activate" "serviceApps.activate" service_apps::activate_service_app;
    POST "/serviceApps/{id}/deactivate" "serviceApps.deactivate" service_apps::deactivate_service_app;

    GET "/sharePointBrowseSessions" "sharePointBrowseSessions.list" list::<BrowseSessions>: At::Of(SharePoint);
    POST "/sharePointBrowseSessions" "sharePointBrowseSessions.create" browse_sessions::create::create_browse_session: SharePoint;
    GET "/sharePointBrowseSessions/$count" "sharePointBrowseSessions.count" count::<BrowseSessions>: At::Of(SharePoint);
    GET "/sharePointBrowseSessions/{id}" "sharePointBrowseSessions.get" get::<BrowseSessions>: At::Of(SharePoint);
    GET "/sharePointBrowseSessions/{id}/browse" "sharePointBrowseSessions.browse.next" browse_sessions::browse::browse_next: At::Of(SharePoint);
    POST "/sharePointBrowseSessions/{id}/browse" "sharePointBrowseSessions.browse" browse_sessions::browse::browse: At::Of(SharePoint);
    GET "/sharePointBrowseSessions/{id}/browse(nextFetchToken='{nextFetchToken}')" "sharePointBrowseSessions.browse.nextByToken" browse_sessions::browse::browse_next_by_token: At::Of(SharePoint);

    GET "/sharePointProtectionPolicies" "sharePointProtectionPolicies.list" list::<Policies>: At::Of(SharePoint);
    POST "/sharePointProtectionPolicies" "sharePointProtectionPolicies.create" policies::create::create_policy: SharePoint;
    GET "/sharePointProtectionPolicies/$count" "sharePointProtectionPolicies.count" count::<Policies>: At::Of(SharePoint);
    GET "/sharePointProtectionPolicies/{id}" "sharePointProtectionPolicies.get" get::<Policies>: At::Of(SharePoint);
    PATCH "/sharePointProtectionPolicies/{id}" "sharePointProtectionPolicies.update" policies::update::update_policy: SharePoint;
    DELETE "/sharePointProtectionPolicies/{id}" "sharePointProtectionPolicies.delete" policies::delete::delete_policy: Some(SharePoint);
    GET "/sharePointProtectionPolicies/{id}/siteExclusionUnits" "sharePointProtectionPolicies.siteExclusionUnits.list" list::<Exclusions>: At::In(SharePoint);
    GET "/sharePointProtectionPolicies/{id}/siteExclusionUnits/$count" "sharePointProtectionPolicies.siteExclusionUnits.count" count::<Exclusions>: At::In(SharePoint);
    GET "/sharePointProtectionPolicies/{id}/siteExclusionUnits/{id}" "sharePointProtectionPolicies.siteExclusionUnits.get" get::<Exclusions>: At::In(SharePoint);
    GET "/sharePointProtectionPolicies/{id}/siteExclusionUnitsBulkAdditionJobs" "sharePointProtectionPolicies.siteExclusionUnitsBulkAdditionJobs.list" list::<ExclusionJobs>: At::In(SharePoint);
    POST "/sharePointProtectionPolicies/{id}/siteExclusionUnitsBulkAdditionJobs" "sharePointProtectionPolicies.siteExclusionUnitsBulkAdditionJobs.create" bulk_jobs::create_exclusion_job: SharePoint;
    GET "/sharePointProtectionPolicies/{id}/siteExclusionUnitsBulkAdditionJobs/$count" "sharePointProtectionPolicies.siteExclusionUnitsBulkAdditionJobs.count" count::<ExclusionJobs>: At::In(SharePoint);
    GET "/sharePointProtectionPolicies/{id}/siteExclusionUnitsBulkAdditionJobs/{id}" "sharePointProtectionPolicies.siteExclusionUnitsBulkAdditionJobs.get" get::<ExclusionJobs>: At::In(SharePoint);
    GET "/sharePointProtectionPolicies/{id}/siteInclusionRules" "sharePointProtectionPolicies.siteInclusionRules.list" list::<Rules>: At::In(SharePoint);
    POST "/sharePointProtectionPolicies/{id}/siteInclusionRules" "sharePointProtectionPolicies.siteInclusionRules.create" rules::create_rule: SharePoint;
    GET "/sharePointProtectionPolicies/{id}/siteInclusionRules/$count" "sharePointProtectionPolicies.siteInclusionRules.count" count::<Rules>: At::In(SharePoint);
    GET "/sharePointProtectionPolicies/{id}/siteInclusionRules/{id}" "sharePointProtectionPolicies.siteInclusionRules.get" get::<Rules>: At::In(SharePoint);
    PATCH "/sharePointProtectionPolicies/{id}/siteInclusionRules/{id}" "sharePointProtectionPolicies.siteInclusionRules.update" rules::update_rule: SharePoint;
    DELETE "/sharePointProtectionPolicies/{id}/siteInclusionRules/{id}" "sharePointProtectionPolicies.siteInclusionRules.delete" rules::delete_rule: SharePoint;
    POST "/sharePointProtectionPolicies/{id}/siteInclusionRules/{id}/deleteAndUnprotect" "sharePointProtectionPolicies.siteInclusionRules.deleteAndUnprotect" rules::delete_and_unprotect_rule: SharePoint;
    POST "/sharePointProtectionPolicies/{id}/siteInclusionRules/{id}/run" "sharePointProtectionPolicies.siteInclusionRules.run" rules::run_rule: SharePoint;
    GET "/sharePointProtectionPolicies/{id}/siteProtectionUnits" "sharePointProtectionPolicies.siteProtectionUnits.list" list::<Units>: At::In(SharePoint);
    GET "/sharePointProtectionPolicies/{id}/siteProtectionUnits/$count" "sharePointProtectionPolicies.siteProtectionUnits.count" count::<Units>: At::In(SharePoint);
    GET "/sharePointProtectionPolicies/{id}/siteProtectionUnits/{id}" "sharePointProtectionPolicies.siteProtectionUnits.get" get::<Units>: At::In(SharePoint);
    GET "/sharePointProtectionPolicies/{id}/siteProtectionUnitsBulkAdditionJobs" "sharePointProtectionPolicies.siteProtectionUnitsBulkAdditionJobs.list" list::<AdditionJobs>: At::In(SharePoint);
    POST "/sharePointProtectionPolicies/{id}/siteProtectionUnitsBulkAdditionJobs" "sharePointProtectionPolicies.siteProtectionUnitsBulkAdditionJobs.create" bulk_jobs::create_addition_job: SharePoint;
    GET "/sharePointProtectionPolicies/{id}/siteProtectionUnitsBulkAdditionJobs/$count" "sharePointProtectionPolicies.siteProtectionUnitsBulkAdditionJobs.count" count::<AdditionJobs>: At::In(SharePoint);
    GET "/sharePointProtectionPolicies/{id}/siteProtectionUnitsBulkAdditionJobs/{id}" "sharePointProtectionPolicies.siteProtectionUnitsBulkAdditionJobs.get" get::<AdditionJobs>: At::In(SharePoint);

    GET "/sharePointRestoreSessions" "sharePointRestoreSessions.list" list::<Sessions>: At::Of(SharePoint);
    POST "/sharePointRestoreSessions" "sharePointRestoreSessions.create" restore_sessions::create::create_restore_session: SharePoint;
    GET "/sharePointRestoreSessions/$count" "sharePointRestoreSessions.count" count::<Sessions>: At::Of(SharePoint);
    GET "/sharePointRestoreSessions/{id}" "sharePointRestoreSessions.get" get::<Sessions>: At::Of(SharePoint);
    PATCH "/sharePointRestoreSessions/{id}" "sharePointRestoreSessions.update" restore_sessions::update::update_restore_session: SharePoint;
    DELETE "/sharePointRestoreSessions/{id}" "sharePointRestoreSessions.delete" restore_sessions::delete::delete_restore_session: Some(SharePoint);
    GET "/sharePointRestoreSessions/{id}/granularSiteRestoreArtifacts" "sharePointRestoreSessions.granularSiteRestoreArtifacts.list" list::<GranularArtifacts>: At::In(SharePoint);
    GET "/sharePointRestoreSessions/{id}/granularSiteRestoreArtifacts/$count" "sharePointRestoreSessions.granularSiteRestoreArtifacts.count" count::<GranularArtifacts>: At::In(SharePoint);
    GET "/sharePointRestoreSessions/{id}/granularSiteRestoreArtifacts/{id}" "sharePointRestoreSessions.granularSiteRestoreArtifacts.get" get::<GranularArtifacts>: At::In(SharePoint);
    GET "/sharePointRestoreSessions/{id}/siteRestoreArtifacts" "sharePointRestoreSessions.siteRestoreArtifacts.list" list::<WholeArtifacts>: At::In(SharePoint);
    GET "/sharePointRestoreSessions/{id}/siteRestoreArtifacts/$count" "sharePointRestoreSessions.siteRestoreArtifacts.count" count::<WholeArtifacts>: At::In(SharePoint);
    GET "/sharePointRestoreSessions/{id}/siteRestoreArtifacts/{id}" "sharePointRestoreSessions.siteRestoreArtifacts.get" get::<WholeArtifacts>: At::In(SharePoint);
    GET "/sharePointRestoreSessions/{id}/siteRestoreArtifacts/{id}/restorePoint" "sharePointRestoreSessions.siteRestoreArtifacts.restorePoint.get" artifacts::get_restore_point::<WholeArtifacts>: At::In(SharePoint);
    GET "/sharePointRestoreSessions/{id}/siteRestoreArtifactsBulkAdditionRequests" "sharePointRestoreSessions.siteRestoreArtifactsBulkAdditionRequests.list" list::<BulkRequests>: At::In(SharePoint);
    POST "/sharePointRestoreSessions/{id}/siteRestoreArtifactsBulkAdditionRequests" "sharePointRestoreSessions.siteRestoreArtifactsBulkAdditionRequests.create" restore_sessions::bulk_requests::create_bulk_request: SharePoint;
    GET "/sharePointRestoreSessions/{id}/siteRestoreArtifactsBulkAdditionRequests/$count" "sharePointRestoreSessions.siteRestoreArtifactsBulkAdditionRequests.count" count::<BulkRequests>: At::In(SharePoint);
    GET "/sharePointRestoreSessions/{id}/siteRestoreArtifactsBulkAdditionRequests/{id}" "sharePointRestoreSessions.siteRestoreArtifactsBulkAdditionRequests.get" get::<BulkRequests>: At::In(SharePoint);
    DELETE "/sharePointRestoreSessions/{id}/siteRestoreArtifactsBulkAdditionRequests/{id}" "sharePointRestoreSessions.siteRestoreArtifactsBulkAdditionRequests.delete" restore_sessions::bulk_requests::delete_bulk_request: SharePoint;

    GET "/siteExclusionUnits" "siteExclusionUnits.list" list::<Exclusions>: At::Of(SharePoint);
    GET "/siteExclusionUnits/$count" "siteExclusionUnits.count" count::<Exclusions>: At::Of(SharePoint);
    GET "/siteExclusionUnits/{id}" "siteExclusionUnits.get" get::<Exclusions>: At::Of(SharePoint);

    GET "/siteExclusionUnitsBulkAdditionJobs" "siteExclusionUnitsBulkAdditionJobs.list" list::<ExclusionJobs>: At::Of(SharePoint);
    GET "/siteExclusionUnitsBulkAdditionJobs/$count" "siteExclusionUnitsBulkAdditionJobs.count" count::<ExclusionJobs>: At::Of(SharePoint);
    GET "/siteExclusionUnitsBulkAdditionJobs/{id}" "siteExclusionUnitsBulkAdditionJobs.get" get::<ExclusionJobs>: At::Of(SharePoint);

    GET "/siteInclusionRules" "siteInclusionRules.list" list::<Rules>: At::Of(SharePoint);
    GET "/siteInclusionRules/$count" "siteInclusionRules.count" count::<Rules>: At::Of(SharePoint);
    GET "/siteInclusionRules/{id}" "siteInclusionRules.get" get::<Rules>: At::Of(SharePoint);

    GET "/siteProtectionUnits" "siteProtectionUnits.list" list::<Units>: At::Of(SharePoint);
    GET "/siteProtectionUnits/$count" "siteProtectionUnits.count" count::<Units>: At::Of(SharePoint);
    GET "/siteProtectionUnits/{id}" "siteProtectionUnits.get" get::<Units>: At::Of(SharePoint);
    PATCH "/siteProtectionUnits/{id}" "siteProtectionUnits.update" units::update::update_unit: SharePoint;

    GET "/siteProtectionUnitsBulkAdditionJobs" "siteProtectionUnitsBulkAdditionJobs.list" list::<AdditionJobs>: At::Of(SharePoint);
    GET "/siteProtectionUnitsBulkAdditionJobs/$count" "siteProtectionUnitsBulkAdditionJobs.count" count::<AdditionJobs>: At::Of(SharePoint);
    GET "/siteProtectionUnitsBulkAdditionJobs/{id}" "siteProtectionUnitsBulkAdditionJobs.get" get::<AdditionJobs>: At::Of(SharePoint);
};

/// Ours, below `/holdfast/v1`. Each needs the permission of the object that it belongs to.
pub(crate) const HOLDFAST: &[Route] = routes! {
    GET "/outbox" "emailNotificationsSetting.get" holdfast::outbox::list_mails;
    GET "/outbox/$count" "emailNotificationsSetting.get" holdfast::outbox::count_mails;
    GET "/outbox/{id}" "emailNotificationsSetting.get" holdfast::outbox::get_mail;
    GET "/restoreArtifacts/{id}/failures" "restoreSessions.get" holdfast::failures::list_failures;
    GET "/restorePoints/{id}/gaps" "restorePoints.get" holdfast::gaps::list_gaps;
};

/// The operation that a request names.
pub(crate) struct Found {
    pub(crate) operation: &'static Operation,
    pub(crate) handler: Handler,
    pub(crate) keys: Vec<String>,
}

/// Routes by their first segment in lower case, which is never a key, and how many they have: a request is compared with the few
/// that are like it.
type Index = HashMap<(String, usize), Vec<(&'static Route, &'static Operation)>>;

static GRAPH_INDEX: LazyLock<Index> = LazyLock::new(|| index(GRAPH));
static HOLDFAST_INDEX: LazyLock<Index> = LazyLock::new(|| index(HOLDFAST));

fn index(routes: &'static [Route]) -> Index {
    let mut index = Index::new();
    for route in routes {
        let operation = operations().get(route.operation).expect("a test looks every id up");
        let segments: Vec<&str> = route.path.split('/').skip(1).collect();
        let first = segments.first().copied().unwrap_or_default().to_ascii_lowercase();
        index.entry((first, segments.len())).or_default().push((route, operation));
    }
    index
}

/// Finds the operation of a method and an address.
pub(crate) fn find(method: &Method, address: &Address) -> Result<Found, Problem> {
    let index = match address.root {
        Root::BackupRestore(_) => &GRAPH_INDEX,
        Root::Holdfast => &HOLDFAST_INDEX,
    };
    let first = address.segments.first().map(|segment| segment.text.to_ascii_lowercase());
    let alike = index.get(&(first.unwrap_or_default(), address.segments.len()));
    let mut matching: Vec<(Match<'_>, &Route, &'static Operation)> = alike
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
        .filter(|(_, operation)| match address.root {
            Root::BackupRestore(version) => operation.is_in(version),
            Root::Holdfast => true,
        })
        .filter_map(|(route, operation)| {
            Some((matches(route.path, &address.segments)?, *route, *operation))
        })
        .collect();
    // The path with the most literal segments wins, whatever the method: `search` is no key.
    let best = matching.iter().map(|(found, ..)| found.keys_at).min();
    matching.retain(|(found, ..)| Some(found.keys_at) == best);
    if let Some(at) = matching.iter().position(|(_, route, _)| route.method == *method) {
        let (found, route, operation) = matching.swap_remove(at);
        let keys = found.keys.into_iter().map(Cow::into_owned).collect();
        return Ok(Found { operation, handler: route.handler, keys });
    }
    let allow: Vec<&str> = matching.iter().map(|(_, route, _)| route.method.as_str()).collect();
    let allow = allow.join(", ");
    match known_but_not_served(method, address, best) {
        Some(operation) => {
            let handler: Handler = |call| Box::pin(std::future::ready(Err(generic_write(&call))));
            Ok(Found { operation, handler, keys: Vec::new() })
        }
        None if allow.is_empty() => {
            Err(Problem::new(ErrorCode::ResourceNotFound, "There is no resource at this address."))
        }
        None => Err(Problem::MethodNotAllowed {
            message: format!("{method} is not possible here. Possible: {allow}."),
            allow,
        }),
    }
}

struct Match<'a> {
    /// One bit for each segment, the first one's highest: less is more literal, or literal sooner.
    keys_at: u32,
    keys: Vec<Cow<'a, str>>,
}

fn matches<'a>(path: &str, segments: &'a [Segment]) -> Option<Match<'a>> {
    let mut pattern = path.split('/').filter(|part| !part.is_empty());
    let mut found = Match { keys_at: 0, keys: Vec::new() };
    for segment in segments {
        let part = pattern.next()?;
        found.keys_at <<= 1;
        if let Some((name, parameter)) = part.split_once("='{") {
            // A function: its parameter is a key.
            let opening = format!("{name}='");
            let start = segment.text.get(..opening.len())?;
            if !start.eq_ignore_ascii_case(&opening) || !parameter.ends_with("')") {
                return None;
            }
            let value = segment.text.get(opening.len()..)?.strip_suffix("')")?;
            found.keys.push(value.replace("''", "'").into());
            continue;
        }
        let is_key = part.starts_with('{');
        let fits = if is_key {
            !segment.qualified
        } else {
            let cast = part.strip_prefix("microsoft.").unwrap_or(part).strip_prefix("graph.");
            !segment.is_key
                && match cast {
                    Some(name) => segment.qualified && segment.text.eq_ignore_ascii_case(name),
                    None => segment.text.eq_ignore_ascii_case(part),
                }
        };
        if !fits {
            return None;
        }
        if is_key {
            found.keys_at |= 1;
            found.keys.push(segment.text.as_str().into());
        }
    }
    if pattern.next().is_none() { Some(found) } else { None }
}

/// An operation of the contract that is not in the list, at a path at least as literal as the best one there.
fn known_but_not_served(
    method: &Method,
    address: &Address,
    best: Option<u32>,
) -> Option<&'static Operation> {
    let Root::BackupRestore(version) = address.root else { return None };
    operations()
        .all()
        .iter()
        .filter(|operation| operation.method == method.as_str() && operation.is_in(version))
        .filter_map(|operation| {
            let path = operation.path.strip_prefix("/solutions/backupRestore")?;
            let found = matches(path, &address.segments)?;
            (best.is_none_or(|best| found.keys_at <= best)).then_some((found.keys_at, operation))
        })
        .min_by_key(|(keys_at, _)| *keys_at)
        .map(|(_, operation)| operation)
}

/// How an operation of the contract is refused that is not served: a write that no page describes, or that only permission data
/// names.
fn generic_write(call: &Call) -> Problem {
    let path = call.path.to_ascii_lowercase();
    let hint = if path.contains("bulkaddition") {
        "Bulk jobs are created below their policy, bulk requests below their restore session; neither is changed."
    } else if path.contains("inclusionrules") {
        "Rules are created and changed below their policy."
    } else if path.contains("exclusionunits") {
        "Exclusion units are changed by PATCH of their policy, with siteExclusionUnits@delta and its siblings."
    } else if path.contains("browsesessions") {
        "Browse sessions are created in their typed collections; they end by themselves."
    } else if path.ends_with("/deactivate") {
        "A restore session that is active runs to its end; a draft can be deleted."
    } else if path.contains("entra") {
        "Entra ID is not protected."
    } else if path.contains("restoreartifacts") {
        "Artifacts are created with their restore session and changed by PATCH /sharePointRestoreSessions/{id} with siteRestoreArtifacts@delta."
    } else if path.contains("restoresessions") {
        "Use PATCH of the typed collection, such as /sharePointRestoreSessions/{id}."
    } else if path.contains("protectionpolicies") && !path.contains("units") {
        "Use PATCH of the typed collection, such as /sharePointProtectionPolicies/{id}."
    } else if path.contains("units") {
        "Units are changed by PATCH of their policy, with siteProtectionUnits@delta and its siblings."
    } else if path.contains("restorepoints") {
        "Restore points are made by the service only."
    } else {
        "Microsoft Graph describes no such operation."
    };
    Problem::MethodNotAllowed {
        message: format!("This generic operation is not available. {hint}"),
        allow: "GET".to_owned(),
    }
}
