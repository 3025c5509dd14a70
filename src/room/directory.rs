//! Rooms and people as lists: what there is, and how it stands.

use std::collections::BTreeSet;

use quipu_protocol::inbox::{Head, HeadExt, PresenceState};
use quipu_protocol::limits::ROWS_MAX;
use quipu_protocol::request::{
    ListMembers, ListRooms, LookUp, MemberInfo, Members, MembershipState, Muted, Notify, Retention, RoomInfo,
    RoomRole, RoomSettings, Rooms as RoomList, Sanction, UserInfo, Users, Visibility,
};
use quipu_protocol::{Cursor, List, Refusal, RoomId, UserId};

use super::chat::Rooms;
use super::footing::{Footing, missing, readable};
use super::rules;
use crate::auth::{Authenticated, in_use};
use crate::limits::{INVITATIONS_MAX, PRESENCE_MEMBERS_MAX, ROOMS_PER_USER_MAX};
use crate::store::{AccountSettings, MemberRow, Reads, RoomRow, Settings, StoreError, UserRow, WriteError};

impl Rooms {
    /// Rooms the asker may see, a page by id.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self, who: &Authenticated, ask: ListRooms) -> Result<RoomList, Refusal> {
        let (who, now_ms) = (who.clone(), self.now_ms());
        let question = self.storage().read(move |store| {
            let mut rows: Vec<(RoomRow, Option<MemberRow>)> = match &ask.name {
                Some(name) => store.room_by_name(name)?.into_iter().map(|row| (row, None)).collect(),
                // Before the page is cut, here and below: they see no others.
                None if let Some(rooms) = who.rooms() => held_to(store, who.user(), rooms, &ask)?,
                None if ask.mine || !rules::sees_public(&who) => {
                    let rows = store.rooms_of(who.user(), ask.after, ROWS_MAX + 1)?;
                    rows.into_iter().map(|(row, member)| (row, Some(member))).collect()
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
                    rooms.push(info(store, who.user(), now_ms, row, member)?);
                }
            }
            Ok(RoomList { rooms: List::first(rooms), more })
        });
        question.await.map_err(|error| error.refusal())
    }

    /// Members of a room the asker may read, a page by id.
    ///
    /// # Errors
    /// `NOT_FOUND` when the room is hidden from the asker, `FORBIDDEN` when they are no member.
    pub async fn members(&self, who: &Authenticated, ask: ListMembers) -> Result<Members, Refusal> {
        let (asker, who) = (who.user(), who.clone());
        let question = self.storage().read(move |store| {
            let room = match readable(store, &who, ask.room)? {
                Ok((room, _)) => room,
                Err(no) => return Ok(Err(no)),
            };
            let rows = store.members(ask.room, ask.after, ROWS_MAX + 1)?.into_iter();
            let is_small = room.members <= PRESENCE_MEMBERS_MAX as u64;
            let seen = |(user, member): (UserRow, MemberRow)| {
                // Who is only invited shares the room with nobody.
                let told = is_small && member.state.membership == MembershipState::JOINED;
                let settings =
                    if told { store.account_settings(user.user)? } else { AccountSettings::default() };
                Ok((user, member, settings.seen_ms.filter(|_| settings.last_seen)))
            };
            Ok(Ok(rows.map(seen).collect::<Result<Vec<_>, StoreError>>()?))
        });
        let mut rows = question.await.map_err(|error| error.refusal())??;
        let more = rows.len() > ROWS_MAX;
        rows.truncate(ROWS_MAX);
        let info = |(user, member, seen_ms): (UserRow, MemberRow, Option<u64>)| {
            let is_joined = member.state.membership == MembershipState::JOINED;
            let presence = || self.live().presence_in(ask.room, asker, user.user);
            let presence = if is_joined { presence() } else { None };
            let online = presence.as_ref().is_some_and(|there| there.state != PresenceState::OFFLINE);
            MemberInfo {
                user: user.user,
                nickname: user.nickname,
                role: member.state.role,
                membership: member.state.membership,
                online,
                permissions: member.state.permissions,
                presence: presence.as_ref().map(|there| there.state),
                away_text: presence.and_then(|there| there.text),
                last_seen_ms: seen_ms.filter(|_| !online),
            }
        };
        Ok(Members { members: List::first(rows.into_iter().map(info).collect()), more })
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
            let info = |row: UserRow| {
                let is_out = in_use(store, row.user)?.is_none();
                let UserRow { user, nickname, role, .. } = row;
                Ok(UserInfo { user, nickname, role, deactivated: is_out.then_some(true) })
            };
            let users: Result<Vec<_>, StoreError> = users.into_iter().map(info).collect();
            Ok(Users { users: List::first(users?) })
        });
        question.await.map_err(|error| error.refusal())
    }

    /// How joined rooms stand for an account: those named, or all of them.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn heads(&self, user: UserId, rooms: Option<Vec<RoomId>>) -> Result<Vec<Head>, StoreError> {
        let rows = self.storage().read(move |store| store.heads(user, rooms.as_deref())).await?;
        let head = |row: crate::store::HeadRow| Head {
            room: row.room,
            head: row.head,
            marker: row.member.reached,
            unread: row.unread,
            ext: HeadExt {
                mentions: Some(row.mentions).filter(|mentions| *mentions > 0),
                notify: Some(row.member.notify).filter(|level| *level != Notify::ALL),
                unread_from: Some(row.member.marker.next())
                    .filter(|_| row.member.marker < row.member.reached),
            },
        };
        Ok(rows.into_iter().map(head).collect())
    }

    /// A room as an account sees it now, whether or not it still may, and whether or not it is still there.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn info(&self, user: UserId, room: RoomId) -> Result<RoomInfo, StoreError> {
        let now_ms = self.now_ms();
        let question = move |store: &dyn Reads| match store.room(room)? {
            Some(row) => info(store, user, now_ms, row, store.member(room, user)?),
            // Deleted, and its members are told so.
            None => Ok(RoomInfo { deleted: Some(true), ..nothing_of(room) }),
        };
        self.storage().read(question).await
    }

    /// The same for somebody who has not asked: of a room that they are in no longer they are told nothing but that.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn membership(&self, user: UserId, room: RoomId) -> Result<RoomInfo, StoreError> {
        let info = self.info(user, room).await?;
        Ok(match info.membership {
            MembershipState::NONE => RoomInfo { deleted: info.deleted, ..nothing_of(room) },
            _ => info,
        })
    }

    /// Rooms an account is invited to, which are bounded like those it has joined.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn invitations(&self, user: UserId) -> Result<Vec<RoomInfo>, StoreError> {
        let now_ms = self.now_ms();
        let question = move |store: &dyn Reads| {
            let rows = store.rooms_of(user, None, ROOMS_PER_USER_MAX + INVITATIONS_MAX)?.into_iter();
            let invited = rows.filter(|(_, member)| member.state.membership == MembershipState::INVITED);
            invited.map(|(row, member)| info(store, user, now_ms, row, Some(member))).collect()
        };
        self.storage().read(question).await
    }
}

