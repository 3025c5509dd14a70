//! Frames on streams: reading that survives cancellation, writing that never looks finished when it is not.
//!
//! Dropping a quinn `SendStream` *finishes* it, so a cancelled task would look like a complete answer. A
//! [`FrameWriter`] resets its stream when dropped, unless [`FrameWriter::finish`] was called.

use bytes::Bytes;
use quinn::{ReadError, RecvStream, SendStream, VarInt, WriteError};
use quipu_protocol::{DecodeError, Frame, FrameDecoder, Message, ResetCode, varint};

/// Bytes taken from a stream at once.
const READ_BYTES_MAX: usize = 16 * 1024;

/// Why a stream of frames ended before its time.
#[derive(Debug, thiserror::Error)]
pub(super) enum StreamError {
    /// The peer sent what it should not.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The peer reset the stream, or the connection ended.
    #[error("reading: {0}")]
    Read(#[from] ReadError),
    /// The peer stopped the stream, or the connection ended.
    #[error("writing: {0}")]
    Write(#[from] WriteError),
    /// Nothing moved for too long.
    #[error("nothing moved for too long")]
    Stalled,
}

impl StreamError {
    /// The code to end the stream with when it was the peer's doing.
    pub(super) fn fault(&self) -> Option<ResetCode> {
        match self {
            Self::Decode(error) => Some(error.reset_code()),
            _ => None,
        }
    }
}

/// A code as QUIC carries it.
pub(super) fn code(number: u32) -> VarInt {
    VarInt::from_u32(number)
}

/// Reads frames. Cancel-safe: what was read stays in the decoder.
pub(super) struct FrameReader {
    stream: RecvStream,
    decoder: FrameDecoder,
}

impl FrameReader {
    pub(super) fn new(stream: RecvStream) -> Self {
        Self {
            stream,
            decoder: FrameDecoder::default(),
        }
    }

    /// The varint that tells what kind of stream this is; `None` when the stream ended before it.
    pub(super) async fn stream_type(&mut self) -> Result<Option<u64>, StreamError> {
        loop {
            if let Some(ty) = self.decoder.next_varint()? {
                return Ok(Some(ty));
            }
            if !self.more().await? {
                return Ok(None);
            }
        }
    }

    /// The next frame whose type is known to `expected` or critical; ignorable ones are skipped. `None` at the
    /// end of the stream.
    pub(super) async fn next(&mut self) -> Result<Option<Frame>, StreamError> {
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

    /// Tells the peer to send no more, and why.
    pub(super) fn stop(&mut self, reason: ResetCode) {
        // A stream that has ended needs no stopping.
        let _ = self.stream.stop(code(reason.number()));
    }

    async fn more(&mut self) -> Result<bool, StreamError> {
        match self.stream.read_chunk(READ_BYTES_MAX, true).await? {
            Some(chunk) => {
                self.decoder.feed(&chunk.bytes);
                Ok(true)
            }
            None => Ok(false),
        }
    }
}

/// Writes frames; resets the stream when dropped before [`FrameWriter::finish`].
pub(super) struct FrameWriter {
    stream: SendStream,
    open: bool,
}

impl FrameWriter {
    pub(super) fn new(stream: SendStream) -> Self {
        Self { stream, open: true }
    }

    /// Writes the stream's type, which also lets the peer see the stream.
    pub(super) async fn stream_type(&mut self, ty: u64) -> Result<(), StreamError> {
        let mut bytes = Vec::with_capacity(1);
        varint::put(&mut bytes, ty);
        Ok(self.stream.write_all(&bytes).await?)
    }

    /// Writes one message. Not cancel-safe: after a cancelled write only dropping is left.
    pub(super) async fn send<T: Message>(&mut self, message: &T) -> Result<(), StreamError> {
        self.send_frames(&mut [message.to_frame()]).await
    }

    /// Writes whole frames together. Not cancel-safe.
    pub(super) async fn send_frames(&mut self, frames: &mut [Bytes]) -> Result<(), StreamError> {
        Ok(self.stream.write_all_chunks(frames).await?)
    }

    /// Says that nothing follows.
    pub(super) fn finish(&mut self) {
        self.open = false;
        // Fails only when the stream has ended otherwise.
        let _ = self.stream.finish();
    }

    /// Ends the stream at once.
    pub(super) fn reset(&mut self, reason: ResetCode) {
        self.open = false;
        let _ = self.stream.reset(code(reason.number()));
    }

    /// Waits until the peer has all of a finished stream, or wants no more of an open one. It borrows nothing, so
    /// that it can be waited for while the stream is written.
    pub(super) fn stopped(&self) -> impl Future<Output = ()> + Send + use<> {
        let stopped = self.stream.stopped();
        async move {
            let _ = stopped.await;
        }
    }

    /// Sets the order in which streams are sent: higher first.
    pub(super) fn priority(&self, priority: i32) {
        let _ = self.stream.set_priority(priority);
    }
}

impl Drop for FrameWriter {
    fn drop(&mut self) {
        if self.open {
            self.reset(ResetCode::Cancelled);
        }
    }
}
