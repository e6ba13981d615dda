-- Version 1. Times are microseconds since 1970; ids and enums are text, so that a person can read the file.
CREATE TABLE services (
  tenant TEXT PRIMARY KEY, state TEXT NOT NULL, state_since INTEGER, disable_reason TEXT NOT NULL, active_controller TEXT, app_owner_tenant TEXT,
  last_modified_by TEXT NOT NULL, last_modified_at INTEGER NOT NULL, version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE policies (
  id TEXT PRIMARY KEY, tenant TEXT NOT NULL, workload TEXT NOT NULL, display_name TEXT NOT NULL, status TEXT NOT NULL, goal TEXT,
  created_by TEXT NOT NULL, created_at INTEGER NOT NULL, last_modified_by TEXT NOT NULL, last_modified_at INTEGER NOT NULL, version INTEGER NOT NULL
) STRICT;
CREATE INDEX policies_by_age ON policies (tenant, created_at DESC, id);

CREATE TABLE units (
  id TEXT PRIMARY KEY, tenant TEXT NOT NULL, workload TEXT NOT NULL, resource TEXT NOT NULL, policy TEXT, state TEXT NOT NULL, state_since INTEGER, status TEXT NOT NULL,
  name TEXT, web_url TEXT, error TEXT, next_backup_at INTEGER,
  created_by TEXT NOT NULL, created_at INTEGER NOT NULL, last_modified_by TEXT NOT NULL, last_modified_at INTEGER NOT NULL, version INTEGER NOT NULL,
  UNIQUE (tenant, workload, resource)
) STRICT;
CREATE INDEX units_by_age ON units (tenant, created_at DESC, id);
CREATE INDEX units_by_policy ON units (tenant, policy) WHERE policy IS NOT NULL;
CREATE INDEX units_due ON units (next_backup_at) WHERE next_backup_at IS NOT NULL;

CREATE TABLE restore_points (
  id TEXT PRIMARY KEY, tenant TEXT NOT NULL, unit TEXT NOT NULL, protection_date_time INTEGER NOT NULL, started_at INTEGER NOT NULL, expires_at INTEGER NOT NULL,
  snapshot TEXT NOT NULL, items INTEGER NOT NULL, size_bytes INTEGER NOT NULL, gaps INTEGER NOT NULL
) STRICT;
CREATE INDEX restore_points_by_age ON restore_points (tenant, protection_date_time DESC, id);
CREATE UNIQUE INDEX restore_points_by_unit ON restore_points (unit, protection_date_time DESC);

CREATE TABLE restore_point_gaps (
  point TEXT NOT NULL, sequence INTEGER NOT NULL, drive TEXT NOT NULL, item TEXT NOT NULL, path TEXT NOT NULL, reason TEXT NOT NULL, since INTEGER NOT NULL, stale INTEGER NOT NULL,
  PRIMARY KEY (point, sequence)
) STRICT, WITHOUT ROWID;

CREATE TABLE restore_sessions (
  id TEXT PRIMARY KEY, tenant TEXT NOT NULL, workload TEXT NOT NULL, status TEXT NOT NULL, state_since INTEGER, completed_at INTEGER, error TEXT,
  created_by TEXT NOT NULL, created_at INTEGER NOT NULL, last_modified_by TEXT NOT NULL, last_modified_at INTEGER NOT NULL, version INTEGER NOT NULL
) STRICT;
CREATE INDEX restore_sessions_by_age ON restore_sessions (tenant, created_at DESC, id);
CREATE INDEX restore_sessions_running ON restore_sessions (tenant) WHERE status IN ('activating', 'active');

CREATE TABLE restore_artifacts (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, tenant TEXT NOT NULL, session TEXT NOT NULL, unit TEXT NOT NULL, restore_point TEXT NOT NULL, destination TEXT NOT NULL,
  status TEXT NOT NULL, started_at INTEGER, ended_at INTEGER, error TEXT, restored_id TEXT, restored_name TEXT, restored_web_url TEXT, created_at INTEGER NOT NULL, version INTEGER NOT NULL
) STRICT;
CREATE INDEX restore_artifacts_by_session ON restore_artifacts (session, sequence);
CREATE INDEX restore_artifacts_busy ON restore_artifacts (unit) WHERE status IN ('scheduling', 'scheduled', 'inProgress');

CREATE TABLE restore_artifact_failures (
  artifact TEXT NOT NULL, sequence INTEGER NOT NULL, path TEXT NOT NULL, code TEXT NOT NULL, message TEXT NOT NULL,
  PRIMARY KEY (artifact, sequence)
) STRICT, WITHOUT ROWID;

-- A row lives from enqueue to finish. lease_token 0: never claimed.
CREATE TABLE jobs (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, tenant TEXT NOT NULL, work TEXT NOT NULL, unit TEXT, session TEXT, artifact TEXT,
  not_before INTEGER NOT NULL, attempts INTEGER NOT NULL, lease_token INTEGER NOT NULL, lease_until INTEGER, progress TEXT, last_failure TEXT
) STRICT;
CREATE INDEX jobs_ready ON jobs (not_before, sequence);
CREATE INDEX jobs_by_unit ON jobs (unit) WHERE unit IS NOT NULL;

CREATE TABLE lease_tokens (only INTEGER PRIMARY KEY CHECK (only = 1), last INTEGER NOT NULL) STRICT;
INSERT INTO lease_tokens VALUES (1, 0);

CREATE TABLE wrapped_tenant_keys (tenant TEXT PRIMARY KEY, wrapped TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE wrapped_repository_secrets (unit TEXT PRIMARY KEY, tenant TEXT NOT NULL, wrapped TEXT NOT NULL) STRICT, WITHOUT ROWID;

-- The catalogue. `drive` is a small number that stands for (unit, drive id) in the tables below.
CREATE TABLE catalogue_drives (
  drive INTEGER PRIMARY KEY, unit TEXT NOT NULL, drive_id TEXT NOT NULL, published INTEGER NOT NULL, folder TEXT NOT NULL, delta_link TEXT, properties TEXT NOT NULL,
  items INTEGER NOT NULL, size_bytes INTEGER NOT NULL,
  UNIQUE (unit, drive_id)
) STRICT;

CREATE TABLE catalogue_items (
  drive INTEGER NOT NULL, item TEXT NOT NULL, parent TEXT, name TEXT NOT NULL, etag TEXT NOT NULL, created INTEGER NOT NULL, modified INTEGER NOT NULL,
  folder INTEGER NOT NULL, tree BLOB, size INTEGER NOT NULL, quick_xor_hash TEXT, content_state INTEGER NOT NULL, content BLOB, permissions TEXT, gap_reason TEXT, gap_since INTEGER,
  PRIMARY KEY (drive, item)
) STRICT, WITHOUT ROWID;
CREATE INDEX catalogue_items_by_parent ON catalogue_items (drive, parent);
CREATE INDEX catalogue_items_gaps ON catalogue_items (drive) WHERE gap_reason IS NOT NULL;

CREATE TABLE catalogue_staged (
  drive INTEGER NOT NULL, item TEXT NOT NULL, removed INTEGER NOT NULL, parent TEXT, name TEXT NOT NULL, etag TEXT NOT NULL, created INTEGER NOT NULL, modified INTEGER NOT NULL,
  folder INTEGER NOT NULL, tree BLOB, size INTEGER NOT NULL, quick_xor_hash TEXT, content_state INTEGER NOT NULL, content BLOB, permissions TEXT, gap_reason TEXT, gap_since INTEGER,
  PRIMARY KEY (drive, item)
) STRICT, WITHOUT ROWID;
CREATE INDEX catalogue_staged_by_parent ON catalogue_staged (drive, parent);

CREATE TABLE catalogue_hints (
  drive INTEGER NOT NULL, item TEXT NOT NULL, size INTEGER NOT NULL, quick_xor_hash TEXT NOT NULL, content BLOB NOT NULL,
  PRIMARY KEY (drive, item)
) STRICT, WITHOUT ROWID;

-- What publishing the staged changes would add to a drive's totals (roots are no items).
CREATE VIEW staged_difference AS
SELECT s.drive,
       sum((s.removed = 0 AND s.parent IS NOT NULL) - (p.item IS NOT NULL AND p.parent IS NOT NULL)) AS items,
       sum(CASE WHEN s.removed = 0 THEN s.size ELSE 0 END - coalesce(p.size, 0)) AS size_bytes
FROM catalogue_staged s LEFT JOIN catalogue_items p ON p.drive = s.drive AND p.item = s.item GROUP BY s.drive;
