//! Files as SQL, and what happens to them when the content of an entry changes.

use std::collections::BTreeSet;

use quipu_protocol::{Entry, RoomId, Seq, UploadId, UserId};
use rusqlite::{Row, params};

use super::reads::{Access, View, count, many, one, rows_max};
use super::rows::{kept, number, position};
use super::writes::Batch;
use crate::store::StoreError;
use crate::store::files::{FileHash, FileReads, FileRow, FileSpace, FileWrites, UploadRow};

const UPLOAD_COLUMNS: &str = "hash, size, name, user, upload, room, seen_ms";

impl<A: Access> FileReads for View<A> {
    fn file_for(&self, user: UserId, hash: &FileHash) -> Result<Option<FileRow>, StoreError> {
        let sql = "SELECT hash, size, name FROM files WHERE hash = ?2 AND (
                EXISTS (SELECT 1 FROM file_holdings WHERE user = ?1 AND hash = ?2)
                OR EXISTS (SELECT 1 FROM file_references JOIN members ON members.room = file_references.room
                    WHERE file_references.hash = ?2 AND members.user = ?1 AND members.membership = 2))";
        one(self.0.conn(), sql, params![user.as_bytes(), hash], file_row)
    }

    fn holds_file(&self, user: UserId, hash: &FileHash) -> Result<bool, StoreError> {
        let sql = "SELECT count(*) FROM file_holdings WHERE user = ?1 AND hash = ?2";
        Ok(count(self.0.conn(), sql, params![user.as_bytes(), hash])? > 0)
    }

    fn file_of(&self, room: RoomId, seq: Seq, hash: &FileHash) -> Result<Option<FileRow>, StoreError> {
        let sql = "SELECT files.hash, size, name FROM file_references JOIN files ON files.hash = file_references.hash
             WHERE room = ?1 AND seq = ?2 AND file_references.hash = ?3";
        one(self.0.conn(), sql, params![room.as_bytes(), position(seq), hash], file_row)
    }

    fn file_entries(&self, room: RoomId, before: Seq, limit: usize) -> Result<Vec<Seq>, StoreError> {
        let sql = "SELECT DISTINCT seq FROM file_references WHERE room = ?1 AND seq < ?2 ORDER BY seq DESC LIMIT ?3";
        let key = params![room.as_bytes(), position(before), rows_max(limit)];
        many(self.0.conn(), sql, key, |row| Ok(Seq(number(row, 0)?)))
    }

    fn upload(&self, user: UserId, upload: UploadId) -> Result<Option<UploadRow>, StoreError> {
        let sql = format!("SELECT {UPLOAD_COLUMNS} FROM uploads WHERE user = ?1 AND upload = ?2");
        one(self.0.conn(), &sql, params![user.as_bytes(), upload.as_bytes()], upload_row)
    }

    fn uploads(&self, user: UserId) -> Result<u64, StoreError> {
        count(self.0.conn(), "SELECT count(*) FROM uploads WHERE user = ?1", [user.as_bytes()])
    }

    fn file_space(&self, user: UserId) -> Result<FileSpace, StoreError> {
        let sum = |sql| count(self.0.conn(), sql, [user.as_bytes()]);
        let held = sum("SELECT coalesce(sum(size), 0) FROM file_holdings WHERE user = ?1")?;
        let coming = sum("SELECT coalesce(sum(size), 0) FROM uploads WHERE user = ?1")?;
        let server = count(self.0.conn(), "SELECT bytes FROM file_space", [])?;
        Ok(FileSpace { account: held.saturating_add(coming), server })
    }

    fn held_files(
        &self,
        user: UserId,
        after: Option<FileHash>,
        limit: usize,
    ) -> Result<Vec<(FileHash, u64)>, StoreError> {
        let sql = "SELECT hash, size FROM file_holdings WHERE user = ?1 AND hash > ?2 ORDER BY hash LIMIT ?3";
        // No bytes sort before every hash.
        let after = after.as_ref().map_or(&[][..], |hash| hash.as_slice());
        let key = params![user.as_bytes(), after, rows_max(limit)];
        many(self.0.conn(), sql, key, |row| Ok((row.get(0)?, number(row, 1)?)))
    }

    fn file_names(&self) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT name FROM files UNION ALL SELECT name FROM uploads";
        many(self.0.conn(), sql, [], |row| row.get(0))
    }

    fn file_rubbish(&self, limit: usize) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT name FROM file_rubbish ORDER BY name LIMIT ?1";
        many(self.0.conn(), sql, [rows_max(limit)], |row| row.get(0))
    }
}

