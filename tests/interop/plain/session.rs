//! A connection that speaks: sections 6 to 12.

use std::net::SocketAddr;

use ciborium::Value;
use quinn::{Connection, Endpoint, SendStream, VarInt};

use super::device::{Device, LABEL, sha256};
use super::dial::dial;
use super::link::Link;
use super::wire::{Frame, Frames, Item, frame, map};

/// A connection after Hello.
pub(crate) struct Session {
    pub(crate) connection: Connection,
    control: (SendStream, Frames),
    link: Link,
    /// Streams that the server opened while another was looked for: their type, and what is behind it.
    arrived: Vec<(u64, Frames)>,
    _endpoint: Endpoint,
}

impl Session {
    /// Connects to the server of `link`, which is at `address`, and says Hello.
    pub(crate) async fn open(link: &Link, address: SocketAddr) -> Self {
        let (endpoint, connection) = dial(address, &link.host, link.pin, "quipu/1").await.unwrap();
        let (mut send, receive) = connection.open_bi().await.unwrap();
        let hello = map([(1, 0.into()), (2, Value::Array(Vec::new())), (3, "plain/1".into())]);
        send.write_all(&[vec![CONTROL], frame(HELLO, &hello)].concat()).await.unwrap();
        let mut control = (send, Frames(receive));
        let hello = control.1.until(HELLO).await;
        assert_eq!(hello.key(1).uint(), 0);
        Self { connection, control, link: link.clone(), arrived: Vec::new(), _endpoint: endpoint }
    }

    /// Redeems the link's invite for this device; Token or a refusal.
    pub(crate) async fn redeem(&mut self, device: &Device, nickname: &str) -> Frame {
        let subject = device.redeem_subject(&self.link.secret);
        let proof = self.proof(device, "quipu-redeem-v1", subject);
        let redeem = map([
            (1, Value::Bytes(self.link.secret.to_vec())),
            (2, device.cose_key()),
            (3, nickname.into()),
            (4, "a plain device".into()),
            (5, Value::Bytes(proof)),
        ]);
        self.say(&frame(REDEEM, &redeem)).await
    }

    /// The Auth frame of this device for this connection.
    pub(crate) fn auth(&self, device: &Device, token: &[u8]) -> Vec<u8> {
        let proof = self.proof(device, "quipu-auth-v1", sha256(token));
        frame(AUTH, &map([(1, Value::Bytes(token.to_vec())), (2, Value::Bytes(proof))]))
    }

    /// Writes a frame on CONTROL and gives its answer.
    pub(crate) async fn say(&mut self, frame: &[u8]) -> Frame {
        self.control.0.write_all(frame).await.unwrap();
        loop {
            let answer = self.control.1.next().await.expect("an answer");
            // A notice is for people.
            if answer.ty.is_multiple_of(2) {
                return answer;
            }
        }
    }

    /// Asks one question; its whole answer.
    pub(crate) async fn ask(&self, ty: u64, question: &Value) -> Vec<Frame> {
        let (mut send, receive) = self.connection.open_bi().await.unwrap();
        send.write_all(&[vec![REQUEST], frame(ty, question)].concat()).await.unwrap();
        send.finish().unwrap();
        let (mut frames, mut answer) = (Frames(receive), Vec::new());
        while let Some(frame) = frames.next().await {
            answer.push(frame);
        }
        answer
    }

    /// Opens a room behind `after`, or for a first look.
    pub(crate) async fn subscribe(&mut self, room: &[u8], after: Option<Cursor>) -> Room {
        let after = after.map_or(Value::Null, |(life, seq)| Value::Array(vec![life.into(), seq.into()]));
        let row = Value::Array(vec![Value::Bytes(room.to_vec()), after, 100.into()]);
        let answer = self.ask(SUBSCRIBE, &map([(1, Value::Array(vec![row]))])).await;
        let row = answer[0].expect(SUBSCRIBED).key(1).nth(0);
        assert_eq!(row.nth(2).0, Value::Null, "refused");
        let mut frames = self.server_stream(ROOM).await;
        let opened = frames.until(OPENED).await;
        assert_eq!(opened.nth(0), row.nth(1), "another subscription");
        assert_eq!(opened.nth(1).bytes(), room);
        let start = opened.nth(2);
        Room { incarnation: start.nth(0).uint(), next: start.nth(1).uint() + 1, frames }
    }

    /// The INBOX.
    pub(crate) async fn inbox(&mut self) -> Frames {
        self.server_stream(INBOX).await
    }

