//! Rooms and people as lists: making, finding, joining, leaving, inviting, sending out.
//!
//! Whatever changes a membership is an entry of the room's log, written in the same transaction as the row.

use quipu_protocol::entry::{Change, Created, MemberChange};
use quipu_protocol::inbox::{Head, HeadExt};
use quipu_protocol::limits::ROWS_MAX;
use quipu_protocol::request::{
    CreateRoom, Direct, InviteMember, ListMembers, ListRooms, LookUp, MemberInfo, Members, MembershipState,
    RemoveMember, RoomInfo, RoomRole, Rooms as RoomList, UserInfo, Users, Visibility,
};
use quipu_protocol::{
    Blob, Code, Cursor, Ext, Incarnation, Kind, List, Refusal, RoomId, RoomName, Seq, Topic, UserId, cbor,
};

use super::chat::Rooms;
use super::rules;
use crate::auth::Authenticated;
use crate::limits::ROOMS_PER_USER_MAX;
use crate::store::{MemberRow, MemberState, NewEntry, Reads, RoomRow, StoreError, WriteError, Writes};

impl Rooms {
    /// Makes the first room of a server, unless it is there.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn ensure_lobby(&self, name: RoomName, topic: Topic) -> Result<RoomId, WriteError> {
        let (room, now_ms) = (RoomId::from_bytes(self.random_id()), self.now_ms());
        let row = RoomRow {
            topic: Some(topic),
            ..blank(room, Some(name.clone()), Visibility::PUBLIC, now_ms)
        };
        let row = RoomRow {
            head: self.log_start(),
            ..row
        };
        let job = self
            .storage()
            .write(move |store| match store.room_by_name(&name)? {
                Some(lobby) => Ok(lobby.room),
                None => make(store, &row, None).map(|()| row.room),
            });
        job.await
    }

    /// Makes a room with the asker as its owner; asking again with the same id gives the same room.
    ///
    /// # Errors
    /// [`Code::CONFLICT`] when the name is taken, [`Code::QUOTA`] when the asker is in too many rooms.
    pub async fn create(&self, who: &Authenticated, ask: CreateRoom) -> Result<RoomInfo, Refusal> {
        rules::may_create(who, ask.visibility)?;
        let blank = blank(ask.room, Some(ask.name.clone()), ask.visibility, self.now_ms());
        let row = RoomRow {
            topic: ask.topic,
            creator: Some(who.user()),
            head: self.log_start(),
            ..blank
        };
        let who = who.clone();
        let job = self.storage().write(move |store| {
            match store.room(row.room)? {
                Some(old) if old.creator == Some(who.user()) && old.name == row.name => {}
                Some(_) => return Err(Refusal::because(Code::CONFLICT, "the room id is taken").into()),
                None => {
                    if store.room_by_name(&ask.name)?.is_some() {
                        return Err(Refusal::because(Code::CONFLICT, "the name is taken").into());
                    }
                    may_be_in_another(&*store, who.user())?;
                    make(store, &row, Some(&who))?;
                }
            }
            info_of(&*store, who.user(), row.room)
        });
        job.await.map_err(WriteError::refusal)
    }

    /// The direct room of the asker and somebody, made when there is none.
    ///
    /// # Errors
    /// [`Code::NOT_FOUND`] when there is no such account.
    pub async fn direct(&self, who: &Authenticated, ask: Direct) -> Result<RoomInfo, Refusal> {
        let pair = (who.user().min(ask.user), who.user().max(ask.user));
        if pair.0 == pair.1 {
            return Err(Refusal::because(Code::BAD_REQUEST, "a direct room is for two"));
        }
        let blank = blank(
            RoomId::from_bytes(self.random_id()),
            None,
            Visibility::DIRECT,
            self.now_ms(),
        );
        let row = RoomRow {
            direct: Some(pair),
            creator: Some(who.user()),
            head: self.log_start(),
            ..blank
        };
        let (who, other) = (who.clone(), ask.user);
        let job = self.storage().write(move |store| {
            if let Some(room) = store.direct_room(pair.0, pair.1)? {
                return info_of(&*store, who.user(), room.room);
            }
            let other = store.user(other)?.ok_or_else(|| Refusal::from(Code::NOT_FOUND))?;
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
            info_of(&*store, who.user(), row.room)
        });
        job.await.map_err(WriteError::refusal)
    }

    /// Makes the asker a member. Being one already is no error.
    ///
    /// # Errors
    /// [`Code::NOT_FOUND`] when the room is not there or not to be seen, [`Code::ROOM_FULL`], [`Code::QUOTA`].
    pub async fn join(&self, who: &Authenticated, room: RoomId) -> Result<RoomInfo, Refusal> {
        let (who, now_ms) = (who.clone(), self.now_ms());
        let job = self.storage().write(move |store| {
            let (row, member) = room_and_member(&*store, room, who.user())?;
            if let Some(state) = rules::join(&who, &row, member.as_ref())? {
                enter(store, &who, room, state, now_ms)?;
            }
            info_of(&*store, who.user(), room)
        });
        job.await.map_err(WriteError::refusal)
    }

    /// Lets a newcomer into the room their invite leads to, hidden or not.
    ///
    /// # Errors
    /// As [`Rooms::join`].
    pub async fn admit(&self, who: &Authenticated, room: RoomId) -> Result<(), Refusal> {
        let (who, now_ms) = (who.clone(), self.now_ms());
        let job = self.storage().write(move |store| {
            let (_, member) = room_and_member(&*store, room, who.user())?;
            if member.is_none_or(|member| member.state.membership != MembershipState::JOINED) {
                enter(store, &who, room, rules::joined(RoomRole::MEMBER), now_ms)?;
            }
            Ok(())
        });
        job.await.map_err(WriteError::refusal)
    }

    /// Ends the asker's membership or invitation.
    ///
    /// # Errors
    /// [`Code::CONFLICT`] for the last owner and for direct rooms.
    pub async fn leave(&self, who: &Authenticated, room: RoomId) -> Result<RoomInfo, Refusal> {
        let (who, now_ms) = (who.clone(), self.now_ms());
        let job = self.storage().write(move |store| {
            let (row, member) = room_and_member(&*store, room, who.user())?;
            let owners = store.members_with_role(room, RoomRole::OWNER.0)?;
            let leaves = rules::leave(&who, &row, member.as_ref(), owners)?;
            let seen = info_of(&*store, who.user(), room)?;
            if leaves {
                let nickname = who.nickname().clone();
                let change = MemberChange {
                    user: who.user(),
                    change: Change::LEFT,
                    nickname,
                    role: 0,
                };
                note_member(store, room, now_ms, Some(&who), change, None)?;
            }
            Ok(RoomInfo {
                membership: MembershipState::NONE,
                role: RoomRole::READER,
                ..seen
            })
        });
        job.await.map_err(WriteError::refusal)
    }

    /// Allows somebody into a room.
    ///
    /// # Errors
    /// [`Code::NOT_FOUND`] for the room or the account, [`Code::FORBIDDEN`].
    pub async fn invite_member(&self, who: &Authenticated, ask: InviteMember) -> Result<(), Refusal> {
        let (who, now_ms) = (who.clone(), self.now_ms());
        let job = self.storage().write(move |store| {
            let (row, member) = room_and_member(&*store, ask.room, who.user())?;
            let target = store.member(ask.room, ask.user)?;
            if !rules::invite(&who, &row, member.as_ref(), target.as_ref())? {
                return Ok(());
            }
            let user = store
                .user(ask.user)?
                .ok_or_else(|| Refusal::from(Code::NOT_FOUND))?;
            let state = rules::invited();
            let change = MemberChange {
                user: user.user,
                change: Change::INVITED,
                nickname: user.nickname,
                role: state.role.0,
            };
            note_member(store, ask.room, now_ms, Some(&who), change, Some(state))
        });
        job.await.map_err(WriteError::refusal)
    }

    /// Sends somebody out of a room, or takes an invitation back.
    ///
    /// # Errors
    /// [`Code::FORBIDDEN`] below a moderator, or towards somebody whose role is not below the asker's.
    pub async fn remove_member(&self, who: &Authenticated, ask: RemoveMember) -> Result<(), Refusal> {
        let (who, now_ms) = (who.clone(), self.now_ms());
        let job = self.storage().write(move |store| {
            let (row, member) = room_and_member(&*store, ask.room, who.user())?;
            let target = store.member(ask.room, ask.user)?;
            let target = target.as_ref().map(|target| (ask.user, target));
            let Some(change) = rules::remove(&who, &row, member.as_ref(), target)? else {
                return Ok(());
            };
            let user = store
                .user(ask.user)?
                .ok_or_else(|| Refusal::from(Code::NOT_FOUND))?;
            let change = MemberChange {
                user: user.user,
                change,
                nickname: user.nickname,
                role: 0,
            };
            note_member(store, ask.room, now_ms, Some(&who), change, None)
        });
        job.await.map_err(WriteError::refusal)
    }

    /// Rooms the asker may see, a page by id.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self, who: &Authenticated, ask: ListRooms) -> Result<RoomList, Refusal> {
        let who = who.clone();
        let question = self.storage().read(move |store| {
            let mut rows: Vec<(RoomRow, Option<MemberRow>)> = match &ask.name {
                Some(name) => store
                    .room_by_name(name)?
                    .into_iter()
                    .map(|row| (row, None))
                    .collect(),
                None if ask.mine => {
                    let rows = store.rooms_of(who.user(), ask.after, ROWS_MAX + 1)?;
                    rows.into_iter()
                        .map(|(row, member)| (row, Some(member)))
                        .collect()
                }
                None => store.rooms_visible(who.user(), ask.after, ROWS_MAX + 1)?,
            };
            let more = rows.len() > ROWS_MAX;
            rows.truncate(ROWS_MAX);
            let mut rooms = Vec::with_capacity(rows.len());
            for (row, member) in rows {
                let member = match member {
                    None => store.member(row.room, who.user())?,
                    found => found,
                };
                if rules::may_see(&who, &row, member.as_ref()).is_ok() {
                    rooms.push(info(store, who.user(), &row, member.as_ref())?);
                }
            }
            Ok(RoomList {
                rooms: List::first(rooms),
                more,
            })
        });
        question.await.map_err(|error| error.refusal())
    }

    /// Members of a room the asker may read, a page by id.
    ///
    /// # Errors
    /// As [`rules::may_read`].
    pub async fn members(&self, who: &Authenticated, ask: ListMembers) -> Result<Members, Refusal> {
        let who = who.clone();
        let question = self.storage().read(move |store| {
            let Some(room) = store.room(ask.room)? else {
                return Ok(Err(Code::NOT_FOUND.into()));
            };
            if let Err(no) = rules::may_read(&who, &room, store.member(ask.room, who.user())?.as_ref()) {
                return Ok(Err(no));
            }
            Ok(Ok(store.members(ask.room, ask.after, ROWS_MAX + 1)?))
        });
        let mut rows = question.await.map_err(|error| error.refusal())??;
        let more = rows.len() > ROWS_MAX;
        rows.truncate(ROWS_MAX);
        let info = |(user, member): (crate::store::UserRow, MemberRow)| MemberInfo {
            user: user.user,
            nickname: user.nickname,
            role: member.state.role,
            membership: member.state.membership,
            online: self.live().is_online(user.user),
        };
        Ok(Members {
            members: List::first(rows.into_iter().map(info).collect()),
            more,
        })
    }

    /// Accounts by id, or one by nickname. Unknown ones are left out.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn look_up(&self, ask: LookUp) -> Result<Users, Refusal> {
        let question = self.storage().read(move |store| {
            let mut users = Vec::new();
            for user in ask.users.iter() {
                users.extend(store.user(*user)?);
            }
            if let Some(nickname) = &ask.nickname {
                users.extend(store.user_by_nickname(&nickname.folded())?);
            }
            let info = |row: crate::store::UserRow| UserInfo {
                user: row.user,
                nickname: row.nickname,
                role: row.role,
            };
            Ok(Users {
                users: List::first(users.into_iter().map(info).collect()),
            })
        });
        question.await.map_err(|error| error.refusal())
    }

    /// How joined rooms stand for an account: those named, or all of them.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn heads(&self, user: UserId, rooms: Option<Vec<RoomId>>) -> Result<Vec<Head>, StoreError> {
        let rows = self
            .storage()
            .read(move |store| store.heads(user, rooms.as_deref()))
            .await?;
        let head = |row: crate::store::HeadRow| Head {
            room: row.room,
            head: row.head,
            marker: row.marker,
            unread: row.unread,
            ext: HeadExt::default(),
        };
        Ok(rows.into_iter().map(head).collect())
    }

    /// A room as an account sees it now, whether or not it still may.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn info(&self, user: UserId, room: RoomId) -> Result<Option<RoomInfo>, StoreError> {
        let question = move |store: &dyn Reads| match store.room(room)? {
            Some(row) => info(store, user, &row, store.member(room, user)?.as_ref()).map(Some),
            None => Ok(None),
        };
        self.storage().read(question).await
    }

    /// Rooms an account is invited to.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn invitations(&self, user: UserId) -> Result<Vec<RoomInfo>, StoreError> {
        let question = move |store: &dyn Reads| {
            let rows = store.rooms_of(user, None, ROOMS_PER_USER_MAX)?.into_iter();
            let invited = rows.filter(|(_, member)| member.state.membership == MembershipState::INVITED);
            invited
                .map(|(row, member)| info(store, user, &row, Some(&member)))
                .collect()
        };
        self.storage().read(question).await
    }

    /// Where a new log begins: a life of its own, nothing in it.
    fn log_start(&self) -> Cursor {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(&self.random_id()[..4]);
        Cursor {
            incarnation: Incarnation(u64::from(u32::from_be_bytes(bytes)) + 1),
            seq: Seq::ZERO,
        }
    }
}

