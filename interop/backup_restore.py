#!/usr/bin/env python3
"""Walks the Backup Storage story with the official Python SDK (msgraph-sdk, v1.0).

Extra environment: SITE_ID, the site to protect (default: the first site that GET /sites?search=* lists).
"""
import os
import uuid
from datetime import datetime, timedelta, timezone

import common as c
from kiota_abstractions.base_request_configuration import RequestConfiguration
from msgraph.generated.models.destination_type import DestinationType
from msgraph.generated.models.restore_point import RestorePoint
from msgraph.generated.models.restore_point_preference import RestorePointPreference
from msgraph.generated.models.share_point_protection_policy import SharePointProtectionPolicy
from msgraph.generated.models.share_point_restore_session import SharePointRestoreSession
from msgraph.generated.models.site_protection_unit import SiteProtectionUnit
from msgraph.generated.models.site_restore_artifact import SiteRestoreArtifact
from msgraph.generated.models.time_period import TimePeriod
from msgraph.generated.sites.sites_request_builder import SitesRequestBuilder
from msgraph.generated.solutions.backup_restore.enable.enable_post_request_body import EnablePostRequestBody
from msgraph.generated.solutions.backup_restore.restore_points.restore_points_request_builder import (
    RestorePointsRequestBuilder)
from msgraph.generated.solutions.backup_restore.restore_points.search.search_post_request_body import (
    SearchPostRequestBody)
from msgraph.generated.solutions.backup_restore.share_point_restore_sessions.item.site_restore_artifacts.site_restore_artifacts_request_builder import (
    SiteRestoreArtifactsRequestBuilder)


