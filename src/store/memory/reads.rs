//! Questions to the tables.

use std::ops::Bound::{Excluded, Included, Unbounded};

use quipu_protocol::request::{MembershipState, RoomRole, Visibility};
use quipu_protocol::{DeviceId, InviteId, RoomId, RoomName, Seq, UserId};

use super::state::{Kept, Room, State};
use super::{Access, View};
use crate::store::{
    DeviceRow, HeadRow, InviteRow, MemberRow, Reads, RoomRow, StoreError, StoredEntry, UserRow,
};

const USER_LAST: UserId = UserId::from_bytes([0xff; 16]);
const ROOM_LAST: RoomId = RoomId::from_bytes([0xff; 16]);
const USER_FIRST: UserId = UserId::from_bytes([0; 16]);
const ROOM_FIRST: RoomId = RoomId::from_bytes([0; 16]);

impl<A: Access> Reads for View<A> {
    fn room(&self, room: RoomId) -> Result<Option<RoomRow>, StoreError> {
        Ok(self.0.with(|state| state.room(room)))
    }

    fn room_by_name(&self, name: &RoomName) -> Result<Option<RoomRow>, StoreError> {
        Ok(self.0.with(|state| state.room(*state.room_names.get(name)?)))
    }

    fn direct_room(&self, one: UserId, other: UserId) -> Result<Option<RoomRow>, StoreError> {
        let pair = (one.min(other), one.max(other));
        Ok(self.0.with(|state| state.room(*state.direct_rooms.get(&pair)?)))
    }

    fn rooms_of(
        &self,
        user: UserId,
        after: Option<RoomId>,
        limit: usize,
    ) -> Result<Vec<(RoomRow, MemberRow)>, StoreError> {
        Ok(self.0.with(|state| {
            let rooms = state.rooms_joined_or_invited(user, after);
            let rows = rooms.filter_map(|room| Some((state.room(room)?, state.member(room, user)?)));
            rows.take(limit).collect()
        }))
    }

    fn rooms_visible(
        &self,
        user: UserId,
        after: Option<RoomId>,
        limit: usize,
    ) -> Result<Vec<(RoomRow, Option<MemberRow>)>, StoreError> {
        Ok(self.0.with(|state| {
            let rooms = state.rooms.range((after.map_or(Unbounded, Excluded), Unbounded));
            let rows = rooms.map(|(room, row)| (row.row.clone(), state.member(*room, user)));
            rows.filter(|(row, member)| row.visibility == Visibility::PUBLIC || member.is_some())
                .take(limit)
                .collect()
        }))
    }

    fn member(&self, room: RoomId, user: UserId) -> Result<Option<MemberRow>, StoreError> {
        Ok(self.0.with(|state| state.member(room, user)))
    }

