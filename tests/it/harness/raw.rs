//! A peer with no manners but those it is told: plain quinn, and the types of the protocol.
//!
//! It trusts the server's authority as any TLS client trusts a root, opens any stream, writes any bytes, and tells
//! how the server ended what it did not like.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::QuicClientConfig;
use quinn::{
    ClientConfig, Connection, ConnectionError, Endpoint, ReadError, RecvStream, SendStream, TransportConfig,
    VarInt,
};
use quipu_protocol::control::{Auth, Authenticated, Hello, Redeem, Refresh, Token};
use quipu_protocol::token::{self, EXPORTER_BYTES, EXPORTER_LABEL, Purpose};
use quipu_protocol::{
    ALPN, BidiType, Blob, CloseCode, Frame, FrameDecoder, List, MINOR, Message, Refusal, ResetCode, UniType,
    varint,
};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

use super::{Device, soon};

/// What a client lets the server do.
#[derive(Clone, Copy)]
pub(crate) struct Grants {
    /// Streams the server may open.
    pub(crate) uni_streams: u32,
    /// Bytes of one stream that may be under way to us.
    pub(crate) stream_bytes: u32,
}

impl Default for Grants {
    fn default() -> Self {
        Self { uni_streams: 40, stream_bytes: 128 * 1024 }
    }
}

/// One connection of a peer that was told nothing about the protocol.
pub(crate) struct RawPeer {
    pub(crate) connection: Connection,
    pub(crate) pin: [u8; 32],
    endpoint: Endpoint,
}

impl RawPeer {
    pub(crate) async fn dial(
        address: SocketAddr,
        authority: CertificateDer<'static>,
        pin: [u8; 32],
        grants: Grants,
    ) -> Result<Self, ConnectionError> {
        let any: SocketAddr = match address {
            SocketAddr::V4(_) => (Ipv4Addr::LOCALHOST, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::LOCALHOST, 0).into(),
        };
        Self::dial_from(any, address, authority, pin, grants).await
    }

    /// The same from an address of one's choice.
    pub(crate) async fn dial_from(
        own: SocketAddr,
        address: SocketAddr,
        authority: CertificateDer<'static>,
        pin: [u8; 32],
        grants: Grants,
    ) -> Result<Self, ConnectionError> {
        let endpoint = Endpoint::client(own).unwrap();
        let connecting = endpoint.connect_with(config(authority, grants), address, "localhost").unwrap();
        Ok(Self { connection: connecting.await?, pin, endpoint })
    }

    /// The TLS exporter of this connection.
    pub(crate) fn exporter(&self, context: &[u8; 32]) -> [u8; EXPORTER_BYTES] {
        let mut value = [0; EXPORTER_BYTES];
        self.connection.export_keying_material(&mut value, EXPORTER_LABEL, context).unwrap();
        value
    }

    /// A stream that begins with this number.
    pub(crate) async fn open(&self, ty: u64) -> RawStream {
        let mut stream = self.open_untyped().await;
        let mut bytes = Vec::new();
        varint::put(&mut bytes, ty);
        stream.write(&bytes).await;
        stream
    }

    /// A stream without a byte in it.
    pub(crate) async fn open_untyped(&self) -> RawStream {
        let (send, recv) =
            soon("leave to open a stream", self.connection.open_bi()).await.expect("a connection that lives");
        RawStream::of(send, recv)
    }

    /// The CONTROL stream, after Hello in both directions.
    pub(crate) async fn greet(&self) -> RawStream {
        let mut control = self.open(BidiType::Control.number()).await;
        control.send(&our_hello()).await;
        let _: Hello = control.read.expect().await;
        control
    }

    pub(crate) async fn redeem(
        &self,
        control: &mut RawStream,
        secret: &[u8; 16],
        device: &Device,
        nickname: &str,
    ) -> Result<Token, Refusal> {
        let subject = token::redeem_subject(secret, &device.key());
        let redeem = Redeem {
            secret: Blob::new(secret.to_vec()).unwrap(),
            key: device.key(),
            nickname: nickname.parse().unwrap(),
            device_name: "a raw peer".parse().unwrap(),
            proof: device.prove(Purpose::Redeem, subject, self),
        };
        control.ask(&redeem).await
    }