/// Of the rooms somebody is held to, those a page of a list is of: they are few.
fn held_to(
    store: &dyn Reads,
    user: UserId,
    rooms: &[RoomId],
    ask: &ListRooms,
) -> Result<Vec<(RoomRow, Option<MemberRow>)>, StoreError> {
    let rooms: BTreeSet<RoomId> = rooms.iter().copied().filter(|room| Some(*room) > ask.after).collect();
    let mut rows = Vec::with_capacity(rooms.len());
    for room in rooms {
        let member = store.member(room, user)?;
        if member.is_some() || !ask.mine {
            rows.extend(store.room(room)?.map(|row| (row, member)));
        }
    }
    Ok(rows)
}

/// A room as whoever was in it sees it from then on.
fn nothing_of(room: RoomId) -> RoomInfo {
    RoomInfo {
        room,
        visibility: Visibility::PRIVATE,
        head: Cursor::default(),
        members: 0,
        membership: MembershipState::NONE,
        role: RoomRole::READER,
        name: None,
        topic: None,
        peer: None,
        peer_nickname: None,
        permissions: None,
        settings: None,
        muted: None,
        retention: None,
        deleted: None,
    }
}

/// A room as one account sees it.
pub(super) fn info(
    store: &dyn Reads,
    user: UserId,
    now_ms: u64,
    room: RoomRow,
    member: Option<MemberRow>,
) -> Result<RoomInfo, StoreError> {
    described(store, user, &Footing::with(store, room, member, user, now_ms)?)
}

fn described(store: &dyn Reads, user: UserId, at: &Footing) -> Result<RoomInfo, StoreError> {
    let row = &at.room;
    let peer = row.direct.map(|(one, other)| if one == user { other } else { one });
    let peer_row = match peer {
        Some(peer) => store.user(peer)?,
        None => None,
    };
    Ok(RoomInfo {
        room: row.room,
        visibility: row.visibility,
        head: row.head,
        members: row.members,
        membership: at.member.map_or(MembershipState::NONE, |member| member.state.membership),
        role: at.member.map_or(RoomRole::READER, |member| member.state.role),
        name: row.name.clone(),
        topic: row.topic.clone(),
        peer,
        peer_nickname: peer_row.map(|row| row.nickname),
        permissions: Some(rules::effective(at)),
        settings: Some(settings(row)),
        muted: at.sanction(Sanction::MUTE).map(|mute| Muted { until_ms: mute.until_ms }),
        retention: Some(store.retention(row.room)?).filter(|said| *said != Retention::default()),
        deleted: None,
    })
}

fn settings(row: &RoomRow) -> RoomSettings {
    let Settings { read_only, invite_only, slow_ms } = row.settings;
    RoomSettings { read_only: Some(read_only), invite_only: Some(invite_only), slow_ms: Some(slow_ms) }
}

pub(super) fn info_of(
    store: &dyn Reads,
    user: UserId,
    room: RoomId,
    now_ms: u64,
) -> Result<RoomInfo, WriteError> {
    Ok(described(store, user, &Footing::of(store, room, user, now_ms)?)?)
}

pub(super) fn room_and_member(
    store: &dyn Reads,
    room: RoomId,
    user: UserId,
) -> Result<(RoomRow, Option<MemberRow>), WriteError> {
    let Some(row) = store.room(room)? else { return Err(missing(store, room)?.into()) };
    let member = store.member(room, user)?;
    Ok((row, member))
}