    fn members(
        &self,
        room: RoomId,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<(UserRow, MemberRow)>, StoreError> {
        let from = after.map_or(Included((room, USER_FIRST)), |user| Excluded((room, user)));
        Ok(self.0.with(|state| {
            let members = state.members.range((from, Included((room, USER_LAST))));
            let rows =
                members.filter_map(|((_, user), member)| Some((state.users.get(user)?.clone(), member.row)));
            rows.take(limit).collect()
        }))
    }

    fn owners(&self, room: RoomId) -> Result<u64, StoreError> {
        Ok(self.0.with(|state| {
            let members = state.members.range((room, USER_FIRST)..=(room, USER_LAST));
            let owners =
                members.filter(|(_, member)| member.is_joined() && member.row.state.role >= RoomRole::OWNER);
            owners.count() as u64
        }))
    }

    fn memberships(&self, user: UserId, wanted: MembershipState) -> Result<u64, StoreError> {
        Ok(self.0.with(|state| {
            let rooms = state.rooms_joined_or_invited(user, None);
            let members = rooms.filter_map(|room| state.member(room, user));
            members.filter(|member| member.state.membership == wanted).count() as u64
        }))
    }

    fn rooms_made(&self, user: UserId) -> Result<u64, StoreError> {
        let own = |room: &&Room| room.row.creator == Some(user);
        Ok(self.0.with(|state| state.rooms.values().filter(own).count() as u64))
    }

    fn heads(&self, user: UserId, rooms: Option<&[RoomId]>) -> Result<Vec<HeadRow>, StoreError> {
        Ok(self.0.with(|state| match rooms {
            Some(rooms) => rooms.iter().filter_map(|room| state.head(user, *room)).collect(),
            None => {
                let rooms = state.rooms_joined_or_invited(user, None);
                rooms.filter_map(|room| state.head(user, room)).collect()
            }
        }))
    }

    fn share_room(&self, one: UserId, other: UserId, members_max: u64) -> Result<bool, StoreError> {
        Ok(self.0.with(|state| {
            let joined =
                |room, user| state.members.get(&(room, user)).is_some_and(|member| member.is_joined());
            state.rooms_joined_or_invited(one, None).any(|room| {
                joined(room, one)
                    && joined(room, other)
                    && state.rooms.get(&room).is_some_and(|room| room.row.members <= members_max)
            })
        }))
    }

    fn entries_after(
        &self,
        room: RoomId,
        after: Seq,
        limit: usize,
        bytes_max: usize,
    ) -> Result<Vec<StoredEntry>, StoreError> {
        let range = (Excluded((room, after)), Included((room, Seq(u64::MAX))));
        Ok(self.0.with(|state| page(state.entries.range(range), limit, bytes_max)))
    }

    fn entries_before(
        &self,
        room: RoomId,
        before: Seq,
        limit: usize,
        bytes_max: usize,
    ) -> Result<Vec<StoredEntry>, StoreError> {
        let range = (room, Seq::ZERO)..(room, before);
        let mut entries = self.0.with(|state| page(state.entries.range(range).rev(), limit, bytes_max));
        entries.reverse();
        Ok(entries)
    }

    fn user(&self, user: UserId) -> Result<Option<UserRow>, StoreError> {
        Ok(self.0.with(|state| state.users.get(&user).cloned()))
    }

    fn user_by_nickname(&self, folded: &str) -> Result<Option<UserRow>, StoreError> {
        Ok(self.0.with(|state| state.users.get(state.nicknames.get(folded)?).cloned()))
    }

    fn users(&self) -> Result<u64, StoreError> {
        Ok(self.0.with(|state| state.users.len() as u64))
    }

    fn device(&self, device: DeviceId) -> Result<Option<DeviceRow>, StoreError> {
        Ok(self.0.with(|state| state.devices.get(&device).cloned()))
    }

    fn device_by_key(&self, key: &[u8]) -> Result<Option<DeviceRow>, StoreError> {
        Ok(self.0.with(|state| state.devices.get(state.device_keys.get(key)?).cloned()))
    }

    fn devices(&self, user: UserId) -> Result<Vec<DeviceRow>, StoreError> {
        let own = |device: &&DeviceRow| device.user == user;
        Ok(self.0.with(|state| state.devices.values().filter(own).cloned().collect()))
    }

    fn invite(&self, invite: InviteId) -> Result<Option<InviteRow>, StoreError> {
        Ok(self.0.with(|state| state.invites.get(&invite).cloned()))
    }

    fn invite_by_hash(&self, hash: &[u8; 32]) -> Result<Option<InviteRow>, StoreError> {
        Ok(self.0.with(|state| state.invites.get(state.invite_hashes.get(hash)?).cloned()))
    }

    fn invites(
        &self,
        by: Option<UserId>,
        after: Option<InviteId>,
        limit: usize,
    ) -> Result<Vec<InviteRow>, StoreError> {
        let range = (after.map_or(Unbounded, Excluded), Unbounded);
        let wanted = |invite: &&InviteRow| by.is_none() || invite.created_by == by;
        Ok(self.0.with(|state| {
            let invites = state.invites.range(range).map(|(_, invite)| invite);
            invites.filter(wanted).take(limit).cloned().collect()
        }))
    }

    fn redeemed_by(&self, invite: InviteId, limit: usize) -> Result<Vec<UserId>, StoreError> {
        Ok(self.0.with(|state| {
            let devices = state.devices.values().filter(|device| device.invite == invite);
            let users: std::collections::BTreeSet<UserId> = devices.map(|device| device.user).collect();
            users.into_iter().take(limit).collect()
        }))
    }
}

impl State {
    pub(super) fn room(&self, room: RoomId) -> Option<RoomRow> {
        self.rooms.get(&room).map(|room| room.row.clone())
    }

    fn member(&self, room: RoomId, user: UserId) -> Option<MemberRow> {
        self.members.get(&(room, user)).map(|member| member.row)
    }

    fn rooms_joined_or_invited(&self, user: UserId, after: Option<RoomId>) -> impl Iterator<Item = RoomId> {
        let from = after.map_or(Included((user, ROOM_FIRST)), |room| Excluded((user, room)));
        let memberships = self.memberships.range((from, Included((user, ROOM_LAST))));
        memberships.map(|((_, room), ())| *room)
    }

    fn head(&self, user: UserId, room: RoomId) -> Option<HeadRow> {
        let member = self.members.get(&(room, user)).filter(|member| member.is_joined())?;
        let log = self.rooms.get(&room)?;
        Some(HeadRow {
            room,
            head: log.row.head,
            marker: member.row.marker,
            unread: member.unread(log.countable),
        })
    }
}

fn page<'a>(
    entries: impl Iterator<Item = (&'a (RoomId, Seq), &'a Kept)>,
    limit: usize,
    bytes_max: usize,
) -> Vec<StoredEntry> {
    let mut bytes = 0;
    let fits = |(at, (_, kept)): &(usize, (&(RoomId, Seq), &Kept))| {
        bytes += kept.frame.len();
        *at == 0 || bytes <= bytes_max
    };
    let entries = entries.take(limit).enumerate().take_while(fits);
    entries.map(|(_, ((_, seq), kept))| StoredEntry { seq: *seq, frame: kept.frame.clone() }).collect()
}
