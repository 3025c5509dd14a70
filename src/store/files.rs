//! Files in the store: what is known of content that lies on the disk, and who has it. The content itself is `crate::files`'.
//!
//! ```text
//!   upload row ──put_file──▶ file row ◀── holding (account, until) · reference (room, seq, account)
//!        │                      │
//!        └────── rubbish ◀──────┘   names whose bytes may go from the disk
//! ```
//!
//! A *holding* says that an account has shown the content, or that an entry of its own refers to it. It ends with the
//! last of its entries that did, or without any entry when its time is over. A file ends with its last holding.
//! Invariant: a name in `rubbish` is in no other row, and never will be: names are drawn anew for every upload.

use quipu_protocol::{RoomId, Seq, UploadId, UserId};

use super::StoreError;

/// SHA-256 of a file's content.
pub type FileHash = [u8; 32];

/// Content that is on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRow {
    /// SHA-256 of it.
    pub hash: FileHash,
    /// Its size, bytes.
    pub size: u64,
    /// What it is called on the disk. Drawn by the server, never a peer's word.
    pub name: String,
}

/// Content that is on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadRow {
    /// Who brings it.
    pub user: UserId,
    /// What their client calls it.
    pub upload: UploadId,
    /// Where a message shall refer to it.
    pub room: RoomId,
    /// What it shall become.
    pub file: FileRow,
    /// When somebody went on with it last, unix milliseconds.
    pub seen_ms: u64,
}

/// What files take, in bytes, with what uploads under way will take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FileSpace {
    /// Of one account: what it holds and what it brings.
    pub account: u64,
    /// Of all, each content once.
    pub server: u64,
}

/// What can be asked about files.
pub trait FileReads {
    /// Content that this account holds, or reads an entry about.
    fn file_for(&self, user: UserId, hash: &FileHash) -> Result<Option<FileRow>, StoreError>;
    /// Content an account holds and its size, by hash, behind `after`, at most `limit`.
    fn held_files(
        &self,
        user: UserId,
        after: Option<FileHash>,
        limit: usize,
    ) -> Result<Vec<(FileHash, u64)>, StoreError>;
    /// Whether this account holds content.
    fn holds_file(&self, user: UserId, hash: &FileHash) -> Result<bool, StoreError>;
    /// The content an entry refers to.
    fn file_of(&self, room: RoomId, seq: Seq, hash: &FileHash) -> Result<Option<FileRow>, StoreError>;
    /// Positions of entries before `before` that refer to files, descending, at most `limit`.
    fn file_entries(&self, room: RoomId, before: Seq, limit: usize) -> Result<Vec<Seq>, StoreError>;
    /// An upload under way.
    fn upload(&self, user: UserId, upload: UploadId) -> Result<Option<UploadRow>, StoreError>;
    /// How many uploads of an account are under way.
    fn uploads(&self, user: UserId) -> Result<u64, StoreError>;
    /// What files take.
    fn file_space(&self, user: UserId) -> Result<FileSpace, StoreError>;
    /// Names on the disk that are needed: of files, and of uploads under way.
    fn file_names(&self) -> Result<Vec<String>, StoreError>;
    /// Names whose bytes may go, at most `limit`.
    fn file_rubbish(&self, limit: usize) -> Result<Vec<String>, StoreError>;
}

/// What a job can change about files.
pub trait FileWrites {
    /// Writes an upload, new or gone on with.
    fn put_upload(&mut self, row: &UploadRow) -> Result<(), StoreError>;
    /// Forgets an upload; its bytes become rubbish.
    fn drop_upload(&mut self, row: &UploadRow) -> Result<(), StoreError>;
    /// Makes an upload a file that its account holds until `until_ms`, or longer with an entry. Where the content is there
    /// already, these bytes become rubbish.
    fn put_file(&mut self, row: &UploadRow, until_ms: u64) -> Result<(), StoreError>;
    /// The account holds the content until `until_ms`, or longer with an entry.
    fn hold_file(&mut self, user: UserId, file: &FileRow, until_ms: u64) -> Result<(), StoreError>;
    /// Ends holdings without an entry whose time is over at `now_ms`, and uploads that were last seen before `seen_ms`; at
    /// most `limit` of each. Gives how many.
    fn end_files(&mut self, now_ms: u64, seen_ms: u64, limit: usize) -> Result<usize, StoreError>;
    /// The bytes with these names are gone from the disk.
    fn forget_rubbish(&mut self, names: &[String]) -> Result<(), StoreError>;
}
