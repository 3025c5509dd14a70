//! Files on the disk: the content of what people bring, one file each in `data/files`.
//!
//! ```text
//!   upload ─▶ Incoming: .NAME ── write, hash … finish: fsync, compare, rename ─▶ NAME ─▶ Outgoing ─▶ download
//!                                                                                     └─ janitor: when the store says so
//! ```
//!
//! A name is the hash that was announced and a part the server drew, never a peer's word. Every upload has a name of
//! its own, so what is rubbish can never be needed again, and no unlink races with a reference. Who may have what is the
//! store's and the room's to say; nothing here knows rooms, people or QUIC.
//! Invariant: `NAME` is whole and on stable storage before the store knows it; bytes without a row in the store go at the
//! next start.

mod depot;
mod folder;
mod incoming;
mod janitor;
mod outgoing;
#[cfg(test)]
mod tests;

pub use depot::Depot;
pub use incoming::Incoming;
pub use janitor::{Janitor, Watch};
pub use outgoing::Outgoing;

use std::io;

use quipu_protocol::{Code, Refusal};
use tracing::error;

/// When to go on with an upload that the disk did not take, in milliseconds: an operator has to act first.
const DISK_RETRY_MS: u64 = 10_000;

/// Why content was not kept or not given.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// This server has no place for files.
    #[error("no files here")]
    Closed,
    /// The disk takes no more.
    #[error("the disk of the files is full")]
    Full,
    /// The operating system refused to read or write.
    #[error("files cannot be read or written: {0}")]
    Io(io::Error),
    /// The content is gone from the disk, whatever the store says.
    #[error("the content is not on the disk")]
    Missing,
    /// Somebody else goes on with this upload.
    #[error("the upload goes on elsewhere")]
    Superseded,
    /// The content ended before its time; what came of it is kept.
    #[error("the content is not whole")]
    Short,
    /// The content is another one than was announced: by its size or by its hash.
    #[error("the content is not what was announced")]
    Mismatch,
}

impl From<io::Error> for FileError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // The last is what a limit of the process says.
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Self::Full
            }
            io::ErrorKind::NotFound => Self::Missing,
            _ => Self::Io(error),
        }
    }
}

impl FileError {
    /// The answer to a peer. The reason itself goes to the log when it is ours.
    pub fn refusal(&self) -> Refusal {
        match self {
            Self::Closed => Refusal::because(Code::UNSUPPORTED, "this server takes no files"),
            Self::Mismatch => Refusal::because(Code::BAD_REQUEST, "the content is not what was announced"),
            Self::Short => Refusal::because(Code::BAD_REQUEST, "the content ended before its announced size"),
            Self::Superseded => Refusal::because(Code::CONFLICT, "the upload goes on elsewhere"),
            Self::Missing => {
                error!("the content of a file is not on the disk");
                Refusal::because(Code::GONE, "the server no longer has the content")
            }
            Self::Full => {
                error!("the disk of the files is full");
                Refusal::because(Code::UNAVAILABLE, "the server's disk is full").retry_after(DISK_RETRY_MS)
            }
            Self::Io(error) => {
                error!(%error, "files cannot be read or written");
                Refusal::because(Code::UNAVAILABLE, "the server cannot read or write its files")
                    .retry_after(DISK_RETRY_MS)
            }
        }
    }
}
