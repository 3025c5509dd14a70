//! A peer that speaks the protocol and has none of the library's manners: it may leave streams unread for ever.
//!
//! Plain quinn and `quipu_protocol`. Only for the server's behaviour towards such peers; people use `person`.

use std::net::SocketAddr;
use std::sync::Arc;

use quinn::{
    ClientConfig, Connection, ConnectionError, Endpoint, RecvStream, SendStream, TransportConfig, VarInt,
    crypto::rustls::QuicClientConfig,
};
use quipu_protocol::{
    BidiType, Blob, DeviceId, Draft, Frame, FrameDecoder, InviteLink, List, MINOR, Message, RoomId, UniType,
    control::{Auth, Authenticated, Hello, Redeem, Refresh, Token},
    key::{CoseKey, DeviceKey, algorithm},
    publish::Ack,
    request::{Subscribe, SubscribeRoom, Subscribed},
    token::{self, EXPORTER_BYTES, EXPORTER_LABEL, Purpose, Statement},
    varint,
};
use ring::signature::{Ed25519KeyPair, KeyPair};

use super::seams::Epoch;
use crate::{
    net::{
        SimRuntime,
        endpoint::{make_client_replayable, replayable_endpoint},
    },
    world::World,
};

/// An authenticated connection, and CONTROL, which must stay open.
pub(crate) struct Raw {
    pub(crate) connection: Connection,
    /// What the server said of whoever this is.
    pub(crate) who: Authenticated,
    pub(crate) token: Token,
    control: (SendStream, Frames),
    _endpoint: Endpoint,
}

/// Whoever proves something: a device's key, and the pin of the server it proves it to.
pub(crate) struct Prover {
    pub(crate) key: Ed25519KeyPair,
    pub(crate) pin: [u8; 32],
}

/// Frames of one stream, read when one asks for them and not before.
pub(crate) struct Frames {
    pub(crate) stream: RecvStream,
    decoder: FrameDecoder,
}

impl Raw {
    /// Joins by `invite` from `from`, granting the server `window` bytes on every stream.
    pub(crate) async fn join(
        world: &World,
        (from, server): (SocketAddr, SocketAddr),
        epoch: Epoch,
        invite: &InviteLink,
        window: u32,
    ) -> Self {
        let dialled = dial(world, (from, server), epoch, invite.pin, window).await;
        let (endpoint, connection) = dialled.expect("nothing is in the way");
        let (control, who, token) = greet(&connection, &Prover::at(from, invite.pin), invite).await;
        Self { connection, who, token, control, _endpoint: endpoint }
    }

    /// Asks one question.
    pub(crate) async fn ask<T: Message>(&self, question: &impl Message) -> T {
        let (_send, mut answers) = open(&self.connection, BidiType::Request, question.to_frame()).await;
        answers.next().await.decode().expect("an answer to the question")
    }

    /// Publishes one draft.
    pub(crate) async fn publish(&self, draft: &Draft) -> Ack {
        let (_send, mut answers) = open(&self.connection, BidiType::Publish, draft.to_frame()).await;
        answers.next().await.decode().expect("an acknowledgement")
    }

    /// Asks for a fresh token of nobody's device; the answer is left unread.
    pub(crate) async fn refresh_badly(&mut self) {
        let refresh =
            Refresh { device: DeviceId::from_bytes([0; 16]), proof: Blob::new(vec![0; 8]).expect("short") };
        let written = self.control.0.write_all(&refresh.to_frame()).await;
        written.expect("the stream lives");
    }

    /// Subscribes to a room from its beginning.
    pub(crate) async fn subscribe(&self, room: RoomId) {
        let row = SubscribeRoom { room, after: None, backlog: 0 };
        let answer: Subscribed = self.ask(&Subscribe { rooms: List::first(vec![row]), priority: None }).await;
        assert!(answer.rooms.into_vec()[0].subscription.is_some(), "not granted");
    }

    /// The next stream of this type the server opens. Its first byte was read, nothing else.
    pub(crate) async fn accept(&self, ty: UniType) -> Frames {
        loop {
            let stream = self.connection.accept_uni().await.expect("the connection lives");
            let mut frames = Frames::new(stream);
            let mut first = [0];
            let read = frames.stream.read_exact(&mut first).await;
            read.expect("a stream begins with its type");
            if u64::from(first[0]) == ty.number() {
                return frames;
            }
        }
    }
}

impl Frames {
    fn new(stream: RecvStream) -> Self {
        Self { stream, decoder: FrameDecoder::default() }
    }

    /// The next frame.
    ///
    /// # Panics
    /// When the stream ends.
    pub(crate) async fn next(&mut self) -> Frame {
        loop {
            if let Some(frame) = self.decoder.next_frame().expect("the server sends frames") {
                return frame;
            }
            let chunk = self.stream.read_chunk(4_096, true).await.expect("the stream lives");
            self.decoder.feed(&chunk.expect("the stream goes on").bytes);
        }
    }

