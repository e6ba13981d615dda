//! Every operation that is served, in URL order, each with its id in `spec/operations.json`, from which its permissions come.
//!
//! Paths are below `/solutions/backupRestore` of both versions, or below `/holdfast/v1`. What the contract has and this list
//! lacks is refused by name: a documented operation with 501, a generic write that no page describes with 405.

use std::pin::Pin;

use axum::http::Method;
use holdfast_domain::Workload;
use holdfast_graph_model::{ErrorCode, Operation, operations};

use crate::address::{Address, Root, Segment};
use crate::answer::Answer;
use crate::call::Call;
use crate::problem::Problem;
use crate::{artifacts, holdfast, policies, restore_points, restore_sessions, service, units};

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
    POST "/enable" "enable" service::enable::enable_service;

    GET "/driveProtectionUnits" "driveProtectionUnits.list" units::list::list_units: Workload::OneDrive;
    GET "/driveProtectionUnits/$count" "driveProtectionUnits.count" units::list::count_units: Workload::OneDrive;
    GET "/driveProtectionUnits/{id}" "driveProtectionUnits.get" units::get::get_unit: Workload::OneDrive;

    GET "/exchangeProtectionPolicies" "exchangeProtectionPolicies.list" policies::list::list_policies: Some(Workload::Exchange);
    GET "/exchangeProtectionPolicies/$count" "exchangeProtectionPolicies.count" policies::list::count_policies: Some(Workload::Exchange);
    GET "/exchangeProtectionPolicies/{id}" "exchangeProtectionPolicies.get" policies::get::get_policy: Some(Workload::Exchange);

    GET "/exchangeRestoreSessions" "exchangeRestoreSessions.list" restore_sessions::list::list_restore_sessions: Some(Workload::Exchange);
    GET "/exchangeRestoreSessions/$count" "exchangeRestoreSessions.count" restore_sessions::list::count_restore_sessions: Some(Workload::Exchange);
    GET "/exchangeRestoreSessions/{id}" "exchangeRestoreSessions.get" restore_sessions::get::get_restore_session: Some(Workload::Exchange);

    GET "/mailboxProtectionUnits" "mailboxProtectionUnits.list" units::list::list_units: Workload::Exchange;
    GET "/mailboxProtectionUnits/$count" "mailboxProtectionUnits.count" units::list::count_units: Workload::Exchange;
    GET "/mailboxProtectionUnits/{id}" "mailboxProtectionUnits.get" units::get::get_unit: Workload::Exchange;

    GET "/oneDriveForBusinessProtectionPolicies" "oneDriveForBusinessProtectionPolicies.list" policies::list::list_policies: Some(Workload::OneDrive);
    GET "/oneDriveForBusinessProtectionPolicies/$count" "oneDriveForBusinessProtectionPolicies.count" policies::list::count_policies: Some(Workload::OneDrive);
    GET "/oneDriveForBusinessProtectionPolicies/{id}" "oneDriveForBusinessProtectionPolicies.get" policies::get::get_policy: Some(Workload::OneDrive);

    GET "/oneDriveForBusinessRestoreSessions" "oneDriveForBusinessRestoreSessions.list" restore_sessions::list::list_restore_sessions: Some(Workload::OneDrive);
    GET "/oneDriveForBusinessRestoreSessions/$count" "oneDriveForBusinessRestoreSessions.count" restore_sessions::list::count_restore_sessions: Some(Workload::OneDrive);
    GET "/oneDriveForBusinessRestoreSessions/{id}" "oneDriveForBusinessRestoreSessions.get" restore_sessions::get::get_restore_session: Some(Workload::OneDrive);

    GET "/protectionPolicies" "protectionPolicies.list" policies::list::list_policies: None;
    POST "/protectionPolicies" "protectionPolicies.create" policies::create::create_policy_of_named_type;
    GET "/protectionPolicies/$count" "protectionPolicies.count" policies::list::count_policies: None;
    GET "/protectionPolicies/{id}" "protectionPolicies.get" policies::get::get_policy: None;
    DELETE "/protectionPolicies/{id}" "protectionPolicies.delete" policies::delete::delete_policy: None;
    POST "/protectionPolicies/{id}/activate" "protectionPolicies.activate" policies::activate::activate_policy;
    POST "/protectionPolicies/{id}/deactivate" "protectionPolicies.deactivate" policies::deactivate::deactivate_policy;

    GET "/protectionUnits" "protectionUnits.list" units::list::list_all_units;
    GET "/protectionUnits/$count" "protectionUnits.count" units::list::count_all_units;
    GET "/protectionUnits/graph.driveProtectionUnit" "protectionUnits.asDriveProtectionUnit.list" units::list::list_units: Workload::OneDrive;
    GET "/protectionUnits/graph.driveProtectionUnit/$count" "protectionUnits.asDriveProtectionUnit.count" units::list::count_units: Workload::OneDrive;
    GET "/protectionUnits/graph.mailboxProtectionUnit" "protectionUnits.asMailboxProtectionUnit.list" units::list::list_units: Workload::Exchange;
    GET "/protectionUnits/graph.mailboxProtectionUnit/$count" "protectionUnits.asMailboxProtectionUnit.count" units::list::count_units: Workload::Exchange;
    GET "/protectionUnits/graph.siteProtectionUnit" "protectionUnits.asSiteProtectionUnit.list" units::list::list_units: Workload::SharePoint;
    GET "/protectionUnits/graph.siteProtectionUnit/$count" "protectionUnits.asSiteProtectionUnit.count" units::list::count_units: Workload::SharePoint;
    GET "/protectionUnits/{id}" "protectionUnits.get" units::get::get_any_unit;
    GET "/protectionUnits/{id}/graph.driveProtectionUnit" "protectionUnits.asDriveProtectionUnit.get" units::get::get_unit: Workload::OneDrive;
    GET "/protectionUnits/{id}/graph.mailboxProtectionUnit" "protectionUnits.asMailboxProtectionUnit.get" units::get::get_unit: Workload::Exchange;
    GET "/protectionUnits/{id}/graph.siteProtectionUnit" "protectionUnits.asSiteProtectionUnit.get" units::get::get_unit: Workload::SharePoint;

    GET "/restorePoints" "restorePoints.list" restore_points::list::list_restore_points;
    GET "/restorePoints/$count" "restorePoints.count" restore_points::list::count_restore_points;
    POST "/restorePoints/search" "restorePoints.search" restore_points::search::search_restore_points;
    GET "/restorePoints/{id}" "restorePoints.get" restore_points::get::get_restore_point;
    GET "/restorePoints/{id}/protectionUnit" "restorePoints.protectionUnit.get" restore_points::get::get_protection_unit;

    GET "/restoreSessions" "restoreSessions.list" restore_sessions::list::list_restore_sessions: None;
    POST "/restoreSessions" "restoreSessions.create" restore_sessions::create::create_restore_session_of_named_type;
    GET "/restoreSessions/$count" "restoreSessions.count" restore_sessions::list::count_restore_sessions: None;
    GET "/restoreSessions/{id}" "restoreSessions.get" restore_sessions::get::get_restore_session: None;
    DELETE "/restoreSessions/{id}" "restoreSessions.delete" restore_sessions::delete::delete_restore_session: None;
    POST "/restoreSessions/{id}/activate" "restoreSessions.activate" restore_sessions::activate::activate_restore_session;

    GET "/sharePointProtectionPolicies" "sharePointProtectionPolicies.list" policies::list::list_policies: Some(Workload::SharePoint);
    POST "/sharePointProtectionPolicies" "sharePointProtectionPolicies.create" policies::create::create_share_point_policy;
    GET "/sharePointProtectionPolicies/$count" "sharePointProtectionPolicies.count" policies::list::count_policies: Some(Workload::SharePoint);
    GET "/sharePointProtectionPolicies/{id}" "sharePointProtectionPolicies.get" policies::get::get_policy: Some(Workload::SharePoint);
    PATCH "/sharePointProtectionPolicies/{id}" "sharePointProtectionPolicies.update" policies::update::update_share_point_policy;
    DELETE "/sharePointProtectionPolicies/{id}" "sharePointProtectionPolicies.delete" policies::delete::delete_policy: Some(Workload::SharePoint);
    GET "/sharePointProtectionPolicies/{id}/siteProtectionUnits" "sharePointProtectionPolicies.siteProtectionUnits.list" units::list::list_units_of_policy;
    GET "/sharePointProtectionPolicies/{id}/siteProtectionUnits/$count" "sharePointProtectionPolicies.siteProtectionUnits.count" units::list::count_units_of_policy;
    GET "/sharePointProtectionPolicies/{id}/siteProtectionUnits/{id}" "sharePointProtectionPolicies.siteProtectionUnits.get" units::get::get_unit_of_policy;

    GET "/sharePointRestoreSessions" "sharePointRestoreSessions.list" restore_sessions::list::list_restore_sessions: Some(Workload::SharePoint);
    POST "/sharePointRestoreSessions" "sharePointRestoreSessions.create" restore_sessions::create::create_share_point_restore_session;
    GET "/sharePointRestoreSessions/$count" "sharePointRestoreSessions.count" restore_sessions::list::count_restore_sessions: Some(Workload::SharePoint);
    GET "/sharePointRestoreSessions/{id}" "sharePointRestoreSessions.get" restore_sessions::get::get_restore_session: Some(Workload::SharePoint);
    PATCH "/sharePointRestoreSessions/{id}" "sharePointRestoreSessions.update" restore_sessions::update::update_share_point_restore_session;
    DELETE "/sharePointRestoreSessions/{id}" "sharePointRestoreSessions.delete" restore_sessions::delete::delete_restore_session: Some(Workload::SharePoint);
    GET "/sharePointRestoreSessions/{id}/siteRestoreArtifacts" "sharePointRestoreSessions.siteRestoreArtifacts.list" artifacts::list::list_artifacts;
    GET "/sharePointRestoreSessions/{id}/siteRestoreArtifacts/$count" "sharePointRestoreSessions.siteRestoreArtifacts.count" artifacts::list::count_artifacts;
    GET "/sharePointRestoreSessions/{id}/siteRestoreArtifacts/{id}" "sharePointRestoreSessions.siteRestoreArtifacts.get" artifacts::get::get_artifact;
    GET "/sharePointRestoreSessions/{id}/siteRestoreArtifacts/{id}/restorePoint" "sharePointRestoreSessions.siteRestoreArtifacts.restorePoint.get" artifacts::get::get_artifact_restore_point;

    GET "/siteProtectionUnits" "siteProtectionUnits.list" units::list::list_units: Workload::SharePoint;
    GET "/siteProtectionUnits/$count" "siteProtectionUnits.count" units::list::count_units: Workload::SharePoint;
    GET "/siteProtectionUnits/{id}" "siteProtectionUnits.get" units::get::get_unit: Workload::SharePoint;
};

