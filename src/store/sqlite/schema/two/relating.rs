//! What follows from entries about entries: reactions, pins, threads, and who is called.

pub(super) const TABLES: &str = "
    -- Who reacts how to what, as of now.
    CREATE TABLE reactions (
        room BLOB NOT NULL,
        target INTEGER NOT NULL,
        emoji TEXT NOT NULL,
        user BLOB NOT NULL,
        seq INTEGER NOT NULL, -- the entry that says so
        PRIMARY KEY (room, target, emoji, user)
    ) STRICT, WITHOUT ROWID;
    -- How many do, so that nobody has to count them.
    CREATE TABLE tallies (
        room BLOB NOT NULL,
        target INTEGER NOT NULL,
        emoji TEXT NOT NULL,
        users INTEGER NOT NULL,
        PRIMARY KEY (room, target, emoji)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE pins (
        room BLOB NOT NULL,
        target INTEGER NOT NULL,
        seq INTEGER NOT NULL, -- the entry that says so
        PRIMARY KEY (room, target)
    ) STRICT, WITHOUT ROWID;

    -- Entries of threads, their roots among them.
    CREATE TABLE threads (
        room BLOB NOT NULL,
        root INTEGER NOT NULL,
        seq INTEGER NOT NULL,
        PRIMARY KEY (room, root, seq)
    ) STRICT, WITHOUT ROWID;

    -- Members whom a message calls by name.
    CREATE TABLE mentions (
        user BLOB NOT NULL,
        room BLOB NOT NULL,
        seq INTEGER NOT NULL,
        at_ms INTEGER NOT NULL,
        PRIMARY KEY (user, room, seq)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX mentions_in_time ON mentions (user, room, at_ms, seq);
    CREATE INDEX mentions_by_entry ON mentions (room, seq);

    -- Messages that call the whole room: one row, however many people that are.
    CREATE TABLE calls (
        room BLOB NOT NULL,
        seq INTEGER NOT NULL,
        author BLOB NOT NULL,
        at_ms INTEGER NOT NULL,
        PRIMARY KEY (room, seq)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX calls_in_time ON calls (room, at_ms, seq);
";