    pub(crate) async fn auth(
        &self,
        control: &mut RawStream,
        token: &[u8],
        device: &Device,
    ) -> Result<Authenticated, Refusal> {
        let auth = Auth {
            token: Blob::new(token.to_vec()).unwrap(),
            proof: device.prove(Purpose::Auth, token::auth_subject(token), self),
        };
        control.ask(&auth).await
    }

    pub(crate) async fn refresh(
        &self,
        control: &mut RawStream,
        token: &Token,
        device: &Device,
    ) -> Result<Token, Refusal> {
        let subject = token::refresh_subject(&token.device);
        let refresh = Refresh { device: token.device, proof: device.prove(Purpose::Refresh, subject, self) };
        control.ask(&refresh).await
    }

    /// One question on a stream of its own.
    pub(crate) async fn ask<A: Message>(&self, question: &impl Message) -> Result<A, Refusal> {
        let mut stream = self.open(BidiType::Request.number()).await;
        stream.send(question).await;
        stream.finish();
        let answer = stream.read.answer().await;
        stream.read.end().await;
        answer
    }

    /// The next stream the server opened, and of which type it is.
    pub(crate) async fn accept(&self) -> (UniType, RawReader) {
        let recv = soon("a stream from the server", self.connection.accept_uni())
            .await
            .expect("a connection that lives");
        let mut read = RawReader::new(recv);
        let ty = read.stream_type().await;
        (UniType::from_number(ty).expect("a known type"), read)
    }

    /// Says goodbye as the protocol wants it, and sees that it is on its way.
    pub(crate) async fn leave(&self) {
        let none = VarInt::from_u32(CloseCode::None.number());
        self.connection.close(none, b"");
        soon("the goodbye", self.endpoint.wait_idle()).await;
    }

    /// Waits until the server closes the connection, and tells why it did.
    pub(crate) async fn closed(&self) -> CloseCode {
        let error = soon("a close by the server", self.connection.closed()).await;
        close_code(&error).unwrap_or_else(|| panic!("not closed by the server: {error}"))
    }
}

/// Why the server closed a connection; none when something else ended it.
fn close_code(error: &ConnectionError) -> Option<CloseCode> {
    match error {
        ConnectionError::ApplicationClosed(close) => CloseCode::from_number(close.error_code.into_inner()),
        _ => None,
    }
}

/// A stream of ours, in both directions.
pub(crate) struct RawStream {
    pub(crate) send: SendStream,
    pub(crate) read: RawReader,
}

impl RawStream {
    pub(crate) fn of(send: SendStream, recv: RecvStream) -> Self {
        Self { send, read: RawReader::new(recv) }
    }

    /// Writes bytes; that the server wants no more of them is no failure.
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        let _ = soon("room to write", self.send.write_all(bytes)).await;
    }

    pub(crate) async fn send(&mut self, message: &impl Message) {
        self.write(&message.to_frame()).await;
    }

    pub(crate) async fn ask<A: Message>(&mut self, question: &impl Message) -> Result<A, Refusal> {
        self.send(question).await;
        self.read.answer().await
    }

    pub(crate) fn finish(&mut self) {
        let _ = self.send.finish();
    }

    /// Waits until the server stops this stream; gives its code.
    pub(crate) async fn stopped(&self) -> Option<ResetCode> {
        let stopped = soon("a stop", self.send.stopped()).await.expect("a connection that lives");
        ResetCode::from_number(stopped?.into_inner())
    }
}

/// How a stream ended before its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Reset(ResetCode),
    Closed(CloseCode),
}

/// Frames the server writes.
pub(crate) struct RawReader {
    pub(crate) recv: RecvStream,
    decoder: FrameDecoder,
}