/// Ours, below `/holdfast/v1`. Each needs the permission of the object that it belongs to.
pub(crate) const HOLDFAST: &[Route] = routes! {
    GET "/restoreArtifacts/{id}/failures" "sharePointRestoreSessions.siteRestoreArtifacts.get" holdfast::failures::list_failures;
    GET "/restorePoints/{id}/gaps" "restorePoints.get" holdfast::gaps::list_gaps;
};

/// The operation that a request names.
pub(crate) struct Found {
    pub(crate) operation: &'static Operation,
    pub(crate) handler: Handler,
    pub(crate) keys: Vec<String>,
}

/// Finds the operation of a method and an address.
pub(crate) fn find(method: &Method, address: &Address) -> Result<Found, Problem> {
    let routes = match address.root {
        Root::BackupRestore(_) => GRAPH,
        Root::Holdfast => HOLDFAST,
    };
    let mut matching: Vec<(Match, &Route)> = routes
        .iter()
        .filter_map(|route| matches(route.path, &address.segments).map(|found| (found, route)))
        .collect();
    // The path with the most literal segments wins, whatever the method: `search` is no key.
    let best = matching.iter().map(|(found, _)| found.keys_at.clone()).min();
    matching.retain(|(found, _)| Some(&found.keys_at) == best.as_ref());
    let allow: Vec<&str> = matching.iter().map(|(_, route)| route.method.as_str()).collect();
    let allow = allow.join(", ");
    if let Some((found, route)) = matching.into_iter().find(|(_, route)| route.method == *method) {
        let operation = operations().get(route.operation).expect("a test looks every id up");
        return Ok(Found { operation, handler: route.handler, keys: found.keys });
    }
    match known_but_not_served(method, address, best.as_ref()) {
        Some(operation) => Ok(Found { operation, handler: refusal(operation), keys: Vec::new() }),
        None if allow.is_empty() => {
            Err(Problem::new(ErrorCode::ResourceNotFound, "There is no resource at this address."))
        }
        None => Err(Problem::MethodNotAllowed {
            message: format!("{method} is not possible here. Possible: {allow}."),
            allow,
        }),
    }
}

