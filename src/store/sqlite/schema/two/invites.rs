//! Invites: where they were made, and when they are forgotten.

pub(super) const TABLES: &str = "
    -- The device an invite was made on, which takes it along when it is shut out.
    ALTER TABLE invites ADD COLUMN device BLOB;
    -- Those that ended first are forgotten first.
    CREATE INDEX invites_by_end ON invites (expires_ms);
";