    async fn answer<T: Message>(&mut self) -> T {
        loop {
            let frame = self.next().await;
            if frame.is::<T>() {
                return frame.decode().expect("the server sends what it should");
            }
            assert!(frame.is::<Hello>(), "{:?} instead of an answer", frame.ty);
        }
    }
}

impl Prover {
    /// The device of a machine: every address has one of its own.
    pub(crate) fn at(from: SocketAddr, pin: [u8; 32]) -> Self {
        let seed = token::sha256(from.to_string().as_bytes());
        let key = Ed25519KeyPair::from_seed_unchecked(&seed).expect("32 bytes make a key");
        Self { key, pin }
    }

    /// What redeems `invite` on this connection.
    pub(crate) fn redeem(&self, connection: &Connection, invite: &InviteLink) -> Redeem {
        let public = self.key.public_key().as_ref().try_into().expect("an Ed25519 key has 32 bytes");
        let cose = CoseKey::from(&DeviceKey::Ed25519(public));
        let subject = token::redeem_subject(&invite.secret, &cose);
        Redeem {
            secret: Blob::new(invite.secret.to_vec()).expect("a secret has 16 bytes"),
            proof: Blob::new(self.prove(connection, Purpose::Redeem, subject)).expect("short"),
            key: cose,
            nickname: format!("raw{}", public[0]).parse().expect("a nickname"),
            device_name: "raw".parse().expect("a name"),
        }
    }

    /// What authenticates this connection.
    pub(crate) fn auth(&self, connection: &Connection, granted: &Token) -> Auth {
        let proof = self.prove(connection, Purpose::Auth, token::auth_subject(&granted.token));
        Auth { proof: Blob::new(proof).expect("short"), token: granted.token.clone() }
    }

    fn prove(&self, connection: &Connection, purpose: Purpose, subject: [u8; 32]) -> Vec<u8> {
        let mut exported = [0; EXPORTER_BYTES];
        let exporting = connection.export_keying_material(&mut exported, EXPORTER_LABEL, &subject);
        exporting.expect("32 bytes can be exported");
        let statement = Statement::new(purpose, subject, self.pin);
        statement.prove(algorithm::EDDSA, &exported, |message| self.key.sign(message).as_ref().to_vec())
    }
}

/// A connection on which nothing was said yet.
pub(crate) async fn dial(
    world: &World,
    (from, server): (SocketAddr, SocketAddr),
    epoch: Epoch,
    pin: [u8; 32],
    window: u32,
) -> Result<(Endpoint, Connection), ConnectionError> {
    let endpoint = endpoint(world, from);
    let config = config(world, epoch, pin, window);
    let connecting = endpoint.connect_with(config, server, "quipu").expect("a valid address");
    Ok((endpoint, connecting.await?))
}

async fn greet(
    connection: &Connection,
    prover: &Prover,
    invite: &InviteLink,
) -> ((SendStream, Frames), Authenticated, Token) {
    let hello = Hello { minor: MINOR, features: List::default(), agent: None };
    let (mut send, mut answers) = open(connection, BidiType::Control, hello.to_frame()).await;
    let redeem = prover.redeem(connection, invite);
    send.write_all(&redeem.to_frame()).await.expect("the stream lives");
    let granted: Token = answers.answer().await;
    let auth = prover.auth(connection, &granted);
    send.write_all(&auth.to_frame()).await.expect("the stream lives");
    let who = answers.answer().await;
    ((send, answers), who, granted)
}

async fn open(connection: &Connection, ty: BidiType, first: bytes::Bytes) -> (SendStream, Frames) {
    let (mut send, recv) = connection.open_bi().await.expect("the server grants streams");
    let mut bytes = Vec::new();
    varint::put(&mut bytes, ty.number());
    bytes.extend_from_slice(&first);
    send.write_all(&bytes).await.expect("the stream lives");
    (send, Frames::new(recv))
}

fn endpoint(world: &World, from: SocketAddr) -> Endpoint {
    let mut rng = world.rng();
    let reset_key = rng.bytes();
    let config = replayable_endpoint(rng, reset_key);
    Endpoint::new_with_abstract_socket(config, None, world.net.bind(from), SimRuntime::shared())
        .expect("a simulated socket has an address")
}

fn config(world: &World, epoch: Epoch, pin: [u8; 32], window: u32) -> ClientConfig {
    let clock = epoch.client(world.rng()).clock;
    let tls = quipu_client::tls::client_crypto(vec![pin], clock).expect("ring has TLS 1.3");
    let crypto = QuicClientConfig::try_from(tls.config).expect("ring has QUIC's first suite");
    let mut config = ClientConfig::new(Arc::new(crypto));
    let mut transport = TransportConfig::default();
    transport
        .stream_receive_window(VarInt::from_u32(window))
        .keep_alive_interval(Some(std::time::Duration::from_secs(10)));
    config.transport_config(Arc::new(transport));
    make_client_replayable(&mut config, world.rng());
    config
}
