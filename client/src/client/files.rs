//! Files: brought before a message refers to them, fetched from the message that does.
//!
//! ```text
//!   describe_file ─▶ upload ─▶ send(Draft::with_files)          files · an entry's ext ─▶ download
//! ```
//!
//! Both transfers outlive connections: they go on where they stopped as long as some progress is made. Cancelled, they
//! lose nothing: called again, in this process or another, they go on as well.

use std::path::Path;

use quipu_protocol::entry::FileRef;
use quipu_protocol::file::{Download, Upload};
use quipu_protocol::request::{EntryFiles, Files, ListFiles};
use quipu_protocol::token::sha256;
use quipu_protocol::{Code, ResetCode, RoomId, Seq, UploadId};
use ring::digest::{Context, SHA256};
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio::time::{Instant, timeout_at};

use super::Client;
use crate::ending::Ending;
use crate::error::{Error, ErrorCode, Retry};
use crate::limits::FILE_CHUNK_BYTES;
use crate::local::LocalFile;
use crate::session::request::Link;

/// How far a transfer has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that are there, those of earlier tries among them.
    pub done: u64,
    /// Bytes of all.
    pub size: u64,
}

impl Client {
    /// Reads a file of this machine: its hash, its size, its type, and how large a picture is.
    ///
    /// # Errors
    /// [`ErrorCode::File`].
    pub async fn describe_file(&self, path: &Path) -> Result<LocalFile, Error> {
        let path = path.to_owned();
        let reading = tokio::task::spawn_blocking(move || LocalFile::read(&path));
        reading.await.unwrap_or_else(|error| Err(Error::file(error)))
    }

    /// Brings a file, so that messages in `room` may refer to it. What this account has brought before is not sent again. It
    /// goes within a day unless a message refers to it.
    ///
    /// # Errors
    /// A refusal; [`ErrorCode::File`] when the file cannot be read or has changed; why there is no connection, once
    /// nothing moved for as long as the client is patient.
    pub async fn upload(
        &self,
        room: RoomId,
        file: &LocalFile,
        mut progress: impl FnMut(Progress) + Send,
    ) -> Result<(), Error> {
        let FileRef { hash, size, media_type, .. } = file.reference.clone();
        let ask = Upload { upload: upload_id(room, &file.reference), room, size, hash, media_type };
        let mut source = File::open(&file.path).await.map_err(Error::file)?;
        let mut attempts = Attempts::new(self);
        let mut again = false;
        loop {
            let link = attempts.link().await?;
            let (mut first, mut last) = (None, 0);
            let mut moved = |done| {
                first.get_or_insert(done);
                last = done;
                progress(Progress { done, size });
            };
            let ending = match link.upload(&ask, &mut source, &mut moved).await {
                Ok(_) => return Ok(()),
                Err(ending) => ending,
            };
            let from = first.unwrap_or(0);
            let is_damaged = matches!(&ending, Ending::Refused(refusal) if refusal.code == Code::BAD_REQUEST);
            if is_damaged && from > 0 && !again {
                // What the server had of it was not what we sent, after a power cut say: once more, from the beginning.
                again = true;
                continue;
            }
            attempts.failed(ending, last > from).await?;
        }
    }

    /// Fetches the file that an entry refers to into the file `into`, and checks that it is that. What is there already is
    /// taken for its beginning. Nothing but `into` is touched; what is in it is worth nothing before this returns.
    ///
    /// # Errors
    /// A refusal; [`ErrorCode::File`] when `into` cannot be written, or what came is another content, and then it is
    /// emptied; why there is no connection.
    pub async fn download(
        &self,
        room: RoomId,
        seq: Seq,
        file: &FileRef,
        into: &Path,
        mut progress: impl FnMut(Progress) + Send,
    ) -> Result<(), Error> {
        let size = file.size;
        let mut target = Target::open(into, size).await?;
        let mut attempts = Attempts::new(self);
        while target.done < size || !target.asked {
            let link = attempts.link().await?;
            let before = target.done;
            progress(Progress { done: before, size });
            let ask = Download { room, seq, hash: file.hash.clone(), offset: before, length: None };
            let Target { file: sink, hash, done, asked } = &mut target;
            let mut heard = |piece: &[u8]| {
                hash.update(piece);
                *done += piece.len() as u64;
                progress(Progress { done: *done, size });
            };
            match link.download(&ask, size, sink, &mut heard).await {
                Ok(()) => *asked = true,
                Err(ending) => {
                    // Where it stands is where the hash stands.
                    target.settle().await?;
                    let moved = target.done > before;
                    attempts.failed(ending, moved).await?;
                }
            }
        }
        target.check(&file.hash).await
    }

