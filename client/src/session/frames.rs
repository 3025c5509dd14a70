//! Frames on streams: reading that survives cancellation, writing that never looks finished when it is not.
//!
//! Dropping a quinn `SendStream` *finishes* it, so a cancelled question would look like a complete one. A
//! [`FrameWriter`] resets its stream when dropped, unless it was finished.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use quinn::{Connection, RecvStream, SendStream, VarInt};
use quipu_protocol::{BidiType, Frame, FrameDecoder, ResetCode, varint};
use tokio::time::timeout;

use crate::ending::Ending;
use crate::limits::{READ_BYTES_MAX, STREAM_TIMEOUT};

/// Reads frames. Cancel-safe: what was read stays in the decoder.
#[derive(Debug)]
pub(crate) struct FrameReader {
    stream: RecvStream,
    decoder: FrameDecoder,
}

impl FrameReader {
    pub(crate) fn new(stream: RecvStream) -> Self {
        Self { stream, decoder: FrameDecoder::default() }
    }

    /// The varint that tells what kind of stream this is.
    pub(crate) async fn stream_type(&mut self) -> Result<u64, Ending> {
        loop {
            if let Some(ty) = self.decoder.next_varint()? {
                return Ok(ty);
            }
            if !self.more().await? {
                return Err(Ending::Finished("a stream before saying what it is"));
            }
        }
    }

    /// The next frame, or `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Result<Option<Frame>, Ending> {
        loop {
            if let Some(frame) = self.decoder.next_frame()? {
                return Ok(Some(frame));
            }
            if !self.more().await? {
                self.decoder.finish()?;
                return Ok(None);
            }
        }
    }

    /// The next frame if all of it was read already.
    pub(crate) fn ready(&mut self) -> Result<Option<Frame>, Ending> {
        Ok(self.decoder.next_frame()?)
    }

    /// What follows the frames as it is, a piece at a time; none at the end of the stream.
    pub(crate) async fn raw(&mut self) -> Result<Option<Bytes>, Ending> {
        let rest = self.decoder.take_rest();
        if !rest.is_empty() {
            return Ok(Some(rest));
        }
        Ok(self.stream.read_chunk(READ_BYTES_MAX, true).await?.map(|chunk| chunk.bytes))
    }

    /// Tells the server to stop sending.
    pub(crate) fn stop(mut self, code: ResetCode) {
        // It fails only on a stream that has ended.
        let _ = self.stream.stop(VarInt::from_u32(code.number()));
    }

    async fn more(&mut self) -> Result<bool, Ending> {
        match self.stream.read_chunk(READ_BYTES_MAX, true).await? {
            Some(chunk) => {
                self.decoder.feed(&chunk.bytes);
                Ok(true)
            }
            None => Ok(false),
        }
    }
}

/// Writes frames. Not cancel-safe: the task that writes owns it.
#[derive(Debug)]
pub(crate) struct FrameWriter {
    stream: SendStream,
    finished: bool,
}

impl FrameWriter {
    /// Writes whole frames, all in one go.
    pub(crate) async fn send(&mut self, frames: &mut [Bytes]) -> Result<(), Ending> {
        Ok(self.stream.write_all_chunks(frames).await?)
    }

    /// Says that nothing follows.
    pub(crate) fn finish(&mut self) {
        self.finished = true;
        // It fails only on a stream that has ended.
        let _ = self.stream.finish();
    }
}

impl Drop for FrameWriter {
    fn drop(&mut self) {
        if !self.finished {
            let _ = self.stream.reset(VarInt::from_u32(ResetCode::Cancelled.number()));
        }
    }
}

/// Opens a stream and says what it is, together with its first frames; a stream without bytes is invisible to the
/// server. Streams with a larger `priority` are sent first.
///
/// # Errors
/// [`Ending::Late`] when the server's limit leaves no stream to open.
pub(crate) async fn open(
    connection: &Connection,
    ty: BidiType,
    priority: i32,
    first: &[Bytes],
) -> Result<(FrameWriter, FrameReader), Ending> {
    let opening = timeout(STREAM_TIMEOUT, connection.open_bi()).await;
    let (send, recv) = opening.map_err(|_| Ending::Late("opening a stream"))??;
    let mut writer = FrameWriter { stream: send, finished: false };
    let _ = writer.stream.set_priority(priority);
    let mut head = BytesMut::new();
    varint::put(&mut head, ty.number());
    let mut bytes = vec![head.freeze()];
    bytes.extend_from_slice(first);
    timeout(STREAM_TIMEOUT, writer.send(&mut bytes))
        .await
        .map_err(|_| Ending::Late("writing a stream's head"))??;
    Ok((writer, FrameReader::new(recv)))
}

/// Priorities of our streams: what keeps the session alive before what people say, before questions, before files.
pub(crate) mod priority {
    pub(crate) const CONTROL: i32 = 100;
    pub(crate) const PUBLISH: i32 = 80;
    pub(crate) const REQUEST: i32 = 40;
    pub(crate) const FILE: i32 = -50;
}

/// `timeout`, with a name for what was late.
pub(crate) async fn in_time<T>(
    wait: Duration,
    what: &'static str,
    work: impl Future<Output = Result<T, Ending>>,
) -> Result<T, Ending> {
    timeout(wait, work).await.unwrap_or(Err(Ending::Late(what)))
}
