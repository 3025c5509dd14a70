//! Somebody the server knows: a peer, the device it speaks for, and what a member can do.

use quipu_protocol::control::{Authenticated, Token};
use quipu_protocol::publish::{Ack, Refused};
use quipu_protocol::request::{
    CreateInvite, InviteAnswer, ListRooms, Rooms, Subscribe, SubscribeRoom, Subscribed,
};
use quipu_protocol::room::Opened;
use quipu_protocol::{BidiType, Blob, Cursor, Draft, Ext, Kind, List, MessageId, Refusal, RoomId, UniType};

use super::{Device, Grants, RawPeer, RawReader, RawStream, TestServer, random};

/// An authenticated connection.
pub(crate) struct Member {
    pub(crate) peer: RawPeer,
    pub(crate) control: RawStream,
    pub(crate) device: Device,
    pub(crate) token: Token,
    pub(crate) me: Authenticated,
}

impl TestServer {
    /// The first account, which owns the server.
    pub(crate) async fn owner(&self) -> Member {
        self.redeem(&self.invite().secret, "owner").await
    }

    /// A new account, invited by `by`.
    pub(crate) async fn join(&self, by: &Member, nickname: &str) -> Member {
        let secret = by.invite(1).await;
        self.redeem(&secret, nickname).await
    }

    /// Whoever redeems this secret, on a new connection and device.
    pub(crate) async fn redeem(&self, secret: &[u8; 16], nickname: &str) -> Member {
        let (peer, device) = (self.dial().await, Device::new());
        let mut control = peer.greet().await;
        let token = peer.redeem(&mut control, secret, &device, nickname).await.unwrap();
        let me = peer.auth(&mut control, &token.token, &device).await.unwrap();
        Member { peer, control, device, token, me }
    }

    /// The same device on a new connection, in place of the one it had.
    pub(crate) async fn again(&self, member: Member) -> Member {
        self.again_granting(member, Grants::default()).await
    }

    pub(crate) async fn again_granting(&self, member: Member, grants: Grants) -> Member {
        let Member { device, token, .. } = member;
        let peer = self.dial_granting(grants).await;
        let mut control = peer.greet().await;
        let me = peer.auth(&mut control, &token.token, &device).await.unwrap();
        Member { peer, control, device, token, me }
    }
}

impl Member {
    /// An invite to the server for so many.
    pub(crate) async fn invite(&self, uses: u64) -> [u8; 16] {
        let answer: InviteAnswer = self.peer.ask(&invite(uses)).await.unwrap();
        answer.secret[..].try_into().unwrap()
    }

    /// That the connection lives and its streams are served.
    pub(crate) async fn is_served(&self) {
        let all = ListRooms { mine: false, after: None, name: None };
        let rooms: Rooms = self.peer.ask(&all).await.unwrap();
        assert_eq!(rooms.rooms[0].name.as_ref().map(|name| name.as_str()), Some("lobby"));
    }

    /// The room everybody is in.
    pub(crate) async fn lobby(&self) -> RoomId {
        let named = ListRooms { mine: false, after: None, name: Some("lobby".parse().unwrap()) };
        let rooms: Rooms = self.peer.ask(&named).await.unwrap();
        rooms.rooms[0].room
    }

    /// Opens rooms to be read; gives the answers, row by row.
    pub(crate) async fn subscribe(
        &self,
        rooms: &[RoomId],
        after: Option<Cursor>,
    ) -> Vec<Result<u64, Refusal>> {
        let row = |room: &RoomId| SubscribeRoom { room: *room, after, backlog: 5_000 };
        let subscribe =
            Subscribe { rooms: List::new(rooms.iter().map(row).collect()).unwrap(), priority: None };
        let subscribed: Subscribed = self.peer.ask(&subscribe).await.unwrap();
        let rows = subscribed.rooms.into_vec().into_iter();
        rows.map(|row| row.subscription.ok_or_else(|| row.refusal.expect("either"))).collect()
    }

    /// Opens a room and gives its stream, past the Opened.
    pub(crate) async fn read(&self, room: RoomId, after: Option<Cursor>) -> (Opened, RawReader) {
        let number = self.subscribe(&[room], after).await.remove(0).unwrap();
        loop {
            if let (UniType::Room, mut reader) = self.peer.accept().await {
                let opened: Opened = reader.expect().await;
                assert_eq!((opened.subscription, opened.room), (number, room), "another stream");
                return (opened, reader);
            }
        }
    }

    /// A PUBLISH stream.
    pub(crate) async fn author(&self) -> RawStream {
        self.peer.open(BidiType::Publish.number()).await
    }
}

/// An invite for so many, for a day.
pub(crate) fn invite(uses: u64) -> CreateInvite {
    CreateInvite { uses, life_ms: 24 * 60 * 60 * 1_000, room: None, role: None, own_device: None }
}

/// A message nobody has published yet.
pub(crate) fn draft(room: RoomId, body: impl Into<Vec<u8>>) -> Draft {
    Draft {
        room,
        message: MessageId::from_bytes(random()),
        kind: Kind::TEXT,
        body: Blob::new(body.into()).unwrap(),
        ext: Ext::default(),
    }
}

impl RawStream {
    /// The next answer on a PUBLISH stream.
    pub(crate) async fn published(&mut self) -> Result<Ack, Refused> {
        let frame = self.read.next().await.unwrap().expect("an answer");
        match frame.is::<Ack>() {
            true => Ok(frame.decode().unwrap()),
            false => Err(frame.decode().unwrap()),
        }
    }
}
