//! Whole connections: a stranger does whatever the choices say, to the real server, over the simulated network.
//!
//! ```text
//!   stranger ── any frame, any stream, any order, greeted or not ──▶ server ◀── ann, who behaves
//! ```
//!
//! Frames are those of the golden vectors with ids of this world, changed in structure or not.

use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::Duration;

use ciborium::Value;
use quinn::{Connection, Endpoint, RecvStream, SendStream, VarInt};
use quipu_protocol::control::{Hello, Token};
use quipu_protocol::frame::seal;
use quipu_protocol::request::{CreateInvite, InviteAnswer};
use quipu_protocol::{
    Blob, CloseCode, Draft, Ext, FrameDecoder, FrameType, InviteLink, Kind, List, MINOR, Message, MessageId,
    RoomId, cbor, varint,
};
use tokio::time::{sleep, timeout};

use super::change::{change, encode};
use super::choices::Choices;
use crate::chat::chronicle::Chronicle;
use crate::chat::disk;
use crate::chat::host::Host;
use crate::chat::raw::{Prover, Raw, dial};
use crate::chat::seams::Epoch;
use crate::world::{self, World};

/// What a stranger does before everything is looked at. To make a world costs as much as a hundred actions.
const ACTIONS_MAX: usize = 256;
/// Streams a stranger keeps at hand.
const STREAMS_MAX: usize = 24;
/// How often a stranger whose connection is over comes back.
const RETURNS_MAX: u16 = 8;
/// Changes of one message: as it should be, more often than not.
const CHANGES: [u8; 8] = [0, 0, 0, 0, 1, 1, 2, 4];
/// Bytes granted on every stream: small, so that the server meets full windows.
const WINDOWS: [u32; 3] = [1 << 20, 4_096, 64];
/// Time anything of QUIC takes that is not held up.
const MOMENT: Duration = Duration::from_millis(200);
/// Time in which a server answers somebody who behaves, whoever else is there.
const ANSWER_MAX: Duration = Duration::from_secs(20);
/// Steps of time, in milliseconds: below and above the server's own waits.
const STEPS_MS: [u64; 6] = [1, 100, 2_100, 5_500, 16_000, 61_000];

/// Ids of the golden vectors: a room, three accounts, a device.
const LOBBY: [u8; 16] = [0xa1; 16];
const ADA: [u8; 16] = [0xb1; 16];
const BOB: [u8; 16] = [0xb2; 16];
const LAPTOP: [u8; 16] = [0xc1; 16];

/// Every message of the protocol: type and payload.
static VECTORS: LazyLock<Vec<(FrameType, Value)>> = LazyLock::new(|| {
    let text = include_str!("../../protocol/spec/vectors/frames.json");
    let vectors: Vec<serde_json::Value> = serde_json::from_str(text).expect("vectors are JSON");
    let frame = |vector: &serde_json::Value| {
        let digits = vector["hex"].as_str().expect("a vector has bytes");
        let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("two digits");
        let bytes: Vec<u8> = (0..digits.len()).step_by(2).map(byte).collect();
        let mut decoder = FrameDecoder::default();
        decoder.feed(&bytes);
        let frame = decoder.next_frame().expect("a vector is a frame").expect("a vector is whole");
        (frame.ty, ciborium::from_reader(&frame.payload[..]).expect("a payload is CBOR"))
    };
    vectors.iter().map(frame).collect()
});

/// Those that clients ask, as the table of the specification says, and those that are drafts.
static QUESTIONS: LazyLock<Vec<usize>> = LazyLock::new(|| {
    let rows = include_str!("../../protocol/spec/PROTOCOL.md")
        .lines()
        .map(|row| row.split(" | ").collect::<Vec<_>>());
    let questions = rows.filter(|row| row.len() == 5 && row[2] == "REQUEST" && row[3] == "client");
    let number =
        |row: Vec<&str>| row[0].strip_prefix("| 0x").and_then(|digits| u64::from_str_radix(digits, 16).ok());
    let types: Vec<u64> = questions.filter_map(number).collect();
    (0..VECTORS.len()).filter(|at| types.contains(&VECTORS[*at].0.0)).collect()
});
static DRAFTS: LazyLock<Vec<usize>> =
    LazyLock::new(|| (0..VECTORS.len()).filter(|at| VECTORS[*at].0 == Draft::TYPE).collect());