impl FileWrites for View<Batch<'_>> {
    fn put_upload(&mut self, row: &UploadRow) -> Result<(), StoreError> {
        let outcome = self.0.put_upload(row);
        self.0.noting(outcome)
    }

    fn drop_upload(&mut self, row: &UploadRow) -> Result<(), StoreError> {
        let outcome = self.0.drop_upload(row);
        self.0.noting(outcome)
    }

    fn put_file(&mut self, row: &UploadRow, until_ms: u64) -> Result<(), StoreError> {
        let outcome = self.0.put_file(row, until_ms);
        self.0.noting(outcome)
    }

    fn hold_file(&mut self, user: UserId, file: &FileRow, until_ms: u64) -> Result<(), StoreError> {
        let outcome = self.0.hold_file(user, file, until_ms);
        self.0.noting(outcome)
    }

    fn end_files(&mut self, now_ms: u64, seen_ms: u64, limit: usize) -> Result<usize, StoreError> {
        let outcome = self.0.end_files(now_ms, seen_ms, limit);
        self.0.noting(outcome)
    }

    fn forget_rubbish(&mut self, names: &[String]) -> Result<(), StoreError> {
        let gone = |name| self.0.execute("DELETE FROM file_rubbish WHERE name = ?1", [name]);
        let outcome = names.iter().try_for_each(gone);
        self.0.noting(outcome)
    }
}

