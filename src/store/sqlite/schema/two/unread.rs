//! What is unread again, and what of a room an account wants to be told of.

pub(super) const TABLES: &str = "
    -- The furthest an account has read; the marker is behind it when something was marked as unread again.
    ALTER TABLE members ADD COLUMN reached INTEGER NOT NULL DEFAULT 0;
    UPDATE members SET reached = marker;
    ALTER TABLE members ADD COLUMN notify INTEGER NOT NULL DEFAULT 0;
";
