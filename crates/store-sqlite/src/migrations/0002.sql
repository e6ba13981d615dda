-- Version 2: the nouns of the whole backup API.
-- In the order of the lists that use them.
DROP INDEX units_by_policy;
CREATE INDEX units_by_policy ON units (policy, created_at DESC, id);
DROP INDEX restore_points_by_unit;
CREATE UNIQUE INDEX restore_points_by_unit ON restore_points (unit, protection_date_time DESC, id);
CREATE INDEX restore_sessions_by_status ON restore_sessions (tenant, status, created_at DESC, id);
CREATE INDEX units_by_status ON units (tenant, status, created_at DESC, id);
CREATE INDEX units_by_workload ON units (tenant, workload, created_at DESC, id);
CREATE INDEX units_by_workload_and_status ON units (tenant, workload, status, created_at DESC, id);

-- The unit's, for lists that show the points of one workload only.
ALTER TABLE restore_points ADD COLUMN workload TEXT NOT NULL DEFAULT '';
UPDATE restore_points SET workload = coalesce((SELECT workload FROM units WHERE id = unit), '');
CREATE INDEX restore_points_by_workload ON restore_points (tenant, workload, protection_date_time DESC, id);

ALTER TABLE policies ADD COLUMN mode TEXT NOT NULL DEFAULT 'standard';
ALTER TABLE policies ADD COLUMN retention_days INTEGER NOT NULL DEFAULT 365;
ALTER TABLE policies ADD COLUMN pending_retention_days INTEGER;
ALTER TABLE policies ADD COLUMN pending_retention_at INTEGER;

ALTER TABLE units ADD COLUMN sources TEXT NOT NULL DEFAULT 'manual';
UPDATE units SET sources = 'none' WHERE policy IS NULL;
-- A site can be named by its collection alone: this finds it in either form.
ALTER TABLE units ADD COLUMN site_collection TEXT;
UPDATE units SET site_collection = CASE WHEN instr(resource, ',') > 0 THEN substr(resource, instr(resource, ',') + 1, 36) ELSE resource END WHERE workload = 'sharePoint';
CREATE INDEX units_by_site_collection ON units (site_collection) WHERE site_collection IS NOT NULL;
ALTER TABLE units ADD COLUMN email TEXT;
ALTER TABLE units ADD COLUMN billing_policy TEXT;
ALTER TABLE units ADD COLUMN retention_days INTEGER NOT NULL DEFAULT 365;
ALTER TABLE units ADD COLUMN pending_retention_days INTEGER;
ALTER TABLE units ADD COLUMN pending_retention_at INTEGER;

ALTER TABLE restore_sessions ADD COLUMN kind TEXT NOT NULL DEFAULT 'standard';
ALTER TABLE restore_sessions ADD COLUMN policy TEXT;
ALTER TABLE restore_sessions ADD COLUMN conflict_behavior TEXT NOT NULL DEFAULT 'fail';
ALTER TABLE restore_sessions ADD COLUMN keeps_item_permissions INTEGER NOT NULL DEFAULT 0;

-- part: whole, item (with the columns after it) or found (with search_response).
ALTER TABLE restore_artifacts ADD COLUMN part TEXT NOT NULL DEFAULT 'whole';
ALTER TABLE restore_artifacts ADD COLUMN browse_session TEXT;
ALTER TABLE restore_artifacts ADD COLUMN item_key TEXT;
ALTER TABLE restore_artifacts ADD COLUMN item_web_url TEXT;
ALTER TABLE restore_artifacts ADD COLUMN restored_item_key TEXT;
ALTER TABLE restore_artifacts ADD COLUMN restored_item_path TEXT;
ALTER TABLE restore_artifacts ADD COLUMN restored_item_web_url TEXT;
ALTER TABLE restore_artifacts ADD COLUMN search_response TEXT;

ALTER TABLE jobs ADD COLUMN subject TEXT;