impl Batch<'_> {
    /// An entry has come: its author holds its files as long as it is there.
    pub(super) fn files_entered(&self, room: RoomId, entry: &Entry) -> Result<(), StoreError> {
        let Some(user) = entry.user else { return Ok(()) };
        for hash in hashes(entry) {
            // What was never brought here, a log imported from elsewhere may name it, leaves no trace.
            self.execute(
                "INSERT INTO file_holdings (user, hash, size, until_ms)
                 SELECT ?1, hash, size, NULL FROM files WHERE hash = ?2
                 ON CONFLICT (user, hash) DO UPDATE SET until_ms = NULL",
                params![user.as_bytes(), hash],
            )?;
            self.execute(
                "INSERT INTO file_references (room, seq, hash, user)
                 SELECT ?1, ?2, hash, ?4 FROM files WHERE hash = ?3",
                params![room.as_bytes(), kept(entry.seq.0), hash, user.as_bytes()],
            )?;
        }
        Ok(())
    }

    /// An entry's content is gone, and with it what it referred to.
    pub(super) fn files_emptied(&self, room: RoomId, before: &Entry) -> Result<(), StoreError> {
        if hashes(before).is_empty() {
            return Ok(());
        }
        let key = params![room.as_bytes(), position(before.seq)];
        let sql = "SELECT DISTINCT hash, user FROM file_references WHERE room = ?1 AND seq = ?2";
        let gone: Vec<(FileHash, [u8; 16])> =
            many(self.conn, sql, key, |row| Ok((row.get(0)?, row.get(1)?)))?;
        self.execute("DELETE FROM file_references WHERE room = ?1 AND seq = ?2", key)?;
        gone.iter().try_for_each(|(hash, user)| self.end_holding(UserId::from_bytes(*user), hash))
    }

    /// Ends a holding that nothing keeps, and the file with its last one.
    fn end_holding(&self, user: UserId, hash: &FileHash) -> Result<(), StoreError> {
        self.execute(
            "DELETE FROM file_holdings WHERE user = ?1 AND hash = ?2 AND until_ms IS NULL
             AND NOT EXISTS (SELECT 1 FROM file_references WHERE hash = ?2 AND user = ?1)",
            params![user.as_bytes(), hash],
        )?;
        self.execute(
            "INSERT INTO file_rubbish (name) SELECT name FROM files WHERE hash = ?1
             AND NOT EXISTS (SELECT 1 FROM file_holdings WHERE hash = ?1)",
            [hash],
        )?;
        self.execute(
            "DELETE FROM files WHERE hash = ?1 AND NOT EXISTS (SELECT 1 FROM file_holdings WHERE hash = ?1)",
            [hash],
        )
    }

    /// An account goes: nobody goes on with its uploads, and what it has brought and said nowhere is over.
    pub(super) fn let_files_go(&self, user: UserId) -> Result<(), StoreError> {
        let sql = format!("SELECT {UPLOAD_COLUMNS} FROM uploads WHERE user = ?1");
        let left = many(self.conn, &sql, [user.as_bytes()], upload_row)?;
        left.iter().try_for_each(|row| self.drop_upload(row))?;
        let sql = "UPDATE file_holdings SET until_ms = 0 WHERE user = ?1 AND until_ms IS NOT NULL";
        self.execute(sql, [user.as_bytes()])
    }

    fn put_upload(&self, row: &UploadRow) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO uploads (user, upload, room, hash, size, name, seen_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (user, upload) DO UPDATE SET seen_ms = ?7",
            params![
                row.user.as_bytes(),
                row.upload.as_bytes(),
                row.room.as_bytes(),
                row.file.hash,
                kept(row.file.size),
                row.file.name,
                kept(row.seen_ms),
            ],
        )
    }

    fn drop_upload(&self, row: &UploadRow) -> Result<(), StoreError> {
        self.forget_upload(row)?;
        self.execute("INSERT OR IGNORE INTO file_rubbish (name) VALUES (?1)", [&row.file.name])
    }

    fn forget_upload(&self, row: &UploadRow) -> Result<(), StoreError> {
        let key = params![row.user.as_bytes(), row.upload.as_bytes()];
        self.execute("DELETE FROM uploads WHERE user = ?1 AND upload = ?2", key)
    }

    fn put_file(&self, row: &UploadRow, until_ms: u64) -> Result<(), StoreError> {
        let sql = "SELECT hash, size, name FROM files WHERE hash = ?1";
        let there = one(self.conn, sql, [row.file.hash], file_row)?;
        match there {
            Some(_) => self.drop_upload(row)?,
            None => {
                self.forget_upload(row)?;
                self.execute(
                    "INSERT INTO files (hash, size, name) VALUES (?1, ?2, ?3)",
                    params![row.file.hash, kept(row.file.size), row.file.name],
                )?;
            }
        }
        self.hold_file(row.user, &row.file, until_ms)
    }

    fn hold_file(&self, user: UserId, file: &FileRow, until_ms: u64) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO file_holdings (user, hash, size, until_ms) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (user, hash) DO UPDATE SET until_ms = ?4",
            params![user.as_bytes(), file.hash, kept(file.size), kept(until_ms)],
        )
    }

    fn end_files(&self, now_ms: u64, seen_ms: u64, limit: usize) -> Result<usize, StoreError> {
        let sql =
            "SELECT user, hash FROM file_holdings WHERE until_ms IS NOT NULL AND until_ms <= ?1 LIMIT ?2";
        let over: Vec<([u8; 16], FileHash)> =
            many(self.conn, sql, params![kept(now_ms), rows_max(limit)], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        for (user, hash) in &over {
            let sql = "UPDATE file_holdings SET until_ms = NULL WHERE user = ?1 AND hash = ?2";
            self.execute(sql, params![user, hash])?;
            self.end_holding(UserId::from_bytes(*user), hash)?;
        }
        let sql = format!("SELECT {UPLOAD_COLUMNS} FROM uploads WHERE seen_ms < ?1 LIMIT ?2");
        let left = many(self.conn, &sql, params![kept(seen_ms), rows_max(limit)], upload_row)?;
        left.iter().try_for_each(|row| self.drop_upload(row))?;
        Ok(over.len() + left.len())
    }
}

/// What an entry refers to, each once.
fn hashes(entry: &Entry) -> BTreeSet<FileHash> {
    let files = entry.ext.files.iter().flat_map(|files| files.iter());
    files.filter_map(|file| file.hash[..].try_into().ok()).collect()
}

fn file_row(row: &Row<'_>) -> rusqlite::Result<FileRow> {
    Ok(FileRow { hash: row.get(0)?, size: number(row, 1)?, name: row.get(2)? })
}

fn upload_row(row: &Row<'_>) -> rusqlite::Result<UploadRow> {
    Ok(UploadRow {
        user: UserId::from_bytes(row.get(3)?),
        upload: UploadId::from_bytes(row.get(4)?),
        room: RoomId::from_bytes(row.get(5)?),
        file: file_row(row)?,
        seen_ms: number(row, 6)?,
    })
}
