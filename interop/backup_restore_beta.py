#!/usr/bin/env python3
"""The wider Backup Storage surface with the official beta Python SDK (msgraph-beta-sdk):
bulk addition jobs and requests, browse sessions, granular artifacts, OneDrive and Exchange policies.

Extra environment: SITE_ID, USER_ID (defaults: the first listed).
"""
import os
import re
import uuid
from datetime import datetime, timedelta, timezone
from urllib.parse import unquote

import common as c
from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_abstractions.method import Method
from kiota_abstractions.request_information import RequestInformation
from msgraph_beta.generated.models.browsable_resource_type import BrowsableResourceType
from msgraph_beta.generated.models.browse_query_order import BrowseQueryOrder
from msgraph_beta.generated.models.destination_type import DestinationType
from msgraph_beta.generated.models.drive_protection_unit import DriveProtectionUnit
from msgraph_beta.generated.models.exchange_protection_policy import ExchangeProtectionPolicy
from msgraph_beta.generated.models.granular_site_restore_artifact import GranularSiteRestoreArtifact
from msgraph_beta.generated.models.mailbox_protection_unit import MailboxProtectionUnit
from msgraph_beta.generated.models.o_data_errors.o_data_error import ODataError
from msgraph_beta.generated.models.one_drive_for_business_protection_policy import OneDriveForBusinessProtectionPolicy
from msgraph_beta.generated.models.restore_point_preference import RestorePointPreference
from msgraph_beta.generated.models.restore_point_tags import RestorePointTags
from msgraph_beta.generated.models.share_point_browse_session import SharePointBrowseSession
from msgraph_beta.generated.models.share_point_protection_policy import SharePointProtectionPolicy
from msgraph_beta.generated.models.share_point_restore_session import SharePointRestoreSession
from msgraph_beta.generated.models.site_protection_unit import SiteProtectionUnit
from msgraph_beta.generated.models.site_protection_units_bulk_addition_job import SiteProtectionUnitsBulkAdditionJob
from msgraph_beta.generated.models.site_restore_artifacts_bulk_addition_request import (
    SiteRestoreArtifactsBulkAdditionRequest)
from msgraph_beta.generated.models.time_period import TimePeriod
from msgraph_beta.generated.solutions.backup_restore.browse_sessions.item.browse.browse_post_request_body import (
    BrowsePostRequestBody)
from msgraph_beta.generated.solutions.backup_restore.enable.enable_post_request_body import EnablePostRequestBody
from msgraph_beta.generated.solutions.backup_restore.restore_points.restore_points_request_builder import (
    RestorePointsRequestBuilder)

DONE = ("completed", "completedWithErrors")


