-- Signing in: what an application may ask for on a person's behalf, and what was handed out. Only hashes of codes and tokens.
ALTER TABLE apps ADD COLUMN scopes TEXT NOT NULL DEFAULT '[]';        -- JSON array of names
ALTER TABLE apps ADD COLUMN redirect_uris TEXT NOT NULL DEFAULT '[]'; -- JSON array

CREATE TABLE authorization_codes (
    hash BLOB PRIMARY KEY,          -- SHA-256
    client_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    challenge TEXT,                 -- PKCE, S256
    nonce TEXT,
    scope TEXT NOT NULL,            -- as the client wrote it
    expires INTEGER NOT NULL,
    family TEXT                     -- set when the code was used: the refresh tokens that came of it
) STRICT;
CREATE INDEX authorization_codes_by_expiry ON authorization_codes (expires);

CREATE TABLE device_codes (
    hash BLOB PRIMARY KEY,          -- SHA-256 of the device code
    user_code TEXT NOT NULL UNIQUE,
    client_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    expires INTEGER NOT NULL,
    interval_seconds INTEGER NOT NULL,
    asked_at INTEGER,               -- when the device last asked
    answer TEXT,                    -- NULL: none yet; empty: declined; else the user's id
    used INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX device_codes_by_expiry ON device_codes (expires);

CREATE TABLE refresh_tokens (
    hash BLOB PRIMARY KEY,          -- SHA-256
    family TEXT NOT NULL,           -- all tokens that came of one sign-in
    client_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    needs_secret INTEGER NOT NULL,  -- the client proved itself by its secret when it signed in
    used INTEGER NOT NULL DEFAULT 0,
    expires INTEGER NOT NULL
) STRICT;
CREATE INDEX refresh_tokens_by_family ON refresh_tokens (family);
CREATE INDEX refresh_tokens_by_expiry ON refresh_tokens (expires);
