//! Files: content on the disk, who holds it, which entries refer to it.

pub(super) const TABLES: &str = "
    CREATE TABLE files (
        hash BLOB NOT NULL PRIMARY KEY,
        size INTEGER NOT NULL,
        name TEXT NOT NULL -- on the disk
    ) STRICT, WITHOUT ROWID;

    -- Who has shown the content, or refers to it in an entry of their own.
    CREATE TABLE file_holdings (
        user BLOB NOT NULL,
        hash BLOB NOT NULL,
        size INTEGER NOT NULL,
        until_ms INTEGER, -- without an entry until then; none: only as long as there is one
        PRIMARY KEY (user, hash)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX file_holdings_by_hash ON file_holdings (hash);
    CREATE INDEX file_holdings_ending ON file_holdings (until_ms) WHERE until_ms IS NOT NULL;

    CREATE TABLE file_references (
        room BLOB NOT NULL,
        seq INTEGER NOT NULL,
        hash BLOB NOT NULL,
        user BLOB NOT NULL, -- the entry's author
        PRIMARY KEY (room, seq, hash)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX file_references_by_hash ON file_references (hash, user, room);

    CREATE TABLE uploads (
        user BLOB NOT NULL,
        upload BLOB NOT NULL,
        room BLOB NOT NULL,
        hash BLOB NOT NULL,
        size INTEGER NOT NULL,
        name TEXT NOT NULL,
        seen_ms INTEGER NOT NULL,
        PRIMARY KEY (user, upload)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX uploads_by_seen ON uploads (seen_ms);

    -- Names whose bytes may go from the disk.
    CREATE TABLE file_rubbish (name TEXT NOT NULL PRIMARY KEY) STRICT, WITHOUT ROWID;

    -- What files take and what uploads will take, in bytes: a sum over all of them would make every upload slower.
    CREATE TABLE file_space (one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1), bytes INTEGER NOT NULL) STRICT;
    INSERT INTO file_space (one, bytes) VALUES (1, 0);
    CREATE TRIGGER files_come AFTER INSERT ON files BEGIN UPDATE file_space SET bytes = bytes + NEW.size; END;
    CREATE TRIGGER files_go AFTER DELETE ON files BEGIN UPDATE file_space SET bytes = bytes - OLD.size; END;
    CREATE TRIGGER uploads_come AFTER INSERT ON uploads BEGIN UPDATE file_space SET bytes = bytes + NEW.size; END;
    CREATE TRIGGER uploads_go AFTER DELETE ON uploads BEGIN UPDATE file_space SET bytes = bytes - OLD.size; END;
";
