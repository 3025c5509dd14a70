//! What entries say of each other.

pub(super) const TABLES: &str = "
    -- What is about what; about 0 when that is no longer in the log.
    CREATE TABLE relations (
        room BLOB NOT NULL,
        target INTEGER NOT NULL,
        kind INTEGER NOT NULL,
        seq INTEGER NOT NULL,
        PRIMARY KEY (room, target, kind, seq)
    ) STRICT, WITHOUT ROWID;

    -- Countable entries that were erased: nobody has them unread any more.
    CREATE TABLE uncounted (
        room BLOB NOT NULL,
        seq INTEGER NOT NULL,
        author BLOB NOT NULL,
        PRIMARY KEY (room, seq)
    ) STRICT, WITHOUT ROWID;
";
