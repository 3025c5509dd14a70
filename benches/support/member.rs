//! Members of a Quipu server, as small as a client can be: redeem, authenticate, ask, open a room.

use std::net::SocketAddr;
use std::rc::Rc;

use anyhow::{Context as _, Result, bail};
use quinn::{Connection, RecvStream, SendStream};
use quipu_protocol::control::{Auth, Authenticated, Hello, Redeem, Token};
use quipu_protocol::inbox::InboxReady;
use quipu_protocol::key::{CoseKey, DeviceKey};
use quipu_protocol::request::{
    CreateInvite, CreateRoom, InviteAnswer, RoomAnswer, Subscribe, SubscribeRoom, Subscribed, Visibility,
};
use quipu_protocol::room::{CaughtUp, Opened};
use quipu_protocol::token::{
    EXPORTER_BYTES, EXPORTER_LABEL, Purpose, Statement, auth_subject, redeem_subject,
};
use quipu_protocol::{
    BidiType, Blob, Frame, FrameDecoder, List, MINOR, Message, Refusal, RoomId, UniType, varint,
};
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair as _};

use super::load::Load;

/// A week: longer than any bench.
const INVITE_LIFE_MS: u64 = 7 * 24 * 60 * 60 * 1_000;

/// A device with its key and its token.
pub(crate) struct Member {
    key: Ed25519KeyPair,
    token: Blob<{ quipu_protocol::limits::TOKEN_BYTES_MAX }>,
    pin: [u8; 32],
}

impl Member {
    /// Redeems an invite on a connection of its own.
    pub(crate) async fn enrol(
        load: &Load,
        server: SocketAddr,
        pin: [u8; 32],
        secret: &[u8; 16],
        nickname: &str,
    ) -> Result<Self> {
        let key = Ed25519KeyPair::from_seed_unchecked(&random::<32>()?).ok().context("a key")?;
        let public = DeviceKey::Ed25519(key.public_key().as_ref().try_into()?);
        let connection = load.connect(server).await?;
        let mut control = Talk::open(&connection, BidiType::Control).await?;
        control.say(&hello()).await?;
        let cose = CoseKey::from(&public);
        let subject = redeem_subject(secret, &cose);
        let redeem = Redeem {
            secret: blob(secret)?,
            key: cose,
            nickname: nickname.parse()?,
            device_name: "bench".parse()?,
            proof: blob(&prove(&key, Purpose::Redeem, subject, pin, &connection)?)?,
        };
        control.say(&redeem).await?;
        let token: Token = control.hear().await?;
        connection.close(0u32.into(), b"");
        let token = token.token;
        Ok(Self { key, token, pin })
    }

    /// Connects and authenticates.
    pub(crate) async fn connect(&self, load: &Load, server: SocketAddr) -> Result<Online> {
        let connection = load.connect(server).await?;
        let mut control = Talk::open(&connection, BidiType::Control).await?;
        control.say(&hello()).await?;
        let subject = auth_subject(&self.token);
        let proof = prove(&self.key, Purpose::Auth, subject, self.pin, &connection)?;
        let auth = Auth { token: self.token.clone(), proof: blob(&proof)? };
        control.say(&auth).await?;
        let _: Authenticated = control.hear().await?;
        let inbox = Rc::new(tokio::sync::Notify::new());
        Ok(Online { connection, control, inbox })
    }
}

fn hello() -> Hello {
    Hello { minor: MINOR, features: List::default(), agent: None }
}

fn prove(
    key: &Ed25519KeyPair,
    purpose: Purpose,
    subject: [u8; 32],
    pin: [u8; 32],
    connection: &Connection,
) -> Result<Vec<u8>> {
    let mut exporter = [0; EXPORTER_BYTES];
    let exported = connection.export_keying_material(&mut exporter, EXPORTER_LABEL, &subject);
    exported.ok().context("the exporter of the connection")?;
    let statement = Statement::new(purpose, subject, pin);
    let sign = |bytes: &[u8]| key.sign(bytes).as_ref().to_vec();
    Ok(statement.prove(quipu_protocol::key::algorithm::EDDSA, &exporter, sign))
}

/// A member that is there. Keep it: its CONTROL stream is its session.
pub(crate) struct Online {
    /// The connection, for streams and statistics.
    pub(crate) connection: Connection,
    control: Talk,
    inbox: Rc<tokio::sync::Notify>,
}

/// An open room: its stream, behind CaughtUp, and its newest position.
pub(crate) struct OpenRoom {
    /// What follows is live.
    pub(crate) live: RecvStream,
    /// Everything up to here is not on the stream.
    pub(crate) head: u64,
}

impl Online {
    /// Asks one question.
    pub(crate) async fn ask<Q: Message, A: Message>(&self, question: &Q) -> Result<A> {
        let mut talk = Talk::open(&self.connection, BidiType::Request).await?;
        talk.say(question).await?;
        talk.send.finish()?;
        talk.hear().await
    }