/// A room as one account sees it.
pub(super) fn info(
    store: &dyn Reads,
    user: UserId,
    row: &RoomRow,
    member: Option<&MemberRow>,
) -> Result<RoomInfo, StoreError> {
    let peer = row
        .direct
        .map(|(one, other)| if one == user { other } else { one });
    let peer_row = match peer {
        Some(peer) => store.user(peer)?,
        None => None,
    };
    Ok(RoomInfo {
        room: row.room,
        visibility: row.visibility,
        head: row.head,
        members: row.members,
        membership: member.map_or(MembershipState::NONE, |member| member.state.membership),
        role: member.map_or(RoomRole::READER, |member| member.state.role),
        name: row.name.clone(),
        topic: row.topic.clone(),
        peer,
        peer_nickname: peer_row.map(|row| row.nickname),
    })
}

fn info_of(store: &dyn Reads, user: UserId, room: RoomId) -> Result<RoomInfo, WriteError> {
    let (row, member) = room_and_member(store, room, user)?;
    Ok(info(store, user, &row, member.as_ref())?)
}

fn room_and_member(
    store: &dyn Reads,
    room: RoomId,
    user: UserId,
) -> Result<(RoomRow, Option<MemberRow>), WriteError> {
    let row = store.room(room)?.ok_or_else(|| Refusal::from(Code::NOT_FOUND))?;
    let member = store.member(room, user)?;
    Ok((row, member))
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
    }
}

