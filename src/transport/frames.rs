//! Frames on streams: reading that survives cancellation, writing that never looks finished when it is not.
//!
//! Dropping a quinn `SendStream` *finishes* it, so a cancelled task would look like a complete answer. A
//! [`FrameWriter`] resets its stream when dropped, unless [`FrameWriter::finish`] was called.
//! Invariant: no write outlasts the writer's patience, so a peer that grants no credit holds nobody up for ever.

use std::time::Duration;

use bytes::Bytes;
use quinn::{ReadError, RecvStream, SendStream, VarInt, WriteError};
use quipu_protocol::limits::FRAME_BYTES_MAX;
use quipu_protocol::{DecodeError, Frame, FrameDecoder, Message, ResetCode, varint};
use tokio::time::{Instant, timeout, timeout_at};

use crate::limits::{FILE_CHUNK_BYTES, STREAM_STALL_MAX};

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
    /// Since when the rest of a frame is waited for.
    begun: Option<Instant>,
    patience: Duration,
}

impl FrameReader {
    pub(super) fn new(stream: RecvStream) -> Self {
        Self::of_frames_up_to(FRAME_BYTES_MAX, stream)
    }

    /// One that takes no larger payloads.
    pub(super) fn of_frames_up_to(payload_bytes_max: usize, stream: RecvStream) -> Self {
        let decoder = FrameDecoder::new(payload_bytes_max);
        Self { stream, decoder, begun: None, patience: STREAM_STALL_MAX }
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

    /// The next frame. `None` at the end of the stream. However long it takes to begin, what has begun is kept in memory
    /// and must come to its end.
    pub(super) async fn next(&mut self) -> Result<Option<Frame>, StreamError> {
        loop {
            if let Some(frame) = self.decoder.next_frame()? {
                self.begun = None;
                return Ok(Some(frame));
            }
            let more = if self.decoder.finish().is_ok() {
                self.more().await?
            } else {
                let until = *self.begun.get_or_insert_with(Instant::now) + self.patience;
                timeout_at(until, self.more()).await.unwrap_or(Err(StreamError::Stalled))?
            };
            if !more {
                self.decoder.finish()?;
                return Ok(None);
            }
        }
    }

    /// What follows the frames as it is, a piece at a time; none at the end of the stream.
    pub(super) async fn raw(&mut self) -> Result<Option<Bytes>, StreamError> {
        let rest = self.decoder.take_rest();
        if !rest.is_empty() {
            return Ok(Some(rest));
        }
        Ok(self.stream.read_chunk(FILE_CHUNK_BYTES, true).await?.map(|chunk| chunk.bytes))
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
    patience: Duration,
}

impl FrameWriter {
    pub(super) fn new(stream: SendStream) -> Self {
        Self { stream, open: true, patience: STREAM_STALL_MAX }
    }

    /// The same with another time than [`STREAM_STALL_MAX`] for the peer to take one write.
    pub(super) fn patient(self, patience: Duration) -> Self {
        let mut writer = self;
        writer.patience = patience;
        writer
    }

    /// Writes the stream's type, which also lets the peer see the stream.
    pub(super) async fn stream_type(&mut self, ty: u64) -> Result<(), StreamError> {
        let mut bytes = Vec::with_capacity(1);
        varint::put(&mut bytes, ty);
        self.send_frames(&mut [bytes.into()]).await
    }

    /// Writes one message. Not cancel-safe: after a cancelled write only dropping is left.
    pub(super) async fn send<T: Message>(&mut self, message: &T) -> Result<(), StreamError> {
        self.send_frames(&mut [message.to_frame()]).await
    }

    /// Writes whole frames together. Not cancel-safe. A peer that does not take them in time loses the stream.
    pub(super) async fn send_frames(&mut self, frames: &mut [Bytes]) -> Result<(), StreamError> {
        match timeout(self.patience, self.stream.write_all_chunks(frames)).await {
            Ok(written) => Ok(written?),
            Err(_) => {
                self.reset(ResetCode::Slow);
                Err(StreamError::Stalled)
            }
        }
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

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::Arc;

    use quinn::crypto::rustls::QuicClientConfig;
    use quinn::{ClientConfig, Endpoint, TokioRuntime, TransportConfig};

    use super::*;
    use crate::seams::Seams;
    use crate::tls::{ALPN_QUIPU, Identity, Secrets, endpoint_config, server_config, server_crypto};

    /// Bytes of one stream the client takes.
    const CREDIT: u32 = 64;

    /// Both ends of a connection whose client takes [`CREDIT`] and then nothing.
    async fn connection() -> (Endpoint, Endpoint, quinn::Connection, quinn::Connection) {
        let seams = Seams::system();
        let identity = Identity::ephemeral(seams.clock.now_ms(), Arc::clone(&seams.entropy)).unwrap();
        let secrets = Secrets::ephemeral(&seams);
        let crypto = server_crypto(&identity, &secrets, Arc::clone(&seams.clock)).unwrap();
        let config = server_config(crypto, &secrets, seams.clock).unwrap();
        let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let settings = endpoint_config(&secrets, None);
        let server = Endpoint::new(settings, Some(config), socket, Arc::new(TokioRuntime)).unwrap();

        let mut roots = rustls::RootCertStore::empty();
        roots.add(identity.authority().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut crypto = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        crypto.alpn_protocols = vec![ALPN_QUIPU.to_vec()];
        let mut transport = TransportConfig::default();
        transport.stream_receive_window(VarInt::from_u32(CREDIT));
        let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(crypto).unwrap()));
        config.transport_config(Arc::new(transport));
        let client = Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let address = server.local_addr().unwrap();
        let connecting = client.connect_with(config, address, "localhost").unwrap();
        let (ours, theirs) = tokio::join!(async { server.accept().await.unwrap().await.unwrap() }, async {
            connecting.await.unwrap()
        });
        (server, client, ours, theirs)
    }

    #[tokio::test]
    async fn a_peer_without_credit_loses_the_stream() {
        let (_server, _client, ours, theirs) = connection().await;
        let (mut question, mut answer) = theirs.open_bi().await.unwrap();
        question.write_all(b"?").await.unwrap();
        let (send, _recv) = ours.accept_bi().await.unwrap();
        let mut writer = FrameWriter::new(send).patient(Duration::from_millis(50));
        let frames = &mut [Bytes::from(vec![0; CREDIT as usize]), Bytes::from_static(b"more")];
        assert!(matches!(writer.send_frames(frames).await, Err(StreamError::Stalled)));
        let slow = Some(code(ResetCode::Slow.number()));
        assert_eq!(answer.received_reset().await.unwrap(), slow);
    }

    #[tokio::test]
    async fn a_frame_that_has_begun_comes_to_its_end() {
        let (_server, _client, ours, theirs) = connection().await;
        let (mut question, _answer) = theirs.open_bi().await.unwrap();
        question.write_all(&[0x20, 0x02, 0x00]).await.unwrap();
        let (_send, recv) = ours.accept_bi().await.unwrap();
        let mut reader = FrameReader { patience: Duration::from_millis(50), ..FrameReader::new(recv) };
        assert!(matches!(reader.next().await, Err(StreamError::Stalled)));
        // Between frames there is time.
        question.write_all(&[0x00, 0x20]).await.unwrap();
        reader.begun = None;
        assert!(reader.next().await.unwrap().is_some());
    }
}
