//! Questions to the server, one each. All of them may be asked twice, so a lost connection is no reason to fail
//! before the patience is over.

use quipu_protocol::frame::Message;
use quipu_protocol::request::{
    CreateInvite, CreateRoom, DeviceInfo, Devices, Direct, Done, InviteAnswer, InviteInfo, InviteMember,
    Invites, Join, Leave, ListDevices, ListInvites, ListMembers, ListRooms, LookUp, MemberInfo, Members,
    RemoveMember, RevokeDevice, RevokeInvite, RoomAnswer, RoomInfo, Rooms, UserInfo, Users, Visibility,
};
use quipu_protocol::{DeviceId, InviteId, InviteLink, List, Nickname, RoomId, RoomName, Topic, UserId};

use super::{Client, NewInvite, RoomSummary};
use crate::error::{Error, ErrorCode};
use crate::session::request::Link;
use crate::store::names;

/// Rows of a list at most: as many members as the server lets into a room.
const LIST_ROWS_MAX: usize = 20_000;

/// Whether to ask for a list's next page. An error rather than a list that is silently cut.
pub(super) fn goes_on(list: &'static str, rows: usize, page: usize, more: bool) -> Result<bool, Error> {
    let broken = |what| Error::never(ErrorCode::Protocol, format!("the server's list of {list} {what}"));
    match (more, page) {
        (false, _) => Ok(false),
        (true, 0) => Err(broken("stops in the middle")),
        (true, _) if rows >= LIST_ROWS_MAX => Err(broken("does not end")),
        (true, _) => Ok(true),
    }
}

impl Client {
    /// Rooms: `mine` those joined or invited to, else the public ones as well.
    ///
    /// # Errors
    /// A refusal, or why there is no connection; the same for all requests below.
    pub async fn rooms(&self, mine: bool) -> Result<Vec<RoomSummary>, Error> {
        let mut rooms: Vec<RoomInfo> = Vec::new();
        loop {
            let after = rooms.last().map(|room| room.room);
            let page: Rooms = self.ask(&ListRooms { mine, after, name: None }).await?;
            let (before, more) = (rooms.len(), page.more);
            rooms.extend(page.rooms.into_vec());
            if !goes_on("rooms", rooms.len(), rooms.len() - before, more)? {
                break;
            }
        }
        self.learn(&rooms).await?;
        let heads = self.core().heads();
        let summary = |info: RoomInfo| {
            let head = heads.get(&info.room);
            RoomSummary::new(info, head)
        };
        Ok(rooms.into_iter().map(summary).collect())
    }

    /// The room with this name.
    pub async fn room_named(&self, name: &RoomName) -> Result<RoomInfo, Error> {
        let question = ListRooms { mine: false, after: None, name: Some(name.clone()) };
        let rooms: Rooms = self.ask(&question).await?;
        let missing =
            || Error::never(ErrorCode::NotFound, format!("there is no room {name}, or it is not for you"));
        let rooms = rooms.rooms.into_vec();
        self.learn(&rooms).await?;
        rooms.into_iter().find(|room| room.name.as_ref() == Some(name)).ok_or_else(missing)
    }

    /// The room that had this name when the server last said so, without asking anybody: for reading offline.
    ///
    /// # Errors
    /// [`ErrorCode::Storage`].
    pub async fn known_room(&self, name: &RoomName) -> Result<Option<RoomId>, Error> {
        let name = name.to_string();
        self.core().store.run(move |db| names::find(db, &name)).await
    }

    /// Who is in a room.
    pub async fn members(&self, room: RoomId) -> Result<Vec<MemberInfo>, Error> {
        let mut members: Vec<MemberInfo> = Vec::new();
        loop {
            let after = members.last().map(|member| member.user);
            let page: Members = self.ask(&ListMembers { room, after }).await?;
            let (before, more) = (members.len(), page.more);
            members.extend(page.members.into_vec());
            if !goes_on("members", members.len(), members.len() - before, more)? {
                break;
            }
        }
        Ok(members)
    }

    /// Who has this nickname.
    pub async fn lookup(&self, nickname: &Nickname) -> Result<UserInfo, Error> {
        let question = LookUp { users: List::default(), nickname: Some(nickname.clone()) };
        let users: Users = self.ask(&question).await?;
        let missing = || Error::never(ErrorCode::NotFound, format!("there is nobody called {nickname}"));
        users.users.into_vec().into_iter().next().ok_or_else(missing)
    }

    /// Who these accounts are; unknown ones are left out.
    pub async fn users(&self, users: &[UserId]) -> Result<Vec<UserInfo>, Error> {
        let mut known = Vec::new();
        for some in users.chunks(quipu_protocol::limits::ROWS_MAX) {
            let answer: Users =
                self.ask(&LookUp { users: List::first(some.to_vec()), nickname: None }).await?;
            known.extend(answer.users.into_vec());
        }
        Ok(known)
    }