fn may_be_in_another(store: &dyn Reads, user: UserId) -> Result<(), WriteError> {
    if store.rooms_of(user, None, ROOMS_PER_USER_MAX)?.len() < ROOMS_PER_USER_MAX {
        return Ok(());
    }
    Err(Refusal::because(
        Code::QUOTA,
        format!("an account is in at most {ROOMS_PER_USER_MAX} rooms"),
    )
    .into())
}

/// Writes a room, its first entry, and its maker's membership.
fn make(store: &mut dyn Writes, row: &RoomRow, owner: Option<&Authenticated>) -> Result<(), WriteError> {
    store.insert_room(row)?;
    let body = cbor::encode(&Created {
        name: row.name.clone(),
        visibility: row.visibility.0,
        topic: row.topic.clone(),
    });
    note(store, row.room, row.created_ms, owner, Kind::CREATED, body, None)?;
    let Some(owner) = owner else { return Ok(()) };
    enter(
        store,
        owner,
        row.room,
        rules::joined(RoomRole::OWNER),
        row.created_ms,
    )
}

fn enter(
    store: &mut dyn Writes,
    who: &Authenticated,
    room: RoomId,
    state: MemberState,
    now_ms: u64,
) -> Result<(), WriteError> {
    may_be_in_another(&*store, who.user())?;
    let nickname = who.nickname().clone();
    let change = MemberChange {
        user: who.user(),
        change: Change::JOINED,
        nickname,
        role: state.role.0,
    };
    note_member(store, room, now_ms, Some(who), change, Some(state))
}

fn note_member(
    store: &mut dyn Writes,
    room: RoomId,
    now_ms: u64,
    who: Option<&Authenticated>,
    change: MemberChange,
    state: Option<MemberState>,
) -> Result<(), WriteError> {
    let membership = Some((change.user, state));
    note(
        store,
        room,
        now_ms,
        who,
        Kind::MEMBER,
        cbor::encode(&change),
        membership,
    )
}

fn note(
    store: &mut dyn Writes,
    room: RoomId,
    now_ms: u64,
    who: Option<&Authenticated>,
    kind: Kind,
    body: Vec<u8>,
    membership: Option<(UserId, Option<MemberState>)>,
) -> Result<(), WriteError> {
    let body = Blob::new(body).expect("names and topics are far below the limit of a body");
    let author = who.map(|who| (who.user(), who.device()));
    let entry = NewEntry {
        room,
        now_ms,
        author,
        message: None,
        kind,
        body,
        ext: Ext::default(),
        membership,
    };
    store.append(entry)?;
    Ok(())
}