CREATE TABLE service_apps (
  id TEXT NOT NULL, tenant TEXT NOT NULL, status TEXT NOT NULL, effective_at INTEGER, registered_at INTEGER NOT NULL,
  last_modified_by TEXT NOT NULL, last_modified_at INTEGER NOT NULL, version INTEGER NOT NULL,
  PRIMARY KEY (tenant, id)
) STRICT;

INSERT INTO service_apps SELECT active_controller, tenant, 'active', last_modified_at, last_modified_at, last_modified_by, last_modified_at, 1 FROM services WHERE active_controller IS NOT NULL;
ALTER TABLE services DROP COLUMN active_controller;
ALTER TABLE services ADD COLUMN controller_deleted_at INTEGER;

CREATE TABLE rules (
  id TEXT PRIMARY KEY, tenant TEXT NOT NULL, workload TEXT NOT NULL, policy TEXT NOT NULL, expression TEXT NOT NULL, kind TEXT NOT NULL, status TEXT NOT NULL, error TEXT,
  created_by TEXT NOT NULL, created_at INTEGER NOT NULL, last_modified_by TEXT NOT NULL, last_modified_at INTEGER NOT NULL, version INTEGER NOT NULL
) STRICT;
CREATE INDEX rules_by_policy ON rules (tenant, policy, created_at DESC, id);

-- Which units a dynamic rule holds in its policy.
CREATE TABLE rule_members (
  rule TEXT NOT NULL, unit TEXT NOT NULL, tenant TEXT NOT NULL,
  PRIMARY KEY (rule, unit)
) STRICT, WITHOUT ROWID;
CREATE INDEX rule_members_by_unit ON rule_members (unit);

CREATE TABLE bulk_addition_jobs (
  id TEXT PRIMARY KEY, tenant TEXT NOT NULL, workload TEXT NOT NULL, policy TEXT NOT NULL, purpose TEXT NOT NULL, display_name TEXT NOT NULL, names TEXT NOT NULL, ids TEXT NOT NULL, status TEXT NOT NULL, error TEXT,
  created_by TEXT NOT NULL, created_at INTEGER NOT NULL, last_modified_by TEXT NOT NULL, last_modified_at INTEGER NOT NULL, version INTEGER NOT NULL
) STRICT;
CREATE INDEX bulk_addition_jobs_by_policy ON bulk_addition_jobs (tenant, policy, created_at DESC, id);

CREATE TABLE exclusion_units (
  id TEXT PRIMARY KEY, tenant TEXT NOT NULL, workload TEXT NOT NULL, policy TEXT NOT NULL, resource TEXT NOT NULL,
  created_by TEXT NOT NULL, created_at INTEGER NOT NULL, last_modified_by TEXT NOT NULL, last_modified_at INTEGER NOT NULL, version INTEGER NOT NULL,
  UNIQUE (tenant, policy, resource)
) STRICT;
CREATE INDEX exclusion_units_by_age ON exclusion_units (tenant, created_at DESC, id);

CREATE TABLE bulk_restore_requests (
  id TEXT PRIMARY KEY, tenant TEXT NOT NULL, workload TEXT NOT NULL, session TEXT NOT NULL UNIQUE, display_name TEXT NOT NULL, names TEXT NOT NULL, ids TEXT NOT NULL, destination TEXT NOT NULL,
  period_start INTEGER, period_end INTEGER, preference TEXT NOT NULL, status TEXT NOT NULL, error TEXT,
  created_by TEXT NOT NULL, created_at INTEGER NOT NULL, last_modified_by TEXT NOT NULL, last_modified_at INTEGER NOT NULL, version INTEGER NOT NULL
) STRICT;