impl RawReader {
    fn new(recv: RecvStream) -> Self {
        Self { recv, decoder: FrameDecoder::default() }
    }

    async fn stream_type(&mut self) -> u64 {
        loop {
            if let Some(ty) = self.decoder.next_varint().unwrap() {
                return ty;
            }
            assert_eq!(self.more().await, Ok(true), "a stream of the server has no type");
        }
    }

    /// The next frame, whatever it is; none at the stream's end.
    pub(crate) async fn next(&mut self) -> Result<Option<Frame>, Ended> {
        loop {
            if let Some(frame) = self.decoder.next_frame().expect("the server's frames are valid") {
                return Ok(Some(frame));
            }
            if !self.more().await? {
                self.decoder.finish().expect("the server ends between frames");
                return Ok(None);
            }
        }
    }

    /// What was read and is no frame: the content of a file begins so.
    pub(crate) fn take_rest(&mut self) -> Vec<u8> {
        self.decoder.take_rest().to_vec()
    }

    async fn more(&mut self) -> Result<bool, Ended> {
        match soon("a frame", self.recv.read_chunk(16 * 1024, true)).await {
            Ok(Some(chunk)) => self.decoder.feed(&chunk.bytes),
            Ok(None) => return Ok(false),
            Err(ReadError::Reset(code)) => {
                let code = code.into_inner();
                return Err(Ended::Reset(
                    ResetCode::from_number(code).unwrap_or_else(|| panic!("reset with {code:#x}")),
                ));
            }
            Err(ReadError::ConnectionLost(error)) => {
                return Err(Ended::Closed(close_code(&error).unwrap_or_else(|| panic!("lost: {error}"))));
            }
            Err(error) => panic!("reading: {error}"),
        }
        Ok(true)
    }

    /// The next frame, which must be a `T`.
    pub(crate) async fn expect<T: Message>(&mut self) -> T {
        match self.next().await {
            Ok(Some(frame)) => frame.decode().unwrap_or_else(|error| panic!("{}: {error}", T::NAME)),
            other => panic!("{} was to come, not {other:?}", T::NAME),
        }
    }

    /// The next frame: a `T`, or the refusal in its place.
    pub(crate) async fn answer<T: Message>(&mut self) -> Result<T, Refusal> {
        match self.next().await {
            Ok(Some(frame)) if frame.is::<Refusal>() => Err(frame.decode().unwrap()),
            Ok(Some(frame)) => Ok(frame.decode().unwrap_or_else(|error| panic!("{}: {error}", T::NAME))),
            other => panic!("{} or a refusal was to come, not {other:?}", T::NAME),
        }
    }

    /// That the stream ends here, in order.
    pub(crate) async fn end(&mut self) {
        assert_eq!(self.next().await, Ok(None), "more than was to come");
    }

    /// Reads on until the stream is broken off; tells how.
    pub(crate) async fn broken(&mut self) -> Ended {
        loop {
            match self.next().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("the stream ended in order"),
                Err(ended) => return ended,
            }
        }
    }

    /// Says that no more is wanted.
    pub(crate) fn unsubscribe(mut self) {
        let _ = self.recv.stop(VarInt::from_u32(ResetCode::Cancelled.number()));
    }
}

pub(crate) fn our_hello() -> Hello {
    Hello { minor: MINOR, features: List::default(), agent: None }
}

fn config(authority: CertificateDer<'static>, grants: Grants) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(authority).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut crypto = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    crypto.alpn_protocols = vec![ALPN.to_vec()];
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_uni_streams(VarInt::from_u32(grants.uni_streams))
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .stream_receive_window(VarInt::from_u32(grants.stream_bytes))
        .receive_window(VarInt::from_u32(4 * 1024 * 1024))
        .max_idle_timeout(Some(VarInt::from_u32(60_000).into()))
        .keep_alive_interval(Some(Duration::from_secs(20)));
    let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(crypto).unwrap()));
    config.transport_config(Arc::new(transport));
    config
}
