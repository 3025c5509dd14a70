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
use quipu_protocol::control::Token;
use quipu_protocol::frame::seal;
use quipu_protocol::request::{CreateInvite, InviteAnswer};
use quipu_protocol::{
    Blob, CloseCode, Draft, Ext, FrameDecoder, FrameType, InviteLink, Kind, Message, MessageId, RoomId, cbor,
    varint,
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

/// What a stranger does before everything is looked at.
const ACTIONS_MAX: usize = 48;
/// Streams a stranger keeps at hand.
const STREAMS_MAX: usize = 24;
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

/// Goal: whatever a stranger does, the server answers others, sends nothing but frames, keeps a whole log, and stops
/// when it is asked to. That nothing panics is seen by whoever calls this.
pub(crate) fn run(data: &[u8]) {
    let mut choices = Choices::new(data);
    world::run(1, async |world| scenario(world, &mut choices).await);
}

async fn scenario(world: &World, choices: &mut Choices<'_>) {
    let epoch = Epoch::now();
    let mut host = Host::new(world, address(1), epoch, Chronicle::new(world.net.clone()));
    let owner = host.start().await.expect("nobody owns the server yet");
    let ann = Raw::join(world, (address(2), host.addr), epoch, &owner, 1 << 20).await;
    let lobby = host.disk.heads(ann.who.user)[0].room;
    let ask = CreateInvite { uses: 3, life_ms: 3_600_000, room: None, role: None, own_device: None };
    let answer: InviteAnswer = ann.ask(&ask).await;
    let secret = answer.secret[..].try_into().expect("a secret has 16 bytes");
    let invite = InviteLink { secret, ..owner };
    let window = choices.one_of(&WINDOWS);
    let mut stranger = if choices.below(4) > 0 {
        let raw = Raw::join(world, (address(3), host.addr), epoch, &invite, window).await;
        Stranger::greeted(raw, lobby, &ann)
    } else {
        let (endpoint, connection) = dial(world, (address(3), host.addr), epoch, invite.pin, window).await;
        Stranger::unknown((endpoint, connection), &invite, lobby, &ann)
    };
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

/// Somebody without manners, and what they have.
struct Stranger {
    connection: Connection,
    streams: Vec<Stream>,
    /// Frames that fit this very connection.
    own: Vec<(FrameType, Value)>,
    /// Which id of the vectors is which of this world.
    ids: Vec<([u8; 16], [u8; 16])>,
    /// Keeps CONTROL of whoever was greeted.
    _raw: Option<Raw>,
    _endpoint: Option<Endpoint>,
}

struct Stream {
    send: SendStream,
    recv: RecvStream,
    answers: FrameDecoder,
}

impl Stranger {
    fn greeted(raw: Raw, lobby: RoomId, ann: &Raw) -> Self {
        let (user, device) = (*raw.who.user.as_bytes(), *raw.who.device.as_bytes());
        let ids =
            vec![(LOBBY, *lobby.as_bytes()), (ADA, user), (LAPTOP, device), (BOB, *ann.who.user.as_bytes())];
        let connection = raw.connection.clone();
        Self { connection, streams: Vec::new(), own: Vec::new(), ids, _raw: Some(raw), _endpoint: None }
    }

    fn unknown(
        (endpoint, connection): (Endpoint, Connection),
        invite: &InviteLink,
        lobby: RoomId,
        ann: &Raw,
    ) -> Self {
        let prover = Prover::at(address(3), invite.pin);
        let (user, device) = (ann.who.user, ann.who.device);
        let redeem = prover.redeem(&connection, invite);
        let token = Blob::new(vec![0; 64]).expect("short");
        let auth = prover.auth(&connection, &Token { token, expires_ms: 0, user, device });
        let own = vec![frame(&redeem), frame(&auth)];
        let ids = vec![(LOBBY, *lobby.as_bytes()), (BOB, *user.as_bytes()), (LAPTOP, *device.as_bytes())];
        let streams = Vec::new();
        Self { connection, streams, own, ids, _raw: None, _endpoint: Some(endpoint) }
    }

    /// Does one thing. What fails, fails: the server may have ended the stream or the connection.
    async fn act(&mut self, choices: &mut Choices<'_>) {
        match choices.below(13) {
            0..=3 => {
                // One question on a stream of its own, asked in full more often than not.
                let bytes = [vec![2], self.frame(choices)].concat();
                let ends = choices.below(4) > 0;
                self.open(&bytes, ends).await;
            }
            4 => {
                let mut bytes = Vec::new();
                let ty =
                    if choices.below(8) == 0 { choices.integer() as u64 } else { choices.below(6) as u64 };
                varint::put(&mut bytes, ty);
                bytes.extend(self.frame(choices));
                self.open(&bytes, false).await;
            }
            5..=7 => {
                let bytes = self.frame(choices);
                self.write(choices, &bytes).await;
            }
            8 => {
                let bytes = choices.bytes();
                self.write(choices, &bytes).await;
            }
            9 => self.end(choices),
            10 => {
                let bytes = [vec![choices.byte() % 4], self.frame(choices)].concat();
                if let Ok(Ok(mut send)) = timeout(MOMENT, self.connection.open_uni()).await {
                    let _ = timeout(MOMENT, send.write_all(&bytes)).await;
                }
            }
            11 => {
                let bytes = if choices.below(4) == 0 { choices.bytes() } else { self.frame(choices) };
                // Too large is refused here.
                let _ = self.connection.send_datagram(bytes.into());
            }
            _ if choices.below(8) == 0 => {
                self.connection.close(VarInt::from_u32(choices.byte().into()), b"bye")
            }
            _ if choices.below(2) == 0 => self.read_all().await,
            _ => sleep(Duration::from_millis(choices.one_of(&STEPS_MS))).await,
        }
    }

    /// A frame with ids of this world, as it should be or changed.
    fn frame(&self, choices: &mut Choices) -> Vec<u8> {
        let count = VECTORS.len() + self.own.len();
        let at = choices.below(count);
        let (ty, value) = VECTORS.get(at).unwrap_or_else(|| &self.own[at - VECTORS.len()]);
        let mut value = value.clone();
        self.rename(&mut value);
        for _ in 0..choices.below(4) {
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
        let Ok(Ok((mut send, recv))) = timeout(MOMENT, self.connection.open_bi()).await else { return };
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
        while let Ok(Ok(mut recv)) = timeout(MOMENT, self.connection.accept_uni()).await {
            let mut decoder = FrameDecoder::default();
            let mut begun = false;
            while let Ok(Ok(Some(chunk))) = timeout(MOMENT, recv.read_chunk(65_536, true)).await {
                let bytes = if begun { &chunk.bytes[..] } else { &chunk.bytes[1..] };
                begun = true;
                check_frames(&mut decoder, bytes);
            }
        }
        let why = self.connection.close_reason();
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

/// Where somebody is: the server, ann, the stranger.
fn address(host: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, host], if host == 1 { 4433 } else { 1 }))
}