    /// A public room.
    pub(crate) async fn create_room(&self, name: &str) -> Result<RoomId> {
        let room = RoomId::from_bytes(random()?);
        let question = CreateRoom { room, name: name.parse()?, visibility: Visibility::PUBLIC, topic: None };
        let _: RoomAnswer = self.ask(&question).await?;
        Ok(room)
    }

    /// The secret of an invite to the server and `room`, for at most a thousand.
    pub(crate) async fn invite(&self, uses: usize, room: Option<RoomId>) -> Result<[u8; 16]> {
        let question =
            CreateInvite { uses: uses as u64, life_ms: INVITE_LIFE_MS, room, role: None, own_device: None };
        let answer: InviteAnswer = self.ask(&question).await?;
        Ok(answer.secret[..].try_into()?)
    }

    /// Opens the first room of this connection at its head, and from now on takes INBOX.
    pub(crate) async fn open(&self, room: RoomId) -> Result<OpenRoom> {
        let wanted = SubscribeRoom { room, after: None, backlog: 0 };
        let question = Subscribe { rooms: List::first(vec![wanted]), priority: None };
        let answer: Subscribed = self.ask(&question).await?;
        if let Some(refusal) = answer.rooms.first().and_then(|row| row.refusal.clone()) {
            bail!("the room is not opened: {refusal}");
        }
        let (mut open, mut inbox) = (None, false);
        // They come in either order.
        while open.is_none() || !inbox {
            let mut stream = Listen::new(self.connection.accept_uni().await?);
            match UniType::from_number(stream.ty().await?) {
                Some(UniType::Room) => {
                    let head = stream.until::<Opened>().await?.head.0;
                    stream.until::<CaughtUp>().await?;
                    let live = stream.stream;
                    open = Some(OpenRoom { live, head });
                }
                Some(UniType::Inbox) => {
                    inbox = true;
                    self.drain(stream);
                }
                None => bail!("a stream of unknown type"),
            }
        }
        open.context("no ROOM stream")
    }

    /// Waits until INBOX has told everything once; only after [`Online::open`].
    pub(crate) async fn inbox_ready(&self) {
        self.inbox.notified().await;
    }

    fn drain(&self, mut stream: Listen) {
        let ready = Rc::clone(&self.inbox);
        tokio::task::spawn_local(async move {
            if stream.until::<InboxReady>().await.is_ok() {
                ready.notify_one();
            }
            let mut rest = stream.stream;
            while let Ok(Some(_)) = rest.read_chunk(usize::MAX, true).await {}
        });
    }
}

/// A stream to talk on: frames there, frames back.
pub(crate) struct Talk {
    /// For more than single frames.
    pub(crate) send: SendStream,
    /// What comes back.
    pub(crate) listen: Listen,
}

impl Talk {
    /// Opens a stream of this type.
    pub(crate) async fn open(connection: &Connection, ty: BidiType) -> Result<Self> {
        let (mut send, recv) = connection.open_bi().await?;
        let mut bytes = Vec::new();
        varint::put(&mut bytes, ty.number());
        send.write_all(&bytes).await?;
        let listen = Listen::new(recv);
        Ok(Self { send, listen })
    }

    pub(crate) async fn say<T: Message>(&mut self, message: &T) -> Result<()> {
        Ok(self.send.write_all(&message.to_frame()).await?)
    }

    pub(crate) async fn hear<T: Message>(&mut self) -> Result<T> {
        self.listen.until().await
    }
}

/// The reading half of a stream of frames.
pub(crate) struct Listen {
    stream: RecvStream,
    decoder: FrameDecoder,
}

impl Listen {
    fn new(stream: RecvStream) -> Self {
        let decoder = FrameDecoder::default();
        Self { stream, decoder }
    }

    async fn ty(&mut self) -> Result<u64> {
        loop {
            if let Some(ty) = self.decoder.next_varint()? {
                return Ok(ty);
            }
            self.more().await?;
        }
    }

    /// The next message of this type; others are passed over.
    pub(crate) async fn until<T: Message>(&mut self) -> Result<T> {
        loop {
            let frame = self.next().await?;
            if frame.is::<T>() {
                return Ok(frame.decode()?);
            }
            if frame.is::<Refusal>() {
                bail!("refused: {}", frame.decode::<Refusal>()?);
            }
        }
    }

    /// The next frame, whatever it is.
    pub(crate) async fn next(&mut self) -> Result<Frame> {
        loop {
            if let Some(frame) = self.decoder.next_frame()? {
                return Ok(frame);
            }
            self.more().await?;
        }
    }

    /// What was read and is no frame, and the stream: for what follows without frames.
    pub(crate) fn raw(mut self) -> (bytes::Bytes, RecvStream) {
        (self.decoder.take_rest(), self.stream)
    }

    async fn more(&mut self) -> Result<()> {
        let chunk = self.stream.read_chunk(usize::MAX, true).await?;
        self.decoder.feed(&chunk.context("a stream ended early")?.bytes);
        Ok(())
    }
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).ok().context("randomness")?;
    Ok(bytes)
}

fn blob<const MAX: usize>(bytes: &[u8]) -> Result<Blob<MAX>> {
    Blob::new(bytes.to_vec()).ok().context("too long for its field")
}
