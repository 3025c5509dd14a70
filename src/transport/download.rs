//! DOWNLOAD: a file out, or a part of it.
//!
//! ```text
//!   Download ─▶ room: may they, now? ─▶ Content ─▶ depot: read ─▶ content … asked again now and then ─▶ FIN
//! ```
//!
//! Nobody else waits for it: it has the lowest priority, and one content at a time is on its way on a connection, so that
//! the rest of the send window stays for what people say.

use std::sync::Arc;

use quipu_protocol::file::{Content, Download};
use quipu_protocol::{Code, Refusal, ResetCode};

use super::frames::{FrameReader, FrameWriter};
use super::session::Session;
use super::transfer::{self, Cut};
use crate::limits::FILE_RIGHT_BYTES;

/// Serves one DOWNLOAD stream to its end.
pub(super) async fn serve(session: &Arc<Session>, mut reader: FrameReader, mut writer: FrameWriter) {
    writer.priority(transfer::PRIORITY);
    let ended = give(session, &mut reader, &mut writer).await;
    transfer::end(session, reader, writer, ended).await;
}

async fn give(session: &Session, reader: &mut FrameReader, writer: &mut FrameWriter) -> Result<(), Cut> {
    let Some(ask) = transfer::question::<Download>(session, reader).await? else { return Ok(()) };
    let (rooms, depot) = (&session.shared.rooms, &session.shared.files);
    // Its turn first: what was granted before a long wait may be so no longer.
    let Ok(_turn) = session.flowing.acquire().await else { return Ok(()) };
    let file = rooms.file(&session.who, &ask).await?;
    let Some(left) = file.size.checked_sub(ask.offset) else {
        return Err(Refusal::because(Code::BAD_REQUEST, "the part begins behind the end of the file").into());
    };
    let length = left.min(ask.length.unwrap_or(left));
    let mut outgoing = depot.read(&file.name, ask.offset, length).await?;
    writer.send(&Content { size: file.size, length }).await?;
    let mut unasked = 0;
    loop {
        // What fails from here on cannot be said in a frame any more.
        let next = outgoing.next().await.map_err(|error| {
            tracing::error!(%error, "the content of a file cannot be read");
            Cut::Reset(ResetCode::Internal)
        })?;
        let Some((piece, rest)) = next else { return Ok(()) };
        outgoing = rest;
        unasked += piece.len() as u64;
        if unasked >= FILE_RIGHT_BYTES {
            unasked = 0;
            let right = rooms.file(&session.who, &ask).await;
            right.map_err(|_| Cut::Reset(ResetCode::Revoked))?;
        }
        let bytes = piece.len();
        let mut pieces = [piece];
        tokio::select! {
            biased;
            () = session.shared.stopping.cancelled() => return Err(Cut::Reset(ResetCode::Shutdown)),
            sent = writer.send_frames(&mut pieces) => sent?,
        }
        session.file_pace.after(bytes).await;
    }
}
