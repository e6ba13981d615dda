-- Times are microseconds since 1970 in UTC. Ids of rows (INTEGER PRIMARY KEY) never leave this file's database.
CREATE TABLE apps (
    client_id TEXT PRIMARY KEY,
    display_name TEXT NOT NULL,
    roles TEXT NOT NULL,            -- JSON array of names
    salt BLOB NOT NULL,
    secret_hash BLOB NOT NULL       -- PBKDF2-HMAC-SHA256 of the client secret
) STRICT;

CREATE TABLE users (
    id TEXT PRIMARY KEY,
    upn TEXT NOT NULL UNIQUE COLLATE NOCASE,
    display_name TEXT NOT NULL,
    given_name TEXT NOT NULL,
    surname TEXT NOT NULL,
    job_title TEXT NOT NULL,
    created INTEGER NOT NULL
) STRICT;

CREATE TABLE groups (
    id TEXT PRIMARY KEY,
    display_name TEXT NOT NULL,
    mail_nickname TEXT NOT NULL,
    description TEXT NOT NULL,
    site INTEGER,
    created INTEGER NOT NULL
) STRICT;

CREATE TABLE group_members (
    group_id TEXT NOT NULL REFERENCES groups (id),
    user_id TEXT NOT NULL REFERENCES users (id),
    PRIMARY KEY (group_id, user_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE sites (
    id INTEGER PRIMARY KEY,
    guid BLOB NOT NULL UNIQUE,
    web BLOB NOT NULL,
    path TEXT NOT NULL,             -- server-relative, without leading slash; empty for the root site
    path_key TEXT NOT NULL,
    name TEXT NOT NULL,
    display_name TEXT NOT NULL,
    description TEXT NOT NULL,
    personal INTEGER NOT NULL,
    owner_user TEXT,
    owner_group TEXT,
    locked INTEGER NOT NULL DEFAULT 0,
    created INTEGER NOT NULL,
    modified INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX sites_by_path ON sites (personal, path_key);

CREATE TABLE drives (
    id INTEGER PRIMARY KEY,
    public_id TEXT NOT NULL UNIQUE,
    site INTEGER NOT NULL REFERENCES sites (id) ON DELETE CASCADE,
    list BLOB NOT NULL,
    name TEXT NOT NULL,
    url_name TEXT NOT NULL,
    description TEXT NOT NULL,
    is_default INTEGER NOT NULL,
    root INTEGER NOT NULL DEFAULT 0, -- items.id, set right after the root is made
    epoch INTEGER NOT NULL,         -- tokens of another epoch ask for a resync
    change_seq INTEGER NOT NULL,    -- grows by one with each writing transaction
    oldest_seq INTEGER NOT NULL,    -- tokens before it ask for a resync
    created INTEGER NOT NULL
) STRICT;
CREATE INDEX drives_by_site ON drives (site);

CREATE TABLE identities (
    id INTEGER PRIMARY KEY,
    body TEXT NOT NULL UNIQUE       -- identitySet, JSON
) STRICT;

CREATE TABLE items (
    id INTEGER PRIMARY KEY,
    drive INTEGER NOT NULL REFERENCES drives (id) ON DELETE CASCADE,
    guid BLOB NOT NULL,
    parent INTEGER,                 -- NULL for the root; kept after deletion
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,         -- names::fold(name)
    kind INTEGER NOT NULL,          -- 0 folder, 1 file
    state INTEGER NOT NULL,         -- 0 live, 1 in the recycle bin, 2 purged
    size INTEGER NOT NULL,          -- of a folder: the sum over its live subtree
    child_count INTEGER NOT NULL,
    sha256 BLOB,
    quickxor BLOB,
    etag INTEGER NOT NULL,
    ctag INTEGER NOT NULL,
    version INTEGER NOT NULL,
    created INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    created_by INTEGER NOT NULL,
    modified_by INTEGER NOT NULL,
    fs_created INTEGER NOT NULL,
    fs_modified INTEGER NOT NULL,
    fs_accessed INTEGER,
    description TEXT,
    inherits INTEGER NOT NULL DEFAULT 1,
    direct_permissions INTEGER NOT NULL DEFAULT 0,
    change_seq INTEGER NOT NULL,    -- of the item itself, not of its descendants
    changed_at INTEGER NOT NULL,
    sharing_seq INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX items_by_guid ON items (guid, drive);
CREATE UNIQUE INDEX items_by_name ON items (parent, name_key) WHERE state = 0;
CREATE INDEX items_by_parent ON items (parent) WHERE state <> 0;
CREATE INDEX items_by_change ON items (drive, change_seq);

CREATE TABLE versions (
    item INTEGER NOT NULL REFERENCES items (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    size INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    quickxor BLOB NOT NULL,
    modified INTEGER NOT NULL,
    modified_by INTEGER NOT NULL,
    PRIMARY KEY (item, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE permissions (
    item INTEGER NOT NULL REFERENCES items (id) ON DELETE CASCADE,
    id TEXT NOT NULL,
    roles TEXT NOT NULL,            -- JSON array
    body TEXT NOT NULL,             -- grantedToV2, link and the rest, JSON object
    PRIMARY KEY (item, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE upload_sessions (
    secret_hash BLOB PRIMARY KEY,   -- SHA-256 of the secret in the uploadUrl
    drive INTEGER NOT NULL REFERENCES drives (id) ON DELETE CASCADE,
    base_item INTEGER NOT NULL,
    path TEXT NOT NULL,             -- JSON array of names below base_item; empty: base_item itself
    conflict TEXT NOT NULL,
    fs_info TEXT NOT NULL,          -- JSON object
    description TEXT,
    defer_commit INTEGER NOT NULL,
    identity INTEGER NOT NULL,
    total INTEGER,
    received INTEGER NOT NULL,
    last_start INTEGER NOT NULL DEFAULT 0,
    expires INTEGER NOT NULL,
    sha256 BLOB,                    -- set once all bytes are in the content store
    quickxor BLOB,
    finished_item INTEGER           -- kept a few minutes for clients that repeat the last fragment
) STRICT;
CREATE INDEX upload_sessions_by_drive ON upload_sessions (drive);
CREATE INDEX upload_sessions_by_expiry ON upload_sessions (expires);

CREATE TABLE copies (
    secret_hash BLOB PRIMARY KEY,
    item INTEGER NOT NULL REFERENCES items (id) ON DELETE CASCADE
) STRICT;
CREATE INDEX copies_by_item ON copies (item);

CREATE TABLE delta_rounds (
    id INTEGER PRIMARY KEY,
    drive INTEGER NOT NULL REFERENCES drives (id) ON DELETE CASCADE,
    started INTEGER NOT NULL,
    total INTEGER NOT NULL
) STRICT;
CREATE INDEX delta_rounds_by_drive ON delta_rounds (drive);

CREATE TABLE delta_round_chunks (
    round INTEGER NOT NULL REFERENCES delta_rounds (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    items BLOB NOT NULL,            -- up to delta::CHUNK row ids, 8 bytes little-endian each
    PRIMARY KEY (round, number)
) STRICT, WITHOUT ROWID;
