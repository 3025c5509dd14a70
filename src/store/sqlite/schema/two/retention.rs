//! How long things stay, and what is on its way out.

pub(super) const TABLES: &str = "
    -- What the room itself says it keeps; nothing where it says nothing.
    ALTER TABLE rooms ADD COLUMN keep_ms INTEGER;
    ALTER TABLE rooms ADD COLUMN keep_count INTEGER;
    ALTER TABLE rooms ADD COLUMN keep_bytes INTEGER;
    ALTER TABLE rooms ADD COLUMN ttl_ms INTEGER; -- of messages that name no end
    ALTER TABLE rooms ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0; -- of the frames of its log
    UPDATE rooms SET bytes = (SELECT coalesce(sum(length(frame)), 0) FROM entries WHERE entries.room = rooms.room);

    -- Rooms with a word of their own about what they keep.
    CREATE INDEX rooms_keeping ON rooms (room)
        WHERE keep_ms IS NOT NULL OR keep_count IS NOT NULL OR keep_bytes IS NOT NULL;

    -- Who has not read how far, for the entries that go below a marker.
    CREATE INDEX members_by_marker ON members (room, marker) WHERE membership = 2;
    -- Where accounts that go are still known.
    CREATE INDEX sanctions_by_user ON sanctions (user, room, sanction);
    CREATE INDEX parted_by_user ON parted (user, room);
    -- When the id came in: one that names an earlier entry is not as old as that.
    ALTER TABLE messages ADD COLUMN heard_ms INTEGER NOT NULL DEFAULT 0;
    UPDATE messages SET heard_ms = at_ms;
    -- The oldest message ids, which are forgotten first.
    CREATE INDEX messages_by_time ON messages (heard_ms);

    -- Entries that vanish, and when.
    CREATE TABLE expiries (
        at_ms INTEGER NOT NULL,
        room BLOB NOT NULL,
        seq INTEGER NOT NULL,
        PRIMARY KEY (at_ms, room, seq)
    ) STRICT, WITHOUT ROWID;

    -- Rooms that were deleted: whoever was in one and comes back later is told.
    CREATE TABLE gone_rooms (
        room BLOB NOT NULL PRIMARY KEY,
        swept INTEGER NOT NULL, -- whether nothing else of it is left
        creator BLOB -- among whose rooms it counts
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX gone_rooms_by_creator ON gone_rooms (creator) WHERE creator IS NOT NULL;
    CREATE INDEX gone_rooms_unswept ON gone_rooms (room) WHERE swept = 0;

    -- Accounts that were deleted, as long as they are in rooms, or something of them is left.
    CREATE TABLE gone_users (
        user BLOB NOT NULL PRIMARY KEY
    ) STRICT, WITHOUT ROWID;

    -- Nicknames of deleted accounts, which nobody gets for a while. Only their hashes.
    CREATE TABLE resting_names (
        hash BLOB NOT NULL PRIMARY KEY, -- SHA-256 of the folded name
        until_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
";
