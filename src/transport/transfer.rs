//! What UPLOAD and DOWNLOAD have in common: one question, an answer or a refusal, and the lowest priority.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quipu_protocol::{Code, Message, Refusal, ResetCode};
use tokio::time::{Instant, sleep_until, timeout};

use super::frames::{FrameReader, FrameWriter, StreamError};
use super::session::Session;
use crate::files::FileError;
use crate::limits::{FILE_BYTES_PER_SECOND, REQUEST_TIMEOUT};

/// Below everything people say.
pub(super) const PRIORITY: i32 = -50;
/// Time of which the pace makes up what it missed: a piece or two.
const CATCH_UP: Duration = Duration::from_millis(4);
/// When to try again after too many at once, in milliseconds.
const BUSY_RETRY_MS: u64 = 1_000;

/// Why a transfer did not come to its end.
pub(super) enum Cut {
    /// The peer is told why, in a frame.
    Refused(Refusal),
    /// The peer is told by a reset.
    Reset(ResetCode),
    /// The stream failed.
    Broken(StreamError),
}

impl From<Refusal> for Cut {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<FileError> for Cut {
    fn from(error: FileError) -> Self {
        Self::Refused(error.refusal())
    }
}

impl From<StreamError> for Cut {
    fn from(error: StreamError) -> Self {
        Self::Broken(error)
    }
}

impl From<quipu_protocol::DecodeError> for Cut {
    fn from(error: quipu_protocol::DecodeError) -> Self {
        Self::Broken(error.into())
    }
}

/// How fast the files of one connection travel, all together. They leave gaps for what people say, on the path, on the disk and
/// on the processor: priorities alone order only what waits in one send buffer.
pub(super) struct Pace(Mutex<Instant>);

impl Pace {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Instant::now()))
    }

    /// Waits until after so many bytes it is the next ones' turn. Cancelled, they count all the same.
    pub(super) async fn after(&self, bytes: usize) {
        let ready_at = {
            let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let took = Duration::from_nanos(bytes as u64 * 1_000_000_000 / FILE_BYTES_PER_SECOND);
            // Timers are late by up to a millisecond: a little of what was missed is made up for.
            *free = (*free).max(Instant::now() - CATCH_UP) + took;
            *free
        };
        sleep_until(ready_at).await;
    }
}

/// The one question of the stream. None when there is nobody to answer.
pub(super) async fn question<T: Message>(
    session: &Session,
    reader: &mut FrameReader,
) -> Result<Option<T>, StreamError> {
    let asking = async {
        loop {
            match reader.next().await? {
                Some(frame) if !frame.is::<T>() && !frame.ty.is_critical() => {}
                Some(frame) => return Ok(Some(frame.decode()?)),
                None => return Ok(None),
            }
        }
    };
    let asked = timeout(REQUEST_TIMEOUT, asking).await.unwrap_or(Err(StreamError::Stalled))?;
    // What a closed connection had asked before is not answered.
    Ok(asked.filter(|_| !session.is_over()))
}

/// Ends the stream as it deserves.
pub(super) async fn end(
    session: &Session,
    mut reader: FrameReader,
    mut writer: FrameWriter,
    ended: Result<(), Cut>,
) {
    let broken = match ended {
        Ok(()) => return writer.finish(),
        Err(Cut::Reset(reason)) => {
            reader.stop(reason);
            return writer.reset(reason);
        }
        Err(Cut::Refused(refusal)) => {
            // Heard only by whoever stops sending: what is on its way would be thrown away.
            reader.stop(ResetCode::Cancelled);
            match writer.send(&refusal).await {
                Ok(()) => return writer.finish(),
                Err(error) => error,
            }
        }
        Err(Cut::Broken(error)) => error,
    };
    let reason = match &broken {
        StreamError::Stalled => ResetCode::Slow,
        error => error.fault().unwrap_or(ResetCode::Cancelled),
    };
    reader.stop(reason);
    writer.reset(reason);
    session.fault(&broken);
}

/// Answers a transfer too many.
pub(super) async fn busy(session: &Arc<Session>, reader: FrameReader, writer: FrameWriter) {
    let refusal = Refusal::because(Code::STREAM_LIMIT, "too many files at once on this connection");
    end(session, reader, writer, Err(refusal.retry_after(BUSY_RETRY_MS).into())).await;
}