CREATE TABLE search_responses (
  id TEXT PRIMARY KEY, tenant TEXT NOT NULL, restore_point TEXT, query TEXT NOT NULL, expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE activities (
  id TEXT PRIMARY KEY, tenant TEXT NOT NULL, at INTEGER NOT NULL, operation TEXT NOT NULL, result TEXT NOT NULL, workload TEXT NOT NULL, performed_by TEXT NOT NULL, error TEXT, details TEXT NOT NULL, version INTEGER NOT NULL
) STRICT;
CREATE INDEX activities_by_age ON activities (tenant, at DESC, id);

CREATE TABLE notifications_settings (
  tenant TEXT PRIMARY KEY, is_enabled INTEGER NOT NULL, tells_routine INTEGER NOT NULL, recipient_roles TEXT NOT NULL, custom_recipients TEXT NOT NULL, last_modified_by TEXT NOT NULL, last_modified_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What the tenant's next digest tells, to whom.
CREATE TABLE notices (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT, tenant TEXT NOT NULL, at INTEGER NOT NULL, kind TEXT NOT NULL, recipient_roles TEXT NOT NULL, custom_recipients TEXT NOT NULL, what TEXT NOT NULL, about TEXT NOT NULL, performed_by TEXT NOT NULL
) STRICT;
CREATE INDEX notices_by_tenant ON notices (tenant, sequence);

-- The outbox: a row is a digest for one recipient.
CREATE TABLE mails (
  id TEXT PRIMARY KEY, tenant TEXT NOT NULL, written_at INTEGER NOT NULL, recipient TEXT NOT NULL, subject TEXT NOT NULL, body TEXT NOT NULL, state TEXT NOT NULL, ended_at INTEGER, reason TEXT, version INTEGER NOT NULL
) STRICT;
CREATE INDEX mails_by_age ON mails (tenant, written_at DESC, id);

-- Addresses at which restores make new sites. One that has not ended keeps its own.
CREATE TABLE new_sites (
  tenant TEXT NOT NULL, address TEXT NOT NULL, artifact TEXT NOT NULL,
  PRIMARY KEY (tenant, address)
) STRICT, WITHOUT ROWID;

-- Only ever added to: the database itself refuses anything else.
CREATE TABLE audit (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT, tenant TEXT NOT NULL, at INTEGER NOT NULL, actor TEXT NOT NULL, operation TEXT NOT NULL, target TEXT NOT NULL, request TEXT NOT NULL
) STRICT;
CREATE INDEX audit_by_tenant ON audit (tenant, sequence);
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;

CREATE TABLE browse_sessions (
  number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, tenant TEXT NOT NULL, workload TEXT NOT NULL, unit TEXT NOT NULL, restore_point TEXT NOT NULL, protection_date_time INTEGER NOT NULL,
  resource TEXT NOT NULL, status TEXT NOT NULL, error TEXT, size_bytes INTEGER NOT NULL, created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, version INTEGER NOT NULL
) STRICT;
CREATE INDEX browse_sessions_by_age ON browse_sessions (tenant, created_at DESC, id);
CREATE INDEX browse_sessions_by_expiry ON browse_sessions (expires_at);
CREATE INDEX browse_sessions_by_unit ON browse_sessions (unit);
CREATE INDEX restore_artifacts_by_browse_session ON restore_artifacts (browse_session) WHERE browse_session IS NOT NULL;

-- `session` is the session's number. An ordinal is the item's place in path order; what is below it ends with `last`.
CREATE TABLE browse_items (
  session INTEGER NOT NULL, ordinal INTEGER NOT NULL, last INTEGER NOT NULL, parent INTEGER, kind INTEGER NOT NULL, guid BLOB NOT NULL, source TEXT NOT NULL, name TEXT NOT NULL,
  items INTEGER NOT NULL, size INTEGER NOT NULL, created INTEGER, modified INTEGER, web_url TEXT,
  PRIMARY KEY (session, ordinal)
) STRICT, WITHOUT ROWID;
CREATE INDEX browse_items_by_parent ON browse_items (session, parent, ordinal);
CREATE INDEX browse_items_by_guid ON browse_items (session, guid);
