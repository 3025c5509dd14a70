//! Making rooms: named ones, direct ones, and the lobby of a new server.
//!
//! A room, its first entry and its owner's membership are one transaction: there is no half-made room.

use quipu_protocol::entry::{Change, Created, MemberChange};
use quipu_protocol::request::{CreateRoom, Direct, RoomInfo, RoomRole, Visibility};
use quipu_protocol::{Code, Cursor, Incarnation, Kind, Refusal, RoomId, RoomName, Seq, Topic, cbor};

use super::chat::Rooms;
use super::directory::info_of;
use super::membership::{enter, may_be_in_another, may_make_another, note, note_member};
use super::rules;
use crate::auth::{Authenticated, acting, in_use};
use crate::store::{RoomRow, Settings, WriteError, Writes};

impl Rooms {
    /// Makes the first room of a server, unless it is there.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn ensure_lobby(&self, name: RoomName, topic: Topic) -> Result<RoomId, WriteError> {
        let (room, now_ms) = (RoomId::from_bytes(self.random_id()), self.now_ms());
        let row =
            RoomRow { topic: Some(topic), ..blank(room, Some(name.clone()), Visibility::PUBLIC, now_ms) };
        let row = RoomRow { head: self.log_start(), ..row };
        let job = self.storage().write(move |store| match store.room_by_name(&name)? {
            Some(lobby) => Ok(lobby.room),
            None => make(store, &row, None).map(|()| row.room),
        });
        job.await
    }

    /// Makes a room with the asker as its owner; asking again with the same id gives the same room.
    ///
    /// # Errors
    /// [`Code::CONFLICT`] when the name is taken, [`Code::QUOTA`] when the asker is in too many rooms, or made too many,
    /// [`Code::NOT_FOUND`] when they made this one and may no longer see it.
    pub async fn create(&self, who: &Authenticated, ask: CreateRoom) -> Result<RoomInfo, Refusal> {
        rules::may_create(who, ask.visibility)?;
        let blank = blank(ask.room, Some(ask.name.clone()), ask.visibility, self.now_ms());
        let row = RoomRow { topic: ask.topic, creator: Some(who.user()), head: self.log_start(), ..blank };
        let who = who.clone();
        let job = self.storage().write(move |store| {
            match store.room(row.room)? {
                Some(old) if old.creator == Some(who.user()) && old.name == row.name => {
                    // They may have left since.
                    let member = store.member(old.room, who.user())?;
                    rules::may_see(&who, &old, member.as_ref())?;
                }
                Some(_) => return Err(Refusal::because(Code::CONFLICT, "the room id is taken").into()),
                None if store.is_gone(row.room)? => return Err(Refusal::from(Code::GONE).into()),
                None => {
                    if store.room_by_name(&ask.name)?.is_some() {
                        return Err(Refusal::because(Code::CONFLICT, "the name is taken").into());
                    }
                    make(store, &row, Some(&who))?;
                }
            }
            info_of(&*store, who.user(), row.room, row.created_ms)
        });
        job.await.map_err(WriteError::refusal)
    }

    /// The direct room of the asker and somebody, made when there is none.
    ///
    /// # Errors
    /// [`Code::NOT_FOUND`] when there is no such account, [`Code::GONE`] when it is deactivated and there is no room yet,
    /// [`Code::FORBIDDEN`] when a guest would make the room, [`Code::QUOTA`] when one of the two is in too many rooms or the asker made too many.
    pub async fn direct(&self, who: &Authenticated, ask: Direct) -> Result<RoomInfo, Refusal> {
        let pair = (who.user().min(ask.user), who.user().max(ask.user));
        if pair.0 == pair.1 {
            return Err(Refusal::because(Code::BAD_REQUEST, "a direct room is for two"));
        }
        let blank = blank(RoomId::from_bytes(self.random_id()), None, Visibility::DIRECT, self.now_ms());
        let row = RoomRow { direct: Some(pair), creator: Some(who.user()), head: self.log_start(), ..blank };
        let (who, other) = (who.clone(), ask.user);
        let job = self.storage().write(move |store| {
            if let Some(room) = store.direct_room(pair.0, pair.1)?.filter(|room| who.may_know(room.room)) {
                return info_of(&*store, who.user(), room.room, row.created_ms);
            }
            rules::may_make(&who)?;
            let other = store.user(other)?.ok_or_else(|| Refusal::from(Code::NOT_FOUND))?;
            if in_use(&*store, other.user)?.is_none() {
                // They would be there for ever, and answer never.
                return Err(Refusal::because(Code::GONE, "that account is deactivated").into());
            }
            may_be_in_another(&*store, other.user)?;
            make(store, &row, Some(&who))?;
            let change = MemberChange {
                user: other.user,
                change: Change::JOINED,
                nickname: other.nickname,
                role: RoomRole::OWNER.0,
            };
            note_member(
                store,
                row.room,
                row.created_ms,
                Some(&who),
                change,
                Some(rules::joined(RoomRole::OWNER)),
            )?;
            info_of(&*store, who.user(), row.room, row.created_ms)
        });
        job.await.map_err(WriteError::refusal)
    }

    /// Where a new log begins: a life of its own, nothing in it.
    fn log_start(&self) -> Cursor {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(&self.random_id()[..4]);
        Cursor { incarnation: Incarnation(u64::from(u32::from_be_bytes(bytes)) + 1), seq: Seq::ZERO }
    }
}

fn blank(room: RoomId, name: Option<RoomName>, visibility: Visibility, created_ms: u64) -> RoomRow {
    RoomRow {
        room,
        name,
        visibility,
        topic: None,
        direct: None,
        head: Cursor::default(),
        floor: Seq(1),
        members: 0,
        creator: None,
        created_ms,
        settings: Settings::default(),
    }
}

/// Writes a room, its first entry, and its maker's membership.
fn make(store: &mut dyn Writes, row: &RoomRow, owner: Option<&Authenticated>) -> Result<(), WriteError> {
    if let Some(owner) = owner {
        // A connection may have outlived its account.
        acting(&*store, owner)?;
        may_make_another(&*store, owner.user())?;
    }
    store.insert_room(row)?;
    let body = cbor::encode(&Created {
        name: row.name.clone(),
        visibility: row.visibility.0,
        topic: row.topic.clone(),
    });
    note(store, row.room, row.created_ms, owner, Kind::CREATED, body, None)?;
    let Some(owner) = owner else { return Ok(()) };
    enter(store, owner, row.room, rules::joined(RoomRole::OWNER), row.created_ms)
}
