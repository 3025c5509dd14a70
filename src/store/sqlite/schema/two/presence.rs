//! What accounts allow others to know: when they were last there, and how far they have read.

pub(super) const TABLES: &str = "
    -- An account without a row has all of it off.
    CREATE TABLE account_settings (
        user BLOB NOT NULL PRIMARY KEY,
        receipts INTEGER NOT NULL,
        last_seen INTEGER NOT NULL,
        seen_ms INTEGER -- coarse; only while last_seen is on
    ) STRICT, WITHOUT ROWID;

    -- How far joined members have read, of those who tell it. Beside the marker, which knows nothing of who may know.
    CREATE TABLE receipts (
        room BLOB NOT NULL,
        user BLOB NOT NULL,
        seq INTEGER NOT NULL,
        PRIMARY KEY (room, user)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX receipts_by_user ON receipts (user, room);
";