    /// Opens a PUBLISH stream.
    pub(crate) async fn publisher(&self) -> Publisher {
        let (mut send, receive) = self.connection.open_bi().await.unwrap();
        send.write_all(&[PUBLISH]).await.unwrap();
        Publisher(send, Frames(receive))
    }

    /// The next stream of this type that the server opens, or has opened.
    async fn server_stream(&mut self, ty: u64) -> Frames {
        if let Some(place) = self.arrived.iter().position(|(arrived, _)| *arrived == ty) {
            return self.arrived.remove(place).1;
        }
        loop {
            let mut frames = Frames(self.connection.accept_uni().await.unwrap());
            match frames.varint().await {
                Some(found) if found == ty => return frames,
                Some(other @ (ROOM | INBOX)) => self.arrived.push((other, frames)),
                // Ended, perhaps before the server told us anything.
                None => {}
                Some(_) => frames.0.stop(UNKNOWN_STREAM).unwrap(),
            }
        }
    }

    fn proof(&self, device: &Device, purpose: &str, subject: [u8; 32]) -> Vec<u8> {
        let mut exporter = [0; 32];
        self.connection.export_keying_material(&mut exporter, LABEL, &subject).unwrap();
        device.proof(purpose, subject, self.link.pin, exporter)
    }
}

/// A place in a room: incarnation and seq.
pub(crate) type Cursor = (u64, u64);

/// A ROOM stream, and the rule that nothing is left out or told twice.
pub(crate) struct Room {
    incarnation: u64,
    next: u64,
    frames: Frames,
}

impl Room {
    /// The next entry, which must be the one that is next.
    pub(crate) async fn entry(&mut self) -> Item {
        let entry = self.frames.until(ENTRY).await;
        assert_eq!(entry.nth(0).uint(), self.next, "a hole, or a place told twice");
        self.next += 1;
        entry
    }

    /// What a newcomer is told first: the room as it is.
    pub(crate) async fn snapshot(&mut self) -> Item {
        self.frames.until(SNAPSHOT).await
    }

    /// Everything until the server says that from here on it is live.
    pub(crate) async fn backlog(&mut self) -> Vec<Item> {
        let mut entries = Vec::new();
        loop {
            let frame = self.frames.next().await.expect("a live stream");
            if frame.ty == CAUGHT_UP {
                assert_eq!(frame.expect(CAUGHT_UP).nth(0).uint(), self.next - 1);
                return entries;
            }
            if frame.ty.is_multiple_of(2) {
                let entry = frame.expect(ENTRY);
                assert_eq!(entry.nth(0).uint(), self.next, "a hole, or a place told twice");
                self.next += 1;
                entries.push(entry);
            }
        }
    }

    /// What to come back with.
    pub(crate) fn cursor(&self) -> Cursor {
        (self.incarnation, self.next - 1)
    }
}

/// A PUBLISH stream.
pub(crate) struct Publisher(SendStream, Frames);

impl Publisher {
    /// Publishes a text under this id and gives the answer, Ack or Refused.
    pub(crate) async fn publish(&mut self, room: &[u8], message: [u8; 16], text: &str) -> Frame {
        let draft = Value::Array(vec![
            Value::Bytes(room.to_vec()),
            Value::Bytes(message.to_vec()),
            0.into(),
            Value::Bytes(text.as_bytes().to_vec()),
            Value::Map(Vec::new()),
        ]);
        self.0.write_all(&frame(DRAFT, &draft)).await.unwrap();
        let answer = self.1.next().await.expect("an answer");
        assert!(matches!(answer.ty, ACK | REFUSED), "{answer:?}");
        answer
    }
}

pub(crate) const TOKEN: u64 = 0x0e;
pub(crate) const AUTHENTICATED: u64 = 0x04;
pub(crate) const ACK: u64 = 0x22;
pub(crate) const REFUSED: u64 = 0x24;
pub(crate) const HEADS: u64 = 0x60;
pub(crate) const INBOX_READY: u64 = 0x65;

const CONTROL: u8 = 0x00;
const PUBLISH: u8 = 0x01;
const REQUEST: u8 = 0x02;
const ROOM: u64 = 0x01;
const INBOX: u64 = 0x02;
const UNKNOWN_STREAM: VarInt = VarInt::from_u32(0x41);
const HELLO: u64 = 0x00;
const AUTH: u64 = 0x02;
const REDEEM: u64 = 0x0c;
const DRAFT: u64 = 0x20;
const OPENED: u64 = 0x40;
const ENTRY: u64 = 0x42;
const SNAPSHOT: u64 = 0x46;
const CAUGHT_UP: u64 = 0x4b;
const SUBSCRIBE: u64 = 0x80;
const SUBSCRIBED: u64 = 0x82;