/// Where a path's keys are, for comparing paths, and the keys themselves.
struct Match {
    keys_at: Vec<bool>,
    keys: Vec<String>,
}

fn matches(path: &str, segments: &[Segment]) -> Option<Match> {
    let pattern: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    if pattern.len() != segments.len() {
        return None;
    }
    let mut found = Match { keys_at: Vec::new(), keys: Vec::new() };
    for (part, segment) in pattern.into_iter().zip(segments) {
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
        found.keys_at.push(is_key);
        if is_key {
            found.keys.push(segment.text.clone());
        }
    }
    Some(found)
}

/// An operation of the contract that is not in the list, at a path at least as literal as the best one there.
fn known_but_not_served(
    method: &Method,
    address: &Address,
    best: Option<&Vec<bool>>,
) -> Option<&'static Operation> {
    let Root::BackupRestore(version) = address.root else { return None };
    operations()
        .all()
        .iter()
        .filter(|operation| operation.method == method.as_str() && operation.is_in(version))
        .filter_map(|operation| {
            let path = operation.path.strip_prefix("/solutions/backupRestore")?;
            // Functions carry their parameters in the path: compared up to the parenthesis.
            let path = path.split('(').next()?;
            let mut segments = address.segments.clone();
            if let Some(last) = segments.last_mut()
                && let Some((name, _)) = last.text.split_once('(')
            {
                last.text = name.to_owned();
            }
            let found = matches(path, &segments)?;
            (best.is_none_or(|best| found.keys_at <= *best)).then_some((found.keys_at, operation))
        })
        .min_by(|(left, _), (right, _)| left.cmp(right))
        .map(|(_, operation)| operation)
}

/// How an operation of the contract is refused that is not served.
fn refusal(operation: &Operation) -> Handler {
    let is_write = operation.method != "GET";
    if is_write && operation.tier == "metadata-only" {
        |call| Box::pin(std::future::ready(Err(generic_write(&call))))
    } else {
        |_| {
            Box::pin(std::future::ready(Err(Problem::new(
                ErrorCode::NotImplemented,
                "This operation of Microsoft Graph is not served yet; COMPATIBILITY.md lists what is.",
            ))))
        }
    }
}

fn generic_write(call: &Call) -> Problem {
    let path = call.path.to_ascii_lowercase();
    let hint = if path.contains("restoreartifacts") {
        "Artifacts are created with their restore session and changed by PATCH /sharePointRestoreSessions/{id} with siteRestoreArtifacts@delta."
    } else if path.contains("restoresessions") {
        "Use PATCH /sharePointRestoreSessions/{id}."
    } else if path.contains("protectionpolicies") && !path.contains("units") {
        "Use PATCH /sharePointProtectionPolicies/{id}."
    } else if path.contains("units") {
        "Units are changed by PATCH /sharePointProtectionPolicies/{id} with siteProtectionUnits@delta."
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