async def story():
    s = c.Steps("backupRestore v1.0, msgraph-sdk for Python")
    graph = c.graph_client("v1.0")
    br = graph.solutions.backup_restore

    site_id = os.environ.get("SITE_ID")
    if not site_id:
        q = SitesRequestBuilder.SitesRequestBuilderGetQueryParameters(search="*")
        sites = await s.run("find a site (GET /sites?search=*)",
                            lambda: graph.sites.get(RequestConfiguration(query_parameters=q)),
                            lambda r: bool(r and r.value and r.value[0].id) or "no site listed")
        site_id = sites.value[0].id if sites else None

    # 1 service
    await s.run("read backupRestoreRoot", lambda: br.get(), lambda r: r is not None or "empty answer")
    await s.run("enable the service",
                lambda: br.enable.post(EnablePostRequestBody(app_owner_tenant_id=c.TENANT_ID)),
                lambda r: c.name_of(r.status) == "enabled" or f"status {c.name_of(r.status)}")
    await s.run("serviceStatus says enabled", lambda: br.get(),
                lambda r: bool(r.service_status and c.name_of(r.service_status.status) == "enabled") or "not enabled")

    # 2 policy
    policy = SharePointProtectionPolicy(display_name="Acceptance policy " + uuid.uuid4().hex[:6],
                                        site_protection_units=[])
    pol = await s.run("create SharePoint protection policy",
                      lambda: br.share_point_protection_policies.post(policy),
                      lambda r: (bool(r.id) and c.name_of(r.status) == "inactive") or f"status {c.name_of(r.status)}")
    pid = pol.id if pol else None

    def add_unit():
        patch = SharePointProtectionPolicy()
        patch.additional_data = {"siteProtectionUnits@delta": [{"siteId": site_id}]}
        return br.share_point_protection_policies.by_share_point_protection_policy_id(pid).patch(patch)

    await s.run("add a site protection unit (PATCH siteProtectionUnits@delta)", add_unit, needs=bool(pid and site_id))
    units = await s.run(
        "list the policy's siteProtectionUnits",
        lambda: br.share_point_protection_policies.by_share_point_protection_policy_id(pid).site_protection_units.get(),
        lambda r: bool(r.value and any(u.site_id == site_id for u in r.value)) or "unit is not listed",
        needs=bool(pid))
    unit = next((u for u in units.value if u.site_id == site_id), None) if units else None

    await s.run("activate the policy",
                lambda: br.protection_policies.by_protection_policy_base_id(pid).activate.post(), needs=bool(pid))
    await s.run("policy becomes active",
                lambda: c.poll(lambda: br.share_point_protection_policies.by_share_point_protection_policy_id(pid).get(),
                               lambda p: c.name_of(p.status) == "active", "policy active"), needs=bool(pid))
    await s.run("unit becomes protected, read as its derived type",
                lambda: c.poll(lambda: br.protection_units.by_protection_unit_base_id(unit.id).get(),
                               lambda u: isinstance(u, SiteProtectionUnit) and c.name_of(u.status) == "protected",
                               "unit protected"), needs=unit is not None)

    # 3 restore points
    def restore_points():
        q = RestorePointsRequestBuilder.RestorePointsRequestBuilderGetQueryParameters(
            filter=f"protectionUnit/id eq '{unit.id}' and protectionDateTime le "
                   f"{(datetime.now(timezone.utc) + timedelta(hours=1)).strftime('%Y-%m-%dT%H:%M:%SZ')}",
            expand=["protectionUnit"], orderby=["protectionDateTime desc"], top=10)
        return br.restore_points.get(RequestConfiguration(query_parameters=q))

    points = await s.run("list restore points ($filter, $expand, $orderby, $top)",
                         lambda: c.poll(restore_points, lambda r: bool(r.value), "a restore point"),
                         lambda r: all(p.protection_unit and p.protection_unit.id == unit.id for p in r.value)
                         or "protectionUnit was not expanded, or the filter did not hold", needs=unit is not None)
    point = points.value[0] if points else None

    def search():
        body = SearchPostRequestBody(
            protection_unit_ids=[unit.id], restore_point_preference=RestorePointPreference.Latest,
            protection_time_period=TimePeriod(start_date_time=datetime.now(timezone.utc) - timedelta(days=7),
                                              end_date_time=datetime.now(timezone.utc) + timedelta(hours=1)))
        return br.restore_points.search.post(body)

    await s.run("search restore points", search,
                lambda r: bool(r.search_results) or "no result", needs=unit is not None)

    # 4 restore session
    def create_session():
        art = SiteRestoreArtifact(destination_type=DestinationType.New, restore_point=RestorePoint(id=point.id))
        return br.share_point_restore_sessions.post(SharePointRestoreSession(site_restore_artifacts=[art]))

    ses = await s.run("create sharePointRestoreSession with a siteRestoreArtifact", create_session,
                      lambda r: (bool(r.id) and c.name_of(r.status) == "draft") or f"status {c.name_of(r.status)}",
                      needs=point is not None)
    sid = ses.id if ses else None
    item = br.share_point_restore_sessions.by_share_point_restore_session_id(sid) if sid else None

    arts = await s.run("list the draft session's artifacts", lambda: item.site_restore_artifacts.get(),
                       lambda r: len(r.value or []) == 1 or f"{len(r.value or [])} artifacts", needs=item is not None)

    def patch_session():
        patch = SharePointRestoreSession()
        patch.additional_data = {"siteRestoreArtifacts@delta": [
            {"id": arts.value[0].id, "destinationType": "inPlace"}]}
        return item.patch(patch)

    await s.run("PATCH the session (siteRestoreArtifacts@delta, change an artifact)", patch_session,
                needs=bool(arts and arts.value))
    await s.run("the artifact shows the change", lambda: item.site_restore_artifacts.get(),
                lambda r: c.name_of(r.value[0].destination_type) == "inPlace" or
                f"destinationType {c.name_of(r.value[0].destination_type)}", needs=bool(arts and arts.value))
    await s.run("activate the session",
                lambda: br.restore_sessions.by_restore_session_base_id(sid).activate.post(), needs=bool(sid))
    await s.run("session reaches completed",
                lambda: c.poll(lambda: br.restore_sessions.by_restore_session_base_id(sid).get(),
                               lambda r: c.name_of(r.status) in ("completed", "completedWithError", "failed"),
                               "session completed"),
                lambda r: (isinstance(r, SharePointRestoreSession) and c.name_of(r.status) == "completed")
                or f"{type(r).__name__} status {c.name_of(r.status)} {r.error}", needs=bool(sid))

    def read_artifacts():
        q = SiteRestoreArtifactsRequestBuilder.SiteRestoreArtifactsRequestBuilderGetQueryParameters(
            expand=["restorePoint"])
        return item.site_restore_artifacts.get(RequestConfiguration(query_parameters=q))

    await s.run("artifacts succeeded and name the restored site", read_artifacts,
                lambda r: all(c.name_of(a.status) == "succeeded" and a.restored_site_id and a.restore_point
                              and a.restore_point.id == point.id for a in r.value) or "artifact is not complete",
                needs=item is not None)
    await s.run("list sessions", lambda: br.restore_sessions.get(),
                lambda r: any(x.id == sid for x in r.value) or "session is not listed", needs=bool(sid))
    await s.run("an unknown id is answered with an OData error",
                lambda: unknown(br), lambda ok: ok)
    return s.closing()


async def unknown(br):
    from msgraph.generated.models.o_data_errors.o_data_error import ODataError
    try:
        await br.protection_policies.by_protection_policy_base_id(str(uuid.uuid4())).get()
    except ODataError as e:
        return (e.response_status_code == 404 and bool(e.error and e.error.code)) or f"{e.response_status_code} {e.error}"
    return "no error was raised"


if __name__ == "__main__":
    c.main(story)
