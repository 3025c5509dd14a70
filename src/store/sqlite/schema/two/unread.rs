//! What is unread again, and what of a room an account wants to be told of.

pub(super) const TABLES: &str = "
    -- The furthest an account has read; the marker is behind it when something was marked as unread again.
    ALTER TABLE members ADD COLUMN reached INTEGER NOT NULL DEFAULT 0;
    UPDATE members SET reached = marker;
    ALTER TABLE members ADD COLUMN notify INTEGER NOT NULL DEFAULT 0;

    -- Which of its author's own a countable entry is: how many lie between two places is a difference.
    ALTER TABLE entries ADD COLUMN own_nth INTEGER;
    UPDATE entries SET own_nth = own.nth FROM (
        SELECT room, seq, row_number() OVER (PARTITION BY room, author ORDER BY seq) AS nth
        FROM entries WHERE author IS NOT NULL) AS own
        WHERE entries.room = own.room AND entries.seq = own.seq;
    DROP INDEX entries_authored;
    CREATE INDEX entries_authored ON entries (room, author, seq, own_nth) WHERE author IS NOT NULL;
";