/// Goal: whatever a stranger does, the server answers others, sends nothing but frames, keeps a whole log, and stops
/// when it is asked to. That nothing panics is seen by whoever calls this.
pub(crate) fn run(data: &[u8]) {
    let mut choices = Choices::new(data);
    world::run(1, async |world| scenario(world, &mut choices).await);
}

async fn scenario(world: &World, choices: &mut Choices<'_>) {
    let epoch = Epoch::now();
    let mut host = Host::new(world, address(1, 4433), epoch, Chronicle::new(world.net.clone()));
    let owner = host.start().await.expect("nobody owns the server yet");
    let ann = Raw::join(world, (address(2, 1), host.addr), epoch, &owner, 1 << 20).await;
    let lobby = host.disk.heads(ann.who.user)[0].room;
    let ask = CreateInvite { uses: 3, life_ms: 3_600_000, room: None, role: None, own_device: None };
    let answer: InviteAnswer = ann.ask(&ask).await;
    let secret = answer.secret[..].try_into().expect("a secret has 16 bytes");
    let way = Way { world, epoch, server: host.addr, window: choices.one_of(&WINDOWS) };
    let mut stranger = Stranger::new(way, InviteLink { secret, ..owner }, (lobby, &ann));
    if choices.below(4) > 0 {
        stranger.join().await;
    }
    for _ in 0..ACTIONS_MAX {
        if choices.is_over() {
            break;
        }
        stranger.act(choices).await;
    }
    stranger.read_all().await;
    let said = timeout(ANSWER_MAX, ann.publish(&draft(lobby))).await;
    let said = said.expect("a stranger does not keep the server from others");
    drop(stranger);
    let log = host.disk.log(lobby);
    let places: Vec<u64> = log.iter().map(|stored| stored.seq.0).collect();
    assert!(places.iter().copied().eq(1..=log.len() as u64), "holes in the log: {places:?}");
    assert!(
        log.iter().all(|stored| disk::entry(&stored.frame).seq == stored.seq),
        "another place than its own"
    );
    assert!(places.contains(&said.at.seq.0), "acknowledged, and not in the log");
    host.stop().await;
}

/// How a stranger comes to the server.
struct Way<'a> {
    world: &'a World,
    epoch: Epoch,
    server: SocketAddr,
    window: u32,
}

/// Somebody without manners, and what they have.
struct Stranger<'a> {
    way: Way<'a>,
    invite: InviteLink,
    prover: Prover,
    /// None before the first, and when the server lets nobody in.
    connection: Option<Connection>,
    streams: Vec<Stream>,
    /// Frames that fit this very connection.
    own: Vec<(FrameType, Value)>,
    /// Which id of the vectors is which of this world.
    ids: Vec<([u8; 16], [u8; 16])>,
    token: Token,
    returns: u16,
    /// Keep open what would close with them.
    _raw: Option<Raw>,
    _endpoint: Option<Endpoint>,
}

struct Stream {
    send: SendStream,
    recv: RecvStream,
    answers: FrameDecoder,
}

impl<'a> Stranger<'a> {
    fn new(way: Way<'a>, invite: InviteLink, (lobby, ann): (RoomId, &Raw)) -> Self {
        let (user, device) = (ann.who.user, ann.who.device);
        // Of somebody else, and of no worth.
        let token = Token { token: Blob::new(vec![0; 64]).expect("short"), expires_ms: 0, user, device };
        Self {
            prover: Prover::at(address(3, 1), invite.pin),
            way,
            invite,
            connection: None,
            streams: Vec::new(),
            own: Vec::new(),
            ids: vec![(LOBBY, *lobby.as_bytes()), (BOB, *user.as_bytes()), (LAPTOP, *device.as_bytes())],
            token,
            returns: 0,
            _raw: None,
            _endpoint: None,
        }
    }

