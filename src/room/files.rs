//! Files of rooms: who may bring them, refer to them and have them. The content itself is `crate::files`'.
//!
//! Knowing a hash is worth nothing: an account refers to content that it has shown, or that an entry it may read refers to.
//! Everything else gets the answer for what is not there.

use quipu_protocol::entry::{Ext, FileRef};
use quipu_protocol::file::{Download, Upload};
use quipu_protocol::limits::FILE_ENTRIES_MAX;
use quipu_protocol::request::{EntryFiles, Files, ListFiles, Permissions};
use quipu_protocol::{Code, List, Refusal, RoomId, Seq};

use super::chat::Rooms;
use super::footing::{Footing, readable};
use super::rules;
use crate::auth::Authenticated;
use crate::config::FileLimits;
use crate::limits::{UPLOAD_LIFE, UPLOADS_PER_USER_MAX};
use crate::store::{FileHash, FileRow, Reads, StoreError, UploadRow, WriteError, Writes};

/// What becomes of the wish to bring a file.
pub enum Begun {
    /// Nothing is missing: the account has shown this content, or reads it. It may refer to it until then, unix
    /// milliseconds.
    There(u64),
    /// The content is to be sent.
    Wanted(UploadRow),
}

impl Rooms {
    /// Grants an upload, or goes on with one.
    ///
    /// # Errors
    /// As for publishing in the room; what the operator does not grant; [`Code::CONFLICT`] for an id that names another
    /// file.
    pub async fn begin_upload(&self, who: &Authenticated, ask: &Upload) -> Result<Begun, Refusal> {
        let hash = hash_of(&ask.hash)?;
        let limits = self.file_limits().clone();
        check_kind(&limits, ask.size, ask.media_type.as_str())?;
        let fresh = UploadRow {
            user: who.user(),
            upload: ask.upload,
            room: ask.room,
            file: FileRow { hash, size: ask.size, name: self.new_file_name(&hash) },
            seen_ms: self.now_ms(),
        };
        let who = who.clone();
        let job = self.storage().write(move |store| begin(store, &who, fresh, &limits));
        job.await.map_err(WriteError::refusal)
    }

    /// The content is in its place. Gives until when a message must refer to it, unix milliseconds.
    ///
    /// # Errors
    /// [`Code::GONE`] when the upload was forgotten meanwhile.
    pub async fn finish_upload(&self, row: UploadRow) -> Result<u64, Refusal> {
        let until_ms = until(self.now_ms());
        let job = self.storage().write(move |store| {
            match store.upload(row.user, row.upload)? {
                Some(now) if now.file == row.file => store.put_file(&row, until_ms)?,
                _ => return Err(Refusal::because(Code::GONE, "the upload was forgotten").into()),
            }
            Ok(until_ms)
        });
        job.await.map_err(WriteError::refusal)
    }

    /// Forgets an upload whose content is worth nothing.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn drop_upload(&self, row: UploadRow) -> Result<(), Refusal> {
        self.storage().write(move |store| Ok(store.drop_upload(&row)?)).await.map_err(WriteError::refusal)
    }

    /// The file an entry refers to, for whoever may read the entry now.
    ///
    /// # Errors
    /// As for reading the room; [`Code::NOT_FOUND`], [`Code::GONE`] when the entry's time is over.
    pub async fn file(&self, who: &Authenticated, ask: &Download) -> Result<FileRow, Refusal> {
        let (hash, room, seq) = (hash_of(&ask.hash)?, ask.room, ask.seq);
        let (who, now_ms) = (who.clone(), self.now_ms());
        let question = self.storage().read(move |store| file_of(store, &who, (room, seq), &hash, now_ms));
        question.await.map_err(|error| error.refusal())?
    }

    /// Entries of a room that refer to files, the newest first.
    ///
    /// # Errors
    /// As for reading the room.
    pub async fn files(&self, who: &Authenticated, ask: ListFiles) -> Result<Files, Refusal> {
        let (who, now_ms) = (who.clone(), self.now_ms());
        let question = self.storage().read(move |store| list(store, &who, &ask, now_ms));
        question.await.map_err(|error| error.refusal())?
    }
}

fn begin(
    store: &mut dyn Writes,
    who: &Authenticated,
    fresh: UploadRow,
    limits: &FileLimits,
) -> Result<Begun, WriteError> {
    let at = Footing::of(&*store, fresh.room, who.user(), fresh.seen_ms)?;
    rules::may(who, &at, Permissions::UPLOAD)?;
    if let Some(row) = store.upload(who.user(), fresh.upload)? {
        let is_same =
            (row.room, &row.file.hash, row.file.size) == (fresh.room, &fresh.file.hash, fresh.file.size);
        if !is_same {
            return Err(Refusal::because(Code::CONFLICT, "this upload id names another file").into());
        }
        let row = UploadRow { seen_ms: fresh.seen_ms, ..row };
        store.put_upload(&row)?;
        return Ok(Begun::Wanted(row));
    }
    if let Some(file) = store.file_for(who.user(), &fresh.file.hash)? {
        if file.size != fresh.file.size {
            return Err(Refusal::because(Code::BAD_REQUEST, "no content has this hash and this size").into());
        }
        let until_ms = until(fresh.seen_ms);
        hold(store, who, &file, until_ms, limits)?;
        return Ok(Begun::There(until_ms));
    }
    if store.uploads(who.user())? >= UPLOADS_PER_USER_MAX {
        let text = format!("{UPLOADS_PER_USER_MAX} uploads are not finished: go on with them, or wait a day");
        return Err(Refusal::because(Code::QUOTA, text).into());
    }
    let space = store.file_space(who.user())?;
    is_room(space.account, fresh.file.size, limits.account_bytes_max, "your account")?;
    is_room(space.server, fresh.file.size, limits.server_bytes_max, "the server")?;
    store.put_upload(&fresh)?;
    Ok(Begun::Wanted(fresh))
}