async def story():
    s = c.Steps("backupRestore beta, msgraph-beta-sdk for Python")
    graph = c.graph_client("beta")
    br = graph.solutions.backup_restore
    tag = uuid.uuid4().hex[:6]

    sites = await s.run("GET /sites/getAllSites", lambda: graph.sites.get_all_sites.get(),
                        lambda r: bool(r.value) or "no site")
    users = await s.run("GET /users", lambda: graph.users.get(), lambda r: bool(r.value) or "no user")
    site_id = os.environ.get("SITE_ID") or (sites.value[0].id if sites else None)
    user_id = os.environ.get("USER_ID") or (users.value[0].id if users else None)
    await s.run("enable the service", lambda: br.enable.post(EnablePostRequestBody(app_owner_tenant_id=c.TENANT_ID)),
                lambda r: c.name_of(r.status) == "enabled" or f"status {c.name_of(r.status)}")

    # policies of the three workloads, units given at creation
    await s.run("create OneDrive policy with a driveProtectionUnit",
                lambda: br.one_drive_for_business_protection_policies.post(OneDriveForBusinessProtectionPolicy(
                    display_name=f"OneDrive {tag}",
                    drive_protection_units=[DriveProtectionUnit(directory_object_id=user_id)])),
                lambda r: bool(r.id) or "no id", needs=bool(user_id))
    await s.run("create Exchange policy with a mailboxProtectionUnit",
                lambda: br.exchange_protection_policies.post(ExchangeProtectionPolicy(
                    display_name=f"Exchange {tag}",
                    mailbox_protection_units=[MailboxProtectionUnit(directory_object_id=user_id)])),
                lambda r: bool(r.id) or "no id", needs=bool(user_id))
    pol = await s.run("create SharePoint policy",
                      lambda: br.share_point_protection_policies.post(SharePointProtectionPolicy(
                          display_name=f"SharePoint {tag}")), lambda r: bool(r.id) or "no id")
    pid = pol.id if pol else None
    item = br.share_point_protection_policies.by_share_point_protection_policy_id(pid) if pid else None

    # bulk addition of protection units
    def post_job():
        # The service documents POST below the policy; the generated client has `post` only on the
        # collection below backupRestore, which cannot name a policy. So: the client's own adapter
        # and model, with the documented path.
        info = RequestInformation(Method.POST, "{+baseurl}/solutions/backupRestore/sharePointProtectionPolicies/"
                                  "{policyId}/siteProtectionUnitsBulkAdditionJobs",
                                  {"baseurl": graph.request_adapter.base_url, "policyId": pid})
        info.headers.try_add("Accept", "application/json")
        info.set_content_from_parsable(graph.request_adapter, "application/json", SiteProtectionUnitsBulkAdditionJob(
            display_name=f"bulk {tag}", site_ids=[site_id], site_web_urls=[]))
        return graph.request_adapter.send_async(info, SiteProtectionUnitsBulkAdditionJob, {"XXX": ODataError})

    job = await s.run("create siteProtectionUnitsBulkAdditionJob below the policy", post_job,
                      lambda r: bool(r.id) or "no id", needs=item is not None and bool(site_id))
    await s.run("bulk addition job completes",
                lambda: c.poll(lambda: item.site_protection_units_bulk_addition_jobs
                               .by_site_protection_units_bulk_addition_job_id(job.id).get(),
                               lambda j: c.name_of(j.status) in DONE, "job completed"),
                lambda j: c.name_of(j.status) == "completed" or f"{c.name_of(j.status)} {j.error}", needs=job is not None)

    async def units():
        r = await item.site_protection_units.get()
        if not any(u.site_id == site_id for u in r.value or []):
            patch = SharePointProtectionPolicy()
            patch.additional_data = {"siteProtectionUnits@delta": [{"siteId": site_id}]}
            await item.patch(patch)
            r = await item.site_protection_units.get()
        return r

    listed = await s.run("the policy lists the site unit", units,
                         lambda r: any(u.site_id == site_id for u in r.value or []) or "unit is not listed",
                         needs=item is not None)
    unit = next((u for u in listed.value if u.site_id == site_id), None) if listed else None
    await s.run("activate the policy", lambda: br.protection_policies.by_protection_policy_base_id(pid).activate.post(),
                needs=bool(pid))
    await s.run("protectionPolicies lists derived types", lambda: br.protection_policies.get(),
                lambda r: {type(p).__name__ for p in r.value} >= {
                    "SharePointProtectionPolicy", "OneDriveForBusinessProtectionPolicy", "ExchangeProtectionPolicy"}
                or f"{[type(p).__name__ for p in r.value]}")
    await s.run("protectionUnits/graph.siteProtectionUnit cast", lambda: br.protection_units.graph_site_protection_unit.get(),
                lambda r: all(isinstance(u, SiteProtectionUnit) for u in r.value) and bool(r.value) or "cast list")

    # a restore point
    def points():
        q = RestorePointsRequestBuilder.RestorePointsRequestBuilderGetQueryParameters(
            filter=f"protectionUnit/id eq '{unit.id}'", orderby=["protectionDateTime desc"])
        return br.restore_points.get(RequestConfiguration(query_parameters=q))

    rps = await s.run("a restore point appears", lambda: c.poll(points, lambda r: bool(r.value), "a restore point"),
                      needs=unit is not None)
    point = rps.value[0] if rps else None

    # bulk addition of restore artifacts
    ses = await s.run("create an empty sharePointRestoreSession",
                      lambda: br.share_point_restore_sessions.post(SharePointRestoreSession()),
                      lambda r: c.name_of(r.status) == "draft" or f"status {c.name_of(r.status)}")
    sit = br.share_point_restore_sessions.by_share_point_restore_session_id(ses.id) if ses else None

    def bulk_request():
        return sit.site_restore_artifacts_bulk_addition_requests.post(SiteRestoreArtifactsBulkAdditionRequest(
            display_name=f"restore {tag}", destination_type=DestinationType.New, site_ids=[site_id],
            protection_unit_ids=[], restore_point_preference=RestorePointPreference.Latest,
            tags=RestorePointTags.FastRestore,
            protection_time_period=TimePeriod(start_date_time=datetime.now(timezone.utc) - timedelta(days=1),
                                              end_date_time=datetime.now(timezone.utc) + timedelta(hours=1))))

    bulk = await s.run("create siteRestoreArtifactsBulkAdditionRequest", bulk_request,
                       lambda r: bool(r.id) or "no id", needs=sit is not None and point is not None)
    await s.run("bulk addition request completes",
                lambda: c.poll(lambda: sit.site_restore_artifacts_bulk_addition_requests
                               .by_site_restore_artifacts_bulk_addition_request_id(bulk.id).get(),
                               lambda r: c.name_of(r.status) in DONE, "request completed"),
                lambda r: c.name_of(r.status) == "completed" or f"{c.name_of(r.status)} {r.error}", needs=bulk is not None)
    await s.run("the session lists bulk addition requests",
                lambda: sit.site_restore_artifacts_bulk_addition_requests.get(),
                lambda r: any(x.id == bulk.id for x in r.value) or "not listed", needs=bulk is not None)

    # browse session and granular restore
    br_ses = await s.run("create sharePointBrowseSession",
                         lambda: br.browse_sessions.post(SharePointBrowseSession(
                             restore_point_id=point.id, site_id=site_id)),
                         lambda r: isinstance(r, SharePointBrowseSession) and bool(r.id) or f"{type(r).__name__}",
                         needs=point is not None)
    bid = br_ses.id if br_ses else None
    await s.run("browse session becomes created",
                lambda: c.poll(lambda: br.browse_sessions.by_browse_session_base_id(bid).get(),
                               lambda b: c.name_of(b.status) == "created", "browse session created"), needs=bool(bid))

    async def browse(key=None, kind=None):
        return await br.browse_sessions.by_browse_session_base_id(bid).browse.post(BrowsePostRequestBody(
            browse_location_item_key=key, browse_resource_type=kind, order_by=BrowseQueryOrder.NameAsc))

    first = await s.run("browse the site", lambda: browse(kind=BrowsableResourceType.Site),
                        lambda r: bool(r.value and r.value[0].item_key and r.value[0].name) or "no entry", needs=bool(bid))
    inner = await s.run("browse one level down",
                        lambda: browse(first.value[0].item_key, BrowsableResourceType.DocumentLibrary),
                        lambda r: r.value is not None or "no value", needs=bool(first and first.value))
    async def fetch_token():
        # A token from an earlier page when there was one, else an unknown one: then 400 is right too.
        link = first.odata_next_link or ""
        m = re.search(r"nextFetchToken='([^']*)'", unquote(link))
        try:
            await br.browse_sessions.by_browse_session_base_id(bid).browse_with_next_fetch_token(
                m.group(1) if m else "unknown token").get()
        except ODataError as e:
            return (not m and e.response_status_code == 400) or f"status {e.response_status_code}"
        return True

    await s.run("GET browse(nextFetchToken='...')", fetch_token, lambda ok: ok, needs=bool(inner))

    gses = await s.run("create a session for granular restore",
                       lambda: br.share_point_restore_sessions.post(SharePointRestoreSession(
                           granular_site_restore_artifacts=[GranularSiteRestoreArtifact(
                               browse_session_id=bid, restored_item_key=first.value[0].item_key)])),
                       lambda r: bool(r.id) or "no id", needs=bool(first and first.value))
    gid = gses.id if gses else None
    await s.run("granularSiteRestoreArtifacts are listed",
                lambda: br.share_point_restore_sessions.by_share_point_restore_session_id(gid)
                .granular_site_restore_artifacts.get(),
                lambda r: bool(r.value and isinstance(r.value[0], GranularSiteRestoreArtifact)) or "not listed", needs=bool(gid))
    await s.run("activate the granular session",
                lambda: br.restore_sessions.by_restore_session_base_id(gid).activate.post(), needs=bool(gid))
    await s.run("granular session reaches completed",
                lambda: c.poll(lambda: br.restore_sessions.by_restore_session_base_id(gid).get(),
                               lambda r: c.name_of(r.status) in ("completed", "completedWithError", "failed"), "completed"),
                lambda r: c.name_of(r.status) == "completed" or f"{c.name_of(r.status)} {r.error}", needs=bool(gid))
    await s.run("deactivate the policy",
                lambda: br.protection_policies.by_protection_policy_base_id(pid).deactivate.post(), needs=bool(pid))
    return s.closing()


if __name__ == "__main__":
    c.main(story)