    /// Becomes somebody, by the invite.
    async fn join(&mut self) {
        let Way { world, epoch, server, window } = self.way;
        let raw = Raw::join(world, (address(3, 1), server), epoch, &self.invite, window).await;
        let (user, device) = (*raw.who.user.as_bytes(), *raw.who.device.as_bytes());
        self.ids.retain(|(of, _)| *of != LAPTOP);
        self.ids.extend([(ADA, user), (LAPTOP, device)]);
        (self.token, self.connection) = (raw.token.clone(), Some(raw.connection.clone()));
        self._raw = Some(raw);
    }

    /// Dials once more when the connection is over, and says at once who it is, or pretends to.
    async fn come_back(&mut self) {
        let is_over = self.connection.as_ref().is_none_or(|connection| connection.close_reason().is_some());
        if !is_over || self.returns >= RETURNS_MAX {
            return;
        }
        self.returns += 1;
        let Way { world, epoch, server, window } = self.way;
        let from = address(3, self.returns + 1);
        let Ok((endpoint, connection)) = dial(world, (from, server), epoch, self.invite.pin, window).await
        else {
            return;
        };
        let auth = self.prover.auth(&connection, &self.token);
        self.own = vec![frame(&self.prover.redeem(&connection, &self.invite)), frame(&auth)];
        self.streams.clear();
        (self.connection, self._endpoint) = (Some(connection), Some(endpoint));
        let hello = Hello { minor: MINOR, features: List::default(), agent: None };
        self.open(&[&[0][..], &hello.to_frame(), &auth.to_frame()].concat(), false).await;
    }

    /// Does one thing. What fails, fails: the server may have ended the stream or the connection.
    async fn act(&mut self, choices: &mut Choices<'_>) {
        self.come_back().await;
        let Some(connection) = self.connection.clone() else { return };
        match choices.below(16) {
            0..=5 => {
                // One question on a stream of its own, asked in full more often than not.
                let bytes = [vec![2], self.frame(choices, Some(&QUESTIONS))].concat();
                self.open(&bytes, choices.below(4) > 0).await;
            }
            6 => {
                let bytes = [vec![1], self.frame(choices, Some(&DRAFTS))].concat();
                self.open(&bytes, false).await;
            }
            7 => {
                let bytes = self.frame(choices, Some(&DRAFTS));
                self.write(choices, &bytes).await;
            }
            8 => {
                let mut bytes = Vec::new();
                let ty =
                    if choices.below(8) == 0 { choices.integer() as u64 } else { choices.below(6) as u64 };
                varint::put(&mut bytes, ty);
                bytes.extend(self.frame(choices, None));
                self.open(&bytes, false).await;
            }
            9 => {
                let bytes = self.frame(choices, None);
                self.write(choices, &bytes).await;
            }
            10 => {
                let bytes = choices.bytes();
                self.write(choices, &bytes).await;
            }
            11 => self.end(choices),
            12 => {
                let bytes = [vec![choices.byte() % 4], self.frame(choices, None)].concat();
                if let Ok(Ok(mut send)) = timeout(MOMENT, connection.open_uni()).await {
                    let _ = timeout(MOMENT, send.write_all(&bytes)).await;
                }
            }
            13 => {
                let bytes = if choices.below(4) == 0 { choices.bytes() } else { self.frame(choices, None) };
                // Too large is refused here.
                let _ = connection.send_datagram(bytes.into());
            }
            14 if choices.below(8) == 0 => connection.close(VarInt::from_u32(choices.byte().into()), b"bye"),
            14 => self.read_all().await,
            _ => sleep(Duration::from_millis(choices.one_of(&STEPS_MS))).await,
        }
    }

    /// A frame with ids of this world, as it should be or changed: one of these vectors, or any.
    fn frame(&self, choices: &mut Choices, of: Option<&[usize]>) -> Vec<u8> {
        let any = VECTORS.len() + self.own.len();
        let at = match of {
            Some(of) if choices.below(16) > 0 => of[choices.below(of.len())],
            _ => choices.below(any),
        };
        let (ty, value) = VECTORS.get(at).unwrap_or_else(|| &self.own[at - VECTORS.len()]);
        let mut value = value.clone();
        self.rename(&mut value);
        for _ in 0..choices.one_of(&CHANGES) {
            let donor = &VECTORS[choices.below(VECTORS.len())].1;
            change(&mut value, choices, donor);
        }
        if let (Value::Array(items), true) = (&mut value, *ty == Draft::TYPE) {
            // Few messages are retries.
            if let Some(Value::Bytes(id)) = items.get_mut(1).filter(|_| choices.below(8) > 0) {
                id.fill(choices.byte());
            }
        }
        seal(*ty, &encode(&value)).to_vec()
    }

