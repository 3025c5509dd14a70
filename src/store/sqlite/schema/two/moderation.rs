//! Who may do what, who is denied what, and what was done about it.

pub(super) const TABLES: &str = "
    ALTER TABLE rooms ADD COLUMN read_only INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE rooms ADD COLUMN invite_only INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE rooms ADD COLUMN slow_ms INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE members ADD COLUMN permissions INTEGER; -- instead of what the role allows
    ALTER TABLE users ADD COLUMN deactivated_ms INTEGER;

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
";
