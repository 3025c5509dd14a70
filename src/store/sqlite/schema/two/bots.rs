//! Bots, and the webhooks through which some of them speak.

pub(super) const TABLES: &str = "
    CREATE TABLE bots (
        user BLOB NOT NULL PRIMARY KEY,
        owner BLOB NOT NULL,
        scope INTEGER NOT NULL,
        rooms BLOB, -- ids, one behind the other; null: not held to rooms
        created_ms INTEGER NOT NULL,
        revoked_ms INTEGER
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX bots_by_owner ON bots (owner, user);

    CREATE TABLE hooks (
        hook BLOB NOT NULL PRIMARY KEY,
        secret_hash BLOB NOT NULL UNIQUE,
        room BLOB NOT NULL,
        bot BLOB NOT NULL,
        created_by BLOB NOT NULL,
        created_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX hooks_by_room ON hooks (room, hook);
    CREATE INDEX hooks_by_bot ON hooks (bot);
";
