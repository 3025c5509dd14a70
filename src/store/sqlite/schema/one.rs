//! The first version: logs, members, accounts, devices, invites.

pub(super) const TABLES: &str = "
    -- One row for each log, with what an append needs to know of it.
    CREATE TABLE rooms (
        room BLOB NOT NULL PRIMARY KEY,
        incarnation INTEGER NOT NULL,
        head INTEGER NOT NULL,
        floor INTEGER NOT NULL,
        countable INTEGER NOT NULL, -- countable entries in the log
        at_ms INTEGER NOT NULL, -- time of the newest entry
        members INTEGER NOT NULL, -- how many have joined
        visibility INTEGER NOT NULL,
        name TEXT UNIQUE,
        topic TEXT,
        direct_one BLOB, -- the two people of a direct room, the smaller id first
        direct_other BLOB,
        creator BLOB,
        created_ms INTEGER NOT NULL,
        UNIQUE (direct_one, direct_other)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX rooms_public ON rooms (room) WHERE visibility = 0;
    CREATE INDEX rooms_by_creator ON rooms (creator) WHERE creator IS NOT NULL;

    -- The logs. The frame is last, so that a look at the numbers does not read it.
    CREATE TABLE entries (
        room BLOB NOT NULL,
        seq INTEGER NOT NULL,
        nth INTEGER NOT NULL, -- countable entries up to and with this one
        author BLOB, -- of a countable entry
        checksum INTEGER NOT NULL, -- of room, seq and frame
        frame BLOB NOT NULL,
        PRIMARY KEY (room, seq)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX entries_authored ON entries (room, author, seq) WHERE author IS NOT NULL;

    -- What a message was when it came first, for when it comes again.
    CREATE TABLE messages (
        room BLOB NOT NULL,
        user BLOB NOT NULL,
        message BLOB NOT NULL,
        seq INTEGER NOT NULL,
        at_ms INTEGER NOT NULL,
        hash BLOB NOT NULL, -- of its content
        PRIMARY KEY (room, user, message)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE members (
        room BLOB NOT NULL,
        user BLOB NOT NULL,
        membership INTEGER NOT NULL,
        role INTEGER NOT NULL,
        marker INTEGER NOT NULL, -- read up to here
        marker_nth INTEGER NOT NULL, -- countable entries up to the marker
        own_after INTEGER NOT NULL, -- countable entries of their own after the marker
        PRIMARY KEY (room, user)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX members_by_user ON members (user, room);
    CREATE INDEX members_owners ON members (room, membership, role) WHERE membership = 2 AND role >= 100;

    CREATE TABLE users (
        user BLOB NOT NULL PRIMARY KEY,
        nickname TEXT NOT NULL,
        folded TEXT NOT NULL UNIQUE, -- the nickname as it is compared
        role INTEGER NOT NULL,
        epoch INTEGER NOT NULL,
        created_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE devices (
        device BLOB NOT NULL PRIMARY KEY,
        user BLOB NOT NULL,
        name TEXT NOT NULL,
        key BLOB NOT NULL UNIQUE,
        invite BLOB NOT NULL,
        created_ms INTEGER NOT NULL,
        seen_ms INTEGER NOT NULL,
        revoked_ms INTEGER
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX devices_by_user ON devices (user, device);
    CREATE INDEX devices_by_invite ON devices (invite, user);

    CREATE TABLE invites (
        invite BLOB NOT NULL PRIMARY KEY,
        secret_hash BLOB NOT NULL UNIQUE,
        created_by BLOB,
        room BLOB,
        role INTEGER NOT NULL,
        for_user BLOB,
        uses_left INTEGER NOT NULL,
        expires_ms INTEGER NOT NULL,
        revoked INTEGER NOT NULL,
        created_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX invites_by_creator ON invites (created_by, invite);
";
