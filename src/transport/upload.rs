//! UPLOAD: a file in, from where it stopped.
//!
//! ```text
//!   Upload ─▶ room: granted? ─▶ SendFrom ─▶ content ─▶ depot: write, hash ─▶ whole? ─▶ store: a file ─▶ Uploaded
//! ```
//!
//! A piece is read when the one before is written, so a disk that is slow slows its author and nobody else. Whatever ends the
//! stream, what was written stays to be gone on with.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;
use quipu_protocol::ResetCode;
use quipu_protocol::file::{SendFrom, Upload, Uploaded};
use tokio::time::timeout;

use super::frames::{FrameReader, FrameWriter, StreamError};
use super::session::Session;
use super::transfer::{self, Cut};
use crate::files::{FileError, Incoming};
use crate::limits::{FILE_CHUNK_BYTES, STREAM_STALL_MAX};
use crate::room::Begun;
use crate::store::UploadRow;

/// Serves one UPLOAD stream to its end.
pub(super) async fn serve(session: &Arc<Session>, mut reader: FrameReader, mut writer: FrameWriter) {
    writer.priority(transfer::PRIORITY);
    let ended = take(session, &mut reader, &mut writer).await;
    transfer::end(session, reader, writer, ended).await;
}

async fn take(session: &Session, reader: &mut FrameReader, writer: &mut FrameWriter) -> Result<(), Cut> {
    let Some(ask) = transfer::question::<Upload>(session, reader).await? else { return Ok(()) };
    let (rooms, depot) = (&session.shared.rooms, &session.shared.files);
    if !depot.is_open() {
        return Err(FileError::Closed.into());
    }
    let row = match rooms.begin_upload(&session.who, &ask).await? {
        Begun::Wanted(row) => row,
        Begun::There(until_ms) => {
            writer.send(&SendFrom { offset: ask.size }).await?;
            return Ok(writer.send(&Uploaded { until_ms }).await?);
        }
    };
    let incoming = depot.resume(&row.file.name, row.file.size).await?;
    writer.send(&SendFrom { offset: incoming.offset() }).await?;
    match keep(session, reader, incoming, &row).await {
        Ok(()) => {}
        Err(Cut::Refused(refusal)) if refusal == FileError::Mismatch.refusal() => {
            rooms.drop_upload(row).await?;
            depot.tidy();
            return Err(refusal.into());
        }
        Err(cut) => return Err(cut),
    }
    let until_ms = rooms.finish_upload(row).await?;
    // The same content may have been there already, and then these bytes are not needed.
    depot.tidy();
    Ok(writer.send(&Uploaded { until_ms }).await?)
}

/// Writes what comes, to its end.
async fn keep(
    session: &Session,
    reader: &mut FrameReader,
    mut incoming: Incoming,
    row: &UploadRow,
) -> Result<(), Cut> {
    loop {
        let pieces = next(session, reader).await?;
        if pieces.is_empty() {
            return Ok(incoming.finish(row.file.hash).await?);
        }
        let bytes = pieces.iter().map(Bytes::len).sum();
        incoming = incoming.write(pieces).await?;
        // Not reading is how an author is asked to slow down.
        session.file_pace.after(bytes).await;
    }
}

/// Waits for content, and takes all that has come with it up to a bound: a write to the disk for each packet would cost
/// more than the packets. Empty at the end.
async fn next(session: &Session, reader: &mut FrameReader) -> Result<Vec<Bytes>, Cut> {
    let first = tokio::select! {
        biased;
        () = session.shared.stopping.cancelled() => return Err(Cut::Reset(ResetCode::Shutdown)),
        first = timeout(STREAM_STALL_MAX, reader.raw()) => first,
    };
    let mut pieces: Vec<Bytes> = first.unwrap_or(Err(StreamError::Stalled))?.into_iter().collect();
    let mut bytes: usize = pieces.iter().map(Bytes::len).sum();
    while bytes > 0 && bytes < FILE_CHUNK_BYTES {
        // The end, and what went wrong, are told again to whoever asks next.
        let Some(Ok(Some(piece))) = reader.raw().now_or_never() else { break };
        bytes += piece.len();
        pieces.push(piece);
    }
    Ok(pieces)
}