    /// Makes a room.
    pub async fn create_room(
        &self,
        name: RoomName,
        visibility: Visibility,
        topic: Option<Topic>,
    ) -> Result<RoomInfo, Error> {
        let room = RoomId::from_bytes(self.core().random_id());
        self.room(&CreateRoom { room, name, visibility, topic }).await
    }

    /// Becomes a member.
    pub async fn join_room(&self, room: RoomId) -> Result<RoomInfo, Error> {
        self.room(&Join { room }).await
    }

    /// Is a member no longer.
    pub async fn leave_room(&self, room: RoomId) -> Result<RoomInfo, Error> {
        self.room(&Leave { room }).await
    }

    /// Allows somebody into a room.
    pub async fn invite_member(&self, room: RoomId, user: UserId) -> Result<(), Error> {
        self.done(&InviteMember { room, user }).await
    }

    /// Sends somebody out of a room, or takes an invitation back.
    pub async fn remove_member(&self, room: RoomId, user: UserId) -> Result<(), Error> {
        self.done(&RemoveMember { room, user, reason: None }).await
    }

    /// The direct room with somebody; made when there is none.
    pub async fn direct(&self, user: UserId) -> Result<RoomInfo, Error> {
        self.room(&Direct { user }).await
    }

    /// Makes an invite to the server. The link is shown once and kept nowhere.
    pub async fn create_invite(&self, invite: NewInvite) -> Result<(InviteId, InviteLink), Error> {
        let question = CreateInvite {
            uses: invite.uses,
            life_ms: u64::try_from(invite.life.as_millis()).unwrap_or(u64::MAX),
            room: invite.room,
            role: invite.role,
            own_device: invite.own_device.then_some(true),
        };
        let answer: InviteAnswer = self.ask(&question).await?;
        let link = self.link(&answer.secret, answer.expires_ms).await?;
        Ok((answer.invite, link))
    }

    /// Invites this account made; an admin sees all.
    pub async fn invites(&self) -> Result<Vec<InviteInfo>, Error> {
        let mut invites: Vec<InviteInfo> = Vec::new();
        loop {
            let after = invites.last().map(|invite| invite.invite);
            let page: Invites = self.ask(&ListInvites { after }).await?;
            let (before, more) = (invites.len(), page.more);
            invites.extend(page.invites.into_vec());
            if !goes_on("invites", invites.len(), invites.len() - before, more)? {
                break;
            }
        }
        Ok(invites)
    }

    /// Takes an invite back.
    pub async fn revoke_invite(&self, invite: InviteId) -> Result<(), Error> {
        self.done(&RevokeInvite { invite }).await
    }

    /// This account's devices.
    pub async fn devices(&self) -> Result<Vec<DeviceInfo>, Error> {
        Ok(self.ask::<_, Devices>(&ListDevices {}).await?.devices.into_vec())
    }

    /// Shuts a device of this account out: its connections close at once.
    pub async fn revoke_device(&self, device: DeviceId) -> Result<(), Error> {
        self.done(&RevokeDevice { device }).await
    }

    /// The link to this account's server with a secret it has just given.
    pub(super) async fn link(&self, secret: &[u8], expires_ms: u64) -> Result<InviteLink, Error> {
        let not_joined = || Error::never(ErrorCode::NotJoined, "this profile has not joined a server yet");
        let broken = || Error::never(ErrorCode::Protocol, "the server sent an impossible invite");
        let account = self.whoami().await?.ok_or_else(not_joined)?;
        Ok(InviteLink {
            host: account.host,
            port: account.port,
            pin: account.pin,
            secret: secret.try_into().map_err(|_| broken())?,
            expires_s: u32::try_from(expires_ms / 1_000).map_err(|_| broken())?,
        })
    }

    pub(super) async fn room<Q: Message + Sync>(&self, question: &Q) -> Result<RoomInfo, Error> {
        let info = self.ask::<Q, RoomAnswer>(question).await?.info;
        self.learn(std::slice::from_ref(&info)).await?;
        Ok(info)
    }

    /// Remembers what rooms are called.
    async fn learn(&self, rooms: &[RoomInfo]) -> Result<(), Error> {
        let named = |info: &RoomInfo| Some((info.room, info.name.as_ref()?.to_string()));
        let rooms: Vec<_> = rooms.iter().filter_map(named).collect();
        self.core().store.run(move |db| names::learn(db, &rooms)).await
    }

    pub(super) async fn done<Q: Message + Sync>(&self, question: &Q) -> Result<(), Error> {
        self.ask::<Q, Done>(question).await.map(|Done {}| ())
    }

    pub(super) async fn ask<Q: Message + Sync, A: Message + Send>(&self, question: &Q) -> Result<A, Error> {
        let patience = self.core().config.patience;
        let ask = |link: Link| async move { link.ask::<Q, A>(question, patience).await };
        self.core().ask(patience, ask).await
    }
}