    fn rename(&self, value: &mut Value) {
        match value {
            Value::Bytes(bytes) => {
                if let Some((_, id)) = self.ids.iter().find(|(id, _)| bytes == id) {
                    bytes.copy_from_slice(id);
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.rename(item)),
            Value::Map(pairs) => pairs.iter_mut().for_each(|(_, value)| self.rename(value)),
            _ => {}
        }
    }

    async fn open(&mut self, bytes: &[u8], ends: bool) {
        let Some(connection) = &self.connection else { return };
        let Ok(Ok((mut send, recv))) = timeout(MOMENT, connection.open_bi()).await else { return };
        let _ = timeout(MOMENT, send.write_all(bytes)).await;
        if ends {
            let _ = send.finish();
        }
        if self.streams.len() >= STREAMS_MAX {
            self.streams.remove(0);
        }
        self.streams.push(Stream { send, recv, answers: FrameDecoder::default() });
    }

    async fn write(&mut self, choices: &mut Choices<'_>, bytes: &[u8]) {
        let at = choices.below(self.streams.len().max(1));
        if let Some(stream) = self.streams.get_mut(at) {
            let _ = timeout(MOMENT, stream.send.write_all(bytes)).await;
        }
    }

    fn end(&mut self, choices: &mut Choices) {
        let at = choices.below(self.streams.len().max(1));
        let code = VarInt::from_u32(choices.byte().into());
        let Some(stream) = self.streams.get_mut(at) else { return };
        let _ = match choices.below(4) {
            0 => stream.send.finish(),
            1 => stream.send.reset(code),
            2 => stream.recv.stop(code),
            _ => return drop(self.streams.remove(at)),
        };
    }

    /// Reads what has come on all streams. The server says nothing but frames.
    async fn read_all(&mut self) {
        for stream in &mut self.streams {
            while let Ok(Ok(Some(chunk))) = timeout(MOMENT, stream.recv.read_chunk(65_536, true)).await {
                check_frames(&mut stream.answers, &chunk.bytes);
            }
        }
        let Some(connection) = &self.connection else { return };
        while let Ok(Ok(mut recv)) = timeout(MOMENT, connection.accept_uni()).await {
            let mut decoder = FrameDecoder::default();
            let mut begun = false;
            while let Ok(Ok(Some(chunk))) = timeout(MOMENT, recv.read_chunk(65_536, true)).await {
                let bytes = &chunk.bytes[usize::from(!begun).min(chunk.bytes.len())..];
                begun = true;
                check_frames(&mut decoder, bytes);
            }
        }
        let why = connection.close_reason();
        let internal = u64::from(CloseCode::Internal.number());
        if let Some(quinn::ConnectionError::ApplicationClosed(close)) = why {
            assert_ne!(close.error_code.into_inner(), internal, "the server says that it failed");
        }
    }
}

fn check_frames(decoder: &mut FrameDecoder, bytes: &[u8]) {
    decoder.feed(bytes);
    while let Some(frame) = decoder.next_frame().expect("the server sends frames") {
        assert_eq!(cbor::check(&frame.payload), Ok(()), "{:?} from the server", frame.ty);
    }
}

fn frame<T: Message>(message: &T) -> (FrameType, Value) {
    (T::TYPE, ciborium::from_reader(&cbor::encode(message)[..]).expect("what we encode is CBOR"))
}

fn draft(room: RoomId) -> Draft {
    Draft {
        room,
        message: MessageId::from_bytes([0x77; 16]),
        kind: Kind::TEXT,
        body: Blob::new("still here".as_bytes().to_vec()).expect("short"),
        ext: Ext::default(),
    }
}

/// Where somebody is: the server, ann, the stranger, who has another port each time.
fn address(host: u8, port: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, host], port))
}
