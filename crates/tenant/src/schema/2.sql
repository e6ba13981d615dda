-- The directory beyond Microsoft 365 groups: security groups, groups in groups, administrators.
ALTER TABLE groups ADD COLUMN security INTEGER NOT NULL DEFAULT 0; -- 1: a security group, without mail or site

CREATE TABLE nested_groups (
    parent TEXT NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
    child TEXT NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
    PRIMARY KEY (parent, child)
) STRICT, WITHOUT ROWID;

CREATE TABLE directory_roles (
    user_id TEXT NOT NULL REFERENCES users (id),
    template_id TEXT NOT NULL,      -- a token's `wids` hold it
    PRIMARY KEY (user_id, template_id)
) STRICT, WITHOUT ROWID;