/// Lets an account hold content that it may refer to anyway, if there is room for it in its quota.
fn hold(
    store: &mut dyn Writes,
    who: &Authenticated,
    file: &FileRow,
    until_ms: u64,
    limits: &FileLimits,
) -> Result<(), WriteError> {
    if !store.holds_file(who.user(), &file.hash)? {
        is_room(store.file_space(who.user())?.account, file.size, limits.account_bytes_max, "your account")?;
    }
    Ok(store.hold_file(who.user(), file, until_ms)?)
}

fn is_room(taken: u64, more: u64, max: u64, whose: &str) -> Result<(), Refusal> {
    if taken.saturating_add(more) <= max {
        return Ok(());
    }
    let text = format!("{more} bytes are too many: {whose} has files of {taken}, and {max} are granted");
    Err(Refusal::because(Code::QUOTA, text))
}

/// Whether a draft may refer to what it refers to. Asked in the write transaction.
pub(super) fn may_refer(
    store: &dyn Reads,
    who: &Authenticated,
    at: &Footing,
    ext: &Ext,
    limits: &FileLimits,
) -> Result<Result<(), Refusal>, StoreError> {
    let Some(files) = ext.files.as_ref().filter(|files| !files.is_empty()) else { return Ok(Ok(())) };
    if let Err(no) = rules::may(who, at, Permissions::UPLOAD) {
        return Ok(Err(no));
    }
    let mut more = 0_u64;
    for file in files.iter() {
        let hash = match check_file(file, limits) {
            Ok(hash) => hash,
            Err(no) => return Ok(Err(no)),
        };
        let Some(row) = store.file_for(who.user(), &hash)? else {
            return Ok(Err(Refusal::because(
                Code::NOT_FOUND,
                "bring the file first: it is not yours to refer to",
            )));
        };
        if row.size != file.size {
            return Ok(Err(Refusal::because(
                Code::BAD_REQUEST,
                "a file has another size than the message says",
            )));
        }
        if !store.holds_file(who.user(), &hash)? {
            more = more.saturating_add(row.size);
        }
    }
    if more == 0 {
        return Ok(Ok(()));
    }
    let taken = store.file_space(who.user())?.account;
    Ok(is_room(taken, more, limits.account_bytes_max, "your account"))
}

fn check_file(file: &FileRef, limits: &FileLimits) -> Result<FileHash, Refusal> {
    check_kind(limits, file.size, file.media_type.as_str())?;
    hash_of(&file.hash)
}

/// What can be judged by what is announced.
fn check_kind(limits: &FileLimits, size: u64, media_type: &str) -> Result<(), Refusal> {
    if limits.file_bytes_max == 0 {
        return Err(Refusal::because(Code::UNSUPPORTED, "this server takes no files"));
    }
    if size > limits.file_bytes_max {
        let text = format!("{size} bytes are more than the {} a file may have here", limits.file_bytes_max);
        return Err(Refusal::because(Code::TOO_LARGE, text));
    }
    if !limits.takes(media_type) {
        return Err(Refusal::because(Code::UNSUPPORTED, "files of this type are not taken here"));
    }
    Ok(())
}

fn file_of(
    store: &dyn Reads,
    who: &Authenticated,
    (room, seq): (RoomId, Seq),
    hash: &FileHash,
    now_ms: u64,
) -> Result<Result<FileRow, Refusal>, StoreError> {
    let missing = || Ok(Err(Refusal::from(Code::NOT_FOUND)));
    if let Err(no) = readable(store, who, room)? {
        return Ok(Err(no));
    }
    let Some(file) = store.file_of(room, seq, hash)? else { return missing() };
    match store.entry(room, seq)? {
        Some(entry) if entry.is_expired(now_ms) => Ok(Err(Code::GONE.into())),
        Some(_) => Ok(Ok(file)),
        None => missing(),
    }
}

fn list(
    store: &dyn Reads,
    who: &Authenticated,
    ask: &ListFiles,
    now_ms: u64,
) -> Result<Result<Files, Refusal>, StoreError> {
    if let Err(no) = readable(store, who, ask.room)? {
        return Ok(Err(no));
    }
    let before = ask.before.unwrap_or(Seq(u64::MAX));
    let mut seqs = store.file_entries(ask.room, before, FILE_ENTRIES_MAX + 1)?;
    let more = seqs.len() > FILE_ENTRIES_MAX;
    seqs.truncate(FILE_ENTRIES_MAX);
    let mut entries = Vec::with_capacity(seqs.len());
    for seq in seqs {
        // One that has just expired keeps its row, so that the page is not empty before its end.
        let Some(entry) = store.entry(ask.room, seq)? else { continue };
        let files = entry.ext.files.clone().filter(|_| !entry.is_expired(now_ms)).unwrap_or_default();
        entries.push(EntryFiles { seq, at_ms: entry.at_ms, user: entry.user, files });
    }
    Ok(Ok(Files { entries: List::first(entries), more }))
}

fn hash_of(bytes: &[u8]) -> Result<FileHash, Refusal> {
    bytes.try_into().map_err(|_| Refusal::because(Code::BAD_REQUEST, "a hash has 32 bytes"))
}

fn until(now_ms: u64) -> u64 {
    now_ms.saturating_add(UPLOAD_LIFE.as_millis() as u64)
}