    /// Entries of a room that refer to files, the newest first and before `before`, and whether there are more.
    ///
    /// # Errors
    /// A refusal, or why there is no connection.
    pub async fn files(&self, room: RoomId, before: Option<Seq>) -> Result<(Vec<EntryFiles>, bool), Error> {
        let answer: Files = self.ask(&ListFiles { room, before }).await?;
        Ok((answer.entries.into_vec(), answer.more))
    }
}

/// The same for the same content in the same room, so that whoever asks again goes on.
fn upload_id(room: RoomId, file: &FileRef) -> UploadId {
    let named = [&room.as_bytes()[..], &file.hash[..], file.media_type.as_str().as_bytes()].concat();
    let digest = sha256(&named);
    UploadId::from_bytes(*digest.first_chunk().expect("SHA-256 has more than 16 bytes"))
}

/// Connections, one after the other, as long as something moves.
struct Attempts<'a> {
    client: &'a Client,
    deadline: Instant,
    links: tokio::sync::watch::Receiver<Option<Link>>,
}

impl<'a> Attempts<'a> {
    fn new(client: &'a Client) -> Self {
        let core = client.core();
        Self { client, deadline: Instant::now() + core.config.patience, links: core.link.subscribe() }
    }

    async fn link(&mut self) -> Result<Link, Error> {
        loop {
            self.client.core().connected(self.deadline).await?;
            // It may be another one by now, or none.
            if let Some(link) = self.links.borrow_and_update().clone() {
                return Ok(link);
            }
        }
    }

    /// Waits for the next connection when this one ended; an error when that would be pointless.
    async fn failed(&mut self, ending: Ending, moved: bool) -> Result<(), Error> {
        if let Ending::Reset(code) = ending
            && code != u64::from(ResetCode::Shutdown.number())
        {
            return Err(of_reset(code));
        }
        if !ending.is_disconnection() {
            return Err(ending.error());
        }
        if moved {
            self.deadline = Instant::now() + self.client.core().config.patience;
        }
        let next = timeout_at(self.deadline, self.links.changed()).await;
        next.map_err(|_| ending.error())?.map_err(|_| Ending::Stopped.error())
    }
}

fn of_reset(code: u64) -> Error {
    match ResetCode::from_number(code) {
        Some(ResetCode::Revoked) => {
            Error::never(ErrorCode::Forbidden, "the right to the file was taken away")
        }
        Some(ResetCode::Slow) => Error::new(ErrorCode::Timeout, Retry::Now, "nothing moved for too long"),
        _ => Error::new(ErrorCode::Busy, Retry::Now, format!("the server broke off with code {code:#x}")),
    }
}

/// The file that content is written to.
struct Target {
    file: File,
    /// Of what is in it.
    hash: Context,
    done: u64,
    /// Whether the server was asked at all: also for a file of no bytes, and for one that is there already.
    asked: bool,
}

impl Target {
    async fn open(path: &Path, size: u64) -> Result<Self, Error> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(path).await.map_err(Error::file)?;
        if file.metadata().await.map_err(Error::file)?.len() > size {
            file.set_len(0).await.map_err(Error::file)?;
        }
        let (mut hash, mut done) = (Context::new(&SHA256), 0);
        let mut bytes = vec![0; FILE_CHUNK_BYTES];
        loop {
            match file.read(&mut bytes).await.map_err(Error::file)? {
                0 => break,
                read => {
                    hash.update(&bytes[..read]);
                    done += read as u64;
                }
            }
        }
        Ok(Self { file, hash, done, asked: false })
    }

    /// Cuts off what was written and not counted.
    async fn settle(&mut self) -> Result<(), Error> {
        self.file.set_len(self.done).await.map_err(Error::file)?;
        self.file.seek(std::io::SeekFrom::Start(self.done)).await.map_err(Error::file)?;
        Ok(())
    }

    async fn check(self, announced: &[u8]) -> Result<(), Error> {
        if self.hash.finish().as_ref() != announced {
            self.file.set_len(0).await.map_err(Error::file)?;
            return Err(Error::file("what came is not the file the message refers to"));
        }
        self.file.sync_all().await.map_err(Error::file)
    }
}
