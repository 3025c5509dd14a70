//! Who may do what, who is denied what, and what was done about it.

pub(super) const TABLES: &str = "
    ALTER TABLE rooms ADD COLUMN read_only INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE rooms ADD COLUMN invite_only INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE rooms ADD COLUMN slow_ms INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE members ADD COLUMN permissions INTEGER; -- instead of what the role allows
    ALTER TABLE users ADD COLUMN deactivated_ms INTEGER;
    CREATE INDEX users_owners ON users (role) WHERE role >= 100;

    -- Bans and mutes: of members and of people who are not there.
    CREATE TABLE sanctions (
        room BLOB NOT NULL,
        user BLOB NOT NULL,
        sanction INTEGER NOT NULL,
        by_user BLOB NOT NULL,
        at_ms INTEGER NOT NULL,
        until_ms INTEGER,
        reason TEXT,
        PRIMARY KEY (room, user, sanction)
    ) STRICT, WITHOUT ROWID;

    -- As what somebody was in a room when they left.
    CREATE TABLE parted (
        room BLOB NOT NULL,
        user BLOB NOT NULL,
        role INTEGER NOT NULL,
        permissions INTEGER,
        PRIMARY KEY (room, user)
    ) STRICT, WITHOUT ROWID;

    -- Who did what to whom, when and why. The oldest of a shelf go when there are too many on it.
    CREATE TABLE audit (
        record INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
        shelf BLOB NOT NULL, -- the room; no bytes: the server; one byte: rooms that came to an end
        nth INTEGER NOT NULL, -- which of its shelf
        at_ms INTEGER NOT NULL,
        act INTEGER NOT NULL,
        by_user BLOB, -- nobody: the server
        room BLOB,
        user BLOB,
        reason TEXT,
        detail TEXT
    ) STRICT;
    CREATE UNIQUE INDEX audit_by_shelf ON audit (shelf, nth);

    -- Reports that wait for a moderator.
    CREATE TABLE reports (
        report INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
        room BLOB NOT NULL,
        seq INTEGER NOT NULL,
        author BLOB NOT NULL,
        by_user BLOB NOT NULL,
        at_ms INTEGER NOT NULL,
        reason TEXT NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX reports_by_entry ON reports (room, seq, by_user);
    CREATE INDEX reports_by_room ON reports (room, report);
    CREATE INDEX reports_by_user ON reports (by_user);

    -- What is still to be erased of what somebody wrote: in a room, or with none, in all rooms behind one.
    CREATE TABLE purges (
        purge INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
        user BLOB NOT NULL,
        room BLOB,
        up_to INTEGER NOT NULL, -- 0: nothing was found yet, and the room knows nothing
        done INTEGER NOT NULL, -- positions looked at
        behind BLOB, -- rooms looked at
        by_user BLOB NOT NULL,
        by_device BLOB NOT NULL,
        reason TEXT
    ) STRICT;
    CREATE INDEX purges_by_user ON purges (user);
";
